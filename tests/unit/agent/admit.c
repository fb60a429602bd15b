/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which snapshots become part of the mesh, and that a bad one changes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/admit.h"
#include "core/addr.h"
#include "core/defs.h"

static struct config *config_of(void)
{
	static const char text[] = "cluster: {name: east, id: 1}\n"
				   "underlay: [eth0]\n"
				   "local: {feed: {dir: /feeds/east}}\n"
				   "peers:\n"
				   "  - {name: west, id: 2, feed: {dir: /feeds/west}}\n"
				   "  - {name: north, id: 3, feed: {dir: /feeds/north}}\n";
	struct config *config;
	struct err err = { 0 };

	if (config_parse(text, strlen(text), "test.yaml", &config, &err))
		fail_msg("%s", err.text);
	return config;
}

/* A snapshot of one node. */
static struct snapshot *node(const char *name, const char *cidr, const char *addr)
{
	struct snapshot *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->nodes = calloc(1, sizeof(*s->nodes));
	assert_non_null(s->nodes);
	s->n_nodes = 1;
	strcpy(s->nodes->name, name);
	strcpy(s->nodes->source, "nodes.yaml:1");
	strcpy(s->revision, "sha:0");
	s->nodes->cidrs = calloc(1, sizeof(*s->nodes->cidrs));
	assert_non_null(s->nodes->cidrs);
	s->nodes->n_cidrs = 1;
	assert_int_equal(prefix_parse(cidr, s->nodes->cidrs, NULL), 0);
	assert_int_equal(addr_parse(addr, &s->nodes->addr4, NULL), 0);
	return s;
}

static const char *accepted(const struct admit *admit, size_t slot)
{
	const struct snapshot *s = admit->slots[slot].accepted;

	assert_ptr_equal(admit->mesh->clusters[slot].snapshot, s);
	return s ? s->nodes->name : "none";
}

struct world { struct config *config; struct admit *admit; };

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->config = config_of();
	assert_int_equal(admit_new(w->config, &w->admit), 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	admit_free(w->admit);
	config_free(w->config);
	free(w);
	return 0;
}

static void empty(void **state)
{
	struct world *w = *state;

	assert_int_equal(admit_settle(w->admit, NULL), 0);
	assert_non_null(w->admit->mesh);
	assert_string_equal(accepted(w->admit, 1), "none");
	assert_string_equal(w->admit->slots[1].origin, "dir /feeds/west");
}

static void good(void **state)
{
	struct world *w = *state;

	admit_offer(w->admit, 0, node("e", "10.1.0.0/24", "192.0.2.1"), "dir /new");
	admit_offer(w->admit, 1, node("w", "10.2.0.0/24", "192.0.2.2"), "dir /new");
	assert_int_equal(admit_settle(w->admit, NULL), 0);
	assert_string_equal(accepted(w->admit, 0), "e");
	assert_string_equal(accepted(w->admit, 1), "w");
	admit_offer(w->admit, 1, node("w2", "10.2.1.0/24", "192.0.2.2"), "dir /new");
	assert_int_equal(admit_settle(w->admit, NULL), 0);
	assert_string_equal(accepted(w->admit, 1), "w2");
	assert_null(w->admit->slots[1].pending);
	assert_string_equal(w->admit->slots[1].origin, "dir /new");
	assert_string_equal(w->admit->mesh->clusters[1].origin, "dir /new");
}

static void bad_changes_nothing(void **state)
{
	struct world *w = *state;

	good(state);
	admit_offer(w->admit, 2, node("n", "10.3.0.0/24", "192.0.2.3"), "dir /new");
	admit_offer(w->admit, 1, node("w3", "10.1.0.0/25", "192.0.2.2"), "dir /new");
	assert_int_equal(admit_settle(w->admit, NULL), 0);
	assert_string_equal(accepted(w->admit, 0), "e");
	assert_string_equal(accepted(w->admit, 1), "w2");
	assert_string_equal(accepted(w->admit, 2), "n");
	assert_non_null(w->admit->slots[1].error);
	assert_non_null(strstr(w->admit->slots[1].error, "10.1.0.0/25"));
	assert_non_null(w->admit->slots[1].pending);
}

static void mended(void **state)
{
	struct world *w = *state;

	bad_changes_nothing(state);
	admit_offer(w->admit, 1, node("w4", "10.2.4.0/24", "192.0.2.2"), "dir /new");
	assert_int_equal(admit_settle(w->admit, NULL), 0);
	assert_string_equal(accepted(w->admit, 1), "w4");
	assert_null(w->admit->slots[1].error);
}

static void other_gives_way(void **state)
{
	struct world *w = *state;

	bad_changes_nothing(state);
	admit_offer(w->admit, 0, node("e2", "10.9.0.0/24", "192.0.2.1"), "dir /new");
	assert_int_equal(admit_settle(w->admit, NULL), 0);
	assert_string_equal(accepted(w->admit, 0), "e2");
	assert_string_equal(accepted(w->admit, 1), "w3");
	assert_null(w->admit->slots[1].error);
}

static void own_first(void **state)
{
	struct world *w = *state;

	admit_offer(w->admit, 2, node("n", "10.1.0.0/16", "192.0.2.3"), "dir /new");
	admit_offer(w->admit, 0, node("e", "10.1.0.0/24", "192.0.2.1"), "dir /new");
	assert_int_equal(admit_settle(w->admit, NULL), 0);
	assert_string_equal(accepted(w->admit, 0), "e");
	assert_string_equal(accepted(w->admit, 2), "none");
	assert_non_null(w->admit->slots[2].error);
}

static void recovered(void **state)
{
	struct world *w = *state;

	admit_recover(w->admit, 1, node("old", "10.2.0.0/24", "192.0.2.2"), false);
	assert_int_equal(admit_settle(w->admit, NULL), 0);
	assert_string_equal(accepted(w->admit, 1), "old");
	assert_true(w->admit->slots[1].recovered);
	admit_offer(w->admit, 1, node("new", "10.2.0.0/24", "192.0.2.2"), "dir /new");
	/* What comes from pinned state never replaces anything. */
	admit_recover(w->admit, 1, node("older", "10.2.0.0/24", "192.0.2.2"), false);
	assert_int_equal(admit_settle(w->admit, NULL), 0);
	assert_string_equal(accepted(w->admit, 1), "new");
	assert_false(w->admit->slots[1].recovered);
}

static void accepted_that_clash(void **state)
{
	struct world *w = *state;
	struct err err = { 0 };

	admit_recover(w->admit, 1, node("w", "10.2.0.0/24", "192.0.2.2"), false);
	admit_recover(w->admit, 2, node("n", "10.2.0.0/24", "192.0.2.3"), false);
	assert_int_equal(admit_settle(w->admit, &err), -EINVAL);
	assert_non_null(strstr(err.text, "north"));
	assert_non_null(w->admit->mesh);
	assert_string_equal(w->admit->mesh->clusters[1].snapshot->nodes->name, "w");
	assert_null(w->admit->mesh->clusters[2].snapshot);
}

/* A snapshot of one node with @n prefixes. */
static struct snapshot *wide(const char *name, unsigned int n)
{
	struct snapshot *s = node(name, "10.2.0.0/24", "192.0.2.2");
	char text[32];

	s->nodes->cidrs = realloc(s->nodes->cidrs, n * sizeof(*s->nodes->cidrs));
	assert_non_null(s->nodes->cidrs);
	for (unsigned int i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "10.2.%u.0/24", i);
		assert_int_equal(prefix_parse(text, &s->nodes->cidrs[i], NULL), 0);
	}
	s->nodes->n_cidrs = n;
	return s;
}

static void held(void **state)
{
	struct world *w = *state;

	admit_offer(w->admit, 1, wide("many", 40), "dir /new");
	assert_int_equal(admit_settle(w->admit, NULL), 0);
	admit_offer(w->admit, 1, wide("few", 19), "dir /new");
	admit_offer(w->admit, 2, node("n", "10.3.0.0/24", "192.0.2.3"), "dir /new");
	assert_int_equal(admit_settle(w->admit, NULL), 0);
	assert_true(w->admit->slots[1].held);
	assert_string_equal(accepted(w->admit, 1), "many");
	assert_string_equal(accepted(w->admit, 2), "n");
}

static void held_then_better(void **state)
{
	struct world *w = *state;

	held(state);
	admit_offer(w->admit, 1, wide("half", 20), "dir /new");
	assert_int_equal(admit_settle(w->admit, NULL), 0);
	assert_false(w->admit->slots[1].held);
	assert_string_equal(accepted(w->admit, 1), "half");
}

static void held_then_passed(void **state)
{
	struct world *w = *state;

	held(state);
	admit_pass(w->admit, 1);
	assert_int_equal(admit_settle(w->admit, NULL), 0);
	assert_string_equal(accepted(w->admit, 1), "few");
	/* What comes after is measured by that one. */
	admit_offer(w->admit, 1, wide("one", 1), "dir /new");
	assert_int_equal(admit_settle(w->admit, NULL), 0);
	assert_string_equal(accepted(w->admit, 1), "one");
}

static void held_against_pinned(void **state)
{
	struct world *w = *state;

	admit_recover(w->admit, 1, wide("pinned", 40), false);
	assert_int_equal(admit_settle(w->admit, NULL), 0);
	admit_offer(w->admit, 1, wide("few", 1), "dir /new");
	assert_int_equal(admit_settle(w->admit, NULL), 0);
	assert_true(w->admit->slots[1].held);
	assert_string_equal(accepted(w->admit, 1), "pinned");
}

static void removed(void **state)
{
	struct world *w = *state;

	held(state);
	admit_remove(w->admit, 1);
	assert_int_equal(admit_settle(w->admit, NULL), 0);
	assert_true(w->admit->nodes_changed);
	assert_string_equal(accepted(w->admit, 1), "none");
	assert_string_equal(accepted(w->admit, 2), "n");
	/* When it comes back there is nothing that it could take away. */
	admit_offer(w->admit, 1, wide("few", 1), "dir /new");
	assert_int_equal(admit_settle(w->admit, NULL), 0);
	assert_string_equal(accepted(w->admit, 1), "few");
}

static void moved(void **state)
{
	struct world *w = *state;
	struct admit *other;

	held(state);
	assert_int_equal(admit_new(w->config, &other), 0);
	w->config->max_shrink_percent = 60;
	admit_move(w->admit, 1, other, 1);
	assert_int_equal(admit_settle(other, NULL), 0);
	assert_string_equal(accepted(other, 1), "few");
	admit_free(w->admit);
	w->admit = other;
}

static void services_alone(void **state)
{
	struct world *w = *state;
	const struct mesh *mesh;
	struct snapshot *s;

	bad_changes_nothing(state);
	mesh = w->admit->mesh;
	s = node("n", "10.3.0.0/24", "192.0.2.3");
	strcpy(s->revision, "sha:1");
	admit_offer(w->admit, 2, s, "dir /other");
	/* West's is still pending and refused: all are compared. */
	assert_int_equal(admit_settle(w->admit, NULL), 0);
	assert_ptr_not_equal(w->admit->mesh, mesh);
	assert_non_null(w->admit->slots[1].error);
	assert_string_equal(w->admit->slots[2].accepted->revision, "sha:1");
	admit_offer(w->admit, 1, node("w2", "10.2.1.0/24", "192.0.2.2"), "dir /new");
	mesh = w->admit->mesh;
	assert_int_equal(admit_settle(w->admit, NULL), 0);
	assert_ptr_equal(w->admit->mesh, mesh);
	assert_false(w->admit->nodes_changed);
	assert_string_equal(accepted(w->admit, 1), "w2");
	s = node("n", "10.3.0.0/24", "192.0.2.3");
	strcpy(s->revision, "sha:2");
	admit_offer(w->admit, 2, s, "dir /third");
	assert_int_equal(admit_settle(w->admit, NULL), 0);
	assert_ptr_equal(w->admit->mesh, mesh);
	assert_string_equal(accepted(w->admit, 2), "n");
	assert_string_equal(mesh->clusters[2].snapshot->revision, "sha:2");
	assert_string_equal(mesh->clusters[2].origin, "dir /third");
}

int main(void)
{
#define TEST(name, fn) { name, fn, setup, teardown, NULL }
	const struct CMUnitTest tests[] = {
		TEST("without snapshots the mesh is empty, but there", empty),
		TEST("good snapshots are taken over, newer ones replace older ones", good),
		TEST("one that overlaps stays out with its error, the others go on", bad_changes_nothing),
		TEST("mended, it is taken over and the error is gone", mended),
		TEST("it is taken over as well when the other side gives way", other_gives_way),
		TEST("of two new ones that clash our own cluster's wins", own_first),
		TEST("pinned state stands until the feed answers, and never after", recovered),
		TEST("pinned state that clashes: in the order of the configuration, and said", accepted_that_clash),
		TEST("one that takes away too much is held, the others go on", held),
		TEST("one after it that takes away less is taken over", held_then_better),
		TEST("let pass, it is taken over", held_then_passed),
		TEST("at a start it is measured by what is pinned", held_against_pinned),
		TEST("what is removed is gone, with what is held of it", removed),
		TEST("with the same nodes the mesh is not compared anew", services_alone),
		TEST("another max_shrink judges anew what is held", moved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
