/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* tc ingress on the host end of a pod's interface: what the pod sends. */
#ifndef BPF_FROM_POD_H
#define BPF_FROM_POD_H

#include "deliver.h"
#include "handshake.h"
#include "latency.h"
#include "route.h"
#include "size.h"
#include "source.h"
#include "to_service.h"
#include "translate.h"
#include "tunnel.h"
#include "vip_node.h"

static __always_inline enum xm_reason send_native(struct __sk_buff *skb, struct scene *s,
						  const struct xm_route *route)
{
	struct bpf_redir_neigh nh = {};

	if (!(route->flags & XM_ROUTE_ONLINK)) {
		s->action = bpf_redirect_neigh(route->ifindex, 0, 0, 0);
		return XM_FWD_NATIVE;
	}
	if (s->ip.is_v4) {
		nh.nh_family = XM_AF_INET;
		nh.ipv4_nh = route->outer.w[3];
	} else {
		nh.nh_family = XM_AF_INET6;
		__builtin_memcpy(nh.ipv6_nh, &route->outer, 16);
	}
	s->action = bpf_redirect_neigh(route->ifindex, &nh, sizeof(nh), 0);
	return XM_FWD_NATIVE;
}

static __always_inline enum xm_reason to_local_pod(struct __sk_buff *skb, struct xm_config *cfg,
						   struct scene *s, const struct xm_pod *pod,
						   int translated)
{
	enum xm_reason reason;

	reason = source_check_pod(cfg, s);
	if (reason != XM_PASS)
		return reason;
	reason = deliver_check(skb, s, pod, 0);
	if (reason != XM_FWD_LOCAL)
		return reason;
	/* The backend of a local client may be here too: its reply. */
	if (!translated)
		handshake_ends(skb, s, ETH_HLEN);
	reason = translated ? XM_PASS : translate_reply(skb, s);
	if (reason != XM_PASS)
		return reason;
	return deliver(skb, s, pod);
}

/* Already for a backend, and the kernel has to bring it there. */
static __always_inline enum xm_reason to_stack(struct xm_config *cfg, const struct scene *s)
{
	enum xm_reason reason = source_check_pod(cfg, s);

	return reason == XM_PASS || reason == XM_STACK_POLICY ? XM_STACK_SERVICE : reason;
}

static __always_inline enum xm_reason to_peer(struct __sk_buff *skb, struct xm_config *cfg,
					      struct scene *s, const struct xm_route *route)
{
	__u32 mtu = route_mtu(route, route_overhead(route));
	enum xm_reason reason;
	void *data, *data_end;

	scene_peer(s, route->node, route->cluster);
	s->sending = 1;
	reason = source_check_pod(cfg, s);
	if (reason != XM_PASS && reason != XM_STACK_POLICY)
		return reason;
	/* The kernel does not clamp what it forwards: also before the stack gets it. */
	clamp_handshake(skb, s, ETH_HLEN, mtu);
	if (reason != XM_PASS)
		return reason;
	if (s->ip.ttl <= 1)
		return XM_STACK_TTL;
	if (s->ip.options)
		return XM_STACK_OPTIONS;
	data = skb_data(skb);
	data_end = skb_data_end(skb);
	s->size = wire_size(skb, s, data, data_end, ETH_HLEN);
	s->limit = mtu;
	if (s->size > mtu)
		return XM_STACK_TOO_BIG;
	if (rewrite_ttl(data, data_end, ETH_HLEN, s->ip.is_v4, -1))
		return XM_DROP_INTERNAL;
	if (route->mode == XM_MODE_NATIVE)
		return send_native(skb, s, route);
	reason = tunnel_send(skb, s, cfg, route);
	/* The stack gets it as it came, and counts the TTL down itself. */
	if (reason == XM_STACK_NO_ENCAP)
		rewrite_ttl(skb_data(skb), skb_data_end(skb), ETH_HLEN,
			    s->ip.is_v4, 1);
	return reason;
}

static __always_inline int from_pod(struct __sk_buff *skb, struct xm_config *cfg, struct scene *s)
{
	void *data, *data_end;
	struct xm_route *route;
	enum xm_reason reason;
	struct xm_node *node;
	struct xm_pod *pod;
	struct ethhdr *eth;
	int translated = 0;

	if (!cfg || !s)
		return XM_DROP_INTERNAL;
	pull_headers(skb, pull_bare(skb));
	data = skb_data(skb);
	data_end = skb_data_end(skb);
	eth = data;
	if ((void *)(eth + 1) > data_end || skb->vlan_present)
		return XM_PASS;
	/* A broken packet cannot be told to be ours: the kernel drops it. */
	if (parse_ip(data, data_end, ETH_HLEN, eth->h_proto, &s->ip) != XM_PASS || !s->ip.len ||
	    !ip_is_whole(skb, ETH_HLEN, &s->ip))
		return XM_PASS;

	if (vip_is_client(&s->ip.dst)) {
		reason = to_service(skb, cfg, s);
		if (reason != XM_PASS && reason != XM_TRANSLATED)
			return reason;
		translated = reason == XM_TRANSLATED;
	}
	if (!translated && s->ip.proto == IPPROTO_TCP && s->ip.l4 && flow_hinted(&s->ip.src)) {
		reason = direct_begins(skb, s);
		if (reason != XM_PASS)
			return reason;
	}
	handshake_note(skb, s);
	route = route_get(cfg, &s->ip.dst);
	if (!route) {
		node = node_get(&s->ip.dst);
		if (node && node->path.ifindex)
			return to_peer(skb, cfg, s, &node->path);
		if (!node)
			s->syn = 0;
		/* A reply to somebody outside may be one to VIP traffic. */
		if (!node && !translated && flow_hinted(&s->ip.src))
			s->vip = VIP_BARE;
	} else if (route->flags & XM_ROUTE_STACK) {
		return translated ? to_stack(cfg, s) : XM_PASS;
	} else if (!(route->flags & XM_ROUTE_LOCAL)) {
		return to_peer(skb, cfg, s, route);
	}
	if (!(cfg->flags & XM_CFG_CARRY_LOCAL))
		return translated ? to_stack(cfg, s) : XM_PASS;
	/* Not by pod_get(): the source check behind it might take its place. */
	pod = pod_find(&s->ip.dst);
	/* To itself, or to a neighbour behind the same port: not a matter of routing. */
	if (!pod || pod->ifindex == skb->ifindex) {
		if (translated)
			return to_stack(cfg, s);
		return route && !pod ? XM_STACK_UNKNOWN_POD : XM_PASS;
	}
	return to_local_pod(skb, cfg, s, pod, translated);
}

/*
 * tc ingress on the host end of a pod's interface: everything that the pod sends. Leaves with
 * REDIRECT (fast path), SHOT, or UNSPEC for the next program and the stack.
 */
SEC("tc")
int xm_from_pod(struct __sk_buff *skb)
{
	struct xm_config *cfg = config_get();
	enum xm_reason reason;
	struct scene *s = scene_get();

	if (!cfg || !s)
		return TC_ACT_UNSPEC;
	scene_init(s, skb, XM_HOOK_FROM_POD);
	reason = from_pod(skb, cfg, s);
	if (s->vip) {
		enum xm_reason reply = vip_from_pod(skb, cfg, s);

		if (reply != XM_PASS)
			reason = reply;
	}
	if (s->syn)
		handshake_begins(skb, s, cfg->cluster, reason);
	return verdict_tc(skb, s, reason);
}

#endif
