/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What all commands share: from a command line to a function, and ways to configuration and maps. */
#include "cli/cli.h"

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/control.h"
#include "agent/lock.h"
#include "cli/usage.h"
#include "core/defs.h"

int cli_main(int argc, char **argv)
{
	const struct cli_cmd *help = NULL;
	struct err err = { 0 };
	struct cli cli;
	enum cli_exit code = usage_parse(argc, argv, &cli, &help, &err);

	/* A pager that was left early is no error of ours, and no reason for a core. */
	signal(SIGPIPE, SIG_IGN);
	if (code)
		return cli_fail(code, "%s", err.text);
	if (cli.cmd)
		return cli.cmd->run(&cli);
	if (help)
		usage_print_cmd(help, stdout);
	else
		usage_print(stdout);
	return CLI_DONE;
}

/* What a peer wrote may be quoted: it makes no second line and moves no cursor. */
static void say(const char *fmt, va_list args)
{
	char text[2 * ERR_TEXT_MAX];

	vsnprintf(text, sizeof(text), fmt, args);
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = ' ';
	fprintf(stderr, "xmesh: %s\n", text);
}

enum cli_exit cli_fail(enum cli_exit exit, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(fmt, args);
	va_end(args);
	return exit;
}

void cli_warn(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(fmt, args);
	va_end(args);
}

static bool is_instance(const char *name)
{
	size_t len = strlen(name);

	return len >= 1 && len <= 32 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

enum cli_exit cli_config(const struct cli *cli, bool required, struct config **ret_config)
{
	const char *path = cli->config_path ? cli->config_path : CONFIG_DEFAULT_PATH;
	struct config *config;
	struct err err = { 0 };
	int code;

	if (cli->instance && !is_instance(cli->instance))
		return cli_fail(CLI_USAGE, "--instance %s: 1 to 32 characters out of a-z, 0-9 and -",
				cli->instance);
	code = config_read(path, &config, &err);
	if (code == -ENOENT && !cli->config_path && !required)
		code = config_defaults(&config);
	if (code)
		return cli_fail(CLI_FAILED, "%s", err.text[0] ? err.text : strerror(-code));
	if (cli->instance)
		snprintf(config->instance, sizeof(config->instance), "%s", cli->instance);
	*ret_config = config;
	return CLI_DONE;
}

enum cli_exit cli_privileged(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };
	bool admin, bpf, net;

	if (syscall(SYS_capget, &header, data))
		return cli_fail(CLI_FAILED, "capabilities cannot be read: %s", strerror(errno));
	admin = data[CAP_TO_INDEX(CAP_SYS_ADMIN)].effective & CAP_TO_MASK(CAP_SYS_ADMIN);
	net = data[CAP_TO_INDEX(CAP_NET_ADMIN)].effective & CAP_TO_MASK(CAP_NET_ADMIN);
	bpf = data[CAP_TO_INDEX(CAP_BPF)].effective & CAP_TO_MASK(CAP_BPF);
	if ((admin || bpf) && net)
		return CLI_DONE;
	return cli_fail(CLI_FAILED, "needs root or CAP_BPF and CAP_NET_ADMIN");
}

enum cli_exit cli_open(const struct cli *cli, struct config **ret_config, struct plane *ret_plane)
{
	auto_config struct config *config = NULL;
	struct err err = { 0 };
	enum cli_exit code = cli_privileged();

	if (!code)
		code = cli_config(cli, false, &config);
	if (code)
		return code;
	if (plane_open(config->bpffs, config->instance, ret_plane, &err))
		return cli_fail(CLI_FAILED, "%s", err.text);
	*ret_config = take(config);
	return CLI_DONE;
}

int cli_ask(const struct config *config, const char *request, json_object **ret_answer, struct err *err)
{
	auto_free char *path = lock_socket_path(config);

	if (!path)
		return err_set(err, -ENOMEM, "out of memory");
	return control_ask(path, request, ret_answer, err);
}

void cli_config_free(struct config **config)
{
	config_free(*config);
}

void cli_emit_free(struct emit **emit)
{
	emit_free(*emit);
}

void cli_json_put(json_object **object)
{
	json_object_put(*object);
}

void cli_plane_close(struct plane *plane)
{
	if (plane->dir[0])
		plane_close(plane);
}

struct emit *cli_emit(const struct cli *cli)
{
	struct emit *emit;

	if (emit_new(cli->json, stdout, &emit)) {
		fputs("xmesh: out of memory\n", stderr);
		exit(CLI_FAILED);
	}
	return emit;
}
