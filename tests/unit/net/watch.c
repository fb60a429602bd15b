/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is told and what is not. That nothing is told is shown without waiting for it: behind the
 * silent change a loud one is made, and both together must give exactly one telling.
 */
#include "lab.h"

#include <errno.h>

#include "net/watch.h"

struct seen {
	uv_loop_t loop;
	unsigned int n;
};

static void changed(void *user)
{
	((struct seen *)user)->n++;
}

static void on_deadline(uv_timer_t *timer)
{
	*(bool *)timer->data = true;
}

/* Run the loop until @n tellings in all were seen. False after five seconds. */
static bool wait_for(struct seen *seen, unsigned int n)
{
	bool late = false;
	uv_timer_t timer;

	uv_timer_init(&seen->loop, &timer);
	timer.data = &late;
	/* The loop's clock stood still while we did other things. */
	uv_update_time(&seen->loop);
	uv_timer_start(&timer, on_deadline, 5000, 0);
	while (seen->n < n && !late)
		uv_run(&seen->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&seen->loop, UV_RUN_NOWAIT);
	return !late;
}

/* Run the loop for @ms, whatever comes. */
static void run_for(struct seen *seen, uint64_t ms)
{
	bool over = false;
	uv_timer_t timer;

	uv_timer_init(&seen->loop, &timer);
	timer.data = &over;
	uv_update_time(&seen->loop);
	uv_timer_start(&timer, on_deadline, ms, 0);
	while (!over)
		uv_run(&seen->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&seen->loop, UV_RUN_NOWAIT);
}

static struct watch *start(struct seen *seen, const char *before)
{
	struct err err = { .text = "" };
	struct watch *watch;

	close(lab_new());
	lab_run("ip link set lo up && ip link add veth1 type veth peer name peer1 && "
		"ip link add br0 type bridge && ip link add port1 type veth peer name portx && "
		"ip link set port1 master br0 && "
		/* No link-local addresses: their DAD would tell of itself at its own pace. */
		"for i in veth1 peer1 br0 port1 portx; do "
		"echo 1 >/proc/sys/net/ipv6/conf/$i/addr_gen_mode; ip link set $i up; done && "
		"ip addr add 192.0.2.1/24 dev veth1");
	lab_run("%s", before);
	memset(seen, 0, sizeof(*seen));
	assert_int_equal(uv_loop_init(&seen->loop), 0);
	if (watch_new(&seen->loop, changed, seen, &watch, &err))
		fail_msg("%s", err.text);
	return watch;
}

static void stop(struct seen *seen, struct watch *watch)
{
	watch_close(watch);
	uv_run(&seen->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&seen->loop), 0);
}

static const struct {
	const char *holds, *before, *change;
	bool told;
} rows[] = {
	{ "a new interface", "true", "ip link add veth2 type veth peer name peer2", true },
	{ "an interface that goes", "true", "ip link del veth1", true },
	{ "a new address", "true", "ip addr add 192.0.2.7/32 dev veth1", true },
	{ "a new route", "true", "ip route add 10.1.0.5 dev veth1", true },
	{ "an IPv6 route", "true", "ip -6 route add fd00::/64 dev veth1", true },
	{ "our own route is not told", "true", "ip route add 10.1.0.0/24 dev veth1 proto 139", false },
	{ "our own route that somebody removes", "ip route add 10.1.0.0/24 dev veth1 proto 139",
	  "ip route del 10.1.0.0/24 dev veth1", true },
	{ "a rule that goes", "ip rule add pref 8492 from 10.1.0.0/24 lookup 8492 protocol 139",
	  "ip rule del pref 8492", true },
	{ "an IPv6 rule that goes", "ip -6 rule add pref 8492 from fd00::/64 lookup 8492 protocol 139",
	  "ip -6 rule del pref 8492", true },
	{ "a clsact that goes with its filters", "tc qdisc add dev veth1 clsact", "tc qdisc del dev veth1 clsact",
	  true },
	{ "a tc filter", "tc qdisc add dev veth1 clsact",
	  "tc filter add dev veth1 ingress protocol ip prio 5 u32 match u32 0 0", true },
	{ "a new neighbour", "true", "ip neigh add 192.0.2.5 lladdr 02:00:00:00:00:05 dev veth1 nud reachable", true },
	{ "our own neighbour is not told", "true",
	  "ip neigh add 192.0.2.5 lladdr 02:00:00:00:00:05 dev veth1 nud permanent protocol 139", false },
	{ "a neighbour that gets stale and reachable again is not told",
	  "ip neigh add 192.0.2.5 lladdr 02:00:00:00:00:05 dev veth1 nud reachable",
	  "ip neigh change 192.0.2.5 lladdr 02:00:00:00:00:05 dev veth1 nud stale && "
	  "ip neigh change 192.0.2.5 lladdr 02:00:00:00:00:05 dev veth1 nud reachable",
	  false },
	{ "a neighbour with another MAC", "ip neigh add 192.0.2.5 lladdr 02:00:00:00:00:05 dev veth1 nud reachable",
	  "ip neigh change 192.0.2.5 lladdr 02:00:00:00:00:06 dev veth1 nud reachable", true },
	{ "a neighbour that failed", "ip neigh add 192.0.2.5 lladdr 02:00:00:00:00:05 dev veth1 nud reachable",
	  "ip neigh change 192.0.2.5 dev veth1 nud failed", true },
	{ "a neighbour that goes", "ip neigh add 192.0.2.5 lladdr 02:00:00:00:00:05 dev veth1 nud reachable",
	  "ip neigh del 192.0.2.5 dev veth1", true },
	{ "one that was never there and fails is not told", "true",
	  "ip neigh add 192.0.2.5 dev veth1 nud failed", false },
	{ "an FDB entry", "true", "bridge fdb add 02:00:00:00:00:05 dev port1 master static", true },
	{ "an FDB entry that goes", "bridge fdb add 02:00:00:00:00:05 dev port1 master static",
	  "bridge fdb del 02:00:00:00:00:05 dev port1 master", true },
};

static void what_matters_is_told_once(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct watch *watch;
		struct seen seen;

		print_message("%s\n", rows[i].holds);
		watch = start(&seen, rows[i].before);
		/* Events of the setting up that came while the watch was made. */
		run_for(&seen, 150);
		seen.n = 0;
		lab_run("%s", rows[i].change);
		if (rows[i].told) {
			assert_true(wait_for(&seen, 1));
		} else {
			/* Silent changes arm no timer, so that the next is not earlier than its own. */
			run_for(&seen, 150);
			assert_int_equal(seen.n, 0);
			lab_run("ip addr add 192.0.2.77/32 dev veth1");
			assert_true(wait_for(&seen, 1));
		}
		assert_int_equal(seen.n, 1);
		stop(&seen, watch);
	}
}

static void a_storm_is_told_after_20_ms_of_quiet_and_lost_events_count(void **state)
{
	struct watch *watch;
	struct seen seen;
	uint64_t begin;

	watch = start(&seen, "ip neigh add 192.0.2.5 lladdr 02:00:00:00:00:05 dev veth1 nud stale");
	run_for(&seen, 150);
	seen.n = 0;
	/* More than the socket's buffer holds (about 8 MiB as accounted), while nobody reads. */
	lab_run("i=0; while [ $i -lt 30000 ]; do echo \"route add 10.$((i / 256 %% 256)).$((i %% 256)).0/24 "
		"dev veth1\"; i=$((i + 1)); done | ip -batch -");
	begin = uv_hrtime();
	assert_true(wait_for(&seen, 1));
	assert_true(uv_hrtime() - begin < 2000000000ull);
	run_for(&seen, 200);
	/* Each after 20 ms of quiet at least, however slow this machine is just now. */
	assert_true(seen.n <= (uv_hrtime() - begin) / 20000000 + 1);
	/* And it listens on, knowing the neighbours still. */
	seen.n = 0;
	lab_run("ip neigh del 192.0.2.5 dev veth1");
	assert_true(wait_for(&seen, 1));
	stop(&seen, watch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_matters_is_told_once),
		cmocka_unit_test(a_storm_is_told_after_20_ms_of_quiet_and_lost_events_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
