/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which of a cluster's sources serves, by what each has said and when; with a clock of the test's own. */
#include "unit/core/rows.h"

#include <stdio.h>
#include <string.h>

#include "agent/sources.h"
#include "core/defs.h"

#define NOW 1000000u
#define STALE_AFTER 300000u

/*
 * A source by a letter: g good just now; o good long ago and failing since; q the same, but still well, so
 * that only 30 s have passed; b failing since a little after it was good; f failed at the start; s silent
 * since just now; z silent for 11 s; Z silent for longer than stale_after.
 */
static void say(struct source *source, char how, struct snapshot *snapshot)
{
	source->since_ms = how == 's' ? NOW - 1000 : how == 'z' ? NOW - 11000 : how == 'f' ? NOW - 100 : 1;
	source->answered = !strchr("szZ", how);
	if (strchr("obf", how))
		source->error = strdup("no");
	if (strchr("goqb", how))
		source->latest = snapshot;
	switch (how) {
	case 'g':
		source->good_ms = NOW;
		break;
	case 'o':
		source->good_ms = NOW - STALE_AFTER;
		break;
	case 'q':
		source->good_ms = NOW - 30000;
		break;
	case 'b':
		source->good_ms = NOW - 5000;
		break;
	}
}

struct row {
	const char *name, *sources;
	int before, after; /* -1 = none */
};

static const struct row rows[] = {
	{ "one that has not said anything", "s", -1, -1 },
	{ "one that is good", "g", -1, 0 },
	{ "one that is stale goes on", "o", 0, 0 },
	{ "the first of two good ones", "gg", -1, 0 },
	{ "the first takes over again", "gg", 1, 0 },
	{ "the second while the first is stale", "og", 0, 1 },
	{ "not for a first that failed a moment ago", "bg", 0, 0 },
	{ "a first that is quiet but well", "qg", 0, 0 },
	{ "at a start the second waits for the first", "sg", -1, -1 },
	{ "but not for one that has failed", "fg", -1, 1 },
	{ "nor for one that is silent for ten seconds", "zg", -1, 1 },
	{ "nor for one that never spoke", "Zg", -1, 1 },
	{ "the third after two that are stale", "oog", 1, 2 },
	{ "the first good one, not the last", "ogg", 2, 1 },
	{ "when all are stale the one that serves goes on", "oo", 1, 1 },
	{ "a second that is stale is passed over", "zog", -1, 2 },
	{ "a second that failed recently serves what it has", "ob", 0, 1 },
};

static void chooses(void **state)
{
	const struct row *row = *state;
	struct snapshot snapshot = { 0 };
	struct sources s = { .serving = row->before < 0 ? SOURCES_NONE : (size_t)row->before };
	bool changed;
	uv_loop_t loop;

	uv_loop_init(&loop);
	loop.time = NOW;
	s.loop = &loop;
	for (const char *at = row->sources; *at; at++) {
		s.v[s.n].owner = &s;
		say(&s.v[s.n++], *at, &snapshot);
	}
	changed = sources_choose(&s, STALE_AFTER);
	assert_int_equal(s.serving, row->after < 0 ? SOURCES_NONE : (size_t)row->after);
	assert_int_equal(changed, row->before != row->after);
	for (size_t i = 0; i < s.n; i++)
		free(s.v[i].error);
	uv_loop_close(&loop);
}

static void waits(void **state)
{
	struct snapshot snapshot = { 0 };
	struct sources s = { .n = 2, .serving = 0 };
	uv_loop_t loop;

	uv_loop_init(&loop);
	loop.time = NOW;
	s.loop = &loop;
	s.v[0].owner = s.v[1].owner = &s;
	say(&s.v[0], 'b', &snapshot);
	say(&s.v[1], 's', &snapshot);
	assert_int_equal(sources_next_ms(&s, STALE_AFTER), SOURCES_SILENT_MS - 1000);
	say(&s.v[1], 'g', &snapshot);
	assert_int_equal(sources_next_ms(&s, STALE_AFTER), STALE_AFTER - 5000);
	assert_int_equal(sources_next_ms(&s, UINT64_MAX), UINT64_MAX);
	/* Older than a limit is the cluster when all of them are. */
	assert_int_equal(sources_older_in_ms(&s, 100000), 100000);
	assert_false(sources_are_older(&s, 5000));
	s.n = 1;
	assert_true(sources_are_older(&s, 5000));
	assert_int_equal(sources_older_in_ms(&s, 5000), UINT64_MAX);
	/* One that is well is looked at every 30 s only. */
	free(take(s.v[0].error));
	assert_false(sources_are_older(&s, 5000));
	s.n = 0;
	assert_false(sources_are_older(&s, 0));
	assert_null(sources_main(&s));
	uv_loop_close(&loop);
}

int main(void)
{
	struct rows all = { 0 };

	ROWS_ADD_TABLE(&all, chooses, rows);
	rows_add(&all, "when time alone changes something", waits, NULL);
	return rows_run("sources", &all);
}
