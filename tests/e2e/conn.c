/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Connections in numbers, for the end-to-end scripts: a server that says its name and echoes, and
 * clients that count who answered, hold streams open, or wait for somebody. Not for: judging.
 *
 *   conn serve NAME PORT             TCP and UDP, both families: "NAME CLIENT\n", then an echo
 *   conn count ADDR PORT N           N connections: how many each name got
 *   conn hold ADDR PORT N STOP NAME...  N streams to servers of those names (none: all), one
 *                                    exchange each every 10 ms until the file STOP is there
 *   conn until ADDR PORT MS NAME...  connect again and again until one of those names answers
 *   conn refused ADDR PORT MS        refused (ECONNREFUSED) within MS
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_NAMES 64
#define IN_FLIGHT 64
#define MAX_STREAMS 256
#define LINE 128
#define STALL_MS 1000

static void fail(const char *what)
{
	fprintf(stderr, "conn: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static socklen_t address(const char *text, const char *port, struct sockaddr_storage *ret_addr)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret_addr;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret_addr;

	memset(ret_addr, 0, sizeof(*ret_addr));
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)atoi(port));
		return sizeof(*v4);
	}
	if (inet_pton(AF_INET6, text, &v6->sin6_addr) != 1) {
		fprintf(stderr, "conn: %s is no address\n", text);
		exit(2);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons((uint16_t)atoi(port));
	return sizeof(*v6);
}

/* ---- who answered ---- */

static struct {
	char name[LINE];
	unsigned int n;
} names[MAX_NAMES];

static void count_name(const char *line)
{
	size_t len = strcspn(line, " \n"), i;

	for (i = 0; i < MAX_NAMES - 1 && names[i].n; i++)
		if (strlen(names[i].name) == len && !memcmp(names[i].name, line, len))
			break;
	if (!names[i].n)
		snprintf(names[i].name, sizeof(names[i].name), "%.*s", (int)len, line);
	names[i].n++;
}

static void print_names(void)
{
	for (size_t i = 0; i < MAX_NAMES && names[i].n; i++)
		printf("%s %u\n", names[i].name, names[i].n);
}

/* Is the name that @line begins with among @n of @wanted? All are when there are none. */
static bool is_wanted(const char *line, char **wanted, int n)
{
	size_t len = strcspn(line, " \n");

	for (int i = 0; i < n; i++)
		if (strlen(wanted[i]) == len && !memcmp(wanted[i], line, len))
			return true;
	return n == 0;
}

/* ---- serve ---- */

static int listen_on(int type, const char *port)
{
	int one = 1, zero = 0, fd = socket(AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 any = { .sin6_family = AF_INET6,
				    .sin6_port = htons((uint16_t)atoi(port)) };

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero)) ||
	    bind(fd, (struct sockaddr *)&any, sizeof(any)) ||
	    (type == SOCK_STREAM && listen(fd, 4096)))
		fail("listening");
	return fd;
}

static int banner(const char *name, const struct sockaddr_in6 *peer, char *buf, size_t size)
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(AF_INET6, &peer->sin6_addr, text, sizeof(text));
	return snprintf(buf, size, "%s %s\n", name,
			strncmp(text, "::ffff:", 7) ? text : text + 7);
}

static void answer_datagram(int fd, const char *name)
{
	static char buf[LINE + 65536];
	struct sockaddr_in6 peer;
	socklen_t len = sizeof(peer);
	ssize_t n = recvfrom(fd, buf + LINE, sizeof(buf) - LINE, 0, (struct sockaddr *)&peer, &len);
	int head;

	if (n < 0)
		return;
	head = banner(name, &peer, buf, LINE);
	memmove(buf + head, buf + LINE, (size_t)n);
	sendto(fd, buf, (size_t)(head + n), 0, (struct sockaddr *)&peer, len);
}

static void answer_stream(int fd)
{
	char buf[65536];
	ssize_t n = recv(fd, buf, sizeof(buf), 0);

	/* An echo that does not fit the socket's buffer is none of our clients': they wait for it. */
	if (n <= 0 || send(fd, buf, (size_t)n, MSG_NOSIGNAL) != n)
		close(fd);
}

static void greet(int ep, int fd, const char *name, const struct sockaddr_in6 *peer)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };
	char buf[LINE];
	int one = 1, len = banner(name, peer, buf, sizeof(buf));

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (send(fd, buf, (size_t)len, MSG_NOSIGNAL) != len ||
	    epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev))
		close(fd);
}

static int serve(int argc, char **argv)
{
	int ep = epoll_create1(EPOLL_CLOEXEC), tcp, udp, fd;
	struct epoll_event ev = { .events = EPOLLIN }, evs[256];
	struct sockaddr_in6 peer;
	socklen_t len;

	if (argc != 2)
		return 2;
	ev.data.fd = udp = listen_on(SOCK_DGRAM, argv[1]);
	epoll_ctl(ep, EPOLL_CTL_ADD, udp, &ev);
	ev.data.fd = tcp = listen_on(SOCK_STREAM, argv[1]);
	epoll_ctl(ep, EPOLL_CTL_ADD, tcp, &ev);
	for (;;) {
		int n = epoll_wait(ep, evs, 256, -1);

		for (int i = 0; i < n; i++) {
			if (evs[i].data.fd == udp) {
				answer_datagram(udp, argv[0]);
			} else if (evs[i].data.fd == tcp) {
				len = sizeof(peer);
				while ((fd = accept4(tcp, (struct sockaddr *)&peer, &len,
						     SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
					greet(ep, fd, argv[0], &peer);
			} else {
				answer_stream(evs[i].data.fd);
			}
		}
	}
}

/* ---- clients ---- */

static int dial(const struct sockaddr_storage *addr, socklen_t len)
{
	int one = 1, fd = socket(addr->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		fail("socket");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (const struct sockaddr *)addr, len) && errno != EINPROGRESS) {
		int err = errno;

		close(fd);
		errno = err;
		return -1;
	}
	return fd;
}

/* By a reset: no port is kept for a minute on either side. */
static void drop(int fd)
{
	struct linger now = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

/* The server's first line within @ms. False with errno. */
static bool first_line(int fd, int ms, char *buf)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;

	if (poll(&p, 1, ms) != 1) {
		errno = ETIMEDOUT;
		return false;
	}
	n = recv(fd, buf, LINE - 1, 0);
	if (n <= 0) {
		if (n == 0)
			errno = ECONNRESET;
		return false;
	}
	buf[n] = 0;
	return true;
}

static int count(int argc, char **argv)
{
	unsigned int wanted, started = 0, done = 0, failed = 0, flying = 0;
	int ep = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event ev, evs[IN_FLIGHT];
	struct sockaddr_storage addr;
	char buf[LINE];
	socklen_t len;

	if (argc != 3)
		return 2;
	len = address(argv[0], argv[1], &addr);
	wanted = (unsigned int)atoi(argv[2]);
	while (done < wanted) {
		int n;

		while (flying < IN_FLIGHT && started < wanted) {
			int fd = dial(&addr, len);

			started++;
			if (fd < 0) {
				failed++, done++;
				continue;
			}
			ev.events = EPOLLIN;
			ev.data.fd = fd;
			epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
			flying++;
		}
		n = flying ? epoll_wait(ep, evs, IN_FLIGHT, 5000) : 0;
		if (!n && flying) {
			fprintf(stderr, "conn: %u connections without an answer for 5 s\n", flying);
			failed += flying;
			break;
		}
		for (int i = 0; i < n; i++) {
			if (first_line(evs[i].data.fd, 0, buf))
				count_name(buf);
			else
				failed++;
			drop(evs[i].data.fd);
			flying--, done++;
		}
	}
	print_names();
	printf("failed %u\n", failed);
	return failed != 0;
}

static int until(int argc, char **argv)
{
	uint64_t start = now_us(), end;
	unsigned int attempts = 0;
	struct sockaddr_storage addr;
	char buf[LINE];
	socklen_t len;

	if (argc < 3)
		return 2;
	len = address(argv[0], argv[1], &addr);
	end = start + (uint64_t)atoi(argv[2]) * 1000;
	while (now_us() < end) {
		int fd = dial(&addr, len);
		bool answered = fd >= 0 && first_line(fd, 200, buf);

		attempts++;
		if (fd >= 0)
			drop(fd);
		if (answered && is_wanted(buf, argv + 3, argc - 3)) {
			buf[strcspn(buf, " \n")] = 0;
			printf("%s after %.0f ms, attempt %u\n", buf,
			       (double)(now_us() - start) / 1e3, attempts);
			return 0;
		}
		usleep(answered || fd < 0 ? 10000 : 1000);
	}
	printf("nobody after %.0f ms, %u attempts\n", (double)(now_us() - start) / 1e3, attempts);
	return 1;
}

static int refused(int argc, char **argv)
{
	uint64_t start = now_us(), ms;
	struct sockaddr_storage addr;
	socklen_t len;
	int fd, err = 0;

	if (argc != 3)
		return 2;
	len = address(argv[0], argv[1], &addr);
	fd = dial(&addr, len);
	if (fd < 0) {
		err = errno;
	} else {
		struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };
		socklen_t size = sizeof(err);

		if (poll(&p, 1, atoi(argv[2]) * 2) == 1)
			getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &size);
		else
			err = ETIMEDOUT;
	}
	ms = (now_us() - start) / 1000;
	printf("%s after %llu ms\n", err ? strerror(err) : "connected", (unsigned long long)ms);
	return err != ECONNREFUSED || ms > (uint64_t)atoi(argv[2]);
}

/* ---- hold ---- */

struct stream {
	int fd; /* -1: reset */
	uint64_t sent_us; /* 0: nothing is out */
	bool stalled;
	size_t got;
};

static struct stream streams[MAX_STREAMS];

static int hold_dial(const struct sockaddr_storage *addr, socklen_t len, int n, char **wanted,
		     int n_wanted)
{
	char buf[LINE];
	int tries;

	for (tries = 0; n > 0 && tries < 20000; tries++) {
		int fd = dial(addr, len);

		if (fd < 0 || !first_line(fd, 2000, buf))
			fail("connecting a stream");
		if (!is_wanted(buf, wanted, n_wanted)) {
			drop(fd);
			continue;
		}
		count_name(buf);
		streams[--n].fd = fd;
	}
	return n;
}

#define EXCHANGE 16 /* bytes */

/* What came back. False: the stream is dead. */
static bool take(struct stream *s, uint64_t now, uint64_t *worst_us, uint64_t *exchanges)
{
	char buf[EXCHANGE];
	ssize_t n;

	while (s->sent_us && (n = recv(s->fd, buf, sizeof(buf) - s->got, 0)) > 0) {
		s->got += (size_t)n;
		if (s->got < EXCHANGE)
			continue;
		if (now - s->sent_us > *worst_us)
			*worst_us = now - s->sent_us;
		s->sent_us = 0;
		s->got = 0;
		s->stalled = false;
		(*exchanges)++;
	}
	return !s->sent_us || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static int hold(int argc, char **argv)
{
	uint64_t worst_us = 0, exchanges = 0, now;
	unsigned int resets = 0, stalls = 0;
	struct sockaddr_storage addr;
	socklen_t len;
	int n;

	if (argc < 4)
		return 2;
	n = atoi(argv[2]);
	if (n < 1 || n > MAX_STREAMS)
		return 2;
	len = address(argv[0], argv[1], &addr);
	if (hold_dial(&addr, len, n, argv + 4, argc - 4)) {
		fprintf(stderr, "conn: those names do not answer\n");
		return 1;
	}
	print_names();
	printf("holding %d\n", n);
	fflush(stdout);
	for (bool last = false; !last;) {
		last = access(argv[3], F_OK) == 0;
		now = now_us();
		for (int i = 0; i < n; i++) {
			struct stream *s = &streams[i];

			if (s->fd < 0)
				continue;
			if (!take(s, now, &worst_us, &exchanges) ||
			    (!s->sent_us && send(s->fd, "0123456789abcdef", EXCHANGE,
						 MSG_NOSIGNAL) != EXCHANGE)) {
				printf("stream %d: %s\n", i, strerror(errno));
				resets++;
				close(s->fd);
				s->fd = -1;
				continue;
			}
			if (!s->sent_us)
				s->sent_us = now;
			if (!s->stalled && now - s->sent_us > STALL_MS * 1000) {
				s->stalled = true;
				stalls++;
			}
		}
		usleep(10000);
	}
	printf("streams %d resets %u stalls %u exchanges %llu worst_ms %.1f\n", n, resets, stalls,
	       (unsigned long long)exchanges, (double)worst_us / 1e3);
	return resets || stalls;
}

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "serve", serve }, { "count", count }, { "hold", hold },
	{ "until", until }, { "refused", refused },
};

int main(int argc, char **argv)
{
	struct rlimit files = { 65536, 65536 };
	int rc = 2;

	setrlimit(RLIMIT_NOFILE, &files);
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(argv[1], commands[i].name))
			rc = commands[i].run(argc - 2, argv + 2);
	if (rc == 2)
		fprintf(stderr, "usage: conn serve|count|hold|until|refused ARGUMENT...\n");
	return rc;
}
