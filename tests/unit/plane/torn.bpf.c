/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads a service as the programs do, beside the agent that changes it: does a frontend's slice only
 * hold backends of that very service? A key behind 14 bytes of packet. Run by torn.c.
 */
#include "service.h"

#include <linux/pkt_cls.h>

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

char torn_license[] SEC("license") = "Dual BSD/GPL";
