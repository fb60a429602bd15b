/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Runs of destroy_sockets(), queued. */
#include "agent/ender.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "core/defs.h"
#include "xmesh/service.h"

struct ender {
	uv_loop_t *loop;
	uv_async_t finished;
	uv_thread_t thread;
	bool running;
	bool is_over;            /* set by the thread, read after the async or the join */
	const struct plane *plane;
	void (*done)(void *user, int code, const struct destroy_result *result, const struct err *err);
	void *user;
	struct destroy_target *queue; size_t n_queue; /* for the next run */
	struct destroy_target *now;   size_t n_now;   /* the thread's while it runs */
	int code;
	struct destroy_result result;
	struct err err;
};

static bool is_ours(void *user, uint64_t cookie, const struct destroy_target *target)
{
	const struct plane *plane = user;
	struct xm_sock_key key = { .cookie = cookie, .addr = target->addr, .port = htons(target->port) };
	struct xm_sock_origin origin;

	return !bpf_map_lookup_elem(plane->map_fd[PLANE_xm_sock_origin], &key, &origin);
}

int ender_run_once(const struct plane *plane, const struct destroy_target *targets, size_t n,
		   struct destroy_result *ret_result, struct err *err)
{
	return destroy_sockets(targets, n, is_ours, (void *)plane, ret_result, err);
}

static void run(void *arg)
{
	struct ender *ender = arg;

	ender->result = (struct destroy_result){ 0 };
	ender->err = (struct err){ 0 };
	ender->code = ender_run_once(ender->plane, ender->now, ender->n_now, &ender->result, &ender->err);
	__atomic_store_n(&ender->is_over, true, __ATOMIC_RELEASE);
	uv_async_send(&ender->finished);
}

static int start(struct ender *ender)
{
	ender->now = take(ender->queue);
	ender->n_now = ender->n_queue;
	ender->n_queue = 0;
	ender->is_over = false;
	if (uv_thread_create(&ender->thread, run, ender)) {
		free(take(ender->now));
		return -ENOMEM;
	}
	ender->running = true;
	return 0;
}

static void on_finished(uv_async_t *async)
{
	struct ender *ender = async->data;

	if (!ender->running || !__atomic_load_n(&ender->is_over, __ATOMIC_ACQUIRE))
		return;
	uv_thread_join(&ender->thread);
	ender->running = false;
	free(take(ender->now));
	ender->done(ender->user, ender->code, &ender->result, &ender->err);
	if (ender->n_queue && start(ender)) {
		struct err err = { 0 };

		err_set(&err, -ENOMEM, "no thread to end sockets on");
		ender->done(ender->user, -ENOMEM, &ender->result, &err);
	}
}

int ender_new(uv_loop_t *loop, const struct plane *plane,
	      void (*done)(void *user, int code, const struct destroy_result *result, const struct err *err),
	      void *user, struct ender **ret_ender)
{
	struct ender *ender = calloc(1, sizeof(*ender));

	if (!ender)
		return -ENOMEM;
	ender->loop = loop;
	ender->plane = plane;
	ender->done = done;
	ender->user = user;
	if (uv_async_init(loop, &ender->finished, on_finished)) {
		free(ender);
		return -ENOMEM;
	}
	ender->finished.data = ender;
	*ret_ender = ender;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct ender *ender = handle->data;

	free(ender->queue);
	free(ender->now);
	free(ender);
}

void ender_close(struct ender *ender)
{
	if (!ender)
		return;
	if (ender->running)
		uv_thread_join(&ender->thread);
	ender->running = false;
	uv_close((uv_handle_t *)&ender->finished, on_closed);
}

int ender_add(struct ender *ender, const struct destroy_target *targets, size_t n)
{
	struct destroy_target *queue;

	if (!n)
		return 0;
	queue = reallocarray(ender->queue, ender->n_queue + n, sizeof(*queue));
	if (!queue)
		return -ENOMEM;
	memcpy(queue + ender->n_queue, targets, n * sizeof(*queue));
	ender->queue = queue;
	ender->n_queue += n;
	return ender->running ? 0 : start(ender);
}
