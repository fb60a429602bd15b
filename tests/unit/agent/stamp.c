/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* When the kernel sent: on loopback, IPv4 and IPv6. Between hosts: tests/e2e/probertt.sh. */
#include "../core/rows.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "agent/stamp.h"

#define MANY 5000

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static int open_socket(int family)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(stamp_enable(fd), 0);
	return fd;
}

/* To a port where nobody listens: what comes back must not get in the way. */
static ssize_t send_one(int fd, int family)
{
	struct sockaddr_in to4 = { .sin_family = AF_INET, .sin_port = htons(9),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 to6 = { .sin6_family = AF_INET6, .sin6_port = htons(9),
				    .sin6_addr = IN6ADDR_LOOPBACK_INIT };

	return family == AF_INET ? sendto(fd, "x", 1, 0, (void *)&to4, sizeof(to4)) :
				   sendto(fd, "x", 1, 0, (void *)&to6, sizeof(to6));
}

static void stamped(int family)
{
	int fd = open_socket(family);
	uint64_t last = 0;

	/* More than its queue holds. */
	for (int i = 0; i < MANY; i++) {
		struct stamp stamp;
		uint64_t before = now_ns(), sent;

		stamp_begin(fd, &stamp);
		if (send_one(fd, family) != 1) {
			print_message("no loopback of this family\n");
			close(fd);
			skip();
		}
		sent = stamp_end(fd, &stamp);
		/* The clocks' difference is known to some microseconds; unknown only when we were interrupted. */
		if (!sent)
			continue;
		assert_in_range(sent, before - 20000, now_ns() + 20000);
		assert_true(sent + 20000 > last);
		last = sent;
	}
	assert_true(last);
	close(fd);
}

static void stamped4(void **state)
{
	stamped(AF_INET);
}

static void stamped6(void **state)
{
	stamped(AF_INET6);
}

static void nothing_sent_is_not_known(void **state)
{
	int fd = open_socket(AF_INET);
	struct stamp stamp;

	/* That of another datagram is not taken for it. */
	assert_int_equal(send_one(fd, AF_INET), 1);
	stamp_begin(fd, &stamp);
	assert_int_equal(stamp_end(fd, &stamp), 0);
	close(fd);
}

static void what_nobody_fetched_is_in_nobodys_way(void **state)
{
	int fd = open_socket(AF_INET);
	struct stamp stamp;
	uint64_t sent = 0;

	for (int i = 0; i < MANY; i++)
		assert_int_equal(send_one(fd, AF_INET), 1);
	for (int i = 0; i < 20 && !sent; i++) {
		stamp_begin(fd, &stamp);
		assert_int_equal(send_one(fd, AF_INET), 1);
		sent = stamp_end(fd, &stamp);
	}
	assert_true(sent);
	close(fd);
}

static void a_clock_that_was_set_makes_it_unknown(void **state)
{
	int fd = open_socket(AF_INET);
	struct stamp stamp;

	stamp_begin(fd, &stamp);
	assert_int_equal(send_one(fd, AF_INET), 1);
	stamp.offset_ns += 1000000;
	assert_int_equal(stamp_end(fd, &stamp), 0);
	close(fd);
}

int main(void)
{
	struct rows rows = { 0 };

	rows_add(&rows, "a datagram has its time of sending, between our looks at the clock", stamped4, NULL);
	rows_add(&rows, "over IPv6 too", stamped6, NULL);
	rows_add(&rows, "nothing sent: not known", nothing_sent_is_not_known, NULL);
	rows_add(&rows, "stamps that nobody fetched do not get in the way", what_nobody_fetched_is_in_nobodys_way,
		 NULL);
	rows_add(&rows, "a clock that was set makes it unknown", a_clock_that_was_set_makes_it_unknown, NULL);
	return rows_run("stamp", &rows);
}
