/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Command lines: parsed against, and explained from, the command table. */
#include "cli/usage.h"

#include <string.h>

#include "core/defs.h"
#include "core/text.h"

const struct cli_cmd *usage_find(const char *const *words, size_t n, size_t *ret_used)
{
	for (const struct cli_cmd *cmd = cli_cmds; cmd->name; cmd++) {
		const char *space = strchr(cmd->name, ' ');

		if (!space) {
			if (n && !strcmp(cmd->name, words[0])) {
				*ret_used = 1;
				return cmd;
			}
			continue;
		}
		if (n >= 2 && strlen(words[0]) == (size_t)(space - cmd->name) &&
		    !memcmp(cmd->name, words[0], space - cmd->name) && !strcmp(space + 1, words[1])) {
			*ret_used = 2;
			return cmd;
		}
	}
	return NULL;
}

/* "role underlay|pod" */
static void option_text(const struct cli_option *option, char *buf, size_t size)
{
	size_t len = snprintf(buf, size, "--%s", option->name);

	if (option->words) {
		for (size_t i = 0; option->words[i] && len < size; i++)
			len += snprintf(buf + len, size - len, "%s%s", i ? "|" : " ", option->words[i]);
	} else if (option->value && len < size) {
		snprintf(buf + len, size - len, " %s", option->value);
	}
}

void usage_line(const struct cli_cmd *cmd, char *buf, size_t size)
{
	size_t len = snprintf(buf, size, "%s%s%s", cmd->name, cmd->args[0] ? " " : "", cmd->args);
	char text[80];

	for (const struct cli_option *o = cmd->options; o->name && len < size; o++) {
		option_text(o, text, sizeof(text));
		len += snprintf(buf + len, size - len, " [%s]", text);
	}
}

static void print_options(const struct cli_option *options, FILE *out)
{
	char text[80];

	for (const struct cli_option *o = options; o->name; o++) {
		option_text(o, text, sizeof(text));
		fprintf(out, "  %-36s  %s\n", text, o->help);
	}
}

void usage_print(FILE *out)
{
	char line[160];

	fputs("Usage: xmesh [--json] [--config FILE] [--instance NAME] COMMAND\n\n"
	      "Joins the pod networks of several clusters in the kernel.\n\nCommands:\n", out);
	for (const struct cli_cmd *cmd = cli_cmds; cmd->name; cmd++) {
		usage_line(cmd, line, sizeof(line));
		if (strlen(line) <= 28)
			fprintf(out, "  %-28s  %s\n", line, cmd->help);
		else
			fprintf(out, "  %s\n  %-28s  %s\n", line, "", cmd->help);
	}
	fputs("\nOptions:\n", out);
	print_options(cli_globals, out);
	fputs("\nExit status: 0 done, 1 failed, 2 wrong usage, 3 no such thing.\n", out);
}

void usage_print_cmd(const struct cli_cmd *cmd, FILE *out)
{
	char line[160];

	usage_line(cmd, line, sizeof(line));
	fprintf(out, "Usage: xmesh %s\n\n%s.\n", line, cmd->help);
	if (cmd->more)
		fprintf(out, "%s\n", cmd->more);
	fputs("\nOptions:\n", out);
	print_options(cmd->options, out);
	print_options(cli_globals, out);
}

/* ---- parsing ------------------------------------------------------------------------------- */

struct walk {
	int argc, at;
	char **argv;
	struct cli *cli;
	bool help;
	struct err *err;
};

static const struct cli_option *find_option(const struct cli_option *options, const char *name, size_t len)
{
	for (; options && options->name; options++)
		if (strlen(options->name) == len && !memcmp(options->name, name, len))
			return options;
	return NULL;
}

static bool is_word(const struct cli_option *option, const char *value)
{
	if (!option->words)
		return true;
	for (size_t i = 0; option->words[i]; i++)
		if (!strcmp(option->words[i], value))
			return true;
	return false;
}

/* The option at argv[at]; leaves at behind it and its value. */
static enum cli_exit take_option(struct walk *walk)
{
	const struct cli_option *own = walk->cli->cmd ? walk->cli->cmd->options : NULL;
	char *arg = walk->argv[walk->at++], *name = arg + 2, *equals = strchr(name, '=');
	size_t len = equals ? (size_t)(equals - name) : strlen(name);
	const struct cli_option *option;
	const char *value = "";
	char text[80];

	if (!strcmp(arg, "-h")) {
		walk->help = true;
		return CLI_DONE;
	}
	option = strncmp(arg, "--", 2) ? NULL : find_option(own, name, len);
	if (!option && !strncmp(arg, "--", 2))
		option = find_option(cli_globals, name, len);
	if (!option) {
		err_set(walk->err, -1, "no option %s here", arg);
		return CLI_USAGE;
	}
	option_text(option, text, sizeof(text));
	if (!option->value && equals) {
		err_set(walk->err, -1, "%s takes no value", text);
		return CLI_USAGE;
	}
	if (option->value) {
		if (!equals && walk->at >= walk->argc) {
			err_set(walk->err, -1, "%s: the value is missing", text);
			return CLI_USAGE;
		}
		value = equals ? equals + 1 : walk->argv[walk->at++];
		if (!is_word(option, value)) {
			err_set(walk->err, -1, "%s: not \"%s\"", text, value);
			return CLI_USAGE;
		}
	}
	if (own && option >= own && option < own + CLI_MAX_OPTIONS)
		walk->cli->options[option - own] = value;
	else if (!strcmp(option->name, "json"))
		walk->cli->json = true;
	else if (!strcmp(option->name, "config"))
		walk->cli->config_path = value;
	else if (!strcmp(option->name, "instance"))
		walk->cli->instance = value;
	else
		walk->help = true;
	return CLI_DONE;
}

static enum cli_exit no_command(const char *const *words, size_t n, struct err *err)
{
	char nouns[32][16], said[128], group[160] = "";
	const char *near_words[33], *names[65], *near;
	size_t n_nouns = 0, n_names = 0, len = 0;

	for (const struct cli_cmd *cmd = cli_cmds; cmd->name; cmd++) {
		size_t noun = strcspn(cmd->name, " ");

		if (n_names < ARRAY_SIZE(names) - 1)
			names[n_names++] = cmd->name;
		if (cmd->name[noun] && strlen(words[0]) == noun && !memcmp(cmd->name, words[0], noun) &&
		    len < sizeof(group))
			len += snprintf(group + len, sizeof(group) - len, "%s%s", len ? ", " : "", cmd->name);
		if (n_nouns < ARRAY_SIZE(nouns)) {
			snprintf(nouns[n_nouns], sizeof(nouns[0]), "%.*s", (int)noun, cmd->name);
			near_words[n_nouns] = nouns[n_nouns];
			n_nouns++;
		}
	}
	names[n_names] = NULL;
	near_words[n_nouns] = NULL;
	if (group[0]) {
		err_set(err, -1, "%s needs one of: %s", words[0], group);
		return CLI_USAGE;
	}
	snprintf(said, sizeof(said), "%s%s%s", words[0], n > 1 ? " " : "", n > 1 ? words[1] : "");
	near = text_nearest(said, names);
	if (!near)
		near = text_nearest(words[0], near_words);
	err_set(err, -1, "no command \"%s\"%s%s%s", words[0], near ? "; did you mean " : "", near ? near : "",
		near ? "?" : ", see xmesh --help");
	return CLI_USAGE;
}

enum cli_exit usage_parse(int argc, char **argv, struct cli *ret_cli, const struct cli_cmd **ret_help,
			  struct err *err)
{
	struct cli cli = { 0 };
	struct walk walk = { .argc = argc, .at = 1, .argv = argv, .cli = &cli, .err = err };
	const char *words[2];
	size_t n_words = 0, used = 0, n_args = 0;
	bool literal = false;

	while (walk.at < argc && argv[walk.at][0] == '-' && argv[walk.at][1])
		if (take_option(&walk))
			return CLI_USAGE;
	if (walk.at < argc && !strcmp(argv[walk.at], "help")) {
		walk.help = true;
		walk.at++;
	}
	for (int i = walk.at; i < argc && n_words < ARRAY_SIZE(words) && argv[i][0] != '-'; i++)
		words[n_words++] = argv[i];
	if (n_words) {
		cli.cmd = usage_find(words, n_words, &used);
		if (!cli.cmd)
			return no_command(words, n_words, err);
	} else if (!walk.help) {
		err_set(err, -1, "a command is missing");
		return CLI_USAGE;
	}
	walk.at += used;
	cli.args = argv + walk.at;
	while (walk.at < argc) {
		char *arg = argv[walk.at];

		if (!literal && !strcmp(arg, "--")) {
			literal = true;
			walk.at++;
		} else if (!literal && arg[0] == '-' && arg[1]) {
			if (take_option(&walk))
				return CLI_USAGE;
		} else {
			cli.args[n_args++] = arg;
			walk.at++;
		}
	}
	cli.n_args = n_args;
	if (walk.help) {
		*ret_help = cli.cmd;
		cli.cmd = NULL;
		*ret_cli = cli;
		return CLI_DONE;
	}
	if (n_args < cli.cmd->min_args || n_args > cli.cmd->max_args) {
		char line[160];

		usage_line(cli.cmd, line, sizeof(line));
		err_set(err, -1, "%s: %s; usage: xmesh %s", cli.cmd->name,
			n_args < cli.cmd->min_args ? "an argument is missing" : "too many arguments", line);
		return CLI_USAGE;
	}
	*ret_cli = cli;
	return CLI_DONE;
}
