/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Text and arithmetic of addresses, prefixes and MACs. Prefix lengths are those of the 128-bit
 * form inside (struct xm_prefix), those that people write (24 for an IPv4 /24) in text.
 */
#ifndef XMESH_CORE_ADDR_H
#define XMESH_CORE_ADDR_H

#include <stdbool.h>

#include "core/err.h"
#include "xmesh/maps.h"

#define ADDR_TEXT_MAX 46   /* INET6_ADDRSTRLEN */
#define PREFIX_TEXT_MAX 50
#define MAC_TEXT_MAX 18

/*
 * Parse "192.0.2.1" or "2001:db8::1" (RFC 4291; no zone, no port, no surrounding space).
 * -EINVAL: not an address, with a sentence that quotes @text. An IPv4-mapped IPv6 text is refused
 * (-EINVAL), for it would be an IPv4 address in disguise.
 */
int addr_parse(const char *text, struct xm_addr *ret_addr, struct err *err);

/* Write the RFC 5952 form into @buf and return it. */
const char *addr_format(const struct xm_addr *addr, char buf[ADDR_TEXT_MAX]);

/* True for an address that one host can bear: not unspecified, loopback, multicast, broadcast. */
bool addr_is_unicast(const struct xm_addr *addr);
bool addr_is_linklocal(const struct xm_addr *addr);

/*
 * Parse "10.1.0.0/24" or "fd00::/64". -EINVAL: no prefix, a length out of range, or bits set
 * behind the length (the sentence names the prefix that was probably meant).
 */
int prefix_parse(const char *text, struct xm_prefix *ret_prefix, struct err *err);
const char *prefix_format(const struct xm_prefix *prefix, char buf[PREFIX_TEXT_MAX]);
bool prefix_contains(const struct xm_prefix *prefix, const struct xm_addr *addr);
bool prefix_overlaps(const struct xm_prefix *a, const struct xm_prefix *b);

static inline bool prefix_is_v4(const struct xm_prefix *p)
{
	return xm_addr_is_v4(&p->addr) && p->plen >= 96;
}

/* The length that people write. */
static inline unsigned int prefix_len(const struct xm_prefix *p)
{
	return prefix_is_v4(p) ? p->plen - 96 : p->plen;
}

/* "02:78:c0:00:02:01"; -EINVAL with a sentence. */
int mac_parse(const char *text, __u8 ret_mac[6], struct err *err);
const char *mac_format(const __u8 mac[6], char buf[MAC_TEXT_MAX]);

#endif
