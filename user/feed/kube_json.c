/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Members of a JSON object in a text that may be cut short or hostile: never behind its end. */
#include "feed/kube_json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/defs.h"

#define TEXT_FIRST 4096
#define TEXT_KEPT (256u * 1024)

bool kube_span_is(struct kube_span span, const char *text)
{
	return span.text && span.len == strlen(text) && !memcmp(span.text, text, span.len);
}

static void skip(struct kube_span *rest, size_t n)
{
	rest->text += n;
	rest->len -= n;
}

static void skip_space(struct kube_span *rest, char separator)
{
	size_t n = 0;

	while (n < rest->len && (kube_is_space(rest->text[n]) || rest->text[n] == separator))
		n++;
	skip(rest, n);
}

/* A string, object or list with its ends, or a scalar up to what cannot be of it. */
static struct kube_span take_value(struct kube_span *rest)
{
	struct kube_span value = { rest->text, 0 };
	struct kube_depth depth = {};
	size_t n = 0;
	char c;

	while (n < rest->len) {
		c = rest->text[n];
		if (!depth.depth && !depth.in_string && (c == ',' || c == '}' || c == ']'))
			break;
		kube_depth_step(&depth, c);
		n++;
		if (!depth.depth && !depth.in_string && (c == '"' || c == '}' || c == ']'))
			break;
	}
	value.len = n;
	skip(rest, n);
	while (value.len && kube_is_space(value.text[value.len - 1]))
		value.len--;
	return value;
}

struct kube_span kube_members(struct kube_span object)
{
	struct kube_span none = {};

	if (!object.text || !object.len || object.text[0] != '{')
		return none;
	skip(&object, 1);
	return object;
}

struct kube_span kube_string(struct kube_span value)
{
	struct kube_span none = {};

	if (!value.text || value.len < 2 || value.text[0] != '"' ||
	    value.text[value.len - 1] != '"' || memchr(value.text, '\\', value.len))
		return none;
	value.text++;
	value.len -= 2;
	return value;
}

bool kube_member(struct kube_span *rest, struct kube_span *ret_key, struct kube_span *ret_value)
{
	struct kube_span key;

	if (!rest->text)
		return false;
	skip_space(rest, ',');
	if (!rest->len || rest->text[0] != '"')
		return false;
	key = take_value(rest);
	skip_space(rest, ' ');
	if (!rest->len || rest->text[0] != ':')
		return false;
	skip(rest, 1);
	skip_space(rest, ' ');
	*ret_key = kube_string(key);
	*ret_value = take_value(rest);
	return true;
}

struct kube_span kube_get(struct kube_span object, const char *key)
{
	struct kube_span rest = kube_members(object), name, value, none = {};

	while (kube_member(&rest, &name, &value))
		if (kube_span_is(name, key))
			return value;
	return none;
}

int kube_text_add(struct kube_text *text, const char *data, size_t len)
{
	size_t need, room;
	char *more;

	if (len > text->limit - text->len) {
		len = text->limit - text->len;
		text->cut = true;
	}
	need = text->len + len + 1;
	if (need > text->room) {
		room = MIN(MAX(MAX(text->room * 2, need), (size_t)TEXT_FIRST), text->limit + 1);
		more = realloc(text->text, room);
		if (!more)
			return -ENOMEM;
		text->text = more;
		text->room = room;
	}
	memcpy(text->text + text->len, data, len);
	text->len += len;
	text->text[text->len] = '\0';
	return 0;
}

void kube_text_clear(struct kube_text *text)
{
	text->len = 0;
	text->cut = false;
	if (text->room > TEXT_KEPT) {
		free(take(text->text));
		text->room = 0;
	}
}

void kube_text_free(struct kube_text *text)
{
	free(take(text->text));
	text->len = text->room = 0;
}
