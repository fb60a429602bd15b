/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Global services, backends and flows in the maps of the program tests. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/defs.h"
#include "fix.h"

static const struct fix_backend backends[] = {
	[B_WEST] = { "10.2.0.9", 8080, NODE_WEST, 2, XM_BACKEND_ACTIVE, 0, 1 },
	[B_WEST_V6] = { "fd00:2::9", 8080, NODE_WEST, 2, XM_BACKEND_ACTIVE, 0, 1 },
	[B_POD_B] = { "10.1.0.3", 8080, NODE_SELF, 1, XM_BACKEND_ACTIVE, XM_BACKEND_IS_LOCAL, 1 },
	[B_POD_A] = { "10.1.0.2", 8080, NODE_SELF, 1, XM_BACKEND_ACTIVE, XM_BACKEND_IS_LOCAL, 1 },
	[B_POD_A_V6] = { "fd00:1::2", 8080, NODE_SELF, 1, XM_BACKEND_ACTIVE, XM_BACKEND_IS_LOCAL,
			 1 },
	[B_EAST3] = { "10.1.2.9", 8080, NODE_EAST3, 1, XM_BACKEND_ACTIVE, 0, 1 },
	[B_WEST_NULL] = { "10.2.0.9", 0, NODE_WEST, 2, XM_BACKEND_ACTIVE, 0, 1 },
	[B_WEST6] = { "10.2.1.9", 8080, NODE_WEST6, 2, XM_BACKEND_ACTIVE, 0, 1 },
};

#define SERVICE(v, po, pr, ...) { .vip = (v), .port = (po), .proto = (pr), ##__VA_ARGS__ }

static const struct fix_service services[] = {
	SERVICE("10.96.0.1", 80, IPPROTO_TCP, .backends = { B_WEST }),
	SERVICE("10.96.0.1", 80, IPPROTO_UDP, .backends = { B_WEST }),
	SERVICE("fd00:96::1", 80, IPPROTO_TCP, .backends = { B_WEST_V6 }),
	SERVICE("fd00:96::1", 80, IPPROTO_UDP, .backends = { B_WEST_V6 }),
	SERVICE("10.96.0.2", 80, IPPROTO_TCP, .backends = { B_POD_B }),
	SERVICE("10.96.0.2", 80, IPPROTO_UDP, .backends = { B_POD_B }),
	SERVICE("10.96.0.3", 80, IPPROTO_TCP, .backends = { B_POD_A }),
	SERVICE("10.96.0.3", 80, IPPROTO_UDP, .backends = { B_POD_A }),
	SERVICE("fd00:96::3", 80, IPPROTO_TCP, .backends = { B_POD_A_V6 }),
	SERVICE("10.96.0.4", 80, IPPROTO_TCP, .backends = { B_EAST3 }),
	SERVICE("10.96.0.5", 80, IPPROTO_TCP),
	SERVICE("10.96.0.5", 80, IPPROTO_UDP),
	SERVICE("10.96.0.5", 80, IPPROTO_SCTP),
	SERVICE("fd00:96::5", 80, IPPROTO_TCP),
	SERVICE("fd00:96::5", 80, IPPROTO_UDP),
	SERVICE("10.96.0.6", 80, IPPROTO_UDP, .affinity_s = 10, .backends = { B_WEST, B_WEST6 }),
	SERVICE("10.96.0.7", 80, IPPROTO_SCTP, .backends = { B_WEST }),
	SERVICE("10.96.0.7", 81, IPPROTO_SCTP, .backends = { B_WEST_NULL }),
	SERVICE("10.96.0.8", 53, IPPROTO_UDP, .backends = { B_WEST_NULL }),
	SERVICE("10.96.0.9", 80, IPPROTO_TCP, .backends = { B_WEST }),
	SERVICE("10.96.0.9", 80, IPPROTO_UDP, .backends = { B_WEST }),
	SERVICE("fd00:96::6", 80, IPPROTO_TCP, .backends = { B_WEST }),
};

static void put(enum load load, const char *map, const void *key, const void *value)
{
	if (bpf_map_update_elem(fix_map(load, map), key, value, BPF_ANY)) {
		fprintf(stderr, "fix: %s: %s\n", map, strerror(errno));
		exit(1);
	}
}

static void get(enum load load, const char *map, const void *key, void *ret_value)
{
	if (bpf_map_lookup_elem(fix_map(load, map), key, ret_value)) {
		fprintf(stderr, "fix: %s: %s\n", map, strerror(errno));
		exit(1);
	}
}

void fix_backend_put(enum load load, uint32_t number, const struct fix_backend *b)
{
	struct xm_backend backend = {
		.addr = fix_addr(b->addr),
		.node = b->node,
		.service = 1,
		.generation = b->generation,
		.cluster = b->cluster,
		.port = htons(b->port),
		.state = b->state,
		.flags = b->flags,
	};

	put(load, "xm_backends", &number, &backend);
}

void fix_backend_state(enum load load, uint32_t number, uint8_t state, uint32_t generation)
{
	struct xm_backend backend;

	get(load, "xm_backends", &number, &backend);
	backend.state = state;
	backend.generation = generation;
	put(load, "xm_backends", &number, &backend);
}

static void set_filter(enum load load, enum xm_scope scope, const struct xm_addr *vip)
{
	static struct xm_vip_filter filter;
	uint32_t zero = 0, h = xm_addr_hash16(vip);
	__u64 *bits = scope == XM_SCOPE_CLIENT ? filter.client :
		      scope == XM_SCOPE_EDGE   ? filter.edge :
						 filter.node;

	get(load, "xm_vip_filter", &zero, &filter);
	bits[h / 64] |= 1ull << (h % 64);
	put(load, "xm_vip_filter", &zero, &filter);
}

void fix_service_put(enum load load, const struct fix_service *s)
{
	static uint32_t next_slot = 16;
	struct xm_service_key key = {
		.addr = fix_addr(s->vip),
		.port = htons(s->port),
		.proto = s->proto,
		.scope = s->scope,
		.cluster = s->cluster ? s->cluster : 1,
	};
	struct xm_service value = { .number = 1, .affinity_s = s->affinity_s, .key = key };
	uint32_t n = 0;

	if (next_slot > 4000)
		next_slot = 16;
	for (; n < ARRAY_SIZE(s->backends) && s->backends[n]; n++) {
		uint32_t slot = next_slot + n, at = slot >> 1;
		struct xm_maglev_pair pair;

		get(load, "xm_maglev", &at, &pair);
		pair.backend[slot & 1] = s->backends[n];
		put(load, "xm_maglev", &at, &pair);
	}
	value.where = (uint64_t)next_slot << 32 | n;
	value.n_targets = n;
	next_slot += n;
	set_filter(load, s->scope, &key.addr);
	put(load, "xm_services", &key, &value);
}

static void clear(enum load load, const char *map)
{
	int fd = fix_map(load, map);
	uint8_t key[64];

	while (!bpf_map_get_next_key(fd, NULL, key))
		bpf_map_delete_elem(fd, key);
}

void fix_hints_clear(enum load load)
{
	static const char *const addrs[] = { "10.1.0.2",  "10.1.0.3",  "10.1.0.4",
					     "fd00:1::2", "fd00:1::3", "fd00:1::4" };
	uint32_t zero = 0;

	for (size_t i = 0; i < ARRAY_SIZE(addrs); i++) {
		struct xm_addr addr = fix_addr(addrs[i]);
		uint32_t slot = xm_addr_hash16(&addr);

		put(load, "xm_flow_hint", &slot, &zero);
	}
}

void fix_services_default(enum load load)
{
	for (uint32_t i = 1; i < ARRAY_SIZE(backends); i++)
		fix_backend_put(load, i, &backends[i]);
	clear(load, "xm_services");
	for (size_t i = 0; i < ARRAY_SIZE(services); i++)
		fix_service_put(load, &services[i]);
	clear(load, "xm_flows");
	clear(load, "xm_frags");
	clear(load, "xm_affinity");
	fix_hints_clear(load);
}

static struct xm_flow_key flow_key(const struct fix_flow *f)
{
	struct xm_flow_key key = {
		.src = fix_addr(f->src),
		.dst = fix_addr(f->dst),
		.sport = htons(f->sport),
		.dport = htons(f->dport),
		.proto = f->proto,
		.dir = f->dir,
	};

	return key;
}

bool fix_flow_get(enum load load, const struct fix_flow *f, struct xm_flow *ret_flow)
{
	struct xm_flow_key key = flow_key(f);

	return bpf_map_lookup_elem(fix_map(load, "xm_flows"), &key, ret_flow) == 0;
}

void fix_flow_set(enum load load, const struct fix_flow *f, const struct xm_flow *flow)
{
	struct xm_flow_key key = flow_key(f);

	put(load, "xm_flows", &key, flow);
}

#define KEYS_MAX 64

/* Keys of @map first, for an update moves an element of an LRU map. */
static size_t keys_of(enum load load, const char *map, uint8_t ret_keys[KEYS_MAX][64])
{
	int fd = fix_map(load, map);
	size_t n = 0;

	while (n < KEYS_MAX &&
	       !bpf_map_get_next_key(fd, n ? ret_keys[n - 1] : NULL, ret_keys[n]))
		n++;
	return n;
}

/* @seen: where in a value of @map the time is. */
static void age_map(enum load load, const char *map, size_t seen, uint64_t seconds)
{
	uint8_t keys[KEYS_MAX][64], value[128];
	size_t n = keys_of(load, map, keys);

	for (size_t i = 0; i < n; i++) {
		get(load, map, keys[i], value);
		*(uint64_t *)(value + seen) -= seconds * 1000000000ull;
		put(load, map, keys[i], value);
	}
}

void fix_age(enum load load, uint64_t seconds)
{
	age_map(load, "xm_flows", offsetof(struct xm_flow, seen_ns), seconds);
	age_map(load, "xm_frags", offsetof(struct xm_frag, seen_ns), seconds);
	age_map(load, "xm_affinity", offsetof(struct xm_affinity, seen_ns), seconds);
}

size_t fix_flow_count(enum load load)
{
	uint8_t keys[KEYS_MAX][64];

	return keys_of(load, "xm_flows", keys);
}
