/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which snapshots make up the mesh: the newest of each cluster, as far as they are valid together and
 * do not take away too much at once (model/shrink.h). What was accepted before wins over what comes
 * later, so a bad feed changes nothing. Pure.
 */
#ifndef XMESH_AGENT_ADMIT_H
#define XMESH_AGENT_ADMIT_H

#include <stdbool.h>

#include "core/err.h"
#include "model/config.h"
#include "model/mesh.h"
#include "model/shrink.h"
#include "model/snapshot.h"

struct admit_slot {
	char *origin;               /* of accepted: "dir /etc/xmesh/clusters/west"; before, the first source */
	struct snapshot *accepted;  /* part of the mesh; NULL = nothing known */
	struct shrink_size size;    /* of accepted */
	bool recovered;             /* accepted came from pinned state, or, cached, from the disk */
	bool cached;
	uint64_t n_accepted;        /* how many there were; another one has another number */

	struct snapshot *pending;   /* newer, not in the mesh (yet) */
	char *pending_origin;
	struct shrink_size pending_size;
	char *error;                /* why pending was refused */
	bool held;                  /* pending would take away too much: it waits for admit_pass() */
	uint64_t n_offered;

	bool removing;              /* accepted goes with the next admit_settle() */
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

/*
 * A newer snapshot for @slot, from @origin (copied); it is taken over. Takes effect with admit_settle(),
 * unless it is held: then it stays pending, and the next offer replaces it.
 */
void admit_offer(struct admit *admit, size_t slot, struct snapshot *snapshot, const char *origin);
/* A snapshot from pinned state, or from the disk (@cached); taken over, replaced by any offer. */
void admit_recover(struct admit *admit, size_t slot, struct snapshot *snapshot, bool cached);
/* The held one may take away what it does. */
void admit_pass(struct admit *admit, size_t slot);
/* Nothing of @slot is believed any more; its entries go with admit_settle(). */
void admit_remove(struct admit *admit, size_t slot);
/* What @from has, into the empty slot @to of another one; what is held is judged by its configuration. */
void admit_move(struct admit *from, size_t from_slot, struct admit *to, size_t to_slot);

/*
 * Validate anew. All pending ones at once, if that is a valid mesh; else one after the other over
 * what was accepted before, own cluster first, and those that do not fit stay pending with their
 * error. -EINVAL: not even the accepted ones fit together (a changed configuration); the mesh then
 * is what fits in the order of the configuration, and @err says what was left out. -ENOMEM.
 */
int admit_settle(struct admit *admit, struct err *err);

#endif
