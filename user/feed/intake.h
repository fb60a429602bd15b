/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Between a transport that hears of single objects and the snapshots of feed/feed.h: keeps the
 * decoded objects of one cluster by their keys, and puts a snapshot together when something changed.
 * Decoding and putting together run in the worker pool, in order, one piece of work per intake at a
 * time; all calls and callbacks are the loop's. Not for: connections, or what a key means.
 */
#ifndef XMESH_FEED_INTAKE_H
#define XMESH_FEED_INTAKE_H

#include "feed/feed.h"
#include "feed/store.h"

struct intake;

/* Bytes that wait for the worker; a transport stops reading above it until ready() comes. */
#define INTAKE_MAX_WAITING (16u * 1024 * 1024)
#define INTAKE_MAX_VALUE (4u * 1024 * 1024) /* one value; a larger one is bad */

struct intake_setup {
	uv_loop_t *loop;
	struct feed_callbacks callbacks; /* snapshot and unchanged are called, error never */
	/*
	 * One value into what store_put() takes, called in a worker. store_decode_object(): the value is
	 * one Kubernetes object as JSON. Another one (Cilium) reads its own formats.
	 */
	store_decode_fn decode;
	void *decode_user;
	/* As many bytes wait as is good; reading may go on. */
	void (*ready)(void *user);
	void *user;
};

int intake_new(const struct intake_setup *setup, struct intake **ret_intake);
/* No callback afterwards; goes when its worker has ended. */
void intake_close(struct intake *intake);

/*
 * The value of @key; copied. @seen_ns: CLOCK_MONOTONIC when the change was heard of (0 while a list is
 * read): snapshot->seen_ns is the oldest one in it. A value that cannot be decoded is counted and named
 * in the snapshot's warnings, and what @key held before stays; the rest of the feed lives.
 * False: more than INTAKE_MAX_WAITING wait now, pause. -ENOMEM never loses a value: the process ends.
 */
bool intake_put(struct intake *intake, const char *key, size_t key_len, const void *value,
		size_t len, uint64_t seen_ns);
bool intake_delete(struct intake *intake, const char *key, size_t key_len, uint64_t seen_ns);
/*
 * A complete list of all keys that begin with @prefix ("" = all) begins: what it does not name is
 * removed by intake_list_end(). Until the first list of every prefix in use has ended
 * (intake_complete()) no snapshot is made, and none while a list is on its way.
 */
void intake_list_begin(struct intake *intake, const char *prefix);
void intake_list_end(struct intake *intake, const char *prefix);
/*
 * A list that was begun is given up (connection lost): nothing is swept, its marks are forgotten. What it
 * has put so far is in force; who does not want that seen begins the next list at once.
 */
void intake_list_abort(struct intake *intake, const char *prefix);
/*
 * All that is there to know is there: a snapshot is made of it (or unchanged() called) when all before
 * is worked off, and from now on after each change. @revision as shown, e.g. "rev:1234".
 * Pauses between snapshots grow with what one costs, so that a large feed takes 10 % of a core at most.
 */
void intake_complete(struct intake *intake, const char *revision);

#endif
