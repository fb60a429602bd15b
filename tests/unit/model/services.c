/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What new connections get, row by row; what changes cost and leave; the real dumps merged. */
#include "unit/model/services_scene.h"

/* Rows end where the rest is zero. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define SVC(notes, spec) \
	"---\napiVersion: v1\nkind: Service\nmetadata: {name: s, annotations: {xmesh.io/global: 'true'" \
	notes "}}\nspec: {ports: [{port: 80}], " spec "}\n"
#define SCTP(spec) \
	"---\napiVersion: v1\nkind: Service\nmetadata: {name: s, annotations: {xmesh.io/global: 'true'}}\n" \
	"spec: {ports: [{port: 80, protocol: SCTP}], " spec "}\n"
#define SLICE_OF(name, ports, endpoints) \
	"---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: " name \
	", labels: {kubernetes.io/service-name: s}}\naddressType: IPv4\nports: [" ports "]\n" \
	"endpoints: [" endpoints "]\n"
#define SLICE(endpoints) SLICE_OF("s-1", "{port: 8080}", endpoints)
#define UP(addr, node) "{addresses: [" addr "], nodeName: " node "}, "
#define WITH(addr, node, c) "{addresses: [" addr "], nodeName: " node ", conditions: {" c "}}, "
#define VIP_E "clusterIP: 10.96.0.1"
#define VIP_W "clusterIP: 10.97.0.1"
#define EAST1 UP("10.1.1.1", "east-1")
#define WEST2 UP("10.2.1.1", "west-1") UP("10.2.2.1", "west-2")
#define NORTH1 UP("10.3.1.1", "north-1")

static const struct {
	const char *name, *east, *west, *north;
	int scope;
	const char *want;      /* targets of port 80, IPv4; NULL = no such pool */
	const char *at;        /* this backend ... */
	int state, why;
	int down;              /* number of a node that is down */
	int stale;             /* bit per cluster */
	int unknown;           /* number of a node that nobody has heard of */
} rows[] = {
	{ "all clusters' ready backends count the same", SVC("", VIP_E) SLICE(EAST1),
	  SVC("", VIP_W) SLICE(WEST2), SVC("", "clusterIP: 10.98.0.1") SLICE(NORTH1), 0,
	  "10.1.1.1=1 10.2.1.1=1 10.2.2.1=1 10.3.1.1=1", "10.2.1.1", XM_BACKEND_ACTIVE, XM_WHY_READY },
	{ "a peer's service that is global only there is nothing here", NULL,
	  SVC("", VIP_W) SLICE(WEST2), NULL, 0, NULL },
	{ "local first", SVC(", xmesh.io/prefer: 'local, *'", VIP_E) SLICE(EAST1),
	  SVC("", VIP_W) SLICE(WEST2), NULL, 0, "10.1.1.1=1", "10.2.1.1", XM_BACKEND_STANDBY,
	  XM_WHY_OTHER_TIER },
	{ "Cilium's remote affinity", SVC(", service.cilium.io/affinity: remote", VIP_E) SLICE(EAST1),
	  SVC("", VIP_W) SLICE(WEST2), NULL, 0, "10.2.1.1=1 10.2.2.1=1", "10.1.1.1",
	  XM_BACKEND_STANDBY, XM_WHY_OTHER_TIER },
	{ "the next tier when the first has none",
	  SVC(", xmesh.io/prefer: 'local,north,*'", VIP_E) SLICE(""),
	  SVC("", VIP_W) SLICE(WEST2), SVC("", VIP_W) SLICE(NORTH1), 0, "10.3.1.1=1" },
	{ "who is not named is never used", SVC(", xmesh.io/prefer: local", VIP_E) SLICE(""),
	  SVC("", VIP_W) SLICE(WEST2), NULL, 0, "", "10.2.1.1", XM_BACKEND_STANDBY,
	  XM_WHY_NOT_PREFERRED },
	{ "a cluster's weight is spread over its backends",
	  SVC(", xmesh.io/weights: 'east=90,west=10'", VIP_E) SLICE(EAST1),
	  SVC("", VIP_W) SLICE(WEST2), NULL, 0, "10.1.1.1=18 10.2.1.1=1 10.2.2.1=1" },
	{ "weight 0 drains", SVC(", xmesh.io/weights: 'east=1,west=0'", VIP_E) SLICE(EAST1),
	  SVC("", VIP_W) SLICE(WEST2), NULL, 0, "10.1.1.1=1", "10.2.2.1", XM_BACKEND_DRAINING,
	  XM_WHY_ZERO_WEIGHT },
	{ "unlisted ones wait", SVC(", xmesh.io/weights: 'east=1'", VIP_E) SLICE(EAST1),
	  SVC("", VIP_W) SLICE(WEST2), NULL, 0, "10.1.1.1=1", "10.2.2.1", XM_BACKEND_STANDBY,
	  XM_WHY_OTHER_WEIGHTED },
	{ "unlisted ones are used when the listed have none",
	  SVC(", xmesh.io/weights: 'east=1'", VIP_E) SLICE(""), SVC("", VIP_W) SLICE(WEST2), NULL, 0,
	  "10.2.1.1=1 10.2.2.1=1" },
	{ "bad weights are not in force",
	  SVC(", xmesh.io/weights: 'east=90,east=1'", VIP_E) SLICE(EAST1),
	  SVC("", VIP_W) SLICE(WEST2), NULL, 0, "10.1.1.1=1 10.2.1.1=1 10.2.2.1=1" },
	{ "what is not shared drains", SVC("", VIP_E) SLICE(EAST1),
	  SVC(", xmesh.io/shared: 'false'", VIP_W) SLICE(WEST2), NULL, 0, "10.1.1.1=1", "10.2.1.1",
	  XM_BACKEND_DRAINING, XM_WHY_NOT_SHARED },
	{ "our own that we do not share are ours", SVC(", xmesh.io/shared: 'false'", VIP_E) SLICE(EAST1),
	  NULL, NULL, 0, "10.1.1.1=1" },
	{ "a terminating one drains",
	  SVC("", VIP_E) SLICE(EAST1 WITH("10.1.2.1", "east-2", "ready: false, terminating: true")),
	  NULL, NULL, 0, "10.1.1.1=1", "10.1.2.1", XM_BACKEND_DRAINING, XM_WHY_READY_ELSEWHERE },
	{ "serving and terminating as the last resort",
	  SVC("", VIP_E) SLICE(WITH("10.1.2.1", "east-2", "ready: false, terminating: true")),
	  NULL, NULL, 0, "10.1.2.1=1", "10.1.2.1", XM_BACKEND_ACTIVE, XM_WHY_LAST_RESORT_TERMINATING },
	{ "terminating and not serving never",
	  SVC("", VIP_E) SLICE(WITH("10.1.2.1", "east-2", "serving: false, terminating: true")),
	  NULL, NULL, 0, "", "10.1.2.1", XM_BACKEND_DRAINING, XM_WHY_TERMINATING },
	{ "not ready, though serving",
	  SVC("", VIP_E) SLICE(WITH("10.1.2.1", "east-2", "ready: false, serving: true")),
	  NULL, NULL, 0, "", "10.1.2.1", XM_BACKEND_DRAINING, XM_WHY_NOT_READY },
	{ "null conditions are ready",
	  SVC("", VIP_E) SLICE(WITH("10.1.2.1", "east-2",
				    "ready: null, serving: null, terminating: null")),
	  NULL, NULL, 0, "10.1.2.1=1" },
	{ "publishNotReadyAddresses makes all ready",
	  SVC("", VIP_E ", publishNotReadyAddresses: true")
	  SLICE(WITH("10.1.2.1", "east-2", "ready: false")), NULL, NULL, 0, "10.1.2.1=1" },
	{ "in two slices, ready wins",
	  SVC("", VIP_E) SLICE(WITH("10.1.1.1", "east-1", "ready: false"))
	  SLICE_OF("s-2", "{port: 8080}", EAST1), NULL, NULL, 0, "10.1.1.1=1" },
	{ "several slices, other target ports",
	  SVC("", VIP_E) SLICE(EAST1) SLICE_OF("s-2", "{port: 8081}", UP("10.1.2.1", "east-2")), NULL,
	  NULL, 0, "10.1.1.1=1 10.1.2.1=1" },
	{ "a null port serves every port", SVC("", VIP_E) SLICE_OF("s-1", "{port: null}", EAST1), NULL,
	  NULL, 0, "10.1.1.1=1" },
	{ "a port of another name is none", SVC("", VIP_E) SLICE_OF("s-1", "{name: x, port: 1}", EAST1),
	  NULL, NULL, 0, "" },
	{ "another protocol is none", SVC("", VIP_E) SLICE_OF("s-1", "{port: 1, protocol: UDP}", EAST1),
	  NULL, NULL, 0, "" },
	{ "a node that is down has none", SVC("", VIP_E) SLICE(EAST1), SVC("", VIP_W) SLICE(WEST2), NULL,
	  0, "10.1.1.1=1 10.2.2.1=1", "10.2.1.1", XM_BACKEND_DOWN, XM_WHY_NODE_DOWN, .down = 20 },
	{ "a node that nobody has heard of counts as up", SVC("", VIP_E) SLICE(EAST1),
	  SVC("", VIP_W) SLICE(WEST2), NULL, 0, "10.1.1.1=1 10.2.1.1=1 10.2.2.1=1", "10.2.1.1",
	  XM_BACKEND_ACTIVE, XM_WHY_READY, .unknown = 20 },
	{ "SCTP to the same port", SCTP(VIP_E) SLICE_OF("s-1", "{port: 80, protocol: SCTP}", EAST1), NULL,
	  NULL, 0, "10.1.1.1=1", "10.1.1.1", XM_BACKEND_ACTIVE, XM_WHY_READY },
	{ "SCTP to every port is to the same", SCTP(VIP_E)
	  SLICE_OF("s-1", "{port: null, protocol: SCTP}", EAST1), NULL, NULL, 0, "10.1.1.1=1" },
	{ "SCTP to another port gets nothing, and says why",
	  SCTP(VIP_E) SLICE_OF("s-1", "{port: 81, protocol: SCTP}", EAST1), NULL, NULL, 0, "", "10.1.1.1",
	  XM_BACKEND_DRAINING, XM_WHY_SCTP_PORT },
	{ "SCTP: those of the same port are left",
	  SCTP(VIP_E) SLICE_OF("s-1", "{port: 81, protocol: SCTP}", EAST1)
	  SLICE_OF("s-2", "{port: 80, protocol: SCTP}", UP("10.1.2.1", "east-2")), NULL, NULL, 0,
	  "10.1.2.1=1", "10.1.1.1", XM_BACKEND_DRAINING, XM_WHY_SCTP_PORT },
	{ "a stale feed comes after fresh ones", SVC("", VIP_E) SLICE(EAST1),
	  SVC("", VIP_W) SLICE(WEST2), NULL, 0, "10.1.1.1=1", "10.2.1.1", XM_BACKEND_STANDBY,
	  XM_WHY_STALE, .stale = 2 },
	{ "a stale feed when nothing else is left", SVC("", VIP_E) SLICE(""),
	  SVC("", VIP_W) SLICE(WEST2), NULL, 0, "10.2.1.1=1 10.2.2.1=1", "10.2.1.1",
	  XM_BACKEND_ACTIVE, XM_WHY_LAST_RESORT_STALE, .stale = 2 },
	{ "headless has no VIP", SVC("", "clusterIP: None") SLICE(EAST1), NULL, NULL, 0, NULL },
	{ "edge: nodes weigh as many as their backends",
	  SVC("", VIP_E ", externalIPs: [203.0.113.1]") SLICE(EAST1 UP("10.1.1.2", "east-1")),
	  SVC("", VIP_W) SLICE(WEST2), NULL, XM_SCOPE_EDGE,
	  "192.0.2.11=2 192.0.2.21=1 192.0.2.22=1", "192.0.2.11", XM_BACKEND_ACTIVE, XM_WHY_READY },
	{ "edge: not to the host network",
	  SVC("", VIP_E ", externalIPs: [203.0.113.1]") SLICE(EAST1 UP("192.0.2.12", "east-2")),
	  NULL, NULL, XM_SCOPE_EDGE, "192.0.2.11=1" },
	{ "client: the host network too",
	  SVC("", VIP_E) SLICE(UP("192.0.2.12", "east-2")), NULL, NULL, 0, "192.0.2.12=1" },
	{ "node: only this node's pods",
	  SVC("", VIP_E ", externalIPs: [203.0.113.1]") SLICE(EAST1 UP("10.1.2.1", "east-2")),
	  NULL, NULL, XM_SCOPE_NODE, "10.1.1.1=1" },
	{ "node: a peer's VIP leads to our pods too", SVC("", VIP_E) SLICE(EAST1),
	  SVC("", VIP_W ", externalIPs: [203.0.113.2]") SLICE(WEST2), NULL, XM_SCOPE_NODE,
	  "10.1.1.1=1" },
	{ "node: a peer's VIP without a service of ours refuses", NULL,
	  SVC("", VIP_W ", externalIPs: [203.0.113.2]") SLICE(WEST2), NULL, XM_SCOPE_NODE, "" },
	{ "a backend without a node name is found by its prefix",
	  SVC("", VIP_E ", externalIPs: [203.0.113.1]") SLICE("{addresses: [10.1.2.9]}"), NULL, NULL,
	  XM_SCOPE_EDGE, "192.0.2.12=1" },
	{ "a VIP inside a prefix of the mesh is left out", SVC("", "clusterIP: 10.2.1.7") SLICE(EAST1),
	  NULL, NULL, 0, NULL },
	{ "a VIP that is a node's address is left out", SVC("", "clusterIP: 192.0.2.21") SLICE(EAST1),
	  NULL, NULL, 0, NULL },
	{ "an import alone is a frontend",
	  "---\napiVersion: multicluster.x-k8s.io/v1beta1\nkind: ServiceImport\nmetadata: {name: s}\n"
	  "spec: {type: ClusterSetIP, ips: [10.96.9.9], ports: [{port: 80}]}\n",
	  SVC("", VIP_W) SLICE(WEST2), NULL, 0, "10.2.1.1=1 10.2.2.1=1" },
};

static void test_rows(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct scene scene = { .snapshots = { cluster(1, "east", rows[i].east),
						      cluster(2, "west", rows[i].west),
						      cluster(3, "north", rows[i].north) } };
		const struct service_pool *p;
		const struct service_backend *b;
		const struct service *v;
		struct services *s;
		char text[4096];

		scene_wire(&scene);
		for (size_t k = 0; k < scene.input.n_nodes; k++)
			if ((int)scene.nodes[k].number == rows[i].down)
				scene.nodes[k].health = NODE_DOWN;
			else if ((int)scene.nodes[k].number == rows[i].unknown)
				scene.nodes[k].health = NODE_UNKNOWN;
		for (int c = 0; c < 3; c++)
			scene.stale[c] = rows[i].stale >> c & 1;
		s = fresh(&scene);
		v = find_service(s, "s");
		p = find_pool(v, rows[i].scope, 80, true);
		if (!p != !rows[i].want || (p && strcmp(targets_text(v, p, text), rows[i].want)))
			fail_msg("%s: targets %s", rows[i].name, p ? text : "none");
		b = rows[i].at ? find_backend(v, rows[i].at) : NULL;
		if (rows[i].at && (!b || b->state != rows[i].state || b->why != rows[i].why))
			fail_msg("%s: state %d why %d", rows[i].name, b ? b->state : -1, b ? b->why : -1);
		services_free(s);
		scene_free(&scene);
	}
}

static void test_ipv6_alone(void **state)
{
	const char *text = SVC("", "clusterIPs: ['fd96::1'], externalIPs: ['2001:db8:1::1']")
		"---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
		"metadata: {name: s-6, labels: {kubernetes.io/service-name: s}}\naddressType: IPv6\n"
		"ports: [{port: 8080}]\nendpoints: [" UP("'fd00:10:1:1::1'", "east-1") "]\n"
		SLICE(EAST1);
	struct scene scene = { .snapshots = { cluster(1, "east", text), NULL, NULL } };
	const struct service *v;
	struct services *s;
	char buf[4096];

	scene_wire(&scene);
	s = fresh(&scene);
	v = find_service(s, "s");
	/* A pool of IPv6 has backends of IPv6, also where others are there; nodes by what they have. */
	assert_string_equal(targets_text(v, find_pool(v, XM_SCOPE_CLIENT, 80, false), buf), "fd00:10:1:1::1=1");
	assert_string_equal(targets_text(v, find_pool(v, XM_SCOPE_NODE, 80, false), buf), "fd00:10:1:1::1=1");
	assert_string_equal(targets_text(v, find_pool(v, XM_SCOPE_EDGE, 80, false), buf), "192.0.2.11=1");
	assert_null(find_pool(v, XM_SCOPE_CLIENT, 80, true));
	services_free(s);
	scene_free(&scene);
}

static struct snapshot *dump(const char *name)
{
	char path[256], *text;
	struct snapshot *s;
	size_t len;

	snprintf(path, sizeof(path), "%s/%s.json", TEST_DATA, name);
	assert_int_equal(file_read(AT_FDCWD, path, path, 64 << 20, 0, &text, &len, NULL), 0);
	s = decode_text(text, len);
	free(text);
	return s;
}

static void test_the_real_dumps_merge(void **state)
{
	struct scene scene = { .snapshots = { dump("east"), dump("west"), dump("north") } };
	const struct service_pool *p;
	const struct service *v;
	uint64_t by_cluster[4] = {};
	struct services *s;
	size_t n;

	scene_wire(&scene);
	s = fresh(&scene);
	services_list(s, &n);
	assert_int_equal(n, 4);
	v = find_service(s, "checkout");
	assert_string_equal(v->weights, "east=90,west=10");
	assert_int_equal(v->n_backends, 36); /* 9 pods, 2 families, 2 ports */
	p = find_pool(v, XM_SCOPE_CLIENT, 80, true);
	assert_int_equal(p->n_targets, 6);
	for (size_t i = 0; i < p->n_targets; i++)
		by_cluster[v->backends[p->targets[i].backend].cluster] += p->targets[i].weight;
	assert_int_equal(by_cluster[1], 9 * by_cluster[2]);
	v = find_service(s, "session");
	assert_int_equal(v->affinity_s, 600);
	assert_string_equal(v->prefer, "local,*");
	assert_int_equal(find_pool(v, XM_SCOPE_CLIENT, 443, true)->n_targets, 2);
	v = find_service(s, "legacy");
	assert_int_equal(find_pool(v, XM_SCOPE_CLIENT, 8000, true)->n_targets, 2); /* north's */
	v = find_service(s, "frontend");
	assert_int_equal(find_pool(v, XM_SCOPE_CLIENT, 80, true)->n_targets, 6);
	assert_int_equal(find_pool(v, XM_SCOPE_CLIENT, 80, false)->n_targets, 6);
	services_free(s);
	scene_free(&scene);
}

static unsigned int seed = 7;

static unsigned int next(unsigned int n)
{
	seed = seed * 1103515245u + 12345;
	return (seed >> 16) % n;
}

/* A random cluster of up to six services, some of which claim one VIP. */
static struct snapshot *random_cluster(int c, const char *name)
{
	char text[16384];
	int n = 0;

	for (int i = 0; i < 6; i++) {
		if (!next(4))
			continue;
		n += sprintf(text + n, "---\napiVersion: v1\nkind: Service\nmetadata: {name: s%d, "
			     "annotations: {xmesh.io/global: '%s', xmesh.io/shared: '%s', "
			     "xmesh.io/prefer: '%s'}}\nspec: {clusterIP: 10.9%d.0.%d, externalIPs: "
			     "[203.0.113.%d], ports: [{port: 80}]}\n", i, next(5) ? "true" : "false",
			     next(4) ? "true" : "false", next(2) ? "local,*" : "", c + 5, next(4) + 1,
			     next(9) + 1);
		n += sprintf(text + n, "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
			     "metadata: {name: s%d, labels: {kubernetes.io/service-name: s%d}}\n"
			     "addressType: IPv4\nports: [{port: 8080}]\nendpoints: [", i, i);
		for (unsigned int k = next(5); k; k--)
			n += sprintf(text + n, "{addresses: [10.%d.%d.%d], conditions: {ready: %s}}, ", c,
				     next(3) + 1, next(40) + 1, next(3) ? "true" : "false");
		n += sprintf(text + n, "]\n");
	}
	text[n] = '\0';
	return cluster(c, name, text);
}

static void test_updates_lead_where_a_fresh_build_does(void **state)
{
	static const char *const names[] = { "east", "west", "north" };
	struct scene scene = {};
	struct services *kept;
	struct err err;

	for (int c = 0; c < 3; c++)
		scene.snapshots[c] = random_cluster(c + 1, names[c]);
	scene_wire(&scene);
	kept = fresh(&scene);
	for (int i = 0; i < 300; i++) {
		struct services *anew;
		int c = next(3);

		snapshot_free(scene.snapshots[c]);
		scene.snapshots[c] = random_cluster(c + 1, names[c]);
		scene_wire(&scene);
		scene.nodes[next(9)].health = next(4) ? NODE_UP : NODE_DOWN;
		scene.stale[1] = !next(8);
		assert_int_equal(services_update(kept, &scene.input, &err), 0);
		anew = fresh(&scene);
		assert_same(kept, anew);
		services_free(anew);
	}
	services_free(kept);
	scene_free(&scene);
}

static void test_a_vip_of_two_is_the_first_by_name_until_it_goes(void **state)
{
	const char *two = "---\napiVersion: v1\nkind: Service\nmetadata: {name: a, annotations: "
			  "{xmesh.io/global: 'true'}}\nspec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}\n"
			  SVC("", VIP_E) SLICE(EAST1);
	struct scene scene = { .snapshots = { cluster(1, "east", two), NULL, NULL } };
	struct services *s;
	uint64_t version;
	size_t n;

	scene_wire(&scene);
	s = fresh(&scene);
	assert_non_null(find_pool(find_service(s, "a"), 0, 80, true));
	assert_null(find_pool(find_service(s, "s"), 0, 80, true));
	assert_non_null(strstr(services_notes(s, &n)[0], "which has it"));
	version = find_service(s, "s")->version;
	assert_int_equal(services_update(s, &scene.input, NULL), 0);
	assert_int_equal(find_service(s, "s")->version, version);
	snapshot_free(scene.snapshots[0]);
	scene.snapshots[0] = cluster(1, "east", SVC("", VIP_E) SLICE(EAST1));
	scene_wire(&scene);
	assert_int_equal(services_update(s, &scene.input, NULL), 0);
	assert_non_null(find_pool(find_service(s, "s"), 0, 80, true));
	assert_int_not_equal(find_service(s, "s")->version, version);
	services_notes(s, &n);
	assert_int_equal(n, 0);
	services_free(s);
	scene_free(&scene);
}

static const struct {
	const char *name, *policy, *want, *weights;
	uint32_t east, west;   /* points; 0 = no such seed */
	bool nearest;
} nearest_rows[] = {
	{ "nothing is measured: clusters count the same", ", xmesh.io/nearest: 'true'",
	  "10.1.1.1=2 10.2.1.1=1 10.2.2.1=1", "nearest: east=1,west=1", 0, 0, true },
	{ "a cluster's points are spread over its backends", ", xmesh.io/nearest: 'true'",
	  "10.1.1.1=8 10.2.1.1=1 10.2.2.1=1", "nearest: east=80,west=20", 80, 20, true },
	{ "the heaviest is told first", ", xmesh.io/nearest: 'true'",
	  "10.1.1.1=2 10.2.1.1=9 10.2.2.1=9", "nearest: west=90,east=10", 10, 90, true },
	{ "a cluster that is new has what new ones get", ", xmesh.io/nearest: 'true'",
	  "10.1.1.1=10 10.2.1.1=1 10.2.2.1=1", "nearest: east=100,west=20", 100, 0, true },
	{ "weights that are given win", ", xmesh.io/nearest: 'true', xmesh.io/weights: 'east=1,west=1'",
	  "10.1.1.1=2 10.2.1.1=1 10.2.2.1=1", "east=1,west=1", 80, 20, false },
	{ "within a tier only", ", xmesh.io/nearest: 'true', xmesh.io/prefer: 'west,*'",
	  "10.2.1.1=1 10.2.2.1=1", "nearest: west=20", 80, 20, true },
	{ "not annotated: as ever", "", "10.1.1.1=1 10.2.1.1=1 10.2.2.1=1", "", 80, 20, false },
};

static void test_nearest_rows(void **state)
{
	for (size_t r = 0; r < ARRAY_SIZE(nearest_rows); r++) {
		char east[2048], out[512];
		struct nearest nearest = { 0 };
		const struct service_nearest list = { "default", "s", &nearest };
		struct scene scene = { 0 };
		const struct service *v;
		struct services *s;
		size_t n;

		snprintf(east, sizeof(east), SVC("%s", VIP_E) "%s", nearest_rows[r].policy, SLICE(EAST1));
		scene.snapshots[0] = cluster(1, "east", east);
		scene.snapshots[1] = cluster(2, "west", SVC("", VIP_W) SLICE(WEST2));
		scene_wire(&scene);
		if (nearest_rows[r].east)
			nearest_seed(&nearest, 1, nearest_rows[r].east);
		if (nearest_rows[r].west)
			nearest_seed(&nearest, 2, nearest_rows[r].west);
		scene.input.nearest = &list;
		scene.input.n_nearest = 1;
		s = fresh(&scene);
		v = find_service(s, "s");
		targets_text(v, find_pool(v, 0, 80, true), out);
		if (strcmp(out, nearest_rows[r].want) || strcmp(v->weights, nearest_rows[r].weights) ||
		    v->nearest != nearest_rows[r].nearest)
			fail_msg("%s: %s (%s)", nearest_rows[r].name, out, v->weights);
		services_notes(s, &n);
		assert_int_equal(n, !!strstr(nearest_rows[r].policy, "weights"));
		services_free(s);
		scene_free(&scene);
		nearest_done(&nearest);
	}
}

/* What costs time: only a service whose weights moved is merged again. */
static void test_only_weights_that_moved_are_looked_at(void **state)
{
	const char *two = "---\napiVersion: v1\nkind: Service\nmetadata: {name: a, annotations: "
			  "{xmesh.io/global: 'true', xmesh.io/nearest: 'true'}}\nspec: {clusterIP: "
			  "10.96.0.9, ports: [{port: 80}]}\n"
			  SVC(", xmesh.io/nearest: 'true'", VIP_E) SLICE(EAST1);
	struct scene scene = { .snapshots = { cluster(1, "east", two),
					      cluster(2, "west", SVC("", VIP_W) SLICE(WEST2)), NULL } };
	struct nearest first = { 0 }, second = { 0 };
	const struct service_nearest list[] = { { "default", "a", &first }, { "default", "s", &second } };
	struct services_changes changes;
	struct services *s;
	uint64_t version;

	nearest_seed(&second, 1, 50);
	nearest_seed(&second, 2, 50);
	scene_wire(&scene);
	scene.input.nearest = list;
	scene.input.n_nearest = 2;
	s = fresh(&scene);
	version = find_service(s, "s")->version;
	assert_int_equal(services_update(s, &scene.input, NULL), 0);
	assert_int_equal(services_changes(s).n, 0);
	second.clusters[0].weight = 70;
	second.clusters[1].weight = 30;
	assert_int_equal(services_update(s, &scene.input, NULL), 0);
	changes = services_changes(s);
	assert_int_equal(changes.n, 1);
	assert_false(changes.listed);
	assert_string_equal(changes.items[0]->name, "s");
	assert_int_not_equal(find_service(s, "s")->version, version);
	services_free(s);
	scene_free(&scene);
	nearest_done(&second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_ipv6_alone),
		cmocka_unit_test(test_the_real_dumps_merge),
		cmocka_unit_test(test_updates_lead_where_a_fresh_build_does),
		cmocka_unit_test(test_a_vip_of_two_is_the_first_by_name_until_it_goes),
		cmocka_unit_test(test_nearest_rows),
		cmocka_unit_test(test_only_weights_that_moved_are_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
