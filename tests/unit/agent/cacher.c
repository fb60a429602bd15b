/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* When the cache is written: at once, then not for a while, and what waits at the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/cacher.h"
#include "core/defs.h"

struct world {
	char dir[64];
	uv_loop_t loop;
	uv_timer_t deadline;
	struct cacher *cacher;
	int code;
	char revision[72];
	bool done;
};

static struct snapshot *make(const char *revision)
{
	struct snapshot *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	snprintf(s->revision, sizeof(s->revision), "%s", revision);
	snapshot_finish(s);
	return s;
}

static void put(struct world *w, const char *name, uint16_t id, const char *revision)
{
	struct snapshot *s = make(revision);

	cacher_put(w->cacher, name, id, s);
	/* It is held as long as it is needed. */
	snapshot_free(s);
}

/* "" = there is none. */
static const char *on_disk(struct world *w, const char *name, uint16_t id)
{
	struct snapshot *s;
	time_t time_s;

	w->revision[0] = '\0';
	if (!cache_read(w->dir, name, id, &time_s, &s, NULL)) {
		strcpy(w->revision, s->revision);
		snapshot_free(s);
	}
	return w->revision;
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	strcpy(w->dir, "/tmp/xmesh-cacher-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	uv_loop_init(&w->loop);
	assert_int_equal(cacher_new(&w->loop, w->dir, &w->cacher), 0);
	*state = w;
	return 0;
}

static void end(struct world *w)
{
	cacher_close(w->cacher);
	w->cacher = NULL;
	while (uv_run(&w->loop, UV_RUN_DEFAULT))
		;
}

static int teardown(void **state)
{
	struct world *w = *state;
	char command[128];

	end(w);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	snprintf(command, sizeof(command), "rm -rf %s", w->dir);
	assert_int_equal(system(command), 0);
	free(w);
	return 0;
}

static void wait_for(struct world *w, const char *name, uint16_t id, const char *revision)
{
	uint64_t until_ns = uv_hrtime() + 5000000000u;

	while (strcmp(on_disk(w, name, id), revision) && uv_hrtime() < until_ns)
		uv_run(&w->loop, UV_RUN_NOWAIT);
	assert_string_equal(w->revision, revision);
	/* And its work is over. */
	while (uv_hrtime() < until_ns && uv_run(&w->loop, UV_RUN_NOWAIT))
		if (!uv_loop_alive(&w->loop))
			break;
}

static void paced(void **state)
{
	struct world *w = *state;

	put(w, "west", 2, "1");
	wait_for(w, "west", 2, "1");
	put(w, "west", 2, "2");
	put(w, "west", 2, "3");
	put(w, "north", 3, "4");
	for (int i = 0; i < 100 && strcmp(on_disk(w, "north", 3), "4"); i++)
		uv_run(&w->loop, UV_RUN_ONCE);
	/* Another cluster does not wait for it. */
	assert_string_equal(on_disk(w, "north", 3), "4");
	assert_string_equal(on_disk(w, "west", 2), "1");
	end(w);
	assert_string_equal(on_disk(w, "west", 2), "3");
}

static void forgotten(void **state)
{
	struct world *w = *state;

	put(w, "west", 2, "1");
	/* While it is written. */
	cacher_forget(w->cacher, "west");
	put(w, "north", 3, "2");
	wait_for(w, "north", 3, "2");
	assert_string_equal(on_disk(w, "west", 2), "");
	put(w, "west", 2, "1");
	end(w);
	assert_string_equal(on_disk(w, "west", 2), "1");
}

static void on_read(void *user, uint16_t id, int code, struct snapshot *snapshot, time_t time_s, const struct err *err)
{
	struct world *w = user;

	assert_int_equal(id, 2);
	w->code = code;
	snprintf(w->revision, sizeof(w->revision), "%.71s", snapshot ? snapshot->revision : err->text);
	snapshot_free(snapshot);
	w->done = true;
}

static void reads(void **state)
{
	struct world *w = *state;

	put(w, "west", 2, "1");
	wait_for(w, "west", 2, "1");
	assert_int_equal(cacher_read(w->cacher, "west", 2, on_read, w), 0);
	assert_false(w->done);
	while (!w->done)
		uv_run(&w->loop, UV_RUN_ONCE);
	assert_int_equal(w->code, 0);
	assert_string_equal(w->revision, "1");
	w->done = false;
	assert_int_equal(cacher_read(w->cacher, "north", 2, on_read, w), 0);
	while (!w->done)
		uv_run(&w->loop, UV_RUN_ONCE);
	assert_int_equal(w->code, -ENOENT);
	/* Nobody is called who has gone. */
	w->done = false;
	assert_int_equal(cacher_read(w->cacher, "west", 2, on_read, w), 0);
	end(w);
	assert_false(w->done);
}

int main(void)
{
#define TEST(name, fn) { name, fn, setup, teardown, NULL }
	const struct CMUnitTest tests[] = {
		TEST("the first is written at once, then the newest after a pause or at the end", paced),
		TEST("what is forgotten is gone, also while it is written", forgotten),
		TEST("a file is read in the worker pool, and nobody is called after the end", reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
