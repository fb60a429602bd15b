/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is in xm_route_memo, xm_pod_memo and xm_epoch, as tables. */
#ifndef XMESH_CLI_MEMOVIEW_H
#define XMESH_CLI_MEMOVIEW_H

#include "cli/mapview.h"

/* One row per address and CPU that remembers it. The caller ends the table. */
int memoview_routes(const struct view *view, const struct map_key *key, struct emit *emit,
		    size_t *ret_n, struct err *err);
int memoview_pods(const struct view *view, const struct map_key *key, struct emit *emit,
		  size_t *ret_n, struct err *err);
int memoview_epoch(const struct view *view, struct emit *emit, size_t *ret_n, struct err *err);

#endif
