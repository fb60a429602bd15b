#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# probertt.sh: round trips of probes are those of the network, near and far, over IPv4 and IPv6, whatever
# the agent is busy with; losses are counted; counters survive the agent.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
t_begin
LAB_NODES="east-1 west-1 north-1" LAB_FAMILY=ipv4
lab_fabric_up
lab_feeds
lab_service east web 20 ""
lab_service west web 20 west-1a
lab_service north web 20 north-1a
for node in $LAB_NODES; do
	lab_node_up "$node"
	lab_pod_up "${node}a"
	lab_config "$node"
done
lab_delay north-1 100000
lab_agents_up

of() { # NODE KEY: as east-1 tells; 0 = nothing yet
	lab_x east-1 --json peer get "${1%-*}" |
		jq -r --arg n "$1" --arg k "$2" '[.. | objects | select(.node? == $n)][0][$k] // 0'
}
probed() { [ "$(of "$1" probes)" -ge "$2" ]; }          # NODE N
rtt_within() {                                          # NODE MIN MAX, in us
	local rtt
	rtt=$(of "$1" rtt_us)
	echo "$1: $rtt us"
	[ "$rtt" -ge "$2" ] && [ "$rtt" -le "$3" ]
}
# 5 % of 200 ms; the forwarder is late by up to a millisecond each way on a busy machine.
is_far() { rtt_within north-1 199000 210000; }
is_near() { rtt_within west-1 5 1000; }
enough() { probed west-1 "$1" && probed north-1 "$1"; }
measured() { # NODE: of what was answered, nine of ten have a time
	local probes lost unmeasured
	probes=$(of "$1" probes) lost=$(of "$1" probes_lost) unmeasured=$(of "$1" probes_unmeasured)
	echo "$probes asked, $lost lost, $unmeasured unmeasured"
	[ $((10 * unmeasured)) -le $((probes - lost)) ]
}

t "nodes that back services are asked" lab_wait 30 enough 15
t "over IPv4 a far node has its round trip within 5 %" is_far
t "and a near one less than a millisecond" is_near
t "nearly all have a time" measured west-1
t "the far ones too" measured north-1

# A feed of many services that changes all the time: turns of the agent that take long.
busy() {
	local i until=$((SECONDS + 15)) before
	before=$(of west-1 probes)
	lab_service_yaml west busy-0 30 west-1a >"$LAB_DIR/one.yaml"
	for i in $(seq 1000); do
		sed "s/busy-0/busy-$i/" "$LAB_DIR/one.yaml"
		echo ---
	done >"$LAB_DIR/busy.yaml"
	while [ "$SECONDS" -lt "$until" ] || ! probed west-1 $((before + 15)); do
		{
			echo "# $EPOCHREALTIME"
			cat "$LAB_DIR/busy.yaml"
		} >"$LAB_DIR/feeds/west/.busy.new"
		mv "$LAB_DIR/feeds/west/.busy.new" "$LAB_DIR/feeds/west/busy.yaml"
		sleep 0.3
		[ "$SECONDS" -lt $((until + 30)) ]
	done
	is_near
}
t "an agent that is busy does not change the near one's" busy
t "nor the far one's" is_far
rm -f "$LAB_DIR/feeds/west/busy.yaml"

losses() {
	local lost
	lost=$(of west-1 probes_lost)
	lab_cut west-1
	more() { [ "$(of west-1 probes_lost)" -ge $((lost + 4)) ]; }
	lab_wait 15 more
	lab_heal west-1
}
t "losses are counted" losses
t "and are no round trips" is_near

survives() {
	local probes lost
	probes=$(of west-1 probes) lost=$(of west-1 probes_lost)
	lab_agent_stop east-1 KILL
	[ "$(of west-1 probes)" -ge "$probes" ]
	lab_agent_start east-1
	lab_wait 20 probed west-1 $((probes + 3))
	[ "$(of west-1 probes_lost)" -ge "$lost" ]
	is_near
	is_far
}
t "counters survive the agent, killed" survives

over_ipv6() {
	local node
	LAB_FAMILY=ipv6
	for node in $LAB_NODES; do
		lab_agent_stop "$node"
		lab_x "$node" detach --all --purge # what was measured over IPv4 too
		lab_config "$node"
		lab_agent_begin "$node"
	done
	for node in $LAB_NODES; do lab_agent_ready "$node"; done
	lab_wait 40 enough 15
	is_far
	is_near
}
t "over IPv6 both are as far" over_ipv6

t_end
