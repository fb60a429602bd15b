/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The socket programs with real sockets: a child in a cgroup of its own asks for VIPs, servers
 * outside of it listen on the backends, all on the loopback device of a namespace of the test's own.
 * A VIP has no route there, so whatever is not translated fails.
 */
#include <fcntl.h>

#include "core/addr.h"
#include "unit/plane/cgroup.h"
#include "unit/plane/servers.h"
#include "xmesh/latency.h"

#define VIP4 "10.96.0.10"
#define VIP6 "fd96::10"
#define MAPPED "::ffff:10.96.0.10"
#define OTHER_VIP4 "10.96.0.11"

enum { TCP_PORT = 80, UDP_PORT = 53, EMPTY_PORT = 81, STICKY_PORT = 82, SAME_PORT = 8080,
       BROKEN_PORT = 83 };

static struct plane plane;
static uint32_t slot = 100, last_backend, last_service;

/* ---- in the child: what a pod does. Returns 0, or the line that found it wrong. ---- */

#define CHECK(what)                                                                                \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "child, line %d: %s (errno: %s)\n", __LINE__, #what,       \
				strerror(errno));                                                  \
			return 1;                                                                  \
		}                                                                                  \
	} while (0)

/* A new socket connected to @p, or -1 with errno. */
static int connect_to(const struct peer *p, int type)
{
	int fd = open_socket(p->sa.sa_family, type), saved;

	if (!connect(fd, &p->sa, p->len))
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static int peer_is(int fd, const struct peer *p)
{
	struct peer got = { .len = sizeof(got.in6) };

	return !getpeername(fd, &got.sa, &got.len) && same(&got, p);
}

/* The first byte of the server's answer: which backend it is. By a datagram, or on a stream. */
static int backend_of(int fd)
{
	char byte = 0;

	return send(fd, "?", 1, MSG_NOSIGNAL) == 1 && recv(fd, &byte, 1, 0) == 1 ? byte : -1;
}

static int tcp_via(const char *vip)
{
	struct peer p = peer(vip, TCP_PORT);
	int seen = 0, i, fd, which;

	for (i = 0; i < 64; i++) {
		fd = connect_to(&p, SOCK_STREAM);
		CHECK(fd >= 0);
		CHECK(peer_is(fd, &p));
		which = backend_of(fd);
		CHECK(which == 1 || which == 2);
		seen |= which;
		close(fd);
	}
	CHECK(seen == 3);
	return 0;
}

static int tcp4(void) { return tcp_via(VIP4); }
static int tcp6(void) { return tcp_via(VIP6); }
static int tcp_mapped(void) { return tcp_via(MAPPED); }

/* All datagrams of a socket go to one backend; those of many sockets to both. */
static int udp_via(const char *vip)
{
	struct peer p = peer(vip, UDP_PORT), from;
	int seen = 0, i, j, fd;
	char byte, first;

	for (i = 0; i < 32; i++) {
		fd = open_socket(p.sa.sa_family, SOCK_DGRAM);
		for (j = 0, first = 0; j < 5; j++) {
			CHECK(sendto(fd, "?", 1, 0, &p.sa, p.len) == 1);
			from.len = sizeof(from.in6);
			CHECK(recvfrom(fd, &byte, 1, 0, &from.sa, &from.len) == 1);
			CHECK(same(&from, &p));
			CHECK(byte == 1 || byte == 2);
			CHECK(!first || byte == first);
			first = byte;
		}
		seen |= first;
		close(fd);
	}
	CHECK(seen == 3);
	return 0;
}

static int udp4(void) { return udp_via(VIP4); }
static int udp6(void) { return udp_via(VIP6); }
static int udp_mapped(void) { return udp_via(MAPPED); }

/* Connected: send() and recv() meet no hook, recvfrom() and getpeername() say the VIP. */
static int connected_udp_via(const char *vip)
{
	struct peer p = peer(vip, UDP_PORT), from;
	char byte;
	int fd;

	fd = connect_to(&p, SOCK_DGRAM);
	CHECK(fd >= 0);
	CHECK(peer_is(fd, &p));
	CHECK(backend_of(fd) > 0);
	CHECK(send(fd, "?", 1, 0) == 1);
	from.len = sizeof(from.in6);
	CHECK(recvfrom(fd, &byte, 1, 0, &from.sa, &from.len) == 1);
	CHECK(same(&from, &p));
	/* An address on a connected socket: the hook runs, and finds the same backend. */
	CHECK(sendto(fd, "?", 1, 0, &p.sa, p.len) == 1);
	CHECK(recv(fd, &byte, 1, 0) == 1);
	close(fd);
	return 0;
}

static int connected_udp4(void) { return connected_udp_via(VIP4); }
static int connected_udp6(void) { return connected_udp_via(VIP6); }
static int connected_udp_mapped(void) { return connected_udp_via(MAPPED); }

/* An IPv6 socket may be given a sockaddr_in for UDP. */
static int udp_of_both_families(void)
{
	struct peer p4 = peer(VIP4, UDP_PORT), mapped = peer(MAPPED, UDP_PORT), from;
	int fd = open_socket(AF_INET6, SOCK_DGRAM);
	char byte;

	CHECK(sendto(fd, "?", 1, 0, &p4.sa, p4.len) == 1);
	from.len = sizeof(from.in6);
	CHECK(recvfrom(fd, &byte, 1, 0, &from.sa, &from.len) == 1);
	CHECK(same(&from, &mapped));
	CHECK(!connect(fd, &p4.sa, p4.len));
	CHECK(peer_is(fd, &mapped));
	CHECK(backend_of(fd) > 0);
	close(fd);
	return 0;
}

static int two_vips_on_one_socket(void)
{
	struct peer a = peer(VIP4, UDP_PORT), b = peer(OTHER_VIP4, UDP_PORT), from;
	int fd = open_socket(AF_INET, SOCK_DGRAM);
	char byte;

	CHECK(sendto(fd, "?", 1, 0, &a.sa, a.len) == 1);
	from.len = sizeof(from.in6);
	CHECK(recvfrom(fd, &byte, 1, 0, &from.sa, &from.len) == 1);
	CHECK(same(&from, &a));
	CHECK(sendto(fd, "?", 1, 0, &b.sa, b.len) == 1);
	from.len = sizeof(from.in6);
	CHECK(recvfrom(fd, &byte, 1, 0, &from.sa, &from.len) == 1);
	CHECK(same(&from, &b));
	close(fd);
	return 0;
}

static int keeps_the_port(void)
{
	struct peer p = peer(VIP4, SAME_PORT);
	int fd = connect_to(&p, SOCK_STREAM);

	CHECK(fd >= 0);
	CHECK(peer_is(fd, &p));
	CHECK(backend_of(fd) == 1);
	close(fd);
	return 0;
}

/* Without bpf_set_retval() (before 5.18) the kernel says EPERM. */
static int refusal(void)
{
	return plane.features.set_retval ? ECONNREFUSED : EPERM;
}

/* Each of these is one refusal. */
#define REFUSALS 7

static int is_refused(void)
{
	static const char *const vips[] = { VIP4, VIP6, MAPPED };
	struct peer p;
	size_t i;
	int fd;

	for (i = 0; i < 3; i++) {
		p = peer(vips[i], EMPTY_PORT);
		CHECK(connect_to(&p, SOCK_STREAM) < 0);
		CHECK(errno == refusal());
	}
	for (i = 0; i < 3; i++) {
		p = peer(vips[i], EMPTY_PORT);
		fd = open_socket(p.sa.sa_family, SOCK_DGRAM);
		CHECK(sendto(fd, "?", 1, 0, &p.sa, p.len) < 0);
		CHECK(errno == refusal());
		close(fd);
	}
	p = peer(VIP4, EMPTY_PORT);
	CHECK(connect_to(&p, SOCK_DGRAM) < 0);
	CHECK(errno == refusal());
	return 0;
}

static int of_another_family_is_refused(void)
{
	struct peer p = peer(VIP4, BROKEN_PORT);

	CHECK(connect_to(&p, SOCK_STREAM) < 0);
	CHECK(errno == refusal());
	return 0;
}

static int is_not_ours(void)
{
	struct peer real = peer("10.0.0.1", TCP_BACKEND), udp = peer("fd00::2", UDP_BACKEND), from;
	struct peer port = peer(VIP4, 9), raw = peer(VIP4, 0);
	char byte;
	int fd;

	fd = connect_to(&real, SOCK_STREAM);
	CHECK(fd >= 0);
	CHECK(peer_is(fd, &real));
	CHECK(backend_of(fd) == 1);
	close(fd);

	fd = open_socket(AF_INET6, SOCK_DGRAM);
	CHECK(sendto(fd, "?", 1, 0, &udp.sa, udp.len) == 1);
	from.len = sizeof(from.in6);
	CHECK(recvfrom(fd, &byte, 1, 0, &from.sa, &from.len) == 1);
	CHECK(same(&from, &udp));
	close(fd);

	/* A port that is no frontend, and what is neither TCP nor UDP: the kernel has no route. */
	CHECK(connect_to(&port, SOCK_STREAM) < 0);
	CHECK(errno == ENETUNREACH);
	fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
	CHECK(fd >= 0);
	CHECK(connect(fd, &raw.sa, raw.len) < 0);
	CHECK(errno == ENETUNREACH);
	close(fd);
	return 0;
}

static int is_unreachable(void)
{
	struct peer p = peer(VIP4, TCP_PORT);

	CHECK(connect_to(&p, SOCK_STREAM) < 0);
	CHECK(errno == ENETUNREACH);
	return 0;
}

static int sticks(void)
{
	struct peer p = peer(VIP4, STICKY_PORT);
	int i, fd, which, first = 0;

	for (i = 0; i < 32; i++) {
		fd = connect_to(&p, SOCK_STREAM);
		CHECK(fd >= 0);
		which = backend_of(fd);
		CHECK(which > 0);
		CHECK(!first || which == first);
		first = which;
		close(fd);
	}
	return 0;
}

/* ---- tables ---- */

static struct xm_addr addr(const char *text)
{
	struct xm_addr a;

	assert_done(addr_parse(text, &a, &err));
	return a;
}

static void put(enum plane_map map, const void *key, const void *value)
{
	assert_int_equal(bpf_map_update_elem(plane.map_fd[map], key, value, BPF_ANY), 0);
}

static uint32_t add_backend(const char *text, uint16_t port, uint8_t proto)
{
	struct xm_backend b = { .addr = addr(text), .port = htons(port), .proto = proto,
				.state = XM_BACKEND_ACTIVE, .generation = 7, .service = 1,
				.cluster = 2 };
	uint32_t number = ++last_backend;

	put(PLANE_xm_backends, &number, &b);
	return number;
}

/* Backends 0: none. Their slots take turns. */
static void add_service(const char *vip, uint16_t port, uint8_t proto, uint32_t affinity_s,
			uint32_t a, uint32_t b)
{
	struct xm_service s = { .number = ++last_service, .affinity_s = affinity_s };
	struct xm_vip_filter filter;
	uint32_t zero = 0, i, size = a ? 64 : 0, bit;

	s.key = (struct xm_service_key){ .addr = addr(vip), .port = htons(port), .proto = proto,
					 .scope = XM_SCOPE_CLIENT, .cluster = 1 };
	s.where = (uint64_t)slot << 32 | size;
	for (i = 0; i < size; i += 2, slot += 2) {
		const struct xm_maglev_pair pair = { { b, a } };
		const uint32_t at = slot >> 1;

		put(PLANE_xm_maglev, &at, &pair);
	}
	assert_int_equal(bpf_map_lookup_elem(plane.map_fd[PLANE_xm_vip_filter], &zero, &filter), 0);
	bit = xm_addr_hash16(&s.key.addr) & (XM_VIP_FILTER_BITS - 1);
	filter.client[bit / 64] |= 1ull << (bit % 64);
	put(PLANE_xm_vip_filter, &zero, &filter);
	put(PLANE_xm_services, &s.key, &s);
}

static void set_config(uint32_t abi)
{
	struct xm_config config = { .magic = XM_ABI_MAGIC, .abi = abi, .cluster = 1 };
	uint32_t zero = 0;

	put(PLANE_xm_config, &zero, &config);
}

static void fill_tables(void)
{
	uint32_t t1 = add_backend("10.0.0.1", TCP_BACKEND, IPPROTO_TCP),
		 t2 = add_backend("10.0.0.2", TCP_BACKEND, IPPROTO_TCP),
		 s1 = add_backend("fd00::1", TCP_BACKEND, IPPROTO_TCP),
		 s2 = add_backend("fd00::2", TCP_BACKEND, IPPROTO_TCP),
		 u1 = add_backend("10.0.0.1", UDP_BACKEND, IPPROTO_UDP),
		 u2 = add_backend("10.0.0.2", UDP_BACKEND, IPPROTO_UDP),
		 v1 = add_backend("fd00::1", UDP_BACKEND, IPPROTO_UDP),
		 v2 = add_backend("fd00::2", UDP_BACKEND, IPPROTO_UDP),
		 same_port = add_backend("10.0.0.1", 0, IPPROTO_TCP);

	set_config(XM_ABI);
	add_service(VIP4, TCP_PORT, IPPROTO_TCP, 0, t1, t2);
	add_service(VIP6, TCP_PORT, IPPROTO_TCP, 0, s1, s2);
	add_service(VIP4, UDP_PORT, IPPROTO_UDP, 0, u1, u2);
	add_service(VIP6, UDP_PORT, IPPROTO_UDP, 0, v1, v2);
	add_service(OTHER_VIP4, UDP_PORT, IPPROTO_UDP, 0, u1, u2);
	add_service(VIP4, STICKY_PORT, IPPROTO_TCP, 600, t1, t2);
	add_service(VIP4, SAME_PORT, IPPROTO_TCP, 0, same_port, same_port);
	add_service(VIP4, BROKEN_PORT, IPPROTO_TCP, 0, s1, s2);
	add_service(VIP4, EMPTY_PORT, IPPROTO_TCP, 0, 0, 0);
	add_service(VIP6, EMPTY_PORT, IPPROTO_TCP, 0, 0, 0);
	add_service(VIP4, EMPTY_PORT, IPPROTO_UDP, 0, 0, 0);
	add_service(VIP6, EMPTY_PORT, IPPROTO_UDP, 0, 0, 0);
}

static uint64_t counted(enum xm_reason reason)
{
	size_t n = (size_t)libbpf_num_possible_cpus(), i;
	struct xm_counter *cpus = calloc(n, sizeof(*cpus));
	uint32_t index = XM_COUNTER_INDEX(XM_HOOK_SOCKET, reason);
	uint64_t sum = 0;

	assert_int_equal(bpf_map_lookup_elem(plane.map_fd[PLANE_xm_counters], &index, cpus), 0);
	for (i = 0; i < n; i++)
		sum += cpus[i].packets;
	free(cpus);
	return sum;
}

static int setup(void **state)
{
	size_t changed;

	if (cgroup_setup(state))
		return -1;
	if (geteuid())
		return 0;
	host_run("ip link set lo up");
	host_run("ip addr add 10.0.0.1/32 dev lo && ip addr add 10.0.0.2/32 dev lo");
	host_run("ip addr add fd00::1/128 dev lo && ip addr add fd00::2/128 dev lo");
	plane = host_load();
	fill_tables();
	assert_done(sockets_sync(&plane, &cgroup_own, 1, &changed, &err));
	start_servers();
	return 0;
}

static int teardown(void **state)
{
	if (!geteuid()) {
		stop_servers();
		host_clean(&plane);
	}
	return cgroup_teardown(state);
}

/* ---- what holds ---- */

static void expect(int (*body)(void), uint64_t translated, uint64_t refused)
{
	uint64_t t = counted(XM_TRANSLATED), r = counted(XM_ANSWER_REFUSED);

	cgroup_run(cgroup_own.path, body);
	assert_int_equal(counted(XM_TRANSLATED) - t, translated);
	assert_int_equal(counted(XM_ANSWER_REFUSED) - r, refused);
}

#define HOLDS(name, body, translated, refused)                                                     \
	static void name(void **state)                                                             \
	{                                                                                          \
		host_need_root();                                                                  \
		expect(body, translated, refused);                                                 \
	}

HOLDS(tcp_connects_to_both_backends_and_its_peer_is_the_vip, tcp4, 64, 0)
HOLDS(tcp_over_ipv6_likewise, tcp6, 64, 0)
HOLDS(tcp_to_a_mapped_address_likewise, tcp_mapped, 64, 0)
HOLDS(datagrams_of_a_socket_keep_their_backend_and_come_from_the_vip, udp4, 160, 0)
HOLDS(datagrams_over_ipv6_likewise, udp6, 160, 0)
HOLDS(datagrams_to_a_mapped_address_likewise, udp_mapped, 160, 0)
HOLDS(connected_udp_receives_from_the_vip, connected_udp4, 2, 0)
HOLDS(connected_udp_over_ipv6_likewise, connected_udp6, 2, 0)
HOLDS(connected_udp_to_a_mapped_address_likewise, connected_udp_mapped, 2, 0)
HOLDS(an_ipv6_socket_may_name_an_ipv4_address, udp_of_both_families, 2, 0)
HOLDS(two_vips_with_the_same_backends_on_one_socket_are_told_apart, two_vips_on_one_socket, 2, 0)
HOLDS(a_backend_without_a_port_keeps_that_of_the_frontend, keeps_the_port, 1, 0)
HOLDS(without_usable_backends_it_is_refused_at_once, is_refused, 0, REFUSALS)
HOLDS(a_backend_of_another_family_is_none, of_another_family_is_refused, 0, 1)
HOLDS(what_is_no_frontend_is_left_alone, is_not_ours, 0, 0)

static void affinity_binds_a_network_namespace_to_a_backend(void **state)
{
	struct xm_affinity_key key;
	struct xm_affinity choice;

	host_need_root();
	expect(sticks, 32, 0);
	assert_int_equal(bpf_map_get_next_key(plane.map_fd[PLANE_xm_affinity], NULL, &key), 0);
	/* One less for IPv4: both families share the service, but no backend. */
	assert_true(key.client.d[0] == UINT64_MAX - 1 && key.client.d[1]);
	assert_int_equal(ntohs(key.port), STICKY_PORT);
	assert_int_equal(bpf_map_lookup_elem(plane.map_fd[PLANE_xm_affinity], &key, &choice), 0);
	assert_int_equal(choice.generation, 7);
	assert_int_equal(bpf_map_get_next_key(plane.map_fd[PLANE_xm_affinity], &key, &key),
			 -ENOENT);
}

static void settings_of_another_abi_leave_sockets_alone(void **state)
{
	host_need_root();
	set_config(XM_ABI + 1);
	expect(is_unreachable, 0, 0);
	set_config(XM_ABI);
}

static void a_service_of_another_cluster_is_not_ours(void **state)
{
	struct xm_config config = { .magic = XM_ABI_MAGIC, .abi = XM_ABI, .cluster = 9 };
	uint32_t zero = 0;

	host_need_root();
	put(PLANE_xm_config, &zero, &config);
	expect(is_unreachable, 0, 0);
	set_config(XM_ABI);
}

static void outside_of_the_cgroup_nothing_is_translated(void **state)
{
	uint64_t before;

	host_need_root();
	before = counted(XM_TRANSLATED);
	cgroup_run(NULL, is_unreachable);
	assert_int_equal(counted(XM_TRANSLATED), before);
}

/* As at kubepods and the root: a socket of a pod meets both. */
static void attached_above_one_another_they_translate_and_refuse_once(void **state)
{
	struct sockets_place both[2];
	uint64_t before, refused;
	size_t changed;

	host_need_root();
	both[0] = cgroup_make(cgroup_own.path, "kubepods");
	both[1] = cgroup_own;
	assert_done(sockets_sync(&plane, both, 2, &changed, &err));
	before = counted(XM_TRANSLATED);
	refused = counted(XM_ANSWER_REFUSED);
	cgroup_run(both[0].path, tcp4);
	cgroup_run(both[0].path, udp_mapped);
	cgroup_run(both[0].path, is_refused);
	assert_int_equal(counted(XM_TRANSLATED) - before, 64 + 160);
	/* The second program sees that the first refused by bpf_get_retval() alone. */
	assert_int_equal(counted(XM_ANSWER_REFUSED) - refused,
			 plane.features.set_retval ? REFUSALS : 2 * REFUSALS);
	assert_done(sockets_sync(&plane, &cgroup_own, 1, &changed, &err));
	rmdir(both[0].path);
}

/* Smoothed round trips so far; of @cluster and @service, and of all others. */
static void round_trips(uint16_t cluster, uint32_t service, uint64_t *ret_n, uint64_t *ret_others)
{
	size_t n = (size_t)libbpf_num_possible_cpus(), i, k;
	struct xm_latency *cpus = calloc(n, sizeof(*cpus));
	struct xm_latency_key key, *at = NULL;
	uint64_t *sum;

	*ret_n = *ret_others = 0;
	for (; !bpf_map_get_next_key(plane.map_fd[PLANE_xm_latency], at, &key); at = &key) {
		assert_int_equal(key.kind, XM_LATENCY_SRTT);
		sum = key.cluster == cluster && key.service == service ? ret_n : ret_others;
		assert_int_equal(bpf_map_lookup_elem(plane.map_fd[PLANE_xm_latency], &key, cpus), 0);
		for (i = 0; i < n; i++)
			for (k = 0; k < XM_HIST_BUCKETS; k++)
				*sum += cpus[i].hist.buckets[k];
	}
	free(cpus);
}

/* The servers are in no cgroup of ours, but on the same node: only who opens is measured. */
static void round_trips_are_measured_once_and_by_service(void **state)
{
	struct sockets_place both[2];
	uint64_t before, once, twice, others, others_before;
	size_t changed;

	host_need_root();
	if (!plane.features.sockops) {
		printf("skip: this kernel has no sockops\n");
		skip();
	}
	round_trips(2, 1, &before, &others_before);
	cgroup_run(cgroup_own.path, tcp4);
	cgroup_run(cgroup_own.path, tcp6);
	round_trips(2, 1, &once, &others);
	once -= before;
	/* At least the answer to what each of them sent; their ends may be another. */
	assert_in_range(once, 128, 3 * 128);
	assert_int_equal(others, others_before);

	both[0] = cgroup_make(cgroup_own.path, "kubepods");
	both[1] = cgroup_own;
	assert_done(sockets_sync(&plane, both, 2, &changed, &err));
	cgroup_run(both[0].path, tcp4);
	cgroup_run(both[0].path, tcp6);
	round_trips(2, 1, &twice, &others);
	twice -= before + once;
	assert_in_range(twice, 128, once + once / 2);
	assert_done(sockets_sync(&plane, &cgroup_own, 1, &changed, &err));
	rmdir(both[0].path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tcp_connects_to_both_backends_and_its_peer_is_the_vip),
		cmocka_unit_test(tcp_over_ipv6_likewise),
		cmocka_unit_test(tcp_to_a_mapped_address_likewise),
		cmocka_unit_test(datagrams_of_a_socket_keep_their_backend_and_come_from_the_vip),
		cmocka_unit_test(datagrams_over_ipv6_likewise),
		cmocka_unit_test(datagrams_to_a_mapped_address_likewise),
		cmocka_unit_test(connected_udp_receives_from_the_vip),
		cmocka_unit_test(connected_udp_over_ipv6_likewise),
		cmocka_unit_test(connected_udp_to_a_mapped_address_likewise),
		cmocka_unit_test(an_ipv6_socket_may_name_an_ipv4_address),
		cmocka_unit_test(two_vips_with_the_same_backends_on_one_socket_are_told_apart),
		cmocka_unit_test(a_backend_without_a_port_keeps_that_of_the_frontend),
		cmocka_unit_test(without_usable_backends_it_is_refused_at_once),
		cmocka_unit_test(a_backend_of_another_family_is_none),
		cmocka_unit_test(what_is_no_frontend_is_left_alone),
		cmocka_unit_test(affinity_binds_a_network_namespace_to_a_backend),
		cmocka_unit_test(settings_of_another_abi_leave_sockets_alone),
		cmocka_unit_test(a_service_of_another_cluster_is_not_ours),
		cmocka_unit_test(outside_of_the_cgroup_nothing_is_translated),
		cmocka_unit_test(attached_above_one_another_they_translate_and_refuse_once),
		cmocka_unit_test(round_trips_are_measured_once_and_by_service),
	};

	return cmocka_run_group_tests_name("sockets_traffic", tests, setup, teardown);
}
