/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the agent before left in the maps, as the state that plans begin from. Pure. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/defs.h"
#include "plane/balance_parts.h"

int balance_state_init(struct balance_state *state)
{
	state->max_frontends = XM_MAX_FRONTENDS;
	state->bits = calloc(3 * XM_VIP_FILTER_BITS, sizeof(*state->bits));
	if (!state->bits || slots_init(&state->slots) ||
	    numbers_init(&state->backend_numbers, XM_MAX_BACKENDS - 1) ||
	    numbers_init(&state->service_numbers, XM_MAX_SERVICES))
		return -ENOMEM;
	return 0;
}

void balance_installed_free(struct installed *s)
{
	if (!s)
		return;
	free(s->frontends);
	free(s->numbers);
	free(s);
}

void balance_state_done(struct balance_state *state)
{
	for (size_t i = 0; i < state->n_services; i++)
		balance_installed_free(state->services[i]);
	free(state->services);
	free(state->bits);
	slots_done(&state->slots);
	numbers_done(&state->backend_numbers);
	numbers_done(&state->service_numbers);
	grace_done(&state->grace);
	memset(state, 0, sizeof(*state));
}

/* The order of service->backends. */
static int by_backend(const void *a, const void *b, void *backends)
{
	const struct xm_backend *x = (const struct xm_backend *)backends + *(const uint32_t *)a;
	const struct xm_backend *y = (const struct xm_backend *)backends + *(const uint32_t *)b;
	int order = (x->flags & XM_BACKEND_IS_NODE) - (y->flags & XM_BACKEND_IS_NODE);

	if (!order)
		order = memcmp(&x->addr, &y->addr, sizeof(x->addr));
	if (!order)
		order = memcmp(&x->port, &y->port, sizeof(x->port));
	if (!order)
		order = x->proto - y->proto;
	return order ? order : (x->port_name > y->port_name) - (x->port_name < y->port_name);
}

/* Slices of one service; where none can be, the frontend is written anew. */
static void adopt_frontends(struct balance_state *state, struct installed *s)
{
	size_t i, k;

	state->n_frontends += s->n_frontends;
	for (i = 0; i < s->n_frontends; i++) {
		const struct xm_service_key *key = &s->frontends[i].key;
		uint64_t where = s->frontends[i].service.where;

		if (key->scope <= XM_SCOPE_NODE)
			state->bits[key->scope * XM_VIP_FILTER_BITS + xm_addr_hash16(&key->addr)]++;
		for (k = 0; k < i && s->frontends[k].service.where != where; k++)
			;
		if (k == i && (uint32_t)where &&
		    slots_claim(&state->slots, (uint32_t)(where >> 32), (uint32_t)where))
			s->frontends[i].service.where = 0;
	}
}

static int adopt_service(struct balance_state *state, struct service_entry *e, uint64_t now_s)
{
	struct installed *s = calloc(1, sizeof(*s));
	size_t i;

	if (!s)
		return -ENOMEM;
	state->services[state->n_services++] = s;
	s->name = e->name;
	s->number = e->number;
	numbers_claim(&state->service_numbers, e->number);
	/* Numbers rest: those after the last one that is in use come first. */
	if (e->number >= state->service_numbers.next)
		state->service_numbers.next = e->number;
	s->frontends = take(e->frontends);
	s->n_frontends = e->n_frontends;
	e->n_frontends = 0;
	adopt_frontends(state, s);
	s->numbers = calloc(e->n_backends + 1, sizeof(*s->numbers));
	if (!s->numbers || grace_reserve(&state->grace, e->n_backends))
		return -ENOMEM;
	for (i = 0; i < e->n_backends; i++) {
		numbers_claim(&state->backend_numbers, e->backends[i].number);
		if (e->backends[i].backend.state == XM_BACKEND_GONE)
			grace_add(&state->grace, WAITING_BACKEND, e->backends[i].number, 1,
				  now_s + BALANCE_GRACE_S);
		else
			s->numbers[s->n_numbers++] = e->backends[i].number;
	}
	qsort_r(s->numbers, s->n_numbers, sizeof(*s->numbers), by_backend, (void *)state->backends);
	return 0;
}

struct leftovers {
	struct balance_state *state;
	uint64_t until_s;
	int code;
};

/* A free block that is not empty was a slice: its readers may not be done with it. */
static void wait_for_block(void *arg, uint32_t first, uint32_t size)
{
	struct leftovers *l = arg;
	uint32_t i;

	for (i = 0; i < size && !l->state->maglev[first + i]; i++)
		;
	if (i == size || l->code)
		return;
	l->code = grace_reserve(&l->state->grace, 1);
	if (l->code)
		return;
	slots_claim(&l->state->slots, first, size);
	grace_add(&l->state->grace, WAITING_SLICE, first, size, l->until_s);
}

int balance_adopt(struct balance_state *state, struct service_tables *t, uint64_t now_s)
{
	struct leftovers l = { .state = state, .until_s = now_s + BALANCE_GRACE_S };
	size_t i;
	int code;

	state->services = calloc(t->n_services + 1, sizeof(struct installed *));
	code = state->services ? 0 : -ENOMEM;
	for (i = 0; !code && i < t->n_services; i++)
		code = adopt_service(state, &t->services[i], now_s);
	if (code)
		return code;
	slots_each_free(&state->slots, wait_for_block, &l);
	return l.code;
}
