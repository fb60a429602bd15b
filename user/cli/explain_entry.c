/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where a packet that is only asked about would come in: hook, interface, outer headers. */
#include "cli/explain.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "core/addr.h"
#include "core/defs.h"
#include "plane/actual.h"
#include "xmesh/wire.h"

/* Of a next hop that does not matter: nothing judges by it. */
static const __u8 some_mac[6] = { 0x02, 0x78, 0, 0, 0, 1 };

struct hooks {
	struct attach_hook *v;
	size_t n;
};

static const struct attach_hook *find_hook(const struct hooks *hooks, enum plane_prog prog, uint32_t ifindex)
{
	for (size_t i = 0; i < hooks->n; i++)
		if (hooks->v[i].prog == prog && hooks->v[i].ifname[0] && (!ifindex || hooks->v[i].ifindex == ifindex))
			return &hooks->v[i];
	return NULL;
}

static void mac_of(const char *ifname, __u8 ret_mac[6])
{
	struct ifreq req = { 0 };
	auto_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(ret_mac, some_mac, 6);
	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", ifname);
	if (fd >= 0 && !ioctl(fd, SIOCGIFHWADDR, &req))
		memcpy(ret_mac, req.ifr_hwaddr.sa_data, 6);
}

static bool is_own(const struct view *view, const struct xm_addr *addr)
{
	struct ifaddrs *list, *i;
	bool own = xm_addr_eq(addr, &view->actual->config.addr4) || xm_addr_eq(addr, &view->actual->config.addr6);

	if (own || getifaddrs(&list))
		return own;
	for (i = list; i && !own; i = i->ifa_next) {
		struct xm_addr a;

		if (!i->ifa_addr)
			continue;
		if (i->ifa_addr->sa_family == AF_INET)
			a = xm_addr_v4(((struct sockaddr_in *)i->ifa_addr)->sin_addr.s_addr);
		else if (i->ifa_addr->sa_family == AF_INET6)
			memcpy(&a, &((struct sockaddr_in6 *)i->ifa_addr)->sin6_addr, sizeof(a));
		else
			continue;
		own = xm_addr_eq(&a, addr);
	}
	freeifaddrs(list);
	return own;
}

static const struct wanted_pod *find_pod(const struct view *view, const struct xm_addr *addr)
{
	for (size_t i = 0; i < view->actual->n_pods; i++)
		if (xm_addr_eq(&view->actual->pods[i].addr, addr))
			return &view->actual->pods[i];
	return NULL;
}

static const struct xm_node *find_node(const struct view *view, const struct xm_addr *addr)
{
	for (size_t i = 0; i < view->actual->n_nodes; i++)
		if (xm_addr_eq(&view->actual->nodes[i].addr, addr))
			return &view->actual->nodes[i].node;
	return NULL;
}

/* The program of another build would not say what this one does. */
static enum cli_exit use_hook(const struct attach_hook *hook, struct explain_entry *entry)
{
	if (!hook->current)
		return cli_fail(CLI_FAILED,
				"the program on %s is not the one that is pinned, so it may decide otherwise: restart "
				"the agent, which replaces it in place", hook->ifname);
	entry->hook = *hook;
	return CLI_DONE;
}

/* Sent by the pod behind @hook, whoever it says it is. */
static enum cli_exit from_pod(const struct view *view, const struct attach_hook *hook, struct explain_entry *entry)
{
	entry->from = EXPLAIN_POD;
	entry->prog = DRYRUN_FROM_POD;
	mac_of(hook->ifname, entry->macs.dst);
	memcpy(entry->macs.src, some_mac, 6);
	for (size_t i = 0; i < view->actual->n_pods; i++)
		if (view->actual->pods[i].pod.ifindex == hook->ifindex)
			memcpy(entry->macs.src, view->actual->pods[i].pod.pod_mac, 6);
	return use_hook(hook, entry);
}

/* From the underlay: on @ifindex, or where we are attached when that is 0 or not an underlay. */
static enum cli_exit from_net(const struct hooks *hooks, uint32_t ifindex, struct explain_entry *entry)
{
	const struct attach_hook *hook = ifindex ? find_hook(hooks, PLANE_FROM_NET, ifindex) : NULL;

	if (!hook)
		hook = find_hook(hooks, PLANE_FROM_NET, 0);
	if (!hook)
		return cli_fail(CLI_FAILED, "no program is attached to an underlay interface here: see `xmesh status`");
	entry->prog = DRYRUN_FROM_NET;
	entry->xdp = find_hook(hooks, PLANE_XDP, hook->ifindex);
	mac_of(hook->ifname, entry->macs.dst);
	memcpy(entry->macs.src, some_mac, 6);
	return use_hook(hook, entry);
}

/* @route leads back to who sends it, and tells how that one sends. */
static void set_tunnel(const struct view *view, const struct xm_route *route, struct explain_entry *entry)
{
	const struct xm_config *config = &view->actual->config;
	const struct xm_node_name *name = view_node(view, route->node);

	entry->from = EXPLAIN_PEER;
	if (route->mode != XM_MODE_TUNNEL)
		return;
	entry->tunnelled = true;
	entry->tunnel = (struct explain_tunnel){
		.src = route->outer,
		.dst = xm_addr_is_v4(&route->outer) ? config->addr4 : config->addr6,
		.port = ntohs(config->port),
		.vni = route->flags & (XM_IDENTITY16 | XM_IDENTITY15) ? XM_IDENTITY_WORLD : config->vni,
	};
	memcpy(entry->tunnel.macs.dst, config->vtep_mac, 6);
	memcpy(entry->tunnel.macs.src, name ? name->vtep_mac : some_mac, 6);
}

static enum cli_exit by_name(const struct view *view, const struct hooks *hooks, const char *ifname,
			     struct explain_entry *entry)
{
	uint32_t ifindex = if_nametoindex(ifname);
	const struct attach_hook *hook;

	if (!ifindex)
		return cli_fail(CLI_FAILED, "there is no interface %s in this network namespace", ifname);
	hook = find_hook(hooks, PLANE_FROM_POD, ifindex);
	if (hook)
		return from_pod(view, hook, entry);
	if (find_hook(hooks, PLANE_FROM_NET, ifindex)) {
		entry->from = EXPLAIN_OUTSIDE;
		return from_net(hooks, ifindex, entry);
	}
	return cli_fail(CLI_FAILED, "%s has no program of ours for pods or for the underlay: see `xmesh status`", ifname);
}

static enum cli_exit by_source(const struct view *view, const struct hooks *hooks, const struct xm_addr *src,
			       struct explain_entry *entry)
{
	const struct wanted_pod *pod = find_pod(view, src);
	const struct attach_hook *hook;
	const struct xm_node *node;
	struct wanted_route route;
	char text[ADDR_TEXT_MAX], ifname[24];

	if (pod) {
		hook = find_hook(hooks, PLANE_FROM_POD, pod->pod.ifindex);
		if (!hook)
			return cli_fail(CLI_FAILED,
					"%s is a pod of this node, but nothing is attached to %s: the kernel's routes "
					"decide; see `xmesh status`", addr_format(src, text),
					view_ifname(pod->pod.ifindex, ifname));
		return from_pod(view, hook, entry);
	}
	if (is_own(view, src)) {
		entry->from = EXPLAIN_HOST;
		return CLI_DONE;
	}
	entry->from = EXPLAIN_OUTSIDE;
	if (!actual_route_get(&view->plane, src, &route, NULL)) {
		if (route.route.flags & XM_ROUTE_LOCAL)
			return cli_fail(CLI_FAILED,
					"%s is in the prefix of this node, but no pod here has it (`xmesh endpoint list`); "
					"to ask as one that claims it: --interface IFACE", addr_format(src, text));
		if (!(route.route.flags & XM_ROUTE_STACK))
			set_tunnel(view, &route.route, entry);
		return from_net(hooks, route.route.ifindex, entry);
	}
	node = find_node(view, src);
	if (node && node->path.ifindex)
		set_tunnel(view, &node->path, entry);
	return from_net(hooks, node ? node->path.ifindex : 0, entry);
}

enum cli_exit explain_entry(const struct view *view, const struct explain_ask *ask, const char *ifname,
			    struct explain_entry *ret_entry)
{
	struct explain_entry entry = { 0 };
	auto_free struct attach_hook *v = NULL;
	struct hooks hooks = { 0 };
	struct err err = { 0 };
	enum cli_exit exit;

	if (attach_list(&view->plane, &v, &hooks.n, &err))
		return cli_fail(CLI_FAILED, "%s", err.text);
	hooks.v = v;
	exit = ifname ? by_name(view, &hooks, ifname, &entry) : by_source(view, &hooks, &ask->src, &entry);
	if (!exit)
		*ret_entry = entry;
	return exit;
}
