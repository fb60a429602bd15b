/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Round trips of one byte over TCP, one JSON line on stdout:
 *   spin   both sides poll, each on its own CPU: the path without a wake-up
 *   block  both sides block, on the client's CPU alone: the path with its two wake-ups
 *   crr    connect, one byte there and back, close, both sides on one CPU: connections per second
 */
#include "common.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <netinet/tcp.h>
#include <sys/socket.h>

#define MAX_SAMPLES 4000000u
#define WARM_UP 200u
#define MAX_POLLS 20000000u /* some seconds */

/* One byte; with @spin by polling. false: the other side is gone. */
static bool take_byte(int fd, bool spin)
{
	unsigned int empty = 0;
	char byte;
	ssize_t n;

	while ((n = recv(fd, &byte, 1, spin ? MSG_DONTWAIT : 0)) < 0) {
		if (errno == EAGAIN && spin) {
			if (++empty == MAX_POLLS)
				return false;
			continue;
		}
		if (errno != EINTR)
			return false;
	}
	return n == 1;
}

static void serve(const struct bench *b)
{
	bool spin = !strcmp(b->mode, "spin"), crr = !strcmp(b->mode, "crr");
	int one = 1, fd, listener = bench_socket(b, SOCK_STREAM);

	if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(listener, (const struct sockaddr *)&b->addr, b->addr_len) ||
	    listen(listener, 1024))
		bench_fail("listening");
	bench_ready();
	for (;;) {
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			bench_fail("accept");
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		while (take_byte(fd, spin) && send(fd, "s", 1, MSG_NOSIGNAL) == 1 && !crr)
			;
		close(fd);
	}
}

static int dial(const struct bench *b)
{
	struct timeval limit = { .tv_sec = 2 };
	int one = 1, fd = bench_socket(b, SOCK_STREAM);

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (const struct sockaddr *)&b->to, b->to_len))
		bench_fail("connect");
	return fd;
}

static void exchange(int fd, bool spin)
{
	if (send(fd, "c", 1, MSG_NOSIGNAL) != 1 || !take_byte(fd, spin))
		bench_fail("one byte there and back");
}

/* The server closes first, so that the client's port is free at once. */
static void connect_exchange_close(const struct bench *b)
{
	int fd = dial(b);
	char byte;

	exchange(fd, false);
	if (recv(fd, &byte, 1, 0) != 0)
		bench_fail("waiting for the close");
	close(fd);
}

int main(int argc, char **argv)
{
	uint64_t start, end, t0, t1;
	uint32_t *ns, p50, p99;
	bool spin, crr;
	size_t n = 0, i;
	struct bench b;
	int fd = -1;
	pid_t server;

	bench_options(argc, argv, "spin|block|crr", &b);
	spin = !strcmp(b.mode, "spin");
	crr = !strcmp(b.mode, "crr");
	if (!spin && !crr && strcmp(b.mode, "block")) {
		fprintf(stderr, "rr: no mode \"%s\": spin, block or crr\n", b.mode);
		return 2;
	}
	if (!spin)
		b.server_cpu = b.client_cpu;
	ns = calloc(MAX_SAMPLES, sizeof(*ns));
	if (!ns)
		bench_fail("memory for the samples");
	/* Touched before the clock starts: no page fault is measured. */
	memset(ns, 1, MAX_SAMPLES * sizeof(*ns));
	server = bench_start(&b, serve);

	if (!crr)
		fd = dial(&b);
	for (i = 0; i < WARM_UP; i++) {
		if (crr)
			connect_exchange_close(&b);
		else
			exchange(fd, spin);
	}
	start = t0 = bench_now_ns();
	end = start + (uint64_t)(b.seconds * 1e9);
	while (t0 < end && n < MAX_SAMPLES) {
		if (crr)
			connect_exchange_close(&b);
		else
			exchange(fd, spin);
		t1 = bench_now_ns();
		ns[n++] = (uint32_t)(t1 - t0);
		t0 = t1;
	}
	bench_end(server);
	p50 = bench_quantile(ns, n, 0.5);
	p99 = bench_quantile(ns, n, 0.99);
	printf("{%s%s\"bench\":\"%s\",\"p50_us\":%.2f,\"p99_us\":%.2f,"
	       "\"per_s\":%.0f,\"n\":%zu}\n",
	       b.tag, *b.tag ? "," : "", b.mode, p50 / 1e3, p99 / 1e3,
	       (double)n * 1e9 / (double)(t0 - start), n);
	free(ns);
	return 0;
}
