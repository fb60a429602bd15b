/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What services need between whole turns, on the agent's loop: probes, short turns, the end of sockets
 * whose backend is lost, and the sweep of flows. Not for: what a turn does (agent/engine.h).
 */
#ifndef XMESH_AGENT_TEND_H
#define XMESH_AGENT_TEND_H

#include "agent/state.h"

/* Timers that tend_stop() may close, before anything can fail. */
void tend_init(struct agent *agent);
/* With agent->engine there. Errors of prober_new(), -ENOMEM. */
int tend_start(struct agent *agent, struct err *err);
void tend_stop(struct agent *agent);

/* By cluster of the mesh that feeds_mesh() gives now; valid until the next call. */
const bool *tend_stale(struct agent *agent);
/* A short turn comes as soon as the pace allows. */
void tend_soon(struct agent *agent);
/* A turn, whole or short, is over: ask its nodes, end its lost sockets, set the clock for the next. */
void tend_after_turn(struct agent *agent, const struct engine_turn *turn);

#endif
