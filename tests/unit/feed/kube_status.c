/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What servers say when they refuse, and what becomes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "core/defs.h"
#include "feed/kube_status.h"

static void reads(void **state)
{
	static const struct {
		const char *name, *text;
		int code;
		unsigned int retry;
		const char *reason, *message;
	} rows[] = {
		{ "a Status", "{\"kind\":\"Status\",\"message\":\"too old \\\"5\\\"\",\"reason\":\"Expired\",\"code\":410}",
		  410, 0, "Expired", "too old \"5\"" },
		{ "when to come again", "{\"code\":429,\"details\":{\"retryAfterSeconds\":7}}", 429, 7, "", "" },
		{ "not in a year", "{\"code\":429,\"details\":{\"retryAfterSeconds\":99999999}}", 429, 300, "", "" },
		{ "plain text", "404 page not found\n", 0, 0, "", "404 page not found" },
		{ "only its first line", "one\ntwo", 0, 0, "", "one" },
		{ "nothing for a terminal to obey", "a\x1b[31mb", 0, 0, "", "a?[31mb" },
		{ "a Status cut short", "{\"code\":41", 0, 0, "", "{\"code\":41" },
		{ "wrong types", "{\"code\":\"x\",\"message\":[1],\"reason\":{}}", 0, 0, "", "" },
		{ "nothing", "", 0, 0, "", "" },
	};
	struct kube_status status;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		kube_status_read(rows[i].text, strlen(rows[i].text), &status);
		if (status.code != rows[i].code || status.retry_after_s != rows[i].retry ||
		    strcmp(status.reason, rows[i].reason) || strcmp(status.message, rows[i].message))
			fail_msg("%s: %d, %u, \"%s\", \"%s\"", rows[i].name, status.code,
				 status.retry_after_s, status.reason, status.message);
	}
}

static void retry_after(void **state)
{
	static const struct { const char *line; unsigned int want; } rows[] = {
		{ "Retry-After: 3", 3 }, { "retry-after:12", 12 }, { "Retry-After: 999999999999", 300 },
		{ "Retry-After: Wed, 21 Oct 2026 07:28:00 GMT", 0 }, { "Content-Length: 3", 0 },
		{ "Retry-After:", 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (kube_status_retry_after(rows[i].line, strlen(rows[i].line)) != rows[i].want)
			fail_msg("%s", rows[i].line);
}

static void sentences(void **state)
{
	static const struct { int status, rc; const char *part; } rows[] = {
		{ 401, -EACCES, "make a new one" }, { 403, -EACCES, "get, list and watch on nodes" },
		{ 404, -ENOENT, "is it a Kubernetes API server?" }, { 429, -EBUSY, "too much to do" },
		{ 500, -EPROTO, "HTTP 500: words" },
	};
	struct kube_status said = { .message = "words" };
	struct err err;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(kube_status_sentence(&said, rows[i].status, "https://s", "nodes", &err),
				 rows[i].rc);
		if (!strstr(err.text, rows[i].part) || !strstr(err.text, "https://s"))
			fail_msg("%s", err.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads),
		cmocka_unit_test(retry_after),
		cmocka_unit_test(sentences),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
