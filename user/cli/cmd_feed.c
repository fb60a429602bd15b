/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* feed list, feed check, feed diff. Not for: feed accept (cmd_accept.c). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/agentview.h"
#include "cli/feeddiff.h"
#include "cli/proposal.h"
#include "core/defs.h"
#include "feed/feed.h"
#include "model/mesh.h"
#include "model/services.h"
#include "plane/balance.h"

enum cli_exit cmd_feed_list(struct cli *cli)
{
	auto_config struct config *config = NULL;
	auto_view struct view view = VIEW_NONE;
	auto_json json_object *status = NULL;
	auto_json json_object *own = NULL;
	auto_emit struct emit *emit = NULL;
	struct err err = { 0 };
	enum cli_exit exit = cli_privileged();
	int code;

	if (!exit)
		exit = cli_config(cli, false, &config);
	if (exit)
		return exit;
	code = agentview_status(config, &status, &err);
	if (code && code != -ENOENT)
		cli_warn("%s", err.text);
	if (!status) {
		exit = view_open(cli, &view);
		if (exit)
			return exit;
		own = agentview_feeds_of(&view);
	}
	emit = cli_emit(cli);
	emit_bool(emit, "agent_running", NULL, status != NULL);
	agentview_emit_feeds(emit, cli->json, NULL, status ? agentview_member(status, "feeds") : own);
	if (!status && !cli->json)
		puts("\nNo agent runs: this is what the pinned tables were made from.");
	return CLI_DONE;
}

static void emit_counts(struct emit *emit, const char *path, const struct snapshot *snapshot)
{
	const struct snapshot_counts *c = &snapshot->counts;
	const struct { const char *key, *label; size_t n; } rows[] = {
		{ "files", "Files", c->files },
		{ "documents", "Documents", c->documents },
		{ "items", "Objects", c->items },
		{ "nodes", "Nodes", c->nodes },
		{ "services", "Services", c->services },
		{ "global_services", "  global", c->global_services },
		{ "slices", "EndpointSlices", c->slices4 + c->slices6 },
		{ "slices_ipv4", "  IPv4", c->slices4 },
		{ "slices_ipv6", "  IPv6", c->slices6 },
		{ "slices_empty", "  empty", c->empty_slices },
		{ "endpoints_ready", "Endpoints ready", c->endpoints_ready },
		{ "endpoints_not_ready", "  not ready", c->endpoints_not_ready },
		{ "endpoints_terminating", "  terminating", c->endpoints_terminating },
		{ "endpoints_ipv4_ready", NULL, c->endpoints4[0] },
		{ "endpoints_ipv4_not_ready", NULL, c->endpoints4[1] },
		{ "endpoints_ipv4_terminating", NULL, c->endpoints4[2] },
		{ "endpoints_ipv6_ready", NULL, c->endpoints6[0] },
		{ "endpoints_ipv6_not_ready", NULL, c->endpoints6[1] },
		{ "endpoints_ipv6_terminating", NULL, c->endpoints6[2] },
		{ "service_exports", "ServiceExports", c->service_exports },
		{ "service_imports", "ServiceImports", c->service_imports },
		{ "skipped", "Skipped objects", c->skipped },
	};

	emit_object(emit, NULL, path);
	emit_text(emit, "path", NULL, path);
	emit_text(emit, "revision", "Revision", snapshot->revision);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		emit_number(emit, rows[i].key, rows[i].label, rows[i].n);
	emit_list(emit, "warnings", "Warnings", (const char *const *)snapshot->warnings, snapshot->n_warnings, NULL);
	emit_object_end(emit);
}

/* What the agent would refuse of this feed alone: prefixes that overlap, one address of two nodes, ... */
static int check_alone(const struct config *config, const struct snapshot *snapshot, const char *path, struct err *err)
{
	struct mesh *mesh = NULL;
	int code = mesh_new(config, &snapshot, &path, &mesh, err);

	mesh_free(mesh);
	return code;
}

enum cli_exit cmd_feed_check(struct cli *cli)
{
	auto_emit struct emit *emit = cli_emit(cli);
	auto_config struct config *nobody = NULL;
	enum cli_exit code = CLI_DONE;

	if (config_defaults(&nobody))
		return cli_fail(CLI_FAILED, "out of memory");

	emit_array(emit, "feeds");
	for (size_t i = 0; i < cli->n_args; i++) {
		struct snapshot *snapshot;
		struct err err = { 0 };

		if (feed_dir_read(cli->args[i], &snapshot, &err)) {
			code = cli_fail(CLI_FAILED, "%s", err.text);
			continue;
		}
		if (check_alone(nobody, snapshot, cli->args[i], &err))
			code = cli_fail(CLI_FAILED, "%s", err.text);
		else
			emit_counts(emit, cli->args[i], snapshot);
		snapshot_free(snapshot);
	}
	emit_array_end(emit);
	return code;
}

/* ---- diff ---------------------------------------------------------------------------------- */

static int by_name(const void *va, const void *vb)
{
	const struct service_node *a = va, *b = vb;

	return a->cluster != b->cluster ? (a->cluster > b->cluster) - (a->cluster < b->cluster) :
					  strcmp(a->name, b->name);
}

/* The pinned nodes; how they are does not matter, for it is the same on both sides. */
static struct service_node *nodes_of(const struct view *view)
{
	const struct wanted *actual = view->actual;
	struct service_node *nodes = calloc(actual->n_names + 1, sizeof(*nodes));

	for (size_t i = 0; nodes && i < actual->n_names; i++)
		nodes[i] = (struct service_node){
			.cluster = actual->names[i].name.cluster, .name = actual->names[i].name.name,
			.number = actual->names[i].number, .outer = actual->names[i].name.addr[0],
			.own = actual->names[i].number == actual->config.node };
	if (nodes)
		qsort(nodes, actual->n_names, sizeof(*nodes), by_name);
	return nodes;
}

static int merge(const struct view *view, const struct mesh *mesh, struct services **ret_services, struct err *err)
{
	auto_free struct service_node *nodes = nodes_of(view);
	auto_free bool *stale = calloc(mesh->n_clusters + 1, sizeof(*stale));
	struct services_input input = { .mesh = mesh, .nodes = nodes, .n_nodes = view->actual->n_names, .stale = stale };
	struct services *services;
	int code = nodes && stale ? services_new(&services) : -ENOMEM;

	if (code)
		return err_set(err, code, "out of memory");
	code = services_update(services, &input, err);
	if (code) {
		services_free(services);
		return code;
	}
	*ret_services = services;
	return 0;
}

/* What becomes of services. An error says that they would be refused. */
static int diff_services(const struct view *view, const struct proposal *p, struct feed_change **ret_changes,
			 size_t *ret_n, struct err *err)
{
	struct services *before = NULL, *after = NULL;
	const struct service *const *was, *const *becomes;
	size_t n_was, n_becomes;
	int code;

	if (!p->before)
		return 0;
	code = merge(view, p->before, &before, err);
	if (!code)
		code = merge(view, p->after, &after, err);
	if (!code) {
		was = services_list(before, &n_was);
		becomes = services_list(after, &n_becomes);
		code = feeddiff_services(was, n_was, becomes, n_becomes, ret_changes, ret_n);
		if (code)
			err_set(err, code, "out of memory");
	}
	services_free(before);
	services_free(after);
	return code;
}

static void emit_rows(struct emit *emit, const struct feed_change *changes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct feed_change *c = &changes[i];

		emit_row(emit);
		emit_cell_text(emit, !c->was ? "+" : !c->becomes ? "-" : "~");
		emit_cell_text(emit, c->kind);
		emit_cell_text(emit, c->name);
		emit_cell_text(emit, c->was);
		emit_cell_text(emit, c->becomes);
	}
}

static enum cli_exit diff(const struct cli *cli, const struct view *view, const struct service_tables *tables,
			  const struct snapshot *snapshot)
{
	static const struct emit_column columns[] = {
		{ "change", "", false },      { "kind", "KIND", false },  { "name", "NAME", false },
		{ "before", "BEFORE", false }, { "after", "AFTER", false },
	};
	uint16_t id = proposal_cluster(view, cli->args[0], cli->n_args > 1 ? cli->args[1] : NULL, snapshot,
				       "name it behind PATH");
	struct feed_change *changes = NULL, *services = NULL;
	auto_emit struct emit *emit = NULL;
	struct proposal proposal = { 0 };
	struct err err = { 0 };
	size_t n = 0, n_services = 0;
	int code;

	if (!id)
		return CLI_NONE;
	code = proposal_make(view, tables, id, snapshot, cli->args[0], &proposal, &err);
	if (!code)
		code = diff_services(view, &proposal, &services, &n_services, &err);
	proposal_done(&proposal);
	if (feeddiff_new(view->actual, id, snapshot, &changes, &n)) {
		feeddiff_free(services, n_services);
		return cli_fail(CLI_FAILED, "out of memory");
	}
	emit = cli_emit(cli);
	emit_text(emit, "cluster", "Cluster", view_cluster_name(view, id));
	emit_text(emit, "revision", "Revision", snapshot->revision);
	emit_bool(emit, "accepted", "Accepted", !code);
	emit_text(emit, "error", NULL, code ? err.text : NULL);
	emit_table(emit, "changes", NULL, columns, ARRAY_SIZE(columns), "no change");
	emit_rows(emit, changes, n);
	emit_rows(emit, services, n_services);
	emit_table_end(emit);
	feeddiff_free(changes, n);
	feeddiff_free(services, n_services);
	return code ? cli_fail(CLI_FAILED, "this feed would be refused: %s", err.text) : CLI_DONE;
}

enum cli_exit cmd_feed_diff(struct cli *cli)
{
	auto_view struct view view = VIEW_NONE;
	struct service_tables *tables = NULL;
	struct snapshot *snapshot;
	struct err err = { 0 };
	enum cli_exit code;

	if (feed_dir_read(cli->args[0], &snapshot, &err))
		return cli_fail(CLI_FAILED, "%s", err.text);
	code = view_open(cli, &view);
	if (!code && balance_read(&view.plane, &tables, &err))
		code = cli_fail(CLI_FAILED, "%s", err.text);
	if (!code)
		code = diff(cli, &view, tables, snapshot);
	service_tables_free(tables);
	snapshot_free(snapshot);
	return code;
}
