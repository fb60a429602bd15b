/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From mesh and facts to tables (wanted.c, wanted_reach.c, wanted_notes.c). */
#include "unit/model/scene.h"

static const struct node_row nobody[] = { { NULL } };

/* ---- routes ---- */

static void a_tunnel_over_ipv4_has_all_that_is_needed(void **state)
{
	struct wanted *w = built(&(struct scene){ 0 });
	const struct xm_route *r = route(w, "10.2.1.0/24");
	const struct wanted_kroute *k = kroute(w, "10.2.1.0/24");

	assert_non_null(r);
	assert_int_equal(r->cluster, 2);
	assert_int_equal(r->node, number(w, "west-1"));
	assert_int_equal(r->mode, XM_MODE_TUNNEL);
	assert_int_equal(r->flags, XM_ROUTE_ONLINK);
	assert_addr(&r->outer, "192.0.2.11");
	assert_int_equal(r->ifindex, ETH0);
	assert_int_equal(r->mtu, 1450);
	assert_mac(r->vtep_mac, "02:78:c0:00:02:0b");
	assert_int_equal(r->since_s, NOW);

	assert_non_null(k);
	assert_true(k->tunnel);
	assert_int_equal(k->ifindex, DEVICE);
	assert_addr(&k->outer, "192.0.2.11");
	assert_addr(&k->gateway, "192.0.2.11");
	assert_addr(&k->src, "192.0.2.1");
	assert_int_equal(k->mtu, 1450);
	assert_mac(kneigh(w, "192.0.2.11")->mac, "02:78:c0:00:02:0b");

	/* IPv6 pods go the same way, by a gateway of their own family. */
	k = kroute(w, "fd02:1::/64");
	assert_addr(&k->outer, "192.0.2.11");
	assert_addr(&k->gateway, "fe80::78:c0ff:fe00:20b");
	assert_addr(&k->src, "2001:db8::1");
	assert_mac(kneigh(w, "fe80::78:c0ff:fe00:20b")->mac, "02:78:c0:00:02:0b");
	assert_int_equal(w->device_mtu, 1450);
	wanted_free(w);
}

static void a_tunnel_over_ipv6_costs_twenty_bytes_more(void **state)
{
	struct wanted *w = built(&(struct scene){ 0 });
	const struct xm_route *r = route(w, "10.3.1.0/24");
	const struct wanted_kroute *k = kroute(w, "10.3.1.0/24");

	assert_addr(&r->outer, "2001:db8::21");
	assert_int_equal(r->mtu, 1430);
	/* 2001:0db8 ^ 0 ^ 0 ^ 0000:0021 */
	assert_mac(r->vtep_mac, "02:78:20:01:0d:99");
	/* The node has no IPv4 address to be a gateway. */
	assert_addr(&k->gateway, "fe80::78:20ff:fe01:d99");
	assert_addr(&kroute(w, "fd03:1::/64")->gateway, "fe80::78:20ff:fe01:d99");
	assert_non_null(kneigh(w, "fe80::78:20ff:fe01:d99"));
	wanted_free(w);

	w = built(&(struct scene){ .config = "tunnel: {family: ipv6}\n" });
	assert_int_equal(w->device_mtu, 1430);
	wanted_free(w);
}

/* VIP traffic goes in the tunnel to every other node, whatever carries pods. */
static void every_other_node_has_a_path(void **state)
{
	struct wanted *w = built(&(struct scene){ .config = "mode: native\nlocal: {carry: no}\n"
							    "north_south: {return_own: entry, "
							    "return_peers: direct}\n",
						  .unreachable = { "192.0.2.11" } });

	assert_int_equal(w->n_paths, 2);
	for (size_t i = 0; i < w->n_paths; i++) {
		const struct xm_route *r = &w->paths[i].path.route;
		bool near = w->paths[i].number == number(w, "east-2");

		assert_true(near || w->paths[i].number == number(w, "north-1"));
		assert_int_equal(r->node, w->paths[i].number);
		assert_int_equal(r->mode, XM_MODE_TUNNEL);
		assert_int_equal(r->cluster, near ? 1 : 3);
		assert_addr(&r->outer, near ? "192.0.2.2" : "2001:db8::21");
		assert_int_equal(r->mtu, near ? 1450 : 1430);
		assert_int_equal(r->ifindex, ETH0);
	}
	assert_true(w->paths[0].number < w->paths[1].number);
	assert_int_equal(w->config.flags & (XM_CFG_RETURN_OWN_ENTRY | XM_CFG_RETURN_PEER_DIRECT),
			 XM_CFG_RETURN_OWN_ENTRY | XM_CFG_RETURN_PEER_DIRECT);
	wanted_free(w);
}

static void the_annotation_is_the_inner_mac(void **state)
{
	static const struct node_row foreign[] = {
		{ "west-1", "192.0.2.11", NULL, { "10.2.1.0/24", "fd02:1::/64" }, "aa:bb:cc:dd:ee:f0" },
		{ NULL },
	};
	struct wanted *w = built(&(struct scene){ .west = foreign });

	assert_mac(route(w, "10.2.1.0/24")->vtep_mac, "aa:bb:cc:dd:ee:f0");
	assert_mac(kneigh(w, "192.0.2.11")->mac, "aa:bb:cc:dd:ee:f0");
	assert_addr(&kroute(w, "fd02:1::/64")->gateway, "fe80::a8bb:ccff:fedd:eef0");
	wanted_free(w);
}

static void native_on_the_link_goes_by_way_of_the_node(void **state)
{
	struct wanted *w = built(&(struct scene){ .config = "mode: {ipv6: native}\n" });
	const struct xm_route *r = route(w, "fd02:1::/64");
	const struct wanted_kroute *k = kroute(w, "fd02:1::/64");

	assert_int_equal(r->mode, XM_MODE_NATIVE);
	assert_int_equal(r->flags, XM_ROUTE_ONLINK);
	assert_addr(&r->outer, "2001:db8::11");
	assert_int_equal(r->mtu, 1500);
	assert_false(k->tunnel);
	assert_int_equal(k->ifindex, ETH0);
	assert_addr(&k->gateway, "2001:db8::11");
	assert_true(xm_addr_is_zero(&k->outer));
	assert_addr(&k->src, "2001:db8::1");
	assert_int_equal(k->mtu, 1500);
	/* The other family is as it was. */
	assert_int_equal(route(w, "10.2.1.0/24")->mode, XM_MODE_TUNNEL);
	assert_true(kroute(w, "10.2.1.0/24")->tunnel);
	/* Neighbours on xmesh0 only for what goes there: north's IPv4, west's, east-2's. */
	assert_null(kneigh(w, "fe80::78:c0ff:fe00:20b"));
	wanted_free(w);
}

static void native_behind_a_router_uses_the_route_that_is_there(void **state)
{
	struct wanted *w = built(&(struct scene){
		.config = "mode: native\n", .offlink = { "192.0.2.11" } });
	const struct xm_route *r = route(w, "10.2.1.0/24");

	assert_int_equal(r->mode, XM_MODE_NATIVE);
	assert_int_equal(r->flags, 0);
	assert_addr(&r->outer, "192.0.2.11");
	assert_int_equal(r->ifindex, ETH0);
	assert_null(kroute(w, "10.2.1.0/24"));
	assert_non_null(kroute(w, "fd02:1::/64"));
	wanted_free(w);
}

static void native_needs_an_address_of_its_family(void **state)
{
	struct wanted *w = built(&(struct scene){ .config = "mode: native\n" });

	assert_null(route(w, "10.3.1.0/24"));
	assert_non_null(route(w, "fd03:1::/64"));
	assert_true(noted(w, "Node north-1 of cluster north gets no route: its mode is native but it has no IPv4"));
	assert_int_equal(w->n_notes, 1);
	/* No tunnel anywhere: xmesh0 is as wide as one would be. */
	assert_int_equal(w->device_mtu, 1450);
	wanted_free(w);
}

static const struct family_row {
	const char *name;
	const char *family, *node4, *node6;
	bool no_own4, no_own6;
	const char *outer; /* NULL = no route and a note */
} family_rows[] = {
	{ "auto takes IPv4 when both have both", "auto", "192.0.2.11", "2001:db8::11", false, false,
	  "192.0.2.11" },
	{ "auto takes IPv6 when the node has no IPv4", "auto", NULL, "2001:db8::11", false, false,
	  "2001:db8::11" },
	{ "auto takes IPv6 when we have no IPv4", "auto", "192.0.2.11", "2001:db8::11", true, false,
	  "2001:db8::11" },
	{ "auto finds nothing in common", "auto", "192.0.2.11", NULL, true, false, NULL },
	{ "ipv6 takes IPv6 though both have IPv4", "ipv6", "192.0.2.11", "2001:db8::11", false, false,
	  "2001:db8::11" },
	{ "ipv6 does not fall back", "ipv6", "192.0.2.11", NULL, false, false, NULL },
	{ "ipv4 does not fall back", "ipv4", NULL, "2001:db8::11", false, false, NULL },
	{ "ipv4 takes IPv4", "ipv4", "192.0.2.11", "2001:db8::11", false, true, "192.0.2.11" },
};

static void run_family(void **state)
{
	const struct family_row *row = *state;
	struct node_row nodes[2] = {
		{ "west-1", row->node4, row->node6, { "10.2.1.0/24" }, NULL },
	};
	char config[64];
	struct wanted *w;

	snprintf(config, sizeof(config), "tunnel: {family: %s}\n", row->family);
	w = built(&(struct scene){ .config = config, .east = nobody, .west = nodes, .north = nobody,
				   .no_own4 = row->no_own4, .no_own6 = row->no_own6 });
	if (row->outer) {
		assert_addr(&route(w, "10.2.1.0/24")->outer, row->outer);
		assert_int_equal(node(w, row->outer)->flags, XM_NODE_TUNNEL);
	} else {
		assert_null(route(w, "10.2.1.0/24"));
		assert_true(noted(w, "share no address family"));
	}
	/* Every address is known, whichever is the endpoint. */
	assert_int_equal(node(w, row->node4 ? row->node4 : row->node6)->cluster, 2);
	if (row->node4 && row->node6 && row->outer)
		assert_int_equal(node(w, row->outer == row->node4 ? row->node6 : row->node4)->flags, 0);
	wanted_free(w);
}

static void a_node_without_a_way_gets_no_route_and_one_note(void **state)
{
	struct wanted *w = built(&(struct scene){ .unreachable = { "192.0.2.11" } });

	assert_null(route(w, "10.2.1.0/24"));
	assert_null(route(w, "fd02:1::/64"));
	assert_null(kroute(w, "10.2.1.0/24"));
	assert_null(kneigh(w, "192.0.2.11"));
	assert_non_null(route(w, "10.1.2.0/24"));
	assert_non_null(route(w, "10.3.1.0/24"));
	/* It is still known, for it may send to us. */
	assert_non_null(node(w, "192.0.2.11"));
	assert_int_equal(w->n_notes, 1);
	assert_string_equal(w->notes[0], "Node west-1 of cluster west gets no route: the underlay "
					 "has no way to 192.0.2.11");
	wanted_free(w);
}

static void an_mtu_too_small_for_the_tunnel_is_noted(void **state)
{
	struct wanted *w = built(&(struct scene){ .mtu = 117, .north = nobody });

	assert_null(route(w, "10.2.1.0/24"));
	assert_true(noted(w, "the MTU 117 towards 192.0.2.11 is too small"));
	wanted_free(w);

	w = built(&(struct scene){ .mtu = 118, .north = nobody });
	assert_int_equal(route(w, "10.2.1.0/24")->mtu, 68);
	wanted_free(w);

	/* The loopback's 65536 does not wrap around in 16 bits. */
	w = built(&(struct scene){ .mtu = 65536, .config = "mode: native\n", .north = nobody });
	assert_int_equal(route(w, "10.2.1.0/24")->mtu, 65535);
	wanted_free(w);
}

static void without_the_device_the_kernel_gets_nothing(void **state)
{
	struct wanted *w = built(&(struct scene){ .no_device = true, .config = "mode: {ipv6: native}\n" });

	assert_int_equal(w->n_kroutes, 0);
	assert_int_equal(w->n_kneighs, 0);
	assert_non_null(route(w, "10.2.1.0/24"));
	wanted_free(w);
}

static void we_without_a_family_give_no_source_of_it(void **state)
{
	struct wanted *w = built(&(struct scene){ .no_own6 = true });

	assert_true(xm_addr_is_zero(&kroute(w, "fd02:1::/64")->src));
	assert_addr(&kroute(w, "10.2.1.0/24")->src, "192.0.2.1");
	wanted_free(w);
}

static void pods_reach_a_peers_nodes_through_the_tunnel(void **state)
{
	struct wanted *w = built(&(struct scene){ .config = "mode: {ipv6: native}\n",
						  .unreachable = { "2001:db8::21" } });
	const struct xm_route *path = &node(w, "192.0.2.11")->path;

	assert_int_equal(path->mode, XM_MODE_TUNNEL);
	assert_int_equal(path->node, number(w, "west-1"));
	assert_int_equal(path->cluster, 2);
	assert_int_equal(path->ifindex, ETH0);
	assert_addr(&path->outer, "192.0.2.11");
	assert_int_equal(path->mtu, 1450);
	assert_mac(path->vtep_mac, "02:78:c0:00:02:0b");
	/* Not where the mode is native, not in our own cluster, not where no way is. */
	assert_int_equal(node(w, "2001:db8::11")->path.ifindex, 0);
	assert_int_equal(node(w, "192.0.2.2")->path.ifindex, 0);
	assert_int_equal(node(w, "2001:db8::21")->path.ifindex, 0);
	wanted_free(w);

	/* An address that is not the endpoint is reached by the endpoint. */
	w = built(&(struct scene){ 0 });
	assert_addr(&node(w, "2001:db8::11")->path.outer, "192.0.2.11");
	wanted_free(w);
}

/* ---- our own cluster ---- */

static const struct carry_row {
	const char *name, *config, *foreign;
	bool local;         /* XM_CFG_CARRY_LOCAL */
	uint8_t flags;      /* of the route to east-2's IPv4 pods */
} carry_rows[] = {
	{ "carry auto with no other route", "", NULL, true, XM_ROUTE_ONLINK },
	{ "carry auto with a route to our own pods", "", "10.1.1.0/24", false, XM_ROUTE_ONLINK },
	{ "carry auto with a route to a neighbour's pods", "", "10.1.2.0/24", false, XM_ROUTE_STACK },
	{ "carry auto with a route to other than pods", "", "10.9.0.0/24", true, XM_ROUTE_ONLINK },
	{ "carry yes whatever routes there are", "local: {carry: yes}\n", "10.1.2.0/24", true,
	  XM_ROUTE_ONLINK },
	{ "carry no whatever routes there are not", "local: {carry: no}\n", NULL, false,
	  XM_ROUTE_STACK },
};

static void run_carry(void **state)
{
	const struct carry_row *row = *state;
	struct wanted *w = built(&(struct scene){ .config = row->config, .foreign = { row->foreign } });
	const struct xm_route *r = route(w, "10.1.2.0/24");

	assert_int_equal(!!(w->config.flags & XM_CFG_CARRY_LOCAL), row->local);
	assert_int_equal(r->flags, row->flags);
	assert_int_equal(r->cluster, 1);
	assert_int_equal(r->node, number(w, "east-2"));
	assert_int_equal(kroute(w, "10.1.2.0/24") != NULL, row->flags != XM_ROUTE_STACK);
	/* Peers are carried in any case. */
	assert_int_equal(route(w, "10.2.1.0/24")->flags, XM_ROUTE_ONLINK);
	wanted_free(w);
}

static void our_own_prefixes_are_never_sent_out(void **state)
{
	struct wanted *w = built(&(struct scene){ 0 });
	const struct xm_route *r = route(w, "10.1.1.0/24");

	assert_int_equal(r->flags, XM_ROUTE_LOCAL);
	assert_int_equal(r->node, w->config.node);
	assert_true(xm_addr_is_zero(&r->outer));
	assert_int_equal(r->ifindex, 0);
	assert_null(kroute(w, "10.1.1.0/24"));
	assert_null(kneigh(w, "192.0.2.1"));
	assert_int_equal(node(w, "192.0.2.1")->number, w->config.node);
	assert_int_equal(node(w, "192.0.2.1")->flags, XM_NODE_TUNNEL);
	assert_int_equal(w->n_notes, 0);
	wanted_free(w);
}

static void a_node_that_its_feed_lacks_is_noted_and_still_there(void **state)
{
	struct wanted *w = built(&(struct scene){ .node_name = "stranger", .own4 = "192.0.2.77",
						  .own6 = "2001:db8::77" });

	assert_int_equal(w->n_notes, 1);
	assert_non_null(strstr(w->notes[0], "Node stranger is not in the feed of our cluster east"));
	assert_int_not_equal(w->config.node, 0);
	assert_int_equal(w->config.node, number(w, "stranger"));
	assert_int_equal(node(w, "192.0.2.77")->number, w->config.node);
	assert_int_equal(node(w, "2001:db8::77")->number, w->config.node);
	assert_mac(w->config.vtep_mac, "02:78:c0:00:02:4d");
	/* east-1 is a neighbour as any other then. */
	assert_int_equal(route(w, "10.1.1.0/24")->flags, XM_ROUTE_ONLINK);
	wanted_free(w);

	/* A cluster without a feed of its own has nothing to lack. */
	w = built(&(struct scene){ .no_feed = true });
	assert_int_equal(w->n_notes, 0);
	assert_int_equal(w->config.node, number(w, "east-1"));
	assert_int_equal(node(w, "192.0.2.1")->number, w->config.node);
	wanted_free(w);
}

static void a_node_with_our_address_is_no_way_to_ourselves(void **state)
{
	struct wanted *w = built(&(struct scene){ .node_name = "renamed" });

	assert_true(noted(w, "Node east-1 of cluster east gets no route: it has our own address"));
	assert_null(route(w, "10.1.1.0/24"));
	assert_int_equal(node(w, "192.0.2.1")->number, w->config.node);
	assert_int_equal(w->config.node, number(w, "renamed"));
	wanted_free(w);
}

static void a_prefix_with_our_endpoint_in_it_is_left_out(void **state)
{
	static const struct node_row thief[] = {
		{ "west-1", NULL, "2001:db8::11", { "192.0.2.0/24", "10.2.1.0/24" }, NULL },
		{ NULL },
	};
	struct wanted *w = built(&(struct scene){ .east = nobody, .west = thief });

	assert_true(noted(w, "prefix 192.0.2.0/24 of Node west-1 of cluster west is left out: our own"));
	assert_null(route(w, "192.0.2.0/24"));
	assert_null(kroute(w, "192.0.2.0/24"));
	assert_non_null(route(w, "10.2.1.0/24"));
	wanted_free(w);
}

static void another_endpoint_than_the_feed_says_is_noted(void **state)
{
	struct wanted *w = built(&(struct scene){ .own4 = "198.51.100.1" });

	assert_int_equal(w->n_notes, 1);
	assert_non_null(strstr(w->notes[0], "our tunnel endpoint 198.51.100.1 is not the address "
					    "192.0.2.1 of Node east-1"));
	assert_int_equal(node(w, "192.0.2.1")->flags, 0);
	assert_int_equal(node(w, "198.51.100.1")->flags, XM_NODE_TUNNEL);
	/* Peers compute our MAC from the feed. */
	assert_mac(w->config.vtep_mac, "02:78:c0:00:02:01");
	wanted_free(w);
}

static void an_ipv4_endpoint_that_only_the_feed_knows_is_noted(void **state)
{
	struct wanted *w = built(&(struct scene){ .no_own4 = true });

	assert_true(noted(w, "Node east-1 has the address 192.0.2.1 in the feed, but no underlay interface "
			     "has an IPv4 address"));
	wanted_free(w);
	w = built(&(struct scene){ .no_own4 = true, .config = "tunnel: {family: ipv6}\n" });
	assert_false(noted(w, "Node east-1"));
	wanted_free(w);
}

/* ---- all of it ---- */

static void the_config_says_what_programs_read(void **state)
{
	struct wanted *w = built(&(struct scene){ .config = "tunnel: {port: 4790, id: 77}\n" });
	const struct xm_config *c = &w->config;

	assert_int_equal(c->magic, XM_ABI_MAGIC);
	assert_int_equal(c->abi, XM_ABI);
	assert_int_equal(c->flags, XM_CFG_SOURCE_CHECK | XM_CFG_CARRY_LOCAL);
	assert_int_equal(c->cluster, 1);
	assert_int_equal(c->port, htons(4790));
	assert_int_equal(c->vni, 77);
	assert_addr(&c->addr4, "192.0.2.1");
	assert_addr(&c->addr6, "2001:db8::1");
	assert_mac(c->vtep_mac, "02:78:c0:00:02:01");
	wanted_free(w);

	w = built(&(struct scene){ .config = "pods: {source_check: false}\n" });
	assert_int_equal(w->config.flags, XM_CFG_CARRY_LOCAL);
	wanted_free(w);
}

static void people_find_names_and_feeds(void **state)
{
	struct wanted *w = built(&(struct scene){ .config = "mode: {ipv6: native}\n" });
	const struct xm_node_name *n = NULL;

	assert_int_equal(w->n_clusters, 3);
	assert_int_equal(w->clusters[0].id, 1);
	assert_int_equal(w->clusters[0].cluster.own, 1);
	assert_int_equal(w->clusters[1].cluster.own, 0);
	assert_string_equal(w->clusters[1].cluster.name, "west");
	assert_string_equal(w->clusters[1].cluster.origin, "dir /w");
	assert_string_equal(w->clusters[1].cluster.revision, "sha:1");
	assert_int_equal(w->clusters[1].cluster.mode4, XM_MODE_TUNNEL);
	assert_int_equal(w->clusters[1].cluster.mode6, XM_MODE_NATIVE);
	assert_int_equal(w->clusters[1].cluster.since_s, NOW);

	assert_int_equal(w->n_names, 4);
	for (size_t i = 0; i < w->n_names; i++) {
		if (!strcmp(w->names[i].name.name, "west-1"))
			n = &w->names[i].name;
	}
	assert_non_null(n);
	assert_int_equal(n->cluster, 2);
	assert_int_equal(n->n_addrs, 2);
	assert_addr(&n->addr[0], "192.0.2.11");
	assert_addr(&n->addr[1], "2001:db8::11");
	assert_mac(n->vtep_mac, "02:78:c0:00:02:0b");
	wanted_free(w);
}

static void pods_are_taken_over(void **state)
{
	struct pod_entry entries[] = { { .addr = addr("10.1.1.7"),
					 .pod = { .ifindex = 9, .flags = XM_POD_STACK, .mtu = 1500 } } };
	struct pod_iface ifaces[] = { { .ifindex = 9, .name = "veth9", .n_addrs = 1 },
				      { .ifindex = 10, .name = "veth10", .n_addrs = 0 } };
	struct pods pods = { .pods = entries, .n_pods = 1, .ifaces = ifaces, .n_ifaces = 2 };
	struct wanted *w = built(&(struct scene){ .pods = &pods });

	assert_int_equal(w->n_pods, 1);
	assert_addr(&w->pods[0].addr, "10.1.1.7");
	assert_int_equal(w->pods[0].pod.ifindex, 9);
	assert_int_equal(w->pods[0].pod.flags, XM_POD_STACK);
	assert_int_equal(w->pods[0].pod.since_s, NOW);
	assert_int_equal(w->n_ifaces, 2);
	assert_int_equal(w->ifaces[0].ifindex, 9);
	assert_int_equal(w->ifaces[0].iface.n_addrs, 1);
	assert_int_equal(w->ifaces[1].iface.n_addrs, 0);
	wanted_free(w);
}

static void too_many_pods_are_refused(void **state)
{
	struct pods pods = { .n_pods = XM_MAX_PODS + 1 };
	struct wanted *w = NULL;
	struct err err;

	assert_int_equal(build(&(struct scene){ .pods = &pods }, &w, &err), -ENOSPC);
	assert_null(w);
	assert_non_null(strstr(err.text, "16385 pod addresses"));
}

static void tables_are_sorted_by_their_keys(void **state)
{
	struct wanted *w = built(&(struct scene){ 0 });

	assert_int_equal(w->n_routes, 8);
	assert_int_equal(w->n_nodes, 7);
	/* Six prefixes, and three addresses of peers' nodes for pods. */
	assert_int_equal(w->n_kroutes, 9);
	/* east-2 and west-1 have two each, north-1 one for both families. */
	assert_int_equal(w->n_kneighs, 5);
	for (size_t i = 1; i < w->n_routes; i++)
		assert_true(compare_prefixes(&w->routes[i - 1], &w->routes[i]) < 0);
	for (size_t i = 1; i < w->n_kroutes; i++)
		assert_true(compare_prefixes(&w->kroutes[i - 1], &w->kroutes[i]) < 0);
	for (size_t i = 1; i < w->n_nodes; i++)
		assert_true(memcmp(&w->nodes[i - 1].addr, &w->nodes[i].addr, 16) < 0);
	for (size_t i = 1; i < w->n_kneighs; i++)
		assert_true(memcmp(&w->kneighs[i - 1].addr, &w->kneighs[i].addr, 16) < 0);
	wanted_free(w);
}

/* The plan compares entries as bytes, so that what stays the same must be the same. */
static void the_same_facts_give_the_same_bytes(void **state)
{
	struct wanted *a = built(&(struct scene){ 0 }), *b = built(&(struct scene){ 0 });

	assert_memory_equal(&a->config, &b->config, sizeof(a->config));
	assert_memory_equal(a->routes, b->routes, a->n_routes * sizeof(*a->routes));
	assert_memory_equal(a->nodes, b->nodes, a->n_nodes * sizeof(*a->nodes));
	assert_memory_equal(a->names, b->names, a->n_names * sizeof(*a->names));
	assert_memory_equal(a->clusters, b->clusters, a->n_clusters * sizeof(*a->clusters));
	wanted_free(a);
	wanted_free(b);
}

int main(void)
{
	static struct rows rows;

	ROWS_ADD_TEST(&rows, a_tunnel_over_ipv4_has_all_that_is_needed);
	ROWS_ADD_TEST(&rows, a_tunnel_over_ipv6_costs_twenty_bytes_more);
	ROWS_ADD_TEST(&rows, every_other_node_has_a_path);
	ROWS_ADD_TEST(&rows, the_annotation_is_the_inner_mac);
	ROWS_ADD_TEST(&rows, native_on_the_link_goes_by_way_of_the_node);
	ROWS_ADD_TEST(&rows, native_behind_a_router_uses_the_route_that_is_there);
	ROWS_ADD_TEST(&rows, native_needs_an_address_of_its_family);
	ROWS_ADD_TABLE(&rows, run_family, family_rows);
	ROWS_ADD_TEST(&rows, a_node_without_a_way_gets_no_route_and_one_note);
	ROWS_ADD_TEST(&rows, an_mtu_too_small_for_the_tunnel_is_noted);
	ROWS_ADD_TEST(&rows, without_the_device_the_kernel_gets_nothing);
	ROWS_ADD_TEST(&rows, we_without_a_family_give_no_source_of_it);
	ROWS_ADD_TEST(&rows, pods_reach_a_peers_nodes_through_the_tunnel);
	ROWS_ADD_TABLE(&rows, run_carry, carry_rows);
	ROWS_ADD_TEST(&rows, our_own_prefixes_are_never_sent_out);
	ROWS_ADD_TEST(&rows, a_node_that_its_feed_lacks_is_noted_and_still_there);
	ROWS_ADD_TEST(&rows, a_node_with_our_address_is_no_way_to_ourselves);
	ROWS_ADD_TEST(&rows, a_prefix_with_our_endpoint_in_it_is_left_out);
	ROWS_ADD_TEST(&rows, another_endpoint_than_the_feed_says_is_noted);
	ROWS_ADD_TEST(&rows, an_ipv4_endpoint_that_only_the_feed_knows_is_noted);
	ROWS_ADD_TEST(&rows, the_config_says_what_programs_read);
	ROWS_ADD_TEST(&rows, people_find_names_and_feeds);
	ROWS_ADD_TEST(&rows, pods_are_taken_over);
	ROWS_ADD_TEST(&rows, too_many_pods_are_refused);
	ROWS_ADD_TEST(&rows, tables_are_sorted_by_their_keys);
	ROWS_ADD_TEST(&rows, the_same_facts_give_the_same_bytes);
	return rows_run("wanted", &rows);
}
