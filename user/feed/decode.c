/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Documents into one snapshot, all or nothing: any bad object is an error, and each name is there
 * once. What objects of one name come to together is the store's to say.
 */
#include "feed/decode.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "core/defs.h"
#include "core/vec.h"
#include "feed/decode_object.h"
#include "feed/store.h"

#define MAX_WARNINGS 100

/* A name that was seen, "KIND/NAMESPACE/NAME". */
struct seen {
	UT_hash_handle hh;
	char *where;
	char key[];
};

struct decoder {
	struct store *store;
	struct seen *seen;
	char **warnings;
	size_t n_warnings;
	size_t files, documents, items, skipped;
};

static int remember(struct decoder *d, const char *key, const char *where)
{
	size_t len = strlen(key) + 1;
	struct seen *seen = calloc(1, sizeof(*seen) + len), *added = NULL;

	if (!seen)
		return -ENOMEM;
	memcpy(seen->key, key, len);
	seen->where = strdup(where);
	if (seen->where) {
		HASH_ADD_STR(d->seen, key, seen);
		HASH_FIND_STR(d->seen, seen->key, added);
	}
	if (!added) {
		free(seen->where);
		free(seen);
		return -ENOMEM;
	}
	return 0;
}

static int warn(struct decoder *d, const char *text)
{
	if (d->n_warnings > MAX_WARNINGS)
		return 0;
	if (d->n_warnings == MAX_WARNINGS)
		text = "more of the same was found and is not listed";
	return vec_note(&d->warnings, &d->n_warnings, "%s", text);
}

static int warn_lines(struct decoder *d, char *lines)
{
	char *line;
	int rc = 0;

	while (!rc && (line = strsep(&lines, "\n")))
		rc = warn(d, line);
	return rc;
}

static int add_object(void *user, struct object *o, struct err *err)
{
	auto_free char *key = NULL, *lines = NULL;
	struct decoder *d = user;
	struct seen *before;
	int rc;

	d->items++;
	if (!o->piece) {
		d->skipped++;
		return 0;
	}
	if (asprintf(&key, "%s/%s/%s", o->kind, o->space, o->name) < 0) {
		key = NULL;
		return err_set(err, -ENOMEM, "out of memory");
	}
	HASH_FIND_STR(d->seen, key, before);
	if (before)
		return object_error(o, -EINVAL, err, "is in %s already: remove one", before->where);
	/* Its warnings name the place already, and stay in the order of the files. */
	lines = take(o->piece->warning);
	rc = remember(d, key, o->where);
	if (!rc)
		rc = warn_lines(d, lines);
	if (!rc)
		rc = store_put_pieces(d->store, key, strlen(key), take(o->piece));
	/* The store has one reason to refuse what could be decoded. */
	if (rc == -EINVAL)
		return object_error(o, -ENOSPC, err, "more than %d nodes", SNAPSHOT_MAX_NODES);
	return rc < 0 ? err_set(err, rc, "out of memory") : 0;
}

int decoder_new(struct decoder **ret_decoder)
{
	struct decoder *d = calloc(1, sizeof(*d));

	if (!d || store_new(NULL, NULL, &d->store)) {
		free(d);
		return -ENOMEM;
	}
	*ret_decoder = d;
	return 0;
}

static void clear(struct decoder *d)
{
	struct seen *seen, *next;

	HASH_ITER(hh, d->seen, seen, next) {
		HASH_DEL(d->seen, seen);
		free(seen->where);
		free(seen);
	}
	store_free(take(d->store));
	vec_free_notes(d->warnings, d->n_warnings);
}

void decoder_free(struct decoder *decoder)
{
	if (!decoder)
		return;
	clear(decoder);
	free(decoder);
}

int decoder_add(struct decoder *decoder, const struct doc_set *set, const char *file,
		struct err *err)
{
	int rc;

	for (size_t i = 0; i < set->n; i++) {
		rc = decode_walk(set->docs[i], file, add_object, decoder, err);
		if (rc)
			return rc;
	}
	decoder->files++;
	decoder->documents += set->n;
	return 0;
}

int decoder_warn(struct decoder *decoder, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	int n, rc;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		return -ENOMEM;
	rc = vec_note(&decoder->warnings, &decoder->n_warnings, "%s", text);
	free(text);
	return rc;
}

int decoder_take(struct decoder *decoder, const char *revision, struct snapshot **ret_snapshot)
{
	struct decoder *fresh = NULL;
	struct snapshot *s;
	struct err err;
	int rc = decoder_new(&fresh);

	if (!rc)
		rc = store_snapshot(decoder->store, revision, &s, &err);
	if (rc) {
		decoder_free(fresh);
		return rc;
	}
	s->counts.files = decoder->files;
	s->counts.documents = decoder->documents;
	s->counts.items = decoder->items;
	s->counts.skipped += decoder->skipped;
	s->warnings = take(decoder->warnings);
	s->n_warnings = decoder->n_warnings;
	decoder->n_warnings = 0;
	clear(decoder);
	*decoder = *fresh;
	free(fresh);
	*ret_snapshot = s;
	return 0;
}
