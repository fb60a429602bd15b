/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a command says on stderr, read back through a pipe that stands for it. */
#include "unit/core/rows.h"

#include <unistd.h>

#include "cli/cli.h"

static void begin(int pipefd[2], int *ret_saved)
{
	*ret_saved = dup(STDERR_FILENO);
	assert_int_equal(pipe(pipefd), 0);
	dup2(pipefd[1], STDERR_FILENO);
}

static void end(int pipefd[2], int saved, char *buf, size_t size)
{
	ssize_t n;

	dup2(saved, STDERR_FILENO);
	close(saved);
	close(pipefd[1]);
	n = read(pipefd[0], buf, size - 1);
	close(pipefd[0]);
	assert_true(n >= 0);
	buf[n] = '\0';
}

static void a_failure_is_said_and_its_code_returned(void **state)
{
	enum cli_exit exit;
	int fds[2], saved;
	char buf[128];

	begin(fds, &saved);
	exit = cli_fail(CLI_NONE, "no %s", "thing");
	end(fds, saved, buf, sizeof(buf));
	assert_int_equal(exit, CLI_NONE);
	assert_string_equal(buf, "xmesh: no thing\n");
}

static void quoted_text_cannot_make_a_line_or_move_the_cursor(void **state)
{
	int fds[2], saved;
	char buf[128];

	begin(fds, &saved);
	cli_warn("bad \"%s\"", "a\nxmesh: b\033[2Jc\177");
	end(fds, saved, buf, sizeof(buf));
	assert_string_equal(buf, "xmesh: bad \"a xmesh: b [2Jc \"\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_failure_is_said_and_its_code_returned),
		cmocka_unit_test(quoted_text_cannot_make_a_line_or_move_the_cursor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
