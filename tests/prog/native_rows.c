/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rows of xm_from_net that arrive unencapsulated, and of too-big messages about our own tunnel. */
#include "row.h"

#include <stdio.h>

#include "core/defs.h"
#include "frames.h"
#include "xmesh/wire.h"

#define FROM_UL                                                                                    \
	{                                                                                          \
		.prog = FROM_NET, .in_if = IF_UL                                                   \
	}

/* ---- what too-big messages leave in xm_node_state ---- */

static void forget(enum load load)
{
	for (uint32_t node = 0; node <= NODE_EAST3; node++)
		fix_set_node_state(load, node, &(struct xm_node_state){ 0 });
}

static void expect_pmtu(enum load load, uint32_t node, uint32_t pmtu)
{
	struct xm_node_state state;
	uint64_t now = fix_now_ns();

	fix_node_state(load, node, &state);
	forget(load);
	assert_int_equal(state.pmtu, pmtu);
	if (!pmtu)
		return;
	assert_true(state.pmtu_until_ns <= now + XM_PMTU_LIFETIME_NS);
	assert_true(state.pmtu_until_ns > now + XM_PMTU_LIFETIME_NS - 10000000000ull);
}

static void west_1400(enum load load)
{
	expect_pmtu(load, NODE_WEST, 1400);
}

static void west_floor(enum load load)
{
	expect_pmtu(load, NODE_WEST, XM_MTU_FLOOR);
}

static void west6_1400(enum load load)
{
	expect_pmtu(load, NODE_WEST6, 1400);
}

static void west6_floor(enum load load)
{
	expect_pmtu(load, NODE_WEST6, XM_MTU_FLOOR);
}

static void nobody(enum load load)
{
	struct xm_node_state state;

	for (uint32_t node = 0; node <= NODE_EAST3; node++) {
		fix_node_state(load, node, &state);
		if (state.pmtu)
			fprintf(stderr, "node %u: pmtu %u\n", node, state.pmtu);
		assert_int_equal(state.pmtu, 0);
	}
}

static void west_has_1300(enum load load)
{
	forget(load);
	fix_set_node_state(load, NODE_WEST,
			   &(struct xm_node_state){ fix_now_ns() + 500000000000ull, 1300, 0 });
}

static void west_still_1300(enum load load)
{
	struct xm_node_state state;

	fix_node_state(load, NODE_WEST, &state);
	forget(load);
	assert_int_equal(state.pmtu, 1300);
	assert_true(state.pmtu_until_ns < fix_now_ns() + 500000000000ull);
}

static void west_had_1300(enum load load)
{
	forget(load);
	fix_set_node_state(load, NODE_WEST, &(struct xm_node_state){ fix_now_ns() - 1, 1300, 0 });
}

static void no_local(struct xm_config *config)
{
	config->flags &= ~XM_CFG_CARRY_LOCAL;
}

#define FRAG_NEEDED(mtu, ...)                                                                      \
	ETH(), IP4("198.51.100.1", "192.0.2.1"), ICMP(3, .code = 4, .rest = (mtu), ##__VA_ARGS__)
#define TOO_BIG(mtu) ETH(), IP6("2001:db8:f::1", "2001:db8::1"), ICMP6(2, .rest = (mtu))
#define QUOTED4                                                                                    \
	IP4("192.0.2.1", "192.0.2.3", .ttl = 60), UDP(50000, PORT, .csum_zero = true), DATA(600)
#define QUOTED6                                                                                    \
	IP6("2001:db8::1", "2001:db8::4", .ttl = 60), UDP(50000, PORT, .csum_zero = true), DATA(600)
#define LEARNS .verdict = TO_STACK, .reason = XM_PASS, .note = XM_MTU_LOWERED
#define IGNORED .verdict = TO_STACK, .reason = XM_PASS, .before = forget, .after = nobody

const struct row native_rows[] = {
	/* ---- native peers ---- */
	{ "IPv4 of a native peer is delivered to the pod", FROM_UL,
	  PKT(ETH(), IP4("10.3.0.9", "10.1.0.2"), UDP(53, 1000), DATA(64)), .verdict = REDIRECT,
	  .reason = XM_FWD_LOCAL, .peer = NODE_NORTH,
	  .out = PKT(TO_A, IP4("10.3.0.9", "10.1.0.2", .ttl = 63), UDP(53, 1000), DATA(64)) },
	{ "IPv6 of a native peer is delivered to the pod", FROM_UL,
	  PKT(ETH(), IP6("fd00:3::9", "fd00:1::2"), TCP(80, 1, .flags = T_ACK), DATA(64)),
	  .verdict = REDIRECT, .reason = XM_FWD_LOCAL, .peer = NODE_NORTH,
	  .out = PKT(TO_A, IP6("fd00:3::9", "fd00:1::2", .ttl = 63), TCP(80, 1, .flags = T_ACK),
		     DATA(64)) },
	{ "the MSS of a native SYN above the path's MTU is lowered", FROM_UL,
	  PKT(ETH(), IP4("10.3.0.9", "10.1.0.2"),
	      TCP(80, 1, .flags = T_SYN, .mss = 8960, .opts = "M")),
	  .verdict = REDIRECT, .reason = XM_FWD_LOCAL, .peer = NODE_NORTH, .note = XM_MSS_CLAMPED,
	  .out = PKT(TO_A, IP4("10.3.0.9", "10.1.0.2", .ttl = 63),
		     TCP(80, 1, .flags = T_SYN, .mss = 1460, .opts = "M")) },
	{ "a native GSO packet is delivered and counts its segments",
	  { .prog = FROM_NET, .in_if = IF_UL, .gso_size = 700, .gso_segs = 3 },
	  PKT(ETH(), IP4("10.3.0.9", "10.1.0.2"), TCP(80, 1, .flags = T_ACK), DATA(2100)),
	  .verdict = REDIRECT,
	  .reason = XM_FWD_LOCAL,
	  .peer = NODE_NORTH,
	  .packets = 3,
	  .out = PKT(TO_A, IP4("10.3.0.9", "10.1.0.2", .ttl = 63), TCP(80, 1, .flags = T_ACK),
		     DATA(2100)) },
	{ "a source of a tunnel-mode prefix is dropped and reported", FROM_UL,
	  PKT(ETH(), IP4("10.2.0.9", "10.1.0.2"), UDP(53, 1000)), .verdict = SHOT,
	  .reason = XM_DROP_NATIVE_SOURCE, .peer = NODE_WEST,
	  .event = &(struct expected_event){ .len = 28,
					     .src = "10.2.0.9",
					     .dst = "10.1.0.2",
					     .proto = 17,
					     .sport = 53,
					     .dport = 1000,
					     .cluster = 2 } },
	{ "an IPv6 source of a tunnel-mode prefix is dropped", FROM_UL,
	  PKT(ETH(), IP6("fd00:2::9", "fd00:1::2"), ICMP6(128), DATA(8)), .verdict = SHOT,
	  .reason = XM_DROP_NATIVE_SOURCE, .peer = NODE_WEST },
	{ "so is one to this host, and to an unknown pod", FROM_UL,
	  PKT(ETH(), IP4("10.2.0.9", "192.0.2.1"), UDP(53, 1000)), .verdict = SHOT,
	  .reason = XM_DROP_NATIVE_SOURCE, .peer = NODE_WEST },
	{ "a source of our own cluster whose prefix the mesh carries is dropped", FROM_UL,
	  PKT(ETH(), IP4("10.1.1.9", "10.1.0.2"), UDP(53, 1000)), .verdict = SHOT,
	  .reason = XM_DROP_NATIVE_SOURCE, .peer = NODE_EAST2 },
	{ "a source of this node's own pods from outside is dropped", FROM_UL,
	  PKT(ETH(), IP4("10.1.0.3", "10.1.0.2"), UDP(53, 1000)), .verdict = SHOT,
	  .reason = XM_DROP_NATIVE_SOURCE, .peer = NODE_SELF },
	{ "unless somebody else carries node-local traffic", FROM_UL,
	  PKT(ETH(), IP4("10.1.0.3", "10.1.0.2"), UDP(53, 1000)), .config = no_local,
	  .verdict = TO_STACK, .reason = XM_PASS },
	{ "a source of a prefix that the kernel has its own route for is left alone", FROM_UL,
	  PKT(ETH(), IP4("10.1.2.9", "10.1.0.2"), UDP(53, 1000)), .verdict = TO_STACK,
	  .reason = XM_PASS },
	{ "the world is left alone, also towards a pod", FROM_UL,
	  PKT(ETH(), IP4("198.51.100.7", "10.1.0.2"), UDP(53, 1000)), .verdict = TO_STACK,
	  .reason = XM_PASS },
	{ "a native source to an unknown pod goes to the stack", FROM_UL,
	  PKT(ETH(), IP4("10.3.0.9", "10.1.0.77"), UDP(53, 1000)), .verdict = TO_STACK,
	  .reason = XM_STACK_UNKNOWN_POD, .peer = NODE_NORTH },
	{ "a native source to a pod whose interface is gone goes to the stack", FROM_UL,
	  PKT(ETH(), IP4("10.3.0.9", "10.1.0.5"), UDP(53, 1000)), .verdict = TO_STACK,
	  .reason = XM_STACK_POD_GONE, .peer = NODE_NORTH },
	{ "a native source to a pod with a policy engine goes to the stack", FROM_UL,
	  PKT(ETH(), IP6("fd00:3::9", "fd00:1::4"), UDP(53, 1000)), .verdict = TO_STACK,
	  .reason = XM_STACK_POLICY, .peer = NODE_NORTH },
	{ "native TTL 1 goes to the stack", FROM_UL,
	  PKT(ETH(), IP6("fd00:3::9", "fd00:1::2", .ttl = 1), UDP(53, 1000)), .verdict = TO_STACK,
	  .reason = XM_STACK_TTL, .peer = NODE_NORTH },
	{ "native with options goes to the stack", FROM_UL,
	  PKT(ETH(), IP4("10.3.0.9", "10.1.0.2", .opt_words = 1), UDP(53, 1000)),
	  .verdict = TO_STACK, .reason = XM_STACK_OPTIONS, .peer = NODE_NORTH },
	{ "native and too big for the pod's interface goes to the stack", FROM_UL,
	  PKT(ETH(), IP4("10.3.0.9", "10.1.0.2"), UDP(53, 1000), DATA(1473)), .verdict = TO_STACK,
	  .reason = XM_STACK_TOO_BIG, .peer = NODE_NORTH },
	{ "a native frame for another host's MAC is left alone", FROM_UL,
	  PKT(ETH(.dst = "02:00:00:00:00:77"), IP4("10.3.0.9", "10.1.0.2"), UDP(53, 1000)),
	  .verdict = TO_STACK, .reason = XM_PASS },
	{ "ARP on the underlay is left alone", FROM_UL, PKT(ETH(), ARP("192.0.2.3", "192.0.2.1")),
	  .verdict = TO_STACK, .reason = XM_PASS },
	{ "a VLAN-tagged frame on the underlay is left alone", FROM_UL,
	  PKT(ETH(), VLAN(), IP4("10.2.0.9", "10.1.0.2"), UDP(53, 1000)), .verdict = TO_STACK,
	  .reason = XM_PASS },
	{ "neighbour discovery on the underlay is left alone", FROM_UL,
	  PKT(ETH(), IP6("fe80::3", "ff02::1:ff00:1", .ttl = 255), ICMP6(135), DATA(24)),
	  .verdict = TO_STACK, .reason = XM_PASS },
	{ "broken IP on the underlay is left to the kernel", FROM_UL,
	  PKT(ETH(), IP4("10.2.0.9", "10.1.0.2", .ihl = 3), UDP(53, 1000)), .verdict = TO_STACK,
	  .reason = XM_PASS },
	{ "native IPv4 that claims more than there is is left to the kernel", FROM_UL,
	  PKT(ETH(), IP4("10.3.0.9", "10.1.0.2", .ip_len = 400), UDP(53, 1000)),
	  .verdict = TO_STACK, .reason = XM_PASS },

	/* ---- path MTU ---- */
	{ "fragmentation needed that quotes our tunnel lowers that node's MTU", FROM_UL,
	  PKT(FRAG_NEEDED(1400), QUOTED4), LEARNS, .before = forget, .after = west_1400 },
	{ "the least quote, eight bytes, is enough", FROM_UL,
	  PKT(FRAG_NEEDED(1400, .quote = 28), QUOTED4), LEARNS, .before = forget,
	  .after = west_1400 },
	{ "no MTU below 1280 is believed", FROM_UL, PKT(FRAG_NEEDED(576), QUOTED4), LEARNS,
	  .before = forget, .after = west_floor },
	{ "ICMPv6 packet too big that quotes our tunnel lowers that node's MTU", FROM_UL,
	  PKT(TOO_BIG(1400), QUOTED6), LEARNS, .before = forget, .after = west6_1400 },
	{ "no MTU below 1280 is believed over IPv6", FROM_UL, PKT(TOO_BIG(200), QUOTED6), LEARNS,
	  .before = forget, .after = west6_floor },
	{ "a larger MTU than the one in force changes nothing, nor does it prolong it", FROM_UL,
	  PKT(FRAG_NEEDED(1400), QUOTED4), .verdict = TO_STACK, .reason = XM_PASS,
	  .before = west_has_1300, .after = west_still_1300 },
	{ "a larger MTU than one that has expired is taken", FROM_UL,
	  PKT(FRAG_NEEDED(1400), QUOTED4), LEARNS, .before = west_had_1300, .after = west_1400 },
	{ "a quote to a stranger is ignored", FROM_UL,
	  PKT(FRAG_NEEDED(1400), IP4("192.0.2.1", "192.0.2.99"), UDP(50000, PORT), DATA(60)),
	  IGNORED },
	{ "a quote from another address is ignored", FROM_UL,
	  PKT(FRAG_NEEDED(1400), IP4("192.0.2.2", "192.0.2.3"), UDP(50000, PORT), DATA(60)),
	  IGNORED },
	{ "a quote to another port is ignored", FROM_UL,
	  PKT(FRAG_NEEDED(1400), IP4("192.0.2.1", "192.0.2.3"), UDP(50000, 53), DATA(60)),
	  IGNORED },
	{ "a quote of TCP is ignored", FROM_UL,
	  PKT(FRAG_NEEDED(1400), IP4("192.0.2.1", "192.0.2.3"), TCP(50000, PORT), DATA(60)),
	  IGNORED },
	{ "a quote of a later fragment is ignored", FROM_UL,
	  PKT(FRAG_NEEDED(1400), IP4("192.0.2.1", "192.0.2.3", .frag_off = 90), UDP(50000, PORT),
	      DATA(60)),
	  IGNORED },
	{ "a source port that we never use is ignored", FROM_UL,
	  PKT(FRAG_NEEDED(1400), IP4("192.0.2.1", "192.0.2.3"), UDP(1000, PORT), DATA(60)),
	  IGNORED },
	{ "an MTU of zero is ignored", FROM_UL, PKT(FRAG_NEEDED(0), QUOTED4), IGNORED },
	{ "another ICMP code is ignored", FROM_UL,
	  PKT(ETH(), IP4("198.51.100.1", "192.0.2.1"), ICMP(3, .code = 3, .rest = 1400), QUOTED4),
	  IGNORED },
	{ "a message to another host is ignored", FROM_UL,
	  PKT(ETH(), IP4("198.51.100.1", "192.0.2.8"), ICMP(3, .code = 4, .rest = 1400), QUOTED4),
	  IGNORED },
	{ "a quote that ends before the UDP header is ignored", FROM_UL,
	  PKT(FRAG_NEEDED(1400, .quote = 27), QUOTED4), IGNORED },
	{ "an ICMPv6 message in IPv4 is ignored", FROM_UL,
	  PKT(ETH(), IP4("198.51.100.1", "192.0.2.1", .proto = 58),
	      ICMP(3, .code = 4, .rest = 1400), QUOTED4),
	  IGNORED },
	/* Options that read as ports 50000 and 8492, if options were not looked at. */
	{ "a quote with IPv4 options is ignored", FROM_UL,
	  PKT(FRAG_NEEDED(1400),
	      IP4("192.0.2.1", "192.0.2.3", .opt_words = 1, .last_opt = "195.80.33.44"), UDP(1, 2),
	      DATA(60)),
	  IGNORED },
	{ "a fragmented message is ignored", FROM_UL,
	  PKT(ETH(), IP4("198.51.100.1", "192.0.2.1", .mf = true), ICMP(3, .code = 4, .rest = 1400),
	      QUOTED4),
	  IGNORED },
	{ "another ICMPv6 error is ignored", FROM_UL,
	  PKT(ETH(), IP6("2001:db8:f::1", "2001:db8::1"), ICMP6(3, .rest = 1400), QUOTED6),
	  IGNORED },
	{ "an ICMPv6 quote of TCP is ignored", FROM_UL,
	  PKT(TOO_BIG(1400), IP6("2001:db8::1", "2001:db8::4"), TCP(50000, PORT), DATA(60)),
	  IGNORED },
	{ "an ICMPv6 quote from another address is ignored", FROM_UL,
	  PKT(TOO_BIG(1400), IP6("2001:db8::2", "2001:db8::4"), UDP(50000, PORT), DATA(60)),
	  IGNORED },
	{ "an ICMPv6 quote to a stranger is ignored", FROM_UL,
	  PKT(TOO_BIG(1400), IP6("2001:db8::1", "2001:db8::99"), UDP(50000, PORT), DATA(60)),
	  IGNORED },
};

const size_t n_native_rows = ARRAY_SIZE(native_rows);
