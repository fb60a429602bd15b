/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* peer list, peer get: clusters and nodes with their traffic and round trips, from the pinned maps. */
#include <string.h>

#include "cli/agentview.h"
#include "cli/view.h"
#include "core/addr.h"
#include "core/defs.h"
#include "model/latency.h"
#include "plane/actual.h"
#include "plane/latency.h"

static const struct emit_column cluster_columns[] = {
	{ "cluster", "CLUSTER", false },   { "id", "ID", true },           { "own", "OWN", false },
	{ "ipv4_mode", "IPV4", false },    { "ipv6_mode", "IPV6", false }, { "nodes", "NODES", true },
	{ "prefixes", "PREFIXES", true },  { "revision", "REVISION", false }, { "origin", "ORIGIN", false },
	{ "age_s", "AGE", true },
};

static const struct emit_column node_columns[] = {
	{ "cluster", "CLUSTER", false },     { "node", "NODE", false },
	{ "number", NULL, true },            { "health", "HEALTH", false },
	{ "addresses", "ADDRESSES", false },
	{ "vtep_mac", NULL, false },         { "rx_packets", "RX PACKETS", true },
	{ "rx_bytes", "RX BYTES", true },    { "rx_drops", "RX DROPS", true },
	{ "tx_packets", "TX PACKETS", true }, { "tx_bytes", "TX BYTES", true },
	{ "tx_drops", "TX DROPS", true },    { "path_mtu", "PATH MTU", true },
	{ "rtt_us", "RTT US", true },        { "probes", "PROBES", true },
	{ "probes_lost", "LOST", true },     { "probes_unmeasured", NULL, true },
	{ "age_s", "AGE", true },
};

/* Which nodes are wanted; an empty name matches all. */
struct match { const char *cluster, *node; };

static bool matches(const struct match *match, const char *cluster, const char *node)
{
	return (!match->cluster || !strcmp(match->cluster, cluster)) &&
	       (!match->node || !strcmp(match->node, node));
}

static size_t count_routes(const struct view *view, uint16_t id)
{
	size_t n = 0;

	for (size_t i = 0; i < view->actual->n_routes; i++)
		n += view->actual->routes[i].route.cluster == id;
	return n;
}

static size_t count_nodes(const struct view *view, uint16_t id)
{
	size_t n = 0;

	for (size_t i = 0; i < view->actual->n_names; i++)
		n += view->actual->names[i].name.cluster == id;
	return n;
}

static void emit_clusters(struct emit *emit, const struct view *view, const char *only)
{
	emit_table(emit, "clusters", NULL, cluster_columns, ARRAY_SIZE(cluster_columns), "no clusters");
	for (size_t i = 0; i < view->actual->n_clusters; i++) {
		const struct wanted_cluster *c = &view->actual->clusters[i];

		if (only && strcmp(only, c->cluster.name))
			continue;
		emit_row(emit);
		emit_cell_text(emit, c->cluster.name);
		emit_cell_number(emit, c->id);
		emit_cell_bool(emit, c->cluster.own);
		emit_cell_text(emit, c->cluster.mode4 == XM_MODE_NATIVE ? "native" : "tunnel");
		emit_cell_text(emit, c->cluster.mode6 == XM_MODE_NATIVE ? "native" : "tunnel");
		emit_cell_number(emit, count_nodes(view, c->id));
		emit_cell_number(emit, count_routes(view, c->id));
		emit_cell_text(emit, c->cluster.revision[0] ? c->cluster.revision : NULL);
		emit_cell_text(emit, c->cluster.origin);
		emit_cell_age(emit, view_age(view, c->cluster.since_s));
	}
	emit_table_end(emit);
}

static void addresses_text(const struct xm_node_name *name, char *buf, size_t size)
{
	char text[ADDR_TEXT_MAX];
	size_t len = 0;

	buf[0] = '\0';
	for (uint32_t i = 0; i < MIN(name->n_addrs, (uint32_t)ARRAY_SIZE(name->addr)) && len < size; i++)
		len += snprintf(buf + len, size - len, "%s%s", i ? "," : "", addr_format(&name->addr[i], text));
}

static void emit_stats(struct emit *emit, const struct xm_peer_stat *stat)
{
	const __u64 numbers[] = { stat ? stat->rx_packets : 0, stat ? stat->rx_bytes : 0, stat ? stat->rx_drops : 0,
				  stat ? stat->tx_packets : 0, stat ? stat->tx_bytes : 0, stat ? stat->tx_drops : 0 };

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		if (stat)
			emit_cell_number(emit, numbers[i]);
		else
			emit_cell_text(emit, NULL);
	}
}

static int by_node(const void *a, const void *b)
{
	uint32_t x = ((const struct latency_probe *)a)->node, y = ((const struct latency_probe *)b)->node;

	return (x > y) - (x < y);
}

/* The median of all probes, and what became of them; nothing of a node that is not asked. */
static void emit_probes(struct emit *emit, const struct latency_probe *probes, size_t n, uint32_t node)
{
	struct latency_probe key = { .node = node };
	const struct latency_probe *probe = bsearch(&key, probes, n, sizeof(key), by_node);

	if (probe && hist_count(&probe->stat.hist))
		emit_cell_number(emit, (hist_quantile(&probe->stat.hist, 500) + 500) / 1000);
	else
		emit_cell_text(emit, NULL);
	if (probe) {
		emit_cell_number(emit, probe->stat.asked);
		emit_cell_number(emit, probe->stat.lost);
		emit_cell_number(emit, probe->stat.unmeasured);
		return;
	}
	for (int i = 0; i < 3; i++)
		emit_cell_text(emit, NULL);
}

static int emit_nodes(struct emit *emit, const struct view *view, const struct match *match, struct err *err)
{
	auto_free struct latency_probe *probes = NULL;
	auto_json json_object *status = NULL;
	size_t n_probes = 0;
	int code = latency_read_probes(&view->plane, &probes, &n_probes, err);

	if (code)
		return code;
	/* Health is the running agent's knowledge; without one the rest is shown all the same. */
	agentview_status(view->config, &status, NULL);
	emit_table(emit, "nodes", NULL, node_columns, ARRAY_SIZE(node_columns), "no nodes");
	for (size_t i = 0; i < view->actual->n_names; i++) {
		const struct wanted_name *n = &view->actual->names[i];
		const char *cluster = view_cluster_name(view, n->name.cluster);
		struct xm_peer_stat stat;
		struct xm_node_state state;
		char text[4 * ADDR_TEXT_MAX];

		if (!matches(match, cluster, n->name.name))
			continue;
		code = actual_peer_stat(&view->plane, n->number, &stat, err);
		if (!code)
			code = actual_node_state(&view->plane, n->number, &state, err);
		if (code)
			return code;
		emit_row(emit);
		emit_cell_text(emit, cluster);
		emit_cell_text(emit, n->name.name);
		emit_cell_number(emit, n->number);
		emit_cell_text(emit, agentview_health(status, n->number));
		addresses_text(&n->name, text, sizeof(text));
		emit_cell_text(emit, text);
		emit_cell_text(emit, mac_format(n->name.vtep_mac, text));
		/* Nodes beyond the counters share one entry, which tells nothing of this one. */
		emit_stats(emit, n->number < XM_STAT_NODES ? &stat : NULL);
		/* Lowered by a too-big from the underlay; else what the routes say. */
		if (state.pmtu)
			emit_cell_number(emit, state.pmtu);
		else
			emit_cell_text(emit, NULL);
		emit_probes(emit, probes, n_probes, n->number);
		emit_cell_age(emit, view_age(view, n->name.since_s));
	}
	emit_table_end(emit);
	return 0;
}

enum cli_exit cmd_peer_list(struct cli *cli)
{
	auto_view struct view view = VIEW_NONE;
	auto_emit struct emit *emit = NULL;
	struct match all = { 0 };
	struct err err = { 0 };
	enum cli_exit code = view_open(cli, &view);

	if (code)
		return code;
	emit = cli_emit(cli);
	emit_clusters(emit, &view, NULL);
	if (emit_nodes(emit, &view, &all, &err))
		return cli_fail(CLI_FAILED, "%s", err.text);
	return CLI_DONE;
}

enum cli_exit cmd_peer_get(struct cli *cli)
{
	auto_view struct view view = VIEW_NONE;
	auto_emit struct emit *emit = NULL;
	char *slash = strchr(cli->args[0], '/');
	struct match match = { 0 };
	struct err err = { 0 };
	bool found = false, cluster = false;
	enum cli_exit code = view_open(cli, &view);

	if (code)
		return code;
	for (size_t i = 0; !slash && i < view.actual->n_clusters; i++)
		cluster |= !strcmp(view.actual->clusters[i].cluster.name, cli->args[0]);
	if (slash)
		*slash = '\0';
	if (slash || cluster)
		match.cluster = cli->args[0];
	if (!cluster)
		match.node = slash ? slash + 1 : cli->args[0];
	found = cluster;
	for (size_t i = 0; !found && i < view.actual->n_names; i++)
		found = matches(&match, view_cluster_name(&view, view.actual->names[i].name.cluster),
				view.actual->names[i].name.name);
	if (!found)
		return cli_fail(CLI_NONE, "no cluster and no node is named %s%s%s", cli->args[0],
				slash ? "/" : "", slash ? slash + 1 : "");
	emit = cli_emit(cli);
	if (cluster)
		emit_clusters(emit, &view, match.cluster);
	if (emit_nodes(emit, &view, &match, &err))
		return cli_fail(CLI_FAILED, "%s", err.text);
	return CLI_DONE;
}
