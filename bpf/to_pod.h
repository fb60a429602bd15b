/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * tc egress on the host end of a pod's interface: what the kernel's stack sends to the pod. Replies
 * of translated flows that did not come by our fast path get their VIP back here.
 */
#ifndef BPF_TO_POD_H
#define BPF_TO_POD_H

#include "latency.h"
#include "translate.h"
#include "verdict.h"

static __always_inline enum xm_reason to_pod(struct __sk_buff *skb, struct scene *s)
{
	void *data, *data_end;
	struct ethhdr *eth;

	pull_headers(skb, pull_bare(skb));
	data = skb_data(skb);
	data_end = skb_data_end(skb);
	eth = data;
	if ((void *)(eth + 1) > data_end || skb->vlan_present)
		return XM_PASS;
	if (parse_ip(data, data_end, ETH_HLEN, eth->h_proto, &s->ip) != XM_PASS || !s->ip.len ||
	    !ip_is_whole(skb, ETH_HLEN, &s->ip))
		return XM_PASS;
	handshake_ends(skb, s, ETH_HLEN);
	return translate_reply(skb, s);
}

/* Leaves with UNSPEC for the next program and the pod, or SHOT. */
SEC("tc")
int xm_to_pod(struct __sk_buff *skb)
{
	struct scene *s = scene_get();

	if (!config_get() || !s)
		return TC_ACT_UNSPEC;
	scene_init(s, skb, XM_HOOK_TO_POD);
	return verdict_tc(skb, s, to_pod(skb, s));
}

#endif
