/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * libFuzzer: values of a peer's store, one a line, under keys in turn. Beside not crashing: what they
 * decode into encodes into objects that decode into an equal snapshot.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "feed/encode.h"
#include "feed/store.h"

#define KEYS 16

static void must(int holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static int keep(void *user, const char *kind, const char *space, const char *name, const char *json,
		size_t len)
{
	char key[1024];
	int n = snprintf(key, sizeof(key), "%s/%s/%s", kind, space, name);
	int rc = store_put(user, key, (size_t)n, json, len);

	if (rc < 0)
		fprintf(stderr, "%s: %s\n", key, json);
	must(rc >= 0, "what was encoded does not decode");
	return 0;
}

static struct snapshot *look(struct store *store)
{
	struct snapshot *s;

	must(!store_snapshot(store, "r", &s, NULL), "no snapshot");
	return s;
}

static void check_round_trip(const struct snapshot *s)
{
	struct snapshot *back;
	struct store *store;

	must(!store_new(store_decode_object, NULL, &store), "no store");
	must(!encode_snapshot(s, ENCODE_ALL, keep, store), "not encoded");
	back = look(store);
	must(s->nodes_digest == back->nodes_digest, "nodes differ");
	must(s->n_slices == back->n_slices, "slices differ in number");
	must(s->services_digest == back->services_digest, "services differ");
	snapshot_free(back);
	store_free(store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *line = (const char *)data, *end = line + size;
	struct snapshot *s;
	struct store *store;
	char key[16];

	must(!store_new(store_decode_object, NULL, &store), "no store");
	for (int i = 0; line < end; i++) {
		const char *stop = memchr(line, '\n', (size_t)(end - line));
		size_t len = (size_t)((stop ? stop : end) - line);
		int n = snprintf(key, sizeof(key), "k%d", i % KEYS);

		if (len)
			store_put(store, key, (size_t)n, line, len);
		else
			store_delete(store, key, (size_t)n);
		line = stop ? stop + 1 : end;
	}
	s = look(store);
	check_round_trip(s);
	snapshot_free(s);
	store_free(store);
	return 0;
}
