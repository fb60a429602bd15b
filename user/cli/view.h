/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The pinned tables as a whole, with the names that people know clusters, nodes and interfaces by.
 */
#ifndef XMESH_CLI_VIEW_H
#define XMESH_CLI_VIEW_H

#include <time.h>

#include "cli/cli.h"
#include "model/wanted.h"
#include "plane/plane.h"

struct view {
	struct config *config;
	struct plane plane;
	struct wanted *actual;
	time_t now_s;
};

#define auto_view __attribute__((cleanup(view_done)))
#define VIEW_NONE { .config = NULL }

/* cli_open() and everything in the maps. What went wrong has been said. */
enum cli_exit view_open(const struct cli *cli, struct view *ret_view);
void view_done(struct view *view);

const struct xm_cluster *view_cluster(const struct view *view, uint16_t id);
const struct xm_node_name *view_node(const struct view *view, uint32_t number);
/*
 * The name, or "#ID" when nothing names it. The text lives as long as @view or, for "#", until the
 * next call.
 */
const char *view_cluster_name(const struct view *view, uint16_t id);
const char *view_node_name(const struct view *view, uint32_t number);
uint64_t view_age(const struct view *view, uint64_t since_s);
/*
 * "tunnel", "native"; "local" for a prefix of this node, "kernel" where the kernel's own route is
 * used.
 */
const char *view_mode(const struct xm_route *route);
/* "eth0", or "#7" when it is gone. */
const char *view_ifname(uint32_t ifindex, char buf[24]);
/* The text of an address, NULL for none. */
const char *view_addr(const struct xm_addr *addr, char buf[46]);

#endif
