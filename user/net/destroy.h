/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SOCK_DESTROY (sock_diag(7), CONFIG_INET_DIAG_DESTROY): connected sockets of all network namespaces
 * whose backend is lost, so that their owners learn it now and not after minutes. Blocking, changes
 * its thread's network namespace meanwhile: for a thread of its own.
 */
#ifndef XMESH_NET_DESTROY_H
#define XMESH_NET_DESTROY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "xmesh/addr.h"

struct destroy_target { struct xm_addr addr; uint16_t port; /* host order */ uint8_t proto; };

struct destroy_result {
	size_t namespaces;
	size_t hidden; /* processes that may not be looked at (CAP_SYS_PTRACE): their namespaces */
		       /* were searched only where another process led there */
	size_t matched, destroyed;
	bool unsupported;
};

/*
 * In every network namespace that a process of this host is in: the TCP and connected UDP sockets
 * whose peer is one of @targets and of which @is_ours says that they came there through a service
 * (@cookie: of the socket). A kernel that cannot destroy: ret->unsupported, no error.
 */
int destroy_sockets(const struct destroy_target *targets, size_t n,
		    bool (*is_ours)(void *user, uint64_t cookie, const struct destroy_target *target),
		    void *user, struct destroy_result *ret_result, struct err *err);

#endif
