/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* publish: our own cluster into an etcd, staying or once. */
#include "agent/publish.h"
#include "cli/cli.h"

enum cli_exit cmd_publish(struct cli *cli)
{
	bool once = cli->options[0] != NULL;
	const char *path = cli->config_path ?: CONFIG_DEFAULT_PATH;
	struct publish_result result;
	struct err err = { 0 };
	struct emit *emit;

	if (!once)
		return publish_run(path, &err) ? cli_fail(CLI_FAILED, "%s", err.text) : CLI_DONE;
	if (publish_once(path, &result, &err))
		return cli_fail(CLI_FAILED, "%s", err.text);
	emit = cli_emit(cli);
	emit_number(emit, "objects", "Objects", result.objects);
	emit_text(emit, "revision", "Revision", result.revision);
	emit_free(emit);
	return CLI_DONE;
}
