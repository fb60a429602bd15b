/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Histograms as numbers. Not for: where they come from (plane/latency.h), how they are drawn.
 *
 * A bucket is up to 25 % of its lower bound wide, so its middle alone would be up to 12.5 % beside the
 * truth. The sum of all values tells more: see lean_of().
 */
#include "model/latency.h"

#include <sys/param.h>

#define LAST (XM_HIST_BUCKETS - 1)

void hist_add(struct xm_hist *to, const struct xm_hist *from)
{
	to->sum_ns += from->sum_ns;
	for (unsigned int i = 0; i < XM_HIST_BUCKETS; i++)
		to->buckets[i] += from->buckets[i];
}

void hist_record(struct xm_hist *hist, uint64_t ns)
{
	hist->sum_ns += ns;
	hist->buckets[xm_hist_bucket(ns)]++;
}

void hist_since(struct xm_hist *hist, const struct xm_hist *before)
{
	hist->sum_ns -= before->sum_ns;
	for (unsigned int i = 0; i < XM_HIST_BUCKETS; i++)
		hist->buckets[i] -= before->buckets[i];
}

uint64_t hist_count(const struct xm_hist *hist)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < XM_HIST_BUCKETS; i++)
		n += hist->buckets[i];
	return n;
}

uint64_t hist_bound(unsigned int bucket)
{
	if (!bucket)
		return 0;
	bucket--;
	return (uint64_t)(XM_HIST_SUB + bucket % XM_HIST_SUB) * (1000 / XM_HIST_SUB) << bucket / XM_HIST_SUB;
}

static double width(unsigned int bucket)
{
	return (double)(hist_bound(bucket + 1) - hist_bound(bucket));
}

/*
 * How far the mean of the values in bucket @at lies from its middle, in widths of it: -0.5 .. 0.5. The sum
 * says by how much all values together are beside the middles of their buckets; each bucket is taken to
 * have part in that as is likeliest if the means were anywhere in their buckets, independently (least
 * squares: a part of n^2 w^2 each). With all values in one bucket it is their mean itself; with values all
 * over the place it says little. So it does with values in the last bucket, which has no middle.
 */
static double lean_of(const struct xm_hist *hist, unsigned int at)
{
	double rest = (double)hist->sum_ns, squares = 0, mine = (double)hist->buckets[at] * width(at);

	if (hist->buckets[LAST])
		return 0;
	for (unsigned int i = 0; i < LAST; i++) {
		double n = (double)hist->buckets[i], w = width(i);

		rest -= n * ((double)hist_bound(i) + w / 2);
		squares += n * w * n * w;
	}
	/* Beyond a half: the sum was read while it was written. */
	return MAX(-0.5, MIN(0.5, rest * mine / squares));
}

/* The value of rank @rank, 1 .. all, as the buckets and their sum have it; and its bucket. */
static uint64_t value_at(const struct xm_hist *hist, uint64_t rank, unsigned int *ret_bucket)
{
	uint64_t before = 0;
	double lean, part;
	unsigned int i;

	for (i = 0; before + hist->buckets[i] < rank; i++)
		before += hist->buckets[i];
	*ret_bucket = i;
	if (i == LAST)
		return hist_bound(LAST);
	/* Evenly around their mean, as wide as the bucket allows. */
	lean = lean_of(hist, i);
	part = ((double)(rank - before) - 0.5) / (double)hist->buckets[i];
	return hist_bound(i) + (uint64_t)(width(i) * (0.5 + lean + (part - 0.5) * 2 * (0.5 - __builtin_fabs(lean))));
}

/*
 * Between the two ranks that are nearest (Hazen): of few values on both sides of a bound the lower one alone
 * would be 5 % below. Not where a bucket or more lies between them: nothing was measured there.
 */
uint64_t hist_quantile(const struct xm_hist *hist, unsigned int permille)
{
	uint64_t n = hist_count(hist), rank, low, high;
	unsigned int low_bucket, high_bucket, rest;
	unsigned __int128 at;

	if (!n)
		return 0;
	/* In parts of 2 000. */
	at = (unsigned __int128)n * permille * 2 + 1000;
	rank = (uint64_t)(at / 2000);
	rest = (unsigned int)(at % 2000);
	if (rank < 1 || rank >= n)
		return value_at(hist, rank < 1 ? 1 : n, &low_bucket);
	low = value_at(hist, rank, &low_bucket);
	high = value_at(hist, rank + 1, &high_bucket);
	if (high_bucket > low_bucket + 1)
		return rest > 1000 ? high : low;
	return low + (uint64_t)((double)(high - low) * rest / 2000);
}
