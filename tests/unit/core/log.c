/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Lines of the log, read back through a pipe that stands for stderr. */
#include "unit/core/rows.h"

#include <fcntl.h>
#include <unistd.h>

#include "core/log.h"

/* What one call of @log writes. */
static void captured(void (*log)(const char *fmt, ...), const char *text, char *buf, size_t size)
{
	int pipefd[2], saved = dup(STDERR_FILENO);
	ssize_t n;

	assert_int_equal(pipe(pipefd), 0);
	dup2(pipefd[1], STDERR_FILENO);
	log("%s", text);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(pipefd[1]);
	n = read(pipefd[0], buf, size - 1);
	close(pipefd[0]);
	assert_true(n >= 0);
	buf[n] = '\0';
}

static void levels_are_words_for_people(void **state)
{
	char buf[64];

	unsetenv("JOURNAL_STREAM");
	captured(log_error, "a", buf, sizeof(buf));
	assert_string_equal(buf, "error: a\n");
	captured(log_warn, "a", buf, sizeof(buf));
	assert_string_equal(buf, "warning: a\n");
	captured(log_info, "a", buf, sizeof(buf));
	assert_string_equal(buf, "a\n");
}

static void levels_are_prefixes_for_the_journal(void **state)
{
	char buf[64];

	setenv("JOURNAL_STREAM", "8:1", 1);
	captured(log_error, "a", buf, sizeof(buf));
	assert_string_equal(buf, "<3>a\n");
	captured(log_warn, "a", buf, sizeof(buf));
	assert_string_equal(buf, "<4>a\n");
	captured(log_info, "a", buf, sizeof(buf));
	assert_string_equal(buf, "<6>a\n");
	unsetenv("JOURNAL_STREAM");
}

static void quoted_text_cannot_make_a_line_or_move_the_cursor(void **state)
{
	char buf[64];

	captured(log_info, "a\nerror: b\033[2Jc\177", buf, sizeof(buf));
	assert_string_equal(buf, "a error: b [2Jc \n");
}

static void a_line_that_is_too_long_is_cut_visibly(void **state)
{
	static char text[10000], buf[10000];
	size_t len;

	memset(text, 'x', sizeof(text) - 1);
	captured(log_info, text, buf, sizeof(buf));
	len = strlen(buf);
	assert_true(len < 3000);
	assert_string_equal(buf + len - 4, "...\n");
}

int main(void)
{
	static struct rows rows;

	ROWS_ADD_TEST(&rows, levels_are_words_for_people);
	ROWS_ADD_TEST(&rows, levels_are_prefixes_for_the_journal);
	ROWS_ADD_TEST(&rows, quoted_text_cannot_make_a_line_or_move_the_cursor);
	ROWS_ADD_TEST(&rows, a_line_that_is_too_long_is_cut_visibly);
	return rows_run("log", &rows);
}
