/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The agent's work once, without a loop: read every feed, judge them together, one turn. */
#ifndef XMESH_AGENT_ONCE_H
#define XMESH_AGENT_ONCE_H

#include "agent/engine.h"

struct once {
	struct engine_turn turn;
	struct notes failed;   /* feeds not read or refused; their clusters stay as they are */
};

/* Errors of engine_new() and engine_run(). once_done() releases. */
int once_run(const struct config *config, bool dry_run, struct once *ret_once, struct err *err);
void once_done(struct once *once);

#endif
