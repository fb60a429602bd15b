/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Latency summed by cluster or service, as a heat map, as histograms and as JSON. */
#include "cli/latencyview.h"

#include <errno.h>
#include <string.h>

#include "cli/histview.h"
#include "core/defs.h"
#include "model/latency.h"

static const char *const kind_texts[XM_LATENCY_KINDS] = { "handshake", "srtt", "probe" };
static const struct { unsigned int permille; const char *text; } quantiles[] = {
	{ 500, "p50" }, { 900, "p90" }, { 990, "p99" },
};

/* ---- samples --------------------------------------------------------------------------------- */

int latencyview_read(const struct plane *plane, struct latencyview_sample *ret_sample, struct err *err)
{
	struct latencyview_sample sample = { 0 };
	int code = latency_read(plane, &sample.entries, &sample.n, err);

	if (!code)
		code = latency_read_probes(plane, &sample.probes, &sample.n_probes, err);
	if (code) {
		latencyview_done(&sample);
		return code;
	}
	*ret_sample = sample;
	return 0;
}

void latencyview_done(struct latencyview_sample *sample)
{
	free(take(sample->entries));
	free(take(sample->probes));
}

static int compare_key(const void *a, const void *b)
{
	const struct xm_latency_key *x = &((const struct latency_entry *)a)->key;
	const struct xm_latency_key *y = &((const struct latency_entry *)b)->key;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->cluster != y->cluster)
		return x->cluster < y->cluster ? -1 : 1;
	return (x->service > y->service) - (x->service < y->service);
}

static int compare_node(const void *a, const void *b)
{
	uint32_t x = ((const struct latency_probe *)a)->node, y = ((const struct latency_probe *)b)->node;

	return (x > y) - (x < y);
}

static void entry_since(struct xm_latency *now, const struct xm_latency *before)
{
	if (hist_count(&now->hist) < hist_count(&before->hist) || now->syns < before->syns)
		return;
	hist_since(&now->hist, &before->hist);
	now->syns -= before->syns;
	now->syn_retries -= before->syn_retries;
	now->unmeasured -= before->unmeasured;
	now->resets -= before->resets;
	now->timeouts -= before->timeouts;
}

static void probe_since(struct xm_probe_stat *now, const struct xm_probe_stat *before)
{
	if (now->asked < before->asked)
		return;
	hist_since(&now->hist, &before->hist);
	now->asked -= before->asked;
	now->lost -= before->lost;
	now->unmeasured -= before->unmeasured;
}

int latencyview_since(const struct latencyview_sample *now, const struct latencyview_sample *before,
		      struct latencyview_sample *ret_sample)
{
	struct latencyview_sample diff = { .n = now->n, .n_probes = now->n_probes };

	diff.entries = calloc(now->n + 1, sizeof(*diff.entries));
	diff.probes = calloc(now->n_probes + 1, sizeof(*diff.probes));
	if (!diff.entries || !diff.probes) {
		latencyview_done(&diff);
		return -ENOMEM;
	}
	for (size_t i = 0; i < now->n; i++) {
		const struct latency_entry *was = !before->n ? NULL :
			bsearch(&now->entries[i], before->entries, before->n, sizeof(*was), compare_key);

		diff.entries[i] = now->entries[i];
		if (was)
			entry_since(&diff.entries[i].value, &was->value);
	}
	for (size_t i = 0; i < now->n_probes; i++) {
		const struct latency_probe *was = !before->n_probes ? NULL :
			bsearch(&now->probes[i], before->probes, before->n_probes, sizeof(*was), compare_node);

		diff.probes[i] = now->probes[i];
		if (was)
			probe_since(&diff.probes[i].stat, &was->stat);
	}
	*ret_sample = diff;
	return 0;
}

/* ---- groups ---------------------------------------------------------------------------------- */

static int compare_id(const void *a, const void *b)
{
	uint32_t x = ((const struct latencyview_group *)a)->id, y = ((const struct latencyview_group *)b)->id;

	return (x > y) - (x < y);
}

/* Appended unsorted: there are few, and each is asked for in runs. */
static struct latencyview_group *group_of(struct latencyview_groups *groups, uint32_t id)
{
	for (size_t i = groups->n; i--; )
		if (groups->v[i].id == id)
			return &groups->v[i];
	groups->v[groups->n].id = id;
	return &groups->v[groups->n++];
}

static uint32_t id_of(enum latencyview_by by, uint16_t cluster, uint32_t service)
{
	switch (by) {
	case LATENCYVIEW_CLUSTER:
		return cluster;
	case LATENCYVIEW_SERVICE:
		return service;
	case LATENCYVIEW_ALL:
		break;
	}
	return 0;
}

static void add_entry(struct latencyview_group *group, const struct latency_entry *e)
{
	hist_add(&group->hist[e->key.kind], &e->value.hist);
	if (e->key.kind != XM_LATENCY_HANDSHAKE)
		return;
	group->syns += e->value.syns;
	group->syn_retries += e->value.syn_retries;
	group->resets += e->value.resets;
	group->timeouts += e->value.timeouts;
	group->unmeasured += e->value.unmeasured;
}

int latencyview_group(const struct latencyview_sample *sample, const struct latencyview_pick *pick,
		      enum latencyview_by by, uint16_t (*cluster_of)(void *user, uint32_t node), void *user,
		      struct latencyview_groups *ret_groups)
{
	struct latencyview_groups groups = { .v = calloc(sample->n + sample->n_probes + 1, sizeof(*groups.v)) };

	if (!groups.v)
		return -ENOMEM;
	groups.n = by == LATENCYVIEW_ALL;
	for (size_t i = 0; i < sample->n; i++) {
		const struct xm_latency_key *key = &sample->entries[i].key;

		/* Pinned by another build perhaps. */
		if (key->kind >= XM_LATENCY_KINDS || (pick->has_cluster && key->cluster != pick->cluster) ||
		    (pick->has_service && key->service != pick->service))
			continue;
		add_entry(group_of(&groups, id_of(by, key->cluster, key->service)), &sample->entries[i]);
	}
	for (size_t i = 0; i < sample->n_probes && !pick->has_service && by != LATENCYVIEW_SERVICE; i++) {
		const struct xm_probe_stat *stat = &sample->probes[i].stat;
		uint16_t cluster = cluster_of(user, sample->probes[i].node);
		struct latencyview_group *group;

		if (!cluster || (pick->has_cluster && cluster != pick->cluster))
			continue;
		group = group_of(&groups, id_of(by, cluster, 0));
		hist_add(&group->hist[XM_LATENCY_PROBE], &stat->hist);
		group->asked += stat->asked;
		group->lost += stat->lost;
		group->probes_unmeasured += stat->unmeasured;
	}
	qsort(groups.v, groups.n, sizeof(*groups.v), compare_id);
	*ret_groups = groups;
	return 0;
}

/* ---- for people ------------------------------------------------------------------------------ */

static unsigned int kinds_of(bool probes)
{
	return probes ? XM_LATENCY_KINDS : XM_LATENCY_PROBE;
}

/* What a peer wrote moves no cursor. */
static void print_name(FILE *out, const char *name, int width)
{
	int n = 0;

	for (; *name; name++, n++)
		fputc((unsigned char)*name < 0x20 || *name == 0x7f ? '?' : *name, out);
	for (; n < width; n++)
		fputc(' ', out);
}

static void print_kind(FILE *out, const struct xm_hist *hist, bool colour)
{
	const uint64_t count = hist_count(hist);

	fputs("  ", out);
	for (size_t i = 0; i < ARRAY_SIZE(quantiles); i++) {
		const uint64_t ns = hist_quantile(hist, quantiles[i].permille);
		char text[HISTVIEW_TIME_MAX];

		if (count)
			histview_cell(out, histview_time(ns, text), 8, ns, colour);
		else
			fprintf(out, "%8s", "-");
	}
	fprintf(out, " %8llu", (unsigned long long)count);
}

static void print_heads(FILE *out, const char *head, int width, unsigned int kinds)
{
	fprintf(out, "%*s", width, "");
	for (unsigned int k = 0; k < kinds; k++)
		fprintf(out, "  %-33s", kind_texts[k]);
	fprintf(out, "\n%-*s", width, head);
	for (unsigned int k = 0; k < kinds; k++) {
		fputs("  ", out);
		for (size_t i = 0; i < ARRAY_SIZE(quantiles); i++)
			fprintf(out, "%8s", quantiles[i].text);
		fprintf(out, " %8s", "count");
	}
	fputc('\n', out);
}

static void print_failures(FILE *out, const struct latencyview_groups *groups, const char *head,
			   latencyview_name *name, void *user, bool probes, int width)
{
	fprintf(out, "\n%-*s  %10s %12s %8s %10s %12s", width, head, "SYNS", "SYN RETRIES", "RESETS", "TIMEOUTS",
		"UNMEASURED");
	if (probes)
		fprintf(out, " %8s %8s", "PROBES", "LOST");
	fputc('\n', out);
	for (size_t i = 0; i < groups->n; i++) {
		const struct latencyview_group *g = &groups->v[i];

		print_name(out, name(user, g->id), width);
		fprintf(out, "  %10llu %12llu %8llu %10llu %12llu", (unsigned long long)g->syns,
			(unsigned long long)g->syn_retries, (unsigned long long)g->resets,
			(unsigned long long)g->timeouts, (unsigned long long)g->unmeasured);
		if (probes)
			fprintf(out, " %8llu %8llu", (unsigned long long)g->asked, (unsigned long long)g->lost);
		fputc('\n', out);
	}
}

void latencyview_map(FILE *out, const struct latencyview_groups *groups, const char *head,
		     latencyview_name *name, void *user, bool probes, bool colour)
{
	int width = strlen(head);

	if (!groups->n) {
		fputs("nothing measured yet\n", out);
		return;
	}
	for (size_t i = 0; i < groups->n; i++)
		width = MAX(width, (int)strlen(name(user, groups->v[i].id)));
	print_heads(out, head, width, kinds_of(probes));
	for (size_t i = 0; i < groups->n; i++) {
		print_name(out, name(user, groups->v[i].id), width);
		for (unsigned int k = 0; k < kinds_of(probes); k++)
			print_kind(out, &groups->v[i].hist[k], colour);
		fputc('\n', out);
	}
	print_failures(out, groups, head, name, user, probes, width);
}

void latencyview_draw(FILE *out, const struct latencyview_group *group, bool probes, int columns, bool colour)
{
	for (unsigned int k = 0; k < kinds_of(probes); k++) {
		const struct xm_hist *hist = &group->hist[k];
		const uint64_t count = hist_count(hist);

		fprintf(out, "%s%s: ", k ? "\n" : "", kind_texts[k]);
		if (!count) {
			fputs("nothing measured\n", out);
			continue;
		}
		fprintf(out, "%llu", (unsigned long long)count);
		for (size_t i = 0; i < ARRAY_SIZE(quantiles); i++) {
			const uint64_t ns = hist_quantile(hist, quantiles[i].permille);
			char text[HISTVIEW_TIME_MAX];

			fprintf(out, ", %s ", quantiles[i].text);
			histview_cell(out, histview_time(ns, text), 0, ns, colour);
		}
		fputc('\n', out);
		histview_draw(out, hist, columns, colour);
	}
	fprintf(out, "\nhandshakes: %llu SYNs, %llu repeated, %llu reset, %llu timed out, %llu unmeasured\n",
		(unsigned long long)group->syns, (unsigned long long)group->syn_retries,
		(unsigned long long)group->resets, (unsigned long long)group->timeouts,
		(unsigned long long)group->unmeasured);
	if (probes)
		fprintf(out, "probes: %llu asked, %llu lost, %llu unmeasured\n", (unsigned long long)group->asked,
			(unsigned long long)group->lost, (unsigned long long)group->probes_unmeasured);
}

/* ---- for programs ---------------------------------------------------------------------------- */

static void put(json_object *o, const char *key, uint64_t n)
{
	json_object_object_add(o, key, json_object_new_uint64(n));
}

void latencyview_json(json_object *o, const struct latencyview_group *group, bool probes)
{
	json_object *kinds = json_object_new_object();

	for (unsigned int k = 0; k < kinds_of(probes); k++)
		json_object_object_add(kinds, kind_texts[k], histview_json(&group->hist[k]));
	json_object_object_add(o, "kinds", kinds);
	put(o, "syns", group->syns);
	put(o, "syn_retries", group->syn_retries);
	put(o, "resets", group->resets);
	put(o, "timeouts", group->timeouts);
	put(o, "unmeasured", group->unmeasured);
	if (!probes)
		return;
	put(o, "probes_asked", group->asked);
	put(o, "probes_lost", group->lost);
	put(o, "probes_unmeasured", group->probes_unmeasured);
}
