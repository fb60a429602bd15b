/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The answer to a watch (or WatchList), cut into events as its bytes come in: one JSON object after
 * the other, as long as the connection lasts. At most one event is held. Pure. Not for: what the
 * objects mean, or what to do about an event (feed/kube_reflector.h).
 */
#ifndef XMESH_FEED_KUBE_STREAM_H
#define XMESH_FEED_KUBE_STREAM_H

#include "core/err.h"
#include "feed/kube_json.h"

/*
 * Of one object so much is kept; of a larger one the rest is left out, and its text is longer than
 * INTAKE_MAX_VALUE, by which the intake refuses and names it. (etcd takes 1.5 MB at most.)
 */
#define KUBE_MAX_OBJECT (4u * 1024 * 1024 + 4096)
#define KUBE_MAX_VERSION 127

enum kube_event_type { KUBE_ADDED, KUBE_MODIFIED, KUBE_DELETED, KUBE_BOOKMARK, KUBE_ERROR };

/* All texts are valid during the call only. */
struct kube_event {
	enum kube_event_type type;
	struct kube_span name, space, version; /* metadata; space: none of what has no namespace */
	bool initial_end;                      /* the bookmark behind the last object of a WatchList */
	struct kube_span object;
};

typedef void (*kube_event_fn)(void *user, const struct kube_event *event);

struct kube_stream {
	struct kube_text text;
	struct kube_depth depth;
	kube_event_fn each;
	void *user;
};

void kube_stream_init(struct kube_stream *stream, kube_event_fn each, void *user);
void kube_stream_done(struct kube_stream *stream);
/* -EPROTO: what came is no watch; the stream is good for kube_stream_done() only. -ENOMEM. */
int kube_stream_push(struct kube_stream *stream, const char *data, size_t len, struct err *err);
/* In the middle of an event: if nothing more comes, it was cut. */
bool kube_stream_is_open(const struct kube_stream *stream);

/* Fill the parts of @event that its object tells; shared with feed/kube_list.c. */
void kube_event_read(struct kube_event *event, struct kube_span object);

#endif
