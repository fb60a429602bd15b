/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `xmesh publish`: our own cluster, as local.feed has it, mirrored into the etcd of publish:. Once per
 * cluster, a process of its own; it needs no privileges. Not for: how the etcd is written
 * (agent/publisher.h).
 */
#ifndef XMESH_AGENT_PUBLISH_H
#define XMESH_AGENT_PUBLISH_H

#include <stddef.h>

#include "core/err.h"

struct publish_result {
	size_t objects;    /* that are there now */
	char revision[72]; /* of the feed */
};

/*
 * Until SIGTERM or SIGINT, which take back what was published; SIGHUP reads @config_path again. 0 after
 * a clean end. -EINVAL: the configuration; -ENOMEM.
 */
int publish_run(const char *config_path, struct err *err);
/*
 * Until everything is there; it stays for the time of the lease. Errors of the feed or the etcd, after
 * each endpoint was tried.
 */
int publish_once(const char *config_path, struct publish_result *ret_result, struct err *err);

#endif
