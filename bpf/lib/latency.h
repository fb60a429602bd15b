/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Handshakes of what local pods open, measured as they pass: from the SYN, once it is on its way, to
 * the SYN-ACK where it is about to meet the pod (xmesh/latency.h). Nothing is noted of what others
 * open. Not for: smoothed round trips (sockops.h), programs' own time (verdict.h).
 */
#ifndef BPF_LIB_LATENCY_H
#define BPF_LIB_LATENCY_H

#include "flow.h"
#include "hist.h"
#include "route.h"
#include "verdict.h"

#define SYN_TIMEOUT_NS (XM_SYN_TIMEOUT_S * 1000000000ull)

/* For entries that are new: their values are larger than the stack. */
static const struct xm_latency latency_none;

/*
 * The entry of @key, made at its first use. Where there is no room, that of service 0, which *key
 * names then; NULL: nor is there for that one.
 */
static __always_inline struct xm_latency *latency_get(__u32 hook, struct xm_latency_key *key)
{
	struct xm_latency *l = bpf_map_lookup_elem(&xm_latency, key);
	long err;

	if (l)
		return l;
	err = bpf_map_update_elem(&xm_latency, key, &latency_none, BPF_NOEXIST);
	if (err && err != -EEXIST) {
		count(hook, XM_LATENCY_FULL, 1, 0);
		key->service = 0;
		bpf_map_update_elem(&xm_latency, key, &latency_none, BPF_NOEXIST);
	}
	return bpf_map_lookup_elem(&xm_latency, key);
}

static __always_inline struct xm_latency *latency_of(__u32 hook, __u32 cluster, __u32 service)
{
	struct xm_latency_key key = {
		.service = service,
		.cluster = cluster,
		.kind = XM_LATENCY_HANDSHAKE,
	};

	return latency_get(hook, &key);
}

/*
 * Of a connection that a client opens, never 0: the first sequence number belongs to it, so that
 * ports used again are another one. @ports: the client's first, as on the wire.
 */
static __always_inline __u64 syn_hash(const struct xm_addr *client, const struct xm_addr *backend,
				      __be32 ports, __u32 isn)
{
	__u64 h = client->d[1] ^ (__u64)isn << 32;

	h = (h ^ h >> 32 ^ backend->d[0]) * 0x9e3779b97f4a7c15ull;
	h = (h ^ h >> 29 ^ backend->d[1] ^ client->d[0]) * 0xd6e8feb86659fd93ull;
	h = (h ^ h >> 32 ^ ports) * 0xd6e8feb86659fd93ull;
	return (h ^ h >> 32) | 1;
}

static __always_inline struct xm_syn *syn_get(__u64 hash)
{
	__u32 slot = hash >> (64 - XM_SYN_BITS);

	return bpf_map_lookup_elem(&xm_syn, &slot);
}

static __always_inline int syn_is(const struct xm_syn *e, __u64 hash)
{
	return e->state != XM_SYN_FREE && e->tag == (__u32)hash;
}

static __always_inline int syn_is_out(const struct xm_syn *e)
{
	return e->state == XM_SYN_SENT || e->state == XM_SYN_RETRIED;
}

/*
 * Is the packet of @s, bare Ethernet and IP and as it leaves, a pod's SYN? Then it is in @s->syn, for
 * handshake_begins() when its fate is known.
 */
static __always_inline void handshake_note(struct __sk_buff *skb, struct scene *s)
{
	void *data = (void *)(long)skb->data, *data_end = (void *)(long)skb->data_end;
	struct tcphdr *tcp = data + ip_l4(&s->ip, ETH_HLEN);
	__be32 *ports = (void *)tcp;

	if (xm_knobs.no_latency || xm_knobs.dry_run || s->ip.proto != IPPROTO_TCP || !s->ip.l4 ||
	    (void *)(tcp + 1) > data_end || !tcp->syn || tcp->ack)
		return;
	s->sport = tcp->source;
	s->dport = tcp->dest;
	s->syn = syn_hash(&s->ip.src, &s->ip.dst, *ports, bpf_ntohl(tcp->seq));
}

/* Backends and services have numbers that rest before others get them. 0 = none. */
static __always_inline __u32 backend_service(__u32 number)
{
	struct xm_backend *b = number ? backend_get(number) : 0;

	return b ? b->service : 0;
}

/* The service whose backend a pod's own socket was sent to, 0 = none. */
static __always_inline __u32 handshake_service(struct __sk_buff *skb, const struct scene *s)
{
	struct xm_sock_key key = { .addr = s->ip.dst, .port = s->dport };
	__u32 *hint = sock_hint(&s->ip.dst);
	struct xm_sock_origin *origin;

	if (!hint || !*hint)
		return 0;
	/* The kernel keeps a packet's socket on its way through a veth pair (since 4.19). */
	key.cookie = bpf_get_socket_cookie(skb);
	origin = bpf_map_lookup_elem(&xm_sock_origin, &key);
	return origin ? origin->service : 0;
}

/* Does a SYN that was judged so leave for the mesh? XM_FWD_LOCAL, XM_PASS: if it is for a service. */
static __always_inline int handshake_leaves(const struct scene *s, enum xm_reason reason)
{
	return reason == XM_FWD_TUNNEL || reason == XM_FWD_NATIVE || reason == XM_FWD_LOCAL ||
	       reason == XM_PASS || reason == XM_STACK_SERVICE ||
	       (s->has_peer && (reason == XM_STACK_POLICY || reason == XM_STACK_OPTIONS ||
				reason == XM_STACK_NO_ENCAP));
}

/* The slot @e of a SYN that is out is taken by another connection. Out of line: rare. */
static __noinline int handshake_ousted(const struct scene *s, const struct xm_syn *e, __u64 now)
{
	struct xm_latency *l;

	if (!s || !e)
		return 0;
	l = latency_of(s->hook, e->cluster, e->service);
	if (!l)
		return 0;
	l->syns++;
	if (now - e->sent_ns >= SYN_TIMEOUT_NS)
		l->timeouts++;
	return 0;
}

/* The SYN in @s->syn was judged @reason. @own: our own cluster. */
static __noinline int handshake_begins(struct __sk_buff *skb, const struct scene *s, __u32 own,
				       __u32 reason)
{
	__u32 cluster, service;
	struct xm_latency *l;
	struct xm_syn *e;
	__u64 now;

	if (!s || !handshake_leaves(s, reason))
		return 0;
	cluster = s->has_peer ? s->cluster : own;
	service = s->backend ? backend_service(s->backend) : handshake_service(skb, s);
	if (!service && (reason == XM_FWD_LOCAL || reason == XM_PASS))
		return 0;
	e = syn_get(s->syn);
	if (!e)
		return 0;
	now = bpf_ktime_get_ns();
	if (syn_is(e, s->syn)) {
		/* Behind its own SYN-ACK, or that was lost between here and the pod. */
		if (e->state == XM_SYN_ANSWERED)
			return 0;
		if (e->state == XM_SYN_SENT)
			e->state = XM_SYN_RETRIED;
		l = latency_of(s->hook, e->cluster, e->service);
		if (l)
			l->syn_retries++;
		return 0;
	}
	if (syn_is_out(e))
		handshake_ousted(s, e, now);
	e->sent_ns = now;
	e->tag = s->syn;
	e->service = service;
	e->cluster = cluster;
	e->state = XM_SYN_SENT;
	return 0;
}

/* Whose SYN-ACK is it of which nothing is in xm_syn? NULL: of nobody in the mesh. */
static __always_inline struct xm_latency *handshake_stranger(const struct scene *s, __be32 ports)
{
	__u32 cluster = s->has_peer ? s->cluster : 0, service = 0;
	struct xm_config *cfg;
	struct xm_route *route;
	struct xm_flow *f;

	if (flow_hinted(&s->ip.dst)) {
		struct xm_flow_key key = { .src = s->ip.src,
					   .dst = s->ip.dst,
					   .proto = IPPROTO_TCP,
					   .dir = XM_FLOW_REPLY };

		*(__be32 *)&key.sport = ports;
		f = bpf_map_lookup_elem(&xm_flows, &key);
		if (f && f->kind == XM_FLOW_POD) {
			service = backend_service(f->backend);
			cluster = f->cluster;
		}
	}
	/* What the stack brings may come from anywhere; of our own cluster only services count. */
	if (!cluster) {
		cfg = config_get();
		route = cfg ? route_get(cfg, &s->ip.src) : 0;
		if (!route || route->cluster == cfg->cluster)
			return 0;
		cluster = route->cluster;
	}
	return latency_of(s->hook, cluster, service);
}

/* The packet of @s has SYN and ACK, or RST. @ack: what it acknowledges. */
static __noinline int handshake_answered(const struct scene *s, __be32 ports, __u32 ack, __u32 reset)
{
	struct xm_latency *l;
	struct xm_syn *e;
	__u64 hash, took;
	__u32 fresh;

	if (!s)
		return 0;
	hash = syn_hash(&s->ip.dst, &s->ip.src, ports << 16 | ports >> 16, ack - 1);
	e = syn_get(hash);
	if (!e)
		return 0;
	if (!syn_is(e, hash)) {
		l = reset ? 0 : handshake_stranger(s, ports);
		if (l)
			l->unmeasured++;
		return 0;
	}
	if (e->state == XM_SYN_ANSWERED)
		return 0;
	l = latency_of(s->hook, e->cluster, e->service);
	/* Of one that timed out, the SYN's fate is counted. */
	fresh = e->state != XM_SYN_TIMED_OUT;
	/* Not when it was sent: that would ask the table a second time for each connection. */
	if (l)
		l->syns += fresh;
	if (l && reset) {
		l->resets += fresh;
	} else if (l && e->state != XM_SYN_SENT) {
		l->unmeasured++;
	} else if (l) {
		took = bpf_ktime_get_ns() - e->sent_ns;
		hist_note(&l->hist, took);
	}
	e->state = XM_SYN_ANSWERED;
	return 0;
}

/*
 * The packet of @s, whose IP header is at @off and as its sender wrote it, is about to meet a local
 * pod. Packet pointers are void afterwards.
 */
static __always_inline void handshake_ends(struct __sk_buff *skb, const struct scene *s, __u32 off)
{
	__u32 l4 = ip_l4(&s->ip, off);
	void *data, *data_end;
	struct tcphdr *tcp;

	if (xm_knobs.no_latency || xm_knobs.dry_run || s->ip.proto != IPPROTO_TCP || !s->ip.l4)
		return;
	pull_headers(skb, l4 + sizeof(*tcp));
	data = (void *)(long)skb->data;
	data_end = (void *)(long)skb->data_end;
	tcp = data + l4;
	if ((void *)(tcp + 1) > data_end || !(tcp->rst || (tcp->syn && tcp->ack)))
		return;
	handshake_answered(s, *(__be32 *)tcp, bpf_ntohl(tcp->ack_seq), tcp->rst);
}

#endif
