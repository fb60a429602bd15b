/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * tc egress on the host end of a pod's interface: what the kernel's stack sends to the pod. Replies
 * of translated flows that did not come by our fast path get their VIP back here.
 */
#ifndef BPF_TO_POD_H
#define BPF_TO_POD_H

#include "verdict.h"

/* Leaves with UNSPEC always. */
SEC("tc")
int xm_to_pod(struct __sk_buff *skb)
{
	return TC_ACT_UNSPEC;
}

#endif
