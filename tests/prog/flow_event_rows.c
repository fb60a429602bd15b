/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* New flows as events, while a monitor looks on: what they say, and that none is lost unseen. */
#include <arpa/inet.h>
#include <bpf/bpf.h>

#include "core/defs.h"
#include "service_frames.h"
#include "xmesh/latency.h"

static void watch(uint64_t until_ns, uint32_t flows)
{
	const struct xm_watch w = { .until_ns = until_ns, .flows = flows };
	uint32_t zero = 0;

	assert_int_equal(bpf_map_update_elem(fix_map(LOAD_FULL, "xm_watch"), &zero, &w, BPF_ANY), 0);
}

/* @n new flows of pod A to 10.96.0.1, by ports from 2000 on. */
static void new_flows(uint16_t n, struct events *ret_events)
{
	fix_services_default(LOAD_FULL);
	fix_events(LOAD_FULL, ret_events);
	for (uint16_t i = 0; i < n; i++)
		send_packet(&(struct run)FROM_A,
			    PKT(ETH(), IP4(A4, "10.96.0.1"), TCP(2000 + i, 80, .flags = T_SYN)));
	fix_events(LOAD_FULL, ret_events);
	fix_services_default(LOAD_FULL);
}

static uint64_t lost(void)
{
	static struct counters counters;

	fix_counters(LOAD_FULL, &counters);
	return counters.at[XM_HOOK_FROM_POD][XM_EVENTS_LOST].packets;
}

static void test_new_flows_are_events_while_somebody_looks(void **state)
{
	const uint16_t many = XM_FLOW_EVENTS_PER_SECOND * 2 + 100;
	const struct xm_addr src = fix_addr(A4), dst = fix_addr("10.96.0.1");
	struct events events;
	uint64_t before;

	new_flows(1, &events);
	assert_int_equal(events.n, 0);
	watch(fix_now_ns() + 60000000000ull, 0);
	new_flows(1, &events);
	assert_int_equal(events.n, 0);
	watch(fix_now_ns() - 1, 1);
	new_flows(1, &events);
	assert_int_equal(events.n, 0);

	watch(fix_now_ns() + 60000000000ull, 1);
	new_flows(1, &events);
	assert_int_equal(events.n, 1);
	assert_int_equal(events.at[0].reason, XM_FLOW_NEW);
	assert_int_equal(events.at[0].hook, XM_HOOK_FROM_POD);
	assert_int_equal(events.at[0].proto, 6);
	assert_int_equal(events.at[0].cluster, 2);
	assert_int_equal(events.at[0].ifindex, fix_ifindex(IF_A));
	assert_int_equal(ntohs(events.at[0].sport), 2000);
	assert_int_equal(ntohs(events.at[0].dport), 80);
	assert_true(xm_addr_eq(&events.at[0].src, &src) && xm_addr_eq(&events.at[0].dst, &dst));

	/* More than the budget of a second: sent or counted as lost, none is forgotten. */
	before = lost();
	new_flows(many, &events);
	assert_int_equal(events.n + lost() - before, many);
	assert_true(lost() > before);
	watch(0, 0);
}

const struct CMUnitTest flow_event_tests[] = {
	{ "new flows are events while somebody looks on, and those too many are counted",
	  test_new_flows_are_events_while_somebody_looks, NULL, NULL, NULL },
};
const size_t n_flow_event_tests = ARRAY_SIZE(flow_event_tests);
