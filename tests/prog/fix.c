/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Namespace, interfaces, loads and maps of the program tests. */
#include "fix.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/defs.h"
#include "tunnelkey.h"
#include "xmesh.skel.h"
#include "xmesh/wire.h"

struct loaded {
	struct xmesh_bpf *skel;
	struct ring_buffer *ring;
	struct events events;
	struct tunnelkey key; /* its program sets a tunnel key, then calls xm_from_dev */
};

static struct loaded loads[LOAD_COUNT];
static uint32_t ifindexes[IF_COUNT];
static const char *const if_names[IF_COUNT] = {
	[IF_UL] = "ul0",    [IF_A] = "pa",    [IF_B] = "pb",	   [IF_STACK] = "ps",
	[IF_NOADDR] = "pn", [IF_GONE] = "pg", [IF_DEV] = "xmesh0",
};

static void need(bool ok, const char *format, ...)
{
	va_list ap;

	if (ok)
		return;
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fprintf(stderr, ": %s\n", strerror(errno));
	exit(1);
}

struct xm_addr fix_addr(const char *text)
{
	struct xm_addr a = { 0 };
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1)
		return xm_addr_v4(v4.s_addr);
	need(inet_pton(AF_INET6, text, &a) == 1, "fix: %s is no address", text);
	return a;
}

static void sh(const char *format, ...)
{
	char cmd[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(cmd, sizeof(cmd), format, ap);
	va_end(ap);
	need(system(cmd) == 0, "fix: %s", cmd);
}

static void make_interfaces(void)
{
	sh("ip link set lo up");
	for (enum port i = IF_UL; i < IF_COUNT; i++) {
		if (i == IF_DEV)
			sh("ip link add xmesh0 address " MAC_HOST " type vxlan external dstport %d",
			   PORT);
		else
			sh("ip link add %s address " MAC_HOST " type veth peer name %s-peer",
			   if_names[i], if_names[i]);
		sh("ip link set %s up", if_names[i]);
		ifindexes[i] = if_nametoindex(if_names[i]);
	}
	sh("ip link del %s", if_names[IF_GONE]);
}

static void put(int map, const void *key, const void *value)
{
	need(bpf_map_update_elem(map, key, value, BPF_ANY) == 0, "fix: map update");
}

static const struct {
	enum node number;
	uint16_t cluster;
	const char *addr4, *addr6; /* the tunnel's endpoint is the one of the outer family */
	const char *prefix4, *prefix6;
	enum xm_mode mode;
	uint8_t flags;
	uint16_t mtu;
} nodes[] = {
	{ NODE_SELF, 1, "192.0.2.1", "2001:db8::1", "10.1.0.0", "fd00:1::", XM_MODE_TUNNEL,
	  XM_ROUTE_LOCAL, 1500 },
	{ NODE_EAST2, 1, "192.0.2.2", "2001:db8::2", "10.1.1.0", "fd00:1:0:1::", XM_MODE_TUNNEL,
	  XM_ROUTE_ONLINK, 1450 },
	{ NODE_WEST, 2, "192.0.2.3", "2001:db8::3", "10.2.0.0", "fd00:2::", XM_MODE_TUNNEL,
	  XM_ROUTE_ONLINK, 1450 },
	{ NODE_WEST6, 2, NULL, "2001:db8::4", "10.2.1.0", "fd00:2:0:1::", XM_MODE_TUNNEL,
	  XM_ROUTE_ONLINK, 1430 },
	{ NODE_NORTH, 3, "192.0.2.5", "2001:db8::5", "10.3.0.0", "fd00:3::", XM_MODE_NATIVE,
	  XM_ROUTE_ONLINK, 1500 },
	{ NODE_NORTH_FIB, 3, "192.0.2.6", "2001:db8::6", "10.3.1.0", "fd00:3:0:1::", XM_MODE_NATIVE,
	  0, 1500 },
	{ NODE_EAST3, 1, "192.0.2.7", "2001:db8::7", "10.1.2.0", "fd00:1:0:2::", XM_MODE_TUNNEL,
	  XM_ROUTE_STACK, 1450 },
	{ NODE_CILIUM, 4, "192.0.2.8", "2001:db8::8", "10.4.0.0", "fd00:4::", XM_MODE_TUNNEL,
	  XM_ROUTE_ONLINK | XM_IDENTITY16, 1450 },
	{ NODE_CILIUM15, 300, "192.0.2.9", "2001:db8::9", "10.9.0.0", "fd00:9::", XM_MODE_TUNNEL,
	  XM_ROUTE_ONLINK | XM_IDENTITY15, 1450 },
};

static void fill_node(struct xmesh_bpf *skel, size_t i)
{
	const char *texts[2] = { nodes[i].addr4, nodes[i].addr6 };
	const char *prefixes[2] = { nodes[i].prefix4, nodes[i].prefix6 };
	struct xm_addr first = fix_addr(texts[0] ? texts[0] : texts[1]);

	for (int family = 0; family < 2; family++) {
		struct xm_prefix prefix = { .plen = family ? 64 : 120,
					    .addr = fix_addr(prefixes[family]) };
		struct xm_route route = {
			.node = nodes[i].number,
			.cluster = nodes[i].cluster,
			.mode = nodes[i].mode,
			.flags = nodes[i].flags,
			.outer = first,
			.ifindex = nodes[i].number == NODE_SELF ? 0 : ifindexes[IF_UL],
			.mtu = nodes[i].mtu,
		};

		xm_vtep_mac(&first, route.vtep_mac);
		if (nodes[i].mode == XM_MODE_NATIVE)
			route.outer = fix_addr(texts[family]);
		put(bpf_map__fd(skel->maps.xm_routes), &prefix, &route);
		if (texts[family]) {
			struct xm_addr addr = fix_addr(texts[family]);
			struct xm_node node = { .number = nodes[i].number,
						.cluster = nodes[i].cluster,
						.flags = XM_NODE_TUNNEL };

			node.flags |= nodes[i].flags & (XM_IDENTITY16 | XM_IDENTITY15);
			/* Pods reach nodes of peers through the tunnel, not those of native ones.
			 */
			if (nodes[i].cluster != 1 && nodes[i].mode == XM_MODE_TUNNEL)
				node.path = route;
			put(bpf_map__fd(skel->maps.xm_nodes), &addr, &node);
		}
	}
}

static void fill_pod(struct xmesh_bpf *skel, enum port iface, const char *addr4, const char *addr6,
		     const char *mac, uint32_t flags)
{
	struct xm_pod pod = { .ifindex = ifindexes[iface], .flags = flags, .mtu = 1500 };
	struct xm_iface entry = { .n_addrs = 2 };
	struct xm_addr a4 = fix_addr(addr4), a6 = fix_addr(addr6);

	pkt_mac(mac, pod.pod_mac);
	pkt_mac(MAC_HOST, pod.host_mac);
	put(bpf_map__fd(skel->maps.xm_pods), &a4, &pod);
	put(bpf_map__fd(skel->maps.xm_pods), &a6, &pod);
	put(bpf_map__fd(skel->maps.xm_ifaces), &pod.ifindex, &entry);
}

void fix_epoch(enum load load)
{
	int map = bpf_map__fd(loads[load].skel->maps.xm_epoch);
	uint32_t zero = 0, epoch;

	need(bpf_map_lookup_elem(map, &zero, &epoch) == 0, "fix: xm_epoch");
	epoch++;
	put(map, &zero, &epoch);
}

void fix_config(enum load load, void (*change)(struct xm_config *config))
{
	int map = bpf_map__fd(loads[load].skel->maps.xm_config);
	struct xm_config config;
	uint32_t zero = 0;

	need(bpf_map_lookup_elem(map, &zero, &config) == 0, "fix: xm_config");
	change(&config);
	put(map, &zero, &config);
	fix_epoch(load);
}

void fix_config_default(enum load load)
{
	struct xm_config config = {
		.magic = XM_ABI_MAGIC,
		.abi = XM_ABI,
		.flags = XM_CFG_SOURCE_CHECK | XM_CFG_CARRY_LOCAL,
		.cluster = 1,
		.port = htons(PORT),
		.vni = VNI,
		.node = NODE_SELF,
		.addr4 = fix_addr("192.0.2.1"),
		.addr6 = fix_addr("2001:db8::1"),
		.n_plen = { 1, 1 },
	};
	struct xm_plen v4 = { .mask = { ~0ull, htobe64(~0xffull) }, .plen = 120, .used = 1 };
	struct xm_plen v6 = { .mask = { ~0ull, 0 }, .plen = 64, .used = 1 };
	uint32_t zero = 0;

	xm_vtep_mac(&config.addr4, config.vtep_mac);
	config.plen[0][0] = v4;
	config.plen[1][0] = v6;
	put(bpf_map__fd(loads[load].skel->maps.xm_config), &zero, &config);
	fix_epoch(load);
}

static int on_event(void *ctx, void *data, size_t size)
{
	struct events *events = ctx;

	need(size == sizeof(struct xm_event), "fix: an event of %zu bytes", size);
	if (events->n < EVENTS_MAX)
		memcpy(&events->at[events->n], data, size);
	events->n++;
	return 0;
}

static void set_knobs(struct xm_knobs *knobs, enum load load)
{
	knobs->has_decap_l3 = load != LOAD_NO_DECAP_L3;
	knobs->has_encap_eth = load != LOAD_NO_ENCAP_ETH;
	knobs->has_check_mtu = load != LOAD_NO_CHECK_MTU;
	knobs->has_coarse_clock = load != LOAD_NO_CHECK_MTU;
	knobs->skip_adjust = load == LOAD_BENCH || load == LOAD_BENCH_BARE;
	knobs->no_latency = load == LOAD_BENCH_BARE;
	knobs->dry_run = load == LOAD_DRY;
}

static void load_one(enum load load)
{
	struct loaded *l = &loads[load];

	l->skel = xmesh_bpf__open();
	need(l->skel, "fix: open the object");
	set_knobs((struct xm_knobs *)&l->skel->rodata->xm_knobs, load);
	/* Loaded several times: 64 MB each would be a lot for a few slices. */
	bpf_map__set_max_entries(l->skel->maps.xm_maglev, 65536);
	need(xmesh_bpf__load(l->skel) == 0, "fix: load the object, knobs %d", load);
	l->ring =
		ring_buffer__new(bpf_map__fd(l->skel->maps.xm_events), on_event, &l->events, NULL);
	need(l->ring, "fix: ring buffer");
	need(tunnelkey_load(bpf_program__fd(l->skel->progs.xm_from_dev), &l->key) == 0,
	     "fix: load the tunnel key program");
	fix_config_default(load);
	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++)
		fill_node(l->skel, i);
	fill_pod(l->skel, IF_A, "10.1.0.2", "fd00:1::2", MAC_POD_A, 0);
	fill_pod(l->skel, IF_B, "10.1.0.3", "fd00:1::3", MAC_POD_B, 0);
	fill_pod(l->skel, IF_STACK, "10.1.0.4", "fd00:1::4", "02:00:00:00:00:a4", XM_POD_STACK);
	fill_pod(l->skel, IF_GONE, "10.1.0.5", "fd00:1::5", "02:00:00:00:00:a5", 0);
	put(bpf_map__fd(l->skel->maps.xm_ifaces), &ifindexes[IF_NOADDR],
	    &(struct xm_iface){ .n_addrs = 0 });
	fix_services_default(load);
}

int fix_start(unsigned int wanted)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0) {
		fprintf(stderr, "the program tests need root (CAP_BPF, CAP_NET_ADMIN)\n");
		return 1;
	}
	make_interfaces();
	for (enum load load = 0; load < LOAD_COUNT; load++)
		if (wanted & 1u << load)
			load_one(load);
	return 0;
}

void fix_stop(void)
{
	for (enum load load = 0; load < LOAD_COUNT; load++) {
		if (!loads[load].skel)
			continue;
		ring_buffer__free(loads[load].ring);
		xmesh_bpf__destroy(loads[load].skel);
		tunnelkey_close(&loads[load].key);
	}
}

uint32_t fix_ifindex(enum port iface)
{
	return ifindexes[iface];
}

int fix_map(enum load load, const char *name)
{
	return bpf_object__find_map_fd_by_name(loads[load].skel->obj, name);
}

int fix_prog(enum load load, enum prog prog)
{
	struct xmesh_bpf *skel = loads[load].skel;

	switch (prog) {
	case FROM_POD:
		return bpf_program__fd(skel->progs.xm_from_pod);
	case FROM_NET:
		return bpf_program__fd(skel->progs.xm_from_net);
	case FROM_DEV:
		return bpf_program__fd(skel->progs.xm_from_dev);
	case XDP:
		return bpf_program__fd(skel->progs.xm_xdp);
	case TO_POD:
		return bpf_program__fd(skel->progs.xm_to_pod);
	case EXPLAIN_SOCKET:
		return bpf_program__fd(skel->progs.xm_explain_socket);
	}
	return -1;
}

void fix_run(const struct run *run, const struct pkt *in, struct outcome *ret_outcome)
{
	int prog = fix_prog(run->load, run->prog);
	struct __sk_buff ctx = {
		.ifindex = ifindexes[run->in_if],
		.ingress_ifindex = ifindexes[run->in_if],
		.gso_size = run->gso_size,
		.gso_segs = run->gso_segs,
	};
	DECLARE_LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in->b, .data_size_in = in->len,
			    .data_out = ret_outcome->out.b, .data_size_out = PKT_MAX, .repeat = 1);

	if (run->prog != XDP) {
		opts.ctx_in = &ctx;
		opts.ctx_size_in = sizeof(ctx);
		opts.ctx_out = &ret_outcome->ctx;
		opts.ctx_size_out = sizeof(ret_outcome->ctx);
	}
	if (run->key.src) {
		tunnelkey_set(&loads[run->load].key, run->key.src, run->key.vni);
		prog = loads[run->load].key.prog;
	}
	ret_outcome->err = bpf_prog_test_run_opts(prog, &opts) ? -errno : 0;
	ret_outcome->verdict = (int)opts.retval;
	ret_outcome->out.len = opts.data_size_out;
}

void fix_counters(enum load load, struct counters *ret_counters)
{
	int map = bpf_map__fd(loads[load].skel->maps.xm_counters);
	int cpus = libbpf_num_possible_cpus();
	struct xm_counter per_cpu[256];

	need(cpus > 0 && cpus <= 256, "fix: %d CPUs", cpus);
	memset(ret_counters, 0, sizeof(*ret_counters));
	for (uint32_t hook = 0; hook < XM_HOOK_COUNT; hook++) {
		for (uint32_t reason = 0; reason < XM_REASON_COUNT; reason++) {
			uint32_t key = XM_COUNTER_INDEX(hook, reason);
			struct xm_counter *sum = &ret_counters->at[hook][reason];

			need(bpf_map_lookup_elem(map, &key, per_cpu) == 0, "fix: xm_counters");
			for (int cpu = 0; cpu < cpus; cpu++) {
				sum->packets += per_cpu[cpu].packets;
				sum->bytes += per_cpu[cpu].bytes;
			}
		}
	}
}

void fix_peer(enum load load, uint32_t node, struct xm_peer_stat *ret_stat)
{
	int map = bpf_map__fd(loads[load].skel->maps.xm_peer_stats);
	int cpus = libbpf_num_possible_cpus();
	struct xm_peer_stat per_cpu[256];

	memset(ret_stat, 0, sizeof(*ret_stat));
	need(cpus > 0 && cpus <= 256, "fix: %d CPUs", cpus);
	need(bpf_map_lookup_elem(map, &node, per_cpu) == 0, "fix: xm_peer_stats");
	for (int cpu = 0; cpu < cpus; cpu++) {
		ret_stat->rx_packets += per_cpu[cpu].rx_packets;
		ret_stat->rx_bytes += per_cpu[cpu].rx_bytes;
		ret_stat->rx_drops += per_cpu[cpu].rx_drops;
		ret_stat->tx_packets += per_cpu[cpu].tx_packets;
		ret_stat->tx_bytes += per_cpu[cpu].tx_bytes;
		ret_stat->tx_drops += per_cpu[cpu].tx_drops;
	}
}

static void set_event_rate(enum load load, uint64_t window_ns, uint64_t count)
{
	struct xm_event_rate rates[256];
	uint32_t zero = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rates); i++)
		rates[i] = (struct xm_event_rate){ window_ns, count };
	put(bpf_map__fd(loads[load].skel->maps.xm_event_rate), &zero, rates);
}

void fix_events(enum load load, struct events *ret_events)
{
	loads[load].events.n = 0;
	need(ring_buffer__consume(loads[load].ring) >= 0, "fix: read events");
	*ret_events = loads[load].events;
	set_event_rate(load, 0, 0);
}

void fix_spend_events(enum load load)
{
	set_event_rate(load, fix_now_ns(), XM_EVENTS_PER_SECOND);
}

void fix_node_state(enum load load, uint32_t node, struct xm_node_state *ret_state)
{
	need(bpf_map_lookup_elem(bpf_map__fd(loads[load].skel->maps.xm_node_state), &node,
				 ret_state) == 0,
	     "fix: xm_node_state");
}

void fix_set_node_state(enum load load, uint32_t node, const struct xm_node_state *state)
{
	put(bpf_map__fd(loads[load].skel->maps.xm_node_state), &node, state);
}

uint64_t fix_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}
