/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Watches of a real etcd: many on one stream, in order, to their end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/defs.h"
#include "etcd_client.h"

#define WATCHES 4

struct watched {
	struct client *client;
	struct etcd_call *call;
	int done, code;
	char error[ERR_TEXT_MAX];
	unsigned int created[WATCHES], canceled[WATCHES], puts[WATCHES], erased[WATCHES];
	unsigned int responses, parts, progress, all;
	int64_t revision, compacted, created_revision;
	char last[64], reason[256];
	size_t bytes;
	bool close_in_events, cancel_in_events;
};

static void on_created(void *user, int64_t id, const struct etcd_header *header)
{
	struct watched *w = user;

	assert_in_range(id, 0, WATCHES - 1);
	w->created[id]++;
	w->created_revision = header->revision;
}

static void on_events(void *user, int64_t id, const struct etcd_header *header,
		      const struct etcd_kv *events, size_t n, bool last)
{
	struct watched *w = user;

	assert_false(w->done);
	w->parts++;
	w->responses += last;
	if (!n && id < 0)
		w->all++;
	if (!n)
		w->progress++;
	for (size_t i = 0; i < n; i++) {
		assert_in_range(id, 0, WATCHES - 1);
		if (events[i].deleted)
			w->erased[id]++;
		else
			w->puts[id]++;
		w->bytes += events[i].value.len;
		assert_true(events[i].mod_revision <= header->revision);
		snprintf(w->last, sizeof(w->last), "%.*s", (int)events[i].key.len,
			 (const char *)events[i].key.data);
	}
	if (last)
		w->revision = header->revision;
	if (w->close_in_events) {
		etcd_close(w->client->etcd);
		w->client->etcd = NULL;
	}
	if (w->cancel_in_events)
		etcd_cancel(w->call);
}

static void on_canceled(void *user, int64_t id, int64_t compacted, const char *reason)
{
	struct watched *w = user;

	assert_in_range(id, 0, WATCHES - 1);
	w->canceled[id]++;
	w->compacted = compacted;
	strcpy(w->reason, reason);
}

static void on_over(void *user, int code, const struct etcd_header *header, const struct err *err)
{
	struct watched *w = user;

	w->done++;
	w->code = code;
	assert_true(code < 0);
	strcpy(w->error, err->text);
}

static void watch_open(struct client *c, struct watched *w)
{
	struct etcd_watch_setup setup = { .created = on_created, .events = on_events,
					  .canceled = on_canceled, .done = on_over, .user = w };

	w->client = c;
	assert_int_equal(etcd_watch_open(c->etcd, &setup, &w->call), 0);
}

static void watch_add(struct watched *w, int64_t id, const char *key, const char *end, int64_t from)
{
	assert_int_equal(etcd_watch_add(w->call, id, (struct etcd_bytes){ key, strlen(key) },
					(struct etcd_bytes){ end, strlen(end) }, from), 0);
}

static void test_many_watches_on_one_stream(void **state)
{
	struct etcd_server s;
	struct client c;
	struct watched w = {};
	int64_t revision;

	etcd_start(&s, "e", NULL);
	revision = etcd_put(&s, "/a/1", "before");
	etcd_put(&s, "/a/1", "history");
	client_begin(&c, &s);
	watch_open(&c, &w);
	watch_add(&w, 0, "/a/", "/a0", revision + 1);
	watch_add(&w, 1, "/b/", "/b0", 0);
	WAIT(&c, w.created[0] && w.created[1] && w.puts[0] == 1, 5000);
	/* Another one while the stream runs. */
	watch_add(&w, 2, "/c/", "/c0", 0);
	WAIT(&c, w.created[2], 5000);
	etcd_put(&s, "/b/1", "x");
	etcd_put(&s, "/c/1", "x");
	etcd_put(&s, "/d/1", "nobody");
	etcd_erase(&s, "/b/1", false);
	revision = etcd_put(&s, "/a/2", "y");
	WAIT(&c, w.puts[0] == 2 && w.puts[1] == 1 && w.puts[2] == 1 && w.erased[1] == 1, 5000);
	WAIT(&c, w.revision == revision, 5000);
	assert_string_equal(w.last, "/a/2");
	assert_int_equal(w.done, 0);
	client_end(&c);
	assert_int_equal(w.done, 0);
	etcd_end(&s);
}

static void test_progress_speaks_for_all(void **state)
{
	struct etcd_server s;
	struct client c;
	struct watched w = {};
	int64_t revision;

	etcd_start(&s, "e", NULL);
	client_begin(&c, &s);
	watch_open(&c, &w);
	watch_add(&w, 0, "/a/", "/a0", 0);
	watch_add(&w, 1, "/b/", "/b0", 0);
	WAIT(&c, w.created[0] && w.created[1], 5000);
	revision = etcd_put(&s, "/other", "1");
	assert_int_equal(etcd_watch_progress(w.call), 0);
	WAIT(&c, w.all, 5000);
	assert_true(w.revision == revision);
	assert_int_equal(w.puts[0] + w.puts[1], 0);
	client_end(&c);
	etcd_end(&s);
}

static void test_a_large_answer_comes_in_fragments(void **state)
{
	struct etcd_server s;
	struct client c;
	struct watched w = {};
	char *value = malloc(700000), key[32];
	int64_t revision;

	memset(value, 'v', 700000);
	etcd_start(&s, "e", NULL);
	revision = etcd_revision(&s);
	for (int i = 0; i < 8; i++) {
		snprintf(key, sizeof(key), "/a/%d", i);
		etcd_put_bytes(&s, key, value, 700000);
	}
	client_begin(&c, &s);
	watch_open(&c, &w);
	watch_add(&w, 0, "/a/", "/a0", revision + 1);
	WAIT(&c, w.puts[0] == 8, 10000);
	assert_int_equal(w.bytes, 8 * 700000);
	assert_true(w.parts > 1);
	WAIT(&c, w.revision == revision + 8, 5000);
	client_end(&c);
	etcd_end(&s);
	free(value);
}

static void test_a_compacted_watch_is_canceled_and_says_so(void **state)
{
	struct etcd_server s;
	struct client c;
	struct watched w = {};
	int64_t revision;

	etcd_start(&s, "e", NULL);
	revision = etcd_put(&s, "/a/1", "x");
	etcd_put(&s, "/a/1", "x");
	etcd_put(&s, "/a/1", "x");
	etcd_compact(&s, etcd_revision(&s));
	client_begin(&c, &s);
	watch_open(&c, &w);
	watch_add(&w, 0, "/a/", "/a0", revision);
	watch_add(&w, 1, "/b/", "/b0", 0);
	WAIT(&c, w.canceled[0] && w.created[1], 5000);
	assert_true(w.compacted > revision);
	/* The other one lives, and so does the stream. */
	etcd_put(&s, "/b/1", "x");
	WAIT(&c, w.puts[1] == 1, 5000);
	assert_int_equal(w.done, 0);
	client_end(&c);
	etcd_end(&s);
}

static void test_a_watch_that_is_denied_is_named(void **state)
{
	struct etcd_server s;
	struct client c;
	struct watched w = {};

	etcd_start(&s, "e", &(struct etcd_server_options){ .tls = true });
	etcd_add_user(&s, "remote", NULL, "/a/");
	etcd_enable_auth(&s);
	client_begin_tls(&c, &s, "client");
	watch_open(&c, &w);
	watch_add(&w, 0, "/a/", "/a0", 0);
	watch_add(&w, 1, "/b/", "/b0", 0);
	watch_add(&w, 2, "/a/", "/a0", 0);
	WAIT(&c, w.created[0] && w.canceled[1] && w.created[2], 5000);
	print_message("%s\n", w.reason);
	etcd_put(&s, "/a/1", "x");
	WAIT(&c, w.puts[0] == 1 && w.puts[2] == 1, 5000);
	client_end(&c);
	etcd_end(&s);
}

static void test_a_watch_waits_for_its_token(void **state)
{
	struct etcd_server s;
	struct client c;
	struct watched w = {};

	etcd_start(&s, "e", NULL);
	etcd_add_user(&s, "reader", "pw", "/a/");
	etcd_enable_auth(&s);
	temp_write("password", "pw\n");
	client_begin_user(&c, &s, "reader", "password");
	watch_open(&c, &w);
	watch_add(&w, 0, "/a/", "/a0", 0);
	WAIT(&c, w.created[0], 5000);
	etcd_put(&s, "/a/1", "x");
	WAIT(&c, w.puts[0] == 1, 5000);
	client_end(&c);
	etcd_end(&s);
}

static void test_the_stream_ends_with_its_server(void **state)
{
	struct etcd_server s;
	struct client c;
	struct watched w = {};

	for (int round = 0; round < 2; round++) {
		etcd_start(&s, "e", NULL);
		client_begin(&c, &s);
		w = (struct watched){};
		watch_open(&c, &w);
		watch_add(&w, 0, "/a/", "/a0", 0);
		WAIT(&c, w.created[0], 5000);
		/* By its own will, and not. */
		kill(s.pid, round ? SIGKILL : SIGTERM);
		WAIT(&c, w.done, 15000);
		assert_int_equal(w.done, 1);
		print_message("%s\n", w.error);
		client_end(&c);
		etcd_end(&s);
	}
}

static void test_cancel_and_close_in_a_callback(void **state)
{
	struct etcd_server s;
	struct client c;

	etcd_start(&s, "e", NULL);
	for (int round = 0; round < 2; round++) {
		struct watched w = { .close_in_events = round == 0, .cancel_in_events = round == 1 };

		client_begin(&c, &s);
		watch_open(&c, &w);
		watch_add(&w, 0, "/a/", "/a0", 0);
		WAIT(&c, w.created[0], 5000);
		etcd_put(&s, "/a/1", "x");
		WAIT(&c, w.parts == 1, 5000);
		etcd_put(&s, "/a/1", "x");
		for (int i = 0; i < 5; i++)
			uv_run(&c.loop, UV_RUN_ONCE);
		assert_int_equal(w.parts, 1);
		client_end(&c);
	}
	etcd_end(&s);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, temp_setup, temp_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FOLDER(test_many_watches_on_one_stream),
		WITH_FOLDER(test_progress_speaks_for_all),
		WITH_FOLDER(test_a_large_answer_comes_in_fragments),
		WITH_FOLDER(test_a_compacted_watch_is_canceled_and_says_so),
		WITH_FOLDER(test_a_watch_that_is_denied_is_named),
		WITH_FOLDER(test_a_watch_waits_for_its_token),
		WITH_FOLDER(test_the_stream_ends_with_its_server),
		WITH_FOLDER(test_cancel_and_close_in_a_callback),
	};

	signal(SIGPIPE, SIG_IGN); /* as the agent does */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
