/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The VXLAN tunnel, both ways, by bpf_skb_adjust_room: outer headers per RFC 7348, DSCP and ECN per
 * RFC 6040, no UDP checksum (RFC 6935, 6936), source port from the inner flow's hash.
 */
#ifndef BPF_LIB_TUNNEL_H
#define BPF_LIB_TUNNEL_H

#include <stddef.h>

#include "parse.h"
#include "route.h"
#include "verdict.h"
#include "xmesh/wire.h"

#define TUNNEL_TTL 64

/* sys/socket.h is not for BPF. */
#define XM_AF_INET 2
#define XM_AF_INET6 10

/* Newer than Debian's headers (6.3). */
#define ADJ_ROOM_DECAP_L3_IPV4 (1ull << 7)
#define ADJ_ROOM_DECAP_L3_IPV6 (1ull << 8)

/*
 * The inner Ethernet header follows. It is not a member: its 14 bytes would need the struct packed,
 * and clang then writes every field byte by byte.
 */
struct tunnel_v4 {
	struct iphdr ip;
	struct udphdr udp;
	struct xm_vxlan vxlan;
};

struct tunnel_v6 {
	struct ipv6hdr ip;
	struct udphdr udp;
	struct xm_vxlan vxlan;
};

_Static_assert(sizeof(struct tunnel_v4) + ETH_HLEN == XM_OVERHEAD_V4, "overhead over IPv4");
_Static_assert(sizeof(struct tunnel_v6) + ETH_HLEN == XM_OVERHEAD_V6, "overhead over IPv6");

/*
 * True when the frame is UDP to our port and our address, with the outer header plain enough to be
 * judged here; fragments and options go on to the kernel, whose device judges again.
 */
static __always_inline int tunnel_is_ours(const struct xm_config *cfg, const struct scene *s,
					  void *data, void *data_end)
{
	struct udphdr *udp = data + ip_l4(&s->ip, ETH_HLEN);

	if (s->ip.proto != IPPROTO_UDP || !s->ip.l4 || s->ip.fragment)
		return 0;
	if ((void *)(udp + 1) > data_end || udp->dest != cfg->port)
		return 0;
	return xm_addr_eq(&s->ip.dst, s->ip.is_v4 ? &cfg->addr4 : &cfg->addr6);
}

/* The VNI of a packet whose sender is known. */
static __always_inline enum xm_reason tunnel_vni_check(const struct xm_config *cfg,
						       const struct scene *s, __u32 vni)
{
	if (!s->identity)
		return vni == cfg->vni ? XM_PASS : XM_DROP_BAD_VNI;
	return xm_identity_is_of(vni, s->identity & XM_IDENTITY16 ? 16 : 15, s->cluster) ?
		       XM_PASS :
		       XM_DROP_BAD_VNI;
}

static __always_inline enum xm_reason tunnel_header_check(const struct xm_config *cfg,
							  const struct scene *s,
							  const struct xm_vxlan *vxlan)
{
	if (!(vxlan->flags & bpf_htonl(XM_VXLAN_FLAG_I)))
		return XM_DROP_BAD_VXLAN;
	return tunnel_vni_check(cfg, s, bpf_ntohl(vxlan->vni) >> 8);
}

/* The headers between outer IP and inner IP, which both families share. */
static __always_inline void tunnel_write(struct udphdr *udp, struct xm_vxlan *vxlan,
					 struct ethhdr *eth, const struct xm_config *cfg,
					 const struct xm_route *route, __u32 hash, __u32 udp_len,
					 int inner_is_v4)
{
	udp->source = bpf_htons(XM_SOURCE_PORT_MIN |
				((hash ^ hash >> 16) & (XM_SOURCE_PORT_MAX - XM_SOURCE_PORT_MIN)));
	udp->dest = cfg->port;
	udp->len = bpf_htons(udp_len);
	udp->check = 0;
	vxlan->flags = bpf_htonl(XM_VXLAN_FLAG_I);
	vxlan->vni = route->flags & (XM_IDENTITY16 | XM_IDENTITY15) ?
			     bpf_htonl(XM_IDENTITY_WORLD << 8) :
			     bpf_htonl(cfg->vni << 8);
	mac_copy(eth->h_dest, route->vtep_mac);
	mac_copy(eth->h_source, cfg->vtep_mac);
	eth->h_proto = inner_is_v4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
}

static __always_inline __u16 ipv4_header_csum(const struct iphdr *h)
{
	const __u16 *w = (const void *)h;
	__u32 sum = 0;
	int i;

#pragma unroll
	for (i = 0; i < 10; i++)
		sum += w[i];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/*
 * Fill in what is between @eth, whose type it sets too, and the inner packet of @s. @len: of the outer
 * IP packet. The caller has checked that all of it lies in the frame.
 */
static __always_inline void tunnel_put_v4(struct ethhdr *eth, const struct scene *s,
					  const struct xm_config *cfg, const struct xm_route *route,
					  __u32 hash, __u32 len)
{
	struct tunnel_v4 *t = (void *)(eth + 1);
	struct xm_peer_stat *peer = scene_stat(s);

	eth->h_proto = bpf_htons(ETH_P_IP);
	*(__be16 *)&t->ip = bpf_htons(0x4500 | s->ip.tos);
	t->ip.tot_len = bpf_htons(len);
	/*
	 * DF stays clear, so an identification that does not repeat soon is asked for (RFC 6864):
	 * this CPU's packets to that node, each flow from another start. A random one is 20 ns.
	 */
	t->ip.id = (__u16)(hash + (peer ? peer->tx_packets : 0));
	t->ip.frag_off = 0;
	t->ip.ttl = TUNNEL_TTL;
	t->ip.protocol = IPPROTO_UDP;
	t->ip.check = 0;
	t->ip.saddr = cfg->addr4.w[3];
	t->ip.daddr = route->outer.w[3];
	t->ip.check = ipv4_header_csum(&t->ip);
	tunnel_write(&t->udp, &t->vxlan, (void *)(t + 1), cfg, route, hash, len - sizeof(t->ip),
		     s->ip.is_v4);
}

static __always_inline void tunnel_put_v6(struct ethhdr *eth, const struct scene *s,
					  const struct xm_config *cfg, const struct xm_route *route,
					  __u32 hash, __u32 len)
{
	struct tunnel_v6 *t = (void *)(eth + 1);

	len -= sizeof(t->ip);
	eth->h_proto = bpf_htons(ETH_P_IPV6);
	/* Version, traffic class, and the flow label (RFC 6438) from the same hash as the port. */
	*(__be32 *)&t->ip = bpf_htonl(0x60000000u | (__u32)s->ip.tos << 20 | (hash & 0xfffff));
	t->ip.payload_len = bpf_htons(len);
	t->ip.nexthdr = IPPROTO_UDP;
	t->ip.hop_limit = TUNNEL_TTL;
	__builtin_memcpy(&t->ip.saddr, &cfg->addr6, 16);
	__builtin_memcpy(&t->ip.daddr, &route->outer, 16);
	tunnel_write(&t->udp, &t->vxlan, (void *)(t + 1), cfg, route, hash, len, s->ip.is_v4);
}

static __always_inline enum xm_reason tunnel_encap_v4(struct __sk_buff *skb, const struct scene *s,
						      const struct xm_config *cfg,
						      const struct xm_route *route, __u32 hash)
{
	__u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 |
		      BPF_F_ADJ_ROOM_ENCAP_L4_UDP | BPF_F_ADJ_ROOM_ENCAP_L2(ETH_HLEN) |
		      BPF_F_ADJ_ROOM_ENCAP_L2_ETH;
	struct ethhdr *eth;

	if (!xm_knobs.skip_adjust &&
	    bpf_skb_adjust_room(skb, XM_OVERHEAD_V4, BPF_ADJ_ROOM_MAC, flags))
		return XM_STACK_NO_ENCAP;
	eth = skb_data(skb);
	if ((void *)(eth + 1) + XM_OVERHEAD_V4 > skb_data_end(skb))
		return XM_DROP_INTERNAL;
	tunnel_put_v4(eth, s, cfg, route, hash, skb->len - ETH_HLEN);
	return XM_FWD_TUNNEL;
}

static __always_inline enum xm_reason tunnel_encap_v6(struct __sk_buff *skb, const struct scene *s,
						      const struct xm_config *cfg,
						      const struct xm_route *route, __u32 hash)
{
	__u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 |
		      BPF_F_ADJ_ROOM_ENCAP_L4_UDP | BPF_F_ADJ_ROOM_ENCAP_L2(ETH_HLEN) |
		      BPF_F_ADJ_ROOM_ENCAP_L2_ETH;
	struct ethhdr *eth;

	if (!xm_knobs.skip_adjust &&
	    bpf_skb_adjust_room(skb, XM_OVERHEAD_V6, BPF_ADJ_ROOM_MAC, flags))
		return XM_STACK_NO_ENCAP;
	eth = skb_data(skb);
	if ((void *)(eth + 1) + XM_OVERHEAD_V6 > skb_data_end(skb))
		return XM_DROP_INTERNAL;
	tunnel_put_v6(eth, s, cfg, route, hash, skb->len - ETH_HLEN);
	return XM_FWD_TUNNEL;
}

/* Wrap @skb (TTL done) for @route and send it on. */
static __always_inline enum xm_reason tunnel_send(struct __sk_buff *skb, struct scene *s,
						  const struct xm_config *cfg,
						  const struct xm_route *route)
{
	struct bpf_redir_neigh nh = {};
	enum xm_reason reason;
	__u32 hash;

	/*
	 * BIG TCP: its length does not fit into an outer header. Super-packets of other protocols:
	 * adjust_room refuses them.
	 */
	if (!xm_knobs.has_encap_eth || skb->len + XM_OVERHEAD_V6 > 65535 ||
	    (skb->gso_size && s->ip.proto != IPPROTO_TCP && s->ip.proto != IPPROTO_UDP))
		return XM_STACK_NO_ENCAP;
	hash = bpf_get_hash_recalc(skb);

	if (xm_addr_is_v4(&route->outer)) {
		reason = tunnel_encap_v4(skb, s, cfg, route, hash);
		nh.nh_family = XM_AF_INET;
		nh.ipv4_nh = route->outer.w[3];
	} else {
		reason = tunnel_encap_v6(skb, s, cfg, route, hash);
		nh.nh_family = XM_AF_INET6;
		__builtin_memcpy(nh.ipv6_nh, &route->outer, 16);
	}
	if (reason != XM_FWD_TUNNEL)
		return reason;
	if (route->flags & XM_ROUTE_ONLINK)
		s->action = bpf_redirect_neigh(route->ifindex, &nh, sizeof(nh), 0);
	else
		s->action = bpf_redirect_neigh(route->ifindex, 0, 0, 0);
	return reason;
}

/*
 * Wrap the frame in XDP (TTL done) for @path, with the MACs that it knows. The caller has made sure
 * that it leaves by the interface that it came in by. Packet pointers are void afterwards.
 */
static __always_inline enum xm_reason tunnel_send_xdp(struct xdp_md *xdp, struct scene *s,
						      const struct xm_config *cfg,
						      const struct xm_path *path, __u32 hash)
{
	const int outer_is_v4 = xm_addr_is_v4(&path->route.outer);
	struct ethhdr *eth;
	void *data_end;
	__u32 len;

	if (!xm_knobs.skip_adjust &&
	    bpf_xdp_adjust_head(xdp, outer_is_v4 ? -XM_OVERHEAD_V4 : -XM_OVERHEAD_V6))
		return XM_STACK_NO_ENCAP;
	eth = (void *)(long)xdp->data;
	data_end = (void *)(long)xdp->data_end;
	len = data_end - (void *)(eth + 1);
	if (outer_is_v4) {
		if ((void *)(eth + 1) + XM_OVERHEAD_V4 > data_end)
			return XM_DROP_INTERNAL;
		tunnel_put_v4(eth, s, cfg, &path->route, hash, len);
	} else {
		if ((void *)(eth + 1) + XM_OVERHEAD_V6 > data_end)
			return XM_DROP_INTERNAL;
		tunnel_put_v6(eth, s, cfg, &path->route, hash, len);
	}
	mac_copy(eth->h_dest, path->next_mac);
	mac_copy(eth->h_source, path->own_mac);
	s->action = XDP_TX;
	return XM_FWD_TUNNEL;
}

/*
 * Take the outer headers off: what is left is Ethernet (MACs still the outer ones) and the inner
 * packet. 0, or -1: nothing was changed.
 */
static __always_inline int tunnel_decap(struct __sk_buff *skb, int outer_is_v4, int inner_is_v4)
{
	__s32 overhead = outer_is_v4 ? XM_OVERHEAD_V4 : XM_OVERHEAD_V6;
	__u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO;
	struct ethhdr *eth;

	if (outer_is_v4 != inner_is_v4)
		flags |= inner_is_v4 ? ADJ_ROOM_DECAP_L3_IPV4 : ADJ_ROOM_DECAP_L3_IPV6;
	if (!xm_knobs.skip_adjust && bpf_skb_adjust_room(skb, -overhead, BPF_ADJ_ROOM_MAC, flags))
		return -1;
	eth = skb_data(skb);
	if ((void *)(eth + 1) > skb_data_end(skb))
		return -1;
	eth->h_proto = inner_is_v4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
	return 0;
}

#endif
