/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Dumps of the kernel's links, neighbours, FDB and routes in the shapes of model/pods.h and
 * model/wanted.h.
 */
#ifndef XMESH_NET_TABLES_H
#define XMESH_NET_TABLES_H

#include "core/err.h"
#include "model/pods.h"
#include "model/wanted.h"
#include "net/nl.h"

/*
 * Links, neighbours (both families), FDB, host routes and subnets on the link of the main table
 * whose protocol is not ours. tables_free() releases.
 */
int tables_read(struct nl *nl, struct net_tables **ret_tables, struct err *err);
void tables_free(struct net_tables *tables);

/*
 * Global unicast addresses on @ifindex, in the kernel's order, v4 and v6 mixed; 0 = all interfaces.
 * The caller frees.
 */
int tables_addrs(struct nl *nl, uint32_t ifindex, struct xm_addr **ret_addrs, size_t *ret_n,
		 struct err *err);

/*
 * How the kernel would send to @dst (RTM_GETROUTE, restricted to nothing). Unreachable is no error:
 * ret_path->reachable = false.
 */
int tables_path(struct nl *nl, const struct xm_addr *dst, struct fact_path *ret_path,
		struct err *err);
/* has_macs and both MACs of @path, from what @tables knows of its next hop and interface. */
void tables_macs(const struct net_tables *tables, struct fact_path *path);

/*
 * Prefixes of the main table, not default, not ours by protocol, not via lo: for local.carry: auto.
 * Sorted. The caller frees.
 */
int tables_foreign(struct nl *nl, struct xm_prefix **ret_prefixes, size_t *ret_n, struct err *err);

/* Make the kernel resolve @addr on @ifindex now (RTM_NEWNEIGH with NTF_USE). */
int tables_resolve(struct nl *nl, uint32_t ifindex, const struct xm_addr *addr, struct err *err);

#endif
