/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A snapshot frees all that it owns: ASan is the judge. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "model/snapshot.h"

static void test_everything_is_freed(void **state)
{
	struct snapshot *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->nodes = calloc(2, sizeof(*s->nodes));
	assert_non_null(s->nodes);
	s->n_nodes = 2;
	s->nodes[0].cidrs = calloc(3, sizeof(*s->nodes[0].cidrs));
	s->nodes[0].n_cidrs = 3;
	s->warnings = calloc(1, sizeof(*s->warnings));
	assert_non_null(s->warnings);
	s->warnings[0] = strdup("x");
	s->n_warnings = 1;
	snapshot_free(s);
}

static void test_an_empty_one_and_none(void **state)
{
	snapshot_free(calloc(1, sizeof(struct snapshot)));
	snapshot_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything_is_freed),
		cmocka_unit_test(test_an_empty_one_and_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
