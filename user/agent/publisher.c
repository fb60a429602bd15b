/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is the next call to the etcd, and what its answer means: one call at a time, each begun by
 * advance(), which looks only at what is known. So every way back from a failure is the way on.
 * Not for: the protocol between publishers in words (agent/publisher.h).
 */
#include "agent/publisher_parts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/defs.h"
#include "core/log.h"

#define PAUSE_MS 250
#define PAUSE_MAX_MS 30000
/* Long enough for an etcd that elects a new leader; a second one is asked after it. */
#define ANSWER_MS 10000
#define REVOKE_MS 5000
/* How soon a standby takes over and a wiped etcd is filled again; one read of two small keys. */
#define LOOK_MS 5000

static void on_work(uv_timer_t *timer);

/* ---- small parts ---- */

static void kick(struct publisher *p)
{
	if (!p->waiting && !p->closing)
		uv_timer_start(&p->work, on_work, 0, 0);
}

static struct etcd_bytes bytes_of(const char *text)
{
	return (struct etcd_bytes){ text, strlen(text) };
}

void publisher_drop_plan(struct publisher *p)
{
	publish_plan_done(&p->plan);
	p->planned = false;
	p->at = p->batch = 0;
}

void publisher_doubt(struct publisher *p)
{
	publisher_drop_plan(p);
	publish_present_doubt(p->present);
	p->claimed = p->listed = p->complete = p->told = false;
	p->touched = true;
}

static void lose_lease(struct publisher *p)
{
	if (p->claimed)
		log_warn("the lease at %s is gone: publishing everything again under a new one",
			 etcd_endpoint(p->etcd));
	p->lease = 0;
	p->keep_due = false;
	publisher_doubt(p);
}

/*
 * Another one publishes. Nothing is done about our lease: its own verifying list has put all under
 * its lease, and what it has not yet goes with ours, while .complete is away.
 */
void publisher_stand_by(struct publisher *p)
{
	if (!p->standby)
		log_info("another publisher has taken over %s: standing by", p->config->prefix);
	p->standby = true;
	p->lease = 0;
	p->keep_due = false;
	publisher_doubt(p);
}

void publisher_fail(struct publisher *p, int code, const struct err *cause)
{
	struct err err = *cause;

	err.code = code;
	err_in(&err, code, "publishing to %s%s",
	       p->etcd ? etcd_endpoint(p->etcd) : p->config->endpoints[0], p->config->prefix);
	/* A plan that was begun goes on from what is known to be written. */
	publisher_drop_plan(p);
	p->told = false;
	/* A certificate or password that was refused may have been renewed in its file. */
	p->renew = p->renew || code == -EKEYREJECTED;
	p->waiting = true;
	uv_timer_start(&p->work, on_work, backoff_next_ms(&p->backoff), 0);
	p->callbacks.failed(p->callbacks.user, &err);
}

bool publisher_answered(struct publisher *p, int code, const struct etcd_header *header,
		     const struct err *err)
{
	p->call = NULL;
	uv_timer_stop(&p->deadline);
	if (code) {
		/* No such lease, or no such host: whether the lease lives is what keeping it says. */
		if (code == -ENOENT && p->lease)
			p->keep_due = true;
		publisher_fail(p, code, err);
		return false;
	}
	kick(p);
	if (!header)
		return true;
	if ((p->cluster_id && p->cluster_id != header->cluster_id) || header->revision < p->revision) {
		log_warn("%s is another store, or was restored: publishing everything again",
			 etcd_endpoint(p->etcd));
		p->cluster_id = header->cluster_id;
		p->revision = header->revision;
		publisher_doubt(p);
		return false;
	}
	p->cluster_id = header->cluster_id;
	p->revision = header->revision;
	return true;
}

static void on_deadline(uv_timer_t *timer)
{
	struct publisher *p = timer->data;
	struct err err;

	etcd_cancel(take(p->call));
	err_set(&err, -ETIMEDOUT, "no answer within %d s", ANSWER_MS / 1000);
	publisher_fail(p, -ETIMEDOUT, &err);
	if (p->etcd)
		etcd_next_endpoint(p->etcd);
}

static void call_begins(struct publisher *p)
{
	uv_timer_start(&p->deadline, on_deadline, ANSWER_MS, 0);
}

/* What could not even be begun. */
void publisher_begun(struct publisher *p, int code)
{
	struct err err;

	if (!code) {
		call_begins(p);
		return;
	}
	p->call = NULL;
	err_set(&err, code, "%s", strerror(-code));
	publisher_fail(p, code, &err);
}

/* ---- the lease ---- */

static void on_granted(void *user, int code, int64_t id, int64_t ttl_s, const struct err *err)
{
	struct publisher *p = user;

	if (!publisher_answered(p, code, NULL, err))
		return;
	p->lease = id;
	p->kept_ms = uv_now(p->loop);
	publisher_doubt(p);
}

static void on_kept(void *user, int code, int64_t id, int64_t ttl_s, const struct err *err)
{
	struct publisher *p = user;

	if (!publisher_answered(p, code, NULL, err))
		return;
	p->keep_due = false;
	p->kept_ms = uv_now(p->loop);
	if (ttl_s <= 0)
		lose_lease(p);
	/* What hangs on a lease that is not ours, or is gone, is found by a list in the same pace. */
	p->listed = false;
}

/* ---- transactions ---- */

static void on_claimed(void *user, int code, const struct etcd_header *header, const struct err *err)
{
	struct publisher *p = user;

	if (publisher_answered(p, code, header, err)) {
		p->claimed = true;
		p->listed = false;
	}
}

/* Readers keep what they have from here on until .complete is there again. */
static void claim(struct publisher *p)
{
	char name[PUBLISHER_KEY_MAX], complete[PUBLISHER_KEY_MAX];
	struct etcd_op ops[] = {
		{ .key = publisher_key(p, ".complete", complete), .erase = true },
		{ .key = publisher_key(p, ".publisher", name), .value = bytes_of(p->who) },
	};

	publisher_begun(p, etcd_txn(p->etcd, ops, ARRAY_SIZE(ops), p->lease, on_claimed, p, &p->call));
}

static void on_completed(void *user, int code, const struct etcd_header *header, const struct err *err)
{
	struct publisher *p = user;

	if (!publisher_answered(p, code, header, err))
		return;
	backoff_reset(&p->backoff);
	p->complete = true;
}

static void put_complete(struct publisher *p)
{
	char key[PUBLISHER_KEY_MAX], text[32];
	time_t now = time(NULL);
	struct etcd_op op;
	struct tm tm;

	strftime(text, sizeof(text), "%FT%TZ", gmtime_r(&now, &tm));
	op = (struct etcd_op){ .key = publisher_key(p, ".complete", key), .value = bytes_of(text) };
	publisher_begun(p, etcd_txn(p->etcd, &op, 1, p->lease, on_completed, p, &p->call));
}

static void on_written(void *user, int code, const struct etcd_header *header, const struct err *err)
{
	struct publisher *p = user;

	if (!publisher_answered(p, code, header, err))
		return;
	if (publish_done(p->present, p->plan.ops + p->at, p->batch)) {
		publisher_doubt(p);
		return;
	}
	backoff_reset(&p->backoff);
	p->at += p->batch;
	p->batch = 0;
	/* What is newer is written instead of the rest. */
	if (p->fresh)
		publisher_drop_plan(p);
}

static int write_batch(struct publisher *p)
{
	struct etcd_op ops[PUBLISH_MAX_OPS];
	auto_free char *keys = malloc(p->batch * PUBLISHER_KEY_MAX);

	_Static_assert(PUBLISH_MAX_OPS <= ETCD_MAX_OPS, "one transaction");
	if (!keys)
		return -ENOMEM;
	for (size_t i = 0; i < p->batch; i++) {
		const struct publish_op *op = &p->plan.ops[p->at + i];

		ops[i] = (struct etcd_op){ .key = publisher_key(p, op->key, keys + i * PUBLISHER_KEY_MAX),
					   .erase = !op->item };
		if (ops[i].key.len >= PUBLISHER_KEY_MAX)
			return -ENAMETOOLONG;
		if (op->item)
			ops[i].value = (struct etcd_bytes){ op->item->value, op->item->len };
	}
	p->touched = true;
	return etcd_txn(p->etcd, ops, p->batch, p->lease, on_written, p, &p->call);
}

/* ---- the end ---- */

static void on_closed(uv_handle_t *handle)
{
	struct publisher *p = handle->data;

	if (--p->closing)
		return;
	p->callbacks.stopped(p->callbacks.user);
	publisher_drop_plan(p);
	publish_present_free(p->present);
	publish_wanted_free(p->wanted);
	publish_wanted_free(p->fresh);
	free(p);
}

static void finish(struct publisher *p)
{
	uv_handle_t *handles[] = { (uv_handle_t *)&p->work, (uv_handle_t *)&p->deadline,
				   (uv_handle_t *)&p->tick };

	if (p->closing)
		return;
	if (p->call)
		etcd_cancel(take(p->call));
	if (p->etcd)
		etcd_close(take(p->etcd));
	p->closing = ARRAY_SIZE(handles);
	for (size_t i = 0; i < ARRAY_SIZE(handles); i++)
		uv_close(handles[i], on_closed);
}

static void on_revoked(void *user, int code, int64_t id, int64_t ttl_s, const struct err *err)
{
	struct publisher *p = user;

	p->call = NULL;
	/* -ENOENT: it was gone already. */
	if (!code || code == -ENOENT)
		p->lease = 0;
	else if (!--p->revokes)
		log_warn("what was published stays for up to %u s: cannot end the lease: %s", p->ttl_s,
			 err->text);
	uv_timer_start(&p->work, on_work, 0, 0);
}

static void on_revoke_deadline(uv_timer_t *timer)
{
	struct publisher *p = timer->data;

	log_warn("what was published stays for up to %u s: no answer about the lease from %s", p->ttl_s,
		 etcd_endpoint(p->etcd));
	finish(p);
}

static void wind_up(struct publisher *p)
{
	if (!p->lease || !p->etcd || !p->revokes ||
	    etcd_lease_revoke(p->etcd, p->lease, on_revoked, p, &p->call))
		finish(p);
}

void publisher_stop(struct publisher *p, bool revoke)
{
	p->stopping = true;
	p->waiting = false;
	if (p->call)
		etcd_cancel(take(p->call));
	uv_timer_stop(&p->deadline);
	uv_timer_stop(&p->tick);
	p->revokes = revoke ? p->config->n_endpoints : 0;
	uv_timer_start(&p->deadline, on_revoke_deadline, REVOKE_MS, 0);
	uv_timer_start(&p->work, on_work, 0, 0);
}

/* ---- what is next ---- */

static void write_or_finish(struct publisher *p)
{
	struct err err;
	int rc = 0;

	if (!p->planned) {
		rc = publish_plan(p->wanted, p->present, &p->plan);
		p->planned = !rc;
	}
	if (!rc)
		p->batch = publish_batch(&p->plan, p->at);
	if (rc) {
		err_set(&err, rc, "out of memory");
		publisher_fail(p, rc, &err);
	} else if (p->batch) {
		publisher_begun(p, write_batch(p));
	} else if (!p->complete && p->touched) {
		publisher_list(p);
	} else if (!p->complete) {
		put_complete(p);
	} else if (!p->told) {
		p->told = true;
		p->callbacks.complete(p->callbacks.user);
	}
}

static void advance(struct publisher *p)
{
	struct err err = { 0 };
	int rc;

	if (p->fresh) {
		publisher_drop_plan(p);
		publish_wanted_free(p->wanted);
		p->wanted = take(p->fresh);
		p->told = false;
	}
	if (!p->wanted)
		return;
	if (p->renew && p->etcd)
		etcd_close(take(p->etcd));
	p->renew = false;
	if (!p->etcd) {
		rc = etcd_new(p->loop, p->config, &p->etcd, &err);
		if (rc) {
			publisher_fail(p, rc, &err);
			return;
		}
	}
	if (p->standby) {
		if (p->look_due)
			publisher_look(p);
	} else if (!p->lease) {
		publisher_begun(p, etcd_lease_grant(p->etcd, p->ttl_s, on_granted, p, &p->call));
	} else if (p->keep_due) {
		publisher_begun(p, etcd_lease_keep(p->etcd, p->lease, on_kept, p, &p->call));
	} else if (!p->claimed) {
		claim(p);
	} else if (p->look_due) {
		publisher_look(p);
	} else if (!p->listed) {
		publisher_list(p);
	} else {
		write_or_finish(p);
	}
}

static void on_work(uv_timer_t *timer)
{
	struct publisher *p = timer->data;

	p->waiting = false;
	if (p->call || p->closing)
		return;
	if (p->stopping)
		wind_up(p);
	else
		advance(p);
}

static uint64_t tick_ms(const struct publisher *p)
{
	return MIN(LOOK_MS, p->ttl_s * 1000ULL / 3);
}

static void on_tick(uv_timer_t *timer)
{
	struct publisher *p = timer->data;

	p->look_due = p->look_due || p->standby || p->claimed;
	/* At the tick that is nearest to a third of the time. */
	if (p->lease && uv_now(p->loop) - p->kept_ms + tick_ms(p) / 2 >= p->ttl_s * 1000ULL / 3)
		p->keep_due = true;
	kick(p);
}

/* ---- life ---- */

int publisher_new(uv_loop_t *loop, const struct config_etcd *config, uint32_t ttl_s,
		  const struct publisher_callbacks *callbacks, struct publisher **ret_publisher)
{
	struct publisher *p = calloc(1, sizeof(*p));
	char host[256] = "";

	if (!p || publish_present_new(&p->present)) {
		free(p);
		return -ENOMEM;
	}
	p->loop = loop;
	p->config = config;
	p->ttl_s = ttl_s;
	p->callbacks = *callbacks;
	p->touched = true;
	gethostname(host, sizeof(host) - 1);
	snprintf(p->who, sizeof(p->who), "%s, process %d", host, (int)getpid());
	backoff_init(&p->backoff, PAUSE_MS, PAUSE_MAX_MS);
	uv_timer_init(loop, &p->work);
	uv_timer_init(loop, &p->deadline);
	uv_timer_init(loop, &p->tick);
	p->work.data = p->deadline.data = p->tick.data = p;
	uv_timer_start(&p->tick, on_tick, tick_ms(p), tick_ms(p));
	*ret_publisher = p;
	return 0;
}

void publisher_want(struct publisher *p, struct publish_wanted *wanted)
{
	publish_wanted_free(p->fresh);
	p->fresh = publish_wanted_share(wanted);
	kick(p);
}

void publisher_renew(struct publisher *p)
{
	if (p->stopping)
		return;
	if (p->call)
		etcd_cancel(take(p->call));
	uv_timer_stop(&p->deadline);
	publisher_drop_plan(p);
	p->renew = true;
	p->waiting = false;
	kick(p);
}
