/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Objects of a snapshot as Kubernetes writes them. What a snapshot does not tell apart (an annotation
 * of ours or of Cilium's, an export beside a Service) comes out in one of its forms.
 */
#include "feed/encode.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/addr.h"
#include "core/defs.h"
#include "model/policy.h"

#define POLICY_TEXT_MAX (SNAPSHOT_MAX_TIERS * 80)

struct encoder {
	FILE *out;
	char *text; /* what was written to out, after fflush() */
	size_t len;
	encode_fn each;
	void *user;
	const struct slice_object **names; /* sorted by namespace and name */
	size_t n_names;
};

static __attribute__((format(printf, 2, 3))) void put(struct encoder *e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(e->out, fmt, ap);
	va_end(ap);
}

/* A JSON string; @text is UTF-8. */
static void put_string(struct encoder *e, const char *text)
{
	fputc('"', e->out);
	for (; *text; text++) {
		unsigned char c = *text;

		if (c == '"' || c == '\\')
			fputc('\\', e->out);
		if (c < 0x20)
			put(e, "\\u%04x", c);
		else
			fputc(c, e->out);
	}
	fputc('"', e->out);
}

/* ,"key":"text" */
static void put_pair(struct encoder *e, const char *key, const char *text)
{
	put(e, ",\"%s\":", key);
	put_string(e, text);
}

/* Begin an object with its name; metadata stays open for annotations and labels. */
static void begin(struct encoder *e, const char *api, const char *kind, const char *space,
		  const char *name)
{
	rewind(e->out);
	put(e, "{\"apiVersion\":\"%s\",\"kind\":\"%s\",\"metadata\":{\"name\":", api, kind);
	put_string(e, name);
	if (*space)
		put_pair(e, "namespace", space);
}

static int end(struct encoder *e, const char *kind, const char *space, const char *name)
{
	off_t len;

	put(e, "}");
	len = ftello(e->out);
	/* What was longer before may stand behind it. */
	fputc('\0', e->out);
	if (fflush(e->out) || ferror(e->out) || len < 0)
		return -ENOMEM;
	return e->each(e->user, kind, space, name, e->text, len);
}

/* Of one list: a comma before all but the first. */
static const char *comma(bool *more)
{
	const char *text = *more ? "," : "";

	*more = true;
	return text;
}

static int encode_node(struct encoder *e, const struct node_object *n)
{
	const struct xm_addr *addrs[] = { &n->addr4, &n->addr6 };
	char buf[PREFIX_TEXT_MAX];
	bool more = false;

	begin(e, "v1", "Node", "", n->name);
	put(e, ",\"annotations\":{");
	/* The empty text: no pods, and that is meant. */
	if (!n->n_cidrs)
		put(e, "%s\"xmesh.io/pod-cidrs\":\"\"", comma(&more));
	if (n->has_vtep_mac)
		put(e, "%s\"xmesh.io/vtep-mac\":\"%s\"", comma(&more), mac_format(n->vtep_mac, buf));
	if (n->identity_bits)
		put(e, "%s\"xmesh.io/identity-bits\":\"%u\"", comma(&more), n->identity_bits);
	put(e, "},\"labels\":{");
	more = false;
	if (*n->zone) {
		put(e, "%s\"topology.kubernetes.io/zone\":", comma(&more));
		put_string(e, n->zone);
	}
	if (*n->region) {
		put(e, "%s\"topology.kubernetes.io/region\":", comma(&more));
		put_string(e, n->region);
	}
	put(e, "}},\"spec\":{\"podCIDRs\":[");
	more = false;
	for (size_t i = 0; i < n->n_cidrs; i++)
		put(e, "%s\"%s\"", comma(&more), prefix_format(&n->cidrs[i], buf));
	put(e, "]},\"status\":{\"addresses\":[");
	more = false;
	for (size_t i = 0; i < ARRAY_SIZE(addrs); i++)
		if (!xm_addr_is_zero(addrs[i]))
			put(e, "%s{\"type\":\"InternalIP\",\"address\":\"%s\"}", comma(&more),
			    addr_format(addrs[i], buf));
	put(e, "]}");
	return end(e, "nodes", "", n->name);
}

static void put_ports(struct encoder *e, const struct port_object *ports, size_t n)
{
	bool more = false;

	put(e, "\"ports\":[");
	for (size_t i = 0; i < n; i++) {
		const struct port_object *p = &ports[i];

		put(e, "%s{\"protocol\":\"%s\"", comma(&more),
		    p->proto == IPPROTO_TCP ? "TCP" : p->proto == IPPROTO_UDP ? "UDP" : "SCTP");
		if (p->port)
			put(e, ",\"port\":%u", p->port);
		if (p->text)
			put_pair(e, "name", p->text);
		else if (p->name != xm_port_name_hash(""))
			put(e, ",\"name\":\"#%08x\"", p->name);
		put(e, "}");
	}
	put(e, "]");
}

/* "key":["address",...] */
static void put_vips(struct encoder *e, const char *key, const struct service_object *s,
		     enum xm_vip_kind kind)
{
	char buf[ADDR_TEXT_MAX];
	bool more = false;

	put(e, "\"%s\":[", key);
	for (size_t i = 0; i < s->n_vips; i++)
		if (s->vips[i].kind == kind)
			put(e, "%s\"%s\"", comma(&more), addr_format(&s->vips[i].addr, buf));
	put(e, "]");
}

static void put_annotations(struct encoder *e, const struct service_object *s)
{
	char buf[POLICY_TEXT_MAX];
	bool more = false;

	put(e, ",\"annotations\":{");
	if (s->global)
		put(e, "%s\"xmesh.io/global\":\"true\"", comma(&more));
	if (!s->shared)
		put(e, "%s\"xmesh.io/shared\":\"false\"", comma(&more));
	if (s->nearest)
		put(e, "%s\"xmesh.io/nearest\":\"true\"", comma(&more));
	if (s->n_prefer) {
		policy_format_prefer(s, buf, sizeof(buf));
		put(e, "%s\"xmesh.io/prefer\":", comma(&more));
		put_string(e, buf);
	}
	if (s->n_weights) {
		policy_format_weights(s, buf, sizeof(buf));
		put(e, "%s\"xmesh.io/weights\":", comma(&more));
		put_string(e, buf);
	}
	put(e, "}");
}

static int encode_service(struct encoder *e, const struct service_object *s)
{
	char buf[ADDR_TEXT_MAX];
	bool more = false;

	begin(e, "v1", "Service", s->space, s->name);
	put_annotations(e, s);
	put(e, "},\"spec\":{");
	if (s->headless)
		put(e, "\"clusterIPs\":[\"None\"]");
	else
		put_vips(e, "clusterIPs", s, XM_VIP_CLUSTER_IP);
	put(e, ",");
	put_vips(e, "externalIPs", s, XM_VIP_EXTERNAL_IP);
	put(e, ",");
	put_ports(e, s->ports, s->n_ports);
	if (s->affinity_s)
		put(e, ",\"sessionAffinity\":\"ClientIP\",\"sessionAffinityConfig\":{\"clientIP\":"
		       "{\"timeoutSeconds\":%u}}", s->affinity_s);
	if (s->publish_not_ready)
		put(e, ",\"publishNotReadyAddresses\":true");
	put(e, "},\"status\":{\"loadBalancer\":{\"ingress\":[");
	for (size_t i = 0; i < s->n_vips; i++)
		if (s->vips[i].kind == XM_VIP_LOAD_BALANCER)
			put(e, "%s{\"ip\":\"%s\"}", comma(&more), addr_format(&s->vips[i].addr, buf));
	put(e, "]}}");
	return end(e, "services", s->space, s->name);
}

static int encode_export(struct encoder *e, const struct service_object *s)
{
	begin(e, "multicluster.x-k8s.io/v1alpha1", "ServiceExport", s->space, s->name);
	put(e, "}");
	return end(e, "serviceexports", s->space, s->name);
}

static int encode_import(struct encoder *e, const struct service_object *s)
{
	begin(e, "multicluster.x-k8s.io/v1alpha1", "ServiceImport", s->space, s->name);
	put(e, "},\"spec\":{\"type\":\"%s\",", s->imported ? "ClusterSetIP" : "Headless");
	put_vips(e, "ips", s, XM_VIP_CLUSTERSET_IP);
	put(e, ",");
	put_ports(e, s->has_service ? NULL : s->ports, s->has_service ? 0 : s->n_ports);
	put(e, "}");
	return end(e, "serviceimports", s->space, s->name);
}

static int encode_objects(struct encoder *e, const struct service_object *s, enum encode_what what)
{
	int rc = 0;

	if (s->has_service)
		rc = encode_service(e, s);
	else if (s->global)
		rc = encode_export(e, s);
	/* The clusterset's addresses are for its own clients. */
	if (!rc && what == ENCODE_ALL && (s->imported || (!s->has_service && s->headless)))
		rc = encode_import(e, s);
	return rc;
}

static int compare_names(const struct slice_object *a, const struct slice_object *b)
{
	int diff = strcmp(a->space, b->space);

	return diff ? diff : strcmp(a->name, b->name);
}

static int order_names(const void *va, const void *vb)
{
	const struct slice_object *a = *(struct slice_object *const *)va;
	const struct slice_object *b = *(struct slice_object *const *)vb;
	int diff = compare_names(a, b);

	/* Of one name: as they lie in the snapshot. */
	return diff ? diff : (a > b) - (a < b);
}

/*
 * Slices under the names that they bear. A peer's store may hold one name under several keys, all of
 * which count: sorted, so that all but the first of a name are found.
 */
static int sort_names(const struct snapshot *s, const struct slice_object ***ret_names, size_t *ret_n)
{
	const struct slice_object **names = calloc(s->n_slices + 1, sizeof(*names));
	size_t n = 0;

	if (!names)
		return -ENOMEM;
	for (size_t i = 0; i < s->n_slices; i++)
		if (s->slices[i].name)
			names[n++] = &s->slices[i];
	qsort(names, n, sizeof(*names), order_names);
	*ret_names = names;
	*ret_n = n;
	return 0;
}

static bool is_named(const struct encoder *e, const struct slice_object *s)
{
	const struct slice_object *const *at;

	if (!s->name)
		return false;
	at = bsearch(&s, e->names, e->n_names, sizeof(*e->names), order_names);
	return at == e->names || compare_names(at[-1], s);
}

/* @i: of the slices of its service, for one that has no name of its own. */
static int encode_slice(struct encoder *e, const struct slice_object *s, size_t i)
{
	bool v4 = !s->n_endpoints || xm_addr_is_v4(&s->endpoints->addr), more = false;
	char name[XM_NAME_LEN], buf[ADDR_TEXT_MAX];

	if (is_named(e, s))
		snprintf(name, sizeof(name), "%s", s->name);
	else
		snprintf(name, sizeof(name), "%s.%zu", s->service, i);
	begin(e, "discovery.k8s.io/v1", "EndpointSlice", s->space, name);
	put(e, ",\"labels\":{\"kubernetes.io/service-name\":");
	put_string(e, s->service);
	put(e, "}},\"addressType\":\"%s\",", v4 ? "IPv4" : "IPv6");
	put_ports(e, s->ports, s->n_ports);
	put(e, ",\"endpoints\":[");
	for (size_t k = 0; k < s->n_endpoints; k++) {
		const struct endpoint_object *p = &s->endpoints[k];

		put(e, "%s{\"addresses\":[\"%s\"],\"conditions\":{\"ready\":%s,\"serving\":%s,"
		       "\"terminating\":%s}", comma(&more), addr_format(&p->addr, buf),
		    p->ready ? "true" : "false", p->serving ? "true" : "false",
		    p->terminating ? "true" : "false");
		if (p->node)
			put_pair(e, "nodeName", p->node);
		put(e, "}");
	}
	put(e, "]");
	return end(e, "endpointslices", s->space, name);
}

static bool is_wanted(const struct service_object *s, enum encode_what what)
{
	return what == ENCODE_ALL || (s->global && s->shared);
}

static int encode_services(struct encoder *e, const struct snapshot *s, enum encode_what what)
{
	size_t next = 0; /* slice behind those of the last service */
	int rc = 0;

	for (size_t i = 0; !rc && i <= s->n_services; i++) {
		const struct service_object *v = i < s->n_services ? &s->services[i] : NULL;
		size_t first = v ? v->first_slice : s->n_slices;

		/* In between lie those of no service. */
		for (; !rc && next < first; next++)
			rc = what == ENCODE_ALL ? encode_slice(e, &s->slices[next], next) : 0;
		if (!v || rc)
			break;
		if (is_wanted(v, what))
			rc = encode_objects(e, v, what);
		for (size_t k = 0; !rc && is_wanted(v, what) && k < v->n_slices; k++)
			rc = encode_slice(e, &s->slices[first + k], k);
		next = first + v->n_slices;
	}
	return rc;
}

int encode_snapshot(const struct snapshot *snapshot, enum encode_what what, encode_fn each,
		    void *user)
{
	struct encoder e = { .each = each, .user = user };
	int rc = sort_names(snapshot, &e.names, &e.n_names);

	if (rc)
		return rc;
	e.out = open_memstream(&e.text, &e.len);
	if (!e.out) {
		free(e.names);
		return -ENOMEM;
	}
	for (size_t i = 0; !rc && i < snapshot->n_nodes; i++)
		rc = encode_node(&e, &snapshot->nodes[i]);
	if (!rc)
		rc = encode_services(&e, snapshot, what);
	fclose(e.out);
	free(e.text);
	free(e.names);
	return rc;
}
