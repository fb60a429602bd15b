/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* xmesh0 in a namespace of its own: made, changed in place, made anew, refused, removed. */
#include "lab.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "core/vec.h"
#include "net/device.h"

static struct device_config config(void)
{
	return (struct device_config){ .name = "xmesh0",
				       .port = 8492,
				       .mac = { 0x02, 0x78, 192, 0, 2, 1 },
				       .mtu = 1450,
				       .instance = "default" };
}

static void the_device_is_made_once_and_changed_in_place(void **state)
{
	struct device_config c = config();
	struct err err = { .text = "" };
	uint32_t first, again;
	struct nl *nl;

	close(lab_new());
	assert_int_equal(nl_open(&nl, &err), 0);
	if (device_ensure(nl, &c, &first, &err))
		fail_msg("%s", err.text);
	lab_run("ip -d link show xmesh0 | grep -q 'alias xmesh default'");
	lab_run("ip link show xmesh0 | tr '\\n' ' ' | grep -q 'UP.*mtu 1450 .*02:78:c0:00:02:01'");
	/* Order and names as iproute2 6.1 prints them, and 6.15. */
	lab_run("ip -d link show xmesh0 | grep -q 'vxlan .*dstport 8492 .*nolearning'");
	lab_run("ip -d link show xmesh0 | grep -q 'vxlan .*external '");
	lab_run("ip -d link show xmesh0 | grep -qE 'udp6zerocsumtx udp6zerocsumrx|"
		"udp_zero_csum6_tx udp_zero_csum6_rx'");
	lab_run("test $(cat /proc/sys/net/ipv4/conf/xmesh0/rp_filter) = 2");
	lab_run("test $(cat /proc/sys/net/ipv6/conf/xmesh0/forwarding) = 1");
	assert_int_equal(device_ensure(nl, &c, &again, &err), 0);
	assert_int_equal(first, again);

	c.mtu = 8950;
	c.mac[5] = 9;
	assert_int_equal(device_ensure(nl, &c, &again, &err), 0);
	assert_int_equal(first, again);
	lab_run("ip link show xmesh0 | tr '\\n' ' ' | grep -q 'mtu 8950 .*02:78:c0:00:02:09'");

	/* Somebody else's doing is undone. */
	lab_run("ip link set xmesh0 down mtu 1300");
	assert_int_equal(device_ensure(nl, &c, &again, &err), 0);
	lab_run("ip link show xmesh0 | grep -q '[<,]UP[,>].*mtu 8950'");

	c.port = 8493;
	assert_int_equal(device_ensure(nl, &c, &again, &err), 0);
	assert_int_not_equal(first, again);
	lab_run("ip -d link show xmesh0 | grep -q 'dstport 8493'");

	assert_int_equal(device_remove(nl, "xmesh0", "default", &err), 0);
	assert_int_not_equal(lab_try("ip link show xmesh0 2>/dev/null >&2"), 0);
	assert_int_equal(device_remove(nl, "xmesh0", "default", &err), 0);
	nl_close(nl);
}

static const struct {
	const char *holds, *before;
	int code;
	const char *words;
} refusals[] = {
	{ "a VXLAN device on our port is named", "ip link add flannel.1 type vxlan id 1 dstport 8492",
	  -EADDRINUSE, "flannel.1" },
	{ "a device of our name but another kind is refused", "ip link add xmesh0 type bridge", -EEXIST,
	  "kind bridge" },
	{ "a VXLAN device of our name that is not ours is refused",
	  "ip link add xmesh0 type vxlan external dstport 8492 && ip link set xmesh0 up", -EEXIST,
	  "not ours" },
	{ "the device of another instance is refused, naming it",
	  "ip link add xmesh0 type vxlan external dstport 8492 && ip link set xmesh0 alias 'xmesh blue'", -EEXIST,
	  "instance blue" },
};

static void what_is_not_ours_is_refused(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		struct device_config c = config();
		struct err err = { .text = "" };
		uint32_t ifindex = 77;
		struct nl *nl;

		print_message("%s\n", refusals[i].holds);
		close(lab_new());
		assert_int_equal(lab_try("%s", refusals[i].before), 0);
		assert_int_equal(nl_open(&nl, &err), 0);
		assert_int_equal(device_ensure(nl, &c, &ifindex, &err), refusals[i].code);
		assert_int_equal(ifindex, 77);
		if (!strstr(err.text, refusals[i].words))
			fail_msg("\"%s\" does not say \"%s\"", err.text, refusals[i].words);
		if (refusals[i].code == -EEXIST)
			assert_int_equal(device_remove(nl, "xmesh0", "default", &err), -EEXIST);
		nl_close(nl);
	}
}

static void a_port_held_by_a_program_is_refused_and_leaves_nothing_behind(void **state)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = __builtin_bswap16(8492) };
	struct device_config c = config();
	struct err err = { .text = "" };
	auto_close int fd = -1;
	uint32_t ifindex;
	struct nl *nl;

	close(lab_new());
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(nl_open(&nl, &err), 0);
	assert_int_equal(device_ensure(nl, &c, &ifindex, &err), -EADDRINUSE);
	assert_non_null(strstr(err.text, "8492"));
	assert_int_not_equal(lab_try("ip link show xmesh0 2>/dev/null >&2"), 0);
	nl_close(nl);
}

static void a_half_made_device_is_adopted(void **state)
{
	struct device_config c = config();
	struct err err = { .text = "" };
	uint32_t ifindex;
	struct nl *nl;

	close(lab_new());
	lab_run("ip link add xmesh0 address 02:78:c0:00:02:01 type vxlan external dstport 8492 "
		"nolearning udp6zerocsumtx udp6zerocsumrx");
	assert_int_equal(nl_open(&nl, &err), 0);
	assert_int_equal(device_ensure(nl, &c, &ifindex, &err), 0);
	lab_run("ip link show xmesh0 | grep -q 'alias xmesh default'");
	nl_close(nl);
}

struct guarded {
	unsigned int calls;
	int was_up, code;
};

static int guard(void *user, uint32_t ifindex, struct err *err)
{
	struct guarded *g = user;

	g->calls++;
	g->was_up |= !lab_try("ip link show xmesh0 | grep -q '[<,]UP[,>]'");
	return g->code ? err_set(err, g->code, "no guard") : 0;
}

/* A device that is up takes packets from anybody: its program has to be there before. */
static void the_guard_is_called_while_the_device_is_down(void **state)
{
	struct guarded g = { .code = -EPERM };
	struct device_config c = config();
	struct err err = { .text = "" };
	uint32_t ifindex;
	struct nl *nl;

	c.guard = guard;
	c.user = &g;
	close(lab_new());
	assert_int_equal(nl_open(&nl, &err), 0);
	assert_int_equal(device_ensure(nl, &c, &ifindex, &err), -EPERM);
	assert_int_not_equal(lab_try("ip link show xmesh0 2>/dev/null >&2"), 0);
	g.code = 0;
	assert_int_equal(device_ensure(nl, &c, &ifindex, &err), 0);
	assert_int_equal(g.calls, 2);
	/* It is up now, and has its guard. */
	assert_int_equal(device_ensure(nl, &c, &ifindex, &err), 0);
	assert_int_equal(g.calls, 2);
	assert_false(g.was_up);
	nl_close(nl);
}

static void sysctls_in_the_way_are_named(void **state)
{
	static const char *const names[] = { "lo" };
	char **notes;
	size_t n;

	close(lab_new());
	lab_run("echo 0 > /proc/sys/net/ipv4/ip_forward");
	lab_run("echo 1 > /proc/sys/net/ipv6/conf/all/forwarding");
	lab_run("echo 1 > /proc/sys/net/ipv4/conf/all/rp_filter");
	assert_int_equal(device_check_sysctls(names, 1, &notes, &n), 0);
	assert_int_equal(n, 2);
	assert_non_null(strstr(notes[0], "ip_forward"));
	assert_non_null(strstr(notes[1], "rp_filter on lo"));
	vec_free_notes(notes, n);
	lab_run("echo 1 > /proc/sys/net/ipv4/ip_forward");
	lab_run("echo 2 > /proc/sys/net/ipv4/conf/lo/rp_filter");
	assert_int_equal(device_check_sysctls(names, 1, &notes, &n), 0);
	assert_int_equal(n, 0);
	vec_free_notes(notes, n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_device_is_made_once_and_changed_in_place),
		cmocka_unit_test(what_is_not_ours_is_refused),
		cmocka_unit_test(a_port_held_by_a_program_is_refused_and_leaves_nothing_behind),
		cmocka_unit_test(a_half_made_device_is_adopted),
		cmocka_unit_test(the_guard_is_called_while_the_device_is_down),
		cmocka_unit_test(sysctls_in_the_way_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
