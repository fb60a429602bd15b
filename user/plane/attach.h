/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Programs on interfaces: tcx links pinned under links/ where the kernel has tcx, a clsact filter
 * otherwise; XDP links as configured. Programs of others are never replaced nor disturbed: tcx runs
 * beside them; where a place is taken (XDP, priority 1 of clsact) the call is refused and names the
 * program.
 */
#ifndef XMESH_PLANE_ATTACH_H
#define XMESH_PLANE_ATTACH_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "plane/plane.h"

/* ATTACH_TO_POD: egress of a pod's interface (xm_to_pod); the others are ingress. */
enum attach_role { ATTACH_POD, ATTACH_UNDERLAY, ATTACH_DEVICE, ATTACH_TO_POD };
enum attach_how { ATTACH_TCX, ATTACH_CLSACT, ATTACH_XDP_NATIVE, ATTACH_XDP_GENERIC };

struct attach_hook {
	uint32_t ifindex;
	char ifname[16];          /* as now; empty when the interface is gone */
	enum plane_prog prog;
	enum attach_how how;
	uint32_t prog_id;
	bool current;             /* runs the program of plane->prog_fd (same id) */
};

struct attach_foreign { uint32_t prog_id; char name[16]; char how[16]; };

/*
 * Attach the program of @role to @ifindex in the caller's network namespace; already attached:
 * replace it in place with plane->prog_fd[] (bpf_link_update; clsact: filter replace), without a
 * gap. Links survive the caller. -EBUSY: place taken, sentence names the program (name, id, hook).
 * -ENODEV: interface is gone.
 */
int attach_tc(struct plane *plane, uint32_t ifindex, enum attach_role role, struct err *err);
/* @native: driver mode, else generic. -EBUSY names the foreign XDP program. */
int attach_xdp(struct plane *plane, uint32_t ifindex, bool native, struct err *err);
/* Take our XDP program off @ifindex, whichever its mode; tc stays. 0 also when nothing was there. */
int attach_xdp_remove(struct plane *plane, uint32_t ifindex, struct err *err);
/*
 * Take all of ours off @ifindex (tc of both directions, and XDP). An empty clsact qdisc that we made is removed too. 0
 * also when nothing was there, or the interface is gone.
 */
int attach_remove(struct plane *plane, uint32_t ifindex, struct err *err);
/*
 * Take off everything that is pinned under links/ of the instance, whichever ABI pinned it and
 * wherever the interfaces went: what `detach --all` and a change of ABI need. Works where
 * plane_open() says -EPROTO. 0 also when nothing was there. -EPERM.
 */
int attach_remove_all(const char *bpffs, const char *instance, struct err *err);
/*
 * All hooks of this instance in this namespace, from pins and filters. One whose interface is gone
 * (ifname empty) stays listed until attach_remove(). The caller frees *ret_hooks.
 */
int attach_list(const struct plane *plane, struct attach_hook **ret_hooks, size_t *ret_n,
		struct err *err);
/* tc ingress and XDP programs on @ifindex that are not ours. The caller frees *ret_foreign. */
int attach_foreign_list(const struct plane *plane, uint32_t ifindex,
			struct attach_foreign **ret_foreign, size_t *ret_n, struct err *err);

#endif
