/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A place of its own for tests that load BPF: a network and a mount namespace with a BPF file
 * system below a temporary folder; all of it goes with the process. Without root the tests say so
 * and are skipped.
 */
#ifndef TESTS_UNIT_PLANE_HOST_H
#define TESTS_UNIT_PLANE_HOST_H

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <net/if.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include <cmocka.h>

#include "plane/apply.h"
#include "plane/attach.h"
#include "plane/plane.h"

static char host_bpffs[64];
static struct err err;

static inline int host_setup(void **state)
{
	if (geteuid())
		return 0;
	strcpy(host_bpffs, "/tmp/xmesh-unit-XXXXXX");
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    !mkdtemp(host_bpffs) || mount("bpf", host_bpffs, "bpf", 0, NULL)) {
		perror("namespaces and a bpffs for the test");
		return -1;
	}
	return 0;
}

static inline int host_teardown(void **state)
{
	if (!geteuid()) {
		umount2(host_bpffs, MNT_DETACH);
		rmdir(host_bpffs);
	}
	return 0;
}

static inline void host_need_root(void)
{
	if (!geteuid())
		return;
	print_message("needs root: BPF, namespaces\n");
	skip();
}

/* Run a command of iproute2; the test fails when it does. */
static inline void host_run(const char *command)
{
	if (system(command))
		fail_msg("%s", command);
}

/* A veth pair @name, @name-p; its index. */
static inline uint32_t host_veth(const char *name)
{
	char command[128];

	snprintf(command, sizeof(command), "ip link add %s type veth peer name %s-p", name, name);
	host_run(command);
	return if_nametoindex(name);
}

static inline void host_link_del(const char *name)
{
	char command[64];

	snprintf(command, sizeof(command), "ip link del %s", name);
	host_run(command);
}

/* Output of @command begins with or contains @text. */
static inline int host_shows(const char *command, const char *text)
{
	char line[512];
	FILE *out = popen(command, "r");
	int found = 0;

	assert_non_null(out);
	while (fgets(line, sizeof(line), out))
		found |= strstr(line, text) != NULL;
	pclose(out);
	return found;
}

/* Asserts success of a call that fills @err. */
#define assert_done(call)                                                                          \
	do {                                                                                       \
		int done_code_ = (call);                                                           \
		if (done_code_)                                                                    \
			fail_msg("%s: %d, %s", #call, done_code_, err.text);                       \
	} while (0)

static inline struct plane host_load(void)
{
	struct plane plane;

	assert_done(plane_load(host_bpffs, "unit", &plane, &err));
	return plane;
}

/* Everything of the instance away again. */
static inline void host_clean(struct plane *plane)
{
	plane_close(plane);
	assert_done(attach_remove_all(host_bpffs, "unit", &err));
	assert_done(plane_purge(host_bpffs, "unit", &err));
}

/* A program of somebody else that returns 0 (TC_ACT_OK) or XDP_PASS. */
static inline int host_foreign(enum bpf_prog_type type, const char *name)
{
	struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0,
		  .imm = type == BPF_PROG_TYPE_XDP ? XDP_PASS : 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(type, name, "GPL", insns, 2, NULL);

	assert_true(fd >= 0);
	return fd;
}

#endif
