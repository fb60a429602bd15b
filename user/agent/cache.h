/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The last good snapshot of a cluster on disk, for a start with a broken feed and nothing pinned (a
 * reboot): STATE_DIR/INSTANCE/feeds/CLUSTER.json, a Kubernetes List, one object a line, with a checksum.
 * Not for: when it is written (agent/cacher.h).
 */
#ifndef XMESH_AGENT_CACHE_H
#define XMESH_AGENT_CACHE_H

#include <stdint.h>
#include <time.h>

#include "core/err.h"
#include "model/config.h"
#include "model/snapshot.h"

/* The folder of @config's instance; malloc'ed, NULL without memory. */
char *cache_dir(const struct config *config);

/*
 * Write @snapshot of the cluster @name: beside the old file, flushed to the disk, then in its place, so
 * that one of them is always whole. Mode 0600, folders are made. Errors of the file system, -ENOMEM.
 */
int cache_write(const char *dir, const char *name, uint16_t id, const struct snapshot *snapshot,
		struct err *err);
/*
 * -ENOENT: there is none. -EINVAL: damaged, or of a cluster with another id; the sentence says which.
 * Errors of file_read(), -ENOMEM. *ret_time_s: when it was written. The caller owns *ret_snapshot.
 */
int cache_read(const char *dir, const char *name, uint16_t id, time_t *ret_time_s,
	       struct snapshot **ret_snapshot, struct err *err);
/* No error: what cannot be removed, or is not there, is left. */
void cache_remove(const char *dir, const char *name);

#endif
