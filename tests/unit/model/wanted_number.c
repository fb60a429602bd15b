/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Node numbers: kept, unique, in range, to the last one. */
#include "unit/model/scene.h"

static void numbers_are_kept_and_new_ones_fresh(void **state)
{
	static const struct fact_number numbers[] = {
		{ 2, "west-1", 5, 0 }, { 1, "east-2", 1, 0 }, { 2, "gone", 2, 0 }, { 3, "west-1", 3, 0 },
	};
	struct wanted *w = built(&(struct scene){ .numbers = numbers, .n_numbers = 4 });

	assert_int_equal(number(w, "west-1"), 5);
	assert_int_equal(number(w, "east-2"), 1);
	/* 2 and 3 were others' a moment ago: their counters are not continued. */
	assert_int_equal(number(w, "east-1"), 4);
	assert_int_equal(number(w, "north-1"), 6);
	assert_int_equal(w->config.node, 4);
	assert_int_equal(node(w, "192.0.2.11")->number, 5);
	assert_int_equal(node(w, "2001:db8::11")->number, 5);
	for (size_t i = 1; i < w->n_names; i++)
		assert_true(w->names[i - 1].number < w->names[i].number);
	wanted_free(w);
}

static void pinned_numbers_are_not_believed_blindly(void **state)
{
	static const struct fact_number numbers[] = {
		{ 2, "west-1", 9, 0 }, { 1, "east-2", 9, 0 }, { 1, "east-1", 0, 0 },
		{ 3, "north-1", XM_MAX_NODES, 0 },
	};
	struct wanted *w = built(&(struct scene){ .numbers = numbers, .n_numbers = 4 });
	bool seen[XM_MAX_NODES] = { false };

	assert_int_equal(w->n_names, 4);
	for (size_t i = 0; i < w->n_names; i++) {
		assert_in_range(w->names[i].number, 1, XM_MAX_NODES - 1);
		assert_false(seen[w->names[i].number]);
		seen[w->names[i].number] = true;
	}
	wanted_free(w);
}

/* A mesh of @n nodes in the peer, given directly, for its names and addresses are made up. */
static int build_large(size_t n, const struct fact_number *numbers, size_t n_numbers,
		       struct wanted **ret_wanted, struct err *err)
{
	static const char text[] = "cluster: {name: east, id: 1}\n"
				   "peers: [{name: west, id: 2, feed: {dir: /w}}]\n";
	struct node_object *nodes = calloc(n, sizeof(*nodes));
	struct snapshot peer = { .nodes = nodes, .n_nodes = n };
	struct mesh_cluster clusters[2] = { { .own = true }, { .snapshot = &peer } };
	struct mesh mesh = { .clusters = clusters, .n_clusters = 2 };
	struct facts facts = { .node_name = "east-1", .numbers = numbers, .n_numbers = n_numbers,
			       .underlay_mtu = 1500 };
	struct xm_prefix cidr = prefix("10.0.0.0/8");
	struct config *config;
	int rc;

	if (config_parse(text, strlen(text), "f", &config, err))
		abort();
	mesh.config = config;
	clusters[0].config = &config->own;
	clusters[1].config = &config->peers[0];
	facts.addr4 = addr("192.0.2.1");
	for (size_t i = 0; i < n; i++) {
		snprintf(nodes[i].name, sizeof(nodes[i].name), "n%zu", i);
		nodes[i].addr4 = xm_addr_v4(htonl(0x0b000000u + (uint32_t)i));
		nodes[i].cidrs = &cidr;
		nodes[i].n_cidrs = 1;
	}
	rc = wanted_build(&mesh, &facts, NULL, ret_wanted, err);
	config_free(config);
	free(nodes);
	return rc;
}

static void nodes_end_at_65535_ours_included(void **state)
{
	struct wanted *w = NULL;
	struct err err = { .text = "" };

	assert_int_equal(build_large(XM_MAX_NODES - 2, NULL, 0, &w, &err), 0);
	assert_int_equal(w->n_names, XM_MAX_NODES - 1);
	assert_int_equal(w->names[0].number, 1);
	assert_int_equal(w->names[w->n_names - 1].number, XM_MAX_NODES - 1);
	/* Not one of them has a path: a hundred notes, the last of which counts the rest. */
	assert_int_equal(w->n_notes, 100);
	assert_string_equal(w->notes[99], "65435 more of this kind, not shown");
	wanted_free(w);

	w = NULL;
	assert_int_equal(build_large(XM_MAX_NODES - 1, NULL, 0, &w, &err), -ENOSPC);
	assert_null(w);
	assert_string_equal(err.text, "65536 nodes in the mesh: at most 65535 have room");
}

static void numbers_of_the_gone_are_taken_when_no_other_is_left(void **state)
{
	size_t n = XM_MAX_NODES - 2;
	struct fact_number *numbers = calloc(n, sizeof(*numbers));
	struct wanted *w;
	struct err err;

	for (size_t i = 0; i < n; i++) {
		numbers[i].cluster = 2;
		numbers[i].number = (uint32_t)i + 1;
		snprintf(numbers[i].name, sizeof(numbers[i].name), "old%zu", i);
	}
	assert_int_equal(build_large(n, numbers, n, &w, &err), 0);
	assert_int_equal(w->n_names, XM_MAX_NODES - 1);
	for (size_t i = 0; i < w->n_names; i++)
		assert_int_equal(w->names[i].number, i + 1);
	wanted_free(w);
	free(numbers);
}

int main(void)
{
	static struct rows rows;

	ROWS_ADD_TEST(&rows, numbers_are_kept_and_new_ones_fresh);
	ROWS_ADD_TEST(&rows, pinned_numbers_are_not_believed_blindly);
	ROWS_ADD_TEST(&rows, nodes_end_at_65535_ours_included);
	ROWS_ADD_TEST(&rows, numbers_of_the_gone_are_taken_when_no_other_is_left);
	return rows_run("wanted_number", &rows);
}
