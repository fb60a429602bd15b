/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What came between two reads of the latency maps, by cluster and by service. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "agent/rtt.h"
#include "core/defs.h"
#include "model/latency.h"

#define MS 1000000ull

static struct latency_entry entry(uint8_t kind, uint16_t cluster, uint32_t service, uint64_t ns, int n)
{
	struct latency_entry e = { .key = { .service = service, .cluster = cluster, .kind = kind } };

	for (int i = 0; i < n; i++)
		hist_record(&e.value.hist, ns);
	e.value.syns = n;
	return e;
}

static struct latency_probe probe(uint32_t node, uint64_t ns, int n)
{
	struct latency_probe p = { .node = node };

	for (int i = 0; i < n; i++)
		hist_record(&p.stat.hist, ns);
	return p;
}

static void assert_near(uint64_t ns, uint64_t want)
{
	assert_in_range(ns, want - want / 8, want + want / 8);
}

static uint16_t node_clusters[XM_MAX_NODES + 1];

static void the_first_counts_whole(void **state)
{
	struct latency_entry e[] = { entry(XM_LATENCY_HANDSHAKE, 2, 0, 5 * MS, 3),
				     entry(XM_LATENCY_HANDSHAKE, 2, 7, 5 * MS, 4),
				     entry(XM_LATENCY_SRTT, 2, 7, 500 * MS, 9) };
	struct latency_probe p[] = { probe(20, 3 * MS, 5), probe(21, 3 * MS, 5), probe(30, 9 * MS, 5) };
	const struct rtt_read now = { e, 3, p, 3 }, none = { 0 };
	struct rtt_delta delta;

	node_clusters[20] = node_clusters[21] = 2;
	node_clusters[30] = 1;
	e[1].value.syn_retries = 1;
	e[1].value.resets = 2;
	e[1].value.timeouts = 4;
	assert_int_equal(rtt_since(&now, &none, node_clusters, &delta), 0);
	assert_int_equal(delta.n_clusters, 2);
	assert_int_equal(delta.clusters[0].cluster, 1);
	assert_int_equal(delta.clusters[0].handshake_ns, 0);
	assert_near(delta.clusters[0].probe_ns, 9 * MS);
	assert_int_equal(delta.clusters[1].cluster, 2);
	assert_near(delta.clusters[1].handshake_ns, 5 * MS);
	assert_near(delta.clusters[1].probe_ns, 3 * MS);
	/* Of no service: nothing that a service could be left for. */
	assert_int_equal(delta.n_services, 1);
	assert_int_equal(delta.services[0].cluster, 2);
	assert_int_equal(delta.services[0].service, 7);
	assert_int_equal(delta.services[0].handshakes, 4);
	assert_int_equal(delta.services[0].wrong, 7);
	rtt_delta_done(&delta);
}

static void only_what_is_new_counts(void **state)
{
	struct latency_entry before[] = { entry(XM_LATENCY_HANDSHAKE, 1, 9, 1 * MS, 1),
					  entry(XM_LATENCY_HANDSHAKE, 2, 7, 100 * MS, 50) };
	struct latency_entry now[] = { before[1], entry(XM_LATENCY_HANDSHAKE, 2, 8, 2 * MS, 1) };
	struct latency_probe p[] = { probe(20, 3 * MS, 5) };
	struct latency_probe q[] = { p[0], probe(5, 3 * MS, 5) };
	const struct rtt_read a = { before, 2, p, 1 }, b = { now, 2, q, 2 };
	struct rtt_delta delta;

	for (int i = 0; i < 3; i++)
		hist_record(&now[0].value.hist, 2 * MS);
	now[0].value.syns += 5;
	now[0].value.resets += 1;
	node_clusters[20] = 2;
	assert_int_equal(rtt_since(&b, &a, node_clusters, &delta), 0);
	/* Node 5 is of no cluster, and of node 20 nothing came. */
	assert_int_equal(delta.n_clusters, 1);
	assert_near(delta.clusters[0].handshake_ns, 2 * MS);
	assert_int_equal(delta.clusters[0].probe_ns, 0);
	assert_int_equal(delta.n_services, 2);
	assert_int_equal(delta.services[0].handshakes, 5);
	assert_int_equal(delta.services[0].wrong, 1);
	assert_int_equal(delta.services[1].service, 8);
	rtt_delta_done(&delta);
}

static void nothing_new_is_nothing(void **state)
{
	struct latency_entry e[] = { entry(XM_LATENCY_HANDSHAKE, 2, 7, 5 * MS, 3) };
	const struct rtt_read a = { e, 1, NULL, 0 };
	struct rtt_delta delta;

	assert_int_equal(rtt_since(&a, &a, node_clusters, &delta), 0);
	assert_int_equal(delta.n_services, 0);
	assert_int_equal(delta.n_clusters, 1);
	assert_int_equal(delta.clusters[0].handshake_ns, 0);
	rtt_delta_done(&delta);
}

/* An entry was forgotten, and made anew since. */
static void an_entry_that_began_anew_counts_whole(void **state)
{
	struct latency_entry before[] = { entry(XM_LATENCY_HANDSHAKE, 2, 7, 5 * MS, 30) };
	struct latency_entry now[] = { entry(XM_LATENCY_HANDSHAKE, 2, 7, 5 * MS, 4) };
	const struct rtt_read a = { before, 1, NULL, 0 }, b = { now, 1, NULL, 0 };
	struct rtt_delta delta;

	before[0].value.resets = 9;
	now[0].value.resets = 2;
	assert_int_equal(rtt_since(&b, &a, node_clusters, &delta), 0);
	assert_int_equal(delta.services[0].handshakes, 4);
	assert_int_equal(delta.services[0].wrong, 2);
	rtt_delta_done(&delta);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{ "a first read counts whole: sums by cluster, failures by service", the_first_counts_whole, NULL, NULL, NULL },
		{ "only what is new since the last read counts", only_what_is_new_counts, NULL, NULL, NULL },
		{ "nothing new is nothing measured", nothing_new_is_nothing, NULL, NULL, NULL },
		{ "an entry that began anew counts whole", an_entry_that_began_anew_counts_whole, NULL, NULL, NULL },
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
