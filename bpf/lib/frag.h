/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * IPv4 fragments: only the first has ports, so they are kept for those that follow. Not for: IPv6
 * fragments, which are not translated (translate.h).
 */
#ifndef BPF_LIB_FRAG_H
#define BPF_LIB_FRAG_H

#include "maps.h"
#include "verdict.h"
#include "xmesh/flow.h"

/* A fragment behind the first: it has no L4 header. */
static __always_inline int frag_is_later(const struct xm_ip *ip)
{
	return ip->is_v4 && ip->fragment && !ip->l4 && !ip->options;
}

static __always_inline int frag_key(struct __sk_buff *skb, const struct scene *s,
				    struct xm_frag_key *ret_key)
{
	ret_key->src = s->ip.src.w[3];
	ret_key->dst = s->ip.dst.w[3];
	ret_key->proto = s->ip.proto;
	ret_key->zero = 0;
	return bpf_skb_load_bytes(skb, ETH_HLEN + __builtin_offsetof(struct iphdr, id),
				  &ret_key->id, sizeof(ret_key->id)) ?
		       -1 :
		       0;
}

/* Both ports of the datagram in one word, as on the wire. 0, or -1: its first was not seen. */
static __noinline int frag_get(struct __sk_buff *skb, const struct scene *s, __be32 *ret_ports)
{
	struct xm_frag_key key;
	struct xm_frag *frag;

	if (!s || !ret_ports || frag_key(skb, s, &key))
		return -1;
	frag = bpf_map_lookup_elem(&xm_frags, &key);
	if (!frag || bpf_ktime_get_ns() - frag->seen_ns >= XM_FRAG_S * 1000000000ull)
		return -1;
	*ret_ports = *(__be32 *)frag;
	return 0;
}

/*
 * Keep @ports for the fragments behind this one; 0: they are not ours. With the addresses that it
 * came with, so before it is translated.
 */
static __noinline int frag_put(struct __sk_buff *skb, const struct scene *s, __be32 ports)
{
	struct xm_frag frag = { .seen_ns = bpf_ktime_get_ns() };
	struct xm_frag_key key;

	if (!s || frag_key(skb, s, &key) || xm_knobs.dry_run)
		return -1;
	*(__be32 *)&frag = ports;
	return bpf_map_update_elem(&xm_frags, &key, &frag, BPF_ANY) ? -1 : 0;
}

#endif
