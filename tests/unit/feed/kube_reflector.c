/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One resource of a scripted API server under every fault that is known: what is heard stays true, and it
 * is heard in the way that the server can do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "core/defs.h"
#include "feed/kube_reflector.h"
#include "kube_server.h"

#define MAX_KEYS 2000

static struct kube_server server;

/* What a store would hold, and what was called. */
static struct {
	uv_loop_t loop;
	uv_timer_t tick;
	struct kube_reflector *reflector;
	struct { char name[64]; bool marked; } keys[MAX_KEYS];
	size_t n;
	bool listing;
	unsigned int lists, listed, aborted, current, errors, warnings, timed;
	bool hold; /* put() asks for a pause */
	char version[128];
	struct err err;
} seen;

static size_t find(struct kube_span name)
{
	size_t i;

	for (i = 0; i < seen.n; i++)
		if (kube_span_is(name, seen.keys[i].name))
			break;
	return i;
}

static bool has(const char *name)
{
	return find((struct kube_span){ name, strlen(name) }) < seen.n;
}

static void on_list(void *user)
{
	assert_false(seen.listing);
	seen.listing = true;
	seen.lists++;
	for (size_t i = 0; i < seen.n; i++)
		seen.keys[i].marked = false;
}

static bool on_put(void *user, const struct kube_event *event, uint64_t seen_ns)
{
	size_t i = find(event->name);

	if (i == seen.n) {
		assert_true(++seen.n <= MAX_KEYS);
		snprintf(seen.keys[i].name, sizeof(seen.keys[i].name), "%.*s", (int)event->name.len,
			 event->name.text);
	}
	seen.keys[i].marked = true;
	seen.timed += seen_ns != 0;
	assert_true(!seen_ns || !seen.listing);
	return !seen.hold;
}

static void erase_at(size_t i)
{
	seen.keys[i] = seen.keys[--seen.n];
}

static bool on_erase(void *user, const struct kube_event *event, uint64_t seen_ns)
{
	size_t i = find(event->name);

	if (i < seen.n)
		erase_at(i);
	return true;
}

static void on_listed(void *user)
{
	assert_true(seen.listing);
	seen.listing = false;
	seen.listed++;
	for (size_t i = seen.n; i > 0; i--)
		if (!seen.keys[i - 1].marked)
			erase_at(i - 1);
}

static void on_aborted(void *user)
{
	assert_true(seen.listing);
	seen.listing = false;
	seen.aborted++;
}

static void on_current(void *user, const char *version)
{
	assert_false(seen.listing);
	seen.current++;
	snprintf(seen.version, sizeof(seen.version), "%s", version);
}

static void on_error(void *user, const struct err *err)
{
	seen.errors++;
	seen.err = *err;
}

static void on_warn(void *user, const char *sentence)
{
	seen.warnings++;
	snprintf(seen.err.text, sizeof(seen.err.text), "%s", sentence);
}

static void on_tick(uv_timer_t *timer)
{
}

static void begin(unsigned int resource, uint64_t silence_ms)
{
	struct kube_reflector_setup setup = {
		.loop = &seen.loop,
		.resource = &kube_resources[resource],
		.kubeconfig = server.kubeconfig,
		.callbacks = { .list = on_list, .put = on_put, .erase = on_erase, .listed = on_listed,
			       .aborted = on_aborted, .current = on_current, .error = on_error,
			       .warn = on_warn },
		.silence_ms = silence_ms,
		.initial_ms = 300,
		.first_pause_ms = 20,
		.max_pause_ms = 200,
	};

	memset(&seen, 0, sizeof(seen));
	assert_int_equal(uv_loop_init(&seen.loop), 0);
	uv_timer_init(&seen.loop, &seen.tick);
	uv_timer_start(&seen.tick, on_tick, 5, 5);
	assert_int_equal(kube_reflector_new(&setup, &seen.reflector), 0);
	assert_int_equal(seen.lists + seen.errors, 0);
}

/* Runs the loop dry: whatever is left open, or is called back after the close, shows. */
static void end(void)
{
	unsigned int before;

	kube_reflector_close(seen.reflector);
	before = seen.lists + seen.listed + seen.current + seen.errors + seen.aborted;
	uv_close((uv_handle_t *)&seen.tick, NULL);
	uv_run(&seen.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&seen.loop), 0);
	assert_int_equal(seen.lists + seen.listed + seen.current + seen.errors + seen.aborted, before);
}

#define WAIT(condition)                                                                            \
	do {                                                                                       \
		uint64_t until_ = kube_now_ms() + KUBE_PATIENCE_MS;                                \
		while (!(condition) && kube_now_ms() < until_)                                     \
			uv_run(&seen.loop, UV_RUN_ONCE);                                           \
		if (!(condition))                                                                  \
			fail_msg("never: %s (keys %zu, lists %u, listed %u, aborted %u, errors "   \
				 "%u: %s)", #condition, seen.n, seen.lists, seen.listed,           \
				 seen.aborted, seen.errors, seen.err.text);                        \
	} while (0)

static int asked(const char *what)
{
	return kube_count(&server, "asked", what);
}

static int start(const char *const *arguments)
{
	kube_start(&server, arguments);
	return 0;
}

static int setup(void **state)
{
	const char *const arguments[] = { TEST_DATA "/west.json", NULL };

	temp_setup(state);
	return start(arguments);
}

static int teardown(void **state)
{
	kube_stop(&server);
	return temp_teardown(state);
}

/* ---- without faults ------------------------------------------------------------------------- */

static void watch_list(void **state)
{
	begin(KUBE_NODES, 0);
	WAIT(seen.current);
	assert_int_equal(seen.n, 3);
	assert_int_equal(seen.listed, 1);
	assert_int_equal(asked("nodes watchlist"), 1);
	assert_non_null(strstr(server.reply, "\"agent\":\"xmesh/"));
	kube_apply_node(&server, "west-9", "10.2.9.0/24");
	WAIT(has("west-9"));
	assert_int_equal(seen.timed, 1);
	kube_delete(&server, "nodes", "", "west-1");
	WAIT(!has("west-1"));
	assert_int_equal(seen.n, 3);
	/* The watch ends in order, as each does after some minutes: no list again. */
	kube_do(&server, "/end", "{}");
	WAIT(asked("nodes watch") == 1);
	kube_apply_node(&server, "west-8", "10.2.8.0/24");
	WAIT(has("west-8"));
	assert_int_equal(seen.listed, 1);
	assert_int_equal(seen.errors, 0);
	end();
}

static void poked(void **state)
{
	begin(KUBE_NODES, 0);
	WAIT(seen.current);
	kube_reflector_poke(seen.reflector);
	WAIT(seen.listed == 2);
	assert_int_equal(seen.n, 3);
	assert_int_equal(asked("nodes watchlist"), 2);
	end();
}

static void copies_are_not_listed(void **state)
{
	begin(KUBE_SLICES, 0);
	WAIT(seen.current);
	assert_int_equal(seen.n, 18);
	kube_do(&server, "/apply",
		"{\"kind\":\"EndpointSlice\",\"apiVersion\":\"discovery.k8s.io/v1\",\"metadata\":{\"name\":\"copy\","
		"\"namespace\":\"shop\",\"labels\":{\"endpointslice.kubernetes.io/managed-by\":"
		"\"endpointslice-mesh-controller.cilium.io\"}},\"addressType\":\"IPv4\",\"endpoints\":null}");
	kube_do(&server, "/apply",
		"{\"kind\":\"EndpointSlice\",\"apiVersion\":\"discovery.k8s.io/v1\",\"metadata\":{\"name\":\"ours\","
		"\"namespace\":\"shop\"},\"addressType\":\"IPv4\",\"endpoints\":null}");
	WAIT(has("ours"));
	assert_false(has("copy"));
	end();
}

static void lists_and_watch(void **state)
{
	static char json[400 * 1100];
	size_t len = (size_t)snprintf(json, sizeof(json), "{\"kind\":\"List\",\"items\":[");

	for (int i = 0; i < 1100; i++)
		len += (size_t)snprintf(json + len, sizeof(json) - len,
					"%s{\"kind\":\"Node\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"n-%d\"}}",
					i ? "," : "", i);
	snprintf(json + len, sizeof(json) - len, "]}");
	kube_do(&server, "/apply", json);
	kube_do(&server, "/set", "{\"watchlist\":false,\"gzip\":true}");
	begin(KUBE_NODES, 0);
	WAIT(seen.current);
	assert_int_equal(seen.n, 1103);
	assert_int_equal(asked("nodes watchlist"), 1);
	assert_int_equal(asked("nodes list"), 3); /* pages of 500 */
	assert_true(kube_count(&server, "encodings", "gzip") == 3);
	kube_apply_node(&server, "west-9", "10.2.9.0/24");
	WAIT(has("west-9"));
	assert_int_equal(seen.errors, 0);
	/* Its token grows too old on the way: all in one answer. */
	seen.hold = true;
	kube_reflector_poke(seen.reflector);
	WAIT(asked("nodes list") == 4 && seen.listing);
	kube_do(&server, "/expire", "{}");
	seen.hold = false;
	for (int i = 0; i < 3; i++) {
		kube_reflector_resume(seen.reflector);
		uv_run(&seen.loop, UV_RUN_ONCE);
	}
	WAIT((kube_reflector_resume(seen.reflector), seen.listed == 2));
	assert_int_equal(seen.n, 1104);
	assert_int_equal(asked("nodes list"), 6);
	end();
}

/* ---- servers that cannot do all ------------------------------------------------------------- */

static void old_server(void **state)
{
	kube_do(&server, "/set", "{\"watchlist\":\"ignore\"}");
	begin(KUBE_NODES, 0);
	WAIT(seen.current);
	assert_int_equal(seen.n, 3);
	assert_int_equal(asked("nodes list"), 1);
	assert_int_equal(seen.errors, 0);
	end();
}

static void old_server_with_bookmarks(void **state)
{
	kube_do(&server, "/set", "{\"watchlist\":\"ignore\",\"bookmark_s\":0.02}");
	begin(KUBE_NODES, 0);
	WAIT(seen.current > 3);
	assert_int_equal(seen.n, 3);
	assert_int_equal(seen.listed, 1);
	assert_int_equal(asked("nodes list"), 1);
	end();
}

struct absence {
	const char *name, *set;
	bool present;
};

static void optional(void **state)
{
	static const struct absence rows[] = {
		{ "no MCS at all", "{\"mcs\":404}", false },
		{ "no right to read it", "{\"mcs\":403}", false },
		{ "only the older version", "{\"mcs\":\"v1alpha1\"}", true },
		{ "only the newer version", "{\"mcs\":\"v1beta1\"}", true },
	};

	kube_do(&server, "/apply",
		"{\"kind\":\"ServiceExport\",\"apiVersion\":\"multicluster.x-k8s.io/v1beta1\","
		"\"metadata\":{\"name\":\"cart\",\"namespace\":\"shop\"}}");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		kube_do(&server, "/set", rows[i].set);
		begin(KUBE_EXPORTS, 0);
		WAIT(seen.current);
		if (seen.n != rows[i].present || seen.errors || !!*seen.version != rows[i].present)
			fail_msg("%s: %zu keys, %u errors, version %s", rows[i].name, seen.n, seen.errors,
				 seen.version);
		/* What was there is not believed to be gone because it was said once. */
		if (rows[i].present) {
			kube_do(&server, "/set", "{\"mcs\":404}");
			kube_do(&server, "/end", "{}");
			WAIT(seen.errors);
			assert_int_equal(seen.n, 1);
			kube_do(&server, "/set", rows[i].set);
			kube_do(&server, "/apply",
				"{\"kind\":\"ServiceExport\",\"metadata\":{\"name\":\"edge\",\"namespace\":\"shop\"}}");
			WAIT(has("edge"));
			kube_delete(&server, "serviceexports", "shop", "edge");
		}
		end();
	}
}

/* ---- faults --------------------------------------------------------------------------------- */

static void cut_in_an_object(void **state)
{
	begin(KUBE_NODES, 0);
	WAIT(seen.current);
	kube_do(&server, "/cut", "{}");
	kube_apply_node(&server, "west-9", "10.2.9.0/24");
	WAIT(has("west-9"));
	assert_int_equal(seen.listed, 1);
	assert_int_equal(seen.n, 4);
	assert_int_equal(asked("nodes watch"), 1);
	assert_int_equal(seen.errors, 0);
	assert_false(has("half"));
	end();
}

static void too_old(void **state)
{
	static const char *const how[] = { "{\"expired\":\"event\",\"stall\":true}",
					   "{\"expired\":\"http\",\"stall\":true}" };

	for (size_t i = 0; i < ARRAY_SIZE(how); i++) {
		kube_apply_node(&server, "west-9", "10.2.9.0/24");
		kube_do(&server, "/set", "{\"stall\":false}");
		begin(KUBE_NODES, 0);
		WAIT(seen.current);
		assert_int_equal(seen.n, 4);
		/* It is deleted, and the event for it forgotten. */
		kube_do(&server, "/set", how[i]);
		kube_delete(&server, "nodes", "", "west-9");
		kube_do(&server, "/expire", "{}");
		kube_do(&server, "/set", "{\"stall\":false}");
		if (i)
			kube_do(&server, "/end", "{}");
		WAIT(seen.listed == 2);
		assert_false(has("west-9"));
		assert_int_equal(seen.n, 3);
		assert_int_equal(seen.errors, 0);
		end();
	}
}

static void half_a_list(void **state)
{
	kube_do(&server, "/set", "{\"watchlist\":false,\"half_list\":2000}");
	begin(KUBE_NODES, 0);
	WAIT(seen.current);
	assert_int_equal(seen.n, 3);
	assert_int_equal(seen.errors, 1);
	assert_true(seen.aborted >= 1);
	assert_int_equal(asked("nodes list"), 2);
	end();
}

static void slow_drip(void **state)
{
	kube_do(&server, "/set", "{\"drip\":50}");
	begin(KUBE_NODES, 0);
	WAIT(seen.current);
	assert_int_equal(seen.n, 3);
	assert_int_equal(seen.lists, 1);
	end();
}

static void too_much_to_do(void **state)
{
	uint64_t before = kube_now_ms();

	kube_do(&server, "/set", "{\"status\":{\"code\":429,\"retry_after\":1}}");
	begin(KUBE_NODES, 0);
	WAIT(seen.current);
	assert_true(kube_now_ms() - before >= 1000);
	assert_int_equal(seen.errors, 1);
	assert_non_null(strstr(seen.err.text, "HTTP 429"));
	end();
}

static void broken_server(void **state)
{
	kube_do(&server, "/set", "{\"status\":{\"code\":500,\"count\":3,\"message\":\"etcd is gone\"}}");
	begin(KUBE_NODES, 0);
	WAIT(seen.current);
	assert_int_equal(seen.errors, 3);
	assert_non_null(strstr(seen.err.text, "HTTP 500: etcd is gone"));
	end();
}

static void silent_stall(void **state)
{
	begin(KUBE_NODES, 300);
	WAIT(seen.current);
	kube_do(&server, "/set", "{\"stall\":true}");
	kube_apply_node(&server, "west-9", "10.2.9.0/24");
	/* A watch that was good is begun again; one that never says a word makes it list. */
	WAIT(asked("nodes watch") >= 1);
	WAIT(has("west-9"));
	assert_true(seen.listed >= 2);
	end();
}

static void no_right(void **state)
{
	kube_do(&server, "/set", "{\"deny\":[\"nodes\"]}");
	begin(KUBE_NODES, 0);
	WAIT(seen.errors);
	assert_non_null(strstr(seen.err.text, "give the account get, list and watch on nodes"));
	kube_do(&server, "/set", "{\"deny\":[]}");
	WAIT(seen.current);
	end();
}

static void gone_server(void **state)
{
	const char *const arguments[] = { TEST_DATA "/west.json", NULL };

	begin(KUBE_NODES, 0);
	WAIT(seen.current);
	kube_stop(&server);
	WAIT(seen.errors);
	assert_int_equal(seen.n, 3);
	/* Another port, as a new address would be: the kubeconfig is read again. */
	kube_start(&server, arguments);
	kube_apply_node(&server, "west-9", "10.2.9.0/24");
	WAIT(has("west-9"));
	end();
}

/* ---- credentials and certificates ----------------------------------------------------------- */

static void write_token(const char *token)
{
	assert_int_equal(temp_run("printf %%s '%s' >%s/token.new && mv %s/token.new %s/token", token,
				  temp_root, temp_root, temp_root), 0);
}

static void tokens(void **state)
{
	char expected[TEMP_PATH_MAX];
	const char *const arguments[] = { "--token", expected, TEST_DATA "/west.json", NULL };

	kube_stop(&server);
	snprintf(expected, sizeof(expected), "%s/expected", temp_root);
	assert_int_equal(temp_run("printf first >%s", expected), 0);
	write_token("first");
	kube_start(&server, arguments);
	kube_config(&server, "http", "", "    tokenFile: token\n");
	begin(KUBE_NODES, 0);
	WAIT(seen.current);
	/* The old one is no longer good; the new one is in the file. */
	assert_int_equal(temp_run("printf second >%s", expected), 0);
	write_token("second");
	kube_do(&server, "/end", "{}");
	kube_apply_node(&server, "west-9", "10.2.9.0/24");
	WAIT(has("west-9"));
	assert_int_equal(seen.errors, 0);
	/* Not renewed in time: told, and taken up when it is. */
	assert_int_equal(temp_run("printf third >%s", expected), 0);
	kube_do(&server, "/end", "{}");
	WAIT(seen.errors);
	assert_non_null(strstr(seen.err.text, "HTTP 401"));
	assert_null(strstr(seen.err.text, "second"));
	assert_int_equal(seen.n, 4);
	write_token("third");
	kube_apply_node(&server, "west-8", "10.2.8.0/24");
	WAIT(has("west-8"));
	end();
}

static void certificates(void **state)
{
	char cert[TEMP_PATH_MAX], key[TEMP_PATH_MAX], json[2 * TEMP_PATH_MAX + 64];
	const char *const arguments[] = { "--cert", cert, "--key", key, TEST_DATA "/west.json", NULL };

	kube_stop(&server);
	kube_certs();
	snprintf(cert, sizeof(cert), "%s/other.pem", temp_root);
	snprintf(key, sizeof(key), "%s/other.key", temp_root);
	kube_start(&server, arguments);
	kube_config(&server, "https", "    certificate-authority: ca.pem\n", "");
	begin(KUBE_NODES, 0);
	WAIT(seen.errors);
	assert_non_null(strstr(seen.err.text, "elsewhere.test"));
	assert_int_equal(seen.listed, 0);
	/* The name that the certificate has: the kubeconfig is read at the next attempt. */
	kube_config(&server, "https", "    certificate-authority: ca.pem\n    tls-server-name: elsewhere.test\n",
		    "");
	WAIT(seen.current);
	assert_int_equal(seen.warnings, 0);
	end();
	/* A CA that did not sign it. */
	kube_config(&server, "https", "    certificate-authority: client.pem\n    tls-server-name: elsewhere.test\n",
		    "");
	begin(KUBE_NODES, 0);
	WAIT(seen.errors);
	assert_int_equal(seen.current, 0);
	/* The server gets a right one. */
	snprintf(json, sizeof(json), "{\"cert\":\"%s/server.pem\",\"key\":\"%s/server.key\"}", temp_root, temp_root);
	kube_do(&server, "/set", json);
	kube_config(&server, "https", "    certificate-authority: ca.pem\n", "");
	WAIT(seen.current);
	end();
	/* No verification, since the kubeconfig says so: with a warning. */
	kube_config(&server, "https", "    insecure-skip-tls-verify: true\n", "");
	begin(KUBE_NODES, 0);
	WAIT(seen.current);
	assert_int_equal(seen.warnings, 1);
	assert_non_null(strstr(seen.err.text, "insecure-skip-tls-verify"));
	end();
}

#define ROW(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROW(watch_list), ROW(poked), ROW(copies_are_not_listed), ROW(lists_and_watch),
		ROW(old_server), ROW(old_server_with_bookmarks), ROW(optional), ROW(cut_in_an_object),
		ROW(too_old), ROW(half_a_list), ROW(slow_drip), ROW(too_much_to_do), ROW(broken_server),
		ROW(silent_stall), ROW(no_right), ROW(gone_server), ROW(tokens), ROW(certificates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
