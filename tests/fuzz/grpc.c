/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * libFuzzer: an answer of etcd's as gRPC frames, read as a range and as a watch. The first byte says in
 * what parts it comes; beside not crashing, that must make no difference to what is read.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/defs.h"
#include "feed/etcd_wire.h"
#include "feed/grpc.h"

#define LIMIT (1024 * 1024)

/* What was read, as a number, and how it ended. */
struct seen { uint64_t hash; int code; };

static void add(struct seen *seen, const void *data, size_t len)
{
	const uint8_t *in = data;

	seen->hash = seen->hash * 31 + len;
	for (size_t i = 0; i < len; i++)
		seen->hash = seen->hash * 31 + in[i];
}

static void add_kv(struct seen *seen, const struct etcd_kv *kv)
{
	add(seen, kv->key.data, kv->key.len);
	add(seen, kv->value.data, kv->value.len);
	add(seen, &kv->mod_revision, sizeof(kv->mod_revision));
	add(seen, &kv->lease, sizeof(kv->lease));
	add(seen, &kv->deleted, sizeof(kv->deleted));
}

static int read_fields(struct etcd_stream *stream, const uint8_t **data, size_t *len, struct seen *seen)
{
	struct etcd_header header;
	struct etcd_field f;
	struct etcd_kv kv;
	int n;

	while ((n = etcd_stream_next(stream, data, len, &f)) > 0) {
		add(seen, &f.id, sizeof(f.id));
		if (!f.bytes)
			add(seen, &f.number, sizeof(f.number));
		else if (f.id == 1 && etcd_read_header(f.data, &header))
			return -1;
		else if (f.id == 2 && etcd_read_kv(f.data, &kv))
			return -1;
		if (f.bytes && f.id == 2)
			add_kv(seen, &kv);
	}
	return n;
}

static struct seen read_range(const uint8_t *data, size_t size, size_t step)
{
	struct grpc_frames frames = {};
	struct etcd_stream stream = {};
	struct seen seen = {};

	for (size_t at = 0; at < size && seen.code >= 0; at += step) {
		const uint8_t *part = data + at;
		size_t left = MIN(step, size - at);

		while (left && seen.code >= 0) {
			const uint8_t *message;
			size_t n, rest;

			if (!frames.inside)
				seen.code = grpc_take_head(&frames, &part, &left, LIMIT);
			if (seen.code < 0 || !frames.inside)
				break;
			message = part;
			n = rest = MIN(left, (size_t)frames.left);
			seen.code = read_fields(&stream, &message, &rest, &seen);
			if (seen.code < 0)
				break;
			part += n;
			left -= n;
			if (grpc_take(&frames, n))
				seen.code = etcd_stream_end(&stream);
		}
	}
	etcd_stream_free(&stream);
	if (seen.code > 0)
		seen.code = 0;
	return seen;
}

static void read_watch(const uint8_t *data, size_t size)
{
	struct etcd_watch_answer a;
	struct seen seen = {};
	/* Exactly so long: what reads behind it is seen. */
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		return;
	memcpy(copy, data, size);
	if (!etcd_read_watch((struct etcd_bytes){ copy, size }, &a)) {
		for (size_t i = 0; i < a.n_events; i++)
			add_kv(&seen, &a.events[i]);
		add(&seen, a.reason.data, a.reason.len);
		free(a.events);
	}
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct grpc_status status = { .code = GRPC_NONE };
	struct seen whole, parts;

	if (!size)
		return 0;
	whole = read_range(data + 1, size - 1, SIZE_MAX / 2);
	parts = read_range(data + 1, size - 1, data[0] ? data[0] : 1);
	if (whole.code != parts.code || whole.hash != parts.hash) {
		fprintf(stderr, "in parts of %u: %d, not %d\n", data[0], parts.code, whole.code);
		abort();
	}
	read_watch(data + 1, size - 1);
	grpc_read_line(&status, (const char *)data, size);
	if (strlen(status.message) >= sizeof(status.message))
		abort();
	return 0;
}
