/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Paths and probes as `map dump` and `map get` show them, from real maps. */
#include "maps.h"

#include "xmesh/probe.h"

static void put(const struct maps *m, enum plane_map map, uint32_t number, const void *value)
{
	assert_int_equal(bpf_map_update_elem(m->plane.map_fd[map], &number, value, BPF_ANY), 0);
}

static void a_row_for_each_node_that_has_one(void **state)
{
	struct xm_path path = { .route = { .node = 2, .cluster = 2, .ifindex = 1, .mtu = 1450,
					   .outer = addr_of("192.0.2.21") },
				.next_mac = { 2, 0, 0, 0, 0, 1 } };
	struct xm_probe probe = { .nonce = 5, .sent_ns = 1, .answered = 5, .rtt_ns = 250000, .answers = 3 };
	struct map_key key = { .set = true, .number = 2 };
	struct maps m;

	host_need_root();
	maps_open(&m);
	maps_expect(&m, PLANE_xm_paths, NULL, 0, NULL, 0);
	maps_expect(&m, PLANE_xm_probes, NULL, 0, NULL, 0);
	put(&m, PLANE_xm_paths, 2, &path);
	put(&m, PLANE_xm_probes, 2, &probe);
	/* A number that no node has is not shown. */
	put(&m, PLANE_xm_probes, 9, &probe);
	MAPS_EXPECT(&m, PLANE_xm_paths, NULL, 1, "\"number\": 2", "\"cluster\": \"west\"", "\"node\": \"west-1\"",
		    "192.0.2.21", "\"interface\": \"lo\"", "\"mtu\": 1450", "\"next_mac\": \"02:00:00:00:00:01\"",
		    "\"own_mac\": null");
	MAPS_EXPECT(&m, PLANE_xm_probes, NULL, 1, "\"node\": \"west-1\"", "\"answers\": 3",
		    "\"last_answered\": true", "\"rtt_us\": 250");
	MAPS_EXPECT(&m, PLANE_xm_paths, &key, 1, "west-1");
	key.number = 1;
	maps_expect(&m, PLANE_xm_paths, &key, 0, NULL, 0);
	maps_expect(&m, PLANE_xm_probes, &key, 0, NULL, 0);
	/* Asked, and never answered: no time to tell. */
	probe = (struct xm_probe){ .nonce = 6, .sent_ns = 1 };
	put(&m, PLANE_xm_probes, 2, &probe);
	MAPS_EXPECT(&m, PLANE_xm_probes, NULL, 1, "\"last_answered\": false", "\"rtt_us\": null");
	maps_close(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_for_each_node_that_has_one),
	};

	return cmocka_run_group_tests_name("mapview_node", tests, host_setup, host_teardown);
}
