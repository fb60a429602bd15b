#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# cli.sh: every command on a live node, with the agent and without, for people and as JSON; exit
# statuses; what it says without root and without anything pinned.
# Runs beside others.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
t_begin
LAB_NODES="east-1 west-1"
lab_up
x() { lab_x east-1 "$@"; }

plain() { # ARGUMENT...: exits 0 and prints something that is no JSON
	local out
	out=$(x "$@")
	echo "$out"
	[ -n "$out" ] && ! jq -e 'type == "object" or type == "array"' <<<"$out" >/dev/null 2>&1
}
json() { # ARGUMENT...: exits 0 and prints one JSON document whose keys are lower_snake_case
	local out
	out=$(x --json "$@")
	echo "$out" | head -c 2000
	[ "$(jq -s length <<<"$out")" = 1 ]
	# Keys that are data (names, addresses) stand in lists of objects, never as keys.
	jq -e '[.. | objects | keys[] | select(test("^[a-z][a-z0-9_]*$") | not)] | length == 0' <<<"$out"
}
reads=("status" "map list" "map dump xm_routes" "map dump xm_nodes" "map dump xm_pods" "map dump xm_counters"
	"map dump xm_config" "map dump xm_peer_stats" "map dump xm_node_names" "map dump xm_clusters"
	"map get xm_pods 10.1.1.2" "map get xm_nodes 192.0.2.21" "map get xm_routes 10.2.1.0/24"
	"route list" "route get 10.2.1.2" "route get fd00:10:3:1::9" "endpoint list" "peer list" "peer get west"
	"feed list" "config check" "version" "service list" "service get shop/checkout" "flow list"
	"map dump xm_services" "map get xm_services 10.96.123.168" "map dump xm_backends" "map dump xm_service_names"
	"map dump xm_vip_filter" "map dump xm_paths" "map dump xm_probes" "map dump xm_flows" "map dump xm_affinity"
	"map dump xm_sock_origin" "map dump xm_frags" "map dump xm_flow_hint")
for c in "${reads[@]}"; do
	# shellcheck disable=SC2086
	t "$c" plain $c
	# shellcheck disable=SC2086
	t "$c, as JSON" json $c
done
t "map dump --raw" plain map dump xm_routes --raw
t "metrics is Prometheus text" eval \
	'x metrics | grep -vE "^#|^$" | grep -vE "^xmesh_[a-z_]+(\{[a-z_]+=\"[^\"]*\"(,[a-z_]+=\"[^\"]*\")*\})? [0-9.e+-]+$" | tee -a /dev/stderr | wc -l | grep -qx 0'
t "metrics name every family once" eval 'x metrics | grep "^# TYPE" | sort | uniq -d | wc -l | grep -qx 0'
t "help lists the commands" eval 'x --help | grep -q "route get"'
t "completion bash is bash that loads" eval 'x completion bash >"$LAB_DIR/c" && bash -n "$LAB_DIR/c" && grep -q "^complete" "$LAB_DIR/c"'
t "feed check of the recorded dumps" plain feed check "$LAB_DIR/feeds/west"
t "feed check as JSON" json feed check "$LAB_DIR/feeds/west" "$LAB_DIR/feeds/north"
counts() { # tests/data: 3 nodes, 11 services, 18 slices in west
	x --json feed check "$LAB_DIR/feeds/west" | tee -a /dev/stderr |
		jq -e '[.. | numbers] | (index(3) != null) and (index(11) != null) and (index(18) != null)'
}
t "feed check counts what kubectl gave" counts
unchanged() {
	local feed
	for feed in east west north; do
		x --json feed diff "$LAB_DIR/feeds/$feed" | tee -a /dev/stderr | jq -e '.accepted and .changes == []'
	done
}
t "feed diff of what runs: nothing" unchanged
service_diff() { # one backend of shop/legacy has another address
	mkdir -p "$LAB_DIR/proposed"
	jq '(.items[] | select(.kind == "EndpointSlice" and .metadata.labels["kubernetes.io/service-name"] == "legacy") |
		.endpoints[0].addresses[0]) = "10.2.1.77"' "$LAB_TOP/tests/data/west.json" >"$LAB_DIR/proposed/west.json"
	x feed diff "$LAB_DIR/proposed" west
	x --json feed diff "$LAB_DIR/proposed" west >"$LAB_DIR/changes"
	jq -e '.changes | map(.kind + " " + .name) == ["service shop/legacy"]' "$LAB_DIR/changes"
	jq -e '.changes[0] | .change == "~" and (.after | test("10.2.1.77:8000/tcp")) and (.before | test("77") | not)' \
		"$LAB_DIR/changes"
}
t "feed diff tells which services change" service_diff
shares() { # two ports and two families: in each, all backends together get all new connections
	x service get shop/checkout
	x --json service get shop/checkout >"$LAB_DIR/checkout"
	jq -e '.frontends | map(select(.scope == "client")) | length == 4' "$LAB_DIR/checkout"
	jq -e '[.backends[] | select(.slots > 0)] | length > 0 and all(.weight <= .slots)' "$LAB_DIR/checkout"
	jq -e '[.frontends[] | select(.scope == "client") | .slots] | add as $slots |
		input | [.backends[].weight] | add == $slots' "$LAB_DIR/checkout" "$LAB_DIR/checkout"
}
t "service get: shares of several ports and both families" shares
t "a service that is not there: exit status 3" exits 3 lab_x east-1 service get shop/nothing
t "a service without its namespace: exit status 2" exits 2 lab_x east-1 service get checkout
t "endpoint list has both pods" lab_pods_known east-1
t "route get names cluster, node and mode" eval 'x route get 10.2.1.2 | grep -w west | grep -w west-1 | grep -qw tunnel'
t "status tells that the agent runs" eval 'x status | grep -qiE "agent.*(running|ready|pid)"'
t "a prefix of no peer: exit status 3" exits 3 lab_x east-1 route get 198.51.100.1
t "a peer that is not there: exit status 3" exits 3 lab_x east-1 peer get nobody
t "a key that is not there: exit status 3" exits 3 lab_x east-1 map get xm_pods 10.9.9.9
t "a map that is not there: exit status 3" exits 3 lab_x east-1 map dump xm_nosuch
t "no command: exit status 2" exits 2 lab_x east-1
t "an unknown command: exit status 2" exits 2 lab_x east-1 routes
t "an unknown option: exit status 2" exits 2 lab_x east-1 --nosuch status
t "an argument missing: exit status 2" exits 2 lab_x east-1 route get
t "an argument too many: exit status 2" exits 2 lab_x east-1 status extra
t "an address that is none: exit status 2" exits 2 lab_x east-1 route get 10.2.1
t "a configuration that is not there: exit status 1" exits 1 "$LAB_XMESH" --config /nonexistent.yaml config check
t "an error in JSON mode is still on stderr, stdout stays empty" eval \
	'[ -z "$(lab_x east-1 --json peer get nobody 2>/dev/null)" ]'
t "--instance picks the pins" eval 'lab_exec east-1 "$LAB_XMESH" --config "$LAB_DIR/east-1.yaml" --instance west-1 map list | tee -a /dev/stderr | grep -q xm_routes'

nobody() { # ARGUMENT...: as a user without privileges
	chmod a+rx "$LAB_DIR" "$LAB_DIR/run" "$LAB_DIR/bpf" "$LAB_DIR/bpf/xmesh" 2>/dev/null || true
	lab_exec east-1 setpriv --reuid=65534 --regid=65534 --clear-groups "$LAB_DIR/xmesh" --config "$LAB_DIR/east-1.yaml" "$@"
}
cp "$LAB_XMESH" "$LAB_DIR/xmesh" # the tree may be out of nobody's reach
for c in "status" "route list" "map list" "endpoint list" "apply" "attach vetha --role pod" "detach --all"; do
	# shellcheck disable=SC2086
	t "without root: $c says so" refuses "root|privilege|CAP_|ermission" nobody $c
done
for c in "version" "config check" "completion bash" "feed check $LAB_DIR/feeds/west"; do
	# shellcheck disable=SC2086
	t "without root: ${c%% /*} works" exits 0 nobody $c
done

lab_agent_stop east-1
for c in "${reads[@]}"; do
	# shellcheck disable=SC2086
	t "without the agent: $c" plain $c
done
t "without the agent: status says so" eval 'x status | grep -qiE "agent.*(not running|no agent|down)"'
t "without the agent: endpoint add" exits 0 lab_x east-1 endpoint add 10.1.1.60 vetha
t "without the agent: endpoint del" exits 0 lab_x east-1 endpoint del 10.1.1.60
t "without the agent: metrics" eval 'x metrics | grep -q ^xmesh_'

lab_x east-1 detach --all --purge >/dev/null
for c in "map list" "map dump xm_routes" "route list" "endpoint list" "peer list"; do
	# shellcheck disable=SC2086
	t "nothing pinned: $c says what to do" refuses "agent|apply" lab_x east-1 $c
done
t "nothing pinned: status works" exits 0 lab_x east-1 status
t_end
