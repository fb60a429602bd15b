/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The one place where a reason becomes a verdict, a count and an event. What a judge learned on its
 * way is in struct scene (scene.h); a forwarding judge leaves the action of its redirect helper
 * there.
 */
#ifndef BPF_LIB_VERDICT_H
#define BPF_LIB_VERDICT_H

#include <linux/pkt_cls.h>

#include "dryrun.h"
#include "hist.h"
#include "scratch.h"

static const __u8 reason_kinds[XM_REASON_COUNT] = {
#define XM_REASON_KIND(name, text, kind, what) [XM_##name] = XM_KIND_##kind,
	XM_REASONS(XM_REASON_KIND)
#undef XM_REASON_KIND
};

static __always_inline void count(__u32 hook, __u32 reason, __u32 packets, __u32 bytes)
{
	__u32 index = XM_COUNTER_INDEX(hook, reason);
	struct xm_counter *c = bpf_map_lookup_elem(&xm_counters, &index);

	if (c) {
		c->packets += packets;
		c->bytes += bytes;
	}
}

/* The packet comes from, or goes to, node @number of @cluster. */
static __always_inline void scene_peer(struct scene *s, __u32 number, __u16 cluster)
{
	s->peer = number < XM_STAT_NODES ? number : 0;
	s->has_peer = 1;
	s->cluster = cluster;
	trace_peer(number);
}

/* What is counted of the peer, NULL: none is known. */
static __always_inline struct xm_peer_stat *scene_stat(const struct scene *s)
{
	__u32 number = s->peer;

	return s->has_peer ? bpf_map_lookup_elem(&xm_peer_stats, &number) : 0;
}

static __always_inline void count_peer(const struct scene *s, int dropped)
{
	struct xm_peer_stat *p = scene_stat(s);

	if (!p)
		return;
	if (s->sending) {
		p->tx_packets += s->packets;
		p->tx_bytes += s->bytes;
		p->tx_drops += dropped;
	} else {
		p->rx_packets += s->packets;
		p->rx_bytes += s->bytes;
		p->rx_drops += dropped;
	}
}

/* False when the budget of @r for the running second is spent. */
static __always_inline int rate_within(struct xm_event_rate *r, __u64 now, __u64 limit)
{
	if (now - r->window_ns >= 1000000000ull) {
		r->window_ns = now;
		r->count = 0;
	}
	return r->count++ < limit;
}

/* False when this CPU has spent its budget of @what for the running second. */
static __always_inline int rate_allows(__u32 what, __u64 now, __u64 limit)
{
	struct xm_event_rate *r = bpf_map_lookup_elem(&xm_event_rate, &what);

	return r ? rate_within(r, now, limit) : 0;
}

/* Out of line: rare, and its code would be in every program otherwise. */
static __noinline int event_send(const struct scene *s, __u32 reason)
{
	__u64 now = bpf_ktime_get_ns();
	struct xm_event *e;

	if (!s)
		return 0;
	e = rate_allows(XM_RATE_EVENTS, now, XM_EVENTS_PER_SECOND) ?
		    bpf_ringbuf_reserve(&xm_events, sizeof(*e), 0) :
		    0;
	if (!e) {
		count(s->hook, XM_EVENTS_LOST, 1, 0);
		return 0;
	}
	e->time_ns = now;
	e->reason = reason;
	e->hook = s->hook;
	e->proto = s->ip.proto;
	e->ifindex = s->ifindex;
	e->len = s->size ? s->size : s->ip.len;
	e->limit = s->limit;
	e->src = s->ip.src;
	e->dst = s->ip.dst;
	e->outer_src = s->outer_src;
	e->sport = s->sport;
	e->dport = s->dport;
	e->cluster = s->cluster;
	e->pad = 0;
	bpf_ringbuf_submit(e, 0);
	return 0;
}

static __always_inline int flows_are_watched(void)
{
	struct xm_watch *watch = bpf_map_lookup_elem(&xm_watch, &key_zero);

	return watch && watch->flows;
}

/* A flow of @key, as its client writes it, to @cluster is new. For a monitor that looks on. */
static __noinline int flow_event(const struct scene *s, const struct xm_flow_key *key, __u32 cluster)
{
	struct xm_watch *watch = bpf_map_lookup_elem(&xm_watch, &key_zero);
	__u64 now = bpf_ktime_get_ns();
	struct instruments *i;
	struct xm_event *e;
	__u32 hook;

	if (!s || !key || !watch || now >= watch->until_ns)
		return 0;
	hook = s->hook;
	i = bpf_map_lookup_elem(&xm_instruments, &hook);
	e = i && rate_within(&i->flow_events, now, XM_FLOW_EVENTS_PER_SECOND) ?
		    bpf_ringbuf_reserve(&xm_events, sizeof(*e), 0) :
		    0;
	if (!e) {
		count(hook, XM_EVENTS_LOST, 1, 0);
		return 0;
	}
	e->time_ns = now;
	e->reason = XM_FLOW_NEW;
	e->hook = hook;
	e->proto = key->proto;
	e->ifindex = s->ifindex;
	e->len = s->ip.len;
	e->limit = 0;
	e->src = key->src;
	e->dst = key->dst;
	e->outer_src = s->outer_src;
	e->sport = key->sport;
	e->dport = key->dport;
	e->cluster = cluster;
	e->pad = 0;
	bpf_ringbuf_submit(e, 0);
	return 0;
}

static __always_inline int event_wanted(__u8 kind, __u32 reason)
{
	return kind == XM_KIND_DROP || reason == XM_STACK_TOO_BIG;
}

/* Count @reason; returns its kind, which is turned into the hook's verdict. */
static __always_inline __u8 judge(const struct scene *s, __u32 reason)
{
	__u8 kind = XM_KIND_DROP;
	__u64 index = reason;

	/* One register that is compared and used: of a copy the verifier would not know the bound. */
	asm volatile("" : "+r"(index));
	if (index < XM_REASON_COUNT)
		kind = reason_kinds[index];
	count(s->hook, reason, s->packets, s->bytes);
	count_peer(s, kind == XM_KIND_DROP);
	return kind;
}

/* Time one packet in XM_SAMPLE_EVERY: what scene's start_ns begins with. */
static __always_inline __u64 sample_start(__u32 hook)
{
	struct instruments *i;

	if (xm_knobs.no_latency || xm_knobs.dry_run)
		return 0;
	i = bpf_map_lookup_elem(&xm_instruments, &hook);
	return i && !(++i->packets & (XM_SAMPLE_EVERY - 1)) ? bpf_ktime_get_ns() : 0;
}

/* Out of line: rare. */
static __noinline int sample_end(const struct scene *s)
{
	__u32 hook = s->hook;
	struct xm_hist *hist = bpf_map_lookup_elem(&xm_program_time, &hook);

	if (hist)
		hist_note(hist, bpf_ktime_get_ns() - s->start_ns);
	return 0;
}

/* The end of a dry run. */
static __always_inline int verdict_traced(const struct scene *s, enum xm_reason reason, int action)
{
	struct xm_trace *t = trace_get();

	if (!t)
		return action;
	t->done = 1;
	t->reason = reason;
	t->action = action;
	t->size = s->size ? s->size : s->ip.len;
	t->limit = s->limit;
	t->cluster = s->cluster;
	t->src = s->ip.src;
	t->dst = s->ip.dst;
	return action;
}

/* Stack and pass are the same for tc: go on to the next program, then to the kernel. */
static __always_inline int verdict_tc(struct __sk_buff *skb, struct scene *s, enum xm_reason reason)
{
	__u8 kind = judge(s, reason);

	if (event_wanted(kind, reason)) {
		__be16 ports[2];

		/* Whatever is reported has not been changed: the offset still holds. */
		if (ip_has_ports(&s->ip) &&
		    !bpf_skb_load_bytes(skb, s->ip.l4, ports, sizeof(ports))) {
			s->sport = ports[0];
			s->dport = ports[1];
		}
		event_send(s, reason);
	}
	if (s->start_ns)
		sample_end(s);
	if (kind == XM_KIND_FORWARD || kind == XM_KIND_ANSWER)
		return verdict_traced(s, reason, s->action);
	return verdict_traced(s, reason, kind == XM_KIND_DROP ? TC_ACT_SHOT : TC_ACT_UNSPEC);
}

static __always_inline int verdict_xdp(const struct scene *s, enum xm_reason reason)
{
	__u8 kind = judge(s, reason);

	if (event_wanted(kind, reason))
		event_send(s, reason);
	if (s->start_ns)
		sample_end(s);
	if (kind == XM_KIND_FORWARD || kind == XM_KIND_ANSWER)
		return verdict_traced(s, reason, s->action);
	return verdict_traced(s, reason, kind == XM_KIND_DROP ? XDP_DROP : XDP_PASS);
}

static __always_inline void scene_init(struct scene *s, struct __sk_buff *skb, enum xm_hook hook)
{
	__builtin_memset(s, 0, sizeof(*s));
	s->start_ns = sample_start(hook);
	s->hook = hook;
	s->ifindex = skb->ifindex;
	s->bytes = skb->len - ETH_HLEN;
	s->packets = skb->gso_segs > 1 ? skb->gso_segs : 1;
}

#endif
