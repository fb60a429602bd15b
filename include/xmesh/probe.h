/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The liveness echo on the wire and in the maps: is a peer's node there, and does its kernel pass
 * tunnel packets? Asked by the agent, answered by the peer's programs, and taken by ours. When a
 * node counts as down is user/model/liveness.h.
 *
 * An echo is a tunnel packet (xmesh/wire.h) whose inner Ethernet header bears XM_ETH_PROBE. A node
 * answers only what a node of the mesh asks, by as many bytes, with addresses and MACs swapped and
 * the type changed; ports stay, so that the answer is a tunnel packet too. An answer counts only
 * from the node asked and with the 64-bit nonce of the last question, which nobody off the path
 * knows. A plain VXLAN device ignores the Ethernet type: such a node never answers, and is unknown.
 */
#ifndef XMESH_PROBE_H
#define XMESH_PROBE_H

#include <linux/types.h>

#define XM_ETH_PROBE 0x88b5 /* IEEE 802, local experimental */
#define XM_PROBE_MAGIC 0x786d7062u /* "xmpb" */

enum xm_probe_type { XM_PROBE_ASK = 1, XM_PROBE_ANSWER = 2 };

struct xm_probe_packet {
	__be32 magic;
	__u8 version; /* 1 */
	__u8 type;    /* enum xm_probe_type */
	__be16 zero;
	__u64 nonce;  /* opaque to the peer */
	__u64 sent_ns;
	__u64 pad[3]; /* so that the inner frame has the 60 bytes that Ethernet asks for */
};

/*
 * ---- xm_probes: mmapable array by node number --------------------------------------------------
 * nonce and sent_ns are written by the agent, before the packet leaves; the rest by the program
 * that takes the answer.
 */
struct xm_probe {
	__u64 nonce;     /* of the question that is out; 0 = none ever */
	__u64 sent_ns;   /* CLOCK_MONOTONIC */
	__u64 answered;  /* nonce of the last answer that was taken */
	__u64 rtt_ns;    /* of that */
	__u64 answers;   /* taken so far */
};

#endif
