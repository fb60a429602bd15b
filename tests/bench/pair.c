/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Round trips of one byte over three connections to one server: to its own address, to a VIP from
 * within a cgroup (translated at the socket) and to the VIP from outside of it (per packet). They
 * take turns every few milliseconds in a random order, so that the machine's moods meet all alike.
 * Both sides block on the client's CPU alone. One JSON line for each on stdout.
 */
#include "common.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <netinet/tcp.h>
#include <sys/socket.h>

#define MAX_SAMPLES 400000u
#define WARM_UP 500u
#define TURN 100u /* exchanges */

struct way {
	const char *name;
	int fd;
	uint32_t *ns;
	size_t n;
};

/* A process for each connection, so that all block in recv() and none polls. */
static void serve(const struct bench *b)
{
	int one = 1, fd, listener = bench_socket(b, SOCK_STREAM);
	char byte;

	signal(SIGCHLD, SIG_IGN);
	if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(listener, (const struct sockaddr *)&b->addr, b->addr_len) ||
	    listen(listener, 16))
		bench_fail("listening");
	bench_ready();
	for (;;) {
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			bench_fail("accept");
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (fork() == 0) {
			while (recv(fd, &byte, 1, 0) == 1 && send(fd, "s", 1, MSG_NOSIGNAL) == 1)
				;
			_exit(0);
		}
		close(fd);
	}
}

static int dial(const struct bench *b, const struct sockaddr_storage *to, socklen_t len)
{
	struct timeval limit = { .tv_sec = 2 };
	int one = 1, fd = bench_socket(b, SOCK_STREAM);

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (connect(fd, (const struct sockaddr *)to, len))
		bench_fail("connect");
	return fd;
}

static void exchange(int fd)
{
	char byte;

	if (send(fd, "c", 1, MSG_NOSIGNAL) != 1 || recv(fd, &byte, 1, 0) != 1)
		bench_fail("one byte there and back");
}

static void take_turn(struct way *w)
{
	uint64_t t0, t1;

	exchange(w->fd); /* its cache lines */
	t0 = bench_now_ns();
	for (unsigned int i = 0; i < TURN && w->n < MAX_SAMPLES; i++) {
		exchange(w->fd);
		t1 = bench_now_ns();
		w->ns[w->n++] = (uint32_t)(t1 - t0);
		t0 = t1;
	}
}

int main(int argc, char **argv)
{
	struct way ways[] = { { .name = "direct" }, { .name = "packet" }, { .name = "socket" } };
	unsigned int order[] = { 0, 1, 2 }, i, j, x;
	struct bench b;
	const char *cgroup;
	uint64_t end;
	pid_t server;

	bench_options(argc, argv, NULL, &b);
	if (!b.cgroup) {
		fprintf(stderr, "pair: --cgroup is missing\n");
		return 2;
	}
	srand((unsigned int)bench_now_ns());
	/* Joined only before the last socket is made. */
	cgroup = b.cgroup;
	b.cgroup = NULL;
	b.server_cpu = b.client_cpu;
	for (i = 0; i < 3; i++) {
		ways[i].ns = calloc(MAX_SAMPLES, sizeof(*ways[i].ns));
		if (!ways[i].ns)
			bench_fail("memory for the samples");
		memset(ways[i].ns, 1, MAX_SAMPLES * sizeof(*ways[i].ns));
	}
	server = bench_start(&b, serve);
	ways[0].fd = dial(&b, &b.addr, b.addr_len);
	ways[1].fd = dial(&b, &b.to, b.to_len);
	bench_join(cgroup);
	ways[2].fd = dial(&b, &b.to, b.to_len);
	for (i = 0; i < WARM_UP; i++)
		exchange(ways[i % 3].fd);
	end = bench_now_ns() + (uint64_t)(b.seconds * 1e9);
	while (bench_now_ns() < end) {
		for (i = 2; i > 0; i--) {
			j = (unsigned int)rand() % (i + 1);
			x = order[i], order[i] = order[j], order[j] = x;
		}
		for (i = 0; i < 3; i++)
			take_turn(&ways[order[i]]);
	}
	/* Its processes end when their connections do. */
	for (i = 0; i < 3; i++)
		close(ways[i].fd);
	bench_end(server);
	for (i = 0; i < 3; i++) {
		printf("{%s%s\"variant\":\"%s\",\"bench\":\"pair\",\"p50_us\":%.3f,\"p99_us\":%.3f,"
		       "\"n\":%zu}\n",
		       b.tag, *b.tag ? "," : "", ways[i].name,
		       bench_quantile(ways[i].ns, ways[i].n, 0.5) / 1e3,
		       bench_quantile(ways[i].ns, ways[i].n, 0.99) / 1e3, ways[i].n);
		free(ways[i].ns);
	}
	return 0;
}
