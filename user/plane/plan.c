/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Wanted and actual tables merged key by key into ordered operations. Pure. Both sides are sorted,
 * so that 131072 routes cost one pass. Not for: system calls (apply.c).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/addr.h"
#include "core/defs.h"
#include "plane/keys.h"
#include "plane/plan.h"

/* One table of struct wanted: an array at @entries, its length at @n, the key first in each. */
struct table {
	enum plane_map map;
	size_t entries, n;
	size_t size;              /* of an element */
	size_t value;             /* where its value begins */
	size_t judged;            /* bytes of the value that count; since_s and holes lie behind */
	int (*compare)(const void *a, const void *b);
};

#define END_OF(type, member) (offsetof(type, member) + sizeof(((type *)0)->member))
#define TABLE(name, type, field, value_type, last, cmp)                                            \
	{                                                                                          \
		PLANE_##name, offsetof(struct wanted, field##s),                                   \
			offsetof(struct wanted, n_##field##s), sizeof(struct type),                \
			offsetof(struct type, field), END_OF(struct value_type, last), cmp         \
	}

/*
 * In the order of their puts: what is pointed to before what points. A pod before the count of its
 * interface's, by which the source check believes that it knows them all.
 */
static const struct table tables[] = {
	TABLE(xm_node_names, wanted_name, name, xm_node_name, pad2, keys_name),
	TABLE(xm_clusters, wanted_cluster, cluster, xm_cluster, pad, keys_cluster),
	TABLE(xm_paths, wanted_path, path, xm_path, own_mac, keys_path),
	TABLE(xm_nodes, wanted_node, node, xm_node, path, keys_node),
	TABLE(xm_routes, wanted_route, route, xm_route, vtep_mac, keys_route),
	TABLE(xm_pods, wanted_pod, pod, xm_pod, mtu, keys_pod),
	TABLE(xm_ifaces, wanted_iface, iface, xm_iface, flags, keys_iface),
};

struct view {
	const char *entries;
	size_t n;
};

static struct view view(const struct wanted *set, const struct table *table)
{
	struct view v = { NULL, 0 };

	if (set) {
		v.entries = *(const char *const *)((const char *)set + table->entries);
		v.n = *(const size_t *)((const char *)set + table->n);
	}
	return v;
}

static bool is_sorted(struct view v, const struct table *table)
{
	size_t i;

	for (i = 1; i < v.n; i++)
		if (table->compare(v.entries + (i - 1) * table->size,
				   v.entries + i * table->size) >= 0)
			return false;
	return true;
}

struct builder {
	struct plan *plan;
	size_t capacity;
};

static struct plan_op *add(struct builder *b)
{
	struct plan_op *ops;
	size_t capacity;

	if (b->plan->n_ops == b->capacity) {
		capacity = b->capacity ? 2 * b->capacity : 64;
		ops = realloc(b->plan->ops, capacity * sizeof(*ops));
		if (!ops)
			return NULL;
		b->plan->ops = ops;
		b->capacity = capacity;
	}
	ops = &b->plan->ops[b->plan->n_ops++];
	memset(ops, 0, sizeof(*ops));
	return ops;
}

static void set_key(struct plan_op *op, const struct table *table, const char *entry)
{
	switch (table->map) {
	case PLANE_xm_routes:
		op->key.prefix = ((const struct wanted_route *)entry)->prefix;
		break;
	case PLANE_xm_nodes:
		op->key.addr = ((const struct wanted_node *)entry)->addr;
		break;
	case PLANE_xm_pods:
		op->key.addr = ((const struct wanted_pod *)entry)->addr;
		break;
	case PLANE_xm_node_names:
		op->key.number = ((const struct wanted_name *)entry)->number;
		break;
	case PLANE_xm_paths:
		op->key.number = ((const struct wanted_path *)entry)->number;
		break;
	case PLANE_xm_ifaces:
		op->key.number = ((const struct wanted_iface *)entry)->ifindex;
		break;
	case PLANE_xm_clusters:
		op->key.cluster = ((const struct wanted_cluster *)entry)->id;
		break;
	case PLANE_xm_config:
	case PLANE_xm_node_state:
	case PLANE_xm_counters:
	case PLANE_xm_peer_stats:
	case PLANE_xm_events:
	case PLANE_xm_event_rate:
	case PLANE_xm_route_memo:
	case PLANE_xm_pod_memo:
	case PLANE_xm_epoch:
	case PLANE_xm_services:
	case PLANE_xm_maglev:
	case PLANE_xm_backends:
	case PLANE_xm_service_names:
	case PLANE_xm_vip_filter:
	case PLANE_xm_affinity:
	case PLANE_xm_sock_origin:
	case PLANE_xm_flows:
	case PLANE_xm_frags:
	case PLANE_xm_flow_hint:
	case PLANE_xm_probes:
	case PLANE_xm_scratch:
	case PLANE_xm_latency:
	case PLANE_xm_syn:
	case PLANE_xm_syn_timeouts:
	case PLANE_xm_probe_rtt:
	case PLANE_xm_program_time:
	case PLANE_xm_watch:
	case PLANE_xm_sock_peer:
	case PLANE_MAP_COUNT:
		break;
	}
}

static int add_puts(struct builder *b, const struct table *table, struct view wanted,
		    struct view actual)
{
	size_t i, j = 0;

	for (i = 0; i < wanted.n; i++) {
		const char *entry = wanted.entries + i * table->size, *old = NULL;
		struct plan_op *op;

		while (j < actual.n &&
		       table->compare(actual.entries + j * table->size, entry) < 0)
			j++;
		if (j < actual.n && !table->compare(actual.entries + j * table->size, entry))
			old = actual.entries + j * table->size;
		if (old && !memcmp(old + table->value, entry + table->value, table->judged))
			continue;
		op = add(b);
		if (!op)
			return -ENOMEM;
		op->verb = PLAN_PUT;
		op->map = table->map;
		op->replace = old != NULL;
		op->value = entry + table->value;
		set_key(op, table, entry);
	}
	return 0;
}

/* What the operator put by hand is the operator's to delete. */
static bool is_static(const struct table *table, const char *entry)
{
	return table->map == PLANE_xm_pods &&
	       ((const struct wanted_pod *)entry)->pod.flags & XM_POD_STATIC;
}

static int add_deletes(struct builder *b, const struct table *table, struct view wanted,
		       struct view actual)
{
	size_t i, j = 0;

	for (i = 0; i < actual.n; i++) {
		const char *entry = actual.entries + i * table->size;
		struct plan_op *op;

		while (j < wanted.n &&
		       table->compare(wanted.entries + j * table->size, entry) < 0)
			j++;
		if (j < wanted.n && !table->compare(wanted.entries + j * table->size, entry))
			continue;
		if (is_static(table, entry))
			continue;
		op = add(b);
		if (!op)
			return -ENOMEM;
		op->verb = PLAN_DELETE;
		op->map = table->map;
		set_key(op, table, entry);
	}
	return 0;
}

static bool config_is_same(const struct xm_config *a, const struct xm_config *b)
{
	return !memcmp(a, b, END_OF(struct xm_config, n_plen)) &&
	       !memcmp(a->plen, b->plen, sizeof(a->plen));
}

/*
 * Wanted settings with, in the slots that they leave free, the lengths in use until now: nothing
 * of the old state loses its slot before it is deleted. A slot that is wanted for another length
 * goes to it at once; the model takes free slots first, so this happens only when all are taken.
 */
static void config_join(struct xm_config *config, const struct xm_config *actual)
{
	unsigned int family, i;

	for (family = 0; family < 2; family++) {
		for (i = 0; i < XM_MAX_PLENS; i++)
			if (!config->plen[family][i].used && actual->plen[family][i].used)
				config->plen[family][i] = actual->plen[family][i];
		config->n_plen[family] = MAX(config->n_plen[family], actual->n_plen[family]);
	}
}

static int add_config(struct builder *b, const struct xm_config *config, bool replace)
{
	struct plan_op *op = add(b);

	if (!op)
		return -ENOMEM;
	op->verb = PLAN_PUT;
	op->map = PLANE_xm_config;
	op->replace = replace;
	op->value = config;
	return 0;
}

static int build(struct builder *b, const struct wanted *wanted, const struct wanted *actual)
{
	struct plan *plan = b->plan;
	size_t t;
	int code = 0;

	*plan->config = wanted->config;
	if (actual)
		config_join(plan->config, &actual->config);
	if (!actual || !config_is_same(plan->config, &actual->config))
		code = add_config(b, plan->config, actual != NULL);
	for (t = 0; !code && t < ARRAY_SIZE(tables); t++)
		code = add_puts(b, &tables[t], view(wanted, &tables[t]), view(actual, &tables[t]));
	for (t = ARRAY_SIZE(tables); !code && t-- > 0;)
		code = add_deletes(b, &tables[t], view(wanted, &tables[t]),
				   view(actual, &tables[t]));
	if (!code && !config_is_same(plan->config, &wanted->config))
		code = add_config(b, &wanted->config, true);
	return code;
}

int plan_new(const struct wanted *wanted, const struct wanted *actual, struct plan **ret_plan)
{
	struct builder b = { 0 };
	size_t t;
	int code;

	for (t = 0; t < ARRAY_SIZE(tables); t++)
		if (!is_sorted(view(wanted, &tables[t]), &tables[t]) ||
		    !is_sorted(view(actual, &tables[t]), &tables[t]))
			return -EINVAL;
	b.plan = calloc(1, sizeof(*b.plan));
	if (!b.plan)
		return -ENOMEM;
	b.plan->config = calloc(1, sizeof(*b.plan->config));
	code = b.plan->config ? build(&b, wanted, actual) : -ENOMEM;
	if (code) {
		plan_free(b.plan);
		return code;
	}

	*ret_plan = b.plan;
	return 0;
}

void plan_free(struct plan *plan)
{
	if (!plan)
		return;
	free(plan->ops);
	free(plan->config);
	free(plan);
}

/* ---- for people ---- */

static const struct wanted_name *find_name(const struct wanted *set, uint32_t number)
{
	struct wanted_name key = { .number = number };

	if (!set || !set->n_names)
		return NULL;
	return bsearch(&key, set->names, set->n_names, sizeof(key), keys_name);
}

static const char *node_name(uint32_t number, const struct wanted *wanted,
			     const struct wanted *actual)
{
	const struct wanted_name *name = find_name(wanted, number);

	if (!name)
		name = find_name(actual, number);
	return name ? name->name.name : "unknown node";
}

/* What a delete takes away: the value of its key in @actual, NULL when it is not there. */
static const void *find_deleted(const struct plan_op *op, const struct wanted *actual)
{
	union {
		struct wanted_route route;
		struct wanted_node node;
		struct wanted_pod pod;
		struct wanted_name name;
		struct wanted_path path;
		struct wanted_cluster cluster;
		struct wanted_iface iface;
	} key;
	const char *found;
	struct view v;
	size_t t;

	memset(&key, 0, sizeof(key));
	for (t = 0; t < ARRAY_SIZE(tables) && tables[t].map != op->map; t++)
		;
	if (t == ARRAY_SIZE(tables))
		return NULL;
	v = view(actual, &tables[t]);
	if (!v.n)
		return NULL;
	/* Keys come first in every element. */
	memcpy(&key, &op->key, sizeof(op->key));
	found = bsearch(&key, v.entries, v.n, tables[t].size, tables[t].compare);
	return found ? found + tables[t].value : NULL;
}

static void print_route(const struct plan_op *op, const struct xm_route *route,
			const struct wanted *wanted, const struct wanted *actual, FILE *out)
{
	char text[PREFIX_TEXT_MAX], hop[ADDR_TEXT_MAX];

	fprintf(out, "%s", prefix_format(&op->key.prefix, text));
	if (!route)
		return;
	fprintf(out, " -> %s", node_name(route->node, wanted, actual));
	if (route->flags & XM_ROUTE_LOCAL)
		fprintf(out, ", local");
	else if (route->flags & XM_ROUTE_STACK)
		fprintf(out, ", not carried: the kernel has a route");
	else
		fprintf(out, ", %s %s, mtu %u",
			route->mode == XM_MODE_NATIVE ? "native via" : "tunnel to",
			addr_format(&route->outer, hop), route->mtu);
}

static void print_pod(const struct plan_op *op, const struct xm_pod *pod, FILE *out)
{
	char text[ADDR_TEXT_MAX], mac[MAC_TEXT_MAX];

	fprintf(out, "%s", addr_format(&op->key.addr, text));
	if (pod)
		fprintf(out, " -> interface %u, %s%s%s", pod->ifindex,
			mac_format(pod->pod_mac, mac),
			pod->flags & XM_POD_STACK ? ", through the stack" : "",
			pod->flags & XM_POD_STATIC ? ", static" : "");
}

static void print_config(const struct xm_config *config, FILE *out)
{
	unsigned int family, i;

	fprintf(out, "cluster %u, node %u, port %u, id %u, prefix lengths", config->cluster,
		config->node, ntohs(config->port), config->vni);
	for (family = 0; family < 2; family++)
		for (i = 0; i < XM_MAX_PLENS; i++)
			if (config->plen[family][i].used)
				fprintf(out, " /%u", config->plen[family][i].plen -
							      (family ? 0 : 96));
}

void plan_op_print(const struct plan_op *op, const struct wanted *wanted,
		   const struct wanted *actual, FILE *out)
{
	const void *value = op->verb == PLAN_PUT ? op->value : find_deleted(op, actual);
	const struct xm_cluster *cluster = value;
	const struct xm_node_name *name = value;
	const struct xm_iface *iface = value;
	const struct xm_node *node = value;
	const struct xm_path *path = value;
	char text[ADDR_TEXT_MAX];

	fprintf(out, "%-6s %-13s ",
		op->verb == PLAN_DELETE ? "delete" : op->replace ? "change" : "put",
		plane_map_names[op->map]);
	switch (op->map) {
	case PLANE_xm_config:
		print_config(value, out);
		break;
	case PLANE_xm_routes:
		print_route(op, value, wanted, actual, out);
		break;
	case PLANE_xm_pods:
		print_pod(op, value, out);
		break;
	case PLANE_xm_nodes:
		fprintf(out, "%s", addr_format(&op->key.addr, text));
		if (node)
			fprintf(out, " -> %s", node_name(node->number, wanted, actual));
		break;
	case PLANE_xm_node_names:
		fprintf(out, "%u", op->key.number);
		if (name)
			fprintf(out, " -> %s", name->name);
		break;
	case PLANE_xm_paths:
		fprintf(out, "%s", node_name(op->key.number, wanted, actual));
		if (path)
			fprintf(out, ", tunnel to %s, mtu %u", addr_format(&path->route.outer, text),
				path->route.mtu);
		break;
	case PLANE_xm_clusters:
		fprintf(out, "%u", op->key.cluster);
		if (cluster)
			fprintf(out, " -> %s, from %s", cluster->name, cluster->origin);
		break;
	case PLANE_xm_ifaces:
		fprintf(out, "%u", op->key.number);
		if (iface)
			fprintf(out, " -> %u addresses", iface->n_addrs);
		break;
	case PLANE_xm_node_state:
	case PLANE_xm_counters:
	case PLANE_xm_peer_stats:
	case PLANE_xm_events:
	case PLANE_xm_event_rate:
	case PLANE_xm_route_memo:
	case PLANE_xm_pod_memo:
	case PLANE_xm_epoch:
	case PLANE_xm_services:
	case PLANE_xm_maglev:
	case PLANE_xm_backends:
	case PLANE_xm_service_names:
	case PLANE_xm_vip_filter:
	case PLANE_xm_affinity:
	case PLANE_xm_sock_origin:
	case PLANE_xm_flows:
	case PLANE_xm_frags:
	case PLANE_xm_flow_hint:
	case PLANE_xm_probes:
	case PLANE_xm_scratch:
	case PLANE_xm_latency:
	case PLANE_xm_syn:
	case PLANE_xm_syn_timeouts:
	case PLANE_xm_probe_rtt:
	case PLANE_xm_program_time:
	case PLANE_xm_watch:
	case PLANE_xm_sock_peer:
	case PLANE_MAP_COUNT:
		break;
	}
	fputc('\n', out);
}
