/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One writer per instance. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/lock.h"
#include "core/defs.h"

static struct config config;

static int setup(void **state)
{
	static char dir[64];

	strcpy(dir, "/tmp/xmesh-lock-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	/* Not there yet: taking the lock makes it. */
	strcat(dir, "/run");
	config.run_dir = dir;
	strcpy(config.instance, "one");
	return 0;
}

static int teardown(void **state)
{
	lock_remove(&config);
	rmdir(config.run_dir);
	*strrchr(config.run_dir, '/') = '\0';
	return rmdir(config.run_dir);
}

static void excludes(void **state)
{
	struct err err = { 0 };
	char pid[24];
	int fd, other = -1;

	assert_int_equal(lock_holder(&config), 0);
	assert_int_equal(lock_take(&config, &fd, &err), 0);
	assert_int_equal(lock_holder(&config), getpid());
	assert_int_equal(lock_take(&config, &other, &err), -EALREADY);
	assert_int_equal(other, -1);
	snprintf(pid, sizeof(pid), "%d", getpid());
	assert_non_null(strstr(err.text, pid));
	assert_non_null(strstr(err.text, "one"));
	close(fd);
	assert_int_equal(lock_holder(&config), 0);
	assert_int_equal(lock_take(&config, &fd, &err), 0);
	close(fd);
}

static void dies_with_its_holder(void **state)
{
	struct err err = { 0 };
	int fd, status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (!child)
		_exit(lock_take(&config, &fd, NULL) ? 1 : 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(lock_holder(&config), 0);
	assert_int_equal(lock_take(&config, &fd, &err), 0);
	close(fd);
}

static void says_where(void **state)
{
	struct config nowhere = config;
	struct err err = { 0 };
	int fd = -1;

	nowhere.run_dir = "/nonexistent/run";
	assert_int_equal(lock_take(&nowhere, &fd, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/run"));
	assert_int_equal(fd, -1);
}

int main(void)
{
#define TEST(name, fn) { name, fn, setup, teardown, NULL }
	const struct CMUnitTest tests[] = {
		TEST("a second one is refused, naming the holder", excludes),
		TEST("a lock ends with its holder, whatever file it left", dies_with_its_holder),
		TEST("a run_dir that cannot be made is named", says_where),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
