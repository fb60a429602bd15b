/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A BPF program that chooses backends on one CPU while services change on another: it never finds
 * one that is not its service's. Shown red with a slice written after the flip to it. That does not
 * provoke a reader that pauses for two updates; the second test does so by itself: the program
 * deletes what it has found and lets the kernel give it away before reading it. Shown red without
 * the comparison of keys.
 */
#include "unit/plane/host.h"

#include <arpa/inet.h>
#include <linux/pkt_cls.h>
#include <pthread.h>

#include "plane/balance.h"

#define ROUNDS 4000
#define MANY 12
#define OTHERS 8

struct torn_counts {
	uint64_t reads, misses, bad;
};

struct scene {
	struct service service;
	struct service_backend backends[MANY];
	struct service_target targets[MANY];
	struct service_pool pool;
	struct service_frontend frontend;
};

static int program, stop;
static struct xm_service_key key;

static void on_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void scene(struct scene *s, const char *name, uint32_t vip, uint32_t first, uint32_t n)
{
	uint64_t version = s->service.version + 1;

	memset(s, 0, sizeof(*s));
	strcpy(s->service.space, "torn");
	snprintf(s->service.name, sizeof(s->service.name), "%s", name);
	s->service.version = version;
	s->service.backends = s->backends;
	s->service.n_backends = n;
	s->service.pools = &s->pool;
	s->service.n_pools = 1;
	s->pool.targets = s->targets;
	s->pool.n_targets = n;
	s->pool.frontends = &s->frontend;
	s->pool.n_frontends = 1;
	s->frontend.key = (struct xm_service_key){
		.addr = xm_addr_v4(htonl(vip)), .port = htons(80), .proto = 6, .cluster = 1 };
	for (uint32_t i = 0; i < n; i++) {
		s->backends[i] = (struct service_backend){
			.addr = xm_addr_v4(htonl(first + i)), .port = 8080, .proto = 6, .cluster = 1,
			.node = 1, .state = XM_BACKEND_ACTIVE };
		s->targets[i] = (struct service_target){ i, 1 };
	}
}

/* Maps of the plane instead of the object's own; what the program does not use is not made. */
static struct bpf_object *load(const struct plane *plane)
{
	struct bpf_object *object = bpf_object__open(TORN_OBJECT);
	struct bpf_map *map;

	assert_non_null(object);
	bpf_object__for_each_map(map, object) {
		for (int i = 0; i < PLANE_MAP_COUNT; i++)
			if (!strcmp(bpf_map__name(map), plane_map_names[i]))
				assert_int_equal(bpf_map__reuse_fd(map, plane->map_fd[i]), 0);
	}
	assert_int_equal(bpf_object__load(object), 0);
	program = bpf_program__fd(bpf_object__find_program_by_name(object, "torn_read"));
	return object;
}

static void *read_on(void *arg)
{
	uint8_t packet[64] = { [12] = 0x08 };

	memcpy(packet + 14, &key, sizeof(key));
	on_cpu(0);
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = sizeof(packet),
			    .repeat = 10000);

		bpf_prog_test_run_opts(program, &opts);
	}
	return NULL;
}

static void a_program_beside_the_writer_finds_only_backends_of_its_service(void **state)
{
	static struct scene s[1 + OTHERS];
	const struct service *list[1 + OTHERS];
	struct torn_counts counts = { 0 };
	struct bpf_object *object;
	uint32_t zero = 0, i, k;
	struct balance *b;
	struct plane plane;
	pthread_t reader;
	char name[16];

	host_need_root();
	plane = host_load();
	object = load(&plane);
	assert_done(balance_new(&plane, 0, &b, &err));
	scene(&s[0], "a", 0x0b000001, 0x0a000001, 4);
	key = s[0].frontend.key;
	for (k = 0; k <= OTHERS; k++)
		list[k] = &s[k].service;
	for (i = 0; i < ROUNDS; i++) {
		struct balance_result r;

		/* Slices of 4093 slots and of 251 take turns. */
		scene(&s[0], "a", 0x0b000001, 0x0a000001 + 0x100 * (i & 1), i & 1 ? 2 : 11);
		for (k = 1; k <= OTHERS; k++) {
			snprintf(name, sizeof(name), "b%u", k);
			scene(&s[k], name, 0x0b000002 + k + i % 64 * OTHERS, 0x0a100000 + k * 0x100, 2);
		}
		/* Others come and go. As long as a grace period is, a slice is not written anew. */
		assert_done(balance_sync(b, list, i & 1 ? 1 : 1 + OTHERS, i / 40, 1, &r, &err));
		balance_result_done(&r);
		if (i)
			continue;
		on_cpu(sysconf(_SC_NPROCESSORS_ONLN) > 1 ? 1 : 0);
		assert_int_equal(pthread_create(&reader, NULL, read_on, NULL), 0);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	pthread_join(reader, NULL);
	bpf_map_lookup_elem(bpf_object__find_map_fd_by_name(object, "torn_counts"), &zero, &counts);
	print_message("%llu reads, %llu misses, %llu bad\n", (unsigned long long)counts.reads,
		      (unsigned long long)counts.misses, (unsigned long long)counts.bad);
	assert_true(counts.reads > 10000);
	assert_int_equal(counts.misses, 0);
	assert_int_equal(counts.bad, 0);
	bpf_object__close(object);
	balance_free(b);
	host_clean(&plane);
}

static void an_element_given_to_another_frontend_is_not_believed(void **state)
{
	struct xm_service_key keys[2] = {
		{ .addr = xm_addr_v4(htonl(0x0b000001)), .port = htons(80), .proto = 6,
		  .cluster = 1 },
		{ .addr = xm_addr_v4(htonl(0x0b000002)), .port = htons(80), .proto = 6,
		  .cluster = 1 },
	};
	struct xm_service value = { .number = 1, .key = keys[0] };
	uint8_t packet[128] = { [12] = 0x08 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = sizeof(packet));
	struct bpf_object *object;
	struct plane plane;

	host_need_root();
	plane = host_load();
	object = load(&plane);
	memcpy(packet + 14, keys, sizeof(keys));
	assert_int_equal(bpf_map_update_elem(plane.map_fd[PLANE_xm_services], &keys[0], &value,
					     BPF_ANY), 0);
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(bpf_object__find_program_by_name(
							object, "torn_give")), &opts), 0);
	bpf_object__close(object);
	host_clean(&plane);
	if ((int)opts.retval == TC_ACT_UNSPEC)
		print_message("this kernel gives no element away at once: nothing shown\n");
	else
		assert_int_equal(opts.retval, TC_ACT_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_beside_the_writer_finds_only_backends_of_its_service),
		cmocka_unit_test(an_element_given_to_another_frontend_is_not_believed),
	};

	return cmocka_run_group_tests_name("torn", tests, host_setup, host_teardown);
}
