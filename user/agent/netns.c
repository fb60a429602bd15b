/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The initial namespaces by their inode numbers: fixed for processes ever since (PROC_PID_INIT_INO),
 * for networks since 6.18 (NET_NS_INIT_INO). Before that process 1 of the initial process namespace
 * is asked; a socket's netns cookie is no help, for the initial one has no fixed value.
 */
#include "agent/netns.h"

#include <sys/stat.h>

#define PID_INIT_INO 0xEFFFFFFCu
#define NET_INIT_INO 0xEFFFFFF9u

bool netns_is_initial(void)
{
	struct stat own, pid, first;

	if (stat("/proc/self/ns/net", &own))
		return false;
	if (own.st_ino == NET_INIT_INO)
		return true;
	return !stat("/proc/self/ns/pid", &pid) && pid.st_ino == PID_INIT_INO &&
	       !stat("/proc/1/ns/net", &first) && first.st_ino == own.st_ino;
}
