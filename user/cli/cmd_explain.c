/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * explain: what would become of a packet, and which entry of which feed decides it. Nothing is sent,
 * and no counter or flow changes: the programs run on it in a second load (plane/dryrun.h).
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "cli/explain.h"
#include "cli/serviceview.h"
#include "core/addr.h"
#include "core/defs.h"
#include "core/text.h"
#include "net/tables.h"
#include "plane/balance.h"
#include "plane/sockets.h"

enum { OPTION_FEED, OPTION_SIZE, OPTION_INTERFACE };

/* What one command holds on its way. */
struct job {
	struct view live;
	struct view proposed;        /* its tables are owned, all else is the live one's */
	const char *feed_cluster;    /* NULL: no feed was proposed */
	struct dryrun *dryrun;
	struct service_tables *tables;
	struct sockets_place *cgroups;
	struct explain_ask ask;
	struct explain_entry entry;
	struct fact_path path;
	struct dryrun_result result, socket;
	struct explain_story story;
	struct explain_case c;
	uint8_t frame[EXPLAIN_FRAME_MAX];
};

static void job_free(struct job **pjob)
{
	struct job *job = *pjob;

	if (!job)
		return;
	explain_story_done(&job->story);
	free(job->cgroups);
	if (job->tables)
		service_tables_free(job->tables);
	wanted_free(job->proposed.actual);
	dryrun_free(job->dryrun);
	view_done(&job->live);
	free(job);
}

#define auto_job __attribute__((cleanup(job_free)))

/* Only TCP and UDP sockets are given backends. */
static bool has_socket(const struct job *job)
{
	return (job->entry.from == EXPLAIN_POD || job->entry.from == EXPLAIN_HOST) &&
	       (job->ask.proto == IPPROTO_TCP || job->ask.proto == IPPROTO_UDP);
}

/* By which affinity knows the sockets of a namespace; that of a pod is not ours to ask. 0: not known. */
static uint64_t own_netns(void)
{
	auto_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	return fd >= 0 && !getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len) ? cookie : 0;
}

static int run_programs(struct job *job, struct err *err)
{
	const bool host = job->entry.from == EXPLAIN_HOST;
	struct dryrun_frame frame = { .data = job->frame, .ifindex = job->entry.hook.ifindex };
	int code = 0;

	if (has_socket(job)) {
		frame.netns = host ? own_netns() : 0;
		frame.len = explain_build(&job->ask, &job->entry.macs, NULL, job->frame);
		code = dryrun_run(job->dryrun, DRYRUN_SOCKET, &frame, &job->socket, err);
		if (code)
			return code;
		job->c.socket = &job->socket;
	}
	if (host)
		return 0;
	frame.len = explain_build(&job->ask, &job->entry.macs, job->entry.tunnelled ? &job->entry.tunnel : NULL, job->frame);
	code = dryrun_run(job->dryrun, job->entry.prog, &frame, &job->result, err);
	job->c.result = code ? NULL : &job->result;
	return code;
}

/* What the kernel itself does with what this host sends. */
static int ask_kernel(struct job *job, struct err *err)
{
	const struct xm_addr *chosen = &job->socket.trace.dst;
	const struct xm_addr *dst = job->c.socket && !xm_addr_is_zero(chosen) ? chosen : &job->ask.dst;
	struct nl *nl;
	int code = nl_open(&nl, err);

	if (code)
		return code;
	code = tables_path(nl, dst, &job->path, err);
	nl_close(nl);
	job->c.path = code ? NULL : &job->path;
	return code;
}

/* The programs that will be asked; of a proposed feed that is known only when its maps are filled. */
static uint32_t programs(const struct job *job, bool feed)
{
	uint32_t progs = has_socket(job) ? DRYRUN_ONLY(DRYRUN_SOCKET) : 0;

	if (feed)
		return DRYRUN_ALL;
	return job->entry.from == EXPLAIN_HOST ? progs : progs | DRYRUN_ONLY(job->entry.prog);
}

static enum cli_exit answer(const struct cli *cli, struct job *job)
{
	const char *feed = cli->options[OPTION_FEED], *ifname = cli->options[OPTION_INTERFACE];
	const struct view *view = &job->live;
	struct err err = { 0 };
	enum cli_exit exit = CLI_DONE;
	int code;

	if (!feed)
		exit = explain_entry(view, &job->ask, ifname, &job->entry);
	if (exit)
		return exit;
	code = dryrun_new(&job->live.plane, feed ? DRYRUN_PRIVATE : DRYRUN_LIVE, programs(job, feed), &job->dryrun, &err);
	if (code)
		return cli_fail(CLI_FAILED, "%s", err.text);
	if (feed) {
		exit = explain_feed(&job->live, job->dryrun, feed, &job->proposed, &job->feed_cluster);
		view = &job->proposed;
		if (!exit)
			exit = explain_entry(view, &job->ask, ifname, &job->entry);
	}
	if (exit)
		return exit;
	job->c = (struct explain_case){ .view = view, .ask = &job->ask, .entry = &job->entry };
	code = balance_read(&view->plane, &job->tables, &err);
	job->c.tables = job->tables;
	if (!code)
		code = sockets_list(&job->live.plane, &job->cgroups, &job->c.n_cgroups, &err);
	job->c.cgroups = job->cgroups;
	if (!code)
		code = run_programs(job, &err);
	if (!code && job->entry.from == EXPLAIN_HOST)
		code = ask_kernel(job, &err);
	if (code)
		return cli_fail(CLI_FAILED, "%s", err.text);
	if (explain_story(&job->c, &job->story))
		return cli_fail(CLI_FAILED, "out of memory");
	return CLI_DONE;
}

/* ---- the answer, for people and programs ------------------------------------------------------ */

static void emit_steps(struct emit *emit, const struct job *job)
{
	static const struct emit_column columns[] = {
		{ "number", "#", true },      { "step", "STEP", false },     { "text", "WHAT", false },
		{ "cluster", NULL, false },   { "feed", NULL, false },	     { "revision", NULL, false },
		{ "age_s", NULL, true },      { "from", "DECIDED BY", false },
	};

	emit_table(emit, "steps", NULL, columns, ARRAY_SIZE(columns), NULL);
	for (size_t i = 0; i < job->story.n_steps; i++) {
		const struct explain_step *s = &job->story.steps[i];
		const struct xm_cluster *c = s->cluster ? view_cluster(job->c.view, s->cluster) : NULL;
		uint64_t age = c ? view_age(job->c.view, c->since_s) : 0;
		char from[480], ago[24];

		if (c)
			snprintf(from, sizeof(from), "%.63s: %.255s%s%.71s, %s ago", c->name, c->origin,
				 c->revision[0] ? ", revision " : "", c->revision, text_age(age, ago, sizeof(ago)));
		emit_row(emit);
		emit_cell_number(emit, i + 1);
		emit_cell_text(emit, s->step);
		emit_cell_text(emit, s->text);
		emit_cell_text(emit, c ? c->name : NULL);
		emit_cell_text(emit, c ? c->origin : NULL);
		emit_cell_text(emit, c ? c->revision : NULL);
		if (c)
			emit_cell_age(emit, age);
		else
			emit_cell_text(emit, NULL);
		emit_cell_text(emit, c ? from : NULL);
	}
	emit_table_end(emit);
}

static void emit_packet(struct emit *emit, const struct job *job)
{
	char src[ADDR_TEXT_MAX], dst[ADDR_TEXT_MAX], proto[8];

	emit_object(emit, "packet", NULL);
	emit_text(emit, "source", NULL, addr_format(&job->ask.src, src));
	emit_text(emit, "destination", NULL, addr_format(&job->ask.dst, dst));
	emit_text(emit, "protocol", NULL, serviceview_proto(job->ask.proto, proto));
	emit_number(emit, "source_port", NULL, job->ask.sport);
	emit_number(emit, "destination_port", NULL, job->ask.dport);
	emit_number(emit, "size", NULL, job->ask.size);
	emit_object_end(emit);
}

/* For programs: the choice of @result, or null. */
static void emit_choice(struct emit *emit, const struct job *job, const char *key, const struct dryrun_result *result)
{
	static const char *const deciders[] = { "maglev", "flow", "affinity" };
	const struct xm_trace *t = result ? &result->trace : NULL;
	char text[SERVICEVIEW_ENDPOINT_MAX], name[132];
	struct explain_shares shares = { 0 };

	if (!t || !t->service) {
		emit_json(emit, key, NULL);
		return;
	}
	emit_object(emit, key, NULL);
	for (size_t i = 0; i < job->tables->n_services; i++) {
		const struct service_entry *s = &job->tables->services[i];

		if (s->number != t->service)
			continue;
		snprintf(name, sizeof(name), "%.63s/%.63s", s->name.space, s->name.name);
		emit_text(emit, "service", NULL, name);
		for (size_t k = 0; k < s->n_backends; k++) {
			const struct xm_backend *b = &s->backends[k].backend;

			if (!t->backend || s->backends[k].number != t->backend)
				continue;
			emit_text(emit, "backend", NULL, serviceview_endpoint(&b->addr, b->port, text));
			emit_text(emit, "cluster", NULL, view_cluster_name(job->c.view, b->cluster));
			emit_text(emit, "node", NULL, b->node ? view_node_name(job->c.view, b->node) : NULL);
		}
	}
	emit_bool(emit, "refused", NULL, !t->backend);
	emit_text(emit, "decided_by", NULL, t->from_flow < ARRAY_SIZE(deciders) ? deciders[t->from_flow] : NULL);
	emit_number(emit, "hash", NULL, t->hash);
	emit_number(emit, "slot", NULL, t->slot);
	emit_number(emit, "slots", NULL, t->slice_size);
	explain_shares(&job->c, t, &shares);
	emit_number(emit, "backend_slots", NULL, shares.backend);
	emit_number(emit, "cluster_slots", NULL, shares.cluster);
	emit_object_end(emit);
}

/* For programs: the frame that would leave, or null. */
static void emit_output(struct emit *emit, const struct job *job)
{
	char a[ADDR_TEXT_MAX];
	struct explain_seen seen;

	if (!job->c.result || strcmp(job->story.kind, "forward") ||
	    !explain_read(job->result.out, job->result.out_len, ntohs(job->c.view->actual->config.port), &seen)) {
		emit_json(emit, "output", NULL);
		return;
	}
	emit_object(emit, "output", NULL);
	emit_text(emit, "source", NULL, addr_format(&seen.src, a));
	emit_text(emit, "destination", NULL, addr_format(&seen.dst, a));
	emit_number(emit, "source_port", NULL, seen.sport);
	emit_number(emit, "destination_port", NULL, seen.dport);
	emit_number(emit, "ttl", NULL, seen.ttl);
	emit_number(emit, "size", NULL, seen.len);
	emit_bool(emit, "tunnelled", NULL, seen.tunnelled);
	emit_text(emit, "outer_source", NULL, seen.tunnelled ? addr_format(&seen.outer_src, a) : NULL);
	emit_text(emit, "outer_destination", NULL, seen.tunnelled ? addr_format(&seen.outer_dst, a) : NULL);
	emit_number(emit, "outer_size", NULL, seen.outer_len);
	emit_number(emit, "vni", NULL, seen.vni);
	emit_object_end(emit);
}

static void emit_answer(struct emit *emit, const struct cli *cli, const struct job *job)
{
	const struct explain_story *story = &job->story;
	char verdict[80];

	emit_packet(emit, job);
	if (job->feed_cluster) {
		emit_text(emit, "feed", "Proposed feed", cli->options[OPTION_FEED]);
		emit_text(emit, "feed_cluster", "For cluster", job->feed_cluster);
	}
	emit_steps(emit, job);
	emit_choice(emit, job, "service", job->c.result);
	emit_choice(emit, job, "socket", job->c.socket);
	emit_bool(emit, "sockets_attached", NULL, job->c.n_cgroups > 0);
	emit_output(emit, job);
	if (!cli->json)
		putchar('\n');
	if (story->reason)
		snprintf(verdict, sizeof(verdict), "%s (%s)", story->kind, story->reason);
	else
		snprintf(verdict, sizeof(verdict), "%s", story->kind);
	if (!cli->json)
		emit_text(emit, "", "Verdict", verdict);
	emit_text(emit, "verdict", NULL, story->kind);
	emit_text(emit, "reason", NULL, story->reason);
	emit_text(emit, "what", "That is", story->what);
	emit_bool(emit, "arrives", "Goes on", story->arrives);
}

enum cli_exit cmd_explain(struct cli *cli)
{
	auto_emit struct emit *emit = NULL;
	auto_job struct job *job = calloc(1, sizeof(*job));
	struct err err = { 0 };
	enum cli_exit exit;

	if (!job)
		return cli_fail(CLI_FAILED, "out of memory");
	if (explain_ask(cli->args[0], cli->args[1], cli->options[OPTION_SIZE], &job->ask, &err))
		return cli_fail(CLI_USAGE, "explain: %s", err.text);
	exit = view_open(cli, &job->live);
	if (!exit)
		exit = answer(cli, job);
	if (exit)
		return exit;
	emit = cli_emit(cli);
	emit_answer(emit, cli, job);
	return job->story.arrives ? CLI_DONE : CLI_NONE;
}
