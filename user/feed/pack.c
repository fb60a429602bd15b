/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Objects into blocks: laid out twice by the same code, first only to know the size. */
#include "feed/pack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct room {
	char *base; /* NULL: only count */
	size_t used;
};

/* A copy of @size bytes at the next place; NULL while only counting, or of nothing. */
static void *carve(struct room *room, const void *from, size_t size, size_t align)
{
	char *at;

	room->used = (room->used + align - 1) & ~(align - 1);
	at = room->base && size ? room->base + room->used : NULL;
	room->used += size;
	if (at)
		memcpy(at, from, size);
	return at;
}

static char *carve_text(struct room *room, const char *text)
{
	return text ? carve(room, text, strlen(text) + 1, 1) : NULL;
}

#define CARVE(room, from, n) carve(room, from, (n) * sizeof(*(from)), __alignof__(*(from)))

static void carve_port_texts(struct room *room, const struct port_object *from, size_t n,
			     struct port_object *to)
{
	for (size_t i = 0; i < n; i++) {
		char *text = carve_text(room, from[i].text);

		if (to)
			to[i].text = text;
	}
}

static int room_make(struct room *room, struct snapshot_block **ret_block)
{
	struct snapshot_block *block = malloc(room->used);

	if (!block)
		return -ENOMEM;
	block->refs = 1;
	*room = (struct room){ .base = (char *)block, .used = sizeof(*block) };
	*ret_block = block;
	return 0;
}

static void lay_node(struct room *room, const struct node_object *from, struct node_object *to)
{
	to->cidrs = CARVE(room, from->cidrs, from->n_cidrs);
}

int pack_node(const struct node_object *from, struct node_object *ret_node)
{
	struct room room = { .used = sizeof(struct snapshot_block) };
	struct node_object to = *from;
	int rc;

	lay_node(&room, from, &to);
	rc = room_make(&room, &to.block);
	if (rc)
		return rc;
	lay_node(&room, from, &to);
	*ret_node = to;
	return 0;
}

/* Endpoints, ports, name: pack_slice_view() counts on it. */
static void lay_slice(struct room *room, const struct slice_object *from, struct slice_object *to)
{
	to->endpoints = CARVE(room, from->endpoints, from->n_endpoints);
	to->ports = CARVE(room, from->ports, from->n_ports);
	to->name = carve_text(room, from->name);
	carve_port_texts(room, from->ports, from->n_ports, to->ports);
	for (size_t i = 0; i < from->n_endpoints; i++) {
		char *node = carve_text(room, from->endpoints[i].node);

		if (to->endpoints)
			to->endpoints[i].node = node;
	}
}

int pack_slice(const struct slice_object *from, struct slice_object *ret_slice)
{
	struct room room = { .used = sizeof(struct snapshot_block) };
	struct slice_object to = *from;
	int rc;

	lay_slice(&room, from, &to);
	rc = room_make(&room, &to.block);
	if (rc)
		return rc;
	lay_slice(&room, from, &to);
	*ret_slice = to;
	return 0;
}

void pack_slice_view(struct snapshot_block *block, size_t n_endpoints, size_t n_ports, bool named,
		     struct slice_object *slice)
{
	size_t align = __alignof__(struct endpoint_object);
	size_t at = (sizeof(*block) + align - 1) & ~(align - 1);

	/* The alignment of ports is that of endpoints: both hold pointers. */
	_Static_assert(__alignof__(struct endpoint_object) == __alignof__(struct port_object), "layout");
	slice->block = block;
	slice->n_endpoints = n_endpoints;
	slice->n_ports = n_ports;
	slice->endpoints = n_endpoints ? (void *)((char *)block + at) : NULL;
	at += n_endpoints * sizeof(*slice->endpoints);
	slice->ports = n_ports ? (void *)((char *)block + at) : NULL;
	at += n_ports * sizeof(*slice->ports);
	slice->name = named ? (char *)block + at : NULL;
}

static void lay_service(struct room *room, const struct service_object *from,
			struct service_object *to)
{
	to->vips = CARVE(room, from->vips, from->n_vips);
	to->ports = CARVE(room, from->ports, from->n_ports);
	to->weights = CARVE(room, from->weights, from->n_weights);
	to->prefer = CARVE(room, from->prefer, from->n_prefer);
	carve_port_texts(room, from->ports, from->n_ports, to->ports);
}

int pack_service(const struct service_object *from, struct service_object *ret_service)
{
	struct room room = { .used = sizeof(struct snapshot_block) };
	struct service_object to = *from;
	int rc;

	lay_service(&room, from, &to);
	rc = room_make(&room, &to.block);
	if (rc)
		return rc;
	lay_service(&room, from, &to);
	*ret_service = to;
	return 0;
}
