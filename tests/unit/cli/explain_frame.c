/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The frames of `xmesh explain`: whole, with right sums, and read back as what they were built from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "cli/explain.h"
#include "core/addr.h"
#include "core/defs.h"

#define PORT 8492
#define VNI 4242

struct row {
	const char *name, *src, *dst, *size;
	const char *outer_src, *outer_dst; /* NULL: bare */
	size_t len;                        /* of the frame */
};

static const struct row rows[] = {
	{ "TCP over IPv4", "10.1.1.2", "10.2.1.2:80", NULL, NULL, NULL, 14 + 40 },
	{ "TCP over IPv6", "fd00::1", "[fd00::2]:80", NULL, NULL, NULL, 14 + 60 },
	{ "UDP of an odd size", "10.1.1.2", "10.2.1.2:53/udp", "101", NULL, NULL, 14 + 101 },
	{ "UDP over IPv6", "fd00::1", "[fd00::2]:53/udp", "1280", NULL, NULL, 14 + 1280 },
	{ "SCTP", "10.1.1.2", "10.2.1.2:53/sctp", NULL, NULL, NULL, 14 + 52 },
	{ "ICMP echo", "10.1.1.2", "10.2.1.2", "84", NULL, NULL, 14 + 84 },
	{ "ICMPv6 echo", "fd00::1", "fd00::2", NULL, NULL, NULL, 14 + 48 },
	{ "in the tunnel over IPv4", "10.2.1.2", "10.1.1.2:80", NULL, "192.0.2.21", "192.0.2.11", 14 + 50 + 40 },
	{ "in the tunnel over IPv6", "10.2.1.2", "10.1.1.2:80", NULL, "2001:db8::21", "2001:db8::11", 14 + 70 + 40 },
	{ "IPv6 in the tunnel over IPv4", "fd00::1", "fd00::2", NULL, "192.0.2.21", "192.0.2.11", 14 + 50 + 48 },
};

static const struct explain_macs macs = { { 2, 0, 0, 0, 0, 1 }, { 2, 0, 0, 0, 0, 2 } };

static struct xm_addr addr(const char *text)
{
	struct xm_addr a;

	assert_int_equal(addr_parse(text, &a, NULL), 0);
	return a;
}

/* RFC 1071 by another way than the code's: over 16-bit words in memory order. */
static uint16_t sum(const uint8_t *p, size_t len, uint64_t start)
{
	uint64_t s = start;

	for (size_t i = 0; i < len; i++)
		s += i & 1 ? p[i] : (uint64_t)p[i] << 8;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return s;
}

/* CRC32c of "123456789" is 0xe3069283; here of what a frame holds, with its own field zeroed. */
static uint32_t crc32c(const uint8_t *p, size_t len)
{
	uint32_t crc = 0xffffffff;

	while (len--) {
		crc ^= *p++;
		for (int k = 0; k < 8; k++)
			crc = crc & 1 ? (crc >> 1) ^ 0x82f63b78 : crc >> 1;
	}
	return crc ^ 0xffffffff;
}

/* The IP packet at @p: header sum and payload sum come out as all ones. */
static void sums_hold(uint8_t *p, const struct explain_ask *ask)
{
	const bool v4 = xm_addr_is_v4(&ask->src);
	const size_t ihl = v4 ? 20 : 40;
	uint8_t *l4 = p + ihl;
	size_t len = ask->size - ihl;
	uint64_t pseudo = sum(v4 ? p + 12 : p + 8, v4 ? 8 : 32, ask->proto + len);
	uint32_t crc;

	if (v4)
		assert_int_equal(sum(p, 20, 0), 0xffff);
	switch (ask->proto) {
	case IPPROTO_ICMP:
		assert_int_equal(sum(l4, len, 0), 0xffff);
		break;
	case IPPROTO_SCTP:
		memcpy(&crc, l4 + 8, 4);
		memset(l4 + 8, 0, 4);
		assert_int_equal(le32toh(crc), crc32c(l4, len));
		break;
	default:
		assert_int_equal(sum(l4, len, pseudo), 0xffff);
	}
}

static void check(void **state)
{
	const struct row *row = *state;
	auto_free uint8_t *buf = malloc(EXPLAIN_FRAME_MAX);
	struct explain_tunnel tunnel = { .port = PORT, .vni = VNI, .macs = macs };
	struct explain_seen seen;
	struct explain_ask ask;
	size_t len;

	assert_non_null(buf);
	assert_int_equal(explain_ask(row->src, row->dst, row->size, &ask, NULL), 0);
	if (row->outer_src) {
		tunnel.src = addr(row->outer_src);
		tunnel.dst = addr(row->outer_dst);
	}
	len = explain_build(&ask, &macs, row->outer_src ? &tunnel : NULL, buf);
	assert_int_equal(len, row->len);
	assert_true(explain_read(buf, len, PORT, &seen));
	assert_int_equal(seen.tunnelled, row->outer_src != NULL);
	assert_true(xm_addr_eq(&seen.src, &ask.src));
	assert_true(xm_addr_eq(&seen.dst, &ask.dst));
	assert_int_equal(seen.sport, ask.sport);
	assert_int_equal(seen.dport, ask.dport);
	assert_int_equal(seen.proto, ask.proto);
	assert_int_equal(seen.len, ask.size);
	assert_int_equal(seen.ttl, 64);
	assert_memory_equal(&seen.macs, &macs, sizeof(macs));
	if (row->outer_src) {
		assert_true(xm_addr_eq(&seen.outer_src, &tunnel.src));
		assert_true(xm_addr_eq(&seen.outer_dst, &tunnel.dst));
		assert_int_equal(seen.outer_dport, PORT);
		assert_int_equal(seen.outer_len, len - 14);
		assert_int_equal(seen.vni, VNI);
		if (xm_addr_is_v4(&tunnel.src))
			assert_int_equal(sum(buf + 14, 20, 0), 0xffff);
	}
	sums_hold(buf + len - ask.size, &ask);
	/* Every shorter frame is either read within its bounds or refused. */
	for (size_t cut = 0; cut < MIN(len, 120); cut++) {
		auto_free uint8_t *part = malloc(cut + !cut);

		memcpy(part, buf, cut);
		explain_read(part, cut, PORT, &seen);
	}
}

/* To our port, but no VXLAN: it is what it is. */
static void not_a_tunnel(void **state)
{
	uint8_t buf[256];
	struct explain_seen seen;
	struct explain_ask ask;
	size_t len;

	assert_int_equal(explain_ask("10.1.1.2", "10.2.1.2:8492/udp", "120", &ask, NULL), 0);
	len = explain_build(&ask, &macs, NULL, buf);
	assert_true(explain_read(buf, len, PORT, &seen));
	assert_false(seen.tunnelled);
	assert_int_equal(seen.dport, PORT);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows) + 1];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		tests[i] = (struct CMUnitTest){ .name = rows[i].name, .test_func = check, .initial_state = (void *)&rows[i] };
	tests[ARRAY_SIZE(rows)] = (struct CMUnitTest)cmocka_unit_test(not_a_tunnel);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
