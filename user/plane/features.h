/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What this kernel can do, found by trying, never by its version. */
#ifndef XMESH_PLANE_FEATURES_H
#define XMESH_PLANE_FEATURES_H

#include <stdbool.h>
#include <stdint.h>

/* X(field, "text for status", needed) */
#define FEATURES(X)                                                                                \
	X(btf, "kernel BTF (/sys/kernel/btf/vmlinux)", false)                                      \
	X(bpf, "bpf(2): load a tc program", true)                                                  \
	X(redirect_peer, "bpf_redirect_peer, bpf_redirect_neigh", true)                            \
	X(ringbuf, "ring buffer maps", true)                                                       \
	X(encap_eth, "adjust_room with an inner Ethernet header (fast tunnel send)", false)        \
	X(decap_l3, "adjust_room that changes the family (fast cross-family receive)", false)      \
	X(check_mtu, "bpf_check_mtu (pods recreated while the agent is away)", false)              \
	X(tcx, "tcx links (run beside other tc programs)", false)                                  \
	X(coarse_clock, "bpf_ktime_get_coarse_ns (cheap flow times)", false)                       \
	X(sockets, "socket hooks on cgroups (services at connect)", false)                         \
	X(set_retval, "bpf_set_retval (ECONNREFUSED where no backend is left)", false)             \
	X(netns_cookie, "bpf_get_netns_cookie at sockets (ClientIP affinity there)", false)        \
	X(sockops, "sockops on cgroups (smoothed round trips of sockets)", false)

struct features {
#define FEATURES_FIELD(field, text, needed) bool field;
	FEATURES(FEATURES_FIELD)
#undef FEATURES_FIELD
};

/* Probe by loading and, for flags, running tiny programs. Without privileges all are false. */
void features_probe(struct features *ret_features);
/* The tcx field alone, by one system call that changes nothing. */
bool features_has_tcx(void);

#endif
