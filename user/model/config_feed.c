/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where clusters are read from and where ours is published: feed: is one map of a transport or a list
 * of them by priority. Not for: what an etcd needs (config_etcd.c), reading any feed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "model/config_reader.h"

#define CONTEXT_MAX 253
#define PUBLISH_TTL_MIN_S 10
#define PUBLISH_TTL_MAX_S (24 * 60 * 60)

/* ---- transports ---- */

static int read_dir(struct config_reader *r, const struct doc *value)
{
	r->source->kind = CONFIG_SOURCE_DIR;
	return config_get_path(r, value, &r->source->dir);
}

static int read_source_etcd(struct config_reader *r, const struct doc *value)
{
	r->source->kind = CONFIG_SOURCE_ETCD;
	r->etcd = &r->source->etcd;
	return config_read_etcd(r, value);
}

static int read_kubeconfig(struct config_reader *r, const struct doc *value)
{
	return config_get_path(r, value, &r->source->kubeconfig);
}

static int read_context(struct config_reader *r, const struct doc *value)
{
	const char *text;
	int rc;

	rc = config_get_text(r, value, &text);
	if (rc)
		return rc;
	if (!*text || strlen(text) > CONTEXT_MAX || !config_is_printable(text))
		return FAIL(r, value, "\"%.64s\" is not the name of a context", text);
	return config_set_text(r, text, &r->source->context);
}

static int read_in_cluster(struct config_reader *r, const struct doc *value)
{
	if (value->type != DOC_BOOL)
		return FAIL(r, value, "must be true or false");
	if (value->integer && r->source->kubeconfig)
		return FAIL(r, value, "in_cluster or kubeconfig: only one can tell the server");
	if (!value->integer && !r->source->kubeconfig)
		return FAIL(r, value, "then a kubeconfig is needed");
	return 0;
}

static int read_kubernetes(struct config_reader *r, const struct doc *value)
{
	/* kubeconfig before in_cluster, which looks at it. */
	static const struct config_key keys[] = {
		{ "kubeconfig", read_kubeconfig },
		{ "context", read_context },
		{ "in_cluster", read_in_cluster },
	};
	const struct doc *token = doc_get(value, "token");
	int rc;

	r->source->kind = CONFIG_SOURCE_KUBERNETES;
	if (token)
		return FAIL(r, token, "no secret belongs here: name a kubeconfig with kubeconfig:");
	rc = READ_MAP(r, value, keys);
	if (!rc && r->source->context && !r->source->kubeconfig)
		rc = FAIL(r, value, "a context is one of a kubeconfig, which is missing");
	return rc;
}

static int read_cilium_config(struct config_reader *r, const struct doc *value)
{
	return config_get_path(r, value, &r->source->cilium);
}

static int read_cilium(struct config_reader *r, const struct doc *value)
{
	static const struct config_key keys[] = { { "config", read_cilium_config } };
	int rc;

	r->source->kind = CONFIG_SOURCE_CILIUM;
	rc = READ_MAP(r, value, keys);
	if (!rc && !r->source->cilium)
		rc = FAIL(r, value,
			  "config: is missing, as in /var/lib/cilium/clustermesh/north");
	return rc;
}

/* ---- feed: ---- */

static int read_source(struct config_reader *r, const struct doc *value)
{
	static const struct config_key keys[] = {
		{ "dir", read_dir },
		{ "etcd", read_source_etcd },
		{ "kubernetes", read_kubernetes },
		{ "cilium", read_cilium },
	};
	const char *first = NULL;
	int rc;

	for (size_t k = 0; value->type == DOC_MAP && k < ARRAY_SIZE(keys); k++) {
		if (doc_is_null(doc_get(value, keys[k].name)))
			continue;
		if (first)
			return FAIL(r, value,
				    "%s and %s in one map: write a list, what is preferred first, "
				    "as in [{%s: ...}, {%s: ...}]", first, keys[k].name, first,
				    keys[k].name);
		first = keys[k].name;
	}
	r->source->line = value->line;
	rc = READ_MAP(r, value, keys);
	if (!rc && !first)
		rc = FAIL(r, value, "no transport: write {dir: PATH}, {etcd: {...}}, "
			  "{kubernetes: {...}} or {cilium: {config: FILE}}");
	return rc;
}

static int read_next_source(struct config_reader *r, const struct doc *value)
{
	struct config_cluster *c = r->cluster;
	int rc;

	r->source = &c->sources[c->n_sources];
	/* Counted first, so that config_free() finds what a failure leaves. */
	c->n_sources++;
	rc = read_source(r, value);
	if (rc)
		return rc;
	for (const struct config_source *s = c->sources; s < r->source; s++) {
		if (config_source_equal(s, r->source))
			return FAIL(r, value, "the same as feed[%zu]: it would be read twice",
				    s - c->sources);
	}
	return 0;
}

/* Into r->cluster. */
int config_read_feed(struct config_reader *r, const struct doc *value)
{
	bool list = value->type == DOC_LIST;

	if (list && (!value->n || value->n > CONFIG_MAX_SOURCES))
		return FAIL(r, value, "%u sources: 1 to %d are possible", value->n,
			    CONFIG_MAX_SOURCES);
	r->cluster->sources = calloc(list ? value->n : 1, sizeof(*r->cluster->sources));
	if (!r->cluster->sources)
		return config_no_memory(r);
	if (!list)
		return read_next_source(r, value);
	for (uint32_t i = 0; i < value->n; i++) {
		size_t len = config_enter(r, "[%u]", i);
		int rc = read_next_source(r, value->items[i]);

		if (rc)
			return rc;
		config_leave(r, len);
	}
	return 0;
}

/* ---- publish: ---- */

static int read_publish_etcd(struct config_reader *r, const struct doc *value)
{
	r->config->publish = calloc(1, sizeof(*r->config->publish));
	if (!r->config->publish)
		return config_no_memory(r);
	r->etcd = r->config->publish;
	return config_read_etcd(r, value);
}

static int read_lease_ttl(struct config_reader *r, const struct doc *value)
{
	uint64_t ms;
	const char *text;
	int rc;

	rc = config_get_text(r, value, &text);
	if (rc)
		return rc;
	rc = text_duration(text, &ms, r->err);
	if (rc)
		return config_fail(r, value, rc);
	if (ms % 1000 || ms < PUBLISH_TTL_MIN_S * 1000 || ms > PUBLISH_TTL_MAX_S * 1000ULL)
		return FAIL(r, value, "\"%.64s\": must be whole seconds, 10s to 24h", text);
	r->config->publish_ttl_s = (uint32_t)(ms / 1000);
	return 0;
}

int config_read_publish(struct config_reader *r, const struct doc *value)
{
	static const struct config_key keys[] = {
		{ "etcd", read_publish_etcd },
		{ "lease_ttl", read_lease_ttl },
	};
	int rc;

	rc = READ_MAP(r, value, keys);
	if (!rc && !r->config->publish)
		rc = FAIL(r, value, "etcd: {endpoints: [...], prefix: /xmesh/%s} is missing",
			  *r->config->own.name ? r->config->own.name : "NAME");
	return rc;
}

static bool share_endpoint(const struct config_etcd *a, const struct config_etcd *b)
{
	for (size_t i = 0; i < a->n_endpoints; i++) {
		for (size_t k = 0; k < b->n_endpoints; k++) {
			if (!strcmp(a->endpoints[i], b->endpoints[k]))
				return true;
		}
	}
	return false;
}

/* Equal, or one is a folder of the other. */
static bool prefixes_overlap(const char *a, const char *b)
{
	size_t len_a = strlen(a), len_b = strlen(b), len = MIN(len_a, len_b);

	if (memcmp(a, b, len))
		return false;
	return len_a == len_b || (len_a > len ? a : b)[len] == '/';
}

static int check_apart(struct config_reader *r, const struct config_cluster *cluster)
{
	const struct config_etcd *publish = r->config->publish;

	for (size_t i = 0; i < cluster->n_sources; i++) {
		const struct config_source *s = &cluster->sources[i];
		const struct doc at = { .line = s->line };

		if (s->kind != CONFIG_SOURCE_ETCD || !share_endpoint(publish, &s->etcd) ||
		    !prefixes_overlap(publish->prefix, s->etcd.prefix))
			continue;
		return FAIL(r, &at,
			    "the cluster %s is read from %s of the same etcd, and %s is published "
			    "there: give each cluster a prefix of its own", cluster->name,
			    s->etcd.prefix, publish->prefix);
	}
	return 0;
}

int config_check_publish(struct config_reader *r)
{
	const struct config *c = r->config;
	size_t len;
	int rc;

	if (!c->publish)
		return 0;
	len = config_enter(r, "publish");
	if (!c->own.n_sources)
		return FAIL(r, NULL, "what is published is what local.feed says, which is missing");
	rc = check_apart(r, &c->own);
	for (size_t i = 0; !rc && i < c->n_peers; i++)
		rc = check_apart(r, &c->peers[i]);
	if (!rc)
		config_leave(r, len);
	return rc;
}

/* ---- the whole ---- */

static bool same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

bool config_source_equal(const struct config_source *a, const struct config_source *b)
{
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case CONFIG_SOURCE_DIR:
		return same(a->dir, b->dir);
	case CONFIG_SOURCE_ETCD:
		return config_etcd_equal(&a->etcd, &b->etcd);
	case CONFIG_SOURCE_KUBERNETES:
		return same(a->kubeconfig, b->kubeconfig) && same(a->context, b->context);
	case CONFIG_SOURCE_CILIUM:
		return same(a->cilium, b->cilium);
	}
	return false;
}

void config_drop_sources(struct config_cluster *cluster)
{
	for (size_t i = 0; i < cluster->n_sources; i++) {
		struct config_source *s = &cluster->sources[i];

		free(s->dir);
		config_etcd_done(&s->etcd);
		free(s->kubeconfig);
		free(s->context);
		free(s->cilium);
	}
	free(cluster->sources);
}
