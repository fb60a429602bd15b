/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel's half of the liveness echo (xmesh/probe.h): a question of a node is turned round where
 * it is, an answer to ours is taken. Not for: who is a node; the hooks have asked that before, so that
 * strangers are never answered.
 */
#ifndef BPF_LIB_PROBE_H
#define BPF_LIB_PROBE_H

#include "rewrite.h"
#include "tunnel.h"
#include "verdict.h"

#define PROBE_VERSION 1

/* The probe behind the inner Ethernet header @eth, or NULL: broken. */
static __always_inline struct xm_probe_packet *probe_at(struct ethhdr *eth, void *data_end)
{
	struct xm_probe_packet *p = (void *)(eth + 1);

	if ((void *)(p + 1) > data_end || p->magic != bpf_htonl(XM_PROBE_MAGIC) ||
	    p->version != PROBE_VERSION)
		return 0;
	return p;
}

/*
 * The answer @p of node @number. The time is from our own clock at both ends: sent_ns in the packet
 * has been in other hands.
 */
static __always_inline enum xm_reason probe_take(__u32 number, const struct xm_probe_packet *p)
{
	struct xm_probe *asked = bpf_map_lookup_elem(&xm_probes, &number);
	__u64 nonce = p->nonce;

	if (!asked || !nonce || asked->nonce != nonce || asked->answered == nonce)
		return XM_DROP_PROBE;
	if (xm_knobs.dry_run)
		return XM_PROBE_TAKEN;
	asked->rtt_ns = bpf_ktime_get_ns() - asked->sent_ns;
	asked->answers++;
	/* Last: the agent looks at the rest when it sees this. */
	*(volatile __u64 *)&asked->answered = nonce;
	return XM_PROBE_TAKEN;
}

/* Turn the outer header of @overhead bytes round: addresses, a fresh TTL; ports stay. */
static __always_inline void probe_turn_outer(struct ethhdr *eth, const __u32 overhead)
{
	void *h = eth + 1;
	struct udphdr *udp;

	mac_swap(eth);
	if (overhead == XM_OVERHEAD_V4) {
		struct iphdr *ip = h;
		__be32 src = ip->saddr;
		__be16 from = *(__be16 *)&ip->ttl, to;

		ip->saddr = ip->daddr;
		ip->daddr = src;
		ip->ttl = TUNNEL_TTL;
		to = *(__be16 *)&ip->ttl;
		csum_replace(&ip->check, from, to);
		udp = (void *)(ip + 1);
	} else {
		struct ipv6hdr *ip = h;
		struct in6_addr src = ip->saddr;

		ip->saddr = ip->daddr;
		ip->daddr = src;
		ip->hop_limit = TUNNEL_TTL;
		udp = (void *)(ip + 1);
	}
	/* None, as in all that the tunnel carries: a sum would have to follow the type. */
	udp->check = 0;
}

/*
 * A tunnel packet of node @number whose inner Ethernet type is XM_ETH_PROBE; outer headers of
 * @overhead bytes, a constant, behind Ethernet. XM_ANSWER_PROBE: it is the answer now, to go out
 * where it came in. XM_PROBE_TAKEN: it ends here.
 */
static __always_inline enum xm_reason probe_in_tunnel(__u32 number, void *data, void *data_end,
						      const __u32 overhead)
{
	struct ethhdr *inner = data + overhead;
	struct xm_probe_packet *p;

	if ((void *)(inner + 1) > data_end)
		return XM_DROP_TRUNCATED;
	p = probe_at(inner, data_end);
	if (!p)
		return XM_DROP_PROBE;
	if (p->type == XM_PROBE_ANSWER)
		return probe_take(number, p);
	if (p->type != XM_PROBE_ASK)
		return XM_DROP_PROBE;
	p->type = XM_PROBE_ANSWER;
	mac_swap(inner);
	probe_turn_outer(data, overhead);
	return XM_ANSWER_PROBE;
}

/*
 * The same behind xmesh0, where the outer header is gone: that device puts a new one in front of the
 * answer. Called by xm_from_dev for a node of the mesh, @s->outer_src, with a @vni that it may have.
 */
static __always_inline enum xm_reason probe_from_dev(struct __sk_buff *skb, struct scene *s,
						     __u32 number, __u32 vni)
{
	struct bpf_tunnel_key key = {};
	struct ethhdr *eth;
	struct xm_probe_packet *p;
	__u64 flags = BPF_F_ZERO_CSUM_TX;
	void *data_end;

	pull_headers(skb, sizeof(*eth) + sizeof(*p));
	eth = (void *)(long)skb->data;
	data_end = (void *)(long)skb->data_end;
	if ((void *)(eth + 1) > data_end)
		return XM_DROP_TRUNCATED;
	p = probe_at(eth, data_end);
	if (!p)
		return XM_DROP_PROBE;
	s->action = TC_ACT_SHOT;
	if (p->type == XM_PROBE_ANSWER)
		return probe_take(number, p);
	if (p->type != XM_PROBE_ASK)
		return XM_DROP_PROBE;
	p->type = XM_PROBE_ANSWER;
	mac_swap(eth);
	key.tunnel_id = vni;
	key.tunnel_ttl = TUNNEL_TTL;
	if (xm_addr_is_v4(&s->outer_src)) {
		key.remote_ipv4 = bpf_ntohl(s->outer_src.w[3]);
	} else {
		__builtin_memcpy(key.remote_ipv6, &s->outer_src, 16);
		flags |= BPF_F_TUNINFO_IPV6;
	}
	if (bpf_skb_set_tunnel_key(skb, &key, sizeof(key), flags))
		return XM_DROP_INTERNAL;
	s->action = bpf_redirect(skb->ifindex, 0);
	return XM_ANSWER_PROBE;
}

#endif
