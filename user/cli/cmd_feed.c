/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* feed list, feed check, feed diff. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "cli/agentview.h"
#include "cli/feeddiff.h"
#include "core/defs.h"
#include "feed/feed.h"
#include "model/mesh.h"
#include "model/recover.h"

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

static bool same_path(const char *a, const char *b)
{
	auto_free char *x = realpath(a, NULL), *y = realpath(b, NULL);

	return x && y && !strcmp(x, y);
}

static const struct config_cluster *cluster_at(const struct config *config, size_t i)
{
	return i ? &config->peers[i - 1] : &config->own;
}

/* By name, else by the configured feed, else by the nodes. 0 = said that it is not clear. */
static uint16_t which_cluster(const struct cli *cli, const struct view *view, const struct snapshot *snapshot)
{
	const char *name = cli->n_args > 1 ? cli->args[1] : NULL;
	uint16_t id;

	for (size_t i = 0; i <= view->config->n_peers; i++) {
		const struct config_cluster *c = cluster_at(view->config, i);

		if (name ? !strcmp(name, c->name) : c->dir && same_path(cli->args[0], c->dir))
			return c->id;
	}
	for (size_t i = 0; name && i < view->actual->n_clusters; i++)
		if (!strcmp(view->actual->clusters[i].cluster.name, name))
			return view->actual->clusters[i].id;
	id = name ? 0 : feeddiff_guess(view->actual, snapshot);
	if (name)
		cli_fail(CLI_NONE, "feed diff: there is no cluster %s", name);
	else if (!id)
		cli_fail(CLI_NONE, "feed diff: no cluster has this feed or these nodes: name it, feed diff %s CLUSTER",
			 cli->args[0]);
	return id;
}

/* Would the mesh refuse it? The others as they are pinned. */
static int would_fit(const struct view *view, uint16_t id, const struct snapshot *snapshot, const char *path,
		     struct err *err)
{
	size_t n = view->config->n_peers + 1;
	auto_free struct snapshot **recovered = calloc(n, sizeof(*recovered));
	auto_free const struct snapshot **set = calloc(n, sizeof(*set));
	auto_free const char **origins = calloc(n, sizeof(*origins));
	struct mesh *mesh = NULL;
	int code;

	if (!recovered || !set || !origins)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++) {
		const struct config_cluster *c = cluster_at(view->config, i);
		const struct xm_cluster *pinned = view_cluster(view, c->id);

		origins[i] = c->id == id ? path : pinned ? pinned->origin : "no feed";
		if (c->id == id)
			set[i] = snapshot;
		else if (!recover_snapshot(view->actual, NULL, c->id, i == 0, &recovered[i]))
			set[i] = recovered[i];
	}
	code = mesh_new(view->config, set, origins, &mesh, err);
	mesh_free(mesh);
	for (size_t i = 0; i < n; i++)
		snapshot_free(recovered[i]);
	return code;
}

static void emit_changes(struct emit *emit, const struct feed_change *changes, size_t n)
{
	static const struct emit_column columns[] = {
		{ "change", "", false },      { "kind", "KIND", false },  { "name", "NAME", false },
		{ "before", "BEFORE", false }, { "after", "AFTER", false },
	};

	emit_table(emit, "changes", NULL, columns, ARRAY_SIZE(columns), "no change");
	for (size_t i = 0; i < n; i++) {
		const struct feed_change *c = &changes[i];

		emit_row(emit);
		emit_cell_text(emit, !c->was ? "+" : !c->becomes ? "-" : "~");
		emit_cell_text(emit, c->kind);
		emit_cell_text(emit, c->name);
		emit_cell_text(emit, c->was);
		emit_cell_text(emit, c->becomes);
	}
	emit_table_end(emit);
}

static enum cli_exit diff(const struct cli *cli, const struct view *view, const struct snapshot *snapshot)
{
	uint16_t id = which_cluster(cli, view, snapshot);
	auto_emit struct emit *emit = NULL;
	struct feed_change *changes;
	struct err err = { 0 };
	bool fits;
	size_t n;

	if (!id)
		return CLI_NONE;
	fits = !would_fit(view, id, snapshot, cli->args[0], &err);
	if (feeddiff_new(view->actual, id, snapshot, &changes, &n))
		return cli_fail(CLI_FAILED, "out of memory");
	emit = cli_emit(cli);
	emit_text(emit, "cluster", "Cluster", view_cluster_name(view, id));
	emit_text(emit, "revision", "Revision", snapshot->revision);
	emit_bool(emit, "accepted", "Accepted", fits);
	emit_text(emit, "error", NULL, fits ? NULL : err.text);
	emit_changes(emit, changes, n);
	feeddiff_free(changes, n);
	return fits ? CLI_DONE : cli_fail(CLI_FAILED, "this feed would be refused: %s", err.text);
}

enum cli_exit cmd_feed_diff(struct cli *cli)
{
	auto_view struct view view = VIEW_NONE;
	struct snapshot *snapshot;
	struct err err = { 0 };
	enum cli_exit code;

	if (feed_dir_read(cli->args[0], &snapshot, &err))
		return cli_fail(CLI_FAILED, "%s", err.text);
	code = view_open(cli, &view);
	if (!code)
		code = diff(cli, &view, snapshot);
	snapshot_free(snapshot);
	return code;
}
