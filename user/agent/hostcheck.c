/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What on this host stands in the way of the slow path. */
#include "agent/hostcheck.h"

#include <stdio.h>
#include <string.h>

#include "core/defs.h"
#include "net/device.h"
#include "net/firewall.h"

void hostcheck_read(const char *device, const char *const *underlay, size_t n_underlay,
		    struct hostcheck *ret_check)
{
	struct hostcheck check = { 0 };
	struct firewall_report report = { 0 };
	struct err err = { 0 };
	char **sysctls = NULL;
	size_t n_sysctls = 0;

	if (firewall_read(device, &report, &err)) {
		notes_add(&check.notes, "firewall rules could not be read: %s", err.text);
		check.incomplete = true;
	} else {
		notes_add_all(&check.notes, report.notes, report.n_notes);
		check.policy_engine = report.policy_engine;
		check.incomplete = report.incomplete;
		snprintf(check.policy_why, sizeof(check.policy_why), "%s", report.policy_why);
		firewall_report_done(&report);
	}
	if (!device_check_sysctls(underlay, n_underlay, &sysctls, &n_sysctls)) {
		notes_add_all(&check.notes, sysctls, n_sysctls);
		for (size_t i = 0; i < n_sysctls; i++)
			free(sysctls[i]);
		free(sysctls);
	}
	*ret_check = check;
}

void hostcheck_config(const struct config *config, struct hostcheck *ret_check)
{
	const char *names[CONFIG_MAX_UNDERLAY];

	for (size_t i = 0; i < config->n_underlay; i++)
		names[i] = config->underlay[i];
	hostcheck_read(config->device, names, config->n_underlay, ret_check);
}

void hostcheck_follow(struct hostcheck *check, const struct hostcheck *before)
{
	if (!check->incomplete || check->policy_engine)
		return;
	check->policy_engine = before->policy_engine;
	memcpy(check->policy_why, before->policy_why, sizeof(check->policy_why));
}

void hostcheck_done(struct hostcheck *check)
{
	notes_done(&check->notes);
	*check = (struct hostcheck){ 0 };
}
