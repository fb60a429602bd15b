/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Times in few characters, the scale of colours, and a small histogram to the last character. */
#include "../core/rows.h"

#include "cli/histview.h"
#include "core/defs.h"
#include "model/latency.h"

static const struct time_row { const char *name; uint64_t ns; const char *text; } times[] = {
	{ "nothing", 0, "0ns" },
	{ "below a microsecond", 999, "999ns" },
	{ "two decimals", 1234, "1.23us" },
	{ "one decimal", 83000, "83.0us" },
	{ "none", 640000, "640us" },
	{ "rounding up makes the next unit", 999600, "1.00ms" },
	{ "just not", 999400, "999us" },
	{ "rounding up takes a decimal away", 9996000, "10.0ms" },
	{ "seconds", 16777216000, "16.8s" },
};

static void time_text(void **state)
{
	const struct time_row *row = *state;
	char buf[HISTVIEW_TIME_MAX];

	assert_string_equal(histview_time(row->ns, buf), row->text);
}

static const struct colour_row { const char *name; uint64_t ns; unsigned int colour; } colours[] = {
	{ "green at the cool end", 0, 46 },
	{ "and up to it", 100000, 46 },
	{ "yellow in the middle of the scale", 10000000, 226 },
	{ "red at the hot end", 1000000000, 196 },
	{ "and beyond", 60000000000, 196 },
};

static void colour(void **state)
{
	const struct colour_row *row = *state;

	assert_int_equal(histview_colour(row->ns), row->colour);
}

static char *drawn(const struct xm_hist *hist, int columns, bool with_colour)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	histview_draw(out, hist, columns, with_colour);
	fclose(out);
	return text;
}

static void small_histogram(void **state)
{
	struct xm_hist hist = { 0 };
	char *text;

	for (int i = 0; i < 6; i++)
		hist_record(&hist, 1100000);
	for (int i = 0; i < 3; i++)
		hist_record(&hist, 1300000);
	hist_record(&hist, 1800000);
	text = drawn(&hist, 65, false);
	assert_string_equal(text,
		"       FROM         TO       COUNT    UP TO\n"
		"     1.02ms     1.28ms           6    60.0%  ####################\n"
		"     1.28ms     1.54ms           3    90.0%  ##########\n"
		"     1.54ms     1.79ms           0    90.0%\n"
		"     1.79ms     2.05ms           1   100.0%  ###\n");
	free(text);
}

static void ends_of_the_scale(void **state)
{
	struct xm_hist hist = { 0 };
	char *text;

	text = drawn(&hist, 80, false);
	assert_string_equal(text, "");
	free(text);
	hist_record(&hist, 10);
	text = drawn(&hist, 0, true);
	assert_string_equal(text, "       FROM         TO       COUNT    UP TO\n"
				  "          0     1.00us           1   100.0%  \033[38;5;46m#####\033[0m\n");
	free(text);
	memset(&hist, 0, sizeof(hist));
	hist_record(&hist, 20000000000);
	text = drawn(&hist, 50, false);
	assert_string_equal(text, "       FROM         TO       COUNT    UP TO\n"
				  "      16.8s          -           1   100.0%  #####\n");
	free(text);
}

static void as_json(void **state)
{
	struct xm_hist hist = { 0 };
	json_object *o;

	o = histview_json(&hist);
	assert_string_equal(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN),
			    "{\"count\":0,\"sum_ns\":0,\"p50_ns\":null,\"p90_ns\":null,\"p99_ns\":null,\"buckets\":[]}");
	json_object_put(o);
	hist_record(&hist, 20000000000);
	o = histview_json(&hist);
	assert_non_null(strstr(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN),
			       "\"buckets\":[{\"from_ns\":16777216000,\"to_ns\":null,\"count\":1}]"));
	json_object_put(o);
}

int main(void)
{
	static struct rows rows;

	ROWS_ADD_TABLE(&rows, time_text, times);
	ROWS_ADD_TABLE(&rows, colour, colours);
	rows_add(&rows, "a small histogram", small_histogram, NULL);
	rows_add(&rows, "the ends of the scale", ends_of_the_scale, NULL);
	rows_add(&rows, "as JSON", as_json, NULL);
	return rows_run("histview", &rows);
}
