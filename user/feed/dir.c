/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The dir feed: when to read. Changes are waited out (debounced), the reading runs in the worker
 * pool, one at a time; while it runs the worker owns the watches and the loop leaves them alone,
 * so that what is changed meanwhile waits in the inotify queue for the next round. Not for: how
 * it is read (feed/read.c).
 */
#include "feed/feed_ops.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/defs.h"
#include "feed/read.h"
#include "feed/watches.h"

#define QUIET_MS 200
#define QUIET_MAX_MS 800
#define RETRY_MS 100
#define RESCAN_MS 30000
/* For so long a tree may change, or git be at work, before it is told as an error. */
#define CHANGING_MAX_MS 2000
#define BUSY_MAX_MS 5000

struct dir_feed {
	struct feed base;
	uv_loop_t *loop;
	char *path;
	struct feed_callbacks callbacks;
	struct watches *watches;
	uv_poll_t poll;
	uv_timer_t quiet, rescan;
	uv_work_t work;
	unsigned int open_handles;
	bool working, closing;
	bool again;           /* poked while working */
	uint64_t pending_ms;  /* loop time of the first change not read yet, 0 = none */
	uint64_t pending_ns;  /* the same moment by CLOCK_MONOTONIC */
	uint64_t seen_ns;     /* of the oldest change that is not told yet, 0 = none or unknown */
	uint64_t waiting_ms;  /* loop time since when it could not be read for being changed */

	bool has_last;
	struct read_state last; /* of the last good reading */
	char said[ERR_TEXT_MAX]; /* the last error told, "" after a good reading */

	/* Of the reading under way; the worker's while working. */
	bool by_stamp;
	struct read_state state;
	struct snapshot *snapshot;
	struct err err;
	int rc;
};

static void start(struct dir_feed *feed, bool by_stamp);

/* ---- the end -------------------------------------------------------------------------------- */

static void release(struct dir_feed *feed)
{
	if (feed->open_handles || feed->working)
		return;
	watches_free(feed->watches);
	snapshot_free(feed->snapshot);
	free(feed->path);
	free(feed);
}

static void on_closed(uv_handle_t *handle)
{
	struct dir_feed *feed = handle->data;

	feed->open_handles--;
	release(feed);
}

static void dir_close(struct feed *base)
{
	struct dir_feed *feed = container_of(base, struct dir_feed, base);

	feed->closing = true;
	uv_close((uv_handle_t *)&feed->poll, on_closed);
	uv_close((uv_handle_t *)&feed->quiet, on_closed);
	uv_close((uv_handle_t *)&feed->rescan, on_closed);
	/* If it runs already it ends by itself; either way its callback comes. */
	if (feed->working)
		uv_cancel((uv_req_t *)&feed->work);
}

/* ---- waiting -------------------------------------------------------------------------------- */

static void on_quiet(uv_timer_t *timer)
{
	struct dir_feed *feed = timer->data;

	start(feed, false);
}

static void wait_quiet(struct dir_feed *feed)
{
	uint64_t now = uv_now(feed->loop), end;

	if (!feed->pending_ms) {
		feed->pending_ms = now;
		feed->pending_ns = uv_hrtime();
	}
	end = MIN(now + QUIET_MS, feed->pending_ms + QUIET_MAX_MS);
	uv_timer_start(&feed->quiet, on_quiet, end > now ? end - now : 0, 0);
}

static void on_events(uv_poll_t *poll, int status, int events)
{
	struct dir_feed *feed = poll->data;

	switch (watches_drain(feed->watches)) {
	case WATCHES_NOTHING:
		break;
	case WATCHES_GROWING:
		/* Its close will come; by itself it is no reason to read half a file. */
		if (feed->pending_ms)
			wait_quiet(feed);
		break;
	case WATCHES_CHANGED:
		wait_quiet(feed);
		break;
	}
}

static void on_rescan(uv_timer_t *timer)
{
	struct dir_feed *feed = timer->data;

	if (!feed->working && !uv_is_active((uv_handle_t *)&feed->quiet))
		start(feed, true);
}

/* ---- reading -------------------------------------------------------------------------------- */

static void do_read(uv_work_t *work)
{
	struct dir_feed *feed = work->data;

	feed->rc = read_dir(feed->path, feed->watches, feed->has_last ? &feed->last : NULL,
			    feed->by_stamp, &feed->state, &feed->snapshot, &feed->err);
}

static void tell_good(struct dir_feed *feed)
{
	feed->waiting_ms = 0;
	feed->said[0] = '\0';
	if (feed->snapshot)
		feed->snapshot->seen_ns = feed->has_last ? feed->seen_ns : 0;
	feed->seen_ns = 0;
	feed->last = feed->state;
	feed->has_last = true;
	if (feed->snapshot)
		feed->callbacks.snapshot(feed->callbacks.user, take(feed->snapshot));
	else
		feed->callbacks.unchanged(feed->callbacks.user);
}

static void tell_error(struct dir_feed *feed)
{
	if (!strcmp(feed->said, feed->err.text))
		return;
	snprintf(feed->said, sizeof(feed->said), "%s", feed->err.text);
	feed->callbacks.error(feed->callbacks.user, &feed->err);
}

/* What is being changed is read again soon, and told only if that does not end. */
static void read_later(struct dir_feed *feed)
{
	uint64_t now = uv_now(feed->loop);
	uint64_t max = feed->rc == -EBUSY ? BUSY_MAX_MS : CHANGING_MAX_MS;

	if (!feed->waiting_ms)
		feed->waiting_ms = now;
	uv_timer_start(&feed->quiet, on_quiet, RETRY_MS, 0);
	if (now - feed->waiting_ms >= max)
		tell_error(feed);
}

static void on_read(uv_work_t *work, int status)
{
	struct dir_feed *feed = work->data;

	feed->working = false;
	if (feed->closing) {
		release(feed);
		return;
	}
	uv_poll_start(&feed->poll, UV_READABLE, on_events);
	if (feed->rc == -EAGAIN || feed->rc == -EBUSY) {
		read_later(feed);
	} else if (feed->rc) {
		feed->waiting_ms = 0;
		feed->seen_ns = 0;
		tell_error(feed);
	} else {
		tell_good(feed);
	}
	/* The callback may have closed or poked it. */
	if (feed->again && !feed->closing && !feed->working)
		start(feed, false);
}

static void start(struct dir_feed *feed, bool by_stamp)
{
	if (feed->working) {
		feed->again = true;
		return;
	}
	feed->again = false;
	/* Without an event (a rescan, a signal) it is seen by reading it. */
	if (!feed->seen_ns)
		feed->seen_ns = feed->pending_ns ? feed->pending_ns : uv_hrtime();
	feed->pending_ms = feed->pending_ns = 0;
	feed->by_stamp = by_stamp;
	uv_timer_stop(&feed->quiet);
	uv_poll_stop(&feed->poll);
	feed->working = !uv_queue_work(feed->loop, &feed->work, do_read, on_read);
}

static void dir_poke(struct feed *base)
{
	struct dir_feed *feed = container_of(base, struct dir_feed, base);

	start(feed, false);
}

static const struct feed_ops dir_ops = { .poke = dir_poke, .close = dir_close };

int feed_dir_new(uv_loop_t *loop, const char *path, const struct feed_callbacks *callbacks,
		 struct feed **ret_feed, struct err *err)
{
	struct dir_feed *feed = calloc(1, sizeof(*feed));
	int rc;

	if (feed)
		feed->path = read_absolute(path);
	if (!feed || !feed->path) {
		free(feed);
		return err_set(err, -ENOMEM, "%s: no memory, or no working directory", path);
	}
	rc = watches_new(&feed->watches);
	if (rc) {
		err_set(err, rc, "%s: cannot be watched: %s%s", path, strerror(-rc),
			rc == -EMFILE ? "; raise fs.inotify.max_user_instances" : "");
		goto fail;
	}
	rc = uv_poll_init(loop, &feed->poll, watches_fd(feed->watches));
	if (rc) {
		err_set(err, rc, "%s: cannot be watched: %s", path, uv_strerror(rc));
		goto fail;
	}
	uv_timer_init(loop, &feed->quiet);
	uv_timer_init(loop, &feed->rescan);
	feed->open_handles = 3;
	feed->base.ops = &dir_ops;
	feed->loop = loop;
	feed->callbacks = *callbacks;
	feed->poll.data = feed->quiet.data = feed->rescan.data = feed->work.data = feed;
	uv_timer_start(&feed->rescan, on_rescan, RESCAN_MS, RESCAN_MS);
	start(feed, false);
	*ret_feed = &feed->base;
	return 0;
fail:
	watches_free(feed->watches);
	free(feed->path);
	free(feed);
	return rc;
}
