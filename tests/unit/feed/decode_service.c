/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Services, slices, exports and imports: what each field becomes, and what is warned about. */
#include "../core/rows.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>

#include "core/addr.h"
#include "core/defs.h"
#include "feed/decode.h"

static int decode(const char *text, struct snapshot **ret_snapshot, struct err *err)
{
	struct doc_set *set;
	struct decoder *d;
	int rc;

	assert_int_equal(decoder_new(&d), 0);
	assert_int_equal(doc_parse(text, strlen(text), "f.yaml", &set, err), 0);
	rc = decoder_add(d, set, "f.yaml", err);
	doc_set_free(set);
	if (!rc)
		rc = decoder_take(d, "r", ret_snapshot);
	decoder_free(d);
	return rc;
}

#define SERVICE_OF(annotations, spec) \
	"apiVersion: v1\nkind: Service\n"                                                          \
	"metadata: {name: s, namespace: a, annotations: {" annotations "}}\nspec: {" spec "}\n"
#define SLICE_OF(ports, endpoints) \
	"---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"                              \
	"metadata: {name: x, namespace: a, labels: {kubernetes.io/service-name: s}}\n"             \
	"addressType: IPv4\nports: " ports "\nendpoints: " endpoints "\n"
#define MCS(kind, spec) \
	"---\napiVersion: multicluster.x-k8s.io/v1alpha1\nkind: " kind "\n"                        \
	"metadata: {name: s, namespace: a}\n" spec "\n"
#define X "xmesh.io/"
#define C "service.cilium.io/"

/* A service as one line: what is true of it, policy, affinity, addresses, ports. */
static const char *service_text(const struct service_object *s, char *out)
{
	char buf[ADDR_TEXT_MAX];
	const struct { bool is; const char *word; } words[] = {
		{ s->has_service, "service" }, { s->imported, "imported" }, { s->global, "global" },
		{ !s->shared, "unshared" },    { s->headless, "headless" }, { s->nearest, "nearest" },
		{ s->publish_not_ready, "unready" },
	};
	static const char *const kinds[] = { "cluster", "set", "external", "lb" };

	*out = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (words[i].is)
			sprintf(out + strlen(out), "%s ", words[i].word);
	for (size_t i = 0; i < s->n_prefer; i++)
		sprintf(out + strlen(out), "%s%s", i ? "," : "prefer=", s->prefer[i]);
	if (s->n_prefer)
		strcat(out, " ");
	for (size_t i = 0; i < s->n_weights; i++)
		sprintf(out + strlen(out), "%s:%u ", s->weights[i].cluster, s->weights[i].weight);
	if (s->affinity_s)
		sprintf(out + strlen(out), "affinity=%u ", s->affinity_s);
	for (size_t i = 0; i < s->n_vips; i++)
		sprintf(out + strlen(out), "%s@%s ", kinds[s->vips[i].kind], addr_format(&s->vips[i].addr, buf));
	for (size_t i = 0; i < s->n_ports; i++)
		sprintf(out + strlen(out), "%u/%u%s ", s->ports[i].port, s->ports[i].proto,
			s->ports[i].name == xm_port_name_hash("") ? "" : "n");
	if (*out)
		out[strlen(out) - 1] = '\0';
	return out;
}

static const struct service_row {
	const char *name, *text, *is;
	const char *warns; /* NULL = nothing */
} services[] = {
	{ "nothing but a name", SERVICE_OF("", ""), "service", NULL },
	{ "global by our annotation", SERVICE_OF(X "global: 'true'", ""), "service global", NULL },
	{ "global by Cilium's", SERVICE_OF(C "global: 'true'", ""), "service global", NULL },
	{ "ours wins over Cilium's", SERVICE_OF(X "global: 'false', " C "global: 'true'", ""), "service", NULL },
	{ "another word is not global, and said", SERVICE_OF(X "global: 'True'", ""), "service",
	  "f.yaml:1: Service a/s: annotation xmesh.io/global is \"True\"" },
	{ "of Cilium's too", SERVICE_OF(C "global: 'yes'", ""), "service",
	  "annotation service.cilium.io/global is \"yes\"" },
	{ "not shared", SERVICE_OF(X "shared: 'false'", ""), "service unshared", NULL },
	{ "not shared by Cilium's word", SERVICE_OF(C "shared: 'false'", ""), "service unshared", NULL },
	{ "shared by ours, though not by Cilium's",
	  SERVICE_OF(X "shared: 'true', " C "shared: 'false'", ""), "service", NULL },
	{ "a bad shared is not in force", SERVICE_OF(X "shared: 'no'", ""), "service",
	  "annotation xmesh.io/shared is \"no\", neither \"true\" nor \"false\": not in force" },
	{ "nearest", SERVICE_OF(X "nearest: 'true'", ""), "service nearest", NULL },
	{ "prefer", SERVICE_OF(X "prefer: 'local, west,*'", ""), "service prefer=local,west,*", NULL },
	{ "a bad prefer is not in force", SERVICE_OF(X "prefer: 'local,,west'", ""), "service",
	  "f.yaml:1: Service a/s: annotation xmesh.io/prefer \"local,,west\" is not in force: a name" },
	{ "Cilium's local affinity", SERVICE_OF(C "affinity: local", ""), "service prefer=local,*", NULL },
	{ "Cilium's remote affinity", SERVICE_OF(C "affinity: remote", ""), "service prefer=*,local", NULL },
	{ "Cilium's none", SERVICE_OF(C "affinity: none", ""), "service", NULL },
	{ "a bad affinity of Cilium", SERVICE_OF(C "affinity: near", ""), "service",
	  "annotation service.cilium.io/affinity \"near\" is none of local, remote, none" },
	{ "prefer wins over Cilium's affinity",
	  SERVICE_OF(X "prefer: west, " C "affinity: local", ""), "service prefer=west", NULL },
	{ "weights", SERVICE_OF(X "weights: 'east=90, west=0'", ""), "service east:90 west:0", NULL },
	{ "a bad weight puts all weights out of force, not the feed",
	  SERVICE_OF(X "weights: 'east=1,west=1000001'", ""), "service",
	  "annotation xmesh.io/weights \"east=1,west=1000001\" is not in force" },
	{ "ClientIP affinity of three hours", SERVICE_OF("", "sessionAffinity: ClientIP"),
	  "service affinity=10800", NULL },
	{ "ClientIP affinity with a timeout",
	  SERVICE_OF("", "sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 86400}}"),
	  "service affinity=86400", NULL },
	{ "a timeout without affinity is none",
	  SERVICE_OF("", "sessionAffinity: None, sessionAffinityConfig: {clientIP: {timeoutSeconds: 5}}"),
	  "service", NULL },
	{ "addresses of both families", SERVICE_OF("", "clusterIP: 11.0.0.1, clusterIPs: [11.0.0.1, 'fd11::1']"),
	  "service cluster@11.0.0.1 cluster@fd11::1", NULL },
	{ "IPv6 alone", SERVICE_OF("", "clusterIPs: ['fd11::1']"), "service cluster@fd11::1", NULL },
	{ "clusterIP without clusterIPs", SERVICE_OF("", "clusterIP: 11.0.0.1, clusterIPs: null"),
	  "service cluster@11.0.0.1", NULL },
	{ "one that is not allocated yet", SERVICE_OF("", "clusterIP: ''"), "service", NULL },
	{ "external and ingress addresses",
	  SERVICE_OF("", "clusterIP: 11.0.0.1, externalIPs: [198.51.100.1]")
	  "status: {loadBalancer: {ingress: [{ip: 198.51.100.2}, {hostname: x.example}]}}\n",
	  "service cluster@11.0.0.1 external@198.51.100.1 lb@198.51.100.2", NULL },
	{ "one address twice is one", SERVICE_OF("", "clusterIP: 11.0.0.1, externalIPs: [11.0.0.1]"),
	  "service cluster@11.0.0.1", NULL },
	{ "a balancer that wants to see its traffic keeps it",
	  SERVICE_OF("", "") "status: {loadBalancer: {ingress: [{ip: 198.51.100.2, ipMode: Proxy}, "
			     "{ip: 198.51.100.3, ipMode: VIP}]}}\n", "service lb@198.51.100.3", NULL },
	{ "headless has no address, external ones neither",
	  SERVICE_OF("", "clusterIP: None, clusterIPs: [None], externalIPs: [198.51.100.1]"),
	  "service headless", NULL },
	{ "publishNotReadyAddresses", SERVICE_OF("", "publishNotReadyAddresses: true"), "service unready", NULL },
	{ "ports with and without name and protocol",
	  SERVICE_OF("", "ports: [{port: 80}, {name: dns, port: 53, protocol: UDP}, "
			 "{name: s, port: 9, protocol: SCTP}]"), "service 80/6 53/17n 9/132n", NULL },
	{ "an ExternalName is not global, and said", SERVICE_OF(X "global: 'true'", "type: ExternalName"),
	  "service", "is an ExternalName: it has no backends, so it is not global" },
	{ "an ExternalName that is not annotated says nothing", SERVICE_OF("", "type: ExternalName"), "service",
	  NULL },
	{ "an ExternalName that is exported", SERVICE_OF("", "type: ExternalName") MCS("ServiceExport", ""),
	  "service", NULL },
	{ "exported", SERVICE_OF("", "") MCS("ServiceExport", ""), "service global", NULL },
	{ "exported before it is seen", MCS("ServiceExport", "") "---\n" SERVICE_OF("", ""), "service global",
	  NULL },
	{ "exported, though the annotation says no",
	  SERVICE_OF(X "global: 'false'", "") MCS("ServiceExport", ""), "service global", NULL },
	{ "an export alone", MCS("ServiceExport", ""), "global", NULL },
	{ "an import alone", MCS("ServiceImport", "spec: {type: ClusterSetIP, ips: [11.9.0.1, 'fd11:9::1'], "
						  "ports: [{port: 80}]}"),
	  "imported set@11.9.0.1 set@fd11:9::1 80/6", NULL },
	{ "an import beside a Service: its addresses, the Service's ports",
	  SERVICE_OF("", "clusterIP: 11.0.0.1, ports: [{port: 81}]")
	  MCS("ServiceImport", "spec: {type: ClusterSetIP, ips: [11.9.0.1], ports: [{port: 80}]}"),
	  "service imported cluster@11.0.0.1 set@11.9.0.1 81/6", NULL },
	{ "the same the other way round",
	  MCS("ServiceImport", "spec: {type: ClusterSetIP, ips: [11.9.0.1], ports: [{port: 80}]}")
	  "---\n" SERVICE_OF("", "clusterIP: 11.0.0.1, ports: [{port: 81}]"),
	  "service imported cluster@11.0.0.1 set@11.9.0.1 81/6", NULL },
	{ "a headless import", MCS("ServiceImport", "spec: {type: Headless, ips: [11.9.0.1], ports: [{port: 80}]}"),
	  "headless 80/6", NULL },
};

static void service(void **state)
{
	const struct service_row *row = *state;
	struct snapshot *s = NULL;
	struct err err = { .text = "" };
	char text[512];

	if (decode(row->text, &s, &err))
		fail_msg("%s", err.text);
	assert_int_equal(s->n_services, 1);
	assert_string_equal(service_text(&s->services[0], text), row->is);
	assert_int_equal(s->n_warnings, row->warns != NULL);
	if (row->warns && !strstr(s->warnings[0], row->warns))
		fail_msg("warns \"%s\"", s->warnings[0]);
	snapshot_free(s);
}

/* "ADDRESS r s t @node" for each endpoint, then ports. */
static const char *slice_text(const struct slice_object *s, char *out)
{
	char buf[ADDR_TEXT_MAX];

	*out = '\0';
	for (size_t i = 0; i < s->n_endpoints; i++) {
		const struct endpoint_object *e = &s->endpoints[i];

		sprintf(out + strlen(out), "%s%s%s%s%s%s ", addr_format(&e->addr, buf), e->ready ? "+r" : "",
			e->serving ? "+s" : "", e->terminating ? "+t" : "", e->node ? "@" : "",
			e->node ? e->node : "");
	}
	for (size_t i = 0; i < s->n_ports; i++)
		sprintf(out + strlen(out), "%u/%u ", s->ports[i].port, s->ports[i].proto);
	if (*out)
		out[strlen(out) - 1] = '\0';
	return out;
}

#define E(more) "[{addresses: [10.1.1.1]" more "}]"

static const struct service_row slices[] = {
	{ "absent conditions", SERVICE_OF("", "") SLICE_OF("[{port: 80}]", E("")), "10.1.1.1+r+s 80/6", NULL },
	{ "null conditions", SERVICE_OF("", "") SLICE_OF("[]", E(", conditions: {ready: null, serving: null, "
							       "terminating: null}")), "10.1.1.1+r+s", NULL },
	{ "not ready", SERVICE_OF("", "") SLICE_OF("[]", E(", conditions: {ready: false}")), "10.1.1.1+s", NULL },
	{ "terminating and serving", SERVICE_OF("", "")
	  SLICE_OF("[]", E(", conditions: {ready: false, serving: true, terminating: true}")), "10.1.1.1+s+t",
	  NULL },
	{ "terminating and not serving", SERVICE_OF("", "")
	  SLICE_OF("[]", E(", conditions: {ready: false, serving: false, terminating: true}")), "10.1.1.1+t",
	  NULL },
	{ "publishNotReadyAddresses: ready, whatever is said", SERVICE_OF("", "publishNotReadyAddresses: true")
	  SLICE_OF("[]", E(", conditions: {ready: false, serving: false, terminating: true}")), "10.1.1.1+r",
	  NULL },
	{ "a node", SERVICE_OF("", "") SLICE_OF("[]", E(", nodeName: n1")), "10.1.1.1+r+s@n1", NULL },
	{ "an empty node is none", SERVICE_OF("", "") SLICE_OF("[]", E(", nodeName: ''")), "10.1.1.1+r+s", NULL },
	{ "null ports are none", SERVICE_OF("", "") SLICE_OF("null", E("")), "10.1.1.1+r+s", NULL },
	{ "a null port is all ports", SERVICE_OF("", "") SLICE_OF("[{port: null}, {name: x, port: 53, protocol: UDP}]",
								E("")), "10.1.1.1+r+s 0/6 53/17", NULL },
	{ "no endpoints", SERVICE_OF("", "") SLICE_OF("[{port: 80}]", "null"), "80/6", NULL },
	{ "the first of several addresses, and said",
	  SERVICE_OF("", "") SLICE_OF("[]", "[{addresses: [10.1.1.1, 10.1.1.2]}]"), "10.1.1.1+r+s",
	  "f.yaml:6: EndpointSlice a/x: endpoints with several addresses: the first of each is used" },
};

static void slice(void **state)
{
	const struct service_row *row = *state;
	struct snapshot *s = NULL;
	struct err err = { .text = "" };
	char text[512];

	if (decode(row->text, &s, &err))
		fail_msg("%s", err.text);
	assert_int_equal(s->n_slices, 1);
	assert_int_equal(s->services[0].n_slices, 1);
	assert_string_equal(slice_text(&s->slices[0], text), row->is);
	assert_int_equal(s->n_warnings, row->warns != NULL);
	if (row->warns && !strstr(s->warnings[0], row->warns))
		fail_msg("warns \"%s\"", s->warnings[0]);
	snapshot_free(s);
}

static void imported_slices_are_the_peers_own(void **state)
{
	static const char text[] = SERVICE_OF("", "")
		"---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: x, namespace: a, labels: "
		"{multicluster.kubernetes.io/service-name: s, kubernetes.io/service-name: s}}\n"
		"addressType: IPv4\nendpoints: " E("") "\n";
	struct snapshot *s;

	assert_int_equal(decode(text, &s, NULL), 0);
	assert_int_equal(s->n_slices, 0);
	assert_int_equal(s->counts.skipped, 1);
	snapshot_free(s);
}

/* ---- edges: at the limit fine, one more is an error that names it ----------------------------- */

struct edge_row {
	const char *name, *before, *item, *after;
	int limit;
	const char *says;
};

static const struct edge_row edges[] = {
	{ "ports of a service", "apiVersion: v1\nkind: Service\nmetadata: {name: s, namespace: a}\nspec: {ports: [",
	  "{name: p%d, port: 80}, ", "]}\n", SNAPSHOT_MAX_PORTS,
	  "Service a/s: spec.ports: more than 256 ports" },
	{ "ports of a slice", SERVICE_OF("", "") "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
	  "metadata: {name: x, namespace: a}\naddressType: IPv4\nports: [", "{name: p%d, port: 80}, ", "]\n",
	  SNAPSHOT_MAX_PORTS, "EndpointSlice a/x: ports: more than 256 ports" },
	{ "ports of an import", "apiVersion: multicluster.x-k8s.io/v1alpha1\nkind: ServiceImport\n"
	  "metadata: {name: s, namespace: a}\nspec: {ports: [", "{name: p%d, port: 80}, ", "]}\n",
	  SNAPSHOT_MAX_PORTS, "ServiceImport a/s: spec.ports: more than 256 ports" },
	{ "addresses of a service", "apiVersion: v1\nkind: Service\nmetadata: {name: s, namespace: a}\n"
	  "spec: {clusterIP: 11.0.1.0, externalIPs: [11.0.1.0, ", "11.0.0.%d, ", "]}\n", SNAPSHOT_MAX_VIPS - 1,
	  "Service a/s: more than 64 addresses" },
	{ "endpoints of a slice", "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
	  "metadata: {name: x, namespace: a}\naddressType: IPv6\nendpoints: [", "{addresses: ['fd00::%d']}, ", "]\n",
	  SNAPSHOT_MAX_ENDPOINTS, "EndpointSlice a/x: more than 4096 endpoints" },
};

static void edge(void **state)
{
	const struct edge_row *row = *state;
	size_t size = 512 * 1024;
	auto_free char *text = malloc(size);

	for (int n = row->limit; n <= row->limit + 1; n++) {
		struct snapshot *s = NULL;
		struct err err = { .text = "" };
		size_t len = sprintf(text, "%s", row->before);
		int rc;

		for (int i = 0; i < n; i++)
			len += snprintf(text + len, size - len, row->item, i);
		snprintf(text + len, size - len, "%s", row->after);
		rc = decode(text, &s, &err);
		if (n == row->limit) {
			if (rc)
				fail_msg("%d: %s", n, err.text);
			snapshot_free(s);
			continue;
		}
		assert_int_equal(rc, -EINVAL);
		if (!strstr(err.text, row->says))
			fail_msg("says \"%s\"", err.text);
	}
}

/* A list that is too long in an annotation is not in force; the feed stands. */
static void annotations_have_an_edge_too(void **state)
{
	for (int n = SNAPSHOT_MAX_TIERS; n <= SNAPSHOT_MAX_TIERS + 1; n++) {
		char text[4096] = "apiVersion: v1\nkind: Service\nmetadata: {name: s, annotations: {" X "prefer: '";
		struct snapshot *s;

		for (int i = 0; i < n; i++)
			sprintf(text + strlen(text), "%sc%d", i ? "," : "", i);
		strcat(text, "'}}\nspec: {}\n");
		assert_int_equal(decode(text, &s, NULL), 0);
		assert_int_equal(s->services[0].n_prefer, n == SNAPSHOT_MAX_TIERS ? n : 0);
		assert_int_equal(s->n_warnings, n > SNAPSHOT_MAX_TIERS);
		if (s->n_warnings)
			assert_non_null(strstr(s->warnings[0], "more than 64 names"));
		snapshot_free(s);
	}
}

static void a_name_that_is_too_long_is_left_out(void **state)
{
	for (int n = 63; n <= 64; n++) {
		char text[512];
		struct snapshot *s;

		snprintf(text, sizeof(text), "apiVersion: v1\nkind: Service\nmetadata: {name: %0*d}\nspec: {}\n", n, 1);
		assert_int_equal(decode(text, &s, NULL), 0);
		assert_int_equal(s->n_services, n == 63);
		assert_int_equal(s->n_warnings, n == 64);
		if (s->n_warnings)
			assert_non_null(strstr(s->warnings[0], "its name is longer than 63 bytes"));
		snapshot_free(s);
	}
}

int main(void)
{
	struct rows rows = { 0 };

	ROWS_ADD_TABLE(&rows, service, services);
	ROWS_ADD_TABLE(&rows, slice, slices);
	ROWS_ADD_TABLE(&rows, edge, edges);
	ROWS_ADD_TEST(&rows, imported_slices_are_the_peers_own);
	ROWS_ADD_TEST(&rows, annotations_have_an_edge_too);
	ROWS_ADD_TEST(&rows, a_name_that_is_too_long_is_left_out);
	return rows_run("decode_service", &rows);
}
