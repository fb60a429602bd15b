/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * xmesh.yaml: all of its keys, and those of clusters in full. Not for: keys about this host
 * (config_host.c), feeds (config_feed.c, config_etcd.c), the way back to text (config_format.c),
 * what is found at run time.
 */
#include "model/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/text.h"
#include "model/config_reader.h"
#include "model/config_words.h"
#include "xmesh/wire.h"

/* ---- clusters ---- */

static int read_cluster_name(struct config_reader *r, const struct doc *value)
{
	const char *text;
	int rc;

	rc = config_get_text(r, value, &text);
	if (rc)
		return rc;
	if (!text_is_dns1123(text, 63, 0))
		return FAIL(r, value,
			    "\"%.64s\" is not a cluster name: at most 63 of a-z, 0-9 and - inside",
			    text);
	snprintf(r->cluster->name, sizeof(r->cluster->name), "%s", text);
	return 0;
}

static int read_cluster_id(struct config_reader *r, const struct doc *value)
{
	int64_t id;
	int rc;

	rc = config_get_number(r, value, 1, 65535, &id);
	if (!rc)
		r->cluster->id = (uint16_t)id;
	return rc;
}

static int read_cluster(struct config_reader *r, const struct doc *value)
{
	static const struct config_key keys[] = {
		{ "name", read_cluster_name },
		{ "id", read_cluster_id },
	};

	r->cluster = &r->config->own;
	r->cluster->line = value->line;
	return READ_MAP(r, value, keys);
}

static int read_family_mode(struct config_reader *r, const struct doc *value, uint8_t *field)
{
	unsigned int mode;
	int rc;

	rc = config_get_word(r, value, config_mode_words, &mode);
	if (!rc)
		*field = (uint8_t)mode;
	return rc;
}

static int read_mode4(struct config_reader *r, const struct doc *value)
{
	return read_family_mode(r, value, &r->cluster->mode4);
}

static int read_mode6(struct config_reader *r, const struct doc *value)
{
	return read_family_mode(r, value, &r->cluster->mode6);
}

/* Into r->cluster. */
static int read_mode(struct config_reader *r, const struct doc *value)
{
	static const struct config_key keys[] = {
		{ "ipv4", read_mode4 },
		{ "ipv6", read_mode6 },
	};
	int rc;

	if (value->type == DOC_MAP)
		return READ_MAP(r, value, keys);
	rc = read_mode4(r, value);
	return rc ? rc : read_mode6(r, value);
}

static int read_default_mode(struct config_reader *r, const struct doc *value)
{
	r->cluster = &r->config->own;
	return read_mode(r, value);
}

static int read_carry(struct config_reader *r, const struct doc *value)
{
	return config_get_word(r, value, config_carry_words, &r->config->carry);
}

static int read_local(struct config_reader *r, const struct doc *value)
{
	static const struct config_key keys[] = {
		{ "carry", read_carry },
		{ "feed", config_read_feed },
	};

	r->cluster = &r->config->own;
	return READ_MAP(r, value, keys);
}

/* Whether @peer is another cluster than @other in every respect. */
static int check_distinct(struct config_reader *r, const struct doc *at,
			  const struct config_cluster *peer, const struct config_cluster *other)
{
	char line[32] = "above";

	if (other->line)
		snprintf(line, sizeof(line), "in line %u", other->line);
	if (peer->id == other->id)
		return FAIL(r, at, "id %u of cluster %s is that of cluster %s already (%s)",
			    peer->id, peer->name, other->name, line);
	if (!strcmp(peer->name, other->name))
		return FAIL(r, at, "the cluster %s stands twice, first %s", peer->name, line);
	return 0;
}

static int read_peer(struct config_reader *r, const struct doc *value)
{
	static const struct config_key keys[] = {
		{ "name", read_cluster_name },
		{ "id", read_cluster_id },
		{ "mode", read_mode },
		{ "feed", config_read_feed },
	};
	struct config_cluster *peer = r->cluster;
	int rc;

	peer->mode4 = r->config->own.mode4;
	peer->mode6 = r->config->own.mode6;
	peer->line = value->line;
	rc = READ_MAP(r, value, keys);
	if (rc)
		return rc;
	if (!*peer->name || !peer->id || !peer->n_sources)
		return FAIL(r, value, "a peer needs %s",
			    !*peer->name ? "a name" : !peer->id ? "an id" : "a feed: {dir: PATH}");
	rc = check_distinct(r, value, peer, &r->config->own);
	for (const struct config_cluster *p = r->config->peers; !rc && p < peer; p++)
		rc = check_distinct(r, value, peer, p);
	return rc;
}

static int read_peers(struct config_reader *r, const struct doc *value)
{
	struct config *c = r->config;

	if (value->type != DOC_LIST)
		return FAIL(r, value,
			    "must be a list, as in [{name: west, id: 2, feed: {dir: w}}]");
	if (value->n >= XM_MAX_CLUSTERS)
		return FAIL(r, value, "%u peers: at most %d are possible", value->n,
			    XM_MAX_CLUSTERS - 1);
	c->peers = calloc(value->n + 1, sizeof(*c->peers));
	if (!c->peers)
		return config_no_memory(r);
	for (uint32_t i = 0; i < value->n; i++) {
		size_t len = config_enter(r, "[%u]", i);
		int rc;

		r->cluster = &c->peers[i];
		/* Counted first, so that config_free() finds what a failure leaves. */
		c->n_peers++;
		rc = read_peer(r, value->items[i]);
		if (rc)
			return rc;
		config_leave(r, len);
	}
	return 0;
}

/* device before underlay, mode before peers: what follows looks at what was read. */
static const struct config_key top_keys[] = {
	{ "cluster", read_cluster },
	{ "node", config_read_node },
	{ "instance", config_read_instance },
	{ "bpffs", config_read_bpffs },
	{ "run_dir", config_read_run_dir },
	{ "state_dir", config_read_state_dir },
	{ "device", config_read_device },
	{ "underlay", config_read_underlay },
	{ "pods", config_read_pods },
	{ "xdp", config_read_xdp },
	{ "socket_lb", config_read_socket_lb },
	{ "north_south", config_read_north_south },
	{ "mode", read_default_mode },
	{ "tunnel", config_read_tunnel },
	{ "stale_after", config_read_stale_after },
	{ "remove_after", config_read_remove_after },
	{ "max_shrink", config_read_max_shrink },
	{ "metrics", config_read_metrics },
	{ "local", read_local },
	{ "publish", config_read_publish },
	{ "peers", read_peers },
};

static int new_config(const char *file, struct config **ret_config)
{
	static const char *const globs[] = { "veth*", "cali*", "lxc*" };
	struct config *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->file = strdup(file);
	c->bpffs = strdup("/sys/fs/bpf");
	c->run_dir = strdup("/run/xmesh");
	c->state_dir = strdup("/var/lib/xmesh");
	c->socket_lb = strdup("auto");
	c->metrics_listen = strdup(CONFIG_METRICS_DEFAULT);
	if (!c->file || !c->bpffs || !c->run_dir || !c->state_dir || !c->socket_lb ||
	    !c->metrics_listen)
		goto no_memory;
	for (size_t i = 0; i < ARRAY_SIZE(globs); i++) {
		c->pod_globs[i] = strdup(globs[i]);
		if (!c->pod_globs[i])
			goto no_memory;
		c->n_pod_globs++;
	}
	strcpy(c->instance, "default");
	strcpy(c->device, "xmesh0");
	c->own.mode4 = c->own.mode6 = XM_MODE_TUNNEL;
	c->pods_source_check = true;
	c->tunnel_port = XM_PORT_DEFAULT;
	c->tunnel_id = 1;
	c->stale_after_ms = 5 * 60 * 1000;
	c->remove_after_ms = UINT64_MAX;
	c->max_shrink_percent = 50;
	c->publish_ttl_s = CONFIG_PUBLISH_TTL_S;
	*ret_config = c;
	return 0;
no_memory:
	config_free(c);
	return -ENOMEM;
}

int config_defaults(struct config **ret_config)
{
	return new_config("(defaults)", ret_config);
}

int config_parse(const char *text, size_t len, const char *file, struct config **ret_config,
		 struct err *err)
{
	struct config_reader r = { .err = err };
	struct doc_set *set;
	int rc;

	rc = doc_parse(text, len, file, &set, err);
	if (rc)
		return rc;
	rc = new_config(file, &r.config);
	if (rc) {
		doc_set_free(set);
		return err_set(err, rc, "%s: out of memory", file);
	}
	if (!set->n)
		rc = FAIL(&r, NULL, "it is empty: cluster: {name: NAME, id: NUMBER} is needed");
	else if (set->n > 1)
		rc = FAIL(&r, set->docs[1], "a second document: a configuration is one");
	else
		rc = READ_MAP(&r, set->docs[0], top_keys);
	if (!rc && (!*r.config->own.name || !r.config->own.id))
		rc = FAIL(&r, NULL, "cluster: {name: NAME, id: NUMBER} is missing");
	if (!rc)
		rc = config_check_publish(&r);
	doc_set_free(set);
	if (rc) {
		config_free(r.config);
		return rc;
	}
	*ret_config = r.config;
	return 0;
}

int config_read(const char *path, struct config **ret_config, struct err *err)
{
	auto_free char *text = NULL;
	size_t len;
	int rc;

	rc = file_read(AT_FDCWD, path, path, CONFIG_MAX_BYTES, 0, &text, &len, err);
	if (rc)
		return rc;
	return config_parse(text, len, path, ret_config, err);
}

void config_free(struct config *config)
{
	if (!config)
		return;
	config_drop_globs(config);
	for (size_t i = 0; i < config->n_peers; i++)
		config_drop_sources(&config->peers[i]);
	for (size_t i = 0; i < config->n_warnings; i++)
		free(config->warnings[i]);
	free(config->peers);
	free(config->warnings);
	free(config->metrics_listen);
	free(config->socket_lb);
	config_drop_sources(&config->own);
	if (config->publish)
		config_etcd_done(config->publish);
	free(config->publish);
	free(config->bpffs);
	free(config->run_dir);
	free(config->state_dir);
	free(config->file);
	free(config);
}
