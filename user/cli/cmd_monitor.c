/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * monitor: what is dropped, which flows begin, and what becomes of feeds, nodes and turns, as it happens:
 * xm_events of the kernel and the agent's ring of events. Runs on when the agent does not.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>

#include "agent/lock.h"
#include "cli/eventview.h"
#include "core/addr.h"
#include "core/defs.h"
#include "core/text.h"
#include "plane/actual.h"
#include "xmesh/latency.h"

enum { OPT_DROPS, OPT_FLOWS, OPT_REASON, OPT_CLUSTER, OPT_ADDR, OPT_COUNT };

#define TICK_MS 250
#define LEASE_NS 3000000000ull /* of xm_watch; renewed each second */
#define NAMES_S 5              /* clusters and nodes are read again, at an event, after so long */

struct monitor {
	struct cli *cli;
	struct view *view;
	struct eventview_filter filter;
	bool agent_wanted;
	int64_t want;                       /* --count, 0 = until interrupted */
	int64_t shown;
	uint64_t start_ns, renewed_ns;      /* monotonic */
	uint64_t lost_before, lost_told;    /* XM_EVENTS_LOST at the start; since then and told */
	uint64_t agent_seq, agent_start_ms, agent_lost;
	bool agent_missed;                  /* said so */
};

static uint64_t clock_ns(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (uint64_t)now.tv_sec * 1000000000u + now.tv_nsec;
}

static void print_json(json_object *o)
{
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

static bool is_over(const struct monitor *m)
{
	return (m->want && m->shown >= m->want) || ferror(stdout);
}

/* ---- the kernel's ---------------------------------------------------------------------------- */

/* Where it fails the old names do as well. */
static void names_look(struct view *view)
{
	struct wanted *actual;
	time_t now_s = time(NULL);

	if (now_s - view->now_s < NAMES_S || actual_read(&view->plane, &actual, NULL))
		return;
	wanted_free(view->actual);
	view->actual = actual;
	view->now_s = now_s;
}

static int on_event(void *user, void *data, size_t size)
{
	const struct xm_event *event = data;
	struct monitor *m = user;
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC), age_ns, wall_ms;

	/* What lay in the ring before is history. */
	if (is_over(m) || size < sizeof(*event) || event->time_ns < m->start_ns ||
	    !eventview_matches(&m->filter, event))
		return 0;
	names_look(m->view);
	age_ns = now_ns > event->time_ns ? now_ns - event->time_ns : 0;
	wall_ms = (clock_ns(CLOCK_REALTIME) - age_ns) / 1000000;
	if (m->cli->json)
		print_json(eventview_json(m->view, event, wall_ms));
	else
		eventview_line(stdout, m->view, event, wall_ms);
	m->shown++;
	return 0;
}

static int read_lost(const struct plane *plane, uint64_t *ret_lost, struct err *err)
{
	int n_cpus = libbpf_num_possible_cpus();
	auto_free struct xm_counter *cpus = n_cpus > 0 ? calloc(n_cpus, sizeof(*cpus)) : NULL;
	uint64_t lost = 0;

	if (!cpus)
		return err_set(err, -ENOMEM, "out of memory");
	for (uint32_t hook = 0; hook < XM_HOOK_COUNT; hook++) {
		const uint32_t index = XM_COUNTER_INDEX(hook, XM_EVENTS_LOST);

		if (bpf_map_lookup_elem(plane->map_fd[PLANE_xm_counters], &index, cpus))
			return err_set(err, -errno, "xm_counters cannot be read: %s", strerror(errno));
		for (int i = 0; i < n_cpus; i++)
			lost += cpus[i].packets;
	}
	*ret_lost = lost;
	return 0;
}

static void tell_lost(const struct monitor *m, const char *what, uint64_t count)
{
	json_object *o;

	if (!m->cli->json) {
		printf("%llu %s\n", (unsigned long long)count, what);
		return;
	}
	o = json_object_new_object();
	json_object_object_add(o, "type", json_object_new_string("lost"));
	json_object_object_add(o, "count", json_object_new_uint64(count));
	json_object_object_add(o, "text", json_object_new_string(what));
	print_json(o);
}

static int look_lost(struct monitor *m, struct err *err)
{
	uint64_t lost;
	int code = read_lost(&m->view->plane, &lost, err);

	if (code)
		return code;
	lost -= m->lost_before;
	if (lost > m->lost_told)
		tell_lost(m, "events lost (rate limit of 200 a second and CPU, or a full ring)",
			  lost - m->lost_told);
	m->lost_told = lost;
	return 0;
}

static int watch_write(const struct plane *plane, uint64_t until_ns, struct err *err)
{
	struct xm_watch watch = { .until_ns = until_ns, .flows = until_ns != 0 };
	uint32_t zero = 0;

	if (bpf_map_update_elem(plane->map_fd[PLANE_xm_watch], &zero, &watch, BPF_ANY))
		return err_set(err, -errno, "xm_watch cannot be written: %s", strerror(errno));
	return 0;
}

static int watch_renew(struct monitor *m, struct err *err)
{
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);

	if (!m->filter.flows || now_ns - m->renewed_ns < 1000000000u)
		return 0;
	m->renewed_ns = now_ns;
	return watch_write(&m->view->plane, now_ns + LEASE_NS, err);
}

/* ---- the agent's ----------------------------------------------------------------------------- */

static const char *member(json_object *o, const char *key)
{
	json_object *value;

	return json_object_object_get_ex(o, key, &value) ? json_object_get_string(value) : NULL;
}

static uint64_t number(json_object *o, const char *key)
{
	json_object *value;

	return json_object_object_get_ex(o, key, &value) ? json_object_get_uint64(value) : 0;
}

static bool agent_matches(const struct monitor *m, json_object *o)
{
	const char *cluster = member(o, "cluster");

	return !m->filter.cluster || (cluster && !strcmp(cluster, m->cli->options[OPT_CLUSTER]));
}

/* What a feed says is shown without control characters. */
static void print_clean(const char *text)
{
	for (; *text; text++)
		putchar((unsigned char)*text < 0x20 || *text == 0x7f ? ' ' : *text);
}

static void agent_print(struct monitor *m, json_object *o)
{
	const char *cluster = member(o, "cluster"), *kind = member(o, "kind"), *text = member(o, "text");
	char when[40];

	m->shown++;
	if (m->cli->json) {
		json_object_object_add(o, "type", json_object_new_string("agent"));
		print_json(json_object_get(o));
		return;
	}
	printf("%s agent %s", eventview_time(number(o, "time_ms"), when), kind ? kind : "?");
	if (cluster)
		printf(" cluster %s", cluster);
	fputs(": ", stdout);
	print_clean(text ? text : "");
	putchar('\n');
}

/* @quiet: the first look, after which what comes is new. */
static void agent_look(struct monitor *m, bool quiet)
{
	auto_json json_object *answer = NULL;
	json_object *list;
	char request[64];
	struct err err = { 0 };
	uint64_t lost;

	snprintf(request, sizeof(request), "{\"get\":\"events\",\"since\":%llu}",
		 (unsigned long long)m->agent_seq);
	if (cli_ask(m->view->config, request, &answer, &err)) {
		if (!m->agent_missed)
			cli_warn("no events of the agent, only the kernel's: %s", err.text);
		m->agent_missed = true;
		return;
	}
	m->agent_missed = false;
	/* Another agent counts from 1 again: all of its events are new. */
	if (!quiet && m->agent_seq &&
	    (number(answer, "start_ms") != m->agent_start_ms || number(answer, "last") < m->agent_seq)) {
		m->agent_seq = 0;
		agent_look(m, false);
		return;
	}
	m->agent_start_ms = number(answer, "start_ms");
	if (!quiet && json_object_object_get_ex(answer, "events", &list)) {
		lost = number(answer, "lost");
		m->agent_lost += lost;
		if (lost)
			tell_lost(m, "events of the agent lost (it keeps the last 512)", lost);
		for (size_t i = 0; i < json_object_array_length(list) && !is_over(m); i++)
			if (agent_matches(m, json_object_array_get_idx(list, i)))
				agent_print(m, json_object_array_get_idx(list, i));
	}
	m->agent_seq = number(answer, "last");
}

/* ---- until it ends --------------------------------------------------------------------------- */

static void summary(const struct monitor *m)
{
	json_object *o;

	if (!m->cli->json) {
		printf("%lld events shown, %llu of the kernel and %llu of the agent lost\n", (long long)m->shown,
		       (unsigned long long)m->lost_told, (unsigned long long)m->agent_lost);
		return;
	}
	o = json_object_new_object();
	json_object_object_add(o, "type", json_object_new_string("summary"));
	json_object_object_add(o, "events", json_object_new_int64(m->shown));
	json_object_object_add(o, "lost", json_object_new_uint64(m->lost_told));
	json_object_object_add(o, "agent_lost", json_object_new_uint64(m->agent_lost));
	print_json(o);
}

static int run(struct monitor *m, struct ring_buffer *ring, int signals, struct err *err)
{
	struct pollfd fds[] = { { .fd = ring_buffer__epoll_fd(ring), .events = POLLIN },
				{ .fd = signals, .events = POLLIN } };
	uint64_t tick_ns = 0;
	int code = 0;

	while (!code && !is_over(m) && !fds[1].revents) {
		if (clock_ns(CLOCK_MONOTONIC) - tick_ns >= TICK_MS * 1000000ull) {
			tick_ns = clock_ns(CLOCK_MONOTONIC);
			if (m->agent_wanted)
				agent_look(m, false);
			code = watch_renew(m, err);
			if (!code)
				code = look_lost(m, err);
		}
		fflush(stdout);
		if (!code && !is_over(m))
			poll(fds, ARRAY_SIZE(fds), TICK_MS);
		ring_buffer__consume(ring);
	}
	if (!code)
		code = look_lost(m, err);
	return code;
}

static int monitor(struct monitor *m, struct err *err)
{
	struct ring_buffer *ring;
	auto_close int lock = -1, signals = -1;
	sigset_t ends;
	int code = lock_take_events(m->view->config, &lock, err);

	if (code)
		return code;
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	signals = signalfd(-1, &ends, SFD_CLOEXEC);
	if (signals < 0)
		return err_set(err, -errno, "signalfd: %s", strerror(errno));
	ring = ring_buffer__new(m->view->plane.map_fd[PLANE_xm_events], on_event, m, NULL);
	if (!ring)
		return err_set(err, -errno, "xm_events cannot be read: %s", strerror(errno));
	m->start_ns = clock_ns(CLOCK_MONOTONIC);
	ring_buffer__consume(ring);
	code = read_lost(&m->view->plane, &m->lost_before, err);
	if (!code && m->agent_wanted)
		agent_look(m, true);
	if (!code)
		code = watch_renew(m, err);
	if (!code)
		code = run(m, ring, signals, err);
	ring_buffer__free(ring);
	/* Else it ends by itself, a little later. */
	if (m->filter.flows)
		watch_write(&m->view->plane, 0, NULL);
	summary(m);
	return code;
}

/* ---- what was asked for ---------------------------------------------------------------------- */

static enum cli_exit find_cluster(struct monitor *m, const char *word)
{
	const struct wanted *actual = m->view->actual;
	auto_free const char **words = calloc(actual->n_clusters + 1, sizeof(*words));
	const char *near;

	if (!words)
		return cli_fail(CLI_FAILED, "out of memory");
	for (size_t i = 0; i < actual->n_clusters; i++) {
		words[i] = actual->clusters[i].cluster.name;
		if (strcmp(words[i], word))
			continue;
		m->filter.cluster = actual->clusters[i].id;
		return CLI_DONE;
	}
	near = text_nearest(word, words);
	return cli_fail(CLI_NONE, "there is no cluster %s%s%s: `xmesh peer list` lists them", word,
			near ? ": did you mean " : "", near ? near : "");
}

static enum cli_exit parse(struct monitor *m, const char *const *options)
{
	const bool all = !options[OPT_DROPS] && !options[OPT_FLOWS];
	struct err err = { 0 };

	m->filter.drops = all || options[OPT_DROPS];
	m->filter.flows = all || options[OPT_FLOWS];
	/* The agent's events have neither reason nor address. */
	m->agent_wanted = all && !options[OPT_REASON] && !options[OPT_ADDR];
	if (options[OPT_REASON]) {
		if (eventview_reason(options[OPT_REASON], &m->filter.reason, &err))
			return cli_fail(CLI_USAGE, "monitor: --reason: %s", err.text);
		m->filter.has_reason = true;
		m->filter.flows &= m->filter.reason == XM_FLOW_NEW;
	}
	if (options[OPT_ADDR]) {
		const char *text = options[OPT_ADDR];
		int code = strchr(text, '/') ? prefix_parse(text, &m->filter.addr, &err) :
					       addr_parse(text, &m->filter.addr.addr, &err);

		if (code)
			return cli_fail(CLI_USAGE, "monitor: --addr: %s", err.text);
		if (!strchr(text, '/'))
			m->filter.addr.plen = 128;
		m->filter.has_addr = true;
	}
	if (options[OPT_COUNT] && text_number(options[OPT_COUNT], 1, INT_MAX, &m->want, &err))
		return cli_fail(CLI_USAGE, "monitor: --count: %s", err.text);
	return CLI_DONE;
}

enum cli_exit cmd_monitor(struct cli *cli)
{
	auto_view struct view view = VIEW_NONE;
	struct monitor m = { .cli = cli, .view = &view };
	struct err err = { 0 };
	enum cli_exit code = parse(&m, cli->options);

	if (!code)
		code = view_open(cli, &view);
	if (!code && cli->options[OPT_CLUSTER])
		code = find_cluster(&m, cli->options[OPT_CLUSTER]);
	if (code)
		return code;
	if (monitor(&m, &err))
		return cli_fail(CLI_FAILED, "%s", err.text);
	return CLI_DONE;
}
