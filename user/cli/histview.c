/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Histograms drawn: one bar a bucket, and what a time looks like in few characters. */
#include "cli/histview.h"

#include "core/defs.h"
#include "model/latency.h"

#define COOL_NS 100000u
#define HOT_NS 1000000000u
/* What a line has before its bar. */
#define BEFORE_BAR 43
#define MIN_BAR 5

/* The edge of the colour cube from green over yellow to red. */
static const unsigned char colours[] = { 46, 82, 118, 154, 190, 226, 220, 214, 208, 202, 196 };

const char *histview_time(uint64_t ns, char buf[HISTVIEW_TIME_MAX])
{
	static const struct { uint64_t unit_ns; const char *text; } units[] = {
		{ 1000, "us" }, { 1000000, "ms" }, { 1000000000, "s" },
	};
	size_t i = 0;
	int digits;
	double v;

	if (ns < 1000) {
		snprintf(buf, HISTVIEW_TIME_MAX, "%uns", (unsigned int)ns);
		return buf;
	}
	/* 999.5 of a unit would be printed as 1000 of it. */
	while (i + 1 < ARRAY_SIZE(units) && ns >= units[i].unit_ns * 9995 / 10)
		i++;
	v = (double)ns / units[i].unit_ns;
	digits = v < 9.995 ? 2 : v < 99.95 ? 1 : 0;
	snprintf(buf, HISTVIEW_TIME_MAX, "%.*f%s", digits, v, units[i].text);
	return buf;
}

unsigned int histview_colour(uint64_t ns)
{
	/* Buckets are a log scale already. */
	const uint32_t cool = xm_hist_bucket(COOL_NS), hot = xm_hist_bucket(HOT_NS), at = xm_hist_bucket(ns);

	if (at <= cool)
		return colours[0];
	if (at >= hot)
		return colours[ARRAY_SIZE(colours) - 1];
	return colours[((at - cool) * (ARRAY_SIZE(colours) - 1) + (hot - cool) / 2) / (hot - cool)];
}

void histview_cell(FILE *out, const char *text, int width, uint64_t ns, bool colour)
{
	if (colour)
		fprintf(out, "\033[38;5;%um%*s\033[0m", histview_colour(ns), width, text);
	else
		fprintf(out, "%*s", width, text);
}

static void bar(FILE *out, uint64_t count, uint64_t most, int width, uint64_t ns, bool colour)
{
	/* What is there at all is seen. */
	int n = MAX((int)((double)count / most * width + 0.5), count ? 1 : 0);

	if (!n)
		return;
	fputs("  ", out);
	if (colour)
		fprintf(out, "\033[38;5;%um", histview_colour(ns));
	while (n--)
		fputc('#', out);
	if (colour)
		fputs("\033[0m", out);
}

void histview_draw(FILE *out, const struct xm_hist *hist, int columns, bool colour)
{
	const uint64_t all = hist_count(hist);
	const int width = MAX(columns - BEFORE_BAR - 2, MIN_BAR);
	unsigned int first = 0, last = XM_HIST_BUCKETS - 1;
	uint64_t most = 0, sum = 0;

	if (!all)
		return;
	while (!hist->buckets[first])
		first++;
	while (!hist->buckets[last])
		last--;
	for (unsigned int i = first; i <= last; i++)
		most = MAX(most, hist->buckets[i]);
	fprintf(out, "  %9s  %9s  %10s  %7s\n", "FROM", "TO", "COUNT", "UP TO");
	for (unsigned int i = first; i <= last; i++) {
		char from[HISTVIEW_TIME_MAX], to[HISTVIEW_TIME_MAX];

		sum += hist->buckets[i];
		fprintf(out, "  %9s  %9s  %10llu  %6.1f%%", i ? histview_time(hist_bound(i), from) : "0",
			i + 1 < XM_HIST_BUCKETS ? histview_time(hist_bound(i + 1), to) : "-",
			(unsigned long long)hist->buckets[i], 100.0 * sum / all);
		bar(out, hist->buckets[i], most, width, hist_bound(i), colour);
		fputc('\n', out);
	}
}

static json_object *quantile(const struct xm_hist *hist, unsigned int permille, uint64_t count)
{
	return count ? json_object_new_uint64(hist_quantile(hist, permille)) : NULL;
}

json_object *histview_json(const struct xm_hist *hist)
{
	json_object *o = json_object_new_object(), *buckets = json_object_new_array();
	const uint64_t count = hist_count(hist);

	json_object_object_add(o, "count", json_object_new_uint64(count));
	json_object_object_add(o, "sum_ns", json_object_new_uint64(hist->sum_ns));
	json_object_object_add(o, "p50_ns", quantile(hist, 500, count));
	json_object_object_add(o, "p90_ns", quantile(hist, 900, count));
	json_object_object_add(o, "p99_ns", quantile(hist, 990, count));
	for (unsigned int i = 0; i < XM_HIST_BUCKETS; i++) {
		json_object *b;

		if (!hist->buckets[i])
			continue;
		b = json_object_new_object();
		json_object_object_add(b, "from_ns", json_object_new_uint64(hist_bound(i)));
		json_object_object_add(b, "to_ns", i + 1 < XM_HIST_BUCKETS ?
							   json_object_new_uint64(hist_bound(i + 1)) : NULL);
		json_object_object_add(b, "count", json_object_new_uint64(hist->buckets[i]));
		json_object_array_add(buckets, b);
	}
	json_object_object_add(o, "buckets", buckets);
	return o;
}
