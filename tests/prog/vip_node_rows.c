/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rows of the node with a VIP's backends: refusal, another entry node, MSS, IPv6, super-packets;
 * and of ClientIP affinity at the entry node. Not for: ICMP errors and fragments (vip_icmp_rows.c).
 */
#include "vip_frames.h"

#include <netinet/in.h>
#include <string.h>

#include "core/defs.h"

#define POD "10.1.0.2"
#define POD6 "fd00:1::2"
/* Given to this node, whose last backend is just gone. */
#define VIP_LEFT "203.0.113.13"
#define FROM_UL_GSO                                                                                \
	{                                                                                          \
		.prog = FROM_NET, .in_if = IF_UL, .gso_size = 500, .gso_segs = 2                   \
	}
#define OUT_OF_WEST_GSO                                                                            \
	{                                                                                          \
		.prog = FROM_DEV, .in_if = IF_DEV, .key = { "192.0.2.3", VNI }, .gso_size = 500,   \
		.gso_segs = 2                                                                      \
	}
/* From node 2, of our own cluster, and node 5, of a third. */
#define IN_OF(node, mac)                                                                           \
	ETH(), IP4(node, "192.0.2.1", .id = 7), UDP(50000, PORT, .csum_zero = true), VXLAN(VNI),   \
		ETH(.src = (mac), .dst = MAC_SELF)
#define IN_EAST2 IN_OF("192.0.2.2", "02:78:c0:00:02:02")
#define IN_NORTH IN_OF("192.0.2.5", "02:78:c0:00:02:05")
#define NEW .notes = { { XM_FLOW_NEW, 2 }, { XM_TRANSLATED, 1 } }
#define TO_POD_A .verdict = REDIRECT, .reason = XM_FWD_LOCAL
#define REFUSED .verdict = REDIRECT, .reason = XM_ANSWER_REFUSED
#define BACK_TO_WEST                                                                               \
	.verdict = REDIRECT, .reason = XM_FWD_VIP_RETURN, .note = XM_TRANSLATED, .peer = NODE_WEST

static const struct run from_ul = FROM_UL;
static const struct fix_flow orig = { CLIENT, VIP, 40000, 80, IPPROTO_UDP, XM_FLOW_ORIG };
static const struct fix_flow reply = { POD, CLIENT, 8080, 40000, IPPROTO_UDP, XM_FLOW_REPLY };

void vip_more(enum load load)
{
	static const struct fix_backend west6 = { "2001:db8::4", 0, NODE_WEST6, 2,
						  XM_BACKEND_ACTIVE, XM_BACKEND_IS_NODE, 1 };
	static const struct fix_service s[] = {
		{ VIP, 80, IPPROTO_TCP, XM_SCOPE_NODE, 2, .backends = { B_POD_A } },
		{ VIP6, 80, IPPROTO_TCP, XM_SCOPE_NODE, 2, .backends = { B_POD_A_V6 } },
		{ VIP6, 80, IPPROTO_UDP, XM_SCOPE_NODE, 2, .backends = { B_POD_A_V6 } },
		{ VIP, 80, IPPROTO_UDP, XM_SCOPE_NODE, 1, .backends = { B_POD_A } },
		{ VIP6, 80, IPPROTO_UDP, XM_SCOPE_NODE, 1, .backends = { B_POD_A_V6 } },
		{ VIP_EMPTY, 80, IPPROTO_TCP, XM_SCOPE_NODE, 2, .backends = { 0 } },
		{ VIP_EMPTY, 80, IPPROTO_UDP, XM_SCOPE_NODE, 2, .backends = { 0 } },
		{ VIP_EMPTY, 80, IPPROTO_TCP, XM_SCOPE_NODE, 1, .backends = { 0 } },
		{ VIP_EMPTY, 80, IPPROTO_UDP, XM_SCOPE_NODE, 1, .backends = { 0 } },
		{ VIP_LEFT, 80, IPPROTO_TCP, XM_SCOPE_EDGE, .backends = { N_SELF } },
		{ VIP_LEFT, 80, IPPROTO_TCP, XM_SCOPE_NODE, 1, .backends = { 0 } },
		{ VIP_EMPTY6, 80, IPPROTO_TCP, XM_SCOPE_NODE, 2, .backends = { 0 } },
		{ VIP_EMPTY6, 80, IPPROTO_UDP, XM_SCOPE_NODE, 2, .backends = { 0 } },
	};

	vip_at_tc(load);
	vip_set_path(load, NODE_EAST2, fix_ifindex(IF_UL), "192.0.2.2");
	vip_set_path(load, NODE_WEST6, fix_ifindex(IF_UL), "2001:db8::4");
	fix_backend_put(load, N_WEST6, &west6);
	for (size_t i = 0; i < ARRAY_SIZE(s); i++)
		fix_service_put(load, &s[i]);
}

void vip_udp_flow(enum load load)
{
	vip_more(load);
	send_packet(&from_ul, PKT(IN4(), IP4(CLIENT, VIP), UDP(40000, 80), DATA(40)));
	assert_int_equal(fix_flow_count(load), 2);
}

void vip_tcp_flow(enum load load)
{
	vip_more(load);
	send_packet(&from_ul, PKT(IN4(), IP4(CLIENT, VIP), TCP(40000, 80, .flags = T_SYN)));
	assert_int_equal(fix_flow_count(load), 2);
}

void vip_udp6_flow(enum load load)
{
	vip_more(load);
	send_packet(&from_ul, PKT(IN4(), IP6(CLIENT6, VIP6), UDP(40000, 80), DATA(40)));
	assert_int_equal(fix_flow_count(load), 2);
}

static void tcp6_flow(enum load load)
{
	vip_more(load);
	send_packet(&from_ul, PKT(IN4(), IP6(CLIENT6, VIP6), TCP(40000, 80, .flags = T_SYN)));
	assert_int_equal(fix_flow_count(load), 2);
}

static void more_route(enum load load)
{
	vip_more(load);
	vip_route(load);
}

/* A backend that was chosen before is being taken out: the slice still has it. */
static void going(enum load load)
{
	vip_more(load);
	fix_backend_state(load, B_POD_A, XM_BACKEND_DOWN, 1);
}

static void gone_under_a_flow(enum load load)
{
	vip_tcp_flow(load);
	fix_service_put(load, &(struct fix_service){ VIP, 80, IPPROTO_TCP, XM_SCOPE_NODE, 2,
						     .backends = { 0 } });
	fix_backend_state(load, B_POD_A, XM_BACKEND_DOWN, 1);
}

static void no_flow(enum load load)
{
	assert_int_equal(fix_flow_count(load), 0);
}

static void no_flow_unroute(enum load load)
{
	no_flow(load);
	vip_unroute(load);
}

/* ---- another entry node ---- */

static void entry_is(enum load load, enum node node, bool via)
{
	struct xm_flow o, r;

	assert_true(fix_flow_get(load, &orig, &o));
	assert_true(fix_flow_get(load, &reply, &r));
	assert_int_equal(o.node, node);
	assert_int_equal(r.node, node);
	assert_int_equal(!!(r.flags & XM_FLOW_VIA_ENTRY), via);
	assert_int_equal(fix_flow_count(load), 2);
}

static void entry_is_east2(enum load load)
{
	entry_is(load, NODE_EAST2, false);
}

static void entry_is_west(enum load load)
{
	entry_is(load, NODE_WEST, true);
}

static void entry_is_west6(enum load load)
{
	entry_is(load, NODE_WEST6, true);
}

static void moved_to_east2(enum load load)
{
	vip_udp_flow(load);
	send_packet(&from_ul, PKT(IN_EAST2, IP4(CLIENT, VIP), UDP(40000, 80), DATA(40)));
	vip_route(load);
}

static void moved_to_west6(enum load load)
{
	vip_udp_flow(load);
	send_packet(&from_ul, PKT(IN6(), IP4(CLIENT, VIP), UDP(40000, 80), DATA(40)));
}

static void moved_there_and_back(enum load load)
{
	moved_to_east2(load);
	vip_unroute(load);
	send_packet(&from_ul, PKT(IN4(), IP4(CLIENT, VIP), UDP(40000, 80), DATA(40)));
}

/* ---- IPv6 ---- */

static void node6_route(enum load load)
{
	vip_more(load);
	send_packet(&from_ul, PKT(IN_EAST2, IP6(CLIENT6, VIP6), UDP(40000, 80), DATA(40)));
	vip_route(load);
}

static void entry6_route(enum load load)
{
	vip_more(load);
	send_packet(&from_ul, PKT(ETH(), IP6(CLIENT6, VIP6), UDP(40000, 80), DATA(40)));
	vip_route(load);
}

/* ---- affinity at the entry node ---- */

/* The client was given west's second node by its first flow; now the table has the first alone. */
static void affine(enum load load, uint32_t ifindex)
{
	struct fix_service s = { VIP, 80, IPPROTO_UDP, XM_SCOPE_EDGE, .affinity_s = 10,
				 .backends = { N_WEST6 } };

	vip_more(load);
	fix_service_put(load, &s);
	send_packet(&from_ul, PKT(ETH(), IP4(CLIENT, VIP), UDP(39999, 80)));
	s.backends[0] = N_WEST;
	fix_service_put(load, &s);
	vip_set_path(load, NODE_WEST, ifindex, "192.0.2.3");
	vip_set_path(load, NODE_WEST6, ifindex, "2001:db8::4");
}

static void affine_tc(enum load load)
{
	affine(load, fix_ifindex(IF_UL));
}

static void affine_xdp(enum load load)
{
	affine(load, 1);
}

static void affine_no_more(enum load load)
{
	affine_tc(load);
	fix_age(load, 10);
}

const struct row vip_node_rows[] = {
	/* ---- refusal ---- */
	{ "no backend on this node any more: a reset goes back by the entry node", FROM_UL,
	  PKT(IN4(), IP4(CLIENT, VIP_EMPTY, .ttl = 60), TCP(40000, 80, .flags = T_SYN)), REFUSED,
	  .peer = NODE_WEST, .to_peer = true, .before = vip_more, .after = no_flow,
	  .out = PKT(OUT4(), IP4(VIP_EMPTY, CLIENT, .ttl = 63, .df = true), RESET(40000)) },
	{ "for UDP it is port unreachable", FROM_UL,
	  PKT(IN4(), IP4(CLIENT, VIP_EMPTY, .ttl = 60), UDP(40000, 80), DATA(40)), REFUSED,
	  .peer = NODE_WEST, .to_peer = true, .before = vip_more, .after = no_flow,
	  .out = PKT(OUT4(), IP4(VIP_EMPTY, CLIENT, .ttl = 63, .df = true), ICMP(3, .code = 3),
		     IP4(CLIENT, VIP_EMPTY, .ttl = 60), UDP(40000, 80), DATA(40)) },
	{ "a reset over IPv6 too", FROM_UL,
	  PKT(IN4(), IP6(CLIENT6, VIP_EMPTY6, .ttl = 60), TCP(40000, 80, .flags = T_SYN)), REFUSED,
	  .peer = NODE_WEST, .to_peer = true, .before = vip_more,
	  .out = PKT(OUT4(), IP6(VIP_EMPTY6, CLIENT6, .ttl = 63), RESET(40000)) },
	{ "and port unreachable", FROM_UL,
	  PKT(IN4(), IP6(CLIENT6, VIP_EMPTY6, .ttl = 60), UDP(40000, 80), DATA(40)), REFUSED,
	  .peer = NODE_WEST, .to_peer = true, .before = vip_more,
	  .out = PKT(OUT4(), IP6(VIP_EMPTY6, CLIENT6, .ttl = 63), ICMP6(1, .code = 4),
		     IP6(CLIENT6, VIP_EMPTY6, .ttl = 60), UDP(40000, 80), DATA(40)) },
	{ "out of xmesh0 a reset too", OUT_OF_WEST,
	  PKT(ETH(), IP4(CLIENT, VIP_EMPTY, .ttl = 60), TCP(40000, 80, .flags = T_SYN)), REFUSED,
	  .peer = NODE_WEST, .to_peer = true, .before = vip_more,
	  .out = PKT(OUT4(), IP4(VIP_EMPTY, CLIENT, .ttl = 63, .df = true), RESET(40000)) },
	{ "to what came by a node of our cluster a reset goes straight to the client", FROM_UL,
	  PKT(IN_EAST2, IP4(CLIENT, VIP_EMPTY, .ttl = 60), TCP(40000, 80, .flags = T_SYN)),
	  REFUSED, .peer = NODE_EAST2, .before = more_route, .after = no_flow_unroute,
	  .out = PKT(BACK,
		     IP4(VIP_EMPTY, CLIENT, .ttl = 63, .df = true), RESET(40000)) },
	{ "and port unreachable straight", FROM_UL,
	  PKT(IN_EAST2, IP4(CLIENT, VIP_EMPTY, .ttl = 60), UDP(40000, 80), DATA(40)), REFUSED,
	  .peer = NODE_EAST2, .before = more_route, .after = no_flow_unroute,
	  .out = PKT(BACK,
		     IP4(VIP_EMPTY, CLIENT, .ttl = 63, .df = true), ICMP(3, .code = 3),
		     IP4(CLIENT, VIP_EMPTY, .ttl = 60), UDP(40000, 80), DATA(40)) },
	{ "what came from outside to this node is answered where it came in", FROM_UL,
	  PKT(ETH(), IP4(CLIENT, VIP_LEFT), TCP(40000, 80, .flags = T_SYN)), REFUSED,
	  .before = vip_more, .after = no_flow,
	  .out = PKT(BACK, IP4(VIP_LEFT, CLIENT, .df = true), RESET(40000)) },
	{ "a client without a route gets none", FROM_UL,
	  PKT(IN_EAST2, IP4(CLIENT, VIP_EMPTY, .ttl = 60), TCP(40000, 80, .flags = T_SYN)),
	  .verdict = SHOT, .reason = XM_DROP_NO_BACKEND, .peer = NODE_EAST2, .before = vip_more },
	{ "a backend that is down but still in the table refuses", FROM_UL,
	  PKT(IN4(), IP4(CLIENT, VIP, .ttl = 60), TCP(40000, 80, .flags = T_SYN)), REFUSED,
	  .peer = NODE_WEST, .to_peer = true, .before = going, .after = no_flow,
	  .out = PKT(OUT4(), IP4(VIP, CLIENT, .ttl = 63, .df = true), RESET(40000)) },
	{ "a flow whose backend is gone, with no other, is reset", FROM_UL,
	  PKT(IN4(), IP4(CLIENT, VIP, .ttl = 60), TCP(40000, 80, .flags = T_ACK, .ack = 5)),
	  REFUSED, .notes = { { XM_FLOW_ENDED, 2 } }, .peer = NODE_WEST,
	  .to_peer = true, .before = gone_under_a_flow, .after = no_flow,
	  .out = PKT(OUT4(), IP4(VIP, CLIENT, .ttl = 63, .df = true),
		     TCP(80, 40000, .flags = T_RST, .seq = 5, .no_window = true)) },

	/* ---- another entry node ---- */
	{ "a flow whose packets come by our own cluster now keeps its pod", FROM_UL,
	  PKT(IN_EAST2, IP4(CLIENT, VIP, .ttl = 60), UDP(40000, 80), DATA(40)), TO_POD_A,
	  .note = XM_TRANSLATED, .peer = NODE_EAST2, .before = vip_udp_flow,
	  .after = entry_is_east2,
	  .out = PKT(TO_A, IP4(CLIENT, POD, .ttl = 59), UDP(40000, 8080), DATA(40)) },
	{ "its replies go straight to the client from then on", FROM_A,
	  PKT(ETH(), IP4(POD, CLIENT), UDP(8080, 40000), DATA(40)), .verdict = REDIRECT,
	  .reason = XM_FWD_VIP_REPLY, .note = XM_TRANSLATED, .before = moved_to_east2,
	  .after = vip_unroute,
	  .out = PKT(ETH(), IP4(VIP, CLIENT, .ttl = 63), UDP(80, 40000), DATA(40)) },
	{ "once they come by west again, the replies go there again", FROM_A,
	  PKT(ETH(), IP4(POD, CLIENT), UDP(8080, 40000), DATA(40)), BACK_TO_WEST,
	  .before = moved_there_and_back, .after = entry_is_west,
	  .out = PKT(OUT4(), IP4(VIP, CLIENT, .ttl = 63), UDP(80, 40000), DATA(40)) },
	{ "a flow whose packets come by west's other node keeps its pod", FROM_UL,
	  PKT(IN6(), IP4(CLIENT, VIP, .ttl = 60), UDP(40000, 80), DATA(40)), TO_POD_A,
	  .note = XM_TRANSLATED, .peer = NODE_WEST6, .before = vip_udp_flow,
	  .after = entry_is_west6,
	  .out = PKT(TO_A, IP4(CLIENT, POD, .ttl = 59), UDP(40000, 8080), DATA(40)) },
	{ "its replies go back by that node", FROM_A,
	  PKT(ETH(), IP4(POD, CLIENT), UDP(8080, 40000), DATA(40)), .verdict = REDIRECT,
	  .reason = XM_FWD_VIP_RETURN, .note = XM_TRANSLATED, .peer = NODE_WEST6,
	  .before = moved_to_west6,
	  .out = PKT(OUT6(), IP4(VIP, CLIENT, .ttl = 63), UDP(80, 40000), DATA(40)) },
	{ "a node of a cluster without that VIP does not move it", FROM_UL,
	  PKT(IN_NORTH, IP4(CLIENT, VIP, .ttl = 60), UDP(40000, 80), DATA(40)), .verdict = SHOT,
	  .reason = XM_DROP_PEER_SOURCE, .peer = NODE_NORTH, .before = vip_udp_flow,
	  .after = entry_is_west },

	/* ---- MSS ---- */
	{ "the MSS of a SYN by the entry node fits the tunnel back", FROM_UL,
	  PKT(IN4(), IP4(CLIENT, VIP, .ttl = 60),
	      TCP(40000, 80, .flags = T_SYN, .mss = 1460, .opts = "M")),
	  TO_POD_A, .notes = { { XM_FLOW_NEW, 2 }, { XM_TRANSLATED, 1 }, { XM_MSS_CLAMPED, 1 } },
	  .peer = NODE_WEST, .before = vip_more,
	  .out = PKT(TO_A, IP4(CLIENT, POD, .ttl = 59),
		     TCP(40000, 8080, .flags = T_SYN, .mss = 1410, .opts = "M")) },
	{ "of its SYN-ACK too", FROM_A,
	  PKT(ETH(), IP4(POD, CLIENT),
	      TCP(8080, 40000, .flags = T_SYN | T_ACK, .mss = 1460, .opts = "M")),
	  .verdict = REDIRECT, .reason = XM_FWD_VIP_RETURN,
	  .notes = { { XM_TRANSLATED, 1 }, { XM_MSS_CLAMPED, 1 } }, .peer = NODE_WEST,
	  .before = vip_tcp_flow,
	  .out = PKT(OUT4(), IP4(VIP, CLIENT, .ttl = 63),
		     TCP(80, 40000, .flags = T_SYN | T_ACK, .mss = 1410, .opts = "M")) },
	{ "over IPv6 it is lower by the header", FROM_UL,
	  PKT(IN4(), IP6(CLIENT6, VIP6, .ttl = 60),
	      TCP(40000, 80, .flags = T_SYN, .mss = 1440, .opts = "M")),
	  TO_POD_A, .notes = { { XM_FLOW_NEW, 2 }, { XM_TRANSLATED, 1 }, { XM_MSS_CLAMPED, 1 } },
	  .peer = NODE_WEST, .before = vip_more,
	  .out = PKT(TO_A, IP6(CLIENT6, POD6, .ttl = 59),
		     TCP(40000, 8080, .flags = T_SYN, .mss = 1390, .opts = "M")) },
	{ "and of the SYN-ACK", FROM_A,
	  PKT(ETH(), IP6(POD6, CLIENT6),
	      TCP(8080, 40000, .flags = T_SYN | T_ACK, .mss = 1440, .opts = "M")),
	  .verdict = REDIRECT, .reason = XM_FWD_VIP_RETURN,
	  .notes = { { XM_TRANSLATED, 1 }, { XM_MSS_CLAMPED, 1 } }, .peer = NODE_WEST,
	  .before = tcp6_flow,
	  .out = PKT(OUT4(), IP6(VIP6, CLIENT6, .ttl = 63),
		     TCP(80, 40000, .flags = T_SYN | T_ACK, .mss = 1390, .opts = "M")) },
	{ "a SYN whose MSS fits stays", FROM_UL,
	  PKT(IN4(), IP4(CLIENT, VIP, .ttl = 60),
	      TCP(40000, 80, .flags = T_SYN, .mss = 1410, .opts = "M")),
	  TO_POD_A, NEW, .peer = NODE_WEST, .before = vip_more,
	  .out = PKT(TO_A, IP4(CLIENT, POD, .ttl = 59),
		     TCP(40000, 8080, .flags = T_SYN, .mss = 1410, .opts = "M")) },

	/* ---- IPv6 ---- */
	{ "what an entry node sends over IPv6 is given to a pod", FROM_UL,
	  PKT(IN4(), IP6(CLIENT6, VIP6, .ttl = 60), UDP(40000, 80), DATA(40)), TO_POD_A, NEW,
	  .peer = NODE_WEST, .before = vip_more,
	  .out = PKT(TO_A, IP6(CLIENT6, POD6, .ttl = 59), UDP(40000, 8080), DATA(40)) },
	{ "behind xmesh0 too", OUT_OF_WEST,
	  PKT(ETH(), IP6(CLIENT6, VIP6, .ttl = 60), UDP(40000, 80), DATA(40)), TO_POD_A, NEW,
	  .peer = NODE_WEST, .before = vip_more,
	  .out = PKT(TO_A, IP6(CLIENT6, POD6, .ttl = 59), UDP(40000, 8080), DATA(40)) },
	{ "the pod's reply over IPv6 goes back through the entry node", FROM_A,
	  PKT(ETH(), IP6(POD6, CLIENT6), UDP(8080, 40000), DATA(40)), BACK_TO_WEST,
	  .before = vip_udp6_flow,
	  .out = PKT(OUT4(), IP6(VIP6, CLIENT6, .ttl = 63), UDP(80, 40000), DATA(40)) },
	{ "or straight to the client (DSR)", FROM_A,
	  PKT(ETH(), IP6(POD6, CLIENT6), UDP(8080, 40000), DATA(40)), .verdict = REDIRECT,
	  .reason = XM_FWD_VIP_REPLY, .note = XM_TRANSLATED, .before = node6_route,
	  .after = vip_unroute,
	  .out = PKT(ETH(), IP6(VIP6, CLIENT6, .ttl = 63), UDP(80, 40000), DATA(40)) },
	{ "at the entry node a reply over IPv6 goes out to the client", FROM_UL,
	  PKT(IN4(), IP6(VIP6, CLIENT6), UDP(80, 40000), DATA(40)), .verdict = REDIRECT,
	  .reason = XM_FWD_VIP_REPLY, .peer = NODE_WEST, .before = entry6_route,
	  .after = vip_unroute,
	  .out = PKT(ETH(), IP6(VIP6, CLIENT6, .ttl = 63), UDP(80, 40000), DATA(40)) },
	{ "one of a flow that was not sent there is not believed", FROM_UL,
	  PKT(IN4(), IP6(VIP6, CLIENT6), UDP(80, 40001), DATA(40)), .verdict = SHOT,
	  .reason = XM_DROP_PEER_SOURCE, .peer = NODE_WEST, .before = vip_more },

	/* ---- super-packets of UDP ---- */
	{ "a super-packet of UDP to a VIP is left to xmesh0", FROM_UL_GSO,
	  PKT(IN4(), IP4(CLIENT, VIP, .ttl = 60), UDP(40000, 80), DATA(1000)),
	  .verdict = TO_STACK, .reason = XM_STACK_UDP_GSO, .peer = NODE_WEST, .packets = 2,
	  .before = vip_more },
	{ "which gives it to the pod", OUT_OF_WEST_GSO,
	  PKT(ETH(), IP4(CLIENT, VIP, .ttl = 60), UDP(40000, 80), DATA(1000)), TO_POD_A, NEW,
	  .peer = NODE_WEST, .packets = 2, .before = vip_more,
	  .out = PKT(TO_A, IP4(CLIENT, POD, .ttl = 59), UDP(40000, 8080), DATA(1000)) },

	/* ---- ClientIP affinity at the entry node ---- */
	{ "a client with affinity goes to the node that it went to before", FROM_UL,
	  PKT(ETH(), IP4(CLIENT, VIP), UDP(40000, 80), DATA(40)), .verdict = REDIRECT,
	  .reason = XM_FWD_VIP, .note = XM_FLOW_NEW, .peer = NODE_WEST6, .before = affine_tc,
	  .out = PKT(OUT6(), IP4(CLIENT, VIP, .ttl = 63), UDP(40000, 80), DATA(40)) },
	{ "XDP: so it does", AT_XDP, PKT(ETH(), IP4(CLIENT, VIP), UDP(40000, 80), DATA(40)),
	  .verdict = XDP_IS_TX, .reason = XM_FWD_VIP, .note = XM_FLOW_NEW, .peer = NODE_WEST6,
	  .before = affine_xdp,
	  .out = PKT(OUT6(), IP4(CLIENT, VIP, .ttl = 63), UDP(40000, 80), DATA(40)) },
	{ "until its time is over", FROM_UL,
	  PKT(ETH(), IP4(CLIENT, VIP), UDP(40000, 80), DATA(40)), .verdict = REDIRECT,
	  .reason = XM_FWD_VIP, .note = XM_FLOW_NEW, .peer = NODE_WEST, .before = affine_no_more,
	  .out = PKT(OUT4(), IP4(CLIENT, VIP, .ttl = 63), UDP(40000, 80), DATA(40)) },
	{ "another client goes elsewhere", FROM_UL,
	  PKT(ETH(), IP4("198.51.100.8", VIP), UDP(40000, 80), DATA(40)), .verdict = REDIRECT,
	  .reason = XM_FWD_VIP, .note = XM_FLOW_NEW, .peer = NODE_WEST, .before = affine_tc,
	  .out = PKT(OUT4(), IP4("198.51.100.8", VIP, .ttl = 63), UDP(40000, 80), DATA(40)) },
};

const size_t n_vip_node_rows = ARRAY_SIZE(vip_node_rows);
