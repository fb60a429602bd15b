/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A network namespace of our own is not the host's. */
#include "../core/rows.h"

#include <sched.h>
#include <unistd.h>

#include "agent/netns.h"

static void own_one_is_not_initial(void **state)
{
	if (geteuid())
		skip();
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_false(netns_is_initial());
}

int main(void)
{
	struct rows rows = { 0 };

	rows_add(&rows, "a namespace made just now is not the initial one", own_one_is_not_initial, NULL);
	return rows_run("netns", &rows);
}
