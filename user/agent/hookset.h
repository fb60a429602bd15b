/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where programs belong in this turn: on interfaces (agent/hooks.h) and on cgroups (plane/sockets.h). */
#ifndef XMESH_AGENT_HOOKSET_H
#define XMESH_AGENT_HOOKSET_H

#include "agent/hooks.h"
#include "agent/notes.h"
#include "model/pods.h"
#include "plane/plane.h"

struct hookset {
	const struct config *config;
	struct plane *plane;   /* NULL: a dry run with nothing pinned */
	bool dry_run;
	uint32_t device;
	const struct pods *pods;
	bool have_edge;        /* there are north-south VIPs */
	bool have_services;    /* there are services at all: what a note is worth */
};

/*
 * Attach, replace and remove on interfaces. What fails is a note in @notes and counted; in a dry run
 * each operation is a line in @lines.
 */
int hookset_interfaces(const struct hookset *set, struct notes *notes, struct notes *lines,
		       struct hooks_result *ret_result, struct err *err);
/*
 * The same on cgroups, as socket_lb says. auto is off outside the host's own network namespace, for
 * the host's cgroups are not its sockets'; there and without cgroup v2 that is a note (once there
 * are services), else a failure.
 */
void hookset_cgroups(const struct hookset *set, struct notes *notes, struct hooks_result *result);

#endif
