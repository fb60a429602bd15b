/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which snapshots make up the mesh. */
#include "agent/admit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/defs.h"
#include "feed/feed.h"

const struct config_cluster *admit_cluster(const struct admit *admit, size_t slot)
{
	return slot ? &admit->config->peers[slot - 1] : &admit->config->own;
}

int admit_new(const struct config *config, struct admit **ret_admit)
{
	struct admit *admit = calloc(1, sizeof(*admit));

	if (!admit)
		return -ENOMEM;
	admit->config = config;
	admit->n = config->n_peers + 1;
	admit->slots = calloc(admit->n, sizeof(*admit->slots));
	if (!admit->slots)
		goto nomem;
	for (size_t i = 0; i < admit->n; i++) {
		const struct config_cluster *cluster = admit_cluster(admit, i);

		admit->slots[i].origin = cluster->n_sources ? feed_origin(cluster->sources) :
							      strdup("no feed");
		if (!admit->slots[i].origin)
			goto nomem;
	}
	*ret_admit = admit;
	return 0;

nomem:
	admit_free(admit);
	return -ENOMEM;
}

void admit_free(struct admit *admit)
{
	if (!admit)
		return;
	mesh_free(admit->mesh);
	for (size_t i = 0; admit->slots && i < admit->n; i++) {
		free(admit->slots[i].origin);
		free(admit->slots[i].pending_origin);
		free(admit->slots[i].error);
		snapshot_free(admit->slots[i].accepted);
		snapshot_free(admit->slots[i].pending);
	}
	free(admit->slots);
	free(admit);
}

static void judge(const struct admit *admit, struct admit_slot *s)
{
	s->held = shrink_is_too_much(&s->size, &s->pending_size, admit->config->max_shrink_percent);
}

void admit_offer(struct admit *admit, size_t slot, struct snapshot *snapshot, const char *origin)
{
	struct admit_slot *s = &admit->slots[slot];

	snapshot_free(s->pending);
	free(s->pending_origin);
	s->pending = snapshot;
	s->pending_origin = strdup(origin);
	free(take(s->error));
	s->n_offered++;
	/* Without memory for it nothing is known to be taken away; the mesh needs far more. */
	if (shrink_size(snapshot, !slot, &s->pending_size))
		s->pending_size = s->size;
	judge(admit, s);
}

void admit_recover(struct admit *admit, size_t slot, struct snapshot *snapshot, bool cached)
{
	struct admit_slot *s = &admit->slots[slot];

	/* The mesh may still point to the accepted one: only an empty slot is filled. */
	if (s->accepted || s->pending) {
		snapshot_free(snapshot);
		return;
	}
	s->accepted = snapshot;
	s->recovered = true;
	s->cached = cached;
	if (shrink_size(snapshot, !slot, &s->size))
		s->size = (struct shrink_size){ 0 };
}

void admit_pass(struct admit *admit, size_t slot)
{
	admit->slots[slot].held = false;
}

void admit_remove(struct admit *admit, size_t slot)
{
	struct admit_slot *s = &admit->slots[slot];

	s->removing = true;
	s->size = (struct shrink_size){ 0 };
	s->held = false;
	snapshot_free(take(s->pending));
	free(take(s->pending_origin));
	free(take(s->error));
}

void admit_move(struct admit *from, size_t from_slot, struct admit *to, size_t to_slot)
{
	struct admit_slot *old = &from->slots[from_slot], *new = &to->slots[to_slot];
	char *error = take(old->error);

	free(new->origin);
	*new = *old;
	free(error);
	new->error = NULL;
	*old = (struct admit_slot){ 0 };
	if (new->held)
		judge(to, new);
}

/* A mesh of @set, which has a snapshot or NULL for each slot. */
static int build(const struct admit *admit, const struct snapshot *const *set,
		 struct mesh **ret_mesh, struct err *err)
{
	auto_free const char **origins = calloc(admit->n, sizeof(*origins));

	if (!origins)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < admit->n; i++)
		origins[i] = set[i] && set[i] == admit->slots[i].pending && admit->slots[i].pending_origin ?
				     admit->slots[i].pending_origin : admit->slots[i].origin;
	return mesh_new(admit->config, set, origins, ret_mesh, err);
}

/* What routes and names are made of; where it was written does not matter. */
static bool same_nodes(const struct snapshot *a, const struct snapshot *b)
{
	if (a == b)
		return true;
	if (!a || !b || a->n_nodes != b->n_nodes)
		return false;
	for (size_t i = 0; i < a->n_nodes; i++) {
		const struct node_object *x = &a->nodes[i], *y = &b->nodes[i];

		if (strcmp(x->name, y->name) || x->n_cidrs != y->n_cidrs ||
		    memcmp(&x->addr4, &y->addr4, sizeof(x->addr4)) ||
		    memcmp(&x->addr6, &y->addr6, sizeof(x->addr6)) ||
		    !x->has_vtep_mac != !y->has_vtep_mac || x->identity_bits != y->identity_bits ||
		    memcmp(x->vtep_mac, y->vtep_mac, sizeof(x->vtep_mac)) ||
		    strcmp(x->zone, y->zone) || strcmp(x->region, y->region))
			return false;
		for (size_t k = 0; k < x->n_cidrs; k++)
			if (x->cidrs[k].plen != y->cidrs[k].plen ||
			    !xm_addr_eq(&x->cidrs[k].addr, &y->cidrs[k].addr))
				return false;
	}
	return true;
}

static const struct snapshot *standing(const struct admit_slot *slot)
{
	return slot->removing ? NULL : slot->accepted;
}

static bool is_offered(const struct admit_slot *slot)
{
	return slot->pending && !slot->held;
}

static void take_over(struct admit_slot *s)
{
	snapshot_free(s->accepted);
	s->accepted = take(s->pending);
	s->size = s->pending_size;
	s->recovered = s->cached = false;
	s->n_accepted++;
	/* The mesh names it by this text. */
	if (s->pending_origin) {
		free(s->origin);
		s->origin = take(s->pending_origin);
	}
	free(take(s->error));
}

/* @set was found valid: what it took from pending becomes accepted. */
static void settle(struct admit *admit, const struct snapshot *const *set, struct mesh *mesh)
{
	admit->nodes_changed = !admit->mesh;
	for (size_t i = 0; !admit->nodes_changed && i < admit->n; i++)
		admit->nodes_changed = !same_nodes(admit->mesh->clusters[i].snapshot, set[i]);
	mesh_free(admit->mesh);
	admit->mesh = mesh;
	for (size_t i = 0; i < admit->n; i++) {
		struct admit_slot *s = &admit->slots[i];

		if (s->pending && set[i] == s->pending)
			take_over(s);
		else if (s->removing)
			snapshot_free(take(s->accepted));
		s->removing = false;
	}
}

/*
 * Services are no matter of validity, and change all the time: with the same nodes in the same clusters
 * the mesh is as it was, and hundreds of clusters are not compared with each other for it.
 */
static bool only_services(const struct admit *admit)
{
	for (size_t i = 0; i < admit->n; i++) {
		const struct admit_slot *s = &admit->slots[i];

		if (!admit->mesh || s->removing || admit->mesh->clusters[i].snapshot != s->accepted)
			return false;
		if (is_offered(s) && (!s->accepted || !same_nodes(s->accepted, s->pending)))
			return false;
	}
	return true;
}

static void settle_services(struct admit *admit)
{
	admit->nodes_changed = false;
	for (size_t i = 0; i < admit->n; i++) {
		if (!is_offered(&admit->slots[i]))
			continue;
		take_over(&admit->slots[i]);
		admit->mesh->clusters[i].snapshot = admit->slots[i].accepted;
		admit->mesh->clusters[i].origin = admit->slots[i].origin;
	}
}

static void refuse(struct admit_slot *slot, const struct err *err)
{
	free(slot->error);
	slot->error = strdup(err->text);
}

int admit_settle(struct admit *admit, struct err *err)
{
	auto_free const struct snapshot **set = calloc(admit->n, sizeof(*set));
	struct mesh *mesh = NULL, *better;
	struct err why = { 0 };
	int code, ret = 0;

	if (!set)
		return err_set(err, -ENOMEM, "out of memory");
	if (only_services(admit)) {
		settle_services(admit);
		return 0;
	}
	for (size_t i = 0; i < admit->n; i++)
		set[i] = is_offered(&admit->slots[i]) ? admit->slots[i].pending : standing(&admit->slots[i]);
	code = build(admit, set, &mesh, &why);
	if (code == -ENOMEM)
		return err_set(err, code, "%s", why.text);
	if (!code) {
		settle(admit, set, mesh);
		return 0;
	}

	for (size_t i = 0; i < admit->n; i++)
		set[i] = standing(&admit->slots[i]);
	code = build(admit, set, &mesh, &why);
	if (code == -ENOMEM)
		return err_set(err, code, "%s", why.text);
	if (code) {
		/*
		 * What was valid under the old configuration is not under the new one, or pinned
		 * state does not fit the first feeds: take in order what fits.
		 */
		memset(set, 0, admit->n * sizeof(*set));
		for (size_t i = 0; i < admit->n; i++) {
			set[i] = standing(&admit->slots[i]);
			code = set[i] || !mesh ? build(admit, set, &better, &why) : -ENODATA;
			if (code == -ENODATA)
				continue;
			if (code) {
				set[i] = NULL;
				ret = err_set(err, -EINVAL, "cluster %s is left out: %s",
					      admit_cluster(admit, i)->name, why.text);
				continue;
			}
			mesh_free(mesh);
			mesh = better;
		}
		if (!mesh)
			return ret ? ret : err_set(err, -EINVAL, "%s", why.text);
	}
	for (size_t i = 0; i < admit->n; i++) {
		const struct snapshot *before = set[i];

		if (!is_offered(&admit->slots[i]))
			continue;
		set[i] = admit->slots[i].pending;
		if (build(admit, set, &better, &why)) {
			set[i] = before;
			refuse(&admit->slots[i], &why);
			continue;
		}
		mesh_free(mesh);
		mesh = better;
	}
	settle(admit, set, mesh);
	return ret;
}
