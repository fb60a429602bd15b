/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Events are cut by counting braces, not at line ends: that every event is one line is how servers
 * write today, not what the API promises.
 */
#include "feed/kube_stream.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/defs.h"

#define INITIAL_END "k8s.io/initial-events-end"

void kube_stream_init(struct kube_stream *stream, kube_event_fn each, void *user)
{
	*stream = (struct kube_stream){ .text.limit = KUBE_MAX_OBJECT, .each = each, .user = user };
}

void kube_stream_done(struct kube_stream *stream)
{
	kube_text_free(&stream->text);
}

bool kube_stream_is_open(const struct kube_stream *stream)
{
	return stream->depth.depth != 0;
}

void kube_event_read(struct kube_event *event, struct kube_span object)
{
	struct kube_span rest, key, value, annotations = {};

	event->object = object;
	rest = kube_members(kube_get(object, "metadata"));
	while (kube_member(&rest, &key, &value)) {
		if (kube_span_is(key, "name"))
			event->name = kube_string(value);
		else if (kube_span_is(key, "namespace"))
			event->space = kube_string(value);
		else if (kube_span_is(key, "resourceVersion"))
			event->version = kube_string(value);
		else if (kube_span_is(key, "annotations"))
			annotations = value;
	}
	if (event->type == KUBE_BOOKMARK)
		event->initial_end =
			kube_span_is(kube_string(kube_get(annotations, INITIAL_END)), "true");
}

static int read_type(struct kube_span type, enum kube_event_type *ret_type)
{
	static const char *const words[] = {
		[KUBE_ADDED] = "ADDED",	      [KUBE_MODIFIED] = "MODIFIED",
		[KUBE_DELETED] = "DELETED",   [KUBE_BOOKMARK] = "BOOKMARK",
		[KUBE_ERROR] = "ERROR",
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (kube_span_is(type, words[i])) {
			*ret_type = (enum kube_event_type)i;
			return 0;
		}
	}
	return -EPROTO;
}

static int emit(struct kube_stream *stream, struct err *err)
{
	struct kube_span all = { stream->text.text, stream->text.len };
	struct kube_span object = kube_get(all, "object");
	struct kube_event event = {};

	if (read_type(kube_string(kube_get(all, "type")), &event.type))
		return err_set(err, -EPROTO, "an event of a watch has no known type");
	if (!object.text || !object.len || object.text[0] != '{')
		return err_set(err, -EPROTO, "an event of a watch has no object");
	kube_event_read(&event, object);
	stream->each(stream->user, &event);
	kube_text_clear(&stream->text);
	return 0;
}

int kube_stream_push(struct kube_stream *stream, const char *data, size_t len, struct err *err)
{
	struct kube_depth *depth = &stream->depth;
	size_t start = 0;
	int rc = 0;

	for (size_t i = 0; i < len; i++) {
		if (!depth->depth) {
			if (kube_is_space(data[i])) {
				start = i + 1;
				continue;
			}
			if (data[i] != '{')
				return err_set(err, -EPROTO,
					       "what the server sends is not the events of a watch");
		}
		kube_depth_step(depth, data[i]);
		if (depth->depth)
			continue;
		rc = kube_text_add(&stream->text, data + start, i + 1 - start);
		if (!rc)
			rc = emit(stream, err);
		if (rc)
			return rc == -ENOMEM ? err_set(err, rc, "out of memory") : rc;
		start = i + 1;
	}
	if (depth->depth)
		rc = kube_text_add(&stream->text, data + start, len - start);
	return rc ? err_set(err, rc, "out of memory") : 0;
}
