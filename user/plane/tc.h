/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The classic tc filters of an interface (clsact or ingress qdisc). Internal to plane. */
#ifndef XMESH_PLANE_TC_H
#define XMESH_PLANE_TC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

/* Our place: the first to run, and a handle by which a filter is known as one of ours. */
#define TC_PRIORITY 1
#define TC_HANDLE 0x786d /* "xm" */

struct tc_filter {
	uint32_t prog_id;     /* 0 unless kind is "bpf" */
	uint32_t handle;
	uint16_t priority;
	char kind[16];        /* "bpf", "u32", "flower", ... */
};

/* None, without an error, when the interface or its qdisc is not there. The caller frees. */
int tc_list(uint32_t ifindex, bool ingress, struct tc_filter **ret_filters, size_t *ret_n,
	    struct err *err);

#endif
