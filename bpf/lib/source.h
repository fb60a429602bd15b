/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who is believed. A pod: only its own address. A peer's node in the tunnel: prefixes of its
 * cluster, its own address, and ICMP errors about packets to its cluster; besides, VIP traffic from
 * outside and its replies, as vip_node.h tells. Unencapsulated: prefixes whose mode is native.
 */
#ifndef BPF_LIB_SOURCE_H
#define BPF_LIB_SOURCE_H

#include "parse.h"
#include "route.h"
#include "verdict.h"

/* What a pod's packet may be: XM_PASS = go on, otherwise the verdict. */
static __always_inline enum xm_reason source_check_pod(struct xm_config *cfg, const struct scene *s)
{
	struct xm_pod *pod = pod_get(&s->ip.src);
	__u32 ifindex = s->ifindex;
	struct xm_iface *iface;

	if (pod && pod->ifindex == ifindex)
		return pod->flags & XM_POD_STACK ? XM_STACK_POLICY : XM_PASS;
	if (is_unrouted(&s->ip.src))
		return XM_STACK_NO_ADDRESS;
	/* Nothing is known of this interface yet: a pod that is just being made, judge it later. */
	iface = bpf_map_lookup_elem(&xm_ifaces, &ifindex);
	if (!iface || !iface->n_addrs)
		return XM_STACK_NO_ADDRESS;
	return cfg->flags & XM_CFG_SOURCE_CHECK ? XM_DROP_POD_SOURCE : XM_PASS;
}

/* True when @s->ip is an ICMP error whose quoted packet was going to @cluster. */
static __always_inline int source_is_icmp_about(struct xm_config *cfg, const struct scene *s,
						void *data, void *data_end, __u32 l4, __u16 cluster)
{
	struct xm_addr dst;
	struct xm_route *route;

	/* Options or a later fragment: what lies at @l4 is not ICMP, whatever it looks like. */
	if (!s->ip.l4)
		return 0;
	if (s->ip.is_v4) {
		struct xm_icmp *icmp = data + l4;
		struct iphdr *quoted = (void *)(icmp + 1);

		if (s->ip.proto != IPPROTO_ICMP || (void *)(quoted + 1) > data_end)
			return 0;
		if (icmp->type != ICMP4_UNREACHABLE && icmp->type != ICMP4_TIME_EXCEEDED &&
		    icmp->type != ICMP4_PARAMETER)
			return 0;
		dst = xm_addr_v4(quoted->daddr);
	} else {
		struct xm_icmp *icmp = data + l4;
		struct ipv6hdr *quoted = (void *)(icmp + 1);

		if (s->ip.proto != IPPROTO_ICMPV6 || (void *)(quoted + 1) > data_end)
			return 0;
		if (icmp->type < ICMP6_UNREACHABLE || icmp->type > ICMP6_PARAMETER)
			return 0;
		__builtin_memcpy(&dst, &quoted->daddr, 16);
	}
	route = route_get(cfg, &dst);
	return route && route->cluster == cluster;
}

/*
 * May @sender have sent the inner packet @s->ip, whose L4 header would be at @l4? *ret_route is the
 * route of the inner source, NULL when it is believed for another cause. XM_DROP_PEER_SOURCE and
 * @s->outside: only as VIP traffic.
 */
static __always_inline enum xm_reason source_check_peer(struct xm_config *cfg,
							const struct xm_node *sender,
							struct scene *s, void *data,
							void *data_end, __u32 l4,
							struct xm_route **ret_route)
{
	struct xm_route *route = route_get(cfg, &s->ip.src);
	struct xm_node *node;

	*ret_route = route;
	if (route && route->cluster == sender->cluster && !(route->flags & XM_ROUTE_LOCAL))
		return XM_PASS;
	*ret_route = 0;
	if (route)
		return XM_DROP_PEER_SOURCE;
	node = node_get(&s->ip.src);
	if (node)
		return node->number == sender->number ? XM_PASS : XM_DROP_PEER_SOURCE;
	if (source_is_icmp_about(cfg, s, data, data_end, l4, sender->cluster))
		return XM_PASS;
	s->outside = 1;
	return XM_DROP_PEER_SOURCE;
}

#endif
