/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * List and watch of some prefixes of one etcd: what is to be done and when, and what becomes of failures.
 * Not for: gRPC (etcd_rpc.h).
 */
#include "feed/etcd_mirror_parts.h"

#include <errno.h>
#include <string.h>

#include "core/defs.h"

#define PAUSE_MS 100
#define PAUSE_MAX_MS 30000
/* Permissions are given by people: no hurry. */
#define DENIED_MS 5000
#define DENIED_MAX_MS 60000
#define ASK_MS 15000     /* quiet for so long: ask for progress */
#define SILENCE_MS 25000 /* quiet for so long: the next endpoint */

static void on_work(uv_timer_t *timer);

struct mirror_prefix *mirror_find(struct etcd_mirror *m, int64_t id)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->prefixes[i].id == id)
			return &m->prefixes[i];
	return NULL;
}

size_t mirror_index(const struct etcd_mirror *m, const struct mirror_prefix *p)
{
	return (size_t)(p - m->prefixes);
}

static bool all_listed(const struct etcd_mirror *m)
{
	for (size_t i = 0; i < m->n; i++)
		if (!m->prefixes[i].listed)
			return false;
	return m->n > 0;
}

static bool all_watching(const struct etcd_mirror *m)
{
	for (size_t i = 0; i < m->n; i++)
		if (!m->prefixes[i].watching)
			return false;
	return all_listed(m);
}

void mirror_kick(struct etcd_mirror *m)
{
	if (!m->waiting && !m->closing)
		uv_timer_start(&m->work, on_work, 0, 0);
}

void mirror_fail(struct etcd_mirror *m, int code, const struct err *err)
{
	if (m->broken || m->closing)
		return;
	m->broken = true;
	m->err = *err;
	m->err.code = code;
	mirror_kick(m);
}

void mirror_fail_denied(struct etcd_mirror *m, const struct mirror_prefix *p)
{
	const struct config_etcd *c = &m->config;
	struct err err;

	err_set(&err, -EACCES,
		"%s: %s%s may not read what begins with %s: etcdctl role grant-permission ROLE read --prefix %s",
		m->in_use, c->user ? "user " : c->cert ? "the user named by the certificate " : "",
		c->user ? c->user : c->cert ? c->cert : "nobody", p->key, p->key);
	mirror_fail(m, -EACCES, &err);
}

void mirror_list_anew(struct etcd_mirror *m)
{
	m->anew = true;
	mirror_kick(m);
}

bool mirror_is_other_store(struct etcd_mirror *m, const struct etcd_header *header)
{
	/* What etcd itself ends for compaction bears no header. */
	if (!header || !header->cluster_id)
		return false;
	if (m->cluster_id && m->cluster_id != header->cluster_id) {
		m->cluster_id = header->cluster_id;
		mirror_list_anew(m);
		return true;
	}
	m->cluster_id = header->cluster_id;
	return false;
}

bool mirror_is_idle(const struct etcd_mirror *m)
{
	return m->closing || m->broken || m->anew || m->waiting;
}

void mirror_hear(struct etcd_mirror *m)
{
	m->heard_ms = uv_now(m->loop);
}

void mirror_hear_well(struct etcd_mirror *m)
{
	backoff_reset(&m->backoff);
	backoff_reset(&m->denied);
	m->failures = 0;
}

void mirror_tell_alive(struct etcd_mirror *m)
{
	if (!m->closing && all_watching(m))
		m->callbacks.alive(m->callbacks.user);
}

void mirror_tell_current(struct etcd_mirror *m)
{
	if (!m->closing && all_listed(m))
		m->callbacks.current(m->callbacks.user, m->revision);
}

/* ---- what is to be done --------------------------------------------------------------------- */

static void on_ear(uv_timer_t *timer)
{
	struct etcd_mirror *m = timer->data;
	uint64_t quiet_ms = uv_now(m->loop) - m->heard_ms;
	struct err err;

	if (m->paused) {
		mirror_hear(m);
		quiet_ms = 0;
	}
	if (quiet_ms >= SILENCE_MS) {
		err_set(&err, -ETIMEDOUT, "%s: nothing was heard of it for %u s", m->in_use,
			SILENCE_MS / 1000);
		mirror_fail(m, -ETIMEDOUT, &err);
		return;
	}
	if (quiet_ms >= ASK_MS && m->stream)
		etcd_watch_progress(m->stream);
	uv_timer_start(&m->ear, on_ear, (quiet_ms < ASK_MS ? ASK_MS : SILENCE_MS) - quiet_ms, 0);
}

static void listen_to(struct etcd_mirror *m)
{
	if (!m->page && !m->stream) {
		uv_timer_stop(&m->ear);
	} else if (!uv_is_active((uv_handle_t *)&m->ear)) {
		mirror_hear(m);
		uv_timer_start(&m->ear, on_ear, ASK_MS, 0);
	}
}

static void end_stream(struct etcd_mirror *m)
{
	if (m->stream)
		etcd_cancel(take(m->stream));
	mirror_forget_watches(m);
}

static void end_page(struct etcd_mirror *m)
{
	struct mirror_prefix *p = mirror_find(m, m->listing);

	if (m->page)
		etcd_cancel(take(m->page));
	m->listing = 0;
	if (p && !m->closing)
		m->callbacks.aborted(m->callbacks.user, mirror_index(m, p));
}

static void begin_again(struct etcd_mirror *m)
{
	m->anew = false;
	end_page(m);
	end_stream(m);
	for (size_t i = 0; i < m->n; i++)
		m->prefixes[i].listed = false;
	m->revision = 0;
}

/* The attempt has failed: tell it, and begin the next one after a pause, at the next endpoint. */
static void give_up(struct etcd_mirror *m)
{
	uint64_t pause_ms;

	m->broken = false;
	end_page(m);
	end_stream(m);
	/*
	 * Certificates, passwords and names may be others by now: once around, all are read again. Where the
	 * connection failed the calls have left the endpoint already.
	 */
	if (++m->failures % m->config.n_endpoints == 0)
		m->fresh = true;
	else if (m->etcd && m->in_use == etcd_endpoint(m->etcd))
		etcd_next_endpoint(m->etcd);
	pause_ms = backoff_next_ms(m->err.code == -EACCES ? &m->denied : &m->backoff);
	m->waiting = true;
	uv_timer_start(&m->work, on_work, pause_ms, 0);
	if (!m->closing)
		m->callbacks.error(m->callbacks.user, &m->err);
}

static int go_on(struct etcd_mirror *m, struct err *err)
{
	int code = 0;

	if (!m->etcd) {
		code = etcd_new(m->loop, &m->config, &m->etcd, err);
		if (code)
			return code;
	}
	m->in_use = etcd_endpoint(m->etcd);
	if (m->paused)
		return 0;
	code = mirror_start_watches(m);
	for (size_t i = 0; i < m->n && !code && !m->listing; i++)
		if (!m->prefixes[i].listed)
			code = mirror_start_list(m, &m->prefixes[i]);
	if (!code && m->listing && !m->page && mirror_find(m, m->listing))
		code = mirror_start_page(m, mirror_find(m, m->listing));
	return code ? err_set(err, code, "%s: %s", m->in_use, strerror(-code)) : 0;
}

static void on_work(uv_timer_t *timer)
{
	struct etcd_mirror *m = timer->data;
	struct err err;
	int code;

	m->waiting = false;
	if (m->broken) {
		give_up(m);
		listen_to(m);
		return;
	}
	if (m->anew)
		begin_again(m);
	if (m->fresh && m->etcd)
		etcd_close(take(m->etcd));
	m->fresh = false;
	if (m->reopen) {
		m->reopen = false;
		end_stream(m);
		if (m->listing && !mirror_find(m, m->listing))
			end_page(m);
	}
	if (m->closing || !m->n)
		return;
	code = go_on(m, &err);
	if (code)
		mirror_fail(m, code, &err);
	listen_to(m);
}

/* ---- for the callee ------------------------------------------------------------------------- */

static void config_done(struct config_etcd *c)
{
	for (size_t i = 0; c->endpoints && i < c->n_endpoints; i++)
		free(c->endpoints[i]);
	free(c->endpoints);
	free(c->ca);
	free(c->cert);
	free(c->key);
	free(c->server_name);
	free(c->user);
	free(c->password_file);
}

static bool copy(char **ret_to, const char *from)
{
	*ret_to = from ? strdup(from) : NULL;
	return *ret_to || !from;
}

/* All but the prefix. On failure what is there is config_done()'s. */
static bool config_copy(struct config_etcd *to, const struct config_etcd *from)
{
	to->endpoints = calloc(from->n_endpoints + 1, sizeof(*to->endpoints));
	if (!to->endpoints)
		return false;
	for (; to->n_endpoints < from->n_endpoints; to->n_endpoints++)
		if (!copy(&to->endpoints[to->n_endpoints], from->endpoints[to->n_endpoints]))
			return false;
	return copy(&to->ca, from->ca) && copy(&to->cert, from->cert) && copy(&to->key, from->key) &&
	       copy(&to->server_name, from->server_name) && copy(&to->user, from->user) &&
	       copy(&to->password_file, from->password_file);
}

static void mirror_free(struct etcd_mirror *m)
{
	if (m->etcd)
		etcd_close(m->etcd);
	for (size_t i = 0; i < m->n; i++) {
		free(m->prefixes[i].key);
		free(m->prefixes[i].end);
	}
	free(m->prefixes);
	free(m->last);
	config_done(&m->config);
	free(m);
}

int etcd_mirror_new(uv_loop_t *loop, const struct config_etcd *config,
		    const struct etcd_mirror_callbacks *callbacks, struct etcd_mirror **ret_mirror,
		    struct err *err)
{
	struct etcd_mirror *m = calloc(1, sizeof(*m));

	if (!m || !config_copy(&m->config, config)) {
		if (m)
			mirror_free(m);
		return err_set(err, -ENOMEM, "out of memory");
	}
	m->loop = loop;
	m->callbacks = *callbacks;
	backoff_init(&m->backoff, PAUSE_MS, PAUSE_MAX_MS);
	backoff_init(&m->denied, DENIED_MS, DENIED_MAX_MS);
	uv_timer_init(loop, &m->work);
	uv_timer_init(loop, &m->ear);
	m->open_handles = 2;
	m->work.data = m->ear.data = m;
	*ret_mirror = m;
	return 0;
}

int etcd_mirror_add(struct etcd_mirror *m, const char *prefix, size_t *ret_index)
{
	size_t len = strlen(prefix);
	struct mirror_prefix *grown;
	auto_free char *key = strdup(prefix), *end = strdup(prefix);

	grown = reallocarray(m->prefixes, m->n + 1, sizeof(*grown));
	if (grown)
		m->prefixes = grown;
	if (!grown || !key || !end)
		return -ENOMEM;
	if (len)
		end[len - 1]++;
	*ret_index = m->n;
	/* Without a prefix: etcd reads a zero for both ends as "all keys". */
	m->prefixes[m->n++] = (struct mirror_prefix){ .id = ++m->last_id, .key = take(key), .end = take(end),
					       .len = MAX(len, (size_t)1) };
	mirror_kick(m);
	return 0;
}

void etcd_mirror_drop(struct etcd_mirror *m, size_t first)
{
	while (m->n > first) {
		m->n--;
		free(m->prefixes[m->n].key);
		free(m->prefixes[m->n].end);
		m->reopen = true;
	}
	mirror_kick(m);
}

void etcd_mirror_resume(struct etcd_mirror *m)
{
	if (!m->paused || m->closing)
		return;
	m->paused = false;
	mirror_hear(m);
	if (m->page)
		etcd_resume(m->page);
	mirror_kick(m);
}

void etcd_mirror_poke(struct etcd_mirror *m)
{
	if (m->waiting) {
		m->waiting = false;
		mirror_kick(m);
	} else if (!m->listing) {
		m->fresh = true;
		mirror_list_anew(m);
	}
}

static void on_closed(uv_handle_t *handle)
{
	struct etcd_mirror *m = handle->data;

	if (!--m->open_handles)
		mirror_free(m);
}

void etcd_mirror_close(struct etcd_mirror *m)
{
	if (!m)
		return;
	m->closing = true;
	uv_close((uv_handle_t *)&m->work, on_closed);
	uv_close((uv_handle_t *)&m->ear, on_closed);
}
