/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* doctor: the kernel, the clock, the agent and its hooks, firewall and sysctls of this host. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/timex.h>
#include <sys/utsname.h>

#include "agent/hostcheck.h"
#include "agent/lock.h"
#include "cli/agentview.h"
#include "cli/doctor.h"
#include "plane/attach.h"
#include "plane/features.h"

static void look_at_kernel(struct doctor *d)
{
	struct features features;
	struct utsname name = { .release = "" };
	size_t lacking = 0;

	uname(&name);
	features_probe(&features);
#define ROW(field, text, needed)                                                                           \
	if (!features.field) {                                                                             \
		doctor_row(d, "kernel", name.release, needed ? DOCTOR_BAD : DOCTOR_WARN,                   \
			   "lacks %s", text);                                                              \
		lacking++;                                                                                 \
	}
	FEATURES(ROW)
#undef ROW
	if (!lacking)
		doctor_row(d, "kernel", name.release, DOCTOR_OK, "has everything that xmesh can use");
}

/* Certificates and ages of feeds are judged by it. */
static void look_at_clock(struct doctor *d)
{
	struct timex timex = { .modes = 0 };

	if (adjtimex(&timex) == TIME_ERROR)
		doctor_row(d, "clock", NULL, DOCTOR_WARN,
			   "the kernel does not know it as synchronised: run chrony or systemd-timesyncd");
	else
		doctor_row(d, "clock", NULL, DOCTOR_OK, "synchronised within %ld us", timex.maxerror);
}

static void look_at_agent(struct doctor *d, const json_object *status)
{
	pid_t holder = lock_holder(d->config);

	if (status && json_object_get_boolean(agentview_member(status, "ready")))
		doctor_row(d, "agent", d->config->instance, DOCTOR_OK, "runs, pid %llu",
			   (unsigned long long)agentview_number(status, "pid"));
	else if (status)
		doctor_row(d, "agent", d->config->instance, DOCTOR_BAD,
			   "runs, but has not applied anything yet: see its log");
	else if (holder)
		doctor_row(d, "agent", d->config->instance, DOCTOR_BAD,
			   "process %d holds the instance but does not answer", holder);
	else
		doctor_row(d, "agent", d->config->instance, DOCTOR_WARN,
			   "does not run: traffic goes on as the last one left it, changes are not followed");
}

static void look_at_hooks(struct doctor *d, const struct view *view)
{
	struct attach_hook *hooks = NULL;
	struct err err = { 0 };
	size_t n = 0, old = 0;

	if (!view) {
		doctor_row(d, "hooks", NULL, DOCTOR_BAD,
			   "nothing is loaded for instance %s: start the agent, or `xmesh apply`",
			   d->config->instance);
		return;
	}
	if (attach_list(&view->plane, &hooks, &n, &err)) {
		doctor_row(d, "hooks", NULL, DOCTOR_BAD, "%s", err.text);
		return;
	}
	for (size_t k = 0; k < d->config->n_underlay; k++) {
		bool found = false;

		for (size_t i = 0; i < n; i++)
			found |= !strcmp(hooks[i].ifname, d->config->underlay[k]);
		if (!found)
			doctor_row(d, "hooks", d->config->underlay[k], DOCTOR_BAD,
				   "no program is attached to this underlay interface");
	}
	for (size_t i = 0; i < n; i++)
		old += !hooks[i].current;
	if (old)
		doctor_row(d, "hooks", NULL, DOCTOR_WARN,
			   "%zu of %zu run programs of another build: restart the agent", old, n);
	else
		doctor_row(d, "hooks", NULL, DOCTOR_OK, "%zu attached, all of this build", n);
	free(hooks);
}

static void look_at_firewall(struct doctor *d)
{
	struct hostcheck check;

	hostcheck_config(d->config, &check);
	for (size_t i = 0; i < check.notes.n; i++)
		doctor_row(d, "firewall", NULL, DOCTOR_WARN, "%s", check.notes.v[i]);
	if (!check.notes.n)
		doctor_row(d, "firewall", NULL, DOCTOR_OK, "no rule and no sysctl is in the way");
	hostcheck_done(&check);
}

void doctor_host(struct doctor *d, const struct view *view, const json_object *status)
{
	look_at_kernel(d);
	look_at_clock(d);
	look_at_agent(d, status);
	look_at_hooks(d, view);
	look_at_firewall(d);
}
