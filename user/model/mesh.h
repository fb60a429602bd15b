/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The mesh: the clusters of the configuration with the nodes and prefixes of their snapshots,
 * validated as a whole. Pure. What this host does with it is model/wanted.h.
 */
#ifndef XMESH_MODEL_MESH_H
#define XMESH_MODEL_MESH_H

#include "core/err.h"
#include "model/config.h"
#include "model/snapshot.h"

struct mesh_cluster {
	const struct config_cluster *config;
	bool own;
	const struct snapshot *snapshot; /* NULL = nothing known yet */
	const char *origin;              /* "dir /etc/xmesh/clusters/west" */
};

struct mesh {
	const struct config *config;
	struct mesh_cluster *clusters;   /* [0] is our own */
	size_t n_clusters;
};

/*
 * @snapshots[i] and @origins[i] belong to our own cluster (i = 0) and config->peers[i - 1]; they
 * and @config are borrowed and must outlive the mesh. Refused with a sentence that names both
 * sources: prefixes that overlap (in one cluster or between two), a node address that two nodes
 * bear or that lies in a prefix, a node name twice in a cluster, more than XM_MAX_PLENS lengths,
 * XM_MAX_ROUTES prefixes or XM_MAX_NODES - 1 nodes. -EINVAL, -ENOSPC (a limit), -ENOMEM.
 */
int mesh_new(const struct config *config, const struct snapshot *const *snapshots,
	     const char *const *origins, struct mesh **ret_mesh, struct err *err);
void mesh_free(struct mesh *mesh);

#endif
