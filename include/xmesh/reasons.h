/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What may become of a packet: the one list that BPF, metrics, events, JSON and the man page
 * read. Append only: the numbers are an index into the pinned xm_counters.
 *
 * X(NAME, "text", KIND, "what happened, and what to do about it")
 *
 * KIND  FORWARD  the fast path sent it on
 *       STACK    ours, but handed to the kernel's stack, which has the same routes
 *       PASS     not ours, untouched
 *       DROP     ended here
 *       ANSWER   ended here as it should: its sender was answered, or it was the answer
 *       NOTE     counted beside another verdict, decides nothing
 */
#ifndef XMESH_REASONS_H
#define XMESH_REASONS_H

#define XM_REASONS(X)                                                                              \
	X(PASS, "pass", PASS, "not mesh traffic, left alone")                                      \
	X(FWD_TUNNEL, "tunnel", FORWARD, "encapsulated and sent to a node of a peer")              \
	X(FWD_NATIVE, "native", FORWARD, "sent to a node of a peer without encapsulation")         \
	X(FWD_LOCAL, "local", FORWARD, "delivered to a pod of this node")                          \
	X(STACK_TTL, "stack_ttl", STACK, "TTL or hop limit at its end, the kernel answers")        \
	X(STACK_OPTIONS, "stack_options", STACK, "IPv4 options, left to the kernel")               \
	X(STACK_TOO_BIG, "stack_too_big", STACK,                                                   \
	  "larger than the path's MTU: the kernel answers packet too big, or fragments")           \
	X(STACK_UNKNOWN_POD, "stack_unknown_pod", STACK, "for an address that is no known pod")    \
	X(STACK_POD_GONE, "stack_pod_gone", STACK, "the known pod's interface is gone")            \
	X(STACK_POLICY, "stack_policy", STACK, "pods.path is stack here: the kernel filters it")   \
	X(STACK_UDP_GSO, "stack_udp_gso", STACK,                                                   \
	  "UDP GSO super-packet in the tunnel, decapsulated by the kernel's device")               \
	X(STACK_FAMILY, "stack_family", STACK,                                                     \
	  "inner and outer family differ and this kernel cannot decapsulate that in tc")           \
	X(STACK_NO_ADDRESS, "stack_no_address", STACK, "from an interface with no known address")  \
	X(STACK_NO_ENCAP, "stack_no_encap", STACK, "the packet could not be encapsulated here")    \
	X(STACK_HOST, "stack_host", STACK, "tunnelled, for this host itself")                      \
	X(DROP_TRUNCATED, "truncated", DROP, "ends before its own headers do")                     \
	X(DROP_BAD_IP, "bad_ip", DROP, "IP header with an impossible length or version")           \
	X(DROP_BAD_VXLAN, "bad_vxlan", DROP, "VXLAN header without a valid VNI flag (RFC 7348)")   \
	X(DROP_BAD_VNI, "bad_vni", DROP, "VXLAN network id is not tunnel.id")                      \
	X(DROP_UNKNOWN_PEER, "unknown_peer", DROP, "tunnel packet from an address that is no node")\
	X(DROP_PEER_SOURCE, "peer_source", DROP,                                                   \
	  "inner source outside of what that peer may announce")                                   \
	X(DROP_NATIVE_SOURCE, "native_source", DROP,                                               \
	  "unencapsulated packet from a prefix whose mode is not native")                          \
	X(DROP_POD_SOURCE, "pod_source", DROP, "a pod sent from an address that is not its own")   \
	X(DROP_ECN, "ecn", DROP, "outer CE on an inner packet that is not ECN capable (RFC 6040)") \
	X(DROP_INTERNAL, "internal", DROP, "a helper failed where it should not: report this")     \
	X(MSS_CLAMPED, "mss_clamped", NOTE, "TCP MSS option lowered to the path's MTU")            \
	X(MTU_LOWERED, "mtu_lowered", NOTE, "a too-big from the underlay lowered a node's MTU")    \
	X(EVENTS_LOST, "events_lost", NOTE, "an event was not recorded: rate limit or full ring")  \
	X(FWD_VIP, "vip", FORWARD, "VIP traffic from outside, sent on to a node with backends")    \
	X(FWD_VIP_REPLY, "vip_reply", FORWARD, "the reply to VIP traffic, sent to its client")     \
	X(FWD_VIP_RETURN, "vip_return", FORWARD,                                                   \
	  "the reply to VIP traffic, sent back through its entry node")                            \
	X(STACK_SERVICE, "stack_service", STACK,                                                   \
	  "translated to a backend that the kernel itself reaches")                                \
	X(ANSWER_REFUSED, "refused", ANSWER,                                                       \
	  "no usable backend: TCP reset, port unreachable, or ECONNREFUSED at a socket")           \
	X(ANSWER_TOO_BIG, "vip_too_big", ANSWER,                                                   \
	  "VIP traffic larger than the path to its node: packet too big")                          \
	X(ANSWER_PROBE, "probe", ANSWER, "a peer's liveness probe, answered")                      \
	X(DROP_NO_BACKEND, "no_backend", DROP,                                                     \
	  "no usable backend, and this kind of packet is not answered (RFC 1122, 3.2.2)")          \
	X(DROP_FRAGMENT, "fragment", DROP,                                                         \
	  "fragment to a VIP whose first fragment was not seen")                                   \
	X(DROP_PORT_CLASH, "port_clash", DROP,                                                     \
	  "the client has that port in use to the same backend in another way")                    \
	X(DROP_SCTP_PORT, "sctp_port", DROP, "SCTP whose port would change under its checksum")    \
	X(DROP_PROBE, "bad_probe", DROP, "a probe's answer that nobody asked for, or a broken one")\
	X(PROBE_TAKEN, "probe_taken", ANSWER, "the answer to our own probe, taken")                \
	X(TRANSLATED, "translated", NOTE, "destination or source changed for a global service")    \
	X(FLOW_NEW, "flow_new", NOTE, "an entry was put into xm_flows")                            \
	X(FLOW_ENDED, "flow_ended", NOTE, "an entry was taken out of xm_flows, its time was over") \
	X(FLOW_UNRECORDED, "flow_unrecorded", NOTE,                                                \
	  "an entry could not be put into xm_flows: Maglev alone decides")                         \
	X(LATENCY_FULL, "latency_full", NOTE,                                                      \
	  "no room in xm_latency: counted under the cluster alone")

enum xm_kind {
	XM_KIND_PASS,
	XM_KIND_FORWARD,
	XM_KIND_STACK,
	XM_KIND_DROP,
	XM_KIND_NOTE,
	XM_KIND_ANSWER,
};

enum xm_reason {
#define XM_REASON_ENUM(name, text, kind, what) XM_##name,
	XM_REASONS(XM_REASON_ENUM)
#undef XM_REASON_ENUM
	XM_REASON_COUNT
};

/* Room for reasons of later versions, so that pinned counters keep their size. */
#define XM_REASON_MAX 96

/* Where a packet was judged; the second index of xm_counters. Append only. X(NAME, "text") */
#define XM_HOOKS(X)                                                                                \
	X(FROM_POD, "from_pod")                                                                    \
	X(FROM_NET, "from_net")                                                                    \
	X(FROM_DEV, "from_dev")                                                                    \
	X(XDP, "xdp")                                                                              \
	X(TO_POD, "to_pod")                                                                        \
	X(SOCKET, "socket")                                                                        \
	X(AGENT, "agent")

enum xm_hook {
#define XM_HOOK_ENUM(name, text) XM_HOOK_##name,
	XM_HOOKS(XM_HOOK_ENUM)
#undef XM_HOOK_ENUM
	XM_HOOK_COUNT
};

#define XM_HOOK_MAX 16

#define XM_COUNTER_INDEX(hook, reason) ((hook) * XM_REASON_MAX + (reason))
#define XM_COUNTERS (XM_HOOK_MAX * XM_REASON_MAX)

#endif
