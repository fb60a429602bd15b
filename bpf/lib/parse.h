/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * IP headers, read once: everything the judges ask for later is in struct xm_ip. The packet itself
 * is touched again only to change it, behind ip_at(), which checks bounds anew.
 */
#ifndef BPF_LIB_PARSE_H
#define BPF_LIB_PARSE_H

#include <stddef.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "xmesh/addr.h"
#include "xmesh/reasons.h"

/*
 * ICMP of both families: the fixed part (RFC 792, RFC 4443). linux/icmp.h draws in the C library's
 * socket headers, which do not compile for this target.
 */
struct xm_icmp {
	__u8 type;
	__u8 code;
	__be16 checksum;
	__be16 unused;
	__be16 mtu; /* IPv4 too-big: the next hop's MTU; IPv6: low half of it */
};

#define ICMP4_UNREACHABLE 3
#define ICMP4_FRAG_NEEDED 4 /* code */
#define ICMP4_TIME_EXCEEDED 11
#define ICMP4_PARAMETER 12
#define ICMP6_UNREACHABLE 1
#define ICMP6_TOO_BIG 2
#define ICMP6_PARAMETER 4

#define IP_OFFSET_MASK 0x1fff
#define IP_MORE_FRAGMENTS 0x2000

struct xm_ip {
	struct xm_addr src, dst;
	__u32 len;      /* of the IP packet, by its own header */
	__u16 l4;       /* offset in the frame; 0 = no L4 header to be read here */
	__u8 proto;     /* what follows the (fixed) header */
	__u8 tos;
	__u8 ttl;
	__u8 is_v4;
	__u8 options;   /* IPv4 options or a hop-by-hop header: routers must look at them */
	__u8 fragment;
};

/* Behind this even the longest header chain that we read ends. */
#define PULL_BYTES 192
/* IP and the fixed part of TCP behind Ethernet. */
#define PULL_BARE_V4 (ETH_HLEN + sizeof(struct iphdr) + sizeof(struct tcphdr))
#define PULL_BARE_V6 (ETH_HLEN + sizeof(struct ipv6hdr) + sizeof(struct tcphdr))

/*
 * Where the frame begins and ends in memory. Not by the members: where that is asked in several
 * places clang keeps the member's address, and the verifier takes no address within the context.
 */
static __always_inline void *skb_data(const struct __sk_buff *skb)
{
	void *data;

	asm volatile("%0 = *(u32 *)(%1 + %2)"
		     : "=r"(data)
		     : "r"(skb), "i"(offsetof(struct __sk_buff, data)));
	return data;
}

static __always_inline void *skb_data_end(const struct __sk_buff *skb)
{
	void *data_end;

	asm volatile("%0 = *(u32 *)(%1 + %2)"
		     : "=r"(data_end)
		     : "r"(skb), "i"(offsetof(struct __sk_buff, data_end)));
	return data_end;
}

/*
 * Have @need bytes in reach, or all that there are. Header chains may sit in fragments of the skb,
 * but seldom do, while TCP keeps its data there: asking for more than headers would copy a little
 * data for each of its packets, 0.3 us each way (and the copy of the skb's head that goes with it).
 */
static __always_inline void pull_headers(struct __sk_buff *skb, __u32 need)
{
	__u32 linear = skb_data_end(skb) - skb_data(skb);

	if (linear < need && linear < skb->len)
		bpf_skb_pull_data(skb, skb->len < PULL_BYTES ? skb->len : PULL_BYTES);
}

static __always_inline __u32 pull_bare(const struct __sk_buff *skb)
{
	return skb->protocol == bpf_htons(ETH_P_IP) ? PULL_BARE_V4 : PULL_BARE_V6;
}

/* Two words as they lie in memory. */
static __always_inline __be64 words(__be32 first, __be32 second)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return (__u64)second << 32 | first;
#else
	return (__u64)first << 32 | second;
#endif
}

/*
 * Addresses are stored in the halves that they are read in again: of a load that spans two
 * stores the CPU waits for both to reach the cache, 4 ns each.
 */
static __always_inline void addr_put_v4(struct xm_addr *to, __be32 ip)
{
	to->d[0] = 0;
	to->d[1] = words(XM_V4_MARK, ip);
}

static __always_inline void addr_put_v6(struct xm_addr *to, const __be32 *w)
{
	to->d[0] = words(w[0], w[1]);
	to->d[1] = words(w[2], w[3]);
}

static __always_inline enum xm_reason parse_ipv4(void *data, void *data_end, __u32 off,
						 struct xm_ip *ret_ip)
{
	struct iphdr *h = data + off;
	__u16 frag;

	if ((void *)(h + 1) > data_end)
		return XM_DROP_TRUNCATED;
	/* An ihl below 5 would let L4 begin inside this header. */
	if (h->version != 4 || h->ihl < 5 || bpf_ntohs(h->tot_len) < h->ihl * 4)
		return XM_DROP_BAD_IP;

	frag = bpf_ntohs(h->frag_off);
	addr_put_v4(&ret_ip->src, h->saddr);
	addr_put_v4(&ret_ip->dst, h->daddr);
	ret_ip->len = bpf_ntohs(h->tot_len);
	ret_ip->proto = h->protocol;
	ret_ip->tos = h->tos;
	ret_ip->ttl = h->ttl;
	ret_ip->is_v4 = 1;
	ret_ip->options = h->ihl > 5;
	ret_ip->fragment = (frag & (IP_OFFSET_MASK | IP_MORE_FRAGMENTS)) != 0;
	ret_ip->l4 = ret_ip->options || (frag & IP_OFFSET_MASK) ? 0 : off + sizeof(*h);
	return XM_PASS;
}

static __always_inline enum xm_reason parse_ipv6(void *data, void *data_end, __u32 off,
						 struct xm_ip *ret_ip)
{
	struct ipv6hdr *h = data + off;

	if ((void *)(h + 1) > data_end)
		return XM_DROP_TRUNCATED;
	if (h->version != 6)
		return XM_DROP_BAD_IP;

	addr_put_v6(&ret_ip->src, h->saddr.in6_u.u6_addr32);
	addr_put_v6(&ret_ip->dst, h->daddr.in6_u.u6_addr32);
	ret_ip->len = bpf_ntohs(h->payload_len) + sizeof(*h);
	ret_ip->proto = h->nexthdr;
	ret_ip->tos = h->priority << 4 | h->flow_lbl[0] >> 4;
	ret_ip->ttl = h->hop_limit;
	ret_ip->is_v4 = 0;
	ret_ip->options = h->nexthdr == 0;
	ret_ip->fragment = h->nexthdr == 44;
	/* Extension headers are carried, not read: nothing here needs what is behind them. */
	switch (h->nexthdr) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_ICMPV6:
	case IPPROTO_SCTP:
		ret_ip->l4 = off + sizeof(*h);
		break;
	default:
		ret_ip->l4 = 0;
	}
	return XM_PASS;
}

/*
 * The IP packet at @off, told by @h_proto of the Ethernet header before it. XM_PASS: *ret_ip is
 * filled. Not IP: XM_PASS with ret_ip->len = 0.
 */
static __always_inline enum xm_reason parse_ip(void *data, void *data_end, __u32 off,
					       __be16 h_proto, struct xm_ip *ret_ip)
{
	if (h_proto == bpf_htons(ETH_P_IP))
		return parse_ipv4(data, data_end, off, ret_ip);
	if (h_proto == bpf_htons(ETH_P_IPV6))
		return parse_ipv6(data, data_end, off, ret_ip);
	ret_ip->len = 0;
	return XM_PASS;
}

/* False when the packet at @off claims to be longer than the frame that carries it. */
static __always_inline int ip_is_whole(const struct __sk_buff *skb, __u32 off,
				       const struct xm_ip *ip)
{
	return off + ip->len <= skb->len;
}

static __always_inline int ip_has_ports(const struct xm_ip *ip)
{
	return ip->l4 && (ip->proto == IPPROTO_TCP || ip->proto == IPPROTO_UDP ||
			  ip->proto == IPPROTO_SCTP);
}

/* ICMP of either family: what it quotes is looked at, so that more of it has to be in reach. */
static __always_inline int ip_is_icmp(const struct xm_ip *ip)
{
	return ip->proto == (ip->is_v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

/*
 * Where L4 begins in the frame when ip->l4 says that there is one. Not ip->l4 itself: read back
 * from the stack it could be anything for the verifier, and no packet access may start from that.
 */
static __always_inline __u32 ip_l4(const struct xm_ip *ip, __u32 off)
{
	return ip->is_v4 ? off + sizeof(struct iphdr) : off + sizeof(struct ipv6hdr);
}

/* In halfwords, as both sides are aligned: memcpy over byte arrays becomes twelve instructions. */
static __always_inline void mac_copy(__u8 *to, const __u8 *from)
{
	((__u16 *)to)[0] = ((const __u16 *)from)[0];
	((__u16 *)to)[1] = ((const __u16 *)from)[1];
	((__u16 *)to)[2] = ((const __u16 *)from)[2];
}

static __always_inline void mac_swap(struct ethhdr *eth)
{
	__u8 to[6] __attribute__((aligned(2)));

	mac_copy(to, eth->h_dest);
	mac_copy(eth->h_dest, eth->h_source);
	mac_copy(eth->h_source, to);
}

/* ::, fe80::/10, 0.0.0.0 and 169.254.0.0/16: DAD, ND, DHCP and the like speak from these. */
static __always_inline int is_unrouted(const struct xm_addr *a)
{
	if (xm_addr_is_v4(a))
		return a->w[3] == 0 || (a->w[3] & bpf_htonl(0xffff0000)) == bpf_htonl(0xa9fe0000);
	return xm_addr_is_zero(a) || (a->w[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000);
}

#endif
