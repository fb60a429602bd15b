/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The programs as `xmesh explain` loads them: they decide as the others do, tell in xm_trace why, and
 * leave every map that is not theirs as it was. Not for: the command, whose tests run it.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/defs.h"
#include "service_frames.h"
#include "xmesh/latency.h"
#include "xmesh/probe.h"
#include "xmesh/wire.h"

struct asked {
	const char *what;
	struct run run;
	const struct layer *in;
	int verdict;
	enum xm_reason reason;
	uint32_t backend, from_flow, slice_size, peer;
	const char *dst; /* as it leaves */
};

#define EDGE_VIP "203.0.113.10"
#define DRY(p, i)                                                                                  \
	{                                                                                          \
		.load = LOAD_DRY, .prog = (p), .in_if = (i)                                        \
	}
#define POD_A DRY(FROM_POD, IF_A)
#define UL DRY(FROM_NET, IF_UL)

/* What is there when they are asked: of these, sent through the ordinary programs, the flows. */
static const struct {
	struct run run;
	const struct layer *in;
} known[] = {
	{ FROM_A, PKT(ETH(), IP4(A4, "10.96.0.1"), TCP(1000, 80, .flags = T_SYN)) },
	{ FROM_A, PKT(ETH(), IP4(A4, "10.96.0.6"), UDP(1000, 80)) },
	{ FROM_A,
	  PKT(ETH(), IP4(A4, "10.96.0.9", .id = 9, .mf = true), UDP(1003, 80), DATA(16)) },
	{ { .prog = FROM_NET, .in_if = IF_UL },
	  PKT(ETH(), IP4("198.51.100.7", EDGE_VIP), TCP(1000, 80, .flags = T_SYN)) },
};

static const struct asked asked[] = {
	{ "to a pod of a peer", POD_A,
	  PKT(ETH(), IP4(A4, WEST4), TCP(2000, 8080, .flags = T_SYN)), REDIRECT, XM_FWD_TUNNEL,
	  .peer = NODE_WEST, .dst = WEST4 },
	{ "to a pod of this node", POD_A, PKT(ETH(), IP4(A4, B4), UDP(1000, 53)), REDIRECT,
	  XM_FWD_LOCAL, .dst = B4 },
	{ "in another's name", POD_A, PKT(ETH(), IP4(B4, WEST4), UDP(1000, 53)), SHOT,
	  XM_DROP_POD_SOURCE, .peer = NODE_WEST, .dst = WEST4 },
	{ "to somebody outside", POD_A, PKT(ETH(), IP4(A4, "198.51.100.7"), UDP(1000, 53)), TO_STACK,
	  XM_PASS, .dst = "198.51.100.7" },
	{ "to a service, by Maglev", POD_A,
	  PKT(ETH(), IP4(A4, "10.96.0.1"), TCP(1001, 80, .flags = T_SYN)), REDIRECT, XM_FWD_TUNNEL,
	  .backend = B_WEST, .slice_size = 1, .peer = NODE_WEST, .dst = WEST4 },
	{ "by Maglev of IPv6", POD_A,
	  PKT(ETH(), IP6(A6, "fd00:96::1"), TCP(1001, 80, .flags = T_SYN)), REDIRECT, XM_FWD_TUNNEL,
	  .backend = B_WEST_V6, .slice_size = 1, .peer = NODE_WEST, .dst = WEST6A },
	{ "to a service, by its flow", POD_A,
	  PKT(ETH(), IP4(A4, "10.96.0.1"), TCP(1000, 80, .flags = T_ACK)), REDIRECT, XM_FWD_TUNNEL,
	  .backend = B_WEST, .from_flow = XM_TRACE_FLOW, .peer = NODE_WEST, .dst = WEST4 },
	{ "which ends with it", POD_A,
	  PKT(ETH(), IP4(A4, "10.96.0.1"), TCP(1000, 80, .flags = T_RST)), REDIRECT, XM_FWD_TUNNEL,
	  .backend = B_WEST, .from_flow = XM_TRACE_FLOW, .peer = NODE_WEST, .dst = WEST4 },
	{ "by affinity", POD_A, PKT(ETH(), IP4(A4, "10.96.0.6"), UDP(1007, 80)), REDIRECT,
	  XM_FWD_TUNNEL, .backend = B_WEST, .from_flow = XM_TRACE_AFFINITY, .peer = NODE_WEST,
	  .dst = WEST4 },
	{ "by affinity that it would begin", DRY(FROM_POD, IF_B),
	  PKT(ETH(), IP4(B4, "10.96.0.6"), UDP(1007, 80)), REDIRECT, XM_FWD_TUNNEL,
	  .backend = B_WEST6, .slice_size = 2, .peer = NODE_WEST6, .dst = "10.2.1.9" },
	{ "to itself as its own backend", POD_A,
	  PKT(ETH(), IP4(A4, "10.96.0.3"), TCP(1001, 80, .flags = T_SYN)), REDIRECT, XM_FWD_LOCAL,
	  .backend = B_POD_A, .slice_size = 1, .dst = A4 },
	{ "to a service of nobody", POD_A,
	  PKT(ETH(), IP4(A4, "10.96.0.5"), TCP(1001, 80, .flags = T_SYN)), REDIRECT,
	  XM_ANSWER_REFUSED, .dst = "10.96.0.5" },
	{ "a first fragment", POD_A,
	  PKT(ETH(), IP4(A4, "10.96.0.1", .id = 11, .mf = true), UDP(1001, 80), DATA(16)), REDIRECT,
	  XM_FWD_TUNNEL, .backend = B_WEST, .slice_size = 1, .peer = NODE_WEST, .dst = WEST4 },
	{ "a later one", POD_A, PKT(ETH(), IP4(A4, "10.96.0.9", .id = 9, .frag_off = 3, .proto = 17), DATA(16)),
	  REDIRECT, XM_FWD_TUNNEL, .backend = B_WEST, .from_flow = XM_TRACE_FLOW, .peer = NODE_WEST,
	  .dst = WEST4 },
	{ "a reply", UL, PKT(IN4(), IP4(WEST4, A4), TCP(8080, 1000, .flags = T_SYN | T_ACK)),
	  REDIRECT, XM_FWD_LOCAL, .peer = NODE_WEST, .dst = A4 },
	{ "a SYN whose ports a flow has that lives", POD_A,
	  PKT(ETH(), IP4(A4, WEST4), TCP(1000, 8080, .flags = T_SYN)), SHOT, XM_DROP_PORT_CLASH,
	  .dst = WEST4 },
	{ "from outside to a VIP", UL,
	  PKT(ETH(), IP4("198.51.100.8", EDGE_VIP), TCP(1000, 80, .flags = T_SYN)), REDIRECT,
	  XM_FWD_VIP, .backend = 40, .slice_size = 1, .peer = NODE_WEST, .dst = EDGE_VIP },
	{ "from outside, by its flow", UL,
	  PKT(ETH(), IP4("198.51.100.7", EDGE_VIP), TCP(1000, 80, .flags = T_ACK)), REDIRECT,
	  XM_FWD_VIP, .backend = 40, .from_flow = XM_TRACE_FLOW, .peer = NODE_WEST,
	  .dst = EDGE_VIP },
	{ "in XDP too", DRY(XDP, IF_NIL),
	  PKT(IN4(), IP4("10.1.0.9", A4), UDP(1, 2)), XDP_PASS, XM_PASS, .dst = "192.0.2.1" },
	{ "a too-big from the underlay", UL,
	  PKT(ETH(), IP4("192.0.2.254", "192.0.2.1"), ICMP(3, .code = 4, .rest = 1400),
	      IP4("192.0.2.1", "192.0.2.3"), UDP(50000, PORT, .csum_zero = true), DATA(8)),
	  TO_STACK, XM_PASS, .dst = "192.0.2.1" },
	{ "the answer to a probe", UL,
	  PKT(ETH(), IP4("192.0.2.3", "192.0.2.1"), UDP(50000, PORT, .csum_zero = true), VXLAN(VNI),
	      ETH(.ethertype = 0x88b5), PROBE(2, .rest = 77)),
	  SHOT, XM_PROBE_TAKEN, .peer = NODE_WEST, .dst = "192.0.2.1" },
	{ "a socket", DRY(EXPLAIN_SOCKET, IF_A),
	  PKT(ETH(), IP4(A4, "10.96.0.1"), TCP(1001, 80, .flags = T_SYN)), TO_STACK, XM_TRANSLATED,
	  .backend = B_WEST, .slice_size = 1, .peer = NODE_WEST, .dst = WEST4 },
	{ "a socket, IPv6", DRY(EXPLAIN_SOCKET, IF_A),
	  PKT(ETH(), IP6(A6, "fd00:96::1"), UDP(1001, 80)), TO_STACK, XM_TRANSLATED,
	  .backend = B_WEST_V6, .slice_size = 1, .peer = NODE_WEST, .dst = WEST6A },
	{ "a socket to a service of nobody", DRY(EXPLAIN_SOCKET, IF_A),
	  PKT(ETH(), IP4(A4, "10.96.0.5"), TCP(1001, 80, .flags = T_SYN)), SHOT, XM_ANSWER_REFUSED,
	  .dst = "10.96.0.5" },
	{ "a socket to something else", DRY(EXPLAIN_SOCKET, IF_A),
	  PKT(ETH(), IP4(A4, WEST4), TCP(1001, 80, .flags = T_SYN)), TO_STACK, XM_PASS,
	  .dst = WEST4 },
};

static int check(const struct asked *a, const char *what, uint64_t got, uint64_t want)
{
	if (got == want)
		return 0;
	fprintf(stderr, "%s: %s: %lld, expected %lld\n", a->what, what, (long long)got,
		(long long)want);
	return 1;
}

static int ask(const struct asked *a)
{
	int map = fix_map(LOAD_DRY, "xm_trace");
	struct xm_trace t = { 0 };
	static struct outcome outcome;
	static struct pkt in;
	uint32_t zero = 0;
	struct xm_addr dst = fix_addr(a->dst);
	int bad = 0;

	assert_int_equal(bpf_map_update_elem(map, &zero, &t, BPF_ANY), 0);
	pkt_build(a->in, NULL, &in);
	fix_run(&a->run, &in, &outcome);
	assert_int_equal(bpf_map_lookup_elem(map, &zero, &t), 0);
	bad += check(a, "verdict", outcome.verdict, a->verdict);
	bad += check(a, "done", t.done, 1);
	bad += check(a, "reason", t.reason, a->reason);
	bad += check(a, "action", (int)t.action, a->verdict);
	bad += check(a, "backend", t.backend, a->backend);
	bad += check(a, "service", t.service, a->backend || t.service == 1);
	bad += check(a, "from_flow", t.from_flow, a->from_flow);
	bad += check(a, "slice_size", t.slice_size, a->slice_size);
	bad += check(a, "has_peer", t.has_peer, !!a->peer);
	bad += check(a, "peer", t.peer, a->peer);
	bad += check(a, "dst is right", xm_addr_eq(&t.dst, &dst), 1);
	return bad;
}

/* ---- what is in the maps ---- */

static uint64_t digest_bytes(uint64_t h, const void *data, size_t n)
{
	for (const uint8_t *b = data; n--; b++)
		h = (h ^ *b) * 1099511628211ull;
	return h;
}

static uint64_t digest_map(const char *name)
{
	static uint8_t key[128], value[65536];
	int fd = fix_map(LOAD_DRY, name);
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);
	uint64_t h = 14695981039346656037ull;
	bool first = true;

	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	assert_true(info.key_size <= sizeof(key) && info.value_size * 2 <= sizeof(value));
	while (!bpf_map_get_next_key(fd, first ? NULL : key, key)) {
		first = false;
		assert_int_equal(bpf_map_lookup_elem(fd, key, value), 0);
		h = digest_bytes(h, key, info.key_size);
		h = digest_bytes(h, value, info.value_size);
	}
	return h;
}

/* All that programs or sockets read, but the two large ones that only the agent ever writes. */
static const char *const live[] = {
	"xm_config", "xm_nodes", "xm_node_state", "xm_routes", "xm_pods", "xm_epoch", "xm_ifaces",
	"xm_node_names", "xm_clusters", "xm_services", "xm_service_names", "xm_vip_filter",
	"xm_affinity", "xm_sock_origin", "xm_flows", "xm_frags", "xm_flow_hint", "xm_probes",
	"xm_latency", "xm_syn", "xm_syn_timeouts", "xm_probe_rtt", "xm_program_time", "xm_watch",
};

static void copy_map(const char *name)
{
	int from = fix_map(LOAD_FULL, name), to = fix_map(LOAD_DRY, name);
	uint8_t key[128], value[256];
	bool first = true;
	size_t n = 0;

	while (!bpf_map_get_next_key(from, first ? NULL : key, key)) {
		first = false;
		assert_int_equal(bpf_map_lookup_elem(from, key, value), 0);
		assert_int_equal(bpf_map_update_elem(to, key, value, BPF_ANY), 0);
		n++;
	}
	if (!n)
		fail_msg("%s is empty", name);
}

static void put_edge(enum load load)
{
	const struct fix_backend node = { "192.0.2.3", 0, NODE_WEST, 2, XM_BACKEND_ACTIVE,
					  XM_BACKEND_IS_NODE, 1 };
	const struct fix_service edge = { EDGE_VIP, 80, IPPROTO_TCP, XM_SCOPE_EDGE,
					  .backends = { 40 } };
	const struct xm_prefix prefix = { .plen = 120, .addr = fix_addr("10.2.0.0") };
	struct xm_path path = { 0 };
	uint32_t number = NODE_WEST;

	fix_services_default(load);
	fix_backend_put(load, 40, &node);
	fix_service_put(load, &edge);
	assert_int_equal(bpf_map_lookup_elem(fix_map(load, "xm_routes"), &prefix, &path.route), 0);
	assert_int_equal(bpf_map_update_elem(fix_map(load, "xm_paths"), &number, &path, BPF_ANY), 0);
}

static void put_probe(void)
{
	struct xm_probe probe = { 0 };
	uint32_t node = NODE_WEST;
	static struct pkt pkt;
	size_t at = 14 + XM_OVERHEAD_V4 + offsetof(struct xm_probe_packet, nonce);

	/* As the packet has it. */
	for (size_t i = 0; i < ARRAY_SIZE(asked); i++) {
		if (asked[i].reason != XM_PROBE_TAKEN)
			continue;
		pkt_build(asked[i].in, NULL, &pkt);
		memcpy(&probe.nonce, pkt.b + at, sizeof(probe.nonce));
	}
	assert_true(probe.nonce != 0);
	assert_int_equal(bpf_map_update_elem(fix_map(LOAD_DRY, "xm_probes"), &node, &probe, BPF_ANY),
			 0);
}

static void test_nothing_is_changed(void **state)
{
	static uint64_t before[ARRAY_SIZE(live)];
	static struct outcome outcome;
	static struct pkt in;
	int bad = 0;

	put_edge(LOAD_FULL);
	put_edge(LOAD_DRY);
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		pkt_build(known[i].in, NULL, &in);
		fix_run(&known[i].run, &in, &outcome);
	}
	copy_map("xm_flows");
	copy_map("xm_affinity");
	copy_map("xm_frags");
	/* Some of the rest is set by hand: the replies' hint, a probe that is out. */
	put_probe();
	copy_map("xm_flow_hint");
	/* Old enough that a packet would write the time of the flow anew. */
	fix_age(LOAD_DRY, 3);

	for (size_t i = 0; i < ARRAY_SIZE(live); i++)
		before[i] = digest_map(live[i]);
	for (size_t i = 0; i < ARRAY_SIZE(asked); i++)
		bad += ask(&asked[i]);
	for (size_t i = 0; i < ARRAY_SIZE(live); i++) {
		if (digest_map(live[i]) == before[i])
			continue;
		fprintf(stderr, "%s has changed\n", live[i]);
		bad++;
	}
	fix_services_default(LOAD_FULL);
	fix_services_default(LOAD_DRY);
	assert_int_equal(bad, 0);
}

/* Without dry_run that program is nothing. */
static void test_no_socket_is_explained_otherwise(void **state)
{
	const struct run run = { .load = LOAD_FULL, .prog = EXPLAIN_SOCKET, .in_if = IF_A };
	static struct outcome outcome;
	static struct pkt in;

	pkt_build(PKT(ETH(), IP4(A4, "10.96.0.1"), TCP(1001, 80, .flags = T_SYN)), NULL, &in);
	fix_run(&run, &in, &outcome);
	assert_int_equal(outcome.verdict, SHOT);
}

const struct CMUnitTest dryrun_tests[] = {
	{ "a dry run decides as the others do, says why, and changes nothing",
	  test_nothing_is_changed, NULL, NULL, NULL },
	{ "what explains sockets does nothing elsewhere", test_no_socket_is_explained_otherwise,
	  NULL, NULL, NULL },
};
const size_t n_dryrun_tests = ARRAY_SIZE(dryrun_tests);
