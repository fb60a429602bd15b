/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Names and life of the pins under links/. A program is ours when it is the one that is loaded, or
 * uses a map of this instance: that holds for programs of every version and survives a crash
 * between attaching and pinning.
 * Not for: creating attachments (attach_tc.c, attach_xdp.c).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <net/if.h>

#include <bpf/bpf.h>

#include "core/defs.h"
#include "plane/hook.h"

#define PROG_MAPS_MAX 64

static const struct {
	const char *prefix;
	enum attach_how how;
} kinds[HOOK_KIND_COUNT] = {
	[HOOK_TCX] = { "tcx-", ATTACH_TCX },
	[HOOK_TCX_EGRESS] = { "tcx_egress-", ATTACH_TCX },
	[HOOK_CLSACT] = { "clsact-", ATTACH_CLSACT },
	[HOOK_FILTER] = { "filter-", ATTACH_CLSACT },
	[HOOK_CLSACT_EGRESS] = { "clsact_egress-", ATTACH_CLSACT },
	[HOOK_FILTER_EGRESS] = { "filter_egress-", ATTACH_CLSACT },
	[HOOK_XDP_NATIVE] = { "xdp_native-", ATTACH_XDP_NATIVE },
	[HOOK_XDP_GENERIC] = { "xdp_generic-", ATTACH_XDP_GENERIC },
};

enum attach_how hook_how(enum hook_kind kind)
{
	return kinds[kind].how;
}

bool hook_is_egress(enum hook_kind kind)
{
	return kind == HOOK_TCX_EGRESS || kind == HOOK_CLSACT_EGRESS || kind == HOOK_FILTER_EGRESS;
}

void hook_path(const struct plane *plane, enum hook_kind kind, uint32_t ifindex,
	       char ret_path[PIN_PATH_MAX])
{
	snprintf(ret_path, PIN_PATH_MAX, "%s/links/%s%u", plane->dir, kinds[kind].prefix, ifindex);
}

bool hook_parse(const char *name, enum hook_kind *ret_kind, uint32_t *ret_ifindex)
{
	unsigned long ifindex;
	const char *digits;
	char *end;
	int kind;

	for (kind = 0; kind < HOOK_KIND_COUNT; kind++) {
		if (strncmp(name, kinds[kind].prefix, strlen(kinds[kind].prefix)))
			continue;
		digits = name + strlen(kinds[kind].prefix);
		ifindex = strtoul(digits, &end, 10);
		if (end == digits || *end || !ifindex || ifindex > UINT32_MAX)
			return false;
		*ret_kind = (enum hook_kind)kind;
		*ret_ifindex = (uint32_t)ifindex;
		return true;
	}
	return false;
}

int hook_open(const struct plane *plane, enum hook_kind kind, uint32_t ifindex, struct err *err)
{
	char path[PIN_PATH_MAX];
	int fd, code;

	hook_path(plane, kind, ifindex, path);
	fd = bpf_obj_get(path);
	if (fd >= 0)
		return fd;
	code = -errno;
	if (code == -ENOENT)
		return code;
	return err_set(err, code, "%s: %s", path, strerror(-code));
}

int hook_link_info(int link_fd, uint32_t *ret_ifindex, uint32_t *ret_prog_id, struct err *err)
{
	struct bpf_link_info info = { 0 };
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(link_fd, &info, &len))
		return err_set(err, -errno, "cannot read a pinned link: %s", strerror(errno));
	/* tcx has its interface where XDP has it, at the front of the union. */
	*ret_ifindex = info.xdp.ifindex;
	*ret_prog_id = info.prog_id;
	return 0;
}

static int unpin(const char *path, struct err *err)
{
	int code;

	if (!unlink(path) || errno == ENOENT)
		return 0;
	code = -errno;
	return err_set(err, code, "cannot remove %s: %s", path, strerror(-code));
}

int hook_link_update(const struct plane *plane, enum hook_kind kind, uint32_t ifindex, int prog_fd,
		     struct err *err)
{
	char path[PIN_PATH_MAX], name[32];
	uint32_t at, prog_id;
	auto_close int fd = -1;
	int code;

	fd = hook_open(plane, kind, ifindex, err);
	if (fd < 0)
		return fd;
	code = hook_link_info(fd, &at, &prog_id, err);
	if (code)
		return code;
	if (at != ifindex) {
		hook_path(plane, kind, ifindex, path);
		code = unpin(path, err);
		return code ? code : -ENOENT;
	}
	if (bpf_link_update(fd, prog_fd, NULL)) {
		code = -errno;
		return err_set(err, code, "%s: cannot replace the attached program: %s",
			       hook_ifname(ifindex, name), strerror(-code));
	}
	return 0;
}

int hook_link_remove(const struct plane *plane, enum hook_kind kind, uint32_t ifindex,
		     struct err *err)
{
	char path[PIN_PATH_MAX];
	auto_close int fd = -1;

	fd = hook_open(plane, kind, ifindex, err);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	/*
	 * Takes it off even if somebody else holds the link open; what is left to say, when it
	 * cannot, is that the interface is gone.
	 */
	bpf_link_detach(fd);
	hook_path(plane, kind, ifindex, path);
	return unpin(path, err);
}

bool hook_prog_is_ours(const struct plane *plane, uint32_t prog_id, char ret_name[16])
{
	uint32_t used[PROG_MAPS_MAX] = { 0 }, i, id;
	struct bpf_prog_info info = {
		.nr_map_ids = PROG_MAPS_MAX,
		.map_ids = (uintptr_t)used,
	};
	__u32 len = sizeof(info);
	auto_close int fd = bpf_prog_get_fd_by_id(prog_id);
	int map;

	strcpy(ret_name, "?");
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len))
		return false;
	snprintf(ret_name, 16, "%s", info.name);
	for (i = 0; i < PLANE_PROG_COUNT; i++)
		if (prog_id == pin_prog_id(plane->prog_fd[i]))
			return true;
	for (map = 0; map < PLANE_MAP_COUNT; map++) {
		id = pin_map_id(plane->map_fd[map]);
		for (i = 0; id && i < info.nr_map_ids && i < PROG_MAPS_MAX; i++)
			if (used[i] == id)
				return true;
	}
	return false;
}

bool hook_is_gone(uint32_t ifindex, int code)
{
	char name[IF_NAMESIZE];

	return code == -ENODEV || (code == -EINVAL && !if_indextoname(ifindex, name));
}

const char *hook_ifname(uint32_t ifindex, char buf[32])
{
	if (!if_indextoname(ifindex, buf))
		snprintf(buf, 32, "interface %u", ifindex);
	return buf;
}
