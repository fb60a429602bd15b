/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Keys, values and limits of the BPF maps. Everything here is pinned state that outlives the
 * program that wrote it: a change of any layout raises XM_ABI. Who writes and who reads which
 * map is on the card above its definition in bpf/lib/maps.h.
 */
#ifndef XMESH_MAPS_H
#define XMESH_MAPS_H

#include <linux/types.h>

#include "xmesh/addr.h"
#include "xmesh/reasons.h"

#define XM_ABI 3
#define XM_ABI_MAGIC 0x786d6573 /* "xmes" */

/* Limits. Each is checked in user space, with an error that names it, and tested at its edge. */
#define XM_MAX_NODES 65536      /* nodes of the mesh, own cluster included */
#define XM_MAX_NODE_ADDRS 131072 /* addresses of those nodes */
#define XM_MAX_ROUTES 131072    /* prefixes of the mesh */
#define XM_MAX_PODS 16384       /* addresses of local pods */
#define XM_MAX_IFACES 8192      /* pod interfaces */
#define XM_MAX_CLUSTERS 1024    /* clusters with an entry in xm_clusters */
#define XM_MAX_PLENS 16         /* different prefix lengths in use, per family */
#define XM_STAT_NODES 8192      /* numbers with counters of their own; others share 0, "other" */
#define XM_NAME_LEN 256         /* DNS-1123 subdomain (253) and its NUL */
#define XM_EVENTS_SIZE (256 * 1024)

/* ---- xm_config: array of one ------------------------------------------------------------ */

#define XM_CFG_SOURCE_CHECK (1u << 0) /* pods may send only from their own addresses */
#define XM_CFG_CARRY_LOCAL (1u << 1)  /* node-local pod to pod is carried too */
/* How replies to VIP traffic go back: through the entry node, or straight to the client (DSR). */
#define XM_CFG_RETURN_OWN_ENTRY (1u << 2)   /* the entry node is of our own cluster */
#define XM_CFG_RETURN_PEER_DIRECT (1u << 3) /* it is of a peer's */

/*
 * A prefix length in use. Overlapping prefixes are refused by the model, so at most one length
 * hits and the order of the slots is free: a slot never moves while it is in use, and an update
 * of the array is therefore never seen torn. mask is all zero in a free slot.
 */
struct xm_plen {
	__be64 mask[2];
	__u32 plen; /* of the 128-bit form: IPv4 /24 is 120 */
	__u32 used; /* 0 = free slot, skipped */
};

struct xm_config {
	__u32 magic;
	__u32 abi;
	__u32 flags;       /* XM_CFG_* */
	__u16 cluster;     /* our own id */
	__be16 port;       /* UDP port of the tunnel */
	__u32 vni;         /* host order, 24 bits */
	__u32 node;        /* our own number */
	struct xm_addr addr4; /* own tunnel endpoints; zero when there is none */
	struct xm_addr addr6;
	__u8 vtep_mac[6];  /* own inner MAC, also of xmesh0 */
	__u16 n_plen[2];   /* slots to look at: [0] IPv4, [1] IPv6 */
	__u16 pad[3];
	struct xm_plen plen[2][XM_MAX_PLENS];
};

/* ---- xm_routes: hash, prefix -> where to ------------------------------------------------- */

struct xm_prefix {
	__u32 plen; /* of the 128-bit form */
	__u32 zero; /* a key has no holes */
	struct xm_addr addr;
};

enum xm_mode { XM_MODE_TUNNEL, XM_MODE_NATIVE };

#define XM_ROUTE_ONLINK (1u << 0) /* next hop is on the link: no FIB lookup needed */
#define XM_ROUTE_LOCAL (1u << 1)  /* a prefix of this very node: never sent out */
#define XM_ROUTE_STACK (1u << 2)  /* the kernel has a route of its own: known, not carried */
/*
 * The node is Cilium's: the VNI of what it sends is the sender's identity, whose cluster stands above
 * so many bits, and what it gets bears one too. The same bits in xm_route and xm_node.
 */
#define XM_IDENTITY16 (1u << 3)
#define XM_IDENTITY15 (1u << 4)

struct xm_route {
	__u32 node;
	__u16 cluster;
	__u8 mode;     /* enum xm_mode */
	__u8 flags;    /* XM_ROUTE_*, XM_IDENTITY* */
	struct xm_addr outer; /* tunnel endpoint, or next hop of a native route */
	__u32 ifindex; /* underlay interface that leads there */
	__u16 mtu;     /* largest inner IP packet */
	__u8 vtep_mac[6];
	__u32 pad;
	__u64 since_s; /* wall clock, when this entry was written first */
};

/* ---- xm_nodes: hash, node address -> who that is ---------------------------------------- */

#define XM_NODE_TUNNEL (1u << 0) /* this address is the tunnel endpoint for its family */

struct xm_node {
	__u32 number;  /* index into xm_node_state, xm_peer_stats; key of xm_node_names */
	__u16 cluster;
	__u16 flags;   /* XM_NODE_*, XM_IDENTITY* */
	/* How pods reach this very address: through the tunnel to it. ifindex 0: not carried (own
	 * cluster, no path, or the peer's mode for the address's family is native). */
	struct xm_route path;
};

/*
 * ---- xm_paths: array, node number -> the tunnel to it ------------------------------------------
 *
 * For what is sent to a node and not to a prefix: VIP traffic. An array by number, for that is 1 ns
 * where a hash is 30. Own-cluster nodes have one too. route.ifindex 0: none.
 */
struct xm_path {
	struct xm_route route; /* XM_MODE_TUNNEL */
	__u8 next_mac[6];      /* of the next hop, for XDP; zero = not known: left to tc */
	__u8 own_mac[6];       /* of route.ifindex */
	__u32 pad;
};

/* ---- xm_node_state: array by node number, written by BPF -------------------------------- */

struct xm_node_state {
	__u64 pmtu_until_ns; /* CLOCK_MONOTONIC */
	__u32 pmtu;          /* outer IP packet size that fits; 0 = as configured */
	__u32 pad;
};

/* ---- xm_pods: hash, address -> a pod of this node ---------------------------------------- */

#define XM_POD_STACK (1u << 0)  /* both directions through the kernel's stack */
#define XM_POD_STATIC (1u << 1) /* by `xmesh endpoint add`: kept until deleted */
#define XM_POD_BRIDGE (1u << 2) /* learned from a bridge's neighbours and FDB */

struct xm_pod {
	__u32 ifindex;     /* host end of its veth, in the node's namespace */
	__u32 flags;       /* XM_POD_* */
	__u8 pod_mac[6];
	__u8 host_mac[6];  /* what the pod believes its gateway to be */
	__u32 mtu;         /* of the interface */
	__u64 since_s;
};

/*
 * ---- xm_route_memo, xm_pod_memo: per-CPU arrays, address -> what its lookup gave last -----------
 *
 * In front of xm_routes and xm_pods: few addresses make most packets, and a hash costs 30 ns each
 * time. Filled by the programs, per CPU, so never written by two. An entry counts only while its
 * epoch is one more than xm_epoch (so that zeroes never count), which whoever changes a route or a
 * pod raises afterwards.
 */
#define XM_MEMO_BITS 10 /* addresses that share a slot take it in turn */
#define XM_MEMO_SLOTS (1u << XM_MEMO_BITS)

static inline __attribute__((always_inline)) __u32 xm_memo_slot(const struct xm_addr *a)
{
	__u32 x = a->w[3] ^ a->w[1];

	/* Addresses differ most in what are the high bits here: the product only moves bits up. */
	x ^= x >> 16;
	return (x * 0x9e3779b1u) >> (32 - XM_MEMO_BITS);
}

struct xm_route_memo {
	struct xm_addr addr;
	__u32 epoch;
	__u32 pad;
	struct xm_route route;
};

struct xm_pod_memo {
	struct xm_addr addr;
	__u32 epoch;
	__u32 pad;
	struct xm_pod pod;
};

/* ---- xm_ifaces: hash, ifindex -> a pod interface we are attached to ----------------------- */

struct xm_iface {
	__u32 n_addrs; /* addresses in xm_pods behind it; 0 = send to the stack, judge nothing */
	__u32 flags;
};

/* ---- xm_counters, xm_peer_stats: per-CPU arrays ------------------------------------------- */

struct xm_counter {
	__u64 packets;
	__u64 bytes;
};

struct xm_peer_stat {
	__u64 rx_packets, rx_bytes, rx_drops;
	__u64 tx_packets, tx_bytes, tx_drops;
};

/* ---- xm_node_names, xm_clusters: hashes for people, never read by BPF --------------------- */

struct xm_node_name {
	char name[XM_NAME_LEN];
	__u16 cluster;
	__u16 pad;
	__u32 n_addrs;
	struct xm_addr addr[4];
	__u8 vtep_mac[6];
	__u16 pad2;
	__u64 since_s;
};

struct xm_cluster {
	char name[64];
	char origin[XM_NAME_LEN]; /* the feed it comes from: "dir /etc/xmesh/clusters/west" */
	char revision[72];        /* of that feed when its entries were written last */
	__u8 mode4, mode6;        /* enum xm_mode */
	__u8 own;                 /* 1 = our own cluster */
	__u8 pad[5];
	__u64 since_s;            /* last time that its entries were written */
};

/* ---- xm_events: ring buffer --------------------------------------------------------------- */

struct xm_event {
	__u64 time_ns;   /* CLOCK_MONOTONIC */
	__u16 reason;    /* enum xm_reason */
	__u8 hook;       /* enum xm_hook */
	__u8 proto;      /* inner when there is an inner packet */
	__u32 ifindex;
	__u32 len;       /* of the IP packet judged (for too-big: the offending size) */
	__u32 limit;     /* the MTU it did not fit in, else 0 */
	struct xm_addr src, dst;     /* inner when there is an inner packet */
	struct xm_addr outer_src;    /* zero when there is none */
	__be16 sport, dport;         /* zero when there are none */
	__u16 cluster;   /* of the peer, 0 = unknown */
	__u16 pad;
};

#define XM_EVENTS_PER_SECOND 200 /* per CPU; what is beyond is counted as events_lost */

/* ---- xm_event_rate: per-CPU array of budgets, each of one second -------------------------- */

enum xm_rate {
	XM_RATE_EVENTS,
	XM_RATE_FLOWS,   /* flows of VIP traffic from outside; beyond that Maglev alone decides */
	XM_RATE_ANSWERS, /* ICMP to the outside, which anybody can ask for */
	XM_RATE_COUNT,
};

#define XM_EDGE_FLOWS_PER_SECOND 100000 /* per CPU */
#define XM_ANSWERS_PER_SECOND 10000

struct xm_event_rate {
	__u64 window_ns;
	__u64 count;
};

/* ---- .rodata of the BPF object, set before it is loaded ------------------------------------ */

struct xm_knobs {
	__u8 has_decap_l3;   /* BPF_F_ADJ_ROOM_DECAP_L3_* (6.3) */
	__u8 has_encap_eth;  /* BPF_F_ADJ_ROOM_ENCAP_L2_ETH (5.13) */
	__u8 has_check_mtu;  /* bpf_check_mtu (5.12) */
	__u8 skip_adjust;    /* benchmarks only: everything but adjust_room */
	__u8 has_coarse_clock; /* bpf_ktime_get_coarse_ns (5.11) */
	__u8 has_set_retval; /* bpf_set_retval (5.18): ECONNREFUSED and not EPERM at sockets */
	__u8 has_netns_cookie; /* bpf_get_netns_cookie at sockets: ClientIP affinity there */
	/*
	 * `xmesh explain`: only xm_trace is written, and xm_counters, xm_peer_stats, xm_events,
	 * xm_event_rate, xm_scratch and both memos, of which that load has copies of its own.
	 */
	__u8 dry_run;
	__u8 no_latency;     /* benchmarks only: no handshakes, no program times */
};

#endif
