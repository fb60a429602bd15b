/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Base64 both ways, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "core/defs.h"
#include "feed/kube_base64.h"

static void both_ways(void **state)
{
	static const char *const rows[][2] = { /* RFC 4648, 10 */
		{ "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" }, { "\xff\xfe\xfd", "//79" },
	};
	char *text, *data;
	size_t len;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(kube_base64_encode(rows[i][0], strlen(rows[i][0]), &text), 0);
		assert_string_equal(text, rows[i][1]);
		assert_int_equal(kube_base64_decode(text, strlen(text), &data, &len), 0);
		assert_int_equal(len, strlen(rows[i][0]));
		assert_string_equal(data, rows[i][0]);
		free(text);
		free(data);
	}
}

static void decodes(void **state)
{
	static const struct { const char *name, *text; const char *want; } rows[] = {
		{ "over lines", "Zm9v\nYmFy\r\n", "foobar" },
		{ "without padding", "Zm9vYg", "foob" },
		{ "a digit of no alphabet", "Zm9*", NULL },
		{ "URL alphabet", "_-79", NULL },
		{ "data behind padding", "Zg==Zg==", NULL },
		{ "too much padding", "Zg===", NULL },
		{ "padding alone", "=", NULL },
		{ "one digit over", "Zm9vY", NULL },
		{ "bits over", "Zh==", NULL },
	};
	char *data;
	size_t len;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int rc = kube_base64_decode(rows[i].text, strlen(rows[i].text), &data, &len);

		if (rc != (rows[i].want ? 0 : -EINVAL) || (!rc && strcmp(data, rows[i].want)))
			fail_msg("%s: %d", rows[i].name, rc);
		if (!rc)
			free(data);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ways),
		cmocka_unit_test(decodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
