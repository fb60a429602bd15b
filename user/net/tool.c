/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Running a program to its end or to a limit, whichever comes first. Not for: what it prints. */
#include "net/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/defs.h"

int64_t tool_clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int start(const char *path, char *const argv[], int out, int complaints, pid_t *ret_pid)
{
	static char *const env[] = { "LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, pipe_signal;
	int code;

	sigemptyset(&none);
	sigemptyset(&pipe_signal);
	sigaddset(&pipe_signal, SIGPIPE);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, out, 1);
	posix_spawn_file_actions_adddup2(&actions, complaints, 2);
	/* The agent ignores SIGPIPE and blocks what it reads by signalfd; its children must not. */
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &pipe_signal);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	code = posix_spawn(ret_pid, path, &actions, &attr, argv, env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return -code;
}

/* Append what can be read from @fd. Returns 0 at its end, 1 when there may be more, or an error. */
static int read_some(int fd, size_t max, struct tool_output *o)
{
	char buf[65536], *text;
	ssize_t n = read(fd, buf, sizeof(buf));

	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 1 : -errno;
	if (!n)
		return 0;
	if (o->n + (size_t)n > max)
		return -EFBIG;
	text = realloc(o->text, o->n + (size_t)n + 1);
	if (!text)
		return -ENOMEM;
	memcpy(text + o->n, buf, (size_t)n);
	o->n += (size_t)n;
	text[o->n] = '\0';
	o->text = text;
	return 1;
}

/* The beginning of the complaints is kept, the rest thrown away. */
static int read_complaint(int fd, struct tool_output *o)
{
	char buf[4096];
	ssize_t n = read(fd, buf, sizeof(buf));
	size_t room = sizeof(o->complaint) - 1 - o->n_complaint, keep;

	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 1 : -errno;
	keep = MIN((size_t)n, room);
	memcpy(o->complaint + o->n_complaint, buf, keep);
	o->n_complaint += keep;
	o->complaint[o->n_complaint] = '\0';
	return n ? 1 : 0;
}

/* Both pipes to their ends. */
static int drain(int out, int complaints, int64_t deadline, size_t max, struct tool_output *o)
{
	struct pollfd fds[2] = { { out, POLLIN, 0 }, { complaints, POLLIN, 0 } };
	int64_t left;
	int code;

	while (fds[0].fd >= 0 || fds[1].fd >= 0) {
		left = deadline - tool_clock_ms();
		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(fds, 2, (int)left) < 0 && errno != EINTR)
			return -errno;
		for (int i = 0; i < 2; i++) {
			if (fds[i].fd < 0 || !fds[i].revents)
				continue;
			code = i ? read_complaint(fds[i].fd, o) : read_some(fds[i].fd, max, o);
			if (code < 0)
				return code;
			if (!code)
				fds[i].fd = -1;
		}
	}
	return 0;
}

/* A child that closed its output ends at once; one that does not is not waited for. */
static int reap(pid_t pid, int64_t deadline, int *ret_status)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	pid_t got;

	while (!(got = waitpid(pid, ret_status, WNOHANG)) || (got < 0 && errno == EINTR)) {
		if (tool_clock_ms() >= deadline)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
	return got == pid ? 0 : -errno;
}

int tool_run(const char *path, char *const argv[], int64_t limit_ms, size_t max,
	     struct tool_output *ret_output)
{
	auto_close int out = -1, out_end = -1, complaints = -1, complaints_end = -1;
	int64_t deadline = tool_clock_ms() + limit_ms;
	int fds[2], status, code;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	out = fds[0];
	out_end = fds[1];
	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	complaints = fds[0];
	complaints_end = fds[1];
	if ((code = start(path, argv, out_end, complaints_end, &pid)))
		return code;
	close(take_fd(out_end));
	close(take_fd(complaints_end));
	code = drain(out, complaints, deadline, max, ret_output);
	if (!code)
		code = reap(pid, deadline, &status);
	if (code) {
		kill(pid, SIGKILL);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		return code;
	}
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -EIO;
}
