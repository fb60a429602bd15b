/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One request by a kubeconfig: headers, who we are, and what is said about a dangerous one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "core/defs.h"
#include "feed/kube_client.h"
#include "kube_server.h"

static struct kube_server server;
static struct {
	uv_loop_t loop;
	struct kube_client *client;
	char body[4096];
	int code, status;
	struct err err;
} seen;

static bool on_data(void *user, int status, const void *data, size_t len)
{
	size_t had = strlen(seen.body);

	assert_true(had + len < sizeof(seen.body));
	memcpy(seen.body + had, data, len);
	return true;
}

static void on_done(void *user, int code, int status, const struct err *err)
{
	seen.code = code;
	seen.status = status;
	seen.err = *err;
}

/* The status of a GET of one page of nodes; below 0 what kube_client_get() said. */
static int get(void)
{
	struct http_ask ask = { .path = "/api/v1/services?limit=1", .data = on_data, .done = on_done };
	struct http_request *request;
	int rc;

	memset(seen.body, 0, sizeof(seen.body));
	seen.status = 0;
	rc = kube_client_get(seen.client, &ask, &request, &seen.err);
	if (rc)
		return rc;
	while (!seen.status && !seen.code)
		uv_run(&seen.loop, UV_RUN_ONCE);
	return seen.code ? seen.code : seen.status;
}

static int setup(void **state)
{
	char certs[4][TEMP_PATH_MAX];
	const char *const arguments[] = { "--cert", certs[0], "--key", certs[1], "--client-ca", certs[2],
					  "--token", certs[3], NULL };

	temp_setup(state);
	kube_certs();
	snprintf(certs[0], sizeof(certs[0]), "%s/server.pem", temp_root);
	snprintf(certs[1], sizeof(certs[1]), "%s/server.key", temp_root);
	snprintf(certs[2], sizeof(certs[2]), "%s/ca.pem", temp_root);
	snprintf(certs[3], sizeof(certs[3]), "%s/expected", temp_root);
	temp_write("expected", "me:secret");
	kube_start(&server, arguments);
	memset(&seen, 0, sizeof(seen));
	assert_int_equal(uv_loop_init(&seen.loop), 0);
	assert_int_equal(kube_client_new(&seen.loop, server.kubeconfig, NULL, &seen.client), 0);
	return 0;
}

static int teardown(void **state)
{
	kube_client_close(seen.client);
	uv_run(&seen.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&seen.loop), 0);
	kube_stop(&server);
	return temp_teardown(state);
}

#define CA "    certificate-authority: ca.pem\n"

static void who_we_are(void **state)
{
	static const struct { const char *name, *user; int status; } rows[] = {
		{ "nobody", "", 403 },
		{ "a wrong token", "    token: other\n", 401 },
		{ "a token", "    token: me:secret\n", 200 },
		{ "a token in a file", "    tokenFile: expected\n", 200 },
		{ "a user with a password", "    username: me\n    password: secret\n", 200 },
		{ "a certificate", "    client-certificate: client.pem\n    client-key: client.key\n", 200 },
	};

	assert_string_equal(kube_client_server(seen.client), "");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		kube_config(&server, "https", CA, rows[i].user);
		kube_client_doubt(seen.client);
		if (get() != rows[i].status)
			fail_msg("%s: code %d, status %d, %s", rows[i].name, seen.code, seen.status,
				 seen.err.text);
		assert_int_equal(seen.body[0], '{');
		assert_null(kube_client_warning(seen.client));
	}
	assert_non_null(strstr(kube_client_server(seen.client), "https://127.0.0.1:"));
	/* Not doubted: the kubeconfig is not read again. */
	kube_config(&server, "https", CA, "");
	assert_int_equal(get(), 200);
}

static void warnings(void **state)
{
	static const struct { const char *scheme, *cluster, *part; } rows[] = {
		{ "https", "    insecure-skip-tls-verify: true\n", "insecure-skip-tls-verify" },
		{ "http", "", "use https://" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		kube_config(&server, rows[i].scheme, rows[i].cluster, "    token: me:secret\n");
		kube_client_doubt(seen.client);
		get();
		assert_non_null(strstr(kube_client_warning(seen.client), rows[i].part));
	}
}

static void mended(void **state)
{
	kube_config(&server, "https", CA, "    exec: {command: aws}\n");
	assert_true(get() < 0);
	assert_non_null(strstr(seen.err.text, "exec: aws"));
	/* Before anything was good it is read each time. */
	kube_config(&server, "https", CA, "    token: me:secret\n");
	assert_int_equal(get(), 200);
	/* A bad edit afterwards: told, and what was is not forgotten. */
	kube_config(&server, "https", CA, "    token: [\n");
	kube_client_doubt(seen.client);
	assert_true(get() < 0);
	kube_config(&server, "https", CA, "    tokenFile: nowhere\n");
	assert_true(get() < 0);
	assert_non_null(strstr(seen.err.text, "tokenFile"));
	kube_config(&server, "https", CA, "    token: me:secret\n");
	assert_int_equal(get(), 200);
}

#define ROW(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { ROW(who_we_are), ROW(warnings), ROW(mended) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
