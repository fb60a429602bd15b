/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Objects under keys that name them: what is taken, what is skipped, what is refused with which sentence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "core/defs.h"
#include "feed/decode_key.h"
#include "feed/piece.h"

#define NODE(name) "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"" name "\"}," \
		   "\"spec\":{\"podCIDR\":\"10.2.1.0/24\"}}"
#define SLICE(space, name) "{\"apiVersion\":\"discovery.k8s.io/v1\",\"kind\":\"EndpointSlice\"," \
			   "\"metadata\":{" space "\"name\":\"" name "\"," \
			   "\"labels\":{\"kubernetes.io/service-name\":\"web\"}}," \
			   "\"addressType\":\"IPv4\",\"endpoints\":[],\"ports\":[]}"

struct row {
	const char *name, *key, *value;
	int want_kind; /* -1: skipped, -2: refused */
	const char *says;
};

static const struct row rows[] = {
	{ "a node", "nodes/west-1", NODE("west-1"), PIECE_NODE, NULL },
	{ "a slice", "endpointslices/lab/web-1", SLICE("\"namespace\":\"lab\",", "web-1"), PIECE_SLICE, NULL },
	{ "no namespace is default", "endpointslices/default/web-1", SLICE("", "web-1"), PIECE_SLICE, NULL },
	{ "another name", "nodes/west-2", NODE("west-1"), -2, "in it is Node west-1, not the one" },
	{ "a name that the key only begins with", "nodes/west-12", NODE("west-1"), -2, "Node west-1" },
	{ "another namespace", "endpointslices/shop/web-1", SLICE("\"namespace\":\"lab\",", "web-1"), -2,
	  "EndpointSlice lab/web-1" },
	{ "another name in the namespace", "endpointslices/lab/web-2",
	  SLICE("\"namespace\":\"lab\",", "web-1"), -2, "EndpointSlice lab/web-1" },
	{ "another kind", "services/lab/web-1", SLICE("\"namespace\":\"lab\",", "web-1"), -2, "EndpointSlice" },
	{ "a kind that is not used under a key of one that is", "services/lab/web",
	  "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"web\"}}", -2, "Pod" },
	{ "a kind that is not used is not read", "pods/lab/web", "{", -1, NULL },
	{ "nor a key of one part", "nodes", "{", -1, NULL },
	{ "a node with a namespace", "nodes/lab/west-1", NODE("west-1"), -2, "the key is not nodes/NAME" },
	{ "a slice without", "endpointslices/web-1", SLICE("", "web-1"), -2,
	  "the key is not KIND/NAMESPACE/NAME" },
	{ "a part too many", "endpointslices/lab/web-1/x", SLICE("\"namespace\":\"lab\",", "web-1"), -2,
	  "the key is not KIND/NAMESPACE/NAME" },
	{ "no name", "nodes/", NODE("west-1"), -2, "Node west-1" },
	{ "half a value", "nodes/west-1", "{\"apiVersion\":\"v1\",\"kind\":\"Node\"", -2, "the value" },
	{ "an empty value", "nodes/west-1", "", -2, "one Kubernetes object as JSON" },
	{ "two objects in a List", "nodes/west-1", "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":["
	  NODE("west-1") "," NODE("west-1") "]}", -2, "more than one" },
	{ "an empty List", "nodes/west-1", "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[]}", -2,
	  "one Kubernetes object as JSON" },
};

static void test_rows(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];
		struct piece *piece = NULL;
		struct err err = {};
		int code, kind;

		code = decode_keyed(NULL, row->key, row->value, strlen(row->value), &piece, &err);
		kind = code ? -2 : piece ? (int)piece->kind : -1;
		if (kind != row->want_kind || (code && code != -EINVAL))
			fail_msg("%s: %d (%d), not %d: %s", row->name, kind, code, row->want_kind, err.text);
		if (row->says && !strstr(err.text, row->says))
			fail_msg("%s: says \"%s\"", row->name, err.text);
		piece_free(piece);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
