/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The difference of wanted and actual kernel tables, with no kernel in sight. */
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/addr.h"
#include "core/defs.h"
#include "net/sync.h"
#include "net/sync_plan.h"

#define DEVICE 7

static struct xm_addr addr(const char *text)
{
	struct xm_addr a;

	assert_int_equal(addr_parse(text, &a, NULL), 0);
	return a;
}

static struct xm_prefix prefix(const char *text)
{
	struct xm_prefix p = { 0 };

	assert_int_equal(prefix_parse(text, &p, NULL), 0);
	return p;
}

static char *fake_ifname(unsigned int ifindex, char *buf)
{
	return strcpy(buf, ifindex == DEVICE ? "xmesh0" : "eth0");
}

/* What the kernel holds after a sync of want(): the starting point of every row. */
static struct route_fact actual4(void)
{
	struct xm_prefix to = prefix("10.2.0.0/24");

	return (struct route_fact){ .prefix = to,
				    .table = RT_TABLE_MAIN,
				    .ifindex = DEVICE,
				    .metric = sync_plan_metric(&to),
				    .mtu = 1450,
				    .type = RTN_UNICAST,
				    .protocol = NET_ROUTE_PROTO,
				    .onlink = true,
				    .shape = ROUTE_TUNNEL,
				    .gateway = addr("192.0.2.2"),
				    .src = addr("192.0.2.1"),
				    .outer = addr("192.0.2.2"),
				    .vni = 1,
				    .ttl = ROUTE_TTL };
}

static struct rule_fact rule(const char *from)
{
	return (struct rule_fact){ .from = prefix(from),
				   .priority = NET_RULE_PRIORITY,
				   .table = NET_ROUTE_TABLE,
				   .protocol = NET_ROUTE_PROTO,
				   .plain = true };
}

static struct wanted_kroute want4(void)
{
	return (struct wanted_kroute){ .prefix = prefix("10.2.0.0/24"),
				       .tunnel = true,
				       .ifindex = DEVICE,
				       .outer = addr("192.0.2.2"),
				       .gateway = addr("192.0.2.2"),
				       .src = addr("192.0.2.1"),
				       .mtu = 1450 };
}

static void other_ifindex(struct route_fact *r) { r->ifindex = 8; }
static void other_mtu(struct route_fact *r) { r->mtu = 1400; }
static void other_gateway(struct route_fact *r) { r->gateway = addr("192.0.2.9"); }
static void other_outer(struct route_fact *r) { r->outer = addr("2001:db8::2"); }
static void other_outer_source(struct route_fact *r) { r->outer_src = addr("192.0.2.1"); }
static void no_src(struct route_fact *r) { memset(&r->src, 0, sizeof(r->src)); }
static void other_vni(struct route_fact *r) { r->vni = 2; }
static void other_ttl(struct route_fact *r) { r->ttl = 0; }
static void other_tos(struct route_fact *r) { r->outer_tos = 4; }
static void with_flags(struct route_fact *r) { r->tunnel_flags = 1; }
static void not_onlink(struct route_fact *r) { r->onlink = false; }
static void multipath(struct route_fact *r) { r->shape = ROUTE_OTHER; }
static void no_tunnel(struct route_fact *r) { r->shape = ROUTE_SIMPLE; }
static void no_change(struct route_fact *r) {}
static void rule_as_it_is(struct rule_fact *r) {}
static void other_priority(struct rule_fact *r) { r->priority = 1; }
static void other_table(struct rule_fact *r) { r->table = 254; }
static void not_plain(struct rule_fact *r) { r->plain = false; }
static void other_from(struct rule_fact *r) { r->from = prefix("10.1.0.0/24"); }

static const struct {
	const char *what;
	void (*change)(struct route_fact *r);
	size_t n_ops;
} attributes[] = {
	{ "nothing", no_change, 0 },
	{ "the interface", other_ifindex, 1 },
	{ "the MTU", other_mtu, 1 },
	{ "the gateway", other_gateway, 1 },
	{ "the tunnel's end", other_outer, 1 },
	{ "the tunnel's source", other_outer_source, 1 },
	{ "the preferred source", no_src, 1 },
	{ "the VNI", other_vni, 1 },
	{ "the outer TTL", other_ttl, 1 },
	{ "the outer TOS", other_tos, 1 },
	{ "the tunnel's flags", with_flags, 1 },
	{ "onlink", not_onlink, 1 },
	{ "several next hops", multipath, 1 },
	{ "no encapsulation", no_tunnel, 1 },
};

static void every_attribute_that_differs_replaces_our_route(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(attributes); i++) {
		struct wanted_kroute route = want4();
		struct wanted w = { .kroutes = &route, .n_kroutes = 1, .config.vni = 1 };
		struct route_fact is = actual4(), should = actual4();
		struct kernel_tables actual = { .routes = &is, .n_routes = 1 };
		struct sync_plan plan;

		print_message("%s\n", attributes[i].what);
		attributes[i].change(&is);
		assert_int_equal(sync_plan(&w, &actual, fake_ifname, &plan), 0);
		assert_int_equal(plan.n_ops, attributes[i].n_ops);
		if (plan.n_ops) {
			assert_int_equal(plan.ops[0].verb, SYNC_ROUTE_REPLACE);
			assert_true(route_same(&plan.ops[0].route, &should));
		}
		sync_plan_done(&plan);
	}
}

static const struct {
	const char *holds;
	uint32_t metric;
	uint8_t type, protocol;
	bool ours_there;
	size_t n_ops;
	enum sync_verb verb;
	const char *note;
} foreigns[] = {
	{ "a foreign route keeps ours out", 0, RTN_UNICAST, RTPROT_BIRD, false, 0, 0, "eth0 proto bird" },
	{ "at a worse metric too", 100, RTN_UNICAST, RTPROT_STATIC, false, 0, 0, "proto static metric 100" },
	{ "and takes ours away", 100, RTN_UNICAST, 77, true, 1, SYNC_ROUTE_DELETE, "proto 77" },
	{ "a blackhole in front of ours keeps it out", 0, RTN_BLACKHOLE, RTPROT_BIRD, false, 0, 0, "bird" },
	{ "a fallback behind ours is no obstacle", 9999, RTN_UNREACHABLE, RTPROT_STATIC, false, 1,
	  SYNC_ROUTE_ADD, NULL },
	{ "and ours stays beside it", 9999, RTN_BLACKHOLE, RTPROT_STATIC, true, 0, 0, NULL },
};

static void foreign_routes_are_never_replaced(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(foreigns); i++) {
		struct wanted_kroute route = want4();
		struct wanted w = { .kroutes = &route, .n_kroutes = 1, .config.vni = 1 };
		struct route_fact is[] = { { .prefix = prefix("10.2.0.0/24"),
					     .table = RT_TABLE_MAIN,
					     .ifindex = 2,
					     .metric = foreigns[i].metric,
					     .type = foreigns[i].type,
					     .protocol = foreigns[i].protocol },
					   actual4() };
		struct kernel_tables actual = { .routes = is,
						.n_routes = foreigns[i].ours_there ? 2 : 1 };
		struct sync_plan plan;

		print_message("%s\n", foreigns[i].holds);
		assert_int_equal(sync_plan(&w, &actual, fake_ifname, &plan), 0);
		assert_int_equal(plan.n_ops, foreigns[i].n_ops);
		if (plan.n_ops) {
			assert_int_equal(plan.ops[0].verb, foreigns[i].verb);
			assert_int_equal(plan.ops[0].route.protocol, NET_ROUTE_PROTO);
		}
		assert_int_equal(plan.n_notes, foreigns[i].note ? 1 : 0);
		if (foreigns[i].note && !strstr(plan.notes[0], foreigns[i].note))
			fail_msg("\"%s\" does not say \"%s\"", plan.notes[0], foreigns[i].note);
		sync_plan_done(&plan);
	}
}

static void many_foreign_routes_are_summed_up(void **state)
{
	struct wanted_kroute routes[SYNC_FOREIGN_NOTED + 4];
	struct route_fact is[ARRAY_SIZE(routes)];
	struct wanted w = { .kroutes = routes, .n_kroutes = ARRAY_SIZE(routes) };
	struct kernel_tables actual = { .routes = is, .n_routes = ARRAY_SIZE(is) };
	struct sync_plan plan;

	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		routes[i] = want4();
		is[i] = actual4();
		routes[i].prefix.addr.b[14] = is[i].prefix.addr.b[14] = (__u8)i;
		is[i].protocol = RTPROT_BIRD;
	}
	assert_int_equal(sync_plan(&w, &actual, fake_ifname, &plan), 0);
	assert_int_equal(plan.n_ops, 0);
	assert_int_equal(plan.n_notes, SYNC_FOREIGN_NOTED + 1);
	assert_non_null(strstr(plan.notes[SYNC_FOREIGN_NOTED], "20 prefixes in all"));
	sync_plan_done(&plan);
}

static void operations_come_in_the_order_that_breaks_nothing(void **state)
{
	struct wanted_kroute route = want4();
	struct wanted_kneigh neigh = { .addr = addr("192.0.2.2"), .mac = { 2, 0x78, 192, 0, 2, 2 } };
	struct wanted w = { .kroutes = &route, .n_kroutes = 1, .kneighs = &neigh, .n_kneighs = 1 };
	struct route_fact old = actual4();
	struct kernel_neigh neighs[] = {
		{ .addr = addr("192.0.2.3"), .mac = { 2, 0x78, 192, 0, 2, 3 }, .permanent = true },
		{ .addr = addr("192.0.2.4"), .permanent = false }, /* the kernel's own */
		{ .addr = addr("192.0.2.2"), .mac = { 2, 0x78, 192, 0, 2, 2 }, .permanent = false },
	};
	struct kernel_tables actual = { .routes = &old, .n_routes = 1, .neighs = neighs, .n_neighs = 3 };
	struct wanted_krule krule = { prefix("10.1.1.0/24") };
	struct rule_fact old_rule = rule("10.1.9.0/24");
	static const enum sync_verb order[] = { SYNC_NEIGH_PUT,	  SYNC_ROUTE_ADD,    SYNC_RULE_ADD,
						SYNC_RULE_DELETE, SYNC_ROUTE_DELETE, SYNC_NEIGH_DELETE };
	struct sync_plan plan;

	w.krules = &krule;
	w.n_krules = 1;
	actual.rules = &old_rule;
	actual.n_rules = 1;
	actual.has_rules[1] = true;
	old.prefix = prefix("10.3.0.0/24");
	assert_int_equal(sync_plan(&w, &actual, fake_ifname, &plan), 0);
	assert_int_equal(plan.n_ops, ARRAY_SIZE(order));
	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		assert_int_equal(plan.ops[i].verb, order[i]);
	assert_memory_equal(&plan.ops[0].neigh.addr, &neigh.addr, 16);
	sync_plan_done(&plan);
}

static const struct {
	const char *holds;
	void (*change)(struct rule_fact *r);
	size_t n_ops;
} rules[] = {
	{ "the same rule is left", rule_as_it_is, 0 },
	{ "another priority", other_priority, 2 },
	{ "another table", other_table, 2 },
	{ "one that asks for more", not_plain, 2 },
	{ "of another prefix", other_from, 2 },
};

static void a_rule_of_ours_is_the_wanted_one_or_goes(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		struct wanted_krule krule = { prefix("10.1.1.0/24") };
		struct wanted w = { .krules = &krule, .n_krules = 1 };
		struct rule_fact is = rule("10.1.1.0/24"), should = is;
		struct kernel_tables actual = { .rules = &is, .n_rules = 1, .has_rules = { true, true } };
		struct sync_plan plan;

		print_message("%s\n", rules[i].holds);
		rules[i].change(&is);
		assert_int_equal(sync_plan(&w, &actual, fake_ifname, &plan), 0);
		assert_int_equal(plan.n_ops, rules[i].n_ops);
		if (plan.n_ops) {
			assert_int_equal(plan.ops[0].verb, SYNC_RULE_ADD);
			assert_true(rule_same(&plan.ops[0].rule, &should));
			assert_int_equal(plan.ops[1].verb, SYNC_RULE_DELETE);
			assert_true(rule_same(&plan.ops[1].rule, &is));
		}
		sync_plan_done(&plan);
	}
}

/* One prefix wanted in two tables: each place is judged by itself. */
static void what_is_for_pods_alone_has_a_table_of_its_own(void **state)
{
	struct wanted_kroute routes[] = { want4(), want4() };
	struct wanted w = { .kroutes = routes, .n_kroutes = 2, .config.vni = 1 };
	struct route_fact is[] = { actual4(), actual4() };
	struct kernel_tables actual = { .routes = is, .n_routes = 1, .has_rules = { true, true } };
	struct sync_plan plan;

	routes[1].pods_only = true;
	assert_int_equal(sync_plan(&w, &actual, fake_ifname, &plan), 0);
	assert_int_equal(plan.n_ops, 1);
	assert_int_equal(plan.ops[0].verb, SYNC_ROUTE_ADD);
	assert_int_equal(plan.ops[0].route.table, NET_ROUTE_TABLE);
	is[1] = plan.ops[0].route;
	sync_plan_done(&plan);

	actual.n_routes = 2;
	assert_true(sync_plan_needs(&w, &is[1]));
	assert_int_equal(sync_plan(&w, &actual, fake_ifname, &plan), 0);
	assert_int_equal(plan.n_ops, 0);
	sync_plan_done(&plan);

	w.n_kroutes = 1;
	assert_int_equal(sync_plan(&w, &actual, fake_ifname, &plan), 0);
	assert_int_equal(plan.n_ops, 1);
	assert_int_equal(plan.ops[0].verb, SYNC_ROUTE_DELETE);
	assert_int_equal(plan.ops[0].route.table, NET_ROUTE_TABLE);
	sync_plan_done(&plan);

	/* A foreign route in it is named with its table. */
	w.n_kroutes = 2;
	for (size_t i = 0; i < 2; i++)
		if (is[i].table == NET_ROUTE_TABLE)
			is[i].protocol = RTPROT_STATIC;
	assert_int_equal(sync_plan(&w, &actual, fake_ifname, &plan), 0);
	assert_int_equal(plan.n_ops, 0);
	assert_int_equal(plan.n_notes, 1);
	assert_non_null(strstr(plan.notes[0], "10.2.0.0/24 dev xmesh0 table 8492 proto static"));
	sync_plan_done(&plan);
}

static void a_kernel_with_one_table_gets_no_route_for_pods_alone(void **state)
{
	struct wanted_kroute route = want4();
	struct wanted_krule krule = { prefix("10.1.1.0/24") };
	struct wanted w = { .kroutes = &route, .n_kroutes = 1, .krules = &krule, .n_krules = 1 };
	struct kernel_tables actual = { .has_rules = { true, false } };
	struct sync_plan plan;

	route.pods_only = true;
	assert_int_equal(sync_plan(&w, &actual, fake_ifname, &plan), 0);
	assert_int_equal(plan.n_ops, 0);
	assert_int_equal(plan.n_notes, 1);
	assert_non_null(strstr(plan.notes[0], "CONFIG_IP_MULTIPLE_TABLES"));
	sync_plan_done(&plan);
}

static void only_ours_and_rivals_need_to_be_known(void **state)
{
	struct wanted_kroute route = want4();
	struct wanted w = { .kroutes = &route, .n_kroutes = 1 };
	struct route_fact r = { .prefix = prefix("10.2.0.0/24"), .table = RT_TABLE_MAIN };

	assert_true(sync_plan_needs(&w, &r));
	r.table = 77;
	assert_false(sync_plan_needs(&w, &r));
	r.table = RT_TABLE_MAIN;
	r.prefix = prefix("10.3.0.0/24");
	assert_false(sync_plan_needs(&w, &r));
	r.protocol = NET_ROUTE_PROTO;
	assert_true(sync_plan_needs(&w, &r));
}

static void metrics_spread_over_their_range(void **state)
{
	unsigned int used[ROUTE_METRICS4] = { 0 }, most = 0;

	for (unsigned int i = 0; i < 65536; i++) {
		struct xm_prefix p = { .plen = 120, .addr = xm_addr_v4(htonl(0x0a000000 + (i << 8))) };
		uint32_t metric = sync_plan_metric(&p);

		assert_in_range(metric, ROUTE_METRIC4, ROUTE_METRIC4 + ROUTE_METRICS4 - 1);
		if (++used[metric - ROUTE_METRIC4] > most)
			most = used[metric - ROUTE_METRIC4];
	}
	/* 256 would be even. */
	assert_in_range(most, 256, 512);
}

static void a_native_route_goes_by_its_gateway_alone(void **state)
{
	struct wanted_kroute route = { .prefix = prefix("fd00:2::/64"),
				       .ifindex = 2,
				       .gateway = addr("2001:db8::2"),
				       .mtu = 1500 };
	struct wanted w = { .kroutes = &route, .n_kroutes = 1, .config.vni = 1 };
	struct kernel_tables actual = { 0 };
	struct sync_plan plan;

	assert_int_equal(sync_plan(&w, &actual, fake_ifname, &plan), 0);
	assert_int_equal(plan.n_ops, 1);
	assert_int_equal(plan.ops[0].route.shape, ROUTE_SIMPLE);
	assert_int_equal(plan.ops[0].route.metric, ROUTE_METRIC6);
	assert_false(plan.ops[0].route.onlink);
	sync_plan_done(&plan);
}

static void routes_to_nodes_with_identities_bear_world(void **state)
{
	struct wanted_kroute route = want4();
	struct wanted w = { .kroutes = &route, .n_kroutes = 1, .config.vni = 1 };
	struct route_fact is = actual4();
	struct kernel_tables actual = { .routes = &is, .n_routes = 1 };
	struct sync_plan plan;

	route.identity = true;
	assert_int_equal(sync_plan(&w, &actual, fake_ifname, &plan), 0);
	assert_int_equal(plan.n_ops, 1);
	assert_int_equal(plan.ops[0].route.vni, 2);
	is = plan.ops[0].route;
	sync_plan_done(&plan);
	assert_int_equal(sync_plan(&w, &actual, fake_ifname, &plan), 0);
	assert_int_equal(plan.n_ops, 0);
	sync_plan_done(&plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_attribute_that_differs_replaces_our_route),
		cmocka_unit_test(foreign_routes_are_never_replaced),
		cmocka_unit_test(a_rule_of_ours_is_the_wanted_one_or_goes),
		cmocka_unit_test(what_is_for_pods_alone_has_a_table_of_its_own),
		cmocka_unit_test(a_kernel_with_one_table_gets_no_route_for_pods_alone),
		cmocka_unit_test(routes_to_nodes_with_identities_bear_world),
		cmocka_unit_test(metrics_spread_over_their_range),
		cmocka_unit_test(many_foreign_routes_are_summed_up),
		cmocka_unit_test(operations_come_in_the_order_that_breaks_nothing),
		cmocka_unit_test(only_ours_and_rivals_need_to_be_known),
		cmocka_unit_test(a_native_route_goes_by_its_gateway_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
