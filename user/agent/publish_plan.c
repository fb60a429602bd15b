/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The difference between what is to be published and what an etcd has, as transactions in order. Not
 * for: reading or writing it.
 */
#include "agent/publish_plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

/* Out of memory: the caller of HASH_ADD sees the item not added (uthash 2.3). */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "core/defs.h"
#include "core/vec.h"
#include "feed/encode.h"

/* What an operation costs beside key and value: tags and lengths, the lease. */
#define OP_BYTES 64

/* In the order of writing: what is pointed to, then what points. */
static const char *const kinds[] = {
	"nodes", "endpointslices", "services", "serviceexports", "serviceimports",
};
#define N_KINDS ARRAY_SIZE(kinds)

struct entry {
	UT_hash_handle hh;
	uint64_t hash;
	bool known;  /* hash is that of the value; else it is anything */
	bool marked; /* found by the list that is on its way */
	char key[];
};

struct publish_present {
	struct entry *entries;
};

/* N_KINDS: none of ours. */
static size_t kind_of(const char *key, size_t len)
{
	const char *slash = memchr(key, '/', len);
	size_t k = 0, n = slash ? (size_t)(slash - key) : 0;

	while (k < N_KINDS && (!n || strlen(kinds[k]) != n || memcmp(kinds[k], key, n)))
		k++;
	return k;
}

/* ---- what is wanted ---- */

static int add_item(void *user, const char *kind, const char *space, const char *name,
		    const char *json, size_t len)
{
	struct publish_wanted *wanted = user;
	struct publish_item *item;
	char *key;
	int rc;

	if (len > PUBLISH_MAX_VALUE)
		return vec_note(&wanted->too_large, &wanted->n_too_large,
				"%s %s%s%s is not published: its %zu bytes are more than an etcd takes (%u)",
				kind, space, *space ? "/" : "", name, len, PUBLISH_MAX_VALUE);
	rc = vec_grow(&wanted->items, wanted->n, sizeof(*wanted->items));
	if (rc)
		return rc;
	if (asprintf(&key, "%s/%s%s%s", kind, space, *space ? "/" : "", name) < 0)
		return -ENOMEM;
	item = &wanted->items[wanted->n];
	item->key = key;
	item->value = malloc(len + 1);
	if (!item->value) {
		free(key);
		return -ENOMEM;
	}
	memcpy(item->value, json, len);
	item->value[len] = '\0';
	item->len = len;
	item->hash = XXH3_64bits(json, len);
	wanted->n++;
	return 0;
}

static int item_cmp(const void *a, const void *b)
{
	const struct publish_item *x = a, *y = b;
	size_t i = kind_of(x->key, strlen(x->key)), k = kind_of(y->key, strlen(y->key));

	return i != k ? (i < k ? -1 : 1) : strcmp(x->key, y->key);
}

int publish_wanted_new(const struct snapshot *snapshot, struct publish_wanted **ret_wanted)
{
	struct publish_wanted *wanted = calloc(1, sizeof(*wanted));
	int rc;

	if (!wanted)
		return -ENOMEM;
	wanted->shares = 1;
	rc = encode_snapshot(snapshot, ENCODE_GLOBAL, add_item, wanted);
	if (rc) {
		publish_wanted_free(wanted);
		return rc;
	}
	if (wanted->n)
		qsort(wanted->items, wanted->n, sizeof(*wanted->items), item_cmp);
	*ret_wanted = wanted;
	return 0;
}

struct publish_wanted *publish_wanted_share(struct publish_wanted *wanted)
{
	wanted->shares++;
	return wanted;
}

void publish_wanted_free(struct publish_wanted *wanted)
{
	if (!wanted || --wanted->shares)
		return;
	for (size_t i = 0; i < wanted->n; i++) {
		free(wanted->items[i].key);
		free(wanted->items[i].value);
	}
	free(wanted->items);
	vec_free_notes(wanted->too_large, wanted->n_too_large);
	free(wanted);
}

/* ---- what is there ---- */

int publish_present_new(struct publish_present **ret_present)
{
	*ret_present = calloc(1, sizeof(**ret_present));
	return *ret_present ? 0 : -ENOMEM;
}

static struct entry *find(const struct publish_present *present, const char *key, size_t len)
{
	struct entry *entry;

	HASH_FIND(hh, present->entries, key, len, entry);
	return entry;
}

/* NULL: no memory. */
static struct entry *find_or_add(struct publish_present *present, const char *key, size_t len)
{
	struct entry *entry = find(present, key, len);

	if (entry)
		return entry;
	entry = calloc(1, sizeof(*entry) + len + 1);
	if (!entry)
		return NULL;
	memcpy(entry->key, key, len);
	HASH_ADD_KEYPTR(hh, present->entries, entry->key, len, entry);
	if (!entry->hh.tbl) {
		free(entry);
		return NULL;
	}
	return entry;
}

static void drop(struct publish_present *present, struct entry *entry)
{
	HASH_DEL(present->entries, entry);
	free(entry);
}

void publish_present_free(struct publish_present *present)
{
	struct entry *entry, *next;

	if (!present)
		return;
	HASH_ITER(hh, present->entries, entry, next)
		drop(present, entry);
	free(present);
}

void publish_present_doubt(struct publish_present *present)
{
	for (struct entry *entry = present->entries; entry; entry = entry->hh.next)
		entry->known = false;
}

void publish_list_begin(struct publish_present *present)
{
	for (struct entry *entry = present->entries; entry; entry = entry->hh.next)
		entry->marked = false;
}

int publish_list_found(struct publish_present *present, const char *key, size_t len, bool ours)
{
	struct entry *entry;

	if (kind_of(key, len) == N_KINDS || memchr(key, '\0', len))
		return 0;
	entry = find_or_add(present, key, len);
	if (!entry)
		return -ENOMEM;
	entry->marked = true;
	if (!ours)
		entry->known = false;
	return 0;
}

void publish_list_end(struct publish_present *present)
{
	struct entry *entry, *next;

	HASH_ITER(hh, present->entries, entry, next) {
		if (!entry->marked)
			drop(present, entry);
	}
}

/* ---- the difference ---- */

static int erase_cmp(const void *a, const void *b)
{
	const struct publish_op *x = a, *y = b;
	size_t i = kind_of(x->key, strlen(x->key)), k = kind_of(y->key, strlen(y->key));

	return i != k ? (i > k ? -1 : 1) : strcmp(x->key, y->key);
}

static bool is_wanted(const struct publish_wanted *wanted, const char *key)
{
	struct publish_item item = { .key = (char *)key };

	return wanted->n && bsearch(&item, wanted->items, wanted->n, sizeof(item), item_cmp);
}

int publish_plan(const struct publish_wanted *wanted, const struct publish_present *present,
		 struct publish_plan *ret_plan)
{
	size_t n = 0, puts;
	struct publish_op *ops = calloc(wanted->n + HASH_COUNT(present->entries) + 1, sizeof(*ops));

	if (!ops)
		return -ENOMEM;
	for (size_t i = 0; i < wanted->n; i++) {
		const struct publish_item *item = &wanted->items[i];
		const struct entry *entry = find(present, item->key, strlen(item->key));

		if (!entry || !entry->known || entry->hash != item->hash)
			ops[n++] = (struct publish_op){ item, item->key };
	}
	puts = n;
	for (const struct entry *entry = present->entries; entry; entry = entry->hh.next) {
		if (!is_wanted(wanted, entry->key))
			ops[n++] = (struct publish_op){ NULL, entry->key };
	}
	qsort(ops + puts, n - puts, sizeof(*ops), erase_cmp);
	*ret_plan = (struct publish_plan){ ops, n, puts };
	return 0;
}

void publish_plan_done(struct publish_plan *plan)
{
	free(plan->ops);
	*plan = (struct publish_plan){ NULL, 0, 0 };
}

size_t publish_batch(const struct publish_plan *plan, size_t from)
{
	size_t n = 0, bytes = 0;

	while (from + n < plan->n && n < PUBLISH_MAX_OPS) {
		const struct publish_op *op = &plan->ops[from + n];

		bytes += OP_BYTES + strlen(op->key) + (op->item ? op->item->len : 0);
		if (n && bytes > PUBLISH_MAX_BYTES)
			break;
		n++;
	}
	return n;
}

int publish_done(struct publish_present *present, const struct publish_op *ops, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(ops[i].key);
		struct entry *entry;

		if (!ops[i].item) {
			entry = find(present, ops[i].key, len);
			if (entry)
				drop(present, entry);
			continue;
		}
		entry = find_or_add(present, ops[i].key, len);
		if (!entry)
			return -ENOMEM;
		entry->hash = ops[i].item->hash;
		entry->known = true;
	}
	return 0;
}
