/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Runs iptables-save, ip6tables-save and nft where they are installed: no shell, a clean
 * environment, at most OUTPUT_MAX bytes of each and DEADLINE_MS for all. A tool that fails becomes
 * a note, for its rules are unknown then. Not for: understanding what they print (firewall.c).
 */
#include "net/firewall.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/defs.h"
#include "core/vec.h"

#define OUTPUT_MAX (8u * 1024 * 1024)
#define DEADLINE_MS 3000
#define COMPLAINT_MAX 200 /* of a tool's stderr in a note */

struct tool {
	const char *name;
	char *argv[5];
	int (*judge)(const char *text, const char *device, struct firewall_report *report);
	bool legacy; /* to be run only where legacy tables are loaded */
};

static const struct tool tools[] = {
	{ "iptables-save", { "iptables-save" }, firewall_judge_iptables, false },
	{ "ip6tables-save", { "ip6tables-save" }, firewall_judge_iptables, false },
	/* Beside iptables over nf_tables the older tables may be in use too. */
	{ "iptables-legacy-save", { "iptables-legacy-save" }, firewall_judge_iptables, true },
	{ "ip6tables-legacy-save", { "ip6tables-legacy-save" }, firewall_judge_iptables, true },
	{ "nft", { "nft", "-j", "list", "ruleset" }, firewall_judge_nft, false },
};

struct output {
	char *text; /* NUL-terminated */
	size_t n;
	char complaint[COMPLAINT_MAX];
	size_t n_complaint;
	int status; /* of wait() */
};

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* The tool's path in the usual places; false: not installed. */
static bool find_tool(const char *name, char path[64])
{
	static const char *const dirs[] = { "/usr/sbin", "/sbin", "/usr/bin", "/usr/local/sbin" };

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		snprintf(path, 64, "%s/%s", dirs[i], name);
		if (!access(path, X_OK))
			return true;
	}
	return false;
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
static int read_some(int fd, struct output *o)
{
	char buf[65536], *text;
	ssize_t n = read(fd, buf, sizeof(buf));

	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 1 : -errno;
	if (!n)
		return 0;
	if (o->n + (size_t)n > OUTPUT_MAX)
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
static int read_complaint(int fd, struct output *o)
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
static int drain(int out, int complaints, int64_t deadline, struct output *o)
{
	struct pollfd fds[2] = { { out, POLLIN, 0 }, { complaints, POLLIN, 0 } };
	int64_t left;
	int code;

	while (fds[0].fd >= 0 || fds[1].fd >= 0) {
		left = deadline - now_ms();
		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(fds, 2, (int)left) < 0 && errno != EINTR)
			return -errno;
		for (int i = 0; i < 2; i++) {
			if (fds[i].fd < 0 || !fds[i].revents)
				continue;
			code = i ? read_complaint(fds[i].fd, o) : read_some(fds[i].fd, o);
			if (code < 0)
				return code;
			if (!code)
				fds[i].fd = -1;
		}
	}
	return 0;
}

/* A child that closed its output ends at once; one that does not is not waited for. */
static int reap(pid_t pid, int64_t deadline, struct output *o)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	pid_t got;

	while (!(got = waitpid(pid, &o->status, WNOHANG)) || (got < 0 && errno == EINTR)) {
		if (now_ms() >= deadline)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
	return got == pid ? 0 : -errno;
}

/* *@ret_output is filled on failure too (its complaint) and the caller's to free. */
static int run(const char *path, char *const argv[], int64_t deadline, struct output *ret_output)
{
	auto_close int out = -1, out_end = -1, complaints = -1, complaints_end = -1;
	int fds[2], code;
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
	code = drain(out, complaints, deadline, ret_output);
	if (!code)
		code = reap(pid, deadline, ret_output);
	if (code) {
		kill(pid, SIGKILL);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		return code;
	}
	return WIFEXITED(ret_output->status) && !WEXITSTATUS(ret_output->status) ? 0 : -EIO;
}

static int note_failure(const struct tool *tool, int code, const struct output *o,
			struct firewall_report *report)
{
	const char *why = strerror(-code);
	char complaint[COMPLAINT_MAX];

	if (code == -ETIMEDOUT)
		why = "it takes too long";
	else if (code == -EFBIG)
		why = "it prints more than 8 MiB";
	snprintf(complaint, sizeof(complaint), "%s", o->complaint);
	complaint[strcspn(complaint, "\n")] = '\0';
	return vec_note(&report->notes, &report->n_notes,
			"firewall rules are unknown as far as %s shows them: %s", tool->name,
			code == -EIO && complaint[0] ? complaint : why);
}

/* The legacy tables of this namespace; the file is not there without their module. */
static bool has_legacy_tables(void)
{
	static const char *const lists[] = { "/proc/net/ip_tables_names", "/proc/net/ip6_tables_names" };
	char byte;

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		auto_close int fd = open(lists[i], O_RDONLY | O_CLOEXEC);

		if (fd >= 0 && read(fd, &byte, 1) == 1)
			return true;
	}
	return false;
}

/* iptables-save may be the legacy one itself. */
static bool is_same_program(const char *a, const char *b)
{
	struct stat sa, sb;

	/* The programs are one file that goes by its name: compare where the names lead. */
	auto_free char *ra = realpath(a, NULL), *rb = realpath(b, NULL);

	if (!ra || !rb || stat(ra, &sa) || stat(rb, &sb))
		return false;
	return sa.st_ino == sb.st_ino && sa.st_dev == sb.st_dev;
}

static bool is_wanted(const struct tool *tool, const char *path)
{
	char usual[64];

	if (!tool->legacy)
		return true;
	if (!has_legacy_tables())
		return false;
	return !find_tool(tool->name[2] == '6' ? "ip6tables-save" : "iptables-save", usual) ||
	       !is_same_program(usual, path);
}

static int read_tool(const struct tool *tool, const char *device, int64_t deadline,
		     struct firewall_report *report)
{
	struct output o = { .text = NULL };
	char path[64];
	int code;

	if (!find_tool(tool->name, path) || !is_wanted(tool, path))
		return 0;
	code = run(path, tool->argv, deadline, &o);
	if (!code && o.n)
		code = tool->judge(o.text, device, report);
	if (code && code != -ENOMEM)
		code = note_failure(tool, code, &o, report);
	free(o.text);
	return code;
}

static bool has_net_admin(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 } };

	return !syscall(SYS_capget, &head, data) && data[0].effective & (1u << CAP_NET_ADMIN);
}

int firewall_read(const char *device, struct firewall_report *ret_report, struct err *err)
{
	int64_t deadline = now_ms() + DEADLINE_MS;
	struct firewall_report report = { 0 };
	int code = 0;

	if (!has_net_admin())
		return err_set(err, -EPERM, "reading the firewall's rules needs CAP_NET_ADMIN (root)");
	for (size_t i = 0; i < ARRAY_SIZE(tools) && !code; i++)
		code = read_tool(&tools[i], device, deadline, &report);
	if (code) {
		firewall_report_done(&report);
		return err_set(err, code, "out of memory for the firewall's rules");
	}
	*ret_report = report;
	return 0;
}
