/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the files behind model/wanted.h share. Not for: anyone but wanted*.c. */
#ifndef XMESH_MODEL_WANTED_PARTS_H
#define XMESH_MODEL_WANTED_PARTS_H

#include "core/addr.h"
#include "model/wanted.h"

/* A node of the mesh with its number; object is NULL for our own when its feed lacks it. */
struct wanted_member {
	const struct mesh_cluster *cluster;
	const struct node_object *object;
	const char *name;
	uint32_t number;
	uint32_t pmtu; /* of facts->numbers */
	bool own;
	__u8 vtep_mac[6];
};

/*
 * Give every member a number from 1 to XM_MAX_NODES - 1: the one in facts->numbers if it has one,
 * else one that no name there bears, so that counters of a node that left are not continued by
 * another, unless all are taken. -ENOSPC, -ENOMEM with sentences.
 */
int wanted_number(struct wanted_member *members, size_t n_members, const struct facts *facts,
		  struct err *err);

/*
 * Fill config->plen and n_plen for @routes: a length in use keeps its slot of facts->plens.
 * -ENOSPC with a sentence: more than XM_MAX_PLENS lengths of a family.
 */
int wanted_plens(const struct wanted_route *routes, size_t n_routes, const struct facts *facts,
		 struct xm_config *config, struct err *err);

/*
 * Add a sentence; beyond a hundred they are only counted. wanted_notes_end() adds how many those
 * were. -ENOMEM.
 */
struct wanted_notes {
	struct wanted *wanted;
	size_t n_more;
};

int wanted_note(struct wanted_notes *notes, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
int wanted_notes_end(struct wanted_notes *notes);

struct wanted_builder {
	const struct mesh *mesh;
	const struct facts *facts;
	struct wanted *wanted;
	struct wanted_member *members;
	size_t n_members;
	const struct wanted_member *own;
	size_t n_cidrs;
	struct wanted_notes notes;
	bool quiet; /* a node left out is no news: wanted_left_out() notes nothing */
};

/* How a node is reached for prefixes of one mode and family; path NULL = it is not. */
struct wanted_reach {
	struct xm_addr outer;
	const struct fact_path *path;
	uint32_t mtu;
};

/* The address of that family; zero = none. */
static inline const struct xm_addr *wanted_own_addr(const struct facts *facts, bool v4)
{
	return v4 ? &facts->addr4 : &facts->addr6;
}

static inline const struct xm_addr *wanted_node_addr(const struct node_object *node, bool v4)
{
	return v4 ? &node->addr4 : &node->addr6;
}

/* Outer family: as configured, auto = IPv4 when both have it. False: there is no common one. */
bool wanted_family(const struct wanted_builder *b, const struct node_object *node, bool *ret_v4);
/* The note that a node gets no route. -ENOMEM. */
int wanted_left_out(struct wanted_builder *b, const struct wanted_member *m, const char *why);
/* Fill *ret_reach, or leave it and note why. -ENOMEM. */
int wanted_reach_tunnel(struct wanted_builder *b, const struct wanted_member *m,
			struct wanted_reach *ret_reach);
int wanted_reach_native(struct wanted_builder *b, const struct wanted_member *m, bool v4,
			struct wanted_reach *ret_reach);

/*
 * The kernel's own tables. wanted_kernel_allocate() comes first (-ENOMEM); then a route for a
 * prefix, where there is xmesh0 and, native, where the node is on the link; one for a node's
 * address, for pods alone; wanted_kernel_end() adds the rules and sorts.
 */
int wanted_kernel_allocate(struct wanted_builder *b);
void wanted_kroute(struct wanted_builder *b, const struct wanted_member *m,
		   const struct xm_prefix *prefix, bool tunnel, const struct wanted_reach *reach);
void wanted_kroute_of_pods(struct wanted_builder *b, const struct wanted_member *m,
			   const struct xm_addr *addr, const struct wanted_reach *reach);
void wanted_kernel_end(struct wanted_builder *b);

#endif
