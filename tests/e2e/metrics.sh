#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# metrics.sh: what the agent answers on metrics.listen: /metrics by promtool, /healthz, and what it
# refuses. The page: tests/e2e/page.sh.
# Runs beside others.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
t_begin
LAB_NODES="east-1 west-1" LAB_SOCKETS=1
conn_build
lab_fabric_up
lab_feeds
lab_service east web 20 "east-1a"
lab_service west web 20 "west-1a"
for node in $LAB_NODES; do
	lab_node_up "$node"
	lab_pod_up "${node}a"
	lab_pod_up "${node}b"
	lab_config "$node"
done
for pod in east-1a west-1a; do conn_serve "$pod"; done
lab_agents_up

at=http://127.0.0.1:9964
get() { lab_exec east-1 curl -sS -m 10 "$@"; }
code() { get -o /dev/null -w '%{http_code}' "$@"; }
is() { # CODE CURL-ARGUMENT...
	local seen
	seen=$(code "${@:2}")
	echo "$seen, wanted $1"
	[ "$seen" = "$1" ]
}
value() { get "$at/metrics" | awk -v name="$1" '$1 == name { print $2; n = 1 } END { if (!n) print "none" }'; }

promtool_says() {
	command -v promtool || {
		echo "promtool is not there: apt-get install prometheus"
		return 1
	}
	"$@" >"$LAB_DIR/metrics.txt"
	grep -c '^xmesh_' "$LAB_DIR/metrics.txt"
	promtool check metrics <"$LAB_DIR/metrics.txt"
}
shares packet east-1b "$(lab_vip east 20 4)" 200 >/dev/null
shares packet east-1b "$(lab_vip east 20 6)" 200 >/dev/null
t "promtool finds nothing wrong with /metrics" promtool_says get "$at/metrics"
t "nor with what the command prints" promtool_says lab_x east-1 metrics
families() { # the same families from both; what only the agent knows is in both while it runs
	diff <(get "$at/metrics" | grep '^# TYPE') <(lab_x east-1 metrics | grep '^# TYPE')
}
t "the command and the agent tell of the same families" families
handshakes() {
	get "$at/metrics" | grep '^xmesh_handshakes_total{.*lab/web'
	[ "$(get "$at/metrics" | awk '/^xmesh_handshakes_total.*lab\/web/ { n += $2 } END { print n }')" = 400 ]
	get "$at/metrics" | awk '
		/^xmesh_rtt_seconds_bucket.*le="\+Inf"/ { n += $2 }
		/^xmesh_rtt_seconds_count/ { m += $2 }
		END { print n, m; exit n != m || n == 0 }'
}
t "400 connections are 400 handshakes, and the last bucket is the count" handshakes
types() { get -D - -o /dev/null "$at/$1" | tr -d '\r' | tee -a /dev/stderr | grep -qix "$2"; }
t "the text has its version" types metrics 'content-type: text/plain; version=0.0.4; charset=utf-8'
t "nothing is guessed or embedded" types '' 'x-content-type-options: nosniff'
t "/healthz is ok" eval '[ "$(get "$at/healthz")" = ok ] && is 200 "$at/healthz"'
t "HEAD is answered" is 200 -I "$at/metrics"
t "POST is not" is 405 -d x=1 "$at/metrics"
t "nor DELETE" is 405 -X DELETE "$at/"
t "what is not there is not there" is 404 "$at/../../etc/passwd" --path-as-is
t "a header that is too long is refused" eval 'is 431 -H "X: $(head -c 20000 /dev/zero | tr "\0" a)" "$at/" || is 413 -H "X: $(head -c 20000 /dev/zero | tr "\0" a)" "$at/"'
mesh() {
	get "$at/api/mesh" >"$LAB_DIR/mesh.json"
	jq -c '.clusters[] | [.name, .state, .handshake.count, .probe.count]' "$LAB_DIR/mesh.json"
	jq -e '[.clusters[].name] | contains(["east", "west"])' "$LAB_DIR/mesh.json"
	jq -e '.services[] | select(.name == "lab/web") | [.clusters[].share] | add > 0.99' "$LAB_DIR/mesh.json"
}
t "/api/mesh has clusters and the split of services" mesh
many() { # 40 at once, more than there is room for: those that get in are answered, and later ones too
	local _
	for _ in $(seq 40); do get "$at/metrics" -o /dev/null & done
	wait
	is 200 "$at/metrics"
}
t "many at once do not harm" many

ill() { ! is 200 "$at/healthz" && get "$at/healthz" | tee -a /dev/stderr | grep -q "feed of cluster west"; }
broken() {
	echo "kind: [" >"$LAB_DIR/feeds/west/broken.yaml"
	lab_wait 15 ill
	is 503 "$at/healthz"
	get "$at/healthz"
	rm "$LAB_DIR/feeds/west/broken.yaml"
	lab_wait 15 is 200 "$at/healthz"
}
t "/healthz tells of a broken feed, and of its end" broken

survive() { # what the kernel counted goes on; what the agent counts begins anew
	local before after
	before=$(get "$at/metrics" | awk '/^xmesh_handshakes_total/ { n += $2 } END { print n }')
	lab_agent_stop east-1
	fails get "$at/healthz"
	lab_agent_start east-1
	shares packet east-1b "$(lab_vip east 20 4)" 10 >/dev/null
	after=$(get "$at/metrics" | awk '/^xmesh_handshakes_total/ { n += $2 } END { print n }')
	echo "$before, then $after"
	[ "$after" -ge $((before + 10)) ]
}
t "counters go on over a restart of the agent" survive

moves() {
	cp "$LAB_DIR/east-1.yaml" "$LAB_DIR/kept.yaml"
	echo "metrics: {listen: '127.0.0.1:9965'}" >>"$LAB_DIR/east-1.yaml"
	kill -HUP "$(lab_agent_pid east-1)"
	lab_wait 5 is 200 http://127.0.0.1:9965/healthz
	fails get "$at/healthz"
	lab_bg east-1 taker python3 -m http.server --bind 127.0.0.1 -d "$LAB_DIR/www" 9964
	lab_wait 5 is 200 "$at/"
	cp "$LAB_DIR/kept.yaml" "$LAB_DIR/east-1.yaml"
	kill -HUP "$(lab_agent_pid east-1)"
	lab_wait 5 taken
	kill "$LAB_PID"
	lab_wait 5 lab_gone "$LAB_PID"
	echo "metrics: {listen: off}" >>"$LAB_DIR/east-1.yaml"
	kill -HUP "$(lab_agent_pid east-1)"
	lab_wait 5 silent
}
taken() { lab_x east-1 status | tr -s '\n ' ' ' | tee -a /dev/stderr | grep -q "cannot listen on 127.0.0.1:9964"; }
silent() { ! lab_x east-1 status | tr -s '\n ' ' ' | grep -q "cannot listen" && fails get "$at/healthz"; }
t "listen moves with a reload; a taken port is a note, and off is off" moves
t_end
