/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Pauses grow, are bounded, start anew, and differ. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "feed/backoff.h"

struct row {
	const char *name;
	uint64_t first_ms, max_ms;
	uint32_t chance;
	uint64_t want[7];
};

static const struct row rows[] = {
	{ "the whole step, doubled up to the bound",
	  100, 1000, UINT32_MAX, { 100, 200, 400, 800, 1000, 1000, 1000 } },
	{ "half of the step at least", 100, 1000, 0, { 50, 100, 200, 400, 500, 500, 500 } },
	{ "first and bound are the same", 30000, 30000, UINT32_MAX,
	  { 30000, 30000, 30000, 30000, 30000, 30000, 30000 } },
	{ "the smallest step is not lost in halves", 1, 4, 0, { 0, 1, 2, 2, 2, 2, 2 } },
	{ "no overflow at the largest bound", UINT64_MAX / 2, UINT64_MAX, 0,
	  { UINT64_MAX / 4, UINT64_MAX / 2, UINT64_MAX / 2, UINT64_MAX / 2, UINT64_MAX / 2,
	    UINT64_MAX / 2, UINT64_MAX / 2 } },
};

static void test_steps(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct row *row = &rows[i];
		struct backoff backoff;

		backoff_init(&backoff, row->first_ms, row->max_ms);
		for (size_t k = 0; k < 7; k++) {
			uint64_t got = backoff_step(&backoff, row->chance);

			if (got != row->want[k])
				fail_msg("%s: pause %zu is %llu, not %llu", row->name, k + 1,
					 (unsigned long long)got, (unsigned long long)row->want[k]);
		}
	}
}

static void test_reset(void **state)
{
	struct backoff backoff;

	backoff_init(&backoff, 100, 1000);
	backoff_step(&backoff, UINT32_MAX);
	backoff_step(&backoff, UINT32_MAX);
	backoff_reset(&backoff);
	assert_int_equal(backoff_step(&backoff, UINT32_MAX), 100);
}

/* 64 pauses of one second, each in its half, and not all in one tenth of it. */
static void test_chance(void **state)
{
	uint64_t low = UINT64_MAX, high = 0;

	for (int i = 0; i < 64; i++) {
		struct backoff backoff;
		uint64_t pause;

		backoff_init(&backoff, 1000, 1000);
		pause = backoff_next_ms(&backoff);
		low = pause < low ? pause : low;
		high = pause > high ? pause : high;
	}
	assert_true(low >= 500 && high <= 1000);
	assert_true(high - low > 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_chance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
