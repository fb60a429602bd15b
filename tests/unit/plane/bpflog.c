/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The end of what libbpf said, for an error's sentence. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* The unit itself, for its print callback; the archive's copy is not linked then. */
#include "../../../user/plane/bpflog.c"

static void say(enum libbpf_print_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void say(enum libbpf_print_level level, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	print(level, fmt, args);
	va_end(args);
}

static void warnings_are_kept_and_the_rest_is_not(void **state)
{
	bpflog_begin();
	assert_string_equal(bpflog_tail(100), "");
	say(LIBBPF_INFO, "chatter\n");
	say(LIBBPF_WARN, "one %d\n", 1);
	say(LIBBPF_WARN, "two\n");
	assert_string_equal(bpflog_tail(100), "one 1\ntwo");
	bpflog_begin();
	assert_string_equal(bpflog_tail(100), "");
}

static void a_long_log_keeps_its_end_from_the_start_of_a_line(void **state)
{
	const char *tail;
	int i;

	bpflog_begin();
	for (i = 0; i < 5000; i++)
		say(LIBBPF_WARN, "line %d\n", i);
	tail = bpflog_tail(25);
	assert_string_equal(tail, "line 4998\nline 4999");
}

static void one_warning_larger_than_the_room_keeps_its_end(void **state)
{
	bpflog_begin();
	say(LIBBPF_WARN, "first\n");
	say(LIBBPF_WARN, "%05000d\nlast\n", 0);
	assert_string_equal(bpflog_tail(10), "last");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(warnings_are_kept_and_the_rest_is_not),
		cmocka_unit_test(a_long_log_keeps_its_end_from_the_start_of_a_line),
		cmocka_unit_test(one_warning_larger_than_the_room_keeps_its_end),
	};

	return cmocka_run_group_tests_name("bpflog", tests, NULL, NULL);
}
