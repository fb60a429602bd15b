/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The values of one Cilium mesh store: prefix by prefix once its canary is there, into snapshots. The store
 * is empty after each restart of its server and is filled anew, so a list before the canary would be half of
 * one: when canaries are listed again, all other prefixes wait for theirs, and what was known stays.
 * Not for: whose store it is, and whether it lives (cilium.c).
 */
#ifndef XMESH_FEED_CILIUM_VALUES_H
#define XMESH_FEED_CILIUM_VALUES_H

#include "feed/cilium_peer.h"
#include "feed/feed.h"

struct cilium_values;

/* error may come several times with the same sentence. -ENOMEM. */
int cilium_values_new(uv_loop_t *loop, const struct feed_callbacks *callbacks,
		      struct cilium_values **ret_values);
/*
 * The store at @config is that of @cluster, as its own name is, written as @peer says: read it, from its
 * beginning if it was written in another way before. As before: nothing happens. -ENOMEM, errors of
 * etcd_mirror_new().
 */
int cilium_values_use(struct cilium_values *values, const struct config_etcd *config,
		      const char *cluster, const struct cilium_peer *peer, struct err *err);
/* Leave it, until the next cilium_values_use(). What was read is kept. */
void cilium_values_stop(struct cilium_values *values);
void cilium_values_poke(struct cilium_values *values); /* all anew, over new connections */
void cilium_values_close(struct cilium_values *values); /* no callback afterwards; NULL is fine */

#endif
