/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Another address and port in a packet, with all checksums right whatever has still to be filled in
 * by the device (CHECKSUM_PARTIAL). Not for: which ones (flow.h, translate.h), what ICMP errors
 * quote (quote.h).
 */
#ifndef BPF_LIB_NAT_H
#define BPF_LIB_NAT_H

#include "rewrite.h"
#include "verdict.h"

#define NAT_SOURCE 1
#define NAT_DESTINATION 0

/* An IPv6 address does not change skb->csum, for the L4 checksum takes it up (6.16, and stables). */
#define NAT_F_IPV6 (1ull << 7)

/* What has to be added to a ones' complement sum when @from becomes @to. IPv4: the marks cancel. */
static __always_inline __u32 nat_addr_diff(const struct xm_addr *from, const struct xm_addr *to)
{
	__u64 sum = 0;
	int i;

#pragma unroll
	for (i = 0; i < 4; i++)
		sum += (__u64)(__u32)~from->w[i] + to->w[i];
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	return sum;
}

/* The checksum @csum when @diff has been added to what it sums. */
static __always_inline __u16 nat_csum(__u16 csum, __u32 diff)
{
	__u32 sum = (__u16)~csum + (diff & 0xffff) + (diff >> 16);

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* The same where it is no complement yet: the sum that the device goes on from. */
static __always_inline __u16 nat_csum_partial(__u16 csum, __u32 diff)
{
	return ~nat_csum(~csum, diff);
}

/* Address of the IP header behind Ethernet, and that header's checksum. 0 or -1. */
static __always_inline int nat_ip(struct __sk_buff *skb, const struct scene *s,
				  const struct xm_addr *addr, __u32 diff, const int source)
{
	void *data = (void *)(long)skb->data, *data_end = (void *)(long)skb->data_end;

	if (s->ip.is_v4) {
		struct iphdr *h = data + ETH_HLEN;

		if ((void *)(h + 1) > data_end)
			return -1;
		if (source)
			h->saddr = addr->w[3];
		else
			h->daddr = addr->w[3];
		h->check = nat_csum(h->check, diff);
	} else {
		struct ipv6hdr *h = data + ETH_HLEN;

		if ((void *)(h + 1) > data_end)
			return -1;
		__builtin_memcpy(source ? &h->saddr : &h->daddr, addr, 16);
	}
	return 0;
}

/*
 * The L4 checksum at @at of the packet of @s, when addresses have changed by @diff and @from became
 * @to. What is still to be filled in by the device sums addresses alone, and only the helper knows
 * which it is. So it is called once, for them, and what it did tells: the two differ in the sign. For
 * the port it would be called a second time, at 30 ns. 0 or -1.
 */
static __always_inline int nat_l4(struct __sk_buff *skb, const struct scene *s, __u32 l4, __u32 at,
				  __u32 diff, __be16 from, __be16 to, __u64 flags)
{
	__u16 before, after, whole;
	void *data_end;
	__u16 *check;

	check = (void *)(long)skb->data + l4 + at;
	if ((void *)(check + 1) > (void *)(long)skb->data_end)
		return -1;
	before = *check;
	if (s->ip.is_v4 || bpf_l4_csum_replace(skb, l4 + at, 0, diff,
					       flags | BPF_F_PSEUDO_HDR | NAT_F_IPV6)) {
		if (bpf_l4_csum_replace(skb, l4 + at, 0, diff, flags | BPF_F_PSEUDO_HDR))
			return -1;
	}
	/* UDP without a checksum stays so. */
	if (from == to || (flags && !before))
		return 0;
	whole = nat_csum(before, diff);
	check = (void *)(long)skb->data + l4 + at;
	data_end = (void *)(long)skb->data_end;
	if ((void *)(check + 1) > data_end)
		return -1;
	after = *check;
	/* 0xffff stands for 0, and a zero difference looks the same in both. */
	if (whole == after && whole != nat_csum_partial(before, diff) && whole && whole != 0xffff) {
		after = nat_csum(after, (__u32)(__u16)~from + to);
		*check = flags && !after ? 0xffff : after;
		return 0;
	}
	if (after == nat_csum_partial(before, diff) && whole != after && after && after != 0xffff)
		return 0;
	return bpf_l4_csum_replace(skb, l4 + at, from, to, flags | 2) ? -1 : 0;
}

/*
 * Give the packet of @s, bare Ethernet and IP, another source or destination, in @s too. @port 0:
 * the port stays. Later fragments have no port to change. Packet pointers are void afterwards.
 * XM_PASS, or why it is dropped: nothing was changed then.
 */
static __always_inline enum xm_reason nat_rewrite(struct __sk_buff *skb, struct scene *s,
						  const struct xm_addr *addr, __be16 port,
						  const int source)
{
	void *data = (void *)(long)skb->data, *data_end = (void *)(long)skb->data_end;
	struct xm_addr *old = source ? &s->ip.src : &s->ip.dst;
	__u32 diff = nat_addr_diff(old, addr), l4 = ip_l4(&s->ip, ETH_HLEN), at;
	__be16 *field = data + l4 + (source ? 0 : 2), from = port;
	__u64 flags = 0;

	if (s->ip.l4) {
		if ((void *)(field + 1) > data_end)
			return XM_DROP_TRUNCATED;
		from = *field;
		if (!port)
			port = from;
		/* Its checksum is a CRC of everything, which nobody here can make anew. */
		if (port != from && s->ip.proto == IPPROTO_SCTP)
			return XM_DROP_SCTP_PORT;
		*field = port;
	}
	if (nat_ip(skb, s, addr, diff, source))
		return XM_DROP_INTERNAL;
	*old = *addr;
	if (!s->ip.l4)
		return XM_PASS;

	if (s->ip.proto == IPPROTO_TCP) {
		at = __builtin_offsetof(struct tcphdr, check);
	} else if (s->ip.proto == IPPROTO_UDP) {
		at = __builtin_offsetof(struct udphdr, check);
		flags = BPF_F_MARK_MANGLED_0;
	} else {
		return XM_PASS;
	}
	return nat_l4(skb, s, l4, at, diff, from, port, flags) ? XM_DROP_INTERNAL : XM_PASS;
}

/* The same out of line, for its stack: where not every packet of a flow comes by. */
static __noinline int nat_source(struct __sk_buff *skb, struct scene *s, const struct xm_addr *addr,
				 __u32 port)
{
	return s && addr ? nat_rewrite(skb, s, addr, port, NAT_SOURCE) : XM_DROP_INTERNAL;
}

static __noinline int nat_destination(struct __sk_buff *skb, struct scene *s,
				      const struct xm_addr *addr, __u32 port)
{
	return s && addr ? nat_rewrite(skb, s, addr, port, NAT_DESTINATION) : XM_DROP_INTERNAL;
}

#endif
