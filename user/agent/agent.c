/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The node agent's loop: what makes a turn due, when it runs, and what is said about it. What a
 * turn does is agent/engine.c; what the mesh is, agent/feeds.c.
 */
#include "agent/agent.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "agent/lock.h"
#include "agent/state.h"
#include "agent/tend.h"
#include "agent/web.h"
#include "core/defs.h"
#include "core/log.h"

/* The host is checked, and everything compared anew, this often even if nothing tells of a change. */
#define CHECK_MS 60000
#define PMTU_MS 1000
/* After a short turn for services a whole one follows. */
#define SERVICES_FIRST_MS 500
/* Where a whole turn takes longer, pods are served by a short one before it. */
#define LONG_TURN_NS 20000000u

struct check_job {
	struct agent *agent;
	char device[16];
	char underlay[CONFIG_MAX_UNDERLAY][16];
	size_t n_underlay;
	struct hostcheck check;
};

static void turn_run(struct agent *agent);

static void on_turn_timer(uv_timer_t *timer)
{
	turn_run(timer->data);
}

/* Never later than it is due already. */
static void timer_hasten(uv_timer_t *timer, uv_timer_cb fn, uint64_t delay_ms)
{
	if (!uv_is_active((uv_handle_t *)timer) || uv_timer_get_due_in(timer) > delay_ms)
		uv_timer_start(timer, fn, delay_ms, 0);
}

/* A turn comes in @delay_ms at the latest, once everything is there for it. */
static void turn_later(struct agent *agent, uint64_t delay_ms)
{
	if (!agent->stopping && agent->checked && feeds_are_settled(agent->feeds))
		timer_hasten(&agent->turn_timer, on_turn_timer, delay_ms);
}

/* The same for a change that was seen just now. */
static void turn_request(struct agent *agent, uint64_t delay_ms)
{
	if (!agent->seen_ns)
		agent->seen_ns = uv_hrtime();
	turn_later(agent, delay_ms);
}

static void turn_soon(struct agent *agent)
{
	turn_request(agent, pace_feed_ms(&agent->pace, uv_hrtime()));
}

static void turn_failed(struct agent *agent, const struct err *err)
{
	uint64_t retry_ms = pace_retry_ms(&agent->pace);

	/* The sentence is logged when it is new; what repeats is counted in status. */
	if (agent->pace.failed_in_row == 1 || !agent->n_errors ||
	    strcmp(agent->errors[agent->n_errors - 1].text ?: "", err->text))
		log_error("applying failed, what is there stays; next try in %u s at the latest: %s",
			  (unsigned int)(retry_ms / 1000), err->text);
	events_add(&agent->events, EVENTS_TURN_FAILED, NULL, "%s", err->text);
	agent->turns_failed++;
	state_error(agent, err->text);
	if (!agent->ready)
		sd_notifyf(0, "STATUS=not ready: %s", err->text);
	uv_timer_start(&agent->turn_timer, on_turn_timer, retry_ms, 0);
}

static void turn_log_counts(const struct engine_turn *turn)
{
	if (turn->map_ops || turn->kernel_puts || turn->kernel_deletes || turn->attached || turn->detached ||
	    turn->services)
		log_info("applied in %.1f ms: %zu map entries, %zu kernel entries put and %zu deleted, %zu "
			 "services, %zu programs attached and %zu detached",
			 turn->duration_ns / 1e6, turn->map_ops, turn->kernel_puts, turn->kernel_deletes,
			 turn->services, turn->attached, turn->detached);
}

static void turn_tell(struct agent *agent, const struct engine_turn *turn)
{
	if (turn->map_ops || turn->kernel_puts || turn->kernel_deletes || turn->services)
		events_add(&agent->events, EVENTS_TURN_APPLIED, NULL,
			   "%zu map entries, %zu kernel entries put and %zu deleted, %zu services", turn->map_ops,
			   turn->kernel_puts, turn->kernel_deletes, turn->services);
	if (turn->attached || turn->detached)
		events_add(&agent->events, EVENTS_ATTACHED, NULL, "%zu programs attached, %zu detached",
			   turn->attached, turn->detached);
}

static void turn_log(const struct agent *agent, const struct engine_turn *turn)
{
	turn_log_counts(turn);
	for (size_t i = 0; i < turn->notes.n; i++)
		if (!notes_has(&agent->last.notes, turn->notes.v[i]))
			log_warn("%s", turn->notes.v[i]);
}

static void turn_run(struct agent *agent)
{
	uint64_t start_ns = uv_hrtime(), seen_ns = agent->seen_ns;
	bool failed_before = agent->pace.failed_in_row;
	struct engine_turn turn;
	struct err err = { 0 };
	int code;

	agent->turns++;
	agent->seen_ns = 0;
	code = engine_run(agent->engine, feeds_mesh(agent->feeds), tend_stale(agent), &turn, &err);
	pace_turn(&agent->pace, start_ns, uv_hrtime(), !code);
	if (code) {
		agent->seen_ns = seen_ns;
		turn_failed(agent, &err);
		return;
	}
	if (failed_before)
		log_info("applying works again");
	state_observe(agent, seen_ns);
	/* A short turn for services was still to come, or failed: it has all of it now. */
	state_observe(agent, agent->services_seen_ns);
	agent->services_seen_ns = 0;
	turn_log(agent, &turn);
	turn_tell(agent, &turn);
	tend_after_turn(agent, &turn);
	engine_turn_done(&agent->last);
	agent->last = turn;
	if (!agent->ready || agent->reloading) {
		agent->ready = true;
		agent->reloading = false;
		sd_notifyf(0, "READY=1\nSTATUS=cluster %s, %zu peers", agent->config->own.name,
			   agent->config->n_peers);
	}
	/* An interface whose program could not be attached is tried again without a change. */
	if (turn.failures)
		uv_timer_start(&agent->turn_timer, on_turn_timer, PACE_RETRY_MAX_MS, 0);
}

/* ---- host check on a worker ---------------------------------------------------------------- */

static void check_on_worker(uv_work_t *work)
{
	struct check_job *job = work->data;
	const char *names[CONFIG_MAX_UNDERLAY];

	for (size_t i = 0; i < job->n_underlay; i++)
		names[i] = job->underlay[i];
	hostcheck_read(job->device, names, job->n_underlay, &job->check);
}

static void on_checked(uv_work_t *work, int status)
{
	struct check_job *job = work->data;
	struct agent *agent = job->agent;

	agent->check_job = NULL;
	if (!agent->stopping) {
		engine_set_check(agent->engine, &job->check);
		agent->checked = true;
		turn_soon(agent);
	}
	hostcheck_done(&job->check);
	free(job);
}

static void check_start(struct agent *agent)
{
	const struct config *config = agent->config;
	struct check_job *job;

	if (agent->check_job)
		return;
	job = calloc(1, sizeof(*job));
	if (!job)
		return;
	job->agent = agent;
	memcpy(job->device, config->device, sizeof(job->device));
	memcpy(job->underlay, config->underlay, sizeof(job->underlay));
	job->n_underlay = config->n_underlay;
	agent->check_work.data = job;
	agent->check_job = job;
	uv_queue_work(&agent->loop, &agent->check_work, check_on_worker, on_checked);
}

static void on_check_timer(uv_timer_t *timer)
{
	check_start(timer->data);
}

/* ---- configuration ------------------------------------------------------------------------- */

static int read_config(const char *path, const char *instance, struct config **ret_config, struct err *err)
{
	struct config *config;
	int code = config_read(path, &config, err);

	if (code)
		return code;
	if (instance)
		snprintf(config->instance, sizeof(config->instance), "%s", instance);
	for (size_t i = 0; i < config->n_warnings; i++)
		log_warn("%s", config->warnings[i]);
	*ret_config = config;
	return 0;
}

/* Pins, device, lock and ids are bound to these while we run. */
static const char *restart_only(const struct config *old, const struct config *new)
{
	if (strcmp(old->instance, new->instance))
		return "instance";
	if (strcmp(old->bpffs, new->bpffs))
		return "bpffs";
	if (strcmp(old->run_dir, new->run_dir))
		return "run_dir";
	if (strcmp(old->device, new->device))
		return "device";
	if (old->own.id != new->own.id || strcmp(old->own.name, new->own.name))
		return "cluster";
	return NULL;
}

static int reload(struct agent *agent, struct err *err)
{
	struct config *config = NULL, *old = agent->config;
	const char *key;
	int code = read_config(agent->config_path, agent->instance_override, &config, err);

	if (code)
		return code;
	key = restart_only(old, config);
	if (key)
		code = err_set(err, -EINVAL, "%s: %s cannot change while the agent runs: restart it",
			       agent->config_path, key);
	else
		code = feeds_reconfigure(agent->feeds, config, err);
	if (code) {
		config_free(config);
		return code;
	}
	agent->config = config;
	engine_set_config(agent->engine, config);
	config_free(old);
	web_follow(agent);
	feeds_poke(agent->feeds);
	check_start(agent);
	turn_soon(agent);
	return 0;
}

static int reload_and_tell(struct agent *agent, struct err *err)
{
	int code;

	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)(uv_hrtime() / 1000));
	code = reload(agent, err);
	if (code) {
		log_error("reload refused, the old configuration stays: %s", err->text);
		state_error(agent, err->text);
		if (agent->ready)
			sd_notify(0, "READY=1");
	} else {
		log_info("configuration read again from %s", agent->config_path);
		agent->reloading = true;
	}
	return code;
}

/* ---- what comes in ------------------------------------------------------------------------- */

/* Its errors come again in the whole turn, which tells them. */
static void on_pods_timer(uv_timer_t *timer)
{
	struct agent *agent = timer->data;
	uint64_t start_ns = uv_hrtime();
	struct engine_turn turn;
	int code = engine_run_pods(agent->engine, &turn, NULL);

	pace_turn(&agent->pods_pace, start_ns, uv_hrtime(), !code);
	if (code)
		return;
	turn_log_counts(&turn);
	turn_tell(agent, &turn);
	engine_turn_done(&turn);
}

static void on_kernel_changed(void *user)
{
	struct agent *agent = user;
	uint64_t now_ns = uv_hrtime();

	if (agent->last.duration_ns > LONG_TURN_NS)
		timer_hasten(&agent->pods_timer, on_pods_timer, pace_feed_ms(&agent->pods_pace, now_ns));
	turn_request(agent, pace_kernel_ms(&agent->pace, now_ns));
}

/* The programs cannot wake us but through xm_events, which is the user's to read. */
static void on_pmtu_timer(uv_timer_t *timer)
{
	struct agent *agent = timer->data;

	if (engine_pmtu_moved(agent->engine))
		on_kernel_changed(agent);
}

/* Where routes stay as they are, connections move at once; the whole turn may come a little later. */
static void on_feeds_changed(void *user, bool services_only, uint64_t seen_ns)
{
	struct agent *agent = user;

	if (!seen_ns)
		seen_ns = uv_hrtime();
	if (!services_only || !agent->ready) {
		agent->seen_ns = agent->seen_ns ? MIN(agent->seen_ns, seen_ns) : seen_ns;
		turn_soon(agent);
		return;
	}
	agent->services_seen_ns = agent->services_seen_ns ? MIN(agent->services_seen_ns, seen_ns) : seen_ns;
	tend_soon(agent);
	turn_later(agent, MAX(SERVICES_FIRST_MS, pace_feed_ms(&agent->pace, uv_hrtime())));
}

static void on_feeds_fresh(void *user)
{
	tend_soon(user);
}

static void on_feed_event(void *user, enum events_kind kind, const char *cluster, const char *text)
{
	struct agent *agent = user;

	events_add(&agent->events, kind, cluster, "%s", text);
}

static int on_recover(void *user, uint16_t cluster, struct snapshot **ret_snapshot)
{
	struct agent *agent = user;

	return engine_recover(agent->engine, cluster, ret_snapshot);
}

/* {"do": "accept", "cluster": NAME, "digest": of status.feeds[].held}: "none": there is no such thing. */
static json_object *accept_held(struct agent *agent, const json_object *request)
{
	json_object *reply = json_object_new_object(), *word;
	const char *cluster = NULL, *digest = NULL;
	struct err err;
	int code;

	if (json_object_object_get_ex(request, "cluster", &word))
		cluster = json_object_get_string(word);
	if (json_object_object_get_ex(request, "digest", &word))
		digest = json_object_get_string(word);
	code = feeds_accept(agent->feeds, cluster ? cluster : "", digest ? digest : "", &err);
	json_object_object_add(reply, "ok", json_object_new_boolean(!code));
	if (code) {
		json_object_object_add(reply, "none", json_object_new_boolean(code == -ENOENT || code == -ESRCH));
		json_object_object_add(reply, "error", json_object_new_string(err.text));
	}
	return reply;
}

static json_object *on_control(void *user, const json_object *request)
{
	struct agent *agent = user;
	json_object *word, *reply;
	const char *get = "", *act = "";
	struct err err;

	if (json_object_object_get_ex(request, "get", &word))
		get = json_object_get_string(word);
	if (json_object_object_get_ex(request, "do", &word))
		act = json_object_get_string(word);
	if (get && !strcmp(get, "status"))
		return state_status(agent);
	if (get && !strcmp(get, "events"))
		return events_json(&agent->events, json_object_object_get_ex(request, "since", &word) ?
						   json_object_get_uint64(word) : agent->events.next);
	if (act && !strcmp(act, "accept"))
		return accept_held(agent, request);
	reply = json_object_new_object();
	if (act && !strcmp(act, "turn")) {
		turn_soon(agent);
		json_object_object_add(reply, "ok", json_object_new_boolean(true));
	} else if (act && !strcmp(act, "reload")) {
		bool ok = !reload_and_tell(agent, &err);

		json_object_object_add(reply, "ok", json_object_new_boolean(ok));
		if (!ok)
			json_object_object_add(reply, "error", json_object_new_string(err.text));
	} else {
		json_object_object_add(reply, "ok", json_object_new_boolean(false));
		json_object_object_add(reply, "error", json_object_new_string("unknown request"));
	}
	return reply;
}

static void on_hup(uv_signal_t *signal, int number)
{
	struct err err;

	reload_and_tell(signal->data, &err);
}

static void agent_stop(struct agent *agent)
{
	if (agent->stopping)
		return;
	agent->stopping = true;
	sd_notify(0, "STOPPING=1");
	control_close(agent->control);
	agent->control = NULL;
	web_close(agent);
	if (agent->watch)
		watch_close(agent->watch);
	feeds_close(agent->feeds);
	agent->feeds = NULL;
	tend_stop(agent);
	uv_close((uv_handle_t *)&agent->turn_timer, NULL);
	uv_close((uv_handle_t *)&agent->pods_timer, NULL);
	uv_close((uv_handle_t *)&agent->check_timer, NULL);
	uv_close((uv_handle_t *)&agent->pmtu_timer, NULL);
	uv_close((uv_handle_t *)&agent->term, NULL);
	uv_close((uv_handle_t *)&agent->intr, NULL);
	uv_close((uv_handle_t *)&agent->hup, NULL);
}

static void on_term(uv_signal_t *signal, int number)
{
	log_info("stopping; the datapath stays as it is");
	agent_stop(signal->data);
}

/* ---- life ---------------------------------------------------------------------------------- */

static int start(struct agent *agent, struct err *err)
{
	struct feeds_callbacks callbacks = { .changed = on_feeds_changed, .fresh = on_feeds_fresh,
					     .event = on_feed_event,
					     .recover = on_recover, .user = agent };
	auto_free char *socket_path = lock_socket_path(agent->config);
	int code;

	if (!socket_path)
		return err_set(err, -ENOMEM, "out of memory");
	code = engine_new(agent->config, false, &agent->engine, err);
	if (code)
		return code;
	code = tend_start(agent, err);
	if (code)
		return code;
	code = watch_new(&agent->loop, on_kernel_changed, agent, &agent->watch, err);
	if (code)
		return code;
	code = feeds_new(&agent->loop, agent->config, &callbacks, &agent->feeds, err);
	if (code)
		return code;
	code = control_new(&agent->loop, socket_path, on_control, agent, &agent->control, err);
	if (code)
		return code;
	web_follow(agent);
	uv_timer_start(&agent->check_timer, on_check_timer, 0, CHECK_MS);
	uv_timer_start(&agent->pmtu_timer, on_pmtu_timer, PMTU_MS, PMTU_MS);
	uv_signal_start(&agent->term, on_term, SIGTERM);
	uv_signal_start(&agent->intr, on_term, SIGINT);
	uv_signal_start(&agent->hup, on_hup, SIGHUP);
	return 0;
}

int agent_run(const char *config_path, const char *instance_override, struct err *err)
{
	struct agent agent = { .config_path = config_path, .instance_override = instance_override,
			       .since_s = time(NULL) };
	int code = read_config(config_path, instance_override, &agent.config, err);

	if (code)
		return code;
	uv_loop_init(&agent.loop);
	uv_signal_init(&agent.loop, &agent.term);
	uv_signal_init(&agent.loop, &agent.intr);
	uv_signal_init(&agent.loop, &agent.hup);
	uv_timer_init(&agent.loop, &agent.turn_timer);
	uv_timer_init(&agent.loop, &agent.pods_timer);
	uv_timer_init(&agent.loop, &agent.check_timer);
	uv_timer_init(&agent.loop, &agent.pmtu_timer);
	agent.term.data = agent.intr.data = agent.hup.data = &agent;
	agent.turn_timer.data = agent.pods_timer.data = agent.check_timer.data = agent.pmtu_timer.data = &agent;
	tend_init(&agent);
	signal(SIGPIPE, SIG_IGN);

	code = start(&agent, err);
	if (code)
		agent_stop(&agent);
	uv_run(&agent.loop, UV_RUN_DEFAULT);
	uv_loop_close(&agent.loop);
	engine_free(agent.engine);
	engine_turn_done(&agent.last);
	for (size_t i = 0; i < agent.n_errors; i++)
		free(agent.errors[i].text);
	config_free(agent.config);
	return code;
}
