/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A client of feed/http.h on a real loop, what it was told, and the servers that it asks. */
#ifndef TESTS_FEED_HTTP_CLIENT_H
#define TESTS_FEED_HTTP_CLIENT_H

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

static inline void on_tick(uv_timer_t *timer)
{
}

static inline void begin_with(struct client *c, struct http_setup setup)
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

static inline void begin(struct client *c, const char *base)
{
	begin_with(c, (struct http_setup){ .base = base });
}

static inline void end(struct client *c)
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

static inline void close_once(struct client *c)
{
	http_close(c->http);
	c->http = NULL;
}

static inline void on_header(void *user, int status, const char *line, size_t len)
{
	struct seen *s = user;

	if (len > 13 && !strncasecmp(line, "grpc-status: ", 13))
		snprintf(s->grpc_status, sizeof(s->grpc_status), "%.*s", (int)len - 13, line + 13);
	if (s->close_in_header)
		close_once(s->client);
}

static inline bool on_data(void *user, int status, const void *data, size_t len)
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

static inline void ask(struct client *c, struct seen *s, struct http_ask a);

static inline void on_done(void *user, int code, int status, const struct err *err)
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

static inline void ask(struct client *c, struct seen *s, struct http_ask a)
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

static inline void get(struct client *c, struct seen *s, const char *path)
{
	ask(c, s, (struct http_ask){ .method = "GET", .path = path });
}

/* ---- libmicrohttpd -------------------------------------------------------------------------- */

struct web { struct MHD_Daemon *daemon; char url[64]; };

static inline ssize_t read_big(void *user, uint64_t at, char *buf, size_t max)
{
	size_t n = MIN(max, BIG - at);

	if (!n)
		return MHD_CONTENT_READER_END_OF_STREAM;
	for (size_t i = 0; i < n; i++)
		buf[i] = (char)((at + i) * 7);
	return (ssize_t)n;
}

static inline enum MHD_Result on_line(void *user, enum MHD_ValueKind kind, const char *name, const char *value)
{
	char *text = user;

	snprintf(text + strlen(text), 2048 - strlen(text), "%s: %s\n", name, value);
	return MHD_YES;
}

struct upload { char text[4096]; size_t len; };

static inline enum MHD_Result answer(void *user, struct MHD_Connection *connection, const char *url,
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

static inline void forget(void *user, struct MHD_Connection *connection, void **state,
		   enum MHD_RequestTerminationCode why)
{
	free(*state);
}

static inline char *slurp(const char *name)
{
	char *text = calloc(1, 8192);
	FILE *f = fopen(temp(name), "r");

	assert_non_null(f);
	assert_true(fread(text, 1, 8191, f) > 0);
	fclose(f);
	return text;
}

/* @cert: NULL = http; else NAME.pem and NAME.key. */
static inline void web_start(struct web *w, const char *cert)
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

static inline void web_end(struct web *w)
{
	MHD_stop_daemon(w->daemon);
}

#endif
