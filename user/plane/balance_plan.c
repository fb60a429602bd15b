/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From what is installed to what is wanted, as operations in an order in which nothing ever points to
 * what is not written: names, backends, slices and filter bits; frontends; then frontends that go, and
 * at last their filter bits, states that get worse, backends and names that are left. Pure. One
 * service's part: balance_service.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/defs.h"
#include "plane/balance_planner.h"

struct balance_op *planner_add(struct planner *p, enum planner_step step, enum balance_op_kind kind,
			       uint32_t number)
{
	struct planner_ops *list = &p->steps[step];

	if (list->n == list->capacity) {
		size_t capacity = list->capacity ? 2 * list->capacity : 16;
		struct balance_op *grown = realloc(list->ops, capacity * sizeof(*grown));

		if (!grown) {
			p->no_memory = true;
			return &p->nowhere;
		}
		list->ops = grown;
		list->capacity = capacity;
	}
	list->ops[list->n].kind = kind;
	list->ops[list->n].number = number;
	return &list->ops[list->n++];
}

/* What has waited long enough. */
static void end_grace(struct planner *p)
{
	struct balance_state *state = p->state;
	struct balance_op *op;
	struct waiting w;

	while (grace_pop(&state->grace, p->now_s, &w)) {
		switch (w.kind) {
		case WAITING_SLICE:
			op = planner_add(p, PLANNER_WRITE, BALANCE_CLEAR_SLICE, 0);
			op->slice.where = (uint64_t)w.first << 32 | w.size;
			slots_give(&state->slots, w.first, w.size);
			break;
		case WAITING_BACKEND:
			op = planner_add(p, PLANNER_WRITE, BALANCE_SET_STATE, w.first);
			op->state.state = XM_BACKEND_FREE;
			op->state.why = XM_WHY_REMOVED;
			numbers_give(&state->backend_numbers, w.first);
			break;
		case WAITING_SERVICE:
			numbers_give(&state->service_numbers, w.first);
			break;
		}
	}
}

static int order(const struct installed *s, const struct service *w)
{
	int o = strcmp(s->name.space, w->space);

	return o ? o : strcmp(s->name.name, w->name);
}

static int come(const struct service *want, struct installed **ret_s)
{
	struct installed *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	memcpy(s->name.space, want->space, sizeof(s->name.space));
	memcpy(s->name.name, want->name, sizeof(s->name.name));
	*ret_s = s;
	return 0;
}

/* Wanted and installed side by side. Those whose version is the installed one are left alone. */
static int walk(struct planner *p, const struct service *const *want, size_t n)
{
	struct balance_state *state = p->state;
	struct installed **merged = malloc((state->n_services + n + 1) * sizeof(struct installed *));
	size_t i = 0, k = 0, m = 0;
	int code = merged ? 0 : -ENOMEM;

	while (!code && (i < n || k < state->n_services)) {
		int o = i == n ? -1 : k == state->n_services ? 1 : order(state->services[k], want[i]);
		const struct service *w = o < 0 ? NULL : want[i];
		struct installed *s;

		if (o > 0)
			code = come(w, &s);
		else
			s = state->services[k++];
		if (code)
			break;
		i += w != NULL;
		if (!w || !s->current || s->version != w->version)
			code = planner_service(p, s, w);
		/* Those that went, and those that could not come, leave the list. */
		if (s->number)
			merged[m++] = s;
		else
			balance_installed_free(s);
	}
	if (merged) {
		while (k < state->n_services)
			merged[m++] = state->services[k++];
		free(state->services);
		state->services = merged;
		state->n_services = m;
	}
	return code;
}

static struct installed *find(const struct balance_state *state, const struct service *w)
{
	size_t low = 0, high = state->n_services;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int o = order(state->services[mid], w);

		if (!o)
			return state->services[mid];
		if (o < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

/* Only now is it known which bits no frontend stands behind. */
static void filter_off(struct planner *p)
{
	const struct planner_ops *gone = &p->steps[PLANNER_DELETE];

	for (size_t i = 0; i < gone->n; i++) {
		const struct xm_service_key *key = &gone->ops[i].service.key;
		uint32_t bit = xm_addr_hash16(&key->addr);
		struct balance_op *op;

		if (key->scope > XM_SCOPE_NODE || --p->state->bits[key->scope * XM_VIP_FILTER_BITS + bit])
			continue;
		op = planner_add(p, PLANNER_UNMARK, BALANCE_FILTER_OFF, 0);
		op->filter.scope = key->scope;
		op->filter.bit = bit;
	}
}

static int join(struct planner *p, struct balance_plan *plan)
{
	size_t n = 0;
	int i;

	for (i = 0; i < PLANNER_STEPS; i++)
		n += p->steps[i].n;
	plan->ops = malloc((n + 1) * sizeof(*plan->ops));
	if (!plan->ops)
		return -ENOMEM;
	for (i = 0; i < PLANNER_STEPS; i++) {
		const struct planner_ops *list = &p->steps[i];

		if (list->n)
			memcpy(plan->ops + plan->n, list->ops, list->n * sizeof(*list->ops));
		plan->n += list->n;
		for (size_t k = 0; k < list->n; k++)
			plan->n_states += list->ops[k].kind == BALANCE_SET_STATE;
	}
	plan->slots = take(p->slots);
	plan->n_services = p->n_services;
	return 0;
}

static int some(struct planner *p, const struct service *const *services, size_t n)
{
	int code = 0;

	for (size_t i = 0; !code && i < n; i++) {
		struct installed *s = find(p->state, services[i]);

		if (!s->current || s->version != services[i]->version)
			code = planner_service(p, s, services[i]);
	}
	return code;
}

static int make(struct balance_state *state, const struct service *const *services, size_t n, bool all,
		uint64_t now_s, uint64_t wall_s, struct balance_plan *ret_plan, struct err *err)
{
	struct planner p = { .state = state, .now_s = now_s, .wall_s = wall_s, .err = err };
	struct balance_plan plan = { 0 };
	int code;

	end_grace(&p);
	code = all ? walk(&p, services, n) : some(&p, services, n);
	filter_off(&p);
	if (!code)
		code = p.no_memory ? -ENOMEM : join(&p, &plan);
	for (int i = 0; i < PLANNER_STEPS; i++)
		free(p.steps[i].ops);
	free(p.slots);
	if (code)
		return err_set(err, code, "out of memory");

	*ret_plan = plan;
	return p.code;
}

int balance_plan(struct balance_state *state, const struct service *const *services, size_t n,
		 uint64_t now_s, uint64_t wall_s, struct balance_plan *ret_plan, struct err *err)
{
	return make(state, services, n, true, now_s, wall_s, ret_plan, err);
}

int balance_plan_some(struct balance_state *state, const struct service *const *services, size_t n,
		      uint64_t now_s, uint64_t wall_s, struct balance_plan *ret_plan, struct err *err)
{
	for (size_t i = 0; i < n; i++)
		if (!find(state, services[i]))
			return -ENOENT;
	return make(state, services, n, false, now_s, wall_s, ret_plan, err);
}

void balance_plan_done(struct balance_plan *plan)
{
	free(plan->ops);
	free(plan->slots);
	memset(plan, 0, sizeof(*plan));
}
