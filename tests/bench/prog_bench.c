/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * prog_bench [PROGRAM...]: each program's own cost by BPF_PROG_TEST_RUN, everything but
 * adjust_room: one JSON line per row on stdout. ns are gross: the clock, the re-arming wrapper and
 * the tail call are in them; `baseline` is the same with a program that returns at once. Rows and
 * baselines are interleaved. A row fails, and the exit status with it, unless every run of every
 * round had the expected verdict, left the length alone and moved the expected counter.
 *
 * 65 536 flows differ in their source port and go to, or come from, 256 nodes. "+hash" rows forget
 * the skb's flow hash before each run, as for the packets of an unconnected UDP socket; TCP's have
 * it from the socket.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <arpa/inet.h>
#include <linux/pkt_cls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/defs.h"
#include "prog/fix.h"
#include "prog/pkt.h"
#include "wrapper.h"
#include "wrapper.skel.h"
#include "xmesh/wire.h"

#define ROUNDS 15
#define REPEAT 200000
#define FIRST_NODE 100 /* of the 256 that flows differ in */

struct row {
	const char *program;
	int family;
	enum prog prog;
	enum port in_if;
	const struct layer *in;
	int verdict;
	enum xm_reason reason;
	uint16_t port_at, vary_at[WRAPPER_VARY];
	bool new_hash;
	bool key;
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
	  PKT(OUTER, IP4("10.128.0.9", "10.1.0.2"), UDP(53, 1000), DATA(100)), 2, XM_PASS,
	  .port_at = 34, .vary_at = { V4_SRC_BYTE(14), V4_SRC_BYTE(INNER4) } },
};

static const uint32_t flow_counts[] = { 1, 65536 };

struct cell {
	uint32_t ns[ROUNDS], base[ROUNDS];
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

/* 256 nodes of one more peer, each with a prefix of either family. */
static void add_nodes(void)
{
	int nodes = fix_map(LOAD_BENCH, "xm_nodes"), routes = fix_map(LOAD_BENCH, "xm_routes");

	for (uint32_t i = 0; i < 256; i++) {
		struct xm_addr addr = xm_addr_v4(htonl(0xc6120001u + (i << 8)));
		struct xm_node node = { .number = FIRST_NODE + i,
					.cluster = 9,
					.flags = XM_NODE_TUNNEL };
		struct xm_prefix v4 = { .plen = 120,
					.addr = xm_addr_v4(htonl(0x0a800000u + (i << 8))) };
		struct xm_prefix v6 = { .plen = 64, .addr = { .b = { 0xfd, 0x80, 0, 0, 0, i } } };
		struct xm_route route = {
			.node = node.number,
			.cluster = 9,
			.flags = XM_ROUTE_ONLINK,
			.outer = addr,
			.ifindex = fix_ifindex(IF_UL),
			.mtu = 1450,
		};

		xm_vtep_mac(&addr, route.vtep_mac);
		need(bpf_map_update_elem(nodes, &addr, &node, BPF_ANY), "xm_nodes");
		need(bpf_map_update_elem(routes, &v4, &route, BPF_ANY), "xm_routes");
		need(bpf_map_update_elem(routes, &v6, &route, BPF_ANY), "xm_routes");
	}
}

static uint64_t count_of(const struct row *row)
{
	const enum xm_hook hooks[] = { XM_HOOK_FROM_POD, XM_HOOK_FROM_NET, XM_HOOK_FROM_DEV,
				       XM_HOOK_XDP };
	struct counters counters;

	fix_counters(LOAD_BENCH, &counters);
	return counters.at[hooks[row->prog]][row->reason].packets;
}

/* One test run of REPEAT runs; ns of each on average. False when it was not what it should be. */
static bool run_once(struct wrapper *w, const struct row *row, const struct pkt *in, int target,
		     int verdict, uint32_t *ret_ns)
{
	static uint8_t out[PKT_MAX];
	bool xdp = row->prog == XDP;
	struct __sk_buff ctx = { .ifindex = fix_ifindex(row->in_if),
				 .ingress_ifindex = ctx.ifindex };
	uint32_t zero = 0;
	DECLARE_LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in->b, .data_size_in = in->len,
			    .data_out = out, .data_size_out = sizeof(out),
			    .ctx_in = xdp ? NULL : &ctx, .ctx_size_in = xdp ? 0 : sizeof(ctx),
			    .repeat = REPEAT);

	w->bss->setup.n = 0;
	w->bss->setup.bad = 0;
	need(bpf_map_update_elem(bpf_map__fd(xdp ? w->maps.xdp_calls : w->maps.calls), &zero,
				 &target, BPF_ANY),
	     "prog array");
	need(bpf_prog_test_run_opts(
		     bpf_program__fd(xdp ? w->progs.wrapper_xdp : w->progs.wrapper_tc), &opts),
	     "test run");
	*ret_ns = opts.duration;
	if ((int)opts.retval == verdict && opts.data_size_out == in->len && !w->bss->setup.bad &&
	    w->bss->setup.n == REPEAT)
		return true;
	fprintf(stderr,
		"prog_bench: %s/%d: verdict %d, expected %d; %u of %zu bytes; %u of %d runs, %u "
		"bad\n",
		row->program, row->family, (int)opts.retval, verdict, opts.data_size_out, in->len,
		w->bss->setup.n, REPEAT, w->bss->setup.bad);
	return false;
}

static void arm(struct wrapper *w, const struct row *row, const struct pkt *in, uint32_t flows)
{
	struct wrapper_setup setup = {
		.len = in->len,
		.flow_mask = flows - 1,
		.port_at = row->port_at,
		.vary_at = { row->vary_at[0], row->vary_at[1] },
		.new_hash = row->new_hash,
		.key_src = row->key ? 0xc6120001u : 0,
		.key_id = VNI,
	};

	memcpy(setup.packet, in->b, sizeof(setup.packet));
	w->bss->setup = setup;
}

static void run_cell(struct wrapper *w, const struct row *row, uint32_t flows, int round,
		     struct cell *cell)
{
	bool xdp = row->prog == XDP;
	int null = bpf_program__fd(xdp ? w->progs.null_xdp : w->progs.null_tc);
	uint64_t before, moved;
	struct pkt in;

	pkt_build(row->in, NULL, &in);
	arm(w, row, &in, flows);
	if (!run_once(w, row, &in, null, xdp ? 2 : TC_ACT_UNSPEC, &cell->base[round]))
		cell->bad = true;
	arm(w, row, &in, flows);
	before = count_of(row);
	if (!run_once(w, row, &in, fix_prog(LOAD_BENCH, row->prog), row->verdict, &cell->ns[round]))
		cell->bad = true;
	moved = count_of(row) - before;
	if (moved != REPEAT) {
		fprintf(stderr, "prog_bench: %s/%d: its counter moved by %llu in %d runs\n",
			row->program, row->family, (unsigned long long)moved, REPEAT);
		cell->bad = true;
	}
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

int main(int argc, char **argv)
{
	struct wrapper *w;
	int bad = 0;

	if (fix_start(1u << LOAD_BENCH))
		return 1;
	add_nodes();
	w = wrapper__open_and_load();
	need(!w, "load the wrapper");
	for (int round = 0; round < ROUNDS; round++)
		for (size_t f = 0; f < ARRAY_SIZE(flow_counts); f++)
			for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
				if (is_wanted(&rows[i], argc, argv))
					run_cell(w, &rows[i], flow_counts[f], round, &cells[i][f]);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (size_t f = 0; f < ARRAY_SIZE(flow_counts); f++) {
			struct cell *c = &cells[i][f];

			bad += c->bad;
			if (c->bad || !is_wanted(&rows[i], argc, argv))
				continue;
			qsort(c->ns, ROUNDS, sizeof(c->ns[0]), compare);
			qsort(c->base, ROUNDS, sizeof(c->base[0]), compare);
			printf("{\"bench\":\"prog\",\"program\":\"%s\",\"family\":%d,\"flows\":%u,"
			       "\"ns_min\":%u,\"ns_median\":%u,\"baseline\":%u}\n",
			       rows[i].program, rows[i].family, flow_counts[f], c->ns[0],
			       c->ns[ROUNDS / 2], c->base[ROUNDS / 2]);
		}
	}
	wrapper__destroy(w);
	fix_stop();
	return bad != 0;
}
