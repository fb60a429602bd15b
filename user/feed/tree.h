/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One consistent look at the feed files below a path: resolved once, all or nothing. Not for:
 * what the files mean (feed/decode.h), or when to look (feed/dir.c).
 */
#ifndef XMESH_FEED_TREE_H
#define XMESH_FEED_TREE_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "feed/watches.h"

struct tree_file {
	char *name;  /* below the path */
	char *shown; /* with the path, for sentences */
	char *text;  /* NULL until tree_load() */
	size_t len;
};

struct tree_hash {
	uint64_t low, high;
};

struct tree {
	char *path;
	int root;                 /* O_PATH, of the folder or of the single file */
	struct tree_file *files;  /* sorted by name */
	size_t n_files;
	struct tree_hash stamp;   /* of names, inodes, sizes and times */
	struct tree_hash content; /* of names and contents, after tree_load() */
	char revision[72];        /* after tree_load() */
};

/*
 * Resolve @path (absolute) and list the feed files in it; each folder is put under @watches (may
 * be NULL) before it is listed. -ENOENT: @path is not there, or has no feed file in it.
 * -EINVAL, -ELOOP, -EXDEV, -EACCES: what lies there cannot be a feed. -EBUSY: a git command is at
 * work there. -EAGAIN: it changes while it is looked at, or a link leads nowhere. -ENOMEM. All
 * with sentences. The caller owns *ret_tree.
 */
int tree_open(const char *path, struct watches *watches, struct tree **ret_tree, struct err *err);
/* Read all files. -EFBIG: a limit of feed/feed.h. -EAGAIN, -EBUSY: it was changed meanwhile. */
int tree_load(struct tree *tree, struct err *err);
void tree_free(struct tree *tree);

#endif
