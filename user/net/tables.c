/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Asking the kernel for its tables. A dump that the kernel interrupted is asked for again, so what
 * comes back was true at one moment per table. Not for: changing anything but a neighbour's state.
 */
#include "net/tables.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "core/addr.h"
#include "core/defs.h"
#include "core/vec.h"
#include "net/parse.h"
#include "net/route.h"
#include "net/sync.h"

#define DUMP_TRIES 10
#define LOOPBACK_IFINDEX 1 /* in every namespace (LOOPBACK_IFINDEX of the kernel) */

#ifndef RTM_F_FIB_MATCH
#define RTM_F_FIB_MATCH 0x2000
#endif
#ifndef RTEXT_FILTER_SKIP_STATS
#define RTEXT_FILTER_SKIP_STATS (1 << 3)
#endif

/* Room for any request made here. */
union request {
	struct nlmsghdr nlh;
	char bytes[512];
};

static void *request_init(union request *req, uint16_t type, uint16_t flags, size_t header_bytes)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(req->bytes);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = flags;
	return mnl_nlmsg_put_extra_header(nlh, header_bytes);
}

/* ---- dumps ----------------------------------------------------------------------------------- */

/*
 * Run a dump until it was not interrupted; @restart empties what an earlier try collected. A
 * routing table that does not exist yet (-ENOENT with strict checking) is an empty one.
 */
static int dump(struct nl *nl, union request *req, mnl_cb_t cb, void *data,
		void (*restart)(void *data), const char *what, struct err *err)
{
	int code = -EINTR;

	for (int i = 0; i < DUMP_TRIES && code == -EINTR; i++) {
		restart(data);
		code = nl_talk(nl, &req->nlh, cb, data, what, err);
	}
	return code == -ENOENT ? 0 : code;
}

static int add_failed(void)
{
	errno = ENOMEM;
	return MNL_CB_ERROR;
}

static int add_link(const struct nlmsghdr *nlh, void *data)
{
	struct net_tables *t = data;
	struct link_fact link;

	if (nlh->nlmsg_type != RTM_NEWLINK || !parse_link(nlh, &link))
		return MNL_CB_OK;
	if (vec_grow(&t->links, t->n_links, sizeof(link)))
		return add_failed();
	t->links[t->n_links++] = link;
	return MNL_CB_OK;
}

static int add_neigh(const struct nlmsghdr *nlh, void *data)
{
	struct net_tables *t = data;
	struct neigh_fact neigh;

	if (nlh->nlmsg_type != RTM_NEWNEIGH || !parse_neigh(nlh, &neigh))
		return MNL_CB_OK;
	if (vec_grow(&t->neighs, t->n_neighs, sizeof(neigh)))
		return add_failed();
	t->neighs[t->n_neighs++] = neigh;
	return MNL_CB_OK;
}

static int add_fdb(const struct nlmsghdr *nlh, void *data)
{
	struct net_tables *t = data;
	struct fdb_fact fdb;

	if (nlh->nlmsg_type != RTM_NEWNEIGH || !parse_fdb(nlh, &fdb))
		return MNL_CB_OK;
	if (vec_grow(&t->fdb, t->n_fdb, sizeof(fdb)))
		return add_failed();
	t->fdb[t->n_fdb++] = fdb;
	return MNL_CB_OK;
}

static int add_route(const struct nlmsghdr *nlh, void *data)
{
	struct net_tables *t = data;
	struct route_fact route;

	if (!route_parse(nlh, &route) || route.table != RT_TABLE_MAIN ||
	    route.type != RTN_UNICAST || route.protocol == NET_ROUTE_PROTO ||
	    !prefix_len(&route.prefix) || route.shape != ROUTE_SIMPLE ||
	    !xm_addr_is_zero(&route.gateway))
		return MNL_CB_OK;
	if (route.prefix.plen != 128) {
		if (vec_grow(&t->subnets, t->n_subnets, sizeof(*t->subnets)))
			return add_failed();
		t->subnets[t->n_subnets++] = (struct subnet_fact){ .ifindex = route.ifindex,
								   .prefix = route.prefix };
		return MNL_CB_OK;
	}
	if (vec_grow(&t->routes, t->n_routes, sizeof(*t->routes)))
		return add_failed();
	t->routes[t->n_routes++] =
		(struct host_route_fact){ .ifindex = route.ifindex, .addr = route.prefix.addr };
	return MNL_CB_OK;
}

static int add_own(const struct nlmsghdr *nlh, void *data)
{
	struct net_tables *t = data;
	struct xm_addr addr;
	struct parse p;

	parse_message(nlh, sizeof(struct ifaddrmsg), &p);
	if (nlh->nlmsg_type != RTM_NEWADDR ||
	    !parse_addr(p.attr[p.attr[IFA_LOCAL] ? IFA_LOCAL : IFA_ADDRESS], &addr))
		return MNL_CB_OK;
	if (vec_grow(&t->own, t->n_own, sizeof(addr)))
		return add_failed();
	t->own[t->n_own++] = addr;
	return MNL_CB_OK;
}

/* Emptied arrays are freed: vec_grow() wants to have added every item itself. */
#define RESTART(name, array, count)                                                                \
	static void name(void *data)                                                               \
	{                                                                                          \
		struct net_tables *t = data;                                                       \
                                                                                                   \
		free(take(t->array));                                                              \
		t->count = 0;                                                                      \
	}

RESTART(restart_links, links, n_links)
RESTART(restart_neighs, neighs, n_neighs)
RESTART(restart_fdb, fdb, n_fdb)
RESTART(restart_own, own, n_own)

static void restart_nothing(void *data)
{
}

static int dump_links(struct nl *nl, struct net_tables *t, struct err *err)
{
	union request req;
	struct ifinfomsg *ifi = request_init(&req, RTM_GETLINK, NLM_F_DUMP, sizeof(*ifi));

	ifi->ifi_family = AF_UNSPEC;
	mnl_attr_put_u32(&req.nlh, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	return dump(nl, &req, add_link, t, restart_links, "reading the interfaces", err);
}

static int dump_neighs(struct nl *nl, struct net_tables *t, uint8_t family, struct err *err)
{
	union request req;
	struct ndmsg *ndm = request_init(&req, RTM_GETNEIGH, NLM_F_DUMP, sizeof(*ndm));

	ndm->ndm_family = family;
	if (family == AF_BRIDGE)
		return dump(nl, &req, add_fdb, t, restart_fdb, "reading the bridges' FDB", err);
	return dump(nl, &req, add_neigh, t, restart_neighs, "reading the neighbours", err);
}

static int dump_own(struct nl *nl, struct net_tables *t, struct err *err)
{
	union request req;
	struct ifaddrmsg *ifa = request_init(&req, RTM_GETADDR, NLM_F_DUMP, sizeof(*ifa));

	ifa->ifa_family = AF_UNSPEC;
	return dump(nl, &req, add_own, t, restart_own, "reading the addresses", err);
}

/* The main table of one family; @cb sees every route of it. */
static int dump_routes(struct nl *nl, uint8_t family, mnl_cb_t cb, void *data, struct err *err)
{
	union request req;
	struct rtmsg *rtm = request_init(&req, RTM_GETROUTE, NLM_F_DUMP, sizeof(*rtm));

	rtm->rtm_family = family;
	rtm->rtm_table = RT_TABLE_MAIN;
	/* No restart: a route seen twice does no harm to those who read them. */
	return dump(nl, &req, cb, data, restart_nothing, "reading the routes", err);
}

int tables_read(struct nl *nl, struct net_tables **ret_tables, struct err *err)
{
	struct net_tables *t = calloc(1, sizeof(*t));
	int code;

	if (!t)
		return err_set(err, -ENOMEM, "out of memory for the kernel's tables");
	if ((code = dump_links(nl, t, err)) || (code = dump_own(nl, t, err)) ||
	    (code = dump_neighs(nl, t, AF_UNSPEC, err)) ||
	    (code = dump_neighs(nl, t, AF_BRIDGE, err)) ||
	    (code = dump_routes(nl, AF_INET, add_route, t, err)) ||
	    (code = dump_routes(nl, AF_INET6, add_route, t, err))) {
		tables_free(t);
		return code;
	}
	*ret_tables = t;
	return 0;
}

void tables_free(struct net_tables *tables)
{
	if (!tables)
		return;
	free(tables->links);
	free(tables->neighs);
	free(tables->fdb);
	free(tables->routes);
	free(tables->subnets);
	free(tables->own);
	free(tables);
}

/* ---- addresses ------------------------------------------------------------------------------- */

struct addrs {
	uint32_t ifindex; /* 0 = all */
	struct xm_addr *v;
	size_t n;
};

static void restart_addrs(void *data)
{
	struct addrs *addrs = data;

	free(take(addrs->v));
	addrs->n = 0;
}

static int add_addr(const struct nlmsghdr *nlh, void *data)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	struct addrs *addrs = data;
	struct xm_addr addr;
	struct parse p;
	uint32_t flags;

	parse_message(nlh, sizeof(*ifa), &p);
	if (nlh->nlmsg_type != RTM_NEWADDR || ifa->ifa_scope != RT_SCOPE_UNIVERSE ||
	    (addrs->ifindex && ifa->ifa_index != addrs->ifindex) ||
	    !parse_addr(p.attr[p.attr[IFA_LOCAL] ? IFA_LOCAL : IFA_ADDRESS], &addr) ||
	    !addr_is_unicast(&addr) || addr_is_linklocal(&addr))
		return MNL_CB_OK;
	if (!parse_u32(p.attr[IFA_FLAGS], &flags))
		flags = ifa->ifa_flags;
	/* Not ours (yet), or not for long: neither may become a tunnel endpoint. The flag of
	 * temporary IPv6 addresses means secondary in IPv4, where it does no harm. */
	if (flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED) ||
	    (ifa->ifa_family == AF_INET6 && flags & IFA_F_TEMPORARY))
		return MNL_CB_OK;
	if (vec_grow(&addrs->v, addrs->n, sizeof(addr)))
		return add_failed();
	addrs->v[addrs->n++] = addr;
	return MNL_CB_OK;
}

int tables_addrs(struct nl *nl, uint32_t ifindex, struct xm_addr **ret_addrs, size_t *ret_n,
		 struct err *err)
{
	struct addrs addrs = { .ifindex = ifindex };
	union request req;
	struct ifaddrmsg *ifa = request_init(&req, RTM_GETADDR, NLM_F_DUMP, sizeof(*ifa));
	int code;

	ifa->ifa_family = AF_UNSPEC;
	code = dump(nl, &req, add_addr, &addrs, restart_addrs, "reading the addresses", err);
	if (code) {
		free(addrs.v);
		return code;
	}
	*ret_addrs = addrs.v;
	*ret_n = addrs.n;
	return 0;
}

/* ---- paths ----------------------------------------------------------------------------------- */

static int take_path(const struct nlmsghdr *nlh, void *data)
{
	struct fact_path *path = data;
	struct route_fact route;

	if (!route_parse(nlh, &route))
		return MNL_CB_OK;
	path->reachable = route.type == RTN_UNICAST && route.ifindex;
	path->ifindex = route.ifindex;
	path->mtu = route.mtu;
	path->onlink = xm_addr_is_zero(&route.gateway);
	path->next_hop = path->onlink ? path->dst : route.gateway;
	return MNL_CB_OK;
}

static int take_mtu(const struct nlmsghdr *nlh, void *data)
{
	struct link_fact link;

	if (nlh->nlmsg_type == RTM_NEWLINK && parse_link(nlh, &link))
		*(uint32_t *)data = link.mtu;
	return MNL_CB_OK;
}

static int link_mtu(struct nl *nl, uint32_t ifindex, uint32_t *ret_mtu, struct err *err)
{
	union request req;
	struct ifinfomsg *ifi = request_init(&req, RTM_GETLINK, 0, sizeof(*ifi));

	ifi->ifi_index = (int)ifindex;
	mnl_attr_put_u32(&req.nlh, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	return nl_talk(nl, &req.nlh, take_mtu, ret_mtu, "reading an interface's MTU", err);
}

static bool is_unreachable(int code)
{
	return code == -ENETUNREACH || code == -EHOSTUNREACH || code == -EACCES ||
	       code == -EINVAL || code == -ENODEV;
}

int tables_path(struct nl *nl, const struct xm_addr *dst, struct fact_path *ret_path,
		struct err *err)
{
	char text[ADDR_TEXT_MAX], what[ADDR_TEXT_MAX + 32];
	struct fact_path path = { .dst = *dst };
	bool v4 = xm_addr_is_v4(dst);
	uint32_t mtu = 0;
	union request req;
	struct rtmsg *rtm = request_init(&req, RTM_GETROUTE, 0, sizeof(*rtm));
	int code;

	rtm->rtm_family = v4 ? AF_INET : AF_INET6;
	rtm->rtm_dst_len = v4 ? 32 : 128;
	/*
	 * The route as configured, not what path MTU discovery made of it for some minutes: that
	 * is followed per node by the data plane, and nothing would tell us when it expires.
	 */
	rtm->rtm_flags = RTM_F_FIB_MATCH;
	mnl_attr_put(&req.nlh, RTA_DST, v4 ? 4 : 16, v4 ? &dst->b[12] : dst->b);
	snprintf(what, sizeof(what), "asking for the route to %s", addr_format(dst, text));
	code = nl_talk(nl, &req.nlh, take_path, &path, what, err);
	if (is_unreachable(code)) {
		*ret_path = (struct fact_path){ .dst = *dst };
		return 0;
	}
	if (code)
		return code;
	if (path.reachable) {
		code = link_mtu(nl, path.ifindex, &mtu, err);
		/* Gone between the two questions: the watch tells of it, the next turn asks anew. */
		if (code == -ENODEV)
			path.reachable = false;
		else if (code)
			return code;
		path.mtu = path.mtu ? MIN(path.mtu, mtu) : mtu;
	}
	if (!path.reachable)
		path = (struct fact_path){ .dst = *dst };
	*ret_path = path;
	return 0;
}

void tables_macs(const struct net_tables *tables, struct fact_path *path)
{
	static const __u8 none[6];
	const struct link_fact *link = NULL;

	path->has_macs = false;
	for (size_t i = 0; path->reachable && i < tables->n_links; i++)
		if (tables->links[i].ifindex == path->ifindex)
			link = &tables->links[i];
	/* WireGuard's has none. */
	if (!link || !memcmp(link->mac, none, sizeof(none)))
		return;
	for (size_t i = 0; i < tables->n_neighs; i++) {
		const struct neigh_fact *neigh = &tables->neighs[i];

		if (neigh->ifindex != path->ifindex || !neigh->usable ||
		    !xm_addr_eq(&neigh->addr, &path->next_hop) ||
		    !memcmp(neigh->mac, none, sizeof(none)))
			continue;
		memcpy(path->next_mac, neigh->mac, sizeof(path->next_mac));
		memcpy(path->own_mac, link->mac, sizeof(path->own_mac));
		path->has_macs = true;
		return;
	}
}

/* ---- foreign prefixes ------------------------------------------------------------------------ */

struct prefixes {
	struct xm_prefix *v;
	size_t n;
};

static int add_foreign(const struct nlmsghdr *nlh, void *data)
{
	struct prefixes *prefixes = data;
	struct route_fact route;

	if (!route_parse(nlh, &route) || route.table != RT_TABLE_MAIN ||
	    route.type != RTN_UNICAST || route.protocol == NET_ROUTE_PROTO ||
	    prefix_len(&route.prefix) == 0 || route.ifindex == LOOPBACK_IFINDEX ||
	    addr_is_linklocal(&route.prefix.addr))
		return MNL_CB_OK;
	if (vec_grow(&prefixes->v, prefixes->n, sizeof(route.prefix)))
		return add_failed();
	prefixes->v[prefixes->n++] = route.prefix;
	return MNL_CB_OK;
}

static int order_prefixes(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct xm_prefix));
}

int tables_foreign(struct nl *nl, struct xm_prefix **ret_prefixes, size_t *ret_n, struct err *err)
{
	struct prefixes p = { 0 };
	size_t n = 0;
	int code;

	if ((code = dump_routes(nl, AF_INET, add_foreign, &p, err)) ||
	    (code = dump_routes(nl, AF_INET6, add_foreign, &p, err))) {
		free(p.v);
		return code;
	}
	if (p.n)
		qsort(p.v, p.n, sizeof(*p.v), order_prefixes);
	for (size_t i = 0; i < p.n; i++)
		if (!n || order_prefixes(&p.v[n - 1], &p.v[i]))
			p.v[n++] = p.v[i];
	*ret_prefixes = p.v;
	*ret_n = n;
	return 0;
}

int tables_resolve(struct nl *nl, uint32_t ifindex, const struct xm_addr *addr, struct err *err)
{
	char text[ADDR_TEXT_MAX], what[ADDR_TEXT_MAX + 64];
	bool v4 = xm_addr_is_v4(addr);
	union request req;
	struct ndmsg *ndm = request_init(&req, RTM_NEWNEIGH, NLM_F_CREATE, sizeof(*ndm));

	ndm->ndm_family = v4 ? AF_INET : AF_INET6;
	ndm->ndm_ifindex = (int)ifindex;
	ndm->ndm_state = NUD_NONE;
	ndm->ndm_flags = NTF_USE;
	mnl_attr_put(&req.nlh, NDA_DST, v4 ? 4 : 16, v4 ? &addr->b[12] : addr->b);
	snprintf(what, sizeof(what), "resolving %s on interface %u", addr_format(addr, text),
		 ifindex);
	return nl_talk(nl, &req.nlh, NULL, NULL, what, err);
}
