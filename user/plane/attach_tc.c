/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * tc ingress: a pinned tcx link where the kernel has tcx (6.6), a clsact filter otherwise. tcx: we
 * run first and hand on what is not ours, so that no other program hides ours and none is
 * hidden. clsact: priority 1 does the same; where another filter has it, we refuse.
 */
#include <errno.h>
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
};

static int failed(uint32_t ifindex, int code, const char *what, struct err *err)
{
	char name[32];

	if (hook_is_gone(ifindex, code))
		return err_set(err, -ENODEV, "%s is gone", hook_ifname(ifindex, name));
	return err_set(err, code, "%s: cannot %s: %s", hook_ifname(ifindex, name), what,
		       strerror(-code));
}

static int create_tcx(struct plane *plane, uint32_t ifindex, int prog_fd, struct err *err)
{
	/* Before all others: one of them that accepts a packet would end the chain. */
	struct uapi_link_create create = {
		.prog_fd = (__u32)prog_fd,
		.target_ifindex = ifindex,
		.attach_type = UAPI_BPF_TCX_INGRESS,
		.flags = UAPI_BPF_F_BEFORE,
	};
	char path[PIN_PATH_MAX];
	auto_close int fd = -1;

	fd = uapi_bpf(BPF_LINK_CREATE, &create, sizeof(create));
	if (fd < 0)
		return failed(ifindex, -errno, "attach to tcx ingress", err);
	hook_path(plane, HOOK_TCX, ifindex, path);
	return pin_put(fd, path, err);
}

/* The id of the program that is pinned for a filter of @kind on @ifindex, 0 = none. */
static uint32_t pinned_prog_id(const struct plane *plane, enum hook_kind kind, uint32_t ifindex)
{
	auto_close int fd = hook_open(plane, kind, ifindex, NULL);

	return pin_prog_id(fd);
}

static bool filter_is_ours(const struct plane *plane, uint32_t ifindex,
			   const struct tc_filter *filter)
{
	char name[16];

	if (filter->handle != TC_HANDLE || filter->priority != TC_PRIORITY || !filter->prog_id)
		return false;
	return filter->prog_id == pinned_prog_id(plane, HOOK_CLSACT, ifindex) ||
	       filter->prog_id == pinned_prog_id(plane, HOOK_FILTER, ifindex) ||
	       hook_prog_is_ours(plane, filter->prog_id, name);
}

/* Our filter into *ret_prog_id (0 = none); -EBUSY when another one has our place. */
static int find_filter(const struct plane *plane, uint32_t ifindex, bool refuse,
		       uint32_t *ret_prog_id, struct err *err)
{
	auto_free struct tc_filter *filters = NULL;
	char name[32], prog[16];
	uint32_t found = 0;
	size_t n = 0, i;
	int code;

	code = tc_list(ifindex, true, &filters, &n, err);
	if (code)
		return code;
	for (i = 0; i < n; i++) {
		if (filter_is_ours(plane, ifindex, &filters[i])) {
			found = filters[i].prog_id;
			continue;
		}
		if (!refuse || filters[i].priority != TC_PRIORITY)
			continue;
		if (!filters[i].prog_id)
			return err_set(err, -EBUSY,
				       "%s: priority %d of tc ingress is held by a %s filter that "
				       "is not ours: give it another priority, or do not list this "
				       "interface", hook_ifname(ifindex, name), TC_PRIORITY,
				       filters[i].kind);
		hook_prog_is_ours(plane, filters[i].prog_id, prog);
		return err_set(err, -EBUSY,
			       "%s: priority %d of tc ingress is held by the BPF program %s (id "
			       "%u), which is not ours: give it another priority, or do not list "
			       "this interface", hook_ifname(ifindex, name), TC_PRIORITY, prog,
			       filters[i].prog_id);
	}
	*ret_prog_id = found;
	return 0;
}

int attach_tc_find(const struct plane *plane, uint32_t ifindex, uint32_t *ret_prog_id,
		   struct err *err)
{
	return find_filter(plane, ifindex, false, ret_prog_id, err);
}

static int destroy_qdisc(uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);

	return bpf_tc_hook_destroy(&hook);
}

static int attach_clsact(struct plane *plane, uint32_t ifindex, int prog_fd, struct err *err)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = prog_fd, .handle = TC_HANDLE,
		    .priority = TC_PRIORITY);
	LIBBPF_OPTS(bpf_tc_opts, place, .handle = TC_HANDLE, .priority = TC_PRIORITY);
	enum hook_kind kind = HOOK_FILTER;
	char path[PIN_PATH_MAX];
	bool made = false;
	uint32_t old;
	int code;

	code = find_filter(plane, ifindex, true, &old, err);
	if (code)
		return code;
	if (old) {
		opts.flags = BPF_TC_F_REPLACE;
		if (pinned_prog_id(plane, HOOK_CLSACT, ifindex))
			kind = HOOK_CLSACT;
	} else {
		code = bpf_tc_hook_create(&hook);
		if (code && code != -EEXIST)
			return failed(ifindex, code, "add a clsact qdisc", err);
		made = !code;
		if (made)
			kind = HOOK_CLSACT;
	}
	hook_path(plane, kind, ifindex, path);
	code = bpf_tc_attach(&hook, &opts);
	if (code) {
		code = failed(ifindex, code, "add a filter to tc ingress", err);
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
	int prog_fd = plane->prog_fd[role_progs[role]], code;
	uint32_t filter = 0;

	bpflog_begin();
	if (prog_fd < 0)
		return err_set(err, -EINVAL, "%s: the programs are not loaded", plane->dir);
	code = hook_link_update(plane, HOOK_TCX, ifindex, prog_fd, err);
	if (code != -ENOENT)
		return code;
	code = find_filter(plane, ifindex, false, &filter, err);
	if (code)
		return code;
	if (filter || !plane->features.tcx)
		return attach_clsact(plane, ifindex, prog_fd, err);
	return create_tcx(plane, ifindex, prog_fd, err);
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

static int remove_clsact(struct plane *plane, uint32_t ifindex, struct err *err)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = TC_HANDLE, .priority = TC_PRIORITY);
	uint32_t found;
	int code;

	code = find_filter(plane, ifindex, false, &found, err);
	if (code)
		return code;
	if (found) {
		code = bpf_tc_detach(&hook, &opts);
		if (code && code != -ENOENT && code != -ENODEV)
			return failed(ifindex, code, "remove our filter from tc ingress", err);
		/* Only where our filter was: an index may have been given to another interface. */
		if (pinned_prog_id(plane, HOOK_CLSACT, ifindex)) {
			code = remove_qdisc(ifindex, err);
			if (code)
				return code;
		}
	}
	code = unpin_filter(plane, HOOK_CLSACT, ifindex, err);
	if (!code)
		code = unpin_filter(plane, HOOK_FILTER, ifindex, err);
	return code;
}

int attach_tc_remove(struct plane *plane, uint32_t ifindex, struct err *err)
{
	int code;

	code = hook_link_remove(plane, HOOK_TCX, ifindex, err);
	if (!code)
		code = remove_clsact(plane, ifindex, err);
	return code;
}
