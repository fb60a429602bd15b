/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The maps and the load-time settings. Layouts of keys and values: xmesh/maps.h. The agent pins all
 * of them; none is ever written by two sides.
 */
#ifndef BPF_LIB_MAPS_H
#define BPF_LIB_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "xmesh/flow.h"
#include "xmesh/latency.h"
#include "xmesh/maps.h"
#include "xmesh/probe.h"
#include "xmesh/service.h"

/* Set by the agent from what the kernel can do; branches that it rules out are gone after load. */
const volatile struct xm_knobs xm_knobs = {
	.has_decap_l3 = 1,
	.has_encap_eth = 1,
	.has_check_mtu = 1,
	.has_coarse_clock = 1,
	.has_set_retval = 1,
	.has_netns_cookie = 1,
};

/* A key that takes no room on the stack, which old kernels reckon for code that is gone too. */
static const __u32 key_zero;

/* 0 -> settings. Agent writes, all programs read. Not of our magic: pass everything. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct xm_config);
} xm_config SEC(".maps");

/*
 * Address -> node. Agent writes; receivers ask who sent a tunnel packet. A miss: a stranger,
 * dropped.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, XM_MAX_NODE_ADDRS);
	__type(key, struct xm_addr);
	__type(value, struct xm_node);
} xm_nodes SEC(".maps");

/* Node number -> path MTU. Written by xm_from_net on too-big messages, read on the way out. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, XM_MAX_NODES);
	__type(key, __u32);
	__type(value, struct xm_node_state);
} xm_node_state SEC(".maps");

/*
 * Prefix -> next hop. Agent writes; senders ask where to, receivers ask whose source that is. A
 * hash probed once per prefix length in use (xm_config.plen), for an LPM trie is slower from 1 000
 * prefixes on (ARCHITECTURE.md has the figures). A miss: not mesh traffic.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, XM_MAX_ROUTES);
	__type(key, struct xm_prefix);
	__type(value, struct xm_route);
} xm_routes SEC(".maps");

/* Address -> pod of this node. Agent and `endpoint add` write. A miss: the stack knows better. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, XM_MAX_PODS);
	__type(key, struct xm_addr);
	__type(value, struct xm_pod);
} xm_pods SEC(".maps");

/* What lookups in xm_routes and xm_pods gave last, see xmesh/maps.h. A miss: ask the map itself. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, XM_MEMO_SLOTS);
	__type(key, __u32);
	__type(value, struct xm_route_memo);
} xm_route_memo SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, XM_MEMO_SLOTS);
	__type(key, __u32);
	__type(value, struct xm_pod_memo);
} xm_pod_memo SEC(".maps");

/* 0 -> number of times that routes or pods changed. User space writes, programs read. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} xm_epoch SEC(".maps");

/* ifindex -> pod interface. Agent writes; asked only when a source is no known pod. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, XM_MAX_IFACES);
	__type(key, __u32);
	__type(value, struct xm_iface);
} xm_ifaces SEC(".maps");

/*
 * XM_COUNTER_INDEX(hook, reason) -> packets, bytes. Programs write, CLI and metrics sum over CPUs.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, XM_COUNTERS);
	__type(key, __u32);
	__type(value, struct xm_counter);
} xm_counters SEC(".maps");

/* Node number -> traffic. Programs write. Numbers from XM_STAT_NODES on share entry 0, "other". */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, XM_STAT_NODES);
	__type(key, __u32);
	__type(value, struct xm_peer_stat);
} xm_peer_stats SEC(".maps");

/* Node number -> name; cluster id -> name. Agent writes and reads, for people and for a restart. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, XM_MAX_NODES);
	__type(key, __u32);
	__type(value, struct xm_node_name);
} xm_node_names SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, XM_MAX_CLUSTERS);
	__type(key, __u16);
	__type(value, struct xm_cluster);
} xm_clusters SEC(".maps");

/* struct xm_event, newest kept out when full (counted). Programs write, `xmesh monitor` reads. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, XM_EVENTS_SIZE);
} xm_events SEC(".maps");

/* enum xm_rate -> this CPU's budget of the running second. Programs write. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, XM_RATE_COUNT);
	__type(key, __u32);
	__type(value, struct xm_event_rate);
} xm_event_rate SEC(".maps");

/* Node number -> tunnel to it. Agent writes; VIP traffic and its returns read. A miss: no way. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, XM_MAX_NODES);
	__type(key, __u32);
	__type(value, struct xm_path);
} xm_paths SEC(".maps");

/*
 * Frontend -> slice of xm_maglev. Agent writes, after the slice; sockets and all hooks that may see
 * a VIP read. A miss: no frontend of ours.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, XM_MAX_FRONTENDS);
	__type(key, struct xm_service_key);
	__type(value, struct xm_service);
} xm_services SEC(".maps");

/* Slices of backend numbers. Agent writes by mmap, only where no service points to. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, XM_MAGLEV_SLOTS / 2);
	__type(key, __u32);
	__type(value, struct xm_maglev_pair);
} xm_maglev SEC(".maps");

/* Backend number -> backend. Agent writes by mmap. State FREE: nobody bears that number. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, XM_MAX_BACKENDS);
	__type(key, __u32);
	__type(value, struct xm_backend);
} xm_backends SEC(".maps");

/* Service number -> name. Agent writes and reads, for people and for a restart. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, XM_MAX_SERVICES);
	__type(key, __u32);
	__type(value, struct xm_service_name);
} xm_service_names SEC(".maps");

/* 0 -> which addresses may be VIPs. Agent writes by mmap, all hooks ask it before any hash. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct xm_vip_filter);
} xm_vip_filter SEC(".maps");

/* Client and service -> backend. Programs write; the least recently used goes when it is full. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, XM_MAX_AFFINITY);
	__type(key, struct xm_affinity_key);
	__type(value, struct xm_affinity);
} xm_affinity SEC(".maps");

/* Socket and backend -> the VIP it asked for. Programs write, recvmsg and getpeername read. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, XM_MAX_SOCKETS);
	__type(key, struct xm_sock_key);
	__type(value, struct xm_sock_origin);
} xm_sock_origin SEC(".maps");

/*
 * Flow -> its translation. Programs write, the agent takes out what is over. A miss: a new flow, or
 * none of ours. Full: the least recently used goes; how many did is flow_new less flow_ended less
 * what is there.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, XM_MAX_FLOWS);
	__type(key, struct xm_flow_key);
	__type(value, struct xm_flow);
} xm_flows SEC(".maps");

/* IPv4 datagram in fragments -> ports of its first. Programs write and read. A miss: dropped. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, XM_MAX_FRAGS);
	__type(key, struct xm_frag_key);
	__type(value, struct xm_frag);
} xm_frags SEC(".maps");

/* xm_addr_hash16(pod) -> 1: it may have flows. Programs set, the agent clears. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, XM_FLOW_HINTS);
	__type(key, __u32);
	__type(value, __u32);
} xm_flow_hint SEC(".maps");

/* Node number -> the probe that is out and the last answer. Agent and programs, a field each. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, XM_MAX_NODES);
	__type(key, __u32);
	__type(value, struct xm_probe);
} xm_probes SEC(".maps");

/*
 * (Kind, cluster, service) -> round trips and the fates of handshakes. Programs write, an entry at
 * its first use; the agent deletes those of what is gone. Full: counted under service 0, and
 * latency_full.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, XM_MAX_LATENCY);
	__type(key, struct xm_latency_key);
	__type(value, struct xm_latency);
} xm_latency SEC(".maps");

/*
 * Hash of a connection -> the SYN that is out. Programs write; the agent by mmap takes out what had
 * no answer. A slot of another connection: its SYN-ACK is counted as unmeasured.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, XM_SYN_SLOTS);
	__type(key, __u32);
	__type(value, struct xm_syn);
} xm_syn SEC(".maps");

/* (Kind, cluster, service) -> SYNs without answer that the agent took out of xm_syn. Agent alone. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, XM_MAX_LATENCY);
	__type(key, struct xm_latency_key);
	__type(value, __u64);
} xm_syn_timeouts SEC(".maps");

/* Node number -> round trips of its probes. Agent writes, people and metrics read. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, XM_MAX_NODES);
	__type(key, __u32);
	__type(value, struct xm_probe_stat);
} xm_probe_rtt SEC(".maps");

/* enum xm_hook -> what its program takes, of one packet in XM_SAMPLE_EVERY. Programs write. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, XM_HOOK_MAX);
	__type(key, __u32);
	__type(value, struct xm_hist);
} xm_program_time SEC(".maps");

/*
 * enum xm_hook -> when the next packet is timed, and this second's budget of events of new flows.
 * Programs write. Not pinned: each load begins anew.
 */
struct instruments {
	__u64 packets;
	struct xm_event_rate flow_events;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, XM_HOOK_MAX);
	__type(key, __u32);
	__type(value, struct instruments);
} xm_instruments SEC(".maps");

/* 0 -> what a monitor wants to see. `xmesh monitor` writes by mmap, programs read. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct xm_watch);
} xm_watch SEC(".maps");

/*
 * Hash of an address -> 1: a socket was sent to a backend there. Programs set; never cleared, but not
 * pinned: in front of xm_sock_origin for SYNs, of which most are for no service.
 */
#define SOCK_HINTS 16384

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SOCK_HINTS);
	__type(key, __u32);
	__type(value, __u32);
} xm_sock_hint SEC(".maps");

/* Socket -> whose round trips are measured. Programs write at its connection. A miss: not ours. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct xm_sock_peer);
} xm_sock_peer SEC(".maps");

/* 0 -> what a dry run found out. Not pinned: each load has its own, and only such runs write it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct xm_trace);
} xm_trace SEC(".maps");

#endif
