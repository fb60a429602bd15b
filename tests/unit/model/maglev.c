/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Maglev tables: exact shares, and how little moves. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/maglev.h"

#define MOST 262139

static uint32_t a[MOST], b[MOST];

static uint64_t next(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	return *x ^= *x << 17;
}

static void make(struct maglev_target *t, uint32_t n, uint64_t seed)
{
	for (uint32_t i = 0; i < n; i++)
		t[i] = (struct maglev_target){ next(&seed), 1, i + 1 };
}

static uint32_t count(const uint32_t *table, uint32_t size, uint32_t value)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < size; i++)
		n += table[i] == value;
	return n;
}

static void equal_targets_differ_by_at_most_one_slot(void **state)
{
	struct maglev_target t[100];

	for (uint32_t n = 2; n <= 100; n++) {
		uint32_t size = maglev_size(n, 0);

		make(t, n, n);
		assert_true(size >= 100 * n);
		assert_int_equal(maglev_fill(t, n, size, a), 0);
		for (uint32_t i = 1; i <= n; i++) {
			uint32_t slots = count(a, size, i);

			assert_true(slots == size / n || slots == size / n + 1);
		}
	}
}

/* Percent of the other targets' slots that move when one of @n goes, mean over those that go. */
static double moved(uint32_t n, uint32_t size, uint64_t seed, double *worst)
{
	struct maglev_target t[100], u[100];
	double sum = 0;

	make(t, n, seed * 7919 + n);
	assert_int_equal(maglev_fill(t, n, size, a), 0);
	for (uint32_t gone = 0; gone < n; gone++) {
		uint32_t others = 0, moves = 0;
		double percent;

		memcpy(u, t, sizeof(u));
		memmove(u + gone, u + gone + 1, (n - gone - 1) * sizeof(*u));
		assert_int_equal(maglev_fill(u, n - 1, size, b), 0);
		for (uint32_t i = 0; i < size; i++) {
			others += a[i] != gone + 1;
			moves += a[i] != gone + 1 && a[i] != b[i];
		}
		percent = 100.0 * moves / others;
		sum += percent;
		*worst = percent > *worst ? percent : *worst;
	}
	return sum / n;
}

static uint32_t size_of(uint32_t least)
{
	static const uint32_t sizes[] = { 251, 1021, 4093, 16381, 65521, 262139 };
	size_t i = 0;

	while (sizes[i] < least)
		i++;
	return sizes[i];
}

static void one_that_leaves_moves_few_of_the_others(void **state)
{
	static const uint32_t numbers[] = { 2, 3, 5, 8, 10, 16, 25, 40 };
	double most100 = 0, most1000 = 0, worst100 = 0, worst1000 = 0;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		double m100 = moved(numbers[i], size_of(100 * numbers[i]), i + 1, &worst100);
		double m1000 = moved(numbers[i], size_of(1000 * numbers[i]), i + 1, &worst1000);

		most100 = m100 > most100 ? m100 : most100;
		most1000 = m1000 > most1000 ? m1000 : most1000;
	}
	print_message("moved: at 100n mean <= %.2f %%, worst %.2f %%; at 1000n mean <= %.2f %%, worst %.2f %%\n",
		      most100, worst100, most1000, worst1000);
	assert_true(most100 <= 3);
	assert_true(most1000 <= 1);
}

static void weights_are_exact_and_the_order_is_nothing(void **state)
{
	struct maglev_target t[3] = { { 11, 90, 1 }, { 22, 10, 2 } }, swapped[2];

	assert_int_equal(maglev_fill(t, 2, 1021, a), 0);
	assert_int_equal(count(a, 1021, 1), 919);
	assert_int_equal(count(a, 1021, 2), 102);
	swapped[0] = t[1];
	swapped[1] = t[0];
	assert_int_equal(maglev_fill(swapped, 2, 1021, b), 0);
	assert_memory_equal(a, b, 1021 * sizeof(*a));
}

static void what_cannot_be_is_refused(void **state)
{
	struct maglev_target t = { 1, 1, 7 };

	assert_int_equal(maglev_fill(&t, 0, 251, a), -EINVAL);
	assert_int_equal(maglev_fill(&t, 1, 250, a), -EINVAL);
	assert_int_equal(maglev_fill(&t, 1, 1, a), 0);
	assert_int_equal(a[0], 7);
	t.weight = 0;
	assert_int_equal(maglev_fill(&t, 1, 1, a), -EINVAL);
}

static void sizes_stay_until_they_must_change(void **state)
{
	assert_int_equal(maglev_size(1, 1021), 1);
	assert_int_equal(maglev_size(10, 0), 1021);
	assert_int_equal(maglev_size(11, 1021), 4093);
	assert_int_equal(maglev_size(10, 4093), 4093);
	assert_int_equal(maglev_size(2, 4093), 251);
	assert_int_equal(maglev_size(20000, 0), 1048573);
	assert_int_equal(maglev_size(20000, 1048573), 1048573);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_targets_differ_by_at_most_one_slot),
		cmocka_unit_test(one_that_leaves_moves_few_of_the_others),
		cmocka_unit_test(weights_are_exact_and_the_order_is_nothing),
		cmocka_unit_test(what_cannot_be_is_refused),
		cmocka_unit_test(sizes_stay_until_they_must_change),
	};

	return cmocka_run_group_tests_name("maglev", tests, NULL, NULL);
}
