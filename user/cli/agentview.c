/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the running agent says, and what stands in for it from the pinned maps when none runs. */
#include "cli/agentview.h"

#include <errno.h>
#include <stdio.h>

#include "agent/notes.h"
#include "core/defs.h"

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

void agentview_emit_feeds(struct emit *emit, bool json, const char *title, const json_object *feeds)
{
	static const struct emit_column columns[] = {
		{ "cluster", "CLUSTER", false },  { "id", NULL, true },           { "own", NULL, false },
		{ "state", "STATE", false },      { "age_s", "AGE", true },       { "nodes", "NODES", true },
		{ "prefixes", "PREFIXES", true }, { "services", "SERVICES", true }, { "slices", "SLICES", true },
		{ "skipped", "SKIPPED", true },   { "objects", NULL, true },      { "errors", "ERRORS", true },
		{ "revision", "REVISION", false }, { "source", "SOURCE", false }, { "error", NULL, false },
		{ "from_pinned_state", NULL, false },
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
		emit_cell_bool(emit, json_object_get_boolean(agentview_member(feed, "from_pinned_state")));
		if (agentview_member(feed, "error"))
			notes_add(&errors, "%s: %s", agentview_text(feed, "cluster"), agentview_text(feed, "error"));
	}
	emit_table_end(emit);
	if (!json)
		emit_list(emit, "feed_errors", "Feed errors", (const char *const *)errors.v, errors.n, NULL);
	notes_done(&errors);
}

const char *agentview_health(const json_object *status, uint32_t number)
{
	char key[16];
	const json_object *member;

	snprintf(key, sizeof(key), "%u", number);
	member = agentview_member(agentview_member(status, "health"), key);
	return member ? json_object_get_string((json_object *)member) : NULL;
}
