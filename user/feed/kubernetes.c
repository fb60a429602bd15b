/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kubernetes feed: a reflector per resource, all into one intake, whose keys are
 * "endpointslices/shop/cart-x7k2v". A snapshot is made when each resource has been listed once, or is
 * known to be absent; while one of them fails, the feed fails, whatever the others say. Not for: the
 * protocol (feed/kube_reflector.h).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/defs.h"
#include "core/log.h"
#include "feed/feed_ops.h"
#include "feed/intake.h"
#include "feed/kube_reflector.h"

struct part {
	struct kube_feed *feed;
	const struct kube_resource *resource;
	struct kube_reflector *reflector;
	char prefix[32];   /* "endpointslices/" */
	bool known;        /* listed once, or absent */
	bool failing;
	struct err said;   /* the error that stands, while failing */
};

struct kube_feed {
	struct feed base;
	struct feed_callbacks callbacks;
	struct intake *intake;
	char *cluster;
	struct part parts[KUBE_RESOURCES];
	char said[ERR_TEXT_MAX]; /* the last error told since the last good word */
	char revision[72];       /* as snapshots show it, "" = none yet */
	bool warned;
	bool telling, closed;    /* closed in a callback: goes when that returns */
};

static void release(struct kube_feed *feed)
{
	free(feed->cluster);
	free(feed);
}

/* ---- towards the feed's owner --------------------------------------------------------------- */

static const struct part *failing_part(const struct kube_feed *feed)
{
	for (size_t i = 0; i < KUBE_RESOURCES; i++)
		if (feed->parts[i].failing)
			return &feed->parts[i];
	return NULL;
}

static void tell_error(struct kube_feed *feed, const struct err *err)
{
	if (!strcmp(feed->said, err->text))
		return;
	snprintf(feed->said, sizeof(feed->said), "%s", err->text);
	feed->callbacks.error(feed->callbacks.user, err);
}

static void on_snapshot(void *user, struct snapshot *snapshot)
{
	struct kube_feed *feed = user;
	const struct part *failing = failing_part(feed);
	struct err err;

	feed->said[0] = '\0';
	if (failing)
		err = failing->said;
	feed->telling = true;
	feed->callbacks.snapshot(feed->callbacks.user, snapshot);
	feed->telling = false;
	/* What came of the others is good, but the whole is not as fresh as that. */
	if (feed->closed)
		release(feed);
	else if (failing)
		tell_error(feed, &err);
}

static void on_unchanged(void *user)
{
	struct kube_feed *feed = user;

	if (failing_part(feed))
		return;
	feed->said[0] = '\0';
	feed->callbacks.unchanged(feed->callbacks.user);
}

static void on_ready(void *user)
{
	struct kube_feed *feed = user;

	for (size_t i = 0; i < KUBE_RESOURCES; i++)
		kube_reflector_resume(feed->parts[i].reflector);
}

/* ---- from the reflectors -------------------------------------------------------------------- */

static void on_list(void *user)
{
	struct part *part = user;

	intake_list_begin(part->feed->intake, part->prefix);
}

static bool on_put(void *user, const struct kube_event *event, uint64_t seen_ns)
{
	struct part *part = user;
	auto_free char *key = kube_resource_key(part->resource, event->space, event->name);

	/* As the intake does: a value that is lost would never be missed. */
	if (!key)
		abort();
	return intake_put(part->feed->intake, key, strlen(key), event->object.text,
			  event->object.len, seen_ns);
}

static bool on_erase(void *user, const struct kube_event *event, uint64_t seen_ns)
{
	struct part *part = user;
	auto_free char *key = kube_resource_key(part->resource, event->space, event->name);

	if (!key)
		abort();
	return intake_delete(part->feed->intake, key, strlen(key), seen_ns);
}

static void on_listed(void *user)
{
	struct part *part = user;

	intake_list_end(part->feed->intake, part->prefix);
}

static void on_aborted(void *user)
{
	struct part *part = user;

	intake_list_abort(part->feed->intake, part->prefix);
}

static void on_current(void *user, const char *version)
{
	struct part *part = user;
	struct kube_feed *feed = part->feed;
	part->known = true;
	if (part->failing) {
		part->failing = false;
		for (size_t i = 0; i < KUBE_RESOURCES; i++)
			if (feed->parts[i].failing)
				kube_reflector_hurry(feed->parts[i].reflector);
	}
	/* The last one told: they are opaque, so which of two is the newer cannot be known. */
	if (*version)
		snprintf(feed->revision, sizeof(feed->revision), "rv:%.60s", version);
	for (size_t i = 0; i < KUBE_RESOURCES; i++)
		if (!feed->parts[i].known)
			return;
	intake_complete(feed->intake, feed->revision);
}

static void on_error(void *user, const struct err *err)
{
	struct part *part = user;

	part->failing = true;
	part->said = *err;
	tell_error(part->feed, err);
}

static void on_warn(void *user, const char *sentence)
{
	struct part *part = user;

	if (part->feed->warned)
		return;
	part->feed->warned = true;
	log_warn("%s: %s", part->feed->cluster, sentence);
}

/* ---- life ----------------------------------------------------------------------------------- */

static void kube_poke(struct feed *base)
{
	struct kube_feed *feed = container_of(base, struct kube_feed, base);

	for (size_t i = 0; i < KUBE_RESOURCES; i++)
		kube_reflector_poke(feed->parts[i].reflector);
}

static void kube_close(struct feed *base)
{
	struct kube_feed *feed = container_of(base, struct kube_feed, base);

	for (size_t i = 0; i < KUBE_RESOURCES; i++)
		kube_reflector_close(feed->parts[i].reflector);
	if (feed->intake)
		intake_close(feed->intake);
	feed->closed = true;
	if (!feed->telling)
		release(feed);
}

static const struct feed_ops kube_ops = { .poke = kube_poke, .close = kube_close };

static int begin_part(struct kube_feed *feed, size_t i, const struct feed_setup *setup)
{
	struct part *part = &feed->parts[i];
	struct kube_reflector_setup reflector = {
		.loop = setup->loop,
		.resource = &kube_resources[i],
		.kubeconfig = setup->source->kubeconfig,
		.context = setup->source->context,
		.callbacks = {
			.list = on_list, .put = on_put, .erase = on_erase, .listed = on_listed,
			.aborted = on_aborted, .current = on_current, .error = on_error,
			.warn = on_warn, .user = part,
		},
	};

	part->feed = feed;
	part->resource = reflector.resource;
	snprintf(part->prefix, sizeof(part->prefix), "%s/", part->resource->name);
	return kube_reflector_new(&reflector, &part->reflector);
}

int feed_kubernetes_new(const struct feed_setup *setup, struct feed **ret_feed, struct err *err)
{
	struct kube_feed *feed = calloc(1, sizeof(*feed));
	struct intake_setup intake = {
		.loop = setup->loop,
		.callbacks = { .snapshot = on_snapshot, .unchanged = on_unchanged, .user = feed },
		.decode = store_decode_object,
		.ready = on_ready,
		.user = feed,
	};
	int rc = -ENOMEM;

	if (!feed)
		return err_set(err, rc, "out of memory");
	feed->base.ops = &kube_ops;
	feed->callbacks = setup->callbacks;
	feed->cluster = strdup(setup->cluster);
	if (feed->cluster)
		rc = intake_new(&intake, &feed->intake);
	for (size_t i = 0; !rc && i < KUBE_RESOURCES; i++)
		rc = begin_part(feed, i, setup);
	if (rc) {
		kube_close(&feed->base);
		return err_set(err, rc, "%s: no memory for its feed", setup->cluster);
	}
	*ret_feed = &feed->base;
	return 0;
}
