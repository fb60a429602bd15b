/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Lists in pieces of every size: items one by one, versions and tokens, and what is no list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "core/defs.h"
#include "core/doc.h"
#include "core/file.h"
#include "feed/kube_list.h"

struct seen {
	unsigned int items;
	char last[512], name[64];
};

static void on_item(void *user, const struct kube_event *event)
{
	struct seen *seen = user;
	struct doc_set *set;
	struct err err;

	seen->items++;
	assert_int_equal(event->type, KUBE_ADDED);
	snprintf(seen->last, sizeof(seen->last), "%.*s", (int)event->object.len, event->object.text);
	snprintf(seen->name, sizeof(seen->name), "%.*s", (int)event->name.len,
		 event->name.text ? event->name.text : "");
	/* What comes out is strict JSON if what went in was. */
	if (doc_parse(event->object.text, event->object.len, "item", &set, &err))
		fail_msg("%s", err.text);
	assert_non_null(doc_text(doc_get(set->docs[0], "kind")));
	assert_non_null(doc_text(doc_get(set->docs[0], "apiVersion")));
	doc_set_free(set);
}

static int push(const char *text, size_t len, size_t piece, struct seen *seen, char **version,
		char **token, struct err *err)
{
	struct kube_list list;
	int rc;

	memset(seen, 0, sizeof(*seen));
	*version = *token = NULL;
	assert_int_equal(kube_list_init(&list, "Node", "v1", on_item, seen), 0);
	rc = 0;
	for (size_t at = 0; !rc && at < len; at += piece)
		rc = kube_list_push(&list, text + at, MIN(piece, len - at), err);
	if (!rc)
		rc = kube_list_end(&list, version, token, err);
	kube_list_done(&list);
	return rc;
}

struct row {
	const char *name, *text;
	int rc;
	unsigned int items;
	const char *last, *object_name, *version, *token;
};

#define META "\"metadata\":{\"resourceVersion\":\"312\"}"

static const struct row rows[] = {
	{ "items that do not say their kind get it",
	  "{\"kind\":\"NodeList\",\"apiVersion\":\"v1\"," META ",\"items\":[{\"metadata\":{\"name\":\"a\"}},"
	  "{\"metadata\":{\"name\":\"b\"}}]}",
	  0, 2, "{\"kind\":\"Node\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"b\"}}", "b", "312", "" },
	{ "items that say it keep it",
	  "{" META ",\"items\":[{\"apiVersion\":\"x/v2\",\"kind\":\"Other\",\"metadata\":{\"name\":\"c\"}}]}", 0,
	  1, "{\"apiVersion\":\"x/v2\",\"kind\":\"Other\",\"metadata\":{\"name\":\"c\"}}", "c", "312", "" },
	{ "a token of the next page",
	  "{\"metadata\":{\"resourceVersion\":\"5\",\"continue\":\"a/b=\",\"remainingItemCount\":9},\"items\":[]}",
	  0, 0, "", "", "5", "a/b=" },
	{ "no items at all", "{" META ",\"items\":null}", 0, 0, "", "", "312", "" },
	{ "metadata behind the items", "{\"items\":[{\"spec\":{\"a\":[1,{}]}}]," META "}", 0, 1,
	  "{\"kind\":\"Node\",\"apiVersion\":\"v1\",\"spec\":{\"a\":[1,{}]}}", "", "312", "" },
	{ "brackets in strings and other lists are not items",
	  "{\"x\":[{\"y\":1}],\"z\":\"\\\"items\\\":[\"," META ",\"items\":[{\"s\":\"]}\"}]}", 0, 1,
	  "{\"kind\":\"Node\",\"apiVersion\":\"v1\",\"s\":\"]}\"}", "", "312", "" },
	{ "printed for people",
	  "{\n  \"metadata\": {\n    \"resourceVersion\": \"312\"\n  },\n  \"items\": [\n    {\n"
	  "      \"spec\": 1\n    }\n  ]\n}\n",
	  0, 1, NULL, "", "312", "" },
	{ "cut in an item", "{" META ",\"items\":[{\"metadata\":{", -EPROTO, 0, "", "", "", "" },
	{ "cut behind the items", "{" META ",\"items\":[]", -EPROTO, 0, "", "", "", "" },
	{ "without a version", "{\"items\":[]}", -EPROTO, 0, "", "", "", "" },
	{ "an item that is no object", "{" META ",\"items\":[1]}", -EPROTO, 0, "", "", "", "" },
	{ "two lists", "{" META ",\"items\":[]}{}", -EPROTO, 0, "", "", "", "" },
	{ "a page of a proxy", "<html>", -EPROTO, 0, "", "", "", "" },
	{ "no JSON around the items", "{" META ",,\"items\":[]}", -EPROTO, 0, "", "", "", "" },
};

static void lists(void **state)
{
	static const size_t pieces[] = { 1, 3, SIZE_MAX / 2 };
	char *version, *token;
	struct seen seen;
	struct err err;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(pieces); k++) {
			int rc = push(rows[i].text, strlen(rows[i].text), pieces[k], &seen, &version,
				      &token, &err);

			if (rc != rows[i].rc)
				fail_msg("%s: %d (%s)", rows[i].name, rc, rc ? err.text : "");
			if (rc)
				continue;
			if (seen.items != rows[i].items || strcmp(version, rows[i].version) ||
			    strcmp(token, rows[i].token) ||
			    (rows[i].last && strcmp(seen.last, rows[i].last)) ||
			    strcmp(seen.name, rows[i].object_name))
				fail_msg("%s, by %zu: %u items, version %s, token %s, last %s",
					 rows[i].name, pieces[k], seen.items, version, token, seen.last);
			free(version);
			free(token);
		}
	}
}

static void envelope_is_bounded(void **state)
{
	struct kube_list list;
	struct seen seen;
	struct err err;
	int rc;

	assert_int_equal(kube_list_init(&list, "Node", "v1", on_item, &seen), 0);
	rc = kube_list_push(&list, "{\"x\":\"", 6, &err);
	for (int i = 0; !rc && i < 1024; i++)
		rc = kube_list_push(&list, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
					   "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
				    128, &err);
	assert_int_equal(rc, -EPROTO);
	kube_list_done(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists),
		cmocka_unit_test(envelope_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
