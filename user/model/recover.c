/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A snapshot out of the tables that are pinned already. What is pinned was written by an earlier
 * agent: text is not trusted to end, and a route whose node has no name is told of, not used.
 */
#include "model/recover.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/defs.h"
#include "model/recover_services.h"
#include "xmesh/wire.h"

#define NO_NODE SIZE_MAX

static void fill_node(const struct xm_node_name *name, struct node_object *node)
{
	__u8 derived[6] = {};

	snprintf(node->name, sizeof(node->name), "%.*s", XM_NAME_LEN - 1, name->name);
	snprintf(node->source, sizeof(node->source), "pinned state");
	for (size_t i = 0; i < MIN(name->n_addrs, ARRAY_SIZE(name->addr)); i++) {
		const struct xm_addr *a = &name->addr[i];
		struct xm_addr *slot = xm_addr_is_v4(a) ? &node->addr4 : &node->addr6;

		if (xm_addr_is_zero(slot))
			*slot = *a;
	}
	/* A MAC that follows from the address is not an annotation, and must not outlive it. */
	xm_vtep_mac(xm_addr_is_zero(&node->addr4) ? &node->addr6 : &node->addr4, derived);
	if (memcmp(derived, name->vtep_mac, sizeof(derived))) {
		node->has_vtep_mac = 1;
		memcpy(node->vtep_mac, name->vtep_mac, sizeof(node->vtep_mac));
	}
}

/* Index into @numbers (ascending) of @number, NO_NODE if it is not there. */
static size_t find_number(const uint32_t *numbers, size_t n, uint32_t number)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (numbers[mid] < number)
			low = mid + 1;
		else
			high = mid;
	}
	return low < n && numbers[low] == number ? low : NO_NODE;
}

/* Give each node its prefixes: counted first, then stored. */
static int fill_prefixes(const struct wanted *actual, uint16_t cluster, const uint32_t *numbers,
			 struct snapshot *s, size_t *ret_lost)
{
	size_t lost = 0;

	for (size_t i = 0; i < actual->n_routes; i++) {
		const struct wanted_route *r = &actual->routes[i];
		size_t at;

		if (r->route.cluster != cluster)
			continue;
		at = find_number(numbers, s->n_nodes, r->route.node);
		if (at == NO_NODE)
			lost++;
		else
			s->nodes[at].n_cidrs++;
	}
	for (size_t i = 0; i < s->n_nodes; i++) {
		struct node_object *node = &s->nodes[i];

		node->cidrs = calloc(node->n_cidrs + 1, sizeof(*node->cidrs));
		node->n_cidrs = 0;
		if (!node->cidrs)
			return -ENOMEM;
	}
	for (size_t i = 0; i < actual->n_routes; i++) {
		const struct wanted_route *r = &actual->routes[i];
		size_t at = find_number(numbers, s->n_nodes, r->route.node);

		if (r->route.cluster == cluster && at != NO_NODE)
			s->nodes[at].cidrs[s->nodes[at].n_cidrs++] = r->prefix;
	}
	*ret_lost = lost;
	return 0;
}

/* Whose packets bear identities: told of each address of a node. */
static void fill_identities(const struct wanted *actual, uint16_t cluster, const uint32_t *numbers,
			    struct snapshot *s)
{
	for (size_t i = 0; i < actual->n_nodes; i++) {
		const struct xm_node *node = &actual->nodes[i].node;
		size_t at = find_number(numbers, s->n_nodes, node->number);

		if (node->cluster != cluster || at == NO_NODE)
			continue;
		if (node->flags & XM_IDENTITY16)
			s->nodes[at].identity_bits = 16;
		else if (node->flags & XM_IDENTITY15)
			s->nodes[at].identity_bits = 15;
	}
}

static int warn_lost(struct snapshot *s, size_t lost)
{
	s->warnings = calloc(1, sizeof(*s->warnings));
	if (!s->warnings ||
	    asprintf(&s->warnings[0],
		     "%zu pinned routes name a node that is not in xm_node_names: left out",
		     lost) < 0)
		return -ENOMEM;
	s->n_warnings = 1;
	return 0;
}

int recover_snapshot(const struct wanted *actual, const struct service_tables *tables, uint16_t cluster,
		     bool own, struct snapshot **ret_snapshot)
{
	auto_free uint32_t *numbers = NULL;
	struct snapshot *s;
	size_t n = 0, lost;
	int rc = -ENOMEM;

	for (size_t i = 0; i < actual->n_names; i++)
		n += actual->names[i].name.cluster == cluster;
	if (!n)
		return -ENOENT;

	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->nodes = calloc(n, sizeof(*s->nodes));
	numbers = calloc(n, sizeof(*numbers));
	if (!s->nodes || !numbers)
		goto fail;
	for (size_t i = 0; i < actual->n_names; i++) {
		if (actual->names[i].name.cluster != cluster)
			continue;
		numbers[s->n_nodes] = actual->names[i].number;
		fill_node(&actual->names[i].name, &s->nodes[s->n_nodes++]);
	}
	rc = fill_prefixes(actual, cluster, numbers, s, &lost);
	if (!rc && lost)
		rc = warn_lost(s, lost);
	if (rc)
		goto fail;
	fill_identities(actual, cluster, numbers, s);
	for (size_t i = 0; i < actual->n_clusters; i++)
		if (actual->clusters[i].id == cluster)
			snprintf(s->revision, sizeof(s->revision), "%.*s",
				 (int)sizeof(s->revision) - 1,
				 actual->clusters[i].cluster.revision);
	s->counts.nodes = s->n_nodes;
	rc = tables ? recover_services(actual, tables, cluster, own, s) : 0;
	if (rc)
		goto fail;
	snapshot_finish(s);
	*ret_snapshot = s;
	return 0;
fail:
	snapshot_free(s);
	return rc;
}
