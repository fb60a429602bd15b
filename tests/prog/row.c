/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Runs a row and judges everything about it. */
#include "row.h"

#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>
#include <linux/if_ether.h>

#include "core/defs.h"
#include "xmesh/wire.h"

static const char *const reason_names[XM_REASON_COUNT] = {
#define NAME(name, text, kind, what) text,
	XM_REASONS(NAME)
#undef NAME
};

static const enum xm_kind reason_kinds[XM_REASON_COUNT] = {
#define KIND(name, text, kind, what) XM_KIND_##kind,
	XM_REASONS(KIND)
#undef KIND
};

static const char *const hook_names[XM_HOOK_COUNT] = {
#define HOOK(name, text) text,
	XM_HOOKS(HOOK)
#undef HOOK
};

static const enum xm_hook hooks[] = {
	[FROM_POD] = XM_HOOK_FROM_POD,
	[FROM_NET] = XM_HOOK_FROM_NET,
	[FROM_DEV] = XM_HOOK_FROM_DEV,
	[XDP] = XM_HOOK_XDP,
	[TO_POD] = XM_HOOK_TO_POD,
	[EXPLAIN_SOCKET] = XM_HOOK_SOCKET,
};

static bool reached[XM_REASON_COUNT];

size_t rows_unreached(void)
{
	size_t n = 0;

	for (int reason = 0; reason < XM_REASON_COUNT; reason++) {
		if (!reached[reason]) {
			fprintf(stderr, "%s: no row reaches it\n", reason_names[reason]);
			n++;
		}
	}
	return n;
}

static uint32_t row_packets(const struct row *row)
{
	return row->packets ? row->packets : 1;
}

/* How often (hook, reason) is to have moved. */
static uint64_t expected_moves(const struct row *row, int hook, int reason)
{
	if (hook != (int)hooks[row->run.prog])
		return 0;
	if (reason == (int)row->reason)
		return row_packets(row);
	for (size_t i = 0; i < ARRAY_SIZE(row->notes); i++)
		if (row->notes[i].n && reason == (int)row->notes[i].reason)
			return row->notes[i].n;
	return row->note && reason == (int)row->note;
}

static int check_counters(const struct row *row, const struct counters *before,
			  const struct counters *after, size_t len)
{
	int bad = 0;

	for (int hook = 0; hook < XM_HOOK_COUNT; hook++) {
		for (int reason = 0; reason < XM_REASON_COUNT; reason++) {
			const struct xm_counter *b = &before->at[hook][reason];
			const struct xm_counter *a = &after->at[hook][reason];
			uint64_t moved = a->packets - b->packets;
			uint64_t want = expected_moves(row, hook, reason);

			if (moved)
				reached[reason] = true;
			if (moved != want) {
				fprintf(stderr, "counter %s/%s moved by %llu, expected %llu\n",
					hook_names[hook], reason_names[reason],
					(unsigned long long)moved, (unsigned long long)want);
				bad++;
			}
			if (want && reason == (int)row->reason &&
			    a->bytes - b->bytes != len - ETH_HLEN) {
				fprintf(stderr, "counter %s/%s: %llu bytes, expected %zu\n",
					hook_names[hook], reason_names[reason],
					(unsigned long long)(a->bytes - b->bytes), len - ETH_HLEN);
				bad++;
			}
		}
	}
	return bad;
}

static int check_u64(const char *what, uint64_t got, uint64_t want)
{
	if (got == want)
		return 0;
	fprintf(stderr, "%s: %lld, expected %lld\n", what, (long long)got, (long long)want);
	return 1;
}

static int check_addr(const char *what, const struct xm_addr *got, const char *want)
{
	struct xm_addr addr = { 0 };
	char text[INET6_ADDRSTRLEN];

	if (want)
		addr = fix_addr(want);
	if (xm_addr_eq(got, &addr))
		return 0;
	fprintf(stderr, "%s: %s, expected %s\n", what, inet_ntop(AF_INET6, got, text, sizeof(text)),
		want ? want : "::");
	return 1;
}

static int check_peers(const struct row *row, const struct xm_peer_stat *before,
		       const struct xm_peer_stat *after, size_t len)
{
	bool dropped = reason_kinds[row->reason] == XM_KIND_DROP;
	int bad = 0;

	for (uint32_t node = 0; node <= NODE_EAST3; node++) {
		bool moves = node && node == (uint32_t)row->peer;
		bool tx = moves && (row->to_peer || row->run.prog == FROM_POD ||
				    row->reason == XM_FWD_VIP ||
				    /* The entry node, which has made the flow just before. */
				    (row->reason == XM_STACK_TTL && row->note == XM_FLOW_NEW) ||
				    row->reason == XM_ANSWER_TOO_BIG),
		     rx = moves && !tx;
		uint32_t n = row_packets(row);
		const struct xm_peer_stat *a = &after[node], *b = &before[node];

		bad += check_u64("peer tx_packets", a->tx_packets - b->tx_packets, tx ? n : 0);
		bad += check_u64("peer rx_packets", a->rx_packets - b->rx_packets, rx ? n : 0);
		bad += check_u64("peer tx_bytes", a->tx_bytes - b->tx_bytes,
				 tx ? len - ETH_HLEN : 0);
		bad += check_u64("peer rx_bytes", a->rx_bytes - b->rx_bytes,
				 rx ? len - ETH_HLEN : 0);
		bad += check_u64("peer tx_drops", a->tx_drops - b->tx_drops, tx && dropped);
		bad += check_u64("peer rx_drops", a->rx_drops - b->rx_drops, rx && dropped);
		if (bad) {
			fprintf(stderr, "(node %u)\n", node);
			return bad;
		}
	}
	return 0;
}

static int check_events(const struct row *row, const struct events *events)
{
	bool due = reason_kinds[row->reason] == XM_KIND_DROP || row->reason == XM_STACK_TOO_BIG;
	const struct expected_event *want = row->event;
	const struct xm_event *e = &events->at[0];
	int bad;

	if (row->note == XM_EVENTS_LOST)
		due = false;
	bad = check_u64("events", events->n, due);
	if (bad || !due)
		return bad;
	bad += check_u64("event reason", e->reason, row->reason);
	bad += check_u64("event hook", e->hook, hooks[row->run.prog]);
	bad += check_u64("event ifindex", e->ifindex,
			 row->run.prog == XDP ? 1 : fix_ifindex(row->run.in_if));
	if (!want)
		return bad;
	bad += check_u64("event len", e->len, want->len);
	bad += check_u64("event limit", e->limit, want->limit);
	bad += check_u64("event proto", e->proto, want->proto);
	bad += check_u64("event sport", ntohs(e->sport), want->sport);
	bad += check_u64("event dport", ntohs(e->dport), want->dport);
	bad += check_u64("event cluster", e->cluster, want->cluster);
	bad += check_addr("event src", &e->src, want->src);
	bad += check_addr("event dst", &e->dst, want->dst);
	bad += check_addr("event outer_src", &e->outer_src, want->outer_src);
	bad += check_u64("event time is this second",
			 e->time_ns / 1000000000 + 1 >= fix_now_ns() / 1000000000, 1);
	return bad;
}

/* The source port of a tunnel that we send is in the dynamic range (RFC 7348, 5). */
static int check_sport(const struct layer *out, const struct pkt *got)
{
	size_t at = ETH_HLEN + (out[1].kind == L_IP4 ? 20 : 40);
	uint16_t port;

	if (out[2].kind != L_UDP || !out[2].any_sport)
		return 0;
	memcpy(&port, got->b + at, 2);
	return check_u64("outer source port is dynamic", ntohs(port) >= 49152, 1);
}

void row_run(const struct row *row)
{
	static struct pkt in, want;
	static struct outcome outcome;
	static struct counters before, after;
	struct xm_peer_stat peers_before[NODE_EAST3 + 1], peers_after[NODE_EAST3 + 1];
	enum load load = row->run.load;
	struct events events;
	int bad = 0;

	pkt_build(row->in, NULL, &in);
	if (row->config)
		fix_config(load, row->config);
	fix_events(load, &events);
	if (row->before)
		row->before(load);
	fix_counters(load, &before);
	for (uint32_t node = 0; node <= NODE_EAST3; node++)
		fix_peer(load, node, &peers_before[node]);

	fix_run(&row->run, &in, &outcome);

	fix_counters(load, &after);
	for (uint32_t node = 0; node <= NODE_EAST3; node++)
		fix_peer(load, node, &peers_after[node]);
	fix_events(load, &events);
	if (row->config)
		fix_config_default(load);

	bad += check_u64("errno of the run", -outcome.err, 0);
	bad += check_u64("verdict", outcome.verdict, row->verdict);
	bad += check_counters(row, &before, &after, in.len);
	bad += check_peers(row, peers_before, peers_after, in.len);
	bad += check_events(row, &events);
	if (row->out) {
		pkt_build(row->out, &outcome.out, &want);
		bad += check_sport(row->out, &outcome.out);
	} else {
		want = in;
	}
	if (row->verdict != SHOT)
		bad += pkt_differ(&want, &outcome.out);
	if (row->after)
		row->after(load);
	if (bad)
		fail_msg("%s: %d findings above", row->name, bad);
}
