#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# failover.sh: the nodes of a whole cluster are cut off: new connections reach another cluster within
# 4 s, sockets that hang on it end; it comes back when it is healed. Agents die, feeds go: services
# and streams stay.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
t_begin
LAB_NODES="east-1 west-1 north-1" LAB_SOCKETS=1
conn_build
lab_fabric_up
lab_feeds
lab_service east web 20 "" "prefer=west,*"
lab_service west web 20 "west-1a west-1b"
lab_service north web 20 "north-1a"
lab_service east only 21 ""
lab_service west only 21 "west-1a"
for node in $LAB_NODES; do
	lab_node_up "$node"
	lab_pod_up "${node}a"
	lab_pod_up "${node}b"
	lab_config "$node"
done
for pod in west-1a west-1b north-1a; do conn_serve "$pod"; done
lab_agents_up
vip() { lab_vip east "$1" "$2"; }

is_up() { # NODE up|down|unknown, as east-1 sees it
	lab_x east-1 --json peer get "${1%-*}" |
		jq -e --arg n "$1" --arg h "$2" '[.. | objects | select(.node? == $n and .health? == $h)] | length > 0'
}
t "nodes that back services are probed, and up" lab_wait 10 is_up west-1 up
t "the preferred cluster answers" answered_by socket east-1a "$(vip 20 4)" "west-1a west-1b"

# From the cut to the first answer of north, each family and mode at the same time.
failover() {
	local mode f pids=() rc=0
	local ready=$LAB_DIR/killed-ready
	lab_bg_in east-1b killed "$LAB_TOP/tests/e2e/sockets.py" killed "$(vip 20 4)" 7 "$ready" 9000
	killed=$LAB_PID
	echo "$killed" >"$LAB_DIR/killed.pid"
	lab_wait 5 test -e "$ready"
	lab_cut west-1
	for mode in socket packet; do
		for f in 4 6; do
			conn $mode east-1a until "$(vip 20 $f)" 7 8000 north-1a >"$LAB_DIR/log/failover-$mode-$f" &
			pids+=($!)
		done
	done
	for pid in "${pids[@]}"; do wait "$pid" || rc=1; done
	return "$rc"
}
t "all nodes of the preferred cluster are cut off: another one answers" failover
for mode in socket packet; do
	for f in 4 6; do
		within() { # MS
			cat "$LAB_DIR/log/failover-$mode-$f"
			awk -v max="$1" '/^north-1a after/ { exit !($3 <= max) } { exit 1 }' "$LAB_DIR/log/failover-$mode-$f"
		}
		t "$mode, IPv$f: within 4 s: $(cat "$LAB_DIR/log/failover-$mode-$f")" within 4000
	done
done
destroyed() {
	lab_wait 10 lab_gone "$(cat "$LAB_DIR/killed.pid")"
	cat "$LAB_DIR/log/killed"
	grep -q 'after' "$LAB_DIR/log/killed" && ! grep -qE 'an answer|still connected' "$LAB_DIR/log/killed"
}
t "a socket that hangs on the dead cluster is ended" destroyed
t "the node is shown as down" is_up west-1 down
why() { lab_x east-1 service get lab/web | tee /dev/stderr | grep -q 'does not answer probes'; }
t "and its backends say why they are out" why
t "with nothing else left a service refuses at once" \
	conn socket east-1a refused "$(vip 21 4)" 7 100
t "per packet too" conn packet east-1a refused "$(vip 21 4)" 7 100

healed() {
	lab_heal west-1
	conn socket east-1a until "$(vip 20 4)" 7 12000 west-1a west-1b
	conn packet east-1a until "$(vip 20 6)" 7 2000 west-1a west-1b
	is_up west-1 up
}
t "healed, it is used again" healed
t "and alone, as it is preferred" answered_by packet east-1a "$(vip 20 4)" "west-1a west-1b"

# ---- agents die, feeds go ----

stop=$LAB_DIR/stop
jobs=
for mode in socket packet; do
	case $mode in
	socket) lab_bg_in east-1a "hold-$mode" "$LAB_DIR/conn" hold "$(vip 20 4)" 7 4 "$stop" ;;
	packet) lab_bg east-1a "hold-$mode" "$LAB_DIR/conn" hold "$(vip 20 6)" 7 4 "$stop" ;;
	esac
	jobs="$jobs $LAB_PID"
	lab_wait 5 grep -q '^holding' "$LAB_DIR/log/hold-$mode"
done
dead() {
	lab_agent_stop east-1 KILL
	lab_agent_stop west-1 KILL
	for mode in socket packet; do
		answered_now $mode east-1b "$(vip 20 4)" "west-1a west-1b"
		answered_now $mode east-1b "$(vip 20 6)" "west-1a west-1b"
	done
}
t "with the agents killed services go on" dead
feedless() { # started with no feed at all: what was pinned is still wanted
	mv "$LAB_DIR/feeds" "$LAB_DIR/feeds-away"
	lab_agent_begin east-1
	lab_wait 20 lab_x east-1 status
	lab_wait 20 lab_pods_known east-1
	for mode in socket packet; do
		answered_now $mode east-1b "$(vip 20 4)" "west-1a west-1b"
		answered_now $mode east-1b "$(vip 20 6)" "west-1a west-1b"
	done
	lab_x east-1 service get lab/web
}
t "an agent that starts while all feeds are gone keeps services" feedless
back() {
	mv "$LAB_DIR/feeds-away" "$LAB_DIR/feeds"
	lab_agent_stop east-1
	lab_agent_start east-1
	lab_agent_start west-1
	lab_service west web 20 "west-1b"
	answered_by socket east-1b "$(vip 20 4)" "west-1b"
	answered_by packet east-1b "$(vip 20 4)" "west-1b"
	lab_service west web 20 "west-1a west-1b"
	answered_by packet east-1b "$(vip 20 4)" "west-1a west-1b"
}
t "the feeds are back, agents restarted: changes are taken over" back
touch "$stop"
unbroken() { # a stream that was on west-1a while its endpoint was gone may end; those of west-1b not
	local job
	for job in $jobs; do lab_wait 5 lab_gone "$job"; done
	tail -n 2 "$LAB_DIR"/log/hold-*
}
t "streams ended" unbroken
t_end
