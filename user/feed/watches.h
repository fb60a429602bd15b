/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The inotify watches that tell when a tree is to be read again: its folders, and every component
 * of every way that leads to it, for a symlink that is swapped shows only in its own folder. Not
 * for: deciding when to read (feed/dir.c).
 */
#ifndef XMESH_FEED_WATCHES_H
#define XMESH_FEED_WATCHES_H

#include <stdbool.h>

struct watches;

enum watches_seen {
	WATCHES_NOTHING,
	WATCHES_GROWING, /* a file is being written; its writer has not closed it yet */
	WATCHES_CHANGED,
};

/* -ENOMEM, -EMFILE and others of inotify_init1(2). */
int watches_new(struct watches **ret_watches);
void watches_free(struct watches *watches);
int watches_fd(const struct watches *watches);

/*
 * Between begin and end a new set is put together; the old one goes at the end, but what both
 * hold is watched without a gap. To be called with NULL as @watches too: nothing happens.
 */
void watches_begin(struct watches *watches);
/* Everything in the folder that @fd is (O_PATH will do), but for names that begin with '.'. */
void watches_folder(struct watches *watches, int fd);
/*
 * Each component of @path in its folder, links followed as the kernel does, from folder @base
 * (absolute, free of links) on. What is missing is watched for in the last folder that exists.
 */
void watches_way(struct watches *watches, const char *base, const char *path);
/* False: the kernel has no room for all of them (fs.inotify.max_user_watches). */
bool watches_end(struct watches *watches);

/* Read all pending events. */
enum watches_seen watches_drain(struct watches *watches);

#endif
