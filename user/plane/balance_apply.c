/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The operations of a plan on the mapped arrays and by bpf(2), as they are listed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <bpf/bpf.h>

#include "core/defs.h"
#include "plane/balance_parts.h"

__u64 *balance_bits(struct xm_vip_filter *filter, uint8_t scope)
{
	return scope == XM_SCOPE_CLIENT ? filter->client :
	       scope == XM_SCOPE_EDGE   ? filter->edge :
					  filter->node;
}

/* Whoever sees the state sees the rest. */
static void write_backend(struct xm_backend *to, const struct xm_backend *from)
{
	struct xm_backend value = *from;

	value.state = to->state;
	*to = value;
	__atomic_store_n(&to->state, from->state, __ATOMIC_RELEASE);
}

static void set_state(struct xm_backend *to, const struct balance_op *op, uint64_t wall_s)
{
	to->why = op->state.why;
	to->since_s = wall_s;
	__atomic_store_n(&to->state, op->state.state, __ATOMIC_RELEASE);
}

static int put_services(const struct balance *b, const struct balance_op *ops, size_t n, struct err *err)
{
	auto_free struct xm_service_key *keys = malloc(n * sizeof(*keys));
	auto_free struct xm_service *values = malloc(n * sizeof(*values));
	int fd = b->plane->map_fd[PLANE_xm_services], code = 0;
	uint32_t count = (uint32_t)n;
	size_t i;

	if (!keys || !values)
		return err_set(err, -ENOMEM, "out of memory");
	for (i = 0; i < n; i++) {
		keys[i] = ops[i].service.key;
		values[i] = ops[i].service;
	}
	/* One by one where the kernel has no batches, and to learn what is wrong with which. */
	if (n > 1 && !bpf_map_update_batch(fd, keys, values, &count, NULL) && count == n)
		return 0;
	for (i = 0; i < n && !code; i++)
		code = bpf_map_update_elem(fd, &keys[i], &values[i], BPF_ANY);
	if (code)
		return err_set(err, code == -E2BIG ? -ENOSPC : code,
			       "cannot write %s/xm_services (limit: %u frontends): %s", b->plane->dir,
			       XM_MAX_FRONTENDS, strerror(-code));
	return 0;
}

static int delete_service(const struct balance *b, const struct balance_op *op, struct err *err)
{
	int fd = b->plane->map_fd[PLANE_xm_services], code;
	struct xm_service now;

	code = bpf_map_lookup_elem(fd, &op->service.key, &now);
	if (!code && now.number != op->number)
		return 0;
	if (!code)
		code = bpf_map_delete_elem(fd, &op->service.key);
	if (code && code != -ENOENT)
		return err_set(err, code, "cannot delete from %s/xm_services: %s", b->plane->dir,
			       strerror(-code));
	return 0;
}

static int put_name(const struct balance *b, const struct balance_op *op, struct err *err)
{
	int code = bpf_map_update_elem(b->plane->map_fd[PLANE_xm_service_names], &op->number, op->name,
				       BPF_ANY);

	if (code)
		return err_set(err, code == -E2BIG ? -ENOSPC : code,
			       "cannot write %s/xm_service_names (limit: %u services): %s",
			       b->plane->dir, XM_MAX_SERVICES, strerror(-code));
	return 0;
}

static int delete_name(const struct balance *b, const struct balance_op *op, struct err *err)
{
	int code = bpf_map_delete_elem(b->plane->map_fd[PLANE_xm_service_names], &op->number);

	if (code && code != -ENOENT)
		return err_set(err, code, "cannot delete from %s/xm_service_names: %s", b->plane->dir,
			       strerror(-code));
	return 0;
}

/*
 * A window of xm_maglev: the whole array's 64 MB would count as the agent's memory as long as they are
 * mapped.
 */
struct window {
	char *base;
	size_t size;
	uint32_t *slots;
};

static int window_open(int fd, uint64_t where, int prot, struct window *ret_window)
{
	size_t at = (where >> 32) * sizeof(uint32_t), before = at % (size_t)sysconf(_SC_PAGESIZE);
	size_t size = before + (uint32_t)where * sizeof(uint32_t);
	char *base = mmap(NULL, size, prot, MAP_SHARED, fd, (off_t)(at - before));

	if (base == MAP_FAILED)
		return -errno;
	*ret_window = (struct window){ .base = base, .size = size, .slots = (void *)(base + before) };
	return 0;
}

bool balance_slice_is(int maglev_fd, uint64_t where, const uint32_t *slots)
{
	struct window window;
	bool same;

	if (window_open(maglev_fd, where, PROT_READ, &window))
		return false;
	same = !memcmp(window.slots, slots, (uint32_t)where * sizeof(*slots));
	munmap(window.base, window.size);
	return same;
}

/* @slots, NULL = zeros, into the slice @where. */
static int write_slice(const struct balance *b, uint64_t where, const uint32_t *slots, struct err *err)
{
	size_t size = (uint32_t)where * sizeof(*slots);
	struct window window;
	int code = window_open(b->plane->map_fd[PLANE_xm_maglev], where, PROT_READ | PROT_WRITE, &window);

	if (code)
		return err_set(err, code, "cannot map a slice of %s/xm_maglev: %s", b->plane->dir,
			       strerror(-code));
	if (slots)
		memcpy(window.slots, slots, size);
	else
		memset(window.slots, 0, size);
	munmap(window.base, window.size);
	return 0;
}

int balance_apply(struct balance *b, const struct balance_plan *plan, size_t first, size_t end,
		  uint64_t wall_s, uint32_t *lost, size_t *n_lost, struct err *err)
{
	int code = 0;
	size_t i, k;

	for (i = first; i < end && !code; i = k) {
		const struct balance_op *op = &plan->ops[i];
		uint64_t where = op->slice.where;
		__u64 *word;

		k = i + 1;
		switch (op->kind) {
		case BALANCE_CLEAR_SLICE:
			code = write_slice(b, where, NULL, err);
			break;
		case BALANCE_PUT_NAME:
			code = put_name(b, op, err);
			break;
		case BALANCE_WRITE_BACKEND:
			write_backend(&b->backends[op->number], &op->backend);
			break;
		case BALANCE_WRITE_SLICE:
			code = write_slice(b, where, plan->slots + op->slice.at, err);
			break;
		case BALANCE_FILTER_ON:
			word = &balance_bits(b->filter, op->filter.scope)[op->filter.bit / 64];
			__atomic_fetch_or(word, 1ull << op->filter.bit % 64, __ATOMIC_SEQ_CST);
			break;
		case BALANCE_PUT_SERVICE:
			while (k < end && plan->ops[k].kind == BALANCE_PUT_SERVICE)
				k++;
			code = put_services(b, op, k - i, err);
			break;
		case BALANCE_DELETE_SERVICE:
			code = delete_service(b, op, err);
			break;
		case BALANCE_FILTER_OFF:
			word = &balance_bits(b->filter, op->filter.scope)[op->filter.bit / 64];
			__atomic_fetch_and(word, ~(1ull << op->filter.bit % 64), __ATOMIC_SEQ_CST);
			break;
		case BALANCE_SET_STATE:
			set_state(&b->backends[op->number], op, wall_s);
			if (op->state.state == XM_BACKEND_GONE || op->state.state == XM_BACKEND_DOWN)
				lost[(*n_lost)++] = op->number;
			break;
		case BALANCE_DELETE_NAME:
			code = delete_name(b, op, err);
			break;
		}
	}
	return code;
}
