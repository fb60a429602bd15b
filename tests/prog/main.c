/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* All rows as cmocka tests, then: has every reason been reached? */
#include <stdio.h>
#include <stdlib.h>

#include "core/defs.h"
#include "row.h"

static void test_row(void **state)
{
	row_run(*state);
}

static void test_every_reason_is_reached(void **state)
{
	assert_int_equal(rows_unreached(), 0);
}

static size_t add_rows(struct CMUnitTest *tests, size_t n, const struct row *rows, size_t n_rows)
{
	for (size_t i = 0; i < n_rows; i++)
		tests[n + i] = (struct CMUnitTest){ rows[i].name, test_row, NULL, NULL,
						    (void *)&rows[i] };
	return n + n_rows;
}

int main(void)
{
	size_t max = n_pod_rows + n_net_rows + n_native_rows + n_dev_rows + n_xdp_rows +
		     n_identity_rows + n_probe_rows + n_service_rows + n_flow_rows + n_vip_rows +
		     n_vip_icmp_rows + n_vip_node_rows + n_latency_rows + n_latency_tests +
		     n_flow_event_tests + n_dryrun_tests + latency_n_tests() + n_loop_tests + n_memo_tests + n_stack_tests + 1;
	auto_free struct CMUnitTest *tests = calloc(max, sizeof(*tests));
	size_t n = 0;
	int failed;

	if (!tests || fix_start(~(1u << LOAD_BENCH | 1u << LOAD_BENCH_BARE)))
		return 1;
	n = add_rows(tests, n, pod_rows, n_pod_rows);
	n = add_rows(tests, n, net_rows, n_net_rows);
	n = add_rows(tests, n, native_rows, n_native_rows);
	n = add_rows(tests, n, dev_rows, n_dev_rows);
	n = add_rows(tests, n, xdp_rows, n_xdp_rows);
	n = add_rows(tests, n, identity_rows, n_identity_rows);
	n = add_rows(tests, n, probe_rows, n_probe_rows);
	n = add_rows(tests, n, service_rows, n_service_rows);
	n = add_rows(tests, n, flow_rows, n_flow_rows);
	n = add_rows(tests, n, vip_rows, n_vip_rows);
	n = add_rows(tests, n, vip_icmp_rows, n_vip_icmp_rows);
	n = add_rows(tests, n, vip_node_rows, n_vip_node_rows);
	n = add_rows(tests, n, latency_rows, n_latency_rows);
	n = latency_add_tests(tests, n);
	for (size_t i = 0; i < n_latency_tests; i++)
		tests[n++] = latency_tests[i];
	for (size_t i = 0; i < n_flow_event_tests; i++)
		tests[n++] = flow_event_tests[i];
	for (size_t i = 0; i < n_dryrun_tests; i++)
		tests[n++] = dryrun_tests[i];
	for (size_t i = 0; i < n_loop_tests; i++)
		tests[n++] = loop_tests[i];
	for (size_t i = 0; i < n_memo_tests; i++)
		tests[n++] = memo_tests[i];
	for (size_t i = 0; i < n_stack_tests; i++)
		tests[n++] = stack_tests[i];
	tests[n++] = (struct CMUnitTest){ "every reason is reached by some row",
					  test_every_reason_is_reached, NULL, NULL, NULL };
	failed = _cmocka_run_group_tests("prog", tests, n, NULL, NULL);
	fix_stop();
	return failed != 0;
}
