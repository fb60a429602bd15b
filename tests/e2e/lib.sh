# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# lib.sh: what the end-to-end scripts share: cases as TAP, and looks at the lab (scripts/lab.sh).
# A script sources it, calls lab_up or builds its own lab, states cases with `t`, ends with t_end.
# No case waits for a time: `lab_wait SECONDS COMMAND` waits for a condition.

# shellcheck source=scripts/lab.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lab.sh"

T_COUNT=0 T_FAILED=0
[ "$(id -u)" = 0 ] || {
	echo "ok 1 - $(basename "$0") # SKIP needs root for namespaces and BPF"
	echo "1..1"
	exit 0
}
[ -x "$LAB_XMESH" ] || {
	echo "$LAB_XMESH is not there: make all" >&2
	exit 1
}

t_begin() {
	lab_init
	trap t_cleanup EXIT
	trap 'exit 130' INT TERM
}
t_cleanup() {
	local rc=$?
	if [ "$rc" != 0 ] || [ "$T_FAILED" != 0 ]; then
		for f in "$LAB_DIR"/log/agent-*; do
			[ -s "$f" ] && echo "# ${f##*/}:" && tail -n 6 "$f" | sed 's/^/#   /'
		done
	fi
	lab_down
	exit "$rc"
}

# t SENTENCE COMMAND...: one case: the command (often a function, run under set -e) succeeds.
t() {
	local name=$1 rc=0
	shift
	T_COUNT=$((T_COUNT + 1))
	set +e
	(
		set -e
		"$@"
	) >"$LAB_DIR/out" 2>&1
	rc=$?
	set -e
	if [ "$rc" = 0 ]; then
		echo "ok $T_COUNT - $name"
	else
		T_FAILED=$((T_FAILED + 1))
		echo "not ok $T_COUNT - $name"
		echo "#   \$ $* (exit status $rc)"
		tail -n 15 "$LAB_DIR/out" | sed 's/^/#   /'
	fi
}
t_skip() { # SENTENCE WHY
	T_COUNT=$((T_COUNT + 1))
	echo "ok $T_COUNT - $1 # SKIP $2"
}
t_end() {
	echo "1..$T_COUNT"
	exit $((T_FAILED > 0))
}

# ---- looks ----

ping_ok() { # FROM ADDRESS [OPTION...]: three answers of three
	lab_exec "$1" timeout 20 ping -q -c 3 -i 0.02 -W 2 "${@:3}" "$2" | tee -a /dev/stderr | grep -q ' 0% packet loss'
}
ping_lost() { # FROM ADDRESS: no answer at all
	! lab_exec "$1" ping -q -c 2 -i 0.05 -W 0.3 "${@:3}" "$2"
}
page_ok() { # FROM SERVER ADDRESS
	local host=$3
	case $host in *:*) host="[$host]" ;; esac
	[ "$(lab_exec "$1" curl -sS -m 5 "http://$host:8080/")" = "hello from $2" ]
}
fails() { ! "$@"; }

# Status of a command, for `t`: exits STATUS COMMAND...
exits() {
	local want=$1 rc=0
	shift
	"$@" || rc=$?
	[ "$rc" = "$want" ] || {
		echo "exit status $rc, not $want"
		return 1
	}
}
# Says: the command fails and its output holds every line of the pattern list.
refuses() { # PATTERN COMMAND...
	local want=$1 out rc=0
	shift
	out=$("$@" 2>&1) || rc=$?
	echo "$out (exit status $rc)"
	[ "$rc" = 1 ] && grep -qE -- "$want" <<<"$out"
}

# counter NODE REASON: packets counted for that reason over all hooks, from the metrics text.
counter() {
	lab_x "$1" --json map dump xm_counters |
		jq "[.. | objects | select(.reason? == \"$2\") | .packets] | add // 0"
}
counter_moves() { # NODE REASON COMMAND...
	local before after
	before=$(counter "$1" "$2")
	"${@:3}"
	after=$(counter "$1" "$2")
	echo "$2: $before -> $after"
	[ "$after" -gt "$before" ]
}

# counter_at NODE HOOK REASON: the same of one hook.
counter_at() {
	lab_x "$1" --json map dump xm_counters |
		jq "[.. | objects | select(.reason? == \"$3\" and .hook? == \"$2\") | .packets] | add // 0"
}
counter_moves_at() { # NODE HOOK REASON COMMAND...
	local before after
	before=$(counter_at "$1" "$2" "$3")
	"${@:4}"
	after=$(counter_at "$1" "$2" "$3")
	echo "$2/$3: $before -> $after"
	[ "$after" -gt "$before" ]
}

iperf_server() { # NAME [OPTION...]
	lab_bg "$1" "iperf-$1" iperf3 -s "${@:2}"
	lab_wait 5 lab_listens "$1" 5201
}
# tcp_moves FROM ADDRESS [OPTION...]: a second of TCP; more than 20 Mbit/s arrive.
tcp_moves() {
	local bits
	bits=$(lab_exec "$1" timeout 20 iperf3 -J -t 1 -c "$2" "${@:3}" | jq '.end.sum_received.bits_per_second // 0 | floor')
	echo "$bits bit/s"
	[ "$bits" -gt 20000000 ]
}
# udp_moves FROM ADDRESS [OPTION...]: 500 datagrams, fewer than 1 % lost.
udp_moves() {
	lab_exec "$1" timeout 20 iperf3 -J -u -b 20M -k 500 -c "$2" "${@:3}" >"$LAB_DIR/udp.json"
	jq -c '[.error, .end.sum.packets, .end.sum.lost_packets]' "$LAB_DIR/udp.json"
	jq -e '.end.sum.packets > 50 and .end.sum.lost_percent < 1' "$LAB_DIR/udp.json"
}

# ---- far away ----

# lab_delay NODE MICROSECONDS [DROP_PERCENT]: its cable to the fabric takes that long each way, from now on: tests/e2e/delay.c
# between ul-NODE and the bridge. Again: another time. Its log: delay-NODE.
lab_delay() {
	local node=$1 pid=$LAB_DIR/log/delay-$1.pid
	[ -x "$LAB_DIR/delay" ] ||
		gcc -std=gnu11 -D_GNU_SOURCE -O2 -Wall -o "$LAB_DIR/delay" "$LAB_TOP/tests/e2e/delay.c"
	if [ -e "$pid" ]; then
		kill "$(cat "$pid")"
		lab_wait 5 lab_gone "$(cat "$pid")"
	else
		# Segments of tunnelled packets are made before the cable: its frames are one packet each.
		lab_exec "$node" ethtool -K eth0 tso off gso off tx-udp-segmentation off >/dev/null
		lab_ip fabric link set "ul-$node" nomaster
		lab_ip fabric link add "near-$node" mtu "$LAB_MTU" type veth peer name "far-$node" mtu "$LAB_MTU"
		lab_exec fabric ethtool -K "far-$node" tso off gso off tx-udp-segmentation off >/dev/null
		lab_ip fabric link set "near-$node" up
		lab_ip fabric link set "far-$node" master br0 up
	fi
	lab_bg fabric "delay-$node" "$LAB_DIR/delay" "ul-$node" "near-$node" "$2" ${3+"$3"}
	echo "$LAB_PID" >"$pid"
	lab_wait 5 grep -q ready "$LAB_DIR/log/delay-$node"
}

# ---- global services ----

# conn_build: tests/e2e/conn.c, for `conn` below.
conn_build() {
	gcc -std=gnu11 -D_GNU_SOURCE -O2 -Wall -o "$LAB_DIR/conn" "$LAB_TOP/tests/e2e/conn.c"
}
# conn_serve POD|NODE: a page of it on 8080 and "its name, and an echo" on 9090, TCP and UDP.
conn_serve() {
	lab_serve "$1"
	lab_bg "$1" "conn-$1" "$LAB_DIR/conn" serve "$1" 9090
	lab_wait 10 lab_listens "$1" 9090
}
# as MODE POD COMMAND...: with the socket programs (socket) or without them (packet).
as() {
	case $1 in
	socket) lab_in "${@:2}" ;;
	packet) lab_exec "${@:2}" ;;
	esac
}
conn() { as "$1" "$2" "$LAB_DIR/conn" "${@:3}"; } # MODE POD CONN-ARGUMENT...
sockets() { as "$1" "$2" "$LAB_TOP/tests/e2e/sockets.py" "${@:3}"; } # MODE POD SOCKETS-ARGUMENT...

# shares MODE POD ADDRESS N: how many of N connections each server got: "NAME N" lines.
shares() { conn "$1" "$2" count "$3" 7 "$4"; }
# only_from NAMES: of such lines on stdin: exactly those answered, nothing failed.
only_from() {
	local want seen
	tee "$LAB_DIR/shares" >&2
	want=$(tr ' ' '\n' <<<"$1" | sort | paste -sd' ')
	seen=$(awk '$1 != "failed" { print $1 }' "$LAB_DIR/shares" | sort | paste -sd' ')
	echo "answered: $seen; wanted: $want" >&2
	[ "$seen" = "$want" ] && grep -qx 'failed 0' "$LAB_DIR/shares"
}
# answered_by MODE POD ADDRESS "NAME...": within 10 s those and no others answer.
answered_by() {
	lab_wait 10 answered_now "$@" || answered_now "$@"
}
answered_now() { shares "$1" "$2" "$3" 200 | only_from "$4"; }
