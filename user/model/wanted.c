/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Mesh and facts into tables: every node is looked at once, then each of its prefixes. Numbers,
 * prefix lengths and the kernel's own tables have files of their own. Not for: what is
 * there already (plane/plan.h).
 */
#include "model/wanted.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/addr.h"
#include "core/defs.h"
#include "model/wanted_parts.h"
#include "xmesh/wire.h"

static int compare_prefix(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct xm_prefix));
}

static bool is_foreign(const struct facts *facts, const struct xm_prefix *prefix)
{
	return facts->n_foreign && bsearch(prefix, facts->foreign, facts->n_foreign,
					   sizeof(*prefix), compare_prefix);
}

/* ---- members ---- */

static void choose_mac(const struct wanted_builder *b, struct wanted_member *m)
{
	const struct node_object *node = m->object;

	if (node && node->has_vtep_mac)
		memcpy(m->vtep_mac, node->vtep_mac, sizeof(m->vtep_mac));
	else if (node && !xm_addr_is_zero(&node->addr4))
		xm_vtep_mac(&node->addr4, m->vtep_mac);
	else if (node && !xm_addr_is_zero(&node->addr6))
		xm_vtep_mac(&node->addr6, m->vtep_mac);
	else if (m->own && !xm_addr_is_zero(&b->facts->addr4))
		xm_vtep_mac(&b->facts->addr4, m->vtep_mac);
	else if (m->own)
		xm_vtep_mac(&b->facts->addr6, m->vtep_mac);
}

static int collect_members(struct wanted_builder *b)
{
	const struct mesh *mesh = b->mesh;
	struct wanted_member *m, *own = NULL;
	size_t n = 1;

	for (size_t i = 0; i < mesh->n_clusters; i++)
		n += mesh->clusters[i].snapshot ? mesh->clusters[i].snapshot->n_nodes : 0;
	b->members = calloc(n, sizeof(*b->members));
	if (!b->members)
		return -ENOMEM;
	for (size_t i = 0; i < mesh->n_clusters; i++) {
		const struct mesh_cluster *c = &mesh->clusters[i];

		for (size_t k = 0; c->snapshot && k < c->snapshot->n_nodes; k++) {
			m = &b->members[b->n_members++];
			m->cluster = c;
			m->object = &c->snapshot->nodes[k];
			m->name = m->object->name;
			m->own = c->own && !strcmp(m->name, b->facts->node_name);
			if (m->own)
				own = m;
			b->n_cidrs += m->object->n_cidrs;
		}
	}
	if (!own) {
		own = &b->members[b->n_members++];
		own->cluster = &mesh->clusters[0];
		own->name = b->facts->node_name;
		own->own = true;
	}
	b->own = own;
	for (size_t i = 0; i < b->n_members; i++)
		choose_mac(b, &b->members[i]);
	return 0;
}

static bool is_own_address(const struct facts *facts, const struct xm_addr *addr)
{
	return !xm_addr_is_zero(addr) &&
	       (xm_addr_eq(addr, &facts->addr4) || xm_addr_eq(addr, &facts->addr6));
}

/* True when @node is another name of this very node: a tunnel to it would lead to ourselves. */
static bool bears_own_address(const struct facts *facts, const struct wanted_member *m)
{
	return !m->own && (is_own_address(facts, &m->object->addr4) ||
			   is_own_address(facts, &m->object->addr6));
}

/* What our own object in the feed, or its absence, tells about the way that peers see us. */
static int note_own(struct wanted_builder *b)
{
	const struct facts *f = b->facts;
	const struct node_object *node = b->own->object;
	char ours[ADDR_TEXT_MAX], theirs[ADDR_TEXT_MAX];
	int rc = 0;

	if (!node && b->own->cluster->snapshot)
		return wanted_note(&b->notes,
				   "Node %s is not in the feed of our cluster %s: is node.name right? "
				   "Peers with the same feed do not know us",
				   b->own->name, b->own->cluster->config->name);
	/* With auto, peers that have IPv4 send there. */
	if (node && b->mesh->config->tunnel_family != CONFIG_FAMILY_IPV6 && xm_addr_is_zero(&f->addr4) &&
	    !xm_addr_is_zero(&node->addr4))
		rc = wanted_note(&b->notes,
				 "Node %s has the address %s in the feed, but no underlay interface has an IPv4 "
				 "address: peers that send there are not heard (give it one, or set "
				 "tunnel.family: ipv6 on all nodes)",
				 b->own->name, addr_format(&node->addr4, theirs));
	for (int v4 = 1; node && !rc && v4 >= 0; v4--) {
		const struct xm_addr *a = wanted_own_addr(f, v4), *fed = wanted_node_addr(node, v4);

		if (xm_addr_is_zero(a) || xm_addr_is_zero(fed) || xm_addr_eq(a, fed))
			continue;
		rc = wanted_note(&b->notes,
				 "our tunnel endpoint %s is not the address %s of Node %s in the feed: "
				 "peers will refuse what we send (set node.addresses)",
				 addr_format(a, ours), addr_format(fed, theirs), b->own->name);
	}
	return rc;
}

/* ---- tables ---- */

static struct xm_route *add_route(struct wanted_builder *b, const struct wanted_member *m,
				  const struct xm_prefix *prefix)
{
	struct wanted_route *r = &b->wanted->routes[b->wanted->n_routes++];

	r->prefix = *prefix;
	r->route.node = m->number;
	r->route.cluster = m->cluster->config->id;
	r->route.since_s = b->facts->now_s;
	memcpy(r->route.vtep_mac, m->vtep_mac, sizeof(r->route.vtep_mac));
	return &r->route;
}

static bool is_carried(const struct wanted_builder *b, const struct wanted_member *m,
		       const struct xm_prefix *prefix)
{
	if (!m->cluster->own)
		return true;
	switch (b->mesh->config->carry) {
	case CONFIG_CARRY_YES:
		return true;
	case CONFIG_CARRY_NO:
		return false;
	case CONFIG_CARRY_AUTO:
		return !is_foreign(b->facts, prefix);
	}
	return false;
}

/* The kinds of ways to a node, each found out once, when the first prefix or address asks. */
enum way { WAY_TUNNEL, WAY_NATIVE4, WAY_NATIVE6, WAY_COUNT };

struct ways {
	struct wanted_reach reach[WAY_COUNT];
	bool asked[WAY_COUNT];
};

static int find_way(struct wanted_builder *b, const struct wanted_member *m, struct ways *ways,
		    enum way way)
{
	if (ways->asked[way])
		return 0;
	ways->asked[way] = true;
	if (way == WAY_TUNNEL)
		return wanted_reach_tunnel(b, m, &ways->reach[way]);
	return wanted_reach_native(b, m, way == WAY_NATIVE4, &ways->reach[way]);
}

static __u8 mode_of(const struct wanted_member *m, bool v4)
{
	return v4 ? m->cluster->config->mode4 : m->cluster->config->mode6;
}

static __u8 identity_of(const struct wanted_member *m)
{
	if (!m->object || !m->object->identity_bits)
		return 0;
	return m->object->identity_bits == 16 ? XM_IDENTITY16 : XM_IDENTITY15;
}

static void fill_way(const struct wanted_member *m, const struct wanted_reach *reach, __u8 mode,
		     struct xm_route *route)
{
	route->node = m->number;
	route->cluster = m->cluster->config->id;
	memcpy(route->vtep_mac, m->vtep_mac, sizeof(route->vtep_mac));
	route->mode = mode;
	route->flags = (reach->path->onlink ? XM_ROUTE_ONLINK : 0) | identity_of(m);
	route->outer = reach->outer;
	route->ifindex = reach->path->ifindex;
	route->mtu = (__u16)reach->mtu;
}

/* Our feed may not know us, so that nobody judged this yet (model/mesh.h). */
static bool holds_own_address(const struct facts *facts, const struct xm_prefix *prefix)
{
	const struct xm_addr *own = wanted_own_addr(facts, prefix_is_v4(prefix));

	return !xm_addr_is_zero(own) && prefix_contains(prefix, own);
}

static int add_member_routes(struct wanted_builder *b, const struct wanted_member *m,
			     struct ways *ways)
{
	for (size_t i = 0; m->object && i < m->object->n_cidrs; i++) {
		const struct xm_prefix *prefix = &m->object->cidrs[i];
		bool v4 = prefix_is_v4(prefix);
		__u8 mode = mode_of(m, v4);
		bool tunnel = mode == XM_MODE_TUNNEL;
		enum way way = tunnel ? WAY_TUNNEL : v4 ? WAY_NATIVE4 : WAY_NATIVE6;
		const struct wanted_reach *reach = &ways->reach[way];
		char text[PREFIX_TEXT_MAX];
		struct xm_route *route;
		int rc;

		if (m->own || !is_carried(b, m, prefix)) {
			route = add_route(b, m, prefix);
			route->mode = mode;
			route->flags = m->own ? XM_ROUTE_LOCAL : XM_ROUTE_STACK;
			route->mtu = (__u16)MIN(b->facts->underlay_mtu, 65535u);
			continue;
		}
		if (holds_own_address(b->facts, prefix)) {
			rc = wanted_note(&b->notes,
					 "prefix %s of Node %s of cluster %s is left out: our own tunnel "
					 "endpoint lies in it",
					 prefix_format(prefix, text), m->name, m->cluster->config->name);
			if (rc)
				return rc;
			continue;
		}
		rc = find_way(b, m, ways, way);
		if (rc)
			return rc;
		if (!reach->path)
			continue;
		route = add_route(b, m, prefix);
		fill_way(m, reach, mode, route);
		wanted_kroute(b, m, prefix, tunnel, reach);
		if (tunnel)
			b->wanted->device_mtu = MAX(b->wanted->device_mtu, reach->mtu);
	}
	return 0;
}

static int add_node(struct wanted_builder *b, const struct wanted_member *m, struct ways *ways,
		    const struct xm_addr *addr, bool tunnel)
{
	bool v4 = xm_addr_is_v4(addr);
	struct wanted_node *n;
	int rc;

	if (xm_addr_is_zero(addr))
		return 0;
	n = &b->wanted->nodes[b->wanted->n_nodes++];
	n->addr = *addr;
	n->node.number = m->number;
	n->node.cluster = m->cluster->config->id;
	n->node.flags = (tunnel ? XM_NODE_TUNNEL : 0) | identity_of(m);
	/* Pods reach a peer's nodes as they reach its pods; without that, they would be strangers there. */
	if (m->cluster->own || mode_of(m, v4) != XM_MODE_TUNNEL)
		return 0;
	rc = find_way(b, m, ways, WAY_TUNNEL);
	if (rc || !ways->reach[WAY_TUNNEL].path)
		return rc;
	fill_way(m, &ways->reach[WAY_TUNNEL], XM_MODE_TUNNEL, &n->node.path);
	wanted_kroute_of_pods(b, m, addr, &ways->reach[WAY_TUNNEL]);
	return 0;
}

static int add_nodes(struct wanted_builder *b, const struct wanted_member *m, struct ways *ways)
{
	const struct node_object *node = m->object;
	const struct facts *f = b->facts;
	bool v4 = false, chosen;
	int rc = 0;

	if (node) {
		chosen = !m->own && wanted_family(b, node, &v4);
		rc = add_node(b, m, ways, &node->addr4,
			      m->own ? xm_addr_eq(&node->addr4, &f->addr4) : chosen && v4);
		if (!rc)
			rc = add_node(b, m, ways, &node->addr6,
				      m->own ? xm_addr_eq(&node->addr6, &f->addr6) : chosen && !v4);
	}
	if (!rc && m->own && (!node || !xm_addr_eq(&node->addr4, &f->addr4)))
		rc = add_node(b, m, ways, &f->addr4, true);
	if (!rc && m->own && (!node || !xm_addr_eq(&node->addr6, &f->addr6)))
		rc = add_node(b, m, ways, &f->addr6, true);
	return rc;
}

static void add_name(struct wanted_builder *b, const struct wanted_member *m)
{
	struct wanted_name *n = &b->wanted->names[b->wanted->n_names++];
	struct xm_node_name *name = &n->name;

	n->number = m->number;
	snprintf(name->name, sizeof(name->name), "%s", m->name);
	name->cluster = m->cluster->config->id;
	name->since_s = b->facts->now_s;
	memcpy(name->vtep_mac, m->vtep_mac, sizeof(name->vtep_mac));
	for (int v4 = 1; v4 >= 0; v4--) {
		const struct xm_addr *addr = m->object ? wanted_node_addr(m->object, v4) :
							 wanted_own_addr(b->facts, v4);

		if (!xm_addr_is_zero(addr))
			name->addr[name->n_addrs++] = *addr;
	}
}

/* What has no way here was told of where a prefix or an address asked for one. */
static int add_path(struct wanted_builder *b, const struct wanted_member *m, struct ways *ways)
{
	const struct wanted_reach *reach = &ways->reach[WAY_TUNNEL];
	struct wanted_path *p;
	int rc;

	/* Cilium takes neither probes nor VIPs out of a tunnel. */
	if (m->own || identity_of(m))
		return 0;
	b->quiet = true;
	rc = find_way(b, m, ways, WAY_TUNNEL);
	b->quiet = false;
	if (rc || !reach->path)
		return rc;
	p = &b->wanted->paths[b->wanted->n_paths++];
	p->number = m->number;
	fill_way(m, reach, XM_MODE_TUNNEL, &p->path.route);
	if (reach->path->has_macs) {
		memcpy(p->path.next_mac, reach->path->next_mac, sizeof(p->path.next_mac));
		memcpy(p->path.own_mac, reach->path->own_mac, sizeof(p->path.own_mac));
	}
	return 0;
}

static int add_member(struct wanted_builder *b, const struct wanted_member *m)
{
	struct ways ways = { 0 };
	int rc;

	add_name(b, m);
	if (bears_own_address(b->facts, m))
		/* The address is entered once, as ours: see add_nodes(). */
		return wanted_left_out(b, m, "it has our own address (is node.name right?)");
	rc = add_nodes(b, m, &ways);
	if (!rc)
		rc = add_member_routes(b, m, &ways);
	return rc ? rc : add_path(b, m, &ways);
}

static void add_clusters(struct wanted_builder *b)
{
	struct wanted *w = b->wanted;

	for (size_t i = 0; i < b->mesh->n_clusters; i++) {
		const struct mesh_cluster *c = &b->mesh->clusters[i];
		struct wanted_cluster *out = &w->clusters[w->n_clusters++];

		out->id = c->config->id;
		snprintf(out->cluster.name, sizeof(out->cluster.name), "%s", c->config->name);
		if (c->origin)
			snprintf(out->cluster.origin, sizeof(out->cluster.origin), "%s", c->origin);
		if (c->snapshot)
			snprintf(out->cluster.revision, sizeof(out->cluster.revision), "%s",
				 c->snapshot->revision);
		out->cluster.mode4 = c->config->mode4;
		out->cluster.mode6 = c->config->mode6;
		out->cluster.own = c->own;
		out->cluster.since_s = b->facts->now_s;
	}
}

static void add_pods(struct wanted_builder *b, const struct pods *pods)
{
	struct wanted *w = b->wanted;

	for (size_t i = 0; i < pods->n_pods; i++) {
		w->pods[i].addr = pods->pods[i].addr;
		w->pods[i].pod = pods->pods[i].pod;
		w->pods[i].pod.since_s = b->facts->now_s;
	}
	w->n_pods = pods->n_pods;
	for (size_t i = 0; i < pods->n_ifaces; i++) {
		w->ifaces[i].ifindex = pods->ifaces[i].ifindex;
		w->ifaces[i].iface.n_addrs = pods->ifaces[i].n_addrs;
	}
	w->n_ifaces = pods->n_ifaces;
}

/* Node-local traffic is ours too, unless a CNI routes any prefix of our cluster already. */
static bool carries_local(const struct wanted_builder *b)
{
	const struct snapshot *own = b->mesh->clusters[0].snapshot;

	switch (b->mesh->config->carry) {
	case CONFIG_CARRY_YES:
		return true;
	case CONFIG_CARRY_NO:
		return false;
	case CONFIG_CARRY_AUTO:
		break;
	}
	for (size_t i = 0; own && i < own->n_nodes; i++) {
		for (size_t k = 0; k < own->nodes[i].n_cidrs; k++) {
			if (is_foreign(b->facts, &own->nodes[i].cidrs[k]))
				return false;
		}
	}
	return true;
}

static void fill_config(struct wanted_builder *b)
{
	const struct config *c = b->mesh->config;
	struct xm_config *out = &b->wanted->config;

	out->magic = XM_ABI_MAGIC;
	out->abi = XM_ABI;
	if (c->pods_source_check)
		out->flags |= XM_CFG_SOURCE_CHECK;
	if (carries_local(b))
		out->flags |= XM_CFG_CARRY_LOCAL;
	if (c->return_own_entry)
		out->flags |= XM_CFG_RETURN_OWN_ENTRY;
	if (c->return_peers_direct)
		out->flags |= XM_CFG_RETURN_PEER_DIRECT;
	out->cluster = c->own.id;
	out->port = htons(c->tunnel_port);
	out->vni = c->tunnel_id;
	out->node = b->own->number;
	out->addr4 = b->facts->addr4;
	out->addr6 = b->facts->addr6;
	memcpy(out->vtep_mac, b->own->vtep_mac, sizeof(out->vtep_mac));
}

/* ---- order ---- */

static int compare_addr(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct xm_addr));
}

static int compare_name(const void *a, const void *b)
{
	uint32_t x = ((const struct wanted_name *)a)->number;
	uint32_t y = ((const struct wanted_name *)b)->number;

	return x < y ? -1 : x > y;
}

static int compare_path(const void *a, const void *b)
{
	uint32_t x = ((const struct wanted_path *)a)->number;
	uint32_t y = ((const struct wanted_path *)b)->number;

	return x < y ? -1 : x > y;
}

static int compare_cluster(const void *a, const void *b)
{
	return (int)((const struct wanted_cluster *)a)->id -
	       (int)((const struct wanted_cluster *)b)->id;
}

static void sort_tables(struct wanted *w)
{
	/* Keys stand first in their structs; prefixes compare as bytes. */
	qsort(w->routes, w->n_routes, sizeof(*w->routes), compare_prefix);
	qsort(w->nodes, w->n_nodes, sizeof(*w->nodes), compare_addr);
	qsort(w->names, w->n_names, sizeof(*w->names), compare_name);
	qsort(w->clusters, w->n_clusters, sizeof(*w->clusters), compare_cluster);
	qsort(w->paths, w->n_paths, sizeof(*w->paths), compare_path);
}

static int allocate(struct wanted_builder *b, const struct pods *pods, struct err *err)
{
	struct wanted *w = b->wanted;
	size_t n = b->n_members, n_pods = pods ? pods->n_pods : 0;
	size_t n_ifaces = pods ? pods->n_ifaces : 0;

	if (b->n_cidrs > XM_MAX_ROUTES)
		return err_set(err, -ENOSPC, "%zu prefixes in the mesh: at most %d have room",
			       b->n_cidrs, XM_MAX_ROUTES);
	if (n_pods > XM_MAX_PODS || n_ifaces > XM_MAX_IFACES)
		return err_set(err, -ENOSPC,
			       "%zu pod addresses behind %zu interfaces: at most %d behind %d",
			       n_pods, n_ifaces, XM_MAX_PODS, XM_MAX_IFACES);
	w->routes = calloc(b->n_cidrs + 1, sizeof(*w->routes));
	/* Two addresses of each, and two more of our own that its feed may not have. */
	w->nodes = calloc(2 * n + 2, sizeof(*w->nodes));
	w->names = calloc(n, sizeof(*w->names));
	w->clusters = calloc(b->mesh->n_clusters, sizeof(*w->clusters));
	w->paths = calloc(n, sizeof(*w->paths));
	w->pods = calloc(n_pods + 1, sizeof(*w->pods));
	w->ifaces = calloc(n_ifaces + 1, sizeof(*w->ifaces));
	if (!w->routes || !w->nodes || !w->names || !w->clusters || !w->paths || !w->pods ||
	    !w->ifaces || wanted_kernel_allocate(b))
		return err_set(err, -ENOMEM, "out of memory");
	return 0;
}

static int build(struct wanted_builder *b, const struct pods *pods, struct err *err)
{
	struct wanted *w = b->wanted;
	int rc;

	rc = collect_members(b);
	if (rc)
		goto no_memory;
	rc = wanted_number(b->members, b->n_members, b->facts, err);
	if (rc)
		return rc;
	rc = allocate(b, pods, err);
	if (rc)
		return rc;
	rc = note_own(b);
	for (size_t i = 0; !rc && i < b->n_members; i++)
		rc = add_member(b, &b->members[i]);
	if (!rc)
		rc = wanted_notes_end(&b->notes);
	if (rc)
		goto no_memory;
	add_clusters(b);
	if (pods)
		add_pods(b, pods);
	if (!w->device_mtu)
		w->device_mtu = b->facts->underlay_mtu - MIN(b->facts->underlay_mtu,
							     (uint32_t)XM_OVERHEAD_V4);
	fill_config(b);
	sort_tables(w);
	wanted_kernel_end(b);
	return wanted_plens(w->routes, w->n_routes, b->facts, &w->config, err);
no_memory:
	return err_set(err, rc, "out of memory");
}

int wanted_build(const struct mesh *mesh, const struct facts *facts, const struct pods *pods,
		 struct wanted **ret_wanted, struct err *err)
{
	struct wanted_builder b = { .mesh = mesh, .facts = facts };
	int rc;

	b.wanted = calloc(1, sizeof(*b.wanted));
	if (!b.wanted)
		return err_set(err, -ENOMEM, "out of memory");
	b.notes.wanted = b.wanted;
	rc = build(&b, pods, err);
	free(b.members);
	if (rc) {
		wanted_free(b.wanted);
		return rc;
	}
	*ret_wanted = b.wanted;
	return 0;
}

void wanted_free(struct wanted *wanted)
{
	if (!wanted)
		return;
	for (size_t i = 0; i < wanted->n_notes; i++)
		free(wanted->notes[i]);
	free(wanted->notes);
	free(wanted->routes);
	free(wanted->nodes);
	free(wanted->names);
	free(wanted->clusters);
	free(wanted->paths);
	free(wanted->pods);
	free(wanted->ifaces);
	free(wanted->kroutes);
	free(wanted->kneighs);
	free(wanted->krules);
	free(wanted);
}
