/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ICMP errors about packets of a translated flow: what they quote, and whom they come from or go to,
 * as the other side knows it. Also where no more than ports is quoted. All by helpers: rare. Not
 * for: who may send such errors (source.h).
 */
#ifndef BPF_LIB_QUOTE_H
#define BPF_LIB_QUOTE_H

#include "flow.h"
#include "nat.h"

static __always_inline int quote_is_error(const struct scene *s, __u8 type)
{
	if (s->ip.is_v4)
		return type == ICMP4_UNREACHABLE || type == ICMP4_TIME_EXCEEDED ||
		       type == ICMP4_PARAMETER;
	return type >= ICMP6_UNREACHABLE && type <= ICMP6_PARAMETER;
}

/* What the ICMP error of @s quotes. 0, or -1: nothing that could be of a flow. */
static __noinline int quote_read(struct __sk_buff *skb, const struct scene *s, struct quote *ret)
{
	__be16 ports[2];
	__u8 type;

	if (!s || !ret || !s->ip.l4 || s->ip.fragment)
		return -1;
	ret->l3 = ip_l4(&s->ip, ETH_HLEN) + sizeof(struct xm_icmp);
	if (bpf_skb_load_bytes(skb, ret->l3 - sizeof(struct xm_icmp), &type, 1) ||
	    !quote_is_error(s, type))
		return -1;
	if (s->ip.is_v4) {
		struct iphdr h;

		if (bpf_skb_load_bytes(skb, ret->l3, &h, sizeof(h)) || *(__u8 *)&h != 0x45 ||
		    h.frag_off & bpf_htons(IP_OFFSET_MASK))
			return -1;
		ret->ask.key.src = xm_addr_v4(h.daddr);
		ret->ask.key.dst = xm_addr_v4(h.saddr);
		ret->ask.key.proto = h.protocol;
		ret->csum = h.check;
		ret->l4 = ret->l3 + sizeof(h);
	} else {
		struct ipv6hdr h;

		if (bpf_skb_load_bytes(skb, ret->l3, &h, sizeof(h)))
			return -1;
		__builtin_memcpy(&ret->ask.key.src, &h.daddr, 16);
		__builtin_memcpy(&ret->ask.key.dst, &h.saddr, 16);
		ret->ask.key.proto = h.nexthdr;
		ret->l4 = ret->l3 + sizeof(h);
	}
	if (!flow_proto(ret->ask.key.proto) ||
	    bpf_skb_load_bytes(skb, ret->l4, ports, sizeof(ports)))
		return -1;
	ret->ask.key.sport = ports[1];
	ret->ask.key.dport = ports[0];
	ret->ask.key.zero = 0;
	ret->ask.tcp_flags = 0;
	ret->ask.now_ns = flow_now();
	return 0;
}

/* Ones' complement addition, in 32 bits. */
static __always_inline __u32 quote_add(__u32 a, __u32 b)
{
	__u64 sum = (__u64)a + b;

	return (sum & 0xffffffff) + (sum >> 32);
}

static __always_inline __u32 quote_diff16(__u16 from, __u16 to)
{
	return (__u32)(__u16)~from + to;
}

/* The checksum at @at takes up @diff, where the quote reaches that far; what that adds to the sum. */
static __always_inline __u32 quote_csum(struct __sk_buff *skb, const struct scene *s, __u32 at,
					__u32 diff)
{
	__u16 from, to;

	if (at + sizeof(from) > ETH_HLEN + s->ip.len || bpf_skb_load_bytes(skb, at, &from, 2) ||
	    !from)
		return 0;
	to = nat_csum(from, diff);
	bpf_skb_store_bytes(skb, at, &to, 2, 0);
	return quote_diff16(from, to);
}

/*
 * Give what @q quotes another source (@source) or destination, and the error itself @outer, another
 * destination or source. 0 or -1.
 */
static __noinline int quote_write(struct __sk_buff *skb, struct scene *s, struct quote *q,
				  const struct xm_flow *to, int source)
{
	__u32 icmp = q->l3 - sizeof(struct xm_icmp), diff, sum, at;
	struct xm_addr *from = source ? &q->ask.key.dst : &q->ask.key.src;
	__be16 old_port = source ? q->ask.key.dport : q->ask.key.sport;
	struct xm_addr *outer = source ? &s->ip.dst : &s->ip.src;
	__be16 port = to->port ? to->port : old_port;
	__u16 csum;

	/* The quoted IP header; its checksum makes up for the address. */
	diff = nat_addr_diff(from, &to->addr);
	sum = diff;
	at = s->ip.is_v4 ? q->l3 + (source ? 12 : 16) : q->l3 + (source ? 8 : 24);
	if (s->ip.is_v4) {
		if (bpf_skb_store_bytes(skb, at, &to->addr.w[3], 4, 0))
			return -1;
		csum = nat_csum(q->csum, diff);
		if (bpf_skb_store_bytes(skb, q->l3 + 10, &csum, 2, 0))
			return -1;
		sum = quote_add(sum, quote_diff16(q->csum, csum));
	} else if (bpf_skb_store_bytes(skb, at, &to->addr, 16, 0)) {
		return -1;
	}
	/* The quoted port, and the checksum behind it. */
	if (bpf_skb_store_bytes(skb, q->l4 + (source ? 0 : 2), &port, 2, 0))
		return -1;
	diff = quote_add(diff, quote_diff16(old_port, port));
	sum = quote_add(sum, quote_diff16(old_port, port));
	if (q->ask.key.proto == IPPROTO_UDP)
		sum = quote_add(sum, quote_csum(skb, s, q->l4 + 6, diff));
	else if (q->ask.key.proto == IPPROTO_TCP)
		sum = quote_add(sum, quote_csum(skb, s, q->l4 + 16, diff));
	/* The error's own header: a router in between stays its sender. */
	if (xm_addr_eq(outer, from)) {
		diff = nat_addr_diff(from, &to->addr);
		if (!s->ip.is_v4)
			sum = quote_add(sum, diff);
		if (source ? nat_ip(skb, s, &to->addr, diff, NAT_DESTINATION) :
			     nat_ip(skb, s, &to->addr, diff, NAT_SOURCE))
			return -1;
		*outer = to->addr;
	}
	quote_csum(skb, s, icmp + 2, sum);
	return 0;
}

/* An error for the client @s->ip.dst about what it sent. XM_TRANSLATED, XM_PASS, or a drop. */
static __noinline int quote_to_client(struct __sk_buff *skb, struct scene *s)
{
	struct scratch *scratch = scratch_get();
	struct xm_flow *f;
	struct quote *q;

	if (!s || !scratch)
		return XM_PASS;
	q = &scratch->quote;
	if (quote_read(skb, s, q) || !xm_addr_eq(&q->ask.key.dst, &s->ip.dst))
		return XM_PASS;
	q->ask.key.dir = XM_FLOW_REPLY;
	f = flow_find(&q->ask.key, q->ask.now_ns);
	if (!f || f->kind != XM_FLOW_POD || f->flags & XM_FLOW_HAIRPIN)
		return XM_PASS;
	return quote_write(skb, s, q, f, 0) ? XM_DROP_INTERNAL : XM_TRANSLATED;
}

/* An error of the client @s->ip.src to the VIP about a reply. XM_TRANSLATED, XM_PASS, or a drop. */
static __noinline int quote_to_backend(struct __sk_buff *skb, struct scene *s)
{
	struct scratch *scratch = scratch_get();
	struct xm_flow *f;
	struct quote *q;

	if (!s || !scratch)
		return XM_PASS;
	q = &scratch->quote;
	if (quote_read(skb, s, q) || !xm_addr_eq(&q->ask.key.src, &s->ip.src) ||
	    !xm_addr_eq(&q->ask.key.dst, &s->ip.dst))
		return XM_PASS;
	q->ask.key.dir = XM_FLOW_ORIG;
	f = flow_find(&q->ask.key, q->ask.now_ns);
	if (!f || f->flags & XM_FLOW_HAIRPIN)
		return XM_PASS;
	return quote_write(skb, s, q, f, 1) ? XM_DROP_INTERNAL : XM_TRANSLATED;
}

#endif
