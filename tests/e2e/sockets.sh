#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# sockets.sh: what programs see of a global service through socket calls, with socket programs and
# without: UDP connected and not, getpeername, IPv4-mapped sockets, large datagrams, host processes.
# Who is chosen: tests/e2e/services.sh.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
t_begin
LAB_NODES="east-1 west-1" LAB_SOCKETS=1 LAB_MODE=tunnel
conn_build
lab_fabric_up
lab_feeds
lab_service east web 20 ""
lab_service west web 20 "west-1a west-1b"
lab_service east near 21 "east-1b"
lab_service east host 22 ""
lab_service west host 22 "west-1"
for node in $LAB_NODES; do
	lab_node_up "$node"
	lab_pod_up "${node}a"
	lab_pod_up "${node}b"
	lab_config "$node"
done
for pod in east-1b west-1a west-1b west-1; do conn_serve "$pod"; done
lab_agents_up

for mode in socket packet; do
	for f in 4 6; do
		far=$(lab_vip east 20 $f) near=$(lab_vip east 21 $f) host=$(lab_vip east 22 $f)
		t "$mode, IPv$f: TCP echo, and getpeername is the VIP" sockets $mode east-1a tcp "$far" 7
		t "$mode, IPv$f: UDP, unconnected: answers come from the VIP" sockets $mode east-1a udp "$far" 7
		t "$mode, IPv$f: UDP, connected: one server, getpeername is the VIP" \
			sockets $mode east-1a udp-connected "$far" 7
		case $mode$f in
		packet6) # only the first of IPv6 fragments has ports
			t "$mode, IPv$f: a UDP datagram in fragments ends here, counted" \
				counter_moves east-1 fragment fails sockets $mode east-1a udp-big "$far" 7 4000
			;;
		*)
			t "$mode, IPv$f: a UDP datagram of 4000 bytes and its echo, in fragments" \
				sockets $mode east-1a udp-big "$far" 7 4000
			t "$mode, IPv$f: a UDP datagram of 30000 bytes" sockets $mode east-1a udp-big "$far" 7 30000
			;;
		esac
		t "$mode, IPv$f: TCP to a backend of the same node" sockets $mode east-1a tcp "$near" 7
		t "$mode, IPv$f: UDP to a backend of the same node" sockets $mode east-1a udp "$near" 7
		t "$mode, IPv$f: TCP to itself" sockets $mode east-1b tcp "$near" 7
		t "$mode, IPv$f: UDP to itself" sockets $mode east-1b udp-connected "$near" 7
		t "$mode, IPv$f: TCP to a peer's host network" sockets $mode east-1a tcp "$host" 7
		t "$mode, IPv$f: UDP to a peer's host network" sockets $mode east-1a udp "$host" 7
		t "$mode, IPv$f: the server sees the pod's own address" \
			sockets $mode east-1a client "$far" 7 "$(lab_addr east-1a $f)"
	done
	t "$mode: IPv6 sockets with IPv4-mapped addresses" sockets $mode east-1a mapped "$(lab_vip east 20 4)" 7
done
t "sockets are translated in the cgroup" \
	counter_moves_at east-1 socket translated sockets socket east-1a tcp "$(lab_vip east 20 4)" 7
t "and no packet is then" \
	fails counter_moves_at east-1 from_pod translated sockets socket east-1a tcp "$(lab_vip east 20 4)" 7
t "outside of it packets are" \
	counter_moves_at east-1 from_pod translated sockets packet east-1a tcp "$(lab_vip east 20 4)" 7
for f in 4 6; do
	t "a process of the host, IPv$f: TCP and getpeername" sockets socket east-1 tcp "$(lab_vip east 20 $f)" 7
	t "a process of the host, IPv$f: UDP" sockets socket east-1 udp "$(lab_vip east 20 $f)" 7
done

for f in 4 6; do
	t "packet, IPv$f: a full frame that may not be fragmented is answered with the tunnel's MTU" \
		sockets packet east-1a pmtu "$(lab_vip east 20 $f)" 7 1450
	t "socket, IPv$f: too" sockets socket east-1a pmtu "$(lab_vip east 20 $f)" 7 1450
done
off() { # socket_lb: off by SIGHUP: the same traffic goes per packet
	LAB_SOCKETS='' lab_config east-1
	kill -HUP "$(lab_agent_pid east-1)"
	lab_wait 5 counter_moves_at east-1 from_pod translated sockets socket east-1a tcp "$(lab_vip east 20 4)" 7
	sockets socket east-1a udp "$(lab_vip east 20 6)" 7
}
t "socket_lb: off, by SIGHUP: the cgroup's sockets are translated per packet" off
on() {
	lab_config east-1
	kill -HUP "$(lab_agent_pid east-1)"
	lab_wait 5 counter_moves_at east-1 socket translated sockets socket east-1a tcp "$(lab_vip east 20 4)" 7
}
t "and on again" on
t_end
