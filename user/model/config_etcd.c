/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How an etcd is reached, in a feed and for publishing: endpoints, prefix, certificates, user. Secrets
 * are named by their files, never written here. Not for: opening any of them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/addr.h"
#include "core/text.h"
#include "model/config_reader.h"

#define PREFIX_MAX 255
#define USER_MAX 255

/* ---- endpoints ---- */

static bool is_host(const char *host)
{
	struct xm_addr addr;
	size_t len = strlen(host);
	char inner[ADDR_TEXT_MAX];

	/* Digits and dots alone are an address or a mistyped one, never a name. */
	if (*host != '[' && !host[strspn(host, "0123456789.")])
		return !addr_parse(host, &addr, NULL);
	if (*host != '[')
		return text_is_dns1123(host, 253, 1);
	if (len < 4 || len - 2 >= sizeof(inner) || host[len - 1] != ']')
		return false;
	memcpy(inner, host + 1, len - 2);
	inner[len - 2] = '\0';
	return !addr_parse(inner, &addr, NULL) && !xm_addr_is_v4(&addr);
}

/* The text of an URL is not repeated before it is known to hold no password. */
static int check_endpoint(struct config_reader *r, const struct doc *value, const char *text)
{
	static const char *const as = "as in https://192.0.2.9:2379";
	const char *rest, *colon;
	char host[256];
	int64_t port;
	size_t len;

	if (strchr(text, '@'))
		return FAIL(r, value,
			    "a user or password in the address: write user: and password_file:");
	if (strncmp(text, "https://", 8) && strncmp(text, "http://", 7))
		return FAIL(r, value, "\"%.64s\": must begin with https:// (or http://), %s", text,
			    as);
	rest = strstr(text, "://") + 3;
	if (strpbrk(rest, "/?#"))
		return FAIL(r, value, "\"%.64s\": nothing may follow the port, %s", text, as);
	colon = strrchr(rest, ':');
	if (!colon || strchr(colon, ']'))
		return FAIL(r, value, "\"%.64s\": the port is missing, %s", text, as);
	len = (size_t)(colon - rest);
	if (len >= sizeof(host))
		return FAIL(r, value, "the name of the server has more than 253 characters");
	memcpy(host, rest, len);
	host[len] = '\0';
	if (!is_host(host))
		return FAIL(r, value,
			    "\"%.64s\" is not the name or address of a server (IPv6 in brackets)",
			    host);
	if (text_number(colon + 1, 1, 65535, &port, r->err)) {
		err_in(r->err, -EINVAL, "port");
		return config_fail(r, value, -EINVAL);
	}
	return 0;
}

static int read_endpoint(struct config_reader *r, const struct doc *value)
{
	struct config_etcd *etcd = r->etcd;
	const char *text;
	int rc;

	rc = config_get_text(r, value, &text);
	if (!rc)
		rc = check_endpoint(r, value, text);
	if (rc)
		return rc;
	for (size_t i = 0; i < etcd->n_endpoints; i++) {
		if (!strcmp(etcd->endpoints[i], text))
			return FAIL(r, value, "%s stands twice", text);
	}
	rc = config_set_text(r, text, &etcd->endpoints[etcd->n_endpoints]);
	if (rc)
		return rc;
	etcd->n_endpoints++;
	if (!strncmp(text, "http://", 7))
		return config_warn(r, value,
				   "%s is neither encrypted nor verified: whoever is on the way can "
				   "read and change what is said; write https://", text);
	return 0;
}

static int read_endpoints(struct config_reader *r, const struct doc *value)
{
	if (value->type != DOC_LIST)
		return FAIL(r, value, "must be a list, as in [\"https://192.0.2.9:2379\"]");
	if (!value->n || value->n > CONFIG_MAX_ENDPOINTS)
		return FAIL(r, value, "%u endpoints: 1 to %d are possible", value->n,
			    CONFIG_MAX_ENDPOINTS);
	r->etcd->endpoints = calloc(value->n, sizeof(*r->etcd->endpoints));
	if (!r->etcd->endpoints)
		return config_no_memory(r);
	for (uint32_t i = 0; i < value->n; i++) {
		size_t len = config_enter(r, "[%u]", i);
		int rc = read_endpoint(r, value->items[i]);

		if (rc)
			return rc;
		config_leave(r, len);
	}
	return 0;
}

/* ---- the other keys ---- */

static int read_prefix(struct config_reader *r, const struct doc *value)
{
	const char *text;
	size_t len;
	int rc;

	rc = config_get_text(r, value, &text);
	if (rc)
		return rc;
	len = strlen(text);
	if (*text != '/' || len < 2 || text[len - 1] == '/' || strstr(text, "//"))
		return FAIL(r, value,
			    "\"%.64s\": must begin with one / and end without, as in /xmesh/north",
			    text);
	if (len > PREFIX_MAX)
		return FAIL(r, value, "a prefix of %zu bytes: at most %d are possible", len,
			    PREFIX_MAX);
	for (const char *c = text; *c; c++) {
		if (*c <= ' ' || *c > '~')
			return FAIL(r, value, "a prefix is of visible ASCII without spaces");
	}
	return config_set_text(r, text, &r->etcd->prefix);
}

static int read_ca(struct config_reader *r, const struct doc *value)
{
	return config_get_path(r, value, &r->etcd->ca);
}

static int read_cert(struct config_reader *r, const struct doc *value)
{
	return config_get_path(r, value, &r->etcd->cert);
}

static int read_key(struct config_reader *r, const struct doc *value)
{
	return config_get_path(r, value, &r->etcd->key);
}

static int read_server_name(struct config_reader *r, const struct doc *value)
{
	const char *text;
	int rc;

	rc = config_get_text(r, value, &text);
	if (rc)
		return rc;
	if (*text == '[' || !is_host(text))
		return FAIL(r, value,
			    "\"%.64s\" is not a name that a certificate could be for", text);
	return config_set_text(r, text, &r->etcd->server_name);
}

static int read_user(struct config_reader *r, const struct doc *value)
{
	const char *text;
	int rc;

	rc = config_get_text(r, value, &text);
	if (rc)
		return rc;
	if (!*text || strlen(text) > USER_MAX || !config_is_printable(text))
		return FAIL(r, value, "\"%.64s\" is not the name of a user", text);
	return config_set_text(r, text, &r->etcd->user);
}

static int read_password_file(struct config_reader *r, const struct doc *value)
{
	return config_get_path(r, value, &r->etcd->password_file);
}

/* What one key says must fit to what the others say. */
static int check_whole(struct config_reader *r, const struct doc *value)
{
	const struct config_etcd *etcd = r->etcd;
	size_t secure = 0;

	for (size_t i = 0; i < etcd->n_endpoints; i++)
		secure += !strncmp(etcd->endpoints[i], "https://", 8);
	if (!etcd->n_endpoints)
		return FAIL(r, value, "endpoints: [\"https://HOST:2379\"] is missing");
	if (!etcd->prefix)
		return FAIL(r, value, "prefix: is missing, as in /xmesh/north");
	if (!etcd->cert != !etcd->key)
		return FAIL(r, value, "%s is missing: cert and key belong together",
			    etcd->cert ? "key:" : "cert:");
	if (!etcd->user != !etcd->password_file)
		return FAIL(r, value, "%s is missing: user and password_file belong together",
			    etcd->user ? "password_file:" : "user:");
	if (!secure && (etcd->ca || etcd->cert || etcd->server_name))
		return FAIL(r, value, "%s has no effect with http:// endpoints: write https://",
			    etcd->ca ? "ca:" : etcd->cert ? "cert:" : "server_name:");
	return 0;
}

/* Into r->etcd. */
int config_read_etcd(struct config_reader *r, const struct doc *value)
{
	static const struct config_key keys[] = {
		{ "endpoints", read_endpoints },
		{ "prefix", read_prefix },
		{ "ca", read_ca },
		{ "cert", read_cert },
		{ "key", read_key },
		{ "server_name", read_server_name },
		{ "user", read_user },
		{ "password_file", read_password_file },
	};
	const struct doc *password = doc_get(value, "password");
	int rc;

	if (password)
		return FAIL(r, password,
			    "no secret belongs here: write the password into a file that only root "
			    "can read, and password_file: FILE");
	rc = READ_MAP(r, value, keys);
	return rc ? rc : check_whole(r, value);
}

/* ---- the whole ---- */

static bool same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

bool config_etcd_equal(const struct config_etcd *a, const struct config_etcd *b)
{
	if (a->n_endpoints != b->n_endpoints)
		return false;
	for (size_t i = 0; i < a->n_endpoints; i++) {
		if (strcmp(a->endpoints[i], b->endpoints[i]))
			return false;
	}
	return same(a->prefix, b->prefix) && same(a->ca, b->ca) && same(a->cert, b->cert) &&
	       same(a->key, b->key) && same(a->server_name, b->server_name) &&
	       same(a->user, b->user) && same(a->password_file, b->password_file);
}

void config_etcd_done(struct config_etcd *etcd)
{
	for (size_t i = 0; i < etcd->n_endpoints; i++)
		free(etcd->endpoints[i]);
	free(etcd->endpoints);
	free(etcd->prefix);
	free(etcd->ca);
	free(etcd->cert);
	free(etcd->key);
	free(etcd->server_name);
	free(etcd->user);
	free(etcd->password_file);
}
