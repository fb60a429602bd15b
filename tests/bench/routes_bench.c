/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Decides what kind of map xm_routes is: ns per lookup of an LPM trie and of a hash probed once
 * per prefix length in use, at 10, 1 000 and 25 000 node prefixes. One JSON line per row on
 * stdout, a table on stderr. The loop and the making of random addresses are measured alone and
 * taken off. Every row asserts that all lookups hit (or all missed).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "xmesh/maps.h"

#include "routes_bench.skel.h"

#define LOOKUPS 16
#define REPEAT 4000
#define ROUNDS 11

static const unsigned int sizes[] = { 10, 1000, 25000 };
static const unsigned int lens[] = { 1, 2, 4 };

struct key { /* as in routes_bench.bpf.c */
	__u32 plen;
	__be32 addr[4];
};

struct cell { double min, median; };

static void fail(const char *what, int err)
{
	fprintf(stderr, "routes_bench: %s: %s\n", what, strerror(err < 0 ? -err : err));
	exit(1);
}

static int cmp_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* What next_addr() of the BPF side draws its addresses from. */
static struct key nth_prefix(unsigned int family, unsigned int n_lens, unsigned int i)
{
	struct key p = { 0 };

	if (family == 0) {
		p.plen = 96 + 24 + i % n_lens;
		p.addr[2] = XM_V4_MARK;
		p.addr[3] = htonl(0x0a000000u + (i << 8));
	} else {
		p.plen = 64 + i % n_lens;
		p.addr[0] = htonl(0xfd000000u);
		p.addr[1] = htonl(i);
	}
	return p;
}

static void fill(struct routes_bench *skel, unsigned int family, unsigned int n_lens,
		 unsigned int n)
{
	struct key key;
	unsigned int i;
	int err;

	for (i = 0; i < n; i++) {
		struct xm_route route = { .node = i + 1, .cluster = 2 };

		key = nth_prefix(family, n_lens, i);
		err = bpf_map_update_elem(bpf_map__fd(skel->maps.lpm), &key, &route, BPF_NOEXIST);
		if (!err)
			err = bpf_map_update_elem(bpf_map__fd(skel->maps.hash), &key, &route,
						  BPF_NOEXIST);
		if (err)
			fail("filling the tables", err);
	}
}

static void empty(struct routes_bench *skel, unsigned int family, unsigned int n_lens,
		  unsigned int n)
{
	struct key key;
	unsigned int i;

	for (i = 0; i < n; i++) {
		key = nth_prefix(family, n_lens, i);
		if (bpf_map_delete_elem(bpf_map__fd(skel->maps.lpm), &key) ||
		    bpf_map_delete_elem(bpf_map__fd(skel->maps.hash), &key))
			fail("emptying the tables", errno);
	}
}

static void set_lens(struct routes_bench *skel, unsigned int family, unsigned int n_lens)
{
	struct xm_config config = { .magic = XM_ABI_MAGIC, .abi = XM_ABI };
	unsigned int i, bit, zero = 0;
	int err;

	config.n_plen[family] = n_lens;
	for (i = 0; i < n_lens; i++) {
		struct xm_plen *p = &config.plen[family][i];
		unsigned char mask[16] = { 0 };

		p->plen = (family == 0 ? 96 + 24 : 64) + i;
		p->used = 1;
		for (bit = 0; bit < p->plen; bit++)
			mask[bit / 8] |= 0x80 >> bit % 8;
		memcpy(p->mask, mask, sizeof(mask));
	}
	err = bpf_map_update_elem(bpf_map__fd(skel->maps.config), &zero, &config, BPF_ANY);
	if (err)
		fail("writing the configuration", err);
}

/* Gross ns per lookup: what the kernel's mean `duration` of a run gives, over 16. */
static struct cell run(struct routes_bench *skel, struct bpf_program *prog, bool counts)
{
	double ns[ROUNDS];
	unsigned char frame[64] = { 0 };
	struct cell cell;
	int i, err;

	for (i = -1; i < ROUNDS; i++) { /* the first one only warms up */
		LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame),
			    .repeat = REPEAT);
		__u64 want = skel->bss->miss ? 0 : (__u64)REPEAT * LOOKUPS;

		skel->bss->hits = 0;
		err = bpf_prog_test_run_opts(bpf_program__fd(prog), &opts);
		if (err)
			fail("BPF_PROG_TEST_RUN", err);
		if (opts.retval != 0 || (counts && skel->bss->hits != want))
			fail("the row did not measure what it says", EPROTO);
		if (i >= 0)
			ns[i] = (double)opts.duration / LOOKUPS;
	}
	qsort(ns, ROUNDS, sizeof(*ns), cmp_double);
	cell.min = ns[0];
	cell.median = ns[ROUNDS / 2];
	return cell;
}

static void row(struct routes_bench *skel, unsigned int family, unsigned int n_lens,
		unsigned int n, unsigned int span, bool miss)
{
	struct cell null, lpm, hash;
	const char *lookup;

	skel->bss->family = family;
	skel->bss->n_lens = n_lens;
	skel->bss->span = span;
	skel->bss->miss = miss;
	null = run(skel, skel->progs.routes_null, false);
	lpm = run(skel, skel->progs.routes_lpm, true);
	hash = run(skel, skel->progs.routes_hash, true);
	lookup = miss ? "miss" : span < n ? "hot" : "random";
	lpm = (struct cell){ lpm.min - null.min, lpm.median - null.median };
	hash = (struct cell){ hash.min - null.min, hash.median - null.median };
	printf("{\"bench\":\"routes\",\"family\":%d,\"prefixes\":%u,\"lengths\":%u,"
	       "\"lookup\":\"%s\",\"lpm_ns_min\":%.1f,\"lpm_ns_median\":%.1f,"
	       "\"hash_ns_min\":%.1f,\"hash_ns_median\":%.1f,\"loop_ns\":%.1f}\n",
	       family == 0 ? 4 : 6, n, n_lens, lookup, lpm.min, lpm.median, hash.min, hash.median,
	       null.min);
	fprintf(stderr, "IPv%d  %6u  %2u  %-7s  %6.1f /%6.1f   %6.1f /%6.1f\n",
		family == 0 ? 4 : 6, n, n_lens, lookup, lpm.min, lpm.median, hash.min, hash.median);
}

int main(void)
{
	struct routes_bench *skel;
	unsigned int family, l, s;

	skel = routes_bench__open_and_load();
	if (!skel)
		fail("loading routes_bench.bpf.o (root needed)", errno);
	fprintf(stderr, "ns per lookup, min / median of %d runs; loop and address taken off\n", ROUNDS);
	fprintf(stderr, "family  prefixes lengths lookup    LPM trie         hash per length\n");
	for (family = 0; family < 2; family++)
		for (s = 0; s < sizeof(sizes) / sizeof(*sizes); s++)
			for (l = 0; l < sizeof(lens) / sizeof(*lens); l++) {
				fill(skel, family, lens[l], sizes[s]);
				set_lens(skel, family, lens[l]);
				row(skel, family, lens[l], sizes[s], sizes[s], false);
				if (sizes[s] > 16)
					row(skel, family, lens[l], sizes[s], 16, false);
				row(skel, family, lens[l], sizes[s], sizes[s], true);
				empty(skel, family, lens[l], sizes[s]);
			}
	routes_bench__destroy(skel);
	return 0;
}
