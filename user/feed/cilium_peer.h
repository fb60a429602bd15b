/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a Cilium cluster says of itself (CiliumClusterConfig, read before anything else), and where in
 * its mesh store the rest lies. Pure. Not for: the values there (cilium_decode.h).
 */
#ifndef XMESH_FEED_CILIUM_PEER_H
#define XMESH_FEED_CILIUM_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

#define CILIUM_HEARTBEAT "cilium/.heartbeat" /* rewritten every CILIUM_HEARTBEAT_MS */
#define CILIUM_HEARTBEAT_MS 60000u
#define CILIUM_MAX_CONFIG (64u * 1024)

struct cilium_peer {
	uint16_t id;
	uint8_t identity_bits;  /* of its identities below the cluster: 16, 15 with 511 clusters */
	bool canaries;          /* a prefix is complete once its canary is there */
	bool cached;            /* a KVStoreMesh: cilium/cache instead of cilium/state */
	bool services, exports, slices; /* it writes these prefixes */
};

/* -EINVAL with a sentence: no JSON, an id of 0 or above maxConnectedClusters. */
int cilium_peer_parse(const char *text, size_t len, struct cilium_peer *ret_peer, struct err *err);
/* Is it the cluster that our configuration calls @cluster with @id? -EINVAL says what to change. */
int cilium_peer_check(const struct cilium_peer *peer, const char *cluster, uint16_t id,
		      struct err *err);

/* In the order in which they are read: nodes tell which addresses need no entry of their own. */
enum cilium_kind { CILIUM_NODES, CILIUM_IPS, CILIUM_SERVICES, CILIUM_EXPORTS, CILIUM_SLICES };
#define CILIUM_KINDS (CILIUM_SLICES + 1)
#define CILIUM_MAX_KEY 256 /* of what is built here: cluster names have 63 bytes at most */

/* "cilium/state/nodes/v1/west/", "cilium/cache/ip/v1/west/". Returns @buf. */
const char *cilium_prefix(const struct cilium_peer *peer, const char *cluster, enum cilium_kind kind,
			  char buf[CILIUM_MAX_KEY]);
const char *cilium_config_key(const char *cluster, char buf[CILIUM_MAX_KEY]);
/* Below it canaries lie: "cilium/synced/west/". */
const char *cilium_canaries(const char *cluster, char buf[CILIUM_MAX_KEY]);
/* Which prefix the canary @key tells to be complete; -1 = none that is read here. */
int cilium_canary_kind(const struct cilium_peer *peer, const char *cluster, const char *key,
		       size_t len);
/* Does such a peer have this prefix? */
bool cilium_has(const struct cilium_peer *peer, enum cilium_kind kind);

#endif
