/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * TCP throughput of one stream, client and server each on its own CPU, one JSON line on stdout.
 * What counts is what the server has read.
 */
#include "common.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define BLOCK (128 * 1024)
#define WARM_UP_S 0.1

static _Atomic uint64_t *received; /* shared with the server */
static char block[BLOCK];

static void serve(const struct bench *b)
{
	int one = 1, fd, listener = bench_socket(b, SOCK_STREAM);
	ssize_t n;

	if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(listener, (const struct sockaddr *)&b->addr, b->addr_len) || listen(listener, 16))
		bench_fail("listening");
	bench_ready();
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		bench_fail("accept");
	while ((n = recv(fd, block, sizeof(block), 0)) > 0)
		atomic_fetch_add(received, (uint64_t)n);
	close(fd);
}

static void send_until(int fd, uint64_t end)
{
	while (bench_now_ns() < end)
		if (send(fd, block, sizeof(block), MSG_NOSIGNAL) < 0)
			bench_fail("sending");
}

int main(int argc, char **argv)
{
	struct timeval limit = { .tv_sec = 2 };
	socklen_t len = sizeof(struct tcp_info);
	struct tcp_info info = { 0 };
	uint64_t start, bytes, ns;
	struct bench b;
	pid_t server;
	int fd;

	bench_options(argc, argv, NULL, &b);
	received = mmap(NULL, sizeof(*received), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (received == MAP_FAILED)
		bench_fail("memory for the counter");
	server = bench_start(&b, serve);
	fd = bench_socket(&b, SOCK_STREAM);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (const struct sockaddr *)&b.addr, b.addr_len))
		bench_fail("connect");
	send_until(fd, bench_now_ns() + (uint64_t)(WARM_UP_S * 1e9));
	bytes = atomic_load(received);
	start = bench_now_ns();
	send_until(fd, start + (uint64_t)(b.seconds * 1e9));
	bytes = atomic_load(received) - bytes;
	ns = bench_now_ns() - start;
	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	bench_end(server);
	printf("{%s%s\"bench\":\"tcp\",\"gbit_s\":%.2f,\"retransmits\":%u}\n", b.tag,
	       *b.tag ? "," : "", (double)bytes * 8 / (double)ns, info.tcpi_total_retrans);
	return 0;
}
