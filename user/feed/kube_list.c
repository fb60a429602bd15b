/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * All that is not an item is collected beside the items, so that what remains at the end is a small
 * JSON text of its own, {"kind":"NodeList","metadata":{...},"items":[]}, which core/doc.h reads.
 */
#include "feed/kube_list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/defs.h"
#include "core/doc.h"

int kube_list_init(struct kube_list *list, const char *kind, const char *api_version,
		   kube_event_fn each, void *user)
{
	*list = (struct kube_list){
		.item.limit = KUBE_MAX_OBJECT,
		.envelope.limit = KUBE_MAX_ENVELOPE,
		.each = each,
		.user = user,
	};
	if (asprintf(&list->prefix, "{\"kind\":\"%s\",\"apiVersion\":\"%s\",", kind,
		     api_version) < 0) {
		list->prefix = NULL;
		return -ENOMEM;
	}
	return 0;
}

void kube_list_done(struct kube_list *list)
{
	kube_text_free(&list->item);
	kube_text_free(&list->envelope);
	free(take(list->prefix));
}

/* The '[' that comes now begins the items. */
static bool items_begin(const struct kube_list *list)
{
	const char *text = list->envelope.text;
	size_t n = list->envelope.len;

	while (n && kube_is_space(text[n - 1]))
		n--;
	if (!n || text[n - 1] != ':')
		return false;
	n--;
	while (n && kube_is_space(text[n - 1]))
		n--;
	return n >= 7 && !memcmp(text + n - 7, "\"items\"", 7);
}

/* The item's text stands behind the prefix, whose ',' takes the place of its '{'. */
static void emit(struct kube_list *list)
{
	size_t brace = strlen(list->prefix) - 1;
	struct kube_event event = { .type = KUBE_ADDED };
	struct kube_span item, all = { list->item.text, list->item.len };

	list->item.text[brace] = '{';
	item = (struct kube_span){ all.text + brace, all.len - brace };
	if (kube_get(item, "kind").text) {
		kube_event_read(&event, item);
	} else {
		list->item.text[brace] = ',';
		kube_event_read(&event, all);
	}
	list->each(list->user, &event);
	kube_text_clear(&list->item);
}

static int begin_item(struct kube_list *list)
{
	return kube_text_add(&list->item, list->prefix, strlen(list->prefix));
}

static int not_a_list(struct err *err)
{
	return err_set(err, -EPROTO, "what the server sends is not a list of objects");
}

int kube_list_push(struct kube_list *list, const char *data, size_t len, struct err *err)
{
	struct kube_depth *depth = &list->depth;
	size_t start = 0; /* of what was not added yet to the item under way */
	int rc = 0;

	for (size_t i = 0; !rc && i < len; i++) {
		char c = data[i];

		if (list->in_items && depth->depth > 2) {
			kube_depth_step(depth, c);
			if (depth->depth > 2)
				continue;
			rc = kube_text_add(&list->item, data + start, i + 1 - start);
			if (!rc)
				emit(list);
			continue;
		}
		if (list->in_items && depth->depth == 2 && c != ']') {
			if (kube_is_space(c) || c == ',')
				continue;
			if (c != '{')
				return not_a_list(err);
			kube_depth_step(depth, c);
			start = i + 1;
			rc = begin_item(list);
			continue;
		}
		if (!list->began && kube_is_space(c))
			continue;
		if ((!list->began && c != '{') || (list->over && !kube_is_space(c)))
			return not_a_list(err);
		list->began = true;
		if (!depth->in_string && depth->depth == 1 && c == '[')
			list->in_items = items_begin(list);
		kube_depth_step(depth, c);
		if (depth->depth < 2 && !depth->in_string)
			list->in_items = false;
		list->over = !depth->depth;
		rc = kube_text_add(&list->envelope, &c, 1);
		if (!rc && list->envelope.cut)
			return not_a_list(err);
	}
	if (!rc && list->in_items && depth->depth > 2)
		rc = kube_text_add(&list->item, data + start, len - start);
	return rc ? err_set(err, rc, "out of memory") : 0;
}

int kube_list_end(struct kube_list *list, char **ret_version, char **ret_continue,
		  struct err *err)
{
	auto_free char *version = NULL, *token = NULL;
	const struct doc *metadata;
	struct doc_set *set = NULL;
	const char *text;
	int rc;

	if (!list->over)
		return err_set(err, -EPROTO, "a list of objects ended before its end");
	rc = doc_parse(list->envelope.text, list->envelope.len, "list", &set, err);
	if (rc == -ENOMEM)
		return rc;
	if (rc || set->n != 1) {
		doc_set_free(set);
		return not_a_list(err);
	}
	metadata = doc_get(set->docs[0], "metadata");
	text = doc_text(doc_get(metadata, "resourceVersion"));
	version = text && *text && strlen(text) <= KUBE_MAX_VERSION ? strdup(text) : NULL;
	rc = version ? 0 : err_set(err, -EPROTO, "a list of objects has no resourceVersion");
	text = doc_text(doc_get(metadata, "continue"));
	token = strdup(text ? text : "");
	doc_set_free(set);
	if (rc)
		return rc;
	if (!token)
		return err_set(err, -ENOMEM, "out of memory");
	*ret_version = take(version);
	*ret_continue = take(token);
	return 0;
}
