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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_table_shows_a_service),
	};

	return cmocka_run_group_tests_name("mapview_service", tests, host_setup, host_teardown);
}
