/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Members of objects, whole and cut short. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "core/defs.h"
#include "feed/kube_json.h"

struct row {
	const char *name, *object, *key, *want; /* want NULL = none */
};

static const struct row rows[] = {
	{ "a string", "{\"a\":\"x\"}", "a", "\"x\"" },
	{ "the second member", "{\"a\":1,\"b\":2}", "b", "2" },
	{ "white space anywhere", "{ \"a\" : 1 ,\n \"b\" : [ 1 , 2 ] }", "b", "[ 1 , 2 ]" },
	{ "a scalar ends at its brace", "{\"a\":true}", "a", "true" },
	{ "braces in a string are text", "{\"x\":\"}{\\\"\",\"a\":3}", "a", "3" },
	{ "a key inside of another object is not ours", "{\"x\":{\"a\":1},\"a\":2}", "a", "2" },
	{ "a key as a value is no key", "{\"x\":\"a\",\"b\":1}", "a", NULL },
	{ "an empty object", "{}", "a", NULL },
	{ "no object", "[\"a\"]", "a", NULL },
	{ "cut in a value: what is there", "{\"a\":{\"b\":1", "a", "{\"b\":1" },
	{ "cut before a value", "{\"a\":", "a", "" },
	{ "cut in a key", "{\"a", "a", NULL },
};

static void gets(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		/* At the end of its allocation, so that a byte too far is seen. */
		size_t len = strlen(rows[i].object);
		char *text = malloc(len);
		struct kube_span got;

		memcpy(text, rows[i].object, len);
		got = kube_get((struct kube_span){ text, len }, rows[i].key);
		if (rows[i].want ? !kube_span_is(got, rows[i].want) : got.text != NULL)
			fail_msg("%s: got %.*s", rows[i].name, (int)got.len, got.text ? got.text : "");
		free(text);
	}
}

static void strings(void **state)
{
	assert_true(kube_span_is(kube_string((struct kube_span){ "\"ab\"", 4 }), "ab"));
	assert_null(kube_string((struct kube_span){ "\"a\\n\"", 5 }).text);
	assert_null(kube_string((struct kube_span){ "12", 2 }).text);
	assert_null(kube_string((struct kube_span){ "\"", 1 }).text);
	assert_null(kube_string((struct kube_span){ NULL, 0 }).text);
}

static void texts(void **state)
{
	struct kube_text text = { .limit = 10 };

	assert_int_equal(kube_text_add(&text, "123456", 6), 0);
	assert_false(text.cut);
	assert_int_equal(kube_text_add(&text, "7890ab", 6), 0);
	assert_true(text.cut);
	assert_string_equal(text.text, "1234567890");
	kube_text_clear(&text);
	assert_int_equal(kube_text_add(&text, "x", 1), 0);
	assert_string_equal(text.text, "x");
	assert_false(text.cut);
	kube_text_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gets),
		cmocka_unit_test(strings),
		cmocka_unit_test(texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
