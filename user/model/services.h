/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Global services: the Services of all clusters merged by namespace/name (namespace sameness), with
 * every backend's state, and which of them new connections go to. Pure. How the result gets into the
 * maps: plane/balance.h. Kept from turn to turn, so that a change costs what changed.
 */
#ifndef XMESH_MODEL_SERVICES_H
#define XMESH_MODEL_SERVICES_H

#include "core/err.h"
#include "model/mesh.h"
#include "model/nearest.h"
#include "xmesh/service.h"

enum node_health { NODE_UNKNOWN, NODE_UP, NODE_DOWN };

/* A node of the mesh as services see it. */
struct service_node {
	uint16_t cluster;
	const char *name;
	uint32_t number;             /* as in xm_node_names */
	struct xm_addr outer;        /* its tunnel endpoint; zero = none */
	enum node_health health;
	bool own;                    /* this very node */
};

/* Weights by round trips of the service of that name. */
struct service_nearest {
	const char *space, *name;
	const struct nearest *nearest;
};

/* What decides beside the snapshots. All borrowed for the call. */
struct services_input {
	const struct mesh *mesh;
	const struct service_node *nodes; /* sorted by (cluster, name) */
	size_t n_nodes;
	const bool *stale;           /* [mesh->n_clusters]: the feed is older than stale_after */
	const struct service_nearest *nearest; /* sorted by (space, name); others: all equally near */
	size_t n_nearest;
};

struct service_backend {
	struct xm_addr addr;
	uint16_t port;               /* host order; 0 = the frontend's own */
	uint8_t proto;
	uint32_t port_name;
	uint16_t cluster;
	uint32_t node;               /* 0 = not known */
	uint8_t state;               /* enum xm_backend_state, as clients of our own cluster see it */
	uint8_t why;                 /* enum xm_backend_why */
	uint8_t flags;               /* XM_BACKEND_IS_* */
};

struct service_target {
	uint32_t backend;            /* index into service->backends */
	uint32_t weight;             /* relative within its pool, > 0; sums stay below 2^31 */
};

/*
 * One choice that new connections have: of one port, family and scope. All frontends of a pool share
 * one slice. No targets: refuse. Targets are sorted by (addr, port) of their backend, so that every
 * node of a cluster makes the same slice of it.
 */
struct service_pool {
	uint8_t scope;               /* enum xm_scope */
	struct service_target *targets; size_t n_targets;
	struct service_frontend { struct xm_service_key key; uint8_t kind; } *frontends;
	size_t n_frontends;
};

struct service {
	char space[64], name[64];
	uint64_t version;            /* another one whenever anything here changed */
	/*
	 * As in force, for people and for a restart; cut with "..." when longer. weights of a nearest one:
	 * policy_format_nearest() of what new connections are weighed by.
	 */
	char prefer[128], weights[128];
	bool nearest;                /* weighed by services_input.nearest */
	uint32_t affinity_s;
	struct service_backend *backends; size_t n_backends; /* sorted by (flags & NODE, addr, port, proto, port_name) */
	struct service_pool *pools;  size_t n_pools;
};

struct services;

int services_new(struct services **ret_services);
void services_free(struct services *services);

/*
 * Merge anew what changed against the call before: services whose digest, nodes, health, stale
 * marks or nearest weights did. Installed are:
 *  CLIENT  own-cluster frontends (ClusterIPs, clusterset IPs, externalIPs, LoadBalancer ingress) of
 *          services that are global in our own cluster, or imported there;
 *  EDGE    own-cluster externalIPs and ingress IPs of those: targets are nodes (XM_BACKEND_IS_NODE),
 *          weight = the sum of their backends';
 *  NODE    externalIPs and ingress IPs of every cluster (ours too) that has this service global, key.cluster =
 *          that cluster: targets are this node's own backends that are pods.
 * Backends: endpoints of every cluster where the service is global and (for other clusters') shared.
 * Used for new connections, the first of these that is not empty: ready; ready but stale; serving and
 * terminating. Within it, the first tier of prefer that is not empty; within that, clusters with weights
 * (share of a cluster = its weight, spread evenly over its backends), those that weights does not
 * name only when the named ones have none, those of weight 0 never; or with nearest and no weights,
 * clusters by nearest_weight(). A node that is DOWN has none;
 * UNKNOWN counts as up. The same (addr, port) in two slices: ready wins. A slice port of 0 (null)
 * serves every port of its protocol, unchanged.
 * @ret_notes (may be NULL): sentences on what is left out and why (a VIP that two services claim: the
 * first by name has it; a VIP inside a prefix of the mesh or that is a node's address; headless).
 * -ENOSPC with a sentence: XM_MAX_SERVICES, XM_MAX_FRONTENDS, XM_MAX_BACKENDS. -ENOMEM. On an error
 * everything is as before.
 */
int services_update(struct services *services, const struct services_input *input, struct err *err);

/* Sorted by (space, name); valid until the next update. */
const struct service *const *services_list(const struct services *services, size_t *ret_n);
/*
 * What the last update changed, as a link of a chain: @from is where the update before it ended (0:
 * the first), @to where it ended itself. Who is at @from needs to look at @items only (none of them
 * came or went); who is elsewhere has missed an update and must look at the whole list.
 */
struct services_changes {
	uint64_t from, to;
	bool listed;                 /* some came or went: look at the whole list */
	const struct service *const *items; size_t n;
};
struct services_changes services_changes(const struct services *services);
/* Of the last update. */
const char *const *services_notes(const struct services *services, size_t *ret_n);
/* Numbers of nodes that back a service as ACTIVE, STANDBY or DRAINING, or would but are DOWN; sorted. */
const uint32_t *services_nodes(const struct services *services, size_t *ret_n);
/* True when any EDGE frontend exists: what XDP is for. */
bool services_have_edge(const struct services *services);

#endif
