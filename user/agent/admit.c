/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which snapshots make up the mesh. */
#include "agent/admit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/defs.h"

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
		const char *dir = cluster->n_sources ? cluster->sources->dir : NULL;
		int len = dir ? asprintf(&admit->slots[i].origin, "dir %s", dir) :
				asprintf(&admit->slots[i].origin, "no feed");

		if (len < 0) {
			admit->slots[i].origin = NULL;
			goto nomem;
		}
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
		free(admit->slots[i].error);
		snapshot_free(admit->slots[i].accepted);
		snapshot_free(admit->slots[i].pending);
	}
	free(admit->slots);
	free(admit);
}

void admit_offer(struct admit *admit, size_t slot, struct snapshot *snapshot)
{
	snapshot_free(admit->slots[slot].pending);
	admit->slots[slot].pending = snapshot;
}

void admit_recover(struct admit *admit, size_t slot, struct snapshot *snapshot)
{
	struct admit_slot *s = &admit->slots[slot];

	/* The mesh may still point to the accepted one: only an empty slot is filled. */
	if (s->accepted || s->pending) {
		snapshot_free(snapshot);
		return;
	}
	s->accepted = snapshot;
	s->recovered = true;
}

/* A mesh of @set, which has a snapshot or NULL for each slot. */
static int build(const struct admit *admit, const struct snapshot *const *set,
		 struct mesh **ret_mesh, struct err *err)
{
	auto_free const char **origins = calloc(admit->n, sizeof(*origins));

	if (!origins)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < admit->n; i++)
		origins[i] = admit->slots[i].origin;
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
		    !x->has_vtep_mac != !y->has_vtep_mac ||
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

		if (s->pending && set[i] == s->pending) {
			snapshot_free(s->accepted);
			s->accepted = take(s->pending);
			s->recovered = false;
			free(take(s->error));
		}
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
	for (size_t i = 0; i < admit->n; i++)
		set[i] = admit->slots[i].pending ? admit->slots[i].pending : admit->slots[i].accepted;
	code = build(admit, set, &mesh, &why);
	if (code == -ENOMEM)
		return err_set(err, code, "%s", why.text);
	if (!code) {
		settle(admit, set, mesh);
		return 0;
	}

	for (size_t i = 0; i < admit->n; i++)
		set[i] = admit->slots[i].accepted;
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
			set[i] = admit->slots[i].accepted;
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

		if (!admit->slots[i].pending)
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
