/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The mesh with the feed of one cluster replaced by a proposed one, the others as they are pinned. */
#ifndef XMESH_CLI_PROPOSAL_H
#define XMESH_CLI_PROPOSAL_H

#include "cli/view.h"
#include "model/mesh.h"
#include "model/service_tables.h"

struct proposal {
	struct snapshot **recovered; size_t n; /* by cluster, NULL = nothing pinned */
	struct mesh *before, *after;           /* NULL: no valid mesh */
};

/*
 * Whose feed @path is: the cluster that is called @name, or with NULL the one that has that path
 * configured, else most of those nodes. 0: said on stderr that it is not clear; @hint tells how to name
 * one.
 */
uint16_t proposal_cluster(const struct view *view, const char *path, const char *name,
			  const struct snapshot *snapshot, const char *hint);
/*
 * Errors of mesh_new(): the proposed feed would be refused. proposal_done() in any case. Borrows
 * everything.
 */
int proposal_make(const struct view *view, const struct service_tables *tables, uint16_t id,
		  const struct snapshot *snapshot, const char *path, struct proposal *p, struct err *err);
void proposal_done(struct proposal *p);

#endif
