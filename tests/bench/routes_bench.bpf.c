/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which kind of map xm_routes should be: 16 lookups per run of an LPM trie against a hash that is
 * probed once per prefix length in use, on the same keys and values. Driven by routes_bench.c;
 * not part of the data path.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

#include "xmesh/maps.h"

#define LOOKUPS 16

/* 20 bytes without padding: an LPM trie reads its key's bits right behind the length. */
struct key {
	__u32 plen; /* of the 128-bit form */
	__be32 addr[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, XM_MAX_ROUTES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct key);
	__type(value, struct xm_route);
} lpm SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, XM_MAX_ROUTES);
	__type(key, struct key);
	__type(value, struct xm_route);
} hash SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct xm_config);
} config SEC(".maps");

/* Set by routes_bench.c before each row. */
__u32 span;          /* lookups go to the first @span prefixes, evenly */
__u32 family;        /* 0 = IPv4, 1 = IPv6: index into xm_config.plen */
__u32 n_lens;        /* prefix number i has length number i % n_lens (a power of two) */
__u64 miss;          /* 1 = an address that no prefix covers */
/* Written here, so that every row can assert what it measured. */
__u64 state = 88172645463325252ull;
__u64 hits;
__u64 sum;

/* The n-th prefix lies at 10.n.n.0, or fd00:0:n:n::; its length only decides what may follow. */
static __always_inline struct xm_addr next_addr(__u64 *rng)
{
	struct xm_addr a;
	__u64 r = *rng;
	__u32 i, host;

	r ^= r << 13;
	r ^= r >> 7;
	r ^= r << 17;
	*rng = r;
	i = ((r & 0xffffffff) * span) >> 32;
	host = (r >> 40) & 0xff;
	host >>= i & (n_lens - 1);
	if (family == 0) {
		a.d[0] = 0;
		a.w[2] = XM_V4_MARK;
		a.w[3] = __builtin_bswap32((miss ? 0xac000000 : 0x0a000000) + (i << 8) + host);
	} else {
		a.w[0] = __builtin_bswap32(miss ? 0xfd990000 : 0xfd000000);
		a.w[1] = __builtin_bswap32(i);
		a.w[2] = __builtin_bswap32(host << 24);
		a.w[3] = 0;
	}
	return a;
}

SEC("tc")
int routes_null(struct __sk_buff *skb)
{
	__u64 rng = state, s = 0;
	int i;

#pragma clang loop unroll(disable)
	for (i = 0; i < LOOKUPS; i++) {
		struct xm_addr a = next_addr(&rng);

		s += a.d[0] ^ a.d[1];
	}
	state = rng;
	sum += s;
	return TC_ACT_OK;
}

SEC("tc")
int routes_lpm(struct __sk_buff *skb)
{
	__u64 rng = state, n = 0, s = 0;
	int i;

#pragma clang loop unroll(disable)
	for (i = 0; i < LOOKUPS; i++) {
		struct xm_addr a = next_addr(&rng);
		struct key key = { 128, { a.w[0], a.w[1], a.w[2], a.w[3] } };
		struct xm_route *route;

		route = bpf_map_lookup_elem(&lpm, &key);
		if (!route)
			continue;
		n++;
		s += route->node;
	}
	state = rng;
	hits += n;
	sum += s;
	return TC_ACT_OK;
}

static __always_inline struct xm_route *probe(const struct xm_config *cfg, const struct xm_addr *a)
{
	__u32 fam = family & 1;
	int i;

#pragma clang loop unroll(disable)
	for (i = 0; i < XM_MAX_PLENS; i++) {
		const struct xm_plen *p = &cfg->plen[fam][i];
		struct xm_addr m;
		struct key key;
		struct xm_route *route;

		if (i >= cfg->n_plen[fam])
			break;
		if (!p->used)
			continue;
		m.d[0] = a->d[0] & p->mask[0];
		m.d[1] = a->d[1] & p->mask[1];
		key.plen = p->plen;
		__builtin_memcpy(key.addr, &m, sizeof(key.addr));
		route = bpf_map_lookup_elem(&hash, &key);
		if (route)
			return route;
	}
	return NULL;
}

SEC("tc")
int routes_hash(struct __sk_buff *skb)
{
	__u64 rng = state, n = 0, s = 0;
	struct xm_config *cfg;
	__u32 zero = 0;
	int i;

	cfg = bpf_map_lookup_elem(&config, &zero);
	if (!cfg)
		return TC_ACT_SHOT;
#pragma clang loop unroll(disable)
	for (i = 0; i < LOOKUPS; i++) {
		struct xm_addr a = next_addr(&rng);
		struct xm_route *route = probe(cfg, &a);

		if (!route)
			continue;
		n++;
		s += route->node;
	}
	state = rng;
	hits += n;
	sum += s;
	return TC_ACT_OK;
}

char _license[] SEC("license") = "Dual BSD/GPL";
