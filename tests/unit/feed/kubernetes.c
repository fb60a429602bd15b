/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A whole feed by a scripted API server: complete snapshots or none, and errors that stand until mended. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "core/defs.h"
#include "feed/feed.h"
#include "kube_server.h"

static struct kube_server server;
static struct {
	uv_loop_t loop;
	uv_timer_t tick;
	struct feed *feed;
	unsigned int snapshots, errors, unchanged;
	struct snapshot *last;
	bool failing, close_in_callback;
	struct err err;
} seen;

static void on_snapshot(void *user, struct snapshot *snapshot)
{
	seen.snapshots++;
	seen.failing = false;
	snapshot_free(seen.last);
	seen.last = snapshot;
	if (seen.close_in_callback)
		feed_close(take(seen.feed));
}

static void on_error(void *user, const struct err *err)
{
	seen.errors++;
	seen.failing = true;
	seen.err = *err;
}

static void on_unchanged(void *user)
{
	seen.unchanged++;
	seen.failing = false;
}

static void on_tick(uv_timer_t *timer)
{
}

static struct config_source source(void)
{
	return (struct config_source){ .kind = CONFIG_SOURCE_KUBERNETES, .kubeconfig = server.kubeconfig };
}

static void begin(void)
{
	const struct feed_callbacks callbacks = {
		.snapshot = on_snapshot, .error = on_error, .unchanged = on_unchanged,
	};
	struct config_source from = source();
	struct err err;

	memset(&seen, 0, sizeof(seen));
	assert_int_equal(uv_loop_init(&seen.loop), 0);
	uv_timer_init(&seen.loop, &seen.tick);
	uv_timer_start(&seen.tick, on_tick, 5, 5);
	if (feed_new(&seen.loop, &from, "west", 2, &callbacks, &seen.feed, &err))
		fail_msg("%s", err.text);
	assert_int_equal(seen.snapshots + seen.errors + seen.unchanged, 0);
}

static void end(void)
{
	unsigned int before = seen.snapshots + seen.errors + seen.unchanged;

	feed_close(seen.feed);
	uv_close((uv_handle_t *)&seen.tick, NULL);
	uv_run(&seen.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&seen.loop), 0);
	assert_int_equal(seen.snapshots + seen.errors + seen.unchanged, before);
	snapshot_free(seen.last);
}

#define WAIT(condition)                                                                            \
	do {                                                                                       \
		uint64_t until_ = kube_now_ms() + KUBE_PATIENCE_MS;                                \
		while (!(condition) && kube_now_ms() < until_)                                     \
			uv_run(&seen.loop, UV_RUN_ONCE);                                           \
		if (!(condition))                                                                  \
			fail_msg("never: %s (snapshots %u, unchanged %u, errors %u: %s)",          \
				 #condition, seen.snapshots, seen.unchanged, seen.errors,          \
				 seen.err.text);                                                   \
	} while (0)

static int setup(void **state)
{
	const char *const arguments[] = { TEST_DATA "/west.json", NULL };

	temp_setup(state);
	kube_start(&server, arguments);
	return 0;
}

static int teardown(void **state)
{
	kube_stop(&server);
	return temp_teardown(state);
}

static const struct service_object *service(const char *name)
{
	for (size_t i = 0; i < seen.last->n_services; i++)
		if (!strcmp(seen.last->services[i].name, name))
			return &seen.last->services[i];
	fail_msg("no service %s", name);
	return NULL;
}

static void whole_cluster(void **state)
{
	begin();
	WAIT(seen.snapshots);
	/* As the dump of the same cluster: tests/data/README.md. */
	assert_int_equal(seen.last->counts.nodes, 3);
	assert_int_equal(seen.last->counts.services, 11);
	assert_int_equal(seen.last->counts.global_services, 4);
	assert_int_equal(seen.last->counts.slices4 + seen.last->counts.slices6, 18);
	assert_int_equal(seen.last->counts.endpoints4[0], 19);
	assert_int_equal(seen.last->counts.endpoints6[0], 17);
	assert_int_equal(seen.last->counts.bad, 0);
	assert_int_equal(strncmp(seen.last->revision, "rv:", 3), 0);
	assert_int_equal(seen.snapshots, 1);
	assert_int_equal(seen.errors, 0);
	assert_false(service("cart")->global);
	/* An export makes a service global, and its end takes that back. */
	kube_do(&server, "/apply",
		"{\"kind\":\"ServiceExport\",\"apiVersion\":\"multicluster.x-k8s.io/v1beta1\","
		"\"metadata\":{\"name\":\"cart\",\"namespace\":\"shop\"}}");
	WAIT(seen.last->counts.service_exports == 1);
	assert_true(service("cart")->global);
	assert_true(seen.last->seen_ns != 0);
	kube_delete(&server, "serviceexports", "shop", "cart");
	WAIT(seen.last->counts.service_exports == 0);
	assert_false(service("cart")->global);
	end();
}

static void bookmarks_are_signs_of_life(void **state)
{
	kube_do(&server, "/set", "{\"bookmark_s\":0.05}");
	begin();
	WAIT(seen.unchanged > 5);
	assert_int_equal(seen.snapshots, 1);
	end();
}

static void bad_value(void **state)
{
	begin();
	WAIT(seen.snapshots);
	kube_do(&server, "/apply",
		"{\"kind\":\"Node\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"west-1\"},\"spec\":{\"podCIDRs\":[\"10.2.1.0/99\"]}}");
	WAIT(seen.last->counts.bad == 1);
	assert_int_equal(seen.last->n_nodes, 3);
	kube_apply_node(&server, "west-9", "10.2.9.0/24");
	WAIT(seen.last->n_nodes == 4);
	assert_int_equal(seen.last->counts.bad, 1);
	kube_apply_node(&server, "west-1", "10.2.1.0/24");
	WAIT(seen.last->counts.bad == 0);
	end();
}

static void one_part_fails(void **state)
{
	kube_do(&server, "/set", "{\"deny\":[\"services\"],\"bookmark_s\":0.05}");
	begin();
	WAIT(seen.failing);
	assert_non_null(strstr(seen.err.text, "services"));
	/* Half of a cluster is none. */
	kube_do(&server, "/state", NULL);
	assert_int_equal(seen.snapshots, 0);
	kube_do(&server, "/set", "{\"deny\":[]}");
	WAIT(seen.snapshots && !seen.failing);
	/* Afterwards what the others say goes on, and the feed is not as good as they are. */
	kube_do(&server, "/set", "{\"deny\":[\"services\"]}");
	kube_do(&server, "/end", "{}");
	WAIT(seen.failing);
	seen.snapshots = seen.unchanged = 0;
	kube_apply_node(&server, "west-9", "10.2.9.0/24");
	WAIT(seen.snapshots && seen.last->n_nodes == 4);
	assert_true(seen.failing);
	assert_int_equal(seen.unchanged, 0);
	kube_do(&server, "/set", "{\"deny\":[]}");
	WAIT(!seen.failing);
	end();
}

/* Without a bookmark for a minute, and without a change. */
static void a_watch_that_stands_ends_an_error(void **state)
{
	begin();
	WAIT(seen.snapshots);
	kube_do(&server, "/set", "{\"status\":{\"code\":500,\"count\":1000}}");
	kube_do(&server, "/end", "{}");
	WAIT(seen.failing);
	kube_do(&server, "/set", "{\"status\":null}");
	WAIT(!seen.failing);
	assert_int_equal(seen.snapshots, 1);
	end();
}

static void no_mcs(void **state)
{
	kube_do(&server, "/set", "{\"mcs\":404}");
	begin();
	WAIT(seen.snapshots);
	assert_int_equal(seen.last->counts.services, 11);
	assert_int_equal(seen.errors, 0);
	end();
}

static void one_sentence(void **state)
{
	begin();
	WAIT(seen.snapshots);
	kube_stop(&server);
	WAIT(seen.errors);
	/* Five watches broke; it is one server that is gone. */
	for (int i = 0; i < 200; i++)
		uv_run(&seen.loop, UV_RUN_ONCE);
	assert_int_equal(seen.errors, 1);
	assert_non_null(strstr(seen.err.text, "cannot connect to http://127.0.0.1:"));
	end();
}

static void closed_in_a_callback(void **state)
{
	begin();
	seen.close_in_callback = true;
	WAIT(seen.snapshots);
	end();
}

static void poked(void **state)
{
	begin();
	WAIT(seen.snapshots);
	feed_poke(seen.feed);
	WAIT(kube_count(&server, "asked", "nodes watchlist") == 2);
	WAIT(seen.unchanged);
	assert_int_equal(seen.snapshots, 1);
	end();
}

static void read_once(void **state)
{
	struct config_source from = source();
	struct snapshot *snapshot;
	struct err err;

	if (feed_read(&from, "west", 2, KUBE_PATIENCE_MS, &snapshot, &err))
		fail_msg("%s", err.text);
	assert_int_equal(snapshot->n_nodes, 3);
	snapshot_free(snapshot);
	kube_do(&server, "/set", "{\"deny\":[\"nodes\"]}");
	assert_int_equal(feed_read(&from, "west", 2, 500, &snapshot, &err), -EACCES);
	assert_non_null(strstr(err.text, "get, list and watch on nodes"));
}

#define ROW(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROW(whole_cluster), ROW(bookmarks_are_signs_of_life), ROW(bad_value), ROW(one_part_fails),
		ROW(a_watch_that_stands_ends_an_error),
		ROW(no_mcs), ROW(one_sentence), ROW(closed_in_a_callback), ROW(poked), ROW(read_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
