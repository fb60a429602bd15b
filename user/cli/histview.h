/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Histograms for a terminal and as JSON: times in few characters, colours, bars. Pure: writes where it
 * is told to. Not for: which histograms (cli/latencyview.h).
 */
#ifndef XMESH_CLI_HISTVIEW_H
#define XMESH_CLI_HISTVIEW_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "xmesh/latency.h"

#define HISTVIEW_TIME_MAX 16

/* "640ns", "83.0us", "1.25ms", "16.8s": three digits. Returns @buf. */
const char *histview_time(uint64_t ns, char buf[HISTVIEW_TIME_MAX]);
/* Of the 256 ANSI colours: green up to 100 us, red from 1 s, even steps on a log scale between. */
unsigned int histview_colour(uint64_t ns);
/* @text with @ns's colour around it when @colour, right-aligned in @width. */
void histview_cell(FILE *out, const char *text, int width, uint64_t ns, bool colour);
/*
 * One line a bucket from the first to the last that is not empty: bounds, count, cumulative share, and a
 * bar, so that nothing is wider than @columns (of at least 50). Nothing when it is empty.
 */
void histview_draw(FILE *out, const struct xm_hist *hist, int columns, bool colour);
/*
 * {"count", "sum_ns", "p50_ns", "p90_ns", "p99_ns" (null when empty), "buckets": [{"from_ns", "to_ns" (null:
 * no bound), "count"}]}, without empty buckets. A new reference.
 */
json_object *histview_json(const struct xm_hist *hist);

#endif
