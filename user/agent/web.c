/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* /metrics, /healthz, /api/mesh and /, out of what the agent holds. */
#include "agent/web.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/http.h"
#include "agent/meshview.h"
#include "agent/metrics.h"
#include "core/defs.h"
#include "core/log.h"

/* The page is a part of the binary; the Makefile knows that this file depends on it. */
__asm__(".pushsection .rodata\n"
	".global web_page_begin, web_page_end\n"
	"web_page_begin: .incbin \"user/agent/page.html\"\n"
	"web_page_end: .byte 0\n"
	".popsection\n");
extern const char web_page_begin[], web_page_end[];

/* What a worker makes an answer of: the status is the worker's alone from then on. */
struct begun { const struct plane *plane; json_object *status; };

static void *begin(void *user)
{
	struct agent *agent = user;
	struct begun *begun = calloc(1, sizeof(*begun));

	if (!begun)
		return NULL;
	begun->plane = engine_plane(agent->engine);
	begun->status = state_status(agent);
	return begun;
}

static void begun_free(struct begun *begun)
{
	json_object_put(begun->status);
	free(begun);
}

static void say(struct http_answer *answer, unsigned int status, const char *text)
{
	answer->status = status;
	answer->type = "text/plain; charset=utf-8";
	if (asprintf(&answer->body, "%s\n", text) < 0)
		answer->body = NULL;
	else
		answer->len = strlen(answer->body);
}

static void work_metrics(void *user, struct http_answer *answer)
{
	struct begun *begun = user;
	struct err err = { 0 };

	if (metrics_format(begun->plane, begun->status, &answer->body, &answer->len, &err)) {
		say(answer, 500, err.text);
	} else {
		answer->status = 200;
		answer->type = "text/plain; version=0.0.4; charset=utf-8";
	}
	begun_free(begun);
}

static void work_mesh(void *user, struct http_answer *answer)
{
	struct begun *begun = user;
	struct err err = { 0 };
	json_object *mesh;
	const char *text;

	if (meshview(begun->plane, begun->status, &mesh, &err)) {
		say(answer, 500, err.text);
	} else {
		text = json_object_to_json_string_ext(mesh, JSON_C_TO_STRING_PLAIN);
		answer->status = 200;
		answer->type = "application/json";
		answer->body = text ? strdup(text) : NULL;
		answer->len = answer->body ? strlen(answer->body) : 0;
		json_object_put(mesh);
	}
	begun_free(begun);
}

static void page(void *user, struct http_answer *answer)
{
	*answer = (struct http_answer){ .status = 200, .type = "text/html; charset=utf-8",
					.body = (char *)web_page_begin,
					.len = (size_t)(web_page_end - web_page_begin), .constant = true };
}

static const char *text_of(const json_object *object, const char *key)
{
	json_object *found = NULL;

	json_object_object_get_ex(object, key, &found);
	return found ? json_object_get_string(found) : "";
}

/* A feed that does not answer well, or that has not for too long, is what an operator should see. */
static void feeds_health(const struct agent *agent, struct notes *ill)
{
	json_object *feeds = feeds_status(agent->feeds);

	for (size_t i = 0; i < json_object_array_length(feeds); i++) {
		const json_object *feed = json_object_array_get_idx(feeds, i);
		const char *state = text_of(feed, "state"), *error = text_of(feed, "error");

		if (!strcmp(state, "failing") || !strcmp(state, "refused") || !strcmp(state, "stale") ||
		    !strcmp(state, "held") || !strcmp(state, "removed") || !strcmp(text_of(feed, "stale"), "true"))
			notes_add(ill, "the feed of cluster %s is %s%s%s", text_of(feed, "cluster"), state,
				  error[0] ? ": " : "", error);
	}
	json_object_put(feeds);
}

static void health(void *user, struct http_answer *answer)
{
	struct agent *agent = user;
	struct notes ill = { 0 };
	FILE *out = open_memstream(&answer->body, &answer->len);

	if (!out)
		return;
	if (!agent->ready)
		notes_add(&ill, "not ready: nothing was applied yet");
	if (agent->pace.failed_in_row)
		notes_add(&ill, "the last turn failed: %s",
			  agent->n_errors ? agent->errors[agent->n_errors - 1].text : "");
	feeds_health(agent, &ill);
	for (size_t i = 0; i < ill.n; i++)
		fprintf(out, "%s\n", ill.v[i]);
	if (!ill.n)
		fputs("ok\n", out);
	fclose(out);
	answer->status = ill.n ? 503 : 200;
	answer->type = "text/plain; charset=utf-8";
	notes_done(&ill);
}

static const struct http_page pages[] = {
	{ .path = "/", .now = page },
	{ .path = "/healthz", .now = health },
	{ .path = "/metrics", .begin = begin, .work = work_metrics },
	{ .path = "/api/mesh", .begin = begin, .work = work_mesh },
	{ .path = NULL },
};

_Static_assert(ARRAY_SIZE(pages) <= HTTP_PAGES, "http.c keeps who waits for each page");

void web_follow(struct agent *agent)
{
	const char *listen = agent->config->metrics_listen;
	struct err err = { 0 };

	if (agent->web_listen && !strcmp(agent->web_listen, listen) && agent->web)
		return;
	web_close(agent);
	if (!listen[0] || !strcmp(listen, "off"))
		return;
	if (http_serve(&agent->loop, listen, pages, agent, &agent->web, &err)) {
		log_warn("%s", err.text);
		agent->web_error = strdup(err.text);
		return;
	}
	agent->web_listen = strdup(listen);
}

void web_close(struct agent *agent)
{
	http_stop(agent->web);
	agent->web = NULL;
	free(agent->web_listen);
	free(agent->web_error);
	agent->web_listen = agent->web_error = NULL;
}
