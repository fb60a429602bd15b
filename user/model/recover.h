/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A cluster's snapshot out of the tables that are pinned already, for a start whose feed does not
 * answer: the last good state stays wanted, so that nothing of it is taken away. Pure.
 */
#ifndef XMESH_MODEL_RECOVER_H
#define XMESH_MODEL_RECOVER_H

#include "model/service_tables.h"
#include "model/snapshot.h"
#include "model/wanted.h"

/*
 * Nodes of @cluster from @actual's names and routes; revision from its cluster entry. From @tables
 * (may be NULL) its services: of our own cluster (@own) with frontends, ports and policy, of others
 * with what they share; endpoints from backends that are not GONE, conditions from their why, ports by
 * xm_backend.port_name. So that services_update() makes of it what is installed. -ENOENT: no entries of
 * that cluster there. -ENOMEM. The caller owns *ret_snapshot.
 */
int recover_snapshot(const struct wanted *actual, const struct service_tables *tables, uint16_t cluster,
		     bool own, struct snapshot **ret_snapshot);

#endif
