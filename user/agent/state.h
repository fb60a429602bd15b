/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the running agent holds: agent.c changes it, state.c tells of it. */
#ifndef XMESH_AGENT_STATE_H
#define XMESH_AGENT_STATE_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <uv.h>

#include "agent/control.h"
#include "agent/ender.h"
#include "agent/engine.h"
#include "agent/events.h"
#include "agent/feeds.h"
#include "agent/notes.h"
#include "agent/pace.h"
#include "agent/prober.h"
#include "agent/rtt.h"
#include "model/config.h"
#include "net/watch.h"

#define STATE_ERRORS 8

/* Upper bounds of xmesh_apply_seconds, in milliseconds; one more bucket is infinity. */
extern const uint32_t state_apply_le_ms[];
#define STATE_APPLY_BUCKETS 15

/* From a change seen to the maps written. */
struct state_apply {
	uint64_t buckets[STATE_APPLY_BUCKETS + 1]; /* not cumulative */
	uint64_t count, sum_ns;
};

struct state_error { time_t time_s; uint64_t count; char *text; };

struct agent {
	uv_loop_t loop;
	const char *config_path, *instance_override;
	struct config *config;
	struct engine *engine;
	struct feeds *feeds;
	struct watch *watch;
	struct control *control;
	uv_signal_t term, intr, hup;
	uv_timer_t turn_timer, pods_timer, check_timer, pmtu_timer;
	uv_timer_t services_timer;     /* a short turn for services */
	uv_timer_t later_timer;        /* a grace period ends, or a feed becomes stale */
	uv_timer_t traffic_timer, sweep_timer;
	uv_work_t check_work, sweep_work;
	bool sweeping;
	struct prober *prober;
	struct ender *ender;
	struct rtt *rtt;
	struct http *web;              /* what listens on web_listen; NULL = nothing does */
	char *web_listen, *web_error;  /* web_error: why it does not, as it should */
	bool stale[1 << 16];           /* by cluster of the mesh, for the turn that runs */
	uint64_t flow_entries, flows_evicted; /* as the last sweep found them */
	uint64_t latency_entries;      /* so too */
	uint64_t traffic_ms;           /* when traffic was looked at */
	uint64_t sockets_ended;        /* since the start */
	bool hidden_told;              /* processes whose sockets cannot be ended; it stays so */
	struct check_job *check_job;   /* running on a worker, NULL = none */
	bool checked;                  /* at least once */
	bool ready;                    /* READY=1 was said */
	bool reloading;
	bool stopping;
	time_t since_s;
	uint64_t seen_ns;              /* the oldest change not yet applied was seen, 0 = none */
	uint64_t services_seen_ns;     /* so too, where a short turn for services is enough */
	struct pace pace, pods_pace, services_pace; /* of whole turns; of short ones */
	uint64_t turns, turns_failed;
	struct engine_turn last;
	struct state_apply apply;
	struct events events;          /* for `xmesh monitor` */
	struct state_error errors[STATE_ERRORS]; /* oldest first */
	size_t n_errors;
};

/* Remember @text for status; the same as the last one only counts up. */
void state_error(struct agent *agent, const char *text);
void state_apply_add(struct state_apply *apply, uint64_t duration_ns);
/* What was seen at @seen_ns (0 = nothing was) is applied just now. */
void state_observe(struct agent *agent, uint64_t seen_ns);
/*
 * The document for {"get":"status"}; a new reference. Of services it has:
 *
 *	"services": {"count", "frontends", "backends", "slots": {"used", "max"}}   (backends: no nodes)
 *	"flows": {"entries", "evicted"}            as the last sweep found them, up to 30 s ago
 *	"probes": {"nodes", "up", "down", "unknown", "asked", "lost", "unmeasured"}     of these nodes
 *	"latency": {"entries", "max"}              of xm_latency, as the last sweep found them
 *	"health": {"NODE NUMBER": "up"|"down"|"unknown"}       nodes that are asked; others are unknown
 *	"sockets": {"cgroups": [PATH...], "ended"}   ended: connections to lost backends, since the start
 *	"nearest": as of rtt_json()
 *	"feeds": as of feeds_status()
 */
json_object *state_status(const struct agent *agent);

#endif
