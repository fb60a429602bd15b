/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What `apply --dry-run` says of services: wanted against what the maps hold. Pure. */
#ifndef XMESH_AGENT_SERVICE_DIFF_H
#define XMESH_AGENT_SERVICE_DIFF_H

#include "agent/notes.h"
#include "model/service_tables.h"
#include "model/services.h"

/*
 * A sentence for each service to be put, changed or deleted, with its numbers of frontends and
 * backends. @wanted and @tables (NULL: nothing there) are sorted by (space, name). Returns how many.
 */
size_t service_diff(const struct service *const *wanted, size_t n, const struct service_tables *tables,
		    struct notes *lines);

#endif
