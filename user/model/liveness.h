/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * When a node counts as up or down: three questions in a row unanswered, three answers. Pure: time
 * comes in as an argument. Sending and receiving: agent/prober.h.
 */
#ifndef XMESH_MODEL_LIVENESS_H
#define XMESH_MODEL_LIVENESS_H

#include <stdbool.h>
#include <stdint.h>

#include "model/services.h"

#define LIVENESS_INTERVAL_MS 1000 /* +- 5 % */
#define LIVENESS_TIMEOUT_MS 400
#define LIVENESS_DOWN_AFTER 3
#define LIVENESS_UP_AFTER 3

struct liveness {
	enum node_health health; /* UNKNOWN until the first answer: never taken for down */
	uint8_t lost, answered;  /* in a row */
};

/* One question came to its end. True: health changed. */
bool liveness_result(struct liveness *l, bool was_answered);

#endif
