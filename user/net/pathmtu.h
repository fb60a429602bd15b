/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How large a packet may be on its way to a node: ICMP and ICMPv6 echoes of different sizes that may
 * not be fragmented (RFC 4821's search, but without a connection). Sends real packets, to underlay
 * addresses only. Not for: the datapath, which learns from too-big messages.
 */
#ifndef XMESH_NET_PATHMTU_H
#define XMESH_NET_PATHMTU_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "xmesh/maps.h"

#define PATHMTU_MAX_TARGETS 256 /* of one sweep */
#define PATHMTU_MIN4 576        /* less is not looked for */
#define PATHMTU_MIN6 1280
#define PATHMTU_MAX 9216
#define PATHMTU_WAIT_MS 400     /* for the answers to one size */

struct pathmtu_target {
	struct xm_addr addr;
	uint32_t limit;           /* largest size worth a try: the interface's MTU, <= PATHMTU_MAX */
	/* Results. */
	uint32_t largest;         /* IP packet in bytes that came back; 0 = not even the smallest did */
	uint32_t told;            /* the kernel's or a router's word for what is too large, 0 = silence */
};

/*
 * Ask all @n (<= PATHMTU_MAX_TARGETS) at once, in at most 24 rounds of PATHMTU_WAIT_MS (12 sizes; one
 * that got no answer is tried twice). -EPERM without CAP_NET_RAW, -E2BIG, errors of socket(2), with a sentence.
 */
int pathmtu_sweep(struct pathmtu_target *targets, size_t n, struct err *err);

#endif
