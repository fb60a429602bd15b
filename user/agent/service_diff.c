/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Both sides are summed up to the same counts and a sum of hashes, in which order plays no part.
 */
#include "agent/service_diff.h"

#include <arpa/inet.h>
#include <string.h>

#include "core/defs.h"

struct summary {
	size_t frontends, backends, active;
	uint64_t digest;
};

static uint64_t mix(uint64_t h, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 0x100000001b3ull;
	return h;
}

static void add_frontend(struct summary *s, const struct xm_service_key *key)
{
	s->frontends++;
	s->digest += mix(0xcbf29ce484222325ull, key, sizeof(*key));
}

static void add_backend(struct summary *s, const struct xm_addr *addr, uint16_t port, uint8_t proto,
			uint8_t state, uint8_t why, uint8_t flags)
{
	uint64_t h = mix(0x9e3779b97f4a7c15ull, addr, sizeof(*addr));
	const uint8_t rest[] = { port >> 8, port & 0xff, proto, state, why, flags };

	s->digest += mix(h, rest, sizeof(rest));
	if (flags & XM_BACKEND_IS_NODE)
		return;
	s->backends++;
	s->active += state == XM_BACKEND_ACTIVE;
}

static struct summary of_wanted(const struct service *service)
{
	struct summary s = { 0 };

	for (size_t p = 0; p < service->n_pools; p++)
		for (size_t f = 0; f < service->pools[p].n_frontends; f++)
			add_frontend(&s, &service->pools[p].frontends[f].key);
	for (size_t i = 0; i < service->n_backends; i++) {
		const struct service_backend *b = &service->backends[i];

		add_backend(&s, &b->addr, b->port, b->proto, b->state, b->why, b->flags);
	}
	return s;
}

static struct summary of_entry(const struct service_entry *entry)
{
	struct summary s = { 0 };

	for (size_t f = 0; f < entry->n_frontends; f++)
		add_frontend(&s, &entry->frontends[f].key);
	for (size_t i = 0; i < entry->n_backends; i++) {
		const struct xm_backend *b = &entry->backends[i].backend;

		if (b->state != XM_BACKEND_GONE && b->state != XM_BACKEND_FREE)
			add_backend(&s, &b->addr, ntohs(b->port), b->proto, b->state, b->why, b->flags);
	}
	return s;
}

static int compare(const struct service *service, const struct service_entry *entry)
{
	int diff = strcmp(service->space, entry->name.space);

	return diff ? diff : strcmp(service->name, entry->name.name);
}

static void say(struct notes *lines, const char *verb, const char *space, const char *name,
		const struct summary *s)
{
	notes_add(lines, "%s service %s/%s: %zu frontends, %zu backends, %zu of them get new connections", verb,
		  space, name, s->frontends, s->backends, s->active);
}

size_t service_diff(const struct service *const *wanted, size_t n, const struct service_tables *tables,
		    struct notes *lines)
{
	size_t n_entries = tables ? tables->n_services : 0, i = 0, k = 0, changes = 0;

	while (i < n || k < n_entries) {
		const struct service_entry *entry = k < n_entries ? &tables->services[k] : NULL;
		int order = i == n ? 1 : !entry ? -1 : compare(wanted[i], entry);
		struct summary want, have;

		if (order > 0) {
			have = of_entry(entry);
			/* All that is left of it waits out its grace period. */
			if (have.frontends || have.backends) {
				notes_add(lines, "delete service %s/%s", entry->name.space, entry->name.name);
				changes++;
			}
			k++;
			continue;
		}
		want = of_wanted(wanted[i]);
		if (order < 0) {
			say(lines, "put", wanted[i]->space, wanted[i]->name, &want);
			changes++;
		} else {
			have = of_entry(entry);
			if (have.digest != want.digest) {
				say(lines, "change", wanted[i]->space, wanted[i]->name, &want);
				changes++;
			}
			k++;
		}
		i++;
	}
	return changes;
}
