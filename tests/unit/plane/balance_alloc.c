/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Free slots, free numbers, and the queue of grace periods. Pure. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "plane/balance_alloc.h"
#include "xmesh/service.h"

#define QUARTER (XM_MAGLEV_SLOTS / 4)

static void slices_do_not_overlap_and_all_slots_can_be_taken(void **state)
{
	struct slots slots;
	uint32_t first, i, seen = 0;

	assert_int_equal(slots_init(&slots), 0);
	for (i = 0; i < 4; i++) {
		assert_int_equal(slots_take(&slots, QUARTER, &first), 0);
		assert_int_equal(first % QUARTER, 0);
		seen |= 1u << first / QUARTER;
	}
	assert_int_equal(seen, 0xf);
	assert_int_equal(slots_take(&slots, 1, &first), -ENOSPC);
	assert_int_equal(slots.n_used, XM_MAGLEV_SLOTS);
	slots_give(&slots, 2 * QUARTER, QUARTER);
	assert_int_equal(slots_take(&slots, QUARTER, &first), 0);
	assert_int_equal(first, 2 * QUARTER);
	slots_done(&slots);
}

static void the_smallest_block_that_fits_is_cut(void **state)
{
	struct slots slots;
	uint32_t a, b, c;

	assert_int_equal(slots_init(&slots), 0);
	assert_int_equal(slots_take(&slots, 1021, &a), 0);
	assert_int_equal(slots_take(&slots, 251, &b), 0);
	assert_int_equal(slots_take(&slots, 4093, &c), 0);
	assert_true(a / 4096 == b / 4096 && c / 4096 != a / 4096);
	slots_give(&slots, a, 1021);
	slots_give(&slots, b, 251);
	slots_give(&slots, c, 4093);
	assert_int_equal(slots.n_used, 0);
	assert_int_equal(slots_take(&slots, XM_MAGLEV_SLOTS, &a), 0);
	slots_done(&slots);
}

static void only_a_slice_of_ours_that_is_free_can_be_claimed(void **state)
{
	static const struct { const char *name; uint32_t first, size; int code; } rows[] = {
		{ "a free block", 4096, 1021, 0 },
		{ "the same again", 4096, 1021, -EINVAL },
		{ "a part of one that is taken", 4096, 1, -EINVAL },
		{ "one around one that is taken", 4096, 4093, -EINVAL },
		{ "no block begins there", 5, 251, -EINVAL },
		{ "beyond the end", XM_MAGLEV_SLOTS, 1, -EINVAL },
		{ "the last slot", XM_MAGLEV_SLOTS - 1, 1, 0 },
		{ "none", 0, 0, -EINVAL },
		{ "more than all", 0, XM_MAGLEV_SLOTS + 1, -EINVAL },
	};
	struct slots slots;

	assert_int_equal(slots_init(&slots), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (slots_claim(&slots, rows[i].first, rows[i].size) != rows[i].code)
			fail_msg("%s", rows[i].name);
	slots_done(&slots);
}

static void add_size(void *arg, uint32_t first, uint32_t size)
{
	assert_true(size <= 1024);
	*(uint32_t *)arg += size;
}

static void all_that_is_free_is_shown_and_nothing_else(void **state)
{
	struct slots slots;
	uint32_t a, b, sum = 0;

	assert_int_equal(slots_init(&slots), 0);
	assert_int_equal(slots_take(&slots, 1, &a), 0);
	assert_int_equal(slots_take(&slots, 4093, &b), 0);
	slots_each_free(&slots, add_size, &sum);
	assert_int_equal(sum, XM_MAGLEV_SLOTS - 1 - 4096);
	slots_done(&slots);
}

static void numbers_go_round_to_the_last(void **state)
{
	struct numbers numbers;
	uint32_t n;

	assert_int_equal(numbers_init(&numbers, 3), 0);
	assert_true(numbers_claim(&numbers, 2));
	assert_false(numbers_claim(&numbers, 2));
	assert_false(numbers_claim(&numbers, 0));
	assert_false(numbers_claim(&numbers, 4));
	assert_int_equal(numbers_take(&numbers, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(numbers_take(&numbers, &n), 0);
	assert_int_equal(n, 3);
	assert_int_equal(numbers_take(&numbers, &n), -ENOSPC);
	numbers_give(&numbers, 2);
	assert_int_equal(numbers_take(&numbers, &n), 0);
	assert_int_equal(n, 2);
	numbers_done(&numbers);
}

static void what_waits_comes_when_its_time_is_over(void **state)
{
	struct grace grace = { 0 };
	struct waiting w;

	assert_int_equal(grace_reserve(&grace, 2), 0);
	grace_add(&grace, WAITING_SLICE, 7, 3, 30);
	grace_add(&grace, WAITING_BACKEND, 8, 1, 31);
	assert_false(grace_pop(&grace, 29, &w));
	assert_int_equal(grace_wait_s(&grace, 20), 10);
	assert_true(grace_pop(&grace, 30, &w));
	assert_int_equal(w.first, 7);
	assert_int_equal(grace.n_of[WAITING_SLICE], 0);
	assert_int_equal(grace_reserve(&grace, 100), 0);
	assert_false(grace_pop(&grace, 30, &w));
	assert_int_equal(grace_wait_s(&grace, 40), 1);
	assert_true(grace_pop(&grace, 31, &w));
	assert_int_equal(w.first, 8);
	assert_int_equal(grace_wait_s(&grace, 0), 0);
	grace_done(&grace);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slices_do_not_overlap_and_all_slots_can_be_taken),
		cmocka_unit_test(the_smallest_block_that_fits_is_cut),
		cmocka_unit_test(only_a_slice_of_ours_that_is_free_can_be_claimed),
		cmocka_unit_test(all_that_is_free_is_shown_and_nothing_else),
		cmocka_unit_test(numbers_go_round_to_the_last),
		cmocka_unit_test(what_waits_comes_when_its_time_is_over),
	};

	return cmocka_run_group_tests_name("balance_alloc", tests, NULL, NULL);
}
