#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# northsouth.sh: a client outside of the mesh reaches a LoadBalancer VIP through an entry node, in tc
# and in XDP: backends on that node, on another of its cluster (answering straight to the client)
# and in another cluster (answering through the entry node).
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
t_begin
LAB_NODES="east-1 east-2 west-1" LAB_MODE=tunnel
conn_build
vip() { # NUMBER 4|6: the LoadBalancer address
	case $2 in 4) echo "203.0.113.$1" ;; 6) echo "2001:db8:113::$1" ;; esac
}
balanced() { # CLUSTER NAME NUMBER BACKENDS [SETTING...]: only east has a balancer in front
	local lb=()
	[ "$1" != east ] || lb=("lb:$(vip "$3" 4),$(vip "$3" 6)")
	lab_service "$@" ${lb[@]+"${lb[@]}"}
}
services_write() {
	balanced east entry 20 "east-1a"
	balanced east other 21 "east-2a"
	balanced east peer 22 ""
	balanced west peer 22 "west-1a"
	balanced east none 23 "east-2a:unready"
	balanced east all 24 "east-1a east-2a"
	balanced west all 24 "west-1a"
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
lab_world_up
for n in 20 21 22 23 24; do lab_world_route east-1 "$(vip $n 4)" "$(vip $n 6)"; done
for pod in east-1a east-2a west-1a; do
	conn_serve "$pod"
	head -c 4000000 /dev/urandom >"$LAB_DIR/www/$pod/big"
done
lab_agents_up
py() { lab_exec world "$LAB_TOP/tests/e2e/sockets.py" "$@"; }

# Transmit checksums: a frame that XDP sends out again (XDP_TX) has only what its sender put in.
lab_exec world ethtool -K eth0 tx off >/dev/null
page() { # FAMILY NUMBER SERVER
	local host
	host=$(vip "$2" "$1")
	case $host in *:*) host="[$host]" ;; esac
	[ "$(lab_exec world curl -sS -m 5 "http://$host/")" = "hello from $3" ]
}
download() { # FAMILY NUMBER SERVER
	local host
	host=$(vip "$2" "$1")
	case $host in *:*) host="[$host]" ;; esac
	lab_exec world curl -sS -m 20 "http://$host/big" | cmp - "$LAB_DIR/www/$3/big"
}
forget() {
	lab_ip world route flush cache
	lab_ip world -6 route flush cache
}
too_big() { # FAMILY NUMBER
	forget
	py pmtu "$(vip "$2" "$1")" 7 1450
}
seen_client() { # FAMILY NUMBER
	local name
	name=LAB_WORLD$1
	py client "$(vip "$2" "$1")" 7 "${!name}"
}
spread() { # FAMILY
	# A port that the client had to the same backend through another VIP a moment ago is refused to it
	# (port_clash): a few of ten thousand.
	lab_exec world "$LAB_DIR/conn" count "$(vip 24 "$1")" 7 10000 >"$LAB_DIR/spread" || true
	cat "$LAB_DIR/spread"
	awk '$1 == "failed" { if ($2 > 10) bad = 1; next } { n++; if ($2 < 3000 || $2 > 3700) bad = 1 }
		END { exit bad || n != 3 }' "$LAB_DIR/spread"
}
refused() { # FAMILY
	counter_moves east-1 refused lab_exec world "$LAB_DIR/conn" refused "$(vip 23 "$1")" 7 100
}
established() { # WHERE FAMILY: streams stay where they are while backends and entry nodes change
	local stop=$LAB_DIR/stop-$1-$2 log=$LAB_DIR/log/hold-$1-$2 job
	lab_bg world "hold-$1-$2" "$LAB_DIR/conn" hold "$(vip 24 "$2")" 7 9 "$stop"
	job=$LAB_PID
	lab_wait 10 grep -q '^holding' "$log" || {
		cat "$log"
		return 1
	}
	balanced east all 24 "east-1a east-2a:draining"
	lab_wait 5 only_now "$2" "east-1a west-1a"
	balanced west all 24 "west-1a:draining"
	lab_wait 5 only_now "$2" "east-1a"
	balanced west all 24 "west-1a"
	balanced east all 24 "east-1a east-2a"
	lab_wait 5 only_now "$2" "east-1a east-2a west-1a"
	sleep 1 # of traffic
	touch "$stop"
	lab_wait 5 lab_gone "$job"
	cat "$log"
	grep -q '^streams 9 resets 0 stalls 0 ' "$log"
}
only_now() { # FAMILY NAMES
	lab_exec world "$LAB_DIR/conn" count "$(vip 24 "$1")" 7 60 | only_from "$2"
}
all_ways() { # tc|xdp
	local f
	for f in 4 6; do
		t "$1, IPv$f: backend on the entry node" page $f 20 east-1a
		t "$1, IPv$f: on another node of the cluster" page $f 21 east-2a
		t "$1, IPv$f: in another cluster" page $f 22 west-1a
		for n in 20 21 22; do
			t "$1, IPv$f, $n: TCP and UDP, the server sees the client's own address" seen_client $f $n
			t "$1, IPv$f, $n: UDP, answers come from the VIP" py udp "$(vip $n $f)" 7
			t "$1, IPv$f, $n: a megabyte there and back" py bulk "$(vip $n $f)" 7 32
			[ $f = 6 ] || t "$1, IPv$f, $n: a datagram of 4000 bytes in fragments, and its echo" \
				py udp-big "$(vip $n $f)" 7 4000
		done
		t "$1, IPv$f: a download from the entry node" download $f 20 east-1a
		t "$1, IPv$f: from another node" download $f 21 east-2a
		t "$1, IPv$f: from another cluster" download $f 22 west-1a
		t "$1, IPv$f: too big for the tunnel is answered, own cluster" too_big $f 21
		t "$1, IPv$f: too big for the tunnel is answered, other cluster" too_big $f 22
		t "$1, IPv$f: no backend: refused within 100 ms, and counted" refused $f
		t "$1, IPv$f: the own cluster's node answers the client straight" \
			counter_moves east-2 vip_reply page $f 21 east-2a
		t "$1, IPv$f: another cluster's through the entry node" counter_moves west-1 vip_return page $f 22 west-1a
		t "$1, IPv$f: which sends it on" counter_moves east-1 vip_reply page $f 22 west-1a
		t "$1, IPv$f: established streams stay where they are" established "$1" $f
		t "$1, IPv$f: all backends get their shares" spread $f
	done
}
all_ways tc
t "in tc the entry node's tc program sends it on" counter_moves_at east-1 from_net vip page 4 21 east-2a

moved() { # streams go on when their packets come in at another node of the cluster
	local stop=$LAB_DIR/stop-moved-$1 log=$LAB_DIR/log/hold-moved-$1 job
	lab_bg world "hold-moved-$1" "$LAB_DIR/conn" hold "$(vip 24 "$1")" 7 9 "$stop"
	job=$LAB_PID
	lab_wait 10 grep -q '^holding' "$log"
	lab_world_route east-2 "$(vip 24 4)" "$(vip 24 6)"
	counter_moves east-2 vip sleep 1
	lab_world_route east-1 "$(vip 24 4)" "$(vip 24 6)"
	touch "$stop"
	lab_wait 5 lab_gone "$job"
	cat "$log"
	grep -q '^streams 9 resets 0 stalls 0 ' "$log"
}
t "IPv4: streams go on through another entry node" moved 4
t "IPv6: streams go on through another entry node" moved 6

returns() { # the other way back, each
	local node
	for node in $LAB_NODES; do
		echo "north_south: {return_own: entry, return_peers: direct}" >>"$LAB_DIR/$node.yaml"
		kill -HUP "$(lab_agent_pid "$node")"
	done
	for f in 4 6; do
		lab_wait 5 counter_moves east-2 vip_return page $f 21 east-2a
		lab_wait 5 counter_moves west-1 vip_reply page $f 22 west-1a
	done
	for node in $LAB_NODES; do
		lab_config "$node"
		kill -HUP "$(lab_agent_pid "$node")"
	done
	lab_wait 5 counter_moves west-1 vip_return page 4 22 west-1a
	lab_wait 5 counter_moves east-2 vip_reply page 4 21 east-2a
}
t "return_own: entry and return_peers: direct turn both ways round" returns

# The other end of the cable needs a program of its own, see there.
clang -target bpf -O2 -g -I"/usr/include/$(gcc -dumpmachine)" -c "$LAB_TOP/tests/e2e/pass.bpf.c" -o "$LAB_DIR/pass.o"
lab_exec fabric ip link set dev ul-east-1 xdpdrv object "$LAB_DIR/pass.o" section xdp
xdp_on() {
	echo "xdp: native" >>"$LAB_DIR/east-1.yaml"
	kill -HUP "$(lab_agent_pid east-1)"
	lab_wait 10 counter_moves_at east-1 xdp vip page 4 21 east-2a
	lab_wait 10 counter_moves_at east-1 xdp vip page 6 22 west-1a
}
t "xdp: native by SIGHUP: the XDP program sends it on" xdp_on
all_ways xdp
t "in XDP no VIP packet that leaves the node reaches tc" \
	fails counter_moves_at east-1 from_net vip page 4 21 east-2a

# An entry node that does not know it yet: the node without backends refuses, nobody waits (5 s in conn).
no_backend_there() { # FAMILY
	counter_moves_at east-2 from_net refused fails lab_exec world timeout 4 "$LAB_DIR/conn" count "$(vip 24 "$1")" 7 60
	[ "$(counter_at east-2 from_net internal)" = 0 ]
}
lab_agent_stop east-1 KILL
balanced east all 24 "east-1a east-2a:draining"
only_draining() { lab_x east-2 --json service get lab/all | jq -e '[.. | objects | select(.state? == "draining")] | length > 0' >/dev/null; }
lab_wait 10 only_draining
for f in 4 6; do
	t "IPv$f: a node that has no backends any more refuses what an entry node still sends there" no_backend_there $f
done
t_end
