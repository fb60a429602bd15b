/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which decoder a key asks for; nodes and addresses. */
#include "feed/cilium_decode.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/addr.h"
#include "core/defs.h"
#include "core/vec.h"
#include "feed/cilium_extra.h"
#include "feed/cilium_parts.h"
#include "feed/kube_base64.h"

int cilium_key_kind(const struct cilium_reader *reader, const char *key, const char **ret_rest)
{
	char prefix[CILIUM_MAX_KEY];

	for (int kind = 0; kind < CILIUM_KINDS; kind++) {
		cilium_prefix(&reader->peer, reader->cluster, kind, prefix);
		if (!strncmp(key, prefix, strlen(prefix))) {
			*ret_rest = key + strlen(prefix);
			return kind;
		}
	}
	return -1;
}

/* ---- shared ---- */

/* One object. Text that begins otherwise would be taken for YAML, or for a list. */
static int parse_json(const void *value, size_t len, struct doc_set **ret_set, struct err *err)
{
	if (!len || *(const char *)value != '{')
		return err_set(err, -EINVAL, "it is no JSON object");
	return doc_parse(value, len, "value", ret_set, err);
}

int cilium_names(const struct cilium_reader *reader, const char *rest, const char *cluster,
		 const char *space, const char *name, struct err *err)
{
	size_t len = space ? strlen(space) : 0;

	if (!cluster || strcmp(cluster, reader->cluster))
		return err_set(err, -EINVAL, "it says that it is of cluster \"%.64s\", not of %s",
			       cluster ? cluster : "", reader->cluster);
	if (!space || !name || !len || !*name || strncmp(rest, space, len) || rest[len] != '/' ||
	    strcmp(rest + len + 1, name))
		return err_set(err, -EINVAL, "it says that it is %.64s/%.64s, not what its key says",
			       space ? space : "", name ? name : "");
	return 0;
}

int cilium_proto(const char *text, uint8_t *ret_proto, struct err *err)
{
	if (!text || !*text || !strcmp(text, "TCP"))
		*ret_proto = IPPROTO_TCP;
	else if (!strcmp(text, "UDP"))
		*ret_proto = IPPROTO_UDP;
	else if (!strcmp(text, "SCTP"))
		*ret_proto = IPPROTO_SCTP;
	else if (!strcmp(text, "ANY") || !strcmp(text, "NONE"))
		*ret_proto = 0;
	else
		return err_set(err, -EINVAL, "protocol %.32s is none of TCP, UDP, SCTP", text);
	return 0;
}

int cilium_addr(const char *text, const char *what, struct xm_addr *ret_addr, struct err *err)
{
	struct xm_addr addr;
	int rc;

	if (!text)
		return err_set(err, -EINVAL, "%s is not a text", what);
	rc = addr_parse(text, &addr, err);
	if (rc)
		return err_in(err, rc, "%s", what);
	if (!addr_is_unicast(&addr) || addr_is_linklocal(&addr))
		return err_set(err, -EINVAL, "%s: no host can bear %s", what, text);
	*ret_addr = addr;
	return 0;
}

int cilium_add_port(struct port_object **ports, size_t *n, const char *name, uint8_t proto,
		    int64_t port, struct err *err)
{
	struct port_object one = { .name = xm_port_name_hash(name ? name : ""), .proto = proto };

	if (port < 1 || port > 65535)
		return err_set(err, -EINVAL, "port %lld is not from 1 to 65535", (long long)port);
	if (*n == SNAPSHOT_MAX_PORTS)
		return err_set(err, -EINVAL, "more than %d ports", SNAPSHOT_MAX_PORTS);
	if (name && *name) {
		one.text = strdup(name);
		if (!one.text)
			return err_set(err, -ENOMEM, "out of memory");
	}
	if (vec_grow(ports, *n, sizeof(**ports))) {
		free(one.text);
		return err_set(err, -ENOMEM, "out of memory");
	}
	one.port = port;
	(*ports)[(*n)++] = one;
	return 0;
}

static bool is_number(const struct doc *d, int64_t value)
{
	return !doc_is_null(d) && d->type == DOC_INT && d->integer == value;
}

/* ---- prefixes ---- */

/* Go's net.IPMask as base64: ones, then zeros. -EINVAL. */
static int mask_len(const char *text, size_t bytes, unsigned int *ret_len, struct err *err)
{
	auto_free char *mask = NULL;
	unsigned int len = 0;
	size_t n;
	int rc;

	if (!text)
		return err_set(err, -EINVAL, "a Mask is not a text");
	rc = kube_base64_decode(text, strlen(text), &mask, &n);
	if (rc)
		return err_set(err, rc, "Mask %.40s is not base64", text);
	/* An IPv4 mask may be written in sixteen bytes. */
	if (bytes == 4 && n == 16) {
		memmove(mask, mask + 12, 4);
		n = 4;
	}
	if (n != bytes)
		return err_set(err, -EINVAL, "Mask %.40s has %zu bytes, not %zu", text, n, bytes);
	while (len < 8 * n && (uint8_t)mask[len / 8] >> (7 - len % 8) & 1)
		len++;
	for (unsigned int i = len; i < 8 * n; i++)
		if ((uint8_t)mask[i / 8] >> (7 - i % 8) & 1)
			return err_set(err, -EINVAL, "Mask %.40s is not ones and then zeros", text);
	*ret_len = len;
	return 0;
}

/* @mask NULL or null: the address alone. */
static int read_prefix(const char *ip, const struct doc *mask, const char *what,
		       struct xm_prefix *ret_prefix, struct err *err)
{
	char text[PREFIX_TEXT_MAX];
	struct xm_addr addr;
	unsigned int len;
	bool v4;
	int rc;

	if (!ip)
		return err_set(err, -EINVAL, "%s has no IP", what);
	rc = addr_parse(ip, &addr, err);
	if (rc)
		return err_in(err, rc, "%s", what);
	v4 = xm_addr_is_v4(&addr);
	len = v4 ? 32 : 128;
	if (!doc_is_null(mask)) {
		rc = mask_len(doc_text(mask), v4 ? 4 : 16, &len, err);
		if (rc)
			return err_in(err, rc, "%s", what);
	}
	snprintf(text, sizeof(text), "%.45s/%u", ip, len);
	rc = prefix_parse(text, ret_prefix, err);
	if (rc)
		return err_in(err, rc, "%s", what);
	if (!len || !addr_is_unicast(&ret_prefix->addr) || addr_is_linklocal(&ret_prefix->addr))
		return err_set(err, -EINVAL, "%s: %s is no range of pod addresses", what, text);
	return 0;
}

typedef int (*prefix_fn)(void *user, const struct xm_prefix *prefix);

static int one_prefix(const struct doc *cidr, const char *what, prefix_fn each, void *user,
		      struct err *err)
{
	struct xm_prefix prefix;
	int rc;

	if (doc_is_null(cidr))
		return 0;
	rc = read_prefix(doc_text(doc_get(cidr, "IP")), doc_get(cidr, "Mask"), what, &prefix, err);
	if (rc)
		return rc;
	rc = each(user, &prefix);
	if (rc == -ENOSPC)
		return err_set(err, -EINVAL, "more than %d pod prefixes", SNAPSHOT_MAX_CIDRS);
	return rc ? err_set(err, rc, "out of memory") : 0;
}

static int all_prefixes(const struct doc *node, prefix_fn each, void *user, struct err *err)
{
	static const char *const singles[] = { "IPv4AllocCIDR", "IPv6AllocCIDR" };
	static const char *const lists[] = { "IPv4SecondaryAllocCIDRs", "IPv6SecondaryAllocCIDRs" };
	int rc = 0;

	for (size_t i = 0; !rc && i < ARRAY_SIZE(singles); i++)
		rc = one_prefix(doc_get(node, singles[i]), singles[i], each, user, err);
	for (size_t i = 0; !rc && i < ARRAY_SIZE(lists); i++) {
		const struct doc *list = doc_get(node, lists[i]);

		if (!doc_is_null(list) && list->type != DOC_LIST)
			return err_set(err, -EINVAL, "%s is not a list", lists[i]);
		for (uint32_t k = 0; !rc && list && k < list->n; k++)
			rc = one_prefix(list->items[k], lists[i], each, user, err);
	}
	return rc;
}

int cilium_node_prefixes(const void *value, size_t len, prefix_fn each, void *user, struct err *err)
{
	struct doc_set *set;
	int rc = parse_json(value, len, &set, err);

	if (rc)
		return rc;
	rc = all_prefixes(set->docs[0], each, user, err);
	doc_set_free(set);
	return rc;
}

/* ---- node ---- */

static int add_cidr(void *user, const struct xm_prefix *prefix)
{
	struct node_object *node = user;

	/* The same one may be told as the first and among the secondary ones. */
	for (size_t i = 0; i < node->n_cidrs; i++)
		if (!memcmp(&node->cidrs[i], prefix, sizeof(*prefix)))
			return 0;
	if (node->n_cidrs == SNAPSHOT_MAX_CIDRS)
		return -ENOSPC;
	if (vec_grow(&node->cidrs, node->n_cidrs, sizeof(*node->cidrs)))
		return -ENOMEM;
	node->cidrs[node->n_cidrs++] = *prefix;
	return 0;
}

/* The first InternalIP of each family, else the first ExternalIP: what Cilium tunnels to. */
static int node_addresses(const struct doc *doc, struct node_object *node, struct err *err)
{
	static const char *const types[] = { "InternalIP", "ExternalIP" };
	const struct doc *list = doc_get(doc, "IPAddresses");
	int rc;

	if (!doc_is_null(list) && list->type != DOC_LIST)
		return err_set(err, -EINVAL, "IPAddresses is not a list");
	for (size_t t = 0; t < ARRAY_SIZE(types); t++) {
		for (uint32_t i = 0; list && i < list->n; i++) {
			const char *type = doc_text(doc_get(list->items[i], "Type"));
			struct xm_addr addr, *slot;

			if (!type || strcmp(type, types[t]))
				continue;
			rc = cilium_addr(doc_text(doc_get(list->items[i], "IP")), types[t], &addr, err);
			if (rc)
				return rc;
			slot = xm_addr_is_v4(&addr) ? &node->addr4 : &node->addr6;
			if (xm_addr_is_zero(slot))
				*slot = addr;
		}
	}
	return 0;
}

static void copy_label(const struct doc *doc, const char *key, char buf[64])
{
	const char *text = doc_text(doc_get(doc_get(doc, "Labels"), key));

	/* No label of Kubernetes is longer. */
	snprintf(buf, 64, "%.63s", text ? text : "");
}

/* What is known to be wrong with a node that can be read. */
static int warn_node(const struct doc *doc, struct piece *piece, struct err *err)
{
	const struct doc *key = doc_get(doc, "EncryptionKey");
	const struct node_object *node = &piece->node;
	int n = 0;

	if (xm_addr_is_zero(&node->addr4) && xm_addr_is_zero(&node->addr6))
		n = asprintf(&piece->warning,
			     "Node %s has no InternalIP and no ExternalIP: it cannot be reached", node->name);
	else if (!doc_is_null(key) && !is_number(key, 0))
		n = asprintf(&piece->warning,
			     "Node %s encrypts (EncryptionKey %.8s): what it sends so is not understood here",
			     node->name, doc_text(key) ? doc_text(key) : "");
	if (n >= 0)
		return 0;
	piece->warning = NULL;
	return err_set(err, -ENOMEM, "out of memory");
}

static int fill_node(const struct cilium_reader *reader, const char *rest, const struct doc *doc,
		     struct piece *piece, struct err *err)
{
	const char *name = doc_text(doc_get(doc, "Name")), *cluster = doc_text(doc_get(doc, "Cluster"));
	struct node_object *node = &piece->node;
	int rc;

	if (!cluster || strcmp(cluster, reader->cluster))
		return err_set(err, -EINVAL, "it says that it is of cluster \"%.64s\", not of %s",
			       cluster ? cluster : "", reader->cluster);
	if (!name || !*name || strcmp(name, rest) || strlen(name) >= sizeof(node->name))
		return err_set(err, -EINVAL, "it says that it is Node \"%.64s\", not what its key says",
			       name ? name : "");
	if (!is_number(doc_get(doc, "ClusterID"), reader->peer.id))
		return err_set(err, -EINVAL, "its ClusterID is not %u, that of cluster %s",
			       reader->peer.id, reader->cluster);
	snprintf(node->name, sizeof(node->name), "%s", name);
	snprintf(node->source, sizeof(node->source), "Node %.200s of Cilium", name);
	node->identity_bits = reader->peer.identity_bits;
	copy_label(doc, "topology.kubernetes.io/zone", node->zone);
	copy_label(doc, "topology.kubernetes.io/region", node->region);
	rc = all_prefixes(doc, add_cidr, node, err);
	if (!rc)
		rc = node_addresses(doc, node, err);
	return rc ? rc : warn_node(doc, piece, err);
}

static int decode_node(const struct cilium_reader *reader, const char *rest, const struct doc *doc,
		       struct piece **ret_pieces, struct err *err)
{
	struct piece *piece = piece_new(PIECE_NODE);
	int rc;

	if (!piece)
		return err_set(err, -ENOMEM, "out of memory");
	rc = fill_node(reader, rest, doc, piece, err);
	if (rc)
		piece_free(piece);
	else
		*ret_pieces = piece;
	return rc;
}

/* ---- address ---- */

/* "10.1.2.3" or "10.1.2.0/24", as IP and Mask say. */
static bool is_key_of(const char *rest, const struct xm_prefix *prefix)
{
	struct xm_prefix said;
	struct xm_addr addr;

	if (strchr(rest, '/'))
		return !prefix_parse(rest, &said, NULL) && !memcmp(&said, prefix, sizeof(said));
	return prefix->plen == 128 && !addr_parse(rest, &addr, NULL) && xm_addr_eq(&addr, &prefix->addr);
}

static int decode_ip(const char *rest, const struct doc *doc, struct piece **ret_pieces, struct err *err)
{
	const char *host = doc_text(doc_get(doc, "HostIP"));
	struct xm_prefix prefix;
	struct xm_addr addr;
	struct piece *piece;
	int rc;

	rc = read_prefix(doc_text(doc_get(doc, "IP")), doc_get(doc, "Mask"), "IP", &prefix, err);
	if (rc)
		return rc;
	if (!is_key_of(rest, &prefix))
		return err_set(err, -EINVAL, "its IP is not what its key says");
	/* Nobody's: not a pod. */
	if (!host || !*host)
		return 0;
	rc = cilium_addr(host, "HostIP", &addr, err);
	if (rc)
		return rc;
	piece = piece_new(PIECE_NODE);
	if (!piece)
		return err_set(err, -ENOMEM, "out of memory");
	snprintf(piece->node.name, sizeof(piece->node.name), CILIUM_EXTRA_NAME "%.60s", rest);
	*(xm_addr_is_v4(&addr) ? &piece->node.addr4 : &piece->node.addr6) = addr;
	if (add_cidr(&piece->node, &prefix)) {
		piece_free(piece);
		return err_set(err, -ENOMEM, "out of memory");
	}
	*ret_pieces = piece;
	return 0;
}

/* ---- all ---- */

static int decode_json(const struct cilium_reader *reader, enum cilium_kind kind, const char *rest,
		       const struct doc *doc, struct piece **ret_pieces, struct err *err)
{
	switch (kind) {
	case CILIUM_NODES:
		return decode_node(reader, rest, doc, ret_pieces, err);
	case CILIUM_IPS:
		return decode_ip(rest, doc, ret_pieces, err);
	case CILIUM_SERVICES:
		return cilium_service(reader, rest, doc, ret_pieces, err);
	case CILIUM_EXPORTS:
		return cilium_export(reader, rest, doc, ret_pieces, err);
	case CILIUM_SLICES:
		break;
	}
	return err_set(err, -EINVAL, "no such kind");
}

int cilium_decode(void *user, const char *key, const void *value, size_t len,
		  struct piece **ret_pieces, struct err *err)
{
	const struct cilium_reader *reader = user;
	struct piece *pieces = NULL;
	struct doc_set *set;
	const char *rest;
	int kind, rc;

	kind = cilium_key_kind(reader, key, &rest);
	if (kind < 0)
		return err_set(err, -EINVAL, "no such prefix is read");
	if (kind == CILIUM_SLICES) {
		rc = cilium_slice(reader, rest, value, len, &pieces, err);
	} else {
		rc = parse_json(value, len, &set, err);
		if (rc)
			return rc;
		rc = decode_json(reader, kind, rest, set->docs[0], &pieces, err);
		doc_set_free(set);
	}
	if (!rc)
		*ret_pieces = pieces;
	return rc;
}
