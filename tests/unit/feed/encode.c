/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whatever is decoded and encoded again decodes into an equal snapshot. */
#include "../core/rows.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "core/defs.h"
#include "core/file.h"
#include "feed/decode.h"
#include "feed/encode.h"
#include "feed/store.h"

static struct snapshot *decode(const char *const *texts, size_t n)
{
	struct err err = {};
	struct snapshot *s;
	struct doc_set *set;
	struct decoder *d;

	assert_int_equal(decoder_new(&d), 0);
	for (size_t i = 0; i < n; i++) {
		if (doc_parse(texts[i], strlen(texts[i]), "f", &set, &err))
			fail_msg("%s", err.text);
		if (decoder_add(d, set, "f", &err))
			fail_msg("%s", err.text);
		doc_set_free(set);
	}
	assert_int_equal(decoder_take(d, "r", &s), 0);
	decoder_free(d);
	return s;
}

/* All that was encoded, in a store; names are keys. */
struct copy {
	struct store *store;
	size_t n, stop_at;
};

static int keep(void *user, const char *kind, const char *space, const char *name, const char *json,
		size_t len)
{
	struct copy *copy = user;
	char key[1024];
	int n = snprintf(key, sizeof(key), "%s/%s/%s", kind, space, name);

	if (copy->stop_at && copy->n == copy->stop_at)
		return -ECANCELED;
	assert_int_equal(strlen(json), len);
	assert_null(strchr(json, '\n'));
	copy->n++;
	if (store_put(copy->store, key, n, json, len) != 1)
		fail_msg("%s: not taken, or twice: %s", key, json);
	return 0;
}

static struct snapshot *again(const struct snapshot *s, enum encode_what what)
{
	struct copy copy = {};
	struct snapshot *back;

	assert_int_equal(store_new(store_decode_object, NULL, &copy.store), 0);
	assert_int_equal(encode_snapshot(s, what, keep, &copy), 0);
	assert_int_equal(store_snapshot(copy.store, "r", &back, NULL), 0);
	assert_int_equal(store_count(copy.store), copy.n);
	store_free(copy.store);
	return back;
}

static const struct service_object *find(const struct snapshot *s, const char *name)
{
	for (size_t i = 0; i < s->n_services; i++)
		if (!strcmp(s->services[i].name, name))
			return &s->services[i];
	return NULL;
}

static void assert_ports_equal(const struct port_object *a, const struct port_object *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(a[i].name, b[i].name);
		assert_int_equal(!a[i].text, !b[i].text);
		if (a[i].text)
			assert_string_equal(a[i].text, b[i].text);
	}
}

/* Digests, and what is not in them. */
static void assert_equal(const struct snapshot *a, const struct snapshot *b)
{
	assert_int_equal(a->n_nodes, b->n_nodes);
	assert_int_equal(a->n_services, b->n_services);
	assert_int_equal(a->n_slices, b->n_slices);
	for (size_t i = 0; i < a->n_services; i++) {
		if (a->services[i].digest != b->services[i].digest)
			fail_msg("service %s differs", a->services[i].name);
		assert_ports_equal(a->services[i].ports, b->services[i].ports, a->services[i].n_ports);
	}
	assert_int_equal(a->services_digest, b->services_digest);
	assert_int_equal(a->nodes_digest, b->nodes_digest);
	for (size_t i = 0; i < a->n_nodes; i++) {
		const struct node_object *x = &a->nodes[i], *y = &b->nodes[i];

		assert_string_equal(x->name, y->name);
		assert_string_equal(x->zone, y->zone);
		assert_string_equal(x->region, y->region);
		assert_int_equal(x->identity_bits, y->identity_bits);
		assert_int_equal(x->has_vtep_mac, y->has_vtep_mac);
		assert_memory_equal(x->vtep_mac, y->vtep_mac, sizeof(x->vtep_mac));
	}
	assert_int_equal(b->counts.bad, 0);
}

static void there_and_back(const char *const *texts, size_t n)
{
	struct snapshot *s = decode(texts, n), *back = again(s, ENCODE_ALL);

	assert_equal(s, back);
	snapshot_free(s);
	snapshot_free(back);
}

static const struct fixture {
	const char *name;
	const char *files[2];
} fixtures[] = {
	{ "east", { TEST_DATA "/east.json", TEST_DATA "/east-mcs.yaml" } },
	{ "west", { TEST_DATA "/west.yaml", TEST_DATA "/west-mcs.yaml" } },
	{ "north", { TEST_DATA "/north.json", TEST_DATA "/north-mcs.yaml" } },
	{ "scale", { TEST_DATA "/scale.json" } },
};

static void fixture(void **state)
{
	const struct fixture *row = *state;
	char *texts[2] = {};
	size_t n = 0, len;
	struct err err;

	for (; n < 2 && row->files[n]; n++)
		assert_int_equal(file_read(AT_FDCWD, row->files[n], row->files[n], 64 << 20, 0, &texts[n],
					   &len, &err), 0);
	there_and_back((const char *const *)texts, n);
	for (size_t i = 0; i < n; i++)
		free(texts[i]);
}

#define SERVICE(annotations, spec) \
	"---\napiVersion: v1\nkind: Service\n"                                                     \
	"metadata: {name: s, namespace: a, annotations: {" annotations "}}\nspec: {" spec "}\n"
#define SLICE(name, type, ports, endpoints) \
	"---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"                              \
	"metadata: {name: " name ", namespace: a, labels: {kubernetes.io/service-name: s}}\n"      \
	"addressType: " type "\nports: " ports "\nendpoints: " endpoints "\n"
#define MCS(kind, spec) \
	"---\napiVersion: multicluster.x-k8s.io/v1alpha1\nkind: " kind "\n"                        \
	"metadata: {name: s, namespace: a}\n" spec "\n"
#define NODE(rest) "---\napiVersion: v1\nkind: Node\nmetadata:\n  name: n1\n" rest

static const struct text_row {
	const char *name, *text;
} texts_rows[] = {
	{ "a node with all that it can say",
	  NODE("  annotations: {xmesh.io/vtep-mac: '02:00:5e:10:00:01', xmesh.io/identity-bits: '15'}\n"
	       "  labels: {topology.kubernetes.io/zone: 'a \"b\" \\ c', topology.kubernetes.io/region: r}\n"
	       "spec: {podCIDRs: [10.1.0.0/24, 'fd00:1::/64']}\n"
	       "status: {addresses: [{type: InternalIP, address: 192.0.2.1}, "
	       "{type: ExternalIP, address: '2001:db8::1'}]}\n") },
	{ "a node with nothing", NODE("") },
	{ "every annotation",
	  SERVICE("xmesh.io/global: 'true', xmesh.io/shared: 'false', xmesh.io/nearest: 'true', "
		  "xmesh.io/prefer: 'local,west,*', xmesh.io/weights: 'east=90,west=0'", "") },
	{ "Cilium's affinity", SERVICE("service.cilium.io/affinity: remote", "") },
	{ "every kind of address, affinity",
	  SERVICE("", "clusterIPs: [11.0.0.1, 'fd11::1'], externalIPs: [198.51.100.1], "
		      "sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 77}}, "
		      "ports: [{port: 80, name: http}, {port: 53, protocol: UDP}, {port: 9, name: x, protocol: SCTP}]")
	  "status: {loadBalancer: {ingress: [{ip: 198.51.100.2}]}}\n"
	  MCS("ServiceImport", "spec: {type: ClusterSetIP, ips: [11.9.0.1, 'fd11:9::1'], ports: [{port: 81}]}") },
	{ "headless", SERVICE("", "clusterIP: None, ports: [{port: 80}]") },
	{ "headless and exported", SERVICE("", "clusterIP: None") MCS("ServiceExport", "") },
	{ "ExternalName", SERVICE("xmesh.io/global: 'true'", "type: ExternalName") MCS("ServiceExport", "") },
	{ "an export alone", MCS("ServiceExport", "") },
	{ "an import alone", MCS("ServiceImport", "spec: {type: ClusterSetIP, ips: [11.9.0.1], ports: "
						  "[{port: 80, name: web}]}") },
	{ "a headless import", MCS("ServiceImport", "spec: {type: Headless, ports: [{port: 80}]}") },
	{ "an export and an import", MCS("ServiceExport", "")
	  MCS("ServiceImport", "spec: {type: ClusterSetIP, ips: [11.9.0.1]}") },
	{ "slices: both families, all conditions, no ports, null ports, nodes, nothing in it",
	  SERVICE("", "")
	  SLICE("x1", "IPv4", "[{port: null}, {port: 80, name: http}]",
		"[{addresses: [10.0.0.1], nodeName: n1}, {addresses: [10.0.0.2], conditions: {ready: false}}, "
		"{addresses: [10.0.0.3], conditions: {ready: false, serving: true, terminating: true}}]")
	  SLICE("x2", "IPv6", "[]", "[{addresses: ['fd00::1'], conditions: {serving: false}}]")
	  SLICE("x3", "IPv6", "null", "null") },
	{ "publishNotReadyAddresses", SERVICE("", "publishNotReadyAddresses: true")
	  SLICE("x", "IPv4", "[]", "[{addresses: [10.0.0.1], conditions: {ready: false, terminating: true}}]") },
	{ "slices of no service", SLICE("x", "IPv4", "[{port: 80}]", "[{addresses: [10.0.0.1]}]") },
	{ "nothing at all", "{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": []}" },
};

static void text(void **state)
{
	const struct text_row *row = *state;

	there_and_back(&row->text, 1);
}

/* Ports of whose names only the hash is known, slices without a name: as recovered from pins. */
static void what_is_known_by_half_comes_back(void **state)
{
	static const char text_of[] = SERVICE("", "ports: [{port: 80, name: http}]")
		SLICE("x", "IPv4", "[{port: 80, name: http}]", "[{addresses: [10.0.0.1]}]");
	const char *one = text_of;
	struct snapshot *s = decode(&one, 1), *back;

	s->services[0].ports[0].text = NULL;
	s->slices[0].ports[0].text = NULL;
	s->slices[0].name = NULL;
	back = again(s, ENCODE_ALL);
	assert_equal(s, back);
	assert_string_equal(back->slices[0].name, "s.0");
	snapshot_free(s);
	snapshot_free(back);
}

/* Three keys of a peer's store with one name: all count, and come out under names of their own. */
static void slices_of_one_name_stay_apart(void **state)
{
	static const char *const values[] = {
		"{\"apiVersion\":\"discovery.k8s.io/v1\",\"kind\":\"EndpointSlice\",\"metadata\":{\"name\":\"x\","
		"\"namespace\":\"a\",\"labels\":{\"kubernetes.io/service-name\":\"s\"}},\"addressType\":\"IPv4\","
		"\"endpoints\":[{\"addresses\":[\"10.0.0.1\"]}]}",
		"{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"s\",\"namespace\":\"a\"}}",
	};
	struct snapshot *s, *back;
	struct store *store;

	assert_int_equal(store_new(store_decode_object, NULL, &store), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(store_put(store, (char[]){ '0' + i }, 1, values[i == 3], strlen(values[i == 3])), 1);
	assert_int_equal(store_snapshot(store, "r", &s, NULL), 0);
	assert_int_equal(s->n_slices, 3);
	back = again(s, ENCODE_ALL);
	assert_equal(s, back);
	store_free(store);
	snapshot_free(s);
	snapshot_free(back);
}

static void a_peer_gets_nodes_and_what_is_global_and_shared(void **state)
{
	static const char text_of[] = NODE("")
		"---\napiVersion: v1\nkind: Service\nmetadata: {name: private, namespace: a}\nspec: {}\n"
		"---\napiVersion: v1\nkind: Service\nmetadata: {name: taker, namespace: a, annotations: "
		"{xmesh.io/global: 'true', xmesh.io/shared: 'false'}}\nspec: {}\n"
		"---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: p, namespace: a, "
		"labels: {kubernetes.io/service-name: private}}\naddressType: IPv4\n"
		SERVICE("xmesh.io/global: 'true'", "")
		MCS("ServiceImport", "spec: {type: ClusterSetIP, ips: [11.9.0.1]}")
		SLICE("x", "IPv4", "[]", "[{addresses: [10.0.0.1]}]");
	const char *one = text_of;
	struct snapshot *s = decode(&one, 1), *back = again(s, ENCODE_GLOBAL);

	assert_int_equal(back->n_nodes, 1);
	assert_int_equal(back->n_services, 1);
	assert_int_equal(back->n_slices, 1);
	assert_true(find(back, "s")->global);
	assert_false(find(back, "s")->imported);
	assert_null(find(back, "private"));
	snapshot_free(s);
	snapshot_free(back);
}

static void the_callee_ends_the_walk(void **state)
{
	const char *one = NODE("") SERVICE("", "") SLICE("x", "IPv4", "[]", "[]");
	struct snapshot *s = decode(&one, 1);

	for (size_t stop = 1; stop <= 2; stop++) {
		struct copy copy = { .stop_at = stop };

		assert_int_equal(store_new(store_decode_object, NULL, &copy.store), 0);
		assert_int_equal(encode_snapshot(s, ENCODE_ALL, keep, &copy), -ECANCELED);
		assert_int_equal(copy.n, stop);
		store_free(copy.store);
	}
	snapshot_free(s);
}

/* Generated objects: every field at random, by a fixed seed. */
static void whatever_there_is_comes_back(void **state)
{
	static const char *const clusters[] = { "local", "east", "west-2", "*" };
	static const char *const protos[] = { "TCP", "UDP", "SCTP" };
	size_t size = 64 * 1024;
	auto_free char *buf = malloc(size);

	srand(5);
	for (int round = 0; round < 300; round++) {
		const char *one = buf;
		char *at = buf;

		for (int i = rand() % 4; i >= 0; i--) {
			at += sprintf(at, "---\napiVersion: v1\nkind: Service\nmetadata: {name: s%d, namespace: a%d, "
					  "annotations: {xmesh.io/global: '%s', xmesh.io/shared: '%s', "
					  "xmesh.io/nearest: '%s', xmesh.io/prefer: '%s', xmesh.io/weights: 'w=%d'}}\n"
					  "spec: {clusterIPs: [%s], publishNotReadyAddresses: %s, ports: [",
				      i, rand() % 2, rand() % 2 ? "true" : "false", rand() % 2 ? "true" : "false",
				      rand() % 2 ? "true" : "false", clusters[rand() % 4], rand() % 1000001,
				      rand() % 3 ? "11.0.0.1, 'fd00::9'" : "None", rand() % 4 ? "false" : "true");
			for (int k = rand() % 4; k; k--)
				at += sprintf(at, "{port: %d, name: p%d, protocol: %s}, ", 1 + rand() % 65535,
					      rand() % 9, protos[rand() % 3]);
			at += sprintf(at, "]}\n");
			for (int k = rand() % 3; k; k--) {
				at += sprintf(at, "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
						  "metadata: {name: x%d-%d, namespace: a%d, labels: "
						  "{kubernetes.io/service-name: s%d}}\naddressType: IPv4\n"
						  "ports: [{port: %d, name: p%d}]\nendpoints: [",
					      i, k, rand() % 2, i, 1 + rand() % 65535, rand() % 9);
				for (int e = rand() % 5; e; e--)
					at += sprintf(at, "{addresses: [10.%d.%d.%d], nodeName: n%d, conditions: "
							  "{ready: %s, serving: %s, terminating: %s}}, ",
						      rand() % 256, rand() % 256, rand() % 256, rand() % 4,
						      rand() % 2 ? "true" : "false", rand() % 2 ? "true" : "null",
						      rand() % 2 ? "true" : "false");
				at += sprintf(at, "]\n");
			}
		}
		there_and_back(&one, 1);
	}
}

int main(void)
{
	struct rows rows = { 0 };

	ROWS_ADD_TABLE(&rows, fixture, fixtures);
	ROWS_ADD_TABLE(&rows, text, texts_rows);
	ROWS_ADD_TEST(&rows, what_is_known_by_half_comes_back);
	ROWS_ADD_TEST(&rows, slices_of_one_name_stay_apart);
	ROWS_ADD_TEST(&rows, a_peer_gets_nodes_and_what_is_global_and_shared);
	ROWS_ADD_TEST(&rows, the_callee_ends_the_walk);
	ROWS_ADD_TEST(&rows, whatever_there_is_comes_back);
	return rows_run("encode", &rows);
}
