/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sockets of pods (and of the host): a global service is chosen once, when a socket is connected or
 * sends a datagram, and costs nothing per packet afterwards. What the socket asked for is kept in
 * xm_sock_origin, so that recvfrom() and getpeername() tell it the VIP and not the backend. Not
 * for: what has no socket here (nat.h).
 *
 * Which hook sees what, by the kernel's code (5.10 to 6.18):
 * - connect: TCP, MSG_FASTOPEN and UDP. Datagrams of a connected UDP socket that name no address
 *   meet no hook: they go to the backend that connect() wrote.
 * - sendmsg: UDP with an address, connected or not. A mapped address (::ffff:a.b.c.d) on an IPv6
 *   socket comes to sendmsg4; in connect6, recvmsg6 and getpeername6 it is seen as it is.
 * - recvmsg: UDP, whenever the caller asks for the source, connected sockets too.
 * - All programs from the socket's cgroup up to the root run, those of the descendant first. A
 *   second one of ours finds a backend where the first found a VIP, and leaves it.
 */
#ifndef BPF_SOCKET_H
#define BPF_SOCKET_H

#include <linux/errno.h>
#include <linux/in.h>

#include "route.h"
#include "service.h"
#include "verdict.h"

/* Verdicts of connect and sendmsg: go on, or fail with EPERM, or what bpf_set_retval() said. */
#define SOCK_GO 1
#define SOCK_FAIL 0

/*
 * In the place of an address, for affinity: a socket has no source address yet, but a pod has one
 * network namespace. As an address it would be a multicast group, which is nobody's source. One less
 * stands for IPv4.
 */
#define SOCK_NETNS_MARK 0xffffffffffffffffull

struct sock_ask {
	struct xm_addr vip;
	__u64 cookie;
	__be16 port;
	__u8 proto;
	__u8 once; /* connect(): the choice is made once; sendmsg() makes the same one each time */
};

/* So that all datagrams of a socket to one frontend go to one backend. The high bits count. */
static __always_inline __u32 sock_hash(const struct sock_ask *ask)
{
	__u64 h = ask->cookie * 0x9e3779b97f4a7c15ull;

	h ^= ask->vip.d[1] ^ ask->vip.d[0] ^ ((__u64)ask->port << 16);
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93ull;
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93ull;
	return h >> 32;
}

/* An earlier program of the same event has refused already: not a second time, not counted. */
static __always_inline int sock_is_refused(void)
{
	return xm_knobs.has_set_retval && bpf_get_retval() < 0;
}

static __always_inline int sock_refuse(void)
{
	count(XM_HOOK_SOCKET, XM_ANSWER_REFUSED, 1, 0);
	if (xm_knobs.has_set_retval)
		bpf_set_retval(-ECONNREFUSED);
	return SOCK_FAIL;
}

static __always_inline void sock_remember(const struct sock_ask *ask, const struct xm_addr *addr,
					  __be16 port, const struct xm_backend *b, __u32 number)
{
	struct xm_sock_key key = { .cookie = ask->cookie, .addr = *addr, .port = port };
	struct xm_sock_origin origin = {
		.vip = ask->vip,
		.port = ask->port,
		.service = b->service,
		.backend = number,
		.generation = b->generation,
	};
	struct xm_sock_origin *known;
	__u32 *hint;

	/* A datagram like the last one writes nothing: a lookup is a third of an insertion. */
	known = ask->once ? 0 : bpf_map_lookup_elem(&xm_sock_origin, &key);
	if (known && known->backend == number && known->generation == b->generation &&
	    known->port == ask->port && xm_addr_eq(&known->vip, &ask->vip))
		return;
	bpf_map_update_elem(&xm_sock_origin, &key, &origin, BPF_ANY);
	hint = ask->proto == IPPROTO_TCP ? sock_hint(addr) : 0;
	if (hint && !*hint)
		*hint = 1;
}

/* The frontend that @ask is for. 0, or -1: none of ours. */
static __always_inline int sock_frontend(const struct sock_ask *ask, struct xm_service_key *ret_key,
					 struct service *ret_service)
{
	struct xm_vip_filter *filter = vip_filter();
	struct xm_config *cfg;

	if (!filter || !vip_may_be(filter->client, &ask->vip))
		return -1;
	if (ask->proto != IPPROTO_TCP && ask->proto != IPPROTO_UDP)
		return -1;
	cfg = config_get();
	if (!cfg)
		return -1;
	ret_key->addr = ask->vip;
	ret_key->port = ask->port;
	ret_key->proto = ask->proto;
	ret_key->scope = XM_SCOPE_CLIENT;
	ret_key->cluster = cfg->cluster;
	ret_key->zero = 0;
	return service_get(ret_key, ret_service);
}

/* The number of the backend for a socket of namespace @netns, 0 = none is usable. */
static __always_inline __u32 sock_pick(const struct sock_ask *ask, const struct xm_service_key *key,
				       const struct service *s, __u64 netns, __u32 hash)
{
	struct xm_addr client;
	struct xm_backend *b;
	__u32 number;

	/* Both families of a service share its number, but no backend. */
	client.d[0] = SOCK_NETNS_MARK - xm_addr_is_v4(&ask->vip);
	client.d[1] = netns;
	number = service_choose(s, key, &client, hash);
	b = number ? backend_get(number) : 0;
	return b && xm_addr_is_v4(&b->addr) == xm_addr_is_v4(&ask->vip) ? number : 0;
}

/*
 * SOCK_GO with *ret_port 0: not ours, leave the address. SOCK_GO with a port: write both. SOCK_FAIL:
 * a service of ours that nobody serves.
 */
static __always_inline int sock_choose(struct bpf_sock_addr *ctx, struct sock_ask *ask,
				       struct xm_addr *ret_addr, __be16 *ret_port)
{
	struct xm_service_key key;
	struct xm_backend *b;
	struct service s;
	__u64 netns = 0;
	__u32 number;

	*ret_port = 0;
	if (sock_frontend(ask, &key, &s) || sock_is_refused())
		return SOCK_GO;
	if (!xm_knobs.has_netns_cookie)
		s.affinity_s = 0;
	else if (s.affinity_s)
		netns = bpf_get_netns_cookie(ctx);
	ask->cookie = bpf_get_socket_cookie(ctx);
	number = sock_pick(ask, &key, &s, netns,
			   ask->proto == IPPROTO_TCP ? bpf_get_prandom_u32() : sock_hash(ask));
	b = number ? backend_get(number) : 0;
	if (!b)
		return sock_refuse();
	*ret_addr = b->addr;
	*ret_port = b->port ? b->port : ask->port;
	sock_remember(ask, ret_addr, *ret_port, b, number);
	count(XM_HOOK_SOCKET, XM_TRANSLATED, 1, 0);
	return SOCK_GO;
}

/* The verifier wants the context's fields one by one, in words (user_port: a port in a word). */
static __always_inline struct xm_addr sock_addr6(const struct bpf_sock_addr *ctx)
{
	struct xm_addr addr;

	addr.w[0] = ctx->user_ip6[0];
	addr.w[1] = ctx->user_ip6[1];
	addr.w[2] = ctx->user_ip6[2];
	addr.w[3] = ctx->user_ip6[3];
	return addr;
}

static __always_inline void sock_addr6_set(struct bpf_sock_addr *ctx, const struct xm_addr *addr,
					   __be16 port)
{
	ctx->user_ip6[0] = addr->w[0];
	ctx->user_ip6[1] = addr->w[1];
	ctx->user_ip6[2] = addr->w[2];
	ctx->user_ip6[3] = addr->w[3];
	ctx->user_port = port;
}

static __always_inline int sock_to_backend4(struct bpf_sock_addr *ctx, int once)
{
	struct sock_ask ask = {
		.vip = xm_addr_v4(ctx->user_ip4),
		.port = ctx->user_port,
		.proto = ctx->protocol,
		.once = once,
	};
	struct xm_addr addr;
	__be16 port;
	int verdict;

	verdict = sock_choose(ctx, &ask, &addr, &port);
	if (port) {
		ctx->user_ip4 = addr.w[3];
		ctx->user_port = port;
	}
	return verdict;
}

static __always_inline int sock_to_backend6(struct bpf_sock_addr *ctx, int once)
{
	struct sock_ask ask = {
		.vip = sock_addr6(ctx),
		.port = ctx->user_port,
		.proto = ctx->protocol,
		.once = once,
	};
	struct xm_addr addr;
	__be16 port;
	int verdict;

	verdict = sock_choose(ctx, &ask, &addr, &port);
	if (port)
		sock_addr6_set(ctx, &addr, port);
	return verdict;
}

/* What the socket asked for when it was sent to @addr; NULL: nothing of ours. */
static __always_inline struct xm_sock_origin *sock_origin(struct bpf_sock_addr *ctx,
							  const struct xm_addr *addr)
{
	struct xm_sock_key key = {
		.cookie = bpf_get_socket_cookie(ctx),
		.addr = *addr,
		.port = ctx->user_port,
	};

	return bpf_map_lookup_elem(&xm_sock_origin, &key);
}

static __always_inline int sock_to_vip4(struct bpf_sock_addr *ctx)
{
	struct xm_addr addr = xm_addr_v4(ctx->user_ip4);
	struct xm_sock_origin *origin = sock_origin(ctx, &addr);

	if (origin) {
		ctx->user_ip4 = origin->vip.w[3];
		ctx->user_port = origin->port;
	}
	return SOCK_GO;
}

static __always_inline int sock_to_vip6(struct bpf_sock_addr *ctx)
{
	struct xm_addr addr = sock_addr6(ctx);
	struct xm_sock_origin *origin = sock_origin(ctx, &addr);

	if (origin)
		sock_addr6_set(ctx, &origin->vip, origin->port);
	return SOCK_GO;
}

/* TCP and UDP sockets being connected. Leave: as they are, to a backend, or refused. */
SEC("cgroup/connect4")
int xm_connect4(struct bpf_sock_addr *ctx)
{
	return sock_to_backend4(ctx, 1);
}

SEC("cgroup/connect6")
int xm_connect6(struct bpf_sock_addr *ctx)
{
	return sock_to_backend6(ctx, 1);
}

/* UDP datagrams with an address. Leave: as they are, to a backend, or refused. */
SEC("cgroup/sendmsg4")
int xm_sendmsg4(struct bpf_sock_addr *ctx)
{
	return sock_to_backend4(ctx, 0);
}

SEC("cgroup/sendmsg6")
int xm_sendmsg6(struct bpf_sock_addr *ctx)
{
	return sock_to_backend6(ctx, 0);
}

/* Sources of UDP datagrams, when they are asked for. Leave: as they are, or as the VIP. */
SEC("cgroup/recvmsg4")
int xm_recvmsg4(struct bpf_sock_addr *ctx)
{
	return sock_to_vip4(ctx);
}

SEC("cgroup/recvmsg6")
int xm_recvmsg6(struct bpf_sock_addr *ctx)
{
	return sock_to_vip6(ctx);
}

/* getpeername(). Leaves: the real peer, or the VIP. */
SEC("cgroup/getpeername4")
int xm_getpeer4(struct bpf_sock_addr *ctx)
{
	return sock_to_vip4(ctx);
}

SEC("cgroup/getpeername6")
int xm_getpeer6(struct bpf_sock_addr *ctx)
{
	return sock_to_vip6(ctx);
}

/*
 * What a socket would be given whose connect() the packet stands for: `xmesh explain`, which cannot
 * run the hooks of sockets. Never attached. In skb->cb: the cookie of the socket's network namespace
 * (two words, 0 = not known: no affinity), and a hash, 0 = any.
 */
SEC("tc")
int xm_explain_socket(struct __sk_buff *skb)
{
	struct xm_service_key key;
	struct scene *sc = scene_get();
	struct sock_ask ask = {};
	struct xm_backend *b;
	struct service s;
	__be16 ports[2];
	__u32 hash, number;
	__u64 netns;

	if (!xm_knobs.dry_run || !sc)
		return TC_ACT_SHOT;
	scene_init(sc, skb, XM_HOOK_SOCKET);
	pull_headers(skb, PULL_BYTES);
	if (parse_ip((void *)(long)skb->data, (void *)(long)skb->data_end, ETH_HLEN, skb->protocol,
		     &sc->ip) != XM_PASS ||
	    !ip_has_ports(&sc->ip) || bpf_skb_load_bytes(skb, sc->ip.l4, ports, sizeof(ports)))
		return verdict_traced(sc, XM_PASS, TC_ACT_UNSPEC);
	ask.vip = sc->ip.dst;
	ask.port = ports[1];
	ask.proto = sc->ip.proto;
	if (sock_frontend(&ask, &key, &s))
		return verdict_traced(sc, XM_PASS, TC_ACT_UNSPEC);
	netns = skb->cb[0] | (__u64)skb->cb[1] << 32;
	if (!netns)
		s.affinity_s = 0;
	hash = skb->cb[2] ? skb->cb[2] : bpf_get_prandom_u32();
	trace_choice(s.number, hash, s.slot, s.size);
	number = sock_pick(&ask, &key, &s, netns, hash);
	trace_chosen(number);
	b = number ? backend_get(number) : 0;
	if (!b)
		return verdict_traced(sc, XM_ANSWER_REFUSED, TC_ACT_SHOT);
	trace_peer(b->node);
	sc->cluster = b->cluster;
	sc->ip.dst = b->addr;
	return verdict_traced(sc, XM_TRANSLATED, TC_ACT_UNSPEC);
}

#endif
