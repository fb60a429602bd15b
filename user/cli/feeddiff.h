/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a snapshot would change in the pinned tables of its cluster. Pure. */
#ifndef XMESH_CLI_FEEDDIFF_H
#define XMESH_CLI_FEEDDIFF_H

#include <stddef.h>

#include "model/services.h"
#include "model/snapshot.h"
#include "model/wanted.h"

struct feed_change {
	const char *kind;      /* "node", "prefix", "service" */
	char *name;            /* the node or the prefix, NAMESPACE/NAME */
	char *was, *becomes;   /* addresses and MAC, or the node, or what differs; NULL = not there */
};

/* Sorted by kind and name. -ENOMEM. feeddiff_free() releases. */
int feeddiff_new(const struct wanted *actual, uint16_t cluster, const struct snapshot *snapshot,
		 struct feed_change **ret_changes, size_t *ret_n);
/*
 * The same of services as they are merged before and after (services_list()): counts, and the first
 * virtual addresses and backends that differ. Sorted by name. -ENOMEM.
 */
int feeddiff_services(const struct service *const *before, size_t n_before, const struct service *const *after,
		      size_t n_after, struct feed_change **ret_changes, size_t *ret_n);
void feeddiff_free(struct feed_change *changes, size_t n);
/* The cluster most of whose pinned nodes are in @snapshot by name; 0 = none. */
uint16_t feeddiff_guess(const struct wanted *actual, const struct snapshot *snapshot);

#endif
