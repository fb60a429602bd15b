/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Prometheus text: escaping, cumulative buckets, and how many series there are at most. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/metrics.h"
#include "model/latency.h"
#include "plane/latency.h"

static void labels_are_escaped(void **state)
{
	struct metrics_text t = { 0 };
	char *text;

	metrics_text_family(&t, "xmesh_a", "gauge", "What it is.");
	metrics_text_count(&t, "", (const char *const[]){ "l", "a\\b\"c\nd", "m", "", NULL }, UINT64_MAX);
	metrics_text_real(&t, "", NULL, 0.5);
	text = metrics_text_end(&t, NULL);
	assert_string_equal(text, "# HELP xmesh_a What it is.\n# TYPE xmesh_a gauge\n"
				  "xmesh_a{l=\"a\\\\b\\\"c\\nd\",m=\"\"} 18446744073709551615\nxmesh_a 0.5\n");
	free(text);
}

static uint64_t value_of(const char *text, const char *head)
{
	const char *at = strstr(text, head);

	assert_non_null(at);
	return strtoull(at + strlen(head), NULL, 10);
}

static void buckets_are_cumulative(void **state)
{
	struct metrics_text t = { 0 };
	struct xm_hist hist = { 0 };
	uint64_t before = 0;
	size_t n = 0;
	char *text;

	/* One value in each bucket: below 1 us one, below 2 us four more, and so on; one is above all. */
	for (unsigned int i = 0; i < XM_HIST_BUCKETS; i++)
		hist.buckets[i] = 1;
	hist.sum_ns = 1000000001;
	metrics_text_family(&t, "h", "histogram", "H.");
	metrics_text_hist(&t, (const char *const[]){ "a", "b", NULL }, &hist);
	text = metrics_text_end(&t, NULL);
	assert_int_equal(value_of(text, "h_bucket{a=\"b\",le=\"1e-06\"} "), 1);
	assert_int_equal(value_of(text, "h_bucket{a=\"b\",le=\"2e-06\"} "), 5);
	assert_int_equal(value_of(text, "h_bucket{a=\"b\",le=\"16.777216\"} "), XM_HIST_BUCKETS - 1);
	assert_int_equal(value_of(text, "h_bucket{a=\"b\",le=\"+Inf\"} "), XM_HIST_BUCKETS);
	assert_int_equal(value_of(text, "h_count{a=\"b\"} "), XM_HIST_BUCKETS);
	assert_non_null(strstr(text, "h_sum{a=\"b\"} 1.000000001\n"));
	for (const char *at = text; (at = strstr(at, "h_bucket")); at++, n++) {
		uint64_t count = strtoull(strstr(at, "\"} ") + 3, NULL, 10);

		assert_true(count >= before);
		before = count;
	}
	assert_int_equal(n, METRICS_TEXT_BUCKETS + 1);
	free(text);
}

static void bounds_are_those_of_the_octaves(void **state)
{
	struct metrics_text t = { 0 };
	struct xm_hist hist = { 0 };
	char *text;

	/* 1.024 ms lies not below 2^10 us but in the next. */
	hist_record(&hist, 1024000);
	hist_record(&hist, 1023999);
	metrics_text_family(&t, "h", "histogram", "H.");
	metrics_text_hist(&t, NULL, &hist);
	text = metrics_text_end(&t, NULL);
	assert_int_equal(value_of(text, "h_bucket{le=\"0.000512\"} "), 0);
	assert_int_equal(value_of(text, "h_bucket{le=\"0.001024\"} "), 1);
	assert_int_equal(value_of(text, "h_bucket{le=\"0.002048\"} "), 2);
	free(text);
}

#define CLUSTERS 4
#define SERVICES 1000

static size_t occurrences(const char *text, const char *what)
{
	size_t n = 0;

	for (; (text = strstr(text, what)); text++)
		n++;
	return n;
}

/* Nothing is lost beyond the limit: the sum over all series is that of all entries. */
static void services_beyond_the_limit_are_other(void **state)
{
	static struct metrics_cluster clusters[CLUSTERS];
	struct metrics_names names = { .clusters = clusters, .n_clusters = CLUSTERS, .n_services = SERVICES + 1 };
	struct latency_entry *entries = calloc(CLUSTERS * SERVICES, sizeof(*entries));
	struct metrics_text t = { 0 };
	uint64_t sum = 0;
	size_t n = 0;
	char *text;

	names.services = calloc(SERVICES + 1, sizeof(*names.services));
	for (unsigned int c = 0; c < CLUSTERS; c++) {
		clusters[c].id = (uint16_t)(c + 1);
		snprintf(clusters[c].cluster.name, sizeof(clusters[c].cluster.name), "c%u", c);
		for (unsigned int s = 0; s < SERVICES; s++) {
			struct latency_entry *e = &entries[n++];

			e->key.cluster = clusters[c].id;
			e->key.service = s + 1;
			hist_record(&e->value.hist, 1000000);
			snprintf(names.services[s + 1], sizeof(names.services[0]), "ns/s%u", s + 1);
		}
	}
	assert_int_equal(metrics_latency(&t, &names, entries, n, NULL, 0), 0);
	text = metrics_text_end(&t, NULL);
	assert_int_equal(occurrences(text, "xmesh_rtt_seconds_count{"), METRICS_MAX_SERVICE_SERIES + CLUSTERS);
	assert_int_equal(occurrences(text, "xmesh_rtt_seconds_count{cluster=\"c1\",service=\"other\""), 1);
	assert_int_equal(value_of(text, "\nxmesh_rtt_series_dropped "),
			 CLUSTERS * SERVICES - METRICS_MAX_SERVICE_SERIES);
	for (const char *at = text; (at = strstr(at, "xmesh_handshakes_total{")); at++)
		sum += strtoull(strstr(at, "} ") + 2, NULL, 10);
	assert_int_equal(sum, CLUSTERS * SERVICES);
	free(text);
	free(entries);
	free(names.services);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{ "labels are escaped, and numbers exact to 64 bits", labels_are_escaped, NULL, NULL, NULL },
		{ "buckets are cumulative, the last is the count", buckets_are_cumulative, NULL, NULL, NULL },
		{ "bounds are those of the octaves", bounds_are_those_of_the_octaves, NULL, NULL, NULL },
		{ "services beyond the limit are other", services_beyond_the_limit_are_other, NULL, NULL, NULL },
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
