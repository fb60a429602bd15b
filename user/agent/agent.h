/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The node agent: feeds, kernel watch and reconciler turns on one libuv loop; signals, sd_notify,
 * control socket.
 */
#ifndef XMESH_AGENT_AGENT_H
#define XMESH_AGENT_AGENT_H

#include "core/err.h"

/*
 * Run until SIGTERM or SIGINT (returns 0, datapath left running). SIGHUP re-reads @config_path (a
 * bad one is logged and the old one stays) and pokes the feeds. READY=1 only after the first apply,
 * which waits for the first result of every feed, good or bad. A feed that fails never stops the
 * others: its cluster keeps its pinned entries. Errors: those of config_read(), engine_new().
 */
int agent_run(const char *config_path, const char *instance_override, struct err *err);

#endif
