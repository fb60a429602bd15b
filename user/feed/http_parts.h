/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What http.c and http_curl.c share: the two structs. Not for: anyone else. */
#ifndef XMESH_FEED_HTTP_PARTS_H
#define XMESH_FEED_HTTP_PARTS_H

#include <curl/curl.h>

#include "feed/http.h"

struct http {
	uv_loop_t *loop;
	CURLM *multi;
	uv_timer_t timer;   /* curl's */
	uv_timer_t kick;    /* there is something to settle */
	uv_timer_t silence; /* the next request's time of silence */
	unsigned int handles; /* of these three, not yet closed */
	struct http_request *requests;
	/*
	 * > 0 while curl or a callback runs: curl may not be called from its own callbacks, so everything that is
	 * asked for then is marked, and done when the outermost one has returned.
	 */
	unsigned int depth;
	bool closed;

	char *base;         /* as given, for sentences */
	char *url;          /* with server_name as the host */
	char *host;         /* that is resolved and connected to */
	char *name;         /* expected in the certificate */
	char *proxy, *proxy_host; /* the second for sentences: a proxy's URL may hold a password */
	char *user_agent;
	struct curl_slist *connect_to;
	struct http_blob ca, cert, key; /* data is malloc'ed */
	bool https, insecure, http2;
};

struct http_request {
	struct http *http;
	struct http_request *prev, *next;
	struct http_ask ask;   /* its pointers to texts are not kept */
	CURL *easy;
	struct curl_slist *headers;
	char error[CURL_ERROR_SIZE];

	unsigned char *out;    /* of the request's body, from out_at on */
	size_t out_at, out_len, out_room;
	bool open;             /* more of it may come */
	bool hungry;           /* curl was told to wait for more */
	bool deaf;             /* and has stopped to listen meanwhile */

	bool added;            /* to the multi handle */
	bool canceled;
	bool paused, curl_paused; /* by the caller; and curl knows */
	bool over;             /* curl is done with it: */
	CURLcode result;
	bool silent;           /* that was because of silence */

	bool greeting;      /* TCP is connected, TLS has begun */
	bool connected, suspect;
	uint64_t heard_ms;     /* uv_now() of the last byte */
};

/* A copy of @setup, and what follows from it; nothing of the loop and curl's yet. -EINVAL, -ENOMEM. */
int http_curl_server(const struct http_setup *setup, struct http **ret_http, struct err *err);
void http_curl_free(struct http *http);
/* curl's options for @request, all but its callbacks. -ENOMEM. */
int http_curl_options(struct http_request *request, const struct http_ask *ask);
/* The code and sentence of a request that failed; see http_ask.done. */
int http_curl_error(const struct http_request *request, struct err *err);

#endif
