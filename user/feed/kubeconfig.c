/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The subset of kubeconfig that a node agent needs; what it cannot do is refused, not passed over. */
#include "feed/kubeconfig.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/defs.h"
#include "core/doc.h"
#include "core/file.h"
#include "feed/kube_base64.h"

#define MAX_PEM (1024u * 1024)
#define MAX_TOKEN (64u * 1024)
#define TOKEN_INSTEAD                                                                              \
	"make a token of a service account and put it under token or tokenFile (README, \"A peer "   \
	"by its Kubernetes API\")"

/* One reading: what sentences and relative names need. */
struct reader {
	const char *file;
	struct err *err;
};

static int fail(const struct reader *r, const struct doc *at, int code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static int fail(const struct reader *r, const struct doc *at, int code, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (at && at->line)
		return err_set(r->err, code, "%s:%u: %s", r->file, at->line, text);
	return err_set(r->err, code, "%s: %s", r->file, text);
}

static int no_memory(const struct reader *r)
{
	return err_set(r->err, -ENOMEM, "%s: out of memory", r->file);
}

void kubeconfig_wipe(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

static void pem_done(struct kubeconfig_pem *pem)
{
	if (pem->data)
		explicit_bzero(pem->data, pem->len);
	free(pem->data);
	free(pem->file);
}

void kubeconfig_free(struct kubeconfig *config)
{
	if (!config)
		return;
	pem_done(&config->ca);
	pem_done(&config->cert);
	pem_done(&config->key);
	kubeconfig_wipe(config->token);
	kubeconfig_wipe(config->password);
	free(config->token_file);
	free(config->user);
	free(config->server);
	free(config->server_name);
	free(config->proxy);
	free(config->where);
	free(config);
}

/* A text under @key of @map into *ret; "" and null are as absent. */
static int read_text(const struct reader *r, const struct doc *map, const char *key, char **ret)
{
	const struct doc *d = doc_get(map, key);
	const char *text;
	char *copy;

	if (doc_is_null(d))
		return 0;
	text = doc_text(d);
	if (!text)
		return fail(r, d, -EINVAL, "%s is not a text", key);
	if (!*text)
		return 0;
	copy = strdup(text);
	if (!copy)
		return no_memory(r);
	*ret = copy;
	return 0;
}

static int read_flag(const struct reader *r, const struct doc *map, const char *key, bool *ret)
{
	const struct doc *d = doc_get(map, key);

	if (doc_is_null(d))
		return 0;
	if (d->type != DOC_BOOL)
		return fail(r, d, -EINVAL, "%s is neither true nor false", key);
	*ret = d->integer;
	return 0;
}

/* A file name, from the folder of the kubeconfig on. */
static int read_path(const struct reader *r, const struct doc *map, const char *key, char **ret)
{
	auto_free char *text = NULL;
	const char *slash = strrchr(r->file, '/');
	char *path;
	int rc = read_text(r, map, key, &text);

	if (rc || !text)
		return rc;
	if (text[0] == '/' || !slash) {
		*ret = take(text);
		return 0;
	}
	if (asprintf(&path, "%.*s/%s", (int)(slash - r->file), r->file, text) < 0)
		return no_memory(r);
	*ret = path;
	return 0;
}

static int check_pem(const struct reader *r, const struct doc *at, const char *key,
		     const struct kubeconfig_pem *pem)
{
	if (!memmem(pem->data, pem->len, "-----BEGIN ", 11))
		return fail(r, at, -EINVAL, "%s%s%s is not PEM: it has no \"-----BEGIN\" line", key,
			    pem->file ? " " : "", pem->file ? pem->file : "");
	return 0;
}

/* KEY-data (base64) wins over KEY (a file). */
static int read_pem(const struct reader *r, const struct doc *map, const char *key,
		    struct kubeconfig_pem *pem)
{
	char inline_key[64];
	const struct doc *d;
	const char *text;
	int rc;

	snprintf(inline_key, sizeof(inline_key), "%s-data", key);
	d = doc_get(map, inline_key);
	text = doc_text(d);
	if (!doc_is_null(d) && !text)
		return fail(r, d, -EINVAL, "%s is not a text", inline_key);
	if (!text || !*text)
		return read_path(r, map, key, &pem->file);
	rc = kube_base64_decode(text, strlen(text), &pem->data, &pem->len);
	if (rc == -ENOMEM)
		return no_memory(r);
	if (rc)
		return fail(r, d, rc, "%s is not base64: copy the value again, whole", inline_key);
	return check_pem(r, d, inline_key, pem);
}

/* The entry of @list ("contexts", ...) with that name, and in it the map @part ("context", ...). */
static int find(const struct reader *r, const struct doc *root, const char *list, const char *part,
		const char *name, const struct doc **ret_part)
{
	const struct doc *items = doc_get(root, list), *map;
	const char *text;
	char known[200] = "";
	size_t len = 0;

	for (uint32_t i = 0; items && items->type == DOC_LIST && i < items->n; i++) {
		text = doc_text(doc_get(items->items[i], "name"));
		if (!text)
			continue;
		if (strcmp(text, name)) {
			if (len < sizeof(known))
				len += (size_t)snprintf(known + len, sizeof(known) - len, "%s%.60s",
							len ? ", " : "", text);
			continue;
		}
		map = doc_get(items->items[i], part);
		if (!map || map->type != DOC_MAP)
			return fail(r, items->items[i], -EINVAL, "%s \"%.60s\" is empty", part, name);
		*ret_part = map;
		return 0;
	}
	return fail(r, items, -ENOENT, "there is no %s \"%.60s\" under %s; there is: %s", part, name,
		    list, *known ? known : "none");
}

static int read_cluster(const struct reader *r, const struct doc *map, struct kubeconfig *config)
{
	const struct doc *at = doc_get(map, "server");
	size_t len;
	int rc;

	rc = read_text(r, map, "server", &config->server);
	if (!rc && !config->server)
		rc = fail(r, map, -EINVAL, "the cluster has no server");
	if (!rc && strncmp(config->server, "https://", 8) && strncmp(config->server, "http://", 7))
		rc = fail(r, at, -EINVAL, "server %.100s does not begin with https://",
			  config->server);
	if (rc)
		return rc;
	len = strlen(config->server);
	while (config->server[len - 1] == '/')
		config->server[--len] = '\0';
	rc = read_text(r, map, "tls-server-name", &config->server_name);
	if (!rc)
		rc = read_text(r, map, "proxy-url", &config->proxy);
	if (!rc)
		rc = read_flag(r, map, "insecure-skip-tls-verify", &config->insecure);
	if (!rc)
		rc = read_flag(r, map, "disable-compression", &config->plain);
	if (!rc)
		rc = read_pem(r, map, "certificate-authority", &config->ca);
	return rc;
}

/* What gives credentials in a way that an agent on a node does not follow. */
static int refuse_commands(const struct reader *r, const struct doc *map, const char *name)
{
	static const char *const as[] = { "as", "as-uid", "as-groups", "as-user-extra" };
	const struct doc *d = doc_get(map, "exec");
	const char *command;

	if (!doc_is_null(d)) {
		command = doc_text(doc_get(d, "command"));
		return fail(r, d, -EINVAL,
			    "user \"%.60s\" gets its credentials from a command (exec: %.60s), which "
			    "an agent on a node does not run: " TOKEN_INSTEAD,
			    name, command ? command : "?");
	}
	d = doc_get(map, "auth-provider");
	if (!doc_is_null(d))
		return fail(r, d, -EINVAL,
			    "user \"%.60s\" has an auth-provider, which Kubernetes itself has given "
			    "up: " TOKEN_INSTEAD,
			    name);
	for (size_t i = 0; i < ARRAY_SIZE(as); i++) {
		d = doc_get(map, as[i]);
		if (!doc_is_null(d))
			return fail(r, d, -EINVAL,
				    "user \"%.60s\" acts as another one (%s), which is not done "
				    "here: " TOKEN_INSTEAD,
				    name, as[i]);
	}
	return 0;
}

static int check_token(const struct reader *r, const struct doc *at, const char *what,
		       const char *token)
{
	for (const char *c = token; *c; c++)
		if (*c <= ' ' || *c > '~')
			return fail(r, at, -EINVAL,
				    "%s holds a character that no token has: copy it again", what);
	return 0;
}

static int read_user(const struct reader *r, const struct doc *map, const char *name,
		     struct kubeconfig *config)
{
	int rc = refuse_commands(r, map, name);

	if (!rc)
		rc = read_pem(r, map, "client-certificate", &config->cert);
	if (!rc)
		rc = read_pem(r, map, "client-key", &config->key);
	if (!rc)
		rc = read_text(r, map, "token", &config->token);
	if (!rc && config->token)
		rc = check_token(r, doc_get(map, "token"), "token", config->token);
	if (!rc)
		rc = read_path(r, map, "tokenFile", &config->token_file);
	if (!rc)
		rc = read_text(r, map, "username", &config->user);
	if (!rc)
		rc = read_text(r, map, "password", &config->password);
	if (rc)
		return rc;
	if ((config->cert.file || config->cert.data) != (config->key.file || config->key.data))
		return fail(r, map, -EINVAL,
			    "user \"%.60s\" has only one of client-certificate and client-key", name);
	if (!config->user != !config->password)
		return fail(r, map, -EINVAL, "user \"%.60s\" has only one of username and password",
			    name);
	return 0;
}

static int read_context(const struct reader *r, const struct doc *root, const char *context,
			struct kubeconfig *config)
{
	const struct doc *map, *part;
	const char *cluster, *user;
	int rc;

	if (!root || root->type != DOC_MAP || !doc_get(root, "clusters"))
		return fail(r, root, -EINVAL, "this is no kubeconfig: it has no clusters");
	if (!context)
		context = doc_text(doc_get(root, "current-context"));
	if (!context || !*context)
		return fail(r, NULL, -EINVAL,
			    "there is no current-context: name one under kubernetes: {context: ...}");
	if (asprintf(&config->where, "%s context %.60s", r->file, context) < 0) {
		config->where = NULL;
		return no_memory(r);
	}
	rc = find(r, root, "contexts", "context", context, &map);
	if (rc)
		return rc;
	cluster = doc_text(doc_get(map, "cluster"));
	user = doc_text(doc_get(map, "user"));
	if (!cluster)
		return fail(r, map, -EINVAL, "context \"%.60s\" names no cluster", context);
	rc = find(r, root, "clusters", "cluster", cluster, &part);
	if (!rc)
		rc = read_cluster(r, part, config);
	/* Without a user: an API server that asks for none, such as `kubectl proxy`. */
	if (!rc && user && *user) {
		rc = find(r, root, "users", "user", user, &part);
		if (!rc)
			rc = read_user(r, part, user, config);
	}
	return rc;
}

/* The parsed text goes back to the heap: take the secrets out of it before. */
static void wipe_users(const struct doc *root)
{
	static const char *const secrets[] = { "token", "password", "client-key-data" };
	const struct doc *users = doc_get(root, "users");
	char *text;

	for (uint32_t i = 0; users && users->type == DOC_LIST && i < users->n; i++) {
		for (size_t k = 0; k < ARRAY_SIZE(secrets); k++) {
			/* The arena is writable; only its readers see it as constant. */
			text = (char *)doc_text(doc_path(users->items[i], "user", secrets[k], NULL));
			if (text)
				explicit_bzero(text, strlen(text));
		}
	}
}

int kubeconfig_parse(const char *text, size_t len, const char *file, const char *context,
		     struct kubeconfig **ret_config, struct err *err)
{
	struct reader reader = { file, err };
	struct kubeconfig *config;
	struct doc_set *set;
	int rc;

	rc = doc_parse(text, len, file, &set, err);
	if (rc)
		return rc;
	config = calloc(1, sizeof(*config));
	if (!config)
		rc = no_memory(&reader);
	else if (set->n != 1)
		rc = fail(&reader, NULL, -EINVAL, "this is no kubeconfig: %s",
			  set->n ? "it has several documents" : "it is empty");
	else
		rc = read_context(&reader, set->docs[0], context, config);
	for (size_t i = 0; i < set->n; i++)
		wipe_users(set->docs[i]);
	doc_set_free(set);
	if (rc) {
		kubeconfig_free(config);
		return rc;
	}
	*ret_config = config;
	return 0;
}

static int load_pem(const char *where, const char *key, struct kubeconfig_pem *pem, struct err *err)
{
	struct reader reader = { where, err };
	int rc;

	if (!pem->file)
		return 0;
	rc = file_read(AT_FDCWD, pem->file, pem->file, MAX_PEM, 0, &pem->data, &pem->len, err);
	if (rc)
		return err_in(err, rc, "%s: %s", where, key);
	return check_pem(&reader, NULL, key, pem);
}

static int load_pems(struct kubeconfig *config, struct err *err)
{
	int rc = load_pem(config->where, "certificate-authority", &config->ca, err);

	if (!rc)
		rc = load_pem(config->where, "client-certificate", &config->cert, err);
	if (!rc)
		rc = load_pem(config->where, "client-key", &config->key, err);
	return rc;
}

int kubeconfig_load(const char *file, const char *context, struct kubeconfig **ret_config,
		    struct err *err)
{
	struct kubeconfig *config = NULL;
	char *text;
	size_t len;
	int rc;

	rc = file_read(AT_FDCWD, file, file, KUBECONFIG_MAX_BYTES, 0, &text, &len, err);
	if (rc)
		return rc;
	rc = kubeconfig_parse(text, len, file, context, &config, err);
	explicit_bzero(text, len);
	free(text);
	if (!rc)
		rc = load_pems(config, err);
	if (rc) {
		kubeconfig_free(config);
		return rc;
	}
	*ret_config = config;
	return 0;
}

int kubeconfig_in_pod(const char *host, const char *port, const char *folder,
		      struct kubeconfig **ret_config, struct err *err)
{
	struct kubeconfig *config;
	int len, rc;

	if (!host || !*host || !port || !*port)
		return err_set(err, -ENOENT,
			       "this is no pod (KUBERNETES_SERVICE_HOST and _PORT are not set): name a "
			       "kubeconfig under kubernetes: {kubeconfig: FILE}");
	config = calloc(1, sizeof(*config));
	if (!config)
		return err_set(err, -ENOMEM, "out of memory");
	len = asprintf(&config->server, strchr(host, ':') ? "https://[%s]:%s" : "https://%s:%s", host,
		       port);
	if (len < 0)
		config->server = NULL;
	if (len < 0 || asprintf(&config->ca.file, "%s/ca.crt", folder) < 0)
		config->ca.file = NULL;
	if (!config->ca.file || asprintf(&config->token_file, "%s/token", folder) < 0)
		config->token_file = NULL;
	config->where = strdup("service account of the pod");
	if (!config->token_file || !config->where)
		rc = err_set(err, -ENOMEM, "out of memory");
	else
		rc = load_pems(config, err);
	if (rc) {
		kubeconfig_free(config);
		return rc;
	}
	*ret_config = config;
	return 0;
}

static bool same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool same_pem(const struct kubeconfig_pem *a, const struct kubeconfig_pem *b)
{
	return a->len == b->len && (!a->len || !memcmp(a->data, b->data, a->len));
}

bool kubeconfig_equal(const struct kubeconfig *a, const struct kubeconfig *b)
{
	return same(a->server, b->server) && same(a->server_name, b->server_name) &&
	       same(a->proxy, b->proxy) && a->insecure == b->insecure && a->plain == b->plain &&
	       same_pem(&a->ca, &b->ca) && same_pem(&a->cert, &b->cert) &&
	       same_pem(&a->key, &b->key) && same(a->token, b->token) &&
	       same(a->token_file, b->token_file) && same(a->user, b->user) &&
	       same(a->password, b->password);
}

static int basic(const struct kubeconfig *config, char **ret_line, struct err *err)
{
	char *pair = NULL, *coded = NULL, *line = NULL;
	int rc = 0;

	if (asprintf(&pair, "%s:%s", config->user, config->password) < 0)
		pair = NULL;
	if (!pair || kube_base64_encode(pair, strlen(pair), &coded) ||
	    asprintf(&line, "Authorization: Basic %s", coded) < 0) {
		line = NULL;
		rc = err_set(err, -ENOMEM, "out of memory");
	}
	kubeconfig_wipe(pair);
	kubeconfig_wipe(coded);
	if (!rc)
		*ret_line = line;
	return rc;
}

static int bearer(const char *token, char **ret_line, struct err *err)
{
	char *line;

	if (asprintf(&line, "Authorization: Bearer %s", token) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	*ret_line = line;
	return 0;
}

static int file_bearer(const struct kubeconfig *config, char **ret_line, struct err *err)
{
	struct reader reader = { config->where, err };
	char *token;
	size_t len, all;
	int rc;

	rc = file_read(AT_FDCWD, config->token_file, config->token_file, MAX_TOKEN, 0, &token, &all,
		       err);
	if (rc)
		return err_in(err, rc, "%s: tokenFile", config->where);
	len = all;
	while (len && strchr(" \t\r\n", token[len - 1]))
		token[--len] = '\0';
	if (!len || strlen(token) != len)
		rc = err_set(err, -EINVAL, "%s: there is no token in %s", config->where,
			     config->token_file);
	if (!rc)
		rc = check_token(&reader, NULL, config->token_file, token);
	if (!rc)
		rc = bearer(token, ret_line, err);
	explicit_bzero(token, all);
	free(token);
	return rc;
}

int kubeconfig_authorization(const struct kubeconfig *config, char **ret_line, struct err *err)
{
	*ret_line = NULL;
	if (config->token_file)
		return file_bearer(config, ret_line, err);
	if (config->token)
		return bearer(config->token, ret_line, err);
	if (config->user)
		return basic(config, ret_line, err);
	return 0;
}
