/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The kernel's routes for pods alone and the rules that lead to them; those of all: wanted.c. */
#include "unit/model/scene.h"

static bool has_krule(const struct wanted *w, const char *text)
{
	struct xm_prefix p = prefix(text);

	for (size_t i = 0; i < w->n_krules; i++)
		if (!memcmp(&w->krules[i].from, &p, sizeof(p)))
			return true;
	return false;
}

static void addresses_of_peers_nodes_are_routed_for_pods_alone(void **state)
{
	struct wanted *w = built(&(struct scene){ 0 });
	const struct wanted_kroute *k = kroute(w, "192.0.2.11/32");

	assert_non_null(k);
	assert_true(k->pods_only);
	assert_true(k->tunnel);
	assert_int_equal(k->ifindex, DEVICE);
	assert_addr(&k->outer, "192.0.2.11");
	assert_addr(&k->gateway, "192.0.2.11");
	assert_addr(&k->src, "192.0.2.1");
	assert_int_equal(k->mtu, 1450);
	/* The other family of that node, by its endpoint. */
	k = kroute(w, "2001:db8::11/128");
	assert_true(k->pods_only);
	assert_addr(&k->outer, "192.0.2.11");
	assert_addr(&k->gateway, "fe80::78:c0ff:fe00:20b");
	/* Prefixes are for everyone; our own cluster's nodes are reached as ever. */
	assert_false(kroute(w, "10.2.1.0/24")->pods_only);
	assert_null(kroute(w, "192.0.2.2/32"));
	assert_true(has_krule(w, "10.1.1.0/24"));
	assert_true(has_krule(w, "fd01:1::/64"));
	assert_int_equal(w->n_krules, 2);
	wanted_free(w);
}

static void no_rule_leads_to_a_table_without_routes(void **state)
{
	struct wanted *w = built(&(struct scene){ .config = "mode: {ipv6: native}\n" });

	assert_null(kroute(w, "2001:db8::11/128"));
	assert_true(has_krule(w, "10.1.1.0/24"));
	assert_int_equal(w->n_krules, 1);
	wanted_free(w);

	w = built(&(struct scene){ .no_device = true });
	assert_int_equal(w->n_krules, 0);
	wanted_free(w);
}

/* The host would send what carries the tunnel into the tunnel. */
static void no_rule_for_a_prefix_that_holds_the_hosts_address(void **state)
{
	struct wanted *w = built(&(struct scene){ .own4 = "10.1.1.1" });

	assert_false(has_krule(w, "10.1.1.0/24"));
	assert_true(has_krule(w, "fd01:1::/64"));
	wanted_free(w);
}

static void without_our_node_in_the_feed_there_is_no_rule(void **state)
{
	struct wanted *w = built(&(struct scene){ .no_feed = true });

	assert_non_null(kroute(w, "192.0.2.11/32"));
	assert_int_equal(w->n_krules, 0);
	wanted_free(w);
}

static void the_kernel_answers_with_the_mtu_that_the_underlay_said(void **state)
{
	static const struct fact_number numbers[] = { { 2, "west-1", 5, 1400 }, { 3, "north-1", 6, 9000 } };
	struct wanted *w = built(&(struct scene){ .numbers = numbers, .n_numbers = 2 });

	assert_int_equal(kroute(w, "10.2.1.0/24")->mtu, 1350);
	assert_int_equal(kroute(w, "192.0.2.11/32")->mtu, 1350);
	assert_int_equal(kroute(w, "10.3.1.0/24")->mtu, 1430);
	/* The programs know it themselves, and until when. */
	assert_int_equal(route(w, "10.2.1.0/24")->mtu, 1450);
	assert_int_equal(w->device_mtu, 1450);
	wanted_free(w);

	w = built(&(struct scene){ .config = "mode: native\n", .numbers = numbers, .n_numbers = 2 });
	assert_int_equal(kroute(w, "fd02:1::/64")->mtu, 1500);
	wanted_free(w);
}

static void nodes_with_identities_are_marked_in_every_table(void **state)
{
	struct wanted *w = built(&(struct scene){ .identity_bits = { 0, 16, 15 } });
	const __u8 both = XM_IDENTITY16 | XM_IDENTITY15;

	assert_int_equal(route(w, "10.2.1.0/24")->flags & both, XM_IDENTITY16);
	assert_int_equal(node(w, "192.0.2.11")->flags & both, XM_IDENTITY16);
	assert_int_equal(node(w, "2001:db8::11")->flags & both, XM_IDENTITY16);
	assert_int_equal(node(w, "192.0.2.11")->path.flags & both, XM_IDENTITY16);
	assert_true(kroute(w, "10.2.1.0/24")->identity);
	assert_true(kroute(w, "192.0.2.11/32")->identity);
	assert_int_equal(route(w, "fd03:1::/64")->flags & both, XM_IDENTITY15);
	assert_true(kroute(w, "fd03:1::/64")->identity);
	/* Those of our own cluster are not. */
	assert_int_equal(route(w, "10.1.2.0/24")->flags & both, 0);
	assert_false(kroute(w, "10.1.2.0/24")->identity);
	/* No VIP traffic and no probes for them. */
	assert_int_equal(w->n_paths, 1);
	assert_int_equal(w->paths[0].path.route.cluster, 1);
	wanted_free(w);
}

int main(void)
{
	static struct rows rows;

	ROWS_ADD_TEST(&rows, addresses_of_peers_nodes_are_routed_for_pods_alone);
	ROWS_ADD_TEST(&rows, no_rule_leads_to_a_table_without_routes);
	ROWS_ADD_TEST(&rows, no_rule_for_a_prefix_that_holds_the_hosts_address);
	ROWS_ADD_TEST(&rows, without_our_node_in_the_feed_there_is_no_rule);
	ROWS_ADD_TEST(&rows, the_kernel_answers_with_the_mtu_that_the_underlay_said);
	ROWS_ADD_TEST(&rows, nodes_with_identities_are_marked_in_every_table);
	return rows_run("wanted_kernel", &rows);
}
