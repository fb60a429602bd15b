/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which program belongs on which interface, against what is attached. */
#include "agent/hooks.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/defs.h"

static enum plane_prog prog_of(enum attach_role role)
{
	switch (role) {
	case ATTACH_POD:
		return PLANE_FROM_POD;
	case ATTACH_UNDERLAY:
		return PLANE_FROM_NET;
	case ATTACH_DEVICE:
		return PLANE_FROM_DEV;
	case ATTACH_TO_POD:
		return PLANE_TO_POD;
	}
	return PLANE_PROG_COUNT;
}

static bool is_xdp(const struct attach_hook *hook)
{
	return hook->how == ATTACH_XDP_NATIVE || hook->how == ATTACH_XDP_GENERIC;
}

static bool wants_xdp(const struct hook_want *want)
{
	return want->role == ATTACH_UNDERLAY &&
	       (want->xdp == CONFIG_XDP_NATIVE || want->xdp == CONFIG_XDP_GENERIC);
}

/* Does @hook belong where it is, whether current or not? */
static bool fits(const struct hook_want *want, const struct attach_hook *hook)
{
	if (!is_xdp(hook))
		return hook->prog == prog_of(want->role);
	return wants_xdp(want) &&
	       (hook->how == ATTACH_XDP_NATIVE) == (want->xdp == CONFIG_XDP_NATIVE);
}

enum config_xdp xdp_effective(const struct config *config, bool have_edge, bool physical)
{
	if (config->xdp != CONFIG_XDP_AUTO)
		return config->xdp;
	return have_edge && physical ? CONFIG_XDP_NATIVE : CONFIG_XDP_OFF;
}

/* What is wanted of one interface, by all of its roles. */
struct here {
	bool any, xdp;
	bool fits; /* the hook that was asked about */
};

static struct here look(const struct hook_want *want, size_t n_want, const struct attach_hook *hook)
{
	struct here here = { 0 };

	for (size_t i = 0; i < n_want; i++) {
		if (want[i].ifindex != hook->ifindex)
			continue;
		here.any = true;
		here.xdp |= wants_xdp(&want[i]);
		here.fits |= fits(&want[i], hook);
	}
	return here;
}

static bool is_removed(const struct hook_op *ops, size_t n, uint32_t ifindex)
{
	for (size_t i = 0; i < n; i++)
		if (ops[i].verb == HOOK_REMOVE && ops[i].ifindex == ifindex)
			return true;
	return false;
}

/* Those of @have that are in the wrong place; returns how many operations that takes. */
static size_t plan_removes(const struct hook_want *want, size_t n_want, const struct attach_hook *have,
			   size_t n_have, struct hook_op *ops)
{
	size_t n = 0;

	for (size_t i = 0; i < n_have; i++) {
		struct here here = look(want, n_want, &have[i]);
		struct hook_op op = { .verb = HOOK_REMOVE, .ifindex = have[i].ifindex };

		/* attach_xdp() takes the other mode off by itself. */
		if (here.fits || (is_xdp(&have[i]) && here.xdp))
			continue;
		if (here.any && is_xdp(&have[i]))
			op.verb = HOOK_REMOVE_XDP;
		else if (is_removed(ops, n, op.ifindex))
			continue;
		snprintf(op.name, sizeof(op.name), "%s", have[i].ifname);
		ops[n++] = op;
	}
	return n;
}

int hooks_plan(const struct hook_want *want, size_t n_want, const struct attach_hook *have, size_t n_have,
	       struct hook_op **ret_ops, size_t *ret_n)
{
	auto_free struct hook_op *ops = calloc(n_have + 2 * n_want + 1, sizeof(*ops));
	size_t n, n_removes;

	if (!ops)
		return -ENOMEM;
	n = n_removes = plan_removes(want, n_want, have, n_have, ops);
	for (size_t i = 0; i < n_want; i++) {
		bool tc = false, xdp = !wants_xdp(&want[i]);
		struct hook_op op = { .ifindex = want[i].ifindex, .role = want[i].role };
		bool removed = is_removed(ops, n_removes, op.ifindex);

		memcpy(op.name, want[i].name, sizeof(op.name));
		for (size_t k = 0; !removed && k < n_have; k++) {
			if (have[k].ifindex != want[i].ifindex || !have[k].current ||
			    !fits(&want[i], &have[k]))
				continue;
			if (is_xdp(&have[k]))
				xdp = true;
			else
				tc = true;
		}
		if (!tc) {
			op.verb = HOOK_TC;
			ops[n++] = op;
		}
		if (!xdp) {
			op.verb = HOOK_XDP;
			op.native = want[i].xdp == CONFIG_XDP_NATIVE;
			op.optional = want[i].xdp_optional;
			ops[n++] = op;
		}
	}
	*ret_ops = take(ops);
	*ret_n = n;
	return 0;
}

void hook_op_text(const struct hook_op *op, char *buf, size_t size)
{
	switch (op->verb) {
	case HOOK_REMOVE:
		if (op->name[0])
			snprintf(buf, size, "detach from %s", op->name);
		else
			snprintf(buf, size, "detach from interface %u, which is gone", op->ifindex);
		break;
	case HOOK_REMOVE_XDP:
		snprintf(buf, size, "detach %s from %s", plane_prog_names[PLANE_XDP], op->name);
		break;
	case HOOK_TC:
		snprintf(buf, size, "attach %s (tc) to %s", plane_prog_names[prog_of(op->role)], op->name);
		break;
	case HOOK_XDP:
		snprintf(buf, size, "attach %s (%s) to %s", plane_prog_names[PLANE_XDP],
			 op->native ? "native" : "generic", op->name);
		break;
	}
}

void hooks_apply(struct plane *plane, const struct hook_op *ops, size_t n, struct notes *notes,
		 struct hooks_result *ret_result)
{
	struct hooks_result result = { 0 };
	struct err err;
	char text[128];
	int code = 0;

	for (size_t i = 0; i < n; i++) {
		const struct hook_op *op = &ops[i];

		switch (op->verb) {
		case HOOK_REMOVE:
			code = attach_remove(plane, op->ifindex, &err);
			break;
		case HOOK_REMOVE_XDP:
			code = attach_xdp_remove(plane, op->ifindex, &err);
			break;
		case HOOK_TC:
			code = attach_tc(plane, op->ifindex, op->role, &err);
			break;
		case HOOK_XDP:
			code = attach_xdp(plane, op->ifindex, op->native, &err);
			break;
		}
		/* It went away while we looked; the watch has told so already. */
		if (code == -ENODEV)
			continue;
		if (code) {
			hook_op_text(op, text, sizeof(text));
			notes_add(notes, "%s failed: %s", text, err.text);
			result.failures += !op->optional;
		} else if (op->verb == HOOK_REMOVE || op->verb == HOOK_REMOVE_XDP) {
			result.detached++;
		} else {
			result.attached++;
		}
	}
	*ret_result = result;
}
