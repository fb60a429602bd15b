/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * doctor: looks at everything that xmesh depends on, and names the first thing that is wrong. Sends
 * packets (echoes to nodes, connections to the feeds' servers) but changes nothing.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/agentview.h"
#include "cli/doctor.h"
#include "core/defs.h"

static const char *result_text(enum doctor_result result)
{
	switch (result) {
	case DOCTOR_OK:
		return "ok";
	case DOCTOR_WARN:
		return "warning";
	case DOCTOR_BAD:
		return "bad";
	case DOCTOR_SKIPPED:
		return "skipped";
	}
	return "?";
}

void doctor_row(struct doctor *d, const char *check, const char *subject, enum doctor_result result,
		const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	d->bad += result == DOCTOR_BAD;
	d->warnings += result == DOCTOR_WARN;
	if (result == DOCTOR_BAD && !d->first[0])
		snprintf(d->first, sizeof(d->first), "%s%s%s: %s", check, subject ? " of " : "",
			 subject ? subject : "", text);
	emit_row(d->emit);
	emit_cell_text(d->emit, result_text(result));
	emit_cell_text(d->emit, check);
	emit_cell_text(d->emit, subject);
	emit_cell_text(d->emit, text);
}

enum cli_exit cmd_doctor(struct cli *cli)
{
	static const struct emit_column columns[] = {
		{ "result", "RESULT", false }, { "check", "CHECK", false },
		{ "subject", "OF", false },    { "what", "WHAT", false },
	};
	auto_config struct config *config = NULL;
	auto_view struct view view = VIEW_NONE;
	auto_json json_object *status = NULL;
	auto_emit struct emit *emit = NULL;
	const char *peer = cli->options[0];
	struct doctor d = { .cli = cli };
	bool pinned;
	enum cli_exit code = cli_privileged();

	if (!code)
		code = cli_config(cli, true, &config);
	if (code)
		return code;
	for (size_t i = 0; peer && i <= config->n_peers; i++) {
		const struct config_cluster *c = i ? &config->peers[i - 1] : &config->own;

		if (!strcmp(peer, c->name))
			break;
		if (i == config->n_peers)
			return cli_fail(CLI_NONE, "there is no cluster %s: see `xmesh peer list`", peer);
	}
	pinned = !view_open(cli, &view);
	agentview_status(config, &status, NULL);
	d.config = config;
	d.emit = emit = cli_emit(cli);
	emit_table(emit, "checks", NULL, columns, ARRAY_SIZE(columns), NULL);
	doctor_host(&d, pinned ? &view : NULL, status);
	doctor_feeds(&d, status);
	if (pinned)
		doctor_mtu(&d, &view, peer);
	else
		doctor_row(&d, "mtu", NULL, DOCTOR_SKIPPED, "no pinned tables say which nodes there are");
	emit_table_end(emit);
	emit_number(emit, "bad", NULL, d.bad);
	emit_number(emit, "warnings", NULL, d.warnings);
	emit_text(emit, "first", d.bad ? "First problem" : NULL, d.bad ? d.first : NULL);
	return d.bad ? CLI_FAILED : CLI_DONE;
}
