/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How large a packet may be on its way to a node: a binary search by echoes, all nodes in step. */
#include "net/pathmtu.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/icmpv6.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/addr.h"
#include "core/defs.h"

#define TRIES 2
#define SIZES 12 /* the largest, the smallest, and halves: 2^10 > PATHMTU_MAX - PATHMTU_MIN4 in steps of 8 */

/* Of one target while the search goes on: low came back, high did not. */
struct search {
	uint32_t low, high, size;
	unsigned int tries;
	bool is4, done, answered;
};

struct sweep {
	struct pathmtu_target *targets;
	struct search *searches;
	size_t n;
	int fd4, fd6;
	uint16_t id;
	uint16_t round;
};

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static uint16_t checksum(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint32_t sum = 0;

	for (; len > 1; len -= 2, p += 2)
		sum += (uint32_t)p[0] << 8 | p[1];
	if (len)
		sum += (uint32_t)p[0] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static int open_sockets(struct sweep *sweep, struct err *err)
{
	int probe4 = IP_PMTUDISC_PROBE, probe6 = IPV6_PMTUDISC_PROBE;
	bool any4 = false, any6 = false;

	for (size_t i = 0; i < sweep->n; i++)
		*(sweep->searches[i].is4 ? &any4 : &any6) = true;
	if (any4)
		sweep->fd4 = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMP);
	if (any6)
		sweep->fd6 = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMPV6);
	if ((any4 && sweep->fd4 < 0) || (any6 && sweep->fd6 < 0))
		return err_set(err, -errno, "no raw socket for ICMP: %s; CAP_NET_RAW is needed",
			       strerror(errno));
	/* Neither what the kernel has learned nor what routes say: what the wire takes. */
	if ((any4 && setsockopt(sweep->fd4, IPPROTO_IP, IP_MTU_DISCOVER, &probe4, sizeof(probe4))) ||
	    (any6 && setsockopt(sweep->fd6, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &probe6, sizeof(probe6))))
		return err_set(err, -errno, "an ICMP socket takes no path MTU discovery: %s", strerror(errno));
	return 0;
}

/* The sequence number names target and round, so that a late answer to another size is not believed. */
static void ask(const struct sweep *sweep, size_t i)
{
	struct search *s = &sweep->searches[i];
	const struct pathmtu_target *t = &sweep->targets[i];
	uint8_t packet[PATHMTU_MAX] = { 0 };
	size_t len = s->size - (s->is4 ? sizeof(struct iphdr) : 40);
	struct sockaddr_in to4 = { .sin_family = AF_INET };
	struct sockaddr_in6 to6 = { .sin6_family = AF_INET6 };
	uint16_t seq = htons((uint16_t)(i << 5 | sweep->round));
	ssize_t sent;

	if (s->is4) {
		struct icmphdr *h = (void *)packet;

		h->type = ICMP_ECHO;
		h->un.echo.id = sweep->id;
		h->un.echo.sequence = seq;
		h->checksum = checksum(packet, len);
		memcpy(&to4.sin_addr, &t->addr.b[12], 4);
		sent = sendto(sweep->fd4, packet, len, 0, (struct sockaddr *)&to4, sizeof(to4));
	} else {
		struct icmp6hdr *h = (void *)packet;

		h->icmp6_type = ICMPV6_ECHO_REQUEST; /* the kernel fills in the checksum */
		h->icmp6_identifier = sweep->id;
		h->icmp6_sequence = seq;
		memcpy(&to6.sin6_addr, t->addr.b, 16);
		sent = sendto(sweep->fd6, packet, len, 0, (struct sockaddr *)&to6, sizeof(to6));
	}
	/* Larger than the interface takes: known without waiting, and no silence. */
	if (sent < 0 && errno == EMSGSIZE) {
		sweep->targets[i].told = s->size - 1;
		s->tries = TRIES;
	}
}

static void answer(struct sweep *sweep, uint16_t id, uint16_t seq)
{
	size_t i = ntohs(seq) >> 5;

	if (id == sweep->id && i < sweep->n && (ntohs(seq) & 31) == sweep->round)
		sweep->searches[i].answered = true;
}

static void receive(struct sweep *sweep, int fd, bool is4)
{
	uint8_t packet[PATHMTU_MAX + 64];
	ssize_t len;

	while ((len = recv(fd, packet, sizeof(packet), 0)) > 0) {
		size_t at = is4 ? (size_t)(packet[0] & 15) * 4 : 0;
		const struct icmphdr *h4 = (void *)(packet + at);
		const struct icmp6hdr *h6 = (void *)packet;

		if ((size_t)len < at + sizeof(*h4))
			continue;
		if (is4 && h4->type == ICMP_ECHOREPLY)
			answer(sweep, h4->un.echo.id, h4->un.echo.sequence);
		else if (!is4 && h6->icmp6_type == ICMPV6_ECHO_REPLY)
			answer(sweep, h6->icmp6_identifier, h6->icmp6_sequence);
	}
}

static bool all_answered(const struct sweep *sweep)
{
	for (size_t i = 0; i < sweep->n; i++)
		if (!sweep->searches[i].done && !sweep->searches[i].answered)
			return false;
	return true;
}

static void wait_round(struct sweep *sweep)
{
	uint64_t end_ms = now_ms() + PATHMTU_WAIT_MS;
	struct pollfd fds[] = { { .fd = sweep->fd4, .events = POLLIN }, { .fd = sweep->fd6, .events = POLLIN } };

	for (uint64_t ms = now_ms(); ms < end_ms && !all_answered(sweep); ms = now_ms()) {
		if (poll(fds, ARRAY_SIZE(fds), (int)(end_ms - ms)) <= 0)
			continue;
		if (fds[0].revents)
			receive(sweep, sweep->fd4, true);
		if (fds[1].revents)
			receive(sweep, sweep->fd6, false);
	}
}

/* First the largest, which is what most paths take; then the smallest; then halves. */
static void step(struct pathmtu_target *t, struct search *s)
{
	uint32_t min = s->is4 ? PATHMTU_MIN4 : PATHMTU_MIN6;

	if (s->answered) {
		s->low = s->size;
		t->largest = s->size;
	} else if (++s->tries < TRIES) {
		return;
	} else {
		s->high = s->size;
	}
	s->tries = 0;
	if (s->low >= s->high - 1 || s->high <= min)
		s->done = true;
	else if (!s->low)
		s->size = min;
	else
		s->size = s->low + (s->high - s->low) / 2;
}

int pathmtu_sweep(struct pathmtu_target *targets, size_t n, struct err *err)
{
	auto_free struct search *searches = calloc(n + 1, sizeof(*searches));
	struct sweep sweep = { .targets = targets, .searches = searches, .n = n, .fd4 = -1, .fd6 = -1,
			       .id = (uint16_t)getpid() };
	int code;

	if (n > PATHMTU_MAX_TARGETS)
		return err_set(err, -E2BIG, "%zu nodes at once: at most %d are asked", n, PATHMTU_MAX_TARGETS);
	if (!searches)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++) {
		struct search *s = &searches[i];

		s->is4 = xm_addr_is_v4(&targets[i].addr);
		s->size = MAX(MIN(targets[i].limit, (uint32_t)PATHMTU_MAX),
			      (uint32_t)(s->is4 ? PATHMTU_MIN4 : PATHMTU_MIN6));
		s->high = s->size + 1;
		targets[i].largest = targets[i].told = 0;
	}
	code = open_sockets(&sweep, err);
	for (; !code && sweep.round < SIZES * TRIES; sweep.round++) {
		bool any = false;

		for (size_t i = 0; i < n; i++) {
			searches[i].answered = false;
			any |= !searches[i].done;
			if (!searches[i].done)
				ask(&sweep, i);
		}
		if (!any)
			break;
		wait_round(&sweep);
		for (size_t i = 0; i < n; i++)
			if (!searches[i].done)
				step(&targets[i], &searches[i]);
	}
	if (sweep.fd4 >= 0)
		close(sweep.fd4);
	if (sweep.fd6 >= 0)
		close(sweep.fd6);
	return code;
}
