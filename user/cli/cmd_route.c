/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* route list, route get: the prefixes of the mesh, from the pinned maps. */
#include "cli/view.h"
#include "core/addr.h"
#include "core/defs.h"
#include "plane/actual.h"

static const struct emit_column columns[] = {
	{ "prefix", "PREFIX", false }, { "cluster", "CLUSTER", false }, { "node", "NODE", false },
	{ "mode", "MODE", false },     { "via", "VIA", false },         { "interface", "INTERFACE", false },
	{ "mtu", "MTU", true },        { "origin", "ORIGIN", false },   { "age_s", "AGE", true },
};

static void emit_route(struct emit *emit, const struct view *view, const struct wanted_route *route)
{
	const struct xm_cluster *cluster = view_cluster(view, route->route.cluster);
	char prefix[PREFIX_TEXT_MAX], via[ADDR_TEXT_MAX], ifname[24];

	emit_row(emit);
	emit_cell_text(emit, prefix_format(&route->prefix, prefix));
	emit_cell_text(emit, view_cluster_name(view, route->route.cluster));
	emit_cell_text(emit, view_node_name(view, route->route.node));
	emit_cell_text(emit, view_mode(&route->route));
	emit_cell_text(emit, view_addr(&route->route.outer, via));
	emit_cell_text(emit, route->route.ifindex ? view_ifname(route->route.ifindex, ifname) : NULL);
	if (route->route.mtu)
		emit_cell_number(emit, route->route.mtu);
	else
		emit_cell_text(emit, NULL);
	emit_cell_text(emit, cluster ? cluster->origin : NULL);
	if (route->route.since_s)
		emit_cell_age(emit, view_age(view, route->route.since_s));
	else
		emit_cell_text(emit, NULL);
}

enum cli_exit cmd_route_list(struct cli *cli)
{
	auto_view struct view view = VIEW_NONE;
	auto_emit struct emit *emit = NULL;
	enum cli_exit code = view_open(cli, &view);

	if (code)
		return code;
	emit = cli_emit(cli);
	emit_table(emit, "routes", NULL, columns, ARRAY_SIZE(columns), "no prefixes: no feed has been applied yet");
	for (size_t i = 0; i < view.actual->n_routes; i++)
		emit_route(emit, &view, &view.actual->routes[i]);
	emit_table_end(emit);
	return CLI_DONE;
}

/* A node's own address is no prefix, but pods reach it through the tunnel. */
static const struct wanted_node *find_node(const struct view *view, const struct xm_addr *addr)
{
	for (size_t i = 0; i < view->actual->n_nodes; i++)
		if (xm_addr_eq(&view->actual->nodes[i].addr, addr))
			return &view->actual->nodes[i];
	return NULL;
}

enum cli_exit cmd_route_get(struct cli *cli)
{
	auto_view struct view view = VIEW_NONE;
	auto_emit struct emit *emit = NULL;
	struct wanted_route route;
	const struct wanted_node *node;
	struct xm_addr addr;
	struct err err = { 0 };
	enum cli_exit code;

	if (addr_parse(cli->args[0], &addr, &err))
		return cli_fail(CLI_USAGE, "route get: %s", err.text);
	code = view_open(cli, &view);
	if (code)
		return code;
	if (actual_route_get(&view.plane, &addr, &route, &err)) {
		node = find_node(&view, &addr);
		if (!node)
			return cli_fail(CLI_NONE, "%s is in no prefix of the mesh and no node of it",
					cli->args[0]);
		route = (struct wanted_route){ .prefix = { .plen = 128, .addr = addr }, .route = node->node.path };
		route.route.cluster = node->node.cluster;
		route.route.node = node->node.number;
		if (!route.route.ifindex)
			route.route.flags |= XM_ROUTE_STACK;
	}
	emit = cli_emit(cli);
	emit_table(emit, "routes", NULL, columns, ARRAY_SIZE(columns), NULL);
	emit_route(emit, &view, &route);
	emit_table_end(emit);
	return CLI_DONE;
}
