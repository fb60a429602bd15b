#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# doctor.sh: what `xmesh doctor` says of a node that is well, and of one thing after another that is
# wrong there: a path too small, a feed that cannot be reached or read, no agent, no hook.
# Runs beside others.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
t_begin
LAB_NODES="east-1 west-1"
lab_fabric_up
lab_feeds
for node in $LAB_NODES; do
	lab_node_up "$node"
	lab_pod_up "${node}a"
	lab_config "$node"
done
lab_agents_up

doctor() { # [ARGUMENT...]: the rows of east-1, and its exit status in RC
	RC=0
	lab_x east-1 --json doctor "$@" >"$LAB_DIR/doctor.json" 2>"$LAB_DIR/doctor.err" || RC=$?
	cat "$LAB_DIR/doctor.err"
	jq -r '.checks[] | [.result, .check, .subject, .what] | @tsv' "$LAB_DIR/doctor.json"
	jq -r '"first: \(.first), exit '"$RC"'"' "$LAB_DIR/doctor.json"
}
row() { # RESULT CHECK SUBJECT WHAT: there is such a row (patterns of jq's test())
	jq -e --arg r "$1" --arg c "$2" --arg s "$3" --arg w "$4" 'any(.checks[];
		.result == $r and .check == $c and ((.subject // "") | test($s)) and (.what | test($w)))' \
		"$LAB_DIR/doctor.json" >/dev/null || { echo "no row $*"; return 1; }
}
east_2_is_off() { # of the fabric's nodes only two are there: others do not answer, which is no error
	row warning mtu east/east-2 'does not answer'
}

well() {
	doctor
	[ "$RC" = 0 ] && row ok agent east-1 'runs, pid' && row ok hooks '' 'attached' &&
		row ok 'feed read' 'west dir ' '3 nodes' && row ok 'feed age' west '.' &&
		row ok mtu west/west-1 '1500 bytes pass, 1500 are used' && east_2_is_off
}
t "a node that is well: nothing is bad, exit 0" well

one_peer() {
	doctor --peer west
	row ok mtu west/west-1 '.' && ! row warning mtu east/east-2 '.' 2>/dev/null
}
t "--peer asks the nodes of that cluster only" one_peer
nobody() {
	doctor --peer nobody
	[ "$RC" = 3 ] && grep -q 'there is no cluster nobody' "$LAB_DIR/doctor.err"
}
t "--peer with a name that is not there: exit 3" nobody

small() { # west-1's own end takes less: larger frames are dropped without a word
	lab_ip west-1 link set eth0 mtu 1396
	doctor
	lab_ip west-1 link set eth0 mtu 1500
	[ "$RC" = 1 ] && row bad mtu west/west-1 'packets over 1400 bytes are lost' &&
		jq -e '.first | test("mtu of west/west-1")' "$LAB_DIR/doctor.json"
}
t "a path that takes less than pods are told is named, with the size" small

broken() {
	echo 'kind: [' >"$LAB_DIR/feeds/west/broken.yaml"
	doctor
	rm "$LAB_DIR/feeds/west/broken.yaml"
	[ "$RC" = 1 ] && row bad 'feed read' 'west dir ' 'broken.yaml:'
}
t "a feed that cannot be read, with file and line" broken

# A source that does not answer: the steps before the first that is wrong are well, those after it are skipped.
elsewhere() { # FEED: doctor of a configuration whose west is FEED
	sed "s|\(name: west.*feed: \){[^}]*}|\1$1|" "$LAB_DIR/east-1.yaml" >"$LAB_DIR/elsewhere.yaml"
	grep -qF "$1" "$LAB_DIR/elsewhere.yaml" || { echo "no feed of west in the configuration"; return 1; }
	RC=0
	lab_exec east-1 "$LAB_XMESH" --config "$LAB_DIR/elsewhere.yaml" --json doctor --peer west \
		>"$LAB_DIR/doctor.json" 2>"$LAB_DIR/doctor.err" || RC=$?
	cat "$LAB_DIR/doctor.err" "$LAB_DIR/doctor.json"
}
refused() {
	elsewhere '{etcd: {endpoints: ["https://127.0.0.1:9"], prefix: /x}}'
	[ "$RC" = 1 ] && row ok 'feed dns' 'west https' 'is known' &&
		row bad 'feed tcp' 'west https' 'port 9: nothing listens there' &&
		row skipped 'feed read' 'west etcd' 'no endpoint' && jq -e '.first | test("feed tcp")' "$LAB_DIR/doctor.json"
}
t "an etcd that nobody runs: TCP is named, what follows is skipped" refused
nameless() {
	elsewhere '{etcd: {endpoints: ["https://etcd.invalid:2379"], prefix: /x}}'
	[ "$RC" = 1 ] && row bad 'feed dns' 'etcd.invalid' 'correct the name' &&
		! row bad 'feed tcp' 'etcd.invalid' '.' 2>/dev/null
}
t "a name that is not known: DNS is named" nameless
no_server() {
	cat >"$LAB_DIR/kubeconfig" <<-END
		apiVersion: v1
		kind: Config
		current-context: w
		contexts: [{name: w, context: {cluster: w, user: u}}]
		clusters: [{name: w, cluster: {server: "https://127.0.0.1:9"}}]
		users: [{name: u, user: {token: abc}}]
	END
	elsewhere "{kubernetes: {kubeconfig: $LAB_DIR/kubeconfig}}"
	[ "$RC" = 1 ] && row bad 'feed tcp' 'west https' 'port 9: nothing listens there'
}
t "a Kubernetes API that nobody serves: likewise" no_server

away() {
	lab_agent_stop east-1
	doctor
	[ "$RC" = 0 ] && row warning agent east-1 'does not run' && row ok hooks '' 'attached'
}
t "no agent is a warning: traffic goes on" away

bare() {
	lab_x east-1 detach --all --purge >/dev/null
	doctor
	[ "$RC" = 1 ] && row bad hooks '' 'nothing is loaded' && row skipped mtu '' 'no pinned tables'
}
t "nothing loaded is bad" bare
t_end
