/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* tc ingress on an underlay interface: what reaches the node. */
#ifndef BPF_FROM_NET_H
#define BPF_FROM_NET_H

#include <linux/if_packet.h>

#include "deliver.h"
#include "handshake.h"
#include "latency.h"
#include "pmtu.h"
#include "probe.h"
#include "route.h"
#include "source.h"
#include "size.h"
#include "tunnel.h"
#include "translate.h"
#include "vip_node.h"

/*
 * Take VIP traffic out of the tunnel, for vip_from_tunnel(). What this kernel cannot take out here,
 * xmesh0 does.
 */
static __always_inline enum xm_reason open_vip(struct __sk_buff *skb, struct scene *s,
					       __u8 outer_tos, const __u32 overhead)
{
	const int outer_is_v4 = overhead == XM_OVERHEAD_V4;
	int ecn = ecn_decap(outer_tos, s->ip.tos);

	if (skb->gso_size && s->ip.proto != IPPROTO_TCP)
		return XM_STACK_UDP_GSO;
	if (outer_is_v4 != s->ip.is_v4 && !xm_knobs.has_decap_l3)
		return XM_STACK_FAMILY;
	if (ecn < 0)
		return XM_DROP_ECN;
	if (ecn != (s->ip.tos & ECN_MASK) &&
	    rewrite_ecn(skb_data(skb), skb_data_end(skb), ETH_HLEN + overhead,
			s->ip.is_v4, ecn))
		return XM_DROP_INTERNAL;
	if (tunnel_decap(skb, outer_is_v4, s->ip.is_v4))
		return XM_DROP_INTERNAL;
	if (s->ip.l4)
		s->ip.l4 = ip_l4(&s->ip, ETH_HLEN);
	s->vip = VIP_TUNNEL;
	return XM_PASS;
}

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
	struct xm_pod *pod;
	int ecn;

	s->outer_src = s->ip.src;
	if (sender_get(cfg, s, eth, data_end, &route))
		return XM_DROP_UNKNOWN_PEER;
	if ((void *)(eth + 1) > data_end)
		return XM_DROP_TRUNCATED;
	reason = tunnel_header_check(cfg, s, vxlan);
	if (reason != XM_PASS)
		return reason;
	if (eth->h_proto == bpf_htons(XM_ETH_PROBE)) {
		pull_headers(skb, PULL_BYTES);
		reason = probe_in_tunnel(s->entry, skb_data(skb),
					 skb_data_end(skb), overhead);
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
		data = skb_data(skb);
		data_end = skb_data_end(skb);
	}
	reason = source_check_peer(cfg, s, data, data_end, ip_l4(&s->ip, inner), &route);
	if (reason == XM_DROP_PEER_SOURCE && vip_may_be_tunnelled(s)) {
		return open_vip(skb, s, outer_tos, overhead);
	}
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
	handshake_ends(skb, s, inner);
	if (tunnel_decap(skb, outer_is_v4, s->ip.is_v4))
		return XM_DROP_INTERNAL;
	reason = translate_reply(skb, s);
	if (reason != XM_PASS)
		return reason;
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
	handshake_ends(skb, s, ETH_HLEN);
	reason = translate_reply(skb, s);
	if (reason != XM_PASS)
		return reason;
	return deliver(skb, s, pod);
}

/* Which flow's an ICMP error from outside to a VIP is about. 0 or -1. */
static __noinline int edge_quote(struct __sk_buff *skb, const struct scene *s, struct edge *ret_edge)
{
	struct scratch *scratch = scratch_get();

	if (!scratch || quote_read(skb, s, &scratch->quote) ||
	    !xm_addr_eq(&scratch->quote.ask.key.dst, &s->ip.dst))
		return -1;
	ret_edge->ask = scratch->quote.ask;
	ret_edge->ask.key.dir = XM_FLOW_ORIG;
	ret_edge->record = 0;
	return 0;
}

static __always_inline int edge_ask(struct __sk_buff *skb, const struct scene *s,
				    struct edge *ret_edge)
{
	if (ip_is_icmp(&s->ip))
		return edge_quote(skb, s, ret_edge);
	ret_edge->record = !frag_is_later(&s->ip);
	if (flow_ask(skb, s, XM_FLOW_ORIG, &ret_edge->ask))
		return -1;
	if (s->ip.l4 && s->ip.fragment)
		frag_put(skb, s, flow_ports(&ret_edge->ask.key));
	return 0;
}

/* Through the tunnel to @node, the VIP still in it. Out of line for its stack. */
__noinline int edge_send(struct __sk_buff *skb, struct xm_config *cfg, struct scene *s, __u32 node)
{
	enum xm_reason reason;
	struct xm_path *path;
	__u32 mtu;

	if (!cfg || !s)
		return XM_DROP_INTERNAL;
	path = edge_path(node, &mtu);
	if (!path)
		return XM_DROP_NO_BACKEND;
	scene_peer(s, node, path->route.cluster);
	s->sending = 1;
	if (s->ip.ttl <= 1)
		return XM_STACK_TTL;
	s->size = wire_size(skb, s, skb_data(skb), skb_data_end(skb), ETH_HLEN);
	s->limit = mtu;
	if (s->size > mtu)
		return answer_tc(skb, s, mtu);
	if (rewrite_ttl(skb_data(skb), skb_data_end(skb), ETH_HLEN,
			s->ip.is_v4, -1))
		return XM_DROP_INTERNAL;
	reason = tunnel_send(skb, s, cfg, &path->route);
	if (reason == XM_STACK_NO_ENCAP)
		rewrite_ttl(skb_data(skb), skb_data_end(skb), ETH_HLEN,
			    s->ip.is_v4, 1);
	return reason == XM_FWD_TUNNEL ? XM_FWD_VIP : reason;
}

/*
 * A packet from outside that may be for a VIP. XM_PASS: it is not. XM_FWD_LOCAL: vip_to_pod() has to
 * go on.
 */
__noinline int vip_from_outside(struct __sk_buff *skb, struct xm_config *cfg,
				       struct scene *s)
{
	enum xm_reason reason;
	struct edge e;

	if (!cfg || !s)
		return XM_DROP_INTERNAL;
	__builtin_memset(&e, 0, sizeof(e));
	if (edge_ask(skb, s, &e))
		return frag_is_later(&s->ip) && flow_proto(s->ip.proto) ? XM_DROP_FRAGMENT :
									  XM_PASS;
	reason = edge_node(cfg, s, &e);
	if (reason == XM_ANSWER_REFUSED)
		return answer_tc(skb, s, 0);
	if (reason != XM_FWD_VIP)
		return reason;
	return edge_send(skb, cfg, s, e.node);
}

/* An ICMP message from the fabric may be one about our tunnel. Out of line: rare. */
__noinline int from_net_icmp(struct __sk_buff *skb, struct xm_config *cfg, struct scene *s)
{
	if (!cfg || !s)
		return 0;
	pull_headers(skb, PULL_BYTES);
	pmtu_learn(cfg, s, skb_data(skb), skb_data_end(skb));
	return 0;
}

/* What is neither in the tunnel nor for a VIP. */
static __always_inline enum xm_reason from_net_rest(struct __sk_buff *skb, struct xm_config *cfg,
						    struct scene *s)
{
	if (ip_is_icmp(&s->ip))
		from_net_icmp(skb, cfg, s);
	return from_fabric(skb, cfg, s);
}

static __always_inline int from_net(struct __sk_buff *skb, struct xm_config *cfg, struct scene *s)
{
	void *data, *data_end;
	struct ethhdr *eth;

	if (!cfg || !s)
		return XM_DROP_INTERNAL;
	pull_headers(skb, pull_bare(skb));
	data = skb_data(skb);
	data_end = skb_data_end(skb);
	eth = data;
	if ((void *)(eth + 1) > data_end || skb->vlan_present || skb->pkt_type == PACKET_OTHERHOST)
		return XM_PASS;
	if (parse_ip(data, data_end, ETH_HLEN, eth->h_proto, &s->ip) != XM_PASS || !s->ip.len ||
	    !ip_is_whole(skb, ETH_HLEN, &s->ip))
		return XM_PASS;
	if (tunnel_is_ours(cfg, s, data, data_end)) {
		pull_headers(skb, s->ip.is_v4 ? PULL_BARE_V4 + XM_OVERHEAD_V4 :
						PULL_BARE_V4 + XM_OVERHEAD_V6);
		data = skb_data(skb);
		data_end = skb_data_end(skb);
		if (s->ip.is_v4)
			return from_tunnel(skb, cfg, s, data, data_end, XM_OVERHEAD_V4);
		return from_tunnel(skb, cfg, s, data, data_end, XM_OVERHEAD_V6);
	}
	s->vip = vip_is_edge(&s->ip.dst) ? VIP_OUTSIDE : VIP_BARE;
	return XM_PASS;
}

/* What from_net() has left to do. */
static __always_inline int from_net_vip(struct __sk_buff *skb, struct xm_config *cfg, struct scene *s)
{
	struct entry here = { .number = 0, .cluster = cfg->cluster };
	int reason;

	if (s->vip == VIP_TUNNEL)
		return vip_from_tunnel(skb, cfg, s, s->entry, s->cluster);
	if (s->vip == VIP_BARE)
		return from_net_rest(skb, cfg, s);
	reason = vip_from_outside(skb, cfg, s);
	if (reason == XM_FWD_LOCAL)
		return vip_to_pod(skb, cfg, s, &here);
	return reason == XM_PASS ? from_net_rest(skb, cfg, s) : reason;
}

/*
 * tc ingress on an underlay interface: everything that reaches the node. Leaves with REDIRECT for
 * local pods, SHOT, or UNSPEC: not ours, or left to xmesh0 and the stack.
 */
SEC("tc")
int xm_from_net(struct __sk_buff *skb)
{
	struct xm_config *cfg = config_get();
	enum xm_reason reason;
	struct scene *s = scene_get();

	if (!cfg || !s)
		return TC_ACT_UNSPEC;
	scene_init(s, skb, XM_HOOK_FROM_NET);
	reason = from_net(skb, cfg, s);
	if (s->vip)
		reason = from_net_vip(skb, cfg, s);
	return verdict_tc(skb, s, reason);
}

#endif
