/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One policy routing rule of the form `from PREFIX lookup TABLE`, read from and written to
 * rtnetlink messages. Pure. Not for: which rules there are to be.
 */
#ifndef XMESH_NET_RULE_H
#define XMESH_NET_RULE_H

#include <stdbool.h>

#include <libmnl/libmnl.h>

#include "xmesh/maps.h"

#define RULE_MESSAGE_MAX 256

struct rule_fact {
	struct xm_prefix from; /* of length 0 (of its family): from anywhere */
	uint32_t priority, table;
	uint8_t protocol;      /* RTPROT_* of who made it */
	bool plain;            /* it looks into that table and asks for nothing else than @from */
};

/* False: no rule message, a family that is not IP, or attributes of impossible sizes. */
bool rule_parse(const struct nlmsghdr *nlh, struct rule_fact *ret_rule);

/* RTM_NEWRULE (never over one that is there) or RTM_DELRULE into @buf, for nl_talk(). */
struct nlmsghdr *rule_put(char buf[RULE_MESSAGE_MAX], const struct rule_fact *rule);
struct nlmsghdr *rule_delete(char buf[RULE_MESSAGE_MAX], const struct rule_fact *rule);

bool rule_same(const struct rule_fact *a, const struct rule_fact *b);

#endif
