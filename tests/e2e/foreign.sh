#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# foreign.sh: the peer is a plain Linux VXLAN device with static routes, no xmesh there, so that
# the wire format is honest: inner IPv4 and IPv6 over outer IPv4 and IPv6.
# Runs beside others.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
t_begin

LAB_NODES="east-1 west-1" LAB_MODE=tunnel
lab_fabric_up
lab_feeds
for node in $LAB_NODES; do
	lab_node_up "$node"
	lab_pod_up "${node}a"
	lab_pod_up "${node}b"
done

# The MAC that stands for a node in its tunnel frames: 02:78 and its IPv4 address.
east_mac=02:78:c0:00:02:0b
west_mac=02:78:c0:00:02:15

plain_vxlan() { # FAMILY: west-1 as an administrator would do it by hand
	local flags=()
	[ "$1" = 4 ] || flags=(udp6zerocsumrx udp6zerocsumtx)
	lab_ip west-1 link del vx0 2>/dev/null || true
	lab_ip west-1 link add vx0 address "${2:-$west_mac}" mtu 1430 type vxlan id 1 dstport 8492 \
		local "$(lab_addr west-1 "$1")" nolearning "${flags[@]}"
	lab_ip west-1 -batch - <<-EOF
		link set vx0 up
		route replace 10.1.1.0/24 via 192.0.2.11 dev vx0 onlink
		route replace fd00:10:1:1::/64 via fe80::78 dev vx0 onlink
		neigh replace 192.0.2.11 lladdr $east_mac dev vx0 nud permanent
		neigh replace fe80::78 lladdr $east_mac dev vx0 nud permanent
		route replace 192.0.2.11/32 via 192.0.2.11 dev vx0 onlink table 78
	EOF
	# What pods send to a node of a peer belongs into the tunnel, the tunnel itself does not.
	lab_ip west-1 rule del pref 78 2>/dev/null || true
	lab_ip west-1 rule add pref 78 from 10.2.1.0/24 to 192.0.2.11 lookup 78
	lab_exec west-1 bridge fdb append $east_mac dev vx0 dst "$(lab_addr east-1 "$1")"
}
east_up() { # FAMILY
	[ ! -e "$LAB_DIR/log/east-1.pid" ] || lab_agent_stop east-1
	LAB_FAMILY=$1 lab_config east-1
	lab_agent_start east-1
	lab_wait 10 lab_pods_known east-1
}
lab_serve west-1a
lab_serve east-1a
iperf_server west-1b
ways() {
	t "$1: a pod here pings a pod there, IPv4" ping_ok east-1a "$(lab_addr west-1a 4)"
	t "$1: IPv6" ping_ok east-1a "$(lab_addr west-1a 6)"
	t "$1: a page from there, IPv4" page_ok east-1b west-1a "$(lab_addr west-1a 4)"
	t "$1: IPv6" page_ok east-1b west-1a "$(lab_addr west-1a 6)"
	t "$1: a page from here, read there, IPv4" page_ok west-1b east-1a "$(lab_addr east-1a 4)"
	t "$1: IPv6" page_ok west-1b east-1a "$(lab_addr east-1a 6)"
	t "$1: TCP throughput there, IPv4" tcp_moves east-1a "$(lab_addr west-1b 4)"
	t "$1: and back, IPv6" tcp_moves east-1a "$(lab_addr west-1b 6)" -R
	t "$1: UDP, IPv4" udp_moves east-1a "$(lab_addr west-1b 4)"
	t "$1: UDP back, IPv6" udp_moves east-1a "$(lab_addr west-1b 6)" -R
	t "$1: host here to a pod there" ping_ok east-1 "$(lab_addr west-1a 4)"
}
plain_vxlan 4
east_up ipv4
ways "VXLAN over IPv4"
plain_vxlan 6
east_up ipv6
ways "VXLAN over IPv6"

other_mac() { # a foreign VTEP whose MAC is its own: the Node's annotation tells it
	plain_vxlan 4 02:00:5e:00:53:01
	jq '(.items[] | select(.kind == "Node" and .metadata.name == "west-1") | .metadata.annotations)
		+= {"xmesh.io/vtep-mac": "02:00:5e:00:53:01"}' "$LAB_TOP/tests/data/west.json" >"$LAB_DIR/feeds/west/new"
	rm "$LAB_DIR/feeds/west/west.yaml"
	mv "$LAB_DIR/feeds/west/new" "$LAB_DIR/feeds/west/west.json"
	east_up ipv4
	ping_ok east-1a "$(lab_addr west-1a 4)"
	ping_ok east-1a "$(lab_addr west-1a 6)"
}
t "a foreign VTEP with a MAC of its own, by annotation" other_mac
t_end
