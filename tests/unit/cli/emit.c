/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The same calls for people and for programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "cli/emit.h"
#include "core/defs.h"

static void everything(struct emit *emit)
{
	static const struct emit_column columns[] = {
		{ "name", "NAME", false }, { "number", "NUMBER", true }, { "id", NULL, false }, { "age_s", "AGE", true },
	};
	const char *const list[] = { "one", "two" };

	emit_text(emit, "title", "Title", "a\033[1mb");
	emit_text(emit, "nothing", "Nothing", NULL);
	emit_number(emit, "hidden", NULL, 7);
	emit_object(emit, "inner", NULL);
	emit_bool(emit, "yes", "Yes", true);
	emit_object_end(emit);
	emit_array(emit, "items");
	emit_object(emit, NULL, "First");
	emit_number(emit, "age_s", "Age", 5);
	emit_object_end(emit);
	emit_array_end(emit);
	emit_table(emit, "rows", "Rows", columns, ARRAY_SIZE(columns), "none");
	emit_row(emit);
	emit_cell_text(emit, "x");
	emit_cell_number(emit, 12);
	emit_cell_bool(emit, false);
	emit_cell_age(emit, 5);
	emit_table_end(emit);
	emit_table(emit, "empty", "Empty", columns, ARRAY_SIZE(columns), "none");
	emit_table_end(emit);
	emit_list(emit, "list", "List", list, ARRAY_SIZE(list), NULL);
	emit_list(emit, "no_list", "No list", NULL, 0, NULL);
}

static char *run(bool json)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	struct emit *emit;

	assert_int_equal(emit_new(json, out, &emit), 0);
	everything(emit);
	assert_int_equal(emit_free(emit), 0);
	fclose(out);
	return text;
}

static void people(void **state)
{
	static const char want[] = "Title:             a?[1mb\n"
				   "Nothing:           -\n"
				   "Yes:               yes\n"
				   "\nFirst\n"
				   "Age:               5\n"
				   "\nRows\n"
				   "NAME  NUMBER  AGE\n"
				   "x         12   5s\n"
				   "\nEmpty\n  none\n"
				   "\nList\n  one\n  two\n";
	auto_free char *text = run(false);

	assert_string_equal(text, want);
}

static void programs(void **state)
{
	static const char want[] =
		"{\"title\":\"a\\u001b[1mb\",\"nothing\":null,\"hidden\":7,\"inner\":{\"yes\":true},"
		"\"items\":[{\"age_s\":5}],"
		"\"rows\":[{\"name\":\"x\",\"number\":12,\"id\":false,\"age_s\":5}],\"empty\":[],"
		"\"list\":[\"one\",\"two\"],\"no_list\":[]}";
	auto_free char *text = run(true);
	json_object *document = json_tokener_parse(text);

	assert_non_null(document);
	assert_string_equal(json_object_to_json_string_ext(document, JSON_C_TO_STRING_PLAIN), want);
	json_object_put(document);
}

static void dropped(void **state)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	struct emit *emit;

	assert_int_equal(emit_new(true, out, &emit), 0);
	everything(emit);
	emit_drop(emit);
	fclose(out);
	assert_int_equal(size, 0);
	free(text);
}

static void full(void **state)
{
	FILE *out = fopen("/dev/full", "w");
	struct emit *emit;

	assert_non_null(out);
	assert_int_equal(emit_new(true, out, &emit), 0);
	everything(emit);
	assert_true(emit_free(emit) < 0);
	fclose(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{ "people get fields, tables and lists, without control characters", people, NULL, NULL, NULL },
		{ "programs get one document with every key", programs, NULL, NULL, NULL },
		{ "a command that fails leaves stdout empty", dropped, NULL, NULL, NULL },
		{ "a full disk is noticed", full, NULL, NULL, NULL },
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
