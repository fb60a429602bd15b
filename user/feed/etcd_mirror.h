/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * List and watch of some prefixes of one etcd, for ever: pages at one revision, then events; again
 * from the list when the history was compacted, the store is another one (cluster id) or was restored
 * (revision went back); from the last revision when only the connection was lost. Pauses with jitter.
 * Not for: what the values mean.
 */
#ifndef XMESH_FEED_ETCD_MIRROR_H
#define XMESH_FEED_ETCD_MIRROR_H

#include "feed/etcd_rpc.h"

struct etcd_mirror;

#define ETCD_PAGE_KEYS 100000 /* first page: 1000; then by size, at most this many... */
#define ETCD_PAGE_BYTES (16u * 1024 * 1024) /* ...and about so many bytes */

struct etcd_mirror_callbacks {
	/* A list of @prefix (index as given) begins; what put() does not name until listed() is gone. */
	void (*list)(void *user, size_t prefix);
	/* The key is whole, with its prefix. @seen_ns 0 in a list. False: pause until etcd_mirror_resume(). */
	bool (*put)(void *user, size_t prefix, const struct etcd_kv *kv, uint64_t seen_ns);
	void (*erase)(void *user, size_t prefix, const struct etcd_kv *kv, uint64_t seen_ns);
	void (*listed)(void *user, size_t prefix);
	/* The list that was begun is given up; another will begin. */
	void (*aborted)(void *user, size_t prefix);
	/* Every prefix in use is listed and the events up to @revision are told: now, and after each event. */
	void (*current)(void *user, int64_t revision);
	/* Heard from the server, nothing new (progress): the state is as fresh as now. */
	void (*alive)(void *user);
	/* This attempt failed; the next is on its way. */
	void (*error)(void *user, const struct err *err);
	void *user;
};

/* Prefixes are added with etcd_mirror_add(), at once or later (Cilium: after its canary). */
int etcd_mirror_new(uv_loop_t *loop, const struct config_etcd *config,
		    const struct etcd_mirror_callbacks *callbacks, struct etcd_mirror **ret_mirror,
		    struct err *err);
/* List and watch what begins with @prefix; copied. *ret_index: 0, 1, ... -ENOMEM. */
int etcd_mirror_add(struct etcd_mirror *mirror, const char *prefix, size_t *ret_index);
/* No snapshot of what was may be believed any more: forget prefixes from @first on (store replaced). */
void etcd_mirror_drop(struct etcd_mirror *mirror, size_t first);
void etcd_mirror_resume(struct etcd_mirror *mirror);
void etcd_mirror_poke(struct etcd_mirror *mirror); /* try now */
void etcd_mirror_close(struct etcd_mirror *mirror);

#endif
