/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The tables as they are, out of the pinned maps: whole ones for the plan, single entries and sums
 * for the commands. Writes nothing. Not for: their text form (cli).
 */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "core/addr.h"
#include "core/defs.h"
#include "core/vec.h"
#include "plane/actual.h"
#include "plane/keys.h"
#include "plane/mapio.h"
#include "xmesh/latency.h"

/*
 * The entries of @map as an array of structs with the key at 0 and the value at @value_at, sorted
 * by @compare.
 */
static int read_table(const struct plane *plane, enum plane_map map, size_t size, size_t value_at,
		      int (*compare)(const void *, const void *), void *ret_entries, size_t *ret_n,
		      struct err *err)
{
	struct mapio io;
	char *entries;
	size_t i;
	int code;

	code = mapio_read(plane, map, &io, err);
	if (code)
		return code;
	entries = calloc(io.n ? io.n : 1, size);
	if (!entries) {
		mapio_done(&io);
		return err_set(err, -ENOMEM, "out of memory");
	}
	for (i = 0; i < io.n; i++) {
		char *entry = entries + i * size;

		memcpy(entry, io.keys + i * io.key_size, io.key_size);
		memcpy(entry + value_at, io.values + i * io.value_size, io.value_size);
	}
	qsort(entries, io.n, size, compare);

	*(void **)ret_entries = entries;
	*ret_n = io.n;
	mapio_done(&io);
	return 0;
}

static int read_config(const struct plane *plane, struct xm_config *ret_config, struct err *err)
{
	uint32_t zero = 0;

	if (bpf_map_lookup_elem(plane->map_fd[PLANE_xm_config], &zero, ret_config))
		return err_set(err, -errno, "cannot read %s/xm_config: %s", plane->dir,
			       strerror(errno));
	return 0;
}

/* An array has all its elements: those that are all zero are no entries. */
static int read_paths(const struct plane *plane, struct wanted *actual, struct err *err)
{
	const uint32_t some = 4096;
	auto_free struct xm_path *paths = calloc(some, sizeof(*paths));
	auto_free uint32_t *keys = calloc(some, sizeof(*keys));
	int fd = plane->map_fd[PLANE_xm_paths], code = 0;
	uint32_t cursor = 0, count, i;
	bool first = true;

	if (!paths || !keys)
		return err_set(err, -ENOMEM, "out of memory");
	while (!code) {
		count = some;
		code = bpf_map_lookup_batch(fd, first ? NULL : &cursor, &cursor, keys, paths, &count,
					    NULL);
		if (code && code != -ENOENT)
			return err_set(err, code, "cannot read %s/xm_paths: %s", plane->dir,
				       strerror(-code));
		first = false;
		for (i = 0; i < count; i++) {
			static const struct xm_path none;

			if (!memcmp(&paths[i], &none, sizeof(none)))
				continue;
			if (vec_grow(&actual->paths, actual->n_paths, sizeof(*actual->paths)))
				return err_set(err, -ENOMEM, "out of memory");
			memset(&actual->paths[actual->n_paths], 0, sizeof(*actual->paths));
			actual->paths[actual->n_paths].number = keys[i];
			actual->paths[actual->n_paths++].path = paths[i];
		}
	}
	return 0;
}

#define READ(map, type, value, compare, field, n_field)                                            \
	read_table(plane, map, sizeof(struct type), offsetof(struct type, value), compare,         \
		   &actual->field, &actual->n_field, err)

int actual_read(const struct plane *plane, struct wanted **ret_actual, struct err *err)
{
	struct wanted *actual;
	int code;

	actual = calloc(1, sizeof(*actual));
	if (!actual)
		return err_set(err, -ENOMEM, "out of memory");
	code = read_config(plane, &actual->config, err);
	if (!code)
		code = READ(PLANE_xm_routes, wanted_route, route, keys_route, routes, n_routes);
	if (!code)
		code = READ(PLANE_xm_nodes, wanted_node, node, keys_node, nodes, n_nodes);
	if (!code)
		code = READ(PLANE_xm_node_names, wanted_name, name, keys_name, names, n_names);
	if (!code)
		code = READ(PLANE_xm_clusters, wanted_cluster, cluster, keys_cluster, clusters,
			    n_clusters);
	if (!code)
		code = READ(PLANE_xm_pods, wanted_pod, pod, keys_pod, pods, n_pods);
	if (!code)
		code = READ(PLANE_xm_ifaces, wanted_iface, iface, keys_iface, ifaces, n_ifaces);
	if (!code)
		code = read_paths(plane, actual, err);
	if (code) {
		wanted_free(actual);
		return code;
	}

	*ret_actual = actual;
	return 0;
}

/* One element of a per-CPU array: a value for each possible CPU into @values. */
static int read_cpus(const struct plane *plane, enum plane_map map, uint32_t index,
		     void *values, struct err *err)
{
	if (plane->map_fd[map] < 0)
		return err_set(err, -ENOENT, "%s/%s is not pinned", plane->dir,
			       plane_map_names[map]);
	if (bpf_map_lookup_elem(plane->map_fd[map], &index, values))
		return err_set(err, -errno, "cannot read %s/%s[%u]: %s", plane->dir,
			       plane_map_names[map], index, strerror(errno));
	return 0;
}

int actual_counters(const struct plane *plane, struct xm_counter *ret_counters, struct err *err)
{
	auto_free struct xm_counter *cpus = NULL, *sums = NULL;
	int n = libbpf_num_possible_cpus(), i, code;
	uint32_t index;

	if (n < 0)
		return err_set(err, n, "cannot count the CPUs: %s", strerror(-n));
	cpus = calloc((size_t)n, sizeof(*cpus));
	sums = calloc(XM_COUNTERS, sizeof(*sums));
	if (!cpus || !sums)
		return err_set(err, -ENOMEM, "out of memory");
	for (index = 0; index < XM_COUNTERS; index++) {
		code = read_cpus(plane, PLANE_xm_counters, index, cpus, err);
		if (code)
			return code;
		for (i = 0; i < n; i++) {
			sums[index].packets += cpus[i].packets;
			sums[index].bytes += cpus[i].bytes;
		}
	}

	memcpy(ret_counters, sums, XM_COUNTERS * sizeof(*sums));
	return 0;
}

int actual_mtu_lowered(const struct plane *plane, uint64_t *ret_times, struct err *err)
{
	auto_free struct xm_counter *cpus = NULL;
	int n = libbpf_num_possible_cpus(), code;
	uint64_t times = 0;

	if (n < 0)
		return err_set(err, n, "cannot count the CPUs: %s", strerror(-n));
	cpus = calloc((size_t)n, sizeof(*cpus));
	if (!cpus)
		return err_set(err, -ENOMEM, "out of memory");
	for (uint32_t hook = 0; hook < XM_HOOK_COUNT; hook++) {
		code = read_cpus(plane, PLANE_xm_counters, XM_COUNTER_INDEX(hook, XM_MTU_LOWERED), cpus, err);
		if (code)
			return code;
		for (int i = 0; i < n; i++)
			times += cpus[i].packets;
	}

	*ret_times = times;
	return 0;
}

int actual_peer_stat(const struct plane *plane, uint32_t number, struct xm_peer_stat *ret_stat,
		     struct err *err)
{
	auto_free struct xm_peer_stat *cpus = NULL;
	struct xm_peer_stat sum = { 0 };
	int n = libbpf_num_possible_cpus(), i, code;

	if (n < 0)
		return err_set(err, n, "cannot count the CPUs: %s", strerror(-n));
	cpus = calloc((size_t)n, sizeof(*cpus));
	if (!cpus)
		return err_set(err, -ENOMEM, "out of memory");
	if (number >= XM_STAT_NODES)
		number = 0;
	code = read_cpus(plane, PLANE_xm_peer_stats, number, cpus, err);
	if (code)
		return code;
	for (i = 0; i < n; i++) {
		sum.rx_packets += cpus[i].rx_packets;
		sum.rx_bytes += cpus[i].rx_bytes;
		sum.rx_drops += cpus[i].rx_drops;
		sum.tx_packets += cpus[i].tx_packets;
		sum.tx_bytes += cpus[i].tx_bytes;
		sum.tx_drops += cpus[i].tx_drops;
	}

	*ret_stat = sum;
	return 0;
}

int actual_node_state(const struct plane *plane, uint32_t number, struct xm_node_state *ret_state,
		      struct err *err)
{
	struct xm_node_state state;

	if (bpf_map_lookup_elem(plane->map_fd[PLANE_xm_node_state], &number, &state))
		return err_set(err, -errno, "cannot read %s/xm_node_state[%u]: %s", plane->dir,
			       number, strerror(errno));

	*ret_state = state;
	return 0;
}

int actual_route_get(const struct plane *plane, const struct xm_addr *addr,
		     struct wanted_route *ret_route, struct err *err)
{
	unsigned int family = xm_addr_is_v4(addr) ? 0 : 1, i;
	char text[ADDR_TEXT_MAX];
	struct wanted_route found;
	struct xm_config config;
	int code;

	code = read_config(plane, &config, err);
	if (code)
		return code;
	for (i = 0; i < XM_MAX_PLENS && i < config.n_plen[family]; i++) {
		const struct xm_plen *slot = &config.plen[family][i];

		if (!slot->used)
			continue;
		memset(&found, 0, sizeof(found));
		found.prefix.plen = slot->plen;
		found.prefix.addr.d[0] = addr->d[0] & slot->mask[0];
		found.prefix.addr.d[1] = addr->d[1] & slot->mask[1];
		if (!bpf_map_lookup_elem(plane->map_fd[PLANE_xm_routes], &found.prefix,
					 &found.route)) {
			*ret_route = found;
			return 0;
		}
		if (errno != ENOENT)
			return err_set(err, -errno, "cannot read %s/xm_routes: %s", plane->dir,
				       strerror(errno));
	}
	return err_set(err, -ENOENT, "%s is in no prefix of the mesh", addr_format(addr, text));
}

/* For values that come once per CPU, which nobody wants to read only to count them. */
static uint32_t count_keys(int fd)
{
	struct xm_latency_key key;
	uint32_t n = 0;

	while (!bpf_map_get_next_key(fd, n ? &key : NULL, &key))
		n++;
	return n;
}

int actual_map_info(const struct plane *plane, enum plane_map map, struct map_info *ret_info,
		    struct err *err)
{
	struct bpf_map_info kernel = { 0 };
	__u32 len = sizeof(kernel);
	struct map_info info = { 0 };
	struct mapio io;
	int code;

	if (plane->map_fd[map] < 0)
		return err_set(err, -ENOENT, "%s/%s is not pinned", plane->dir,
			       plane_map_names[map]);
	if (bpf_obj_get_info_by_fd(plane->map_fd[map], &kernel, &len))
		return err_set(err, -errno, "%s/%s: %s", plane->dir, plane_map_names[map],
			       strerror(errno));
	info.name = plane_map_names[map];
	info.text = plane_map_texts[map];
	info.id = kernel.id;
	info.type = kernel.type;
	info.key_size = kernel.key_size;
	info.value_size = kernel.value_size;
	info.max_entries = kernel.max_entries;
	info.type_name = libbpf_bpf_map_type_str(kernel.type);
	if (!info.type_name)
		info.type_name = "unknown";
	if (kernel.type == BPF_MAP_TYPE_HASH || kernel.type == BPF_MAP_TYPE_LRU_HASH) {
		code = mapio_read(plane, map, &io, err);
		if (code)
			return code;
		info.entries = io.n;
		mapio_done(&io);
	} else if (kernel.type == BPF_MAP_TYPE_PERCPU_HASH) {
		info.entries = count_keys(plane->map_fd[map]);
	} else if (kernel.type != BPF_MAP_TYPE_RINGBUF) {
		info.entries = kernel.max_entries;
	}

	*ret_info = info;
	return 0;
}
