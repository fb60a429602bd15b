/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Just enough of JSON to cut a stream of objects apart and to see which object it is, at the speed of
 * a scan: whether the text is strict JSON is found out by who decodes it (core/doc.h). Pure.
 */
#ifndef XMESH_FEED_KUBE_JSON_H
#define XMESH_FEED_KUBE_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"

struct kube_span {
	const char *text; /* NULL = none */
	size_t len;
};

/* Where a text stands after some of its bytes. */
struct kube_depth {
	size_t depth; /* objects and lists that are open */
	bool in_string, escaped;
};

static inline void kube_depth_step(struct kube_depth *d, char c)
{
	if (d->in_string) {
		if (d->escaped)
			d->escaped = false;
		else if (c == '\\')
			d->escaped = true;
		else if (c == '"')
			d->in_string = false;
	} else if (c == '"') {
		d->in_string = true;
	} else if (c == '{' || c == '[') {
		d->depth++;
	} else if ((c == '}' || c == ']') && d->depth) {
		d->depth--;
	}
}

static inline bool kube_is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool kube_span_is(struct kube_span span, const char *text);
/* To walk the members of an object: *rest begins as kube_members(object). False at the end. */
struct kube_span kube_members(struct kube_span object);
bool kube_member(struct kube_span *rest, struct kube_span *ret_key, struct kube_span *ret_value);
/* The value of the first member @key. */
struct kube_span kube_get(struct kube_span object, const char *key);
/* What stands between the quotes of a string without escapes; none for everything else. */
struct kube_span kube_string(struct kube_span value);

/* Bytes that are collected, up to a limit; what is more is left out and *cut says so. */
struct kube_text {
	char *text;
	size_t len, room, limit;
	bool cut;
};

int kube_text_add(struct kube_text *text, const char *data, size_t len); /* -ENOMEM */
void kube_text_clear(struct kube_text *text); /* gives back what an unusually large one took */
void kube_text_free(struct kube_text *text);

#endif
