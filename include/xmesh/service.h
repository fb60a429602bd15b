/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Global services in the maps: frontends, Maglev slices, backends, and what is remembered of a
 * client's choice. What the tables are to hold: user/model/services.h. Who writes what: the cards
 * in bpf/lib/maps.h. Flows of translated packets: xmesh/flow.h.
 */
#ifndef XMESH_SERVICE_H
#define XMESH_SERVICE_H

#include <linux/types.h>

#include "xmesh/addr.h"

/* Limits. Each is checked in user space, with an error that names it, and tested at its edge. */
#define XM_MAX_SERVICES 65536     /* global services; numbers from 1 */
#define XM_MAX_FRONTENDS 262144   /* entries of xm_services */
#define XM_MAX_BACKENDS 262144    /* of all services, N-S nodes included; numbers from 1 */
#define XM_MAGLEV_SLOTS (16u << 20) /* of all slices together, 4 bytes each */
#define XM_MAX_AFFINITY 65536     /* LRU */
#define XM_MAX_SOCKETS 65536      /* LRU */

/* ---- xm_services: hash, frontend -> where its slice is ------------------------------------ */

/*
 * Who asks. The same VIP means other backends to each: CLIENT, a socket or pod of this cluster,
 * gets a backend anywhere; EDGE, a packet from outside on the underlay, gets a node; NODE, a packet
 * that an entry node sent on with the VIP still in it, gets a backend of this very node.
 */
enum xm_scope { XM_SCOPE_CLIENT, XM_SCOPE_EDGE, XM_SCOPE_NODE };

struct xm_service_key {
	struct xm_addr addr;
	__be16 port;
	__u8 proto;
	__u8 scope;    /* enum xm_scope */
	__u16 cluster; /* whose VIP: ours, or with NODE that of the entry node */
	__u16 zero;    /* a key has no holes */
};

/* What a frontend is, for people. Append only. X(NAME, "text") */
#define XM_VIP_KINDS(X)                                                                            \
	X(CLUSTER_IP, "cluster_ip")                                                                \
	X(CLUSTERSET_IP, "clusterset_ip")                                                          \
	X(EXTERNAL_IP, "external_ip")                                                              \
	X(LOAD_BALANCER, "load_balancer")

enum xm_vip_kind {
#define XM_VIP_ENUM(name, text) XM_VIP_##name,
	XM_VIP_KINDS(XM_VIP_ENUM)
#undef XM_VIP_ENUM
	XM_VIP_KIND_COUNT
};

/*
 * The kernel may give a freed element of a hash to another key while a program still reads it. So a
 * value bears its own key, compared after everything else was read, and slice and size are one
 * word. size 0: no usable backend, refuse at once.
 */
struct xm_service {
	__u64 where;       /* first slot << 32 | number of slots */
	__u32 number;      /* key of xm_service_names */
	__u32 affinity_s;  /* ClientIP affinity, 0 = none */
	__u32 n_targets;   /* different backends (or nodes) in the slice, for people */
	__u8 kind;         /* enum xm_vip_kind */
	__u8 pad[3];
	__u64 since_s;
	struct xm_service_key key;
};

/* ---- xm_maglev: mmapable array of backend numbers, cut into slices -------------------------- */

/* The kernel keeps elements 8 bytes apart: two slots each. Slot s is backend[s & 1] of pair s >> 1. */
struct xm_maglev_pair {
	__u32 backend[2];
};

/* The slot of a slice of @size slots that @hash falls on: the high bits decide, no division. */
static inline __attribute__((always_inline)) __u32 xm_maglev_slot(__u32 hash, __u32 size)
{
	return (__u64)hash * size >> 32;
}

/* ---- xm_backends: mmapable array, number -> backend ---------------------------------------- */

/* Append only. X(NAME, "text") */
#define XM_BACKEND_STATES(X)                                                                       \
	X(FREE, "free")               /* no backend */                                             \
	X(ACTIVE, "active")           /* in a slice: gets new connections */                       \
	X(STANDBY, "standby")         /* usable, but others are preferred; keeps what it has */    \
	X(DRAINING, "draining")       /* not ready or terminating; keeps what it has */            \
	X(DOWN, "down")               /* its node does not answer: flows are chosen anew */        \
	X(GONE, "gone")               /* removed; number waits out its grace period */

enum xm_backend_state {
#define XM_BACKEND_STATE_ENUM(name, text) XM_BACKEND_##name,
	XM_BACKEND_STATES(XM_BACKEND_STATE_ENUM)
#undef XM_BACKEND_STATE_ENUM
	XM_BACKEND_STATE_COUNT
};

/* Why a backend is in or out, for people. Append only. X(NAME, "text") */
#define XM_BACKEND_WHYS(X)                                                                         \
	X(READY, "ready")                                                                          \
	X(LAST_RESORT_TERMINATING, "terminating but serving, and nothing is ready")                \
	X(LAST_RESORT_STALE, "its feed is stale, and nothing else is left")                        \
	X(OTHER_TIER, "a cluster that is preferred has usable backends")                           \
	X(OTHER_WEIGHTED, "clusters that xmesh.io/weights names have usable backends")             \
	X(ZERO_WEIGHT, "drained: its cluster has weight 0")                                        \
	X(NOT_PREFERRED, "xmesh.io/prefer does not name its cluster")                              \
	X(NOT_SHARED, "its cluster does not share this service")                                   \
	X(NOT_READY, "not ready")                                                                  \
	X(TERMINATING, "terminating")                                                              \
	X(NODE_DOWN, "its node does not answer probes")                                            \
	X(STALE, "its feed is stale")                                                              \
	X(SCTP_PORT, "SCTP with another target port: its checksum cannot be kept")                 \
	X(HOST_NETWORK, "on the host network: not for VIP traffic from outside")                   \
	X(NO_NODE, "its node is not known")                                                        \
	X(REMOVED, "removed")                                                                      \
	X(READY_ELSEWHERE, "serving while it terminates, but ready ones are there")

enum xm_backend_why {
#define XM_BACKEND_WHY_ENUM(name, text) XM_WHY_##name,
	XM_BACKEND_WHYS(XM_BACKEND_WHY_ENUM)
#undef XM_BACKEND_WHY_ENUM
	XM_WHY_COUNT
};

#define XM_BACKEND_IS_NODE (1u << 0) /* a target of EDGE slices: a node, not an endpoint */
#define XM_BACKEND_IS_LOCAL (1u << 1) /* on this very node */

struct xm_backend {
	struct xm_addr addr;  /* endpoint; of a node target its tunnel endpoint */
	__u32 node;           /* number, 0 = not known */
	__u32 service;        /* number */
	__u32 generation;     /* raised when the number is given to another backend */
	__u32 port_name;      /* xm_port_name_hash() of the port that it serves */
	__u16 cluster;
	__be16 port;          /* 0 = the frontend's own (null port), and of node targets */
	__u8 proto;
	__u8 state;           /* enum xm_backend_state */
	__u8 why;             /* enum xm_backend_why */
	__u8 flags;           /* XM_BACKEND_IS_* */
	__u64 since_s;        /* wall clock, when the state became what it is */
};

/* FNV-1a of a port's name; unnamed: of "". Kubernetes joins ports and slices by that name. */
static inline __u32 xm_port_name_hash(const char *name)
{
	__u32 h = 2166136261u;

	while (*name)
		h = (h ^ (__u8)*name++) * 16777619u;
	return h;
}

/* ---- xm_service_names: hash, number -> what people call it; never read by BPF --------------- */

struct xm_service_name {
	char space[64], name[64];
	char prefer[128];     /* xmesh.io/prefer as it is in force, "" = none */
	char weights[128];
	__u32 affinity_s;
	__u32 flags;
	__u64 since_s;
};

/* ---- xm_vip_filter: array of one: may this address be a VIP? -------------------------------- */

/*
 * Asked before any hash: all other traffic pays two nanoseconds. A clear bit says no; a set one may
 * be another address's. Bits are set before their service is put, and cleared after it is gone.
 */
#define XM_VIP_FILTER_BITS 65536

struct xm_vip_filter {
	__u64 client[XM_VIP_FILTER_BITS / 64];
	__u64 edge[XM_VIP_FILTER_BITS / 64];
	__u64 node[XM_VIP_FILTER_BITS / 64];
};

static inline __attribute__((always_inline)) __u32 xm_addr_hash16(const struct xm_addr *a)
{
	__u32 x = a->w[0] ^ a->w[1] * 0x85ebca6bu ^ a->w[3];

	x ^= x >> 16;
	return (x * 0x9e3779b1u) >> 16;
}

/* ---- xm_affinity: LRU hash, client and service -> backend ---------------------------------- */

struct xm_affinity_key {
	struct xm_addr client; /* at sockets: the cookie of their network namespace in d[1] */
	__u32 service;
	__be16 port;           /* of the frontend: ports are chosen apart */
	__u8 proto;
	__u8 scope;
};

struct xm_affinity {
	__u32 backend, generation;
	__u64 seen_ns; /* CLOCK_MONOTONIC */
};

/* ---- xm_sock_origin: LRU hash, socket and its real peer -> the VIP it asked for -------------- */

struct xm_sock_key {
	__u64 cookie;
	struct xm_addr addr; /* backend */
	__be16 port;
	__u16 zero;
	__u32 zero2;
};

struct xm_sock_origin {
	struct xm_addr vip;
	__be16 port;
	__u16 pad;
	__u32 service;
	__u32 backend, generation;
};

#endif
