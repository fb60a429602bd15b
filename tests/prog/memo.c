/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the programs remember of routes and pods: never longer, and never of another address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "core/defs.h"
#include "row.h"
#include "xmesh/wire.h"

static void send(const char *src, const char *dst, struct outcome *ret_outcome)
{
	const struct layer layers[] = { ETH(), IP4(src, dst), UDP(1000, 53), DATA(40),
					{ .kind = L_END } };
	struct run run = { .load = LOAD_FULL, .prog = FROM_POD, .in_if = IF_A };
	struct pkt in;

	pkt_build(layers, NULL, &in);
	fix_run(&run, &in, ret_outcome);
	assert_int_equal(ret_outcome->err, 0);
}

static void test_a_route_that_went(void **state)
{
	struct xm_prefix prefix = { .plen = 120, .addr = fix_addr("10.2.0.0") };
	int map = fix_map(LOAD_FULL, "xm_routes");
	static struct outcome before, after, again;
	struct xm_route route;

	send("10.1.0.2", "10.2.0.9", &before);
	assert_int_equal(bpf_map_lookup_elem(map, &prefix, &route), 0);
	assert_int_equal(bpf_map_delete_elem(map, &prefix), 0);
	fix_epoch(LOAD_FULL);
	send("10.1.0.2", "10.2.0.9", &after);
	assert_int_equal(bpf_map_update_elem(map, &prefix, &route, BPF_ANY), 0);
	fix_epoch(LOAD_FULL);
	send("10.1.0.2", "10.2.0.9", &again);
	assert_int_equal(before.verdict, TC_ACT_REDIRECT);
	assert_int_equal(after.verdict, TC_ACT_UNSPEC);
	assert_int_equal(again.verdict, TC_ACT_REDIRECT);
}

static void test_a_pod_that_moved(void **state)
{
	struct xm_addr addr = fix_addr("10.1.0.2");
	int map = fix_map(LOAD_FULL, "xm_pods");
	static struct outcome before, after;
	struct events events;
	struct xm_pod pod, elsewhere;

	send("10.1.0.2", "10.2.0.9", &before);
	assert_int_equal(bpf_map_lookup_elem(map, &addr, &pod), 0);
	elsewhere = pod;
	elsewhere.ifindex = fix_ifindex(IF_B);
	assert_int_equal(bpf_map_update_elem(map, &addr, &elsewhere, BPF_ANY), 0);
	fix_epoch(LOAD_FULL);
	send("10.1.0.2", "10.2.0.9", &after);
	assert_int_equal(bpf_map_update_elem(map, &addr, &pod, BPF_ANY), 0);
	fix_epoch(LOAD_FULL);
	fix_events(LOAD_FULL, &events);
	assert_int_equal(before.verdict, TC_ACT_REDIRECT);
	assert_int_equal(after.verdict, TC_ACT_SHOT);
}

/* Two addresses of a tunnelled and a native prefix that share a slot take turns in it. */
static void test_addresses_that_share_a_slot(void **state)
{
	static struct outcome tunnel, native;
	char a[16], b[16];
	int pairs = 0;

	for (int i = 1; i < 255 && pairs < 3; i++) {
		for (int k = 1; k < 255 && pairs < 3; k++) {
			struct xm_addr x, y;

			snprintf(a, sizeof(a), "10.2.0.%d", i);
			snprintf(b, sizeof(b), "10.3.0.%d", k);
			x = fix_addr(a);
			y = fix_addr(b);
			if (xm_memo_slot(&x) != xm_memo_slot(&y))
				continue;
			pairs++;
			for (int turn = 0; turn < 2; turn++) {
				send("10.1.0.2", a, &tunnel);
				send("10.1.0.2", b, &native);
				assert_int_equal(tunnel.verdict, TC_ACT_REDIRECT);
				assert_int_equal(native.verdict, TC_ACT_REDIRECT);
				assert_int_equal(tunnel.out.len, native.out.len + XM_OVERHEAD_V4);
			}
		}
	}
	assert_int_equal(pairs, 3);
}

const struct CMUnitTest memo_tests[] = {
	{ "a route that went is forgotten, and found when it is back", test_a_route_that_went, NULL,
	  NULL, NULL },
	{ "a pod that moved may not send from where it was", test_a_pod_that_moved, NULL, NULL,
	  NULL },
	{ "addresses that share a slot do not answer for each other",
	  test_addresses_that_share_a_slot, NULL, NULL, NULL },
};

const size_t n_memo_tests = ARRAY_SIZE(memo_tests);
