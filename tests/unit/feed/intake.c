/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* When an intake makes a snapshot, what it says of it, and what it does under pressure. */
#include "../core/rows.h"

#include <stdio.h>
#include <time.h>
#include <uv.h>

#include "core/defs.h"
#include "feed/intake.h"

#define DEADLINE_MS 10000

struct scene {
	uv_loop_t loop;
	uv_timer_t deadline;
	struct intake *intake;
	struct snapshot *last;
	size_t snapshots, unchanged, readies;
	uint64_t last_ns;
	bool close_in_callback;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void on_snapshot(void *user, struct snapshot *snapshot)
{
	struct scene *w = user;

	snapshot_free(w->last);
	w->last = snapshot;
	w->last_ns = now_ns();
	w->snapshots++;
	if (w->close_in_callback)
		intake_close(take(w->intake));
}

static void on_unchanged(void *user)
{
	((struct scene *)user)->unchanged++;
}

static void on_ready(void *user)
{
	((struct scene *)user)->readies++;
}

static void on_deadline(uv_timer_t *timer)
{
	fail_msg("nothing came of it in time");
}

static void open_scene(struct scene *w)
{
	struct intake_setup setup = {
		.loop = &w->loop, .decode = store_decode_object, .ready = on_ready, .user = w,
		.callbacks = { .snapshot = on_snapshot, .unchanged = on_unchanged, .user = w },
	};

	*w = (struct scene){};
	assert_int_equal(uv_loop_init(&w->loop), 0);
	uv_timer_init(&w->loop, &w->deadline);
	uv_unref((uv_handle_t *)&w->deadline);
	assert_int_equal(intake_new(&setup, &w->intake), 0);
}

static void close_scene(struct scene *w)
{
	intake_close(w->intake);
	uv_close((uv_handle_t *)&w->deadline, NULL);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	snapshot_free(w->last);
}

/* Until so many were told. The deadline keeps the loop alive, and ends the test. */
static void run_until(struct scene *w, const size_t *count, size_t n)
{
	uv_timer_start(&w->deadline, on_deadline, DEADLINE_MS, 0);
	uv_ref((uv_handle_t *)&w->deadline);
	while (*count < n)
		uv_run(&w->loop, UV_RUN_ONCE);
	uv_unref((uv_handle_t *)&w->deadline);
	uv_timer_stop(&w->deadline);
}

/* All that was queued is worked off, and nothing more will come of it. */
static void settle(struct scene *w)
{
	uv_run(&w->loop, UV_RUN_DEFAULT);
}

static bool put(struct scene *w, const char *key, const char *value, uint64_t seen_ns)
{
	return intake_put(w->intake, key, strlen(key), value, strlen(value), seen_ns);
}

static bool put_node(struct scene *w, int i, int third, uint64_t seen_ns)
{
	char key[64], value[256];

	snprintf(key, sizeof(key), "/n/%d", i);
	snprintf(value, sizeof(value),
		 "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"n%d\"},"
		 "\"spec\":{\"podCIDR\":\"10.%d.%d.0/24\"},\"status\":{\"addresses\":"
		 "[{\"type\":\"InternalIP\",\"address\":\"192.0.2.%d\"}]}}", i, third, i, i);
	return put(w, key, value, seen_ns);
}

/* A list of two nodes, told. */
static void begin(struct scene *w)
{
	intake_list_begin(w->intake, "/n/");
	put_node(w, 1, 1, 0);
	put_node(w, 2, 1, 0);
	intake_list_end(w->intake, "/n/");
	intake_complete(w->intake, "rev:1");
	run_until(w, &w->snapshots, 1);
}

static void nothing_is_told_before_all_is_there(void **state)
{
	struct scene w;

	open_scene(&w);
	intake_list_begin(w.intake, "/n/");
	put_node(&w, 1, 1, 0);
	settle(&w);
	intake_list_end(w.intake, "/n/");
	settle(&w);
	assert_int_equal(w.snapshots + w.unchanged, 0);
	intake_complete(w.intake, "rev:7");
	run_until(&w, &w.snapshots, 1);
	assert_int_equal(w.last->n_nodes, 1);
	assert_string_equal(w.last->revision, "rev:7");
	assert_int_equal(w.last->seen_ns, 0);
	settle(&w);
	assert_int_equal(w.snapshots, 1);
	close_scene(&w);
}

static void a_change_is_told_with_the_oldest_time_in_it(void **state)
{
	struct scene w;

	open_scene(&w);
	begin(&w);
	put_node(&w, 3, 1, 5000);
	put_node(&w, 4, 1, 4000);
	put_node(&w, 1, 1, 1); /* as it was: no change */
	intake_delete(w.intake, "/n/2", 4, 6000);
	settle(&w);
	assert_int_equal(w.snapshots, 2);
	assert_int_equal(w.last->n_nodes, 3);
	assert_int_equal(w.last->seen_ns, 4000);
	close_scene(&w);
}

static void what_is_equal_is_unchanged_and_not_told_twice(void **state)
{
	struct scene w;

	open_scene(&w);
	begin(&w);
	/* Another text of the same object. */
	put(&w, "/n/1", "{\"kind\":\"Node\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"n1\"},"
			"\"spec\":{\"podCIDR\":\"10.1.1.0/24\"},\"status\":{\"addresses\":"
			"[{\"type\":\"InternalIP\",\"address\":\"192.0.2.1\"}]}}", 9);
	run_until(&w, &w.unchanged, 1);
	intake_complete(w.intake, "rev:9");
	run_until(&w, &w.unchanged, 2);
	settle(&w);
	assert_int_equal(w.snapshots, 1);
	assert_int_equal(w.unchanged, 2);
	close_scene(&w);
}

static void a_list_sweeps_and_holds_snapshots_back(void **state)
{
	struct scene w;

	open_scene(&w);
	begin(&w);
	intake_list_begin(w.intake, "/n/");
	put_node(&w, 3, 1, 0);
	settle(&w);
	assert_int_equal(w.snapshots, 1);
	intake_list_end(w.intake, "/n/");
	settle(&w);
	assert_int_equal(w.snapshots, 2);
	assert_int_equal(w.last->n_nodes, 1);
	assert_string_equal(w.last->nodes[0].name, "n3");
	close_scene(&w);
}

static void a_list_that_is_given_up_sweeps_nothing(void **state)
{
	struct scene w;

	open_scene(&w);
	begin(&w);
	intake_list_begin(w.intake, "/n/");
	put_node(&w, 3, 1, 0);
	intake_list_abort(w.intake, "/n/");
	intake_list_end(w.intake, "/n/");
	settle(&w);
	assert_int_equal(w.snapshots, 2);
	assert_int_equal(w.last->n_nodes, 3);
	close_scene(&w);
}

static void a_bad_value_and_one_too_large_are_named(void **state)
{
	auto_free char *large = calloc(1, INTAKE_MAX_VALUE + 1);
	struct scene w;

	open_scene(&w);
	begin(&w);
	put(&w, "/n/1", "{", 3);
	intake_put(w.intake, "/n/2", 4, large, INTAKE_MAX_VALUE + 1, 3);
	settle(&w);
	assert_int_equal(w.snapshots, 2);
	assert_int_equal(w.last->n_nodes, 2);
	assert_int_equal(w.last->counts.bad, 2);
	assert_int_equal(w.last->n_warnings, 2);
	assert_non_null(strstr(w.last->warnings[0], "/n/1: "));
	assert_non_null(strstr(w.last->warnings[1], "/n/2: a value of more than 4194304 bytes"));
	close_scene(&w);
}

static void a_full_queue_asks_for_a_pause_and_says_when_it_is_over(void **state)
{
	size_t size = 1024 * 1024, n = 0;
	auto_free char *large = calloc(1, size);
	struct scene w;

	open_scene(&w);
	begin(&w);
	memset(large, ' ', size);
	while (intake_put(w.intake, "/n/1", 4, large, size, 0))
		n++;
	assert_in_range(n, 14, 16);
	assert_false(put_node(&w, 3, 1, 0));
	assert_int_equal(w.readies, 0);
	run_until(&w, &w.readies, 1);
	assert_true(put_node(&w, 4, 1, 0));
	settle(&w);
	assert_int_equal(w.readies, 1);
	assert_int_equal(w.last->n_nodes, 4);
	close_scene(&w);
}

/* A batch is no more than a megabyte: order and completeness do not depend on where it is cut. */
static void what_is_cut_into_batches_is_whole(void **state)
{
	size_t size = 300 * 1024;
	auto_free char *large = calloc(1, size);
	struct scene w;
	int n;

	open_scene(&w);
	intake_list_begin(w.intake, "");
	for (int i = 0; i < 20; i++) {
		memset(large, ' ', size);
		n = snprintf(large, size, "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":"
					  "\"n%d\"},\"spec\":{\"podCIDR\":\"10.%d.0.0/24\"}}", i, i);
		large[n] = ' ';
		intake_put(w.intake, large + size - 1 - (i & 7), 1 + (i & 7), large, size, 0);
		intake_put(w.intake, "x", 1, large, size, 0);
	}
	intake_list_end(w.intake, "");
	intake_complete(w.intake, "r");
	settle(&w);
	assert_int_equal(w.snapshots, 1);
	/* Eight keys of blanks, and "x", which holds what the last of them does. */
	assert_int_equal(w.last->counts.items, 9);
	assert_int_equal(w.last->n_nodes, 8);
	assert_string_equal(w.last->revision, "r");
	close_scene(&w);
}

/* Many changes make few snapshots: those that come while one is made or paid for go together. */
static void changes_in_a_row_go_together(void **state)
{
	struct scene w;

	open_scene(&w);
	begin(&w);
	for (int i = 0; i < 2000; i++) {
		put_node(&w, 1, i % 200, now_ns());
		uv_run(&w.loop, UV_RUN_NOWAIT);
	}
	settle(&w);
	assert_in_range(w.snapshots, 2, 1000);
	assert_int_equal(w.last->nodes[0].cidrs[0].addr.b[13], 1999 % 200);
	close_scene(&w);
}

static void it_may_be_closed_at_any_time(void **state)
{
	struct scene w;

	for (int rounds = 0; rounds < 20; rounds++) {
		open_scene(&w);
		intake_list_begin(w.intake, "");
		for (int i = 0; i < 200; i++)
			put_node(&w, i, 1, 0);
		intake_list_end(w.intake, "");
		intake_complete(w.intake, "rev:1");
		for (int i = 0; i < rounds % 4; i++)
			uv_run(&w.loop, UV_RUN_NOWAIT);
		close_scene(&w);
	}
	open_scene(&w);
	w.close_in_callback = true;
	begin(&w);
	assert_null(w.intake);
	close_scene(&w);
}

int main(void)
{
	struct rows rows = { 0 };

	ROWS_ADD_TEST(&rows, nothing_is_told_before_all_is_there);
	ROWS_ADD_TEST(&rows, a_change_is_told_with_the_oldest_time_in_it);
	ROWS_ADD_TEST(&rows, what_is_equal_is_unchanged_and_not_told_twice);
	ROWS_ADD_TEST(&rows, a_list_sweeps_and_holds_snapshots_back);
	ROWS_ADD_TEST(&rows, a_list_that_is_given_up_sweeps_nothing);
	ROWS_ADD_TEST(&rows, a_bad_value_and_one_too_large_are_named);
	ROWS_ADD_TEST(&rows, a_full_queue_asks_for_a_pause_and_says_when_it_is_over);
	ROWS_ADD_TEST(&rows, what_is_cut_into_batches_is_whole);
	ROWS_ADD_TEST(&rows, changes_in_a_row_go_together);
	ROWS_ADD_TEST(&rows, it_may_be_closed_at_any_time);
	return rows_run("intake", &rows);
}
