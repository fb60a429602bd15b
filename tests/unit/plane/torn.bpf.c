/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads a service as the programs do, beside the agent that changes it: does a frontend's slice
 * only hold backends of that very service? And is an element that the kernel has given to another key
 * meanwhile believed? One or two keys behind 14 bytes of packet. Run by torn.c.
 */
#include "maps.h"

#include <linux/pkt_cls.h>

#define OTHERS_NUMBER 0xdead

/* The next frontend that is found is deleted before it is read, and its element is this one's. */
static volatile struct xm_service_key other;
static volatile __u32 give_away;
static volatile __u32 given; /* the kernel did that */

static __always_inline void *find_and_lose(void *map, const void *key)
{
	void *found = bpf_map_lookup_elem(map, key);
	struct xm_service value = { .number = OTHERS_NUMBER };

	if (map != &xm_services || !give_away || !found)
		return found;
	give_away = 0;
	__builtin_memcpy(&value.key, (const void *)&other, sizeof(value.key));
	bpf_map_delete_elem(map, key);
	bpf_map_update_elem(map, &value.key, &value, BPF_ANY);
	given = ((struct xm_service *)found)->number == OTHERS_NUMBER;
	return found;
}

#define bpf_map_lookup_elem find_and_lose
#include "service.h"

struct torn_counts {
	__u64 reads, misses, bad;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct torn_counts);
} torn_counts SEC(".maps");

SEC("tc")
int torn_read(struct __sk_buff *skb)
{
	struct xm_service_key key;
	struct torn_counts *counts;
	struct xm_backend *b;
	struct service s;
	__u32 zero = 0, number;

	counts = bpf_map_lookup_elem(&torn_counts, &zero);
	if (!counts || bpf_skb_load_bytes(skb, 14, &key, sizeof(key)))
		return TC_ACT_SHOT;
	counts->reads++;
	if (service_get(&key, &s)) {
		counts->misses++;
		return TC_ACT_OK;
	}
	number = service_hash_to(&s, bpf_get_prandom_u32());
	b = backend_get(number);
	if (!number || !b || b->service != s.number || b->state == XM_BACKEND_FREE)
		counts->bad++;
	return TC_ACT_OK;
}

/* OK: nobody is found. SHOT: the other is. UNSPEC: this kernel gives no element away at once. */
SEC("tc")
int torn_give(struct __sk_buff *skb)
{
	struct xm_service_key keys[2];
	struct service s;

	if (bpf_skb_load_bytes(skb, 14, keys, sizeof(keys)))
		return TC_ACT_SHOT;
	__builtin_memcpy((void *)&other, &keys[1], sizeof(other));
	give_away = 1;
	if (!service_get(&keys[0], &s))
		return TC_ACT_SHOT;
	return given ? TC_ACT_OK : TC_ACT_UNSPEC;
}

char torn_license[] SEC("license") = "Dual BSD/GPL";
