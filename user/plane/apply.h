/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Carries out a plan on the pinned maps, in order, runs of one map in batches where the kernel has
 * them. Decides nothing.
 */
#ifndef XMESH_PLANE_APPLY_H
#define XMESH_PLANE_APPLY_H

#include "core/err.h"
#include "plane/plan.h"

/*
 * 0: all done, *ret_done = n_ops. On an error *ret_done operations are in the maps; planning anew
 * resumes with the rest. -ENOSPC: a map is full, named with its limit.
 */
int apply_plan(const struct plane *plane, const struct plan *plan, size_t *ret_done,
	       struct err *err);
/*
 * What the programs remember of xm_routes and xm_pods is void from here on: follows every change of
 * those maps, and is due at a start, as the process before may have ended between the two. Only one
 * process writes at a time: the agent, or a command on a host without one.
 */
int apply_epoch(const struct plane *plane, struct err *err);
/*
 * One pod by hand (`xmesh endpoint add`, `del`), without a plan: the entry of xm_pods, and
 * xm_ifaces counted anew for its interface (put if it is not there). -ENOSPC: full, as above.
 * apply_pod_delete(): -ENOENT: no such pod.
 */
int apply_pod_put(const struct plane *plane, const struct xm_addr *addr, const struct xm_pod *pod,
		  struct err *err);
int apply_pod_delete(const struct plane *plane, const struct xm_addr *addr, struct err *err);

#endif
