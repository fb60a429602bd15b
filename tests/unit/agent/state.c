/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the agent counts and remembers for status. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/state.h"

static void histogram(void **state)
{
	struct state_apply apply = { 0 };

	state_apply_add(&apply, 1000000);
	state_apply_add(&apply, 1000001);
	state_apply_add(&apply, 3600ull * 1000000000);
	assert_int_equal(apply.buckets[0], 1);
	assert_int_equal(apply.buckets[1], 1);
	assert_int_equal(apply.buckets[STATE_APPLY_BUCKETS], 1);
	assert_int_equal(apply.count, 3);
	assert_int_equal(apply.sum_ns, 2000001 + 3600ull * 1000000000);
}

static void errors(void **state)
{
	struct agent *agent = calloc(1, sizeof(*agent));
	char text[16];

	state_error(agent, "a");
	state_error(agent, "a");
	assert_int_equal(agent->n_errors, 1);
	assert_int_equal(agent->errors[0].count, 2);
	for (int i = 0; i < STATE_ERRORS; i++) {
		snprintf(text, sizeof(text), "b%d", i);
		state_error(agent, text);
	}
	assert_int_equal(agent->n_errors, STATE_ERRORS);
	assert_string_equal(agent->errors[0].text, "b0");
	assert_string_equal(agent->errors[STATE_ERRORS - 1].text, text);
	for (size_t i = 0; i < agent->n_errors; i++)
		free(agent->errors[i].text);
	free(agent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{ "a duration falls into the bucket whose bound it does not exceed", histogram, NULL, NULL, NULL },
		{ "the last eight errors are kept, repeated ones counted", errors, NULL, NULL, NULL },
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
