/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Service, ServiceExport, ServiceImport: what each says. A bad annotation is warned about and not in
 * force: it must not take the feed down. Not for: putting those of one name together (feed/store.h).
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "core/addr.h"
#include "core/defs.h"
#include "core/vec.h"
#include "feed/decode_object.h"
#include "model/policy.h"

#define SERVICE_GLOBAL "xmesh.io/global"
#define SERVICE_GLOBAL_CILIUM "service.cilium.io/global"

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

static int protocol(const struct object *o, const struct doc *port, uint8_t *ret_proto,
		    struct err *err)
{
	const struct doc *d = doc_get(port, "protocol");
	const char *text = d ? doc_text(d) : NULL;

	if (doc_is_null(d) || (text && !strcmp(text, "TCP")))
		*ret_proto = IPPROTO_TCP;
	else if (text && !strcmp(text, "UDP"))
		*ret_proto = IPPROTO_UDP;
	else if (text && !strcmp(text, "SCTP"))
		*ret_proto = IPPROTO_SCTP;
	else
		return object_error(o, -EINVAL, err, "protocol %.32s is none of TCP, UDP, SCTP",
				    text ? text : "");
	return 0;
}

static int add_vip(const struct object *o, struct service_object *s, const struct xm_addr *addr,
		   enum xm_vip_kind kind, struct err *err)
{
	for (size_t i = 0; i < s->n_vips; i++)
		if (xm_addr_eq(&s->vips[i].addr, addr))
			return 0;
	if (s->n_vips == SNAPSHOT_MAX_VIPS)
		return object_error(o, -EINVAL, err, "more than %d addresses", SNAPSHOT_MAX_VIPS);
	if (vec_grow(&s->vips, s->n_vips, sizeof(*s->vips)))
		return err_set(err, -ENOMEM, "out of memory");
	s->vips[s->n_vips++] = (struct vip_object){ .addr = *addr, .kind = kind };
	return 0;
}

/* @s NULL: only looked at. */
static int add_addrs(const struct object *o, const struct doc *list, const char *what,
		     struct service_object *s, enum xm_vip_kind kind, struct err *err)
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
		if (!rc && s)
			rc = add_vip(o, s, &addr, kind, err);
	}
	return rc;
}

/* "#1a2b3c4d", which no Kubernetes port is called, is a name of which only the hash is known. */
static int port_name(const char *text, struct port_object *port)
{
	char *end;

	if (text && *text == '#' && strlen(text) == 9) {
		port->name = strtoul(text + 1, &end, 16);
		if (!*end)
			return 0;
	}
	port->name = xm_port_name_hash(text ? text : "");
	if (text && *text) {
		port->text = strdup(text);
		if (!port->text)
			return -ENOMEM;
	}
	return 0;
}

int decode_ports(const struct object *o, const struct doc *list, const char *what, bool may_lack_port,
		 struct port_object **ports, size_t *n, struct err *err)
{
	int rc;

	rc = object_list(o, list, what, &list, err);
	for (uint32_t i = 0; !rc && list && i < list->n; i++) {
		const struct doc *p = list->items[i], *port = doc_get(p, "port");
		const struct doc *target = doc_get(p, "targetPort");
		struct port_object one = {};

		if (p->type != DOC_MAP || (!may_lack_port && doc_is_null(port)))
			return object_error(o, -EINVAL, err, "%s[%u] has no port", what, i);
		rc = check_number(o, port, "port", 1, err);
		if (!rc && target && target->type == DOC_INT)
			rc = check_number(o, target, "targetPort", 1, err);
		if (!rc)
			rc = check_number(o, doc_get(p, "nodePort"), "nodePort", 0, err);
		if (!rc)
			rc = protocol(o, p, &one.proto, err);
		if (rc)
			return rc;
		if (*n == SNAPSHOT_MAX_PORTS)
			return object_error(o, -EINVAL, err, "%s: more than %d ports", what,
					    SNAPSHOT_MAX_PORTS);
		if (vec_grow(ports, *n, sizeof(**ports)))
			return err_set(err, -ENOMEM, "out of memory");
		one.port = doc_is_null(port) ? 0 : port->integer;
		rc = port_name(doc_text(doc_get(p, "name")), &one);
		if (rc)
			return err_set(err, rc, "out of memory");
		(*ports)[(*n)++] = one;
	}
	return rc;
}

static int name_service(const struct object *o, struct service_object *s)
{
	/* No DNS label can be that long, so no Service of that name is there to be found. */
	if (strlen(o->name) >= sizeof(s->name)) {
		int rc = object_warn(o, "its name is longer than 63 bytes: not used");

		piece_drop(o->piece);
		return rc ? rc : 1;
	}
	snprintf(s->space, sizeof(s->space), "%s", o->space);
	snprintf(s->name, sizeof(s->name), "%.63s", o->name);
	snprintf(s->source, sizeof(s->source), "%.255s", o->where);
	s->shared = true;
	return 0;
}

/* The value of @key, else of @cilium; *ret_key is the one that was found. */
static int either(const struct object *o, const char *key, const char *cilium, const char **ret_key,
		  const char **ret_text, struct err *err)
{
	int rc = object_annotation(o, key, ret_text, err);

	*ret_key = key;
	if (!rc && !*ret_text && cilium) {
		*ret_key = cilium;
		rc = object_annotation(o, cilium, ret_text, err);
	}
	return rc;
}

static int flag(const struct object *o, const char *key, const char *cilium, bool *value,
		struct err *err)
{
	const char *text;
	int rc = either(o, key, cilium, &key, &text, err);

	if (rc || !text)
		return rc;
	if (!strcmp(text, "true"))
		*value = true;
	else if (!strcmp(text, "false"))
		*value = false;
	else
		return object_warn(o, "annotation %s is \"%.32s\", neither \"true\" nor \"false\": "
				      "not in force", key, text);
	return 0;
}

static int not_in_force(const struct object *o, const char *key, const char *text, int rc,
			const struct err *why, struct err *err)
{
	if (rc != -EINVAL)
		return rc ? err_set(err, rc, "%s", why->text) : 0;
	return object_warn(o, "annotation %s \"%.100s\" is not in force: %.160s", key, text, why->text);
}

static int policy(const struct object *o, struct service_object *s, struct err *err)
{
	const char *key, *text;
	struct err why = { .text = "" };
	int rc;

	rc = flag(o, "xmesh.io/shared", "service.cilium.io/shared", &s->shared, err);
	if (!rc)
		rc = flag(o, "xmesh.io/nearest", NULL, &s->nearest, err);
	if (!rc)
		rc = either(o, "xmesh.io/prefer", "service.cilium.io/affinity", &key, &text, err);
	if (rc)
		return rc;
	if (text && strcmp(key, "xmesh.io/prefer")) {
		const char *as = !strcmp(text, "local") ? "local,*" :
				 !strcmp(text, "remote") ? "*,local" :
				 !strcmp(text, "none") ? "" : NULL;

		if (!as)
			rc = object_warn(o, "annotation %s \"%.32s\" is none of local, remote, none: "
					    "not in force", key, text);
		text = as;
	}
	if (!rc && text)
		rc = not_in_force(o, key, text,
				  policy_parse_prefer(text, &s->prefer, &s->n_prefer, &why), &why, err);
	if (!rc)
		rc = either(o, "xmesh.io/weights", NULL, &key, &text, err);
	if (!rc && text)
		rc = not_in_force(o, key, text,
				  policy_parse_weights(text, &s->weights, &s->n_weights, &why), &why, err);
	return rc;
}

/* xmesh.io/global, if it is there, else service.cilium.io/global. */
static int is_global(const struct object *o, bool *ret_global, struct err *err)
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

static int affinity(const struct object *o, const struct doc *spec, uint32_t *ret_s, struct err *err)
{
	const struct doc *timeout = doc_path(spec, "sessionAffinityConfig", "clientIP",
					     "timeoutSeconds", NULL);
	const char *kind = doc_text(doc_get(spec, "sessionAffinity"));

	/* A day, as the API server has it; three hours when it is not told. */
	if (!doc_is_null(timeout) &&
	    (timeout->type != DOC_INT || timeout->integer < 1 || timeout->integer > 86400))
		return object_error(o, -EINVAL, err,
				    "clientIP.timeoutSeconds is not a number from 1 to 86400");
	*ret_s = 0;
	if (kind && !strcmp(kind, "ClientIP"))
		*ret_s = doc_is_null(timeout) ? 10800 : timeout->integer;
	return 0;
}

/* Addresses of the Service itself. A headless one has none, as in kube-proxy. */
static int service_vips(const struct object *o, const struct doc *spec, struct service_object *s,
			struct err *err)
{
	const struct doc *list = doc_get(spec, "clusterIPs"), *one = doc_get(spec, "clusterIP"), *ingress;
	const char *text = doc_text(one);
	struct service_object *into;
	struct xm_addr addr;
	int rc;

	if (list && list->type == DOC_LIST && list->n)
		text = doc_text(list->items[0]);
	s->headless = text && !strcmp(text, "None");
	into = s->headless ? NULL : s;
	rc = add_addrs(o, list, "spec.clusterIPs", into, XM_VIP_CLUSTER_IP, err);
	if (!rc && into && text && *text && !(list && list->type == DOC_LIST && list->n)) {
		rc = object_addr(o, one, "spec.clusterIP", &addr, err);
		if (!rc)
			rc = add_vip(o, s, &addr, XM_VIP_CLUSTER_IP, err);
	}
	if (!rc)
		rc = add_addrs(o, doc_get(spec, "externalIPs"), "spec.externalIPs", into,
			       XM_VIP_EXTERNAL_IP, err);
	if (!rc)
		rc = object_list(o, doc_path(o->doc, "status", "loadBalancer", "ingress", NULL),
				 "status.loadBalancer.ingress", &ingress, err);
	for (uint32_t i = 0; !rc && ingress && i < ingress->n; i++) {
		const struct doc *ip = doc_get(ingress->items[i], "ip");
		const char *mode = doc_text(doc_get(ingress->items[i], "ipMode"));

		if (doc_is_null(ip))
			continue;
		rc = object_addr(o, ip, "status.loadBalancer.ingress", &addr, err);
		/* ipMode Proxy: the balancer wants to see this traffic itself. */
		if (!rc && into && !(mode && !strcmp(mode, "Proxy")))
			rc = add_vip(o, s, &addr, XM_VIP_LOAD_BALANCER, err);
	}
	return rc;
}

int decode_service(const struct object *o, struct err *err)
{
	const struct doc *spec = doc_get(o->doc, "spec"), *publish;
	const char *type = doc_text(doc_get(spec, "type"));
	struct service_object *s = &o->piece->service;
	int rc;

	rc = name_service(o, s);
	if (rc)
		return rc < 0 ? err_set(err, rc, "out of memory") : 0;
	rc = service_vips(o, spec, s, err);
	if (!rc)
		rc = decode_ports(o, doc_get(spec, "ports"), "spec.ports", false, &s->ports, &s->n_ports,
				  err);
	if (!rc)
		rc = affinity(o, spec, &s->affinity_s, err);
	if (!rc)
		rc = is_global(o, &s->global, err);
	if (!rc)
		rc = policy(o, s, err);
	if (!rc && type && !strcmp(type, "ExternalName")) {
		o->piece->nowhere = true;
		if (s->global)
			rc = object_warn(o, "is an ExternalName: it has no backends, so it is not global");
		s->global = false;
	}
	if (rc)
		return rc;
	publish = doc_get(spec, "publishNotReadyAddresses");
	s->publish_not_ready = publish && publish->type == DOC_BOOL && publish->integer;
	s->has_service = true;
	return 0;
}

int decode_export(const struct object *o, struct err *err)
{
	int rc = name_service(o, &o->piece->service);

	return rc < 0 ? err_set(err, rc, "out of memory") : 0;
}

int decode_import(const struct object *o, struct err *err)
{
	const struct doc *spec = doc_get(o->doc, "spec");
	const char *type = doc_text(doc_get(spec, "type"));
	struct service_object *s = &o->piece->service;
	int rc;

	rc = name_service(o, s);
	if (rc)
		return rc < 0 ? err_set(err, rc, "out of memory") : 0;
	s->headless = type && !strcmp(type, "Headless");
	s->imported = !s->headless;
	rc = add_addrs(o, doc_get(spec, "ips"), "spec.ips", s->headless ? NULL : s,
		       XM_VIP_CLUSTERSET_IP, err);
	return rc ? rc : decode_ports(o, doc_get(spec, "ports"), "spec.ports", false, &s->ports,
				      &s->n_ports, err);
}
