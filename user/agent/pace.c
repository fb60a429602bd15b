/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How soon turn may follow turn. Not for: timers. */
#include "agent/pace.h"

#include "core/defs.h"

/* After a turn the loop is left to others for a multiple of its duration, within a bound. */
#define FEED_FACTOR 2
#define FEED_MAX_MS 2000
#define KERNEL_FACTOR 10
#define KERNEL_MAX_MS 10000
/*
 * After a failure a change may be what heals it, and is answered soon; or it is what the turn
 * itself made and took back (a device whose port is taken), and the pause has to grow.
 */
#define FAILED_MIN_MS 100
#define FAILED_MAX_MS 5000
#define RETRY_MIN_MS 1000

/* @min_ms doubled with every failure but the first, up to @max_ms. */
static uint64_t backoff_ms(const struct pace *pace, uint64_t min_ms, uint64_t max_ms)
{
	if (!pace->failed_in_row)
		return 0;
	return MIN(min_ms << MIN(pace->failed_in_row - 1, 10u), max_ms);
}

/* What is left of a pause of @pause_ms. */
static uint64_t left_ms(const struct pace *pace, uint64_t pause_ms, uint64_t now_ns)
{
	uint64_t since_ms = (now_ns - pace->end_ns) / 1000000;

	return pace->end_ns && since_ms < pause_ms ? pause_ms - since_ms : 0;
}

void pace_turn(struct pace *pace, uint64_t start_ns, uint64_t end_ns, bool good)
{
	pace->end_ns = end_ns;
	pace->duration_ns = end_ns - start_ns;
	pace->failed_in_row = good ? 0 : pace->failed_in_row + 1;
}

uint64_t pace_feed_ms(const struct pace *pace, uint64_t now_ns)
{
	uint64_t pause_ms = MIN(FEED_FACTOR * pace->duration_ns / 1000000, FEED_MAX_MS);

	return left_ms(pace, pause_ms, now_ns);
}

uint64_t pace_kernel_ms(const struct pace *pace, uint64_t now_ns)
{
	uint64_t pause_ms = MIN(KERNEL_FACTOR * pace->duration_ns / 1000000, KERNEL_MAX_MS);

	return left_ms(pace, MAX(pause_ms, backoff_ms(pace, FAILED_MIN_MS, FAILED_MAX_MS)), now_ns);
}

uint64_t pace_retry_ms(const struct pace *pace)
{
	return backoff_ms(pace, RETRY_MIN_MS, PACE_RETRY_MAX_MS);
}
