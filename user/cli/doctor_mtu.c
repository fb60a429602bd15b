/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* doctor: whether packets of the size that pods are told reach the other nodes. */
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "cli/doctor.h"
#include "core/defs.h"
#include "net/pathmtu.h"
#include "plane/actual.h"
#include "xmesh/wire.h"

static uint32_t interface_mtu(uint32_t ifindex)
{
	auto_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { 0 };

	if (fd < 0 || !if_indextoname(ifindex, ifr.ifr_name) || ioctl(fd, SIOCGIFMTU, &ifr))
		return 1500;
	return (uint32_t)ifr.ifr_mtu;
}

/* The outer packet when a pod sends the largest inner one. */
static uint32_t believed(const struct view *view, const struct wanted_path *path)
{
	const struct xm_route *route = &path->path.route;
	uint32_t size = route->mtu + (xm_addr_is_v4(&route->outer) ? XM_OVERHEAD_V4 : XM_OVERHEAD_V6);
	struct xm_node_state state;

	if (!actual_node_state(&view->plane, path->number, &state, NULL) && state.pmtu)
		size = MIN(size, state.pmtu);
	return size;
}

static void judge(struct doctor *d, const char *node, uint32_t size, const struct pathmtu_target *t)
{
	if (t->largest >= size)
		doctor_row(d, "mtu", node, DOCTOR_OK, "%u bytes pass, %u are used", t->largest, size);
	else if (!t->largest)
		doctor_row(d, "mtu", node, DOCTOR_WARN,
			   "does not answer echoes of any size: it is off, or a firewall drops ICMP");
	else
		doctor_row(d, "mtu", node, DOCTOR_BAD,
			   "packets over %u bytes are lost on the way, and %u are sent: raise the MTU of the "
			   "path, or lower that of the underlay interface to %u", t->largest, size, t->largest);
}

static void sweep(struct doctor *d, const struct view *view, const struct wanted_path *const *paths, size_t n)
{
	struct pathmtu_target targets[PATHMTU_MAX_TARGETS] = { 0 };
	struct err err = { 0 };

	for (size_t i = 0; i < n; i++) {
		targets[i].addr = paths[i]->path.route.outer;
		targets[i].limit = interface_mtu(paths[i]->path.route.ifindex);
	}
	if (pathmtu_sweep(targets, n, &err)) {
		doctor_row(d, "mtu", NULL, DOCTOR_BAD, "%s", err.text);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		char node[160];

		snprintf(node, sizeof(node), "%s/%s", view_cluster_name(view, paths[i]->path.route.cluster),
			 view_node_name(view, paths[i]->number));
		judge(d, node, believed(view, paths[i]), &targets[i]);
	}
}

void doctor_mtu(struct doctor *d, const struct view *view, const char *peer)
{
	const struct wanted_path *paths[PATHMTU_MAX_TARGETS];
	size_t n = 0, total = 0;

	for (size_t i = 0; i < view->actual->n_paths; i++) {
		const struct wanted_path *path = &view->actual->paths[i];

		if (peer && strcmp(peer, view_cluster_name(view, path->path.route.cluster)))
			continue;
		total++;
		if (!peer && total > PATHMTU_MAX_TARGETS)
			continue;
		paths[n++] = path;
		if (n == PATHMTU_MAX_TARGETS) {
			sweep(d, view, paths, n);
			n = 0;
		}
	}
	if (n)
		sweep(d, view, paths, n);
	if (!total)
		doctor_row(d, "mtu", peer, DOCTOR_SKIPPED, "no other node is known");
	else if (!peer && total > PATHMTU_MAX_TARGETS)
		doctor_row(d, "mtu", NULL, DOCTOR_SKIPPED,
			   "%zu more nodes were not asked: --peer CLUSTER asks all of one cluster",
			   total - PATHMTU_MAX_TARGETS);
}
