/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Node numbers: small, unique, kept over restarts, for they index arrays that BPF writes. Not
 * for: who is a node.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/defs.h"
#include "model/wanted_parts.h"

static int compare_numbers(const void *a, const void *b)
{
	const struct fact_number *x = *(const struct fact_number *const *)a;
	const struct fact_number *y = *(const struct fact_number *const *)b;

	if (x->cluster != y->cluster)
		return x->cluster < y->cluster ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* The next number from *@from on that is not @taken; 0 = none. */
static uint32_t next_free(const bool *taken, uint32_t *from)
{
	while (*from < XM_MAX_NODES && taken[*from])
		++*from;
	return *from < XM_MAX_NODES ? (*from)++ : 0;
}

int wanted_number(struct wanted_member *members, size_t n_members, const struct facts *facts,
		  struct err *err)
{
	auto_free const struct fact_number **known = calloc(facts->n_numbers + 1, sizeof(*known));
	auto_free bool *given = calloc(XM_MAX_NODES, sizeof(*given));
	auto_free bool *remembered = calloc(XM_MAX_NODES, sizeof(*remembered));
	uint32_t fresh = 1, reused = 1;

	if (!known || !given || !remembered)
		return err_set(err, -ENOMEM, "out of memory");
	if (n_members >= XM_MAX_NODES)
		return err_set(err, -ENOSPC, "%zu nodes in the mesh: at most %d have room",
			       n_members, XM_MAX_NODES - 1);
	for (size_t i = 0; i < facts->n_numbers; i++) {
		known[i] = &facts->numbers[i];
		if (known[i]->number < XM_MAX_NODES)
			remembered[known[i]->number] = true;
	}
	qsort(known, facts->n_numbers, sizeof(*known), compare_numbers);

	for (size_t i = 0; i < n_members; i++) {
		struct wanted_member *m = &members[i];
		struct fact_number key = { .cluster = m->cluster->config->id };
		const struct fact_number *keyp = &key, **hit;

		snprintf(key.name, sizeof(key.name), "%s", m->name);
		hit = bsearch(&keyp, known, facts->n_numbers, sizeof(*known), compare_numbers);
		m->number = 0;
		/* Pinned state is input: a number twice or out of range is given anew. */
		if (hit && (*hit)->number > 0 && (*hit)->number < XM_MAX_NODES &&
		    !given[(*hit)->number]) {
			m->number = (*hit)->number;
			m->pmtu = (*hit)->pmtu;
			given[m->number] = true;
		}
	}
	for (size_t i = 0; i < n_members; i++) {
		struct wanted_member *m = &members[i];

		if (m->number)
			continue;
		m->number = next_free(remembered, &fresh);
		if (!m->number)
			m->number = next_free(given, &reused);
		given[m->number] = true;
	}
	return 0;
}
