/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* xm_flows and what lies around it, from user space: list, flush, and the sweep of what is over. */
#ifndef XMESH_PLANE_FLOWS_H
#define XMESH_PLANE_FLOWS_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "plane/plane.h"
#include "xmesh/flow.h"

struct flow_entry {
	struct xm_flow_key key;
	struct xm_flow flow;
};

/* All entries, living or over. The caller frees *ret_flows. */
int flows_read(const struct plane *plane, struct flow_entry **ret_flows, size_t *ret_n, struct err *err);
/* Is its time over at @now_ns (CLOCK_MONOTONIC)? */
bool flow_is_over(const struct flow_entry *entry, uint64_t now_ns);
/*
 * Take out what is over, of xm_flows and xm_frags; clear the hints of pods that have no flows left;
 * raise the counter flow_ended of hook agent by what was taken out. One caller at a time (the agent's
 * worker, or a command on a host without one).
 */
int flows_sweep(const struct plane *plane, uint64_t now_ns, size_t *ret_ended, struct err *err);
/* Take out all. *ret_ended: entries. Connections of them are chosen anew: they may break. */
int flows_flush(const struct plane *plane, size_t *ret_ended, struct err *err);
/* Entries that were evicted because the table was full: flow_new - flow_ended - entries there. */
int flows_evicted(const struct plane *plane, uint64_t *ret_entries, uint64_t *ret_evicted, struct err *err);

#endif
