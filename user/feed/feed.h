/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One interface for all transports: a feed yields complete snapshots of one cluster's objects,
 * each when something changed, and errors while it keeps its last good one. What differs is in
 * feed/dir.c, etcd.c, kubernetes.c and cilium.c.
 */
#ifndef XMESH_FEED_FEED_H
#define XMESH_FEED_FEED_H

#include <uv.h>

#include "core/err.h"
#include "model/config.h"
#include "model/snapshot.h"

struct feed;

struct feed_callbacks {
	/* A complete, decoded snapshot, not equal to the last one. The callee owns it. */
	void (*snapshot)(void *user, struct snapshot *snapshot);
	/* This attempt failed; the last good snapshot stands. Once per different sentence. */
	void (*error)(void *user, const struct err *err);
	/*
	 * The source was read, or has spoken, and is as the last good snapshot: its age starts anew, and
	 * an error told since is over.
	 */
	void (*unchanged)(void *user);
	void *user;
};

/*
 * Watch @source of the cluster @name with @id on @loop; both texts are copied. Reading and decoding
 * run in the worker pool; callbacks come on the loop, none before this returns. A source that cannot
 * be reached or read is an error by callback, not by return, and is tried again with growing pauses
 * and jitter, without end. -ENOMEM, -EMFILE.
 */
int feed_new(uv_loop_t *loop, const struct config_source *source, const char *name, uint16_t id,
	     const struct feed_callbacks *callbacks, struct feed **ret_feed, struct err *err);
/* Read again now, whatever the source told (SIGHUP); a pause is cut short. */
void feed_poke(struct feed *feed);
/* Stop; no callback comes afterwards. Memory goes on the loop when its handles have closed. */
void feed_close(struct feed *feed);

/*
 * For `apply`, `feed check` and `publish --once`: one complete snapshot, by a loop of its own.
 * After @timeout_ms: code and sentence of the last error, -ETIMEDOUT if nothing was heard at all.
 */
int feed_read(const struct config_source *source, const char *name, uint16_t id,
	      uint64_t timeout_ms, struct snapshot **ret_snapshot, struct err *err);
/* "dir /etc/xmesh/clusters/west", "etcd https://192.0.2.9:2379/xmesh/north": for people; no secrets. */
char *feed_origin(const struct config_source *source);

/* ---- dir ---- */

#define FEED_MAX_FILE (64u * 1024 * 1024)
#define FEED_MAX_TOTAL (256u * 1024 * 1024)
#define FEED_MAX_FILES 10000
#define FEED_MAX_DEPTH 16 /* folders */

/*
 * Watch directory (or single file) @path on @loop: read it at once and after each change (inotify
 * on the tree, on the parent of every symlink on the way to it, plus a rescan every 30 s), after
 * 200 ms of quiet and at most 800 ms. Files: *.yaml *.yml *.json, names that begin with '.' are left
 * out, symlinks are followed only inside the resolved tree. .git/index.lock there = busy, wait.
 */
int feed_dir_new(uv_loop_t *loop, const char *path, const struct feed_callbacks *callbacks,
		 struct feed **ret_feed, struct err *err);

/*
 * One consistent look at @path: resolved once, everything read relative to that. All or nothing:
 * any bad document gives -EINVAL with "FILE:LINE: ..." and no snapshot. -ENOENT also when there is
 * no feed file at all in the folder (a half checkout is not an empty cluster). -EFBIG, -ELOOP,
 * -EXDEV, -EACCES: what lies there cannot be read. -EAGAIN: changed while read, or a symlink to
 * nothing. -EBUSY: .git/index.lock is there. -ENOMEM.
 */
int feed_dir_read(const char *path, struct snapshot **ret_snapshot, struct err *err);

#endif
