/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Pauses between attempts that fail: each twice the one before, up to a bound, and none is the same on
 * all nodes, so that a server that comes back is not met by all of them at once. Not for: timers.
 */
#ifndef XMESH_FEED_BACKOFF_H
#define XMESH_FEED_BACKOFF_H

#include <stdint.h>

struct backoff {
	uint64_t first_ms, max_ms;
	uint64_t step_ms; /* of the next pause, before jitter */
};

/* 0 < @first_ms <= @max_ms. */
void backoff_init(struct backoff *backoff, uint64_t first_ms, uint64_t max_ms);
/* An attempt failed: how long to wait, from half of the step up to the whole of it. The step doubles. */
uint64_t backoff_next_ms(struct backoff *backoff);
/* Something good came: the next pause is short again. Call it for data, not for a mere connection. */
void backoff_reset(struct backoff *backoff);

/* The same with the chance given: 0 = half of the step, UINT32_MAX = the whole. */
uint64_t backoff_step(struct backoff *backoff, uint32_t chance);

#endif
