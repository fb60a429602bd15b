/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The keys of xmesh.yaml about this host: its node, places, interfaces, tunnel and metrics. Not
 * for: clusters and their feeds (config.c).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/addr.h"
#include "core/text.h"
#include "model/config_reader.h"
#include "model/config_words.h"

/*
 * plane.dir[] holds <bpffs>/xmesh/<instance>, a socket's address <run_dir>/<instance>.sock, struct
 * sockets_place a cgroup.
 */
#define BPFFS_MAX 200
#define RUN_DIR_MAX 64
#define CGROUP_MAX 255
#define GLOB_MAX 63

static int read_abs_path(struct config_reader *r, const struct doc *value, size_t max, char **field)
{
	const char *text;
	int rc;

	rc = config_get_text(r, value, &text);
	if (rc)
		return rc;
	if (*text != '/' || !config_is_printable(text))
		return FAIL(r, value, "\"%.64s\": must be an absolute path", text);
	if (strlen(text) > max)
		return FAIL(r, value, "a path of %zu bytes: at most %zu are possible", strlen(text),
			    max);
	return config_set_text(r, text, field);
}

/* As dev_valid_name() of the kernel has it. */
static int get_ifname(struct config_reader *r, const struct doc *value, char ret_name[16])
{
	const char *text;
	int rc;

	rc = config_get_text(r, value, &text);
	if (rc)
		return rc;
	if (!*text || strlen(text) > 15 || !strcmp(text, ".") || !strcmp(text, "..") ||
	    strpbrk(text, "/: \t\n\v\f\r*?[") || !config_is_printable(text))
		return FAIL(r, value, "\"%.64s\" is not the name of a network interface", text);
	snprintf(ret_name, 16, "%s", text);
	return 0;
}

/* ---- node ---- */

static int read_node_name(struct config_reader *r, const struct doc *value)
{
	const char *text;
	int rc;

	rc = config_get_text(r, value, &text);
	if (rc)
		return rc;
	if (!text_is_dns1123(text, 253, 1))
		return FAIL(r, value, "\"%.64s\" is not a node name (a DNS subdomain, lower case)",
			    text);
	snprintf(r->config->node_name, sizeof(r->config->node_name), "%s", text);
	return 0;
}

static int read_node_addresses(struct config_reader *r, const struct doc *value)
{
	struct config *c = r->config;

	if (value->type != DOC_LIST)
		return FAIL(r, value, "must be a list, as in [192.0.2.1, 2001:db8::1]");
	for (uint32_t i = 0; i < value->n; i++) {
		const struct doc *item = value->items[i];
		struct xm_addr addr, *field;
		const char *text;
		int rc;

		rc = config_get_text(r, item, &text);
		if (rc)
			return rc;
		rc = addr_parse(text, &addr, r->err);
		if (rc)
			return config_fail(r, item, rc);
		if (!addr_is_unicast(&addr) || addr_is_linklocal(&addr))
			return FAIL(r, item, "%.64s cannot be the address of a tunnel endpoint",
				    text);
		field = xm_addr_is_v4(&addr) ? &c->node_addr4 : &c->node_addr6;
		if (!xm_addr_is_zero(field))
			return FAIL(r, item, "%.64s: a second address of its family", text);
		*field = addr;
	}
	return 0;
}

int config_read_node(struct config_reader *r, const struct doc *value)
{
	static const struct config_key keys[] = {
		{ "name", read_node_name },
		{ "addresses", read_node_addresses },
	};

	return READ_MAP(r, value, keys);
}

/* ---- places and interfaces ---- */

int config_read_instance(struct config_reader *r, const struct doc *value)
{
	const char *text;
	int rc;

	rc = config_get_text(r, value, &text);
	if (rc)
		return rc;
	if (!*text || strlen(text) > 32 ||
	    text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-")])
		return FAIL(r, value, "\"%.64s\": must be 1 to 32 of a-z, 0-9 and -", text);
	snprintf(r->config->instance, sizeof(r->config->instance), "%s", text);
	return 0;
}

int config_read_bpffs(struct config_reader *r, const struct doc *value)
{
	return read_abs_path(r, value, BPFFS_MAX, &r->config->bpffs);
}

int config_read_run_dir(struct config_reader *r, const struct doc *value)
{
	return read_abs_path(r, value, RUN_DIR_MAX, &r->config->run_dir);
}

int config_read_state_dir(struct config_reader *r, const struct doc *value)
{
	return read_abs_path(r, value, CONFIG_PATH_TEXT_MAX, &r->config->state_dir);
}

int config_read_device(struct config_reader *r, const struct doc *value)
{
	return get_ifname(r, value, r->config->device);
}

int config_read_underlay(struct config_reader *r, const struct doc *value)
{
	struct config *c = r->config;

	if (value->type != DOC_LIST)
		return FAIL(r, value, "must be a list of interfaces, as in [eth0]");
	if (value->n > CONFIG_MAX_UNDERLAY)
		return FAIL(r, value, "%u interfaces: at most %d are possible", value->n,
			    CONFIG_MAX_UNDERLAY);
	for (uint32_t i = 0; i < value->n; i++) {
		int rc = get_ifname(r, value->items[i], c->underlay[c->n_underlay]);

		if (rc)
			return rc;
		for (size_t k = 0; k < c->n_underlay; k++) {
			if (!strcmp(c->underlay[k], c->underlay[c->n_underlay]))
				return FAIL(r, value->items[i], "%s stands twice", c->underlay[k]);
		}
		if (!strcmp(c->underlay[c->n_underlay], c->device))
			return FAIL(r, value->items[i], "%s is the xmesh device itself", c->device);
		c->n_underlay++;
	}
	return 0;
}

/* ---- pods ---- */

/* What fnmatch() would match nothing with, without a word: an open bracket, a stray backslash. */
static bool glob_is_whole(const char *glob)
{
	for (const char *c = glob; *c; c++) {
		if (*c == '\\')
			return false;
		if (*c != '[')
			continue;
		c += 1 + (c[1] == '!' || c[1] == '^');
		/* A ] right behind the bracket stands for itself. */
		c = *c ? strchr(c + 1, ']') : NULL;
		if (!c)
			return false;
	}
	return true;
}

void config_drop_globs(struct config *c)
{
	while (c->n_pod_globs)
		free(c->pod_globs[--c->n_pod_globs]);
}

static int read_pod_interfaces(struct config_reader *r, const struct doc *value)
{
	struct config *c = r->config;

	if (value->type != DOC_LIST)
		return FAIL(r, value, "must be a list of globs, as in [\"veth*\"]");
	if (value->n > CONFIG_MAX_GLOBS)
		return FAIL(r, value, "%u globs: at most %d are possible", value->n,
			    CONFIG_MAX_GLOBS);
	config_drop_globs(c);
	for (uint32_t i = 0; i < value->n; i++) {
		const struct doc *item = value->items[i];
		const char *text;
		int rc;

		rc = config_get_text(r, item, &text);
		if (rc)
			return rc;
		if (!*text || strlen(text) > GLOB_MAX || strpbrk(text, "/ ") ||
		    !config_is_printable(text) || !glob_is_whole(text))
			return FAIL(r, item,
				    "\"%.64s\" is no glob for interfaces: *, ? and [a-z] are known",
				    text);
		c->pod_globs[c->n_pod_globs] = NULL;
		rc = config_set_text(r, text, &c->pod_globs[c->n_pod_globs]);
		if (rc)
			return rc;
		c->n_pod_globs++;
	}
	return 0;
}

static int read_pods_path(struct config_reader *r, const struct doc *value)
{
	return config_get_word(r, value, config_path_words, &r->config->pods_path);
}

static int read_source_check(struct config_reader *r, const struct doc *value)
{
	if (value->type != DOC_BOOL)
		return FAIL(r, value, "must be true or false");
	r->config->pods_source_check = value->integer;
	return 0;
}

int config_read_pods(struct config_reader *r, const struct doc *value)
{
	static const struct config_key keys[] = {
		{ "interfaces", read_pod_interfaces },
		{ "path", read_pods_path },
		{ "source_check", read_source_check },
	};

	return READ_MAP(r, value, keys);
}

/* ---- the datapath ---- */

int config_read_xdp(struct config_reader *r, const struct doc *value)
{
	return config_get_word(r, value, config_xdp_words, &r->config->xdp);
}

int config_read_socket_lb(struct config_reader *r, const struct doc *value)
{
	const char *text = value->text;

	if (!text || (strcmp(text, "auto") && strcmp(text, "off") && *text != '/'))
		return FAIL(r, value,
			    "must be auto, off or the path of a cgroup v2 folder, as in "
			    "/sys/fs/cgroup");
	if (*text == '/')
		return read_abs_path(r, value, CGROUP_MAX, &r->config->socket_lb);
	return config_set_text(r, text, &r->config->socket_lb);
}

/* By who the entry node is: of our cluster or of a peer's. */
static const char *const return_words[] = { "direct", "entry", NULL };

static int read_return_own(struct config_reader *r, const struct doc *value)
{
	unsigned int way;
	int rc;

	rc = config_get_word(r, value, return_words, &way);
	if (!rc)
		r->config->return_own_entry = way == 1;
	return rc;
}

static int read_return_peers(struct config_reader *r, const struct doc *value)
{
	unsigned int way;
	int rc;

	rc = config_get_word(r, value, return_words, &way);
	if (!rc)
		r->config->return_peers_direct = way == 0;
	return rc;
}

int config_read_north_south(struct config_reader *r, const struct doc *value)
{
	static const struct config_key keys[] = {
		{ "return_own", read_return_own },
		{ "return_peers", read_return_peers },
	};

	return READ_MAP(r, value, keys);
}

static int read_tunnel_protocol(struct config_reader *r, const struct doc *value)
{
	static const char *const words[] = { "vxlan", NULL };
	unsigned int protocol;

	return config_get_word(r, value, words, &protocol);
}

static int read_tunnel_port(struct config_reader *r, const struct doc *value)
{
	int64_t port;
	int rc;

	rc = config_get_number(r, value, 1, 65535, &port);
	if (!rc)
		r->config->tunnel_port = (uint16_t)port;
	return rc;
}

static int read_tunnel_id(struct config_reader *r, const struct doc *value)
{
	int64_t id;
	int rc;

	rc = config_get_number(r, value, 1, 0xffffff, &id);
	if (!rc)
		r->config->tunnel_id = (uint32_t)id;
	return rc;
}

static int read_tunnel_family(struct config_reader *r, const struct doc *value)
{
	return config_get_word(r, value, config_family_words, &r->config->tunnel_family);
}

int config_read_tunnel(struct config_reader *r, const struct doc *value)
{
	static const struct config_key keys[] = {
		{ "protocol", read_tunnel_protocol },
		{ "port", read_tunnel_port },
		{ "id", read_tunnel_id },
		{ "family", read_tunnel_family },
	};

	return READ_MAP(r, value, keys);
}

/* ---- staleness and metrics ---- */

static int read_age(struct config_reader *r, const struct doc *value, uint64_t *field)
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
	*field = ms;
	return 0;
}

int config_read_stale_after(struct config_reader *r, const struct doc *value)
{
	return read_age(r, value, &r->config->stale_after_ms);
}

int config_read_remove_after(struct config_reader *r, const struct doc *value)
{
	return read_age(r, value, &r->config->remove_after_ms);
}

int config_read_max_shrink(struct config_reader *r, const struct doc *value)
{
	char number[8];
	const char *text;
	int64_t percent;
	size_t len;
	int rc;

	rc = config_get_text(r, value, &text);
	if (rc)
		return rc;
	len = strlen(text);
	if (len < 2 || len > 4 || text[len - 1] != '%')
		return FAIL(r, value, "\"%.64s\": must be a percentage, as in 50%%", text);
	snprintf(number, sizeof(number), "%.*s", (int)len - 1, text);
	rc = text_number(number, 0, 100, &percent, r->err);
	if (rc)
		return config_fail(r, value, -EINVAL);
	r->config->max_shrink_percent = (unsigned int)percent;
	return 0;
}

static int read_metrics_listen(struct config_reader *r, const struct doc *value)
{
	const char *text, *colon;
	char host[ADDR_TEXT_MAX];
	struct xm_addr addr;
	int64_t port;
	size_t len;
	int rc;

	rc = config_get_text(r, value, &text);
	if (rc)
		return rc;
	if (!text[0] || !strcmp(text, "off"))
		return config_set_text(r, "off", &r->config->metrics_listen);
	colon = strrchr(text, ':');
	len = colon ? (size_t)(colon - text) : 0;
	if (len > 2 && text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	} else if (len && memchr(text, ':', len)) {
		len = 0;
	}
	if (!len || len >= sizeof(host))
		return FAIL(r, value,
			    "\"%.64s\": must be ADDRESS:PORT, as in 127.0.0.1:9964 or [::1]:9964, or off",
			    value->text);
	memcpy(host, text, len);
	host[len] = '\0';
	rc = addr_parse(host, &addr, r->err);
	if (rc)
		return config_fail(r, value, rc);
	rc = text_number(colon + 1, 1, 65535, &port, r->err);
	if (rc) {
		err_in(r->err, rc, "port");
		return config_fail(r, value, -EINVAL);
	}
	return config_set_text(r, value->text, &r->config->metrics_listen);
}

int config_read_metrics(struct config_reader *r, const struct doc *value)
{
	static const struct config_key keys[] = {
		{ "listen", read_metrics_listen },
	};

	return READ_MAP(r, value, keys);
}
