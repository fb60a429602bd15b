/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What several clusters may not be together, with sentences that name both sources. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/addr.h"
#include "core/defs.h"
#include "model/mesh.h"

#define MAX_CLUSTERS 3

struct node_row {
	int cluster; /* 0 = own (east), 1 = west, 2 = north */
	const char *name, *cidrs[3], *addr4, *addr6;
};

struct world {
	struct config config;
	struct config_cluster peers[MAX_CLUSTERS - 1];
	struct snapshot snapshots[MAX_CLUSTERS];
	const struct snapshot *list[MAX_CLUSTERS];
	const char *origins[MAX_CLUSTERS];
};

static void add_node(struct world *w, const struct node_row *row, int line)
{
	struct snapshot *s = &w->snapshots[row->cluster];
	struct node_object *node;

	s->nodes = realloc(s->nodes, (s->n_nodes + 1) * sizeof(*s->nodes));
	assert_non_null(s->nodes);
	node = &s->nodes[s->n_nodes++];
	memset(node, 0, sizeof(*node));
	strcpy(node->name, row->name);
	snprintf(node->source, sizeof(node->source), "%d.yaml:%d", row->cluster, line);
	node->cidrs = calloc(ARRAY_SIZE(row->cidrs), sizeof(*node->cidrs));
	for (size_t i = 0; i < ARRAY_SIZE(row->cidrs) && row->cidrs[i]; i++)
		assert_int_equal(prefix_parse(row->cidrs[i], &node->cidrs[node->n_cidrs++], NULL),
				 0);
	if (row->addr4)
		assert_int_equal(addr_parse(row->addr4, &node->addr4, NULL), 0);
	if (row->addr6)
		assert_int_equal(addr_parse(row->addr6, &node->addr6, NULL), 0);
}

static void world_init(struct world *w)
{
	memset(w, 0, sizeof(*w));
	strcpy(w->config.own.name, "east");
	strcpy(w->peers[0].name, "west");
	strcpy(w->peers[1].name, "north");
	w->config.peers = w->peers;
	w->config.n_peers = 2;
	for (int i = 0; i < MAX_CLUSTERS; i++) {
		w->list[i] = &w->snapshots[i];
		w->origins[i] = "dir /x";
	}
}

static void world_done(struct world *w)
{
	for (int i = 0; i < MAX_CLUSTERS; i++) {
		for (size_t j = 0; j < w->snapshots[i].n_nodes; j++)
			free(w->snapshots[i].nodes[j].cidrs);
		free(w->snapshots[i].nodes);
	}
}

static const struct {
	const char *name;
	struct node_row nodes[3];
	const char *says[4]; /* NULL first: the mesh is good */
} rows[] = {
	{ "three clusters that are apart",
	  { { 0, "n1", { "10.1.0.0/24", "fd00:1::/64" }, "192.0.2.1", "2001:db8::1" },
	    { 1, "n1", { "10.1.1.0/24", "fd00:2::/64" }, "192.0.2.2", "2001:db8::2" },
	    { 2, "n1", { "10.1.2.0/23", "fd00:3::/48" }, "192.0.2.3", "2001:db8::3" } },
	  { NULL } },
	{ "nodes without prefixes or addresses",
	  { { 0, "n1", { NULL }, NULL, NULL }, { 1, "n1", { NULL }, NULL, NULL } }, { NULL } },
	{ "IPv6 prefixes whose bits are those of IPv4 ones",
	  { { 0, "n1", { "10.0.0.0/8" }, NULL, NULL }, { 1, "n1", { "a00::/8" }, NULL, NULL } },
	  { NULL } },
	{ "an overlap of IPv6 with an IPv4 prefix between, by its bits",
	  { { 0, "n1", { "::/32" }, NULL, NULL },
	    { 1, "n2", { "10.0.0.0/8" }, NULL, NULL },
	    { 2, "n3", { "0:0:1::/48" }, NULL, NULL } },
	  { "::/32 of Node n1", "overlaps 0:0:1::/48 of Node n3" } },
	{ "the same prefix in two clusters",
	  { { 0, "n1", { "10.1.0.0/24" }, NULL, NULL },
	    { 1, "n2", { "10.1.0.0/24" }, NULL, NULL } },
	  { "10.1.0.0/24 of Node n", "Node n1 of cluster east (0.yaml:1)", "overlaps",
	    "Node n2 of cluster west (1.yaml:2)" } },
	{ "a prefix inside another one",
	  { { 1, "n1", { "10.1.7.0/24" }, NULL, NULL },
	    { 2, "n2", { "10.1.0.0/16", "10.0.0.0/24" }, NULL, NULL } },
	  { "pod prefix 10.1.0.0/16 of Node n2 of cluster north (2.yaml:2) overlaps",
	    "10.1.7.0/24 of Node n1 of cluster west (1.yaml:1)" } },
	{ "an IPv6 prefix inside another one",
	  { { 1, "n1", { "fd00:1:2::/48" }, NULL, NULL },
	    { 2, "n2", { "fd00:1::/32" }, NULL, NULL } },
	  { "pod prefix fd00:1::/32 of", "overlaps fd00:1:2::/48 of" } },
	{ "two prefixes of one cluster",
	  { { 1, "n1", { "10.1.0.0/24" }, NULL, NULL },
	    { 1, "n2", { "10.1.0.128/25" }, NULL, NULL } },
	  { "10.1.0.0/24 of Node n1 of cluster west (1.yaml:1)",
	    "10.1.0.128/25 of Node n2 of cluster west (1.yaml:2)" } },
	{ "two prefixes of one node",
	  { { 1, "n1", { "10.1.0.0/24", "10.2.0.0/24", "10.1.0.0/24" }, NULL, NULL } },
	  { "overlaps 10.1.0.0/24" } },
	{ "an overlap with another prefix between, by order",
	  { { 0, "n1", { "10.0.0.0/8" }, NULL, NULL },
	    { 1, "n2", { "9.0.0.0/8", "11.0.0.0/8", "10.255.255.0/24" }, NULL, NULL } },
	  { "10.0.0.0/8 of Node n1", "overlaps 10.255.255.0/24 of Node n2" } },
	{ "one address on two nodes",
	  { { 0, "n1", { NULL }, "192.0.2.1", NULL },
	    { 2, "n2", { NULL }, "192.0.2.1", NULL } },
	  { "Node n1 of cluster east (0.yaml:1)", "Node n2 of cluster north (2.yaml:2)",
	    "have the same address 192.0.2.1" } },
	{ "one IPv6 address on two nodes",
	  { { 0, "n1", { NULL }, NULL, "2001:db8::1" },
	    { 0, "n2", { NULL }, NULL, "2001:db8::1" } },
	  { "have the same address 2001:db8::1" } },
	{ "a node inside of another's prefix",
	  { { 0, "n1", { "192.0.2.0/24" }, NULL, NULL },
	    { 1, "n2", { NULL }, "192.0.2.200", NULL } },
	  { "address 192.0.2.200 of Node n2 of cluster west (1.yaml:2)",
	    "lies in pod prefix 192.0.2.0/24 of Node n1 of cluster east (0.yaml:1)" } },
	{ "a node inside of its own prefix",
	  { { 0, "n1", { "2001:db8::/64" }, NULL, "2001:db8::1" } },
	  { "address 2001:db8::1 of Node n1", "lies in pod prefix 2001:db8::/64 of Node n1" } },
	{ "a node just behind a prefix",
	  { { 0, "n1", { "192.0.2.0/25", "fd00::/64" }, "192.0.2.128", "fd00:0:0:1::" } },
	  { NULL } },
	{ "a name twice in one cluster",
	  { { 1, "n1", { NULL }, NULL, NULL }, { 1, "n1", { NULL }, NULL, NULL } },
	  { "cluster west has two Nodes named n1 (1.yaml:1 and 1.yaml:2)" } },
};

static void test_rows(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct mesh *mesh = NULL;
		struct err err = {};
		struct world w;
		int rc;

		world_init(&w);
		for (int j = 0; j < (int)ARRAY_SIZE(rows[i].nodes) && rows[i].nodes[j].name; j++)
			add_node(&w, &rows[i].nodes[j], j + 1);
		rc = mesh_new(&w.config, w.list, w.origins, &mesh, &err);
		if (rc != (rows[i].says[0] ? -EINVAL : 0))
			fail_msg("%s: %d, %s", rows[i].name, rc, err.text);
		for (size_t j = 0; j < ARRAY_SIZE(rows[i].says) && rows[i].says[j]; j++)
			if (!strstr(err.text, rows[i].says[j]))
				fail_msg("%s: \"%s\" lacks \"%s\"", rows[i].name, err.text,
					 rows[i].says[j]);
		if (rc)
			assert_null(mesh);
		mesh_free(mesh);
		world_done(&w);
	}
}

static void test_clusters_are_in_order_and_may_be_unknown(void **state)
{
	struct mesh *mesh;
	struct world w;

	world_init(&w);
	w.list[1] = NULL;
	assert_int_equal(mesh_new(&w.config, w.list, w.origins, &mesh, NULL), 0);
	assert_int_equal(mesh->n_clusters, 3);
	assert_true(mesh->clusters[0].own && !mesh->clusters[1].own);
	assert_string_equal(mesh->clusters[0].config->name, "east");
	assert_string_equal(mesh->clusters[2].config->name, "north");
	assert_null(mesh->clusters[1].snapshot);
	assert_ptr_equal(mesh->clusters[2].snapshot, &w.snapshots[2]);
	assert_string_equal(mesh->clusters[2].origin, "dir /x");
	mesh_free(mesh);
	mesh_free(NULL);
}

static void test_16_lengths_a_family_are_the_limit(void **state)
{
	char text[2][32];
	struct err err = {};
	struct mesh *mesh;
	struct world w;

	world_init(&w);
	for (int i = 0; i <= XM_MAX_PLENS; i++) {
		struct node_row row = { .cluster = i % 2, .cidrs = { text[0], text[1] } };
		char name[16];

		snprintf(name, sizeof(name), "n%d", i);
		row.name = name;
		snprintf(text[0], sizeof(text[0]), "10.%d.0.0/%d", i, 16 + i % 16);
		snprintf(text[1], sizeof(text[1]), "fd00:%x::/%d", i, 48 + i);
		if (i == XM_MAX_PLENS) {
			assert_int_equal(mesh_new(&w.config, w.list, w.origins, &mesh, NULL), 0);
			mesh_free(mesh);
		}
		add_node(&w, &row, i + 1);
	}
	/* The 17th IPv4 prefix has the length of the first, the IPv6 one does not. */
	assert_int_equal(mesh_new(&w.config, w.list, w.origins, &mesh, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "more than 16 different lengths of IPv6 pod prefixes: "
					 "/64"));
	world_done(&w);
}

/* @nodes nodes with @cidrs prefixes each, all different. */
static void fill(struct snapshot *s, size_t nodes, size_t cidrs)
{
	uint32_t next = 0;

	s->nodes = calloc(nodes, sizeof(*s->nodes));
	assert_non_null(s->nodes);
	s->n_nodes = nodes;
	for (size_t i = 0; i < nodes; i++) {
		struct node_object *node = &s->nodes[i];

		snprintf(node->name, sizeof(node->name), "n%zu", i);
		node->addr6 = (struct xm_addr){ .b = { 0x20, 0x01, [12] = (__u8)(i >> 24),
						       (__u8)(i >> 16), (__u8)(i >> 8), (__u8)i } };
		node->cidrs = calloc(cidrs, sizeof(*node->cidrs));
		node->n_cidrs = cidrs;
		for (size_t j = 0; j < cidrs; j++, next++) {
			/* Far from sorted: the order must not matter. */
			node->cidrs[j].plen = 128;
			node->cidrs[j].addr = (struct xm_addr){ .b = { 0xfd } };
			node->cidrs[j].addr.w[3] = next * 2654435761u;
		}
	}
}

static int fill_and_build(size_t nodes, size_t cidrs, struct err *err)
{
	struct mesh *mesh = NULL;
	struct world w;
	int rc;

	world_init(&w);
	fill(&w.snapshots[1], nodes, cidrs);
	rc = mesh_new(&w.config, w.list, w.origins, &mesh, err);
	mesh_free(mesh);
	world_done(&w);
	return rc;
}

static void test_the_limits_of_nodes_and_prefixes(void **state)
{
	struct err err;

	assert_int_equal(fill_and_build(XM_MAX_NODES - 1, XM_MAX_ROUTES / XM_MAX_NODES, &err), 0);
	assert_int_equal(fill_and_build(XM_MAX_NODES, 1, &err), -ENOSPC);
	assert_string_equal(err.text, "65536 nodes in the mesh, 65535 is the limit");
	assert_int_equal(fill_and_build(1, XM_MAX_ROUTES + 1, &err), -ENOSPC);
	assert_string_equal(err.text, "131073 pod prefixes in the mesh, 131072 is the limit");
}

static void test_100k_prefixes_take_no_square_of_time(void **state)
{
	struct timespec begin, end;
	struct err err;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
	assert_int_equal(fill_and_build(50000, 2, &err), 0);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
	/* Pairwise it would be 5e9 comparisons, above a minute. */
	assert_true(end.tv_sec - begin.tv_sec < 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_clusters_are_in_order_and_may_be_unknown),
		cmocka_unit_test(test_16_lengths_a_family_are_the_limit),
		cmocka_unit_test(test_the_limits_of_nodes_and_prefixes),
		cmocka_unit_test(test_100k_prefixes_take_no_square_of_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
