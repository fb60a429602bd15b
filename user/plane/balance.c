/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Global services into the maps: the mapped arrays, adoption of what is pinned, plan and apply. The
 * order in which things are written is balance_plan.c's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/defs.h"
#include "plane/balance_parts.h"

#define FILTER_SIZE sizeof(struct xm_vip_filter)
#define BACKENDS_MIN (64u * 1024) /* bytes, of the first mapping */

/*
 * Pages of a mapped array count as the agent's memory, all of them: so only what holds backends is
 * mapped, up to @number and some room.
 */
static int map_backends(struct balance *b, uint32_t number, struct err *err)
{
	size_t want = ((size_t)number + 1) * sizeof(*b->backends), size = BACKENDS_MIN;
	void *p;
	int code;

	if (want <= b->backends_size)
		return 0;
	while (size < want)
		size *= 2;
	size = MIN(size, BALANCE_BACKENDS_SIZE);
	code = balance_map(b->plane, PLANE_xm_backends, size, PROT_READ | PROT_WRITE, &p, err);
	if (code)
		return code;
	if (b->backends)
		munmap(b->backends, b->backends_size);
	b->backends = p;
	b->backends_size = size;
	b->state.backends = p;
	b->state.n_backends = (uint32_t)(size / sizeof(*b->backends));
	return 0;
}

/* Up to the last number that was ever given: its generation goes on. */
static int map_used_backends(struct balance *b, struct err *err)
{
	static const struct xm_backend none;
	const struct xm_backend *all;
	uint32_t n = XM_MAX_BACKENDS;
	void *p;
	int code = balance_map(b->plane, PLANE_xm_backends, BALANCE_BACKENDS_SIZE, PROT_READ, &p, err);

	if (code)
		return code;
	for (all = p; n > 1 && !memcmp(&all[n - 1], &none, sizeof(none)); n--)
		;
	munmap(p, BALANCE_BACKENDS_SIZE);
	return map_backends(b, n - 1, err);
}

static int map_backends_of_plan(struct balance *b, const struct balance_plan *plan, struct err *err)
{
	uint32_t number = 0;

	for (size_t i = 0; i < plan->n; i++)
		if (plan->ops[i].kind == BALANCE_WRITE_BACKEND)
			number = MAX(number, plan->ops[i].number);
	return map_backends(b, number, err);
}

/* What the tables say is what state says; the slots are looked at once. */
static int adopt_tables(struct balance *b, struct service_tables *t, uint64_t now_s, struct err *err)
{
	void *maglev;
	int code = map_used_backends(b, err);

	if (!code)
		code = balance_map(b->plane, PLANE_xm_maglev, BALANCE_MAGLEV_SIZE, PROT_READ, &maglev, err);
	if (code)
		return code;
	b->state.maglev = maglev;
	code = balance_state_init(&b->state);
	if (!code)
		code = balance_adopt(&b->state, t, now_s);
	b->state.maglev = NULL;
	munmap(maglev, BALANCE_MAGLEV_SIZE);
	return code ? err_set(err, code, "out of memory") : 0;
}

static int adopt(struct balance *b, uint64_t now_s, struct err *err)
{
	struct service_tables *t;
	int code;

	code = balance_tables(b->plane, true, &t, err);
	if (code)
		return code;
	balance_state_done(&b->state);
	b->state.dir = b->plane->dir;
	b->state.backends = b->backends;
	b->state.n_backends = (uint32_t)(b->backends_size / sizeof(*b->backends));
	b->state.slice_is = balance_slice_is;
	b->state.maglev_fd = b->plane->map_fd[PLANE_xm_maglev];
	code = adopt_tables(b, t, now_s, err);
	service_tables_free(t);
	if (code)
		return code;
	/* Bits that no frontend stands behind, and those that one lacks. */
	for (uint32_t i = 0; i < 3 * XM_VIP_FILTER_BITS; i++) {
		uint32_t bit = i % XM_VIP_FILTER_BITS;
		__u64 *word = &balance_bits(b->filter, (uint8_t)(i / XM_VIP_FILTER_BITS))[bit / 64];

		if (b->state.bits[i] && !(*word >> bit % 64 & 1))
			__atomic_fetch_or(word, 1ull << bit % 64, __ATOMIC_SEQ_CST);
		else if (!b->state.bits[i] && *word >> bit % 64 & 1)
			__atomic_fetch_and(word, ~(1ull << bit % 64), __ATOMIC_SEQ_CST);
	}
	b->stale = false;
	return 0;
}

int balance_new(const struct plane *plane, uint64_t now_s, struct balance **ret_balance, struct err *err)
{
	struct balance *b = calloc(1, sizeof(*b));
	void *p;
	int code;

	if (!b)
		return err_set(err, -ENOMEM, "out of memory");
	b->plane = plane;
	code = balance_map(plane, PLANE_xm_vip_filter, FILTER_SIZE, PROT_READ | PROT_WRITE, &p, err);
	if (!code) {
		b->filter = p;
		code = adopt(b, now_s, err);
	}
	if (code) {
		balance_free(b);
		return code;
	}

	*ret_balance = b;
	return 0;
}

void balance_free(struct balance *b)
{
	if (!b)
		return;
	balance_state_done(&b->state);
	if (b->backends)
		munmap(b->backends, b->backends_size);
	if (b->filter)
		munmap(b->filter, FILTER_SIZE);
	free(b);
}

/* @changes: what to look at when it follows on what the maps hold, or NULL. */
static int bring(struct balance *b, const struct service *const *services, size_t n,
		 const struct services_changes *changes, uint64_t now_s, uint64_t wall_s,
		 struct balance_result *ret_result, struct err *err)
{
	struct balance_result result = { 0 };
	struct balance_plan plan = { 0 };
	struct err why = { .text = "" };
	bool follows = changes && !changes->listed && changes->from && b->at == changes->from && !b->stale;
	int code = 0, applied = 0;

	b->at = 0;
	if (b->stale)
		code = adopt(b, now_s, err);
	if (!code) {
		code = -ENOENT;
		if (follows)
			code = balance_plan_some(&b->state, changes->items, changes->n, now_s, wall_s,
						 &plan, err);
		if (code == -ENOENT)
			code = balance_plan(&b->state, services, n, now_s, wall_s, &plan, err);
		b->stale = code && code != -ENOSPC;
		result.services = plan.n_services;
		result.ops = plan.n;
		result.lost = plan.n_states ? malloc(plan.n_states * sizeof(*result.lost)) : NULL;
		if (plan.n_states && !result.lost)
			applied = err_set(&why, -ENOMEM, "out of memory");
		else
			applied = map_backends_of_plan(b, &plan, &why);
		if (!applied)
			applied = balance_apply(b, &plan, 0, plan.n, wall_s, result.lost, &result.n_lost,
						&why);
	}
	if (applied) {
		b->stale = true;
		code = err_set(err, applied, "%s", why.text);
	}
	balance_plan_done(&plan);
	if (!result.n_lost) {
		free(result.lost);
		result.lost = NULL;
	}
	if (!code && changes)
		b->at = changes->to;

	*ret_result = result;
	return code;
}

int balance_sync(struct balance *b, const struct service *const *services, size_t n,
		 uint64_t now_s, uint64_t wall_s, struct balance_result *ret_result, struct err *err)
{
	return bring(b, services, n, NULL, now_s, wall_s, ret_result, err);
}

int balance_follow(struct balance *b, const struct services *services, uint64_t now_s, uint64_t wall_s,
		   struct balance_result *ret_result, struct err *err)
{
	struct services_changes changes = services_changes(services);
	const struct service *const *list;
	size_t n;

	list = services_list(services, &n);
	return bring(b, list, n, &changes, now_s, wall_s, ret_result, err);
}

void balance_result_done(struct balance_result *result)
{
	free(result->lost);
	memset(result, 0, sizeof(*result));
}

uint64_t balance_wait_s(const struct balance *balance, uint64_t now_s)
{
	return grace_wait_s(&balance->state.grace, now_s);
}

const struct xm_backend *balance_backend(const struct balance *balance, uint32_t number)
{
	return number < balance->state.n_backends ? &balance->backends[number] : NULL;
}
