/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One rtnetlink socket and its request/answer turn, over libmnl, with extended ACK text in errors.
 */
#ifndef XMESH_NET_NL_H
#define XMESH_NET_NL_H

#include <libmnl/libmnl.h>

#include "core/err.h"

struct nl; /* a NETLINK_ROUTE socket with NETLINK_EXT_ACK and strict checking */

int nl_open(struct nl **ret_nl, struct err *err);
void nl_close(struct nl *nl);
/*
 * Send @nlh (seq, NLM_F_REQUEST and NLM_F_ACK are set here) and run @cb for each answer until the
 * ACK or the end of the dump. @cb fails by setting errno and returning MNL_CB_ERROR; that errno
 * comes back. A negative errno of the kernel comes back with "WHAT: kernel's words". A dump that
 * was interrupted (NLM_F_DUMP_INTR) gives -EINTR: start over.
 */
int nl_talk(struct nl *nl, struct nlmsghdr *nlh, mnl_cb_t cb, void *data, const char *what,
	    struct err *err);

#endif
