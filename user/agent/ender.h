/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Ends sockets whose backend is lost (net/destroy.h), on a thread of its own, one run after the other:
 * a run changes its thread's network namespace, and takes its time on a host with many pods.
 */
#ifndef XMESH_AGENT_ENDER_H
#define XMESH_AGENT_ENDER_H

#include <uv.h>

#include "core/err.h"
#include "net/destroy.h"
#include "plane/plane.h"

struct ender;

/*
 * @done: a run is over, on the loop; @code is that of destroy_sockets(). @plane is borrowed: xm_sock_origin
 * tells which sockets came to their peer through a service. -ENOMEM.
 */
int ender_new(uv_loop_t *loop, const struct plane *plane,
	      void (*done)(void *user, int code, const struct destroy_result *result, const struct err *err),
	      void *user, struct ender **ret_ender);
/* Waits for a run that is on its way; the loop has to run once more for the handle to go. */
void ender_close(struct ender *ender);
/* Sockets connected to @targets are to end. Copied. -ENOMEM. */
int ender_add(struct ender *ender, const struct destroy_target *targets, size_t n);

/* The same without a loop, now: for `apply`. */
int ender_run_once(const struct plane *plane, const struct destroy_target *targets, size_t n,
		   struct destroy_result *ret_result, struct err *err);

#endif
