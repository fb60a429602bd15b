/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Too-big messages from the underlay that quote our own tunnel packet to a known node: they lower
 * that node's MTU for XM_PMTU_LIFETIME_NS, never below XM_MTU_FLOOR, so that pods are told
 * themselves. The quoted header has to be one that we sent: our address and port, a node of the
 * mesh (RFC 5927, RFC 8201).
 */
#ifndef BPF_LIB_PMTU_H
#define BPF_LIB_PMTU_H

#include "parse.h"
#include "route.h"
#include "verdict.h"
#include "xmesh/wire.h"

static __always_inline void pmtu_lower(const struct scene *s, const struct xm_addr *to, __u32 mtu)
{
	struct xm_node *node = node_get(to);
	struct xm_node_state *state;
	__u64 now = bpf_ktime_get_ns();
	__u32 number;

	if (!node || xm_knobs.dry_run)
		return;
	number = node->number;
	state = bpf_map_lookup_elem(&xm_node_state, &number);
	if (!state)
		return;
	if (mtu < XM_MTU_FLOOR)
		mtu = XM_MTU_FLOOR;
	if (state->pmtu && state->pmtu <= mtu && now < state->pmtu_until_ns)
		return;
	state->pmtu_until_ns = now + XM_PMTU_LIFETIME_NS;
	state->pmtu = mtu;
	count(s->hook, XM_MTU_LOWERED, 1, 0);
}

static __always_inline int pmtu_is_our_udp(const struct xm_config *cfg, const struct udphdr *udp)
{
	return udp->dest == cfg->port && bpf_ntohs(udp->source) >= XM_SOURCE_PORT_MIN;
}

/* Look at an ICMP message to our own address; whatever it is, the kernel gets it afterwards. */
static __always_inline void pmtu_learn(const struct xm_config *cfg, const struct scene *s,
				       void *data, void *data_end)
{
	struct xm_addr from, to;
	struct udphdr *udp;

	if (!s->ip.l4 || s->ip.fragment ||
	    s->ip.proto != (s->ip.is_v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6) ||
	    !xm_addr_eq(&s->ip.dst, s->ip.is_v4 ? &cfg->addr4 : &cfg->addr6))
		return;
	if (s->ip.is_v4) {
		struct xm_icmp *icmp = data + ip_l4(&s->ip, ETH_HLEN);
		struct iphdr *quoted = (void *)(icmp + 1);

		udp = (void *)(quoted + 1);
		/* RFC 792 promises only 8 bytes behind the quoted header: the UDP header. */
		if ((void *)(udp + 1) > data_end || icmp->type != ICMP4_UNREACHABLE ||
		    icmp->code != ICMP4_FRAG_NEEDED || !icmp->mtu)
			return;
		from = xm_addr_v4(quoted->saddr);
		to = xm_addr_v4(quoted->daddr);
		if (quoted->ihl != 5 || quoted->protocol != IPPROTO_UDP ||
		    quoted->frag_off & bpf_htons(IP_OFFSET_MASK) || !pmtu_is_our_udp(cfg, udp) ||
		    !xm_addr_eq(&from, &cfg->addr4))
			return;
		pmtu_lower(s, &to, bpf_ntohs(icmp->mtu));
	} else {
		struct xm_icmp *icmp = data + ip_l4(&s->ip, ETH_HLEN);
		struct ipv6hdr *quoted = (void *)(icmp + 1);

		udp = (void *)(quoted + 1);
		if ((void *)(udp + 1) > data_end || icmp->type != ICMP6_TOO_BIG)
			return;
		__builtin_memcpy(&from, &quoted->saddr, 16);
		__builtin_memcpy(&to, &quoted->daddr, 16);
		if (quoted->nexthdr != IPPROTO_UDP || !pmtu_is_our_udp(cfg, udp) ||
		    !xm_addr_eq(&from, &cfg->addr6))
			return;
		pmtu_lower(s, &to, bpf_ntohl(*(__be32 *)&icmp->unused));
	}
}

#endif
