/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The agent's work once. */
#include "agent/once.h"

#include <errno.h>
#include <time.h>

#include "agent/admit.h"
#include "agent/ender.h"
#include "core/defs.h"
#include "feed/feed.h"

/* Nobody stays to hear of a pod's MAC that the kernel is still asking for: wait for half a second. */
#define WAIT_TRIES 25
#define WAIT_STEP_MS 20
/* A feed that is being written is looked at again for a second. */
#define BUSY_TRIES 10
#define BUSY_STEP_MS 100

static int read_feed(const char *dir, struct snapshot **ret_snapshot, struct err *err)
{
	struct timespec step = { .tv_nsec = BUSY_STEP_MS * 1000000 };
	int code = feed_dir_read(dir, ret_snapshot, err);

	for (int i = 0; code == -EAGAIN && i < BUSY_TRIES; i++) {
		nanosleep(&step, NULL);
		code = feed_dir_read(dir, ret_snapshot, err);
	}
	return code;
}

static int read_feeds(struct admit *admit, const struct engine *engine, struct notes *failed, struct err *err)
{
	int code;

	for (size_t i = 0; i < admit->n; i++) {
		const struct config_cluster *cluster = admit_cluster(admit, i);
		struct snapshot *snapshot;
		struct err why = { 0 };

		if (!cluster->n_sources)
			continue;
		/* What stands if the feed cannot be read or is refused. */
		if (!engine_recover(engine, cluster->id, &snapshot))
			admit_recover(admit, i, snapshot);
		if (read_feed(cluster->sources->dir, &snapshot, &why))
			notes_add(failed, "feed of cluster %s: %s", cluster->name, why.text);
		else
			admit_offer(admit, i, snapshot);
	}
	code = admit_settle(admit, err);
	if (code == -ENOMEM)
		return code;
	if (code)
		notes_add(failed, "%s", err->text);
	for (size_t i = 0; i < admit->n; i++)
		if (admit->slots[i].error)
			notes_add(failed, "feed of cluster %s is refused: %s", admit_cluster(admit, i)->name,
				  admit->slots[i].error);
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
	int code = engine_new(config, dry_run, &engine, err);

	if (code)
		return code;
	code = admit_new(config, &admit);
	if (code)
		err_set(err, code, "out of memory");
	if (!code)
		code = read_feeds(admit, engine, &once.failed, err);
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
