/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* When a node counts as up or down. */
#include "model/liveness.h"

bool liveness_result(struct liveness *l, bool was_answered)
{
	enum node_health before = l->health;

	if (was_answered) {
		l->lost = 0;
		if (l->answered < LIVENESS_UP_AFTER)
			l->answered++;
		if (l->health == NODE_UNKNOWN || l->answered == LIVENESS_UP_AFTER)
			l->health = NODE_UP;
		return l->health != before;
	}
	l->answered = 0;
	/* It never answered: perhaps it cannot, like a plain VXLAN device. */
	if (l->health == NODE_UNKNOWN)
		return false;
	if (l->lost < LIVENESS_DOWN_AFTER)
		l->lost++;
	if (l->lost == LIVENESS_DOWN_AFTER)
		l->health = NODE_DOWN;
	return l->health != before;
}
