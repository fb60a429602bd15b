/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Servers on the addresses of a test's own namespace, TCP and UDP: each answers one byte, the last of
 * its address. And the socket addresses of both families, for their clients.
 */
#ifndef TESTS_UNIT_PLANE_SERVERS_H
#define TESTS_UNIT_PLANE_SERVERS_H

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "core/defs.h"
#include "unit/plane/host.h"

enum { TCP_BACKEND = 8080, UDP_BACKEND = 5353 };

static int servers[8];
static size_t n_servers;
static pid_t server_pid;

struct peer {
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	};
	socklen_t len;
};

static struct peer peer(const char *text, uint16_t port)
{
	struct peer p = { .len = sizeof(p.in) };

	p.in.sin_family = AF_INET;
	p.in.sin_port = htons(port);
	if (inet_pton(AF_INET, text, &p.in.sin_addr) == 1)
		return p;
	memset(&p, 0, sizeof(p));
	p.in6.sin6_family = AF_INET6;
	p.in6.sin6_port = htons(port);
	inet_pton(AF_INET6, text, &p.in6.sin6_addr);
	p.len = sizeof(p.in6);
	return p;
}

static int same(const struct peer *a, const struct peer *b)
{
	if (a->sa.sa_family != b->sa.sa_family)
		return 0;
	if (a->sa.sa_family == AF_INET)
		return a->in.sin_port == b->in.sin_port &&
		       a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
	return a->in6.sin6_port == b->in6.sin6_port &&
	       !memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, 16);
}

/* A socket whose reads end after a while, so that what is lost fails instead of hanging. */
static int open_socket(int family, int type)
{
	struct timeval limit = { .tv_sec = 5 };
	int fd = socket(family, type | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return fd;
}

static int type_of(int fd)
{
	socklen_t len = sizeof(int);
	int type = 0;

	getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len);
	return type;
}

/* The last byte of the address that the server listens on. */
static char who(int fd)
{
	struct peer own = { .len = sizeof(own.in6) };

	getsockname(fd, &own.sa, &own.len);
	if (own.sa.sa_family == AF_INET)
		return (char)(ntohl(own.in.sin_addr.s_addr) & 0xff);
	return (char)own.in6.sin6_addr.s6_addr[15];
}

static void answer(int server)
{
	struct peer from = { .len = sizeof(from.in6) };
	char byte, me = who(server);
	int fd;

	if (type_of(server) == SOCK_DGRAM) {
		recvfrom(server, &byte, 1, 0, &from.sa, &from.len);
		sendto(server, &me, 1, 0, &from.sa, from.len);
		return;
	}
	fd = accept(server, NULL, NULL);
	send(fd, &me, 1, MSG_NOSIGNAL);
	/* Until the client ends it. */
	while (recv(fd, &byte, 1, 0) > 0)
		;
	close(fd);
}

static void serve(void)
{
	struct pollfd fds[ARRAY_SIZE(servers)];
	size_t i;

	for (i = 0; i < n_servers; i++)
		fds[i] = (struct pollfd){ .fd = servers[i], .events = POLLIN };
	while (poll(fds, n_servers, -1) > 0)
		for (i = 0; i < n_servers; i++)
			if (fds[i].revents & POLLIN)
				answer(servers[i]);
}

static void add_server(const char *text, uint16_t port, int type)
{
	struct peer p = peer(text, port);
	int fd = socket(p.sa.sa_family, type | SOCK_CLOEXEC, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd < 0 || bind(fd, &p.sa, p.len) || (type == SOCK_STREAM && listen(fd, 128)))
		fail_msg("%s: %s", text, strerror(errno));
	servers[n_servers++] = fd;
}

static void start_servers(void)
{
	static const char *const addrs[] = { "10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(addrs); i++) {
		add_server(addrs[i], TCP_BACKEND, SOCK_STREAM);
		add_server(addrs[i], UDP_BACKEND, SOCK_DGRAM);
	}
	fflush(NULL);
	server_pid = fork();
	assert_true(server_pid >= 0);
	if (!server_pid) {
		/* Not longer than the test, however that ends. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve();
		_exit(0);
	}
}

static void stop_servers(void)
{
	size_t i;

	/* 0 would be this process's whole group. */
	if (server_pid > 0) {
		kill(server_pid, SIGKILL);
		waitpid(server_pid, NULL, 0);
	}
	for (i = 0; i < n_servers; i++)
		close(servers[i]);
}

#endif
