/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One interface for all transports: a feed yields complete snapshots of one cluster's objects,
 * each when something changed, and errors while it keeps its last good one. dir is here
 * (feed/dir.c); etcd, kubernetes and cilium come as further files behind the same calls.
 */
#ifndef XMESH_FEED_FEED_H
#define XMESH_FEED_FEED_H

#include <uv.h>

#include "core/err.h"
#include "model/snapshot.h"

struct feed;

struct feed_callbacks {
	/* A complete, decoded snapshot, not equal to the last one. The callee owns it. */
	void (*snapshot)(void *user, struct snapshot *snapshot);
	/* This attempt failed; the last good snapshot stands. Once per different sentence. */
	void (*error)(void *user, const struct err *err);
	/*
	 * The source was read and is as the last good snapshot: its age starts anew, and an error
	 * told since is over.
	 */
	void (*unchanged)(void *user);
	void *user;
};

/*
 * Watch directory (or single file) @path on @loop: read it at once and after each change (inotify
 * on the tree, on the parent of every symlink on the way to it, plus a rescan every 30 s), after
 * 200 ms of quiet and at most 800 ms. Reading and decoding run in the worker pool; callbacks on the
 * loop. Files: *.yaml *.yml *.json, names that begin with '.' are left out, symlinks are followed
 * only inside the resolved tree. .git/index.lock there = busy, wait. A path that does not exist is
 * an error by callback, not by return. -ENOMEM, -EMFILE.
 */
int feed_dir_new(uv_loop_t *loop, const char *path, const struct feed_callbacks *callbacks,
		 struct feed **ret_feed, struct err *err);
/* Read again now, whatever inotify says (SIGHUP). */
void feed_poke(struct feed *feed);
/* Stop; no callback comes afterwards. Memory goes on the loop when its handles have closed. */
void feed_close(struct feed *feed);

/* ---- without a loop: for `apply`, `feed check`, `feed diff` ---- */

#define FEED_MAX_FILE (64u * 1024 * 1024)
#define FEED_MAX_TOTAL (256u * 1024 * 1024)
#define FEED_MAX_FILES 10000
#define FEED_MAX_DEPTH 16 /* folders */

/*
 * One consistent look at @path: resolved once, everything read relative to that. All or nothing:
 * any bad document gives -EINVAL with "FILE:LINE: ..." and no snapshot. -ENOENT also when there is
 * no feed file at all in the folder (a half checkout is not an empty cluster). -EFBIG, -ELOOP,
 * -EXDEV, -EACCES: what lies there cannot be read. -EAGAIN: changed while read, or a symlink to
 * nothing. -EBUSY: .git/index.lock is there. -ENOMEM.
 */
int feed_dir_read(const char *path, struct snapshot **ret_snapshot, struct err *err);

#endif
