/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The BPF side of one instance: its pinned maps under <bpffs>/xmesh/<instance>/, opened by what
 * the caller may do. Layout there: `xm_*` maps, `progs/` programs, `links/` attachments.
 */
#ifndef XMESH_PLANE_PLANE_H
#define XMESH_PLANE_PLANE_H

#include <stdbool.h>

#include "core/err.h"
#include "plane/features.h"
#include "xmesh/maps.h"

/* Every map, in the order of their creation. X(name, "what people should know") */
#define PLANE_MAPS(X)                                                                              \
	X(xm_config, "settings that the programs read, ABI stamp")                                 \
	X(xm_nodes, "node address -> cluster and number: who may send tunnel packets")             \
	X(xm_node_state, "node number -> path MTU learned from too-big messages")                  \
	X(xm_routes, "prefix -> cluster, node, mode, next hop; also the source check")             \
	X(xm_pods, "address -> local pod: interface and MACs")                                     \
	X(xm_route_memo, "address -> the route it had last, per CPU: in front of xm_routes")        \
	X(xm_pod_memo, "address -> the pod it was last, per CPU: in front of xm_pods")              \
	X(xm_epoch, "how often routes or pods changed: ages the two memos")                        \
	X(xm_ifaces, "interface -> a pod interface that is attached")                              \
	X(xm_counters, "hook and reason -> packets, bytes")                                        \
	X(xm_peer_stats, "node number -> packets, bytes, drops, both ways")                        \
	X(xm_node_names, "node number -> name and addresses")                                      \
	X(xm_clusters, "cluster id -> name, feed, revision")                                       \
	X(xm_events, "drops and exceptions, rate limited")                                         \
	X(xm_event_rate, "rate limit of xm_events")                                                \
	X(xm_paths, "node number -> the tunnel to it, with MACs for XDP")                          \
	X(xm_services, "frontend (VIP, port) -> service and its slice of xm_maglev")               \
	X(xm_maglev, "slices of backend numbers, by which new connections are spread")             \
	X(xm_backends, "number -> backend: address, node, state and why")                          \
	X(xm_service_names, "service number -> namespace/name")                                    \
	X(xm_vip_filter, "which addresses may be VIPs, asked first")                               \
	X(xm_affinity, "client and service -> backend, for ClientIP affinity")                     \
	X(xm_sock_origin, "socket and backend -> the VIP it asked for")                            \
	X(xm_flows, "flow -> its translation, for packets that have no socket here")               \
	X(xm_frags, "IPv4 datagram in fragments -> its ports")                                     \
	X(xm_flow_hint, "pods that may have flows: in front of xm_flows")                          \
	X(xm_probes, "node number -> liveness probe and answer")                                   \
	X(xm_scratch, "room beside the programs' stack, per CPU; void after each packet")          \
	X(xm_latency, "cluster and service -> handshakes, round trips, retries, resets")           \
	X(xm_syn, "connection -> the SYN that is out")                                             \
	X(xm_syn_timeouts, "cluster and service -> SYNs that had no answer")                       \
	X(xm_probe_rtt, "node number -> round trips of its probes")                                \
	X(xm_program_time, "hook -> time that its program takes, sampled")                         \
	X(xm_watch, "what a running monitor wants to see in xm_events")                            \
	X(xm_sock_peer, "socket -> cluster and service of its smoothed round trips")

enum plane_map {
#define PLANE_MAP_ENUM(name, what) PLANE_##name,
	PLANE_MAPS(PLANE_MAP_ENUM)
#undef PLANE_MAP_ENUM
	PLANE_MAP_COUNT
};

/* X(NAME, program). The first group goes to interfaces, the second to cgroups (plane/sockets.h). */
#define PLANE_PROGS(X)                                                                             \
	X(FROM_POD, xm_from_pod)                                                                   \
	X(FROM_NET, xm_from_net)                                                                   \
	X(FROM_DEV, xm_from_dev)                                                                   \
	X(XDP, xm_xdp)                                                                             \
	X(TO_POD, xm_to_pod)                                                                       \
	X(CONNECT4, xm_connect4)                                                                   \
	X(CONNECT6, xm_connect6)                                                                   \
	X(SENDMSG4, xm_sendmsg4)                                                                   \
	X(SENDMSG6, xm_sendmsg6)                                                                   \
	X(RECVMSG4, xm_recvmsg4)                                                                   \
	X(RECVMSG6, xm_recvmsg6)                                                                   \
	X(GETPEER4, xm_getpeer4)                                                                   \
	X(GETPEER6, xm_getpeer6)                                                                   \
	X(SOCKOPS, xm_sockops)

enum plane_prog {
#define PLANE_PROG_ENUM(name, program) PLANE_##name,
	PLANE_PROGS(PLANE_PROG_ENUM)
#undef PLANE_PROG_ENUM
	PLANE_PROG_COUNT
};

struct plane {
	char dir[256];                 /* <bpffs>/xmesh/<instance> */
	char instance[33];
	int map_fd[PLANE_MAP_COUNT];   /* -1 = not there */
	int prog_fd[PLANE_PROG_COUNT]; /* -1 unless loaded by plane_load() or pinned */
	struct features features;      /* filled by plane_load(); plane_open() fills tcx alone */
};

extern const char *const plane_map_names[PLANE_MAP_COUNT];
extern const char *const plane_map_texts[PLANE_MAP_COUNT];
extern const char *const plane_prog_names[PLANE_PROG_COUNT];

struct xmesh_bpf;
/*
 * The BPF object of this binary, opened and not loaded; NULL and errno. The one place that has its
 * bytes: each other would put a copy of them into the binary.
 */
struct xmesh_bpf *plane_object(void);

/* The names alone, every descriptor -1: nothing is opened. -ENAMETOOLONG, -EINVAL. */
int plane_init(const char *bpffs, const char *instance, struct plane *plane, struct err *err);

/*
 * Open what is pinned, load nothing, change nothing. -ENOENT: nothing pinned for this instance
 * (sentence says that no agent ran and what to do). -EPERM: needs root or CAP_BPF + CAP_NET_ADMIN.
 * -EPROTO: pinned by another ABI or not ours. plane_close() releases.
 */
int plane_open(const char *bpffs, const char *instance, struct plane *ret_plane, struct err *err);

/*
 * Like plane_open(), but create what is missing and load the programs of this binary over the
 * (adopted) maps, with the knobs that the kernel's features ask for, and pin them. Pinned maps of
 * the same ABI keep their contents. -ENODEV: @bpffs is no bpffs (says how to mount one). -EPERM,
 * -EPROTO as above. -ENOTSUP: the kernel lacks a needed feature, named. When a load fails, the end
 * of the verifier's log is the sentence's tail and nothing was pinned.
 */
int plane_load(const char *bpffs, const char *instance, struct plane *ret_plane, struct err *err);
void plane_close(struct plane *plane);

/*
 * Unpin maps, programs and directory of the instance. -EBUSY: something is still pinned under
 * links/ (attach_remove_all() first). 0 also when nothing was there.
 */
int plane_purge(const char *bpffs, const char *instance, struct err *err);

#endif
