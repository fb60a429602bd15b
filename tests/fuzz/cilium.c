/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * libFuzzer: values of a Cilium mesh store, each behind a letter for its kind, 0x1e between them: nodes (n),
 * addresses (i), services (s), exports (e), EndpointSlices as frames (z) and as messages that are packed
 * here (p), a cluster's configuration (c). Then all of it as one snapshot.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "feed/cilium_decode.h"
#include "feed/cilium_extra.h"
#include "feed/store.h"

#define RECORD_END 0x1e

static struct cilium_reader reader = {
	.cluster = "cluster3",
	.peer = { .id = 3, .identity_bits = 16, .canaries = true, .services = true, .exports = true, .slices = true },
};

static void must(int holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static void put(struct store *store, const char *key, const void *value, size_t len)
{
	must(store_put(store, key, strlen(key), value, len) != -ENOMEM, "no memory");
}

static void put_packed(struct store *store, const void *value, size_t len)
{
	size_t room = ZSTD_compressBound(len);
	void *frame = malloc(room);

	put(store, "cilium/state/endpointslices/v1/cluster3/foo/bar-x1", frame,
	    ZSTD_compress(frame, room, value, len, 1));
	free(frame);
}

static int cover(void *user, const struct xm_prefix *prefix)
{
	struct cilium_cover *c = user;

	must(!cilium_cover_add(c, prefix), "no memory");
	must(cilium_cover_has(c, &prefix->addr), "a prefix does not hold its own address");
	return 0;
}

static void put_node(struct store *store, const void *value, size_t len)
{
	struct cilium_cover c = {};

	cilium_node_prefixes(value, len, cover, &c, NULL);
	cilium_cover_done(&c);
	put(store, "cilium/state/nodes/v1/cluster3/n1", value, len);
}

static void put_record(struct store *store, char kind, const void *value, size_t len)
{
	struct cilium_peer peer;

	switch (kind) {
	case 'n':
		put_node(store, value, len);
		break;
	case 'i':
		put(store, "cilium/state/ip/v1/default/10.244.1.79", value, len);
		break;
	case 's':
		put(store, "cilium/state/services/v1/cluster3/foo/bar", value, len);
		break;
	case 'e':
		/* Both forms: beside the services, and in their place. */
		reader.peer.services = !(len & 1);
		put(store, "cilium/state/serviceexports/v1/cluster3/foo/bar", value, len);
		reader.peer.services = true;
		break;
	case 'z':
		put(store, "cilium/state/endpointslices/v1/cluster3/foo/bar-x1", value, len);
		break;
	case 'p':
		put_packed(store, value, len);
		break;
	case 'c':
		if (!cilium_peer_parse(value, len, &peer, NULL))
			must(peer.id >= 1 && peer.id <= 511, "an id out of range");
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *at = data, *end = data + size;
	struct snapshot *s;
	struct store *store;

	must(!store_new(cilium_decode, &reader, &store), "no store");
	while (at < end) {
		const uint8_t *stop = memchr(at, RECORD_END, (size_t)(end - at));

		if (!stop)
			stop = end;
		if (stop > at) {
			/* Without what stands behind it, so that reading on is noticed. */
			size_t len = (size_t)(stop - at) - 1;
			void *value = malloc(len ? len : 1);

			memcpy(value, at + 1, len);
			put_record(store, (char)*at, value, len);
			free(value);
		}
		at = stop + 1;
	}
	must(!store_snapshot(store, "r", &s, NULL), "no snapshot");
	must(!cilium_extra_merge(s), "not merged");
	snapshot_free(s);
	store_free(store);
	return 0;
}
