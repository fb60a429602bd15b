/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From wanted services to the maps, in an order in which nothing ever points to what is not written:
 * names, backends, slices; filter bits; frontends; then frontends that go, their filter bits, and at
 * last backends that are left and slices that nothing points to. Adoption of what is pinned.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <bpf/bpf.h>

#include "core/defs.h"
#include "plane/balance_parts.h"

#define FILTER_SIZE sizeof(struct xm_vip_filter)

/* ---- filter ---- */

static __u64 *bits_of(struct xm_vip_filter *filter, uint8_t scope)
{
	return scope == XM_SCOPE_CLIENT ? filter->client :
	       scope == XM_SCOPE_EDGE   ? filter->edge :
					  filter->node;
}

static void filter_add(struct balance *b, const struct xm_service_key *key)
{
	uint32_t h = xm_addr_hash16(&key->addr) & (XM_VIP_FILTER_BITS - 1);

	if (key->scope > XM_SCOPE_NODE)
		return;
	b->bits[key->scope * XM_VIP_FILTER_BITS + h]++;
	__atomic_fetch_or(&bits_of(b->filter, key->scope)[h / 64], 1ull << h % 64, __ATOMIC_RELEASE);
}

static void filter_remove(struct balance *b, const struct xm_service_key *key)
{
	uint32_t h = xm_addr_hash16(&key->addr) & (XM_VIP_FILTER_BITS - 1);

	if (key->scope > XM_SCOPE_NODE || --b->bits[key->scope * XM_VIP_FILTER_BITS + h])
		return;
	__atomic_fetch_and(&bits_of(b->filter, key->scope)[h / 64], ~(1ull << h % 64), __ATOMIC_RELEASE);
}

/* ---- adoption ---- */

static void free_installed(struct installed *s)
{
	if (!s)
		return;
	free(s->frontends);
	free(s->numbers);
	free(s);
}

static const struct xm_backend *sort_base;

static int by_backend(const void *a, const void *b)
{
	const struct xm_backend *x = &sort_base[*(const uint32_t *)a], *y = &sort_base[*(const uint32_t *)b];
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
static void adopt_slices(struct balance *b, struct installed *s)
{
	size_t i, k;

	for (i = 0; i < s->n_frontends; i++) {
		uint64_t where = s->frontends[i].service.where;

		filter_add(b, &s->frontends[i].key);
		for (k = 0; k < i && s->frontends[k].service.where != where; k++)
			;
		if (k == i && (uint32_t)where &&
		    slots_claim(&b->slots, (uint32_t)(where >> 32), (uint32_t)where))
			s->frontends[i].service.where = 0;
	}
}

static int adopt_service(struct balance *b, struct service_entry *e, uint64_t now_s)
{
	struct installed *s = calloc(1, sizeof(*s));
	size_t i;

	if (!s)
		return -ENOMEM;
	b->services[b->n_services++] = s;
	memcpy(s->space, e->name.space, sizeof(s->space));
	memcpy(s->name, e->name.name, sizeof(s->name));
	s->number = e->number;
	numbers_claim(&b->service_numbers, e->number);
	s->frontends = take(e->frontends);
	s->n_frontends = e->n_frontends;
	e->n_frontends = 0;
	adopt_slices(b, s);
	s->numbers = calloc(e->n_backends + 1, sizeof(*s->numbers));
	if (!s->numbers || grace_reserve(&b->grace, e->n_backends))
		return -ENOMEM;
	for (i = 0; i < e->n_backends; i++) {
		numbers_claim(&b->backend_numbers, e->backends[i].number);
		if (e->backends[i].backend.state == XM_BACKEND_GONE)
			grace_add(&b->grace, WAITING_BACKEND, e->backends[i].number, 1,
				  now_s + BALANCE_GRACE_S);
		else
			s->numbers[s->n_numbers++] = e->backends[i].number;
	}
	sort_base = b->backends;
	qsort(s->numbers, s->n_numbers, sizeof(*s->numbers), by_backend);
	return 0;
}

static int adopt(struct balance *b, uint64_t now_s, struct err *err)
{
	struct service_tables *t;
	size_t i;
	int code;

	code = balance_tables(b->plane, true, &t, err);
	if (code)
		return code;
	b->services = calloc(t->n_services + 1, sizeof(struct installed *));
	code = b->services ? 0 : -ENOMEM;
	for (i = 0; !code && i < t->n_services; i++)
		code = adopt_service(b, &t->services[i], now_s);
	service_tables_free(t);
	if (code)
		return err_set(err, code, "out of memory");
	/* Bits that no frontend stands behind. */
	for (i = 0; i < 3 * XM_VIP_FILTER_BITS; i++) {
		uint32_t h = i % XM_VIP_FILTER_BITS;

		if (!b->bits[i])
			bits_of(b->filter, (uint8_t)(i / XM_VIP_FILTER_BITS))[h / 64] &= ~(1ull << h % 64);
	}
	return 0;
}

int balance_new(const struct plane *plane, uint64_t now_s, struct balance **ret_balance, struct err *err)
{
	struct balance *b = calloc(1, sizeof(*b));
	const int prot = PROT_READ | PROT_WRITE;
	void *p;
	int code;

	if (!b)
		return err_set(err, -ENOMEM, "out of memory");
	b->plane = plane;
	code = balance_map(plane, PLANE_xm_backends, BALANCE_BACKENDS_SIZE, prot, &p, err);
	if (!code) {
		b->backends = p;
		code = balance_map(plane, PLANE_xm_maglev, BALANCE_MAGLEV_SIZE, prot, &p, err);
	}
	if (!code) {
		b->maglev = p;
		code = balance_map(plane, PLANE_xm_vip_filter, FILTER_SIZE, prot, &p, err);
	}
	if (!code) {
		b->filter = p;
		b->bits = calloc(3 * XM_VIP_FILTER_BITS, sizeof(*b->bits));
		if (!b->bits || slots_init(&b->slots) ||
		    numbers_init(&b->backend_numbers, XM_MAX_BACKENDS - 1) ||
		    numbers_init(&b->service_numbers, XM_MAX_SERVICES))
			code = err_set(err, -ENOMEM, "out of memory");
	}
	if (!code)
		code = adopt(b, now_s, err);
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
	for (size_t i = 0; i < b->n_services; i++)
		free_installed(b->services[i]);
	free(b->services);
	if (b->backends)
		munmap(b->backends, BALANCE_BACKENDS_SIZE);
	if (b->maglev)
		munmap(b->maglev, BALANCE_MAGLEV_SIZE);
	if (b->filter)
		munmap(b->filter, FILTER_SIZE);
	free(b->bits);
	free(b->scratch);
	slots_done(&b->slots);
	numbers_done(&b->backend_numbers);
	numbers_done(&b->service_numbers);
	grace_done(&b->grace);
	free(b);
}

/* ---- sync ---- */

struct sync {
	struct balance *b;
	struct change *changes; size_t n;
	uint64_t now_s, wall_s;
	struct balance_result result;
	size_t lost_capacity;
	struct err *err;
	int code;                 /* of the first failure; its sentence is in err */
};

/* The first failure is told; the others go on. */
static void failed(struct sync *y, struct change *c, int code, const struct err *why)
{
	c->failed = true;
	if (y->code)
		return;
	y->code = code;
	err_set(y->err, code, "%s", why->text);
}

static int order(const char *space, const char *name, const struct service *w)
{
	int o = strcmp(space, w->space);

	return o ? o : strcmp(name, w->name);
}

/*
 * Wanted and installed side by side. Services that come get their place in the list here. No change
 * for those whose version is the installed one.
 */
static int find_changes(struct sync *y, const struct service *const *want, size_t n)
{
	struct balance *b = y->b;
	struct installed **merged = malloc((b->n_services + n + 1) * sizeof(struct installed *));
	size_t i = 0, k = 0, m = 0, capacity = 0;
	int code = merged ? 0 : -ENOMEM;

	while (!code && (i < n || k < b->n_services)) {
		int o = i == n ? -1 : k == b->n_services ? 1 :
				     order(b->services[k]->space, b->services[k]->name, want[i]);
		struct installed *s = o > 0 ? calloc(1, sizeof(*s)) : b->services[k];

		if (!s) {
			code = -ENOMEM;
			break;
		}
		if (o > 0) {
			memcpy(s->space, want[i]->space, sizeof(s->space));
			memcpy(s->name, want[i]->name, sizeof(s->name));
		} else {
			k++;
		}
		merged[m++] = s;
		if (!o && s->current && s->version == want[i]->version) {
			i++;
			continue;
		}
		if (y->n == capacity) {
			struct change *grown;

			capacity = capacity ? 2 * capacity : 16;
			grown = realloc(y->changes, capacity * sizeof(*grown));
			if (!grown) {
				code = -ENOMEM;
				break;
			}
			y->changes = grown;
		}
		memset(&y->changes[y->n], 0, sizeof(*y->changes));
		y->changes[y->n].s = s;
		y->changes[y->n++].want = o < 0 ? NULL : want[i++];
	}
	if (merged) {
		/* Also after a failure: what came is in the list, without a number. */
		while (k < b->n_services)
			merged[m++] = b->services[k++];
		free(b->services);
		b->services = merged;
		b->n_services = m;
	}
	return code;
}

static int put_name(struct sync *y, struct change *c, struct err *err)
{
	int fd = y->b->plane->map_fd[PLANE_xm_service_names], code;
	struct xm_service_name name = { 0 }, old = { 0 };
	const struct service *w = c->want;

	if (!c->s->number && numbers_take(&y->b->service_numbers, &c->s->number))
		return err_set(err, -ENOSPC, "%s/xm_service_names is full: its limit is %u services, and "
			       "%zu numbers wait out their grace period: service %.63s/%.63s is left out",
			       y->b->plane->dir, XM_MAX_SERVICES, y->b->grace.n_of[WAITING_SERVICE],
			       w->space, w->name);
	memcpy(name.space, w->space, sizeof(name.space));
	memcpy(name.name, w->name, sizeof(name.name));
	memcpy(name.prefer, w->prefer, sizeof(name.prefer));
	memcpy(name.weights, w->weights, sizeof(name.weights));
	name.affinity_s = w->affinity_s;
	name.since_s = bpf_map_lookup_elem(fd, &c->s->number, &old) ? y->wall_s : old.since_s;
	if (!memcmp(&name, &old, sizeof(name)))
		return 0;
	code = bpf_map_update_elem(fd, &c->s->number, &name, BPF_ANY);
	if (code)
		return err_set(err, code == -E2BIG ? -ENOSPC : code,
			       "cannot write %s/xm_service_names (limit: %u services): %s",
			       y->b->plane->dir, XM_MAX_SERVICES, strerror(-code));
	return 0;
}

static void prepare(struct sync *y)
{
	struct err why = { "" };
	size_t i;
	int code;

	for (i = 0; i < y->n; i++) {
		struct change *c = &y->changes[i];

		if (!c->want)
			continue;
		code = put_name(y, c, &why);
		if (!code)
			code = balance_prepare(y->b, c, y->now_s, y->wall_s, &y->result.ops, &why);
		if (code)
			failed(y, c, code, &why);
	}
}

static const struct service_frontend_entry *find(const struct service_frontend_entry *f, size_t n,
						 const struct xm_service_key *key)
{
	for (size_t i = 0; i < n; i++)
		if (!memcmp(&f[i].key, key, sizeof(*key)))
			return &f[i];
	return NULL;
}

static bool is_put(const struct change *c, const struct service_frontend_entry *f)
{
	const struct service_frontend_entry *old = find(c->s->frontends, c->s->n_frontends, &f->key);

	return !old || memcmp(&old->service, &f->service, sizeof(f->service));
}

static void put_one_by_one(struct sync *y, const struct xm_service_key *keys,
			   const struct xm_service *values, struct change **owners, size_t n)
{
	int fd = y->b->plane->map_fd[PLANE_xm_services], code;
	struct err why;

	for (size_t i = 0; i < n; i++) {
		code = bpf_map_update_elem(fd, &keys[i], &values[i], BPF_ANY);
		if (!code)
			continue;
		if (code == -E2BIG)
			err_set(&why, code = -ENOSPC, "%s/xm_services is full: its limit is %u frontends; "
				"service %.63s/%.63s is not in it whole: take services or their addresses "
				"away", y->b->plane->dir, XM_MAX_FRONTENDS, owners[i]->s->space,
				owners[i]->s->name);
		else
			err_set(&why, code, "cannot write %s/xm_services: %s", y->b->plane->dir,
				strerror(-code));
		failed(y, owners[i], code, &why);
	}
}

static int by_key(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct xm_service_key));
}

/* Frontends put, then those deleted that no service has any more. */
static int flip(struct sync *y)
{
	auto_free struct xm_service_key *keys = NULL, *gone = NULL;
	auto_free struct xm_service *values = NULL;
	auto_free struct change **owners = NULL;
	int fd = y->b->plane->map_fd[PLANE_xm_services];
	size_t i, k, n = 0, n_gone = 0, n_new = 0, n_old = 0;
	uint32_t count;

	for (i = 0; i < y->n; i++) {
		n_new += y->changes[i].n_frontends;
		n_old += y->changes[i].s->n_frontends;
	}
	keys = malloc((n_new + 1) * sizeof(*keys));
	values = malloc((n_new + 1) * sizeof(*values));
	owners = malloc((n_new + 1) * sizeof(struct change *));
	gone = malloc((n_old + 1) * sizeof(*gone));
	if (!keys || !values || !owners || !gone)
		return -ENOMEM;
	for (i = 0; i < y->n; i++) {
		struct change *c = &y->changes[i];

		for (k = 0; k < c->n_frontends; k++) {
			filter_add(y->b, &c->frontends[k].key);
			if (!is_put(c, &c->frontends[k]))
				continue;
			keys[n] = c->frontends[k].key;
			values[n] = c->frontends[k].service;
			owners[n++] = c;
		}
	}
	count = (uint32_t)n;
	if (n == 1 || (n && (bpf_map_update_batch(fd, keys, values, &count, NULL) || count != n)))
		put_one_by_one(y, keys, values, owners, n);
	y->result.ops += n;
	/* A frontend that went over to another service was put for that one just now. */
	qsort(keys, n, sizeof(*keys), by_key);
	for (i = 0; i < y->n; i++) {
		struct change *c = &y->changes[i];

		for (k = 0; !c->failed && k < c->s->n_frontends; k++)
			if (!find(c->frontends, c->n_frontends, &c->s->frontends[k].key) &&
			    !(n && bsearch(&c->s->frontends[k].key, keys, n, sizeof(*keys), by_key)))
				gone[n_gone++] = c->s->frontends[k].key;
	}
	for (i = 0; i < n_gone; i++) {
		int code = bpf_map_delete_elem(fd, &gone[i]);

		if (code && code != -ENOENT && !y->code)
			y->code = err_set(y->err, code, "cannot delete from %s/xm_services: %s",
					  y->b->plane->dir, strerror(-code));
	}
	y->result.ops += n_gone;
	return 0;
}

static int add_lost(struct sync *y, uint32_t number)
{
	struct balance_result *r = &y->result;
	uint32_t *grown;

	if (r->n_lost == y->lost_capacity) {
		y->lost_capacity = y->lost_capacity ? 2 * y->lost_capacity : 16;
		grown = realloc(r->lost, y->lost_capacity * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		r->lost = grown;
	}
	r->lost[r->n_lost++] = number;
	return 0;
}

static void set_state(struct sync *y, uint32_t number, uint8_t state, uint8_t why)
{
	struct xm_backend *b = &y->b->backends[number];

	b->why = why;
	b->since_s = y->wall_s;
	__atomic_store_n(&b->state, state, __ATOMIC_RELEASE);
}

/* States that get worse, and backends that leave, once no new connection finds them. */
static int settle_backends(struct sync *y, struct change *c)
{
	size_t n = c->want ? c->want->n_backends : 0, i, k;
	struct balance *b = y->b;
	int code = 0;

	for (i = 0; i < n; i++) {
		const struct service_backend *w = &c->want->backends[i];

		if (b->backends[c->numbers[i]].state == w->state)
			continue;
		set_state(y, c->numbers[i], w->state, w->why);
		if (w->state == XM_BACKEND_DOWN)
			code = code ? code : add_lost(y, c->numbers[i]);
	}
	/* Both are in the same order. */
	for (i = k = 0; i < c->s->n_numbers; i++) {
		if (k < n && c->numbers[k] == c->s->numbers[i]) {
			k++;
			continue;
		}
		for (size_t j = k; j < n; j++)
			if (c->numbers[j] == c->s->numbers[i]) {
				k = j + 1;
				break;
			}
		if (k && c->numbers && c->numbers[k - 1] == c->s->numbers[i])
			continue;
		set_state(y, c->s->numbers[i], XM_BACKEND_GONE, XM_WHY_REMOVED);
		code = code ? code : add_lost(y, c->s->numbers[i]);
		grace_add(&b->grace, WAITING_BACKEND, c->s->numbers[i], 1, y->now_s + BALANCE_GRACE_S);
		y->result.ops++;
	}
	return code;
}

static bool has_slice(const struct service_frontend_entry *f, size_t n, uint64_t where)
{
	for (size_t i = 0; i < n; i++)
		if (f[i].service.where == where)
			return true;
	return false;
}

/* Slices that the service had and has no more. */
static void settle_slices(struct sync *y, struct change *c)
{
	const struct service_frontend_entry *old = c->s->frontends;

	for (size_t i = 0; i < c->s->n_frontends; i++) {
		uint64_t where = old[i].service.where;

		filter_remove(y->b, &old[i].key);
		if ((uint32_t)where && !has_slice(old, i, where) &&
		    !has_slice(c->frontends, c->n_frontends, where))
			grace_add(&y->b->grace, WAITING_SLICE, (uint32_t)(where >> 32), (uint32_t)where,
				  y->now_s + BALANCE_GRACE_S);
	}
}

/*
 * Some of its frontends may point to the new slices and some to the old: both stay taken, and the
 * next call, which finds what is there, frees what it does not need.
 */
static int settle_failed(struct sync *y, struct change *c)
{
	int fd = y->b->plane->map_fd[PLANE_xm_services];
	struct service_frontend_entry *all;
	size_t n = c->s->n_frontends, i, k;

	if (!c->n_frontends)
		return 0;
	all = realloc(c->s->frontends, (n + c->n_frontends) * sizeof(*all));
	if (!all)
		return -ENOMEM;
	c->s->frontends = all;
	for (i = 0; i < c->n_frontends; i++) {
		struct xm_service now;
		bool there = !bpf_map_lookup_elem(fd, &c->frontends[i].key, &now);
		bool known = find(all, n, &c->frontends[i].key) != NULL;

		if (!there || known)
			filter_remove(y->b, &c->frontends[i].key);
		if (there && !known) {
			all[n].key = c->frontends[i].key;
			all[n++].service = now;
		}
	}
	/* Old entries that were replaced point elsewhere now; their slices go when none is left. */
	for (i = 0; i < c->s->n_frontends; i++) {
		uint64_t where = all[i].service.where;
		struct xm_service now;

		if (bpf_map_lookup_elem(fd, &all[i].key, &now) || now.where == where)
			continue;
		all[i].service = now;
		if ((uint32_t)where && !has_slice(all, n, where))
			grace_add(&y->b->grace, WAITING_SLICE, (uint32_t)(where >> 32), (uint32_t)where,
				  y->now_s + BALANCE_GRACE_S);
	}
	for (i = 0; i < c->n_fresh; i++)
		if (!has_slice(all, n, c->fresh[i]))
			slots_give(&y->b->slots, (uint32_t)(c->fresh[i] >> 32), (uint32_t)c->fresh[i]);
	c->s->n_frontends = n;
	/* New backends are the service's as well; the old ones stay until it succeeds. */
	for (k = 0, i = 0; i < c->want->n_backends; i++)
		k += !balance_had(c, c->numbers[i]);
	if (k) {
		uint32_t *numbers = realloc(c->s->numbers, (c->s->n_numbers + k) * sizeof(*numbers));

		if (!numbers)
			return -ENOMEM;
		c->s->numbers = numbers;
		n = c->s->n_numbers;
		for (i = 0; i < c->want->n_backends; i++)
			if (!balance_had(c, c->numbers[i]))
				numbers[n++] = c->numbers[i];
		c->s->n_numbers = n;
		sort_base = y->b->backends;
		qsort(numbers, n, sizeof(*numbers), by_backend);
	}
	return 0;
}

static void remove_service(struct sync *y, struct change *c)
{
	int fd = y->b->plane->map_fd[PLANE_xm_service_names];

	if (c->s->number) {
		bpf_map_delete_elem(fd, &c->s->number);
		grace_add(&y->b->grace, WAITING_SERVICE, c->s->number, 1, y->now_s + BALANCE_GRACE_S);
		y->result.ops++;
	}
	c->s->number = 0;
}

static int settle(struct sync *y)
{
	size_t i, k, more = 0;
	int code = 0;

	for (i = 0; i < y->n; i++)
		more += y->changes[i].s->n_numbers + y->changes[i].s->n_frontends + 1;
	if (grace_reserve(&y->b->grace, more))
		return -ENOMEM;
	for (i = 0; i < y->n; i++) {
		struct change *c = &y->changes[i];
		int now = c->failed ? settle_failed(y, c) : settle_backends(y, c);

		code = code ? code : now;
		if (c->failed)
			continue;
		settle_slices(y, c);
		free(c->s->frontends);
		free(c->s->numbers);
		c->s->frontends = take(c->frontends);
		c->s->numbers = take(c->numbers);
		c->s->n_frontends = c->n_frontends;
		c->s->n_numbers = c->want ? c->want->n_backends : 0;
		c->s->version = c->want ? c->want->version : 0;
		c->s->current = true;
		if (!c->want)
			remove_service(y, c);
	}
	/* Those that went, and those that never came, leave the list. */
	for (i = k = 0; i < y->b->n_services; i++) {
		if (y->b->services[i]->number)
			y->b->services[k++] = y->b->services[i];
		else
			free_installed(y->b->services[i]);
	}
	y->b->n_services = k;
	return code;
}

static void end_grace(struct balance *b, uint64_t now_s)
{
	struct waiting w;

	while (grace_pop(&b->grace, now_s, &w)) {
		switch (w.kind) {
		case WAITING_SLICE:
			slots_give(&b->slots, w.first, w.size);
			break;
		case WAITING_BACKEND:
			b->backends[w.first].state = XM_BACKEND_FREE;
			numbers_give(&b->backend_numbers, w.first);
			break;
		case WAITING_SERVICE:
			numbers_give(&b->service_numbers, w.first);
			break;
		}
	}
}

int balance_sync(struct balance *balance, const struct service *const *services, size_t n,
		 uint64_t now_s, uint64_t wall_s, struct balance_result *ret_result, struct err *err)
{
	struct sync y = { .b = balance, .now_s = now_s, .wall_s = wall_s, .err = err };
	int code;

	end_grace(balance, now_s);
	code = find_changes(&y, services, n);
	if (!code && y.n) {
		prepare(&y);
		code = flip(&y);
		if (!code)
			code = settle(&y);
	}
	y.result.services = y.n;
	for (size_t i = 0; i < y.n; i++) {
		free(y.changes[i].numbers);
		free(y.changes[i].frontends);
		free(y.changes[i].fresh);
	}
	free(y.changes);
	if (code && !y.code)
		y.code = err_set(err, code, "out of memory");

	*ret_result = y.result;
	return y.code;
}

void balance_result_done(struct balance_result *result)
{
	free(result->lost);
	memset(result, 0, sizeof(*result));
}

uint64_t balance_wait_s(const struct balance *balance, uint64_t now_s)
{
	const struct grace *g = &balance->grace;

	if (!g->n)
		return 0;
	return g->items[g->first].until_s > now_s ? g->items[g->first].until_s - now_s : 1;
}

const struct xm_backend *balance_backend(const struct balance *balance, uint32_t number)
{
	return number < XM_MAX_BACKENDS ? &balance->backends[number] : NULL;
}
