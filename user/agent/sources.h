/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One cluster's sources by priority: the first that is not stale serves; while it is stale, or has
 * failed or been silent since the start, the next does; it takes over again as soon as it answers well.
 * Not for: what becomes of what they yield (agent/feeds.c).
 */
#ifndef XMESH_AGENT_SOURCES_H
#define XMESH_AGENT_SOURCES_H

#include <stdbool.h>
#include <uv.h>

#include "core/err.h"
#include "model/config.h"
#include "model/snapshot.h"

#define SOURCES_NONE SIZE_MAX
/* A source that has not said anything for so long since the start is passed over. */
#define SOURCES_SILENT_MS 10000u

struct source {
	struct sources *owner;
	char *origin;
	struct feed *feed;
	struct snapshot *latest; /* its last good one; NULL = none yet */
	bool answered;           /* at least once, good or bad */
	uint64_t good_ms;        /* loop time of the last good look, 0 = none yet */
	uint64_t since_ms;       /* loop time of its start */
	uint64_t errors;
	char *error;             /* of the last look; NULL = it was good */
};

struct sources_callbacks {
	/* Source @i has another good snapshot. @before: the one before it, for this call; NULL = none. */
	void (*read)(void *user, size_t i, bool was_bad, const struct snapshot *before);
	/* It failed. @was_well: the look before was good. */
	void (*failed)(void *user, size_t i, const struct err *err, bool was_well);
	/* It is well, and as it was. */
	void (*fresh)(void *user, size_t i, bool was_bad);
	void *user;
};

struct sources {
	uv_loop_t *loop;
	struct sources_callbacks callbacks;
	struct source v[CONFIG_MAX_SOURCES];
	size_t n;
	size_t serving;          /* SOURCES_NONE: none has answered well yet */
};

/* Start those of @cluster, which may have none. Errors of feed_new(). */
int sources_new(uv_loop_t *loop, const struct config_cluster *cluster,
		const struct sources_callbacks *callbacks, struct sources **ret_sources, struct err *err);
void sources_free(struct sources *sources);
void sources_poke(struct sources *sources);

/* Decide anew who serves; true: another one than before. */
bool sources_choose(struct sources *sources, uint64_t stale_after_ms);
/* Have all said something, good or bad? */
bool sources_have_answered(const struct sources *sources);

/* A feed that never answered well is as old as we are, at least. */
uint64_t source_age_ms(const struct source *source);
/* No good look for longer than @limit_ms. */
bool source_is_older(const struct source *source, uint64_t limit_ms);
/* Milliseconds until then, if it does not answer; UINT64_MAX: it is already, or never will be. */
uint64_t source_older_in_ms(const struct source *source, uint64_t limit_ms);
/* Milliseconds until sources_choose() may decide otherwise by itself; UINT64_MAX: it will not. */
uint64_t sources_next_ms(const struct sources *sources, uint64_t stale_after_ms);
/* The one that serves, else the first; NULL: there is none. */
const struct source *sources_main(const struct sources *sources);
/* All of them are older than @limit_ms: nothing is known of the cluster's present state. */
bool sources_are_older(const struct sources *sources, uint64_t limit_ms);
uint64_t sources_older_in_ms(const struct sources *sources, uint64_t limit_ms);
uint64_t sources_errors(const struct sources *sources);

#endif
