/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The one address type of xmesh: 16 bytes in network order, IPv4 as ::ffff:a.b.c.d
 * (RFC 4291, 2.5.5.2), so that every table and every decision exists once for both families.
 * Text forms live in user/core/addr.h.
 */
#ifndef XMESH_ADDR_H
#define XMESH_ADDR_H

#include <linux/types.h>

struct xm_addr {
	union {
		__u8 b[16];
		__be32 w[4];
		__be64 d[2];
	};
};

/* The third word of a mapped IPv4 address: 00 00 ff ff in network order. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define XM_V4_MARK ((__be32)0xffff0000u)
#else
#define XM_V4_MARK ((__be32)0x0000ffffu)
#endif

static inline __attribute__((always_inline)) struct xm_addr xm_addr_v4(__be32 ip)
{
	struct xm_addr a = { .w = { 0, 0, XM_V4_MARK, ip } };

	return a;
}

static inline __attribute__((always_inline)) int xm_addr_is_v4(const struct xm_addr *a)
{
	return a->d[0] == 0 && a->w[2] == XM_V4_MARK;
}

static inline __attribute__((always_inline)) int xm_addr_eq(const struct xm_addr *a,
							    const struct xm_addr *b)
{
	return a->d[0] == b->d[0] && a->d[1] == b->d[1];
}

static inline __attribute__((always_inline)) int xm_addr_is_zero(const struct xm_addr *a)
{
	return (a->d[0] | a->d[1]) == 0;
}

#endif
