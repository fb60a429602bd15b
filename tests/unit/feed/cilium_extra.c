/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Addresses of pods of their own: which are covered, and whose they become. */
#include "../core/rows.h"

#include <stdio.h>

#include "core/addr.h"
#include "core/defs.h"
#include "feed/cilium_extra.h"

static struct xm_prefix prefix(const char *text)
{
	struct xm_prefix p;

	assert_int_equal(prefix_parse(text, &p, NULL), 0);
	return p;
}

static bool has(const struct cilium_cover *cover, const char *text)
{
	struct xm_addr addr;

	assert_int_equal(addr_parse(text, &addr, NULL), 0);
	return cilium_cover_has(cover, &addr);
}

static void a_cover_knows_what_its_prefixes_hold(void **state)
{
	static const char *const texts[] = { "10.1.0.0/24", "10.2.0.0/16", "fd00:1::/64", "10.1.1.128/25", "10.3.0.1/32",
					     "172.16.0.0/13" };
	struct cilium_cover cover = {};
	char text[32];

	assert_false(has(&cover, "10.1.0.1"));
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct xm_prefix p = prefix(texts[i]);

		assert_int_equal(cilium_cover_add(&cover, &p), 0);
		assert_int_equal(cilium_cover_add(&cover, &p), 0);
	}
	assert_int_equal(cover.n, ARRAY_SIZE(texts));
	assert_true(has(&cover, "10.1.0.0"));
	assert_true(has(&cover, "10.1.0.255"));
	assert_false(has(&cover, "10.1.1.0"));
	assert_false(has(&cover, "10.1.1.127"));
	assert_true(has(&cover, "10.1.1.200"));
	assert_true(has(&cover, "10.2.255.7"));
	assert_true(has(&cover, "10.3.0.1"));
	assert_false(has(&cover, "10.3.0.0"));
	assert_true(has(&cover, "172.23.1.1"));
	assert_false(has(&cover, "172.24.0.0"));
	assert_true(has(&cover, "fd00:1::dead"));
	assert_false(has(&cover, "fd00:1:0:1::"));
	/* Many more, so that it grows. */
	for (int i = 0; i < 5000; i++) {
		struct xm_prefix p;

		snprintf(text, sizeof(text), "11.%d.%d.0/24", i / 256, i % 256);
		p = prefix(text);
		assert_int_equal(cilium_cover_add(&cover, &p), 0);
	}
	assert_true(has(&cover, "11.19.135.9"));
	assert_false(has(&cover, "11.19.136.9"));
	assert_true(has(&cover, "10.1.1.200"));
	cilium_cover_done(&cover);
}

static void add_node(struct snapshot *s, const char *name, const char *addr, const char *cidr)
{
	struct node_object *n = &s->nodes[s->n_nodes++];
	struct xm_addr a;

	snprintf(n->name, sizeof(n->name), "%s", name);
	assert_int_equal(addr_parse(addr, &a, NULL), 0);
	*(xm_addr_is_v4(&a) ? &n->addr4 : &n->addr6) = a;
	if (cidr) {
		n->cidrs = calloc(1, sizeof(*n->cidrs));
		n->cidrs[n->n_cidrs++] = prefix(cidr);
	}
}

static struct snapshot *new_snapshot(size_t n)
{
	struct snapshot *s = calloc(1, sizeof(*s));

	s->nodes = calloc(n, sizeof(*s->nodes));
	return s;
}

static void add_extra(struct snapshot *s, const char *addr, const char *host)
{
	char name[64], cidr[64];

	snprintf(name, sizeof(name), CILIUM_EXTRA_NAME "%s", addr);
	snprintf(cidr, sizeof(cidr), "%s%s", addr, strchr(addr, '/') ? "" : strchr(addr, ':') ? "/128" : "/32");
	add_node(s, name, host, cidr);
}

static void addresses_become_prefixes_of_their_nodes(void **state)
{
	struct snapshot *s = new_snapshot(16);
	char buf[PREFIX_TEXT_MAX];

	add_node(s, "a", "192.0.2.1", "10.1.0.0/24");
	add_extra(s, "10.9.0.2", "192.0.2.2");  /* b's */
	add_extra(s, "10.9.0.1", "192.0.2.1");  /* a's, beside its prefix */
	add_extra(s, "10.1.0.7", "192.0.2.2");  /* held by a's prefix, wherever it claims to be */
	add_extra(s, "192.0.2.2", "192.0.2.2"); /* the node itself */
	add_extra(s, "10.9.0.3", "192.0.2.77"); /* nobody's */
	add_node(s, "b", "192.0.2.2", NULL);
	add_extra(s, "fd00::9", "192.0.2.2");
	add_extra(s, "10.8.0.0/28", "192.0.2.2");
	add_extra(s, "10.8.0.5", "192.0.2.1");  /* held by the one before */
	s->counts.nodes = s->n_nodes;
	assert_int_equal(cilium_extra_merge(s), 0);

	assert_int_equal(s->n_nodes, 2);
	assert_int_equal(s->counts.nodes, 2);
	assert_string_equal(s->nodes[0].name, "a");
	assert_int_equal(s->nodes[0].n_cidrs, 2);
	assert_string_equal(prefix_format(&s->nodes[0].cidrs[0], buf), "10.1.0.0/24");
	assert_string_equal(prefix_format(&s->nodes[0].cidrs[1], buf), "10.9.0.1/32");
	assert_string_equal(s->nodes[1].name, "b");
	assert_int_equal(s->nodes[1].n_cidrs, 3);
	assert_string_equal(prefix_format(&s->nodes[1].cidrs[0], buf), "10.8.0.0/28");
	assert_string_equal(prefix_format(&s->nodes[1].cidrs[1], buf), "10.9.0.2/32");
	assert_string_equal(prefix_format(&s->nodes[1].cidrs[2], buf), "fd00::9/128");
	assert_int_equal(s->nodes_digest,
			 2 + snapshot_node_digest(&s->nodes[0]) + snapshot_node_digest(&s->nodes[1]));
	assert_int_equal(s->n_warnings, 1);
	assert_non_null(strstr(s->warnings[0], "1 addresses of pods are left out: their HostIP"));
	snapshot_free(s);
}

static void a_node_has_only_so_many(void **state)
{
	struct snapshot *s = new_snapshot(SNAPSHOT_MAX_CIDRS + 4);
	char text[32];

	add_node(s, "a", "192.0.2.1", NULL);
	for (int i = 0; i < SNAPSHOT_MAX_CIDRS + 2; i++) {
		snprintf(text, sizeof(text), "10.9.%d.%d", i / 250, i % 250 + 1);
		add_extra(s, text, "192.0.2.1");
	}
	assert_int_equal(cilium_extra_merge(s), 0);
	assert_int_equal(s->n_nodes, 1);
	assert_int_equal(s->nodes[0].n_cidrs, SNAPSHOT_MAX_CIDRS);
	assert_int_equal(s->n_warnings, 1);
	assert_non_null(strstr(s->warnings[0], "2 addresses of pods are left out: without pod prefixes"));
	assert_non_null(strstr(s->warnings[0], "(the first such is a)"));
	snapshot_free(s);
}

/* What a store's snapshots share is not written. */
static void shared_prefixes_are_copied(void **state)
{
	struct shared { struct snapshot_block block; struct xm_prefix cidrs[1]; } *shared = calloc(1, sizeof(*shared));
	struct snapshot *s = new_snapshot(4);

	shared->block.refs = 2;
	shared->cidrs[0] = prefix("10.1.0.0/24");
	add_node(s, "a", "192.0.2.1", NULL);
	s->nodes[0].block = &shared->block;
	s->nodes[0].cidrs = shared->cidrs;
	s->nodes[0].n_cidrs = 1;
	add_extra(s, "10.9.0.1", "192.0.2.1");
	assert_int_equal(cilium_extra_merge(s), 0);
	assert_int_equal(s->nodes[0].n_cidrs, 2);
	assert_null(s->nodes[0].block);
	assert_int_equal(shared->block.refs, 1);
	snapshot_free(s);
	assert_int_equal(shared->block.refs, 1);
	snapshot_block_put(&shared->block);
}

static void without_addresses_nothing_changes(void **state)
{
	struct snapshot *s = new_snapshot(2);

	add_node(s, "a", "192.0.2.1", "10.1.0.0/24");
	s->nodes_digest = 7;
	assert_int_equal(cilium_extra_merge(s), 0);
	assert_int_equal(s->n_nodes, 1);
	assert_int_equal(s->nodes_digest, 7);
	snapshot_free(s);
}

int main(void)
{
	static struct rows tests;

	ROWS_ADD_TEST(&tests, a_cover_knows_what_its_prefixes_hold);
	ROWS_ADD_TEST(&tests, addresses_become_prefixes_of_their_nodes);
	ROWS_ADD_TEST(&tests, a_node_has_only_so_many);
	ROWS_ADD_TEST(&tests, shared_prefixes_are_copied);
	ROWS_ADD_TEST(&tests, without_addresses_nothing_changes);
	return rows_run("cilium_extra", &tests);
}
