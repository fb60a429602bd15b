/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Smoothed round trips of TCP connections that sockets of our cgroups opened to the mesh, once per
 * round trip, as the kernel reckons them. Only of the side that opens: nothing counts twice. Not
 * for: handshakes (lib/latency.h), which need no socket here.
 *
 * A socket below two cgroups that have this program runs it twice for each event.
 */
#ifndef BPF_SOCKOPS_H
#define BPF_SOCKOPS_H

#include "latency.h"
#include "route.h"
#include "service.h"

/*
 * A word of the context, at a constant offset: compilers like to add that to the pointer first, which
 * the verifier refuses (clang 19 did, across the branches of the family).
 */
#define SOCKOPS_WORD(ctx, at)                                                                      \
	({                                                                                         \
		__u64 word_;                                                                       \
		asm volatile("%0 = *(u32 *)(%1 + %2)"                                              \
			     : "=r"(word_)                                                         \
			     : "r"(ctx), "i"(at));                                                 \
		(__u32)word_;                                                                      \
	})

static __always_inline struct xm_addr sockops_remote(const struct bpf_sock_ops *ctx)
{
	enum { v6 = offsetof(struct bpf_sock_ops, remote_ip6) };
	struct xm_addr addr;

	if (ctx->family == XM_AF_INET)
		return xm_addr_v4(SOCKOPS_WORD(ctx, offsetof(struct bpf_sock_ops, remote_ip4)));
	addr.w[0] = SOCKOPS_WORD(ctx, v6);
	addr.w[1] = SOCKOPS_WORD(ctx, v6 + 4);
	addr.w[2] = SOCKOPS_WORD(ctx, v6 + 8);
	addr.w[3] = SOCKOPS_WORD(ctx, v6 + 12);
	return addr;
}

/* What is at the other end. 0, or -1: nothing of the mesh. */
static __always_inline int sockops_peer(struct bpf_sock_ops *ctx, struct xm_sock_peer *ret_peer)
{
	struct xm_sock_key key = { .addr = sockops_remote(ctx) };
	struct xm_sock_origin *origin;
	struct xm_config *cfg = config_get();
	struct xm_backend *b;
	struct xm_route *route;
	struct xm_node *node;
	__u16 cluster = 0;

	if (!cfg)
		return -1;
	key.cookie = bpf_get_socket_cookie(ctx);
	/* In network order, in the upper half where that is the first one. */
	key.port = bpf_htons(bpf_ntohl(ctx->remote_port));
	origin = bpf_map_lookup_elem(&xm_sock_origin, &key);
	b = origin ? backend_get(origin->backend) : 0;
	if (b && b->generation == origin->generation) {
		ret_peer->service = b->service;
		ret_peer->cluster = b->cluster;
		return 0;
	}
	/* Not by route_get(): a memo is for those whom nothing interrupts. */
	route = route_find(cfg, &key.addr);
	if (route) {
		cluster = route->cluster;
	} else {
		node = node_get(&key.addr);
		cluster = node ? node->cluster : 0;
	}
	if (!cluster || cluster == cfg->cluster)
		return -1;
	ret_peer->service = 0;
	ret_peer->cluster = cluster;
	return 0;
}

static __always_inline void sockops_opened(struct bpf_sock_ops *ctx)
{
	struct xm_sock_peer peer = {}, *kept;
	struct bpf_sock *sk = ctx->sk;

	if (!sk || sockops_peer(ctx, &peer))
		return;
	kept = bpf_sk_storage_get(&xm_sock_peer, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!kept)
		return;
	kept->service = peer.service;
	kept->cluster = peer.cluster;
	bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_RTT_CB_FLAG);
}

static __always_inline void sockops_rtt(struct bpf_sock_ops *ctx)
{
	struct xm_latency_key key = { .kind = XM_LATENCY_SRTT };
	struct bpf_sock *sk = ctx->sk;
	struct xm_sock_peer *peer;
	struct xm_latency *l;
	__u64 ns, bucket;
	__u32 una;

	peer = sk ? bpf_sk_storage_get(&xm_sock_peer, sk, 0, 0) : 0;
	una = ctx->snd_una;
	/* Between two round trips something was acknowledged: this is the same one again. */
	if (!peer || peer->seen_una == una)
		return;
	peer->seen_una = una;
	key.service = peer->service;
	key.cluster = peer->cluster;
	l = latency_get(XM_HOOK_SOCKET, &key);
	if (!l)
		return;
	ns = (__u64)(ctx->srtt_us >> 3) * 1000;
	bucket = xm_hist_bucket(ns);
	asm volatile("" : "+r"(bucket));
	if (bucket >= XM_HIST_BUCKETS)
		return;
	/* Whoever holds the socket may be interrupted by packets of another. */
	__sync_fetch_and_add(&l->hist.buckets[bucket], 1);
	__sync_fetch_and_add(&l->hist.sum_ns, ns);
}

/* Sockets of a cgroup, as their connections come and go. Changes nothing about them. */
SEC("sockops")
int xm_sockops(struct bpf_sock_ops *ctx)
{
	if (ctx->op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB)
		sockops_opened(ctx);
	else if (ctx->op == BPF_SOCK_OPS_RTT_CB)
		sockops_rtt(ctx);
	return 1;
}

#endif
