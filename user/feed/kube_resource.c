/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Resources, their paths and their keys. */
#include "feed/kube_resource.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/defs.h"

/*
 * Slices that a mesh has copied from other clusters are left out: read back, another cluster's backends
 * would count as this one's.
 */
#define NO_COPIES                                                                                  \
	"endpointslice.kubernetes.io/managed-by!=endpointslice-mesh-controller.cilium.io,"           \
	"!multicluster.kubernetes.io/source-cluster"

const struct kube_resource kube_resources[KUBE_RESOURCES] = {
	[KUBE_NODES] = { "nodes", "Node", { "v1" }, NULL, false },
	[KUBE_SERVICES] = { "services", "Service", { "v1" }, NULL, false },
	[KUBE_SLICES] = { "endpointslices", "EndpointSlice", { "discovery.k8s.io/v1" }, NO_COPIES,
			  false },
	[KUBE_EXPORTS] = { "serviceexports",
			   "ServiceExport",
			   { "multicluster.x-k8s.io/v1beta1", "multicluster.x-k8s.io/v1alpha1" },
			   NULL,
			   true },
	[KUBE_IMPORTS] = { "serviceimports",
			   "ServiceImport",
			   { "multicluster.x-k8s.io/v1beta1", "multicluster.x-k8s.io/v1alpha1" },
			   NULL,
			   true },
};

/* RFC 3986: what is not unreserved is written as %XX. */
static void put_escaped(FILE *out, const char *text)
{
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
		    strchr("-._~", *c))
			fputc(*c, out);
		else
			fprintf(out, "%%%02X", *c);
	}
}

static void put_text(FILE *out, const char *key, const char *value)
{
	fprintf(out, "&%s=", key);
	put_escaped(out, value);
}

char *kube_resource_path(const struct kube_resource *resource, size_t api,
			 const struct kube_query *query)
{
	const char *group = resource->apis[api];
	char *path = NULL;
	size_t len;
	FILE *out = open_memstream(&path, &len);

	if (!out)
		return NULL;
	fprintf(out, "/%s/%s/%s?", strchr(group, '/') ? "apis" : "api", group, resource->name);
	if (query->watch)
		fprintf(out, "watch=1&allowWatchBookmarks=true&timeoutSeconds=%u",
			query->timeout_s);
	else
		fprintf(out, "limit=%u", query->limit);
	if (query->watch && query->initial)
		fputs("&sendInitialEvents=true&resourceVersionMatch=NotOlderThan", out);
	if (query->watch && !query->initial)
		put_text(out, "resourceVersion", query->version);
	if (!query->watch && query->token && *query->token)
		put_text(out, "continue", query->token);
	if (resource->selector)
		put_text(out, "labelSelector", resource->selector);
	if (fclose(out)) {
		free(path);
		return NULL;
	}
	return path;
}

char *kube_resource_key(const struct kube_resource *resource, struct kube_span space,
			struct kube_span name)
{
	char *key;
	int len;

	if (space.text)
		len = asprintf(&key, "%s/%.*s/%.*s", resource->name, (int)space.len, space.text,
			       (int)name.len, name.text);
	else
		len = asprintf(&key, "%s/%.*s", resource->name, (int)name.len, name.text);
	return len < 0 ? NULL : key;
}
