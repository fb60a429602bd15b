/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A packet to a VIP turned into what its sender gets from that VIP: refused, by a TCP reset or ICMP
 * port unreachable, or packet too big (RFC 792, RFC 1191, RFC 4443). The same for tc and XDP. Not
 * for: which packet deserves one.
 */
#ifndef BPF_LIB_ANSWER_H
#define BPF_LIB_ANSWER_H

#include "parse.h"
#include "reset.h"
#include "verdict.h"

#define ICMP4_PORT_UNREACHABLE 3 /* code */
#define ICMP6_PORT_UNREACHABLE 4
#define ANSWER_TTL 64
/* Of the packet that is answered, its IP header included; whole words, so that it is summed fast. */
#define ANSWER_QUOTE 128u
#define ANSWER_ROOM_V4 (sizeof(struct iphdr) + sizeof(struct xm_icmp))
#define ANSWER_ROOM_V6 (sizeof(struct ipv6hdr) + sizeof(struct xm_icmp))

/* May @s->ip be answered at all (RFC 1122, 3.2.2; RFC 4443, 2.4)? And has this CPU not said enough? */
static __always_inline int answer_allowed(const struct scene *s, const struct ethhdr *eth)
{
	const struct xm_addr *to = &s->ip.src;

	if (!s->ip.l4 || ip_is_icmp(&s->ip) || eth->h_dest[0] & 1 || is_unrouted(to))
		return 0;
	if (s->ip.is_v4 ? to->b[12] >= 224 || to->b[12] == 127 || to->b[12] == 0 : to->b[0] == 0xff)
		return 0;
	return rate_allows(XM_RATE_ANSWERS, bpf_ktime_get_ns(), XM_ANSWERS_PER_SECOND);
}

/* How much of the packet is quoted. */
static __always_inline __u32 answer_quote(const struct scene *s)
{
	return s->ip.len < ANSWER_QUOTE ? s->ip.len & ~3u : ANSWER_QUOTE;
}

/* Sum of the @quote bytes and the ICMP header before them, added to @sum. Not folded. */
static __always_inline __u64 answer_sum(const struct xm_icmp *icmp, void *data_end, __u32 quote,
					__u64 sum)
{
	const __be32 *word = (const void *)icmp;
	__u32 i;

	for (i = 0; i < (ANSWER_QUOTE + sizeof(*icmp)) / 4; i++, word++) {
		if (i * 4 >= quote + sizeof(*icmp) || (void *)(word + 1) > data_end)
			break;
		sum += *word;
	}
	return sum;
}

/*
 * Behind @eth there is room for the new headers, then what is quoted. @mtu 0: port unreachable. 0 or
 * -1: the frame is shorter than that.
 */
static __always_inline int answer_put_v4(struct ethhdr *eth, void *data_end, const struct scene *s,
					 __u32 quote, __u32 mtu)
{
	struct iphdr *ip = (void *)(eth + 1);
	struct xm_icmp *icmp = (void *)(ip + 1);

	if ((void *)(icmp + 1) > data_end)
		return -1;
	*(__be16 *)ip = bpf_htons(0x4500);
	ip->tot_len = bpf_htons(ANSWER_ROOM_V4 + quote);
	ip->id = 0;
	ip->frag_off = bpf_htons(0x4000);
	ip->ttl = ANSWER_TTL;
	ip->protocol = IPPROTO_ICMP;
	ip->check = 0;
	ip->saddr = s->ip.dst.w[3];
	ip->daddr = s->ip.src.w[3];
	ip->check = csum_fold(((__be32 *)ip)[0] + (__u64)((__be32 *)ip)[1] + ((__be32 *)ip)[2] +
			      ip->saddr + ip->daddr);
	icmp->type = ICMP4_UNREACHABLE;
	icmp->code = mtu ? ICMP4_FRAG_NEEDED : ICMP4_PORT_UNREACHABLE;
	icmp->checksum = 0;
	icmp->unused = 0;
	icmp->mtu = bpf_htons(mtu);
	icmp->checksum = csum_fold(answer_sum(icmp, data_end, quote, 0));
	return 0;
}

static __always_inline int answer_put_v6(struct ethhdr *eth, void *data_end, const struct scene *s,
					 __u32 quote, __u32 mtu)
{
	struct ipv6hdr *ip = (void *)(eth + 1);
	struct xm_icmp *icmp = (void *)(ip + 1);
	__u32 len = sizeof(*icmp) + quote;
	__u64 sum;

	if ((void *)(icmp + 1) > data_end)
		return -1;
	*(__be32 *)ip = bpf_htonl(0x60000000u);
	ip->payload_len = bpf_htons(len);
	ip->nexthdr = IPPROTO_ICMPV6;
	ip->hop_limit = ANSWER_TTL;
	__builtin_memcpy(&ip->saddr, &s->ip.dst, 16);
	__builtin_memcpy(&ip->daddr, &s->ip.src, 16);
	icmp->type = mtu ? ICMP6_TOO_BIG : ICMP6_UNREACHABLE;
	icmp->code = mtu ? 0 : ICMP6_PORT_UNREACHABLE;
	icmp->checksum = 0;
	*(__be32 *)&icmp->unused = bpf_htonl(mtu);
	sum = (__u64)s->ip.src.w[0] + s->ip.src.w[1] + s->ip.src.w[2] + s->ip.src.w[3];
	sum += (__u64)s->ip.dst.w[0] + s->ip.dst.w[1] + s->ip.dst.w[2] + s->ip.dst.w[3];
	sum += (__u64)bpf_htonl(len) + bpf_htonl(IPPROTO_ICMPV6);
	icmp->checksum = csum_fold(answer_sum(icmp, data_end, quote, sum));
	return 0;
}

static __always_inline int answer_put(struct ethhdr *eth, void *data_end, const struct scene *s,
				      __u32 quote, __u32 mtu)
{
	return s->ip.is_v4 ? answer_put_v4(eth, data_end, s, quote, mtu) :
			     answer_put_v6(eth, data_end, s, quote, mtu);
}

/*
 * Answer the packet of @s, bare Ethernet and IP: too big for @mtu, or refused when that is 0. It
 * goes out where it came in. Out of line, for it is rare. ANSWER_*, or why it is dropped instead.
 */
__noinline int answer_tc(struct __sk_buff *skb, struct scene *s, __u32 mtu)
{
	struct ethhdr *eth = (void *)(long)skb->data;
	__u32 quote;
	int room;

	if (!s)
		return XM_DROP_INTERNAL;
	quote = answer_quote(s);
	room = s->ip.is_v4 ? ANSWER_ROOM_V4 : ANSWER_ROOM_V6;
	if ((void *)(eth + 1) > (void *)(long)skb->data_end || !answer_allowed(s, eth))
		return XM_DROP_NO_BACKEND;
	if (!mtu && s->ip.proto == IPPROTO_TCP)
		return reset_tc(skb, s);
	/* Cut first: what is left is no super-packet any more. */
	if (cut_tail(skb, ETH_HLEN + quote) ||
	    bpf_skb_adjust_room(skb, room, BPF_ADJ_ROOM_MAC, 0))
		return XM_DROP_INTERNAL;
	eth = (void *)(long)skb->data;
	if ((void *)(eth + 1) > (void *)(long)skb->data_end ||
	    answer_put(eth, (void *)(long)skb->data_end, s, quote, mtu))
		return XM_DROP_INTERNAL;
	mac_swap(eth);
	s->action = bpf_redirect(skb->ifindex, 0);
	return mtu ? XM_ANSWER_TOO_BIG : XM_ANSWER_REFUSED;
}

__noinline int answer_xdp(struct xdp_md *xdp, struct scene *s, __u32 mtu)
{
	__u32 quote, len = xdp->data_end - xdp->data;
	struct ethhdr *eth = (void *)(long)xdp->data, *old;
	void *data_end;
	int room;

	if (!s)
		return XM_DROP_INTERNAL;
	quote = answer_quote(s);
	room = s->ip.is_v4 ? ANSWER_ROOM_V4 : ANSWER_ROOM_V6;
	if ((void *)(eth + 1) > (void *)(long)xdp->data_end || !answer_allowed(s, eth))
		return XM_DROP_NO_BACKEND;
	if (!mtu && s->ip.proto == IPPROTO_TCP)
		return reset_xdp(xdp, s);
	if (bpf_xdp_adjust_tail(xdp, (int)(ETH_HLEN + quote) - (int)len) ||
	    bpf_xdp_adjust_head(xdp, -room))
		return XM_DROP_INTERNAL;
	eth = (void *)(long)xdp->data;
	data_end = (void *)(long)xdp->data_end;
	old = (void *)eth + room;
	if ((void *)(eth + 1) > data_end || (void *)(old + 1) > data_end)
		return XM_DROP_INTERNAL;
	mac_copy(eth->h_dest, old->h_source);
	mac_copy(eth->h_source, old->h_dest);
	eth->h_proto = old->h_proto;
	if (answer_put(eth, data_end, s, quote, mtu))
		return XM_DROP_INTERNAL;
	s->action = XDP_TX;
	return mtu ? XM_ANSWER_TOO_BIG : XM_ANSWER_REFUSED;
}

#endif
