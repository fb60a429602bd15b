/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * <run_dir>/<instance>.sock: what only the running agent knows (feeds, last errors, apply times),
 * as JSON. A client sends one line {"get":"status"}, {"get":"events","since":SEQ} (agent/events.h),
 * {"do":"reload"} or {"do":"turn"} and reads one JSON document until end of file. Mode 0600, bounded lines, 16 clients.
 */
#ifndef XMESH_AGENT_CONTROL_H
#define XMESH_AGENT_CONTROL_H

#include <json-c/json.h>
#include <uv.h>

#include "core/err.h"

struct control;

/*
 * @answer returns a new reference for the request (never NULL), called on the loop. A stale socket
 * of a dead agent is replaced.
 */
int control_new(uv_loop_t *loop, const char *path,
		json_object *(*answer)(void *user, const json_object *request), void *user,
		struct control **ret_control, struct err *err);
void control_close(struct control *control);

/*
 * Client side: -ECONNREFUSED/-ENOENT: no agent runs. Gives up after 5 s (-ETIMEDOUT). The caller
 * puts *ret_answer.
 */
int control_ask(const char *path, const char *request_json, json_object **ret_answer,
		struct err *err);

#endif
