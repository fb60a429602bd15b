/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* xm_paths and xm_probes: arrays by node number, a row for each node that has a name. */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "cli/mapview_parts.h"
#include "core/addr.h"
#include "xmesh/probe.h"

static int read_number(const struct mapview_out *out, enum plane_map map, uint32_t number,
		       void *value, struct err *err)
{
	if (!bpf_map_lookup_elem(out->view->plane.map_fd[map], &number, value))
		return 0;
	return err_set(err, -errno, "%s cannot be read: %s", plane_map_names[map], strerror(errno));
}

static const char *mac_or_null(const __u8 mac[6], char buf[MAC_TEXT_MAX])
{
	static const __u8 none[6];

	return memcmp(mac, none, sizeof(none)) ? mac_format(mac, buf) : NULL;
}

int mapview_paths(struct mapview_out *out, struct err *err)
{
	static const struct emit_column columns[] = {
		{ "number", "NUMBER", true },	 { "cluster", "CLUSTER", false },
		{ "node", "NODE", false },	 { "via", "VIA", false },
		{ "interface", "INTERFACE", false }, { "mtu", "MTU", true },
		{ "vtep_mac", "VTEP MAC", false }, { "next_mac", "NEXT HOP MAC", false },
		{ "own_mac", "OWN MAC", false },
	};
	const struct view *view = out->view;
	char text[MAC_TEXT_MAX];

	MAPVIEW_TABLE(out, columns);
	for (size_t i = 0; i < view->actual->n_names; i++) {
		const struct wanted_name *n = &view->actual->names[i];
		struct xm_path path;
		int code;

		if (!mapview_wants_number(out, n->number) || n->number >= XM_MAX_NODES)
			continue;
		code = read_number(out, PLANE_xm_paths, n->number, &path, err);
		if (code)
			return code;
		if (!path.route.ifindex)
			continue;
		mapview_row(out);
		emit_cell_number(out->emit, n->number);
		emit_cell_text(out->emit, view_cluster_name(view, n->name.cluster));
		emit_cell_text(out->emit, n->name.name);
		mapview_cells_path(out, &path.route);
		emit_cell_text(out->emit, mac_or_null(path.next_mac, text));
		emit_cell_text(out->emit, mac_or_null(path.own_mac, text));
	}
	return 0;
}

int mapview_probes(struct mapview_out *out, struct err *err)
{
	static const struct emit_column columns[] = {
		{ "number", "NUMBER", true },	{ "cluster", "CLUSTER", false },
		{ "node", "NODE", false },	{ "answers", "ANSWERS", true },
		{ "last_answered", "LAST ANSWERED", false }, { "rtt_us", "RTT (US)", true },
	};
	const struct view *view = out->view;

	MAPVIEW_TABLE(out, columns);
	for (size_t i = 0; i < view->actual->n_names; i++) {
		const struct wanted_name *n = &view->actual->names[i];
		struct xm_probe probe;
		int code;

		if (!mapview_wants_number(out, n->number) || n->number >= XM_MAX_NODES)
			continue;
		code = read_number(out, PLANE_xm_probes, n->number, &probe, err);
		if (code)
			return code;
		if (!probe.nonce)
			continue;
		mapview_row(out);
		emit_cell_number(out->emit, n->number);
		emit_cell_text(out->emit, view_cluster_name(view, n->name.cluster));
		emit_cell_text(out->emit, n->name.name);
		emit_cell_number(out->emit, probe.answers);
		emit_cell_bool(out->emit, probe.answered == probe.nonce);
		if (probe.answers)
			emit_cell_number(out->emit, probe.rtt_ns / 1000);
		else
			emit_cell_text(out->emit, NULL);
	}
	return 0;
}
