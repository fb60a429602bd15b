/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * xm_latency and the maps around it, as they are: what the agent's sweep counted is in a map of its
 * own. Not for: `xmesh latency`, which sums.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/mapview_parts.h"
#include "model/latency.h"
#include "xmesh/latency.h"
#include "xmesh/service.h"

#define SERVICE_TEXT_MAX 132

static const char *const kinds[XM_LATENCY_KINDS] = { "handshake", "srtt", "probe" };
static const char *const states[] = { "free", "sent", "retried", "answered", "timed_out" };

/* NULL for service 0; "#7" when nothing names it. */
static const char *service_text(const struct mapview_out *out, uint32_t number,
				char buf[SERVICE_TEXT_MAX])
{
	struct xm_service_name name;

	if (!number)
		return NULL;
	if (bpf_map_lookup_elem(out->view->plane.map_fd[PLANE_xm_service_names], &number, &name))
		snprintf(buf, SERVICE_TEXT_MAX, "#%u", number);
	else
		snprintf(buf, SERVICE_TEXT_MAX, "%.63s/%.63s", name.space, name.name);
	return buf;
}

static int cannot_read(enum plane_map map, struct err *err)
{
	return err_set(err, -errno, "%s cannot be read: %s", plane_map_names[map], strerror(errno));
}

static void cells_key(struct mapview_out *out, const struct xm_latency_key *key)
{
	char text[SERVICE_TEXT_MAX];

	emit_cell_text(out->emit, key->kind < XM_LATENCY_KINDS ? kinds[key->kind] : NULL);
	emit_cell_text(out->emit, view_cluster_name(out->view, key->cluster));
	emit_cell_text(out->emit, service_text(out, key->service, text));
	emit_cell_number(out->emit, key->service);
}

static void cells_hist(struct mapview_out *out, const struct xm_hist *hist)
{
	emit_cell_number(out->emit, hist_count(hist));
	emit_cell_number(out->emit, hist_quantile(hist, 500));
	emit_cell_number(out->emit, hist_quantile(hist, 990));
}

int mapview_latency(struct mapview_out *out, struct err *err)
{
	static const struct emit_column columns[] = {
		{ "kind", "KIND", false },	   { "cluster", "CLUSTER", false },
		{ "service", "SERVICE", false },   { "number", "NUMBER", true },
		{ "measured", "MEASURED", true },  { "p50_ns", "P50 (NS)", true },
		{ "p99_ns", "P99 (NS)", true },	   { "syns", "SYNS", true },
		{ "syn_retries", "RETRIES", true }, { "unmeasured", "UNMEASURED", true },
		{ "resets", "RESETS", true },	   { "timeouts", "TIMEOUTS", true },
	};
	const int fd = out->view->plane.map_fd[PLANE_xm_latency], n_cpus = libbpf_num_possible_cpus();
	auto_free struct xm_latency *cpus = n_cpus > 0 ? calloc(n_cpus, sizeof(*cpus)) : NULL;
	struct xm_latency_key key, *at = NULL;

	MAPVIEW_TABLE(out, columns);
	if (!cpus)
		return err_set(err, -ENOMEM, "out of memory");
	for (; !bpf_map_get_next_key(fd, at, &key); at = &key) {
		struct xm_latency sum = { 0 };

		if (!mapview_wants_number(out, key.cluster))
			continue;
		/* -ENOENT: deleted between the two calls. */
		if (bpf_map_lookup_elem(fd, &key, cpus)) {
			if (errno == ENOENT)
				continue;
			return cannot_read(PLANE_xm_latency, err);
		}
		for (int i = 0; i < n_cpus; i++) {
			hist_add(&sum.hist, &cpus[i].hist);
			sum.syns += cpus[i].syns;
			sum.syn_retries += cpus[i].syn_retries;
			sum.unmeasured += cpus[i].unmeasured;
			sum.resets += cpus[i].resets;
			sum.timeouts += cpus[i].timeouts;
		}
		mapview_row(out);
		cells_key(out, &key);
		cells_hist(out, &sum.hist);
		emit_cell_number(out->emit, sum.syns);
		emit_cell_number(out->emit, sum.syn_retries);
		emit_cell_number(out->emit, sum.unmeasured);
		emit_cell_number(out->emit, sum.resets);
		emit_cell_number(out->emit, sum.timeouts);
	}
	return 0;
}

int mapview_syn(struct mapview_out *out, struct err *err)
{
	static const struct emit_column columns[] = {
		{ "slot", "SLOT", true },	 { "tag", "TAG", true },
		{ "state", "STATE", false },	 { "age_ns", "AGE (NS)", true },
		{ "cluster", "CLUSTER", false }, { "service", "SERVICE", false },
	};
	const uint32_t first = out->key->set ? out->key->number : 0;
	const uint32_t last = out->key->set ? out->key->number : XM_SYN_SLOTS - 1;
	const int fd = out->view->plane.map_fd[PLANE_xm_syn];
	char text[SERVICE_TEXT_MAX];
	struct timespec ts;
	uint64_t now;

	MAPVIEW_TABLE(out, columns);
	clock_gettime(CLOCK_MONOTONIC, &ts);
	now = (uint64_t)ts.tv_sec * 1000000000u + ts.tv_nsec;
	for (uint32_t slot = first; slot <= last; slot++) {
		struct xm_syn syn;

		if (bpf_map_lookup_elem(fd, &slot, &syn))
			return cannot_read(PLANE_xm_syn, err);
		if (syn.state == XM_SYN_FREE || syn.state >= ARRAY_SIZE(states))
			continue;
		mapview_row(out);
		emit_cell_number(out->emit, slot);
		emit_cell_number(out->emit, syn.tag);
		emit_cell_text(out->emit, states[syn.state]);
		emit_cell_number(out->emit, now > syn.sent_ns ? now - syn.sent_ns : 0);
		emit_cell_text(out->emit, view_cluster_name(out->view, syn.cluster));
		emit_cell_text(out->emit, service_text(out, syn.service, text));
	}
	return 0;
}

int mapview_syn_timeouts(struct mapview_out *out, struct err *err)
{
	static const struct emit_column columns[] = {
		{ "kind", "KIND", false },	 { "cluster", "CLUSTER", false },
		{ "service", "SERVICE", false }, { "number", "NUMBER", true },
		{ "timeouts", "TIMEOUTS", true },
	};
	const int fd = out->view->plane.map_fd[PLANE_xm_syn_timeouts];
	struct xm_latency_key key, *at = NULL;
	uint64_t timeouts;

	MAPVIEW_TABLE(out, columns);
	for (; !bpf_map_get_next_key(fd, at, &key); at = &key) {
		if (!mapview_wants_number(out, key.cluster) ||
		    bpf_map_lookup_elem(fd, &key, &timeouts))
			continue;
		mapview_row(out);
		cells_key(out, &key);
		emit_cell_number(out->emit, timeouts);
	}
	return 0;
}

int mapview_probe_rtt(struct mapview_out *out, struct err *err)
{
	static const struct emit_column columns[] = {
		{ "number", "NUMBER", true },	  { "node", "NODE", false },
		{ "measured", "MEASURED", true }, { "p50_ns", "P50 (NS)", true },
		{ "p99_ns", "P99 (NS)", true },	  { "asked", "ASKED", true },
		{ "lost", "LOST", true },	  { "unmeasured", "UNMEASURED", true },
	};
	const int fd = out->view->plane.map_fd[PLANE_xm_probe_rtt];
	uint32_t number, *at = NULL;
	struct xm_probe_stat stat;

	MAPVIEW_TABLE(out, columns);
	for (; !bpf_map_get_next_key(fd, at, &number); at = &number) {
		if (!mapview_wants_number(out, number) || bpf_map_lookup_elem(fd, &number, &stat))
			continue;
		mapview_row(out);
		emit_cell_number(out->emit, number);
		emit_cell_text(out->emit, view_node_name(out->view, number));
		cells_hist(out, &stat.hist);
		emit_cell_number(out->emit, stat.asked);
		emit_cell_number(out->emit, stat.lost);
		emit_cell_number(out->emit, stat.unmeasured);
	}
	return 0;
}

int mapview_program_time(struct mapview_out *out, const char *const *hooks, struct err *err)
{
	static const struct emit_column columns[] = {
		{ "hook", "HOOK", false },	{ "samples", "SAMPLES", true },
		{ "p50_ns", "P50 (NS)", true }, { "p99_ns", "P99 (NS)", true },
	};
	const int n_cpus = libbpf_num_possible_cpus();
	auto_free struct xm_hist *cpus = n_cpus > 0 ? calloc(n_cpus, sizeof(*cpus)) : NULL;

	MAPVIEW_TABLE(out, columns);
	if (!cpus)
		return err_set(err, -ENOMEM, "out of memory");
	for (uint32_t hook = 0; hook < XM_HOOK_COUNT; hook++) {
		struct xm_hist sum = { 0 };

		if (bpf_map_lookup_elem(out->view->plane.map_fd[PLANE_xm_program_time], &hook, cpus))
			return cannot_read(PLANE_xm_program_time, err);
		for (int i = 0; i < n_cpus; i++)
			hist_add(&sum, &cpus[i]);
		if (!mapview_wants_number(out, hook) || (!out->key->set && !hist_count(&sum)))
			continue;
		mapview_row(out);
		emit_cell_text(out->emit, hooks[hook]);
		cells_hist(out, &sum);
	}
	return 0;
}

int mapview_watch(struct mapview_out *out, struct err *err)
{
	static const struct emit_column columns[] = {
		{ "until_ns", "UNTIL (NS, MONOTONIC)", true }, { "flows", "FLOWS", false },
	};
	struct xm_watch watch;
	uint32_t zero = 0;

	MAPVIEW_TABLE(out, columns);
	if (bpf_map_lookup_elem(out->view->plane.map_fd[PLANE_xm_watch], &zero, &watch))
		return cannot_read(PLANE_xm_watch, err);
	mapview_row(out);
	emit_cell_number(out->emit, watch.until_ns);
	emit_cell_bool(out->emit, watch.flows);
	return 0;
}
