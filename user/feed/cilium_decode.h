/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The values of Cilium's mesh store into pieces: nodes, addresses, services, service exports and
 * EndpointSlices, formats as of Cilium 1.19. Pure. Not for: when a prefix may be believed (cilium.c).
 */
#ifndef XMESH_FEED_CILIUM_DECODE_H
#define XMESH_FEED_CILIUM_DECODE_H

#include "feed/cilium_peer.h"
#include "feed/piece.h"
#include "feed/store.h"

#define CILIUM_MAX_UNPACKED (16u * 1024 * 1024) /* an EndpointSlice, as Cilium itself has it */
#define CILIUM_MAX_PORT_SETS 64 /* different sets of ports among the backends of a service */

/* What the values must belong to. Not changed while a worker may decode. */
struct cilium_reader {
	char cluster[64];
	struct cilium_peer peer;
};

/* The kind of @key and what stands behind its prefix; -1 = none. */
int cilium_key_kind(const struct cilium_reader *reader, const char *key, const char **ret_rest);

/*
 * A store_decode_fn; @user is a struct cilium_reader. -EINVAL also: another cluster's name or id, a key
 * that does not say the same as its value.
 */
int cilium_decode(void *user, const char *key, const void *value, size_t len,
		  struct piece **ret_pieces, struct err *err);

/* The pod prefixes in the value of a node, for a cover. @each is called for each; -EINVAL, its errors. */
int cilium_node_prefixes(const void *value, size_t len,
			 int (*each)(void *user, const struct xm_prefix *prefix), void *user,
			 struct err *err);

#endif
