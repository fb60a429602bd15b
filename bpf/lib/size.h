/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How large a packet is on the wire, also when it is a super-packet that is cut up later. */
#ifndef BPF_LIB_SIZE_H
#define BPF_LIB_SIZE_H

#include "verdict.h"

/*
 * The largest IP packet that @skb, whose IP header is at @off, becomes: its own length, or that of
 * one segment.
 */
static __always_inline __u32 wire_size(struct __sk_buff *skb, const struct scene *s, void *data,
				       void *data_end, __u32 off)
{
	__u32 gso = skb->gso_size, l4 = ip_l4(&s->ip, off);

	if (!gso)
		return s->ip.len;
	if (s->ip.l4 && s->ip.proto == IPPROTO_TCP) {
		struct tcphdr *tcp = data + l4;

		if ((void *)(tcp + 1) > data_end)
			return s->ip.len;
		return l4 - off + tcp->doff * 4 + gso;
	}
	return s->ip.l4 ? l4 - off + sizeof(struct udphdr) + gso : gso;
}

#endif
