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
#define NEAREST_STEP 20         /* ... each by at most so many points of 100 */
#define NEAREST_FLOOR 1         /* points that the farthest cluster keeps, so that it is measured */
#define NEAREST_FRESH_S 60      /* a handshake's RTT counts for so long, then the probe's */
#define NEAREST_SMOOTHING 4     /* a new measure counts 1/4 (as srtt counts 1/8, RFC 6298) */
/*
 * Weights are made of RTTs as they were until the smoothed ones are so far from them. In RTTs and not
 * in points: what noise does to points depends on the weights, at equal ones 20 % are 5 points.
 */
#define NEAREST_HYSTERESIS_PERCENT 25
/* Below, all are equally near: what differs is how busy nodes are, not how far. */
#define NEAREST_NEAR_NS 250000
/*
 * Grey failure: of handshakes so many percent went wrong. Judged over as many periods as it takes to
 * have so many handshakes, or that many seconds: a grey cluster, with its floor, has few.
 */
#define NEAREST_GREY_MIN 10
#define NEAREST_GREY_PERCENT 30
#define NEAREST_GREY_S 60

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
	uint64_t weighed_ns;        /* what the wanted weight is made of */
	uint64_t handshake_s;       /* when a handshake was measured last, monotonic; 0 = never */
	bool by_probe;              /* what rtt_ns is of */
	bool grey;                  /* left for grey failure: only the floor */
	uint64_t judge_s, judge_handshakes, judge_wrong; /* since the last judgement */
	uint64_t handshakes, wrong; /* of the last judgement, for people */
	uint32_t wanted, weight;    /* points */
};

struct nearest {
	uint64_t moved_s;           /* monotonic */
	/* Sorted by cluster. Weights sum up to 100, with more than 50 clusters to twice their number. */
	struct nearest_cluster *clusters; size_t n;
};

/*
 * Take @measures (one for each cluster that can be chosen; others are forgotten) into account. True
 * when a weight changed, or who is in it. -ENOMEM: everything as before.
 *
 * wanted ~ 1 / rtt^2, normed to 100 with at least NEAREST_FLOOR for each; a cluster never measured gets
 * the floor while another was measured; grey ones get the floor unless all are. While nothing is
 * measured weights stay as they are. The first clusters begin with equal weights; those that come
 * later with an equal share, but all of them with no more than NEAREST_STEP together; the points of
 * those that go are divided among the rest in proportion.
 *
 * A cluster becomes grey, or is no longer, when NEAREST_GREY_MIN handshakes were seen since it was
 * judged last: it is when NEAREST_GREY_PERCENT of them went wrong. A grey one that has seen fewer in
 * NEAREST_GREY_S is judged by those: none are none that went wrong. Both ways in steps: who leaves a
 * cluster at once falls upon the others at once.
 */
int nearest_update(struct nearest *nearest, const struct nearest_measure *measures, size_t n,
		   uint64_t now_s, bool *ret_moved);
/* Before the first update: what @cluster had when the agent before us ended. Each once. -ENOMEM. */
int nearest_seed(struct nearest *nearest, uint16_t cluster, uint32_t weight);
/*
 * Points of @cluster. One that is not known gets what those get that come later; equal ones when none
 * is known, or @nearest is NULL. Never 0.
 */
uint32_t nearest_weight(const struct nearest *nearest, uint16_t cluster);
/* Of all weights: equal = none is another. 0 of NULL. */
uint64_t nearest_digest(const struct nearest *nearest);
void nearest_done(struct nearest *nearest);

#endif
