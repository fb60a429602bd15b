/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The queue in front of a store. The loop writes records into chunks; a worker takes a batch of them,
 * works it off in order, and makes a snapshot if one is due. While it works the store is its.
 * Not for: what changed since the last snapshot (store.c keeps what did not).
 */
#include "feed/intake.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/defs.h"

#define CHUNK_SIZE (256u * 1024)
/* Some 20 ms of work: a feed that lists a million objects shares the pool with all others. */
#define BATCH_SIZE (1024u * 1024)
/* After a snapshot that cost c the next one waits for 9 c: a tenth of a core. */
#define PAUSE_FACTOR 9

enum op { OP_PUT, OP_DELETE, OP_REFUSE, OP_LIST_BEGIN, OP_LIST_END, OP_LIST_ABORT, OP_COMPLETE };

/* Behind it the key, NUL, the value. Prefixes and revisions are keys. */
struct record {
	uint64_t seen_ns;
	uint32_t key_len, value_len;
	enum op op;
};

struct chunk {
	struct chunk *next;
	size_t used, size;
	char data[] __attribute__((aligned(8)));
};

/* Of a snapshot: equal = not worth telling. */
struct print {
	struct snapshot_counts counts;
	uint64_t services, nodes, rest;
};

struct intake {
	struct intake_setup setup;
	uv_idle_t idle;    /* so that what comes in one turn of the loop goes to the worker at once */
	uv_timer_t pause;
	uv_work_t work;
	unsigned int open_handles;
	bool working, closing;
	struct chunk *first, *last; /* what waits */
	size_t waiting;
	bool told_full;
	uint64_t quiet_until_ns;    /* no snapshot before */

	/* The worker's while it works. */
	struct store *store;
	struct chunk *batch;
	bool complete;     /* all was there once */
	bool changed;      /* since the last snapshot */
	bool asked;        /* completed since, so the feed is to be told something */
	bool may_make, has_print;
	uint64_t seen_ns;  /* of the oldest change since the last snapshot */
	uint64_t cost_ns;
	char revision[72];
	struct print print; /* of the last snapshot */
	struct snapshot *snapshot;
	bool unchanged;
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* A value that is lost would never come again. */
static void must(bool done)
{
	if (!done) {
		fprintf(stderr, "xmesh: out of memory while reading a feed\n");
		abort();
	}
}

/* ---- the worker ------------------------------------------------------------------------------ */

static void note_change(struct intake *in, int rc, uint64_t seen_ns)
{
	must(rc != -ENOMEM);
	if (!rc)
		return;
	in->changed = true;
	if (seen_ns && (!in->seen_ns || seen_ns < in->seen_ns))
		in->seen_ns = seen_ns;
}

static void do_record(struct intake *in, const struct record *r)
{
	const char *key = (const char *)(r + 1), *value = key + r->key_len + 1;
	struct err why;

	switch (r->op) {
	case OP_PUT:
		note_change(in, store_put(in->store, key, r->key_len, value, r->value_len), r->seen_ns);
		break;
	case OP_DELETE:
		note_change(in, store_delete(in->store, key, r->key_len), r->seen_ns);
		break;
	case OP_REFUSE:
		err_set(&why, -EINVAL, "a value of more than %u bytes: that is the most that is read",
			INTAKE_MAX_VALUE);
		note_change(in, store_refuse(in->store, key, r->key_len, &why), r->seen_ns);
		break;
	case OP_LIST_BEGIN:
		must(!store_list_begin(in->store, key));
		break;
	case OP_LIST_END:
		note_change(in, store_list_end(in->store, key) > 0, 0);
		break;
	case OP_LIST_ABORT:
		store_list_abort(in->store, key);
		break;
	case OP_COMPLETE:
		snprintf(in->revision, sizeof(in->revision), "%s", key);
		in->complete = in->asked = true;
		break;
	}
}

static void do_batch(struct intake *in)
{
	struct chunk *chunk;

	while ((chunk = in->batch)) {
		for (size_t at = 0; at < chunk->used;) {
			const struct record *r = (const struct record *)(chunk->data + at);

			do_record(in, r);
			at += (sizeof(*r) + r->key_len + 1 + r->value_len + 7) & ~(size_t)7;
		}
		in->batch = chunk->next;
		free(chunk);
	}
}

static struct print take_print(const struct snapshot *s)
{
	struct print print = { .counts = s->counts, .services = s->services_digest,
			       .nodes = s->nodes_digest };

	for (size_t i = 0; i < s->n_nodes; i++) {
		const struct node_object *n = &s->nodes[i];
		uint64_t sum = XXH3_64bits_withSeed(n->name, strlen(n->name), n->has_vtep_mac);

		sum = XXH3_64bits_withSeed(n->vtep_mac, sizeof(n->vtep_mac), sum);
		sum = XXH3_64bits_withSeed(n->zone, strlen(n->zone), sum);
		print.rest += XXH3_64bits_withSeed(n->region, strlen(n->region), sum);
	}
	for (size_t i = 0; i < s->n_warnings; i++)
		print.rest = XXH3_64bits_withSeed(s->warnings[i], strlen(s->warnings[i]), print.rest);
	return print;
}

static bool same(const struct print *a, const struct print *b)
{
	return a->services == b->services && a->nodes == b->nodes && a->rest == b->rest &&
	       !memcmp(&a->counts, &b->counts, sizeof(a->counts));
}

static bool is_due(const struct intake *in)
{
	return in->complete && (in->changed || in->asked) && !store_is_listing(in->store);
}

static void make(struct intake *in)
{
	uint64_t began = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	struct snapshot *s;
	struct print print;

	in->asked = false;
	if (!in->changed && in->has_print) {
		in->unchanged = true;
		return;
	}
	must(!store_snapshot(in->store, in->revision, &s, NULL));
	print = take_print(s);
	s->seen_ns = in->seen_ns;
	in->changed = false;
	in->seen_ns = 0;
	in->unchanged = in->has_print && same(&print, &in->print);
	if (in->unchanged)
		snapshot_free(s);
	else
		in->snapshot = s;
	in->print = print;
	in->has_print = true;
	in->cost_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - began;
}

static void do_work(uv_work_t *work)
{
	struct intake *in = work->data;

	do_batch(in);
	if (in->may_make && is_due(in))
		make(in);
}

/* ---- the end --------------------------------------------------------------------------------- */

static void do_free(uv_work_t *work)
{
	struct intake *in = work->data;
	struct chunk *lists[] = { in->batch, in->first }, *chunk;

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		while ((chunk = lists[i])) {
			lists[i] = chunk->next;
			free(chunk);
		}
	}
	snapshot_free(in->snapshot);
	store_free(in->store);
}

static void on_freed(uv_work_t *work, int status)
{
	free(work->data);
}

/* A million values are freed where they were made, not on the loop. */
static void release(struct intake *in)
{
	if (in->open_handles || in->working)
		return;
	if (uv_queue_work(in->setup.loop, &in->work, do_free, on_freed)) {
		do_free(&in->work);
		free(in);
	}
}

static void on_closed(uv_handle_t *handle)
{
	struct intake *in = handle->data;

	in->open_handles--;
	release(in);
}

void intake_close(struct intake *intake)
{
	if (!intake)
		return;
	intake->closing = true;
	uv_close((uv_handle_t *)&intake->idle, on_closed);
	uv_close((uv_handle_t *)&intake->pause, on_closed);
	/* If it runs already it ends by itself; either way its callback comes. */
	if (intake->working)
		uv_cancel((uv_req_t *)&intake->work);
}

/* ---- the loop -------------------------------------------------------------------------------- */

static void start(struct intake *in);

static void on_pause(uv_timer_t *timer)
{
	start(timer->data);
}

/* What came meanwhile, or what was put off. */
static void go_on(struct intake *in)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	if (in->first)
		start(in);
	else if (is_due(in))
		uv_timer_start(&in->pause, on_pause, now < in->quiet_until_ns ?
			       (in->quiet_until_ns - now + 999999) / 1000000 : 0, 0);
}

static void on_done(uv_work_t *work, int status)
{
	struct intake *in = work->data;
	struct snapshot *snapshot = take(in->snapshot);
	bool unchanged = in->unchanged;

	in->working = false;
	in->unchanged = false;
	if (in->closing) {
		snapshot_free(snapshot);
		release(in);
		return;
	}
	if (in->cost_ns)
		in->quiet_until_ns = clock_ns(CLOCK_MONOTONIC) + PAUSE_FACTOR * in->cost_ns;
	in->cost_ns = 0;
	go_on(in);
	/* ready() may have closed it; and the last, for the callee may. */
	if (in->closing)
		snapshot_free(snapshot);
	else if (snapshot)
		in->setup.callbacks.snapshot(in->setup.callbacks.user, snapshot);
	else if (unchanged)
		in->setup.callbacks.unchanged(in->setup.callbacks.user);
}

/* From what waits to the worker's hands. */
static void take_batch(struct intake *in)
{
	struct chunk **end = &in->first;
	size_t size = 0;

	while (*end && size < BATCH_SIZE) {
		size += (*end)->used;
		end = &(*end)->next;
	}
	in->batch = in->first;
	in->first = *end;
	*end = NULL;
	if (!in->first)
		in->last = NULL;
	in->waiting -= size;
}

static void start(struct intake *in)
{
	bool is_ready;

	if (in->working)
		return;
	uv_idle_stop(&in->idle);
	uv_timer_stop(&in->pause);
	take_batch(in);
	is_ready = in->told_full && in->waiting <= INTAKE_MAX_WAITING / 2;
	in->told_full &= !is_ready;
	in->may_make = clock_ns(CLOCK_MONOTONIC) >= in->quiet_until_ns;
	must(!uv_queue_work(in->setup.loop, &in->work, do_work, on_done));
	in->working = true;
	if (is_ready && in->setup.ready)
		in->setup.ready(in->setup.user);
}

static void on_idle(uv_idle_t *idle)
{
	start(idle->data);
}

/* Room for a record, zeroed but for its value; the worker will come for it. */
static struct record *add(struct intake *in, enum op op, const char *key, size_t key_len,
			  size_t value_len)
{
	size_t size = (sizeof(struct record) + key_len + 1 + value_len + 7) & ~(size_t)7;
	struct chunk *chunk = in->last;
	struct record *r;

	if (!chunk || chunk->size - chunk->used < size) {
		size_t room = MAX(size, (size_t)CHUNK_SIZE - sizeof(*chunk));

		chunk = malloc(sizeof(*chunk) + room);
		must(chunk);
		*chunk = (struct chunk){ .size = room };
		*(in->last ? &in->last->next : &in->first) = chunk;
		in->last = chunk;
	}
	r = (struct record *)(chunk->data + chunk->used);
	chunk->used += size;
	in->waiting += size;
	*r = (struct record){ .op = op, .key_len = key_len, .value_len = value_len };
	memcpy(r + 1, key, key_len);
	((char *)(r + 1))[key_len] = '\0';
	if (!in->working)
		uv_idle_start(&in->idle, on_idle);
	return r;
}

static bool has_room(struct intake *in)
{
	in->told_full |= in->waiting > INTAKE_MAX_WAITING;
	return !in->told_full;
}

bool intake_put(struct intake *intake, const char *key, size_t key_len, const void *value,
		size_t len, uint64_t seen_ns)
{
	bool fits = len <= INTAKE_MAX_VALUE;
	struct record *r = add(intake, fits ? OP_PUT : OP_REFUSE, key, key_len, fits ? len : 0);

	r->seen_ns = seen_ns;
	if (fits && len)
		memcpy((char *)(r + 1) + key_len + 1, value, len);
	return has_room(intake);
}

bool intake_delete(struct intake *intake, const char *key, size_t key_len, uint64_t seen_ns)
{
	add(intake, OP_DELETE, key, key_len, 0)->seen_ns = seen_ns;
	return has_room(intake);
}

void intake_list_begin(struct intake *intake, const char *prefix)
{
	add(intake, OP_LIST_BEGIN, prefix, strlen(prefix), 0);
}

void intake_list_end(struct intake *intake, const char *prefix)
{
	add(intake, OP_LIST_END, prefix, strlen(prefix), 0);
}

void intake_list_abort(struct intake *intake, const char *prefix)
{
	add(intake, OP_LIST_ABORT, prefix, strlen(prefix), 0);
}

void intake_complete(struct intake *intake, const char *revision)
{
	add(intake, OP_COMPLETE, revision, strlen(revision), 0);
}

int intake_new(const struct intake_setup *setup, struct intake **ret_intake)
{
	struct intake *in = calloc(1, sizeof(*in));

	if (!in || store_new(setup->decode, setup->decode_user, &in->store)) {
		free(in);
		return -ENOMEM;
	}
	in->setup = *setup;
	uv_idle_init(setup->loop, &in->idle);
	uv_timer_init(setup->loop, &in->pause);
	in->open_handles = 2;
	in->idle.data = in->pause.data = in->work.data = in;
	*ret_intake = in;
	return 0;
}
