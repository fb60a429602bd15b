/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is read from a Kubernetes API server, and how it is asked for: the one list of resources, which
 * packaging/rbac.yaml grants. Pure.
 */
#ifndef XMESH_FEED_KUBE_RESOURCE_H
#define XMESH_FEED_KUBE_RESOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "feed/kube_json.h"

#define KUBE_MAX_APIS 2
#define KUBE_PAGE 500 /* objects of a page of a list */

struct kube_resource {
	const char *name;                /* "endpointslices"; also what its keys begin with */
	const char *kind;
	const char *apis[KUBE_MAX_APIS]; /* "v1", "discovery.k8s.io/v1"; the first that is there */
	const char *selector;            /* of labels, NULL = all */
	bool optional;                   /* the group may be absent */
};

enum {
	KUBE_NODES,
	KUBE_SERVICES,
	KUBE_SLICES,
	KUBE_EXPORTS,
	KUBE_IMPORTS,
	KUBE_RESOURCES,
};
extern const struct kube_resource kube_resources[KUBE_RESOURCES];

struct kube_query {
	bool watch;
	bool initial;           /* with watch: a WatchList */
	const char *version;    /* watch: from this resourceVersion on */
	const char *token;      /* list: continue; "" = the first page */
	unsigned int limit;     /* list: objects of a page, 0 = all */
	unsigned int timeout_s; /* watch: when the server shall end it */
};

/* The path with its query; malloc'ed. NULL: no memory. */
char *kube_resource_path(const struct kube_resource *resource, size_t api,
			 const struct kube_query *query);
/* "endpointslices/shop/cart-x7k2v", "nodes/west-1"; malloc'ed. NULL: no memory. */
char *kube_resource_key(const struct kube_resource *resource, struct kube_span space,
			struct kube_span name);

#endif
