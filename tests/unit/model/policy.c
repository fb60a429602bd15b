/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Lists of clusters in annotations: what is taken, what is refused with which sentence, and back. */
#include "../core/rows.h"

#include <errno.h>
#include <stdio.h>

#include "core/defs.h"
#include "model/policy.h"

static const struct row {
	const char *name, *text;
	const char *back; /* as it is written again; NULL = refused */
	const char *says;
} prefers[] = {
	{ "one name", "local", "local", NULL },
	{ "the order is kept", "west,local,*", "west,local,*", NULL },
	{ "blanks around names do not count", " west ,\tlocal , * ", "west,local,*", NULL },
	{ "an empty text is an empty list", "", "", NULL },
	{ "so are blanks", " \t", "", NULL },
	{ "an empty name", "west,,local", NULL, "a name between commas is empty" },
	{ "a comma at the end", "west,", NULL, "a name between commas is empty" },
	{ "a name that is none", "We st", NULL, "\"We st\" is no cluster's name" },
	{ "a star that is part of a name", "w*", NULL, "\"w*\" is no cluster's name" },
	{ "one twice", "west,local,west", NULL, "\"west\" is in it twice" },
	{ "all twice", "*,*", NULL, "\"*\" is in it twice" },
	{ "63 bytes are a name", "a23456789012345678901234567890123456789012345678901234567890123",
	  "a23456789012345678901234567890123456789012345678901234567890123", NULL },
	{ "64 are none", "a234567890123456789012345678901234567890123456789012345678901234", NULL,
	  "is no cluster's name" },
}, weights[] = {
	{ "one weight", "east=1", "east=1", NULL },
	{ "zero drains", "east=90,west=0", "east=90,west=0", NULL },
	{ "blanks around names and numbers", " east = 90 , west=10 ", "east=90,west=10", NULL },
	{ "an empty text", "", "", NULL },
	{ "the most", "east=1000000", "east=1000000", NULL },
	{ "one more than the most", "east=1000001", NULL, "1000000" },
	{ "below zero", "east=-1", NULL, "-1" },
	{ "no number", "east", NULL, "\"east\" has no weight: write east=NUMBER" },
	{ "an empty number", "east=", NULL, "" },
	{ "a fraction", "east=0.5", NULL, "0.5" },
	{ "no name", "=1", NULL, "a name between commas is empty" },
	{ "a star is no cluster", "*=1", NULL, "\"*\" is no cluster's name" },
	{ "one twice", "east=1,west=2,east=3", NULL, "\"east\" is in it twice" },
};

static int parse(bool numbers, const char *text, struct service_object *s, struct err *err)
{
	return numbers ? policy_parse_weights(text, &s->weights, &s->n_weights, err) :
			 policy_parse_prefer(text, &s->prefer, &s->n_prefer, err);
}

static void format(bool numbers, const struct service_object *s, char *buf, size_t size)
{
	if (numbers)
		policy_format_weights(s, buf, size);
	else
		policy_format_prefer(s, buf, size);
}

static void check(const struct row *row, bool numbers)
{
	struct service_object s = { .n_prefer = 77, .n_weights = 77 };
	struct err err = { .text = "" };
	char buf[128];
	int rc = parse(numbers, row->text, &s, &err);

	if (!row->back) {
		assert_int_equal(rc, -EINVAL);
		if (!err.text[0] || !strstr(err.text, row->says))
			fail_msg("%s: says \"%s\"", row->name, err.text);
		/* Outputs are untouched. */
		assert_null(s.prefer);
		assert_null(s.weights);
		assert_int_equal(s.n_prefer, 77);
		assert_int_equal(s.n_weights, 77);
		return;
	}
	assert_int_equal(rc, 0);
	format(numbers, &s, buf, sizeof(buf));
	assert_string_equal(buf, row->back);
	free(s.prefer);
	free(s.weights);
}

static void prefer(void **state)
{
	check(*state, false);
}

static void weight(void **state)
{
	check(*state, true);
}

static void limit(bool numbers)
{
	for (int n = SNAPSHOT_MAX_TIERS; n <= SNAPSHOT_MAX_TIERS + 1; n++) {
		struct service_object s = {};
		struct err err = { .text = "" };
		char text[2048] = "", buf[16];

		for (int i = 0; i < n; i++)
			sprintf(text + strlen(text), "%sc%d%s", i ? "," : "", i, numbers ? "=7" : "");
		if (n > SNAPSHOT_MAX_TIERS) {
			assert_int_equal(parse(numbers, text, &s, &err), -EINVAL);
			assert_string_equal(err.text, "more than 64 names");
			continue;
		}
		assert_int_equal(parse(numbers, text, &s, &err), 0);
		assert_int_equal(numbers ? s.n_weights : s.n_prefer, n);
		/* What does not fit says so. */
		format(numbers, &s, buf, sizeof(buf));
		assert_int_equal(strlen(buf), sizeof(buf) - 1);
		assert_string_equal(buf + sizeof(buf) - 4, "...");
		free(s.prefer);
		free(s.weights);
	}
}

static void limits(void **state)
{
	limit(false);
	limit(true);
}

static void nearest(void **state)
{
	struct weight_object in[64], *out;
	char buf[128];
	size_t n;

	assert_false(policy_is_nearest("east=90"));
	for (size_t i = 0; i < ARRAY_SIZE(in); i++) {
		snprintf(in[i].cluster, sizeof(in[i].cluster), "cluster%zu", i);
		in[i].weight = i + 1;
	}
	policy_format_nearest(in, 3, buf, sizeof(buf));
	assert_string_equal(buf, "nearest: cluster2=3,cluster1=2,cluster0=1");
	assert_true(policy_is_nearest(buf));
	assert_int_equal(policy_parse_nearest(buf, &out, &n), 0);
	assert_int_equal(n, 3);
	assert_string_equal(out[0].cluster, "cluster2");
	assert_int_equal(out[0].weight, 3);
	free(out);
	policy_format_nearest(in, 0, buf, sizeof(buf));
	assert_true(policy_is_nearest(buf));
	assert_int_equal(policy_parse_nearest(buf, &out, &n), 0);
	assert_int_equal(n, 0);
	free(out);
	/* What was cut is left out, whole, wherever the cut is. */
	for (size_t size = 32; size < sizeof(buf); size++) {
		policy_format_nearest(in, ARRAY_SIZE(in), buf, size);
		assert_string_equal(buf + size - 4, "...");
		assert_int_equal(policy_parse_nearest(buf, &out, &n), 0);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(out[i].weight, 64 - i);
		free(out);
	}
}

int main(void)
{
	struct rows rows = { 0 };

	ROWS_ADD_TABLE(&rows, prefer, prefers);
	ROWS_ADD_TABLE(&rows, weight, weights);
	rows_add(&rows, "64 names and not 65, and a text that is cut says so", limits, NULL);
	rows_add(&rows, "weights of nearest, and what is left of them when cut", nearest, NULL);
	return rows_run("policy", &rows);
}
