/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The metric families of latency: round trips, handshakes, probes, the programs' own time. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/metrics.h"
#include "core/defs.h"
#include "model/latency.h"
#include "plane/latency.h"

static const char *const kinds[XM_LATENCY_KINDS] = { "handshake", "srtt", "probe" };
static const char *const hooks[] = {
#define HOOK(name, text) text,
	XM_HOOKS(HOOK)
#undef HOOK
};

static const struct { const char *name, *help; size_t offset; } counts[] = {
	{ "xmesh_syns_total", "First SYNs of connections that pods here open.", offsetof(struct xm_latency, syns) },
	{ "xmesh_syn_retries_total", "Repeated SYNs.", offsetof(struct xm_latency, syn_retries) },
	{ "xmesh_handshake_resets_total", "Handshakes answered by a reset.", offsetof(struct xm_latency, resets) },
	{ "xmesh_handshake_timeouts_total", "Handshakes without an answer.",
	  offsetof(struct xm_latency, timeouts) },
	{ "xmesh_handshakes_unmeasured_total", "Handshakes whose round trip was not measured.",
	  offsetof(struct xm_latency, unmeasured) },
};

/* One series: of a service, of none (""), or of all services that have none of their own ("other"). */
struct series { uint8_t kind; uint16_t cluster; const char *service; const struct xm_latency *value; };

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* The number from which on services share a series: whole services, lowest numbers first. */
static int last_service(const struct latency_entry *entries, size_t n, uint32_t *ret_last, size_t *ret_dropped)
{
	auto_free uint32_t *numbers = calloc(n + 1, sizeof(*numbers));
	size_t n_numbers = 0;

	if (!numbers)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (entries[i].key.service)
			numbers[n_numbers++] = entries[i].key.service;
	*ret_last = UINT32_MAX;
	*ret_dropped = 0;
	if (n_numbers <= METRICS_MAX_SERVICE_SERIES)
		return 0;
	qsort(numbers, n_numbers, sizeof(*numbers), by_number);
	/* The service at the edge does not fit in whole, unless the edge is between two. */
	*ret_last = numbers[METRICS_MAX_SERVICE_SERIES] - 1;
	for (size_t i = 0; i < n_numbers; i++)
		*ret_dropped += numbers[i] > *ret_last;
	return 0;
}

static void add(struct xm_latency *to, const struct xm_latency *from)
{
	hist_add(&to->hist, &from->hist);
	to->syns += from->syns;
	to->syn_retries += from->syn_retries;
	to->unmeasured += from->unmeasured;
	to->resets += from->resets;
	to->timeouts += from->timeouts;
}

/* @others: room for the sums, one per cluster and kind at most. */
static size_t make_series(const struct metrics_names *names, const struct latency_entry *entries, size_t n,
			  uint32_t last, struct series *series, struct xm_latency *others)
{
	size_t n_series = 0;

	for (size_t i = 0, k; i < n; i = k) {
		struct xm_latency *other = NULL;

		for (k = i; k < n && entries[k].key.kind == entries[i].key.kind &&
			    entries[k].key.cluster == entries[i].key.cluster; k++) {
			const struct latency_entry *e = &entries[k];
			const char *name = e->key.service ? metrics_service_name(names, e->key.service) : "";

			/* One that went a moment ago has no name any more: it is forgotten at the next sweep. */
			if (e->key.service <= last && (!e->key.service || name[0])) {
				series[n_series++] = (struct series){ e->key.kind, e->key.cluster, name, &e->value };
				continue;
			}
			if (!other)
				other = others++;
			add(other, &e->value);
		}
		if (other)
			series[n_series++] = (struct series){ entries[i].key.kind, entries[i].key.cluster, "other",
							      other };
	}
	return n_series;
}

static void put_probe_rtt(struct metrics_text *t, const struct metrics_names *names,
			  const struct latency_probe *probes, size_t n, struct xm_hist *sums)
{
	for (size_t i = 0; i < n; i++) {
		const struct metrics_name *node = metrics_node(names, probes[i].node);

		for (size_t c = 0; node && c < names->n_clusters; c++)
			if (names->clusters[c].id == node->cluster)
				hist_add(&sums[c], &probes[i].stat.hist);
	}
	for (size_t c = 0; c < names->n_clusters; c++) {
		const char *const labels[] = { "cluster", names->clusters[c].cluster.name, "service", "", "kind",
					       kinds[XM_LATENCY_PROBE], NULL };

		if (hist_count(&sums[c]))
			metrics_text_hist(t, labels, &sums[c]);
	}
}

static void put_probes(struct metrics_text *t, const struct metrics_names *names,
		       const struct latency_probe *probes, size_t n)
{
	static const struct { const char *name, *help; size_t offset; } families[] = {
		{ "xmesh_probes_total", "Liveness probes sent to a node.", offsetof(struct xm_probe_stat, asked) },
		{ "xmesh_probes_lost_total", "Liveness probes without an answer.",
		  offsetof(struct xm_probe_stat, lost) },
		{ "xmesh_probes_unmeasured_total", "Liveness probes whose round trip was not measured.",
		  offsetof(struct xm_probe_stat, unmeasured) },
	};

	for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
		metrics_text_family(t, families[f].name, "counter", families[f].help);
		for (size_t i = 0; i < n; i++) {
			const struct metrics_name *node = metrics_node(names, probes[i].node);
			uint64_t value;

			if (!node)
				continue;
			memcpy(&value, (const char *)&probes[i].stat + families[f].offset, sizeof(value));
			metrics_text_count(t, "", (const char *const[]){ "cluster",
					   metrics_cluster_name(names, node->cluster), "node", node->name, NULL },
					   value);
		}
	}
}

static void put_series(struct metrics_text *t, const struct metrics_names *names, const struct series *series,
		       size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct series *s = &series[i];
		const char *const labels[] = { "cluster", metrics_cluster_name(names, s->cluster), "service",
					       s->service, "kind", kinds[s->kind], NULL };

		if (s->kind < XM_LATENCY_PROBE)
			metrics_text_hist(t, labels, &s->value->hist);
	}
}

static void put_counts(struct metrics_text *t, const struct metrics_names *names, const struct series *series,
		       size_t n)
{
	metrics_text_family(t, "xmesh_handshakes_total", "counter",
			    "Handshakes of connections that were answered: measured and unmeasured.");
	for (size_t i = 0; i < n && series[i].kind == XM_LATENCY_HANDSHAKE; i++)
		metrics_text_count(t, "", (const char *const[]){ "cluster",
				   metrics_cluster_name(names, series[i].cluster), "service", series[i].service, NULL },
				   hist_count(&series[i].value->hist) + series[i].value->unmeasured);
	for (size_t f = 0; f < ARRAY_SIZE(counts); f++) {
		metrics_text_family(t, counts[f].name, "counter", counts[f].help);
		for (size_t i = 0; i < n && series[i].kind == XM_LATENCY_HANDSHAKE; i++) {
			uint64_t value;

			memcpy(&value, (const char *)series[i].value + counts[f].offset, sizeof(value));
			metrics_text_count(t, "", (const char *const[]){ "cluster",
					   metrics_cluster_name(names, series[i].cluster), "service",
					   series[i].service, NULL }, value);
		}
	}
}

int metrics_latency(struct metrics_text *t, const struct metrics_names *names,
		    const struct latency_entry *entries, size_t n_entries,
		    const struct latency_probe *probes, size_t n_probes)
{
	auto_free struct series *series = calloc(2 * n_entries + 1, sizeof(*series));
	auto_free struct xm_hist *sums = calloc(names->n_clusters + 1, sizeof(*sums));
	auto_free struct xm_latency *others = NULL;
	size_t n_groups = 0, n_series, dropped;
	uint32_t last;

	if (!series || !sums || last_service(entries, n_entries, &last, &dropped))
		return -ENOMEM;
	for (size_t i = 0; i < n_entries; i++)
		n_groups += !i || entries[i].key.kind != entries[i - 1].key.kind ||
			    entries[i].key.cluster != entries[i - 1].key.cluster;
	others = calloc(n_groups + 1, sizeof(*others));
	if (!others)
		return -ENOMEM;
	n_series = make_series(names, entries, n_entries, last, series, others);

	metrics_text_family(t, "xmesh_rtt_seconds", "histogram",
			    "Round trips: of handshakes, smoothed ones of connections, of liveness probes.");
	put_series(t, names, series, n_series);
	put_probe_rtt(t, names, probes, n_probes, sums);
	metrics_text_family(t, "xmesh_rtt_series_dropped", "gauge",
			    "Pairs of cluster and service that are counted under the service other.");
	metrics_text_count(t, "", NULL, dropped);
	put_counts(t, names, series, n_series);
	put_probes(t, names, probes, n_probes);
	return 0;
}

void metrics_programs(struct metrics_text *t, const struct xm_hist *hists)
{
	metrics_text_family(t, "xmesh_program_seconds", "histogram", "Time that a program takes, sampled.");
	for (unsigned int h = 0; h < XM_HOOK_COUNT; h++)
		if (hist_count(&hists[h]))
			metrics_text_hist(t, (const char *const[]){ "program", hooks[h], NULL }, &hists[h]);
}
