/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which cluster and service a look is of, and exit codes. What is drawn: latencyview.c, histview.c. */
#include "command.h"

static const struct command_row rows[] = {
	{ "all clusters, of which nothing was measured", { "latency" }, CLI_DONE, NULL },
	{ "one cluster", { "latency", "--cluster", "west" }, CLI_DONE, NULL },
	{ "one service, as JSON", { "--json", "latency", "--service", "shop/web" }, CLI_DONE, NULL },
	{ "one service in one cluster", { "latency", "--service", "shop/web", "--cluster", "east" }, CLI_DONE, NULL },
	{ "an unknown cluster, and the nearest", { "latency", "--cluster", "wst" }, CLI_NONE,
	  "there is no cluster wst: did you mean west? `xmesh peer list` lists them" },
	{ "an unknown cluster, and none is near", { "latency", "--cluster", "antarctica" }, CLI_NONE,
	  "there is no cluster antarctica: `xmesh peer list` lists them" },
	{ "an unknown service, and the nearest", { "latency", "--service", "shop/wep" }, CLI_NONE,
	  "there is no global service shop/wep: did you mean shop/web? `xmesh service list` lists them" },
	{ "a service without its namespace", { "latency", "--service", "antarctica" }, CLI_NONE,
	  "there is no global service antarctica: `xmesh service list` lists them" },
	{ "a value for a switch", { "latency", "--watch=5" }, CLI_USAGE, "takes no value" },
	{ "an option without its value", { "latency", "--service" }, CLI_USAGE, "value is missing" },
	{ "an argument too many", { "latency", "west" }, CLI_USAGE, "too many" },
};

COMMAND_MAIN(rows)
