/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * libcurl's multi interface on libuv: a uv_poll per socket, a uv_timer for curl, and the life of
 * requests. What curl is told, and what its errors mean, is in http_curl.c.
 */
#include "feed/http.h"

#include <errno.h>
#include <string.h>

#include "core/defs.h"
#include "feed/http_parts.h"

struct socket_poll {
	uv_poll_t poll;
	struct http *http;
	curl_socket_t fd;
};

static void settle(struct http *http);
static void on_kick(uv_timer_t *timer);

static void enter(struct http *http)
{
	http->depth++;
}

/* @http may be gone afterwards. */
static void leave(struct http *http)
{
	if (http->depth == 1)
		settle(http);
	else
		http->depth--;
}

/* ---- freeing -------------------------------------------------------------------------------- */

static void request_free(struct http_request *r)
{
	if (r->prev)
		r->prev->next = r->next;
	else if (r->http->requests == r)
		r->http->requests = r->next;
	if (r->next)
		r->next->prev = r->prev;
	if (r->added)
		curl_multi_remove_handle(r->http->multi, r->easy);
	if (r->easy)
		curl_easy_cleanup(r->easy);
	/* Both may hold a token. */
	for (struct curl_slist *h = r->headers; h; h = h->next)
		explicit_bzero(h->data, strlen(h->data));
	curl_slist_free_all(r->headers);
	if (r->out)
		explicit_bzero(r->out, r->out_room);
	free(r->out);
	free(r);
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct http *http = handle->data;

	if (!--http->handles)
		http_curl_free(http);
}

static void destroy(struct http *http)
{
	while (http->requests)
		request_free(http->requests);
	curl_multi_cleanup(http->multi);
	uv_close((uv_handle_t *)&http->timer, on_handle_closed);
	uv_close((uv_handle_t *)&http->kick, on_handle_closed);
	uv_close((uv_handle_t *)&http->silence, on_handle_closed);
}

/* ---- time of silence ------------------------------------------------------------------------ */

static bool is_timed(const struct http_request *r)
{
	return r->connected && r->ask.silence_ms && !r->paused && !r->over && !r->canceled;
}

static void on_silence(uv_timer_t *timer);

static void arm_silence(struct http *http)
{
	uint64_t now = uv_now(http->loop), next = UINT64_MAX;

	for (struct http_request *r = http->requests; r; r = r->next) {
		if (!is_timed(r))
			continue;
		next = MIN(next, r->suspect ? now + 1 : r->heard_ms + r->ask.silence_ms);
	}
	if (next == UINT64_MAX)
		uv_timer_stop(&http->silence);
	else
		uv_timer_start(&http->silence, on_silence, next > now ? next - now : 0, 0);
}

static void on_silence(uv_timer_t *timer)
{
	struct http *http = timer->data;
	uint64_t now = uv_now(http->loop);

	enter(http);
	for (struct http_request *r = http->requests; r; r = r->next) {
		if (!is_timed(r) || now < r->heard_ms + r->ask.silence_ms)
			continue;
		/* If this loop was held up, the bytes wait in the socket: it is read once before the verdict. */
		if (!r->suspect) {
			r->suspect = true;
			continue;
		}
		r->over = r->silent = true;
		r->result = CURLE_OPERATION_TIMEDOUT;
	}
	arm_silence(http);
	leave(http);
}

static void heard(struct http_request *r)
{
	r->heard_ms = uv_now(r->http->loop);
	r->suspect = false;
}

/* ---- what curl calls ------------------------------------------------------------------------ */

/* curl tells neither of its times before TLS is done; this is called when it begins. */
static CURLcode on_greeting(CURL *easy, void *ssl_ctx, void *user)
{
	struct http_request *r = user;

	r->greeting = true;
	return CURLE_OK;
}

static int on_connected(void *user, char *ip, char *local_ip, int port, int local_port)
{
	struct http_request *r = user;

	r->connected = true;
	heard(r);
	if (r->ask.silence_ms)
		arm_silence(r->http);
	return CURL_PREREQFUNC_OK;
}

static int status_of(struct http_request *r)
{
	long status = 0;

	curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
	return (int)status;
}

static bool is_dead(const struct http_request *r)
{
	return r->canceled || r->over || r->http->closed;
}

static void tell_header(struct http_request *r, const char *line, size_t len)
{
	int status;

	while (len && (line[len - 1] == '\n' || line[len - 1] == '\r'))
		len--;
	if (!r->ask.header || !len || (len >= 5 && !memcmp(line, "HTTP/", 5)))
		return;
	status = status_of(r);
	if (status >= 200)
		r->ask.header(r->ask.user, status, line, len);
}

/* Usually a line; several if curl was paused when they came. */
static size_t on_header(char *data, size_t size, size_t n, void *user)
{
	struct http_request *r = user;
	const char *end = data + n;

	for (const char *line = data, *next; line < end && !is_dead(r); line = next) {
		next = memchr(line, '\n', (size_t)(end - line));
		next = next ? next + 1 : end;
		tell_header(r, line, (size_t)(next - line));
	}
	heard(r);
	return is_dead(r) ? 0 : n;
}

static size_t on_data(char *data, size_t size, size_t n, void *user)
{
	struct http_request *r = user;

	if (is_dead(r))
		return 0;
	if (r->paused) {
		r->curl_paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	heard(r);
	if (r->ask.data && !r->ask.data(r->ask.user, status_of(r), data, n))
		r->paused = true;
	return is_dead(r) ? 0 : n;
}

static bool has_more(const struct http_request *r)
{
	return r->out_at < r->out_len || !r->open;
}

static size_t on_read(char *buf, size_t size, size_t n, void *user)
{
	struct http_request *r = user;
	size_t len = MIN(size * n, r->out_len - r->out_at);

	if (is_dead(r))
		return CURL_READFUNC_ABORT;
	if (!has_more(r)) {
		r->hungry = true;
		return CURL_READFUNC_PAUSE;
	}
	if (!len)
		return 0;
	memcpy(buf, r->out + r->out_at, len);
	r->out_at += len;
	if (r->out_at == r->out_len)
		r->out_at = r->out_len = 0;
	return len;
}

/* A peer that is gone is noticed although nothing is asked of it: after a quarter of a minute and more. */
static int on_socket(void *user, curl_socket_t fd, curlsocktype purpose)
{
	const unsigned int unanswered_ms = 20000;

	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unanswered_ms, sizeof(unanswered_ms));
	return CURL_SOCKOPT_OK;
}

static void read_results(struct http *http)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(http->multi, &left))) {
		struct http_request *r = NULL;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&r);
		/* Silence is a verdict of ours that stands. */
		if (r->over)
			continue;
		r->over = true;
		r->deaf = false;
		r->result = m->data.result;
	}
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct socket_poll *s = poll->data;
	struct http *http = s->http;
	int running, flags = 0;

	if (status < 0)
		flags = CURL_CSELECT_ERR;
	if (events & UV_READABLE)
		flags |= CURL_CSELECT_IN;
	if (events & UV_WRITABLE)
		flags |= CURL_CSELECT_OUT;
	enter(http);
	curl_multi_socket_action(http->multi, s->fd, flags, &running);
	read_results(http);
	leave(http);
}

static void on_poll_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *socket_user)
{
	struct http *http = user;
	struct socket_poll *s = socket_user;
	struct http_request *r = NULL;
	int events = 0;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&r);
	if (what == CURL_POLL_REMOVE) {
		if (r && r->hungry && !r->deaf) {
			r->deaf = true;
			uv_timer_start(&http->kick, on_kick, 0, 0);
		}
		if (!s)
			return 0;
		uv_poll_stop(&s->poll);
		uv_close((uv_handle_t *)&s->poll, on_poll_closed);
		curl_multi_assign(http->multi, fd, NULL);
		return 0;
	}
	if (r)
		r->deaf = false;
	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s)
			return -1;
		s->http = http;
		s->fd = fd;
		if (uv_poll_init_socket(http->loop, &s->poll, fd)) {
			free(s);
			return -1;
		}
		s->poll.data = s;
		curl_multi_assign(http->multi, fd, s);
	}
	if (what & CURL_POLL_IN)
		events |= UV_READABLE;
	if (what & CURL_POLL_OUT)
		events |= UV_WRITABLE;
	return uv_poll_start(&s->poll, events, on_poll) ? -1 : 0;
}

static void on_timer(uv_timer_t *timer)
{
	struct http *http = timer->data;
	int running;

	enter(http);
	curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	read_results(http);
	leave(http);
}

static int on_curl_timer(CURLM *multi, long timeout_ms, void *user)
{
	struct http *http = user;

	if (timeout_ms < 0)
		uv_timer_stop(&http->timer);
	else
		uv_timer_start(&http->timer, on_timer, (uint64_t)timeout_ms, 0);
	return 0;
}

/* ---- requests ------------------------------------------------------------------------------- */

/* Curl is through with it, and so is the caller after this. */
static void complete(struct http_request *r)
{
	struct err err = {};
	int status = status_of(r), code = 0;

	if (r->result)
		code = http_curl_error(r, &err);
	if (r->ask.done)
		r->ask.done(r->ask.user, code, status, &err);
	request_free(r);
}

/* Do one thing that was marked; false: there is none for @r. */
static bool settle_request(struct http_request *r)
{
	struct http *http = r->http;

	if (r->canceled) {
		request_free(r);
		return true;
	}
	if (!r->added && !r->over) {
		r->added = !curl_multi_add_handle(http->multi, r->easy);
		r->over = !r->added;
		r->result = r->added ? CURLE_OK : CURLE_OUT_OF_MEMORY;
		return true;
	}
	if (r->over) {
		if (r->paused)
			return false;
		/* Not a second time, whatever the caller does in its callback. */
		r->canceled = true;
		complete(r);
		return true;
	}
	if ((r->curl_paused && !r->paused) || (r->hungry && has_more(r))) {
		r->curl_paused &= r->paused;
		r->hungry &= !has_more(r);
		curl_easy_pause(r->easy, (r->curl_paused ? CURLPAUSE_RECV : 0) |
				(r->hungry ? CURLPAUSE_SEND : 0));
		return true;
	}
	return false;
}

/* At depth 1: callbacks of these acts mark again, so it is done again until nothing is left. */
static void settle(struct http *http)
{
	struct http_request *r;
	bool again;

	do {
		again = false;
		if (http->closed)
			break;
		for (r = http->requests; r && !again; r = r->next) {
			again = settle_request(r);
			if (again)
				break; /* @r may be gone */
		}
	} while (again);
	http->depth = 0;
	if (http->closed)
		destroy(http);
}

static void on_kick(uv_timer_t *timer)
{
	struct http *http = timer->data;

	enter(http);
	/*
	 * curl 7.88 forgets a stream that the server refuses while we keep it open: its headers are read and
	 * never given out, and nothing is listened to any more.
	 */
	for (struct http_request *r = http->requests; r; r = r->next) {
		if (!r->deaf || r->over)
			continue;
		r->over = true;
		r->result = CURLE_HTTP2_STREAM;
	}
	leave(http);
}

static void kick(struct http *http)
{
	if (!http->depth)
		uv_timer_start(&http->kick, on_kick, 0, 0);
}

int http_send(struct http_request *r, const void *data, size_t len)
{
	if (r->out_len + len > r->out_room) {
		size_t room = MAX(r->out_len + len, 2 * r->out_room);
		unsigned char *out = malloc(room);

		if (!out)
			return -ENOMEM;
		if (r->out) {
			memcpy(out, r->out, r->out_len);
			explicit_bzero(r->out, r->out_room);
			free(r->out);
		}
		r->out = out;
		r->out_room = room;
	}
	if (len)
		memcpy(r->out + r->out_len, data, len);
	r->out_len += len;
	if (r->hungry)
		kick(r->http);
	return 0;
}

void http_end(struct http_request *r)
{
	r->open = false;
	kick(r->http);
}

void http_resume(struct http_request *r)
{
	if (!r->paused)
		return;
	r->paused = false;
	heard(r);
	if (r->ask.silence_ms)
		arm_silence(r->http);
	kick(r->http);
}

void http_cancel(struct http_request *r)
{
	if (r->http->depth)
		r->canceled = true;
	else
		request_free(r);
}

int http_start(struct http *http, const struct http_ask *ask, struct http_request **ret_request)
{
	struct http_request *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->http = http;
	r->ask = *ask;
	r->open = ask->keep_open;
	r->easy = curl_easy_init();
	if (!r->easy || http_curl_options(r, ask) || http_send(r, ask->body, ask->len)) {
		request_free(r);
		return -ENOMEM;
	}
	curl_easy_setopt(r->easy, CURLOPT_PRIVATE, r);
	curl_easy_setopt(r->easy, CURLOPT_SSL_CTX_FUNCTION, on_greeting);
	curl_easy_setopt(r->easy, CURLOPT_SSL_CTX_DATA, r);
	curl_easy_setopt(r->easy, CURLOPT_PREREQFUNCTION, on_connected);
	curl_easy_setopt(r->easy, CURLOPT_PREREQDATA, r);
	curl_easy_setopt(r->easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(r->easy, CURLOPT_HEADERDATA, r);
	curl_easy_setopt(r->easy, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(r->easy, CURLOPT_WRITEDATA, r);
	curl_easy_setopt(r->easy, CURLOPT_READFUNCTION, on_read);
	curl_easy_setopt(r->easy, CURLOPT_READDATA, r);
	curl_easy_setopt(r->easy, CURLOPT_SOCKOPTFUNCTION, on_socket);
	/* Borrowed no longer. */
	r->ask.method = r->ask.path = NULL;
	r->ask.headers = NULL;
	r->ask.body = NULL;

	r->next = http->requests;
	if (r->next)
		r->next->prev = r;
	http->requests = r;
	kick(http);
	*ret_request = r;
	return 0;
}

/* ---- the server ----------------------------------------------------------------------------- */

void http_close(struct http *http)
{
	if (!http || http->closed)
		return;
	http->closed = true;
	if (!http->depth)
		destroy(http);
}

int http_new(const struct http_setup *setup, struct http **ret_http, struct err *err)
{
	static bool begun;
	struct http *http;
	int code;

	if (!begun && curl_global_init(CURL_GLOBAL_DEFAULT))
		return err_set(err, -ENOMEM, "libcurl does not start");
	begun = true;
	code = http_curl_server(setup, &http, err);
	if (code)
		return code;
	http->multi = curl_multi_init();
	if (!http->multi) {
		http_curl_free(http);
		return err_set(err, -ENOMEM, "out of memory");
	}
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
	/* On one connection, a paused stream holds up the others (curl 7.88 keeps one buffer of them). */
	curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
	curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, 4L);
	uv_timer_init(http->loop, &http->timer);
	uv_timer_init(http->loop, &http->kick);
	uv_timer_init(http->loop, &http->silence);
	http->timer.data = http->kick.data = http->silence.data = http;
	http->handles = 3;
	*ret_http = http;
	return 0;
}
