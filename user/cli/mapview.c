/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The entries of each map as a table. What the tables mean is said in include/xmesh/maps.h. */
#include "cli/mapview.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "cli/eventview.h"
#include "cli/mapview_parts.h"
#include "cli/memoview.h"
#include "core/addr.h"
#include "core/defs.h"
#include "core/text.h"
#include "plane/actual.h"
#include "xmesh/flow.h"
#include "xmesh/latency.h"

static const char *const reason_kinds[] = {
#define KIND(name, text, kind, what) #kind,
	XM_REASONS(KIND)
#undef KIND
};

/* ---- one function per map; each emits its table and counts its rows -------------------------- */

static void plens_text(const struct xm_config *config, char *buf, size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	for (int f = 0; f < 2; f++)
		for (int i = 0; i < XM_MAX_PLENS && len < size; i++)
			if (config->plen[f][i].used)
				len += snprintf(buf + len, size - len, "%s%s/%u", len ? " " : "", f ? "ipv6" : "ipv4",
						config->plen[f][i].plen - (f ? 0 : 96));
}

static int emit_config(struct mapview_out *out, struct err *err)
{
	static const struct emit_column columns[] = {
		{ "abi", "ABI", true },         { "cluster", "CLUSTER", true },  { "node", "NODE", true },
		{ "port", "PORT", true },       { "vni", "VNI", true },          { "address4", "ADDRESS4", false },
		{ "address6", "ADDRESS6", false }, { "vtep_mac", "VTEP MAC", false },
		{ "source_check", "SOURCE CHECK", false }, { "carry_local", "CARRY LOCAL", false },
		{ "prefix_lengths", "PREFIX LENGTHS", false }, { "return_own", NULL, false },
		{ "return_peers", NULL, false },
	};
	const struct xm_config *c = &out->view->actual->config;
	char text[512];

	MAPVIEW_TABLE(out, columns);
	if (c->magic != XM_ABI_MAGIC)
		return 0;
	mapview_row(out);
	emit_cell_number(out->emit, c->abi);
	emit_cell_number(out->emit, c->cluster);
	emit_cell_number(out->emit, c->node);
	emit_cell_number(out->emit, ntohs(c->port));
	emit_cell_number(out->emit, c->vni);
	emit_cell_text(out->emit, view_addr(&c->addr4, text));
	emit_cell_text(out->emit, view_addr(&c->addr6, text));
	emit_cell_text(out->emit, mac_format(c->vtep_mac, text));
	emit_cell_bool(out->emit, c->flags & XM_CFG_SOURCE_CHECK);
	emit_cell_bool(out->emit, c->flags & XM_CFG_CARRY_LOCAL);
	plens_text(c, text, sizeof(text));
	emit_cell_text(out->emit, text);
	emit_cell_text(out->emit, c->flags & XM_CFG_RETURN_OWN_ENTRY ? "entry" : "direct");
	emit_cell_text(out->emit, c->flags & XM_CFG_RETURN_PEER_DIRECT ? "direct" : "entry");
	return 0;
}

void mapview_cells_path(struct mapview_out *out, const struct xm_route *route)
{
	char text[ADDR_TEXT_MAX];

	emit_cell_text(out->emit, view_addr(&route->outer, text));
	emit_cell_text(out->emit, route->ifindex ? view_ifname(route->ifindex, text) : NULL);
	emit_cell_number(out->emit, route->mtu);
	emit_cell_text(out->emit, mac_format(route->vtep_mac, text));
}

static int emit_nodes(struct mapview_out *out, struct err *err)
{
	static const struct emit_column columns[] = {
		{ "address", "ADDRESS", false }, { "cluster", "CLUSTER", false }, { "cluster_id", NULL, true },
		{ "node", "NODE", false },       { "number", "NUMBER", true },    { "tunnel", "TUNNEL", false },
		{ "via", "VIA", false },         { "interface", "INTERFACE", false }, { "mtu", "MTU", true },
		{ "vtep_mac", "VTEP MAC", false },
	};
	const struct view *view = out->view;
	char text[ADDR_TEXT_MAX];

	MAPVIEW_TABLE(out, columns);
	for (size_t i = 0; i < view->actual->n_nodes; i++) {
		const struct wanted_node *n = &view->actual->nodes[i];

		if (!mapview_wants_addr(out, &n->addr))
			continue;
		mapview_row(out);
		emit_cell_text(out->emit, addr_format(&n->addr, text));
		emit_cell_text(out->emit, view_cluster_name(view, n->node.cluster));
		emit_cell_number(out->emit, n->node.cluster);
		emit_cell_text(out->emit, view_node_name(view, n->node.number));
		emit_cell_number(out->emit, n->node.number);
		emit_cell_bool(out->emit, n->node.flags & XM_NODE_TUNNEL);
		mapview_cells_path(out, &n->node.path);
	}
	return 0;
}

static int emit_node_state(struct mapview_out *out, struct err *err)
{
	static const struct emit_column columns[] = {
		{ "number", "NUMBER", true }, { "node", "NODE", false }, { "path_mtu", "PATH MTU", true },
		{ "until_ns", "UNTIL (NS, MONOTONIC)", true },
	};
	const struct view *view = out->view;

	MAPVIEW_TABLE(out, columns);
	for (size_t i = 0; i < view->actual->n_names; i++) {
		uint32_t number = view->actual->names[i].number;
		struct xm_node_state state;
		int code;

		if (!mapview_wants_number(out, number))
			continue;
		code = actual_node_state(&view->plane, number, &state, err);
		if (code)
			return code;
		if (!out->key->set && !state.pmtu)
			continue;
		mapview_row(out);
		emit_cell_number(out->emit, number);
		emit_cell_text(out->emit, view_node_name(view, number));
		emit_cell_number(out->emit, state.pmtu);
		emit_cell_number(out->emit, state.pmtu_until_ns);
	}
	return 0;
}

static int emit_routes(struct mapview_out *out, struct err *err)
{
	static const struct emit_column columns[] = {
		{ "prefix", "PREFIX", false },   { "cluster", "CLUSTER", false }, { "cluster_id", NULL, true },
		{ "node", "NODE", false },       { "number", "NUMBER", true },    { "mode", "MODE", false },
		{ "onlink", "ONLINK", false },   { "via", "VIA", false },         { "interface", "INTERFACE", false },
		{ "mtu", "MTU", true },          { "vtep_mac", "VTEP MAC", false }, { "age_s", "AGE", true },
	};
	const struct view *view = out->view;
	char text[PREFIX_TEXT_MAX];

	MAPVIEW_TABLE(out, columns);
	for (size_t i = 0; i < view->actual->n_routes; i++) {
		const struct wanted_route *r = &view->actual->routes[i];

		if (out->key->set && (r->prefix.plen != out->key->prefix.plen ||
				      !xm_addr_eq(&r->prefix.addr, &out->key->prefix.addr)))
			continue;
		mapview_row(out);
		emit_cell_text(out->emit, prefix_format(&r->prefix, text));
		emit_cell_text(out->emit, view_cluster_name(view, r->route.cluster));
		emit_cell_number(out->emit, r->route.cluster);
		emit_cell_text(out->emit, view_node_name(view, r->route.node));
		emit_cell_number(out->emit, r->route.node);
		emit_cell_text(out->emit, view_mode(&r->route));
		emit_cell_bool(out->emit, r->route.flags & XM_ROUTE_ONLINK);
		mapview_cells_path(out, &r->route);
		emit_cell_age(out->emit, view_age(view, r->route.since_s));
	}
	return 0;
}

static int emit_pods(struct mapview_out *out, struct err *err)
{
	static const struct emit_column columns[] = {
		{ "address", "ADDRESS", false }, { "interface", "INTERFACE", false }, { "ifindex", "IFINDEX", true },
		{ "mac", "MAC", false },         { "gateway_mac", "GATEWAY MAC", false }, { "mtu", "MTU", true },
		{ "stack", "STACK", false },     { "by_hand", "BY HAND", false },     { "bridge", "BRIDGE", false },
		{ "age_s", "AGE", true },
	};
	const struct view *view = out->view;
	char text[ADDR_TEXT_MAX];

	MAPVIEW_TABLE(out, columns);
	for (size_t i = 0; i < view->actual->n_pods; i++) {
		const struct wanted_pod *p = &view->actual->pods[i];

		if (!mapview_wants_addr(out, &p->addr))
			continue;
		mapview_row(out);
		emit_cell_text(out->emit, addr_format(&p->addr, text));
		emit_cell_text(out->emit, view_ifname(p->pod.ifindex, text));
		emit_cell_number(out->emit, p->pod.ifindex);
		emit_cell_text(out->emit, mac_format(p->pod.pod_mac, text));
		emit_cell_text(out->emit, mac_format(p->pod.host_mac, text));
		emit_cell_number(out->emit, p->pod.mtu);
		emit_cell_bool(out->emit, p->pod.flags & XM_POD_STACK);
		emit_cell_bool(out->emit, p->pod.flags & XM_POD_STATIC);
		emit_cell_bool(out->emit, p->pod.flags & XM_POD_BRIDGE);
		emit_cell_age(out->emit, view_age(view, p->pod.since_s));
	}
	return 0;
}

static int emit_ifaces(struct mapview_out *out, struct err *err)
{
	static const struct emit_column columns[] = {
		{ "interface", "INTERFACE", false }, { "ifindex", "IFINDEX", true }, { "addresses", "ADDRESSES", true },
	};
	const struct view *view = out->view;
	char text[24];

	MAPVIEW_TABLE(out, columns);
	for (size_t i = 0; i < view->actual->n_ifaces; i++) {
		const struct wanted_iface *f = &view->actual->ifaces[i];

		if (!mapview_wants_number(out, f->ifindex))
			continue;
		mapview_row(out);
		emit_cell_text(out->emit, view_ifname(f->ifindex, text));
		emit_cell_number(out->emit, f->ifindex);
		emit_cell_number(out->emit, f->iface.n_addrs);
	}
	return 0;
}

static int emit_counters(struct mapview_out *out, struct err *err)
{
	static const struct emit_column columns[] = {
		{ "hook", "HOOK", false },     { "reason", "REASON", false }, { "kind", "KIND", false },
		{ "packets", "PACKETS", true }, { "bytes", "BYTES", true },
	};
	auto_free struct xm_counter *counters = calloc(XM_COUNTERS, sizeof(*counters));
	int code;

	MAPVIEW_TABLE(out, columns);
	if (!counters)
		return err_set(err, -ENOMEM, "out of memory");
	code = actual_counters(&out->view->plane, counters, err);
	if (code)
		return code;
	for (unsigned int h = 0; h < XM_HOOK_COUNT; h++)
		for (unsigned int r = 0; r < XM_REASON_COUNT; r++) {
			const struct xm_counter *c = &counters[XM_COUNTER_INDEX(h, r)];

			if (out->key->set ? out->key->number != XM_COUNTER_INDEX(h, r) : !c->packets)
				continue;
			mapview_row(out);
			emit_cell_text(out->emit, mapview_hooks[h]);
			emit_cell_text(out->emit, mapview_reasons[r]);
			emit_cell_text(out->emit, reason_kinds[r]);
			emit_cell_number(out->emit, c->packets);
			emit_cell_number(out->emit, c->bytes);
		}
	return 0;
}

static int emit_peer_stats(struct mapview_out *out, struct err *err)
{
	static const struct emit_column columns[] = {
		{ "number", "NUMBER", true },        { "cluster", "CLUSTER", false },    { "node", "NODE", false },
		{ "rx_packets", "RX PACKETS", true }, { "rx_bytes", "RX BYTES", true },  { "rx_drops", "RX DROPS", true },
		{ "tx_packets", "TX PACKETS", true }, { "tx_bytes", "TX BYTES", true },  { "tx_drops", "TX DROPS", true },
	};
	const struct view *view = out->view;

	MAPVIEW_TABLE(out, columns);
	for (size_t i = 0; i < view->actual->n_names; i++) {
		const struct wanted_name *n = &view->actual->names[i];
		struct xm_peer_stat stat;
		int code;

		/* Nodes beyond the counters share entry 0. */
		if (!mapview_wants_number(out, n->number) || n->number >= XM_STAT_NODES)
			continue;
		code = actual_peer_stat(&view->plane, n->number, &stat, err);
		if (code)
			return code;
		mapview_row(out);
		emit_cell_number(out->emit, n->number);
		emit_cell_text(out->emit, view_cluster_name(view, n->name.cluster));
		emit_cell_text(out->emit, n->name.name);
		emit_cell_number(out->emit, stat.rx_packets);
		emit_cell_number(out->emit, stat.rx_bytes);
		emit_cell_number(out->emit, stat.rx_drops);
		emit_cell_number(out->emit, stat.tx_packets);
		emit_cell_number(out->emit, stat.tx_bytes);
		emit_cell_number(out->emit, stat.tx_drops);
	}
	return 0;
}

static int emit_names(struct mapview_out *out, struct err *err)
{
	static const struct emit_column columns[] = {
		{ "number", "NUMBER", true },       { "cluster", "CLUSTER", false }, { "node", "NODE", false },
		{ "addresses", "ADDRESSES", false }, { "vtep_mac", "VTEP MAC", false }, { "age_s", "AGE", true },
	};
	const struct view *view = out->view;
	char list[4 * ADDR_TEXT_MAX + 4], text[ADDR_TEXT_MAX];

	MAPVIEW_TABLE(out, columns);
	for (size_t i = 0; i < view->actual->n_names; i++) {
		const struct wanted_name *n = &view->actual->names[i];
		size_t len = 0;

		if (!mapview_wants_number(out, n->number))
			continue;
		list[0] = '\0';
		for (uint32_t k = 0; k < MIN(n->name.n_addrs, (uint32_t)ARRAY_SIZE(n->name.addr)); k++)
			len += snprintf(list + len, sizeof(list) - len, "%s%s", k ? "," : "",
					addr_format(&n->name.addr[k], text));
		mapview_row(out);
		emit_cell_number(out->emit, n->number);
		emit_cell_text(out->emit, view_cluster_name(view, n->name.cluster));
		emit_cell_text(out->emit, n->name.name);
		emit_cell_text(out->emit, list);
		emit_cell_text(out->emit, mac_format(n->name.vtep_mac, text));
		emit_cell_age(out->emit, view_age(view, n->name.since_s));
	}
	return 0;
}

static int emit_clusters(struct mapview_out *out, struct err *err)
{
	static const struct emit_column columns[] = {
		{ "id", "ID", true },           { "cluster", "CLUSTER", false },   { "own", "OWN", false },
		{ "ipv4_mode", "IPV4", false }, { "ipv6_mode", "IPV6", false },    { "origin", "ORIGIN", false },
		{ "revision", "REVISION", false }, { "age_s", "AGE", true },
	};
	const struct view *view = out->view;

	MAPVIEW_TABLE(out, columns);
	for (size_t i = 0; i < view->actual->n_clusters; i++) {
		const struct wanted_cluster *c = &view->actual->clusters[i];

		if (!mapview_wants_number(out, c->id))
			continue;
		mapview_row(out);
		emit_cell_number(out->emit, c->id);
		emit_cell_text(out->emit, c->cluster.name);
		emit_cell_bool(out->emit, c->cluster.own);
		emit_cell_text(out->emit, c->cluster.mode4 == XM_MODE_NATIVE ? "native" : "tunnel");
		emit_cell_text(out->emit, c->cluster.mode6 == XM_MODE_NATIVE ? "native" : "tunnel");
		emit_cell_text(out->emit, c->cluster.origin);
		emit_cell_text(out->emit, c->cluster.revision);
		emit_cell_age(out->emit, view_age(view, c->cluster.since_s));
	}
	return 0;
}

int mapview_emit(const struct view *view, enum plane_map map, const struct map_key *key, struct emit *emit,
		 size_t *ret_n, struct err *err)
{
	static const struct map_key every = { 0 };
	struct mapview_out out = { .view = view, .key = key ? key : &every, .emit = emit };
	int code = 0;

	switch (map) {
	case PLANE_xm_config:
		code = emit_config(&out, err);
		break;
	case PLANE_xm_nodes:
		code = emit_nodes(&out, err);
		break;
	case PLANE_xm_node_state:
		code = emit_node_state(&out, err);
		break;
	case PLANE_xm_routes:
		code = emit_routes(&out, err);
		break;
	case PLANE_xm_pods:
		code = emit_pods(&out, err);
		break;
	case PLANE_xm_ifaces:
		code = emit_ifaces(&out, err);
		break;
	case PLANE_xm_counters:
		code = emit_counters(&out, err);
		break;
	case PLANE_xm_peer_stats:
		code = emit_peer_stats(&out, err);
		break;
	case PLANE_xm_node_names:
		code = emit_names(&out, err);
		break;
	case PLANE_xm_clusters:
		code = emit_clusters(&out, err);
		break;
	case PLANE_xm_events:
		code = eventview_emit(view, emit, &out.n, err);
		break;
	case PLANE_xm_event_rate:
		code = eventview_rate(view, emit, &out.n, err);
		break;
	case PLANE_xm_route_memo:
		code = memoview_routes(view, out.key, emit, &out.n, err);
		break;
	case PLANE_xm_pod_memo:
		code = memoview_pods(view, out.key, emit, &out.n, err);
		break;
	case PLANE_xm_epoch:
		code = memoview_epoch(view, emit, &out.n, err);
		break;
	case PLANE_xm_paths:
		code = mapview_paths(&out, err);
		break;
	case PLANE_xm_probes:
		code = mapview_probes(&out, err);
		break;
	case PLANE_xm_services:
		code = mapview_services(&out, err);
		break;
	case PLANE_xm_maglev:
		code = mapview_maglev(&out, err);
		break;
	case PLANE_xm_backends:
		code = mapview_backends(&out, err);
		break;
	case PLANE_xm_service_names:
		code = mapview_service_names(&out, err);
		break;
	case PLANE_xm_vip_filter:
		code = mapview_vip_filter(&out, err);
		break;
	case PLANE_xm_affinity:
		code = mapview_affinity(&out, err);
		break;
	case PLANE_xm_sock_origin:
		code = mapview_sock_origin(&out, err);
		break;
	case PLANE_xm_flows:
		code = mapview_flows(&out, err);
		break;
	case PLANE_xm_frags:
		code = mapview_frags(&out, err);
		break;
	case PLANE_xm_flow_hint:
		code = mapview_flow_hint(&out, err);
		break;
	case PLANE_xm_latency:
		code = mapview_latency(&out, err);
		break;
	case PLANE_xm_syn:
		code = mapview_syn(&out, err);
		break;
	case PLANE_xm_syn_timeouts:
		code = mapview_syn_timeouts(&out, err);
		break;
	case PLANE_xm_probe_rtt:
		code = mapview_probe_rtt(&out, err);
		break;
	case PLANE_xm_program_time:
		code = mapview_program_time(&out, mapview_hooks, err);
		break;
	case PLANE_xm_watch:
		code = mapview_watch(&out, err);
		break;
	case PLANE_xm_scratch:
	case PLANE_xm_sock_peer:
	case PLANE_MAP_COUNT:
		break;
	}
	emit_table_end(emit);
	if (!code)
		*ret_n = out.n;
	return code;
}
