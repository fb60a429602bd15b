/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One route of the kernel, read from and written to rtnetlink messages, lwtunnel encapsulation
 * included (RTA_ENCAP; iproute2's `encap ip id N dst A`). Pure. Not for: which routes there are to
 * be.
 */
#ifndef XMESH_NET_ROUTE_H
#define XMESH_NET_ROUTE_H

#include <stdbool.h>

#include <libmnl/libmnl.h>

#include "xmesh/maps.h"

#define ROUTE_METRIC4 1    /* of our routes; the first of a range, see sync_plan_metric() */
#define ROUTE_METRICS4 256
#define ROUTE_METRIC6 1024 /* the kernel's own default */
#define ROUTE_TTL 64       /* of the outer header */
#define ROUTE_MESSAGE_MAX 512

enum route_shape {
	ROUTE_SIMPLE, /* one next hop or none, no encapsulation */
	ROUTE_TUNNEL, /* one next hop, lwtunnel ip or ip6 */
	ROUTE_OTHER,  /* multipath, another encapsulation: ifindex and gateway are the first's */
};

struct route_fact {
	struct xm_prefix prefix;
	uint32_t table, ifindex, metric, mtu; /* mtu: 0 = the interface's */
	uint8_t type, protocol, tos;          /* RTN_*, RTPROT_* */
	bool onlink;
	enum route_shape shape;
	struct xm_addr gateway, src;          /* zero = none */
	struct xm_addr outer;                 /* ROUTE_TUNNEL, as all below */
	struct xm_addr outer_src;
	uint64_t vni;
	uint8_t ttl, outer_tos;
	uint16_t tunnel_flags;                /* TUNNEL_CSUM, ...: we set none */
};

/* False: no route message, a family that is not IP, or attributes of impossible sizes. */
bool route_parse(const struct nlmsghdr *nlh, struct route_fact *ret_route);

/*
 * RTM_NEWROUTE with @flags (NLM_F_*) or RTM_DELROUTE into @buf; the message is what nl_talk()
 * takes. @route is of shape ROUTE_SIMPLE or ROUTE_TUNNEL to be made, any to be deleted.
 */
struct nlmsghdr *route_put(char buf[ROUTE_MESSAGE_MAX], const struct route_fact *route,
			   uint16_t flags);
struct nlmsghdr *route_delete(char buf[ROUTE_MESSAGE_MAX], const struct route_fact *route);

/* True when every attribute that we ever set is the same. */
bool route_same(const struct route_fact *a, const struct route_fact *b);

/* "bird", "static", or the number, into @buf. */
const char *route_protocol(uint8_t protocol, char buf[8]);

#endif
