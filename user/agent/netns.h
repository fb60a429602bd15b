/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whose network this process sees. */
#ifndef XMESH_AGENT_NETNS_H
#define XMESH_AGENT_NETNS_H

#include <stdbool.h>

/*
 * Is this the host's own network namespace, whose sockets the host's cgroups stand for? False also
 * when it cannot be told, in a container with processes of its own on a kernel before 6.18.
 */
bool netns_is_initial(void);

#endif
