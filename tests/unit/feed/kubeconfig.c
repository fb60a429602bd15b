/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Kubeconfigs of every kind, which sentence meets what cannot be followed, and that none tells a secret. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "core/defs.h"
#include "feed/kubeconfig.h"
#include "tempdir.h"

#define PEM "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==" /* -----BEGIN CERTIFICATE----- */
#define SECRET "hunter2"

/* A kubeconfig with these lines below its cluster and its user. */
#define TEXT(cluster, user)                                                                        \
	"apiVersion: v1\nkind: Config\ncurrent-context: c\n"                                         \
	"contexts:\n- name: c\n  context: {cluster: k, user: u}\n"                                   \
	"clusters:\n- name: k\n  cluster:\n" cluster "users:\n- name: u\n  user:\n" user
#define SERVER "    server: https://192.0.2.9:6443\n"
#define TOKEN "    token: " SECRET "\n"

static int parse(const char *text, const char *context, struct kubeconfig **ret, struct err *err)
{
	return kubeconfig_parse(text, strlen(text), "/etc/k/west.kubeconfig", context, ret, err);
}

static struct kubeconfig *good(const char *text, const char *context)
{
	struct kubeconfig *config;
	struct err err;

	if (parse(text, context, &config, &err))
		fail_msg("%s", err.text);
	return config;
}

static void whole(void **state)
{
	struct kubeconfig *c = good(
		TEXT("    server: https://192.0.2.9:6443/k8s/\n    certificate-authority-data: " PEM "\n"
		     "    tls-server-name: api.west\n    proxy-url: http://p:3128\n"
		     "    insecure-skip-tls-verify: true\n    disable-compression: true\n",
		     "    client-certificate: certs/me.pem\n    client-key: /abs/me.key\n"
		     "    tokenFile: token\n    username: me\n    password: " SECRET "\n"),
		NULL);

	assert_string_equal(c->server, "https://192.0.2.9:6443/k8s");
	assert_string_equal(c->server_name, "api.west");
	assert_string_equal(c->proxy, "http://p:3128");
	assert_true(c->insecure && c->plain);
	assert_string_equal(c->ca.data, "-----BEGIN CERTIFICATE-----\n");
	assert_string_equal(c->cert.file, "/etc/k/certs/me.pem");
	assert_string_equal(c->key.file, "/abs/me.key");
	assert_string_equal(c->token_file, "/etc/k/token");
	assert_string_equal(c->user, "me");
	assert_string_equal(c->where, "/etc/k/west.kubeconfig context c");
	kubeconfig_free(c);
}

static void contexts(void **state)
{
	static const char text[] =
		"{\"current-context\": \"a\", \"contexts\": [{\"name\": \"a\", \"context\": {\"cluster\": \"k\"}},"
		"{\"name\": \"b\", \"context\": {\"cluster\": \"l\"}}], \"clusters\": ["
		"{\"name\": \"k\", \"cluster\": {\"server\": \"https://k\"}},"
		"{\"name\": \"l\", \"cluster\": {\"server\": \"http://127.0.0.1:8001\"}}]}";
	struct kubeconfig *c = good(text, NULL);
	char *line;
	struct err err;

	assert_string_equal(c->server, "https://k");
	assert_int_equal(kubeconfig_authorization(c, &line, &err), 0);
	assert_null(line);
	kubeconfig_free(c);
	c = good(text, "b");
	assert_string_equal(c->server, "http://127.0.0.1:8001");
	kubeconfig_free(c);
	assert_int_equal(parse(text, "x", &c, &err), -ENOENT);
	assert_non_null(strstr(err.text, "there is: a, b"));
}

struct row {
	const char *name, *text;
	int rc;
	const char *part; /* of the sentence */
};

static const struct row rows[] = {
	{ "a command as credentials",
	  TEXT(SERVER, "    exec: {command: aws, args: [eks, get-token]}\n"), -EINVAL,
	  "(exec: aws), which an agent on a node does not run: make a token" },
	{ "a line for it", TEXT(SERVER, "    exec: {command: aws}\n"), -EINVAL,
	  "/etc/k/west.kubeconfig:14: " },
	{ "an auth-provider", TEXT(SERVER, "    auth-provider: {name: gcp}\n"), -EINVAL, "auth-provider" },
	{ "impersonation", TEXT(SERVER, TOKEN "    as: admin\n"), -EINVAL, "acts as another one" },
	{ "no server", TEXT("    tls-server-name: x\n", TOKEN), -EINVAL, "has no server" },
	{ "a server without https", TEXT("    server: 192.0.2.9:6443\n", TOKEN), -EINVAL,
	  "does not begin with https://" },
	{ "a certificate without its key", TEXT(SERVER, "    client-certificate: a\n"), -EINVAL,
	  "only one of client-certificate and client-key" },
	{ "a user name without password", TEXT(SERVER, "    username: a\n"), -EINVAL,
	  "only one of username and password" },
	{ "bad base64", TEXT(SERVER "    certificate-authority-data: \"LS0*\"\n", TOKEN), -EINVAL,
	  "certificate-authority-data is not base64" },
	{ "base64 of something else", TEXT(SERVER "    certificate-authority-data: Zm9v\n", TOKEN),
	  -EINVAL, "is not PEM" },
	{ "a key that is not base64", TEXT(SERVER, "    client-key-data: \"" SECRET "*\"\n"), -EINVAL,
	  "client-key-data is not base64" },
	{ "a token over two lines", TEXT(SERVER, "    token: \"" SECRET "\\nX: y\"\n"), -EINVAL,
	  "a character that no token has" },
	{ "a token that is a list", TEXT(SERVER, "    token: [" SECRET "]\n"), -EINVAL,
	  "token is not a text" },
	{ "a flag that is a text", TEXT(SERVER "    insecure-skip-tls-verify: \"yes\"\n", TOKEN), -EINVAL,
	  "insecure-skip-tls-verify is neither true nor false" },
	{ "a Node", "kind: Node\n", -EINVAL, "this is no kubeconfig" },
	{ "nothing", "", -EINVAL, "it is empty" },
	{ "two", "a: b\n---\nx: y\n", -EINVAL, "several documents" },
	{ "no current-context", "contexts: []\nclusters: []\n", -EINVAL, "there is no current-context" },
	{ "a user that is missing",
	  "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n"
	  "clusters: [{name: k, cluster: {server: \"https://x\"}}]\n",
	  -ENOENT, "there is no user \"u\" under users" },
	{ "a cluster that is missing",
	  "current-context: c\ncontexts: [{name: c, context: {cluster: k}}]\nclusters: []\n", -ENOENT,
	  "there is no cluster \"k\"" },
};

static void sentences(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct kubeconfig *config = NULL;
		struct err err = {};
		int rc = parse(rows[i].text, NULL, &config, &err);

		if (rc != rows[i].rc || !strstr(err.text, rows[i].part))
			fail_msg("%s: %d, %s", rows[i].name, rc, err.text);
		if (strstr(err.text, SECRET))
			fail_msg("%s: tells a secret: %s", rows[i].name, err.text);
		if (strncmp(err.text, "/etc/k/west.kubeconfig:", 23))
			fail_msg("%s: names no file: %s", rows[i].name, err.text);
		assert_null(config);
	}
}

static void authorization_is(const struct kubeconfig *config, const char *want)
{
	struct err err;
	char *line;

	if (kubeconfig_authorization(config, &line, &err))
		fail_msg("%s", err.text);
	assert_string_equal(line, want);
	kubeconfig_wipe(line);
}

static void credentials(void **state)
{
	struct kubeconfig *c = good(TEXT(SERVER, TOKEN), NULL);

	authorization_is(c, "Authorization: Bearer " SECRET);
	kubeconfig_free(c);
	c = good(TEXT(SERVER, "    username: Aladdin\n    password: open sesame\n"), NULL);
	authorization_is(c, "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="); /* RFC 2617 */
	kubeconfig_free(c);
	c = good(TEXT(SERVER, "    token: 12345\n"), NULL); /* a number to YAML */
	authorization_is(c, "Authorization: Bearer 12345");
	kubeconfig_free(c);
}

static void files(void **state)
{
	char path[TEMP_PATH_MAX];
	struct kubeconfig *c, *d;
	struct err err;
	char *line;

	snprintf(path, sizeof(path), "%s/k", temp_root);
	assert_int_equal(temp_run("printf 'first\\n' >%s/token && printf -- '-----BEGIN X\\n' >%s/ca.pem && "
				  "printf %%s '%s' >%s",
				  temp_root, temp_root,
				  TEXT(SERVER "    certificate-authority: ca.pem\n",
				       "    token: other\n    tokenFile: token\n"),
				  path), 0);
	assert_int_equal(kubeconfig_load(path, NULL, &c, &err), 0);
	assert_string_equal(c->ca.data, "-----BEGIN X\n");
	authorization_is(c, "Authorization: Bearer first");
	/* It is read each time. */
	assert_int_equal(temp_run("printf second >%s/token", temp_root), 0);
	authorization_is(c, "Authorization: Bearer second");
	assert_int_equal(temp_run("printf ' \\n' >%s/token", temp_root), 0);
	assert_int_equal(kubeconfig_authorization(c, &line, &err), -EINVAL);
	assert_non_null(strstr(err.text, "there is no token in "));
	assert_int_equal(temp_run("printf 'a b' >%s/token", temp_root), 0);
	assert_int_equal(kubeconfig_authorization(c, &line, &err), -EINVAL);
	assert_int_equal(temp_run("rm %s/token", temp_root), 0);
	assert_int_equal(kubeconfig_authorization(c, &line, &err), -ENOENT);
	/* What a connection is made of. */
	assert_int_equal(kubeconfig_load(path, NULL, &d, &err), 0);
	assert_true(kubeconfig_equal(c, d));
	kubeconfig_free(d);
	assert_int_equal(temp_run("echo more >>%s/ca.pem", temp_root), 0);
	assert_int_equal(kubeconfig_load(path, NULL, &d, &err), 0);
	assert_false(kubeconfig_equal(c, d));
	kubeconfig_free(d);
	kubeconfig_free(c);
	assert_int_equal(temp_run("echo nothing >%s/ca.pem", temp_root), 0);
	assert_int_equal(kubeconfig_load(path, NULL, &d, &err), -EINVAL);
	assert_non_null(strstr(err.text, "is not PEM"));
	assert_int_equal(temp_run("rm %s/ca.pem", temp_root), 0);
	assert_int_equal(kubeconfig_load(path, NULL, &d, &err), -ENOENT);
	assert_non_null(strstr(err.text, "certificate-authority"));
	assert_int_equal(kubeconfig_load("/nowhere/k", NULL, &d, &err), -ENOENT);
}

static void in_pod(void **state)
{
	struct kubeconfig *c;
	struct err err;

	assert_int_equal(temp_run("printf tok >%s/token && printf -- '-----BEGIN X\\n' >%s/ca.crt",
				  temp_root, temp_root), 0);
	assert_int_equal(kubeconfig_in_pod("10.96.0.1", "443", temp_root, &c, &err), 0);
	assert_string_equal(c->server, "https://10.96.0.1:443");
	authorization_is(c, "Authorization: Bearer tok");
	kubeconfig_free(c);
	assert_int_equal(kubeconfig_in_pod("fd00::1", "443", temp_root, &c, &err), 0);
	assert_string_equal(c->server, "https://[fd00::1]:443");
	kubeconfig_free(c);
	assert_int_equal(kubeconfig_in_pod(NULL, NULL, temp_root, &c, &err), -ENOENT);
	assert_non_null(strstr(err.text, "this is no pod"));
	assert_int_equal(kubeconfig_in_pod("10.96.0.1", "443", "/nowhere", &c, &err), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole),       cmocka_unit_test(contexts),
		cmocka_unit_test(sentences),   cmocka_unit_test(credentials),
		cmocka_unit_test_setup_teardown(files, temp_setup, temp_teardown),
		cmocka_unit_test_setup_teardown(in_pod, temp_setup, temp_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
