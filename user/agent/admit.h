/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which snapshots make up the mesh: the newest of each cluster, as far as they are valid together.
 * What was accepted before wins over what comes later, so a bad feed changes nothing. Pure.
 */
#ifndef XMESH_AGENT_ADMIT_H
#define XMESH_AGENT_ADMIT_H

#include <stdbool.h>

#include "core/err.h"
#include "model/config.h"
#include "model/mesh.h"
#include "model/snapshot.h"

struct admit_slot {
	char *origin;               /* "dir /etc/xmesh/clusters/west" */
	struct snapshot *accepted;  /* part of the mesh; NULL = nothing known */
	struct snapshot *pending;   /* newer, not in the mesh (yet) */
	char *error;                /* why pending was refused */
	bool recovered;             /* accepted came from pinned state */
};

struct admit {
	const struct config *config; /* borrowed */
	struct admit_slot *slots;    /* [0] own cluster, then config->peers */
	size_t n;
	struct mesh *mesh;           /* never NULL after admit_settle() */
	bool nodes_changed;          /* by the last admit_settle(): more than services did */
};

/* Slots for every cluster of @config, all empty. -ENOMEM. */
int admit_new(const struct config *config, struct admit **ret_admit);
void admit_free(struct admit *admit);
const struct config_cluster *admit_cluster(const struct admit *admit, size_t slot);

/* A newer snapshot for @slot; it is taken over. Takes effect with admit_settle(). */
void admit_offer(struct admit *admit, size_t slot, struct snapshot *snapshot);
/* A snapshot from pinned state; taken over, replaced by any offer. */
void admit_recover(struct admit *admit, size_t slot, struct snapshot *snapshot);

/*
 * Validate anew. All pending ones at once, if that is a valid mesh; else one after the other over
 * what was accepted before, own cluster first, and those that do not fit stay pending with their
 * error. -EINVAL: not even the accepted ones fit together (a changed configuration); the mesh then
 * is what fits in the order of the configuration, and @err says what was left out. -ENOMEM.
 */
int admit_settle(struct admit *admit, struct err *err);

#endif
