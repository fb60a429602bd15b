/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Round trips of clusters for xmesh.io/nearest: every NEAREST_PERIOD_S what the kernel has measured since
 * the last time, into the balancer's struct nearest (model/nearest.h). On the agent's loop, maps are read
 * on a worker; where no service is nearest, not at all.
 *
 * Of a cluster: the median of handshakes with it, of all services; else that of probes of its nodes. Of our
 * own cluster this node has a part too. Failed handshakes count by cluster and service.
 */
#ifndef XMESH_AGENT_RTT_H
#define XMESH_AGENT_RTT_H

#include <json-c/json.h>
#include <uv.h>

#include "agent/balancer.h"
#include "plane/latency.h"

/* The round trip of a cluster of which only this node is known: it never leaves it. */
#define RTT_OWN_NS 50000

/* What was read at once. */
struct rtt_read {
	struct latency_entry *entries; size_t n_entries; /* sorted by (kind, cluster, service) */
	struct latency_probe *probes;  size_t n_probes;  /* sorted by node */
};

struct rtt_cluster { uint16_t cluster; uint64_t handshake_ns, probe_ns; };
struct rtt_service { uint16_t cluster; uint32_t service; uint64_t handshakes, wrong; };

/* What came between two reads. Pure. */
struct rtt_delta {
	struct rtt_cluster *clusters; size_t n_clusters; /* sorted by cluster */
	struct rtt_service *services; size_t n_services; /* sorted by (cluster, service); those with handshakes */
};

/* @clusters: by node number, 0 = not known. -ENOMEM. */
int rtt_since(const struct rtt_read *now, const struct rtt_read *before, const uint16_t *clusters,
	      struct rtt_delta *ret_delta);
void rtt_delta_done(struct rtt_delta *delta);

struct rtt;

/* @plane and @balancer are borrowed. @moved: weights did, a short turn is due. -ENOMEM. */
int rtt_new(uv_loop_t *loop, const struct plane *plane, struct balancer *balancer, void (*moved)(void *user),
	    void *user, struct rtt **ret_rtt);
void rtt_close(struct rtt *rtt);

/*
 * For status: [{"service": "NAMESPACE/NAME", "clusters": [{"cluster", "id", "rtt_us", "of":
 * "handshake"|"probe"|null, "handshakes", "wrong", "grey", "wanted", "weight"}]}]. A new reference.
 */
json_object *rtt_json(const struct balancer *balancer, const struct config *config);

#endif
