/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is wrong with a monitor's filters is said before anything is looked at. Events: eventview.c, tests/e2e. */
#include "command.h"

static const struct command_row rows[] = {
	{ "a reason that there is not", { "monitor", "--reason", "no_such" }, CLI_USAGE, "monitor: --reason: " },
	{ "an address that is none", { "monitor", "--addr", "300.1.1.1" }, CLI_USAGE, "monitor: --addr: " },
	{ "a prefix that is too long", { "monitor", "--addr", "10.0.0.0/33" }, CLI_USAGE, "monitor: --addr: " },
	{ "no event at all is not a count", { "monitor", "--count", "0" }, CLI_USAGE, "monitor: --count: " },
	{ "nor is a word", { "monitor", "--count", "many" }, CLI_USAGE, "monitor: --count: " },
	{ "an option without its value", { "monitor", "--count" }, CLI_USAGE, "value is missing" },
	{ "an argument too many", { "monitor", "drops" }, CLI_USAGE, "too many" },
	{ "usage comes before what is not there", { "monitor", "--reason", "no_such", "--instance", "none" }, CLI_USAGE,
	  "monitor: --reason: " },
	{ "an unknown cluster, and the nearest", { "monitor", "--cluster", "wst" }, CLI_NONE,
	  "there is no cluster wst: did you mean west: `xmesh peer list` lists them" },
	{ "an unknown cluster, and none is near", { "monitor", "--cluster", "antarctica" }, CLI_NONE,
	  "there is no cluster antarctica: `xmesh peer list` lists them" },
};

COMMAND_MAIN(rows)
