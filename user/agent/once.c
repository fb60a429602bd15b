/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The agent's work once. */
#include "agent/once.h"

#include <errno.h>
#include <time.h>

#include "agent/admit.h"
#include "agent/cache.h"
#include "agent/ender.h"
#include "agent/feeds_parts.h"
#include "core/defs.h"
#include "feed/feed.h"

/* Nobody stays to hear of a pod's MAC that the kernel is still asking for: wait for half a second. */
#define WAIT_TRIES 25
#define WAIT_STEP_MS 20
/* A feed that is being written is looked at again for a second. */
#define BUSY_TRIES 10
#define BUSY_STEP_MS 100
/* For one source to answer in full. */
#define READ_MS 30000

static int read_source(const struct config_cluster *cluster, const struct config_source *source,
		       struct snapshot **ret_snapshot, struct err *err)
{
	struct timespec step = { .tv_nsec = BUSY_STEP_MS * 1000000 };
	int code = feed_read(source, cluster->name, cluster->id, READ_MS, ret_snapshot, err);

	for (int i = 0; code == -EAGAIN && i < BUSY_TRIES; i++) {
		nanosleep(&step, NULL);
		code = feed_read(source, cluster->name, cluster->id, READ_MS, ret_snapshot, err);
	}
	return code;
}

/* The first source that can be read; those before it are told. */
static bool read_cluster(struct admit *admit, size_t slot, struct notes *failed)
{
	const struct config_cluster *cluster = admit_cluster(admit, slot);

	for (size_t i = 0; i < cluster->n_sources; i++) {
		auto_free char *origin = feed_origin(&cluster->sources[i]);
		struct snapshot *snapshot;
		struct err why = { 0 };

		if (!read_source(cluster, &cluster->sources[i], &snapshot, &why)) {
			admit_offer(admit, slot, snapshot, origin ? origin : "");
			return true;
		}
		notes_add(failed, "feed of cluster %s: %s", cluster->name, why.text);
	}
	return false;
}

/* What stands if no source can be read, or what they say is refused. */
static void recover_cluster(struct admit *admit, size_t slot, struct engine *engine)
{
	struct snapshot *snapshot;

	if (!engine_recover(engine, admit_cluster(admit, slot)->id, &snapshot))
		admit_recover(admit, slot, snapshot, false);
}

/* After a reboot nothing is pinned. */
static void recover_cached(struct admit *admit, size_t slot, const char *dir, struct notes *failed)
{
	const struct config_cluster *cluster = admit_cluster(admit, slot);
	struct snapshot *snapshot;
	struct err why = { 0 };
	time_t time_s;
	int code = cache_read(dir, cluster->name, cluster->id, &time_s, &snapshot, &why);

	if (!code)
		admit_recover(admit, slot, snapshot, true);
	else if (code != -ENOENT)
		notes_add(failed, "the cached state of cluster %s is ignored: %s", cluster->name, why.text);
}

static void judge(const struct admit *admit, size_t slot, struct notes *failed)
{
	const struct admit_slot *s = &admit->slots[slot];
	const char *name = admit_cluster(admit, slot)->name;
	char text[200];

	if (s->held) {
		feeds_held_text(s, text, sizeof(text));
		notes_add(failed, "feed of cluster %s is held: %s, more than max_shrink; if it is meant, let it pass "
			  "with `xmesh feed accept %s` while an agent runs, or raise max_shrink", name, text, name);
	} else if (s->error) {
		notes_add(failed, "feed of cluster %s is refused: %s", name, s->error);
	}
}

static int read_feeds(struct admit *admit, struct engine *engine, const char *dir, bool dry_run,
		      struct notes *failed, struct err *err)
{
	int code;

	for (size_t i = 0; i < admit->n; i++) {
		if (!admit_cluster(admit, i)->n_sources)
			continue;
		recover_cluster(admit, i, engine);
		if (!read_cluster(admit, i, failed) && !admit->slots[i].accepted)
			recover_cached(admit, i, dir, failed);
	}
	code = admit_settle(admit, err);
	if (code == -ENOMEM)
		return code;
	if (code)
		notes_add(failed, "%s", err->text);
	for (size_t i = 0; i < admit->n; i++) {
		struct err why = { 0 };

		judge(admit, i, failed);
		if (!dry_run && admit->slots[i].n_accepted &&
		    cache_write(dir, admit_cluster(admit, i)->name, admit_cluster(admit, i)->id,
				admit->slots[i].accepted, &why))
			notes_add(failed, "the last good state is not kept on disk: %s", why.text);
	}
	return 0;
}

/* Nobody stays to try again: what could not be ended is told. */
static void end_sockets(struct engine *engine, struct engine_turn *turn)
{
	struct destroy_result result = { 0 };
	struct err err = { 0 };

	if (turn->n_lost && ender_run_once(engine_plane(engine), turn->lost, turn->n_lost, &result, &err))
		notes_add(&turn->notes, "sockets of lost backends were not ended: %s", err.text);
}

/* Turns until every pod has its MAC, or does not answer. What *ret_turn counts is of all of them. */
static int run_turns(struct engine *engine, const struct mesh *mesh, bool dry_run, struct engine_turn *ret_turn,
		     struct err *err)
{
	struct timespec step = { .tv_nsec = WAIT_STEP_MS * 1000000 };
	struct engine_turn first = { 0 }, last;
	int code;

	for (int i = 0;; i++) {
		code = engine_run(engine, mesh, NULL, &last, err);
		if (code) {
			engine_turn_done(&first);
			return code;
		}
		end_sockets(engine, &last);
		last.map_ops += first.map_ops;
		last.kernel_puts += first.kernel_puts;
		last.kernel_deletes += first.kernel_deletes;
		last.attached += first.attached;
		last.detached += first.detached;
		last.services += first.services;
		last.service_ops += first.service_ops;
		last.duration_ns += first.duration_ns;
		engine_turn_done(&first);
		if (dry_run || !engine_pods(engine)->n_waiting || i == WAIT_TRIES)
			break;
		first = last;
		nanosleep(&step, NULL);
	}
	*ret_turn = last;
	return 0;
}

int once_run(const struct config *config, bool dry_run, struct once *ret_once, struct err *err)
{
	struct once once = { 0 };
	struct hostcheck check = { 0 };
	struct engine *engine = NULL;
	struct admit *admit = NULL;
	auto_free char *dir = cache_dir(config);
	int code = engine_new(config, dry_run, &engine, err);

	if (code)
		return code;
	code = dir ? admit_new(config, &admit) : -ENOMEM;
	if (code)
		err_set(err, code, "out of memory");
	if (!code)
		code = read_feeds(admit, engine, dir, dry_run, &once.failed, err);
	if (!code && !admit->mesh)
		code = err_set(err, -EINVAL, "%s", once.failed.n ? once.failed.v[0] : "no valid mesh");
	if (!code) {
		hostcheck_config(config, &check);
		engine_set_check(engine, &check);
		code = run_turns(engine, admit->mesh, dry_run, &once.turn, err);
	}
	admit_free(admit);
	engine_free(engine);
	if (code) {
		once_done(&once);
		return code;
	}
	*ret_once = once;
	return 0;
}

void once_done(struct once *once)
{
	engine_turn_done(&once->turn);
	notes_done(&once->failed);
}
