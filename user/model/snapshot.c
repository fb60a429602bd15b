/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The life of a snapshot, and its digests. Not for: filling one, which feed/decode.c and
 * model/recover.c do.
 */
#include "model/snapshot.h"

#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

void snapshot_free(struct snapshot *snapshot)
{
	if (!snapshot)
		return;
	for (size_t i = 0; i < snapshot->n_nodes; i++)
		free(snapshot->nodes[i].cidrs);
	free(snapshot->nodes);
	for (size_t i = 0; i < snapshot->n_services; i++) {
		struct service_object *s = &snapshot->services[i];

		free(s->vips);
		free(s->ports);
		free(s->prefer);
		free(s->weights);
	}
	free(snapshot->services);
	for (size_t i = 0; i < snapshot->n_slices; i++) {
		struct slice_object *s = &snapshot->slices[i];

		for (size_t k = 0; k < s->n_endpoints; k++)
			free(s->endpoints[k].node);
		free(s->endpoints);
		free(s->ports);
	}
	free(snapshot->slices);
	for (size_t i = 0; i < snapshot->n_warnings; i++)
		free(snapshot->warnings[i]);
	free(snapshot->warnings);
	free(snapshot);
}

static int order_names(const char *space_a, const char *name_a, const char *space_b,
		       const char *name_b)
{
	int diff = strcmp(space_a, space_b);

	return diff ? diff : strcmp(name_a, name_b);
}

static int order_services(const void *va, const void *vb)
{
	const struct service_object *a = va, *b = vb;

	return order_names(a->space, a->name, b->space, b->name);
}

static int order_slices(const void *va, const void *vb)
{
	const struct slice_object *a = va, *b = vb;

	return order_names(a->space, a->service, b->space, b->service);
}

static uint64_t hash_text(const char *text, uint64_t seed)
{
	return XXH3_64bits_withSeed(text, strlen(text) + 1, seed);
}

/* What has no order is summed up: each part's hash is mixed already. */
static uint64_t hash_ports(const struct port_object *ports, size_t n)
{
	uint64_t sum = n;

	for (size_t i = 0; i < n; i++) {
		uint32_t words[2] = { ports[i].name, (uint32_t)ports[i].port << 8 | ports[i].proto };

		sum += XXH3_64bits(words, sizeof(words));
	}
	return sum;
}

static uint64_t hash_slice(const struct slice_object *s)
{
	uint64_t sums[2] = { hash_ports(s->ports, s->n_ports), s->n_endpoints };

	for (size_t i = 0; i < s->n_endpoints; i++) {
		const struct endpoint_object *e = &s->endpoints[i];
		uint64_t seed = e->ready | e->serving << 1 | e->terminating << 2 | !!e->node << 3;

		if (e->node)
			seed ^= hash_text(e->node, 0);
		sums[1] += XXH3_64bits_withSeed(&e->addr, sizeof(e->addr), seed);
	}
	return XXH3_64bits(sums, sizeof(sums));
}

static uint64_t hash_service(const struct snapshot *snapshot, const struct service_object *s)
{
	uint64_t words[8] = {
		hash_text(s->space, 1),
		hash_text(s->name, 2),
		(uint64_t)s->affinity_s << 16 | s->has_service | s->imported << 1 | s->global << 2 |
			s->shared << 3 | s->headless << 4 | s->nearest << 5,
		s->n_vips,
		hash_ports(s->ports, s->n_ports),
		s->n_prefer,
		s->n_weights,
		s->n_slices,
	};

	for (size_t i = 0; i < s->n_vips; i++)
		words[3] += XXH3_64bits_withSeed(&s->vips[i].addr, sizeof(s->vips[i].addr),
						 s->vips[i].kind + 1);
	for (size_t i = 0; i < s->n_prefer; i++)
		words[5] = hash_text(s->prefer[i], words[5]);
	for (size_t i = 0; i < s->n_weights; i++)
		words[6] += hash_text(s->weights[i].cluster, s->weights[i].weight);
	for (size_t i = 0; i < s->n_slices; i++)
		words[7] += hash_slice(&snapshot->slices[s->first_slice + i]);
	return XXH3_64bits(words, sizeof(words));
}

static uint64_t hash_node(const struct node_object *n)
{
	uint64_t sum = hash_text(n->name, 3);

	sum = XXH3_64bits_withSeed(&n->addr4, sizeof(n->addr4), sum);
	sum = XXH3_64bits_withSeed(&n->addr6, sizeof(n->addr6), sum);
	return XXH3_64bits_withSeed(n->cidrs, n->n_cidrs * sizeof(*n->cidrs), sum);
}

void snapshot_finish(struct snapshot *s)
{
	size_t at = 0;

	if (s->n_services)
		qsort(s->services, s->n_services, sizeof(*s->services), order_services);
	if (s->n_slices)
		qsort(s->slices, s->n_slices, sizeof(*s->slices), order_slices);
	s->services_digest = s->n_services;
	for (size_t i = 0; i < s->n_services; i++) {
		struct service_object *service = &s->services[i];

		while (at < s->n_slices &&
		       order_names(s->slices[at].space, s->slices[at].service, service->space,
				   service->name) < 0)
			at++;
		service->first_slice = at;
		while (at < s->n_slices && !strcmp(s->slices[at].space, service->space) &&
		       !strcmp(s->slices[at].service, service->name))
			at++;
		service->n_slices = at - service->first_slice;
		for (size_t k = service->first_slice; service->publish_not_ready && k < at; k++) {
			for (size_t e = 0; e < s->slices[k].n_endpoints; e++) {
				s->slices[k].endpoints[e].ready = true;
				s->slices[k].endpoints[e].terminating = false;
			}
		}
		service->digest = hash_service(s, service);
		s->services_digest += XXH3_64bits(&service->digest, sizeof(service->digest));
	}
	s->nodes_digest = s->n_nodes;
	for (size_t i = 0; i < s->n_nodes; i++)
		s->nodes_digest += hash_node(&s->nodes[i]);
}
