/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Short names and earlier packets for the rows of pods and global services. */
#ifndef XMESH_TESTS_PROG_SERVICE_FRAMES_H
#define XMESH_TESTS_PROG_SERVICE_FRAMES_H

#include "frames.h"
#include "row.h"

#define A4 "10.1.0.2"
#define A6 "fd00:1::2"
#define B4 "10.1.0.3"
#define WEST4 "10.2.0.9"
#define WEST6A "fd00:2::9"

#define FROM_A                                                                                     \
	{                                                                                          \
		.prog = FROM_POD, .in_if = IF_A                                                    \
	}
#define FROM_B                                                                                     \
	{                                                                                          \
		.prog = FROM_POD, .in_if = IF_B                                                    \
	}
#define TO_POD_A                                                                                   \
	{                                                                                          \
		.prog = TO_POD, .in_if = IF_A                                                      \
	}
#define FROM_WEST_DEV                                                                              \
	{                                                                                          \
		.prog = FROM_DEV, .in_if = IF_DEV, .key = { "192.0.2.3", VNI }                     \
	}
#define TO_B ETH(.src = MAC_HOST, .dst = MAC_POD_B)
/* The frame of a packet that is answered, the other way round. */
#define BACK ETH(.src = "02:00:00:00:00:0d", .dst = "02:00:00:00:00:05")
#define TO_WEST .verdict = REDIRECT, .reason = XM_FWD_TUNNEL, .peer = NODE_WEST
#define NEW .notes = { { XM_TRANSLATED, 1 }, { XM_FLOW_NEW, 2 } }
#define REFUSED .verdict = REDIRECT, .reason = XM_ANSWER_REFUSED

/* Services as they are, and a flow that has begun already. */
void tcp_flow(enum load load);      /* A:1000 -> 10.96.0.1:80 */
void tcp_flow_of_b(enum load load); /* B:1000 -> 10.96.0.1:80 */
void udp_flow(enum load load);
void udp6_flow(enum load load);
void local_flow(enum load load);    /* A:1000 -> 10.96.0.2:80, TCP */
void hairpin_flow(enum load load);  /* A:1000 -> 10.96.0.3:80, TCP */
void first_fragment(enum load load); /* id 9, A:1000 -> 10.96.0.1:80, UDP */
void first_fragment_long_ago(enum load load);
void first_fragment_elsewhere(enum load load); /* port 81 */
void reply_fragment(enum load load); /* id 4 */

#endif
