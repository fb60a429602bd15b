/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* When both MACs of a path are known, and which. Tables by hand: no kernel. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/defs.h"
#include "net/tables.h"

#define OWN { 2, 0, 0, 0, 0, 1 }
#define NEXT { 2, 0, 0, 0, 0, 2 }
#define OTHER { 2, 0, 0, 0, 0, 3 }
#define NONE { 0 }

struct row {
	const char *name;
	uint32_t link;          /* of MAC @own; there is one more, 9, of another MAC */
	__u8 own[6];
	struct {
		const char *addr;
		uint32_t ifindex;
		bool usable;
		__u8 mac[6];
	} neighs[2];
	bool unreachable;
	bool found;
};

/* The path: to 192.0.2.9 by 192.0.2.1 on interface 4. */
static const struct row rows[] = {
	{ "the next hop's and the interface's own", 4, OWN,
	  .neighs = { { "192.0.2.1", 4, true, NEXT } }, .found = true },
	{ "behind a neighbour of another address", 4, OWN,
	  .neighs = { { "192.0.2.9", 4, true, OTHER }, { "192.0.2.1", 4, true, NEXT } }, .found = true },
	{ "behind one of that address on another interface", 4, OWN,
	  .neighs = { { "192.0.2.1", 9, true, OTHER }, { "192.0.2.1", 4, true, NEXT } }, .found = true },
	{ "behind one that has failed", 4, OWN,
	  .neighs = { { "192.0.2.1", 4, false, OTHER }, { "192.0.2.1", 4, true, NEXT } }, .found = true },
	{ "behind one without a MAC", 4, OWN,
	  .neighs = { { "192.0.2.1", 4, true, NONE }, { "192.0.2.1", 4, true, NEXT } }, .found = true },
	{ "none: the next hop is not resolved", 4, OWN,
	  .neighs = { { "192.0.2.9", 4, true, OTHER } } },
	{ "none: it has failed", 4, OWN,
	  .neighs = { { "192.0.2.1", 4, false, NEXT } } },
	{ "none: its MAC is zero", 4, OWN,
	  .neighs = { { "192.0.2.1", 4, true, NONE } } },
	{ "none: it is on another interface", 4, OWN,
	  .neighs = { { "192.0.2.1", 9, true, NEXT } } },
	{ "none: the interface has none, as WireGuard's", 4, NONE,
	  .neighs = { { "192.0.2.1", 4, true, NEXT } } },
	{ "none: the interface is not there", 5, OWN,
	  .neighs = { { "192.0.2.1", 4, true, NEXT } } },
	{ "none: unreachable", 4, OWN,
	  .neighs = { { "192.0.2.1", 4, true, NEXT } }, .unreachable = true },
};

static struct xm_addr addr(const char *text)
{
	struct in_addr v4;

	assert_int_equal(inet_pton(AF_INET, text, &v4), 1);
	return xm_addr_v4(v4.s_addr);
}

static void test_row(void **state)
{
	const struct row *row = *state;
	static const __u8 own[6] = OWN, next[6] = NEXT, other[6] = OTHER;
	struct link_fact links[2] = { { .ifindex = 9, .name = "eth9" },
				      { .ifindex = row->link, .name = "eth4" } };
	struct neigh_fact neighs[2];
	struct net_tables tables = { .links = links, .n_links = 2, .neighs = neighs };
	/* Known from before: it must be known again. */
	struct fact_path path = { .dst = addr("192.0.2.9"), .next_hop = addr("192.0.2.1"),
				  .ifindex = 4, .reachable = !row->unreachable, .has_macs = true };

	memcpy(links[0].mac, other, 6);
	memcpy(links[1].mac, row->own, 6);
	for (; tables.n_neighs < 2 && row->neighs[tables.n_neighs].addr; tables.n_neighs++) {
		struct neigh_fact *n = &neighs[tables.n_neighs];

		*n = (struct neigh_fact){ .ifindex = row->neighs[tables.n_neighs].ifindex,
					  .addr = addr(row->neighs[tables.n_neighs].addr),
					  .usable = row->neighs[tables.n_neighs].usable };
		memcpy(n->mac, row->neighs[tables.n_neighs].mac, 6);
	}
	tables_macs(&tables, &path);
	assert_int_equal(path.has_macs, row->found);
	if (!row->found)
		return;
	assert_memory_equal(path.own_mac, own, 6);
	assert_memory_equal(path.next_mac, next, 6);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows)];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		tests[i] = (struct CMUnitTest){ rows[i].name, test_row, NULL, NULL,
						(void *)&rows[i] };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
