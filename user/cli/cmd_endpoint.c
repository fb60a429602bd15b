/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* endpoint list, add, del: the pods of this node; those added by hand, with and without an agent. */
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <time.h>

#include "cli/view.h"
#include "core/addr.h"
#include "core/defs.h"
#include "net/tables.h"
#include "plane/apply.h"

/* How long `add` waits for the kernel to resolve the pod's MAC. */
#define RESOLVE_TRIES 50
#define RESOLVE_STEP_MS 20

static const struct emit_column columns[] = {
	{ "address", "ADDRESS", false }, { "interface", "INTERFACE", false }, { "mac", "MAC", false },
	{ "gateway_mac", NULL, false },  { "mtu", "MTU", true },              { "path", "PATH", false },
	{ "origin", "ORIGIN", false },   { "age_s", "AGE", true },
};

static const char *origin_of(const struct xm_pod *pod)
{
	if (pod->flags & XM_POD_STATIC)
		return "by hand";
	return pod->flags & XM_POD_BRIDGE ? "bridge" : "kernel";
}

enum cli_exit cmd_endpoint_list(struct cli *cli)
{
	auto_view struct view view = VIEW_NONE;
	auto_emit struct emit *emit = NULL;
	char text[ADDR_TEXT_MAX], ifname[24];
	enum cli_exit code = view_open(cli, &view);

	if (code)
		return code;
	emit = cli_emit(cli);
	emit_table(emit, "endpoints", NULL, columns, ARRAY_SIZE(columns), "no pods are known on this node");
	for (size_t i = 0; i < view.actual->n_pods; i++) {
		const struct wanted_pod *p = &view.actual->pods[i];

		emit_row(emit);
		emit_cell_text(emit, addr_format(&p->addr, text));
		emit_cell_text(emit, view_ifname(p->pod.ifindex, ifname));
		emit_cell_text(emit, mac_format(p->pod.pod_mac, text));
		emit_cell_text(emit, mac_format(p->pod.host_mac, text));
		emit_cell_number(emit, p->pod.mtu);
		emit_cell_text(emit, p->pod.flags & XM_POD_STACK ? "stack" : "fast");
		emit_cell_text(emit, origin_of(&p->pod));
		emit_cell_age(emit, view_age(&view, p->pod.since_s));
	}
	emit_table_end(emit);
	return CLI_DONE;
}

static const struct link_fact *find_link(const struct net_tables *tables, uint32_t ifindex)
{
	for (size_t i = 0; i < tables->n_links; i++)
		if (tables->links[i].ifindex == ifindex)
			return &tables->links[i];
	return NULL;
}

/* Who has the neighbours behind @link, and whose MAC its pods know: its bridge, or itself. */
static const struct link_fact *find_gateway(const struct net_tables *tables, const struct link_fact *link)
{
	const struct link_fact *master = link->master ? find_link(tables, link->master) : NULL;

	return master && !strcmp(master->kind, "bridge") ? master : link;
}

static bool find_neigh(const struct net_tables *tables, uint32_t ifindex, const struct xm_addr *addr,
		       __u8 ret_mac[6])
{
	for (size_t i = 0; i < tables->n_neighs; i++) {
		const struct neigh_fact *n = &tables->neighs[i];

		if (n->ifindex != ifindex || !n->usable || !xm_addr_eq(&n->addr, addr))
			continue;
		memcpy(ret_mac, n->mac, sizeof(n->mac));
		return true;
	}
	return false;
}

/* The MAC of @addr: its neighbour's; else that of a known pod behind the same veth; else ask the kernel. */
static int find_mac(struct nl *nl, const struct view *view, const struct link_fact *link,
		    const struct net_tables *tables, const struct xm_addr *addr, __u8 ret_mac[6],
		    struct err *err)
{
	uint32_t on = find_gateway(tables, link)->ifindex;
	struct timespec step = { .tv_nsec = RESOLVE_STEP_MS * 1000000 };
	char text[ADDR_TEXT_MAX];

	if (find_neigh(tables, on, addr, ret_mac))
		return 0;
	for (size_t i = 0; i < view->actual->n_pods; i++) {
		const struct xm_pod *pod = &view->actual->pods[i].pod;

		if (pod->ifindex != link->ifindex)
			continue;
		memcpy(ret_mac, pod->pod_mac, sizeof(pod->pod_mac));
		return 0;
	}
	tables_resolve(nl, on, addr, NULL);
	for (int i = 0; i < RESOLVE_TRIES; i++) {
		struct net_tables *again;
		bool found;

		nanosleep(&step, NULL);
		if (tables_read(nl, &again, NULL))
			continue;
		found = find_neigh(again, on, addr, ret_mac);
		tables_free(again);
		if (found)
			return 0;
	}
	return err_set(err, -ENODATA, "%s does not answer on %s, so its MAC is not known: give it with --mac",
		       addr_format(addr, text), link->name);
}

/* The agent, if one runs, takes the change into its own next turn. */
static void poke_agent(const struct config *config)
{
	auto_json json_object *answer = NULL;

	cli_ask(config, "{\"do\":\"turn\"}", &answer, NULL);
}

static int add(const struct view *view, struct nl *nl, struct net_tables *tables, const struct xm_addr *addr,
	       const char *ifname, const char *mac, struct err *err)
{
	struct xm_pod pod = { .ifindex = if_nametoindex(ifname), .flags = XM_POD_STATIC,
			      .since_s = view->now_s };
	const struct link_fact *link = find_link(tables, pod.ifindex), *gateway;
	int code;

	if (!link)
		return err_set(err, -ENODEV, "there is no interface %s", ifname);
	gateway = find_gateway(tables, link);
	if (gateway != link)
		pod.flags |= XM_POD_BRIDGE;
	if (view->config->pods_path == CONFIG_PATH_STACK)
		pod.flags |= XM_POD_STACK;
	pod.mtu = link->mtu;
	memcpy(pod.host_mac, gateway->mac, sizeof(pod.host_mac));
	code = mac ? mac_parse(mac, pod.pod_mac, err) :
		     find_mac(nl, view, link, tables, addr, pod.pod_mac, err);
	if (code)
		return code;
	return apply_pod_put(&view->plane, addr, &pod, err);
}

enum cli_exit cmd_endpoint_add(struct cli *cli)
{
	const char *ifname = cli->options[0] ? cli->options[0] : cli->n_args > 1 ? cli->args[1] : NULL;
	auto_view struct view view = VIEW_NONE;
	struct net_tables *tables = NULL;
	struct nl *nl = NULL;
	struct xm_addr addr;
	struct err err = { 0 };
	enum cli_exit exit;
	int code;

	if (addr_parse(cli->args[0], &addr, &err))
		return cli_fail(CLI_USAGE, "endpoint add: %s", err.text);
	if (!addr_is_unicast(&addr) || addr_is_linklocal(&addr))
		return cli_fail(CLI_USAGE, "endpoint add: %s is no address that a pod can be reached at",
				cli->args[0]);
	if (!ifname)
		return cli_fail(CLI_USAGE, "endpoint add: the interface is missing: --interface IFACE");
	exit = view_open(cli, &view);
	if (exit)
		return exit;
	code = nl_open(&nl, &err);
	if (!code)
		code = tables_read(nl, &tables, &err);
	if (!code)
		code = add(&view, nl, tables, &addr, ifname, cli->options[1], &err);
	if (tables)
		tables_free(tables);
	if (nl)
		nl_close(nl);
	if (code)
		return cli_fail(CLI_FAILED, "endpoint add: %s", err.text);
	poke_agent(view.config);
	return CLI_DONE;
}

enum cli_exit cmd_endpoint_del(struct cli *cli)
{
	auto_view struct view view = VIEW_NONE;
	const struct wanted_pod *pod = NULL;
	struct xm_addr addr;
	struct err err = { 0 };
	enum cli_exit code;

	if (addr_parse(cli->args[0], &addr, &err))
		return cli_fail(CLI_USAGE, "endpoint del: %s", err.text);
	code = view_open(cli, &view);
	if (code)
		return code;
	for (size_t i = 0; i < view.actual->n_pods; i++)
		if (xm_addr_eq(&view.actual->pods[i].addr, &addr))
			pod = &view.actual->pods[i];
	if (!pod)
		return cli_fail(CLI_NONE, "%s is no pod of this node", cli->args[0]);
	if (!(pod->pod.flags & XM_POD_STATIC))
		return cli_fail(CLI_FAILED,
				"%s was not added by hand but learned from the kernel, and would come back: "
				"remove its route or neighbour entry",
				cli->args[0]);
	if (apply_pod_delete(&view.plane, &addr, &err))
		return cli_fail(CLI_FAILED, "endpoint del: %s", err.text);
	poke_agent(view.config);
	return CLI_DONE;
}
