/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Clusters and their snapshots joined and judged as a whole: everything is sorted once, so that
 * each rule looks at neighbours only and 100k prefixes cost no more than their sorting. Not for:
 * judging one object alone (feed/decode*.c).
 */
#include "model/mesh.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/addr.h"
#include "core/defs.h"

#define WHO_MAX (2 * XM_NAME_LEN + 128)

/* A prefix or an address with the one who announces it. */
struct claim {
	struct xm_prefix prefix; /* of an address: the whole length */
	const struct mesh_cluster *cluster;
	const struct node_object *node;
};

struct claims {
	struct claim *prefixes, *addrs;
	size_t n_prefixes, n_addrs;
};

static int order_claims(const void *va, const void *vb)
{
	const struct claim *a = va, *b = vb;
	int v4a = xm_addr_is_v4(&a->prefix.addr), v4b = xm_addr_is_v4(&b->prefix.addr), diff;

	/* IPv4 apart, for no IPv6 prefix holds an IPv4 address, whatever the bits say. */
	if (v4a != v4b)
		return v4a - v4b;
	diff = memcmp(a->prefix.addr.b, b->prefix.addr.b, sizeof(a->prefix.addr.b));
	if (diff)
		return diff;
	return (a->prefix.plen > b->prefix.plen) - (a->prefix.plen < b->prefix.plen);
}

static int order_names(const void *va, const void *vb)
{
	return strcmp((*(const struct node_object *const *)va)->name,
		      (*(const struct node_object *const *)vb)->name);
}

/* "Node west-1 of cluster west (/etc/.../west.yaml:12)" */
static const char *who(const struct claim *claim, char buf[WHO_MAX])
{
	const char *source = claim->node->source[0] ? claim->node->source : claim->cluster->origin;

	snprintf(buf, WHO_MAX, "Node %s of cluster %s (%s)", claim->node->name,
		 claim->cluster->config->name, source ? source : "no source");
	return buf;
}

static int check_names(const struct mesh_cluster *cluster, struct err *err)
{
	const struct snapshot *s = cluster->snapshot;
	auto_free const struct node_object **names = calloc(s->n_nodes + 1, sizeof(*names));

	if (!names)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < s->n_nodes; i++)
		names[i] = &s->nodes[i];
	qsort(names, s->n_nodes, sizeof(*names), order_names);
	for (size_t i = 1; i < s->n_nodes; i++)
		if (!strcmp(names[i - 1]->name, names[i]->name))
			return err_set(err, -EINVAL,
				       "cluster %s has two Nodes named %s (%s and %s): remove one",
				       cluster->config->name, names[i]->name, names[i - 1]->source,
				       names[i]->source);
	return 0;
}

static void collect(const struct mesh_cluster *cluster, struct claims *claims)
{
	for (size_t i = 0; i < cluster->snapshot->n_nodes; i++) {
		const struct node_object *node = &cluster->snapshot->nodes[i];
		struct claim claim = { .cluster = cluster, .node = node };

		for (size_t j = 0; j < node->n_cidrs; j++) {
			claim.prefix = node->cidrs[j];
			claims->prefixes[claims->n_prefixes++] = claim;
		}
		claim.prefix.plen = 128;
		claim.prefix.addr = node->addr4;
		if (!xm_addr_is_zero(&node->addr4))
			claims->addrs[claims->n_addrs++] = claim;
		claim.prefix.addr = node->addr6;
		if (!xm_addr_is_zero(&node->addr6))
			claims->addrs[claims->n_addrs++] = claim;
	}
}

/* Prefixes nest or are disjoint, so of sorted ones an overlap shows between neighbours already. */
static int check_prefixes(const struct claims *claims, struct err *err)
{
	char a[WHO_MAX], b[WHO_MAX], ta[PREFIX_TEXT_MAX], tb[PREFIX_TEXT_MAX];

	for (size_t i = 1; i < claims->n_prefixes; i++) {
		const struct claim *l = &claims->prefixes[i - 1], *r = &claims->prefixes[i];

		if (prefix_overlaps(&l->prefix, &r->prefix))
			return err_set(
				err, -EINVAL,
				"pod prefix %s of %s overlaps %s of %s: a pod address must lead "
				"to one node, change one of them",
				prefix_format(&l->prefix, ta), who(l, a),
				prefix_format(&r->prefix, tb), who(r, b));
	}
	return 0;
}

/* The last prefix that does not begin behind @addr: with no overlaps, the only one to hold it. */
static const struct claim *prefix_before(const struct claims *claims, const struct claim *addr)
{
	size_t low = 0, high = claims->n_prefixes;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (order_claims(&claims->prefixes[mid], addr) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low ? &claims->prefixes[low - 1] : NULL;
}

static int check_addrs(const struct claims *claims, struct err *err)
{
	char a[WHO_MAX], b[WHO_MAX], ta[ADDR_TEXT_MAX], tb[PREFIX_TEXT_MAX];

	for (size_t i = 0; i < claims->n_addrs; i++) {
		const struct claim *addr = &claims->addrs[i], *prefix;

		if (i && xm_addr_eq(&addr[-1].prefix.addr, &addr->prefix.addr))
			return err_set(err, -EINVAL,
				       "%s and %s have the same address %s: node addresses must be "
				       "unique in the mesh",
				       who(&addr[-1], a), who(addr, b),
				       addr_format(&addr->prefix.addr, ta));
		prefix = prefix_before(claims, addr);
		if (prefix && prefix_contains(&prefix->prefix, &addr->prefix.addr))
			return err_set(
				err, -EINVAL,
				"address %s of %s lies in pod prefix %s of %s: a tunnel to it "
				"would lead into itself",
				addr_format(&addr->prefix.addr, ta), who(addr, a),
				prefix_format(&prefix->prefix, tb), who(prefix, b));
	}
	return 0;
}

static int check_lengths(const struct claims *claims, struct err *err)
{
	bool seen[2][129] = {};
	unsigned int n[2] = {};

	for (size_t i = 0; i < claims->n_prefixes; i++) {
		const struct claim *c = &claims->prefixes[i];
		int family = !prefix_is_v4(&c->prefix);
		char buf[WHO_MAX];

		if (seen[family][c->prefix.plen])
			continue;
		seen[family][c->prefix.plen] = true;
		if (++n[family] > XM_MAX_PLENS)
			return err_set(
				err, -ENOSPC,
				"more than %d different lengths of %s pod prefixes: /%u of %s is "
				"one too many, use fewer lengths",
				XM_MAX_PLENS, family ? "IPv6" : "IPv4", prefix_len(&c->prefix),
				who(c, buf));
	}
	return 0;
}

static int check(const struct mesh *mesh, struct err *err)
{
	auto_free struct claim *prefixes = NULL, *addrs = NULL;
	size_t n_nodes = 0, n_prefixes = 0;
	struct claims claims = {};
	int rc;

	for (size_t i = 0; i < mesh->n_clusters; i++) {
		const struct snapshot *s = mesh->clusters[i].snapshot;

		if (!s)
			continue;
		n_nodes += s->n_nodes;
		for (size_t j = 0; j < s->n_nodes; j++)
			n_prefixes += s->nodes[j].n_cidrs;
	}
	if (n_nodes >= XM_MAX_NODES)
		return err_set(err, -ENOSPC, "%zu nodes in the mesh, %d is the limit", n_nodes,
			       XM_MAX_NODES - 1);
	if (n_prefixes > XM_MAX_ROUTES)
		return err_set(err, -ENOSPC, "%zu pod prefixes in the mesh, %d is the limit",
			       n_prefixes, XM_MAX_ROUTES);

	claims.prefixes = prefixes = calloc(n_prefixes + 1, sizeof(*prefixes));
	claims.addrs = addrs = calloc(2 * n_nodes + 1, sizeof(*addrs));
	if (!prefixes || !addrs)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < mesh->n_clusters; i++) {
		if (!mesh->clusters[i].snapshot)
			continue;
		rc = check_names(&mesh->clusters[i], err);
		if (rc)
			return rc;
		collect(&mesh->clusters[i], &claims);
	}
	qsort(prefixes, claims.n_prefixes, sizeof(*prefixes), order_claims);
	qsort(addrs, claims.n_addrs, sizeof(*addrs), order_claims);

	rc = check_prefixes(&claims, err);
	if (!rc)
		rc = check_addrs(&claims, err);
	if (!rc)
		rc = check_lengths(&claims, err);
	return rc;
}

int mesh_new(const struct config *config, const struct snapshot *const *snapshots,
	     const char *const *origins, struct mesh **ret_mesh, struct err *err)
{
	struct mesh *mesh;
	int rc;

	if (config->n_peers + 1 > XM_MAX_CLUSTERS)
		return err_set(err, -ENOSPC, "%zu clusters in the mesh, %d is the limit",
			       config->n_peers + 1, XM_MAX_CLUSTERS);
	mesh = calloc(1, sizeof(*mesh));
	if (mesh)
		mesh->clusters = calloc(config->n_peers + 1, sizeof(*mesh->clusters));
	if (!mesh || !mesh->clusters) {
		mesh_free(mesh);
		return err_set(err, -ENOMEM, "out of memory");
	}
	mesh->config = config;
	mesh->n_clusters = config->n_peers + 1;
	for (size_t i = 0; i < mesh->n_clusters; i++)
		mesh->clusters[i] = (struct mesh_cluster){
			.config = i ? &config->peers[i - 1] : &config->own,
			.own = i == 0,
			.snapshot = snapshots[i],
			.origin = origins[i],
		};

	rc = check(mesh, err);
	if (rc) {
		mesh_free(mesh);
		return rc;
	}
	*ret_mesh = mesh;
	return 0;
}

void mesh_free(struct mesh *mesh)
{
	if (!mesh)
		return;
	free(mesh->clusters);
	free(mesh);
}
