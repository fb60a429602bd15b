/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The pins under links/: one name per interface and kind of attachment, and whose a program is.
 * Internal to plane.
 */
#ifndef XMESH_PLANE_HOOK_H
#define XMESH_PLANE_HOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "plane/attach.h"
#include "plane/pin.h"

/*
 * tcx and XDP: the link is pinned. A clsact filter has none: its program is, so that the filter is
 * known again whoever reads it; HOOK_CLSACT when the qdisc is ours too, HOOK_FILTER when it was
 * there before. The kinds on egress are apart: a pod's interface has both.
 */
enum hook_kind {
	HOOK_TCX,
	HOOK_TCX_EGRESS,
	HOOK_CLSACT,
	HOOK_FILTER,
	HOOK_CLSACT_EGRESS,
	HOOK_FILTER_EGRESS,
	HOOK_XDP_NATIVE,
	HOOK_XDP_GENERIC,
	HOOK_KIND_COUNT
};

enum attach_how hook_how(enum hook_kind kind);
bool hook_is_egress(enum hook_kind kind);
void hook_path(const struct plane *plane, enum hook_kind kind, uint32_t ifindex,
	       char ret_path[PIN_PATH_MAX]);
/* False for a name that is none of ours, or of a pin being replaced. */
bool hook_parse(const char *name, enum hook_kind *ret_kind, uint32_t *ret_ifindex);

/* The pinned link or program, -ENOENT when there is none, other errors with a sentence. */
int hook_open(const struct plane *plane, enum hook_kind kind, uint32_t ifindex, struct err *err);

/* *ret_ifindex = 0: the link's interface is gone. */
int hook_link_info(int link_fd, uint32_t *ret_ifindex, uint32_t *ret_prog_id, struct err *err);

/*
 * Hand @prog_fd to the pinned link. -ENOENT: there is none on this interface; the pin of one whose
 * interface is gone, under an index that the kernel gave again, was removed.
 */
int hook_link_update(const struct plane *plane, enum hook_kind kind, uint32_t ifindex, int prog_fd,
		     struct err *err);
/* Detach and unpin. 0 also when there is none. */
int hook_link_remove(const struct plane *plane, enum hook_kind kind, uint32_t ifindex,
		     struct err *err);

/*
 * Name of the program @prog_id, "?" when it is gone, and whether it is ours: one of plane->prog_fd,
 * or it uses a map of this instance.
 */
bool hook_prog_is_ours(const struct plane *plane, uint32_t prog_id, char ret_name[16]);
/* @code says that @ifindex is gone; BPF_LINK_CREATE for XDP says EINVAL then. */
bool hook_is_gone(uint32_t ifindex, int code);
/* For sentences: the interface's name, else "interface N". Returns @buf. */
const char *hook_ifname(uint32_t ifindex, char buf[32]);

/* ---- attach_tc.c, attach_xdp.c ---- */

int attach_tc_remove(struct plane *plane, uint32_t ifindex, struct err *err);
/*
 * The id of our filter's program on @ifindex, on that side of it which @kind names; 0 when there is
 * no filter of ours.
 */
int attach_tc_find(const struct plane *plane, enum hook_kind kind, uint32_t ifindex,
		   uint32_t *ret_prog_id, struct err *err);

#endif
