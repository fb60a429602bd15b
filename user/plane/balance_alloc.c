/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Free slots, free numbers, and the queue of what is not free yet. Pure; see balance_alloc.h. */
#include "plane/balance_alloc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "xmesh/service.h"

#define ORDERS 12 /* 4^12 slots */

_Static_assert(XM_MAGLEV_SLOTS == 1u << 2 * ORDERS, "the tree's root is all slots");

/*
 * A block of order k is 4^k slots. used[] says of each k + 1 - (order of the largest free block in
 * it + 1): zero is all free, so that the tree begins as zeroes that take no memory.
 */
static size_t node(int order, uint32_t first)
{
	return (((size_t)1 << 2 * (ORDERS - order)) - 1) / 3 + (first >> 2 * order);
}

/* The order of the largest free block, -1 = none. */
static int best(const struct slots *slots, int order, uint32_t first)
{
	return order - slots->used[node(order, first)];
}

static void set_best(struct slots *slots, int order, uint32_t first, int value)
{
	slots->used[node(order, first)] = (uint8_t)(order - value);
}

static int order_of(uint32_t size)
{
	int order = 0;

	while (1u << 2 * order < size)
		order++;
	return order;
}

int slots_init(struct slots *slots)
{
	memset(slots, 0, sizeof(*slots));
	slots->used = calloc(node(0, XM_MAGLEV_SLOTS - 1) + 1, 1);
	return slots->used ? 0 : -ENOMEM;
}

void slots_done(struct slots *slots)
{
	free(slots->used);
	slots->used = NULL;
}

/* The blocks that @first is in, from order @order + 1 up, after one in them changed. */
static void update_up(struct slots *slots, int order, uint32_t first)
{
	while (++order <= ORDERS) {
		uint32_t start = first & ~((1u << 2 * order) - 1), step = 1u << 2 * (order - 1);
		int most = -1, whole = 0, i;

		for (i = 0; i < 4; i++) {
			int b = best(slots, order - 1, start + (uint32_t)i * step);

			whole += b == order - 1;
			most = b > most ? b : most;
		}
		set_best(slots, order, start, whole == 4 ? order : most);
	}
}

static void mark(struct slots *slots, int order, uint32_t first)
{
	set_best(slots, order, first, -1);
	update_up(slots, order, first);
	slots->n_used += 1u << 2 * order;
}

int slots_take(struct slots *slots, uint32_t size, uint32_t *ret_first)
{
	int want = order_of(size), order;
	uint32_t first = 0;

	if (!size || size > XM_MAGLEV_SLOTS || best(slots, ORDERS, 0) < want)
		return -ENOSPC;
	for (order = ORDERS; order > want; order--) {
		uint32_t step = 1u << 2 * (order - 1), at = first;
		int least = ORDERS + 1, i;

		for (i = 0; i < 4; i++) {
			int b = best(slots, order - 1, first + (uint32_t)i * step);

			if (b >= want && b < least) {
				least = b;
				at = first + (uint32_t)i * step;
			}
		}
		first = at;
	}
	mark(slots, want, first);

	*ret_first = first;
	return 0;
}

int slots_claim(struct slots *slots, uint32_t first, uint32_t size)
{
	int want, order;

	if (!size || size > XM_MAGLEV_SLOTS || first > XM_MAGLEV_SLOTS - size)
		return -EINVAL;
	want = order_of(size);
	if (first & ((1u << 2 * want) - 1) || best(slots, want, first) != want)
		return -EINVAL;
	/* In a block that is taken as a whole the smaller ones still look free. */
	for (order = want + 1; order <= ORDERS; order++)
		if (best(slots, order, first & ~((1u << 2 * order) - 1)) < want)
			return -EINVAL;
	mark(slots, want, first);
	return 0;
}

void slots_give(struct slots *slots, uint32_t first, uint32_t size)
{
	int order = order_of(size);

	set_best(slots, order, first, order);
	update_up(slots, order, first);
	slots->n_used -= 1u << 2 * order;
}

static void each_free(struct slots *slots, int order, uint32_t first,
		      void (*each)(void *arg, uint32_t first, uint32_t size), void *arg)
{
	const int biggest = 5;
	int b = best(slots, order, first);

	/* Below a block that is taken as a whole the smaller ones still look free. */
	if (b < 0)
		return;
	if (b == order && order <= biggest) {
		each(arg, first, 1u << 2 * order);
		return;
	}
	for (uint32_t i = 0; i < 4; i++)
		each_free(slots, order - 1, first + (i << 2 * (order - 1)), each, arg);
}

void slots_each_free(struct slots *slots, void (*each)(void *arg, uint32_t first, uint32_t size),
		     void *arg)
{
	each_free(slots, ORDERS, 0, each, arg);
}

int numbers_init(struct numbers *numbers, uint32_t max)
{
	memset(numbers, 0, sizeof(*numbers));
	numbers->taken = calloc(max / 64 + 1, sizeof(*numbers->taken));
	numbers->max = max;
	numbers->next = 1;
	return numbers->taken ? 0 : -ENOMEM;
}

void numbers_done(struct numbers *numbers)
{
	free(numbers->taken);
	numbers->taken = NULL;
}

bool numbers_claim(struct numbers *numbers, uint32_t number)
{
	if (!number || number > numbers->max || numbers->taken[number / 64] >> number % 64 & 1)
		return false;
	numbers->taken[number / 64] |= 1ull << number % 64;
	numbers->n_taken++;
	return true;
}

/* Round and round: a number rests as long as others are free. */
int numbers_take(struct numbers *numbers, uint32_t *ret_number)
{
	if (numbers->n_taken == numbers->max)
		return -ENOSPC;
	while (!numbers_claim(numbers, numbers->next))
		numbers->next = numbers->next >= numbers->max ? 1 : numbers->next + 1;
	*ret_number = numbers->next;
	return 0;
}

void numbers_give(struct numbers *numbers, uint32_t number)
{
	numbers->taken[number / 64] &= ~(1ull << number % 64);
	numbers->n_taken--;
}

int grace_reserve(struct grace *grace, size_t more)
{
	struct waiting *items;
	size_t capacity;

	if (grace->first) {
		memmove(grace->items, grace->items + grace->first, grace->n * sizeof(*grace->items));
		grace->first = 0;
	}
	if (grace->n + more <= grace->capacity)
		return 0;
	capacity = 2 * (grace->n + more);
	items = realloc(grace->items, capacity * sizeof(*items));
	if (!items)
		return -ENOMEM;
	grace->items = items;
	grace->capacity = capacity;
	return 0;
}

void grace_add(struct grace *grace, enum waiting_kind kind, uint32_t first, uint32_t size,
	       uint64_t until_s)
{
	grace->items[grace->first + grace->n++] = (struct waiting){ kind, first, size, until_s };
	grace->n_of[kind]++;
}

bool grace_pop(struct grace *grace, uint64_t now_s, struct waiting *ret_waiting)
{
	if (!grace->n || grace->items[grace->first].until_s > now_s)
		return false;
	*ret_waiting = grace->items[grace->first++];
	grace->n--;
	grace->n_of[ret_waiting->kind]--;
	return true;
}

uint64_t grace_wait_s(const struct grace *grace, uint64_t now_s)
{
	uint64_t until_s;

	if (!grace->n)
		return 0;
	until_s = grace->items[grace->first].until_s;
	return until_s > now_s ? until_s - now_s : 1;
}

void grace_done(struct grace *grace)
{
	free(grace->items);
	memset(grace, 0, sizeof(*grace));
}
