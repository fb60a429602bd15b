/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The bench that the rows run on: a network namespace of its own with real interfaces, the BPF
 * object loaded (once per set of knobs) and its maps filled with one small mesh. Not for: what a
 * packet should become; that is in the rows.
 *
 * The mesh: we are node 1 of cluster 1, 192.0.2.1 and 2001:db8::1.
 *
 *  node cluster addresses                  prefixes                          mode, outer, MTU
 *  1    1       192.0.2.1  2001:db8::1     10.1.0.0/24 fd00:1::/64           local
 *  2    1       192.0.2.2  2001:db8::2     10.1.1.0/24 fd00:1:0:1::/64       tunnel, IPv4, 1450
 *  3    2       192.0.2.3  2001:db8::3     10.2.0.0/24 fd00:2::/64           tunnel, IPv4, 1450
 *  4    2       2001:db8::4                10.2.1.0/24 fd00:2:0:1::/64       tunnel, IPv6, 1430
 *  5    3       192.0.2.5  2001:db8::5     10.3.0.0/24 fd00:3::/64           native, on link, 1500
 *  6    3       192.0.2.6  2001:db8::6     10.3.1.0/24 fd00:3:0:1::/64       native, by the FIB
 *  7    1       192.0.2.7  2001:db8::7     10.1.2.0/24 fd00:1:0:2::/64       the kernel's own route
 *  8    4       192.0.2.8  2001:db8::8     10.4.0.0/24 fd00:4::/64           tunnel, Cilium's, 16 bits
 *  9    300     192.0.2.9  2001:db8::9     10.9.0.0/24 fd00:9::/64           tunnel, Cilium's, 15 bits
 */
#ifndef XMESH_TESTS_PROG_FIX_H
#define XMESH_TESTS_PROG_FIX_H

#include <linux/bpf.h>

#include "pkt.h"
#include "xmesh/flow.h"
#include "xmesh/maps.h"
#include "xmesh/reasons.h"
#include "xmesh/service.h"

enum node {
	NODE_SELF = 1,
	NODE_EAST2,
	NODE_WEST,
	NODE_WEST6,
	NODE_NORTH,
	NODE_NORTH_FIB,
	NODE_EAST3,
	NODE_CILIUM,
	NODE_CILIUM15,
};

enum port { IF_NIL, IF_UL, IF_A, IF_B, IF_STACK, IF_NOADDR, IF_GONE, IF_DEV, IF_COUNT };

/* Pods: .2 behind IF_A, .3 behind IF_B, .4 behind IF_STACK (XM_POD_STACK), .5 behind IF_GONE. */
#define MAC_HOST "02:00:00:00:00:0d" /* of every interface here, so that packets are PACKET_HOST */
#define MAC_POD_A "02:00:00:00:00:a2"
#define MAC_POD_B "02:00:00:00:00:a3"
#define MAC_SELF "02:78:c0:00:02:01" /* inner MACs */
#define MAC_WEST "02:78:c0:00:02:03"
#define MAC_WEST6 "02:78:20:01:0d:bc" /* 2001:0db8 ^ 0:4 */
#define VNI 1
#define PORT 8492

/* Sets of knobs; each is one load of the object. */
enum load {
	LOAD_FULL,
	LOAD_NO_DECAP_L3,
	LOAD_NO_ENCAP_ETH,
	LOAD_NO_CHECK_MTU,
	LOAD_DRY,   /* dry_run */
	LOAD_BENCH, /* skip_adjust: a packet can be sent through again and again */
	LOAD_BENCH_BARE, /* the same without what measures latency */
	LOAD_COUNT,
};

enum prog { FROM_POD, FROM_NET, FROM_DEV, XDP, TO_POD, EXPLAIN_SOCKET };

/* The metadata that the kernel's VXLAN device would have left on the packet. */
struct tunnel_key {
	const char *src;
	uint32_t vni;
};

struct run {
	enum load load;
	enum prog prog;
	enum port in_if;
	uint32_t gso_size, gso_segs;
	struct tunnel_key key; /* src NULL = none */
};

struct outcome {
	int err; /* of the system call */
	int verdict;
	struct pkt out;
	struct __sk_buff ctx;
};

struct counters {
	struct xm_counter at[XM_HOOK_COUNT][XM_REASON_COUNT];
};

#define EVENTS_MAX 16

struct events {
	size_t n;
	struct xm_event at[EVENTS_MAX];
};

/* Load those of the bit mask @wanted. 0, or 1 with a sentence on stderr: needs root. */
int fix_start(unsigned int wanted);
void fix_stop(void);

/* For what the calls below do not cover; -1 = no such map. */
int fix_map(enum load load, const char *name);
int fix_prog(enum load load, enum prog prog);

uint32_t fix_ifindex(enum port iface);
void fix_run(const struct run *run, const struct pkt *in, struct outcome *ret_outcome);

void fix_counters(enum load load, struct counters *ret_counters);
void fix_peer(enum load load, uint32_t node, struct xm_peer_stat *ret_stat);
/* Events since the last call; the rate limit is reset, so that each row starts with all of it. */
void fix_events(enum load load, struct events *ret_events);
void fix_spend_events(enum load load);

/* What the programs remember of routes and pods is void: follows every change of these. */
void fix_epoch(enum load load);
/* Change the configuration (flags, magic); fix_config_default() puts it back. */
void fix_config(enum load load, void (*change)(struct xm_config *config));
void fix_config_default(enum load load);

void fix_node_state(enum load load, uint32_t node, struct xm_node_state *ret_state);
void fix_set_node_state(enum load load, uint32_t node, const struct xm_node_state *state);
uint64_t fix_now_ns(void);

/*
 * ---- Global services (fix_service.c), for cluster 1 and scope CLIENT; rows may put others -------
 *
 *  VIP                    port  proto     backends
 *  10.96.0.1 fd00:96::1   80    TCP, UDP  10.2.0.9:8080, fd00:2::9:8080 (west)
 *  10.96.0.2              80    TCP, UDP  10.1.0.3:8080 (pod B)
 *  10.96.0.3 fd00:96::3   80    TCP, UDP  10.1.0.2:8080, fd00:1::2:8080 (pod A)
 *  10.96.0.4              80    TCP       10.1.2.9:8080 (node 7: by the kernel's own route)
 *  10.96.0.5 fd00:96::5   80    TCP, UDP, SCTP  none
 *  10.96.0.6              80    UDP       10.2.0.9:8080, 10.2.1.9:8080; affinity of 10 s
 *  10.96.0.7              80    SCTP      10.2.0.9:8080: its port would have to change
 *  10.96.0.7              81    SCTP      10.2.0.9, null port
 *  10.96.0.8              53    UDP       10.2.0.9, null port
 *  10.96.0.9              80    TCP, UDP  10.2.0.9:8080, as 10.96.0.1
 *  fd00:96::6             80    TCP       10.2.0.9:8080: of the other family
 */
enum backend {
	B_WEST = 1,
	B_WEST_V6,
	B_POD_B,
	B_POD_A,
	B_POD_A_V6,
	B_EAST3,
	B_WEST_NULL,
	B_WEST6,
	B_OTHERS, /* from here on: for rows */
};

struct fix_backend {
	const char *addr;
	uint16_t port;
	enum node node;
	uint16_t cluster;
	uint8_t state, flags;
	uint32_t generation;
};

struct fix_service {
	const char *vip;
	uint16_t port;
	uint8_t proto;
	enum xm_scope scope;
	uint16_t cluster; /* 1 */
	uint32_t affinity_s;
	uint32_t backends[4]; /* numbers, up to the first 0 */
};

void fix_backend_put(enum load load, uint32_t number, const struct fix_backend *b);
void fix_service_put(enum load load, const struct fix_service *service);
/* All of the above, and no flow, fragment, affinity or hint. */
void fix_services_default(enum load load);
/* Pods of the fixture have had no flows: their packets ask xm_flows nothing. */
void fix_hints_clear(enum load load);
void fix_backend_state(enum load load, uint32_t number, uint8_t state, uint32_t generation);

struct fix_flow {
	const char *src, *dst;
	uint16_t sport, dport;
	uint8_t proto;
	enum xm_flow_dir dir;
};

bool fix_flow_get(enum load load, const struct fix_flow *key, struct xm_flow *ret_flow);
void fix_flow_set(enum load load, const struct fix_flow *key, const struct xm_flow *flow);
/* Make every flow, fragment and affinity that much older. */
void fix_age(enum load load, uint64_t seconds);
size_t fix_flow_count(enum load load);

/* "10.1.0.2" or "fd00::2"; aborts on anything else. */
struct xm_addr fix_addr(const char *text);

#endif
