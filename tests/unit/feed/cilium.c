/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whose store it is and whether it lives: etcd's calls, the values and the clock are played here, and what
 * the feed asks and tells becomes words in `told`.
 */
#include "../core/rows.h"

#include <errno.h>
#include <stdio.h>

#include "core/defs.h"
#include "feed/cilium_values.h"
#include "feed/etcd_rpc.h"
#include "feed/feed_ops.h"
#include "tempdir.h"

static char told[8192];

static void tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void tell(const char *fmt, ...)
{
	size_t len = strlen(told);
	va_list args;

	if (len)
		told[len++] = ' ';
	va_start(args, fmt);
	vsnprintf(told + len, sizeof(told) - len, fmt, args);
	va_end(args);
}

static void expect(const char *want)
{
	assert_string_equal(told, want);
	*told = '\0';
}

/* ---- the clock: one timer ---- */

static uint64_t clock_ms = 1000000, due_ms;
static uv_timer_cb due;
static uv_timer_t *the_timer;

uint64_t uv_now(const uv_loop_t *loop)
{
	return clock_ms;
}

int uv_timer_init(uv_loop_t *loop, uv_timer_t *timer)
{
	the_timer = timer;
	return 0;
}

int uv_timer_start(uv_timer_t *timer, uv_timer_cb run, uint64_t ms, uint64_t repeat)
{
	due = run;
	due_ms = clock_ms + ms;
	return 0;
}

void uv_close(uv_handle_t *handle, uv_close_cb closed)
{
	due = NULL;
	closed(handle);
}

static void pass(uint64_t ms)
{
	uint64_t end = clock_ms + ms;

	while (due && due_ms <= end) {
		uv_timer_cb run = take(due);

		clock_ms = due_ms;
		run(the_timer);
	}
	clock_ms = end;
}

/* ---- the server ---- */

struct etcd { int n; };
struct etcd_call { int n; };

static struct etcd etcd;
static struct etcd_call call;
static struct etcd_range asked;
static bool is_asked;

int etcd_new(uv_loop_t *loop, const struct config_etcd *config, struct etcd **ret_etcd, struct err *err)
{
	tell("connect:%s", config->endpoints[0]);
	*ret_etcd = &etcd;
	return 0;
}

void etcd_close(struct etcd *e)
{
	tell("close");
	is_asked = false;
}

const char *etcd_endpoint(const struct etcd *e)
{
	return "https://a:2379";
}

int etcd_range(struct etcd *e, const struct etcd_range *range, struct etcd_call **ret_call)
{
	assert_false(is_asked);
	is_asked = true;
	asked = *range;
	/* Rights are on single keys. */
	assert_null(range->end.data);
	tell("ask:%.*s", (int)range->key.len, (const char *)range->key.data);
	*ret_call = &call;
	return 0;
}

static void end_call(int code, const struct err *err)
{
	is_asked = false;
	asked.done(asked.user, code, NULL, err);
	pass(0);
}

static void answer(const char *value, int64_t revision)
{
	struct etcd_kv kv = { .value = { value, value ? strlen(value) : 0 }, .mod_revision = revision };

	assert_true(is_asked);
	if (value)
		asked.kv(asked.user, &kv);
	end_call(0, NULL);
}

/* ---- the values ---- */

struct cilium_values { int n; };

static struct cilium_values values;
static struct feed_callbacks from_values;

int cilium_values_new(uv_loop_t *loop, const struct feed_callbacks *callbacks, struct cilium_values **ret_values)
{
	from_values = *callbacks;
	*ret_values = &values;
	return 0;
}

int cilium_values_use(struct cilium_values *v, const struct config_etcd *config, const char *cluster,
		      const struct cilium_peer *peer, struct err *err)
{
	tell("use:%s:%u%s", cluster, peer->id, peer->cached ? ":cached" : "");
	return 0;
}

void cilium_values_stop(struct cilium_values *v)
{
	tell("stop");
}

void cilium_values_poke(struct cilium_values *v)
{
	tell("poke");
}

void cilium_values_close(struct cilium_values *v)
{
	tell("values_close");
}

/* ---- who listens ---- */

static void on_snapshot(void *user, struct snapshot *snapshot)
{
	tell("snapshot");
}

static void on_error(void *user, const struct err *err)
{
	tell("error:(%s)", err->text);
}

static void on_unchanged(void *user)
{
	tell("unchanged");
}

#define CONFIG "{\"id\":3,\"capabilities\":{\"syncedCanaries\":true}}"
#define ASK_CONFIG "ask:cilium/cluster-config/cluster3"
#define ASK_HEARTBEAT "ask:cilium/.heartbeat"
#define FILE_OF(host) "endpoints: [https://" host ":2379]\n"

static struct feed *start(const char *file)
{
	struct config_source source = { .kind = CONFIG_SOURCE_CILIUM };
	const struct feed_setup setup = {
		.source = &source, .cluster = "west", .id = 3,
		.callbacks = { .snapshot = on_snapshot, .error = on_error, .unchanged = on_unchanged },
	};
	struct feed *feed;

	*told = '\0';
	is_asked = false;
	if (file)
		temp_write("cluster3", file);
	else
		unlink(temp("cluster3"));
	source.cilium = (char *)temp("cluster3");
	assert_int_equal(feed_cilium_new(&setup, &feed, NULL), 0);
	expect("");
	pass(0);
	return feed;
}

static void end(struct feed *feed)
{
	*told = '\0';
	feed->ops->close(feed);
	assert_non_null(strstr(told, "values_close"));
}

static void first_whose_store_it_is_then_its_values(void **state)
{
	struct feed *feed = start(FILE_OF("a"));

	expect("stop connect:https://a:2379 " ASK_CONFIG);
	answer(CONFIG, 5);
	expect("use:cluster3:3 " ASK_HEARTBEAT);
	answer("t", 9);
	expect("");
	from_values.unchanged(from_values.user);
	expect("");
	from_values.snapshot(from_values.user, NULL);
	from_values.unchanged(from_values.user);
	expect("snapshot unchanged");
	/* Again and again, over the same connection. */
	pass(29999);
	expect("");
	pass(1);
	expect(ASK_CONFIG);
	answer("{\"id\":3,\"capabilities\":{\"syncedCanaries\":true,\"cached\":true}}", 6);
	expect("use:cluster3:3:cached " ASK_HEARTBEAT);
	end(feed);
}

static void no_file_is_an_error_until_there_is_one(void **state)
{
	struct feed *feed = start(NULL);

	assert_non_null(strstr(told, "error:("));
	assert_non_null(strstr(told, "cluster3"));
	*told = '\0';
	pass(20000);
	expect(""); /* told once */
	temp_write("cluster3", FILE_OF("a"));
	pass(31000);
	expect("stop connect:https://a:2379 " ASK_CONFIG);
	end(feed);
}

static void another_file_is_another_connection(void **state)
{
	struct feed *feed = start(FILE_OF("a"));

	answer(CONFIG, 5);
	answer("t", 9);
	*told = '\0';
	temp_write("new", FILE_OF("bb"));
	assert_int_equal(rename(temp("new"), temp("cluster3")), 0);
	pass(30000);
	expect("close stop connect:https://bb:2379 " ASK_CONFIG);
	/* A broken one is told of, and what there is stays. */
	answer(CONFIG, 5);
	answer("t", 9);
	*told = '\0';
	temp_write("cluster3", "endpoints: []\n");
	pass(30000);
	assert_non_null(strstr(told, "there are no endpoints"));
	assert_null(strstr(told, "stop"));
	end(feed);
}

static void a_store_of_somebody_else_is_left(void **state)
{
	struct feed *feed = start(FILE_OF("a"));

	*told = '\0';
	answer("{\"id\":4}", 5);
	expect("stop error:(cilium/cluster-config/cluster3: cluster west says that its id is 4, but our configuration "
	       "gives it 3: set id: 4 there, or, if another cluster has that, change it in Cilium)");
	/* The next attempt is over a new connection, soon. */
	pass(500);
	expect("close connect:https://a:2379 " ASK_CONFIG);
	answer("{\"id\":0}", 6);
	assert_non_null(strstr(told, "its cluster id is 0"));
	*told = '\0';
	pass(1000);
	answer(NULL, 0);
	assert_non_null(strstr(told, "there is no cilium/cluster-config/cluster3: is cluster3 what that cluster calls"));
	*told = '\0';
	pass(2000);
	*told = '\0';
	end_call(-ECONNREFUSED, &(struct err){ .text = "refused" });
	expect("error:(refused)");
	end(feed);
}

static void who_has_no_heartbeat_is_old(void **state)
{
	struct feed *feed = start(FILE_OF("a"));

	answer(CONFIG, 5);
	answer("t", 9);
	from_values.snapshot(from_values.user, NULL);
	*told = '\0';
	/* It beats: fresh for ever. */
	for (int64_t i = 0; i < 10; i++) {
		pass(30000);
		answer(CONFIG, 5);
		answer("t", 10 + i);
	}
	assert_null(strstr(told, "error"));
	/* It stands still. */
	for (int i = 0; i < 4; i++) {
		*told = '\0';
		pass(30000);
		answer(CONFIG, 5);
		answer("t", 19);
		from_values.unchanged(from_values.user);
		expect(ASK_CONFIG " use:cluster3:3 " ASK_HEARTBEAT " unchanged");
	}
	pass(30000);
	answer(CONFIG, 5);
	*told = '\0';
	answer("t", 19);
	expect("poke error:(https://a:2379: the heartbeat of cluster cluster3 stands still for 150 s, so what its store "
	       "says is old: connecting anew)");
	from_values.unchanged(from_values.user);
	expect("");
	/* Once in two minutes, and it is over with the next beat. */
	for (int i = 0; i < 3; i++) {
		pass(30000);
		answer(CONFIG, 5);
		answer("t", 19);
		assert_null(strstr(told, "poke"));
		*told = '\0';
	}
	pass(30000);
	answer(CONFIG, 5);
	answer("t", 20);
	from_values.unchanged(from_values.user);
	assert_non_null(strstr(told, "unchanged"));
	end(feed);
}

static void a_poke_asks_at_once_with_the_files_as_they_are(void **state)
{
	struct feed *feed = start(FILE_OF("a"));

	answer(CONFIG, 5);
	answer("t", 9);
	*told = '\0';
	feed->ops->poke(feed);
	pass(0);
	expect("poke close connect:https://a:2379 " ASK_CONFIG);
	/* While an answer is on its way it is waited for. */
	feed->ops->poke(feed);
	pass(0);
	expect("poke");
	end(feed);
}

int main(void)
{
	static struct rows tests;

	ROWS_ADD_TEST(&tests, first_whose_store_it_is_then_its_values);
	ROWS_ADD_TEST(&tests, no_file_is_an_error_until_there_is_one);
	ROWS_ADD_TEST(&tests, another_file_is_another_connection);
	ROWS_ADD_TEST(&tests, a_store_of_somebody_else_is_left);
	ROWS_ADD_TEST(&tests, who_has_no_heartbeat_is_old);
	ROWS_ADD_TEST(&tests, a_poke_asks_at_once_with_the_files_as_they_are);
	return _cmocka_run_group_tests("cilium", tests.tests, tests.n, temp_setup, temp_teardown);
}
