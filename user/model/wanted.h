/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The wanted state of this node: what the BPF maps and the kernel's own tables are to hold, from
 * the mesh and from what was found out about the host. Pure: facts in, tables out. How the actual
 * state is brought there is plane/plan.h (maps) and net/sync.h (kernel).
 */
#ifndef XMESH_MODEL_WANTED_H
#define XMESH_MODEL_WANTED_H

#include "core/err.h"
#include "model/mesh.h"
#include "model/pods.h"

/* How the underlay reaches an address, as the kernel answered (RTM_GETROUTE). */
struct fact_path {
	struct xm_addr dst;
	struct xm_addr next_hop; /* the gateway, else dst itself */
	uint32_t ifindex;
	uint32_t mtu;    /* of route or interface: IP packet size */
	bool onlink;     /* no gateway */
	bool reachable;
	bool has_macs;   /* the next hop's is known and valid, and ours of that interface */
	__u8 next_mac[6], own_mac[6];
};

/*
 * A node number given before, by (cluster, name): numbers are kept over restarts. And what the
 * programs learned under that number.
 */
struct fact_number {
	uint16_t cluster;
	char name[XM_NAME_LEN];
	uint32_t number;
	uint32_t pmtu;                   /* outer packet that fits, told by the underlay; 0 = not */
};

struct facts {
	const char *node_name;           /* ours */
	struct xm_addr addr4, addr6;     /* own tunnel endpoints, zero = none */
	uint32_t device_ifindex;         /* xmesh0; 0 = not there (no kernel routes wanted) */
	const struct fact_path *paths;   /* sorted by dst (memcmp) */
	size_t n_paths;
	/* Own-cluster prefixes to which the kernel has a route of its own (not ours, not default),
	 * sorted (memcmp): not carried with carry: auto. */
	const struct xm_prefix *foreign;
	size_t n_foreign;
	const struct fact_number *numbers;
	size_t n_numbers;
	const struct xm_plen (*plens)[XM_MAX_PLENS]; /* slots in use now, [2]; NULL = none */
	uint32_t underlay_mtu;           /* smallest of the underlay interfaces */
	uint64_t now_s;                  /* wall clock */
};

struct wanted_route { struct xm_prefix prefix; struct xm_route route; };
struct wanted_node { struct xm_addr addr; struct xm_node node; };
struct wanted_name { uint32_t number; struct xm_node_name name; };
struct wanted_cluster { uint16_t id; struct xm_cluster cluster; };
struct wanted_pod { struct xm_addr addr; struct xm_pod pod; };
struct wanted_path { uint32_t number; struct xm_path path; };
struct wanted_iface { uint32_t ifindex; struct xm_iface iface; };

/*
 * A route of the kernel's main table through xmesh0 (lwtunnel) or, native, to a node on the link.
 * pods_only: of a table of our own instead, for the addresses of peers' nodes. Pods reach those in
 * the tunnel, as their pods; the host itself must not, or what carries the tunnel would go through
 * it.
 */
struct wanted_kroute {
	struct xm_prefix prefix;
	bool pods_only;
	bool tunnel;
	bool identity;             /* tunnel: the VNI is an identity, XM_IDENTITY_WORLD */
	uint32_t ifindex;          /* xmesh0, or the underlay interface */
	struct xm_addr outer;      /* tunnel: lwtunnel destination */
	struct xm_addr gateway;    /* tunnel: on xmesh0, onlink; native: the node */
	struct xm_addr src;        /* preferred source, our own of that family; zero = none */
	uint32_t mtu;
};

/* A permanent neighbour on xmesh0: the gateway of those routes, bearing the node's inner MAC. */
struct wanted_kneigh {
	struct xm_addr addr;
	__u8 mac[6];
};

/*
 * A rule of the kernel: what comes from this prefix, our own pods', looks into that table of ours
 * first.
 */
struct wanted_krule { struct xm_prefix from; };

struct wanted {
	struct xm_config config;
	struct wanted_route *routes;     size_t n_routes;   /* each sorted by its key (memcmp) */
	struct wanted_node *nodes;       size_t n_nodes;
	struct wanted_name *names;       size_t n_names;    /* sorted by number */
	struct wanted_cluster *clusters; size_t n_clusters; /* sorted by id */
	struct wanted_path *paths;       size_t n_paths;    /* sorted by number; xm_paths */
	struct wanted_pod *pods;         size_t n_pods;
	struct wanted_iface *ifaces;     size_t n_ifaces;   /* sorted by ifindex */
	struct wanted_kroute *kroutes;   size_t n_kroutes;  /* sorted by prefix, pods_only */
	struct wanted_kneigh *kneighs;   size_t n_kneighs;  /* sorted by addr */
	struct wanted_krule *krules;     size_t n_krules;   /* sorted; for pods_only routes */
	uint32_t device_mtu;             /* for xmesh0 */
	char **notes;                    /* sentences: what is left out and why */
	size_t n_notes;
};

/*
 * Outer family of a peer node: tunnel.family, where auto = IPv4 when both nodes have it. A node
 * with no common family, or no path to it, gets no route and a note. since_s is facts->now_s in
 * every entry; the plan keeps the older one where nothing else changed. MTU of a tunnel route: path
 * MTU - XM_OVERHEAD_V4 or _V6; native: path MTU. Gateways on xmesh0: the node's IPv4 address for
 * IPv4 prefixes if it has one, else the link-local address fe80::/64 + EUI-64 of its inner MAC.
 * Own-cluster nodes other than ours are like peers' where carried (local.carry; auto = not in
 * facts->foreign), XM_ROUTE_STACK otherwise; our own prefixes are XM_ROUTE_LOCAL. Paths are for VIP
 * traffic, which always goes in the tunnel: every other node that one reaches has one, whatever mode
 * and local.carry say (since_s stays 0 there, as in the way of an xm_node). -ENOSPC with a
 * sentence when a table would be full. Our own node missing in the own feed is not an error (a
 * note).
 */
int wanted_build(const struct mesh *mesh, const struct facts *facts, const struct pods *pods,
		 struct wanted **ret_wanted, struct err *err);
void wanted_free(struct wanted *wanted);

#endif
