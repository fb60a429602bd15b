/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The entry node: a packet from outside to a VIP is given to a node that has backends, with the VIP
 * still in it. The same for XDP and tc, up to the sending. Not for: what that node does with it
 * (vip_node.h).
 */
#ifndef BPF_LIB_VIP_H
#define BPF_LIB_VIP_H

#include "answer.h"
#include "flow.h"
#include "rewrite.h"
#include "route.h"
#include "service.h"
#include "tunnel.h"
#include "verdict.h"

/* What is found out about a packet to a VIP. */
struct edge {
	struct flow_ask ask; /* of the client's direction, ORIG */
	__u32 node;          /* chosen */
	__u8 record;         /* of its own flow: not an ICMP error, not a later fragment */
	__u16 new_to;        /* cluster of a flow that was recorded just now, 0 = none was */
};

static __always_inline int vip_is_edge(const struct xm_addr *addr)
{
	struct xm_vip_filter *filter = vip_filter();

	return filter && vip_may_be(filter->edge, addr);
}

/* Note the packet of @e in its flow, which has this one entry. */
static __always_inline void edge_touch(struct xm_flow *f, const struct edge *e)
{
	__u8 bits = flow_bits(&e->ask);

	if (xm_knobs.dry_run)
		return;
	if ((__s64)(e->ask.now_ns - f->seen_ns) >= (__s64)FLOW_TOUCH_NS)
		f->seen_ns = e->ask.now_ns;
	if (bits & ~f->flags)
		f->flags |= bits;
}

/* The flow of @e goes to that node from now on; above the rate Maglev alone decides. */
static __always_inline void edge_record(const struct scene *s, struct edge *e,
					const struct service *svc, __u32 number,
					const struct xm_backend *b)
{
	struct xm_flow flow;

	if (xm_knobs.dry_run)
		return;
	if (!rate_allows(XM_RATE_FLOWS, bpf_ktime_get_ns(), XM_EDGE_FLOWS_PER_SECOND)) {
		count(s->hook, XM_FLOW_UNRECORDED, 1, 0);
		return;
	}
	__builtin_memset(&flow, 0, sizeof(flow));
	flow.seen_ns = e->ask.now_ns;
	flow.backend = number;
	flow.generation = b->generation;
	flow.node = e->node;
	flow.kind = XM_FLOW_EDGE;
	flow.flags = flow_bits(&e->ask);
	flow.cluster = b->cluster;
	if (bpf_map_update_elem(&xm_flows, &e->ask.key, &flow, BPF_ANY)) {
		count(s->hook, XM_FLOW_UNRECORDED, 1, 0);
		return;
	}
	count(s->hook, XM_FLOW_NEW, 1, 0);
	e->new_to = flow.cluster;
}

/*
 * A packet of no flow: choose the node. Out of line, for it is rare. Mesh addresses are no outside:
 * the node chosen would not believe them in the tunnel, so they take their usual way.
 */
static __noinline int edge_new(struct xm_config *cfg, const struct scene *s, struct edge *e)
{
	struct xm_service_key key;
	struct xm_backend *b;
	struct service svc;
	__u32 number, hash;

	if (!cfg || !s || !e)
		return XM_PASS;
	key.addr = e->ask.key.dst;
	key.port = e->ask.key.dport;
	key.proto = e->ask.key.proto;
	key.scope = XM_SCOPE_EDGE;
	key.cluster = cfg->cluster;
	key.zero = 0;
	if (service_get(&key, &svc) || route_get(cfg, &e->ask.key.src) ||
	    node_get(&e->ask.key.src))
		return XM_PASS;
	hash = xm_flow_hash(&e->ask.key);
	trace_choice(svc.number, hash, svc.slot, svc.size);
	number = service_choose(&svc, &key, &e->ask.key.src, hash);
	trace_chosen(number);
	b = number ? backend_get(number) : 0;
	if (!b || !b->node)
		return XM_ANSWER_REFUSED;
	e->node = b->node;
	/* Its flow is made where it is translated. */
	if (e->node == cfg->node)
		return XM_FWD_LOCAL;
	if (e->record)
		edge_record(s, e, &svc, number, b);
	return XM_FWD_VIP;
}

/*
 * The key of a packet with ports, whose IP header is behind Ethernet. 0, or -1: its headers are not
 * all there.
 */
static __always_inline int edge_key(const struct scene *s, void *data, void *data_end,
				    struct edge *ret_edge)
{
	void *l4 = data + ip_l4(&s->ip, ETH_HLEN);
	__be32 *ports = l4;
	__u8 *flags = l4 + 13;

	if ((void *)(ports + 1) > data_end)
		return -1;
	ret_edge->ask.tcp_flags = 0;
	if (s->ip.proto == IPPROTO_TCP) {
		if ((void *)(flags + 1) > data_end)
			return -1;
		ret_edge->ask.tcp_flags = *flags;
	}
	ret_edge->ask.key.src = s->ip.src;
	ret_edge->ask.key.dst = s->ip.dst;
	*(__be32 *)&ret_edge->ask.key.sport = *ports;
	ret_edge->ask.key.proto = s->ip.proto;
	ret_edge->ask.key.dir = XM_FLOW_ORIG;
	ret_edge->ask.key.zero = 0;
	ret_edge->record = 1;
	ret_edge->ask.now_ns = flow_now();
	return 0;
}

/* For the outer source port and flow label: a cheap one, where tc has the skb's. */
static __always_inline __u32 edge_hash(const struct xm_flow_key *key)
{
	__u32 h = key->src.w[3] ^ key->src.w[1] ^ (key->sport | (__u32)key->dport << 16);

	h *= 0x9e3779b1u;
	return h ^ h >> 15;
}

/*
 * The path to @node, NULL when there is none; *ret_mtu is the largest packet of a client that it
 * takes.
 */
static __always_inline struct xm_path *edge_path(__u32 node, __u32 *ret_mtu)
{
	struct xm_path *path = bpf_map_lookup_elem(&xm_paths, &node);

	if (!path || !path->route.ifindex)
		return 0;
	*ret_mtu = route_mtu(&path->route, route_overhead(&path->route));
	return path;
}

/*
 * Where the flow of @e->ask.key goes. XM_FWD_VIP: to @e->node. XM_FWD_LOCAL: to backends of this node.
 * XM_ANSWER_REFUSED: nowhere. XM_PASS: not for a frontend of ours.
 */
static __always_inline enum xm_reason edge_node(struct xm_config *cfg, const struct scene *s,
						struct edge *e)
{
	struct xm_flow *f = flow_find(&e->ask.key, e->ask.now_ns);
	enum xm_reason reason;

	if (f && f->kind != XM_FLOW_POD && flow_keeps(f) && !flow_begins_anew(&e->ask, f)) {
		if (f->kind == XM_FLOW_NODE)
			return XM_FWD_LOCAL;
		trace_flow(f->backend);
		if (e->record)
			edge_touch(f, e);
		e->node = f->node;
		return XM_FWD_VIP;
	}
	e->new_to = 0;
	reason = edge_new(cfg, s, e);
	/* Not deeper down, for the stack. */
	if (e->new_to && flows_are_watched())
		flow_event(s, &e->ask.key, e->new_to);
	return reason;
}

#endif
