/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * status: agent, features, hooks, feeds, tables, drops, what is in the way. What the agent does not
 * say, or would say if it ran, comes from the pinned state and a look at the host.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/hostcheck.h"
#include "agent/lock.h"
#include "cli/agentview.h"
#include "core/defs.h"
#include "core/text.h"
#include "core/version.h"
#include "plane/actual.h"
#include "plane/attach.h"
#include "plane/features.h"

static void emit_agent(struct emit *emit, const struct config *config, const json_object *status)
{
	pid_t holder = lock_holder(config);
	char text[128], age[24];

	emit_object(emit, "agent", NULL);
	if (status) {
		uint64_t since_s = agentview_number(status, "since_s");
		bool ready = json_object_get_boolean(agentview_member(status, "ready"));

		snprintf(text, sizeof(text), "running, pid %llu, for %s%s",
			 (unsigned long long)agentview_number(status, "pid"),
			 text_age(time(NULL) - since_s, age, sizeof(age)), ready ? "" : ", not ready yet");
		emit_text(emit, "state", "Agent", text);
		emit_bool(emit, "running", NULL, true);
		emit_bool(emit, "ready", NULL, ready);
		emit_number(emit, "pid", NULL, agentview_number(status, "pid"));
		emit_number(emit, "since_s", NULL, since_s);
		emit_text(emit, "version", NULL, agentview_text(status, "version"));
		emit_text(emit, "config", "Configuration", agentview_text(status, "config"));
		emit_json(emit, "turns", json_object_get((json_object *)agentview_member(status, "turns")));
	} else {
		if (holder)
			snprintf(text, sizeof(text), "process %d holds the instance but does not answer", holder);
		else
			snprintf(text, sizeof(text), "not running; the tables below are as the last one left them");
		emit_text(emit, "state", "Agent", text);
		emit_bool(emit, "running", NULL, holder != 0);
	}
	emit_object_end(emit);
}

static void emit_features(struct emit *emit)
{
	static const struct emit_column columns[] = {
		{ "name", "FEATURE", false }, { "present", "PRESENT", false }, { "needed", "NEEDED", false },
		{ "what", "WHAT", false },
	};
	struct features features;

	features_probe(&features);
	emit_table(emit, "features", "Kernel features", columns, ARRAY_SIZE(columns), NULL);
#define ROW(field, text, need)                                                                             \
	emit_row(emit);                                                                                    \
	emit_cell_text(emit, #field);                                                                      \
	emit_cell_bool(emit, features.field);                                                              \
	emit_cell_bool(emit, need);                                                                        \
	emit_cell_text(emit, text);
	FEATURES(ROW)
#undef ROW
	emit_table_end(emit);
}

static const char *how_text(enum attach_how how)
{
	switch (how) {
	case ATTACH_TCX:
		return "tcx";
	case ATTACH_CLSACT:
		return "clsact";
	case ATTACH_XDP_NATIVE:
		return "xdp native";
	case ATTACH_XDP_GENERIC:
		return "xdp generic";
	}
	return "?";
}

static int emit_hooks(struct emit *emit, const struct plane *plane, struct err *err)
{
	static const struct emit_column columns[] = {
		{ "interface", "INTERFACE", false }, { "program", "PROGRAM", false }, { "how", "HOW", false },
		{ "program_id", "ID", true },        { "current", "CURRENT", false },
	};
	struct attach_hook *hooks = NULL;
	char gone[24];
	size_t n = 0;
	int code = attach_list(plane, &hooks, &n, err);

	if (code)
		return code;
	emit_table(emit, "hooks", "Hooks", columns, ARRAY_SIZE(columns), "nothing is attached");
	for (size_t i = 0; i < n; i++) {
		snprintf(gone, sizeof(gone), "#%u (gone)", hooks[i].ifindex);
		emit_row(emit);
		emit_cell_text(emit, hooks[i].ifname[0] ? hooks[i].ifname : gone);
		emit_cell_text(emit, plane_prog_names[hooks[i].prog]);
		emit_cell_text(emit, how_text(hooks[i].how));
		emit_cell_number(emit, hooks[i].prog_id);
		emit_cell_bool(emit, hooks[i].current);
	}
	emit_table_end(emit);
	free(hooks);
	return 0;
}

static int emit_tables(struct emit *emit, const struct plane *plane, struct err *err)
{
	static const struct emit_column columns[] = {
		{ "map", "TABLE", false }, { "entries", "ENTRIES", true }, { "capacity", "CAPACITY", true },
		{ "fill_percent", "FILL %", true },
	};
	static const enum plane_map hashes[] = { PLANE_xm_routes,     PLANE_xm_nodes,    PLANE_xm_pods,
						 PLANE_xm_ifaces,     PLANE_xm_node_names, PLANE_xm_clusters,
						 PLANE_xm_services,   PLANE_xm_service_names, PLANE_xm_flows,
						 PLANE_xm_affinity,   PLANE_xm_sock_origin };

	emit_table(emit, "tables", "Tables", columns, ARRAY_SIZE(columns), NULL);
	for (size_t i = 0; i < ARRAY_SIZE(hashes); i++) {
		struct map_info info;
		int code = actual_map_info(plane, hashes[i], &info, err);

		if (code)
			return code;
		emit_row(emit);
		emit_cell_text(emit, info.name);
		emit_cell_number(emit, info.entries);
		emit_cell_number(emit, info.max_entries);
		emit_cell_number(emit, info.max_entries ? info.entries * 100 / info.max_entries : 0);
	}
	emit_table_end(emit);
	return 0;
}

/* Keys as the agent says them: services, flows, probes, sockets. */
static void emit_services(struct emit *emit, bool json, const json_object *status)
{
	static const char *const keys[] = { "services", "flows", "probes", "sockets" };
	const json_object *services = agentview_member(status, "services");
	const json_object *probes = agentview_member(status, "probes");
	const json_object *cgroups = agentview_member(agentview_member(status, "sockets"), "cgroups");
	uint64_t evicted = agentview_number(agentview_member(status, "flows"), "evicted");
	char text[160];

	for (size_t i = 0; json && i < ARRAY_SIZE(keys); i++)
		emit_json(emit, keys[i], json_object_get((json_object *)agentview_member(status, keys[i])));
	if (json || !status)
		return;
	snprintf(text, sizeof(text), "%llu global, %llu frontends, %llu backends",
		 (unsigned long long)agentview_number(services, "count"),
		 (unsigned long long)agentview_number(services, "frontends"),
		 (unsigned long long)agentview_number(services, "backends"));
	emit_text(emit, "services", "Services", text);
	if (evicted) {
		snprintf(text, sizeof(text), "%llu flows lost, as xm_flows was full",
			 (unsigned long long)evicted);
		emit_text(emit, "flows", "Flows", text);
	}
	snprintf(text, sizeof(text), "%llu up, %llu down, %llu unknown",
		 (unsigned long long)agentview_number(probes, "up"),
		 (unsigned long long)agentview_number(probes, "down"),
		 (unsigned long long)agentview_number(probes, "unknown"));
	emit_text(emit, "probes", "Nodes probed", text);
	for (size_t i = 0; cgroups && i < json_object_array_length(cgroups); i++)
		emit_text(emit, "cgroup", "Sockets of",
			  json_object_get_string(json_object_array_get_idx(cgroups, i)));
}

static int emit_counters(struct emit *emit, const struct plane *plane, struct err *err)
{
	static const struct emit_column columns[] = {
		{ "reason", "REASON", false }, { "kind", "KIND", false }, { "packets", "PACKETS", true },
		{ "bytes", "BYTES", true },    { "what", "WHAT", false },
	};
	static const struct { const char *text, *kind, *what; enum xm_kind id; } reasons[] = {
#define REASON(name, text, kind, what) { text, #kind, what, XM_KIND_##kind },
		XM_REASONS(REASON)
#undef REASON
	};
	auto_free struct xm_counter *counters = calloc(XM_COUNTERS, sizeof(*counters));
	int code;

	if (!counters)
		return err_set(err, -ENOMEM, "out of memory");
	code = actual_counters(plane, counters, err);
	if (code)
		return code;
	emit_table(emit, "counters", "Packets", columns, ARRAY_SIZE(columns), "none seen yet");
	for (unsigned int r = 0; r < XM_REASON_COUNT; r++) {
		struct xm_counter sum = { 0 };

		for (unsigned int h = 0; h < XM_HOOK_COUNT; h++) {
			sum.packets += counters[XM_COUNTER_INDEX(h, r)].packets;
			sum.bytes += counters[XM_COUNTER_INDEX(h, r)].bytes;
		}
		if (!sum.packets || reasons[r].id == XM_KIND_PASS)
			continue;
		emit_row(emit);
		emit_cell_text(emit, reasons[r].text);
		emit_cell_text(emit, reasons[r].kind);
		emit_cell_number(emit, sum.packets);
		emit_cell_number(emit, sum.bytes);
		emit_cell_text(emit, reasons[r].what);
	}
	emit_table_end(emit);
	return 0;
}

static bool has_text(const json_object *list, const char *text)
{
	for (size_t i = 0; list && i < json_object_array_length(list); i++)
		if (!strcmp(json_object_get_string(json_object_array_get_idx(list, i)), text))
			return true;
	return false;
}

/* What the agent left out and why; of the host a look from here, the agent's may be a minute old. */
static void emit_notes(struct emit *emit, const struct config *config, const json_object *status)
{
	const json_object *list = agentview_member(status, "notes");
	const json_object *host = agentview_member(status, "host_notes");
	struct hostcheck check = { 0 };

	hostcheck_config(config, &check);
	if (!status && check.policy_engine && config->pods_path == CONFIG_PATH_AUTO)
		notes_add(&check.notes, "pods.path auto takes the kernel's stack: %s", check.policy_why);
	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		const char *text = json_object_get_string(json_object_array_get_idx(list, i));

		if (!has_text(host, text))
			notes_add(&check.notes, "%s", text);
	}
	emit_list(emit, "notes", "Notes", (const char *const *)check.notes.v, check.notes.n, NULL);
	hostcheck_done(&check);
}

static void emit_errors(struct emit *emit, const json_object *status)
{
	static const struct emit_column columns[] = {
		{ "age_s", "AGE", true }, { "count", "TIMES", true }, { "text", "ERROR", false },
	};
	const json_object *list = agentview_member(status, "errors");
	time_t now_s = time(NULL);

	emit_table(emit, "errors", "Last errors", columns, ARRAY_SIZE(columns), NULL);
	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		const json_object *e = json_object_array_get_idx(list, i);
		uint64_t time_s = agentview_number(e, "time_s");

		emit_row(emit);
		emit_cell_age(emit, (uint64_t)now_s > time_s ? now_s - time_s : 0);
		emit_cell_number(emit, agentview_number(e, "count"));
		emit_cell_text(emit, agentview_text(e, "text"));
	}
	emit_table_end(emit);
}

static enum cli_exit emit_pinned(struct emit *emit, const struct cli *cli, const json_object *status)
{
	auto_view struct view view = VIEW_NONE;
	auto_json json_object *feeds = NULL;
	struct err err = { 0 };
	int code;

	if (view_open(cli, &view))
		return CLI_FAILED;
	if (!status)
		feeds = agentview_feeds_of(&view);
	agentview_emit_feeds(emit, cli->json, "Feeds", status ? agentview_member(status, "feeds") : feeds);
	emit_services(emit, cli->json, status);
	code = emit_hooks(emit, &view.plane, &err);
	if (!code)
		code = emit_tables(emit, &view.plane, &err);
	if (!code)
		code = emit_counters(emit, &view.plane, &err);
	return code ? cli_fail(CLI_FAILED, "%s", err.text) : CLI_DONE;
}

enum cli_exit cmd_status(struct cli *cli)
{
	auto_config struct config *config = NULL;
	auto_plane struct plane plane = CLI_PLANE_NONE;
	auto_json json_object *status = NULL;
	auto_emit struct emit *emit = NULL;
	struct err err = { 0 };
	enum cli_exit code = cli_privileged();
	int pinned, asked;

	if (!code)
		code = cli_config(cli, false, &config);
	if (code)
		return code;
	asked = agentview_status(config, &status, &err);
	if (asked && asked != -ENOENT)
		cli_warn("%s", err.text);
	pinned = plane_open(config->bpffs, config->instance, &plane, &err);
	emit = cli_emit(cli);
	emit_text(emit, "version", "Version", XMESH_VERSION);
	emit_text(emit, "instance", "Instance", config->instance);
	emit_text(emit, "cluster", "Cluster", config->own.name[0] ? config->own.name : NULL);
	emit_agent(emit, config, status);
	emit_bool(emit, "loaded", NULL, !pinned);
	emit_text(emit, "pins", "Pins", pinned ? err.text : plane.dir);
	if (!pinned)
		code = emit_pinned(emit, cli, status);
	emit_features(emit);
	emit_notes(emit, config, status);
	emit_errors(emit, status);
	/* Nothing pinned is a state like others; pins that cannot be used are not. */
	return pinned && pinned != -ENOENT ? CLI_FAILED : code;
}
