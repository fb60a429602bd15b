/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A cmocka test per row of a table, named by the row's first member, a sentence of what holds.
 * Not for: tests of one kind that share a loop on purpose.
 */
#ifndef XMESH_UNIT_ROWS_H
#define XMESH_UNIT_ROWS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROWS_MAX 512

struct rows {
	struct CMUnitTest tests[ROWS_MAX];
	size_t n;
};

static inline void rows_add(struct rows *rows, const char *name, CMUnitTestFunction fn,
			    const void *state)
{
	if (rows->n == ROWS_MAX)
		abort();
	rows->tests[rows->n++] = (struct CMUnitTest){
		.name = name, .test_func = fn, .initial_state = (void *)state,
	};
}

/* @fn gets a pointer to its row in *state. The row's first member is its name. */
#define ROWS_ADD_TABLE(rows, fn, table)                                                            \
	do {                                                                                       \
		for (size_t row_ = 0; row_ < sizeof(table) / sizeof((table)[0]); row_++)           \
			rows_add(rows, (table)[row_].name, fn, &(table)[row_]);                    \
	} while (0)

#define ROWS_ADD_TEST(rows, fn) rows_add(rows, #fn, fn, NULL)

static inline int rows_run(const char *group, struct rows *rows)
{
	return _cmocka_run_group_tests(group, rows->tests, rows->n, NULL, NULL);
}

#endif
