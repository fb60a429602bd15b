/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Requests on a real loop against real servers: libmicrohttpd for HTTP/1.1 and its TLS, etcd for
 * HTTP/2, and bare sockets for what goes wrong. Every loop is run dry at the end: what is left open, or
 * is called back after a close, shows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <microhttpd.h>
#include <pthread.h>
#include <zlib.h>

#include "core/defs.h"
#include "etcd_server.h"
#include "feed/http.h"

#define BIG (40u * 1024 * 1024)

/* ---- a client ------------------------------------------------------------------------------- */

struct client {
	uv_loop_t loop;
	uv_timer_t tick;
	struct http *http;
};

struct seen {
	struct client *client;
	struct http_request *request;
	char text[4096];        /* of the body, its beginning */
	uint64_t bytes, sum;
	unsigned int parts, done;
	int code, status;
	char grpc_status[16];
	char error[ERR_TEXT_MAX];
	bool pause, cancel_in_data, close_in_data, close_in_header, close_in_done, start_in_done;
	struct seen *other;     /* started in done() */
};

static void on_tick(uv_timer_t *timer)
{
}

static void begin_with(struct client *c, struct http_setup setup)
{
	struct err err = {};

	memset(c, 0, sizeof(*c));
	assert_int_equal(uv_loop_init(&c->loop), 0);
	uv_timer_init(&c->loop, &c->tick);
	uv_timer_start(&c->tick, on_tick, 10, 10);
	setup.loop = &c->loop;
	if (http_new(&setup, &c->http, &err))
		fail_msg("%s", err.text);
}

static void begin(struct client *c, const char *base)
{
	begin_with(c, (struct http_setup){ .base = base });
}

static void end(struct client *c)
{
	http_close(c->http);
	uv_close((uv_handle_t *)&c->tick, NULL);
	uv_run(&c->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&c->loop), 0);
}

#define WAIT(c, condition, max_ms)                                                                 \
	do {                                                                                       \
		uint64_t until_ = etcd_now_ms() + (max_ms);                                        \
		while (!(condition) && etcd_now_ms() < until_)                                     \
			uv_run(&(c)->loop, UV_RUN_ONCE);                                           \
		if (!(condition))                                                                  \
			fail_msg("not within %d ms: %s", (int)(max_ms), #condition);               \
	} while (0)

static void close_once(struct client *c)
{
	http_close(c->http);
	c->http = NULL;
}

static void on_header(void *user, int status, const char *line, size_t len)
{
	struct seen *s = user;

	if (len > 13 && !strncasecmp(line, "grpc-status: ", 13))
		snprintf(s->grpc_status, sizeof(s->grpc_status), "%.*s", (int)len - 13, line + 13);
	if (s->close_in_header)
		close_once(s->client);
}

static bool on_data(void *user, int status, const void *data, size_t len)
{
	const unsigned char *in = data;
	struct seen *s = user;

	assert_false(s->done);
	for (size_t i = 0; i < len; i++)
		s->sum = s->sum * 31 + in[i];
	if (s->bytes + len < sizeof(s->text))
		memcpy(s->text + s->bytes, data, len);
	s->bytes += len;
	s->parts++;
	if (s->cancel_in_data)
		http_cancel(s->request);
	if (s->close_in_data)
		close_once(s->client);
	return !s->pause;
}

static void ask(struct client *c, struct seen *s, struct http_ask a);

static void on_done(void *user, int code, int status, const struct err *err)
{
	struct seen *s = user;

	s->done++;
	s->code = code;
	s->status = status;
	strcpy(s->error, err->text);
	if (s->close_in_done)
		close_once(s->client);
	if (s->start_in_done)
		ask(s->client, s->other, (struct http_ask){ .method = "GET", .path = "/hello" });
}

static void ask(struct client *c, struct seen *s, struct http_ask a)
{
	unsigned int before = s->done;

	s->client = c;
	a.header = on_header;
	a.data = on_data;
	a.done = on_done;
	a.user = s;
	assert_int_equal(http_start(c->http, &a, &s->request), 0);
	assert_int_equal(s->done, before);
}

static void get(struct client *c, struct seen *s, const char *path)
{
	ask(c, s, (struct http_ask){ .method = "GET", .path = path });
}

/* ---- libmicrohttpd -------------------------------------------------------------------------- */

struct web { struct MHD_Daemon *daemon; char url[64]; };

static ssize_t read_big(void *user, uint64_t at, char *buf, size_t max)
{
	size_t n = MIN(max, BIG - at);

	if (!n)
		return MHD_CONTENT_READER_END_OF_STREAM;
	for (size_t i = 0; i < n; i++)
		buf[i] = (char)((at + i) * 7);
	return (ssize_t)n;
}

static enum MHD_Result on_line(void *user, enum MHD_ValueKind kind, const char *name, const char *value)
{
	char *text = user;

	snprintf(text + strlen(text), 2048 - strlen(text), "%s: %s\n", name, value);
	return MHD_YES;
}

struct upload { char text[4096]; size_t len; };

static enum MHD_Result answer(void *user, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *data, size_t *len,
			      void **state)
{
	struct MHD_Response *r = NULL;
	struct upload *up = *state;
	unsigned int status = 200;
	enum MHD_Result result;

	if (!up) {
		*state = calloc(1, sizeof(*up));
		return MHD_YES;
	}
	if (*len) {
		memcpy(up->text + up->len, data, *len);
		up->len += *len;
		*len = 0;
		return MHD_YES;
	}
	if (!strcmp(url, "/big")) {
		r = MHD_create_response_from_callback(BIG, 65536, read_big, NULL, NULL);
	} else if (!strcmp(url, "/echo")) {
		r = MHD_create_response_from_buffer(up->len, up->text, MHD_RESPMEM_MUST_COPY);
	} else if (!strcmp(url, "/headers") || !strcmp(url, "/base/headers")) {
		char text[2048] = "";

		MHD_get_connection_values(connection, MHD_HEADER_KIND, on_line, text);
		r = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_COPY);
	} else if (!strcmp(url, "/moved")) {
		r = MHD_create_response_from_buffer(0, "", MHD_RESPMEM_PERSISTENT);
		MHD_add_response_header(r, "Location", "/hello");
		status = 302;
	} else if (!strcmp(url, "/gzip")) {
		unsigned char packed[512];
		z_stream z = {};

		assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
		z.next_in = (unsigned char *)"unpacked text";
		z.avail_in = 13;
		z.next_out = packed;
		z.avail_out = sizeof(packed);
		deflate(&z, Z_FINISH);
		r = MHD_create_response_from_buffer(sizeof(packed) - z.avail_out, packed,
						    MHD_RESPMEM_MUST_COPY);
		MHD_add_response_header(r, "Content-Encoding", "gzip");
		deflateEnd(&z);
	} else {
		status = strcmp(url, "/hello") ? 404 : 200;
		r = MHD_create_response_from_buffer(6, "hello\n", MHD_RESPMEM_PERSISTENT);
	}
	result = MHD_queue_response(connection, status, r);
	MHD_destroy_response(r);
	return result;
}

static void forget(void *user, struct MHD_Connection *connection, void **state,
		   enum MHD_RequestTerminationCode why)
{
	free(*state);
}

static char *slurp(const char *name)
{
	char *text = calloc(1, 8192);
	FILE *f = fopen(temp(name), "r");

	assert_non_null(f);
	assert_true(fread(text, 1, 8191, f) > 0);
	fclose(f);
	return text;
}

/* @cert: NULL = http; else NAME.pem and NAME.key. */
static void web_start(struct web *w, const char *cert)
{
	char file[64];
	char *pem = NULL, *key = NULL;
	int port = etcd_free_port();
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				 .sin_port = htons((uint16_t)port) };

	if (cert) {
		snprintf(file, sizeof(file), "%s.pem", cert);
		pem = slurp(file);
		snprintf(file, sizeof(file), "%s.key", cert);
		key = slurp(file);
	}
	w->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | (cert ? MHD_USE_TLS : 0),
				     (uint16_t)port, NULL, NULL, answer, NULL, MHD_OPTION_SOCK_ADDR, &a,
				     MHD_OPTION_NOTIFY_COMPLETED, forget, NULL,
				     cert ? MHD_OPTION_HTTPS_MEM_CERT : MHD_OPTION_END, pem,
				     MHD_OPTION_HTTPS_MEM_KEY, key, MHD_OPTION_END);
	assert_non_null(w->daemon);
	snprintf(w->url, sizeof(w->url), "%s://127.0.0.1:%d", cert ? "https" : "http", port);
	free(pem);
	free(key);
}

static void web_end(struct web *w)
{
	MHD_stop_daemon(w->daemon);
}

/* ---- a bare socket: says @says to whoever asks, then closes; NULL = takes nobody ------------- */

struct bare { int fd; pthread_t thread; const char *says; char url[64]; };

static void *bare_run(void *user)
{
	struct bare *b = user;
	char buf[4096];
	int fd;

	while ((fd = accept(b->fd, NULL, NULL)) >= 0) {
		if (recv(fd, buf, sizeof(buf), 0) > 0)
			send(fd, b->says, strlen(b->says), MSG_NOSIGNAL);
		close(fd);
	}
	return NULL;
}

static void bare_start(struct bare *b, const char *says)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);

	b->says = says;
	b->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(b->fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(b->fd, 8), 0);
	assert_int_equal(getsockname(b->fd, (struct sockaddr *)&a, &len), 0);
	snprintf(b->url, sizeof(b->url), "http://127.0.0.1:%d", ntohs(a.sin_port));
	if (says)
		assert_int_equal(pthread_create(&b->thread, NULL, bare_run, b), 0);
}

static void bare_end(struct bare *b)
{
	shutdown(b->fd, SHUT_RDWR);
	if (b->says)
		pthread_join(b->thread, NULL);
	close(b->fd);
}

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

/* ---- faults --------------------------------------------------------------------------------- */

static void expect(struct http_setup setup, const struct http_ask *more, int code, const char *words)
{
	struct http_ask a = more ? *more : (struct http_ask){};
	struct client c;
	struct seen s = {};

	a.method = "GET";
	a.path = "/hello";
	begin_with(&c, setup);
	ask(&c, &s, a);
	WAIT(&c, s.done, 20000);
	if (s.code != code || !strstr(s.error, words))
		fail_msg("wanted %d and \"%s\", not %d and \"%s\"", code, words, s.code, s.error);
	assert_int_equal(s.done, 1);
	if (code)
		assert_non_null(strstr(s.error, setup.base));
	end(&c);
}

static void test_network_faults_are_named(void **state)
{
	struct bare cut, silent, garbage;
	char refused[64];

	snprintf(refused, sizeof(refused), "http://127.0.0.1:%d", etcd_free_port());
	bare_start(&cut, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it");
	bare_start(&silent, NULL);
	bare_start(&garbage, "220 smtp.example ESMTP\r\n");

	expect((struct http_setup){ .base = refused }, NULL, -ECONNREFUSED, "is the server running");
	expect((struct http_setup){ .base = cut.url }, NULL, -EPROTO, "before its answer");
	expect((struct http_setup){ .base = silent.url }, &(struct http_ask){ .silence_ms = 200 },
	       -ETIMEDOUT, "was silent for 200 ms");
	expect((struct http_setup){ .base = silent.url, .http2 = true },
	       &(struct http_ask){ .silence_ms = 200 }, -ETIMEDOUT, "was silent for 200 ms");
	expect((struct http_setup){ .base = garbage.url }, NULL, -EPROTO, "before its answer");
	expect((struct http_setup){ .base = "http://x.invalid:2379" }, NULL, -ENOENT,
	       "cannot resolve x.invalid of");
	expect((struct http_setup){ .base = silent.url, .proxy = "http://u:secret@x.invalid:1" }, NULL,
	       -ENOENT, "cannot resolve the proxy x.invalid on the way");
	bare_end(&cut);
	bare_end(&silent);
	bare_end(&garbage);
}

static void test_tls_faults_are_named(void **state)
{
	struct web good, old, plain;
	struct bare silent;
	struct http_blob ca, other;
	char https[80];

	etcd_make_certs();
	etcd_make_ca("other");
	etcd_make_cert("ca", "old", "old", "IP:127.0.0.1", true);
	web_start(&good, "server");
	web_start(&old, "old");
	web_start(&plain, NULL);
	bare_start(&silent, NULL);
	ca.data = slurp("ca.pem");
	ca.len = strlen(ca.data);
	other.data = slurp("other.pem");
	other.len = strlen(other.data);

	expect((struct http_setup){ .base = good.url, .ca = ca }, NULL, 0, "");
	expect((struct http_setup){ .base = good.url, .ca = ca, .server_name = "localhost" }, NULL, 0, "");
	expect((struct http_setup){ .base = good.url, .ca = other }, NULL, -EKEYREJECTED,
	       "not signed by the CA that is set");
	expect((struct http_setup){ .base = good.url }, NULL, -EKEYREJECTED, "not signed by a CA of this system");
	expect((struct http_setup){ .base = good.url, .insecure = true }, NULL, 0, "");
	expect((struct http_setup){ .base = good.url, .ca = ca, .server_name = "wrong.test" }, NULL,
	       -EKEYREJECTED, "is for 127.0.0.1, localhost, etcd.test, not wrong.test");
	expect((struct http_setup){ .base = good.url, .ca = ca, .server_name = "192.0.2.1" }, NULL,
	       -EKEYREJECTED, "is for 127.0.0.1, localhost, etcd.test, not 192.0.2.1");
	expect((struct http_setup){ .base = old.url, .ca = ca }, NULL, -EKEYREJECTED, "has expired");
	snprintf(https, sizeof(https), "https%.60s", plain.url + 4);
	expect((struct http_setup){ .base = https, .ca = ca }, NULL, -EPROTO, "speaks no TLS");
	snprintf(https, sizeof(https), "https%.60s", silent.url + 4);
	expect((struct http_setup){ .base = https, .ca = ca }, &(struct http_ask){ .connect_ms = 300 },
	       -ETIMEDOUT, "did not greet within 300 ms");
	expect((struct http_setup){ .base = good.url, .ca = { "rubbish", 7 } }, NULL, -EKEYREJECTED,
	       "the CA for");
	expect((struct http_setup){ .base = good.url, .ca = ca, .cert = { "rubbish", 7 },
				    .key = { "rubbish", 7 } }, NULL, -EKEYREJECTED, "our certificate or key");
	free((void *)ca.data);
	free((void *)other.data);
	web_end(&good);
	web_end(&old);
	web_end(&plain);
	bare_end(&silent);
}

static void test_urls_that_are_none_are_refused(void **state)
{
	static const char *const bad[] = { "", "ftp://a", "https://", "https://a:99999", "http://u:p@a", "a b" };
	uv_loop_t loop;

	assert_int_equal(uv_loop_init(&loop), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct http *http = NULL;
		struct err err = {};

		assert_int_equal(http_new(&(struct http_setup){ .loop = &loop, .base = bad[i] }, &http, &err),
				 -EINVAL);
		assert_null(http);
		assert_null(strstr(err.text, "u:p"));
	}
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
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
		WITH_FOLDER(test_an_open_stream_does_not_spin),
		cmocka_unit_test(test_network_faults_are_named),
		WITH_FOLDER(test_tls_faults_are_named),
		cmocka_unit_test(test_urls_that_are_none_are_refused),
	};

	signal(SIGPIPE, SIG_IGN); /* as the agent does */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
