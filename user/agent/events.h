/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What has happened to the agent of late, for `xmesh monitor`: a ring of numbered events. Not for: the
 * log, which says the same for good, and more of it.
 */
#ifndef XMESH_AGENT_EVENTS_H
#define XMESH_AGENT_EVENTS_H

#include <json-c/json.h>
#include <stdint.h>

#define EVENTS_MAX 512
#define EVENTS_TEXT_MAX 200 /* longer ones are cut */

/* X(NAME, "text"). Append only. */
#define EVENTS_KINDS(X)                                                                            \
	X(FEED_READ, "feed_read")                                                                  \
	X(FEED_FAILED, "feed_failed")                                                              \
	X(FEED_REFUSED, "feed_refused")                                                            \
	X(FEED_STALE, "feed_stale")                                                                \
	X(FEED_BACK, "feed_back")                                                                  \
	X(NODE_UP, "node_up")                                                                      \
	X(NODE_DOWN, "node_down")                                                                  \
	X(TURN_APPLIED, "turn_applied")                                                            \
	X(TURN_FAILED, "turn_failed")                                                              \
	X(ATTACHED, "attached")                                                                    \
	X(FEED_HELD, "feed_held")                                                                  \
	X(FEED_ACCEPTED, "feed_accepted")                                                          \
	X(FEED_SOURCE, "feed_source")                                                              \
	X(FEED_CACHED, "feed_cached")                                                              \
	X(FEED_REMOVED, "feed_removed")

enum events_kind {
#define EVENTS_ENUM(name, text) EVENTS_##name,
	EVENTS_KINDS(EVENTS_ENUM)
#undef EVENTS_ENUM
	EVENTS_KIND_COUNT
};

struct events_item {
	uint64_t time_ms;      /* since the epoch */
	enum events_kind kind;
	char cluster[64];      /* "" = none */
	char text[EVENTS_TEXT_MAX];
};

/* All zero: empty. */
struct events {
	uint64_t next;         /* events so far; the one before it has this number, the first is 1 */
	uint64_t start_ms;     /* of the first; tells one agent's numbers from another's */
	struct events_item v[EVENTS_MAX];
};

/* @cluster may be NULL. */
void events_add(struct events *events, enum events_kind kind, const char *cluster, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/*
 * What is newer than event @since, oldest first; a @since beyond the last one: nothing. A new reference:
 * {"start_ms", "last", "lost", "events": [{"seq", "time_ms", "kind", "cluster" (or null), "text"}]}. lost:
 * newer than @since, but no longer in the ring.
 */
json_object *events_json(const struct events *events, uint64_t since);

#endif
