/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The decoded objects of one cluster by the key under which a transport knows them, and snapshots out
 * of them. Not thread-safe: one worker at a time. Not for: the order of things in time (intake.h).
 */
#ifndef XMESH_FEED_STORE_H
#define XMESH_FEED_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"
#include "model/snapshot.h"

struct store;
struct piece;  /* one decoded object, or a part of one; feed/piece.h */

/*
 * Decode one value. *ret_pieces: a chain of pieces, NULL = a value of no interest (counted as skipped);
 * the store owns it. -EINVAL with a sentence that names what is wrong, not the key (the caller does).
 */
typedef int (*store_decode_fn)(void *user, const char *key, const void *value, size_t len,
			       struct piece **ret_pieces, struct err *err);
/* A value that is one Kubernetes object as JSON. */
int store_decode_object(void *user, const char *key, const void *value, size_t len,
			struct piece **ret_pieces, struct err *err);

int store_new(store_decode_fn decode, void *decode_user, struct store **ret_store);
void store_free(struct store *store);
/*
 * 1: changed, 0: as before, -EINVAL: bad, or a node too many (counted, named, what was there stays),
 * -ENOMEM.
 */
int store_put(struct store *store, const char *key, size_t key_len, const void *value, size_t len);
/* The same with a value that is decoded already; @pieces are taken in any case. Never 0. */
int store_put_pieces(struct store *store, const char *key, size_t key_len, struct piece *pieces);
/* Its value cannot even be decoded, as @why says: as a bad one in store_put(). -EINVAL, -ENOMEM. */
int store_refuse(struct store *store, const char *key, size_t key_len, const struct err *why);
/* 1: was there, 0: was not. */
int store_delete(struct store *store, const char *key, size_t key_len);
/* -ENOMEM. Several lists, of different prefixes, may be on their way. */
int store_list_begin(struct store *store, const char *prefix);
/* Removes what begins with @prefix and was not put since. The number of removed keys. */
size_t store_list_end(struct store *store, const char *prefix);
void store_list_abort(struct store *store, const char *prefix);
bool store_is_listing(const struct store *store); /* one was begun, and neither ended nor aborted */
/*
 * Everything as one snapshot, finished (snapshot_finish() is done), nodes sorted by name. Bad values are
 * among its warnings and in counts.bad. Two keys with the same node, Service, export or import: the
 * first by the order of keys counts, the other is a warning; slices all count. -ENOMEM.
 */
int store_snapshot(struct store *store, const char *revision, struct snapshot **ret_snapshot,
		   struct err *err);
size_t store_count(const struct store *store); /* keys */

#endif
