/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The plan: what is put, changed, left and deleted, and in which order. Pure. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "plane/plan.h"

/* A small state on the stack: one of everything, as the model would sort it. */
struct state {
	struct wanted w;
	struct wanted_route routes[4];
	struct wanted_node nodes[2];
	struct wanted_name names[2];
	struct wanted_cluster clusters[2];
	struct wanted_pod pods[3];
	struct wanted_iface ifaces[2];
};

static struct wanted_route route(const char *net, uint32_t plen, uint32_t node)
{
	struct wanted_route r;

	memset(&r, 0, sizeof(r));
	r.prefix.plen = 96 + plen;
	r.prefix.addr = xm_addr_v4(inet_addr(net));
	r.route.node = node;
	r.route.cluster = 2;
	r.route.outer = xm_addr_v4(inet_addr("192.0.2.7"));
	r.route.mtu = 1450;
	r.route.since_s = 1000;
	return r;
}

static void use_plen(struct wanted *w, unsigned int slot, uint32_t plen)
{
	w->config.plen[0][slot].plen = 96 + plen;
	w->config.plen[0][slot].used = 1;
	w->config.plen[0][slot].mask[0] = plen;
	if (w->config.n_plen[0] < slot + 1)
		w->config.n_plen[0] = (__u16)(slot + 1);
}

static struct state *state_new(void)
{
	struct state *s = calloc(1, sizeof(*s));

	s->w.config.magic = XM_ABI_MAGIC;
	s->w.config.abi = XM_ABI;
	use_plen(&s->w, 0, 24);
	s->routes[0] = route("10.2.1.0", 24, 5);
	s->routes[1] = route("10.2.2.0", 24, 5);
	s->nodes[0].addr = xm_addr_v4(inet_addr("192.0.2.7"));
	s->nodes[0].node.number = 5;
	s->names[0].number = 5;
	strcpy(s->names[0].name.name, "west-1");
	s->clusters[0].id = 2;
	strcpy(s->clusters[0].cluster.name, "west");
	s->pods[0].addr = xm_addr_v4(inet_addr("10.1.0.5"));
	s->pods[0].pod.ifindex = 7;
	s->ifaces[0].ifindex = 7;
	s->ifaces[0].iface.n_addrs = 1;
	s->w.routes = s->routes;
	s->w.n_routes = 2;
	s->w.nodes = s->nodes;
	s->w.names = s->names;
	s->w.clusters = s->clusters;
	s->w.pods = s->pods;
	s->w.ifaces = s->ifaces;
	s->w.n_nodes = s->w.n_names = s->w.n_clusters = s->w.n_pods = s->w.n_ifaces = 1;
	return s;
}

/* The plan as one line of letters: + put, ~ change, - delete, and the map's letter. */
static char *letters(const struct wanted *wanted, const struct wanted *actual)
{
	static const char map_letters[PLANE_MAP_COUNT] = {
		[PLANE_xm_config] = 'C', [PLANE_xm_node_names] = 'n', [PLANE_xm_clusters] = 'c',
		[PLANE_xm_nodes] = 'a', [PLANE_xm_routes] = 'r', [PLANE_xm_ifaces] = 'i',
		[PLANE_xm_pods] = 'p', [PLANE_xm_paths] = 't',
	};
	static char text[256];
	struct plan *plan;
	size_t i, n = 0;

	assert_int_equal(plan_new(wanted, actual, &plan), 0);
	for (i = 0; i < plan->n_ops; i++) {
		const struct plan_op *op = &plan->ops[i];

		assert_int_equal(op->verb == PLAN_PUT, op->value != NULL);
		text[n++] = op->verb == PLAN_DELETE ? '-' : op->replace ? '~' : '+';
		text[n++] = map_letters[op->map];
	}
	text[n] = '\0';
	plan_free(plan);
	return text;
}

static void on_an_empty_node_all_is_put_targets_first(void **state)
{
	struct state *w = state_new();

	assert_string_equal(letters(&w->w, NULL), "+C+n+c+a+r+r+p+i");
	free(w);
}

static void nothing_is_done_where_nothing_changed(void **state)
{
	struct state *w = state_new(), *a = state_new();

	assert_string_equal(letters(&w->w, &a->w), "");
	free(w);
	free(a);
}

static void an_entry_that_differs_in_its_age_alone_is_left(void **state)
{
	struct state *w = state_new(), *a = state_new();

	w->routes[0].route.since_s = 2000;
	w->names[0].name.since_s = 2000;
	w->clusters[0].cluster.since_s = 2000;
	w->pods[0].pod.since_s = 2000;
	assert_string_equal(letters(&w->w, &a->w), "");
	free(w);
	free(a);
}

static void what_changed_is_replaced_and_nothing_else(void **state)
{
	struct state *w = state_new(), *a = state_new();

	w->routes[1].route.mtu = 1400;
	assert_string_equal(letters(&w->w, &a->w), "~r");
	w->pods[0].pod.mtu = 9000;
	assert_string_equal(letters(&w->w, &a->w), "~r~p");
	w->clusters[0].cluster.mode6 = XM_MODE_NATIVE;
	assert_string_equal(letters(&w->w, &a->w), "~c~r~p");
	w->nodes[0].node.path.mtu = 1400;
	assert_string_equal(letters(&w->w, &a->w), "~c~a~r~p");
	free(w);
	free(a);
}

static void a_state_that_goes_is_deleted_in_the_reverse_order(void **state)
{
	struct state *w = state_new(), *a = state_new();

	w->w.n_routes = w->w.n_nodes = w->w.n_names = 0;
	w->w.n_clusters = w->w.n_pods = w->w.n_ifaces = 0;
	assert_string_equal(letters(&w->w, &a->w), "-i-p-r-r-a-c-n");
	free(w);
	free(a);
}

static void puts_come_before_deletes(void **state)
{
	struct state *w = state_new(), *a = state_new();

	w->routes[0] = route("10.2.0.0", 24, 5);
	assert_string_equal(letters(&w->w, &a->w), "+r-r");
	w->routes[0] = route("10.2.1.0", 24, 5);
	w->routes[1] = route("10.2.9.0", 24, 5);
	assert_string_equal(letters(&w->w, &a->w), "+r-r");
	free(w);
	free(a);
}

static void pods_put_by_hand_are_kept(void **state)
{
	struct state *w = state_new(), *a = state_new();

	a->pods[0].pod.flags = XM_POD_STATIC;
	w->w.n_pods = 0;
	assert_string_equal(letters(&w->w, &a->w), "");
	a->pods[0].pod.flags = 0;
	assert_string_equal(letters(&w->w, &a->w), "-p");
	free(w);
	free(a);
}

static void a_new_prefix_length_has_its_slot_before_its_routes(void **state)
{
	struct state *w = state_new(), *a = state_new();

	use_plen(&w->w, 1, 26);
	w->routes[2] = route("10.3.0.0", 26, 5);
	w->w.n_routes = 3;
	assert_string_equal(letters(&w->w, &a->w), "~C+r");
	free(w);
	free(a);
}

static void a_length_out_of_use_keeps_its_slot_until_its_routes_are_gone(void **state)
{
	struct state *w = state_new(), *a = state_new();
	const struct xm_config *first, *last;
	struct plan *plan;

	use_plen(&a->w, 1, 26);
	a->routes[2] = route("10.3.0.0", 26, 5);
	a->w.n_routes = 3;
	assert_string_equal(letters(&w->w, &a->w), "-r~C");

	/* One length goes as another comes. */
	memset(&w->w.config.plen[0][0], 0, sizeof(w->w.config.plen[0][0]));
	use_plen(&w->w, 2, 28);
	w->routes[0] = route("10.2.1.0", 28, 5);
	w->w.n_routes = 1;
	assert_string_equal(letters(&w->w, &a->w), "~C+r-r-r-r~C");
	assert_int_equal(plan_new(&w->w, &a->w, &plan), 0);
	first = plan->ops[0].value;
	last = plan->ops[plan->n_ops - 1].value;
	assert_int_equal(first->plen[0][0].plen, 96 + 24);
	assert_int_equal(first->plen[0][1].plen, 96 + 26);
	assert_int_equal(first->plen[0][2].plen, 96 + 28);
	assert_int_equal(first->n_plen[0], 3);
	assert_memory_equal(last, &w->w.config, sizeof(*last));
	plan_free(plan);
	free(w);
	free(a);
}

static void a_path_comes_before_the_node_and_goes_after_it(void **state)
{
	struct state *w = state_new(), *a = state_new();
	struct wanted_path paths[2] = { { .number = 5 }, { .number = 5 } };

	paths[0].path.own_mac[5] = 1;
	w->w.paths = &paths[0];
	w->w.n_paths = 1;
	assert_string_equal(letters(&w->w, NULL), "+C+n+c+t+a+r+r+p+i");
	assert_string_equal(letters(&w->w, &a->w), "+t");
	a->w.paths = &paths[1];
	a->w.n_paths = 1;
	assert_string_equal(letters(&w->w, &a->w), "~t");
	paths[1] = paths[0];
	assert_string_equal(letters(&w->w, &a->w), "");
	w->w.n_paths = w->w.n_nodes = 0;
	assert_string_equal(letters(&w->w, &a->w), "-a-t");
	free(w);
	free(a);
}

static void a_change_of_settings_is_one_put(void **state)
{
	struct state *w = state_new(), *a = state_new();

	w->w.config.flags = XM_CFG_SOURCE_CHECK;
	assert_string_equal(letters(&w->w, &a->w), "~C");
	free(w);
	free(a);
}

static void a_table_out_of_order_is_refused(void **state)
{
	struct state *w = state_new(), *a = state_new();
	struct wanted_route swap = w->routes[0];
	struct plan *plan;

	w->routes[0] = w->routes[1];
	w->routes[1] = swap;
	assert_int_equal(plan_new(&w->w, &a->w, &plan), -EINVAL);
	assert_int_equal(plan_new(&a->w, &w->w, &plan), -EINVAL);
	w->routes[0] = w->routes[1];
	assert_int_equal(plan_new(&w->w, NULL, &plan), -EINVAL);
	free(w);
	free(a);
}

static void every_operation_has_its_line_for_people(void **state)
{
	static const char want[] =
		"change xm_config     cluster 1, node 3, port 8492, id 1, prefix lengths /24\n"
		"put    xm_clusters   3 -> north, from dir /n\n"
		"change xm_routes     10.2.1.0/24 -> west-1, tunnel to 192.0.2.7, mtu 1400\n"
		"put    xm_routes     10.2.3.0/24 -> west-1, local\n"
		"delete xm_ifaces     7 -> 1 addresses\n"
		"delete xm_pods       10.1.0.5 -> interface 7, 02:00:00:00:00:01\n"
		"delete xm_routes     10.2.2.0/24 -> west-1, native via 192.0.2.7, mtu 1450\n"
		"delete xm_nodes      192.0.2.9 -> unknown node\n"
		"delete xm_node_names 6 -> gone-1\n";
	struct state *w = state_new(), *a = state_new();
	char *text = NULL;
	struct plan *plan;
	size_t size, i;
	FILE *out;

	w->w.config.cluster = 1;
	w->w.config.node = 3;
	w->w.config.port = htons(8492);
	w->w.config.vni = 1;
	w->clusters[1].id = 3;
	strcpy(w->clusters[1].cluster.name, "north");
	strcpy(w->clusters[1].cluster.origin, "dir /n");
	w->w.n_clusters = 2;
	w->routes[0].route.mtu = 1400;
	w->routes[1] = route("10.2.3.0", 24, 5);
	w->routes[1].route.flags = XM_ROUTE_LOCAL;
	w->w.n_pods = w->w.n_ifaces = 0;
	a->pods[0].pod.pod_mac[0] = 2;
	a->pods[0].pod.pod_mac[5] = 1;
	a->routes[1].route.mode = XM_MODE_NATIVE;
	a->nodes[1].addr = xm_addr_v4(inet_addr("192.0.2.9"));
	a->nodes[1].node.number = 9;
	a->w.n_nodes = 2;
	a->names[1].number = 6;
	strcpy(a->names[1].name.name, "gone-1");
	a->w.n_names = 2;

	out = open_memstream(&text, &size);
	assert_int_equal(plan_new(&w->w, &a->w, &plan), 0);
	for (i = 0; i < plan->n_ops; i++)
		plan_op_print(&plan->ops[i], &w->w, &a->w, out);
	fclose(out);
	assert_string_equal(text, want);
	free(text);
	plan_free(plan);
	free(w);
	free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(on_an_empty_node_all_is_put_targets_first),
		cmocka_unit_test(nothing_is_done_where_nothing_changed),
		cmocka_unit_test(an_entry_that_differs_in_its_age_alone_is_left),
		cmocka_unit_test(what_changed_is_replaced_and_nothing_else),
		cmocka_unit_test(a_state_that_goes_is_deleted_in_the_reverse_order),
		cmocka_unit_test(puts_come_before_deletes),
		cmocka_unit_test(pods_put_by_hand_are_kept),
		cmocka_unit_test(a_new_prefix_length_has_its_slot_before_its_routes),
		cmocka_unit_test(a_length_out_of_use_keeps_its_slot_until_its_routes_are_gone),
		cmocka_unit_test(a_path_comes_before_the_node_and_goes_after_it),
		cmocka_unit_test(a_change_of_settings_is_one_put),
		cmocka_unit_test(a_table_out_of_order_is_refused),
		cmocka_unit_test(every_operation_has_its_line_for_people),
	};

	return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
