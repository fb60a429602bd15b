/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Replies of backends on their way to a local client: from the VIP again that the client asked.
 * Called last before the packet meets the pod, by every hook that it may come by. Not for: the
 * client's own packets (to_service.h).
 */
#ifndef BPF_LIB_TRANSLATE_H
#define BPF_LIB_TRANSLATE_H

#include "flow.h"
#include "nat.h"
#include "quote.h"

/* A reply that may be of a flow of the client @s->ip.dst. XM_TRANSLATED, XM_PASS, or a drop. */
static __noinline int reply_to_client(struct __sk_buff *skb, struct scene *s)
{
	struct scratch *scratch = scratch_get();
	struct flow_ask *ask;
	struct xm_addr vip;
	struct xm_flow *f;
	__be16 port;
	int reason;

	if (!s || !scratch)
		return XM_PASS;
	ask = &scratch->ask;
	if (flow_ask(skb, s, XM_FLOW_REPLY, ask))
		return XM_PASS;
	f = flow_find(&ask->key, ask->now_ns);
	if (!f || f->kind != XM_FLOW_POD || f->flags & XM_FLOW_HAIRPIN)
		return XM_PASS;
	vip = f->addr;
	port = f->port;
	flow_touch(ask, f);
	if (s->ip.l4 && s->ip.fragment)
		frag_put(skb, s, flow_ports(&ask->key));
	reason = nat_rewrite(skb, s, &vip, port, NAT_SOURCE);
	return reason == XM_PASS ? XM_TRANSLATED : reason;
}

/*
 * The packet of @s, bare Ethernet and IP, is about to meet the local pod @s->ip.dst: give it back the
 * VIP as its source where it is a reply. Packet pointers are void afterwards. XM_PASS: go on.
 */
static __always_inline enum xm_reason translate_reply(struct __sk_buff *skb, struct scene *s)
{
	enum xm_reason reason;

	if (!flow_hinted(&s->ip.dst))
		return XM_PASS;
	reason = ip_is_icmp(&s->ip) ? quote_to_client(skb, s) : reply_to_client(skb, s);
	if (reason != XM_TRANSLATED)
		return reason;
	count(s->hook, XM_TRANSLATED, 1, 0);
	return XM_PASS;
}

/*
 * A pod opens a connection of its own to a backend's address, from a port that it has used towards a
 * VIP: the replies of the two look alike. What has ended makes room; while it lives the new one is
 * dropped, as a port in use. XM_PASS, or the drop.
 */
static __noinline int direct_begins(struct __sk_buff *skb, const struct scene *s)
{
	void *data = (void *)(long)skb->data, *data_end = (void *)(long)skb->data_end;
	struct xm_flow_key key;
	struct tcphdr *tcp;
	struct xm_flow *f;

	if (!s)
		return XM_PASS;
	tcp = data + ip_l4(&s->ip, ETH_HLEN);
	if ((void *)(tcp + 1) > data_end || !tcp->syn || tcp->ack)
		return XM_PASS;
	key.src = s->ip.dst;
	key.dst = s->ip.src;
	key.sport = tcp->dest;
	key.dport = tcp->source;
	key.proto = IPPROTO_TCP;
	key.dir = XM_FLOW_REPLY;
	key.zero = 0;
	f = bpf_map_lookup_elem(&xm_flows, &key);
	if (!f || f->kind != XM_FLOW_POD)
		return XM_PASS;
	if (flow_find(&key, flow_now()) &&
	    !(f->flags & (XM_FLOW_FIN_ORIG | XM_FLOW_FIN_REPLY | XM_FLOW_RST)))
		return XM_DROP_PORT_CLASH;
	flow_end(s, &key);
	return XM_PASS;
}

#endif
