/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rows of the liveness echo: questions turned round, answers taken, in XDP, tc and behind xmesh0. */
#include "row.h"

#include <bpf/bpf.h>

#include "core/defs.h"
#include "frames.h"
#include "xmesh/probe.h"
#include "xmesh/wire.h"

#define AT_XDP                                                                                     \
	{                                                                                          \
		.prog = XDP                                                                        \
	}
#define FROM_UL                                                                                    \
	{                                                                                          \
		.prog = FROM_NET, .in_if = IF_UL                                                   \
	}
#define FROM_WEST                                                                                  \
	{                                                                                          \
		.prog = FROM_DEV, .in_if = IF_DEV, .key = { "192.0.2.3", VNI }                     \
	}
#define FROM_WEST6                                                                                 \
	{                                                                                          \
		.prog = FROM_DEV, .in_if = IF_DEV, .key = { "2001:db8::4", VNI }                   \
	}
#define XDP_IS_DROP 1
#define XDP_IS_PASS 2
#define XDP_IS_TX 3

#define NONCE 0x12345678u

/* What west asks, and what it gets; MACs are those of pkt.h's ETH() the other way round. */
#define ASKED4(...) IN4(.ttl = 61), PROBE(XM_PROBE_ASK, .rest = NONCE, .seq = 99, ##__VA_ARGS__)
#define ASKED6(...) IN6(.ttl = 61), PROBE(XM_PROBE_ASK, .rest = NONCE, .seq = 99, ##__VA_ARGS__)
#define BACK ETH(.src = MAC_HOST, .dst = "02:00:00:00:00:05")
#define ANSWERED4                                                                                  \
	BACK, IP4("192.0.2.1", "192.0.2.3", .id = 7), UDP(50000, PORT, .csum_zero = true),         \
		VXLAN(VNI), ETH(.src = MAC_SELF, .dst = MAC_WEST),                                 \
		PROBE(XM_PROBE_ANSWER, .rest = NONCE, .seq = 99)
#define ANSWERED6                                                                                  \
	BACK, IP6("2001:db8::1", "2001:db8::4", .flow = 5), UDP(50000, PORT, .csum_zero = true),   \
		VXLAN(VNI), ETH(.src = MAC_SELF, .dst = MAC_WEST6),                                \
		PROBE(XM_PROBE_ANSWER, .rest = NONCE, .seq = 99)
#define TOLD4(...) IN4(), PROBE(XM_PROBE_ANSWER, .rest = NONCE, .seq = 99, ##__VA_ARGS__)
#define TOLD6(...) IN6(), PROBE(XM_PROBE_ANSWER, .rest = NONCE, .seq = 99, ##__VA_ARGS__)

static uint64_t sent_ns[NODE_EAST3 + 1];

static void ask(enum load load, uint32_t node, uint64_t nonce, uint64_t answered)
{
	struct xm_probe probe = { .nonce = nonce, .answered = answered, .answers = 7 };

	probe.sent_ns = sent_ns[node] = fix_now_ns() - 5000000;
	assert_int_equal(bpf_map_update_elem(fix_map(load, "xm_probes"), &node, &probe, BPF_ANY), 0);
}

static void west_is_asked(enum load load)
{
	ask(load, NODE_WEST, NONCE, NONCE - 1);
	ask(load, NODE_WEST6, NONCE, NONCE - 1);
}

static void west_has_answered(enum load load)
{
	ask(load, NODE_WEST, NONCE, NONCE);
}

static void west_is_asked_anew(enum load load)
{
	ask(load, NODE_WEST, NONCE + 1, NONCE - 1);
}

static void nobody_is_asked(enum load load)
{
	ask(load, NODE_WEST, 0, 0);
	ask(load, NODE_WEST6, NONCE, NONCE - 1);
}

static void expect(enum load load, uint32_t node, bool taken)
{
	struct xm_probe p;

	assert_int_equal(bpf_map_lookup_elem(fix_map(load, "xm_probes"), &node, &p), 0);
	assert_int_equal(p.answers, taken ? 8 : 7);
	assert_int_equal(p.sent_ns, sent_ns[node]);
	if (!taken) {
		assert_int_equal(p.rtt_ns, 0);
		return;
	}
	assert_int_equal(p.answered, NONCE);
	/* By our clock since sent_ns of the map, not since the 99 ns in the packet. */
	assert_in_range(p.rtt_ns, 5000000, fix_now_ns() - sent_ns[node]);
}

static void west_taken(enum load load)
{
	expect(load, NODE_WEST, true);
}

static void west6_taken(enum load load)
{
	expect(load, NODE_WEST6, true);
}

static void west_not_taken(enum load load)
{
	expect(load, NODE_WEST, false);
}

#define TAKEN4 .reason = XM_PROBE_TAKEN, .peer = NODE_WEST, .before = west_is_asked, .after = west_taken
#define TAKEN6                                                                                     \
	.reason = XM_PROBE_TAKEN, .peer = NODE_WEST6, .before = west_is_asked, .after = west6_taken
#define REFUSED .reason = XM_DROP_PROBE, .peer = NODE_WEST, .after = west_not_taken

const struct row probe_rows[] = {
	/* ---- questions ---- */
	{ "XDP: a peer's probe is turned round", AT_XDP, PKT(ASKED4()), .verdict = XDP_IS_TX,
	  .reason = XM_ANSWER_PROBE, .peer = NODE_WEST, .out = PKT(ANSWERED4) },
	{ "XDP: a peer's probe over IPv6 is turned round", AT_XDP, PKT(ASKED6()),
	  .verdict = XDP_IS_TX, .reason = XM_ANSWER_PROBE, .peer = NODE_WEST6,
	  .out = PKT(ANSWERED6) },
	{ "a peer's probe is turned round", FROM_UL, PKT(ASKED4()), .verdict = REDIRECT,
	  .reason = XM_ANSWER_PROBE, .peer = NODE_WEST, .out = PKT(ANSWERED4) },
	{ "a peer's probe over IPv6 is turned round", FROM_UL, PKT(ASKED6()), .verdict = REDIRECT,
	  .reason = XM_ANSWER_PROBE, .peer = NODE_WEST6, .out = PKT(ANSWERED6) },
	{ "a probe with an outer checksum is answered without", FROM_UL,
	  PKT(ETH(), IP4("192.0.2.3", "192.0.2.1", .id = 7), UDP(50000, PORT), VXLAN(VNI),
	      ETH(.src = MAC_WEST, .dst = MAC_SELF),
	      PROBE(XM_PROBE_ASK, .rest = NONCE, .seq = 99)),
	  .verdict = REDIRECT, .reason = XM_ANSWER_PROBE, .peer = NODE_WEST,
	  .out = PKT(ANSWERED4) },
	{ "a node of our own cluster is answered too", FROM_UL,
	  PKT(ETH(), IP4("192.0.2.2", "192.0.2.1"), UDP(50000, PORT, .csum_zero = true), VXLAN(VNI),
	      ETH(.src = MAC_WEST, .dst = MAC_SELF), PROBE(XM_PROBE_ASK, .rest = NONCE)),
	  .verdict = REDIRECT, .reason = XM_ANSWER_PROBE, .peer = NODE_EAST2,
	  .out = PKT(BACK, IP4("192.0.2.1", "192.0.2.2"), UDP(50000, PORT, .csum_zero = true),
		     VXLAN(VNI), ETH(.src = MAC_SELF, .dst = MAC_WEST),
		     PROBE(XM_PROBE_ANSWER, .rest = NONCE)) },
	{ "xmesh0: a peer's probe goes back through xmesh0", FROM_WEST,
	  PKT(ETH(), PROBE(XM_PROBE_ASK, .rest = NONCE)), .verdict = REDIRECT,
	  .reason = XM_ANSWER_PROBE, .peer = NODE_WEST,
	  .out = PKT(BACK, PROBE(XM_PROBE_ANSWER, .rest = NONCE)) },
	{ "xmesh0: a peer's probe over IPv6 goes back through xmesh0", FROM_WEST6,
	  PKT(ETH(), PROBE(XM_PROBE_ASK, .rest = NONCE)), .verdict = REDIRECT,
	  .reason = XM_ANSWER_PROBE, .peer = NODE_WEST6,
	  .out = PKT(BACK, PROBE(XM_PROBE_ANSWER, .rest = NONCE)) },

	/* ---- who is not answered ---- */
	{ "XDP: a stranger's probe is not answered", AT_XDP,
	  PKT(ETH(), IP4("192.0.2.99", "192.0.2.1"), UDP(50000, PORT, .csum_zero = true),
	      VXLAN(VNI), ETH(), PROBE(XM_PROBE_ASK, .rest = NONCE)),
	  .verdict = XDP_IS_DROP, .reason = XM_DROP_UNKNOWN_PEER },
	{ "a stranger's probe is not answered", FROM_UL,
	  PKT(ETH(), IP6("2001:db8::99", "2001:db8::1"), UDP(50000, PORT, .csum_zero = true),
	      VXLAN(VNI), ETH(), PROBE(XM_PROBE_ASK, .rest = NONCE)),
	  .verdict = SHOT, .reason = XM_DROP_UNKNOWN_PEER },
	{ "XDP: a probe of another VNI is not answered", AT_XDP,
	  PKT(ETH(), IP4("192.0.2.3", "192.0.2.1"), UDP(50000, PORT, .csum_zero = true),
	      VXLAN(VNI + 1), ETH(), PROBE(XM_PROBE_ASK, .rest = NONCE)),
	  .verdict = XDP_IS_DROP, .reason = XM_DROP_BAD_VNI, .peer = NODE_WEST },
	{ "XDP: a probe without a VNI is not answered", AT_XDP,
	  PKT(ETH(), IP4("192.0.2.3", "192.0.2.1"), UDP(50000, PORT, .csum_zero = true),
	      VXLAN(VNI, .no_flag_i = true), ETH(), PROBE(XM_PROBE_ASK, .rest = NONCE)),
	  .verdict = XDP_IS_DROP, .reason = XM_DROP_BAD_VXLAN, .peer = NODE_WEST },
	{ "a probe of another VNI is not answered", FROM_UL,
	  PKT(ETH(), IP4("192.0.2.3", "192.0.2.1"), UDP(50000, PORT, .csum_zero = true),
	      VXLAN(VNI + 1), ETH(), PROBE(XM_PROBE_ASK, .rest = NONCE)),
	  .verdict = SHOT, .reason = XM_DROP_BAD_VNI, .peer = NODE_WEST },

	/* ---- answers ---- */
	{ "XDP: the answer to our probe is taken, its time by our own clock", AT_XDP,
	  PKT(TOLD4()), .verdict = XDP_IS_DROP, TAKEN4 },
	{ "XDP: the answer to our probe over IPv6 is taken", AT_XDP, PKT(TOLD6()),
	  .verdict = XDP_IS_DROP, TAKEN6 },
	{ "the answer to our probe is taken, its time by our own clock", FROM_UL, PKT(TOLD4()),
	  .verdict = SHOT, TAKEN4 },
	{ "the answer to our probe over IPv6 is taken", FROM_UL, PKT(TOLD6()), .verdict = SHOT,
	  TAKEN6 },
	{ "xmesh0: the answer to our probe is taken", FROM_WEST,
	  PKT(ETH(), PROBE(XM_PROBE_ANSWER, .rest = NONCE)), .verdict = SHOT, TAKEN4 },
	{ "XDP: an answer that was taken already is not taken again", AT_XDP, PKT(TOLD4()),
	  .verdict = XDP_IS_DROP, REFUSED, .before = west_has_answered },
	{ "an answer to an older question is not taken", FROM_UL, PKT(TOLD4()), .verdict = SHOT,
	  REFUSED, .before = west_is_asked_anew,
	  .event = &(struct expected_event){ .len = 98,
					     .src = "192.0.2.3",
					     .dst = "192.0.2.1",
					     .outer_src = "192.0.2.3",
					     .proto = 17,
					     .sport = 50000,
					     .dport = PORT,
					     .cluster = 2 } },
	{ "an answer from a node that was not asked is not taken, whoever else was", FROM_UL,
	  PKT(TOLD4()), .verdict = SHOT, REFUSED, .before = nobody_is_asked },
	{ "nonce zero answers nothing", FROM_UL, PKT(IN4(), PROBE(XM_PROBE_ANSWER)),
	  .verdict = SHOT, REFUSED, .before = nobody_is_asked },
	{ "xmesh0: an answer that nobody asked for is dropped", FROM_WEST,
	  PKT(ETH(), PROBE(XM_PROBE_ANSWER, .rest = NONCE)), .verdict = SHOT, REFUSED,
	  .before = nobody_is_asked },

	/* ---- broken ones ---- */
	{ "XDP: a probe of another magic is dropped", AT_XDP, PKT(ASKED4(.id = 1)),
	  .verdict = XDP_IS_DROP, .reason = XM_DROP_PROBE, .peer = NODE_WEST },
	{ "a probe of another version is dropped", FROM_UL, PKT(ASKED4(.version = 2)),
	  .verdict = SHOT, .reason = XM_DROP_PROBE, .peer = NODE_WEST },
	{ "a probe of no known type is dropped", FROM_UL, PKT(IN4(), PROBE(3, .rest = NONCE)),
	  .verdict = SHOT, .reason = XM_DROP_PROBE, .peer = NODE_WEST },
	{ "XDP: a probe that is cut is dropped", AT_XDP,
	  PKT(IN4(), DATA(47)), .verdict = XDP_IS_DROP, .reason = XM_DROP_PROBE,
	  .peer = NODE_WEST },
	{ "xmesh0: a probe of another version is dropped", FROM_WEST,
	  PKT(ETH(), PROBE(XM_PROBE_ASK, .version = 2)), .verdict = SHOT, .reason = XM_DROP_PROBE,
	  .peer = NODE_WEST },
	{ "xmesh0: a probe of no known type is dropped", FROM_WEST, PKT(ETH(), PROBE(3)),
	  .verdict = SHOT, .reason = XM_DROP_PROBE, .peer = NODE_WEST },
};

const size_t n_probe_rows = ARRAY_SIZE(probe_rows);
