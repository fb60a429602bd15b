/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The agent's control socket: one request line in, one JSON document out, then end of file. Only
 * root can open it; nevertheless nothing that a client does holds the loop or grows without bound.
 */
#include "agent/control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "core/defs.h"

#define MAX_CLIENTS 16
#define MAX_REQUEST 4096
#define CLIENT_MS 5000
#define MAX_ANSWER (64u * 1024 * 1024)

struct control {
	uv_pipe_t server;
	uv_loop_t *loop;
	char *path;
	json_object *(*answer)(void *user, const json_object *request);
	void *user;
	struct client *clients;
	size_t n_clients;
	bool closing;
	bool server_closed;
};

struct client {
	struct control *control;
	struct client *prev, *next;
	uv_pipe_t pipe;
	uv_timer_t timer;
	uv_write_t write;
	char request[MAX_REQUEST];
	size_t len;
	json_object *reply;
	int handles;   /* not closed yet */
	bool answered;
};

static void release(struct control *control)
{
	if (!control->closing || !control->server_closed || control->n_clients)
		return;
	free(control->path);
	free(control);
}

static void on_client_closed(uv_handle_t *handle)
{
	struct client *client = handle->data;
	struct control *control = client->control;

	if (--client->handles)
		return;
	if (client->prev)
		client->prev->next = client->next;
	else
		control->clients = client->next;
	if (client->next)
		client->next->prev = client->prev;
	control->n_clients--;
	json_object_put(client->reply);
	free(client);
	release(control);
}

static void client_close(struct client *client)
{
	if (uv_is_closing((uv_handle_t *)&client->pipe))
		return;
	uv_close((uv_handle_t *)&client->pipe, on_client_closed);
	uv_close((uv_handle_t *)&client->timer, on_client_closed);
}

static void on_timeout(uv_timer_t *timer)
{
	client_close(timer->data);
}

static void on_written(uv_write_t *write, int status)
{
	client_close(write->data);
}

static void answer(struct client *client)
{
	json_object *request = json_tokener_parse(client->request);
	const char *text;
	uv_buf_t buf;
	size_t len;

	client->answered = true;
	uv_read_stop((uv_stream_t *)&client->pipe);
	client->reply = client->control->answer(client->control->user, request);
	json_object_put(request);
	text = json_object_to_json_string_length(client->reply, JSON_C_TO_STRING_PLAIN, &len);
	buf = uv_buf_init((char *)text, len);
	client->write.data = client;
	if (!text || uv_write(&client->write, (uv_stream_t *)&client->pipe, &buf, 1, on_written))
		client_close(client);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
	struct client *client = handle->data;

	*ret_buf = uv_buf_init(client->request + client->len, MAX_REQUEST - 1 - client->len);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct client *client = stream->data;
	char *end;

	/* Also when the line is longer than the room for it: on_alloc() then gave none. */
	if (n < 0) {
		client_close(client);
		return;
	}
	client->len += n;
	client->request[client->len] = '\0';
	end = strchr(client->request, '\n');
	if (!end || client->answered)
		return;
	*end = '\0';
	answer(client);
}

static void on_connection(uv_stream_t *server, int status)
{
	struct control *control = server->data;
	struct client *client;

	if (status < 0)
		return;
	client = calloc(1, sizeof(*client));
	if (!client)
		return;
	client->control = control;
	client->pipe.data = client;
	client->timer.data = client;
	client->handles = 2;
	client->next = control->clients;
	if (client->next)
		client->next->prev = client;
	control->clients = client;
	control->n_clients++;
	uv_pipe_init(control->loop, &client->pipe, 0);
	uv_timer_init(control->loop, &client->timer);
	if (uv_accept(server, (uv_stream_t *)&client->pipe) || control->n_clients > MAX_CLIENTS ||
	    uv_timer_start(&client->timer, on_timeout, CLIENT_MS, 0) ||
	    uv_read_start((uv_stream_t *)&client->pipe, on_alloc, on_read))
		client_close(client);
}

static void on_server_closed(uv_handle_t *handle)
{
	struct control *control = handle->data;

	control->server_closed = true;
	release(control);
}

int control_new(uv_loop_t *loop, const char *path, json_object *(*fn)(void *user, const json_object *request),
		void *user, struct control **ret_control, struct err *err)
{
	struct control *control;
	mode_t mask;
	int code;

	if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return err_set(err, -ENAMETOOLONG, "control socket %s: the path is too long, shorten run_dir",
			       path);
	control = calloc(1, sizeof(*control));
	if (!control)
		return err_set(err, -ENOMEM, "out of memory");
	control->path = strdup(path);
	if (!control->path) {
		free(control);
		return err_set(err, -ENOMEM, "out of memory");
	}
	control->loop = loop;
	control->answer = fn;
	control->user = user;
	control->server.data = control;
	code = uv_pipe_init(loop, &control->server, 0);
	if (code) {
		free(control->path);
		free(control);
		return err_set(err, code, "control socket: %s", uv_strerror(code));
	}
	/* The caller holds the instance's lock: whoever made the socket that is there is dead. */
	unlink(path);
	mask = umask(0177);
	code = uv_pipe_bind(&control->server, path);
	umask(mask);
	if (!code)
		code = uv_listen((uv_stream_t *)&control->server, MAX_CLIENTS, on_connection);
	if (code) {
		code = err_set(err, code, "control socket %s: %s", path, uv_strerror(code));
		control_close(control);
		return code;
	}
	*ret_control = control;
	return 0;
}

void control_close(struct control *control)
{
	if (!control)
		return;
	control->closing = true;
	for (struct client *c = control->clients; c; c = c->next)
		client_close(c);
	uv_close((uv_handle_t *)&control->server, on_server_closed);
	unlink(control->path);
}

/* ---- client -------------------------------------------------------------------------------- */

static int send_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n < 0)
			return -errno;
		text += n;
		len -= n;
	}
	return 0;
}

/* Until end of file; the socket's receive timeout bounds each wait, @deadline all of them. */
static int read_all(int fd, time_t deadline, char **ret_text)
{
	auto_free char *text = NULL;
	size_t len = 0, size = 0;
	struct timespec now;

	for (;;) {
		ssize_t n;

		if (size - len < 2) {
			char *grown;

			if (size >= MAX_ANSWER)
				return -EFBIG;
			grown = realloc(text, size ? size * 2 : 65536);
			if (!grown)
				return -ENOMEM;
			text = grown;
			size = size ? size * 2 : 65536;
		}
		n = recv(fd, text + len, size - len - 1, 0);
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if (!n)
			break;
		len += n;
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec >= deadline)
			return -ETIMEDOUT;
	}
	text[len] = '\0';
	*ret_text = take(text);
	return 0;
}

int control_ask(const char *path, const char *request_json, json_object **ret_answer, struct err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct timeval timeout = { .tv_sec = 5 };
	auto_close int fd = -1;
	auto_free char *text = NULL;
	struct timespec now;
	json_object *reply;
	int code;

	if (strlen(path) >= sizeof(addr.sun_path))
		return err_set(err, -ENAMETOOLONG, "control socket %s: the path is too long", path);
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set(err, -errno, "socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		code = -errno;
		return err_set(err, code, "control socket %s: %s", path, strerror(-code));
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	code = send_all(fd, request_json, strlen(request_json));
	if (!code)
		code = send_all(fd, "\n", 1);
	if (!code)
		code = read_all(fd, now.tv_sec + timeout.tv_sec, &text);
	if (code)
		return err_set(err, code, "control socket %s: the agent did not answer: %s", path,
			       strerror(-code));
	reply = json_tokener_parse(text);
	if (!reply)
		return err_set(err, -EPROTO, "control socket %s: the agent's answer is no JSON", path);
	*ret_answer = reply;
	return 0;
}
