/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * HTTP/1.1 and HTTP/2 requests on the loop, by libcurl: streaming both ways, TLS with client
 * certificates that never touch a disk of ours, proxies. One struct http per server and feed: a dead
 * one delays nobody else. Not for: retries, gRPC frames, JSON.
 */
#ifndef XMESH_FEED_HTTP_H
#define XMESH_FEED_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "core/err.h"

struct http;
struct http_request;

struct http_blob { const void *data; size_t len; }; /* PEM; data NULL = none */

/* All copied by http_new(); the key is wiped when it goes. */
struct http_setup {
	uv_loop_t *loop;
	const char *base;           /* "https://192.0.2.9:2379", no slash at its end */
	struct http_blob ca;        /* none: the system's */
	struct http_blob cert, key;
	const char *server_name;    /* verified and sent as SNI instead of the host of @base; NULL = that */
	const char *proxy;          /* NULL = none; the environment's is never used */
	bool insecure;              /* no verification: only if a kubeconfig says so; the caller warns */
	bool http2;                 /* with prior knowledge over http://, ALPN over https:// */
	const char *user_agent;     /* NULL = "xmesh/VERSION" */
};

/*
 * Nothing is connected yet. -EINVAL with a sentence: @base is no http:// or https:// URL, or has a user in
 * it. -ENOMEM. Requests at one time have a connection each, so that a paused one stops no other; later
 * ones use connections again. The process ignores SIGPIPE.
 */
int http_new(const struct http_setup *setup, struct http **ret_http, struct err *err);
/* Aborts all requests without callbacks. */
void http_close(struct http *http);

struct http_ask {
	const char *method;              /* "GET", "POST" */
	const char *path;                /* with its query */
	const char *const *headers;      /* "name: value", NULL-terminated; may be NULL */
	const void *body; size_t len;    /* copied */
	bool keep_open;                  /* the request's body goes on with http_send() until http_end() */
	bool gzip;                       /* accept it; data() gets it unpacked */
	uint64_t connect_ms;             /* to connect and greet; 0 = 5000 */
	uint64_t silence_ms;             /* nothing received for so long = -ETIMEDOUT; 0 = never */
	/* Each line of headers and trailers, without its end; may be NULL. @status: HTTP's. */
	void (*header)(void *user, int status, const char *line, size_t len);
	/*
	 * A part of the answer's body. False: pause after this one: neither data() nor done() comes until
	 * http_resume(), and the time of silence stands still.
	 */
	bool (*data)(void *user, int status, const void *data, size_t len);
	/*
	 * Over; the request is freed afterwards. @code 0: a whole answer with @status came. Else -errno
	 * with a sentence that names server and step ("cannot resolve ...", "cannot connect to ...",
	 * "the certificate of ... is for ..., not ...: set ..."): -ENOENT DNS, -ECONNREFUSED and others
	 * TCP, -EPROTO TLS and HTTP, -EKEYREJECTED certificates, -ETIMEDOUT.
	 */
	void (*done)(void *user, int code, int status, const struct err *err);
	void *user;
};

/* -ENOMEM. No callback before this returns. */
int http_start(struct http *http, const struct http_ask *ask, struct http_request **ret_request);
int http_send(struct http_request *request, const void *data, size_t len); /* copied; -ENOMEM */
void http_end(struct http_request *request);
void http_resume(struct http_request *request);
/* Without a callback. */
void http_cancel(struct http_request *request);

#endif
