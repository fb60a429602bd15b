/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A real folder under /tmp for the tests of feed/, and short ways to fill it. */
#ifndef TESTS_FEED_TEMPDIR_H
#define TESTS_FEED_TEMPDIR_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEMP_PATH_MAX 512

static char temp_root[64];

static inline int temp_run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static inline int temp_run(const char *fmt, ...)
{
	char cmd[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	return system(cmd);
}

static inline int temp_setup(void **state)
{
	snprintf(temp_root, sizeof(temp_root), "/tmp/xmesh-feed-%d", (int)getpid());
	return mkdir(temp_root, 0700);
}

static inline int temp_teardown(void **state)
{
	return temp_run("rm -rf %s", temp_root);
}

/* The absolute path of @name in the folder, in one of a few buffers. */
static inline const char *temp(const char *name)
{
	static char bufs[8][TEMP_PATH_MAX + sizeof(temp_root) + 1];
	static unsigned int next;
	char *buf = bufs[next++ % 8];

	snprintf(buf, sizeof(bufs[0]), "%s%s%s", temp_root, *name ? "/" : "", name);
	return buf;
}

static inline void temp_mkdir(const char *name)
{
	assert_int_equal(temp_run("mkdir -p %s", temp(name)), 0);
}

static inline void temp_link(const char *target, const char *name)
{
	assert_int_equal(symlink(target, temp(name)), 0);
}

/* As `ln -sfn` does not: in one step, as git-sync and kubelet do. */
static inline void temp_swap_link(const char *target, const char *name)
{
	char tmp[2 * TEMP_PATH_MAX];

	snprintf(tmp, sizeof(tmp), "%s-tmp", temp(name));
	assert_int_equal(symlink(target, tmp), 0);
	assert_int_equal(rename(tmp, temp(name)), 0);
}

static inline void temp_write(const char *name, const char *text)
{
	FILE *f = fopen(temp(name), "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* A Node whose prefix is 10.N.0.0/24, whose address is 192.0.2.N, and whose zone is @zone. */
static inline const char *temp_node(int n, const char *zone)
{
	static char text[512];

	snprintf(text, sizeof(text),
		 "apiVersion: v1\nkind: Node\nmetadata:\n  name: n%d\n  labels:\n"
		 "    topology.kubernetes.io/zone: %s\nspec:\n  podCIDR: 10.%d.0.0/24\nstatus:\n"
		 "  addresses:\n  - {type: InternalIP, address: 192.0.2.%d}\n", n, zone, n, n);
	return text;
}

static inline void temp_write_node(const char *name, int n, const char *zone)
{
	temp_write(name, temp_node(n, zone));
}

#endif
