/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A plan carried out on the pinned maps: runs of operations on one map go in batches, a batch that
 * fails is done again one by one, so that the failing entry is known and everything before it is
 * in. Doing an operation twice is harmless. Decides nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "core/addr.h"
#include "core/defs.h"
#include "plane/apply.h"
#include "plane/mapio.h"

#define BATCH_MAX 4096

struct sizes {
	uint32_t key, value, max_entries;
};

static int map_sizes(const struct plane *plane, enum plane_map map, struct sizes *ret_sizes,
		     struct err *err)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);

	if (plane->map_fd[map] < 0)
		return err_set(err, -ENOENT, "%s/%s is not pinned", plane->dir,
			       plane_map_names[map]);
	if (bpf_obj_get_info_by_fd(plane->map_fd[map], &info, &len))
		return err_set(err, -errno, "%s/%s: %s", plane->dir, plane_map_names[map],
			       strerror(errno));
	ret_sizes->key = info.key_size;
	ret_sizes->value = info.value_size;
	ret_sizes->max_entries = info.max_entries;
	return 0;
}

/* The kernel says E2BIG when a hash has no room left. */
static int update_failed(const struct plane *plane, enum plane_map map, uint32_t max_entries,
			 int code, struct err *err)
{
	if (code == -E2BIG)
		return err_set(err, -ENOSPC,
			       "%s/%s is full: its limit is %u entries; nothing was evicted and "
			       "the rest waits: take entries away (nodes, prefixes or pods)",
			       plane->dir, plane_map_names[map], max_entries);
	return err_set(err, code, "cannot write %s/%s: %s", plane->dir, plane_map_names[map],
		       strerror(-code));
}

/* An array cannot lose an element: zeroes lead nowhere. */
static const struct xm_path no_path;

static int run_single(const struct plane *plane, const struct plan_op *ops, size_t n,
		      const struct sizes *sizes, size_t *done, struct err *err)
{
	int fd = plane->map_fd[ops->map], code;
	size_t i;

	for (i = 0; i < n; i++) {
		if (ops[i].verb == PLAN_PUT)
			code = bpf_map_update_elem(fd, &ops[i].key, ops[i].value, BPF_ANY);
		else if (ops[i].map == PLANE_xm_paths)
			code = bpf_map_update_elem(fd, &ops[i].key, &no_path, BPF_ANY);
		else
			code = bpf_map_delete_elem(fd, &ops[i].key);
		/* Gone already is what a delete wants. */
		if (code && !(ops[i].verb == PLAN_DELETE && code == -ENOENT))
			return update_failed(plane, ops->map, sizes->max_entries, code, err);
		(*done)++;
	}
	return 0;
}

/* Back to back, as the batch calls want them. The caller frees. */
static int pack(const struct plan_op *ops, size_t n, const struct sizes *sizes, char **ret_keys,
		char **ret_values)
{
	auto_free char *keys = NULL, *values = NULL;
	size_t i;

	keys = malloc(n * sizes->key);
	values = malloc(n * sizes->value);
	if (!keys || !values)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		memcpy(keys + i * sizes->key, &ops[i].key, sizes->key);
		if (ops[i].verb == PLAN_PUT)
			memcpy(values + i * sizes->value, ops[i].value, sizes->value);
	}
	*ret_keys = take(keys);
	*ret_values = take(values);
	return 0;
}

static bool run_batch(const struct plane *plane, const struct plan_op *ops, size_t n,
		      const struct sizes *sizes)
{
	auto_free char *keys = NULL, *values = NULL;
	int fd = plane->map_fd[ops->map];
	uint32_t count = (uint32_t)n;

	if (pack(ops, n, sizes, &keys, &values))
		return false;
	if (ops->verb == PLAN_PUT)
		return !bpf_map_update_batch(fd, keys, values, &count, NULL) && count == n;
	return !bpf_map_delete_batch(fd, keys, &count, NULL) && count == n;
}

int apply_epoch(const struct plane *plane, struct err *err)
{
	int fd = plane->map_fd[PLANE_xm_epoch], code;
	uint32_t zero = 0, epoch = 0;

	code = bpf_map_lookup_elem(fd, &zero, &epoch);
	epoch++;
	if (!code)
		code = bpf_map_update_elem(fd, &zero, &epoch, BPF_ANY);
	if (code)
		return err_set(err, code, "cannot write %s/xm_epoch: %s", plane->dir,
			       strerror(-code));
	return 0;
}

/* Operations of one verb on one map, at most BATCH_MAX of them. */
static int run(const struct plane *plane, const struct plan_op *ops, size_t n, size_t *done,
	       struct err *err)
{
	struct sizes sizes = { 0 };
	int code;

	code = map_sizes(plane, ops->map, &sizes, err);
	if (code)
		return code;
	if (n > 1 && !(ops->map == PLANE_xm_paths && ops->verb == PLAN_DELETE) &&
	    run_batch(plane, ops, n, &sizes))
		*done += n;
	else
		code = run_single(plane, ops, n, &sizes, done, err);
	if (ops->map == PLANE_xm_pods || ops->map == PLANE_xm_routes) {
		int raised = apply_epoch(plane, err);

		code = code ? code : raised;
	}
	return code;
}

int apply_plan(const struct plane *plane, const struct plan *plan, size_t *ret_done,
	       struct err *err)
{
	size_t done = 0, start = 0, n;
	int code = 0;

	while (!code && start < plan->n_ops) {
		const struct plan_op *ops = plan->ops + start;

		for (n = 1; n < BATCH_MAX && start + n < plan->n_ops; n++)
			if (ops[n].map != ops->map || ops[n].verb != ops->verb)
				break;
		code = run(plane, ops, n, &done, err);
		start += n;
	}
	*ret_done = done;
	return code;
}

/* The number of addresses behind @ifindex into xm_ifaces; @create when there is no entry yet. */
static int count_iface(const struct plane *plane, uint32_t ifindex, bool create, struct err *err)
{
	int fd = plane->map_fd[PLANE_xm_ifaces], code;
	struct xm_iface iface = { 0 };
	struct mapio io;
	size_t i;

	code = bpf_map_lookup_elem(fd, &ifindex, &iface);
	if (code == -ENOENT && !create)
		return 0;
	if (code && code != -ENOENT)
		return err_set(err, code, "cannot read %s/xm_ifaces: %s", plane->dir,
			       strerror(-code));
	code = mapio_read(plane, PLANE_xm_pods, &io, err);
	if (code)
		return code;
	iface.n_addrs = 0;
	for (i = 0; i < io.n; i++)
		iface.n_addrs += ((const struct xm_pod *)io.values)[i].ifindex == ifindex;
	mapio_done(&io);
	code = bpf_map_update_elem(fd, &ifindex, &iface, BPF_ANY);
	if (code)
		return update_failed(plane, PLANE_xm_ifaces, XM_MAX_IFACES, code, err);
	return 0;
}

int apply_pod_put(const struct plane *plane, const struct xm_addr *addr, const struct xm_pod *pod,
		  struct err *err)
{
	int fd = plane->map_fd[PLANE_xm_pods], code;
	struct xm_pod old;
	bool moved;

	moved = !bpf_map_lookup_elem(fd, addr, &old) && old.ifindex != pod->ifindex;
	code = bpf_map_update_elem(fd, addr, pod, BPF_ANY);
	if (code)
		return update_failed(plane, PLANE_xm_pods, XM_MAX_PODS, code, err);
	code = apply_epoch(plane, err);
	if (!code && moved)
		code = count_iface(plane, old.ifindex, false, err);
	if (!code)
		code = count_iface(plane, pod->ifindex, true, err);
	return code;
}

int apply_pod_delete(const struct plane *plane, const struct xm_addr *addr, struct err *err)
{
	int fd = plane->map_fd[PLANE_xm_pods], code;
	char text[ADDR_TEXT_MAX];
	struct xm_pod old;

	code = bpf_map_lookup_elem(fd, addr, &old);
	if (!code)
		code = bpf_map_delete_elem(fd, addr);
	if (code == -ENOENT)
		return err_set(err, code, "%s is no pod of this node", addr_format(addr, text));
	if (code)
		return err_set(err, code, "cannot write %s/xm_pods: %s", plane->dir,
			       strerror(-code));
	code = apply_epoch(plane, err);
	return code ? code : count_iface(plane, old.ifindex, false, err);
}
