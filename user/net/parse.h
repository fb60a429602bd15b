/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * rtnetlink messages into the shapes of the model: attributes are checked for their size, what
 * has none of the wanted form is passed over. Pure. Not for: sending requests (tables.h, sync.h).
 */
#ifndef XMESH_NET_PARSE_H
#define XMESH_NET_PARSE_H

#include <stdbool.h>

#include <libmnl/libmnl.h>

#include "model/pods.h"

#define PARSE_ATTRS 128 /* more than any message here has; higher types are passed over */

/* Attributes by type, of a message or of a nested attribute. */
struct parse {
	const struct nlattr *attr[PARSE_ATTRS];
};

void parse_message(const struct nlmsghdr *nlh, size_t header_bytes, struct parse *ret_parse);
void parse_nested(const struct nlattr *nest, struct parse *ret_parse);

/* False when the attribute is absent or has another size. */
bool parse_u8(const struct nlattr *attr, uint8_t *ret_v);
bool parse_u16(const struct nlattr *attr, uint16_t *ret_v);
bool parse_u32(const struct nlattr *attr, uint32_t *ret_v);
bool parse_mac(const struct nlattr *attr, __u8 ret_mac[6]);
/* An address of 4 or 16 bytes. */
bool parse_addr(const struct nlattr *attr, struct xm_addr *ret_addr);
/* RTA_VIA: family and address. */
bool parse_via(const struct nlattr *attr, struct xm_addr *ret_addr);
/* Into @buf, cut at its size; "" when absent. */
void parse_text(const struct nlattr *attr, char *buf, size_t size);

/* RTM_NEWLINK, RTM_DELLINK. */
bool parse_link(const struct nlmsghdr *nlh, struct link_fact *ret_link);
/* RTM_NEWNEIGH, RTM_DELNEIGH of AF_INET or AF_INET6. */
bool parse_neigh(const struct nlmsghdr *nlh, struct neigh_fact *ret_neigh);
/* RTM_NEWNEIGH, RTM_DELNEIGH of AF_BRIDGE: an entry of a bridge that is no port's own address. */
bool parse_fdb(const struct nlmsghdr *nlh, struct fdb_fact *ret_fdb);

#endif
