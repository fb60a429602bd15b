/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A client of etcd_rpc.h on a real loop, what it was told, and waiting for that with a deadline. */
#ifndef TESTS_FEED_ETCD_CLIENT_H
#define TESTS_FEED_ETCD_CLIENT_H

#include "etcd_server.h"
#include "feed/etcd_rpc.h"

struct client {
	uv_loop_t loop;
	uv_timer_t tick;
	struct etcd *etcd;
};

static inline void on_tick(uv_timer_t *timer)
{
}

static inline void client_begin_config(struct client *c, const struct config_etcd *config)
{
	struct err err = {};

	memset(c, 0, sizeof(*c));
	assert_int_equal(uv_loop_init(&c->loop), 0);
	uv_timer_init(&c->loop, &c->tick);
	uv_timer_start(&c->tick, on_tick, 10, 10);
	if (etcd_new(&c->loop, config, &c->etcd, &err))
		fail_msg("%s", err.text);
}

static inline void client_begin(struct client *c, struct etcd_server *s)
{
	char *endpoint = s->url;

	client_begin_config(c, &(struct config_etcd){ .endpoints = &endpoint, .n_endpoints = 1 });
}

static inline void client_begin_user(struct client *c, struct etcd_server *s, const char *user,
				     const char *password_file)
{
	char *endpoint = s->url;

	client_begin_config(c, &(struct config_etcd){
		.endpoints = &endpoint, .n_endpoints = 1, .user = (char *)user,
		.password_file = (char *)temp(password_file) });
}

static inline void client_begin_tls(struct client *c, struct etcd_server *s, const char *name)
{
	char *endpoint = s->url, cert[64], key[64];

	snprintf(cert, sizeof(cert), "%s.pem", name);
	snprintf(key, sizeof(key), "%s.key", name);
	client_begin_config(c, &(struct config_etcd){
		.endpoints = &endpoint, .n_endpoints = 1, .ca = (char *)temp("ca.pem"),
		.cert = (char *)temp(cert), .key = (char *)temp(key) });
}

static inline void client_end(struct client *c)
{
	etcd_close(c->etcd);
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

/* ---- a range, and what came of it ----------------------------------------------------------- */

struct page {
	struct client *client;
	struct etcd_call *call;
	int n, ends, done, code;
	size_t sizes;           /* of all values */
	char last[64];
	struct etcd_header header;
	bool more;
	int64_t count;
	char error[ERR_TEXT_MAX];
	/* What to do at which key; 0 = nothing. */
	int pause_every, cancel_at, close_at, next_at;
	bool close_in_done, paused;
};

static inline void page_close(struct page *p)
{
	etcd_close(p->client->etcd);
	p->client->etcd = NULL;
}

static inline bool page_kv(void *user, const struct etcd_kv *kv)
{
	struct page *p = user;

	assert_false(p->done || p->paused);
	p->n++;
	p->sizes += kv->value.len;
	for (size_t i = 0; i < kv->value.len; i++)
		assert_true(((const char *)kv->value.data)[i]);
	snprintf(p->last, sizeof(p->last), "%.*s", (int)kv->key.len, (const char *)kv->key.data);
	assert_false(kv->deleted);
	assert_true(kv->mod_revision > 0);
	if (p->n == p->cancel_at)
		etcd_cancel(p->call);
	if (p->n == p->close_at)
		page_close(p);
	if (p->n == p->next_at)
		etcd_next_endpoint(p->client->etcd);
	p->paused = p->pause_every && p->n % p->pause_every == 0;
	return !p->paused;
}

static inline void page_end(void *user, const struct etcd_header *header, bool more, int64_t count)
{
	struct page *p = user;

	assert_false(p->paused);
	p->ends++;
	p->more = more;
	p->count = count;
}

static inline void page_done(void *user, int code, const struct etcd_header *header,
			     const struct err *err)
{
	struct page *p = user;

	p->done++;
	p->code = code;
	p->header = *header;
	strcpy(p->error, code ? err->text : "");
	if (p->close_in_done)
		page_close(p);
}

static inline void page_start(struct client *c, struct page *p, const char *key, const char *end,
			      int64_t limit, int64_t revision)
{
	struct etcd_range range = {
		.key = { key, strlen(key) }, .end = { end, strlen(end) }, .limit = limit,
		.revision = revision, .kv = page_kv, .end_of_page = page_end, .done = page_done, .user = p,
	};

	p->client = c;
	p->n = p->ends = p->done = 0;
	p->sizes = 0;
	p->paused = false;
	assert_int_equal(etcd_range(c->etcd, &range, &p->call), 0);
	assert_int_equal(p->done, 0);
}

static inline void page_get(struct client *c, struct page *p, const char *key, const char *end,
			    int64_t limit, int64_t revision)
{
	page_start(c, p, key, end, limit, revision);
	WAIT(c, p->done, 15000);
	assert_int_equal(p->done, 1);
}

/* Everything at once is closed, at each of the first turns. */
static inline void client_end_with_open_calls(struct etcd_server *s)
{
	for (int turns = 0; turns < 8; turns++) {
		struct page p = {}, q = {};
		struct client c;

		client_begin(&c, s);
		page_start(&c, &p, "/x/", "/x0", 0, 0);
		page_start(&c, &q, "/x/", "/x0", 0, 0);
		for (int i = 0; i < turns; i++)
			uv_run(&c.loop, UV_RUN_ONCE);
		client_end(&c);
	}
}

/* ---- others --------------------------------------------------------------------------------- */

struct result { int done, code; struct etcd_header header; char error[ERR_TEXT_MAX]; };

static inline void on_result(void *user, int code, const struct etcd_header *header,
			     const struct err *err)
{
	struct result *r = user;

	r->done++;
	r->code = code;
	r->header = *header;
	strcpy(r->error, code ? err->text : "");
}

struct lease { int done, code; int64_t id, ttl_s; char error[ERR_TEXT_MAX]; };

static inline void on_lease(void *user, int code, int64_t id, int64_t ttl_s, const struct err *err)
{
	struct lease *l = user;

	l->done++;
	l->code = code;
	l->id = id;
	l->ttl_s = ttl_s;
	strcpy(l->error, code ? err->text : "");
}

#endif
