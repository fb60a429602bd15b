/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Differences of samples, groups by cluster and service, and what people read of them. */
#include "../core/rows.h"

#include "cli/latencyview.h"
#include "core/defs.h"
#include "model/latency.h"

static struct latency_entry entry(uint8_t kind, uint16_t cluster, uint32_t service, int n, uint64_t ns)
{
	struct latency_entry e = { .key = { .kind = kind, .cluster = cluster, .service = service } };

	for (int i = 0; i < n; i++)
		hist_record(&e.value.hist, ns);
	if (kind == XM_LATENCY_HANDSHAKE)
		e.value.syns = n;
	return e;
}

/* Nodes 10 to 19 are of cluster 1 and so on; others are not known. */
static uint16_t cluster_of(void *user, uint32_t node)
{
	return node < 100 ? node / 10 : 0;
}

static const char *name(void *user, uint32_t id)
{
	return id == 1 ? "east" : "we\033st";
}

static void differences(void **state)
{
	struct latency_entry old[] = { entry(XM_LATENCY_HANDSHAKE, 1, 0, 3, 2000), entry(XM_LATENCY_SRTT, 2, 7, 5, 2000) };
	struct latency_entry new[] = { entry(XM_LATENCY_HANDSHAKE, 1, 0, 10, 2000), entry(XM_LATENCY_HANDSHAKE, 2, 0, 4, 2000),
				       entry(XM_LATENCY_SRTT, 2, 7, 1, 2000) };
	struct latency_probe was = { .node = 11, .stat = { .asked = 5, .lost = 1 } };
	struct latency_probe is = { .node = 11, .stat = { .asked = 9, .lost = 3 } };
	struct latencyview_sample before = { old, 2, &was, 1 }, now = { new, 3, &is, 1 }, diff;

	assert_int_equal(latencyview_since(&now, &before, &diff), 0);
	assert_int_equal(hist_count(&diff.entries[0].value.hist), 7);
	assert_int_equal(diff.entries[0].value.syns, 7);
	/* New, and forgotten in between: all of it. */
	assert_int_equal(hist_count(&diff.entries[1].value.hist), 4);
	assert_int_equal(hist_count(&diff.entries[2].value.hist), 1);
	assert_int_equal(diff.probes[0].stat.asked, 4);
	assert_int_equal(diff.probes[0].stat.lost, 2);
	latencyview_done(&diff);
}

static struct latencyview_groups grouped(const struct latencyview_pick *pick, enum latencyview_by by)
{
	static struct latency_entry v[5];
	static struct latency_probe probes[3];
	struct latencyview_sample sample = { v, ARRAY_SIZE(v), probes, ARRAY_SIZE(probes) };
	struct latencyview_groups groups;

	v[0] = entry(XM_LATENCY_HANDSHAKE, 1, 0, 1, 2000);
	v[1] = entry(XM_LATENCY_HANDSHAKE, 1, 7, 2, 2000);
	v[2] = entry(XM_LATENCY_HANDSHAKE, 2, 7, 4, 2000);
	v[3] = entry(XM_LATENCY_SRTT, 2, 7, 8, 2000);
	v[4] = entry(XM_LATENCY_KINDS, 2, 7, 16, 2000);
	probes[0] = (struct latency_probe){ .node = 11, .stat = { .asked = 32 } };
	probes[1] = (struct latency_probe){ .node = 12, .stat = { .asked = 64 } };
	probes[2] = (struct latency_probe){ .node = 100, .stat = { .asked = 128 } };
	assert_int_equal(latencyview_group(&sample, pick, by, cluster_of, NULL, &groups), 0);
	return groups;
}

static void by_cluster(void **state)
{
	struct latencyview_groups g = grouped(&(struct latencyview_pick){ 0 }, LATENCYVIEW_CLUSTER);

	assert_int_equal(g.n, 2);
	assert_int_equal(g.v[0].id, 1);
	assert_int_equal(g.v[0].syns, 3);
	assert_int_equal(g.v[0].asked, 96);
	assert_int_equal(hist_count(&g.v[1].hist[XM_LATENCY_HANDSHAKE]), 4);
	assert_int_equal(hist_count(&g.v[1].hist[XM_LATENCY_SRTT]), 8);
	free(g.v);
}

static void services_of_a_cluster(void **state)
{
	struct latencyview_groups g = grouped(&(struct latencyview_pick){ .has_cluster = true, .cluster = 1 },
					      LATENCYVIEW_SERVICE);

	assert_int_equal(g.n, 2);
	assert_int_equal(g.v[0].id, 0);
	assert_int_equal(g.v[0].syns, 1);
	assert_int_equal(g.v[1].id, 7);
	assert_int_equal(g.v[1].syns, 2);
	free(g.v);
}

static void one_service_has_no_probes(void **state)
{
	struct latencyview_groups g = grouped(&(struct latencyview_pick){ .has_service = true, .service = 7 },
					      LATENCYVIEW_ALL);

	assert_int_equal(g.n, 1);
	assert_int_equal(g.v[0].syns, 6);
	assert_int_equal(g.v[0].asked, 0);
	free(g.v);
}

static void nothing_is_one_empty_group(void **state)
{
	struct latencyview_groups g = grouped(&(struct latencyview_pick){ .has_service = true, .service = 9 },
					      LATENCYVIEW_ALL);

	assert_int_equal(g.n, 1);
	assert_int_equal(g.v[0].syns, 0);
	free(g.v);
}

static char *mapped(const struct latencyview_groups *groups, bool probes, bool colour)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	latencyview_map(out, groups, "CLUSTER", name, NULL, probes, colour);
	fclose(out);
	return text;
}

static void heat_map(void **state)
{
	struct latencyview_groups g = grouped(&(struct latencyview_pick){ 0 }, LATENCYVIEW_CLUSTER);
	char *text = mapped(&g, false, false);

	assert_string_equal(text,
		"         handshake                          srtt                             \n"
		"CLUSTER       p50     p90     p99    count       p50     p90     p99    count\n"
		"east       2.00us  2.00us  2.00us        3         -       -       -        0\n"
		"we?st      2.00us  2.00us  2.00us        4    2.00us  2.00us  2.00us        8\n"
		"\n"
		"CLUSTER        SYNS  SYN RETRIES   RESETS   TIMEOUTS   UNMEASURED\n"
		"east              3            0        0          0            0\n"
		"we?st             4            0        0          0            0\n");
	free(text);
	text = mapped(&g, true, true);
	assert_non_null(strstr(text, "\033[38;5;46m  2.00us\033[0m"));
	assert_non_null(strstr(text, "PROBES     LOST\n"));
	free(text);
	free(g.v);
	text = mapped(&(struct latencyview_groups){ 0 }, true, false);
	assert_string_equal(text, "nothing measured yet\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(differences),
		cmocka_unit_test(by_cluster),
		cmocka_unit_test(services_of_a_cluster),
		cmocka_unit_test(one_service_has_no_probes),
		cmocka_unit_test(nothing_is_one_empty_group),
		cmocka_unit_test(heat_map),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
