/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is to be done so that the kernel's routes, rules and neighbours are the wanted ones: tables
 * in, ordered operations out. Pure. Not for: reading the tables or carrying it out (sync.c).
 */
#ifndef XMESH_NET_SYNC_PLAN_H
#define XMESH_NET_SYNC_PLAN_H

#include "model/wanted.h"
#include "net/route.h"
#include "net/rule.h"

#define SYNC_FOREIGN_NOTED 16 /* one by one; a last note says how many there are */

struct kernel_neigh {
	struct xm_addr addr;
	__u8 mac[6];
	bool permanent;
};

struct kernel_tables {
	struct route_fact *routes;   size_t n_routes; /* of the main table and ours */
	struct kernel_neigh *neighs; size_t n_neighs; /* on the xmesh device */
	struct rule_fact *rules;     size_t n_rules;  /* ours, both families */
	bool has_rules[2]; /* IPv6, IPv4: any rule was seen; without, the kernel has one table */
};

enum sync_verb {
	SYNC_NEIGH_PUT,
	SYNC_ROUTE_ADD,     /* nothing was there: a foreign one that came meanwhile must win */
	SYNC_ROUTE_REPLACE, /* ours was there, with other attributes */
	SYNC_RULE_ADD,
	SYNC_RULE_DELETE,
	SYNC_ROUTE_DELETE,
	SYNC_NEIGH_DELETE,
};

struct sync_op {
	enum sync_verb verb;
	struct route_fact route;   /* of the three route verbs */
	struct kernel_neigh neigh; /* of the two neighbour verbs */
	struct rule_fact rule;     /* of the two rule verbs */
};

struct sync_plan {
	struct sync_op *ops; size_t n_ops; /* in the order of enum sync_verb */
	char **notes;        size_t n_notes;
	size_t n_foreign;    /* prefixes that a foreign route holds */
};

/*
 * The metric of our route to @prefix. IPv4 next hops that differ in gateway and encapsulation alone
 * share one hash chain of the kernel (fib_info_hashfn() looks at device, source and metric), which
 * makes n routes cost n^2: 8000 took 6.1 s with one metric, 0.25 s with one each (6.18).
 */
uint32_t sync_plan_metric(const struct xm_prefix *prefix);

/*
 * True when the plan needs to know @route: in a table of the plan, and ours or for a wanted prefix.
 */
bool sync_plan_needs(const struct wanted *wanted, const struct route_fact *route);

/*
 * @actual is sorted in place. @ifname is if_indextoname() or like it, for the notes. A foreign
 * route for a wanted prefix keeps ours out (and takes it away where it is there), whatever its
 * metric; except that one which only refuses (blackhole, unreachable, prohibit, throw) behind ours
 * is a fallback and no obstacle. Where the kernel has no rules of a family, routes for pods alone
 * are left out with a note. -ENOMEM leaves *ret_plan untouched, else the caller frees it with
 * sync_plan_done().
 */
int sync_plan(const struct wanted *wanted, struct kernel_tables *actual,
	      char *(*ifname)(unsigned int ifindex, char *buf), struct sync_plan *ret_plan);
void sync_plan_done(struct sync_plan *plan);

#endif
