/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Routes as messages and back. Not for: talking to the kernel (sync.c, tables.c). */
#include "net/route.h"

#include <arpa/inet.h>
#include <endian.h>
#include <linux/lwtunnel.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "core/defs.h"
#include "net/parse.h"

/* ---- reading --------------------------------------------------------------------------------- */

static bool parse_encap(const struct nlattr *type, const struct nlattr *encap,
			struct route_fact *route)
{
	const struct nlattr *id, *flags;
	uint16_t kind;
	struct parse p;
	__be64 vni;

	/* LWTUNNEL_IP_* and LWTUNNEL_IP6_* have the same numbers (HOPLIMIT = TTL, TC = TOS). */
	if (!parse_u16(type, &kind) || (kind != LWTUNNEL_ENCAP_IP && kind != LWTUNNEL_ENCAP_IP6))
		return false;
	parse_nested(encap, &p);
	if (!parse_addr(p.attr[LWTUNNEL_IP_DST], &route->outer))
		return false;
	parse_addr(p.attr[LWTUNNEL_IP_SRC], &route->outer_src);
	/* The kernel writes the unspecified address where there is none. */
	if (xm_addr_is_v4(&route->outer_src) && !route->outer_src.w[3])
		memset(&route->outer_src, 0, sizeof(route->outer_src));
	id = p.attr[LWTUNNEL_IP_ID];
	if (id && mnl_attr_get_payload_len(id) == sizeof(vni)) {
		memcpy(&vni, mnl_attr_get_payload(id), sizeof(vni));
		route->vni = be64toh(vni);
	}
	parse_u8(p.attr[LWTUNNEL_IP_TTL], &route->ttl);
	parse_u8(p.attr[LWTUNNEL_IP_TOS], &route->outer_tos);
	flags = p.attr[LWTUNNEL_IP_FLAGS];
	if (parse_u16(flags, &route->tunnel_flags))
		route->tunnel_flags = ntohs(route->tunnel_flags);
	return true;
}

/* The first of several next hops. */
static void parse_multipath(const struct nlattr *hops, struct route_fact *route)
{
	const struct rtnexthop *hop = mnl_attr_get_payload(hops);
	size_t len = mnl_attr_get_payload_len(hops);
	const struct nlattr *attr;

	if (len < sizeof(*hop) || hop->rtnh_len < sizeof(*hop) || hop->rtnh_len > len)
		return;
	route->ifindex = (uint32_t)hop->rtnh_ifindex;
	mnl_attr_for_each_payload((const void *)RTNH_DATA(hop), hop->rtnh_len - sizeof(*hop)) {
		if (mnl_attr_get_type(attr) == RTA_GATEWAY)
			parse_addr(attr, &route->gateway);
		else if (mnl_attr_get_type(attr) == RTA_VIA)
			parse_via(attr, &route->gateway);
	}
}

bool route_parse(const struct nlmsghdr *nlh, struct route_fact *ret_route)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct route_fact route = { 0 };
	struct parse p, metrics;
	bool v4;

	if ((nlh->nlmsg_type != RTM_NEWROUTE && nlh->nlmsg_type != RTM_DELROUTE) ||
	    nlh->nlmsg_len < NLMSG_HDRLEN + sizeof(*rtm))
		return false;
	v4 = rtm->rtm_family == AF_INET;
	if ((!v4 && rtm->rtm_family != AF_INET6) || rtm->rtm_dst_len > (v4 ? 32 : 128) ||
	    rtm->rtm_src_len || rtm->rtm_flags & RTM_F_CLONED)
		return false;
	parse_message(nlh, sizeof(*rtm), &p);
	if (v4)
		route.prefix.addr = xm_addr_v4(0);
	if (p.attr[RTA_DST] && (!parse_addr(p.attr[RTA_DST], &route.prefix.addr) ||
				mnl_attr_get_payload_len(p.attr[RTA_DST]) != (v4 ? 4 : 16)))
		return false;
	route.prefix.plen = rtm->rtm_dst_len + (v4 ? 96 : 0);
	route.type = rtm->rtm_type;
	route.protocol = rtm->rtm_protocol;
	route.tos = rtm->rtm_tos;
	route.onlink = rtm->rtm_flags & RTNH_F_ONLINK;
	if (!parse_u32(p.attr[RTA_TABLE], &route.table))
		route.table = rtm->rtm_table;
	parse_u32(p.attr[RTA_OIF], &route.ifindex);
	parse_u32(p.attr[RTA_PRIORITY], &route.metric);
	parse_addr(p.attr[RTA_PREFSRC], &route.src);
	if (!parse_via(p.attr[RTA_VIA], &route.gateway))
		parse_addr(p.attr[RTA_GATEWAY], &route.gateway);
	parse_nested(p.attr[RTA_METRICS], &metrics);
	parse_u32(metrics.attr[RTAX_MTU], &route.mtu);
	if (p.attr[RTA_MULTIPATH]) {
		route.shape = ROUTE_OTHER;
		parse_multipath(p.attr[RTA_MULTIPATH], &route);
	} else if (p.attr[RTA_ENCAP]) {
		route.shape = parse_encap(p.attr[RTA_ENCAP_TYPE], p.attr[RTA_ENCAP], &route) ?
				      ROUTE_TUNNEL :
				      ROUTE_OTHER;
	}
	*ret_route = route;
	return true;
}

bool route_same(const struct route_fact *a, const struct route_fact *b)
{
	if (memcmp(&a->prefix, &b->prefix, sizeof(a->prefix)) || a->table != b->table ||
	    a->ifindex != b->ifindex || a->metric != b->metric || a->mtu != b->mtu ||
	    a->type != b->type || a->protocol != b->protocol || a->tos != b->tos ||
	    a->onlink != b->onlink || a->shape != b->shape ||
	    !xm_addr_eq(&a->gateway, &b->gateway) || !xm_addr_eq(&a->src, &b->src))
		return false;
	if (a->shape != ROUTE_TUNNEL)
		return a->shape == ROUTE_SIMPLE;
	return xm_addr_eq(&a->outer, &b->outer) && xm_addr_eq(&a->outer_src, &b->outer_src) &&
	       a->vni == b->vni && a->ttl == b->ttl && a->outer_tos == b->outer_tos &&
	       a->tunnel_flags == b->tunnel_flags;
}

/* ---- writing --------------------------------------------------------------------------------- */

static void put_addr(struct nlmsghdr *nlh, uint16_t type, const struct xm_addr *addr)
{
	if (xm_addr_is_v4(addr))
		mnl_attr_put(nlh, type, 4, &addr->b[12]);
	else
		mnl_attr_put(nlh, type, 16, addr->b);
}

/* RTA_GATEWAY, or RTA_VIA where the gateway is of the other family (RFC 8950 style, Linux 5.2). */
static void put_gateway(struct nlmsghdr *nlh, const struct route_fact *route)
{
	char buf[sizeof(struct rtvia) + 16] __attribute__((aligned(8)));
	struct rtvia *via = (struct rtvia *)buf;

	if (xm_addr_is_v4(&route->gateway) == xm_addr_is_v4(&route->prefix.addr)) {
		put_addr(nlh, RTA_GATEWAY, &route->gateway);
		return;
	}
	via->rtvia_family = AF_INET6;
	memcpy(via->rtvia_addr, route->gateway.b, 16);
	mnl_attr_put(nlh, RTA_VIA, sizeof(buf), buf);
}

static void put_encap(struct nlmsghdr *nlh, const struct route_fact *route)
{
	bool v4 = xm_addr_is_v4(&route->outer);
	__be64 vni = htobe64(route->vni);
	struct nlattr *nest;

	mnl_attr_put_u16(nlh, RTA_ENCAP_TYPE, v4 ? LWTUNNEL_ENCAP_IP : LWTUNNEL_ENCAP_IP6);
	nest = mnl_attr_nest_start(nlh, RTA_ENCAP);
	mnl_attr_put(nlh, LWTUNNEL_IP_ID, sizeof(vni), &vni);
	put_addr(nlh, LWTUNNEL_IP_DST, &route->outer);
	mnl_attr_put_u8(nlh, LWTUNNEL_IP_TTL, route->ttl);
	mnl_attr_nest_end(nlh, nest);
}

static struct rtmsg *init(char buf[ROUTE_MESSAGE_MAX], uint16_t type, uint16_t flags,
			  const struct route_fact *route, struct nlmsghdr **ret_nlh)
{
	bool v4 = xm_addr_is_v4(&route->prefix.addr);
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = flags;
	rtm->rtm_family = v4 ? AF_INET : AF_INET6;
	rtm->rtm_dst_len = (uint8_t)(v4 ? route->prefix.plen - 96 : route->prefix.plen);
	rtm->rtm_tos = route->tos;
	rtm->rtm_protocol = route->protocol;
	rtm->rtm_type = route->type;
	rtm->rtm_table = route->table < 256 ? (uint8_t)route->table : RT_TABLE_UNSPEC;
	mnl_attr_put_u32(nlh, RTA_TABLE, route->table);
	put_addr(nlh, RTA_DST, &route->prefix.addr);
	mnl_attr_put_u32(nlh, RTA_PRIORITY, route->metric);
	*ret_nlh = nlh;
	return rtm;
}

struct nlmsghdr *route_put(char buf[ROUTE_MESSAGE_MAX], const struct route_fact *route,
			   uint16_t flags)
{
	bool has_gateway = !xm_addr_is_zero(&route->gateway);
	struct nlmsghdr *nlh;
	struct rtmsg *rtm = init(buf, RTM_NEWROUTE, flags, route, &nlh);
	struct nlattr *nest;

	rtm->rtm_scope = has_gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
	rtm->rtm_flags = route->onlink ? RTNH_F_ONLINK : 0;
	mnl_attr_put_u32(nlh, RTA_OIF, route->ifindex);
	if (has_gateway)
		put_gateway(nlh, route);
	if (!xm_addr_is_zero(&route->src))
		put_addr(nlh, RTA_PREFSRC, &route->src);
	if (route->mtu) {
		nest = mnl_attr_nest_start(nlh, RTA_METRICS);
		mnl_attr_put_u32(nlh, RTAX_MTU, route->mtu);
		mnl_attr_nest_end(nlh, nest);
	}
	if (route->shape == ROUTE_TUNNEL)
		put_encap(nlh, route);
	return nlh;
}

struct nlmsghdr *route_delete(char buf[ROUTE_MESSAGE_MAX], const struct route_fact *route)
{
	struct nlmsghdr *nlh;
	struct rtmsg *rtm = init(buf, RTM_DELROUTE, 0, route, &nlh);

	/* Any scope, any next hop: the protocol number in it keeps foreign routes out. */
	rtm->rtm_scope = RT_SCOPE_NOWHERE;
	return nlh;
}

const char *route_protocol(uint8_t protocol, char buf[8])
{
	static const struct {
		uint8_t number;
		const char *name;
	} names[] = {
		{ RTPROT_KERNEL, "kernel" }, { RTPROT_BOOT, "boot" },	{ RTPROT_STATIC, "static" },
		{ RTPROT_RA, "ra" },	     { RTPROT_ZEBRA, "zebra" }, { RTPROT_BIRD, "bird" },
		{ RTPROT_DHCP, "dhcp" },     { RTPROT_BGP, "bgp" },	{ RTPROT_ISIS, "isis" },
		{ RTPROT_OSPF, "ospf" },     { RTPROT_RIP, "rip" },	{ RTPROT_EIGRP, "eigrp" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].number == protocol)
			return names[i].name;
	snprintf(buf, 8, "%u", protocol);
	return buf;
}
