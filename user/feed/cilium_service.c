/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ClusterService and MCSAPIServiceSpec. Backends stand there by address, each with its ports, all of
 * them ready: those of one family and the same ports become a slice.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/addr.h"
#include "core/defs.h"
#include "core/vec.h"
#include "feed/cilium_parts.h"

static void free_ports(struct port_object *ports, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(ports[i].text);
	free(ports);
}

static bool same_port(const struct port_object *a, const struct port_object *b)
{
	return a->name == b->name && a->proto == b->proto && a->port == b->port;
}

/* {"http":{"Protocol":"TCP","Port":80}}: appended, but for those that are there. */
static int read_ports(const struct doc *map, const char *what, struct port_object **ports, size_t *n,
		      struct err *err)
{
	for (uint32_t i = 0; i < map->n; i++) {
		const struct doc *number = doc_get(map->items[i], "Port");
		uint8_t proto;
		int rc;

		if (doc_is_null(number) || number->type != DOC_INT)
			return err_set(err, -EINVAL, "%s: port %.64s has no number", what, map->keys[i]);
		rc = cilium_proto(doc_text(doc_get(map->items[i], "Protocol")), &proto, err);
		if (!rc && proto)
			rc = cilium_add_port(ports, n, map->keys[i], proto, number->integer, err);
		if (rc)
			return err_in(err, rc, "%s", what);
		for (size_t k = 0; proto && k + 1 < *n; k++) {
			if (same_port(&(*ports)[k], &(*ports)[*n - 1])) {
				free((*ports)[--*n].text);
				break;
			}
		}
	}
	return 0;
}

static int by_address(const struct doc *doc, const char *key, const struct doc **ret_map, struct err *err)
{
	const struct doc *map = doc_get(doc, key);

	if (!doc_is_null(map) && map->type != DOC_MAP)
		return err_set(err, -EINVAL, "%s is not a map by address", key);
	for (uint32_t i = 0; !doc_is_null(map) && i < map->n; i++)
		if (!doc_is_null(map->items[i]) && map->items[i]->type != DOC_MAP)
			return err_set(err, -EINVAL, "%s: %.64s is not a map of ports", key, map->keys[i]);
	*ret_map = doc_is_null(map) ? NULL : map;
	return 0;
}

static int frontends(const struct doc *doc, struct service_object *s, struct err *err)
{
	const struct doc *map;
	int rc = by_address(doc, "frontends", &map, err);

	if (!rc && map && map->n > SNAPSHOT_MAX_VIPS)
		rc = err_set(err, -EINVAL, "more than %d frontends", SNAPSHOT_MAX_VIPS);
	for (uint32_t i = 0; !rc && map && i < map->n; i++) {
		struct vip_object vip = { .kind = XM_VIP_CLUSTER_IP };

		rc = cilium_addr(map->keys[i], "frontend", &vip.addr, err);
		if (!rc && vec_grow(&s->vips, s->n_vips, sizeof(*s->vips)))
			rc = err_set(err, -ENOMEM, "out of memory");
		if (rc)
			return rc;
		s->vips[s->n_vips++] = vip;
		if (!doc_is_null(map->items[i]))
			rc = read_ports(map->items[i], "frontends", &s->ports, &s->n_ports, err);
	}
	s->headless = !s->n_vips;
	return rc;
}

/* ---- backends ---- */

struct slices {
	const struct service_object *service;
	struct piece *chain, **end;
	size_t n;
};

static bool fits(const struct piece *piece, uint8_t family, const struct port_object *ports, size_t n)
{
	const struct slice_object *s = &piece->slice;

	if (piece->family != family || s->n_ports != n || s->n_endpoints == SNAPSHOT_MAX_ENDPOINTS)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!same_port(&s->ports[i], &ports[i]))
			return false;
	return true;
}

/* Takes @ports where a slice is made of them. */
static int slice_for(struct slices *slices, uint8_t family, struct port_object **ports, size_t n,
		     struct slice_object **ret_slice, struct err *err)
{
	struct piece *piece;

	for (piece = slices->chain; piece; piece = piece->next) {
		if (fits(piece, family, *ports, n)) {
			*ret_slice = &piece->slice;
			return 0;
		}
	}
	if (slices->n == CILIUM_MAX_PORT_SETS)
		return err_set(err, -EINVAL, "more than %d different sets of ports among its backends",
			       CILIUM_MAX_PORT_SETS);
	piece = piece_new(PIECE_SLICE);
	if (!piece)
		return err_set(err, -ENOMEM, "out of memory");
	piece->family = family;
	memcpy(piece->slice.space, slices->service->space, sizeof(piece->slice.space));
	memcpy(piece->slice.service, slices->service->name, sizeof(piece->slice.service));
	piece->slice.ports = take(*ports);
	piece->slice.n_ports = n;
	*slices->end = piece;
	slices->end = &piece->next;
	slices->n++;
	*ret_slice = &piece->slice;
	return 0;
}

static int add_backend(struct slices *slices, const char *text, const struct doc *map, struct err *err)
{
	struct endpoint_object e = { .ready = true, .serving = true };
	struct port_object *ports = NULL;
	struct slice_object *slice = NULL;
	size_t n = 0;
	int rc;

	rc = cilium_addr(text, "backend", &e.addr, err);
	if (!rc && !doc_is_null(map))
		rc = read_ports(map, "backends", &ports, &n, err);
	if (!rc)
		rc = slice_for(slices, xm_addr_is_v4(&e.addr) ? 4 : 6, &ports, n, &slice, err);
	if (!rc && vec_grow(&slice->endpoints, slice->n_endpoints, sizeof(e)))
		rc = err_set(err, -ENOMEM, "out of memory");
	if (!rc)
		slice->endpoints[slice->n_endpoints++] = e;
	if (ports)
		free_ports(ports, n);
	return rc;
}

static int backends(const struct doc *doc, struct slices *slices, struct err *err)
{
	const struct doc *map;
	int rc = by_address(doc, "backends", &map, err);

	for (uint32_t i = 0; !rc && map && i < map->n; i++)
		rc = add_backend(slices, map->keys[i], map->items[i], err);
	return rc;
}

/* ---- services ---- */

static int name_service(const char *rest, const char *space, const char *name, const char *what,
			struct service_object *s, struct err *err)
{
	if (strlen(space) >= sizeof(s->space) || strlen(name) >= sizeof(s->name))
		return err_set(err, -EINVAL, "its namespace or name is longer than 63 bytes");
	snprintf(s->space, sizeof(s->space), "%.63s", space);
	snprintf(s->name, sizeof(s->name), "%.63s", name);
	snprintf(s->source, sizeof(s->source), "%s %.200s of Cilium", what, rest);
	s->shared = true;
	return 0;
}

/* Absent: true, as for a Service without the annotation. */
static int shared(const struct doc *doc, bool *ret_shared, struct err *err)
{
	const struct doc *d = doc_get(doc, "shared");

	if (!doc_is_null(d) && d->type != DOC_BOOL)
		return err_set(err, -EINVAL, "shared is neither true nor false");
	*ret_shared = doc_is_null(d) || d->integer;
	return 0;
}

static int fill_service(const struct cilium_reader *reader, const char *rest, const struct doc *doc,
			struct piece *piece, struct err *err)
{
	const char *space = doc_text(doc_get(doc, "namespace")), *name = doc_text(doc_get(doc, "name"));
	const struct doc *id = doc_get(doc, "clusterID");
	struct service_object *s = &piece->service;
	struct slices slices = { .service = s, .end = &slices.chain };
	int rc;

	rc = cilium_names(reader, rest, doc_text(doc_get(doc, "cluster")), space, name, err);
	if (!rc && (doc_is_null(id) || id->type != DOC_INT || id->integer != reader->peer.id))
		rc = err_set(err, -EINVAL, "its clusterID is not %u, that of cluster %s",
			     reader->peer.id, reader->cluster);
	if (!rc)
		rc = name_service(rest, space, name, "service", s, err);
	if (!rc)
		rc = shared(doc, &s->shared, err);
	if (!rc)
		rc = frontends(doc, s, err);
	if (!rc)
		rc = backends(doc, &slices, err);
	/* Only global ones are written there. */
	s->global = true;
	s->has_service = true;
	piece->next = slices.chain;
	return rc;
}

int cilium_service(const struct cilium_reader *reader, const char *rest, const struct doc *doc,
		   struct piece **ret_pieces, struct err *err)
{
	struct piece *piece = piece_new(PIECE_SERVICE);
	int rc;

	if (!piece)
		return err_set(err, -ENOMEM, "out of memory");
	rc = fill_service(reader, rest, doc, piece, err);
	if (rc)
		piece_free(piece);
	else
		*ret_pieces = piece;
	return rc;
}

/* ---- exports ---- */

static int affinity(const struct doc *doc, uint32_t *ret_s, struct err *err)
{
	const struct doc *timeout =
		doc_path(doc, "sessionAffinityConfig", "clientIP", "timeoutSeconds", NULL);
	const char *kind = doc_text(doc_get(doc, "sessionAffinity"));

	/* A day, as the API server has it; three hours when it is not told. */
	if (!doc_is_null(timeout) &&
	    (timeout->type != DOC_INT || timeout->integer < 1 || timeout->integer > 86400))
		return err_set(err, -EINVAL, "clientIP.timeoutSeconds is not a number from 1 to 86400");
	if (kind && !strcmp(kind, "ClientIP"))
		*ret_s = doc_is_null(timeout) ? 10800 : timeout->integer;
	return 0;
}

static int export_ports(const struct doc *doc, struct service_object *s, struct err *err)
{
	const struct doc *list = doc_get(doc, "ports");
	int rc = 0;

	if (!doc_is_null(list) && list->type != DOC_LIST)
		return err_set(err, -EINVAL, "ports is not a list");
	for (uint32_t i = 0; !rc && list && i < list->n; i++) {
		const struct doc *number = doc_get(list->items[i], "port");
		uint8_t proto;

		if (doc_is_null(number) || number->type != DOC_INT)
			return err_set(err, -EINVAL, "ports[%u] has no number", i);
		rc = cilium_proto(doc_text(doc_get(list->items[i], "protocol")), &proto, err);
		if (!rc && proto)
			rc = cilium_add_port(&s->ports, &s->n_ports,
					     doc_text(doc_get(list->items[i], "name")), proto,
					     number->integer, err);
	}
	return rc;
}

/*
 * What the Service is, for clusters that write no services: the export is all that tells of it. Others'
 * Service stands among the services.
 */
static int service_of_export(const char *rest, const struct doc *doc, const struct piece *export,
			     struct piece **ret_piece, struct err *err)
{
	const char *type = doc_text(doc_get(doc, "type"));
	struct piece *piece = piece_new(PIECE_SERVICE);
	struct service_object *s = piece ? &piece->service : NULL;
	int rc;

	if (!piece)
		return err_set(err, -ENOMEM, "out of memory");
	rc = name_service(rest, export->service.space, export->service.name, "serviceexport", s, err);
	if (!rc)
		rc = affinity(doc, &s->affinity_s, err);
	if (!rc)
		rc = export_ports(doc, s, err);
	if (rc) {
		piece_free(piece);
		return rc;
	}
	s->has_service = true;
	s->headless = type && !strcmp(type, "Headless");
	*ret_piece = piece;
	return 0;
}

int cilium_export(const struct cilium_reader *reader, const char *rest, const struct doc *doc,
		  struct piece **ret_pieces, struct err *err)
{
	const char *space = doc_text(doc_get(doc, "namespace")), *name = doc_text(doc_get(doc, "name"));
	struct piece *piece;
	int rc;

	rc = cilium_names(reader, rest, doc_text(doc_get(doc, "cluster")), space, name, err);
	if (rc)
		return rc;
	piece = piece_new(PIECE_EXPORT);
	if (!piece)
		return err_set(err, -ENOMEM, "out of memory");
	rc = name_service(rest, space, name, "serviceexport", &piece->service, err);
	if (!rc && !reader->peer.services)
		rc = service_of_export(rest, doc, piece, &piece->next, err);
	if (rc)
		piece_free(piece);
	else
		*ret_pieces = piece;
	return rc;
}
