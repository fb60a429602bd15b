/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What all commands share: the command table's row, arguments as parsed, exit codes, ways to
 * configuration and maps.
 */
#ifndef XMESH_CLI_CLI_H
#define XMESH_CLI_CLI_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

#include "cli/emit.h"
#include "core/err.h"
#include "model/config.h"
#include "plane/plane.h"

enum cli_exit { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_NONE = 3 };

#define CLI_MAX_OPTIONS 8

struct cli_option {
	const char *name;            /* without "--"; NULL = end of the list */
	const char *value;           /* what it takes, as in "MODE"; NULL = a switch */
	const char *const *words;    /* the values allowed, NULL-terminated; NULL = any */
	const char *help;
};

struct cli {
	const struct cli_cmd *cmd;
	bool json;
	const char *config_path;     /* --config, NULL = the default path */
	const char *instance;        /* --instance, NULL = as configured */
	char **args;                 /* what is neither option nor command word */
	size_t n_args;
	const char *options[CLI_MAX_OPTIONS]; /* by index in cmd->options; "": a given switch */
};

struct cli_cmd {
	const char *name;            /* "route get" */
	const char *args;            /* "ADDR"; IFACE, PATH and MAP are completed */
	const char *help;            /* one line */
	const char *more;            /* for `xmesh CMD --help`, NULL = none */
	enum cli_exit (*run)(struct cli *cli);
	size_t min_args, max_args;
	struct cli_option options[CLI_MAX_OPTIONS + 1];
};

/* The table, ended by a row without a name. It also prints the help and the completion. */
extern const struct cli_cmd cli_cmds[];
extern const struct cli_option cli_globals[];

/* All of main(): parse, dispatch. */
int cli_main(int argc, char **argv);

/* Say "xmesh: ..." on stderr, in one line without control characters, and return @exit. */
enum cli_exit cli_fail(enum cli_exit exit, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* The same where the command goes on. */
void cli_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * The configuration with --instance in it. Without a file at the default path: the defaults,
 * unless @required.
 */
enum cli_exit cli_config(const struct cli *cli, bool required, struct config **ret_config);
/* CLI_DONE when this process may touch BPF maps and the network, else says what it needs. */
enum cli_exit cli_privileged(void);
/*
 * Privileges, configuration and the pinned maps. The caller frees the config and closes the plane.
 */
enum cli_exit cli_open(const struct cli *cli, struct config **ret_config, struct plane *ret_plane);
/* Ask the agent of @config; -ENOENT or -ECONNREFUSED: none runs. */
int cli_ask(const struct config *config, const char *request, json_object **ret_answer,
	    struct err *err);

/* What cleanup attributes need. */
void cli_config_free(struct config **config);
void cli_emit_free(struct emit **emit);
void cli_json_put(json_object **object);
#define auto_config __attribute__((cleanup(cli_config_free)))
#define auto_emit __attribute__((cleanup(cli_emit_free)))
#define auto_json __attribute__((cleanup(cli_json_put)))
#define auto_plane __attribute__((cleanup(cli_plane_close)))
#define CLI_PLANE_NONE { .dir = "" }
void cli_plane_close(struct plane *plane);
/* An emitter on stdout; NULL never: ends the process when there is no memory. */
struct emit *cli_emit(const struct cli *cli);

/* One function per row of the table. */
enum cli_exit cmd_agent(struct cli *cli);
enum cli_exit cmd_apply(struct cli *cli);
enum cli_exit cmd_publish(struct cli *cli);
enum cli_exit cmd_attach(struct cli *cli);
enum cli_exit cmd_detach(struct cli *cli);
enum cli_exit cmd_status(struct cli *cli);
enum cli_exit cmd_map_list(struct cli *cli);
enum cli_exit cmd_map_dump(struct cli *cli);
enum cli_exit cmd_map_get(struct cli *cli);
enum cli_exit cmd_route_list(struct cli *cli);
enum cli_exit cmd_route_get(struct cli *cli);
enum cli_exit cmd_endpoint_list(struct cli *cli);
enum cli_exit cmd_endpoint_add(struct cli *cli);
enum cli_exit cmd_endpoint_del(struct cli *cli);
enum cli_exit cmd_service_list(struct cli *cli);
enum cli_exit cmd_service_get(struct cli *cli);
enum cli_exit cmd_flow_list(struct cli *cli);
enum cli_exit cmd_flow_flush(struct cli *cli);
enum cli_exit cmd_peer_list(struct cli *cli);
enum cli_exit cmd_peer_get(struct cli *cli);
enum cli_exit cmd_feed_list(struct cli *cli);
enum cli_exit cmd_feed_check(struct cli *cli);
enum cli_exit cmd_feed_diff(struct cli *cli);
enum cli_exit cmd_feed_accept(struct cli *cli);
enum cli_exit cmd_explain(struct cli *cli);
enum cli_exit cmd_doctor(struct cli *cli);
enum cli_exit cmd_latency(struct cli *cli);
enum cli_exit cmd_metrics(struct cli *cli);
enum cli_exit cmd_monitor(struct cli *cli);
enum cli_exit cmd_config_check(struct cli *cli);
enum cli_exit cmd_version(struct cli *cli);
enum cli_exit cmd_completion(struct cli *cli);

#endif
