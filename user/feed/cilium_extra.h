/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Addresses of pods that lie in no prefix of a node, as where a cloud gives each pod an address of its
 * own: each becomes a prefix of its node. Where nodes have prefixes, a million addresses are of no
 * interest, and the cover tells so from their keys alone. Pure.
 */
#ifndef XMESH_FEED_CILIUM_EXTRA_H
#define XMESH_FEED_CILIUM_EXTRA_H

#include <stdbool.h>

#include "model/snapshot.h"

/* Prefixes, asked whether one of them holds an address. Grows only. */
struct cilium_cover {
	struct xm_prefix *slots; /* plen 0 = free: no node has all addresses */
	size_t n, size;          /* size: a power of two, or 0 */
	uint32_t n_of[129];      /* by length */
};

int cilium_cover_add(struct cilium_cover *cover, const struct xm_prefix *prefix); /* -ENOMEM */
bool cilium_cover_has(const struct cilium_cover *cover, const struct xm_addr *addr);
void cilium_cover_done(struct cilium_cover *cover);

/*
 * Among a snapshot's nodes each such address is one, until cilium_extra_merge(): of this name, which no
 * node can have, with the address behind it; cidrs is the one prefix, addr4 or addr6 its node's.
 */
#define CILIUM_EXTRA_NAME "ip "

/*
 * Give the addresses to their nodes, SNAPSHOT_MAX_CIDRS prefixes to each at most, and take the nodes
 * that stood for them out. Those that a node's prefix holds, or that are a node's own, are left out;
 * those of unknown nodes and those beyond the limit too, with warnings. -ENOMEM leaves @snapshot valid.
 */
int cilium_extra_merge(struct snapshot *snapshot);

#endif
