/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The mirror between a played server and a played clock: libuv's timers and the calls of feed/etcd_rpc.h are
 * functions of the test here, and what the mirror tells is words in `told`.
 */
#ifndef TESTS_FEED_ETCD_PLAYED_H
#define TESTS_FEED_ETCD_PLAYED_H

#include <stdio.h>
#include <string.h>

#include "core/defs.h"
#include "feed/etcd_mirror.h"

/* ---- the clock ------------------------------------------------------------------------------ */

#define MAX_TIMERS 4

static uv_timer_t *timers[MAX_TIMERS];
static struct { bool on; uint64_t at; uv_timer_cb run; uv_close_cb closed; } clocks[MAX_TIMERS];
static size_t n_timers;
static uint64_t clock_ms;

static size_t clock_of(const void *timer)
{
	for (size_t i = 0; i < n_timers; i++)
		if ((const void *)timers[i] == timer)
			return i;
	fail_msg("a timer that was not made");
	return 0;
}

uint64_t uv_now(const uv_loop_t *loop)
{
	return clock_ms;
}

uint64_t uv_hrtime(void)
{
	return clock_ms * 1000000;
}

int uv_timer_init(uv_loop_t *loop, uv_timer_t *timer)
{
	assert_true(n_timers < MAX_TIMERS);
	memset(&clocks[n_timers], 0, sizeof(*clocks));
	timers[n_timers++] = timer;
	return 0;
}

int uv_timer_start(uv_timer_t *timer, uv_timer_cb run, uint64_t ms, uint64_t repeat)
{
	size_t i = clock_of(timer);

	if (clocks[i].closed)
		return UV_EINVAL;
	clocks[i].on = true;
	clocks[i].at = clock_ms + ms;
	clocks[i].run = run;
	return 0;
}

int uv_timer_stop(uv_timer_t *timer)
{
	clocks[clock_of(timer)].on = false;
	return 0;
}

int uv_is_active(const uv_handle_t *handle)
{
	return clocks[clock_of(handle)].on;
}

void uv_close(uv_handle_t *handle, uv_close_cb closed)
{
	size_t i = clock_of(handle);

	clocks[i].on = false;
	clocks[i].closed = closed;
}

/* All timers that are due within @ms, in their order. */
static void pass(uint64_t ms)
{
	uint64_t end = clock_ms + ms;

	for (int turns = 0; turns < 1000; turns++) {
		size_t next = n_timers;

		for (size_t i = 0; i < n_timers; i++)
			if (clocks[i].on && clocks[i].at <= end && (next == n_timers || clocks[i].at < clocks[next].at))
				next = i;
		if (next == n_timers) {
			clock_ms = end;
			return;
		}
		clock_ms = MAX(clock_ms, clocks[next].at);
		clocks[next].on = false;
		clocks[next].run(timers[next]);
	}
	fail_msg("timers that fire without end");
}

/* ---- the server ----------------------------------------------------------------------------- */

static char *two[] = { "https://a", "https://b" };

struct etcd { int n; };
struct etcd_call { bool is_page; };

static struct {
	struct etcd etcd;
	struct etcd_call page_call, stream_call;
	bool page_on, stream_on;
	struct etcd_range page;
	struct etcd_watch_setup stream;
	char key[64];               /* of the page, "\0" as "~" */
	struct { int64_t id, from; char key[32]; } watches[8];
	size_t n_watches;
	unsigned int made, closed, moved, asked, resumed;
	int endpoint, n_endpoints, make_fails;
	uint64_t cluster;
} s;

int etcd_new(uv_loop_t *loop, const struct config_etcd *config, struct etcd **ret_etcd, struct err *err)
{
	if (s.make_fails)
		return err_set(err, -ENOENT, "/etc/c.pem: is not there");
	s.made++;
	s.endpoint = 0;
	*ret_etcd = &s.etcd;
	return 0;
}

void etcd_close(struct etcd *etcd)
{
	s.closed++;
	s.page_on = s.stream_on = false;
}

const char *etcd_endpoint(const struct etcd *etcd)
{
	return two[s.endpoint];
}

void etcd_next_endpoint(struct etcd *etcd)
{
	s.moved++;
	s.endpoint = (s.endpoint + 1) % s.n_endpoints;
}

int etcd_range(struct etcd *etcd, const struct etcd_range *range, struct etcd_call **ret_call)
{
	assert_false(s.page_on);
	s.page_on = true;
	s.page = *range;
	snprintf(s.key, sizeof(s.key), "%.*s", (int)range->key.len, (const char *)range->key.data);
	if (!((const char *)range->key.data)[range->key.len - 1])
		strcat(s.key, "~");
	*ret_call = &s.page_call;
	s.page_call.is_page = true;
	return 0;
}

int etcd_watch_open(struct etcd *etcd, const struct etcd_watch_setup *setup, struct etcd_call **ret_call)
{
	assert_false(s.stream_on);
	s.stream_on = true;
	s.stream = *setup;
	s.n_watches = 0;
	*ret_call = &s.stream_call;
	return 0;
}

int etcd_watch_add(struct etcd_call *call, int64_t id, struct etcd_bytes key, struct etcd_bytes end,
		   int64_t from)
{
	assert_ptr_equal(call, &s.stream_call);
	assert_true(s.n_watches < ARRAY_SIZE(s.watches));
	s.watches[s.n_watches].id = id;
	s.watches[s.n_watches].from = from;
	snprintf(s.watches[s.n_watches++].key, sizeof(s.watches->key), "%.*s-%.*s", (int)key.len,
		 (const char *)key.data, (int)end.len, (const char *)end.data);
	return 0;
}

int etcd_watch_progress(struct etcd_call *call)
{
	assert_true(s.stream_on);
	s.asked++;
	return 0;
}

void etcd_resume(struct etcd_call *call)
{
	s.resumed++;
}

void etcd_cancel(struct etcd_call *call)
{
	if (call->is_page)
		s.page_on = false;
	else
		s.stream_on = false;
}

/* As the calls do by themselves when a connection fails. */
static void leave_endpoint(int code)
{
	if (code == -ECONNREFUSED || code == -ECONNRESET)
		s.endpoint = (s.endpoint + 1) % s.n_endpoints;
}

static struct etcd_header header(int64_t revision)
{
	return (struct etcd_header){ s.cluster, revision };
}

static struct etcd_kv kv_of(const char *key, int64_t revision)
{
	return (struct etcd_kv){ .key = { key, strlen(key) }, .value = { "v", 1 }, .mod_revision = revision };
}

static bool page_kv(const char *key)
{
	struct etcd_kv kv = kv_of(key, 1);

	assert_true(s.page_on);
	return s.page.kv(s.page.user, &kv);
}

static void page_done(int code, int64_t revision, bool more)
{
	struct etcd_header h = header(revision);
	struct err err = { .text = "no route to a" };

	assert_true(s.page_on);
	if (!code)
		s.page.end_of_page(s.page.user, &h, more, 0);
	s.page_on = false;
	leave_endpoint(code);
	s.page.done(s.page.user, code, code ? NULL : &h, code ? &err : NULL);
	pass(0);
}

static void created(size_t watch, int64_t revision)
{
	struct etcd_header h = header(revision);

	assert_true(s.stream_on);
	s.stream.created(s.stream.user, s.watches[watch].id, &h);
	pass(0);
}

/* @key NULL = progress; "-k" = k was deleted. */
static void event_of(int64_t id, const char *key, int64_t mod, int64_t revision, bool last)
{
	struct etcd_header h = header(revision);
	struct etcd_kv kv = {};

	assert_true(s.stream_on);
	if (key) {
		kv = kv_of(key + (*key == '-'), mod);
		kv.deleted = *key == '-';
	}
	s.stream.events(s.stream.user, id, &h, &kv, !!key, last);
	pass(0);
}

static void event(size_t watch, const char *key, int64_t revision)
{
	event_of(s.watches[watch].id, key, revision, revision, true);
}

static void stream_done(int code)
{
	struct err err = { .text = "connection reset by a" };

	s.stream_on = false;
	leave_endpoint(code);
	s.stream.done(s.stream.user, code, NULL, &err);
	pass(0);
}

/* ---- what is told --------------------------------------------------------------------------- */

static char told[2048];
static bool full;
static const char *close_at; /* the callback that ends it */
static struct etcd_mirror *mirror;
static struct err last_error;

static void tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void tell(const char *fmt, ...)
{
	size_t len = strlen(told);
	va_list ap;

	va_start(ap, fmt);
	if (len)
		told[len++] = ' ';
	vsnprintf(told + len, sizeof(told) - len, fmt, ap);
	va_end(ap);
}

static void close_if(const char *callback)
{
	if (close_at && !strcmp(close_at, callback))
		etcd_mirror_close(mirror);
}

static void on_list(void *user, size_t prefix)
{
	tell("list%zu", prefix);
}

static bool on_put(void *user, size_t prefix, const struct etcd_kv *kv, uint64_t seen_ns)
{
	tell("%s%zu:%.*s", seen_ns ? "change" : "put", prefix, (int)kv->key.len, (const char *)kv->key.data);
	close_if("put");
	return !full;
}

static void on_erase(void *user, size_t prefix, const struct etcd_kv *kv, uint64_t seen_ns)
{
	tell("erase%zu:%.*s", prefix, (int)kv->key.len, (const char *)kv->key.data);
}

static void on_listed(void *user, size_t prefix)
{
	tell("listed%zu", prefix);
	close_if("listed");
}

static void on_aborted(void *user, size_t prefix)
{
	tell("aborted%zu", prefix);
	close_if("aborted");
}

static void on_current(void *user, int64_t revision)
{
	tell("current:%jd", (intmax_t)revision);
}

static void on_alive(void *user)
{
	tell("alive");
}

static void on_error(void *user, const struct err *err)
{
	tell("error");
	last_error = *err;
}

#define TOLD(want)                                                                                 \
	do {                                                                                       \
		if (strcmp(told, want))                                                            \
			fail_msg("told \"%s\", not \"%s\"", told, want);                           \
		told[0] = '\0';                                                                    \
	} while (0)

static size_t add(const char *prefix)
{
	size_t index;

	assert_int_equal(etcd_mirror_add(mirror, prefix, &index), 0);
	return index;
}

static void begin_with(size_t n_endpoints)
{
	const struct etcd_mirror_callbacks callbacks = {
		.list = on_list, .put = on_put, .erase = on_erase, .listed = on_listed, .aborted = on_aborted,
		.current = on_current, .alive = on_alive, .error = on_error,
	};
	const struct config_etcd config = { .endpoints = two, .n_endpoints = n_endpoints,
					    .user = "reader", .password_file = "/none" };
	struct err err;

	memset(&s, 0, sizeof(s));
	s.cluster = 7;
	s.n_endpoints = (int)n_endpoints;
	n_timers = 0;
	clock_ms = 1000;
	told[0] = '\0';
	full = false;
	close_at = NULL;
	assert_int_equal(etcd_mirror_new(NULL, &config, &callbacks, &mirror, &err), 0);
}

/* One prefix "/p/" with one key, listed at revision 10, watched from 11. */
static void begin_listed(size_t n_endpoints)
{
	begin_with(n_endpoints);
	add("/p/");
	pass(0);
	page_kv("/p/a");
	page_done(0, 10, false);
	created(0, 10);
	TOLD("list0 put0:/p/a listed0 current:10 alive");
}

static void end(void)
{
	if (!close_at)
		etcd_mirror_close(mirror);
	told[0] = '\0';
	pass(100000);
	TOLD("");
	for (size_t i = 0; i < n_timers; i++)
		clocks[i].closed((uv_handle_t *)timers[i]);
	assert_int_equal(s.made, s.closed);
}

#endif
