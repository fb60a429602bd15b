/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The control socket, both sides: the agent's loop in a child, or a client by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/control.h"
#include "core/defs.h"

struct world {
	char dir[64], path[80];
	uv_loop_t loop;
	struct control *control;
	uv_thread_t thread;
	uv_async_t stop;
};

static json_object *answer(void *user, const json_object *request)
{
	json_object *reply = json_object_new_object(), *get = NULL;

	json_object_object_get_ex(request, "get", &get);
	json_object_object_add(reply, "asked", json_object_get(get));
	return reply;
}

static void on_stop(uv_async_t *async)
{
	struct world *w = async->data;

	control_close(w->control);
	uv_close((uv_handle_t *)async, NULL);
}

static void run(void *user)
{
	struct world *w = user;

	uv_run(&w->loop, UV_RUN_DEFAULT);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	strcpy(w->dir, "/tmp/xmesh-control-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->path, sizeof(w->path), "%s/x.sock", w->dir);
	uv_loop_init(&w->loop);
	assert_int_equal(control_new(&w->loop, w->path, answer, w, &w->control, NULL), 0);
	uv_async_init(&w->loop, &w->stop, on_stop);
	w->stop.data = w;
	uv_thread_create(&w->thread, run, w);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	int code;

	uv_async_send(&w->stop);
	uv_thread_join(&w->thread);
	uv_loop_close(&w->loop);
	/* The socket went with its owner. */
	code = rmdir(w->dir);
	free(w);
	return code;
}

static void answers(void **state)
{
	struct world *w = *state;
	json_object *reply, *asked;
	struct stat st;

	assert_int_equal(stat(w->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(control_ask(w->path, "{\"get\":\"status\"}", &reply, NULL), 0);
	assert_true(json_object_object_get_ex(reply, "asked", &asked));
	assert_string_equal(json_object_get_string(asked), "status");
	json_object_put(reply);
}

static int connect_to(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(addr.sun_path, path);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void refuses_long_lines(void **state)
{
	struct world *w = *state;
	int fd = connect_to(w->path);
	char text[8192], byte;

	memset(text, 'x', sizeof(text));
	/* It may close before all is taken. */
	if (send(fd, text, sizeof(text), MSG_NOSIGNAL) < 0)
		assert_true(errno == EPIPE || errno == ECONNRESET);
	assert_true(recv(fd, &byte, 1, 0) <= 0);
	close(fd);
	answers(state);
}

static void bounds_clients(void **state)
{
	struct world *w = *state;
	int fds[17];
	char byte;

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = connect_to(w->path);
	assert_int_equal(recv(fds[16], &byte, 1, 0), 0);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	for (int i = 0; i < 100; i++) {
		json_object *reply;

		if (control_ask(w->path, "{}", &reply, NULL))
			continue;
		json_object_put(reply);
		return;
	}
	fail_msg("no answer after the others left");
}

static void nobody_there(void **state)
{
	json_object *reply = NULL;
	struct err err = { 0 };

	assert_int_equal(control_ask("/nonexistent/x.sock", "{}", &reply, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/x.sock"));
	assert_null(reply);
}

static void replaces_stale(void **state)
{
	struct world *w = *state;
	char path[96];
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct control *control;
	uv_loop_t loop;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(path, sizeof(path), "%s/stale.sock", w->dir);
	strcpy(addr.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
	uv_loop_init(&loop);
	assert_int_equal(control_new(&loop, path, answer, w, &control, NULL), 0);
	control_close(control);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
}

int main(void)
{
#define TEST(name, fn) { name, fn, setup, teardown, NULL }
	const struct CMUnitTest tests[] = {
		TEST("a request is answered, on a socket for root alone", answers),
		TEST("a line without end is cut off, others are served", refuses_long_lines),
		TEST("the 17th client at once is turned away, later ones served", bounds_clients),
		TEST("the socket of a dead agent is replaced", replaces_stale),
		{ "no agent: the error names the socket", nobody_there, NULL, NULL, NULL },
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
