/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Maglev tables. Every target walks a sequence of slots of its own (from its identity) and takes the next free slot when it is its turn. Turns are dealt by quota: with equal
 * quotas one each round, else as often as the quota is worth, so that light targets get early slots
 * as well and keep them when another one leaves.
 */
#include "model/maglev.h"

#include <errno.h>
#include <string.h>

#include "core/defs.h"

#define FREE_SLOT UINT32_MAX
#define SLOTS_MIN 100  /* for each target */
#define SLOTS_MAX 1600

static const uint32_t primes[] = { 251, 1021, 4093, 16381, 65521, 262139, 1048573 };

struct walker {
	struct maglev_target target;
	uint64_t at;            /* where its sequence of slots is */
	uint32_t quota;
	uint32_t credit;
	uint64_t rest;          /* remainder of its share, for the slots that are left over */
};

/* The finalizer of splitmix64: every bit of @x moves every bit of the result. */
static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ull;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

static int by_identity(const void *a, const void *b)
{
	const struct maglev_target *x = &((const struct walker *)a)->target;
	const struct maglev_target *y = &((const struct walker *)b)->target;

	if (x->identity != y->identity)
		return x->identity > y->identity ? 1 : -1;
	if (x->weight != y->weight)
		return x->weight > y->weight ? 1 : -1;
	return (x->value > y->value) - (x->value < y->value);
}

/* Largest remainder first; of equal ones the smaller identity, which the address in memory tells. */
static int by_rest(const void *a, const void *b)
{
	const struct walker *x = *(struct walker *const *)a, *y = *(struct walker *const *)b;

	if (x->rest != y->rest)
		return x->rest < y->rest ? 1 : -1;
	return (x > y) - (x < y);
}

/* Exact shares by largest remainder; the sum of quotas is @size. */
static int deal_quotas(struct walker *walkers, size_t n, uint32_t size)
{
	auto_free struct walker **order = malloc(n * sizeof(*order));
	uint64_t sum = 0, dealt = 0;
	size_t i;

	if (!order)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		sum += walkers[i].target.weight;
	for (i = 0; i < n; i++) {
		/* weight < 2^32 and size < 2^21: the product fits. */
		uint64_t share = (uint64_t)walkers[i].target.weight * size;

		walkers[i].quota = (uint32_t)(share / sum);
		walkers[i].rest = share % sum;
		dealt += walkers[i].quota;
		order[i] = &walkers[i];
	}
	if (dealt < size)
		qsort(order, n, sizeof(*order), by_rest);
	for (i = 0; dealt < size; i++, dealt++)
		order[i]->quota++;
	return 0;
}

/*
 * The next free slot of its sequence: a full-period generator whose high half is the slot, so that
 * each slot comes in the end. Not offset and skip as in the paper: arithmetic progressions of two
 * targets may run beside each other, and up to 12 % of the others' slots moved with one (n = 11,
 * 4093 slots) where it is below 4 % this way.
 */
static uint32_t next_free(struct walker *w, uint32_t size, const uint32_t *table)
{
	uint32_t slot;

	do {
		w->at = w->at * 6364136223846793005ull + 1442695040888963407ull;
		slot = (uint32_t)((w->at >> 32) * size >> 32);
	} while (table[slot] != FREE_SLOT);
	return slot;
}

/* Slots hold the index of their walker meanwhile: any value is allowed in the end. */
static void fill(struct walker *walkers, size_t n, uint32_t size, uint32_t *table)
{
	uint32_t most = 0, round;
	size_t i;

	for (i = 0; i < n; i++)
		most = MAX(most, walkers[i].quota);
	/* Almost one turn in advance: what a quota lacks to the largest is skipped at the end. */
	for (i = 0; i < n; i++)
		walkers[i].credit = most - 1;
	memset(table, 0xff, size * sizeof(*table));
	for (round = 0; round < most; round++) {
		for (i = 0; i < n; i++) {
			struct walker *w = &walkers[i];

			w->credit += w->quota;
			if (w->credit < most)
				continue;
			w->credit -= most;
			table[next_free(w, size, table)] = (uint32_t)i;
		}
	}
	for (i = 0; i < size; i++)
		table[i] = walkers[table[i]].target.value;
}

static bool is_size(uint32_t size)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(primes); i++)
		if (primes[i] == size)
			return true;
	return size == 1;
}

int maglev_fill(const struct maglev_target *targets, size_t n, uint32_t size, uint32_t *table)
{
	auto_free struct walker *walkers = NULL;
	size_t i;
	int code;

	if (!n || !is_size(size))
		return -EINVAL;
	for (i = 0; i < n; i++)
		if (!targets[i].weight)
			return -EINVAL;
	walkers = malloc(n * sizeof(*walkers));
	if (!walkers)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		walkers[i].target = targets[i];
		walkers[i].at = mix(targets[i].identity);
	}
	qsort(walkers, n, sizeof(*walkers), by_identity);
	code = deal_quotas(walkers, n, size);
	if (code)
		return code;

	fill(walkers, n, size, table);
	return 0;
}

uint32_t maglev_size(size_t n, uint32_t now)
{
	const uint32_t largest = primes[ARRAY_SIZE(primes) - 1];
	size_t i;

	if (n <= 1)
		return 1;
	if (now > 1 && is_size(now) && now / n <= SLOTS_MAX && (now / n >= SLOTS_MIN || now == largest))
		return now;
	for (i = 0; i < ARRAY_SIZE(primes); i++)
		if (primes[i] / n >= SLOTS_MIN)
			return primes[i];
	return largest;
}
