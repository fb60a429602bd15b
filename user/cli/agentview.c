/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the running agent says, and what stands in for it from the pinned maps when none runs. */
#include "cli/agentview.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/notes.h"
#include "core/defs.h"
#include "core/text.h"

int agentview_status(const struct config *config, json_object **ret_status, struct err *err)
{
	int code = cli_ask(config, "{\"get\":\"status\"}", ret_status, err);

	return code == -ECONNREFUSED ? -ENOENT : code;
}

const json_object *agentview_member(const json_object *object, const char *key)
{
	json_object *member = NULL;

	json_object_object_get_ex(object, key, &member);
	return member;
}

const char *agentview_text(const json_object *object, const char *key)
{
	const json_object *member = agentview_member(object, key);

	return member ? json_object_get_string((json_object *)member) : "";
}

uint64_t agentview_number(const json_object *object, const char *key)
{
	const json_object *member = agentview_member(object, key);

	return member ? json_object_get_uint64(member) : 0;
}

json_object *agentview_feeds_of(const struct view *view)
{
	json_object *list = json_object_new_array();

	for (size_t i = 0; i < view->actual->n_clusters; i++) {
		const struct wanted_cluster *c = &view->actual->clusters[i];
		json_object *o = json_object_new_object();
		size_t nodes = 0, prefixes = 0;

		for (size_t k = 0; k < view->actual->n_names; k++)
			nodes += view->actual->names[k].name.cluster == c->id;
		for (size_t k = 0; k < view->actual->n_routes; k++)
			prefixes += view->actual->routes[k].route.cluster == c->id;
		json_object_object_add(o, "cluster", json_object_new_string(c->cluster.name));
		json_object_object_add(o, "id", json_object_new_int(c->id));
		json_object_object_add(o, "own", json_object_new_boolean(c->cluster.own));
		json_object_object_add(o, "source", json_object_new_string(c->cluster.origin));
		json_object_object_add(o, "state", json_object_new_string("no agent"));
		json_object_object_add(o, "age_s",
				       json_object_new_uint64(view_age(view, c->cluster.since_s)));
		json_object_object_add(o, "revision", json_object_new_string(c->cluster.revision));
		json_object_object_add(o, "nodes", json_object_new_uint64(nodes));
		json_object_object_add(o, "prefixes", json_object_new_uint64(prefixes));
		json_object_array_add(list, o);
	}
	return list;
}

static void cell(struct emit *emit, const json_object *feed, const char *key)
{
	if (agentview_member(feed, key))
		emit_cell_number(emit, agentview_number(feed, key));
	else
		emit_cell_text(emit, NULL);
}

static void text_cell(struct emit *emit, const json_object *feed, const char *key)
{
	emit_cell_text(emit, agentview_member(feed, key) ? agentview_text(feed, key) : NULL);
}

static void bool_cell(struct emit *emit, const json_object *feed, const char *key)
{
	emit_cell_bool(emit, json_object_get_boolean(agentview_member(feed, key)));
}

/* Why those fail that do not serve: of the one that does the feed's own error tells. */
static void note_sources(struct notes *errors, const json_object *feed)
{
	const json_object *sources = agentview_member(feed, "sources");

	for (size_t i = 0; sources && i < json_object_array_length(sources); i++) {
		const json_object *source = json_object_array_get_idx(sources, i);

		if (agentview_member(source, "error") &&
		    strcmp(agentview_text(source, "error"), agentview_text(feed, "error")))
			notes_add(errors, "%s: %s: %s", agentview_text(feed, "cluster"),
				  agentview_text(source, "source"), agentview_text(source, "error"));
	}
}

static void note_cache(struct notes *errors, const json_object *feed)
{
	char age[24];

	if (json_object_get_boolean(agentview_member(feed, "from_cache")))
		notes_add(errors, "%s: served from the disk, as it was %s ago", agentview_text(feed, "cluster"),
			  text_age(agentview_number(feed, "cache_age_s"), age, sizeof(age)));
}

/* Where a cluster has one source alone, its row among the feeds says it all. */
static bool has_choice(const json_object *feed)
{
	const json_object *sources = agentview_member(feed, "sources");

	return sources && json_object_array_length(sources) > 1;
}

static void emit_sources(struct emit *emit, bool json, const json_object *feeds)
{
	static const struct emit_column columns[] = {
		{ "cluster", "CLUSTER", false }, { "priority", "PRIORITY", true }, { "state", "STATE", false },
		{ "serving", "SERVING", false }, { "age_s", "AGE", true },         { "errors", "ERRORS", true },
		{ "revision", "REVISION", false }, { "source", "SOURCE", false },  { "error", NULL, false },
	};
	size_t n = feeds ? json_object_array_length(feeds) : 0;
	bool any = json;

	for (size_t i = 0; i < n; i++)
		any |= has_choice(json_object_array_get_idx(feeds, i));
	if (!any)
		return;
	emit_table(emit, "feed_sources", "Sources", columns, ARRAY_SIZE(columns), "none");
	for (size_t i = 0; i < n; i++) {
		const json_object *feed = json_object_array_get_idx(feeds, i);
		const json_object *sources = agentview_member(feed, "sources");

		for (size_t k = 0; (json || has_choice(feed)) && sources && k < json_object_array_length(sources); k++) {
			const json_object *source = json_object_array_get_idx(sources, k);

			emit_row(emit);
			text_cell(emit, feed, "cluster");
			emit_cell_number(emit, k + 1);
			text_cell(emit, source, "state");
			bool_cell(emit, source, "serving");
			if (agentview_member(source, "age_s"))
				emit_cell_age(emit, agentview_number(source, "age_s"));
			else
				emit_cell_text(emit, NULL);
			cell(emit, source, "errors");
			text_cell(emit, source, "revision");
			text_cell(emit, source, "source");
			text_cell(emit, source, "error");
		}
	}
	emit_table_end(emit);
}

void agentview_emit_feeds(struct emit *emit, bool json, const char *title, const json_object *feeds)
{
	static const struct emit_column columns[] = {
		{ "cluster", "CLUSTER", false },  { "id", NULL, true },           { "own", NULL, false },
		{ "state", "STATE", false },      { "age_s", "AGE", true },       { "nodes", "NODES", true },
		{ "prefixes", "PREFIXES", true }, { "services", "SERVICES", true }, { "slices", "SLICES", true },
		{ "skipped", "SKIPPED", true },   { "objects", NULL, true },      { "errors", "ERRORS", true },
		{ "revision", "REVISION", false }, { "source", "SOURCE", false }, { "error", NULL, false },
		{ "from_pinned_state", NULL, false }, { "from_cache", NULL, false },
		{ "cache_age_s", NULL, true },    { "stale", NULL, false },       { "bad", NULL, true },
		{ "serving", NULL, false },       { "held_revision", NULL, false }, { "held_digest", NULL, false },
	};
	size_t n = feeds ? json_object_array_length(feeds) : 0;
	struct notes errors = { 0 };

	emit_table(emit, "feeds", title, columns, ARRAY_SIZE(columns), "no feeds");
	for (size_t i = 0; i < n; i++) {
		const json_object *feed = json_object_array_get_idx(feeds, i);

		emit_row(emit);
		text_cell(emit, feed, "cluster");
		cell(emit, feed, "id");
		emit_cell_bool(emit, json_object_get_boolean(agentview_member(feed, "own")));
		text_cell(emit, feed, "state");
		if (agentview_member(feed, "age_s"))
			emit_cell_age(emit, agentview_number(feed, "age_s"));
		else
			emit_cell_text(emit, NULL);
		cell(emit, feed, "nodes");
		cell(emit, feed, "prefixes");
		cell(emit, feed, "services");
		cell(emit, feed, "slices");
		cell(emit, feed, "skipped");
		cell(emit, feed, "objects");
		cell(emit, feed, "errors");
		text_cell(emit, feed, "revision");
		text_cell(emit, feed, "source");
		text_cell(emit, feed, "error");
		bool_cell(emit, feed, "from_pinned_state");
		bool_cell(emit, feed, "from_cache");
		cell(emit, feed, "cache_age_s");
		bool_cell(emit, feed, "stale");
		cell(emit, feed, "bad");
		text_cell(emit, feed, "serving");
		text_cell(emit, agentview_member(feed, "held"), "revision");
		text_cell(emit, agentview_member(feed, "held"), "digest");
		if (agentview_member(feed, "error"))
			notes_add(&errors, "%s: %s", agentview_text(feed, "cluster"), agentview_text(feed, "error"));
		note_sources(&errors, feed);
		note_cache(&errors, feed);
	}
	emit_table_end(emit);
	if (!json)
		emit_list(emit, "feed_errors", "Feed errors", (const char *const *)errors.v, errors.n, NULL);
	notes_done(&errors);
	emit_sources(emit, json, feeds);
}

const char *agentview_health(const json_object *status, uint32_t number)
{
	char key[16];
	const json_object *member;

	snprintf(key, sizeof(key), "%u", number);
	member = agentview_member(agentview_member(status, "health"), key);
	return member ? json_object_get_string((json_object *)member) : NULL;
}
