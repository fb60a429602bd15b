/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* XDP on an underlay interface, before an skb exists. */
#ifndef BPF_XDP_H
#define BPF_XDP_H

#include "probe.h"
#include "route.h"
#include "tunnel.h"
#include "verdict.h"
#include "vip.h"

/*
 * A tunnel packet to us, outer headers of @overhead bytes: strangers end here, probes are answered,
 * pods' traffic is left to tc.
 */
static __always_inline enum xm_reason xdp_tunnel(struct xm_config *cfg, struct scene *s, void *data,
						 void *data_end, const __u32 overhead)
{
	struct xm_vxlan *vxlan = data + ETH_HLEN + overhead - ETH_HLEN - sizeof(*vxlan);
	struct ethhdr *eth = data + overhead;
	enum xm_reason reason;
	struct xm_node *node;

	s->outer_src = s->ip.src;
	node = node_get(&s->outer_src);
	if (!node)
		return XM_DROP_UNKNOWN_PEER;
	if ((void *)(eth + 1) > data_end || eth->h_proto != bpf_htons(XM_ETH_PROBE))
		return XM_PASS;
	scene_peer(s, node->number, node->cluster);
	s->identity = node->flags & (XM_IDENTITY16 | XM_IDENTITY15);
	reason = tunnel_header_check(cfg, s, vxlan);
	if (reason != XM_PASS)
		return reason;
	reason = probe_in_tunnel(node->number, data, data_end, overhead);
	s->action = reason == XM_ANSWER_PROBE ? XDP_TX : XDP_DROP;
	return reason;
}

static __always_inline int mac_is_zero(const __u8 *a)
{
	const __u16 *x = (const void *)a;

	return (x[0] | x[1] | x[2]) == 0;
}

static __always_inline int mac_eq(const __u8 *a, const __u8 *b)
{
	const __u16 *x = (const void *)a, *y = (const void *)b;

	return x[0] == y[0] && x[1] == y[1] && x[2] == y[2];
}

/*
 * A packet that may be for a VIP: on to a node, where it came in. What needs more than that is left
 * to tc, which decides the same.
 */
static __always_inline enum xm_reason xdp_vip(struct xdp_md *xdp, struct xm_config *cfg,
					      struct scene *s, void *data, void *data_end)
{
	struct ethhdr *eth = data;
	enum xm_reason reason;
	struct xm_path *path;
	struct edge e;
	__u32 mtu, len;

	if (!ip_has_ports(&s->ip) || s->ip.fragment || s->ip.ttl <= 1 ||
	    edge_key(s, data, data_end, &e))
		return XM_PASS;
	reason = edge_node(cfg, s, &e);
	if (reason == XM_ANSWER_REFUSED)
		return answer_xdp(xdp, s, 0);
	if (reason != XM_FWD_VIP)
		return XM_PASS;
	path = edge_path(e.node, &mtu);
	len = data_end - data - ETH_HLEN;
	if (!path || path->route.ifindex != s->ifindex || !mac_eq(eth->h_dest, path->own_mac) ||
	    mac_is_zero(path->next_mac) || s->ip.len > len)
		return XM_PASS;
	s->limit = mtu;
	s->size = s->ip.len;
	if (s->ip.len > mtu)
		return answer_xdp(xdp, s, mtu);
	/* More padding than that is no packet of a client. */
	if (len > mtu || rewrite_ttl(data, data_end, ETH_HLEN, s->ip.is_v4, -1))
		return XM_PASS;
	scene_peer(s, e.node, path->route.cluster);
	s->sending = 1;
	reason = tunnel_send_xdp(xdp, s, cfg, path, edge_hash(&e.ask.key));
	return reason == XM_FWD_TUNNEL ? XM_FWD_VIP : reason;
}

static __always_inline enum xm_reason from_wire(struct xdp_md *xdp, struct xm_config *cfg,
						struct scene *s)
{
	void *data = (void *)(long)xdp->data, *data_end = (void *)(long)xdp->data_end;
	struct ethhdr *eth = data;

	if ((void *)(eth + 1) > data_end)
		return XM_PASS;
	if (parse_ip(data, data_end, ETH_HLEN, eth->h_proto, &s->ip) != XM_PASS || !s->ip.len)
		return XM_PASS;
	if (tunnel_is_ours(cfg, s, data, data_end)) {
		struct udphdr *udp = data + ip_l4(&s->ip, ETH_HLEN);

		if ((void *)(udp + 1) > data_end)
			return XM_PASS;
		s->sport = udp->source;
		s->dport = udp->dest;
		if (s->ip.is_v4)
			return xdp_tunnel(cfg, s, data, data_end, XM_OVERHEAD_V4);
		return xdp_tunnel(cfg, s, data, data_end, XM_OVERHEAD_V6);
	}
	if (vip_is_edge(&s->ip.dst))
		return xdp_vip(xdp, cfg, s, data, data_end);
	return XM_PASS;
}

/*
 * XDP on an underlay interface, where configured, before an skb exists: tunnel packets of strangers
 * end here, peers' probes are answered, packets to VIPs are sent on. DROP, TX or PASS.
 */
SEC("xdp")
int xm_xdp(struct xdp_md *xdp)
{
	struct xm_config *cfg = config_get();
	struct scene s;

	if (!cfg)
		return XDP_PASS;
	__builtin_memset(&s, 0, sizeof(s));
	s.start_ns = sample_start(XM_HOOK_XDP);
	s.hook = XM_HOOK_XDP;
	s.ifindex = xdp->ingress_ifindex;
	s.bytes = xdp->data_end - xdp->data - ETH_HLEN;
	s.packets = 1;
	return verdict_xdp(&s, from_wire(xdp, cfg, &s));
}

#endif
