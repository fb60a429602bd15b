/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is read out of the maps: sums over CPUs, single entries. Whole tables: apply.c. */
#include "unit/plane/host.h"

#include "plane/actual.h"

static void put(const struct plane *plane, enum plane_map map, uint32_t index, const void *value)
{
	assert_int_equal(bpf_map_update_elem(plane->map_fd[map], &index, value, BPF_ANY), 0);
}

static void counters_are_sums_over_cpus(void **state)
{
	static struct xm_counter sums[XM_COUNTERS];
	int n = libbpf_num_possible_cpus(), i;
	uint32_t index = XM_COUNTER_INDEX(XM_HOOK_FROM_NET, XM_DROP_ECN);
	struct xm_counter *cpus;
	struct plane plane;

	host_need_root();
	plane = host_load();
	cpus = calloc((size_t)n, sizeof(*cpus));
	for (i = 0; i < n; i++) {
		cpus[i].packets = 10 + (unsigned int)i;
		cpus[i].bytes = 1000;
	}
	put(&plane, PLANE_xm_counters, index, cpus);
	free(cpus);
	assert_done(actual_counters(&plane, sums, &err));
	assert_int_equal(sums[index].packets, 10 * n + n * (n - 1) / 2);
	assert_int_equal(sums[index].bytes, 1000 * n);
	assert_int_equal(sums[index + 1].packets, 0);
	host_clean(&plane);
}

static void mtus_lowered_are_counted_over_hooks(void **state)
{
	int n = libbpf_num_possible_cpus();
	struct xm_counter *cpus;
	struct plane plane;
	uint64_t times;

	host_need_root();
	plane = host_load();
	assert_done(actual_mtu_lowered(&plane, &times, &err));
	assert_int_equal(times, 0);
	cpus = calloc((size_t)n, sizeof(*cpus));
	cpus[0].packets = 2;
	put(&plane, PLANE_xm_counters, XM_COUNTER_INDEX(XM_HOOK_FROM_NET, XM_MTU_LOWERED), cpus);
	cpus[n - 1].packets = 3;
	put(&plane, PLANE_xm_counters, XM_COUNTER_INDEX(XM_HOOK_XDP, XM_MTU_LOWERED), cpus);
	put(&plane, PLANE_xm_counters, XM_COUNTER_INDEX(XM_HOOK_XDP, XM_MSS_CLAMPED), cpus);
	free(cpus);
	assert_done(actual_mtu_lowered(&plane, &times, &err));
	assert_int_equal(times, n == 1 ? 5 : 2 + 2 + 3);
	host_clean(&plane);
}

static void a_node_without_counters_of_its_own_shares_other(void **state)
{
	int n = libbpf_num_possible_cpus();
	struct xm_peer_stat *cpus, sum;
	struct plane plane;

	host_need_root();
	plane = host_load();
	cpus = calloc((size_t)n, sizeof(*cpus));
	cpus[n - 1].rx_packets = 1;
	cpus[n - 1].rx_bytes = 2;
	cpus[n - 1].rx_drops = 3;
	cpus[n - 1].tx_packets = 4;
	cpus[n - 1].tx_bytes = 5;
	cpus[n - 1].tx_drops = 6;
	put(&plane, PLANE_xm_peer_stats, 0, cpus);
	assert_done(actual_peer_stat(&plane, XM_STAT_NODES, &sum, &err));
	assert_memory_equal(&sum, &cpus[n - 1], sizeof(sum));
	assert_done(actual_peer_stat(&plane, 1, &sum, &err));
	assert_int_equal(sum.rx_packets, 0);
	free(cpus);
	host_clean(&plane);
}

static void a_node_state_is_read_and_a_wrong_number_said(void **state)
{
	struct xm_node_state in = { .pmtu = 1300, .pmtu_until_ns = 5 }, out;
	struct plane plane;

	host_need_root();
	plane = host_load();
	put(&plane, PLANE_xm_node_state, 4, &in);
	assert_done(actual_node_state(&plane, 4, &out, &err));
	assert_memory_equal(&in, &out, sizeof(in));
	assert_int_equal(actual_node_state(&plane, XM_MAX_NODES, &out, &err), -ENOENT);
	host_clean(&plane);
}

static void paths_that_are_zero_are_none(void **state)
{
	struct xm_path path;
	struct wanted *actual;
	struct plane plane;

	host_need_root();
	plane = host_load();
	memset(&path, 0, sizeof(path));
	path.own_mac[5] = 1;
	put(&plane, PLANE_xm_paths, 4, &path);
	put(&plane, PLANE_xm_paths, XM_MAX_NODES - 1, &path);
	assert_done(actual_read(&plane, &actual, &err));
	assert_int_equal(actual->n_paths, 2);
	assert_int_equal(actual->paths[0].number, 4);
	assert_int_equal(actual->paths[1].number, XM_MAX_NODES - 1);
	assert_memory_equal(&actual->paths[1].path, &path, sizeof(path));
	wanted_free(actual);
	host_clean(&plane);
}

static void every_map_has_its_description(void **state)
{
	struct map_info info;
	struct plane plane;
	int map;

	host_need_root();
	plane = host_load();
	for (map = 0; map < PLANE_MAP_COUNT; map++) {
		assert_done(actual_map_info(&plane, (enum plane_map)map, &info, &err));
		assert_string_equal(info.name, plane_map_names[map]);
		assert_int_not_equal(info.id, 0);
		/* What lies at the sockets themselves has no limit of its own. */
		assert_int_equal(info.max_entries == 0, map == PLANE_xm_sock_peer);
		assert_string_not_equal(info.type_name, "unknown");
	}
	assert_done(actual_map_info(&plane, PLANE_xm_events, &info, &err));
	assert_int_equal(info.entries, 0);
	assert_done(actual_map_info(&plane, PLANE_xm_pods, &info, &err));
	assert_int_equal(info.entries, 0);
	assert_done(actual_map_info(&plane, PLANE_xm_counters, &info, &err));
	assert_int_equal(info.entries, XM_COUNTERS);
	host_clean(&plane);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counters_are_sums_over_cpus),
		cmocka_unit_test(mtus_lowered_are_counted_over_hooks),
		cmocka_unit_test(a_node_without_counters_of_its_own_shares_other),
		cmocka_unit_test(a_node_state_is_read_and_a_wrong_number_said),
		cmocka_unit_test(paths_that_are_zero_are_none),
		cmocka_unit_test(every_map_has_its_description),
	};

	return cmocka_run_group_tests_name("actual", tests, host_setup, host_teardown);
}
