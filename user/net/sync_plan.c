/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The difference between wanted and actual kernel tables. Not for: syscalls, and no order but its own. */
#include "net/sync_plan.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "core/addr.h"
#include "core/defs.h"
#include "core/vec.h"
#include "net/sync.h"
#include "xmesh/wire.h"

static int order_prefix(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct xm_prefix));
}

/* What holds a place in the kernel: one prefix in one table. */
static int order_place(const struct route_fact *a, const struct route_fact *b)
{
	int diff = order_prefix(&a->prefix, &b->prefix);

	return diff ? diff : (a->table > b->table) - (a->table < b->table);
}

/* The better metric first. */
static int order_routes(const void *va, const void *vb)
{
	const struct route_fact *a = va, *b = vb;
	int diff = order_place(a, b);

	return diff ? diff : (a->metric > b->metric) - (a->metric < b->metric);
}

static int order_neighs(const void *va, const void *vb)
{
	const struct kernel_neigh *a = va, *b = vb;

	return memcmp(&a->addr, &b->addr, sizeof(a->addr));
}

static int order_wanted_neigh(const void *addr, const void *vb)
{
	return memcmp(addr, &((const struct wanted_kneigh *)vb)->addr, sizeof(struct xm_addr));
}

static int order_wanted_route(const void *va, const void *vb)
{
	const struct wanted_kroute *a = va, *b = vb;
	int diff = order_prefix(&a->prefix, &b->prefix);

	return diff ? diff : (int)a->pods_only - (int)b->pods_only;
}

/* The wanted route for the place that @route holds. */
static const struct wanted_kroute *find_wanted(const struct wanted *wanted,
					       const struct route_fact *route)
{
	struct wanted_kroute key = { .prefix = route->prefix,
				     .pods_only = route->table == NET_ROUTE_TABLE };

	if (!wanted->n_kroutes)
		return NULL;
	return bsearch(&key, wanted->kroutes, wanted->n_kroutes, sizeof(*wanted->kroutes),
		       order_wanted_route);
}

static bool is_ours(const struct route_fact *route)
{
	return route->protocol == NET_ROUTE_PROTO;
}

bool sync_plan_needs(const struct wanted *wanted, const struct route_fact *route)
{
	return (route->table == RT_TABLE_MAIN || route->table == NET_ROUTE_TABLE) &&
	       (is_ours(route) || find_wanted(wanted, route));
}

uint32_t sync_plan_metric(const struct xm_prefix *prefix)
{
	const __u8 *b = prefix->addr.b;
	uint32_t hash = 0;

	if (!xm_addr_is_v4(&prefix->addr))
		return ROUTE_METRIC6;
	for (int i = 12; i < 16; i++)
		hash = hash * 31 + b[i];
	hash = (hash ^ hash >> 8) % ROUTE_METRICS4;
	return ROUTE_METRIC4 + hash;
}

static struct route_fact want(const struct wanted *wanted, const struct wanted_kroute *kroute)
{
	struct route_fact r = {
		.prefix = kroute->prefix,
		.table = kroute->pods_only ? NET_ROUTE_TABLE : RT_TABLE_MAIN,
		.ifindex = kroute->ifindex,
		.metric = sync_plan_metric(&kroute->prefix),
		.mtu = kroute->mtu,
		.type = RTN_UNICAST,
		.protocol = NET_ROUTE_PROTO,
		.gateway = kroute->gateway,
		.src = kroute->src,
	};

	if (kroute->tunnel) {
		/* The gateway is an address of no subnet of the device, only a neighbour on it. */
		r.onlink = true;
		r.shape = ROUTE_TUNNEL;
		r.outer = kroute->outer;
		r.vni = kroute->identity ? XM_IDENTITY_WORLD : wanted->config.vni;
		r.ttl = ROUTE_TTL;
	}
	return r;
}

static int add(struct sync_plan *plan, const struct sync_op *op)
{
	if (vec_grow(&plan->ops, plan->n_ops, sizeof(*op)))
		return -ENOMEM;
	plan->ops[plan->n_ops++] = *op;
	return 0;
}

static bool is_in_the_way(const struct route_fact *foreign, const struct route_fact *ours)
{
	if (foreign->metric > ours->metric &&
	    (foreign->type == RTN_BLACKHOLE || foreign->type == RTN_UNREACHABLE ||
	     foreign->type == RTN_PROHIBIT || foreign->type == RTN_THROW))
		return false;
	return true;
}

static int note_foreign(struct sync_plan *plan, const struct route_fact *foreign,
			char *(*ifname)(unsigned int ifindex, char *buf))
{
	char prefix[PREFIX_TEXT_MAX], proto[8], dev[IF_NAMESIZE], table[32] = "";

	if (++plan->n_foreign > SYNC_FOREIGN_NOTED)
		return 0;
	if (!foreign->ifindex || !ifname(foreign->ifindex, dev))
		strcpy(dev, "none");
	if (foreign->table != RT_TABLE_MAIN)
		snprintf(table, sizeof(table), " table %u", foreign->table);
	return vec_note(&plan->notes, &plan->n_notes,
			"route %s dev %s%s proto %s metric %u is not ours and stays as it is: the "
			"kernel sends there, not through the mesh; remove it to change that",
			prefix_format(&foreign->prefix, prefix), dev, table,
			route_protocol(foreign->protocol, proto), foreign->metric);
}

/* The run of actual routes in the place of @route: [*ret_from, *ret_to). */
static void find_run(const struct kernel_tables *actual, const struct route_fact *route,
		     size_t *ret_from, size_t *ret_to)
{
	size_t low = 0, high = actual->n_routes, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (order_place(&actual->routes[mid], route) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	while (high < actual->n_routes && !order_place(&actual->routes[high], route))
		high++;
	*ret_from = low;
	*ret_to = high;
}

/* A kernel without rules would put what is for pods alone into its one table, for everyone. */
static bool has_table(const struct kernel_tables *actual, const struct wanted_kroute *kroute)
{
	return !kroute->pods_only || actual->has_rules[xm_addr_is_v4(&kroute->prefix.addr)];
}

static int plan_put(const struct wanted *wanted, const struct wanted_kroute *kroute,
		    const struct kernel_tables *actual,
		    char *(*ifname)(unsigned int ifindex, char *buf), struct sync_plan *plan)
{
	struct sync_op op = { .verb = SYNC_ROUTE_ADD, .route = want(wanted, kroute) };
	size_t from, to;

	if (!has_table(actual, kroute))
		return 0;
	find_run(actual, &op.route, &from, &to);
	for (size_t i = from; i < to; i++)
		if (!is_ours(&actual->routes[i]) && is_in_the_way(&actual->routes[i], &op.route))
			return note_foreign(plan, &actual->routes[i], ifname);
	for (size_t i = from; i < to; i++) {
		if (!is_ours(&actual->routes[i]) || actual->routes[i].metric != op.route.metric)
			continue;
		if (route_same(&actual->routes[i], &op.route))
			return 0;
		op.verb = SYNC_ROUTE_REPLACE;
	}
	return add(plan, &op);
}

/* Ours goes when it is not wanted, is kept out by a foreign one, or has a metric that we never set. */
static bool is_surplus(const struct wanted *wanted, const struct route_fact *route,
		       const struct kernel_tables *actual)
{
	const struct wanted_kroute *kroute = find_wanted(wanted, route);
	struct route_fact ours;
	size_t from, to;

	if (!kroute)
		return true;
	ours = want(wanted, kroute);
	if (route->metric != ours.metric)
		return true;
	find_run(actual, route, &from, &to);
	for (size_t i = from; i < to; i++)
		if (!is_ours(&actual->routes[i]) && is_in_the_way(&actual->routes[i], &ours))
			return true;
	return false;
}

static int plan_route_puts(const struct wanted *wanted, const struct kernel_tables *actual,
			   char *(*ifname)(unsigned int ifindex, char *buf), struct sync_plan *plan)
{
	for (size_t i = 0; i < wanted->n_kroutes; i++)
		if (plan_put(wanted, &wanted->kroutes[i], actual, ifname, plan))
			return -ENOMEM;
	if (plan->n_foreign > SYNC_FOREIGN_NOTED &&
	    vec_note(&plan->notes, &plan->n_notes,
		     "%zu prefixes in all have a route that is not ours", plan->n_foreign))
		return -ENOMEM;
	return 0;
}

static int plan_route_deletes(const struct wanted *wanted, const struct kernel_tables *actual,
			      struct sync_plan *plan)
{
	struct sync_op op = { .verb = SYNC_ROUTE_DELETE };

	for (size_t i = 0; i < actual->n_routes; i++) {
		op.route = actual->routes[i];
		if (is_ours(&op.route) && is_surplus(wanted, &op.route, actual) && add(plan, &op))
			return -ENOMEM;
	}
	return 0;
}

static struct rule_fact want_rule(const struct wanted_krule *krule)
{
	return (struct rule_fact){ .from = krule->from,
				   .priority = NET_RULE_PRIORITY,
				   .table = NET_ROUTE_TABLE,
				   .protocol = NET_ROUTE_PROTO,
				   .plain = true };
}

static int plan_rule_puts(const struct wanted *wanted, const struct kernel_tables *actual,
			  struct sync_plan *plan)
{
	struct sync_op op = { .verb = SYNC_RULE_ADD };
	bool there, lacks[2] = { false };

	for (size_t i = 0; i < wanted->n_krules; i++) {
		bool v4 = xm_addr_is_v4(&wanted->krules[i].from.addr);

		if (!actual->has_rules[v4]) {
			lacks[v4] = true;
			continue;
		}
		op.rule = want_rule(&wanted->krules[i]);
		there = false;
		for (size_t k = 0; k < actual->n_rules && !there; k++)
			there = rule_same(&actual->rules[k], &op.rule);
		if (!there && add(plan, &op))
			return -ENOMEM;
	}
	for (int v4 = 0; v4 < 2; v4++)
		if (lacks[v4] &&
		    vec_note(&plan->notes, &plan->n_notes,
			     "the kernel has no rules for IPv%d (CONFIG_IP%s_MULTIPLE_TABLES): pods reach "
			     "the nodes of peers on the fast path alone",
			     v4 ? 4 : 6, v4 ? "" : "V6"))
			return -ENOMEM;
	return 0;
}

static int plan_rule_deletes(const struct wanted *wanted, const struct kernel_tables *actual,
			     struct sync_plan *plan)
{
	struct sync_op op = { .verb = SYNC_RULE_DELETE };
	struct rule_fact should;
	bool kept;

	for (size_t i = 0; i < actual->n_rules; i++) {
		op.rule = actual->rules[i];
		kept = false;
		for (size_t k = 0; k < wanted->n_krules && !kept; k++) {
			should = want_rule(&wanted->krules[k]);
			kept = rule_same(&op.rule, &should);
		}
		if (!kept && add(plan, &op))
			return -ENOMEM;
	}
	return 0;
}

static int plan_neigh_puts(const struct wanted *wanted, const struct kernel_tables *actual,
			   struct sync_plan *plan)
{
	struct sync_op op = { .verb = SYNC_NEIGH_PUT, .neigh.permanent = true };
	const struct kernel_neigh *is;

	for (size_t i = 0; i < wanted->n_kneighs; i++) {
		op.neigh.addr = wanted->kneighs[i].addr;
		memcpy(op.neigh.mac, wanted->kneighs[i].mac, 6);
		is = actual->n_neighs ? bsearch(&op.neigh, actual->neighs, actual->n_neighs,
						sizeof(*actual->neighs), order_neighs) :
					NULL;
		if (is && is->permanent && !memcmp(is->mac, op.neigh.mac, 6))
			continue;
		if (add(plan, &op))
			return -ENOMEM;
	}
	return 0;
}

static int plan_neigh_deletes(const struct wanted *wanted, const struct kernel_tables *actual,
			      struct sync_plan *plan)
{
	struct sync_op op = { .verb = SYNC_NEIGH_DELETE };

	for (size_t i = 0; i < actual->n_neighs; i++) {
		op.neigh = actual->neighs[i];
		/* What the kernel made by itself (multicast, failed probes) it also forgets. */
		if (!op.neigh.permanent ||
		    (wanted->n_kneighs &&
		     bsearch(&op.neigh.addr, wanted->kneighs, wanted->n_kneighs,
			     sizeof(*wanted->kneighs), order_wanted_neigh)))
			continue;
		if (add(plan, &op))
			return -ENOMEM;
	}
	return 0;
}

int sync_plan(const struct wanted *wanted, struct kernel_tables *actual,
	      char *(*ifname)(unsigned int ifindex, char *buf), struct sync_plan *ret_plan)
{
	struct sync_plan plan = { 0 };

	if (actual->n_routes)
		qsort(actual->routes, actual->n_routes, sizeof(*actual->routes), order_routes);
	if (actual->n_neighs)
		qsort(actual->neighs, actual->n_neighs, sizeof(*actual->neighs), order_neighs);
	if (plan_neigh_puts(wanted, actual, &plan) ||
	    plan_route_puts(wanted, actual, ifname, &plan) ||
	    plan_rule_puts(wanted, actual, &plan) || plan_rule_deletes(wanted, actual, &plan) ||
	    plan_route_deletes(wanted, actual, &plan) ||
	    plan_neigh_deletes(wanted, actual, &plan)) {
		sync_plan_done(&plan);
		return -ENOMEM;
	}
	*ret_plan = plan;
	return 0;
}

void sync_plan_done(struct sync_plan *plan)
{
	free(plan->ops);
	vec_free_notes(plan->notes, plan->n_notes);
	memset(plan, 0, sizeof(*plan));
}
