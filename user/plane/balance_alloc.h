/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which slots of xm_maglev and which numbers are free, and what waits out its grace period. Pure.
 *
 * Slots: a buddy tree of base 4, for slices are one slot or about 4^k of them (maglev_size()): a
 * slice takes the block of 4^k slots that it fits in (at most 2 % are lost), and freed blocks become
 * one again when all four are free. The smallest block that fits is cut, so that large ones stay.
 */
#ifndef XMESH_PLANE_BALANCE_ALLOC_H
#define XMESH_PLANE_BALANCE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct slots {
	uint8_t *used;    /* a byte for each block of the tree, zero = all free */
	uint32_t n_used;  /* slots in blocks that are taken */
};

int slots_init(struct slots *slots);
void slots_done(struct slots *slots);
/* -ENOSPC: no block is left that @size fits in. */
int slots_take(struct slots *slots, uint32_t size, uint32_t *ret_first);
/* One that is there already. -EINVAL: no slice of ours can be there, or it is taken. */
int slots_claim(struct slots *slots, uint32_t first, uint32_t size);
void slots_give(struct slots *slots, uint32_t first, uint32_t size);
/* Call @each for all that is free, in blocks of at most 1024 slots. It may claim that very block. */
void slots_each_free(struct slots *slots, void (*each)(void *arg, uint32_t first, uint32_t size),
		     void *arg);

/* Numbers from 1 to @max. */
struct numbers {
	uint64_t *taken;
	uint32_t max, next, n_taken;
};

int numbers_init(struct numbers *numbers, uint32_t max);
void numbers_done(struct numbers *numbers);
int numbers_take(struct numbers *numbers, uint32_t *ret_number);
bool numbers_claim(struct numbers *numbers, uint32_t number);
void numbers_give(struct numbers *numbers, uint32_t number);

enum waiting_kind { WAITING_SLICE, WAITING_BACKEND, WAITING_SERVICE };

struct waiting {
	enum waiting_kind kind;
	uint32_t first, size;
	uint64_t until_s;
};

/* In the order of their ends. */
struct grace {
	struct waiting *items;
	size_t first, n, capacity;
	size_t n_of[WAITING_SERVICE + 1];
};

/* Room for @more: grace_add() cannot fail then. -ENOMEM. */
int grace_reserve(struct grace *grace, size_t more);
void grace_add(struct grace *grace, enum waiting_kind kind, uint32_t first, uint32_t size,
	       uint64_t until_s);
/* The next whose time is over, or false. */
bool grace_pop(struct grace *grace, uint64_t now_s, struct waiting *ret_waiting);
/* Seconds until the next time is over, 0 = nothing waits. */
uint64_t grace_wait_s(const struct grace *grace, uint64_t now_s);
void grace_done(struct grace *grace);

#endif
