/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * service list, service get: global services as they are in force, from the pinned maps alone: an
 * agent need not run, but for the round trips behind weights. The share of a backend is counted in
 * the slice that programs read.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/agentview.h"
#include "cli/serviceview.h"
#include "core/addr.h"
#include "core/defs.h"
#include "core/text.h"
#include "model/policy.h"
#include "plane/balance.h"

static void free_tables(struct service_tables **tables)
{
	service_tables_free(*tables);
}

#define auto_tables __attribute__((cleanup(free_tables)))

static enum cli_exit read_tables(const struct view *view, struct service_tables **ret_tables)
{
	struct err err = { 0 };

	if (balance_read(&view->plane, ret_tables, &err))
		return cli_fail(CLI_FAILED, "%s", err.text);
	return CLI_DONE;
}

static bool is_node(const struct service_backend_entry *b)
{
	return b->backend.flags & XM_BACKEND_IS_NODE;
}

static size_t count_state(const struct service_entry *s, enum xm_backend_state state)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_backends; i++)
		n += !is_node(&s->backends[i]) && s->backends[i].backend.state == state;
	return n;
}

static size_t count_endpoints(const struct service_entry *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_backends; i++)
		n += !is_node(&s->backends[i]) && s->backends[i].backend.state != XM_BACKEND_GONE;
	return n;
}

/* The first frontend that clients of our own cluster use, for a list with one line a service. */
static const struct service_frontend_entry *first_frontend(const struct service_entry *s)
{
	for (size_t i = 0; i < s->n_frontends; i++)
		if (s->frontends[i].key.scope == XM_SCOPE_CLIENT)
			return &s->frontends[i];
	return s->n_frontends ? &s->frontends[0] : NULL;
}

enum cli_exit cmd_service_list(struct cli *cli)
{
	static const struct emit_column columns[] = {
		{ "service", "SERVICE", false },   { "frontend", "FRONTEND", false },
		{ "frontends", "FRONTENDS", true }, { "backends", "BACKENDS", true },
		{ "active", "ACTIVE", true },	   { "standby", "STANDBY", true },
		{ "draining", "DRAINING", true },  { "down", "DOWN", true },
		{ "age_s", "AGE", true },
	};
	auto_view struct view view = VIEW_NONE;
	auto_tables struct service_tables *tables = NULL;
	auto_emit struct emit *emit = NULL;
	enum cli_exit code = view_open(cli, &view);

	if (!code)
		code = read_tables(&view, &tables);
	if (code)
		return code;
	emit = cli_emit(cli);
	emit_table(emit, "services", NULL, columns, ARRAY_SIZE(columns),
		   "no global services: none is annotated xmesh.io/global, or no feed has been applied");
	for (size_t i = 0; i < tables->n_services; i++) {
		const struct service_entry *s = &tables->services[i];
		const struct service_frontend_entry *f = first_frontend(s);
		char name[132], text[SERVICEVIEW_ENDPOINT_MAX];

		snprintf(name, sizeof(name), "%.63s/%.63s", s->name.space, s->name.name);
		emit_row(emit);
		emit_cell_text(emit, name);
		emit_cell_text(emit, f ? serviceview_endpoint(&f->key.addr, f->key.port, text) : NULL);
		emit_cell_number(emit, s->n_frontends);
		emit_cell_number(emit, count_endpoints(s));
		emit_cell_number(emit, count_state(s, XM_BACKEND_ACTIVE));
		emit_cell_number(emit, count_state(s, XM_BACKEND_STANDBY));
		emit_cell_number(emit, count_state(s, XM_BACKEND_DRAINING));
		emit_cell_number(emit, count_state(s, XM_BACKEND_DOWN));
		emit_cell_age(emit, view_age(&view, s->name.since_s));
	}
	emit_table_end(emit);
	return CLI_DONE;
}

/* ---- shares ---------------------------------------------------------------------------------- */

/*
 * How much of the slices that it is in is a backend's. Those with a null port and nodes are in one
 * slice for each port: what is shown is their part of all of them.
 */
struct share { uint32_t slots, size; uint64_t where; };

static int compare_number(const void *a, const void *b)
{
	uint32_t x = ((const struct service_backend_entry *)a)->number;
	uint32_t y = ((const struct service_backend_entry *)b)->number;

	return (x > y) - (x < y);
}

static enum cli_exit count_slice(const struct view *view, const struct service_entry *s,
				 uint64_t where, struct share *shares)
{
	const int fd = view->plane.map_fd[PLANE_xm_maglev];
	uint32_t slot = where >> 32, end = slot + (uint32_t)where;

	for (; slot < end; slot++) {
		struct service_backend_entry key = { 0 }, *b;
		const uint32_t at = slot >> 1;
		struct xm_maglev_pair pair;
		struct share *share;

		if (bpf_map_lookup_elem(fd, &at, &pair))
			return cli_fail(CLI_FAILED, "xm_maglev: slot %u cannot be read", slot);
		key.number = pair.backend[slot & 1];
		b = bsearch(&key, s->backends, s->n_backends, sizeof(key), compare_number);
		if (!b)
			continue;
		share = &shares[b - s->backends];
		share->slots++;
		if (share->where != where)
			share->size += (uint32_t)where;
		share->where = where;
	}
	return CLI_DONE;
}

/*
 * Shares of clients' choices for endpoints (of a NODE pool where no client has one), of the edge's
 * for nodes. Pools share slices among frontends: each is counted once.
 */
static enum cli_exit count_shares(const struct view *view, const struct service_entry *s,
				  struct share *shares)
{
	bool has_clients = false;
	enum cli_exit code = CLI_DONE;

	for (size_t i = 0; i < s->n_frontends; i++)
		has_clients |= s->frontends[i].key.scope == XM_SCOPE_CLIENT;
	for (size_t i = 0; i < s->n_frontends && !code; i++) {
		const struct service_frontend_entry *f = &s->frontends[i];
		bool seen = has_clients && f->key.scope == XM_SCOPE_NODE;

		for (size_t k = 0; k < i && !seen; k++)
			seen = s->frontends[k].service.where == f->service.where;
		if (!seen && (uint32_t)f->service.where)
			code = count_slice(view, s, f->service.where, shares);
	}
	return code;
}

static const char *share_text(const struct share *share, char buf[16])
{
	if (!share->size)
		return NULL;
	snprintf(buf, 16, "%.1f%%", 100.0 * share->slots / share->size);
	return buf;
}

/* ---- service get ----------------------------------------------------------------------------- */

static void emit_frontends(struct emit *emit, const struct view *view, const struct service_entry *s)
{
	static const struct emit_column columns[] = {
		{ "frontend", "FRONTEND", false }, { "protocol", "PROTOCOL", false },
		{ "kind", "KIND", false },	   { "scope", "FOR", false },
		{ "cluster", "CLUSTER", false },   { "targets", "TARGETS", true },
		{ "slots", "SLOTS", true },
	};
	char text[SERVICEVIEW_ENDPOINT_MAX], proto[8];

	emit_table(emit, "frontends", "Frontends", columns, ARRAY_SIZE(columns), "no frontends");
	for (size_t i = 0; i < s->n_frontends; i++) {
		const struct service_frontend_entry *f = &s->frontends[i];

		emit_row(emit);
		emit_cell_text(emit, serviceview_endpoint(&f->key.addr, f->key.port, text));
		emit_cell_text(emit, serviceview_proto(f->key.proto, proto));
		emit_cell_text(emit, serviceview_kind(f->service.kind));
		emit_cell_text(emit, serviceview_scope(f->key.scope));
		emit_cell_text(emit, view_cluster_name(view, f->key.cluster));
		emit_cell_number(emit, f->service.n_targets);
		emit_cell_number(emit, (uint32_t)f->service.where);
	}
	emit_table_end(emit);
}

static void emit_backends(struct emit *emit, const struct view *view, const struct service_entry *s,
			  const struct share *shares, bool nodes)
{
	static const struct emit_column columns[] = {
		{ "address", "ADDRESS", false }, { "protocol", "PROTOCOL", false },
		{ "cluster", "CLUSTER", false }, { "node", "NODE", false },
		{ "state", "STATE", false },	 { "weight", "WEIGHT", true },
		{ "share", "SHARE", true },	 { "why", "WHY", false },
		{ "number", NULL, true },	 { "slots", NULL, true },
		{ "age_s", "AGE", true },
	};
	char text[SERVICEVIEW_ENDPOINT_MAX], proto[8], share[16];

	emit_table(emit, nodes ? "nodes" : "backends",
		   nodes ? "Nodes, for traffic from outside" : "Backends", columns,
		   ARRAY_SIZE(columns), nodes ? NULL : "no backends in any cluster");
	for (size_t i = 0; i < s->n_backends; i++) {
		const struct xm_backend *b = &s->backends[i].backend;

		if (is_node(&s->backends[i]) != nodes)
			continue;
		emit_row(emit);
		emit_cell_text(emit, serviceview_endpoint(&b->addr, b->port, text));
		emit_cell_text(emit, nodes ? NULL : serviceview_proto(b->proto, proto));
		emit_cell_text(emit, view_cluster_name(view, b->cluster));
		emit_cell_text(emit, b->node ? view_node_name(view, b->node) : NULL);
		emit_cell_text(emit, serviceview_state(b->state));
		emit_cell_number(emit, shares[i].slots);
		emit_cell_text(emit, share_text(&shares[i], share));
		emit_cell_text(emit, serviceview_why(b->why));
		emit_cell_number(emit, s->backends[i].number);
		emit_cell_number(emit, shares[i].size);
		emit_cell_age(emit, view_age(view, b->since_s));
	}
	emit_table_end(emit);
}

/* What the agent says of the round trips of service @name; NULL: no agent, or nothing is known yet. */
static const json_object *find_nearest(const json_object *status, const char *name)
{
	const json_object *list = agentview_member(status, "nearest");
	size_t n = list ? json_object_array_length(list) : 0;

	for (size_t i = 0; i < n; i++) {
		const json_object *item = json_object_array_get_idx(list, i);

		if (!strcmp(agentview_text(item, "service"), name))
			return agentview_member(item, "clusters");
	}
	return NULL;
}

static const char *wrong_text(const json_object *cluster, char buf[16])
{
	const uint64_t handshakes = agentview_number(cluster, "handshakes");

	if (!handshakes)
		return NULL;
	snprintf(buf, 16, "%.1f%%", 100.0 * agentview_number(cluster, "wrong") / handshakes);
	return buf;
}

static const char *rtt_text(const json_object *cluster, char buf[32])
{
	if (!agentview_number(cluster, "rtt_us"))
		return NULL;
	snprintf(buf, 32, "%.2f ms", agentview_number(cluster, "rtt_us") / 1000.0);
	return buf;
}

/* The numbers behind each weight. */
static void emit_nearest(struct emit *emit, bool nearest, const json_object *clusters)
{
	static const struct emit_column columns[] = {
		{ "cluster", "CLUSTER", false },  { "rtt", "RTT", true },
		{ "rtt_us", NULL, true },	  { "of", "OF", false },
		{ "handshakes", "HANDSHAKES", true }, { "wrong", NULL, true },
		{ "wrong_percent", "WRONG", true }, { "grey", "GREY", false },
		{ "wanted", "WANTED", true },	  { "weight", "WEIGHT", true },
	};
	size_t n = clusters ? json_object_array_length(clusters) : 0;

	emit_table(emit, "nearest", nearest ? "Round trips" : NULL, columns, ARRAY_SIZE(columns),
		   nearest ? "no round trips: no agent runs, or it has not measured yet" : NULL);
	for (size_t i = 0; i < n; i++) {
		const json_object *c = json_object_array_get_idx(clusters, i);
		const json_object *of = agentview_member(c, "of");
		char rtt[32], wrong[16];

		emit_row(emit);
		emit_cell_text(emit, agentview_text(c, "cluster"));
		emit_cell_text(emit, rtt_text(c, rtt));
		emit_cell_number(emit, agentview_number(c, "rtt_us"));
		emit_cell_text(emit, of ? agentview_text(c, "of") : NULL);
		emit_cell_number(emit, agentview_number(c, "handshakes"));
		emit_cell_number(emit, agentview_number(c, "wrong"));
		emit_cell_text(emit, wrong_text(c, wrong));
		emit_cell_bool(emit, json_object_get_boolean(agentview_member(c, "grey")));
		emit_cell_number(emit, agentview_number(c, "wanted"));
		emit_cell_number(emit, agentview_number(c, "weight"));
	}
	emit_table_end(emit);
}

static const struct service_entry *find_service(const struct service_tables *tables, const char *text)
{
	for (size_t i = 0; i < tables->n_services; i++) {
		char name[132];

		snprintf(name, sizeof(name), "%.63s/%.63s", tables->services[i].name.space,
			 tables->services[i].name.name);
		if (!strcmp(name, text))
			return &tables->services[i];
	}
	return NULL;
}

static bool has_nodes(const struct service_entry *s)
{
	for (size_t i = 0; i < s->n_backends; i++)
		if (is_node(&s->backends[i]))
			return true;
	return false;
}

enum cli_exit cmd_service_get(struct cli *cli)
{
	auto_view struct view view = VIEW_NONE;
	auto_tables struct service_tables *tables = NULL;
	auto_free struct share *shares = NULL;
	auto_emit struct emit *emit = NULL;
	const struct service_entry *s;
	json_object *status = NULL;
	enum cli_exit code;

	if (!strchr(cli->args[0], '/'))
		return cli_fail(CLI_USAGE, "service get: \"%s\" is not NAMESPACE/NAME, as in shop/checkout",
				cli->args[0]);
	code = view_open(cli, &view);
	if (!code)
		code = read_tables(&view, &tables);
	if (code)
		return code;
	s = find_service(tables, cli->args[0]);
	if (!s)
		return cli_fail(CLI_NONE,
				"%s is no global service here: see `xmesh service list`; a service is global "
				"when it is annotated xmesh.io/global: \"true\", or exported", cli->args[0]);
	shares = calloc(s->n_backends + 1, sizeof(*shares));
	if (!shares)
		return cli_fail(CLI_FAILED, "out of memory");
	code = count_shares(&view, s, shares);
	if (code)
		return code;
	emit = cli_emit(cli);
	emit_text(emit, "service", "Service", cli->args[0]);
	emit_number(emit, "number", NULL, s->number);
	emit_text(emit, "prefer", "Prefer", s->name.prefer[0] ? s->name.prefer : NULL);
	emit_text(emit, "weights", "Weights", s->name.weights[0] ? s->name.weights : NULL);
	if (s->name.affinity_s)
		emit_number(emit, "affinity_s", "ClientIP affinity (s)", s->name.affinity_s);
	else
		emit_number(emit, "affinity_s", NULL, 0);
	/* Without an agent the weights stand, and nobody measures. */
	if (policy_is_nearest(s->name.weights))
		agentview_status(view.config, &status, NULL);
	if (policy_is_nearest(s->name.weights) || cli->json)
		emit_nearest(emit, policy_is_nearest(s->name.weights), find_nearest(status, cli->args[0]));
	json_object_put(status);
	emit_frontends(emit, &view, s);
	emit_backends(emit, &view, s, shares, false);
	if (has_nodes(s) || cli->json)
		emit_backends(emit, &view, s, shares, true);
	return CLI_DONE;
}
