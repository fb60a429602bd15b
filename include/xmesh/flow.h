/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Flows of packets that are translated one by one, and the rules by which they end. Only traffic
 * that has no socket here is in xm_flows; see bpf/lib/flow.h for the programs' side.
 */
#ifndef XMESH_FLOW_H
#define XMESH_FLOW_H

#include <linux/types.h>

#include "xmesh/addr.h"
#include "xmesh/maps.h"

#define XM_MAX_FLOWS 262144 /* entries, LRU; a flow has one or two */
#define XM_MAX_FRAGS 8192   /* LRU */

/*
 * Which way the packets of an entry go. ORIG: client to VIP, as the client writes them. REPLY: from
 * the backend back, as the backend writes them.
 */
enum xm_flow_dir { XM_FLOW_ORIG, XM_FLOW_REPLY };

struct xm_flow_key {
	struct xm_addr src, dst;
	__be16 sport, dport;
	__u8 proto;
	__u8 dir;   /* enum xm_flow_dir */
	__u16 zero; /* a key has no holes */
};

/*
 * The two entries of a flow lead to each other: (a -> vip, ORIG) that says backend b has beside it
 * (b -> a, REPLY) that says vip, and back. A hairpin's reply is (a -> vip, REPLY), with the ports of
 * backend and client.
 *
 * POD: a pod's packets to a global service, translated on its own node (ORIG and REPLY).
 * EDGE: from outside to a VIP, sent on to a node (ORIG alone). NODE: the same flow on that node,
 * translated to one of its pods (ORIG and REPLY).
 */
enum xm_flow_kind { XM_FLOW_POD, XM_FLOW_EDGE, XM_FLOW_NODE };

#define XM_FLOW_HAIRPIN (1u << 0)   /* the pod is its own backend: the VIP stands for it as source */
#define XM_FLOW_VIA_ENTRY (1u << 1) /* REPLY of NODE: back through the entry node `node` */
#define XM_FLOW_REPLIED (1u << 2)   /* a packet came back (set in the ORIG entry) */
#define XM_FLOW_FIN_ORIG (1u << 3)  /* TCP FIN of the client, of the backend; in both entries */
#define XM_FLOW_FIN_REPLY (1u << 4)
#define XM_FLOW_RST (1u << 5)

struct xm_flow {
	struct xm_addr addr;  /* ORIG: backend; REPLY: VIP. EDGE: unused */
	__u64 seen_ns;        /* CLOCK_MONOTONIC_COARSE, to the second; of either direction */
	__u32 backend;        /* number in xm_backends */
	__u32 generation;     /* of that number when it was chosen */
	__u16 node;           /* EDGE: where it is sent; NODE: the entry node; 0 = this node */
	__u16 cluster;        /* of the backend (POD, NODE), of the node (EDGE) */
	__be16 port;          /* ORIG: backend's; REPLY: VIP's */
	__u8 kind;            /* enum xm_flow_kind */
	__u8 flags;           /* XM_FLOW_* */
};

/*
 * With the key and the 48 bytes that the kernel puts before it two cache lines, each element at the
 * beginning of one: with many flows it is lines that cost, also those of neighbours in a bucket.
 */
_Static_assert(48 + sizeof(struct xm_flow_key) + sizeof(struct xm_flow) == 128, "two lines a flow");
_Static_assert(XM_MAX_NODES <= 1 << 16, "a node's number fits");

/* How long a flow without packets is kept. A flow whose time is over is chosen anew. */
#define XM_FLOW_TCP_NEW_S 60          /* no packet came back yet */
#define XM_FLOW_TCP_S (6 * 3600)      /* established; EDGE sees one side only */
#define XM_FLOW_TCP_HALF_S 3600       /* one FIN */
#define XM_FLOW_TCP_CLOSED_S 10       /* both FINs, or RST */
#define XM_FLOW_UDP_NEW_S 30
#define XM_FLOW_UDP_S 120
#define XM_FLOW_SCTP_S 3600

/* Seconds that an entry may be idle. @proto: IPPROTO_*. */
static inline __attribute__((always_inline)) __u32 xm_flow_timeout_s(__u8 proto, __u8 kind,
								     __u8 flags)
{
	int fins = !!(flags & XM_FLOW_FIN_ORIG) + !!(flags & XM_FLOW_FIN_REPLY);

	if (proto == 17 /* UDP */)
		return kind == XM_FLOW_EDGE || flags & XM_FLOW_REPLIED ? XM_FLOW_UDP_S :
									 XM_FLOW_UDP_NEW_S;
	if (proto != 6 /* TCP */)
		return XM_FLOW_SCTP_S;
	if (flags & XM_FLOW_RST || fins == 2)
		return XM_FLOW_TCP_CLOSED_S;
	if (fins)
		return XM_FLOW_TCP_HALF_S;
	return kind == XM_FLOW_EDGE || flags & XM_FLOW_REPLIED ? XM_FLOW_TCP_S : XM_FLOW_TCP_NEW_S;
}

/*
 * The hash by which a new flow is placed in a slice: of nothing but the packet, so that all entry
 * nodes of a cluster place it alike.
 */
static inline __attribute__((always_inline)) __u32 xm_flow_hash(const struct xm_flow_key *k)
{
	const __be32 *w = (const __be32 *)k;
	__u32 h = k->proto, i;

#ifdef __BPF__
#pragma unroll
#endif
	for (i = 0; i < 9; i++) {
		h ^= w[i];
		h *= 0x85ebca6bu;
		h ^= h >> 15;
	}
	h *= 0xc2b2ae35u;
	return h ^ h >> 16;
}

/* ---- xm_frags: LRU hash, an IPv4 datagram of the client -> ports of its first fragment ------- */

struct xm_frag_key {
	__be32 src, dst;
	__be16 id;
	__u8 proto;
	__u8 zero;
};

struct xm_frag {
	__be16 sport, dport;
	__u32 pad;
	__u64 seen_ns;
};

/* A datagram is put together within this time or not at all (Linux: ipfrag_time). */
#define XM_FRAG_S 30

/*
 * ---- xm_flow_hint: array, xm_addr_hash16() of a local pod's address -> has it flows? ----------
 *
 * Set (to 1) by the programs when a flow of that pod is made: POD: the client; NODE: the backend.
 * So packets of pods without translated flows never touch xm_flows. Cleared by the agent.
 */
#define XM_FLOW_HINTS 65536

#endif
