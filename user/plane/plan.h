/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The difference between wanted and actual tables as an ordered list of operations. Pure. Order:
 * config slots, names, clusters, paths, nodes, routes, pods, ifaces are put first (what is pointed to
 * before what points), then deletes in the reverse order, then the final config. xm_config is put
 * twice when a prefix length goes out of use: first with the slots of before and after, so that no
 * route is without its slot. An entry that differs in since_s alone is left as it is.
 * XM_POD_STATIC pods that are only in actual are kept: deleting them is the operator's
 * (apply_pod_delete()).
 */
#ifndef XMESH_PLANE_PLAN_H
#define XMESH_PLANE_PLAN_H

#include <stdio.h>

#include "core/err.h"
#include "model/wanted.h"
#include "plane/plane.h"

enum plan_verb { PLAN_PUT, PLAN_DELETE };

struct plan_op {
	enum plan_verb verb;
	enum plane_map map;
	bool replace;            /* PUT over an entry that is there */
	union {
		struct xm_addr addr;       /* xm_nodes, xm_pods */
		struct xm_prefix prefix;   /* xm_routes */
		uint32_t number;           /* xm_node_names, xm_paths, xm_ifaces (ifindex), xm_config (0) */
		uint16_t cluster;          /* xm_clusters */
	} key;
	const void *value;       /* borrowed from @wanted; NULL for deletes */
};

struct plan {
	struct plan_op *ops;
	size_t n_ops;
	struct xm_config *config; /* owned: what the first put of xm_config writes */
};

/*
 * @actual may be NULL (nothing there). @wanted is borrowed and must outlive the plan. -EINVAL: a
 * table is not sorted by its key, which would delete what was just put. -ENOMEM.
 */
int plan_new(const struct wanted *wanted, const struct wanted *actual, struct plan **ret_plan);
void plan_free(struct plan *plan);
/*
 * One line for people, as `apply --dry-run` prints it:
 * "put    xm_routes     10.2.1.0/24 -> west-1, tunnel to 192.0.2.7, mtu 1450".
 */
void plan_op_print(const struct plan_op *op, const struct wanted *wanted,
		   const struct wanted *actual, FILE *out);

#endif
