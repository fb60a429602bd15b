/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is written is what is read again, and hostile messages are read within their bounds. */
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "core/addr.h"
#include "core/defs.h"
#include "net/rule.h"

static struct rule_fact make(const char *from, uint32_t table)
{
	struct rule_fact r = { .priority = 8492, .table = table, .protocol = 139, .plain = true };

	assert_int_equal(prefix_parse(from, &r.from, NULL), 0);
	return r;
}

static const struct {
	const char *holds, *from;
	uint32_t table;
} rows[] = {
	{ "IPv4", "10.1.1.0/24", 8492 },
	{ "IPv6", "fd00:1::/64", 8492 },
	{ "one address", "10.1.1.1/32", 254 },
	{ "all of IPv4", "0.0.0.0/0", 100 },
	{ "all of IPv6", "::/0", 100 },
};

static void what_is_written_is_read_again(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char buf[RULE_MESSAGE_MAX] __attribute__((aligned(8)));
		struct rule_fact in = make(rows[i].from, rows[i].table), out;

		print_message("%s\n", rows[i].holds);
		assert_true(rule_parse(rule_put(buf, &in), &out));
		assert_true(rule_same(&in, &out));
		assert_true(rule_parse(rule_delete(buf, &in), &out));
		assert_true(rule_same(&in, &out));
	}
}

static void more_conditions_make_another_rule(void **state)
{
	static const uint16_t attrs[] = { FRA_FWMARK, FRA_IIFNAME, FRA_DST, FRA_UID_RANGE };
	struct rule_fact in = make("10.1.1.0/24", 8492), out;
	char buf[RULE_MESSAGE_MAX] __attribute__((aligned(8)));
	struct fib_rule_hdr *hdr;
	struct nlmsghdr *nlh;

	for (size_t i = 0; i < ARRAY_SIZE(attrs); i++) {
		nlh = rule_put(buf, &in);
		mnl_attr_put_u32(nlh, attrs[i], 1);
		assert_true(rule_parse(nlh, &out));
		assert_false(out.plain);
	}
	nlh = rule_put(buf, &in);
	hdr = mnl_nlmsg_get_payload(nlh);
	hdr->flags = FIB_RULE_INVERT;
	assert_true(rule_parse(nlh, &out));
	assert_false(out.plain);
	hdr->flags = 0;
	hdr->action = FR_ACT_BLACKHOLE;
	assert_true(rule_parse(nlh, &out));
	assert_false(out.plain);
	hdr->family = AF_UNIX;
	assert_false(rule_parse(nlh, &out));
}

/* Every byte of a message in turn is another one: the parser may refuse or misread, not overread. */
static void damaged_messages_are_read_within_their_bounds(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char buf[RULE_MESSAGE_MAX] __attribute__((aligned(8)));
		struct rule_fact in = make(rows[i].from, rows[i].table), out;
		size_t len = rule_put(buf, &in)->nlmsg_len;

		for (size_t at = sizeof(struct nlmsghdr); at < len; at++) {
			for (int with = 0; with < 256; with += 15) {
				/* In a block of its own size, so that ASan sees the end. */
				auto_free char *copy = malloc(len);

				memcpy(copy, buf, len);
				copy[at] = (char)with;
				rule_parse((const struct nlmsghdr *)copy, &out);
			}
		}
		for (size_t cut = sizeof(struct nlmsghdr); cut < len; cut += 4) {
			auto_free char *copy = malloc(cut);

			memcpy(copy, buf, cut);
			((struct nlmsghdr *)copy)->nlmsg_len = (uint32_t)cut;
			rule_parse((const struct nlmsghdr *)copy, &out);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_again),
		cmocka_unit_test(more_conditions_make_another_rule),
		cmocka_unit_test(damaged_messages_are_read_within_their_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
