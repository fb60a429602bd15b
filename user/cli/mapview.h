/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The entries of each map as a table: all of them, or the one that a key names. */
#ifndef XMESH_CLI_MAPVIEW_H
#define XMESH_CLI_MAPVIEW_H

#include "cli/view.h"

/* What `map get` asks for; a dump has set = false and matches everything. */
struct map_key {
	bool set;
	struct xm_addr addr;
	struct xm_prefix prefix;
	uint32_t number;   /* node number, ifindex, cluster id, index of an array */
};

/*
 * -EINVAL: @text is no key of @map, with a sentence. -ENOENT: a well-formed one that names nothing.
 */
int mapview_key(const struct view *view, enum plane_map map, const char *text,
		struct map_key *ret_key,
		struct err *err);
/* One table named "entries". *ret_n is the number of rows. */
int mapview_emit(const struct view *view, enum plane_map map, const struct map_key *key,
		 struct emit *emit,
		 size_t *ret_n, struct err *err);

#endif
