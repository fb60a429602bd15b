/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The life of a call: begun, when there is a token if one is needed; perhaps a second time with a new
 * token; read as it comes; over. What a call says is in etcd_calls.c.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/defs.h"
#include "feed/etcd.pb-c.h"
#include "feed/etcd_parts.h"

#define MAX_TOKEN 8192

void etcd_call_free(struct etcd_call *call)
{
	if (call->prev)
		call->prev->next = call->next;
	else if (call->etcd->calls == call)
		call->etcd->calls = call->next;
	if (call->next)
		call->next->prev = call->prev;
	/* A password, a token. */
	if (call->out)
		explicit_bzero(call->out, call->out_len);
	free(call->out);
	if (call->in)
		explicit_bzero(call->in, call->in_room);
	free(call->in);
	etcd_stream_free(&call->stream);
	free(call->rest);
	free(call->adds);
	free(call);
}

/* ---- how a call ends ------------------------------------------------------------------------ */

static const char *who(const struct etcd *etcd)
{
	return etcd->user ? etcd->user : etcd->setup.cert.data ? "our certificate's CN" : "nobody";
}

/* The sentence and code for a status of @call. */
static int status_error(const struct etcd_call *call, struct err *err)
{
	const struct etcd *etcd = call->etcd;
	const char *at = etcd->endpoints[call->endpoint], *words = call->status.message;

	switch (call->status.code) {
	case GRPC_PERMISSION_DENIED:
		return err_set(err, -EACCES, "%s: %s: grant a role on these keys to the user we are (%s)",
			       at, words, who(etcd));
	case GRPC_UNAUTHENTICATED:
		return err_set(err, -EKEYREJECTED, "%s: %s: the token of user %s is refused although it is "
			       "new: do the members share their --auth-token?", at, words, who(etcd));
	case GRPC_INVALID_ARGUMENT:
		if (strstr(words, "user name is empty"))
			return err_set(err, -EKEYREJECTED, "%s: %s: it wants to know who we are: set a "
				       "client certificate with a CN, or user and password_file", at, words);
		if (strstr(words, "authentication failed"))
			return err_set(err, -EKEYREJECTED, "%s: %s: look at user (%s) and password_file", at,
				       words, who(etcd));
		break;
	case GRPC_OUT_OF_RANGE:
		return err_set(err, -ESTALE, "%s: %s", at, words);
	case GRPC_UNAVAILABLE:
		return err_set(err, -EAGAIN, "%s: %s: has the cluster a leader?", at, words);
	case GRPC_NOT_FOUND:
		return err_set(err, -ENOENT, "%s: %s", at, words);
	}
	return err_set(err, -EPROTO, "%s: %s (gRPC status %d)", at, *words ? words : "refused",
		       call->status.code);
}

/* Tell and forget. */
static void finish(struct etcd_call *call, int code, const struct err *err)
{
	call->request = NULL;
	if (call->etcd->auth == call)
		call->etcd->auth = NULL;
	if (call->dead)
		return;
	call->dead = true;
	call->ops->over(call, code, err);
}

/* ---- begin, and begin again ----------------------------------------------------------------- */

static bool on_data(void *user, int http_status, const void *data, size_t len);
static void on_header(void *user, int http_status, const char *line, size_t len);
static void on_done(void *user, int code, int http_status, const struct err *err);

static int start(struct etcd_call *call)
{
	struct etcd *etcd = call->etcd;
	const char *headers[5] = { "content-type: application/grpc", "te: trailers" };
	struct http_ask ask = {
		.method = "POST", .path = call->ops->path, .headers = headers, .body = call->out,
		.len = call->out_len, .keep_open = call->ops->stream,
		.silence_ms = call->ops->stream ? 0 : ETCD_SILENCE_MS,
		.header = on_header, .data = on_data, .done = on_done, .user = call,
	};
	auto_free char *token = NULL;
	size_t n = 2;
	int code;

	if (call->ops->stream)
		headers[n++] = "hasleader: true";
	if (etcd->token && call != etcd->auth) {
		if (asprintf(&token, "token: %s", etcd->token) < 0) {
			token = NULL;
			return -ENOMEM;
		}
		headers[n++] = token;
	}
	call->endpoint = etcd->at;
	call->status = (struct grpc_status){ .code = GRPC_NONE };
	call->frames = (struct grpc_frames){};
	etcd_stream_end(&call->stream);
	call->in_len = 0;
	call->messages = 0;
	/* It was valid when etcd was made: only memory can be short. */
	if (etcd_open_endpoint(etcd, etcd->at, NULL))
		return -ENOMEM;
	code = http_start(etcd->https[etcd->at], &ask, &call->request);
	if (token)
		explicit_bzero(token, strlen(token));
	return code;
}

static void fail_memory(struct etcd_call *call)
{
	struct err err;

	finish(call, err_set(&err, -ENOMEM, "out of memory"), &err);
}

/* Whoever waits for a token: there is one, or none is needed, or (@code) there will be none. */
static void release_waiting(struct etcd *etcd, int code, const struct err *err)
{
	struct etcd_call *call;

	/* Calls are only added in front and freed later: the list may be walked meanwhile. */
	for (call = etcd->calls; call; call = call->next) {
		if (!call->waiting || call->dead)
			continue;
		call->waiting = false;
		if (code)
			finish(call, code, err);
		else if (start(call))
			fail_memory(call);
	}
}

static void on_auth_over(struct etcd_call *call, int code, const struct err *err)
{
	struct etcd *etcd = call->etcd;

	/* Auth is off there: anybody may read and write, until it is switched on. */
	if (code && strstr(call->status.message, "authentication is not enabled")) {
		etcd->no_auth = true;
		code = 0;
	}
	release_waiting(etcd, code, err);
}

static int on_auth_message(struct etcd_call *call)
{
	Etcdpb__AuthenticateResponse *r = etcdpb__authenticate_response__unpack(NULL, call->in_len, call->in);
	size_t len = r ? strlen(r->token) : 0;
	char *token = NULL;

	if (!r)
		return -EPROTO;
	/* It becomes a line of a header. */
	if (len && len <= MAX_TOKEN && strcspn(r->token, "\r\n") == len)
		token = strdup(r->token);
	explicit_bzero(r->token, len);
	etcdpb__authenticate_response__free_unpacked(r, NULL);
	if (!token)
		return -EPROTO;
	etcd_wipe(&call->etcd->token);
	call->etcd->token = token;
	return 0;
}

static const struct etcd_call_ops auth_ops = {
	.path = "/etcdserverpb.Auth/Authenticate",
	.part = etcd_call_hold,
	.message = on_auth_message,
	.over = on_auth_over,
};

static int begin_auth(struct etcd *etcd)
{
	Etcdpb__AuthenticateRequest m = ETCDPB__AUTHENTICATE_REQUEST__INIT;
	int code;

	if (etcd->auth)
		return 0;
	m.name = etcd->user;
	m.password = etcd->password;
	code = etcd_call_new(etcd, &auth_ops, &m.base, &etcd->auth);
	if (code)
		return code;
	code = start(etcd->auth);
	if (code)
		etcd_kill_call(etcd->auth);
	return code;
}

/* Now, or when there is a token. */
static int start_or_wait(struct etcd_call *call)
{
	struct etcd *etcd = call->etcd;

	if (!etcd->user || etcd->token || etcd->no_auth)
		return start(call);
	call->waiting = true;
	return begin_auth(etcd);
}

int etcd_call_begin(struct etcd_call *call)
{
	struct etcd *etcd = call->etcd;
	int code;

	etcd_enter(etcd);
	code = start_or_wait(call);
	if (code)
		etcd_kill_call(call);
	etcd_leave(etcd);
	return code;
}

/* A token that is refused is got once more. True: the call goes on. */
static bool try_again(struct etcd_call *call)
{
	struct etcd *etcd = call->etcd;

	if (!etcd->user || call == etcd->auth || call->retried || call->told)
		return false;
	if (call->status.code != GRPC_UNAUTHENTICATED &&
	    !strstr(call->status.message, "revision of auth store is old") &&
	    !strstr(call->status.message, "user name is empty"))
		return false;
	call->retried = true;
	etcd->no_auth = false;
	call->request = NULL;
	etcd_wipe(&etcd->token);
	if (start_or_wait(call))
		fail_memory(call);
	return true;
}

/* ---- an answer ------------------------------------------------------------------------------ */

/* Reads until there is no more, a pause, or the call's end. */
static int read_answer(struct etcd_call *call, const uint8_t **data, size_t *len)
{
	uint32_t limit = call->ops->part == etcd_call_hold ? ETCD_MAX_ANSWER : ETCD_MAX_RANGE;
	ssize_t n;
	int code;

	while (!call->dead && !call->paused) {
		if (!call->frames.inside) {
			if (!*len)
				return 0;
			code = grpc_take_head(&call->frames, data, len, limit);
			if (code <= 0)
				return code;
			call->in_len = 0;
		}
		if (!*len && call->frames.left)
			return 0;
		n = 0;
		if (call->frames.left) {
			n = call->ops->part(call, *data, MIN(*len, (size_t)call->frames.left));
			if (n < 0)
				return (int)n;
			*data += n;
			*len -= (size_t)n;
			/* Paused or not: what was read is read. The message's end is for later. */
			call->frames.left -= (uint32_t)n;
			if (call->frames.left || call->paused || call->dead)
				continue;
		}
		grpc_take(&call->frames, 0);
		call->messages++;
		code = call->ops->message(call);
		if (code)
			return code;
	}
	return 0;
}

/* An answer that cannot be read ends the call. */
static void fail_answer(struct etcd_call *call, int code)
{
	struct http_request *request = call->request;
	struct err err;
	const char *at = call->etcd->endpoints[call->endpoint];

	if (code == -EMSGSIZE)
		err_set(&err, code, "%s: an answer is larger than this program takes: ask for fewer keys", at);
	else if (code == -ENOMEM)
		err_set(&err, code, "out of memory for an answer of %s", at);
	else
		err_set(&err, code, "%s: an answer is not what etcd's protocol says: is this etcd?", at);
	finish(call, code, &err);
	if (request)
		http_cancel(request);
}

static bool on_data(void *user, int http_status, const void *data, size_t len)
{
	struct etcd_call *call = user;
	struct etcd *etcd = call->etcd;
	const uint8_t *at = data;
	bool go_on = true;
	int code;

	/* What is no gRPC is told by on_done(). */
	if (http_status != 200)
		return true;
	etcd_enter(etcd);
	code = read_answer(call, &at, &len);
	if (!code && call->paused && !call->dead) {
		call->rest = len ? malloc(len) : NULL;
		if (len && !call->rest) {
			code = -ENOMEM;
		} else if (len) {
			memcpy(call->rest, at, len);
			call->rest_len = len;
		}
		go_on = false;
	}
	if (code)
		fail_answer(call, code);
	etcd_leave(etcd);
	return go_on;
}

static void on_header(void *user, int http_status, const char *line, size_t len)
{
	struct etcd_call *call = user;

	/* The server is through with a stream that we would keep open. */
	if (grpc_read_line(&call->status, line, len) && call->ops->stream && call->request)
		http_end(call->request);
}

static void on_done(void *user, int code, int http_status, const struct err *err)
{
	struct etcd_call *call = user;
	struct etcd *etcd = call->etcd;
	const char *at = etcd->endpoints[call->endpoint];
	struct err own = {};

	etcd_enter(etcd);
	call->request = NULL;
	/* A status counts, whatever became of the connection after it. */
	if (call->status.code > GRPC_OK) {
		if (try_again(call))
			goto out;
		code = status_error(call, &own);
		err = &own;
	} else if (!code && http_status != 200) {
		code = err_set(&own, -EPROTO, "%s answers with HTTP status %d: is this etcd?", at, http_status);
		err = &own;
	} else if (call->status.code == GRPC_NONE && !code) {
		code = err_set(&own, -EPROTO, "%s ended an answer without a status", at);
		err = &own;
	} else if (call->ops->stream && !code) {
		code = err_set(&own, -EAGAIN, "%s ended the watch: is it stopping?", at);
		err = &own;
	} else if (call->status.code == GRPC_OK && (call->frames.inside || !call->messages)) {
		code = err_set(&own, -EPROTO, "%s said that all is well, but gave no whole answer", at);
		err = &own;
	} else if (call->status.code == GRPC_OK && !call->ops->stream) {
		code = 0;
	}
	/* The transport, or a member that cannot do its work; not: an answer that we do not like. */
	if (code && (call->status.code == GRPC_NONE || code == -EAGAIN))
		etcd_leave_endpoint(call);
	finish(call, code, err);
out:
	etcd_leave(etcd);
}

static void on_kick(uv_timer_t *timer)
{
	struct etcd *etcd = timer->data;
	const uint8_t *at;
	uint8_t *rest;
	size_t len;
	int code;

	etcd_enter(etcd);
	for (struct etcd_call *call = etcd->calls; call; call = call->next) {
		if (call->dead || call->paused || !call->request)
			continue;
		at = rest = take(call->rest);
		len = call->rest_len;
		call->rest_len = 0;
		code = read_answer(call, &at, &len);
		if (!code && call->paused && !call->dead && len) {
			/* The same memory holds what is left. */
			memmove(rest, at, len);
			call->rest = take(rest);
			call->rest_len = len;
		}
		free(rest);
		if (code)
			fail_answer(call, code);
		else if (!call->dead && !call->paused)
			http_resume(call->request);
	}
	etcd_leave(etcd);
}

void etcd_resume(struct etcd_call *call)
{
	if (!call->paused)
		return;
	call->paused = false;
	uv_timer_start(&call->etcd->kick, on_kick, 0, 0);
}

void etcd_cancel(struct etcd_call *call)
{
	struct etcd *etcd = call->etcd;

	etcd_enter(etcd);
	etcd_kill_call(call);
	etcd_leave(etcd);
}

/* ---- what is sent --------------------------------------------------------------------------- */

static int frame(const ProtobufCMessage *message, uint8_t **ret_data, size_t *ret_len)
{
	size_t len = protobuf_c_message_get_packed_size(message);
	uint8_t *data = malloc(GRPC_HEAD + len);

	if (!data)
		return -ENOMEM;
	grpc_write_head(data, (uint32_t)len);
	protobuf_c_message_pack(message, data + GRPC_HEAD);
	*ret_data = data;
	*ret_len = GRPC_HEAD + len;
	return 0;
}

int etcd_call_new(struct etcd *etcd, const struct etcd_call_ops *ops, const ProtobufCMessage *message,
		  struct etcd_call **ret_call)
{
	struct etcd_call *call = calloc(1, sizeof(*call));

	if (!call)
		return -ENOMEM;
	if (message && frame(message, &call->out, &call->out_len)) {
		free(call);
		return -ENOMEM;
	}
	call->etcd = etcd;
	call->ops = ops;
	call->next = etcd->calls;
	if (call->next)
		call->next->prev = call;
	etcd->calls = call;
	*ret_call = call;
	return 0;
}

int etcd_call_send(struct etcd_call *call, const ProtobufCMessage *message)
{
	auto_free uint8_t *data = NULL;
	uint8_t *out;
	size_t len;

	if (frame(message, &data, &len))
		return -ENOMEM;
	if (call->request)
		return http_send(call->request, data, len);
	out = realloc(call->out, call->out_len + len);
	if (!out)
		return -ENOMEM;
	memcpy(out + call->out_len, data, len);
	call->out = out;
	call->out_len += len;
	return 0;
}

ssize_t etcd_call_hold(struct etcd_call *call, const uint8_t *data, size_t len)
{
	if (call->in_len + len > call->in_room) {
		/* No more than twice what has come, whatever the frame's head promises. */
		size_t room = MAX(call->in_len + len, 2 * call->in_room);
		uint8_t *in = realloc(call->in, room);

		if (!in)
			return -ENOMEM;
		call->in = in;
		call->in_room = room;
	}
	memcpy(call->in + call->in_len, data, len);
	call->in_len += len;
	return (ssize_t)len;
}
