/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Brings the kernel's own tables to the wanted state: our routes and rules (own protocol number,
 * see NET_ROUTE_PROTO) and the permanent neighbours on xmesh0. Foreign ones are never replaced:
 * where one holds the same prefix, ours is left out and a note says so.
 */
#ifndef XMESH_NET_SYNC_H
#define XMESH_NET_SYNC_H

#include "core/err.h"
#include "model/wanted.h"
#include "net/nl.h"

#define NET_ROUTE_PROTO 139 /* rtnetlink protocol of every route and rule that xmesh makes */
#define NET_ROUTE_TABLE 8492 /* ours, of routes for pods alone (wanted_kroute.pods_only) */
#define NET_RULE_PRIORITY 8492 /* of the rules that lead there: after the local table's */

struct sync_result { size_t puts, deletes; char **notes; size_t n_notes; };

/*
 * Dump, compare, neighbours before routes before rules, puts before deletes. @dry_run: only count
 * and note.
 */
int sync_kernel(struct nl *nl, const struct wanted *wanted, uint32_t device_ifindex, bool dry_run,
		struct sync_result *ret_result, struct err *err);
void sync_result_done(struct sync_result *result);
/* Remove every rule and route of ours (by protocol number) in this namespace. */
int sync_purge(struct nl *nl, struct err *err);

#endif
