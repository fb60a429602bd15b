/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The feeds of all clusters, and what is known about each for status and metrics. */
#include "agent/feeds.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/admit.h"
#include "core/defs.h"
#include "core/log.h"
#include "feed/feed.h"

/* Twice what a feed waits between two looks (feed/dir.c). */
#define WELL_MS 60000u

struct cluster_feed {
	struct feeds *feeds;
	size_t slot;
	char name[64];
	uint16_t id;
	char *dir;
	struct feed *feed;      /* NULL: this cluster has none */
	bool answered;          /* at least once, good or bad */
	uint64_t good_ms;       /* loop time of the last good look, 0 = none yet */
	uint64_t since_ms;      /* loop time of its start */
	uint64_t errors;
	char *error;            /* of the last look; NULL = it was good */
	char *logged;           /* refusal that was logged last */
	bool told_stale;        /* as an event */
};

struct feeds {
	uv_loop_t *loop;
	const struct config *config;
	struct feeds_callbacks callbacks;
	struct admit *admit;
	struct cluster_feed **v; /* by slot; each lives apart, feeds hold its address */
	size_t n;
};

static void feed_free(struct cluster_feed *f)
{
	if (!f)
		return;
	if (f->feed)
		feed_close(f->feed);
	free(f->dir);
	free(f->error);
	free(f->logged);
	free(f);
}

static void tell(const struct cluster_feed *f, enum events_kind kind, const char *text)
{
	const struct feeds_callbacks *callbacks = &f->feeds->callbacks;

	if (callbacks->event)
		callbacks->event(callbacks->user, kind, f->name, text);
}

/* Each refusal is logged once, when it is new. */
static void log_refusals(struct feeds *feeds)
{
	for (size_t i = 0; i < feeds->n; i++) {
		const char *refused = feeds->admit->slots[i].error;
		struct cluster_feed *f = feeds->v[i];

		if (!refused) {
			free(take(f->logged));
			continue;
		}
		if (f->logged && !strcmp(f->logged, refused))
			continue;
		log_error("feed of cluster %s (%s) is refused, what is known of it stays: %s", f->name,
			  feeds->admit->slots[i].origin, refused);
		tell(f, EVENTS_FEED_REFUSED, refused);
		f->errors++;
		free(f->logged);
		f->logged = strdup(refused);
	}
}

/* What pinned state knows of a feed that never answered is as old as we are, at least. */
static uint64_t age_ms(const struct feeds *feeds, const struct cluster_feed *f)
{
	return uv_now(feeds->loop) - (f->good_ms ? f->good_ms : f->since_ms);
}

/* A feed that is well is looked at only so often when nothing tells of a change: that is no age. */
static uint64_t stale_after_ms(const struct feeds *feeds, const struct cluster_feed *f)
{
	bool well = f->answered && !f->error;

	return well ? MAX(feeds->config->stale_after_ms, WELL_MS) : feeds->config->stale_after_ms;
}

static bool is_stale(const struct feeds *feeds, const struct cluster_feed *f)
{
	return f->feed && age_ms(feeds, f) >= stale_after_ms(feeds, f);
}

static void settle(struct feeds *feeds)
{
	struct err err;

	if (admit_settle(feeds->admit, &err))
		log_error("%s", err.text);
	log_refusals(feeds);
}

static void answered_well(struct cluster_feed *f)
{
	f->good_ms = uv_now(f->feeds->loop);
	if (f->error)
		log_info("feed of cluster %s is good again", f->name);
	if (f->error || f->told_stale)
		tell(f, EVENTS_FEED_BACK, "answers again");
	free(take(f->error));
	f->told_stale = false;
}

static void on_snapshot(void *user, struct snapshot *snapshot)
{
	struct cluster_feed *f = user;
	struct feeds *feeds = f->feeds;
	bool first = !f->answered;
	char text[EVENTS_TEXT_MAX];

	answered_well(f);
	f->answered = true;
	for (size_t i = 0; i < snapshot->n_warnings; i++)
		log_warn("feed of cluster %s: %s", f->name, snapshot->warnings[i]);
	log_info("feed of cluster %s: %zu nodes, revision %s", f->name, snapshot->n_nodes,
		 snapshot->revision);
	snprintf(text, sizeof(text), "%zu nodes, revision %s", snapshot->n_nodes, snapshot->revision);
	tell(f, EVENTS_FEED_READ, text);
	admit_offer(feeds->admit, f->slot, snapshot);
	/* At the start all feeds are judged together, so that their order does not matter. */
	if (!feeds_are_settled(feeds))
		return;
	settle(feeds);
	feeds->callbacks.changed(feeds->callbacks.user, !first && !feeds->admit->nodes_changed);
}

static void on_error(void *user, const struct err *err)
{
	struct cluster_feed *f = user;
	struct feeds *feeds = f->feeds;
	bool first = !f->answered, was_well = !first && !f->error;

	log_error("feed of cluster %s (%s) failed, what is known of it stays: %s", f->name,
		  feeds->admit->slots[f->slot].origin, err->text);
	tell(f, EVENTS_FEED_FAILED, err->text);
	f->answered = true;
	f->errors++;
	free(f->error);
	f->error = strdup(err->text);
	if (first && feeds_are_settled(feeds)) {
		settle(feeds);
		feeds->callbacks.changed(feeds->callbacks.user, false);
	} else if (was_well) {
		feeds->callbacks.fresh(feeds->callbacks.user);
	}
}

static void on_unchanged(void *user)
{
	struct cluster_feed *f = user;
	bool was_stale = is_stale(f->feeds, f);

	answered_well(f);
	if (was_stale)
		f->feeds->callbacks.fresh(f->feeds->callbacks.user);
}

static int feed_start(struct feeds *feeds, struct cluster_feed *f, struct err *err)
{
	struct feed_callbacks callbacks = { .snapshot = on_snapshot, .error = on_error,
					    .unchanged = on_unchanged, .user = f };
	int code;

	if (!f->dir)
		return 0;
	code = feed_dir_new(feeds->loop, f->dir, &callbacks, &f->feed, err);
	return code ? err_in(err, code, "feed of cluster %s", f->name) : 0;
}

static struct cluster_feed *feed_make(struct feeds *feeds, const struct config_cluster *cluster, size_t slot)
{
	struct cluster_feed *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->feeds = feeds;
	f->since_ms = uv_now(feeds->loop);
	f->slot = slot;
	f->id = cluster->id;
	snprintf(f->name, sizeof(f->name), "%s", cluster->name);
	if (cluster->n_sources) {
		f->dir = strdup(cluster->sources->dir);
		if (!f->dir) {
			free(f);
			return NULL;
		}
	}
	return f;
}

static bool is_same(const struct cluster_feed *f, const struct config_cluster *cluster)
{
	if (f->id != cluster->id || strcmp(f->name, cluster->name))
		return false;
	return f->dir && cluster->n_sources ? !strcmp(f->dir, cluster->sources->dir) :
					      !f->dir == !cluster->n_sources;
}

static void recover(struct feeds *feeds, struct admit *admit, const struct cluster_feed *f)
{
	struct snapshot *snapshot;

	if (f->dir && !feeds->callbacks.recover(feeds->callbacks.user, f->id, &snapshot))
		admit_recover(admit, f->slot, snapshot);
}

int feeds_new(uv_loop_t *loop, const struct config *config, const struct feeds_callbacks *callbacks,
	      struct feeds **ret_feeds, struct err *err)
{
	struct feeds *feeds = calloc(1, sizeof(*feeds));
	int code;

	if (!feeds)
		return err_set(err, -ENOMEM, "out of memory");
	feeds->loop = loop;
	feeds->callbacks = *callbacks;
	code = feeds_reconfigure(feeds, config, err);
	if (code) {
		feeds_close(feeds);
		return code;
	}
	*ret_feeds = feeds;
	return 0;
}

int feeds_reconfigure(struct feeds *feeds, const struct config *config, struct err *err)
{
	size_t n = config->n_peers + 1;
	auto_free struct cluster_feed **v = calloc(n, sizeof(*v));
	auto_free bool *kept = calloc(feeds->n + 1, sizeof(*kept));
	struct admit *admit = NULL;
	int code;

	if (!v || !kept || admit_new(config, &admit)) {
		code = err_set(err, -ENOMEM, "out of memory");
		goto fail;
	}
	for (size_t i = 0; i < n; i++) {
		const struct config_cluster *cluster = admit_cluster(admit, i);
		bool found = false;

		for (size_t k = 0; k < feeds->n && !found; k++)
			found = is_same(feeds->v[k], cluster);
		if (found)
			continue;
		v[i] = feed_make(feeds, cluster, i);
		code = v[i] ? feed_start(feeds, v[i], err) : err_set(err, -ENOMEM, "out of memory");
		if (code)
			goto fail;
	}

	/* Nothing fails from here on. */
	for (size_t i = 0; i < n; i++) {
		const struct config_cluster *cluster = admit_cluster(admit, i);

		if (v[i]) {
			recover(feeds, admit, v[i]);
			continue;
		}
		for (size_t k = 0; k < feeds->n; k++) {
			struct admit_slot *old = &feeds->admit->slots[k], *new = &admit->slots[i];

			if (!is_same(feeds->v[k], cluster))
				continue;
			v[i] = feeds->v[k];
			v[i]->slot = i;
			kept[k] = true;
			new->accepted = take(old->accepted);
			new->pending = take(old->pending);
			new->recovered = old->recovered;
			break;
		}
	}
	for (size_t k = 0; k < feeds->n; k++)
		if (!kept[k])
			feed_free(feeds->v[k]);
	free(feeds->v);
	feeds->v = take(v);
	feeds->n = n;
	admit_free(feeds->admit);
	feeds->admit = admit;
	feeds->config = config;
	settle(feeds);
	return 0;

fail:
	for (size_t i = 0; v && i < n; i++)
		feed_free(v[i]);
	admit_free(admit);
	return code;
}

void feeds_poke(struct feeds *feeds)
{
	for (size_t i = 0; i < feeds->n; i++)
		if (feeds->v[i]->feed)
			feed_poke(feeds->v[i]->feed);
}

void feeds_close(struct feeds *feeds)
{
	if (!feeds)
		return;
	for (size_t i = 0; i < feeds->n; i++)
		feed_free(feeds->v[i]);
	free(feeds->v);
	admit_free(feeds->admit);
	free(feeds);
}

bool feeds_are_settled(const struct feeds *feeds)
{
	for (size_t i = 0; i < feeds->n; i++)
		if (feeds->v[i]->feed && !feeds->v[i]->answered)
			return false;
	return true;
}

const struct mesh *feeds_mesh(const struct feeds *feeds)
{
	return feeds->admit->mesh;
}

void feeds_stale(const struct feeds *feeds, bool *ret_stale)
{
	for (size_t i = 0; i < feeds->n; i++) {
		ret_stale[i] = is_stale(feeds, feeds->v[i]);
		if (ret_stale[i] && !feeds->v[i]->told_stale) {
			feeds->v[i]->told_stale = true;
			tell(feeds->v[i], EVENTS_FEED_STALE, "no good answer for longer than stale_after");
		}
	}
}

uint64_t feeds_stale_in_ms(const struct feeds *feeds)
{
	uint64_t next_ms = UINT64_MAX;

	for (size_t i = 0; i < feeds->n; i++) {
		const struct cluster_feed *f = feeds->v[i];
		uint64_t after_ms = stale_after_ms(feeds, f);

		if (f->feed && after_ms != UINT64_MAX && !is_stale(feeds, f))
			next_ms = MIN(next_ms, after_ms - age_ms(feeds, f));
	}
	return next_ms;
}

static void add_counts(json_object *o, const struct snapshot *snapshot)
{
	const struct snapshot_counts *c = &snapshot->counts;
	size_t prefixes = 0;

	for (size_t i = 0; i < snapshot->n_nodes; i++)
		prefixes += snapshot->nodes[i].n_cidrs;
	json_object_object_add(o, "revision", json_object_new_string(snapshot->revision));
	json_object_object_add(o, "nodes", json_object_new_uint64(snapshot->n_nodes));
	json_object_object_add(o, "prefixes", json_object_new_uint64(prefixes));
	json_object_object_add(o, "services", json_object_new_uint64(c->services));
	json_object_object_add(o, "slices", json_object_new_uint64(c->slices4 + c->slices6));
	json_object_object_add(o, "skipped", json_object_new_uint64(c->skipped));
	json_object_object_add(o, "objects", json_object_new_uint64(c->items));
}

static const char *state_of(const struct feeds *feeds, const struct cluster_feed *f)
{
	const struct admit_slot *slot = &feeds->admit->slots[f->slot];

	if (!f->feed)
		return "none";
	if (f->error)
		return "failing";
	if (slot->error)
		return "refused";
	if (!f->answered)
		return "waiting";
	if (is_stale(feeds, f))
		return "stale";
	return "ok";
}

json_object *feeds_status(const struct feeds *feeds)
{
	json_object *list = json_object_new_array();

	for (size_t i = 0; i < feeds->n; i++) {
		const struct cluster_feed *f = feeds->v[i];
		const struct admit_slot *slot = &feeds->admit->slots[i];
		/* The last look's, else why the good look before it is refused. */
		const char *error = f->error ? f->error : slot->error;
		json_object *o = json_object_new_object();

		json_object_object_add(o, "cluster", json_object_new_string(f->name));
		json_object_object_add(o, "id", json_object_new_int(f->id));
		json_object_object_add(o, "own", json_object_new_boolean(!i));
		json_object_object_add(o, "source", json_object_new_string(slot->origin));
		json_object_object_add(o, "state", json_object_new_string(state_of(feeds, f)));
		if (f->good_ms)
			json_object_object_add(o, "age_s",
					       json_object_new_double((uv_now(feeds->loop) - f->good_ms) /
								      1000.0));
		if (slot->accepted)
			add_counts(o, slot->accepted);
		json_object_object_add(o, "stale", json_object_new_boolean(is_stale(feeds, f)));
		json_object_object_add(o, "from_pinned_state",
				       json_object_new_boolean(slot->recovered && slot->accepted));
		json_object_object_add(o, "errors", json_object_new_uint64(f->errors));
		if (error)
			json_object_object_add(o, "error", json_object_new_string(error));
		json_object_array_add(list, o);
	}
	return list;
}
