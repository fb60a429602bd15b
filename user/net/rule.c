/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rules as messages and back. Not for: talking to the kernel (sync.c). */
#include "net/rule.h"

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "core/defs.h"
#include "net/parse.h"

/* Conditions that none of our rules has. */
static bool is_plain(const struct fib_rule_hdr *hdr, const struct parse *p)
{
	static const uint16_t others[] = { FRA_DST,	  FRA_IIFNAME,	FRA_OIFNAME,
					   FRA_FWMARK,	  FRA_FLOW,	FRA_TUN_ID,
					   FRA_L3MDEV,	  FRA_UID_RANGE, FRA_IP_PROTO,
					   FRA_SPORT_RANGE, FRA_DPORT_RANGE };

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (p->attr[others[i]])
			return false;
	return hdr->action == FR_ACT_TO_TBL && !hdr->tos && !(hdr->flags & FIB_RULE_INVERT);
}

bool rule_parse(const struct nlmsghdr *nlh, struct rule_fact *ret_rule)
{
	const struct fib_rule_hdr *hdr = mnl_nlmsg_get_payload(nlh);
	struct rule_fact rule = { 0 };
	struct parse p;
	bool v4;

	if ((nlh->nlmsg_type != RTM_NEWRULE && nlh->nlmsg_type != RTM_DELRULE) ||
	    nlh->nlmsg_len < NLMSG_HDRLEN + sizeof(*hdr))
		return false;
	v4 = hdr->family == AF_INET;
	if ((!v4 && hdr->family != AF_INET6) || hdr->src_len > (v4 ? 32 : 128))
		return false;
	parse_message(nlh, sizeof(*hdr), &p);
	if (v4)
		rule.from.addr = xm_addr_v4(0);
	if (p.attr[FRA_SRC] && (mnl_attr_get_payload_len(p.attr[FRA_SRC]) != (v4 ? 4 : 16) ||
				!parse_addr(p.attr[FRA_SRC], &rule.from.addr)))
		return false;
	rule.from.plen = hdr->src_len + (v4 ? 96 : 0);
	if (!parse_u32(p.attr[FRA_TABLE], &rule.table))
		rule.table = hdr->table;
	parse_u32(p.attr[FRA_PRIORITY], &rule.priority);
	parse_u8(p.attr[FRA_PROTOCOL], &rule.protocol);
	rule.plain = is_plain(hdr, &p);
	*ret_rule = rule;
	return true;
}

static struct nlmsghdr *make(char buf[RULE_MESSAGE_MAX], uint16_t type, uint16_t flags,
			     const struct rule_fact *rule)
{
	bool v4 = xm_addr_is_v4(&rule->from.addr);
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct fib_rule_hdr *hdr = mnl_nlmsg_put_extra_header(nlh, sizeof(*hdr));

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = flags;
	hdr->family = v4 ? AF_INET : AF_INET6;
	hdr->src_len = (uint8_t)(v4 ? rule->from.plen - 96 : rule->from.plen);
	hdr->action = FR_ACT_TO_TBL;
	hdr->table = rule->table < 256 ? (uint8_t)rule->table : RT_TABLE_UNSPEC;
	if (hdr->src_len)
		mnl_attr_put(nlh, FRA_SRC, v4 ? 4 : 16,
			     v4 ? &rule->from.addr.b[12] : rule->from.addr.b);
	mnl_attr_put_u32(nlh, FRA_TABLE, rule->table);
	mnl_attr_put_u32(nlh, FRA_PRIORITY, rule->priority);
	/* In a deletion it keeps the rules of others out. */
	mnl_attr_put_u8(nlh, FRA_PROTOCOL, rule->protocol);
	return nlh;
}

struct nlmsghdr *rule_put(char buf[RULE_MESSAGE_MAX], const struct rule_fact *rule)
{
	return make(buf, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, rule);
}

struct nlmsghdr *rule_delete(char buf[RULE_MESSAGE_MAX], const struct rule_fact *rule)
{
	struct nlmsghdr *nlh = make(buf, RTM_DELRULE, 0, rule);
	struct fib_rule_hdr *hdr = mnl_nlmsg_get_payload(nlh);

	/* Whatever it does: none of ours refuses, so somebody changed it by hand. */
	if (!rule->plain)
		hdr->action = FR_ACT_UNSPEC;
	return nlh;
}

bool rule_same(const struct rule_fact *a, const struct rule_fact *b)
{
	return !memcmp(&a->from, &b->from, sizeof(a->from)) && a->priority == b->priority &&
	       a->table == b->table && a->protocol == b->protocol && a->plain == b->plain;
}
