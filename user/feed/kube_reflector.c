/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Requests of one resource, and what is heard on them. How they end is in kube_reflector_end.c. A
 * resourceVersion is opaque: it is kept and given back, never compared.
 */
#include "feed/kube_reflector_parts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "core/defs.h"

/* Bookmarks come about once a minute. */
#define SILENCE_MS (3 * 60 * 1000)
#define LIST_SILENCE_MS (60 * 1000)
/* An old server takes a WatchList for a watch and never says where its beginning ends. */
#define INITIAL_MS (10 * 1000)
#define FIRST_PAUSE_MS 800
#define MAX_PAUSE_MS (30 * 1000)

static void on_next(uv_timer_t *timer);

void reflector_next_in(struct kube_reflector *r, uint64_t ms)
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

/* ---- what comes in -------------------------------------------------------------------------- */

static void on_done(void *user, int code, int status, const struct err *err)
{
	struct kube_reflector *r = user;
	struct kube_status said;
	struct err more;

	r->request = NULL;
	end_request(r);
	if (code == -EKEYREJECTED) {
		err_set(&more, code,
			"%s (tls-server-name, certificate-authority and client-certificate of the "
			"kubeconfig)", err->text);
		reflector_failed(r, code, &more);
	} else if (code) {
		reflector_failed(r, code, err);
	} else if (status == 200) {
		r->unauthorized = false;
		reflector_succeeded(r);
	} else {
		kube_status_read(r->body.text, r->body.len, &said);
		reflector_refused(r, status, &said);
	}
}

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
		reflector_set_version(r, event->version.text, event->version.len);
	if (event->type == KUBE_BOOKMARK) {
		if (r->phase != INITIAL)
			return;
		/* A plain bookmark here: the server took it for a watch. */
		if (!event->initial_end || !event->version.text) {
			r->fault = (struct kube_status){ .code = 422 };
			r->faulty = true;
			return;
		}
		reflector_set_version(r, event->version.text, event->version.len);
		uv_timer_stop(&r->quiet);
		r->phase = WATCHING;
		reflector_listed(r);
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
		reflector_tell_current(r);
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
	reflector_refused(r, 422, &(struct kube_status){});
}

static void broken(struct kube_reflector *r, int code, const struct err *why)
{
	struct err err;

	end_request(r);
	err_set(&err, code, "%s: %s: %s", kube_client_server(r->client), r->setup.resource->name,
		why->text);
	r->version[0] = '\0';
	reflector_fail_after(r, &err, 0);
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
			reflector_refused(r, fault.code, &fault);
		} else {
			err_set(&err, -EPROTO, "%s", fault.message);
			broken(r, -EPROTO, &err);
		}
		return true;
	}
	if (r->phase == WATCHING && r->news)
		reflector_tell_current(r);
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

	if (r->lists_only && reflector_now(r) >= r->lists_only_until)
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
	r->started = reflector_now(r);
	kube_text_clear(&r->body);
	rc = prepare(r, &query);
	if (!rc)
		path = kube_resource_path(r->setup.resource, r->api, &query);
	if (rc || !path) {
		err_set(&err, -ENOMEM, "out of memory");
		reflector_fail_after(r, &err, 0);
		return;
	}
	ask.path = path;
	ask.silence_ms = query.watch ? r->setup.silence_ms : LIST_SILENCE_MS;
	rc = kube_client_get(r->client, &ask, &r->request, &err);
	if (rc) {
		reflector_fail_after(r, &err, 0);
		return;
	}
	warn_once(r);
	if (r->phase != WATCHING)
		reflector_begin_list(r);
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
	reflector_next_in(r, 0);
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
		reflector_next_in(r, 0);
}

void kube_reflector_poke(struct kube_reflector *r)
{
	end_request(r);
	reflector_abort_list(r);
	r->version[0] = '\0';
	r->lists_only = false;
	kube_client_doubt(r->client);
	reflector_next_in(r, 0);
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
