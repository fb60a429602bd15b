/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One service: numbers for its backends, slices for its pools. Everything here is written where no
 * frontend points to yet, but for a backend's state that becomes ACTIVE; what must follow the flip
 * is balance.c's.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/defs.h"
#include "model/maglev.h"
#include "plane/balance_parts.h"

/* The order of service->backends. */
static int compare(const struct xm_backend *a, const struct service_backend *b)
{
	int x = a->flags & XM_BACKEND_IS_NODE, y = b->flags & XM_BACKEND_IS_NODE, order;

	if (x != y)
		return x - y;
	order = memcmp(&a->addr, &b->addr, sizeof(a->addr));
	if (order)
		return order;
	if (ntohs(a->port) != b->port)
		return ntohs(a->port) - b->port;
	if (a->proto != b->proto)
		return a->proto - b->proto;
	return (a->port_name > b->port_name) - (a->port_name < b->port_name);
}

bool balance_had(const struct change *change, uint32_t number)
{
	size_t i;

	for (i = 0; i < change->s->n_numbers; i++)
		if (change->s->numbers[i] == number)
			return true;
	return false;
}

static uint64_t wait_s(const struct balance *b, uint64_t now_s)
{
	uint64_t wait = balance_wait_s(b, now_s);

	return wait ? wait : BALANCE_GRACE_S;
}

static int new_backend(struct balance *b, const struct change *c, const struct service_backend *w,
		       uint64_t now_s, uint64_t wall_s, uint32_t *ret_number, struct err *err)
{
	struct xm_backend *to;
	uint32_t number;

	if (numbers_take(&b->backend_numbers, &number))
		return err_set(err, -ENOSPC,
			       "%s/xm_backends is full: its limit is %u backends, and %zu numbers wait "
			       "out their grace period (the next in %llu s): service %.63s/%.63s stays "
			       "as it is: take services or backends away", b->plane->dir,
			       XM_MAX_BACKENDS - 1, b->grace.n_of[WAITING_BACKEND],
			       (unsigned long long)wait_s(b, now_s), c->want->space, c->want->name);
	to = &b->backends[number];
	to->addr = w->addr;
	to->node = w->node;
	to->service = c->s->number;
	to->port_name = w->port_name;
	to->cluster = w->cluster;
	to->port = htons(w->port);
	to->proto = w->proto;
	to->flags = w->flags;
	to->why = w->why;
	to->since_s = wall_s;
	to->generation++;
	/* Whoever sees the state sees the rest. */
	__atomic_store_n(&to->state, w->state, __ATOMIC_RELEASE);
	*ret_number = number;
	return 0;
}

static void change_backend(struct xm_backend *to, const struct service_backend *w, uint64_t wall_s)
{
	to->node = w->node;
	to->cluster = w->cluster;
	to->flags = w->flags;
	if (to->state == w->state) {
		to->why = w->why;
	} else if (w->state == XM_BACKEND_ACTIVE) {
		to->why = w->why;
		to->since_s = wall_s;
		__atomic_store_n(&to->state, w->state, __ATOMIC_RELEASE);
	}
}

static int prepare_backends(struct balance *b, struct change *c, uint64_t now_s, uint64_t wall_s,
			    size_t *ops, struct err *err)
{
	const struct service *want = c->want;
	size_t i, k = 0;
	int code;

	for (i = 0; i < want->n_backends; i++) {
		const struct service_backend *w = &want->backends[i];

		while (k < c->s->n_numbers && compare(&b->backends[c->s->numbers[k]], w) < 0)
			k++;
		if (k < c->s->n_numbers && !compare(&b->backends[c->s->numbers[k]], w)) {
			c->numbers[i] = c->s->numbers[k++];
			change_backend(&b->backends[c->numbers[i]], w, wall_s);
			continue;
		}
		code = new_backend(b, c, w, now_s, wall_s, &c->numbers[i], err);
		if (code)
			return code;
		(*ops)++;
	}
	return 0;
}

static uint64_t identity(const struct service_backend *w)
{
	uint64_t h = w->addr.d[0] * 0x9e3779b97f4a7c15ull;

	h = (h ^ h >> 29 ^ w->addr.d[1]) * 0xbf58476d1ce4e5b9ull;
	return (h ^ h >> 32 ^ (uint64_t)w->port << 8 ^ w->proto) * 0x94d049bb133111ebull;
}

static const struct service_frontend_entry *find(const struct installed *s,
						 const struct xm_service_key *key)
{
	size_t i;

	for (i = 0; i < s->n_frontends; i++)
		if (!memcmp(&s->frontends[i].key, key, sizeof(*key)))
			return &s->frontends[i];
	return NULL;
}

/* The slice that the pool's frontends have, of the first one that has one; 0 = none. */
static uint64_t slice_before(const struct change *c, const struct service_pool *pool)
{
	size_t i, k;

	for (i = 0; i < pool->n_frontends; i++) {
		const struct service_frontend_entry *old = find(c->s, &pool->frontends[i].key);

		if (!old || !(uint32_t)old->service.where)
			continue;
		/* Another pool may have kept it already. */
		for (k = 0; k < c->n_frontends; k++)
			if (c->frontends[k].service.where == old->service.where)
				break;
		if (k == c->n_frontends)
			return old->service.where;
	}
	return 0;
}

static int make_table(struct balance *b, const struct change *c, const struct service_pool *pool,
		      uint32_t size)
{
	auto_free struct maglev_target *targets = NULL;
	uint32_t *grown;
	size_t i;

	if (size > b->scratch_n) {
		grown = realloc(b->scratch, size * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		b->scratch = grown;
		b->scratch_n = size;
	}
	targets = malloc(pool->n_targets * sizeof(*targets));
	if (!targets)
		return -ENOMEM;
	for (i = 0; i < pool->n_targets; i++) {
		targets[i].identity = identity(&c->want->backends[pool->targets[i].backend]);
		targets[i].weight = pool->targets[i].weight;
		targets[i].value = c->numbers[pool->targets[i].backend];
	}
	return maglev_fill(targets, pool->n_targets, size, b->scratch);
}

static bool is_same(const struct balance *b, uint32_t first, uint32_t size)
{
	return !memcmp(b->maglev + first, b->scratch, size * sizeof(*b->scratch));
}

static int prepare_slice(struct balance *b, struct change *c, const struct service_pool *pool,
			 uint64_t now_s, size_t *ops, uint64_t *ret_where, struct err *err)
{
	uint64_t before = slice_before(c, pool);
	uint32_t size, first;
	int code;

	if (!pool->n_targets) {
		*ret_where = 0;
		return 0;
	}
	size = maglev_size(pool->n_targets, (uint32_t)before);
	code = make_table(b, c, pool, size);
	if (code)
		return err_set(err, code, "service %.63s/%.63s: no Maglev table: %s", c->want->space,
			       c->want->name, strerror(-code));
	if ((uint32_t)before == size && is_same(b, (uint32_t)(before >> 32), size)) {
		*ret_where = before;
		return 0;
	}
	if (slots_take(&b->slots, size, &first))
		return err_set(err, -ENOSPC,
			       "%s/xm_maglev is full: its limit is %u slots, %u are taken, %zu slices wait "
			       "out their grace period (the next ends in %llu s): service %.63s/%.63s needs "
			       "%u and stays as it is: take services or backends away", b->plane->dir,
			       XM_MAGLEV_SLOTS, b->slots.n_used, b->grace.n_of[WAITING_SLICE],
			       (unsigned long long)wait_s(b, now_s), c->want->space, c->want->name, size);
	memcpy(b->maglev + first, b->scratch, size * sizeof(*b->scratch));
	c->fresh[c->n_fresh++] = (uint64_t)first << 32 | size;
	(*ops)++;
	*ret_where = (uint64_t)first << 32 | size;
	return 0;
}

static int prepare_pools(struct balance *b, struct change *c, uint64_t now_s, uint64_t wall_s,
			 size_t *ops, struct err *err)
{
	uint64_t where = 0;
	size_t i, k;
	int code;

	for (i = 0; i < c->want->n_pools; i++) {
		const struct service_pool *pool = &c->want->pools[i];

		code = prepare_slice(b, c, pool, now_s, ops, &where, err);
		if (code)
			return code;
		for (k = 0; k < pool->n_frontends; k++) {
			const struct service_frontend_entry *old = find(c->s, &pool->frontends[k].key);
			struct service_frontend_entry *f = &c->frontends[c->n_frontends++];

			f->key = f->service.key = pool->frontends[k].key;
			f->service.where = where;
			f->service.number = c->s->number;
			f->service.affinity_s = c->want->affinity_s;
			f->service.n_targets = (uint32_t)pool->n_targets;
			f->service.kind = pool->frontends[k].kind;
			f->service.since_s = old ? old->service.since_s : wall_s;
		}
	}
	return 0;
}

int balance_prepare(struct balance *b, struct change *c, uint64_t now_s, uint64_t wall_s,
		    size_t *ops, struct err *err)
{
	size_t n = 0, i;
	int code;

	for (i = 0; i < c->want->n_pools; i++)
		n += c->want->pools[i].n_frontends;
	c->numbers = calloc(c->want->n_backends + 1, sizeof(*c->numbers));
	c->frontends = calloc(n + 1, sizeof(*c->frontends));
	c->fresh = calloc(c->want->n_pools + 1, sizeof(*c->fresh));
	if (!c->numbers || !c->frontends || !c->fresh)
		return err_set(err, -ENOMEM, "out of memory");
	code = prepare_backends(b, c, now_s, wall_s, ops, err);
	if (!code)
		code = prepare_pools(b, c, now_s, wall_s, ops, err);
	if (!code)
		return 0;
	/* Nothing points to any of it: free at once. */
	for (i = 0; i < c->n_fresh; i++)
		slots_give(&b->slots, (uint32_t)(c->fresh[i] >> 32), (uint32_t)c->fresh[i]);
	for (i = 0; i < c->want->n_backends; i++) {
		if (!c->numbers[i] || balance_had(c, c->numbers[i]))
			continue;
		b->backends[c->numbers[i]].state = XM_BACKEND_FREE;
		numbers_give(&b->backend_numbers, c->numbers[i]);
	}
	c->n_fresh = c->n_frontends = 0;
	return code;
}
