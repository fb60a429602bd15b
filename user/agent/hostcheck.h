/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What on this host stands in the way of the slow path: firewall rules and sysctls. Reads only, may
 * take a second.
 */
#ifndef XMESH_AGENT_HOSTCHECK_H
#define XMESH_AGENT_HOSTCHECK_H

#include "agent/notes.h"
#include "model/config.h"

struct hostcheck {
	struct notes notes;
	bool policy_engine;      /* iptables or nft enforce NetworkPolicy here */
	char policy_why[256];
	bool incomplete;         /* not all rules could be read: an engine may be there unseen */
};

/*
 * What cannot be read becomes a note. Callable on a worker thread: touches nothing but *@ret_check.
 */
void hostcheck_read(const char *device, const char *const *underlay, size_t n_underlay,
		    struct hostcheck *ret_check);
/* The same with the names of @config. */
void hostcheck_config(const struct config *config, struct hostcheck *ret_check);
/*
 * What @before found still holds for @check as far as that could not look: pods are not taken past
 * a policy because the tool that lists it failed once.
 */
void hostcheck_follow(struct hostcheck *check, const struct hostcheck *before);
void hostcheck_done(struct hostcheck *check);

#endif
