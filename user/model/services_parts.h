/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Inside of model/services*.c: what is shared between its parts. Not for: anyone else. */
#ifndef XMESH_MODEL_SERVICES_PARTS_H
#define XMESH_MODEL_SERVICES_PARTS_H

#include "model/services.h"

/* ---- services_env.c: nodes and prefixes, copied so that they outlive the call ---- */

struct env_node {
	size_t cluster; /* index into mesh->clusters */
	char *name;
	uint32_t number;
	struct xm_addr outer;
	enum node_health health;
	bool own;
};

struct env_prefix {
	struct xm_prefix prefix;
	const struct env_node *node; /* NULL: has no number */
};

struct env {
	uint64_t digest, clusters_digest;
	size_t n_clusters;
	uint16_t *ids;
	char (*names)[64];
	bool *stale;
	struct env_node *nodes;      size_t n_nodes;    /* sorted by (cluster, name) */
	struct env_prefix *prefixes; size_t n_prefixes; /* sorted by address */
	struct xm_addr *addrs;       size_t n_addrs;    /* of all nodes, sorted */
};

uint64_t env_digest(const struct services_input *input);
int env_new(const struct services_input *input, struct env **ret_env);
void env_free(struct env *env);
/* By name; without one, by the prefix that holds @addr. NULL: not known. */
const struct env_node *env_node(const struct env *env, size_t cluster, const char *name,
				const struct xm_addr *addr);
bool env_is_node_addr(const struct env *env, const struct xm_addr *addr);
bool env_in_prefix(const struct env *env, const struct xm_addr *addr);

/* ---- services_merge.c: the objects of one name into a struct service ---- */

struct merged {
	struct service service;      /* without version */
	char **notes; size_t n_notes;
};

/* @objects[i]: of mesh->clusters[i], or NULL. *ret_merged is empty (no pools) when nothing is global. */
int merge_service(const struct env *env, const struct mesh *mesh,
		  const struct service_object *const *objects, const struct nearest *nearest,
		  struct merged *ret_merged);
void merged_done(struct merged *merged);
void service_done(struct service *service);
bool service_equal(const struct service *a, const struct service *b);

/* ---- services_choose.c: states, tiers and weights ---- */

struct candidate {
	struct service_backend b;
	size_t cluster;              /* index */
	const struct env_node *node; /* NULL: not known */
	uint8_t rank;                /* 0 ready, 1 serving while terminating, 2 not ready, 3 terminating */
	bool shared, host_network, sctp_port, stale;
	uint32_t weight;             /* of the last choose(); 0 = not chosen */
};

struct group { uint32_t port_name; uint8_t proto; bool v4; };

/*
 * Set .weight of those that new connections of @group go to (@nearest may be NULL); with @edge only those that a node can
 * stand for. Without @edge, .b.state and .b.why too.
 */
void choose(const struct env *env, const struct service_object *policy, const struct nearest *nearest,
	    const struct group *group, struct candidate *c, size_t n, bool edge, uint32_t *scratch);
/* Words of @scratch. */
size_t choose_scratch(const struct env *env);
bool choose_matches(const struct group *group, const struct candidate *c);
/* Does nearest decide? Weights that are given win. */
static inline bool choose_is_nearest(const struct service_object *policy)
{
	return policy && policy->nearest && !policy->n_weights;
}

/* ---- services.c: what is kept from turn to turn ---- */

#define NOT_THERE UINT32_MAX

/* A name that some cluster has, global or not. */
struct entry {
	char space[64], name[64];
	struct service service;  /* as published; no pools = not global anywhere */
	char **notes; size_t n_notes;
	struct merged next;      /* with dirty: what it becomes */
	struct xm_service_key *lost; size_t n_lost; /* VIPs that another service has */
	bool dirty, merged;
	uint64_t nearest;        /* digest of the weights that it was merged with */
	uint32_t *at;            /* index into each cluster's services, NOT_THERE */
};

struct seen { uint64_t digest; struct entry *entry; };

struct services {
	struct env *env;
	struct entry **entries; size_t n_entries; /* sorted by (space, name) */
	struct seen **seen;      /* per cluster, in the order of its snapshot */
	size_t *n_seen;
	uint64_t *digests;       /* of each cluster's services */
	size_t n_clusters;
	bool whole;              /* the next update looks at everything */
	const struct service **list; size_t n_list;
	const struct service **changed; size_t n_changed; /* by the last update */
	uint64_t updates;        /* ends of links: services_changes() */
	bool listed;             /* the last update changed who is in list */
	const char **notes;      size_t n_notes;
	uint32_t *nodes;         size_t n_nodes;
	uint32_t *refs;          /* [XM_MAX_NODES + 1] backends on each node */
	uint64_t version;
	size_t n_frontends, n_backends, n_edge, n_lost;
	/* Of the running update. */
	const struct service_nearest *nearest; size_t n_nearest;
	struct entry **dirty; size_t n_dirty;
};

/* @entry is to be looked at in the running update. -ENOMEM. */
int services_mark(struct services *services, struct entry *entry);
/* Make @entry->next. -ENOMEM. */
int services_merge(struct services *services, const struct mesh *mesh, struct env *env,
		   struct entry *entry);

/* ---- services_claims.c: VIPs that two services claim ---- */

/* True when the VIPs that a merged entry claims are others than before. */
bool services_claims_changed(const struct entry *entry);
/* Give every VIP to the first service by name. Those that lost or get back one are merged anew. */
int services_settle(struct services *services, const struct mesh *mesh, struct env *env);
/* Take the VIPs that @entry lost out of @entry->next. */
void services_drop_lost(struct entry *entry);

#endif
