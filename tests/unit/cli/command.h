/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whole command lines as rows, against pinned maps that hold clusters east and west and the service
 * shop/web: the exit code, and what is said on stderr. What they print goes nowhere.
 */
#ifndef XMESH_UNIT_CLI_COMMAND_H
#define XMESH_UNIT_CLI_COMMAND_H

#include "unit/plane/host.h"

#include <fcntl.h>

#include "cli/cli.h"

#define COMMAND_ARGS 8

struct command_row {
	const char *name;
	const char *argv[COMMAND_ARGS];
	enum cli_exit exit;
	const char *says; /* part of it; NULL = nothing */
};

static struct plane command_plane;
static char command_config[96];

static inline int command_setup(void **state)
{
	static const char *const names[] = { "east", "west" };
	struct xm_service_name service = { .space = "shop", .name = "web" };
	uint32_t number = 1;
	FILE *file;

	if (host_setup(state))
		return -1;
	if (geteuid())
		return 0;
	command_plane = host_load();
	for (uint32_t id = 1; id <= 2; id++) {
		struct xm_cluster cluster = { .revision = "1" };

		strcpy(cluster.name, names[id - 1]);
		assert_int_equal(bpf_map_update_elem(command_plane.map_fd[PLANE_xm_clusters], &id, &cluster, BPF_ANY),
				 0);
	}
	assert_int_equal(bpf_map_update_elem(command_plane.map_fd[PLANE_xm_service_names], &number, &service, BPF_ANY),
			 0);
	snprintf(command_config, sizeof(command_config), "%s.yaml", host_bpffs);
	file = fopen(command_config, "w");
	assert_non_null(file);
	fprintf(file, "cluster: {name: east, id: 1}\nbpffs: %s\ninstance: unit\n", host_bpffs);
	fclose(file);
	return 0;
}

static inline int command_teardown(void **state)
{
	if (!geteuid()) {
		unlink(command_config);
		host_clean(&command_plane);
	}
	return host_teardown(state);
}

static inline void command_check(void **state)
{
	const struct command_row *row = *state;
	char *argv[COMMAND_ARGS + 4] = { "xmesh", "--config", command_config }, *mine[COMMAND_ARGS], said[1024];
	int out = dup(STDOUT_FILENO), err_fd = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY), fds[2], exit;
	int argc = 3;
	size_t n_mine = 0;
	ssize_t n;

	host_need_root();
	for (size_t i = 0; i < COMMAND_ARGS && row->argv[i]; i++)
		argv[argc++] = mine[n_mine++] = strdup(row->argv[i]);
	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
	fflush(stdout);
	dup2(null, STDOUT_FILENO);
	dup2(fds[1], STDERR_FILENO);
	exit = cli_main(argc, argv);
	fflush(stdout);
	dup2(out, STDOUT_FILENO);
	dup2(err_fd, STDERR_FILENO);
	n = read(fds[0], said, sizeof(said) - 1);
	said[n > 0 ? n : 0] = '\0';
	close(fds[0]);
	close(fds[1]);
	close(null);
	close(out);
	close(err_fd);
	while (n_mine)
		free(mine[--n_mine]);
	if (exit != (int)row->exit)
		fail_msg("exit code %d, expected %d: %s", exit, row->exit, said);
	if (row->says ? !strstr(said, row->says) : said[0])
		fail_msg("\"%s\" is said, expected %s", said, row->says ? row->says : "nothing");
}

#define COMMAND_MAIN(rows)                                                                         \
	int main(void)                                                                             \
	{                                                                                          \
		struct CMUnitTest tests[sizeof(rows) / sizeof(*(rows))];                           \
                                                                                                   \
		for (size_t i = 0; i < sizeof(rows) / sizeof(*(rows)); i++)                        \
			tests[i] = (struct CMUnitTest){ (rows)[i].name, command_check, NULL, NULL, \
							(void *)&(rows)[i] };                      \
		return cmocka_run_group_tests(tests, command_setup, command_teardown);             \
	}

#endif
