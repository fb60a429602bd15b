/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * XDP: one pinned link, in driver or in generic mode. An interface takes one program; where it is
 * another's, we refuse and name it.
 */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>

#include "core/defs.h"
#include "plane/bpflog.h"
#include "plane/hook.h"

static int failed(uint32_t ifindex, bool native, int code, struct err *err)
{
	char name[32];

	if (hook_is_gone(ifindex, code))
		return err_set(err, -ENODEV, "%s is gone", hook_ifname(ifindex, name));
	if (code == -EOPNOTSUPP)
		return err_set(err, code,
			       "%s: its driver has no native XDP: set xdp: off or generic",
			       hook_ifname(ifindex, name));
	return err_set(err, code, "%s: cannot attach %s XDP: %s", hook_ifname(ifindex, name),
		       native ? "native" : "generic", strerror(-code));
}

/* -EBUSY when an XDP program is on @ifindex, in whichever mode. */
static int check_free(const struct plane *plane, uint32_t ifindex, bool native, struct err *err)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	char name[32], prog[16];
	uint32_t id;
	int code;

	code = bpf_xdp_query((int)ifindex, 0, &query);
	if (code)
		return failed(ifindex, native, code, err);
	id = query.prog_id ? query.prog_id :
	     query.drv_prog_id ? query.drv_prog_id :
	     query.skb_prog_id ? query.skb_prog_id : query.hw_prog_id;
	if (!id)
		return 0;
	if (hook_prog_is_ours(plane, id, prog))
		return err_set(err, -EBUSY,
			       "%s: runs our XDP program %s (id %u), but its pin under %s/links is "
			       "gone: ip link set dev %s xdp off, then try again",
			       hook_ifname(ifindex, name), prog, id, plane->dir, name);
	return err_set(err, -EBUSY,
		       "%s: its XDP hook is held by the program %s (id %u), which is not ours: "
		       "set xdp: off, or take that program off", hook_ifname(ifindex, name), prog,
		       id);
}

static int create(struct plane *plane, uint32_t ifindex, bool native, struct err *err)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts,
		    .flags = native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE);
	char path[PIN_PATH_MAX];
	auto_close int fd = -1;

	fd = bpf_link_create(plane->prog_fd[PLANE_XDP], (int)ifindex, BPF_XDP, &opts);
	if (fd < 0)
		return failed(ifindex, native, fd, err);
	hook_path(plane, native ? HOOK_XDP_NATIVE : HOOK_XDP_GENERIC, ifindex, path);
	return pin_put(fd, path, err);
}

int attach_xdp(struct plane *plane, uint32_t ifindex, bool native, struct err *err)
{
	enum hook_kind kind = native ? HOOK_XDP_NATIVE : HOOK_XDP_GENERIC;
	enum hook_kind other = native ? HOOK_XDP_GENERIC : HOOK_XDP_NATIVE;
	int code;

	bpflog_begin();
	if (plane->prog_fd[PLANE_XDP] < 0)
		return err_set(err, -EINVAL, "%s: the programs are not loaded", plane->dir);
	code = hook_link_update(plane, kind, ifindex, plane->prog_fd[PLANE_XDP], err);
	if (code != -ENOENT)
		return code;
	/* An interface is in one mode at a time: the change is not without a gap. */
	code = hook_link_remove(plane, other, ifindex, err);
	if (!code)
		code = check_free(plane, ifindex, native, err);
	if (!code)
		code = create(plane, ifindex, native, err);
	return code;
}

int attach_xdp_remove(struct plane *plane, uint32_t ifindex, struct err *err)
{
	int code;

	code = hook_link_remove(plane, HOOK_XDP_NATIVE, ifindex, err);
	if (!code)
		code = hook_link_remove(plane, HOOK_XDP_GENERIC, ifindex, err);
	return code;
}
