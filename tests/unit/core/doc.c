/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Texts as trees: what both readers (doc_yaml.c, doc_json.c) make of good ones, and where they say
 * that a bad one is bad. Trees are compared in a short form, see show().
 */
#include "unit/core/rows.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "core/doc.h"

/* n: null, b: bool, i: int, f: float, s: string, [..] list, {..} map; documents by | */
static void show(FILE *out, const struct doc *d)
{
	switch (d->type) {
	case DOC_NULL:
		fprintf(out, "n");
		return;
	case DOC_BOOL:
		fprintf(out, "b%d", (int)d->integer);
		return;
	case DOC_INT:
		fprintf(out, "i%lld", (long long)d->integer);
		return;
	case DOC_FLOAT:
		fprintf(out, "f%s", d->text);
		return;
	case DOC_STRING:
		fprintf(out, "s%s", d->text);
		return;
	case DOC_LIST:
	case DOC_MAP:
		fputc(d->type == DOC_MAP ? '{' : '[', out);
		for (uint32_t i = 0; i < d->n; i++) {
			fputs(i ? "," : "", out);
			if (d->type == DOC_MAP)
				fprintf(out, "%s:", d->keys[i]);
			show(out, d->items[i]);
		}
		fputc(d->type == DOC_MAP ? '}' : ']', out);
		return;
	}
}

static char *show_set(const struct doc_set *set)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	for (size_t i = 0; i < set->n; i++) {
		fputs(i ? "|" : "", out);
		show(out, set->docs[i]);
	}
	fclose(out);
	return text;
}

static const struct good_row {
	const char *name, *in, *tree;
} good_rows[] = {
	{ "empty text: no documents", "", "" },
	{ "blanks and comments: no documents", " \n# x\n\n", "" },
	{ "empty documents are left out", "---\n---\na: 1\n---\n~\n...\n", "{a:i1}" },
	{ "documents in their order", "a: 1\n---\nb: 2\n---\n- c\n", "{a:i1}|{b:i2}|[sc]" },
	{ "block and flow", "a:\n- 1\n- {b: [x, y]}\nc: {}\nd: []\n", "{a:[i1,{b:[sx,sy]}],c:{},d:[]}" },
	{ "plain words of YAML 1.1 are strings", "- off\n- yes\n- n\n", "[soff,syes,sn]" },
	{ "booleans", "- true\n- True\n- FALSE\n", "[b1,b1,b0]" },
	{ "integers", "- 0\n- -7\n- +8\n- 010\n- 0x1f\n- 0o17\n", "[i0,i-7,i8,i10,i31,i15]" },
	{ "the edges of 64 bits", "- 9223372036854775807\n- 9223372036854775808\n",
	  "[i9223372036854775807,f9223372036854775808]" },
	{ "floats", "- 1.5\n- .5\n- 5.\n- 1e3\n- -.inf\n- .nan\n", "[f1.5,f.5,f5.,f1e3,f-.inf,f.nan]" },
	{ "what only begins like a number", "- 1.2.3\n- 1e\n- .\n- '-'\n- 10.1.0.0/24\n- 5m\n- 0x\n- 0xg\n",
	  "[s1.2.3,s1e,s.,s-,s10.1.0.0/24,s5m,s0x,s0xg]" },
	{ "quoted scalars are strings", "- \"1\"\n- 'true'\n- ''\n- \"\"\n", "[s1,strue,s,s]" },
	{ "tags of strings", "- !!str 1\n- ! true\n- !!int 3\n", "[s1,strue,i3]" },
	{ "block scalars", "a: |\n  x\n  y\nb: >\n  x\n  y\n", "{a:sx\ny\n,b:sx y\n}" },
	{ "nulls as values", "a:\nb: ~\nc: null\n", "{a:n,b:n,c:n}" },
	{ "an alias is the same node", "a: &x {b: [1]}\nc: *x\n", "{a:{b:[i1]},c:{b:[i1]}}" },
	{ "an anchor may be given again", "- &x 1\n- &x 2\n- *x\n", "[i1,i2,i2]" },
	{ "keys are taken as text", "1: a\ntrue: b\nnull: c\n", "{1:sa,true:sb,null:sc}" },
	{ "keys that differ in case differ", "a: 1\nA: 2\n", "{a:i1,A:i2}" },
	{ "the same key in different maps", "a: {b: 1}\nc: {b: 2}\n", "{a:{b:i1},c:{b:i2}}" },
	{ "a byte order mark", "\xef\xbb\xbf" "a: 1\n", "{a:i1}" },
	{ "a byte order mark before JSON", "\xef\xbb\xbf{\"a\":1}", "{a:i1}" },
	{ "carriage returns", "a: 1\r\nb: 2\r\n", "{a:i1,b:i2}" },
	{ "UTF-8", "a: \xc3\xa9\xf0\x9f\x98\x80\n", "{a:s\xc3\xa9\xf0\x9f\x98\x80}" },
	{ "flow YAML behind a document mark", "--- {a: 1}\n", "{a:i1}" },
	{ "JSON: all kinds", " {\"a\":[1,-2.5,1e9,true,false,null,\"x\",{},[]]}\n",
	  "{a:[i1,f-2.5,f1e9,b1,b0,n,sx,{},[]]}" },
	{ "JSON: escapes", "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u20ac\\ud83d\\ude00\"]",
	  "[s\"\\/\b\f\n\r\t\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80]" },
	{ "JSON: large integers", "[9223372036854775807,9223372036854775808,"
	  "100000000000000000000000000000000000000000]",
	  "[i9223372036854775807,f9223372036854775808,"
	  "f100000000000000000000000000000000000000000]" },
};

static void run_good(void **state)
{
	const struct good_row *row = *state;
	struct doc_set *set;
	struct err err = { .text = "" };
	char *tree;

	if (doc_parse(row->in, strlen(row->in), "f", &set, &err))
		fail_msg("%s", err.text);
	tree = show_set(set);
	assert_string_equal(tree, row->tree);
	free(tree);
	doc_set_free(set);
}

/* @says must stand in the sentence. @len 0 = that of the string. */
static const struct bad_row {
	const char *name, *in;
	size_t len;
	const char *says;
} bad_rows[] = {
	{ "a tab for indentation", "a:\n\t- b\n", 0, "f:2: not YAML: " },
	{ "a flow list that never ends", "a: [1, 2\n", 0, "not YAML" },
	{ "a quote that never ends", "a: 1\nb: \"x\n", 0, "f:3: not YAML" },
	{ "a key without a value", "a: 1\nb\n", 0, "not YAML" },
	{ "wrong indentation", "a: 1\n b: 2\n", 0, "f:2: not YAML" },
	{ "a key that stands twice", "a: 1\nb: 2\na: 3\n", 0,
	  "f:3: the key \"a\" stands twice, first in line 1" },
	{ "a key that stands twice, quoted", "a: 1\n\"a\": 3\n", 0, "f:2: the key \"a\"" },
	{ "an alias without an anchor", "a: *x\n", 0, "f:1: the alias *x has no anchor" },
	{ "an anchor of another document", "a: &x 1\n---\nb: *x\n", 0, "f:3: the alias *x" },
	{ "an alias that contains itself", "a: &x [1, *x]\n", 0, "would contain itself" },
	{ "an alias as a key", "- &x a\n- *x : 1\n", 0, "f:2: an alias as a key" },
	{ "a list as a key", "? [a]\n: 1\n", 0, "f:1: a list or map as a key" },
	{ "an anchor on a key", "&x a: 1\n", 0, "f:1: an anchor on a key" },
	{ "a merge key", "a: &x {b: 1}\nc:\n  <<: *x\n", 0, "f:3: merge keys" },
	{ "a foreign tag", "a: !!python/object x\n", 0, "f:1: the tag" },
	{ "a foreign tag of a map", "a: !foo {b: 1}\n", 0, "f:1: the tag \"!foo\"" },
	{ "a NUL", "a: 1\nb: \0x\n", 11, "f:2: a NUL character" },
	{ "a NUL by escape", "a: \"x\\0y\"\n", 0, "f:1: a NUL character in a value" },
	{ "a NUL by escape in a key", "\"x\\0y\": 1\n", 0, "f:1: a NUL character in a value" },
	{ "a control character", "a: 1\nb: \001\n", 0, "f:2: not YAML: control characters" },
	{ "a byte of Latin-1", "a: 1\nb: \xe9t\xe9\n", 0, "f:2: not UTF-8 text (byte 0xe9)" },
	{ "an overlong slash", "a: \xc0\xaf\n", 0, "f:1: not UTF-8" },
	{ "an overlong slash of three bytes", "a: \xe0\x80\xaf\n", 0, "f:1: not UTF-8" },
	{ "an overlong slash of four bytes", "a: \xf0\x80\x80\xaf\n", 0, "f:1: not UTF-8" },
	{ "a surrogate", "a: \xed\xa0\x80\n", 0, "f:1: not UTF-8" },
	{ "past the last code point", "a: \xf4\x90\x80\x80\n", 0, "f:1: not UTF-8" },
	{ "a character cut by the end", "a: \xe2\x82", 0, "f:1: not UTF-8" },
	{ "UTF-16", "\xff\xfe" "a\0:\0", 6, "f:1: not UTF-8 text (byte 0xff)" },
	{ "an ELF file", "\177ELF\2\1\1\0\0\0", 10, "is this a binary file?" },
	{ "JSON: cut", "{\"a\": [1,\n 2", 0, "f:2: not JSON: the text ends too early" },
	{ "JSON: cut in a string", "{\"a", 0, "ends too early" },
	{ "JSON: cut in an escape", "[\"\\", 0, "ends too early" },
	{ "JSON: cut behind a key", "{\"a\"", 0, "ends too early" },
	{ "JSON: cut behind a colon", "{\"a\":", 0, "ends too early" },
	{ "JSON: cut behind a comma", "[1,", 0, "ends too early" },
	{ "JSON: a comma too many", "{\n\"a\": 1,\n}", 0, "f:3: not JSON: expected a key" },
	{ "JSON: a comma too many in a list", "[1,]", 0, "expected a value" },
	{ "JSON: a comma missing", "[1 2]", 0, "expected , or ]" },
	{ "JSON: a comma missing in a map", "{\"a\":1 \"b\":2}", 0, "expected , or }" },
	{ "JSON: a colon missing", "{\"a\" 1}", 0, "expected a colon" },
	{ "JSON: a key without quotes, with a hint for YAML", "{a: 1}", 0, "YAML file with ---" },
	{ "JSON: the wrong bracket", "[1}", 0, "expected , or ]" },
	{ "JSON: a second document", "{}\n{}", 0, "f:2: not JSON: text behind the end" },
	{ "JSON: a key that stands twice", "{\"a\": 1,\n\"b\": 1,\n\"a\": 2}", 0,
	  "f:3: the key \"a\" stands twice, first in line 1" },
	{ "JSON: the same key by escape", "{\"a\": 1, \"\\u0061\": 2}", 0, "stands twice" },
	{ "JSON: an unknown word", "[nul]", 0, "expected a value" },
	{ "JSON: Python's words", "[None]", 0, "expected a value" },
	{ "JSON: a comment", "[1, // x\n2]", 0, "expected a value" },
	{ "JSON: a zero in front", "[01]", 0, "malformed number" },
	{ "JSON: a minus alone", "[-]", 0, "malformed number" },
	{ "JSON: a plus", "[+1]", 0, "expected a value" },
	{ "JSON: a point without digits", "[1.]", 0, "malformed number" },
	{ "JSON: an exponent without digits", "[1e+]", 0, "malformed number" },
	{ "JSON: a line break in a string", "[\"a\nb\"]", 0, "f:1: not JSON: a control character" },
	{ "JSON: an unknown escape", "[\"\\x41\"]", 0, "unknown escape" },
	{ "JSON: a short escape", "[\"\\u12g4\"]", 0, "four hexadecimal digits" },
	{ "JSON: a NUL by escape", "[\"a\\u0000b\"]", 0, "a NUL character in a value" },
	{ "JSON: a high surrogate alone", "[\"\\ud83d\"]", 0, "surrogate" },
	{ "JSON: a low surrogate alone", "[\"\\ude00\"]", 0, "surrogate" },
	{ "JSON: two high surrogates", "[\"\\ud83d\\ud83d\"]", 0, "surrogate" },
};

static void run_bad(void **state)
{
	const struct bad_row *row = *state;
	struct doc_set *set = NULL;
	size_t len = row->len ? row->len : strlen(row->in);
	/* On the heap and no byte longer, so that ASan sees a read past the end. */
	char *copy = malloc(len);
	struct err err = { .text = "" };

	memcpy(copy, row->in, len);
	assert_int_equal(doc_parse(copy, len, "f", &set, &err), -EINVAL);
	assert_null(set);
	if (!strstr(err.text, row->says))
		fail_msg("\"%s\" does not say \"%s\"", err.text, row->says);
	free(copy);
}

static int parse(const char *text, struct err *err)
{
	struct doc_set *set;
	int rc = doc_parse(text, strlen(text), "f", &set, err);

	if (!rc)
		doc_set_free(set);
	return rc;
}

/* @depth lists in each other, with @open and @close around each level. */
static char *nest(unsigned int depth, const char *begin, char open, char close)
{
	size_t len = strlen(begin);
	char *text = calloc(1, len + 2 * depth + 1);

	memcpy(text, begin, len);
	memset(text + len, open, depth);
	memset(text + len + depth, close, depth);
	return text;
}

static void depth_64_is_read_and_65_refused(void **state)
{
	static const char *const begins[] = { "", "--- " };

	for (size_t i = 0; i < 2; i++) {
		char *fits = nest(DOC_MAX_DEPTH, begins[i], '[', ']');
		char *deeper = nest(DOC_MAX_DEPTH + 1, begins[i], '[', ']');
		char *abyss = nest(1000000, begins[i], '[', ']');
		struct err err = { .text = "" };

		assert_int_equal(parse(fits, &err), 0);
		assert_int_equal(parse(deeper, &err), -EINVAL);
		assert_string_equal(err.text, "f:1: nested deeper than 64 levels");
		assert_int_equal(parse(abyss, &err), -EINVAL);
		free(fits);
		free(deeper);
		free(abyss);
	}
}

static void depth_counts_through_aliases(void **state)
{
	char text[4096] = "a0: &a0 [1]\n";
	struct err err;

	/* Each anchor is one level deeper: a63 has 64 levels, and the map around it is one more. */
	for (int i = 1; i < 63; i++)
		sprintf(text + strlen(text), "a%d: &a%d [*a%d]\n", i, i, i - 1);
	assert_int_equal(parse(text, NULL), 0);
	strcat(text, "b: [*a62]\n");
	assert_int_equal(parse(text, &err), -EINVAL);
	assert_string_equal(err.text, "f:64: nested deeper than 64 levels, aliases expanded");
}

/* Nine times nine times nine ...: 9^7 values and their lists are 5 million, 9^8 are 48. */
static void a_bomb_of_aliases_is_refused_by_what_it_would_be(void **state)
{
	char text[4096] = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
	struct err err;

	for (int i = 1; i < 8; i++) {
		if (i == 7)
			assert_int_equal(parse(text, NULL), 0);
		sprintf(text + strlen(text), "a%d: &a%d [", i, i);
		for (int k = 0; k < 9; k++)
			sprintf(text + strlen(text), "%s*a%d", k ? "," : "", i - 1);
		strcat(text, "]\n");
	}
	assert_int_equal(parse(text, &err), -EINVAL);
	assert_string_equal(err.text, "f:8: more than 16777216 values, aliases expanded: "
				      "split the file");
}

static void aliases_share_their_node(void **state)
{
	const char *text = "a: &x {b: 1}\nc: *x\n";
	struct doc_set *set;

	assert_int_equal(doc_parse(text, strlen(text), "f", &set, NULL), 0);
	assert_ptr_equal(doc_get(set->docs[0], "a"), doc_get(set->docs[0], "c"));
	doc_set_free(set);
}

static void more_than_1024_anchors_are_refused(void **state)
{
	char *text = calloc(1, 64 * 1024), *end = text;
	struct err err;

	for (int i = 0; i < 1024; i++)
		end += sprintf(end, "- &a%d 1\n", i);
	assert_int_equal(parse(text, NULL), 0);
	sprintf(end, "- &b 1\n");
	assert_int_equal(parse(text, &err), -EINVAL);
	assert_string_equal(err.text, "f:1025: more than 1024 anchors");
	free(text);
}

static void a_scalar_may_have_one_mebibyte_and_no_more(void **state)
{
	static const char *const forms[][2] = { { "k: ", "" }, { "k: \"", "\"" }, { "[\"", "\"]" },
						{ "{\"", "\": 1}" } };

	for (size_t i = 0; i < 4; i++) {
		for (size_t more = 0; more < 2; more++) {
			size_t head = strlen(forms[i][0]), body = DOC_MAX_SCALAR + more;
			char *text = calloc(1, head + body + 8);
			struct err err = { .text = "" };

			memcpy(text, forms[i][0], head);
			memset(text + head, 'x', body);
			strcpy(text + head + body, forms[i][1]);
			assert_int_equal(parse(text, &err), more ? -EINVAL : 0);
			if (more)
				assert_non_null(strstr(err.text, "1048576"));
			free(text);
		}
	}
}

static void a_line_of_ten_megabytes_is_refused(void **state)
{
	size_t len = 10 * 1000 * 1000;
	char *text = malloc(len + 1);
	struct err err;

	memset(text, 'x', len);
	text[len] = '\0';
	memcpy(text, "a: ", 3);
	assert_int_equal(parse(text, &err), -EINVAL);
	assert_memory_equal(err.text, "f:1: ", 5);
	memcpy(text, "[\"x", 3);
	assert_int_equal(parse(text, &err), -EINVAL);
	assert_memory_equal(err.text, "f:1: ", 5);
	free(text);
}

static void a_map_of_many_keys_is_checked_for_doubles_in_no_time(void **state)
{
	const int n = 200000;
	char *text = malloc((size_t)n * 16 + 64), *end = text;
	clock_t begin = clock();
	struct err err;

	*end++ = '{';
	for (int i = 0; i < n; i++)
		end += sprintf(end, "\"k%d\":1,\n", i);
	strcpy(end, "\"k7\":1}");
	assert_int_equal(parse(text, &err), -EINVAL);
	assert_string_equal(err.text, "f:200001: the key \"k7\" stands twice, first in line 8");
	/* Comparing each with each would be 20 000 000 000 comparisons. */
	assert_true((clock() - begin) / CLOCKS_PER_SEC < 20);
	free(text);
}

static void lines_are_those_of_the_text(void **state)
{
	const char *yaml = "# head\na: 1\nb:\n  - x\n  - c: y\n---\nd: 2\n";
	const char *json = "{\n\"a\":\n1}";
	const struct doc *b;
	struct doc_set *set;

	assert_int_equal(doc_parse(yaml, strlen(yaml), "f", &set, NULL), 0);
	assert_int_equal(set->docs[0]->line, 2);
	b = doc_get(set->docs[0], "b");
	assert_int_equal(set->docs[0]->key_lines[1], 3);
	assert_int_equal(b->items[0]->line, 4);
	assert_int_equal(doc_get(b->items[1], "c")->line, 5);
	assert_int_equal(set->docs[1]->line, 7);
	doc_set_free(set);

	assert_int_equal(doc_parse(json, strlen(json), "f", &set, NULL), 0);
	assert_int_equal(set->docs[0]->line, 0);
	assert_int_equal(set->docs[0]->key_lines[0], 0);
	assert_int_equal(doc_get(set->docs[0], "a")->line, 0);
	doc_set_free(set);
}

static void walking_forgives_what_is_not_there(void **state)
{
	const char *yaml = "m: {n: {o: x}}\ni: 5\nf: 1.5\nb: true\nz: ~\nl: [1]\n";
	const struct doc *d;
	struct doc_set *set;

	assert_int_equal(doc_parse(yaml, strlen(yaml), "f", &set, NULL), 0);
	d = set->docs[0];
	assert_string_equal(doc_text(doc_path(d, "m", "n", "o", NULL)), "x");
	assert_null(doc_path(d, "m", "x", "o", NULL));
	assert_null(doc_path(d, "i", "x", NULL));
	assert_null(doc_path(NULL, "m", NULL));
	assert_ptr_equal(doc_path(d, NULL), d);
	assert_null(doc_get(d, "M"));
	assert_null(doc_get(doc_get(d, "l"), "1"));
	assert_string_equal(doc_text(doc_get(d, "i")), "5");
	assert_string_equal(doc_text(doc_get(d, "f")), "1.5");
	assert_null(doc_text(doc_get(d, "b")));
	assert_null(doc_text(doc_get(d, "z")));
	assert_null(doc_text(doc_get(d, "l")));
	assert_null(doc_text(NULL));
	assert_true(doc_is_null(NULL));
	assert_true(doc_is_null(doc_get(d, "z")));
	assert_false(doc_is_null(doc_get(d, "i")));
	doc_set_free(set);
}

/* Every cut of a text is read or refused, without a bad access. */
static void any_cut_of_a_text_is_harmless(void **state)
{
	static const char *const texts[] = {
		"a: &x [1, \"\xc3\xa9\", {b: 'c'}]\nd: *x\ne: |\n  x\n---\n- !!str 5\n",
		"{\"a\": [1.5e3, \"\\ud83d\\ude00\", true, null], \"b\": {\"c\": -7}}",
	};

	for (size_t i = 0; i < 2; i++) {
		for (size_t len = 0; len <= strlen(texts[i]); len++) {
			char *copy = malloc(len + 1);
			struct doc_set *set;
			struct err err;

			memcpy(copy, texts[i], len);
			copy[len] = '\0';
			if (!doc_parse(copy, len, "f", &set, &err))
				doc_set_free(set);
			else
				assert_memory_equal(err.text, "f:", 2);
			free(copy);
		}
	}
}

int main(void)
{
	static struct rows rows;

	ROWS_ADD_TABLE(&rows, run_good, good_rows);
	ROWS_ADD_TABLE(&rows, run_bad, bad_rows);
	ROWS_ADD_TEST(&rows, depth_64_is_read_and_65_refused);
	ROWS_ADD_TEST(&rows, depth_counts_through_aliases);
	ROWS_ADD_TEST(&rows, a_bomb_of_aliases_is_refused_by_what_it_would_be);
	ROWS_ADD_TEST(&rows, aliases_share_their_node);
	ROWS_ADD_TEST(&rows, more_than_1024_anchors_are_refused);
	ROWS_ADD_TEST(&rows, a_scalar_may_have_one_mebibyte_and_no_more);
	ROWS_ADD_TEST(&rows, a_line_of_ten_megabytes_is_refused);
	ROWS_ADD_TEST(&rows, a_map_of_many_keys_is_checked_for_doubles_in_no_time);
	ROWS_ADD_TEST(&rows, lines_are_those_of_the_text);
	ROWS_ADD_TEST(&rows, walking_forgives_what_is_not_there);
	ROWS_ADD_TEST(&rows, any_cut_of_a_text_is_harmless);
	return rows_run("doc", &rows);
}
