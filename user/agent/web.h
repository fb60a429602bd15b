/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the agent answers on metrics.listen: /metrics, /healthz, /api/mesh and the page that shows it. */
#ifndef XMESH_AGENT_WEB_H
#define XMESH_AGENT_WEB_H

#include "agent/state.h"

/*
 * Listen as agent->config says, or no more, or on another place; what is as before stays. A place that
 * cannot be listened on is no error of the agent: agent->web_error has the sentence, for status.
 */
void web_follow(struct agent *agent);
void web_close(struct agent *agent);

#endif
