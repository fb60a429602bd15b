/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `map get MAP KEY`: what KEY may be, by map. Not for: what is printed (mapview.c). */
#include "cli/mapview.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "cli/mapview_parts.h"
#include "core/addr.h"
#include "core/text.h"
#include "plane/actual.h"
#include "xmesh/flow.h"
#include "xmesh/latency.h"

const char *const mapview_reasons[XM_REASON_COUNT] = {
#define TEXT(name, text, kind, what) text,
	XM_REASONS(TEXT)
#undef TEXT
};
const char *const mapview_hooks[XM_HOOK_COUNT] = {
#define HOOK(name, text) text,
	XM_HOOKS(HOOK)
#undef HOOK
};

static int key_counter(const char *text, struct map_key *ret_key, struct err *err)
{
	for (unsigned int h = 0; h < XM_HOOK_COUNT; h++) {
		size_t len = strlen(mapview_hooks[h]);

		if (strncmp(text, mapview_hooks[h], len) || text[len] != '/')
			continue;
		for (unsigned int r = 0; r < XM_REASON_COUNT; r++) {
			if (strcmp(text + len + 1, mapview_reasons[r]))
				continue;
			ret_key->number = XM_COUNTER_INDEX(h, r);
			return 0;
		}
	}
	return err_set(err, -EINVAL, "\"%s\" is no HOOK/REASON, as in from_pod/tunnel", text);
}

static int key_hook(const char *text, struct map_key *ret_key, struct err *err)
{
	for (unsigned int h = 0; h < XM_HOOK_COUNT; h++) {
		if (strcmp(text, mapview_hooks[h]))
			continue;
		ret_key->number = h;
		return 0;
	}
	return err_set(err, -EINVAL, "\"%s\" is no hook, as from_pod is", text);
}

static int key_number(const char *text, int64_t max, struct map_key *ret_key, struct err *err)
{
	int64_t number;
	int code = text_number(text, 0, max, &number, err);

	if (!code)
		ret_key->number = number;
	return code == -ERANGE ? -EINVAL : code;
}

static int key_route(const struct view *view, const char *text, struct map_key *ret_key, struct err *err)
{
	struct wanted_route route;
	struct xm_addr addr;

	if (strchr(text, '/'))
		return prefix_parse(text, &ret_key->prefix, err);
	if (addr_parse(text, &addr, err))
		return -EINVAL;
	if (actual_route_get(&view->plane, &addr, &route, NULL))
		return err_set(err, -ENOENT, "%s is in no prefix of the mesh", text);
	ret_key->prefix = route.prefix;
	return 0;
}

static int key_iface(const char *text, struct map_key *ret_key, struct err *err)
{
	ret_key->number = if_nametoindex(text);
	return ret_key->number ? 0 : key_number(text, UINT32_MAX, ret_key, err);
}

static int key_cluster(const struct view *view, const char *text, struct map_key *ret_key, struct err *err)
{
	for (size_t i = 0; i < view->actual->n_clusters; i++) {
		if (strcmp(view->actual->clusters[i].cluster.name, text))
			continue;
		ret_key->number = view->actual->clusters[i].id;
		return 0;
	}
	return key_number(text, UINT16_MAX, ret_key, err);
}

int mapview_key(const struct view *view, enum plane_map map, const char *text, struct map_key *ret_key,
		struct err *err)
{
	struct map_key key = { .set = true };
	int code = 0;

	switch (map) {
	case PLANE_xm_nodes:
	case PLANE_xm_pods:
	case PLANE_xm_route_memo:
	case PLANE_xm_pod_memo:
	case PLANE_xm_services:
	case PLANE_xm_affinity:
	case PLANE_xm_sock_origin:
	case PLANE_xm_flows:
	case PLANE_xm_frags:
		code = addr_parse(text, &key.addr, err);
		break;
	case PLANE_xm_routes:
		code = key_route(view, text, &key, err);
		break;
	case PLANE_xm_ifaces:
		code = key_iface(text, &key, err);
		break;
	case PLANE_xm_clusters:
	case PLANE_xm_latency:
	case PLANE_xm_syn_timeouts:
		code = key_cluster(view, text, &key, err);
		break;
	case PLANE_xm_counters:
		code = key_counter(text, &key, err);
		break;
	case PLANE_xm_node_state:
	case PLANE_xm_peer_stats:
	case PLANE_xm_node_names:
	case PLANE_xm_paths:
	case PLANE_xm_probes:
	case PLANE_xm_probe_rtt:
		code = key_number(text, XM_MAX_NODES - 1, &key, err);
		break;
	case PLANE_xm_maglev:
		code = key_number(text, XM_MAGLEV_SLOTS - 1, &key, err);
		break;
	case PLANE_xm_backends:
		code = key_number(text, XM_MAX_BACKENDS - 1, &key, err);
		break;
	case PLANE_xm_service_names:
		code = key_number(text, XM_MAX_SERVICES, &key, err);
		break;
	case PLANE_xm_flow_hint:
		code = key_number(text, XM_FLOW_HINTS - 1, &key, err);
		break;
	case PLANE_xm_syn:
		code = key_number(text, XM_SYN_SLOTS - 1, &key, err);
		break;
	case PLANE_xm_program_time:
		code = key_hook(text, &key, err);
		break;
	case PLANE_xm_config:
	case PLANE_xm_event_rate:
	case PLANE_xm_epoch:
	case PLANE_xm_vip_filter:
	case PLANE_xm_watch:
		code = key_number(text, 0, &key, err);
		break;
	case PLANE_xm_events:
		code = err_set(err, -EINVAL, "xm_events is a ring buffer and has no keys: map dump xm_events");
		break;
	case PLANE_xm_scratch:
		code = err_set(err, -EINVAL, "xm_scratch is void after each packet: there is nothing to show");
		break;
	case PLANE_xm_sock_peer:
		code = err_set(err, -EINVAL, "xm_sock_peer is kept at the sockets themselves: there is nothing to show");
		break;
	case PLANE_MAP_COUNT:
		break;
	}
	if (!code)
		*ret_key = key;
	return code;
}
