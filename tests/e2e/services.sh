#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# services.sh: who answers at the VIP of a global service: backends of all clusters, by weights, tiers,
# affinity and health, at the socket and per packet, IPv4 and IPv6. What programs see of it through
# socket calls: tests/e2e/sockets.sh.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
t_begin
LAB_NODES="east-1 east-2 west-1 north-1" LAB_SOCKETS=1
conn_build

# A number for each service; clusters other than east have it too, as a global service asks for.
services_write() {
	lab_service east web 20 "east-1a east-2a"
	lab_service west web 20 "west-1a"
	lab_service north web 20 "north-1a"
	lab_service east canary 21 "east-1a east-2a" weights=east=90,west=10
	lab_service west canary 21 "west-1a"
	lab_service east sticky 22 "east-1a east-2a" affinity:3
	lab_service west sticky 22 "west-1a"
	lab_service east tiers 23 "east-2a:unready" "prefer=local,west,*"
	lab_service west tiers 23 "west-1a"
	lab_service north tiers 23 "north-1a"
	lab_service east private 24 "east-2a"
	lab_service west private 24 "west-1a" shared=false
	lab_service east empty 25 "east-2a:unready"
	lab_service west empty 25 ""
	lab_service east self 26 "east-1a"
	lab_service east onhost 27 ""
	lab_service west onhost 27 "west-1"
	lab_service east bare 28 "east-2a" headless
	lab_service west bare 28 "west-1a" headless
	lab_service east drain 29 "east-2a"
	lab_service west drain 29 "west-1a"
	lab_service east alone 30 "east-2a" local
	lab_service west alone 30 "west-1a"
	lab_service east ending 31 "east-2a:terminating"
	lab_service west ending 31 "west-1a:terminating"
}
lab_fabric_up
lab_feeds
services_write
for node in $LAB_NODES; do
	lab_node_up "$node"
	lab_pod_up "${node}a"
	lab_pod_up "${node}b"
	lab_config "$node"
done
for pod in east-1a east-2a west-1a north-1a west-1; do conn_serve "$pod"; done
lab_agents_up

vip() { lab_vip east "$1" "$2"; } # NUMBER 4|6, of east: all clients here are
modes="socket packet"

curl_all() { # MODE FAMILY: pages of all clusters
	local host seen='' i page
	host=$(vip 20 "$2")
	case $host in *:*) host="[$host]" ;; esac
	for i in $(seq 60); do
		page=$(as "$1" east-1b curl -sS -m 5 "http://$host/")
		grep -qwF "${page#hello from }" <<<"$seen" || seen="$seen ${page#hello from }"
		[ "$(wc -w <<<"$seen")" != 4 ] || break
	done
	echo "pages of:$seen after $i"
	[ "$(tr ' ' '\n' <<<"$seen" | grep . | sort | paste -sd' ')" = "east-1a east-2a north-1a west-1a" ]
}
for mode in $modes; do
	for f in 4 6; do
		t "$mode, IPv$f: curl to the ClusterIP gets pages of all clusters" curl_all "$mode" "$f"
	done
done

share() { # MODE POD ADDRESS N NAMES LOW HIGH: NAMES got between LOW and HIGH per mille together
	local got
	shares "$1" "$2" "$3" "$4" >"$LAB_DIR/share-$1"
	cat "$LAB_DIR/share-$1"
	grep -qx 'failed 0' "$LAB_DIR/share-$1"
	got=$(awk -v names=" $5 " 'index(names, " " $1 " ") { n += $2 } END { print n + 0 }' "$LAB_DIR/share-$1")
	echo "$5: $got of $4"
	[ "$((got * 1000))" -ge $(($6 * $4)) ] && [ "$((got * 1000))" -le $(($7 * $4)) ]
}
t "socket: weights east=90,west=10: 90 % +- 1 over 100 000 connections" \
	share socket east-1b "$(vip 21 4)" 100000 "east-1a east-2a" 890 910
t "packet: the same, per packet" \
	share packet east-2b "$(vip 21 4)" 100000 "east-1a east-2a" 890 910
t "packet, IPv6: 90 % +- 1 over 20 000 connections" \
	share packet east-1b "$(vip 21 6)" 20000 "east-1a east-2a" 890 910
t "equal backends of all clusters get equal shares" \
	share socket east-1b "$(vip 20 4)" 20000 "west-1a" 240 260

sticks() { # MODE FAMILY: one backend for all connections of a client, and not the same for all clients
	local mode=$1 a pod seen=''
	for pod in east-1b east-2b east-1a east-2a; do
		a=$(shares "$mode" "$pod" "$(vip 22 "$2")" 50) || :
		echo "$pod: $a"
		[ "$(wc -l <<<"$a")" = 2 ] && grep -qx 'failed 0' <<<"$a" || return 1
		seen="$seen ${a%% *}"
	done
	echo "chosen:$seen"
}
forgets() { # MODE: after the timeout (3 s without a connection) another one is chosen sooner or later
	local first now
	first=$(shares "$1" east-1b "$(vip 22 4)" 1 | head -n 1)
	lab_wait 60 chosen_again "$1" "$first" || return 1
	now=$(shares "$1" east-1b "$(vip 22 4)" 20)
	echo "$first, then $now"
	[ "$(wc -l <<<"$now")" = 2 ]
}
chosen_again() {
	sleep 3.2 # the timeout itself
	[ "$(shares "$1" east-1b "$(vip 22 4)" 1 | head -n 1)" != "$2" ]
}
for mode in $modes; do
	t "$mode: ClientIP affinity, IPv4" sticks "$mode" 4
	t "$mode: ClientIP affinity, IPv6" sticks "$mode" 6
	t "$mode: affinity ends with its timeout" forgets "$mode"
done

for mode in $modes; do
	t "$mode: the first tier of prefer that has usable backends is used" \
		answered_by "$mode" east-1b "$(vip 23 4)" "west-1a"
	t "$mode: shared: false keeps a cluster's backends to itself" \
		answered_by "$mode" east-1b "$(vip 24 6)" "east-2a"
	t "$mode: serving and terminating backends are the last resort" \
		answered_by "$mode" east-1b "$(vip 31 4)" "east-2a west-1a"
	t "$mode: a backend on the host network of a peer" answered_by "$mode" east-1b "$(vip 27 4)" "west-1"
	t "$mode: the same over IPv6" answered_by "$mode" east-1b "$(vip 27 6)" "west-1"
	t "$mode: a pod is its own backend" answered_by "$mode" east-1a "$(vip 26 4)" "east-1a"
	t "$mode: a pod is its own backend, IPv6" answered_by "$mode" east-1a "$(vip 26 6)" "east-1a"
done
t "a service that is not global here has no VIP of ours" \
	fails grep -qF '"lab/alone"' <(lab_x east-1 --json service list)
no_vip() {
	lab_x east-1 --json service list >"$LAB_DIR/services.json"
	! grep -qF "lab/bare" <(lab_x east-1 map dump xm_services)
	! lab_x east-1 --json map dump xm_services | grep -qF "$(vip 28 4)"
}
t "a headless service has no VIP" no_vip

refused_now() { # MODE FAMILY
	counter_moves east-1 refused conn "$1" east-1b refused "$(vip 25 "$2")" 7 100
}
for mode in $modes; do
	for f in 4 6; do
		t "$mode, IPv$f: no usable backend: refused within 100 ms, and counted" refused_now "$mode" "$f"
		t "$mode, IPv$f: UDP too" sockets "$mode" east-1b udp-refused "$(vip 25 "$f")" 7 100
	done
done
filled() { # an endpoint becomes ready: used within a second; gone again: refused again
	lab_service west empty 25 "west-1a"
	conn "$1" east-1b until "$(vip 25 4)" 7 2000 west-1a
	lab_service west empty 25 ""
	lab_wait 2 conn "$1" east-1b refused "$(vip 25 4)" 7 100
}
for mode in $modes; do
	t "$mode: a backend that comes is used at once, and one that goes is not" filled "$mode"
done

drains() { # MODE: weight 0: what is there goes on, nothing new
	local stop=$LAB_DIR/drain-$1 log=drain-$1 hold
	case $1 in
	socket) lab_bg_in east-1b "$log" "$LAB_DIR/conn" hold "$(vip 29 4)" 7 4 "$stop" west-1a ;;
	packet) lab_bg east-1b "$log" "$LAB_DIR/conn" hold "$(vip 29 4)" 7 4 "$stop" west-1a ;;
	esac
	hold=$LAB_PID
	lab_wait 5 grep -q '^holding' "$LAB_DIR/log/$log"
	lab_service east drain 29 "east-2a" weights=east=1,west=0
	answered_by "$1" east-1b "$(vip 29 4)" "east-2a"
	shares "$1" east-1b "$(vip 29 4)" 1000 | only_from "east-2a"
	lab_x east-1 service get lab/drain
	# The endpoint terminates, as when its cluster is taken out of service.
	lab_service west drain 29 "west-1a:terminating"
	lab_wait 2 grep -q terminating <(lab_x east-1 service get lab/drain) || true
	shares "$1" east-1b "$(vip 29 4)" 200 | only_from "east-2a"
	touch "$stop"
	lab_wait 5 lab_gone "$hold"
	cat "$LAB_DIR/log/$log"
	grep -q '^streams 4 resets 0 stalls 0 ' "$LAB_DIR/log/$log"
	lab_service east drain 29 "east-2a"
	lab_service west drain 29 "west-1a"
	answered_by "$1" east-1b "$(vip 29 4)" "east-2a west-1a"
}
for mode in $modes; do
	t "$mode: weight 0 drains: old streams go on, new ones go elsewhere" drains "$mode"
done

shown() { # shares in `service get` are those that connections get; each backend that is out says why
	lab_x east-1 service get lab/canary
	lab_x east-1 --json service get lab/canary | grep -q '"share"'
	lab_x east-1 service get lab/tiers | tee /dev/stderr | grep -q 'not ready'
	lab_x east-1 service get lab/private | tee /dev/stderr | grep -q 'does not share'
	exits 3 lab_x east-1 service get lab/nothing
}
t "service get shows shares and why a backend is out" shown
quiet() { # what had no service was not translated, and no flow is left in the wrong place
	lab_x east-1 flow list >"$LAB_DIR/flows"
	lab_x east-1 flow flush
}
t "flows are listed and flushed" quiet
t_end
