/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which weights follow from which measures, how fast, and that noise moves nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/defs.h"
#include "model/nearest.h"

/* Rows end where the rest is zero. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define MS 1000000ull
#define START 1000

/* After each call: weights sum up, nobody has less than the floor, nobody moved too far, and not too soon. */
static void check(const struct nearest *nearest, const struct nearest *before)
{
	uint32_t sum = 0, wanted = 0, points = MAX(100, 2 * nearest->n);
	bool same = before->n == nearest->n, moved = false;

	/* A seed may be no whole yet. */
	for (size_t i = 0; i < before->n; i++)
		points -= before->clusters[i].weight;
	same = same && !points;
	points = MAX(100, 2 * nearest->n);
	for (size_t i = 0; i < nearest->n; i++) {
		const struct nearest_cluster *c = &nearest->clusters[i];

		assert_true(c->weight >= NEAREST_FLOOR);
		assert_true(c->wanted >= NEAREST_FLOOR);
		sum += c->weight;
		wanted += c->wanted;
		same = same && before->clusters[i].cluster == c->cluster;
		assert_true(!i || nearest->clusters[i - 1].cluster < c->cluster);
	}
	assert_true(!nearest->n || (sum == points && wanted == points));
	for (size_t i = 0; same && i < nearest->n; i++) {
		int diff = (int)nearest->clusters[i].weight - (int)before->clusters[i].weight;

		assert_true(abs(diff) <= (int)points * NEAREST_STEP / 100);
		moved |= diff;
	}
	if (moved && before->moved_s)
		assert_true(nearest->moved_s - before->moved_s >= NEAREST_PERIOD_S);
}

static bool update(struct nearest *nearest, const struct nearest_measure *m, size_t n, uint64_t now_s)
{
	struct nearest before = *nearest;
	bool moved;

	before.clusters = calloc(before.n + 1, sizeof(*before.clusters));
	if (before.n)
		memcpy(before.clusters, nearest->clusters, before.n * sizeof(*before.clusters));
	assert_int_equal(nearest_update(nearest, m, n, now_s, &moved), 0);
	check(nearest, &before);
	free(before.clusters);
	return moved;
}

static const char *text(const struct nearest *nearest, char *out)
{
	*out = '\0';
	for (size_t i = 0; i < nearest->n; i++)
		sprintf(out + strlen(out), "%s%u=%u%s%s", i ? " " : "", nearest->clusters[i].cluster,
			nearest->clusters[i].weight, nearest->clusters[i].grey ? " grey" : "",
			nearest->clusters[i].by_probe ? " probe" : "");
	return out;
}

/* Phases of so many periods with the same measures. */
static const struct {
	const char *name;
	const char *seed;       /* "cluster=weight ..." */
	struct { int periods; struct nearest_measure m[4]; } phases[4];
	const char *want;
} rows[] = {
	{ "1 ms and 10 ms: the far one keeps a hundredth", NULL,
	  { { 10, { { 1, 1 * MS }, { 2, 10 * MS } } } }, "1=99 2=1" },
	{ "one period moves 20 points from equal ones", NULL,
	  { { 1, { { 1, 1 * MS }, { 2, 10 * MS } } } }, "1=70 2=30" },
	{ "two periods 40", NULL, { { 2, { { 1, 1 * MS }, { 2, 10 * MS } } } }, "1=90 2=10" },
	{ "equally far, equal weights", NULL, { { 10, { { 1, 5 * MS }, { 2, 5 * MS } } } }, "1=50 2=50" },
	{ "equal ones of three", NULL, { { 10, { { 1, 5 * MS }, { 2, 5 * MS }, { 3, 5 * MS } } } },
	  "1=34 2=33 3=33" },
	{ "twice as far, a quarter of the points", NULL,
	  { { 10, { { 1, 10 * MS }, { 2, 20 * MS } } } }, "1=80 2=20" },
	{ "within a data centre all are equally near", NULL,
	  { { 10, { { 1, MS / 50 }, { 2, MS / 5 } } } }, "1=50 2=50" },
	{ "who was never measured gets the floor", NULL,
	  { { 10, { { 1, 30 * MS }, { 2 } } } }, "1=99 2=1" },
	{ "nobody measured: equal", NULL, { { 10, { { 1 }, { 2 } } } }, "1=50 2=50" },
	{ "alone", NULL, { { 3, { { 7, 4 * MS } } } }, "7=100" },
	{ "after a restart weights stay while nothing is measured", "1=90 2=10",
	  { { 3, { { 1 }, { 2 } } } }, "1=90 2=10" },
	{ "and move on from there", "1=90 2=10", { { 1, { { 1, 10 * MS }, { 2, 1 * MS } } } }, "1=70 2=30" },
	{ "a seed that is no whole is made one", "1=9 2=1", { { 1, { { 1 }, { 2 } } } }, "1=90 2=10" },
	{ "a seed of a cluster that is not there is forgotten", "1=80 2=10 3=10",
	  { { 1, { { 1 }, { 2 } } } }, "1=89 2=11" },
	{ "probes count where no handshake was", NULL,
	  { { 10, { { 1, 0, 1 * MS }, { 2, 0, 10 * MS } } } }, "1=99 probe 2=1 probe" },
	{ "a handshake beats a probe", NULL,
	  { { 10, { { 1, 10 * MS, 1 * MS }, { 2, 1 * MS, 10 * MS } } } }, "1=1 2=99" },
	{ "a fresh handshake beats probes for a minute", NULL,
	  { { 10, { { 1, 10 * MS }, { 2, 1 * MS } } },
	    { 11, { { 1, 0, 1 * MS }, { 2, 0, 10 * MS } } } }, "1=1 2=99" },
	{ "then they count", NULL,
	  { { 10, { { 1, 10 * MS }, { 2, 1 * MS } } },
	    { 20, { { 1, 0, 1 * MS }, { 2, 0, 10 * MS } } } }, "1=99 probe 2=1 probe" },
	{ "without any measure what was known stays", NULL,
	  { { 10, { { 1, 1 * MS }, { 2, 10 * MS } } }, { 100, { { 1 }, { 2 } } } }, "1=99 2=1" },
	{ "one spike moves less than it would", NULL,
	  { { 10, { { 1, 10 * MS }, { 2, 10 * MS } } }, { 1, { { 1, 10 * MS }, { 2, 13 * MS } } } },
	  "1=50 2=50" },
	{ "what stays does move", NULL,
	  { { 10, { { 1, 10 * MS }, { 2, 10 * MS } } }, { 20, { { 1, 10 * MS }, { 2, 20 * MS } } } },
	  "1=77 2=23" },

	{ "three of ten handshakes fail: grey", NULL,
	  { { 10, { { 1, 1 * MS, 0, 10, 3 }, { 2, 10 * MS, 0, 10, 0 } } } }, "1=1 grey 2=99" },
	{ "two of ten do not matter", NULL,
	  { { 10, { { 1, 1 * MS, 0, 10, 2 }, { 2, 10 * MS, 0, 10, 0 } } } }, "1=99 2=1" },
	{ "it is left in steps", NULL,
	  { { 10, { { 1, 1 * MS }, { 2, 10 * MS } } },
	    { 2, { { 1, 0, 1 * MS, 50, 50 }, { 2, 10 * MS, 0, 10, 0 } } } }, "1=59 grey 2=41" },
	{ "few handshakes are counted over periods", NULL,
	  { { 4, { { 1, 1 * MS, 0, 3, 3 }, { 2, 1 * MS } } } }, "1=30 grey 2=70" },
	{ "but not for ever", NULL, { { 13, { { 1, 1 * MS }, { 2, 1 * MS } } },
	  { 1, { { 1, 1 * MS, 0, 9, 9 }, { 2, 1 * MS } } }, { 13, { { 1, 1 * MS }, { 2, 1 * MS } } },
	  { 1, { { 1, 1 * MS, 0, 9, 9 }, { 2, 1 * MS } } } }, "1=50 2=50" },
	{ "more wrong than begun counts as all", NULL,
	  { { 1, { { 1, 1 * MS, 0, 10, 30 }, { 2, 1 * MS, 0, 10, 0 } } } }, "1=30 grey 2=70" },
	{ "ten good ones, however slowly, and it comes back", NULL,
	  { { 5, { { 1, 1 * MS, 0, 10, 10 }, { 2, 1 * MS } } },
	    { 20, { { 1, 1 * MS, 0, 1, 0 }, { 2, 1 * MS } } } }, "1=50 2=50" },
	{ "its few handshakes still fail: it stays grey", NULL,
	  { { 5, { { 1, 1 * MS, 0, 10, 10 }, { 2, 1 * MS } } },
	    { 100, { { 1, 0, 1 * MS, 1, 1 }, { 2, 1 * MS } } } }, "1=1 grey probe 2=99" },
	{ "a single one in a minute that fails does too", NULL,
	  { { 5, { { 1, 1 * MS, 0, 10, 10 }, { 2, 1 * MS } } },
	    { 1, { { 1, 0, 1 * MS, 1, 1 }, { 2, 1 * MS } } },
	    { 14, { { 1, 0, 1 * MS, 0, 0 }, { 2, 1 * MS } } } }, "1=1 grey probe 2=99" },
	{ "a minute with no traffic: it is tried again", NULL,
	  { { 5, { { 1, 1 * MS, 0, 10, 10 }, { 2, 1 * MS } } },
	    { 15, { { 1, 0, 1 * MS, 0, 0 }, { 2, 1 * MS } } } }, "1=50 probe 2=50" },
	{ "all grey: as if none were", NULL,
	  { { 10, { { 1, 1 * MS, 0, 10, 10 }, { 2, 10 * MS, 0, 10, 10 } } } }, "1=99 grey 2=1 grey" },
	{ "the one that is not grey was never measured: it gets all", NULL,
	  { { 10, { { 1, 1 * MS, 0, 10, 10 }, { 2 } } } }, "1=1 grey 2=99" },

	{ "a second cluster comes with 20 points", NULL,
	  { { 10, { { 1, 10 * MS } } }, { 1, { { 1, 10 * MS }, { 2 } } } }, "1=99 2=1" },
	{ "and grows when it is near", NULL,
	  { { 10, { { 1, 10 * MS } } }, { 1, { { 1, 10 * MS }, { 2, 1 * MS } } } }, "1=60 2=40" },
	{ "two that come have 20 together", "1=60 2=40",
	  { { 1, { { 1 }, { 2 }, { 3 }, { 4 } } } }, "1=48 2=32 3=10 4=10" },
	{ "a third of equal ones comes with 20", "1=50 2=50",
	  { { 1, { { 1 }, { 2 }, { 3 } } } }, "1=40 2=40 3=20" },
	{ "what goes leaves its points in proportion", "1=60 2=20 3=20",
	  { { 1, { { 1 }, { 3 } } } }, "1=75 3=25" },
	{ "all go, and one comes", "1=60 2=40", { { 1, { { 0 } } }, { 1, { { 3 } } } }, "3=100" },
};

static void test_rows(void **state)
{
	for (size_t r = 0; r < ARRAY_SIZE(rows); r++) {
		struct nearest nearest = { 0 };
		const char *seed = rows[r].seed ?: "";
		unsigned int cluster, weight;
		uint64_t now_s = START;
		char out[256];
		int len;

		for (; sscanf(seed, " %u=%u%n", &cluster, &weight, &len) == 2; seed += len)
			assert_int_equal(nearest_seed(&nearest, cluster, weight), 0);
		for (size_t p = 0; p < 4; p++) {
			size_t n = 0;

			while (n < 4 && rows[r].phases[p].m[n].cluster)
				n++;
			for (int i = 0; i < rows[r].phases[p].periods; i++, now_s += NEAREST_PERIOD_S)
				update(&nearest, rows[r].phases[p].m, n, now_s);
		}
		text(&nearest, out);
		if (strcmp(out, rows[r].want))
			fail_msg("%s: %s, not %s", rows[r].name, out, rows[r].want);
		nearest_done(&nearest);
	}
}

static double noise(uint32_t *seed, double amount)
{
	*seed = *seed * 1664525 + 1013904223;
	return 1 + amount * ((*seed >> 8) / (double)(1 << 23) - 1);
}

static const struct {
	const char *name;
	uint64_t ns[3];
	size_t n;
} noisy[] = {
	{ "equal ones", { 10 * MS, 10 * MS }, 2 },
	{ "one half as far again", { 10 * MS, 15 * MS }, 2 },
	{ "1 ms and 10 ms", { 1 * MS, 10 * MS }, 2 },
	{ "three", { 3 * MS, 4 * MS, 5 * MS }, 3 },
	{ "around what counts as near", { MS / 4, MS / 3 }, 2 },
};

/* 20 % of noise over 1 000 periods, of ten kinds: the way there, and then next to nothing. */
static void test_noise_does_not_make_weights_flap(void **state)
{
	for (size_t r = 0; r < ARRAY_SIZE(noisy); r++) {
		for (uint32_t kind = 1; kind <= 10; kind++) {
			uint32_t seed = kind;
			struct nearest nearest = { 0 };
			size_t moves = 0;

			for (uint64_t i = 0; i < 1000; i++) {
				struct nearest_measure m[3] = { 0 };

				for (size_t k = 0; k < noisy[r].n; k++)
					m[k] = (struct nearest_measure){
						.cluster = k + 1,
						.handshake_ns = noisy[r].ns[k] * noise(&seed, 0.2) };
				moves += update(&nearest, m, noisy[r].n, START + i * NEAREST_PERIOD_S);
			}
			if (moves > 8)
				fail_msg("%s: weights moved %zu times", noisy[r].name, moves);
			nearest_done(&nearest);
		}
	}
}

static void test_nothing_moves_more_often_than_it_may(void **state)
{
	const struct nearest_measure m[] = { { 1, 1 * MS }, { 2, 10 * MS } };
	struct nearest nearest = { 0 };
	uint32_t last = 50;

	for (uint64_t now_s = START; now_s < START + 60; now_s++) {
		update(&nearest, m, 2, now_s);
		assert_true(nearest_weight(&nearest, 1) == last || !((now_s - START) % NEAREST_PERIOD_S));
		last = nearest_weight(&nearest, 1);
	}
	assert_int_equal(last, 99);
	nearest_done(&nearest);
}

static void test_a_returning_measure_says_what_it_moved(void **state)
{
	const struct nearest_measure m[] = { { 2, 5 * MS }, { 1, 5 * MS } };
	struct nearest nearest = { 0 };
	uint64_t digest;

	assert_true(update(&nearest, m, 2, START));
	digest = nearest_digest(&nearest);
	assert_false(update(&nearest, m, 2, START + 5));
	assert_int_equal(nearest_digest(&nearest), digest);
	assert_true(update(&nearest, m, 1, START + 10));
	assert_int_not_equal(nearest_digest(&nearest), digest);
	assert_true(update(&nearest, m, 0, START + 15));
	assert_int_equal(nearest.n, 0);
	assert_int_equal(nearest_digest(NULL), 0);
	nearest_done(&nearest);
}

static void test_an_unknown_cluster_has_what_a_new_one_gets(void **state)
{
	const struct nearest_measure m[] = { { 1, 1 * MS }, { 2, 1 * MS } };
	struct nearest nearest = { 0 };

	assert_int_equal(nearest_weight(NULL, 1), 1);
	assert_int_equal(nearest_weight(&nearest, 1), 1);
	update(&nearest, m, 1, START);
	assert_int_equal(nearest_weight(&nearest, 1), 100);
	assert_int_equal(nearest_weight(&nearest, 2), NEAREST_STEP);
	nearest_done(&nearest);
}

/* More clusters than points: each still has the floor, and the near one most of the rest. */
static void test_as_many_clusters_as_a_mesh_has(void **state)
{
	struct nearest_measure m[250] = { 0 };
	struct nearest nearest = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(m); i++)
		m[i] = (struct nearest_measure){ .cluster = 250 - i, .handshake_ns = i == 7 ? MS : 50 * MS };
	for (uint64_t i = 0; i < 10; i++)
		update(&nearest, m, ARRAY_SIZE(m), START + i * NEAREST_PERIOD_S);
	assert_int_equal(nearest_weight(&nearest, 250 - 7), 500 - 249);
	assert_int_equal(nearest_weight(&nearest, 250), 1);
	/* And one more at a time, from the first on. */
	for (size_t i = 0; i < ARRAY_SIZE(m); i++)
		update(&nearest, m, i + 1, START + (100 + i) * NEAREST_PERIOD_S);
	nearest_done(&nearest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_noise_does_not_make_weights_flap),
		cmocka_unit_test(test_nothing_moves_more_often_than_it_may),
		cmocka_unit_test(test_a_returning_measure_says_what_it_moved),
		cmocka_unit_test(test_an_unknown_cluster_has_what_a_new_one_gets),
		cmocka_unit_test(test_as_many_clusters_as_a_mesh_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
