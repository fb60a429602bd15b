/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One reading of a dir feed, from its path to a snapshot, for feed_dir_read() and feed/dir.c. */
#ifndef XMESH_FEED_READ_H
#define XMESH_FEED_READ_H

#include <stdbool.h>

#include "feed/tree.h"
#include "model/snapshot.h"

/* What a snapshot was read from. */
struct read_state {
	struct tree_hash stamp, content;
	char revision[72];
};

/*
 * Read @path (absolute) once, with everything on the way and in it under @watches (may be NULL).
 * *ret_snapshot is NULL if there is nothing new: the files and their revision are those of @last
 * (may be NULL), or, with @by_stamp, their times and sizes say so and they were not read at all.
 * Errors of tree_open() and tree_load(); -EINVAL, -ENOSPC of the decoder.
 */
int read_dir(const char *path, struct watches *watches, const struct read_state *last,
	     bool by_stamp, struct read_state *ret_state, struct snapshot **ret_snapshot,
	     struct err *err);

/* @path without slashes at its end, from the root on. NULL: no memory or no working directory. */
char *read_absolute(const char *path);

#endif
