/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* v1/Node: which prefixes its pods have, where it is reached, which inner MAC it bears. */
#include <errno.h>
#include <string.h>

#include "core/addr.h"
#include "core/defs.h"
#include "core/text.h"
#include "feed/decode_object.h"

#define NODE_CIDRS "xmesh.io/pod-cidrs"
#define NODE_MAC "xmesh.io/vtep-mac"
#define NODE_IDENTITY_BITS "xmesh.io/identity-bits"
#define NODE_ZONE "topology.kubernetes.io/zone"
#define NODE_REGION "topology.kubernetes.io/region"

static int add_cidr(const struct object *o, struct node_object *node, const char *text,
		    const char *what, struct err *err)
{
	struct xm_prefix prefix, *more;
	int rc;

	if (!text)
		return object_error(o, -EINVAL, err, "%s is not a string", what);
	rc = prefix_parse(text, &prefix, err);
	if (rc) {
		err_in(err, rc, "%s", what);
		return object_in(o, rc, err);
	}
	if (!addr_is_unicast(&prefix.addr) || addr_is_linklocal(&prefix.addr))
		return object_error(o, -EINVAL, err, "%s: %s is no range of pod addresses", what,
				    text);
	if (node->n_cidrs == SNAPSHOT_MAX_CIDRS)
		return object_error(o, -EINVAL, err, "%s: more than %d prefixes", what,
				    SNAPSHOT_MAX_CIDRS);
	more = realloc(node->cidrs, (node->n_cidrs + 1) * sizeof(*more));
	if (!more)
		return err_set(err, -ENOMEM, "out of memory");
	node->cidrs = more;
	node->cidrs[node->n_cidrs++] = prefix;
	return 0;
}

/* "10.1.0.0/24, fd00::/64"; the empty text means that the node has no pods. */
static int cidrs_by_annotation(const struct object *o, struct node_object *node, const char *text,
			       struct err *err)
{
	auto_free char *copy = strdup(text);
	char *rest = copy, *item;
	int rc;

	if (!copy)
		return err_set(err, -ENOMEM, "out of memory");
	if (!copy[strspn(copy, " \t")])
		return 0;
	while ((item = strsep(&rest, ","))) {
		item += strspn(item, " \t");
		item[strcspn(item, " \t")] = '\0';
		rc = add_cidr(o, node, item, "annotation " NODE_CIDRS, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int cidrs(const struct object *o, struct node_object *node, struct err *err)
{
	const struct doc *spec = doc_get(o->doc, "spec"), *list, *one = doc_get(spec, "podCIDR");
	const char *text;
	int rc;

	rc = object_annotation(o, NODE_CIDRS, &text, err);
	if (rc)
		return rc;
	if (text)
		return cidrs_by_annotation(o, node, text, err);
	rc = object_list(o, doc_get(spec, "podCIDRs"), "spec.podCIDRs", &list, err);
	if (rc)
		return rc;
	if (list && list->n) {
		for (uint32_t i = 0; i < list->n; i++) {
			rc = add_cidr(o, node, doc_text(list->items[i]), "spec.podCIDRs", err);
			if (rc)
				return rc;
		}
		return 0;
	}
	if (!doc_is_null(one) && (!doc_text(one) || *doc_text(one)))
		return add_cidr(o, node, doc_text(one), "spec.podCIDR", err);
	return object_warn(o, "has no pod prefixes: spec.podCIDRs is empty and there is no "
			      "annotation " NODE_CIDRS);
}

/* The first InternalIP of each family, else the first ExternalIP of it. */
static int addresses(const struct object *o, struct node_object *node, struct err *err)
{
	static const char *const types[] = { "InternalIP", "ExternalIP" };
	const struct doc *list;
	int rc;

	rc = object_list(o, doc_path(o->doc, "status", "addresses", NULL), "status.addresses",
			 &list, err);
	if (rc)
		return rc;
	for (size_t t = 0; t < ARRAY_SIZE(types); t++) {
		for (uint32_t i = 0; list && i < list->n; i++) {
			const char *type = doc_text(doc_get(list->items[i], "type"));
			struct xm_addr addr, *slot;

			if (!type || strcmp(type, types[t]))
				continue;
			rc = object_addr(o, doc_get(list->items[i], "address"), types[t], &addr,
					 err);
			if (rc)
				return rc;
			slot = xm_addr_is_v4(&addr) ? &node->addr4 : &node->addr6;
			if (xm_addr_is_zero(slot))
				*slot = addr;
		}
	}
	if (xm_addr_is_zero(&node->addr4) && xm_addr_is_zero(&node->addr6))
		return object_warn(o, "has no InternalIP and no ExternalIP: it cannot be reached");
	return 0;
}

static int mac(const struct object *o, struct node_object *node, struct err *err)
{
	static const __u8 none[6];
	const char *text;
	int rc;

	rc = object_annotation(o, NODE_MAC, &text, err);
	if (rc || !text)
		return rc;
	rc = mac_parse(text, node->vtep_mac, err);
	if (rc) {
		err_in(err, rc, "annotation " NODE_MAC);
		return object_in(o, rc, err);
	}
	if ((node->vtep_mac[0] & 1) || !memcmp(node->vtep_mac, none, sizeof(none)))
		return object_error(o, -EINVAL, err,
				    "annotation " NODE_MAC ": %s is no MAC of one device", text);
	node->has_vtep_mac = 1;
	return 0;
}

/* Of a node of Cilium's, whose VNI is an identity. */
static int identity_bits(const struct object *o, struct node_object *node, struct err *err)
{
	const char *text;
	int64_t bits;
	int rc;

	rc = object_annotation(o, NODE_IDENTITY_BITS, &text, err);
	if (rc || !text)
		return rc;
	rc = text_number(text, 15, 16, &bits, err);
	if (rc) {
		err_in(err, -EINVAL, "annotation " NODE_IDENTITY_BITS);
		return object_in(o, -EINVAL, err);
	}
	node->identity_bits = bits;
	return 0;
}

static int label(const struct object *o, const char *key, char *buf, size_t size, struct err *err)
{
	const struct doc *d = doc_get(o->labels, key);
	const char *text = d ? doc_text(d) : "";

	if (!text || strlen(text) >= size)
		return object_error(o, -EINVAL, err, "label %s is not a text of at most %zu bytes",
				    key, size - 1);
	memcpy(buf, text, strlen(text) + 1);
	return 0;
}

int decode_node(const struct object *o, struct err *err)
{
	struct node_object *node = &o->piece->node;
	int rc;

	memcpy(node->name, o->name, strlen(o->name) + 1);
	strncpy(node->source, o->where, sizeof(node->source) - 1);
	rc = cidrs(o, node, err);
	if (!rc)
		rc = addresses(o, node, err);
	if (!rc)
		rc = mac(o, node, err);
	if (!rc)
		rc = identity_bits(o, node, err);
	if (!rc)
		rc = label(o, NODE_ZONE, node->zone, sizeof(node->zone), err);
	if (!rc)
		rc = label(o, NODE_REGION, node->region, sizeof(node->region), err);
	return rc;
}
