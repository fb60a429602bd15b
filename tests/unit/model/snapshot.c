/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A snapshot frees all that it owns (ASan is the judge), and its digests know what matters and
 * nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/defs.h"
#include "services_scene.h"

static void test_everything_is_freed(void **state)
{
	struct snapshot *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->nodes = calloc(2, sizeof(*s->nodes));
	assert_non_null(s->nodes);
	s->n_nodes = 2;
	s->nodes[0].cidrs = calloc(3, sizeof(*s->nodes[0].cidrs));
	s->nodes[0].n_cidrs = 3;
	s->warnings = calloc(1, sizeof(*s->warnings));
	assert_non_null(s->warnings);
	s->warnings[0] = strdup("x");
	s->n_warnings = 1;
	snapshot_free(s);
}

static void test_an_empty_one_and_none(void **state)
{
	snapshot_free(calloc(1, sizeof(struct snapshot)));
	snapshot_free(NULL);
}

/* ---- digests -------------------------------------------------------------------------------- */

#define SERVICE_AS(global, annotations, spec) \
	"---\napiVersion: v1\nkind: Service\nmetadata: {name: s, namespace: a, "                  \
	"annotations: {xmesh.io/global: '" global "'" annotations "}}\nspec: {" spec "}\n"
#define SERVICE_OF(annotations, spec) SERVICE_AS("true", annotations, spec)
#define SPEC "clusterIPs: [11.0.0.1, 'fd11::1'], ports: [{name: x, port: 80}, {name: y, port: 81}]"
#define SERVICE SERVICE_OF("", SPEC)
#define SLICE_OF(name, ports, endpoints) \
	"---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"                            \
	"metadata: {name: " name ", namespace: a, labels: {kubernetes.io/service-name: s}}\n"     \
	"addressType: IPv4\nports: [" ports "]\nendpoints: [" endpoints "]\n"
#define PORTS "{name: x, port: 80}, {name: y, port: 81}"
#define E1 "{addresses: [10.1.1.1], nodeName: n1}"
#define E2 "{addresses: [10.1.2.1], nodeName: n2}"
#define SLICE SLICE_OF("s-1", PORTS, E1 ", " E2)
#define OTHER "---\napiVersion: v1\nkind: Service\nmetadata: {name: o, namespace: a}\nspec: {}\n"
#define NODE_OF(annotations, address, cidrs) \
	"---\napiVersion: v1\nkind: Node\nmetadata: {name: n1" annotations "}\n"               \
	"spec: {podCIDRs: [" cidrs "]}\nstatus: {addresses: [{type: InternalIP, address: " address "}]}\n"
#define NODE NODE_OF("", "192.0.2.1", "10.1.1.0/24")
#define NODE2 \
	"---\napiVersion: v1\nkind: Node\nmetadata: {name: n2}\nspec: {podCIDRs: [10.1.2.0/24]}\n" \
	"status: {addresses: [{type: InternalIP, address: 192.0.2.2}]}\n"

struct digest_row {
	const char *name, *text;
	bool services_same, nodes_same;
};

#define BASE NODE NODE2 SERVICE OTHER SLICE

static const struct digest_row digest_rows[] = {
	{ "the same", BASE, true, true },
	{ "objects in another order, at other lines", "# moved\n\n" SLICE OTHER SERVICE NODE2 NODE, true,
	  true },
	{ "endpoints, ports and addresses in another order",
	  NODE NODE2 SERVICE_OF("", "clusterIPs: ['fd11::1', 11.0.0.1], "
				    "ports: [{name: y, port: 81}, {name: x, port: 80}]")
	  OTHER SLICE_OF("s-1", "{name: y, port: 81}, {name: x, port: 80}", E2 ", " E1), true, true },
	{ "another name of a slice", NODE NODE2 SERVICE OTHER SLICE_OF("s-9", PORTS, E1 ", " E2), true,
	  true },
	{ "conditions that say what absent ones mean",
	  NODE NODE2 SERVICE OTHER
	  SLICE_OF("s-1", PORTS, "{addresses: [10.1.1.1], nodeName: n1, conditions: {ready: true, "
				 "serving: true, terminating: false}}, " E2), true, true },
	{ "a slice that belongs to no service",
	  BASE "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
	  "metadata: {name: z, namespace: a}\naddressType: IPv4\nendpoints: [" E1 "]\n", true, true },
	{ "a service more", BASE "---\napiVersion: v1\nkind: Service\nmetadata: {name: p}\nspec: {}\n",
	  false, true },
	{ "a service less", NODE NODE2 SERVICE SLICE, false, true },
	{ "no longer global", NODE NODE2 SERVICE_AS("false", "", SPEC) OTHER SLICE, false,
	  true },
	{ "exported: nothing new of a global one",
	  BASE "---\napiVersion: multicluster.x-k8s.io/v1alpha1\nkind: ServiceExport\n"
	  "metadata: {name: s, namespace: a}\n", true, true },
	{ "imported",
	  BASE "---\napiVersion: multicluster.x-k8s.io/v1alpha1\nkind: ServiceImport\n"
	  "metadata: {name: s, namespace: a}\nspec: {type: ClusterSetIP, ips: [11.9.9.9], "
	  "ports: [{name: x, port: 80}]}\n", false, true },
	{ "not shared", NODE NODE2 SERVICE_OF(", xmesh.io/shared: 'false'", SPEC) OTHER SLICE, false, true },
	{ "nearest", NODE NODE2 SERVICE_OF(", xmesh.io/nearest: 'true'", SPEC) OTHER SLICE, false, true },
	{ "preferred", NODE NODE2 SERVICE_OF(", xmesh.io/prefer: 'local,*'", SPEC) OTHER SLICE, false, true },
	{ "weighted", NODE NODE2 SERVICE_OF(", xmesh.io/weights: 'a=1'", SPEC) OTHER SLICE, false, true },
	{ "an annotation that is nothing to us",
	  NODE NODE2 SERVICE_OF(", example.com/x: y", SPEC) OTHER SLICE, true, true },
	{ "affinity", NODE NODE2 SERVICE_OF("", SPEC ", sessionAffinity: ClientIP") OTHER SLICE, false, true },
	{ "headless", NODE NODE2 SERVICE_OF("", "clusterIP: None, ports: [{name: x, port: 80}, "
						"{name: y, port: 81}]") OTHER SLICE, false, true },
	{ "another VIP", NODE NODE2 SERVICE_OF("", "clusterIPs: [11.0.0.2, 'fd11::1'], "
		"ports: [{name: x, port: 80}, {name: y, port: 81}]") OTHER SLICE, false, true },
	{ "the same VIP as another kind", NODE NODE2 SERVICE_OF("", "clusterIPs: [11.0.0.1], externalIPs: "
		"['fd11::1'], ports: [{name: x, port: 80}, {name: y, port: 81}]") OTHER SLICE, false, true },
	{ "another port", NODE NODE2 SERVICE_OF("", "clusterIPs: [11.0.0.1, 'fd11::1'], "
		"ports: [{name: x, port: 80}, {name: y, port: 82}]") OTHER SLICE, false, true },
	{ "ports whose names are swapped", NODE NODE2 SERVICE_OF("", "clusterIPs: [11.0.0.1, 'fd11::1'], "
		"ports: [{name: y, port: 80}, {name: x, port: 81}]") OTHER SLICE, false, true },
	{ "another protocol", NODE NODE2 SERVICE_OF("", "clusterIPs: [11.0.0.1, 'fd11::1'], ports: "
		"[{name: x, port: 80, protocol: UDP}, {name: y, port: 81}]") OTHER SLICE, false, true },
	{ "another target port", NODE NODE2 SERVICE OTHER
	  SLICE_OF("s-1", "{name: x, port: 80}, {name: y, port: 82}", E1 ", " E2), false, true },
	{ "an endpoint less", NODE NODE2 SERVICE OTHER SLICE_OF("s-1", PORTS, E1), false, true },
	{ "an endpoint with another address", NODE NODE2 SERVICE OTHER
	  SLICE_OF("s-1", PORTS, E1 ", {addresses: [10.1.2.2], nodeName: n2}"), false, true },
	{ "endpoints that swap their nodes", NODE NODE2 SERVICE OTHER
	  SLICE_OF("s-1", PORTS, "{addresses: [10.1.1.1], nodeName: n2}, {addresses: [10.1.2.1], nodeName: n1}"),
	  false, true },
	{ "an endpoint that does not tell its node", NODE NODE2 SERVICE OTHER
	  SLICE_OF("s-1", PORTS, E1 ", {addresses: [10.1.2.1]}"), false, true },
	{ "not ready", NODE NODE2 SERVICE OTHER
	  SLICE_OF("s-1", PORTS, E1 ", {addresses: [10.1.2.1], nodeName: n2, conditions: {ready: false}}"),
	  false, true },
	{ "not serving", NODE NODE2 SERVICE OTHER
	  SLICE_OF("s-1", PORTS, E1 ", {addresses: [10.1.2.1], nodeName: n2, conditions: {serving: false}}"),
	  false, true },
	{ "terminating", NODE NODE2 SERVICE OTHER
	  SLICE_OF("s-1", PORTS, E1 ", {addresses: [10.1.2.1], nodeName: n2, conditions: {terminating: true}}"),
	  false, true },
	{ "endpoints in two slices instead of one", NODE NODE2 SERVICE OTHER
	  SLICE_OF("s-1", PORTS, E1) SLICE_OF("s-2", PORTS, E2), false, true },
	{ "publishNotReadyAddresses where all is ready changes nothing",
	  NODE NODE2 SERVICE_OF("", SPEC ", publishNotReadyAddresses: true") OTHER SLICE, true, true },
	{ "another address of a node", NODE_OF("", "192.0.2.9", "10.1.1.0/24") NODE2 SERVICE OTHER SLICE,
	  true, false },
	{ "another prefix of a node", NODE_OF("", "192.0.2.1", "10.1.9.0/24") NODE2 SERVICE OTHER SLICE,
	  true, false },
	{ "a node less", NODE SERVICE OTHER SLICE, true, false },
	{ "a node's zone", NODE_OF(", labels: {topology.kubernetes.io/zone: z}", "192.0.2.1", "10.1.1.0/24")
	  NODE2 SERVICE OTHER SLICE, true, true },
};

static void test_digests_know_what_matters_and_nothing_else(void **state)
{
	struct snapshot *base = decode_text(BASE, strlen(BASE));

	for (size_t i = 0; i < ARRAY_SIZE(digest_rows); i++) {
		const struct digest_row *row = &digest_rows[i];
		struct snapshot *s = decode_text(row->text, strlen(row->text));

		if ((s->services_digest == base->services_digest) != row->services_same)
			fail_msg("%s: services' digest", row->name);
		if ((s->nodes_digest == base->nodes_digest) != row->nodes_same)
			fail_msg("%s: nodes' digest", row->name);
		snapshot_free(s);
	}
	snapshot_free(base);
}

static void test_only_the_service_that_changed_has_another_digest(void **state)
{
	static const char text[] = NODE NODE2 SERVICE OTHER SLICE_OF("s-1", PORTS, E1);
	struct snapshot *a = decode_text(BASE, strlen(BASE)), *b = decode_text(text, strlen(text));

	assert_string_equal(a->services[0].name, "o");
	assert_string_equal(a->services[1].name, "s");
	assert_true(a->services[0].digest == b->services[0].digest);
	assert_true(a->services[1].digest != b->services[1].digest);
	assert_int_equal(a->services[0].n_slices, 0);
	assert_int_equal(a->services[1].n_slices, 1);
	snapshot_free(a);
	snapshot_free(b);
}

static void test_publish_not_ready_makes_all_ready(void **state)
{
	static const char text[] = SERVICE_OF("", SPEC ", publishNotReadyAddresses: true")
		SLICE_OF("s-1", PORTS, "{addresses: [10.1.1.1], conditions: {ready: false, terminating: true}}");
	struct snapshot *s = decode_text(text, strlen(text));

	assert_true(s->services[0].publish_not_ready);
	assert_true(s->slices[0].endpoints[0].ready);
	assert_false(s->slices[0].endpoints[0].terminating);
	snapshot_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything_is_freed),
		cmocka_unit_test(test_an_empty_one_and_none),
		cmocka_unit_test(test_digests_know_what_matters_and_nothing_else),
		cmocka_unit_test(test_only_the_service_that_changed_has_another_digest),
		cmocka_unit_test(test_publish_not_ready_makes_all_ready),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
