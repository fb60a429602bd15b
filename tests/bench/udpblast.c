/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Small UDP packets as fast as one CPU sends them, one JSON line on stdout: the sender's CPU time
 * per packet, packets sent and received. Over veth the whole way to the receiver's socket runs in
 * the sender's context, so this is the cost of the path. The receiver wakes by the clock, never by
 * a packet.
 *
 * The CPU time is that of the sending thread and of ksoftirqd on its CPU, which takes over under
 * load. A kernel with IRQ_TIME_ACCOUNTING charges softirqs to neither: compare wall_ns there.
 */
#include "common.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/socket.h>

#define BATCH 64
#define PAYLOAD 18 /* a frame of 60 bytes over IPv4 */
#define WARM_UP_BATCHES 50
#define DRAIN_EVERY_NS 1000000

static _Atomic uint64_t *received; /* shared with the receiver */

static void serve(const struct bench *b)
{
	const struct timespec pause = { .tv_nsec = DRAIN_EVERY_NS };
	int size = 64 * 1024 * 1024, n, fd = bench_socket(b, SOCK_DGRAM);
	static char data[BATCH][64];
	struct iovec iov[BATCH];
	struct mmsghdr msgs[BATCH];
	int i;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) ||
	    bind(fd, (const struct sockaddr *)&b->addr, b->addr_len))
		bench_fail("opening the receiver");
	for (i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){ data[i], sizeof(data[i]) };
		msgs[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &iov[i], .msg_iovlen = 1 } };
	}
	bench_ready();
	for (;;) {
		while ((n = recvmmsg(fd, msgs, BATCH, MSG_DONTWAIT, NULL)) > 0)
			atomic_fetch_add(received, (uint64_t)n);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			bench_fail("receiving");
		nanosleep(&pause, NULL);
	}
}

/* Run time in ns of ksoftirqd on @cpu so far. */
static uint64_t ksoftirqd_ns(int cpu)
{
	static char path[64];
	unsigned long long ns = 0;
	char want[32], name[64];
	FILE *f;
	int pid;

	if (!*path) {
		snprintf(want, sizeof(want), "ksoftirqd/%d\n", cpu);
		/* A per-CPU thread made at boot: a low pid. */
		for (pid = 2; pid < 100000 && !*path; pid++) {
			snprintf(path, sizeof(path), "/proc/%d/comm", pid);
			f = fopen(path, "r");
			*path = '\0';
			if (!f)
				continue;
			if (fgets(name, sizeof(name), f) && !strcmp(name, want))
				snprintf(path, sizeof(path), "/proc/%d/schedstat", pid);
			fclose(f);
		}
	}
	f = fopen(path, "r");
	if (!f || fscanf(f, "%llu", &ns) != 1)
		bench_fail("reading the CPU time of ksoftirqd");
	fclose(f);
	return ns;
}

static uint64_t thread_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static uint64_t send_batch(int fd, struct mmsghdr *msgs)
{
	int n = sendmmsg(fd, msgs, BATCH, 0);

	if (n < 0) {
		if (errno == ENOBUFS || errno == EINTR || errno == ECONNREFUSED)
			return 0;
		bench_fail("sending");
	}
	return (uint64_t)n;
}

/* What was sent has arrived, or is lost: nothing came for 20 ms. */
static void settle(uint64_t want)
{
	const struct timespec pause = { .tv_nsec = 20000000 };
	uint64_t before;

	do {
		before = atomic_load(received);
		nanosleep(&pause, NULL);
	} while (atomic_load(received) < want && atomic_load(received) != before);
}

int main(int argc, char **argv)
{
	static char payload[PAYLOAD];
	struct iovec iov = { payload, sizeof(payload) };
	uint64_t start, now, end, cpu, soft, sent = 0;
	struct mmsghdr msgs[BATCH];
	struct bench b;
	pid_t server;
	int fd, i;

	bench_options(argc, argv, NULL, &b);
	received = mmap(NULL, sizeof(*received), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (received == MAP_FAILED)
		bench_fail("memory for the counter");
	server = bench_start(&b, serve);
	fd = bench_socket(&b, SOCK_DGRAM);
	if (connect(fd, (const struct sockaddr *)&b.addr, b.addr_len))
		bench_fail("connect");
	for (i = 0; i < BATCH; i++)
		msgs[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } };

	for (i = 0; i < WARM_UP_BATCHES; i++)
		sent += send_batch(fd, msgs);
	settle(sent);
	atomic_store(received, 0);
	sent = 0;

	soft = ksoftirqd_ns(b.client_cpu);
	cpu = thread_ns();
	start = now = bench_now_ns();
	end = start + (uint64_t)(b.seconds * 1e9);
	for (; now < end; now = bench_now_ns())
		sent += send_batch(fd, msgs);
	cpu = thread_ns() - cpu;
	soft = ksoftirqd_ns(b.client_cpu) - soft;
	settle(sent);
	bench_end(server);
	if (!sent) {
		errno = ENOBUFS;
		bench_fail("no packet could be sent");
	}
	printf("{%s%s\"bench\":\"udp\",\"cpu_ns\":%.0f,\"ksoftirqd_ns\":%.0f,\"wall_ns\":%.0f,"
	       "\"sent\":%llu,\"received\":%llu}\n",
	       b.tag, *b.tag ? "," : "", (double)(cpu + soft) / (double)sent,
	       (double)soft / (double)sent, (double)(now - start) / (double)sent,
	       (unsigned long long)sent,
	       (unsigned long long)atomic_load(received));
	return 0;
}
