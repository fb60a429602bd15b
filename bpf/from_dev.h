/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* tc ingress on xmesh0: what the kernel's own VXLAN device took out of the tunnel. */
#ifndef BPF_FROM_DEV_H
#define BPF_FROM_DEV_H

#include <linux/if_packet.h>

#include "deliver.h"
#include "handshake.h"
#include "latency.h"
#include "probe.h"
#include "route.h"
#include "source.h"
#include "translate.h"
#include "vip_node.h"

/* The outer source that the device stored when it took the headers off. 0 or -1. */
static __always_inline int tunnel_origin(struct __sk_buff *skb, struct xm_addr *ret_addr,
					 __u32 *ret_vni)
{
	struct bpf_tunnel_key key = {};

	if (!bpf_skb_get_tunnel_key(skb, &key, sizeof(key), 0)) {
		*ret_addr = xm_addr_v4(bpf_htonl(key.remote_ipv4));
	} else if (!bpf_skb_get_tunnel_key(skb, &key, sizeof(key), BPF_F_TUNINFO_IPV6)) {
		__builtin_memcpy(ret_addr, key.remote_ipv6, 16);
	} else {
		return -1;
	}
	*ret_vni = key.tunnel_id;
	return 0;
}

static __always_inline int from_dev(struct __sk_buff *skb, struct xm_config *cfg, struct scene *s)
{
	void *data, *data_end;
	struct xm_route *route;
	enum xm_reason reason;
	struct xm_pod *pod;
	struct ethhdr *eth;
	__u32 vni;

	if (!cfg || !s)
		return XM_DROP_INTERNAL;
	pull_headers(skb, pull_bare(skb));
	if (tunnel_origin(skb, &s->outer_src, &vni))
		return XM_DROP_UNKNOWN_PEER;
	data = skb_data(skb);
	data_end = skb_data_end(skb);
	eth = data;
	if (sender_get(cfg, s, eth, data_end, &route))
		return XM_DROP_UNKNOWN_PEER;
	reason = tunnel_vni_check(cfg, s, vni);
	if (reason != XM_PASS)
		return reason;
	if ((void *)(eth + 1) > data_end)
		return XM_DROP_TRUNCATED;
	if (eth->h_proto == bpf_htons(XM_ETH_PROBE))
		return probe_from_dev(skb, s, s->entry, vni);
	reason = parse_ip(data, data_end, ETH_HLEN, eth->h_proto, &s->ip);
	if (reason != XM_PASS)
		return reason;
	if (!s->ip.len)
		return XM_DROP_PEER_SOURCE;
	if (!ip_is_whole(skb, ETH_HLEN, &s->ip))
		return XM_DROP_TRUNCATED;
	if (ip_is_icmp(&s->ip)) {
		pull_headers(skb, PULL_BYTES);
		data = skb_data(skb);
		data_end = skb_data_end(skb);
	}
	reason = source_check_peer(cfg, s, data, data_end,
				   ip_l4(&s->ip, ETH_HLEN), &route);
	if (reason == XM_DROP_PEER_SOURCE && vip_may_be_tunnelled(s)) {
		s->vip = VIP_TUNNEL;
	} else if (reason != XM_PASS) {
		return reason;
	}
	/* A foreign VTEP need not know our inner MAC: the packet was for us all the same. */
	if (skb->pkt_type != PACKET_HOST)
		bpf_skb_change_type(skb, PACKET_HOST);
	if (s->vip)
		return XM_PASS;
	if (route)
		clamp_handshake(skb, s, ETH_HLEN, route->mtu);
	pod = pod_get(&s->ip.dst);
	if (!pod)
		return xm_addr_eq(&s->ip.dst, s->ip.is_v4 ? &cfg->addr4 : &cfg->addr6) ?
			       XM_STACK_HOST :
			       XM_STACK_UNKNOWN_POD;
	reason = deliver_check(skb, s, pod, 0);
	if (reason != XM_FWD_LOCAL)
		return reason;
	handshake_ends(skb, s, ETH_HLEN);
	reason = translate_reply(skb, s);
	if (reason != XM_PASS)
		return reason;
	return deliver(skb, s, pod);
}

/*
 * tc ingress on xmesh0: what the kernel's VXLAN device decapsulated, that is, what xm_from_net left
 * alone or never saw. The same checks; leaves with REDIRECT, SHOT, or UNSPEC for the stack.
 */
SEC("tc")
int xm_from_dev(struct __sk_buff *skb)
{
	struct xm_config *cfg = config_get();
	enum xm_reason reason;
	struct scene *s = scene_get();

	/* Without settings nobody can be believed, and this device carries nothing but the mesh. */
	if (!cfg || !s)
		return TC_ACT_SHOT;
	scene_init(s, skb, XM_HOOK_FROM_DEV);
	reason = from_dev(skb, cfg, s);
	if (s->vip)
		reason = vip_from_tunnel(skb, cfg, s, s->entry, s->cluster);
	return verdict_tc(skb, s, reason);
}

#endif
