/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The socket programs on cgroups: links pinned under links/ as sock-PROGRAM-CGROUPID, replaced in
 * place. Finding cgroup v2 wherever it is mounted, hybrid hierarchies too.
 */
#ifndef XMESH_PLANE_SOCKETS_H
#define XMESH_PLANE_SOCKETS_H

#include "core/err.h"
#include "plane/plane.h"

#define SOCKETS_MAX_CGROUPS 4

struct sockets_place { char path[256]; };

/*
 * The cgroup v2 folders to attach to. @wanted "auto": the pods' own cgroup (kubepods and the like)
 * where there is one, so that ours run before a CNI's at the root, and the root, for host processes.
 * A path: that alone. @mountinfo: "/proc/self/mountinfo", or a test's. -ENOENT: no cgroup v2 mount, or
 * no such folder; sentences say what to do.
 */
int sockets_find(const char *mountinfo, const char *wanted, struct sockets_place *ret_places,
		 size_t *ret_n, struct err *err);
/*
 * Attach all socket programs to @places, replace them where they are, and take them off cgroups that
 * are not in the list. *ret_changed: links made, replaced by another program, or removed. Others'
 * programs stay and run. -ENOTSUP: this kernel has no such hook, named.
 */
int sockets_sync(struct plane *plane, const struct sockets_place *places, size_t n,
		 size_t *ret_changed, struct err *err);
/* Paths of cgroups with our programs (by id where the folder is gone: "cgroup 123"). The caller frees. */
int sockets_list(const struct plane *plane, struct sockets_place **ret_places, size_t *ret_n,
		 struct err *err);

#endif
