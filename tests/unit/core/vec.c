/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Growing arrays: every item survives, ASan watches the bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/vec.h"

static void items_survive_growing(void **state)
{
	uint64_t *v = NULL;

	for (size_t n = 0; n < 1000; n++) {
		assert_int_equal(vec_grow(&v, n, sizeof(*v)), 0);
		v[n] = n * 3;
	}
	for (size_t n = 0; n < 1000; n++)
		assert_int_equal(v[n], n * 3);
	free(v);
}

static void notes_are_kept_in_order(void **state)
{
	char **notes = NULL;
	size_t n = 0;

	for (int i = 0; i < 5; i++)
		assert_int_equal(vec_note(&notes, &n, "note %d", i), 0);
	assert_int_equal(n, 5);
	assert_string_equal(notes[0], "note 0");
	assert_string_equal(notes[4], "note 4");
	vec_free_notes(notes, n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_survive_growing),
		cmocka_unit_test(notes_are_kept_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
