/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is written is what is read again, and hostile messages are read within their bounds. */
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/addr.h"
#include "core/defs.h"
#include "net/route.h"

static struct xm_addr addr(const char *text)
{
	struct xm_addr a = { 0 };

	if (text)
		assert_int_equal(addr_parse(text, &a, NULL), 0);
	return a;
}

static const struct {
	const char *holds, *prefix, *gateway, *src, *outer;
	uint32_t table, metric, mtu;
	bool onlink;
} rows[] = {
	{ "IPv4 in IPv4", "10.2.0.0/24", "192.0.2.2", "192.0.2.1", "192.0.2.2", 254, 0, 1450, true },
	{ "IPv4 in IPv6", "10.2.0.0/24", "192.0.2.2", "192.0.2.1", "2001:db8::2", 254, 0, 1430, true },
	{ "IPv6 in IPv4", "fd00:2::/64", "fe80::2", "2001:db8::1", "192.0.2.2", 254, 1024, 1450, true },
	{ "IPv4 by an IPv6 gateway", "10.2.0.0/24", "fe80::2", NULL, "2001:db8::2", 254, 0, 0, true },
	{ "native", "10.2.0.0/24", "192.0.2.2", NULL, NULL, 254, 50, 1500, false },
	{ "on the link", "10.2.0.5/32", NULL, NULL, NULL, 254, 0, 0, false },
	{ "a default route", "::/0", "fe80::1", NULL, NULL, 254, 1024, 0, false },
	{ "a table above 255", "0.0.0.0/0", "192.0.2.2", NULL, NULL, 1000, 0, 0, false },
};

static struct route_fact make(size_t i)
{
	struct route_fact r = { .table = rows[i].table,
				.ifindex = 7,
				.metric = rows[i].metric,
				.mtu = rows[i].mtu,
				.type = RTN_UNICAST,
				.protocol = 139,
				.onlink = rows[i].onlink,
				.shape = rows[i].outer ? ROUTE_TUNNEL : ROUTE_SIMPLE,
				.gateway = addr(rows[i].gateway),
				.src = addr(rows[i].src),
				.outer = addr(rows[i].outer),
				.vni = rows[i].outer ? 0xabcdef : 0,
				.ttl = rows[i].outer ? 64 : 0 };

	assert_int_equal(prefix_parse(rows[i].prefix, &r.prefix, NULL), 0);
	return r;
}

static void what_is_written_is_read_again(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char buf[ROUTE_MESSAGE_MAX] __attribute__((aligned(8)));
		struct route_fact in = make(i), out;

		print_message("%s\n", rows[i].holds);
		assert_true(route_parse(route_put(buf, &in, NLM_F_CREATE), &out));
		assert_true(route_same(&in, &out));
		/* A delete names prefix, table, metric and protocol, nothing that could have changed. */
		assert_true(route_parse(route_delete(buf, &in), &out));
		assert_memory_equal(&in.prefix, &out.prefix, sizeof(in.prefix));
		assert_int_equal(out.protocol, 139);
		assert_int_equal(out.table, in.table);
		assert_int_equal(out.metric, in.metric);
		assert_int_equal(out.ifindex, 0);
	}
}

/* Every byte of a message in turn is another one: the parser may refuse or misread, not overread. */
static void damaged_messages_are_read_within_their_bounds(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char buf[ROUTE_MESSAGE_MAX] __attribute__((aligned(8)));
		struct route_fact in = make(i), out;
		struct nlmsghdr *nlh = route_put(buf, &in, 0);
		size_t len = nlh->nlmsg_len;

		for (size_t at = sizeof(*nlh); at < len; at++) {
			for (int with = 0; with < 256; with += 15) {
				/* In a block of its own size, so that ASan sees the end. */
				auto_free char *copy = malloc(len);

				memcpy(copy, buf, len);
				copy[at] = (char)with;
				route_parse((const struct nlmsghdr *)copy, &out);
			}
		}
		/* Netlink pads to four bytes: a length that is no multiple has that much behind it. */
		for (size_t cut = sizeof(*nlh); cut < len; cut += 4) {
			auto_free char *copy = malloc(cut);

			memcpy(copy, buf, cut);
			((struct nlmsghdr *)copy)->nlmsg_len = (uint32_t)cut;
			route_parse((const struct nlmsghdr *)copy, &out);
		}
	}
}

static void protocols_have_names(void **state)
{
	char buf[8];

	assert_string_equal(route_protocol(RTPROT_BIRD, buf), "bird");
	assert_string_equal(route_protocol(139, buf), "139");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_again),
		cmocka_unit_test(damaged_messages_are_read_within_their_bounds),
		cmocka_unit_test(protocols_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
