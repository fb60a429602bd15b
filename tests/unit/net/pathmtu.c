/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The largest packet to a node: real echoes over a veth whose far end takes less than the near one. */
#include "unit/net/lab.h"

#include <errno.h>

#include "net/pathmtu.h"

/* near (in this namespace) 1500 - FAR bytes - far in another: larger ones are dropped without a word. */
static void wire(int *near, int *far, unsigned int far_mtu)
{
	*far = lab_new();
	lab_run("ip link set lo up");
	lab_run("sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0");
	*near = lab_new();
	lab_run("ip link set lo up");
	lab_run("sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0");
	lab_run("ip link add near type veth peer name far");
	lab_run("ip link set far netns /proc/%d/fd/%d", getpid(), *far);
	lab_run("ip addr add 192.0.2.1/24 dev near && ip addr add 2001:db8::1/64 dev near nodad && ip link set near up");
	lab_enter(*far);
	lab_run("ip link set far mtu %u && ip addr add 192.0.2.2/24 dev far && ip addr add 2001:db8::2/64 dev far nodad && "
		"ip link set far up", far_mtu);
	lab_enter(*near);
}

static struct pathmtu_target target(const char *addr, uint32_t limit)
{
	struct pathmtu_target t = { .limit = limit };

	assert_int_equal(addr_parse(addr, &t.addr, NULL), 0);
	return t;
}

static void both_families_find_what_the_far_end_takes(void **state)
{
	struct pathmtu_target t[] = { target("192.0.2.2", 1500), target("2001:db8::2", 1500),
				      target("192.0.2.9", 1500) };
	struct err err;
	int near, far;

	wire(&near, &far, 1423);
	assert_int_equal(pathmtu_sweep(t, 3, &err), 0);
	/* A veth leaves room for a VLAN tag. */
	assert_int_equal(t[0].largest, 1423 + 4);
	assert_int_equal(t[1].largest, 1423 + 4);
	/* Nobody is there. */
	assert_int_equal(t[2].largest, 0);
	close(near);
	close(far);
}

static void a_path_that_takes_all_needs_one_size(void **state)
{
	struct pathmtu_target t[] = { target("192.0.2.2", 1500), target("2001:db8::2", 1500) };
	struct timespec a, b;
	struct err err;
	int near, far;

	wire(&near, &far, 1500);
	clock_gettime(CLOCK_MONOTONIC, &a);
	assert_int_equal(pathmtu_sweep(t, 2, &err), 0);
	clock_gettime(CLOCK_MONOTONIC, &b);
	assert_int_equal(t[0].largest, 1500);
	assert_int_equal(t[1].largest, 1500);
	/* Nothing was waited for to its end. */
	assert_true((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000 < 2 * PATHMTU_WAIT_MS);
	close(near);
	close(far);
}

static void more_than_the_interface_takes_is_known_at_once(void **state)
{
	struct pathmtu_target t[] = { target("192.0.2.2", 9000) };
	struct err err;
	int near, far;

	wire(&near, &far, 1500);
	assert_int_equal(pathmtu_sweep(t, 1, &err), 0);
	assert_in_range(t[0].largest, 1492, 1500);
	assert_int_not_equal(t[0].told, 0);
	close(near);
	close(far);
}

static void too_many_at_once_are_refused(void **state)
{
	static struct pathmtu_target t[PATHMTU_MAX_TARGETS + 1];
	struct err err;

	assert_int_equal(pathmtu_sweep(t, PATHMTU_MAX_TARGETS + 1, &err), -E2BIG);
	assert_non_null(strstr(err.text, "257 nodes at once"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_families_find_what_the_far_end_takes),
		cmocka_unit_test(a_path_that_takes_all_needs_one_size),
		cmocka_unit_test(more_than_the_interface_takes_is_known_at_once),
		cmocka_unit_test(too_many_at_once_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
