/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Command lines: parsed against, and explained from, the command table. Writes only where it is
 * told to.
 */
#ifndef XMESH_CLI_USAGE_H
#define XMESH_CLI_USAGE_H

#include <stdio.h>

#include "cli/cli.h"

/* The row whose name are the first words of @words (at most two), NULL if there is none. */
const struct cli_cmd *usage_find(const char *const *words, size_t n, size_t *ret_used);
/* "attach IFACE... [--role underlay|pod] [--xdp off|auto|native|generic]" */
void usage_line(const struct cli_cmd *cmd, char *buf, size_t size);
/* All commands. */
void usage_print(FILE *out);
/* One command, with its options. */
void usage_print_cmd(const struct cli_cmd *cmd, FILE *out);

/*
 * Parse argv[1..]. CLI_DONE: *ret_cli is ready to run, or, with cmd NULL, help was asked for and
 * *ret_help is the command it is about (NULL = all). CLI_USAGE: @err says what is wrong.
 */
enum cli_exit usage_parse(int argc, char **argv, struct cli *ret_cli,
			  const struct cli_cmd **ret_help,
			  struct err *err);

#endif
