/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Timers and callbacks of services. */
#include "agent/tend.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>

#include "core/defs.h"
#include "core/log.h"
#include "plane/flows.h"
#include "plane/latency.h"

#define TRAFFIC_MS 5000
/* How often SYNs without an answer are looked for. */
#define SYN_MS 1000
#define SWEEP_MS 30000
/* A grace period's end or a feed's age is not looked at more often. */
#define LATER_MIN_MS 1000

/* ---- short turns --------------------------------------------------------------------------- */

const bool *tend_stale(struct agent *agent)
{
	feeds_stale(agent->feeds, agent->stale);
	return agent->stale;
}

static void failed(struct agent *agent, const struct err *err)
{
	uint64_t retry_ms = pace_retry_ms(&agent->services_pace);

	agent->turns_failed++;
	events_add(&agent->events, EVENTS_TURN_FAILED, NULL, "services: %s", err->text);
	if (agent->services_pace.failed_in_row == 1)
		log_error("applying services failed, what is there stays; next try in %u s at the latest: %s",
			  (unsigned int)(retry_ms / 1000), err->text);
	state_error(agent, err->text);
}

static void on_services_timer(uv_timer_t *timer)
{
	struct agent *agent = timer->data;
	uint64_t start_ns = uv_hrtime();
	struct engine_turn turn;
	struct err err = { 0 };
	int code = engine_run_services(agent->engine, feeds_mesh(agent->feeds), tend_stale(agent), &turn, &err);

	/* The whole turn that has to come first does it all. */
	if (code == -EAGAIN)
		return;
	pace_turn(&agent->services_pace, start_ns, uv_hrtime(), !code);
	if (code) {
		failed(agent, &err);
		uv_timer_start(timer, on_services_timer, pace_retry_ms(&agent->services_pace), 0);
		return;
	}
	state_observe(agent, agent->services_seen_ns);
	agent->services_seen_ns = 0;
	if (turn.services) {
		log_info("services applied in %.1f ms: %zu of them, %zu map entries", turn.duration_ns / 1e6,
			 turn.services, turn.service_ops);
		events_add(&agent->events, EVENTS_TURN_APPLIED, NULL, "%zu services, %zu map entries",
			   turn.services, turn.service_ops);
	}
	tend_after_turn(agent, &turn);
	engine_turn_done(&turn);
}

void tend_soon(struct agent *agent)
{
	uint64_t delay_ms = pace_feed_ms(&agent->services_pace, uv_hrtime());

	if (agent->stopping || !feeds_are_settled(agent->feeds))
		return;
	if (!uv_is_active((uv_handle_t *)&agent->services_timer) ||
	    uv_timer_get_due_in(&agent->services_timer) > delay_ms)
		uv_timer_start(&agent->services_timer, on_services_timer, delay_ms, 0);
}

static void on_weights(void *user)
{
	tend_soon(user);
}

static void on_later_timer(uv_timer_t *timer)
{
	tend_soon(timer->data);
}

/* ---- probes ---------------------------------------------------------------------------------- */

static void on_health(void *user, uint32_t number, enum node_health health)
{
	struct agent *agent = user;
	char text[XM_NAME_LEN + 72];

	if (balancer_node_text(engine_balancer(agent->engine), agent->config, number, text, sizeof(text))) {
		char cluster[64];

		snprintf(cluster, sizeof(cluster), "%.*s", (int)strcspn(text, "/"), text);
		events_add(&agent->events, health == NODE_DOWN ? EVENTS_NODE_DOWN : EVENTS_NODE_UP, cluster, "%s",
			   text);
		if (health == NODE_DOWN)
			log_warn("node %s does not answer: its backends get no connections", text);
		else
			log_info("node %s answers", text);
	}
	tend_soon(agent);
}

static enum node_health health_of(void *user, uint32_t number)
{
	const struct agent *agent = user;

	return prober_health(agent->prober, number);
}

static void ask_nodes(struct agent *agent)
{
	auto_free struct prober_node *nodes = NULL;
	struct err err = { 0 };
	size_t n = 0;

	if (balancer_probe_nodes(engine_balancer(agent->engine), &nodes, &n))
		return;
	if (prober_set(agent->prober, engine_probe_config(agent->engine), nodes, n, &err))
		state_error(agent, err.text);
}

static void sweep_syns(struct agent *agent)
{
	struct err err = { 0 };
	size_t timeouts;

	if (latency_sweep_syns(engine_plane(agent->engine), uv_hrtime(), &timeouts, &err))
		state_error(agent, err.text);
}

/* Who has nobody to open connections to is not woken for them. */
static void on_traffic_timer(uv_timer_t *timer)
{
	struct agent *agent = timer->data;
	bool syns;

	if (!agent->ready)
		return;
	syns = prober_counts(agent->prober).nodes || balancer_has_services(engine_balancer(agent->engine));
	uv_timer_set_repeat(timer, syns ? SYN_MS : TRAFFIC_MS);
	if (syns)
		sweep_syns(agent);
	if (uv_now(&agent->loop) - agent->traffic_ms < TRAFFIC_MS - SYN_MS / 2)
		return;
	agent->traffic_ms = uv_now(&agent->loop);
	balancer_look_at_traffic(engine_balancer(agent->engine));
	ask_nodes(agent);
}

/* ---- sockets of lost backends ------------------------------------------------------------------ */

static void on_ended(void *user, int code, const struct destroy_result *result, const struct err *err)
{
	struct agent *agent = user;

	if (code) {
		log_warn("sockets of lost backends were not ended: %s", err->text);
		state_error(agent, err->text);
		return;
	}
	agent->sockets_ended += result->destroyed;
	if (result->hidden && !agent->hidden_told) {
		agent->hidden_told = true;
		log_warn("%zu processes may not be looked at (CAP_SYS_PTRACE is missing): connections of their "
			 "pods to lost backends end by their own timeouts", result->hidden);
	}
	if (result->unsupported && result->matched)
		log_warn("%zu sockets are connected to lost backends, and this kernel cannot end them "
			 "(CONFIG_INET_DIAG_DESTROY): their owners notice by their own timeouts", result->matched);
	else if (result->matched)
		log_info("%zu of %zu sockets that were connected to lost backends ended", result->destroyed,
			 result->matched);
}

void tend_after_turn(struct agent *agent, const struct engine_turn *turn)
{
	uint64_t wait_ms = balancer_wait_s(engine_balancer(agent->engine)) * 1000;
	uint64_t stale_ms = feeds_stale_in_ms(agent->feeds);

	ask_nodes(agent);
	if (ender_add(agent->ender, turn->lost, turn->n_lost))
		log_error("out of memory: sockets of lost backends are not ended");
	if (!wait_ms || stale_ms < wait_ms)
		wait_ms = stale_ms;
	if (wait_ms == UINT64_MAX)
		uv_timer_stop(&agent->later_timer);
	else
		uv_timer_start(&agent->later_timer, on_later_timer, MAX(wait_ms + 1, LATER_MIN_MS), 0);
}

/* ---- sweep, on a worker -------------------------------------------------------------------------- */

struct sweep {
	struct agent *agent;
	const struct plane *plane;
	uint64_t now_ns, entries, evicted;
	size_t latency_entries;
	bool counted;
	int code;
	struct err err;
};

/* Asked for each entry anew: a name that came since must not cost its service the first counts. */
static bool is_known(void *user, const struct xm_latency_key *key)
{
	const struct plane *plane = user;
	struct xm_service_name service;
	struct xm_cluster cluster;

	return bpf_map_lookup_elem(plane->map_fd[PLANE_xm_clusters], &key->cluster, &cluster) != -ENOENT &&
	       (!key->service ||
		bpf_map_lookup_elem(plane->map_fd[PLANE_xm_service_names], &key->service, &service) != -ENOENT);
}

static void sweep_on_worker(uv_work_t *work)
{
	struct sweep *sweep = work->data;
	size_t ended;

	sweep->code = flows_sweep(sweep->plane, sweep->now_ns, &ended, &sweep->err);
	if (!sweep->code)
		sweep->code = latency_forget(sweep->plane, is_known, (void *)sweep->plane,
					     &sweep->latency_entries, &sweep->err);
	sweep->counted = !flows_evicted(sweep->plane, &sweep->entries, &sweep->evicted, NULL);
}

static void on_swept(uv_work_t *work, int status)
{
	struct sweep *sweep = work->data;
	struct agent *agent = sweep->agent;

	agent->sweeping = false;
	if (sweep->code && !agent->stopping) {
		log_warn("what is over was not taken out: %s", sweep->err.text);
		state_error(agent, sweep->err.text);
	}
	if (!sweep->code)
		agent->latency_entries = sweep->latency_entries;
	if (sweep->counted) {
		agent->flow_entries = sweep->entries;
		agent->flows_evicted = sweep->evicted;
	}
	free(sweep);
}

static void on_sweep_timer(uv_timer_t *timer)
{
	struct agent *agent = timer->data;
	struct sweep *sweep;

	if (agent->sweeping)
		return;
	sweep = calloc(1, sizeof(*sweep));
	if (!sweep)
		return;
	sweep->agent = agent;
	sweep->plane = engine_plane(agent->engine);
	sweep->now_ns = uv_hrtime();
	agent->sweep_work.data = sweep;
	if (uv_queue_work(&agent->loop, &agent->sweep_work, sweep_on_worker, on_swept))
		free(sweep);
	else
		agent->sweeping = true;
}

/* ---- life -------------------------------------------------------------------------------------- */

void tend_init(struct agent *agent)
{
	uv_timer_t *timers[] = { &agent->services_timer, &agent->later_timer, &agent->traffic_timer,
				 &agent->sweep_timer };

	for (size_t i = 0; i < ARRAY_SIZE(timers); i++) {
		uv_timer_init(&agent->loop, timers[i]);
		timers[i]->data = agent;
	}
}

int tend_start(struct agent *agent, struct err *err)
{
	const struct plane *plane = engine_plane(agent->engine);
	int code = prober_new(&agent->loop, plane, on_health, agent, &agent->prober, err);

	if (code)
		return code;
	code = ender_new(&agent->loop, plane, on_ended, agent, &agent->ender);
	if (code)
		return err_set(err, code, "out of memory");
	code = rtt_new(&agent->loop, plane, engine_balancer(agent->engine), on_weights, agent, &agent->rtt);
	if (code)
		return err_set(err, code, "out of memory");
	balancer_set_health(engine_balancer(agent->engine), health_of, agent);
	uv_timer_start(&agent->traffic_timer, on_traffic_timer, TRAFFIC_MS, TRAFFIC_MS);
	uv_timer_start(&agent->sweep_timer, on_sweep_timer, 0, SWEEP_MS);
	return 0;
}

void tend_stop(struct agent *agent)
{
	prober_close(take(agent->prober));
	ender_close(take(agent->ender));
	rtt_close(take(agent->rtt));
	uv_close((uv_handle_t *)&agent->services_timer, NULL);
	uv_close((uv_handle_t *)&agent->later_timer, NULL);
	uv_close((uv_handle_t *)&agent->traffic_timer, NULL);
	uv_close((uv_handle_t *)&agent->sweep_timer, NULL);
}
