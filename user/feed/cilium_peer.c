/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* CiliumClusterConfig and the keys of Cilium's mesh store. */
#include "feed/cilium_peer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/doc.h"
#include "core/defs.h"

#define CLUSTERS 255
#define MORE_CLUSTERS 511

static const char *const kinds[CILIUM_KINDS] = {
	[CILIUM_NODES] = "nodes",
	[CILIUM_IPS] = "ip",
	[CILIUM_SERVICES] = "services",
	[CILIUM_EXPORTS] = "serviceexports",
	[CILIUM_SLICES] = "endpointslices",
};

static int flag(const struct doc *map, const char *key, bool *ret_value, struct err *err)
{
	const struct doc *d = doc_get(map, key);

	if (!doc_is_null(d) && d->type != DOC_BOOL)
		return err_set(err, -EINVAL, "capabilities.%s is neither true nor false", key);
	*ret_value = !doc_is_null(d) && d->integer;
	return 0;
}

static int number(const struct doc *map, const char *key, int64_t absent, int64_t *ret_n,
		  struct err *err)
{
	const struct doc *d = doc_get(map, key);

	if (!doc_is_null(d) && d->type != DOC_INT)
		return err_set(err, -EINVAL, "%s is not a number", key);
	*ret_n = doc_is_null(d) ? absent : d->integer;
	return 0;
}

/*
 * Absent, or its constant for services only: no slices. "endpointslices-only" is the one other that was
 * seen; any else may mean both.
 */
static void export_mode(const struct doc *caps, struct cilium_peer *peer)
{
	const char *mode = doc_text(doc_get(caps, "endpointSlicesExportMode"));

	peer->services = true;
	if (!mode || !*mode || !strcmp(mode, "services-only"))
		return;
	peer->slices = true;
	peer->services = strcmp(mode, "endpointslices-only");
}

static int fill(const struct doc *doc, struct cilium_peer *peer, struct err *err)
{
	const struct doc *caps = doc_get(doc, "capabilities");
	int64_t id, max;
	int rc;

	rc = number(doc, "id", 0, &id, err);
	if (!rc)
		rc = number(caps, "maxConnectedClusters", 0, &max, err);
	if (!rc)
		rc = flag(caps, "syncedCanaries", &peer->canaries, err);
	if (!rc)
		rc = flag(caps, "cached", &peer->cached, err);
	if (rc)
		return rc;
	if (!max)
		max = CLUSTERS;
	if (max != CLUSTERS && max != MORE_CLUSTERS)
		return err_set(err, -EINVAL,
			       "maxConnectedClusters is %lld: neither %d nor %d is known to be written "
			       "so", (long long)max, CLUSTERS, MORE_CLUSTERS);
	if (id < 1 || id > max)
		return err_set(err, -EINVAL,
			       "its cluster id is %lld, not 1 to %lld: give that cluster one "
			       "(cluster.id of its Cilium)", (long long)id, (long long)max);
	peer->id = id;
	peer->identity_bits = max == MORE_CLUSTERS ? 15 : 16;
	/* There, with whatever value: it knows of them. */
	peer->exports = !doc_is_null(doc_get(caps, "serviceExportsEnabled"));
	export_mode(caps, peer);
	return 0;
}

int cilium_peer_parse(const char *text, size_t len, struct cilium_peer *ret_peer, struct err *err)
{
	struct cilium_peer peer = {};
	struct doc_set *set;
	int rc;

	if (!len || *text != '{')
		return err_set(err, -EINVAL, "the cluster's configuration is no JSON object");
	if (len > CILIUM_MAX_CONFIG)
		return err_set(err, -EINVAL, "the cluster's configuration has %zu bytes, more than %u",
			       len, CILIUM_MAX_CONFIG);
	rc = doc_parse(text, len, "cluster-config", &set, err);
	if (rc)
		return rc;
	rc = fill(set->docs[0], &peer, err);
	doc_set_free(set);
	if (rc)
		return rc;
	*ret_peer = peer;
	return 0;
}

int cilium_peer_check(const struct cilium_peer *peer, const char *cluster, uint16_t id,
		      struct err *err)
{
	if (peer->id == id)
		return 0;
	return err_set(err, -EINVAL,
		       "cluster %s says that its id is %u, but our configuration gives it %u: set id: %u "
		       "there, or, if another cluster has that, change it in Cilium", cluster, peer->id,
		       id, peer->id);
}

const char *cilium_prefix(const struct cilium_peer *peer, const char *cluster, enum cilium_kind kind,
			  char buf[CILIUM_MAX_KEY])
{
	/* Addresses are of an address space there, which is always this one. */
	const char *whose = kind == CILIUM_IPS && !peer->cached ? "default" : cluster;

	snprintf(buf, CILIUM_MAX_KEY, "cilium/%s/%s/v1/%.63s/", peer->cached ? "cache" : "state",
		 kinds[kind], whose);
	return buf;
}

const char *cilium_config_key(const char *cluster, char buf[CILIUM_MAX_KEY])
{
	snprintf(buf, CILIUM_MAX_KEY, "cilium/cluster-config/%.63s", cluster);
	return buf;
}

const char *cilium_canaries(const char *cluster, char buf[CILIUM_MAX_KEY])
{
	snprintf(buf, CILIUM_MAX_KEY, "cilium/synced/%.63s/", cluster);
	return buf;
}

int cilium_canary_kind(const struct cilium_peer *peer, const char *cluster, const char *key, size_t len)
{
	char want[CILIUM_MAX_KEY];

	for (int kind = 0; kind < CILIUM_KINDS; kind++) {
		int n = snprintf(want, sizeof(want), "cilium/synced/%.63s/cilium/%s/%s/v1", cluster,
				 peer->cached ? "cache" : "state", kinds[kind]);

		if ((size_t)n == len && !memcmp(want, key, len))
			return kind;
	}
	return -1;
}

bool cilium_has(const struct cilium_peer *peer, enum cilium_kind kind)
{
	switch (kind) {
	case CILIUM_NODES:
	case CILIUM_IPS:
		return true;
	case CILIUM_SERVICES:
		return peer->services;
	case CILIUM_EXPORTS:
		return peer->exports;
	case CILIUM_SLICES:
		return peer->slices;
	}
	return false;
}
