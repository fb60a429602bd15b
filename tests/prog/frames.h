/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Beginnings of tunnel frames, in pkt.h's terms, that several tables of rows need. */
#ifndef XMESH_TESTS_PROG_FRAMES_H
#define XMESH_TESTS_PROG_FRAMES_H

#include "fix.h"

/* What we send: to west over IPv4, to west's second node over IPv6. */
#define OUT4(...)                                                                                  \
	ETH(.any_mac = true), IP4("192.0.2.1", "192.0.2.3", .any_id = true, ##__VA_ARGS__),        \
		UDP(0, PORT, .any_sport = true, .csum_zero = true), VXLAN(VNI),                    \
		ETH(.src = MAC_SELF, .dst = MAC_WEST)
#define OUT6(...)                                                                                  \
	ETH(.any_mac = true), IP6("2001:db8::1", "2001:db8::4", .any_flow = true, ##__VA_ARGS__),  \
		UDP(0, PORT, .any_sport = true, .csum_zero = true), VXLAN(VNI),                    \
		ETH(.src = MAC_SELF, .dst = MAC_WEST6)

/* What we receive, from those two. */
#define IN4(...)                                                                                   \
	ETH(), IP4("192.0.2.3", "192.0.2.1", .id = 7, ##__VA_ARGS__),                              \
		UDP(50000, PORT, .csum_zero = true), VXLAN(VNI),                                   \
		ETH(.src = MAC_WEST, .dst = MAC_SELF)
#define IN6(...)                                                                                   \
	ETH(), IP6("2001:db8::4", "2001:db8::1", .flow = 5, ##__VA_ARGS__),                        \
		UDP(50000, PORT, .csum_zero = true), VXLAN(VNI),                                   \
		ETH(.src = MAC_WEST6, .dst = MAC_SELF)

/* As pod A gets it. */
#define TO_A ETH(.src = MAC_HOST, .dst = MAC_POD_A)

/* What a SYN without data to port 80 gets where nobody is. */
#define RESET(port) TCP(80, port, .flags = T_RST | T_ACK, .ack = 1, .no_window = true)

#endif
