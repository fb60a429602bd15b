#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# reload.sh: what a changed configuration does to running agents on SIGHUP: XDP switched through its
# modes under a ping, a peer taken out and put back, a peer's mode and the tunnel's family changed.
# Runs beside others.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
t_begin
py=$LAB_TOP/tests/e2e/packets.py
LAB_NODES="east-1 west-1"
lab_up
# A host on the underlay that is no node of anybody.
lab_netns_add stranger
lab_ip fabric link add ul-stranger type veth peer name eth0 netns "$(lab_ns stranger)"
lab_ip fabric link set ul-stranger master br0 up
lab_ip stranger link set eth0 up
lab_ip stranger address add 192.0.2.99/24 dev eth0

hup() { # NODE...
	local node
	for node; do kill -HUP "$(lab_agent_pid "$node")"; done
}
reached() { # both families, both ways
	local f
	for f in 4 6; do
		ping_ok east-1a "$(lab_addr west-1a $f)"
		ping_ok west-1b "$(lab_addr east-1b $f)"
	done
}

# ---- XDP ----

stop=$LAB_DIR/stop
lab_bg east-1a ping4 "$py" ping "$(lab_addr west-1b 4)" "$stop"
pinger=$LAB_PID
hooks_are() { # HOW: of our programs on east-1's underlay, by status
	local hooks
	hooks=$(lab_x east-1 --json status |
		jq -r '[.hooks[] | select(.interface == "eth0") | .program + " " + .how] | sort | join(", ")')
	echo "$hooks"
	[ "$hooks" = "xm_from_net tcx${1:+, xm_xdp $1}" ]
}
kernel_has() { # HOW: what the kernel itself says of the interface: 1 is driver mode, 2 generic
	local mode
	mode=$(lab_ip east-1 -j link show dev eth0 | jq '.[0].xdp.mode // 0')
	echo "mode $mode of '$1'"
	case $1 in 'xdp native') [ "$mode" = 1 ] ;; 'xdp generic') [ "$mode" = 2 ] ;; *) [ "$mode" = 0 ] ;; esac
}
refused_at() { # HOOK: packets from no peer that it has dropped
	lab_x east-1 --json map dump xm_counters |
		jq "[.entries[] | select(.hook == \"$1\" and .reason == \"unknown_peer\") | .packets] | add // 0"
}
stranger_refused() { # HOOK: it drops all five, the other none
	local xdp net
	xdp=$(refused_at xdp) net=$(refused_at from_net)
	lab_exec stranger "$py" vxlan "$(lab_addr east-1 4)" "$(lab_addr west-1a 4)" "$(lab_addr east-1a 4)"
	lab_wait 5 eval "[ \$((\$(refused_at xdp) + \$(refused_at from_net))) -ge $((xdp + net + 5)) ]"
	xdp=$(($(refused_at xdp) - xdp)) net=$(($(refused_at from_net) - net))
	echo "xdp $xdp, from_net $net"
	case $1 in xdp) [ "$xdp:$net" = 5:0 ] ;; *) [ "$xdp:$net" = 0:5 ] ;; esac
}
xdp() { # MODE HOW HOOK
	LAB_CONFIG="xdp: $1"
	lab_config east-1
	hup east-1
	lab_wait 5 hooks_are "$2" || hooks_are "$2"
	kernel_has "$2"
	stranger_refused "$3"
	reached
	kill -0 "$pinger"
}
by_device() { # packets that came through east-1's xmesh0
	lab_x east-1 --json map dump xm_counters |
		jq '[.entries[] | select(.hook == "from_dev") | .packets] | add // 0'
}
slow=$(by_device)
t "xdp: off: no XDP program; tc refuses strangers" xdp off "" from_net
t "xdp: native by SIGHUP: status and kernel show it; it refuses strangers" xdp native "xdp native" xdp
t "xdp: generic by SIGHUP: the same" xdp generic "xdp generic" xdp
t "xdp: off by SIGHUP: it is gone" xdp off "" from_net
touch "$stop"
# A veth that leaves driver mode throws away what is in its ring; no more than that may be missing.
few_lost() {
	lab_wait 10 lab_gone "$pinger"
	cat "$LAB_DIR/log/ping4"
	grep -qE '^sent [0-9]{3,} lost [0-5]$' "$LAB_DIR/log/ping4"
}
t "1 ms ping through all of that: five lost at most" few_lost
tc_stayed() {
	echo "$slow, then $(by_device)"
	[ "$(by_device)" = "$slow" ]
}
t "and tc stayed on the underlay: nothing had to come through xmesh0" tc_stayed

# ---- a peer comes and goes ----

listed() { # COUNT: east-1's routes to west, by xmesh and by the kernel
	local ours
	ours=$(lab_x east-1 --json route list | jq '[.routes[] | select(.cluster == "west")] | length')
	echo "$ours routes"
	[ "$ours" = "$1" ] || return 1
	# As tests/data has them: 10.2.N.0/24 and fd00:10:2:N::/64.
	[ "$( (lab_ip east-1 route && lab_ip east-1 -6 route) | grep -cE '^(10\.2\.|fd00:10:2:)')" = "$1" ]
}
removed() {
	local f node sent
	LAB_CONFIG=
	lab_config east-1
	sed -i '/name: west,/d' "$LAB_DIR/east-1.yaml"
	hup east-1
	lab_wait 5 listed 0 || listed 0
	exits 3 lab_x east-1 route get "$(lab_addr west-1a 4)"
	sent=$(($(counter east-1 tunnel) + $(counter east-1 native)))
	for f in 4 6; do
		ping_lost east-1a "$(lab_addr west-1a $f)"
		ping_lost west-1a "$(lab_addr east-1a $f)"
	done
	[ "$(($(counter east-1 tunnel) + $(counter east-1 native)))" = "$sent" ]
	for node in $LAB_NODES; do fails lab_gone "$(lab_agent_pid "$node")"; done
}
not_believed() { counter_moves east-1 unknown_peer ping_lost west-1a "$(lab_addr east-1a 4)"; }
back() {
	lab_config east-1
	hup east-1
	lab_wait 5 listed 6 || listed 6
	reached
}
t "the peer's six routes are there (the next case can fail)" listed 6
t "a peer taken out by SIGHUP: its routes are gone, nothing reaches it or comes from it" removed
t "its tunnel packets are a stranger's" not_believed
t "put back by SIGHUP: its routes are there, it is reached" back

# ---- the mode of a peer ----

route_is() { # NODE POD MODE VIA MTU, each a pattern
	local f got
	for f in 4 6; do
		got=$(lab_x "$1" --json route get "$(lab_addr "$2" $f)" | jq -r '.routes[0] | "\(.mode) \(.via) \(.mtu)"')
		echo "$1 to $2: $got"
		grep -qxE "$3 $4 $5" <<<"$got" || return 1
	done
}
routes_are() { # MODE VIA MTU
	route_is east-1 west-1a "$@" && route_is west-1 east-1a "$@"
}
sent_by() { # MODE: both nodes send by it and not by the other mode
	local node before after other=native
	[ "$1" = tunnel ] || other=tunnel
	before=$(for node in $LAB_NODES; do counter "$node" "$1" && counter "$node" $other; done)
	reached
	after=$(for node in $LAB_NODES; do counter "$node" "$1" && counter "$node" $other; done)
	paste -d ' ' <(echo "$before") <(echo "$after")
	# Twelve requests and answers of `reached` leave each node.
	[ "$(paste -d ' ' <(echo "$before") <(echo "$after") | awk '{ print $2 - $1 }' | xargs)" = "12 0 12 0" ]
}
mode() { # MODE MTU
	LAB_CONFIG=
	lab_config east-1
	lab_config west-1
	sed -i "s/{name: west, id: 2,/& mode: $1,/" "$LAB_DIR/east-1.yaml"
	sed -i "s/{name: east, id: 1,/& mode: $1,/" "$LAB_DIR/west-1.yaml"
	hup east-1 west-1
	lab_wait 5 routes_are "$1" '.*' "$2" || routes_are "$1" '.*' "$2"
	sent_by "$1"
}
t "the peer's mode is tunnel on both ends: reached, counted so" mode tunnel 1450
t "changed to native by SIGHUP: reached, counted so" mode native 1500
t "and back to tunnel: reached, counted so" mode tunnel 1450

# ---- the family of the tunnel ----

family() { # FAMILY VIA MTU
	local node
	for node in $LAB_NODES; do sed -i "s/family: [a-z0-9]*/family: $1/" "$LAB_DIR/$node.yaml"; done
	# shellcheck disable=SC2086 # a list
	hup $LAB_NODES
	lab_wait 5 routes_are tunnel "$2" "$3" || routes_are tunnel "$2" "$3"
	sent_by tunnel
	# Of IPv4, ICMP takes 28 bytes: as much as the route says fits, and no more.
	ping_ok east-1a "$(lab_addr west-1a 4)" -M 'do' -s $(($3 - 28))
	ping_lost east-1a "$(lab_addr west-1a 4)" -M 'do' -s $(($3 - 27))
}
t "tunnel.family is ipv4: IPv4 outer addresses, MTU 1450" family ipv4 '192\.0\.2\.[12]1' 1450
t "changed to ipv6 on all nodes by SIGHUP: IPv6 outer addresses, MTU 1430" \
	family ipv6 '2001:db8::[12]1' 1430
t_end
