/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Command lines against the real command table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "cli/usage.h"
#include "core/defs.h"

#define MAX_ARGS 8

struct row {
	const char *name;
	const char *argv[MAX_ARGS];
	enum cli_exit exit;
	const char *cmd;     /* the row found; NULL with CLI_DONE: help */
	const char *says;    /* part of the error */
	size_t n_args;
};

static const struct row rows[] = {
	{ "a command of one word", { "status" }, CLI_DONE, "status", NULL, 0 },
	{ "a command of two words and its argument", { "route", "get", "10.0.0.1" }, CLI_DONE, "route get", NULL, 1 },
	{ "options of all commands stand before it", { "--json", "--config", "f", "status" }, CLI_DONE, "status", NULL, 0 },
	{ "and behind it", { "status", "--json", "--config=f" }, CLI_DONE, "status", NULL, 0 },
	{ "its own options stand between arguments", { "attach", "a", "--role", "pod", "b" }, CLI_DONE, "attach", NULL, 2 },
	{ "behind -- everything is an argument", { "attach", "--", "--role" }, CLI_DONE, "attach", NULL, 1 },
	{ "help for all", { "help" }, CLI_DONE, NULL, NULL, 0 },
	{ "help for one", { "help", "map", "dump" }, CLI_DONE, NULL, NULL, 0 },
	{ "no command", { NULL }, CLI_USAGE, NULL, "missing", 0 },
	{ "an unknown command is answered with the nearest", { "statsu" }, CLI_USAGE, NULL, "did you mean status", 0 },
	{ "half a command is answered with the other halves", { "feed" }, CLI_USAGE, NULL, "feed check", 0 },
	{ "an unknown option", { "status", "--jsn" }, CLI_USAGE, NULL, "--jsn", 0 },
	{ "an option of another command", { "status", "--role", "pod" }, CLI_USAGE, NULL, "--role", 0 },
	{ "an option without its value", { "attach", "a", "--role" }, CLI_USAGE, NULL, "value is missing", 0 },
	{ "a value that is none of the words", { "attach", "a", "--role", "node" }, CLI_USAGE, NULL, "underlay|pod", 0 },
	{ "a value for a switch", { "status", "--json=yes" }, CLI_USAGE, NULL, "takes no value", 0 },
	{ "an argument missing: the error shows the usage", { "route", "get" }, CLI_USAGE, NULL, "route get ADDR", 0 },
	{ "an argument too many", { "status", "x" }, CLI_USAGE, NULL, "too many", 0 },
};

static void check(void **state)
{
	const struct row *row = *state;
	char *argv[MAX_ARGS + 2] = { "xmesh" }, *mine[MAX_ARGS + 2];
	const struct cli_cmd *help = NULL;
	struct err err = { 0 };
	struct cli cli = { 0 };
	int argc = 1;

	while (argc <= MAX_ARGS && row->argv[argc - 1]) {
		/* The parser moves them about. */
		argv[argc] = mine[argc] = strdup(row->argv[argc - 1]);
		argc++;
	}
	assert_int_equal(usage_parse(argc, argv, &cli, &help, &err), row->exit);
	if (row->says && !strstr(err.text, row->says))
		fail_msg("\"%s\" does not say \"%s\"", err.text, row->says);
	if (!row->exit && row->cmd) {
		assert_non_null(cli.cmd);
		assert_string_equal(cli.cmd->name, row->cmd);
		assert_int_equal(cli.n_args, row->n_args);
	} else {
		assert_null(cli.cmd);
	}
	for (int i = 1; i < argc; i++)
		free(mine[i]);
}

static void values(void **state)
{
	char *argv[] = { "xmesh", "--instance", "one", "attach", "eth0", "--xdp=native", "--json" };
	const struct cli_cmd *help = NULL;
	struct cli cli;

	assert_int_equal(usage_parse(ARRAY_SIZE(argv), argv, &cli, &help, NULL), CLI_DONE);
	assert_true(cli.json);
	assert_string_equal(cli.instance, "one");
	assert_null(cli.options[0]);
	assert_string_equal(cli.options[1], "native");
	assert_string_equal(cli.args[0], "eth0");
}

static void table(void **state)
{
	auto_free char *text = NULL;
	char line[160];
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	usage_print(out);
	fclose(out);
	for (const struct cli_cmd *cmd = cli_cmds; cmd->name; cmd++) {
		usage_line(cmd, line, sizeof(line));
		assert_true(strlen(line) < sizeof(line) - 1);
		if (!strstr(text, line) || !strstr(text, cmd->help))
			fail_msg("the help does not hold %s", line);
		assert_non_null(cmd->run);
		assert_true(cmd->min_args <= cmd->max_args);
		/* It becomes one line of the help and of the man page. */
		assert_null(strchr(cmd->help, '\n'));
		assert_true(cmd->help[strlen(cmd->help) - 1] != '.');
	}
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows) + 2];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		tests[i] = (struct CMUnitTest){ rows[i].name, check, NULL, NULL, (void *)&rows[i] };
	tests[ARRAY_SIZE(rows)] = (struct CMUnitTest){ "values reach the command", values, NULL, NULL, NULL };
	tests[ARRAY_SIZE(rows) + 1] = (struct CMUnitTest){ "every row of the table is in the help", table, NULL, NULL, NULL };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
