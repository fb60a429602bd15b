/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Service, EndpointSlice, ServiceExport, ServiceImport: checked as strictly as if they were used,
 * and counted. A feed that is accepted now must not be refused by the version that uses them.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/addr.h"
#include "core/defs.h"
#include "feed/decode_object.h"

#define SERVICE_GLOBAL "xmesh.io/global"
#define SERVICE_GLOBAL_CILIUM "service.cilium.io/global"

enum { READY, NOT_READY, TERMINATING };

static int check_number(const struct object *o, const struct doc *d, const char *what, int64_t min,
			struct err *err)
{
	if (doc_is_null(d))
		return 0;
	if (d->type != DOC_INT || d->integer < min || d->integer > 65535)
		return object_error(o, -EINVAL, err, "%s %.32s is not a number from %d to 65535",
				    what, doc_text(d) ? doc_text(d) : "", (int)min);
	return 0;
}

static int check_protocol(const struct object *o, const struct doc *port, struct err *err)
{
	const struct doc *d = doc_get(port, "protocol");
	const char *text = d ? doc_text(d) : NULL;

	if (doc_is_null(d) ||
	    (text && (!strcmp(text, "TCP") || !strcmp(text, "UDP") || !strcmp(text, "SCTP"))))
		return 0;
	return object_error(o, -EINVAL, err, "protocol %.32s is none of TCP, UDP, SCTP",
			    text ? text : "");
}

static int check_addrs(const struct object *o, const struct doc *list, const char *what,
		       struct err *err)
{
	struct xm_addr addr;
	int rc;

	rc = object_list(o, list, what, &list, err);
	for (uint32_t i = 0; !rc && list && i < list->n; i++) {
		const char *text = doc_text(list->items[i]);

		/* "None" is a headless service, empty one that is not allocated yet. */
		if (text && (!strcmp(text, "None") || !*text))
			continue;
		rc = object_addr(o, list->items[i], what, &addr, err);
	}
	return rc;
}

static int check_ports(const struct object *o, const struct doc *list, const char *what,
		       bool may_lack_port, struct err *err)
{
	int rc;

	rc = object_list(o, list, what, &list, err);
	for (uint32_t i = 0; !rc && list && i < list->n; i++) {
		const struct doc *p = list->items[i], *port = doc_get(p, "port");
		const struct doc *target = doc_get(p, "targetPort");

		if (p->type != DOC_MAP || (!may_lack_port && doc_is_null(port)))
			return object_error(o, -EINVAL, err, "%s[%u] has no port", what, i);
		rc = check_number(o, port, "port", 1, err);
		if (!rc && target && target->type == DOC_INT)
			rc = check_number(o, target, "targetPort", 1, err);
		if (!rc)
			rc = check_number(o, doc_get(p, "nodePort"), "nodePort", 0, err);
		if (!rc)
			rc = check_protocol(o, p, err);
	}
	return rc;
}

/* xmesh.io/global, if it is there, else service.cilium.io/global. */
static int is_global(const struct object *o, int *ret_global, struct err *err)
{
	const char *key = SERVICE_GLOBAL, *text;
	int rc;

	rc = object_annotation(o, key, &text, err);
	if (!rc && !text) {
		key = SERVICE_GLOBAL_CILIUM;
		rc = object_annotation(o, key, &text, err);
	}
	if (rc)
		return rc;
	*ret_global = text && !strcmp(text, "true");
	if (text && !*ret_global && strcmp(text, "false"))
		return object_warn(o, "annotation %s is \"%.32s\": only \"true\" makes it global",
				   key, text);
	return 0;
}

static void count_global(const struct object *o, const struct service_facts *facts)
{
	o->snapshot->counts.global_services += facts->seen && (facts->annotated || facts->exported);
}

int decode_service(const struct object *o, struct service_facts *facts, struct err *err)
{
	const struct doc *spec = doc_get(o->doc, "spec"), *ingress;
	const struct doc *timeout = doc_path(spec, "sessionAffinityConfig", "clientIP",
					     "timeoutSeconds", NULL);
	struct xm_addr addr;
	int rc;

	rc = check_addrs(o, doc_get(spec, "clusterIPs"), "spec.clusterIPs", err);
	if (!rc)
		rc = check_addrs(o, doc_get(spec, "externalIPs"), "spec.externalIPs", err);
	if (!rc)
		rc = check_ports(o, doc_get(spec, "ports"), "spec.ports", false, err);
	if (!rc)
		rc = object_list(o, doc_path(o->doc, "status", "loadBalancer", "ingress", NULL),
				 "status.loadBalancer.ingress", &ingress, err);
	for (uint32_t i = 0; !rc && ingress && i < ingress->n; i++) {
		const struct doc *ip = doc_get(ingress->items[i], "ip");

		if (!doc_is_null(ip))
			rc = object_addr(o, ip, "status.loadBalancer.ingress", &addr, err);
	}
	if (rc)
		return rc;
	/* A day, as the API server has it. */
	if (!doc_is_null(timeout) &&
	    (timeout->type != DOC_INT || timeout->integer < 1 || timeout->integer > 86400))
		return object_error(o, -EINVAL, err,
				    "clientIP.timeoutSeconds is not a number from 1 to 86400");
	rc = is_global(o, &facts->annotated, err);
	if (rc)
		return rc;
	facts->seen = 1;
	o->snapshot->counts.services++;
	count_global(o, facts);
	return 0;
}

int decode_export(const struct object *o, struct service_facts *facts, struct err *err)
{
	o->snapshot->counts.service_exports++;
	facts->exported = 1;
	if (!facts->annotated)
		count_global(o, facts);
	return 0;
}

int decode_import(const struct object *o, struct err *err)
{
	const struct doc *spec = doc_get(o->doc, "spec");
	int rc;

	rc = check_addrs(o, doc_get(spec, "ips"), "spec.ips", err);
	if (!rc)
		rc = check_ports(o, doc_get(spec, "ports"), "spec.ports", false, err);
	if (!rc)
		o->snapshot->counts.service_imports++;
	return rc;
}

/* ---- EndpointSlice -------------------------------------------------------------------------- */

/* Absent and null have the API's meaning, @absent. */
static int condition(const struct object *o, const struct doc *conditions, const char *key,
		     bool absent, bool *ret_value, struct err *err)
{
	const struct doc *d = doc_get(conditions, key);

	if (doc_is_null(d)) {
		*ret_value = absent;
		return 0;
	}
	if (d->type != DOC_BOOL)
		return object_error(o, -EINVAL, err, "conditions.%s is neither true nor false",
				    key);
	*ret_value = d->integer;
	return 0;
}

static int decode_endpoint(const struct object *o, const struct doc *endpoint, bool v4,
			   int *ret_class, struct err *err)
{
	const struct doc *list, *conditions = doc_get(endpoint, "conditions");
	bool ready = false, serving = false, terminating = false;
	struct xm_addr addr;
	int rc;

	rc = object_list(o, doc_get(endpoint, "addresses"), "endpoints[].addresses", &list, err);
	if (!rc && (!list || !list->n))
		rc = object_error(o, -EINVAL, err, "an endpoint has no addresses");
	for (uint32_t i = 0; !rc && i < list->n; i++) {
		rc = object_addr(o, list->items[i], "endpoint address", &addr, err);
		if (!rc && !!xm_addr_is_v4(&addr) != v4)
			rc = object_error(o, -EINVAL, err, "endpoint address %.64s is not %s",
					  doc_text(list->items[i]), v4 ? "IPv4" : "IPv6");
	}
	if (!rc)
		rc = condition(o, conditions, "ready", true, &ready, err);
	if (!rc)
		rc = condition(o, conditions, "serving", true, &serving, err);
	if (!rc)
		rc = condition(o, conditions, "terminating", false, &terminating, err);
	if (!rc)
		*ret_class = terminating ? TERMINATING : ready ? READY : NOT_READY;
	return rc;
}

int decode_slice(const struct object *o, struct err *err)
{
	struct snapshot_counts *c = &o->snapshot->counts;
	const char *type = doc_text(doc_get(o->doc, "addressType"));
	const struct doc *list;
	size_t n[3] = {};
	bool v4;
	int class, rc;

	if (type && !strcmp(type, "FQDN")) {
		c->skipped++;
		return object_warn(o, "addressType FQDN is not used");
	}
	if (!type || (strcmp(type, "IPv4") && strcmp(type, "IPv6")))
		return object_error(o, -EINVAL, err, "addressType is none of IPv4, IPv6, FQDN");
	v4 = !strcmp(type, "IPv4");
	rc = object_list(o, doc_get(o->doc, "endpoints"), "endpoints", &list, err);
	for (uint32_t i = 0; !rc && list && i < list->n; i++) {
		rc = decode_endpoint(o, list->items[i], v4, &class, err);
		if (!rc)
			n[class]++;
	}
	if (!rc)
		rc = check_ports(o, doc_get(o->doc, "ports"), "ports", true, err);
	if (rc)
		return rc;

	*(v4 ? &c->slices4 : &c->slices6) += 1;
	c->empty_slices += !list || !list->n;
	for (int i = READY; i <= TERMINATING; i++)
		(v4 ? c->endpoints4 : c->endpoints6)[i] += n[i];
	c->endpoints_ready += n[READY];
	c->endpoints_not_ready += n[NOT_READY];
	c->endpoints_terminating += n[TERMINATING];
	return 0;
}
