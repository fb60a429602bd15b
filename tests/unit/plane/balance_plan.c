/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Plans of global services: the order of operations, limits at their edges, and, in real maps, plans
 * that were carried out in part. No kernel is needed but for the last.
 */
#include "unit/plane/host.h"

#include <arpa/inet.h>

#include "core/defs.h"
#include "plane/balance_parts.h"

#define N 3
#define MOST 12

struct scene {
	struct service service;
	struct service_backend backends[MOST];
	struct service_target targets[MOST];
	struct service_pool pool;
	struct service_frontend frontends[2];
};

static uint64_t versions;

static void scene(struct scene *s, const char *name, uint32_t vip, uint32_t first, uint32_t n, size_t vips)
{
	memset(s, 0, sizeof(*s));
	strcpy(s->service.space, "plan");
	strcpy(s->service.name, name);
	s->service.version = ++versions;
	s->service.backends = s->backends;
	s->service.n_backends = n;
	s->service.pools = &s->pool;
	s->service.n_pools = 1;
	s->pool.targets = s->targets;
	s->pool.n_targets = n;
	s->pool.frontends = s->frontends;
	s->pool.n_frontends = vips;
	for (uint32_t i = 0; i < 2; i++)
		s->frontends[i].key = (struct xm_service_key){
			.addr = xm_addr_v4(htonl(vip + i)), .port = htons(80), .proto = 6, .cluster = 1 };
	for (uint32_t i = 0; i < n; i++) {
		s->backends[i] = (struct service_backend){
			.addr = xm_addr_v4(htonl(first + i)), .port = 8080, .proto = 6, .cluster = 1,
			.node = 1, .port_name = 5, .state = XM_BACKEND_ACTIVE };
		s->targets[i] = (struct service_target){ i, 1 };
	}
}

/* Maps that are memory. */
static struct xm_backend *backends;
static uint32_t *maglev;

static struct balance_state empty(void)
{
	struct balance_state state = { .dir = "maps" };

	backends = calloc(XM_MAX_BACKENDS, sizeof(*backends));
	maglev = calloc(XM_MAGLEV_SLOTS, sizeof(*maglev));
	state.backends = backends;
	state.n_backends = XM_MAX_BACKENDS;
	state.maglev = maglev;
	assert_int_equal(balance_state_init(&state), 0);
	state.services = calloc(1, sizeof(struct installed *));
	return state;
}

static void done(struct balance_state *state)
{
	balance_state_done(state);
	free(backends);
	free(maglev);
}

static void carry_out(const struct balance_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++) {
		const struct balance_op *op = &plan->ops[i];

		if (op->kind == BALANCE_WRITE_BACKEND)
			backends[op->number] = op->backend;
		if (op->kind == BALANCE_SET_STATE)
			backends[op->number].state = op->state.state;
		if (op->kind == BALANCE_WRITE_SLICE)
			memcpy(maglev + (op->slice.where >> 32), plan->slots + op->slice.at,
			       (uint32_t)op->slice.where * sizeof(*maglev));
	}
}

static struct balance_plan plan_of(struct balance_state *state, struct scene *s, size_t n, uint64_t now_s,
				   int code)
{
	const struct service *list[N];
	struct balance_plan plan = { 0 };

	for (size_t i = 0; i < n; i++)
		list[i] = &s[i].service;
	assert_int_equal(balance_plan(state, list, n, now_s, 1, &plan, &err), code);
	carry_out(&plan);
	return plan;
}

/* The place of the first (or last) operation of a kind. */
static size_t first_of(const struct balance_plan *p, enum balance_op_kind kind)
{
	size_t i;

	for (i = 0; i < p->n && p->ops[i].kind != kind; i++)
		;
	assert_true(i < p->n);
	return i;
}

static size_t last_of(const struct balance_plan *p, enum balance_op_kind kind)
{
	size_t i;

	for (i = p->n; i && p->ops[i - 1].kind != kind; i--)
		;
	assert_true(i);
	return i - 1;
}

static void what_is_pointed_to_comes_first_and_goes_last(void **state)
{
	struct balance_state s = empty();
	static struct scene scenes[N];
	struct balance_plan p;

	scene(&scenes[0], "a", 0x0b000001, 0x0a000001, 3, 2);
	scene(&scenes[1], "b", 0x0b000101, 0x0a000101, 3, 1);
	p = plan_of(&s, scenes, 2, 0, 0);
	for (enum balance_op_kind kind = BALANCE_PUT_NAME; kind <= BALANCE_FILTER_ON; kind++)
		assert_true(last_of(&p, kind) < first_of(&p, BALANCE_PUT_SERVICE));
	assert_int_equal(p.n, 2 + 6 + 2 + 3 + 3);
	balance_plan_done(&p);
	p = plan_of(&s, scenes, 2, 0, 0);
	assert_int_equal(p.n, 0);
	balance_plan_done(&p);

	/* a loses a backend, a VIP, and one of its backends is down; b goes; c comes. */
	scene(&scenes[0], "a", 0x0b000001, 0x0a000001, 2, 1);
	scenes[0].pool.n_targets = 1;
	scenes[0].backends[1].state = XM_BACKEND_DOWN;
	scenes[0].backends[1].why = XM_WHY_NODE_DOWN;
	scene(&scenes[1], "c", 0x0b000201, 0x0a000201, 3, 1);
	p = plan_of(&s, scenes, 2, 1, 0);
	assert_true(last_of(&p, BALANCE_WRITE_SLICE) < first_of(&p, BALANCE_PUT_SERVICE));
	assert_true(last_of(&p, BALANCE_WRITE_BACKEND) < first_of(&p, BALANCE_PUT_SERVICE));
	assert_true(last_of(&p, BALANCE_PUT_SERVICE) < first_of(&p, BALANCE_DELETE_SERVICE));
	assert_true(last_of(&p, BALANCE_DELETE_SERVICE) < first_of(&p, BALANCE_FILTER_OFF));
	assert_true(last_of(&p, BALANCE_DELETE_SERVICE) < first_of(&p, BALANCE_SET_STATE));
	assert_true(first_of(&p, BALANCE_SET_STATE) < first_of(&p, BALANCE_DELETE_NAME));
	assert_int_equal(p.n_states, 1 + 1 + 3);
	balance_plan_done(&p);

	/* The grace period's end: slices emptied, numbers free. */
	p = plan_of(&s, scenes, 2, 1 + BALANCE_GRACE_S, 0);
	assert_int_equal(p.n, 2 + 4);
	assert_int_equal(p.ops[first_of(&p, BALANCE_SET_STATE)].state.state, XM_BACKEND_FREE);
	first_of(&p, BALANCE_CLEAR_SLICE);
	balance_plan_done(&p);
	done(&s);
}

static void a_filter_bit_that_goes_over_stays_on(void **state)
{
	struct balance_state s = empty();
	static struct scene scenes[N];
	struct balance_plan p;

	scene(&scenes[0], "a", 0x0b000001, 0x0a000001, 1, 1);
	p = plan_of(&s, scenes, 1, 0, 0);
	balance_plan_done(&p);
	scene(&scenes[0], "b", 0x0b000001, 0x0a000101, 1, 1);
	p = plan_of(&s, scenes, 1, 0, 0);
	for (size_t i = 0; i < p.n; i++)
		assert_true(p.ops[i].kind != BALANCE_FILTER_OFF && p.ops[i].kind != BALANCE_FILTER_ON);
	balance_plan_done(&p);
	done(&s);
}

/* Two services that just fit, then a third that does not: it is named, and the others stand. */
static void limits_hold_at_their_edges(void **state)
{
	static const struct { const char *map, *limit; } rows[] = {
		{ "xm_service_names", "its limit is 2 services" },
		{ "xm_services", "its limit is 2 frontends" },
		{ "xm_backends", "its limit is 4 backends" },
		{ "xm_maglev", "its limit is 16777216 slots" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct balance_state s = empty();
		static struct scene scenes[N];
		struct balance_plan p;
		uint32_t first;

		s.service_numbers.max = i == 0 ? 2 : 100;
		s.max_frontends = i == 1 ? 2 : 100;
		s.backend_numbers.max = i == 2 ? 4 : 100;
		for (uint32_t size = XM_MAGLEV_SLOTS / 4; i == 3 && size >= 256; size /= 4)
			for (int k = 0; k < 3; k++)
				assert_int_equal(slots_take(&s.slots, size, &first), 0);
		if (i == 3)
			slots_give(&s.slots, first, 256);
		scene(&scenes[0], "a", 0x0b000001, 0x0a000001, 2, 1);
		scene(&scenes[1], "b", 0x0b000101, 0x0a000101, 2, 1);
		scene(&scenes[2], "c", 0x0b000201, 0x0a000201, 2, 1);
		p = plan_of(&s, scenes, 2, 0, 0);
		balance_plan_done(&p);
		p = plan_of(&s, scenes, 3, 0, -ENOSPC);
		if (p.n || !strstr(err.text, rows[i].map) || !strstr(err.text, rows[i].limit) ||
		    !strstr(err.text, "plan/c stays"))
			fail_msg("%s: %zu operations, %s", rows[i].map, p.n, err.text);
		assert_int_equal(s.n_services, 2);
		balance_plan_done(&p);
		/* Room again, once the grace period of what went is over. */
		scenes[1] = scenes[2];
		scenes[1].service.backends = scenes[1].backends;
		scenes[1].service.pools = &scenes[1].pool;
		scenes[1].pool.targets = scenes[1].targets;
		scenes[1].pool.frontends = scenes[1].frontends;
		p = plan_of(&s, scenes, 1, 0, 0);
		balance_plan_done(&p);
		p = plan_of(&s, scenes, 2, BALANCE_GRACE_S, 0);
		assert_int_equal(s.n_services, 2);
		balance_plan_done(&p);
		done(&s);
	}
}

/* ---- in part ---- */

static uint32_t slot_of(const struct plane *plane, uint64_t slot)
{
	uint32_t number = 0;

	assert_done(balance_slots(plane, (uint32_t)slot, 1, &number, &err));
	return number;
}

/* Every frontend's slice holds backends of its service alone, and its filter bit is on. */
static void check_maps(const struct balance *b, const struct plane *plane, size_t k)
{
	struct service_tables *t;

	assert_done(balance_tables(plane, true, &t, &err));
	for (size_t i = 0; i < t->n_services; i++)
		for (size_t f = 0; f < t->services[i].n_frontends; f++) {
			const struct xm_service *s = &t->services[i].frontends[f].service;
			uint32_t bit = xm_addr_hash16(&s->key.addr);

			if (!(balance_bits(b->filter, s->key.scope)[bit / 64] >> bit % 64 & 1))
				fail_msg("after %zu operations: filter bit off", k);
			for (uint32_t slot = 0; slot < (uint32_t)s->where; slot++) {
				const struct xm_backend *to = &b->backends[slot_of(plane, (s->where >> 32) + slot)];

				if (to->service != s->number || to->state != XM_BACKEND_ACTIVE)
					fail_msg("after %zu operations: slot %u", k, slot);
			}
		}
	service_tables_free(t);
}

/* What is there, without places, numbers and times. */
static void digest(const struct balance *b, const struct plane *plane, uint64_t *ret_digest)
{
	struct service_tables *t;
	uint64_t h = 14695981039346656037ull;

	assert_done(balance_read(plane, &t, &err));
	for (size_t i = 0; i < t->n_services; i++) {
		const struct service_entry *e = &t->services[i];

		for (const char *c = e->name.name; *c; c++)
			h = (h ^ (uint8_t)*c) * 1099511628211ull;
		for (size_t f = 0; f < e->n_frontends; f++) {
			const struct xm_service *s = &e->frontends[f].service;

			h = (h ^ s->key.addr.d[1] ^ e->frontends[f].port_name) * 1099511628211ull;
			for (uint32_t slot = 0; slot < (uint32_t)s->where; slot++)
				h = (h ^ b->backends[slot_of(plane, (s->where >> 32) + slot)].addr.d[1]) *
				    1099511628211ull;
		}
		for (size_t k = 0; k < e->n_backends; k++)
			if (e->backends[k].backend.state != XM_BACKEND_GONE)
				h += e->backends[k].backend.addr.d[1] * (1 + e->backends[k].backend.state);
	}
	service_tables_free(t);
	*ret_digest = h;
}

static void wanted_before(struct scene *s)
{
	scene(&s[0], "a", 0x0b000001, 0x0a000001, 3, 2);
	scene(&s[1], "b", 0x0b000101, 0x0a000101, 3, 1);
}

/* a: another slice, a VIP less; b: goes, and its VIP over to c. */
static void wanted_after(struct scene *s)
{
	scene(&s[0], "a", 0x0b000001, 0x0a000002, 3, 1);
	s[0].backends[2].state = XM_BACKEND_DRAINING;
	s[0].pool.n_targets = 2;
	scene(&s[1], "c", 0x0b000101, 0x0a000201, 2, 2);
}

/* Everything out of the maps, at a time when all grace periods are over: a load takes a second. */
static void take_all_out(struct balance *b, uint64_t now_s)
{
	struct balance_result r;

	assert_done(balance_sync(b, NULL, 0, now_s, 1, &r, &err));
	balance_result_done(&r);
	assert_done(balance_sync(b, NULL, 0, now_s + BALANCE_GRACE_S, 1, &r, &err));
	balance_result_done(&r);
	assert_int_equal(b->state.slots.n_used, 0);
	assert_int_equal(balance_wait_s(b, now_s + BALANCE_GRACE_S), 0);
}

static void a_plan_that_ended_early_is_resumed(void **state)
{
	uint64_t want = 0, now;
	struct plane plane;
	size_t k, n = 1;

	host_need_root();
	plane = host_load();
	for (k = 0; k <= n; k++) {
		static struct scene s[N];
		const struct service *list[] = { &s[0].service, &s[1].service };
		const uint64_t at_s = 1000 * k;
		struct balance_plan plan;
		struct balance_result r;
		struct balance *b;
		uint32_t lost[MOST];
		size_t n_lost = 0;

		assert_done(balance_new(&plane, at_s, &b, &err));
		wanted_before(s);
		assert_done(balance_sync(b, list, 2, at_s, 1, &r, &err));
		wanted_after(s);
		assert_done(balance_plan(&b->state, list, 2, at_s + 1, 1, &plan, &err));
		n = plan.n;
		/* All first: what it comes to. */
		for (size_t i = 0; i < (k ? k - 1 : n); i++) {
			assert_done(balance_apply(b, &plan, i, i + 1, 1, lost, &n_lost, &err));
			check_maps(b, &plane, i + 1);
		}
		balance_plan_done(&plan);
		if (!k) {
			assert_int_equal(n_lost, 4);
			digest(b, &plane, &want);
		}
		balance_free(b);
		assert_done(balance_new(&plane, at_s + 2, &b, &err));
		assert_done(balance_sync(b, list, 2, at_s + 2, 1, &r, &err));
		balance_result_done(&r);
		check_maps(b, &plane, k);
		digest(b, &plane, &now);
		if (now != want)
			fail_msg("resumed after %zu of %zu operations it is something else", k - 1, n);
		assert_int_equal(balance_wait_s(b, at_s + 2), BALANCE_GRACE_S);
		take_all_out(b, at_s + 3);
		balance_free(b);
	}
	host_clean(&plane);
}

/* Slices that nothing points to are not given out before the grace period is over. */
static void a_slice_that_was_left_waits_after_a_restart(void **state)
{
	static struct scene s[N];
	const struct service *list[] = { &s[0].service };
	struct balance_result r;
	struct plane plane;
	struct balance *b;
	uint32_t used;

	host_need_root();
	plane = host_load();
	assert_done(balance_new(&plane, 0, &b, &err));
	scene(&s[0], "a", 0x0b000001, 0x0a000001, 3, 2);
	assert_done(balance_sync(b, list, 1, 0, 1, &r, &err));
	used = b->state.slots.n_used;
	assert_done(balance_sync(b, NULL, 0, 0, 1, &r, &err));
	balance_result_done(&r);
	balance_free(b);
	assert_done(balance_new(&plane, 100, &b, &err));
	assert_int_equal(b->state.slots.n_used, used);
	assert_int_equal(balance_wait_s(b, 100), BALANCE_GRACE_S);
	assert_done(balance_sync(b, NULL, 0, 100 + BALANCE_GRACE_S, 1, &r, &err));
	assert_int_equal(b->state.slots.n_used, 0);
	balance_free(b);
	/* Emptied: the next restart has nothing to wait for. */
	assert_done(balance_new(&plane, 200, &b, &err));
	assert_int_equal(balance_wait_s(b, 200), 0);
	balance_free(b);
	host_clean(&plane);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_pointed_to_comes_first_and_goes_last),
		cmocka_unit_test(a_filter_bit_that_goes_over_stays_on),
		cmocka_unit_test(limits_hold_at_their_edges),
		cmocka_unit_test(a_plan_that_ended_early_is_resumed),
		cmocka_unit_test(a_slice_that_was_left_waits_after_a_restart),
	};

	return cmocka_run_group_tests_name("balance_plan", tests, host_setup, host_teardown);
}
