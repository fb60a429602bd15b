/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Keys, passwords and tokens in memory stay there. Not for: wiping them (who holds them does). */
#ifndef XMESH_AGENT_NODUMP_H
#define XMESH_AGENT_NODUMP_H

/*
 * From now on this process leaves no core dump, whatever the host's core pattern is (a limit of 0 alone
 * is not asked for patterns with a pipe), and only a process with CAP_SYS_PTRACE may read its memory.
 */
void nodump(void);

#endif
