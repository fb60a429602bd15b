/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The mesh from this node as one document. */
#include "agent/meshview.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/metrics.h"
#include "core/addr.h"
#include "core/defs.h"
#include "model/latency.h"
#include "plane/actual.h"
#include "plane/balance.h"
#include "plane/latency.h"

#define ADD_TEXT(o, key, value) json_object_object_add(o, key, json_object_new_string(value))
#define ADD_NUMBER(o, key, value) json_object_object_add(o, key, json_object_new_uint64(value))

struct sums {
	struct xm_hist hists[XM_LATENCY_KINDS];
	uint64_t syns, retries, resets, timeouts, unmeasured, asked, lost;
};

static json_object *hist_json(const struct xm_hist *hist)
{
	json_object *o = json_object_new_object();

	ADD_NUMBER(o, "count", hist_count(hist));
	json_object_object_add(o, "p50_us", json_object_new_double(hist_quantile(hist, 500) / 1e3));
	json_object_object_add(o, "p90_us", json_object_new_double(hist_quantile(hist, 900) / 1e3));
	json_object_object_add(o, "p99_us", json_object_new_double(hist_quantile(hist, 990) / 1e3));
	return o;
}

static const char *text_of(const json_object *object, const char *key)
{
	json_object *found = NULL;

	json_object_object_get_ex(object, key, &found);
	return found ? json_object_get_string(found) : "";
}

static const json_object *feed_of(const json_object *status, const char *cluster)
{
	json_object *feeds = NULL;

	json_object_object_get_ex(status, "feeds", &feeds);
	for (size_t i = 0; feeds && i < json_object_array_length(feeds); i++)
		if (!strcmp(text_of(json_object_array_get_idx(feeds, i), "cluster"), cluster))
			return json_object_array_get_idx(feeds, i);
	return NULL;
}

static const char *health_of(const json_object *status, uint32_t number)
{
	json_object *health = NULL;
	char key[16];

	json_object_object_get_ex(status, "health", &health);
	snprintf(key, sizeof(key), "%u", number);
	return text_of(health, key);
}

/* ---- clusters ---------------------------------------------------------------------------------- */

static int read_sums(const struct plane *plane, const struct metrics_names *names, struct sums *sums,
		     struct latency_probe **ret_probes, size_t *ret_n, struct err *err)
{
	auto_free struct latency_entry *entries = NULL;
	size_t n = 0;
	int code = latency_read(plane, &entries, &n, err);

	if (!code)
		code = latency_read_probes(plane, ret_probes, ret_n, err);
	for (size_t i = 0; !code && i < n; i++)
		for (size_t c = 0; c < names->n_clusters; c++)
			if (names->clusters[c].id == entries[i].key.cluster &&
			    entries[i].key.kind < XM_LATENCY_PROBE) {
				hist_add(&sums[c].hists[entries[i].key.kind], &entries[i].value.hist);
				sums[c].syns += entries[i].value.syns;
				sums[c].retries += entries[i].value.syn_retries;
				sums[c].resets += entries[i].value.resets;
				sums[c].timeouts += entries[i].value.timeouts;
				sums[c].unmeasured += entries[i].value.unmeasured;
			}
	return code;
}

static const struct xm_probe_stat *probe_of(const struct latency_probe *probes, size_t n, uint32_t node)
{
	for (size_t i = 0; i < n; i++)
		if (probes[i].node == node)
			return &probes[i].stat;
	return NULL;
}

static json_object *node_json(const struct metrics_name *node, const char *health,
			      const struct xm_probe_stat *probe)
{
	json_object *o = json_object_new_object();

	ADD_TEXT(o, "name", node->name);
	ADD_TEXT(o, "health", health[0] ? health : "not asked");
	if (probe) {
		json_object_object_add(o, "probe", hist_json(&probe->hist));
		ADD_NUMBER(o, "asked", probe->asked);
		ADD_NUMBER(o, "lost", probe->lost);
	}
	return o;
}

static json_object *cluster_json(const struct metrics_names *names, const struct metrics_cluster *c,
				 struct sums *sums, const struct latency_probe *probes, size_t n_probes,
				 const json_object *status)
{
	static const char *const kinds[XM_LATENCY_KINDS] = { "handshake", "srtt", "probe" };
	json_object *o = json_object_new_object(), *nodes = json_object_new_array();
	const json_object *feed = feed_of(status, c->cluster.name);
	size_t n = 0, up = 0, down = 0;
	bool stale = !strcmp(text_of(feed, "stale"), "true");

	for (size_t i = 0; i < names->n_nodes; i++) {
		const struct xm_probe_stat *probe;
		const char *health;

		if (names->nodes[i].cluster != c->id)
			continue;
		health = health_of(status, names->nodes[i].number);
		probe = probe_of(probes, n_probes, names->nodes[i].number);
		up += !strcmp(health, "up");
		down += !strcmp(health, "down");
		if (probe) {
			hist_add(&sums->hists[XM_LATENCY_PROBE], &probe->hist);
			sums->asked += probe->asked;
			sums->lost += probe->lost;
		}
		if (n++ < MESHVIEW_NODES)
			json_object_array_add(nodes, node_json(&names->nodes[i], health, probe));
	}
	ADD_TEXT(o, "name", c->cluster.name);
	ADD_NUMBER(o, "id", c->id);
	json_object_object_add(o, "own", json_object_new_boolean(c->cluster.own));
	ADD_TEXT(o, "state", stale ? "stale" : up ? "up" : down ? "down" : c->cluster.own ? "own" : "unknown");
	for (int k = 0; k < XM_LATENCY_KINDS; k++)
		json_object_object_add(o, kinds[k], hist_json(&sums->hists[k]));
	ADD_NUMBER(o, "syns", sums->syns);
	ADD_NUMBER(o, "retries", sums->retries);
	ADD_NUMBER(o, "resets", sums->resets);
	ADD_NUMBER(o, "timeouts", sums->timeouts);
	ADD_NUMBER(o, "asked", sums->asked);
	ADD_NUMBER(o, "lost", sums->lost);
	json_object_object_add(o, "nodes", nodes);
	ADD_NUMBER(o, "nodes_total", n);
	ADD_NUMBER(o, "nodes_up", up);
	ADD_NUMBER(o, "nodes_down", down);
	json_object_object_add(o, "feed", json_object_get((json_object *)feed));
	return o;
}

static int add_clusters(json_object *mesh, const struct plane *plane, const struct metrics_names *names,
			const json_object *status, struct err *err)
{
	auto_free struct sums *sums = calloc(names->n_clusters + 1, sizeof(*sums));
	auto_free struct latency_probe *probes = NULL;
	json_object *list;
	size_t n_probes = 0;
	int code = sums ? read_sums(plane, names, sums, &probes, &n_probes, err) :
			  err_set(err, -ENOMEM, "out of memory");

	if (code)
		return code;
	list = json_object_new_array();
	for (size_t i = 0; i < names->n_clusters; i++)
		json_object_array_add(list, cluster_json(names, &names->clusters[i], &sums[i], probes, n_probes,
							 status));
	json_object_object_add(mesh, "clusters", list);
	return 0;
}

/* ---- services ---------------------------------------------------------------------------------- */

#define WORD(name, text) text,
static const char *const states[] = { XM_BACKEND_STATES(WORD) };
static const char *const whys[] = { XM_BACKEND_WHYS(WORD) };
#undef WORD

static json_object *out_json(const struct metrics_names *names, const struct xm_backend *b)
{
	json_object *o = json_object_new_object();
	char addr[ADDR_TEXT_MAX], place[ADDR_TEXT_MAX + 8];

	addr_format(&b->addr, addr);
	snprintf(place, sizeof(place), xm_addr_is_v4(&b->addr) ? "%s:%u" : "[%s]:%u", addr, ntohs(b->port));
	ADD_TEXT(o, "endpoint", place);
	ADD_TEXT(o, "cluster", metrics_cluster_name(names, b->cluster));
	ADD_TEXT(o, "state", b->state < XM_BACKEND_STATE_COUNT ? states[b->state] : "?");
	ADD_TEXT(o, "why", b->why < XM_WHY_COUNT ? whys[b->why] : "?");
	return o;
}

/* The frontend by whose slice the split is told: the first for clients that has backends. */
static const struct xm_service *shown_frontend(const struct service_entry *s)
{
	for (size_t i = 0; i < s->n_frontends; i++)
		if (s->frontends[i].key.scope == XM_SCOPE_CLIENT && (uint32_t)s->frontends[i].service.where)
			return &s->frontends[i].service;
	return NULL;
}

static json_object *split_json(const struct plane *plane, const struct metrics_names *names,
			       const struct service_entry *s)
{
	const struct xm_service *frontend = shown_frontend(s);
	json_object *list = json_object_new_array();

	for (size_t c = 0; c < names->n_clusters; c++) {
		uint64_t slots = 0, of = 0, active = 0, all = 0;
		json_object *o;

		for (size_t i = 0; i < s->n_backends; i++) {
			const struct xm_backend *b = &s->backends[i].backend;
			uint32_t n = 0, size = 0;

			if (b->cluster != names->clusters[c].id || b->flags & XM_BACKEND_IS_NODE ||
			    b->state == XM_BACKEND_GONE)
				continue;
			all++;
			active += b->state == XM_BACKEND_ACTIVE;
			if (frontend && b->state == XM_BACKEND_ACTIVE &&
			    !balance_share(plane, frontend, s->backends[i].number, &n, &size, NULL)) {
				slots += n;
				of = size;
			}
		}
		if (!all)
			continue;
		o = json_object_new_object();
		ADD_TEXT(o, "cluster", names->clusters[c].cluster.name);
		json_object_object_add(o, "share", json_object_new_double(of ? (double)slots / of : 0));
		ADD_NUMBER(o, "active", active);
		ADD_NUMBER(o, "backends", all);
		json_object_array_add(list, o);
	}
	return list;
}

static json_object *service_json(const struct plane *plane, const struct metrics_names *names,
				 const struct service_entry *s)
{
	json_object *o = json_object_new_object(), *out = json_object_new_array();
	uint64_t n_out = 0;
	char name[132];

	for (size_t i = 0; i < s->n_backends; i++) {
		const struct xm_backend *b = &s->backends[i].backend;

		if (b->flags & XM_BACKEND_IS_NODE || b->state == XM_BACKEND_ACTIVE || b->state == XM_BACKEND_GONE)
			continue;
		if (n_out++ < MESHVIEW_OUT)
			json_object_array_add(out, out_json(names, b));
	}
	snprintf(name, sizeof(name), "%.63s/%.63s", s->name.space, s->name.name);
	ADD_TEXT(o, "name", name);
	json_object_object_add(o, "refusing", json_object_new_boolean(!shown_frontend(s)));
	json_object_object_add(o, "clusters", split_json(plane, names, s));
	json_object_object_add(o, "out", out);
	ADD_NUMBER(o, "out_total", n_out);
	return o;
}

static int add_services(json_object *mesh, const struct plane *plane, const struct metrics_names *names,
			struct err *err)
{
	struct service_tables *tables;
	json_object *list;
	int code = balance_read(plane, &tables, err);

	if (code)
		return code;
	list = json_object_new_array();
	for (size_t i = 0; i < MIN(tables->n_services, MESHVIEW_SERVICES); i++)
		json_object_array_add(list, service_json(plane, names, &tables->services[i]));
	json_object_object_add(mesh, "services", list);
	ADD_NUMBER(mesh, "services_total", tables->n_services);
	service_tables_free(tables);
	return 0;
}

/* ---- drops ------------------------------------------------------------------------------------- */

static int add_drops(json_object *mesh, const struct plane *plane, struct err *err)
{
	static const struct { const char *text; enum xm_kind kind; const char *what; } reasons[] = {
#define REASON(name, text, kind, what) { text, XM_KIND_##kind, what },
		XM_REASONS(REASON)
#undef REASON
	};
	auto_free struct xm_counter *counters = calloc(XM_COUNTERS, sizeof(*counters));
	json_object *list;
	int code = counters ? actual_counters(plane, counters, err) : err_set(err, -ENOMEM, "out of memory");

	if (code)
		return code;
	list = json_object_new_array();
	for (unsigned int r = 0; r < XM_REASON_COUNT; r++) {
		uint64_t packets = 0;
		json_object *o;

		for (unsigned int h = 0; h < XM_HOOK_COUNT; h++)
			packets += counters[XM_COUNTER_INDEX(h, r)].packets;
		if (reasons[r].kind != XM_KIND_DROP)
			continue;
		o = json_object_new_object();
		ADD_TEXT(o, "reason", reasons[r].text);
		ADD_TEXT(o, "what", reasons[r].what);
		ADD_NUMBER(o, "packets", packets);
		json_object_array_add(list, o);
	}
	json_object_object_add(mesh, "drops", list);
	return 0;
}

int meshview(const struct plane *plane, const json_object *status, json_object **ret_mesh, struct err *err)
{
	static const char *const copied[] = { "version", "since_s", "instance", "ready", "turns", "notes",
					      "host_notes", "errors" };
	json_object *mesh = json_object_new_object(), *value;
	struct metrics_names names = { 0 };
	int code = metrics_names_read(plane, &names, err);

	ADD_NUMBER(mesh, "now_s", time(NULL));
	for (size_t i = 0; i < ARRAY_SIZE(copied); i++)
		if (json_object_object_get_ex(status, copied[i], &value))
			json_object_object_add(mesh, copied[i], json_object_get(value));
	if (!code)
		code = add_clusters(mesh, plane, &names, status, err);
	if (!code)
		code = add_services(mesh, plane, &names, err);
	if (!code)
		code = add_drops(mesh, plane, err);
	metrics_names_done(&names);
	if (code) {
		json_object_put(mesh);
		return code;
	}
	*ret_mesh = mesh;
	return 0;
}
