/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What feeds.c, which changes it, and feeds_status.c, which tells of it, share. */
#ifndef XMESH_AGENT_FEEDS_PARTS_H
#define XMESH_AGENT_FEEDS_PARTS_H

#include "agent/admit.h"
#include "agent/cacher.h"
#include "agent/feeds.h"
#include "agent/sources.h"

struct cluster_feed {
	struct feeds *feeds;
	size_t slot;
	const struct config_cluster *config;
	struct sources *sources; /* of none, perhaps */
	bool offered;            /* at least once */
	bool cache_asked, cache_reading;
	time_t cached_s;         /* when the cache was written that is served, or was */
	bool removed;            /* for remove_after; until it answers */
	bool told_stale;         /* the tables are made so, and it was told as an event */
	uint64_t refusals;
	char *logged;            /* refusal that was logged last */
	uint64_t told_held;      /* admit_slot.n_offered of the held one that was told last */
	uint64_t n_accepted;     /* admit_slot.n_accepted as it was last seen */
	uint64_t burst_ms;       /* since when the readings in burst_n were told one by one */
	unsigned int burst_n;
};

struct feeds {
	uv_loop_t *loop;
	const struct config *config;
	struct feeds_callbacks callbacks;
	struct admit *admit;
	struct cacher *cacher;
	struct cluster_feed **v; /* by slot; each lives apart, sources hold its address */
	size_t n;
	uv_timer_t *timer;       /* goes by itself when it is closed */
	uint64_t settle_by_ms;   /* loop time after which nobody is waited for, 0 = they are settled */
	uint64_t seen_ns;        /* the oldest change of what was accepted since changed(), 0 = unknown */
};

/* "It would take away 40 of 60 backends": of a held one. */
void feeds_held_text(const struct admit_slot *slot, char *text, size_t size);
/* What names a held snapshot to feeds_accept(). */
void feeds_held_digest(const struct admit_slot *slot, char digest[17]);
bool feeds_is_stale(const struct feeds *feeds, const struct cluster_feed *f);

#endif
