/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SOCK_DESTROY with real sockets: a child in a network namespace of its own holds them, and only
 * those that are connected to a target die. On a kernel without CONFIG_INET_DIAG_DESTROY the tests
 * say so and hold that `unsupported` is what comes back.
 */
#include "net/destroy.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "unit/net/lab.h"

enum { LOST_PORT = 7001, LIVING_PORT = 7002 };

/* What is left of a socket, as the child tells it: 'l' lives, 'd' died by ECONNABORTED, '?' else. */
enum { TCP4_LOST, TCP4_LIVING, TCP6_LOST, MAPPED_LOST, UDP4_LOST, UDP4_LIVING, UDP6_LOST,
       UDP_UNCONNECTED, N_SOCKETS };

static const struct {
	int family, type;
	const char *addr;
	uint16_t port;
} wanted[N_SOCKETS] = {
	[TCP4_LOST] = { AF_INET, SOCK_STREAM, "10.0.0.1", LOST_PORT },
	[TCP4_LIVING] = { AF_INET, SOCK_STREAM, "10.0.0.1", LIVING_PORT },
	[TCP6_LOST] = { AF_INET6, SOCK_STREAM, "fd00::1", LOST_PORT },
	[MAPPED_LOST] = { AF_INET6, SOCK_STREAM, "::ffff:10.0.0.1", LOST_PORT },
	[UDP4_LOST] = { AF_INET, SOCK_DGRAM, "10.0.0.1", LOST_PORT },
	[UDP4_LIVING] = { AF_INET, SOCK_DGRAM, "10.0.0.1", LIVING_PORT },
	[UDP6_LOST] = { AF_INET6, SOCK_DGRAM, "fd00::1", LOST_PORT },
	[UDP_UNCONNECTED] = { AF_INET, SOCK_DGRAM, NULL, 0 },
};

static struct err err;
static struct destroy_result result;
static pid_t child;
static int go_fd, report_fd;
static uint64_t spared; /* a cookie that is_ours() does not know */
static bool can_destroy;

static socklen_t fill(struct sockaddr_in6 *sa, int family, const char *text, uint16_t port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)sa;

	memset(sa, 0, sizeof(*sa));
	sa->sin6_family = (sa_family_t)family;
	sa->sin6_port = htons(port);
	if (family == AF_INET) {
		inet_pton(AF_INET, text, &in->sin_addr);
		return sizeof(*in);
	}
	inet_pton(AF_INET6, text, &sa->sin6_addr);
	return sizeof(*sa);
}

static int open_one(size_t i)
{
	int fd = socket(wanted[i].family, wanted[i].type | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 sa;
	socklen_t len;

	if (wanted[i].addr) {
		len = fill(&sa, wanted[i].family, wanted[i].addr, wanted[i].port);
		if (connect(fd, (struct sockaddr *)&sa, len))
			return -1;
	} else {
		len = fill(&sa, AF_INET, "127.0.0.1", 7100);
		if (bind(fd, (struct sockaddr *)&sa, len))
			return -1;
	}
	return fd;
}

/* The server's side of connections: never accepted, so that only the clients' side matches. */
static int listen_at(const char *text, int family, uint16_t port)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 sa;
	socklen_t len = fill(&sa, family, text, port);

	return fd < 0 || bind(fd, (struct sockaddr *)&sa, len) || listen(fd, 16) ? -1 : fd;
}

static char state_of(int fd)
{
	socklen_t len = sizeof(int);
	int error = 0;

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	return error == ECONNABORTED ? 'd' : error ? '?' : 'l';
}

/* Holds the sockets until told, then reports on them and ends. */
static int hold(int go, int report)
{
	uint64_t cookies[N_SOCKETS];
	char states[N_SOCKETS], byte;
	socklen_t len = sizeof(uint64_t);
	int fds[N_SOCKETS];
	size_t i;

	if (unshare(CLONE_NEWNET) || system("ip link set lo up && ip addr add 10.0.0.1/32 dev lo && "
					    "ip addr add fd00::1/128 dev lo"))
		return 1;
	if (listen_at("10.0.0.1", AF_INET, LOST_PORT) < 0 ||
	    listen_at("10.0.0.1", AF_INET, LIVING_PORT) < 0 ||
	    listen_at("fd00::1", AF_INET6, LOST_PORT) < 0)
		return 2;
	for (i = 0; i < N_SOCKETS; i++) {
		fds[i] = open_one(i);
		if (fds[i] < 0 || getsockopt(fds[i], SOL_SOCKET, SO_COOKIE, &cookies[i], &len))
			return 3;
	}
	if (write(report, cookies, sizeof(cookies)) != sizeof(cookies))
		return 4;
	if (read(go, &byte, 1) != 1)
		return 5;
	for (i = 0; i < N_SOCKETS; i++)
		states[i] = state_of(fds[i]);
	return write(report, states, sizeof(states)) == sizeof(states) ? 0 : 6;
}

static void start(uint64_t cookies[N_SOCKETS])
{
	int go[2], report[2];

	if (geteuid()) {
		print_message("skip: network namespaces need root\n");
		skip();
	}
	assert_int_equal(pipe(go), 0);
	assert_int_equal(pipe(report), 0);
	fflush(NULL);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(go[1]);
		close(report[0]);
		_exit(hold(go[0], report[1]));
	}
	close(go[0]);
	close(report[1]);
	go_fd = go[1];
	report_fd = report[0];
	if (read(report_fd, cookies, N_SOCKETS * sizeof(*cookies)) !=
	    N_SOCKETS * (ssize_t)sizeof(*cookies))
		fail_msg("the child could not open its sockets");
}

static void finish(char states[N_SOCKETS])
{
	int status;

	assert_int_equal(write(go_fd, "g", 1), 1);
	assert_int_equal(read(report_fd, states, N_SOCKETS), N_SOCKETS);
	close(go_fd);
	close(report_fd);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static bool is_ours(void *user, uint64_t cookie, const struct destroy_target *target)
{
	const uint64_t *cookies = user;
	size_t i;

	for (i = 0; cookie != spared && i < N_SOCKETS; i++)
		if (cookies[i] == cookie)
			return true;
	return false;
}

static struct destroy_target target(const char *addr, uint8_t proto)
{
	return (struct destroy_target){ .addr = lab_addr(addr), .port = LOST_PORT, .proto = proto };
}

static ino_t own_namespace(void)
{
	struct stat st;

	assert_int_equal(stat("/proc/thread-self/ns/net", &st), 0);
	return st.st_ino;
}

static void only_sockets_connected_to_a_target_die(void **state)
{
	uint64_t cookies[N_SOCKETS];
	char states[N_SOCKETS];
	/* In no order, and with some that nobody is connected to. */
	const struct destroy_target targets[] = {
		target("fd00::9", IPPROTO_TCP), target("10.0.0.1", IPPROTO_UDP),
		target("fd00::1", IPPROTO_TCP), target("10.0.0.1", IPPROTO_TCP),
		target("10.0.0.0", IPPROTO_TCP), target("fd00::1", IPPROTO_UDP),
	};
	ino_t before;
	size_t i;

	start(cookies);
	before = own_namespace();
	spared = 0;
	assert_int_equal(destroy_sockets(targets, ARRAY_SIZE(targets), is_ours, cookies, &result,
					 &err), 0);
	assert_true(own_namespace() == before);
	finish(states);
	assert_int_equal(result.matched, 5);
	assert_true(result.namespaces >= 2);
	can_destroy = !result.unsupported;
	if (result.unsupported) {
		print_message("this kernel has no CONFIG_INET_DIAG_DESTROY: nothing may die\n");
		assert_int_equal(result.destroyed, 0);
		for (i = 0; i < N_SOCKETS; i++)
			assert_int_equal(states[i], 'l');
		return;
	}
	assert_int_equal(result.destroyed, 5);
	assert_memory_equal(states, "dldddldl", N_SOCKETS);
}

static void a_socket_that_came_there_by_itself_lives(void **state)
{
	const struct destroy_target lost = target("10.0.0.1", IPPROTO_TCP);
	uint64_t cookies[N_SOCKETS];
	char states[N_SOCKETS];

	start(cookies);
	spared = cookies[TCP4_LOST];
	assert_int_equal(destroy_sockets(&lost, 1, is_ours, cookies, &result, &err), 0);
	finish(states);
	assert_int_equal(result.matched, 1);
	assert_int_equal(result.destroyed, can_destroy);
	assert_memory_equal(states, can_destroy ? "llldllll" : "llllllll", N_SOCKETS);
}

static void targets_of_one_protocol_leave_the_other_alone(void **state)
{
	const struct destroy_target lost = target("10.0.0.1", IPPROTO_UDP);
	uint64_t cookies[N_SOCKETS];
	char states[N_SOCKETS];

	start(cookies);
	spared = 0;
	assert_int_equal(destroy_sockets(&lost, 1, is_ours, cookies, &result, &err), 0);
	finish(states);
	assert_int_equal(result.matched, 1);
	assert_memory_equal(states, can_destroy ? "lllldlll" : "llllllll", N_SOCKETS);
}

static bool not_asked(void *user, uint64_t cookie, const struct destroy_target *t)
{
	fail_msg("asked without a target");
	return true;
}

static void without_targets_no_namespace_is_entered(void **state)
{
	assert_int_equal(destroy_sockets(NULL, 0, not_asked, NULL, &result, &err), 0);
	assert_int_equal(result.namespaces, 0);
	assert_int_equal(result.matched, 0);
}

static void without_privileges_it_says_so_and_comes_back(void **state)
{
	const struct destroy_target lost = target("10.0.0.1", IPPROTO_TCP);
	ino_t before;
	int code;

	if (geteuid()) {
		print_message("skip: changes the user, needs root\n");
		skip();
	}
	before = own_namespace();
	assert_int_equal(seteuid(65534), 0);
	code = destroy_sockets(&lost, 1, is_ours, NULL, &result, &err);
	assert_int_equal(seteuid(0), 0);
	assert_true(code == -EPERM || code == -EACCES);
	assert_true(strlen(err.text) > 0);
	assert_true(own_namespace() == before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_sockets_connected_to_a_target_die),
		cmocka_unit_test(a_socket_that_came_there_by_itself_lives),
		cmocka_unit_test(targets_of_one_protocol_leave_the_other_alone),
		cmocka_unit_test(without_targets_no_namespace_is_entered),
		cmocka_unit_test(without_privileges_it_says_so_and_comes_back),
	};

	return cmocka_run_group_tests_name("destroy", tests, NULL, NULL);
}
