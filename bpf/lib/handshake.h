/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What every hook does to a TCP handshake that passes: the MSS fits the path afterwards. */
#ifndef BPF_LIB_HANDSHAKE_H
#define BPF_LIB_HANDSHAKE_H

#include "mss.h"
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
	data = skb_data(skb);
	data_end = skb_data_end(skb);
	tcp = data + l4;
	if ((void *)(tcp + 1) > data_end || !tcp->syn)
		return;
	pull_headers(skb, PULL_BYTES);
	if (mss_clamp(skb, l4, l4 - off, mtu))
		count(s->hook, XM_MSS_CLAMPED, 1, 0);
}

#endif
