#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# etcd.sh: a peer cluster by a real etcd with TLS, client certificates and auth. Routes and services
# arrive, changes soon; a server that is killed, cut off, compacted, wiped, frozen, that refuses or holds
# bad values takes nothing away. West comes by two ways to one server, north from another.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/etcd_lib.sh
. "$(dirname "$0")/etcd_lib.sh"
t_begin
LAB_NODES="east-1 west-1"
way1=192.0.2.241 way2=192.0.2.242 # to "one", which listens on 240
lab_fabric_up
etcd_init
etcd_begin one $ETCD_ADDR
etcd_begin two 192.0.2.243
lab_feeds
for node in $LAB_NODES; do
	lab_node_up "$node"
	lab_pod_up "${node}a"
	lab_config "$node"
done
lab_service east web 20 ""
lab_wait 15 etcd_answers one
lab_wait 15 etcd_answers two
for server in one two; do
	etcd_auth $server
	etcd_user $server reader /xmesh/
done
etcd_way one $way1
etcd_way one $way2
peer() { # CLUSTER SOURCE: east-1 reads that cluster from there
	sed -i "s|\(name: $1,.*feed: \)\(.*\)}\$|\1$2}|" "$LAB_DIR/east-1.yaml"
}
peer west "$(etcd_source /xmesh/west reader $way1 $way2)"
peer north "$(etcd_source /xmesh/north reader 192.0.2.243)"
etcd_fill two /xmesh/north <"$LAB_TOP/tests/data/north.json"

known() { lab_x east-1 route get "$1"; }
unknown() { exits 3 lab_x east-1 route get "$1"; }
feed_is() { # CLUSTER STATE
	lab_x east-1 feed list | grep "^$1 " | tee -a /dev/stderr | grep -qw "$2"
}
vip_ok() { # 4|6: the service, whose only backend is in west
	local host
	host=$(lab_vip east 20 "$1")
	[ "$1" = 4 ] || host="[$host]"
	[ "$(lab_exec east-1a curl -sS -m 5 "http://$host/")" = "hello from west-1a" ]
}
says() { lab_x east-1 status | tee -a /dev/stderr | grep -qF -- "$1"; }
west_objects() {
	cat "$LAB_TOP/tests/data/west.json"
	etcd_service west web 20 west-1a
}
# routes NODE: entries of its table
routes() { lab_x "$1" --json map dump xm_routes | jq '.entries | length'; }
# arrives ADDRESS COMMAND...: known soon after the command
arrives() {
	local start end address=$1
	shift
	"$@"
	start=${EPOCHREALTIME/[.,]/}
	lab_wait "${WITHIN:-2}" known "$address"
	end=${EPOCHREALTIME/[.,]/}
	echo "after $(((end - start) / 1000)) ms, with the time that it takes to ask"
}
put_node() { etcd_put one "/xmesh/west/nodes/west-$1" "$(etcd_node "west-$1" "10.2.$1.0/24" "192.0.2.2$1")"; }

# ---- the first snapshot ----

lab_agent_start west-1
lab_agent_start east-1
empty() {
	lab_wait 5 says 'no objects below /xmesh/west/'
	known 10.3.1.1
	unknown 10.2.1.1
}
t "a prefix with nothing in it is an error, and other feeds do not wait for it" empty
before=$(routes east-1)
partial() {
	west_objects | etcd_keys /xmesh/west | etcd_puts one
	unknown 10.2.1.1
	fails lab_wait 1 known 10.2.1.1
	[ "$(routes east-1)" = "$before" ]
}
t "half a list touches no map" partial
mark() { etcd_put one /xmesh/west/.complete now; }
t "its marker makes it a cluster" arrives 10.2.1.1 mark
etcd_freeze two
frozen_at=$SECONDS
served() {
	lab_serve west-1a
	page_ok east-1a west-1a "$(lab_addr west-1a 4)"
	page_ok east-1a west-1a "$(lab_addr west-1a 6)"
	lab_wait 5 vip_ok 4
	vip_ok 6
}
t "pods and services of that cluster are reached" served
shown() {
	lab_x east-1 feed list
	feed_is west ok
	lab_x east-1 feed list | grep '^west ' | grep -q 'rev:[0-9]'
}
t "its state and revision are shown" shown
changes() {
	local n
	for n in 41 42 43; do arrives "10.2.$n.1" put_node "$n"; done | tee "$LAB_DIR/times"
	lab_exec east-1 curl -sS http://127.0.0.1:9964/metrics | grep '^xmesh_apply_seconds' >>"$LAB_DIR/times"
	awk '/_sum/ { sum = $2 } /_count/ { n = $2 } END { exit !(n > 0 && sum / n < 1) }' "$LAB_DIR/times"
}
t "a change reaches the maps" changes
sed -n 's/^/# /p' "$LAB_DIR/times" | grep -v 'bucket.* 0$'
once() { lab_x east-1 apply --dry-run | tail -n 5; }
t "apply reads the same, without staying" once
deleted() {
	etcd_del one /xmesh/west/nodes/west-41
	lab_wait 2 unknown 10.2.41.1
	known 10.2.42.1
}
t "a deleted node goes, others stay" deleted

# ---- faults ----

bad() {
	etcd_put one /xmesh/west/nodes/west-42 '{"apiVersion": "v1", "kind": "Node"'
	etcd_put one /xmesh/west/nodes/west-44 "$(etcd_node west-45 10.2.45.0/24 192.0.2.245)"
	arrives 10.2.46.1 put_node 46
	known 10.2.42.1
	unknown 10.2.45.1
	lab_wait 2 grep 'nodes/west-42' "$LAB_DIR/log/agent-east-1"
	lab_wait 2 grep 'nodes/west-44.*west-45' "$LAB_DIR/log/agent-east-1"
	feed_is west ok
	put_node 42
	etcd_del one /xmesh/west/nodes/west-44
}
t "bad values are named, what was there stays, and the rest of the feed lives" bad
over() {
	etcd_cut $way1
	WITHIN=5 arrives 10.2.47.1 put_node 47
	lab_wait 2 feed_is west ok
}
t "a way that is cut: the other one is taken, and changes arrive" over
cut_off() {
	etcd_cut $way2
	lab_wait 10 feed_is west failing
	lab_x east-1 status | grep -E "$way1|$way2"
	ping_ok east-1a "$(lab_addr west-1a 4)"
	vip_ok 4
}
t "with both cut the error is shown and traffic goes on" cut_off
compacted() {
	local revision
	put_node 48
	etcd_del one /xmesh/west/nodes/west-47
	revision=$(etcd_ctl one get /xmesh/west/.complete -w json | jq .header.revision)
	etcd_ctl one compact --physical "$revision"
	WITHIN=10 arrives 10.2.48.1 etcd_way one $way1
	unknown 10.2.47.1
	known 10.2.1.1
	lab_wait 2 feed_is west ok
}
t "compacted meanwhile: listed again, what went meanwhile goes" compacted
killed() {
	etcd_stop one
	lab_wait 10 feed_is west failing
	lab_x east-1 --json feed list | jq -c '.. | objects | select(.cluster? == "west") | {state, age_s, error}' |
		tee /dev/stderr | grep -q '"age_s":[0-9]'
	vip_ok 4
}
t "the server is killed: age and error are shown and traffic goes on" killed
restarted() {
	etcd_start one
	put_node 49
	WITHIN=20 arrives 10.2.49.1 true
	lab_wait 5 feed_is west ok
}
t "it is started again: changes arrive" restarted
# Before anything that makes the agent read again: a new connection would find it silent much sooner.
frozen() {
	lab_wait $((40 - SECONDS + frozen_at)) feed_is north failing
	# By now a new connection may have failed otherwise.
	grep 'nothing was heard of it for 25 s' "$LAB_DIR/log/agent-east-1"
	known 10.3.1.1
	etcd_thaw two
	etcd_put two /xmesh/north/nodes/north-9 "$(etcd_node north-9 10.3.9.0/24 192.0.2.39)"
	WITHIN=20 arrives 10.3.9.1 true
	lab_wait 5 feed_is north ok
}
t "a server that went silent is noticed, and taken again when it speaks" frozen
denied() {
	etcd_revoke one reader /xmesh/
	kill -HUP "$(lab_agent_pid east-1)"
	lab_wait 5 says 'may not read what begins with /xmesh/west/'
	says reader.pem
	ping_ok east-1a "$(lab_addr west-1a 4)"
	etcd_grant one reader /xmesh/
	lab_wait 12 feed_is west ok
}
t "the right to read is taken away: prefix and user are named, and it heals when it is given back" denied
wiped() {
	etcd_stop one
	etcd_wipe one
	etcd_start one
	etcd_auth one
	etcd_user one reader /xmesh/
	etcd_put one /xmesh/west/nodes/west-1 "$(etcd_node west-1 10.2.1.0/24 192.0.2.21)"
	lab_wait 20 says '/xmesh/west/.complete is not there'
	known 10.2.2.1
	known 10.2.49.1
	vip_ok 4
}
t "the store is wiped and half filled: nothing goes" wiped
refilled() {
	jq 'del(.items[] | select(.metadata.name == "west-2"))' "$LAB_TOP/tests/data/west.json" | etcd_keys /xmesh/west | etcd_puts one
	etcd_service west web 20 west-1a | etcd_keys /xmesh/west | etcd_puts one
	mark
	lab_wait 2 unknown 10.2.2.1
	unknown 10.2.49.1
	known 10.2.3.1
	lab_wait 2 feed_is west ok
	vip_ok 4
}
t "and refilled: what is not there any more goes" refilled
t_end
