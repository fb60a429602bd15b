/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Documents into one snapshot: Lists unfolded, kinds told apart, names kept unique. What an object
 * of a kind must look like is in decode_node.c and decode_service.c.
 */
#include "feed/decode.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "core/addr.h"
#include "core/defs.h"
#include "core/text.h"
#include "feed/decode_object.h"

enum kind { KIND_NODE, KIND_SERVICE, KIND_SLICE, KIND_EXPORT, KIND_IMPORT, KIND_OTHER };

static const struct {
	const char *api, *kind;
	enum kind is;
	bool spaced;
} kinds[] = {
	{ "v1", "Node", KIND_NODE, false },
	{ "v1", "Service", KIND_SERVICE, true },
	{ "discovery.k8s.io/v1", "EndpointSlice", KIND_SLICE, true },
	{ "multicluster.x-k8s.io/v1alpha1", "ServiceExport", KIND_EXPORT, true },
	{ "multicluster.x-k8s.io/v1beta1", "ServiceExport", KIND_EXPORT, true },
	{ "multicluster.x-k8s.io/v1alpha1", "ServiceImport", KIND_IMPORT, true },
	{ "multicluster.x-k8s.io/v1beta1", "ServiceImport", KIND_IMPORT, true },
};

/* A name that was seen. The key is "KIND/NAMESPACE/NAME"; facts belong to "/NAMESPACE/NAME". */
struct seen {
	UT_hash_handle hh;
	struct service_facts facts;
	char *where;
	char key[];
};

struct decoder {
	struct snapshot *snapshot;
	struct seen *seen;
};

/* Where the walk is: what the items of a typed List inherit, and how to name a place. */
struct place {
	const char *file, *api, *kind; /* api, kind: NULL outside of a typed List */
	size_t item;
	bool in_list;
};

int object_error(const struct object *o, int code, struct err *err, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	err_set(err, code, "%s", text);
	return object_in(o, code, err);
}

int object_in(const struct object *o, int code, struct err *err)
{
	return err_in(err, code, "%s: %s %s%s%s", o->where, o->kind, o->space, *o->space ? "/" : "",
		      o->name);
}

static int add_warning(struct snapshot *s, char *text)
{
	char **more;

	if (!text)
		return -ENOMEM;
	more = realloc(s->warnings, (s->n_warnings + 1) * sizeof(*more));
	if (!more) {
		free(text);
		return -ENOMEM;
	}
	s->warnings = more;
	s->warnings[s->n_warnings++] = text;
	return 0;
}

int object_warn(const struct object *o, const char *fmt, ...)
{
	struct snapshot *s = o->snapshot;
	char said[512], *text = NULL;
	va_list ap;

	if (s->n_warnings == DECODE_MAX_WARNINGS)
		return add_warning(s, strdup("more of the same was found and is not listed"));
	if (s->n_warnings > DECODE_MAX_WARNINGS)
		return 0;
	va_start(ap, fmt);
	vsnprintf(said, sizeof(said), fmt, ap);
	va_end(ap);
	if (asprintf(&text, "%s: %s %s%s%s: %s", o->where, o->kind, o->space, *o->space ? "/" : "",
		     o->name, said) < 0)
		return -ENOMEM;
	return add_warning(s, text);
}

int object_annotation(const struct object *o, const char *key, const char **ret_text,
		      struct err *err)
{
	const struct doc *d = doc_get(o->annotations, key);
	const char *text = d ? doc_text(d) : NULL;

	if (d && !text)
		return object_error(o, -EINVAL, err,
				    "annotation %s is not a string: put it in quotes", key);
	*ret_text = text;
	return 0;
}

int object_list(const struct object *o, const struct doc *list, const char *what,
		const struct doc **ret_list, struct err *err)
{
	if (doc_is_null(list))
		list = NULL;
	else if (list->type != DOC_LIST)
		return object_error(o, -EINVAL, err, "%s is not a list", what);
	*ret_list = list;
	return 0;
}

int object_addr(const struct object *o, const struct doc *text, const char *what,
		struct xm_addr *ret_addr, struct err *err)
{
	const char *t = text ? doc_text(text) : NULL;
	struct xm_addr addr;
	int rc;

	if (!t)
		return object_error(o, -EINVAL, err, "%s is not an address", what);
	rc = addr_parse(t, &addr, err);
	if (rc) {
		err_in(err, rc, "%s", what);
		return object_in(o, rc, err);
	}
	if (!addr_is_unicast(&addr))
		return object_error(o, -EINVAL, err, "%s %s is no address that a host can bear",
				    what, t);
	*ret_addr = addr;
	return 0;
}

/* ---- names ------------------------------------------------------------------------------ */

static struct seen *find(struct decoder *d, const char *kind, const char *space, const char *name)
{
	auto_free char *key = NULL;
	struct seen *seen = NULL;

	if (asprintf(&key, "%s/%s/%s", kind, space, name) >= 0)
		HASH_FIND_STR(d->seen, key, seen);
	return seen;
}

static struct seen *remember(struct decoder *d, const char *kind, const char *space,
			     const char *name, const char *where)
{
	size_t len = strlen(kind) + strlen(space) + strlen(name) + 3;
	struct seen *seen = calloc(1, sizeof(*seen) + len), *added = NULL;

	if (!seen)
		return NULL;
	snprintf(seen->key, len, "%s/%s/%s", kind, space, name);
	seen->where = strdup(where);
	if (seen->where) {
		HASH_ADD_STR(d->seen, key, seen);
		HASH_FIND_STR(d->seen, seen->key, added);
	}
	if (!added) {
		free(seen->where);
		free(seen);
	}
	return added;
}

/* The facts of a service, whichever of its objects came first. NULL: no memory. */
static struct service_facts *facts_of(struct decoder *d, const struct object *o)
{
	struct seen *seen = find(d, "", o->space, o->name);

	if (!seen)
		seen = remember(d, "", o->space, o->name, o->where);
	return seen ? &seen->facts : NULL;
}

/* ---- objects ------------------------------------------------------------------------------ */

static const char *where(const struct place *p, const struct doc *doc, char buf[DECODE_WHERE_MAX])
{
	/* The end of a long path tells more than its beginning. */
	size_t len = strlen(p->file), max = XM_NAME_LEN - 32;
	const char *file = len > max ? p->file + len - max : p->file;

	if (doc->line)
		snprintf(buf, DECODE_WHERE_MAX, "%s:%u", file, doc->line);
	else if (p->in_list)
		snprintf(buf, DECODE_WHERE_MAX, "%s items[%zu]", file, p->item);
	else
		snprintf(buf, DECODE_WHERE_MAX, "%s", file);
	return buf;
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
		return err_set(err, -EINVAL, "%s: a %s without metadata.name", o->where, o->kind);
	if (!text_is_dns1123(o->name, XM_NAME_LEN - 3, 1))
		return err_set(err, -EINVAL,
			       "%s: \"%.64s\" is no name for a %s: use a-z, 0-9, - and dots",
			       o->where, o->name, o->kind);
	if (spaced) {
		/* As kubectl apply has it. */
		o->space = doc_is_null(space) ? "default" : doc_text(space);
		if (!o->space || !text_is_dns1123(o->space, 63, 0))
			return err_set(err, -EINVAL,
				       "%s: %s %s: metadata.namespace is not a DNS label", o->where,
				       o->kind, o->name);
	}
	rc = check_map(o, meta, "annotations", &o->annotations, err);
	return rc ? rc : check_map(o, meta, "labels", &o->labels, err);
}

static int decode_kind(struct decoder *d, const struct object *o, enum kind kind, struct err *err)
{
	struct service_facts *facts;

	switch (kind) {
	case KIND_NODE:
		return decode_node(o, err);
	case KIND_SLICE:
		return decode_slice(o, err);
	case KIND_IMPORT:
	case KIND_SERVICE:
	case KIND_EXPORT:
		facts = facts_of(d, o);
		if (!facts)
			return err_set(err, -ENOMEM, "out of memory");
		if (kind == KIND_IMPORT)
			return decode_import(o, facts, err);
		return kind == KIND_SERVICE ? decode_service(o, facts, err)
					    : decode_export(o, facts, err);
	case KIND_OTHER:
		o->snapshot->counts.skipped++;
		return 0;
	}
	return 0;
}

static int add_object(struct decoder *d, const struct doc *doc, const struct place *place,
		      const char *api, const char *kind, struct err *err)
{
	char buf[DECODE_WHERE_MAX];
	struct object o = { .snapshot = d->snapshot, .doc = doc, .kind = kind, .space = "" };
	enum kind is = KIND_OTHER;
	bool spaced = false;
	struct seen *before;
	int rc;

	o.where = where(place, doc, buf);
	d->snapshot->counts.items++;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!strcmp(kinds[i].api, api) && !strcmp(kinds[i].kind, kind)) {
			is = kinds[i].is;
			spaced = kinds[i].spaced;
		}
	}
	if (is != KIND_OTHER) {
		rc = name_object(&o, spaced, err);
		if (rc)
			return rc;
		before = find(d, kind, o.space, o.name);
		if (before)
			return object_error(&o, -EINVAL, err, "is in %s already: remove one",
					    before->where);
		if (!remember(d, kind, o.space, o.name, o.where))
			return err_set(err, -ENOMEM, "out of memory");
	}
	return decode_kind(d, &o, is, err);
}

static int add(struct decoder *d, const struct doc *doc, const struct place *place,
	       struct err *err);

/* "List" holds anything; "NodeList", as an API server answers, lends its items its kind. */
static int add_list(struct decoder *d, const struct doc *doc, const struct place *place,
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
		return err_set(err, -EINVAL, "%s: items of the %s is not a list",
			       where(place, items, buf), kind);
	if (len) {
		item_kind = strndup(kind, len);
		if (!item_kind)
			return err_set(err, -ENOMEM, "out of memory");
		inner.kind = item_kind;
		inner.api = api;
	}
	for (uint32_t i = 0; i < items->n; i++) {
		inner.item = i;
		rc = add(d, items->items[i], &inner, err);
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

static int add(struct decoder *d, const struct doc *doc, const struct place *place, struct err *err)
{
	const char *kind, *api;
	char buf[DECODE_WHERE_MAX];

	if (doc->type != DOC_MAP)
		return err_set(
			err, -EINVAL,
			"%s: not a Kubernetes object: a map with apiVersion and kind is wanted",
			where(place, doc, buf));
	kind = doc_text(doc_get(doc, "kind"));
	api = doc_text(doc_get(doc, "apiVersion"));
	if (!kind)
		kind = place->kind;
	if (!api)
		api = place->api;
	if (!kind || !*kind || !api)
		return err_set(err, -EINVAL, "%s: not a Kubernetes object: it has no %s",
			       where(place, doc, buf), !kind || !*kind ? "kind" : "apiVersion");
	if (is_list(doc, kind))
		return add_list(d, doc, place, api, kind, err);
	return add_object(d, doc, place, api, kind, err);
}

/* ---- the decoder --------------------------------------------------------------------------- */

int decoder_new(struct decoder **ret_decoder)
{
	struct decoder *d = calloc(1, sizeof(*d));

	if (d)
		d->snapshot = calloc(1, sizeof(*d->snapshot));
	if (!d || !d->snapshot) {
		free(d);
		return -ENOMEM;
	}
	*ret_decoder = d;
	return 0;
}

static void forget(struct decoder *d)
{
	struct seen *seen, *next;

	HASH_ITER(hh, d->seen, seen, next) {
		HASH_DEL(d->seen, seen);
		free(seen->where);
		free(seen);
	}
}

void decoder_free(struct decoder *decoder)
{
	if (!decoder)
		return;
	forget(decoder);
	snapshot_free(decoder->snapshot);
	free(decoder);
}

int decoder_add(struct decoder *decoder, const struct doc_set *set, const char *file,
		struct err *err)
{
	struct place place = { .file = file };
	int rc;

	for (size_t i = 0; i < set->n; i++) {
		rc = add(decoder, set->docs[i], &place, err);
		if (rc)
			return rc;
	}
	decoder->snapshot->counts.files++;
	decoder->snapshot->counts.documents += set->n;
	return 0;
}

int decoder_warn(struct decoder *decoder, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	return n < 0 ? -ENOMEM : add_warning(decoder->snapshot, text);
}

int decoder_take(struct decoder *decoder, const char *revision, struct snapshot **ret_snapshot)
{
	struct snapshot *s = decoder->snapshot, *empty = calloc(1, sizeof(*empty));

	if (!empty)
		return -ENOMEM;
	snprintf(s->revision, sizeof(s->revision), "%s", revision);
	snapshot_finish(s);
	forget(decoder);
	decoder->snapshot = empty;
	*ret_snapshot = s;
	return 0;
}
