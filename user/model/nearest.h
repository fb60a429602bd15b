/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * xmesh.io/nearest: the weights of clusters within a tier, by measured round trips. Pure: time and
 * measures come in as arguments, what is remembered is in struct nearest. Where the measures come from:
 * agent/rtt.h. What is done with the weights: model/services.h.
 */
#ifndef XMESH_MODEL_NEAREST_H
#define XMESH_MODEL_NEAREST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NEAREST_PERIOD_S 5      /* weights move at most once in this time, ... */
#define NEAREST_STEP 20         /* ... by at most so many points of 100 */
#define NEAREST_FLOOR 1         /* points that the farthest cluster keeps, so that it is measured */
#define NEAREST_FRESH_S 60      /* a handshake's RTT counts for so long, then the probe's */
#define NEAREST_HYSTERESIS 5    /* points that a wanted weight has to differ before anything moves */
#define NEAREST_SMOOTHING 4     /* a new measure counts 1/4 (as srtt counts 1/8, RFC 6298) */
/* Grey failure: at least so many handshakes in a period, of which so many percent went wrong. */
#define NEAREST_GREY_MIN 10
#define NEAREST_GREY_PERCENT 30

/* What was measured of one cluster since the last call. */
struct nearest_measure {
	uint16_t cluster;
	uint64_t handshake_ns;      /* median, 0 = none in this period */
	uint64_t probe_ns;          /* median over its nodes, 0 = none */
	uint64_t handshakes;        /* begun in this period */
	uint64_t wrong;             /* of them: retried, reset, or without answer */
};

struct nearest_cluster {
	uint16_t cluster;
	uint64_t rtt_ns;            /* smoothed; 0 = never measured */
	uint64_t handshake_s;       /* when a handshake was measured last, monotonic; 0 = never */
	bool by_probe;              /* what rtt_ns is of */
	bool grey;                  /* left for grey failure: only the floor */
	uint64_t handshakes, wrong; /* of the last period, for people */
	uint32_t wanted, weight;    /* points of 100; weights sum up to 100 */
};

struct nearest {
	uint64_t moved_s;           /* monotonic */
	struct nearest_cluster *clusters; size_t n; /* sorted by cluster */
};

/*
 * Take @measures (one for each cluster that can be chosen; others are forgotten) into account. New
 * clusters begin with equal weights. True when a weight changed. -ENOMEM.
 *
 * wanted ~ 1 / rtt^2, normed to 100 with NEAREST_FLOOR for each; a cluster never measured gets the floor
 * while another was measured; grey ones get the floor unless all are.
 */
int nearest_update(struct nearest *nearest, const struct nearest_measure *measures, size_t n,
		   uint64_t now_s, bool *ret_moved);
/* Points of @cluster; 0 = not known here: weigh equally. */
uint32_t nearest_weight(const struct nearest *nearest, uint16_t cluster);
void nearest_done(struct nearest *nearest);

#endif
