/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * xm_latency, xm_program_time, xm_probe_rtt read and summed; xm_syn swept. Not for: percentiles
 * (model/latency.h).
 */
#include "plane/latency.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "core/defs.h"
#include "plane/mapio.h"

/* Room for the values of all CPUs in one batch; with hundreds of CPUs the whole table has gigabytes. */
#define BATCH_BYTES (1u << 20)
#define BATCH_MIN 16
#define WORDS(type) (sizeof(type) / sizeof(uint64_t))

#define SYN_WORDS WORDS(struct xm_syn)
#define SYN_STATE_WORD 2

_Static_assert(sizeof(struct xm_syn) == SYN_WORDS * sizeof(uint64_t) && sizeof(struct xm_latency) % 8 == 0 &&
		       sizeof(struct xm_hist) % 8 == 0,
	       "each value is a row of 64-bit words, in the kernel too");
_Static_assert(offsetof(struct xm_syn, state) / sizeof(uint64_t) == SYN_STATE_WORD, "the word that is exchanged");

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

static int failed(const struct plane *plane, enum plane_map map, const char *what, int code, struct err *err)
{
	return err_set(err, code, "cannot %s %s/%s: %s", what, plane->dir, plane_map_names[map], strerror(-code));
}

static int by_key(const void *a, const void *b)
{
	const struct xm_latency_key *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->cluster != y->cluster)
		return x->cluster < y->cluster ? -1 : 1;
	return (x->service > y->service) - (x->service < y->service);
}

/* ---- reading ---------------------------------------------------------------------------------- */

/* @values: of @cpus CPUs, back to back, of @words words. */
static void sum(uint64_t *to, const uint64_t *values, size_t cpus, size_t words)
{
	memcpy(to, values, words * sizeof(*to));
	for (size_t cpu = 1; cpu < cpus; cpu++)
		for (size_t i = 0; i < words; i++)
			to[i] += values[cpu * words + i];
}

struct entries {
	struct latency_entry *v;
	size_t n, capacity;
};

static int make_room(struct entries *entries, size_t n)
{
	size_t capacity = MAX(entries->n + n, 2 * entries->capacity);
	struct latency_entry *v;

	if (entries->n + n <= entries->capacity)
		return 0;
	v = realloc(entries->v, capacity * sizeof(*v));
	if (!v)
		return -ENOMEM;
	entries->v = v;
	entries->capacity = capacity;
	return 0;
}

struct batch {
	struct xm_latency_key *keys;
	uint64_t *values;
	size_t capacity, cpus;
};

static int batch_grow(struct batch *batch, size_t capacity)
{
	struct xm_latency_key *keys = realloc(batch->keys, capacity * sizeof(*keys));
	uint64_t *values = NULL;

	if (keys) {
		batch->keys = keys;
		values = realloc(batch->values, capacity * batch->cpus * sizeof(struct xm_latency));
	}
	if (!values)
		return -ENOMEM;
	batch->values = values;
	batch->capacity = capacity;
	return 0;
}

static int read_batches(int fd, struct batch *batch, struct entries *entries)
{
	uint32_t cursor = 0, next = 0, count;
	bool first = true;
	int code, room;

	for (;;) {
		count = (uint32_t)batch->capacity;
		code = bpf_map_lookup_batch(fd, first ? NULL : &cursor, &next, batch->keys, batch->values, &count,
					    NULL);
		/* -ENOSPC: a bucket of the hash does not fit into the batch. */
		if (code && code != -ENOENT && code != -ENOSPC)
			return code;
		room = make_room(entries, count);
		if (room)
			return room;
		for (uint32_t i = 0; i < count; i++) {
			struct latency_entry *e = &entries->v[entries->n++];

			e->key = batch->keys[i];
			e->swept = false;
			sum((uint64_t *)&e->value, batch->values + i * batch->cpus * WORDS(struct xm_latency),
			    batch->cpus, WORDS(struct xm_latency));
		}
		if (code == -ENOENT)
			return 0;
		if (code == -ENOSPC) {
			room = batch_grow(batch, 2 * batch->capacity);
			if (room)
				return room;
		}
		cursor = next;
		first = false;
	}
}

/* @cpus > 0 */
static int read_table(const struct plane *plane, size_t cpus, struct entries *entries, struct err *err)
{
	struct batch batch = { .cpus = cpus };
	int fd = plane->map_fd[PLANE_xm_latency], code;

	if (fd < 0)
		return 0;
	code = batch_grow(&batch, MAX(BATCH_MIN, BATCH_BYTES / (cpus * sizeof(struct xm_latency))));
	if (!code)
		code = read_batches(fd, &batch, entries);
	free(batch.keys);
	free(batch.values);
	if (code == -ENOMEM)
		return no_memory(err);
	return code ? failed(plane, PLANE_xm_latency, "read", code, err) : 0;
}

/* Those of the sweep, into entries that are sorted, or behind them. */
static int add_timeouts(const struct plane *plane, struct entries *entries, struct err *err)
{
	size_t n = entries->n;
	struct mapio io;
	int code;

	code = mapio_read(plane, PLANE_xm_syn_timeouts, &io, err);
	if (code)
		return code;
	if (make_room(entries, io.n)) {
		mapio_done(&io);
		return no_memory(err);
	}
	for (size_t i = 0; i < io.n; i++) {
		const struct xm_latency_key *key = (const void *)(io.keys + i * io.key_size);
		uint64_t timeouts = *(const uint64_t *)(io.values + i * io.value_size);
		struct latency_entry *e = n ? bsearch(key, entries->v, n, sizeof(*e), by_key) : NULL;

		if (!e) {
			e = &entries->v[entries->n++];
			*e = (struct latency_entry){ .key = *key, .swept = true };
		}
		e->value.timeouts += timeouts;
		e->value.syns += timeouts;
	}
	mapio_done(&io);
	return 0;
}

int latency_read(const struct plane *plane, struct latency_entry **ret_entries, size_t *ret_n, struct err *err)
{
	int cpus = libbpf_num_possible_cpus(), code;
	struct entries entries = { 0 };
	size_t n;

	if (cpus < 1)
		return err_set(err, cpus, "the number of CPUs cannot be told: %s", strerror(-cpus));
	code = make_room(&entries, 1);
	if (code)
		return no_memory(err);
	code = read_table(plane, (size_t)cpus, &entries, err);
	if (!code) {
		qsort(entries.v, entries.n, sizeof(*entries.v), by_key);
		n = entries.n;
		code = add_timeouts(plane, &entries, err);
		if (entries.n != n)
			qsort(entries.v, entries.n, sizeof(*entries.v), by_key);
	}
	if (code) {
		free(entries.v);
		return code;
	}

	*ret_entries = entries.v;
	*ret_n = entries.n;
	return 0;
}

static int by_node(const void *a, const void *b)
{
	uint32_t x = ((const struct latency_probe *)a)->node, y = ((const struct latency_probe *)b)->node;

	return (x > y) - (x < y);
}

int latency_read_probes(const struct plane *plane, struct latency_probe **ret_probes, size_t *ret_n,
			struct err *err)
{
	struct latency_probe *probes;
	struct mapio io;
	size_t n;
	int code;

	code = mapio_read(plane, PLANE_xm_probe_rtt, &io, err);
	if (code)
		return code;
	n = io.n;
	probes = calloc(n + 1, sizeof(*probes));
	for (size_t i = 0; probes && i < n; i++) {
		probes[i].node = ((const uint32_t *)io.keys)[i];
		probes[i].stat = ((const struct xm_probe_stat *)io.values)[i];
	}
	mapio_done(&io);
	if (!probes)
		return no_memory(err);
	qsort(probes, n, sizeof(*probes), by_node);

	*ret_probes = probes;
	*ret_n = n;
	return 0;
}

int latency_read_programs(const struct plane *plane, struct xm_hist *ret_hists, struct err *err)
{
	int cpus = libbpf_num_possible_cpus(), fd = plane->map_fd[PLANE_xm_program_time];
	auto_free uint64_t *values = calloc(cpus > 0 ? (size_t)cpus : 1, sizeof(struct xm_hist));
	struct xm_hist hists[XM_HOOK_COUNT] = { 0 };

	if (cpus < 1 || !values)
		return no_memory(err);
	for (uint32_t hook = 0; fd >= 0 && hook < XM_HOOK_COUNT; hook++) {
		int code = bpf_map_lookup_elem(fd, &hook, values);

		if (code)
			return failed(plane, PLANE_xm_program_time, "read", code, err);
		sum((uint64_t *)&hists[hook], values, (size_t)cpus, WORDS(struct xm_hist));
	}

	memcpy(ret_hists, hists, sizeof(hists));
	return 0;
}

/* ---- what the agent writes ---------------------------------------------------------------------- */

int latency_write_probe(const struct plane *plane, uint32_t node, const struct xm_probe_stat *stat,
			struct err *err)
{
	int fd = plane->map_fd[PLANE_xm_probe_rtt];
	int code = stat ? bpf_map_update_elem(fd, &node, stat, BPF_ANY) : bpf_map_delete_elem(fd, &node);

	if (code == -ENOENT && !stat)
		return 0;
	return code ? failed(plane, PLANE_xm_probe_rtt, "write", code, err) : 0;
}

/*
 * Too old, and counted by us alone. A program may give the slot to a new SYN of the same cluster between
 * our look and our exchange; that SYN loses its time, as any does whose slot is taken. What timed out
 * keeps its slot until another wants it: the next repetition, and a late answer, belong to it.
 */
static bool take_syn(uint64_t *slot, uint64_t now_ns, struct xm_latency_key *ret_key)
{
	uint64_t words[SYN_WORDS], taken[SYN_WORDS];
	struct xm_syn syn;

	words[SYN_STATE_WORD] = __atomic_load_n(&slot[SYN_STATE_WORD], __ATOMIC_ACQUIRE);
	for (size_t i = 0; i < SYN_STATE_WORD; i++)
		words[i] = __atomic_load_n(&slot[i], __ATOMIC_RELAXED);
	memcpy(&syn, words, sizeof(syn));
	if (syn.state != XM_SYN_SENT && syn.state != XM_SYN_RETRIED)
		return false;
	/* The SYN may be younger than the caller's look at the clock. */
	if (now_ns < syn.sent_ns || now_ns - syn.sent_ns < XM_SYN_TIMEOUT_S * 1000000000ull)
		return false;
	*ret_key = (struct xm_latency_key){ .service = syn.service, .cluster = syn.cluster,
					    .kind = XM_LATENCY_HANDSHAKE };
	syn.state = XM_SYN_TIMED_OUT;
	memcpy(taken, &syn, sizeof(syn));
	return __atomic_compare_exchange_n(&slot[SYN_STATE_WORD], &words[SYN_STATE_WORD], taken[SYN_STATE_WORD],
					   false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

/* Only the agent writes here: read, add, write back loses nothing. */
static int count_timeouts(const struct plane *plane, struct xm_latency_key key, uint64_t n, struct err *err)
{
	int fd = plane->map_fd[PLANE_xm_syn_timeouts], code;
	uint64_t sum_of = 0;

	for (;;) {
		sum_of = 0;
		bpf_map_lookup_elem(fd, &key, &sum_of);
		sum_of += n;
		code = bpf_map_update_elem(fd, &key, &sum_of, BPF_ANY);
		if (code != -E2BIG || !key.service)
			break;
		/* Full: as xm_latency does it. */
		key.service = 0;
	}
	return code ? failed(plane, PLANE_xm_syn_timeouts, "write", code, err) : 0;
}

int latency_sweep_syns(const struct plane *plane, uint64_t now_ns, size_t *ret_timeouts, struct err *err)
{
	const size_t size = XM_SYN_SLOTS * sizeof(struct xm_syn);
	auto_free struct xm_latency_key *keys = malloc(XM_SYN_SLOTS * sizeof(*keys));
	int fd = plane->map_fd[PLANE_xm_syn], code = 0;
	uint64_t *slots;
	size_t n = 0;

	if (!keys)
		return no_memory(err);
	slots = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (slots == MAP_FAILED)
		return failed(plane, PLANE_xm_syn, "map", -errno, err);
	for (size_t i = 0; i < XM_SYN_SLOTS; i++)
		n += take_syn(slots + i * SYN_WORDS, now_ns, &keys[n]);
	munmap(slots, size);
	qsort(keys, n, sizeof(*keys), by_key);
	for (size_t i = 0, k; i < n && !code; i = k) {
		for (k = i + 1; k < n && !by_key(&keys[i], &keys[k]); k++)
			;
		code = count_timeouts(plane, keys[i], k - i, err);
	}
	if (code)
		return code;

	*ret_timeouts = n;
	return 0;
}

static int forget_in(const struct plane *plane, enum plane_map map,
		     bool (*keep)(void *user, const struct xm_latency_key *key), void *user, size_t *ret_kept,
		     struct err *err)
{
	int fd = plane->map_fd[map], code = 0;
	size_t kept = 0;
	struct xm_latency_key key, next;
	bool first = true, gone = false;

	/* One is deleted when its follower is known: from a key that is not there the walk would start anew. */
	while (fd >= 0 && !bpf_map_get_next_key(fd, first ? NULL : &key, &next)) {
		if (gone)
			code = bpf_map_delete_elem(fd, &key);
		if (code)
			return failed(plane, map, "delete in", code, err);
		key = next;
		gone = !keep(user, &key);
		kept += !gone;
		first = false;
	}
	if (gone)
		code = bpf_map_delete_elem(fd, &key);
	if (code)
		return failed(plane, map, "delete in", code, err);

	*ret_kept = kept;
	return 0;
}

int latency_forget(const struct plane *plane, bool (*keep)(void *user, const struct xm_latency_key *key),
		   void *user, size_t *ret_kept, struct err *err)
{
	size_t kept = 0, timeouts;
	int code = forget_in(plane, PLANE_xm_latency, keep, user, &kept, err);

	if (!code)
		code = forget_in(plane, PLANE_xm_syn_timeouts, keep, user, &timeouts, err);
	if (code)
		return code;

	*ret_kept = kept;
	return 0;
}
