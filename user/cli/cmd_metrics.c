/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* metrics: Prometheus text (exposition format 0.0.4) from the pinned maps, and from the agent when it runs. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/agentview.h"
#include "core/defs.h"
#include "core/version.h"
#include "plane/actual.h"
#include "plane/balance.h"
#include "plane/flows.h"

struct metrics {
	struct emit *emit;      /* with --json; else text on stdout */
	const char *name;       /* of the open family */
};

static const struct emit_column columns[] = {
	{ "name", NULL, false }, { "labels", NULL, false }, { "value", NULL, false },
};

static void family(struct metrics *m, const char *name, const char *type, const char *help)
{
	m->name = name;
	if (!m->emit)
		printf("# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A label's value: backslash, quote and line feed escaped. */
static void escape(const char *text, char *buf, size_t size)
{
	size_t len = 0;

	for (; *text && len + 3 < size; text++) {
		if (*text == '\\' || *text == '"' || *text == '\n')
			buf[len++] = '\\';
		buf[len++] = *text == '\n' ? 'n' : *text;
	}
	buf[len] = '\0';
}

/* @labels: pairs of key and value, ended by NULL. */
static void sample(struct metrics *m, const char *suffix, double value, ...)
{
	char labels[1024] = "", text[600], number[32], name[128];
	size_t len = 0;
	const char *key;
	va_list args;

	va_start(args, value);
	while ((key = va_arg(args, const char *)) && len < sizeof(labels)) {
		escape(va_arg(args, const char *), text, sizeof(text));
		len += snprintf(labels + len, sizeof(labels) - len, "%s%s=\"%s\"", len ? "," : "", key, text);
	}
	va_end(args);
	/* Counters are whole numbers, exact to 2^53. */
	snprintf(number, sizeof(number), value == (double)(uint64_t)value ? "%.0f" : "%.9g", value);
	snprintf(name, sizeof(name), "%s%s", m->name, suffix);
	if (!m->emit) {
		printf(labels[0] ? "%s{%s} %s\n" : "%s%s %s\n", name, labels, number);
		return;
	}
	emit_row(m->emit);
	emit_cell_text(m->emit, name);
	emit_cell_text(m->emit, labels);
	emit_cell_text(m->emit, number);
}

static const struct { const char *text; enum xm_kind kind; } reasons[] = {
#define REASON(name, text, kind, what) { text, XM_KIND_##kind },
	XM_REASONS(REASON)
#undef REASON
};

static uint64_t sum(const struct xm_counter *counters, unsigned int reason)
{
	uint64_t packets = 0;

	for (unsigned int h = 0; h < XM_HOOK_COUNT; h++)
		packets += counters[XM_COUNTER_INDEX(h, reason)].packets;
	return packets;
}

static void by_reason(struct metrics *m, const struct xm_counter *counters, enum xm_kind kind)
{
	for (unsigned int r = 0; r < XM_REASON_COUNT; r++)
		if (reasons[r].kind == kind)
			sample(m, "", sum(counters, r), "reason", reasons[r].text, NULL);
}

static int emit_counters(struct metrics *m, const struct plane *plane, struct err *err)
{
	auto_free struct xm_counter *counters = calloc(XM_COUNTERS, sizeof(*counters));
	int code;

	if (!counters)
		return err_set(err, -ENOMEM, "out of memory");
	code = actual_counters(plane, counters, err);
	if (code)
		return code;
	family(m, "xmesh_forwarded_packets_total", "counter", "Packets sent on by the fast path.");
	for (unsigned int r = 0; r < XM_REASON_COUNT; r++) {
		uint64_t tx = counters[XM_COUNTER_INDEX(XM_HOOK_FROM_POD, r)].packets;

		if (reasons[r].kind != XM_KIND_FORWARD)
			continue;
		sample(m, "", tx, "direction", "tx", "mode", reasons[r].text, NULL);
		sample(m, "", sum(counters, r) - tx, "direction", "rx", "mode", reasons[r].text, NULL);
	}
	family(m, "xmesh_stack_packets_total", "counter", "Mesh packets handed to the kernel's stack.");
	by_reason(m, counters, XM_KIND_STACK);
	family(m, "xmesh_dropped_packets_total", "counter", "Packets dropped.");
	by_reason(m, counters, XM_KIND_DROP);
	family(m, "xmesh_answered_packets_total", "counter", "Packets and connections answered here.");
	by_reason(m, counters, XM_KIND_ANSWER);
	family(m, "xmesh_notes_total", "counter", "What was counted beside another verdict.");
	by_reason(m, counters, XM_KIND_NOTE);
	return 0;
}

/* Of the nodes that the agent asks and that have answered: silence that was never broken is no state. */
static void emit_health(struct metrics *m, const struct view *view, const json_object *status)
{
	family(m, "xmesh_peer_up", "gauge", "1 while a node answers liveness probes, 0 when it ceased to.");
	for (size_t i = 0; i < view->actual->n_names; i++) {
		const struct wanted_name *n = &view->actual->names[i];
		const char *health = agentview_health(status, n->number);

		if (health && strcmp(health, "unknown"))
			sample(m, "", !strcmp(health, "up"), "cluster",
			       view_cluster_name(view, n->name.cluster), "node", n->name.name, NULL);
	}
}

struct peer { const char *cluster, *node; struct xm_peer_stat stat; };

static int read_peers(const struct view *view, struct peer **ret_peers, size_t *ret_n, struct err *err)
{
	const struct wanted *actual = view->actual;
	auto_free struct peer *peers = calloc(actual->n_names + 1, sizeof(*peers));
	bool other = false;
	size_t n = 0;
	int code;

	if (!peers)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < actual->n_names; i++) {
		uint32_t number = actual->names[i].number;
		uint16_t id = actual->names[i].name.cluster;

		/* Beyond the counters all nodes share one. */
		if (number >= XM_STAT_NODES) {
			other = true;
			continue;
		}
		peers[n].cluster = view_cluster(view, id) ? view_cluster_name(view, id) : "";
		peers[n].node = actual->names[i].name.name;
		code = actual_peer_stat(&view->plane, number, &peers[n++].stat, err);
		if (code)
			return code;
	}
	if (other) {
		peers[n].cluster = peers[n].node = "other";
		code = actual_peer_stat(&view->plane, 0, &peers[n++].stat, err);
		if (code)
			return code;
	}
	*ret_peers = take(peers);
	*ret_n = n;
	return 0;
}

static int emit_peers(struct metrics *m, const struct view *view, struct err *err)
{
	auto_free struct peer *peers = NULL;
	size_t n = 0;
	int code = read_peers(view, &peers, &n, err);

	if (code)
		return code;
	family(m, "xmesh_peer_receive_bytes_total", "counter", "Bytes received from a node by the fast path.");
	for (size_t i = 0; i < n; i++)
		sample(m, "", peers[i].stat.rx_bytes, "cluster", peers[i].cluster, "node", peers[i].node, NULL);
	family(m, "xmesh_peer_transmit_bytes_total", "counter", "Bytes sent to a node by the fast path.");
	for (size_t i = 0; i < n; i++)
		sample(m, "", peers[i].stat.tx_bytes, "cluster", peers[i].cluster, "node", peers[i].node, NULL);
	return 0;
}

static int emit_maps(struct metrics *m, const struct plane *plane, struct err *err)
{
	struct map_info info[PLANE_MAP_COUNT];

	for (int i = 0; i < PLANE_MAP_COUNT; i++) {
		int code = actual_map_info(plane, i, &info[i], err);

		if (code)
			return code;
	}
	family(m, "xmesh_map_entries", "gauge", "Entries in a BPF map.");
	for (int i = 0; i < PLANE_MAP_COUNT; i++)
		sample(m, "", info[i].entries, "map", info[i].name, NULL);
	family(m, "xmesh_map_capacity", "gauge", "Entries that a BPF map has room for.");
	for (int i = 0; i < PLANE_MAP_COUNT; i++)
		sample(m, "", info[i].max_entries, "map", info[i].name, NULL);
	return 0;
}

/* By state, not by service: a series for each of ten thousand services would be theirs, not ours. */
static int emit_services(struct metrics *m, const struct plane *plane, struct err *err)
{
	static const char *const states[XM_BACKEND_STATE_COUNT] = {
#define STATE(name, text) text,
		XM_BACKEND_STATES(STATE)
#undef STATE
	};
	uint64_t n_in_state[XM_BACKEND_STATE_COUNT] = { 0 }, entries, evicted, n_refusing = 0;
	struct service_tables *tables;
	int code = balance_read(plane, &tables, err);

	if (code)
		return code;
	for (size_t i = 0; i < tables->n_services; i++) {
		const struct service_entry *s = &tables->services[i];
		bool refusing = false;

		for (size_t k = 0; k < s->n_backends; k++)
			if (!(s->backends[k].backend.flags & XM_BACKEND_IS_NODE) &&
			    s->backends[k].backend.state < XM_BACKEND_STATE_COUNT)
				n_in_state[s->backends[k].backend.state]++;
		for (size_t k = 0; k < s->n_frontends; k++)
			refusing |= s->frontends[k].key.scope == XM_SCOPE_CLIENT &&
				    !(uint32_t)s->frontends[k].service.where;
		n_refusing += refusing;
	}
	family(m, "xmesh_services", "gauge", "Global services.");
	sample(m, "", tables->n_services, NULL);
	family(m, "xmesh_services_refusing", "gauge", "Global services with a frontend that has no usable backend.");
	sample(m, "", n_refusing, NULL);
	family(m, "xmesh_backends", "gauge", "Backends of global services.");
	for (int state = XM_BACKEND_FREE + 1; state < XM_BACKEND_STATE_COUNT; state++)
		sample(m, "", n_in_state[state], "state", states[state], NULL);
	family(m, "xmesh_maglev_slots_used", "gauge", "Slots of xm_maglev in slices.");
	sample(m, "", tables->slots_used, NULL);
	service_tables_free(tables);
	code = flows_evicted(plane, &entries, &evicted, err);
	if (code)
		return code;
	family(m, "xmesh_flows_evicted_total", "counter", "Entries that xm_flows lost because it was full.");
	sample(m, "", evicted, NULL);
	return 0;
}

/* One family out of the same member of every feed; feeds without it are left out. */
static void by_feed(struct metrics *m, const json_object *feeds, const char *key)
{
	for (size_t i = 0; i < json_object_array_length(feeds); i++) {
		const json_object *feed = json_object_array_get_idx(feeds, i);
		const json_object *member = agentview_member(feed, key);

		if (member)
			sample(m, "", json_object_get_double(member), "cluster", agentview_text(feed, "cluster"), NULL);
	}
}

static void emit_feeds(struct metrics *m, const json_object *feeds, bool from_agent)
{
	if (from_agent) {
		family(m, "xmesh_feed_age_seconds", "gauge", "Time since the feed was read well.");
		by_feed(m, feeds, "age_s");
		family(m, "xmesh_feed_objects", "gauge", "Objects in the feed's snapshot.");
		by_feed(m, feeds, "objects");
		family(m, "xmesh_feed_errors_total", "counter", "Errors and refusals of the feed.");
		by_feed(m, feeds, "errors");
	}
	family(m, "xmesh_feed_revision_info", "gauge", "Revision of the feed's snapshot.");
	for (size_t i = 0; i < json_object_array_length(feeds); i++) {
		const json_object *feed = json_object_array_get_idx(feeds, i);

		if (agentview_text(feed, "revision")[0])
			sample(m, "", 1, "cluster", agentview_text(feed, "cluster"), "revision",
			       agentview_text(feed, "revision"), NULL);
	}
}

static void emit_apply(struct metrics *m, const json_object *apply)
{
	const json_object *buckets = agentview_member(apply, "buckets");
	char le[32];

	if (!buckets)
		return;
	family(m, "xmesh_apply_seconds", "histogram", "From a change seen to the maps written.");
	for (size_t i = 0; i < json_object_array_length(buckets); i++) {
		const json_object *bucket = json_object_array_get_idx(buckets, i);

		snprintf(le, sizeof(le), "%g", json_object_get_double(agentview_member(bucket, "le")));
		sample(m, "_bucket", agentview_number(bucket, "count"), "le", le, NULL);
	}
	sample(m, "_bucket", agentview_number(apply, "count"), "le", "+Inf", NULL);
	sample(m, "_sum", json_object_get_double(agentview_member(apply, "sum")), NULL);
	sample(m, "_count", agentview_number(apply, "count"), NULL);
}

enum cli_exit cmd_metrics(struct cli *cli)
{
	auto_view struct view view = VIEW_NONE;
	auto_json json_object *status = NULL;
	auto_json json_object *pinned_feeds = NULL;
	auto_emit struct emit *emit = NULL;
	struct metrics m = { 0 };
	struct err err = { 0 };
	enum cli_exit exit = view_open(cli, &view);
	int code;

	if (exit)
		return exit;
	code = agentview_status(view.config, &status, &err);
	if (code && code != -ENOENT)
		cli_warn("%s", err.text);
	if (cli->json) {
		m.emit = emit = cli_emit(cli);
		emit_table(emit, "samples", NULL, columns, ARRAY_SIZE(columns), NULL);
	}
	family(&m, "xmesh_build_info", "gauge", "Version of xmesh.");
	sample(&m, "", 1, "version", XMESH_VERSION, NULL);
	code = emit_counters(&m, &view.plane, &err);
	if (!code)
		code = emit_peers(&m, &view, &err);
	if (!code)
		code = emit_maps(&m, &view.plane, &err);
	if (!code)
		code = emit_services(&m, &view.plane, &err);
	if (code)
		return cli_fail(CLI_FAILED, "%s", err.text);
	pinned_feeds = agentview_feeds_of(&view);
	emit_feeds(&m, status ? agentview_member(status, "feeds") : pinned_feeds, status != NULL);
	if (status)
		emit_health(&m, &view, status);
	if (status)
		emit_apply(&m, agentview_member(status, "apply_seconds"));
	return fflush(stdout) ? CLI_FAILED : CLI_DONE;
}
