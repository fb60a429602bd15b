/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which prefix is read when, and what is believed: the mirror and the intake are played here, and what is
 * asked of them and told becomes words in `told`.
 */
#include "../core/rows.h"

#include <errno.h>
#include <stdio.h>

#include "core/defs.h"
#include "feed/cilium_extra.h"
#include "feed/cilium_values.h"
#include "feed/etcd_mirror.h"
#include "feed/intake.h"

static char told[8192];

static void tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void tell(const char *fmt, ...)
{
	size_t len = strlen(told);
	va_list args;

	if (len)
		told[len++] = ' ';
	va_start(args, fmt);
	vsnprintf(told + len, sizeof(told) - len, fmt, args);
	va_end(args);
}

/* What was told since the last time is this. */
static void expect(const char *want)
{
	assert_string_equal(told, want);
	*told = '\0';
}

/* "nodes" of "cilium/state/nodes/v1/west/" */
static const char *short_name(const char *prefix)
{
	static char buf[64];
	const char *end = strstr(prefix, "/v1/");

	if (!strncmp(prefix, "cilium/synced/", 14))
		return "canaries";
	assert_non_null(end);
	snprintf(buf, sizeof(buf), "%.*s", (int)(end - prefix - 13), prefix + 13);
	return buf;
}

/* ---- the mirror ---- */

struct etcd_mirror { int n; };

static struct etcd_mirror mirror;
static struct etcd_mirror_callbacks to;
static size_t n_prefixes;
static bool is_open;

int etcd_mirror_new(uv_loop_t *loop, const struct config_etcd *config,
		    const struct etcd_mirror_callbacks *callbacks, struct etcd_mirror **ret_mirror, struct err *err)
{
	assert_false(is_open);
	is_open = true;
	to = *callbacks;
	n_prefixes = 0;
	*ret_mirror = &mirror;
	tell("open");
	return 0;
}

int etcd_mirror_add(struct etcd_mirror *m, const char *prefix, size_t *ret_index)
{
	tell("add:%s", short_name(prefix));
	*ret_index = n_prefixes++;
	return 0;
}

void etcd_mirror_drop(struct etcd_mirror *m, size_t first)
{
	tell("drop");
	n_prefixes = first;
}

void etcd_mirror_resume(struct etcd_mirror *m)
{
	tell("resume");
}

void etcd_mirror_poke(struct etcd_mirror *m)
{
	tell("poke");
}

void etcd_mirror_close(struct etcd_mirror *m)
{
	assert_true(is_open);
	is_open = false;
	tell("close");
}

/* ---- the intake ---- */

struct intake { int n; };

static struct intake intakes[4];
static size_t n_intakes;
static struct intake_setup into;

int intake_new(const struct intake_setup *setup, struct intake **ret_intake)
{
	into = *setup;
	*ret_intake = &intakes[n_intakes++];
	tell("intake");
	return 0;
}

void intake_close(struct intake *intake)
{
	tell("intake_close");
}

bool intake_put(struct intake *intake, const char *key, size_t key_len, const void *value, size_t len,
		uint64_t seen_ns)
{
	const char *slash = memrchr(key, '/', key_len);

	tell("put:%.*s", (int)(key + key_len - slash - 1), slash + 1);
	return true;
}

bool intake_delete(struct intake *intake, const char *key, size_t key_len, uint64_t seen_ns)
{
	const char *slash = memrchr(key, '/', key_len);

	tell("delete:%.*s", (int)(key + key_len - slash - 1), slash + 1);
	return true;
}

void intake_list_begin(struct intake *intake, const char *prefix)
{
	tell("begin:%s", short_name(prefix));
}

void intake_list_end(struct intake *intake, const char *prefix)
{
	tell("end:%s", short_name(prefix));
}

void intake_list_abort(struct intake *intake, const char *prefix)
{
	tell("abort:%s", short_name(prefix));
}

void intake_complete(struct intake *intake, const char *revision)
{
	tell("complete:%s", revision);
}

/* ---- who listens ---- */

static void on_snapshot(void *user, struct snapshot *snapshot)
{
	tell("snapshot:%zu", snapshot->n_nodes);
	snapshot_free(snapshot);
}

static void on_error(void *user, const struct err *err)
{
	tell("error:(%s)", err->text);
}

static void on_unchanged(void *user)
{
	tell("unchanged");
}

static const struct cilium_peer usual = { .id = 3, .identity_bits = 16, .canaries = true, .services = true };

static struct cilium_values *start(const struct cilium_peer *peer)
{
	const struct feed_callbacks callbacks = { .snapshot = on_snapshot, .error = on_error,
						  .unchanged = on_unchanged };
	struct cilium_values *v;

	*told = '\0';
	is_open = false;
	n_intakes = 0;
	assert_int_equal(cilium_values_new(NULL, &callbacks, &v), 0);
	assert_int_equal(cilium_values_use(v, NULL, "west", peer, NULL), 0);
	return v;
}

static struct etcd_kv kv(const char *key, const char *value)
{
	return (struct etcd_kv){ .key = { key, strlen(key) }, .value = { value, strlen(value) } };
}

static void put(size_t index, const char *key, const char *value)
{
	struct etcd_kv pair = kv(key, value);

	assert_true(to.put(to.user, index, &pair, 0));
}

static void list(size_t index)
{
	to.list(to.user, index);
	to.listed(to.user, index);
}

#define CANARY(prefix) "cilium/synced/west/cilium/state/" prefix "/v1"
#define NODE "{\"IPv4AllocCIDR\":{\"IP\":\"10.1.0.0\",\"Mask\":\"////AA==\"}}"
#define IP(addr) "cilium/state/ip/v1/default/" addr

/* All of it once, in the usual order: 0 canaries, 1 nodes, 2 services, 3 addresses. */
static void fill(void)
{
	to.list(to.user, 0);
	put(0, CANARY("nodes"), "t");
	put(0, CANARY("services"), "t");
	put(0, CANARY("ip"), "t");
	to.listed(to.user, 0);
	to.list(to.user, 1);
	put(1, "cilium/state/nodes/v1/west/n1", NODE);
	to.listed(to.user, 1);
	list(2);
	list(3);
	to.current(to.user, 7);
}

static void nothing_is_read_before_its_canary(void **state)
{
	struct cilium_values *v = start(&usual);

	expect("intake open add:canaries");
	list(0);
	to.current(to.user, 4);
	expect("error:(cluster west has not filled its store yet, as its canaries tell: waiting for "
	       "cilium/state/nodes/v1/west/, cilium/state/ip/v1/default/, cilium/state/services/v1/west/; what was "
	       "known stays)");
	to.alive(to.user);
	expect("");
	put(0, CANARY("identities"), "t");
	expect("");
	put(0, CANARY("services"), "t");
	expect("add:services");
	list(1);
	expect("begin:services end:services");
	to.current(to.user, 5);
	expect("error:(cluster west has not filled its store yet, as its canaries tell: waiting for "
	       "cilium/state/nodes/v1/west/, cilium/state/ip/v1/default/; what was known stays)");
	/* Addresses wait for the nodes. */
	put(0, CANARY("ip"), "t");
	expect("");
	put(0, CANARY("nodes"), "t");
	put(0, CANARY("nodes"), "again");
	expect("add:nodes");
	list(2);
	expect("begin:nodes end:nodes add:ip");
	to.current(to.user, 6);
	expect("");
	list(3);
	to.current(to.user, 7);
	expect("begin:ip end:ip complete:rev:7");
	to.alive(to.user);
	expect("unchanged");
	cilium_values_close(v);
	expect("close intake_close");
}

static void a_store_that_is_filled_anew_is_waited_for(void **state)
{
	struct cilium_values *v = start(&usual);
	struct etcd_kv gone = kv(CANARY("nodes"), "");

	fill();
	*told = '\0';
	/* That a canary's lease ends says nothing. */
	to.erase(to.user, 0, &gone, 0);
	to.current(to.user, 8);
	expect("complete:rev:8");
	/* Another store: canaries are listed again. */
	list(0);
	expect("drop");
	to.current(to.user, 2);
	to.alive(to.user);
	assert_non_null(strstr(told, "has not filled its store yet"));
	assert_null(strstr(told, "complete"));
	assert_null(strstr(told, "unchanged"));
	*told = '\0';
	put(0, CANARY("nodes"), "t");
	to.list(to.user, 1);
	expect("add:nodes begin:nodes");
	/* And once more in the middle of a list: nothing of it is swept. */
	list(0);
	expect("abort:nodes drop");
	fill();
	expect("add:nodes add:services begin:nodes put:n1 end:nodes add:ip begin:services end:services begin:ip "
	       "end:ip complete:rev:7");
	cilium_values_close(v);
}

static void a_list_that_is_given_up_sweeps_nothing(void **state)
{
	struct cilium_values *v = start(&usual);

	fill();
	*told = '\0';
	/* Its history was compacted. */
	to.list(to.user, 2);
	to.aborted(to.user, 2);
	to.current(to.user, 9);
	to.list(to.user, 2);
	to.listed(to.user, 2);
	to.current(to.user, 9);
	assert_non_null(strstr(told, "begin:services abort:services"));
	assert_non_null(strstr(told, "begin:services end:services complete:rev:9"));
	assert_null(strstr(told, "abort:services complete"));
	cilium_values_close(v);
}

static void addresses_that_a_node_holds_end_here(void **state)
{
	struct cilium_values *v = start(&usual);
	struct etcd_kv covered = kv(IP("10.1.0.9"), ""), other = kv(IP("10.2.0.9"), "");

	fill();
	*told = '\0';
	put(3, IP("10.1.0.9"), "{}");
	put(3, IP("10.2.0.9"), "{}");
	put(3, IP("fd00::9"), "{}");
	put(3, IP("10.1.0.0/24"), "{}"); /* no address: the decoder judges */
	to.erase(to.user, 3, &covered, 0);
	to.erase(to.user, 3, &other, 0);
	expect("put:10.2.0.9 put:fd00::9 put:24 delete:10.2.0.9");
	/* A bad node covers nothing, and is for the intake to name. */
	put(1, "cilium/state/nodes/v1/west/n2", "{\"IPv4AllocCIDR\":7}");
	expect("put:n2");
	cilium_values_close(v);
}

static void without_canaries_all_is_read_at_once(void **state)
{
	struct cilium_peer peer = { .id = 3, .services = true, .exports = true, .slices = true };
	struct cilium_values *v = start(&peer);

	expect("intake open add:nodes add:services add:serviceexports add:endpointslices");
	list(0);
	expect("begin:nodes end:nodes add:ip");
	for (size_t i = 1; i < 5; i++)
		list(i);
	to.current(to.user, 3);
	assert_non_null(strstr(told, "end:ip complete:rev:3"));
	cilium_values_close(v);
}

static void what_changes_the_form_begins_anew(void **state)
{
	struct cilium_peer cached = usual;
	struct cilium_values *v = start(&usual);

	fill();
	*told = '\0';
	assert_int_equal(cilium_values_use(v, NULL, "west", &usual, NULL), 0);
	expect("");
	cached.cached = true;
	assert_int_equal(cilium_values_use(v, NULL, "west", &cached, NULL), 0);
	expect("close intake_close intake open add:canaries");
	cilium_values_stop(v);
	cilium_values_stop(v);
	expect("close");
	cilium_values_poke(v);
	into.ready(into.user);
	expect("");
	/* The same store over new connections: what was read stays. */
	assert_int_equal(cilium_values_use(v, NULL, "west", &cached, NULL), 0);
	expect("open add:canaries");
	into.ready(into.user);
	expect("resume");
	cilium_values_close(v);
}

static struct snapshot *snapshot_of(const char *name)
{
	struct snapshot *s = calloc(1, sizeof(*s));

	s->nodes = calloc(2, sizeof(*s->nodes));
	if (name)
		snprintf(s->nodes[s->n_nodes++].name, sizeof(s->nodes->name), "%s", name);
	return s;
}

static void an_empty_cluster_is_an_error(void **state)
{
	struct cilium_values *v = start(&usual);
	struct snapshot *s;

	*told = '\0';
	into.callbacks.snapshot(into.callbacks.user, snapshot_of("n1"));
	expect("snapshot:1");
	s = snapshot_of(NULL);
	strcpy(s->revision, "rev:9");
	into.callbacks.snapshot(into.callbacks.user, s);
	expect("error:(cluster west has no nodes in its store (rev:9))");
	s = snapshot_of(NULL);
	s->counts.bad = 1;
	s->warnings = calloc(1, sizeof(*s->warnings));
	s->warnings[s->n_warnings++] = strdup("n1: ClusterID");
	into.callbacks.snapshot(into.callbacks.user, s);
	expect("error:(cluster west: no node can be used: n1: ClusterID)");
	into.callbacks.unchanged(into.callbacks.user);
	expect("unchanged");
	to.error(to.user, &(struct err){ .text = "down" });
	expect("error:(down)");
	cilium_values_close(v);
}

int main(void)
{
	static struct rows tests;

	ROWS_ADD_TEST(&tests, nothing_is_read_before_its_canary);
	ROWS_ADD_TEST(&tests, a_store_that_is_filled_anew_is_waited_for);
	ROWS_ADD_TEST(&tests, a_list_that_is_given_up_sweeps_nothing);
	ROWS_ADD_TEST(&tests, addresses_that_a_node_holds_end_here);
	ROWS_ADD_TEST(&tests, without_canaries_all_is_read_at_once);
	ROWS_ADD_TEST(&tests, what_changes_the_form_begins_anew);
	ROWS_ADD_TEST(&tests, an_empty_cluster_is_an_error);
	return rows_run("cilium_values", &tests);
}
