#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# explain.sh: `xmesh explain` says of a packet what the attached programs then do with it, names the
# feed that decided, and leaves every map as it was. Where the programs themselves are at fault:
# tests/prog.
# Runs beside others.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
t_begin
LAB_NODES="east-1 east-2 west-1" LAB_MODE=tunnel LAB_SOCKETS=1
conn_build
lb=203.0.113.24

lab_fabric_up
lab_feeds
lab_service east web 20 "east-1a east-2a"
lab_service west web 20 "west-1a"
lab_service east canary 21 "east-2a" weights=east=75,west=25
lab_service west canary 21 "west-1a"
lab_service east sticky 22 "east-2a" affinity:600
lab_service west sticky 22 "west-1a"
lab_service east empty 25 "east-2a:unready"
lab_service east front 26 "east-2a" "lb:$lb"
for node in $LAB_NODES; do
	lab_node_up "$node"
	lab_pod_up "${node}a"
	lab_pod_up "${node}b"
	lab_config "$node"
done
lab_world_up
lab_world_route east-1 "$lb"
for pod in east-1a east-2a west-1a; do conn_serve "$pod"; done
lab_agents_up

a4=$(lab_addr east-1a 4) b4=$(lab_addr east-1b 4) b6=$(lab_addr east-1b 6)
w4=$(lab_addr west-1a 4) w6=$(lab_addr west-1a 6)
vip() { lab_vip east "$1" "$2"; }
bracket() { case $1 in *:*) echo "[$1]" ;; *) echo "$1" ;; esac; }

# explains NODE STATUS JQ ARGUMENT...: the JSON answer fulfils the condition; people get one too.
explains() {
	local node=$1 status=$2 condition=$3 rc=0
	shift 3
	lab_x "$node" explain "$@" || rc=$?
	[ "$rc" = "$status" ] || { echo "exit status $rc, not $status"; return 1; }
	rc=0
	lab_x "$node" --json explain "$@" >"$LAB_DIR/explain.json" || rc=$?
	[ "$rc" = "$status" ] || { echo "with --json $rc"; return 1; }
	jq -e "$condition" "$LAB_DIR/explain.json" || { jq -c . "$LAB_DIR/explain.json"; return 1; }
}
says() { # STEP TEXT: a condition on the steps
	printf 'any(.steps[]; .step == "%s" and (.text | contains("%s")))' "$1" "$2"
}

t "pod to a pod of a peer: in the tunnel, from which node to which" explains east-1 0 \
	".verdict == \"forward\" and .reason == \"tunnel\" and .arrives and .output.tunnelled
	and .output.outer_source == \"$(lab_addr east-1 4)\" and .output.outer_destination == \"$(lab_addr west-1 4)\"
	and .output.ttl == 63 and $(says source believed) and $(says mtu "it fits")" "$b4" "$w4:8080"
t "the route names its cluster, feed and revision" explains east-1 0 \
	"any(.steps[]; .step == \"route\" and .cluster == \"west\" and (.feed | contains(\"$LAB_DIR/feeds/west\"))
	and .revision != null and .age_s >= 0)" "$b4" "$w4"
t "IPv6" explains east-1 0 ".reason == \"tunnel\" and .output.destination == \"$w6\"" "$b6" "[$w6]:53/udp"
t "SCTP" explains east-1 0 '.reason == "tunnel" and .packet.protocol == "sctp"' "$b4" "$w4:53/sctp"
t "an ICMP echo between two pods of the node" explains east-1 0 \
	".reason == \"local\" and (.output.tunnelled | not) and $(says pod "$a4 is a pod of this node")" "$b4" "$a4"
t "a pod of a peer to a pod here, as its node sends it" explains east-1 0 \
	".reason == \"local\" and $(says hook "in the tunnel, $(lab_addr west-1 4)") and $(says decapsulation "out of the tunnel")
	and any(.steps[]; .step == \"source\" and .cluster == \"west\")" "$w4" "$a4:8080"
t "an address that nobody has in a peer's prefix goes there" explains east-1 0 '.reason == "tunnel"' "$b4" "10.2.1.99"
t "an address of nobody is not ours" explains east-1 0 \
	".verdict == \"pass\" and $(says route "in no prefix of the mesh")" "$b4" 8.8.8.8:53/udp
t "a pod that lies about its source is not believed" explains east-1 3 \
	".verdict == \"drop\" and .reason == \"pod_source\" and (.arrives | not) and $(says source "not believed")" \
	10.9.9.9 "$w4:80" --interface vethb
t "and another pod's address is no better" explains east-1 3 \
	".reason == \"pod_source\" and $(says source "but behind vetha")" "$a4" "$w4:80" --interface vethb
t "a peer's address outside of the tunnel is not believed" explains east-1 3 \
	".reason == \"native_source\"" "$w4" "$a4:80" --interface eth0
t "the largest packet that fits" explains east-1 0 ".reason == \"tunnel\" and $(says mtu "1450 bytes, and 1450 fit")" \
	"$b4" "$w4" --size 1450
t "one byte more is too big" explains east-1 3 ".reason == \"stack_too_big\" and $(says mtu "too big")" \
	"$b4" "$w4" --size 1451
t "this host itself: the kernel routes it" explains east-1 0 \
	".verdict == \"kernel\" and .reason == null and $(says kernel xmesh0)" "$(lab_addr east-1 4)" "$w4:80"

# ---- services ----

t "a frontend without backends is refused" explains east-1 3 \
	".verdict == \"answer\" and .reason == \"refused\" and .service.refused and .service.service == \"lab/empty\"
	and $(says service "not ready")" "$b4" "$(vip 25 4):80"
t "a port that the VIP does not have: told which it has" explains east-1 0 \
	"$(says service "though lab/web has")" "$b4" "$(vip 20 4):81"
t "what a socket gets is shown beside what a packet gets" explains east-1 0 \
	".sockets_attached and .socket.service == \"lab/web\" and .service.service == \"lab/web\"
	and $(says socket "a socket gets") and $(says service "a packet gets")" "$b4" "$(vip 20 4):80"
t "a host's socket is given a backend" explains east-1 0 \
	".socket.service == \"lab/web\" and .socket.backend != null" "$(lab_addr east-1 4)" "$(vip 20 4):80"

pod_of() { # ADDRESS
	local pod
	for pod in east-1a east-2a west-1a; do
		[ "$(lab_addr "$pod" 4)" != "$1" ] && [ "$(lab_addr "$pod" 6)" != "$1" ] || echo "$pod"
	done
}
comes_true() { # FAMILY: a connection from that very port gets the backend that was foretold
	local port host got seen='' src
	host=$(bracket "$(vip 20 "$1")")
	src=$(bracket "$(lab_addr east-1b "$1")")
	for port in $(seq $((42000 + $1 * 100)) $((42019 + $1 * 100))); do
		lab_x east-1 --json explain "$src:$port" "$host:80" >"$LAB_DIR/told.json"
		got=$(lab_exec east-1b curl -sS -m 5 --local-port "$port" "http://$host/")
		got=${got#hello from }
		echo "$port: $(jq -c .service "$LAB_DIR/told.json"), and it was $got"
		[ "$(pod_of "$(jq -r .output.destination "$LAB_DIR/told.json")")" = "$got" ] || return 1
		[ "$(jq -r .service.decided_by "$LAB_DIR/told.json")" = maglev ] || return 1
		grep -qw "$got" <<<"$seen" || seen="$seen $got"
	done
	echo "backends:$seen"
	[ "$(wc -w <<<"$seen")" = 3 ]
}
t "what is foretold of 20 connections comes true" comes_true 4
t "and in IPv6" comes_true 6
udp_flow() { # a datagram from a known port leaves a flow behind
	lab_exec east-1b python3 - "$(vip 20 4)" <<-'PY'
		import socket, sys
		s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		s.bind(("", 42101))
		s.settimeout(5)
		s.sendto(b"x", (sys.argv[1], 7))
		s.recv(100)
	PY
	explains east-1 0 '.service.decided_by == "flow"' "$b4:42101" "$(vip 20 4):7/udp"
}
t "an entry of xm_flows decides, and that is said" udp_flow
sticky() {
	lab_exec east-1b curl -sS -m 5 "http://$(vip 22 4)/" >"$LAB_DIR/first"
	explains east-1 0 '.service.decided_by == "affinity"' "$b4:42200" "$(vip 22 4):80" || return 1
	[ "hello from $(pod_of "$(jq -r .output.destination "$LAB_DIR/explain.json")")" = "$(cat "$LAB_DIR/first")" ]
}
t "ClientIP affinity decides, and that is said" sticky
weighted() { # a quarter of the slots is west's; and so are as many of 48 ports
	local port n=0 west=0
	for port in $(seq 43000 43047); do
		lab_x east-1 --json explain "$b4:$port" "$(vip 21 4):80" >"$LAB_DIR/told.json"
		n=$((n + 1))
		[ "$(jq -r .service.cluster "$LAB_DIR/told.json")" != west ] || west=$((west + 1))
		jq -e '.service | (.cluster_slots / .slots * 100 | round) == (if .cluster == "west" then 25 else 75 end)' \
			"$LAB_DIR/told.json" || return 1
	done
	echo "$west of $n"
	jq -e "$(says service "weights east=75,west=25")" "$LAB_DIR/told.json" && [ "$west" -ge 4 ] && [ "$west" -le 22 ]
}
t "shares are told, and kept" weighted
t "somebody outside to a LoadBalancer address: to which node" explains east-1 0 \
	".reason == \"vip\" and .output.outer_destination == \"$(lab_addr east-2 4)\" and .output.destination == \"$lb\"
	and $(says hook "from outside on eth0")" "$LAB_WORLD4" "$lb:80"

# ---- it changes nothing ----

maglev_sum() { # 64 MB that the command line reads slot by slot, for half a minute
	python3 - "$LAB_DIR/bpf/xmesh/east-1/xm_maglev" <<-'PY'
		import ctypes, hashlib, mmap, platform, sys
		path = ctypes.create_string_buffer(sys.argv[1].encode())
		attr = (ctypes.c_uint64 * 2)(ctypes.addressof(path), 0)
		call = 321 if platform.machine() == "x86_64" else 280 # bpf(BPF_OBJ_GET)
		fd = ctypes.CDLL(None).syscall(call, 7, attr, 16)
		assert fd >= 0, sys.argv[1]
		print(hashlib.sha256(mmap.mmap(fd, 64 << 20, prot=mmap.PROT_READ)).hexdigest())
	PY
}
maps_raw() { # every map as it is, but the ring buffer, which is read by emptying it
	local map
	for map in $(lab_x east-1 --json map list | jq -r '.maps[].name'); do
		echo "== $map"
		case $map in
		xm_events) ;;
		xm_maglev) maglev_sum ;;
		*) lab_x east-1 --json map dump "$map" --raw | jq -c '.entries[]' ;;
		esac
	done
	find "$LAB_DIR/bpf" | sort
}
ask_everything() {
	local args
	while read -r args; do
		# shellcheck disable=SC2086 # words
		lab_x east-1 explain $args >/dev/null || [ $? = 3 ]
	done <<-EOF
		$b4:44000 $(vip 20 4):80
		$b4:44001 $(vip 22 4):80
		$b4:44002 $(vip 25 4):80
		$b4:44003 $(vip 20 4):7/udp
		$b4 $w4 --size 1451
		10.9.9.9 $w4:80 --interface vethb
		$w4 $a4:8080
		$LAB_WORLD4:44004 $lb:80
		$(lab_addr east-1 4) $(vip 20 4):80
		$b4:44005 $(vip 20 4):80 --feed $LAB_DIR/feeds/west
	EOF
}
untouched() { # a neighbour's packet may be counted meanwhile: what explain changes, it changes each time
	local i
	for i in 1 2 3 4 5; do
		maps_raw >"$LAB_DIR/before"
		[ "$(wc -l <"$LAB_DIR/before")" -gt 150 ] || return 1
		ask_everything
		maps_raw >"$LAB_DIR/after"
		! diff "$LAB_DIR/before" "$LAB_DIR/after" || return 0
		echo "try $i"
	done
	return 1
}
for node in $LAB_NODES; do lab_agent_stop "$node"; done
t "no agent is needed" explains east-1 0 '.reason == "tunnel"' "$b4" "$w4:8080"
t "every map, flow and pin is as before" untouched
other_build() { # the same binary, but for a constant in its programs
	python3 - "$LAB_XMESH" "$LAB_DIR/xmesh-other" <<-'PY'
		import struct, sys
		data = bytearray(open(sys.argv[1], "rb").read())
		elf = data.find(b"\x7fELF", 1)
		while elf > 0: # every object for BPF (e_machine 247) in the binary
		    if data[elf + 18:elf + 20] == b"\xf7\x00":
		        header = struct.unpack_from("<QIHHHHHH", data, elf + 40) # e_shoff, ..., e_shentsize, e_shnum
		        end = elf + header[0] + header[5] * header[6]
		        data[elf:end] = data[elf:end].replace(b"semx", b"semy")
		    elf = data.find(b"\x7fELF", elf + 1)
		open(sys.argv[2], "wb").write(data)
	PY
	chmod +x "$LAB_DIR/xmesh-other"
	LAB_XMESH=$LAB_DIR/xmesh-other refuses "another build" lab_x east-1 explain "$b4" "$w4"
}
t "another build than the attached one is refused" other_build

# ---- a proposed feed ----

proposals() {
	rm -rf "$LAB_DIR/proposed"
	cp -r "$LAB_DIR/feeds/west" "$LAB_DIR/proposed"
}
moved() { # west renumbers its node's pods: the old prefix is nobody's, the new one is west's
	proposals
	sed -i 's/10\.2\.1\./10.2.77./g' "$LAB_DIR/proposed/west.yaml"
	explains east-1 0 '.verdict == "pass" and .feed_cluster == "west"' "$b4" "$w4:80" --feed "west=$LAB_DIR/proposed" &&
		explains east-1 0 ".reason == \"tunnel\" and any(.steps[]; .step == \"route\" and .feed == \"$LAB_DIR/proposed\")" \
			"$b4" 10.2.77.5:80 --feed "$LAB_DIR/proposed" &&
		explains east-1 0 '.reason == "tunnel" and .feed_cluster == null' "$b4" "$w4:80"
}
t "--feed: a prefix that moves" moved
without() { # west takes its backends away
	proposals
	rm "$LAB_DIR/proposed/lab-web.yaml"
	local port
	for port in $(seq 42300 42315); do
		lab_x east-1 --json explain "$b4:$port" "$(vip 20 4):80" --feed "west=$LAB_DIR/proposed" |
			jq -e '.service.cluster == "east"' || return 1
	done
}
t "--feed: a service that loses a cluster's backends" without
gains() { # the empty service gets a backend in west
	proposals
	lab_service_yaml west empty 25 "west-1a" >"$LAB_DIR/proposed/lab-empty.yaml"
	explains east-1 0 '.service.cluster == "west" and .reason == "tunnel"' "$b4" "$(vip 25 4):80" --feed "west=$LAB_DIR/proposed"
}
t "--feed: a service that gets its first backend" gains
t "--feed: of what runs, the same answer" explains east-1 0 '.reason == "tunnel"' "$b4" "$w4:80" --feed "$LAB_DIR/feeds/west"
bad() {
	proposals
	sed -i 's/10\.2\.1\./10.1.1./g' "$LAB_DIR/proposed/west.yaml"
	refuses "would be refused" lab_x east-1 explain "$b4" "$w4" --feed "west=$LAB_DIR/proposed"
}
t "--feed: one that the agent would refuse" bad
t "--feed: no such folder" refuses "$LAB_DIR/nowhere" lab_x east-1 explain "$b4" "$w4" --feed "$LAB_DIR/nowhere"
t "--feed: no such cluster" refuses "no cluster south" lab_x east-1 explain "$b4" "$w4" --feed "south=$LAB_DIR/feeds/west"
interrupted() { # nothing of it is left, however it ends
	find "$LAB_DIR/bpf" | sort >"$LAB_DIR/pins"
	for signal in INT TERM KILL; do
		lab_bg east-1 "explain" "$LAB_XMESH" --config "$LAB_DIR/east-1.yaml" explain "$b4" "$w4" --feed "$LAB_DIR/feeds/west"
		kill "-$signal" "$LAB_PID" 2>/dev/null || true
		lab_wait 10 lab_gone "$LAB_PID"
	done
	find "$LAB_DIR/bpf" | sort | diff "$LAB_DIR/pins" -
}
t "nothing stays pinned when it is interrupted" interrupted

# ---- wrong questions ----

t "wrong usage says what would be right" exits 2 lab_x east-1 explain "$b4" "$w4/tcp"
t "a pod address that no pod has" refuses "endpoint list" lab_x east-1 explain 10.1.1.99 "$w4"
t "an interface that is not there" refuses "no interface nix" lab_x east-1 explain "$b4" "$w4" --interface nix
t "an interface without programs" refuses "no program of ours" lab_x east-1 explain "$b4" "$w4" --interface lo
t "a frame that the kernel cannot try" refuses "ask for a smaller" lab_x east-1 explain "$b4" "$w4" --size 9000
t_end
