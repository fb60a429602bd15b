/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Flows listed, swept when their time is over, flushed; hints follow. */
#include "unit/plane/host.h"

#include <arpa/inet.h>

#include "plane/actual.h"
#include "plane/flows.h"

#define S 1000000000ull

static void put(const struct plane *plane, uint32_t pod, uint8_t proto, uint64_t seen_s)
{
	struct xm_flow_key key = { .src = xm_addr_v4(htonl(pod)), .dst = xm_addr_v4(htonl(0x0b000001)),
				   .sport = 1, .dport = 2, .proto = proto, .dir = XM_FLOW_ORIG };
	struct xm_flow flow = { .seen_ns = seen_s * S, .kind = XM_FLOW_POD };
	uint32_t slot = xm_addr_hash16(&key.src), one = 1;

	assert_int_equal(bpf_map_update_elem(plane->map_fd[PLANE_xm_flows], &key, &flow, BPF_ANY), 0);
	assert_int_equal(bpf_map_update_elem(plane->map_fd[PLANE_xm_flow_hint], &slot, &one, BPF_ANY), 0);
}

static uint32_t hint(const struct plane *plane, uint32_t pod)
{
	struct xm_addr addr = xm_addr_v4(htonl(pod));
	uint32_t slot = xm_addr_hash16(&addr), value = 77;

	bpf_map_lookup_elem(plane->map_fd[PLANE_xm_flow_hint], &slot, &value);
	return value;
}

static void what_is_over_goes_with_its_hint_and_is_counted(void **state)
{
	struct xm_counter counters[XM_COUNTERS];
	struct flow_entry *flows;
	uint64_t entries, evicted;
	struct plane plane;
	size_t n;

	host_need_root();
	plane = host_load();
	put(&plane, 0x0a000001, 17, 100);
	put(&plane, 0x0a000002, 6, 100);
	assert_done(flows_sweep(&plane, (100 + XM_FLOW_UDP_NEW_S) * S - 1, &n, &err));
	assert_int_equal(n, 0);
	assert_int_equal(hint(&plane, 0x0a000001), 1);
	assert_done(flows_sweep(&plane, (100 + XM_FLOW_UDP_NEW_S) * S, &n, &err));
	assert_int_equal(n, 1);
	assert_int_equal(hint(&plane, 0x0a000001), 0);
	assert_int_equal(hint(&plane, 0x0a000002), 1);
	assert_done(flows_read(&plane, &flows, &n, &err));
	assert_int_equal(n, 1);
	assert_int_equal(flows[0].key.proto, 6);
	assert_false(flow_is_over(&flows[0], 100 * S));
	free(flows);
	assert_done(flows_flush(&plane, &n, &err));
	assert_int_equal(n, 1);
	assert_done(actual_counters(&plane, counters, &err));
	assert_int_equal(counters[XM_COUNTER_INDEX(XM_HOOK_AGENT, XM_FLOW_ENDED)].packets, 2);
	assert_done(flows_evicted(&plane, &entries, &evicted, &err));
	assert_int_equal(entries, 0);
	host_clean(&plane);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_over_goes_with_its_hint_and_is_counted),
	};

	return cmocka_run_group_tests_name("flows", tests, host_setup, host_teardown);
}
