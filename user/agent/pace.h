/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How soon turn may follow turn, so that the loop is left to others in between, and a turn that
 * fails and changes the kernel's tables on its way does not call for the next one itself. Pure.
 */
#ifndef XMESH_AGENT_PACE_H
#define XMESH_AGENT_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define PACE_RETRY_MAX_MS 30000

struct pace {
	uint64_t end_ns, duration_ns; /* of the last turn, good or bad; end 0 = none yet */
	unsigned int failed_in_row;
};

/* A turn is over. */
void pace_turn(struct pace *pace, uint64_t start_ns, uint64_t end_ns, bool good);
/* How long a turn for a feed's change has to wait from @now_ns on. */
uint64_t pace_feed_ms(const struct pace *pace, uint64_t now_ns);
/* The same for a change of the kernel's, which come all the time on a busy host. */
uint64_t pace_kernel_ms(const struct pace *pace, uint64_t now_ns);
/* After a failure: when the next turn comes without any change. */
uint64_t pace_retry_ms(const struct pace *pace);

#endif
