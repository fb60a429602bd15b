/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Keys, marks, bad values, what objects of one name come to, and that whatever happened to a store, its
 * snapshot is that of a fresh one with the same values.
 */
#include "../core/rows.h"

#include <errno.h>
#include <stdio.h>

#include "core/defs.h"
#include "feed/store.h"

static struct store *fresh(void)
{
	struct store *store;

	assert_int_equal(store_new(store_decode_object, NULL, &store), 0);
	return store;
}

static int put(struct store *store, const char *key, const char *value)
{
	return store_put(store, key, strlen(key), value, strlen(value));
}

static int erase(struct store *store, const char *key)
{
	return store_delete(store, key, strlen(key));
}

static struct snapshot *look(struct store *store)
{
	struct snapshot *s;

	assert_int_equal(store_snapshot(store, "rev:5", &s, NULL), 0);
	return s;
}

#define META(name, more) "\"metadata\":{\"name\":\"" name "\",\"namespace\":\"a\"" more "}"
#define NODE(name, cidr) \
	"{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"" name "\"},"           \
	"\"spec\":{\"podCIDR\":\"" cidr "\"},\"status\":{\"addresses\":"                           \
	"[{\"type\":\"InternalIP\",\"address\":\"192.0.2.1\"}]}}"
#define SERVICE(name, spec) "{\"apiVersion\":\"v1\",\"kind\":\"Service\"," META(name, "") ",\"spec\":{" spec "}}"
#define MCS(kind, name, spec) \
	"{\"apiVersion\":\"multicluster.x-k8s.io/v1alpha1\",\"kind\":\"" kind "\"," META(name, "")   \
	",\"spec\":{" spec "}}"
#define SLICE(name, service, endpoints) \
	"{\"apiVersion\":\"discovery.k8s.io/v1\",\"kind\":\"EndpointSlice\","                      \
	META(name, ",\"labels\":{\"kubernetes.io/service-name\":\"" service "\"}")                 \
	",\"addressType\":\"IPv4\",\"ports\":[{\"port\":80,\"name\":\"http\"}],"                   \
	"\"endpoints\":[" endpoints "]}"
#define EP(addr, more) "{\"addresses\":[\"" addr "\"],\"nodeName\":\"n1\"" more "}"
#define UNREADY ",\"conditions\":{\"ready\":false,\"terminating\":true}"

/* ---- one value ------------------------------------------------------------------------------- */

static void a_put_tells_what_changed(void **state)
{
	struct store *store = fresh();
	struct snapshot *s;

	assert_int_equal(put(store, "k", NODE("n", "10.1.0.0/24")), 1);
	assert_int_equal(put(store, "k", NODE("n", "10.1.0.0/24")), 0);
	assert_int_equal(put(store, "k", NODE("n", "10.2.0.0/24")), 1);
	assert_int_equal(store_count(store), 1);
	s = look(store);
	assert_int_equal(s->n_nodes, 1);
	assert_int_equal(s->nodes[0].cidrs[0].addr.b[13], 2);
	assert_string_equal(s->nodes[0].source, "k");
	assert_string_equal(s->revision, "rev:5");
	assert_int_equal(s->counts.items, 1);
	snapshot_free(s);
	assert_int_equal(erase(store, "k"), 1);
	assert_int_equal(erase(store, "k"), 0);
	s = look(store);
	assert_int_equal(s->n_nodes, 0);
	assert_int_equal(s->counts.nodes, 0);
	snapshot_free(s);
	store_free(store);
}

static void a_key_may_change_what_it_holds(void **state)
{
	struct store *store = fresh();
	struct snapshot *s;

	put(store, "k", NODE("n", "10.1.0.0/24"));
	put(store, "k", SLICE("x", "s", EP("10.0.0.1", "")));
	s = look(store);
	assert_int_equal(s->n_nodes, 0);
	assert_int_equal(s->n_slices, 1);
	snapshot_free(s);
	put(store, "k", "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"x\"}}");
	s = look(store);
	assert_int_equal(s->n_slices, 0);
	assert_int_equal(s->counts.slices4, 0);
	assert_int_equal(s->counts.skipped, 1);
	snapshot_free(s);
	store_free(store);
}

static void a_snapshot_outlives_its_store(void **state)
{
	struct store *store = fresh();
	struct snapshot *a, *b;

	put(store, "n", NODE("n", "10.1.0.0/24"));
	put(store, "s", SERVICE("s", "\"clusterIP\":\"11.0.0.1\",\"ports\":[{\"port\":80,\"name\":\"http\"}]"));
	put(store, "x", SLICE("x", "s", EP("10.0.0.1", "")));
	a = look(store);
	b = look(store);
	assert_ptr_equal(a->slices[0].endpoints, b->slices[0].endpoints);
	store_free(store);
	snapshot_free(b);
	assert_string_equal(a->slices[0].endpoints[0].node, "n1");
	assert_string_equal(a->slices[0].name, "x");
	assert_string_equal(a->services[0].ports[0].text, "http");
	assert_int_equal(a->nodes[0].cidrs[0].addr.b[13], 1);
	snapshot_free(a);
}

/* ---- bad values ------------------------------------------------------------------------------ */

static const struct bad_row {
	const char *name, *value, *says;
} bads[] = {
	{ "not JSON", "{", "k/1: the value:1: not JSON" },
	{ "nothing", "", "k/1: it is empty" },
	{ "no object", "[]", "k/1: not a Kubernetes object" },
	{ "a node without name", "{\"apiVersion\":\"v1\",\"kind\":\"Node\"}", "k/1: a Node without metadata.name" },
	{ "a bad prefix", NODE("n", "10.1.0.1/24"), "k/1: Node n: spec.podCIDR: prefix" },
	{ "a bad port", SERVICE("s", "\"ports\":[{\"port\":0}]"), "k/1: Service a/s: port 0 is not" },
	{ "an item of a list", "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[{\"kind\":\"x\"}]}",
	  "k/1: items[0]: not a Kubernetes object" },
};

static void bad(void **state)
{
	const struct bad_row *row = *state;
	struct store *store = fresh();
	struct snapshot *s;

	put(store, "k/1", NODE("n1", "10.1.0.0/24"));
	put(store, "k/2", NODE("n2", "10.2.0.0/24"));
	assert_int_equal(put(store, "k/1", row->value), -EINVAL);
	assert_int_equal(put(store, "k/1", row->value), -EINVAL);
	s = look(store);
	assert_int_equal(s->n_nodes, 2);
	assert_int_equal(s->counts.bad, 1);
	assert_int_equal(s->n_warnings, 1);
	if (strncmp(s->warnings[0], row->says, strlen(row->says)))
		fail_msg("says \"%s\"", s->warnings[0]);
	snapshot_free(s);
	/* Good again. */
	assert_int_equal(put(store, "k/1", NODE("n1", "10.3.0.0/24")), 1);
	s = look(store);
	assert_int_equal(s->counts.bad + s->n_warnings, 0);
	snapshot_free(s);
	/* One that held nothing. */
	assert_int_equal(put(store, "k/1", row->value), -EINVAL);
	assert_int_equal(erase(store, "k/1"), 1);
	assert_int_equal(put(store, "k/1", row->value), -EINVAL);
	s = look(store);
	assert_int_equal(s->n_nodes, 1);
	assert_int_equal(s->counts.bad, 1);
	snapshot_free(s);
	assert_int_equal(erase(store, "k/1"), 1);
	s = look(store);
	assert_int_equal(s->counts.bad + s->n_warnings, 0);
	snapshot_free(s);
	store_free(store);
}

static void many_bad_values_are_counted_and_a_hundred_named(void **state)
{
	struct store *store = fresh();
	struct snapshot *s;
	char key[32];

	for (int i = 0; i < 3000; i++) {
		snprintf(key, sizeof(key), "k%04d", i);
		put(store, key, "{");
	}
	s = look(store);
	assert_int_equal(s->counts.bad, 3000);
	assert_int_equal(s->n_warnings, 101);
	assert_string_equal(s->warnings[100], "more of the same was found in 2900 keys and is not listed");
	snapshot_free(s);
	for (int i = 0; i < 3000; i++) {
		snprintf(key, sizeof(key), "k%04d", i);
		assert_int_equal(erase(store, key), 1);
	}
	s = look(store);
	assert_int_equal(s->counts.bad + s->n_warnings, 0);
	snapshot_free(s);
	store_free(store);
}

static void a_key_is_shown_without_control_characters(void **state)
{
	struct store *store = fresh();
	struct snapshot *s;

	store_put(store, "a\nb\0\x1b[2J", 8, "{", 1);
	s = look(store);
	assert_int_equal(strncmp(s->warnings[0], "a?b??[2J: ", 10), 0);
	snapshot_free(s);
	store_free(store);
}

static void warnings_about_a_good_value_name_its_key(void **state)
{
	struct store *store = fresh();
	struct snapshot *s;

	put(store, "k", "{\"apiVersion\":\"v1\",\"kind\":\"Service\"," META("s", ",\"annotations\":"
	    "{\"xmesh.io/shared\":\"no\",\"xmesh.io/nearest\":\"maybe\"}") "}");
	s = look(store);
	assert_int_equal(s->n_services, 1);
	assert_int_equal(s->counts.bad, 0);
	assert_int_equal(s->n_warnings, 2);
	assert_int_equal(strncmp(s->warnings[0], "k: Service a/s: annotation xmesh.io/shared", 40), 0);
	assert_int_equal(strncmp(s->warnings[1], "k: Service a/s: annotation xmesh.io/nearest", 41), 0);
	snapshot_free(s);
	store_free(store);
}

static void a_node_too_many_is_bad_and_the_others_live(void **state)
{
	struct store *store = fresh();
	struct snapshot *s;
	char key[32], value[512];

	for (int i = 0; i <= SNAPSHOT_MAX_NODES; i++) {
		snprintf(key, sizeof(key), "n%d", i);
		snprintf(value, sizeof(value), "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":"
			 "{\"name\":\"n%d\",\"annotations\":{\"xmesh.io/pod-cidrs\":\"\"}},\"status\":"
			 "{\"addresses\":[{\"type\":\"InternalIP\",\"address\":\"10.%d.%d.1\"}]}}", i, i >> 8 & 255, i & 255);
		assert_int_equal(put(store, key, value), i < SNAPSHOT_MAX_NODES ? 1 : -EINVAL);
	}
	s = look(store);
	assert_int_equal(s->n_nodes, SNAPSHOT_MAX_NODES);
	assert_int_equal(s->counts.bad, 1);
	if (!strstr(s->warnings[0], "more than"))
		fail_msg("%s", s->warnings[0]);
	snapshot_free(s);
	store_free(store);
}

/* ---- names under two keys -------------------------------------------------------------------- */

static void of_two_keys_with_one_name_the_first_counts(void **state)
{
	struct store *store = fresh();
	struct snapshot *s;

	put(store, "b", NODE("n", "10.2.0.0/24"));
	put(store, "a", NODE("n", "10.1.0.0/24"));
	put(store, "d", SERVICE("s", "\"clusterIP\":\"11.0.0.4\""));
	put(store, "c", SERVICE("s", "\"clusterIP\":\"11.0.0.3\""));
	s = look(store);
	assert_int_equal(s->n_nodes, 1);
	assert_int_equal(s->nodes[0].cidrs[0].addr.b[13], 1);
	assert_int_equal(s->services[0].n_vips, 1);
	assert_int_equal(s->services[0].vips[0].addr.b[15], 3);
	assert_int_equal(s->n_warnings, 2);
	assert_string_equal(s->warnings[0], "b: n is in a already: not used, remove one");
	assert_string_equal(s->warnings[1], "d: a/s is in c already: not used, remove one");
	snapshot_free(s);
	erase(store, "a");
	erase(store, "c");
	s = look(store);
	assert_int_equal(s->nodes[0].cidrs[0].addr.b[13], 2);
	assert_int_equal(s->services[0].vips[0].addr.b[15], 4);
	assert_int_equal(s->n_warnings, 0);
	snapshot_free(s);
	store_free(store);
}

/* ---- lists ----------------------------------------------------------------------------------- */

static void a_list_takes_what_it_does_not_name(void **state)
{
	struct store *store = fresh();

	put(store, "/n/1", NODE("n1", "10.1.0.0/24"));
	put(store, "/n/2", NODE("n2", "10.2.0.0/24"));
	put(store, "/s/1", SERVICE("s", ""));
	put(store, "/n/bad", "{");
	assert_int_equal(store_list_begin(store, "/n/"), 0);
	assert_int_equal(store_list_begin(store, "/s/"), 0);
	assert_true(store_is_listing(store));
	put(store, "/n/2", NODE("n2", "10.2.0.0/24"));
	assert_int_equal(store_list_end(store, "/n/"), 2);
	assert_int_equal(store_list_end(store, "/n/"), 0);
	assert_int_equal(store_count(store), 2);
	assert_int_equal(store_list_end(store, "/s/"), 1);
	assert_false(store_is_listing(store));
	assert_int_equal(store_count(store), 1);
	store_free(store);
}

static void a_list_that_begins_again_or_is_given_up(void **state)
{
	struct store *store = fresh();

	put(store, "/n/1", NODE("n1", "10.1.0.0/24"));
	store_list_begin(store, "/n/");
	put(store, "/n/2", NODE("n2", "10.2.0.0/24"));
	store_list_begin(store, "/n/"); /* what the first one named counts no more */
	put(store, "/n/1", NODE("n1", "10.1.0.0/24"));
	assert_int_equal(store_list_end(store, "/n/"), 1);
	store_list_begin(store, "/n/");
	store_list_abort(store, "/n/");
	assert_false(store_is_listing(store));
	assert_int_equal(store_list_end(store, "/n/"), 0);
	assert_int_equal(store_count(store), 1);
	store_list_begin(store, "/n/"); /* left to store_free() */
	store_free(store);
}

/* ---- whatever happened ----------------------------------------------------------------------- */

static const char *const values[] = {
	NODE("n1", "10.1.0.0/24"), NODE("n1", "10.9.0.0/24"), NODE("n2", "10.2.0.0/24"),
	SERVICE("s", "\"clusterIP\":\"11.0.0.1\",\"ports\":[{\"port\":80,\"name\":\"http\"}]"),
	SERVICE("s", "\"clusterIP\":\"None\""),
	SERVICE("s", "\"publishNotReadyAddresses\":true"),
	SERVICE("s", "\"type\":\"ExternalName\""),
	SERVICE("t", "\"clusterIP\":\"11.0.0.2\",\"publishNotReadyAddresses\":true"),
	MCS("ServiceExport", "s", ""), MCS("ServiceExport", "t", ""),
	MCS("ServiceImport", "s", "\"type\":\"ClusterSetIP\",\"ips\":[\"11.9.0.1\"],\"ports\":[{\"port\":81}]"),
	MCS("ServiceImport", "s", "\"type\":\"Headless\""),
	MCS("ServiceImport", "t", "\"type\":\"ClusterSetIP\",\"ips\":[\"11.0.0.2\",\"fd00::2\"]"),
	SLICE("s-1", "s", EP("10.0.0.1", "")), SLICE("s-1", "s", EP("10.0.0.1", UNREADY)),
	SLICE("s-2", "s", EP("10.0.0.2", "") "," EP("10.0.0.3", UNREADY)), SLICE("t-1", "t", EP("10.0.0.4", UNREADY)),
	SLICE("t-2", "t", ""), SLICE("u-1", "u", EP("10.0.0.5", "")), SLICE("v", "", EP("10.0.0.6", "")),
	"{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"x\"}}",
	"{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[" SERVICE("s", "") "," SLICE("s-3", "s", EP("10.0.0.7", ""))
	"," NODE("n3", "10.3.0.0/24") "]}",
};

#define KEYS 12

static void assert_same(const struct snapshot *a, const struct snapshot *b)
{
	assert_int_equal(a->services_digest, b->services_digest);
	assert_int_equal(a->nodes_digest, b->nodes_digest);
	assert_memory_equal(&a->counts, &b->counts, sizeof(a->counts));
	assert_int_equal(a->n_nodes, b->n_nodes);
	assert_int_equal(a->n_services, b->n_services);
	assert_int_equal(a->n_slices, b->n_slices);
	for (size_t i = 0; i < a->n_nodes; i++)
		assert_string_equal(a->nodes[i].name, b->nodes[i].name);
	for (size_t i = 0; i < a->n_services; i++) {
		assert_int_equal(a->services[i].digest, b->services[i].digest);
		assert_int_equal(a->services[i].first_slice, b->services[i].first_slice);
		assert_int_equal(a->services[i].n_slices, b->services[i].n_slices);
		assert_string_equal(a->services[i].source, b->services[i].source);
	}
	for (size_t i = 0; i < a->n_slices; i++)
		assert_string_equal(a->slices[i].service, b->slices[i].service);
	assert_int_equal(a->n_warnings, b->n_warnings);
	for (size_t i = 0; i < a->n_warnings; i++)
		assert_string_equal(a->warnings[i], b->warnings[i]);
}

/* What the store has kept is what snapshot_finish() makes of it. */
static void assert_finished(struct snapshot *s)
{
	uint64_t services = s->services_digest, nodes = s->nodes_digest;

	snapshot_finish(s);
	assert_int_equal(s->services_digest, services);
	assert_int_equal(s->nodes_digest, nodes);
}

static void a_store_is_as_a_fresh_one_with_the_same_values(void **state)
{
	const char *held[KEYS] = {};
	struct store *store = fresh();
	char key[8];

	srand(7);
	for (int step = 0; step < 4000; step++) {
		int at = rand() % KEYS, first = rand() % KEYS;
		struct snapshot *s, *t;
		struct store *other;

		snprintf(key, sizeof(key), "k%02d", at);
		if (rand() % 3) {
			held[at] = values[rand() % ARRAY_SIZE(values)];
			assert_true(put(store, key, held[at]) >= 0);
		} else {
			assert_int_equal(erase(store, key), held[at] != NULL);
			held[at] = NULL;
		}
		if (rand() % 3)
			continue;
		other = fresh();
		for (int i = 0; i < KEYS; i++) {
			int k = (first + i) % KEYS;

			snprintf(key, sizeof(key), "k%02d", k);
			if (held[k])
				assert_int_equal(put(other, key, held[k]), 1);
		}
		s = look(store);
		t = look(other);
		assert_same(s, t);
		assert_finished(s);
		snapshot_free(s);
		snapshot_free(t);
		store_free(other);
	}
	store_free(store);
}

int main(void)
{
	struct rows rows = { 0 };

	ROWS_ADD_TEST(&rows, a_put_tells_what_changed);
	ROWS_ADD_TEST(&rows, a_key_may_change_what_it_holds);
	ROWS_ADD_TEST(&rows, a_snapshot_outlives_its_store);
	ROWS_ADD_TABLE(&rows, bad, bads);
	ROWS_ADD_TEST(&rows, many_bad_values_are_counted_and_a_hundred_named);
	ROWS_ADD_TEST(&rows, a_key_is_shown_without_control_characters);
	ROWS_ADD_TEST(&rows, warnings_about_a_good_value_name_its_key);
	ROWS_ADD_TEST(&rows, a_node_too_many_is_bad_and_the_others_live);
	ROWS_ADD_TEST(&rows, of_two_keys_with_one_name_the_first_counts);
	ROWS_ADD_TEST(&rows, a_list_takes_what_it_does_not_name);
	ROWS_ADD_TEST(&rows, a_list_that_begins_again_or_is_given_up);
	ROWS_ADD_TEST(&rows, a_store_is_as_a_fresh_one_with_the_same_values);
	return rows_run("store", &rows);
}
