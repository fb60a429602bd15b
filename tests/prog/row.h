/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A test is a row: what goes in, the verdict, the one counter that moves, what comes out. Checked
 * in every row without being written there: no other counter moves (notes apart, which are named),
 * a packet with no `out` is left as it was, the event of a drop or a too-big is there with its
 * reason, hook and interface, and the peer's counters move by the packet, nobody else's.
 */
#ifndef XMESH_TESTS_PROG_ROW_H
#define XMESH_TESTS_PROG_ROW_H

#include <linux/pkt_cls.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fix.h"

#define TO_STACK TC_ACT_UNSPEC
#define REDIRECT TC_ACT_REDIRECT
#define SHOT TC_ACT_SHOT

struct expected_event {
	uint32_t len, limit;
	const char *src, *dst, *outer_src;
	uint16_t sport, dport;
	uint16_t cluster;
	uint8_t proto;
};

struct row {
	const char *name;
	struct run run;
	const struct layer *in;
	int verdict;
	enum xm_reason reason;
	enum xm_reason note;     /* moves by one too; 0 = none does */
	struct {
		enum xm_reason reason;
		uint32_t n;
	} notes[4];              /* and these, by that much */
	uint32_t packets;        /* counted; 1 */
	const struct layer *out; /* NULL = as it came */
	enum node peer;          /* whose counters move; 0 = nobody's */
	bool to_peer;            /* the packet goes there, which the hook and reason do not tell */
	const struct expected_event *event; /* more about the event, where one is due */
	void (*config)(struct xm_config *config);
	void (*before)(enum load load);
	void (*after)(enum load load); /* asserts, puts back */
};

/* Run the row; fails the cmocka test with sentences on stderr. */
void row_run(const struct row *row);

/* Send @layers through @run's program, whatever becomes of it. */
void send_packet(const struct run *run, const struct layer *layers);

/* Reasons that no packet has had yet, named on stderr; the number of those. */
size_t rows_unreached(void);

extern const struct row pod_rows[], net_rows[], native_rows[], dev_rows[], xdp_rows[];
extern const size_t n_pod_rows, n_net_rows, n_native_rows, n_dev_rows, n_xdp_rows;
extern const struct row identity_rows[];
extern const size_t n_identity_rows;
extern const struct row probe_rows[], service_rows[], flow_rows[], vip_rows[];
extern const struct row vip_icmp_rows[], vip_node_rows[];
extern const size_t n_probe_rows, n_service_rows, n_flow_rows, n_vip_rows;
extern const size_t n_vip_icmp_rows, n_vip_node_rows;

extern const struct row latency_rows[];
extern const size_t n_latency_rows;

/* Tests that are no rows: loops over lengths, tables, state. */
extern const struct CMUnitTest loop_tests[];
extern const size_t n_loop_tests;
extern const struct CMUnitTest latency_tests[];
extern const size_t n_latency_tests;
extern const struct CMUnitTest flow_event_tests[];
extern const size_t n_flow_event_tests;
/* Those of tables of their own: appended to @tests, which has @n; returns how many are there then. */
size_t latency_add_tests(struct CMUnitTest *tests, size_t n);
size_t latency_n_tests(void);
extern const struct CMUnitTest dryrun_tests[];
extern const size_t n_dryrun_tests;
extern const struct CMUnitTest memo_tests[];
extern const size_t n_memo_tests;
extern const struct CMUnitTest stack_tests[];
extern const size_t n_stack_tests;

#endif
