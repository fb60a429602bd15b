/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * prog_bench [--bare] [PROGRAM...]: each program's own cost by BPF_PROG_TEST_RUN, everything but
 * adjust_room: one JSON line per row on stdout. ns are gross: the clock, the re-arming wrapper and
 * the tail call are in them; `baseline` is the same with a program that returns at once. Rows and
 * baselines are interleaved. A row fails, and the exit status with it, unless every run of every
 * round had the expected verdict, left the length alone and moved the expected counter.
 *
 * 65 536 flows differ in their source port and go to, or come from, 256 nodes. Rows of services have
 * 256 backends on those nodes and an entry in xm_flows for each flow, made before the clock starts;
 * "-new" rows make one in each run. XDP's VIP rows do put their headers in front of the packet. "+hash" rows forget
 * the skb's flow hash before each run, as for the packets of an unconnected UDP socket; TCP's have
 * it from the socket. --bare: rows without VIPs also without what measures latency, in turn.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <linux/pkt_cls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/defs.h"
#include "prog/fix.h"
#include "prog/pkt.h"
#include "wrapper.h"
#include "wrapper.skel.h"
#include "xmesh/flow.h"
#include "xmesh/latency.h"
#include "xmesh/service.h"
#include "xmesh/wire.h"

#define ROUNDS 15
#define REPEAT 200000
#define REPEAT_NEW 50000 /* below the rate from which new flows are not recorded */
#define FLOWS_NEW (1u << 24)
#define HANDSHAKES 4096 /* of one run: few of them share a slot of xm_syn */
#define NODES 256
#define FIRST_NODE 100 /* of those that flows differ in */
#define SLOTS (100 * NODES)

enum load_of_row { ROW_SKIPS_ADJUST, ROW_ADJUSTS };
/* SYNs are all first ones; SYN-ACKs have each had a SYN, before the clock starts. */
enum handshake_of_row { ROW_NO_HANDSHAKE, ROW_SYN, ROW_SYN_ACK };
enum flows_of_row { ROW_NO_FLOWS, ROW_FINDS_FLOWS, ROW_MAKES_FLOWS };

struct row {
	const char *program;
	int family;
	enum prog prog;
	enum port in_if;
	const struct layer *in;
	int verdict;
	enum xm_reason reason;
	uint16_t port_at, vary_at[WRAPPER_VARY], high_at;
	bool new_hash;
	bool key;
	enum load_of_row adjusts; /* with ROW_ADJUSTS the packet grows by XM_OVERHEAD_V4 */
	enum flows_of_row flows;
	enum handshake_of_row handshake;
};

/* Offsets: Ethernet 14, IPv4 20, IPv6 40; the third byte of 10.128.x.0, the sixth of fd80:0:xx::.
 */
#define V4_SRC_BYTE(at) ((at) + 12 + 2)
#define V4_DST_BYTE(at) ((at) + 16 + 2)
#define V6_SRC_BYTE(at) ((at) + 8 + 5)
#define V6_DST_BYTE(at) ((at) + 24 + 5)
#define INNER4 (14 + XM_OVERHEAD_V4)

#define SEND4 PKT(ETH(), IP4("10.1.0.2", "10.128.0.9"), UDP(1000, 53), DATA(100))
#define SEND6 PKT(ETH(), IP6("fd00:1::2", "fd80::9"), UDP(1000, 53), DATA(100))
#define OUTER                                                                                      \
	ETH(), IP4("198.18.0.1", "192.0.2.1"), UDP(50000, PORT, .csum_zero = true), VXLAN(VNI),    \
		ETH()

#define VIP4 "10.96.0.1"
#define VIP6 "fd00:96::1"
#define EDGE_VIP4 "203.0.113.10"
#define EDGE_VIP6 "2001:db8:113::10"
#define EDGE4(src, f)                                                                            \
	PKT(ETH(), IP4(src, EDGE_VIP4), TCP(1000, 80, .flags = (f)), DATA(74))
#define EDGE6(src, f)                                                                            \
	PKT(ETH(), IP6(src, EDGE_VIP6), TCP(1000, 80, .flags = (f)), DATA(54))

#define FROM_POD4(f)                                                                               \
	PKT(ETH(), IP4("10.1.0.2", "10.128.0.9"), TCP(1000, 8080, .flags = (f), .seq = 1), DATA(100))
#define FROM_POD6(f)                                                                               \
	PKT(ETH(), IP6("fd00:1::2", "fd80::9"), TCP(1000, 8080, .flags = (f), .seq = 1), DATA(100))
#define FROM_NET4(f)                                                                               \
	PKT(OUTER, IP4("10.128.0.9", "10.1.0.2"), TCP(8080, 1000, .flags = (f), .ack = 2), DATA(100))
#define FROM_NET6(f)                                                                               \
	PKT(OUTER, IP6("fd80::9", "fd00:1::2"), TCP(8080, 1000, .flags = (f), .ack = 2), DATA(100))

static const struct row rows[] = {
	{ "xm_from_pod", 4, FROM_POD, IF_A, SEND4, TC_ACT_REDIRECT, XM_FWD_TUNNEL, .port_at = 34,
	  .vary_at = { V4_DST_BYTE(14) } },
	{ "xm_from_pod", 6, FROM_POD, IF_A, SEND6, TC_ACT_REDIRECT, XM_FWD_TUNNEL, .port_at = 54,
	  .vary_at = { V6_DST_BYTE(14) } },
	{ "xm_from_pod+hash", 4, FROM_POD, IF_A, SEND4, TC_ACT_REDIRECT, XM_FWD_TUNNEL,
	  .port_at = 34, .vary_at = { V4_DST_BYTE(14) }, .new_hash = true },
	{ "xm_from_pod+hash", 6, FROM_POD, IF_A, SEND6, TC_ACT_REDIRECT, XM_FWD_TUNNEL,
	  .port_at = 54, .vary_at = { V6_DST_BYTE(14) }, .new_hash = true },
	{ "xm_from_pod/native", 4, FROM_POD, IF_A,
	  PKT(ETH(), IP4("10.1.0.2", "10.3.0.9"), UDP(1000, 53), DATA(100)), TC_ACT_REDIRECT,
	  XM_FWD_NATIVE, .port_at = 34 },
	{ "xm_from_pod/native", 6, FROM_POD, IF_A,
	  PKT(ETH(), IP6("fd00:1::2", "fd00:3::9"), UDP(1000, 53), DATA(100)), TC_ACT_REDIRECT,
	  XM_FWD_NATIVE, .port_at = 54 },
	{ "xm_from_pod/local", 4, FROM_POD, IF_A,
	  PKT(ETH(), IP4("10.1.0.2", "10.1.0.3"), UDP(1000, 53), DATA(100)), TC_ACT_REDIRECT,
	  XM_FWD_LOCAL, .port_at = 34 },
	{ "xm_from_net", 4, FROM_NET, IF_UL,
	  PKT(OUTER, IP4("10.128.0.9", "10.1.0.2"), UDP(53, 1000), DATA(100)), TC_ACT_REDIRECT,
	  XM_FWD_LOCAL, .port_at = 34, .vary_at = { V4_SRC_BYTE(14), V4_SRC_BYTE(INNER4) } },
	{ "xm_from_net", 6, FROM_NET, IF_UL,
	  PKT(OUTER, IP6("fd80::9", "fd00:1::2"), UDP(53, 1000), DATA(100)), TC_ACT_REDIRECT,
	  XM_FWD_LOCAL, .port_at = 34, .vary_at = { V4_SRC_BYTE(14), V6_SRC_BYTE(INNER4) } },
	{ "xm_from_net/native", 4, FROM_NET, IF_UL,
	  PKT(ETH(), IP4("10.3.0.9", "10.1.0.2"), UDP(53, 1000), DATA(100)), TC_ACT_REDIRECT,
	  XM_FWD_LOCAL, .port_at = 34 },
	{ "xm_from_net/native", 6, FROM_NET, IF_UL,
	  PKT(ETH(), IP6("fd00:3::9", "fd00:1::2"), UDP(53, 1000), DATA(100)), TC_ACT_REDIRECT,
	  XM_FWD_LOCAL, .port_at = 54 },
	{ "xm_from_net/pass", 4, FROM_NET, IF_UL,
	  PKT(ETH(), IP4("198.51.100.7", "192.0.2.1"), TCP(1000, 443, .flags = T_ACK), DATA(100)),
	  TC_ACT_UNSPEC, XM_PASS, .port_at = 34 },
	{ "xm_from_dev", 4, FROM_DEV, IF_DEV,
	  PKT(ETH(), IP4("10.128.0.9", "10.1.0.2"), UDP(53, 1000), DATA(100)), TC_ACT_REDIRECT,
	  XM_FWD_LOCAL, .port_at = 34, .key = true },
	{ "xm_xdp", 4, XDP, IF_NIL,
	  PKT(OUTER, IP4("10.128.0.9", "10.1.0.2"), UDP(53, 1000), DATA(100)), XDP_PASS, XM_PASS,
	  .port_at = 34, .vary_at = { V4_SRC_BYTE(14), V4_SRC_BYTE(INNER4) } },
	{ "xm_from_pod/service", 4, FROM_POD, IF_A,
	  PKT(ETH(), IP4("10.1.0.2", VIP4), TCP(1000, 80, .flags = T_ACK), DATA(100)),
	  TC_ACT_REDIRECT, XM_FWD_TUNNEL, .port_at = 34, .flows = ROW_FINDS_FLOWS },
	{ "xm_from_pod/service", 6, FROM_POD, IF_A,
	  PKT(ETH(), IP6("fd00:1::2", VIP6), TCP(1000, 80, .flags = T_ACK), DATA(100)),
	  TC_ACT_REDIRECT, XM_FWD_TUNNEL, .port_at = 54, .flows = ROW_FINDS_FLOWS },
	{ "xm_from_pod/ack", 4, FROM_POD, IF_A, FROM_POD4(T_ACK), TC_ACT_REDIRECT, XM_FWD_TUNNEL,
	  .port_at = 34 },
	{ "xm_from_pod/ack", 6, FROM_POD, IF_A, FROM_POD6(T_ACK), TC_ACT_REDIRECT, XM_FWD_TUNNEL,
	  .port_at = 54 },
	{ "xm_from_net/ack", 4, FROM_NET, IF_UL, FROM_NET4(T_ACK), TC_ACT_REDIRECT, XM_FWD_LOCAL,
	  .port_at = INNER4 + 22 },
	{ "xm_from_net/ack", 6, FROM_NET, IF_UL, FROM_NET6(T_ACK), TC_ACT_REDIRECT, XM_FWD_LOCAL,
	  .port_at = INNER4 + 42 },
	{ "xm_from_pod/syn", 4, FROM_POD, IF_A, FROM_POD4(T_SYN), TC_ACT_REDIRECT, XM_FWD_TUNNEL,
	  .port_at = 34, .handshake = ROW_SYN },
	{ "xm_from_pod/syn", 6, FROM_POD, IF_A, FROM_POD6(T_SYN), TC_ACT_REDIRECT, XM_FWD_TUNNEL,
	  .port_at = 54, .handshake = ROW_SYN },
	{ "xm_from_net/syn-ack", 4, FROM_NET, IF_UL, FROM_NET4(T_SYN | T_ACK), TC_ACT_REDIRECT,
	  XM_FWD_LOCAL, .port_at = INNER4 + 22, .handshake = ROW_SYN_ACK },
	{ "xm_from_net/syn-ack", 6, FROM_NET, IF_UL, FROM_NET6(T_SYN | T_ACK), TC_ACT_REDIRECT,
	  XM_FWD_LOCAL, .port_at = INNER4 + 42, .handshake = ROW_SYN_ACK },
	{ "xm_xdp/vip", 4, XDP, IF_NIL, EDGE4("198.51.100.7", T_ACK), XDP_TX, XM_FWD_VIP, .port_at = 34,
	  .adjusts = ROW_ADJUSTS, .flows = ROW_FINDS_FLOWS },
	{ "xm_xdp/vip", 6, XDP, IF_NIL, EDGE6("2001:db8:ffff::7", T_ACK), XDP_TX, XM_FWD_VIP, .port_at = 54,
	  .adjusts = ROW_ADJUSTS, .flows = ROW_FINDS_FLOWS },
	{ "xm_xdp/vip-new", 4, XDP, IF_NIL, EDGE4("198.51.101.7", T_SYN), XDP_TX, XM_FWD_VIP, .port_at = 34,
	  .high_at = V4_SRC_BYTE(14) + 1, .adjusts = ROW_ADJUSTS, .flows = ROW_MAKES_FLOWS },
	{ "xm_xdp/vip-new", 6, XDP, IF_NIL, EDGE6("2001:db8:fffe::7", T_SYN), XDP_TX, XM_FWD_VIP, .port_at = 54,
	  .high_at = V6_SRC_BYTE(14) + 10, .adjusts = ROW_ADJUSTS, .flows = ROW_MAKES_FLOWS },
};

/* Rows that make flows have FLOWS_NEW, in the place of the second. */
static const uint32_t flow_counts[] = { 1, 65536 };

struct cell {
	uint32_t ns[ROUNDS], base[ROUNDS], bare[ROUNDS];
	bool bad;
};

static struct cell cells[ARRAY_SIZE(rows)][ARRAY_SIZE(flow_counts)];

static void need(int err, const char *what)
{
	if (!err)
		return;
	fprintf(stderr, "prog_bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static enum load load_of(const struct row *row)
{
	return row->adjusts == ROW_ADJUSTS ? LOAD_FULL : LOAD_BENCH;
}

static uint32_t repeat_of(const struct row *row)
{
	if (row->handshake)
		return HANDSHAKES;
	return row->flows == ROW_MAKES_FLOWS ? REPEAT_NEW : REPEAT;
}

static struct xm_route route_to(uint32_t i, const struct xm_addr *addr)
{
	struct xm_route route = {
		.node = FIRST_NODE + i,
		.cluster = 9,
		.flags = XM_ROUTE_ONLINK,
		.outer = *addr,
		.ifindex = fix_ifindex(IF_UL),
		.mtu = 1450,
	};

	xm_vtep_mac(addr, route.vtep_mac);
	return route;
}

/* 256 nodes of one more peer, each with a prefix of either family, and the tunnel to it. */
static void add_nodes(enum load load)
{
	int nodes = fix_map(load, "xm_nodes"), routes = fix_map(load, "xm_routes");
	int paths = fix_map(load, "xm_paths");

	for (uint32_t i = 0; i < NODES; i++) {
		struct xm_addr addr = xm_addr_v4(htonl(0xc6120001u + (i << 8)));
		struct xm_node node = { .number = FIRST_NODE + i,
					.cluster = 9,
					.flags = XM_NODE_TUNNEL };
		struct xm_prefix v4 = { .plen = 120,
					.addr = xm_addr_v4(htonl(0x0a800000u + (i << 8))) };
		struct xm_prefix v6 = { .plen = 64, .addr = { .b = { 0xfd, 0x80, 0, 0, 0, i } } };
		struct xm_route route = route_to(i, &addr);
		struct xm_path path = { .route = route, .next_mac = { 2, 0, 0, 0, 1, i } };

		need(bpf_map_update_elem(nodes, &addr, &node, BPF_ANY), "xm_nodes");
		need(bpf_map_update_elem(routes, &v4, &route, BPF_ANY), "xm_routes");
		need(bpf_map_update_elem(routes, &v6, &route, BPF_ANY), "xm_routes");
		/* A test run of XDP comes in by the loopback device. */
		path.route.ifindex = if_nametoindex("lo");
		pkt_mac(MAC_HOST, path.own_mac);
		need(bpf_map_update_elem(paths, &node.number, &path, BPF_ANY), "xm_paths");
	}
}

/* ---- services ---- */

static void add_vip(enum load load, uint8_t scope, const char *vip, uint32_t first_slot)
{
	static struct xm_vip_filter filter;
	int map = fix_map(load, "xm_vip_filter");
	struct xm_service service = {
		.where = (uint64_t)first_slot << 32 | SLOTS,
		.number = 1,
		.n_targets = NODES,
		.key = { .addr = fix_addr(vip),
			 .port = htons(80),
			 .proto = IPPROTO_TCP,
			 .scope = scope,
			 .cluster = 1 },
	};
	uint32_t zero = 0, bit = xm_addr_hash16(&service.key.addr) & (XM_VIP_FILTER_BITS - 1);

	need(bpf_map_lookup_elem(map, &zero, &filter), "xm_vip_filter");
	(scope == XM_SCOPE_CLIENT ? filter.client : filter.edge)[bit / 64] |= 1ull << bit % 64;
	need(bpf_map_update_elem(map, &zero, &filter, BPF_ANY), "xm_vip_filter");
	need(bpf_map_update_elem(fix_map(load, "xm_services"), &service.key, &service, BPF_ANY),
	     "xm_services");
}

/* Backends from number @first on, one on each node, and a slice of them. */
static void add_slice(enum load load, uint32_t first, uint32_t first_slot, int family, bool is_node)
{
	int backends = fix_map(load, "xm_backends"), maglev = fix_map(load, "xm_maglev");

	for (uint32_t i = 0; i < NODES; i++) {
		struct xm_backend b = {
			.node = FIRST_NODE + i,
			.service = 1,
			.generation = 1,
			.cluster = 9,
			.port = is_node ? 0 : htons(8080),
			.proto = IPPROTO_TCP,
			.state = XM_BACKEND_ACTIVE,
			.flags = is_node ? XM_BACKEND_IS_NODE : 0,
		};
		uint32_t number = first + i;

		if (is_node)
			b.addr = xm_addr_v4(htonl(0xc6120001u + (i << 8)));
		else if (family == 4)
			b.addr = xm_addr_v4(htonl(0x0a800009u + (i << 8)));
		else
			b.addr = (struct xm_addr){ .b = { 0xfd, 0x80, 0, 0, 0, i, [15] = 9 } };
		need(bpf_map_update_elem(backends, &number, &b, BPF_ANY), "xm_backends");
	}
	for (uint32_t i = 0; i < SLOTS; i++) {
		uint32_t slot = first_slot + i, at = slot >> 1;
		struct xm_maglev_pair pair;

		need(bpf_map_lookup_elem(maglev, &at, &pair), "xm_maglev");
		pair.backend[slot & 1] = first + i * 97 % NODES;
		need(bpf_map_update_elem(maglev, &at, &pair, BPF_ANY), "xm_maglev");
	}
}

static void add_services(enum load load)
{
	add_slice(load, 1000, 0, 4, false);
	add_slice(load, 2000, SLOTS, 6, false);
	add_slice(load, 3000, 2 * SLOTS, 4, true);
	add_vip(load, XM_SCOPE_CLIENT, VIP4, 0);
	add_vip(load, XM_SCOPE_CLIENT, VIP6, SLOTS);
	add_vip(load, XM_SCOPE_EDGE, EDGE_VIP4, 2 * SLOTS);
	add_vip(load, XM_SCOPE_EDGE, EDGE_VIP6, 2 * SLOTS);
}

/* What new flows may be recorded in this second. */
static void refill(enum load load)
{
	static struct xm_event_rate none[1024];
	int map = fix_map(load, "xm_event_rate");

	for (uint32_t i = 0; i < XM_RATE_COUNT; i++)
		need(bpf_map_update_elem(map, &i, none, BPF_ANY), "xm_event_rate");
}

/* Other rows' flows would make the table full. */
static void forget_flows(enum load load)
{
	int map = fix_map(load, "xm_flows");
	struct xm_flow_key key, next, *at = NULL;

	while (!bpf_map_get_next_key(map, at, &next)) {
		if (at)
			bpf_map_delete_elem(map, &key);
		key = next;
		at = &key;
	}
	if (at)
		bpf_map_delete_elem(map, &key);
}

static uint64_t count_of(enum load load, const struct row *row, enum xm_reason reason)
{
	const enum xm_hook hooks[] = { XM_HOOK_FROM_POD, XM_HOOK_FROM_NET, XM_HOOK_FROM_DEV,
				       XM_HOOK_XDP };
	struct counters counters;

	fix_counters(load, &counters);
	return counters.at[hooks[row->prog]][reason].packets;
}

/* One test run of many runs; ns of each on average. False when it was not what it should be. */
static bool run_once(struct wrapper *w, const struct row *row, const struct pkt *in, int target,
		     int verdict, size_t grows, uint32_t *ret_ns)
{
	static uint8_t out[PKT_MAX];
	bool xdp = row->prog == XDP;
	struct __sk_buff ctx = { .ifindex = fix_ifindex(row->in_if),
				 .ingress_ifindex = ctx.ifindex };
	uint32_t zero = 0, repeat = repeat_of(row);
	DECLARE_LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in->b, .data_size_in = in->len,
			    .data_out = out, .data_size_out = sizeof(out),
			    .ctx_in = xdp ? NULL : &ctx, .ctx_size_in = xdp ? 0 : sizeof(ctx),
			    .repeat = repeat);

	w->bss->setup.n = 0;
	w->bss->setup.bad = 0;
	need(bpf_map_update_elem(bpf_map__fd(xdp ? w->maps.xdp_calls : w->maps.calls), &zero,
				 &target, BPF_ANY),
	     "prog array");
	need(bpf_prog_test_run_opts(
		     bpf_program__fd(xdp ? w->progs.wrapper_xdp : w->progs.wrapper_tc), &opts),
	     "test run");
	*ret_ns = opts.duration;
	if ((int)opts.retval == verdict && opts.data_size_out == in->len + grows &&
	    !w->bss->setup.bad && w->bss->setup.n == repeat)
		return true;
	fprintf(stderr,
		"prog_bench: %s/%d: verdict %d, expected %d; %u of %zu bytes; %u of %d runs, %u "
		"bad\n",
		row->program, row->family, (int)opts.retval, verdict, opts.data_size_out,
		in->len + grows, w->bss->setup.n, repeat, w->bss->setup.bad);
	return false;
}

static void arm(struct wrapper *w, const struct row *row, const struct pkt *in, uint32_t flows,
		uint32_t first)
{
	struct wrapper_setup setup = {
		.len = in->len,
		.first = row->flows == ROW_MAKES_FLOWS ? first : 0,
		.flow_mask = flows - 1,
		.port_at = row->port_at,
		.vary_at = { row->vary_at[0], row->vary_at[1] },
		.high_at = row->high_at,
		.is_short = row->adjusts == ROW_ADJUSTS,
		.new_hash = row->new_hash,
		.key_src = row->key ? 0xc6120001u : 0,
		.key_id = VNI,
	};

	memcpy(setup.packet, in->b, sizeof(setup.packet));
	w->bss->setup = setup;
}

/* The counter moved by what it should. */
static bool moved_by(enum load load, const struct row *row, enum xm_reason reason, uint64_t before,
		     uint64_t want)
{
	uint64_t moved = count_of(load, row, reason) - before;

	if (moved == want)
		return true;
	fprintf(stderr, "prog_bench: %s/%d: counter %d moved by %llu, expected %llu\n", row->program,
		row->family, reason, (unsigned long long)moved, (unsigned long long)want);
	return false;
}

/* No SYN is out but, for a row of SYN-ACKs, those that it answers. */
static bool begin_handshakes(struct wrapper *w, enum load load, const struct row *row)
{
	size_t size = XM_SYN_SLOTS * sizeof(struct xm_syn);
	struct xm_syn *slots = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
				    fix_map(load, "xm_syn"), 0);
	const struct row *syn = rows;
	struct pkt in;
	uint32_t ns;

	need(slots == MAP_FAILED, "xm_syn");
	memset(slots, 0, size);
	munmap(slots, size);
	if (row->handshake != ROW_SYN_ACK)
		return true;
	while (syn->handshake != ROW_SYN || syn->family != row->family)
		syn++;
	pkt_build(syn->in, NULL, &in);
	arm(w, syn, &in, HANDSHAKES, 0);
	return run_once(w, syn, &in, fix_prog(load, syn->prog), syn->verdict, 0, &ns);
}

/* What was measured is what was to be: nearly all of the SYN-ACKs, none without instruments. */
static bool handshakes_are_measured(enum load load, const struct row *row)
{
	static struct xm_latency values[1024];
	struct xm_latency_key key = { .cluster = 9 };
	uint64_t n = 0;

	if (row->handshake != ROW_SYN_ACK || load == LOAD_BENCH_BARE)
		return true;
	need(bpf_map_lookup_elem(fix_map(load, "xm_latency"), &key, values), "xm_latency");
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		for (size_t k = 0; k < XM_HIST_BUCKETS; k++)
			n += values[i].hist.buckets[k];
	bpf_map_delete_elem(fix_map(load, "xm_latency"), &key);
	if (n > HANDSHAKES * 9 / 10 && n <= HANDSHAKES)
		return true;
	fprintf(stderr, "prog_bench: %s/%d: %llu handshakes measured of %d\n", row->program,
		row->family, (unsigned long long)n, HANDSHAKES);
	return false;
}

static void run_cell(struct wrapper *w, const struct row *row, enum load load, uint32_t flows,
		     int round, struct cell *cell)
{
	bool xdp = row->prog == XDP, makes = row->flows == ROW_MAKES_FLOWS;
	int null = bpf_program__fd(xdp ? w->progs.null_xdp : w->progs.null_tc);
	uint32_t *ret_ns = load == LOAD_BENCH_BARE ? &cell->bare[round] : &cell->ns[round];
	size_t grows = row->adjusts == ROW_ADJUSTS ? XM_OVERHEAD_V4 : 0;
	uint32_t first = (uint32_t)round * REPEAT_NEW, ns;
	int prog = fix_prog(load, row->prog);
	uint64_t before, before_new;
	struct pkt in;

	pkt_build(row->in, NULL, &in);
	arm(w, row, &in, flows, first);
	if (!run_once(w, row, &in, null, xdp ? XDP_PASS : TC_ACT_UNSPEC, 0, &cell->base[round]))
		cell->bad = true;
	if (row->flows == ROW_FINDS_FLOWS) {
		forget_flows(load);
		refill(load);
		arm(w, row, &in, flows, first);
		if (!run_once(w, row, &in, prog, row->verdict, grows, &ns))
			cell->bad = true;
	}
	/* What rows of services leave behind: the same pod would pay for flows that it has not. */
	if (row->flows == ROW_NO_FLOWS)
		fix_hints_clear(load);
	if (row->handshake && !begin_handshakes(w, load, row))
		cell->bad = true;
	refill(load);
	arm(w, row, &in, flows, first);
	before = count_of(load, row, row->reason);
	before_new = count_of(load, row, XM_FLOW_NEW);
	if (!run_once(w, row, &in, prog, row->verdict, grows, ret_ns))
		cell->bad = true;
	if (!moved_by(load, row, row->reason, before, repeat_of(row)) ||
	    !moved_by(load, row, XM_FLOW_NEW, before_new, makes ? repeat_of(row) : 0) ||
	    !handshakes_are_measured(load, row))
		cell->bad = true;
}

/* The row is wanted: no names given, or its program's is among them. */
static bool is_wanted(const struct row *row, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(row->program, argv[i]))
			return true;
	return argc < 2;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Flows of column @f; 0: the row has none there. */
static uint32_t flows_of(const struct row *row, size_t f)
{
	if (row->flows == ROW_MAKES_FLOWS)
		return f ? FLOWS_NEW : 0;
	if (row->handshake)
		return f ? HANDSHAKES : 0;
	return flow_counts[f];
}

int main(int argc, char **argv)
{
	struct wrapper *w;
	bool with_bare = argc > 1 && !strcmp(argv[1], "--bare");
	cpu_set_t cpus;
	int bad = 0;

	argc -= with_bare;
	argv += with_bare;

	/* The last CPU, for interrupts prefer the first. */
	CPU_ZERO(&cpus);
	CPU_SET(sysconf(_SC_NPROCESSORS_ONLN) - 1, &cpus);
	need(sched_setaffinity(0, sizeof(cpus), &cpus), "sched_setaffinity");
	if (fix_start(1u << LOAD_BENCH | 1u << LOAD_FULL | (uint32_t)with_bare << LOAD_BENCH_BARE))
		return 1;
	if (with_bare) {
		add_nodes(LOAD_BENCH_BARE);
		add_services(LOAD_BENCH_BARE);
	}
	add_nodes(LOAD_BENCH);
	add_services(LOAD_BENCH);
	add_nodes(LOAD_FULL);
	add_services(LOAD_FULL);
	w = wrapper__open_and_load();
	need(!w, "load the wrapper");
	for (int round = 0; round < ROUNDS; round++)
		for (size_t f = 0; f < ARRAY_SIZE(flow_counts); f++)
			for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
				const struct row *row = &rows[i];

				if (!flows_of(row, f) || !is_wanted(row, argc, argv))
					continue;
				run_cell(w, row, load_of(row), flows_of(row, f), round, &cells[i][f]);
				if (with_bare && load_of(row) == LOAD_BENCH)
					run_cell(w, row, LOAD_BENCH_BARE, flows_of(row, f), round,
						 &cells[i][f]);
			}
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (size_t f = 0; f < ARRAY_SIZE(flow_counts); f++) {
			struct cell *c = &cells[i][f];

			bad += c->bad;
			if (c->bad || !flows_of(&rows[i], f) || !is_wanted(&rows[i], argc, argv))
				continue;
			qsort(c->ns, ROUNDS, sizeof(c->ns[0]), compare);
			qsort(c->base, ROUNDS, sizeof(c->base[0]), compare);
			qsort(c->bare, ROUNDS, sizeof(c->bare[0]), compare);
			printf("{\"bench\":\"prog\",\"program\":\"%s\",\"family\":%d,\"flows\":%u,"
			       "\"ns_min\":%u,\"ns_median\":%u,\"baseline\":%u",
			       rows[i].program, rows[i].family, flows_of(&rows[i], f), c->ns[0],
			       c->ns[ROUNDS / 2], c->base[ROUNDS / 2]);
			if (c->bare[0])
				printf(",\"bare_min\":%u,\"bare_median\":%u", c->bare[0],
				       c->bare[ROUNDS / 2]);
			printf("}\n");
		}
	}
	wrapper__destroy(w);
	fix_stop();
	return bad != 0;
}
