/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The life of `xmesh publish`: configuration, signals, which of the sources of local.feed is published.
 * A source that fails takes nothing away: the next one is taken when it has been silent for stale_after,
 * and while there is none, what is published stays.
 */
#include "agent/publish.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <uv.h>

#include "agent/nodump.h"
#include "agent/publisher.h"
#include "core/defs.h"
#include "core/log.h"
#include "feed/feed.h"
#include "model/config.h"

#define CHOOSE_MS 5000
#define ONCE_MS 60000

struct publish;

struct source {
	struct publish *publish;
	struct feed *feed;
	char *origin;
	struct publish_wanted *wanted; /* its last good state; NULL = none yet */
	char revision[72];
	bool failing;
	uint64_t failing_ms;           /* since when */
};

struct publish {
	uv_loop_t loop;
	struct config *config, *next;  /* next: of a reload that needs a new start */
	struct publisher *publisher;
	struct source sources[CONFIG_MAX_SOURCES];
	size_t n;
	struct source *chosen;
	struct publish_wanted *shown;  /* what the publisher was told last */
	uv_timer_t timer;
	uv_signal_t term, intr, hup;
	bool stopping, once;
	size_t failures;               /* of the etcd, in a row */
	char *last_error;
	int code;                      /* of an attempt that ended by itself */
	struct publish_result result;
	struct err err;
};

/* ---- the end ---- */

static void stop(struct publish *p, bool revoke)
{
	if (p->stopping)
		return;
	p->stopping = true;
	for (size_t i = 0; i < p->n; i++)
		feed_close(take(p->sources[i].feed));
	if (p->publisher)
		publisher_stop(p->publisher, revoke);
	uv_close((uv_handle_t *)&p->timer, NULL);
	uv_close((uv_handle_t *)&p->term, NULL);
	uv_close((uv_handle_t *)&p->intr, NULL);
	uv_close((uv_handle_t *)&p->hup, NULL);
}

static void give_up(struct publish *p, int code, const struct err *err)
{
	p->code = code;
	p->err = *err;
	stop(p, false);
}

/* ---- the publisher's words ---- */

static void on_complete(void *user)
{
	struct publish *p = user;

	p->failures = 0;
	free(take(p->last_error));
	p->result.objects = p->shown->n;
	snprintf(p->result.revision, sizeof(p->result.revision), "%s", p->chosen->revision);
	if (p->once) {
		stop(p, false);
		return;
	}
	log_info("%s has all of cluster %s at %s: %zu objects", p->config->publish->prefix,
		 p->config->own.name, p->chosen->revision, p->shown->n);
	sd_notifyf(0, "STATUS=%zu objects of %s in %s", p->shown->n, p->chosen->revision,
		   p->config->publish->prefix);
}

static void on_failed(void *user, const struct err *err)
{
	struct publish *p = user;

	p->failures++;
	if (p->once) {
		if (p->failures > p->config->publish->n_endpoints)
			give_up(p, err->code, err);
		return;
	}
	/* What repeats is told once. */
	if (!p->last_error || strcmp(p->last_error, err->text)) {
		log_warn("%s; trying again", err->text);
		free(p->last_error);
		p->last_error = strdup(err->text);
	}
	sd_notifyf(0, "STATUS=%s", err->text);
}

static void on_stopped(void *user)
{
	struct publish *p = user;

	p->publisher = NULL;
}

/* ---- which source ---- */

static bool is_stale(const struct publish *p, const struct source *s)
{
	return s->failing && uv_now((uv_loop_t *)&p->loop) - s->failing_ms > p->config->stale_after_ms;
}

/* The first that is not stale; one that has not spoken at all yet is waited for. */
static struct source *best(struct publish *p)
{
	for (size_t i = 0; i < p->n; i++) {
		struct source *s = &p->sources[i];

		if (!s->wanted && !s->failing)
			return p->chosen;
		if (s->wanted && !is_stale(p, s))
			return s;
	}
	return p->chosen;
}

static void choose(struct publish *p)
{
	struct source *s = best(p);

	if (!s || p->stopping)
		return;
	if (s != p->chosen && p->n > 1)
		log_info("publishing what %s says", s->origin);
	p->chosen = s;
	if (s->wanted == p->shown)
		return;
	p->shown = s->wanted;
	publisher_want(p->publisher, s->wanted);
}

static void on_snapshot(void *user, struct snapshot *snapshot)
{
	struct source *s = user;
	struct publish *p = s->publish;
	struct publish_wanted *wanted;
	int rc = publish_wanted_new(snapshot, &wanted);

	if (rc) {
		log_error("%s: what it says cannot be published, what is there stays: %s", s->origin,
			  strerror(-rc));
	} else {
		for (size_t i = 0; i < wanted->n_too_large; i++)
			log_warn("%s: %s", s->origin, wanted->too_large[i]);
		/* The publisher has its own share, so that the address of what is shown is not used again. */
		publish_wanted_free(s->wanted);
		s->wanted = wanted;
		snprintf(s->revision, sizeof(s->revision), "%s", snapshot->revision);
		s->failing = false;
	}
	snapshot_free(snapshot);
	choose(p);
}

static void on_error(void *user, const struct err *err)
{
	struct source *s = user;
	struct publish *p = s->publish;
	bool any = false;

	if (!s->failing)
		s->failing_ms = uv_now(&p->loop);
	s->failing = true;
	if (!p->once)
		log_warn("%s: %s; what is published stays", s->origin, err->text);
	for (size_t i = 0; i < p->n; i++)
		any = any || p->sources[i].wanted || !p->sources[i].failing;
	if (p->once && !any)
		give_up(p, err->code ?: -EIO, err);
	else
		choose(p);
}

static void on_unchanged(void *user)
{
	struct source *s = user;

	s->failing = false;
	choose(s->publish);
}

static void on_timer(uv_timer_t *timer)
{
	struct publish *p = timer->data;
	struct err err;

	if (!p->once) {
		choose(p);
		return;
	}
	err_set(&err, -ETIMEDOUT, "not everything was published within %d s", ONCE_MS / 1000);
	give_up(p, -ETIMEDOUT, &err);
}

/* ---- signals ---- */

static void on_term(uv_signal_t *handle, int number)
{
	struct publish *p = handle->data;

	log_info("stopping; what was published is taken back, and readers keep what they had");
	sd_notify(0, "STOPPING=1");
	stop(p, true);
}

static int read_config(const char *path, struct config **ret_config, struct err *err)
{
	struct config *config;
	int code = config_read(path, &config, err);

	if (code)
		return code;
	if (!config->publish) {
		code = err_set(err, -EINVAL,
			       "%s: publish: {etcd: {endpoints: [...], prefix: /xmesh/%s}} is missing",
			       path, config->own.name);
		config_free(config);
		return code;
	}
	for (size_t i = 0; i < config->n_warnings; i++)
		log_warn("%s", config->warnings[i]);
	*ret_config = config;
	return 0;
}

static bool same_sources(const struct config *a, const struct config *b)
{
	if (a->own.n_sources != b->own.n_sources || a->own.id != b->own.id ||
	    strcmp(a->own.name, b->own.name) || a->stale_after_ms != b->stale_after_ms ||
	    a->publish_ttl_s != b->publish_ttl_s)
		return false;
	for (size_t i = 0; i < a->own.n_sources; i++) {
		if (!config_source_equal(&a->own.sources[i], &b->own.sources[i]))
			return false;
	}
	return true;
}

static void on_hup(uv_signal_t *handle, int number)
{
	struct publish *p = handle->data;
	struct config *config;
	struct err err;
	bool same_etcd;

	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)(uv_hrtime() / 1000));
	if (read_config(p->config->file, &config, &err)) {
		log_error("reload refused, the old configuration stays: %s", err.text);
		sd_notify(0, "READY=1");
		return;
	}
	log_info("configuration read again from %s", config->file);
	same_etcd = config_etcd_equal(config->publish, p->config->publish);
	if (same_etcd && same_sources(config, p->config)) {
		config_free(config);
		publisher_renew(p->publisher);
		for (size_t i = 0; i < p->n; i++)
			feed_poke(p->sources[i].feed);
		sd_notify(0, "READY=1");
		return;
	}
	/* At the same place the new start takes over what is there. */
	p->next = config;
	stop(p, !same_etcd);
}

/* ---- life ---- */

static int start(struct publish *p, struct err *err)
{
	struct publisher_callbacks publisher = { .complete = on_complete, .failed = on_failed,
						 .stopped = on_stopped, .user = p };
	const struct config_cluster *own = &p->config->own;
	int code;

	code = publisher_new(&p->loop, p->config->publish, p->config->publish_ttl_s, &publisher,
			     &p->publisher);
	if (code)
		return err_set(err, code, "out of memory");
	for (size_t i = 0; i < own->n_sources; i++) {
		struct source *s = &p->sources[i];
		struct feed_callbacks callbacks = { .snapshot = on_snapshot, .error = on_error,
						    .unchanged = on_unchanged, .user = s };

		s->publish = p;
		s->origin = feed_origin(&own->sources[i]);
		p->n++;
		if (!s->origin)
			return err_set(err, -ENOMEM, "out of memory");
		code = feed_new(&p->loop, &own->sources[i], own->name, own->id, &callbacks, &s->feed, err);
		if (code)
			return err_in(err, code, "%s", s->origin);
	}
	uv_timer_start(&p->timer, on_timer, p->once ? ONCE_MS : CHOOSE_MS, CHOOSE_MS);
	uv_signal_start(&p->term, on_term, SIGTERM);
	uv_signal_start(&p->intr, on_term, SIGINT);
	if (!p->once)
		uv_signal_start(&p->hup, on_hup, SIGHUP);
	return 0;
}

/* Until it is stopped. Takes @config; *ret_next is that of a reload that asks for a new start, or NULL. */
static int run(struct config *config, bool once, struct config **ret_next,
	       struct publish_result *ret_result, struct err *err)
{
	struct publish p = { .config = config, .once = once };
	int code;

	uv_loop_init(&p.loop);
	uv_timer_init(&p.loop, &p.timer);
	uv_signal_init(&p.loop, &p.term);
	uv_signal_init(&p.loop, &p.intr);
	uv_signal_init(&p.loop, &p.hup);
	p.timer.data = p.term.data = p.intr.data = p.hup.data = &p;
	code = start(&p, err);
	if (code)
		stop(&p, false);
	else if (!once)
		sd_notifyf(0, "READY=1\nSTATUS=cluster %s", config->own.name);
	uv_run(&p.loop, UV_RUN_DEFAULT);
	uv_loop_close(&p.loop);
	for (size_t i = 0; i < p.n; i++) {
		publish_wanted_free(p.sources[i].wanted);
		free(p.sources[i].origin);
	}
	free(p.last_error);
	config_free(config);
	if (!code && p.code)
		code = err_set(err, p.code, "%s", p.err.text);
	if (!code && ret_result)
		*ret_result = p.result;
	*ret_next = p.next;
	return code;
}

int publish_run(const char *config_path, struct err *err)
{
	struct config *config;
	int code = read_config(config_path, &config, err);

	nodump();
	signal(SIGPIPE, SIG_IGN);
	while (!code && config)
		code = run(config, false, &config, NULL, err);
	return code;
}

int publish_once(const char *config_path, struct publish_result *ret_result, struct err *err)
{
	struct config *config;
	int code = read_config(config_path, &config, err);

	nodump();
	signal(SIGPIPE, SIG_IGN);
	if (!code)
		code = run(config, true, &config, ret_result, err);
	return code;
}
