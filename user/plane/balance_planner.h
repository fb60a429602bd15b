/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A plan in the making: what balance_plan.c and balance_service.c share. Internal to them. */
#ifndef XMESH_PLANE_BALANCE_PLANNER_H
#define XMESH_PLANE_BALANCE_PLANNER_H

#include "plane/balance_parts.h"

/* All operations of a step come before those of the next. */
enum planner_step {
	PLANNER_WRITE,  /* what nothing points to yet, filter bits on, states that get better */
	PLANNER_PUT,    /* frontends */
	PLANNER_DELETE, /* frontends that go */
	PLANNER_UNMARK, /* filter bits off */
	PLANNER_SETTLE, /* states that get worse, backends and names that go */
	PLANNER_STEPS,
};

struct planner_ops {
	struct balance_op *ops; size_t n, capacity;
};

struct planner {
	struct balance_state *state;
	struct planner_ops steps[PLANNER_STEPS];
	struct balance_op nowhere;        /* written to when memory is out */
	bool no_memory;
	uint32_t *slots; size_t n_slots, slots_capacity;
	size_t n_services;
	uint64_t now_s, wall_s;
	struct err *err;
	int code;                         /* of the first service that did not fit */
};

/* An operation to be filled in. */
struct balance_op *planner_add(struct planner *p, enum planner_step step, enum balance_op_kind kind,
			       uint32_t number);
/*
 * Bring @s to @want (NULL: it goes, and its number becomes 0). When it does not fit, it stays as it
 * is, p->code and p->err say why, and 0 is returned. -ENOMEM.
 */
int planner_service(struct planner *p, struct installed *s, const struct service *want);

#endif
