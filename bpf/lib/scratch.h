/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Room beside the stack, of which all frames of a chain of calls share 512 bytes. For paths that are
 * not taken by every packet. A member belongs to the functions that are named with it, from the call
 * to its end; two of them are never in one chain. Not for: sockets' programs, which are preempted.
 */
#ifndef BPF_LIB_SCRATCH_H
#define BPF_LIB_SCRATCH_H

#include "scene.h"
#include "service.h"

/* The packet in hand, as xm_flows sees it. */
struct flow_ask {
	struct xm_flow_key key;
	__u64 now_ns;
	__u8 tcp_flags;
};

/* The packet that is quoted. */
struct quote {
	struct flow_ask ask; /* the flow's other direction: that of the error itself */
	__u32 l3, l4;        /* offsets in the frame */
	__u16 csum;          /* IPv4: header checksum */
};

struct scratch {
	struct scene scene;             /* tc's programs */
	struct quote quote;             /* of an ICMP error */
	struct flow_ask ask;            /* of the packet in hand, except in XDP */
	struct xm_flow_key key;         /* reply_clashes(), flow_touch_both(), who records a flow */
	struct xm_flow_key end;         /* flow_end() */
	struct xm_flow flow;            /* who records a flow; of a reply: what it is of */
	struct xm_service_key frontend; /* the new flow's */
	struct service service;
	struct xm_addr vip, self;       /* hairpin_send() */
	__u64 clock_jiffies, clock_ns;  /* flow_now(): these do hold */
};

/*
 * 0 -> this CPU's. Programs write and read within one packet: tc and XDP run in softirq or with it
 * off, so that none interrupts another on its CPU. Nothing but the clock holds from one packet to the next.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} xm_scratch SEC(".maps");

/* Never NULL in truth, but the verifier wants to see that asked. */
static __always_inline struct scratch *scratch_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&xm_scratch, &zero);
}

static __always_inline struct scene *scene_get(void)
{
	struct scratch *scratch = scratch_get();

	return scratch ? &scratch->scene : 0;
}

#endif
