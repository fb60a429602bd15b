/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * xm_flows: find, make and age the flows of translated packets (xmesh/flow.h). Not for: what is done
 * to a packet of a flow (nat.h), whose flow it may be (the hooks).
 */
#ifndef BPF_LIB_FLOW_H
#define BPF_LIB_FLOW_H

#include <linux/errno.h>

#include "frag.h"
#include "parse.h"
#include "scratch.h"
#include "verdict.h"

/* To the jiffy: the coarse clock has no more, and asking it for each packet is 15 ns. */
static __always_inline __u64 flow_now(void)
{
	struct scratch *scratch = scratch_get();
	__u64 jiffies = bpf_jiffies64();

	if (!scratch)
		return bpf_ktime_get_ns();
	if (scratch->clock_jiffies != jiffies) {
		scratch->clock_ns = xm_knobs.has_coarse_clock ? bpf_ktime_get_coarse_ns() :
								bpf_ktime_get_ns();
		scratch->clock_jiffies = jiffies;
	}
	return scratch->clock_ns;
}

/* May the local pod @addr have flows at all? An array: one nanosecond, where a flow is 40. */
static __always_inline int flow_hinted(const struct xm_addr *addr)
{
	__u32 slot = xm_addr_hash16(addr), *hint = bpf_map_lookup_elem(&xm_flow_hint, &slot);

	return hint && *hint;
}

static __always_inline void flow_hint(const struct xm_addr *addr)
{
	__u32 slot = xm_addr_hash16(addr), *hint = bpf_map_lookup_elem(&xm_flow_hint, &slot);

	if (hint && !*hint && !xm_knobs.dry_run)
		*hint = 1;
}

/* @tcp_flags: byte 13 of the TCP header, 0 for others. */
#define FLOW_TCP_FIN 0x01
#define FLOW_TCP_SYN 0x02
#define FLOW_TCP_RST 0x04
#define FLOW_TCP_ACK 0x10

static __always_inline int flow_proto(__u8 proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP;
}

/*
 * What to ask of xm_flows about the packet of @s, bare Ethernet and IP; later IPv4 fragments with the
 * ports of their first. 0. -1: it has no ports that are known. Packet pointers are void afterwards.
 */
static __always_inline int flow_ask(struct __sk_buff *skb, const struct scene *s, __u8 dir,
				    struct flow_ask *ret_ask)
{
	void *data = (void *)(long)skb->data, *data_end = (void *)(long)skb->data_end;
	void *l4 = data + ip_l4(&s->ip, ETH_HLEN);
	__u8 *flags = l4 + 13;
	__be32 *ports = l4, both;

	ret_ask->tcp_flags = 0;
	if (!flow_proto(s->ip.proto))
		return -1;
	if (s->ip.l4) {
		if ((void *)(ports + 1) > data_end)
			return -1;
		both = *ports;
		if (s->ip.proto == IPPROTO_TCP && (void *)(flags + 1) <= data_end)
			ret_ask->tcp_flags = *flags;
	} else if (!frag_is_later(&s->ip) || frag_get(skb, s, &both)) {
		return -1;
	}
	ret_ask->key.src = s->ip.src;
	ret_ask->key.dst = s->ip.dst;
	*(__be32 *)&ret_ask->key.sport = both;
	ret_ask->key.proto = s->ip.proto;
	ret_ask->key.dir = dir;
	ret_ask->key.zero = 0;
	ret_ask->now_ns = flow_now();
	return 0;
}

/* Both ports of @key in one word, as on the wire. */
static __always_inline __be32 flow_ports(const struct xm_flow_key *key)
{
	return *(const __be32 *)&key->sport;
}

/*
 * Entries are dated to the second, so that CPUs do not fight for the cache line. No flow ends so soon
 * (XM_FLOW_*_S).
 */
#define FLOW_TOUCH_NS 1000000000ull

/* The living flow of @key, or NULL: its time is over, or there is none. */
static __always_inline struct xm_flow *flow_find(const struct xm_flow_key *key, __u64 now_ns)
{
	struct xm_flow *f = bpf_map_lookup_elem(&xm_flows, key);

	__s64 age;

	if (!f)
		return 0;
	/* Another CPU's clock may have been read later than ours: that is no age. */
	age = now_ns - f->seen_ns;
	if (age < (__s64)FLOW_TOUCH_NS)
		return f;
	return age < (__s64)(xm_flow_timeout_s(key->proto, f->kind, f->flags) * 1000000000ull) ? f :
												 0;
}

/* Is the backend of @f still the one that was chosen, and may it keep what it has? */
static __always_inline int flow_keeps(const struct xm_flow *f)
{
	struct xm_backend *b = backend_get(f->backend);

	return b && backend_keeps(b, f->generation);
}

/* A SYN that begins anew where a connection has ended: same ports, another connection. */
static __always_inline int flow_begins_anew(const struct flow_ask *ask, const struct xm_flow *f)
{
	return (ask->tcp_flags & (FLOW_TCP_SYN | FLOW_TCP_ACK)) == FLOW_TCP_SYN &&
	       f->flags & (XM_FLOW_FIN_ORIG | XM_FLOW_FIN_REPLY | XM_FLOW_RST);
}

/* Both sides have closed it, or one has reset it: kept only for what is still on its way. */
static __always_inline int flow_has_ended(const struct xm_flow *f)
{
	const __u8 fins = XM_FLOW_FIN_ORIG | XM_FLOW_FIN_REPLY;

	return f->flags & XM_FLOW_RST || (f->flags & fins) == fins;
}

/* The key of the other entry of the flow that @f is one of. */
static __always_inline void flow_partner(const struct xm_flow_key *key, const struct xm_flow *f,
					 struct xm_flow_key *ret_key)
{
	int hairpin = f->flags & XM_FLOW_HAIRPIN;

	ret_key->proto = key->proto;
	ret_key->zero = 0;
	if (key->dir == XM_FLOW_ORIG) {
		ret_key->src = f->addr;
		ret_key->dst = hairpin ? key->dst : key->src;
		ret_key->sport = f->port;
		ret_key->dport = key->sport;
		ret_key->dir = XM_FLOW_REPLY;
	} else {
		ret_key->src = hairpin ? key->src : key->dst;
		ret_key->dst = f->addr;
		ret_key->sport = key->dport;
		ret_key->dport = f->port;
		ret_key->dir = XM_FLOW_ORIG;
	}
}

/* What the packet of @ask says about its flow. */
static __always_inline __u8 flow_bits(const struct flow_ask *ask)
{
	__u8 bits = ask->tcp_flags & FLOW_TCP_RST ? XM_FLOW_RST : 0;

	if (ask->key.dir == XM_FLOW_REPLY)
		return bits | XM_FLOW_REPLIED |
		       (ask->tcp_flags & FLOW_TCP_FIN ? XM_FLOW_FIN_REPLY : 0);
	return bits | (ask->tcp_flags & FLOW_TCP_FIN ? XM_FLOW_FIN_ORIG : 0);
}

/* Both entries: a flow lives as long as either side speaks. Out of line: once a second. */
static __noinline int flow_touch_both(const struct flow_ask *ask, struct xm_flow *f, __u32 bits)
{
	struct scratch *scratch = scratch_get();
	struct xm_flow *other;

	if (!ask || !f || !scratch || xm_knobs.dry_run)
		return 0;
	flow_partner(&ask->key, f, &scratch->key);
	other = bpf_map_lookup_elem(&xm_flows, &scratch->key);
	f->seen_ns = ask->now_ns;
	f->flags |= bits;
	if (other) {
		other->seen_ns = ask->now_ns;
		other->flags |= bits;
	}
	return 0;
}

/* Note the packet of @ask in its flow @f (POD and NODE). */
static __always_inline void flow_touch(const struct flow_ask *ask, struct xm_flow *f)
{
	__u8 bits = flow_bits(ask);

	if ((__s64)(ask->now_ns - f->seen_ns) >= (__s64)FLOW_TOUCH_NS || bits & ~f->flags)
		flow_touch_both(ask, f, bits);
}

static __always_inline void flow_delete(const struct scene *s, const struct xm_flow_key *key)
{
	if (!xm_knobs.dry_run && !bpf_map_delete_elem(&xm_flows, key))
		count(s->hook, XM_FLOW_ENDED, 1, 0);
}

/* Take out what is left of the flow that @key is one entry of. */
static __noinline int flow_end(const struct scene *s, const struct xm_flow_key *key)
{
	struct scratch *scratch = scratch_get();
	struct xm_flow *f;

	if (!s || !key || !scratch)
		return 0;
	f = bpf_map_lookup_elem(&xm_flows, key);
	if (!f)
		return 0;
	flow_partner(key, f, &scratch->end);
	if (f->kind != XM_FLOW_EDGE)
		flow_delete(s, &scratch->end);
	flow_delete(s, key);
	return 0;
}

/* Put a new entry. Nothing is put where another CPU was faster, with what is the same choice. */
static __always_inline void flow_put(const struct scene *s, const struct xm_flow_key *key,
				     const struct xm_flow *flow)
{
	long err;

	if (xm_knobs.dry_run)
		return;
	err = bpf_map_update_elem(&xm_flows, key, flow, BPF_NOEXIST);
	if (!err) {
		count(s->hook, XM_FLOW_NEW, 1, 0);
		/* One of the two entries speaks for both. */
		if (key->dir == XM_FLOW_ORIG && flows_are_watched())
			flow_event(s, key, flow->cluster);
	} else if (err != -EEXIST) {
		count(s->hook, XM_FLOW_UNRECORDED, 1, 0);
	}
}

#endif
