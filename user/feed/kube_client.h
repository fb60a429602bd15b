/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Requests to one Kubernetes API server, as the kubeconfig says now: it is read again after a failure,
 * and its tokenFile before each request. HTTP/1.1, so that a watch which is paused holds up its own
 * connection and nothing else. Not for: what is asked.
 */
#ifndef XMESH_FEED_KUBE_CLIENT_H
#define XMESH_FEED_KUBE_CLIENT_H

#include <stdbool.h>
#include <uv.h>

#include "core/err.h"
#include "feed/http.h"

struct kube_client;

/*
 * @kubeconfig NULL: the service account of the pod that this is. Both texts are copied, no file is
 * read yet. -ENOMEM.
 */
int kube_client_new(uv_loop_t *loop, const char *kubeconfig, const char *context,
		    struct kube_client **ret_client);
void kube_client_close(struct kube_client *client); /* aborts what is under way; NULL is fine */

/*
 * As http_start(); method, headers and gzip of @ask are filled in here. Errors of kubeconfig.h and
 * of http_new(), with sentences. One request at a time.
 */
int kube_client_get(struct kube_client *client, struct http_ask *ask,
		    struct http_request **ret_request, struct err *err);
/* The last request failed: believe neither the connection nor the kubeconfig. */
void kube_client_doubt(struct kube_client *client);
/* A sentence about what the kubeconfig allows but is dangerous; NULL = nothing. */
const char *kube_client_warning(const struct kube_client *client);
const char *kube_client_server(const struct kube_client *client); /* "" before the first request */

#endif
