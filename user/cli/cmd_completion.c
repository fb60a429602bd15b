/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* completion bash: a script made from the command table, so that the two cannot differ. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static void print_words(const struct cli_option *options)
{
	for (; options->name; options++)
		printf(" --%s", options->name);
}

/* First words, and the second words of each first one that has some. */
static void print_tree(void)
{
	const char *last = "";

	printf("\tlocal first=\"help");
	for (const struct cli_cmd *cmd = cli_cmds; cmd->name; cmd++) {
		size_t len = strcspn(cmd->name, " ");

		if (strlen(last) > len && !strncmp(last, cmd->name, len) && last[len] == ' ')
			continue;
		printf(" %.*s", (int)len, cmd->name);
		last = cmd->name;
	}
	printf("\"\n\tdeclare -A second=(");
	last = "";
	for (const struct cli_cmd *cmd = cli_cmds; cmd->name; cmd++) {
		size_t len = strcspn(cmd->name, " ");

		if (!cmd->name[len])
			continue;
		/* The rows of one group stand together in the table. */
		if (strncmp(last, cmd->name, len + 1))
			printf("%s [%.*s]=\"", last[0] ? "\"" : "", (int)len, cmd->name);
		printf(" %s", cmd->name + len + 1);
		last = cmd->name;
	}
	printf("\"");
	printf(" )\n");
}

/* What stands at the place of an argument, by the word that the table uses for it. */
static const char *argument_words(const char *args)
{
	if (strstr(args, "IFACE"))
		return "$(ls /sys/class/net)";
	if (strstr(args, "MAP"))
		return "$maps";
	if (!strcmp(args, "bash"))
		return "bash";
	return "";
}

static void print_commands(void)
{
	printf("\tcase $cmd in\n");
	for (const struct cli_cmd *cmd = cli_cmds; cmd->name; cmd++) {
		printf("\t\"%s\")\n\t\twords=\"%s\" options=\"", cmd->name, argument_words(cmd->args));
		print_words(cmd->options);
		printf("\"\n");
		for (const struct cli_option *o = cmd->options; o->name; o++) {
			if (!o->value)
				continue;
			printf("\t\t[ \"$prev\" != --%s ] || only=\"", o->name);
			for (size_t i = 0; o->words && o->words[i]; i++)
				printf("%s%s", i ? " " : "", o->words[i]);
			printf("%s\"\n", o->words ? "" : argument_words(o->value));
		}
		if (strstr(cmd->args, "PATH"))
			printf("\t\tfiles=1\n");
		printf("\t\t;;\n");
	}
	printf("\tesac\n");
}

enum cli_exit cmd_completion(struct cli *cli)
{
	if (strcmp(cli->args[0], "bash"))
		return cli_fail(CLI_USAGE, "completion: only bash, not \"%s\"", cli->args[0]);
	printf("# bash completion for xmesh; load it with: source <(xmesh completion bash)\n"
	       "_xmesh() {\n"
	       "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
	       "\tlocal cmd=\"\" group=\"\" words=\"\" options=\"\" only=\"\" files=\"\" i w maps=\"");
	for (int i = 0; i < PLANE_MAP_COUNT; i++)
		printf("%s%s", i ? " " : "", plane_map_names[i]);
	printf("\"\n");
	print_tree();
	printf("\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	       "\t\tw=${COMP_WORDS[i]}\n"
	       "\t\tcase $w in\n"
	       "\t\t--config | --instance) i=$((i + 1)) ;;\n"
	       "\t\t-*) ;;\n"
	       "\t\t*)\n"
	       "\t\t\tif [ -n \"$group\" ]; then cmd=\"$group $w\" group=\"\"\n"
	       "\t\t\telif [ -z \"$cmd\" ]; then\n"
	       "\t\t\t\tif [ -n \"${second[$w]:-}\" ]; then group=$w; else cmd=$w; fi\n"
	       "\t\t\tfi ;;\n"
	       "\t\tesac\n"
	       "\tdone\n");
	print_commands();
	printf("\toptions=\"$options");
	print_words(cli_globals);
	printf("\"\n"
	       "\tif [ \"$prev\" = --config ]; then files=1 words=\"\" options=\"\"\n"
	       "\telif [ -n \"$only\" ]; then words=$only options=\"\"\n"
	       "\telif [ -n \"$group\" ]; then words=${second[$group]}\n"
	       "\telif [ -z \"$cmd\" ]; then words=$first\n"
	       "\tfi\n"
	       "\tcase $cur in -*) words=$options ;; esac\n"
	       "\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
	       "\t[ -z \"$files\" ] || mapfile -t -O \"${#COMPREPLY[@]}\" COMPREPLY < <(compgen -f -- \"$cur\")\n"
	       "}\n"
	       "complete -o filenames -F _xmesh xmesh\n");
	return CLI_DONE;
}
