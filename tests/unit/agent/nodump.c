/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What holds for a process that has secrets. Of the agent and the publisher: tests/e2e/publish.sh. */
#include "unit/core/rows.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/nodump.h"

/* In a child, for it cannot be taken back, and the leak checker needs a process that it may trace. */
static void no_core_is_left_and_nobody_looks_in(void **state)
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (!child) {
		struct rlimit limit = { 1, 1 };

		nodump();
		getrlimit(RLIMIT_CORE, &limit);
		_exit(prctl(PR_GET_DUMPABLE) != 0 || limit.rlim_cur || limit.rlim_max);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

int main(void)
{
	static struct rows rows;

	ROWS_ADD_TEST(&rows, no_core_is_left_and_nobody_looks_in);
	return rows_run("nodump", &rows);
}
