/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The order of each table's keys, as the model sorts them: the bytes of the key (memcmp) for
 * addresses and prefixes, the number otherwise. Internal to plane: plan.c merges by it, actual.c
 * sorts by it.
 */
#ifndef XMESH_PLANE_KEYS_H
#define XMESH_PLANE_KEYS_H

#include <string.h>

#include "model/wanted.h"

/* For qsort() and bsearch() over the arrays of struct wanted. */
static inline int keys_route(const void *a, const void *b)
{
	return memcmp(&((const struct wanted_route *)a)->prefix,
		      &((const struct wanted_route *)b)->prefix, sizeof(struct xm_prefix));
}

static inline int keys_node(const void *a, const void *b)
{
	return memcmp(&((const struct wanted_node *)a)->addr,
		      &((const struct wanted_node *)b)->addr, sizeof(struct xm_addr));
}

static inline int keys_pod(const void *a, const void *b)
{
	return memcmp(&((const struct wanted_pod *)a)->addr,
		      &((const struct wanted_pod *)b)->addr, sizeof(struct xm_addr));
}

static inline int keys_name(const void *a, const void *b)
{
	uint32_t x = ((const struct wanted_name *)a)->number;
	uint32_t y = ((const struct wanted_name *)b)->number;

	return (x > y) - (x < y);
}

static inline int keys_path(const void *a, const void *b)
{
	uint32_t x = ((const struct wanted_path *)a)->number;
	uint32_t y = ((const struct wanted_path *)b)->number;

	return (x > y) - (x < y);
}

static inline int keys_cluster(const void *a, const void *b)
{
	return ((const struct wanted_cluster *)a)->id - ((const struct wanted_cluster *)b)->id;
}

static inline int keys_iface(const void *a, const void *b)
{
	uint32_t x = ((const struct wanted_iface *)a)->ifindex;
	uint32_t y = ((const struct wanted_iface *)b)->ifindex;

	return (x > y) - (x < y);
}

#endif
