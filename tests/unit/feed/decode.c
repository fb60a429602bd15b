/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What decodes from real dumps, and which sentence meets each kind of bad object. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "core/addr.h"
#include "core/defs.h"
#include "core/file.h"
#include "feed/decode.h"

static int decode_texts(const char *const *texts, size_t n, const char *file,
			struct snapshot **ret_snapshot, struct err *err)
{
	struct decoder *d;
	int rc = 0;

	assert_int_equal(decoder_new(&d), 0);
	for (size_t i = 0; i < n && !rc; i++) {
		struct doc_set *set;

		rc = doc_parse(texts[i], strlen(texts[i]), file, &set, err);
		if (rc)
			break;
		rc = decoder_add(d, set, file, err);
		doc_set_free(set);
	}
	if (!rc)
		rc = decoder_take(d, "r1", ret_snapshot);
	decoder_free(d);
	return rc;
}

/* ---- real dumps ----------------------------------------------------------------------------- */

static struct snapshot *decode_files(const char *const *files)
{
	char *texts[4] = {};
	struct snapshot *s = NULL;
	struct err err = {};
	size_t n = 0, len;

	for (; files[n]; n++)
		if (file_read(AT_FDCWD, files[n], files[n], 64 << 20, 0, &texts[n], &len, &err))
			fail_msg("%s", err.text);
	if (decode_texts((const char *const *)texts, n, files[0], &s, &err))
		fail_msg("%s", err.text);
	for (size_t i = 0; i < n; i++)
		free(texts[i]);
	return s;
}

struct dump {
	const char *name;
	const char *files[3];
	struct snapshot_counts want;
};

#define EAST \
	.nodes = 3, .services = 11, .slices4 = 11,              \
	.slices6 = 9, .empty_slices = 1, .endpoints4 = { 21, 1, 1 }, .endpoints6 = { 20, 1, 1 },   \
	.endpoints_ready = 41, .endpoints_not_ready = 2, .endpoints_terminating = 2
#define WEST \
	.nodes = 3, .services = 11, .slices4 = 10,              \
	.slices6 = 8, .empty_slices = 2, .endpoints4 = { 19, 1, 1 }, .endpoints6 = { 17, 1, 1 },   \
	.endpoints_ready = 36, .endpoints_not_ready = 2, .endpoints_terminating = 2
#define NORTH \
	.nodes = 3, .services = 11, .slices4 = 10,              \
	.slices6 = 8, .empty_slices = 2, .endpoints4 = { 18, 1, 1 }, .endpoints6 = { 15, 1, 1 },   \
	.endpoints_ready = 33, .endpoints_not_ready = 2, .endpoints_terminating = 2

static const struct dump dumps[] = {
	{ "east as YAML",
	  { TEST_DATA "/east.yaml" },
	  { EAST, .files = 1, .documents = 1, .items = 34, .global_services = 4 } },
	{ "east as JSON",
	  { TEST_DATA "/east.json" },
	  { EAST, .files = 1, .documents = 1, .items = 34, .global_services = 4 } },
	{ "west as YAML",
	  { TEST_DATA "/west.yaml" },
	  { WEST, .files = 1, .documents = 1, .items = 32, .global_services = 4 } },
	{ "west as JSON",
	  { TEST_DATA "/west.json" },
	  { WEST, .files = 1, .documents = 1, .items = 32, .global_services = 4 } },
	{ "north as YAML",
	  { TEST_DATA "/north.yaml" },
	  { NORTH, .files = 1, .documents = 1, .items = 32, .global_services = 4 } },
	{ "north as JSON",
	  { TEST_DATA "/north.json" },
	  { NORTH, .files = 1, .documents = 1, .items = 32, .global_services = 4 } },
	{ "scale, 633 items of JSON",
	  { TEST_DATA "/scale.json" },
	  { .files = 1, .documents = 1, .items = 633, .nodes = 25, .services = 201,
	    .global_services = 100, .slices4 = 204, .slices6 = 203, .empty_slices = 8,
	    .endpoints4 = { 1308, 33, 0 }, .endpoints6 = { 1307, 33, 0 },
	    .endpoints_ready = 2615, .endpoints_not_ready = 66 } },
	{ "a ServiceExport makes a service global, before it is seen or after",
	  { TEST_DATA "/west-mcs.yaml", TEST_DATA "/west.yaml" },
	  { WEST, .files = 2, .documents = 2, .items = 33, .global_services = 5,
	    .service_exports = 1 } },
	{ "north with its export and its import",
	  { TEST_DATA "/north.yaml", TEST_DATA "/north-mcs.yaml" },
	  { NORTH, .files = 2, .documents = 2, .items = 34, .global_services = 5,
	    .service_exports = 1, .service_imports = 1 } },
	{ "east with its export",
	  { TEST_DATA "/east.json", TEST_DATA "/east-mcs.yaml" },
	  { EAST, .files = 2, .documents = 2, .items = 35, .global_services = 5,
	    .service_exports = 1 } },
};

#define SAME(field) \
	do {                                                                                       \
		if (got.field != want->field)                                                      \
			fail_msg("%s: " #field " is %zu, not %zu", dumps[i].name, got.field,       \
				 want->field);                                                     \
	} while (0)

static void test_dumps_have_the_counts_of_their_readme(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(dumps); i++) {
		struct snapshot *s = decode_files(dumps[i].files);
		const struct snapshot_counts *want = &dumps[i].want, got = s->counts;

		SAME(files);
		SAME(documents);
		SAME(items);
		SAME(nodes);
		SAME(services);
		SAME(global_services);
		SAME(slices4);
		SAME(slices6);
		SAME(empty_slices);
		SAME(service_exports);
		SAME(service_imports);
		SAME(endpoints_ready);
		SAME(endpoints_not_ready);
		SAME(endpoints_terminating);
		for (int j = 0; j < 3; j++) {
			SAME(endpoints4[j]);
			SAME(endpoints6[j]);
		}
		SAME(skipped);
		assert_int_equal(s->n_warnings, 0);
		assert_int_equal(s->n_nodes, s->counts.nodes);
		snapshot_free(s);
	}
}

static void test_a_real_node_has_its_prefixes_and_addresses(void **state)
{
	static const char *const files[][2] = { { TEST_DATA "/west.yaml" },
						{ TEST_DATA "/west.json" } };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		struct snapshot *s = decode_files(files[i]);
		const struct node_object *node = &s->nodes[0];
		char buf[PREFIX_TEXT_MAX];

		assert_string_equal(node->name, "west-1");
		assert_int_equal(node->n_cidrs, 2);
		assert_string_equal(prefix_format(&node->cidrs[0], buf), "10.2.1.0/24");
		assert_string_equal(prefix_format(&node->cidrs[1], buf), "fd00:10:2:1::/64");
		assert_string_equal(addr_format(&node->addr4, buf), "192.0.2.21");
		assert_string_equal(addr_format(&node->addr6, buf), "2001:db8::21");
		assert_false(node->has_vtep_mac);
		assert_true(node->zone[0] && node->region[0]);
		assert_non_null(strstr(node->source, i ? "west.json items[0]" : "west.yaml:3"));
		assert_string_equal(s->revision, "r1");
		snapshot_free(s);
	}
}

/* ---- rows of good objects ------------------------------------------------------------------- */

#define NODE(rest) "apiVersion: v1\nkind: Node\nmetadata:\n  name: n1\n" rest
#define ADDRS "status: {addresses: [{type: InternalIP, address: 192.0.2.1}]}\n"

struct good {
	const char *name, *text;
	const char *cidrs, *addr4, *addr6; /* of the first node; NULL = do not look */
	size_t nodes, items, skipped, warnings;
};

static const struct good goods[] = {
	{ "podCIDR stands in for podCIDRs", NODE("spec: {podCIDR: 10.1.0.0/24}\n" ADDRS),
	  "10.1.0.0/24 ", "192.0.2.1", "::", 1, 1, 0, 0 },
	{ "podCIDRs win over podCIDR",
	  NODE("spec: {podCIDR: 10.1.0.0/24, podCIDRs: [10.2.0.0/24]}\n" ADDRS), "10.2.0.0/24 ",
	  NULL, NULL, 1, 1, 0, 0 },
	{ "the annotation wins over both",
	  NODE("  annotations: {xmesh.io/pod-cidrs: '10.3.0.0/24, fd00:3::/64'}\n"
	       "spec: {podCIDR: 10.1.0.0/24, podCIDRs: [10.2.0.0/24]}\n" ADDRS),
	  "10.3.0.0/24 fd00:3::/64 ", NULL, NULL, 1, 1, 0, 0 },
	{ "an empty annotation means no pods, and is not warned about",
	  NODE("  annotations: {xmesh.io/pod-cidrs: ''}\nspec: {podCIDR: 10.1.0.0/24}\n" ADDRS), "",
	  NULL, NULL, 1, 1, 0, 0 },
	{ "a node without prefixes is warned about", NODE(ADDRS), "", NULL, NULL, 1, 1, 0, 1 },
	{ "a node without addresses is warned about", NODE("spec: {podCIDR: 10.1.0.0/24}\n"), NULL,
	  "::", "::", 1, 1, 0, 1 },
	{ "InternalIP of each family, else ExternalIP",
	  NODE("spec: {podCIDR: 10.1.0.0/24}\n"
	       "status: {addresses: [{type: ExternalIP, address: 203.0.113.1},\n"
	       "  {type: ExternalIP, address: '2001:db8::1'}, {type: Hostname, address: n1},\n"
	       "  {type: InternalIP, address: 192.0.2.1},\n"
	       "  {type: InternalIP, address: 192.0.2.2}]}\n"),
	  NULL, "192.0.2.1", "2001:db8::1", 1, 1, 0, 0 },
	{ "several documents, unknown kinds counted",
	  NODE("spec: {podCIDR: 10.1.0.0/24}\n" ADDRS)
	  "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n---\n---\n"
	  "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: y}\n",
	  NULL, NULL, NULL, 1, 3, 2, 0 },
	{ "the items of a NodeList need no kind",
	  "apiVersion: v1\nkind: NodeList\nitems: [{metadata: {name: n1}, spec: {podCIDR: "
	  "10.1.0.0/24}, " ADDRS "}, {metadata: {name: n2}, spec: {podCIDR: 10.2.0.0/24}, " ADDRS
	  "}]\n",
	  "10.1.0.0/24 ", NULL, NULL, 2, 2, 0, 0 },
	{ "an empty List is a cluster with nothing in it",
	  "{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": []}", NULL, NULL, NULL, 0, 0, 0,
	  0 },
	{ "null items too", "apiVersion: v1\nkind: List\nitems: null\n", NULL, NULL, NULL, 0, 0, 0,
	  0 },
	{ "an FQDN slice is skipped and said",
	  "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: s}\n"
	  "addressType: FQDN\nendpoints: [{addresses: [a.example]}]\n",
	  NULL, NULL, NULL, 0, 1, 1, 1 },
	{ "one name in two namespaces is two services",
	  "apiVersion: v1\nkind: Service\nmetadata: {name: s, namespace: a}\n---\n"
	  "apiVersion: v1\nkind: Service\nmetadata: {name: s, namespace: b}\n",
	  NULL, NULL, NULL, 0, 2, 0, 0 },
	{ "an odd value of the global annotation is warned about",
	  "apiVersion: v1\nkind: Service\n"
	  "metadata: {name: s, annotations: {xmesh.io/global: 'yes'}}\n",
	  NULL, NULL, NULL, 0, 1, 0, 1 },
};

static void test_good_objects(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(goods); i++) {
		const struct good *g = &goods[i];
		char cidrs[256] = "", buf[PREFIX_TEXT_MAX];
		struct snapshot *s = NULL;
		struct err err = {};

		if (decode_texts(&g->text, 1, "f.yaml", &s, &err))
			fail_msg("%s: %s", g->name, err.text);
		if (s->n_nodes != g->nodes || s->counts.items != g->items ||
		    s->counts.skipped != g->skipped || s->n_warnings != g->warnings)
			fail_msg("%s: %zu nodes, %zu items, %zu skipped, %zu warnings (%s)",
				 g->name, s->n_nodes, s->counts.items, s->counts.skipped,
				 s->n_warnings, s->n_warnings ? s->warnings[0] : "");
		for (size_t j = 0; s->n_nodes && j < s->nodes[0].n_cidrs; j++) {
			strcat(cidrs, prefix_format(&s->nodes[0].cidrs[j], buf));
			strcat(cidrs, " ");
		}
		if (g->cidrs && strcmp(g->cidrs, cidrs))
			fail_msg("%s: prefixes %s", g->name, cidrs);
		if (g->addr4 && !xm_addr_is_zero(&s->nodes[0].addr4))
			assert_string_equal(addr_format(&s->nodes[0].addr4, buf), g->addr4);
		if (g->addr6)
			assert_string_equal(addr_format(&s->nodes[0].addr6, buf), g->addr6);
		snapshot_free(s);
	}
}

static void test_the_mac_annotation_is_taken(void **state)
{
	const char *text = NODE("  annotations: {xmesh.io/vtep-mac: '02:00:5e:10:00:01'}\n"
				"spec: {podCIDR: 10.1.0.0/24}\n" ADDRS);
	char buf[MAC_TEXT_MAX];
	struct snapshot *s;

	assert_int_equal(decode_texts(&text, 1, "f.yaml", &s, NULL), 0);
	assert_true(s->nodes[0].has_vtep_mac);
	assert_string_equal(mac_format(s->nodes[0].vtep_mac, buf), "02:00:5e:10:00:01");
	snapshot_free(s);
}

static void test_conditions_that_are_absent_mean_ready(void **state)
{
	static const struct {
		const char *conditions;
		size_t n[3];
	} rows[] = {
		{ "", { 1, 0, 0 } },
		{ ", conditions: null", { 1, 0, 0 } },
		{ ", conditions: {}", { 1, 0, 0 } },
		{ ", conditions: {ready: null, serving: false}", { 1, 0, 0 } },
		{ ", conditions: {ready: false}", { 0, 1, 0 } },
		{ ", conditions: {ready: false, serving: true, terminating: true}", { 0, 0, 1 } },
		{ ", conditions: {terminating: true}", { 0, 0, 1 } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char text[512];
		const char *texts = text;
		struct snapshot *s;

		snprintf(text, sizeof(text),
			 "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
			 "metadata: {name: s}\naddressType: IPv4\n"
			 "endpoints: [{addresses: [10.0.0.1]%s}]\n", rows[i].conditions);
		assert_int_equal(decode_texts(&texts, 1, "f.yaml", &s, NULL), 0);
		assert_memory_equal(s->counts.endpoints4, rows[i].n, sizeof(rows[i].n));
		snapshot_free(s);
	}
}

static void test_the_global_annotation_of_xmesh_wins(void **state)
{
	const char *text = "apiVersion: v1\nkind: Service\nmetadata: {name: s, annotations: "
			   "{xmesh.io/global: 'false', service.cilium.io/global: 'true'}}\n";
	struct snapshot *s;

	assert_int_equal(decode_texts(&text, 1, "f.yaml", &s, NULL), 0);
	assert_int_equal(s->counts.services, 1);
	assert_int_equal(s->counts.global_services, 0);
	snapshot_free(s);
}

/* ---- rows of bad objects ------------------------------------------------------------------- */

#define SLICE(rest) \
	"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: s}\n" rest
#define SERVICE(rest) "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n" rest

static const struct {
	const char *name, *text, *says;
} bads[] = {
	{ "a scalar", "hello\n", "f.yaml:1: not a Kubernetes object" },
	{ "a list of objects", "[{\"kind\": \"Node\"}]", "f.yaml: not a Kubernetes object" },
	{ "no kind", "apiVersion: v1\nmetadata: {name: x}\n", "f.yaml:1: not a Kubernetes object" },
	{ "no apiVersion", "kind: Node\nmetadata: {name: x}\n", "it has no apiVersion" },
	{ "an item that is no object", "apiVersion: v1\nkind: List\nitems:\n- 5\n",
	  "f.yaml:4: not a Kubernetes object" },
	{ "an item of JSON without kind",
	  "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[{\"apiVersion\":\"v1\"}]}",
	  "f.yaml items[0]: not a Kubernetes object" },
	{ "items that are no list", "apiVersion: v1\nkind: List\nitems: {a: b}\n",
	  "items of the List is not a list" },
	{ "a node without a name", "apiVersion: v1\nkind: Node\nmetadata: {}\n",
	  "f.yaml:1: a Node without metadata.name" },
	{ "a node without metadata", "apiVersion: v1\nkind: Node\n", "without metadata.name" },
	{ "a name that is none", "apiVersion: v1\nkind: Node\nmetadata: {name: 'A b'}\n",
	  "\"A b\" is no name for a Node" },
	{ "one node twice",
	  NODE("spec: {podCIDR: 10.1.0.0/24}\n" ADDRS)
	  "---\n" NODE("spec: {podCIDR: 10.2.0.0/24}\n" ADDRS),
	  "f.yaml:8: Node n1: is in f.yaml:1 already" },
	{ "one service twice", SERVICE("") "---\n" SERVICE(""),
	  "Service default/s: is in f.yaml:1 already" },
	{ "a CIDR with host bits", NODE("spec: {podCIDR: 10.1.0.1/24}\n"),
	  "f.yaml:1: Node n1: spec.podCIDR: prefix \"10.1.0.1/24\" has bits set" },
	{ "a CIDR that is none", NODE("spec: {podCIDRs: [10.1.0.0]}\n"),
	  "spec.podCIDRs: \"10.1.0.0\" is not a prefix" },
	{ "a CIDR that is a map", NODE("spec: {podCIDRs: [{a: b}]}\n"),
	  "spec.podCIDRs is not a string" },
	{ "CIDRs that are no list", NODE("spec: {podCIDRs: 10.1.0.0/24}\n"),
	  "spec.podCIDRs is not a list" },
	{ "the whole internet as pods", NODE("spec: {podCIDRs: [0.0.0.0/0]}\n"),
	  "0.0.0.0/0 is no range of pod addresses" },
	{ "all of IPv6 as pods", NODE("spec: {podCIDRs: ['::/0']}\n"),
	  "::/0 is no range of pod addresses" },
	{ "link-local pods", NODE("spec: {podCIDRs: ['fe80::/64']}\n"),
	  "no range of pod addresses" },
	{ "multicast pods", NODE("spec: {podCIDRs: [224.0.0.0/24]}\n"),
	  "no range of pod addresses" },
	{ "an annotation with an empty item",
	  NODE("  annotations: {xmesh.io/pod-cidrs: '10.1.0.0/24,,'}\n"),
	  "annotation xmesh.io/pod-cidrs: \"\" is not a prefix" },
	{ "an annotation that is no string", NODE("  annotations: {xmesh.io/pod-cidrs: [a]}\n"),
	  "annotation xmesh.io/pod-cidrs is not a string: put it in quotes" },
	{ "annotations that are no map", NODE("  annotations: [a]\n"),
	  "metadata.annotations is not a map" },
	{ "an address that is none",
	  NODE("spec: {podCIDR: 10.1.0.0/24}\n"
	       "status: {addresses: [{type: InternalIP, address: 192.0.2.300}]}\n"),
	  "Node n1: InternalIP: \"192.0.2.300\" is not an IPv4 or IPv6 address" },
	{ "a loopback address",
	  NODE("spec: {podCIDR: 10.1.0.0/24}\n"
	       "status: {addresses: [{type: ExternalIP, address: 127.0.0.1}]}\n"),
	  "127.0.0.1 is no address that a host can bear" },
	{ "no address in an address",
	  NODE("spec: {podCIDR: 10.1.0.0/24}\nstatus: {addresses: [{type: InternalIP}]}\n"),
	  "InternalIP is not an address" },
	{ "a MAC that is none",
	  NODE("  annotations: {xmesh.io/vtep-mac: '02:00'}\nspec: {podCIDR: 10.1.0.0/24}\n"),
	  "annotation xmesh.io/vtep-mac: \"02:00\" is not a MAC address" },
	{ "a multicast MAC",
	  NODE("  annotations: {xmesh.io/vtep-mac: '01:00:5e:00:00:01'}\n"
	       "spec: {podCIDR: 10.1.0.0/24}\n"),
	  "is no MAC of one device" },
	{ "identity bits of no Cilium",
	  NODE("  annotations: {xmesh.io/identity-bits: '8'}\nspec: {podCIDR: 10.1.0.0/24}\n"),
	  "annotation xmesh.io/identity-bits: " },
	{ "a zone that is too long",
	  NODE("  labels: {topology.kubernetes.io/zone: "
	       "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz}\n"
	       "spec: {podCIDR: 10.1.0.0/24}\n"),
	  "label topology.kubernetes.io/zone is not a text of at most 63 bytes" },
	{ "a negative port", SERVICE("spec: {ports: [{port: -1}]}\n"),
	  "Service default/s: port -1 is not a number from 1 to 65535" },
	{ "a port that is text", SERVICE("spec: {ports: [{port: http}]}\n"), "port http is not a" },
	{ "a port of 65536", SERVICE("spec: {ports: [{port: 65536}]}\n"), "port 65536 is not a" },
	{ "no port", SERVICE("spec: {ports: [{name: x}]}\n"), "spec.ports[0] has no port" },
	{ "a protocol of its own", SERVICE("spec: {ports: [{port: 1, protocol: tcp}]}\n"),
	  "protocol tcp is none of TCP, UDP, SCTP" },
	{ "a cluster IP that is none", SERVICE("spec: {clusterIPs: [x]}\n"),
	  "spec.clusterIPs: \"x\" is not" },
	{ "a boolean as annotation",
	  "apiVersion: v1\nkind: Service\nmetadata: {name: s, annotations: {xmesh.io/global: "
	  "{a: b}}}\n",
	  "annotation xmesh.io/global is not a string" },
	{ "a namespace that is none",
	  "apiVersion: v1\nkind: Service\nmetadata: {name: s, namespace: a.b}\n",
	  "metadata.namespace is not a DNS label" },
	{ "no affinity",
	  SERVICE("spec: {sessionAffinityConfig: {clientIP: {timeoutSeconds: 0}}}\n"),
	  "timeoutSeconds is not a number from 1 to 86400" },
	{ "a slice of no type", SLICE("endpoints: null\n"), "addressType is none of" },
	{ "IPv6 in an IPv4 slice",
	  SLICE("addressType: IPv4\nendpoints: [{addresses: ['fd00::1']}]\n"),
	  "endpoint address fd00::1 is not IPv4" },
	{ "an endpoint without addresses", SLICE("addressType: IPv4\nendpoints: [{}]\n"),
	  "an endpoint has no addresses" },
	{ "a condition that is text",
	  SLICE("addressType: IPv4\n"
		"endpoints: [{addresses: [10.0.0.1], conditions: {ready: 'maybe'}}]\n"),
	  "conditions.ready is neither true nor false" },
	{ "a negative endpoint port", SLICE("addressType: IPv4\nports: [{port: -5}]\n"),
	  "port -5 is not" },
};

static void test_bad_objects_are_refused_with_a_sentence(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bads); i++) {
		struct snapshot *s = NULL;
		struct err err = {};

		if (decode_texts(&bads[i].text, 1, "f.yaml", &s, &err) != -EINVAL)
			fail_msg("%s: not refused", bads[i].name);
		if (!strstr(err.text, bads[i].says))
			fail_msg("%s: says \"%s\", not \"%s\"", bads[i].name, err.text,
				 bads[i].says);
		assert_null(s);
	}
}

static void test_a_node_may_have_512_prefixes_and_not_513(void **state)
{
	for (int n = SNAPSHOT_MAX_CIDRS; n <= SNAPSHOT_MAX_CIDRS + 1; n++) {
		char text[16384] = NODE("spec: {podCIDRs: [");
		const char *texts = text;
		struct snapshot *s;
		struct err err;

		for (int i = 0; i < n; i++)
			sprintf(text + strlen(text), "10.%d.%d.0/24, ", 1 + i / 256, i % 256);
		strcat(text, "]}\n" ADDRS);
		if (n == SNAPSHOT_MAX_CIDRS) {
			assert_int_equal(decode_texts(&texts, 1, "f.yaml", &s, &err), 0);
			assert_int_equal(s->nodes[0].n_cidrs, n);
			snapshot_free(s);
		} else {
			assert_int_equal(decode_texts(&texts, 1, "f.yaml", &s, &err), -EINVAL);
			assert_non_null(strstr(err.text, "more than 512 prefixes"));
		}
	}
}

static void test_warnings_are_bounded_and_say_so(void **state)
{
	size_t size = 64 * 1024;
	auto_free char *text = calloc(1, size);
	const char *texts = text;
	struct snapshot *s;
	char *end = text;

	for (int i = 0; i < 150; i++)
		end += sprintf(end, "---\napiVersion: v1\nkind: Node\nmetadata: {name: n%d}\n"
				    "spec: {podCIDR: 10.1.%d.0/24}\n", i, i);
	assert_int_equal(decode_texts(&texts, 1, "f.yaml", &s, NULL), 0);
	assert_int_equal(s->n_nodes, 150);
	assert_int_equal(s->n_warnings, 101);
	assert_non_null(strstr(s->warnings[100], "more of the same"));
	snapshot_free(s);
}

static void test_a_decoder_is_empty_after_take(void **state)
{
	const char *text = NODE("spec: {podCIDR: 10.1.0.0/24}\n" ADDRS);
	struct doc_set *set;
	struct decoder *d;
	struct snapshot *a, *b;

	assert_int_equal(decoder_new(&d), 0);
	assert_int_equal(doc_parse(text, strlen(text), "f", &set, NULL), 0);
	assert_int_equal(decoder_add(d, set, "f", NULL), 0);
	assert_int_equal(decoder_take(d, "1", &a), 0);
	assert_int_equal(decoder_add(d, set, "f", NULL), 0);
	assert_int_equal(decoder_take(d, "2", &b), 0);
	assert_int_equal(a->n_nodes, 1);
	assert_int_equal(b->n_nodes, 1);
	assert_string_equal(b->revision, "2");
	doc_set_free(set);
	snapshot_free(a);
	snapshot_free(b);
	decoder_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dumps_have_the_counts_of_their_readme),
		cmocka_unit_test(test_a_real_node_has_its_prefixes_and_addresses),
		cmocka_unit_test(test_good_objects),
		cmocka_unit_test(test_the_mac_annotation_is_taken),
		cmocka_unit_test(test_conditions_that_are_absent_mean_ready),
		cmocka_unit_test(test_the_global_annotation_of_xmesh_wins),
		cmocka_unit_test(test_bad_objects_are_refused_with_a_sentence),
		cmocka_unit_test(test_a_node_may_have_512_prefixes_and_not_513),
		cmocka_unit_test(test_warnings_are_bounded_and_say_so),
		cmocka_unit_test(test_a_decoder_is_empty_after_take),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
