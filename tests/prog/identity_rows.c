/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Peers whose VNI is an identity, as Cilium's: what is sent to them, what they may send. */
#include "row.h"

#include "core/defs.h"
#include "frames.h"

#define FROM_UL                                                                                    \
	{                                                                                          \
		.prog = FROM_NET, .in_if = IF_UL                                                   \
	}
#define FROM_A                                                                                     \
	{                                                                                          \
		.prog = FROM_POD, .in_if = IF_A                                                    \
	}
#define FROM_DEVICE(node, id)                                                                      \
	{                                                                                          \
		.prog = FROM_DEV, .in_if = IF_DEV, .key = { node, id }                             \
	}
/* From the node at @outer with @id, its pod @src to ours. */
#define SENT(outer, id, src)                                                                       \
	PKT(ETH(), IP4(outer, "192.0.2.1"), UDP(50000, PORT, .csum_zero = true), VXLAN(id),        \
	    ETH(), IP4(src, "10.1.0.2"), UDP(53, 1000))
#define ARRIVES(src) PKT(TO_A, IP4(src, "10.1.0.2", .ttl = 63), UDP(53, 1000))
#define ID16(cluster, id) ((cluster) << 16 | (id))
#define ID15(cluster, id) ((cluster) << 15 | (id))

const struct row identity_rows[] = {
	/* ---- sent ---- */
	{ "to a node of Cilium the VNI is world", FROM_A,
	  PKT(ETH(.src = MAC_POD_A), IP4("10.1.0.2", "10.4.0.9"), UDP(1000, 53)),
	  .verdict = REDIRECT, .reason = XM_FWD_TUNNEL, .peer = NODE_CILIUM,
	  .out = PKT(ETH(.any_mac = true), IP4("192.0.2.1", "192.0.2.8", .any_id = true),
		     UDP(0, PORT, .any_sport = true, .csum_zero = true), VXLAN(2),
		     ETH(.src = MAC_SELF, .dst = "02:78:c0:00:02:08"),
		     IP4("10.1.0.2", "10.4.0.9", .ttl = 63), UDP(1000, 53)) },
	{ "the same with 15 bits, IPv6 inside", FROM_A,
	  PKT(ETH(.src = MAC_POD_A), IP6("fd00:1::2", "fd00:9::9"), UDP(1000, 53)),
	  .verdict = REDIRECT, .reason = XM_FWD_TUNNEL, .peer = NODE_CILIUM15,
	  .out = PKT(ETH(.any_mac = true), IP4("192.0.2.1", "192.0.2.9", .any_id = true),
		     UDP(0, PORT, .any_sport = true, .csum_zero = true), VXLAN(2),
		     ETH(.src = MAC_SELF, .dst = "02:78:c0:00:02:09"),
		     IP6("fd00:1::2", "fd00:9::9", .ttl = 63), UDP(1000, 53)) },
	{ "to such a node itself too", FROM_A,
	  PKT(ETH(.src = MAC_POD_A), IP4("10.1.0.2", "192.0.2.8"), UDP(1000, 53)),
	  .verdict = REDIRECT, .reason = XM_FWD_TUNNEL, .peer = NODE_CILIUM,
	  .out = PKT(ETH(.any_mac = true), IP4("192.0.2.1", "192.0.2.8", .any_id = true),
		     UDP(0, PORT, .any_sport = true, .csum_zero = true), VXLAN(2),
		     ETH(.src = MAC_SELF, .dst = "02:78:c0:00:02:08"),
		     IP4("10.1.0.2", "192.0.2.8", .ttl = 63), UDP(1000, 53)) },

	/* ---- received ---- */
	{ "any identity of its own cluster comes in", FROM_UL,
	  SENT("192.0.2.8", ID16(4, 2864), "10.4.0.9"), .verdict = REDIRECT,
	  .reason = XM_FWD_LOCAL, .peer = NODE_CILIUM, .out = ARRIVES("10.4.0.9") },
	{ "the highest identity with 15 bits comes in", FROM_UL,
	  SENT("192.0.2.9", ID15(300, 0x7fff), "10.9.0.9"), .verdict = REDIRECT,
	  .reason = XM_FWD_LOCAL, .peer = NODE_CILIUM15, .out = ARRIVES("10.9.0.9") },
	{ "what comes from outside of its mesh (world) comes in", FROM_UL,
	  SENT("192.0.2.8", 2, "10.4.0.9"), .verdict = REDIRECT, .reason = XM_FWD_LOCAL,
	  .peer = NODE_CILIUM, .out = ARRIVES("10.4.0.9") },
	{ "the node itself (remote-node) comes in", FROM_UL,
	  SENT("192.0.2.8", 6, "192.0.2.8"), .verdict = REDIRECT, .reason = XM_FWD_LOCAL,
	  .peer = NODE_CILIUM, .out = ARRIVES("192.0.2.8") },
	{ "host, which is never on the wire, is dropped", FROM_UL,
	  SENT("192.0.2.8", 1, "10.4.0.9"), .verdict = SHOT, .reason = XM_DROP_BAD_VNI,
	  .peer = NODE_CILIUM },
	{ "no identity at all is dropped", FROM_UL, SENT("192.0.2.8", 0, "10.4.0.9"),
	  .verdict = SHOT, .reason = XM_DROP_BAD_VNI, .peer = NODE_CILIUM },
	{ "the first identity that is not reserved, of no cluster, is dropped", FROM_UL,
	  SENT("192.0.2.8", 256, "10.4.0.9"), .verdict = SHOT, .reason = XM_DROP_BAD_VNI,
	  .peer = NODE_CILIUM },
	{ "another cluster's identity is dropped", FROM_UL,
	  SENT("192.0.2.8", ID16(3, 2864), "10.4.0.9"), .verdict = SHOT,
	  .reason = XM_DROP_BAD_VNI, .peer = NODE_CILIUM },
	{ "another cluster's identity with 15 bits is dropped", FROM_UL,
	  SENT("192.0.2.9", ID15(301, 1), "10.9.0.9"), .verdict = SHOT,
	  .reason = XM_DROP_BAD_VNI, .peer = NODE_CILIUM15 },
	{ "an identity does not make another cluster's source believed", FROM_UL,
	  SENT("192.0.2.8", ID16(4, 2864), "10.2.0.9"), .verdict = SHOT,
	  .reason = XM_DROP_PEER_SOURCE, .peer = NODE_CILIUM },
	{ "a peer of another kind may not send identities of its cluster", FROM_UL,
	  SENT("192.0.2.3", ID16(2, 2864), "10.2.0.9"), .verdict = SHOT,
	  .reason = XM_DROP_BAD_VNI, .peer = NODE_WEST },
	{ "a peer of another kind may not send world", FROM_UL,
	  SENT("192.0.2.3", 2, "10.2.0.9"), .verdict = SHOT, .reason = XM_DROP_BAD_VNI,
	  .peer = NODE_WEST },
	{ "xmesh0: any identity of its own cluster comes in",
	  FROM_DEVICE("192.0.2.8", ID16(4, 2864)),
	  PKT(ETH(), IP4("10.4.0.9", "10.1.0.2"), UDP(53, 1000)), .verdict = REDIRECT,
	  .reason = XM_FWD_LOCAL, .peer = NODE_CILIUM, .out = ARRIVES("10.4.0.9") },
	{ "xmesh0: another cluster's identity is dropped",
	  FROM_DEVICE("192.0.2.8", ID16(5, 2864)),
	  PKT(ETH(), IP4("10.4.0.9", "10.1.0.2"), UDP(53, 1000)), .verdict = SHOT,
	  .reason = XM_DROP_BAD_VNI, .peer = NODE_CILIUM },
};
const size_t n_identity_rows = ARRAY_SIZE(identity_rows);
