/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which program belongs on which interface, against what is attached: the attachment half of a
 * turn. Deciding is pure (hooks_plan), doing is hooks_apply().
 */
#ifndef XMESH_AGENT_HOOKS_H
#define XMESH_AGENT_HOOKS_H

#include "agent/notes.h"
#include "core/err.h"
#include "model/config.h"
#include "plane/attach.h"

/* One for each role on an interface: a pod's has two, ATTACH_POD and ATTACH_TO_POD. */
struct hook_want {
	uint32_t ifindex;
	char name[16];
	enum attach_role role;
	enum config_xdp xdp;   /* underlay only: of xdp_effective(), so never auto */
	bool xdp_optional;     /* nobody asked for it by name: a driver without XDP is a note, no failure */
};

/*
 * What config->xdp means for an interface: auto is native where it gains something, on a
 * @physical one (net/physical.h: link_is_physical()) while there are north-south VIPs (@have_edge),
 * else off.
 */
enum config_xdp xdp_effective(const struct config *config, bool have_edge, bool physical);

enum hook_verb { HOOK_REMOVE, HOOK_REMOVE_XDP, HOOK_TC, HOOK_XDP };

struct hook_op {
	enum hook_verb verb;
	uint32_t ifindex;
	char name[16];          /* empty when the interface is gone */
	enum attach_role role;  /* HOOK_TC */
	bool native;            /* HOOK_XDP */
	bool optional;          /* HOOK_XDP: failing is told, and counts as nothing */
};

/*
 * Operations from @have to @want: what is on an interface that is not wanted, or in another role,
 * is removed first; a program that is not current is replaced in place. XDP that is not wanted, or in
 * another mode, goes or changes without the tc program beside it. -ENOMEM.
 */
int hooks_plan(const struct hook_want *want, size_t n_want, const struct attach_hook *have,
	       size_t n_have,
	       struct hook_op **ret_ops, size_t *ret_n);
/* "attach from_net (tc) to eth0" */
void hook_op_text(const struct hook_op *op, char *buf, size_t size);

struct hooks_result { size_t attached, detached, failures; };
/* Carry out all of them; one that fails becomes a note and does not stop the others. */
void hooks_apply(struct plane *plane, const struct hook_op *ops, size_t n, struct notes *notes,
		 struct hooks_result *ret_result);

#endif
