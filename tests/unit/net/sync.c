/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Two nodes in namespaces, their kernel tables set by sync_kernel() alone: real packets over every
 * combination of inner and outer family, and what sync leaves alone. No BPF program is loaded here.
 */
#include "lab.h"

#include <errno.h>
#include <net/if.h>

#include "net/device.h"
#include "net/sync.h"

#define MAC_FORMAT "fe80::78:c0ff:fe00:20%d"

/* One of two nodes, number 1 or 2: 192.0.2.N, 2001:db8::N, pods 10.N.0.1 and fd00:N::1 on pod0. */
struct node {
	int ns;
	struct nl *nl;
	uint32_t device;
};

static struct xm_addr __attribute__((format(printf, 1, 0))) addr_of(const char *fmt, int n)
{
	char text[64];

	snprintf(text, sizeof(text), fmt, n);
	return lab_addr(text);
}

static struct xm_prefix __attribute__((format(printf, 1, 0))) prefix_of(const char *fmt, int n)
{
	char text[64];

	snprintf(text, sizeof(text), fmt, n);
	return lab_prefix(text);
}

static void node_up(struct node *node, int n)
{
	struct device_config c = { .name = "xmesh0",
				   .port = 8492,
				   .mac = { 0x02, 0x78, 192, 0, 2, (__u8)n },
				   .mtu = 1450,
				   .instance = "default" };
	struct err err = { .text = "" };

	lab_enter(node->ns);
	lab_run("ip link set lo up && ip link add pod0 type veth peer name pod1 && "
		"ip link set pod0 up && ip link set pod1 up && ip link set ul0 up && "
		"ip addr add 192.0.2.%d/24 dev ul0 && ip addr add 2001:db8::%d/64 dev ul0 nodad && "
		"ip addr add 10.%d.0.1/32 dev pod0 && ip addr add fd00:%d::1/128 dev pod0 nodad",
		n, n, n, n);
	assert_int_equal(nl_open(&node->nl, &err), 0);
	if (device_ensure(node->nl, &c, &node->device, &err))
		fail_msg("%s", err.text);
}

static void lab_up(struct node nodes[2])
{
	nodes[0].ns = lab_new();
	nodes[1].ns = lab_new();
	lab_run("ip link add ul0 type veth peer name ul0 netns /proc/%d/fd/%d", getpid(), nodes[0].ns);
	for (int n = 1; n <= 2; n++)
		node_up(&nodes[n - 1], n);
}

static void lab_down(struct node nodes[2])
{
	for (int i = 0; i < 2; i++) {
		nl_close(nodes[i].nl);
		close(nodes[i].ns);
	}
}

/* The tables of a node whose peer is @peer, the outer family as asked for. */
struct tables {
	struct wanted wanted;
	struct wanted_kroute routes[2];
	struct wanted_kneigh neighs[2];
};

static void want(struct tables *t, const struct node *node, int self, int peer, bool outer4,
		 bool gateway6)
{
	memset(t, 0, sizeof(*t));
	t->wanted.config.vni = 7;
	t->wanted.kroutes = t->routes;
	t->wanted.kneighs = t->neighs;
	t->wanted.n_kroutes = t->wanted.n_kneighs = 2;
	/* Sorted by memcmp: a length of 64 comes before one of 120, IPv4 before IPv6 addresses. */
	t->routes[0] = (struct wanted_kroute){ .prefix = prefix_of("fd00:%d::/64", peer),
					       .gateway = addr_of(MAC_FORMAT, peer),
					       .src = addr_of("2001:db8::%d", self) };
	t->routes[1] = (struct wanted_kroute){ .prefix = prefix_of("10.%d.0.0/24", peer),
					       .gateway = gateway6 ? addr_of(MAC_FORMAT, peer) :
								     addr_of("192.0.2.%d", peer),
					       .src = addr_of("192.0.2.%d", self) };
	t->neighs[0].addr = addr_of("192.0.2.%d", peer);
	t->neighs[1].addr = addr_of(MAC_FORMAT, peer);
	for (int i = 0; i < 2; i++) {
		const __u8 mac[6] = { 0x02, 0x78, 192, 0, 2, (__u8)peer };

		t->routes[i].tunnel = true;
		t->routes[i].ifindex = node->device;
		t->routes[i].mtu = outer4 ? 1450 : 1430;
		t->routes[i].outer = outer4 ? addr_of("192.0.2.%d", peer) : addr_of("2001:db8::%d", peer);
		memcpy(t->neighs[i].mac, mac, 6);
	}
}

static void sync_node(struct node *node, struct tables *t, bool dry_run, struct sync_result *result)
{
	struct err err = { .text = "" };

	lab_enter(node->ns);
	if (sync_kernel(node->nl, &t->wanted, node->device, dry_run, result, &err))
		fail_msg("%s", err.text);
}

static void sync_quietly(struct node *node, struct tables *t, size_t puts, size_t deletes)
{
	struct sync_result result;

	sync_node(node, t, false, &result);
	for (size_t i = 0; i < result.n_notes; i++)
		print_message("  %s\n", result.notes[i]);
	assert_int_equal(result.n_notes, 0);
	assert_int_equal(result.puts, puts);
	assert_int_equal(result.deletes, deletes);
	sync_result_done(&result);
}

static const struct {
	const char *holds;
	bool outer4, gateway6;
} combinations[] = {
	{ "IPv4 and IPv6 inside IPv4", true, false },
	{ "IPv4 and IPv6 inside IPv6", false, false },
	{ "IPv4 through a link-local IPv6 gateway, inside IPv6", false, true },
};

static void packets_reach_pods_and_nodes_over_every_combination(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(combinations); i++) {
		struct node nodes[2];
		struct tables t;

		print_message("%s\n", combinations[i].holds);
		lab_up(nodes);
		for (int n = 1; n <= 2; n++) {
			want(&t, &nodes[n - 1], n, 3 - n, combinations[i].outer4,
			     combinations[i].gateway6);
			sync_quietly(&nodes[n - 1], &t, 4, 0);
			sync_quietly(&nodes[n - 1], &t, 0, 0);
		}
		/* As strict as a distribution may have it: ours must undo that for its device. */
		lab_enter(nodes[1].ns);
		lab_run("echo 1 >/proc/sys/net/ipv4/conf/all/rp_filter");
		lab_enter(nodes[0].ns);
		lab_run("ping -c 2 -i 0.01 -W 5 -q -I 10.1.0.1 10.2.0.1 >/dev/null");
		lab_run("ping -c 2 -i 0.01 -W 5 -q -I fd00:1::1 fd00:2::1 >/dev/null");
		/* The largest that fits, from this host itself: its source is the node's address. */
		lab_run("ping -M do -s %d -c 1 -W 5 -q 10.2.0.1 >/dev/null",
			combinations[i].outer4 ? 1422 : 1402);
		assert_int_not_equal(lab_try("ping -M do -s %d -c 1 -W 1 -q 10.2.0.1 >/dev/null 2>&1",
					     combinations[i].outer4 ? 1423 : 1403),
				     0);
		lab_run("ip route get 10.2.0.1 | grep -q 'dev xmesh0 .*src 192.0.2.1'");
		lab_run("ip route get fd00:2::1 | grep -q 'dev xmesh0 .*src 2001:db8::1'");
		lab_down(nodes);
	}
}

static void another_attribute_replaces_and_what_is_not_wanted_goes(void **state)
{
	struct node nodes[2];
	struct err err = { .text = "" };
	struct tables t;

	lab_up(nodes);
	want(&t, &nodes[0], 1, 2, true, false);
	sync_quietly(&nodes[0], &t, 4, 0);
	t.routes[1].mtu = 1400;
	sync_quietly(&nodes[0], &t, 1, 0);
	lab_run("ip route show 10.2.0.0/24 | grep -q 'mtu 1400'");
	t.wanted.config.vni = 8;
	sync_quietly(&nodes[0], &t, 2, 0);
	lab_run("ip -d route show 10.2.0.0/24 | grep -q 'encap ip id 8 '");
	/* From IPv4 to IPv6 outside, both routes. */
	t.routes[0].outer = t.routes[1].outer = lab_addr("2001:db8::2");
	sync_quietly(&nodes[0], &t, 2, 0);
	lab_run("test $(ip -6 -d route show fd00:2::/64 | grep -c 'encap ip6 id 8 ') = 1");
	t.neighs[0].mac[5] = 77;
	sync_quietly(&nodes[0], &t, 1, 0);
	lab_run("ip neigh show 192.0.2.2 dev xmesh0 | grep -q '02:78:c0:00:02:4d.*PERMANENT'");

	t.wanted.n_kroutes = 1;
	t.wanted.n_kneighs = 1;
	sync_quietly(&nodes[0], &t, 0, 2);
	lab_run("test -z \"$(ip route show 10.2.0.0/24)\"");
	t.wanted.n_kroutes = t.wanted.n_kneighs = 0;
	sync_quietly(&nodes[0], &t, 0, 2);

	/* Purge takes every route of ours, in any table, and no other. */
	lab_run("ip route add 10.77.0.0/24 dev ul0 proto 139 table 77 && "
		"ip -6 route add fd77::/64 dev ul0 proto 139 && ip route add 10.78.0.0/24 dev ul0");
	assert_int_equal(sync_purge(nodes[0].nl, &err), 0);
	lab_run("test -z \"$(ip route show table all proto 139; ip -6 route show table all proto 139)\"");
	lab_run("ip route show 10.78.0.0/24 | grep -q ul0");
	lab_down(nodes);
}

static void pods_alone_look_into_our_table(void **state)
{
	struct wanted_krule krules[2];
	struct wanted_kroute swap;
	struct err err = { .text = "" };
	struct node nodes[2];
	struct tables t;

	lab_up(nodes);
	want(&t, &nodes[0], 1, 2, true, false);
	/* Of one length, IPv4 sorts before IPv6. */
	swap = t.routes[0];
	t.routes[0] = t.routes[1];
	t.routes[1] = swap;
	t.routes[0].prefix = prefix_of("192.0.2.%d/32", 2);
	t.routes[1].prefix = prefix_of("2001:db8::%d/128", 2);
	t.routes[0].pods_only = t.routes[1].pods_only = true;
	krules[0].from = prefix_of("fd00:%d::/64", 1);
	krules[1].from = prefix_of("10.%d.0.0/24", 1);
	t.wanted.krules = krules;
	t.wanted.n_krules = 2;
	lab_enter(nodes[0].ns);
	/* Of others: the same prefix, and one that leads to the same table. */
	lab_run("ip rule add from 10.1.0.0/24 lookup 77 priority 99 && "
		"ip rule add from 10.99.0.0/24 lookup 8492 priority 8492");
	sync_quietly(&nodes[0], &t, 6, 0);
	sync_quietly(&nodes[0], &t, 0, 0);
	lab_run("ip rule show | grep -q '^8492:.*from 10.1.0.0/24 lookup 8492 proto 139'");
	lab_run("ip -6 rule show | grep -q '^8492:.*from fd00:1::/64 lookup 8492 proto 139'");
	lab_run("ip route get 192.0.2.2 from 10.1.0.1 | grep -q 'dev xmesh0'");
	lab_run("ip route get 2001:db8::2 from fd00:1::1 | grep -q 'dev xmesh0'");
	lab_run("ip route get 192.0.2.2 | grep -q 'dev ul0'");
	lab_run("ip route get 2001:db8::2 | grep -q 'dev ul0'");

	t.wanted.n_krules = 1;
	sync_quietly(&nodes[0], &t, 0, 1);
	lab_run("test $(ip rule show | grep -c 8492:) = 1");
	t.wanted.n_krules = 2;
	sync_quietly(&nodes[0], &t, 1, 0);
	assert_int_equal(sync_purge(nodes[0].nl, &err), 0);
	lab_run("! { ip rule show; ip -6 rule show; } | grep 139");
	lab_run("test -z \"$(ip route show table 8492; ip -6 route show table 8492)\"");
	lab_run("test $(ip rule show | grep -cE '^(99|8492):') = 2");
	lab_down(nodes);
}

static void foreign_routes_stay_and_are_named(void **state)
{
	struct sync_result result;
	struct node nodes[2];
	struct tables t;

	lab_up(nodes);
	lab_enter(nodes[0].ns);
	lab_run("ip route add 10.2.0.0/24 via 192.0.2.2 proto bird metric 50");
	want(&t, &nodes[0], 1, 2, true, false);
	sync_node(&nodes[0], &t, false, &result);
	assert_int_equal(result.puts, 3);
	assert_int_equal(result.n_notes, 1);
	assert_non_null(strstr(result.notes[0], "10.2.0.0/24 dev ul0 proto bird metric 50"));
	sync_result_done(&result);
	lab_run("test -z \"$(ip route show 10.2.0.0/24 proto 139)\"");

	/* Gone, ours comes; back, ours goes. A fallback behind ours is no obstacle. */
	lab_run("ip route del 10.2.0.0/24 && ip route add unreachable 10.2.0.0/24 metric 9999");
	sync_quietly(&nodes[0], &t, 1, 0);
	lab_run("ip route add 10.2.0.0/24 via 192.0.2.2 proto static metric 50");
	sync_node(&nodes[0], &t, true, &result);
	assert_int_equal(result.deletes, 1);
	sync_result_done(&result);
	lab_run("ip route show 10.2.0.0/24 proto 139 | grep -q xmesh0"); /* that was a dry run */
	sync_node(&nodes[0], &t, false, &result);
	assert_int_equal(result.deletes, 1);
	assert_int_equal(result.n_notes, 1);
	sync_result_done(&result);
	lab_run("test $(ip route show 10.2.0.0/24 | grep -c .) = 2");
	lab_down(nodes);
}

static void a_route_that_the_kernel_refuses_stops_no_other(void **state)
{
	struct sync_result result;
	struct node nodes[2];
	struct tables t;

	lab_up(nodes);
	want(&t, &nodes[0], 1, 2, true, false);
	t.routes[0].src = lab_addr("2001:db8::99"); /* no address of this host */
	sync_node(&nodes[0], &t, false, &result);
	assert_int_equal(result.puts, 3);
	assert_int_equal(result.n_notes, 1);
	assert_non_null(strstr(result.notes[0], "fd00:2::/64"));
	sync_result_done(&result);
	lab_run("ip route show 10.2.0.0/24 | grep -q xmesh0");
	lab_down(nodes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_reach_pods_and_nodes_over_every_combination),
		cmocka_unit_test(another_attribute_replaces_and_what_is_not_wanted_goes),
		cmocka_unit_test(pods_alone_look_into_our_table),
		cmocka_unit_test(foreign_routes_stay_and_are_named),
		cmocka_unit_test(a_route_that_the_kernel_refuses_stops_no_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
