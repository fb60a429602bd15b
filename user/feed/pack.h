/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One object with its arrays and texts copied into one block of memory (struct snapshot_block), which
 * snapshots and the store then share. Not for: what is in them.
 */
#ifndef XMESH_FEED_PACK_H
#define XMESH_FEED_PACK_H

#include "model/snapshot.h"

/* *ret_x is @from with everything in a block of its own, held once. -ENOMEM. */
int pack_node(const struct node_object *from, struct node_object *ret_node);
int pack_slice(const struct slice_object *from, struct slice_object *ret_slice);
int pack_service(const struct service_object *from, struct service_object *ret_service);

/*
 * The arrays of a packed slice follow from its block and their numbers, so a million of them need not
 * be told in pointers. @named: it had a name.
 */
void pack_slice_view(struct snapshot_block *block, size_t n_endpoints, size_t n_ports, bool named,
		     struct slice_object *slice);

#endif
