/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The way back: what a snapshot holds as Kubernetes objects in JSON, such that decoding them gives an
 * equal snapshot (digests). For `xmesh publish` and the last-good cache. Pure.
 */
#ifndef XMESH_FEED_ENCODE_H
#define XMESH_FEED_ENCODE_H

#include <stddef.h>

#include "model/snapshot.h"

enum encode_what {
	ENCODE_ALL,      /* for the cache: everything that the snapshot holds */
	ENCODE_GLOBAL,   /* for a peer: nodes, and services that are global and shared, with their slices */
};

/*
 * Each object once: @kind is "nodes", "services", "endpointslices", "serviceexports" or
 * "serviceimports"; @space "" for nodes; @name unique in (kind, space); @json one object, no newline.
 * All valid during the call. A negative errno from it ends the walk and is returned. -ENOMEM.
 */
typedef int (*encode_fn)(void *user, const char *kind, const char *space, const char *name,
			 const char *json, size_t len);
int encode_snapshot(const struct snapshot *snapshot, enum encode_what what, encode_fn each,
		    void *user);

#endif
