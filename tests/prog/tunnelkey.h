/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A program in front of xm_from_dev that leaves the metadata on the packet which the kernel's
 * VXLAN device would have left: a packet of BPF_PROG_TEST_RUN has none.
 */
#ifndef XMESH_TESTS_PROG_TUNNELKEY_H
#define XMESH_TESTS_PROG_TUNNELKEY_H

#include <stdint.h>

struct tunnelkey {
	int prog;
	int map;   /* the key to set */
	int calls; /* a prog array is emptied when its last descriptor is closed */
};

/* 0 or a negative errno; tunnelkey_close() releases. */
int tunnelkey_load(int target_prog, struct tunnelkey *ret_tk);
void tunnelkey_close(struct tunnelkey *tk);
void tunnelkey_set(const struct tunnelkey *tk, const char *src, uint32_t vni);

#endif
