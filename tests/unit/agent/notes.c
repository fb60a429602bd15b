/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The list of sentences. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "agent/notes.h"
#include "core/defs.h"

static void keeps_each_once(void **state)
{
	struct notes notes = { 0 };
	char *more[] = { "a 1", "b" };

	notes_add(&notes, "a %d", 1);
	notes_add(&notes, "a %d", 1);
	assert_int_equal(notes.n, 1);
	assert_string_equal(notes.v[0], "a 1");
	notes_add_all(&notes, more, ARRAY_SIZE(more));
	assert_int_equal(notes.n, 2);
	assert_true(notes_has(&notes, "b"));
	assert_false(notes_has(&notes, "c"));
	notes_append(&notes, strdup("b"));
	assert_int_equal(notes.n, 3);
	notes_done(&notes);
	assert_int_equal(notes.n, 0);
	assert_null(notes.v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{ "a sentence is kept once, in the order of arrival", keeps_each_once, NULL, NULL, NULL },
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
