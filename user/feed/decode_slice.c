/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* EndpointSlice: endpoints with their conditions as the API means them, and the ports they serve. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/addr.h"
#include "core/defs.h"
#include "core/vec.h"
#include "feed/decode_object.h"

#define SLICE_SERVICE "kubernetes.io/service-name"
#define SLICE_IMPORTED "multicluster.kubernetes.io/service-name"

enum { READY, NOT_READY, TERMINATING };

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

static void free_slice(struct slice_object *slice)
{
	for (size_t i = 0; i < slice->n_endpoints; i++)
		free(slice->endpoints[i].node);
	free(slice->endpoints);
	free(slice->ports);
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
	return 0;
}

static int fill_slice(const struct object *o, const struct doc *list, bool v4,
		      struct slice_object *slice, size_t n[3], struct err *err)
{
	bool several = false;
	int rc = 0;

	if (list && list->n > SNAPSHOT_MAX_ENDPOINTS)
		return object_error(o, -EINVAL, err, "more than %d endpoints", SNAPSHOT_MAX_ENDPOINTS);
	slice->endpoints = list && list->n ? calloc(list->n, sizeof(*slice->endpoints)) : NULL;
	if (list && list->n && !slice->endpoints)
		return err_set(err, -ENOMEM, "out of memory");
	for (uint32_t i = 0; !rc && list && i < list->n; i++) {
		struct endpoint_object *e = &slice->endpoints[i];

		rc = decode_endpoint(o, list->items[i], v4, e, &several, err);
		if (rc)
			return rc;
		slice->n_endpoints++;
		n[e->terminating ? TERMINATING : e->ready ? READY : NOT_READY]++;
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
	struct snapshot_counts *c = &o->snapshot->counts;
	const char *type = doc_text(doc_get(o->doc, "addressType"));
	const struct doc *list;
	struct slice_object slice = {};
	size_t n[3] = {};
	bool v4;
	int rc;

	/* What another implementation imported: the peer's own feed has these endpoints. */
	if (doc_get(o->labels, SLICE_IMPORTED)) {
		c->skipped++;
		return 0;
	}

	if (type && !strcmp(type, "FQDN")) {
		c->skipped++;
		return object_warn(o, "addressType FQDN is not used");
	}
	if (!type || (strcmp(type, "IPv4") && strcmp(type, "IPv6")))
		return object_error(o, -EINVAL, err, "addressType is none of IPv4, IPv6, FQDN");
	v4 = !strcmp(type, "IPv4");
	rc = object_list(o, doc_get(o->doc, "endpoints"), "endpoints", &list, err);
	if (!rc)
		rc = fill_slice(o, list, v4, &slice, n, err);
	/* One that belongs to no service is nobody's backend. */
	if (!rc && *slice.service) {
		rc = vec_grow(&o->snapshot->slices, o->snapshot->n_slices, sizeof(slice));
		if (!rc)
			o->snapshot->slices[o->snapshot->n_slices++] = slice;
		else
			err_set(err, rc, "out of memory");
	}
	if (rc || !*slice.service)
		free_slice(&slice);
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
