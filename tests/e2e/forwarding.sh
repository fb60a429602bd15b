#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# forwarding.sh: who reaches whom, for every underlay and mode: pods of peers, of the own cluster,
# of the same node, hosts, in both families; and that the fast path did it.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
t_begin

restart_agents() { # MODE FAMILY: the same lab with another configuration
	local node
	LAB_MODE=$1 LAB_FAMILY=$2
	for node in $LAB_NODES; do
		lab_agent_stop "$node"
		lab_config "$node"
	done
	lab_agents_up
}

# pair FROM TO: ping, and a page of it when it serves one
reaches() {
	ping_ok "$1" "$(lab_addr "$2" 4)"
	ping_ok "$1" "$(lab_addr "$2" 6)"
}
pages() {
	page_ok "$1" "$2" "$(lab_addr "$2" 4)"
	page_ok "$1" "$2" "$(lab_addr "$2" 6)"
}
all_ways() { # WHAT REASON4 REASON6
	t "$1: pods of two clusters, ping both families" reaches east-1a west-1a
	t "$1: and the other way round" reaches west-1b east-2b
	t "$1: to a third cluster" reaches east-2a north-1b
	t "$1: pods of one cluster on two nodes" reaches east-1a east-2a
	t "$1: pods of one node" reaches east-1a east-1b
	t "$1: TCP, a page of a pod of a peer" pages east-1a west-1a
	t "$1: UDP, IPv4" udp_moves east-1a "$(lab_addr west-1b 4)"
	t "$1: UDP, IPv6" udp_moves east-1a "$(lab_addr west-1b 6)"
	t "$1: TCP throughput, IPv4" tcp_moves east-1a "$(lab_addr west-1b 4)"
	t "$1: TCP throughput, IPv6" tcp_moves east-1a "$(lab_addr west-1b 6)"
	t "$1: a host to a pod of a peer" reaches east-1 west-1a
	t "$1: a pod to a node of a peer" reaches west-1a east-1
	t "$1: a page of a pod of a peer, read by a host" pages north-1 west-1a
	t "$1: the sender's program sent IPv4 on" counter_moves east-1 "$2" ping_ok east-1a "$(lab_addr west-1a 4)"
	t "$1: the sender's program sent IPv6 on" counter_moves east-1 "$3" ping_ok east-1a "$(lab_addr west-1a 6)"
	t "$1: the receiver's program delivered it" counter_moves west-1 local ping_ok east-1a "$(lab_addr west-1a 4)"
}

LAB_MODE=tunnel LAB_FAMILY=ipv4
lab_up
lab_serve west-1a
iperf_server west-1b
all_ways "VXLAN over IPv4" tunnel tunnel
restart_agents tunnel ipv6
all_ways "VXLAN over IPv6" tunnel tunnel
restart_agents native auto
all_ways "native" native native
restart_agents '{ipv4: tunnel, ipv6: native}' auto
t "IPv4 in a tunnel, IPv6 native: both" reaches east-1a west-1a
t "IPv4 in a tunnel" counter_moves east-1 tunnel ping_ok east-1a "$(lab_addr west-1a 4)"
t "IPv6 native" counter_moves east-1 native ping_ok east-1a "$(lab_addr west-1a 6)"

hops() { # FAMILY: two nodes, then the pod, each answering
	local out
	out=$(lab_exec east-1a traceroute -n -w 1 -q 1 -m 5 "$(lab_addr west-1a "$1")")
	echo "$out"
	[ "$(tail -n +2 <<<"$out" | wc -l)" = 3 ] && ! grep -q '\*' <<<"$out" &&
		tail -n 1 <<<"$out" | grep -qF "$(lab_addr west-1a "$1")"
}
t "traceroute over the tunnel shows both nodes" hops 4
t "traceroute over the native path shows both nodes" hops 6

only_peer_native() { # a mode per peer wins over the mode of all
	sed -i 's/{name: west, id: 2,/& mode: native,/' "$LAB_DIR/east-1.yaml"
	sed -i 's/{name: east, id: 1,/& mode: native,/' "$LAB_DIR/west-1.yaml"
	kill -HUP "$(lab_agent_pid east-1)" "$(lab_agent_pid west-1)"
	lab_wait 5 counter_moves east-1 native ping_ok east-1a "$(lab_addr west-1a 4)"
	counter_moves east-1 tunnel ping_ok east-1a "$(lab_addr north-1a 4)"
}
t "a mode per peer, taken over by SIGHUP" only_peer_native
t_end
