/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Tests that are loops and not rows: every length of a packet, the ECN table, ports, path MTU. */
#include "row.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "core/defs.h"
#include "frames.h"
#include "xmesh/wire.h"

#define FROM_A                                                                                     \
	{                                                                                          \
		.prog = FROM_POD, .in_if = IF_A                                                    \
	}
#define FROM_UL                                                                                    \
	{                                                                                          \
		.prog = FROM_NET, .in_if = IF_UL                                                   \
	}
#define FROM_WEST                                                                                  \
	{                                                                                          \
		.prog = FROM_DEV, .in_if = IF_DEV, .key = { "192.0.2.3", VNI }                     \
	}

/* ---- every length ---- */

struct whole {
	const char *what;
	struct run run;
	const struct layer *in;
};

static const struct whole wholes[] = {
	{ "pod, IPv4 TCP SYN", FROM_A,
	  PKT(ETH(), IP4("10.1.0.2", "10.2.0.9"),
	      TCP(1, 80, .flags = T_SYN, .mss = 1460, .opts = "NMSTW")) },
	{ "pod, IPv4 with options", FROM_A,
	  PKT(ETH(), IP4("10.1.0.2", "10.2.0.9", .opt_words = 10), UDP(1, 2), DATA(4)) },
	{ "pod, IPv6 with every extension header", FROM_A,
	  PKT(ETH(), IP6("fd00:1::2", "fd00:2::9"), HBH(), DSTOPTS(), ROUTING(), FRAG6(), UDP(1, 2),
	      DATA(4)) },
	{ "pod, IPv6 TCP SYN, native", FROM_A,
	  PKT(ETH(), IP6("fd00:1::2", "fd00:3::9"),
	      TCP(1, 80, .flags = T_SYN, .mss = 9000, .opts = "M")) },
	{ "pod, node-local", FROM_A, PKT(ETH(), IP4("10.1.0.2", "10.1.0.3"), UDP(1, 2), DATA(4)) },
	{ "net, IPv4 in IPv4", FROM_UL,
	  PKT(IN4(), IP4("10.2.0.9", "10.1.0.2"),
	      TCP(1, 80, .flags = T_SYN, .mss = 1460, .opts = "NM")) },
	{ "net, IPv6 in IPv4", FROM_UL,
	  PKT(IN4(), IP6("fd00:2::9", "fd00:1::2"),
	      TCP(1, 80, .flags = T_SYN, .mss = 1460, .opts = "NM")) },
	{ "net, IPv4 in IPv6", FROM_UL,
	  PKT(IN6(), IP4("10.2.1.9", "10.1.0.2"),
	      TCP(1, 80, .flags = T_SYN, .mss = 1460, .opts = "NM")) },
	{ "net, IPv6 in IPv6", FROM_UL,
	  PKT(IN6(), IP6("fd00:2:0:1::9", "fd00:1::2"), DSTOPTS(), UDP(1, 2), DATA(4)) },
	{ "net, ICMP error in the tunnel", FROM_UL,
	  PKT(IN4(), IP4("198.51.100.1", "10.1.0.2"), ICMP(11), IP4("10.1.0.2", "10.2.0.9"),
	      UDP(1, 2)) },
	{ "net, ICMPv6 error in the tunnel", FROM_UL,
	  PKT(IN4(), IP6("2001:db8:f::1", "fd00:1::2"), ICMP6(3), IP6("fd00:1::2", "fd00:2::9"),
	      UDP(1, 2)) },
	{ "net, native", FROM_UL,
	  PKT(ETH(), IP4("10.3.0.9", "10.1.0.2"),
	      TCP(1, 80, .flags = T_SYN, .mss = 9000, .opts = "NM")) },
	{ "net, too big about our tunnel", FROM_UL,
	  PKT(ETH(), IP4("198.51.100.1", "192.0.2.1"), ICMP(3, .code = 4, .rest = 1400),
	      IP4("192.0.2.1", "192.0.2.3"), UDP(50000, PORT), DATA(4)) },
	{ "net, ICMPv6 too big about our tunnel", FROM_UL,
	  PKT(ETH(), IP6("2001:db8:f::1", "2001:db8::1"), ICMP6(2, .rest = 1400),
	      IP6("2001:db8::1", "2001:db8::4"), UDP(50000, PORT), DATA(4)) },
	{ "dev, IPv4", FROM_WEST,
	  PKT(ETH(), IP4("10.2.0.9", "10.1.0.2"),
	      TCP(1, 80, .flags = T_SYN, .mss = 1460, .opts = "NM")) },
	{ "dev, IPv6", FROM_WEST, PKT(ETH(), IP6("fd00:2::9", "fd00:1::2"), UDP(1, 2), DATA(4)) },
	{ "dev, ICMP error", FROM_WEST,
	  PKT(ETH(), IP4("198.51.100.1", "10.1.0.2"), ICMP(11), IP4("10.1.0.2", "10.2.0.9"),
	      UDP(1, 2)) },
	{ "xdp",
	  { .prog = XDP },
	  PKT(ETH(), IP4("192.0.2.99", "192.0.2.1"), UDP(50000, PORT), VXLAN(VNI), ETH(),
	      IP4("10.2.0.9", "10.1.0.2"), UDP(1, 2)) },
	{ "xdp, IPv6",
	  { .prog = XDP },
	  PKT(ETH(), IP6("2001:db8::99", "2001:db8::1"), UDP(50000, PORT), VXLAN(VNI), ETH()) },
};

static uint64_t total_packets(const struct counters *c)
{
	uint64_t n = 0;

	for (int hook = 0; hook < XM_HOOK_COUNT; hook++)
		for (int reason = 0; reason < XM_MSS_CLAMPED; reason++)
			n += c->at[hook][reason].packets;
	return n;
}

/* A test run takes no skb whose IP header is not all there, and no frame without Ethernet's. */
static size_t shortest(const struct whole *whole, const struct pkt *pkt)
{
	if (whole->run.prog == XDP)
		return 14;
	return pkt->b[12] == 0x08 ? 34 : 54;
}

/* A packet that is not all there is dropped or left to the kernel, and counted at most once. */
static void test_every_length(void **state)
{
	static struct outcome outcome;
	struct counters before, after;
	struct events events;
	struct pkt whole, in;
	int total = 0;

	for (size_t i = 0; i < ARRAY_SIZE(wholes); i++) {
		const struct whole *w = &wholes[i];
		int bad = 0;

		pkt_build(w->in, NULL, &whole);
		for (size_t len = shortest(w, &whole); len < whole.len; len++) {
			in = whole;
			in.len = len;
			fix_counters(LOAD_FULL, &before);
			fix_run(&w->run, &in, &outcome);
			fix_counters(LOAD_FULL, &after);
			fix_events(LOAD_FULL, &events);
			if (outcome.err || outcome.verdict == REDIRECT ||
			    total_packets(&after) - total_packets(&before) > 1) {
				if (!bad++)
					fprintf(stderr,
						"%s, %zu of %zu bytes: error %d, verdict %d\n",
						w->what, len, whole.len, outcome.err,
						outcome.verdict);
				total++;
			}
		}
	}
	for (uint32_t node = 0; node <= NODE_EAST3; node++)
		fix_set_node_state(LOAD_FULL, node, &(struct xm_node_state){ 0 });
	assert_int_equal(total, 0);
}

/* ---- RFC 6040, figure 4: row = inner, column = outer, in the order of the field's values ---- */

#define LOST 0xff

static const uint8_t ecn_table[4][4] = {
	/* outer     Not-ECT ECT(1) ECT(0) CE */
	[0 /* Not-ECT */] = { 0, 0, 0, LOST },
	[1 /* ECT(1) */] = { 1, 1, 1, 3 },
	[2 /* ECT(0) */] = { 2, 1, 2, 3 },
	[3 /* CE */] = { 3, 3, 3, 3 },
};

static void ecn_row(bool outer_v4, bool inner_v4, uint8_t outer, uint8_t inner)
{
	uint8_t want = ecn_table[inner][outer], dscp = 0x28;
	uint8_t otos = 0x60 | outer, itos = dscp | inner, wtos = dscp | (want & 3);
	const char *v4 = outer_v4 ? "10.2.0.9" : "10.2.1.9";
	const char *v6 = outer_v4 ? "fd00:2::9" : "fd00:2:0:1::9";
	const struct layer in_outer4[] = { IN4(.tos = otos) }, in_outer6[] = { IN6(.tos = otos) };
	const struct layer inner4[] = { IP4(v4, "10.1.0.2", .tos = itos), UDP(53, 1000), DATA(5) };
	const struct layer inner6[] = { IP6(v6, "fd00:1::2", .tos = itos, .flow = 0xf0001),
					UDP(53, 1000), DATA(5) };
	struct layer in[ARRAY_SIZE(in_outer4) + ARRAY_SIZE(inner4) + 1] = { 0 };
	char name[80];
	struct row row = {
		.name = name,
		.run = FROM_UL,
		.in = in,
		.verdict = want == LOST ? SHOT : REDIRECT,
		.reason = want == LOST ? XM_DROP_ECN : XM_FWD_LOCAL,
		.peer = outer_v4 ? NODE_WEST : NODE_WEST6,
		.out = inner_v4 ? PKT(TO_A, IP4(v4, "10.1.0.2", .tos = wtos, .ttl = 63),
				      UDP(53, 1000), DATA(5))
				: PKT(TO_A,
				      IP6(v6, "fd00:1::2", .tos = wtos, .flow = 0xf0001, .ttl = 63),
				      UDP(53, 1000), DATA(5)),
	};

	memcpy(in, outer_v4 ? in_outer4 : in_outer6, sizeof(in_outer4));
	memcpy(in + ARRAY_SIZE(in_outer4), inner_v4 ? inner4 : inner6, sizeof(inner4));
	snprintf(name, sizeof(name), "ECN: outer IPv%d %d, inner IPv%d %d", outer_v4 ? 4 : 6, outer,
		 inner_v4 ? 4 : 6, inner);
	row_run(&row);
}

static void test_ecn_table(void **state)
{
	for (int families = 0; families < 4; families++)
		for (uint8_t outer = 0; outer < 4; outer++)
			for (uint8_t inner = 0; inner < 4; inner++)
				ecn_row(families & 1, families & 2, outer, inner);
}

/* ---- the outer source port ---- */

static uint16_t outer_port(uint16_t sport, uint32_t seq)
{
	static struct outcome outcome;
	struct run run = FROM_A;
	struct pkt in;
	uint16_t port;

	pkt_build(
		PKT(ETH(), IP4("10.1.0.2", "10.2.0.9"), TCP(sport, 80, .flags = T_ACK, .seq = seq)),
		NULL, &in);
	fix_run(&run, &in, &outcome);
	assert_int_equal(outcome.verdict, REDIRECT);
	memcpy(&port, outcome.out.b + 34, 2);
	return ntohs(port);
}

static void test_port_is_stable_per_flow(void **state)
{
	uint16_t first = outer_port(40000, 1);

	assert_in_range(first, 49152, 65535);
	for (uint32_t seq = 2; seq < 50; seq++)
		assert_int_equal(outer_port(40000, seq), first);
}

static void test_port_spreads_flows(void **state)
{
	static uint8_t seen[65536];
	int different = 0;

	for (uint16_t sport = 1; sport <= 512; sport++) {
		uint16_t port = outer_port(sport, 1);

		assert_in_range(port, 49152, 65535);
		different += !seen[port]++;
	}
	/* 512 balls into 16 384 boxes: 504 boxes on average; 480 is ten standard deviations off. */
	assert_true(different > 480);
}

/* ---- a lowered path MTU is used, and expires ---- */

static const struct layer *udp_of(size_t ip_len, struct layer buf[5])
{
	const struct layer layers[] = { ETH(),
					IP4("10.1.0.2", "10.2.0.9"),
					UDP(1000, 53),
					DATA(ip_len - 28),
					{ .kind = L_END } };

	memcpy(buf, layers, sizeof(layers));
	return buf;
}

static int verdict_of_size(size_t ip_len)
{
	static struct outcome outcome;
	struct layer buf[5];
	struct run run = FROM_A;
	struct events events;
	struct pkt in;

	pkt_build(udp_of(ip_len, buf), NULL, &in);
	fix_run(&run, &in, &outcome);
	fix_events(LOAD_FULL, &events);
	return outcome.verdict;
}

static void test_lowered_mtu_is_used(void **state)
{
	struct xm_node_state lowered = { fix_now_ns() + 100000000000ull, 1400, 0 };
	struct row syn = {
		.name = "the MSS follows a lowered MTU",
		.run = FROM_A,
		.in = PKT(ETH(), IP4("10.1.0.2", "10.2.0.9"),
			  TCP(1, 80, .flags = T_SYN, .mss = 1460, .opts = "M")),
		.verdict = REDIRECT,
		.reason = XM_FWD_TUNNEL,
		.note = XM_MSS_CLAMPED,
		.peer = NODE_WEST,
		.out = PKT(
			OUT4(), IP4("10.1.0.2", "10.2.0.9", .ttl = 63),
			TCP(1, 80, .flags = T_SYN, .mss = 1400 - XM_OVERHEAD_V4 - 40, .opts = "M")),
	};
	struct layer buf[5];
	struct row big = {
		.name = "a packet larger than a lowered MTU goes to the stack",
		.run = FROM_A,
		.in = udp_of(1400 - XM_OVERHEAD_V4 + 1, buf),
		.verdict = TO_STACK,
		.reason = XM_STACK_TOO_BIG,
		.peer = NODE_WEST,
		.event = &(struct expected_event){ .len = 1351,
						   .limit = 1350,
						   .src = "10.1.0.2",
						   .dst = "10.2.0.9",
						   .proto = 17,
						   .sport = 1000,
						   .dport = 53,
						   .cluster = 2 },
	};

	fix_set_node_state(LOAD_FULL, NODE_WEST, &lowered);
	row_run(&syn);
	row_run(&big);
	assert_int_equal(verdict_of_size(1350), REDIRECT);
	lowered.pmtu_until_ns = fix_now_ns() - 1;
	fix_set_node_state(LOAD_FULL, NODE_WEST, &lowered);
	assert_int_equal(verdict_of_size(1450), REDIRECT);
	assert_int_equal(verdict_of_size(1451), TO_STACK);
	fix_set_node_state(LOAD_FULL, NODE_WEST, &(struct xm_node_state){ 0 });
}

/* ---- settings of another ABI ---- */

static void other_abi(struct xm_config *config)
{
	config->abi++;
}

static void other_magic(struct xm_config *config)
{
	config->magic = 0;
}

static int verdict_with(void (*change)(struct xm_config *config), const struct whole *whole)
{
	static struct outcome outcome;
	struct pkt in;

	pkt_build(whole->in, NULL, &in);
	fix_config(LOAD_FULL, change);
	fix_run(&whole->run, &in, &outcome);
	fix_config_default(LOAD_FULL);
	assert_int_equal(outcome.err, 0);
	return outcome.verdict;
}

static void test_foreign_settings_are_not_believed(void **state)
{
	void (*const changes[])(struct xm_config *) = { other_abi, other_magic };

	for (size_t i = 0; i < ARRAY_SIZE(wholes); i++) {
		for (size_t c = 0; c < ARRAY_SIZE(changes); c++) {
			enum prog prog = wholes[i].run.prog;
			int want = prog == XDP ? 2 : prog == FROM_DEV ? SHOT : TO_STACK;

			assert_int_equal(verdict_with(changes[c], &wholes[i]), want);
		}
	}
}

/* ---- the event budget ---- */

static void test_events_are_limited(void **state)
{
	static struct outcome outcome;
	struct counters before, after;
	struct run run = FROM_UL;
	struct events events;
	struct pkt in;
	uint64_t lost, sent = XM_EVENTS_PER_SECOND + 50;

	pkt_build(PKT(IN4(), IP4("10.3.0.9", "10.1.0.2"), UDP(53, 1000)), NULL, &in);
	fix_events(LOAD_FULL, &events);
	fix_counters(LOAD_FULL, &before);
	for (uint64_t i = 0; i < sent; i++)
		fix_run(&run, &in, &outcome);
	fix_counters(LOAD_FULL, &after);
	fix_events(LOAD_FULL, &events);
	lost = after.at[XM_HOOK_FROM_NET][XM_EVENTS_LOST].packets -
	       before.at[XM_HOOK_FROM_NET][XM_EVENTS_LOST].packets;
	assert_int_equal(after.at[XM_HOOK_FROM_NET][XM_DROP_PEER_SOURCE].packets -
				 before.at[XM_HOOK_FROM_NET][XM_DROP_PEER_SOURCE].packets,
			 sent);
	assert_int_equal(events.n + lost, sent);
	/* The thread may have moved to another CPU, which has a budget of its own. */
	assert_in_range(events.n, XM_EVENTS_PER_SECOND, sent);
}

const struct CMUnitTest loop_tests[] = {
	{ "a packet cut at any length is dropped or left to the kernel", test_every_length, NULL,
	  NULL, NULL },
	{ "all combinations of ECN leave the tunnel as RFC 6040 says", test_ecn_table, NULL, NULL,
	  NULL },
	{ "the outer source port is the same for all packets of a flow",
	  test_port_is_stable_per_flow, NULL, NULL, NULL },
	{ "the outer source port spreads flows", test_port_spreads_flows, NULL, NULL, NULL },
	{ "a lowered path MTU is used until it expires", test_lowered_mtu_is_used, NULL, NULL,
	  NULL },
	{ "settings of another ABI are not believed", test_foreign_settings_are_not_believed, NULL,
	  NULL, NULL },
	{ "events are limited per second and the rest is counted", test_events_are_limited, NULL,
	  NULL, NULL },
};

const size_t n_loop_tests = ARRAY_SIZE(loop_tests);
