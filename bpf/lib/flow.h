/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * xm_flows: find, make and age the flows of translated packets (xmesh/flow.h). Not for: what is done
 * to a packet of a flow (nat.h), whose flow it may be (the hooks).
 */
#ifndef BPF_LIB_FLOW_H
#define BPF_LIB_FLOW_H

#include "parse.h"
#include "service.h"
#include "verdict.h"

static __always_inline __u64 flow_now(void)
{
	return xm_knobs.has_coarse_clock ? bpf_ktime_get_coarse_ns() : bpf_ktime_get_ns();
}

/* May the local pod @addr have flows at all? An array: one nanosecond, where a flow is 40. */
static __always_inline int flow_hinted(const struct xm_addr *addr)
{
	__u32 slot = xm_addr_hash16(addr), *hint = bpf_map_lookup_elem(&xm_flow_hint, &slot);

	return hint && *hint;
}

static __always_inline void flow_hint(const struct xm_addr *addr)
{
	__u32 slot = xm_addr_hash16(addr), *hint = bpf_map_lookup_elem(&xm_flow_hint, &slot);

	if (hint && !*hint)
		*hint = 1;
}

/* @tcp_flags: byte 13 of the TCP header, 0 for others. */
#define FLOW_TCP_FIN 0x01
#define FLOW_TCP_SYN 0x02
#define FLOW_TCP_RST 0x04
#define FLOW_TCP_ACK 0x10

/* The living flow of @key, or NULL: its time is over, or there is none. */
static __always_inline struct xm_flow *flow_find(const struct xm_flow_key *key, __u64 now_ns)
{
	struct xm_flow *f = bpf_map_lookup_elem(&xm_flows, key);

	if (!f || now_ns - f->seen_ns >= xm_flow_timeout_s(key->proto, f->kind, f->flags) * 1000000000ull)
		return 0;
	return f;
}

#endif
