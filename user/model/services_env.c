/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Nodes, their addresses and prefixes, in the order in which services look them up. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/addr.h"
#include "core/defs.h"
#include "model/services_parts.h"

static uint64_t clusters_digest(const struct services_input *in)
{
	uint64_t h = in->mesh->n_clusters;

	for (size_t i = 0; i < in->mesh->n_clusters; i++) {
		const struct config_cluster *c = in->mesh->clusters[i].config;

		h = XXH3_64bits_withSeed(c->name, strlen(c->name), h ^ (uint64_t)c->id << 32);
	}
	return h;
}

uint64_t env_digest(const struct services_input *in)
{
	uint64_t h = clusters_digest(in);

	for (size_t i = 0; i < in->mesh->n_clusters; i++) {
		const struct snapshot *s = in->mesh->clusters[i].snapshot;
		uint64_t words[2] = { s ? s->nodes_digest : 0, in->stale && in->stale[i] };

		h = XXH3_64bits_withSeed(words, sizeof(words), h);
	}
	for (size_t i = 0; i < in->n_nodes; i++) {
		const struct service_node *n = &in->nodes[i];
		uint32_t words[4] = { n->cluster, n->number, n->health, n->own };

		h = XXH3_64bits_withSeed(words, sizeof(words), h);
		h = XXH3_64bits_withSeed(&n->outer, sizeof(n->outer), h);
		h = XXH3_64bits_withSeed(n->name, strlen(n->name), h);
	}
	return h;
}

static int order_nodes(const void *va, const void *vb)
{
	const struct env_node *a = va, *b = vb;

	if (a->cluster != b->cluster)
		return a->cluster < b->cluster ? -1 : 1;
	return strcmp(a->name, b->name);
}

static int order_addrs(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct xm_addr));
}

static int order_prefixes(const void *va, const void *vb)
{
	const struct env_prefix *a = va, *b = vb;

	return memcmp(&a->prefix.addr, &b->prefix.addr, sizeof(struct xm_addr));
}

static int fill_nodes(const struct services_input *in, struct env *env)
{
	for (size_t i = 0; i < in->n_nodes; i++) {
		const struct service_node *n = &in->nodes[i];
		struct env_node *to = &env->nodes[env->n_nodes];
		size_t c = 0;

		while (c < env->n_clusters && env->ids[c] != n->cluster)
			c++;
		if (c == env->n_clusters)
			continue;
		*to = (struct env_node){ .cluster = c, .number = n->number, .outer = n->outer,
					 .health = n->health, .own = n->own };
		to->name = strdup(n->name);
		if (!to->name)
			return -ENOMEM;
		env->n_nodes++;
	}
	if (env->n_nodes)
		qsort(env->nodes, env->n_nodes, sizeof(*env->nodes), order_nodes);
	return 0;
}

static void fill_places(const struct services_input *in, struct env *env)
{
	for (size_t c = 0; c < env->n_clusters; c++) {
		const struct snapshot *s = in->mesh->clusters[c].snapshot;

		for (size_t i = 0; s && i < s->n_nodes; i++) {
			const struct node_object *n = &s->nodes[i];
			const struct env_node *known = env_node(env, c, n->name, NULL);

			if (!xm_addr_is_zero(&n->addr4))
				env->addrs[env->n_addrs++] = n->addr4;
			if (!xm_addr_is_zero(&n->addr6))
				env->addrs[env->n_addrs++] = n->addr6;
			for (size_t k = 0; k < n->n_cidrs; k++)
				env->prefixes[env->n_prefixes++] =
					(struct env_prefix){ n->cidrs[k], known };
		}
	}
	if (env->n_addrs)
		qsort(env->addrs, env->n_addrs, sizeof(*env->addrs), order_addrs);
	if (env->n_prefixes)
		qsort(env->prefixes, env->n_prefixes, sizeof(*env->prefixes), order_prefixes);
}

int env_new(const struct services_input *in, struct env **ret_env)
{
	struct env *env = calloc(1, sizeof(*env));
	size_t n_prefixes = 0, n_nodes = 0, n = in->mesh->n_clusters;

	if (!env)
		return -ENOMEM;
	env->digest = env_digest(in);
	env->clusters_digest = clusters_digest(in);
	for (size_t c = 0; c < n; c++) {
		const struct snapshot *s = in->mesh->clusters[c].snapshot;

		for (size_t i = 0; s && i < s->n_nodes; i++) {
			n_nodes++;
			n_prefixes += s->nodes[i].n_cidrs;
		}
	}
	env->ids = calloc(n + 1, sizeof(*env->ids));
	env->names = calloc(n + 1, sizeof(*env->names));
	env->stale = calloc(n + 1, sizeof(*env->stale));
	env->nodes = calloc(in->n_nodes + 1, sizeof(*env->nodes));
	env->addrs = calloc(2 * n_nodes + 1, sizeof(*env->addrs));
	env->prefixes = calloc(n_prefixes + 1, sizeof(*env->prefixes));
	if (!env->ids || !env->names || !env->stale || !env->nodes || !env->addrs || !env->prefixes)
		goto fail;
	env->n_clusters = n;
	for (size_t c = 0; c < n; c++) {
		env->ids[c] = in->mesh->clusters[c].config->id;
		snprintf(env->names[c], sizeof(env->names[c]), "%s", in->mesh->clusters[c].config->name);
		env->stale[c] = in->stale && in->stale[c];
	}
	if (fill_nodes(in, env))
		goto fail;
	fill_places(in, env);
	*ret_env = env;
	return 0;
fail:
	env_free(env);
	return -ENOMEM;
}

void env_free(struct env *env)
{
	if (!env)
		return;
	for (size_t i = 0; i < env->n_nodes; i++)
		free(env->nodes[i].name);
	free(env->ids);
	free(env->names);
	free(env->stale);
	free(env->nodes);
	free(env->addrs);
	free(env->prefixes);
	free(env);
}

/* The prefix that holds @addr. None overlap, so it is the last one that begins at or before it. */
static const struct env_prefix *prefix_of(const struct env *env, const struct xm_addr *addr)
{
	size_t low = 0, high = env->n_prefixes;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (memcmp(&env->prefixes[mid].prefix.addr, addr, sizeof(*addr)) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low && prefix_contains(&env->prefixes[low - 1].prefix, addr) ? &env->prefixes[low - 1]
									   : NULL;
}

const struct env_node *env_node(const struct env *env, size_t cluster, const char *name,
				const struct xm_addr *addr)
{
	struct env_node key = { .cluster = cluster, .name = (char *)name };
	const struct env_prefix *p;

	if (name)
		return env->n_nodes ? bsearch(&key, env->nodes, env->n_nodes, sizeof(key), order_nodes)
				    : NULL;
	p = prefix_of(env, addr);
	return p && p->node && p->node->cluster == cluster ? p->node : NULL;
}

bool env_is_node_addr(const struct env *env, const struct xm_addr *addr)
{
	return env->n_addrs &&
	       bsearch(addr, env->addrs, env->n_addrs, sizeof(*addr), order_addrs);
}

bool env_in_prefix(const struct env *env, const struct xm_addr *addr)
{
	return prefix_of(env, addr);
}
