/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Parts of one node or service put together: Service, ServiceExport and ServiceImport of one name are
 * one service_object, whichever came first. What a group came to is kept until one of its parts
 * changes. Not for: keys (store.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/defs.h"
#include "feed/pack.h"
#include "feed/store_parts.h"

/* ---- groups --------------------------------------------------------------------------------- */

static uint32_t hash_group(bool is_node, const char *space, const char *name)
{
	uint64_t sum = XXH3_64bits_withSeed(space, strlen(space), is_node);

	return (uint32_t)XXH3_64bits_withSeed(name, strlen(name), sum);
}

static struct group *group_find(const struct store *store, bool is_node, const char *space,
				const char *name, uint32_t hash)
{
	struct link *link = table_find(&store->groups, hash);

	for (; link; link = link->next) {
		struct group *g = container_of(link, struct group, link);

		if (link->hash == hash && g->is_node == is_node && !strcmp(g->name, name) &&
		    !strcmp(g->space, space))
			return g;
	}
	return NULL;
}

static int list_add(struct group_list *list, struct group *g)
{
	struct group **more;

	if (!(list->n & (list->n - 1))) {
		more = reallocarray(list->groups, list->n ? 2 * list->n : 1, sizeof(*more));
		if (!more)
			return -ENOMEM;
		list->groups = more;
	}
	g->place = list->n;
	list->groups[list->n++] = g;
	list->sorted = false;
	return 0;
}

static int group_new(struct store *store, bool is_node, const char *space, const char *name,
		     uint32_t hash, struct group **ret_group)
{
	size_t space_len = strlen(space) + 1, len = strlen(name) + 1;
	struct group *g = calloc(1, sizeof(*g) + space_len + len);

	if (!g)
		return -ENOMEM;
	g->link.hash = hash;
	g->is_node = is_node;
	memcpy(g->space, space, space_len);
	g->name = memcpy(g->space + space_len, name, len);
	if (table_add(&store->groups, &g->link)) {
		free(g);
		return -ENOMEM;
	}
	if (list_add(is_node ? &store->nodes : &store->services, g)) {
		table_remove(&store->groups, &g->link);
		free(g);
		return -ENOMEM;
	}
	*ret_group = g;
	return 0;
}

static void set_dirty(struct store *store, struct group *g)
{
	if (g->dirty)
		return;
	g->dirty = true;
	g->next_dirty = store->dirty;
	store->dirty = g;
}

static void drop_published(struct group *g, size_t n)
{
	for (size_t i = 0; g->published && i < n; i++)
		snapshot_block_put(g->published[i]);
	free(take(g->published));
}

/* Forget what it came to. */
static void group_clear(struct store *store, struct group *g)
{
	if (g->is_node && g->node) {
		node_object_done(g->node);
		free(take(g->node));
	} else if (!g->is_node && g->service) {
		service_object_done(g->service);
		free(take(g->service));
	}
	store->counts.services -= g->counted;
	store->counts.global_services -= g->counted_global;
	store->n_extra -= g->n_extra;
	g->counted = g->counted_global = false;
	g->n_extra = 0;
}

static void group_free(struct store *store, struct group *g)
{
	struct group_list *list = g->is_node ? &store->nodes : &store->services;

	group_clear(store, g);
	table_remove(&store->groups, &g->link);
	list->groups[g->place] = list->groups[--list->n];
	list->groups[g->place]->place = g->place;
	list->sorted = false;
	free(g);
}

void groups_free(struct store *store)
{
	free(store->nodes.groups);
	free(store->services.groups);
	free(store->groups.buckets);
}

/* ---- parts ---------------------------------------------------------------------------------- */

static void slice_view(const struct part *p, struct slice_object *ret_slice)
{
	*ret_slice = (struct slice_object){};
	pack_slice_view(p->block, p->n_endpoints, p->n_ports, p->named, ret_slice);
}

/* Add what a part counts for, or with @sign -1 take it off again. */
static void count(struct store *store, const struct part *p, int sign)
{
	struct snapshot_counts *c = &store->counts;
	size_t *of_family = p->family == 6 ? c->endpoints6 : c->endpoints4;
	struct slice_object slice;
	size_t n[3] = {};

	switch ((enum piece_kind)p->kind) {
	case PIECE_NODE:
		c->nodes += sign;
		return;
	case PIECE_EXPORT:
		c->service_exports += sign;
		return;
	case PIECE_IMPORT:
		c->service_imports += sign;
		return;
	case PIECE_NOTHING:
		c->skipped += sign;
		return;
	case PIECE_SERVICE:
	case PIECE_KINDS:
		return;
	case PIECE_SLICE:
		break;
	}
	slice_view(p, &slice);
	for (size_t i = 0; i < slice.n_endpoints; i++)
		n[slice.endpoints[i].terminating ? 2 : slice.endpoints[i].ready ? 0 : 1]++;
	*(p->family == 6 ? &c->slices6 : &c->slices4) += sign;
	c->empty_slices += !slice.n_endpoints ? sign : 0;
	for (int i = 0; i < 3; i++)
		of_family[i] += sign * n[i];
	c->endpoints_ready += sign * n[0];
	c->endpoints_not_ready += sign * n[1];
	c->endpoints_terminating += sign * n[2];
}

static int fill_slice(struct part *p, const struct piece *piece)
{
	const struct slice_object *from = &piece->slice;
	struct slice_object packed;
	int rc = pack_slice(from, &packed);

	if (rc)
		return rc;
	p->block = packed.block;
	p->n_endpoints = packed.n_endpoints;
	p->n_ports = packed.n_ports;
	p->named = packed.name;
	p->digest = snapshot_slice_digest(&packed);
	p->family = piece->family;
	if (!p->family)
		p->family = from->n_endpoints && !xm_addr_is_v4(&from->endpoints->addr) ? 6 : 4;
	return 0;
}

static int fill_part(struct part *p, struct piece *piece)
{
	int rc = 0;

	switch ((enum piece_kind)piece->kind) {
	case PIECE_NODE:
		p->node = calloc(1, sizeof(*p->node));
		rc = p->node ? pack_node(&piece->node, p->node) : -ENOMEM;
		if (!rc && !*p->node->source)
			entry_text(p->entry, p->node->source);
		break;
	case PIECE_SLICE:
		return fill_slice(p, piece);
	case PIECE_SERVICE:
	case PIECE_EXPORT:
	case PIECE_IMPORT:
		p->service = calloc(1, sizeof(*p->service));
		rc = p->service ? pack_service(&piece->service, p->service) : -ENOMEM;
		if (!rc && !*p->service->source)
			entry_text(p->entry, p->service->source);
		break;
	case PIECE_NOTHING:
	case PIECE_KINDS:
		break;
	}
	return rc;
}

static void empty_part(struct part *p)
{
	if (p->kind == PIECE_SLICE) {
		snapshot_block_put(p->block);
	} else if (p->kind == PIECE_NODE) {
		if (p->node)
			node_object_done(p->node);
		free(p->node);
	} else if (p->kind != PIECE_NOTHING) {
		if (p->service)
			service_object_done(p->service);
		free(p->service);
	}
	free(p);
}

static int group_of(struct store *store, const struct piece *piece, struct group **ret_group)
{
	bool is_node = piece->kind == PIECE_NODE;
	const char *space = "", *name = piece->node.name;
	uint32_t hash;

	if (piece->kind == PIECE_SLICE) {
		space = piece->slice.space;
		name = piece->slice.service;
	} else if (!is_node) {
		space = piece->service.space;
		name = piece->service.name;
	}
	/* A slice that belongs to no service is nobody's backend. */
	if (!*name) {
		*ret_group = NULL;
		return 0;
	}
	hash = hash_group(is_node, space, name);
	*ret_group = group_find(store, is_node, space, name, hash);
	if (*ret_group)
		return 0;
	if (is_node && store->nodes.n == SNAPSHOT_MAX_NODES)
		return -ENOSPC;
	return group_new(store, is_node, space, name, hash, ret_group);
}

int part_new(struct store *store, struct entry *entry, struct piece *piece, struct part **ret_part)
{
	struct part *p = calloc(1, sizeof(*p));
	struct group *g = NULL;
	int rc;

	if (!p)
		return -ENOMEM;
	p->kind = piece->kind;
	p->nowhere = piece->nowhere;
	p->entry = entry;
	rc = fill_part(p, piece);
	if (!rc && p->kind != PIECE_NOTHING)
		rc = group_of(store, piece, &g);
	if (rc) {
		empty_part(p);
		return rc;
	}
	count(store, p, 1);
	if (g) {
		p->group = g;
		p->before = g->lists[p->kind].last;
		*(p->before ? &p->before->after : &g->lists[p->kind].first) = p;
		g->lists[p->kind].last = p;
		g->n_parts++;
		/* Their number is that of what is published, too. */
		drop_published(g, g->n_slices);
		g->n_slices += p->kind == PIECE_SLICE;
		store->n_slices += p->kind == PIECE_SLICE;
		set_dirty(store, g);
	}
	*ret_part = p;
	return 0;
}

void part_free(struct store *store, struct part *p)
{
	struct group *g = p->group;

	count(store, p, -1);
	if (g) {
		*(p->before ? &p->before->after : &g->lists[p->kind].first) = p->after;
		*(p->after ? &p->after->before : &g->lists[p->kind].last) = p->before;
		g->n_parts--;
		drop_published(g, g->n_slices);
		g->n_slices -= p->kind == PIECE_SLICE;
		store->n_slices -= p->kind == PIECE_SLICE;
		set_dirty(store, g);
	}
	empty_part(p);
}

/* ---- what a group comes to ------------------------------------------------------------------ */

/* By the order of their keys, so that it is the same one whichever was heard of first. */
static const struct part *first_of(struct group *g, enum piece_kind kind)
{
	const struct part *first = g->lists[kind].first, *p = first;
	bool several = p && p->after;

	for (; p; p = p->after)
		if (strcmp(p->entry->key, first->entry->key) < 0)
			first = p;
	for (p = several ? g->lists[kind].first : NULL; p; p = p->after)
		g->n_extra += p->entry != first->entry;
	return first;
}

/* Addresses of the import behind those of the Service, each once. */
static size_t join_vips(const struct service_object *a, const struct service_object *b,
			struct vip_object vips[2 * SNAPSHOT_MAX_VIPS])
{
	size_t n = 0;

	for (size_t i = 0; i < a->n_vips + b->n_vips; i++) {
		const struct vip_object *vip = i < a->n_vips ? &a->vips[i] : &b->vips[i - a->n_vips];
		bool known = false;

		for (size_t k = 0; k < n; k++)
			known |= xm_addr_eq(&vips[k].addr, &vip->addr);
		if (!known)
			vips[n++] = *vip;
	}
	return n;
}

static int put_together(struct group *g)
{
	static const struct service_object nothing;
	const struct part *own = first_of(g, PIECE_SERVICE), *export = first_of(g, PIECE_EXPORT);
	const struct part *import = first_of(g, PIECE_IMPORT);
	const struct service_object *imported = import ? import->service : &nothing;
	const struct part *base = own ? own : export ? export : import;
	struct vip_object vips[2 * SNAPSHOT_MAX_VIPS];
	struct service_object s;
	int rc;

	if (!base)
		return 0;
	s = *base->service;
	s.has_service = own;
	s.imported = imported->imported;
	s.global = own ? !own->nowhere && (s.global || export) : !!export;
	if (!own && import) {
		s.headless = imported->headless;
		s.ports = imported->ports;
		s.n_ports = imported->n_ports;
	}
	if (base != import && imported->n_vips) {
		s.n_vips = join_vips(&s, imported, vips);
		s.vips = vips;
	}
	g->service = calloc(1, sizeof(*g->service));
	if (!g->service)
		return -ENOMEM;
	rc = pack_service(&s, g->service);
	if (rc) {
		free(take(g->service));
		return rc;
	}
	g->counted = own;
	g->counted_global = own && s.global;
	return 0;
}

/* The block of a slice whose endpoints all count as ready. */
static int publish(const struct part *p, struct snapshot_block **ret_block, uint64_t *ret_digest)
{
	auto_free struct endpoint_object *endpoints = NULL;
	struct slice_object slice, packed;
	int rc;

	slice_view(p, &slice);
	if (slice.n_endpoints) {
		endpoints = malloc(slice.n_endpoints * sizeof(*endpoints));
		if (!endpoints)
			return -ENOMEM;
		memcpy(endpoints, slice.endpoints, slice.n_endpoints * sizeof(*endpoints));
		snapshot_publish_not_ready(endpoints, slice.n_endpoints);
		slice.endpoints = endpoints;
	}
	rc = pack_slice(&slice, &packed);
	if (rc)
		return rc;
	*ret_block = packed.block;
	*ret_digest = snapshot_slice_digest(&packed);
	return 0;
}

static int join_slices(struct group *g)
{
	bool all_ready = g->service && g->service->publish_not_ready;
	size_t n = 0;
	int rc = 0;

	g->slices_sum = 0;
	if (all_ready && g->n_slices) {
		g->published = calloc(g->n_slices, sizeof(*g->published));
		if (!g->published)
			return -ENOMEM;
	}
	for (struct part *p = g->lists[PIECE_SLICE].first; !rc && p; p = p->after, n++) {
		uint64_t digest = p->digest;

		if (all_ready)
			rc = publish(p, &g->published[n], &digest);
		g->slices_sum += digest;
	}
	return rc;
}

static int refresh(struct store *store, struct group *g)
{
	const struct part *first;
	int rc = 0;

	group_clear(store, g);
	drop_published(g, g->n_slices);
	if (g->is_node) {
		first = first_of(g, PIECE_NODE);
		g->node = malloc(sizeof(*g->node));
		if (!g->node)
			return -ENOMEM;
		*g->node = *first->node;
		snapshot_block_get(g->node->block);
	} else {
		rc = put_together(g);
		if (!rc)
			rc = join_slices(g);
		if (!rc && g->service) {
			g->service->n_slices = g->n_slices;
			g->service->digest = snapshot_service_digest(g->service, g->slices_sum);
		}
		store->counts.services += g->counted;
		store->counts.global_services += g->counted_global;
	}
	store->n_extra += g->n_extra;
	return rc;
}

int groups_refresh(struct store *store)
{
	struct group *g;
	int rc;

	while ((g = store->dirty)) {
		rc = g->n_parts ? refresh(store, g) : 0;
		if (rc)
			return rc;
		store->dirty = g->next_dirty;
		g->dirty = false;
		if (!g->n_parts)
			group_free(store, g);
	}
	return 0;
}

static int order(const void *va, const void *vb)
{
	const struct group *a = *(struct group *const *)va, *b = *(struct group *const *)vb;
	int diff = strcmp(a->space, b->space);

	return diff ? diff : strcmp(a->name, b->name);
}

void groups_sort(struct group_list *list)
{
	if (list->sorted)
		return;
	if (list->n)
		qsort(list->groups, list->n, sizeof(*list->groups), order);
	for (size_t i = 0; i < list->n; i++)
		list->groups[i]->place = i;
	list->sorted = true;
}
