/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Publishers on a small etcd of the test's own, which keeps what must always hold: where .complete lies,
 * everything that is wanted lies too, and all under one lease. A real one: tests/e2e/publish.sh.
 */
#include "unit/core/rows.h"

#include <errno.h>
#include <stdio.h>

#include "agent/publisher.h"
#include "core/defs.h"
#include "feed/encode.h"
#include "unit/agent/small_etcd.h"

#define PATIENCE_MS 10000

/* ---- publishers ---- */

int encode_snapshot(const struct snapshot *snapshot, enum encode_what what, encode_fn each, void *user)
{
	for (size_t i = 0; objects[i]; i++) {
		char kind[64], *space, *name, *value;
		int rc;

		strcpy(kind, objects[i]);
		value = strchr(kind, '=');
		*value++ = '\0';
		space = strchr(kind, '/');
		*space++ = '\0';
		name = strchr(space, '/');
		if (name)
			*name++ = '\0';
		rc = each(user, kind, name ? space : "", name ?: space, value, strlen(value));
		if (rc)
			return rc;
	}
	return 0;
}

static const char *const shop[] = { "nodes/e1=1", "nodes/e2=1", "services/shop/web=1",
				    "endpointslices/shop/web-a=1", NULL };
static const char *const less[] = { "nodes/e1=1", "services/shop/web=2", "endpointslices/shop/web-a=1", NULL };

static uv_loop_t loop;

struct seen {
	struct publisher *publisher;
	unsigned int completes, failures, stopped;
};

static void on_complete(void *user)
{
	((struct seen *)user)->completes++;
}

static void on_failed(void *user, const struct err *err)
{
	((struct seen *)user)->failures++;
	assert_memory_equal(err->text, "publishing to https://a:1/x: ", 29);
}

static void on_stopped(void *user)
{
	((struct seen *)user)->stopped++;
}

static void begin(struct seen *seen)
{
	static char *endpoints[] = { "https://a:1" };
	static const struct config_etcd config = { .endpoints = endpoints, .n_endpoints = 1, .prefix = "/x" };
	const struct publisher_callbacks callbacks = { on_complete, on_failed, on_stopped, seen };

	*seen = (struct seen){ 0 };
	/* A second, so that looks and keeping come three times in it. */
	assert_int_equal(publisher_new(&loop, &config, 1, &callbacks, &seen->publisher), 0);
}

static void want(struct seen *seen, const char *const *list)
{
	struct publish_wanted *wanted;

	objects = list;
	assert_int_equal(publish_wanted_new(NULL, &wanted), 0);
	publisher_want(seen->publisher, wanted);
	publish_wanted_free(wanted);
}

static void on_patience(uv_timer_t *timer)
{
	fail_msg("nothing came of it: %s", log_text);
}

/* Until @cond holds. */
#define RUN_UNTIL(cond)                                                                            \
	do {                                                                                       \
		uv_timer_t patience;                                                               \
		uv_timer_init(&loop, &patience);                                                   \
		uv_timer_start(&patience, on_patience, PATIENCE_MS, 0);                            \
		while (!(cond))                                                                    \
			uv_run(&loop, UV_RUN_ONCE);                                                \
		uv_close((uv_handle_t *)&patience, NULL);                                          \
		uv_run(&loop, UV_RUN_NOWAIT);                                                      \
	} while (0)

static int set_up(void **state)
{
	uv_loop_init(&loop);
	n_store = n_txns = n_ops = n_keeps = 0;
	fail_txns = mute_txns = 0;
	revision = 7;
	next_lease = 0;
	memset(leases, 0, sizeof(leases));
	cluster_id = 1;
	*log_text = '\0';
	objects = shop;
	return 0;
}

static void end(struct seen *seen, bool revoke)
{
	publisher_stop(seen->publisher, revoke);
	RUN_UNTIL(seen->stopped);
}

static int tear_down(void **state)
{
	return uv_loop_close(&loop);
}

static void complete_is_put_last_and_nothing_before_it_is_wanted(void **state)
{
	struct seen a;

	begin(&a);
	uv_run(&loop, UV_RUN_ONCE);
	assert_int_equal(n_txns, 0);
	want(&a, shop);
	RUN_UNTIL(a.completes);
	assert_string_equal(log_text, "-.complete +.publisher; +nodes/e1 +nodes/e2 "
			    "+endpointslices/shop/web-a +services/shop/web; +.complete; ");
	assert_int_equal(n_store, 6);
	end(&a, true);
}

static void a_change_is_one_small_transaction(void **state)
{
	struct seen a;

	begin(&a);
	want(&a, shop);
	RUN_UNTIL(a.completes == 1);
	*log_text = '\0';
	want(&a, less);
	RUN_UNTIL(a.completes == 2);
	assert_string_equal(log_text, "+services/shop/web -nodes/e2; ");
	assert_string_equal(find("/x/services/shop/web")->value, "2");
	end(&a, true);
}

static void the_end_takes_all_back_or_leaves_it(void **state)
{
	struct seen a;

	begin(&a);
	want(&a, shop);
	RUN_UNTIL(a.completes);
	end(&a, false);
	assert_int_equal(n_store, 6);
	begin(&a);
	want(&a, shop);
	RUN_UNTIL(a.completes);
	end(&a, true);
	assert_int_equal(n_store, 0);
}

static void what_an_earlier_one_left_is_swept_and_the_rest_is_not(void **state)
{
	struct seen a;

	put("/x/nodes/old", "1", 0);
	put("/x/services/shop/old", "1", 60);
	put("/x/nodes/e1", "0", 60);
	put("/x/.complete", "then", 60);
	put("/x/configmaps/a/b", "1", 0);
	put("/y/nodes/e9", "1", 0);
	put("/x", "1", 0);
	/* What was wanted by that one. */
	objects = (const char *const[]){ "nodes/e1=0", NULL };
	begin(&a);
	want(&a, shop);
	RUN_UNTIL(a.completes);
	assert_null(find("/x/nodes/old"));
	assert_null(find("/x/services/shop/old"));
	assert_string_equal(find("/x/nodes/e1")->value, "1");
	assert_non_null(find("/x/configmaps/a/b"));
	assert_non_null(find("/y/nodes/e9"));
	assert_non_null(find("/x"));
	assert_memory_equal(log_text, "-.complete ", 11);
	end(&a, true);
}

static void a_lost_lease_publishes_everything_again(void **state)
{
	struct seen a;

	begin(&a);
	want(&a, shop);
	RUN_UNTIL(a.completes == 1);
	end_lease(1);
	assert_int_equal(n_store, 0);
	RUN_UNTIL(a.completes == 2);
	assert_int_equal(n_store, 6);
	assert_int_equal(find("/x/.complete")->lease, 2);
	end(&a, true);
}

static void a_wiped_store_is_filled_again(void **state)
{
	struct seen a;

	begin(&a);
	want(&a, shop);
	RUN_UNTIL(a.completes == 1);
	n_store = 0;
	cluster_id = 2;
	revision = 1;
	leases[1] = 0;
	RUN_UNTIL(a.completes == 2);
	assert_int_equal(n_store, 6);
	end(&a, true);
}

/* It has our lease and our keys, but values from before. */
static void a_restored_store_is_written_again(void **state)
{
	struct seen a;

	begin(&a);
	want(&a, shop);
	RUN_UNTIL(a.completes == 1);
	strcpy(find("/x/services/shop/web")->value, "0");
	revision -= 2;
	RUN_UNTIL(a.completes == 2);
	assert_string_equal(find("/x/services/shop/web")->value, "1");
	end(&a, true);
}

static void a_key_that_was_taken_away_comes_back(void **state)
{
	struct seen a;

	begin(&a);
	want(&a, shop);
	RUN_UNTIL(a.completes == 1);
	erase("/x/nodes/e2");
	RUN_UNTIL(find("/x/nodes/e2"));
	assert_int_equal(a.completes, 1);
	end(&a, true);
}

/* As another publisher does that has not noticed yet; its lease may end at any time. */
static void what_hangs_on_another_lease_is_put_under_ours(void **state)
{
	struct seen a;

	begin(&a);
	want(&a, shop);
	RUN_UNTIL(n_txns == 2);
	put("/x/nodes/e1", "1", 60);
	put("/x/nodes/late", "1", 60);
	RUN_UNTIL(a.completes == 1);
	assert_int_equal(find("/x/nodes/e1")->lease, 1);
	assert_null(find("/x/nodes/late"));
	put("/x/nodes/e1", "1", 60);
	RUN_UNTIL(find("/x/nodes/e1")->lease == 1);
	end(&a, true);
}

static void what_fails_is_tried_again(void **state)
{
	struct seen a;

	begin(&a);
	fail_txns = 3;
	want(&a, shop);
	RUN_UNTIL(a.completes);
	assert_int_equal(a.failures, 3);
	assert_int_equal(n_store, 6);
	end(&a, true);
}

static void a_lost_answer_does_no_harm(void **state)
{
	struct seen a;

	begin(&a);
	mute_txns = 4;
	want(&a, shop);
	RUN_UNTIL(a.completes);
	assert_int_equal(a.failures, 4);
	assert_int_equal(n_store, 6);
	end(&a, true);
}

static void the_lease_is_kept(void **state)
{
	struct seen a;

	begin(&a);
	want(&a, shop);
	RUN_UNTIL(n_keeps >= 3);
	assert_int_equal(a.completes, 1);
	assert_int_equal(n_txns, 3);
	end(&a, true);
}

/* The invariant is checked at each transaction of both. */
static void a_second_one_takes_over_and_the_first_follows_when_it_ends(void **state)
{
	struct seen a, b;

	begin(&a);
	want(&a, shop);
	RUN_UNTIL(a.completes == 1);
	begin(&b);
	want(&b, shop);
	RUN_UNTIL(b.completes == 1);
	assert_int_equal(find("/x/.publisher")->lease, 2);
	/* A standby writes nothing of what changes. */
	*log_text = '\0';
	RUN_UNTIL(n_keeps >= 3);
	assert_string_equal(log_text, "");
	end(&b, true);
	RUN_UNTIL(a.completes == 2);
	assert_int_equal(n_store, 6);
	end(&a, true);
	assert_int_equal(n_store, 0);
}

/* The first ends, and its lease with it, while the second is in the middle of taking over. */
static void an_end_in_the_middle_of_a_handover_loses_nothing(void **state)
{
	for (size_t txns = 4; txns < 7; txns++) {
		struct seen a, b;

		tear_down(state);
		set_up(state);
		begin(&a);
		want(&a, shop);
		RUN_UNTIL(a.completes == 1);
		begin(&b);
		want(&b, shop);
		RUN_UNTIL(n_txns >= txns);
		end(&a, true);
		check_invariant();
		RUN_UNTIL(b.completes);
		RUN_UNTIL(n_keeps >= 2);
		check_invariant();
		assert_int_equal(n_store, 6);
		end(&b, true);
	}
}

static void two_that_start_at_once_end_as_one(void **state)
{
	struct seen a, b;

	begin(&a);
	begin(&b);
	want(&a, shop);
	want(&b, shop);
	RUN_UNTIL(a.completes + b.completes >= 1);
	RUN_UNTIL(n_keeps >= 4);
	check_invariant();
	assert_int_equal(n_store, 6);
	/* The one that stands by does not take anything with it. */
	if (find("/x/.complete")->lease == 1) {
		end(&b, true);
		assert_int_equal(n_store, 6);
		end(&a, true);
	} else {
		end(&a, true);
		assert_int_equal(n_store, 6);
		end(&b, true);
	}
	assert_int_equal(n_store, 0);
}

static void add(struct rows *rows, const char *name, CMUnitTestFunction fn)
{
	rows_add(rows, name, fn, NULL);
	rows->tests[rows->n - 1].setup_func = set_up;
	rows->tests[rows->n - 1].teardown_func = tear_down;
}
#define ADD(rows, fn) add(rows, #fn, fn)

int main(void)
{
	static struct rows rows;

	ADD(&rows, complete_is_put_last_and_nothing_before_it_is_wanted);
	ADD(&rows, a_change_is_one_small_transaction);
	ADD(&rows, the_end_takes_all_back_or_leaves_it);
	ADD(&rows, what_an_earlier_one_left_is_swept_and_the_rest_is_not);
	ADD(&rows, a_lost_lease_publishes_everything_again);
	ADD(&rows, a_wiped_store_is_filled_again);
	ADD(&rows, a_restored_store_is_written_again);
	ADD(&rows, a_key_that_was_taken_away_comes_back);
	ADD(&rows, what_hangs_on_another_lease_is_put_under_ours);
	ADD(&rows, what_fails_is_tried_again);
	ADD(&rows, a_lost_answer_does_no_harm);
	ADD(&rows, the_lease_is_kept);
	ADD(&rows, a_second_one_takes_over_and_the_first_follows_when_it_ends);
	ADD(&rows, an_end_in_the_middle_of_a_handover_loses_nothing);
	ADD(&rows, two_that_start_at_once_end_as_one);
	return rows_run("publisher", &rows);
}
