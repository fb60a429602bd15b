/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Keys as people write them, and rows of tables that need no kernel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/mapview.h"
#include "core/addr.h"
#include "core/defs.h"

static struct wanted_cluster cluster = { .id = 2, .cluster = { .name = "west", .origin = "dir /f", .mode6 = XM_MODE_NATIVE } };
static struct wanted_pod pod = { .pod = { .ifindex = 1, .flags = XM_POD_STATIC, .mtu = 1500 } };
static struct wanted actual = { .clusters = &cluster, .n_clusters = 1, .pods = &pod, .n_pods = 1 };
static const struct view view = { .actual = &actual };

struct row { const char *name; enum plane_map map; const char *text; int code; uint32_t number; };

static const struct row rows[] = {
	{ "a counter by hook and reason", PLANE_xm_counters, "from_net/peer_source", 0,
	  XM_COUNTER_INDEX(XM_HOOK_FROM_NET, XM_DROP_PEER_SOURCE) },
	{ "a counter by a reason that is none", PLANE_xm_counters, "from_net/nosuch", -EINVAL, 0 },
	{ "a counter without its hook", PLANE_xm_counters, "peer_source", -EINVAL, 0 },
	{ "a cluster by name", PLANE_xm_clusters, "west", 0, 2 },
	{ "a cluster by id", PLANE_xm_clusters, "7", 0, 7 },
	{ "an interface by name", PLANE_xm_ifaces, "lo", 0, 1 },
	{ "an interface by index", PLANE_xm_ifaces, "77", 0, 77 },
	{ "a node by number", PLANE_xm_node_names, "5", 0, 5 },
	{ "a node number out of range", PLANE_xm_node_names, "65536", -EINVAL, 0 },
	{ "an address that is none", PLANE_xm_pods, "10.0.0", -EINVAL, 0 },
	{ "a prefix with host bits", PLANE_xm_routes, "10.0.0.1/24", -EINVAL, 0 },
	{ "a ring buffer has no keys", PLANE_xm_events, "0", -EINVAL, 0 },
};

static void check(void **state)
{
	const struct row *row = *state;
	struct map_key key = { .number = 99 };
	struct err err = { 0 };

	assert_int_equal(mapview_key(&view, row->map, row->text, &key, &err), row->code);
	if (row->code) {
		assert_int_equal(key.number, 99);
		assert_true(err.text[0]);
	} else {
		assert_true(key.set);
		assert_int_equal(key.number, row->number);
	}
}

static size_t emit_rows(enum plane_map map, const struct map_key *key, char **ret_text)
{
	struct emit *emit;
	size_t size = 0, n = 0;
	FILE *out = open_memstream(ret_text, &size);

	assert_int_equal(emit_new(true, out, &emit), 0);
	assert_int_equal(mapview_emit(&view, map, key, emit, &n, NULL), 0);
	emit_free(emit);
	fclose(out);
	return n;
}

static void filters(void **state)
{
	struct map_key key = { .set = true };
	char *text;

	addr_parse("10.1.0.2", &pod.addr, NULL);
	assert_int_equal(emit_rows(PLANE_xm_pods, NULL, &text), 1);
	assert_non_null(strstr(text, "\"address\": \"10.1.0.2\""));
	assert_non_null(strstr(text, "\"interface\": \"lo\""));
	assert_non_null(strstr(text, "\"by_hand\": true"));
	free(text);
	assert_int_equal(emit_rows(PLANE_xm_pods, &key, &text), 0);
	free(text);
	key.addr = pod.addr;
	assert_int_equal(emit_rows(PLANE_xm_pods, &key, &text), 1);
	free(text);
	assert_int_equal(emit_rows(PLANE_xm_clusters, NULL, &text), 1);
	assert_non_null(strstr(text, "\"ipv6_mode\": \"native\""));
	free(text);
	/* A config that nobody wrote is no entry. */
	assert_int_equal(emit_rows(PLANE_xm_config, NULL, &text), 0);
	free(text);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows) + 1];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		tests[i] = (struct CMUnitTest){ rows[i].name, check, NULL, NULL, (void *)&rows[i] };
	tests[ARRAY_SIZE(rows)] = (struct CMUnitTest){ "a key picks one entry, a dump has all", filters, NULL, NULL, NULL };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
