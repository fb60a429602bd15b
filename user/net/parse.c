/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reading rtnetlink messages attribute by attribute. Not for: routes, which route.h reads and writes. */
#include "net/parse.h"

#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "core/defs.h"

static void keep(const struct nlattr *attr, struct parse *parse)
{
	uint16_t type = mnl_attr_get_type(attr);

	if (type < PARSE_ATTRS)
		parse->attr[type] = attr;
}

void parse_message(const struct nlmsghdr *nlh, size_t header_bytes, struct parse *ret_parse)
{
	const struct nlattr *attr;

	memset(ret_parse, 0, sizeof(*ret_parse));
	if (nlh->nlmsg_len < NLMSG_HDRLEN + header_bytes)
		return;
	mnl_attr_for_each(attr, nlh, header_bytes)
		keep(attr, ret_parse);
}

void parse_nested(const struct nlattr *nest, struct parse *ret_parse)
{
	const struct nlattr *attr;

	memset(ret_parse, 0, sizeof(*ret_parse));
	if (!nest)
		return;
	mnl_attr_for_each_nested(attr, nest)
		keep(attr, ret_parse);
}

/* The one place that believes a length: @size bytes of payload, exactly. */
static bool copy(const struct nlattr *attr, void *to, size_t size)
{
	if (!attr || mnl_attr_get_payload_len(attr) != size)
		return false;
	memcpy(to, mnl_attr_get_payload(attr), size);
	return true;
}

bool parse_u8(const struct nlattr *attr, uint8_t *ret_v)
{
	return copy(attr, ret_v, sizeof(*ret_v));
}

bool parse_u16(const struct nlattr *attr, uint16_t *ret_v)
{
	return copy(attr, ret_v, sizeof(*ret_v));
}

bool parse_u32(const struct nlattr *attr, uint32_t *ret_v)
{
	return copy(attr, ret_v, sizeof(*ret_v));
}

bool parse_mac(const struct nlattr *attr, __u8 ret_mac[6])
{
	return copy(attr, ret_mac, 6);
}

bool parse_addr(const struct nlattr *attr, struct xm_addr *ret_addr)
{
	__be32 v4;

	if (copy(attr, &v4, sizeof(v4))) {
		*ret_addr = xm_addr_v4(v4);
		return true;
	}
	return copy(attr, ret_addr, sizeof(*ret_addr));
}

bool parse_via(const struct nlattr *attr, struct xm_addr *ret_addr)
{
	const struct rtvia *via;
	size_t len;
	__be32 v4;

	if (!attr || mnl_attr_get_payload_len(attr) < sizeof(*via))
		return false;
	via = mnl_attr_get_payload(attr);
	len = mnl_attr_get_payload_len(attr) - sizeof(*via);
	if (via->rtvia_family == AF_INET && len == sizeof(v4)) {
		memcpy(&v4, via->rtvia_addr, sizeof(v4));
		*ret_addr = xm_addr_v4(v4);
		return true;
	}
	if (via->rtvia_family != AF_INET6 || len != sizeof(*ret_addr))
		return false;
	memcpy(ret_addr, via->rtvia_addr, sizeof(*ret_addr));
	return true;
}

void parse_text(const struct nlattr *attr, char *buf, size_t size)
{
	buf[0] = '\0';
	if (attr)
		snprintf(buf, size, "%.*s", (int)mnl_attr_get_payload_len(attr),
			 (const char *)mnl_attr_get_payload(attr));
}

bool parse_link(const struct nlmsghdr *nlh, struct link_fact *ret_link)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	struct link_fact link = { 0 };
	struct parse p, info;

	parse_message(nlh, sizeof(*ifi), &p);
	if (!p.attr[IFLA_IFNAME])
		return false;
	link.ifindex = (uint32_t)ifi->ifi_index;
	link.up = ifi->ifi_flags & IFF_UP;
	parse_text(p.attr[IFLA_IFNAME], link.name, sizeof(link.name));
	parse_u32(p.attr[IFLA_MASTER], &link.master);
	parse_u32(p.attr[IFLA_MTU], &link.mtu);
	parse_mac(p.attr[IFLA_ADDRESS], link.mac);
	parse_nested(p.attr[IFLA_LINKINFO], &info);
	parse_text(info.attr[IFLA_INFO_KIND], link.kind, sizeof(link.kind));
	*ret_link = link;
	return true;
}

bool parse_neigh(const struct nlmsghdr *nlh, struct neigh_fact *ret_neigh)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);
	struct neigh_fact neigh = { 0 };
	struct parse p;

	parse_message(nlh, sizeof(*ndm), &p);
	/* A proxy entry says what we answer for, not who is there. */
	if ((ndm->ndm_family != AF_INET && ndm->ndm_family != AF_INET6) ||
	    ndm->ndm_flags & NTF_PROXY || !parse_addr(p.attr[NDA_DST], &neigh.addr))
		return false;
	neigh.ifindex = (uint32_t)ndm->ndm_ifindex;
	neigh.usable = parse_mac(p.attr[NDA_LLADDR], neigh.mac) &&
		       ndm->ndm_state & (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_STALE |
					 NUD_DELAY | NUD_PROBE);
	*ret_neigh = neigh;
	return true;
}

bool parse_fdb(const struct nlmsghdr *nlh, struct fdb_fact *ret_fdb)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);
	struct fdb_fact fdb = { 0 };
	struct parse p;

	parse_message(nlh, sizeof(*ndm), &p);
	/* A bridge's own and its ports' addresses are permanent entries; a CNI's static ones are
	 * NUD_NOARP. Without a master it is no bridge's entry (vxlan, or a NIC's filter). */
	if (ndm->ndm_family != AF_BRIDGE || ndm->ndm_state & NUD_PERMANENT ||
	    !parse_u32(p.attr[NDA_MASTER], &fdb.bridge) || !parse_mac(p.attr[NDA_LLADDR], fdb.mac))
		return false;
	fdb.port = (uint32_t)ndm->ndm_ifindex;
	*ret_fdb = fdb;
	return true;
}
