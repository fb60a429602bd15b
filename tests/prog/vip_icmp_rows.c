/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rows of ICMP errors and IPv4 fragments of VIP traffic from outside: at the entry node, at the
 * node with the backends, on the way back. Not for: whole packets (vip_rows.c, vip_node_rows.c).
 */
#include "vip_frames.h"

#include <netinet/in.h>

#include "core/defs.h"

#define ROUTER "198.51.100.1"
#define ROUTER6 "2001:db8:c::1"
#define POD "10.1.0.2"
#define POD6 "fd00:1::2"
#define TO_WEST .verdict = REDIRECT, .reason = XM_FWD_VIP, .peer = NODE_WEST
#define TO_POD_A .verdict = REDIRECT, .reason = XM_FWD_LOCAL, .peer = NODE_WEST
#define BACK_TO_WEST                                                                               \
	.verdict = REDIRECT, .reason = XM_FWD_VIP_RETURN, .note = XM_TRANSLATED, .peer = NODE_WEST
#define OUT_TO_CLIENT .verdict = REDIRECT, .reason = XM_FWD_VIP_REPLY
#define EIGHT .quote = 20 + 8 /* IP header and ports; no TCP checksum */

static const struct run from_ul = FROM_UL, from_a = FROM_A;

/* West has the flow of @proto, though Maglev would give it to west's other node by now. */
static void west_has(enum load load, uint8_t proto, const char *client, const char *vip)
{
	struct fix_flow orig = { client, vip, 40000, 80, proto, XM_FLOW_ORIG };
	struct xm_flow flow = { .seen_ns = fix_now_ns(), .backend = N_WEST, .generation = 1,
				.node = NODE_WEST, .kind = XM_FLOW_EDGE };

	vip_more(load);
	fix_service_put(load, &(struct fix_service){ vip, 80, proto, XM_SCOPE_EDGE,
						     .backends = { N_WEST6 } });
	fix_flow_set(load, &orig, &flow);
}

static void west_has_udp(enum load load)
{
	west_has(load, IPPROTO_UDP, CLIENT, VIP);
}

static void west_has_tcp(enum load load)
{
	west_has(load, IPPROTO_TCP, CLIENT, VIP);
}

static void west_has_udp6(enum load load)
{
	west_has(load, IPPROTO_UDP, CLIENT6, VIP6);
}

static void west_has_udp_route(enum load load)
{
	west_has_udp(load);
	vip_route(load);
}

static void west_has_tcp_route(enum load load)
{
	west_has_tcp(load);
	vip_route(load);
}

static void west_has_udp6_route(enum load load)
{
	west_has_udp6(load);
	vip_route(load);
}

/* Another CPU's or another node's flow: this one made none. */
static void no_flow(enum load load)
{
	assert_int_equal(fix_flow_count(load), 0);
}

static void flow_here(enum load load)
{
	vip_more(load);
	send_packet(&from_ul, PKT(ETH(), IP4(CLIENT, VIP_HERE), UDP(40000, 80), DATA(40)));
	assert_int_equal(fix_flow_count(load), 2);
}

static void first_here(enum load load)
{
	vip_more(load);
	send_packet(&from_ul, PKT(ETH(), IP4(CLIENT, VIP_HERE, .id = 9, .mf = true),
				  UDP(40000, 80), DATA(800)));
}

static void direct(enum load load)
{
	struct fix_flow back = { POD, CLIENT, 8080, 40000, IPPROTO_UDP, XM_FLOW_REPLY };
	struct xm_flow flow;

	vip_udp_flow(load);
	assert_true(fix_flow_get(load, &back, &flow));
	flow.flags &= ~XM_FLOW_VIA_ENTRY;
	fix_flow_set(load, &back, &flow);
	vip_route(load);
}

static void first_at_entry(enum load load)
{
	vip_more(load);
	send_packet(&from_ul, PKT(ETH(), IP4(CLIENT, VIP, .id = 9, .mf = true), UDP(40000, 80),
				  DATA(800)));
}

static void first_at_entry_then_another_node(enum load load)
{
	first_at_entry(load);
	fix_service_put(load, &(struct fix_service){ VIP, 80, IPPROTO_UDP, XM_SCOPE_EDGE,
						     .backends = { N_WEST6 } });
}

static void first_at_node(enum load load)
{
	vip_more(load);
	send_packet(&from_ul, PKT(IN4(), IP4(CLIENT, VIP, .id = 9, .mf = true), UDP(40000, 80),
				  DATA(800)));
}

static void first_from_pod(enum load load)
{
	vip_udp_flow(load);
	send_packet(&from_a, PKT(ETH(), IP4(POD, CLIENT, .id = 4, .mf = true), UDP(8080, 40000),
				 DATA(800)));
}

static void first_came_back(enum load load)
{
	west_has_udp_route(load);
	send_packet(&from_ul, PKT(IN4(), IP4(VIP, CLIENT, .id = 4, .mf = true), UDP(80, 40000),
				  DATA(800)));
}

const struct row vip_icmp_rows[] = {
	/* ---- the client's side, about replies: at the entry node ---- */
	{ "XDP: an error to a VIP is left to tc", AT_XDP,
	  PKT(ETH(), IP4(ROUTER, VIP), ICMP(3, .code = 4, .rest = 1400), IP4(VIP, CLIENT),
	      UDP(80, 40000), DATA(40)),
	  .verdict = XDP_IS_PASS, .reason = XM_PASS, .before = vip_at_xdp },
	{ "frag needed about a reply goes to the node of its flow as it is", FROM_UL,
	  PKT(ETH(), IP4(ROUTER, VIP), ICMP(3, .code = 4, .rest = 1400), IP4(VIP, CLIENT),
	      UDP(80, 40000), DATA(40)),
	  TO_WEST, .before = west_has_udp,
	  .out = PKT(OUT4(), IP4(ROUTER, VIP, .ttl = 63), ICMP(3, .code = 4, .rest = 1400),
		     IP4(VIP, CLIENT), UDP(80, 40000), DATA(40)) },
	{ "the client's port unreachable goes there too", FROM_UL,
	  PKT(ETH(), IP4(CLIENT, VIP), ICMP(3, .code = 3), IP4(VIP, CLIENT), UDP(80, 40000)),
	  TO_WEST, .before = west_has_udp,
	  .out = PKT(OUT4(), IP4(CLIENT, VIP, .ttl = 63), ICMP(3, .code = 3), IP4(VIP, CLIENT),
		     UDP(80, 40000)) },
	{ "and time exceeded with eight bytes of TCP", FROM_UL,
	  PKT(ETH(), IP4(ROUTER, VIP), ICMP(11, EIGHT), IP4(VIP, CLIENT), TCP(80, 40000)), TO_WEST,
	  .before = west_has_tcp,
	  .out = PKT(OUT4(), IP4(ROUTER, VIP, .ttl = 63), ICMP(11, EIGHT), IP4(VIP, CLIENT),
		     TCP(80, 40000)) },
	{ "and too big over IPv6", FROM_UL,
	  PKT(ETH(), IP6(ROUTER6, VIP6), ICMP6(2, .rest = 1300), IP6(VIP6, CLIENT6),
	      UDP(80, 40000), DATA(40)),
	  TO_WEST, .before = west_has_udp6,
	  .out = PKT(OUT4(), IP6(ROUTER6, VIP6, .ttl = 63), ICMP6(2, .rest = 1300),
		     IP6(VIP6, CLIENT6), UDP(80, 40000), DATA(40)) },
	{ "and unreachable over IPv6", FROM_UL,
	  PKT(ETH(), IP6(CLIENT6, VIP6), ICMP6(1, .code = 4), IP6(VIP6, CLIENT6),
	      UDP(80, 40000), DATA(40)),
	  TO_WEST, .before = west_has_udp6,
	  .out = PKT(OUT4(), IP6(CLIENT6, VIP6, .ttl = 63), ICMP6(1, .code = 4),
		     IP6(VIP6, CLIENT6), UDP(80, 40000), DATA(40)) },
	{ "an error about no flow goes where Maglev says, and makes none", FROM_UL,
	  PKT(ETH(), IP4(ROUTER, VIP), ICMP(3, .code = 4, .rest = 1400), IP4(VIP, CLIENT),
	      UDP(80, 40000), DATA(40)),
	  TO_WEST, .before = vip_more, .after = no_flow,
	  .out = PKT(OUT4(), IP4(ROUTER, VIP, .ttl = 63), ICMP(3, .code = 4, .rest = 1400),
		     IP4(VIP, CLIENT), UDP(80, 40000), DATA(40)) },
	{ "an error that quotes another VIP than it goes to is left alone", FROM_UL,
	  PKT(ETH(), IP4(ROUTER, VIP), ICMP(3, .code = 4, .rest = 1400),
	      IP4(VIP_HERE, CLIENT), UDP(80, 40000), DATA(40)),
	  .verdict = TO_STACK, .reason = XM_PASS, .before = west_has_udp },

	/* ---- the same at the node with the backends ---- */
	{ "behind the entry node frag needed goes to the pod and quotes it", FROM_UL,
	  PKT(IN4(), IP4(ROUTER, VIP, .ttl = 60), ICMP(3, .code = 4, .rest = 1400),
	      IP4(VIP, CLIENT), UDP(80, 40000), DATA(40)),
	  TO_POD_A, .note = XM_TRANSLATED, .before = vip_udp_flow,
	  .out = PKT(TO_A, IP4(ROUTER, POD, .ttl = 59), ICMP(3, .code = 4, .rest = 1400),
		     IP4(POD, CLIENT), UDP(8080, 40000), DATA(40)) },
	{ "also out of xmesh0", OUT_OF_WEST,
	  PKT(ETH(), IP4(CLIENT, VIP, .ttl = 60), ICMP(3, .code = 3), IP4(VIP, CLIENT),
	      UDP(80, 40000), DATA(40)),
	  TO_POD_A, .note = XM_TRANSLATED, .before = vip_udp_flow,
	  .out = PKT(TO_A, IP4(CLIENT, POD, .ttl = 59), ICMP(3, .code = 3), IP4(POD, CLIENT),
		     UDP(8080, 40000), DATA(40)) },
	{ "and time exceeded with eight bytes of TCP to the pod", FROM_UL,
	  PKT(IN4(), IP4(ROUTER, VIP, .ttl = 60), ICMP(11, EIGHT), IP4(VIP, CLIENT),
	      TCP(80, 40000)),
	  TO_POD_A, .note = XM_TRANSLATED, .before = vip_tcp_flow,
	  .out = PKT(TO_A, IP4(ROUTER, POD, .ttl = 59), ICMP(11, EIGHT), IP4(POD, CLIENT),
		     TCP(8080, 40000)) },
	{ "and too big over IPv6 to the pod", FROM_UL,
	  PKT(IN4(), IP6(ROUTER6, VIP6, .ttl = 60), ICMP6(2, .rest = 1300), IP6(VIP6, CLIENT6),
	      UDP(80, 40000), DATA(40)),
	  TO_POD_A, .note = XM_TRANSLATED, .before = vip_udp6_flow,
	  .out = PKT(TO_A, IP6(ROUTER6, POD6, .ttl = 59), ICMP6(2, .rest = 1300),
		     IP6(POD6, CLIENT6), UDP(8080, 40000), DATA(40)) },
	{ "one about a flow of this entry node's own pod goes to that", FROM_UL,
	  PKT(ETH(), IP4(ROUTER, VIP_HERE), ICMP(3, .code = 4, .rest = 1400),
	      IP4(VIP_HERE, CLIENT), UDP(80, 40000), DATA(40)),
	  .verdict = REDIRECT, .reason = XM_FWD_LOCAL, .note = XM_TRANSLATED,
	  .before = flow_here,
	  .out = PKT(TO_A, IP4(ROUTER, POD, .ttl = 63), ICMP(3, .code = 4, .rest = 1400),
		     IP4(POD, CLIENT), UDP(8080, 40000), DATA(40)) },
	{ "an error about no flow of that node is not believed", FROM_UL,
	  PKT(IN4(), IP4(ROUTER, VIP), ICMP(3, .code = 4, .rest = 1400), IP4(VIP, CLIENT),
	      UDP(80, 40001), DATA(40)),
	  .verdict = SHOT, .reason = XM_DROP_PEER_SOURCE, .peer = NODE_WEST,
	  .before = vip_udp_flow },

	/* ---- the backend's side, about what the client sent ---- */
	{ "the pod's port unreachable goes back by the entry node, from the VIP and quoting it",
	  FROM_A, PKT(ETH(), IP4(POD, CLIENT), ICMP(3, .code = 3), IP4(CLIENT, POD),
		      UDP(40000, 8080), DATA(40)),
	  BACK_TO_WEST, .before = vip_udp_flow,
	  .out = PKT(OUT4(), IP4(VIP, CLIENT, .ttl = 63), ICMP(3, .code = 3), IP4(CLIENT, VIP),
		     UDP(40000, 80), DATA(40)) },
	{ "and with eight bytes of TCP", FROM_A,
	  PKT(ETH(), IP4(POD, CLIENT), ICMP(11, EIGHT), IP4(CLIENT, POD), TCP(40000, 8080)),
	  BACK_TO_WEST, .before = vip_tcp_flow,
	  .out = PKT(OUT4(), IP4(VIP, CLIENT, .ttl = 63), ICMP(11, EIGHT), IP4(CLIENT, VIP),
		     TCP(40000, 80)) },
	{ "and over IPv6", FROM_A,
	  PKT(ETH(), IP6(POD6, CLIENT6), ICMP6(1, .code = 4), IP6(CLIENT6, POD6),
	      UDP(40000, 8080), DATA(40)),
	  BACK_TO_WEST, .before = vip_udp6_flow,
	  .out = PKT(OUT4(), IP6(VIP6, CLIENT6, .ttl = 63), ICMP6(1, .code = 4),
		     IP6(CLIENT6, VIP6), UDP(40000, 80), DATA(40)) },
	{ "and straight to the client (DSR)", FROM_A,
	  PKT(ETH(), IP4(POD, CLIENT), ICMP(3, .code = 3), IP4(CLIENT, POD), UDP(40000, 8080),
	      DATA(40)),
	  OUT_TO_CLIENT, .note = XM_TRANSLATED, .before = direct, .after = vip_unroute,
	  .out = PKT(ETH(), IP4(VIP, CLIENT, .ttl = 63), ICMP(3, .code = 3), IP4(CLIENT, VIP),
		     UDP(40000, 80), DATA(40)) },
	{ "at the entry node that error goes out to the client", FROM_UL,
	  PKT(IN4(), IP4(VIP, CLIENT), ICMP(3, .code = 3), IP4(CLIENT, VIP), UDP(40000, 80),
	      DATA(40)),
	  OUT_TO_CLIENT, .peer = NODE_WEST, .before = west_has_udp_route, .after = vip_unroute,
	  .out = PKT(ETH(), IP4(VIP, CLIENT, .ttl = 63), ICMP(3, .code = 3), IP4(CLIENT, VIP),
		     UDP(40000, 80), DATA(40)) },
	{ "and with eight bytes of TCP out to the client", FROM_UL,
	  PKT(IN4(), IP4(VIP, CLIENT), ICMP(11, EIGHT), IP4(CLIENT, VIP), TCP(40000, 80)),
	  OUT_TO_CLIENT, .peer = NODE_WEST, .before = west_has_tcp_route, .after = vip_unroute,
	  .out = PKT(ETH(), IP4(VIP, CLIENT, .ttl = 63), ICMP(11, EIGHT), IP4(CLIENT, VIP),
		     TCP(40000, 80)) },
	{ "and over IPv6 out to the client", FROM_UL,
	  PKT(IN4(), IP6(VIP6, CLIENT6), ICMP6(1, .code = 4), IP6(CLIENT6, VIP6), UDP(40000, 80),
	      DATA(40)),
	  OUT_TO_CLIENT, .peer = NODE_WEST, .before = west_has_udp6_route, .after = vip_unroute,
	  .out = PKT(ETH(), IP6(VIP6, CLIENT6, .ttl = 63), ICMP6(1, .code = 4),
		     IP6(CLIENT6, VIP6), UDP(40000, 80), DATA(40)) },
	{ "an error about a flow that was not sent to that node is not believed", FROM_UL,
	  PKT(IN4(), IP4(VIP, CLIENT), ICMP(3, .code = 3), IP4(CLIENT, VIP), UDP(40001, 80),
	      DATA(40)),
	  .verdict = SHOT, .reason = XM_DROP_PEER_SOURCE, .peer = NODE_WEST,
	  .before = west_has_udp },

	/* ---- IPv4 fragments of UDP ---- */
	{ "XDP: a first fragment is left to tc", AT_XDP,
	  PKT(ETH(), IP4(CLIENT, VIP, .id = 9, .mf = true), UDP(40000, 80), DATA(800)),
	  .verdict = XDP_IS_PASS, .reason = XM_PASS, .before = vip_at_xdp },
	{ "XDP: so is a later one", AT_XDP,
	  PKT(ETH(), IP4(CLIENT, VIP, .id = 9, .proto = IPPROTO_UDP, .frag_off = 101), DATA(40)),
	  .verdict = XDP_IS_PASS, .reason = XM_PASS, .before = vip_at_xdp },
	{ "a first fragment makes the flow", FROM_UL,
	  PKT(ETH(), IP4(CLIENT, VIP, .id = 9, .mf = true), UDP(40000, 80), DATA(800)), TO_WEST,
	  .note = XM_FLOW_NEW, .before = vip_more,
	  .out = PKT(OUT4(), IP4(CLIENT, VIP, .ttl = 63, .id = 9, .mf = true), UDP(40000, 80),
		     DATA(800)) },
	{ "a later one goes to the node of its flow", FROM_UL,
	  PKT(ETH(), IP4(CLIENT, VIP, .id = 9, .proto = IPPROTO_UDP, .frag_off = 101), DATA(40)),
	  TO_WEST, .before = first_at_entry_then_another_node,
	  .out = PKT(OUT4(), IP4(CLIENT, VIP, .ttl = 63, .id = 9, .proto = IPPROTO_UDP,
				 .frag_off = 101), DATA(40)) },
	{ "a later one of another datagram is dropped", FROM_UL,
	  PKT(ETH(), IP4(CLIENT, VIP, .id = 10, .proto = IPPROTO_UDP, .frag_off = 101), DATA(40)),
	  .verdict = SHOT, .reason = XM_DROP_FRAGMENT, .before = first_at_entry },
	{ "behind the entry node a first fragment is translated", FROM_UL,
	  PKT(IN4(), IP4(CLIENT, VIP, .ttl = 60, .id = 9, .mf = true), UDP(40000, 80), DATA(800)),
	  TO_POD_A, .notes = { { XM_FLOW_NEW, 2 }, { XM_TRANSLATED, 1 } }, .before = vip_more,
	  .out = PKT(TO_A, IP4(CLIENT, POD, .ttl = 59, .id = 9, .mf = true), UDP(40000, 8080),
		     DATA(800)) },
	{ "a later one goes to the same pod", FROM_UL,
	  PKT(IN4(), IP4(CLIENT, VIP, .ttl = 60, .id = 9, .proto = IPPROTO_UDP,
			 .frag_off = 101), DATA(40)),
	  TO_POD_A, .note = XM_TRANSLATED, .before = first_at_node,
	  .out = PKT(TO_A, IP4(CLIENT, POD, .ttl = 59, .id = 9, .proto = IPPROTO_UDP,
			       .frag_off = 101), DATA(40)) },
	{ "at the entry node a later one to its own pod too", FROM_UL,
	  PKT(ETH(), IP4(CLIENT, VIP_HERE, .id = 9, .proto = IPPROTO_UDP, .frag_off = 101),
	      DATA(40)),
	  .verdict = REDIRECT, .reason = XM_FWD_LOCAL, .note = XM_TRANSLATED,
	  .before = first_here,
	  .out = PKT(TO_A, IP4(CLIENT, POD, .ttl = 63, .id = 9, .proto = IPPROTO_UDP,
			       .frag_off = 101), DATA(40)) },
	{ "a later one whose first was not seen there is dropped", FROM_UL,
	  PKT(IN4(), IP4(CLIENT, VIP, .ttl = 60, .id = 10, .proto = IPPROTO_UDP,
			 .frag_off = 101), DATA(40)),
	  .verdict = SHOT, .reason = XM_DROP_FRAGMENT, .peer = NODE_WEST,
	  .before = first_at_node },
	{ "a first fragment of a reply goes back by the entry node", FROM_A,
	  PKT(ETH(), IP4(POD, CLIENT, .id = 4, .mf = true), UDP(8080, 40000), DATA(800)),
	  BACK_TO_WEST, .before = vip_udp_flow,
	  .out = PKT(OUT4(), IP4(VIP, CLIENT, .ttl = 63, .id = 4, .mf = true), UDP(80, 40000),
		     DATA(800)) },
	{ "and a later one", FROM_A,
	  PKT(ETH(), IP4(POD, CLIENT, .id = 4, .proto = IPPROTO_UDP, .frag_off = 101), DATA(40)),
	  BACK_TO_WEST, .before = first_from_pod,
	  .out = PKT(OUT4(), IP4(VIP, CLIENT, .ttl = 63, .id = 4, .proto = IPPROTO_UDP,
				 .frag_off = 101), DATA(40)) },
	{ "at the entry node a later one goes out to the client", FROM_UL,
	  PKT(IN4(), IP4(VIP, CLIENT, .id = 4, .proto = IPPROTO_UDP, .frag_off = 101), DATA(40)),
	  OUT_TO_CLIENT, .peer = NODE_WEST, .before = first_came_back, .after = vip_unroute,
	  .out = PKT(ETH(), IP4(VIP, CLIENT, .ttl = 63, .id = 4, .proto = IPPROTO_UDP,
				.frag_off = 101), DATA(40)) },
	{ "one whose first did not come back is not believed", FROM_UL,
	  PKT(IN4(), IP4(VIP, CLIENT, .id = 4, .proto = IPPROTO_UDP, .frag_off = 101), DATA(40)),
	  .verdict = SHOT, .reason = XM_DROP_PEER_SOURCE, .peer = NODE_WEST,
	  .before = west_has_udp },
};

const size_t n_vip_icmp_rows = ARRAY_SIZE(vip_icmp_rows);
