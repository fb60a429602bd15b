/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * feed: and publish: of xmesh.yaml: every transport, lists, every refusal with its place, what is
 * warned about, equality, and the way back to text. Covers config_feed.c and config_etcd.c.
 */
#include "unit/core/rows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "model/config.h"

#define FILE_NAME "/etc/xmesh/xmesh.yaml"
#define HEAD "cluster: {name: east, id: 1}\n"
#define LOCAL HEAD "local: {feed: {dir: /e}}\n"
#define E "endpoints: ['https://a:1']"
/* A feed in line 2, at peers[0].feed. */
#define FEED(text) HEAD "peers: [{name: w, id: 2, feed: " text "}]\n"
#define ETCD(text) FEED("{etcd: {" text "}}")
#define AT " peers[0].feed"

static int parse(const char *text, struct config **ret_config, struct err *err)
{
	return config_parse(text, strlen(text), FILE_NAME, ret_config, err);
}

static struct config *parse_good(const char *text)
{
	struct config *c = NULL;
	struct err err = { 0 };

	if (parse(text, &c, &err))
		fail_msg("%s", err.text);
	return c;
}

/* @says: what stands behind "FILE:". */
static const struct bad_row {
	const char *name, *text, *says;
} bad_rows[] = {
	{ "a feed of no transport names all", FEED("{}"),
	  "2:" AT ": no transport: write {dir: PATH}, {etcd: {...}}, {kubernetes: {...}} or {cilium: " },
	{ "a transport of nothing", FEED("{kubernetes: }"), "2:" AT ": no transport: write" },
	{ "a feed as a text", FEED("/w"), "2:" AT ": must be a map of keys, as in dir: ..." },
	{ "a feed of an unknown transport", FEED("{consul: x}"),
	  "2:" AT ": unknown key \"consul\": known here are dir, etcd, kubernetes, cilium" },
	{ "a mistyped transport", FEED("{ectd: {}}"), "did you mean \"etcd\"?" },
	{ "two transports in one map", FEED("{dir: /a, kubernetes: {}}"),
	  "2:" AT ": dir and kubernetes in one map: write a list, what is preferred first, as in "
	  "[{dir: ...}, {kubernetes: ...}]" },
	{ "a feed of an empty directory", FEED("{dir: ''}"), "2:" AT ".dir: \"\" is not the path" },
	{ "a directory with a line break", FEED("{dir: \"/a\\nb\"}"), AT ".dir: \"/a" },
	{ "a directory as a list", FEED("{dir: [/a]}"), AT ".dir: must be a text" },
	{ "an empty list", FEED("[]"), "2:" AT ": 0 sources: 1 to 8 are possible" },
	{ "nine sources", FEED("[{dir: /1}, {dir: /2}, {dir: /3}, {dir: /4}, {dir: /5}, {dir: /6}, "
			       "{dir: /7}, {dir: /8}, {dir: /9}]"),
	  "2:" AT ": 9 sources: 1 to 8 are possible" },
	{ "a source that stands twice", FEED("[{dir: w}, {kubernetes: {}}, {dir: /etc/xmesh/w}]"),
	  "2:" AT "[2]: the same as feed[0]: it would be read twice" },
	{ "a list in a list", FEED("[[{dir: /a}]]"), "2:" AT "[0]: must be a map of keys" },
	{ "what is wrong in a list has its place", FEED("[{dir: /a}, {etcd: {prefix: /x}}]"),
	  "2:" AT "[1].etcd: endpoints: [\"https://HOST:2379\"] is missing" },
	{ "what is wrong in a list has its line", HEAD "local:\n  feed:\n  - dir: /a\n  - cilum: {}\n",
	  "5: local.feed[1]: unknown key \"cilum\": did you mean \"cilium\"?" },

	{ "an etcd as a text", FEED("{etcd: 'https://a:1'}"), AT ".etcd: must be a map of keys" },
	{ "an etcd without endpoints", ETCD("prefix: /x"), AT ".etcd: endpoints: " },
	{ "an etcd without a prefix", ETCD(E), AT ".etcd: prefix: is missing, as in /xmesh/north" },
	{ "a mistyped key of an etcd", ETCD(E ", prefx: /x"), "did you mean \"prefix\"?" },
	{ "no endpoint", ETCD("prefix: /x, endpoints: []"), ".endpoints: 0 endpoints: 1 to 16" },
	{ "endpoints as a text", ETCD("prefix: /x, endpoints: 'https://a:1'"),
	  AT ".etcd.endpoints: must be a list, as in [\"https://192.0.2.9:2379\"]" },
	{ "an endpoint without a scheme", ETCD("prefix: /x, endpoints: ['192.0.2.9:2379']"),
	  AT ".etcd.endpoints[0]: \"192.0.2.9:2379\": must begin with https:// (or http://)" },
	{ "an endpoint of another scheme", ETCD("prefix: /x, endpoints: ['unix://a:1']"),
	  "\"unix://a:1\": must begin with https://" },
	{ "an endpoint with a path", ETCD("prefix: /x, endpoints: ['https://a:1/v3']"),
	  "\"https://a:1/v3\": nothing may follow the port" },
	{ "an endpoint with a slash at its end", ETCD("prefix: /x, endpoints: ['https://a:1/']"),
	  "nothing may follow the port" },
	{ "an endpoint with a query", ETCD("prefix: /x, endpoints: ['https://a:1?b']"),
	  "nothing may follow the port" },
	{ "an endpoint without a port", ETCD("prefix: /x, endpoints: ['https://a']"),
	  "\"https://a\": the port is missing, as in https://192.0.2.9:2379" },
	{ "an IPv6 endpoint without a port", ETCD("prefix: /x, endpoints: ['https://[2001:db8::9]']"),
	  "the port is missing" },
	{ "an endpoint with port 0", ETCD("prefix: /x, endpoints: ['https://a:0']"),
	  AT ".etcd.endpoints[0]: port: 0 is out of range: it must be 1 to 65535" },
	{ "an endpoint with port 65536", ETCD("prefix: /x, endpoints: ['https://a:65536']"),
	  "port: 65536 is out of range" },
	{ "an endpoint with a port by name", ETCD("prefix: /x, endpoints: ['https://a:etcd']"),
	  "port: \"etcd\" is not a whole number" },
	{ "an endpoint without a host", ETCD("prefix: /x, endpoints: ['https://:1']"),
	  "\"\" is not the name or address of a server" },
	{ "IPv6 without brackets", ETCD("prefix: /x, endpoints: ['https://2001:db8::9:1']"),
	  "\"2001:db8::9\" is not the name or address of a server (IPv6 in brackets)" },
	{ "IPv4 in brackets", ETCD("prefix: /x, endpoints: ['https://[192.0.2.9]:1']"),
	  "\"[192.0.2.9]\" is not the name or address" },
	{ "a mistyped IPv4 address is no name", ETCD("prefix: /x, endpoints: ['https://192.0.2:1']"),
	  "\"192.0.2\" is not the name or address" },
	{ "a name with an underscore", ETCD("prefix: /x, endpoints: ['https://a_b:1']"), "\"a_b\" is not" },
	{ "an endpoint that stands twice", ETCD("prefix: /x, endpoints: ['https://a:1', 'https://a:1']"),
	  AT ".etcd.endpoints[1]: https://a:1 stands twice" },
	{ "a prefix without a slash", ETCD(E ", prefix: x"),
	  AT ".etcd.prefix: \"x\": must begin with one / and end without, as in /xmesh/north" },
	{ "a prefix of a slash", ETCD(E ", prefix: /"), ".prefix: \"/\": must begin" },
	{ "a prefix with a slash at its end", ETCD(E ", prefix: /x/"), ".prefix: \"/x/\": must begin" },
	{ "a prefix with two slashes", ETCD(E ", prefix: /x//y"), ".prefix: \"/x//y\": must begin" },
	{ "a prefix with a space", ETCD(E ", prefix: '/x y'"), ".prefix: a prefix is of visible ASCII" },
	{ "a prefix of other letters", ETCD(E ", prefix: /\xc3\xa9"), "a prefix is of visible ASCII" },
	{ "a certificate without its key", ETCD(E ", prefix: /x, cert: c.pem"),
	  AT ".etcd: key: is missing: cert and key belong together" },
	{ "a key without its certificate", ETCD(E ", prefix: /x, key: k.pem"), ".etcd: cert: is missing" },
	{ "a user without a password", ETCD(E ", prefix: /x, user: u"),
	  AT ".etcd: password_file: is missing: user and password_file belong together" },
	{ "a password without a user", ETCD(E ", prefix: /x, password_file: p"), ".etcd: user: is missing" },
	{ "a user of no name", ETCD(E ", prefix: /x, user: '', password_file: p"), ".user: \"\" is not" },
	{ "an empty file name", ETCD(E ", prefix: /x, ca: ''"), ".ca: \"\" is not the path of a file" },
	{ "a server name with a port", ETCD(E ", prefix: /x, server_name: 'a:1'"),
	  ".server_name: \"a:1\" is not a name that a certificate could be for" },
	{ "a CA without TLS", ETCD("prefix: /x, endpoints: ['http://a:1'], ca: c"),
	  AT ".etcd: ca: has no effect with http:// endpoints: write https://" },
	{ "a certificate without TLS", ETCD("prefix: /x, endpoints: ['http://a:1'], cert: c, key: k"),
	  ".etcd: cert: has no effect" },
	{ "a server name without TLS", ETCD("prefix: /x, endpoints: ['http://a:1'], server_name: a"),
	  ".etcd: server_name: has no effect" },

	{ "kubernetes as a text", FEED("{kubernetes: /k}"), AT ".kubernetes: must be a map" },
	{ "a context without a kubeconfig", FEED("{kubernetes: {context: a}}"),
	  "2:" AT ".kubernetes: a context is one of a kubeconfig, which is missing" },
	{ "in the cluster with a kubeconfig", FEED("{kubernetes: {in_cluster: true, kubeconfig: k}}"),
	  AT ".kubernetes.in_cluster: in_cluster or kubeconfig: only one" },
	{ "not in the cluster without a kubeconfig", FEED("{kubernetes: {in_cluster: false}}"),
	  AT ".kubernetes.in_cluster: then a kubeconfig is needed" },
	{ "in_cluster as a word", FEED("{kubernetes: {in_cluster: auto}}"), "must be true or false" },
	{ "a context of no name", FEED("{kubernetes: {kubeconfig: k, context: ''}}"),
	  ".context: \"\" is not the name of a context" },
	{ "a mistyped key of kubernetes", FEED("{kubernetes: {kubeconf: k}}"),
	  "did you mean \"kubeconfig\"?" },
	{ "cilium without a file", FEED("{cilium: {}}"),
	  "2:" AT ".cilium: config: is missing, as in /var/lib/cilium/clustermesh/north" },
	{ "a mistyped key of cilium", FEED("{cilium: {conifg: k}}"), "did you mean \"config\"?" },

	{ "publish to no etcd", LOCAL "publish: {lease_ttl: 60s}\n",
	  "3: publish: etcd: {endpoints: [...], prefix: /xmesh/east} is missing" },
	{ "publish to a directory", LOCAL "publish: {dir: /x}\n",
	  "3: publish: unknown key \"dir\": known here are etcd, lease_ttl" },
	{ "publish to an etcd without a prefix", LOCAL "publish: {etcd: {" E "}}\n",
	  "3: publish.etcd: prefix: is missing" },
	{ "publish without a feed of our own", HEAD "publish: {etcd: {" E ", prefix: /x}}\n",
	  " publish: what is published is what local.feed says, which is missing" },
	{ "a lease of nine seconds", LOCAL "publish: {lease_ttl: 9s, etcd: {" E ", prefix: /x}}\n",
	  "3: publish.lease_ttl: \"9s\": must be whole seconds, 10s to 24h" },
	{ "a lease of over a day", LOCAL "publish: {lease_ttl: 86401s, etcd: {" E ", prefix: /x}}\n",
	  "must be whole seconds, 10s to 24h" },
	{ "a lease of half a second more", LOCAL "publish: {lease_ttl: 10500ms, etcd: {" E ", prefix: /x}}\n",
	  "must be whole seconds" },
	{ "a lease for ever", LOCAL "publish: {lease_ttl: never, etcd: {" E ", prefix: /x}}\n",
	  "must be whole seconds" },
	{ "a lease without a unit", LOCAL "publish: {lease_ttl: 60, etcd: {" E ", prefix: /x}}\n",
	  "3: publish.lease_ttl: \"60\" is not a duration" },
	{ "publishing into a peer's feed", LOCAL "publish: {etcd: {" E ", prefix: /x}}\npeers:\n"
	  "- name: w\n  id: 2\n  feed:\n  - dir: /w\n  - etcd: {endpoints: ['https://b:1', 'https://a:1'], prefix: /x}\n",
	  "9: publish: the cluster w is read from /x of the same etcd, and /x is published there" },
	{ "publishing above a peer's feed, which would be swept", LOCAL "publish: {etcd: {" E ", prefix: /x}}\n"
	  "peers: [{name: w, id: 2, feed: {etcd: {" E ", prefix: /x/w}}}]\n",
	  "4: publish: the cluster w is read from /x/w of the same etcd" },
	{ "publishing below a peer's feed", LOCAL "publish: {etcd: {" E ", prefix: /x/e}}\n"
	  "peers: [{name: w, id: 2, feed: {etcd: {" E ", prefix: /x}}}]\n",
	  "4: publish: the cluster w is read from /x of the same etcd, and /x/e is published there" },
	{ "publishing into our own feed", HEAD "local: {feed: {etcd: {" E ", prefix: /x}}}\n"
	  "publish: {etcd: {" E ", prefix: /x}}\n", "2: publish: the cluster east is read from /x" },
};

static void run_bad(void **state)
{
	const struct bad_row *row = *state;
	struct config *c = NULL;
	struct err err = { 0 };

	assert_int_equal(parse(row->text, &c, &err), -EINVAL);
	assert_null(c);
	assert_memory_equal(err.text, FILE_NAME ":", strlen(FILE_NAME) + 1);
	if (!strstr(err.text + strlen(FILE_NAME) + 1, row->says))
		fail_msg("\"%s\" does not say \"%s\"", err.text, row->says);
}

/* Where a secret stands that should not, the sentence says what to do and does not repeat it. */
static const struct secret_row {
	const char *name, *text, *says;
} secret_rows[] = {
	{ "a password in the file", ETCD(E ", prefix: /x, user: u, password: hunter2"),
	  "2:" AT ".etcd: no secret belongs here: write the password into a file that only root can "
	  "read, and password_file: FILE" },
	{ "a password in the address", ETCD("prefix: /x, endpoints: ['https://u:hunter2@a:1']"),
	  AT ".etcd.endpoints[0]: a user or password in the address: write user: and password_file:" },
	{ "a token in the file", FEED("{kubernetes: {token: hunter2}}"),
	  "2:" AT ".kubernetes: no secret belongs here: name a kubeconfig with kubeconfig:" },
};

static void run_secret(void **state)
{
	const struct secret_row *row = *state;
	struct config *c = NULL;
	struct err err = { 0 };

	assert_int_equal(parse(row->text, &c, &err), -EINVAL);
	if (!strstr(err.text, row->says))
		fail_msg("\"%s\" does not say \"%s\"", err.text, row->says);
	assert_null(strstr(err.text, "hunter2"));
}

static const char full[] =
	HEAD
	"local: {feed: {dir: e, etcd: }}\n"
	"peers:\n"
	"- name: w\n"
	"  id: 2\n"
	"  feed:\n"
	"  - etcd: {endpoints: ['https://192.0.2.9:2379', 'https://[2001:db8::9]:1', 'https://e.example:65535'],\n"
	"           prefix: /xmesh/w, ca: ca.pem, cert: /c.pem, key: ../k.pem, server_name: w.example,\n"
	"           user: 'a \"b\"', password_file: secret/w}\n"
	"  - {kubernetes: {kubeconfig: w.kubeconfig, context: 'w@x'}}\n"
	"  - {cilium: {config: /var/lib/cilium/clustermesh/w}}\n"
	"  - {dir: w}\n"
	"- {name: s, id: 3, feed: {kubernetes: {in_cluster: true}}}\n"
	"- {name: t, id: 4, feed: {kubernetes: {}}}\n"
	"- {name: u, id: 5, feed: [{dir: u}]}\n"
	"publish:\n"
	"  etcd: {endpoints: ['https://192.0.2.9:2379'], prefix: /xmesh/east}\n"
	"  lease_ttl: 90s\n";

static void check_full(const struct config *c)
{
	const struct config_cluster *w = &c->peers[0];
	const struct config_etcd *etcd = &w->sources[0].etcd;

	assert_int_equal(w->n_sources, 4);
	assert_int_equal(w->sources[0].kind, CONFIG_SOURCE_ETCD);
	assert_int_equal(etcd->n_endpoints, 3);
	assert_string_equal(etcd->endpoints[0], "https://192.0.2.9:2379");
	assert_string_equal(etcd->endpoints[1], "https://[2001:db8::9]:1");
	assert_string_equal(etcd->endpoints[2], "https://e.example:65535");
	assert_string_equal(etcd->prefix, "/xmesh/w");
	assert_string_equal(etcd->ca, "/etc/xmesh/ca.pem");
	assert_string_equal(etcd->cert, "/c.pem");
	assert_string_equal(etcd->key, "/etc/xmesh/../k.pem");
	assert_string_equal(etcd->server_name, "w.example");
	assert_string_equal(etcd->user, "a \"b\"");
	assert_string_equal(etcd->password_file, "/etc/xmesh/secret/w");
	assert_int_equal(w->sources[1].kind, CONFIG_SOURCE_KUBERNETES);
	assert_string_equal(w->sources[1].kubeconfig, "/etc/xmesh/w.kubeconfig");
	assert_string_equal(w->sources[1].context, "w@x");
	assert_int_equal(w->sources[2].kind, CONFIG_SOURCE_CILIUM);
	assert_string_equal(w->sources[2].cilium, "/var/lib/cilium/clustermesh/w");
	assert_int_equal(w->sources[3].kind, CONFIG_SOURCE_DIR);
	assert_string_equal(w->sources[3].dir, "/etc/xmesh/w");
	for (size_t i = 1; i < 3; i++) {
		assert_int_equal(c->peers[i].n_sources, 1);
		assert_int_equal(c->peers[i].sources->kind, CONFIG_SOURCE_KUBERNETES);
		assert_null(c->peers[i].sources->kubeconfig);
		assert_null(c->peers[i].sources->context);
	}
	assert_int_equal(c->peers[3].n_sources, 1);
	assert_string_equal(c->peers[3].sources->dir, "/etc/xmesh/u");
	assert_non_null(c->publish);
	assert_int_equal(c->publish->n_endpoints, 1);
	assert_string_equal(c->publish->prefix, "/xmesh/east");
	assert_null(c->publish->ca);
	assert_null(c->publish->user);
	assert_int_equal(c->publish_ttl_s, 90);
	assert_int_equal(c->n_warnings, 0);
}

static void every_transport_is_read(void **state)
{
	struct config *c = parse_good(full);

	check_full(c);
	assert_int_equal(c->peers[0].sources[1].line, 10);
	config_free(c);
}

static void what_is_written_back_is_read_as_the_same(void **state)
{
	struct config *c = parse_good(full), *again;
	char *once = config_format(c), *twice;

	again = parse_good(once);
	check_full(again);
	for (size_t i = 0; i < c->n_peers; i++) {
		for (size_t k = 0; k < c->peers[i].n_sources; k++)
			assert_true(config_source_equal(&c->peers[i].sources[k],
							&again->peers[i].sources[k]));
	}
	twice = config_format(again);
	assert_string_equal(once, twice);
	free(once);
	free(twice);
	config_free(c);
	config_free(again);
}

static void sources_differ_in_what_is_read(void **state)
{
	/* Each differs from each other one. */
	static const char *const feeds[] = {
		"{dir: /a}", "{dir: /b}", "{cilium: {config: /a}}", "{cilium: {config: /b}}",
		"{kubernetes: {}}", "{kubernetes: {kubeconfig: /a}}", "{kubernetes: {kubeconfig: /b}}",
		"{kubernetes: {kubeconfig: /a, context: a}}",
		"{etcd: {" E ", prefix: /x}}", "{etcd: {" E ", prefix: /y}}",
		"{etcd: {endpoints: ['https://b:1'], prefix: /x}}",
		"{etcd: {endpoints: ['https://a:1', 'https://b:1'], prefix: /x}}",
		"{etcd: {" E ", prefix: /x, ca: /c}}", "{etcd: {" E ", prefix: /x, server_name: b}}",
		"{etcd: {" E ", prefix: /x, cert: /c, key: /k}}",
		"{etcd: {" E ", prefix: /x, cert: /c, key: /l}}",
		"{etcd: {" E ", prefix: /x, cert: /d, key: /k}}",
		"{etcd: {" E ", prefix: /x, user: u, password_file: /p}}",
		"{etcd: {" E ", prefix: /x, user: u, password_file: /q}}",
		"{etcd: {" E ", prefix: /x, user: v, password_file: /p}}",
	};
	enum { N = sizeof(feeds) / sizeof(*feeds) };
	struct config *configs[N];

	for (size_t i = 0; i < N; i++) {
		char text[512];

		/* Another line: it does not count. */
		snprintf(text, sizeof(text), HEAD "%slocal: {feed: %s}\n", i % 2 ? "\n" : "", feeds[i]);
		configs[i] = parse_good(text);
	}
	for (size_t i = 0; i < N; i++) {
		for (size_t k = 0; k < N; k++) {
			if (config_source_equal(configs[i]->own.sources, configs[k]->own.sources) != (i == k))
				fail_msg("%s and %s", feeds[i], feeds[k]);
		}
	}
	for (size_t i = 0; i < N; i++)
		config_free(configs[i]);
}

static void plain_http_is_warned_about(void **state)
{
	struct config *c = parse_good(
		LOCAL "publish: {etcd: {endpoints: ['http://p:1'], prefix: /x}}\n"
		"peers: [{name: w, id: 2, feed: {etcd: {endpoints: ['https://a:1', 'http://b:1'], prefix: /x}}}]\n");

	assert_int_equal(c->n_warnings, 2);
	assert_memory_equal(c->warnings[0], FILE_NAME ":3: publish.etcd.endpoints[0]: http://p:1 is neither",
			    strlen(FILE_NAME ":3: publish.etcd.endpoints[0]: http://p:1 is neither"));
	assert_non_null(strstr(c->warnings[1], ":4: peers[0].feed.etcd.endpoints[1]: http://b:1 is neither "
					       "encrypted nor verified: "));
	config_free(c);
}

static void limits_hold_at_their_edges(void **state)
{
	char text[2048], prefix[260] = "/";
	struct config *c;
	struct err err;
	size_t len;

	len = (size_t)sprintf(text, HEAD "local: {feed: {etcd: {prefix: /x, endpoints: [");
	for (int i = 1; i <= CONFIG_MAX_ENDPOINTS; i++)
		len += (size_t)sprintf(text + len, "'https://a:%d', ", i);
	strcpy(text + len, "]}}}\n");
	c = parse_good(text);
	assert_int_equal(c->own.sources->etcd.n_endpoints, 16);
	config_free(c);
	strcpy(text + len, "'https://b:1']}}}\n");
	assert_int_equal(parse(text, &c, &err), -EINVAL);
	assert_non_null(strstr(err.text, "17 endpoints: 1 to 16 are possible"));

	memset(prefix + 1, 'p', 254);
	sprintf(text, HEAD "local: {feed: {etcd: {" E ", prefix: %s}}}\n", prefix);
	c = parse_good(text);
	assert_string_equal(c->own.sources->etcd.prefix, prefix);
	config_free(c);
	sprintf(text, HEAD "local: {feed: {etcd: {" E ", prefix: %sp}}}\n", prefix);
	assert_int_equal(parse(text, &c, &err), -EINVAL);
	assert_non_null(strstr(err.text, "a prefix of 256 bytes: at most 255 are possible"));

	c = parse_good(HEAD "local: {feed: [{dir: /1}, {dir: /2}, {dir: /3}, {dir: /4}, {dir: /5}, "
			    "{dir: /6}, {dir: /7}, {dir: /8}]}\n");
	assert_int_equal(c->own.n_sources, 8);
	config_free(c);

	c = parse_good(LOCAL "publish: {lease_ttl: 10s, etcd: {" E ", prefix: /x}}\n");
	assert_int_equal(c->publish_ttl_s, 10);
	config_free(c);
	c = parse_good(LOCAL "publish: {lease_ttl: 24h, etcd: {" E ", prefix: /x}}\n");
	assert_int_equal(c->publish_ttl_s, 86400);
	config_free(c);
}

/* Names that begin alike, another etcd, and other transports are no loop. */
static void prefixes_apart_are_not_a_loop(void **state)
{
	struct config *c = parse_good(
		LOCAL "publish: {etcd: {" E ", prefix: /x/east}}\npeers:\n"
		"- {name: w, id: 2, feed: {etcd: {" E ", prefix: /x/east2}}}\n"
		"- {name: v, id: 3, feed: {etcd: {" E ", prefix: /x/eas}}}\n"
		"- {name: u, id: 4, feed: {etcd: {endpoints: ['https://a:2'], prefix: /x/east}}}\n"
		"- {name: t, id: 5, feed: {cilium: {config: /x/east}}}\n");

	assert_int_equal(c->n_peers, 4);
	assert_int_equal(c->publish_ttl_s, 300);
	config_free(c);
}

/* Every cut of a text is read or refused, without a bad access or a leak. */
static void any_cut_of_a_text_is_harmless(void **state)
{
	for (size_t len = 0; len < sizeof(full); len++) {
		struct config *c = NULL;
		struct err err;

		if (!config_parse(full, len, FILE_NAME, &c, &err))
			config_free(c);
		else
			assert_memory_equal(err.text, FILE_NAME ":", strlen(FILE_NAME) + 1);
	}
}

int main(void)
{
	static struct rows rows;

	ROWS_ADD_TABLE(&rows, run_bad, bad_rows);
	ROWS_ADD_TABLE(&rows, run_secret, secret_rows);
	ROWS_ADD_TEST(&rows, every_transport_is_read);
	ROWS_ADD_TEST(&rows, what_is_written_back_is_read_as_the_same);
	ROWS_ADD_TEST(&rows, sources_differ_in_what_is_read);
	ROWS_ADD_TEST(&rows, plain_http_is_warned_about);
	ROWS_ADD_TEST(&rows, limits_hold_at_their_edges);
	ROWS_ADD_TEST(&rows, prefixes_apart_are_not_a_loop);
	ROWS_ADD_TEST(&rows, any_cut_of_a_text_is_harmless);
	return rows_run("config_feed", &rows);
}
