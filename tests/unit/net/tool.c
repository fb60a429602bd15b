/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Programs that behave and programs that do not. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/defs.h"
#include "net/tool.h"

static const struct {
	const char *holds, *script;
	int code;
	const char *text, *complaint; /* NULL = not looked at */
} rows[] = {
	{ "its output and its complaint are told apart", "echo out; echo err >&2", 0, "out\n", "err\n" },
	{ "it may print nothing", "true", 0, NULL, "" },
	{ "its failure is told", "echo no >&2; exit 4", -EIO, NULL, "no\n" },
	{ "its death is a failure", "kill -9 $$", -EIO, NULL, "" },
	{ "one that prints without end is stopped", "while :; do echo yyyyyyyyyyyyyyyy; done", -EFBIG, NULL, "" },
	{ "one that hangs is stopped", "exec sleep 600", -ETIMEDOUT, NULL, "" },
	{ "one that closes its output and hangs too", "exec >&- 2>&-; exec sleep 600", -ETIMEDOUT, NULL, "" },
	{ "a flood of complaints does not block it",
	  "i=0; while [ $i -lt 20000 ]; do echo complaint >&2; i=$((i + 1)); done; echo done", 0, "done\n",
	  NULL },
	{ "it has no input", "cat; echo end", 0, "end\n", "" },
	{ "its environment is clean", "echo $LC_ALL:$SECRET", 0, "C:\n", "" },
};

static void programs_are_run_within_their_limits(void **state)
{
	setenv("SECRET", "leaked", 1);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *argv[] = { "sh", "-c", (char *)rows[i].script, NULL };
		struct tool_output o = { .text = NULL };
		int64_t limit = rows[i].code == -ETIMEDOUT ? 100 : 20000, begin = tool_clock_ms();

		print_message("%s\n", rows[i].holds);
		assert_int_equal(tool_run("/bin/sh", argv, limit, 100000, &o), rows[i].code);
		assert_true(tool_clock_ms() - begin < 20000);
		if (rows[i].text)
			assert_string_equal(o.text, rows[i].text);
		if (rows[i].complaint)
			assert_string_equal(o.complaint, rows[i].complaint);
		assert_true(o.n <= 100000);
		free(o.text);
	}
}

static void a_program_that_is_not_there_is_told(void **state)
{
	char *argv[] = { "none", NULL };
	struct tool_output o = { .text = NULL };

	assert_int_equal(tool_run("/nonexistent/none", argv, 1000, 1000, &o), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(programs_are_run_within_their_limits),
		cmocka_unit_test(a_program_that_is_not_there_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
