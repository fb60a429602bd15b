/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Histograms as numbers: sums, percentiles, bounds of buckets. Pure. */
#ifndef XMESH_MODEL_LATENCY_H
#define XMESH_MODEL_LATENCY_H

#include <stdint.h>

#include "xmesh/latency.h"

/* *to += *from. Sums of 64 bits wrap as counters do. */
void hist_add(struct xm_hist *to, const struct xm_hist *from);
void hist_record(struct xm_hist *hist, uint64_t ns);
/* What came since @before; a bucket that is smaller than before counts as wrapped. */
void hist_since(struct xm_hist *hist, const struct xm_hist *before);
uint64_t hist_count(const struct xm_hist *hist);
/*
 * The @permille-th value in ns (500 = median), interpolated inside its bucket with what sum_ns tells of
 * it; 0 when the histogram is empty. In the last bucket: its lower bound. Where most values are near the
 * median it is within 5 %, though a bucket is up to 25 % wide.
 */
uint64_t hist_quantile(const struct xm_hist *hist, unsigned int permille);
/* Lower bound of a bucket in ns, of bucket XM_HIST_BUCKETS - 1 too. The upper is that of the next. */
uint64_t hist_bound(unsigned int bucket);

#endif
