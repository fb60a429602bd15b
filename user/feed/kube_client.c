/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A kubeconfig and the connection made of it, replaced together when the file has changed. */
#include "feed/kube_client.h"

#include <errno.h>
#include <string.h>

#include "core/defs.h"
#include "feed/kubeconfig.h"

struct kube_client {
	uv_loop_t *loop;
	char *file, *context;
	struct kubeconfig *config;
	struct http *http; /* of @config; NULL = to be made */
	bool doubted;
};

int kube_client_new(uv_loop_t *loop, const char *kubeconfig, const char *context,
		    struct kube_client **ret_client)
{
	struct kube_client *client = calloc(1, sizeof(*client));

	if (!client)
		return -ENOMEM;
	client->loop = loop;
	client->file = kubeconfig ? strdup(kubeconfig) : NULL;
	client->context = context ? strdup(context) : NULL;
	if ((kubeconfig && !client->file) || (context && !client->context)) {
		kube_client_close(client);
		return -ENOMEM;
	}
	*ret_client = client;
	return 0;
}

void kube_client_close(struct kube_client *client)
{
	if (!client)
		return;
	http_close(client->http);
	kubeconfig_free(client->config);
	free(client->file);
	free(client->context);
	free(client);
}

static int load(struct kube_client *client, struct err *err)
{
	struct kubeconfig *config;
	int rc;

	if (client->file)
		rc = kubeconfig_load(client->file, client->context, &config, err);
	else
		rc = kubeconfig_in_pod(getenv("KUBERNETES_SERVICE_HOST"),
				       getenv("KUBERNETES_SERVICE_PORT"), KUBECONFIG_POD_FOLDER,
				       &config, err);
	if (rc)
		return rc;
	if (client->config && kubeconfig_equal(client->config, config)) {
		kubeconfig_free(config);
		return 0;
	}
	http_close(take(client->http));
	kubeconfig_free(client->config);
	client->config = config;
	return 0;
}

static struct http_blob blob(const struct kubeconfig_pem *pem)
{
	return (struct http_blob){ pem->data, pem->len };
}

static int connect_to(struct kube_client *client, struct err *err)
{
	const struct kubeconfig *config = client->config;
	struct http_setup setup = {
		.loop = client->loop,
		.base = config->server,
		.ca = blob(&config->ca),
		.cert = blob(&config->cert),
		.key = blob(&config->key),
		.server_name = config->server_name,
		.proxy = config->proxy,
		.insecure = config->insecure,
	};
	int rc = http_new(&setup, &client->http, err);

	return rc ? err_in(err, rc, "%s", config->where) : 0;
}

int kube_client_get(struct kube_client *client, struct http_ask *ask,
		    struct http_request **ret_request, struct err *err)
{
	const char *headers[3] = { "Accept: application/json" };
	char *authorization = NULL;
	int rc = 0;

	if (!client->config || client->doubted)
		rc = load(client, err);
	if (!rc && !client->http)
		rc = connect_to(client, err);
	if (!rc)
		rc = kubeconfig_authorization(client->config, &authorization, err);
	if (rc)
		return rc;
	client->doubted = false;
	headers[1] = authorization;
	ask->method = "GET";
	ask->headers = headers;
	ask->gzip = !client->config->plain;
	rc = http_start(client->http, ask, ret_request);
	ask->headers = NULL;
	kubeconfig_wipe(authorization);
	return rc ? err_set(err, rc, "out of memory") : 0;
}

void kube_client_doubt(struct kube_client *client)
{
	client->doubted = true;
}

const char *kube_client_warning(const struct kube_client *client)
{
	if (!client->config)
		return NULL;
	if (!strncmp(client->config->server, "http://", 7))
		return "the API server is spoken to by http://: whoever is on the way can read the token "
		       "and decide where traffic goes; use https://";
	if (client->config->insecure)
		return "insecure-skip-tls-verify is set in the kubeconfig: whoever is on the way can be "
		       "the API server, read the token and decide where traffic goes; give "
		       "certificate-authority instead";
	return NULL;
}

const char *kube_client_server(const struct kube_client *client)
{
	return client->config ? client->config->server : "";
}
