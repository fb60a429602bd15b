/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* feed accept: let a held snapshot pass, that one and no other. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/agentview.h"
#include "core/defs.h"

/* NULL: no such cluster. */
static const json_object *find_feed(const json_object *status, const char *cluster)
{
	const json_object *feeds = agentview_member(status, "feeds");

	for (size_t i = 0; feeds && i < json_object_array_length(feeds); i++) {
		const json_object *feed = json_object_array_get_idx(feeds, i);

		if (!strcmp(agentview_text(feed, "cluster"), cluster))
			return feed;
	}
	return NULL;
}

static enum cli_exit ask(const struct config *config, const char *cluster, const char *digest)
{
	auto_json json_object *request = json_object_new_object();
	auto_json json_object *reply = NULL;
	struct err err = { 0 };

	json_object_object_add(request, "do", json_object_new_string("accept"));
	json_object_object_add(request, "cluster", json_object_new_string(cluster));
	json_object_object_add(request, "digest", json_object_new_string(digest));
	if (cli_ask(config, json_object_to_json_string_ext(request, JSON_C_TO_STRING_PLAIN), &reply, &err))
		return cli_fail(CLI_FAILED, "%s", err.text);
	if (json_object_get_boolean(agentview_member(reply, "ok")))
		return CLI_DONE;
	return cli_fail(json_object_get_boolean(agentview_member(reply, "none")) ? CLI_NONE : CLI_FAILED, "%s",
			agentview_text(reply, "error"));
}

static void emit_held(const struct cli *cli, const char *cluster, const json_object *held)
{
	auto_emit struct emit *emit = cli_emit(cli);

	emit_text(emit, "cluster", "Cluster", cluster);
	emit_text(emit, "revision", "Revision", agentview_text(held, "revision"));
	emit_text(emit, "digest", "Digest", agentview_text(held, "digest"));
	emit_text(emit, "source", "Source", agentview_text(held, "source"));
	emit_number(emit, "prefixes_before", "Prefixes before", agentview_number(held, "prefixes_before"));
	emit_number(emit, "prefixes", "  accepted", agentview_number(held, "prefixes"));
	emit_number(emit, "backends_before", "Backends before", agentview_number(held, "backends_before"));
	emit_number(emit, "backends", "  accepted", agentview_number(held, "backends"));
}

enum cli_exit cmd_feed_accept(struct cli *cli)
{
	const char *cluster = cli->args[0], *wanted = cli->n_args > 1 ? cli->args[1] : NULL;
	auto_config struct config *config = NULL;
	auto_json json_object *status = NULL;
	const json_object *feed, *held;
	struct err err = { 0 };
	enum cli_exit exit = cli_privileged();
	int code;

	if (!exit)
		exit = cli_config(cli, false, &config);
	if (exit)
		return exit;
	code = agentview_status(config, &status, &err);
	if (code == -ENOENT)
		return cli_fail(CLI_FAILED, "no agent runs: it is the agent that holds a feed back");
	if (code)
		return cli_fail(CLI_FAILED, "%s", err.text);
	feed = find_feed(status, cluster);
	if (!feed)
		return cli_fail(CLI_NONE, "there is no cluster %s", cluster);
	held = agentview_member(feed, "held");
	if (!held)
		return cli_fail(CLI_NONE, "nothing is held of the feed of cluster %s", cluster);
	if (wanted && strcmp(wanted, agentview_text(held, "revision")) &&
	    strcmp(wanted, agentview_text(held, "digest")))
		return cli_fail(CLI_FAILED, "what is held of cluster %s is revision %s, not %s: look again", cluster,
				agentview_text(held, "revision"), wanted);
	exit = ask(config, cluster, agentview_text(held, "digest"));
	if (!exit)
		emit_held(cli, cluster, held);
	return exit;
}
