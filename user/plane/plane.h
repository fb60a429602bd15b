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
	X(xm_event_rate, "rate limit of xm_events")

enum plane_map {
#define PLANE_MAP_ENUM(name, what) PLANE_##name,
	PLANE_MAPS(PLANE_MAP_ENUM)
#undef PLANE_MAP_ENUM
	PLANE_MAP_COUNT
};

enum plane_prog { PLANE_FROM_POD, PLANE_FROM_NET, PLANE_FROM_DEV, PLANE_XDP, PLANE_PROG_COUNT };

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
