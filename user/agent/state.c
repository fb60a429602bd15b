/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the running agent tells about itself. */
#include "agent/state.h"

#include <stdio.h>
#include <string.h>

#include "core/defs.h"
#include "core/version.h"
#include "plane/sockets.h"
#include "xmesh/latency.h"

const uint32_t state_apply_le_ms[STATE_APPLY_BUCKETS] = { 1, 2, 5, 10, 15, 20, 30, 50, 100, 250, 500, 1000,
							   2500, 5000, 10000 };

void state_apply_add(struct state_apply *apply, uint64_t duration_ns)
{
	size_t i = 0;

	while (i < STATE_APPLY_BUCKETS && duration_ns > state_apply_le_ms[i] * 1000000ull)
		i++;
	apply->buckets[i]++;
	apply->count++;
	apply->sum_ns += duration_ns;
}

void state_observe(struct agent *agent, uint64_t seen_ns)
{
	if (seen_ns)
		state_apply_add(&agent->apply, uv_hrtime() - seen_ns);
}

void state_error(struct agent *agent, const char *text)
{
	struct state_error *last = agent->n_errors ? &agent->errors[agent->n_errors - 1] : NULL;

	if (last && last->text && !strcmp(last->text, text)) {
		last->count++;
		last->time_s = time(NULL);
		return;
	}
	if (agent->n_errors == STATE_ERRORS) {
		free(agent->errors[0].text);
		memmove(agent->errors, agent->errors + 1, sizeof(agent->errors) - sizeof(agent->errors[0]));
		agent->n_errors--;
	}
	agent->errors[agent->n_errors++] =
		(struct state_error){ .time_s = time(NULL), .count = 1, .text = strdup(text) };
}

/* @more: one sentence, NULL = none. */
static json_object *notes_json(const struct notes *notes, const char *more)
{
	json_object *list = json_object_new_array();

	for (size_t i = 0; i < notes->n; i++)
		json_object_array_add(list, json_object_new_string(notes->v[i]));
	if (more)
		json_object_array_add(list, json_object_new_string(more));
	return list;
}

static json_object *errors_json(const struct agent *agent)
{
	json_object *list = json_object_new_array();

	for (size_t i = 0; i < agent->n_errors; i++) {
		const struct state_error *e = &agent->errors[i];
		json_object *o = json_object_new_object();

		json_object_object_add(o, "time_s", json_object_new_int64(e->time_s));
		json_object_object_add(o, "count", json_object_new_uint64(e->count));
		json_object_object_add(o, "text", json_object_new_string(e->text ? e->text : ""));
		json_object_array_add(list, o);
	}
	return list;
}

static json_object *apply_json(const struct state_apply *apply)
{
	json_object *o = json_object_new_object(), *buckets = json_object_new_array();
	uint64_t sum = 0;

	for (size_t i = 0; i < STATE_APPLY_BUCKETS; i++) {
		json_object *bucket = json_object_new_object();

		sum += apply->buckets[i];
		json_object_object_add(bucket, "le", json_object_new_double(state_apply_le_ms[i] / 1000.0));
		json_object_object_add(bucket, "count", json_object_new_uint64(sum));
		json_object_array_add(buckets, bucket);
	}
	json_object_object_add(o, "buckets", buckets);
	json_object_object_add(o, "sum", json_object_new_double(apply->sum_ns / 1e9));
	json_object_object_add(o, "count", json_object_new_uint64(apply->count));
	return o;
}

static void put(json_object *o, const char *key, uint64_t n)
{
	json_object_object_add(o, key, json_object_new_uint64(n));
}

static json_object *services_json(const struct agent *agent)
{
	struct balancer_counts counts = balancer_count(engine_balancer(agent->engine));
	json_object *o = json_object_new_object(), *slots = json_object_new_object();

	put(o, "count", counts.services);
	put(o, "frontends", counts.frontends);
	put(o, "backends", counts.backends);
	put(slots, "used", counts.slots_used);
	put(slots, "max", XM_MAGLEV_SLOTS);
	json_object_object_add(o, "slots", slots);
	return o;
}

static json_object *flows_json(const struct agent *agent)
{
	json_object *o = json_object_new_object();

	put(o, "entries", agent->flow_entries);
	put(o, "evicted", agent->flows_evicted);
	return o;
}

static json_object *probes_json(const struct agent *agent)
{
	struct prober_counts counts = prober_counts(agent->prober);
	json_object *o = json_object_new_object();

	put(o, "nodes", counts.nodes);
	put(o, "up", counts.up);
	put(o, "down", counts.down);
	put(o, "unknown", counts.unknown);
	put(o, "asked", counts.asked);
	put(o, "lost", counts.lost);
	put(o, "unmeasured", counts.unmeasured);
	return o;
}

static json_object *latency_json(const struct agent *agent)
{
	json_object *o = json_object_new_object();

	put(o, "entries", agent->latency_entries);
	put(o, "max", XM_MAX_LATENCY);
	return o;
}

static void add_health(void *user, uint32_t number, enum node_health health)
{
	char key[16];
	const char *text = "unknown";

	switch (health) {
	case NODE_UNKNOWN:
		break;
	case NODE_UP:
		text = "up";
		break;
	case NODE_DOWN:
		text = "down";
		break;
	}
	snprintf(key, sizeof(key), "%u", number);
	json_object_object_add(user, key, json_object_new_string(text));
}

static json_object *health_json(const struct agent *agent)
{
	json_object *o = json_object_new_object();

	prober_each(agent->prober, add_health, o);
	return o;
}

static json_object *sockets_json(const struct agent *agent)
{
	json_object *o = json_object_new_object(), *list = json_object_new_array();
	auto_free struct sockets_place *places = NULL;
	size_t n = 0;

	if (!sockets_list(engine_plane(agent->engine), &places, &n, NULL))
		for (size_t i = 0; i < n; i++)
			json_object_array_add(list, json_object_new_string(places[i].path));
	json_object_object_add(o, "cgroups", list);
	put(o, "ended", agent->sockets_ended);
	return o;
}

json_object *state_status(const struct agent *agent)
{
	json_object *o = json_object_new_object(), *turns = json_object_new_object();

	json_object_object_add(o, "version", json_object_new_string(XMESH_VERSION));
	json_object_object_add(o, "pid", json_object_new_int(getpid()));
	json_object_object_add(o, "since_s", json_object_new_int64(agent->since_s));
	json_object_object_add(o, "instance", json_object_new_string(agent->config->instance));
	json_object_object_add(o, "config", json_object_new_string(agent->config_path));
	json_object_object_add(o, "ready", json_object_new_boolean(agent->ready));
	json_object_object_add(o, "feeds", feeds_status(agent->feeds));
	json_object_object_add(turns, "count", json_object_new_uint64(agent->turns));
	json_object_object_add(turns, "failed", json_object_new_uint64(agent->turns_failed));
	json_object_object_add(turns, "last_ms", json_object_new_double(agent->last.duration_ns / 1e6));
	json_object_object_add(o, "turns", turns);
	json_object_object_add(o, "services", services_json(agent));
	json_object_object_add(o, "flows", flows_json(agent));
	json_object_object_add(o, "probes", probes_json(agent));
	json_object_object_add(o, "health", health_json(agent));
	json_object_object_add(o, "latency", latency_json(agent));
	json_object_object_add(o, "sockets", sockets_json(agent));
	json_object_object_add(o, "nearest", rtt_json(engine_balancer(agent->engine), agent->config));
	json_object_object_add(o, "notes", notes_json(&agent->last.notes, agent->web_error));
	json_object_object_add(o, "host_notes", notes_json(&engine_check(agent->engine)->notes, NULL));
	json_object_object_add(o, "errors", errors_json(agent));
	json_object_object_add(o, "apply_seconds", apply_json(&agent->apply));
	return o;
}
