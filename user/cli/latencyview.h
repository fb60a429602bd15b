/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Latency as the maps have it, summed for people: a sample of all, the difference of two, and groups by
 * cluster or by service. Not for: drawing (cli/histview.h), the command (cli/cmd_latency.c).
 */
#ifndef XMESH_CLI_LATENCYVIEW_H
#define XMESH_CLI_LATENCYVIEW_H

#include <json-c/json.h>
#include <stdio.h>

#include "cli/view.h"
#include "plane/latency.h"

struct latencyview_sample {
	struct latency_entry *entries; size_t n;          /* sorted, as of latency_read() */
	struct latency_probe *probes;  size_t n_probes;
};

int latencyview_read(const struct plane *plane, struct latencyview_sample *ret_sample, struct err *err);
/*
 * What came between @before and @now. An entry that is smaller than it was has been forgotten and begun
 * anew: all of it came. -ENOMEM.
 */
int latencyview_since(const struct latencyview_sample *now, const struct latencyview_sample *before,
		      struct latencyview_sample *ret_sample);
void latencyview_done(struct latencyview_sample *sample);

enum latencyview_by { LATENCYVIEW_CLUSTER, LATENCYVIEW_SERVICE, LATENCYVIEW_ALL };

/* What of a sample counts. With a service its cluster's probes do not: they are of nodes. */
struct latencyview_pick {
	bool has_cluster, has_service;
	uint16_t cluster;
	uint32_t service;
};

struct latencyview_group {
	uint32_t id;                          /* of the cluster or service */
	struct xm_hist hist[XM_LATENCY_KINDS];
	uint64_t syns, syn_retries, resets, timeouts, unmeasured; /* of handshakes */
	uint64_t asked, lost, probes_unmeasured;
};

struct latencyview_groups { struct latencyview_group *v; size_t n; }; /* sorted by id */

/*
 * Without data LATENCYVIEW_ALL is one empty group. @cluster_of: of a node, 0 = not known, which does not
 * count. The caller frees ret_groups->v. -ENOMEM.
 */
int latencyview_group(const struct latencyview_sample *sample, const struct latencyview_pick *pick,
		      enum latencyview_by by, uint16_t (*cluster_of)(void *user, uint32_t node), void *user,
		      struct latencyview_groups *ret_groups);

/* The name of a group; valid until the next call. */
typedef const char *latencyview_name(void *user, uint32_t id);

/*
 * A heat map, one line a group: percentiles and number of each kind (@probes: of probes too), then what
 * became of handshakes. @head: over the names.
 */
void latencyview_map(FILE *out, const struct latencyview_groups *groups, const char *head,
		     latencyview_name *name, void *user, bool probes, bool colour);
/* The histograms of one group; @probes as above. */
void latencyview_draw(FILE *out, const struct latencyview_group *group, bool probes, int columns, bool colour);
/* Into @o: "kinds", and the counters. */
void latencyview_json(json_object *o, const struct latencyview_group *group, bool probes);

#endif
