/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Tells when the kernel's tables changed, over rtnetlink multicast: links, addresses, routes,
 * neighbours, FDB, tc filters, and rules that go. Not for: tcx and XDP programs, of which the
 * kernel tells nothing.
 */
#ifndef XMESH_NET_WATCH_H
#define XMESH_NET_WATCH_H

#include <uv.h>

#include "core/err.h"

struct watch;

/*
 * @changed runs on @loop after 20 ms of quiet, at most 100 ms after the first change. What we put
 * ourselves (routes and neighbours with our protocol number) does not count; what goes does, for
 * others remove ours too. ENOBUFS counts as a change (everything is read anew anyway). Socket
 * buffer 4 MiB.
 */
int watch_new(uv_loop_t *loop, void (*changed)(void *user), void *user, struct watch **ret_watch,
	      struct err *err);
void watch_close(struct watch *watch);

#endif
