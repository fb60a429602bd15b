/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Cgroups for tests of socket programs: below the host's cgroup v2 mount, named by the process,
 * removed at the end. Only children that the test starts ever join them.
 */
#ifndef TESTS_UNIT_PLANE_CGROUP_H
#define TESTS_UNIT_PLANE_CGROUP_H

#include <sys/stat.h>
#include <sys/wait.h>

#include "plane/sockets.h"
#include "unit/plane/host.h"

/* The test's own cgroup, and the mount it is below. */
static struct sockets_place cgroup_own, cgroup_mount;

static inline struct sockets_place cgroup_make(const char *parent, const char *name)
{
	struct sockets_place place;

	if ((size_t)snprintf(place.path, sizeof(place.path), "%s/%s", parent, name) >=
	    sizeof(place.path))
		fail_msg("%s/%s: too long", parent, name);
	if (mkdir(place.path, 0755))
		fail_msg("%s: %s", place.path, strerror(errno));
	return place;
}

static inline int cgroup_setup(void **state)
{
	struct sockets_place places[SOCKETS_MAX_CGROUPS];
	char name[32];
	size_t n;

	if (host_setup(state))
		return -1;
	if (geteuid())
		return 0;
	assert_done(sockets_find("/proc/self/mountinfo", "auto", places, &n, &err));
	cgroup_mount = places[n - 1];
	snprintf(name, sizeof(name), "xmesh-unit-%d", (int)getpid());
	cgroup_own = cgroup_make(cgroup_mount.path, name);
	return 0;
}

static inline int cgroup_teardown(void **state)
{
	if (!geteuid())
		rmdir(cgroup_own.path);
	return host_teardown(state);
}

static inline int cgroup_join(const char *path)
{
	char file[300];
	FILE *procs;

	snprintf(file, sizeof(file), "%s/cgroup.procs", path);
	procs = fopen(file, "w");
	if (!procs)
		return -1;
	fprintf(procs, "%d\n", (int)getpid());
	return fclose(procs);
}

/*
 * Run @body in a child that has joined the cgroup @path (NULL: the one that the test is in); the
 * test fails when it returns not 0.
 */
static inline void cgroup_run(const char *path, int (*body)(void))
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		if (path && cgroup_join(path))
			_exit(99);
		_exit(body());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* Programs attached to the cgroup @path itself with type @at, ours and others'. */
static inline uint32_t cgroup_count(const char *path, enum bpf_attach_type at)
{
	__u32 ids[64], n = 64, flags;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(bpf_prog_query(fd, at, 0, &flags, ids, &n), 0);
	close(fd);
	return n;
}

#endif
