/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A long cable for the lab, on kernels without netem: forwards every Ethernet frame between two interfaces of this
 * namespace after a given time, in order, both ways. For clusters that are far away, and for precision of what measures
 * them. Not for throughput.
 *
 *   delay A B MICROSECONDS [DROP_PERCENT]   says "ready", then forwards until SIGTERM, then says what it did
 *
 * A frame's time begins with the kernel's stamp of its receipt, so a late wake-up does not add to the delay; the last
 * SPIN_NS before it is due are spent awake. Frames keep their offload header (PACKET_VNET_HDR), so that checksums which
 * are not computed yet stay so. Segmentation of tunnels does not fit that header: gso off on what sends to A and B.
 */
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <arpa/inet.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SPIN_NS 80000
#define MAX_FRAME (10 + 65535 + 64) /* offload header, frame */
#define MAX_QUEUED (64 << 20)       /* bytes; what is beyond is lost, and said at the end */

struct frame {
	struct frame *next;
	uint64_t due_ns; /* CLOCK_REALTIME, as the kernel's stamps */
	int to;
	size_t size;
	uint8_t data[];
};

/* One delay for all, and stamps of one clock: what came first is due first, but for the two ends' interleaving. */
struct queue {
	struct frame *first, **last;
};

static volatile sig_atomic_t ended;
static struct queue queues[2];
static size_t queued_bytes;
static unsigned long forwarded, dropped, lost;

static void end(int sig)
{
	ended = 1;
}

static void fail(const char *what, const char *of)
{
	fprintf(stderr, "delay: %s %s: %s\n", what, of, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static int open_end(const char *name)
{
	int one = 1, size = 16 << 20, fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_ll addr = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	struct packet_mreq promisc = { .mr_type = PACKET_MR_PROMISC };

	addr.sll_ifindex = promisc.mr_ifindex = (int)if_nametoindex(name);
	if (!addr.sll_ifindex)
		fail("no interface", name);
	/* Bound last: nothing comes without its header, and nothing that we send ourselves. */
	if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promisc, sizeof(promisc)) ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		fail("opening", name);
	return fd;
}

static uint64_t stamp_of(struct msghdr *msg)
{
	struct timespec ts;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_TIMESTAMPNS)
			continue;
		memcpy(&ts, CMSG_DATA(c), sizeof(ts));
		return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
	}
	return now_ns();
}

/* Everything that waits at @from. */
static void receive(int from, int to, struct queue *queue, uint64_t delay_ns, unsigned int drop_percent)
{
	static uint8_t buf[MAX_FRAME];
	char control[CMSG_SPACE(sizeof(struct timespec))];
	struct iovec iov = { buf, sizeof(buf) };
	struct frame *f;

	for (;;) {
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
				      .msg_controllen = sizeof(control) };
		ssize_t n = recvmsg(from, &msg, 0);

		if (n < 0 && errno == EINVAL) { /* a kind of segmentation that has no header */
			lost++;
			continue;
		}
		if (n <= 0)
			return;
		if (drop_percent && (unsigned int)(random() % 100) < drop_percent) {
			dropped++;
			continue;
		}
		f = queued_bytes + (size_t)n > MAX_QUEUED ? NULL : malloc(sizeof(*f) + (size_t)n);
		if (!f) {
			lost++;
			continue;
		}
		*f = (struct frame){ .due_ns = stamp_of(&msg) + delay_ns, .to = to, .size = (size_t)n };
		memcpy(f->data, buf, (size_t)n);
		*queue->last = f;
		queue->last = &f->next;
		queued_bytes += (size_t)n;
	}
}

/* What is due. Returns the ns until the next, or -1. */
static int64_t deliver(struct queue *queue)
{
	uint64_t now = now_ns();

	while (queue->first) {
		struct frame *f = queue->first;

		if (f->due_ns > now)
			return (int64_t)(f->due_ns - now);
		/* A far end that is down takes nothing, as a cable. */
		if (send(f->to, f->data, f->size, 0) == (ssize_t)f->size)
			forwarded++;
		else
			lost++;
		queue->first = f->next;
		if (!f->next)
			queue->last = &queue->first;
		queued_bytes -= f->size;
		free(f);
	}
	return -1;
}

static int64_t sooner(int64_t a, int64_t b)
{
	if (a < 0 || b < 0)
		return a < 0 ? b : a;
	return a < b ? a : b;
}

int main(int argc, char **argv)
{
	struct sched_param first = { .sched_priority = 1 };
	unsigned int drop_percent;
	struct pollfd fds[2];
	sigset_t none, ends;
	uint64_t delay_ns;

	if (argc < 4 || argc > 5) {
		fprintf(stderr, "usage: delay A B MICROSECONDS [DROP_PERCENT]\n");
		return 2;
	}
	delay_ns = strtoull(argv[3], NULL, 10) * 1000;
	drop_percent = argc > 4 ? (unsigned int)atoi(argv[4]) : 0;
	sigemptyset(&none);
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	/* Only ppoll() lets them in, so none comes between a look at `ended` and the sleep. */
	sigprocmask(SIG_BLOCK, &ends, NULL);
	signal(SIGTERM, end);
	signal(SIGINT, end);
	/* Before others on a busy machine; without that right it is only less precise. */
	sched_setscheduler(0, SCHED_FIFO, &first);
	prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
	mlockall(MCL_CURRENT);
	for (int i = 0; i < 2; i++) {
		fds[i] = (struct pollfd){ .fd = open_end(argv[1 + i]), .events = POLLIN };
		queues[i].last = &queues[i].first;
	}
	printf("ready\n");
	fflush(stdout);
	while (!ended) {
		int64_t wait = sooner(deliver(&queues[0]), deliver(&queues[1]));
		int64_t sleep = wait < SPIN_NS ? 0 : wait - SPIN_NS;
		struct timespec ts = { sleep / 1000000000, sleep % 1000000000 };

		if (ppoll(fds, 2, wait < 0 ? NULL : &ts, &none) < 0 && errno != EINTR)
			fail("waiting for", "frames");
		for (int i = 0; i < 2; i++)
			receive(fds[i].fd, fds[1 - i].fd, &queues[i], delay_ns, drop_percent);
	}
	printf("forwarded %lu dropped %lu lost %lu\n", forwarded, dropped, lost);
	return 0;
}
