/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every source of knowledge (static entries, host routes, neighbours, the last result) yields
 * candidates with a rank; sorted by address and rank, the first of each address is the pod. So an
 * address has one owner whatever order the kernel's dumps come in. Not for: I/O of any kind.
 */
#include "model/pods.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <fnmatch.h>
#include <string.h>

#include "core/addr.h"
#include "core/defs.h"
#include "core/vec.h"

/* In the order in which they win. */
enum rank { RANK_STATIC, RANK_ROUTE, RANK_NEIGH, RANK_KEPT };

struct candidate {
	struct xm_addr addr;
	enum rank rank;
	bool elsewhere;  /* @previous knew the address on another interface */
	size_t order;    /* in the tables */
	uint32_t ifindex;
	bool has_mac;
	struct xm_pod pod;
};

struct learn {
	const struct config *config;
	const struct net_tables *tables;
	const struct static_pod *statics;
	size_t n_statics;
	const uint32_t *stack;
	size_t n_stack;
	const struct pods *previous;
	/* Copies of the tables, sorted for bsearch(). */
	struct link_fact *links;     /* by ifindex */
	struct neigh_fact *neighs;   /* by ifindex, address */
	struct fdb_fact *fdb;        /* by bridge, MAC */
	struct xm_addr *own;
	struct candidate *candidates;
	size_t n_candidates;
	struct pods *pods;
};

/* ---- tables ---------------------------------------------------------------------------------- */

static int order_u32(uint32_t a, uint32_t b)
{
	return (a > b) - (a < b);
}

static int order_links(const void *va, const void *vb)
{
	return order_u32(((const struct link_fact *)va)->ifindex,
			 ((const struct link_fact *)vb)->ifindex);
}

static int order_neighs(const void *va, const void *vb)
{
	const struct neigh_fact *a = va, *b = vb;
	int diff = order_u32(a->ifindex, b->ifindex);

	return diff ? diff : memcmp(&a->addr, &b->addr, sizeof(a->addr));
}

static int order_fdb(const void *va, const void *vb)
{
	const struct fdb_fact *a = va, *b = vb;
	int diff = order_u32(a->bridge, b->bridge);

	return diff ? diff : memcmp(a->mac, b->mac, sizeof(a->mac));
}

static int order_addrs(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct xm_addr));
}

static int order_entries(const void *va, const void *vb)
{
	return order_addrs(&((const struct pod_entry *)va)->addr,
			   &((const struct pod_entry *)vb)->addr);
}

static int order_ifaces(const void *va, const void *vb)
{
	return order_u32(((const struct pod_iface *)va)->ifindex,
			 ((const struct pod_iface *)vb)->ifindex);
}

static int order_ifindexes(const void *a, const void *b)
{
	return order_u32(*(const uint32_t *)a, *(const uint32_t *)b);
}

static int order_candidates(const void *va, const void *vb)
{
	const struct candidate *a = va, *b = vb;
	int diff = order_addrs(&a->addr, &b->addr);

	if (diff)
		return diff;
	if (a->rank != b->rank)
		return (int)a->rank - (int)b->rank;
	if (a->elsewhere != b->elsewhere)
		return a->elsewhere - b->elsewhere;
	return (a->order > b->order) - (a->order < b->order);
}

/* A sorted copy; *@ret is NULL only without memory. */
static int copy(const void *from, size_t n, size_t size, int (*order)(const void *, const void *),
		void *ret)
{
	void *to = malloc(n * size + 1);

	if (!to)
		return -ENOMEM;
	if (n) {
		memcpy(to, from, n * size);
		qsort(to, n, size, order);
	}
	memcpy(ret, &to, sizeof(to));
	return 0;
}

static const struct link_fact *find_link(const struct learn *l, uint32_t ifindex)
{
	struct link_fact key = { .ifindex = ifindex };

	return bsearch(&key, l->links, l->tables->n_links, sizeof(key), order_links);
}

static const struct neigh_fact *find_neigh(const struct learn *l, uint32_t ifindex,
					   const struct xm_addr *addr)
{
	struct neigh_fact key = { .ifindex = ifindex, .addr = *addr };

	return bsearch(&key, l->neighs, l->tables->n_neighs, sizeof(key), order_neighs);
}

static bool is_usable(const struct neigh_fact *neigh)
{
	static const __u8 none[6];

	/* A multicast or zero MAC is no pod's; the kernel has those on devices without addresses. */
	return neigh->usable && !(neigh->mac[0] & 1) && memcmp(neigh->mac, none, sizeof(none));
}

/*
 * The MAC that all usable neighbours on @ifindex share: on a point-to-point link there is one pod,
 * whatever the address. NULL when there is none or more than one.
 */
static const __u8 *find_only_mac(const struct learn *l, uint32_t ifindex)
{
	size_t low = 0, high = l->tables->n_neighs;
	const __u8 *mac = NULL;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (l->neighs[middle].ifindex < ifindex)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < l->tables->n_neighs && l->neighs[low].ifindex == ifindex; low++) {
		if (!is_usable(&l->neighs[low]))
			continue;
		if (mac && memcmp(mac, l->neighs[low].mac, ETH_ALEN))
			return NULL;
		mac = l->neighs[low].mac;
	}
	return mac;
}

/* The port of @bridge behind which @mac was seen; 0 = unknown. */
static uint32_t find_port(const struct learn *l, uint32_t bridge, const __u8 mac[6])
{
	struct fdb_fact key = { .bridge = bridge };
	const struct fdb_fact *fdb;

	memcpy(key.mac, mac, sizeof(key.mac));
	fdb = bsearch(&key, l->fdb, l->tables->n_fdb, sizeof(key), order_fdb);
	return fdb ? fdb->port : 0;
}

static const struct pod_iface *find_iface(const struct learn *l, uint32_t ifindex)
{
	struct pod_iface key = { .ifindex = ifindex };

	if (!l->pods->n_ifaces)
		return NULL;
	return bsearch(&key, l->pods->ifaces, l->pods->n_ifaces, sizeof(key), order_ifaces);
}

static const struct xm_pod *find_previous(const struct learn *l, const struct xm_addr *addr)
{
	struct pod_entry key = { .addr = *addr }, *found;

	if (!l->previous || !l->previous->n_pods)
		return NULL;
	found = bsearch(&key, l->previous->pods, l->previous->n_pods, sizeof(key), order_entries);
	return found ? &found->pod : NULL;
}

/* The bridge that @link is a port of, or NULL. */
static const struct link_fact *find_bridge(const struct learn *l, const struct link_fact *link)
{
	const struct link_fact *master = link->master ? find_link(l, link->master) : NULL;

	return master && !strcmp(master->kind, "bridge") ? master : NULL;
}

/* ---- interfaces ------------------------------------------------------------------------------ */

static bool is_pod_link(const struct config *config, const struct link_fact *link)
{
	if (!link->up || !strcmp(link->name, config->device) || !strcmp(link->name, "lo") ||
	    !strcmp(link->kind, "bridge"))
		return false;
	for (size_t i = 0; i < config->n_underlay; i++)
		if (!strcmp(link->name, config->underlay[i]))
			return false;
	for (size_t i = 0; i < config->n_pod_globs; i++)
		if (!fnmatch(config->pod_globs[i], link->name, 0))
			return true;
	return false;
}

static bool has_static(const struct learn *l, uint32_t ifindex)
{
	for (size_t i = 0; i < l->n_statics; i++)
		if (l->statics[i].ifindex == ifindex)
			return true;
	return false;
}

/* An interface named by `endpoint add` is attached to whatever it is called, if it is no bridge. */
static bool is_static_link(const struct learn *l, const struct link_fact *link)
{
	return link->up && strcmp(link->kind, "bridge") && has_static(l, link->ifindex);
}

static int learn_ifaces(struct learn *l, struct err *err)
{
	struct pods *pods = l->pods;

	/* The links are sorted by ifindex, so the interfaces come out sorted. */
	for (size_t i = 0; i < l->tables->n_links; i++) {
		const struct link_fact *link = &l->links[i];
		struct pod_iface iface = { .ifindex = link->ifindex };

		if (!is_pod_link(l->config, link) && !is_static_link(l, link))
			continue;
		if (pods->n_ifaces == XM_MAX_IFACES)
			return err_set(err, -ENOSPC,
				       "more than %d interfaces match pods.interfaces: narrow the "
				       "globs",
				       XM_MAX_IFACES);
		memcpy(iface.name, link->name, sizeof(iface.name));
		if (vec_grow(&pods->ifaces, pods->n_ifaces, sizeof(iface)))
			return -ENOMEM;
		pods->ifaces[pods->n_ifaces++] = iface;
	}
	return 0;
}

/* ---- candidates ------------------------------------------------------------------------------ */

static bool is_own(const struct learn *l, const struct xm_addr *addr)
{
	return bsearch(addr, l->own, l->tables->n_own, sizeof(*addr), order_addrs);
}

static bool may_be_pod(const struct learn *l, const struct xm_addr *addr)
{
	return addr_is_unicast(addr) && !addr_is_linklocal(addr) && !is_own(l, addr);
}

/* @mac NULL = not known yet. */
static int add(struct learn *l, enum rank rank, const struct xm_addr *addr,
	       const struct link_fact *link, const __u8 *mac)
{
	const struct link_fact *bridge = find_bridge(l, link);
	const struct xm_pod *was = find_previous(l, addr);
	struct candidate c = {
		.addr = *addr,
		.rank = rank,
		.elsewhere = was && was->ifindex != link->ifindex,
		.order = l->n_candidates,
		.ifindex = link->ifindex,
		.has_mac = mac,
		.pod = { .ifindex = link->ifindex, .mtu = link->mtu },
	};

	if (rank == RANK_STATIC)
		c.pod.flags |= XM_POD_STATIC;
	if (bridge)
		c.pod.flags |= XM_POD_BRIDGE;
	if (l->config->pods_path == CONFIG_PATH_STACK ||
	    (l->n_stack && bsearch(&link->ifindex, l->stack, l->n_stack, sizeof(*l->stack),
				   order_ifindexes)))
		c.pod.flags |= XM_POD_STACK;
	if (mac)
		memcpy(c.pod.pod_mac, mac, sizeof(c.pod.pod_mac));
	memcpy(c.pod.host_mac, bridge ? bridge->mac : link->mac, sizeof(c.pod.host_mac));
	if (vec_grow(&l->candidates, l->n_candidates, sizeof(c)))
		return -ENOMEM;
	l->candidates[l->n_candidates++] = c;
	return 0;
}

/*
 * The MAC of @addr on @link: the neighbour's; where the kernel has forgotten the neighbour (it
 * collects quiet ones), the one known before on the same interface.
 */
static const __u8 *find_mac(const struct learn *l, const struct link_fact *link,
			    const struct xm_addr *addr)
{
	const struct link_fact *bridge = find_bridge(l, link);
	const struct neigh_fact *neigh =
		find_neigh(l, bridge ? bridge->ifindex : link->ifindex, addr);
	const struct xm_pod *was = find_previous(l, addr);

	if (neigh)
		return is_usable(neigh) ? neigh->mac : NULL;
	return was && was->ifindex == link->ifindex ? was->pod_mac : NULL;
}

static int learn_statics(struct learn *l)
{
	char text[ADDR_TEXT_MAX];

	for (size_t i = 0; i < l->n_statics; i++) {
		const struct static_pod *s = &l->statics[i];
		const struct link_fact *link = find_link(l, s->ifindex);
		const char *why = NULL;

		if (!link)
			why = "its interface is gone";
		else if (!find_iface(l, s->ifindex))
			why = link->up ? "its interface is a bridge: name the port behind which it is" :
					 "its interface is down";
		else if (!may_be_pod(l, &s->addr))
			why = "no pod can have this address: it is this host's own, link-local or "
			      "multicast";
		if (why && vec_note(&l->pods->notes, &l->pods->n_notes,
				    "endpoint %s on interface %s (%u) is left out: %s",
				    addr_format(&s->addr, text), link ? link->name : "?", s->ifindex,
				    why))
			return -ENOMEM;
		if (why)
			continue;
		if (add(l, RANK_STATIC, &s->addr, link,
			s->has_mac ? s->pod_mac : find_mac(l, link, &s->addr)))
			return -ENOMEM;
	}
	return 0;
}

static int learn_routes(struct learn *l)
{
	for (size_t i = 0; i < l->tables->n_routes; i++) {
		const struct host_route_fact *route = &l->tables->routes[i];

		if (!find_iface(l, route->ifindex) || !may_be_pod(l, &route->addr))
			continue;
		const struct link_fact *link = find_link(l, route->ifindex);
		const __u8 *mac = find_mac(l, link, &route->addr);

		/* The route says whose it is; a pod known by one family only would lose the other. */
		if (!mac && !find_bridge(l, link))
			mac = find_only_mac(l, link->ifindex);
		if (add(l, RANK_ROUTE, &route->addr, link, mac))
			return -ENOMEM;
	}
	return 0;
}

/* Would the kernel look for @addr on @ifindex itself? Else anyone there could be anybody. */
static bool is_on_link(const struct learn *l, uint32_t ifindex, const struct xm_addr *addr)
{
	for (size_t i = 0; i < l->tables->n_subnets; i++)
		if (l->tables->subnets[i].ifindex == ifindex &&
		    prefix_contains(&l->tables->subnets[i].prefix, addr))
			return true;
	return false;
}

static int learn_neighs(struct learn *l)
{
	for (size_t i = 0; i < l->tables->n_neighs; i++) {
		const struct neigh_fact *neigh = &l->tables->neighs[i];
		const struct link_fact *link = find_link(l, neigh->ifindex);

		if (!link || !is_usable(neigh) || !may_be_pod(l, &neigh->addr))
			continue;
		if (!strcmp(link->kind, "bridge"))
			link = find_link(l, find_port(l, link->ifindex, neigh->mac));
		if (!link || !find_iface(l, link->ifindex) ||
		    !is_on_link(l, neigh->ifindex, &neigh->addr))
			continue;
		if (add(l, RANK_NEIGH, &neigh->addr, link, neigh->mac))
			return -ENOMEM;
	}
	return 0;
}

/*
 * What was known stays while its interface does, unless the kernel knows better: a neighbour that
 * failed, one with another MAC, or one whose MAC is behind another port. What came by `endpoint add`
 * ends with that.
 */
static int keep_previous(struct learn *l)
{
	for (size_t i = 0; l->previous && i < l->previous->n_pods; i++) {
		const struct pod_entry *was = &l->previous->pods[i];
		const struct link_fact *link = find_link(l, was->pod.ifindex), *bridge;
		const struct neigh_fact *neigh;

		if (was->pod.flags & XM_POD_STATIC || !link || !find_iface(l, link->ifindex) ||
		    !may_be_pod(l, &was->addr))
			continue;
		bridge = find_bridge(l, link);
		if (!bridge != !(was->pod.flags & XM_POD_BRIDGE))
			continue;
		neigh = find_neigh(l, bridge ? bridge->ifindex : link->ifindex, &was->addr);
		if (neigh && (!is_usable(neigh) || memcmp(neigh->mac, was->pod.pod_mac, 6)))
			continue;
		if (bridge && find_port(l, bridge->ifindex, was->pod.pod_mac) &&
		    find_port(l, bridge->ifindex, was->pod.pod_mac) != link->ifindex)
			continue;
		if (add(l, RANK_KEPT, &was->addr, link, was->pod.pod_mac))
			return -ENOMEM;
	}
	return 0;
}

/* ---- the result ------------------------------------------------------------------------------ */

static int settle(struct learn *l, const struct candidate *c, struct err *err)
{
	struct pods *pods = l->pods;

	if (!c->has_mac) {
		/* Behind a bridge it is the bridge that has neighbours. */
		const struct link_fact *bridge = find_bridge(l, find_link(l, c->ifindex));
		struct pod_wait wait = { bridge ? bridge->ifindex : c->ifindex, c->addr };

		if (vec_grow(&pods->waiting, pods->n_waiting, sizeof(wait)))
			return -ENOMEM;
		pods->waiting[pods->n_waiting++] = wait;
		return 0;
	}
	if (pods->n_pods == XM_MAX_PODS)
		return err_set(err, -ENOSPC,
			       "more than %d addresses of local pods: narrow pods.interfaces",
			       XM_MAX_PODS);
	if (vec_grow(&pods->pods, pods->n_pods, sizeof(*pods->pods)))
		return -ENOMEM;
	pods->pods[pods->n_pods++] = (struct pod_entry){ .addr = c->addr, .pod = c->pod };
	((struct pod_iface *)find_iface(l, c->ifindex))->n_addrs++;
	return 0;
}

/* Two that are both backed by the tables of now; a kept one is no rival. */
static int note_rival(struct learn *l, const struct candidate *c, const struct candidate *rival)
{
	char text[ADDR_TEXT_MAX];

	return vec_note(&l->pods->notes, &l->pods->n_notes,
			"pod address %s is on two interfaces, %s and %s: %s is taken (%s)",
			addr_format(&c->addr, text), find_iface(l, c->ifindex)->name,
			find_iface(l, rival->ifindex)->name, find_iface(l, c->ifindex)->name,
			c->rank == RANK_STATIC ? "xmesh endpoint add" :
			c->rank == RANK_ROUTE  ? "host route" :
						 "neighbour");
}

static int choose(struct learn *l, struct err *err)
{
	size_t next;
	int code;

	if (l->n_candidates)
		qsort(l->candidates, l->n_candidates, sizeof(*l->candidates), order_candidates);
	for (size_t i = 0; i < l->n_candidates; i = next) {
		const struct candidate *c = &l->candidates[i];

		for (next = i + 1; next < l->n_candidates &&
				   xm_addr_eq(&l->candidates[next].addr, &c->addr); next++)
			;
		if ((code = settle(l, c, err)))
			return code;
		for (size_t j = i + 1; j < next; j++) {
			if (l->candidates[j].ifindex == c->ifindex ||
			    l->candidates[j].rank == RANK_KEPT)
				continue;
			if (note_rival(l, c, &l->candidates[j]))
				return -ENOMEM;
			break;
		}
	}
	return 0;
}

static int learn(struct learn *l, struct err *err)
{
	const struct net_tables *t = l->tables;
	int code;

	if ((code = copy(t->links, t->n_links, sizeof(*t->links), order_links, &l->links)) ||
	    (code = copy(t->neighs, t->n_neighs, sizeof(*t->neighs), order_neighs, &l->neighs)) ||
	    (code = copy(t->fdb, t->n_fdb, sizeof(*t->fdb), order_fdb, &l->fdb)) ||
	    (code = copy(t->own, t->n_own, sizeof(*t->own), order_addrs, &l->own)) ||
	    (code = learn_ifaces(l, err)) || (code = learn_statics(l)) ||
	    (code = learn_routes(l)) || (code = learn_neighs(l)) || (code = keep_previous(l)))
		return code;
	return choose(l, err);
}

int pods_learn(const struct config *config, const struct net_tables *tables,
	       const struct static_pod *statics, size_t n_statics,
	       const uint32_t *stack_ifindexes, size_t n_stack,
	       const struct pods *previous, struct pods **ret_pods, struct err *err)
{
	struct learn l = {
		.config = config,
		.tables = tables,
		.statics = statics,
		.n_statics = n_statics,
		.stack = stack_ifindexes,
		.n_stack = n_stack,
		.previous = previous,
		.pods = calloc(1, sizeof(struct pods)),
	};
	int code = l.pods ? learn(&l, err) : -ENOMEM;

	free(l.links);
	free(l.neighs);
	free(l.fdb);
	free(l.own);
	free(l.candidates);
	if (code) {
		pods_free(l.pods);
		return code == -ENOMEM ? err_set(err, code, "out of memory for the pods") : code;
	}
	*ret_pods = l.pods;
	return 0;
}

void pods_free(struct pods *pods)
{
	if (!pods)
		return;
	free(pods->pods);
	free(pods->ifaces);
	free(pods->waiting);
	vec_free_notes(pods->notes, pods->n_notes);
	free(pods);
}
