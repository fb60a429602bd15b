/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How soon turn may follow turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/pace.h"
#include "core/defs.h"

#define MS 1000000ull

static const struct {
	const char *name;
	uint64_t duration_ms, since_ms; /* of the last turn, since its end */
	unsigned int failures;          /* turns that failed in a row, the last of them included */
	uint64_t feed_ms, kernel_ms, retry_ms;
} rows[] = {
	{ "a short turn holds nobody up", 1, 2, 0, 0, 8, 0 },
	{ "a feed waits twice the turn, the kernel ten times", 50, 0, 0, 100, 500, 0 },
	{ "what passed since its end counts", 50, 60, 0, 40, 440, 0 },
	{ "a pause that is over is over", 50, 1000, 0, 0, 0, 0 },
	{ "the pauses have bounds", 60000, 0, 0, 2000, 10000, 0 },
	{ "after a failure the kernel's changes wait a little", 1, 0, 1, 2, 100, 1000 },
	{ "and longer with every one", 1, 0, 3, 2, 400, 4000 },
	{ "but a change is answered within seconds", 1, 0, 9, 2, 5000, 30000 },
	{ "however long it fails", 1, 0, 1000, 2, 5000, 30000 },
	{ "a change long after the failure does not wait", 1, 6000, 1000, 0, 0, 30000 },
	{ "a long turn that fails is a long turn", 50, 0, 1, 100, 500, 1000 },
};

static void follows_rows(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t end = 1000000 * MS, now = end + rows[i].since_ms * MS;
		struct pace pace = { 0 };

		for (unsigned int k = 0; k + 1 < rows[i].failures; k++)
			pace_turn(&pace, MS, 2 * MS, false);
		pace_turn(&pace, end - rows[i].duration_ms * MS, end, !rows[i].failures);
		print_message("%s\n", rows[i].name);
		assert_int_equal(pace_feed_ms(&pace, now), rows[i].feed_ms);
		assert_int_equal(pace_kernel_ms(&pace, now), rows[i].kernel_ms);
		assert_int_equal(pace_retry_ms(&pace), rows[i].retry_ms);
	}
}

static void waits_for_nothing(void **state)
{
	struct pace pace = { 0 };

	assert_int_equal(pace_feed_ms(&pace, 5 * MS), 0);
	assert_int_equal(pace_kernel_ms(&pace, 5 * MS), 0);
}

static void ends_failures(void **state)
{
	struct pace pace = { 0 };

	pace_turn(&pace, MS, 2 * MS, false);
	pace_turn(&pace, 3 * MS, 4 * MS, true);
	assert_int_equal(pace.failed_in_row, 0);
	assert_int_equal(pace_kernel_ms(&pace, 4 * MS), 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{ "pauses follow from the last turns", follows_rows, NULL, NULL, NULL },
		{ "the first turn waits for nothing", waits_for_nothing, NULL, NULL, NULL },
		{ "a good turn ends the failures", ends_failures, NULL, NULL, NULL },
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
