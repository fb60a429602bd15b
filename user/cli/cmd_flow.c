/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* flow list, flow flush: the flows of translated packets. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/serviceview.h"
#include "core/addr.h"
#include "core/defs.h"
#include "plane/flows.h"

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* One line a flow: the entry as its client writes it. Replies lead back to the same. */
static bool is_shown(const struct flow_entry *e, bool all, uint64_t now)
{
	return e->key.dir == XM_FLOW_ORIG && (all || !flow_is_over(e, now));
}

static void emit_flow(struct emit *emit, const struct view *view, const struct flow_entry *e,
		      uint64_t now)
{
	const struct xm_flow *f = &e->flow;
	char text[SERVICEVIEW_ENDPOINT_MAX], proto[8];
	uint64_t idle = now > f->seen_ns ? (now - f->seen_ns) / 1000000000u : 0;

	emit_row(emit);
	emit_cell_text(emit, serviceview_proto(e->key.proto, proto));
	emit_cell_text(emit, serviceview_endpoint(&e->key.src, e->key.sport, text));
	emit_cell_text(emit, serviceview_endpoint(&e->key.dst, e->key.dport, text));
	emit_cell_text(emit, f->kind == XM_FLOW_EDGE ? NULL :
						       serviceview_endpoint(&f->addr, f->port, text));
	emit_cell_text(emit, serviceview_flow_kind(f->kind));
	emit_cell_text(emit, view_cluster_name(view, f->cluster));
	emit_cell_text(emit, f->node ? view_node_name(view, f->node) : NULL);
	emit_cell_text(emit, flow_is_over(e, now) ? "over" : serviceview_flow_state(&e->key, f));
	emit_cell_age(emit, idle);
	emit_cell_number(emit, f->backend);
}

enum cli_exit cmd_flow_list(struct cli *cli)
{
	static const struct emit_column columns[] = {
		{ "protocol", "PROTOCOL", false }, { "client", "CLIENT", false },
		{ "vip", "VIP", false },	   { "backend", "BACKEND", false },
		{ "kind", "KIND", false },	   { "cluster", "CLUSTER", false },
		{ "node", "NODE", false },	   { "state", "STATE", false },
		{ "idle_s", "IDLE", true },	   { "backend_number", NULL, true },
	};
	auto_view struct view view = VIEW_NONE;
	auto_free struct flow_entry *flows = NULL;
	auto_emit struct emit *emit = NULL;
	uint64_t entries = 0, evicted = 0, now = now_ns();
	struct err err = { 0 };
	size_t n = 0;
	enum cli_exit code = view_open(cli, &view);

	if (code)
		return code;
	if (flows_read(&view.plane, &flows, &n, &err) ||
	    flows_evicted(&view.plane, &entries, &evicted, &err))
		return cli_fail(CLI_FAILED, "flow list: %s", err.text);
	emit = cli_emit(cli);
	emit_table(emit, "flows", NULL, columns, ARRAY_SIZE(columns),
		   "no flows: no packets are translated here, or all sockets choose for themselves");
	for (size_t i = 0; i < n; i++)
		if (is_shown(&flows[i], cli->options[0], now))
			emit_flow(emit, &view, &flows[i], now);
	emit_table_end(emit);
	emit_number(emit, "entries", NULL, entries);
	emit_number(emit, "capacity", NULL, XM_MAX_FLOWS);
	emit_number(emit, "evicted", evicted ? "Evicted, as the table was full" : NULL, evicted);
	return CLI_DONE;
}

enum cli_exit cmd_flow_flush(struct cli *cli)
{
	auto_view struct view view = VIEW_NONE;
	auto_emit struct emit *emit = NULL;
	struct err err = { 0 };
	size_t ended = 0;
	enum cli_exit code = view_open(cli, &view);

	if (code)
		return code;
	if (flows_flush(&view.plane, &ended, &err))
		return cli_fail(CLI_FAILED, "flow flush: %s", err.text);
	emit = cli_emit(cli);
	emit_number(emit, "entries_removed", "Entries removed", ended);
	return CLI_DONE;
}
