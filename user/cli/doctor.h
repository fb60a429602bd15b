/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The parts of `xmesh doctor`: each looks at one subject and writes rows. */
#ifndef XMESH_CLI_DOCTOR_H
#define XMESH_CLI_DOCTOR_H

#include "cli/cli.h"
#include "cli/view.h"

enum doctor_result { DOCTOR_OK, DOCTOR_WARN, DOCTOR_BAD, DOCTOR_SKIPPED };

struct doctor {
	struct emit *emit;       /* inside of the table of checks */
	const struct cli *cli;
	const struct config *config;
	size_t bad, warnings;
	char first[2048];        /* the first thing that is wrong, "" = none */
};

/* One row: what is looked at ("feed tcp"), of what ("west https://..."), and a sentence. */
void doctor_row(struct doctor *d, const char *check, const char *subject, enum doctor_result result,
		const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* Kernel, clock, agent, hooks, firewall and sysctls. @view NULL: no pinned state. */
void doctor_host(struct doctor *d, const struct view *view, const json_object *status);
/*
 * Every source of every cluster from DNS to the first complete snapshot, by a connection of our own:
 * nothing of a running agent's is touched. Steps after the first that fails are skipped.
 */
void doctor_feeds(struct doctor *d, const json_object *status);
/* The largest packet that nodes of @peer (NULL = all) answer to, against what pods are told. */
void doctor_mtu(struct doctor *d, const struct view *view, const char *peer);

/*
 * The parts of "https://[2001:db8::1]:2379": host without brackets. The port is 443 or 80 unless given.
 * -EINVAL.
 */
int doctor_url(const char *url, char ret_host[256], char ret_port[6]);

#endif
