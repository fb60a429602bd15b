/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Global services into real maps and back: order, grace, adoption, and a reader beside the writer. */
#include "unit/plane/host.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/mman.h>

#include "plane/balance.h"

#define MANY 20

struct scene {
	struct service service;
	struct service_backend backends[MANY];
	struct service_target targets[MANY];
	struct service_pool pool;
	struct service_frontend frontend;
};

/* Service @name at VIP @vip with backends 10.0.@net.1 and up. */
static void scene(struct scene *s, const char *name, uint32_t vip, uint32_t net, uint32_t n)
{
	uint64_t version = s->service.version + 1;

	memset(s, 0, sizeof(*s));
	strcpy(s->service.space, "unit");
	strcpy(s->service.name, name);
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
			.addr = xm_addr_v4(htonl(0x0a000001 + (net << 8) + i)), .port = 8080, .proto = 6,
			.cluster = 1, .node = 1, .state = XM_BACKEND_ACTIVE };
		s->targets[i] = (struct service_target){ i, 1 };
	}
}

static struct xm_service installed(const struct plane *plane, const struct scene *s)
{
	struct xm_service found = { 0 };

	bpf_map_lookup_elem(plane->map_fd[PLANE_xm_services], &s->frontend.key, &found);
	return found;
}

static struct balance_result sync_ok(struct balance *b, struct scene *s, size_t n, uint64_t now_s)
{
	const struct service *list[4];
	struct balance_result result;

	for (size_t i = 0; i < n; i++)
		list[i] = &s[i].service;
	assert_done(balance_sync(b, list, n, now_s, 1000 + now_s, &result, &err));
	return result;
}

static void a_service_comes_changes_and_goes(void **state)
{
	struct service_tables *tables;
	struct balance_result r;
	struct xm_service one, two;
	static struct scene s[1];
	struct balance *b;
	struct plane plane;
	struct xm_maglev_pair pair;
	uint32_t slots, size, number;

	host_need_root();
	plane = host_load();
	assert_done(balance_new(&plane, 0, &b, &err));
	scene(s, "web", 0x0b000001, 1, 3);
	r = sync_ok(b, s, 1, 0);
	assert_int_equal(r.services, 1);
	assert_int_equal(r.n_lost, 0);
	one = installed(&plane, s);
	assert_int_equal((uint32_t)one.where, 1021);
	assert_memory_equal(&one.key, &s->frontend.key, sizeof(one.key));
	slots = (uint32_t)(one.where >> 32) + 1020;
	number = slots >> 1;
	assert_int_equal(bpf_map_lookup_elem(plane.map_fd[PLANE_xm_maglev], &number, &pair), 0);
	assert_int_equal(balance_backend(b, pair.backend[slots & 1])->service, one.number);
	r = sync_ok(b, s, 1, 0);
	assert_int_equal(r.services, 0);
	/* A new version of the same writes nothing. */
	s->service.version++;
	r = sync_ok(b, s, 1, 0);
	assert_int_equal(r.services, 1);
	assert_int_equal(r.ops, 0);

	assert_done(balance_read(&plane, &tables, &err));
	assert_int_equal(tables->n_services, 1);
	assert_int_equal(tables->services[0].n_backends, 3);
	assert_int_equal(tables->slots_used, 1021);
	assert_done(balance_share(&plane, &one, tables->services[0].backends[0].number, &slots, &size, &err));
	assert_true(slots == 340 || slots == 341);
	service_tables_free(tables);

	scene(s, "web", 0x0b000001, 1, 2);
	r = sync_ok(b, s, 1, 5);
	assert_int_equal(r.n_lost, 1);
	assert_int_equal(balance_backend(b, r.lost[0])->state, XM_BACKEND_GONE);
	two = installed(&plane, s);
	assert_true(one.where != two.where);
	assert_int_equal(balance_wait_s(b, 5), BALANCE_GRACE_S);
	balance_result_done(&r);

	/* Adopted, it is the same; what was GONE waits anew. */
	balance_free(b);
	assert_done(balance_new(&plane, 100, &b, &err));
	r = sync_ok(b, s, 1, 100);
	assert_int_equal(r.ops, 0);
	assert_int_equal(balance_wait_s(b, 100), BALANCE_GRACE_S);

	r = sync_ok(b, NULL, 0, 101);
	assert_int_equal(r.n_lost, 2);
	balance_result_done(&r);
	assert_int_equal(installed(&plane, s).where, 0);
	r = sync_ok(b, NULL, 0, 101 + BALANCE_GRACE_S);
	assert_int_equal(balance_wait_s(b, 101 + BALANCE_GRACE_S), 0);
	for (uint32_t i = 1; i < 8; i++)
		assert_int_equal(balance_backend(b, i)->state, XM_BACKEND_FREE);
	balance_free(b);
	host_clean(&plane);
}

static void a_backend_that_is_down_is_lost_once(void **state)
{
	struct service_tables *tables;
	struct balance_result r;
	static struct scene s[1];
	struct balance *b;
	struct plane plane;

	host_need_root();
	plane = host_load();
	assert_done(balance_new(&plane, 0, &b, &err));
	scene(s, "web", 0x0b000001, 1, 3);
	for (int i = 0; i < 3; i++)
		s->backends[i].port_name = 77;
	r = sync_ok(b, s, 1, 0);
	balance_result_done(&r);
	assert_done(balance_read(&plane, &tables, &err));
	assert_int_equal(tables->services[0].n_frontends, 1);
	assert_int_equal(tables->services[0].frontends[0].port_name, 77);
	service_tables_free(tables);

	s->backends[2].state = XM_BACKEND_DOWN;
	s->backends[2].why = XM_WHY_NODE_DOWN;
	s->pool.n_targets = 2;
	s->service.version++;
	r = sync_ok(b, s, 1, 1);
	assert_int_equal(r.n_lost, 1);
	assert_int_equal(balance_backend(b, r.lost[0])->state, XM_BACKEND_DOWN);
	assert_true(xm_addr_eq(&balance_backend(b, r.lost[0])->addr, &s->backends[2].addr));
	balance_result_done(&r);
	s->service.version++;
	r = sync_ok(b, s, 1, 2);
	assert_int_equal(r.n_lost, 0);
	balance_result_done(&r);
	balance_free(b);
	host_clean(&plane);
}

static void a_frontend_that_goes_over_is_never_missing(void **state)
{
	static struct scene s[2];
	struct balance *b;
	struct plane plane;
	uint32_t before;

	host_need_root();
	plane = host_load();
	assert_done(balance_new(&plane, 0, &b, &err));
	scene(&s[0], "a", 0x0b000001, 1, 2);
	scene(&s[1], "b", 0x0b000002, 2, 2);
	sync_ok(b, s, 2, 0);
	before = installed(&plane, &s[0]).number;
	scene(&s[1], "b", 0x0b000001, 2, 2);
	s[0].service.n_pools = 0;
	s[0].service.version++;
	sync_ok(b, s, 2, 1);
	assert_true(installed(&plane, &s[1]).number && installed(&plane, &s[1]).number != before);
	balance_free(b);
	host_clean(&plane);
}

/* ---- a reader beside the writer, with the key echo as the programs check it ---- */

static struct plane torn_plane;
static const uint32_t *torn_maglev;
static const struct xm_backend *torn_backends;
static struct xm_service_key torn_key;
static int torn_stop, torn_bad;
static unsigned long torn_reads;

static void *read_on(void *arg)
{
	uint32_t hash = 1;

	while (!__atomic_load_n(&torn_stop, __ATOMIC_ACQUIRE)) {
		struct xm_service s;
		uint32_t number;

		if (bpf_map_lookup_elem(torn_plane.map_fd[PLANE_xm_services], &torn_key, &s) ||
		    memcmp(&s.key, &torn_key, sizeof(torn_key)))
			continue;
		hash = hash * 1664525 + 1013904223;
		number = torn_maglev[(s.where >> 32) + xm_maglev_slot(hash, (uint32_t)s.where)];
		if (!number || torn_backends[number].service != s.number)
			torn_bad++;
		torn_reads++;
	}
	return NULL;
}

static void a_reader_beside_the_writer_finds_only_its_own_backends(void **state)
{
	static struct scene s[2];
	struct balance *b;
	pthread_t reader;

	host_need_root();
	torn_plane = host_load();
	torn_maglev = mmap(NULL, XM_MAGLEV_SLOTS * 4ul, PROT_READ, MAP_SHARED,
			   torn_plane.map_fd[PLANE_xm_maglev], 0);
	torn_backends = mmap(NULL, XM_MAX_BACKENDS * sizeof(struct xm_backend), PROT_READ, MAP_SHARED,
			     torn_plane.map_fd[PLANE_xm_backends], 0);
	assert_true(torn_maglev != MAP_FAILED && torn_backends != MAP_FAILED);
	assert_done(balance_new(&torn_plane, 0, &b, &err));
	scene(&s[0], "a", 0x0b000001, 1, 4);
	torn_key = s[0].frontend.key;
	sync_ok(b, s, 1, 0);
	assert_int_equal(pthread_create(&reader, NULL, read_on, NULL), 0);
	for (uint32_t i = 0; i < 3000; i++) {
		struct balance_result r;

		scene(&s[0], "a", 0x0b000001, 1 + (i & 1), 4 + i % 7);
		scene(&s[1], "b", 0x0b000002 + i, 9, 2);
		/* Five a second: as long as a grace period is, a slice is not written anew. */
		r = sync_ok(b, s, 1 + (i & 1), i / 50);
		balance_result_done(&r);
	}
	__atomic_store_n(&torn_stop, 1, __ATOMIC_RELEASE);
	pthread_join(reader, NULL);
	print_message("%lu reads, %d bad\n", torn_reads, torn_bad);
	assert_true(torn_reads > 100);
	assert_int_equal(torn_bad, 0);
	munmap((void *)torn_maglev, XM_MAGLEV_SLOTS * 4ul);
	munmap((void *)torn_backends, XM_MAX_BACKENDS * sizeof(struct xm_backend));
	balance_free(b);
	host_clean(&torn_plane);
}

static void as_much_as_fits_goes_in_and_the_limit_is_named(void **state)
{
	static const char name[] = "full";
	static struct scene s[1];
	struct balance *b;
	struct plane plane;
	const struct service *list[1] = { &s->service };
	struct balance_result r;

	host_need_root();
	plane = host_load();
	assert_done(balance_new(&plane, 0, &b, &err));
	scene(s, name, 0x0b000001, 1, 2);
	s->service.backends = calloc(XM_MAX_BACKENDS, sizeof(*s->service.backends));
	for (uint32_t i = 0; i < XM_MAX_BACKENDS; i++)
		s->service.backends[i] = (struct service_backend){
			.addr = xm_addr_v4(htonl(0x0a000000 + i)), .proto = 6, .state = XM_BACKEND_ACTIVE };
	s->service.n_backends = XM_MAX_BACKENDS;
	assert_int_equal(balance_sync(b, list, 1, 0, 1, &r, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "xm_backends is full: its limit is 262143"));
	assert_non_null(strstr(err.text, "unit/full"));
	balance_result_done(&r);
	s->service.n_backends--;
	r = sync_ok(b, s, 1, 1);
	balance_result_done(&r);
	free(s->service.backends);
	balance_free(b);
	host_clean(&plane);
}

/* ---- 10 000 services of 10 backends ---- */

/* What the kernel holds for a map, as bpftool shows it. */
static uint64_t memory_of(int fd)
{
	char path[64], line[128];
	unsigned long long bytes = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		sscanf(line, "memlock: %llu", &bytes);
	fclose(f);
	return bytes;
}

static void ten_thousand_services_take_less_than_256_mb(void **state)
{
	static const enum plane_map maps[] = {
		PLANE_xm_services, PLANE_xm_maglev, PLANE_xm_backends, PLANE_xm_service_names,
		PLANE_xm_vip_filter, PLANE_xm_affinity, PLANE_xm_sock_origin, PLANE_xm_flows,
		PLANE_xm_frags, PLANE_xm_flow_hint, PLANE_xm_probes, PLANE_xm_paths,
	};
	const size_t n = 10000;
	struct scene *s = calloc(n, sizeof(*s));
	const struct service **list = calloc(n, sizeof(*list));
	struct balance_result r;
	struct balance *b;
	struct plane plane;
	uint64_t sum = 0;
	char name[16];

	host_need_root();
	plane = host_load();
	assert_done(balance_new(&plane, 0, &b, &err));
	for (size_t i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "s%05zu", i);
		scene(&s[i], name, 0x0b000000 + (uint32_t)i, 0, 10);
		for (uint32_t k = 0; k < 10; k++)
			s[i].backends[k].addr = xm_addr_v4(htonl(0x0a000000 + (uint32_t)i * 16 + k));
		list[i] = &s[i].service;
	}
	assert_done(balance_sync(b, list, n, 0, 1, &r, &err));
	assert_int_equal(r.services, n);
	for (size_t i = 0; i < sizeof(maps) / sizeof(*maps); i++) {
		uint64_t bytes = memory_of(plane.map_fd[maps[i]]);

		print_message("%s: %.1f MB\n", plane_map_names[maps[i]], (double)bytes / 1e6);
		assert_true(bytes > 0);
		sum += bytes;
	}
	print_message("all: %.1f MB\n", (double)sum / 1e6);
	assert_true(sum <= 256ull << 20);
	balance_free(b);
	free(s);
	free(list);
	host_clean(&plane);
}

/* ---- following services_update() ---- */

#define FOLLOWED 3

static struct snapshot *three_services(void)
{
	struct snapshot *s = calloc(1, sizeof(*s));

	s->n_services = s->n_slices = FOLLOWED;
	s->services = calloc(FOLLOWED, sizeof(*s->services));
	s->slices = calloc(FOLLOWED, sizeof(*s->slices));
	for (uint32_t i = 0; i < FOLLOWED; i++) {
		struct service_object *v = &s->services[i];
		struct slice_object *slice = &s->slices[i];

		strcpy(v->space, "unit");
		snprintf(v->name, sizeof(v->name), "s%u", i);
		v->has_service = v->global = v->shared = true;
		v->n_vips = v->n_ports = slice->n_ports = slice->n_endpoints = 1;
		v->vips = calloc(1, sizeof(*v->vips));
		v->vips->addr = xm_addr_v4(htonl(0x0b000001 + i));
		v->ports = calloc(1, sizeof(*v->ports));
		*v->ports = (struct port_object){ .port = 80, .proto = 6 };
		strcpy(slice->space, v->space);
		strcpy(slice->service, v->name);
		slice->ports = calloc(1, sizeof(*slice->ports));
		*slice->ports = (struct port_object){ .port = 8080, .proto = 6 };
		slice->endpoints = calloc(1, sizeof(*slice->endpoints));
		*slice->endpoints = (struct endpoint_object){
			.addr = xm_addr_v4(htonl(0x0a000001 + i)), .ready = true, .serving = true };
	}
	snapshot_finish(s);
	return s;
}

/* The changes of which updates are kept from the maps, and that nothing is lost by it. */
static void a_change_that_was_missed_is_found(void **state)
{
	struct config_cluster config = { .name = "unit", .id = 1 };
	struct snapshot *snapshot = three_services();
	struct mesh_cluster cluster = { .config = &config, .own = true, .snapshot = snapshot };
	struct mesh mesh = { .clusters = &cluster, .n_clusters = 1 };
	bool stale[1] = { false };
	struct services_input input = { .mesh = &mesh, .stale = stale };
	static const struct { bool missed[2]; size_t touched; } rows[] = {
		{ { false, false }, 1 }, { { true, false }, 2 }, { { false, true }, 1 },
		{ { true, true }, 0 }, { { true, false }, 2 },
	};
	const struct service *const *list;
	struct services *services;
	struct balance_result r;
	struct balance *b;
	struct plane plane;
	size_t n = 0;

	host_need_root();
	plane = host_load();
	assert_int_equal(services_new(&services), 0);
	assert_done(balance_new(&plane, 0, &b, &err));
	assert_done(services_update(services, &input, &err));
	assert_done(balance_follow(b, services, 0, 1, &r, &err));
	assert_int_equal(r.services, FOLLOWED);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		for (size_t k = 0; k < 2; k++) {
			/* Each another service than the one before. */
			snapshot->slices[k].endpoints->addr.b[14] ^= 1;
			snapshot_finish(snapshot);
			assert_done(services_update(services, &input, &err));
			if (rows[i].missed[k])
				continue;
			assert_done(balance_follow(b, services, 0, 1, &r, &err));
			n = r.services;
			balance_result_done(&r);
		}
		if (!rows[i].missed[1] && n != rows[i].touched)
			fail_msg("row %zu: %zu services touched", i, n);
	}
	/* A whole walk finds nothing that is left to do. */
	list = services_list(services, &n);
	assert_done(balance_sync(b, list, n, 0, 1, &r, &err));
	assert_int_equal(r.services, 0);
	balance_free(b);
	services_free(services);
	snapshot_free(snapshot);
	host_clean(&plane);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_service_comes_changes_and_goes),
		cmocka_unit_test(a_backend_that_is_down_is_lost_once),
		cmocka_unit_test(a_frontend_that_goes_over_is_never_missing),
		cmocka_unit_test(a_reader_beside_the_writer_finds_only_its_own_backends),
		cmocka_unit_test(ten_thousand_services_take_less_than_256_mb),
		cmocka_unit_test(a_change_that_was_missed_is_found),
		cmocka_unit_test(as_much_as_fits_goes_in_and_the_limit_is_named),
	};

	return cmocka_run_group_tests_name("balance", tests, host_setup, host_teardown);
}
