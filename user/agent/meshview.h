/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The mesh from this node as one document, for the page: clusters with their round trips, nodes and feeds,
 * services with their split, drops by reason. On any thread; pinned maps are only read.
 */
#ifndef XMESH_AGENT_MESHVIEW_H
#define XMESH_AGENT_MESHVIEW_H

#include <json-c/json.h>

#include "core/err.h"
#include "plane/plane.h"

/* What a page can show; beyond, the document has the number of all, and says so. */
#define MESHVIEW_NODES 100    /* of each cluster */
#define MESHVIEW_SERVICES 300
#define MESHVIEW_OUT 20       /* backends of a service that are out */

/* @status: of state_status(). *ret_mesh: a new reference. */
int meshview(const struct plane *plane, const json_object *status, json_object **ret_mesh, struct err *err);

#endif
