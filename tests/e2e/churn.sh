#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# churn.sh [SECONDS]: streams to living backends of a global service, at the socket and per packet,
# IPv4 and IPv6, while other backends come and go 50 times a second through the feed for a minute:
# no reset, no stall; and new connections are answered all the while.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
t_begin
seconds=${1:-60}
LAB_NODES="east-1 west-1" LAB_SOCKETS=1
conn_build
lab_fabric_up
lab_feeds
lab_service east web 20 "east-1b"
lab_service west web 20 "west-1a"
for node in $LAB_NODES; do
	lab_node_up "$node"
	lab_pod_up "${node}a"
	lab_pod_up "${node}b"
	lab_config "$node"
done
# Half of the streams go to a backend of the other cluster, half to one of the same node.
for pod in east-1b west-1a west-1b; do conn_serve "$pod"; done
lab_agents_up
vip4=$(lab_vip east 20 4) vip6=$(lab_vip east 20 6)
answered_by packet east-1a "$vip4" "east-1b west-1a"

# Sixteen feeds of west, which differ in the backends beside west-1a: one that lives (west-1b), is
# draining, or is gone, and up to seven that nobody has.
mkdir "$LAB_DIR/variants"
for v in $(seq 0 15); do
	beside=$(case $((v % 3)) in 0) echo west-1b ;; 1) echo west-1b:draining ;; esac)
	lab_service_yaml west web 20 "west-1a $beside" |
		awk -v n=$((v % 8)) '{ print }
			/^addressType:/ { v6 = /IPv6/ }
			/^endpoints:/ { for (i = 1; i <= n; i++)
				printf "- {addresses: [\"%s%d\"], nodeName: west-1, conditions: {ready: false, serving: true, terminating: true}}\n",
					v6 ? "fd00:10:2:1::10" : "10.2.1.10", i }' >"$LAB_DIR/variants/$v"
done

stop=$LAB_DIR/stop
jobs=
hold() { # MODE VIP NAME...
	local log=hold-$1-$2
	case $1 in
	socket) lab_bg_in east-1a "$log" "$LAB_DIR/conn" hold "$2" 7 8 "$stop" "${@:3}" ;;
	packet) lab_bg east-1a "$log" "$LAB_DIR/conn" hold "$2" 7 8 "$stop" "${@:3}" ;;
	esac
	jobs="$jobs $LAB_PID"
	lab_wait 10 grep -q '^holding' "$LAB_DIR/log/$log"
}
for vip in "$vip4" "$vip6"; do
	hold socket "$vip" west-1a east-1b
	hold packet "$vip" west-1a east-1b
done

applied() { lab_x east-1 metrics | awk '/^xmesh_apply_seconds_count/ { print $2; n = 1 } END { if (!n) print 0 }'; }
churn() { # one change every 20 ms: atomic renames of the one file
	local end=$((${EPOCHREALTIME/[.,]/} + seconds * 1000000)) due=${EPOCHREALTIME/[.,]/} now n=0
	while [ "$due" -lt "$end" ]; do
		cp "$LAB_DIR/variants/$((n % 16))" "$LAB_DIR/feeds/west/.web.new"
		mv "$LAB_DIR/feeds/west/.web.new" "$LAB_DIR/feeds/west/lab-web.yaml"
		n=$((n + 1))
		due=$((due + 20000))
		now=${EPOCHREALTIME/[.,]/}
		[ "$now" -ge "$due" ] || sleep "0.0$(printf %05d $((due - now)))"
	done
	echo "$n" >"$LAB_DIR/changes"
}
churn &
churner=$!
new_ones() { # while it goes on: no new connection fails that is made to a living backend
	local n=0 failed=0
	while ! lab_gone "$churner"; do
		# A connection may meet an address that nobody has only if it was listed as ready: none is.
		conn "$1" east-1b count "$vip4" 7 50 >"$LAB_DIR/new-$1" || failed=$((failed + 1))
		n=$((n + 1))
		sleep 0.1
	done
	echo "$n times 50 connections, $failed with a failure"
	tail -n 4 "$LAB_DIR/new-$1"
	[ "$n" -gt 0 ] && [ "$failed" = 0 ]
}
t "new connections at sockets are answered all the while" new_ones socket
wait "$churner"
rate() {
	echo "$(cat "$LAB_DIR/changes") changes in $seconds s"
	[ "$(cat "$LAB_DIR/changes")" -ge $((seconds * 45)) ]
}
t "the feed changed 50 times a second: $(cat "$LAB_DIR/changes") in $seconds s" rate
lab_service west web 20 "west-1a west-1b"
t "the last state is taken over" answered_by packet east-1a "$vip4" "east-1b west-1a west-1b"
touch "$stop"
for job in $jobs; do lab_wait 5 lab_gone "$job" || true; done
unbroken() {
	cat "$1"
	grep -q '^streams 8 resets 0 stalls 0 ' "$1"
}
for mode in socket packet; do
	for vip in "$vip4" "$vip6"; do
		log=$LAB_DIR/log/hold-$mode-$vip
		t "$mode, $vip: 8 streams: $(tail -n 1 "$log")" unbroken "$log"
	done
done
alive() { lab_x east-1 status && fails lab_gone "$(lab_agent_pid east-1)"; }
t "the agent is alive and well" alive
t_end
