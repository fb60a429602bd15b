/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The last step to a pod of this node: what forbids it, and the way over. */
#ifndef BPF_LIB_DELIVER_H
#define BPF_LIB_DELIVER_H

#include "rewrite.h"
#include "verdict.h"

/*
 * May the packet in @s, which is @shrink bytes longer now than the pod will see it, take the fast
 * path to @pod? XM_FWD_LOCAL, or why the stack has to do it.
 */
static __always_inline enum xm_reason deliver_check(struct __sk_buff *skb, struct scene *s,
						    const struct xm_pod *pod, int shrink)
{
	if (pod->flags & XM_POD_STACK)
		return XM_STACK_POLICY;
	if (s->ip.ttl <= 1)
		return XM_STACK_TTL;
	if (s->ip.options)
		return XM_STACK_OPTIONS;
	if (xm_knobs.has_check_mtu) {
		__u32 mtu = 0;
		long err = bpf_check_mtu(skb, pod->ifindex, &mtu, -shrink, 0);

		/* Agent away and the pod made anew: redirecting to the old index would lose it. */
		if (err < 0)
			return XM_STACK_POD_GONE;
		if (err > 0) {
			s->size = s->ip.len;
			s->limit = mtu;
			return XM_STACK_TOO_BIG;
		}
	}
	return XM_FWD_LOCAL;
}

/* Send the frame, bare Ethernet and IP now, into @pod's namespace. */
static __always_inline enum xm_reason deliver(struct __sk_buff *skb, struct scene *s,
					      const struct xm_pod *pod)
{
	void *data = skb_data(skb), *data_end = skb_data_end(skb);
	struct ethhdr *eth = data;

	if ((void *)(eth + 1) > data_end)
		return XM_DROP_INTERNAL;
	mac_copy(eth->h_dest, pod->pod_mac);
	mac_copy(eth->h_source, pod->host_mac);
	if (rewrite_ttl(data, data_end, ETH_HLEN, s->ip.is_v4, -1))
		return XM_DROP_INTERNAL;
	/* Behind a bridge, or from a foreign VTEP, the frame was addressed to somebody else. */
	if (skb->pkt_type != PACKET_HOST)
		bpf_skb_change_type(skb, PACKET_HOST);
	s->action = bpf_redirect_peer(pod->ifindex, 0);
	return XM_FWD_LOCAL;
}

#endif
