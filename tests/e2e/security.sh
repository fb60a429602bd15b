#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# security.sh: who is believed: strangers, peers that speak for others, pods that use addresses of
# others, unencapsulated packets of tunnel peers: dropped, counted by reason; and what must pass.
# Runs beside others.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
t_begin
py=$LAB_TOP/tests/e2e/packets.py
LAB_MODE='{ipv4: tunnel, ipv6: native}' LAB_NODES="east-1 west-1 north-1"
lab_up
# A host on the underlay that is no node of anybody.
lab_netns_add stranger
lab_ip fabric link add ul-stranger type veth peer name eth0 netns "$(lab_ns stranger)"
lab_ip fabric link set ul-stranger master br0 up
lab_ip stranger -batch - <<-EOF
	link set eth0 up
	address add 192.0.2.99/24 dev eth0
	address add 2001:db8::99/64 dev eth0 nodad
EOF
lab_bg east-1a sink4 "$py" sink 4 "$LAB_DIR/sink4"
lab_bg east-1a sink6 "$py" sink 6 "$LAB_DIR/sink6"
lab_wait 5 grep -q ready "$LAB_DIR/sink4"
lab_wait 5 grep -q ready "$LAB_DIR/sink6"
e=$(lab_addr east-1 4) e6=$(lab_addr east-1 6)
p4=$(lab_addr east-1a 4) p6=$(lab_addr east-1a 6)

heard() { grep -c spoof "$LAB_DIR/sink4" "$LAB_DIR/sink6" | awk -F: '{ n += $2 } END { print n }'; }
# dropped REASON FROM ARGUMENT...: what packets.py sends is counted so and nothing arrives
dropped() {
	local before reason=$1 from=$2
	before=$(heard)
	shift 2
	counter_moves east-1 "$reason" lab_exec "$from" "$py" "$@"
	ping_ok west-1a "$p4" # what was sent before this has been judged
	[ "$(heard)" = "$before" ]
}
arrives() { # FROM ARGUMENT...
	local before from=$1
	before=$(heard)
	shift
	lab_exec "$from" "$py" "$@"
	lab_wait 3 eval '[ "$(heard)" -gt '"$before"' ]'
}
t "a peer's own prefix in its own tunnel arrives (the other cases can fail)" \
	arrives west-1 vxlan "$e" 10.2.1.77 "$p4"
t "a tunnel packet from a stranger" dropped unknown_peer stranger vxlan "$e" 10.2.1.2 "$p4"
t "a tunnel packet from a stranger over IPv6" dropped unknown_peer stranger vxlan "$e6" 10.2.1.2 "$p4"
t "a peer that speaks for another peer's prefix" dropped peer_source west-1 vxlan "$e" 10.3.1.2 "$p4"
t "a peer that speaks for our own prefix" dropped peer_source west-1 vxlan "$e" 10.1.1.3 "$p4"
t "a peer that speaks for the world" dropped peer_source west-1 vxlan "$e" 198.51.100.7 "$p4"
t "a peer that speaks for another node's address" dropped peer_source west-1 vxlan "$e" 192.0.2.31 "$p4"
t "a node of a peer may send from its own address" arrives west-1 vxlan "$e" 192.0.2.21 "$p4"
t "inner IPv6: a peer that speaks for another" dropped peer_source west-1 vxlan "$e" fd00:10:3:1::2 "$p6"
t "a wrong VNI" dropped bad_vni west-1 vxlan "$e" 10.2.1.77 "$p4" 7
t "a VXLAN header without its flag" dropped bad_vxlan west-1 vxlan "$e" 10.2.1.77 "$p4" 1 8492 0
t "spoofed towards the host itself: the kernel's device checks too" \
	dropped peer_source west-1 vxlan "$e" 10.3.1.2 "$e"
t "another UDP port is none of our business" \
	eval '! counter_moves east-1 unknown_peer lab_exec stranger "$py" vxlan "$e" 10.2.1.2 "$p4" 1 8493'

east_mac=$(lab_ip east-1 -j link show dev eth0 | jq -r '.[0].address')
t "unencapsulated, from a prefix that is to come in the tunnel" \
	dropped native_source stranger spoof eth0 "$east_mac" 10.2.1.77 "$p4"
t "unencapsulated, from a prefix that is native" arrives west-1 spoof eth0 "$east_mac" fd00:10:2:1::77 "$p6"

spoofing_pod() { # ADDRESS/LENGTH TO
	local r=0
	lab_ip east-1b address add "$1" dev eth0
	counter_moves east-1 pod_source ping_lost east-1b "$2" -I "${1%/*}" || r=1
	lab_ip east-1b address del "$1" dev eth0
	[ "$r" = 0 ]
}
t "a pod sends from an address of no pod" spoofing_pod 10.1.1.77/32 "$(lab_addr west-1a 4)"
t "a pod sends from another pod's address" spoofing_pod "$p4/32" "$(lab_addr west-1a 4)"
t "a pod sends from a peer's address" spoofing_pod 10.3.1.2/32 "$(lab_addr west-1a 4)"
t "IPv6: a pod sends from another pod's address" spoofing_pod "$p6/128" "$(lab_addr west-1a 6)"
pod_known() { lab_x east-1 endpoint list | grep -qF "$1 "; }
announced() { # the host hears of an address by neighbour discovery: that makes nobody its owner
	local gateway
	gateway=$(lab_ip east-1 -j -6 address show dev vethb scope link |
		jq -r '[.[0].addr_info[].local | select(. != "fe80::1")][0]')
	lab_ip east-1b address add fd00:10:1:2::77/128 dev eth0 nodad
	lab_exec east-1b ping -q -c 1 -W 1 -I fd00:10:1:2::77 "$gateway%eth0" || true
	lab_ip east-1 -6 neigh show dev vethb | grep -F fd00:10:1:2::77
	# What came after it is known, so that it would be too.
	lab_ip east-1 route add 10.1.1.200/32 dev vethb
	lab_wait 5 pod_known 10.1.1.200
	counter_moves east-1 pod_source ping_lost east-1b "$(lab_addr west-1a 6)" -I fd00:10:1:2::77
	lab_ip east-1 route del 10.1.1.200/32 dev vethb
	lab_ip east-1b address del fd00:10:1:2::77/128 dev eth0
}
t "IPv6: a pod sends from another node's pod's address, which it has told the host to be its own" announced
t "and with its own address it is heard" ping_ok east-1b "$(lab_addr west-1a 4)"

t "link-local of a pod passes: its gateway answers" \
	lab_exec east-1a ping -q -c 2 -i 0.05 -W 2 fe80::1%eth0
nd() { # ARP and ND of a pod, without its permanent neighbours
	lab_ip east-1a neigh flush all
	lab_ip east-1a -batch - <<-EOF
		neigh del fe80::1 dev eth0
	EOF
	ping_ok east-1a "$(lab_addr west-1a 6)"
	lab_ip east-1a neigh show | grep -E 'fe80::1.*(REACHABLE|DELAY|STALE)'
}
t "neighbour discovery of a pod passes" nd
dad() { # duplicate address detection sends from ::
	lab_sysctl east-1a net.ipv6.conf.eth0.accept_dad=1 net.ipv6.conf.all.accept_dad=1
	fails counter_moves east-1 pod_source lab_ip east-1a address add fd00:10:1:1::99/128 dev eth0
	lab_wait 5 fails eval 'lab_ip east-1a address show tentative | grep -q ::99'
	lab_ip east-1a address del fd00:10:1:1::99/128 dev eth0
}
t "duplicate address detection of a pod passes" dad
switched_off() {
	sed -i 's/^pods: {/&source_check: false, /' "$LAB_DIR/east-1.yaml"
	kill -HUP "$(lab_agent_pid east-1)"
	lab_ip east-1b address add 10.1.1.77/32 dev eth0
	# The answer finds no way back to that address, so only the counter tells.
	lab_wait 5 unjudged
	lab_ip east-1b address del 10.1.1.77/32 dev eth0
}
unjudged() { ! counter_moves east-1 pod_source ping_lost east-1b "$(lab_addr west-1a 4)" -I 10.1.1.77; }
t "pods.source_check: false lets it pass" switched_off
t "every drop has its reason in the metrics" \
	eval 'lab_x east-1 metrics | grep -E "^xmesh_dropped_packets_total\{.*reason=\"peer_source\".*\} [1-9]"'
t_end
