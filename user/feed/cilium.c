/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The Cilium feed: another cluster's Cilium mesh store, an etcd that its clustermesh-apiserver fills.
 *
 * Two connections. By the first, every POLL_MS, the cluster's configuration, which says whose store this
 * is and how it is written, and the heartbeat: these two keys may be read alone, not watched as prefixes.
 * The second is for the values (cilium_values.h).
 *
 * The file, and those that it names, are looked at as often: a mounted Secret changes without notice.
 */
#include "feed/feed_ops.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/defs.h"
#include "feed/backoff.h"
#include "feed/cilium_config.h"
#include "feed/cilium_values.h"
#include "feed/etcd_rpc.h"

#define POLL_MS 30000
#define PAUSE_MS 500
#define STALE_MS (2 * CILIUM_HEARTBEAT_MS) /* as Cilium itself has it */

struct cilium_feed {
	struct feed base;
	uv_loop_t *loop;
	struct feed_callbacks callbacks;
	char *path, *name; /* the file, and our own name of the cluster */
	uint16_t id;

	/* The first connection. */
	uv_timer_t tick;
	enum { STEP_BEGIN, STEP_CONFIG, STEP_HEARTBEAT } step;
	struct config_etcd *config;
	uint64_t stamp;            /* of the file and those that it names */
	struct etcd *etcd;
	struct etcd_call *call;
	char *answer;              /* the value that was asked for; NULL = no such key */
	size_t answer_len;
	int64_t answer_revision;
	int code;                  /* how the call ended, with @why */
	struct err why;
	bool fresh;                /* over a new connection, with the files as they are now */
	struct backoff backoff;
	int64_t heartbeat;         /* revision of that key */
	uint64_t heartbeat_ms;     /* when it was seen to change; 0 = never asked */
	uint64_t beaten_ms;        /* when that it stands still was told last */

	struct cilium_values *values; /* the second one */
	char said[ERR_TEXT_MAX];   /* the last error told, "" after something good */
	bool good;                 /* a snapshot was passed on */
};

static void on_tick(uv_timer_t *timer);

/* ---- what is told --------------------------------------------------------------------------- */

static void tell_error(struct cilium_feed *f, const struct err *err)
{
	if (!strcmp(f->said, err->text))
		return;
	snprintf(f->said, sizeof(f->said), "%s", err->text);
	f->callbacks.error(f->callbacks.user, err);
}

static bool is_fresh(const struct cilium_feed *f)
{
	return !f->heartbeat_ms || uv_now(f->loop) - f->heartbeat_ms <= STALE_MS;
}

/* Who only repeats what it knew before its heart stopped is not as fresh as now. */
static void on_unchanged(void *user)
{
	struct cilium_feed *f = user;

	if (!f->good || !is_fresh(f))
		return;
	f->said[0] = '\0';
	f->callbacks.unchanged(f->callbacks.user);
}

static void on_snapshot(void *user, struct snapshot *snapshot)
{
	struct cilium_feed *f = user;

	f->said[0] = '\0';
	f->good = true;
	f->callbacks.snapshot(f->callbacks.user, snapshot);
}

static void on_error(void *user, const struct err *err)
{
	tell_error(user, err);
}

/* Cilium's name of the cluster is that of the file; ours may be another. */
static const char *cilium_name(const struct cilium_feed *f)
{
	const char *slash = strrchr(f->path, '/');

	return slash ? slash + 1 : f->path;
}

/* ---- whose store it is: questions and answers ----------------------------------------------- */

static bool on_answer_kv(void *user, const struct etcd_kv *kv)
{
	struct cilium_feed *f = user;

	free(f->answer);
	f->answer_len = MIN(kv->value.len, (size_t)CILIUM_MAX_CONFIG + 1);
	f->answer = malloc(f->answer_len + 1);
	if (f->answer) {
		memcpy(f->answer, kv->value.data, f->answer_len);
		f->answer[f->answer_len] = '\0';
	}
	f->answer_revision = kv->mod_revision;
	return true;
}

/* The call is not ended from inside of itself: what follows is the timer's. */
static void on_answer(void *user, int code, const struct etcd_header *header, const struct err *err)
{
	struct cilium_feed *f = user;

	f->call = NULL;
	f->code = code;
	if (code)
		f->why = *err;
	uv_timer_start(&f->tick, on_tick, 0, 0);
}

static int ask(struct cilium_feed *f, const char *key, struct err *err)
{
	const struct etcd_range range = { .key = { key, strlen(key) }, .kv = on_answer_kv,
					  .done = on_answer, .user = f };
	int rc;

	free(take(f->answer));
	rc = etcd_range(f->etcd, &range, &f->call);
	return rc ? err_set(err, rc, "%s: %s", etcd_endpoint(f->etcd), strerror(-rc)) : 0;
}

/* ---- whose store it is: one step after the other -------------------------------------------- */

/* The file as it is now, over a new connection if it is another one. */
static int read_config(struct cilium_feed *f, struct err *err)
{
	uint64_t stamp = cilium_config_stamp(f->path, f->config);
	struct config_etcd *config;
	int rc;

	if (strlen(cilium_name(f)) > 63)
		return err_set(err, -EINVAL, "%s: the name of the file is the cluster's in Cilium, which has 63 "
			       "bytes at most", f->path);
	if (f->config && stamp == f->stamp)
		return 0;
	rc = cilium_config_read(f->path, &config, err);
	if (rc)
		return rc;
	if (f->etcd)
		etcd_close(take(f->etcd));
	cilium_values_stop(f->values);
	cilium_config_free(f->config);
	f->config = config;
	f->stamp = cilium_config_stamp(f->path, config);
	return 0;
}

static int begin(struct cilium_feed *f, struct err *err)
{
	char key[CILIUM_MAX_KEY];
	int rc = read_config(f, err);

	if (rc)
		return rc;
	if (f->fresh && f->etcd)
		etcd_close(take(f->etcd));
	f->fresh = false;
	if (!f->etcd)
		rc = etcd_new(f->loop, f->config, &f->etcd, err);
	f->step = STEP_CONFIG;
	return rc ? rc : ask(f, cilium_config_key(cilium_name(f), key), err);
}

static int take_config(struct cilium_feed *f, struct err *err)
{
	const char *name = cilium_name(f);
	struct cilium_peer peer;
	int rc;

	if (f->code)
		return err_set(err, f->code, "%s", f->why.text);
	if (!f->answer)
		return err_set(err, -ENOENT,
			       "%s: there is no cilium/cluster-config/%s: is %s what that cluster calls itself, "
			       "and has its clustermesh-apiserver started?", etcd_endpoint(f->etcd), name, name);
	rc = cilium_peer_parse(f->answer, f->answer_len, &peer, err);
	if (!rc)
		rc = cilium_peer_check(&peer, f->name, f->id, err);
	if (rc) {
		cilium_values_stop(f->values);
		return err_in(err, rc, "cilium/cluster-config/%s", name);
	}
	rc = cilium_values_use(f->values, f->config, name, &peer, err);
	f->step = STEP_HEARTBEAT;
	return rc ? rc : ask(f, CILIUM_HEARTBEAT, err);
}

static int take_heartbeat(struct cilium_feed *f, struct err *err)
{
	uint64_t now = uv_now(f->loop);
	int64_t revision = f->answer ? f->answer_revision : 0;

	if (f->code)
		return err_set(err, f->code, "%s", f->why.text);
	if (!f->heartbeat_ms || revision != f->heartbeat) {
		f->heartbeat = revision;
		f->heartbeat_ms = now;
	}
	if (!is_fresh(f) && now - f->beaten_ms > STALE_MS) {
		f->beaten_ms = now;
		cilium_values_poke(f->values);
		return err_set(err, -ESTALE,
			       "%s: the heartbeat of cluster %s stands still for %llu s, so what its store says "
			       "is old: connecting anew", etcd_endpoint(f->etcd), cilium_name(f),
			       (unsigned long long)(now - f->heartbeat_ms) / 1000);
	}
	backoff_reset(&f->backoff);
	f->step = STEP_BEGIN;
	uv_timer_start(&f->tick, on_tick, POLL_MS, 0);
	return 0;
}

static void on_tick(uv_timer_t *timer)
{
	struct cilium_feed *f = timer->data;
	struct err err;
	int rc = 0;

	switch (f->step) {
	case STEP_BEGIN:
		rc = begin(f, &err);
		break;
	case STEP_CONFIG:
		rc = take_config(f, &err);
		break;
	case STEP_HEARTBEAT:
		rc = take_heartbeat(f, &err);
		break;
	}
	if (!rc)
		return;
	tell_error(f, &err);
	f->fresh = true;
	f->step = STEP_BEGIN;
	uv_timer_start(&f->tick, on_tick, backoff_next_ms(&f->backoff), 0);
}

/* ---- its life ------------------------------------------------------------------------------- */

static void cilium_poke(struct feed *base)
{
	struct cilium_feed *f = container_of(base, struct cilium_feed, base);

	cilium_values_poke(f->values);
	if (f->call)
		return;
	f->step = STEP_BEGIN;
	f->fresh = true;
	uv_timer_start(&f->tick, on_tick, 0, 0);
}

static void free_feed(struct cilium_feed *f)
{
	cilium_config_free(f->config);
	free(f->answer);
	free(f->path);
	free(f->name);
	free(f);
}

static void on_closed(uv_handle_t *handle)
{
	free_feed(handle->data);
}

static void cilium_close(struct feed *base)
{
	struct cilium_feed *f = container_of(base, struct cilium_feed, base);

	if (f->etcd)
		etcd_close(f->etcd);
	cilium_values_close(take(f->values));
	uv_close((uv_handle_t *)&f->tick, on_closed);
}

static const struct feed_ops cilium_ops = { .poke = cilium_poke, .close = cilium_close };

int feed_cilium_new(const struct feed_setup *setup, struct feed **ret_feed, struct err *err)
{
	struct cilium_feed *f = calloc(1, sizeof(*f));
	const struct feed_callbacks callbacks = { .snapshot = on_snapshot, .error = on_error,
						  .unchanged = on_unchanged, .user = f };

	if (f) {
		f->path = strdup(setup->source->cilium);
		f->name = strdup(setup->cluster);
	}
	if (!f || !f->path || !f->name || cilium_values_new(setup->loop, &callbacks, &f->values)) {
		if (f)
			free_feed(f);
		return err_set(err, -ENOMEM, "out of memory");
	}
	f->base.ops = &cilium_ops;
	f->loop = setup->loop;
	f->callbacks = setup->callbacks;
	f->id = setup->id;
	backoff_init(&f->backoff, PAUSE_MS, POLL_MS);
	uv_timer_init(setup->loop, &f->tick);
	f->tick.data = f;
	uv_timer_start(&f->tick, on_tick, 0, 0);
	*ret_feed = &f->base;
	return 0;
}
