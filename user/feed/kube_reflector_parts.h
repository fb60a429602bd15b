/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Inside of the reflector: what kube_reflector.c (asking, hearing) and kube_reflector_end.c (how an attempt
 * ends, and what is next) share. Not for: anyone else.
 */
#ifndef XMESH_FEED_KUBE_REFLECTOR_PARTS_H
#define XMESH_FEED_KUBE_REFLECTOR_PARTS_H

#include "feed/backoff.h"
#include "feed/kube_client.h"
#include "feed/kube_list.h"
#include "feed/kube_reflector.h"
#include "feed/kube_status.h"

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

static inline uint64_t reflector_now(const struct kube_reflector *r)
{
	return uv_now(r->setup.loop);
}

/* The next request, and nothing before. */
void reflector_next_in(struct kube_reflector *r, uint64_t ms);
void reflector_begin_list(struct kube_reflector *r);
void reflector_abort_list(struct kube_reflector *r); /* if one was begun */
void reflector_set_version(struct kube_reflector *r, const char *version, size_t len);
void reflector_listed(struct kube_reflector *r);
void reflector_tell_current(struct kube_reflector *r);

/* The request is over: it came to its end; it broke; the server answered with @status. */
void reflector_succeeded(struct kube_reflector *r);
void reflector_failed(struct kube_reflector *r, int code, const struct err *err);
void reflector_refused(struct kube_reflector *r, int status, const struct kube_status *said);
/* Tell an error, and ask again after a pause. */
void reflector_fail_after(struct kube_reflector *r, const struct err *err, uint64_t at_least_ms);

#endif
