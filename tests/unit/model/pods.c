/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which addresses are pods, as rows: the kernel's tables as a few words each, and the pods that come out. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/addr.h"
#include "core/defs.h"
#include "model/pods.h"

#define ROW_MAX 8

/* Every host of these tests: veths of a point-to-point CNI, a bridge with two ports, and the rest. */
static const struct link_fact links[] = {
	{ .ifindex = 1, .name = "lo", .up = true },
	{ .ifindex = 2, .name = "eth0", .up = true, .mac = { 2, 2 } },
	{ .ifindex = 3, .name = "xmesh0", .kind = "vxlan", .up = true, .mac = { 2, 3 } },
	{ .ifindex = 10, .name = "veth10", .kind = "veth", .up = true, .mac = { 2, 10 }, .mtu = 1450 },
	{ .ifindex = 11, .name = "veth11", .kind = "veth", .up = true, .mac = { 2, 11 }, .mtu = 1400 },
	{ .ifindex = 12, .name = "veth12", .kind = "veth", .up = false, .mac = { 2, 12 } },
	{ .ifindex = 13, .name = "tap13", .kind = "tun", .up = true, .mac = { 2, 13 }, .mtu = 1500 },
	{ .ifindex = 20, .name = "vethbr0", .kind = "bridge", .up = true, .mac = { 2, 20 } },
	{ .ifindex = 21, .name = "veth21", .kind = "veth", .master = 20, .up = true, .mac = { 2, 21 } },
	{ .ifindex = 22, .name = "veth22", .kind = "veth", .master = 20, .up = true, .mac = { 2, 22 } },
	{ .ifindex = 23, .name = "other23", .kind = "veth", .master = 20, .up = true, .mac = { 2, 23 } },
};

/* Where the kernel looks for neighbours. */
static const struct { uint32_t ifindex; const char *prefix; } subnets[] = {
	{ 1, "10.1.0.0/16" },  { 2, "10.1.0.0/16" },  { 3, "10.1.0.0/16" },  { 10, "10.1.0.0/16" },
	{ 11, "10.1.0.0/16" }, { 12, "10.1.0.0/16" }, { 13, "10.1.0.0/16" }, { 20, "10.1.0.0/16" },
	{ 10, "fd00::/64" },   { 20, "fd00::/64" },   { 10, "10.2.0.0/16" },
};

static const char *const own[] = { "192.0.2.1", "10.1.0.1", "fd00::1" };

enum { USABLE, FAILED };

struct neigh_row { uint32_t ifindex; const char *addr; __u8 mac; int state; };
struct fdb_row { uint32_t bridge, port; __u8 mac; };
struct route_row { uint32_t ifindex; const char *addr; };
struct static_row { uint32_t ifindex; const char *addr; __u8 mac; };
struct pod_row { const char *addr; uint32_t ifindex; __u8 mac; uint32_t flags; };

struct tables_row {
	struct neigh_row neighs[ROW_MAX];
	struct fdb_row fdb[ROW_MAX];
	struct route_row routes[ROW_MAX];
	struct static_row statics[ROW_MAX];
	uint32_t gone; /* an interface that is not there */
};

static const struct row {
	const char *holds;
	struct tables_row before; /* a turn before, whose result is @previous */
	bool has_before;
	struct tables_row now;
	uint32_t stack[2];
	struct pod_row pods[ROW_MAX];
	struct route_row waiting[ROW_MAX];
	const char *note; /* a word of the only note, NULL = none */
} rows[] = {
	{ .holds = "a host route with a neighbour is a pod, of either family",
	  .now = { .routes = { { 10, "10.1.0.5" }, { 10, "fd00::5" } },
		   .neighs = { { 10, "10.1.0.5", 5, USABLE }, { 10, "fd00::5", 5, USABLE } } },
	  .pods = { { "10.1.0.5", 10, 5, 0 }, { "fd00::5", 10, 5, 0 } } },
	{ .holds = "a neighbour alone is a pod too",
	  .now = { .neighs = { { 11, "10.1.0.6", 6, USABLE } } },
	  .pods = { { "10.1.0.6", 11, 6, 0 } } },
	{ .holds = "a neighbour of an address that is not on its link is none: anyone can make one",
	  .now = { .neighs = { { 10, "10.9.0.5", 5, USABLE },
			       { 10, "2001:db8::5", 5, USABLE },
			       { 20, "10.9.0.6", 6, USABLE },
			       { 11, "10.2.0.5", 7, USABLE } },
		   .fdb = { { 20, 21, 6 } } } },
	{ .holds = "it is one where its subnet is",
	  .now = { .neighs = { { 10, "10.2.0.5", 5, USABLE } } },
	  .pods = { { "10.2.0.5", 10, 5, 0 } } },
	{ .holds = "and where a host route says so",
	  .now = { .neighs = { { 10, "10.9.0.5", 5, USABLE } }, .routes = { { 10, "10.9.0.5" } } },
	  .pods = { { "10.9.0.5", 10, 5, 0 } } },
	{ .holds = "a host route without a neighbour waits for its MAC",
	  .now = { .routes = { { 10, "10.1.0.5" } } },
	  .waiting = { { 10, "10.1.0.5" } } },
	{ .holds = "one whose neighbour failed waits",
	  .now = { .routes = { { 10, "10.1.0.5" } }, .neighs = { { 10, "10.1.0.5", 0, FAILED } } },
	  .waiting = { { 10, "10.1.0.5" } } },
	{ .holds = "an address that waits takes the MAC of the only neighbour on its interface",
	  .now = { .routes = { { 10, "10.1.0.5" }, { 10, "fd00:1::5" } }, .neighs = { { 10, "10.1.0.5", 5 } } },
	  .pods = { { "10.1.0.5", 10, 5 }, { "fd00:1::5", 10, 5 } } },
	{ .holds = "also of a link-local neighbour",
	  .now = { .routes = { { 10, "10.1.0.5" } }, .neighs = { { 10, "fe80::5", 5 } } },
	  .pods = { { "10.1.0.5", 10, 5 } } },
	{ .holds = "two neighbours with different MACs say nothing of a third",
	  .now = { .routes = { { 10, "10.1.0.5" } },
		   .neighs = { { 10, "fe80::5", 5 }, { 10, "fe80::6", 6 } } },
	  .waiting = { { 10, "10.1.0.5" } } },
	{ .holds = "a failed neighbour alone is nothing",
	  .now = { .neighs = { { 10, "10.1.0.5", 0, FAILED } } } },
	{ .holds = "link-local, multicast and own addresses are no pods",
	  .now = { .neighs = { { 10, "fe80::5", 5, USABLE },
			       { 10, "169.254.1.1", 5, USABLE },
			       { 10, "ff02::1", 5, USABLE },
			       { 10, "10.1.0.1", 5, USABLE },
			       { 10, "fd00::1", 5, USABLE } },
		   .routes = { { 10, "192.0.2.1" } } } },
	{ .holds = "the underlay, our device, lo and interfaces that match no glob have no pods",
	  .now = { .neighs = { { 1, "10.1.0.5", 5, USABLE },
			       { 2, "10.1.0.6", 6, USABLE },
			       { 3, "10.1.0.7", 7, USABLE },
			       { 13, "10.1.0.8", 8, USABLE },
			       { 99, "10.1.0.9", 9, USABLE } },
		   .routes = { { 2, "10.1.0.10" }, { 99, "10.1.0.11" } } } },
	{ .holds = "an interface that is down has none",
	  .now = { .neighs = { { 12, "10.1.0.5", 5, USABLE } } } },
	{ .holds = "a bridge's neighbour is behind the port that its FDB names",
	  .now = { .neighs = { { 20, "10.1.0.5", 5, USABLE } }, .fdb = { { 20, 21, 5 } } },
	  .pods = { { "10.1.0.5", 21, 5, XM_POD_BRIDGE } } },
	{ .holds = "without an FDB entry it is behind no port",
	  .now = { .neighs = { { 20, "10.1.0.5", 5, USABLE } }, .fdb = { { 20, 21, 6 } } } },
	{ .holds = "a port that matches no glob has no pods",
	  .now = { .neighs = { { 20, "10.1.0.5", 5, USABLE } }, .fdb = { { 20, 23, 5 } } } },
	{ .holds = "a quiet pod's FDB entry ages out: it stays",
	  .has_before = true,
	  .before = { .neighs = { { 20, "10.1.0.5", 5, USABLE } }, .fdb = { { 20, 21, 5 } } },
	  .now = { .neighs = { { 20, "10.1.0.5", 5, USABLE } } },
	  .pods = { { "10.1.0.5", 21, 5, XM_POD_BRIDGE } } },
	{ .holds = "the kernel forgets its neighbour: it stays",
	  .has_before = true,
	  .before = { .neighs = { { 20, "10.1.0.5", 5, USABLE } }, .fdb = { { 20, 21, 5 } } },
	  .now = { .fdb = { { 20, 21, 5 } } },
	  .pods = { { "10.1.0.5", 21, 5, XM_POD_BRIDGE } } },
	{ .holds = "its neighbour fails: it goes",
	  .has_before = true,
	  .before = { .neighs = { { 20, "10.1.0.5", 5, USABLE } }, .fdb = { { 20, 21, 5 } } },
	  .now = { .neighs = { { 20, "10.1.0.5", 0, FAILED } }, .fdb = { { 20, 21, 5 } } } },
	{ .holds = "its port is gone: it goes, whatever the neighbour says",
	  .has_before = true,
	  .before = { .neighs = { { 20, "10.1.0.5", 5, USABLE } }, .fdb = { { 20, 21, 5 } } },
	  .now = { .neighs = { { 20, "10.1.0.5", 5, USABLE } }, .gone = 21 } },
	{ .holds = "its MAC moves to another port: it follows",
	  .has_before = true,
	  .before = { .neighs = { { 20, "10.1.0.5", 5, USABLE } }, .fdb = { { 20, 21, 5 } } },
	  .now = { .neighs = { { 20, "10.1.0.5", 5, USABLE } }, .fdb = { { 20, 22, 5 } } },
	  .pods = { { "10.1.0.5", 22, 5, XM_POD_BRIDGE } } },
	{ .holds = "its MAC moves to a port of no interest: it goes",
	  .has_before = true,
	  .before = { .neighs = { { 20, "10.1.0.5", 5, USABLE } }, .fdb = { { 20, 21, 5 } } },
	  .now = { .neighs = { { 20, "10.1.0.5", 5, USABLE } }, .fdb = { { 20, 23, 5 } } } },
	{ .holds = "another MAC answers for it: the old place is not believed any more",
	  .has_before = true,
	  .before = { .neighs = { { 20, "10.1.0.5", 5, USABLE } }, .fdb = { { 20, 21, 5 } } },
	  .now = { .neighs = { { 20, "10.1.0.5", 6, USABLE } } } },
	{ .holds = "a quiet pod behind a host route keeps its MAC",
	  .has_before = true,
	  .before = { .routes = { { 10, "10.1.0.5" } }, .neighs = { { 10, "10.1.0.5", 5, USABLE } } },
	  .now = { .routes = { { 10, "10.1.0.5" } } },
	  .pods = { { "10.1.0.5", 10, 5, 0 } } },
	{ .holds = "the address comes back on another interface: the old MAC is not taken along",
	  .has_before = true,
	  .before = { .routes = { { 10, "10.1.0.5" } }, .neighs = { { 10, "10.1.0.5", 5, USABLE } } },
	  .now = { .routes = { { 11, "10.1.0.5" } } },
	  .waiting = { { 11, "10.1.0.5" } } },
	{ .holds = "on two interfaces the host route wins, and that is said",
	  .now = { .routes = { { 11, "10.1.0.5" } },
		   .neighs = { { 10, "10.1.0.5", 5, USABLE }, { 11, "10.1.0.5", 6, USABLE } } },
	  .pods = { { "10.1.0.5", 11, 6, 0 } },
	  .note = "10.1.0.5 is on two interfaces, veth11 and veth10: veth11 is taken" },
	{ .holds = "of two neighbours the first is taken",
	  .now = { .neighs = { { 11, "10.1.0.5", 6, USABLE }, { 10, "10.1.0.5", 5, USABLE } } },
	  .pods = { { "10.1.0.5", 11, 6, 0 } },
	  .note = "veth11 is taken" },
	{ .holds = "of two neighbours the one known before stays, however the kernel orders them",
	  .has_before = true,
	  .before = { .neighs = { { 10, "10.1.0.5", 5, USABLE } } },
	  .now = { .neighs = { { 11, "10.1.0.5", 6, USABLE }, { 10, "10.1.0.5", 5, USABLE } } },
	  .pods = { { "10.1.0.5", 10, 5, 0 } },
	  .note = "veth10 is taken" },
	{ .holds = "a static endpoint wins over what was learned",
	  .now = { .statics = { { 11, "10.1.0.5", 9 } },
		   .routes = { { 10, "10.1.0.5" } },
		   .neighs = { { 10, "10.1.0.5", 5, USABLE } } },
	  .pods = { { "10.1.0.5", 11, 9, XM_POD_STATIC } },
	  .note = "xmesh endpoint add" },
	{ .holds = "a static endpoint needs no glob to match its interface",
	  .now = { .statics = { { 13, "10.1.0.5", 9 } } },
	  .pods = { { "10.1.0.5", 13, 9, XM_POD_STATIC } } },
	{ .holds = "a static endpoint without a MAC takes the neighbour's",
	  .now = { .statics = { { 11, "10.1.0.5", 0 } }, .neighs = { { 11, "10.1.0.5", 5, USABLE } } },
	  .pods = { { "10.1.0.5", 11, 5, XM_POD_STATIC } } },
	{ .holds = "or waits for it, behind a bridge on the bridge",
	  .now = { .statics = { { 21, "10.1.0.5", 0 } } },
	  .waiting = { { 20, "10.1.0.5" } } },
	{ .holds = "a static endpoint whose interface is gone is left out, saying so",
	  .now = { .statics = { { 99, "10.1.0.5", 9 } } },
	  .note = "its interface is gone" },
	{ .holds = "one on a bridge itself too",
	  .now = { .statics = { { 20, "10.1.0.5", 9 } } },
	  .note = "is a bridge" },
	{ .holds = "one with an address of this host too",
	  .now = { .statics = { { 11, "192.0.2.1", 9 } } },
	  .note = "no pod can have this address" },
	{ .holds = "a static endpoint that was deleted goes",
	  .has_before = true,
	  .before = { .statics = { { 11, "10.1.0.5", 9 } } },
	  .now = { .gone = 0 } },
	{ .holds = "interfaces of the stack get their flag",
	  .now = { .neighs = { { 10, "10.1.0.5", 5, USABLE }, { 11, "10.1.0.6", 6, USABLE } } },
	  .stack = { 11 },
	  .pods = { { "10.1.0.5", 10, 5, 0 }, { "10.1.0.6", 11, 6, XM_POD_STACK } } },
};

static struct config *make_config(void)
{
	static char *globs[] = { "veth*", "xmesh*" };
	static struct config config;

	memset(&config, 0, sizeof(config));
	strcpy(config.device, "xmesh0");
	strcpy(config.underlay[0], "eth0");
	config.n_underlay = 1;
	config.pod_globs[0] = globs[0];
	config.pod_globs[1] = globs[1];
	config.n_pod_globs = 2;
	return &config;
}

static struct xm_addr parse(const char *text)
{
	struct xm_addr addr;

	assert_int_equal(addr_parse(text, &addr, NULL), 0);
	return addr;
}

static void set_mac(__u8 mac[6], __u8 last)
{
	const __u8 whole[6] = { 0x0a, 0, 0, 0, 0, last };

	memcpy(mac, whole, 6);
}

static int learn(const struct tables_row *row, const uint32_t *stack, size_t n_stack,
		 const struct pods *previous, struct pods **ret_pods)
{
	struct link_fact all[ARRAY_SIZE(links)];
	struct neigh_fact neighs[ROW_MAX];
	struct fdb_fact fdb[ROW_MAX];
	struct host_route_fact routes[ROW_MAX];
	struct static_pod statics[ROW_MAX] = { 0 };
	struct subnet_fact nets[ARRAY_SIZE(subnets)];
	struct xm_addr owns[ARRAY_SIZE(own)];
	struct net_tables t = { .links = all, .neighs = neighs, .fdb = fdb, .routes = routes,
				.subnets = nets, .n_subnets = ARRAY_SIZE(subnets), .own = owns };
	struct err err = { .text = "" };
	size_t n;

	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		if (links[i].ifindex != row->gone)
			all[t.n_links++] = links[i];
	for (size_t i = 0; i < ARRAY_SIZE(subnets); i++) {
		nets[i].ifindex = subnets[i].ifindex;
		assert_int_equal(prefix_parse(subnets[i].prefix, &nets[i].prefix, NULL), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		owns[t.n_own++] = parse(own[i]);
	for (n = 0; n < ROW_MAX && row->neighs[n].addr; n++) {
		neighs[n] = (struct neigh_fact){ .ifindex = row->neighs[n].ifindex,
						 .addr = parse(row->neighs[n].addr),
						 .usable = row->neighs[n].state == USABLE };
		set_mac(neighs[n].mac, row->neighs[n].mac);
	}
	t.n_neighs = n;
	for (n = 0; n < ROW_MAX && row->fdb[n].bridge; n++) {
		fdb[n] = (struct fdb_fact){ .bridge = row->fdb[n].bridge, .port = row->fdb[n].port };
		set_mac(fdb[n].mac, row->fdb[n].mac);
	}
	t.n_fdb = n;
	for (n = 0; n < ROW_MAX && row->routes[n].addr; n++)
		routes[n] = (struct host_route_fact){ row->routes[n].ifindex, parse(row->routes[n].addr) };
	t.n_routes = n;
	for (n = 0; n < ROW_MAX && row->statics[n].addr; n++) {
		statics[n].addr = parse(row->statics[n].addr);
		statics[n].ifindex = row->statics[n].ifindex;
		statics[n].has_mac = row->statics[n].mac;
		set_mac(statics[n].pod_mac, row->statics[n].mac);
	}
	return pods_learn(make_config(), &t, statics, n, stack, n_stack, previous, ret_pods, &err);
}

static void check_pods(const struct row *row, const struct pods *pods)
{
	size_t n;

	for (n = 0; n < ROW_MAX && row->pods[n].addr; n++) {
		struct xm_addr addr = parse(row->pods[n].addr);
		bool found = false;

		for (size_t i = 0; i < pods->n_pods; i++) {
			const struct xm_pod *p = &pods->pods[i].pod;
			__u8 mac[6];

			if (!xm_addr_eq(&pods->pods[i].addr, &addr))
				continue;
			found = true;
			set_mac(mac, row->pods[n].mac);
			assert_int_equal(p->ifindex, row->pods[n].ifindex);
			assert_int_equal(p->flags, row->pods[n].flags);
			assert_memory_equal(p->pod_mac, mac, 6);
			/* Behind a bridge the gateway is the bridge. */
			assert_int_equal(p->host_mac[1],
					 p->flags & XM_POD_BRIDGE ? 20 : row->pods[n].ifindex);
		}
		if (!found)
			fail_msg("no pod %s", row->pods[n].addr);
	}
	assert_int_equal(pods->n_pods, n);
	for (size_t i = 1; i < pods->n_pods; i++)
		assert_true(memcmp(&pods->pods[i - 1].addr, &pods->pods[i].addr, 16) < 0);
}

static void check_waiting(const struct row *row, const struct pods *pods)
{
	size_t n;

	for (n = 0; n < ROW_MAX && row->waiting[n].addr; n++) {
		struct xm_addr addr = parse(row->waiting[n].addr);

		assert_true(n < pods->n_waiting);
		assert_true(xm_addr_eq(&pods->waiting[n].addr, &addr));
		assert_int_equal(pods->waiting[n].ifindex, row->waiting[n].ifindex);
	}
	assert_int_equal(pods->n_waiting, n);
}

static void pods_are_learned_from_the_tables(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];
		struct pods *before = NULL, *now;

		print_message("%s\n", row->holds);
		if (row->has_before)
			assert_int_equal(learn(&row->before, NULL, 0, NULL, &before), 0);
		assert_int_equal(learn(&row->now, row->stack, row->stack[0] ? 1 : 0, before, &now), 0);
		check_pods(row, now);
		check_waiting(row, now);
		assert_int_equal(now->n_notes, row->note ? 1 : 0);
		if (row->note && !strstr(now->notes[0], row->note))
			fail_msg("\"%s\" does not say \"%s\"", now->notes[0], row->note);
		pods_free(before);
		pods_free(now);
	}
}

static void interfaces_are_listed_with_their_number_of_addresses(void **state)
{
	static const struct { uint32_t ifindex, n_addrs; } want[] = {
		{ 10, 2 }, { 11, 0 }, { 21, 1 }, { 22, 0 },
	};
	const struct tables_row row = { .neighs = { { 10, "10.1.0.5", 5, USABLE },
						    { 10, "fd00::5", 5, USABLE },
						    { 20, "10.1.0.6", 6, USABLE } },
					.fdb = { { 20, 21, 6 } } };
	struct pods *pods;

	assert_int_equal(learn(&row, NULL, 0, NULL, &pods), 0);
	assert_int_equal(pods->n_ifaces, ARRAY_SIZE(want));
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		assert_int_equal(pods->ifaces[i].ifindex, want[i].ifindex);
		assert_int_equal(pods->ifaces[i].n_addrs, want[i].n_addrs);
	}
	assert_string_equal(pods->ifaces[0].name, "veth10");
	pods_free(pods);
}

static int learn_many(size_t n_pods, size_t n_ifaces, struct pods **ret_pods, struct err *err)
{
	auto_free struct neigh_fact *neighs = calloc(n_pods + 1, sizeof(*neighs));
	auto_free struct link_fact *many = calloc(n_ifaces, sizeof(*many));
	struct subnet_fact net = { .ifindex = 10 };
	struct net_tables t = { .links = many, .n_links = n_ifaces, .neighs = neighs, .n_neighs = n_pods,
				.subnets = &net, .n_subnets = 1 };

	assert_int_equal(prefix_parse("10.0.0.0/8", &net.prefix, NULL), 0);
	for (size_t i = 0; i < n_ifaces; i++) {
		many[i] = links[3];
		many[i].ifindex = (uint32_t)i + 10;
	}
	for (size_t i = 0; i < n_pods; i++) {
		neighs[i] = (struct neigh_fact){ .ifindex = 10,
						 .addr = xm_addr_v4(__builtin_bswap32(0x0a010000 + (uint32_t)i)),
						 .mac = { 2 },
						 .usable = true };
	}
	return pods_learn(make_config(), &t, NULL, 0, NULL, 0, NULL, ret_pods, err);
}

static void limits_are_named_at_their_edge(void **state)
{
	struct pods *pods = NULL;
	struct err err = { .text = "" };

	assert_int_equal(learn_many(XM_MAX_PODS, 1, &pods, &err), 0);
	assert_int_equal(pods->n_pods, XM_MAX_PODS);
	pods_free(pods);
	pods = NULL;
	assert_int_equal(learn_many(XM_MAX_PODS + 1, 1, &pods, &err), -ENOSPC);
	assert_null(pods);
	assert_non_null(strstr(err.text, "16384"));
	assert_int_equal(learn_many(0, XM_MAX_IFACES, &pods, &err), 0);
	pods_free(pods);
	pods = NULL;
	assert_int_equal(learn_many(0, XM_MAX_IFACES + 1, &pods, &err), -ENOSPC);
	assert_null(pods);
	assert_non_null(strstr(err.text, "8192"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pods_are_learned_from_the_tables),
		cmocka_unit_test(interfaces_are_listed_with_their_number_of_addresses),
		cmocka_unit_test(limits_are_named_at_their_edge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
