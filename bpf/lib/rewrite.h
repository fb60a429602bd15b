/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Changes of an IP header in place: TTL as a router does it, ECN as a tunnel's end does it. */
#ifndef BPF_LIB_REWRITE_H
#define BPF_LIB_REWRITE_H

#include "parse.h"

#define ECN_MASK 3
#define ECN_NOT_ECT 0
#define ECN_ECT1 1
#define ECN_ECT0 2
#define ECN_CE 3

/* The checksum of what sums up to @sum (RFC 1071). */
static __always_inline __u16 csum_fold(__u64 sum)
{
	sum = (sum >> 32) + (__u32)sum;
	sum = (sum >> 32) + (__u32)sum;
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return ~sum;
}

/* RFC 1624, equation 3. */
static __always_inline void csum_replace(__u16 *csum, __be16 from, __be16 to)
{
	__u32 sum = (__u16) ~*csum + (__u32)(__u16)~from + to;

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	*csum = ~sum;
}

/* Change TTL or hop limit of the IP header at @off by @delta, which must not wrap it. 0 or -1. */
static __always_inline int rewrite_ttl(void *data, void *data_end, __u32 off, int is_v4, int delta)
{
	if (is_v4) {
		struct iphdr *h = data + off;
		__be16 from, to;

		if ((void *)(h + 1) > data_end)
			return -1;
		from = *(__be16 *)&h->ttl;
		h->ttl += delta;
		to = *(__be16 *)&h->ttl;
		csum_replace(&h->check, from, to);
	} else {
		struct ipv6hdr *h = data + off;

		if ((void *)(h + 1) > data_end)
			return -1;
		h->hop_limit += delta;
	}
	return 0;
}

/*
 * RFC 6040, figure 4: the ECN field of the inner packet when the tunnel ends. Returns the field to
 * leave with, or -1: congestion was experienced and the inner packet cannot say so, drop it.
 */
static __always_inline int ecn_decap(__u8 outer, __u8 inner)
{
	outer &= ECN_MASK;
	inner &= ECN_MASK;
	if (outer == ECN_CE)
		return inner == ECN_NOT_ECT ? -1 : ECN_CE;
	if (outer == ECN_ECT1 && inner == ECN_ECT0)
		return ECN_ECT1;
	return inner;
}

static __always_inline int rewrite_ecn(void *data, void *data_end, __u32 off, int is_v4, __u8 ecn)
{
	if (is_v4) {
		struct iphdr *h = data + off;
		__be16 from, to;

		if ((void *)(h + 1) > data_end)
			return -1;
		from = *(__be16 *)h;
		h->tos = (h->tos & ~ECN_MASK) | ecn;
		to = *(__be16 *)h;
		csum_replace(&h->check, from, to);
	} else {
		struct ipv6hdr *h = data + off;

		if ((void *)(h + 1) > data_end)
			return -1;
		/* The traffic class lies across two bytes; its ECN bits are in the second. */
		h->flow_lbl[0] = (h->flow_lbl[0] & 0xcf) | ecn << 4;
	}
	return 0;
}

#endif
