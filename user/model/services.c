/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Services kept from turn to turn: what changed is found by digests, merged anew, and taken over at
 * once or not at all. What one name becomes: services_merge.c; VIPs that two claim:
 * services_claims.c.
 */
#include "model/services.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/defs.h"
#include "core/vec.h"
#include "model/services_parts.h"

int services_new(struct services **ret_services)
{
	struct services *s = calloc(1, sizeof(*s));

	if (s)
		s->refs = calloc(XM_MAX_NODES + 1, sizeof(*s->refs));
	if (!s || !s->refs) {
		free(s);
		return -ENOMEM;
	}
	s->whole = true;
	*ret_services = s;
	return 0;
}

static void forget_seen(struct services *s)
{
	for (size_t c = 0; c < s->n_clusters; c++)
		free(s->seen[c]);
	free(take(s->seen));
	free(take(s->n_seen));
	free(take(s->digests));
	s->n_clusters = 0;
}

void services_free(struct services *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n_entries; i++) {
		struct entry *e = s->entries[i];

		service_done(&e->service);
		merged_done(&e->next);
		vec_free_notes(e->notes, e->n_notes);
		free(e->lost);
		free(e->at);
		free(e);
	}
	forget_seen(s);
	free(s->entries);
	env_free(s->env);
	free(s->list);
	free(s->changed);
	free(s->notes);
	free(s->nodes);
	free(s->refs);
	free(s->dirty);
	free(s);
}

/* ---- what changed -------------------------------------------------------------------------- */

static int order_names(const char *space_a, const char *name_a, const char *space_b,
		       const char *name_b)
{
	int diff = strcmp(space_a, space_b);

	return diff ? diff : strcmp(name_a, name_b);
}

int services_mark(struct services *s, struct entry *e)
{
	if (e->dirty)
		return 0;
	if (vec_grow(&s->dirty, s->n_dirty, sizeof(*s->dirty)))
		return -ENOMEM;
	s->dirty[s->n_dirty++] = e;
	e->dirty = true;
	return 0;
}

static struct entry *find(const struct services *s, const char *space, const char *name)
{
	size_t low = 0, high = s->n_entries;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int diff = order_names(s->entries[mid]->space, s->entries[mid]->name, space, name);

		if (!diff)
			return s->entries[mid];
		if (diff < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static struct entry *entry_new(const struct services *s, const struct service_object *o)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (e)
		e->at = malloc((s->n_clusters + 1) * sizeof(*e->at));
	if (!e || !e->at) {
		free(e);
		return NULL;
	}
	for (size_t c = 0; c < s->n_clusters; c++)
		e->at[c] = NOT_THERE;
	snprintf(e->space, sizeof(e->space), "%s", o->space);
	snprintf(e->name, sizeof(e->name), "%s", o->name);
	return e;
}

/* New entries, sorted too, into the sorted array. */
static int insert(struct services *s, struct entry **fresh, size_t n)
{
	struct entry **all;
	size_t i = s->n_entries, k = n;

	if (!n)
		return 0;
	all = realloc(s->entries, (s->n_entries + n) * sizeof(*all));
	if (!all)
		return -ENOMEM;
	s->entries = all;
	s->n_entries += n;
	while (k) {
		if (i && order_names(all[i - 1]->space, all[i - 1]->name, fresh[k - 1]->space,
				     fresh[k - 1]->name) > 0) {
			all[i + k - 1] = all[i - 1];
			i--;
		} else {
			all[i + k - 1] = fresh[k - 1];
			k--;
		}
	}
	return 0;
}

/* Both sorted by name, walked side by side; equal digests need no look at anything else. */
static int walk(struct services *s, size_t cluster, const struct snapshot *snapshot)
{
	size_t n = snapshot ? snapshot->n_services : 0, i = 0, n_fresh = 0;
	struct seen *old = s->seen[cluster], *new = malloc((n + 1) * sizeof(*new));
	auto_free struct entry **fresh = NULL;
	int rc = new ? 0 : -ENOMEM;

	for (size_t k = 0; !rc && k < n; k++) {
		const struct service_object *o = &snapshot->services[k];
		struct entry *e = NULL;
		bool stays;

		while (!rc && i < s->n_seen[cluster] && old[i].digest != o->digest) {
			int diff = order_names(old[i].entry->space, old[i].entry->name, o->space, o->name);

			if (diff > 0)
				break;
			rc = services_mark(s, old[i].entry);
			if (!diff)
				break;
			old[i++].entry->at[cluster] = NOT_THERE;
		}
		if (rc)
			break;
		if (i < s->n_seen[cluster] &&
		    (old[i].digest == o->digest || !order_names(old[i].entry->space, old[i].entry->name,
								o->space, o->name)))
			e = old[i++].entry;
		stays = e && i - 1 == k;
		if (!e) {
			e = find(s, o->space, o->name);
			if (!e) {
				e = entry_new(s, o);
				if (!e || vec_grow(&fresh, n_fresh, sizeof(*fresh))) {
					if (e)
						free(e->at);
					free(e);
					rc = -ENOMEM;
					break;
				}
				fresh[n_fresh++] = e;
			}
			rc = services_mark(s, e);
		}
		/* Seldom: a look at each entry is most of what a change among 10 000 services costs. */
		if (!stays)
			e->at[cluster] = k;
		new[k] = (struct seen){ o->digest, e };
	}
	for (; !rc && i < s->n_seen[cluster]; i++) {
		old[i].entry->at[cluster] = NOT_THERE;
		rc = services_mark(s, old[i].entry);
	}
	if (insert(s, fresh, n_fresh)) {
		/* Nobody but the list of what is dirty knows them. */
		for (size_t k = 0; k < n_fresh; k++) {
			free(fresh[k]->at);
			free(fresh[k]);
		}
		s->n_dirty = 0;
		rc = -ENOMEM;
	}
	if (rc) {
		free(new);
		return rc;
	}
	free(old);
	s->seen[cluster] = new;
	s->n_seen[cluster] = n;
	s->digests[cluster] = snapshot ? snapshot->services_digest : 0;
	return 0;
}

/* Other clusters than before, or an update that failed: nothing that was seen counts. */
static int start_anew(struct services *s, size_t n)
{
	forget_seen(s);
	s->seen = calloc(n + 1, sizeof(*s->seen));
	s->n_seen = calloc(n + 1, sizeof(*s->n_seen));
	s->digests = calloc(n + 1, sizeof(*s->digests));
	if (!s->seen || !s->n_seen || !s->digests)
		return -ENOMEM;
	s->n_clusters = n;
	for (size_t i = 0; i < s->n_entries; i++) {
		struct entry *e = s->entries[i];
		uint32_t *at = realloc(e->at, (n + 1) * sizeof(*at));

		if (!at)
			return -ENOMEM;
		e->at = at;
		for (size_t c = 0; c < n; c++)
			at[c] = NOT_THERE;
	}
	return 0;
}

static const struct nearest *nearest_of(const struct services *s, const struct entry *e)
{
	size_t low = 0, high = s->n_nearest;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct service_nearest *item = &s->nearest[mid];
		int diff = order_names(item->space, item->name, e->space, e->name);

		if (!diff)
			return item->nearest;
		if (diff < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

/* Services whose weights by round trips moved. */
static int look_at_nearest(struct services *s)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < s->n_nearest; i++) {
		struct entry *e = find(s, s->nearest[i].space, s->nearest[i].name);

		if (e && e->service.nearest && e->nearest != nearest_digest(s->nearest[i].nearest))
			rc = services_mark(s, e);
	}
	return rc;
}

int services_merge(struct services *s, const struct mesh *mesh, struct env *env, struct entry *e)
{
	auto_free const struct service_object **objects = calloc(s->n_clusters, sizeof(*objects));
	const struct nearest *nearest = nearest_of(s, e);
	bool any = false;

	if (!objects)
		return -ENOMEM;
	for (size_t c = 0; c < s->n_clusters; c++) {
		if (e->at[c] == NOT_THERE)
			continue;
		objects[c] = &mesh->clusters[c].snapshot->services[e->at[c]];
		any = true;
	}
	merged_done(&e->next);
	e->merged = true;
	e->nearest = nearest_digest(nearest);
	return any ? merge_service(env, mesh, objects, nearest, &e->next) : 0;
}

/* ---- taking over ---------------------------------------------------------------------------- */

struct totals { size_t services, frontends, backends, edge; };

static void count(const struct service *v, struct totals *t, int sign)
{
	bool edge = false;

	t->services += v->n_pools ? sign : 0;
	t->backends += sign * (ssize_t)v->n_backends;
	for (size_t i = 0; i < v->n_pools; i++) {
		t->frontends += sign * (ssize_t)v->pools[i].n_frontends;
		edge |= v->pools[i].scope == XM_SCOPE_EDGE && v->pools[i].n_frontends;
	}
	t->edge += edge ? sign : 0;
}

static int check_limits(const struct totals *t, struct err *err)
{
	if (t->services > XM_MAX_SERVICES)
		return err_set(err, -ENOSPC, "%zu global services, but xmesh holds %u (XM_MAX_SERVICES): "
			       "make fewer of them global", t->services, XM_MAX_SERVICES);
	if (t->frontends > XM_MAX_FRONTENDS)
		return err_set(err, -ENOSPC, "global services have %zu frontends (addresses x ports), but "
			       "xmesh holds %u (XM_MAX_FRONTENDS): make fewer of them global",
			       t->frontends, XM_MAX_FRONTENDS);
	if (t->backends > XM_MAX_BACKENDS)
		return err_set(err, -ENOSPC, "global services have %zu backends, but xmesh holds %u "
			       "(XM_MAX_BACKENDS): make fewer of them global", t->backends,
			       XM_MAX_BACKENDS);
	return 0;
}

static void count_nodes(struct services *s, const struct service *v, int sign, bool *moved)
{
	for (size_t i = 0; i < v->n_backends; i++) {
		uint32_t number = v->backends[i].node;

		if (!number || number > XM_MAX_NODES)
			continue;
		*moved |= sign > 0 ? !s->refs[number] : s->refs[number] == 1;
		s->refs[number] += sign;
	}
}

static bool is_somewhere(const struct services *s, const struct entry *e)
{
	for (size_t c = 0; c < s->n_clusters; c++)
		if (e->at[c] != NOT_THERE)
			return true;
	return false;
}

/* Names that no cluster has any more. */
static void forget_entries(struct services *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->n_entries; i++) {
		struct entry *e = s->entries[i];

		if (is_somewhere(s, e)) {
			s->entries[kept++] = e;
			continue;
		}
		free(e->lost);
		free(e->at);
		free(e);
	}
	s->n_entries = kept;
}

static void publish(struct services *s, const struct totals *t)
{
	bool moved = false, listed = false, noted = false, gone = false;

	s->n_changed = 0;
	for (size_t i = 0; i < s->n_dirty; i++) {
		struct entry *e = s->dirty[i];

		noted |= e->n_notes || e->next.n_notes;
		vec_free_notes(e->notes, e->n_notes);
		e->notes = take(e->next.notes);
		e->n_notes = e->next.n_notes;
		e->next.n_notes = 0;
		if (!service_equal(&e->service, &e->next.service)) {
			listed |= !e->service.n_pools != !e->next.service.n_pools;
			count_nodes(s, &e->next.service, 1, &moved);
			count_nodes(s, &e->service, -1, &moved);
			service_done(&e->service);
			e->service = e->next.service;
			e->service.version = ++s->version;
			s->changed[s->n_changed++] = &e->service;
			memset(&e->next, 0, sizeof(e->next));
		}
		merged_done(&e->next);
		e->dirty = e->merged = false;
		/* Peers' services that we have no name for are many, and change: they are not looked for each time. */
		gone |= !e->service.n_pools && !is_somewhere(s, e);
	}
	s->n_dirty = 0;
	s->updates++;
	s->listed = listed;
	/* Those that went are freed below. */
	if (listed)
		s->n_changed = 0;
	if (gone)
		forget_entries(s);
	s->n_frontends = t->frontends;
	s->n_backends = t->backends;
	s->n_edge = t->edge;
	if (listed) {
		s->n_list = 0;
		for (size_t i = 0; i < s->n_entries; i++)
			if (s->entries[i]->service.n_pools)
				s->list[s->n_list++] = &s->entries[i]->service;
	}
	if (noted) {
		s->n_notes = 0;
		for (size_t i = 0; i < s->n_entries; i++)
			for (size_t k = 0; k < s->entries[i]->n_notes; k++)
				s->notes[s->n_notes++] = s->entries[i]->notes[k];
	}
	if (moved) {
		s->n_nodes = 0;
		for (uint32_t i = 1; i <= XM_MAX_NODES; i++)
			if (s->refs[i])
				s->nodes[s->n_nodes++] = i;
	}
}

/* Room for what publish() writes, so that it cannot fail. */
static int make_room(struct services *s, const struct totals *t)
{
	size_t notes = s->n_notes;
	const struct service **list, **changed;
	const char **texts;

	for (size_t i = 0; i < s->n_dirty; i++)
		notes += s->dirty[i]->next.n_notes;
	list = realloc(s->list, (MAX(t->services, s->n_list) + 1) * sizeof(*list));
	if (list)
		s->list = list;
	changed = realloc(s->changed, (s->n_dirty + 1) * sizeof(*changed));
	if (changed)
		s->changed = changed;
	texts = realloc(s->notes, (notes + 1) * sizeof(*texts));
	if (texts)
		s->notes = texts;
	if (!s->nodes)
		s->nodes = calloc(XM_MAX_NODES + 1, sizeof(*s->nodes));
	return list && changed && texts && s->nodes ? 0 : -ENOMEM;
}

/* @env: the one in force for this update. */
static int prepare(struct services *s, const struct mesh *mesh, struct env *env, struct err *err,
		   struct totals *t)
{
	bool claims = false;
	int rc = 0;

	for (size_t c = 0; !rc && c < s->n_clusters; c++) {
		const struct snapshot *snapshot = mesh->clusters[c].snapshot;

		if (s->whole || s->digests[c] != (snapshot ? snapshot->services_digest : 0))
			rc = walk(s, c, snapshot);
	}
	for (size_t i = 0; s->whole && !rc && i < s->n_entries; i++)
		rc = services_mark(s, s->entries[i]);
	if (!rc)
		rc = look_at_nearest(s);
	for (size_t i = 0; !rc && i < s->n_dirty; i++) {
		rc = services_merge(s, mesh, env, s->dirty[i]);
		claims |= services_claims_changed(s->dirty[i]);
	}
	if (!rc && claims)
		rc = services_settle(s, mesh, env);
	for (size_t i = 0; !rc && i < s->n_dirty; i++) {
		services_drop_lost(s->dirty[i]);
		count(&s->dirty[i]->next.service, t, 1);
		count(&s->dirty[i]->service, t, -1);
	}
	if (!rc)
		rc = check_limits(t, err);
	if (!rc)
		rc = make_room(s, t);
	return rc;
}

int services_update(struct services *s, const struct services_input *input, struct err *err)
{
	struct totals t = { s->n_list, s->n_frontends, s->n_backends, s->n_edge };
	struct env *env = s->env;
	int rc = 0;

	s->nearest = input->nearest;
	s->n_nearest = input->n_nearest;
	if (!env || env->digest != env_digest(input)) {
		rc = env_new(input, &env);
		s->whole = true;
	}
	if (!rc && s->whole)
		rc = start_anew(s, input->mesh->n_clusters);
	if (!rc)
		rc = prepare(s, input->mesh, env, err, &t);
	if (rc) {
		for (size_t i = 0; i < s->n_dirty; i++) {
			merged_done(&s->dirty[i]->next);
			s->dirty[i]->dirty = s->dirty[i]->merged = false;
		}
		s->n_dirty = 0;
		s->whole = true;
		if (env != s->env)
			env_free(env);
		return rc == -ENOMEM ? err_set(err, rc, "out of memory") : rc;
	}
	publish(s, &t);
	if (env != s->env) {
		env_free(s->env);
		s->env = env;
	}
	s->whole = false;
	return 0;
}

const struct service *const *services_list(const struct services *s, size_t *ret_n)
{
	*ret_n = s->n_list;
	return s->list;
}

struct services_changes services_changes(const struct services *s)
{
	return (struct services_changes){ .from = s->updates ? s->updates - 1 : 0, .to = s->updates,
					  .listed = s->listed, .items = s->changed, .n = s->n_changed };
}

const char *const *services_notes(const struct services *s, size_t *ret_n)
{
	*ret_n = s->n_notes;
	return s->notes;
}

const uint32_t *services_nodes(const struct services *s, size_t *ret_n)
{
	*ret_n = s->n_nodes;
	return s->nodes;
}

bool services_have_edge(const struct services *s)
{
	return s->n_edge;
}
