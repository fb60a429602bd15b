/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The ring: numbers, what is newer than a number, and what is lost when it is full. */
#include "../core/rows.h"

#include <stdio.h>

#include "agent/events.h"
#include "core/defs.h"

static uint64_t number(const json_object *o, const char *key)
{
	json_object *value;

	assert_true(json_object_object_get_ex(o, key, &value));
	return json_object_get_uint64(value);
}

static const struct since_row { const char *name; size_t added; uint64_t since, n, first, lost; } sinces[] = {
	{ "nothing happened", 0, 0, 0, 0, 0 },
	{ "all of a few", 3, 0, 3, 1, 0 },
	{ "the newest alone", 3, 2, 1, 3, 0 },
	{ "nothing newer", 3, 3, 0, 0, 0 },
	{ "a number of another agent", 3, 900, 0, 0, 0 },
	{ "the ring is just full", EVENTS_MAX, 0, EVENTS_MAX, 1, 0 },
	{ "what fell out is counted", EVENTS_MAX + 5, 2, EVENTS_MAX, 6, 3 },
	{ "who has kept up lost nothing", EVENTS_MAX + 5, EVENTS_MAX + 4, 1, EVENTS_MAX + 5, 0 },
};

static void since(void **state)
{
	const struct since_row *row = *state;
	struct events *events = calloc(1, sizeof(*events));
	json_object *o, *list;

	for (size_t i = 0; i < row->added; i++)
		events_add(events, EVENTS_NODE_DOWN, "west", "event %zu", i + 1);
	o = events_json(events, row->since);
	assert_true(json_object_object_get_ex(o, "events", &list));
	assert_int_equal(json_object_array_length(list), row->n);
	assert_int_equal(number(o, "last"), row->added);
	assert_int_equal(number(o, "lost"), row->lost);
	if (row->n) {
		json_object *first = json_object_array_get_idx(list, 0), *text;
		char want[32];

		assert_int_equal(number(first, "seq"), row->first);
		snprintf(want, sizeof(want), "event %u", (unsigned int)row->first);
		assert_true(json_object_object_get_ex(first, "text", &text));
		assert_string_equal(json_object_get_string(text), want);
	}
	json_object_put(o);
	free(events);
}

static void a_long_text_is_cut(void **state)
{
	struct events *events = calloc(1, sizeof(*events));
	json_object *o, *list, *text, *cluster;

	events_add(events, EVENTS_TURN_FAILED, NULL, "%0300d", 1);
	o = events_json(events, 0);
	assert_true(json_object_object_get_ex(o, "events", &list));
	list = json_object_array_get_idx(list, 0);
	assert_true(json_object_object_get_ex(list, "text", &text));
	assert_int_equal(json_object_get_string_len(text), EVENTS_TEXT_MAX - 1);
	assert_true(json_object_object_get_ex(list, "cluster", &cluster));
	assert_null(cluster);
	json_object_put(o);
	free(events);
}

int main(void)
{
	struct rows rows = { 0 };

	ROWS_ADD_TABLE(&rows, since, sinces);
	ROWS_ADD_TEST(&rows, a_long_text_is_cut);
	return rows_run("events", &rows);
}
