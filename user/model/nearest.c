/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Round trips and failed handshakes of clusters into points, in small steps. */
#include "model/nearest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/defs.h"

static uint32_t points_of(size_t n)
{
	return MAX(100, 2 * n * NEAREST_FLOOR);
}

static uint32_t step_of(size_t n)
{
	return points_of(n) * NEAREST_STEP / 100;
}

static int by_cluster(const void *va, const void *vb)
{
	const struct nearest_cluster *a = va, *b = vb;

	return (a->cluster > b->cluster) - (a->cluster < b->cluster);
}

static struct nearest_cluster *find(const struct nearest *nearest, uint16_t cluster)
{
	struct nearest_cluster key = { .cluster = cluster };

	return nearest->n ? bsearch(&key, nearest->clusters, nearest->n, sizeof(key), by_cluster) : NULL;
}

/* ---- parts of a whole ------------------------------------------------------------------------- */

struct part {
	double score;
	uint32_t points;
	struct nearest_cluster *of;
};

/* Points in proportion to scores, by largest remainder, and the floor for each. @total: the floors at least. */
static void apportion(struct part *parts, size_t n, uint32_t total)
{
	double sum = 0;
	uint32_t given = 0;

	for (size_t i = 0; i < n; i++)
		sum += parts[i].score;
	for (size_t i = 0; i < n; i++) {
		parts[i].points = MAX((uint32_t)(parts[i].score / sum * total), NEAREST_FLOOR);
		given += parts[i].points;
	}
	while (given != total) {
		struct part *best = NULL;
		double most = 0;

		for (size_t i = 0; i < n; i++) {
			double missing = parts[i].score / sum * total - parts[i].points;

			if (given > total && parts[i].points <= NEAREST_FLOOR)
				continue;
			if (given > total)
				missing = -missing;
			if (!best || missing > most) {
				best = &parts[i];
				most = missing;
			}
		}
		best->points += given < total ? 1 : -1;
		given += given < total ? 1 : -1;
	}
}

/* ---- who is in it ------------------------------------------------------------------------------- */

static uint32_t newcomer(size_t n, size_t n_new)
{
	return MAX(MIN(points_of(n) / n, step_of(n) / n_new), NEAREST_FLOOR);
}

/* Weights of those that stay and of those that came (weight 0), which all sum up again. */
static void settle(struct nearest_cluster *clusters, size_t n, struct part *parts)
{
	uint32_t points = points_of(n), sum = 0;
	size_t n_new = 0, n_old = 0;

	for (size_t i = 0; i < n; i++) {
		n_new += !clusters[i].weight;
		sum += clusters[i].weight;
	}
	if (!n || (!n_new && sum == points))
		return;
	for (size_t i = 0; i < n; i++) {
		if (sum && !clusters[i].weight)
			clusters[i].weight = newcomer(n, n_new);
		else
			parts[n_old++] = (struct part){ .score = sum ? clusters[i].weight : 1,
							.of = &clusters[i] };
	}
	apportion(parts, n_old, points - (n - n_old ? (n - n_old) * newcomer(n, n_new) : 0));
	for (size_t i = 0; i < n_old; i++)
		parts[i].of->weight = parts[i].points;
}

/* ---- measures ----------------------------------------------------------------------------------- */

static void smooth(struct nearest_cluster *c, uint64_t ns, bool by_probe)
{
	/* Of another kind it is another quantity. */
	if (!c->rtt_ns || c->by_probe != by_probe)
		c->rtt_ns = ns;
	else
		c->rtt_ns = (c->rtt_ns * (NEAREST_SMOOTHING - 1) + ns) / NEAREST_SMOOTHING;
	c->by_probe = by_probe;
}

static void judge(struct nearest_cluster *c, uint64_t now_s)
{
	bool wrong = c->judge_wrong * 100 >= c->judge_handshakes * NEAREST_GREY_PERCENT && c->judge_wrong;

	if (c->judge_handshakes >= NEAREST_GREY_MIN)
		c->grey = wrong;
	else if (now_s - c->judge_s < NEAREST_GREY_S)
		return;
	else
		c->grey = c->grey && wrong;
	c->handshakes = c->judge_handshakes;
	c->wrong = c->judge_wrong;
	c->judge_handshakes = c->judge_wrong = 0;
	c->judge_s = now_s;
}

static void measure(struct nearest_cluster *c, const struct nearest_measure *m, uint64_t now_s)
{
	const uint64_t percent = 100 + NEAREST_HYSTERESIS_PERCENT;

	if (m->handshake_ns) {
		smooth(c, m->handshake_ns, false);
		c->handshake_s = now_s;
	} else if (m->probe_ns && !(c->handshake_s && now_s - c->handshake_s < NEAREST_FRESH_S)) {
		smooth(c, m->probe_ns, true);
	}
	if (!c->weighed_ns || c->rtt_ns * 100 > c->weighed_ns * percent ||
	    c->weighed_ns * 100 > c->rtt_ns * percent)
		c->weighed_ns = c->rtt_ns;
	c->judge_handshakes += m->handshakes;
	c->judge_wrong += MIN(m->wrong, m->handshakes);
	judge(c, now_s);
}

/* ---- what follows --------------------------------------------------------------------------------- */

static void want(struct nearest_cluster *clusters, size_t n, struct part *parts)
{
	uint32_t floors = 0;
	bool all_grey = true, measured = false;
	size_t n_parts = 0;

	for (size_t i = 0; i < n; i++)
		all_grey = all_grey && clusters[i].grey;
	for (size_t i = 0; i < n; i++)
		measured |= clusters[i].weighed_ns && (all_grey || !clusters[i].grey);
	for (size_t i = 0; i < n; i++) {
		struct nearest_cluster *c = &clusters[i];
		double ns = MAX(c->weighed_ns, NEAREST_NEAR_NS);

		if ((c->grey && !all_grey) || (measured && !c->weighed_ns)) {
			c->wanted = NEAREST_FLOOR;
			floors += NEAREST_FLOOR;
		} else {
			parts[n_parts++] = (struct part){ .score = measured ? 1 / (ns * ns) : c->weight,
							  .of = c };
		}
	}
	apportion(parts, n_parts, points_of(n) - floors);
	for (size_t i = 0; i < n_parts; i++)
		parts[i].of->wanted = parts[i].points;
}

/* Point by point from who has the most too many to who lacks the most. @moved: [n], zero. */
static bool step(struct nearest_cluster *clusters, size_t n, uint32_t *moved)
{
	bool any = false;

	for (;;) {
		struct nearest_cluster *from = NULL, *to = NULL;

		for (size_t i = 0; i < n; i++) {
			struct nearest_cluster *c = &clusters[i];

			if (moved[i] == step_of(n))
				continue;
			if (c->weight > c->wanted &&
			    (!from || c->weight - c->wanted > from->weight - from->wanted))
				from = c;
			if (c->weight < c->wanted && (!to || c->wanted - c->weight > to->wanted - to->weight))
				to = c;
		}
		if (!from || !to)
			return any;
		from->weight--;
		to->weight++;
		moved[from - clusters]++;
		moved[to - clusters]++;
		any = true;
	}
}

int nearest_update(struct nearest *nearest, const struct nearest_measure *measures, size_t n,
		   uint64_t now_s, bool *ret_moved)
{
	auto_free struct nearest_cluster *clusters = calloc(n + 1, sizeof(*clusters));
	auto_free struct part *parts = calloc(n + 1, sizeof(*parts));
	auto_free uint32_t *steps = calloc(n + 1, sizeof(*steps));
	bool moved = n != nearest->n;

	if (!clusters || !parts || !steps)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct nearest_cluster *old = find(nearest, measures[i].cluster);

		if (old)
			clusters[i] = *old;
		else
			clusters[i] = (struct nearest_cluster){ .cluster = measures[i].cluster, .judge_s = now_s };
		moved |= !old;
		measure(&clusters[i], &measures[i], now_s);
	}
	qsort(clusters, n, sizeof(*clusters), by_cluster);
	settle(clusters, n, parts);
	if (n)
		want(clusters, n, parts);
	if (!nearest->moved_s || now_s - nearest->moved_s >= NEAREST_PERIOD_S) {
		if (step(clusters, n, steps)) {
			nearest->moved_s = now_s;
			moved = true;
		}
	}
	free(nearest->clusters);
	nearest->clusters = take(clusters);
	nearest->n = n;
	*ret_moved = moved;
	return 0;
}

int nearest_seed(struct nearest *nearest, uint16_t cluster, uint32_t weight)
{
	struct nearest_cluster *clusters = realloc(nearest->clusters, (nearest->n + 1) * sizeof(*clusters));

	if (!clusters)
		return -ENOMEM;
	nearest->clusters = clusters;
	clusters[nearest->n++] = (struct nearest_cluster){ .cluster = cluster, .weight = weight, .wanted = weight };
	qsort(clusters, nearest->n, sizeof(*clusters), by_cluster);
	return 0;
}

uint32_t nearest_weight(const struct nearest *nearest, uint16_t cluster)
{
	const struct nearest_cluster *c = nearest ? find(nearest, cluster) : NULL;

	if (c)
		return MAX(c->weight, NEAREST_FLOOR);
	return nearest && nearest->n ? newcomer(nearest->n + 1, 1) : NEAREST_FLOOR;
}

uint64_t nearest_digest(const struct nearest *nearest)
{
	uint64_t h = nearest ? 14695981039346656037ull : 0;

	/* FNV-1a, of words. */
	for (size_t i = 0; nearest && i < nearest->n; i++)
		h = (h ^ ((uint64_t)nearest->clusters[i].cluster << 32 | nearest->clusters[i].weight)) *
		    1099511628211ull;
	return h;
}

void nearest_done(struct nearest *nearest)
{
	free(nearest->clusters);
	*nearest = (struct nearest){ 0 };
}
