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

/* The route of the source of the IP packet that follows @eth, if all of its header is there. */
static __always_inline struct xm_route *source_route(struct xm_config *cfg, struct scene *s,
						     const struct ethhdr *eth,
						     const void *data_end)
{
	if ((const void *)(eth + 1) > data_end)
		return 0;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		const struct iphdr *h = (const void *)(eth + 1);

		if ((const void *)(h + 1) > data_end)
			return 0;
		addr_put_v4(&s->inner_src, h->saddr);
	} else if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
		const struct ipv6hdr *h = (const void *)(eth + 1);

		if ((const void *)(h + 1) > data_end)
			return 0;
		addr_put_v6(&s->inner_src, h->saddr.in6_u.u6_addr32);
	} else {
		return 0;
	}
	return route_get(cfg, &s->inner_src);
}

/*
 * Who is at @s->outer_src, whose inner frame begins at @eth, into the scene. 0, or -1: a
 * stranger. Most packets are of pods of the very node that sends them: then the route of the
 * inner source says all, for its tunnel leads there, and the node need not be looked up, which
 * is a hash and 25 ns. Such a source is believed: *ret_route, else NULL.
 */
static __always_inline int sender_get(struct xm_config *cfg, struct scene *s,
				      const struct ethhdr *eth, const void *data_end,
				      struct xm_route **ret_route)
{
	struct xm_route *route = source_route(cfg, s, eth, data_end);
	struct xm_node *node;

	if (route && route->mode == XM_MODE_TUNNEL && !(route->flags & XM_ROUTE_LOCAL) &&
	    xm_addr_eq(&route->outer, &s->outer_src)) {
		*ret_route = route;
		s->entry = route->node;
		s->identity = route->flags & (XM_IDENTITY16 | XM_IDENTITY15);
		scene_peer(s, route->node, route->cluster);
		return 0;
	}
	node = node_get(&s->outer_src);
	if (!node)
		return -1;
	*ret_route = 0;
	s->entry = node->number;
	s->identity = node->flags & (XM_IDENTITY16 | XM_IDENTITY15);
	scene_peer(s, node->number, node->cluster);
	return 0;
}

/*
 * May the node that sender_get() found have sent the inner packet @s->ip, whose L4 header would
 * be at @l4? *route is what that gave, and becomes the route of the inner source, NULL when it
 * is believed for another cause. XM_DROP_PEER_SOURCE and @s->outside: only as VIP traffic.
 */
static __always_inline enum xm_reason source_check_peer(struct xm_config *cfg, struct scene *s,
							void *data, void *data_end, __u32 l4,
							struct xm_route **route)
{
	struct xm_route *r;
	struct xm_node *node;

	if (*route)
		return XM_PASS;
	r = route_get(cfg, &s->ip.src);
	if (r && r->cluster == s->cluster && !(r->flags & XM_ROUTE_LOCAL)) {
		*route = r;
		return XM_PASS;
	}
	if (r)
		return XM_DROP_PEER_SOURCE;
	node = node_get(&s->ip.src);
	if (node)
		return node->number == s->entry ? XM_PASS : XM_DROP_PEER_SOURCE;
	if (source_is_icmp_about(cfg, s, data, data_end, l4, s->cluster))
		return XM_PASS;
	s->outside = 1;
	return XM_DROP_PEER_SOURCE;
}

#endif
