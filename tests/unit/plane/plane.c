/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The pinned state of an instance: made, adopted, refused, removed. */
#include "unit/plane/host.h"

#include "plane/pin.h"

static uint32_t zero;

static void nothing_is_pinned_before_a_load(void **state)
{
	struct plane plane;

	host_need_root();
	assert_int_equal(plane_open(host_bpffs, "unit", &plane, &err), -ENOENT);
	assert_non_null(strstr(err.text, "xmesh agent"));
}

static void a_load_pins_maps_and_programs(void **state)
{
	struct plane made, opened;
	int i;

	host_need_root();
	made = host_load();
	assert_done(plane_open(host_bpffs, "unit", &opened, &err));
	for (i = 0; i < PLANE_MAP_COUNT; i++)
		assert_int_equal(pin_map_id(opened.map_fd[i]), pin_map_id(made.map_fd[i]));
	for (i = 0; i < PLANE_PROG_COUNT; i++) {
		assert_int_not_equal(pin_prog_id(opened.prog_fd[i]), 0);
		assert_int_equal(pin_prog_id(opened.prog_fd[i]), pin_prog_id(made.prog_fd[i]));
	}
	plane_close(&opened);
	host_clean(&made);
}

static void a_second_load_keeps_contents_and_counters(void **state)
{
	struct xm_counter *cpus;
	struct xm_node node = { .number = 7, .cluster = 2 }, got;
	struct xm_addr addr = xm_addr_v4(0x01020304);
	uint32_t old_prog, old_map, index = 3;
	struct plane plane;

	host_need_root();
	cpus = calloc((size_t)libbpf_num_possible_cpus(), sizeof(*cpus));
	plane = host_load();
	old_prog = pin_prog_id(plane.prog_fd[PLANE_FROM_POD]);
	old_map = pin_map_id(plane.map_fd[PLANE_xm_nodes]);
	cpus[0].packets = 42;
	assert_int_equal(bpf_map_update_elem(plane.map_fd[PLANE_xm_nodes], &addr, &node, 0), 0);
	assert_int_equal(bpf_map_update_elem(plane.map_fd[PLANE_xm_counters], &index, cpus, 0), 0);
	plane_close(&plane);

	plane = host_load();
	assert_int_equal(pin_map_id(plane.map_fd[PLANE_xm_nodes]), old_map);
	assert_int_not_equal(pin_prog_id(plane.prog_fd[PLANE_FROM_POD]), old_prog);
	assert_int_equal(bpf_map_lookup_elem(plane.map_fd[PLANE_xm_nodes], &addr, &got), 0);
	assert_memory_equal(&got, &node, sizeof(node));
	cpus[0].packets = 0;
	assert_int_equal(bpf_map_lookup_elem(plane.map_fd[PLANE_xm_counters], &index, cpus), 0);
	assert_int_equal(cpus[0].packets, 42);
	free(cpus);
	host_clean(&plane);
}

static void another_abi_is_refused_and_named(void **state)
{
	struct xm_config config;
	struct plane plane, second;

	host_need_root();
	plane = host_load();
	assert_int_equal(bpf_map_lookup_elem(plane.map_fd[PLANE_xm_config], &zero, &config), 0);
	assert_int_equal(config.magic, XM_ABI_MAGIC);
	config.abi = 99;
	assert_int_equal(bpf_map_update_elem(plane.map_fd[PLANE_xm_config], &zero, &config, 0), 0);
	assert_int_equal(plane_open(host_bpffs, "unit", &second, &err), -EPROTO);
	assert_non_null(strstr(err.text, "ABI 99"));
	assert_int_equal(plane_load(host_bpffs, "unit", &second, &err), -EPROTO);
	assert_non_null(strstr(err.text, "detach --all --purge"));
	host_clean(&plane);
}

static void a_stamp_of_others_is_refused(void **state)
{
	struct xm_config config = { 0 };
	struct plane plane, second;

	host_need_root();
	plane = host_load();
	assert_int_equal(bpf_map_update_elem(plane.map_fd[PLANE_xm_config], &zero, &config, 0), 0);
	assert_int_equal(plane_load(host_bpffs, "unit", &second, &err), -EPROTO);
	assert_non_null(strstr(err.text, "stamp"));
	host_clean(&plane);
}

static void a_map_of_another_size_is_refused_and_named(void **state)
{
	char path[PIN_PATH_MAX];
	struct plane plane, second;
	int fd;

	host_need_root();
	plane = host_load();
	fd = bpf_map_create(BPF_MAP_TYPE_HASH, "xm_routes", 24, 16, 10, NULL);
	assert_true(fd >= 0);
	snprintf(path, sizeof(path), "%s/xm_routes", plane.dir);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(bpf_obj_pin(fd, path), 0);
	close(fd);
	assert_int_equal(plane_load(host_bpffs, "unit", &second, &err), -EPROTO);
	assert_non_null(strstr(err.text, "xm_routes"));
	host_clean(&plane);
}

static void maps_without_xm_config_are_refused(void **state)
{
	char path[PIN_PATH_MAX];
	struct plane plane, second;

	host_need_root();
	plane = host_load();
	snprintf(path, sizeof(path), "%s/xm_config", plane.dir);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(plane_load(host_bpffs, "unit", &second, &err), -EPROTO);
	host_clean(&plane);
}

static void a_missing_map_is_made_again(void **state)
{
	char path[PIN_PATH_MAX];
	struct plane plane, second;

	host_need_root();
	plane = host_load();
	snprintf(path, sizeof(path), "%s/xm_pods", plane.dir);
	assert_int_equal(unlink(path), 0);
	assert_done(plane_open(host_bpffs, "unit", &second, &err));
	assert_int_equal(second.map_fd[PLANE_xm_pods], -1);
	plane_close(&second);
	second = host_load();
	assert_true(second.map_fd[PLANE_xm_pods] >= 0);
	plane_close(&second);
	host_clean(&plane);
}

static void a_folder_that_is_no_bpffs_is_refused_with_the_mount_command(void **state)
{
	struct plane plane;

	host_need_root();
	assert_int_equal(plane_load("/tmp", "unit", &plane, &err), -ENODEV);
	assert_non_null(strstr(err.text, "mount -t bpf bpf /tmp"));
	assert_int_equal(plane_open("/nowhere", "unit", &plane, &err), -ENOENT);
}

static void a_purge_leaves_nothing_and_may_be_repeated(void **state)
{
	char path[PIN_PATH_MAX];
	struct plane plane;

	host_need_root();
	plane = host_load();
	plane_close(&plane);
	assert_done(plane_purge(host_bpffs, "unit", &err));
	snprintf(path, sizeof(path), "%s/xmesh", host_bpffs);
	assert_int_equal(access(path, F_OK), -1);
	assert_done(plane_purge(host_bpffs, "unit", &err));
}

static void a_purge_is_refused_while_something_is_attached(void **state)
{
	struct plane plane;
	uint32_t ifindex;

	host_need_root();
	plane = host_load();
	ifindex = host_veth("busy");
	assert_done(attach_tc(&plane, ifindex, ATTACH_POD, &err));
	assert_int_equal(plane_purge(host_bpffs, "unit", &err), -EBUSY);
	host_clean(&plane);
	host_link_del("busy");
}

static void without_privileges_it_says_so(void **state)
{
	struct plane plane;

	host_need_root();
	/* The effective ids alone: the kernel clears the effective capabilities with them. */
	assert_int_equal(seteuid(65534), 0);
	assert_int_equal(plane_open(host_bpffs, "unit", &plane, &err), -EPERM);
	assert_int_equal(seteuid(0), 0);
	assert_non_null(strstr(err.text, "root"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_pinned_before_a_load),
		cmocka_unit_test(a_load_pins_maps_and_programs),
		cmocka_unit_test(a_second_load_keeps_contents_and_counters),
		cmocka_unit_test(another_abi_is_refused_and_named),
		cmocka_unit_test(a_stamp_of_others_is_refused),
		cmocka_unit_test(a_map_of_another_size_is_refused_and_named),
		cmocka_unit_test(maps_without_xm_config_are_refused),
		cmocka_unit_test(a_missing_map_is_made_again),
		cmocka_unit_test(a_folder_that_is_no_bpffs_is_refused_with_the_mount_command),
		cmocka_unit_test(a_purge_leaves_nothing_and_may_be_repeated),
		cmocka_unit_test(a_purge_is_refused_while_something_is_attached),
		cmocka_unit_test(without_privileges_it_says_so),
	};

	return cmocka_run_group_tests_name("plane", tests, host_setup, host_teardown);
}
