/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The pods of this node from turn to turn: what model/pods.h learned last, which interfaces take
 * pods.path stack and why, and the neighbours that are still asked for.
 */
#ifndef XMESH_AGENT_PODSET_H
#define XMESH_AGENT_PODSET_H

#include "agent/hostcheck.h"
#include "agent/notes.h"
#include "core/err.h"
#include "model/config.h"
#include "model/pods.h"
#include "model/wanted.h"
#include "net/nl.h"
#include "plane/plane.h"

struct podset {
	struct pods *pods;     /* of the last turn, before the first NULL */
	uint64_t asked_ns;     /* when all waiting neighbours were asked for last */
	struct pod_wait *asked;
	size_t n_asked;
};

/*
 * Learn anew. Static pods, and at the first time all that is known, come from @actual (may be
 * NULL); @plane NULL: no look at foreign programs. Why pods take the stack becomes a note. On an
 * error the last pods stand.
 */
int podset_learn(struct podset *podset, const struct config *config, const struct plane *plane,
		 const struct net_tables *tables, const struct wanted *actual,
		 const struct hostcheck *check, struct notes *notes, struct err *err);
/* Ask the kernel for the MACs that are missing: new ones at once, the others every 10 s. */
void podset_resolve(struct podset *podset, struct nl *nl);
void podset_done(struct podset *podset);

#endif
