/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Configurations of etcd's clients, as Cilium keeps one for each peer. */
#include "../core/rows.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "feed/cilium_config.h"
#include "tempdir.h"

#define ENDPOINT "endpoints:\n- https://cluster3.mesh.cilium.io:32379\n"

static const struct row {
	const char *name, *text;
	const char *want; /* "endpoints ca cert key", DIR for the folder */
	const char *says;
} rows[] = {
	{ "as Cilium writes it",
	  ENDPOINT "trusted-ca-file: /var/lib/cilium/clustermesh/common-etcd-client-ca.crt\n"
	  "key-file: /var/lib/cilium/clustermesh/common-etcd-client.key\n"
	  "cert-file: /var/lib/cilium/clustermesh/common-etcd-client.crt\n",
	  "https://cluster3.mesh.cilium.io:32379 /var/lib/cilium/clustermesh/common-etcd-client-ca.crt "
	  "/var/lib/cilium/clustermesh/common-etcd-client.crt /var/lib/cilium/clustermesh/common-etcd-client.key", NULL },
	{ "several endpoints, a slash at an end, names from the file's folder",
	  "endpoints: [https://a:2379/, 'https://[2001:db8::1]:2379']\ntrusted-ca-file: ca.pem\n",
	  "https://a:2379,https://[2001:db8::1]:2379 DIR/ca.pem - -", NULL },
	{ "JSON", "{\"endpoints\":[\"http://127.0.0.1:2379\"],\"trusted-ca-file\":\"\"}", "http://127.0.0.1:2379 - - -",
	  NULL },
	{ "what else etcd's clients know is left alone", ENDPOINT "dial-timeout: 3\n",
	  "https://cluster3.mesh.cilium.io:32379 - - -", NULL },
	{ "no endpoints", "trusted-ca-file: a\n", NULL, "there are no endpoints" },
	{ "an empty list", "endpoints: []\n", NULL, "there are no endpoints" },
	{ "an endpoint that is no URL", "endpoints: [cluster3:2379]\n", NULL, "endpoint cluster3:2379 is no https://" },
	{ "a certificate without a key", ENDPOINT "cert-file: a\n", NULL, "cert-file is there without key-file" },
	{ "a key without a certificate", ENDPOINT "key-file: a\n", NULL, "key-file is there without cert-file" },
	{ "a store that cannot be verified", ENDPOINT "insecure-skip-tls-verify: true\n", NULL,
	  "insecure-skip-tls-verify is set" },
	{ "a password", ENDPOINT "username: u\npassword: secret\n", NULL, "username and password" },
	{ "a file that is no name", ENDPOINT "cert-file: [a]\n", NULL, "cert-file is not the name of a file" },
	{ "no map", "- a\n", NULL, "no map of keys" },
	{ "nothing", "", NULL, "no document" },
	{ "no YAML", "a: [", NULL, "cluster3" },
};

static const char *or_none(const char *text)
{
	return text ? text : "-";
}

static void each_file_is_read(void **state)
{
	const struct row *row = *state;
	char out[4096] = "", want[4096] = "";
	struct config_etcd *config;
	struct err err = { .text = "" };
	const char *at;
	int rc;

	temp_write("cluster3", row->text);
	rc = cilium_config_read(temp("cluster3"), &config, &err);
	if (!row->want) {
		assert_int_equal(rc, -EINVAL);
		if (!strstr(err.text, row->says))
			fail_msg("\"%s\" does not say \"%s\"", err.text, row->says);
		assert_null(strstr(err.text, "secret"));
		return;
	}
	if (rc)
		fail_msg("refused: %s", err.text);
	for (size_t i = 0; i < config->n_endpoints; i++)
		sprintf(out + strlen(out), "%s%s", i ? "," : "", config->endpoints[i]);
	sprintf(out + strlen(out), " %s %s %s", or_none(config->ca), or_none(config->cert), or_none(config->key));
	at = strstr(row->want, "DIR");
	if (at)
		sprintf(want, "%.*s%s%s", (int)(at - row->want), row->want, temp_root, at + 3);
	assert_string_equal(out, at ? want : row->want);
	assert_string_equal(config->prefix, "");
	cilium_config_free(config);
}

/* A mounted Secret: the names stay, where they lead changes. */
static void a_stamp_changes_with_what_the_names_lead_to(void **state)
{
	struct config_etcd *config;
	uint64_t first, second, third;

	assert_int_equal(cilium_config_stamp(temp("none"), NULL), 0);
	temp_mkdir("1");
	temp_mkdir("2");
	temp_write("1/west", ENDPOINT "trusted-ca-file: ca.pem\n");
	temp_write("2/west", ENDPOINT "trusted-ca-file: ca.pem\n");
	temp_write("1/ca.pem", "x");
	temp_write("2/ca.pem", "x");
	temp_link("1", "data");
	assert_int_equal(cilium_config_read(temp("data/west"), &config, NULL), 0);
	first = cilium_config_stamp(temp("data/west"), config);
	assert_true(first == cilium_config_stamp(temp("data/west"), config));
	temp_swap_link("2", "data");
	second = cilium_config_stamp(temp("data/west"), config);
	assert_true(second && second != first);
	/* One that it names alone. */
	temp_write("2/ca.pem", "xy");
	third = cilium_config_stamp(temp("data/west"), config);
	assert_true(third != second);
	cilium_config_free(config);
}

int main(void)
{
	static struct rows tests;

	ROWS_ADD_TABLE(&tests, each_file_is_read, rows);
	ROWS_ADD_TEST(&tests, a_stamp_changes_with_what_the_names_lead_to);
	return _cmocka_run_group_tests("cilium_config", tests.tests, tests.n, temp_setup, temp_teardown);
}
