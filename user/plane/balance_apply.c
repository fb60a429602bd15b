/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The operations of a plan on the mapped arrays and by bpf(2), as they are listed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
			code = balance_write_slice(b->plane, where, NULL, err);
			break;
		case BALANCE_PUT_NAME:
			code = put_name(b, op, err);
			break;
		case BALANCE_WRITE_BACKEND:
			write_backend(&b->backends[op->number], &op->backend);
			break;
		case BALANCE_WRITE_SLICE:
			code = balance_write_slice(b->plane, where, plan->slots + op->slice.at, err);
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
