/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * All metric families as Prometheus text, from the pinned maps and what the agent says when it runs:
 * for `xmesh metrics` and for /metrics. Pinned maps are only read, so that any thread may do it.
 */
#ifndef XMESH_AGENT_METRICS_H
#define XMESH_AGENT_METRICS_H

#include <json-c/json.h>

#include "agent/metrics_text.h"
#include "core/err.h"
#include "plane/plane.h"

/*
 * Latency has at most this many histograms with a service; services beyond, by their number, are counted
 * together as "other" in each cluster, and xmesh_rtt_series_dropped tells how many series are in there.
 * Those of clusters, and of nodes' counters, are as many as there are clusters and nodes.
 */
#define METRICS_MAX_SERVICE_SERIES 2048

/* Names of the tables, as far as metrics need them; read at once. */
struct metrics_name { uint32_t number; uint16_t cluster; char name[XM_NAME_LEN]; };
struct metrics_cluster { uint16_t id; struct xm_cluster cluster; };
struct metrics_names {
	struct metrics_name *nodes;       size_t n_nodes;    /* sorted by number */
	struct metrics_cluster *clusters; size_t n_clusters; /* sorted by id */
	char (*services)[132];            size_t n_services; /* by number, "" = none */
};

int metrics_names_read(const struct plane *plane, struct metrics_names *ret_names, struct err *err);
void metrics_names_done(struct metrics_names *names);
/* "" when nothing names it. */
const char *metrics_cluster_name(const struct metrics_names *names, uint16_t id);
const struct metrics_name *metrics_node(const struct metrics_names *names, uint32_t number);
const char *metrics_service_name(const struct metrics_names *names, uint32_t number);

/*
 * @status: of state_status(), NULL = no agent runs. *ret_text is terminated, the caller frees.
 * -ENOMEM, errors of bpf(2).
 */
int metrics_format(const struct plane *plane, const json_object *status, char **ret_text, size_t *ret_len,
		   struct err *err);

/* The families of latency, apart for their tests: @entries sorted by (kind, cluster, service). */
struct latency_entry;
struct latency_probe;
int metrics_latency(struct metrics_text *t, const struct metrics_names *names,
		    const struct latency_entry *entries, size_t n_entries,
		    const struct latency_probe *probes, size_t n_probes);
void metrics_programs(struct metrics_text *t, const struct xm_hist *hists);

#endif
