/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The metric families but those of latency (metrics_latency.c), and names for their labels. */
#include "agent/metrics.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/defs.h"
#include "core/version.h"
#include "plane/actual.h"
#include "plane/balance.h"
#include "plane/flows.h"
#include "plane/latency.h"
#include "plane/mapio.h"

#define LABELS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

/* ---- names ------------------------------------------------------------------------------------- */

static int by_node(const void *a, const void *b)
{
	uint32_t x = ((const struct metrics_name *)a)->number, y = ((const struct metrics_name *)b)->number;

	return (x > y) - (x < y);
}

static int by_id(const void *a, const void *b)
{
	return ((const struct metrics_cluster *)a)->id - ((const struct metrics_cluster *)b)->id;
}

static int read_nodes(const struct plane *plane, struct metrics_names *names, struct err *err)
{
	struct mapio io;
	int code = mapio_read(plane, PLANE_xm_node_names, &io, err);

	if (code)
		return code;
	names->nodes = calloc(io.n + 1, sizeof(*names->nodes));
	for (size_t i = 0; names->nodes && i < io.n; i++) {
		const struct xm_node_name *from = (const void *)(io.values + i * io.value_size);
		struct metrics_name *to = &names->nodes[names->n_nodes++];

		to->number = *(const uint32_t *)(io.keys + i * io.key_size);
		to->cluster = from->cluster;
		memcpy(to->name, from->name, sizeof(to->name) - 1);
	}
	mapio_done(&io);
	if (!names->nodes)
		return no_memory(err);
	qsort(names->nodes, names->n_nodes, sizeof(*names->nodes), by_node);
	return 0;
}

static int read_clusters(const struct plane *plane, struct metrics_names *names, struct err *err)
{
	struct mapio io;
	int code = mapio_read(plane, PLANE_xm_clusters, &io, err);

	if (code)
		return code;
	names->clusters = calloc(io.n + 1, sizeof(*names->clusters));
	for (size_t i = 0; names->clusters && i < io.n; i++) {
		struct metrics_cluster *to = &names->clusters[names->n_clusters++];

		/* The low half of a key of two or four bytes. */
		memcpy(&to->id, io.keys + i * io.key_size, sizeof(to->id));
		memcpy(&to->cluster, io.values + i * io.value_size, sizeof(to->cluster));
		to->cluster.name[sizeof(to->cluster.name) - 1] = '\0';
		to->cluster.revision[sizeof(to->cluster.revision) - 1] = '\0';
	}
	mapio_done(&io);
	if (!names->clusters)
		return no_memory(err);
	qsort(names->clusters, names->n_clusters, sizeof(*names->clusters), by_id);
	return 0;
}

static int read_services(const struct plane *plane, struct metrics_names *names, struct err *err)
{
	struct mapio io;
	uint32_t max = 0;
	int code = mapio_read(plane, PLANE_xm_service_names, &io, err);

	if (code)
		return code;
	for (size_t i = 0; i < io.n; i++)
		max = MAX(max, MIN(*(const uint32_t *)(io.keys + i * io.key_size), XM_MAX_SERVICES));
	names->services = calloc(max + 1, sizeof(*names->services));
	names->n_services = max + 1;
	for (size_t i = 0; names->services && i < io.n; i++) {
		const struct xm_service_name *from = (const void *)(io.values + i * io.value_size);
		uint32_t number = *(const uint32_t *)(io.keys + i * io.key_size);

		if (number <= max)
			snprintf(names->services[number], sizeof(names->services[0]), "%.63s/%.63s", from->space,
				 from->name);
	}
	mapio_done(&io);
	return names->services ? 0 : no_memory(err);
}

int metrics_names_read(const struct plane *plane, struct metrics_names *ret_names, struct err *err)
{
	struct metrics_names names = { 0 };
	int code = read_nodes(plane, &names, err);

	if (!code)
		code = read_clusters(plane, &names, err);
	if (!code)
		code = read_services(plane, &names, err);
	if (code) {
		metrics_names_done(&names);
		return code;
	}
	*ret_names = names;
	return 0;
}

void metrics_names_done(struct metrics_names *names)
{
	free(names->nodes);
	free(names->clusters);
	free(names->services);
}

const char *metrics_cluster_name(const struct metrics_names *names, uint16_t id)
{
	struct metrics_cluster key = { .id = id };
	const struct metrics_cluster *c =
		names->n_clusters ? bsearch(&key, names->clusters, names->n_clusters, sizeof(key), by_id) : NULL;

	return c ? c->cluster.name : "";
}

const struct metrics_name *metrics_node(const struct metrics_names *names, uint32_t number)
{
	struct metrics_name key = { .number = number };

	return names->n_nodes ? bsearch(&key, names->nodes, names->n_nodes, sizeof(key), by_node) : NULL;
}

const char *metrics_service_name(const struct metrics_names *names, uint32_t number)
{
	return number < names->n_services ? names->services[number] : "";
}

/* ---- families ---------------------------------------------------------------------------------- */

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

static void by_reason(struct metrics_text *t, const struct xm_counter *counters, enum xm_kind kind)
{
	for (unsigned int r = 0; r < XM_REASON_COUNT; r++)
		if (reasons[r].kind == kind)
			metrics_text_count(t, "", LABELS("reason", reasons[r].text), sum(counters, r));
}

static int put_counters(struct metrics_text *t, const struct plane *plane, struct err *err)
{
	auto_free struct xm_counter *counters = calloc(XM_COUNTERS, sizeof(*counters));
	int code;

	if (!counters)
		return no_memory(err);
	code = actual_counters(plane, counters, err);
	if (code)
		return code;
	metrics_text_family(t, "xmesh_forwarded_packets_total", "counter", "Packets sent on by the fast path.");
	for (unsigned int r = 0; r < XM_REASON_COUNT; r++) {
		uint64_t tx = counters[XM_COUNTER_INDEX(XM_HOOK_FROM_POD, r)].packets;

		if (reasons[r].kind != XM_KIND_FORWARD)
			continue;
		metrics_text_count(t, "", LABELS("direction", "tx", "mode", reasons[r].text), tx);
		metrics_text_count(t, "", LABELS("direction", "rx", "mode", reasons[r].text),
				   sum(counters, r) - tx);
	}
	metrics_text_family(t, "xmesh_stack_packets_total", "counter", "Mesh packets handed to the kernel's stack.");
	by_reason(t, counters, XM_KIND_STACK);
	metrics_text_family(t, "xmesh_dropped_packets_total", "counter", "Packets dropped.");
	by_reason(t, counters, XM_KIND_DROP);
	metrics_text_family(t, "xmesh_answered_packets_total", "counter", "Packets and connections answered here.");
	by_reason(t, counters, XM_KIND_ANSWER);
	metrics_text_family(t, "xmesh_notes_total", "counter", "What was counted beside another verdict.");
	by_reason(t, counters, XM_KIND_NOTE);
	return 0;
}

struct peer { const char *cluster, *node; struct xm_peer_stat stat; };

static int read_peers(const struct plane *plane, const struct metrics_names *names, struct peer *peers,
		      size_t *ret_n, struct err *err)
{
	bool other = false;
	size_t n = 0;
	int code;

	for (size_t i = 0; i < names->n_nodes; i++) {
		/* Beyond the counters all nodes share one. */
		if (names->nodes[i].number >= XM_STAT_NODES) {
			other = true;
			continue;
		}
		peers[n].cluster = metrics_cluster_name(names, names->nodes[i].cluster);
		peers[n].node = names->nodes[i].name;
		code = actual_peer_stat(plane, names->nodes[i].number, &peers[n++].stat, err);
		if (code)
			return code;
	}
	if (other) {
		peers[n].cluster = peers[n].node = "other";
		code = actual_peer_stat(plane, 0, &peers[n++].stat, err);
		if (code)
			return code;
	}
	*ret_n = n;
	return 0;
}

static int put_peers(struct metrics_text *t, const struct plane *plane, const struct metrics_names *names,
		     struct err *err)
{
	auto_free struct peer *peers = calloc(names->n_nodes + 1, sizeof(*peers));
	size_t n = 0;
	int code = peers ? read_peers(plane, names, peers, &n, err) : no_memory(err);

	if (code)
		return code;
	metrics_text_family(t, "xmesh_peer_receive_bytes_total", "counter",
			    "Bytes received from a node by the fast path.");
	for (size_t i = 0; i < n; i++)
		metrics_text_count(t, "", LABELS("cluster", peers[i].cluster, "node", peers[i].node),
				   peers[i].stat.rx_bytes);
	metrics_text_family(t, "xmesh_peer_transmit_bytes_total", "counter",
			    "Bytes sent to a node by the fast path.");
	for (size_t i = 0; i < n; i++)
		metrics_text_count(t, "", LABELS("cluster", peers[i].cluster, "node", peers[i].node),
				   peers[i].stat.tx_bytes);
	return 0;
}

/* @n_latency: entries of xm_latency. To count them once more takes as long as to read them. */
static int put_maps(struct metrics_text *t, const struct plane *plane, size_t n_latency, struct err *err)
{
	struct map_info info[PLANE_MAP_COUNT];

	for (int i = 0; i < PLANE_MAP_COUNT; i++) {
		int code = 0;

		if (i == PLANE_xm_latency)
			info[i] = (struct map_info){ .name = plane_map_names[i], .entries = (uint32_t)n_latency,
						     .max_entries = XM_MAX_LATENCY };
		else
			code = actual_map_info(plane, i, &info[i], err);
		if (code)
			return code;
	}
	metrics_text_family(t, "xmesh_map_entries", "gauge", "Entries in a BPF map.");
	for (int i = 0; i < PLANE_MAP_COUNT; i++)
		metrics_text_count(t, "", LABELS("map", info[i].name), info[i].entries);
	metrics_text_family(t, "xmesh_map_capacity", "gauge", "Entries that a BPF map has room for.");
	for (int i = 0; i < PLANE_MAP_COUNT; i++)
		metrics_text_count(t, "", LABELS("map", info[i].name), info[i].max_entries);
	return 0;
}

/* By state, not by service: a series for each of ten thousand services would be theirs, not ours. */
static int put_services(struct metrics_text *t, const struct plane *plane, struct err *err)
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
	metrics_text_family(t, "xmesh_services", "gauge", "Global services.");
	metrics_text_count(t, "", NULL, tables->n_services);
	metrics_text_family(t, "xmesh_services_refusing", "gauge",
			    "Global services with a frontend that has no usable backend.");
	metrics_text_count(t, "", NULL, n_refusing);
	metrics_text_family(t, "xmesh_backends", "gauge", "Backends of global services.");
	for (int state = XM_BACKEND_FREE + 1; state < XM_BACKEND_STATE_COUNT; state++)
		metrics_text_count(t, "", LABELS("state", states[state]), n_in_state[state]);
	metrics_text_family(t, "xmesh_maglev_slots_used", "gauge", "Slots of xm_maglev in slices.");
	metrics_text_count(t, "", NULL, tables->slots_used);
	service_tables_free(tables);
	code = flows_evicted(plane, &entries, &evicted, err);
	if (code)
		return code;
	metrics_text_family(t, "xmesh_flows_evicted_total", "counter",
			    "Entries that xm_flows lost because it was full.");
	metrics_text_count(t, "", NULL, evicted);
	return 0;
}

static int put_latency(struct metrics_text *t, const struct plane *plane, const struct metrics_names *names,
		       size_t *ret_n, struct err *err)
{
	auto_free struct latency_entry *entries = NULL;
	auto_free struct latency_probe *probes = NULL;
	struct xm_hist hists[XM_HOOK_COUNT];
	size_t n_entries = 0, n_probes = 0;
	int code = latency_read(plane, &entries, &n_entries, err);

	if (!code)
		code = latency_read_probes(plane, &probes, &n_probes, err);
	if (!code)
		code = latency_read_programs(plane, hists, err);
	if (code)
		return code;
	if (metrics_latency(t, names, entries, n_entries, probes, n_probes))
		return no_memory(err);
	metrics_programs(t, hists);
	*ret_n = 0;
	for (size_t i = 0; i < n_entries; i++)
		*ret_n += !entries[i].swept;
	return 0;
}

/* ---- what only the agent knows ----------------------------------------------------------------- */

static const json_object *member(const json_object *object, const char *key)
{
	json_object *found = NULL;

	json_object_object_get_ex(object, key, &found);
	return found;
}

static const char *text_of(const json_object *object, const char *key)
{
	const json_object *found = member(object, key);

	return found ? json_object_get_string((json_object *)found) : "";
}

/* @other: the key where that one is not; NULL = none. */
static void by_feed(struct metrics_text *t, const json_object *feeds, const char *key, const char *other)
{
	for (size_t i = 0; feeds && i < json_object_array_length(feeds); i++) {
		const json_object *feed = json_object_array_get_idx(feeds, i), *value = member(feed, key);

		if (!value && other)
			value = member(feed, other);
		if (value)
			metrics_text_real(t, "", LABELS("cluster", text_of(feed, "cluster")),
					  json_object_get_double(value));
	}
}

static void by_state(struct metrics_text *t, const json_object *feeds, const char *state)
{
	for (size_t i = 0; feeds && i < json_object_array_length(feeds); i++) {
		const json_object *feed = json_object_array_get_idx(feeds, i);

		if (strcmp(text_of(feed, "state"), "none"))
			metrics_text_count(t, "", LABELS("cluster", text_of(feed, "cluster")),
					   !strcmp(text_of(feed, "state"), state));
	}
}

static void put_feeds(struct metrics_text *t, const json_object *feeds)
{
	metrics_text_family(t, "xmesh_feed_age_seconds", "gauge",
			    "Time since the feed was read well, or since the start if it never was.");
	by_feed(t, feeds, "age_s", "waiting_s");
	metrics_text_family(t, "xmesh_feed_objects", "gauge", "Objects in the feed's snapshot.");
	by_feed(t, feeds, "objects", NULL);
	metrics_text_family(t, "xmesh_feed_errors_total", "counter", "Errors and refusals of the feed.");
	by_feed(t, feeds, "errors", NULL);
	metrics_text_family(t, "xmesh_feed_bad_values", "gauge",
			    "Values of the feed that cannot be decoded; the rest of it is used.");
	by_feed(t, feeds, "bad", NULL);
	metrics_text_family(t, "xmesh_feed_held", "gauge",
			    "1 while a snapshot is held because it would take away more than max_shrink.");
	by_state(t, feeds, "held");
	metrics_text_family(t, "xmesh_feed_fallback", "gauge", "1 while another than the first source serves.");
	by_state(t, feeds, "fallback");
}

static void put_revisions(struct metrics_text *t, const struct metrics_names *names, const json_object *feeds)
{
	metrics_text_family(t, "xmesh_feed_revision_info", "gauge", "Revision of the feed's snapshot.");
	for (size_t i = 0; feeds && i < json_object_array_length(feeds); i++) {
		const json_object *feed = json_object_array_get_idx(feeds, i);

		if (text_of(feed, "revision")[0])
			metrics_text_count(t, "", LABELS("cluster", text_of(feed, "cluster"), "revision",
							 text_of(feed, "revision")), 1);
	}
	for (size_t i = 0; !feeds && i < names->n_clusters; i++)
		if (names->clusters[i].cluster.revision[0])
			metrics_text_count(t, "", LABELS("cluster", names->clusters[i].cluster.name, "revision",
							 names->clusters[i].cluster.revision), 1);
}

/* Of the nodes that the agent asks and that have answered: silence that was never broken is no state. */
static void put_health(struct metrics_text *t, const struct metrics_names *names, const json_object *status)
{
	const json_object *health = member(status, "health");

	metrics_text_family(t, "xmesh_peer_up", "gauge",
			    "1 while a node answers liveness probes, 0 when it ceased to.");
	for (size_t i = 0; i < names->n_nodes; i++) {
		const char *state;
		char key[16];

		snprintf(key, sizeof(key), "%u", names->nodes[i].number);
		state = text_of(health, key);
		if (state[0] && strcmp(state, "unknown"))
			metrics_text_count(t, "", LABELS("cluster",
					   metrics_cluster_name(names, names->nodes[i].cluster), "node",
					   names->nodes[i].name), !strcmp(state, "up"));
	}
}

static void put_apply(struct metrics_text *t, const json_object *status)
{
	const json_object *apply = member(status, "apply_seconds"), *buckets = member(apply, "buckets");
	uint64_t count = json_object_get_uint64(member(apply, "count"));
	char le[32];

	if (!buckets)
		return;
	metrics_text_family(t, "xmesh_apply_errors_total", "counter", "Attempts to apply changes that failed.");
	metrics_text_count(t, "", NULL, json_object_get_uint64(member(member(status, "turns"), "failed")));
	metrics_text_family(t, "xmesh_apply_seconds", "histogram", "From a change seen to the maps written.");
	for (size_t i = 0; i < json_object_array_length(buckets); i++) {
		const json_object *bucket = json_object_array_get_idx(buckets, i);

		snprintf(le, sizeof(le), "%g", json_object_get_double(member(bucket, "le")));
		metrics_text_count(t, "_bucket", LABELS("le", le), json_object_get_uint64(member(bucket, "count")));
	}
	metrics_text_count(t, "_bucket", LABELS("le", "+Inf"), count);
	metrics_text_real(t, "_sum", NULL, json_object_get_double(member(apply, "sum")));
	metrics_text_count(t, "_count", NULL, count);
}

/* ---- all of it --------------------------------------------------------------------------------- */

static int put_all(struct metrics_text *t, const struct plane *plane, const struct metrics_names *names,
		   const json_object *status, struct err *err)
{
	size_t n_latency;
	int code;

	metrics_text_family(t, "xmesh_build_info", "gauge", "Version of xmesh.");
	metrics_text_count(t, "", LABELS("version", XMESH_VERSION), 1);
	code = put_counters(t, plane, err);
	if (!code)
		code = put_peers(t, plane, names, err);
	if (!code)
		code = put_services(t, plane, err);
	if (!code)
		code = put_latency(t, plane, names, &n_latency, err);
	if (!code)
		code = put_maps(t, plane, n_latency, err);
	if (code)
		return code;
	put_revisions(t, names, status ? member(status, "feeds") : NULL);
	if (status) {
		put_feeds(t, member(status, "feeds"));
		put_health(t, names, status);
		put_apply(t, status);
	}
	return 0;
}

int metrics_format(const struct plane *plane, const json_object *status, char **ret_text, size_t *ret_len,
		   struct err *err)
{
	struct metrics_text t = { 0 };
	struct metrics_names names;
	char *text;
	int code = metrics_names_read(plane, &names, err);

	if (code)
		return code;
	code = put_all(&t, plane, &names, status, err);
	metrics_names_done(&names);
	if (code) {
		free(t.p);
		return code;
	}
	text = metrics_text_end(&t, ret_len);
	if (!text)
		return no_memory(err);
	*ret_text = text;
	return 0;
}
