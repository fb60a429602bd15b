/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A snapshot of a store: copies of what its groups hold, arrays shared. Costs some ten nanoseconds an
 * object, whatever there is in it. Not for: what they come to (store_group.c).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/defs.h"
#include "core/vec.h"
#include "feed/pack.h"
#include "feed/store_parts.h"

static int copy_nodes(struct store *store, struct snapshot *s)
{
	s->nodes = store->nodes.n ? malloc(store->nodes.n * sizeof(*s->nodes)) : NULL;
	if (store->nodes.n && !s->nodes)
		return -ENOMEM;
	s->nodes_digest = store->nodes.n;
	for (size_t i = 0; i < store->nodes.n; i++) {
		struct node_object *node = store->nodes.groups[i]->node;

		snapshot_block_get(node->block);
		s->nodes[s->n_nodes++] = *node;
		s->nodes_digest += snapshot_node_digest(node);
	}
	return 0;
}

static void copy_slices(const struct group *g, struct snapshot *s)
{
	struct slice_object names = {};
	size_t n = 0;

	strcpy(names.space, g->space);
	strcpy(names.service, g->name);
	for (struct part *p = g->lists[PIECE_SLICE].first; p; p = p->after, n++) {
		struct slice_object *slice = &s->slices[s->n_slices++];
		struct snapshot_block *block = g->published ? g->published[n] : p->block;

		*slice = names;
		pack_slice_view(snapshot_block_get(block), p->n_endpoints, p->n_ports, p->named, slice);
	}
}

static int copy_services(struct store *store, struct snapshot *s)
{
	s->services = store->services.n ? malloc(store->services.n * sizeof(*s->services)) : NULL;
	s->slices = store->n_slices ? malloc(store->n_slices * sizeof(*s->slices)) : NULL;
	if ((store->services.n && !s->services) || (store->n_slices && !s->slices))
		return -ENOMEM;
	for (size_t i = 0; i < store->services.n; i++) {
		struct group *g = store->services.groups[i];

		if (g->service) {
			snapshot_block_get(g->service->block);
			s->services[s->n_services] = *g->service;
			s->services[s->n_services++].first_slice = s->n_slices;
			s->services_digest += snapshot_mix(g->service->digest);
		}
		copy_slices(g, s);
	}
	s->services_digest += s->n_services;
	return 0;
}

static int order_notes(const void *va, const void *vb)
{
	const struct note *a = *(struct note *const *)va, *b = *(struct note *const *)vb;

	return strcmp(a->entry->key, b->entry->key);
}

static int warn_lines(const struct note *note, struct snapshot *s)
{
	const char *line = note->text;
	char key[XM_NAME_LEN];
	int rc = 0;

	while (!rc && *line) {
		size_t len = strcspn(line, "\n");

		rc = vec_note(&s->warnings, &s->n_warnings, "%s: %.*s",
			      entry_text(note->entry, key), (int)len, line);
		line += len + !!line[len];
	}
	return rc;
}

/* By the order of keys, so that equal stores give equal snapshots. */
static int warn_notes(const struct store *store, size_t *left_out, struct snapshot *s)
{
	auto_free const struct note **notes = calloc(store->n_notes + 1, sizeof(*notes));
	size_t n = 0;
	int rc = 0;

	if (!notes)
		return -ENOMEM;
	for (const struct note *note = store->notes; note; note = note->after)
		notes[n++] = note;
	qsort(notes, n, sizeof(*notes), order_notes);
	for (size_t i = 0; !rc && i < n; i++) {
		if (s->n_warnings < STORE_MAX_WARNINGS)
			rc = warn_lines(notes[i], s);
		else
			++*left_out;
	}
	*left_out += store->n_unsaid;
	return rc;
}

static int order_parts(const void *va, const void *vb)
{
	const struct part *a = *(struct part *const *)va, *b = *(struct part *const *)vb;

	return strcmp(a->entry->key, b->entry->key);
}

/* Each key that says again what another one says: the first by the order of keys counts. */
static int warn_extra(const struct group *g, enum piece_kind kind, size_t *left_out,
		      struct snapshot *s)
{
	auto_free const struct part **parts = NULL;
	char key[XM_NAME_LEN], first[XM_NAME_LEN];
	size_t n = 0;
	int rc = 0;

	for (const struct part *p = g->lists[kind].first; p; p = p->after)
		n++;
	if (n < 2)
		return 0;
	parts = calloc(n, sizeof(*parts));
	if (!parts)
		return -ENOMEM;
	n = 0;
	for (const struct part *p = g->lists[kind].first; p; p = p->after)
		parts[n++] = p;
	qsort(parts, n, sizeof(*parts), order_parts);
	entry_text(parts[0]->entry, first);
	for (size_t i = 1; !rc && i < n; i++) {
		if (parts[i]->entry == parts[0]->entry)
			continue;
		if (s->n_warnings < STORE_MAX_WARNINGS)
			rc = vec_note(&s->warnings, &s->n_warnings,
				      "%s: %s%s%s is in %s already: not used, remove one",
				      entry_text(parts[i]->entry, key), g->space, *g->space ? "/" : "",
				      g->name, first);
		else
			++*left_out;
	}
	return rc;
}

static int warn(const struct store *store, struct snapshot *s)
{
	size_t left_out = 0;
	int rc = 0;

	if (store->n_notes || store->n_unsaid)
		rc = warn_notes(store, &left_out, s);
	for (size_t i = 0; !rc && store->n_extra && i < store->nodes.n; i++)
		if (store->nodes.groups[i]->n_extra)
			rc = warn_extra(store->nodes.groups[i], PIECE_NODE, &left_out, s);
	for (size_t i = 0; !rc && store->n_extra && i < store->services.n; i++) {
		const struct group *g = store->services.groups[i];

		for (enum piece_kind k = PIECE_SERVICE; !rc && g->n_extra && k <= PIECE_IMPORT; k++)
			if (k != PIECE_SLICE)
				rc = warn_extra(g, k, &left_out, s);
	}
	if (!rc && left_out)
		rc = vec_note(&s->warnings, &s->n_warnings,
			      "more of the same was found in %zu keys and is not listed", left_out);
	return rc;
}

int store_snapshot(struct store *store, const char *revision, struct snapshot **ret_snapshot,
		   struct err *err)
{
	struct snapshot *s = calloc(1, sizeof(*s));
	int rc = s ? groups_refresh(store) : -ENOMEM;

	if (!rc) {
		groups_sort(&store->nodes);
		groups_sort(&store->services);
		rc = copy_nodes(store, s);
	}
	if (!rc)
		rc = copy_services(store, s);
	if (!rc)
		rc = warn(store, s);
	if (rc) {
		snapshot_free(s);
		return err_set(err, rc, "out of memory");
	}
	s->counts = store->counts;
	s->counts.items = store->entries.n;
	snprintf(s->revision, sizeof(s->revision), "%s", revision);
	*ret_snapshot = s;
	return 0;
}
