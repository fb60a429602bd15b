/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How to reach a Kubernetes API server, and as whom: out of a kubeconfig file, or out of what every
 * pod is given. Sentences name file, line and what to do, and never hold a secret. Not for:
 * connections (feed/kube_client.h).
 */
#ifndef XMESH_FEED_KUBECONFIG_H
#define XMESH_FEED_KUBECONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"

#define KUBECONFIG_MAX_BYTES (1024u * 1024)
#define KUBECONFIG_POD_FOLDER "/var/run/secrets/kubernetes.io/serviceaccount"

struct kubeconfig_pem {
	char *file; /* where it is read, NULL = inline */
	char *data; /* NULL = none (yet) */
	size_t len;
};

struct kubeconfig {
	char *server;      /* "https://192.0.2.9:6443", no slash at its end */
	char *server_name; /* tls-server-name, or NULL */
	char *proxy;       /* proxy-url, or NULL */
	bool insecure;     /* no verification of the server's certificate */
	bool plain;        /* disable-compression */
	struct kubeconfig_pem ca, cert, key;
	char *token, *token_file; /* the file wins */
	char *user, *password;
	char *where;       /* "west.kubeconfig context west", for sentences */
};

/*
 * The part of @context (NULL: of current-context) out of @len bytes of @text. File names in it are
 * made absolute, from the folder of @file. Nothing is read. -EINVAL: bad syntax, what is needed is
 * missing, or what a node agent does not do (exec, auth-provider, impersonation). -ENOENT: no such
 * context, cluster or user. -ENOMEM. The caller owns *ret_config: kubeconfig_free().
 */
int kubeconfig_parse(const char *text, size_t len, const char *file, const char *context,
		     struct kubeconfig **ret_config, struct err *err);
/* Read @file, parse it, read the certificates that it names. Errors of file_read() too. */
int kubeconfig_load(const char *file, const char *context, struct kubeconfig **ret_config,
		    struct err *err);
/*
 * What a pod is given: @host and @port are KUBERNETES_SERVICE_HOST and _PORT (may be NULL), @folder
 * is KUBECONFIG_POD_FOLDER. -ENOENT: this is no pod.
 */
int kubeconfig_in_pod(const char *host, const char *port, const char *folder,
		      struct kubeconfig **ret_config, struct err *err);
void kubeconfig_free(struct kubeconfig *config); /* wipes secrets; NULL is fine */

/* Nothing changed that a connection is made of; the content of tokenFile is not looked at. */
bool kubeconfig_equal(const struct kubeconfig *a, const struct kubeconfig *b);
/*
 * The header line that says who we are, read anew from tokenFile each time; NULL if certificates
 * alone do. The caller's, to kubeconfig_wipe(). Errors of file_read(), -EINVAL: no token in it.
 */
int kubeconfig_authorization(const struct kubeconfig *config, char **ret_line, struct err *err);
void kubeconfig_wipe(char *secret); /* and free; NULL is fine */

#endif
