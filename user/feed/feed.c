/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which transport a source is read by, and one reading without a loop of the caller's. */
#include <errno.h>
#include <stdio.h>

#include "core/defs.h"
#include "feed/feed_ops.h"

int feed_new(uv_loop_t *loop, const struct config_source *source, const char *name, uint16_t id,
	     const struct feed_callbacks *callbacks, struct feed **ret_feed, struct err *err)
{
	struct feed_setup setup = {
		.loop = loop, .source = source, .cluster = name, .id = id, .callbacks = *callbacks,
	};

	switch (source->kind) {
	case CONFIG_SOURCE_DIR:
		return feed_dir_new(loop, source->dir, callbacks, ret_feed, err);
	case CONFIG_SOURCE_ETCD:
		return feed_etcd_new(&setup, ret_feed, err);
	case CONFIG_SOURCE_KUBERNETES:
		return feed_kubernetes_new(&setup, ret_feed, err);
	case CONFIG_SOURCE_CILIUM:
		return feed_cilium_new(&setup, ret_feed, err);
	}
	return err_set(err, -EINVAL, "no such transport");
}

void feed_poke(struct feed *feed)
{
	feed->ops->poke(feed);
}

void feed_close(struct feed *feed)
{
	if (feed)
		feed->ops->close(feed);
}

char *feed_origin(const struct config_source *source)
{
	char *text = NULL;
	int len = -1;

	switch (source->kind) {
	case CONFIG_SOURCE_DIR:
		len = asprintf(&text, "dir %s", source->dir);
		break;
	case CONFIG_SOURCE_ETCD:
		len = asprintf(&text, "etcd %s%s", source->etcd.endpoints[0], source->etcd.prefix);
		break;
	case CONFIG_SOURCE_KUBERNETES:
		if (!source->kubeconfig)
			len = asprintf(&text, "kubernetes by the pod's service account");
		else
			len = asprintf(&text, "kubernetes %s%s%s", source->kubeconfig,
				       source->context ? " context " : "",
				       source->context ? source->context : "");
		break;
	case CONFIG_SOURCE_CILIUM:
		len = asprintf(&text, "cilium %s", source->cilium);
		break;
	}
	return len < 0 ? NULL : text;
}

struct reading {
	struct feed *feed;
	uv_timer_t timer;
	struct snapshot *snapshot;
	struct err last;
};

static void stop(struct reading *reading)
{
	uv_close((uv_handle_t *)&reading->timer, NULL);
	feed_close(take(reading->feed));
}

static void on_snapshot(void *user, struct snapshot *snapshot)
{
	struct reading *reading = user;

	reading->snapshot = snapshot;
	stop(reading);
}

static void on_error(void *user, const struct err *err)
{
	struct reading *reading = user;

	reading->last = *err;
}

static void on_unchanged(void *user)
{
}

static void on_timeout(uv_timer_t *timer)
{
	stop(timer->data);
}

int feed_read(const struct config_source *source, const char *name, uint16_t id,
	      uint64_t timeout_ms, struct snapshot **ret_snapshot, struct err *err)
{
	struct reading reading = { .last = { .code = -ETIMEDOUT, .text = "nothing was heard of it" } };
	struct feed_callbacks callbacks = { .snapshot = on_snapshot, .error = on_error,
					    .unchanged = on_unchanged, .user = &reading };
	uv_loop_t loop;
	int rc;

	if (source->kind == CONFIG_SOURCE_DIR)
		return feed_dir_read(source->dir, ret_snapshot, err);
	rc = uv_loop_init(&loop);
	if (rc)
		return err_set(err, rc, "no event loop: %s", uv_strerror(rc));
	uv_timer_init(&loop, &reading.timer);
	reading.timer.data = &reading;
	uv_timer_start(&reading.timer, on_timeout, timeout_ms, 0);
	rc = feed_new(&loop, source, name, id, &callbacks, &reading.feed, err);
	if (rc)
		uv_close((uv_handle_t *)&reading.timer, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
	if (rc)
		return rc;
	if (!reading.snapshot)
		return err_set(err, reading.last.code, "no complete answer within %llu s: %s",
			       (unsigned long long)timeout_ms / 1000, reading.last.text);
	*ret_snapshot = reading.snapshot;
	return 0;
}
