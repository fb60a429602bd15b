/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * BPF_PROG_TEST_RUN with repeat hands the same packet to every run. This puts the first bytes back,
 * turns the packet into one of the next flow and calls the program under test; the same with a
 * program that returns at once is the baseline. Not for: the product.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "wrapper.h"

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} calls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} xdp_calls SEC(".maps");

struct wrapper_setup setup = {};

static __always_inline int rearm(void *data, void *data_end, __u32 len)
{
	__u64 *to = data, *from = (__u64 *)setup.packet;
	__u32 flow = (setup.first + setup.n++) & setup.flow_mask;
	int i;

	if (len != setup.len || data + WRAPPER_RESTORE > data_end) {
		setup.bad++;
		return -1;
	}
	if (setup.flow_mask) {
		setup.packet[setup.port_at & (WRAPPER_RESTORE - 1)] = flow >> 8;
		setup.packet[(setup.port_at + 1) & (WRAPPER_RESTORE - 1)] = flow;
#pragma unroll
		for (i = 0; i < WRAPPER_VARY; i++)
			if (setup.vary_at[i])
				setup.packet[setup.vary_at[i] & (WRAPPER_RESTORE - 1)] = flow;
		if (setup.high_at)
			setup.packet[setup.high_at & (WRAPPER_RESTORE - 1)] = flow >> 16;
	}
#pragma unroll
	for (i = 0; i < WRAPPER_RESTORE_SHORT / 8; i++)
		to[i] = from[i];
	if (setup.is_short)
		return 0;
#pragma unroll
	for (i = WRAPPER_RESTORE_SHORT / 8; i < WRAPPER_RESTORE / 8; i++)
		to[i] = from[i];
	return 0;
}

SEC("tc")
int wrapper_tc(struct __sk_buff *skb)
{
	/* The metadata stays on the skb from the first run to the last. */
	if (setup.key_src && !setup.n) {
		struct bpf_tunnel_key key = {
			.tunnel_id = setup.key_id,
			.local_ipv4 = setup.key_src,
			.tunnel_ttl = 64,
		};

		bpf_skb_set_tunnel_key(skb, &key, sizeof(key), 0);
	}
	if (setup.new_hash)
		bpf_set_hash_invalid(skb);
	if (rearm((void *)(long)skb->data, (void *)(long)skb->data_end, skb->len))
		return WRAPPER_BAD;
	bpf_tail_call(skb, &calls, 0);
	return WRAPPER_BAD;
}

SEC("xdp")
int wrapper_xdp(struct xdp_md *xdp)
{
	__u32 len = xdp->data_end - xdp->data;

	/* What the program put before the packet in the last run. */
	if (len != setup.len && bpf_xdp_adjust_head(xdp, len - setup.len))
		return WRAPPER_BAD;
	len = xdp->data_end - xdp->data;
	if (rearm((void *)(long)xdp->data, (void *)(long)xdp->data_end, len))
		return WRAPPER_BAD;
	bpf_tail_call(xdp, &xdp_calls, 0);
	return WRAPPER_BAD;
}

SEC("tc")
int null_tc(struct __sk_buff *skb)
{
	return TC_ACT_UNSPEC;
}

SEC("xdp")
int null_xdp(struct xdp_md *xdp)
{
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
