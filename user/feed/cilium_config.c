/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* An etcd client's YAML into struct config_etcd. */
#include "feed/cilium_config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/defs.h"
#include "core/doc.h"
#include "core/file.h"

void cilium_config_free(struct config_etcd *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config->n_endpoints; i++)
		free(config->endpoints[i]);
	free(config->endpoints);
	free(config->prefix);
	free(config->ca);
	free(config->cert);
	free(config->key);
	free(config);
}

/* The file that @key names, from the folder of @path; NULL when it names none. */
static int file_of(const struct doc *doc, const char *key, const char *path, char **ret_file,
		   struct err *err)
{
	const struct doc *d = doc_get(doc, key);
	const char *text = doc_text(d), *slash = strrchr(path, '/');
	int n;

	if (doc_is_null(d) || (text && !*text))
		return 0;
	if (!text)
		return err_set(err, -EINVAL, "%s: %s is not the name of a file", path, key);
	if (*text == '/' || !slash)
		n = asprintf(ret_file, "%s", text);
	else
		n = asprintf(ret_file, "%.*s/%s", (int)(slash - path), path, text);
	if (n < 0) {
		*ret_file = NULL;
		return err_set(err, -ENOMEM, "out of memory");
	}
	return 0;
}

static int endpoints(const struct doc *doc, const char *path, struct config_etcd *config,
		     struct err *err)
{
	const struct doc *list = doc_get(doc, "endpoints");

	if (doc_is_null(list) || list->type != DOC_LIST || !list->n)
		return err_set(err, -EINVAL,
			       "%s: there are no endpoints: is it an etcd client's configuration, as Cilium "
			       "keeps one for each peer?", path);
	if (list->n > CONFIG_MAX_ENDPOINTS)
		return err_set(err, -EINVAL, "%s: more than %d endpoints", path, CONFIG_MAX_ENDPOINTS);
	config->endpoints = calloc(list->n, sizeof(*config->endpoints));
	if (!config->endpoints)
		return err_set(err, -ENOMEM, "out of memory");
	for (uint32_t i = 0; i < list->n; i++) {
		const char *text = doc_text(list->items[i]);
		size_t len = text ? strlen(text) : 0;

		if (!text || (strncmp(text, "https://", 8) && strncmp(text, "http://", 7)))
			return err_set(err, -EINVAL, "%s: endpoint %.200s is no https:// or http:// URL", path,
				       text ? text : "");
		while (len && text[len - 1] == '/')
			len--;
		config->endpoints[i] = strndup(text, len);
		if (!config->endpoints[i])
			return err_set(err, -ENOMEM, "out of memory");
		config->n_endpoints++;
	}
	return 0;
}

static int fill(const struct doc *doc, const char *path, struct config_etcd *config, struct err *err)
{
	const struct doc *insecure = doc_get(doc, "insecure-transport");
	const struct doc *skip = doc_get(doc, "insecure-skip-tls-verify");
	const char *user = doc_text(doc_get(doc, "username"));
	int rc;

	if (doc->type != DOC_MAP)
		return err_set(err, -EINVAL, "%s: no map of keys", path);
	if ((!doc_is_null(skip) && skip->integer) || (!doc_is_null(insecure) && insecure->integer))
		return err_set(err, -EINVAL,
			       "%s: %s is set: xmesh does not read a store that it cannot verify", path,
			       !doc_is_null(skip) && skip->integer ? "insecure-skip-tls-verify" :
								     "insecure-transport");
	/* Cilium's own stores know clients by their certificates alone. */
	if (user && *user)
		return err_set(err, -EINVAL,
			       "%s: username and password are not supported there: use cert-file and key-file, "
			       "or feed: {etcd: ...}", path);
	rc = endpoints(doc, path, config, err);
	if (!rc)
		rc = file_of(doc, "trusted-ca-file", path, &config->ca, err);
	if (!rc)
		rc = file_of(doc, "cert-file", path, &config->cert, err);
	if (!rc)
		rc = file_of(doc, "key-file", path, &config->key, err);
	if (!rc && !config->cert != !config->key)
		rc = err_set(err, -EINVAL, "%s: %s is there without %s", path,
			     config->cert ? "cert-file" : "key-file",
			     config->cert ? "key-file" : "cert-file");
	if (rc)
		return rc;
	config->prefix = strdup("");
	return config->prefix ? 0 : err_set(err, -ENOMEM, "out of memory");
}

int cilium_config_read(const char *path, struct config_etcd **ret_config, struct err *err)
{
	auto_free char *text = NULL;
	struct config_etcd *config;
	struct doc_set *set;
	size_t len;
	int rc;

	rc = file_read(AT_FDCWD, path, path, CILIUM_MAX_FILE, 0, &text, &len, err);
	if (rc)
		return rc;
	rc = doc_parse(text, len, path, &set, err);
	if (rc)
		return rc;
	config = calloc(1, sizeof(*config));
	if (!config)
		rc = err_set(err, -ENOMEM, "out of memory");
	else if (set->n != 1)
		rc = err_set(err, -EINVAL, "%s: it holds no document, or several", path);
	else
		rc = fill(set->docs[0], path, config, err);
	doc_set_free(set);
	if (rc) {
		cilium_config_free(config);
		return rc;
	}
	*ret_config = config;
	return 0;
}

static uint64_t add(uint64_t sum, const char *path)
{
	struct stat st;

	if (!path)
		return sum;
	if (stat(path, &st))
		return sum * 31 + 1;
	sum = sum * 31 + st.st_ino;
	sum = sum * 31 + st.st_size;
	sum = sum * 31 + st.st_mtim.tv_sec;
	return sum * 31 + st.st_mtim.tv_nsec;
}

uint64_t cilium_config_stamp(const char *path, const struct config_etcd *config)
{
	uint64_t sum;

	if (access(path, F_OK))
		return 0;
	sum = add(17, path);
	if (config) {
		sum = add(sum, config->ca);
		sum = add(sum, config->cert);
		sum = add(sum, config->key);
	}
	return sum ? sum : 1;
}
