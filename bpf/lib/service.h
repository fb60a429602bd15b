/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From a frontend to a backend: the VIP filter, the service, its Maglev slice, ClientIP affinity.
 * The same for sockets, tc and XDP. Not for: changing packets (nat.h), flows (flow.h).
 */
#ifndef BPF_LIB_SERVICE_H
#define BPF_LIB_SERVICE_H

#include "dryrun.h"
#include "maps.h"

/* What was read of an entry of xm_services, whole and of one moment. */
struct service {
	__u32 slot, size; /* size 0: no usable backend */
	__u32 number;
	__u32 affinity_s;
};

static __always_inline struct xm_vip_filter *vip_filter(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&xm_vip_filter, &zero);
}

/* @bits: a member of struct xm_vip_filter. False: @addr is no VIP for that scope. */
static __always_inline int vip_may_be(const __u64 *bits, const struct xm_addr *addr)
{
	__u32 h = xm_addr_hash16(addr) & (XM_VIP_FILTER_BITS - 1);

	return bits[h / 64] >> (h % 64) & 1;
}

static __always_inline int service_key_eq(const volatile struct xm_service_key *a,
					  const struct xm_service_key *b)
{
	return a->addr.d[0] == b->addr.d[0] && a->addr.d[1] == b->addr.d[1] && a->port == b->port &&
	       a->proto == b->proto && a->scope == b->scope && a->cluster == b->cluster;
}

/* The service behind @key. 0, or -1: it is no frontend of ours. */
static __always_inline int service_get(const struct xm_service_key *key, struct service *ret_service)
{
	const volatile struct xm_service *s;
	__u64 where;
	int i;

	/* A second try for an element that the kernel gave to another key meanwhile. */
#pragma unroll
	for (i = 0; i < 2; i++) {
		s = bpf_map_lookup_elem(&xm_services, key);
		if (!s)
			return -1;
		where = s->where;
		ret_service->slot = where >> 32;
		ret_service->size = (__u32)where;
		ret_service->number = s->number;
		ret_service->affinity_s = s->affinity_s;
		if (service_key_eq(&s->key, key))
			return 0;
	}
	return -1;
}

/* Whether a socket was ever sent to a backend at @addr; NULL never in truth. */
static __always_inline __u32 *sock_hint(const struct xm_addr *addr)
{
	__u32 slot = xm_addr_hash16(addr) & (SOCK_HINTS - 1);

	return bpf_map_lookup_elem(&xm_sock_hint, &slot);
}

/* NULL: no such number. A backend whose state is FREE is none. */
static __always_inline struct xm_backend *backend_get(__u32 number)
{
	return bpf_map_lookup_elem(&xm_backends, &number);
}

/* Does @b still stand for what was chosen as @generation, and may existing flows go on to it? */
static __always_inline int backend_keeps(const struct xm_backend *b, __u32 generation)
{
	return b->generation == generation &&
	       (b->state == XM_BACKEND_ACTIVE || b->state == XM_BACKEND_STANDBY ||
		b->state == XM_BACKEND_DRAINING);
}

/* By Maglev alone. The number of a backend, 0 = none is usable. */
static __always_inline __u32 service_hash_to(const struct service *s, __u32 hash)
{
	__u32 slot = s->slot + xm_maglev_slot(hash, s->size), pair = slot >> 1;
	const struct xm_maglev_pair *p;

	if (!s->size)
		return 0;
	p = bpf_map_lookup_elem(&xm_maglev, &pair);
	return p ? p->backend[slot & 1] : 0;
}

/* The backend that @key->client has affinity to, while that is fresh and usable; else 0. */
static __always_inline __u32 affinity_get(const struct service *s, const struct xm_affinity_key *key,
					  __u64 now_ns)
{
	struct xm_affinity *a = bpf_map_lookup_elem(&xm_affinity, key);
	struct xm_backend *b;

	if (!a || now_ns - a->seen_ns >= s->affinity_s * 1000000000ull)
		return 0;
	b = backend_get(a->backend);
	if (!b || b->generation != a->generation ||
	    (b->state != XM_BACKEND_ACTIVE && b->state != XM_BACKEND_STANDBY))
		return 0;
	trace_affinity();
	if (!xm_knobs.dry_run)
		a->seen_ns = now_ns;
	return a->backend;
}

/*
 * The backend of a new connection or flow to frontend @key, for @client; its number, 0 = none is
 * usable, refuse.
 */
static __always_inline __u32 service_choose(const struct service *s,
					    const struct xm_service_key *key,
					    const struct xm_addr *client, __u32 hash)
{
	struct xm_affinity_key who;
	struct xm_affinity choice;
	struct xm_backend *b;
	__u32 number;

	if (!s->affinity_s)
		return service_hash_to(s, hash);
	who.client = *client;
	who.service = s->number;
	who.port = key->port;
	who.proto = key->proto;
	who.scope = key->scope;
	choice.seen_ns = bpf_ktime_get_ns();
	number = affinity_get(s, &who, choice.seen_ns);
	if (number)
		return number;
	number = service_hash_to(s, hash);
	b = number ? backend_get(number) : 0;
	if (!b)
		return 0;
	if (xm_knobs.dry_run)
		return number;
	choice.backend = number;
	choice.generation = b->generation;
	bpf_map_update_elem(&xm_affinity, &who, &choice, BPF_ANY);
	return number;
}

#endif
