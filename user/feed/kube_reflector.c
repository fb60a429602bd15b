/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The state machine: each request ends in one of succeed(), refused() or failed(), which say when the
 * next begins and what it asks. A resourceVersion is opaque: it is kept and given back, never compared.
 */
#include "feed/kube_reflector.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "core/defs.h"
#include "feed/backoff.h"
#include "feed/kube_client.h"
#include "feed/kube_list.h"
#include "feed/kube_status.h"

/* Bookmarks come about once a minute. */
#define SILENCE_MS (3 * 60 * 1000)
#define LIST_SILENCE_MS (60 * 1000)
/* An old server takes a WatchList for a watch and never says where its beginning ends. */
#define INITIAL_MS (10 * 1000)
#define FIRST_PAUSE_MS 800
#define MAX_PAUSE_MS (30 * 1000)
/* Servers are upgraded: WatchList is tried again. */
#define LISTS_ONLY_MS (60 * 60 * 1000)
#define ABSENT_MS (60 * 1000)
/* What was there is believed to be gone when the server has said so for this long. */
#define GONE_MS (5 * 60 * 1000)
/* A watch that ends sooner is begun again with a pause. */
#define LIVED_MS (10 * 1000)

enum phase {
	WAITING,
	PAGES,    /* a page of a list */
	INITIAL,  /* a WatchList before its end */
	WATCHING,
};

struct kube_reflector {
	struct kube_reflector_setup setup;
	struct kube_client *client;
	struct http_request *request;
	uv_timer_t next, quiet;
	int open_handles;
	struct backoff backoff;

	enum phase phase;
	size_t api;
	struct kube_stream stream;
	struct kube_list list;
	struct kube_text body;      /* of an answer that refuses */
	unsigned int retry_after_s; /* by its header */
	char version[KUBE_MAX_VERSION + 1]; /* "" = list first */
	char *token;                /* of the next page, NULL = the first one */
	bool whole;                 /* list without pages: its tokens grow too old on the way */
	bool listing;               /* list() was called, neither listed() nor aborted() */
	bool paused, closing;
	bool heard;                 /* an event or bookmark since the request began */
	bool stands;                /* the watch was accepted */
	bool news;                  /* one since current() was last called */
	bool unauthorized;          /* the token was read once more */
	bool asked_to_wait;         /* the pause under way is the server's wish */
	bool lists_only, present, warned;
	uint64_t lists_only_until, gone_since, started;
	uint64_t seen_ns;           /* of the bytes that are being read */
	bool faulty;
	struct kube_status fault;   /* the ERROR event, or what else is wrong with the stream */
};

static void on_next(uv_timer_t *timer);

static uint64_t now(const struct kube_reflector *r)
{
	return uv_now(r->setup.loop);
}

static void next_in(struct kube_reflector *r, uint64_t ms)
{
	r->phase = WAITING;
	r->asked_to_wait = false;
	uv_timer_start(&r->next, on_next, ms, 0);
}

static void end_request(struct kube_reflector *r)
{
	uv_timer_stop(&r->quiet);
	if (r->request)
		http_cancel(take(r->request));
	r->paused = false;
}

static void abort_list(struct kube_reflector *r)
{
	free(take(r->token));
	if (!r->listing)
		return;
	r->listing = false;
	r->setup.callbacks.aborted(r->setup.callbacks.user);
}

static void begin_list(struct kube_reflector *r)
{
	if (r->listing)
		return;
	r->listing = true;
	r->setup.callbacks.list(r->setup.callbacks.user);
}

/* ---- how an attempt ends -------------------------------------------------------------------- */

static void set_version(struct kube_reflector *r, const char *version, size_t len)
{
	if (!len || len > KUBE_MAX_VERSION)
		return;
	memcpy(r->version, version, len);
	r->version[len] = '\0';
}

static void tell_current(struct kube_reflector *r)
{
	if (r->phase == WATCHING && r->news)
		backoff_reset(&r->backoff);
	r->news = false;
	r->setup.callbacks.current(r->setup.callbacks.user, r->version);
}

static void listed(struct kube_reflector *r)
{
	r->listing = false;
	r->whole = false;
	r->present = true;
	r->gone_since = 0;
	r->setup.callbacks.listed(r->setup.callbacks.user);
	tell_current(r);
}

static void fail_after(struct kube_reflector *r, const struct err *err, uint64_t at_least_ms)
{
	uint64_t pause = backoff_next_ms(&r->backoff);

	abort_list(r);
	kube_client_doubt(r->client);
	/* Jitter on top: all nodes were told the same Retry-After. */
	if (at_least_ms)
		pause = at_least_ms + pause / 2;
	next_in(r, pause);
	r->asked_to_wait = at_least_ms != 0;
	r->setup.callbacks.error(r->setup.callbacks.user, err);
}

static void failed(struct kube_reflector *r, int code, const struct err *err)
{
	bool watched = r->phase == WATCHING;

	/* To a version that a server does not know yet (a restored store) it says nothing. */
	if (watched && !r->heard && code == -ETIMEDOUT)
		r->version[0] = '\0';
	/* Connections break; it is told when the next one does not stand either. */
	if (watched && r->heard) {
		kube_client_doubt(r->client);
		next_in(r, backoff_next_ms(&r->backoff) / 2);
		return;
	}
	fail_after(r, err, 0);
}

/* The server does not know the version any more, or not this token: all again. */
static void expired(struct kube_reflector *r)
{
	struct err err;

	r->version[0] = '\0';
	if (r->whole) {
		err_set(&err, -ESTALE, "%s gives up its list of %s before it is read to the end",
			kube_client_server(r->client), r->setup.resource->name);
		fail_after(r, &err, 0);
		return;
	}
	r->whole = r->phase == PAGES && r->token;
	abort_list(r);
	next_in(r, backoff_next_ms(&r->backoff));
}

static void absent(struct kube_reflector *r, const struct err *err)
{
	r->version[0] = '\0';
	r->api = 0;
	if (r->present) {
		if (!r->gone_since)
			r->gone_since = now(r);
		if (now(r) - r->gone_since < GONE_MS) {
			fail_after(r, err, 0);
			return;
		}
	}
	abort_list(r);
	if (r->present) {
		begin_list(r);
		r->listing = false;
		r->setup.callbacks.listed(r->setup.callbacks.user);
		r->present = false;
	}
	next_in(r, ABSENT_MS + backoff_next_ms(&r->backoff));
	tell_current(r);
}

static void refused(struct kube_reflector *r, int status, const struct kube_status *said)
{
	const struct kube_resource *resource = r->setup.resource;
	unsigned int wait_s = MAX(r->retry_after_s, said->retry_after_s);
	struct err err;

	if (status == 410) {
		expired(r);
		return;
	}
	if (status == 400 && r->phase == PAGES && r->token) {
		expired(r);
		return;
	}
	if (r->phase == INITIAL && (status == 400 || status == 422)) {
		r->lists_only = true;
		r->lists_only_until = now(r) + LISTS_ONLY_MS;
		abort_list(r);
		next_in(r, 0);
		return;
	}
	if (status == 401 && !r->unauthorized) {
		r->unauthorized = true;
		abort_list(r);
		kube_client_doubt(r->client);
		next_in(r, 0);
		return;
	}
	if (status == 404 && r->api + 1 < KUBE_MAX_APIS && resource->apis[r->api + 1]) {
		r->api++;
		r->version[0] = '\0';
		abort_list(r);
		next_in(r, 0);
		return;
	}
	kube_status_sentence(said, status, kube_client_server(r->client), resource->name, &err);
	if (resource->optional && (status == 404 || status == 403)) {
		absent(r, &err);
		return;
	}
	/* Too new a version for this server: without one none is too new. */
	if (status == 504)
		r->version[0] = '\0';
	fail_after(r, &err, wait_s * 1000ull);
}

static void page_succeeded(struct kube_reflector *r)
{
	char *version, *token;
	struct err err;
	int rc = kube_list_end(&r->list, &version, &token, &err);

	if (rc) {
		failed(r, rc, &err);
		return;
	}
	free(r->token);
	r->token = NULL;
	if (*token) {
		r->token = token;
		free(version);
		next_in(r, 0);
		return;
	}
	free(token);
	set_version(r, version, strlen(version));
	free(version);
	next_in(r, 0);
	listed(r);
}

static void succeeded(struct kube_reflector *r)
{
	struct err err;

	switch (r->phase) {
	case WAITING:
		break;
	case PAGES:
		page_succeeded(r);
		break;
	case INITIAL:
		err_set(&err, -EPROTO, "%s ended before it had told all %s",
			kube_client_server(r->client), r->setup.resource->name);
		failed(r, -EPROTO, &err);
		break;
	case WATCHING:
		if (kube_stream_is_open(&r->stream)) {
			err_set(&err, -EPROTO, "%s ended in the middle of an object",
				kube_client_server(r->client));
			failed(r, -EPROTO, &err);
			break;
		}
		if (!r->heard)
			r->version[0] = '\0';
		next_in(r, now(r) - r->started >= LIVED_MS ? 0 : backoff_next_ms(&r->backoff));
		break;
	}
}

static void on_done(void *user, int code, int status, const struct err *err)
{
	struct kube_reflector *r = user;
	struct kube_status said;

	r->request = NULL;
	end_request(r);
	if (code) {
		failed(r, code, err);
	} else if (status == 200) {
		r->unauthorized = false;
		succeeded(r);
	} else {
		kube_status_read(r->body.text, r->body.len, &said);
		refused(r, status, &said);
	}
}

/* ---- what comes in -------------------------------------------------------------------------- */

static void on_event(void *user, const struct kube_event *event)
{
	struct kube_reflector *r = user;
	const struct kube_reflector_callbacks *to = &r->setup.callbacks;
	bool go_on = true;

	if (event->type == KUBE_ERROR) {
		kube_status_read(event->object.text, event->object.len, &r->fault);
		r->faulty = true;
	}
	if (r->faulty || r->closing)
		return;
	r->heard = r->news = true;
	/* The versions of a list's items are older than the list. */
	if (event->version.text && r->phase == WATCHING)
		set_version(r, event->version.text, event->version.len);
	if (event->type == KUBE_BOOKMARK) {
		if (r->phase != INITIAL)
			return;
		/* A plain bookmark here: the server took it for a watch. */
		if (!event->initial_end || !event->version.text) {
			r->fault = (struct kube_status){ .code = 422 };
			r->faulty = true;
			return;
		}
		set_version(r, event->version.text, event->version.len);
		uv_timer_stop(&r->quiet);
		r->phase = WATCHING;
		listed(r);
		return;
	}
	if (!event->name.text || !event->name.len) {
		r->fault = (struct kube_status){ .message = "an object has no name" };
		r->faulty = true;
		return;
	}
	if (event->type == KUBE_DELETED)
		go_on = to->erase(to->user, event, r->phase == WATCHING ? r->seen_ns : 0);
	else
		go_on = to->put(to->user, event, r->phase == WATCHING ? r->seen_ns : 0);
	if (!go_on)
		r->paused = true;
}

static void on_header(void *user, int status, const char *line, size_t len)
{
	struct kube_reflector *r = user;
	unsigned int seconds = kube_status_retry_after(line, len);

	if (seconds)
		r->retry_after_s = seconds;
	/* A watch that stands ends an error; its first bookmark may be a minute away. */
	if (status == 200 && r->phase == WATCHING && !r->stands) {
		r->stands = true;
		tell_current(r);
	}
}

static void on_quiet(uv_timer_t *timer);

static void wait_for_initial(struct kube_reflector *r)
{
	uv_timer_start(&r->quiet, on_quiet, r->setup.initial_ms, 0);
}

static void on_quiet(uv_timer_t *timer)
{
	struct kube_reflector *r = timer->data;

	if (r->paused) {
		wait_for_initial(r);
		return;
	}
	end_request(r);
	refused(r, 422, &(struct kube_status){});
}

static void broken(struct kube_reflector *r, int code, const struct err *why)
{
	struct err err;

	end_request(r);
	err_set(&err, code, "%s: %s: %s", kube_client_server(r->client), r->setup.resource->name,
		why->text);
	r->version[0] = '\0';
	fail_after(r, &err, 0);
}

static bool on_data(void *user, int status, const void *data, size_t len)
{
	struct kube_reflector *r = user;
	struct kube_status fault;
	struct err err;
	int rc;

	if (status != 200) {
		/* A Status may be cut here, which makes it no JSON: its first words will do. */
		kube_text_add(&r->body, data, len);
		return true;
	}
	r->seen_ns = uv_hrtime();
	if (r->phase == INITIAL)
		wait_for_initial(r);
	rc = r->phase == PAGES ? kube_list_push(&r->list, data, len, &err) :
				 kube_stream_push(&r->stream, data, len, &err);
	if (r->closing)
		return true;
	if (rc) {
		broken(r, rc, &err);
		return true;
	}
	if (r->faulty) {
		fault = r->fault;
		end_request(r);
		if (fault.code) {
			refused(r, fault.code, &fault);
		} else {
			err_set(&err, -EPROTO, "%s", fault.message);
			broken(r, -EPROTO, &err);
		}
		return true;
	}
	if (r->phase == WATCHING && r->news)
		tell_current(r);
	return !r->paused;
}

/* ---- asking --------------------------------------------------------------------------------- */

static unsigned int watch_seconds(void)
{
	uint32_t chance = 0;

	/* Without entropy all end at once, which a server bears as well. */
	if (getrandom(&chance, sizeof(chance), GRND_NONBLOCK) != sizeof(chance))
		chance = 0;
	return 300 + chance % 301;
}

static int prepare(struct kube_reflector *r, struct kube_query *ret_query)
{
	const struct kube_resource *resource = r->setup.resource;
	struct kube_query query = { .timeout_s = watch_seconds() };
	int rc = 0;

	if (r->lists_only && now(r) >= r->lists_only_until)
		r->lists_only = false;
	kube_stream_done(&r->stream);
	kube_list_done(&r->list);
	if (*r->version) {
		query.watch = true;
		query.version = r->version;
		r->phase = WATCHING;
	} else if (!r->lists_only) {
		query.watch = query.initial = true;
		r->phase = INITIAL;
	} else {
		query.token = r->token;
		query.limit = r->whole ? 0 : KUBE_PAGE;
		r->phase = PAGES;
		rc = kube_list_init(&r->list, resource->kind, resource->apis[r->api], on_event, r);
	}
	if (query.watch)
		kube_stream_init(&r->stream, on_event, r);
	*ret_query = query;
	return rc;
}

static void warn_once(struct kube_reflector *r)
{
	const char *warning = kube_client_warning(r->client);

	if (r->warned || !warning)
		return;
	r->warned = true;
	r->setup.callbacks.warn(r->setup.callbacks.user, warning);
}

static void start(struct kube_reflector *r)
{
	struct kube_query query;
	struct http_ask ask = {
		.header = on_header, .data = on_data, .done = on_done, .user = r,
	};
	auto_free char *path = NULL;
	struct err err;
	int rc;

	uv_timer_stop(&r->next);
	r->heard = r->stands = r->news = r->faulty = r->paused = false;
	r->retry_after_s = 0;
	r->started = now(r);
	kube_text_clear(&r->body);
	rc = prepare(r, &query);
	if (!rc)
		path = kube_resource_path(r->setup.resource, r->api, &query);
	if (rc || !path) {
		err_set(&err, -ENOMEM, "out of memory");
		fail_after(r, &err, 0);
		return;
	}
	ask.path = path;
	ask.silence_ms = query.watch ? r->setup.silence_ms : LIST_SILENCE_MS;
	rc = kube_client_get(r->client, &ask, &r->request, &err);
	if (rc) {
		fail_after(r, &err, 0);
		return;
	}
	warn_once(r);
	if (r->phase != WATCHING)
		begin_list(r);
	if (r->phase == INITIAL)
		wait_for_initial(r);
}

static void on_next(uv_timer_t *timer)
{
	start(timer->data);
}

/* ---- the rest ------------------------------------------------------------------------------- */

int kube_reflector_new(const struct kube_reflector_setup *setup,
		       struct kube_reflector **ret_reflector)
{
	struct kube_reflector *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return -ENOMEM;
	r->setup = *setup;
	rc = kube_client_new(setup->loop, setup->kubeconfig, setup->context, &r->client);
	if (rc) {
		free(r);
		return rc;
	}
	/* Copied by the client. */
	r->setup.kubeconfig = r->setup.context = NULL;
	if (!r->setup.silence_ms)
		r->setup.silence_ms = SILENCE_MS;
	if (!r->setup.initial_ms)
		r->setup.initial_ms = INITIAL_MS;
	backoff_init(&r->backoff, setup->first_pause_ms ? setup->first_pause_ms : FIRST_PAUSE_MS,
		     setup->max_pause_ms ? setup->max_pause_ms : MAX_PAUSE_MS);
	r->body.limit = KUBE_MAX_STATUS;
	uv_timer_init(setup->loop, &r->next);
	uv_timer_init(setup->loop, &r->quiet);
	r->next.data = r->quiet.data = r;
	r->open_handles = 2;
	next_in(r, 0);
	*ret_reflector = r;
	return 0;
}

void kube_reflector_resume(struct kube_reflector *r)
{
	if (!r->paused)
		return;
	r->paused = false;
	if (r->request)
		http_resume(r->request);
}

void kube_reflector_hurry(struct kube_reflector *r)
{
	if (r->phase == WAITING && !r->asked_to_wait)
		next_in(r, 0);
}

void kube_reflector_poke(struct kube_reflector *r)
{
	end_request(r);
	abort_list(r);
	r->version[0] = '\0';
	r->lists_only = false;
	kube_client_doubt(r->client);
	next_in(r, 0);
}

static void on_closed(uv_handle_t *handle)
{
	struct kube_reflector *r = handle->data;

	if (--r->open_handles)
		return;
	kube_stream_done(&r->stream);
	kube_list_done(&r->list);
	kube_text_free(&r->body);
	free(r->token);
	free(r);
}

void kube_reflector_close(struct kube_reflector *r)
{
	if (!r)
		return;
	r->closing = true;
	end_request(r);
	kube_client_close(take(r->client));
	uv_close((uv_handle_t *)&r->next, on_closed);
	uv_close((uv_handle_t *)&r->quiet, on_closed);
}
