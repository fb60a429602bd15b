/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * xm_latency and what lies around it, from user space: read and summed over the CPUs, and the sweep
 * of handshakes that had no answer. What the numbers mean: xmesh/latency.h.
 */
#ifndef XMESH_PLANE_LATENCY_H
#define XMESH_PLANE_LATENCY_H

#include <stddef.h>

#include "core/err.h"
#include "plane/plane.h"
#include "xmesh/latency.h"

struct latency_entry {
	struct xm_latency_key key;
	struct xm_latency value; /* of all CPUs; timeouts with those of the sweep */
	bool swept; /* only the sweep knows of it: not in xm_latency */
};

struct latency_probe {
	uint32_t node;
	struct xm_probe_stat stat;
};

/* Sorted by (kind, cluster, service). The caller frees. -ENOMEM, errors of bpf(2). */
int latency_read(const struct plane *plane, struct latency_entry **ret_entries, size_t *ret_n,
		 struct err *err);
/* Sorted by node. The caller frees. */
int latency_read_probes(const struct plane *plane, struct latency_probe **ret_probes, size_t *ret_n,
			struct err *err);
/* By enum xm_hook, XM_HOOK_COUNT of them, of all CPUs. */
int latency_read_programs(const struct plane *plane, struct xm_hist *ret_hists, struct err *err);
/* Write the entry of @node, or with @stat NULL remove it; the agent alone. */
int latency_write_probe(const struct plane *plane, uint32_t node, const struct xm_probe_stat *stat,
			struct err *err);
/* Count SYNs in xm_syn that are older than XM_SYN_TIMEOUT_S, each once. The agent alone. */
int latency_sweep_syns(const struct plane *plane, uint64_t now_ns, size_t *ret_timeouts, struct err *err);
/*
 * Entries of services and clusters that are no more: @keep tells. Their counts are gone with them. *ret_kept:
 * entries of xm_latency that stay.
 */
int latency_forget(const struct plane *plane, bool (*keep)(void *user, const struct xm_latency_key *key),
		   void *user, size_t *ret_kept, struct err *err);

#endif
