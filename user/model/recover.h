/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A cluster's snapshot out of the tables that are pinned already, for a start whose feed does not
 * answer: the last good state stays wanted, so that nothing of it is taken away. Pure.
 */
#ifndef XMESH_MODEL_RECOVER_H
#define XMESH_MODEL_RECOVER_H

#include "model/snapshot.h"
#include "model/wanted.h"

/*
 * Nodes of @cluster from @actual's names and routes; revision from its cluster entry. -ENOENT: no
 * entries of that cluster there. -ENOMEM. The caller owns *ret_snapshot.
 */
int recover_snapshot(const struct wanted *actual, uint16_t cluster, struct snapshot **ret_snapshot);

#endif
