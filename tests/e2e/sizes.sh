#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# sizes.sh: MTU, MSS, too-big answers, fragments, IP options, jumbo and GSO frames: what does not
# fit the fast path arrives, or is answered, and never vanishes.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
t_begin
py=$LAB_TOP/tests/e2e/packets.py

LAB_MODE=tunnel LAB_FAMILY=ipv4 LAB_NODES="east-1 west-1"
lab_up
lab_bg west-1a mss "$py" mss-server 7001
lab_bg west-1a echo "$py" udp-echo 7002
iperf_server west-1b
lab_wait 5 lab_listens west-1a 7001
w4=$(lab_addr west-1a 4) w6=$(lab_addr west-1a 6)

forget() { # path MTUs that the pods have learned in another case
	local pod
	for pod in east-1a west-1a; do
		lab_ip "$pod" route flush cache
		lab_ip "$pod" -6 route flush cache
	done
}
fits() { # ADDRESS PAYLOAD: goes through unfragmented
	forget
	ping_ok east-1a "$1" -M "do" -s "$2"
}
too_big() { # ADDRESS PAYLOAD MTU: answered with the size that would fit
	local out
	forget
	out=$(lab_exec east-1a ping -c 3 -i 0.1 -W 1 -M "do" -s "$2" "$1" 2>&1) && return 1
	echo "$out"
	grep -qE "mtu ?= ?$3" <<<"$out"
}
mss_is() { # ADDRESS MAX: neither side may send larger segments (TCP_MAXSEG: less the timestamps)
	local a b
	read -r a b < <(lab_exec east-1a "$py" mss "$1" 7001)
	echo "mss here $a, there $b, at most $2"
	[ "$a" -le "$2" ] && [ "$b" -le "$2" ] && [ "$a" -ge $(($2 - 12)) ] && [ "$b" -ge $(($2 - 12)) ]
}
both_ways() { # MTU of the tunnel
	t "$1: IPv4 of that size passes unfragmented" fits "$w4" $(($1 - 28))
	t "$1: IPv6 of that size passes" fits "$w6" $(($1 - 48))
	t "$1: one byte more with DF is answered with that MTU" too_big "$w4" $(($1 - 27)) "$1"
	t "$1: one byte more of IPv6 is answered with that MTU" too_big "$w6" $(($1 - 47)) "$1"
	t "$1: and a pod's full 1500 too" too_big "$w4" 1472 "$1"
	t "$1: TCP over IPv4 has its MSS clamped in SYN and SYN-ACK" mss_is "$w4" $(($1 - 40))
	t "$1: TCP over IPv6 too" mss_is "$w6" $(($1 - 60))
	t "$1: TCP throughput, IPv4" tcp_moves east-1a "$(lab_addr west-1b 4)"
	t "$1: TCP throughput, IPv6" tcp_moves east-1a "$(lab_addr west-1b 6)"
	t "$1: TCP the other way" tcp_moves east-1a "$(lab_addr west-1b 4)" -R
	t "$1: fragments of a UDP datagram of 4000 bytes, IPv4" lab_exec east-1a "$py" udp "$w4" 7002 4000
	t "$1: and IPv6" lab_exec east-1a "$py" udp "$w6" 7002 4000
	t "$1: a pod's full frame without DF is fragmented" ping_ok east-1a "$w4" -M dont -s 1472
}

both_ways 1450
size_is_seen() { # the reason is counted
	counter_moves east-1 stack_too_big too_big "$w4" 1472 1450
}
t "a packet too big is counted by its reason" size_is_seen
t "IP options (record route) go through the stack and arrive" ping_ok east-1a "$w4" -R
t "and are counted" counter_moves east-1 stack_options ping_ok east-1a "$w4" -R

n4=$(lab_addr west-1 4) n6=$(lab_addr west-1 6)
t "a pod to a node of a peer: IP options arrive" counter_moves east-1 stack_options ping_ok east-1a "$n4" -R
t "a pod to a node of a peer: too big is answered" too_big "$n4" 1472 1450
t "a pod to a node of a peer: too big, IPv6" too_big "$n6" 1452 1450
t "a pod to a node of a peer: too big without DF is fragmented" ping_ok east-1a "$n4" -M dont -s 1472
node_hops() { # both nodes answer, the first that its TTL is over
	local out
	out=$(lab_exec east-1a traceroute -n -w 1 -q 1 -m 3 "$1")
	echo "$out"
	[ "$(tail -n +2 <<<"$out" | wc -l)" = 2 ] && tail -n 1 <<<"$out" | grep -qF "$1"
}
t "a pod to a node of a peer: traceroute, IPv4" node_hops "$n4"
t "a pod to a node of a peer: traceroute, IPv6" node_hops "$n6"
host_stays_out() { # of the tunnel, and of the table that pods look into
	lab_ip east-1 route get "$n4" | grep -q 'dev eth0'
	lab_ip east-1 route get "$n4" from "$(lab_addr east-1a 4)" iif vetha | grep -q 'dev xmesh0'
	ping_ok east-1 "$n4"
}
t "and the host itself goes to that node as ever" host_stays_out

sctp() { # ADDRESS
	local pid
	lab_bg west-1a raw "$py" raw-server "$(case $1 in *:*) echo 6 ;; *) echo 4 ;; esac)" 132
	pid=$LAB_PID
	lab_wait 8 raw_arrives "$1" "$pid"
}
raw_arrives() {
	lab_exec east-1a "$py" raw "$1" 132
	sleep 0.05
	lab_gone "$2"
}
t "SCTP is carried like any protocol, IPv4" sctp "$w4"
t "SCTP, IPv6" sctp "$w6"

udp_gso() { # ADDRESS: 200 datagrams in 10 super-packets, all arrive with their size
	local pid
	lab_bg west-1a gso "$py" gso-server 7003 200 1200
	pid=$LAB_PID
	lab_wait 5 udp_bound west-1a 7003
	lab_exec east-1a "$py" gso "$1" 7003 200 1200
	lab_wait 8 lab_gone "$pid"
	cat "$LAB_DIR/log/gso"
	[ ! -s "$LAB_DIR/log/gso" ]
}
udp_bound() { [ -n "$(lab_exec "$1" ss -Hlun "sport = :$2")" ]; }
t "UDP GSO super-packets arrive as their datagrams, IPv4" udp_gso "$w4"
t "UDP GSO, IPv6" udp_gso "$w6"
t "UDP GSO takes the kernel's device on receive" counter_moves west-1 stack_udp_gso udp_gso "$w4"

gso_stays() { # frames on the underlay are larger than its MTU on average: one per 64 KB of TCP
	local p0 b0 p1 b1
	read -r p0 b0 < <(tx)
	tcp_moves east-1a "$(lab_addr west-1b "$1")"
	read -r p1 b1 < <(tx)
	echo "$(((b1 - b0) / (p1 - p0))) bytes per frame"
	[ $(((b1 - b0) / (p1 - p0))) -gt 5000 ]
}
tx() { lab_ip east-1 -j -s link show dev eth0 | jq -r '.[0].stats64.tx | "\(.packets) \(.bytes)"'; }
t "64 KB TCP GSO frames cross whole, IPv4" gso_stays 4
t "64 KB TCP GSO frames cross whole, IPv6" gso_stays 6

for node in $LAB_NODES; do
	lab_agent_stop "$node"
	LAB_FAMILY=ipv6 lab_config "$node"
done
lab_agents_up
both_ways 1430

set_mtu() { # MTU: of the whole lab
	local pod node
	for node in $LAB_NODES; do
		lab_ip fabric link set "ul-$node" mtu "$1"
		lab_ip "$node" link set eth0 mtu "$1"
	done
	lab_ip fabric link set br0 mtu "$1"
	for pod in $LAB_PODS; do
		node=$(lab_node_of "$pod")
		lab_ip "$node" link set "veth${pod##*[0-9]}" mtu "$1"
		lab_ip "$pod" link set eth0 mtu "$1"
	done
}
set_mtu 9000
jumbo() {
	lab_wait 5 fits "$w4" $((8930 - 28))
	fits "$w6" $((8930 - 48))
	too_big "$w4" $((8931 - 28)) 8930
}
t "jumbo frames: the underlay's new MTU is taken over and carried" jumbo
t "jumbo: TCP" tcp_moves east-1a "$(lab_addr west-1b 4)"

for node in $LAB_NODES; do
	lab_agent_stop "$node"
	LAB_MODE=native LAB_FAMILY=auto lab_config "$node"
done
lab_agents_up
t "native: the whole MTU belongs to the pod, IPv4" fits "$w4" $((9000 - 28))
t "native, IPv6" fits "$w6" $((9000 - 48))
narrow() { # the underlay is smaller than the pods' links
	local node
	for node in $LAB_NODES; do
		lab_ip fabric link set "ul-$node" mtu 1500
		lab_ip "$node" link set eth0 mtu 1500
	done
	lab_wait 5 too_big "$w4" 1473 1500
	too_big "$w6" 1453 1500
	fits "$w4" 1472
}
t "native: larger than the underlay is answered" narrow

for node in $LAB_NODES; do
	lab_agent_stop "$node"
	LAB_FAMILY=ipv6 lab_config "$node"
done
lab_agents_up
# A router of the underlay with a smaller MTU further on, as a provider's tunnel has it: routers do not fragment IPv6.
lab_ip fabric address add 2001:db8::1/64 dev br0 nodad
lab_sysctl fabric net.ipv6.conf.all.forwarding=1
lab_ip fabric -6 route add "$(lab_addr west-1 6)/128" dev br0 mtu 1400
lab_ip east-1 -6 route add "$(lab_addr west-1 6)/128" via 2001:db8::1
t "narrower further on: IPv4 is answered with what fits" lab_wait 8 too_big "$w4" 1303 1330
t "narrower further on: IPv6 too" lab_wait 8 too_big "$w6" 1283 1330
t "narrower further on: a full frame without DF is fragmented" ping_ok east-1a "$w4" -M dont -s 1402
t "narrower further on: TCP, IPv4" tcp_moves east-1a "$(lab_addr west-1b 4)"
t "narrower further on: TCP, IPv6" tcp_moves east-1a "$(lab_addr west-1b 6)"
t_end
