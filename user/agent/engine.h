/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One turn of the reconciler, shared by the agent, `apply` and `attach`: facts from the kernel,
 * wanted tables from the mesh, plan, apply, kernel tables, attachments. Holds what a turn needs, decides nothing about when.
 */
#ifndef XMESH_AGENT_ENGINE_H
#define XMESH_AGENT_ENGINE_H

#include "core/err.h"
#include "model/config.h"
#include "model/mesh.h"
#include "model/pods.h"
#include "net/nl.h"
#include "plane/plane.h"

struct engine; /* config (borrowed), nl, plane, device, last pods, last notes */

/* Takes the instance's lock (<run_dir>/<instance>.lock, flock; -EALREADY names the holder's pid), loads the plane unless @dry_run. */
int engine_new(const struct config *config, bool dry_run, struct engine **ret_engine, struct err *err);
void engine_free(struct engine *engine);

struct engine_turn {
	size_t map_ops, kernel_puts, kernel_deletes, attached, detached;
	uint64_t duration_ns;
	char **notes; size_t n_notes;       /* what status shows: left out, in the way */
};

/*
 * Bring everything to what @mesh says. All or nothing towards a bad mesh (it was validated), resumable towards the kernel.
 * With @dry_run at construction: prints the plan to stdout instead.
 */
int engine_run(struct engine *engine, const struct mesh *mesh, struct engine_turn *ret_turn, struct err *err);
void engine_turn_done(struct engine_turn *turn);

const struct plane *engine_plane(const struct engine *engine);
const struct pods *engine_pods(const struct engine *engine);

#endif
