/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Programs on interfaces: ours in place, others' untouched, nothing left behind. */
#include "unit/plane/host.h"

#include <linux/if_link.h>

#include "plane/hook.h"
#include "plane/tc.h"
#include "plane/uapi.h"

/* Programs on tcx ingress in their order; their number. */
static uint32_t tcx_ids(uint32_t ifindex, __u32 ids[UAPI_MPROG_MAX])
{
	struct uapi_prog_query query = {
		.target_ifindex = ifindex,
		.attach_type = UAPI_BPF_TCX_INGRESS,
		.prog_ids = (uintptr_t)ids,
		.count = UAPI_MPROG_MAX,
	};

	assert_int_equal(uapi_bpf(BPF_PROG_QUERY, &query, sizeof(query)), 0);
	return query.count;
}

static void need_tcx(void)
{
	host_need_root();
	if (features_has_tcx())
		return;
	print_message("this kernel has no tcx\n");
	skip();
}

static uint32_t link_id(const struct plane *plane, enum hook_kind kind, uint32_t ifindex)
{
	struct bpf_link_info info = { 0 };
	__u32 len = sizeof(info);
	int fd = hook_open(plane, kind, ifindex, NULL);

	assert_true(fd >= 0);
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	close(fd);
	return info.id;
}

/* The one hook of the instance. */
static struct attach_hook only_hook(const struct plane *plane)
{
	struct attach_hook *hooks, hook;
	size_t n;

	assert_done(attach_list(plane, &hooks, &n, &err));
	assert_int_equal(n, 1);
	hook = hooks[0];
	free(hooks);
	return hook;
}

static size_t count_hooks(const struct plane *plane)
{
	struct attach_hook *hooks;
	size_t n;

	assert_done(attach_list(plane, &hooks, &n, &err));
	free(hooks);
	return n;
}

static void tcx_is_attached_replaced_in_place_and_taken_off(void **state)
{
	__u32 ids[UAPI_MPROG_MAX];
	struct attach_hook hook;
	uint32_t ifindex, link;
	struct plane plane;

	need_tcx();
	plane = host_load();
	ifindex = host_veth("t0");
	assert_done(attach_tc(&plane, ifindex, ATTACH_POD, &err));
	link = link_id(&plane, HOOK_TCX, ifindex);
	hook = only_hook(&plane);
	assert_int_equal(hook.ifindex, ifindex);
	assert_string_equal(hook.ifname, "t0");
	assert_int_equal(hook.prog, PLANE_FROM_POD);
	assert_int_equal(hook.how, ATTACH_TCX);
	assert_true(hook.current);
	plane_close(&plane);

	/* A restarted agent: new programs, the same link. */
	plane = host_load();
	assert_false(only_hook(&plane).current);
	assert_done(attach_tc(&plane, ifindex, ATTACH_POD, &err));
	assert_int_equal(link_id(&plane, HOOK_TCX, ifindex), link);
	assert_true(only_hook(&plane).current);
	assert_int_equal(tcx_ids(ifindex, ids), 1);
	assert_int_equal(ids[0], pin_prog_id(plane.prog_fd[PLANE_FROM_POD]));

	/* Another role is another program on the same link. */
	assert_done(attach_tc(&plane, ifindex, ATTACH_UNDERLAY, &err));
	assert_int_equal(only_hook(&plane).prog, PLANE_FROM_NET);
	assert_int_equal(link_id(&plane, HOOK_TCX, ifindex), link);

	assert_done(attach_remove(&plane, ifindex, &err));
	assert_int_equal(count_hooks(&plane), 0);
	assert_int_equal(tcx_ids(ifindex, ids), 0);
	assert_done(attach_remove(&plane, ifindex, &err));
	host_clean(&plane);
	host_link_del("t0");
}

static void a_tcx_program_of_others_stays_and_runs_behind_ours(void **state)
{
	struct uapi_link_create create = { .attach_type = UAPI_BPF_TCX_INGRESS };
	struct attach_foreign *foreign;
	__u32 ids[UAPI_MPROG_MAX];
	struct plane plane;
	uint32_t ifindex;
	int prog, link;
	size_t n;

	need_tcx();
	plane = host_load();
	ifindex = host_veth("t1");
	prog = host_foreign(BPF_PROG_TYPE_SCHED_CLS, "theirs");
	create.prog_fd = (__u32)prog;
	create.target_ifindex = ifindex;
	link = uapi_bpf(BPF_LINK_CREATE, &create, sizeof(create));
	assert_true(link >= 0);

	assert_done(attach_tc(&plane, ifindex, ATTACH_UNDERLAY, &err));
	assert_int_equal(tcx_ids(ifindex, ids), 2);
	assert_int_equal(ids[0], pin_prog_id(plane.prog_fd[PLANE_FROM_NET]));
	assert_int_equal(ids[1], pin_prog_id(prog));
	assert_done(attach_foreign_list(&plane, ifindex, &foreign, &n, &err));
	assert_int_equal(n, 1);
	assert_string_equal(foreign[0].name, "theirs");
	assert_string_equal(foreign[0].how, "tcx");
	assert_int_equal(foreign[0].prog_id, pin_prog_id(prog));
	free(foreign);

	assert_done(attach_remove(&plane, ifindex, &err));
	assert_int_equal(tcx_ids(ifindex, ids), 1);
	assert_int_equal(ids[0], pin_prog_id(prog));
	close(link);
	close(prog);
	host_clean(&plane);
	host_link_del("t1");
}

static void clsact_serves_a_kernel_without_tcx_and_leaves_no_qdisc(void **state)
{
	struct attach_hook hook;
	struct plane plane;
	uint32_t ifindex;

	host_need_root();
	plane = host_load();
	plane.features.tcx = false;
	ifindex = host_veth("c0");
	assert_done(attach_tc(&plane, ifindex, ATTACH_POD, &err));
	assert_true(host_shows("tc qdisc show dev c0", "clsact"));
	assert_true(host_shows("tc filter show dev c0 ingress", "xm_from_pod"));
	hook = only_hook(&plane);
	assert_int_equal(hook.how, ATTACH_CLSACT);
	assert_int_equal(hook.prog, PLANE_FROM_POD);
	assert_true(hook.current);
	plane_close(&plane);

	/* Replaced where it is, also by a load that has tcx: an attachment keeps its kind. */
	plane = host_load();
	assert_false(only_hook(&plane).current);
	assert_done(attach_tc(&plane, ifindex, ATTACH_POD, &err));
	hook = only_hook(&plane);
	assert_int_equal(hook.how, ATTACH_CLSACT);
	assert_int_equal(hook.prog_id, pin_prog_id(plane.prog_fd[PLANE_FROM_POD]));
	assert_true(hook.current);

	assert_done(attach_remove(&plane, ifindex, &err));
	assert_int_equal(count_hooks(&plane), 0);
	assert_false(host_shows("tc qdisc show dev c0", "clsact"));
	host_clean(&plane);
	host_link_del("c0");
}

static void a_qdisc_and_filters_of_others_stay(void **state)
{
	struct attach_foreign *foreign;
	struct plane plane;
	uint32_t ifindex;
	size_t n;

	host_need_root();
	plane = host_load();
	plane.features.tcx = false;
	ifindex = host_veth("c1");
	host_run("tc qdisc add dev c1 clsact");
	host_run("tc filter add dev c1 ingress prio 5 protocol ip u32 match u32 0 0");
	assert_done(attach_tc(&plane, ifindex, ATTACH_POD, &err));
	assert_done(attach_foreign_list(&plane, ifindex, &foreign, &n, &err));
	assert_int_equal(n, 1);
	assert_string_equal(foreign[0].name, "u32");
	assert_int_equal(foreign[0].prog_id, 0);
	free(foreign);
	assert_done(attach_remove(&plane, ifindex, &err));
	assert_false(host_shows("tc filter show dev c1 ingress", "xm_"));
	assert_true(host_shows("tc filter show dev c1 ingress", "u32"));
	assert_int_equal(count_hooks(&plane), 0);
	host_clean(&plane);
	host_link_del("c1");
}

static void a_qdisc_of_ours_that_others_use_by_now_stays(void **state)
{
	struct plane plane;
	uint32_t ifindex;

	host_need_root();
	plane = host_load();
	plane.features.tcx = false;
	ifindex = host_veth("c2");
	assert_done(attach_tc(&plane, ifindex, ATTACH_POD, &err));
	host_run("tc filter add dev c2 egress prio 5 protocol ip u32 match u32 0 0");
	assert_done(attach_remove(&plane, ifindex, &err));
	assert_true(host_shows("tc filter show dev c2 egress", "u32"));
	host_clean(&plane);
	host_link_del("c2");
}

static void a_filter_of_others_at_our_place_is_named(void **state)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = TC_HANDLE, .priority = TC_PRIORITY);
	struct plane plane;
	uint32_t ifindex, left;

	host_need_root();
	plane = host_load();
	plane.features.tcx = false;
	ifindex = host_veth("c3");
	hook.ifindex = (int)ifindex;
	opts.prog_fd = host_foreign(BPF_PROG_TYPE_SCHED_CLS, "theirs");
	assert_int_equal(bpf_tc_hook_create(&hook), 0);
	assert_int_equal(bpf_tc_attach(&hook, &opts), 0);
	assert_int_equal(attach_tc(&plane, ifindex, ATTACH_POD, &err), -EBUSY);
	assert_non_null(strstr(err.text, "theirs"));
	assert_non_null(strstr(err.text, "c3"));
	assert_done(attach_remove(&plane, ifindex, &err));
	opts.prog_fd = 0;
	opts.prog_id = 0;
	assert_int_equal(bpf_tc_query(&hook, &opts), 0);
	left = opts.prog_id;
	assert_int_not_equal(left, 0);
	host_run("tc qdisc del dev c3 clsact");
	host_run("tc qdisc add dev c3 clsact");
	host_run("tc filter add dev c3 ingress prio 1 protocol ip u32 match u32 0 0");
	assert_int_equal(attach_tc(&plane, ifindex, ATTACH_POD, &err), -EBUSY);
	assert_non_null(strstr(err.text, "u32"));
	host_clean(&plane);
	host_link_del("c3");
}

static void a_filter_that_somebody_took_off_is_shown_and_put_on_again(void **state)
{
	struct attach_hook hook;
	struct plane plane;
	uint32_t ifindex;

	host_need_root();
	plane = host_load();
	plane.features.tcx = false;
	ifindex = host_veth("c4");
	assert_done(attach_tc(&plane, ifindex, ATTACH_POD, &err));
	host_run("tc qdisc del dev c4 clsact");
	hook = only_hook(&plane);
	assert_false(hook.current);
	assert_int_equal(hook.prog_id, 0);
	assert_done(attach_tc(&plane, ifindex, ATTACH_POD, &err));
	assert_true(only_hook(&plane).current);
	host_clean(&plane);
	assert_false(host_shows("tc qdisc show dev c4", "clsact"));
	host_link_del("c4");
}

/* Both directions of @ifname, as @how, and nothing left afterwards. */
static void check_both(const char *ifname, bool tcx)
{
	struct plane plane = host_load();
	uint32_t ifindex = host_veth(ifname);
	struct attach_hook *hooks;
	char show[64];
	size_t n;

	plane.features.tcx = tcx;
	for (int round = 0; round < 2; round++) {
		assert_done(attach_tc(&plane, ifindex, ATTACH_POD, &err));
		assert_done(attach_tc(&plane, ifindex, ATTACH_TO_POD, &err));
		assert_done(attach_list(&plane, &hooks, &n, &err));
		assert_int_equal(n, 2);
		assert_int_equal(hooks[0].prog + hooks[1].prog, PLANE_FROM_POD + PLANE_TO_POD);
		for (size_t i = 0; i < n; i++) {
			assert_true(hooks[i].current);
			assert_int_equal(hooks[i].how, tcx ? ATTACH_TCX : ATTACH_CLSACT);
			assert_int_equal(hooks[i].prog_id, pin_prog_id(plane.prog_fd[hooks[i].prog]));
		}
		free(hooks);
		if (!round) {
			plane_close(&plane);
			plane = host_load();
		}
	}
	snprintf(show, sizeof(show), "tc filter show dev %s egress", ifname);
	if (!tcx)
		assert_true(host_shows(show, "xm_to_pod"));
	assert_done(attach_remove(&plane, ifindex, &err));
	assert_int_equal(count_hooks(&plane), 0);
	assert_false(host_shows(show, "xm_to_pod"));
	snprintf(show, sizeof(show), "tc qdisc show dev %s", ifname);
	assert_false(host_shows(show, "clsact"));
	host_clean(&plane);
	host_link_del(ifname);
}

static void what_a_pod_is_sent_has_a_link_of_its_own(void **state)
{
	need_tcx();
	check_both("e0", true);
}

static void what_a_pod_is_sent_has_a_filter_of_its_own(void **state)
{
	host_need_root();
	check_both("e1", false);
}

static void xdp_is_attached_in_the_mode_asked_for(void **state)
{
	struct attach_hook hook;
	struct plane plane;
	uint32_t ifindex, link;

	host_need_root();
	plane = host_load();
	ifindex = host_veth("x0");
	assert_done(attach_xdp(&plane, ifindex, true, &err));
	hook = only_hook(&plane);
	assert_int_equal(hook.how, ATTACH_XDP_NATIVE);
	assert_int_equal(hook.prog, PLANE_XDP);
	assert_true(hook.current);
	link = link_id(&plane, HOOK_XDP_NATIVE, ifindex);
	assert_done(attach_xdp(&plane, ifindex, true, &err));
	assert_int_equal(link_id(&plane, HOOK_XDP_NATIVE, ifindex), link);
	assert_done(attach_xdp(&plane, ifindex, false, &err));
	assert_int_equal(only_hook(&plane).how, ATTACH_XDP_GENERIC);
	assert_true(host_shows("ip link show dev x0", "xdpgeneric"));
	assert_done(attach_remove(&plane, ifindex, &err));
	assert_false(host_shows("ip link show dev x0", "xdp"));
	assert_int_equal(count_hooks(&plane), 0);
	host_clean(&plane);
	host_link_del("x0");
}

static void an_xdp_program_of_others_is_named_and_stays(void **state)
{
	struct attach_foreign *foreign;
	struct plane plane;
	uint32_t ifindex, id = 0;
	size_t n;
	int prog;

	host_need_root();
	plane = host_load();
	ifindex = host_veth("x1");
	prog = host_foreign(BPF_PROG_TYPE_XDP, "theirs");
	assert_int_equal(bpf_xdp_attach((int)ifindex, prog, XDP_FLAGS_SKB_MODE, NULL), 0);
	assert_int_equal(attach_xdp(&plane, ifindex, true, &err), -EBUSY);
	assert_non_null(strstr(err.text, "theirs"));
	assert_int_equal(attach_xdp(&plane, ifindex, false, &err), -EBUSY);
	assert_done(attach_foreign_list(&plane, ifindex, &foreign, &n, &err));
	assert_int_equal(n, 1);
	assert_string_equal(foreign[0].name, "theirs");
	free(foreign);
	assert_done(attach_remove(&plane, ifindex, &err));
	assert_int_equal(bpf_xdp_query_id((int)ifindex, 0, &id), 0);
	assert_int_equal(id, pin_prog_id(prog));
	close(prog);
	host_clean(&plane);
	host_link_del("x1");
}

static void native_xdp_that_the_driver_lacks_is_said(void **state)
{
	struct plane plane;

	host_need_root();
	plane = host_load();
	host_run("ip link add x2 type bridge");
	assert_int_equal(attach_xdp(&plane, if_nametoindex("x2"), true, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.text, "no native XDP"));
	host_clean(&plane);
	host_link_del("x2");
}

static void an_interface_that_is_gone_is_listed_and_forgotten(void **state)
{
	struct attach_hook *hooks;
	struct plane plane;
	uint32_t ifindex;
	size_t n, i;

	host_need_root();
	plane = host_load();
	ifindex = host_veth("g0");
	assert_done(attach_tc(&plane, ifindex, ATTACH_POD, &err));
	assert_done(attach_xdp(&plane, ifindex, false, &err));
	host_link_del("g0");
	assert_done(attach_list(&plane, &hooks, &n, &err));
	assert_int_equal(n, 2);
	for (i = 0; i < n; i++) {
		assert_int_equal(hooks[i].ifindex, ifindex);
		assert_string_equal(hooks[i].ifname, "");
		assert_false(hooks[i].current);
	}
	free(hooks);
	assert_done(attach_remove(&plane, ifindex, &err));
	assert_int_equal(count_hooks(&plane), 0);
	assert_int_equal(attach_tc(&plane, ifindex, ATTACH_POD, &err), -ENODEV);
	assert_int_equal(attach_xdp(&plane, ifindex, false, &err), -ENODEV);
	assert_int_equal(count_hooks(&plane), 0);
	host_clean(&plane);
}

static void an_index_given_again_is_another_interface(void **state)
{
	struct plane plane;

	need_tcx();
	plane = host_load();
	host_run("ip link add r0 index 7777 type bridge");
	assert_done(attach_tc(&plane, 7777, ATTACH_POD, &err));
	host_link_del("r0");
	host_run("ip link add r1 index 7777 type bridge");
	assert_string_equal(only_hook(&plane).ifname, "");
	assert_done(attach_tc(&plane, 7777, ATTACH_POD, &err));
	assert_string_equal(only_hook(&plane).ifname, "r1");
	assert_true(only_hook(&plane).current);
	host_clean(&plane);
	host_link_del("r1");
}

static void all_of_an_instance_goes_whatever_its_abi(void **state)
{
	struct xm_config config = { .magic = XM_ABI_MAGIC, .abi = 99 };
	uint32_t zero = 0, ifindex;
	struct plane plane;

	host_need_root();
	plane = host_load();
	plane.features.tcx = false;
	ifindex = host_veth("a0");
	assert_done(attach_tc(&plane, ifindex, ATTACH_POD, &err));
	assert_done(attach_xdp(&plane, ifindex, false, &err));
	assert_int_equal(bpf_map_update_elem(plane.map_fd[PLANE_xm_config], &zero, &config, 0), 0);
	plane_close(&plane);
	assert_done(attach_remove_all(host_bpffs, "unit", &err));
	assert_done(plane_purge(host_bpffs, "unit", &err));
	assert_false(host_shows("tc qdisc show dev a0", "clsact"));
	assert_false(host_shows("ip link show dev a0", "xdp"));
	host_link_del("a0");
}

static void a_name_of_a_pin_is_read_back(void **state)
{
	static const struct {
		const char *name;
		int ok;
		enum hook_kind kind;
		uint32_t ifindex;
	} rows[] = {
		{ "tcx-12", 1, HOOK_TCX, 12 },
		{ "xdp_native-4294967295", 1, HOOK_XDP_NATIVE, 4294967295u },
		{ "tcx-12-new", 0, 0, 0 },
		{ "tcx-", 0, 0, 0 },
		{ "tcx-0", 0, 0, 0 },
		{ "tcx-4294967296", 0, 0, 0 },
		{ "other-1", 0, 0, 0 },
	};
	enum hook_kind kind;
	uint32_t ifindex;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(hook_parse(rows[i].name, &kind, &ifindex), rows[i].ok);
		if (rows[i].ok) {
			assert_int_equal(kind, rows[i].kind);
			assert_int_equal(ifindex, rows[i].ifindex);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_of_a_pin_is_read_back),
		cmocka_unit_test(tcx_is_attached_replaced_in_place_and_taken_off),
		cmocka_unit_test(a_tcx_program_of_others_stays_and_runs_behind_ours),
		cmocka_unit_test(clsact_serves_a_kernel_without_tcx_and_leaves_no_qdisc),
		cmocka_unit_test(a_qdisc_and_filters_of_others_stay),
		cmocka_unit_test(a_qdisc_of_ours_that_others_use_by_now_stays),
		cmocka_unit_test(a_filter_of_others_at_our_place_is_named),
		cmocka_unit_test(a_filter_that_somebody_took_off_is_shown_and_put_on_again),
		cmocka_unit_test(what_a_pod_is_sent_has_a_link_of_its_own),
		cmocka_unit_test(what_a_pod_is_sent_has_a_filter_of_its_own),
		cmocka_unit_test(xdp_is_attached_in_the_mode_asked_for),
		cmocka_unit_test(an_xdp_program_of_others_is_named_and_stays),
		cmocka_unit_test(native_xdp_that_the_driver_lacks_is_said),
		cmocka_unit_test(an_interface_that_is_gone_is_listed_and_forgotten),
		cmocka_unit_test(an_index_given_again_is_another_interface),
		cmocka_unit_test(all_of_an_instance_goes_whatever_its_abi),
	};

	return cmocka_run_group_tests_name("attach", tests, host_setup, host_teardown);
}
