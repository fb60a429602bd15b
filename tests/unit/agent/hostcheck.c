/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What one look at the host means for the next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "agent/hostcheck.h"
#include "core/defs.h"

static const struct {
	const char *name;
	bool before, incomplete, seen, after;
} rows[] = {
	{ "an engine that is seen is there", false, false, true, true },
	{ "one that is gone is gone", true, false, false, false },
	{ "one that could not be looked for is still there", true, true, false, true },
	{ "none is made up", false, true, false, false },
	{ "one that is seen in part of the rules is there", false, true, true, true },
};

static void follows(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct hostcheck before = { .policy_engine = rows[i].before }, check = {
			.policy_engine = rows[i].seen, .incomplete = rows[i].incomplete };

		strcpy(before.policy_why, rows[i].before ? "then" : "");
		strcpy(check.policy_why, rows[i].seen ? "now" : "");
		print_message("  %s\n", rows[i].name);
		hostcheck_follow(&check, &before);
		assert_int_equal(check.policy_engine, rows[i].after);
		assert_string_equal(check.policy_why,
				    rows[i].seen ? "now" : rows[i].after ? "then" : "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{ "what could not be looked at is as it was", follows, NULL, NULL, NULL },
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
