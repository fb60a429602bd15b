/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is attached where: ours, from the pins under links/, and others', from the kernel. And
 * taking ours off. Not for: putting programs on (attach_tc.c, attach_xdp.c).
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <net/if.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "core/defs.h"
#include "plane/bpflog.h"
#include "plane/hook.h"
#include "plane/tc.h"
#include "plane/uapi.h"

int attach_remove(struct plane *plane, uint32_t ifindex, struct err *err)
{
	int code;

	bpflog_begin();
	code = attach_tc_remove(plane, ifindex, err);
	if (!code)
		code = attach_xdp_remove(plane, ifindex, err);
	return code;
}

/* One pin under links/. */
struct pinned {
	enum hook_kind kind;
	uint32_t ifindex;
};

static int list_pins(const struct plane *plane, struct pinned **ret_pins, size_t *ret_n,
		     struct err *err)
{
	auto_free struct pinned *pins = NULL;
	char path[PIN_PATH_MAX];
	struct dirent *entry;
	struct pinned pin, *grown;
	size_t n = 0, capacity = 0;
	DIR *dir;
	int code;

	snprintf(path, sizeof(path), "%s/links", plane->dir);
	dir = opendir(path);
	if (!dir && errno != ENOENT) {
		code = -errno;
		return err_set(err, code, "cannot read %s: %s", path, strerror(-code));
	}
	while (dir && (entry = readdir(dir))) {
		if (!hook_parse(entry->d_name, &pin.kind, &pin.ifindex))
			continue;
		if (n == capacity) {
			capacity = capacity ? 2 * capacity : 64;
			grown = realloc(pins, capacity * sizeof(*pins));
			if (!grown) {
				closedir(dir);
				return err_set(err, -ENOMEM, "out of memory");
			}
			pins = grown;
		}
		pins[n++] = pin;
	}
	if (dir)
		closedir(dir);

	*ret_pins = take(pins);
	*ret_n = n;
	return 0;
}

int attach_remove_all(const char *bpffs, const char *instance, struct err *err)
{
	auto_free struct pinned *pins = NULL;
	char path[PIN_PATH_MAX];
	struct plane plane;
	size_t n = 0, i;
	int code;

	code = plane_open(bpffs, instance, &plane, err);
	if (code == -EPERM)
		return code;
	/* With another ABI, or maps gone already, filters are known by their pinned programs. */
	if (code)
		code = plane_init(bpffs, instance, &plane, err);
	if (!code)
		code = list_pins(&plane, &pins, &n, err);
	for (i = 0; !code && i < n; i++)
		code = attach_remove(&plane, pins[i].ifindex, err);
	/* Pins that were about to replace others when their process ended. */
	snprintf(path, sizeof(path), "%s/links", plane.dir);
	if (!code)
		code = pin_dir_clear(path, NULL, err);
	plane_close(&plane);
	return code;
}

static int fill_link(const struct plane *plane, const struct pinned *pin, struct attach_hook *hook,
		     struct err *err)
{
	auto_close int fd = -1;
	uint32_t at;
	int code;

	fd = hook_open(plane, pin->kind, pin->ifindex, err);
	if (fd < 0)
		return fd;
	code = hook_link_info(fd, &at, &hook->prog_id, err);
	if (!code && at == pin->ifindex)
		if_indextoname(at, hook->ifname);
	return code;
}

/* prog_id stays 0 when somebody took the filter off. */
static int fill_filter(const struct plane *plane, const struct pinned *pin,
		       struct attach_hook *hook, struct err *err)
{
	if_indextoname(pin->ifindex, hook->ifname);
	return attach_tc_find(plane, pin->kind, pin->ifindex, &hook->prog_id, err);
}

static enum plane_prog which_prog(const char *name, enum hook_kind kind)
{
	int i;

	for (i = 0; i < PLANE_PROG_COUNT; i++)
		if (!strcmp(plane_prog_names[i], name))
			return (enum plane_prog)i;
	/* A filter that was taken off, or a program of another version. */
	if (hook_is_egress(kind))
		return PLANE_TO_POD;
	return kind == HOOK_XDP_NATIVE || kind == HOOK_XDP_GENERIC ? PLANE_XDP : PLANE_FROM_NET;
}

static int fill_hook(const struct plane *plane, const struct pinned *pin, struct attach_hook *hook,
		     struct err *err)
{
	char name[16];
	int code;

	memset(hook, 0, sizeof(*hook));
	hook->ifindex = pin->ifindex;
	hook->how = hook_how(pin->kind);
	if (hook->how == ATTACH_CLSACT)
		code = fill_filter(plane, pin, hook, err);
	else
		code = fill_link(plane, pin, hook, err);
	if (code)
		return code;
	hook_prog_is_ours(plane, hook->prog_id, name);
	hook->prog = which_prog(name, pin->kind);
	hook->current = hook->ifname[0] && hook->prog_id &&
			hook->prog_id == pin_prog_id(plane->prog_fd[hook->prog]);
	return 0;
}

int attach_list(const struct plane *plane, struct attach_hook **ret_hooks, size_t *ret_n,
		struct err *err)
{
	auto_free struct attach_hook *hooks = NULL;
	auto_free struct pinned *pins = NULL;
	size_t n_pins = 0, n = 0, i;
	int code;

	bpflog_begin();
	code = list_pins(plane, &pins, &n_pins, err);
	if (code)
		return code;
	hooks = calloc(n_pins ? n_pins : 1, sizeof(*hooks));
	if (!hooks)
		return err_set(err, -ENOMEM, "out of memory");
	for (i = 0; i < n_pins; i++) {
		code = fill_hook(plane, &pins[i], &hooks[n], err);
		/* Unpinned while we looked. */
		if (code == -ENOENT)
			continue;
		if (code)
			return code;
		n++;
	}

	*ret_hooks = take(hooks);
	*ret_n = n;
	return 0;
}

struct foreign_list {
	struct attach_foreign *list;
	size_t n;
};

/* @kind names what is no BPF program (prog_id 0), NULL otherwise. */
static int add_foreign(const struct plane *plane, struct foreign_list *foreign, uint32_t prog_id,
		       const char *kind, const char *how, struct err *err)
{
	struct attach_foreign *list, *f;
	char name[16];
	size_t i;

	if (!kind && hook_prog_is_ours(plane, prog_id, name))
		return 0;
	/* A classifier without programs once: u32 lists its hash tables as well. */
	for (i = 0; kind && i < foreign->n; i++)
		if (!foreign->list[i].prog_id && !strcmp(foreign->list[i].name, kind))
			return 0;
	list = realloc(foreign->list, (foreign->n + 1) * sizeof(*list));
	if (!list)
		return err_set(err, -ENOMEM, "out of memory");
	foreign->list = list;
	f = &list[foreign->n++];
	memset(f, 0, sizeof(*f));
	f->prog_id = prog_id;
	snprintf(f->name, sizeof(f->name), "%s", kind ? kind : name);
	snprintf(f->how, sizeof(f->how), "%s", how);
	return 0;
}

static int foreign_tcx(const struct plane *plane, uint32_t ifindex, struct foreign_list *foreign,
		       struct err *err)
{
	__u32 ids[UAPI_MPROG_MAX] = { 0 }, i;
	struct uapi_prog_query query = {
		.target_ifindex = ifindex,
		.attach_type = UAPI_BPF_TCX_INGRESS,
		.prog_ids = (uintptr_t)ids,
		.count = UAPI_MPROG_MAX,
	};
	int code = 0;

	/* -EINVAL: no tcx in this kernel. */
	if (uapi_bpf(BPF_PROG_QUERY, &query, sizeof(query))) {
		code = -errno;
		if (code == -EINVAL || code == -ENOENT || code == -ENODEV)
			return 0;
		return err_set(err, code, "cannot list the tcx programs of interface %u: %s",
			       ifindex, strerror(-code));
	}
	for (i = 0; !code && i < query.count && i < UAPI_MPROG_MAX; i++)
		code = add_foreign(plane, foreign, ids[i], NULL, "tcx", err);
	return code;
}

static int foreign_filters(const struct plane *plane, uint32_t ifindex,
			   struct foreign_list *foreign, struct err *err)
{
	auto_free struct tc_filter *filters = NULL;
	size_t n = 0, i;
	int code;

	code = tc_list(ifindex, true, &filters, &n, err);
	for (i = 0; !code && i < n; i++)
		code = add_foreign(plane, foreign, filters[i].prog_id,
				   filters[i].prog_id ? NULL : filters[i].kind, "clsact", err);
	return code;
}

static int foreign_xdp(const struct plane *plane, uint32_t ifindex, struct foreign_list *foreign,
		       struct err *err)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	int code;

	code = bpf_xdp_query((int)ifindex, 0, &query);
	if (code == -ENODEV)
		return 0;
	if (code)
		return err_set(err, code, "cannot read the XDP program of interface %u: %s",
			       ifindex, strerror(-code));
	if (query.drv_prog_id)
		code = add_foreign(plane, foreign, query.drv_prog_id, NULL, "xdp native", err);
	if (!code && query.skb_prog_id)
		code = add_foreign(plane, foreign, query.skb_prog_id, NULL, "xdp generic", err);
	if (!code && query.hw_prog_id)
		code = add_foreign(plane, foreign, query.hw_prog_id, NULL, "xdp offloaded", err);
	return code;
}

int attach_foreign_list(const struct plane *plane, uint32_t ifindex,
			struct attach_foreign **ret_foreign, size_t *ret_n, struct err *err)
{
	struct foreign_list foreign = { 0 };
	int code;

	bpflog_begin();
	code = foreign_tcx(plane, ifindex, &foreign, err);
	if (!code)
		code = foreign_filters(plane, ifindex, &foreign, err);
	if (!code)
		code = foreign_xdp(plane, ifindex, &foreign, err);
	if (code) {
		free(foreign.list);
		return code;
	}

	*ret_foreign = foreign.list;
	*ret_n = foreign.n;
	return 0;
}
