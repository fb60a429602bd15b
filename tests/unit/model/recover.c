/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Pinned tables to a snapshot: all of one cluster, and without trust in what is pinned. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "core/addr.h"
#include "core/defs.h"
#include "model/recover.h"
#include "unit/model/services_scene.h"
#include "xmesh/wire.h"

static struct wanted_name name(uint32_t number, uint16_t cluster, const char *text,
			       const char *addr4, const char *addr6)
{
	struct wanted_name n = { .number = number, .name = { .cluster = cluster } };

	strcpy(n.name.name, text);
	if (addr4)
		assert_int_equal(addr_parse(addr4, &n.name.addr[n.name.n_addrs++], NULL), 0);
	if (addr6)
		assert_int_equal(addr_parse(addr6, &n.name.addr[n.name.n_addrs++], NULL), 0);
	if (n.name.n_addrs)
		xm_vtep_mac(&n.name.addr[0], n.name.vtep_mac);
	return n;
}

static struct wanted_route route(uint32_t node, uint16_t cluster, const char *prefix)
{
	struct wanted_route r = { .route = { .node = node, .cluster = cluster } };

	assert_int_equal(prefix_parse(prefix, &r.prefix, NULL), 0);
	return r;
}

static void test_one_cluster_is_recovered(void **state)
{
	struct wanted_name names[] = {
		name(1, 1, "east-1", "192.0.2.1", NULL),
		name(3, 2, "west-1", "192.0.2.2", "2001:db8::2"),
		name(7, 2, "west-2", NULL, "2001:db8::3"),
	};
	struct wanted_route routes[] = {
		route(1, 1, "10.1.0.0/24"),   route(7, 2, "10.2.1.0/24"),
		route(3, 2, "10.2.0.0/24"),   route(3, 2, "fd00:2::/64"),
		route(3, 1, "10.1.1.0/24"), /* another cluster's, whatever node it names */
	};
	struct wanted_cluster clusters[] = {
		{ .id = 1, .cluster = { .revision = "one" } },
		{ .id = 2, .cluster = { .revision = "two" } },
	};
	struct wanted actual = {
		.names = names, .n_names = ARRAY_SIZE(names),
		.routes = routes, .n_routes = ARRAY_SIZE(routes),
		.clusters = clusters, .n_clusters = ARRAY_SIZE(clusters),
	};
	char buf[PREFIX_TEXT_MAX];
	struct snapshot *s;

	assert_int_equal(recover_snapshot(&actual, NULL, 2, false, &s), 0);
	assert_string_equal(s->revision, "two");
	assert_int_equal(s->n_nodes, 2);
	assert_int_equal(s->counts.nodes, 2);
	assert_int_equal(s->n_warnings, 0);
	assert_string_equal(s->nodes[0].name, "west-1");
	assert_string_equal(addr_format(&s->nodes[0].addr4, buf), "192.0.2.2");
	assert_string_equal(addr_format(&s->nodes[0].addr6, buf), "2001:db8::2");
	assert_int_equal(s->nodes[0].n_cidrs, 2);
	assert_string_equal(prefix_format(&s->nodes[0].cidrs[0], buf), "10.2.0.0/24");
	assert_string_equal(prefix_format(&s->nodes[0].cidrs[1], buf), "fd00:2::/64");
	assert_string_equal(s->nodes[0].source, "pinned state");
	assert_false(s->nodes[0].has_vtep_mac);
	assert_true(xm_addr_is_zero(&s->nodes[1].addr4));
	assert_int_equal(s->nodes[1].n_cidrs, 1);
	assert_false(s->nodes[1].has_vtep_mac);
	snapshot_free(s);

	assert_int_equal(recover_snapshot(&actual, NULL, 3, false, &s), -ENOENT);
}

static void test_a_mac_of_its_own_is_kept(void **state)
{
	struct wanted_name names[] = { name(1, 2, "west-1", "192.0.2.2", NULL) };
	struct wanted actual = { .names = names, .n_names = 1 };
	struct snapshot *s;

	names[0].name.vtep_mac[5] ^= 1;
	assert_int_equal(recover_snapshot(&actual, NULL, 2, false, &s), 0);
	assert_true(s->nodes[0].has_vtep_mac);
	assert_memory_equal(s->nodes[0].vtep_mac, names[0].name.vtep_mac, 6);
	assert_int_equal(s->nodes[0].n_cidrs, 0);
	snapshot_free(s);
}

static void test_whose_packets_bear_identities_is_kept(void **state)
{
	struct wanted_name names[] = { name(1, 2, "west-1", "192.0.2.2", NULL),
				       name(2, 2, "west-2", "192.0.2.3", NULL),
				       name(3, 2, "west-3", "192.0.2.4", NULL) };
	struct wanted_node nodes[] = {
		{ .node = { .number = 1, .cluster = 2, .flags = XM_NODE_TUNNEL | XM_IDENTITY16 } },
		{ .node = { .number = 2, .cluster = 2, .flags = XM_IDENTITY15 } },
		{ .node = { .number = 3, .cluster = 2, .flags = XM_NODE_TUNNEL } },
		/* Another cluster's, whatever number it has. */
		{ .node = { .number = 3, .cluster = 1, .flags = XM_IDENTITY16 } },
	};
	struct wanted actual = { .names = names, .n_names = 3, .nodes = nodes, .n_nodes = 4 };
	struct snapshot *s;

	assert_int_equal(recover_snapshot(&actual, NULL, 2, false, &s), 0);
	assert_int_equal(s->nodes[0].identity_bits, 16);
	assert_int_equal(s->nodes[1].identity_bits, 15);
	assert_int_equal(s->nodes[2].identity_bits, 0);
	snapshot_free(s);
}

static void test_a_route_without_a_node_is_left_out_and_said(void **state)
{
	struct wanted_name names[] = { name(1, 2, "west-1", "192.0.2.2", NULL),
				       name(4, 1, "east-1", "192.0.2.3", NULL) };
	struct wanted_route routes[] = {
		route(1, 2, "10.2.0.0/24"),
		route(2, 2, "10.2.1.0/24"),
		route(4, 2, "10.2.2.0/24"), /* a node of another cluster */
	};
	struct wanted actual = { .names = names, .n_names = 2, .routes = routes, .n_routes = 3 };
	struct snapshot *s;

	assert_int_equal(recover_snapshot(&actual, NULL, 2, false, &s), 0);
	assert_int_equal(s->n_nodes, 1);
	assert_int_equal(s->nodes[0].n_cidrs, 1);
	assert_int_equal(s->n_warnings, 1);
	assert_non_null(strstr(s->warnings[0], "2 pinned routes"));
	snapshot_free(s);
}

static void test_pinned_text_and_counts_are_not_trusted(void **state)
{
	struct wanted_name names[] = { name(1, 2, "x", "192.0.2.2", NULL) };
	struct wanted_cluster clusters[] = { { .id = 2 } };
	struct wanted actual = { .names = names, .n_names = 1, .clusters = clusters,
				 .n_clusters = 1 };
	struct snapshot *s;

	memset(names[0].name.name, 'n', sizeof(names[0].name.name));
	names[0].name.n_addrs = 1000;
	memset(clusters[0].cluster.revision, 'r', sizeof(clusters[0].cluster.revision));
	assert_int_equal(recover_snapshot(&actual, NULL, 2, false, &s), 0);
	assert_int_equal(strlen(s->nodes[0].name), XM_NAME_LEN - 1);
	assert_int_equal(strlen(s->revision), sizeof(s->revision) - 1);
	snapshot_free(s);
}

/* ---- services -------------------------------------------------------------------------------- */

/* What plane/balance.h would have pinned of @v. */
static void pin(const struct service *v, struct service_entry *e)
{
	strcpy(e->name.space, v->space);
	strcpy(e->name.name, v->name);
	strcpy(e->name.prefer, v->prefer);
	strcpy(e->name.weights, v->weights);
	e->name.affinity_s = v->affinity_s;
	e->backends = calloc(v->n_backends + 1, sizeof(*e->backends));
	for (size_t i = 0; i < v->n_backends; i++) {
		const struct service_backend *b = &v->backends[i];

		e->backends[e->n_backends++] = (struct service_backend_entry){
			.number = i + 1,
			.backend = { .addr = b->addr, .node = b->node, .port_name = b->port_name,
				     .cluster = b->cluster, .port = htons(b->port), .proto = b->proto,
				     .state = b->state, .why = b->why, .flags = b->flags },
		};
	}
	for (size_t i = 0; i < v->n_pools; i++) {
		const struct service_pool *p = &v->pools[i];

		for (size_t k = 0; k < p->n_frontends; k++) {
			e->frontends = realloc(e->frontends, (e->n_frontends + 1) * sizeof(*e->frontends));
			e->frontends[e->n_frontends++] = (struct service_frontend_entry){
				.key = p->frontends[k].key,
				.service.kind = p->frontends[k].kind,
				.port_name = p->n_targets
					? v->backends[p->targets[0].backend].port_name : 0,
			};
			if (p->scope == XM_SCOPE_EDGE)
				e->frontends[e->n_frontends - 1].port_name = 0;
		}
	}
}

static struct service_tables *pinned(const struct services *s)
{
	struct service_tables *t = calloc(1, sizeof(*t));
	const struct service *const *list = services_list(s, &t->n_services);

	t->services = calloc(t->n_services + 1, sizeof(*t->services));
	for (size_t i = 0; i < t->n_services; i++)
		pin(list[i], &t->services[i]);
	return t;
}

#define GLOBAL(name, notes, spec) \
	"---\napiVersion: v1\nkind: Service\nmetadata: {name: " name ", annotations: " \
	"{xmesh.io/global: 'true'" notes "}}\nspec: {" spec "}\n"
#define ENDPOINTS(name, ports, endpoints) \
	"---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: " name \
	"-1, labels: {kubernetes.io/service-name: " name "}}\naddressType: IPv4\nports: [" ports \
	"]\nendpoints: [" endpoints "]\n"
#define TWO_PORTS "{name: http, port: 8080}, {name: grpc, port: 9090}"

static void test_recovered_services_are_what_is_installed(void **state)
{
	static const char *const east =
		GLOBAL("a", ", xmesh.io/prefer: 'local,*', xmesh.io/weights: 'east=90,west=10'",
		       "clusterIP: 10.96.0.1, externalIPs: [203.0.113.1], sessionAffinity: ClientIP, "
		       "ports: [{name: http, port: 80}, {name: grpc, port: 90}]")
		ENDPOINTS("a", TWO_PORTS, "{addresses: [10.1.1.1], nodeName: east-1}, "
			  "{addresses: [10.1.2.1], nodeName: east-2, conditions: {ready: false}}, "
			  "{addresses: [10.1.2.2], nodeName: east-2, conditions: {ready: false, "
			  "terminating: true}}")
		GLOBAL("b", "", "clusterIP: 10.96.0.2, ports: [{port: 80}]")
		ENDPOINTS("b", "{port: 80}", "{addresses: [10.1.2.3], nodeName: east-2, conditions: "
			  "{ready: false, terminating: true}}")
		GLOBAL("c", ", xmesh.io/shared: 'false'", "clusterIP: 10.96.0.3, ports: [{port: 80}]")
		ENDPOINTS("c", "{port: null}", "{addresses: [10.1.1.3], nodeName: east-1}")
		GLOBAL("d", ", xmesh.io/nearest: 'true'", "clusterIP: 10.96.0.4, ports: [{port: 80}]")
		ENDPOINTS("d", "{port: 80}", "{addresses: [10.1.1.4], nodeName: east-1}");
	static const char *const west =
		GLOBAL("a", "", "externalIPs: [203.0.113.2], ports: [{name: http, port: 80}]")
		ENDPOINTS("a", TWO_PORTS, "{addresses: [10.2.1.1], nodeName: west-1}")
		GLOBAL("c", ", xmesh.io/shared: 'false'", "ports: [{port: 80}]")
		ENDPOINTS("c", "{port: 80}", "{addresses: [10.2.1.3], nodeName: west-1}");
	struct scene scene = { .snapshots = { cluster(1, "east", east), cluster(2, "west", west),
					      cluster(3, "north", "") } }, again = {};
	struct services *before, *after;
	struct wanted_name names[9];
	struct wanted actual = { .names = names };
	struct service_tables *tables;

	scene_wire(&scene);
	before = fresh(&scene);
	tables = pinned(before);
	for (size_t i = 0; i < scene.input.n_nodes; i++) {
		char addr4[ADDR_TEXT_MAX];

		names[actual.n_names++] = name(scene.nodes[i].number, scene.nodes[i].cluster,
					       scene.nodes[i].name,
					       addr_format(&scene.nodes[i].outer, addr4), NULL);
	}
	for (int c = 0; c < 3; c++)
		assert_int_equal(recover_snapshot(&actual, tables, c + 1, !c, &again.snapshots[c]), 0);
	scene_wire(&again);
	after = fresh(&again);
	assert_same(before, after);
	assert_same(after, before);
	services_free(before);
	services_free(after);
	service_tables_free(tables);
	scene_free(&scene);
	scene_free(&again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_cluster_is_recovered),
		cmocka_unit_test(test_a_mac_of_its_own_is_kept),
		cmocka_unit_test(test_whose_packets_bear_identities_is_kept),
		cmocka_unit_test(test_a_route_without_a_node_is_left_out_and_said),
		cmocka_unit_test(test_pinned_text_and_counts_are_not_trusted),
		cmocka_unit_test(test_recovered_services_are_what_is_installed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
