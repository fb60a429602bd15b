/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is known about each feed, for turns, status and metrics. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/feeds_parts.h"
#include "core/defs.h"

static void add_text(json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, text ? json_object_new_string(text) : NULL);
}

static void add_number(json_object *o, const char *key, uint64_t n)
{
	json_object_object_add(o, key, json_object_new_uint64(n));
}

static void add_seconds(json_object *o, const char *key, uint64_t ms)
{
	json_object_object_add(o, key, json_object_new_double(ms / 1000.0));
}

const struct mesh *feeds_mesh(const struct feeds *feeds)
{
	return feeds->admit->mesh;
}

bool feeds_is_stale(const struct feeds *feeds, const struct cluster_feed *f)
{
	const struct source *source = sources_main(f->sources);

	return source && source_is_older(source, feeds->config->stale_after_ms);
}

uint64_t feeds_stale_in_ms(const struct feeds *feeds)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < feeds->n; i++) {
		const struct source *source = sources_main(feeds->v[i]->sources);

		if (source)
			next = MIN(next, source_older_in_ms(source, feeds->config->stale_after_ms));
	}
	return next;
}

void feeds_held_text(const struct admit_slot *slot, char *text, size_t size)
{
	const struct shrink_size *a = &slot->size, *b = &slot->pending_size;
	char prefixes[64] = "", backends[64] = "";

	if (b->prefixes < a->prefixes)
		snprintf(prefixes, sizeof(prefixes), "%zu of %zu prefixes", a->prefixes - b->prefixes, a->prefixes);
	if (b->backends < a->backends)
		snprintf(backends, sizeof(backends), "%zu of %zu backends", a->backends - b->backends, a->backends);
	snprintf(text, size, "revision %s would take away %s%s%s", slot->pending->revision, prefixes,
		 prefixes[0] && backends[0] ? " and " : "", backends);
}

void feeds_held_digest(const struct admit_slot *slot, char digest[17])
{
	snprintf(digest, 17, "%016" PRIx64, slot->pending->services_digest * 31 + slot->pending->nodes_digest);
}

static void add_counts(json_object *o, const struct snapshot *snapshot)
{
	const struct snapshot_counts *c = &snapshot->counts;
	size_t prefixes = 0;

	for (size_t i = 0; i < snapshot->n_nodes; i++)
		prefixes += snapshot->nodes[i].n_cidrs;
	add_text(o, "revision", snapshot->revision);
	add_number(o, "nodes", snapshot->n_nodes);
	add_number(o, "prefixes", prefixes);
	add_number(o, "services", c->services);
	add_number(o, "slices", c->slices4 + c->slices6);
	add_number(o, "skipped", c->skipped);
	add_number(o, "objects", c->items);
	add_number(o, "bad", c->bad);
}

static json_object *held_json(const struct admit_slot *slot)
{
	json_object *o = json_object_new_object();
	char digest[17];

	feeds_held_digest(slot, digest);
	add_text(o, "revision", slot->pending->revision);
	add_text(o, "digest", digest);
	add_text(o, "source", slot->pending_origin);
	add_number(o, "prefixes_before", slot->size.prefixes);
	add_number(o, "prefixes", slot->pending_size.prefixes);
	add_number(o, "backends_before", slot->size.backends);
	add_number(o, "backends", slot->pending_size.backends);
	return o;
}

static json_object *source_json(const struct feeds *feeds, const struct source *source)
{
	const struct sources *sources = source->owner;
	json_object *o = json_object_new_object();
	bool serving = sources->serving == (size_t)(source - sources->v);

	add_text(o, "source", source->origin);
	add_text(o, "state", source->error ? "failing" : !source->answered ? "waiting" :
			     source_is_older(source, feeds->config->stale_after_ms) ? "stale" : "ok");
	json_object_object_add(o, "serving", json_object_new_boolean(serving));
	if (source->good_ms)
		add_seconds(o, "age_s", source_age_ms(source));
	if (source->latest)
		add_text(o, "revision", source->latest->revision);
	add_number(o, "errors", source->errors);
	if (source->error)
		add_text(o, "error", source->error);
	return o;
}

static const char *state_of(const struct feeds *feeds, const struct cluster_feed *f)
{
	const struct admit_slot *slot = &feeds->admit->slots[f->slot];
	const struct source *source = sources_main(f->sources);

	if (!source)
		return "none";
	if (slot->held)
		return "held";
	if (f->removed)
		return "removed";
	if (source->error)
		return "failing";
	if (slot->error)
		return "refused";
	if (!source->answered)
		return "waiting";
	if (feeds_is_stale(feeds, f))
		return "stale";
	return f->sources->serving ? "fallback" : "ok";
}

static void add_error(json_object *o, const struct admit_slot *slot, const struct source *source,
		      const char *cluster)
{
	char held[200], text[400];

	if (slot->held) {
		feeds_held_text(slot, held, sizeof(held));
		snprintf(text, sizeof(text), "held: %s; `xmesh feed accept %s` lets it pass", held, cluster);
		add_text(o, "error", text);
	} else if (source && source->error) {
		add_text(o, "error", source->error);
	} else if (slot->error) {
		/* Why the good look before it is refused. */
		add_text(o, "error", slot->error);
	}
}

static json_object *cluster_json(const struct feeds *feeds, const struct cluster_feed *f)
{
	const struct admit_slot *slot = &feeds->admit->slots[f->slot];
	const struct source *source = sources_main(f->sources);
	json_object *o = json_object_new_object(), *list = json_object_new_array();
	bool from_cache = slot->accepted && slot->cached;

	add_text(o, "cluster", f->config->name);
	add_number(o, "id", f->config->id);
	json_object_object_add(o, "own", json_object_new_boolean(!f->slot));
	add_text(o, "source", slot->origin);
	add_text(o, "serving", f->sources->serving == SOURCES_NONE ? NULL : source->origin);
	add_text(o, "state", state_of(feeds, f));
	if (source && source->good_ms)
		add_seconds(o, "age_s", source_age_ms(source));
	else if (source)
		add_seconds(o, "waiting_s", source_age_ms(source));
	if (slot->accepted)
		add_counts(o, slot->accepted);
	json_object_object_add(o, "stale", json_object_new_boolean(feeds_is_stale(feeds, f)));
	json_object_object_add(o, "from_pinned_state",
			       json_object_new_boolean(slot->accepted && slot->recovered && !from_cache));
	json_object_object_add(o, "from_cache", json_object_new_boolean(from_cache));
	if (from_cache)
		add_number(o, "cache_age_s", MAX(time(NULL) - f->cached_s, 0));
	add_number(o, "errors", sources_errors(f->sources) + f->refusals);
	add_error(o, slot, source, f->config->name);
	if (slot->held)
		json_object_object_add(o, "held", held_json(slot));
	for (size_t i = 0; i < f->sources->n; i++)
		json_object_array_add(list, source_json(feeds, &f->sources->v[i]));
	json_object_object_add(o, "sources", list);
	return o;
}

json_object *feeds_status(const struct feeds *feeds)
{
	json_object *list = json_object_new_array();

	for (size_t i = 0; i < feeds->n; i++)
		json_object_array_add(list, cluster_json(feeds, feeds->v[i]));
	return list;
}
