/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The etcd feed: objects below a prefix, PREFIX/KIND/NAMESPACE/NAME and PREFIX/nodes/NAME, each value one
 * object as JSON, into snapshots. Keys that begin with a dot are not objects.
 *
 * When what lies there is believed to be all of it:
 *  - With the key PREFIX/.complete, always. `xmesh publish` writes it last, under its lease.
 *  - Without it, where some object lies under a lease or where that key was seen before: never. A
 *    publisher is at work, or it is gone and its lease took everything with it.
 *  - Else it was filled by hand: when there is an object, and nothing has changed for QUIET_MS.
 * While it is not believed the last good snapshot stands, and its age grows. A prefix with nothing usable
 * below it is an error and never an empty cluster.
 *
 * Not for: the protocol (etcd_mirror.h), what is in objects (decode_key.h).
 */
#include "feed/feed_ops.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/defs.h"
#include "feed/decode_key.h"
#include "feed/etcd_mirror.h"
#include "feed/intake.h"

#define QUIET_MS 5000
#define QUIET_MAX_MS 30000 /* of a list that is changed all the time */
#define MARKER ".complete"

struct etcd_feed {
	struct feed base;
	uv_loop_t *loop;
	struct feed_callbacks callbacks;
	struct etcd_mirror *mirror;
	struct intake *intake;
	uv_timer_t quiet;
	char *prefix;               /* with a slash at its end */
	size_t prefix_len;
	bool closing;

	bool open;                  /* a list is open at the intake: no snapshots */
	bool gap;                   /* it stands for a marker that is gone: nothing is swept at its end */
	bool marked, published;     /* .complete is there; it, or a lease, was seen once */
	bool good;                  /* the last snapshot was passed on */
	size_t n_objects;           /* in this list, or put since */
	uint64_t listed_ms, changed_ms;
	char revision[32];
	char said[ERR_TEXT_MAX];    /* the last error told, "" after something good */
};

static void tell_error(struct etcd_feed *f, const struct err *err)
{
	if (!strcmp(f->said, err->text))
		return;
	snprintf(f->said, sizeof(f->said), "%s", err->text);
	f->callbacks.error(f->callbacks.user, err);
}

static void tell_unchanged(struct etcd_feed *f)
{
	if (!f->good)
		return;
	f->said[0] = '\0';
	f->callbacks.unchanged(f->callbacks.user);
}

/* ---- is it all? ----------------------------------------------------------------------------- */

static void on_quiet(uv_timer_t *timer);

static void open_list(struct etcd_feed *f, bool gap)
{
	if (f->open)
		intake_list_abort(f->intake, "");
	intake_list_begin(f->intake, "");
	f->open = true;
	f->gap = gap;
	f->listed_ms = f->changed_ms = uv_now(f->loop);
}

static void believe(struct etcd_feed *f)
{
	uv_timer_stop(&f->quiet);
	if (f->open && f->gap)
		intake_list_abort(f->intake, "");
	else if (f->open)
		intake_list_end(f->intake, "");
	f->open = f->gap = false;
	intake_complete(f->intake, f->revision);
}

static void doubt(struct etcd_feed *f, uint64_t wait_ms)
{
	struct err err;

	if (!f->published && !f->n_objects) {
		err_set(&err, -ENOENT,
			"no objects below %s: is this the prefix that the cluster is published under?",
			f->prefix);
		tell_error(f, &err);
	} else if (wait_ms) {
		uv_timer_start(&f->quiet, on_quiet, wait_ms, 0);
	} else {
		err_set(&err, -ENOENT,
			"%s" MARKER " is not there: who publishes this prefix has not ended writing, or is "
			"gone, and its lease with it; what was known stays", f->prefix);
		tell_error(f, &err);
	}
}

static void judge(struct etcd_feed *f)
{
	uint64_t now = uv_now(f->loop), end;

	if (!f->open || f->marked) {
		believe(f);
		return;
	}
	end = f->published ? f->listed_ms + QUIET_MS :
			     MIN(f->changed_ms + QUIET_MS, f->listed_ms + QUIET_MAX_MS);
	if (now >= end && !f->published && f->n_objects)
		believe(f);
	else
		doubt(f, now < end ? end - now : 0);
}

static void on_quiet(uv_timer_t *timer)
{
	judge(timer->data);
}

/* ---- from the server ------------------------------------------------------------------------ */

static void on_list(void *user, size_t prefix)
{
	struct etcd_feed *f = user;

	uv_timer_stop(&f->quiet);
	open_list(f, false);
	f->marked = false;
	f->n_objects = 0;
}

static void on_aborted(void *user, size_t prefix)
{
	/* The intake's stays open: half of a list, or what a lease has left, is no snapshot. */
}

/* The intake's key: what is behind the prefix. */
static const char *name_of(const struct etcd_feed *f, struct etcd_bytes key)
{
	return (const char *)key.data + f->prefix_len;
}

static bool is_object(const struct etcd_feed *f, struct etcd_bytes key)
{
	return key.len > f->prefix_len && *name_of(f, key) != '.';
}

static bool is_marker(const struct etcd_feed *f, struct etcd_bytes key)
{
	return key.len == f->prefix_len + strlen(MARKER) &&
	       !memcmp(name_of(f, key), MARKER, strlen(MARKER));
}

/* A publisher that has not ended, or has gone: at once, before the intake sees what else it changed. */
static void hold_unless_marked(struct etcd_feed *f)
{
	if (!f->open && f->published && !f->marked)
		open_list(f, true);
}

/* How long we take for a change is not told by one that waits for its publisher. */
static uint64_t seen_at(const struct etcd_feed *f, uint64_t seen_ns)
{
	return f->open ? 0 : seen_ns;
}

static bool on_put(void *user, size_t prefix, const struct etcd_kv *kv, uint64_t seen_ns)
{
	struct etcd_feed *f = user;

	if (is_marker(f, kv->key))
		f->marked = f->published = true;
	if (!is_object(f, kv->key))
		return true;
	f->n_objects++;
	f->changed_ms = uv_now(f->loop);
	if (kv->lease) {
		f->published = true;
		hold_unless_marked(f);
	}
	return intake_put(f->intake, name_of(f, kv->key), kv->key.len - f->prefix_len, kv->value.data,
			  kv->value.len, seen_at(f, seen_ns));
}

static void on_erase(void *user, size_t prefix, const struct etcd_kv *kv, uint64_t seen_ns)
{
	struct etcd_feed *f = user;

	if (is_marker(f, kv->key)) {
		f->marked = false;
		hold_unless_marked(f);
	}
	if (!is_object(f, kv->key))
		return;
	f->changed_ms = uv_now(f->loop);
	intake_delete(f->intake, name_of(f, kv->key), kv->key.len - f->prefix_len, seen_at(f, seen_ns));
}

static void on_listed(void *user, size_t prefix)
{
	/* on_current() follows: there is one prefix. */
}

static void on_current(void *user, int64_t revision)
{
	struct etcd_feed *f = user;

	snprintf(f->revision, sizeof(f->revision), "rev:%jd", (intmax_t)revision);
	judge(f);
}

static void on_alive(void *user)
{
	struct etcd_feed *f = user;

	if (f->open)
		judge(f);
	else
		tell_unchanged(f);
}

static void on_error(void *user, const struct err *err)
{
	struct etcd_feed *f = user;

	/* Whether anything changes is not known until it answers again: on_alive(). */
	uv_timer_stop(&f->quiet);
	f->changed_ms = uv_now(f->loop);
	tell_error(f, err);
}

/* ---- from the intake ------------------------------------------------------------------------ */

static void on_snapshot(void *user, struct snapshot *snapshot)
{
	struct etcd_feed *f = user;
	struct err err;

	f->good = snapshot->n_nodes || snapshot->n_services || snapshot->n_slices;
	if (f->good) {
		f->said[0] = '\0';
		f->callbacks.snapshot(f->callbacks.user, snapshot);
		return;
	}
	if (snapshot->counts.bad)
		err_set(&err, -EINVAL, "none of the values below %s can be used: %s", f->prefix,
			snapshot->n_warnings ? snapshot->warnings[0] : "no object is among them");
	else
		err_set(&err, -ENOENT, "no nodes, services or slices below %s", f->prefix);
	snapshot_free(snapshot);
	tell_error(f, &err);
}

static void on_unchanged(void *user)
{
	tell_unchanged(user);
}

static void on_ready(void *user)
{
	struct etcd_feed *f = user;

	etcd_mirror_resume(f->mirror);
}

/* ---- its life ------------------------------------------------------------------------------- */

static void etcd_poke(struct feed *base)
{
	struct etcd_feed *f = container_of(base, struct etcd_feed, base);

	etcd_mirror_poke(f->mirror);
}

static void on_closed(uv_handle_t *handle)
{
	struct etcd_feed *f = handle->data;

	free(f->prefix);
	free(f);
}

static void etcd_feed_close(struct feed *base)
{
	struct etcd_feed *f = container_of(base, struct etcd_feed, base);

	etcd_mirror_close(f->mirror);
	intake_close(f->intake);
	uv_close((uv_handle_t *)&f->quiet, on_closed);
}

static const struct feed_ops etcd_ops = { .poke = etcd_poke, .close = etcd_feed_close };

int feed_etcd_new(const struct feed_setup *setup, struct feed **ret_feed, struct err *err)
{
	const struct config_etcd *config = &setup->source->etcd;
	const struct etcd_mirror_callbacks mirror = {
		.list = on_list, .put = on_put, .erase = on_erase, .listed = on_listed, .aborted = on_aborted,
		.current = on_current, .alive = on_alive, .error = on_error,
	};
	struct etcd_feed *f = calloc(1, sizeof(*f));
	struct etcd_mirror_callbacks callbacks = mirror;
	struct intake_setup intake = {
		.loop = setup->loop, .decode = decode_keyed, .ready = on_ready, .user = f,
		.callbacks = { .snapshot = on_snapshot, .unchanged = on_unchanged, .user = f },
	};
	size_t index;
	int code;

	callbacks.user = f;
	if (!f || asprintf(&f->prefix, "%s/", config->prefix) < 0) {
		free(f);
		return err_set(err, -ENOMEM, "out of memory");
	}
	f->base.ops = &etcd_ops;
	f->loop = setup->loop;
	f->callbacks = setup->callbacks;
	f->prefix_len = strlen(f->prefix);
	f->quiet.data = f;
	code = intake_new(&intake, &f->intake);
	if (code) {
		err_set(err, code, "out of memory");
		goto fail;
	}
	code = etcd_mirror_new(setup->loop, config, &callbacks, &f->mirror, err);
	if (code)
		goto fail;
	code = etcd_mirror_add(f->mirror, f->prefix, &index);
	if (code) {
		err_set(err, code, "out of memory");
		goto fail;
	}
	uv_timer_init(setup->loop, &f->quiet);
	*ret_feed = &f->base;
	return 0;
fail:
	etcd_mirror_close(f->mirror);
	if (f->intake)
		intake_close(f->intake);
	free(f->prefix);
	free(f);
	return code;
}
