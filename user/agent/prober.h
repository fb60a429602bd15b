/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The liveness probe: questions to the nodes that matter (xmesh/probe.h), answers read from
 * xm_probes, and what follows for their health (model/liveness.h). Round trips go to xm_probe_rtt, and are
 * taken over from it. On the agent's loop.
 */
#ifndef XMESH_AGENT_PROBER_H
#define XMESH_AGENT_PROBER_H

#include <uv.h>

#include "core/err.h"
#include "model/services.h"
#include "plane/plane.h"

#define PROBER_MAX_PER_S 500 /* the rest in turn */

struct prober;

struct prober_node {
	uint32_t number;
	struct xm_addr outer;    /* zero: cannot be asked */
	__u8 vtep_mac[6];
	enum node_health first;  /* of a node that is new to the list: what pinned state says */
};

struct prober_config {
	struct xm_addr addr4, addr6; /* own tunnel endpoints */
	uint16_t port;
	uint32_t vni;
	__u8 vtep_mac[6];
};

/* @changed: the health of a node is another now. @plane is borrowed. Errors of bpf(2) and mmap(2), -ENOMEM. */
int prober_new(uv_loop_t *loop, const struct plane *plane,
	       void (*changed)(void *user, uint32_t number, enum node_health health), void *user,
	       struct prober **ret_prober, struct err *err);
void prober_close(struct prober *prober);
/*
 * The nodes to ask from now on: those that back services, or carry traffic. Copied. A node keeps its
 * health while it stays in the list; one that leaves is forgotten, in xm_probes and xm_probe_rtt too, for its
 * number may be another's next. An error: no socket to send from; questions then count as lost. -EADDRNOTAVAIL, -ENOMEM.
 */
int prober_set(struct prober *prober, const struct prober_config *config,
	       const struct prober_node *nodes, size_t n, struct err *err);
/* NODE_UNKNOWN for one that is not asked. */
enum node_health prober_health(const struct prober *prober, uint32_t number);

struct prober_counts {
	size_t nodes, up, down, unknown;
	/* Questions to these nodes. asked = measured + unmeasured + lost: each counts when its time is over. */
	uint64_t asked, lost, unmeasured;
};

struct prober_counts prober_counts(const struct prober *prober);
/* The numbers that are asked, with their health; for status. */
void prober_each(const struct prober *prober, void (*one)(void *user, uint32_t number, enum node_health health),
		 void *user);

#endif
