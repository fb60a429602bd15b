/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The tunnel on the wire: VXLAN (RFC 7348) with an inner Ethernet header, and what both sides
 * compute about it. Not for: the underlay's own headers, which linux/ has.
 */
#ifndef XMESH_WIRE_H
#define XMESH_WIRE_H

#include <linux/types.h>

#include "xmesh/addr.h"

struct xm_vxlan {
	__be32 flags; /* only bit I (0x08000000) set */
	__be32 vni;   /* 24 bits, then 8 reserved */
};

#define XM_VXLAN_FLAG_I 0x08000000u

/* Cilium's identities, which are the VNI between its nodes. */
#define XM_IDENTITY_HOST 1     /* never on the wire */
#define XM_IDENTITY_WORLD 2    /* what is not of its mesh: all that we send there */
#define XM_IDENTITY_RESERVED 256 /* below this they are the same in every cluster */

/* May a node of @cluster, whose identities have @bits bits below their cluster, send @vni? */
static inline __attribute__((always_inline)) int xm_identity_is_of(__u32 vni, __u32 bits,
								   __u16 cluster)
{
	return vni >> bits == cluster || (vni > XM_IDENTITY_HOST && vni < XM_IDENTITY_RESERVED);
}
#define XM_PORT_DEFAULT 8492

/* UDP source ports: the dynamic range, as RFC 7348 asks. The fast path and xmesh0 use the same. */
#define XM_SOURCE_PORT_MIN 49152
#define XM_SOURCE_PORT_MAX 65535

/* Bytes that the tunnel adds to an inner IP packet: outer IP, UDP, VXLAN, inner Ethernet. */
#define XM_OVERHEAD_V4 (20 + 8 + 8 + 14)
#define XM_OVERHEAD_V6 (40 + 8 + 8 + 14)

/* A path is never believed to be narrower than this (RFC 8200, 5). */
#define XM_MTU_FLOOR 1280
#define XM_PMTU_LIFETIME_NS (600ull * 1000000000ull)

/*
 * The inner MAC of a node: 02:78 and its IPv4 address, else 02:78 and the XOR of the four words
 * of its IPv6 address.
 */
static inline __attribute__((always_inline)) void xm_vtep_mac(const struct xm_addr *node,
							      __u8 mac[6])
{
	__be32 w = node->w[3];

	if (!xm_addr_is_v4(node))
		w ^= node->w[0] ^ node->w[1] ^ node->w[2];
	mac[0] = 0x02;
	mac[1] = 0x78;
	__builtin_memcpy(mac + 2, &w, 4);
}

#endif
