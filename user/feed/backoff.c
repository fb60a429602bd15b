/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Growing pauses with jitter. */
#include "feed/backoff.h"

#include <sys/random.h>

void backoff_init(struct backoff *backoff, uint64_t first_ms, uint64_t max_ms)
{
	*backoff = (struct backoff){ .first_ms = first_ms, .max_ms = max_ms, .step_ms = first_ms };
}

void backoff_reset(struct backoff *backoff)
{
	backoff->step_ms = backoff->first_ms;
}

uint64_t backoff_step(struct backoff *backoff, uint32_t chance)
{
	uint64_t step = backoff->step_ms, half = step / 2;

	backoff->step_ms = step > backoff->max_ms / 2 ? backoff->max_ms : 2 * step;
	return half + (uint64_t)((double)(step - half) * chance / UINT32_MAX);
}

uint64_t backoff_next_ms(struct backoff *backoff)
{
	uint32_t chance;

	/* Without entropy (early at boot) all nodes wait the same time; that is all that is lost. */
	if (getrandom(&chance, sizeof(chance), GRND_NONBLOCK) != sizeof(chance))
		chance = UINT32_MAX;
	return backoff_step(backoff, chance);
}
