/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The tables of global services as `map dump` and `map get` show them, from real maps. */
#include "maps.h"

static void every_table_shows_a_service(void **state)
{
	struct map_key vip = { .set = true, .addr = addr_of("11.0.0.1") };
	struct map_key other = { .set = true, .addr = addr_of("11.0.0.2") };
	struct map_key number = { .set = true };
	struct service_tables *tables;
	char text[64], *shown;
	struct maps m;

	host_need_root();
	maps_open(&m);
	maps_expect(&m, PLANE_xm_services, NULL, 0, NULL, 0);
	maps_expect(&m, PLANE_xm_maglev, NULL, 0, NULL, 0);
	maps_expect(&m, PLANE_xm_backends, NULL, 0, NULL, 0);
	maps_expect(&m, PLANE_xm_service_names, NULL, 0, NULL, 0);
	maps_service(&m);
	MAPS_EXPECT(&m, PLANE_xm_services, NULL, 1, "\"frontend\": \"11.0.0.1:80\"", "\"protocol\": \"tcp\"",
		    "\"scope\": \"client\"", "\"cluster\": \"east\"", "\"service\": \"shop/web\"",
		    "\"kind\": \"external_ip\"", "\"targets\": 1", "\"affinity_s\": 60", "\"age_s\": 10");
	MAPS_EXPECT(&m, PLANE_xm_services, &vip, 1, "11.0.0.1:80");
	maps_expect(&m, PLANE_xm_services, &other, 0, NULL, 0);
	MAPS_EXPECT(&m, PLANE_xm_backends, NULL, 2, "\"address\": \"10.1.1.2:8080\"", "\"node\": \"east-1\"",
		    "\"state\": \"active\"", "\"local\": true", "\"address\": \"fd00:2::2\"",
		    "\"node\": \"west-1\"", "\"state\": \"standby\"", "\"is_node\": false",
		    "a cluster that is preferred has usable backends");
	MAPS_EXPECT(&m, PLANE_xm_service_names, NULL, 1, "\"service\": \"shop/web\"",
		    "\"prefer\": \"local,*\"", "\"weights\": null");
	MAPS_EXPECT(&m, PLANE_xm_vip_filter, NULL, 3, "\"scope\": \"client\"", "\"bits_set\": 1",
		    "\"bits_set\": 0", "\"bits\": 65536");

	assert_done(balance_read(&m.plane, &tables, &err));
	number.number = tables->services[0].backends[1].number;
	MAPS_EXPECT(&m, PLANE_xm_backends, &number, 1, "fd00:2::2");
	/* Every slot of the one slice is the active backend's. */
	number.number = tables->services[0].frontends[0].service.where >> 32;
	snprintf(text, sizeof(text), "\"backend\": %u", tables->services[0].backends[0].number);
	assert_int_equal(maps_rows(&m, PLANE_xm_maglev, &number, &shown), 1);
	assert_shows(shown, text);
	free(shown);
	assert_int_equal(maps_rows(&m, PLANE_xm_maglev, NULL, &shown),
			 (uint32_t)tables->services[0].frontends[0].service.where);
	free(shown);
	number.number = tables->services[0].number + 1;
	maps_expect(&m, PLANE_xm_service_names, &number, 0, NULL, 0);
	service_tables_free(tables);
	maps_close(&m);
}

/* A frontend of nobody's whose slice is the @n slots from @first on, which bear the numbers from 1 on. */
static void slice(struct maps *m, uint32_t first, uint32_t n)
{
	struct xm_service service = { .where = (uint64_t)first << 32 | n, .number = 7, .n_targets = 1 };

	service.key = (struct xm_service_key){ .addr = addr_of("11.0.0.9"), .port = htons(80), .proto = IPPROTO_TCP,
					       .cluster = 1 };
	assert_int_equal(bpf_map_update_elem(m->plane.map_fd[PLANE_xm_services], &service.key, &service, BPF_ANY), 0);
	assert_int_equal(bpf_map_update_elem(m->plane.map_fd[PLANE_xm_service_names], &service.number,
					     &(struct xm_service_name){ .space = "a", .name = "b" }, BPF_ANY), 0);
	for (uint32_t i = 0; i < n; i++) {
		const uint32_t slot = first + i, at = slot >> 1;
		struct xm_maglev_pair pair;

		assert_int_equal(bpf_map_lookup_elem(m->plane.map_fd[PLANE_xm_maglev], &at, &pair), 0);
		pair.backend[slot & 1] = i + 1;
		assert_int_equal(bpf_map_update_elem(m->plane.map_fd[PLANE_xm_maglev], &at, &pair, BPF_ANY), 0);
	}
}

/* Slots are read by the piece. */
static void each_slot_is_shown_once(void **state)
{
	struct map_key key = { .set = true };
	char text[64], *shown, *at;
	struct maps m;

	host_need_root();
	maps_open(&m);
	slice(&m, 2 * 65536 - 3, 7);
	assert_int_equal(maps_rows(&m, PLANE_xm_maglev, NULL, &shown), 7);
	at = shown;
	for (uint32_t i = 0; i < 7; i++) {
		snprintf(text, sizeof(text), "\"slot\": %u", 2 * 65536 - 3 + i);
		at = strstr(at, text);
		assert_non_null(at);
		snprintf(text, sizeof(text), "\"backend\": %u", i + 1);
		at = strstr(at, text);
		assert_non_null(at);
	}
	free(shown);
	key.number = 2 * 65536 + 1;
	MAPS_EXPECT(&m, PLANE_xm_maglev, &key, 1, "\"slot\": 131073", "\"backend\": 5");
	/* The last of all, in no slice. */
	key.number = XM_MAGLEV_SLOTS - 1;
	MAPS_EXPECT(&m, PLANE_xm_maglev, &key, 1, "\"slot\": 16777215", "\"backend\": 0");
	maps_close(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_table_shows_a_service),
		cmocka_unit_test(each_slot_is_shown_once),
	};

	return cmocka_run_group_tests_name("mapview_service", tests, host_setup, host_teardown);
}
