/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the running agent says, and what stands in for it from the pinned maps when none runs. */
#ifndef XMESH_CLI_AGENTVIEW_H
#define XMESH_CLI_AGENTVIEW_H

#include "cli/view.h"

/*
 * The agent's status document (state_status()), a new reference. -ENOENT: no agent runs. Other
 * errors: one runs but does not answer.
 */
int agentview_status(const struct config *config, json_object **ret_status, struct err *err);
/* The same array as status.feeds, out of the cluster table: state "no agent". A new reference. */
json_object *agentview_feeds_of(const struct view *view);
/* The table of feeds, and for people the errors below it. */
void agentview_emit_feeds(struct emit *emit, bool json, const char *title,
			  const json_object *feeds);

/*
 * "up", "down", "unknown" of a node that the agent asks; NULL when it does not ask it, or @status is
 * NULL.
 */
const char *agentview_health(const json_object *status, uint32_t number);

/* Members of @object: "" and 0 when absent. */
const char *agentview_text(const json_object *object, const char *key);
uint64_t agentview_number(const json_object *object, const char *key);
const json_object *agentview_member(const json_object *object, const char *key);

#endif
