/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A document's tree into objects: Lists unfolded, kinds told apart, names checked. What an object of a
 * kind must look like is in decode_node.c, decode_service.c and decode_slice.c.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/defs.h"
#include "core/text.h"
#include "feed/decode_object.h"

static const struct {
	const char *api, *kind;
	enum piece_kind is;
	bool spaced;
} kinds[] = {
	{ "v1", "Node", PIECE_NODE, false },
	{ "v1", "Service", PIECE_SERVICE, true },
	{ "discovery.k8s.io/v1", "EndpointSlice", PIECE_SLICE, true },
	{ "multicluster.x-k8s.io/v1alpha1", "ServiceExport", PIECE_EXPORT, true },
	{ "multicluster.x-k8s.io/v1beta1", "ServiceExport", PIECE_EXPORT, true },
	{ "multicluster.x-k8s.io/v1alpha1", "ServiceImport", PIECE_IMPORT, true },
	{ "multicluster.x-k8s.io/v1beta1", "ServiceImport", PIECE_IMPORT, true },
};

struct walk {
	decode_walk_fn object;
	void *user;
};

/* Where the walk is: what the items of a typed List inherit, and how to name a place. */
struct place {
	const char *file, *api, *kind; /* api, kind: NULL outside of a typed List */
	size_t item;
	bool in_list;
};

static const char *where(const struct place *p, const struct doc *doc, char buf[DECODE_WHERE_MAX])
{
	/* The end of a long path tells more than its beginning. */
	size_t len = strlen(p->file), max = XM_NAME_LEN - 32;
	const char *file = len > max ? p->file + len - max : p->file;

	if (doc->line && len)
		snprintf(buf, DECODE_WHERE_MAX, "%s:%u", file, doc->line);
	else if (p->in_list)
		snprintf(buf, DECODE_WHERE_MAX, "%s%sitems[%zu]", file, len ? " " : "", p->item);
	else
		snprintf(buf, DECODE_WHERE_MAX, "%s", file);
	return buf;
}

/* -EINVAL with the sentence behind the place, if there is one. */
static int place_error(const char *at, struct err *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static int place_error(const char *at, struct err *err, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(err, -EINVAL, "%s%s%s", at, *at ? ": " : "", text);
}

static int check_map(const struct object *o, const struct doc *meta, const char *key,
		     const struct doc **ret_map, struct err *err)
{
	const struct doc *map = doc_get(meta, key);

	if (doc_is_null(map))
		map = NULL;
	else if (map->type != DOC_MAP)
		return object_error(o, -EINVAL, err, "metadata.%s is not a map", key);
	*ret_map = map;
	return 0;
}

static int name_object(struct object *o, bool spaced, struct err *err)
{
	const struct doc *meta = doc_get(o->doc, "metadata");
	const struct doc *space = doc_get(meta, "namespace");
	int rc;

	o->name = doc_text(doc_get(meta, "name"));
	if (!o->name)
		return place_error(o->where, err, "a %s without metadata.name", o->kind);
	if (!text_is_dns1123(o->name, XM_NAME_LEN - 3, 1))
		return place_error(o->where, err,
				   "\"%.64s\" is no name for a %s: use a-z, 0-9, - and dots", o->name,
				   o->kind);
	if (spaced) {
		/* As kubectl apply has it. */
		o->space = doc_is_null(space) ? "default" : doc_text(space);
		if (!o->space || !text_is_dns1123(o->space, 63, 0))
			return place_error(o->where, err,
					   "%s %s: metadata.namespace is not a DNS label", o->kind,
					   o->name);
	}
	rc = check_map(o, meta, "annotations", &o->annotations, err);
	return rc ? rc : check_map(o, meta, "labels", &o->labels, err);
}

static int decode_kind(const struct object *o, enum piece_kind kind, struct err *err)
{
	switch (kind) {
	case PIECE_NODE:
		return decode_node(o, err);
	case PIECE_SLICE:
		return decode_slice(o, err);
	case PIECE_IMPORT:
		return decode_import(o, err);
	case PIECE_SERVICE:
		return decode_service(o, err);
	case PIECE_EXPORT:
		return decode_export(o, err);
	case PIECE_NOTHING:
	case PIECE_KINDS:
		break;
	}
	return 0;
}

static int add_object(const struct walk *w, const struct doc *doc, const struct place *place,
		      const char *api, const char *kind, struct err *err)
{
	char buf[DECODE_WHERE_MAX];
	struct object o = { .doc = doc, .kind = kind, .space = "" };
	enum piece_kind is = PIECE_NOTHING;
	bool spaced = false;
	int rc;

	o.where = where(place, doc, buf);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!strcmp(kinds[i].kind, kind) && !strcmp(kinds[i].api, api)) {
			is = kinds[i].is;
			spaced = kinds[i].spaced;
			break;
		}
	}
	if (is == PIECE_NOTHING)
		return w->object(w->user, &o, err);
	rc = name_object(&o, spaced, err);
	if (rc)
		return rc;
	o.piece = piece_new(is);
	if (!o.piece)
		return err_set(err, -ENOMEM, "out of memory");
	rc = decode_kind(&o, is, err);
	if (!rc)
		rc = w->object(w->user, &o, err);
	piece_free(o.piece);
	return rc;
}

static int add(const struct walk *w, const struct doc *doc, const struct place *place,
	       struct err *err);

/* "List" holds anything; "NodeList", as an API server answers, lends its items its kind. */
static int add_list(const struct walk *w, const struct doc *doc, const struct place *place,
		    const char *api, const char *kind, struct err *err)
{
	const struct doc *items = doc_get(doc, "items");
	size_t len = strlen(kind) - strlen("List");
	struct place inner = { .file = place->file, .in_list = true };
	auto_free char *item_kind = NULL;
	char buf[DECODE_WHERE_MAX];
	int rc;

	if (doc_is_null(items))
		return 0;
	if (items->type != DOC_LIST)
		return place_error(where(place, items, buf), err, "items of the %s is not a list", kind);
	if (len) {
		item_kind = strndup(kind, len);
		if (!item_kind)
			return err_set(err, -ENOMEM, "out of memory");
		inner.kind = item_kind;
		inner.api = api;
	}
	for (uint32_t i = 0; i < items->n; i++) {
		inner.item = i;
		rc = add(w, items->items[i], &inner, err);
		if (rc)
			return rc;
	}
	return 0;
}

static bool is_list(const struct doc *doc, const char *kind)
{
	size_t len = strlen(kind);

	/* A custom kind may be called "AllowList": it is one of ours only with items. */
	return !strcmp(kind, "List") ||
	       (len > 4 && !strcmp(kind + len - 4, "List") && doc_get(doc, "items"));
}

static int add(const struct walk *w, const struct doc *doc, const struct place *place, struct err *err)
{
	const char *kind, *api;
	char buf[DECODE_WHERE_MAX];

	if (doc->type != DOC_MAP)
		return place_error(where(place, doc, buf), err, "not a Kubernetes object: a map with "
				   "apiVersion and kind is wanted");
	kind = doc_text(doc_get(doc, "kind"));
	api = doc_text(doc_get(doc, "apiVersion"));
	if (!kind)
		kind = place->kind;
	if (!api)
		api = place->api;
	if (!kind || !*kind || !api)
		return place_error(where(place, doc, buf), err,
				   "not a Kubernetes object: it has no %s",
				   !kind || !*kind ? "kind" : "apiVersion");
	if (is_list(doc, kind))
		return add_list(w, doc, place, api, kind, err);
	return add_object(w, doc, place, api, kind, err);
}

int decode_walk(const struct doc *doc, const char *file, decode_walk_fn object, void *user,
		struct err *err)
{
	const struct walk walk = { .object = object, .user = user };
	const struct place place = { .file = file };

	return add(&walk, doc, &place, err);
}
