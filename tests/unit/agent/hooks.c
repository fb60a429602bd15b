/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which attachments a turn makes, replaces and removes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/hooks.h"
#include "core/defs.h"

#define ROW_MAX 4

struct row {
	const char *name;
	struct hook_want want[ROW_MAX];
	struct attach_hook have[ROW_MAX];
	const char *ops; /* "remove 3, tc 3, xdp 3" */
};

#define UNDERLAY(i, x) { .ifindex = i, .name = "eth", .role = ATTACH_UNDERLAY, .xdp = x }
#define POD(i) { .ifindex = i, .name = "veth", .role = ATTACH_POD }
#define TO_POD(i) { .ifindex = i, .name = "veth", .role = ATTACH_TO_POD }
#define HAVE(i, p, h, c) { .ifindex = i, .ifname = "x", .prog = p, .how = h, .current = c }

static const struct row rows[] = {
	{ "nothing wanted, nothing there: nothing to do", { { 0 } }, { { 0 } }, "" },
	{ "what is wanted and not there is attached, in the order given", { UNDERLAY(2, CONFIG_XDP_OFF), POD(3) },
	  { { 0 } }, "tc 2, tc 3, " },
	{ "what is there and current is left alone", { POD(3) },
	  { HAVE(3, PLANE_FROM_POD, ATTACH_TCX, true) }, "" },
	{ "a program of another load is replaced without a removal", { POD(3) },
	  { HAVE(3, PLANE_FROM_POD, ATTACH_CLSACT, false) }, "tc 3, " },
	{ "an interface that is not wanted any more is cleared", { { 0 } },
	  { HAVE(3, PLANE_FROM_POD, ATTACH_TCX, true) }, "remove 3, " },
	{ "an interface in another role is cleared first", { UNDERLAY(3, CONFIG_XDP_OFF) },
	  { HAVE(3, PLANE_FROM_POD, ATTACH_TCX, true) }, "remove 3, tc 3, " },
	{ "XDP as configured comes on top", { UNDERLAY(2, CONFIG_XDP_NATIVE) },
	  { HAVE(2, PLANE_FROM_NET, ATTACH_TCX, true) }, "xdp 2, " },
	{ "auto attaches no XDP while there are no VIPs", { UNDERLAY(2, CONFIG_XDP_AUTO) },
	  { HAVE(2, PLANE_FROM_NET, ATTACH_TCX, true) }, "" },
	{ "XDP that is switched off is removed, tc stays", { UNDERLAY(2, CONFIG_XDP_OFF) },
	  { HAVE(2, PLANE_FROM_NET, ATTACH_TCX, true), HAVE(2, PLANE_XDP, ATTACH_XDP_NATIVE, true) },
	  "remove xdp 2, " },
	{ "XDP in the other mode is changed, tc stays", { UNDERLAY(2, CONFIG_XDP_GENERIC) },
	  { HAVE(2, PLANE_FROM_NET, ATTACH_TCX, true), HAVE(2, PLANE_XDP, ATTACH_XDP_NATIVE, true) },
	  "xdp 2, " },
	{ "a pod's interface has a program for each direction", { POD(3), TO_POD(3) },
	  { HAVE(3, PLANE_FROM_POD, ATTACH_TCX, true) }, "tc 3, " },
	{ "both are left alone when they are current", { POD(3), TO_POD(3) },
	  { HAVE(3, PLANE_FROM_POD, ATTACH_TCX, true), HAVE(3, PLANE_TO_POD, ATTACH_CLSACT, true) }, "" },
	{ "both directions of what is not wanted go in one", { POD(4) },
	  { HAVE(3, PLANE_FROM_POD, ATTACH_TCX, true), HAVE(3, PLANE_TO_POD, ATTACH_TCX, true) },
	  "remove 3, tc 4, " },
	{ "XDP is never put on a pod's interface", { POD(3) }, { HAVE(3, PLANE_XDP, ATTACH_XDP_NATIVE, true) },
	  "remove xdp 3, tc 3, " },
};

static void check(void **state)
{
	const struct row *row = *state;
	static const char *const verbs[] = { [HOOK_REMOVE] = "remove", [HOOK_REMOVE_XDP] = "remove xdp",
					       [HOOK_TC] = "tc", [HOOK_XDP] = "xdp" };
	auto_free struct hook_op *ops = NULL;
	size_t n_want = 0, n_have = 0, n = 0, len = 0;
	char text[256] = "";

	while (n_want < ROW_MAX && row->want[n_want].ifindex)
		n_want++;
	while (n_have < ROW_MAX && row->have[n_have].ifindex)
		n_have++;
	assert_int_equal(hooks_plan(row->want, n_want, row->have, n_have, &ops, &n), 0);
	for (size_t i = 0; i < n; i++)
		len += snprintf(text + len, sizeof(text) - len, "%s %u, ", verbs[ops[i].verb], ops[i].ifindex);
	assert_string_equal(text, row->ops);
}

static void says_what(void **state)
{
	struct hook_op op = { .verb = HOOK_XDP, .ifindex = 2, .name = "eth0", .native = true };
	char text[64];

	hook_op_text(&op, text, sizeof(text));
	assert_string_equal(text, "attach xm_xdp (native) to eth0");
	op = (struct hook_op){ .verb = HOOK_REMOVE, .ifindex = 7 };
	hook_op_text(&op, text, sizeof(text));
	assert_string_equal(text, "detach from interface 7, which is gone");
}

static void auto_is_native_where_it_gains(void **state)
{
	struct config config = { .xdp = CONFIG_XDP_AUTO };

	assert_int_equal(xdp_effective(&config, true, true), CONFIG_XDP_NATIVE);
	assert_int_equal(xdp_effective(&config, false, true), CONFIG_XDP_OFF);
	assert_int_equal(xdp_effective(&config, true, false), CONFIG_XDP_OFF);
	config.xdp = CONFIG_XDP_GENERIC;
	assert_int_equal(xdp_effective(&config, false, false), CONFIG_XDP_GENERIC);
	config.xdp = CONFIG_XDP_OFF;
	assert_int_equal(xdp_effective(&config, true, true), CONFIG_XDP_OFF);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows) + 2];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		tests[i] = (struct CMUnitTest){ rows[i].name, check, NULL, NULL, (void *)&rows[i] };
	tests[ARRAY_SIZE(rows)] = (struct CMUnitTest){ "an operation is told in words", says_what, NULL, NULL, NULL };
	tests[ARRAY_SIZE(rows) + 1] = (struct CMUnitTest){ "xdp: auto is native on cards, for VIPs",
							   auto_is_native_where_it_gains, NULL, NULL, NULL };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
