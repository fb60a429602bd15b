#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# publish.sh: `xmesh publish` mirrors west into a real etcd with TLS and auth, and east reads it there. What
# is private stays at home; a lease that ends, an etcd that is wiped, a second publisher and a broken feed
# take nothing away from east.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/etcd_lib.sh
. "$(dirname "$0")/etcd_lib.sh"
t_begin
LAB_NODES="east-1 west-1"
lab_fabric_up
etcd_init
etcd_begin one $ETCD_ADDR
lab_feeds
for node in $LAB_NODES; do
	lab_node_up "$node"
	lab_pod_up "${node}a"
	lab_config "$node"
done
lab_service east web 20 ""
lab_service west web 20 west-1a
lab_service west private 21 west-1a local
lab_service west unshared 22 west-1a shared=false
lab_wait 15 etcd_answers one
etcd_auth one
etcd_user one reader /xmesh/
etcd_user one writer /xmesh/west/ readwrite
# Below no other prefix may it read or write.
publish_config() { # USER: into west.yaml; what a node's own configuration says besides does not matter
	sed '/^publish:/d' "$LAB_DIR/west-1.yaml" >"$LAB_DIR/west.yaml"
	echo "publish: $(etcd_source /xmesh/west "$1" $ETCD_ADDR | sed 's/}$/, lease_ttl: 10s}/')" >>"$LAB_DIR/west.yaml"
}
publish_config writer
sed -i "s|\(name: west,.*feed: \)\(.*\)}\$|\1$(etcd_source /xmesh/west reader $ETCD_ADDR)}|" "$LAB_DIR/east-1.yaml"

publish_start() { # NAME
	lab_bg west-1 "agent-publish-$1" "$LAB_XMESH" --config "$LAB_DIR/west.yaml" publish
	echo "$LAB_PID" >"$LAB_DIR/log/publish-$1.pid"
}
publish_pid() { cat "$LAB_DIR/log/publish-$1.pid"; }
publish_stop() { # NAME [SIGNAL]
	kill "-${2:-TERM}" "$(publish_pid "$1")"
	lab_wait 10 lab_gone "$(publish_pid "$1")"
}
keys() { etcd_ctl one get --prefix /xmesh/west/ --keys-only | sed '/^$/d'; }
has() { keys | tee -a /dev/stderr | grep -qxF "/xmesh/west/$1"; }
lacks() { ! has "$1"; }
# In decimal, and not by jq, to which numbers of 64 bits are too long.
leases() { etcd_ctl one get "$@" -w json | grep -oE '"lease":[0-9]+' | sort -u; }
lease() { leases "/xmesh/west/$1" | grep -o '[0-9]*$'; }
lease_is_not() { local now && now=$(lease .complete) && [ "$now" != "$1" ]; }
one_lease() { # all keys hang on the lease of .complete
	[ "$(leases --prefix /xmesh/west/ | wc -l)" = 1 ]
}
known() { lab_x east-1 route get "$1"; }
unknown() { exits 3 lab_x east-1 route get "$1"; }
feed_is() { lab_x east-1 feed list | grep "^$1 " | tee -a /dev/stderr | grep -qw "$2"; }
vip_ok() { # 4|6: the service, whose only backend is in west
	local host
	host=$(lab_vip east 20 "$1")
	[ "$1" = 4 ] || host="[$host]"
	[ "$(lab_exec east-1a curl -sS -m 5 "http://$host/")" = "hello from west-1a" ]
}
node_doc() { # NUMBER: a Node of west in a file of its own
	etcd_node "west-$1" "10.2.$1.0/24" "192.0.2.2$1" >"$LAB_DIR/feeds/west/.new"
	mv "$LAB_DIR/feeds/west/.new" "$LAB_DIR/feeds/west/node-$1.json"
}

lab_agent_start west-1
lab_agent_start east-1
lab_serve west-1a

publish_start a
written() {
	lab_wait 10 has .complete
	has nodes/west-1
	has services/lab/web
	keys | grep -q '^/xmesh/west/endpointslices/lab/web'
	one_lease
}
t "nodes, global services and their slices are written under one lease" written
private() {
	lacks services/lab/private
	fails grep -q private <(keys)
	fails grep -q unshared <(keys)
}
t "what is not global or not shared stays at home" private
reached() {
	lab_wait 10 feed_is west ok
	lab_wait 10 known "$(lab_addr west-1a 4)"
	page_ok east-1a west-1a "$(lab_addr west-1a 4)"
	page_ok east-1a west-1a "$(lab_addr west-1a 6)"
	lab_wait 5 vip_ok 4
	vip_ok 6
}
t "another cluster reads it there and reaches pods and the global service" reached
change() {
	node_doc 41
	lab_wait 5 known 10.2.41.1
	rm "$LAB_DIR/feeds/west/node-41.json"
	lab_wait 5 unknown 10.2.41.1
}
t "changes arrive, deletions too" change
broken() {
	keys >"$LAB_DIR/before"
	echo '{"kind": ' >"$LAB_DIR/feeds/west/bad.json"
	lab_wait 5 grep -q 'bad.json.*what is published stays' "$LAB_DIR/log/agent-publish-a"
	keys | diff "$LAB_DIR/before" -
	rm "$LAB_DIR/feeds/west/bad.json"
}
t "a broken feed takes nothing away" broken
revoked() {
	local id
	id=$(lease .complete)
	etcd_ctl one lease revoke "$(printf %x "$id")"
	lacks .complete
	known "$(lab_addr west-1a 4)"
	lab_wait 10 lease_is_not "$id"
	has services/lab/web
	one_lease
	known "$(lab_addr west-1a 4)"
	vip_ok 4
}
t "a lease that ends is followed by another, and east keeps what it had" revoked
second() {
	local id
	id=$(lease .complete)
	publish_start b
	lab_wait 10 lease_is_not "$id"
	one_lease
	lab_wait 10 grep -q 'standing by' "$LAB_DIR/log/agent-publish-a"
	id=$(lease .complete)
	publish_stop b KILL
	# Until the lease of the one that died is over, nothing is gone.
	has services/lab/web
	vip_ok 4
	publish_start c
	lab_wait 10 lease_is_not "$id"
	one_lease
	publish_stop c
	lab_wait 10 has .complete
	one_lease
	grep 'taking over' "$LAB_DIR/log/agent-publish-a"
	vip_ok 4
}
t "a second publisher takes over, and the first again when that ends" second
wiped() {
	etcd_stop one
	# Its threads hold the ports for a moment longer than it lives.
	lab_wait 5 fails lab_listens fabric 2380
	etcd_wipe one
	etcd_start one
	etcd_auth one
	etcd_user one reader /xmesh/
	etcd_user one writer /xmesh/west/ readwrite
	lab_wait 20 has .complete
	has services/lab/web
	known "$(lab_addr west-1a 4)"
	node_doc 42
	lab_wait 20 known 10.2.42.1
	vip_ok 4
}
t "an etcd that was wiped is filled again" wiped
reload() {
	local pid id
	pid=$(publish_pid a)
	id=$(lease .complete)
	kill -HUP "$pid"
	lab_wait 5 grep -q 'configuration read again' "$LAB_DIR/log/agent-publish-a"
	sed -i "s|prefix: /xmesh/west,|prefix: /xmesh/moved,|" "$LAB_DIR/west.yaml"
	etcd_grant one writer /xmesh/moved/ readwrite
	[ "$(lease .complete)" = "$id" ]
	kill -HUP "$pid"
	lab_wait 10 etcd_holds /xmesh/moved/.complete
	[ -z "$(keys)" ]
	known 10.2.42.1
	cp "$LAB_DIR/west.yaml" "$LAB_DIR/good.yaml"
	sed -i 's|^cluster:.*|cluster: {}|' "$LAB_DIR/west.yaml"
	kill -HUP "$pid"
	lab_wait 5 grep -q 'reload refused, the old configuration stays: .*west.yaml' "$LAB_DIR/log/agent-publish-a"
	sed "s|prefix: /xmesh/moved,|prefix: /xmesh/west,|" "$LAB_DIR/good.yaml" >"$LAB_DIR/west.yaml"
	kill -HUP "$pid"
	lab_wait 10 has .complete
	fails etcd_holds /xmesh/moved/.complete
	known 10.2.42.1
	kill -0 "$pid"
}
etcd_holds() { etcd_ctl one get --keys-only "$1" | grep -q .; }
t "a reload moves what is published to another prefix; a bad one changes nothing" reload
limits() { grep '^Max core file size' "/proc/$1/limits" | grep -qE ' 0 +0 +bytes'; }
undumpable() {
	local dir=$LAB_DIR/nobody pid
	limits "$(publish_pid a)"
	limits "$(lab_agent_pid east-1)"
	# The files of a process that leaves no dump belong to root, whoever runs it.
	mkdir -p "$dir"
	chmod 755 "$LAB_DIR" "$dir"
	cp "$LAB_XMESH" "$dir/xmesh"
	cat >"$dir/x.yaml" <<-EOF
		cluster: {name: west, id: 2}
		local: {feed: {dir: $dir}}
		publish: {etcd: {endpoints: ["https://192.0.2.249:2379"], prefix: /xmesh/west}}
	EOF
	lab_bg west-1 nobody setpriv --reuid 65534 --regid 65534 --clear-groups "$dir/xmesh" --config "$dir/x.yaml" publish
	pid=$LAB_PID
	lab_wait 5 grep -q 'what is published stays' "$LAB_DIR/log/nobody"
	grep -q '^Uid:.65534' "/proc/$pid/status"
	[ "$(stat -c %u "/proc/$pid/mem")" = 0 ]
	kill "$pid"
}
t "neither agent nor publisher leaves a core dump, and publishing needs no root" undumpable
stopped() {
	publish_stop a
	[ -z "$(keys)" ]
	lab_wait 15 grep -qF '/xmesh/west/.complete is not there' "$LAB_DIR/log/agent-east-1"
	known 10.2.42.1
	vip_ok 4
}
t "a clean end takes everything back, and east keeps what it had" stopped
once() {
	lab_x west-1 --config "$LAB_DIR/west.yaml" publish --once
	has .complete
	has nodes/west-42
	lab_wait 10 feed_is west ok
}
t "published once, it stays for the time of the lease" once
denied() {
	publish_config reader
	exits 1 lab_x west-1 --config "$LAB_DIR/west.yaml" publish --once
	refuses "publishing to https://$ETCD_ADDR:2379/xmesh/west: " lab_x west-1 --config "$LAB_DIR/west.yaml" publish --once
	etcd_ctl one get --prefix /xmesh/west/ >/dev/null
}
t "who may only read is refused, with the reason" denied
t_end
