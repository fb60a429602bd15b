/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is remembered of clients, as `map dump` and `map get` show it, from real maps. */
#include "maps.h"

#include <time.h>

#include "xmesh/flow.h"

/* CLOCK_MONOTONIC, @s seconds ago: shown as 72xx, however slow the machine is. */
static uint64_t ago(uint64_t s)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (ts.tv_sec - s) * 1000000000ull + ts.tv_nsec;
}

static void put(const struct maps *m, enum plane_map map, const void *key, const void *value)
{
	assert_int_equal(bpf_map_update_elem(m->plane.map_fd[map], key, value, BPF_ANY), 0);
}

static void flows(void **state)
{
	struct xm_flow_key key = { .src = addr_of("10.1.1.2"), .dst = addr_of("11.0.0.1"), .sport = htons(4000),
				   .dport = htons(80), .proto = IPPROTO_TCP, .dir = XM_FLOW_ORIG };
	struct xm_flow flow = { .addr = addr_of("10.2.1.7"), .port = htons(8080), .seen_ns = ago(7200),
				.backend = 7, .generation = 3, .kind = XM_FLOW_POD, .cluster = 2,
				.flags = XM_FLOW_REPLIED | XM_FLOW_HAIRPIN };
	struct map_key src = { .set = true, .addr = key.src }, other = { .set = true, .addr = addr_of("10.9.9.9") };
	struct maps m;

	host_need_root();
	maps_open(&m);
	maps_expect(&m, PLANE_xm_flows, NULL, 0, NULL, 0);
	put(&m, PLANE_xm_flows, &key, &flow);
	MAPS_EXPECT(&m, PLANE_xm_flows, NULL, 1, "\"direction\": \"orig\"", "\"source\": \"10.1.1.2:4000\"",
		    "\"destination\": \"11.0.0.1:80\"", "\"kind\": \"pod\"", "\"translation\": \"10.2.1.7:8080\"",
		    "\"node\": null", "\"backend\": 7", "\"generation\": 3", "\"state\": \"established\"",
		    "\"hairpin\": true", "\"via_entry\": false", "\"idle_s\": 72");
	MAPS_EXPECT(&m, PLANE_xm_flows, &src, 1, "10.1.1.2:4000");
	maps_expect(&m, PLANE_xm_flows, &other, 0, NULL, 0);
	/* An entry node translates nothing, and names the node that it sends to. */
	flow.kind = XM_FLOW_EDGE;
	flow.node = 2;
	put(&m, PLANE_xm_flows, &key, &flow);
	MAPS_EXPECT(&m, PLANE_xm_flows, NULL, 1, "\"translation\": null", "\"node\": \"west-1\"",
		    "\"kind\": \"edge\"");
	maps_close(&m);
}

static void the_rest(void **state)
{
	struct xm_affinity_key client = { .client = addr_of("10.1.1.2"), .service = 4, .port = htons(80),
					  .proto = IPPROTO_UDP };
	struct xm_affinity chosen = { .backend = 9, .generation = 2, .seen_ns = ago(7200) };
	struct xm_sock_key sock = { .cookie = 77, .addr = addr_of("fd00:2::2"), .port = htons(8080) };
	struct xm_sock_origin origin = { .vip = addr_of("fd11::1"), .port = htons(80), .service = 4, .backend = 9 };
	struct xm_frag_key frag = { .src = inet_addr("10.1.1.2"), .dst = inet_addr("11.0.0.1"), .id = htons(5),
				    .proto = IPPROTO_UDP };
	struct xm_frag ports = { .sport = htons(1000), .dport = htons(53), .seen_ns = ago(1) };
	uint32_t slot, one = 1;
	struct map_key key = { .set = true }, other = { .set = true, .addr = addr_of("10.9.9.9") };
	struct maps m;

	host_need_root();
	maps_open(&m);
	put(&m, PLANE_xm_affinity, &client, &chosen);
	put(&m, PLANE_xm_sock_origin, &sock, &origin);
	put(&m, PLANE_xm_frags, &frag, &ports);
	slot = xm_addr_hash16(&m.pod.addr);
	put(&m, PLANE_xm_flow_hint, &slot, &one);
	MAPS_EXPECT(&m, PLANE_xm_affinity, NULL, 1, "\"client\": \"10.1.1.2\"", "\"service\": 4", "\"port\": 80",
		    "\"protocol\": \"udp\"", "\"scope\": \"client\"", "\"backend\": 9", "\"idle_s\": 72");
	maps_expect(&m, PLANE_xm_affinity, &other, 0, NULL, 0);
	client.client.d[0] = UINT64_MAX - 1;
	client.client.d[1] = 4242;
	put(&m, PLANE_xm_affinity, &client, &chosen);
	MAPS_EXPECT(&m, PLANE_xm_affinity, NULL, 2, "\"client\": \"netns 4242\"");
	MAPS_EXPECT(&m, PLANE_xm_sock_origin, NULL, 1, "\"cookie\": 77", "\"peer\": \"[fd00:2::2]:8080\"",
		    "\"vip\": \"[fd11::1]:80\"", "\"backend\": 9");
	maps_expect(&m, PLANE_xm_sock_origin, &other, 0, NULL, 0);
	MAPS_EXPECT(&m, PLANE_xm_frags, NULL, 1, "\"source\": \"10.1.1.2:1000\"",
		    "\"destination\": \"11.0.0.1:53\"", "\"id\": 5", "\"protocol\": \"udp\"");
	maps_expect(&m, PLANE_xm_frags, &other, 0, NULL, 0);
	MAPS_EXPECT(&m, PLANE_xm_flow_hint, NULL, 1, "\"pods\": \"10.1.1.2\"");
	key.number = slot;
	maps_expect(&m, PLANE_xm_flow_hint, &key, 1, NULL, 0);
	key.number = slot ^ 1;
	maps_expect(&m, PLANE_xm_flow_hint, &key, 0, NULL, 0);
	maps_close(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flows),
		cmocka_unit_test(the_rest),
	};

	return cmocka_run_group_tests_name("mapview_flow", tests, host_setup, host_teardown);
}
