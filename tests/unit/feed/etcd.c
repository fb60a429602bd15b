/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The etcd feed against a real etcd: when what lies there is believed, and what becomes of bad values, of
 * publishers that go, and of stores that are wiped. The protocol by itself: etcd_mirror.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "core/defs.h"
#include "feed/feed_ops.h"

#include "etcd_server.h"
#include "loop.h"

#define P "/xmesh/west"
#define QUIET_MS 5000 /* as in etcd.c */

static struct etcd_server server;
static char warning[256];
static uint64_t seen_ns;

static void put_node_at(const char *key, const char *name, const char *zone)
{
	char value[512];

	snprintf(value, sizeof(value), "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"%s\","
		 "\"labels\":{\"topology.kubernetes.io/zone\":\"%s\"}},\"spec\":{\"podCIDR\":\"10.2.%u.0/24\"},"
		 "\"status\":{\"addresses\":[{\"type\":\"InternalIP\",\"address\":\"192.0.2.%u\"}]}}",
		 name, zone, (unsigned int)name[strlen(name) - 1], (unsigned int)name[strlen(name) - 1]);
	etcd_put(&server, key, value);
}

static void put_node(const char *name, const char *zone)
{
	char key[64];

	snprintf(key, sizeof(key), P "/nodes/%s", name);
	put_node_at(key, name, zone);
}

static void mark(void)
{
	etcd_put(&server, P "/.complete", "2026-01-01T00:00:00Z");
}

static void on_warned_snapshot(void *user, struct snapshot *s)
{
	snprintf(warning, sizeof(warning), "%s", s->n_warnings ? s->warnings[0] : "");
	seen_ns = s->seen_ns;
	on_snapshot(user, s);
}

static void begin_feed(struct seen *seen, const char *prefix)
{
	static char *endpoints[1];
	struct config_source source = { .kind = CONFIG_SOURCE_ETCD,
					.etcd = { .endpoints = endpoints, .n_endpoints = 1,
						  .prefix = (char *)prefix } };
	struct feed_setup setup = {
		.loop = &seen->loop, .source = &source, .cluster = "west", .id = 2,
		.callbacks = { .snapshot = on_warned_snapshot, .error = on_error, .unchanged = on_unchanged,
			       .user = seen },
	};
	struct err err = {};

	endpoints[0] = server.url;
	memset(seen, 0, sizeof(*seen));
	assert_int_equal(uv_loop_init(&seen->loop), 0);
	uv_timer_init(&seen->loop, &seen->tick);
	uv_timer_start(&seen->tick, on_tick, 10, 10);
	if (feed_etcd_new(&setup, &seen->feed, &err))
		fail_msg("%s", err.text);
}

static int clean(void **state)
{
	if (server.pid)
		etcd_erase(&server, "/", true);
	return 0;
}

/* ---- scenes --------------------------------------------------------------------------------- */

static void test_marked_at_once(void **state)
{
	struct seen seen;
	uint64_t start = now_ms();

	put_node("west-1", "a");
	mark();
	put_node_at("/xmesh/west2/nodes/other-1", "other-1", "a");
	begin_feed(&seen, P);
	WAIT(&seen, seen.snapshots == 1, PATIENCE_MS);
	assert_true(now_ms() - start < QUIET_MS);
	assert_int_equal(seen.nodes, 1);
	assert_memory_equal(seen.revision, "rev:", 4);
	assert_int_equal(seen_ns, 0);
	put_node("west-2", "a");
	WAIT(&seen, seen.nodes == 2, SOON_MS);
	assert_true(seen_ns > start * 1000000);
	etcd_erase(&server, P "/nodes/west-1", false);
	WAIT(&seen, seen.nodes == 1 && seen.snapshots == 3, SOON_MS);
	assert_int_equal(seen.errors, 0);
	end(&seen);
}

static void test_by_hand_after_quiet(void **state)
{
	uint64_t start = now_ms(), last;
	struct seen seen;

	put_node("west-1", "a");
	begin_feed(&seen, P);
	while (now_ms() < start + 2000)
		uv_run(&seen.loop, UV_RUN_ONCE);
	put_node("west-2", "a");
	last = now_ms();
	WAIT(&seen, seen.snapshots == 1, PATIENCE_MS);
	assert_true(now_ms() - last >= QUIET_MS - 100);
	assert_int_equal(seen.nodes, 2);
	/* Believed once: changes count at once. */
	put_node("west-3", "a");
	WAIT(&seen, seen.nodes == 3, SOON_MS);
	assert_int_equal(seen.errors, 0);
	end(&seen);
}

static void test_empty(void **state)
{
	struct seen seen;

	put_node("west-1", "a");
	begin_feed(&seen, "/xmesh/wrong");
	WAIT(&seen, seen.errors == 1, PATIENCE_MS);
	assert_non_null(strstr(seen.error, "no objects below /xmesh/wrong/"));
	assert_int_equal(seen.snapshots, 0);
	end(&seen);

	/* Marked as complete, and empty: no cluster either. */
	etcd_put(&server, "/xmesh/wrong/.complete", "now");
	begin_feed(&seen, "/xmesh/wrong");
	WAIT(&seen, seen.errors == 1, PATIENCE_MS);
	assert_non_null(strstr(seen.error, "no nodes, services or slices below /xmesh/wrong/"));
	/* And its first object makes it one. */
	put_node_at("/xmesh/wrong/nodes/west-1", "west-1", "a");
	WAIT(&seen, seen.snapshots == 1, SOON_MS);
	/* All taken away one by one: the last state stays. */
	etcd_erase(&server, "/xmesh/wrong/nodes/west-1", false);
	WAIT(&seen, seen.errors == 2, SOON_MS);
	assert_int_equal(seen.snapshots, 1);
	end(&seen);
}

static void test_marker_gone(void **state)
{
	struct seen seen;

	put_node("west-1", "a");
	put_node("west-2", "a");
	mark();
	begin_feed(&seen, P);
	WAIT(&seen, seen.snapshots == 1 && seen.nodes == 2, PATIENCE_MS);
	/* What a lease takes with it: the marker, being first in order, and the rest. */
	etcd_erase(&server, P "/", true);
	WAIT(&seen, seen.errors == 1, QUIET_MS + SOON_MS);
	assert_non_null(strstr(seen.error, P "/.complete is not there"));
	put_node("west-1", "b");
	nothing_comes(&seen, 200);
	put_node("west-3", "b");
	mark();
	WAIT(&seen, seen.snapshots == 2, SOON_MS);
	assert_int_equal(seen.nodes, 2);
	assert_string_equal(seen.zone, "b");
	/* What waited for the marker is no measure of how fast we are. */
	assert_int_equal(seen_ns, 0);
	end(&seen);
}

static void test_marker_gone_over_a_lost_connection(void **state)
{
	struct seen seen;

	put_node("west-1", "a");
	put_node("west-2", "a");
	mark();
	begin_feed(&seen, P);
	WAIT(&seen, seen.snapshots == 1 && seen.nodes == 2, PATIENCE_MS);
	etcd_erase(&server, P "/.complete", false);
	etcd_erase(&server, P "/nodes/west-2", false);
	etcd_restart(&server);
	WAIT(&seen, seen.errors >= 1, SOON_MS);
	WAIT(&seen, strstr(seen.error, ".complete is not there"), QUIET_MS + PATIENCE_MS);
	assert_int_equal(seen.snapshots, 1);
	mark();
	WAIT(&seen, seen.snapshots == 2, SOON_MS);
	assert_int_equal(seen.nodes, 1);
	end(&seen);
}

static void test_bad_values(void **state)
{
	struct seen seen;

	put_node("west-1", "a");
	put_node_at(P "/nodes/west-2", "west-3", "a");
	etcd_put(&server, P "/configmaps/lab/x", "not looked at");
	mark();
	begin_feed(&seen, P);
	WAIT(&seen, seen.snapshots == 1, PATIENCE_MS);
	assert_int_equal(seen.nodes, 1);
	assert_non_null(strstr(warning, "nodes/west-2"));
	assert_non_null(strstr(warning, "Node west-3"));
	/* A value that becomes bad: what it was stays, and it is named. */
	etcd_put(&server, P "/nodes/west-1", "{");
	WAIT(&seen, strstr(warning, "nodes/west-1"), SOON_MS);
	assert_int_equal(seen.nodes, 1);
	put_node("west-1", "b");
	put_node("west-2", "b");
	WAIT(&seen, seen.nodes == 2 && !*warning, SOON_MS);
	assert_int_equal(seen.errors, 0);
	end(&seen);
}

static void test_only_bad_values(void **state)
{
	struct seen seen;

	etcd_put(&server, P "/nodes/west-1", "{");
	mark();
	begin_feed(&seen, P);
	WAIT(&seen, seen.errors == 1, PATIENCE_MS);
	assert_non_null(strstr(seen.error, "none of the values below " P "/"));
	assert_non_null(strstr(seen.error, "nodes/west-1"));
	end(&seen);
}

static void test_wiped(void **state)
{
	struct seen seen;

	put_node("west-1", "a");
	put_node("west-2", "a");
	mark();
	begin_feed(&seen, P);
	WAIT(&seen, seen.snapshots == 1 && seen.nodes == 2, PATIENCE_MS);
	/* An empty one in its place: an error, and nothing else. */
	etcd_wipe(&server);
	WAIT(&seen, strstr(seen.error, ".complete is not there"), QUIET_MS + PATIENCE_MS);
	/* Refilled with less: what is not there goes when it is complete, and not before. */
	put_node("west-2", "b");
	nothing_comes(&seen, 200);
	mark();
	WAIT(&seen, seen.snapshots == 2, SOON_MS);
	assert_int_equal(seen.nodes, 1);
	assert_string_equal(seen.zone, "b");
	end(&seen);
}

static void test_compacted_while_frozen(void **state)
{
	struct seen seen;
	int64_t revision;

	put_node("west-1", "a");
	put_node("west-2", "a");
	mark();
	begin_feed(&seen, P);
	WAIT(&seen, seen.snapshots == 1, PATIENCE_MS);
	/* The feed hears of none of this: its loop does not run. */
	etcd_erase(&server, P "/nodes/west-2", false);
	revision = etcd_put(&server, P "/other", "1");
	etcd_compact(&server, revision);
	etcd_restart(&server);
	WAIT(&seen, seen.nodes == 1, PATIENCE_MS);
	end(&seen);
}

static void test_poke_and_unchanged(void **state)
{
	struct seen seen;
	unsigned int before;

	put_node("west-1", "a");
	mark();
	begin_feed(&seen, P);
	WAIT(&seen, seen.snapshots == 1, PATIENCE_MS);
	before = seen.unchanged;
	feed_poke(seen.feed);
	WAIT(&seen, seen.unchanged > before, PATIENCE_MS);
	assert_int_equal(seen.snapshots, 1);
	/* An error is over when the server is back, though nothing changed. */
	etcd_kill(&server);
	WAIT(&seen, seen.errors >= 1, PATIENCE_MS);
	before = seen.unchanged;
	etcd_restart(&server);
	WAIT(&seen, seen.unchanged > before, PATIENCE_MS);
	end(&seen);
}

static void test_a_server_that_is_not_there(void **state)
{
	struct seen seen;

	put_node("west-1", "a");
	mark();
	etcd_kill(&server);
	begin_feed(&seen, P);
	WAIT(&seen, seen.errors == 1, PATIENCE_MS);
	assert_non_null(strstr(seen.error, "127.0.0.1"));
	/* The same sentence is told once. */
	nothing_comes(&seen, 1000);
	etcd_restart(&server);
	WAIT(&seen, seen.snapshots == 1, PATIENCE_MS);
	end(&seen);
}

static int start_server(void **state)
{
	if (temp_setup(state))
		return -1;
	etcd_start(&server, "etcd", NULL);
	return 0;
}

static int end_server(void **state)
{
	etcd_end(&server);
	return temp_teardown(state);
}

#define SCENE(name, test) { name, test, clean, NULL, NULL }

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE("with its marker it is believed at once", test_marked_at_once),
		SCENE("without one after 5 s of quiet", test_by_hand_after_quiet),
		SCENE("a prefix with nothing below it is an error", test_empty),
		SCENE("a marker that goes: the last state stands until it is back", test_marker_gone),
		SCENE("and over a lost connection", test_marker_gone_over_a_lost_connection),
		SCENE("bad values are named, the others live", test_bad_values),
		SCENE("nothing but bad values is an error", test_only_bad_values),
		SCENE("a wiped store: nothing goes before it is complete again", test_wiped),
		SCENE("compacted while nobody listened", test_compacted_while_frozen),
		SCENE("unchanged is told", test_poke_and_unchanged),
		SCENE("a server that comes late", test_a_server_that_is_not_there),
	};

	return cmocka_run_group_tests(tests, start_server, end_server);
}
