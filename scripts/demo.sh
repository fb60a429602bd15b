#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# demo.sh [--keep]: three clusters in network namespaces, one agent per node on the dumps of
# tests/data, pods that talk across clusters over VXLAN (IPv4) and natively (IPv6), then an agent
# that is killed under traffic. Installs what is missing, builds, cleans up; --keep leaves the lab,
# `demo.sh down` removes it. Not for: tests (scripts/test.sh).
set -eu
cd "$(dirname "$0")/.."
dir=/run/xmesh-demo
usage() {
	echo "usage: demo.sh [--keep] | demo.sh down" >&2
	exit 2
}
keep=
case ${1:-} in
'') ;;
--keep) keep=1 ;;
down) ;;
*) usage ;;
esac
[ $# -le 1 ] || usage
[ "$(id -u)" = 0 ] || {
	echo "demo.sh: needs root for namespaces and BPF" >&2
	exit 1
}

# shellcheck source=scripts/lab.sh
. scripts/lab.sh

if [ "${1:-}" = down ]; then
	LAB_ID=demo LAB_DIR=$dir
	[ -e "$dir" ] || echo "no demo lab is up"
	lab_down
	exit 0
fi
if [ -e "$dir" ]; then
	echo "demo.sh: a demo lab is up already; remove it with: $0 down" >&2
	exit 1
fi

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n== %s\n' "$*"; }
show() { # NODE|POD COMMAND...: what is typed, then what comes out
	printf '%s$ %s\n' "$1" "${*:2}"
	lab_exec "$@"
}
show_x() { # NODE ARGUMENT...
	printf '%s$ xmesh %s\n' "$1" "${*:2}"
	lab_x "$@"
}

say "Packages and build"
scripts/deps.sh demo
make -s -j"$(nproc)" all
start=$SECONDS

finish() {
	local rc=$?
	if [ -n "$keep" ] && [ "$rc" = 0 ]; then
		cat <<-EOF

			The lab stays. A shell on a node, or in a pod (east-1a east-1b east-2a ... north-1b):
			  nsenter --net=/run/netns/xmdemo-east-1
			  nsenter --net=/run/netns/xmdemo-east-1a
			and there, on a node: $LAB_XMESH --config $dir/east-1.yaml status
			Remove it with: scripts/demo.sh down
		EOF
	else
		lab_down
	fi
	[ "$rc" = 0 ] || echo "demo.sh: failed" >&2
	exit "$rc"
}
trap finish EXIT
trap 'exit 130' INT TERM

say "Three clusters: east (2 nodes), west, north (1 node each), 2 pods a node; IPv4 in VXLAN, IPv6 native"
# As systemd sets it; strict works too, with a word of caution in status.
LAB_RP_FILTER=2
mkdir -p "$dir"
lab_init demo "$dir"
lab_up
for pod in west-1a north-1b; do lab_serve "$pod"; done

say "A page of west and one of north, read in east"
show east-1a curl -sS -m 5 "http://$(lab_addr west-1a 4):8080/"
show east-1a curl -sS -m 5 "http://[$(lab_addr west-1a 6)]:8080/"
show east-2b curl -sS -m 5 "http://$(lab_addr north-1b 4):8080/"

say "Ping, over VXLAN and native"
show east-1a ping -q -c 3 -i 0.2 -W 2 "$(lab_addr west-1b 4)"
show east-1a ping -q -c 3 -i 0.2 -W 2 "$(lab_addr west-1b 6)"

say "Traceroute: both nodes answer as routers do"
show east-1a traceroute -n -w 1 -q 1 -m 5 "$(lab_addr west-1a 4)"
show east-1a traceroute -n -w 1 -q 1 -m 5 "$(lab_addr west-1a 6)"

say "What the node knows"
show_x east-1 status
show_x east-1 route list
show_x east-1 map dump xm_routes

say "The agent of east-1 is killed (SIGKILL) while a pod pings west every 10 ms"
lab_bg east-1a ping-out ping -q -c 200 -i 0.01 -W 2 "$(lab_addr west-1a 4)"
pinger=$LAB_PID
sleep 0.5 # half a second of traffic before
lab_agent_stop east-1 KILL
echo "agent $(lab_agent_pid east-1) is gone"
lab_wait 10 lab_gone "$pinger"
tail -n 3 "$LAB_DIR/log/ping-out"
grep -q ' 0% packet loss' "$LAB_DIR/log/ping-out"
show_x east-1 route get "$(lab_addr west-1a 4)"

say "Done in $((SECONDS - start)) s after the build"
