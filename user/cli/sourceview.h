/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is in xm_sources and xm_pods_epoch, as tables. */
#ifndef XMESH_CLI_SOURCEVIEW_H
#define XMESH_CLI_SOURCEVIEW_H

#include "cli/mapview.h"

/* One row per interface, address and CPU that remembers it. The caller ends the table. */
int sourceview_emit(const struct view *view, const struct map_key *key, struct emit *emit,
		    size_t *ret_n,
		    struct err *err);
int sourceview_epoch(const struct view *view, struct emit *emit, size_t *ret_n, struct err *err);

#endif
