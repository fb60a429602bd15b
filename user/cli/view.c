/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The pinned tables as a whole, with names. */
#include "cli/view.h"

#include <net/if.h>
#include <stdio.h>

#include "core/addr.h"
#include "plane/actual.h"

enum cli_exit view_open(const struct cli *cli, struct view *ret_view)
{
	struct view view = { .now_s = time(NULL) };
	struct err err = { 0 };
	enum cli_exit code = cli_open(cli, &view.config, &view.plane);

	if (code)
		return code;
	if (actual_read(&view.plane, &view.actual, &err)) {
		plane_close(&view.plane);
		config_free(view.config);
		return cli_fail(CLI_FAILED, "%s", err.text);
	}
	*ret_view = view;
	return CLI_DONE;
}

void view_done(struct view *view)
{
	if (!view->config)
		return;
	wanted_free(view->actual);
	plane_close(&view->plane);
	config_free(view->config);
}

const struct xm_cluster *view_cluster(const struct view *view, uint16_t id)
{
	for (size_t i = 0; i < view->actual->n_clusters; i++)
		if (view->actual->clusters[i].id == id)
			return &view->actual->clusters[i].cluster;
	return NULL;
}

const struct xm_node_name *view_node(const struct view *view, uint32_t number)
{
	size_t low = 0, high = view->actual->n_names;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (view->actual->names[mid].number == number)
			return &view->actual->names[mid].name;
		if (view->actual->names[mid].number < number)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

const char *view_cluster_name(const struct view *view, uint16_t id)
{
	const struct xm_cluster *cluster = view_cluster(view, id);
	static char unnamed[16];

	if (cluster)
		return cluster->name;
	snprintf(unnamed, sizeof(unnamed), "#%u", id);
	return unnamed;
}

const char *view_node_name(const struct view *view, uint32_t number)
{
	const struct xm_node_name *node = view_node(view, number);
	static char unnamed[16];

	if (node)
		return node->name;
	snprintf(unnamed, sizeof(unnamed), "#%u", number);
	return unnamed;
}

uint64_t view_age(const struct view *view, uint64_t since_s)
{
	return (uint64_t)view->now_s > since_s ? view->now_s - since_s : 0;
}

const char *view_mode(const struct xm_route *route)
{
	if (route->flags & XM_ROUTE_LOCAL)
		return "local";
	if (route->flags & XM_ROUTE_STACK)
		return "kernel";
	return route->mode == XM_MODE_NATIVE ? "native" : "tunnel";
}

const char *view_ifname(uint32_t ifindex, char buf[24])
{
	if (!if_indextoname(ifindex, buf))
		snprintf(buf, 24, "#%u", ifindex);
	return buf;
}

const char *view_addr(const struct xm_addr *addr, char buf[46])
{
	return xm_addr_is_zero(addr) ? NULL : addr_format(addr, buf);
}
