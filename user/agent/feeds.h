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
	 * prefixes are as they were. @seen_ns: when the oldest of the changes was heard of (uv_hrtime()),
	 * 0 = just now.
	 */
	void (*changed)(void *user, bool services_only, uint64_t seen_ns);
	/* A feed that was stale has answered, unchanged; or one that was well has failed: its age counts. */
	void (*fresh)(void *user);
	/* What became of the feed of @cluster, for people who look on; NULL = nobody does. */
	void (*event)(void *user, enum events_kind kind, const char *cluster, const char *text);
	/* The snapshot of @cluster in pinned state; negative errno when there is none. */
	int (*recover)(void *user, uint16_t cluster, struct snapshot **ret_snapshot);
	void *user;
};

/*
 * Start the feeds of every cluster that has some. @config is borrowed until feeds_close() or the next
 * feeds_reconfigure(). What pinned state knows of a cluster stands until its feed has answered; where
 * it knows nothing and the feed fails, what the cache (agent/cache.h) has: pinned state is what
 * traffic goes by, and never older.
 */
int feeds_new(uv_loop_t *loop, const struct config *config, const struct feeds_callbacks *callbacks,
	      struct feeds **ret_feeds, struct err *err);
/*
 * Take over @config: feeds of clusters whose name, id and sources are as before go on with what they
 * have, others are closed or started. On an error everything is as before.
 */
int feeds_reconfigure(struct feeds *feeds, const struct config *config, struct err *err);
void feeds_poke(struct feeds *feeds);
void feeds_close(struct feeds *feeds);

/*
 * Has every feed had its first result, good or bad? After two seconds it is so in any case: one that
 * is silent does not delay the others, and what is known of its cluster stands meanwhile.
 */
bool feeds_are_settled(const struct feeds *feeds);
/* Never NULL; valid until the next callback or reconfiguration. */
const struct mesh *feeds_mesh(const struct feeds *feeds);
/* Into @ret_stale[], by cluster of feeds_mesh(): no good look for longer than stale_after. */
void feeds_stale(const struct feeds *feeds, bool *ret_stale);
/* Milliseconds until the next feed becomes stale, if it does not answer; UINT64_MAX: none will. */
uint64_t feeds_stale_in_ms(const struct feeds *feeds);

/*
 * Let the held snapshot of @cluster pass, if it is the one with @digest (as feeds_status() shows it).
 * -ENOENT: no such cluster; -ESRCH: nothing is held; -ESTALE: another one is; -EINVAL: it is refused
 * for another reason.
 */
int feeds_accept(struct feeds *feeds, const char *cluster, const char *digest, struct err *err);

/*
 * An array, one object per cluster, own first; a new reference.
 *
 *	"cluster", "id", "own", "stale", "errors", "error"
 *	"state": "none"|"waiting"|"held"|"refused"|"failing"|"removed"|"stale"|"fallback"|"ok"
 *	"source": of what is accepted        "serving": which source is read now, null = none has answered
 *	"age_s": since it was read well      "waiting_s": since the start, when it never was
 *	"revision", "nodes", "prefixes", "services", "slices", "skipped", "objects", "bad"    of what is accepted
 *	"from_pinned_state", "from_cache", "cache_age_s"
 *	"held": {"revision", "digest", "source", "prefixes_before", "prefixes", "backends_before", "backends"}
 *	"sources": [{"source", "state", "serving", "age_s", "revision", "errors", "error"}]
 */
json_object *feeds_status(const struct feeds *feeds);

#endif
