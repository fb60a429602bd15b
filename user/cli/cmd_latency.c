/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * latency: what the programs measured, as a heat map of clusters, or the histograms of one cluster or
 * service; once, or each second until SIGINT. From the pinned maps alone: an agent need not run.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "cli/latencyview.h"
#include "core/defs.h"
#include "core/text.h"
#include "core/vec.h"
#include "plane/actual.h"

enum { OPT_CLUSTER, OPT_SERVICE, OPT_WATCH };

#define SERVICE_TEXT_MAX 132
#define DEFAULT_COLUMNS 80

struct screen {
	struct cli *cli;
	struct view *view;
	struct latencyview_pick pick;
	bool colour;
	int columns;
	char name[SERVICE_TEXT_MAX];
};

static uint16_t cluster_of(void *user, uint32_t node)
{
	const struct screen *s = user;
	const struct xm_node_name *name = view_node(s->view, node);

	return name ? name->cluster : 0;
}

static const char *cluster_name(void *user, uint32_t id)
{
	const struct screen *s = user;

	return view_cluster_name(s->view, id);
}

static const char *service_name(void *user, uint32_t number)
{
	struct screen *s = user;
	struct xm_service_name name;

	if (!number)
		return "(no service)";
	if (bpf_map_lookup_elem(s->view->plane.map_fd[PLANE_xm_service_names], &number, &name))
		snprintf(s->name, sizeof(s->name), "#%u", number);
	else
		snprintf(s->name, sizeof(s->name), "%.63s/%.63s", name.space, name.name);
	return s->name;
}

/* ---- what was asked for ---------------------------------------------------------------------- */

/* @words is NULL-terminated, its items the caller's. */
static enum cli_exit no_such(const char *what, const char *word, char **words, const char *list)
{
	const char *near = text_nearest(word, (const char *const *)words);

	if (near)
		return cli_fail(CLI_NONE, "there is no %s %s: did you mean %s? `xmesh %s` lists them", what, word,
				near, list);
	return cli_fail(CLI_NONE, "there is no %s %s: `xmesh %s` lists them", what, word, list);
}

static enum cli_exit find_cluster(struct screen *s, const char *word)
{
	const struct wanted *actual = s->view->actual;
	auto_free char **words = calloc(actual->n_clusters + 1, sizeof(*words));

	if (!words)
		return cli_fail(CLI_FAILED, "out of memory");
	for (size_t i = 0; i < actual->n_clusters; i++) {
		words[i] = actual->clusters[i].cluster.name;
		if (strcmp(words[i], word))
			continue;
		s->pick.has_cluster = true;
		s->pick.cluster = actual->clusters[i].id;
		return CLI_DONE;
	}
	return no_such("cluster", word, words, "peer list");
}

static enum cli_exit find_service(struct screen *s, const char *word)
{
	const int fd = s->view->plane.map_fd[PLANE_xm_service_names];
	uint32_t number, *at = NULL;
	char **words = NULL;
	size_t n = 0;
	enum cli_exit code;

	for (; !bpf_map_get_next_key(fd, at, &number); at = &number) {
		const char *name = service_name(s, number);

		if (!strcmp(name, word)) {
			s->pick.has_service = true;
			s->pick.service = number;
			vec_free_notes(words, n);
			return CLI_DONE;
		}
		if (vec_note(&words, &n, "%s", name))
			break;
	}
	if (vec_grow(&words, n, sizeof(*words))) {
		vec_free_notes(words, n);
		return cli_fail(CLI_FAILED, "out of memory");
	}
	words[n] = NULL;
	code = no_such("global service", word, words, "service list");
	vec_free_notes(words, n);
	return code;
}

/* ---- one look -------------------------------------------------------------------------------- */

static bool is_detail(const struct screen *s)
{
	return s->pick.has_cluster || s->pick.has_service;
}

static enum latencyview_by list_by(const struct screen *s)
{
	return s->pick.has_cluster ? LATENCYVIEW_SERVICE : LATENCYVIEW_CLUSTER;
}

static int group(struct screen *s, const struct latencyview_sample *sample, enum latencyview_by by,
		 struct latencyview_groups *ret_groups)
{
	return latencyview_group(sample, &s->pick, by, cluster_of, s, ret_groups);
}

static int draw(struct screen *s, const struct latencyview_sample *sample)
{
	const bool probes = !s->pick.has_service;
	struct latencyview_groups all = { 0 }, list = { 0 };
	int code = 0;

	if (is_detail(s)) {
		code = group(s, sample, LATENCYVIEW_ALL, &all);
		if (!code)
			latencyview_draw(stdout, &all.v[0], probes, s->columns, s->colour);
	}
	/* Of one service in one cluster there is nothing to list. */
	if (!code && !(s->pick.has_cluster && s->pick.has_service)) {
		code = group(s, sample, list_by(s), &list);
		if (!code && is_detail(s))
			fputc('\n', stdout);
		if (!code && s->pick.has_cluster)
			latencyview_map(stdout, &list, "SERVICE", service_name, s, false, s->colour);
		else if (!code)
			latencyview_map(stdout, &list, "CLUSTER", cluster_name, s, probes, s->colour);
	}
	free(all.v);
	free(list.v);
	return code;
}

static void add_list(struct screen *s, json_object *o, const struct latencyview_groups *list)
{
	json_object *array = json_object_new_array();
	const bool services = s->pick.has_cluster;

	for (size_t i = 0; i < list->n; i++) {
		const uint32_t id = list->v[i].id;
		json_object *item = json_object_new_object();

		if (services)
			json_object_object_add(item, "service",
					       id ? json_object_new_string(service_name(s, id)) : NULL);
		else
			json_object_object_add(item, "cluster", json_object_new_string(cluster_name(s, id)));
		json_object_object_add(item, services ? "number" : "id", json_object_new_uint64(id));
		latencyview_json(item, &list->v[i], !services && !s->pick.has_service);
		json_object_array_add(array, item);
	}
	json_object_object_add(o, services ? "services" : "clusters", array);
}

static int describe(struct screen *s, const struct latencyview_sample *sample, json_object *o)
{
	struct latencyview_groups all = { 0 }, list = { 0 };
	int code = 0;

	if (s->pick.has_cluster)
		json_object_object_add(o, "cluster", json_object_new_string(s->cli->options[OPT_CLUSTER]));
	if (s->pick.has_service)
		json_object_object_add(o, "service", json_object_new_string(s->cli->options[OPT_SERVICE]));
	if (is_detail(s)) {
		code = group(s, sample, LATENCYVIEW_ALL, &all);
		if (!code)
			latencyview_json(o, &all.v[0], !s->pick.has_service);
	}
	if (!code && !(s->pick.has_cluster && s->pick.has_service)) {
		code = group(s, sample, list_by(s), &list);
		if (!code)
			add_list(s, o, &list);
	}
	free(all.v);
	free(list.v);
	return code;
}

static void print_json(json_object *o, int flags)
{
	puts(json_object_to_json_string_ext(o, flags | JSON_C_TO_STRING_NOSLASHESCAPE));
}

static int show_once(struct screen *s, struct err *err)
{
	struct latencyview_sample sample = { 0 };
	int code = latencyview_read(&s->view->plane, &sample, err);

	if (code)
		return code;
	if (s->cli->json) {
		auto_json json_object *o = json_object_new_object();

		code = describe(s, &sample, o);
		if (!code)
			print_json(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED);
	} else {
		code = draw(s, &sample);
	}
	latencyview_done(&sample);
	return code ? err_set(err, code, "out of memory") : 0;
}

/* ---- each second ----------------------------------------------------------------------------- */

static void measure(struct screen *s)
{
	struct winsize size;

	s->columns = DEFAULT_COLUMNS;
	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_col)
		s->columns = size.ws_col;
}

static int show_pair(struct screen *s, const struct latencyview_sample *last,
		     const struct latencyview_sample *total, bool redraw)
{
	int code;

	if (s->cli->json) {
		auto_json json_object *o = json_object_new_object();
		json_object *a = json_object_new_object(), *b = json_object_new_object();

		json_object_object_add(o, "time_s", json_object_new_int64(time(NULL)));
		json_object_object_add(o, "last", a);
		json_object_object_add(o, "total", b);
		code = describe(s, last, a);
		if (!code)
			code = describe(s, total, b);
		if (!code)
			print_json(o, JSON_C_TO_STRING_PLAIN);
		return code;
	}
	if (redraw)
		fputs("\033[H\033[J", stdout);
	puts("The last second");
	code = draw(s, last);
	if (code)
		return code;
	puts("\nSince the maps were made");
	code = draw(s, total);
	if (!redraw)
		putchar('\n');
	return code;
}

/* Names may have changed with the feeds. */
static int look_again(struct view *view, struct err *err)
{
	struct wanted *actual;
	int code = actual_read(&view->plane, &actual, err);

	if (code)
		return code;
	wanted_free(view->actual);
	view->actual = actual;
	return 0;
}

static int watch(struct screen *s, const sigset_t *ends, bool redraw, struct err *err)
{
	const struct timespec second = { .tv_sec = 1 };
	struct latencyview_sample before = { 0 };
	int code = latencyview_read(&s->view->plane, &before, err);

	while (!code && sigtimedwait(ends, NULL, &second) < 0) {
		struct latencyview_sample now = { 0 }, last = { 0 };

		code = look_again(s->view, err);
		if (!code)
			code = latencyview_read(&s->view->plane, &now, err);
		if (code)
			break;
		measure(s);
		code = latencyview_since(&now, &before, &last);
		if (!code)
			code = show_pair(s, &last, &now, redraw);
		if (code)
			err_set(err, code, "out of memory");
		latencyview_done(&last);
		latencyview_done(&before);
		before = now;
		/* Whoever read the pipe has left. */
		if (fflush(stdout) || ferror(stdout))
			break;
	}
	latencyview_done(&before);
	return code;
}

static int show_watch(struct screen *s, struct err *err)
{
	const bool redraw = isatty(STDOUT_FILENO) && !s->cli->json;
	sigset_t ends;
	int code;

	/* Blocked and waited for: the terminal is put right before the end. */
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGHUP);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	if (redraw) {
		fputs("\033[?1049h\033[?25l\033[H\033[J", stdout);
		fflush(stdout);
	}
	code = watch(s, &ends, redraw, err);
	if (redraw) {
		fputs("\033[?25h\033[?1049l", stdout);
		fflush(stdout);
	}
	return code;
}

enum cli_exit cmd_latency(struct cli *cli)
{
	auto_view struct view view = VIEW_NONE;
	const char *no_colour = getenv("NO_COLOR");
	struct screen s = { .cli = cli, .view = &view };
	struct err err = { 0 };
	enum cli_exit code = view_open(cli, &view);

	if (!code && cli->options[OPT_CLUSTER])
		code = find_cluster(&s, cli->options[OPT_CLUSTER]);
	if (!code && cli->options[OPT_SERVICE])
		code = find_service(&s, cli->options[OPT_SERVICE]);
	if (code)
		return code;
	s.colour = isatty(STDOUT_FILENO) && !(no_colour && no_colour[0]);
	measure(&s);
	if (cli->options[OPT_WATCH] ? show_watch(&s, &err) : show_once(&s, &err))
		return cli_fail(CLI_FAILED, "%s", err.text);
	return CLI_DONE;
}
