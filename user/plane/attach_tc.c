/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * tc, ingress and egress alike: a pinned tcx link where the kernel has tcx (6.6), a clsact filter
 * otherwise. tcx: we run first and hand on what is not ours, so that no other program hides ours and
 * none is hidden. clsact: priority 1 does the same; where another filter has it, we refuse.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "core/defs.h"
#include "plane/bpflog.h"
#include "plane/hook.h"
#include "plane/tc.h"
#include "plane/uapi.h"

static const enum plane_prog role_progs[] = {
	[ATTACH_POD] = PLANE_FROM_POD,
	[ATTACH_UNDERLAY] = PLANE_FROM_NET,
	[ATTACH_DEVICE] = PLANE_FROM_DEV,
	[ATTACH_TO_POD] = PLANE_TO_POD,
};

/* One direction of an interface: each has its own place, and pins of its own. */
struct side {
	const char *name;
	enum bpf_tc_attach_point point;
	uint32_t tcx_type;
	enum hook_kind tcx, clsact, filter;
};

static const struct side ingress = { "ingress", BPF_TC_INGRESS, UAPI_BPF_TCX_INGRESS,
				     HOOK_TCX, HOOK_CLSACT, HOOK_FILTER };
static const struct side egress = { "egress", BPF_TC_EGRESS, UAPI_BPF_TCX_EGRESS,
				    HOOK_TCX_EGRESS, HOOK_CLSACT_EGRESS, HOOK_FILTER_EGRESS };

static int failed(uint32_t ifindex, int code, const char *what, struct err *err)
{
	char name[32];

	if (hook_is_gone(ifindex, code))
		return err_set(err, -ENODEV, "%s is gone", hook_ifname(ifindex, name));
	return err_set(err, code, "%s: cannot %s: %s", hook_ifname(ifindex, name), what,
		       strerror(-code));
}

static int create_tcx(struct plane *plane, const struct side *side, uint32_t ifindex, int prog_fd,
		      struct err *err)
{
	/* Before all others: one of them that accepts a packet would end the chain. */
	struct uapi_link_create create = {
		.prog_fd = (__u32)prog_fd,
		.target_ifindex = ifindex,
		.attach_type = side->tcx_type,
		.flags = UAPI_BPF_F_BEFORE,
	};
	char path[PIN_PATH_MAX], what[32];
	auto_close int fd = -1;

	fd = uapi_bpf(BPF_LINK_CREATE, &create, sizeof(create));
	if (fd < 0) {
		int code = -errno;

		snprintf(what, sizeof(what), "attach to tcx %s", side->name);
		return failed(ifindex, code, what, err);
	}
	hook_path(plane, side->tcx, ifindex, path);
	return pin_put(fd, path, err);
}

/* The id of the program that is pinned for a filter of @kind on @ifindex, 0 = none. */
static uint32_t pinned_prog_id(const struct plane *plane, enum hook_kind kind, uint32_t ifindex)
{
	auto_close int fd = hook_open(plane, kind, ifindex, NULL);

	return pin_prog_id(fd);
}

static bool filter_is_ours(const struct plane *plane, const struct side *side, uint32_t ifindex,
			   const struct tc_filter *filter)
{
	char name[16];

	if (filter->handle != TC_HANDLE || filter->priority != TC_PRIORITY || !filter->prog_id)
		return false;
	return filter->prog_id == pinned_prog_id(plane, side->clsact, ifindex) ||
	       filter->prog_id == pinned_prog_id(plane, side->filter, ifindex) ||
	       hook_prog_is_ours(plane, filter->prog_id, name);
}

/* Our filter into *ret_prog_id (0 = none); -EBUSY when another one has our place. */
static int find_filter(const struct plane *plane, const struct side *side, uint32_t ifindex,
		       bool refuse, uint32_t *ret_prog_id, struct err *err)
{
	auto_free struct tc_filter *filters = NULL;
	char name[32], prog[16];
	uint32_t found = 0;
	size_t n = 0, i;
	int code;

	code = tc_list(ifindex, side == &ingress, &filters, &n, err);
	if (code)
		return code;
	for (i = 0; i < n; i++) {
		if (filter_is_ours(plane, side, ifindex, &filters[i])) {
			found = filters[i].prog_id;
			continue;
		}
		if (!refuse || filters[i].priority != TC_PRIORITY)
			continue;
		if (!filters[i].prog_id)
			return err_set(err, -EBUSY,
				       "%s: priority %d of tc %s is held by a %s filter that "
				       "is not ours: give it another priority, or do not list this "
				       "interface", hook_ifname(ifindex, name), TC_PRIORITY,
				       side->name, filters[i].kind);
		hook_prog_is_ours(plane, filters[i].prog_id, prog);
		return err_set(err, -EBUSY,
			       "%s: priority %d of tc %s is held by the BPF program %s (id "
			       "%u), which is not ours: give it another priority, or do not list "
			       "this interface", hook_ifname(ifindex, name), TC_PRIORITY,
			       side->name, prog, filters[i].prog_id);
	}
	*ret_prog_id = found;
	return 0;
}

int attach_tc_find(const struct plane *plane, enum hook_kind kind, uint32_t ifindex,
		   uint32_t *ret_prog_id, struct err *err)
{
	return find_filter(plane, hook_is_egress(kind) ? &egress : &ingress, ifindex, false,
			   ret_prog_id, err);
}

static int destroy_qdisc(uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);

	return bpf_tc_hook_destroy(&hook);
}

static int attach_clsact(struct plane *plane, const struct side *side, uint32_t ifindex, int prog_fd,
			 struct err *err)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = side->point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = prog_fd, .handle = TC_HANDLE,
		    .priority = TC_PRIORITY);
	LIBBPF_OPTS(bpf_tc_opts, place, .handle = TC_HANDLE, .priority = TC_PRIORITY);
	enum hook_kind kind = side->filter;
	char path[PIN_PATH_MAX], what[40];
	bool made = false;
	uint32_t old;
	int code;

	code = find_filter(plane, side, ifindex, true, &old, err);
	if (code)
		return code;
	if (old) {
		opts.flags = BPF_TC_F_REPLACE;
		if (pinned_prog_id(plane, side->clsact, ifindex))
			kind = side->clsact;
	} else {
		code = bpf_tc_hook_create(&hook);
		if (code && code != -EEXIST)
			return failed(ifindex, code, "add a clsact qdisc", err);
		made = !code;
		if (made)
			kind = side->clsact;
	}
	hook_path(plane, kind, ifindex, path);
	code = bpf_tc_attach(&hook, &opts);
	if (code) {
		snprintf(what, sizeof(what), "add a filter to tc %s", side->name);
		code = failed(ifindex, code, what, err);
	} else {
		code = pin_put(prog_fd, path, err);
		if (code && !old)
			bpf_tc_detach(&hook, &place);
	}
	if (code && made)
		destroy_qdisc(ifindex);
	return code;
}

int attach_tc(struct plane *plane, uint32_t ifindex, enum attach_role role, struct err *err)
{
	const struct side *side = role == ATTACH_TO_POD ? &egress : &ingress;
	int prog_fd = plane->prog_fd[role_progs[role]], code;
	uint32_t filter = 0;

	bpflog_begin();
	if (prog_fd < 0)
		return err_set(err, -EINVAL, "%s: the programs are not loaded", plane->dir);
	code = hook_link_update(plane, side->tcx, ifindex, prog_fd, err);
	if (code != -ENOENT)
		return code;
	code = find_filter(plane, side, ifindex, false, &filter, err);
	if (code)
		return code;
	if (filter || !plane->features.tcx)
		return attach_clsact(plane, side, ifindex, prog_fd, err);
	return create_tcx(plane, side, ifindex, prog_fd, err);
}

static int unpin_filter(const struct plane *plane, enum hook_kind kind, uint32_t ifindex,
			struct err *err)
{
	char path[PIN_PATH_MAX];
	int code;

	hook_path(plane, kind, ifindex, path);
	if (!unlink(path) || errno == ENOENT)
		return 0;
	code = -errno;
	return err_set(err, code, "cannot remove %s: %s", path, strerror(-code));
}

/* Remove the clsact qdisc that we made, unless somebody else uses it by now. */
static int remove_qdisc(uint32_t ifindex, struct err *err)
{
	auto_free struct tc_filter *in = NULL, *out = NULL;
	size_t n_in = 0, n_out = 0;
	int code;

	code = tc_list(ifindex, true, &in, &n_in, err);
	if (!code)
		code = tc_list(ifindex, false, &out, &n_out, err);
	if (code || n_in || n_out)
		return code;
	code = destroy_qdisc(ifindex);
	if (code && code != -ENOENT && code != -ENODEV)
		return failed(ifindex, code, "remove the clsact qdisc", err);
	return 0;
}

/* Our filter on one side; *ret_found: there was one. Its pin stays. */
static int remove_filter(const struct plane *plane, const struct side *side, uint32_t ifindex,
			 bool *ret_found, struct err *err)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = side->point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = TC_HANDLE, .priority = TC_PRIORITY);
	uint32_t found;
	char what[48];
	int code;

	code = find_filter(plane, side, ifindex, false, &found, err);
	if (code || !found)
		return code;
	code = bpf_tc_detach(&hook, &opts);
	if (code && code != -ENOENT && code != -ENODEV) {
		snprintf(what, sizeof(what), "remove our filter from tc %s", side->name);
		return failed(ifindex, code, what, err);
	}
	*ret_found = true;
	return 0;
}

static int remove_clsact(struct plane *plane, uint32_t ifindex, struct err *err)
{
	static const enum hook_kind kinds[] = { HOOK_CLSACT, HOOK_FILTER, HOOK_CLSACT_EGRESS,
						HOOK_FILTER_EGRESS };
	bool found = false;
	size_t i;
	int code;

	code = remove_filter(plane, &ingress, ifindex, &found, err);
	if (!code)
		code = remove_filter(plane, &egress, ifindex, &found, err);
	/* Only where our filter was: an index may have been given to another interface. */
	if (!code && found &&
	    (pinned_prog_id(plane, HOOK_CLSACT, ifindex) ||
	     pinned_prog_id(plane, HOOK_CLSACT_EGRESS, ifindex)))
		code = remove_qdisc(ifindex, err);
	for (i = 0; !code && i < ARRAY_SIZE(kinds); i++)
		code = unpin_filter(plane, kinds[i], ifindex, err);
	return code;
}

int attach_tc_remove(struct plane *plane, uint32_t ifindex, struct err *err)
{
	int code;

	code = hook_link_remove(plane, HOOK_TCX, ifindex, err);
	if (!code)
		code = hook_link_remove(plane, HOOK_TCX_EGRESS, ifindex, err);
	if (!code)
		code = remove_clsact(plane, ifindex, err);
	return code;
}
