/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The actual tables, read from the pinned maps (batched where the kernel has it), in the shapes of
 * model/wanted.h.
 */
#ifndef XMESH_PLANE_ACTUAL_H
#define XMESH_PLANE_ACTUAL_H

#include "core/err.h"
#include "model/wanted.h"
#include "plane/plane.h"

/*
 * Fill the map-backed parts of *ret_actual (kroutes, kneighs stay empty), sorted as wanted.
 * wanted_free() releases.
 */
int actual_read(const struct plane *plane, struct wanted **ret_actual, struct err *err);

/* Sums over CPUs. @ret_counters: XM_COUNTERS entries. */
int actual_counters(const struct plane *plane, struct xm_counter *ret_counters, struct err *err);
/* How often a too-big lowered a node's MTU: xm_node_state is worth reading when that moved. */
int actual_mtu_lowered(const struct plane *plane, uint64_t *ret_times, struct err *err);
/*
 * One node's stats, summed over CPUs; a @number from XM_STAT_NODES on gives entry 0, "other".
 */
int actual_peer_stat(const struct plane *plane, uint32_t number, struct xm_peer_stat *ret_stat,
		     struct err *err);
int actual_node_state(const struct plane *plane, uint32_t number, struct xm_node_state *ret_state,
		      struct err *err);
/* The route that xm_routes gives for @addr, by the same probe order as BPF. -ENOENT: none. */
int actual_route_get(const struct plane *plane, const struct xm_addr *addr,
		     struct wanted_route *ret_route, struct err *err);

struct map_info {
	const char *name, *text;
	uint32_t id, type, key_size, value_size, max_entries;
	uint64_t entries; /* counted for hashes, max_entries for arrays, 0 for the ring buffer */
	const char *type_name;
};

int actual_map_info(const struct plane *plane, enum plane_map map, struct map_info *ret_info,
		    struct err *err);

#endif
