/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Addresses, prefixes and MACs as text and as numbers. Not for: routing decisions. */
#include "core/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>


int addr_parse(const char *text, struct xm_addr *ret_addr, struct err *err)
{
	struct xm_addr a;
	__be32 ip;

	if (inet_pton(AF_INET, text, &ip) == 1) {
		*ret_addr = xm_addr_v4(ip);
		return 0;
	}
	if (inet_pton(AF_INET6, text, a.b) != 1)
		return err_set(err, -EINVAL, "\"%.64s\" is not an IPv4 or IPv6 address", text);
	if (xm_addr_is_v4(&a))
		return err_set(err, -EINVAL,
			       "\"%.64s\" is an IPv4-mapped IPv6 address: write it as IPv4", text);
	*ret_addr = a;
	return 0;
}

const char *addr_format(const struct xm_addr *addr, char buf[ADDR_TEXT_MAX])
{
	if (xm_addr_is_v4(addr))
		inet_ntop(AF_INET, &addr->w[3], buf, ADDR_TEXT_MAX);
	else
		inet_ntop(AF_INET6, addr->b, buf, ADDR_TEXT_MAX);
	return buf;
}

bool addr_is_unicast(const struct xm_addr *addr)
{
	static const struct xm_addr loopback6 = { .b = { [15] = 1 } };

	if (xm_addr_is_v4(addr))
		return addr->b[12] != 0 && addr->b[12] != 127 &&
		       (addr->b[12] & 0xf0) != 0xe0 && addr->w[3] != 0xffffffffu;
	return !xm_addr_is_zero(addr) && !xm_addr_eq(addr, &loopback6) && addr->b[0] != 0xff;
}

bool addr_is_linklocal(const struct xm_addr *addr)
{
	if (xm_addr_is_v4(addr))
		return addr->b[12] == 169 && addr->b[13] == 254;
	return addr->b[0] == 0xfe && (addr->b[1] & 0xc0) == 0x80;
}

/* @a with all bits behind @plen cleared. */
static struct xm_addr cut(const struct xm_addr *a, unsigned int plen)
{
	struct xm_addr c = *a;

	for (unsigned int i = 0; i < 16; i++) {
		if (plen >= (i + 1) * 8)
			continue;
		c.b[i] &= plen <= i * 8 ? 0 : (__u8)(0xff << (8 - (plen - i * 8)));
	}
	return c;
}

int prefix_parse(const char *text, struct xm_prefix *ret_prefix, struct err *err)
{
	const char *slash = strchr(text, '/');
	/* Compared as bytes by everyone, so that all of them are set. */
	struct xm_prefix p = { .plen = 0 }, meant = { .plen = 0 };
	char buf[ADDR_TEXT_MAX], meant_text[PREFIX_TEXT_MAX];
	unsigned int max, len = 0;
	const char *c;
	int rc;

	if (!slash || (size_t)(slash - text) >= sizeof(buf))
		return err_set(err, -EINVAL,
			       "\"%.64s\" is not a prefix: write ADDRESS/LENGTH, as in 10.1.0.0/24",
			       text);
	memcpy(buf, text, (size_t)(slash - text));
	buf[slash - text] = '\0';
	rc = addr_parse(buf, &p.addr, err);
	if (rc)
		return err_in(err, rc, "prefix \"%.64s\"", text);

	max = xm_addr_is_v4(&p.addr) ? 32 : 128;
	for (c = slash + 1; *c >= '0' && *c <= '9' && len <= max; c++)
		len = len * 10 + (unsigned int)(*c - '0');
	if (c == slash + 1 || *c || len > max || (slash[1] == '0' && slash[2]))
		return err_set(err, -EINVAL, "prefix \"%.64s\": the length must be 0 to %u", text, max);

	p.plen = max == 32 ? len + 96 : len;
	meant.plen = p.plen;
	meant.addr = cut(&p.addr, p.plen);
	if (!xm_addr_eq(&meant.addr, &p.addr))
		return err_set(err, -EINVAL,
			       "prefix \"%.64s\" has bits set behind its length: was %s meant?", text,
			       prefix_format(&meant, meant_text));
	*ret_prefix = p;
	return 0;
}

const char *prefix_format(const struct xm_prefix *prefix, char buf[PREFIX_TEXT_MAX])
{
	char addr[ADDR_TEXT_MAX];

	snprintf(buf, PREFIX_TEXT_MAX, "%s/%u", addr_format(&prefix->addr, addr),
		 prefix_len(prefix));
	return buf;
}

bool prefix_contains(const struct xm_prefix *prefix, const struct xm_addr *addr)
{
	struct xm_addr c;

	/* ::/0 holds every mapped address by its bits, but no IPv4 address. */
	if (prefix_is_v4(prefix) != !!xm_addr_is_v4(addr))
		return false;
	c = cut(addr, prefix->plen);
	return xm_addr_eq(&c, &prefix->addr);
}

bool prefix_overlaps(const struct xm_prefix *a, const struct xm_prefix *b)
{
	return a->plen <= b->plen ? prefix_contains(a, &b->addr) : prefix_contains(b, &a->addr);
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int mac_parse(const char *text, __u8 ret_mac[6], struct err *err)
{
	__u8 mac[6];

	if (strlen(text) != 17)
		goto bad;
	for (size_t i = 0; i < 6; i++) {
		int high = hex_value(text[i * 3]), low = hex_value(text[i * 3 + 1]);

		if (high < 0 || low < 0 || (i < 5 && text[i * 3 + 2] != ':'))
			goto bad;
		mac[i] = (__u8)(high << 4 | low);
	}
	memcpy(ret_mac, mac, sizeof(mac));
	return 0;
bad:
	return err_set(err, -EINVAL,
		       "\"%.64s\" is not a MAC address: write it as in 02:78:c0:00:02:01", text);
}

const char *mac_format(const __u8 mac[6], char buf[MAC_TEXT_MAX])
{
	snprintf(buf, MAC_TEXT_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
	return buf;
}
