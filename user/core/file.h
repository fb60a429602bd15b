/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Files that another party wrote: regular ones only, bounded, never followed out of a tree. */
#ifndef XMESH_CORE_FILE_H
#define XMESH_CORE_FILE_H

#include <fcntl.h> /* AT_FDCWD, for callers that are pure otherwise */
#include <stddef.h>

#include "core/err.h"

/*
 * Read all of @path, relative to @dirfd (AT_FDCWD allowed), following symlinks only if they resolve
 * below @dirfd when @beneath is non-zero (openat2 RESOLVE_BENEATH). @name is for sentences. Opens
 * with O_NONBLOCK so that a FIFO cannot hang it. -EINVAL: not a regular file. -EFBIG: larger than
 * @limit bytes (said before it is read). -ELOOP, -EXDEV (leaves the tree), -ENOENT, -EACCES,
 * -ENOMEM: with sentences. *ret_text is NUL-terminated behind its @ret_len bytes and the caller's
 * to free().
 */
int file_read(int dirfd, const char *path, const char *name, size_t limit, int beneath,
	      char **ret_text, size_t *ret_len, struct err *err);

#endif
