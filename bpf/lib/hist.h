/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A value into a histogram of this CPU's (xmesh/latency.h). */
#ifndef BPF_LIB_HIST_H
#define BPF_LIB_HIST_H

#include "xmesh/latency.h"

static __always_inline void hist_note(struct xm_hist *hist, __u64 ns)
{
	__u64 bucket = xm_hist_bucket(ns);

	/* One register that is compared and used: of a copy the verifier would not know the bound. */
	asm volatile("" : "+r"(bucket));
	if (bucket >= XM_HIST_BUCKETS)
		return;
	hist->buckets[bucket]++;
	hist->sum_ns += ns;
}

#endif
