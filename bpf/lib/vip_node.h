/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * VIP traffic from outside on the node that has the backends, and its way back: to a pod, from the pod
 * to the client straight or through the entry node, and at the entry node out to the client. All
 * packets are bare Ethernet and IP here. Not for: how the entry node chooses (vip.h).
 */
#ifndef BPF_LIB_VIP_NODE_H
#define BPF_LIB_VIP_NODE_H

#include "deliver.h"
#include "handshake.h"
#include "size.h"
#include "source.h"
#include "to_service.h"
#include "vip.h"

/* The node that a packet to a VIP came through; number 0: this one, from outside. */
struct entry {
	__u32 number;
	__u16 cluster;
};

/* How a packet leaves to its client. */
struct way {
	struct bpf_redir_neigh nh;
	__u32 ifindex;
};

static __always_inline int vip_is_node(const struct xm_addr *addr)
{
	struct xm_vip_filter *filter = vip_filter();

	return filter && vip_may_be(filter->node, addr);
}

/* ---- to the pod ---- */

/* Do replies to what came by @entry go back through it? */
static __always_inline int entry_is_way_back(const struct xm_config *cfg, const struct entry *entry)
{
	if (!entry->number)
		return 0;
	if (entry->cluster == cfg->cluster)
		return !!(cfg->flags & XM_CFG_RETURN_OWN_ENTRY);
	return !(cfg->flags & XM_CFG_RETURN_PEER_DIRECT);
}

/* The frontend that the packet asks for, into the scratch. 0 or -1. */
static __always_inline int node_service(struct scratch *scratch, __u16 cluster)
{
	struct xm_service_key *key = &scratch->frontend;

	key->addr = scratch->ask.key.dst;
	key->port = scratch->ask.key.dport;
	key->proto = scratch->ask.key.proto;
	key->scope = XM_SCOPE_NODE;
	key->cluster = cluster;
	key->zero = 0;
	return service_get(key, &scratch->service);
}

/* The flow of VIP traffic that came by @entry. */
__noinline int node_record(const struct xm_config *cfg, const struct scene *s,
			   const struct target *t, const struct entry *entry)
{
	struct scratch *scratch = scratch_get();
	struct xm_backend *b;

	if (!cfg || !s || !t || !entry || !scratch)
		return 0;
	b = backend_get(t->number);
	if (!b)
		return 0;
	flow_hint(&t->addr);
	flow_record_as(s, &scratch->ask, t, b, scratch, XM_FLOW_NODE, entry->number,
		       entry_is_way_back(cfg, entry) ? XM_FLOW_VIA_ENTRY : 0);
	return 0;
}

/* A backend of this node for a packet without a flow. XM_PASS, or the verdict. */
__noinline int node_new(const struct scene *s, const struct entry *entry,
			struct target *ret_target)
{
	struct scratch *scratch = scratch_get();

	if (!s || !entry || !ret_target || !scratch)
		return XM_DROP_INTERNAL;
	if (node_service(scratch, entry->cluster))
		return XM_DROP_PEER_SOURCE;
	flow_end(s, &scratch->ask.key);
	return service_place(s, &scratch->ask, &scratch->frontend, &scratch->service, ret_target);
}

/*
 * The client's packets come by another node than before: so do the replies. Not before that node's
 * cluster is known to have this VIP.
 */
static __noinline int node_moved(const struct xm_config *cfg, struct xm_flow *f,
				 const struct entry *entry)
{
	__u8 via = entry_is_way_back(cfg, entry) ? XM_FLOW_VIA_ENTRY : 0;
	struct scratch *scratch = scratch_get();
	struct xm_flow *other;

	if (!scratch || node_service(scratch, entry->cluster))
		return -1;
	if (xm_knobs.dry_run)
		return 0;
	flow_partner(&scratch->ask.key, f, &scratch->key);
	f->node = entry->number;
	f->flags = (f->flags & ~XM_FLOW_VIA_ENTRY) | via;
	other = bpf_map_lookup_elem(&xm_flows, &scratch->key);
	if (other) {
		other->flags = (other->flags & ~XM_FLOW_VIA_ENTRY) | via;
		other->node = entry->number;
	}
	return 0;
}

/* The MSS of a handshake that goes through the tunnel between @entry and this node. */
static __noinline int node_clamp(struct __sk_buff *skb, const struct scene *s, __u32 entry)
{
	struct xm_path *path;
	__u32 mtu;

	path = entry ? edge_path(entry, &mtu) : 0;
	if (path)
		clamp_handshake(skb, s, ETH_HLEN, mtu);
	return 0;
}

/* An ICMP error to a VIP about a reply. XM_PASS: translated, it is for the pod now. */
__noinline int node_quote(struct __sk_buff *skb, struct scene *s)
{
	struct scratch *scratch = scratch_get();
	struct xm_flow *f;
	struct quote *q;

	if (!s || !scratch)
		return XM_DROP_INTERNAL;
	q = &scratch->quote;
	if (quote_read(skb, s, q) || !xm_addr_eq(&q->ask.key.dst, &s->ip.dst))
		return XM_DROP_PEER_SOURCE;
	q->ask.key.dir = XM_FLOW_ORIG;
	f = flow_find(&q->ask.key, q->ask.now_ns);
	if (!f || f->kind != XM_FLOW_NODE)
		return XM_DROP_PEER_SOURCE;
	return quote_write(skb, s, q, f, 1) ? XM_DROP_INTERNAL : XM_PASS;
}

/* The backend for the packet of @s. XM_PASS: in *ret_target. Otherwise the verdict. */
__noinline int node_target(struct __sk_buff *skb, struct xm_config *cfg, struct scene *s,
				     const struct entry *entry, struct target *ret_target)
{
	struct scratch *scratch = scratch_get();
	struct flow_ask *ask;
	struct xm_flow *f;
	int reason;

	if (!cfg || !s || !entry || !ret_target || !scratch)
		return XM_DROP_INTERNAL;
	ask = &scratch->ask;
	if (flow_ask(skb, s, XM_FLOW_ORIG, ask))
		return frag_is_later(&s->ip) ? XM_DROP_FRAGMENT : XM_DROP_PEER_SOURCE;
	f = flow_find(&ask->key, ask->now_ns);
	if (f && f->kind == XM_FLOW_NODE && flow_keeps(f) && !flow_begins_anew(ask, f)) {
		if (f->node != entry->number && node_moved(cfg, f, entry))
			return XM_DROP_PEER_SOURCE;
		trace_flow(f->backend);
		ret_target->addr = f->addr;
		ret_target->port = f->port;
		flow_touch(ask, f);
	} else {
		reason = node_new(s, entry, ret_target);
		if (reason != XM_PASS)
			return reason;
		node_record(cfg, s, ret_target, entry);
	}
	if (s->ip.l4 && s->ip.fragment)
		frag_put(skb, s, flow_ports(&ask->key));
	return XM_PASS;
}

/* ---- back to the client ---- */

/*
 * How @s->ip.dst, a client, is reached by what comes from @vip. XM_PASS: *ret_way. XM_STACK_TOO_BIG,
 * or XM_STACK_SERVICE: the kernel has no such route for us.
 */
__noinline int vip_way(struct __sk_buff *skb, struct scene *s, const struct xm_addr *vip,
			      struct way *ret_way)
{
	struct bpf_fib_lookup fib;
	long err;

	if (!s || !vip || !ret_way)
		return XM_DROP_INTERNAL;
	__builtin_memset(&fib, 0, sizeof(fib));
	fib.ifindex = skb->ifindex;
	fib.l4_protocol = s->ip.proto;
	fib.tot_len = s->size;
	if (s->ip.is_v4) {
		fib.family = XM_AF_INET;
		fib.tos = s->ip.tos & 0x1c;
		fib.ipv4_src = vip->w[3];
		fib.ipv4_dst = s->ip.dst.w[3];
	} else {
		fib.family = XM_AF_INET6;
		__builtin_memcpy(fib.ipv6_src, vip, 16);
		__builtin_memcpy(fib.ipv6_dst, &s->ip.dst, 16);
	}
	err = bpf_fib_lookup(skb, &fib, sizeof(fib), 0);
	if (err == BPF_FIB_LKUP_RET_FRAG_NEEDED) {
		s->limit = fib.mtu_result;
		return XM_STACK_TOO_BIG;
	}
	if (err != BPF_FIB_LKUP_RET_SUCCESS && err != BPF_FIB_LKUP_RET_NO_NEIGH)
		return XM_STACK_SERVICE;
	/* The next hop may be of the other family (RFC 8950): the kernel says so in the same field. */
	ret_way->nh.nh_family = fib.family;
	__builtin_memcpy(ret_way->nh.ipv6_nh, fib.ipv6_dst, 16);
	ret_way->ifindex = fib.ifindex;
	return XM_PASS;
}

/* Out by @way, one hop further. */
static __always_inline enum xm_reason vip_out(struct __sk_buff *skb, struct scene *s,
					      struct way *way)
{
	if (rewrite_ttl((void *)(long)skb->data, (void *)(long)skb->data_end, ETH_HLEN,
			s->ip.is_v4, -1))
		return XM_DROP_INTERNAL;
	s->action = bpf_redirect_neigh(way->ifindex, &way->nh, sizeof(way->nh), 0);
	return XM_FWD_VIP_REPLY;
}

/* An ICMP error of a pod about what a client sent it: to be from the VIP, and to quote it. */
__noinline int reply_quote(struct __sk_buff *skb, struct scene *s)
{
	struct scratch *scratch = scratch_get();
	struct xm_flow *f;
	struct quote *q;

	if (!s || !scratch)
		return XM_DROP_INTERNAL;
	q = &scratch->quote;
	if (quote_read(skb, s, q) || !xm_addr_eq(&q->ask.key.dst, &s->ip.dst))
		return XM_PASS;
	q->ask.key.dir = XM_FLOW_REPLY;
	f = flow_find(&q->ask.key, q->ask.now_ns);
	if (!f || f->kind != XM_FLOW_NODE)
		return XM_PASS;
	scratch->flow = *f;
	return quote_write(skb, s, q, f, 0) ? XM_DROP_INTERNAL : XM_TRANSLATED;
}

/* The flow that the packet of a pod is a reply of, into the scratch. XM_TRANSLATED, or XM_PASS. */
__noinline int reply_find(struct __sk_buff *skb, struct scene *s)
{
	struct scratch *scratch = scratch_get();
	struct flow_ask *ask;
	struct xm_flow *f;

	if (!s || !scratch)
		return XM_DROP_INTERNAL;
	ask = &scratch->ask;
	if (flow_ask(skb, s, XM_FLOW_REPLY, ask))
		return XM_PASS;
	f = flow_find(&ask->key, ask->now_ns);
	if (!f || f->kind != XM_FLOW_NODE)
		return XM_PASS;
	if (s->ip.l4 && s->ip.fragment)
		frag_put(skb, s, flow_ports(&ask->key));
	flow_touch(ask, f);
	trace_flow(f->backend);
	scratch->flow = *f;
	return XM_TRANSLATED;
}

/* To the entry node of @flow. The packet is from the VIP already. */
__noinline int vip_to_entry(struct __sk_buff *skb, struct xm_config *cfg, struct scene *s,
				   __u32 entry)
{
	struct xm_path *path;
	enum xm_reason reason;
	__u32 mtu;

	if (!cfg || !s)
		return XM_DROP_INTERNAL;
	path = edge_path(entry, &mtu);
	if (!path)
		return XM_DROP_NO_BACKEND;
	scene_peer(s, entry, path->route.cluster);
	s->sending = 1;
	if (rewrite_ttl((void *)(long)skb->data, (void *)(long)skb->data_end, ETH_HLEN,
			s->ip.is_v4, -1))
		return XM_DROP_INTERNAL;
	reason = tunnel_send(skb, s, cfg, &path->route);
	if (reason == XM_FWD_TUNNEL)
		return XM_FWD_VIP_RETURN;
	/* The kernel has no route that leads a VIP's packets to that node. */
	return reason == XM_STACK_NO_ENCAP ? XM_DROP_INTERNAL : reason;
}

/* None of this node's backends is usable: the client is told so the way that replies go. */
static __noinline int node_refuse(struct __sk_buff *skb, struct xm_config *cfg, struct scene *s,
				  const struct entry *entry)
{
	struct xm_addr vip = s->ip.dst;
	struct way way = {};
	int reason = answer_tc(skb, s, 0);

	if (reason != XM_ANSWER_REFUSED || !entry->number)
		return reason;
	s->ip.dst = s->ip.src;
	s->ip.src = vip;
	s->ip.proto = s->ip.is_v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	s->ip.tos = 0;
	s->size = 0;
	if (entry_is_way_back(cfg, entry)) {
		reason = vip_to_entry(skb, cfg, s, entry->number);
		return reason == XM_FWD_VIP_RETURN ? XM_ANSWER_REFUSED : reason;
	}
	if (vip_way(skb, s, &vip, &way) != XM_PASS)
		return XM_DROP_NO_BACKEND;
	reason = vip_out(skb, s, &way);
	return reason == XM_FWD_VIP_REPLY ? XM_ANSWER_REFUSED : reason;
}

/*
 * The packet of @s to a VIP, from outside or from @entry, to one of this node's own pods. What the
 * fast path cannot deliver, the kernel does: it has been translated.
 */
__noinline int vip_to_pod(struct __sk_buff *skb, struct xm_config *cfg, struct scene *s,
				 const struct entry *entry)
{
	struct target t = {};
	struct xm_pod *pod;
	int reason;

	if (!cfg || !s || !entry)
		return XM_DROP_INTERNAL;
	if (ip_is_icmp(&s->ip)) {
		reason = node_quote(skb, s);
	} else {
		node_clamp(skb, s, entry->number);
		reason = node_target(skb, cfg, s, entry, &t);
		if (reason == XM_PASS)
			reason = nat_destination(skb, s, &t.addr, t.port);
	}
	if (reason == XM_ANSWER_REFUSED)
		return node_refuse(skb, cfg, s, entry);
	if (reason != XM_PASS)
		return reason;
	count(s->hook, XM_TRANSLATED, 1, 0);
	pod = pod_get(&s->ip.dst);
	if (!pod || deliver_check(skb, s, pod, 0) != XM_FWD_LOCAL)
		return XM_STACK_SERVICE;
	return deliver(skb, s, pod);
}

/* Does the packet fit through the tunnel to @entry? Sets s->size and s->limit. */
static __noinline int vip_fits(const struct scene *s, __u32 entry, __u32 *ret_mtu)
{
	*ret_mtu = 0;
	return edge_path(entry, ret_mtu) ? s->size <= *ret_mtu : 0;
}

/*
 * What a pod with flows sends to somebody outside: if that is a reply to VIP traffic, from the VIP
 * and on its way. XM_PASS: it is none. Packet pointers are void afterwards.
 */
__noinline int vip_from_pod(struct __sk_buff *skb, struct xm_config *cfg, struct scene *s)
{
	struct scratch *scratch = scratch_get();
	struct xm_flow *flow;
	struct way way;
	__u32 mtu = 0;
	int reason, policy, icmp;

	if (!cfg || !s || !scratch)
		return XM_DROP_INTERNAL;
	flow = &scratch->flow;
	__builtin_memset(&way, 0, sizeof(way));
	icmp = ip_is_icmp(&s->ip);
	policy = source_check_pod(cfg, s);
	if ((policy != XM_PASS && policy != XM_STACK_POLICY) || s->ip.ttl <= 1 || s->ip.options)
		return XM_PASS;
	s->size = wire_size(skb, s, (void *)(long)skb->data, (void *)(long)skb->data_end, ETH_HLEN);
	reason = icmp ? reply_quote(skb, s) : reply_find(skb, s);
	if (reason != XM_TRANSLATED)
		return reason;
	if (flow->flags & XM_FLOW_VIA_ENTRY) {
		if (!vip_fits(s, flow->node, &mtu)) {
			s->limit = mtu;
			return mtu && !icmp ? answer_tc(skb, s, mtu) : XM_DROP_NO_BACKEND;
		}
	} else {
		reason = vip_way(skb, s, &flow->addr, &way);
		/* As it is: the kernel's route is as narrow, and it tells the pod. */
		if (reason == XM_STACK_TOO_BIG)
			return reason;
	}
	if (!icmp) {
		node_clamp(skb, s, flow->node);
		if (nat_source(skb, s, &flow->addr, flow->port) != XM_PASS)
			return XM_DROP_INTERNAL;
	}
	count(s->hook, XM_TRANSLATED, 1, 0);
	if (flow->flags & XM_FLOW_VIA_ENTRY)
		return vip_to_entry(skb, cfg, s, flow->node);
	/* The kernel filters what is on the way to and from that pod: translated, it takes it. */
	if (policy == XM_STACK_POLICY || reason != XM_PASS)
		return XM_STACK_SERVICE;
	return vip_out(skb, s, &way);
}

/* The client's direction of what node @number sends back from a VIP of ours, ORIG. 0 or -1. */
__noinline int return_key(struct __sk_buff *skb, const struct scene *s,
				 struct flow_ask *ret_ask)
{
	struct scratch *scratch = scratch_get();
	struct xm_addr client;

	if (!s || !ret_ask || !scratch)
		return -1;
	client = s->ip.dst;
	if (ip_is_icmp(&s->ip)) {
		if (quote_read(skb, s, &scratch->quote) ||
		    !xm_addr_eq(&scratch->quote.ask.key.dst, &client))
			return -1;
		*ret_ask = scratch->quote.ask;
	} else {
		if (flow_ask(skb, s, XM_FLOW_ORIG, ret_ask))
			return -1;
		if (s->ip.l4 && s->ip.fragment)
			frag_put(skb, s, flow_ports(&ret_ask->key));
	}
	ret_ask->key.dst = ret_ask->key.src;
	ret_ask->key.src = client;
	*(__be32 *)&ret_ask->key.sport =
		ret_ask->key.dport | (__be32)ret_ask->key.sport << 16;
	ret_ask->key.dir = XM_FLOW_ORIG;
	return 0;
}

/*
 * The packet of @s, from one of our VIPs, has come back from node @number: out to its client, if we
 * have sent that flow there.
 */
__noinline int vip_to_client(struct __sk_buff *skb, struct scene *s, __u32 number)
{
	struct flow_ask ask;
	struct xm_addr vip;
	struct xm_flow *f;
	struct way way;
	int reason;

	if (!s)
		return XM_DROP_INTERNAL;
	__builtin_memset(&ask, 0, sizeof(ask));
	__builtin_memset(&way, 0, sizeof(way));
	if (return_key(skb, s, &ask))
		return XM_DROP_PEER_SOURCE;
	f = flow_find(&ask.key, ask.now_ns);
	if (!f || f->kind != XM_FLOW_EDGE || f->node != number)
		return XM_DROP_PEER_SOURCE;
	trace_flow(f->backend);
	if (!xm_knobs.dry_run && (__s64)(ask.now_ns - f->seen_ns) >= (__s64)FLOW_TOUCH_NS)
		f->seen_ns = ask.now_ns;
	if (s->ip.ttl <= 1)
		return XM_STACK_TTL;
	s->size = wire_size(skb, s, (void *)(long)skb->data, (void *)(long)skb->data_end, ETH_HLEN);
	vip = s->ip.src;
	reason = vip_way(skb, s, &vip, &way);
	return reason == XM_PASS ? vip_out(skb, s, &way) : reason;
}

/*
 * What node @number of @cluster has sent through the tunnel with an inner source outside of the mesh
 * (@s->outside): believed as VIP traffic, or as a reply to ours, or not at all. For the programs on
 * the underlay and on xmesh0, when the packet is bare.
 */
static __always_inline int vip_from_tunnel(struct __sk_buff *skb, struct xm_config *cfg,
					   struct scene *s, __u32 number, __u32 cluster)
{
	struct entry entry = { .number = number, .cluster = cluster };

	if (!cfg || !s)
		return XM_DROP_INTERNAL;
	pull_headers(skb, pull_bare(skb));
	if (vip_is_node(&s->ip.dst)) {
		int reason = vip_to_pod(skb, cfg, s, &entry);

		/* A client's address may share its bit with a VIP's. */
		if (reason != XM_DROP_PEER_SOURCE)
			return reason;
	}
	return vip_is_edge(&s->ip.src) ? vip_to_client(skb, s, number) : XM_DROP_PEER_SOURCE;
}

/* May what vip_from_tunnel() gets be believed? Asked while the packet is still whole. */
static __always_inline int vip_may_be_tunnelled(const struct scene *s)
{
	struct xm_vip_filter *filter = vip_filter();

	return filter && s->outside &&
	       (vip_may_be(filter->node, &s->ip.dst) || vip_may_be(filter->edge, &s->ip.src));
}

#endif
