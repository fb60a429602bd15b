/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the kernel tells about a namespace that was set up by iproute2. */
#include "lab.h"

#include <errno.h>
#include <net/if.h>

#include "net/tables.h"

static struct nl *enter_and_open(void)
{
	struct err err = { .text = "" };
	struct nl *nl;

	close(lab_new());
	lab_run("ip link set lo up && "
		"ip link add veth1 mtu 1400 type veth peer name peer1 && ip link set veth1 up && "
		"ip link set peer1 up && "
		"ip link add br0 type bridge && ip link set br0 up && ip link add port1 type veth peer "
		"name portx && ip link set port1 master br0 up && ip link set portx up && "
		"ip addr add 192.0.2.1/24 dev veth1 && ip addr add 2001:db8::1/64 dev veth1 nodad");
	assert_int_equal(nl_open(&nl, &err), 0);
	return nl;
}

static struct net_tables *read_tables(struct nl *nl)
{
	struct err err = { .text = "" };
	struct net_tables *t;

	if (tables_read(nl, &t, &err))
		fail_msg("%s", err.text);
	return t;
}

static const struct link_fact *find_link(const struct net_tables *t, const char *name)
{
	for (size_t i = 0; i < t->n_links; i++)
		if (!strcmp(t->links[i].name, name))
			return &t->links[i];
	fail_msg("no link %s", name);
	return NULL;
}

static const struct neigh_fact *find_neigh(const struct net_tables *t, const char *addr)
{
	struct xm_addr a = lab_addr(addr);

	for (size_t i = 0; i < t->n_neighs; i++)
		if (xm_addr_eq(&t->neighs[i].addr, &a))
			return &t->neighs[i];
	return NULL;
}

static bool has_route(const struct net_tables *t, const char *addr)
{
	struct xm_addr a = lab_addr(addr);

	for (size_t i = 0; i < t->n_routes; i++)
		if (xm_addr_eq(&t->routes[i].addr, &a))
			return t->routes[i].ifindex == if_nametoindex("veth1");
	return false;
}

static bool has_subnet(const struct net_tables *t, const char *text)
{
	struct xm_prefix p;

	assert_int_equal(prefix_parse(text, &p, NULL), 0);
	for (size_t i = 0; i < t->n_subnets; i++)
		if (!memcmp(&t->subnets[i].prefix, &p, sizeof(p)))
			return t->subnets[i].ifindex == if_nametoindex("veth1");
	return false;
}

static void links_neighbours_and_fdb_are_read(void **state)
{
	static const __u8 mac[6] = { 2, 0, 0, 0, 0, 5 };
	struct nl *nl = enter_and_open();
	struct net_tables *t;
	bool seen = false;

	lab_run("ip neigh add 192.0.2.5 lladdr 02:00:00:00:00:05 dev veth1 nud stale");
	lab_run("ip neigh add 2001:db8::5 lladdr 02:00:00:00:00:05 dev veth1 nud permanent");
	lab_run("ip neigh add 192.0.2.6 dev veth1 nud failed");
	lab_run("bridge fdb add 02:00:00:00:00:05 dev port1 master static");
	t = read_tables(nl);
	assert_int_equal(find_link(t, "veth1")->mtu, 1400);
	assert_true(find_link(t, "veth1")->up);
	assert_string_equal(find_link(t, "veth1")->kind, "veth");
	assert_string_equal(find_link(t, "br0")->kind, "bridge");
	assert_int_equal(find_link(t, "port1")->master, find_link(t, "br0")->ifindex);
	assert_true(find_neigh(t, "192.0.2.5")->usable);
	assert_memory_equal(find_neigh(t, "192.0.2.5")->mac, mac, 6);
	assert_true(find_neigh(t, "2001:db8::5")->usable);
	assert_false(find_neigh(t, "192.0.2.6")->usable);
	for (size_t i = 0; i < t->n_fdb; i++) {
		/* A port's own address is no pod's. */
		assert_memory_not_equal(t->fdb[i].mac, find_link(t, "port1")->mac, 6);
		if (memcmp(t->fdb[i].mac, mac, 6))
			continue;
		seen = true;
		assert_int_equal(t->fdb[i].port, find_link(t, "port1")->ifindex);
		assert_int_equal(t->fdb[i].bridge, find_link(t, "br0")->ifindex);
	}
	assert_true(seen);
	assert_true(t->n_own >= 4); /* 127.0.0.1, ::1 and the two of veth1 */
	tables_free(t);
	nl_close(nl);
}

static void host_routes_are_those_on_the_link_and_not_ours(void **state)
{
	struct nl *nl = enter_and_open();
	struct net_tables *t;

	lab_run("ip route add 10.1.0.2/32 dev veth1");
	lab_run("ip -6 route add fd00::2/128 dev veth1");
	lab_run("ip route add 10.1.0.3/32 via 192.0.2.9 dev veth1");
	lab_run("ip route add 10.1.0.4/32 dev veth1 proto 139");
	lab_run("ip route add 10.1.0.5/32 dev veth1 table 77");
	lab_run("ip route add 10.1.1.0/24 dev veth1");
	lab_run("ip route add 10.1.2.0/24 via 192.0.2.9");
	lab_run("ip route add default dev veth1");
	t = read_tables(nl);
	assert_true(has_route(t, "10.1.0.2"));
	assert_true(has_route(t, "fd00::2"));
	assert_false(has_route(t, "10.1.0.3"));
	assert_false(has_route(t, "10.1.0.4"));
	assert_false(has_route(t, "10.1.0.5"));
	assert_false(has_route(t, "10.1.1.0"));
	assert_true(has_subnet(t, "10.1.1.0/24"));
	assert_true(has_subnet(t, "192.0.2.0/24"));
	assert_true(has_subnet(t, "2001:db8::/64"));
	assert_false(has_subnet(t, "10.1.2.0/24"));
	assert_false(has_subnet(t, "0.0.0.0/0"));
	tables_free(t);
	nl_close(nl);
}

static void addresses_are_the_global_ones_that_are_ours_for_good(void **state)
{
	struct xm_addr want4 = lab_addr("192.0.2.1"), want6 = lab_addr("2001:db8::1"), *addrs;
	struct nl *nl = enter_and_open();
	struct err err = { .text = "" };
	size_t n;

	lab_run("ip addr add 169.254.7.7/16 dev veth1");
	lab_run("ip addr add 203.0.113.1/24 dev br0");
	assert_int_equal(tables_addrs(nl, if_nametoindex("veth1"), &addrs, &n, &err), 0);
	assert_int_equal(n, 2);
	assert_true(xm_addr_eq(&addrs[0], &want4));
	assert_true(xm_addr_eq(&addrs[1], &want6));
	free(addrs);
	assert_int_equal(tables_addrs(nl, 0, &addrs, &n, &err), 0);
	assert_int_equal(n, 3);
	free(addrs);
	nl_close(nl);
}

static const struct {
	const char *holds, *before, *dst;
	bool reachable, onlink;
	uint32_t mtu;
} paths[] = {
	{ "a neighbour's subnet is on the link", "true", "192.0.2.7", true, true, 1400 },
	{ "IPv6 too", "true", "2001:db8::7", true, true, 1400 },
	{ "behind a gateway it is not", "ip route add 198.51.100.0/24 via 192.0.2.9", "198.51.100.1", true,
	  false, 1400 },
	{ "a route's own MTU counts", "ip route add 198.51.100.0/24 via 192.0.2.9 mtu 1300",
	  "198.51.100.1", true, false, 1300 },
	{ "but not above the interface's", "ip route add 198.51.100.0/24 via 192.0.2.9 mtu 9000",
	  "198.51.100.1", true, false, 1400 },
	{ "of several next hops one is taken",
	  "ip route add 198.51.100.0/24 nexthop via 192.0.2.9 nexthop via 192.0.2.10", "198.51.100.1",
	  true, false, 1400 },
	{ "IPv6 behind a link-local gateway",
	  "ip -6 route add 2001:db8:1::/48 via fe80::9 dev veth1 mtu 1350", "2001:db8:1::1", true, false,
	  1350 },
	{ "without a route it is unreachable", "true", "198.51.100.1", false, false, 0 },
	{ "IPv6 too", "true", "2001:db8:1::1", false, false, 0 },
	{ "a blackhole is unreachable", "ip route add blackhole 198.51.100.0/24", "198.51.100.1", false,
	  false, 0 },
	{ "so is this host itself", "true", "192.0.2.1", false, false, 0 },
};

static void paths_are_as_the_kernel_would_send(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		struct xm_addr dst = lab_addr(paths[i].dst);
		struct nl *nl = enter_and_open();
		struct err err = { .text = "" };
		struct fact_path path;

		print_message("%s\n", paths[i].holds);
		assert_int_equal(lab_try("%s", paths[i].before), 0);
		if (tables_path(nl, &dst, &path, &err))
			fail_msg("%s", err.text);
		assert_int_equal(path.reachable, paths[i].reachable);
		assert_int_equal(path.onlink, paths[i].onlink);
		assert_int_equal(path.mtu, paths[i].mtu);
		assert_int_equal(path.ifindex, paths[i].reachable ? if_nametoindex("veth1") : 0);
		nl_close(nl);
	}
}

static void foreign_prefixes_are_all_but_ours_default_and_loopback(void **state)
{
	static const char *const want[] = { "2001:db8::/64", "192.0.2.0/24", "10.9.0.0/16" };
	struct nl *nl = enter_and_open();
	struct xm_prefix *prefixes;
	struct err err = { .text = "" };
	size_t n, hits = 0;

	lab_run("ip route add 10.9.0.0/16 via 192.0.2.9 proto bird && "
		"ip route append 10.9.0.0/16 via 192.0.2.10 proto bird metric 9 && "
		"ip route add 10.8.0.0/16 via 192.0.2.9 proto 139 && ip route add default via 192.0.2.9 && "
		"ip route add 10.7.0.0/16 dev lo && ip route add unreachable 10.6.0.0/16 && "
		"ip -6 route add default via fe80::9 dev veth1");
	assert_int_equal(tables_foreign(nl, &prefixes, &n, &err), 0);
	for (size_t i = 0; i < n; i++) {
		if (i)
			assert_true(memcmp(&prefixes[i - 1], &prefixes[i], sizeof(*prefixes)) < 0);
		for (size_t j = 0; j < ARRAY_SIZE(want); j++) {
			struct xm_prefix p = lab_prefix(want[j]);

			hits += !memcmp(&p, &prefixes[i], sizeof(p));
		}
	}
	assert_int_equal(hits, ARRAY_SIZE(want));
	assert_int_equal(n, ARRAY_SIZE(want));
	free(prefixes);
	nl_close(nl);
}

static bool is_resolved(struct nl *nl, const char *addr)
{
	struct net_tables *t = read_tables(nl);
	const struct neigh_fact *neigh = find_neigh(t, addr);
	bool usable = neigh && neigh->usable;

	tables_free(t);
	return usable;
}

static void an_address_is_resolved_on_demand(void **state)
{
	struct xm_addr v4 = lab_addr("10.1.0.2"), v6 = lab_addr("fd00::2");
	int pod = lab_new(), host;
	struct nl *nl = enter_and_open();
	struct err err = { .text = "" };

	lab_run("ip link set peer1 netns /proc/%d/fd/%d", getpid(), pod);
	lab_run("ip route add 10.1.0.2 dev veth1 && ip -6 route add fd00::2 dev veth1");
	host = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	lab_enter(pod);
	lab_run("ip addr add 10.1.0.2/32 dev peer1 && ip addr add fd00::2/128 dev peer1 nodad && "
		"ip link set peer1 up && ip route add 192.0.2.1 dev peer1 && "
		"ip -6 route add 2001:db8::1 dev peer1");
	lab_enter(host);
	assert_int_equal(tables_resolve(nl, if_nametoindex("veth1"), &v4, &err), 0);
	assert_int_equal(tables_resolve(nl, if_nametoindex("veth1"), &v6, &err), 0);
	assert_true(lab_wait(5, is_resolved(nl, "10.1.0.2")));
	assert_true(lab_wait(5, is_resolved(nl, "fd00::2")));
	nl_close(nl);
	close(host);
	close(pod);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(links_neighbours_and_fdb_are_read),
		cmocka_unit_test(host_routes_are_those_on_the_link_and_not_ours),
		cmocka_unit_test(addresses_are_the_global_ones_that_are_ours_for_good),
		cmocka_unit_test(paths_are_as_the_kernel_would_send),
		cmocka_unit_test(foreign_prefixes_are_all_but_ours_default_and_loopback),
		cmocka_unit_test(an_address_is_resolved_on_demand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
