/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The objects of one namespace and name, of all clusters, into one service with its backends and
 * pools. Not for: VIPs that two services claim (services.c).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "core/addr.h"
#include "core/defs.h"
#include "core/vec.h"
#include "model/policy.h"
#include "model/services_parts.h"

struct pool {
	struct service_pool p;
	struct group group;
};

struct work {
	const struct env *env;
	const struct mesh *mesh;
	const struct service_object *const *objects;
	const struct service_object *own; /* NULL, or ours with frontends for clients */
	const struct nearest *nearest;    /* NULL: nothing was measured */
	struct pool *pools;       size_t n_pools;
	struct candidate *c;      size_t n_c;
	struct service_backend *nodes; size_t n_nodes; /* targets of EDGE */
	struct merged *out;
};

void service_done(struct service *s)
{
	for (size_t i = 0; i < s->n_pools; i++) {
		free(s->pools[i].targets);
		free(s->pools[i].frontends);
	}
	free(s->pools);
	free(s->backends);
	memset(s, 0, sizeof(*s));
}

void merged_done(struct merged *m)
{
	service_done(&m->service);
	vec_free_notes(m->notes, m->n_notes);
	memset(m, 0, sizeof(*m));
}

static bool same_backend(const struct service_backend *a, const struct service_backend *b)
{
	return xm_addr_eq(&a->addr, &b->addr) && a->port == b->port && a->proto == b->proto &&
	       a->port_name == b->port_name && a->cluster == b->cluster && a->node == b->node &&
	       a->state == b->state && a->why == b->why && a->flags == b->flags;
}

static bool same_pool(const struct service_pool *a, const struct service_pool *b)
{
	if (a->scope != b->scope || a->n_targets != b->n_targets || a->n_frontends != b->n_frontends)
		return false;
	for (size_t i = 0; i < a->n_targets; i++)
		if (a->targets[i].backend != b->targets[i].backend ||
		    a->targets[i].weight != b->targets[i].weight)
			return false;
	for (size_t i = 0; i < a->n_frontends; i++)
		if (a->frontends[i].kind != b->frontends[i].kind ||
		    memcmp(&a->frontends[i].key, &b->frontends[i].key, sizeof(a->frontends[i].key)))
			return false;
	return true;
}

bool service_equal(const struct service *a, const struct service *b)
{
	if (strcmp(a->prefer, b->prefer) || strcmp(a->weights, b->weights) ||
	    a->nearest != b->nearest || a->affinity_s != b->affinity_s || a->n_backends != b->n_backends ||
	    a->n_pools != b->n_pools)
		return false;
	for (size_t i = 0; i < a->n_backends; i++)
		if (!same_backend(&a->backends[i], &b->backends[i]))
			return false;
	for (size_t i = 0; i < a->n_pools; i++)
		if (!same_pool(&a->pools[i], &b->pools[i]))
			return false;
	return true;
}

/* ---- frontends ----------------------------------------------------------------------------- */

static int pool_of(struct work *w, uint8_t scope, const struct group *g, struct pool **ret_pool)
{
	for (size_t i = 0; i < w->n_pools; i++) {
		struct pool *p = &w->pools[i];

		if (p->p.scope == scope && p->group.port_name == g->port_name &&
		    p->group.proto == g->proto && p->group.v4 == g->v4) {
			*ret_pool = p;
			return 0;
		}
	}
	if (vec_grow(&w->pools, w->n_pools, sizeof(*w->pools)))
		return -ENOMEM;
	w->pools[w->n_pools] = (struct pool){ .p.scope = scope, .group = *g };
	*ret_pool = &w->pools[w->n_pools++];
	return 0;
}

static int add_frontends(struct work *w, uint8_t scope, size_t cluster, const struct vip_object *vip)
{
	const struct service_object *o = w->objects[cluster];

	for (size_t i = 0; i < o->n_ports; i++) {
		const struct port_object *port = &o->ports[i];
		struct group g = { port->name, port->proto, xm_addr_is_v4(&vip->addr) };
		struct service_frontend f = {
			.key = { .addr = vip->addr, .port = htons(port->port), .proto = port->proto,
				 .scope = scope, .cluster = w->env->ids[cluster] },
			.kind = vip->kind,
		};
		struct pool *p;

		if (pool_of(w, scope, &g, &p) ||
		    vec_grow(&p->p.frontends, p->p.n_frontends, sizeof(f)))
			return -ENOMEM;
		p->p.frontends[p->p.n_frontends++] = f;
	}
	return 0;
}

/* False, with a note, for an address that means something else already. */
static int check_vip(struct work *w, size_t cluster, const struct vip_object *vip, bool *ret_ok)
{
	const struct service_object *o = w->objects[cluster];
	const char *what = env_in_prefix(w->env, &vip->addr) ? "lies in a prefix of the mesh" :
			   env_is_node_addr(w->env, &vip->addr) ? "is the address of a node" : NULL;
	char buf[ADDR_TEXT_MAX];

	*ret_ok = !what;
	return what ? vec_note(&w->out->notes, &w->out->n_notes,
			       "service %s/%s of cluster %s: %s %s and cannot be a virtual address: "
			       "left out", o->space, o->name, w->env->names[cluster],
			       addr_format(&vip->addr, buf), what)
		    : 0;
}

static bool is_external(const struct vip_object *vip)
{
	return vip->kind == XM_VIP_EXTERNAL_IP || vip->kind == XM_VIP_LOAD_BALANCER;
}

static int add_vips(struct work *w, size_t cluster)
{
	const struct service_object *o = w->objects[cluster], *ours = w->objects[0];
	/* What we do not share is nothing that another cluster's entry node may ask for. */
	bool node = o->global && (!cluster || !ours || !ours->global || ours->shared);
	int rc = 0;

	for (size_t i = 0; !rc && i < o->n_vips; i++) {
		const struct vip_object *vip = &o->vips[i];
		bool client = !cluster && (o->global || vip->kind == XM_VIP_CLUSTERSET_IP);
		bool ok;

		if (!client && !(node && is_external(vip)))
			continue;
		rc = check_vip(w, cluster, vip, &ok);
		if (rc || !ok)
			continue;
		if (client)
			rc = add_frontends(w, XM_SCOPE_CLIENT, cluster, vip);
		if (!rc && client && is_external(vip))
			rc = add_frontends(w, XM_SCOPE_EDGE, cluster, vip);
		if (!rc && node && is_external(vip))
			rc = add_frontends(w, XM_SCOPE_NODE, cluster, vip);
	}
	return rc;
}

/* ---- backends ------------------------------------------------------------------------------ */

/* SCTP's checksum covers the ports, and nothing in the kernel would compute it anew. */
static bool port_differs(const struct work *w, const struct group *g, uint16_t port)
{
	for (size_t i = 0; i < w->n_pools; i++) {
		const struct pool *p = &w->pools[i];

		if (p->group.port_name != g->port_name || p->group.proto != g->proto ||
		    p->group.v4 != g->v4)
			continue;
		for (size_t k = 0; k < p->p.n_frontends; k++)
			if (p->p.frontends[k].key.port != htons(port))
				return true;
	}
	return false;
}

/* A slice port of 0 serves every port of its protocol: one backend per name that is asked for. */
static int add_candidates(struct work *w, size_t cluster, const struct endpoint_object *e,
			  const struct port_object *port)
{
	bool v4 = xm_addr_is_v4(&e->addr);
	uint32_t done[SNAPSHOT_MAX_PORTS];
	size_t n_done = 0;

	for (size_t i = 0; i < w->n_pools; i++) {
		struct group g = w->pools[i].group;
		struct candidate *c;
		bool seen = false;

		if (g.proto != port->proto || g.v4 != v4 || (port->port && g.port_name != port->name))
			continue;
		for (size_t k = 0; k < n_done; k++)
			seen |= done[k] == g.port_name;
		if (seen || n_done == ARRAY_SIZE(done))
			continue;
		done[n_done++] = g.port_name;
		if (vec_grow(&w->c, w->n_c, sizeof(*w->c)))
			return -ENOMEM;
		c = &w->c[w->n_c++];
		*c = (struct candidate){
			.cluster = cluster,
			.node = env_node(w->env, cluster, e->node, &e->addr),
			.rank = e->terminating ? (e->serving ? 1 : 3) : e->ready ? 0 : 2,
			.shared = !cluster || w->objects[cluster]->shared,
			.stale = w->env->stale[cluster],
			.host_network = env_is_node_addr(w->env, &e->addr),
			.sctp_port = port->proto == IPPROTO_SCTP && port->port &&
				     port_differs(w, &g, port->port),
			.b = { .addr = e->addr, .port = port->port, .proto = port->proto,
			       .port_name = g.port_name, .cluster = w->env->ids[cluster] },
		};
		if (c->node) {
			c->b.node = c->node->number;
			c->b.flags = c->node->own ? XM_BACKEND_IS_LOCAL : 0;
		}
	}
	return 0;
}

static int order_candidates(const void *va, const void *vb)
{
	const struct candidate *a = va, *b = vb;
	int diff = memcmp(&a->b.addr, &b->b.addr, sizeof(a->b.addr));

	if (!diff)
		diff = (a->b.port > b->b.port) - (a->b.port < b->b.port);
	if (!diff)
		diff = a->b.proto - b->b.proto;
	if (!diff)
		diff = (a->b.port_name > b->b.port_name) - (a->b.port_name < b->b.port_name);
	if (!diff)
		diff = a->rank - b->rank;
	if (!diff)
		diff = (a->cluster > b->cluster) - (a->cluster < b->cluster);
	return diff ? diff : (a->b.node > b->b.node) - (a->b.node < b->b.node);
}

static bool same_place(const struct candidate *a, const struct candidate *b)
{
	return xm_addr_eq(&a->b.addr, &b->b.addr) && a->b.port == b->b.port &&
	       a->b.proto == b->b.proto && a->b.port_name == b->b.port_name;
}

static int add_backends(struct work *w)
{
	size_t kept = 0;

	for (size_t c = 0; w->own && c < w->env->n_clusters; c++) {
		const struct service_object *o = w->objects[c];
		const struct snapshot *s = w->mesh->clusters[c].snapshot;

		for (size_t i = 0; o && o->global && i < o->n_slices; i++) {
			const struct slice_object *slice = &s->slices[o->first_slice + i];

			for (size_t k = 0; k < slice->n_endpoints * slice->n_ports; k++)
				if (add_candidates(w, c, &slice->endpoints[k / slice->n_ports],
						   &slice->ports[k % slice->n_ports]))
					return -ENOMEM;
		}
	}
	if (w->n_c)
		qsort(w->c, w->n_c, sizeof(*w->c), order_candidates);
	for (size_t i = 0; i < w->n_c; i++)
		if (!kept || !same_place(&w->c[kept - 1], &w->c[i]))
			w->c[kept++] = w->c[i];
	w->n_c = kept;
	return 0;
}

/* ---- targets ------------------------------------------------------------------------------- */

static int add_target(struct service_pool *p, size_t backend, uint32_t weight)
{
	if (vec_grow(&p->targets, p->n_targets, sizeof(*p->targets)))
		return -ENOMEM;
	p->targets[p->n_targets++] = (struct service_target){ .backend = backend, .weight = weight };
	return 0;
}

static int order_backends(const void *va, const void *vb)
{
	const struct service_backend *a = va, *b = vb;

	return memcmp(&a->addr, &b->addr, sizeof(a->addr));
}

/* How much a state tells for the node that has such a backend. */
static int merit(uint8_t state)
{
	return state == XM_BACKEND_ACTIVE ? 3 : state == XM_BACKEND_STANDBY ? 2 :
	       state == XM_BACKEND_DRAINING ? 1 : 0;
}

/* Every node that has a pod of it, also one that is none of the targets: flows stay with it. */
static int add_nodes(struct work *w)
{
	size_t kept = 0;

	for (size_t i = 0; i < w->n_c; i++) {
		const struct candidate *c = &w->c[i];
		struct service_backend b = { .flags = XM_BACKEND_IS_NODE | c->b.flags,
					     .cluster = c->b.cluster, .node = c->b.node,
					     .state = c->b.state, .why = c->b.why };

		if (c->host_network || !c->node || xm_addr_is_zero(&c->node->outer))
			continue;
		b.addr = c->node->outer;
		if (b.state == XM_BACKEND_ACTIVE)
			b.state = XM_BACKEND_STANDBY; /* until an EDGE pool says otherwise */
		if (vec_grow(&w->nodes, w->n_nodes, sizeof(b)))
			return -ENOMEM;
		w->nodes[w->n_nodes++] = b;
	}
	if (w->n_nodes)
		qsort(w->nodes, w->n_nodes, sizeof(*w->nodes), order_backends);
	for (size_t i = 0; i < w->n_nodes; i++) {
		if (!kept || !xm_addr_eq(&w->nodes[kept - 1].addr, &w->nodes[i].addr)) {
			w->nodes[kept++] = w->nodes[i];
		} else {
			struct service_backend *b = &w->nodes[kept - 1], *o = &w->nodes[i];
			int diff = merit(o->state) - merit(b->state);

			/* The lowest why of the best state: one answer, whatever the order. */
			if (diff > 0 || (!diff && o->why < b->why)) {
				b->state = o->state;
				b->why = o->why;
			}
		}
	}
	w->n_nodes = kept;
	return 0;
}

static int edge_targets(struct work *w, struct pool *p)
{
	for (size_t i = 0; i < w->n_nodes; i++) {
		uint32_t sum = 0;

		for (size_t k = 0; k < w->n_c; k++) {
			const struct candidate *c = &w->c[k];

			if (!c->weight || !xm_addr_eq(&c->node->outer, &w->nodes[i].addr))
				continue;
			if (!sum || c->b.why < w->nodes[i].why)
				w->nodes[i].why = c->b.state == XM_BACKEND_ACTIVE ? c->b.why :
							XM_WHY_READY;
			sum += c->weight;
		}
		if (!sum)
			continue;
		w->nodes[i].state = XM_BACKEND_ACTIVE;
		if (add_target(&p->p, w->n_c + i, sum))
			return -ENOMEM;
	}
	return 0;
}

/* Whom this node has: the entry node's cluster has chosen the node already. */
static int node_targets(struct work *w, struct pool *p)
{
	uint8_t best = 2;

	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < w->n_c; i++) {
			const struct candidate *c = &w->c[i];

			if (!choose_matches(&p->group, c) || !(c->b.flags & XM_BACKEND_IS_LOCAL) ||
			    c->host_network || c->sctp_port || c->rank > 1)
				continue;
			if (!pass)
				best = MIN(best, c->rank);
			else if (c->rank == best && add_target(&p->p, i, 1))
				return -ENOMEM;
		}
	}
	return 0;
}

static int add_targets(struct work *w)
{
	auto_free uint32_t *scratch = calloc(choose_scratch(w->env), sizeof(*scratch));
	bool edge = false;
	int rc = 0;

	if (!scratch)
		return -ENOMEM;
	/* States first, as clients see them: those of nodes follow. */
	for (size_t i = 0; !rc && i < w->n_pools; i++) {
		struct pool *p = &w->pools[i];

		edge |= p->p.scope == XM_SCOPE_EDGE;
		if (p->p.scope == XM_SCOPE_EDGE)
			continue;
		choose(w->env, w->own, w->nearest, &p->group, w->c, w->n_c, false, scratch);
		for (size_t k = 0; !rc && p->p.scope == XM_SCOPE_CLIENT && k < w->n_c; k++)
			if (w->c[k].weight)
				rc = add_target(&p->p, k, w->c[k].weight);
		if (!rc && p->p.scope == XM_SCOPE_NODE)
			rc = node_targets(w, p);
	}
	if (!rc && edge)
		rc = add_nodes(w);
	for (size_t i = 0; !rc && i < w->n_pools; i++) {
		if (w->pools[i].p.scope != XM_SCOPE_EDGE)
			continue;
		choose(w->env, w->own, w->nearest, &w->pools[i].group, w->c, w->n_c, true, scratch);
		rc = edge_targets(w, &w->pools[i]);
	}
	return rc;
}

/* ---- all together -------------------------------------------------------------------------- */

static int note_policy(struct work *w)
{
	const struct service_object *o = w->own;
	int rc = 0;

	for (size_t i = 0; !rc && i < o->n_prefer + o->n_weights; i++) {
		bool prefer = i < o->n_prefer, known = false;
		const char *name = prefer ? o->prefer[i] : o->weights[i - o->n_prefer].cluster;

		known = prefer && (!strcmp(name, "*") || !strcmp(name, "local"));
		for (size_t c = 0; c < w->env->n_clusters; c++)
			known |= !strcmp(name, w->env->names[c]);
		if (!known)
			rc = vec_note(&w->out->notes, &w->out->n_notes,
				      "service %s/%s: xmesh.io/%s names %s, which is no cluster of this "
				      "configuration", o->space, o->name,
				      prefer ? "prefer" : "weights", name);
	}
	if (!rc && o->nearest && o->n_weights)
		rc = vec_note(&w->out->notes, &w->out->n_notes,
			      "service %s/%s: xmesh.io/nearest is not in force, for xmesh.io/weights is there: "
			      "take one of them away", o->space, o->name);
	if (!rc && o->global && o->headless && !o->n_vips)
		rc = vec_note(&w->out->notes, &w->out->n_notes,
			      "service %s/%s is headless: its pods are reached by their own addresses, "
			      "there is nothing to choose", o->space, o->name);
	return rc;
}

/* What the clusters that get new connections are weighed by. */
static int tell_nearest(const struct work *w, struct service *s)
{
	auto_free struct weight_object *weights = calloc(w->env->n_clusters, sizeof(*weights));
	size_t n = 0;

	if (!weights)
		return -ENOMEM;
	for (size_t k = 0; k < w->env->n_clusters; k++) {
		bool active = false;

		for (size_t i = 0; i < w->n_c; i++)
			active |= w->c[i].cluster == k && w->c[i].b.state == XM_BACKEND_ACTIVE;
		if (!active)
			continue;
		snprintf(weights[n].cluster, sizeof(weights[n].cluster), "%s", w->env->names[k]);
		weights[n++].weight = nearest_weight(w->nearest, w->env->ids[k]);
	}
	policy_format_nearest(weights, n, s->weights, sizeof(s->weights));
	s->nearest = true;
	return 0;
}

static int hand_over(struct work *w, const struct service_object *any)
{
	struct service *s = &w->out->service;

	snprintf(s->space, sizeof(s->space), "%s", any->space);
	snprintf(s->name, sizeof(s->name), "%s", any->name);
	if (w->own) {
		policy_format_prefer(w->own, s->prefer, sizeof(s->prefer));
		policy_format_weights(w->own, s->weights, sizeof(s->weights));
		s->affinity_s = w->own->affinity_s;
	}
	if (choose_is_nearest(w->own) && tell_nearest(w, s))
		return -ENOMEM;
	s->backends = calloc(w->n_c + w->n_nodes + 1, sizeof(*s->backends));
	s->pools = calloc(w->n_pools + 1, sizeof(*s->pools));
	if (!s->backends || !s->pools)
		return -ENOMEM;
	for (size_t i = 0; i < w->n_c; i++)
		s->backends[s->n_backends++] = w->c[i].b;
	for (size_t i = 0; i < w->n_nodes; i++)
		s->backends[s->n_backends++] = w->nodes[i];
	for (size_t i = 0; i < w->n_pools; i++)
		s->pools[s->n_pools++] = w->pools[i].p;
	w->n_pools = 0; /* their arrays have gone over */
	return 0;
}

int merge_service(const struct env *env, const struct mesh *mesh,
		  const struct service_object *const *objects, const struct nearest *nearest,
		  struct merged *ret_merged)
{
	struct merged out = {};
	struct work w = { .env = env, .mesh = mesh, .objects = objects, .nearest = nearest, .out = &out };
	const struct service_object *any = NULL;
	int rc = 0;

	if (objects[0] && (objects[0]->global || objects[0]->imported))
		w.own = objects[0];
	for (size_t c = 0; !rc && c < env->n_clusters; c++) {
		if (!objects[c])
			continue;
		any = any ? any : objects[c];
		rc = add_vips(&w, c);
	}
	if (!rc && w.own)
		rc = note_policy(&w);
	if (!rc && w.n_pools)
		rc = add_backends(&w);
	if (!rc && w.n_pools)
		rc = add_targets(&w);
	if (!rc && w.n_pools)
		rc = hand_over(&w, any);
	for (size_t i = 0; i < w.n_pools; i++) {
		free(w.pools[i].p.targets);
		free(w.pools[i].p.frontends);
	}
	free(w.pools);
	free(w.c);
	free(w.nodes);
	if (rc)
		merged_done(&out);
	else
		*ret_merged = out;
	return rc;
}
