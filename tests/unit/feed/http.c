/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Requests on a real loop against real servers: libmicrohttpd for HTTP/1.1, etcd for HTTP/2. Every loop
 * is run dry at the end: what is left open, or is called back after a close, shows. Faults are in
 * http_faults.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "http_client.h"

/* ---- HTTP/1.1 ------------------------------------------------------------------------------- */

static void test_a_get_a_post_and_a_404(void **state)
{
	struct seen a = {}, b = {}, d = {};
	struct client c;
	struct web w;

	web_start(&w, NULL);
	begin(&c, w.url);
	get(&c, &a, "/hello");
	ask(&c, &b, (struct http_ask){ .method = "POST", .path = "/echo", .body = "abc", .len = 3 });
	get(&c, &d, "/nothing");
	WAIT(&c, a.done && b.done && d.done, 5000);
	assert_int_equal(a.code, 0);
	assert_int_equal(a.status, 200);
	assert_string_equal(a.text, "hello\n");
	assert_int_equal(b.code, 0);
	assert_string_equal(b.text, "abc");
	assert_int_equal(d.code, 0);
	assert_int_equal(d.status, 404);
	end(&c);
	web_end(&w);
}

static void test_headers_are_those_that_were_asked_for(void **state)
{
	static const char *const headers[] = { "authorization: Bearer x", "accept: application/json", NULL };
	struct seen s = {};
	struct client c;
	struct web w;
	char base[80];

	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
	web_start(&w, NULL);
	snprintf(base, sizeof(base), "%s/base", w.url);
	begin_with(&c, (struct http_setup){ .base = base, .server_name = "api.test" });
	ask(&c, &s, (struct http_ask){ .method = "GET", .path = "/headers", .headers = headers });
	WAIT(&c, s.done, 5000);
	assert_int_equal(s.code, 0);
	assert_non_null(strstr(s.text, "authorization: Bearer x\n"));
	assert_non_null(strstr(s.text, "accept: application/json\n"));
	assert_non_null(strstr(s.text, "User-Agent: xmesh/"));
	assert_non_null(strstr(s.text, "Host: api.test:"));
	assert_null(strstr(s.text, "Expect"));
	unsetenv("http_proxy");
	unsetenv("ALL_PROXY");
	end(&c);
	web_end(&w);
}

static void test_a_body_goes_on_while_the_request_is_open(void **state)
{
	struct seen s = {};
	struct client c;
	struct web w;

	web_start(&w, NULL);
	begin(&c, w.url);
	ask(&c, &s, (struct http_ask){ .method = "POST", .path = "/echo", .body = "one ", .len = 4,
				       .keep_open = true });
	for (int i = 0; i < 20; i++)
		uv_run(&c.loop, UV_RUN_ONCE);
	assert_int_equal(http_send(s.request, "two ", 4), 0);
	for (int i = 0; i < 20; i++)
		uv_run(&c.loop, UV_RUN_ONCE);
	assert_int_equal(http_send(s.request, "three", 5), 0);
	http_end(s.request);
	WAIT(&c, s.done, 5000);
	assert_int_equal(s.code, 0);
	assert_string_equal(s.text, "one two three");
	end(&c);
	web_end(&w);
}

static void test_gzip_is_unpacked_and_a_redirect_is_not_followed(void **state)
{
	struct seen s = {}, m = {};
	struct client c;
	struct web w;

	web_start(&w, NULL);
	begin(&c, w.url);
	ask(&c, &s, (struct http_ask){ .method = "GET", .path = "/gzip", .gzip = true });
	get(&c, &m, "/moved");
	WAIT(&c, s.done && m.done, 5000);
	assert_string_equal(s.text, "unpacked text");
	assert_int_equal(m.status, 302);
	end(&c);
	web_end(&w);
}

static uint64_t big_sum(void)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < BIG; i++)
		sum = sum * 31 + (unsigned char)(i * 7);
	return sum;
}

/* Pauses after every part, and lets some turns of the loop go by. */
static void read_slowly(struct client *c, struct seen *s)
{
	s->pause = true;
	get(c, s, "/big");
	for (unsigned int parts = 1; s->bytes < BIG; parts++) {
		WAIT(c, s->parts == parts, 5000);
		for (int i = 0; i < (parts % 64 ? 0 : 3); i++)
			uv_run(&c->loop, UV_RUN_ONCE);
		assert_int_equal(s->parts, parts);
		/* Not over before it is taken up again, although all has come. */
		assert_int_equal(s->done, 0);
		http_resume(s->request);
	}
	WAIT(c, s->done, 5000);
	assert_int_equal(s->code, 0);
	assert_int_equal(s->bytes, BIG);
	assert_true(s->sum == big_sum());
}

static void test_a_large_body_is_whole_although_it_pauses(void **state)
{
	struct seen s = {};
	struct client c;
	struct web w;

	web_start(&w, NULL);
	begin(&c, w.url);
	read_slowly(&c, &s);
	end(&c);
	web_end(&w);
}

static void test_what_is_paused_holds_up_nothing_and_is_not_silent(void **state)
{
	struct seen a = { .pause = true }, b = {};
	struct client c;
	struct web w;
	uint64_t until;

	web_start(&w, NULL);
	begin(&c, w.url);
	ask(&c, &a, (struct http_ask){ .method = "GET", .path = "/big", .silence_ms = 1500 });
	WAIT(&c, a.parts == 1, 5000);
	get(&c, &b, "/hello");
	WAIT(&c, b.done, 5000);
	/* Nothing may happen for longer than silence is borne. */
	for (until = etcd_now_ms() + 2000; etcd_now_ms() < until;)
		uv_run(&c.loop, UV_RUN_ONCE);
	assert_int_equal(a.parts, 1);
	assert_int_equal(a.done, 0);
	a.pause = false;
	http_resume(a.request);
	WAIT(&c, a.done, 10000);
	assert_int_equal(a.code, 0);
	assert_int_equal(a.bytes, BIG);
	end(&c);
	web_end(&w);
}

static void test_cancel_and_close_wherever_one_is(void **state)
{
	static const struct seen cases[] = {
		{ .cancel_in_data = true }, { .close_in_data = true }, { .close_in_header = true },
		{ .close_in_done = true }, { .close_in_data = true, .cancel_in_data = true },
	};
	struct client c;
	struct web w;

	web_start(&w, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct seen s = cases[i], other = {};

		begin(&c, w.url);
		get(&c, &other, "/big");
		get(&c, &s, s.close_in_done ? "/hello" : "/big");
		WAIT(&c, !c.http || s.parts, 5000);
		for (int turn = 0; turn < 5; turn++)
			uv_run(&c.loop, UV_RUN_ONCE);
		assert_int_equal(s.done, s.close_in_done);
		assert_int_equal(s.parts, !s.close_in_header);
		end(&c);
	}
	begin(&c, w.url);
	for (int turns = 0; turns < 8; turns++) {
		struct seen s = {};

		get(&c, &s, "/big");
		for (int turn = 0; turn < turns; turn++)
			uv_run(&c.loop, UV_RUN_ONCE);
		if (s.done && s.code)
			fail_msg("%s", s.error);
		if (!s.done)
			http_cancel(s.request);
	}
	end(&c);
	web_end(&w);
}

static void test_a_callback_may_ask_again(void **state)
{
	struct seen other = {}, s = { .start_in_done = true, .other = &other };
	struct client c;
	struct web w;

	web_start(&w, NULL);
	begin(&c, w.url);
	get(&c, &s, "/hello");
	WAIT(&c, other.done, 5000);
	assert_int_equal(s.done, 1);
	assert_int_equal(other.status, 200);
	end(&c);
	web_end(&w);
}

/* ---- HTTP/2: etcd --------------------------------------------------------------------------- */

static const char *const grpc_headers[] = { "content-type: application/grpc", "te: trailers", NULL };

/* Framed: RangeRequest{key "a"}, LeaseKeepAliveRequest{ID 1}, WatchRequest{create{key "a"}}, that of "b". */
static const char range_a[] = "\0\0\0\0\3\x0a\x01" "a";
static const char keep_1[] = "\0\0\0\0\2\x08\1";
static const char watch_a[] = "\0\0\0\0\5\x0a\3\x0a\x01" "a", watch_b[] = "\0\0\0\0\5\x0a\3\x0a\x01" "b";

static void talk_http2(struct client *c, struct etcd_server *e)
{
	struct seen r = {}, s = {}, k = {};
	uint64_t bytes;

	etcd_put(e, "a", "value-of-a");
	ask(c, &r, (struct http_ask){ .method = "POST", .path = "/etcdserverpb.KV/Range",
				      .headers = grpc_headers, .body = range_a, .len = 8 });
	WAIT(c, r.done, 5000);
	if (r.code)
		fail_msg("%s", r.error);
	assert_int_equal(r.status, 200);
	assert_string_equal(r.grpc_status, "0");
	assert_non_null(memmem(r.text, r.bytes, "value-of-a", 10));

	ask(c, &s, (struct http_ask){ .method = "POST", .path = "/etcdserverpb.Watch/Watch",
				      .headers = grpc_headers, .body = watch_a, .len = 10,
				      .keep_open = true });
	WAIT(c, s.bytes, 5000);
	bytes = s.bytes;
	etcd_put(e, "a", "second");
	WAIT(c, s.bytes > bytes && memmem(s.text, s.bytes, "second", 6), 5000);
	/* More of the request, while the answer goes on. */
	bytes = s.bytes;
	assert_int_equal(http_send(s.request, watch_b, 10), 0);
	WAIT(c, s.bytes > bytes, 5000);
	etcd_put(e, "b", "third");
	WAIT(c, memmem(s.text, s.bytes, "third", 5), 5000);
	assert_int_equal(s.done, 0);
	http_cancel(s.request);

	/* A stream that the server ends when we have. */
	ask(c, &k, (struct http_ask){ .method = "POST", .path = "/etcdserverpb.Lease/LeaseKeepAlive",
				      .headers = grpc_headers, .body = keep_1, .len = 7, .keep_open = true });
	WAIT(c, k.bytes, 5000);
	bytes = k.bytes;
	assert_int_equal(http_send(k.request, keep_1, 7), 0);
	WAIT(c, k.bytes > bytes, 5000);
	http_end(k.request);
	WAIT(c, k.done, 5000);
	assert_int_equal(k.code, 0);
	assert_string_equal(k.grpc_status, "0");
}

static void test_both_ways_at_once_over_http2(void **state)
{
	struct etcd_server e;
	struct client c;

	etcd_start(&e, "plain", NULL);
	begin_with(&c, (struct http_setup){ .base = e.url, .http2 = true });
	talk_http2(&c, &e);
	end(&c);
	etcd_end(&e);
}

static void test_http2_over_tls_with_a_certificate_by_another_name(void **state)
{
	struct http_setup setup = { .http2 = true, .server_name = "etcd.test" };
	struct etcd_server e;
	struct client c;
	struct seen s = {};
	char *ca, *cert, *key;

	etcd_start(&e, "tls", &(struct etcd_server_options){ .tls = true });
	ca = slurp("ca.pem");
	cert = slurp("client.pem");
	key = slurp("client.key");
	setup.base = e.url;
	setup.ca = (struct http_blob){ ca, strlen(ca) };
	setup.cert = (struct http_blob){ cert, strlen(cert) };
	setup.key = (struct http_blob){ key, strlen(key) };
	begin_with(&c, setup);
	talk_http2(&c, &e);
	end(&c);

	/* Without a certificate of ours, which the server demands. */
	setup.cert = setup.key = (struct http_blob){};
	begin_with(&c, setup);
	get(&c, &s, "/");
	WAIT(&c, s.done, 10000);
	if ((s.code != -EKEYREJECTED && s.code != -EPROTO) || !strstr(s.error, "a client certificate"))
		fail_msg("%d %s", s.code, s.error);
	end(&c);
	free(ca);
	free(cert);
	free(key);
	etcd_end(&e);
}

/* Refused at once, by headers alone; and in the middle, by trailers. It must not be waited for. */
static void test_a_server_ends_a_stream_that_we_keep_open(void **state)
{
	struct etcd_server e;
	struct client c;
	struct seen r = {}, s = {};

	etcd_start(&e, "plain", NULL);
	begin_with(&c, (struct http_setup){ .base = e.url, .http2 = true });
	ask(&c, &r, (struct http_ask){ .method = "POST", .path = "/etcdserverpb.Watch/Nothing",
				       .headers = grpc_headers, .body = watch_a, .len = 10,
				       .keep_open = true });
	WAIT(&c, r.done, 5000);
	/* curl 8 gives the headers out; 7.88 keeps them for itself. */
	if (r.code)
		assert_int_equal(r.code, -EPROTO);
	else
		assert_string_equal(r.grpc_status, "12");

	ask(&c, &s, (struct http_ask){ .method = "POST", .path = "/etcdserverpb.Watch/Watch",
				       .headers = grpc_headers, .body = watch_a, .len = 10,
				       .keep_open = true });
	WAIT(&c, s.bytes, 5000);
	/* A field of type 7. */
	assert_int_equal(http_send(s.request, "\0\0\0\0\1\x0f", 6), 0);
	WAIT(&c, s.done, 5000);
	assert_string_equal(s.grpc_status, "13");
	end(&c);
	etcd_end(&e);
}

/* A stream that waits costs nothing: no turns of the loop but our own tick's. */
static void test_an_open_stream_does_not_spin(void **state)
{
	struct etcd_server e;
	struct client c;
	struct seen s = {};
	uint64_t until;
	unsigned int turns = 0;

	etcd_start(&e, "plain", NULL);
	begin_with(&c, (struct http_setup){ .base = e.url, .http2 = true });
	ask(&c, &s, (struct http_ask){ .method = "POST", .path = "/etcdserverpb.Watch/Watch",
				       .headers = grpc_headers, .body = watch_a, .len = 10,
				       .keep_open = true });
	WAIT(&c, s.bytes, 5000);
	uv_timer_start(&c.tick, on_tick, 100, 100);
	for (until = etcd_now_ms() + 2000; etcd_now_ms() < until; turns++)
		uv_run(&c.loop, UV_RUN_ONCE);
	print_message("%u turns in 2 s, 20 of them ours\n", turns);
	assert_true(turns < 40);
	end(&c);
	etcd_end(&e);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, temp_setup, temp_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_get_a_post_and_a_404),
		cmocka_unit_test(test_headers_are_those_that_were_asked_for),
		cmocka_unit_test(test_a_body_goes_on_while_the_request_is_open),
		cmocka_unit_test(test_gzip_is_unpacked_and_a_redirect_is_not_followed),
		cmocka_unit_test(test_a_large_body_is_whole_although_it_pauses),
		cmocka_unit_test(test_what_is_paused_holds_up_nothing_and_is_not_silent),
		cmocka_unit_test(test_cancel_and_close_wherever_one_is),
		cmocka_unit_test(test_a_callback_may_ask_again),
		WITH_FOLDER(test_both_ways_at_once_over_http2),
		WITH_FOLDER(test_http2_over_tls_with_a_certificate_by_another_name),
		WITH_FOLDER(test_a_server_ends_a_stream_that_we_keep_open),
		WITH_FOLDER(test_an_open_stream_does_not_spin),
	};

	signal(SIGPIPE, SIG_IGN); /* as the agent does */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
