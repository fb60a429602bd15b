/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * VIPs that two services claim: the first by name has it, the other is told so and gets it back
 * when it is free again. Part of services_update().
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/addr.h"
#include "core/defs.h"
#include "core/vec.h"
#include "model/services_parts.h"

static bool has_lost(const struct entry *e, const struct xm_service_key *key)
{
	struct xm_service_key client = *key;

	/* Who lost a VIP as a client's has lost it at the edge. */
	if (client.scope == XM_SCOPE_EDGE)
		client.scope = XM_SCOPE_CLIENT;
	for (size_t i = 0; i < e->n_lost; i++)
		if (!memcmp(&e->lost[i], &client, sizeof(client)))
			return true;
	return false;
}

/* Frontends, that of the services before conflicts: the published ones and those that were lost. */
bool services_claims_changed(const struct entry *e)
{
	const struct service *a = &e->service, *b = &e->next.service;

	if (e->n_lost || a->n_pools != b->n_pools)
		return true;
	for (size_t i = 0; i < a->n_pools; i++) {
		const struct service_pool *p = &a->pools[i], *q = &b->pools[i];

		if (p->n_frontends != q->n_frontends)
			return true;
		for (size_t k = 0; k < p->n_frontends; k++)
			if (memcmp(&p->frontends[k].key, &q->frontends[k].key, sizeof(q->frontends[k].key)))
				return true;
	}
	return false;
}

struct claim { struct xm_service_key key; struct entry *owner; };

/* True: @key is @e's, now if nobody had it. */
static bool claim(struct claim *table, size_t mask, const struct xm_service_key *key, struct entry *e,
		  struct entry **ret_owner)
{
	size_t i = XXH3_64bits(key, sizeof(*key)) & mask;

	while (table[i].owner && memcmp(&table[i].key, key, sizeof(*key)))
		i = (i + 1) & mask;
	if (!table[i].owner)
		table[i] = (struct claim){ *key, e };
	*ret_owner = table[i].owner;
	return table[i].owner == e;
}

static int lose(struct entry *e, const struct xm_service_key *key, const struct entry *owner)
{
	char buf[ADDR_TEXT_MAX];

	if (has_lost(e, key))
		return 0;
	if (vec_grow(&e->lost, e->n_lost, sizeof(*e->lost)))
		return -ENOMEM;
	e->lost[e->n_lost++] = *key;
	return vec_note(&e->next.notes, &e->next.n_notes,
			"service %s/%s: %s port %u is a virtual address of %s/%s already, which has it: "
			"left out", e->space, e->name, addr_format(&key->addr, buf),
			__builtin_bswap16(key->port), owner->space, owner->name);
}

/* Give every VIP to the first service by name. Those that lost or get back one are merged anew. */
int services_settle(struct services *s, const struct mesh *mesh, struct env *env)
{
	auto_free struct claim *table = NULL;
	size_t n = 0, size = 64;
	int rc = 0;

	/* Who lost something may have it back: its own frontends are not all known now. */
	for (size_t i = 0; s->n_lost && !rc && i < s->n_entries; i++) {
		struct entry *e = s->entries[i];

		if (!e->n_lost)
			continue;
		rc = services_mark(s, e);
		if (!rc && !e->merged)
			rc = services_merge(s, mesh, env, e);
	}
	for (size_t i = 0; i < s->n_entries; i++) {
		struct entry *e = s->entries[i];
		const struct service *v = e->dirty ? &e->next.service : &e->service;

		for (size_t p = 0; p < v->n_pools; p++)
			n += v->pools[p].n_frontends;
	}
	while (size < 2 * n)
		size *= 2;
	table = calloc(size, sizeof(*table));
	if (!table)
		return -ENOMEM;
	s->n_lost = 0;
	for (size_t i = 0; !rc && i < s->n_entries; i++) {
		struct entry *e = s->entries[i], *owner;
		const struct service *v = e->dirty ? &e->next.service : &e->service;

		e->n_lost = 0;
		for (size_t p = 0; !rc && p < v->n_pools; p++) {
			if (v->pools[p].scope == XM_SCOPE_EDGE)
				continue;
			for (size_t k = 0; !rc && k < v->pools[p].n_frontends; k++) {
				if (claim(table, size - 1, &v->pools[p].frontends[k].key, e, &owner))
					continue;
				/* Merged after the loop's own pointers are read: the same frontends. */
				rc = services_mark(s, e);
				if (!rc && !e->merged) {
					rc = services_merge(s, mesh, env, e);
					v = &e->next.service;
				}
				if (!rc)
					rc = lose(e, &v->pools[p].frontends[k].key, owner);
			}
		}
		s->n_lost += e->n_lost;
	}
	return rc;
}

void services_drop_lost(struct entry *e)
{
	struct service *v = &e->next.service;

	for (size_t p = 0; e->n_lost && p < v->n_pools; p++) {
		struct service_pool *pool = &v->pools[p];
		size_t kept = 0;

		for (size_t k = 0; k < pool->n_frontends; k++)
			if (!has_lost(e, &pool->frontends[k].key))
				pool->frontends[kept++] = pool->frontends[k];
		pool->n_frontends = kept;
	}
}
