/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The words of `xmesh explain`: what they mean, and what is said when they mean nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "cli/explain.h"
#include "core/defs.h"

struct row {
	const char *name;
	const char *src, *dst, *size;
	const char *flow;      /* as explain_flow() says it; NULL: refused */
	uint32_t bytes;
	const char *says;      /* part of the refusal */
};

static const struct row rows[] = {
	{ "an address alone is an ICMP echo", "10.1.1.2", "10.2.1.2", NULL, "ICMP echo 10.1.1.2 -> 10.2.1.2", 28, NULL },
	{ "IPv6 too", "fd00::1", "fd00::2", NULL, "ICMPv6 echo fd00::1 -> fd00::2", 48, NULL },
	{ "with a port it is TCP", "10.1.1.2", "10.2.1.2:80", NULL, "TCP SYN 10.1.1.2:50000 -> 10.2.1.2:80", 40, NULL },
	{ "an IPv6 address with a port is in brackets", "fd00::1", "[fd00::2]:80", NULL,
	  "TCP SYN [fd00::1]:50000 -> [fd00::2]:80", 60, NULL },
	{ "without brackets the last number is part of the address", "fd00::1", "fd00::2:80/icmp", NULL,
	  "ICMPv6 echo fd00::1 -> fd00::2:80", 48, NULL },
	{ "brackets without a port", "[fd00::1]", "[fd00::2]", NULL, "ICMPv6 echo fd00::1 -> fd00::2", 48, NULL },
	{ "UDP", "10.1.1.2", "10.2.1.2:53/udp", NULL, "UDP 10.1.1.2:50000 -> 10.2.1.2:53", 28, NULL },
	{ "SCTP", "10.1.1.2", "10.2.1.2:53/sctp", NULL, "SCTP INIT 10.1.1.2:50000 -> 10.2.1.2:53", 52, NULL },
	{ "the source's port", "10.1.1.2:7", "10.2.1.2:80/tcp", NULL, "TCP SYN 10.1.1.2:7 -> 10.2.1.2:80", 40, NULL },
	{ "the source's port in IPv6", "[fd00::1]:7", "[fd00::2]:80/udp", NULL, "UDP [fd00::1]:7 -> [fd00::2]:80", 48, NULL },
	{ "icmp6 is what icmp is to IPv6", "fd00::1", "fd00::2/icmp6", NULL, "ICMPv6 echo fd00::1 -> fd00::2", 48, NULL },
	{ "a size", "10.1.1.2", "10.2.1.2", "1500", "ICMP echo 10.1.1.2 -> 10.2.1.2", 1500, NULL },
	{ "the last port", "10.1.1.2", "10.2.1.2:65535", NULL, "TCP SYN 10.1.1.2:50000 -> 10.2.1.2:65535", 40, NULL },

	{ "no address", "pod-1", "10.2.1.2", NULL, NULL, 0, "pod-1" },
	{ "two families", "10.1.1.2", "fd00::2", NULL, NULL, 0, "different families" },
	{ "tcp without a port", "10.1.1.2", "10.2.1.2/tcp", NULL, NULL, 0, "10.2.1.2:80/tcp" },
	{ "ICMP with a port", "10.1.1.2", "10.2.1.2:80/icmp", NULL, NULL, 0, "ICMP has no ports" },
	{ "a source's port and nothing that has ports", "10.1.1.2:7", "10.2.1.2", NULL, NULL, 0, "ICMP has no ports" },
	{ "an unknown protocol", "10.1.1.2", "10.2.1.2:80/gre", NULL, NULL, 0, "tcp, udp, sctp or icmp" },
	{ "port 0", "10.1.1.2", "10.2.1.2:0", NULL, NULL, 0, "1 to 65535" },
	{ "a port too high", "10.1.1.2", "10.2.1.2:65536", NULL, NULL, 0, "1 to 65535" },
	{ "a port's name", "10.1.1.2", "10.2.1.2:http", NULL, NULL, 0, "\"http\" is no port" },
	{ "no port behind the colon", "10.1.1.2", "10.2.1.2:", NULL, NULL, 0, "is no port" },
	{ "a bracket that is not closed", "10.1.1.2", "[fd00::2:80", NULL, NULL, 0, "[fd00::1]:80" },
	{ "something behind the bracket", "10.1.1.2", "[fd00::2]80", NULL, NULL, 0, "[fd00::1]:80" },
	{ "IPv4 in brackets", "10.1.1.2", "[10.2.1.2]:80", NULL, NULL, 0, "only an IPv6 address" },
	{ "a protocol behind the source", "10.1.1.2/tcp", "10.2.1.2:80", NULL, NULL, 0, "protocol stands behind DST" },
	{ "a size below the headers", "10.1.1.2", "10.2.1.2:80", "39", NULL, 0, "40 to 65535" },
	{ "a size beyond IP", "10.1.1.2", "10.2.1.2:80", "65536", NULL, 0, "40 to 65535" },
	{ "a size that is none", "10.1.1.2", "10.2.1.2:80", "big", NULL, 0, "number of bytes" },
};

static void check(void **state)
{
	const struct row *row = *state;
	struct explain_ask ask = { .size = 12345 };
	char flow[EXPLAIN_FLOW_MAX];
	struct err err = { 0 };
	int code = explain_ask(row->src, row->dst, row->size, &ask, &err);

	if (!row->flow) {
		assert_int_equal(code, -EINVAL);
		if (!strstr(err.text, row->says))
			fail_msg("\"%s\" does not say \"%s\"", err.text, row->says);
		assert_int_equal(ask.size, 12345);
		return;
	}
	if (code)
		fail_msg("refused: %s", err.text);
	assert_string_equal(explain_flow(&ask, flow), row->flow);
	assert_int_equal(ask.size, row->bytes);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows)];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		tests[i] = (struct CMUnitTest){ .name = rows[i].name, .test_func = check, .initial_state = (void *)&rows[i] };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
