/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the configuration and the pods ask for, as lists of places. */
#include "agent/hookset.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "agent/netns.h"
#include "core/defs.h"
#include "net/physical.h"
#include "plane/sockets.h"

static struct hook_want *add(struct hook_want *want, size_t *n, uint32_t ifindex, const char *name,
			     enum attach_role role)
{
	struct hook_want *w = &want[(*n)++];

	*w = (struct hook_want){ .ifindex = ifindex, .role = role, .xdp = CONFIG_XDP_OFF };
	snprintf(w->name, sizeof(w->name), "%s", name);
	return w;
}

/* The interfaces that exist now, each with the programs that belong there. */
static int want_hooks(const struct hookset *set, struct hook_want **ret_want, size_t *ret_n)
{
	const struct config *config = set->config;
	const struct pods *pods = set->pods;
	struct hook_want *want = calloc(config->n_underlay + 1 + 2 * pods->n_ifaces, sizeof(*want)), *w;
	size_t n = 0;

	if (!want)
		return -ENOMEM;
	/* The device first: what the underlay program leaves encapsulated comes through it. */
	add(want, &n, set->device, config->device, ATTACH_DEVICE);
	for (size_t i = 0; i < config->n_underlay; i++) {
		const char *name = config->underlay[i];
		uint32_t ifindex = if_nametoindex(name);

		if (!ifindex)
			continue;
		w = add(want, &n, ifindex, name, ATTACH_UNDERLAY);
		w->xdp = xdp_effective(config, set->have_edge, link_is_physical("/sys", name));
		w->xdp_optional = config->xdp == CONFIG_XDP_AUTO;
	}
	/* Replies are translated before questions are: egress first. */
	for (size_t i = 0; i < pods->n_ifaces; i++) {
		add(want, &n, pods->ifaces[i].ifindex, pods->ifaces[i].name, ATTACH_TO_POD);
		add(want, &n, pods->ifaces[i].ifindex, pods->ifaces[i].name, ATTACH_POD);
	}
	*ret_want = want;
	*ret_n = n;
	return 0;
}

int hookset_interfaces(const struct hookset *set, struct notes *notes, struct notes *lines,
		       struct hooks_result *ret_result, struct err *err)
{
	auto_free struct hook_want *want = NULL;
	auto_free struct attach_hook *have = NULL;
	auto_free struct hook_op *ops = NULL;
	size_t n_want = 0, n_have = 0, n_ops = 0;
	char text[128];
	int code;

	if (set->plane) {
		code = attach_list(set->plane, &have, &n_have, err);
		if (code)
			return code;
	}
	if (want_hooks(set, &want, &n_want) || hooks_plan(want, n_want, have, n_have, &ops, &n_ops))
		return err_set(err, -ENOMEM, "out of memory");
	if (set->dry_run) {
		for (size_t i = 0; i < n_ops; i++) {
			hook_op_text(&ops[i], text, sizeof(text));
			notes_add(lines, "%s", text);
		}
		return 0;
	}
	hooks_apply(set->plane, ops, n_ops, notes, ret_result);
	return 0;
}

void hookset_cgroups(const struct hookset *set, struct notes *notes, struct hooks_result *result)
{
	struct sockets_place places[SOCKETS_MAX_CGROUPS];
	const char *wanted = set->config->socket_lb ?: "auto";
	bool automatic = !strcmp(wanted, "auto");
	struct err err = { 0 };
	size_t n = 0, changed = 0;
	int code = 0;

	if (set->dry_run)
		return;
	if (automatic && !netns_is_initial() && set->have_services)
		notes_add(notes, "services are not chosen at sockets: socket_lb: auto attaches in the host's own "
			  "network namespace alone; give socket_lb the path of a cgroup v2 folder, or off");
	if (automatic ? netns_is_initial() : strcmp(wanted, "off"))
		code = sockets_find("/proc/self/mountinfo", wanted, places, &n, &err);
	if (code) {
		if (!automatic || set->have_services)
			notes_add(notes, "services are not chosen at sockets: %s", err.text);
		result->failures += !automatic;
		/* Where a folder is gone or unmounted for now, what is attached stays. */
		return;
	}
	code = sockets_sync(set->plane, places, n, &changed, &err);
	if (code) {
		notes_add(notes, "services are not chosen at all sockets: %s", err.text);
		result->failures += !(automatic && code == -ENOTSUP);
		return;
	}
	result->attached += changed;
}
