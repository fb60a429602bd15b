/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The blast radius of a snapshot: how much of a cluster's prefixes and backends it would take away,
 * and whether that is more than a feed may do by itself. By number, not by name: pods that all move to
 * other addresses are no loss. Pure.
 */
#ifndef XMESH_MODEL_SHRINK_H
#define XMESH_MODEL_SHRINK_H

#include "model/snapshot.h"

#define SHRINK_MIN 20 /* objects: fewer may go all at once */

struct shrink_size {
	size_t prefixes;   /* of nodes */
	size_t backends;   /* addresses of services that others, or we, use; each once a service */
};

/*
 * Of @snapshot; NULL = nothing. @own: of our own cluster, where services that are not shared count as
 * well. -ENOMEM.
 */
int shrink_size(const struct snapshot *snapshot, bool own, struct shrink_size *ret_size);
/* Does it lose more than @max_percent of either, where there are SHRINK_MIN of them at least? */
bool shrink_is_too_much(const struct shrink_size *before, const struct shrink_size *after,
			unsigned int max_percent);

#endif
