/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* EndpointSlice: endpoints with their conditions as the API means them, and the ports they serve. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/addr.h"
#include "core/defs.h"
#include "feed/decode_object.h"

#define SLICE_SERVICE "kubernetes.io/service-name"
#define SLICE_IMPORTED "multicluster.kubernetes.io/service-name"

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
			   struct endpoint_object *ret_endpoint, bool *several, struct err *err)
{
	const struct doc *list, *conditions = doc_get(endpoint, "conditions");
	const struct doc *node = doc_get(endpoint, "nodeName");
	struct endpoint_object e = {};
	struct xm_addr addr;
	int rc;

	rc = object_list(o, doc_get(endpoint, "addresses"), "endpoints[].addresses", &list, err);
	if (!rc && (!list || !list->n))
		rc = object_error(o, -EINVAL, err, "an endpoint has no addresses");
	for (uint32_t i = 0; !rc && i < list->n; i++) {
		rc = object_addr(o, list->items[i], "endpoint address", &addr, err);
		if (!rc && !i)
			e.addr = addr;
		if (!rc && !!xm_addr_is_v4(&addr) != v4)
			rc = object_error(o, -EINVAL, err, "endpoint address %.64s is not %s",
					  doc_text(list->items[i]), v4 ? "IPv4" : "IPv6");
	}
	if (!rc)
		rc = condition(o, conditions, "ready", true, &e.ready, err);
	if (!rc)
		rc = condition(o, conditions, "serving", true, &e.serving, err);
	if (!rc)
		rc = condition(o, conditions, "terminating", false, &e.terminating, err);
	if (!rc && !doc_is_null(node) && !doc_text(node))
		rc = object_error(o, -EINVAL, err, "nodeName of an endpoint is not a string");
	if (rc)
		return rc;
	if (!doc_is_null(node) && *doc_text(node)) {
		e.node = strdup(doc_text(node));
		if (!e.node)
			return err_set(err, -ENOMEM, "out of memory");
	}
	*several |= list->n > 1;
	*ret_endpoint = e;
	return 0;
}

static int name_slice(const struct object *o, struct slice_object *slice, struct err *err)
{
	const struct doc *label = doc_get(o->labels, SLICE_SERVICE);
	const char *text = doc_text(label);

	if (!doc_is_null(label) && (!text || strlen(text) >= sizeof(slice->service)))
		return object_error(o, -EINVAL, err,
				    "label " SLICE_SERVICE " is not a text of at most 63 bytes");
	snprintf(slice->space, sizeof(slice->space), "%s", o->space);
	snprintf(slice->service, sizeof(slice->service), "%s", text ? text : "");
	slice->name = strdup(o->name);
	return slice->name ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static int fill_slice(const struct object *o, const struct doc *list, bool v4,
		      struct slice_object *slice, struct err *err)
{
	bool several = false;
	int rc = 0;

	if (list && list->n > SNAPSHOT_MAX_ENDPOINTS)
		return object_error(o, -EINVAL, err, "more than %d endpoints", SNAPSHOT_MAX_ENDPOINTS);
	slice->endpoints = list && list->n ? calloc(list->n, sizeof(*slice->endpoints)) : NULL;
	if (list && list->n && !slice->endpoints)
		return err_set(err, -ENOMEM, "out of memory");
	for (uint32_t i = 0; !rc && list && i < list->n; i++) {
		rc = decode_endpoint(o, list->items[i], v4, &slice->endpoints[i], &several, err);
		if (rc)
			return rc;
		slice->n_endpoints++;
	}
	rc = decode_ports(o, doc_get(o->doc, "ports"), "ports", true, &slice->ports, &slice->n_ports,
			  err);
	if (!rc)
		rc = name_slice(o, slice, err);
	if (!rc && several)
		rc = object_warn(o, "endpoints with several addresses: the first of each is used");
	return rc;
}

int decode_slice(const struct object *o, struct err *err)
{
	const char *type = doc_text(doc_get(o->doc, "addressType"));
	const struct doc *list;
	bool v4;
	int rc;

	/* What another implementation imported: the peer's own feed has these endpoints. */
	if (doc_get(o->labels, SLICE_IMPORTED)) {
		piece_drop(o->piece);
		return 0;
	}
	if (type && !strcmp(type, "FQDN")) {
		piece_drop(o->piece);
		return object_warn(o, "addressType FQDN is not used");
	}
	if (!type || (strcmp(type, "IPv4") && strcmp(type, "IPv6")))
		return object_error(o, -EINVAL, err, "addressType is none of IPv4, IPv6, FQDN");
	v4 = !strcmp(type, "IPv4");
	o->piece->family = v4 ? 4 : 6;
	rc = object_list(o, doc_get(o->doc, "endpoints"), "endpoints", &list, err);
	return rc ? rc : fill_slice(o, list, v4, &o->piece->slice, err);
}
