/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* See common.h. */
#include "common.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

static int ready_fd = -1;

void bench_fail(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
	exit(1);
}

static void usage(const char *modes)
{
	fprintf(stderr,
		"usage: %s --client NETNS --server NETNS --addr ADDRESS [--port N] [--seconds X]\n"
		"       [--to ADDRESS] [--to-port N] [--cgroup DIR] [--fifo]\n"
		"       [--cpus CLIENT,SERVER] [--tag JSON-MEMBERS]%s%s\n",
		program_invocation_short_name, modes ? " --mode " : "", modes ? modes : "");
	exit(2);
}

/* 0: it is no address. */
static socklen_t address(const char *text, int port, struct sockaddr_storage *ret_addr)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret_addr;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret_addr;

	if (port <= 0 || port > 65535)
		return 0;
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
		return sizeof(*v4);
	}
	if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
		return sizeof(*v6);
	}
	return 0;
}

void bench_options(int argc, char **argv, const char *modes, struct bench *ret_bench)
{
	static const struct option options[] = {
		{ "client", required_argument, NULL, 'c' },
		{ "server", required_argument, NULL, 's' },
		{ "addr", required_argument, NULL, 'a' },
		{ "port", required_argument, NULL, 'p' },
		{ "seconds", required_argument, NULL, 't' },
		{ "cpus", required_argument, NULL, 'u' },
		{ "mode", required_argument, NULL, 'm' },
		{ "tag", required_argument, NULL, 'g' },
		{ "to", required_argument, NULL, 'o' },
		{ "to-port", required_argument, NULL, 'q' },
		{ "cgroup", required_argument, NULL, 'r' },
		{ "fifo", no_argument, NULL, 'f' },
		{ NULL, 0, NULL, 0 },
	};
	struct bench b = { .seconds = 0.4, .client_cpu = 0, .server_cpu = 1, .tag = "" };
	const char *addr = NULL, *to = NULL;
	int c, port = 9000, to_port = 0;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'c': b.client_ns = optarg; break;
		case 's': b.server_ns = optarg; break;
		case 'a': addr = optarg; break;
		case 'p': port = atoi(optarg); break;
		case 't': b.seconds = atof(optarg); break;
		case 'm': b.mode = optarg; break;
		case 'g': b.tag = optarg; break;
		case 'o': to = optarg; break;
		case 'q': to_port = atoi(optarg); break;
		case 'r': b.cgroup = optarg; break;
		case 'f': b.fifo = true; break;
		case 'u':
			if (sscanf(optarg, "%d,%d", &b.client_cpu, &b.server_cpu) != 2)
				usage(modes);
			break;
		default: usage(modes);
		}
	}
	if (!b.client_ns || !b.server_ns || !addr || optind != argc || b.seconds <= 0 ||
	    !modes != !b.mode)
		usage(modes);
	b.addr_len = address(addr, port, &b.addr);
	b.to_len = address(to ? to : addr, to_port ? to_port : port, &b.to);
	if (!b.addr_len || !b.to_len)
		usage(modes);
	*ret_bench = b;
}

static void enter(const char *ns, int cpu, bool fifo)
{
	const struct sched_param param = { .sched_priority = 50 };
	char path[256];
	cpu_set_t set;
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", ns);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		bench_fail(path);
	close(fd);
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		bench_fail("pinning to a CPU");
	/* Two polling sides in SCHED_FIFO would leave no CPU to anything else. */
	if (fifo && sched_setscheduler(0, SCHED_FIFO, &param))
		bench_fail("SCHED_FIFO");
	if (setpriority(PRIO_PROCESS, 0, -20))
		bench_fail("setpriority");
}

pid_t bench_start(const struct bench *bench, void (*server)(const struct bench *bench))
{
	int fds[2];
	pid_t pid;
	char one;

	signal(SIGPIPE, SIG_IGN);
	if (pipe2(fds, O_CLOEXEC))
		bench_fail("pipe");
	pid = fork();
	if (pid < 0)
		bench_fail("fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(fds[0]);
		ready_fd = fds[1];
		enter(bench->server_ns, bench->server_cpu, bench->fifo);
		server(bench);
		_exit(0);
	}
	close(fds[1]);
	if (read(fds[0], &one, 1) != 1) {
		waitpid(pid, NULL, 0);
		fprintf(stderr, "%s: the server did not start\n", program_invocation_short_name);
		exit(1);
	}
	close(fds[0]);
	enter(bench->client_ns, bench->client_cpu, bench->fifo);
	if (bench->cgroup)
		bench_join(bench->cgroup);
	return pid;
}

void bench_join(const char *cgroup)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		bench_fail(path);
	close(fd);
}

void bench_ready(void)
{
	if (write(ready_fd, "r", 1) != 1)
		bench_fail("telling that the server is ready");
	close(ready_fd);
}

void bench_end(pid_t server)
{
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
}

int bench_socket(const struct bench *bench, int type)
{
	int fd = socket(bench->addr.ss_family, type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		bench_fail("socket");
	return fd;
}

uint64_t bench_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

uint32_t bench_quantile(uint32_t *values, size_t n, double q)
{
	if (n == 0)
		return 0;
	qsort(values, n, sizeof(*values), compare);
	return values[(size_t)(q * (double)(n - 1))];
}
