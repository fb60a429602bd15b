/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The services half of a turn: the mesh's services merged (model/services.h) over the nodes as a whole
 * turn numbered them, and brought into the maps (plane/balance.h). Not for: when; sockets on cgroups
 * and interfaces.
 */
#ifndef XMESH_AGENT_BALANCER_H
#define XMESH_AGENT_BALANCER_H

#include "agent/nearset.h"
#include "agent/notes.h"
#include "agent/prober.h"
#include "core/err.h"
#include "model/services.h"
#include "model/wanted.h"
#include "net/destroy.h"
#include "plane/plane.h"

struct balancer;

/*
 * Adopt what is pinned. @plane is borrowed; NULL: a dry run with nothing pinned. @dry_run: nothing is
 * written. Errors of balance_new().
 */
int balancer_new(const struct plane *plane, bool dry_run, struct balancer **ret_balancer, struct err *err);
void balancer_free(struct balancer *balancer);

/* Who tells how nodes are; NULL (as before the first call): nobody knows. */
void balancer_set_health(struct balancer *balancer, enum node_health (*health)(void *user, uint32_t number),
			 void *user);
/* The nodes of a whole turn, numbered. @own: our own tunnel endpoint. -ENOMEM. */
int balancer_set_nodes(struct balancer *balancer, const struct wanted *wanted, const struct xm_addr *own);

struct balancer_result {
	size_t services, ops;         /* as of balance_sync() */
	/* What connections must leave; the caller frees. */
	struct destroy_target *lost; size_t n_lost;
};

/*
 * Merge and write; with dry_run, sentences on what would be written go to @lines. @stale: for each
 * cluster of @mesh, NULL = none. @notes gets those of services_notes(). Errors of services_update() and
 * balance_sync(): what fitted is there, the next call goes on. balancer_result_done() releases.
 */
int balancer_run(struct balancer *balancer, const struct mesh *mesh, const bool *stale, struct notes *notes,
		 struct notes *lines, struct balancer_result *ret_result, struct err *err);
void balancer_result_done(struct balancer_result *result);

/* Its weights are what the next run takes; as pinned state had them at first. */
struct nearset *balancer_nearset(struct balancer *balancer);
/* Of the last run. */
const struct services *balancer_services(const struct balancer *balancer);
/* 0 before nodes are set. */
uint16_t balancer_own_cluster(const struct balancer *balancer);
/* The cluster of each node by its number, 0 = no such node. @clusters: [XM_MAX_NODES + 1]. */
void balancer_node_clusters(const struct balancer *balancer, uint16_t *clusters);

bool balancer_has_edge(const struct balancer *balancer);
bool balancer_has_services(const struct balancer *balancer);
/* Until the next grace period ends, 0 = nothing waits. */
uint64_t balancer_wait_s(const struct balancer *balancer);

/* "west/west-1" for people, or NULL: no such node. @buf is returned. */
const char *balancer_node_text(const struct balancer *balancer, const struct config *config, uint32_t number,
			       char *buf, size_t size);

/* Look which nodes carry traffic; counts for a minute. */
void balancer_look_at_traffic(struct balancer *balancer);
/*
 * Nodes to ask for a sign of life: other nodes that back services or carry traffic. The caller frees. What pinned
 * state knew of nodes that are down is handed over with the first call.
 */
int balancer_probe_nodes(struct balancer *balancer, struct prober_node **ret_nodes, size_t *ret_n);

struct balancer_counts { size_t services, frontends, backends, slots_used; };

/* slots_used is read from the maps; 0 when that fails. */
struct balancer_counts balancer_count(const struct balancer *balancer);

#endif
