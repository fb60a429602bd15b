/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A dir feed on a real loop, what it called back, and waiting for that with a deadline. */
#ifndef TESTS_FEED_LOOP_H
#define TESTS_FEED_LOOP_H

#include <stdbool.h>
#include <time.h>

#include "core/defs.h"
#include "feed/feed.h"
#include "tempdir.h"

#define SOON_MS 1000      /* what is promised */
#define PATIENCE_MS 15000 /* where nothing is promised */

struct seen {
	uv_loop_t loop;
	uv_timer_t tick;
	struct feed *feed;
	unsigned int snapshots, errors, unchanged;
	unsigned int nodes; /* of the last snapshot */
	char zone[64], revision[72], error[ERR_TEXT_MAX];
	uint64_t seen_ns;
	bool mixed, close_in_callback;
};

static inline void on_snapshot(void *user, struct snapshot *s)
{
	struct seen *seen = user;

	seen->snapshots++;
	seen->nodes = (unsigned int)s->n_nodes;
	seen->seen_ns = s->seen_ns;
	strcpy(seen->revision, s->revision);
	strcpy(seen->zone, s->n_nodes ? s->nodes[0].zone : "");
	for (size_t i = 0; i < s->n_nodes; i++)
		seen->mixed |= strcmp(s->nodes[i].zone, seen->zone) != 0;
	snapshot_free(s);
	if (seen->close_in_callback)
		feed_close(seen->feed);
}

static inline void on_error(void *user, const struct err *err)
{
	struct seen *seen = user;

	seen->errors++;
	strcpy(seen->error, err->text);
}

static inline void on_unchanged(void *user)
{
	((struct seen *)user)->unchanged++;
}

static inline void on_tick(uv_timer_t *timer)
{
}

static inline void begin(struct seen *seen, const char *path)
{
	const struct feed_callbacks callbacks = {
		.snapshot = on_snapshot, .error = on_error, .unchanged = on_unchanged, .user = seen,
	};
	struct err err = {};

	memset(seen, 0, sizeof(*seen));
	assert_int_equal(uv_loop_init(&seen->loop), 0);
	uv_timer_init(&seen->loop, &seen->tick);
	uv_timer_start(&seen->tick, on_tick, 10, 10);
	if (feed_dir_new(&seen->loop, path, &callbacks, &seen->feed, &err))
		fail_msg("%s", err.text);
}

/* Runs the loop dry: whatever is left open, or is called back after the close, shows. */
static inline void end(struct seen *seen)
{
	unsigned int before;

	if (!seen->close_in_callback)
		feed_close(seen->feed);
	before = seen->snapshots + seen->errors + seen->unchanged;
	uv_close((uv_handle_t *)&seen->tick, NULL);
	uv_run(&seen->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&seen->loop), 0);
	assert_int_equal(seen->snapshots + seen->errors + seen->unchanged, before);
	assert_false(seen->mixed);
}

static inline uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

#define WAIT(seen, condition, max_ms)                                                              \
	do {                                                                                       \
		uint64_t until_ = now_ms() + (max_ms);                                             \
		while (!(condition) && now_ms() < until_)                                          \
			uv_run(&(seen)->loop, UV_RUN_ONCE);                                        \
		if (!(condition))                                                                  \
			fail_msg("not within %d ms: %s (snapshots %u, errors %u, unchanged %u, "  \
				 "zone %s, revision %s, error: %s)", (int)(max_ms), #condition,    \
				 (seen)->snapshots, (seen)->errors, (seen)->unchanged,             \
				 (seen)->zone, (seen)->revision, (seen)->error);                   \
	} while (0)

/* Nothing may come of what was done; the feed would act within QUIET_MAX_MS if it acted at all. */
static inline void nothing_comes(struct seen *seen, int ms)
{
	unsigned int snapshots = seen->snapshots, errors = seen->errors;
	uint64_t until = now_ms() + (uint64_t)ms;

	while (now_ms() < until)
		uv_run(&seen->loop, UV_RUN_ONCE);
	assert_int_equal(seen->snapshots, snapshots);
	assert_int_equal(seen->errors, errors);
}

#endif
