/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A configuration as the YAML that config_parse() reads back to the same. Not for: reading it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/addr.h"
#include "model/config.h"
#include "model/config_words.h"

const char *const config_path_words[] = {
	[CONFIG_PATH_AUTO] = "auto", [CONFIG_PATH_FAST] = "fast", [CONFIG_PATH_STACK] = "stack",
	NULL
};
const char *const config_xdp_words[] = {
	[CONFIG_XDP_OFF] = "off", [CONFIG_XDP_AUTO] = "auto", [CONFIG_XDP_NATIVE] = "native",
	[CONFIG_XDP_GENERIC] = "generic", NULL
};
const char *const config_carry_words[] = {
	[CONFIG_CARRY_AUTO] = "auto", [CONFIG_CARRY_YES] = "yes", [CONFIG_CARRY_NO] = "no", NULL
};
const char *const config_family_words[] = {
	[CONFIG_FAMILY_AUTO] = "auto", [CONFIG_FAMILY_IPV4] = "ipv4", [CONFIG_FAMILY_IPV6] = "ipv6",
	NULL
};
const char *const config_mode_words[] = {
	[XM_MODE_TUNNEL] = "tunnel", [XM_MODE_NATIVE] = "native", NULL
};

/* A text in double quotes; what would need more than these escapes was refused when it was read. */
static void print_text(FILE *out, const char *text)
{
	putc('"', out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			putc('\\', out);
		putc(*text, out);
	}
	putc('"', out);
}

static void print_key(FILE *out, const char *key, const char *text)
{
	fprintf(out, "%s: ", key);
	print_text(out, text);
	putc('\n', out);
}

static void print_mode(FILE *out, const struct config_cluster *c)
{
	fprintf(out, "mode: {ipv4: %s, ipv6: %s}", config_mode_words[c->mode4],
		config_mode_words[c->mode6]);
}

static void print_age(FILE *out, const char *key, uint64_t ms)
{
	if (ms == UINT64_MAX)
		fprintf(out, "%s: never\n", key);
	else if (ms % 60000 == 0 && ms)
		fprintf(out, "%s: %" PRIu64 "m\n", key, ms / 60000);
	else if (ms % 1000 == 0)
		fprintf(out, "%s: %" PRIu64 "s\n", key, ms / 1000);
	else
		fprintf(out, "%s: %" PRIu64 "ms\n", key, ms);
}

static void print_node(FILE *out, const struct config *c)
{
	char buf[ADDR_TEXT_MAX];
	const char *comma = "";

	if (!*c->node_name && xm_addr_is_zero(&c->node_addr4) && xm_addr_is_zero(&c->node_addr6))
		return;
	fprintf(out, "node: {");
	if (*c->node_name) {
		fprintf(out, "name: ");
		print_text(out, c->node_name);
		comma = ", ";
	}
	if (!xm_addr_is_zero(&c->node_addr4) || !xm_addr_is_zero(&c->node_addr6)) {
		fprintf(out, "%saddresses: [", comma);
		comma = "";
		if (!xm_addr_is_zero(&c->node_addr4)) {
			fprintf(out, "\"%s\"", addr_format(&c->node_addr4, buf));
			comma = ", ";
		}
		if (!xm_addr_is_zero(&c->node_addr6))
			fprintf(out, "%s\"%s\"", comma, addr_format(&c->node_addr6, buf));
		fprintf(out, "]");
	}
	fprintf(out, "}\n");
}

static void print_interfaces(FILE *out, const struct config *c)
{
	fprintf(out, "underlay: [");
	for (size_t i = 0; i < c->n_underlay; i++) {
		fprintf(out, "%s", i ? ", " : "");
		print_text(out, c->underlay[i]);
	}
	fprintf(out, "]\npods:\n  interfaces: [");
	for (size_t i = 0; i < c->n_pod_globs; i++) {
		fprintf(out, "%s", i ? ", " : "");
		print_text(out, c->pod_globs[i]);
	}
	fprintf(out, "]\n  path: %s\n  source_check: %s\n", config_path_words[c->pods_path],
		c->pods_source_check ? "true" : "false");
}

static void print_member(FILE *out, const char *key, const char *text)
{
	if (!text)
		return;
	fprintf(out, ", %s: ", key);
	print_text(out, text);
}

static void print_etcd(FILE *out, const struct config_etcd *etcd)
{
	fprintf(out, "{etcd: {endpoints: [");
	for (size_t i = 0; i < etcd->n_endpoints; i++) {
		fprintf(out, "%s", i ? ", " : "");
		print_text(out, etcd->endpoints[i]);
	}
	putc(']', out);
	print_member(out, "prefix", etcd->prefix);
	print_member(out, "ca", etcd->ca);
	print_member(out, "cert", etcd->cert);
	print_member(out, "key", etcd->key);
	print_member(out, "server_name", etcd->server_name);
	print_member(out, "user", etcd->user);
	print_member(out, "password_file", etcd->password_file);
	putc('}', out);
}

static void print_source(FILE *out, const struct config_source *source)
{
	switch (source->kind) {
	case CONFIG_SOURCE_DIR:
		fprintf(out, "{dir: ");
		print_text(out, source->dir);
		break;
	case CONFIG_SOURCE_ETCD:
		print_etcd(out, &source->etcd);
		break;
	case CONFIG_SOURCE_KUBERNETES:
		fprintf(out, "{kubernetes: {in_cluster: %s", source->kubeconfig ? "false" : "true");
		print_member(out, "kubeconfig", source->kubeconfig);
		print_member(out, "context", source->context);
		putc('}', out);
		break;
	case CONFIG_SOURCE_CILIUM:
		fprintf(out, "{cilium: {config: ");
		print_text(out, source->cilium);
		putc('}', out);
		break;
	}
	putc('}', out);
}

static void print_feed(FILE *out, const struct config_cluster *c)
{
	fprintf(out, "feed: %s", c->n_sources > 1 ? "[" : "");
	for (size_t i = 0; i < c->n_sources; i++) {
		fprintf(out, "%s", i ? ", " : "");
		print_source(out, &c->sources[i]);
	}
	fprintf(out, "%s", c->n_sources > 1 ? "]" : "");
}

static void print_clusters(FILE *out, const struct config *c)
{
	fprintf(out, "local:\n  carry: %s\n", config_carry_words[c->carry]);
	if (c->own.n_sources) {
		fprintf(out, "  ");
		print_feed(out, &c->own);
		putc('\n', out);
	}
	if (c->publish) {
		fprintf(out, "publish: ");
		print_etcd(out, c->publish);
		fprintf(out, ", lease_ttl: %us}\n", c->publish_ttl_s);
	}
	fprintf(out, "peers:%s\n", c->n_peers ? "" : " []");
	for (size_t i = 0; i < c->n_peers; i++) {
		const struct config_cluster *p = &c->peers[i];

		fprintf(out, "  - {name: ");
		print_text(out, p->name);
		fprintf(out, ", id: %u, ", p->id);
		print_mode(out, p);
		fprintf(out, ", ");
		print_feed(out, p);
		fprintf(out, "}\n");
	}
}

char *config_format(const struct config *config)
{
	const struct config *c = config;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	int bad;

	if (!out)
		return NULL;
	fprintf(out, "cluster: {name: ");
	print_text(out, c->own.name);
	fprintf(out, ", id: %u}\n", c->own.id);
	print_node(out, c);
	print_key(out, "instance", c->instance);
	print_key(out, "bpffs", c->bpffs);
	print_key(out, "run_dir", c->run_dir);
	print_key(out, "state_dir", c->state_dir);
	print_key(out, "device", c->device);
	print_interfaces(out, c);
	fprintf(out, "xdp: %s\n", config_xdp_words[c->xdp]);
	print_key(out, "socket_lb", c->socket_lb);
	fprintf(out, "north_south: {return_own: %s, return_peers: %s}\n",
		c->return_own_entry ? "entry" : "direct",
		c->return_peers_direct ? "direct" : "entry");
	print_mode(out, &c->own);
	fprintf(out, "\ntunnel: {protocol: vxlan, port: %u, id: %u, family: %s}\n", c->tunnel_port,
		c->tunnel_id, config_family_words[c->tunnel_family]);
	print_age(out, "stale_after", c->stale_after_ms);
	print_age(out, "remove_after", c->remove_after_ms);
	fprintf(out, "max_shrink: %u%%\n", c->max_shrink_percent);
	fprintf(out, "metrics: {listen: ");
	print_text(out, c->metrics_listen);
	fprintf(out, "}\n");
	print_clusters(out, c);
	bad = ferror(out);
	if (fclose(out) || bad) {
		free(text);
		return NULL;
	}
	return text;
}
