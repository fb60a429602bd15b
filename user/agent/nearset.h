/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The services that are weighed by round trips, each with its struct nearest: begun with what is
 * pinned, and from then on those that services_list() has. Not for: where measures come from
 * (agent/rtt.h).
 */
#ifndef XMESH_AGENT_NEARSET_H
#define XMESH_AGENT_NEARSET_H

#include "model/service_tables.h"
#include "model/services.h"
#include "plane/plane.h"

struct nearset_item {
	char space[64], name[64];
	struct nearest nearest;
};

struct nearset {
	struct nearset_item *items;   size_t n; /* sorted by (space, name) */
	struct service_nearest *list;           /* the same, for services_input */
};

/* The weights that @tables tell of, by the names of clusters in @plane. -ENOMEM. */
int nearset_seed(struct nearset *set, const struct plane *plane, const struct service_tables *tables);
/* Items for those of @services that are nearest, and no others. -ENOMEM: as before. */
int nearset_follow(struct nearset *set, const struct service *const *services, size_t n);
void nearset_done(struct nearset *set);

#endif
