/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Lookups: settings, the route of an address, the pod that bears it, the MTU towards a node. */
#ifndef BPF_LIB_ROUTE_H
#define BPF_LIB_ROUTE_H

#include "maps.h"
#include "xmesh/wire.h"

/* NULL until an agent of this ABI has written settings: then nothing is ours. */
static __always_inline struct xm_config *config_get(void)
{
	__u32 zero = 0;
	struct xm_config *cfg = bpf_map_lookup_elem(&xm_config, &zero);

	if (!cfg || cfg->magic != XM_ABI_MAGIC || cfg->abi != XM_ABI)
		return 0;
	return cfg;
}

/* What memos have to bear now. Read before the map is asked: a change meanwhile ages them at once. */
static __always_inline __u32 memo_epoch(void)
{
	__u32 zero = 0, *epoch = bpf_map_lookup_elem(&xm_epoch, &zero);

	return epoch ? *(volatile __u32 *)epoch + 1 : 0;
}

/*
 * The node that bears @addr, or NULL. A copy, here and below: as a key, kernels before 6.2 take only
 * what lies on the caller's own stack, and not what a global function was handed.
 */
static __always_inline struct xm_node *node_get(const struct xm_addr *addr)
{
	struct xm_addr key = *addr;

	return bpf_map_lookup_elem(&xm_nodes, &key);
}

/* The pod of this node that bears @addr, or NULL, whatever is looked up meanwhile. */
static __always_inline struct xm_pod *pod_find(const struct xm_addr *addr)
{
	struct xm_addr key = *addr;

	return bpf_map_lookup_elem(&xm_pods, &key);
}

/* One probe per prefix length in use; at most one hits, for prefixes never overlap. */
static __always_inline struct xm_route *route_find(struct xm_config *cfg, const struct xm_addr *addr)
{
	__u32 family = xm_addr_is_v4(addr) ? 0 : 1, i;
	struct xm_plen *p = cfg->plen[family];
	__u32 n = cfg->n_plen[family];
	struct xm_prefix key;

	key.zero = 0;
	for (i = 0; i < XM_MAX_PLENS && i < n; i++, p++) {
		struct xm_route *r;

		if (!p->used)
			continue;
		key.plen = p->plen;
		key.addr.d[0] = addr->d[0] & p->mask[0];
		key.addr.d[1] = addr->d[1] & p->mask[1];
		r = bpf_map_lookup_elem(&xm_routes, &key);
		if (r)
			return r;
	}
	return 0;
}

/*
 * The route of @addr, NULL = not mesh traffic. What is returned holds until the next call: its place
 * may be taken by another address.
 */
static __always_inline struct xm_route *route_get(struct xm_config *cfg, const struct xm_addr *addr)
{
	__u32 slot = xm_memo_slot(addr), epoch = memo_epoch();
	struct xm_route_memo *memo = bpf_map_lookup_elem(&xm_route_memo, &slot);
	struct xm_route *route;

	if (!memo)
		return 0;
	if (memo->epoch == epoch && xm_addr_eq(&memo->addr, addr))
		return &memo->route;
	route = route_find(cfg, addr);
	if (!route)
		return 0;
	memo->addr = *addr;
	memo->epoch = epoch;
	memo->route = *route;
	return &memo->route;
}

/* The pod of this node that bears @addr, or NULL. Holds until the next call, as above. */
static __always_inline struct xm_pod *pod_get(const struct xm_addr *addr)
{
	__u32 slot = xm_memo_slot(addr), epoch = memo_epoch();
	struct xm_pod_memo *memo = bpf_map_lookup_elem(&xm_pod_memo, &slot);
	struct xm_pod *pod;

	if (!memo)
		return 0;
	if (memo->epoch == epoch && xm_addr_eq(&memo->addr, addr))
		return &memo->pod;
	pod = pod_find(addr);
	if (!pod)
		return 0;
	memo->addr = *addr;
	memo->epoch = epoch;
	memo->pod = *pod;
	return &memo->pod;
}

/* The largest inner packet for @route: as configured, or less where the underlay said so lately. */
static __always_inline __u32 route_mtu(const struct xm_route *route, __u32 overhead)
{
	__u32 number = route->node, mtu = route->mtu;
	struct xm_node_state *state = bpf_map_lookup_elem(&xm_node_state, &number);

	if (state && state->pmtu && state->pmtu - overhead < mtu &&
	    bpf_ktime_get_ns() < state->pmtu_until_ns)
		mtu = state->pmtu - overhead;
	return mtu;
}

static __always_inline __u32 route_overhead(const struct xm_route *route)
{
	if (route->mode == XM_MODE_NATIVE)
		return 0;
	return xm_addr_is_v4(&route->outer) ? XM_OVERHEAD_V4 : XM_OVERHEAD_V6;
}

#endif
