/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * When the cache (agent/cache.h) is written and read: in the worker pool, one file at a time, at most
 * every ten seconds a cluster, and with 0.5 % of one core at most, however many clusters change.
 */
#ifndef XMESH_AGENT_CACHER_H
#define XMESH_AGENT_CACHER_H

#include <uv.h>

#include "agent/cache.h"

struct cacher;

/* @dir is copied. -ENOMEM. */
int cacher_new(uv_loop_t *loop, const char *dir, struct cacher **ret_cacher);
/* What waits is written, for two seconds at most; then it goes. No callback of cacher_read() any more. */
void cacher_close(struct cacher *cacher);

/* @snapshot was accepted: write it in time, unless it is as what was written last. Held meanwhile. */
void cacher_put(struct cacher *cacher, const char *name, uint16_t id, struct snapshot *snapshot);
/* The cluster is no more, or what is known of it is not to be believed: its file goes. */
void cacher_forget(struct cacher *cacher, const char *name);
/*
 * @fn is called on the loop with the result of cache_read(); it owns @snapshot (NULL after an error). Not
 * before this returns. -ENOMEM.
 */
typedef void (*cacher_read_fn)(void *user, uint16_t id, int code, struct snapshot *snapshot,
			       time_t time_s, const struct err *err);
int cacher_read(struct cacher *cacher, const char *name, uint16_t id, cacher_read_fn fn, void *user);

#endif
