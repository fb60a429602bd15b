/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Weighted Maglev tables (Eisenbud et al., NSDI 2016, 3.4), filled to exact shares: every target
 * gets the number of slots that its weight is worth, by largest remainder. Pure.
 */
#ifndef XMESH_MODEL_MAGLEV_H
#define XMESH_MODEL_MAGLEV_H

#include <stddef.h>
#include <stdint.h>

struct maglev_target {
	uint64_t identity; /* a hash of what the target is (address, port), never of its number or place */
	uint32_t weight;   /* > 0 */
	uint32_t value;    /* what its slots hold */
};

/*
 * Fill @table of @size slots (a prime, or 1). The same targets in any order give the same table, by
 * identity. Equal weights: slots differ by at most one. -EINVAL: no targets, a weight of 0, or size
 * is neither 1 nor a prime of maglev_size(). -ENOMEM.
 */
int maglev_fill(const struct maglev_target *targets, size_t n, uint32_t size, uint32_t *table);

/*
 * Slots for @n targets, where @now are in use (0 = none): at least 100 a target, and no other size
 * than before until fewer than 100 or more than 1600 are left for each, for another size moves
 * everything. 1 for one target. Sizes are primes, each about four times the one before; the largest
 * is 1048573, from 10485 targets on as many slots as there are.
 */
uint32_t maglev_size(size_t n, uint32_t now);

#endif
