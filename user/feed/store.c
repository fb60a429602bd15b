/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Keys and what their values decoded into; marks that tell what a list did not name. Not for: what
 * objects come to together (store_group.c), snapshots (store_snapshot.c).
 */
#include "feed/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/defs.h"
#include "feed/store_parts.h"

/* ---- a hash ---------------------------------------------------------------------------------- */

struct link *table_find(const struct table *table, uint32_t hash)
{
	return table->buckets ? table->buckets[hash & table->mask] : NULL;
}

static int table_grow(struct table *t)
{
	size_t n = t->buckets ? 2 * (t->mask + 1) : 64;
	struct link **buckets = calloc(n, sizeof(*buckets));

	if (!buckets)
		return -ENOMEM;
	for (size_t i = 0; t->buckets && i <= t->mask; i++) {
		struct link *link = t->buckets[i], *next;

		for (; link; link = next) {
			next = link->next;
			link->next = buckets[link->hash & (n - 1)];
			buckets[link->hash & (n - 1)] = link;
		}
	}
	free(t->buckets);
	t->buckets = buckets;
	t->mask = n - 1;
	return 0;
}

int table_add(struct table *t, struct link *link)
{
	/* At most half as many items as buckets: each item on the way is a cache miss. */
	int rc = !t->buckets || t->n > t->mask / 2 ? table_grow(t) : 0;

	if (rc)
		return rc;
	link->next = t->buckets[link->hash & t->mask];
	t->buckets[link->hash & t->mask] = link;
	t->n++;
	return 0;
}

void table_remove(struct table *t, struct link *link)
{
	struct link **at = &t->buckets[link->hash & t->mask];

	while (*at != link)
		at = &(*at)->next;
	*at = link->next;
	t->n--;
}

/* ---- entries --------------------------------------------------------------------------------- */

static struct entry *entry_find(const struct store *store, const char *key, size_t len, uint32_t hash)
{
	struct link *link = table_find(&store->entries, hash);

	for (; link; link = link->next) {
		struct entry *e = container_of(link, struct entry, link);

		if (link->hash == hash && e->key_len == len && !memcmp(e->key, key, len))
			return e;
	}
	return NULL;
}

static struct entry *entry_new(struct store *store, const char *key, size_t len, uint32_t hash)
{
	struct entry *e = calloc(1, sizeof(*e) + len + 1);

	if (!e)
		return NULL;
	e->link.hash = hash;
	e->key_len = len;
	memcpy(e->key, key, len);
	if (table_add(&store->entries, &e->link)) {
		free(e);
		return NULL;
	}
	return e;
}

const char *entry_text(const struct entry *entry, char buf[XM_NAME_LEN])
{
	size_t len = entry->key_len, max = XM_NAME_LEN - 1;
	const char *key = len > max ? entry->key + len - max : entry->key;

	len = MIN(len, max);
	for (size_t i = 0; i < len; i++)
		buf[i] = key[i] >= ' ' && key[i] < 0x7f ? key[i] : '?';
	buf[len] = '\0';
	return buf;
}

static void drop_note(struct store *store, struct entry *e)
{
	struct note *note = take(e->note);

	if (!note)
		return;
	*(note->before ? &note->before->after : &store->notes) = note->after;
	if (note->after)
		note->after->before = note->before;
	store->n_notes--;
	free(note);
}

/* Sentences about @e. Without memory or room for them it is counted only. */
static void set_note(struct store *store, struct entry *e, const char *text)
{
	size_t size = strlen(text) + 1;
	struct note *note = NULL;

	drop_note(store, e);
	if (store->n_notes < STORE_MAX_NOTES)
		note = malloc(sizeof(*note) + size);
	if (!note)
		return;
	*note = (struct note){ .after = store->notes, .entry = e };
	memcpy(note->text, text, size);
	if (store->notes)
		store->notes->before = note;
	store->notes = note;
	store->n_notes++;
	e->note = note;
}

static void free_parts(struct store *store, struct part *parts)
{
	struct part *next;

	for (; parts; parts = next) {
		next = parts->next;
		part_free(store, parts);
	}
}

/* Its last value is good again, or gone. */
static void forgive(struct store *store, struct entry *e)
{
	if (e->bad) {
		store->counts.bad--;
		store->n_unsaid -= !e->note;
	}
	e->bad = false;
	store->counts.skipped -= e->skipped;
	e->skipped = false;
	drop_note(store, e);
}

static void entry_free(struct store *store, struct entry *e)
{
	forgive(store, e);
	free_parts(store, e->parts);
	table_remove(&store->entries, &e->link);
	free(e);
}

static int refuse(struct store *store, struct entry *e, const struct err *why)
{
	bool skipped = e->skipped;

	forgive(store, e);
	/* What it held before stays, be it of no interest. */
	e->skipped = skipped;
	store->counts.skipped += skipped;
	e->bad = true;
	store->counts.bad++;
	set_note(store, e, why->text);
	store->n_unsaid += !e->note;
	return -EINVAL;
}

static int append_warning(char **all, const char *more)
{
	char *text = NULL;

	if (asprintf(&text, "%s%s%s", *all ? *all : "", *all ? "\n" : "", more) < 0)
		return -ENOMEM;
	free(*all);
	*all = text;
	return 0;
}

/* @pieces stay the caller's. -EINVAL: refused. */
static int set_pieces(struct store *store, struct entry *e, struct piece *pieces)
{
	struct part *first = NULL, **end = &first;
	auto_free char *warnings = NULL;
	struct err why;
	int rc = 0;

	for (struct piece *p = pieces; !rc && p; p = p->next) {
		rc = part_new(store, e, p, end);
		if (!rc)
			end = &(*end)->next;
		if (!rc && p->warning)
			rc = append_warning(&warnings, p->warning);
	}
	if (rc) {
		free_parts(store, first);
		if (rc != -ENOSPC)
			return rc;
		err_set(&why, -EINVAL, "not used: more than %d nodes", SNAPSHOT_MAX_NODES);
		return refuse(store, e, &why);
	}
	forgive(store, e);
	free_parts(store, e->parts);
	e->parts = first;
	e->skipped = !pieces;
	store->counts.skipped += e->skipped;
	if (warnings)
		set_note(store, e, warnings);
	return 1;
}

/* ---- the store ------------------------------------------------------------------------------- */

int store_new(store_decode_fn decode, void *decode_user, struct store **ret_store)
{
	struct store *store = calloc(1, sizeof(*store));

	if (!store)
		return -ENOMEM;
	store->decode = decode;
	store->decode_user = decode_user;
	*ret_store = store;
	return 0;
}

void store_free(struct store *store)
{
	struct listing *l;

	if (!store)
		return;
	for (size_t i = 0; store->entries.buckets && i <= store->entries.mask; i++) {
		while (store->entries.buckets[i])
			entry_free(store, container_of(store->entries.buckets[i], struct entry, link));
	}
	/* Groups without parts go; there are no others. */
	groups_refresh(store);
	groups_free(store);
	while ((l = store->listings)) {
		store->listings = l->next;
		free(l);
	}
	free(store->entries.buckets);
	free(store);
}

static struct entry *entry_of(struct store *store, const char *key, size_t len, bool *ret_new)
{
	uint32_t hash = (uint32_t)XXH3_64bits(key, len);
	struct entry *e = entry_find(store, key, len, hash);

	*ret_new = !e;
	if (!e)
		e = entry_new(store, key, len, hash);
	if (e)
		e->mark = store->mark;
	return e;
}

int store_put_pieces(struct store *store, const char *key, size_t key_len, struct piece *pieces)
{
	bool new;
	struct entry *e = entry_of(store, key, key_len, &new);
	int rc = e ? set_pieces(store, e, pieces) : -ENOMEM;

	piece_free(pieces);
	if (e && new && rc == -ENOMEM)
		entry_free(store, e);
	return rc;
}

int store_put(struct store *store, const char *key, size_t key_len, const void *value, size_t len)
{
	uint64_t hash = XXH3_64bits(value, len) | 1;
	struct piece *pieces = NULL;
	struct err err;
	bool new;
	struct entry *e = entry_of(store, key, key_len, &new);
	int rc;

	if (!e)
		return -ENOMEM;
	if (e->value_hash == hash)
		return e->bad ? -EINVAL : 0;
	rc = store->decode(store->decode_user, e->key, value, len, &pieces, &err);
	if (!rc)
		rc = set_pieces(store, e, pieces);
	else if (rc != -ENOMEM)
		rc = refuse(store, e, &err);
	piece_free(pieces);
	if (rc != -ENOMEM)
		e->value_hash = hash;
	else if (new)
		entry_free(store, e);
	return rc;
}

int store_refuse(struct store *store, const char *key, size_t key_len, const struct err *why)
{
	bool new;
	struct entry *e = entry_of(store, key, key_len, &new);

	if (!e)
		return -ENOMEM;
	e->value_hash = 0;
	return refuse(store, e, why);
}

int store_delete(struct store *store, const char *key, size_t key_len)
{
	struct entry *e = entry_find(store, key, key_len, (uint32_t)XXH3_64bits(key, key_len));

	if (e)
		entry_free(store, e);
	return !!e;
}

/* ---- lists ----------------------------------------------------------------------------------- */

void store_list_abort(struct store *store, const char *prefix)
{
	for (struct listing **at = &store->listings; *at; at = &(*at)->next) {
		struct listing *l = *at;

		if (strcmp(l->prefix, prefix))
			continue;
		*at = l->next;
		free(l);
		return;
	}
}

int store_list_begin(struct store *store, const char *prefix)
{
	size_t size = strlen(prefix) + 1;
	struct listing *l = malloc(sizeof(*l) + size);

	if (!l)
		return -ENOMEM;
	store_list_abort(store, prefix);
	*l = (struct listing){ .next = store->listings, .mark = ++store->mark };
	memcpy(l->prefix, prefix, size);
	store->listings = l;
	return 0;
}

size_t store_list_end(struct store *store, const char *prefix)
{
	size_t len = strlen(prefix), n = 0;
	struct listing *l = store->listings;
	uint32_t mark;

	while (l && strcmp(l->prefix, prefix))
		l = l->next;
	if (!l)
		return 0;
	mark = l->mark;
	store_list_abort(store, prefix);
	for (size_t i = 0; store->entries.buckets && i <= store->entries.mask; i++) {
		struct link *link = store->entries.buckets[i], *next;

		for (; link; link = next) {
			struct entry *e = container_of(link, struct entry, link);

			next = link->next;
			/* Marks wrap around after four thousand million lists. */
			if ((int32_t)(e->mark - mark) >= 0 || e->key_len < len ||
			    memcmp(e->key, prefix, len))
				continue;
			entry_free(store, e);
			n++;
		}
	}
	return n;
}

bool store_is_listing(const struct store *store)
{
	return store->listings;
}

size_t store_count(const struct store *store)
{
	return store->entries.n;
}
