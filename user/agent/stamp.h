/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * When the kernel sent a datagram, by CLOCK_MONOTONIC: the time at which its own sending code had the
 * packet for a device (SOF_TIMESTAMPING_TX_SCHED), so that it does not matter when the sender ran. Each
 * device gives it. Documentation/networking/timestamping.rst.
 */
#ifndef XMESH_AGENT_STAMP_H
#define XMESH_AGENT_STAMP_H

#include <stdint.h>

struct stamp {
	uint64_t begin_ns;
	int64_t offset_ns; /* of CLOCK_REALTIME, in which the kernel tells */
};

/* Ask for stamps on a datagram socket. Error of setsockopt(2). */
int stamp_enable(int fd);
/* Before a datagram is sent. What was not fetched is thrown away: the socket's queue never fills. */
void stamp_begin(int fd, struct stamp *ret_stamp);
/*
 * Behind it: when it was sent. 0: not known; it waits for the MAC of its next hop, was not sent at all, or
 * the clock was set in between.
 */
uint64_t stamp_end(int fd, const struct stamp *stamp);

#endif
