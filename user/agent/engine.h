/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One turn of the reconciler, shared by the agent, `apply` and `attach`: facts from the kernel,
 * wanted tables from the mesh, plan, apply, kernel tables, attachments. Holds what a turn needs,
 * decides nothing about when.
 */
#ifndef XMESH_AGENT_ENGINE_H
#define XMESH_AGENT_ENGINE_H

#include "agent/balancer.h"
#include "agent/hostcheck.h"
#include "agent/notes.h"
#include "core/err.h"
#include "model/config.h"
#include "model/mesh.h"
#include "model/pods.h"
#include "model/recover.h"
#include "net/nl.h"
#include "plane/plane.h"

struct engine; /* config (borrowed), lock, nl, plane, last pods */

/*
 * Take the instance's lock (-EALREADY names the holder's pid) and load the plane. With @dry_run
 * neither: what is pinned is only read, and nothing pinned is no error.
 */
int engine_new(const struct config *config, bool dry_run, struct engine **ret_engine,
	       struct err *err);
void engine_free(struct engine *engine);
/* Another configuration of the same instance, bpffs, device and cluster; borrowed from now on. */
void engine_set_config(struct engine *engine, const struct config *config);
/* What the host check found: notes of every turn from now on, and pods.path auto. Taken over. */
void engine_set_check(struct engine *engine, struct hostcheck *check);
const struct hostcheck *engine_check(const struct engine *engine);

struct engine_turn {
	size_t map_ops, kernel_puts, kernel_deletes, attached, detached;
	size_t failures;        /* attachments that did not succeed; each has a note */
	size_t services, service_ops; /* as of balance_sync(); in a dry run services that differ */
	struct destroy_target *lost; size_t n_lost; /* sockets connected there are to end */
	uint64_t duration_ns;
	struct notes notes;     /* what status shows: left out, in the way */
	struct notes lines;     /* dry run only: what would be done, in order */
};

/*
 * Bring everything to what @mesh says, in the order device, kernel tables, maps, services, attachments.
 * @stale: for each cluster of @mesh, NULL = none. Services that do not fit are an error of the turn, but
 * everything else was done before.
 * Resumable: an error leaves a state from which the next turn goes on. An attachment that fails is
 * a note and a failure, not an error: the kernel's own device carries the traffic meanwhile.
 */
int engine_run(struct engine *engine, const struct mesh *mesh, const bool *stale,
	       struct engine_turn *ret_turn, struct err *err);
void engine_turn_done(struct engine_turn *turn);
/*
 * A short turn for what cannot wait in a large mesh: pods and their interfaces alone, over the mesh
 * as it is in the maps. Only after a whole turn (-EAGAIN). Its notes are for no one: a whole turn
 * follows.
 */
int engine_run_pods(struct engine *engine, struct engine_turn *ret_turn, struct err *err);

/*
 * A short turn for what moves connections: services alone, over the nodes as the last whole turn
 * numbered them; no facts are read. Only after a whole turn (-EAGAIN).
 */
int engine_run_services(struct engine *engine, const struct mesh *mesh, const bool *stale,
			struct engine_turn *ret_turn, struct err *err);
/* Of the engine, as long as it lives. The plane is not loaded in a dry run. */
struct plane *engine_plane(struct engine *engine);
struct balancer *engine_balancer(struct engine *engine);
/* How to send probes, as of the last whole turn. */
const struct prober_config *engine_probe_config(const struct engine *engine);

/* The underlay told of a smaller MTU since the last whole turn, which has kernel routes to lower. */
bool engine_pmtu_moved(const struct engine *engine);

/* The snapshot of @cluster as pinned state has it. -ENOENT: nothing of it there. */
int engine_recover(struct engine *engine, uint16_t cluster, struct snapshot **ret_snapshot);
/* Of the last turn; before the first NULL, or what was found pinned. */
const struct pods *engine_pods(const struct engine *engine);

#endif
