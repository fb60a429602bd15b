/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One cluster's sources by priority. */
#include "agent/sources.h"

#include <errno.h>
#include <string.h>

#include "core/defs.h"
#include "feed/feed.h"

/* Twice what a feed waits between two looks (feed/dir.c): one that is well is not older than that. */
#define WELL_MS 60000u

static size_t index_of(const struct source *source)
{
	return source - source->owner->v;
}

static void is_good(struct source *source)
{
	source->answered = true;
	source->good_ms = uv_now(source->owner->loop);
	free(take(source->error));
}

static void on_snapshot(void *user, struct snapshot *snapshot)
{
	struct source *source = user;
	struct sources *sources = source->owner;
	struct snapshot *before = source->latest;
	bool was_bad = source->error;

	is_good(source);
	source->latest = snapshot;
	sources->callbacks.read(sources->callbacks.user, index_of(source), was_bad, before);
	snapshot_free(before);
}

static void on_error(void *user, const struct err *err)
{
	struct source *source = user;
	struct sources *sources = source->owner;
	bool was_well = source->answered && !source->error;

	source->answered = true;
	source->errors++;
	free(source->error);
	source->error = strdup(err->text);
	sources->callbacks.failed(sources->callbacks.user, index_of(source), err, was_well);
}

static void on_unchanged(void *user)
{
	struct source *source = user;
	struct sources *sources = source->owner;
	bool was_bad = source->error;

	is_good(source);
	sources->callbacks.fresh(sources->callbacks.user, index_of(source), was_bad);
}

int sources_new(uv_loop_t *loop, const struct config_cluster *cluster,
		const struct sources_callbacks *callbacks, struct sources **ret_sources, struct err *err)
{
	struct sources *sources = calloc(1, sizeof(*sources));
	int code = 0;

	if (!sources)
		return err_set(err, -ENOMEM, "out of memory");
	sources->loop = loop;
	sources->callbacks = *callbacks;
	sources->serving = SOURCES_NONE;
	for (size_t i = 0; i < cluster->n_sources && !code; i++) {
		struct source *source = &sources->v[i];
		struct feed_callbacks feed = { .snapshot = on_snapshot, .error = on_error,
					       .unchanged = on_unchanged, .user = source };

		sources->n++;
		source->owner = sources;
		source->since_ms = uv_now(loop);
		source->origin = feed_origin(&cluster->sources[i]);
		code = source->origin ? feed_new(loop, &cluster->sources[i], cluster->name, cluster->id, &feed,
						 &source->feed, err) :
					err_set(err, -ENOMEM, "out of memory");
	}
	if (code) {
		sources_free(sources);
		return err_in(err, code, "feed of cluster %s", cluster->name);
	}
	*ret_sources = sources;
	return 0;
}

void sources_free(struct sources *sources)
{
	if (!sources)
		return;
	for (size_t i = 0; i < sources->n; i++) {
		feed_close(sources->v[i].feed);
		free(sources->v[i].origin);
		free(sources->v[i].error);
		snapshot_free(sources->v[i].latest);
	}
	free(sources);
}

void sources_poke(struct sources *sources)
{
	for (size_t i = 0; i < sources->n; i++)
		feed_poke(sources->v[i].feed);
}

/* ---- age ----------------------------------------------------------------------------------- */

uint64_t source_age_ms(const struct source *source)
{
	return uv_now(source->owner->loop) - (source->good_ms ? source->good_ms : source->since_ms);
}

/* A feed that is well is looked at only so often when nothing tells of a change: that is no age. */
static uint64_t limit_of(const struct source *source, uint64_t limit_ms)
{
	bool well = source->answered && !source->error;

	return well ? MAX(limit_ms, WELL_MS) : limit_ms;
}

bool source_is_older(const struct source *source, uint64_t limit_ms)
{
	return source_age_ms(source) >= limit_of(source, limit_ms);
}

uint64_t source_older_in_ms(const struct source *source, uint64_t limit_ms)
{
	uint64_t age_ms = source_age_ms(source);

	limit_ms = limit_of(source, limit_ms);
	return limit_ms == UINT64_MAX || age_ms >= limit_ms ? UINT64_MAX : limit_ms - age_ms;
}

bool sources_are_older(const struct sources *sources, uint64_t limit_ms)
{
	for (size_t i = 0; i < sources->n; i++)
		if (!source_is_older(&sources->v[i], limit_ms))
			return false;
	return sources->n;
}

uint64_t sources_older_in_ms(const struct sources *sources, uint64_t limit_ms)
{
	uint64_t last_ms = 0;

	for (size_t i = 0; i < sources->n; i++) {
		if (source_is_older(&sources->v[i], limit_ms))
			continue;
		last_ms = MAX(last_ms, source_older_in_ms(&sources->v[i], limit_ms));
	}
	return last_ms ? last_ms : UINT64_MAX;
}

/* ---- who serves ---------------------------------------------------------------------------- */

static bool never_was_good(const struct source *source)
{
	return !source->latest && (source->error || source_age_ms(source) >= SOURCES_SILENT_MS);
}

bool sources_choose(struct sources *sources, uint64_t stale_after_ms)
{
	for (size_t i = 0; i < sources->n; i++) {
		const struct source *source = &sources->v[i];
		bool stale = source_is_older(source, stale_after_ms);

		if (source->latest && !stale) {
			if (i == sources->serving)
				return false;
			sources->serving = i;
			return true;
		}
		if (!stale && !never_was_good(source))
			return false;
	}
	return false;
}

bool sources_have_answered(const struct sources *sources)
{
	for (size_t i = 0; i < sources->n; i++)
		if (!sources->v[i].answered)
			return false;
	return true;
}

uint64_t sources_next_ms(const struct sources *sources, uint64_t stale_after_ms)
{
	uint64_t next_ms = UINT64_MAX;

	/* With one alone there is nothing to choose. */
	for (size_t i = 0; sources->n > 1 && i < sources->n; i++) {
		const struct source *source = &sources->v[i];
		uint64_t age_ms = source_age_ms(source);

		next_ms = MIN(next_ms, source_older_in_ms(source, stale_after_ms));
		if (!source->latest && age_ms < SOURCES_SILENT_MS)
			next_ms = MIN(next_ms, SOURCES_SILENT_MS - age_ms);
	}
	return next_ms;
}

const struct source *sources_main(const struct sources *sources)
{
	if (!sources->n)
		return NULL;
	return &sources->v[sources->serving == SOURCES_NONE ? 0 : sources->serving];
}

uint64_t sources_errors(const struct sources *sources)
{
	uint64_t errors = 0;

	for (size_t i = 0; i < sources->n; i++)
		errors += sources->v[i].errors;
	return errors;
}
