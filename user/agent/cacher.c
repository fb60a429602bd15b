/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* When the cache is written and read. */
#include "agent/cacher.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/defs.h"
#include "core/log.h"
#include "core/vec.h"

#define REST_MS 10000     /* of one cluster */
#define REST_FACTOR 199   /* of all: times what the last file cost */
#define CLOSE_MS 2000

struct entry {
	char name[64];
	uint16_t id;
	struct snapshot *waiting;  /* NULL = nothing is to be written */
	bool forgotten;            /* while it is written */
	uint64_t ready_ms;         /* not before */
	uint64_t services_digest, nodes_digest; /* of what was put last */
	char revision[sizeof(((struct snapshot *)0)->revision)]; /* "" = nothing was */
};

struct job {
	uv_work_t work;
	struct cacher *cacher;
	struct entry *entry;
	uint16_t id;
	char *dir;
	struct snapshot *snapshot;
	uint64_t cpu_ns;
	int code;
	struct err err;
};

struct reading {
	uv_work_t work;
	struct cacher *cacher;
	char *dir, name[64];
	uint16_t id;
	cacher_read_fn fn;
	void *user;
	time_t time_s;
	struct snapshot *snapshot;
	int code;
	struct err err;
};

struct cacher {
	uv_loop_t *loop;
	char *dir;
	struct entry **v;          /* each lives apart: a job holds its address */
	size_t n;
	uv_timer_t timer;
	bool timer_closed;
	struct job *job;           /* at work */
	size_t n_readings;
	uint64_t rest_until_ms;
	uint64_t closing_ms;       /* loop time of cacher_close(), 0 = not yet */
	bool closing;
	char *said;                /* the failure that was logged last */
};

static void pump(struct cacher *cacher);

static void entry_free(struct entry *entry)
{
	snapshot_free(entry->waiting);
	free(entry);
}

static void release(struct cacher *cacher)
{
	if (!cacher->timer_closed || cacher->job || cacher->n_readings)
		return;
	for (size_t i = 0; i < cacher->n; i++)
		entry_free(cacher->v[i]);
	free(cacher->v);
	free(cacher->dir);
	free(cacher->said);
	free(cacher);
}

/* ---- writing ------------------------------------------------------------------------------- */

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + ts.tv_nsec;
}

static void do_write(uv_work_t *work)
{
	struct job *job = container_of(work, struct job, work);
	uint64_t start_ns = cpu_ns();

	job->code = cache_write(job->dir, job->entry->name, job->id, job->snapshot, &job->err);
	job->cpu_ns = cpu_ns() - start_ns;
}

static void say(struct cacher *cacher, const struct job *job)
{
	if (!job->code) {
		free(take(cacher->said));
		return;
	}
	if (cacher->said && !strcmp(cacher->said, job->err.text))
		return;
	log_warn("the last good state is not kept on disk, a reboot with a broken feed would miss it: %s",
		 job->err.text);
	free(cacher->said);
	cacher->said = strdup(job->err.text);
}

static void on_written(uv_work_t *work, int status)
{
	struct job *job = container_of(work, struct job, work);
	struct cacher *cacher = job->cacher;
	struct entry *entry = job->entry;
	uint64_t now_ms = uv_now(cacher->loop);

	say(cacher, job);
	if (entry->forgotten)
		cache_remove(job->dir, entry->name);
	if (job->code || entry->forgotten)
		entry->revision[0] = '\0';
	entry->forgotten = false;
	entry->ready_ms = now_ms + REST_MS;
	cacher->rest_until_ms = now_ms + REST_FACTOR * job->cpu_ns / 1000000;
	snapshot_free(job->snapshot);
	free(job->dir);
	free(job);
	cacher->job = NULL;
	pump(cacher);
}

static void start(struct cacher *cacher, struct entry *entry)
{
	struct job *job = calloc(1, sizeof(*job));
	char *dir = strdup(cacher->dir);

	if (!job || !dir) {
		free(job);
		free(dir);
		snapshot_free(take(entry->waiting));
		return;
	}
	job->cacher = cacher;
	job->entry = entry;
	job->dir = dir;
	job->id = entry->id;
	job->snapshot = take(entry->waiting);
	cacher->job = job;
	uv_queue_work(cacher->loop, &job->work, do_write, on_written);
}

static void on_timer(uv_timer_t *timer)
{
	pump(timer->data);
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct cacher *cacher = handle->data;

	cacher->timer_closed = true;
	release(cacher);
}

/* The one that has waited longest is next. */
static struct entry *next_entry(const struct cacher *cacher)
{
	struct entry *next = NULL;

	for (size_t i = 0; i < cacher->n; i++)
		if (cacher->v[i]->waiting && (!next || cacher->v[i]->ready_ms < next->ready_ms))
			next = cacher->v[i];
	return next;
}

static void pump(struct cacher *cacher)
{
	struct entry *next = next_entry(cacher);
	uint64_t now_ms = uv_now(cacher->loop), due_ms;

	if (cacher->job)
		return;
	if (cacher->closing) {
		if (next && now_ms - cacher->closing_ms < CLOSE_MS)
			start(cacher, next);
		if (!cacher->job && !uv_is_closing((uv_handle_t *)&cacher->timer))
			uv_close((uv_handle_t *)&cacher->timer, on_timer_closed);
		else if (!cacher->job)
			release(cacher);
		return;
	}
	if (!next)
		return;
	due_ms = MAX(next->ready_ms, cacher->rest_until_ms);
	if (due_ms <= now_ms)
		start(cacher, next);
	else
		uv_timer_start(&cacher->timer, on_timer, due_ms - now_ms, 0);
}

static struct entry *find(const struct cacher *cacher, const char *name)
{
	for (size_t i = 0; i < cacher->n; i++)
		if (!strcmp(cacher->v[i]->name, name))
			return cacher->v[i];
	return NULL;
}

static struct entry *find_or_make(struct cacher *cacher, const char *name)
{
	struct entry *entry = find(cacher, name);

	if (entry)
		return entry;
	if (vec_grow(&cacher->v, cacher->n, sizeof(*cacher->v)))
		return NULL;
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return NULL;
	snprintf(entry->name, sizeof(entry->name), "%s", name);
	cacher->v[cacher->n++] = entry;
	return entry;
}

void cacher_put(struct cacher *cacher, const char *name, uint16_t id, struct snapshot *snapshot)
{
	struct entry *entry = find_or_make(cacher, name);

	if (!entry)
		return;
	if (entry->id == id && entry->services_digest == snapshot->services_digest &&
	    entry->nodes_digest == snapshot->nodes_digest && !strcmp(entry->revision, snapshot->revision))
		return;
	snapshot_free(entry->waiting);
	entry->waiting = snapshot_hold(snapshot);
	entry->forgotten = false;
	entry->id = id;
	entry->services_digest = snapshot->services_digest;
	entry->nodes_digest = snapshot->nodes_digest;
	snprintf(entry->revision, sizeof(entry->revision), "%s", snapshot->revision);
	pump(cacher);
}

void cacher_forget(struct cacher *cacher, const char *name)
{
	struct entry *entry = find(cacher, name);

	if (entry) {
		snapshot_free(take(entry->waiting));
		entry->revision[0] = '\0';
		entry->forgotten = cacher->job && cacher->job->entry == entry;
	}
	cache_remove(cacher->dir, name);
}

/* ---- reading ------------------------------------------------------------------------------- */

static void do_read(uv_work_t *work)
{
	struct reading *r = container_of(work, struct reading, work);

	r->code = cache_read(r->dir, r->name, r->id, &r->time_s, &r->snapshot, &r->err);
}

static void on_read(uv_work_t *work, int status)
{
	struct reading *r = container_of(work, struct reading, work);
	struct cacher *cacher = r->cacher;

	cacher->n_readings--;
	if (cacher->closing)
		snapshot_free(r->snapshot);
	else
		r->fn(r->user, r->id, r->code, r->snapshot, r->time_s, &r->err);
	free(r->dir);
	free(r);
	if (cacher->closing)
		release(cacher);
}

int cacher_read(struct cacher *cacher, const char *name, uint16_t id, cacher_read_fn fn, void *user)
{
	struct reading *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->dir = strdup(cacher->dir);
	if (!r->dir) {
		free(r);
		return -ENOMEM;
	}
	snprintf(r->name, sizeof(r->name), "%s", name);
	r->cacher = cacher;
	r->id = id;
	r->fn = fn;
	r->user = user;
	cacher->n_readings++;
	uv_queue_work(cacher->loop, &r->work, do_read, on_read);
	return 0;
}

/* ---- life ---------------------------------------------------------------------------------- */

int cacher_new(uv_loop_t *loop, const char *dir, struct cacher **ret_cacher)
{
	struct cacher *cacher = calloc(1, sizeof(*cacher));

	if (!cacher)
		return -ENOMEM;
	cacher->dir = strdup(dir);
	if (!cacher->dir) {
		free(cacher);
		return -ENOMEM;
	}
	cacher->loop = loop;
	uv_timer_init(loop, &cacher->timer);
	cacher->timer.data = cacher;
	*ret_cacher = cacher;
	return 0;
}

void cacher_close(struct cacher *cacher)
{
	if (!cacher)
		return;
	cacher->closing = true;
	cacher->closing_ms = uv_now(cacher->loop);
	pump(cacher);
}
