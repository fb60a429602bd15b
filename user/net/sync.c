/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads the kernel's tables, has sync_plan() compare them and carries that out. A route that the
 * kernel refuses is noted and left out; the others go on, and the next turn tries it again.
 */
#include "net/sync.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "core/addr.h"
#include "core/defs.h"
#include "core/vec.h"
#include "net/parse.h"
#include "net/sync_plan.h"

#define DUMP_TRIES 10
#define REFUSALS_NOTED 8 /* one by one; the rest as a number */

/* ---- reading --------------------------------------------------------------------------------- */

struct reading {
	const struct wanted *wanted; /* NULL: every route of ours, in any table */
	uint32_t device;
	struct kernel_tables tables;
};

static int add_failed(void)
{
	errno = ENOMEM;
	return MNL_CB_ERROR;
}

static int add_route(const struct nlmsghdr *nlh, void *data)
{
	struct reading *r = data;
	struct route_fact route;

	if (!route_parse(nlh, &route) ||
	    !(r->wanted ? sync_plan_needs(r->wanted, &route) : route.protocol == NET_ROUTE_PROTO))
		return MNL_CB_OK;
	if (vec_grow(&r->tables.routes, r->tables.n_routes, sizeof(route)))
		return add_failed();
	r->tables.routes[r->tables.n_routes++] = route;
	return MNL_CB_OK;
}

static int add_rule(const struct nlmsghdr *nlh, void *data)
{
	struct reading *r = data;
	struct rule_fact rule;

	if (!rule_parse(nlh, &rule))
		return MNL_CB_OK;
	r->tables.has_rules[xm_addr_is_v4(&rule.from.addr)] = true;
	if (rule.protocol != NET_ROUTE_PROTO)
		return MNL_CB_OK;
	if (vec_grow(&r->tables.rules, r->tables.n_rules, sizeof(rule)))
		return add_failed();
	r->tables.rules[r->tables.n_rules++] = rule;
	return MNL_CB_OK;
}

static int add_neigh(const struct nlmsghdr *nlh, void *data)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);
	struct reading *r = data;
	struct neigh_fact fact;
	struct kernel_neigh neigh;

	if (!parse_neigh(nlh, &fact) || fact.ifindex != r->device)
		return MNL_CB_OK;
	neigh = (struct kernel_neigh){ .addr = fact.addr,
				       .permanent = ndm->ndm_state & NUD_PERMANENT };
	memcpy(neigh.mac, fact.mac, sizeof(neigh.mac));
	if (vec_grow(&r->tables.neighs, r->tables.n_neighs, sizeof(neigh)))
		return add_failed();
	r->tables.neighs[r->tables.n_neighs++] = neigh;
	return MNL_CB_OK;
}

static void forget(struct reading *r)
{
	free(r->tables.routes);
	free(r->tables.rules);
	free(r->tables.neighs);
	memset(&r->tables, 0, sizeof(r->tables));
}

/* @table: 0 = all of them, of which only routes of ours. */
static int dump_table(struct nl *nl, struct reading *r, uint8_t family, uint32_t table,
		      struct err *err)
{
	char buf[ROUTE_MESSAGE_MAX] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	int code;

	nlh->nlmsg_type = RTM_GETROUTE;
	nlh->nlmsg_flags = NLM_F_DUMP;
	rtm->rtm_family = family;
	if (table)
		mnl_attr_put_u32(nlh, RTA_TABLE, table);
	else
		rtm->rtm_protocol = NET_ROUTE_PROTO;
	code = nl_talk(nl, nlh, add_route, r, "reading the routes", err);
	/* With strict checking: no route was ever made in that table, so there is no table. */
	return code == -ENOENT ? 0 : code;
}

static int dump_routes(struct nl *nl, struct reading *r, uint8_t family, struct err *err)
{
	int code;

	if (!r->wanted)
		return dump_table(nl, r, family, 0, err);
	code = dump_table(nl, r, family, RT_TABLE_MAIN, err);
	return code ? code : dump_table(nl, r, family, NET_ROUTE_TABLE, err);
}

static int dump_rules(struct nl *nl, struct reading *r, struct err *err)
{
	char buf[RULE_MESSAGE_MAX] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	int code;

	mnl_nlmsg_put_extra_header(nlh, sizeof(struct fib_rule_hdr));
	nlh->nlmsg_type = RTM_GETRULE;
	nlh->nlmsg_flags = NLM_F_DUMP;
	code = nl_talk(nl, nlh, add_rule, r, "reading the routing rules", err);
	/* A kernel without them: what the plan makes of that is its own. */
	return code == -EOPNOTSUPP ? 0 : code;
}

static int dump_neighs(struct nl *nl, struct reading *r, struct err *err)
{
	char buf[ROUTE_MESSAGE_MAX] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ndmsg));
	nlh->nlmsg_type = RTM_GETNEIGH;
	nlh->nlmsg_flags = NLM_F_DUMP;
	mnl_attr_put_u32(nlh, NDA_IFINDEX, r->device);
	return nl_talk(nl, nlh, add_neigh, r, "reading the neighbours", err);
}

static int read_tables(struct nl *nl, struct reading *r, struct err *err)
{
	int code = -EINTR;

	for (int i = 0; i < DUMP_TRIES && code == -EINTR; i++) {
		forget(r);
		if (!(code = dump_routes(nl, r, AF_INET, err)) &&
		    !(code = dump_routes(nl, r, AF_INET6, err)) &&
		    !(code = dump_rules(nl, r, err)) && r->device)
			code = dump_neighs(nl, r, err);
	}
	if (code)
		forget(r);
	return code;
}

/* ---- writing --------------------------------------------------------------------------------- */

static int talk_neigh(struct nl *nl, uint32_t device, const struct kernel_neigh *neigh, bool put,
		      struct err *err)
{
	bool v4 = xm_addr_is_v4(&neigh->addr);
	char buf[ROUTE_MESSAGE_MAX] __attribute__((aligned(8)));
	char what[96], text[ADDR_TEXT_MAX];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ndmsg *ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));

	nlh->nlmsg_type = put ? RTM_NEWNEIGH : RTM_DELNEIGH;
	nlh->nlmsg_flags = put ? NLM_F_CREATE | NLM_F_REPLACE : 0;
	ndm->ndm_family = v4 ? AF_INET : AF_INET6;
	ndm->ndm_ifindex = (int)device;
	ndm->ndm_state = NUD_PERMANENT;
	mnl_attr_put(nlh, NDA_DST, v4 ? 4 : 16, v4 ? &neigh->addr.b[12] : neigh->addr.b);
	if (put) {
		mnl_attr_put(nlh, NDA_LLADDR, sizeof(neigh->mac), neigh->mac);
		/* So that the watch knows our own doing (and people, by `ip neigh`). */
		mnl_attr_put_u8(nlh, NDA_PROTOCOL, NET_ROUTE_PROTO);
	}
	snprintf(what, sizeof(what), "neighbour %s on the xmesh device",
		 addr_format(&neigh->addr, text));
	return nl_talk(nl, nlh, NULL, NULL, what, err);
}

static int talk_route(struct nl *nl, const struct sync_op *op, struct err *err)
{
	char buf[ROUTE_MESSAGE_MAX] __attribute__((aligned(8)));
	char text[PREFIX_TEXT_MAX], what[64];
	struct nlmsghdr *nlh;

	if (op->verb == SYNC_ROUTE_DELETE)
		nlh = route_delete(buf, &op->route);
	else
		nlh = route_put(buf, &op->route,
				op->verb == SYNC_ROUTE_ADD ? NLM_F_CREATE | NLM_F_EXCL :
							     NLM_F_CREATE | NLM_F_REPLACE);
	snprintf(what, sizeof(what), "route %s", prefix_format(&op->route.prefix, text));
	return nl_talk(nl, nlh, NULL, NULL, what, err);
}

static int talk_rule(struct nl *nl, const struct sync_op *op, struct err *err)
{
	char buf[RULE_MESSAGE_MAX] __attribute__((aligned(8)));
	char text[PREFIX_TEXT_MAX], what[80];
	struct nlmsghdr *nlh = op->verb == SYNC_RULE_ADD ? rule_put(buf, &op->rule) :
							   rule_delete(buf, &op->rule);

	snprintf(what, sizeof(what), "rule from %s", prefix_format(&op->rule.from, text));
	return nl_talk(nl, nlh, NULL, NULL, what, err);
}

static int carry_out(struct nl *nl, uint32_t device, const struct sync_op *op, struct err *err)
{
	int code = 0;

	switch (op->verb) {
	case SYNC_NEIGH_PUT:
	case SYNC_NEIGH_DELETE:
		code = talk_neigh(nl, device, &op->neigh, op->verb == SYNC_NEIGH_PUT, err);
		break;
	case SYNC_ROUTE_ADD:
	case SYNC_ROUTE_REPLACE:
	case SYNC_ROUTE_DELETE:
		code = talk_route(nl, op, err);
		break;
	case SYNC_RULE_ADD:
	case SYNC_RULE_DELETE:
		code = talk_rule(nl, op, err);
		break;
	}
	/* Gone already is what a delete wants; the kernel takes routes along with a device. */
	if ((op->verb == SYNC_ROUTE_DELETE && code == -ESRCH) ||
	    (op->verb == SYNC_NEIGH_DELETE && code == -ENOENT) ||
	    (op->verb == SYNC_RULE_DELETE && code == -ENOENT))
		return 0;
	return code;
}

/* What a single entry cannot be blamed for: nothing else would work either. */
static bool is_fatal(int code)
{
	return code == -EPERM || code == -ENOMEM || code == -ENOBUFS || code == -EBADF;
}

/* One cause, such as a source address that is gone, makes the kernel refuse many. */
static int note_refusal(struct sync_result *result, size_t n, const char *why, bool is_delete)
{
	if (n > REFUSALS_NOTED)
		return 0;
	return vec_note(&result->notes, &result->n_notes,
			"%s: not %s, tried again with the next change", why,
			is_delete ? "removed" : "set");
}

static int run(struct nl *nl, uint32_t device, const struct sync_plan *plan, bool dry_run,
	       struct sync_result *result, struct err *err)
{
	struct err why = { .text = "" };
	size_t refused = 0;
	int code;

	for (size_t i = 0; i < plan->n_ops; i++) {
		const struct sync_op *op = &plan->ops[i];
		bool is_delete = op->verb == SYNC_ROUTE_DELETE || op->verb == SYNC_RULE_DELETE ||
				 op->verb == SYNC_NEIGH_DELETE;

		code = dry_run ? 0 : carry_out(nl, device, op, &why);
		if (is_fatal(code))
			return err_set(err, code, "%s", why.text);
		if (code && note_refusal(result, ++refused, why.text, is_delete))
			return err_set(err, -ENOMEM, "out of memory");
		if (!code)
			*(is_delete ? &result->deletes : &result->puts) += 1;
	}
	if (refused > REFUSALS_NOTED &&
	    vec_note(&result->notes, &result->n_notes,
		     "%zu routes, rules and neighbours in all were refused by the kernel", refused))
		return err_set(err, -ENOMEM, "out of memory");
	return 0;
}

int sync_kernel(struct nl *nl, const struct wanted *wanted, uint32_t device_ifindex, bool dry_run,
		struct sync_result *ret_result, struct err *err)
{
	struct reading reading = { .wanted = wanted, .device = device_ifindex };
	struct sync_result result = { 0 };
	struct sync_plan plan;
	int code = read_tables(nl, &reading, err);

	if (code)
		return code;
	code = sync_plan(wanted, &reading.tables, if_indextoname, &plan);
	forget(&reading);
	if (code)
		return err_set(err, code, "out of memory for the plan of routes");
	result.notes = take(plan.notes);
	result.n_notes = plan.n_notes;
	plan.n_notes = 0;
	code = run(nl, device_ifindex, &plan, dry_run, &result, err);
	sync_plan_done(&plan);
	if (code) {
		sync_result_done(&result);
		return code;
	}
	*ret_result = result;
	return 0;
}

void sync_result_done(struct sync_result *result)
{
	vec_free_notes(result->notes, result->n_notes);
	memset(result, 0, sizeof(*result));
}

int sync_purge(struct nl *nl, struct err *err)
{
	struct reading reading = { .wanted = NULL };
	struct sync_op op = { .verb = SYNC_RULE_DELETE };
	int code = read_tables(nl, &reading, err);

	for (size_t i = 0; i < reading.tables.n_rules && !code; i++) {
		op.rule = reading.tables.rules[i];
		code = carry_out(nl, 0, &op, err);
	}
	op.verb = SYNC_ROUTE_DELETE;
	for (size_t i = 0; i < reading.tables.n_routes && !code; i++) {
		op.route = reading.tables.routes[i];
		code = carry_out(nl, 0, &op, err);
	}
	forget(&reading);
	return code;
}
