/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Plans carried out, tables read back, limits named. */
#include "unit/plane/host.h"

#include <endian.h>

#include "plane/actual.h"

#define N_ROUTES XM_MAX_ROUTES

/* Many routes in the order of their keys, in a wanted state that is freed by wanted_free(). */
static struct wanted *many_routes(size_t n)
{
	struct wanted *w = calloc(1, sizeof(*w));
	size_t i;

	w->config.magic = XM_ABI_MAGIC;
	w->config.abi = XM_ABI;
	w->config.n_plen[0] = 2;
	w->config.plen[0][1].used = 1;
	w->config.plen[0][1].plen = 120;
	memset(w->config.plen[0][1].mask, 0xff, 15);
	w->routes = calloc(n, sizeof(*w->routes));
	w->n_routes = n;
	for (i = 0; i < n; i++) {
		w->routes[i].prefix.plen = 120;
		w->routes[i].prefix.addr = xm_addr_v4(htobe32(0x0a000000u + ((uint32_t)i << 8)));
		w->routes[i].route.node = (uint32_t)i;
		w->routes[i].route.mtu = 1450;
		w->routes[i].route.since_s = 77;
	}
	return w;
}

static size_t plan_and_apply(const struct plane *plane, const struct wanted *wanted)
{
	struct wanted *actual;
	struct plan *plan;
	size_t done = 0, n;

	assert_done(actual_read(plane, &actual, &err));
	assert_int_equal(plan_new(wanted, actual, &plan), 0);
	n = plan->n_ops;
	assert_done(apply_plan(plane, plan, &done, &err));
	assert_int_equal(done, n);
	plan_free(plan);
	wanted_free(actual);
	return n;
}

static void as_many_routes_as_there_may_be_go_in_and_come_back(void **state)
{
	struct wanted *wanted, *actual;
	struct wanted_route found;
	struct map_info info;
	struct xm_addr addr;
	struct plane plane;

	host_need_root();
	plane = host_load();
	wanted = many_routes(N_ROUTES);
	assert_int_equal(plan_and_apply(&plane, wanted), N_ROUTES + 1);
	assert_done(actual_read(&plane, &actual, &err));
	assert_int_equal(actual->n_routes, N_ROUTES);
	assert_memory_equal(actual->routes, wanted->routes, N_ROUTES * sizeof(*actual->routes));
	assert_memory_equal(&actual->config, &wanted->config, sizeof(actual->config));
	wanted_free(actual);
	assert_done(actual_map_info(&plane, PLANE_xm_routes, &info, &err));
	assert_int_equal(info.entries, N_ROUTES);
	assert_int_equal(info.max_entries, XM_MAX_ROUTES);
	assert_string_equal(info.name, "xm_routes");
	assert_string_equal(info.type_name, "hash");

	addr = xm_addr_v4(htobe32(0x0a000307));
	assert_done(actual_route_get(&plane, &addr, &found, &err));
	assert_int_equal(found.route.node, 3);
	assert_int_equal(found.prefix.plen, 120);
	addr = xm_addr_v4(htobe32(0xc0000001));
	assert_int_equal(actual_route_get(&plane, &addr, &found, &err), -ENOENT);
	assert_non_null(strstr(err.text, "192.0.0.1"));

	/* The same again is no work; an older age is kept. */
	wanted->routes[5].route.since_s = 99;
	assert_int_equal(plan_and_apply(&plane, wanted), 0);
	/* Half of them go. */
	wanted->n_routes = N_ROUTES / 2;
	assert_int_equal(plan_and_apply(&plane, wanted), N_ROUTES / 2);
	assert_done(actual_read(&plane, &actual, &err));
	assert_int_equal(actual->n_routes, N_ROUTES / 2);
	assert_int_equal(actual->routes[5].route.since_s, 77);
	wanted_free(actual);
	wanted_free(wanted);
	host_clean(&plane);
}

static void every_table_goes_in_and_comes_back(void **state)
{
	struct wanted *wanted, *actual;
	struct plane plane;

	host_need_root();
	plane = host_load();
	wanted = many_routes(1);
	wanted->nodes = calloc(1, sizeof(*wanted->nodes));
	wanted->nodes[0].addr = xm_addr_v4(1);
	wanted->nodes[0].node.number = 4;
	wanted->names = calloc(1, sizeof(*wanted->names));
	wanted->names[0].number = 4;
	strcpy(wanted->names[0].name.name, "west-1");
	wanted->clusters = calloc(2, sizeof(*wanted->clusters));
	wanted->clusters[0].id = 2;
	wanted->clusters[1].id = 0x0102;
	wanted->pods = calloc(1, sizeof(*wanted->pods));
	wanted->pods[0].addr = xm_addr_v4(2);
	wanted->pods[0].pod.ifindex = 9;
	wanted->ifaces = calloc(1, sizeof(*wanted->ifaces));
	wanted->ifaces[0].ifindex = 9;
	wanted->ifaces[0].iface.n_addrs = 1;
	wanted->n_nodes = wanted->n_names = wanted->n_pods = wanted->n_ifaces = 1;
	wanted->n_clusters = 2;
	wanted->paths = calloc(1, sizeof(*wanted->paths));
	wanted->paths[0].number = 4;
	wanted->paths[0].path.route.ifindex = 3;
	wanted->n_paths = 1;
	assert_int_equal(plan_and_apply(&plane, wanted), 9);
	assert_int_equal(plan_and_apply(&plane, wanted), 0);
	assert_done(actual_read(&plane, &actual, &err));
	assert_int_equal(actual->n_nodes, 1);
	assert_memory_equal(actual->nodes, wanted->nodes, sizeof(*actual->nodes));
	assert_int_equal(actual->n_paths, 1);
	assert_memory_equal(actual->paths, wanted->paths, sizeof(*actual->paths));
	assert_int_equal(actual->n_names, 1);
	assert_memory_equal(actual->names, wanted->names, sizeof(*actual->names));
	assert_int_equal(actual->n_clusters, 2);
	assert_memory_equal(actual->clusters, wanted->clusters, 2 * sizeof(*actual->clusters));
	assert_int_equal(actual->n_pods, 1);
	assert_memory_equal(actual->pods, wanted->pods, sizeof(*actual->pods));
	assert_int_equal(actual->n_ifaces, 1);
	assert_memory_equal(actual->ifaces, wanted->ifaces, sizeof(*actual->ifaces));
	wanted_free(actual);
	wanted->n_nodes = wanted->n_names = wanted->n_pods = wanted->n_ifaces = 0;
	wanted->n_clusters = wanted->n_routes = wanted->n_paths = 0;
	/* The path is zeroed, for an array keeps its elements. */
	assert_int_equal(plan_and_apply(&plane, wanted), 8);
	assert_int_equal(plan_and_apply(&plane, wanted), 0);
	wanted_free(wanted);
	host_clean(&plane);
}

static void a_full_map_is_named_and_what_fitted_stays(void **state)
{
	struct wanted *wanted, *actual;
	struct plane plane;
	struct plan *plan;
	size_t done = 0, i;

	host_need_root();
	plane = host_load();
	wanted = calloc(1, sizeof(*wanted));
	wanted->config.magic = XM_ABI_MAGIC;
	wanted->config.abi = XM_ABI;
	wanted->n_clusters = XM_MAX_CLUSTERS + 1;
	wanted->clusters = calloc(wanted->n_clusters, sizeof(*wanted->clusters));
	for (i = 0; i < wanted->n_clusters; i++)
		wanted->clusters[i].id = (uint16_t)(i + 1);
	assert_int_equal(plan_new(wanted, NULL, &plan), 0);
	assert_int_equal(apply_plan(&plane, plan, &done, &err), -ENOSPC);
	assert_int_equal(done, 1 + XM_MAX_CLUSTERS);
	assert_non_null(strstr(err.text, "xm_clusters is full"));
	assert_non_null(strstr(err.text, "1024"));
	plan_free(plan);
	assert_done(actual_read(&plane, &actual, &err));
	assert_int_equal(actual->n_clusters, XM_MAX_CLUSTERS);
	wanted_free(actual);

	/* Planned anew with one less, nothing is left to do. */
	wanted->n_clusters--;
	assert_int_equal(plan_and_apply(&plane, wanted), 0);
	wanted_free(wanted);
	host_clean(&plane);
}

static void a_delete_of_what_is_gone_is_no_error(void **state)
{
	struct plan_op ops[2] = {
		{ .verb = PLAN_DELETE, .map = PLANE_xm_clusters, .key.cluster = 1 },
		{ .verb = PLAN_DELETE, .map = PLANE_xm_clusters, .key.cluster = 2 },
	};
	struct plan plan = { .ops = ops, .n_ops = 2 };
	struct plane plane;
	size_t done = 0;

	host_need_root();
	plane = host_load();
	assert_done(apply_plan(&plane, &plan, &done, &err));
	assert_int_equal(done, 2);
	host_clean(&plane);
}

static uint32_t addrs_behind(const struct plane *plane, uint32_t ifindex)
{
	struct xm_iface iface;

	if (bpf_map_lookup_elem(plane->map_fd[PLANE_xm_ifaces], &ifindex, &iface))
		return UINT32_MAX;
	return iface.n_addrs;
}

static void a_pod_by_hand_counts_for_its_interface(void **state)
{
	struct xm_addr a = xm_addr_v4(1), b = xm_addr_v4(2);
	struct xm_pod pod = { .ifindex = 5, .flags = XM_POD_STATIC };
	struct plane plane;

	host_need_root();
	plane = host_load();
	assert_done(apply_pod_put(&plane, &a, &pod, &err));
	assert_done(apply_pod_put(&plane, &a, &pod, &err));
	assert_int_equal(addrs_behind(&plane, 5), 1);
	assert_done(apply_pod_put(&plane, &b, &pod, &err));
	assert_int_equal(addrs_behind(&plane, 5), 2);
	pod.ifindex = 6;
	assert_done(apply_pod_put(&plane, &b, &pod, &err));
	assert_int_equal(addrs_behind(&plane, 5), 1);
	assert_int_equal(addrs_behind(&plane, 6), 1);
	assert_done(apply_pod_delete(&plane, &a, &err));
	assert_int_equal(addrs_behind(&plane, 5), 0);
	assert_int_equal(apply_pod_delete(&plane, &a, &err), -ENOENT);
	assert_non_null(strstr(err.text, "no pod of this node"));
	host_clean(&plane);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_many_routes_as_there_may_be_go_in_and_come_back),
		cmocka_unit_test(every_table_goes_in_and_comes_back),
		cmocka_unit_test(a_full_map_is_named_and_what_fitted_stays),
		cmocka_unit_test(a_delete_of_what_is_gone_is_no_error),
		cmocka_unit_test(a_pod_by_hand_counts_for_its_interface),
	};

	return cmocka_run_group_tests_name("apply", tests, host_setup, host_teardown);
}
