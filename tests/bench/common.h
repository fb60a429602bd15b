/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the traffic tools of the benchmark share: a client and a server process, each in its own
 * network namespace and on its own CPU, addresses, clocks and percentiles. Errors end the process
 * with a sentence: a benchmark has no half result.
 */
#ifndef BENCH_COMMON_H
#define BENCH_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <netinet/in.h>
#include <sys/types.h>

/*
 * Options of all tools: --client NS --server NS --addr ADDR [--port N] [--to ADDR] [--to-port N]
 * [--cgroup DIR] [--fifo] [--seconds X] [--cpus C,S] [--mode M] [--tag JSON]
 */
struct bench {
	const char *client_ns, *server_ns; /* names below /run/netns */
	struct sockaddr_storage addr;      /* where the server listens */
	socklen_t addr_len;
	struct sockaddr_storage to;        /* where clients go: a VIP or a proxy, else addr */
	socklen_t to_len;
	const char *cgroup;                /* of the client's sockets, NULL = as started */
	bool fifo;                         /* SCHED_FIFO: for sides that block on one CPU */
	double seconds;
	int client_cpu, server_cpu;
	const char *mode;
	const char *tag; /* members that each JSON line begins with, as in "variant":"plain" */
};

void bench_options(int argc, char **argv, const char *modes, struct bench *ret_bench);

/*
 * Fork @server into its namespace and CPU, wait until it called bench_ready(), then enter the
 * client's own. The server is ended by bench_end() or with its parent.
 */
pid_t bench_start(const struct bench *bench, void (*server)(const struct bench *bench));
void bench_ready(void);
/* Put the calling process into that cgroup: sockets that it makes from now on belong there. */
void bench_join(const char *cgroup);
void bench_end(pid_t server);

int bench_socket(const struct bench *bench, int type);
uint64_t bench_now_ns(void);
/* Sorts; @q is 0..1. 0 when there is nothing. */
uint32_t bench_quantile(uint32_t *values, size_t n, double q);
void bench_fail(const char *what) __attribute__((noreturn));

#endif
