/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One service's part of a plan: its number, numbers for its backends, slices for its pools, its
 * frontends; and what it leaves behind. Pure.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/defs.h"
#include "model/maglev.h"
#include "plane/balance_planner.h"

/* On its way from what is installed to what is wanted. */
struct change {
	struct planner *p;
	struct installed *s;
	const struct service *want;
	uint32_t number;
	struct xm_service_name name;
	uint32_t *numbers;                /* of want->backends */
	uint32_t *fresh; size_t n_fresh;  /* numbers taken for it */
	uint32_t *gone; size_t n_gone;    /* numbers that it leaves */
	struct service_frontend_entry *frontends; size_t n_frontends;
	uint64_t *slices; size_t n_slices; /* taken for it, as xm_service.where */
};

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

/* The first that does not fit is told; the others go on. */
static int does_not_fit(struct change *c, const char *map, const char *limit, enum waiting_kind kind)
{
	const struct grace *grace = &c->p->state->grace;
	uint64_t wait = grace_wait_s(grace, c->p->now_s);

	if (c->p->code)
		return -ENOSPC;
	c->p->code = -ENOSPC;
	if (grace->n_of[kind])
		return err_set(c->p->err, -ENOSPC,
			       "%s/%s is full: its limit is %s, and %zu wait out their grace period (the "
			       "next in %llu s): service %.63s/%.63s stays as it is: take services, "
			       "addresses or backends away", c->p->state->dir, map, limit,
			       grace->n_of[kind], (unsigned long long)wait, c->want->space, c->want->name);
	return err_set(c->p->err, -ENOSPC,
		       "%s/%s is full: its limit is %s: service %.63s/%.63s stays as it is: take services, "
		       "addresses or backends away", c->p->state->dir, map, limit, c->want->space,
		       c->want->name);
}

static int plan_name(struct change *c)
{
	const struct service *w = c->want;
	char limit[32];

	c->number = c->s->number;
	snprintf(limit, sizeof(limit), "%u services", c->p->state->service_numbers.max);
	if (!c->number && numbers_take(&c->p->state->service_numbers, &c->number))
		return does_not_fit(c, "xm_service_names", limit, WAITING_SERVICE);
	memcpy(c->name.space, w->space, sizeof(c->name.space));
	memcpy(c->name.name, w->name, sizeof(c->name.name));
	memcpy(c->name.prefer, w->prefer, sizeof(c->name.prefer));
	memcpy(c->name.weights, w->weights, sizeof(c->name.weights));
	c->name.affinity_s = w->affinity_s;
	c->name.since_s = c->s->name.since_s ? c->s->name.since_s : c->p->wall_s;
	if (memcmp(&c->name, &c->s->name, sizeof(c->name)))
		planner_add(c->p, PLANNER_WRITE, BALANCE_PUT_NAME, c->number)->name = &c->s->name;
	return 0;
}

static int new_backend(struct change *c, const struct service_backend *w, uint32_t *ret_number)
{
	const struct balance_state *state = c->p->state;
	struct numbers *numbers = &c->p->state->backend_numbers;
	struct balance_op *op;
	uint32_t number;
	char limit[32];

	snprintf(limit, sizeof(limit), "%u backends", numbers->max);
	if (numbers_take(numbers, &number))
		return does_not_fit(c, "xm_backends", limit, WAITING_BACKEND);
	c->fresh[c->n_fresh++] = number;
	op = planner_add(c->p, PLANNER_WRITE, BALANCE_WRITE_BACKEND, number);
	op->backend = (struct xm_backend){
		.addr = w->addr,
		.node = w->node,
		.service = c->number,
		.generation = (number < state->n_backends ? state->backends[number].generation : 0) + 1,
		.port_name = w->port_name,
		.cluster = w->cluster,
		.port = htons(w->port),
		.proto = w->proto,
		.state = w->state,
		.why = w->why,
		.flags = w->flags,
		.since_s = c->p->wall_s,
	};
	*ret_number = number;
	return 0;
}

/* One that it has: what gets better at once, what gets worse when no new connection finds it. */
static void change_backend(struct change *c, uint32_t number, const struct service_backend *w)
{
	struct xm_backend now = c->p->state->backends[number], then = now;
	struct balance_op *op;

	then.node = w->node;
	then.cluster = w->cluster;
	then.flags = w->flags;
	if (now.state == w->state || w->state == XM_BACKEND_ACTIVE)
		then.why = w->why;
	if (now.state != w->state && w->state == XM_BACKEND_ACTIVE) {
		then.state = w->state;
		then.since_s = c->p->wall_s;
	}
	if (memcmp(&now, &then, sizeof(now)))
		planner_add(c->p, PLANNER_WRITE, BALANCE_WRITE_BACKEND, number)->backend = then;
	if (then.state == w->state)
		return;
	op = planner_add(c->p, PLANNER_SETTLE, BALANCE_SET_STATE, number);
	op->state.state = w->state;
	op->state.why = w->why;
}

static int plan_backends(struct change *c)
{
	const struct xm_backend *backends = c->p->state->backends;
	const struct installed *s = c->s;
	size_t i, k = 0, n = c->want ? c->want->n_backends : 0;
	int code;

	for (i = 0; i < n; i++) {
		const struct service_backend *w = &c->want->backends[i];

		while (k < s->n_numbers && compare(&backends[s->numbers[k]], w) < 0)
			c->gone[c->n_gone++] = s->numbers[k++];
		if (k < s->n_numbers && !compare(&backends[s->numbers[k]], w)) {
			c->numbers[i] = s->numbers[k++];
			change_backend(c, c->numbers[i], w);
			continue;
		}
		code = new_backend(c, w, &c->numbers[i]);
		if (code)
			return code;
	}
	while (k < s->n_numbers)
		c->gone[c->n_gone++] = s->numbers[k++];
	return 0;
}

static uint64_t identity(const struct service_backend *w)
{
	uint64_t h = w->addr.d[0] * 0x9e3779b97f4a7c15ull;

	h = (h ^ h >> 29 ^ w->addr.d[1]) * 0xbf58476d1ce4e5b9ull;
	return (h ^ h >> 32 ^ (uint64_t)w->port << 8 ^ w->proto) * 0x94d049bb133111ebull;
}

static const struct service_frontend_entry *find(const struct service_frontend_entry *f, size_t n,
						 const struct xm_service_key *key)
{
	for (size_t i = 0; i < n; i++)
		if (!memcmp(&f[i].key, key, sizeof(*key)))
			return &f[i];
	return NULL;
}

static bool has_slice(const struct service_frontend_entry *f, size_t n, uint64_t where)
{
	for (size_t i = 0; i < n; i++)
		if (f[i].service.where == where)
			return true;
	return false;
}

/* The slice that the pool's frontends have, of the first one that has one; 0 = none. */
static uint64_t slice_before(const struct change *c, const struct service_pool *pool)
{
	for (size_t i = 0; i < pool->n_frontends; i++) {
		const struct service_frontend_entry *old =
			find(c->s->frontends, c->s->n_frontends, &pool->frontends[i].key);

		/* Another pool may have kept it already. */
		if (old && (uint32_t)old->service.where &&
		    !has_slice(c->frontends, c->n_frontends, old->service.where))
			return old->service.where;
	}
	return 0;
}

static bool is_slice(const struct balance_state *state, uint64_t where, const uint32_t *slots)
{
	if (!state->maglev)
		return state->slice_is(state->maglev_fd, where, slots);
	return !memcmp(state->maglev + (where >> 32), slots, (uint32_t)where * sizeof(*slots));
}

/* Behind the slots that are planned already, where they stay if the slice is a new one. */
static int make_table(struct change *c, const struct service_pool *pool, uint32_t size)
{
	auto_free struct maglev_target *targets = malloc(pool->n_targets * sizeof(*targets));
	struct planner *p = c->p;

	if (!targets)
		return -ENOMEM;
	if (p->n_slots + size > p->slots_capacity) {
		size_t capacity = 2 * (p->n_slots + size);
		uint32_t *grown = realloc(p->slots, capacity * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		p->slots = grown;
		p->slots_capacity = capacity;
	}
	for (size_t i = 0; i < pool->n_targets; i++) {
		targets[i].identity = identity(&c->want->backends[pool->targets[i].backend]);
		targets[i].weight = pool->targets[i].weight;
		targets[i].value = c->numbers[pool->targets[i].backend];
	}
	return maglev_fill(targets, pool->n_targets, size, p->slots + p->n_slots);
}

static int plan_slice(struct change *c, const struct service_pool *pool, uint64_t *ret_where)
{
	struct planner *p = c->p;
	uint64_t before = slice_before(c, pool);
	struct balance_op *op;
	uint32_t size, first;
	char limit[64];
	int code;

	if (!pool->n_targets) {
		*ret_where = 0;
		return 0;
	}
	size = maglev_size(pool->n_targets, (uint32_t)before);
	code = make_table(c, pool, size);
	if (code)
		return code;
	if ((uint32_t)before == size && is_slice(p->state, before, p->slots + p->n_slots)) {
		*ret_where = before;
		return 0;
	}
	snprintf(limit, sizeof(limit), "%u slots, of which %u are taken", XM_MAGLEV_SLOTS,
		 p->state->slots.n_used);
	if (slots_take(&p->state->slots, size, &first))
		return does_not_fit(c, "xm_maglev", limit, WAITING_SLICE);
	op = planner_add(p, PLANNER_WRITE, BALANCE_WRITE_SLICE, c->number);
	op->slice.where = (uint64_t)first << 32 | size;
	op->slice.at = p->n_slots;
	p->n_slots += size;
	c->slices[c->n_slices++] = op->slice.where;
	*ret_where = op->slice.where;
	return 0;
}

static int plan_pools(struct change *c)
{
	size_t n_new = 0, i, k;
	uint64_t where = 0;
	char limit[32];
	int code;

	for (i = 0; c->want && i < c->want->n_pools; i++) {
		const struct service_pool *pool = &c->want->pools[i];

		code = plan_slice(c, pool, &where);
		if (code)
			return code;
		for (k = 0; k < pool->n_frontends; k++) {
			const struct service_frontend_entry *old =
				find(c->s->frontends, c->s->n_frontends, &pool->frontends[k].key);
			struct service_frontend_entry *f = &c->frontends[c->n_frontends++];

			f->key = f->service.key = pool->frontends[k].key;
			f->service.where = where;
			f->service.number = c->number;
			f->service.affinity_s = c->want->affinity_s;
			f->service.n_targets = (uint32_t)pool->n_targets;
			f->service.kind = pool->frontends[k].kind;
			f->service.since_s = old ? old->service.since_s : c->p->wall_s;
			n_new += !old;
		}
	}
	snprintf(limit, sizeof(limit), "%zu frontends", c->p->state->max_frontends);
	/* Those that go are deleted after: until then both are there. */
	if (n_new && c->p->state->n_frontends + c->p->steps[PLANNER_DELETE].n + n_new >
		     c->p->state->max_frontends)
		return does_not_fit(c, "xm_services", limit, WAITING_SERVICE);
	return 0;
}

/* It fits: what points to the new, and what goes. */
static void commit_frontends(struct change *c)
{
	struct balance_state *state = c->p->state;
	struct installed *s = c->s;
	struct balance_op *op;
	size_t i;

	for (i = 0; i < c->n_frontends; i++) {
		const struct service_frontend_entry *f = &c->frontends[i];
		const struct service_frontend_entry *old = find(s->frontends, s->n_frontends, &f->key);
		uint32_t bit = xm_addr_hash16(&f->key.addr);

		if (!old && f->key.scope <= XM_SCOPE_NODE &&
		    !state->bits[f->key.scope * XM_VIP_FILTER_BITS + bit]++) {
			op = planner_add(c->p, PLANNER_WRITE, BALANCE_FILTER_ON, 0);
			op->filter.scope = f->key.scope;
			op->filter.bit = bit;
		}
		if (!old || memcmp(&old->service, &f->service, sizeof(f->service)))
			planner_add(c->p, PLANNER_PUT, BALANCE_PUT_SERVICE, c->number)->service = f->service;
	}
	for (i = 0; i < s->n_frontends; i++) {
		uint64_t where = s->frontends[i].service.where;

		if (!find(c->frontends, c->n_frontends, &s->frontends[i].key))
			planner_add(c->p, PLANNER_DELETE, BALANCE_DELETE_SERVICE, s->number)->service =
				s->frontends[i].service;
		if ((uint32_t)where && !has_slice(s->frontends, i, where) &&
		    !has_slice(c->frontends, c->n_frontends, where))
			grace_add(&state->grace, WAITING_SLICE, (uint32_t)(where >> 32), (uint32_t)where,
				  c->p->now_s + BALANCE_GRACE_S);
	}
	state->n_frontends += c->n_frontends;
	state->n_frontends -= s->n_frontends;
}

static void commit(struct change *c)
{
	struct balance_state *state = c->p->state;
	uint64_t until_s = c->p->now_s + BALANCE_GRACE_S;
	struct installed *s = c->s;
	struct balance_op *op;

	commit_frontends(c);
	for (size_t i = 0; i < c->n_gone; i++) {
		op = planner_add(c->p, PLANNER_SETTLE, BALANCE_SET_STATE, c->gone[i]);
		op->state.state = XM_BACKEND_GONE;
		op->state.why = XM_WHY_REMOVED;
		grace_add(&state->grace, WAITING_BACKEND, c->gone[i], 1, until_s);
	}
	free(s->frontends);
	free(s->numbers);
	s->frontends = take(c->frontends);
	s->n_frontends = c->n_frontends;
	s->numbers = take(c->numbers);
	s->n_numbers = c->want ? c->want->n_backends : 0;
	if (c->want) {
		s->number = c->number;
		s->name = c->name;
		s->version = c->want->version;
		s->current = true;
		return;
	}
	planner_add(c->p, PLANNER_SETTLE, BALANCE_DELETE_NAME, s->number);
	grace_add(&state->grace, WAITING_SERVICE, s->number, 1, until_s);
	s->number = 0;
}

/* Nothing points to any of it: free at once. */
static void give_back(struct change *c, const size_t *marks)
{
	struct balance_state *state = c->p->state;
	size_t i;

	for (i = 0; i < PLANNER_STEPS; i++)
		c->p->steps[i].n = marks[i];
	for (i = 0; i < c->n_slices; i++)
		slots_give(&state->slots, (uint32_t)(c->slices[i] >> 32), (uint32_t)c->slices[i]);
	for (i = 0; i < c->n_fresh; i++)
		numbers_give(&state->backend_numbers, c->fresh[i]);
	if (c->number && c->number != c->s->number)
		numbers_give(&state->service_numbers, c->number);
	c->s->current = false;
}

static int make_room(struct change *c)
{
	size_t n = 0, n_backends = c->want ? c->want->n_backends : 0, i;
	const struct installed *s = c->s;

	for (i = 0; c->want && i < c->want->n_pools; i++)
		n += c->want->pools[i].n_frontends;
	c->numbers = calloc(n_backends + 1, sizeof(*c->numbers));
	c->fresh = malloc((n_backends + 1) * sizeof(*c->fresh));
	c->gone = malloc((s->n_numbers + 1) * sizeof(*c->gone));
	c->frontends = calloc(n + 1, sizeof(*c->frontends));
	c->slices = malloc(((c->want ? c->want->n_pools : 0) + 1) * sizeof(*c->slices));
	if (!c->numbers || !c->fresh || !c->gone || !c->frontends || !c->slices)
		return -ENOMEM;
	return grace_reserve(&c->p->state->grace, s->n_numbers + s->n_frontends + 1);
}

int planner_service(struct planner *p, struct installed *s, const struct service *want)
{
	struct change c = { .p = p, .s = s, .want = want };
	size_t marks[PLANNER_STEPS], i;
	int code;

	for (i = 0; i < PLANNER_STEPS; i++)
		marks[i] = p->steps[i].n;
	p->n_services++;
	code = make_room(&c);
	if (!code && want)
		code = plan_name(&c);
	if (!code)
		code = plan_backends(&c);
	if (!code)
		code = plan_pools(&c);
	if (!code)
		commit(&c);
	else
		give_back(&c, marks);
	free(c.numbers);
	free(c.fresh);
	free(c.gone);
	free(c.frontends);
	free(c.slices);
	return code == -ENOSPC ? 0 : code;
}
