/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Another program's output, bounded in time and size: no shell, a clean environment, no input. */
#ifndef XMESH_NET_TOOL_H
#define XMESH_NET_TOOL_H

#include <stddef.h>
#include <stdint.h>

#define TOOL_COMPLAINT_MAX 200 /* of its stderr */

struct tool_output {
	char *text; /* NUL-terminated; NULL when it printed nothing */
	size_t n;
	char complaint[TOOL_COMPLAINT_MAX]; /* how its stderr begins, NUL-terminated */
	size_t n_complaint;
};

/* Milliseconds of CLOCK_MONOTONIC. */
int64_t tool_clock_ms(void);

/*
 * Run @path with @argv, at most @limit_ms. @ret_output is zero at first, filled as far as it went
 * also on failure, and its text the caller's to free(). -ETIMEDOUT, -EFBIG (more than @max bytes):
 * it was killed. -EIO: it ended with another status than 0. -ENOENT, -EACCES, -ENOMEM, ...
 */
int tool_run(const char *path, char *const argv[], int64_t limit_ms, size_t max,
	     struct tool_output *ret_output);

#endif
