/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Names, addresses and earlier packets for the rows of VIP traffic from outside: the VIP
 * 203.0.113.10 (2001:db8:f0::10) has west's first node as its node, and pod A as a backend when
 * west sends it here.
 */
#ifndef XMESH_TESTS_PROG_VIP_FRAMES_H
#define XMESH_TESTS_PROG_VIP_FRAMES_H

#include "frames.h"
#include "row.h"

#define AT_XDP                                                                                     \
	{                                                                                          \
		.prog = XDP                                                                        \
	}
#define FROM_UL                                                                                    \
	{                                                                                          \
		.prog = FROM_NET, .in_if = IF_UL                                                   \
	}
#define OUT_OF_WEST                                                                                \
	{                                                                                          \
		.prog = FROM_DEV, .in_if = IF_DEV, .key = { "192.0.2.3", VNI }                     \
	}
#define FROM_A                                                                                     \
	{                                                                                          \
		.prog = FROM_POD, .in_if = IF_A                                                    \
	}
#define XDP_IS_PASS 2
#define XDP_IS_TX 3

#define CLIENT "198.51.100.7"
#define CLIENT6 "2001:db8:c::7"
#define VIP "203.0.113.10"    /* node: west */
#define VIP6 "2001:db8:f0::10"
#define VIP_HERE "203.0.113.11" /* node: this one; backend pod A */
#define VIP_EMPTY "203.0.113.12"
#define VIP_EMPTY6 "2001:db8:f0::12"
#define MAC_NEXT "02:00:00:00:00:77"
#define N_WEST (B_OTHERS + 1)
#define N_SELF (B_OTHERS + 2)
#define N_WEST6 (B_OTHERS + 3)
#define X_OUT4                                                                                     \
	ETH(.src = MAC_HOST, .dst = MAC_NEXT), IP4("192.0.2.1", "192.0.2.3", .any_id = true),      \
		UDP(0, PORT, .any_sport = true, .csum_zero = true), VXLAN(VNI),                    \
		ETH(.src = MAC_SELF, .dst = MAC_WEST)
#define BACK ETH(.src = MAC_HOST, .dst = "02:00:00:00:00:05")

void vip_set_path(enum load load, uint32_t node, uint32_t ifindex, const char *outer);
void vip_services(enum load load);
void vip_at_tc(enum load load);       /* services, and the path to west by the underlay */
void vip_at_xdp(enum load load);
void vip_west_has_it(enum load load); /* CLIENT:40000 -> VIP:80, UDP: an EDGE flow to west */
void vip_pod_has_it(enum load load);  /* the same as a NODE flow that west sent, REPLY only */

/*
 * More (vip_node_rows.c): VIP and VIP6 for TCP, and of cluster 1 too; VIP_EMPTY and VIP_EMPTY6 with
 * no backend on this node, of clusters 1 and 2; paths to nodes 2 and 4. Then, with the first packet
 * sent:
 */
void vip_more(enum load load);
void vip_udp_flow(enum load load);  /* CLIENT:40000 -> VIP:80 by west, a NODE flow of pod A */
void vip_tcp_flow(enum load load);
void vip_udp6_flow(enum load load);

/* The client is reached through 192.0.2.3 on the underlay. */
void vip_route(enum load load);
void vip_unroute(enum load load);

#endif
