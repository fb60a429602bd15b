/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Handshakes as the programs measure them: packets one after the other, then all of xm_latency and
 * the slots in use of xm_syn. Also times of programs. Not for: verdicts and frames, which the other
 * rows have.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/defs.h"
#include "model/latency.h"
#include "plane/latency.h"
#include "service_frames.h"
#include "xmesh/latency.h"

#define STEPS 6
#define COUNTS 2

struct step {
	struct run run;
	const struct layer *in;
	int verdict;
	uint32_t older_s; /* first, what is in xm_syn gets that much older */
	bool collide;     /* first, another connection takes all slots in use */
	bool fill;        /* first, xm_latency gets full, but for entries of service 0 */
	bool sweep;       /* first, the agent sweeps xm_syn */
};

/* An entry of xm_latency; kind HANDSHAKE. cluster 0 = none more. */
struct counts {
	uint16_t cluster;
	uint32_t service;
	uint64_t measured, syns, syn_retries, unmeasured, resets, timeouts;
	uint64_t swept; /* timeouts, by the agent's sweep */
};

struct scenario {
	const char *name;
	struct step steps[STEPS];
	struct counts counts[COUNTS];
	size_t slots; /* of xm_syn that are in use at the end */
};

/* Pod A opens a connection to a pod in the west; what may come back; with the addresses beside. */
#define SYN_SEQ 7000
#define SYN4                                                                                   \
	.run = FROM_A, .verdict = REDIRECT,                                                        \
	.in = PKT(ETH(), IP4(A4, WEST4), TCP(1000, 8080, .flags = T_SYN, .seq = SYN_SEQ))
#define SYN6                                                                                       \
	.run = FROM_A, .verdict = REDIRECT,                                                        \
	.in = PKT(ETH(), IP6(A6, WEST6A), TCP(1000, 8080, .flags = T_SYN, .seq = SYN_SEQ))
#define FROM_UL { .prog = FROM_NET, .in_if = IF_UL }
#define BACK4(f, a)                                                                                \
	.run = FROM_UL, .verdict = REDIRECT,                                                       \
	.in = PKT(IN4(), IP4(WEST4, A4), TCP(8080, 1000, .flags = (f), .ack = (a)))
#define BACK6(f, a)                                                                                \
	.run = FROM_UL, .verdict = REDIRECT,                                                       \
	.in = PKT(IN4(), IP6(WEST6A, A6), TCP(8080, 1000, .flags = (f), .ack = (a)))
#define SYN_ACK (T_SYN | T_ACK)
#define NEXT (SYN_SEQ + 1)
/* The same to the VIP 10.96.0.1, which has that backend. */
#define SYN_VIP                                                                                    \
	.run = FROM_A, .verdict = REDIRECT,                                                        \
	.in = PKT(ETH(), IP4(A4, "10.96.0.1"), TCP(1000, 80, .flags = T_SYN, .seq = SYN_SEQ))
#define SYN_VIP6                                                                                   \
	.run = FROM_A, .verdict = REDIRECT,                                                        \
	.in = PKT(ETH(), IP6(A6, "fd00:96::1"), TCP(1000, 80, .flags = T_SYN, .seq = SYN_SEQ))

/* The agent has swept what is out, after its time. */
#define GIVEN_UP .older_s = XM_SYN_TIMEOUT_S, .sweep = true

static const struct scenario scenarios[] = {
	{ "a handshake is measured, IPv4 in the tunnel",
	  { { SYN4 }, { BACK4(SYN_ACK, NEXT) } },
	  { { 2, .measured = 1, .syns = 1 } }, 1 },
	{ "and IPv6",
	  { { SYN6 }, { BACK6(SYN_ACK, NEXT) } },
	  { { 2, .measured = 1, .syns = 1 } }, 1 },
	{ "a SYN alone is counted once its fate is known",
	  { { SYN4 } }, { { 0 } }, 1 },
	{ "by xmesh0 too",
	  { { SYN4 },
	    { .run = FROM_WEST_DEV, .verdict = REDIRECT,
	      .in = PKT(ETH(), IP4(WEST4, A4),
			TCP(8080, 1000, .flags = SYN_ACK, .ack = NEXT)) } },
	  { { 2, .measured = 1, .syns = 1 } }, 1 },
	{ "native, IPv4",
	  { { .run = FROM_A, .verdict = REDIRECT,
	      .in = PKT(ETH(), IP4(A4, "10.3.0.9"), TCP(1000, 80, .flags = T_SYN, .seq = 5)) },
	    { .run = FROM_UL, .verdict = REDIRECT,
	      .in = PKT(ETH(), IP4("10.3.0.9", A4),
			TCP(80, 1000, .flags = SYN_ACK, .ack = 6)) } },
	  { { 3, .measured = 1, .syns = 1 } }, 1 },
	{ "native, IPv6",
	  { { .run = FROM_A, .verdict = REDIRECT,
	      .in = PKT(ETH(), IP6(A6, "fd00:3::9"), TCP(1000, 80, .flags = T_SYN, .seq = 5)) },
	    { .run = FROM_UL, .verdict = REDIRECT,
	      .in = PKT(ETH(), IP6("fd00:3::9", A6),
			TCP(80, 1000, .flags = SYN_ACK, .ack = 6)) } },
	  { { 3, .measured = 1, .syns = 1 } }, 1 },
	{ "to a peer's node itself, whose address is in no prefix",
	  { { .run = FROM_A, .verdict = REDIRECT,
	      .in = PKT(ETH(), IP4(A4, "192.0.2.3"), TCP(1000, 22, .flags = T_SYN, .seq = 5)) },
	    { .run = FROM_UL, .verdict = REDIRECT,
	      .in = PKT(IN4(), IP4("192.0.2.3", A4),
			TCP(22, 1000, .flags = SYN_ACK, .ack = 6)) } },
	  { { 2, .measured = 1, .syns = 1 } }, 1 },
	{ "of a service, by its number",
	  { { SYN_VIP }, { BACK4(SYN_ACK, NEXT) } },
	  { { 2, 1, .measured = 1, .syns = 1 } }, 1 },
	{ "of a service, IPv6",
	  { { SYN_VIP6 }, { BACK6(SYN_ACK, NEXT) } },
	  { { 2, 1, .measured = 1, .syns = 1 } }, 1 },
	{ "of a service, whose flow is there already",
	  { { SYN_VIP }, { SYN_VIP }, { BACK4(SYN_ACK, NEXT) } },
	  { { 2, 1, .unmeasured = 1, .syns = 1, .syn_retries = 1 } }, 1 },
	{ "a service's backend on this node counts for our own cluster",
	  { { .run = FROM_A, .verdict = REDIRECT,
	      .in = PKT(ETH(), IP4(A4, "10.96.0.2"),
			TCP(1000, 80, .flags = T_SYN, .seq = SYN_SEQ)) },
	    { .run = FROM_B, .verdict = REDIRECT,
	      .in = PKT(ETH(), IP4(B4, A4),
			TCP(8080, 1000, .flags = SYN_ACK, .ack = NEXT)) } },
	  { { 1, 1, .measured = 1, .syns = 1 } }, 1 },
	{ "as one that the kernel's own route leads to, and whose answer the stack brings",
	  { { .run = FROM_A, .verdict = TO_STACK,
	      .in = PKT(ETH(), IP4(A4, "10.96.0.4"),
			TCP(1000, 80, .flags = T_SYN, .seq = SYN_SEQ)) },
	    { .run = TO_POD_A, .verdict = TO_STACK,
	      .in = PKT(ETH(), IP4("10.1.2.9", A4),
			TCP(8080, 1000, .flags = SYN_ACK, .ack = NEXT)) } },
	  { { 1, 1, .measured = 1, .syns = 1 } }, 1 },
	{ "between pods of this node without a service nothing is noted",
	  { { .run = FROM_A, .verdict = REDIRECT,
	      .in = PKT(ETH(), IP4(A4, B4), TCP(1000, 8080, .flags = T_SYN, .seq = SYN_SEQ)) },
	    { .run = FROM_B, .verdict = REDIRECT,
	      .in = PKT(ETH(), IP4(B4, A4),
			TCP(8080, 1000, .flags = SYN_ACK, .ack = NEXT)) } },
	  { { 0 } }, 0 },
	{ "a pod whose path is the stack is measured where the stack brings the answer",
	  { { .run = { .prog = FROM_POD, .in_if = IF_STACK }, .verdict = TO_STACK,
	      .in = PKT(ETH(), IP4("10.1.0.4", WEST4),
			TCP(1000, 8080, .flags = T_SYN, .seq = SYN_SEQ)) },
	    { .run = FROM_WEST_DEV, .verdict = TO_STACK,
	      .in = PKT(ETH(), IP4(WEST4, "10.1.0.4"),
			TCP(8080, 1000, .flags = SYN_ACK, .ack = NEXT)) },
	    { .run = { .prog = TO_POD, .in_if = IF_STACK }, .verdict = TO_STACK,
	      .in = PKT(ETH(), IP4(WEST4, "10.1.0.4"),
			TCP(8080, 1000, .flags = SYN_ACK, .ack = NEXT)) } },
	  { { 2, .measured = 1, .syns = 1 } }, 1 },
	{ "a SYN that the kernel refuses was not sent: its TTL is over",
	  { { .run = FROM_A, .verdict = TO_STACK,
	      .in = PKT(ETH(), IP4(A4, WEST4, .ttl = 1), TCP(1000, 8080, .flags = T_SYN)) } },
	  { { 0 } }, 0 },
	{ "nor one that is too large",
	  { { .run = FROM_A, .verdict = TO_STACK,
	      .in = PKT(ETH(), IP4(A4, WEST4, .df = true), TCP(1000, 8080, .flags = T_SYN),
			DATA(1430)) } },
	  { { 0 } }, 0 },
	{ "nor one in another's name",
	  { { .run = FROM_A, .verdict = SHOT,
	      .in = PKT(ETH(), IP4(B4, WEST4), TCP(1000, 8080, .flags = T_SYN)) } },
	  { { 0 } }, 0 },
	{ "nor one that is refused because nobody serves",
	  { { .run = FROM_A, .verdict = REDIRECT,
	      .in = PKT(ETH(), IP4(A4, "10.96.0.5"), TCP(1000, 80, .flags = T_SYN)) } },
	  { { 0 } }, 0 },
	{ "a SYN to somebody outside of the mesh",
	  { { .run = FROM_A, .verdict = TO_STACK,
	      .in = PKT(ETH(), IP4(A4, "198.51.100.7"), TCP(1000, 80, .flags = T_SYN)) },
	    { .run = TO_POD_A, .verdict = TO_STACK,
	      .in = PKT(ETH(), IP4("198.51.100.7", A4),
			TCP(80, 1000, .flags = SYN_ACK, .ack = 1)) } },
	  { { 0 } }, 0 },
	{ "on the side of the server nothing is noted",
	  { { BACK4(T_SYN, 0) },
	    { .run = FROM_A, .verdict = REDIRECT,
	      .in = PKT(ETH(), IP4(A4, WEST4),
			TCP(1000, 8080, .flags = SYN_ACK, .seq = SYN_SEQ, .ack = 1)) } },
	  { { 0 } }, 0 },
	{ "a repeated SYN: a retry, and no time for its answer",
	  { { SYN4 }, { SYN4 }, { SYN4 }, { BACK4(SYN_ACK, NEXT) } },
	  { { 2, .syns = 1, .syn_retries = 2, .unmeasured = 1 } }, 1 },
	{ "a repeated SYN-ACK is not counted again",
	  { { SYN4 }, { BACK4(SYN_ACK, NEXT) }, { BACK4(SYN_ACK, NEXT) } },
	  { { 2, .measured = 1, .syns = 1 } }, 1 },
	{ "nor after a retry",
	  { { SYN4 }, { SYN4 }, { BACK4(SYN_ACK, NEXT) }, { BACK4(SYN_ACK, NEXT) } },
	  { { 2, .syns = 1, .syn_retries = 1, .unmeasured = 1 } }, 1 },
	{ "nor a SYN that comes behind its SYN-ACK",
	  { { SYN4 }, { BACK4(SYN_ACK, NEXT) }, { SYN4 }, { BACK4(SYN_ACK, NEXT) } },
	  { { 2, .measured = 1, .syns = 1 } }, 1 },
	{ "a SYN that timed out and is repeated is a retry, not a new connection",
	  { { SYN4 }, { SYN4, GIVEN_UP }, { SYN4 }, { SYN4, GIVEN_UP } },
	  { { 2, .syn_retries = 3, .swept = 1 } }, 1 },
	{ "answered late after all: a connection without a time, counted once",
	  { { SYN4 }, { SYN4, GIVEN_UP }, { BACK4(SYN_ACK, NEXT) }, { BACK4(SYN_ACK, NEXT) } },
	  { { 2, .syn_retries = 1, .unmeasured = 1, .swept = 1 } }, 1 },
	{ "and by the answer to its first SYN, of a service too",
	  { { SYN_VIP }, { BACK4(SYN_ACK, NEXT), GIVEN_UP } },
	  { { 2, 1, .unmeasured = 1, .swept = 1 } }, 1 },
	{ "reset late: it was counted as a timeout",
	  { { SYN4 }, { SYN4, GIVEN_UP }, { BACK4(T_RST | T_ACK, NEXT) }, { BACK4(SYN_ACK, NEXT) } },
	  { { 2, .syn_retries = 1, .swept = 1 } }, 1 },
	{ "its slot is another's for the asking, and nothing more is counted of it",
	  { { SYN4 }, { SYN4, GIVEN_UP }, { SYN4, .collide = true, .older_s = XM_SYN_TIMEOUT_S },
	    { BACK4(SYN_ACK, NEXT) } },
	  { { 2, .syns = 1, .syn_retries = 1, .measured = 1, .swept = 1 } }, 1 },
	{ "the same ports with another sequence number: another connection",
	  { { SYN4 }, { BACK4(SYN_ACK, NEXT) },
	    { .run = FROM_A, .verdict = REDIRECT,
	      .in = PKT(ETH(), IP4(A4, WEST4), TCP(1000, 8080, .flags = T_SYN, .seq = 9000)) },
	    { BACK4(SYN_ACK, 9001) } },
	  { { 2, .measured = 2, .syns = 2 } }, 2 },
	{ "a SYN-ACK of which nothing is known is unmeasured",
	  { { BACK4(SYN_ACK, NEXT) } }, { { 2, .unmeasured = 1 } }, 0 },
	{ "one that the stack brings too",
	  { { .run = TO_POD_A, .verdict = TO_STACK,
	      .in = PKT(ETH(), IP4(WEST4, A4),
			TCP(8080, 1000, .flags = SYN_ACK, .ack = NEXT)) } },
	  { { 2, .unmeasured = 1 } }, 0 },
	{ "a slot that another connection took: unmeasured",
	  { { SYN4 }, { BACK4(SYN_ACK, NEXT), .collide = true } },
	  { { 2, .unmeasured = 1 } }, 1 },
	{ "of a service, by its flow",
	  { { SYN_VIP }, { BACK4(SYN_ACK, NEXT), .collide = true } },
	  { { 2, 1, .unmeasured = 1 } }, 1 },
	{ "of a service on this node, by its flow",
	  { { .run = FROM_A, .verdict = REDIRECT,
	      .in = PKT(ETH(), IP4(A4, "10.96.0.2"),
			TCP(1000, 80, .flags = T_SYN, .seq = SYN_SEQ)) },
	    { .run = FROM_B, .verdict = REDIRECT, .collide = true,
	      .in = PKT(ETH(), IP4(B4, A4),
			TCP(8080, 1000, .flags = SYN_ACK, .ack = NEXT)) } },
	  { { 1, 1, .unmeasured = 1 } }, 1 },
	{ "the SYN takes a slot of another connection",
	  { { SYN4 }, { SYN4, .collide = true }, { BACK4(SYN_ACK, NEXT) } },
	  { { 2, .syns = 2, .measured = 1 } }, 1 },
	{ "and one whose time was over long ago is counted for that",
	  { { SYN4 }, { SYN4, .collide = true, .older_s = XM_SYN_TIMEOUT_S },
	    { BACK4(SYN_ACK, NEXT) } },
	  { { 2, .syns = 2, .measured = 1, .timeouts = 1 } }, 1 },
	{ "not when it was answered",
	  { { SYN4 }, { BACK4(SYN_ACK, NEXT) },
	    { SYN4, .collide = true, .older_s = XM_SYN_TIMEOUT_S } },
	  { { 2, .syns = 1, .measured = 1 } }, 1 },
	{ "nor before its time is over",
	  { { SYN4 }, { SYN4, .collide = true, .older_s = XM_SYN_TIMEOUT_S - 1 } },
	  { { 2, .syns = 1 } }, 1 },
	{ "a reset in answer to a SYN",
	  { { SYN4 }, { BACK4(T_RST | T_ACK, NEXT) } },
	  { { 2, .syns = 1, .resets = 1 } }, 1 },
	{ "of a service",
	  { { SYN_VIP6 }, { BACK6(T_RST | T_ACK, NEXT) } },
	  { { 2, 1, .syns = 1, .resets = 1 } }, 1 },
	{ "in answer to its repetition",
	  { { SYN4 }, { SYN4 }, { BACK4(T_RST | T_ACK, NEXT) } },
	  { { 2, .syns = 1, .syn_retries = 1, .resets = 1 } }, 1 },
	{ "a reset is counted once",
	  { { SYN4 }, { BACK4(T_RST | T_ACK, NEXT) }, { BACK4(T_RST | T_ACK, NEXT) } },
	  { { 2, .syns = 1, .resets = 1 } }, 1 },
	{ "a reset of what is established is none of these",
	  { { SYN4 }, { BACK4(SYN_ACK, NEXT) }, { BACK4(T_RST | T_ACK, NEXT) },
	    { BACK4(T_RST, 0) } },
	  { { 2, .measured = 1, .syns = 1 } }, 1 },
	{ "nor is one that nobody knows",
	  { { BACK4(T_RST | T_ACK, NEXT) } }, { { 0 } }, 0 },
	{ "data is neither",
	  { { SYN4 }, { BACK4(T_ACK, NEXT) } }, { { 0 } }, 1 },
	{ "two clusters are told apart",
	  { { SYN4 }, { BACK4(SYN_ACK, NEXT) },
	    { .run = FROM_A, .verdict = REDIRECT,
	      .in = PKT(ETH(), IP4(A4, "10.3.0.9"), TCP(1000, 80, .flags = T_SYN, .seq = 5)) },
	    { .run = FROM_UL, .verdict = REDIRECT,
	      .in = PKT(ETH(), IP4("10.3.0.9", A4),
			TCP(80, 1000, .flags = T_RST | T_ACK, .ack = 6)) } },
	  { { 2, .measured = 1, .syns = 1 }, { 3, .syns = 1, .resets = 1 } }, 2 },
	{ "where there is no room for a service, its cluster counts",
	  { { SYN_VIP }, { BACK4(SYN_ACK, NEXT), .fill = true } },
	  { { 2, .measured = 1, .syns = 1 } }, 1 },
};

/* ---- the maps ---- */

static int cpus(void)
{
	int n = libbpf_num_possible_cpus();

	assert_true(n > 0 && n <= 256);
	return n;
}

static struct xm_syn *slots_of(enum load load)
{
	static struct xm_syn *slots[LOAD_COUNT];

	if (!slots[load]) {
		slots[load] = mmap(NULL, XM_SYN_SLOTS * sizeof(struct xm_syn),
				   PROT_READ | PROT_WRITE, MAP_SHARED, fix_map(load, "xm_syn"), 0);
		assert_ptr_not_equal(slots[load], MAP_FAILED);
	}
	return slots[load];
}

static void forget(enum load load)
{
	int latency = fix_map(load, "xm_latency");
	struct xm_latency_key key;

	while (!bpf_map_get_next_key(latency, NULL, &key))
		assert_int_equal(bpf_map_delete_elem(latency, &key), 0);
	while (!bpf_map_get_next_key(fix_map(load, "xm_syn_timeouts"), NULL, &key))
		assert_int_equal(bpf_map_delete_elem(fix_map(load, "xm_syn_timeouts"), &key), 0);
	memset(slots_of(load), 0, XM_SYN_SLOTS * sizeof(struct xm_syn));
}

static void sweep(enum load load)
{
	struct plane plane = { .dir = "prog" };
	struct err err;
	size_t n;

	plane.map_fd[PLANE_xm_syn] = fix_map(load, "xm_syn");
	plane.map_fd[PLANE_xm_syn_timeouts] = fix_map(load, "xm_syn_timeouts");
	assert_int_equal(latency_sweep_syns(&plane, fix_now_ns(), &n, &err), 0);
}

/* Change every slot in use as @step asks; the number of those. */
static size_t change_slots(enum load load, const struct step *step)
{
	struct xm_syn *e = slots_of(load), *end = e + XM_SYN_SLOTS;
	size_t n = 0;

	for (; e < end; e++) {
		if (e->state == XM_SYN_FREE)
			continue;
		n++;
		if (!step)
			continue;
		e->sent_ns -= step->older_s * 1000000000ull;
		e->tag ^= step->collide ? 0x100 : 0;
	}
	return n;
}

/* Entries of nobody, until there is room for none; service 0 of cluster 2 is there. */
static void fill_latency(enum load load)
{
	int map = fix_map(load, "xm_latency");
	struct xm_latency *value = calloc(cpus(), sizeof(*value));
	uint64_t deadline = fix_now_ns() + 20000000000ull;
	struct xm_latency_key key = { .cluster = 2 };

	assert_non_null(value);
	for (;;) {
		if (!bpf_map_update_elem(map, &key, value, BPF_ANY)) {
			key.cluster = 7;
			key.service++;
		} else if (errno == E2BIG) {
			break;
		} else {
			/* The kernel's own reserve of memory is refilled a little later. */
			assert_int_equal(errno, ENOMEM);
			assert_true(fix_now_ns() < deadline);
			sched_yield();
		}
	}
	assert_int_equal(key.service, XM_MAX_LATENCY);
	free(value);
}

static void read_latency(enum load load, const struct xm_latency_key *key,
			 struct xm_latency *ret_sum)
{
	struct xm_latency *values = calloc(cpus(), sizeof(*values));

	assert_non_null(values);
	memset(ret_sum, 0, sizeof(*ret_sum));
	assert_int_equal(bpf_map_lookup_elem(fix_map(load, "xm_latency"), key, values), 0);
	for (int i = 0; i < cpus(); i++) {
		hist_add(&ret_sum->hist, &values[i].hist);
		ret_sum->syns += values[i].syns;
		ret_sum->syn_retries += values[i].syn_retries;
		ret_sum->unmeasured += values[i].unmeasured;
		ret_sum->resets += values[i].resets;
		ret_sum->timeouts += values[i].timeouts;
	}
	free(values);
}

static int check(const char *what, uint64_t got, uint64_t want)
{
	if (got == want)
		return 0;
	fprintf(stderr, "%s: %llu, expected %llu\n", what, (unsigned long long)got,
		(unsigned long long)want);
	return 1;
}

static int check_counts(enum load load, const struct counts *want, uint64_t took_ns)
{
	struct xm_latency_key key = { .cluster = want->cluster, .service = want->service,
				      .kind = XM_LATENCY_HANDSHAKE };
	uint64_t swept = 0;
	struct xm_latency l;
	int bad = 0;

	read_latency(load, &key, &l);
	bpf_map_lookup_elem(fix_map(load, "xm_syn_timeouts"), &key, &swept);
	bad += check("timeouts of the sweep", swept, want->swept);
	bad += check("measured", hist_count(&l.hist), want->measured);
	bad += check("syns", l.syns, want->syns);
	bad += check("syn_retries", l.syn_retries, want->syn_retries);
	bad += check("unmeasured", l.unmeasured, want->unmeasured);
	bad += check("resets", l.resets, want->resets);
	bad += check("timeouts", l.timeouts, want->timeouts);
	/* Longer than nothing, and no longer than the whole scenario took. */
	bad += check("there is a time where one was measured", !!l.hist.sum_ns, !!want->measured);
	bad += check("the time is one of this test", l.hist.sum_ns <= took_ns, 1);
	return bad;
}

static void run_scenario(void **state)
{
	const struct scenario *sc = *state;
	struct xm_latency_key key, *at = NULL;
	uint64_t began = fix_now_ns();
	static struct outcome outcome;
	static struct pkt in;
	size_t n = 0, want = 0;
	bool filled = false;
	int bad = 0;

	fix_services_default(LOAD_FULL);
	forget(LOAD_FULL);
	for (size_t i = 0; i < STEPS && sc->steps[i].in; i++) {
		const struct step *step = &sc->steps[i];

		if (step->collide || step->older_s)
			change_slots(LOAD_FULL, step);
		if (step->sweep)
			sweep(LOAD_FULL);
		if (step->fill)
			fill_latency(LOAD_FULL);
		filled = filled || step->fill;
		pkt_build(step->in, NULL, &in);
		fix_run(&step->run, &in, &outcome);
		bad += check("error of the run", -outcome.err, 0);
		bad += check("verdict", outcome.verdict, step->verdict);
	}
	for (; want < COUNTS && sc->counts[want].cluster; want++)
		bad += check_counts(LOAD_FULL, &sc->counts[want], fix_now_ns() - began);
	while (!bpf_map_get_next_key(fix_map(LOAD_FULL, "xm_latency"), at, &key)) {
		at = &key;
		n++;
	}
	bad += check("entries of xm_latency", n, filled ? XM_MAX_LATENCY : want);
	bad += check("slots of xm_syn in use", change_slots(LOAD_FULL, NULL), sc->slots);
	forget(LOAD_FULL);
	if (bad)
		fail_msg("%s: %d findings above", sc->name, bad);
}

static void full(enum load load)
{
	const struct step syn = { SYN_VIP };

	fix_services_default(load);
	forget(load);
	send_packet(&syn.run, PKT(ETH(), IP4(A4, "10.96.0.1"), TCP(1000, 80, .flags = T_SYN)));
	fill_latency(load);
}

const struct row latency_rows[] = {
	{ "no room for a service in xm_latency is counted", FROM_A,
	  PKT(ETH(), IP4(A4, "10.96.0.1"), TCP(1000, 80, .flags = T_SYN)), TO_WEST,
	  .notes = { { XM_TRANSLATED, 1 }, { XM_LATENCY_FULL, 1 } }, .before = full,
	  .after = forget,
	  .out = PKT(OUT4(), IP4(A4, WEST4, .ttl = 63), TCP(1000, 8080, .flags = T_SYN)) },
};
const size_t n_latency_rows = ARRAY_SIZE(latency_rows);

/* ---- how long it took ---- */

static void test_time_is_that_between_the_two(void **state)
{
	const struct step old = { .older_s = 2 }, syn = { SYN4 }, back = { BACK4(SYN_ACK, NEXT) };
	const struct xm_latency_key key = { .cluster = 2 };
	static struct outcome outcome;
	static struct pkt in;
	struct xm_latency l;

	fix_services_default(LOAD_FULL);
	forget(LOAD_FULL);
	pkt_build(syn.in, NULL, &in);
	fix_run(&syn.run, &in, &outcome);
	change_slots(LOAD_FULL, &old);
	pkt_build(back.in, NULL, &in);
	fix_run(&back.run, &in, &outcome);
	read_latency(LOAD_FULL, &key, &l);
	assert_in_range(l.hist.sum_ns, 2000000000ull, 3000000000ull);
	assert_int_equal(l.hist.buckets[xm_hist_bucket(l.hist.sum_ns)], 1);
	forget(LOAD_FULL);
}

static void test_times_of_programs(void **state)
{
	const struct step syn = { SYN4 };
	const uint32_t hook = XM_HOOK_FROM_POD;
	struct xm_hist *values = calloc(cpus(), sizeof(*values)), sum = { 0 };
	int map = fix_map(LOAD_FULL, "xm_program_time");
	static struct outcome outcome;
	static struct pkt in;

	assert_non_null(values);
	assert_int_equal(bpf_map_update_elem(map, &hook, values, BPF_ANY), 0);
	pkt_build(syn.in, NULL, &in);
	for (int i = 0; i < 2 * XM_SAMPLE_EVERY * cpus(); i++)
		fix_run(&syn.run, &in, &outcome);
	assert_int_equal(bpf_map_lookup_elem(map, &hook, values), 0);
	for (int i = 0; i < cpus(); i++)
		hist_add(&sum, &values[i]);
	/* Wherever they ran: at least so many of each CPU's are beyond a whole round. */
	assert_in_range(hist_count(&sum), cpus(), 2 * cpus());
	assert_in_range(sum.sum_ns / hist_count(&sum), 50, 1000000);
	free(values);
	forget(LOAD_FULL);
}

#define SCENARIOS ARRAY_SIZE(scenarios)

const struct CMUnitTest latency_tests[] = {
	{ "a handshake took what lies between its packets", test_time_is_that_between_the_two, NULL,
	  NULL, NULL },
	{ "one packet in so many is timed", test_times_of_programs, NULL, NULL, NULL },
};
const size_t n_latency_tests = ARRAY_SIZE(latency_tests);

size_t latency_add_tests(struct CMUnitTest *tests, size_t n)
{
	for (size_t i = 0; i < SCENARIOS; i++)
		tests[n++] = (struct CMUnitTest){ scenarios[i].name, run_scenario, NULL, NULL,
						  (void *)&scenarios[i] };
	return n;
}

size_t latency_n_tests(void)
{
	return SCENARIOS;
}
