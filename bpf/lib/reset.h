/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A TCP segment to a VIP turned into the reset that its sender gets from that VIP (RFC 9293, 3.5.2).
 * Not an ICMP error: Linux passes over one that comes while connect() still holds the socket, which
 * on a veth it does, and the client would wait a second for its next SYN. Not for: which segment
 * deserves one.
 */
#ifndef BPF_LIB_RESET_H
#define BPF_LIB_RESET_H

#include "parse.h"
#include "rewrite.h"
#include "verdict.h"

#define RESET_TTL 64

/* What the segment says that is answered. */
struct reset {
	__be32 seq, ack;
	__be32 ports; /* swapped already */
	__u8 with_ack;
};

/* 0, or -1: it is not all there, or a reset itself, which is never answered. */
static __always_inline int reset_read(const struct scene *s, void *data, void *data_end,
				      struct reset *ret_reset)
{
	__u32 l4 = ip_l4(&s->ip, ETH_HLEN);
	struct tcphdr *tcp = data + l4;
	__u32 len;

	if ((void *)(tcp + 1) > data_end || tcp->rst)
		return -1;
	ret_reset->ports = tcp->dest | (__be32)tcp->source << 16;
	ret_reset->with_ack = !tcp->ack;
	if (tcp->ack) {
		ret_reset->seq = tcp->ack_seq;
		ret_reset->ack = 0;
		return 0;
	}
	len = s->ip.len - (l4 - ETH_HLEN) - tcp->doff * 4 + tcp->syn + tcp->fin;
	ret_reset->seq = 0;
	ret_reset->ack = bpf_htonl(bpf_ntohl(tcp->seq) + len);
	return 0;
}

static __always_inline void reset_put_tcp(struct tcphdr *tcp, const struct scene *s,
					  const struct reset *r)
{
	const struct xm_addr *a = &s->ip.src, *b = &s->ip.dst;
	__be32 *w = (void *)tcp;
	__u64 sum;
	int i;

	w[0] = r->ports;
	w[1] = r->seq;
	w[2] = r->ack;
	/* Five words long, RST, and ACK where it is due; no window. */
	w[3] = bpf_htonl(0x50040000u | (r->with_ack ? 0x100000u : 0));
	w[4] = 0;
	sum = (__u64)w[0] + w[1] + w[2] + w[3] + bpf_htonl(sizeof(*tcp)) + bpf_htonl(IPPROTO_TCP);
	/* The marks of mapped addresses are no part of it. */
	for (i = s->ip.is_v4 ? 3 : 0; i < 4; i++)
		sum += (__u64)a->w[i] + b->w[i];
	tcp->check = csum_fold(sum);
}

/* The headers of the reset in place of the segment's. 0 or -1. */
static __always_inline int reset_put(void *data, void *data_end, const struct scene *s,
				     const struct reset *r)
{
	if (s->ip.is_v4) {
		struct iphdr *ip = data + ETH_HLEN;
		struct tcphdr *tcp = (void *)(ip + 1);

		if ((void *)(tcp + 1) > data_end)
			return -1;
		*(__be16 *)ip = bpf_htons(0x4500);
		ip->tot_len = bpf_htons(sizeof(*ip) + sizeof(*tcp));
		ip->id = 0;
		ip->frag_off = bpf_htons(0x4000);
		ip->ttl = RESET_TTL;
		ip->protocol = IPPROTO_TCP;
		ip->check = 0;
		ip->saddr = s->ip.dst.w[3];
		ip->daddr = s->ip.src.w[3];
		ip->check = csum_fold(((__be32 *)ip)[0] + (__u64)((__be32 *)ip)[1] +
				      ((__be32 *)ip)[2] + ip->saddr + ip->daddr);
		reset_put_tcp(tcp, s, r);
	} else {
		struct ipv6hdr *ip = data + ETH_HLEN;
		struct tcphdr *tcp = (void *)(ip + 1);

		if ((void *)(tcp + 1) > data_end)
			return -1;
		*(__be32 *)ip = bpf_htonl(0x60000000u);
		ip->payload_len = bpf_htons(sizeof(*tcp));
		ip->nexthdr = IPPROTO_TCP;
		ip->hop_limit = RESET_TTL;
		__builtin_memcpy(&ip->saddr, &s->ip.dst, 16);
		__builtin_memcpy(&ip->daddr, &s->ip.src, 16);
		reset_put_tcp(tcp, s, r);
	}
	return 0;
}

static __always_inline __u32 reset_len(const struct scene *s)
{
	return ip_l4(&s->ip, ETH_HLEN) + sizeof(struct tcphdr);
}

/*
 * Cut the frame to @len bytes. The kernel refuses that (ENOTSUPP) for what came out of a tunnel and
 * still bears its mark, as behind a veth or after GRO: then the bytes behind stay, and the IP header's
 * length leaves them out. 0, or -1: a super-packet, which would be cut up with them.
 */
static __always_inline int cut_tail(struct __sk_buff *skb, __u32 len)
{
	return bpf_skb_change_tail(skb, len, 0) && skb->gso_size ? -1 : 0;
}

/* Answer the segment of @s, bare Ethernet and IP, out where it came in. ANSWER_REFUSED, or a drop. */
static __always_inline int reset_tc(struct __sk_buff *skb, struct scene *s)
{
	void *data = (void *)(long)skb->data, *data_end = (void *)(long)skb->data_end;
	struct reset r;

	if (reset_read(s, data, data_end, &r))
		return XM_DROP_NO_BACKEND;
	if (cut_tail(skb, reset_len(s)))
		return XM_DROP_INTERNAL;
	data = (void *)(long)skb->data;
	data_end = (void *)(long)skb->data_end;
	if (reset_put(data, data_end, s, &r))
		return XM_DROP_INTERNAL;
	mac_swap(data);
	s->action = bpf_redirect(skb->ifindex, 0);
	return XM_ANSWER_REFUSED;
}

static __always_inline int reset_xdp(struct xdp_md *xdp, struct scene *s)
{
	void *data = (void *)(long)xdp->data, *data_end = (void *)(long)xdp->data_end;
	__u32 len = xdp->data_end - xdp->data;
	struct reset r;

	if (reset_read(s, data, data_end, &r))
		return XM_DROP_NO_BACKEND;
	if (bpf_xdp_adjust_tail(xdp, (int)reset_len(s) - (int)len))
		return XM_DROP_INTERNAL;
	data = (void *)(long)xdp->data;
	data_end = (void *)(long)xdp->data_end;
	if (reset_put(data, data_end, s, &r))
		return XM_DROP_INTERNAL;
	mac_swap(data);
	s->action = XDP_TX;
	return XM_ANSWER_REFUSED;
}

#endif
