/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Latency read and summed over the CPUs, SYNs swept, entries forgotten. */
#include "unit/plane/host.h"

#include <stdbool.h>
#include <sys/mman.h>
#include <time.h>

#include "plane/latency.h"

#define S 1000000000ull

static int cpus;

static int map(enum bpf_map_type type, uint32_t key, uint32_t value, uint32_t max, uint32_t flags)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = flags);
	int fd = bpf_map_create(type, "unit", key, value, max, &opts);

	if (fd < 0)
		fail_msg("no map: %s", strerror(-fd));
	return fd;
}

/* The maps as the object has them, but @timeouts entries for those of the sweep. */
static struct plane begin(uint32_t timeouts)
{
	struct plane plane = { .dir = "unit" };

	host_need_root();
	cpus = libbpf_num_possible_cpus();
	for (size_t i = 0; i < PLANE_MAP_COUNT; i++)
		plane.map_fd[i] = -1;
	plane.map_fd[PLANE_xm_latency] = map(BPF_MAP_TYPE_PERCPU_HASH, sizeof(struct xm_latency_key),
					     sizeof(struct xm_latency), XM_MAX_LATENCY, BPF_F_NO_PREALLOC);
	plane.map_fd[PLANE_xm_syn] = map(BPF_MAP_TYPE_ARRAY, 4, sizeof(struct xm_syn), XM_SYN_SLOTS,
					 BPF_F_MMAPABLE);
	plane.map_fd[PLANE_xm_syn_timeouts] = map(BPF_MAP_TYPE_HASH, sizeof(struct xm_latency_key), 8,
						  timeouts, 0);
	plane.map_fd[PLANE_xm_probe_rtt] = map(BPF_MAP_TYPE_HASH, 4, sizeof(struct xm_probe_stat),
					       XM_MAX_NODES, BPF_F_NO_PREALLOC);
	plane.map_fd[PLANE_xm_program_time] = map(BPF_MAP_TYPE_PERCPU_ARRAY, 4, sizeof(struct xm_hist),
						  XM_HOOK_COUNT, 0);
	return plane;
}

static void end(struct plane *plane)
{
	for (size_t i = 0; i < PLANE_MAP_COUNT; i++)
		if (plane->map_fd[i] >= 0)
			close(plane->map_fd[i]);
}

static struct xm_latency_key key_of(uint8_t kind, uint16_t cluster, uint32_t service)
{
	return (struct xm_latency_key){ .kind = kind, .cluster = cluster, .service = service };
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ull + t.tv_nsec / 1000000;
}

/* The value of CPU c is @n + c in each counter. */
static void put(const struct plane *plane, struct xm_latency_key key, uint64_t n)
{
	struct xm_latency *values = calloc(cpus, sizeof(*values));
	uint64_t deadline_ms = now_ms() + 10000;
	int code;

	for (int c = 0; c < cpus; c++) {
		values[c] = (struct xm_latency){ .hist.sum_ns = n + c, .syns = n + c, .syn_retries = n + c,
						 .unmeasured = n + c, .resets = n + c, .timeouts = n + c };
		values[c].hist.buckets[XM_HIST_BUCKETS - 1] = n + c;
	}
	/* The kernel's reserve of per-CPU memory is filled up in the background. */
	do {
		code = bpf_map_update_elem(plane->map_fd[PLANE_xm_latency], &key, values, BPF_ANY);
	} while (code == -ENOMEM && now_ms() < deadline_ms);
	assert_int_equal(code, 0);
	free(values);
}

static uint64_t all_cpus(uint64_t n)
{
	uint64_t sum = 0;

	for (int c = 0; c < cpus; c++)
		sum += n + c;
	return sum;
}

static void set_timeouts(const struct plane *plane, struct xm_latency_key key, uint64_t n)
{
	assert_int_equal(bpf_map_update_elem(plane->map_fd[PLANE_xm_syn_timeouts], &key, &n, BPF_ANY), 0);
}

/* @each: what the programs counted, of timeouts too; @timeouts: with those of the sweep, which ends SYNs. */
static void is(const struct latency_entry *e, struct xm_latency_key key, uint64_t each, uint64_t timeouts)
{
	assert_memory_equal(&e->key, &key, sizeof(key));
	assert_int_equal(e->value.hist.sum_ns, each);
	assert_int_equal(e->value.hist.buckets[0], 0);
	assert_int_equal(e->value.hist.buckets[XM_HIST_BUCKETS - 1], each);
	assert_int_equal(e->value.syns, timeouts);
	assert_int_equal(e->value.syn_retries, each);
	assert_int_equal(e->value.unmeasured, each);
	assert_int_equal(e->value.resets, each);
	assert_int_equal(e->value.timeouts, timeouts);
}

static void sums_of_all_cpus_sorted_with_timeouts(void **state)
{
	struct plane plane = begin(8);
	struct latency_entry *e;
	size_t n;

	put(&plane, key_of(XM_LATENCY_SRTT, 1, 0), 5);
	put(&plane, key_of(XM_LATENCY_HANDSHAKE, 300, 2), 7);
	put(&plane, key_of(XM_LATENCY_HANDSHAKE, 2, 70000), UINT64_MAX - 1);
	put(&plane, key_of(XM_LATENCY_HANDSHAKE, 2, 3), 1);
	set_timeouts(&plane, key_of(XM_LATENCY_HANDSHAKE, 2, 3), 40);
	set_timeouts(&plane, key_of(XM_LATENCY_HANDSHAKE, 2, 9), 50);
	assert_done(latency_read(&plane, &e, &n, &err));
	assert_int_equal(n, 5);
	is(&e[0], key_of(XM_LATENCY_HANDSHAKE, 2, 3), all_cpus(1), all_cpus(1) + 40);
	is(&e[1], key_of(XM_LATENCY_HANDSHAKE, 2, 9), 0, 50);
	/* 64 bits wrap. */
	is(&e[2], key_of(XM_LATENCY_HANDSHAKE, 2, 70000), all_cpus(UINT64_MAX - 1), all_cpus(UINT64_MAX - 1));
	is(&e[3], key_of(XM_LATENCY_HANDSHAKE, 300, 2), all_cpus(7), all_cpus(7));
	is(&e[4], key_of(XM_LATENCY_SRTT, 1, 0), all_cpus(5), all_cpus(5));
	free(e);
	end(&plane);
}

static void nothing_is_an_empty_list(void **state)
{
	struct plane plane = begin(8);
	struct latency_probe *probes;
	struct latency_entry *e;
	size_t n = 7;

	assert_done(latency_read(&plane, &e, &n, &err));
	assert_int_equal(n, 0);
	free(e);
	n = 7;
	assert_done(latency_read_probes(&plane, &probes, &n, &err));
	assert_int_equal(n, 0);
	free(probes);
	end(&plane);
	/* Pinned by an agent that had no such maps. */
	for (size_t i = 0; i < PLANE_MAP_COUNT; i++)
		plane.map_fd[i] = -1;
	assert_done(latency_read(&plane, &e, &n, &err));
	assert_int_equal(n, 0);
	free(e);
}

static void a_full_table_is_read_whole_and_soon(void **state)
{
	struct plane plane = begin(8);
	uint64_t best = UINT64_MAX, syns = 0, want = 0;
	struct latency_entry *e;
	size_t n;

	/* 250 clusters, of each some of 1000 services. */
	for (uint32_t i = 0; i < XM_MAX_LATENCY; i++) {
		put(&plane, key_of(XM_LATENCY_HANDSHAKE, i % 250, i / 250), i);
		want += all_cpus(i);
	}
	for (int i = 0; i < 5; i++) {
		uint64_t start = now_ms();

		assert_done(latency_read(&plane, &e, &n, &err));
		best = best < now_ms() - start ? best : now_ms() - start;
		assert_int_equal(n, XM_MAX_LATENCY);
		syns = 0;
		for (size_t k = 0; k < n; k++) {
			syns += e[k].value.syns;
			assert_true(!k || e[k - 1].key.cluster < e[k].key.cluster ||
				    e[k - 1].key.service < e[k].key.service);
		}
		assert_int_equal(syns, want);
		free(e);
	}
	print_message("%d entries of %d CPUs: %lu ms\n", XM_MAX_LATENCY, cpus, best);
	/* 10 ms without sanitizers; the bound is for what is quadratic. */
	assert_true(best < 500);
	end(&plane);
}

static void programs_are_summed_by_hook(void **state)
{
	struct plane plane = begin(8);
	struct xm_hist *values = calloc(cpus, sizeof(*values)), hists[XM_HOOK_COUNT];
	uint32_t hook = XM_HOOK_COUNT - 1;

	for (int c = 0; c < cpus; c++) {
		values[c].sum_ns = 10 + c;
		values[c].buckets[4] = 20 + c;
	}
	assert_int_equal(bpf_map_update_elem(plane.map_fd[PLANE_xm_program_time], &hook, values, BPF_ANY), 0);
	free(values);
	assert_done(latency_read_programs(&plane, hists, &err));
	assert_int_equal(hists[hook].sum_ns, all_cpus(10));
	assert_int_equal(hists[hook].buckets[4], all_cpus(20));
	assert_int_equal(hists[0].sum_ns, 0);
	end(&plane);
}

static void probes_are_written_read_and_removed(void **state)
{
	struct plane plane = begin(8);
	struct xm_probe_stat stat = { .asked = 3, .lost = 1 };
	struct latency_probe *probes;
	size_t n;

	stat.hist.buckets[9] = 2;
	assert_done(latency_write_probe(&plane, 300, &stat, &err));
	stat.asked = 4;
	assert_done(latency_write_probe(&plane, 2, &stat, &err));
	assert_done(latency_write_probe(&plane, 300, &stat, &err));
	assert_done(latency_read_probes(&plane, &probes, &n, &err));
	assert_int_equal(n, 2);
	assert_int_equal(probes[0].node, 2);
	assert_int_equal(probes[1].node, 300);
	assert_memory_equal(&probes[1].stat, &stat, sizeof(stat));
	free(probes);
	assert_done(latency_write_probe(&plane, 2, NULL, &err));
	assert_done(latency_write_probe(&plane, 2, NULL, &err));
	assert_done(latency_read_probes(&plane, &probes, &n, &err));
	assert_int_equal(n, 1);
	assert_int_equal(probes[0].node, 300);
	free(probes);
	end(&plane);
}

/* ---- the sweep ------------------------------------------------------------------------------ */

static void syn(const struct plane *plane, uint32_t slot, enum xm_syn_state at, uint64_t sent_ns, uint16_t cluster,
		uint32_t service)
{
	struct xm_syn value = { .sent_ns = sent_ns, .tag = 9, .service = service, .cluster = cluster,
				.state = at };

	assert_int_equal(bpf_map_update_elem(plane->map_fd[PLANE_xm_syn], &slot, &value, BPF_ANY), 0);
}

static struct xm_syn syn_at(const struct plane *plane, uint32_t slot)
{
	struct xm_syn value;

	assert_int_equal(bpf_map_lookup_elem(plane->map_fd[PLANE_xm_syn], &slot, &value), 0);
	return value;
}

static uint64_t timeouts_of(const struct plane *plane, uint16_t cluster, uint32_t service)
{
	struct xm_latency_key key = key_of(XM_LATENCY_HANDSHAKE, cluster, service);
	uint64_t n = 0;

	bpf_map_lookup_elem(plane->map_fd[PLANE_xm_syn_timeouts], &key, &n);
	return n;
}

static size_t sweep(const struct plane *plane, uint64_t now_ns)
{
	size_t n = 77;

	assert_done(latency_sweep_syns(plane, now_ns, &n, &err));
	return n;
}

static void old_syns_are_counted_once(void **state)
{
	struct plane plane = begin(8);
	const uint64_t sent = 100 * S, over = sent + XM_SYN_TIMEOUT_S * S;

	syn(&plane, 0, XM_SYN_SENT, sent, 5, 6);
	syn(&plane, 1, XM_SYN_RETRIED, sent, 5, 6);
	syn(&plane, 2, XM_SYN_ANSWERED, sent, 5, 6);
	syn(&plane, 3, XM_SYN_FREE, sent, 5, 6);
	syn(&plane, 4, XM_SYN_SENT, sent + 1, 5, 6);
	/* Sent after the caller looked at the clock. */
	syn(&plane, 5, XM_SYN_SENT, over + S, 5, 6);
	syn(&plane, XM_SYN_SLOTS - 1, XM_SYN_SENT, sent, 5, 0);
	assert_int_equal(sweep(&plane, over - 1), 0);
	assert_int_equal(timeouts_of(&plane, 5, 6), 0);
	assert_int_equal(sweep(&plane, over), 3);
	assert_int_equal(timeouts_of(&plane, 5, 6), 2);
	assert_int_equal(timeouts_of(&plane, 5, 0), 1);
	assert_int_equal(syn_at(&plane, 0).state, XM_SYN_TIMED_OUT);
	assert_int_equal(syn_at(&plane, 0).tag, 9);
	assert_int_equal(syn_at(&plane, 1).state, XM_SYN_TIMED_OUT);
	assert_int_equal(syn_at(&plane, 2).state, XM_SYN_ANSWERED);
	assert_int_equal(syn_at(&plane, 4).state, XM_SYN_SENT);
	assert_int_equal(syn_at(&plane, 5).state, XM_SYN_SENT);
	assert_int_equal(syn_at(&plane, 3).state, XM_SYN_FREE);
	assert_int_equal(syn_at(&plane, XM_SYN_SLOTS - 1).state, XM_SYN_TIMED_OUT);
	assert_int_equal(sweep(&plane, over), 0);
	assert_int_equal(sweep(&plane, over + S - 1), 1);
	assert_int_equal(timeouts_of(&plane, 5, 6), 3);
	end(&plane);
}

static void a_full_table_of_timeouts_counts_without_service(void **state)
{
	struct plane plane = begin(2);
	struct xm_latency_key zero = key_of(XM_LATENCY_HANDSHAKE, 5, 0);

	set_timeouts(&plane, zero, 10);
	set_timeouts(&plane, key_of(XM_LATENCY_HANDSHAKE, 5, 1), 1);
	syn(&plane, 0, XM_SYN_SENT, 1, 5, 2);
	syn(&plane, 1, XM_SYN_SENT, 1, 5, 1);
	assert_int_equal(sweep(&plane, 10 * S), 2);
	assert_int_equal(timeouts_of(&plane, 5, 0), 11);
	assert_int_equal(timeouts_of(&plane, 5, 1), 2);
	end(&plane);
}

static bool keep_all_but_cluster_5(void *user, const struct xm_latency_key *key)
{
	++*(size_t *)user;
	return key->cluster != 5;
}

static void what_is_gone_is_forgotten(void **state)
{
	struct plane plane = begin(4096);
	struct latency_entry *e;
	size_t n, asked = 0;

	for (uint32_t i = 0; i < 1000; i++) {
		put(&plane, key_of(XM_LATENCY_HANDSHAKE, i % 10, i), i);
		set_timeouts(&plane, key_of(XM_LATENCY_HANDSHAKE, i % 10, i), i);
	}
	assert_done(latency_forget(&plane, keep_all_but_cluster_5, &asked, &n, &err));
	assert_int_equal(asked, 2000);
	assert_int_equal(n, 900);
	assert_done(latency_read(&plane, &e, &n, &err));
	assert_int_equal(n, 900);
	for (size_t i = 0; i < n; i++)
		assert_true(e[i].key.cluster != 5);
	free(e);
	assert_int_equal(timeouts_of(&plane, 5, 15), 0);
	assert_int_equal(timeouts_of(&plane, 4, 14), 14);
	end(&plane);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_of_all_cpus_sorted_with_timeouts),
		cmocka_unit_test(nothing_is_an_empty_list),
		cmocka_unit_test(a_full_table_is_read_whole_and_soon),
		cmocka_unit_test(programs_are_summed_by_hook),
		cmocka_unit_test(probes_are_written_read_and_removed),
		cmocka_unit_test(old_syns_are_counted_once),
		cmocka_unit_test(a_full_table_of_timeouts_counts_without_service),
		cmocka_unit_test(what_is_gone_is_forgotten),
	};

	return cmocka_run_group_tests_name("latency", tests, host_setup, host_teardown);
}
