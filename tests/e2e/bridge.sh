#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# bridge.sh: pods behind a bridge CNI: learned from the bridge's neighbours and its FDB, reached by
# the fast path, kept when neighbours go stale, followed when a pod moves to another port.
# Runs beside others.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
t_begin
LAB_CNI=bridge LAB_NODES="east-1 east-2 west-1" LAB_MODE='{ipv4: tunnel, ipv6: native}'
lab_fabric_up
lab_feeds
for node in $LAB_NODES; do
	lab_node_up "$node"
	lab_pod_up "${node}a"
	lab_pod_up "${node}b"
	lab_config "$node"
	# A pod behind a bridge is seen once it has spoken; real ones speak when they start.
	for pod in "${node}a" "${node}b"; do
		e=$(lab_cluster_id "$node") n=$(lab_node_number "$node")
		lab_exec "$pod" ping -q -c 1 -W 2 "10.$e.$n.1" >/dev/null
		lab_exec "$pod" ping -q -c 1 -W 2 "fd00:10:$e:$n::1" >/dev/null
	done
done
lab_agents_up
lab_serve west-1a
iperf_server west-1b
w4=$(lab_addr west-1a 4) w6=$(lab_addr west-1a 6)

t "tunnel: ping to a peer's pod" ping_ok east-1a "$w4"
t "native: ping to a peer's pod" ping_ok east-1a "$w6"
t "tunnel: a page" page_ok east-1b west-1a "$w4"
t "native: a page" page_ok east-1b west-1a "$w6"
t "TCP throughput, tunnel" tcp_moves east-1a "$(lab_addr west-1b 4)"
t "TCP throughput, native" tcp_moves east-1a "$(lab_addr west-1b 6)"
t "UDP" udp_moves east-1a "$(lab_addr west-1b 4)"
t "own cluster, another node" ping_ok east-1a "$(lab_addr east-2b 4)"
t "own bridge" ping_ok east-1a "$(lab_addr east-1b 4)"
t "a host to a peer's pod" ping_ok east-1 "$w4"
t "a pod to a peer's host" ping_ok east-1a "$(lab_addr west-1 4)"
t "the sender's program sent it on" counter_moves east-1 tunnel ping_ok east-1a "$w4"
t "the receiver's program delivered it" counter_moves west-1 local ping_ok east-1a "$w4"

stale() { # every neighbour of the bridge stale and the FDB aged out: still a pod
	local a dev lladdr
	while read -r a _ dev _ lladdr _; do
		[ "$dev" != cni0 ] || lab_ip west-1 neigh change "$a" dev cni0 lladdr "$lladdr" nud stale
	done < <(lab_ip west-1 neigh show dev cni0 | sed 's/ lladdr/ dev cni0 lladdr/')
	lab_exec west-1 bridge fdb del "$(lab_ip west-1a -j link show dev eth0 | jq -r '.[0].address')" dev vetha master
	# The watch has seen that once a change made after it has been taken over.
	lab_ip west-1 route add 10.2.1.200/32 dev vethb
	lab_ip west-1 route del 10.2.1.200/32 dev vethb
	lab_pods_known west-1
	counter_moves west-1 local ping_ok east-1a "$w4"
}
t "stale neighbours and an aged FDB do not remove a pod" stale

moved() { # the same address on another port
	lab_pod_down west-1a
	lab_pod_up west-1c west-1a
	lab_exec west-1c ping -q -c 1 -W 2 10.2.1.1
	lab_exec west-1c ping -q -c 1 -W 2 fd00:10:2:1::1
	lab_wait 5 ping_ok east-1a "$w4"
	lab_wait 5 ping_ok east-1a "$w6"
	lab_wait 5 counter_moves west-1 local ping_ok east-1a "$w4"
}
t "a pod created again behind another port is followed" moved
dead() {
	lab_agent_stop west-1 KILL
	lab_pod_down west-1c
	lab_pod_up west-1d west-1a
	lab_exec west-1d ping -q -c 1 -W 2 10.2.1.1
	lab_exec west-1d ping -q -c 1 -W 2 fd00:10:2:1::1
	lab_wait 5 ping_ok east-1a "$w4"
	ping_ok east-1a "$w6"
}
t "and with the agent dead it is reached through the stack" dead
t_end
