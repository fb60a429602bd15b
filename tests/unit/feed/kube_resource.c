/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Paths and keys, and that packaging/rbac.yaml grants what is asked for and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>

#include "core/defs.h"
#include "core/doc.h"
#include "core/file.h"
#include "feed/kube_resource.h"

static void paths(void **state)
{
	static const struct {
		const char *name;
		unsigned int resource, api;
		struct kube_query query;
		const char *want;
	} rows[] = {
		{ "a first page", KUBE_NODES, 0, { .limit = 500 }, "/api/v1/nodes?limit=500" },
		{ "a token is opaque", KUBE_SERVICES, 0, { .limit = 500, .token = "a+/=&x" },
		  "/api/v1/services?limit=500&continue=a%2B%2F%3D%26x" },
		{ "so is a version", KUBE_EXPORTS, 1,
		  { .watch = true, .version = "7&x", .timeout_s = 301 },
		  "/apis/multicluster.x-k8s.io/v1alpha1/serviceexports?watch=1&allowWatchBookmarks=true"
		  "&timeoutSeconds=301&resourceVersion=7%26x" },
		{ "a WatchList of slices that no mesh has copied", KUBE_SLICES, 0,
		  { .watch = true, .initial = true, .timeout_s = 400 },
		  "/apis/discovery.k8s.io/v1/endpointslices?watch=1&allowWatchBookmarks=true"
		  "&timeoutSeconds=400&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
		  "&labelSelector=endpointslice.kubernetes.io%2Fmanaged-by%21%3Dendpointslice-mesh-controller"
		  ".cilium.io%2C%21multicluster.kubernetes.io%2Fsource-cluster" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *path = kube_resource_path(&kube_resources[rows[i].resource], rows[i].api,
						&rows[i].query);

		if (strcmp(path, rows[i].want))
			fail_msg("%s: %s", rows[i].name, path);
		free(path);
	}
}

static void keys(void **state)
{
	struct kube_span space = { "shop", 4 }, name = { "cart-x", 6 }, none = {};
	char *key = kube_resource_key(&kube_resources[KUBE_SLICES], space, name);

	assert_string_equal(key, "endpointslices/shop/cart-x");
	free(key);
	key = kube_resource_key(&kube_resources[KUBE_NODES], none, name);
	assert_string_equal(key, "nodes/cart-x");
	free(key);
}

static bool holds(const struct doc *list, const char *text)
{
	for (uint32_t i = 0; i < list->n; i++)
		if (!strcmp(doc_text(list->items[i]), text))
			return true;
	return false;
}

/* The group of "discovery.k8s.io/v1" is in front of the slash; that of "v1" is "". */
static bool is_group(const char *api, const char *group)
{
	const char *slash = strchr(api, '/');
	size_t len = slash ? (size_t)(slash - api) : 0;

	return strlen(group) == len && !strncmp(api, group, len);
}

static bool grants(const struct doc *rule, const struct kube_resource *resource)
{
	const struct doc *groups = doc_get(rule, "apiGroups"), *verbs = doc_get(rule, "verbs");

	assert_int_equal(groups->n, 1);
	assert_int_equal(verbs->n, 3);
	return is_group(resource->apis[0], doc_text(groups->items[0])) &&
	       holds(doc_get(rule, "resources"), resource->name) && holds(verbs, "get") &&
	       holds(verbs, "list") && holds(verbs, "watch");
}

static void rbac(void **state)
{
	static const char file[] = TEST_DATA "/../../packaging/rbac.yaml";
	const struct doc *rules = NULL;
	struct doc_set *set;
	struct err err;
	size_t len, granted = 0;
	char *text;

	if (file_read(AT_FDCWD, file, file, 65536, 0, &text, &len, &err) ||
	    doc_parse(text, len, file, &set, &err))
		fail_msg("%s", err.text);
	for (size_t i = 0; i < set->n; i++)
		if (!strcmp(doc_text(doc_get(set->docs[i], "kind")), "ClusterRole"))
			rules = doc_get(set->docs[i], "rules");
	assert_non_null(rules);
	for (size_t i = 0; i < KUBE_RESOURCES; i++) {
		bool granted_one = false;

		for (uint32_t k = 0; k < rules->n; k++)
			granted_one |= grants(rules->items[k], &kube_resources[i]);
		if (!granted_one)
			fail_msg("packaging/rbac.yaml does not grant %s", kube_resources[i].name);
	}
	for (uint32_t k = 0; k < rules->n; k++)
		granted += doc_get(rules->items[k], "resources")->n;
	assert_int_equal(granted, KUBE_RESOURCES);
	doc_set_free(set);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths),
		cmocka_unit_test(keys),
		cmocka_unit_test(rbac),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
