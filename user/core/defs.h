/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Ownership and size helpers that every file uses. Not for: anything with a subject of its own. */
#ifndef XMESH_CORE_DEFS_H
#define XMESH_CORE_DEFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/param.h> /* MIN, MAX; libuv brings it as well */
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static inline void defs_free(void *p)
{
	free(*(void **)p);
}

static inline void defs_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* An owning local: released at the end of its scope, unless take() moved it out. */
#define auto_free __attribute__((cleanup(defs_free)))
#define auto_close __attribute__((cleanup(defs_close)))
#define take(p)                                                                                    \
	({                                                                                         \
		__typeof__(p) taken_ = (p);                                                        \
		(p) = NULL;                                                                        \
		taken_;                                                                            \
	})
#define take_fd(fd)                                                                                \
	({                                                                                         \
		int taken_ = (fd);                                                                 \
		(fd) = -1;                                                                         \
		taken_;                                                                            \
	})

/* The struct of @type whose @member is at @ptr. */
#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))

#endif
