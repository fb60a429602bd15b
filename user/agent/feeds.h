/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The feeds of all clusters of a configuration on one loop, and the mesh that their snapshots make
 * up together (agent/admit.h). A feed that fails never stops the others.
 */
#ifndef XMESH_AGENT_FEEDS_H
#define XMESH_AGENT_FEEDS_H

#include <json-c/json.h>
#include <stdbool.h>
#include <uv.h>

#include "agent/events.h"
#include "core/err.h"
#include "model/config.h"
#include "model/mesh.h"
#include "model/snapshot.h"

struct feeds;

struct feeds_callbacks {
	/*
	 * The mesh is another one, or the first results of all feeds have come. @services_only: nodes and
	 * prefixes are as they were.
	 */
	void (*changed)(void *user, bool services_only);
	/* A feed that was stale has answered, unchanged; or one that was well has failed: its age counts. */
	void (*fresh)(void *user);
	/* What became of the feed of @cluster, for people who look on; NULL = nobody does. */
	void (*event)(void *user, enum events_kind kind, const char *cluster, const char *text);
	/* The snapshot of @cluster in pinned state; negative errno when there is none. */
	int (*recover)(void *user, uint16_t cluster, struct snapshot **ret_snapshot);
	void *user;
};

/*
 * Start a feed for every cluster that has one. @config is borrowed until feeds_close() or the next
 * feeds_reconfigure(). What pinned state knows of a cluster stands until its feed has answered.
 */
int feeds_new(uv_loop_t *loop, const struct config *config, const struct feeds_callbacks *callbacks,
	      struct feeds **ret_feeds, struct err *err);
/*
 * Take over @config: feeds of clusters whose name, id and source are as before go on with what they
 * have, others are closed or started. On an error everything is as before.
 */
int feeds_reconfigure(struct feeds *feeds, const struct config *config, struct err *err);
void feeds_poke(struct feeds *feeds);
void feeds_close(struct feeds *feeds);

/* Has every feed had its first result, good or bad? */
bool feeds_are_settled(const struct feeds *feeds);
/* Never NULL; valid until the next callback or reconfiguration. */
const struct mesh *feeds_mesh(const struct feeds *feeds);
/* Into @ret_stale[], by cluster of feeds_mesh(): no good look for longer than stale_after. */
void feeds_stale(const struct feeds *feeds, bool *ret_stale);
/* Milliseconds until the next feed becomes stale, if it does not answer; UINT64_MAX: none will. */
uint64_t feeds_stale_in_ms(const struct feeds *feeds);
/* An array, one object per cluster, own first; a new reference. */
json_object *feeds_status(const struct feeds *feeds);

#endif
