/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* tc ingress on an underlay interface: what reaches the node. */
#ifndef BPF_FROM_NET_H
#define BPF_FROM_NET_H

#include <linux/if_packet.h>

#include "deliver.h"
#include "handshake.h"
#include "pmtu.h"
#include "probe.h"
#include "route.h"
#include "source.h"
#include "tunnel.h"

/*
 * A tunnel packet for us whose outer header, of @outer_size bytes behind Ethernet, is in s->ip.
 * What is not for the fast path stays encapsulated: xmesh0 receives it and xm_from_dev judges it
 * again.
 */
static __always_inline enum xm_reason from_tunnel(struct __sk_buff *skb, struct xm_config *cfg,
						  struct scene *s, void *data, void *data_end,
						  const __u32 overhead)
{
	const __u32 inner = ETH_HLEN + overhead;
	struct xm_vxlan *vxlan = data + inner - ETH_HLEN - sizeof(*vxlan);
	struct ethhdr *eth = data + inner - ETH_HLEN;
	const int outer_is_v4 = overhead == XM_OVERHEAD_V4;
	__u8 outer_tos = s->ip.tos;
	struct xm_route *route;
	enum xm_reason reason;
	struct xm_node *node;
	struct xm_pod *pod;
	int ecn;

	s->outer_src = s->ip.src;
	node = bpf_map_lookup_elem(&xm_nodes, &s->outer_src);
	if (!node)
		return XM_DROP_UNKNOWN_PEER;
	scene_peer(s, node->number, node->cluster);
	if ((void *)(eth + 1) > data_end)
		return XM_DROP_TRUNCATED;
	reason = tunnel_header_check(cfg, vxlan);
	if (reason != XM_PASS)
		return reason;
	if (eth->h_proto == bpf_htons(XM_ETH_PROBE)) {
		pull_headers(skb, PULL_BYTES);
		reason = probe_in_tunnel(node->number, (void *)(long)skb->data,
					 (void *)(long)skb->data_end, overhead);
		s->action = reason == XM_ANSWER_PROBE ? bpf_redirect(skb->ifindex, 0) : TC_ACT_SHOT;
		return reason;
	}
	reason = parse_ip(data, data_end, inner, eth->h_proto, &s->ip);
	if (reason != XM_PASS)
		return reason;
	/* ARP, ND and the like have no place in this tunnel. */
	if (!s->ip.len)
		return XM_DROP_PEER_SOURCE;
	if (!ip_is_whole(skb, inner, &s->ip))
		return XM_DROP_TRUNCATED;
	if (ip_is_icmp(&s->ip)) {
		pull_headers(skb, PULL_BYTES);
		data = (void *)(long)skb->data;
		data_end = (void *)(long)skb->data_end;
	}
	reason = source_check_peer(cfg, node, s, data, data_end, ip_l4(&s->ip, inner), &route);
	if (reason != XM_PASS)
		return reason;

	pod = pod_get(&s->ip.dst);
	if (!pod)
		return xm_addr_eq(&s->ip.dst, s->ip.is_v4 ? &cfg->addr4 : &cfg->addr6) ?
			       XM_STACK_HOST :
			       XM_STACK_UNKNOWN_POD;
	/*
	 * adjust_room leaves UDP marked as tunnelled, which the pod's socket refuses, and knows no
	 * others.
	 */
	if (skb->gso_size && s->ip.proto != IPPROTO_TCP)
		return XM_STACK_UDP_GSO;
	if (outer_is_v4 != s->ip.is_v4 && !xm_knobs.has_decap_l3)
		return XM_STACK_FAMILY;
	reason = deliver_check(skb, s, pod, overhead);
	if (reason != XM_FWD_LOCAL)
		return reason;
	ecn = ecn_decap(outer_tos, s->ip.tos);
	if (ecn < 0)
		return XM_DROP_ECN;
	if (ecn != (s->ip.tos & ECN_MASK) &&
	    rewrite_ecn(data, data_end, inner, s->ip.is_v4, ecn))
		return XM_DROP_INTERNAL;
	if (route)
		clamp_handshake(skb, s, inner, route->mtu);
	if (tunnel_decap(skb, outer_is_v4, s->ip.is_v4))
		return XM_DROP_INTERNAL;
	return deliver(skb, s, pod);
}

/* An unencapsulated packet: only prefixes whose mode is native may come that way. */
static __always_inline enum xm_reason from_fabric(struct __sk_buff *skb, struct xm_config *cfg,
						  struct scene *s)
{
	struct xm_route *route = route_get(cfg, &s->ip.src);
	enum xm_reason reason;
	struct xm_pod *pod;

	if (!route || route->flags & XM_ROUTE_STACK)
		return XM_PASS;
	/* Our own prefix from outside: not our business where a CNI carries the own cluster. */
	if (route->flags & XM_ROUTE_LOCAL && !(cfg->flags & XM_CFG_CARRY_LOCAL))
		return XM_PASS;
	scene_peer(s, route->node, route->cluster);
	if (route->mode != XM_MODE_NATIVE)
		return XM_DROP_NATIVE_SOURCE;
	pod = pod_get(&s->ip.dst);
	if (!pod)
		return XM_STACK_UNKNOWN_POD;
	clamp_handshake(skb, s, ETH_HLEN, route->mtu);
	reason = deliver_check(skb, s, pod, 0);
	if (reason != XM_FWD_LOCAL)
		return reason;
	return deliver(skb, s, pod);
}

static __always_inline enum xm_reason from_net(struct __sk_buff *skb, struct xm_config *cfg,
					       struct scene *s)
{
	void *data, *data_end;
	struct ethhdr *eth;

	pull_headers(skb, pull_bare(skb));
	data = (void *)(long)skb->data;
	data_end = (void *)(long)skb->data_end;
	eth = data;
	if ((void *)(eth + 1) > data_end || skb->vlan_present || skb->pkt_type == PACKET_OTHERHOST)
		return XM_PASS;
	if (parse_ip(data, data_end, ETH_HLEN, eth->h_proto, &s->ip) != XM_PASS || !s->ip.len ||
	    !ip_is_whole(skb, ETH_HLEN, &s->ip))
		return XM_PASS;
	if (tunnel_is_ours(cfg, s, data, data_end)) {
		pull_headers(skb, s->ip.is_v4 ? PULL_BARE_V4 + XM_OVERHEAD_V4 :
						PULL_BARE_V4 + XM_OVERHEAD_V6);
		data = (void *)(long)skb->data;
		data_end = (void *)(long)skb->data_end;
		if (s->ip.is_v4)
			return from_tunnel(skb, cfg, s, data, data_end, XM_OVERHEAD_V4);
		return from_tunnel(skb, cfg, s, data, data_end, XM_OVERHEAD_V6);
	}
	if (ip_is_icmp(&s->ip)) {
		pull_headers(skb, PULL_BYTES);
		data = (void *)(long)skb->data;
		data_end = (void *)(long)skb->data_end;
		pmtu_learn(cfg, s, data, data_end);
	}
	return from_fabric(skb, cfg, s);
}

/*
 * tc ingress on an underlay interface: everything that reaches the node. Leaves with REDIRECT for
 * local pods, SHOT, or UNSPEC: not ours, or left to xmesh0 and the stack.
 */
SEC("tc")
int xm_from_net(struct __sk_buff *skb)
{
	struct xm_config *cfg = config_get();
	struct scene s;

	if (!cfg)
		return TC_ACT_UNSPEC;
	scene_init(&s, skb, XM_HOOK_FROM_NET);
	return verdict_tc(skb, &s, from_net(skb, cfg, &s));
}

#endif
