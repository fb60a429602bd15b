/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * libFuzzer: the answer to a watch ('w' in front) or to a list ('l'), whole and a byte at a time: both ways
 * yield the same objects, and each lies inside of what came. 's' in front: a Status.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "feed/kube_list.h"
#include "feed/kube_resource.h"
#include "feed/kube_status.h"
#include "feed/kube_stream.h"

struct seen {
	uint64_t sum;
	size_t n;
};

static void must(int holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static void add(struct seen *seen, struct kube_span span)
{
	for (size_t i = 0; i < span.len; i++)
		seen->sum = seen->sum * 31 + (unsigned char)span.text[i];
	seen->sum = seen->sum * 31 + (span.text != NULL);
}

static void on_event(void *user, const struct kube_event *event)
{
	struct seen *seen = user;
	char *key;

	seen->n++;
	seen->sum = seen->sum * 31 + event->type * 2 + event->initial_end;
	add(seen, event->object);
	add(seen, event->name);
	add(seen, event->space);
	add(seen, event->version);
	must(event->object.len <= KUBE_MAX_OBJECT, "an object is too large");
	must(event->name.len <= event->object.len, "a name is not of its object");
	if (event->name.text) {
		key = kube_resource_key(&kube_resources[KUBE_SLICES], event->space, event->name);
		must(key != NULL, "no memory");
		free(key);
	}
}

static int watch(const char *data, size_t size, size_t piece, struct seen *seen)
{
	struct kube_stream stream;
	struct err err;
	int rc = 0;

	kube_stream_init(&stream, on_event, seen);
	for (size_t at = 0; !rc && at < size; at += piece)
		rc = kube_stream_push(&stream, data + at, size - at < piece ? size - at : piece, &err);
	kube_stream_done(&stream);
	return rc;
}

static int list(const char *data, size_t size, size_t piece, struct seen *seen)
{
	struct kube_list list;
	struct kube_span span;
	char *version, *token;
	struct err err;
	int rc;

	must(!kube_list_init(&list, "Node", "v1", on_event, seen), "no memory");
	rc = 0;
	for (size_t at = 0; !rc && at < size; at += piece)
		rc = kube_list_push(&list, data + at, size - at < piece ? size - at : piece, &err);
	if (!rc)
		rc = kube_list_end(&list, &version, &token, &err);
	if (!rc) {
		span = (struct kube_span){ version, strlen(version) };
		must(span.len && span.len <= KUBE_MAX_VERSION, "a version that cannot be kept");
		add(seen, span);
		add(seen, (struct kube_span){ token, strlen(token) });
		free(version);
		free(token);
	}
	kube_list_done(&list);
	return rc;
}

static void status(const char *data, size_t size)
{
	struct kube_status said;

	kube_status_read(data, size, &said);
	for (const char *c = said.message; *c; c++)
		must(*c >= ' ' && *c <= '~', "a message that no terminal should see");
	must(kube_status_retry_after(data, size) <= 300, "a pause without end");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int (*push)(const char *, size_t, size_t, struct seen *);
	struct seen whole = {}, pieces = {};
	const char *text = (const char *)data + 1;
	int rc;

	if (!size)
		return 0;
	if (data[0] == 's')
		status(text, size - 1);
	if (data[0] != 'w' && data[0] != 'l')
		return 0;
	push = data[0] == 'w' ? watch : list;
	rc = push(text, size - 1, size, &whole);
	must(push(text, size - 1, 1, &pieces) == rc, "pieces end in another way");
	must(whole.n == pieces.n && whole.sum == pieces.sum, "pieces are read in another way");
	return 0;
}
