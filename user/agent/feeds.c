/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The feeds of all clusters: what becomes of what they yield, and of their silence. */
#include "agent/feeds.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/feeds_parts.h"
#include "core/defs.h"
#include "core/log.h"

/* A feed that is silent delays the others' first turn for so long. */
#define SETTLE_MS 2000
/* A busy feed's readings are told one by one, up to so many in a time. */
#define BURST_N 20
#define BURST_MS 10000

static void look(struct cluster_feed *f);
static void look_all(struct feeds *feeds);

static void cluster_free(struct cluster_feed *f)
{
	if (!f)
		return;
	sources_free(f->sources);
	free(f->logged);
	free(f);
}

static struct admit_slot *slot_of(const struct cluster_feed *f)
{
	return &f->feeds->admit->slots[f->slot];
}

static void tell(const struct cluster_feed *f, enum events_kind kind, const char *text)
{
	const struct feeds_callbacks *callbacks = &f->feeds->callbacks;

	if (callbacks->event)
		callbacks->event(callbacks->user, kind, f->config->name, text);
}

/* ---- judging ------------------------------------------------------------------------------- */

/* Each refusal is logged once, when it is new. */
static void log_refusal(struct cluster_feed *f)
{
	const struct admit_slot *slot = slot_of(f);

	if (!slot->error) {
		free(take(f->logged));
		return;
	}
	if (f->logged && !strcmp(f->logged, slot->error))
		return;
	log_error("feed of cluster %s (%s) is refused, what is known of it stays: %s", f->config->name,
		  slot->pending_origin ? slot->pending_origin : slot->origin, slot->error);
	tell(f, EVENTS_FEED_REFUSED, slot->error);
	f->refusals++;
	free(f->logged);
	f->logged = strdup(slot->error);
}

static void log_held(struct cluster_feed *f)
{
	const struct admit_slot *slot = slot_of(f);
	char text[EVENTS_TEXT_MAX];

	if (!slot->held || f->told_held == slot->n_offered)
		return;
	f->told_held = slot->n_offered;
	feeds_held_text(slot, text, sizeof(text));
	log_warn("feed of cluster %s is held, what is known of it stays: %s, more than max_shrink (%u %%); if it is "
		 "meant, `xmesh feed accept %s` lets it pass", f->config->name, text,
		 f->feeds->config->max_shrink_percent, f->config->name);
	tell(f, EVENTS_FEED_HELD, text);
}

static void settle(struct feeds *feeds)
{
	struct err err;

	if (admit_settle(feeds->admit, &err))
		log_error("%s", err.text);
	for (size_t i = 0; i < feeds->n; i++) {
		struct cluster_feed *f = feeds->v[i];
		struct admit_slot *slot = slot_of(f);

		log_refusal(f);
		log_held(f);
		if (slot->n_accepted == f->n_accepted)
			continue;
		f->n_accepted = slot->n_accepted;
		if (slot->accepted->seen_ns)
			feeds->seen_ns = feeds->seen_ns ? MIN(feeds->seen_ns, slot->accepted->seen_ns) :
							  slot->accepted->seen_ns;
		cacher_put(feeds->cacher, f->config->name, f->config->id, slot->accepted);
	}
}

/* At the start all feeds are judged together, so that their order does not matter. */
static void settle_and_tell(struct feeds *feeds, bool services_only)
{
	uint64_t seen_ns;

	if (!feeds_are_settled(feeds))
		return;
	feeds->settle_by_ms = 0;
	settle(feeds);
	seen_ns = feeds->seen_ns;
	feeds->seen_ns = 0;
	feeds->callbacks.changed(feeds->callbacks.user, services_only && !feeds->admit->nodes_changed, seen_ns);
}

static void offer(struct cluster_feed *f)
{
	const struct source *source = sources_main(f->sources);
	bool first = !f->offered;

	f->offered = true;
	f->removed = false;
	admit_offer(f->feeds->admit, f->slot, snapshot_hold(source->latest), source->origin);
	settle_and_tell(f->feeds, !first);
}

static bool choose(struct cluster_feed *f)
{
	const size_t before = f->sources->serving;
	char text[EVENTS_TEXT_MAX];

	if (!sources_choose(f->sources, f->feeds->config->stale_after_ms))
		return false;
	if (before == SOURCES_NONE && !f->sources->serving)
		return true;
	snprintf(text, sizeof(text), "%s serves now", sources_main(f->sources)->origin);
	log_warn("feed of cluster %s: %s", f->config->name, text);
	tell(f, EVENTS_FEED_SOURCE, text);
	return true;
}

/* ---- the cache ----------------------------------------------------------------------------- */

static struct cluster_feed *find_id(const struct feeds *feeds, uint16_t id)
{
	for (size_t i = 0; i < feeds->n; i++)
		if (feeds->v[i]->config->id == id)
			return feeds->v[i];
	return NULL;
}

static void on_cached(void *user, uint16_t id, int code, struct snapshot *snapshot, time_t time_s,
		      const struct err *err)
{
	struct feeds *feeds = user;
	struct cluster_feed *f = find_id(feeds, id);
	char text[EVENTS_TEXT_MAX];

	if (!f) {
		snapshot_free(snapshot);
		return;
	}
	f->cache_reading = false;
	if (!code) {
		f->cached_s = time_s;
		snprintf(text, sizeof(text), "revision %s of %lld s ago serves from the cache until it answers",
			 snapshot->revision, (long long)MAX(time(NULL) - time_s, 0));
		admit_recover(feeds->admit, f->slot, snapshot, true);
		if (slot_of(f)->cached) {
			log_warn("feed of cluster %s: %s", f->config->name, text);
			tell(f, EVENTS_FEED_CACHED, text);
		}
	} else if (code != -ENOENT) {
		log_warn("the cached state of cluster %s is ignored: %s", f->config->name, err->text);
	}
	settle_and_tell(feeds, false);
}

/* Once, where nothing else is known of the cluster. */
static void ask_cache(struct cluster_feed *f)
{
	const struct admit_slot *slot = slot_of(f);

	if (f->cache_asked || f->offered || slot->accepted || slot->pending)
		return;
	f->cache_asked = true;
	f->cache_reading = !cacher_read(f->feeds->cacher, f->config->name, f->config->id, on_cached, f->feeds);
}

/* ---- what sources say ---------------------------------------------------------------------- */

static void is_well(struct cluster_feed *f, size_t i, bool was_bad)
{
	bool was_stale = f->told_stale && !feeds_is_stale(f->feeds, f);

	if (was_bad)
		log_info("feed of cluster %s (%s) is good again", f->config->name, f->sources->v[i].origin);
	if (was_bad || was_stale)
		tell(f, EVENTS_FEED_BACK, "answers again");
	if (was_stale)
		f->told_stale = false;
}

static bool is_among(const struct snapshot *snapshot, const char *warning)
{
	for (size_t i = 0; snapshot && i < snapshot->n_warnings; i++)
		if (!strcmp(snapshot->warnings[i], warning))
			return true;
	return false;
}

/* What came with the snapshot before is not said again; a busy feed is not told change by change. */
static void tell_read(struct cluster_feed *f, const struct snapshot *snapshot, const struct snapshot *before)
{
	uint64_t now_ms = uv_now(f->feeds->loop);
	char text[EVENTS_TEXT_MAX];

	for (size_t i = 0; i < snapshot->n_warnings; i++)
		if (!is_among(before, snapshot->warnings[i]))
			log_warn("feed of cluster %s: %s", f->config->name, snapshot->warnings[i]);
	if (!f->burst_n || now_ms - f->burst_ms >= BURST_MS) {
		f->burst_ms = now_ms;
		f->burst_n = 0;
	}
	if (++f->burst_n > BURST_N)
		return;
	snprintf(text, sizeof(text), "%zu nodes, revision %s%s", snapshot->n_nodes, snapshot->revision,
		 f->burst_n == BURST_N ? "; more of them are not told for some seconds" : "");
	log_info("feed of cluster %s: %s", f->config->name, text);
	tell(f, EVENTS_FEED_READ, text);
}

static void on_read(void *user, size_t i, bool was_bad, const struct snapshot *before)
{
	struct cluster_feed *f = user;
	bool chosen = choose(f);

	is_well(f, i, was_bad);
	tell_read(f, f->sources->v[i].latest, before);
	if (chosen || f->sources->serving == i)
		offer(f);
	look(f);
}

static void on_failed(void *user, size_t i, const struct err *err, bool was_well)
{
	struct cluster_feed *f = user;
	struct feeds *feeds = f->feeds;

	log_error("feed of cluster %s (%s) failed, what is known of it stays: %s", f->config->name,
		  f->sources->v[i].origin, err->text);
	tell(f, EVENTS_FEED_FAILED, err->text);
	if (choose(f)) {
		offer(f);
	} else {
		if (sources_have_answered(f->sources))
			ask_cache(f);
		if (feeds->settle_by_ms)
			settle_and_tell(feeds, false);
		else if (was_well)
			feeds->callbacks.fresh(feeds->callbacks.user);
	}
	look(f);
}

static void on_fresh(void *user, size_t i, bool was_bad)
{
	struct cluster_feed *f = user;
	bool chosen = choose(f), was_stale = f->told_stale;

	is_well(f, i, was_bad);
	if (chosen || (f->removed && f->sources->serving == i))
		offer(f);
	else if (was_stale && !f->told_stale)
		f->feeds->callbacks.fresh(f->feeds->callbacks.user);
	look(f);
}

/* ---- what time brings ---------------------------------------------------------------------- */

static bool is_settled(const struct cluster_feed *f)
{
	return !f->sources->n || f->offered || (sources_have_answered(f->sources) && !f->cache_reading);
}

bool feeds_are_settled(const struct feeds *feeds)
{
	if (uv_now(feeds->loop) >= feeds->settle_by_ms)
		return true;
	for (size_t i = 0; i < feeds->n; i++)
		if (!is_settled(feeds->v[i]))
			return false;
	return true;
}

static void remove_old(struct cluster_feed *f)
{
	struct feeds *feeds = f->feeds;
	const struct admit_slot *slot = slot_of(f);

	if (!slot->accepted || !sources_are_older(f->sources, feeds->config->remove_after_ms))
		return;
	log_warn("feed of cluster %s: no good answer for longer than remove_after, what is known of it is removed",
		 f->config->name);
	tell(f, EVENTS_FEED_REMOVED, "no good answer for longer than remove_after");
	f->removed = true;
	admit_remove(feeds->admit, f->slot);
	cacher_forget(feeds->cacher, f->config->name);
	settle_and_tell(feeds, false);
}

static uint64_t next_ms(const struct cluster_feed *f)
{
	const struct config *config = f->feeds->config;

	return MIN(sources_next_ms(f->sources, config->stale_after_ms),
		   sources_older_in_ms(f->sources, config->remove_after_ms));
}

static void on_timer(uv_timer_t *timer)
{
	struct feeds *feeds = timer->data;
	bool late = feeds->settle_by_ms && uv_now(feeds->loop) >= feeds->settle_by_ms;

	for (size_t i = 0; i < feeds->n; i++) {
		struct cluster_feed *f = feeds->v[i];

		if (late && !is_settled(f))
			ask_cache(f);
		if (choose(f))
			offer(f);
		remove_old(f);
	}
	if (late)
		settle_and_tell(feeds, false);
	look_all(feeds);
}

/* When time alone changes something next. */
static void look_all(struct feeds *feeds)
{
	uint64_t now_ms = uv_now(feeds->loop), ms = UINT64_MAX;

	if (now_ms < feeds->settle_by_ms)
		ms = feeds->settle_by_ms - now_ms;
	for (size_t i = 0; i < feeds->n; i++)
		ms = MIN(ms, next_ms(feeds->v[i]));
	if (ms == UINT64_MAX)
		uv_timer_stop(feeds->timer);
	else
		uv_timer_start(feeds->timer, on_timer, ms, 0);
}

/* The same after word of one: with hundreds that are busy, not of all. A timer that comes too early looks anew. */
static void look(struct cluster_feed *f)
{
	uv_timer_t *timer = f->feeds->timer;
	uint64_t ms = next_ms(f);

	if (ms != UINT64_MAX && (!uv_is_active((uv_handle_t *)timer) || uv_timer_get_due_in(timer) > ms))
		uv_timer_start(timer, on_timer, ms, 0);
}

/* ---- configuration ------------------------------------------------------------------------- */

static int cluster_new(struct feeds *feeds, const struct config_cluster *config, size_t slot,
		       struct cluster_feed **ret_cluster, struct err *err)
{
	struct cluster_feed *f = calloc(1, sizeof(*f));
	struct sources_callbacks callbacks = { .read = on_read, .failed = on_failed, .fresh = on_fresh, .user = f };
	int code;

	if (!f)
		return err_set(err, -ENOMEM, "out of memory");
	f->feeds = feeds;
	f->slot = slot;
	f->config = config;
	code = sources_new(feeds->loop, config, &callbacks, &f->sources, err);
	if (code) {
		free(f);
		return code;
	}
	*ret_cluster = f;
	return 0;
}

static bool is_same(const struct cluster_feed *f, const struct config_cluster *config)
{
	const struct config_cluster *old = f->config;

	if (old->id != config->id || strcmp(old->name, config->name) || old->n_sources != config->n_sources)
		return false;
	for (size_t i = 0; i < old->n_sources; i++)
		if (!config_source_equal(&old->sources[i], &config->sources[i]))
			return false;
	return true;
}

static void recover(struct feeds *feeds, struct admit *admit, const struct cluster_feed *f)
{
	struct snapshot *snapshot;

	if (f->sources->n && !feeds->callbacks.recover(feeds->callbacks.user, f->config->id, &snapshot))
		admit_recover(admit, f->slot, snapshot, false);
}

static void on_timer_closed(uv_handle_t *handle)
{
	free(handle);
}

int feeds_new(uv_loop_t *loop, const struct config *config, const struct feeds_callbacks *callbacks,
	      struct feeds **ret_feeds, struct err *err)
{
	struct feeds *feeds = calloc(1, sizeof(*feeds));
	auto_free char *dir = cache_dir(config);
	int code;

	if (!feeds || !dir || cacher_new(loop, dir, &feeds->cacher)) {
		free(feeds);
		return err_set(err, -ENOMEM, "out of memory");
	}
	feeds->loop = loop;
	feeds->callbacks = *callbacks;
	feeds->timer = calloc(1, sizeof(*feeds->timer));
	if (!feeds->timer) {
		feeds_close(feeds);
		return err_set(err, -ENOMEM, "out of memory");
	}
	uv_timer_init(loop, feeds->timer);
	feeds->timer->data = feeds;
	code = feeds_reconfigure(feeds, config, err);
	if (code) {
		feeds_close(feeds);
		return code;
	}
	*ret_feeds = feeds;
	return 0;
}

static void move_cluster(struct feeds *feeds, size_t from, struct admit *admit, size_t to, struct cluster_feed **v)
{
	v[to] = feeds->v[from];
	v[to]->slot = to;
	v[to]->config = admit_cluster(admit, to);
	admit_move(feeds->admit, from, admit, to);
}

/* A cluster that is not there any more leaves nothing on disk. */
static void drop_cluster(struct feeds *feeds, struct cluster_feed *f, const struct admit *admit)
{
	bool stays = false;

	for (size_t i = 0; i < admit->n; i++)
		stays |= !strcmp(admit_cluster(admit, i)->name, f->config->name);
	if (!stays)
		cacher_forget(feeds->cacher, f->config->name);
	cluster_free(f);
}

int feeds_reconfigure(struct feeds *feeds, const struct config *config, struct err *err)
{
	size_t n = config->n_peers + 1;
	auto_free struct cluster_feed **v = calloc(n, sizeof(*v));
	auto_free bool *kept = calloc(feeds->n + 1, sizeof(*kept));
	struct admit *admit = NULL;
	bool fresh = false;
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
		fresh = true;
		code = cluster_new(feeds, cluster, i, &v[i], err);
		if (code)
			goto fail;
	}

	/* Nothing fails from here on. */
	for (size_t i = 0; i < n; i++) {
		if (v[i]) {
			recover(feeds, admit, v[i]);
			continue;
		}
		for (size_t k = 0; k < feeds->n && !v[i]; k++) {
			if (!kept[k] && is_same(feeds->v[k], admit_cluster(admit, i))) {
				move_cluster(feeds, k, admit, i, v);
				kept[k] = true;
			}
		}
	}
	for (size_t k = 0; k < feeds->n; k++)
		if (!kept[k])
			drop_cluster(feeds, feeds->v[k], admit);
	free(feeds->v);
	feeds->v = take(v);
	feeds->n = n;
	admit_free(feeds->admit);
	feeds->admit = admit;
	feeds->config = config;
	if (fresh)
		feeds->settle_by_ms = uv_now(feeds->loop) + SETTLE_MS;
	settle(feeds);
	look_all(feeds);
	return 0;

fail:
	for (size_t i = 0; v && i < n; i++)
		cluster_free(v[i]);
	admit_free(admit);
	return code;
}

void feeds_poke(struct feeds *feeds)
{
	for (size_t i = 0; i < feeds->n; i++)
		sources_poke(feeds->v[i]->sources);
}

void feeds_close(struct feeds *feeds)
{
	if (!feeds)
		return;
	for (size_t i = 0; i < feeds->n; i++)
		cluster_free(feeds->v[i]);
	free(feeds->v);
	admit_free(feeds->admit);
	if (feeds->timer)
		uv_close((uv_handle_t *)feeds->timer, on_timer_closed);
	cacher_close(feeds->cacher);
	free(feeds);
}

/* ---- looks --------------------------------------------------------------------------------- */

void feeds_stale(const struct feeds *feeds, bool *ret_stale)
{
	for (size_t i = 0; i < feeds->n; i++) {
		struct cluster_feed *f = feeds->v[i];

		ret_stale[i] = feeds_is_stale(feeds, f);
		if (ret_stale[i] && !f->told_stale) {
			f->told_stale = true;
			tell(f, EVENTS_FEED_STALE, "no good answer for longer than stale_after");
		}
	}
}

int feeds_accept(struct feeds *feeds, const char *cluster, const char *digest, struct err *err)
{
	struct cluster_feed *f = NULL;
	struct admit_slot *slot;
	char held[17], text[EVENTS_TEXT_MAX];

	for (size_t i = 0; i < feeds->n && !f; i++)
		if (!strcmp(feeds->v[i]->config->name, cluster))
			f = feeds->v[i];
	if (!f)
		return err_set(err, -ENOENT, "there is no cluster %s", cluster);
	slot = slot_of(f);
	if (!slot->held)
		return err_set(err, -ESRCH, "nothing is held of the feed of cluster %s", cluster);
	feeds_held_digest(slot, held);
	if (strcmp(held, digest))
		return err_set(err, -ESTALE, "another snapshot of cluster %s (revision %s) is held by now: look again",
			       cluster, slot->pending->revision);
	feeds_held_text(slot, text, sizeof(text));
	admit_pass(feeds->admit, f->slot);
	settle_and_tell(feeds, false);
	if (slot->error)
		return err_set(err, -EINVAL, "it passed, but is refused: %s", slot->error);
	log_info("feed of cluster %s: accepted by hand: %s", cluster, text);
	tell(f, EVENTS_FEED_ACCEPTED, text);
	return 0;
}
