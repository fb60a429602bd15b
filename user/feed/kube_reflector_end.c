/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Each request ends in one of succeeded(), failed() and refused(), which say when the next begins and what
 * it asks: with a version a watch from there, without one a list.
 */
#include <errno.h>
#include <string.h>

#include "core/defs.h"
#include "feed/kube_reflector_parts.h"

/* Servers are upgraded: WatchList is tried again. */
#define LISTS_ONLY_MS (60 * 60 * 1000)
#define ABSENT_MS (60 * 1000)
/* What was there is believed to be gone when the server has said so for this long. */
#define GONE_MS (5 * 60 * 1000)
/* A watch that ends sooner is begun again with a pause. */
#define LIVED_MS (10 * 1000)

void reflector_abort_list(struct kube_reflector *r)
{
	free(take(r->token));
	if (!r->listing)
		return;
	r->listing = false;
	r->setup.callbacks.aborted(r->setup.callbacks.user);
}

void reflector_begin_list(struct kube_reflector *r)
{
	if (r->listing)
		return;
	r->listing = true;
	r->setup.callbacks.list(r->setup.callbacks.user);
}

void reflector_set_version(struct kube_reflector *r, const char *version, size_t len)
{
	if (!len || len > KUBE_MAX_VERSION)
		return;
	memcpy(r->version, version, len);
	r->version[len] = '\0';
}

void reflector_tell_current(struct kube_reflector *r)
{
	if (r->phase == WATCHING && r->news)
		backoff_reset(&r->backoff);
	r->news = false;
	r->setup.callbacks.current(r->setup.callbacks.user, r->version);
}

void reflector_listed(struct kube_reflector *r)
{
	r->listing = false;
	r->whole = false;
	r->present = true;
	r->gone_since = 0;
	r->setup.callbacks.listed(r->setup.callbacks.user);
	reflector_tell_current(r);
}

void reflector_fail_after(struct kube_reflector *r, const struct err *err, uint64_t at_least_ms)
{
	uint64_t pause = backoff_next_ms(&r->backoff);

	reflector_abort_list(r);
	kube_client_doubt(r->client);
	/* Jitter on top: all nodes were told the same Retry-After. */
	if (at_least_ms)
		pause = at_least_ms + pause / 2;
	reflector_next_in(r, pause);
	r->asked_to_wait = at_least_ms != 0;
	r->setup.callbacks.error(r->setup.callbacks.user, err);
}

void reflector_failed(struct kube_reflector *r, int code, const struct err *err)
{
	bool watched = r->phase == WATCHING;

	/* To a version that a server does not know yet (a restored store) it says nothing. */
	if (watched && !r->heard && code == -ETIMEDOUT)
		r->version[0] = '\0';
	/* Connections break; it is told when the next one does not stand either. */
	if (watched && r->heard) {
		kube_client_doubt(r->client);
		reflector_next_in(r, backoff_next_ms(&r->backoff) / 2);
		return;
	}
	reflector_fail_after(r, err, 0);
}

/* The server does not know the version any more, or not this token: all again. */
static void expired(struct kube_reflector *r)
{
	struct err err;

	r->version[0] = '\0';
	if (r->whole) {
		err_set(&err, -ESTALE, "%s gives up its list of %s before it is read to the end",
			kube_client_server(r->client), r->setup.resource->name);
		reflector_fail_after(r, &err, 0);
		return;
	}
	r->whole = r->phase == PAGES && r->token;
	reflector_abort_list(r);
	reflector_next_in(r, backoff_next_ms(&r->backoff));
}

static void absent(struct kube_reflector *r, const struct err *err)
{
	r->version[0] = '\0';
	r->api = 0;
	if (r->present) {
		if (!r->gone_since)
			r->gone_since = reflector_now(r);
		if (reflector_now(r) - r->gone_since < GONE_MS) {
			reflector_fail_after(r, err, 0);
			return;
		}
	}
	reflector_abort_list(r);
	if (r->present) {
		reflector_begin_list(r);
		r->listing = false;
		r->setup.callbacks.listed(r->setup.callbacks.user);
		r->present = false;
	}
	reflector_next_in(r, ABSENT_MS + backoff_next_ms(&r->backoff));
	reflector_tell_current(r);
}

void reflector_refused(struct kube_reflector *r, int status, const struct kube_status *said)
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
		r->lists_only_until = reflector_now(r) + LISTS_ONLY_MS;
		reflector_abort_list(r);
		reflector_next_in(r, 0);
		return;
	}
	if (status == 401 && !r->unauthorized) {
		r->unauthorized = true;
		reflector_abort_list(r);
		kube_client_doubt(r->client);
		reflector_next_in(r, 0);
		return;
	}
	if (status == 404 && r->api + 1 < KUBE_MAX_APIS && resource->apis[r->api + 1]) {
		r->api++;
		r->version[0] = '\0';
		reflector_abort_list(r);
		reflector_next_in(r, 0);
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
	reflector_fail_after(r, &err, wait_s * 1000ull);
}

static void page_succeeded(struct kube_reflector *r)
{
	char *version, *token;
	struct err err;
	int rc = kube_list_end(&r->list, &version, &token, &err);

	if (rc) {
		reflector_failed(r, rc, &err);
		return;
	}
	free(r->token);
	r->token = NULL;
	if (*token) {
		r->token = token;
		free(version);
		reflector_next_in(r, 0);
		return;
	}
	free(token);
	reflector_set_version(r, version, strlen(version));
	free(version);
	reflector_next_in(r, 0);
	reflector_listed(r);
}

void reflector_succeeded(struct kube_reflector *r)
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
		reflector_failed(r, -EPROTO, &err);
		break;
	case WATCHING:
		if (kube_stream_is_open(&r->stream)) {
			err_set(&err, -EPROTO, "%s ended in the middle of an object",
				kube_client_server(r->client));
			reflector_failed(r, -EPROTO, &err);
			break;
		}
		if (!r->heard)
			r->version[0] = '\0';
		if (reflector_now(r) - r->started >= LIVED_MS)
			reflector_next_in(r, 0);
		else
			reflector_next_in(r, backoff_next_ms(&r->backoff));
		break;
	}
}
