/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* XDP on an underlay interface, before an skb exists. */
#ifndef BPF_XDP_H
#define BPF_XDP_H

#include "route.h"
#include "tunnel.h"
#include "verdict.h"

/*
 * XDP on an underlay interface, where configured: tunnel packets of strangers end here, before an
 * skb exists. DROP or PASS.
 */
SEC("xdp")
int xm_xdp(struct xdp_md *xdp)
{
	void *data = (void *)(long)xdp->data, *data_end = (void *)(long)xdp->data_end;
	struct xm_config *cfg = config_get();
	enum xm_reason reason = XM_PASS;
	struct ethhdr *eth = data;
	struct scene s;

	if (!cfg || (void *)(eth + 1) > data_end)
		return XDP_PASS;
	__builtin_memset(&s, 0, sizeof(s));
	s.hook = XM_HOOK_XDP;
	s.ifindex = xdp->ingress_ifindex;
	s.bytes = data_end - data - ETH_HLEN;
	s.packets = 1;
	if (parse_ip(data, data_end, ETH_HLEN, eth->h_proto, &s.ip) != XM_PASS || !s.ip.len)
		return XDP_PASS;
	if (tunnel_is_ours(cfg, &s, data, data_end)) {
		struct udphdr *udp = data + ip_l4(&s.ip, ETH_HLEN);

		s.outer_src = s.ip.src;
		if ((void *)(udp + 1) <= data_end) {
			s.sport = udp->source;
			s.dport = udp->dest;
		}
		if (!bpf_map_lookup_elem(&xm_nodes, &s.outer_src))
			reason = XM_DROP_UNKNOWN_PEER;
	}
	return verdict_xdp(&s, reason);
}

#endif
