/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a pod sends to a VIP, packet by packet: to the backend of its flow, or of a new one. The
 * packet then goes on as if the pod had sent it there. Not for: its replies (translate.h).
 */
#ifndef BPF_LIB_TO_SERVICE_H
#define BPF_LIB_TO_SERVICE_H

#include "answer.h"
#include "deliver.h"
#include "flow.h"
#include "nat.h"
#include "quote.h"
#include "route.h"
#include "source.h"

/* Where a packet of a flow goes. */
struct target {
	struct xm_addr addr;
	__u32 number;
	__be16 port;
	__u8 hairpin; /* the backend is the client itself */
};

static __always_inline int vip_is_client(const struct xm_addr *addr)
{
	struct xm_vip_filter *filter = vip_filter();

	return filter && vip_may_be(filter->client, addr);
}

/* Other places of the slice, when the first cannot be used. */
#define SERVICE_TRIES 4

/*
 * Is (backend -> client) taken by a living flow of another VIP? The backend could not tell them
 * apart. What is there but over, has ended, or is of the same VIP, makes room.
 */
static __noinline int reply_clashes(const struct scene *s, const struct flow_ask *ask,
				    const struct target *t)
{
	struct scratch *scratch = scratch_get();
	struct xm_flow_key *key;
	struct xm_flow *f;

	if (!s || !ask || !t || !scratch)
		return 1;
	key = &scratch->key;
	*key = ask->key;
	key->src = t->addr;
	if (!t->hairpin)
		key->dst = ask->key.src;
	key->sport = t->port;
	key->dport = ask->key.sport;
	key->dir = XM_FLOW_REPLY;
	f = bpf_map_lookup_elem(&xm_flows, key);
	if (!f)
		return 0;
	if (!t->hairpin && flow_find(key, ask->now_ns) && !flow_has_ended(f) &&
	    (!xm_addr_eq(&f->addr, &ask->key.dst) || f->port != ask->key.dport))
		return 1;
	flow_end(s, key);
	return 0;
}

/* Both entries of the new flow of @ask to @t, of which @node and @flags are the kind's own. */
static __always_inline void flow_record_as(const struct scene *s, const struct flow_ask *ask,
					   const struct target *t, const struct xm_backend *b,
					   struct scratch *scratch, __u8 kind, __u32 node,
					   __u8 flags)
{
	struct xm_flow *flow = &scratch->flow;

	flow->addr = t->addr;
	flow->seen_ns = ask->now_ns;
	flow->backend = t->number;
	flow->generation = b->generation;
	flow->node = node;
	flow->port = t->port;
	flow->kind = kind;
	flow->flags = flow_bits(ask) | flags;
	flow->cluster = b->cluster;
	flow_put(s, &ask->key, flow);
	flow_partner(&ask->key, flow, &scratch->key);
	flow->addr = ask->key.dst;
	flow->port = ask->key.dport;
	flow_put(s, &scratch->key, flow);
}

/* The flow of a pod's packets. */
static __noinline int flow_record(const struct scene *s, const struct flow_ask *ask,
				  const struct target *t)
{
	struct xm_backend *b = t ? backend_get(t->number) : 0;
	struct scratch *scratch = scratch_get();

	if (!s || !ask || !b || !scratch)
		return 0;
	flow_hint(&ask->key.src);
	flow_record_as(s, ask, t, b, scratch, XM_FLOW_POD, b->node,
		       t->hairpin ? XM_FLOW_HAIRPIN : 0);
	return 0;
}

/* Out of line for its stack. */
static __noinline __u32 service_pick(const struct service *svc, const struct xm_service_key *key,
				     const struct xm_addr *client, __u32 hash)
{
	return svc && key && client ? service_choose(svc, key, client, hash) : 0;
}

/*
 * A backend for the new flow of @ask. XM_PASS: it is in *ret_target. Otherwise the verdict, of which
 * XM_ANSWER_REFUSED is still to be carried out.
 */
static __always_inline int service_place(const struct scene *s, const struct flow_ask *ask,
					 const struct xm_service_key *key,
					 const struct service *svc, struct target *ret_target)
{
	__u32 hash = xm_flow_hash(&ask->key), number, i;
	int reason = XM_ANSWER_REFUSED;
	struct xm_backend *b;

#pragma clang loop unroll(disable)
	for (i = 0; i < SERVICE_TRIES; i++, hash = hash * 0x9e3779b1u + 1) {
		trace_choice(svc->number, hash, svc->slot, svc->size);
		number = service_pick(svc, key, &ask->key.src, hash);
		trace_chosen(number);
		b = number ? backend_get(number) : 0;
		if (!b || xm_addr_is_v4(&b->addr) != s->ip.is_v4)
			return XM_ANSWER_REFUSED;
		/* Just going: the next table will not have it. */
		if (!backend_keeps(b, b->generation))
			continue;
		ret_target->addr = b->addr;
		ret_target->port = b->port ? b->port : key->port;
		ret_target->number = number;
		ret_target->hairpin = xm_addr_eq(&b->addr, &ask->key.src);
		if (key->proto == IPPROTO_SCTP && ret_target->port != key->port)
			return XM_DROP_SCTP_PORT;
		if (!reply_clashes(s, ask, ret_target))
			return XM_PASS;
		reason = XM_DROP_PORT_CLASH;
	}
	return reason;
}

/*
 * A packet to a VIP without a flow: place it. XM_TRANSLATED: to *ret_target. XM_PASS: no service of
 * ours. Otherwise the verdict.
 */
static __noinline int service_new(struct xm_config *cfg, const struct scene *s,
				  const struct flow_ask *ask, struct target *ret_target)
{
	struct scratch *scratch = scratch_get();
	struct xm_service_key *key;
	int reason;

	if (!cfg || !s || !ask || !ret_target || !scratch)
		return XM_PASS;
	key = &scratch->frontend;
	key->addr = ask->key.dst;
	key->port = ask->key.dport;
	key->proto = ask->key.proto;
	key->scope = XM_SCOPE_CLIENT;
	key->cluster = cfg->cluster;
	key->zero = 0;
	if (service_get(key, &scratch->service))
		return XM_PASS;
	/* Nobody makes flows, or is answered, in another's name. */
	reason = source_check_pod(cfg, s);
	if (reason != XM_PASS && reason != XM_STACK_POLICY)
		return reason;
	reason = service_place(s, ask, key, &scratch->service, ret_target);
	return reason == XM_PASS ? XM_TRANSLATED : reason;
}

/*
 * Back into the pod that the packet came from: to @t as its own backend, with the VIP for its client;
 * or its reply to that, back to it as a client. The kernel would take such a source for a forged
 * one, so that also pods whose path is the stack get it here.
 */
static __noinline int hairpin_send(struct __sk_buff *skb, struct xm_config *cfg, struct scene *s,
				   const struct target *t, int is_reply)
{
	struct scratch *scratch = scratch_get();
	enum xm_reason reason;
	struct xm_pod *pod;

	if (!cfg || !s || !t || !scratch)
		return XM_DROP_INTERNAL;
	scratch->vip = s->ip.dst;
	scratch->self = s->ip.src;
	reason = source_check_pod(cfg, s);
	if (reason != XM_PASS && reason != XM_STACK_POLICY)
		return reason;
	if (s->ip.ttl <= 1)
		return XM_STACK_TTL;
	pod = pod_find(&scratch->self);
	if (!pod || pod->ifindex != s->ifindex)
		return XM_STACK_NO_ADDRESS;
	reason = nat_destination(skb, s, &scratch->self, is_reply ? 0 : t->port);
	if (reason == XM_PASS)
		reason = nat_source(skb, s, &scratch->vip, is_reply ? t->port : 0);
	if (reason != XM_PASS)
		return reason;
	count(s->hook, XM_TRANSLATED, 1, 0);
	return deliver(skb, s, pod);
}

/* Is the packet of @ask the reply of a pod to itself? Then *ret_target has the VIP's port. */
static __always_inline int hairpin_is_reply(struct flow_ask *ask, struct target *ret_target)
{
	struct xm_flow *f;

	if (!flow_hinted(&ask->key.src))
		return 0;
	ask->key.dir = XM_FLOW_REPLY;
	f = flow_find(&ask->key, ask->now_ns);
	if (f && f->flags & XM_FLOW_HAIRPIN) {
		ret_target->port = f->port;
		flow_touch(ask, f);
		return 1;
	}
	ask->key.dir = XM_FLOW_ORIG;
	return 0;
}

/*
 * IPv6 fragments are not put together here, and only the first of them has ports: a service gets
 * none of it, and the first one says so.
 */
static __noinline int service_frag6(struct __sk_buff *skb, struct xm_config *cfg,
				    const struct scene *s)
{
	struct {
		__u8 next, zero;
		__be16 frag;
		__be32 id;
		__be16 sport, dport;
	} h;
	struct xm_service_key key;
	struct service svc;

	if (!cfg || !s || bpf_skb_load_bytes(skb, ETH_HLEN + sizeof(struct ipv6hdr), &h, sizeof(h)) ||
	    h.frag & bpf_htons(0xfff8))
		return XM_PASS;
	key.addr = s->ip.dst;
	key.port = h.dport;
	key.proto = h.next;
	key.scope = XM_SCOPE_CLIENT;
	key.cluster = cfg->cluster;
	key.zero = 0;
	return service_get(&key, &svc) ? XM_PASS : XM_DROP_FRAGMENT;
}

/* A packet to a VIP that has no known ports, and is no ICMP. XM_PASS, or a drop. */
static __noinline int service_odd(struct __sk_buff *skb, struct xm_config *cfg, struct scene *s)
{
	if (!cfg || !s)
		return XM_PASS;
	if (!s->ip.is_v4)
		return s->ip.fragment ? service_frag6(skb, cfg, s) : XM_PASS;
	/* The filter's bit may be that of another address; those of the mesh are no VIPs. */
	if (frag_is_later(&s->ip) && flow_proto(s->ip.proto) && !route_get(cfg, &s->ip.dst))
		return XM_DROP_FRAGMENT;
	return XM_PASS;
}

/* The new flow of @ask; as service_new(). */
static __always_inline enum xm_reason service_begin(struct __sk_buff *skb, struct xm_config *cfg,
						    struct scene *s, struct flow_ask *ask,
						    struct target *ret_target)
{
	enum xm_reason reason = service_new(cfg, s, ask, ret_target);

	if (reason == XM_ANSWER_REFUSED)
		return answer_tc(skb, s, 0);
	if (reason == XM_PASS && s->ip.l4 && s->ip.fragment)
		frag_put(skb, s, 0);
	if (reason != XM_TRANSLATED)
		return reason;
	flow_end(s, &ask->key);
	flow_record(s, ask, ret_target);
	return reason;
}

/*
 * The pod's packet of @s may be for a VIP. XM_PASS: it is not. XM_TRANSLATED: it is for a backend
 * now, go on. Otherwise the verdict. Packet pointers are void afterwards.
 */
static __always_inline enum xm_reason to_service(struct __sk_buff *skb, struct xm_config *cfg,
						 struct scene *s)
{
	struct scratch *scratch = scratch_get();
	enum xm_reason reason;
	struct flow_ask *ask;
	struct target t;
	struct xm_flow *f;

	if (ip_is_icmp(&s->ip)) {
		reason = quote_to_backend(skb, s);
		if (reason == XM_TRANSLATED)
			count(s->hook, XM_TRANSLATED, 1, 0);
		return reason;
	}
	if (!scratch)
		return XM_DROP_INTERNAL;
	ask = &scratch->ask;
	if (flow_ask(skb, s, XM_FLOW_ORIG, ask))
		return service_odd(skb, cfg, s);
	/* A later fragment of something to that address which is no service of ours. */
	if (!flow_ports(&ask->key))
		return XM_PASS;
	f = flow_find(&ask->key, ask->now_ns);
	if (f && f->kind == XM_FLOW_POD && flow_keeps(f) && !flow_begins_anew(ask, f)) {
		t.addr = f->addr;
		t.port = f->port;
		t.hairpin = !!(f->flags & XM_FLOW_HAIRPIN);
		s->backend = f->backend;
		trace_flow(f->backend);
		flow_touch(ask, f);
	} else if (hairpin_is_reply(ask, &t)) {
		return hairpin_send(skb, cfg, s, &t, 1);
	} else {
		reason = service_begin(skb, cfg, s, ask, &t);
		if (reason != XM_TRANSLATED)
			return reason;
		s->backend = t.number;
	}
	if (s->ip.l4 && s->ip.fragment)
		frag_put(skb, s, flow_ports(&ask->key));
	if (t.hairpin)
		return hairpin_send(skb, cfg, s, &t, 0);
	reason = nat_rewrite(skb, s, &t.addr, t.port, NAT_DESTINATION);
	if (reason != XM_PASS)
		return reason;
	count(s->hook, XM_TRANSLATED, 1, 0);
	return XM_TRANSLATED;
}

#endif
