/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is carried from turn to turn, over restarts and from pods added by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "agent/podset.h"
#include "core/addr.h"
#include "core/defs.h"

#define VETH 7

struct world {
	struct config *config;
	struct link_fact link;
	struct host_route_fact route;
	struct neigh_fact neigh;
	struct net_tables tables;
	struct wanted_pod pod;
	struct wanted actual;
	struct podset podset;
	struct hostcheck check;
	struct notes notes;
};

static struct world *world(enum config_path path)
{
	static const char text[] = "cluster: {name: east, id: 1}\nunderlay: [eth0]\n"
				   "pods: {interfaces: [\"veth*\"]}\n";
	struct world *w = calloc(1, sizeof(*w));
	struct err err = { 0 };

	if (config_parse(text, strlen(text), "t", &w->config, &err))
		fail_msg("%s", err.text);
	w->config->pods_path = path;
	w->link = (struct link_fact){ .ifindex = VETH, .name = "veth1", .kind = "veth", .mtu = 1500, .up = true };
	w->route.ifindex = VETH;
	assert_int_equal(addr_parse("10.1.0.2", &w->route.addr, NULL), 0);
	w->neigh = (struct neigh_fact){ .ifindex = VETH, .addr = w->route.addr, .mac = { 2, 0, 0, 0, 0, 1 },
					.usable = true };
	w->tables = (struct net_tables){ .links = &w->link, .n_links = 1, .neighs = &w->neigh, .n_neighs = 1,
					 .routes = &w->route, .n_routes = 1 };
	w->pod = (struct wanted_pod){ .addr = w->route.addr,
				      .pod = { .ifindex = VETH, .pod_mac = { 2, 0, 0, 0, 0, 9 } } };
	w->actual.pods = &w->pod;
	w->actual.n_pods = 1;
	return w;
}

static const struct pods *learn(struct world *w)
{
	struct err err = { 0 };

	if (podset_learn(&w->podset, w->config, NULL, &w->tables, &w->actual, &w->check, &w->notes, &err))
		fail_msg("%s", err.text);
	return w->podset.pods;
}

static void end(struct world *w)
{
	podset_done(&w->podset);
	notes_done(&w->notes);
	config_free(w->config);
	free(w);
}

static void fast(void **state)
{
	struct world *w = world(CONFIG_PATH_AUTO);
	const struct pods *pods = learn(w);

	assert_int_equal(pods->n_pods, 1);
	assert_int_equal(pods->pods[0].pod.flags & XM_POD_STACK, 0);
	assert_int_equal(pods->pods[0].pod.pod_mac[5], 1);
	assert_int_equal(w->notes.n, 0);
	end(w);
}

static void policy(void **state)
{
	struct world *w = world(CONFIG_PATH_AUTO);

	w->check.policy_engine = true;
	strcpy(w->check.policy_why, "chain cali-FORWARD");
	assert_true(learn(w)->pods[0].pod.flags & XM_POD_STACK);
	assert_int_equal(w->notes.n, 1);
	assert_non_null(strstr(w->notes.v[0], "cali-FORWARD"));
	end(w);
}

static void unknown_programs(void **state)
{
	struct world *w = world(CONFIG_PATH_AUTO);
	struct rlimit usual, none;
	struct err err = { 0 };
	struct plane plane;
	int code;

	assert_int_equal(plane_init("/nowhere", "test", &plane, &err), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
	/* No descriptor is left for the question which programs are there. */
	none = (struct rlimit){ .rlim_max = usual.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	code = podset_learn(&w->podset, w->config, &plane, &w->tables, &w->actual, &w->check, &w->notes, &err);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
	assert_int_equal(code, 0);
	assert_true(w->podset.pods->pods[0].pod.flags & XM_POD_STACK);
	assert_int_equal(w->notes.n, 1);
	assert_non_null(strstr(w->notes.v[0], "1 pod interfaces whose programs cannot be listed"));
	end(w);
}

static void forced_fast(void **state)
{
	struct world *w = world(CONFIG_PATH_FAST);

	w->check.policy_engine = true;
	assert_false(learn(w)->pods[0].pod.flags & XM_POD_STACK);
	end(w);
}

static void adopted(void **state)
{
	struct world *w = world(CONFIG_PATH_AUTO);
	const struct pods *pods;

	w->tables.n_neighs = 0;
	pods = learn(w);
	assert_int_equal(pods->n_pods, 1);
	assert_int_equal(pods->pods[0].pod.pod_mac[5], 9);
	end(w);
}

static void by_hand(void **state)
{
	struct world *w = world(CONFIG_PATH_AUTO);
	const struct pods *pods;

	w->tables.n_neighs = w->tables.n_routes = 0;
	w->pod.pod.flags = XM_POD_STATIC;
	pods = learn(w);
	assert_int_equal(pods->n_pods, 1);
	assert_true(pods->pods[0].pod.flags & XM_POD_STATIC);
	assert_int_equal(pods->pods[0].pod.pod_mac[5], 9);
	/* Deleted by hand: nothing brings it back. */
	w->actual.n_pods = 0;
	assert_int_equal(learn(w)->n_pods, 0);
	end(w);
}

int main(void)
{
#define TEST(name, fn) { name, fn, NULL, NULL, NULL }
	const struct CMUnitTest tests[] = {
		TEST("a host route with its neighbour is a pod on the fast path", fast),
		TEST("where a policy engine was found pods take the stack, and a note says why", policy),
		TEST("where a pod's programs cannot be listed it takes the stack", unknown_programs),
		TEST("pods.path fast takes no notice of it", forced_fast),
		TEST("after a restart a pod is known although its neighbour entry is gone", adopted),
		TEST("a pod added by hand stays until it is deleted", by_hand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
