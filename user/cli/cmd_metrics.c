/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* metrics: the text of agent/metrics.h on the terminal, with or without an agent. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/metrics.h"
#include "cli/agentview.h"
#include "core/defs.h"

/* NAME{LABELS} VALUE, or NAME VALUE: a row of the table. */
static void emit_line(struct emit *emit, char *line)
{
	char *value = strrchr(line, ' '), *labels = strchr(line, '{');

	if (line[0] == '#' || !value)
		return;
	*value++ = '\0';
	if (labels) {
		*labels++ = '\0';
		labels[strlen(labels) - 1] = '\0';
	}
	emit_row(emit);
	emit_cell_text(emit, line);
	emit_cell_text(emit, labels ? labels : "");
	emit_cell_text(emit, value);
}

static void emit_samples(struct emit *emit, char *text)
{
	static const struct emit_column columns[] = {
		{ "name", NULL, false }, { "labels", NULL, false }, { "value", NULL, false },
	};
	char *line;

	emit_table(emit, "samples", NULL, columns, ARRAY_SIZE(columns), NULL);
	while ((line = strsep(&text, "\n")))
		emit_line(emit, line);
}

enum cli_exit cmd_metrics(struct cli *cli)
{
	auto_config struct config *config = NULL;
	auto_plane struct plane plane = CLI_PLANE_NONE;
	auto_json json_object *status = NULL;
	auto_emit struct emit *emit = NULL;
	auto_free char *text = NULL;
	struct err err = { 0 };
	enum cli_exit exit = cli_open(cli, &config, &plane);
	size_t len;
	int code;

	if (exit)
		return exit;
	code = agentview_status(config, &status, &err);
	if (code && code != -ENOENT)
		cli_warn("%s", err.text);
	if (metrics_format(&plane, status, &text, &len, &err))
		return cli_fail(CLI_FAILED, "%s", err.text);
	if (cli->json) {
		emit = cli_emit(cli);
		emit_samples(emit, text);
		return CLI_DONE;
	}
	fwrite(text, 1, len, stdout);
	return fflush(stdout) ? CLI_FAILED : CLI_DONE;
}
