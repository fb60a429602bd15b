/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is known of the packet in hand, from its arrival to its verdict. Not for: what only a
 * path of its own needs (scratch.h).
 */
#ifndef BPF_LIB_SCENE_H
#define BPF_LIB_SCENE_H

#include "maps.h"
#include "parse.h"

/*
 * What is left to do when the plain path is through with the packet. Rare, so it is done by
 * global functions: a call costs 6 ns where returns are guarded (Zen), which plain packets are
 * spared, and the verifier walks each function once. They are handed the scene, which lies in
 * xm_scratch, for the stack (512 bytes for the whole chain of calls) is theirs. A map's value
 * holds no pointers.
 */
enum scene_vip { VIP_NONE, VIP_OUTSIDE, VIP_TUNNEL, VIP_BARE };

struct scene {
	struct xm_ip ip;         /* inner where there is an inner packet */
	struct xm_addr outer_src;
	struct xm_addr inner_src; /* before ip is the inner one */
	__u32 ifindex;
	__u32 bytes;             /* of the IP packet(s) that arrived, all segments together */
	__u32 packets;
	__u32 size, limit;       /* what did not fit, and into what */
	__u32 peer;              /* number of the peer's node in xm_peer_stats, once it is known */
	__u16 cluster;
	__be16 sport, dport;
	__u8 hook;               /* enum xm_hook */
	__u8 has_peer;
	__u8 sending;            /* towards the peer */
	__u8 outside;            /* inner source in no prefix of the mesh, and no node */
	__u8 vip;                /* enum scene_vip */
	__u8 identity;           /* XM_IDENTITY* of the node that sent it through the tunnel; 0 = ours */
	__u32 entry;             /* number of the node that sent it through the tunnel */
	int action;              /* of the redirect helper; XDP_TX and the like in XDP */
	__u32 backend;           /* number, of a pod's packet that was translated; 0 = none */
	__u64 syn;               /* hash of the connection that a pod's SYN opens; 0 = no such packet */
	__u64 start_ns;          /* of a packet that is timed; 0 = it is not */
};

#endif
