/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Pinned tables to a snapshot: all of one cluster, and without trust in what is pinned. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "core/addr.h"
#include "core/defs.h"
#include "model/recover.h"
#include "xmesh/wire.h"

static struct wanted_name name(uint32_t number, uint16_t cluster, const char *text,
			       const char *addr4, const char *addr6)
{
	struct wanted_name n = { .number = number, .name = { .cluster = cluster } };

	strcpy(n.name.name, text);
	if (addr4)
		assert_int_equal(addr_parse(addr4, &n.name.addr[n.name.n_addrs++], NULL), 0);
	if (addr6)
		assert_int_equal(addr_parse(addr6, &n.name.addr[n.name.n_addrs++], NULL), 0);
	if (n.name.n_addrs)
		xm_vtep_mac(&n.name.addr[0], n.name.vtep_mac);
	return n;
}

static struct wanted_route route(uint32_t node, uint16_t cluster, const char *prefix)
{
	struct wanted_route r = { .route = { .node = node, .cluster = cluster } };

	assert_int_equal(prefix_parse(prefix, &r.prefix, NULL), 0);
	return r;
}

static void test_one_cluster_is_recovered(void **state)
{
	struct wanted_name names[] = {
		name(1, 1, "east-1", "192.0.2.1", NULL),
		name(3, 2, "west-1", "192.0.2.2", "2001:db8::2"),
		name(7, 2, "west-2", NULL, "2001:db8::3"),
	};
	struct wanted_route routes[] = {
		route(1, 1, "10.1.0.0/24"),   route(7, 2, "10.2.1.0/24"),
		route(3, 2, "10.2.0.0/24"),   route(3, 2, "fd00:2::/64"),
		route(3, 1, "10.1.1.0/24"), /* another cluster's, whatever node it names */
	};
	struct wanted_cluster clusters[] = {
		{ .id = 1, .cluster = { .revision = "one" } },
		{ .id = 2, .cluster = { .revision = "two" } },
	};
	struct wanted actual = {
		.names = names, .n_names = ARRAY_SIZE(names),
		.routes = routes, .n_routes = ARRAY_SIZE(routes),
		.clusters = clusters, .n_clusters = ARRAY_SIZE(clusters),
	};
	char buf[PREFIX_TEXT_MAX];
	struct snapshot *s;

	assert_int_equal(recover_snapshot(&actual, NULL, 2, false, &s), 0);
	assert_string_equal(s->revision, "two");
	assert_int_equal(s->n_nodes, 2);
	assert_int_equal(s->counts.nodes, 2);
	assert_int_equal(s->n_warnings, 0);
	assert_string_equal(s->nodes[0].name, "west-1");
	assert_string_equal(addr_format(&s->nodes[0].addr4, buf), "192.0.2.2");
	assert_string_equal(addr_format(&s->nodes[0].addr6, buf), "2001:db8::2");
	assert_int_equal(s->nodes[0].n_cidrs, 2);
	assert_string_equal(prefix_format(&s->nodes[0].cidrs[0], buf), "10.2.0.0/24");
	assert_string_equal(prefix_format(&s->nodes[0].cidrs[1], buf), "fd00:2::/64");
	assert_string_equal(s->nodes[0].source, "pinned state");
	assert_false(s->nodes[0].has_vtep_mac);
	assert_true(xm_addr_is_zero(&s->nodes[1].addr4));
	assert_int_equal(s->nodes[1].n_cidrs, 1);
	assert_false(s->nodes[1].has_vtep_mac);
	snapshot_free(s);

	assert_int_equal(recover_snapshot(&actual, NULL, 3, false, &s), -ENOENT);
}

static void test_a_mac_of_its_own_is_kept(void **state)
{
	struct wanted_name names[] = { name(1, 2, "west-1", "192.0.2.2", NULL) };
	struct wanted actual = { .names = names, .n_names = 1 };
	struct snapshot *s;

	names[0].name.vtep_mac[5] ^= 1;
	assert_int_equal(recover_snapshot(&actual, NULL, 2, false, &s), 0);
	assert_true(s->nodes[0].has_vtep_mac);
	assert_memory_equal(s->nodes[0].vtep_mac, names[0].name.vtep_mac, 6);
	assert_int_equal(s->nodes[0].n_cidrs, 0);
	snapshot_free(s);
}

static void test_a_route_without_a_node_is_left_out_and_said(void **state)
{
	struct wanted_name names[] = { name(1, 2, "west-1", "192.0.2.2", NULL),
				       name(4, 1, "east-1", "192.0.2.3", NULL) };
	struct wanted_route routes[] = {
		route(1, 2, "10.2.0.0/24"),
		route(2, 2, "10.2.1.0/24"),
		route(4, 2, "10.2.2.0/24"), /* a node of another cluster */
	};
	struct wanted actual = { .names = names, .n_names = 2, .routes = routes, .n_routes = 3 };
	struct snapshot *s;

	assert_int_equal(recover_snapshot(&actual, NULL, 2, false, &s), 0);
	assert_int_equal(s->n_nodes, 1);
	assert_int_equal(s->nodes[0].n_cidrs, 1);
	assert_int_equal(s->n_warnings, 1);
	assert_non_null(strstr(s->warnings[0], "2 pinned routes"));
	snapshot_free(s);
}

static void test_pinned_text_and_counts_are_not_trusted(void **state)
{
	struct wanted_name names[] = { name(1, 2, "x", "192.0.2.2", NULL) };
	struct wanted_cluster clusters[] = { { .id = 2 } };
	struct wanted actual = { .names = names, .n_names = 1, .clusters = clusters,
				 .n_clusters = 1 };
	struct snapshot *s;

	memset(names[0].name.name, 'n', sizeof(names[0].name.name));
	names[0].name.n_addrs = 1000;
	memset(clusters[0].cluster.revision, 'r', sizeof(clusters[0].cluster.revision));
	assert_int_equal(recover_snapshot(&actual, NULL, 2, false, &s), 0);
	assert_int_equal(strlen(s->nodes[0].name), XM_NAME_LEN - 1);
	assert_int_equal(strlen(s->revision), sizeof(s->revision) - 1);
	snapshot_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_cluster_is_recovered),
		cmocka_unit_test(test_a_mac_of_its_own_is_kept),
		cmocka_unit_test(test_a_route_without_a_node_is_left_out_and_said),
		cmocka_unit_test(test_pinned_text_and_counts_are_not_trusted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
