/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Latency as the programs measure it: the histogram, and the maps of handshakes, smoothed RTTs,
 * probes and the programs' own time. How they are read and summed: user/plane/latency.h; percentiles:
 * user/model/latency.h. Not for: what follows from them (user/model/nearest.h).
 */
#ifndef XMESH_LATENCY_H
#define XMESH_LATENCY_H

#include <linux/types.h>

#include "xmesh/addr.h"

/*
 * A histogram: log2 with 4 sub-buckets from 1 us to 2^24 us (16.8 s). Bucket 0 is below 1 us, bucket
 * 1 + 4 * e + s holds [2^e * (4 + s) / 4, 2^e * (5 + s) / 4) us, the last is everything above.
 */
#define XM_HIST_OCTAVES 24
#define XM_HIST_SUB 4
#define XM_HIST_BUCKETS (2 + XM_HIST_OCTAVES * XM_HIST_SUB)

struct xm_hist {
	__u64 sum_ns;                  /* of all values; their number is the sum of the buckets */
	__u64 buckets[XM_HIST_BUCKETS];
};

/* The bucket of @ns, in nanoseconds. Branches instead of a count of leading zeroes, which BPF lacks. */
static inline __attribute__((always_inline)) __u32 xm_hist_bucket(__u64 ns)
{
	/* In quarters of a microsecond, so that the two bits below the highest are the sub-bucket. */
	__u64 v = ns / 250;
	__u32 e = 0;

	if (ns < 1000)
		return 0;
	if (v >> (XM_HIST_OCTAVES + 2))
		return XM_HIST_BUCKETS - 1;
	if (v >> 18) {
		v >>= 16;
		e += 16;
	}
	if (v >> 10) {
		v >>= 8;
		e += 8;
	}
	if (v >> 6) {
		v >>= 4;
		e += 4;
	}
	if (v >> 4) {
		v >>= 2;
		e += 2;
	}
	if (v >> 3) {
		v >>= 1;
		e += 1;
	}
	return 1 + e * XM_HIST_SUB + (v & 3);
}

/*
 * ---- xm_latency: per-CPU hash, not preallocated -------------------------------------------------
 * By (kind, cluster, service); service 0: to a pod's own address, of no service. The sum over the services
 * is the cluster's: nothing is counted twice. A full table counts under service 0, and XM_LATENCY_FULL.
 */
#define XM_MAX_LATENCY 16384

enum xm_latency_kind {
	XM_LATENCY_HANDSHAKE, /* SYN to SYN-ACK of what our pods open, seen where their packets pass */
	XM_LATENCY_SRTT,      /* the kernel's smoothed RTT of sockets in our cgroups, once per RTT */
	XM_LATENCY_PROBE,     /* only in user space: by node in xm_probe_rtt */
	XM_LATENCY_KINDS,
};

struct xm_latency_key {
	__u32 service;  /* number in xm_service_names */
	__u16 cluster;
	__u8 kind;      /* enum xm_latency_kind */
	__u8 zero;
};

struct xm_latency {
	struct xm_hist hist;
	/* XM_LATENCY_HANDSHAKE: connections = sum of hist.buckets + unmeasured. */
	__u64 syns;        /* first SYNs, counted once their fate is known: answered, reset, given up */
	__u64 syn_retries; /* SYNs of a handshake that is out already */
	__u64 unmeasured;  /* SYN-ACKs without a time: a collision in xm_syn, or the SYN was retried */
	__u64 resets;      /* RST in answer to a SYN */
	__u64 timeouts;    /* SYNs that had no answer after XM_SYN_TIMEOUT_S */
};

/*
 * ---- xm_syn: array, mmapable, direct-mapped by the hash of the connection --------------------------
 * The SYN that is out. An array and not an LRU hash: 10 ns where that takes 549. A slot that another
 * connection takes loses its time, and its SYN-ACK is counted as unmeasured.
 */
#define XM_SYN_BITS 16
#define XM_SYN_SLOTS (1u << XM_SYN_BITS)
#define XM_SYN_TIMEOUT_S 4 /* after the first SYN; Linux repeats at 1, 3 and 7 s */

enum xm_syn_state {
	XM_SYN_FREE,
	XM_SYN_SENT,
	XM_SYN_RETRIED,  /* Karn: which of them is answered cannot be told */
	XM_SYN_ANSWERED, /* a repeated SYN-ACK, or a SYN behind it, is not counted again */
	XM_SYN_TIMED_OUT, /* counted by the agent's sweep; repeated and answered yet, it is no new one */
};

struct xm_syn {
	__u64 sent_ns;   /* CLOCK_MONOTONIC; of the first SYN */
	__u32 tag;       /* the rest of the connection's hash; never 0 while state is not FREE */
	__u32 service;
	__u16 cluster;
	__u8 state;      /* enum xm_syn_state */
	__u8 pad[5];
};

/*
 * ---- xm_syn_timeouts: hash, (HANDSHAKE, cluster, service) -> u64 ------------------------------------
 * Written by the agent alone, which sweeps xm_syn: added to xm_latency.timeouts when both are read.
 */

/*
 * ---- xm_probe_rtt: hash, node number -> struct xm_probe_stat -----------------------------------------
 * Written by the agent alone, one entry for each node that it asks.
 */
struct xm_probe_stat {
	struct xm_hist hist;
	__u64 asked, lost, unmeasured; /* unmeasured: answered, but the kernel gave no time of sending */
};

/*
 * ---- xm_sock_peer: socket storage -------------------------------------------------------------------
 * What a socket that was opened here is connected to: key of its round trips in xm_latency.
 */
struct xm_sock_peer {
	__u32 service;
	__u16 cluster;
	__u16 pad;
	__u32 seen_una; /* what was acknowledged when a round trip was counted last */
};

/*
 * ---- xm_program_time: per-CPU array, enum xm_hook -> struct xm_hist ----------------------------------
 * One packet in XM_SAMPLE_EVERY is timed, from a program's first instruction to its verdict.
 */
#define XM_SAMPLE_EVERY 1024 /* a power of 2 */

/*
 * ---- xm_watch: array of one, mmapable ------------------------------------------------------------------
 * What a monitor that runs wants to see in xm_events beside drops. It renews its lease each second.
 */
#define XM_FLOW_EVENTS_PER_SECOND 1000 /* per CPU and hook; what is beyond is counted as events_lost */

struct xm_watch {
	__u64 until_ns;  /* CLOCK_MONOTONIC; over: nobody looks */
	__u32 flows;     /* XM_FLOW_NEW as an event */
	__u32 pad;
};

/*
 * ---- xm_trace: array of one, of a dry run alone (xm_knobs.dry_run) --------------------------------------
 * What the program found out about the packet of `xmesh explain`.
 */
struct xm_trace {
	__u32 done;          /* 1: written */
	__u32 reason;        /* enum xm_reason, as judged at the end */
	__u32 action;
	__u32 service;       /* number, 0 = none */
	/* The choice by Maglev: place @slot of the @slice_size from @slice_slot on in xm_maglev. */
	__u32 hash, slot, slice_slot, slice_size; /* size 0 = none was made */
	__u32 backend;       /* number, 0 = none */
	__u32 from_flow;     /* an entry of xm_flows decided, or affinity: XM_TRACE_* */
	__u32 peer;          /* node number, with has_peer */
	__u32 size, limit;   /* as in xm_event */
	__u32 has_peer;
	__u16 cluster;
	__u16 pad[3];
	struct xm_addr src, dst; /* inner, as they leave */
};

#define XM_TRACE_FLOW 1
#define XM_TRACE_AFFINITY 2

#endif
