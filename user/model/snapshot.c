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

struct snapshot_block *snapshot_block_get(struct snapshot_block *block)
{
	__atomic_fetch_add(&block->refs, 1, __ATOMIC_RELAXED);
	return block;
}

void snapshot_block_put(struct snapshot_block *block)
{
	if (block && __atomic_fetch_sub(&block->refs, 1, __ATOMIC_ACQ_REL) == 1)
		free(block);
}

static void free_ports(struct port_object *ports, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(ports[i].text);
	free(ports);
}

void node_object_done(struct node_object *node)
{
	if (node->block)
		snapshot_block_put(node->block);
	else
		free(node->cidrs);
	memset(node, 0, sizeof(*node));
}

void slice_object_done(struct slice_object *slice)
{
	if (slice->block) {
		snapshot_block_put(slice->block);
	} else {
		for (size_t i = 0; i < slice->n_endpoints; i++)
			free(slice->endpoints[i].node);
		free(slice->endpoints);
		free_ports(slice->ports, slice->n_ports);
		free(slice->name);
	}
	memset(slice, 0, sizeof(*slice));
}

void service_object_done(struct service_object *service)
{
	if (service->block) {
		snapshot_block_put(service->block);
	} else {
		free(service->vips);
		free_ports(service->ports, service->n_ports);
		free(service->prefer);
		free(service->weights);
	}
	memset(service, 0, sizeof(*service));
}

void snapshot_free(struct snapshot *snapshot)
{
	if (!snapshot)
		return;
	if (snapshot->more_owners) {
		snapshot->more_owners--;
		return;
	}
	for (size_t i = 0; i < snapshot->n_nodes; i++)
		node_object_done(&snapshot->nodes[i]);
	free(snapshot->nodes);
	for (size_t i = 0; i < snapshot->n_services; i++)
		service_object_done(&snapshot->services[i]);
	free(snapshot->services);
	for (size_t i = 0; i < snapshot->n_slices; i++)
		slice_object_done(&snapshot->slices[i]);
	free(snapshot->slices);
	for (size_t i = 0; i < snapshot->n_warnings; i++)
		free(snapshot->warnings[i]);
	free(snapshot->warnings);
	free(snapshot);
}

struct snapshot *snapshot_hold(struct snapshot *snapshot)
{
	snapshot->more_owners++;
	return snapshot;
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

uint64_t snapshot_slice_digest(const struct slice_object *s)
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

uint64_t snapshot_service_digest(const struct service_object *s, uint64_t slices_sum)
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
	words[7] += slices_sum;
	return XXH3_64bits(words, sizeof(words));
}

uint64_t snapshot_node_digest(const struct node_object *n)
{
	uint64_t sum = hash_text(n->name, 3) + n->identity_bits;

	sum = XXH3_64bits_withSeed(&n->addr4, sizeof(n->addr4), sum);
	sum = XXH3_64bits_withSeed(&n->addr6, sizeof(n->addr6), sum);
	return XXH3_64bits_withSeed(n->cidrs, n->n_cidrs * sizeof(*n->cidrs), sum);
}

uint64_t snapshot_mix(uint64_t service_digest)
{
	return XXH3_64bits(&service_digest, sizeof(service_digest));
}

void snapshot_publish_not_ready(struct endpoint_object *endpoints, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		endpoints[i].ready = true;
		endpoints[i].terminating = false;
	}
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
		uint64_t sum = 0;

		while (at < s->n_slices &&
		       order_names(s->slices[at].space, s->slices[at].service, service->space,
				   service->name) < 0)
			at++;
		service->first_slice = at;
		while (at < s->n_slices && !strcmp(s->slices[at].space, service->space) &&
		       !strcmp(s->slices[at].service, service->name))
			at++;
		service->n_slices = at - service->first_slice;
		for (size_t k = service->first_slice; k < at; k++) {
			if (service->publish_not_ready)
				snapshot_publish_not_ready(s->slices[k].endpoints, s->slices[k].n_endpoints);
			sum += snapshot_slice_digest(&s->slices[k]);
		}
		service->digest = snapshot_service_digest(service, sum);
		s->services_digest += snapshot_mix(service->digest);
	}
	s->nodes_digest = s->n_nodes;
	for (size_t i = 0; i < s->n_nodes; i++)
		s->nodes_digest += snapshot_node_digest(&s->nodes[i]);
}
