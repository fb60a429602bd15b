/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a proposed feed would change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/feeddiff.h"
#include "core/addr.h"
#include "core/defs.h"
#include "xmesh/wire.h"

/* Pinned: cluster 2 with node w1 (10.2.1.0/24), cluster 3 with node n1. */
static struct wanted_name names[2];
static struct wanted_route routes[2];
static const struct wanted actual = { .names = names, .n_names = 2, .routes = routes, .n_routes = 2 };

static int setup(void **state)
{
	static const char *const node[] = { "w1", "n1" }, *const addr[] = { "192.0.2.21", "192.0.2.31" };
	static const char *const cidr[] = { "10.2.1.0/24", "10.3.1.0/24" };

	for (size_t i = 0; i < 2; i++) {
		struct xm_node_name *n = &names[i].name;

		names[i].number = i + 1;
		strcpy(n->name, node[i]);
		n->cluster = 2 + i;
		n->n_addrs = 1;
		addr_parse(addr[i], &n->addr[0], NULL);
		xm_vtep_mac(&n->addr[0], n->vtep_mac);
		prefix_parse(cidr[i], &routes[i].prefix, NULL);
		routes[i].route.cluster = 2 + i;
		routes[i].route.node = i + 1;
	}
	return 0;
}

static struct snapshot *snapshot(const char *name, const char *cidr, const char *addr)
{
	struct snapshot *s = calloc(1, sizeof(*s));

	s->nodes = calloc(1, sizeof(*s->nodes));
	s->n_nodes = 1;
	strcpy(s->nodes->name, name);
	s->nodes->cidrs = calloc(1, sizeof(*s->nodes->cidrs));
	s->nodes->n_cidrs = 1;
	prefix_parse(cidr, s->nodes->cidrs, NULL);
	addr_parse(addr, &s->nodes->addr4, NULL);
	return s;
}

struct row {
	const char *name, *node, *cidr, *addr, *changes;
};

static const struct row rows[] = {
	{ "the same: no change", "w1", "10.2.1.0/24", "192.0.2.21", "" },
	{ "another prefix: one comes, one goes", "w1", "10.2.2.0/24", "192.0.2.21",
	  "-prefix 10.2.1.0/24, +prefix 10.2.2.0/24, " },
	{ "another address of a node", "w1", "10.2.1.0/24", "192.0.2.22", "~node w1, " },
	{ "a prefix that moves to another node", "w2", "10.2.1.0/24", "192.0.2.22",
	  "-node w1, +node w2, ~prefix 10.2.1.0/24, " },
};

static void check(void **state)
{
	const struct row *row = *state;
	struct snapshot *s = snapshot(row->node, row->cidr, row->addr);
	struct feed_change *changes;
	char text[256] = "";
	size_t n, len = 0;

	assert_int_equal(feeddiff_new(&actual, 2, s, &changes, &n), 0);
	for (size_t i = 0; i < n; i++)
		len += snprintf(text + len, sizeof(text) - len, "%c%s %s, ",
				!changes[i].was ? '+' : !changes[i].becomes ? '-' : '~', changes[i].kind,
				changes[i].name);
	assert_string_equal(text, row->changes);
	feeddiff_free(changes, n);
	snapshot_free(s);
}

static void guesses(void **state)
{
	struct snapshot *s = snapshot("n1", "10.3.1.0/24", "192.0.2.31");

	assert_int_equal(feeddiff_guess(&actual, s), 3);
	strcpy(s->nodes->name, "x");
	assert_int_equal(feeddiff_guess(&actual, s), 0);
	snapshot_free(s);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows) + 1];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		tests[i] = (struct CMUnitTest){ rows[i].name, check, NULL, NULL, (void *)&rows[i] };
	tests[ARRAY_SIZE(rows)] = (struct CMUnitTest){ "a feed is known by its nodes", guesses, NULL, NULL, NULL };
	return cmocka_run_group_tests(tests, setup, NULL);
}
