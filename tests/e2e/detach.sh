#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# detach.sh: two bare-metal hosts with no agent: apply, attach, endpoint add, detach; and that
# `detach --all --purge` leaves no link, pin, route, rule, qdisc, neighbour or device behind.
# Runs beside others.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
t_begin
LAB_NODES="east-1 west-1" LAB_MODE='{ipv4: tunnel, ipv6: native}'
lab_fabric_up
lab_feeds
for node in $LAB_NODES; do
	lab_node_up "$node"
	lab_pod_up "${node}a"
	lab_pod_up "${node}b"
	lab_config "$node"
done
w4=$(lab_addr west-1a 4) w6=$(lab_addr west-1a 6)

state() { # NODE: all that could be left behind
	local ns
	ns=$(lab_ns "$1")
	ip -n "$ns" -d link show | grep -v 'link-netns'
	ip -n "$ns" address show
	ip -n "$ns" rule show
	ip -n "$ns" -6 rule show
	ip -n "$ns" route show table all | sort
	ip -n "$ns" -6 route show table all | sort
	ip -n "$ns" neigh show nud permanent
	nsenter --net="/run/netns/$ns" tc qdisc show
	nsenter --net="/run/netns/$ns" bpftool net list
	# iproute2 makes tc, ip and xdp in the first bpffs that it finds, which may be this one.
	find "$LAB_DIR/bpf" \( -path '*/bpf/tc' -o -path '*/bpf/ip' -o -path '*/bpf/xdp' \) -prune -o -print | sort
	find "$LAB_DIR/run" -name "*$1*.sock"
}
for node in $LAB_NODES; do
	state "$node" >"$LAB_DIR/before-$node"
done
reach() {
	ping_ok east-1a "$w4"
	ping_ok east-1a "$w6"
}
t "before: no way there" ping_lost east-1a "$w4"
planned() {
	lab_x east-1 apply --dry-run | tee -a /dev/stderr | grep -qF 10.2.1.0/24
	state east-1 | diff "$LAB_DIR/before-east-1" -
}
t "apply --dry-run prints the plan and changes nothing" planned
applied() {
	lab_x east-1 apply
	lab_x west-1 apply
	lab_wait 5 reach
}
t "apply once on each host, no agent stays: pods talk" applied
t "and by the fast path" counter_moves east-1 tunnel ping_ok east-1a "$w4"
again() {
	lab_x east-1 apply
	lab_x east-1 apply --dry-run
	reach
}
t "apply again changes nothing" again
detached() {
	lab_x east-1 detach vetha
	lab_x east-1 --json status | jq -e '[.. | strings | select(. == "vetha")] | length == 0'
	ping_ok east-1a "$w4" # through the kernel and xmesh0
	ping_ok east-1a "$(lab_addr west-1 4)"
	fails counter_moves east-1 tunnel ping_ok east-1a "$w4"
}
t "detach of one interface: the kernel's routes carry it, slower" detached
attached() {
	lab_x east-1 attach vetha --role pod
	counter_moves east-1 tunnel ping_ok east-1a "$w4"
}
t "attach it again: the fast path" attached
underlay() {
	lab_x west-1 detach eth0
	reach
	lab_x west-1 attach eth0 --role underlay
	counter_moves west-1 local ping_ok east-1a "$w4"
}
t "the underlay detached: the kernel's device receives; attached again" underlay
endpoint() {
	lab_ip east-1b address add 10.1.1.50/32 dev eth0
	lab_ip east-1 route add 10.1.1.50/32 dev vethb
	counter_moves east-1 pod_source ping_lost east-1b "$w4" -I 10.1.1.50
	lab_x east-1 endpoint add 10.1.1.50 vethb
	ping_ok east-1b "$w4" -I 10.1.1.50
	lab_x east-1 endpoint list | grep -F 10.1.1.50
	lab_x east-1 endpoint del 10.1.1.50
	fails eval 'lab_x east-1 endpoint list | grep -F 10.1.1.50'
	exits 3 lab_x east-1 endpoint del 10.1.1.50
	lab_ip east-1 route del 10.1.1.50/32 dev vethb
}
t "endpoint add and del" endpoint
t "attach of an interface that is not there fails and names it" refuses nosuch0 lab_x east-1 attach nosuch0 --role pod
echo 'int foreign(void *c) { return -1; }' | # TC_ACT_UNSPEC: the next program
	sed 's/int/__attribute__((section("tc"), used)) &/' |
	clang -target bpf -O2 -x c -c - -o "$LAB_DIR/foreign.o"
foreign() { # a program of somebody else on the same hook stays, and ours beside it
	lab_exec east-1 tc qdisc replace dev vethb clsact
	lab_exec east-1 tc filter add dev vethb ingress prio 7 handle 7 bpf da obj "$LAB_DIR/foreign.o" sec tc
	lab_x east-1 apply
	lab_exec east-1 tc filter show dev vethb ingress | grep -q 'pref 7 '
	ping_ok east-1b "$w4"
}
t "a foreign clsact filter stays" foreign
after_all() {
	lab_x east-1 detach --all
	ping_ok east-1a "$w4"
}
t "detach --all: the kernel's routes still carry it" after_all
foreign_stays() {
	lab_exec east-1 tc filter show dev vethb ingress | grep -q 'pref 7 '
}
t "and the foreign filter is still there" foreign_stays
purged() {
	lab_exec east-1 tc qdisc del dev vethb clsact
	# Both instances share the bpffs: only the last purge leaves it as it was.
	lab_x east-1 detach --all --purge
	lab_x west-1 detach --all --purge
	state east-1 | diff "$LAB_DIR/before-east-1" -
	state west-1 | diff "$LAB_DIR/before-west-1" -
}
t "detach --all --purge leaves nothing behind" purged
t "and there is no way there, as before" ping_lost east-1a "$w4"
t "detach --all --purge with nothing there is no error" lab_x east-1 detach --all --purge

with_sockets() { # services and socket programs too
	LAB_SOCKETS=1 lab_config east-1
	lab_x east-1 apply
	[ -n "$(bpftool cgroup show "$(lab_cgroup east-1)")" ]
	find "$LAB_DIR/bpf/xmesh/east-1/links"
	find "$LAB_DIR/bpf/xmesh/east-1/links" | grep -q egress
	lab_x east-1 detach --all --purge
	[ -z "$(bpftool cgroup show "$(lab_cgroup east-1)")" ]
	state east-1 | diff "$LAB_DIR/before-east-1" -
	lab_config east-1
}
t "nor of socket programs on a cgroup, nor of those on the way to pods" with_sockets
with_agent() { # and after an agent that was killed
	lab_agent_start east-1
	lab_agent_stop east-1 KILL
	lab_x east-1 detach --all --purge
	state east-1 | diff "$LAB_DIR/before-east-1" -
}
t "nothing is left of a killed agent either" with_agent

failed() { # TURNS: at least so many have failed
	lab_x east-1 --json status | jq -e ".agent.turns.failed >= $1"
}
no_links() { [ -z "$(ls -A "$LAB_DIR/bpf/xmesh/east-1/links")" ]; }
holds_port() { [ -n "$(lab_exec east-1 ss -Hluan "sport = :8492")" ]; }
port_taken() { # such a turn makes the device and removes it: that must not call for the next one at once
	local start holder
	lab_bg east-1 holder "$LAB_TOP/tests/e2e/packets.py" udp-echo 8492
	holder=$LAB_PID
	lab_wait 5 holds_port
	start=$(date +%s%N)
	lab_agent_begin east-1
	lab_wait 30 failed 6
	[ $((($(date +%s%N) - start) / 1000000)) -gt 2000 ]
	grep -F 'UDP port 8492 is held' "$LAB_DIR/log/agent-east-1"
	lab_wait 5 no_links
	kill "$holder"
	lab_agent_ready east-1
	lab_agent_stop east-1
	lab_x east-1 detach --all --purge
	state east-1 | diff "$LAB_DIR/before-east-1" -
}
t "while the tunnel's port is taken the agent tries again, but not all the time" port_taken
t_end
