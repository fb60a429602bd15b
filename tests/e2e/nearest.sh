#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# nearest.sh: two clusters serve, one is far away: connections move to the near one, in steps and not
# faster than they may, and the far one keeps its floor. A restarted agent goes on from there. A cluster
# that resets every handshake is left while its nodes still answer.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
t_begin
export LAB_NODES="east-1 west-1 north-1" LAB_SOCKETS=1
conn_build
lab_fabric_up
lab_feeds
lab_service east web 20 "" nearest=true
lab_service west web 20 "west-1a"
lab_service north web 20 "north-1a"
for node in $LAB_NODES; do
	lab_node_up "$node"
	lab_pod_up "${node}a"
	lab_config "$node"
done
lab_delay north-1 5000
conn_serve north-1a
conn_serve west-1a
server=$LAB_PID
vip=$(lab_vip east 20 4)

# What the weight of west is, again and again, with the time in ms: "1234 50".
nearest() { lab_x east-1 --json service get lab/web | jq -c '.nearest'; }
of() { nearest | jq -r ".[] | select(.cluster == \"$1\") | .$2"; } # CLUSTER KEY
sample() {
	local out=$LAB_DIR/samples t w
	while [ ! -e "$LAB_DIR/stop" ]; do
		t=$((${EPOCHREALTIME/[.,]/} / 1000))
		w=$(of west weight 2>/dev/null) && [ -n "$w" ] && echo "$t $w" >>"$out"
		sleep 0.3 # between two looks
	done
}
traffic() {
	while [ ! -e "$LAB_DIR/stop" ]; do
		conn packet east-1a count "$vip" 7 20 || true
		conn socket east-1a count "$vip" 7 20 || true
		sleep 0.2 # not to be the load that is measured
	done
}
lab_agents_up
sample &
traffic >"$LAB_DIR/log/traffic" 2>&1 &

weight_is() { [ "$(of "$1" weight)" = "$2" ]; }
near() { lab_wait 40 weight_is west 99 && weight_is north 1; }
t "connections move to the near cluster" near
# Of samples: at most 20 points at once, and 5 s between two moves, less what a sample takes.
paced() {
	lab_wait 5 is_sampled "$(of west weight)"
	cat "$LAB_DIR/samples"
	awk 'NR == 1 && $2 != 50 && $2 != 70 { print "began at " $2; bad = 1 }
	     NR > 1 && $2 != w {
		d = $2 > w ? $2 - w : w - $2
		if (d > 20) { print "moved by " d; bad = 1 }
		if (moved && $1 - moved < 3500) { print "after " $1 - moved " ms"; bad = 1 }
		moved = $1; moves++
	     }
	     { w = $2 }
	     END { exit bad || moves < 2 }' "$LAB_DIR/samples"
}
is_sampled() { [ "$(tail -n 1 "$LAB_DIR/samples" | cut -d' ' -f2)" = "$1" ]; }
t "by at most 20 points in 5 s" paced
shown() {
	lab_x east-1 service get lab/web
	nearest
	nearest | jq -e 'map({(.cluster): .}) | add | .north.of == "handshake" and .north.rtt_us > 9500 and
		.north.rtt_us < 20000 and .west.rtt_us < 5000 and .west.wanted == 99 and (.west.grey | not)'
	lab_x east-1 service get lab/web | grep -qE '^north +1[0-9]\.[0-9]+ ms +handshake'
}
t "service get shows the numbers behind the weights" shown
floor() { # of 2000 connections, 20
	local mode
	for mode in packet socket; do
		shares $mode east-1a "$vip" 2000 | tee "$LAB_DIR/floor"
		awk '$1 == "north-1a" { n = $2 } END { exit !(n >= 5 && n <= 60) }' "$LAB_DIR/floor"
	done
}
t "the far one has its hundredth of connections" floor

restarted() {
	lab_agent_stop east-1
	lab_agent_start east-1
	lab_x east-1 service get lab/web | grep -q 'nearest: west=99,north=1'
	lab_wait 15 measured
	weight_is west 99
}
measured() { [ "$(nearest | jq 'map(select(.rtt_us > 0)) | length')" = 2 ]; }
t "a restarted agent goes on from the weights that were there" restarted

# Nobody listens on west-1a any more: its kernel resets every SYN, and its node is well.
grey() {
	kill "$server"
	lab_wait 15 is_grey true
	nearest
	lab_x east-1 --json peer get west |
		jq -e '[.. | objects | select(.node? == "west-1" and .health? == "up")] | length > 0'
}
is_grey() { [ "$(of west grey)" = "$1" ]; }
t "a cluster that resets handshakes is grey while its node is up" grey
left() {
	lab_wait 20 less
	nearest
}
less() { [ "$(of west weight)" -le 39 ]; }
t "and is left" left
t "never faster than it may" paced
touch "$LAB_DIR/stop"
wait
t_end
