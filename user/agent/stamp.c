/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Stamps are read where the datagram was sent, for the kernel makes them before sendto(2) returns. */
#include "agent/stamp.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sys/socket.h>

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>

#include "core/defs.h"

#define CLOCK_TRIES 3
/* Of two looks at the clocks' difference; more is a step, or a look that was interrupted each time. */
#define CLOCK_SLACK_NS 10000

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t = { 0 };

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* CLOCK_REALTIME - CLOCK_MONOTONIC, by the try that was interrupted least. */
static int64_t clock_offset(void)
{
	uint64_t best = UINT64_MAX;
	int64_t offset = 0;

	for (int i = 0; i < CLOCK_TRIES; i++) {
		uint64_t before = clock_ns(CLOCK_MONOTONIC), real = clock_ns(CLOCK_REALTIME);
		uint64_t took = clock_ns(CLOCK_MONOTONIC) - before;

		if (took >= best)
			continue;
		best = took;
		offset = (int64_t)(real - before - took / 2);
	}
	return offset;
}

int stamp_enable(int fd)
{
	int flags = SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID |
		    SOF_TIMESTAMPING_OPT_TSONLY;

	return setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof(flags)) ? -errno : 0;
}

/* One stamp of the socket's error queue. False: no more. *ret_ns by CLOCK_REALTIME; 0: something else. */
static bool fetch(int fd, uint32_t *ret_id, uint64_t *ret_ns)
{
	char control[256] __attribute__((aligned(8)));
	struct msghdr msg = { .msg_control = control, .msg_controllen = sizeof(control) };
	bool is_stamp = false;
	uint64_t ns = 0;

	if (recvmsg(fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
		return false;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		struct scm_timestamping times;
		struct sock_extended_err e;

		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPING &&
		    c->cmsg_len >= CMSG_LEN(sizeof(times))) {
			memcpy(&times, CMSG_DATA(c), sizeof(times));
			ns = times.ts[0].tv_sec * 1000000000ull + times.ts[0].tv_nsec;
		} else if (c->cmsg_level != SOL_SOCKET && c->cmsg_len >= CMSG_LEN(sizeof(e))) {
			/* IP_RECVERR or IPV6_RECVERR. */
			memcpy(&e, CMSG_DATA(c), sizeof(e));
			is_stamp = e.ee_origin == SO_EE_ORIGIN_TIMESTAMPING && e.ee_info == SCM_TSTAMP_SCHED;
			*ret_id = e.ee_data;
		}
	}
	*ret_ns = is_stamp ? ns : 0;
	return true;
}

void stamp_begin(int fd, struct stamp *ret_stamp)
{
	uint32_t id;
	uint64_t ns;

	while (fetch(fd, &id, &ns))
		;
	ret_stamp->offset_ns = clock_offset();
	ret_stamp->begin_ns = clock_ns(CLOCK_MONOTONIC);
}

uint64_t stamp_end(int fd, const struct stamp *stamp)
{
	uint64_t sent_ns = 0, ns = 0;
	uint32_t id = 0, newest = 0;

	/*
	 * The newest id is ours: an older one is of a datagram that waited for a MAC until now. The first of
	 * several: a device on another device hands packets on, and each tells.
	 */
	while (fetch(fd, &id, &ns)) {
		if (!ns || (sent_ns && (int32_t)(id - newest) <= 0))
			continue;
		newest = id;
		sent_ns = ns;
	}
	if (!sent_ns || llabs(clock_offset() - stamp->offset_ns) > CLOCK_SLACK_NS)
		return 0;
	sent_ns -= (uint64_t)stamp->offset_ns;
	if (sent_ns + CLOCK_SLACK_NS < stamp->begin_ns || sent_ns > clock_ns(CLOCK_MONOTONIC) + CLOCK_SLACK_NS)
		return 0;
	return sent_ns;
}
