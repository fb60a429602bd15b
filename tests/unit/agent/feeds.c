/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The feeds of a configuration on a real loop, over real directories. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/feeds.h"
#include "core/addr.h"
#include "core/defs.h"

struct world {
	char dir[64];
	uv_loop_t loop;
	uv_timer_t deadline;
	struct config *config;
	struct feeds *feeds;
	unsigned int changes, events[EVENTS_KIND_COUNT];
	bool recovers;        /* pinned state knows west */
	const char *settings; /* more lines of the configuration */
	const char *second;   /* another source of west */
	bool late;
};

static void write_node(const struct world *w, const char *cluster, const char *name, const char *cidr, const char *addr)
{
	char path[128];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", w->dir, cluster);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/%s/nodes.yaml", w->dir, cluster);
	out = fopen(path, "w");
	assert_non_null(out);
	fprintf(out,
		"apiVersion: v1\nkind: Node\nmetadata: {name: %s}\nspec: {podCIDRs: [%s]}\n"
		"status: {addresses: [{type: InternalIP, address: %s}]}\n",
		name, cidr, addr);
	fclose(out);
}

/* As many nodes, with a prefix each. */
static void write_nodes(const struct world *w, const char *cluster, unsigned int n)
{
	char path[128];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", w->dir, cluster);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/%s/nodes.yaml", w->dir, cluster);
	out = fopen(path, "w");
	assert_non_null(out);
	for (unsigned int i = 0; i < n; i++)
		fprintf(out,
			"---\napiVersion: v1\nkind: Node\nmetadata: {name: w%u-%u}\nspec: {podCIDRs: [10.2.%u.0/24]}\n"
			"status: {addresses: [{type: InternalIP, address: 192.0.2.%u}]}\n", n, i, i, i + 20);
	fclose(out);
}

static void run(const struct world *w, const char *fmt)
{
	char command[512];

	snprintf(command, sizeof(command), fmt, w->dir, w->dir);
	assert_int_equal(system(command), 0);
}

static struct config *config_of(const struct world *w, const char *more)
{
	char text[1024];
	struct config *config;
	struct err err = { 0 };

	snprintf(text, sizeof(text),
		 "cluster: {name: east, id: 1}\nunderlay: [eth0]\nstate_dir: %s/state\nlocal: {feed: {dir: %s/east}}\n"
		 "%speers:\n  - {name: west, id: 2, feed: [{dir: %s/west}%s%s%s]}\n%s",
		 w->dir, w->dir, w->settings ? w->settings : "", w->dir, w->second ? ", {dir: " : "",
		 w->second ? w->second : "", w->second ? "}" : "", more);
	if (config_parse(text, strlen(text), "test.yaml", &config, &err))
		fail_msg("%s", err.text);
	return config;
}

static void on_changed(void *user, bool services_only, uint64_t seen_ns)
{
	struct world *w = user;

	w->changes++;
	uv_stop(&w->loop);
}

static void on_event(void *user, enum events_kind kind, const char *cluster, const char *text)
{
	struct world *w = user;

	assert_true(cluster && *text);
	w->events[kind]++;
	uv_stop(&w->loop);
}

static void on_fresh(void *user)
{
}

static int on_recover(void *user, uint16_t cluster, struct snapshot **ret_snapshot)
{
	const struct world *w = user;
	struct snapshot *s;

	if (!w->recovers || cluster != 2)
		return -ENOENT;
	s = calloc(1, sizeof(*s));
	s->nodes = calloc(1, sizeof(*s->nodes));
	s->n_nodes = 1;
	strcpy(s->nodes->name, "pinned");
	s->nodes->cidrs = calloc(1, sizeof(*s->nodes->cidrs));
	s->nodes->n_cidrs = 1;
	prefix_parse("10.2.9.0/24", s->nodes->cidrs, NULL);
	addr_parse("192.0.2.9", &s->nodes->addr4, NULL);
	*ret_snapshot = s;
	return 0;
}

static void on_deadline(uv_timer_t *timer)
{
	struct world *w = timer->data;

	w->late = true;
	uv_stop(&w->loop);
}

/* Until the mesh changed once more, ten seconds at most. */
static void wait_change(struct world *w)
{
	unsigned int before = w->changes;

	uv_timer_start(&w->deadline, on_deadline, 10000, 0);
	while (w->changes == before && !w->late)
		uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_false(w->late);
}

static void wait_event(struct world *w, enum events_kind kind)
{
	unsigned int before = w->events[kind];

	uv_timer_start(&w->deadline, on_deadline, 10000, 0);
	while (w->events[kind] == before && !w->late)
		uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_false(w->late);
}

static const char *node_of(const struct world *w, size_t slot)
{
	const struct snapshot *s = feeds_mesh(w->feeds)->clusters[slot].snapshot;

	return s ? s->nodes->name : "none";
}

static void start(struct world *w)
{
	struct feeds_callbacks callbacks = { .changed = on_changed, .fresh = on_fresh, .event = on_event,
					     .recover = on_recover, .user = w };
	struct err err = { 0 };

	w->config = config_of(w, "");
	if (feeds_new(&w->loop, w->config, &callbacks, &w->feeds, &err))
		fail_msg("%s", err.text);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	strcpy(w->dir, "/tmp/xmesh-feeds-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	uv_loop_init(&w->loop);
	uv_timer_init(&w->loop, &w->deadline);
	w->deadline.data = w;
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	char command[128];

	feeds_close(w->feeds);
	uv_close((uv_handle_t *)&w->deadline, NULL);
	while (uv_run(&w->loop, UV_RUN_DEFAULT))
		;
	assert_int_equal(uv_loop_close(&w->loop), 0);
	config_free(w->config);
	snprintf(command, sizeof(command), "rm -rf %s", w->dir);
	assert_int_equal(system(command), 0);
	free(w);
	return 0;
}

static const char *field(const struct world *w, size_t i, const char *key, char buf[512])
{
	json_object *list = feeds_status(w->feeds), *member = NULL;

	json_object_object_get_ex(json_object_array_get_idx(list, i), key, &member);
	snprintf(buf, 512, "%s", member ? json_object_get_string(member) : "");
	json_object_put(list);
	return buf;
}

static void settles(void **state)
{
	struct world *w = *state;
	char text[512];

	write_node(w, "east", "e", "10.1.0.0/24", "192.0.2.1");
	write_node(w, "west", "w", "10.2.0.0/24", "192.0.2.2");
	start(w);
	assert_false(feeds_are_settled(w->feeds));
	assert_string_equal(field(w, 1, "state", text), "waiting");
	wait_change(w);
	assert_int_equal(w->changes, 1);
	assert_true(feeds_are_settled(w->feeds));
	assert_string_equal(node_of(w, 0), "e");
	assert_string_equal(node_of(w, 1), "w");
	assert_string_equal(field(w, 1, "state", text), "ok");
	assert_string_equal(field(w, 1, "nodes", text), "1");
	assert_string_equal(field(w, 1, "errors", text), "0");
}

static void failing(void **state)
{
	struct world *w = *state;
	char text[512];

	w->recovers = true;
	write_node(w, "east", "e", "10.1.0.0/24", "192.0.2.1");
	start(w);
	assert_string_equal(node_of(w, 1), "pinned");
	wait_change(w);
	assert_string_equal(node_of(w, 0), "e");
	assert_string_equal(node_of(w, 1), "pinned");
	assert_string_equal(field(w, 1, "state", text), "failing");
	assert_string_equal(field(w, 1, "errors", text), "1");
	assert_non_null(strstr(field(w, 1, "error", text), "west"));
}

static void refused(void **state)
{
	struct world *w = *state;
	char text[512];

	settles(state);
	write_node(w, "west", "w2", "10.1.0.0/25", "192.0.2.2");
	wait_change(w);
	assert_string_equal(node_of(w, 1), "w");
	assert_string_equal(field(w, 1, "state", text), "refused");
	assert_non_null(strstr(field(w, 1, "error", text), "10.1.0.0/25"));
	write_node(w, "west", "w3", "10.2.3.0/24", "192.0.2.2");
	wait_change(w);
	assert_string_equal(node_of(w, 1), "w3");
	assert_string_equal(field(w, 1, "state", text), "ok");
}

static void stop(struct world *w)
{
	feeds_close(w->feeds);
	w->feeds = NULL;
	config_free(w->config);
	w->config = NULL;
	uv_close((uv_handle_t *)&w->deadline, NULL);
	while (uv_run(&w->loop, UV_RUN_DEFAULT))
		;
	uv_timer_init(&w->loop, &w->deadline);
}

static void stale_is_told(void **state)
{
	struct world *w = *state;
	bool stale[2];

	w->settings = "stale_after: 1s\n";
	settles(state);
	feeds_stale(w->feeds, stale);
	assert_false(stale[1]);
	assert_int_equal(w->events[EVENTS_FEED_READ], 2);
	run(w, "mv %s/west %s/away");
	wait_event(w, EVENTS_FEED_FAILED);
	while (!stale[1]) {
		uv_run(&w->loop, UV_RUN_NOWAIT);
		feeds_stale(w->feeds, stale);
	}
	assert_int_equal(w->events[EVENTS_FEED_STALE], 1);
	feeds_stale(w->feeds, stale);
	assert_int_equal(w->events[EVENTS_FEED_STALE], 1);
	assert_string_equal(node_of(w, 1), "w");
	run(w, "mv %s/away %s/west");
	feeds_poke(w->feeds);
	wait_event(w, EVENTS_FEED_BACK);
	feeds_stale(w->feeds, stale);
	assert_false(stale[1]);
}

static void refused_is_told(void **state)
{
	struct world *w = *state;
	char text[512];

	refused(state);
	assert_int_equal(w->events[EVENTS_FEED_REFUSED], 1);
	assert_string_equal(field(w, 1, "errors", text), "1");
}

static void second_serves(void **state)
{
	struct world *w = *state;
	char second[96], text[512];

	snprintf(second, sizeof(second), "%s/other", w->dir);
	w->second = second;
	w->settings = "stale_after: 1s\n";
	write_node(w, "other", "o", "10.2.0.0/24", "192.0.2.3");
	settles(state);
	assert_int_equal(w->events[EVENTS_FEED_SOURCE], 0);
	run(w, "mv %s/west %s/away");
	wait_event(w, EVENTS_FEED_SOURCE);
	assert_string_equal(node_of(w, 1), "o");
	assert_string_equal(field(w, 1, "state", text), "fallback");
	assert_non_null(strstr(field(w, 1, "source", text), "/other"));
	assert_string_equal(feeds_mesh(w->feeds)->clusters[1].origin, text);
	run(w, "mv %s/away %s/west");
	feeds_poke(w->feeds);
	wait_event(w, EVENTS_FEED_SOURCE);
	assert_string_equal(node_of(w, 1), "w");
	assert_string_equal(field(w, 1, "state", text), "ok");
	/* While the first serves, the second's changes are of no matter. */
	write_node(w, "other", "o2", "10.2.7.0/24", "192.0.2.3");
	wait_event(w, EVENTS_FEED_READ);
	assert_string_equal(node_of(w, 1), "w");
}

static void second_at_start(void **state)
{
	struct world *w = *state;
	char second[96], text[512];

	snprintf(second, sizeof(second), "%s/other", w->dir);
	w->second = second;
	write_node(w, "east", "e", "10.1.0.0/24", "192.0.2.1");
	write_node(w, "other", "o", "10.2.0.0/24", "192.0.2.3");
	start(w);
	wait_change(w);
	assert_string_equal(node_of(w, 1), "o");
	assert_string_equal(field(w, 1, "state", text), "fallback");
}

static char *held_digest(const struct world *w, char digest[32])
{
	json_object *list = feeds_status(w->feeds), *held = NULL, *member = NULL;

	assert_true(json_object_object_get_ex(json_object_array_get_idx(list, 1), "held", &held));
	assert_true(json_object_object_get_ex(held, "digest", &member));
	snprintf(digest, 32, "%s", json_object_get_string(member));
	json_object_put(list);
	return digest;
}

static void held(void **state)
{
	struct world *w = *state;
	char first[32], digest[32], text[512];
	struct err err;

	write_node(w, "east", "e", "10.1.0.0/24", "192.0.2.1");
	write_nodes(w, "west", 40);
	start(w);
	wait_change(w);
	assert_string_equal(node_of(w, 1), "w40-0");
	assert_int_equal(feeds_accept(w->feeds, "west", "0", &err), -ESRCH);
	assert_int_equal(feeds_accept(w->feeds, "north", "0", &err), -ENOENT);
	write_nodes(w, "west", 5);
	wait_event(w, EVENTS_FEED_HELD);
	held_digest(w, first);
	write_nodes(w, "west", 2);
	wait_event(w, EVENTS_FEED_HELD);
	assert_string_equal(node_of(w, 1), "w40-0");
	assert_string_equal(field(w, 1, "state", text), "held");
	assert_non_null(strstr(field(w, 1, "error", text), "38 of 40 prefixes"));
	assert_non_null(strstr(text, "feed accept west"));
	/* What was looked at before is not what is held now. */
	assert_int_equal(feeds_accept(w->feeds, "west", first, &err), -ESTALE);
	assert_string_equal(node_of(w, 1), "w40-0");
	assert_int_equal(feeds_accept(w->feeds, "west", held_digest(w, digest), &err), 0);
	assert_string_equal(node_of(w, 1), "w2-0");
	assert_string_equal(field(w, 1, "state", text), "ok");
	assert_int_equal(w->events[EVENTS_FEED_ACCEPTED], 1);
}

static void cached(void **state)
{
	struct world *w = *state;
	char text[512];

	settles(state);
	stop(w);
	run(w, "mv %s/west %s/away");
	start(w);
	wait_event(w, EVENTS_FEED_CACHED);
	if (!feeds_are_settled(w->feeds))
		wait_change(w);
	assert_string_equal(node_of(w, 0), "e");
	assert_string_equal(node_of(w, 1), "w");
	assert_string_equal(field(w, 1, "from_cache", text), "true");
	assert_string_equal(field(w, 1, "from_pinned_state", text), "false");
	assert_string_equal(field(w, 1, "state", text), "failing");
	run(w, "mv %s/away %s/west");
	feeds_poke(w->feeds);
	wait_change(w);
	assert_string_equal(field(w, 1, "from_cache", text), "false");
	assert_string_equal(field(w, 1, "state", text), "ok");
}

static void cached_less_than_pinned(void **state)
{
	struct world *w = *state;

	settles(state);
	stop(w);
	run(w, "mv %s/west %s/away");
	w->recovers = true;
	start(w);
	wait_change(w);
	assert_string_equal(node_of(w, 1), "pinned");
	assert_int_equal(w->events[EVENTS_FEED_CACHED], 0);
}

static void cached_damaged(void **state)
{
	struct world *w = *state;

	settles(state);
	stop(w);
	run(w, "mv %s/west %s/away");
	run(w, "sed -i s/192.0.2.2/192.0.2.3/ %s/state/default/feeds/west.json");
	start(w);
	wait_change(w);
	assert_string_equal(node_of(w, 1), "none");
	assert_int_equal(w->events[EVENTS_FEED_CACHED], 0);
}

static void removed(void **state)
{
	struct world *w = *state;
	char text[512];

	w->settings = "stale_after: 1s\nremove_after: 1s\n";
	settles(state);
	run(w, "mv %s/west %s/away");
	wait_event(w, EVENTS_FEED_REMOVED);
	assert_string_equal(node_of(w, 1), "none");
	assert_string_equal(node_of(w, 0), "e");
	assert_string_equal(field(w, 1, "state", text), "removed");
	/* It comes back as it was: the transport tells of no change. */
	run(w, "mv %s/away %s/west");
	feeds_poke(w->feeds);
	wait_change(w);
	assert_string_equal(node_of(w, 1), "w");
	assert_string_equal(field(w, 1, "state", text), "ok");
	run(w, "test ! -e %s/state/default/feeds/west.json");
	stop(w);
	run(w, "test -s %s/state/default/feeds/west.json");
	run(w, "test $(stat -c %%a %s/state/default/feeds) = 700 -a $(stat -c %%a %s/state/default/feeds/west.json) = 600");
}

static void reconfigured(void **state)
{
	struct world *w = *state;
	struct config *config;
	struct err err = { 0 };
	char more[256];

	settles(state);
	write_node(w, "north", "n", "10.3.0.0/24", "192.0.2.3");
	snprintf(more, sizeof(more), "  - {name: north, id: 3, feed: {dir: %s/north}}\n", w->dir);
	config = config_of(w, more);
	assert_int_equal(feeds_reconfigure(w->feeds, config, &err), 0);
	config_free(w->config);
	w->config = config;
	/* Those that stay go on with what they have. */
	assert_string_equal(node_of(w, 1), "w");
	wait_change(w);
	assert_string_equal(node_of(w, 2), "n");
	config = config_of(w, "");
	assert_int_equal(feeds_reconfigure(w->feeds, config, &err), 0);
	config_free(w->config);
	w->config = config;
	assert_int_equal(feeds_mesh(w->feeds)->n_clusters, 2);
	assert_string_equal(node_of(w, 1), "w");
}

int main(void)
{
#define TEST(name, fn) { name, fn, setup, teardown, NULL }
	const struct CMUnitTest tests[] = {
		TEST("one change when the first results of all feeds are there", settles),
		TEST("a feed that fails stops nobody, and its pinned state stands", failing),
		TEST("a snapshot that does not fit is refused, told, and taken over when mended", refused),
		TEST("a peer more, a peer less: the others keep what they have", reconfigured),
		TEST("a feed that is stale is told once, serves on, and is told when it is back", stale_is_told),
		TEST("a refusal is told once, and counted", refused_is_told),
		TEST("the second source serves while the first is stale, and no longer", second_serves),
		TEST("at a start the second serves as soon as the first has failed", second_at_start),
		TEST("what takes away too much is held until that very one is accepted", held),
		TEST("with nothing pinned the cache serves until a broken feed is mended", cached),
		TEST("pinned state is believed before the cache", cached_less_than_pinned),
		TEST("a damaged cache is ignored", cached_damaged),
		TEST("after remove_after a silent cluster is gone, and comes back when it answers", removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
