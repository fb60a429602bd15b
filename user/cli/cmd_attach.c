/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* attach, detach: programs on single interfaces of a host without an agent. */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "agent/bare.h"
#include "cli/cli.h"

static bool is_underlay(const struct config *config, const char *ifname)
{
	for (size_t i = 0; i < config->n_underlay; i++)
		if (!strcmp(config->underlay[i], ifname))
			return true;
	return false;
}

static bool is_pod(const struct config *config, const char *ifname)
{
	for (size_t i = 0; i < config->n_pod_globs; i++)
		if (!fnmatch(config->pod_globs[i], ifname, 0))
			return true;
	return false;
}

/* As asked for, else as configured. */
static enum cli_exit find_role(const struct cli *cli, const struct config *config, const char *ifname,
			       enum attach_role *ret_role)
{
	const char *role = cli->options[0];

	if (role ? !strcmp(role, "underlay") : is_underlay(config, ifname))
		*ret_role = ATTACH_UNDERLAY;
	else if (role || is_pod(config, ifname))
		*ret_role = ATTACH_POD;
	else
		return cli_fail(CLI_USAGE,
				"attach %s: it is not in underlay: and matches nothing of pods.interfaces: say "
				"--role underlay or --role pod",
				ifname);
	return CLI_DONE;
}

static enum config_xdp find_xdp(const struct cli *cli, const struct config *config)
{
	const char *mode = cli->options[1];

	if (!mode)
		return config->xdp;
	if (!strcmp(mode, "native"))
		return CONFIG_XDP_NATIVE;
	if (!strcmp(mode, "generic"))
		return CONFIG_XDP_GENERIC;
	return strcmp(mode, "auto") ? CONFIG_XDP_OFF : CONFIG_XDP_AUTO;
}

static enum cli_exit attach_one(const struct cli *cli, const char *ifname, struct emit *emit)
{
	auto_config struct config *config = NULL;
	enum attach_role role = ATTACH_POD;
	struct notes notes = { 0 };
	struct err err = { 0 };
	/* Read for each interface, as bare_attach() makes it its own. */
	enum cli_exit code = cli_config(cli, false, &config);

	if (!code)
		code = find_role(cli, config, ifname, &role);
	if (code)
		return code;
	if (bare_attach(config, ifname, role, find_xdp(cli, config), &notes, &err))
		code = cli_fail(CLI_FAILED, "attach %s: %s", ifname, err.text);
	for (size_t i = 0; i < notes.n; i++)
		cli_warn("attach %s: %s", ifname, notes.v[i]);
	notes_done(&notes);
	if (code)
		return code;
	emit_row(emit);
	emit_cell_text(emit, ifname);
	emit_cell_text(emit, role == ATTACH_UNDERLAY ? "underlay" : "pod");
	return CLI_DONE;
}

enum cli_exit cmd_attach(struct cli *cli)
{
	static const struct emit_column columns[] = { { "interface", "ATTACHED", false }, { "role", "ROLE", false } };
	auto_emit struct emit *emit = NULL;
	enum cli_exit code = cli_privileged();

	if (code)
		return code;
	emit = cli_emit(cli);
	emit_table(emit, "attached", NULL, columns, sizeof(columns) / sizeof(columns[0]), NULL);
	for (size_t i = 0; i < cli->n_args && !code; i++)
		code = attach_one(cli, cli->args[i], emit);
	emit_table_end(emit);
	return code;
}

enum cli_exit cmd_detach(struct cli *cli)
{
	bool all = cli->options[0], purge = cli->options[1];
	auto_config struct config *config = NULL;
	struct err err = { 0 };
	enum cli_exit code;

	if (all ? cli->n_args > 0 : !cli->n_args)
		return cli_fail(CLI_USAGE, "detach: either interfaces or --all");
	if (purge && !all)
		return cli_fail(CLI_USAGE, "detach: --purge goes with --all only");
	code = cli_privileged();
	if (!code)
		code = cli_config(cli, false, &config);
	if (code)
		return code;
	if (all && bare_detach_all(config, purge, &err))
		return cli_fail(CLI_FAILED, "detach: %s", err.text);
	for (size_t i = 0; i < cli->n_args; i++)
		if (bare_detach(config, cli->args[i], &err))
			code = cli_fail(CLI_FAILED, "detach %s: %s", cli->args[i], err.text);
	if (!code && cli->json)
		emit_free(cli_emit(cli));
	return code;
}
