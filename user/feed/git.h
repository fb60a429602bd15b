/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a git work tree says about a folder inside it, read from git's own files: the commit that
 * is checked out, and whether a git command is at work there. No git is run. Formats:
 * gitrepository-layout(5), gitformat-index(5).
 */
#ifndef XMESH_FEED_GIT_H
#define XMESH_FEED_GIT_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

struct git {
	char tree[PATH_MAX];   /* the work tree */
	char dir[PATH_MAX];    /* its .git folder, or what its .git file names */
	char common[PATH_MAX]; /* where the refs are; not dir in a linked work tree */
	char ref[512];         /* what HEAD points to, "" when it is detached */
};

/* The work tree that holds @path (absolute, free of links). -ENOENT: none. */
int git_find(const char *path, struct git *ret_git);
/* A command holds the index: what lies in the work tree may be half of something. */
bool git_is_busy(const struct git *git);
/* The commit of HEAD, 40 or 64 hex digits. -ENOENT: none yet, or not understood. */
int git_commit(struct git *git, char ret_commit[65]);
/*
 * Whether the @n files @names below @folder (absolute, in the work tree; @root is its descriptor)
 * are, by size and time, what the index holds: a commit says nothing about a file that is not
 * tracked, and the wrong thing about one that was edited since. False too when the index cannot
 * be read (version 4, split) or would take long. @commit is that of git_commit().
 */
bool git_is_clean(const struct git *git, const char *commit, int root, const char *folder,
		  const char *const *names, size_t n);

/* Length of the commit id that @text begins with and ends at '\0', '\n' or '/'; 0 = none. */
int git_hex(const char *text);

#endif
