/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* agent, apply: the reconciler, staying or once. */
#include <stdio.h>

#include "agent/agent.h"
#include "agent/nodump.h"
#include "agent/once.h"
#include "cli/cli.h"

enum cli_exit cmd_agent(struct cli *cli)
{
	auto_config struct config *config = NULL;
	struct err err = { 0 };
	enum cli_exit code = cli_privileged();

	/* Read here as well, for --instance and for its errors. */
	if (!code)
		code = cli_config(cli, true, &config);
	if (code)
		return code;
	nodump();
	if (agent_run(config->file, cli->instance, &err))
		return cli_fail(CLI_FAILED, "%s", err.text);
	return CLI_DONE;
}

static void emit_turn(struct emit *emit, const struct engine_turn *turn, bool dry_run)
{
	emit_bool(emit, "dry_run", NULL, dry_run);
	emit_number(emit, "map_entries", dry_run ? NULL : "Map entries", turn->map_ops);
	emit_number(emit, "kernel_puts", dry_run ? NULL : "Kernel puts", turn->kernel_puts);
	emit_number(emit, "kernel_deletes", dry_run ? NULL : "Kernel deletes", turn->kernel_deletes);
	emit_number(emit, "attached", dry_run ? NULL : "Attached", turn->attached);
	emit_number(emit, "detached", dry_run ? NULL : "Detached", turn->detached);
	emit_number(emit, "duration_us", NULL, turn->duration_ns / 1000);
	if (dry_run)
		emit_list(emit, "plan", NULL, (const char *const *)turn->lines.v, turn->lines.n,
			  "nothing to do");
	emit_list(emit, "notes", "Notes", (const char *const *)turn->notes.v, turn->notes.n, NULL);
}

enum cli_exit cmd_apply(struct cli *cli)
{
	bool dry_run = cli->options[0] != NULL;
	auto_config struct config *config = NULL;
	struct once once;
	struct emit *emit;
	struct err err = { 0 };
	enum cli_exit code = cli_privileged();

	if (!code)
		code = cli_config(cli, true, &config);
	if (code)
		return code;
	for (size_t i = 0; i < config->n_warnings; i++)
		cli_warn("%s", config->warnings[i]);
	if (once_run(config, dry_run, &once, &err))
		return cli_fail(CLI_FAILED, "%s", err.text);
	for (size_t i = 0; i < once.failed.n; i++)
		cli_fail(CLI_FAILED, "%s", once.failed.v[i]);
	code = once.failed.n || once.turn.failures ? CLI_FAILED : CLI_DONE;
	emit = cli_emit(cli);
	emit_turn(emit, &once.turn, dry_run);
	emit_free(emit);
	once_done(&once);
	return code;
}
