/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The pods of this node, learned from what the kernel knows: host routes and neighbours behind
 * interfaces that match pods.interfaces, and, behind a bridge, the bridge's neighbours with the
 * port that its FDB names. Pure: tables in, pods out. The tables come from net/tables.h.
 */
#ifndef XMESH_MODEL_PODS_H
#define XMESH_MODEL_PODS_H

#include "core/err.h"
#include "model/config.h"

struct link_fact {
	uint32_t ifindex, master;     /* master = 0: none */
	char name[16];
	char kind[16];                /* rtnl kind: "veth", "bridge", "vxlan", ... */
	__u8 mac[6];
	uint32_t mtu;
	bool up;
};

struct neigh_fact {
	uint32_t ifindex;
	struct xm_addr addr;
	__u8 mac[6];
	bool usable;                  /* not NUD_FAILED / INCOMPLETE / NONE; stale is usable */
};

struct fdb_fact { uint32_t port, bridge; __u8 mac[6]; };
/* /32 and /128, unicast, main table */
struct host_route_fact { uint32_t ifindex; struct xm_addr addr; };
/* A route of the main table without a next hop, but for the default ones: who is on the link itself. */
struct subnet_fact { uint32_t ifindex; struct xm_prefix prefix; };
struct static_pod { struct xm_addr addr; uint32_t ifindex; __u8 pod_mac[6]; bool has_mac; };

struct net_tables {
	struct link_fact *links;        size_t n_links;
	struct neigh_fact *neighs;      size_t n_neighs;
	struct fdb_fact *fdb;           size_t n_fdb;
	struct host_route_fact *routes; size_t n_routes;
	struct subnet_fact *subnets;    size_t n_subnets;
	struct xm_addr *own;            size_t n_own;    /* every address of this host */
};

struct pod_entry { struct xm_addr addr; struct xm_pod pod; };
struct pod_iface { uint32_t ifindex; char name[16]; uint32_t n_addrs; };
struct pod_wait { uint32_t ifindex; struct xm_addr addr; };

struct pods {
	struct pod_entry *pods;   size_t n_pods;    /* sorted by addr (memcmp) */
	struct pod_iface *ifaces; size_t n_ifaces;  /* interfaces to attach to, sorted by ifindex */
	/*
	 * Addresses with a route or an `endpoint add` but no MAC yet, sorted by addr: to be
	 * resolved on ifindex (net/tables.h), upon which the kernel tells of the neighbour.
	 */
	struct pod_wait *waiting; size_t n_waiting;
	char **notes;             size_t n_notes;   /* an address on two interfaces, ... */
};

/*
 * Interfaces: links that match config->pod_globs, are up, and are not the underlay, the xmesh
 * device, a bridge or lo; and those of @statics. A pod: a host route or a usable neighbour
 * (unicast, not link-local) on such an interface; its MAC is the neighbour's, else the interface's
 * peer is unknown and the address waits (it is not in the result, but in ->waiting). Behind a
 * bridge: a usable neighbour on the bridge whose FDB port matches. A neighbour counts only where
 * the kernel itself would look for it, in one of the interface's subnets: whoever speaks to the
 * host makes one, of any IPv6 address. @previous (may be NULL) keeps a pod whose neighbour the
 * kernel forgot or whose FDB entry aged out while its interface still exists; a neighbour that
 * failed removes it. An address on two interfaces: a host route wins over neighbours, among equals
 * the interface of @previous, else the first in the tables; a note says so. Addresses of this host
 * itself are no pods. @statics come on top (XM_POD_STATIC) and win; one whose interface is not
 * there or down is left out with a note. host_mac is the interface's MAC, behind a bridge the
 * bridge's. @stack_ifindexes (sorted, n_stack): interfaces whose pods get XM_POD_STACK; with
 * pods.path: stack all get it. since_s is 0. -ENOSPC: more than XM_MAX_PODS or XM_MAX_IFACES, with
 * a sentence. The caller owns *ret_pods.
 */
int pods_learn(const struct config *config, const struct net_tables *tables,
	       const struct static_pod *statics, size_t n_statics,
	       const uint32_t *stack_ifindexes, size_t n_stack,
	       const struct pods *previous, struct pods **ret_pods, struct err *err);
void pods_free(struct pods *pods);

#endif
