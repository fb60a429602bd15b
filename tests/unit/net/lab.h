/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Network namespaces for the tests of net/: entered by the test's own process, gone with its end.
 * Nothing here touches the namespace that the test was started in.
 */
#ifndef TESTS_UNIT_NET_LAB_H
#define TESTS_UNIT_NET_LAB_H

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/addr.h"
#include "core/defs.h"

/* A new namespace as a file; the process is in it afterwards. Skips the test when it may not. */
static inline int lab_new(void)
{
	int fd;

	if (geteuid() != 0) {
		print_message("skip: network namespaces need root\n");
		skip();
	}
	if (unshare(CLONE_NEWNET))
		fail_msg("cannot make a network namespace");
	fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static inline void lab_enter(int fd)
{
	assert_int_equal(setns(fd, CLONE_NEWNET), 0);
}

/* Run a command in the namespace that the process is in. Returns its exit status. */
static inline int __attribute__((format(printf, 1, 2))) lab_try(const char *fmt, ...)
{
	char command[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	return system(command);
}

static inline void __attribute__((format(printf, 1, 2))) lab_run(const char *fmt, ...)
{
	char command[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	if (system(command))
		fail_msg("failed: %s", command);
}

static inline struct xm_addr lab_addr(const char *text)
{
	struct xm_addr addr = { 0 };
	struct err err = { .text = "" };

	if (text && addr_parse(text, &addr, &err))
		fail_msg("%s", err.text);
	return addr;
}

static inline struct xm_prefix lab_prefix(const char *text)
{
	struct xm_prefix prefix = { 0 };
	struct err err = { .text = "" };

	if (prefix_parse(text, &prefix, &err))
		fail_msg("%s", err.text);
	return prefix;
}

/* Run @expr until it is true, at most @seconds. */
#define lab_wait(seconds, expr)                                                                    \
	({                                                                                         \
		const struct timespec pause_ = { .tv_nsec = 2000000 };                             \
		time_t end_ = time(NULL) + (seconds) + 1;                                          \
		bool true_;                                                                        \
                                                                                                   \
		while (!(true_ = (expr)) && time(NULL) < end_)                                     \
			nanosleep(&pause_, NULL);                                                  \
		true_;                                                                             \
	})

#endif
