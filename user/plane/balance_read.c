/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Global services out of the pinned maps, as tables: for people, and for the agent's start
 * (balance.c). Writes nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/defs.h"
#include "plane/balance_parts.h"
#include "plane/mapio.h"

int balance_map(const struct plane *plane, enum plane_map map, size_t size, int prot,
		void **ret_p, struct err *err)
{
	void *p;

	if (plane->map_fd[map] < 0)
		return err_set(err, -ENOENT, "%s/%s is not pinned", plane->dir, plane_map_names[map]);
	p = mmap(NULL, size, prot, MAP_SHARED, plane->map_fd[map], 0);
	if (p == MAP_FAILED)
		return err_set(err, -errno, "cannot map %s/%s: %s", plane->dir, plane_map_names[map],
			       strerror(errno));
	*ret_p = p;
	return 0;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = ((const struct service_entry *)a)->number;
	uint32_t y = ((const struct service_entry *)b)->number;

	return (x > y) - (x < y);
}

static int by_name(const void *a, const void *b)
{
	const struct service_entry *x = a, *y = b;
	int order = strncmp(x->name.space, y->name.space, sizeof(x->name.space));

	if (!order)
		order = strncmp(x->name.name, y->name.name, sizeof(x->name.name));
	return order ? order : by_number(a, b);
}

static int by_frontend(const void *a, const void *b)
{
	const struct xm_service_key *x = &((const struct service_frontend_entry *)a)->key;
	const struct xm_service_key *y = &((const struct service_frontend_entry *)b)->key;
	int order;

	if (x->scope != y->scope)
		return x->scope - y->scope;
	if (x->cluster != y->cluster)
		return x->cluster - y->cluster;
	order = memcmp(&x->addr, &y->addr, sizeof(x->addr));
	if (!order)
		order = memcmp(&x->port, &y->port, sizeof(x->port));
	return order ? order : x->proto - y->proto;
}

static int by_service(const void *a, const void *b)
{
	uint32_t x = ((const struct service_frontend_entry *)a)->service.number;
	uint32_t y = ((const struct service_frontend_entry *)b)->service.number;

	return x != y ? (x > y) - (x < y) : by_frontend(a, b);
}

/* Numbers that frontends or backends bear without a name, of an agent that was stopped between. */
static int add_strays(struct service_tables *t, const struct service_frontend_entry *f, size_t n_f,
		      const struct xm_backend *backends)
{
	auto_free uint8_t *seen = calloc(1, XM_MAX_SERVICES + 1);
	struct service_entry *grown;
	size_t i, n = 0;

	if (!seen)
		return -ENOMEM;
	for (i = 0; i < n_f; i++)
		if (f[i].service.number <= XM_MAX_SERVICES)
			seen[f[i].service.number] = 1;
	for (i = 0; i < XM_MAX_BACKENDS; i++)
		if (backends[i].state != XM_BACKEND_FREE && backends[i].service <= XM_MAX_SERVICES)
			seen[backends[i].service] = 1;
	for (i = 0; i < t->n_services; i++)
		if (t->services[i].number <= XM_MAX_SERVICES)
			seen[t->services[i].number] = 0;
	for (i = 0; i <= XM_MAX_SERVICES; i++)
		n += seen[i];
	if (!n)
		return 0;
	grown = realloc(t->services, (t->n_services + n) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	t->services = grown;
	for (i = 0; i <= XM_MAX_SERVICES; i++) {
		if (!seen[i])
			continue;
		memset(&grown[t->n_services], 0, sizeof(*grown));
		grown[t->n_services++].number = (uint32_t)i;
	}
	qsort(grown, t->n_services, sizeof(*grown), by_number);
	return 0;
}

static struct service_entry *find(const struct service_tables *t, uint32_t number)
{
	struct service_entry key = { .number = number };

	return t->n_services ? bsearch(&key, t->services, t->n_services, sizeof(key), by_number) : NULL;
}

/* What the backends of @where serve: those of a slice are of one port. 0: none, or nodes. */
static uint32_t port_name_of(uint64_t where, const uint32_t *maglev, const struct xm_backend *backends)
{
	uint32_t first = (uint32_t)(where >> 32), size = (uint32_t)where, number;

	if (!size || first >= XM_MAGLEV_SLOTS)
		return 0;
	number = maglev[first];
	if (number >= XM_MAX_BACKENDS || backends[number].flags & XM_BACKEND_IS_NODE)
		return 0;
	return backends[number].port_name;
}

/* How much of xm_maglev slices take, in bytes: of 64 MB it is seldom more than a few. */
static size_t maglev_used(const struct mapio *services)
{
	uint64_t end = 1;

	for (size_t i = 0; i < services->n; i++) {
		uint64_t where = ((const struct xm_service *)services->values)[i].where;

		end = MAX(end, (where >> 32) + (uint32_t)where);
	}
	return MIN(end, XM_MAGLEV_SLOTS) * sizeof(uint32_t);
}

/* @f is sorted by service. */
static int add_frontends(struct service_tables *t, struct service_frontend_entry *f, size_t n,
			 const uint32_t *maglev, const struct xm_backend *backends)
{
	size_t i, k, j, l;

	for (i = 0; i < n; i = k) {
		struct service_entry *s = find(t, f[i].service.number);

		for (k = i; k < n && f[k].service.number == f[i].service.number; k++) {
			uint64_t where = f[k].service.where;

			f[k].port_name = port_name_of(where, maglev, backends);
			/* Frontends of a pool have one slice. */
			for (j = i; j < k && f[j].service.where != where; j++)
				;
			if (j == k)
				t->slots_used += (uint32_t)where;
		}
		if (!s)
			continue;
		l = k - i;
		s->frontends = malloc(l * sizeof(*f));
		if (!s->frontends)
			return -ENOMEM;
		memcpy(s->frontends, f + i, l * sizeof(*f));
		s->n_frontends = l;
	}
	return 0;
}

static int add_backends(struct service_tables *t, const struct xm_backend *backends)
{
	auto_free uint32_t *counts = calloc(XM_MAX_SERVICES + 1, sizeof(*counts));
	size_t i;

	if (!counts)
		return -ENOMEM;
	for (i = 1; i < XM_MAX_BACKENDS; i++)
		if (backends[i].state != XM_BACKEND_FREE && backends[i].service <= XM_MAX_SERVICES)
			counts[backends[i].service]++;
	for (i = 0; i < t->n_services; i++) {
		struct service_entry *s = &t->services[i];
		uint32_t n = s->number <= XM_MAX_SERVICES ? counts[s->number] : 0;

		s->backends = n ? calloc(n, sizeof(*s->backends)) : NULL;
		if (n && !s->backends)
			return -ENOMEM;
	}
	for (i = 1; i < XM_MAX_BACKENDS; i++) {
		struct service_entry *s;

		if (backends[i].state == XM_BACKEND_FREE)
			continue;
		s = find(t, backends[i].service);
		/* The agent may write meanwhile: what it added since the count is left out. */
		if (!s || backends[i].service > XM_MAX_SERVICES ||
		    s->n_backends == counts[s->number])
			continue;
		s->backends[s->n_backends].number = (uint32_t)i;
		s->backends[s->n_backends++].backend = backends[i];
		t->backends_used++;
	}
	return 0;
}

static int fill(struct service_tables *t, const struct mapio *names, const struct mapio *services,
		const uint32_t *maglev, const struct xm_backend *backends, bool strays)
{
	auto_free struct service_frontend_entry *f = calloc(services->n + 1, sizeof(*f));
	size_t i;
	int code = 0;

	t->services = calloc(names->n + 1, sizeof(*t->services));
	if (!f || !t->services)
		return -ENOMEM;
	for (i = 0; i < names->n; i++) {
		t->services[i].number = ((const uint32_t *)names->keys)[i];
		t->services[i].name = ((const struct xm_service_name *)names->values)[i];
		t->services[i].name.space[sizeof(t->services[i].name.space) - 1] = 0;
		t->services[i].name.name[sizeof(t->services[i].name.name) - 1] = 0;
	}
	t->n_services = names->n;
	qsort(t->services, t->n_services, sizeof(*t->services), by_number);
	for (i = 0; i < services->n; i++) {
		f[i].key = ((const struct xm_service_key *)services->keys)[i];
		f[i].service = ((const struct xm_service *)services->values)[i];
	}
	t->frontends_used = services->n;
	qsort(f, services->n, sizeof(*f), by_service);
	if (strays)
		code = add_strays(t, f, services->n, backends);
	if (!code)
		code = add_frontends(t, f, services->n, maglev, backends);
	if (!code)
		code = add_backends(t, backends);
	if (!code)
		qsort(t->services, t->n_services, sizeof(*t->services), by_name);
	return code;
}

int balance_tables(const struct plane *plane, bool strays, struct service_tables **ret_tables,
		   struct err *err)
{
	struct mapio names = { 0 }, services = { 0 };
	struct service_tables *t = NULL;
	void *backends = NULL, *maglev = NULL;
	size_t maglev_size = 0;
	int code;

	code = balance_map(plane, PLANE_xm_backends, BALANCE_BACKENDS_SIZE, PROT_READ, &backends, err);
	if (!code)
		code = mapio_read(plane, PLANE_xm_service_names, &names, err);
	if (!code)
		code = mapio_read(plane, PLANE_xm_services, &services, err);
	if (!code) {
		maglev_size = maglev_used(&services);
		code = balance_map(plane, PLANE_xm_maglev, maglev_size, PROT_READ, &maglev, err);
	}
	if (!code) {
		t = calloc(1, sizeof(*t));
		code = t ? fill(t, &names, &services, maglev, backends, strays) : -ENOMEM;
		if (code)
			err_set(err, code, "out of memory");
	}
	mapio_done(&names);
	mapio_done(&services);
	if (backends)
		munmap(backends, BALANCE_BACKENDS_SIZE);
	if (maglev)
		munmap(maglev, maglev_size);
	if (code) {
		service_tables_free(t);
		return code;
	}

	*ret_tables = t;
	return 0;
}

int balance_read(const struct plane *plane, struct service_tables **ret_tables, struct err *err)
{
	return balance_tables(plane, false, ret_tables, err);
}
