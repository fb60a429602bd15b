/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Nearest services, in the order of their names. */
#include "agent/nearset.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/defs.h"
#include "core/vec.h"
#include "model/policy.h"

/* Nothing that is in it moves afterwards. */
static int relist(struct nearset *set)
{
	struct service_nearest *list = realloc(set->list, (set->n + 1) * sizeof(*list));

	if (!list)
		return -ENOMEM;
	set->list = list;
	for (size_t i = 0; i < set->n; i++)
		list[i] = (struct service_nearest){ set->items[i].space, set->items[i].name,
						    &set->items[i].nearest };
	return 0;
}

/* The cluster of that name among those that back the service; 0: none. */
static uint16_t id_of(const struct plane *plane, const struct service_entry *entry, const char *name)
{
	uint16_t last = 0;

	for (size_t i = 0; i < entry->n_backends; i++) {
		const uint16_t id = entry->backends[i].backend.cluster;
		struct xm_cluster cluster;

		if (id == last)
			continue;
		last = id;
		if (!bpf_map_lookup_elem(plane->map_fd[PLANE_xm_clusters], &id, &cluster) &&
		    !strncmp(cluster.name, name, sizeof(cluster.name)))
			return id;
	}
	return 0;
}

static int seed(struct nearest *nearest, const struct plane *plane, const struct service_entry *entry,
		const char *text)
{
	auto_free struct weight_object *weights = NULL;
	size_t n = 0;
	int code = policy_parse_nearest(text, &weights, &n);

	/* Pinned state is input: what cannot be read is not known. */
	if (code == -EINVAL)
		return 0;
	for (size_t i = 0; !code && i < n; i++) {
		uint16_t id = id_of(plane, entry, weights[i].cluster);

		if (id && weights[i].weight)
			code = nearest_seed(nearest, id, weights[i].weight);
	}
	return code;
}

int nearset_seed(struct nearset *set, const struct plane *plane, const struct service_tables *tables)
{
	int code = 0;

	for (size_t i = 0; !code && i < tables->n_services; i++) {
		const struct xm_service_name *name = &tables->services[i].name;
		struct nearset_item *item;
		char text[sizeof(name->weights) + 1];

		snprintf(text, sizeof(text), "%.*s", (int)sizeof(name->weights), name->weights);
		if (!policy_is_nearest(text))
			continue;
		if (vec_grow(&set->items, set->n, sizeof(*set->items)))
			return -ENOMEM;
		item = &set->items[set->n++];
		*item = (struct nearset_item){ 0 };
		snprintf(item->space, sizeof(item->space), "%.63s", name->space);
		snprintf(item->name, sizeof(item->name), "%.63s", name->name);
		code = seed(&item->nearest, plane, &tables->services[i], text);
	}
	return code ? code : relist(set);
}

static int order(const struct nearset_item *item, const struct service *service)
{
	int diff = strcmp(item->space, service->space);

	return diff ? diff : strcmp(item->name, service->name);
}

int nearset_follow(struct nearset *set, const struct service *const *services, size_t n)
{
	struct nearset next = { 0 };
	size_t n_nearest = 0, at = 0;

	for (size_t i = 0; i < n; i++)
		n_nearest += services[i]->nearest;
	next.items = calloc(n_nearest + 1, sizeof(*next.items));
	if (!next.items)
		return -ENOMEM;
	next.n = n_nearest;
	if (relist(&next)) {
		free(next.items);
		return -ENOMEM;
	}
	n_nearest = 0;
	for (size_t i = 0; i < n; i++) {
		struct nearset_item *item = &next.items[n_nearest];

		if (!services[i]->nearest)
			continue;
		while (at < set->n && order(&set->items[at], services[i]) < 0)
			at++;
		snprintf(item->space, sizeof(item->space), "%s", services[i]->space);
		snprintf(item->name, sizeof(item->name), "%s", services[i]->name);
		if (at < set->n && !order(&set->items[at], services[i])) {
			item->nearest = set->items[at].nearest;
			set->items[at].nearest = (struct nearest){ 0 };
		}
		n_nearest++;
	}
	nearset_done(set);
	*set = next;
	return 0;
}

void nearset_done(struct nearset *set)
{
	for (size_t i = 0; i < set->n; i++)
		nearest_done(&set->items[i].nearest);
	free(set->items);
	free(set->list);
	*set = (struct nearset){ 0 };
}
