/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A small HTTP server on the agent's loop: GET and HEAD of a few fixed paths, bounded in connections,
 * sizes and time. Not for: what is answered (agent/web.h).
 */
#ifndef XMESH_AGENT_HTTP_H
#define XMESH_AGENT_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "core/err.h"

#define HTTP_CONNECTIONS 32
#define HTTP_CONNECTION_BYTES 16384
#define HTTP_TIMEOUT_S 10

/* An answer. @body is freed, unless it is @constant: text of the binary. NULL: out of memory. */
struct http_answer { unsigned int status; const char *type; char *body; size_t len; bool constant; };

struct http_page {
	const char *path;
	/* On the loop, at once: fills *ret_answer. Or: */
	void (*now)(void *user, struct http_answer *ret_answer);
	/*
	 * Who asks while it is made gets the same. @begin, on the loop, gives what @work needs; @work, on a
	 * worker, makes the answer of it and frees it.
	 */
	void *(*begin)(void *user);
	void (*work)(void *begun, struct http_answer *ret_answer);
};

struct http;

/*
 * Serve @pages (ended by a NULL path; borrowed, HTTP_PAGES at most) on @listen, ADDRESS:PORT. -EADDRINUSE
 * and the like with a sentence.
 */
#define HTTP_PAGES 8
int http_serve(uv_loop_t *loop, const char *listen, const struct http_page *pages, void *user,
	     struct http **ret_http, struct err *err);
/* Connections end; what a worker is at is thrown away when it is done. NULL is nothing. */
void http_stop(struct http *http);

#endif
