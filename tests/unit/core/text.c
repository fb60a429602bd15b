/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Durations, numbers, near words, ages, DNS names. */
#include "unit/core/rows.h"

#include <errno.h>

#include "core/text.h"

#define A63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct duration_row {
	const char *name, *in;
	int rc;
	uint64_t ms;
	const char *says;
} duration_rows[] = {
	{ "duration: minutes", "5m", 0, 300000, NULL },
	{ "duration: seconds", "300s", 0, 300000, NULL },
	{ "duration: hours and minutes", "1h30m", 0, 5400000, NULL },
	{ "duration: milliseconds are no minutes", "250ms", 0, 250, NULL },
	{ "duration: days", "2d", 0, 172800000, NULL },
	{ "duration: none", "0s", 0, 0, NULL },
	{ "duration: never", "never", 0, UINT64_MAX, NULL },
	{ "duration: a number alone has no unit", "5", -EINVAL, 0, "as in 5m" },
	{ "duration: empty", "", -EINVAL, 0, "not a duration" },
	{ "duration: a unit alone", "m", -EINVAL, 0, "not a duration" },
	{ "duration: negative", "-5m", -EINVAL, 0, "\"-5m\"" },
	{ "duration: unknown unit", "5w", -EINVAL, 0, "not a duration" },
	{ "duration: a space", "5 m", -EINVAL, 0, "not a duration" },
	{ "duration: a fraction", "1.5h", -EINVAL, 0, "not a duration" },
	{ "duration: too long a number", "99999999999999999999s", -EINVAL, 0, "too long" },
	{ "duration: too long a product", "18446744073709551615s", -EINVAL, 0, "too long" },
	{ "duration: too long a sum", "18446744073709551614ms1s", -EINVAL, 0, "too long" },
	{ "duration: never cannot be written as a number", "18446744073709551615ms", -EINVAL, 0,
	  "write never" },
};

static void run_duration(void **state)
{
	const struct duration_row *row = *state;
	uint64_t ms = 77;
	struct err err;

	assert_int_equal(text_duration(row->in, &ms, &err), row->rc);
	assert_true(ms == (row->rc ? 77 : row->ms));
	if (row->rc)
		assert_non_null(strstr(err.text, row->says));
}

static const struct number_row {
	const char *name, *in;
	int64_t min, max;
	int rc;
	int64_t n;
	const char *says;
} number_rows[] = {
	{ "number: the least", "1", 1, 65535, 0, 1, NULL },
	{ "number: the most", "65535", 1, 65535, 0, 65535, NULL },
	{ "number: one less than the least", "0", 1, 65535, -ERANGE, 0, "1 to 65535" },
	{ "number: one more than the most", "65536", 1, 65535, -ERANGE, 0, "1 to 65535" },
	{ "number: negative", "-8492", 1, 65535, -ERANGE, 0, "-8492 is out of range" },
	{ "number: larger than 64 bits", "99999999999999999999", 1, 65535, -ERANGE, 0, "1 to" },
	{ "number: the smallest of all", "-9223372036854775808", INT64_MIN, INT64_MAX, 0,
	  INT64_MIN, NULL },
	{ "number: one below the smallest", "-9223372036854775809", INT64_MIN, INT64_MAX, -ERANGE,
	  0, "out of range" },
	{ "number: empty", "", 1, 2, -EINVAL, 0, "not a whole number" },
	{ "number: a minus alone", "-", 1, 2, -EINVAL, 0, "not a whole number" },
	{ "number: a plus", "+1", 1, 2, -EINVAL, 0, "not a whole number" },
	{ "number: hexadecimal", "0x10", 1, 99, -EINVAL, 0, "not a whole number" },
	{ "number: a fraction", "1.0", 1, 2, -EINVAL, 0, "not a whole number" },
	{ "number: text behind it", "1a", 1, 2, -EINVAL, 0, "\"1a\"" },
};

static void run_number(void **state)
{
	const struct number_row *row = *state;
	int64_t n = 77;
	struct err err;

	assert_int_equal(text_number(row->in, row->min, row->max, &n, &err), row->rc);
	assert_true(n == (row->rc ? 77 : row->n));
	if (row->rc)
		assert_non_null(strstr(err.text, row->says));
}

static const struct near_row {
	const char *name, *word, *nearest;
} near_rows[] = {
	{ "near: a letter is missing", "undrlay", "underlay" },
	{ "near: two letters swapped", "undrelay", "underlay" },
	{ "near: a letter too many", "podds", "pods" },
	{ "near: a dash for an underscore", "stale-after", "stale_after" },
	{ "near: the nearer of two", "peer", "peers" },
	{ "near: nothing like it", "frobnicate", NULL },
	{ "near: a short word does not become any other", "x", NULL },
	{ "near: empty", "", NULL },
	{ "near: longer than any word",
	  A63 A63 A63 A63, NULL },
};

static void run_near(void **state)
{
	static const char *const words[] = { "underlay", "pods",  "peers", "xdp",
					     "stale_after", "node", NULL };
	const struct near_row *row = *state;
	const char *nearest = text_nearest(row->word, words);

	if (!row->nearest)
		assert_null(nearest);
	else
		assert_string_equal(nearest, row->nearest);
}

static const struct age_row {
	const char *name;
	uint64_t seconds;
	const char *text;
} age_rows[] = {
	{ "age: now", 0, "0s" },
	{ "age: just below two minutes", 119, "119s" },
	{ "age: two minutes", 120, "2m" },
	{ "age: minutes and seconds", 184, "3m4s" },
	{ "age: minutes", 3600, "60m" },
	{ "age: three hours", 3 * 3600, "3h" },
	{ "age: hours and minutes", 3 * 3600 + 300, "3h5m" },
	{ "age: hours", 10 * 3600 + 300, "10h" },
	{ "age: days and hours", 50 * 3600, "2d2h" },
	{ "age: days", 100 * 86400, "100d" },
	{ "age: years", 3 * 365 * 86400ull + 86400, "3y1d" },
	{ "age: many years", 20 * 365 * 86400ull, "20y" },
};

static void run_age(void **state)
{
	const struct age_row *row = *state;
	char buf[32];

	assert_string_equal(text_age(row->seconds, buf, sizeof(buf)), row->text);
}

static const struct dns_row {
	const char *name, *text;
	size_t max;
	int dots, ok;
} dns_rows[] = {
	{ "dns: a label", "east-1", 63, 0, 1 },
	{ "dns: one letter", "e", 63, 0, 1 },
	{ "dns: 63 letters", A63, 63, 0, 1 },
	{ "dns: 64 letters", A63 "a", 63, 0, 0 },
	{ "dns: empty", "", 63, 0, 0 },
	{ "dns: upper case", "East", 63, 0, 0 },
	{ "dns: underscore", "east_1", 63, 0, 0 },
	{ "dns: a dash at the begin", "-east", 63, 0, 0 },
	{ "dns: a dash at the end", "east-", 63, 0, 0 },
	{ "dns: a dot in a label", "east.1", 63, 0, 0 },
	{ "dns: a subdomain", "ip-10-0-0-1.ec2.internal", 253, 1, 1 },
	{ "dns: an empty part", "a..b", 253, 1, 0 },
	{ "dns: a dot at the end", "a.b.", 253, 1, 0 },
	{ "dns: a dot at the begin", ".a", 253, 1, 0 },
	{ "dns: a dash before a dot", "a-.b", 253, 1, 0 },
	{ "dns: a dash behind a dot", "a.-b", 253, 1, 0 },
	{ "dns: 255 letters where 255 are allowed", A63 "." A63 "." A63 "." A63, 255, 1, 1 },
	{ "dns: 255 letters", A63 "." A63 "." A63 "." A63, 253, 1, 0 },
	{ "dns: UTF-8", "\xc3\xa9t\xc3\xa9", 63, 0, 0 },
};

static void run_dns(void **state)
{
	const struct dns_row *row = *state;

	assert_int_equal(text_is_dns1123(row->text, row->max, row->dots), row->ok);
}

int main(void)
{
	static struct rows rows;

	ROWS_ADD_TABLE(&rows, run_duration, duration_rows);
	ROWS_ADD_TABLE(&rows, run_number, number_rows);
	ROWS_ADD_TABLE(&rows, run_near, near_rows);
	ROWS_ADD_TABLE(&rows, run_age, age_rows);
	ROWS_ADD_TABLE(&rows, run_dns, dns_rows);
	return rows_run("text", &rows);
}
