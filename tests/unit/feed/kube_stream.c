/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Recorded watch streams in pieces of every size, and what is no stream. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "core/defs.h"
#include "core/file.h"
#include "feed/intake.h"
#include "feed/kube_stream.h"

struct seen {
	unsigned int types[KUBE_ERROR + 1], initial_ends, after_initial;
	char last_name[64], last_space[64], last_version[32];
	size_t largest;
};

static void copy(char *to, size_t size, struct kube_span from)
{
	assert_true(from.len < size);
	if (from.len)
		memcpy(to, from.text, from.len);
	to[from.len] = '\0';
}

static void on_event(void *user, const struct kube_event *event)
{
	struct seen *seen = user;

	seen->types[event->type]++;
	seen->initial_ends += event->initial_end;
	copy(seen->last_name, sizeof(seen->last_name), event->name);
	copy(seen->last_space, sizeof(seen->last_space), event->space);
	copy(seen->last_version, sizeof(seen->last_version), event->version);
	seen->largest = MAX(seen->largest, event->object.len);
	assert_int_equal(event->object.text[0], '{');
}

static int push(const char *text, size_t len, size_t piece, struct seen *seen, bool *ret_open)
{
	struct kube_stream stream;
	struct err err = {};
	int rc = 0;

	memset(seen, 0, sizeof(*seen));
	kube_stream_init(&stream, on_event, seen);
	for (size_t at = 0; !rc && at < len; at += piece)
		rc = kube_stream_push(&stream, text + at, MIN(piece, len - at), &err);
	*ret_open = kube_stream_is_open(&stream);
	kube_stream_done(&stream);
	return rc;
}

static void recorded(void **state)
{
	static const struct {
		const char *file;
		unsigned int added, modified, deleted, bookmarks;
		const char *version;
	} rows[] = {
		{ TEST_DATA "/east-watch.jsonl", 20, 5, 2, 2, "422" },
		{ TEST_DATA "/west-watch.jsonl", 18, 8, 0, 2, "420" },
	};
	static const size_t pieces[] = { 1, 7, 4096, SIZE_MAX / 2 };
	struct seen seen;
	struct err err;
	size_t len;
	char *text;
	bool open;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (file_read(AT_FDCWD, rows[i].file, rows[i].file, 1 << 20, 0, &text, &len, &err))
			fail_msg("%s", err.text);
		for (size_t k = 0; k < ARRAY_SIZE(pieces); k++) {
			assert_int_equal(push(text, len, pieces[k], &seen, &open), 0);
			assert_false(open);
			assert_int_equal(seen.types[KUBE_ADDED], rows[i].added);
			assert_int_equal(seen.types[KUBE_MODIFIED], rows[i].modified);
			assert_int_equal(seen.types[KUBE_DELETED], rows[i].deleted);
			assert_int_equal(seen.types[KUBE_BOOKMARK], rows[i].bookmarks);
			assert_int_equal(seen.initial_ends, 1);
			assert_string_equal(seen.last_version, rows[i].version);
		}
		/* Cut anywhere but between events, it is open. */
		assert_int_equal(push(text, len - 3, 4096, &seen, &open), 0);
		assert_true(open);
		free(text);
	}
}

struct row {
	const char *name, *text;
	int rc;
	enum kube_event_type type;
	const char *object_name, *space, *version;
};

static const struct row rows[] = {
	{ "an ERROR is an event",
	  "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"metadata\":{},\"code\":410}}", 0,
	  KUBE_ERROR, "", "", "" },
	{ "the type may stand behind the object, over lines",
	  "{\n \"object\": {\"metadata\": {\"uid\":\"7\",\"resourceVersion\": \"9\", \"name\": \"n\"}},\n"
	  " \"type\": \"DELETED\"\n}\n", 0, KUBE_DELETED, "n", "", "9" },
	{ "the namespace may stand behind all else",
	  "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"n\",\"resourceVersion\":\"9\","
	  "\"managedFields\":[{\"name\":\"x\"}],\"namespace\":\"s\"}}}", 0, KUBE_ADDED, "n", "s", "9" },
	{ "a name outside of metadata is another one",
	  "{\"type\":\"ADDED\",\"object\":{\"name\":\"x\",\"metadata\":{\"name\":\"n\"}}}", 0, KUBE_ADDED,
	  "n", "", "" },
	{ "an unknown type", "{\"type\":\"MOVED\",\"object\":{}}", -EPROTO, 0, "", "", "" },
	{ "no object", "{\"type\":\"ADDED\"}", -EPROTO, 0, "", "", "" },
	{ "an object that is a list", "{\"type\":\"ADDED\",\"object\":[]}", -EPROTO, 0, "", "", "" },
	{ "a page of a proxy", "<html>", -EPROTO, 0, "", "", "" },
	{ "a closing brace too much", "}", -EPROTO, 0, "", "", "" },
};

static void events(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct seen seen;
		bool open;
		int rc = push(rows[i].text, strlen(rows[i].text), 1, &seen, &open);

		if (rc != rows[i].rc)
			fail_msg("%s: %d", rows[i].name, rc);
		if (rc)
			continue;
		if (seen.types[rows[i].type] != 1 || strcmp(seen.last_name, rows[i].object_name) ||
		    strcmp(seen.last_space, rows[i].space) ||
		    strcmp(seen.last_version, rows[i].version))
			fail_msg("%s: %s %s %s", rows[i].name, seen.last_name, seen.last_space,
				 seen.last_version);
	}
}

/* It is handed on as one that the intake finds too large, and the stream goes on. */
static void too_large(void **state)
{
	static const char head[] = "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"big\","
				   "\"resourceVersion\":\"7\"},\"x\":\"";
	static const char tail[] = "\"}}\n{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"small\"}}}";
	struct kube_stream stream;
	struct seen seen = {};
	struct err err;
	char block[65536];

	memset(block, 'x', sizeof(block));
	kube_stream_init(&stream, on_event, &seen);
	assert_int_equal(kube_stream_push(&stream, head, strlen(head), &err), 0);
	for (size_t n = 0; n < 2 * KUBE_MAX_OBJECT; n += sizeof(block))
		assert_int_equal(kube_stream_push(&stream, block, sizeof(block), &err), 0);
	assert_true(stream.text.room <= KUBE_MAX_OBJECT + 1);
	assert_int_equal(kube_stream_push(&stream, tail, strlen(tail), &err), 0);
	assert_int_equal(seen.types[KUBE_ADDED], 2);
	assert_true(seen.largest > INTAKE_MAX_VALUE);
	assert_string_equal(seen.last_name, "small");
	assert_true(stream.text.room < 1024 * 1024);
	kube_stream_done(&stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recorded),
		cmocka_unit_test(events),
		cmocka_unit_test(too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
