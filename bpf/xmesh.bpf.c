/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The programs of xmesh, one section a hook. Each gathers what it needs step by step and returns a
 * reason; verdict.h alone turns reasons into verdicts. The way of a packet: ARCHITECTURE.md.
 */
#include <linux/if_packet.h>

#include "deliver.h"
#include "maps.h"
#include "mss.h"
#include "parse.h"
#include "pmtu.h"
#include "rewrite.h"
#include "route.h"
#include "size.h"
#include "source.h"
#include "tunnel.h"
#include "verdict.h"

/*
 * Clamp the MSS of a handshake; everything else leaves at once. Packet pointers are void
 * afterwards.
 */
static __always_inline void clamp_handshake(struct __sk_buff *skb, const struct scene *s, __u32 off,
					    __u32 mtu)
{
	__u32 l4 = ip_l4(&s->ip, off);
	void *data, *data_end;
	struct tcphdr *tcp;

	if (s->ip.proto != IPPROTO_TCP || !s->ip.l4)
		return;
	pull_headers(skb, l4 + sizeof(*tcp));
	data = (void *)(long)skb->data;
	data_end = (void *)(long)skb->data_end;
	tcp = data + l4;
	if ((void *)(tcp + 1) > data_end || !tcp->syn)
		return;
	pull_headers(skb, PULL_BYTES);
	if (mss_clamp(skb, l4, l4 - off, mtu))
		count(s->hook, XM_MSS_CLAMPED, 1, 0);
}

/* ---- from a pod -------------------------------------------------------------------------- */

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
						   struct scene *s, const struct xm_pod *pod)
{
	enum xm_reason reason;

	/* To itself, or to a neighbour behind the same port: not a matter of routing. */
	if (pod->ifindex == skb->ifindex)
		return XM_PASS;
	reason = source_check_pod(cfg, s);
	if (reason != XM_PASS)
		return reason;
	reason = deliver_check(skb, s, pod, 0);
	if (reason != XM_FWD_LOCAL)
		return reason;
	return deliver(skb, s, pod);
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
	data = (void *)(long)skb->data;
	data_end = (void *)(long)skb->data_end;
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
		rewrite_ttl((void *)(long)skb->data, (void *)(long)skb->data_end, ETH_HLEN,
			    s->ip.is_v4, 1);
	return reason;
}

static __always_inline enum xm_reason from_pod(struct __sk_buff *skb, struct xm_config *cfg,
					       struct scene *s)
{
	void *data, *data_end;
	struct xm_route *route;
	struct xm_node *node;
	struct xm_pod *pod;
	struct ethhdr *eth;

	pull_headers(skb, pull_bare(skb));
	data = (void *)(long)skb->data;
	data_end = (void *)(long)skb->data_end;
	eth = data;
	if ((void *)(eth + 1) > data_end || skb->vlan_present)
		return XM_PASS;
	/* A broken packet cannot be told to be ours: the kernel drops it. */
	if (parse_ip(data, data_end, ETH_HLEN, eth->h_proto, &s->ip) != XM_PASS || !s->ip.len ||
	    !ip_is_whole(skb, ETH_HLEN, &s->ip))
		return XM_PASS;

	route = route_get(cfg, &s->ip.dst);
	if (!route) {
		node = bpf_map_lookup_elem(&xm_nodes, &s->ip.dst);
		if (node && node->path.ifindex)
			return to_peer(skb, cfg, s, &node->path);
	} else if (route->flags & XM_ROUTE_STACK) {
		return XM_PASS;
	} else if (!(route->flags & XM_ROUTE_LOCAL)) {
		return to_peer(skb, cfg, s, route);
	}
	if (!(cfg->flags & XM_CFG_CARRY_LOCAL))
		return XM_PASS;
	/* Not by pod_get(): the source check behind it might take its place. */
	pod = bpf_map_lookup_elem(&xm_pods, &s->ip.dst);
	if (!pod)
		return route ? XM_STACK_UNKNOWN_POD : XM_PASS;
	return to_local_pod(skb, cfg, s, pod);
}

/*
 * tc ingress on the host end of a pod's interface: everything that the pod sends. Leaves with
 * REDIRECT (fast path), SHOT, or UNSPEC for the next program and the stack.
 */
SEC("tc")
int xm_from_pod(struct __sk_buff *skb)
{
	struct xm_config *cfg = config_get();
	struct scene s;

	if (!cfg)
		return TC_ACT_UNSPEC;
	scene_init(&s, skb, XM_HOOK_FROM_POD);
	return verdict_tc(skb, &s, from_pod(skb, cfg, &s));
}

/* ---- from the underlay ------------------------------------------------------------------- */

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

/* ---- from xmesh0 -------------------------------------------------------------------------- */

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

static __always_inline enum xm_reason from_dev(struct __sk_buff *skb, struct xm_config *cfg,
					       struct scene *s)
{
	void *data, *data_end;
	struct xm_route *route;
	enum xm_reason reason;
	struct xm_node *node;
	struct xm_pod *pod;
	struct ethhdr *eth;
	__u32 vni;

	pull_headers(skb, pull_bare(skb));
	if (tunnel_origin(skb, &s->outer_src, &vni))
		return XM_DROP_UNKNOWN_PEER;
	node = bpf_map_lookup_elem(&xm_nodes, &s->outer_src);
	if (!node)
		return XM_DROP_UNKNOWN_PEER;
	scene_peer(s, node->number, node->cluster);
	if (vni != cfg->vni)
		return XM_DROP_BAD_VNI;
	data = (void *)(long)skb->data;
	data_end = (void *)(long)skb->data_end;
	eth = data;
	if ((void *)(eth + 1) > data_end)
		return XM_DROP_TRUNCATED;
	reason = parse_ip(data, data_end, ETH_HLEN, eth->h_proto, &s->ip);
	if (reason != XM_PASS)
		return reason;
	if (!s->ip.len)
		return XM_DROP_PEER_SOURCE;
	if (!ip_is_whole(skb, ETH_HLEN, &s->ip))
		return XM_DROP_TRUNCATED;
	if (ip_is_icmp(&s->ip)) {
		pull_headers(skb, PULL_BYTES);
		data = (void *)(long)skb->data;
		data_end = (void *)(long)skb->data_end;
	}
	reason = source_check_peer(cfg, node, s, data, data_end,
				   ip_l4(&s->ip, ETH_HLEN), &route);
	if (reason != XM_PASS)
		return reason;
	if (route)
		clamp_handshake(skb, s, ETH_HLEN, route->mtu);
	/* A foreign VTEP need not know our inner MAC: the packet was for us all the same. */
	if (skb->pkt_type != PACKET_HOST)
		bpf_skb_change_type(skb, PACKET_HOST);
	pod = pod_get(&s->ip.dst);
	if (!pod)
		return xm_addr_eq(&s->ip.dst, s->ip.is_v4 ? &cfg->addr4 : &cfg->addr6) ?
			       XM_STACK_HOST :
			       XM_STACK_UNKNOWN_POD;
	reason = deliver_check(skb, s, pod, 0);
	if (reason != XM_FWD_LOCAL)
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
	struct scene s;

	/* Without settings nobody can be believed, and this device carries nothing but the mesh. */
	if (!cfg)
		return TC_ACT_SHOT;
	scene_init(&s, skb, XM_HOOK_FROM_DEV);
	return verdict_tc(skb, &s, from_dev(skb, cfg, &s));
}

/* ---- XDP ----------------------------------------------------------------------------------- */

/*
 * XDP on an underlay interface, where configured: tunnel packets of strangers end here, before an
 * skb exists. DROP or PASS.
 */
SEC("xdp")
int xm_xdp(struct xdp_md *xdp)
{
	void *data = (void *)(long)xdp->data, *data_end = (void *)(long)xdp->data_end;
	struct xm_config *cfg = config_get();
	enum xm_reason reason = XM_PASS;
	struct ethhdr *eth = data;
	struct scene s;

	if (!cfg || (void *)(eth + 1) > data_end)
		return XDP_PASS;
	__builtin_memset(&s, 0, sizeof(s));
	s.hook = XM_HOOK_XDP;
	s.ifindex = xdp->ingress_ifindex;
	s.bytes = data_end - data - ETH_HLEN;
	s.packets = 1;
	if (parse_ip(data, data_end, ETH_HLEN, eth->h_proto, &s.ip) != XM_PASS || !s.ip.len)
		return XDP_PASS;
	if (tunnel_is_ours(cfg, &s, data, data_end)) {
		struct udphdr *udp = data + ip_l4(&s.ip, ETH_HLEN);

		s.outer_src = s.ip.src;
		if ((void *)(udp + 1) <= data_end) {
			s.sport = udp->source;
			s.dport = udp->dest;
		}
		if (!bpf_map_lookup_elem(&xm_nodes, &s.outer_src))
			reason = XM_DROP_UNKNOWN_PEER;
	}
	return verdict_xdp(&s, reason);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
