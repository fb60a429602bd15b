/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Addresses, prefixes, MACs: what is read, how it is written, what is refused. */
#include "unit/core/rows.h"

#include <errno.h>

#include "core/addr.h"

/* @out NULL = refused; @says must stand in the sentence then. */
struct text_row {
	const char *name, *in, *out, *says;
};

static const struct text_row addr_rows[] = {
	{ "address: IPv4", "192.0.2.1", "192.0.2.1", NULL },
	{ "address: the unspecified one is still an address", "0.0.0.0", "0.0.0.0", NULL },
	{ "address: IPv6 in its short form", "2001:0DB8:0:0:0::1", "2001:db8::1", NULL },
	{ "address: one zero group is not shortened", "2001:db8:0:1:1:1:1:1",
	  "2001:db8:0:1:1:1:1:1", NULL },
	{ "address: empty", "", NULL, "\"\" is not an IPv4 or IPv6 address" },
	{ "address: leading zeros would be octal to some", "192.0.2.010", NULL, "192.0.2.010" },
	{ "address: three bytes", "192.0.2", NULL, "is not an IPv4" },
	{ "address: a space", " 192.0.2.1", NULL, "is not an IPv4" },
	{ "address: a port", "192.0.2.1:80", NULL, "is not an IPv4" },
	{ "address: a zone", "fe80::1%eth0", NULL, "fe80::1%eth0" },
	{ "address: IPv4 in disguise", "::ffff:192.0.2.1", NULL, "write it as IPv4" },
	{ "address: a prefix", "192.0.2.0/24", NULL, "is not an IPv4" },
};

static const struct text_row prefix_rows[] = {
	{ "prefix: IPv4", "10.1.0.0/24", "10.1.0.0/24", NULL },
	{ "prefix: a single address", "10.1.0.7/32", "10.1.0.7/32", NULL },
	{ "prefix: all of IPv4", "0.0.0.0/0", "0.0.0.0/0", NULL },
	{ "prefix: IPv6", "fd00:1::/64", "fd00:1::/64", NULL },
	{ "prefix: all of IPv6", "::/0", "::/0", NULL },
	{ "prefix: odd length", "10.128.0.0/9", "10.128.0.0/9", NULL },
	{ "prefix: no length", "10.1.0.0", NULL, "ADDRESS/LENGTH" },
	{ "prefix: empty length", "10.1.0.0/", NULL, "0 to 32" },
	{ "prefix: length too large", "10.1.0.0/33", NULL, "0 to 32" },
	{ "prefix: length far too large", "10.1.0.0/99999999999999999999", NULL, "0 to 32" },
	{ "prefix: IPv6 length too large", "fd00::/129", NULL, "0 to 128" },
	{ "prefix: negative length", "10.1.0.0/-1", NULL, "0 to 32" },
	{ "prefix: zeros before the length", "10.1.0.0/024", NULL, "0 to 32" },
	{ "prefix: a netmask", "10.1.0.0/255.255.255.0", NULL, "0 to 32" },
	{ "prefix: host bits, with what was meant", "10.1.0.5/24", NULL, "was 10.1.0.0/24 meant?" },
	{ "prefix: IPv6 host bits", "fd00::1/64", NULL, "was fd00::/64 meant?" },
	{ "prefix: host bits in the middle of a byte", "10.1.3.0/23", NULL, "10.1.2.0/23" },
	{ "prefix: IPv4 in disguise", "::ffff:10.0.0.0/104", NULL, "write it as IPv4" },
	{ "prefix: no address", "/24", NULL, "is not an IPv4" },
	{ "prefix: two slashes", "10.1.0.0/24/3", NULL, "0 to 32" },
	{ "prefix: a very long text",
	  "1111111111111111111111111111111111111111111111111111111111111111111111/8", NULL,
	  "is not a prefix" },
};

static const struct text_row mac_rows[] = {
	{ "mac: lower case", "02:78:c0:00:02:01", "02:78:c0:00:02:01", NULL },
	{ "mac: upper case", "02:78:C0:00:02:AF", "02:78:c0:00:02:af", NULL },
	{ "mac: five bytes", "02:78:c0:00:02", NULL, "is not a MAC" },
	{ "mac: seven bytes", "02:78:c0:00:02:01:02", NULL, "is not a MAC" },
	{ "mac: dashes", "02-78-c0-00-02-01", NULL, "is not a MAC" },
	{ "mac: not hexadecimal", "02:78:c0:00:02:0g", NULL, "02:78:c0:00:02:0g" },
	{ "mac: empty", "", NULL, "is not a MAC" },
};

static void check(const struct text_row *row, int rc, const char *out, const struct err *err)
{
	if (row->out) {
		assert_int_equal(rc, 0);
		assert_string_equal(out, row->out);
		return;
	}
	assert_int_equal(rc, -EINVAL);
	assert_non_null(strstr(err->text, row->says));
}

static void run_addr(void **state)
{
	const struct text_row *row = *state;
	struct xm_addr addr, untouched;
	char buf[ADDR_TEXT_MAX];
	struct err err;
	int rc;

	memset(&addr, 0x5a, sizeof(addr));
	untouched = addr;
	rc = addr_parse(row->in, &addr, &err);
	check(row, rc, rc ? "" : addr_format(&addr, buf), &err);
	if (rc)
		assert_memory_equal(&addr, &untouched, sizeof(addr));
}

static void run_prefix(void **state)
{
	const struct text_row *row = *state;
	struct xm_prefix prefix;
	char buf[PREFIX_TEXT_MAX];
	struct err err;
	int rc;

	/* Prefixes are keys, compared as bytes: none may be left from before. */
	memset(&prefix, 0x5a, sizeof(prefix));
	rc = prefix_parse(row->in, &prefix, &err);
	check(row, rc, rc ? "" : prefix_format(&prefix, buf), &err);
	if (!rc)
		assert_int_equal(prefix.zero, 0);
}

static void run_mac(void **state)
{
	const struct text_row *row = *state;
	char buf[MAC_TEXT_MAX];
	__u8 mac[6];
	struct err err;
	int rc;

	rc = mac_parse(row->in, mac, &err);
	check(row, rc, rc ? "" : mac_format(mac, buf), &err);
}

static const struct kind_row {
	const char *name, *in;
	bool unicast, linklocal;
} kind_rows[] = {
	{ "kind: a host's IPv4 address", "192.0.2.1", true, false },
	{ "kind: 240/4 is in use in clouds", "240.1.2.3", true, false },
	{ "kind: unspecified", "0.0.0.0", false, false },
	{ "kind: this network", "0.1.2.3", false, false },
	{ "kind: loopback", "127.0.0.2", false, false },
	{ "kind: multicast", "239.0.0.1", false, false },
	{ "kind: broadcast", "255.255.255.255", false, false },
	{ "kind: link-local", "169.254.1.1", true, true },
	{ "kind: beside link-local", "169.253.1.1", true, false },
	{ "kind: a host's IPv6 address", "2001:db8::1", true, false },
	{ "kind: unspecified IPv6", "::", false, false },
	{ "kind: loopback IPv6", "::1", false, false },
	{ "kind: multicast IPv6", "ff02::1", false, false },
	{ "kind: link-local IPv6", "fe80::1", true, true },
	{ "kind: the end of link-local IPv6", "febf::1", true, true },
	{ "kind: behind link-local IPv6", "fec0::1", true, false },
};

static void run_kind(void **state)
{
	const struct kind_row *row = *state;
	struct xm_addr addr;

	assert_int_equal(addr_parse(row->in, &addr, NULL), 0);
	assert_int_equal(addr_is_unicast(&addr), row->unicast);
	assert_int_equal(addr_is_linklocal(&addr), row->linklocal);
}

static const struct overlap_row {
	const char *name, *a, *b;
	bool overlaps;
} overlap_rows[] = {
	{ "overlap: the same", "10.1.0.0/24", "10.1.0.0/24", true },
	{ "overlap: one in the other", "10.0.0.0/8", "10.1.0.0/24", true },
	{ "overlap: neighbours do not", "10.1.0.0/24", "10.1.1.0/24", false },
	{ "overlap: neighbours within a byte do not", "10.1.2.0/23", "10.1.4.0/23", false },
	{ "overlap: all of IPv4", "0.0.0.0/0", "10.1.1.0/24", true },
	{ "overlap: all of IPv6 holds no IPv4", "::/0", "10.1.1.0/24", false },
	{ "overlap: IPv6", "fd00::/48", "fd00:0:0:7::/64", true },
	{ "overlap: IPv6 neighbours do not", "fd00:0:0:6::/64", "fd00:0:0:7::/64", false },
};

static void run_overlap(void **state)
{
	const struct overlap_row *row = *state;
	struct xm_prefix a, b;

	assert_int_equal(prefix_parse(row->a, &a, NULL), 0);
	assert_int_equal(prefix_parse(row->b, &b, NULL), 0);
	assert_int_equal(prefix_overlaps(&a, &b), row->overlaps);
	assert_int_equal(prefix_overlaps(&b, &a), row->overlaps);
	if (a.plen <= b.plen)
		assert_int_equal(prefix_contains(&a, &b.addr), row->overlaps);
}

static void lengths_inside_are_those_of_the_128_bit_form(void **state)
{
	struct xm_prefix p;

	assert_int_equal(prefix_parse("10.1.0.0/24", &p, NULL), 0);
	assert_int_equal(p.plen, 120);
	assert_int_equal(prefix_len(&p), 24);
	assert_true(prefix_is_v4(&p));
	assert_int_equal(prefix_parse("fd00::/64", &p, NULL), 0);
	assert_int_equal(p.plen, 64);
	assert_int_equal(prefix_len(&p), 64);
	assert_false(prefix_is_v4(&p));
}

int main(void)
{
	static struct rows rows;

	ROWS_ADD_TABLE(&rows, run_addr, addr_rows);
	ROWS_ADD_TABLE(&rows, run_prefix, prefix_rows);
	ROWS_ADD_TABLE(&rows, run_mac, mac_rows);
	ROWS_ADD_TABLE(&rows, run_kind, kind_rows);
	ROWS_ADD_TABLE(&rows, run_overlap, overlap_rows);
	ROWS_ADD_TEST(&rows, lengths_inside_are_those_of_the_128_bit_form);
	return rows_run("addr", &rows);
}
