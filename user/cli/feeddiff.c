/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a snapshot would change in the pinned tables of its cluster: two sorted lists, merged. */
#include "cli/feeddiff.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/addr.h"
#include "core/defs.h"
#include "xmesh/wire.h"

struct item {
	const char *kind;
	char *name, *value;
};

struct items {
	struct item *v;
	size_t n, size;
};

static int add(struct items *items, const char *kind, const char *name, const char *value)
{
	struct item *item;

	if (items->n == items->size) {
		size_t size = items->size ? items->size * 2 : 64;
		struct item *grown = realloc(items->v, size * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		items->v = grown;
		items->size = size;
	}
	item = &items->v[items->n++];
	*item = (struct item){ .kind = kind, .name = strdup(name), .value = strdup(value) };
	return item->name && item->value ? 0 : -ENOMEM;
}

static void done(struct items *items)
{
	for (size_t i = 0; i < items->n; i++) {
		free(items->v[i].name);
		free(items->v[i].value);
	}
	free(items->v);
}

static int compare(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	int order = strcmp(x->kind, y->kind);

	return order ? order : strcmp(x->name, y->name);
}

static int add_node(struct items *items, const char *name, const struct xm_addr *addr4,
		    const struct xm_addr *addr6, const __u8 *mac)
{
	char value[2 * ADDR_TEXT_MAX + MAC_TEXT_MAX + 4], text[ADDR_TEXT_MAX];
	size_t len = 0;

	value[0] = '\0';
	if (!xm_addr_is_zero(addr4))
		len += snprintf(value + len, sizeof(value) - len, "%s ", addr_format(addr4, text));
	if (!xm_addr_is_zero(addr6))
		len += snprintf(value + len, sizeof(value) - len, "%s ", addr_format(addr6, text));
	snprintf(value + len, sizeof(value) - len, "%s", mac_format(mac, text));
	return add(items, "node", name, value);
}

static int collect_actual(const struct wanted *actual, uint16_t cluster, struct items *items)
{
	char text[PREFIX_TEXT_MAX];
	int code = 0;

	for (size_t i = 0; i < actual->n_names && !code; i++) {
		const struct xm_node_name *n = &actual->names[i].name;
		struct xm_addr addr[2] = { 0 };

		if (n->cluster != cluster)
			continue;
		for (uint32_t k = 0; k < MIN(n->n_addrs, (uint32_t)ARRAY_SIZE(n->addr)); k++)
			addr[!xm_addr_is_v4(&n->addr[k])] = n->addr[k];
		code = add_node(items, n->name, &addr[0], &addr[1], n->vtep_mac);
	}
	for (size_t i = 0; i < actual->n_routes && !code; i++) {
		const struct wanted_route *r = &actual->routes[i];
		const char *node = "?";

		if (r->route.cluster != cluster)
			continue;
		for (size_t k = 0; k < actual->n_names; k++)
			if (actual->names[k].number == r->route.node)
				node = actual->names[k].name.name;
		code = add(items, "prefix", prefix_format(&r->prefix, text), node);
	}
	return code;
}

static int collect_snapshot(const struct snapshot *snapshot, struct items *items)
{
	char text[PREFIX_TEXT_MAX];
	int code = 0;

	for (size_t i = 0; i < snapshot->n_nodes && !code; i++) {
		const struct node_object *n = &snapshot->nodes[i];
		__u8 mac[6];

		xm_vtep_mac(xm_addr_is_zero(&n->addr4) ? &n->addr6 : &n->addr4, mac);
		code = add_node(items, n->name, &n->addr4, &n->addr6, n->has_vtep_mac ? n->vtep_mac : mac);
		for (size_t k = 0; k < n->n_cidrs && !code; k++)
			code = add(items, "prefix", prefix_format(&n->cidrs[k], text), n->name);
	}
	return code;
}

static void change(struct feed_change *into, const struct item *name, struct item *was, struct item *becomes)
{
	*into = (struct feed_change){ .kind = name->kind, .name = name->name };
	into->was = was ? take(was->value) : NULL;
	into->becomes = becomes ? take(becomes->value) : NULL;
}

int feeddiff_new(const struct wanted *actual, uint16_t cluster, const struct snapshot *snapshot,
		 struct feed_change **ret_changes, size_t *ret_n)
{
	struct items have = { 0 }, want = { 0 };
	struct feed_change *changes = NULL;
	size_t n = 0, i = 0, k = 0;
	int code = collect_actual(actual, cluster, &have);

	if (!code)
		code = collect_snapshot(snapshot, &want);
	if (!code) {
		changes = calloc(have.n + want.n + 1, sizeof(*changes));
		code = changes ? 0 : -ENOMEM;
	}
	if (code)
		goto out;
	qsort(have.v, have.n, sizeof(*have.v), compare);
	qsort(want.v, want.n, sizeof(*want.v), compare);
	while (i < have.n || k < want.n) {
		struct item *was = i < have.n ? &have.v[i] : NULL, *becomes = k < want.n ? &want.v[k] : NULL;
		int order = !was ? 1 : !becomes ? -1 : compare(was, becomes);

		i += order <= 0;
		k += order >= 0;
		if (!order && !strcmp(was->value, becomes->value))
			continue;
		if (order <= 0) {
			change(&changes[n++], was, was, order ? NULL : becomes);
			was->name = NULL;
		} else {
			change(&changes[n++], becomes, NULL, becomes);
			becomes->name = NULL;
		}
	}
	*ret_changes = changes;
	*ret_n = n;
out:
	done(&have);
	done(&want);
	return code;
}

void feeddiff_free(struct feed_change *changes, size_t n)
{
	for (size_t i = 0; changes && i < n; i++) {
		free(changes[i].name);
		free(changes[i].was);
		free(changes[i].becomes);
	}
	free(changes);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

uint16_t feeddiff_guess(const struct wanted *actual, const struct snapshot *snapshot)
{
	auto_free const char **names = calloc(snapshot->n_nodes + 1, sizeof(*names));
	auto_free size_t *hits = calloc(UINT16_MAX + 1, sizeof(*hits));
	uint16_t best = 0;

	if (!names || !hits)
		return 0;
	for (size_t i = 0; i < snapshot->n_nodes; i++)
		names[i] = snapshot->nodes[i].name;
	qsort(names, snapshot->n_nodes, sizeof(*names), compare_names);
	for (size_t i = 0; i < actual->n_names; i++) {
		const char *name = actual->names[i].name.name;
		uint16_t id = actual->names[i].name.cluster;

		if (bsearch(&name, names, snapshot->n_nodes, sizeof(*names), compare_names) &&
		    ++hits[id] > hits[best])
			best = id;
	}
	return best;
}
