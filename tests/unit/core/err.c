/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sentences of errors: whole, cut visibly, put in place. */
#include "unit/core/rows.h"

#include <errno.h>
#include <stdio.h>

#include "core/err.h"

static void set_returns_its_code_and_keeps_the_sentence(void **state)
{
	struct err err;

	assert_int_equal(err_set(&err, -EINVAL, "%s is %d", "x", 7), -EINVAL);
	assert_string_equal(err.text, "x is 7");
	assert_int_equal(err.code, -EINVAL);
}

static void nobody_listening_is_fine(void **state)
{
	assert_int_equal(err_set(NULL, -ENOENT, "%s", "x"), -ENOENT);
	assert_int_equal(err_in(NULL, -EPERM, "%s", "x"), -EPERM);
}

static void in_puts_the_place_in_front(void **state)
{
	struct err err;

	err_set(&err, -EINVAL, "too large");
	assert_int_equal(err_in(&err, -ERANGE, "f:%d", 3), -ERANGE);
	assert_int_equal(err.code, -ERANGE);
	assert_string_equal(err.text, "f:3: too large");
}

static void the_old_sentence_may_be_an_argument(void **state)
{
	struct err err;

	err_set(&err, -EINVAL, "inner");
	err_set(&err, -EINVAL, "outer (%s)", err.text);
	assert_string_equal(err.text, "outer (inner)");
}

static void what_does_not_fit_ends_in_dots(void **state)
{
	char fits[ERR_TEXT_MAX], big[ERR_TEXT_MAX + 1];
	struct err err;

	memset(fits, 'a', sizeof(fits));
	fits[ERR_TEXT_MAX - 1] = '\0';
	err_set(&err, -EINVAL, "%s", fits);
	assert_string_equal(err.text, fits);

	memset(big, 'a', sizeof(big));
	big[ERR_TEXT_MAX] = '\0';
	err_set(&err, -EINVAL, "%s", big);
	assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
	assert_string_equal(err.text + ERR_TEXT_MAX - 4, "...");

	err_set(&err, -EINVAL, "%s", fits);
	err_in(&err, -EINVAL, "where");
	assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
	assert_memory_equal(err.text, "where: aaa", 10);
	assert_string_equal(err.text + ERR_TEXT_MAX - 4, "...");
}

int main(void)
{
	static struct rows rows;

	ROWS_ADD_TEST(&rows, set_returns_its_code_and_keeps_the_sentence);
	ROWS_ADD_TEST(&rows, nobody_listening_is_fine);
	ROWS_ADD_TEST(&rows, in_puts_the_place_in_front);
	ROWS_ADD_TEST(&rows, the_old_sentence_may_be_an_argument);
	ROWS_ADD_TEST(&rows, what_does_not_fit_ends_in_dots);
	return rows_run("err", &rows);
}
