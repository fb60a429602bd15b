#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# kubernetes.sh: a peer cluster by a kubeconfig, from a scripted API server (tests/tools/kube_server.py)
# with TLS and a token. Routes and services arrive, changes soon; each fault of the server or of our rights
# there takes nothing away and is over when it is mended. What the protocol does under them in detail:
# tests/unit/feed/kube_reflector.c.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/etcd_lib.sh
. "$(dirname "$0")/etcd_lib.sh" # certificates, and objects as JSON
t_begin
LAB_NODES="east-1 west-1"
lab_fabric_up
lab_feeds
etcd_init
api=192.0.2.240 d=$LAB_DIR/etcd
etcd_address $api
etcd_sign other subjectAltName=DNS:elsewhere.example
for node in $LAB_NODES; do
	lab_node_up "$node"
	lab_pod_up "${node}a"
	lab_config "$node"
done
lab_service east web 20 ""

# ---- the server ----

token() { printf %s "$1" >"$d/$2.new" && mv "$d/$2.new" "$d/$2"; } # VALUE expected|token
api_start() { # VERSION FILE
	rm -f "$d/control" "$LAB_DIR/log/kube-api"
	token first expected
	lab_bg fabric kube-api "$LAB_TOP/tests/tools/kube_server.py" --control "$d/control" --listen $api:6443 \
		--cert "$d/server.pem" --key "$d/server-key.pem" --token "$d/expected" --version "$1" "$2"
	echo "$LAB_PID" >"$d/api.pid"
	lab_wait 10 grep -q ready "$LAB_DIR/log/kube-api"
}
api_stop() {
	kill "$(cat "$d/api.pid")"
	lab_wait 5 lab_gone "$(cat "$d/api.pid")"
}
control() { curl -sS -m 10 --unix-socket "$d/control" -d "$2" "http://control/$1" >/dev/null; } # PATH JSON
set_() { control set "$1"; }
state() { curl -sS -m 10 --unix-socket "$d/control" http://control/state | jq -r "$1 // 0"; } # FILTER
asked() { [ "$(state ".asked[\"$1\"]")" -ge "$2" ]; } # WHAT N
apply() { control apply "$(cat)"; }
put_node() { etcd_node "west-$1" "10.2.$1.0/24" "192.0.2.1$1" | apply; }
delete() { control delete "{\"resource\": \"$1\", \"namespace\": \"$2\", \"name\": \"$3\"}"; }
# kubeconfig [, SETTING-OF-CLUSTER]: as README says to make it.
kubeconfig() {
	cat >"$d/kubeconfig.new" <<-EOF
		current-context: west
		contexts: [{name: west, context: {cluster: west, user: xmesh}}]
		clusters: [{name: west, cluster: {server: "https://$api:6443", certificate-authority-data: "$(base64 -w 0 "$d/ca.pem")"${1:-}}}]
		users: [{name: xmesh, user: {tokenFile: token}}]
	EOF
	mv "$d/kubeconfig.new" "$d/kubeconfig"
}
{
	cat "$LAB_TOP/tests/data/west.json"
	etcd_service west web 20 west-1a
} | jq -s '{kind: "List", items: [.[] | .items? // [.] | .[]]}' >"$d/west.json"
kubeconfig
token first token
api_start 100 "$d/west.json"
sed -i "s|\(name: west,.*feed: \).*|\1{kubernetes: {kubeconfig: $d/kubeconfig}}}|" "$LAB_DIR/east-1.yaml"

# ---- looks ----

known() { lab_x east-1 route get "$1"; }
unknown() { exits 3 lab_x east-1 route get "$1"; }
feed_is() { # CLUSTER STATE
	lab_x east-1 feed list | grep "^$1 " | tee -a /dev/stderr | grep -qw "$2"
}
says() { lab_x east-1 status | tee -a /dev/stderr | grep -qF -- "$1"; }
service_ok() { # 4|6: west's backend answers at east's VIP
	local host
	host=$(lab_vip east 20 "$1")
	case $host in *:*) host="[$host]" ;; esac
	[ "$(lab_exec east-1a curl -sS -m 2 "http://$host/")" = "hello from west-1a" ]
}
served() {
	ping_ok east-1a "$(lab_addr west-1a 4)"
	lab_wait 5 service_ok 4
	service_ok 4
	service_ok 6
}
# arrives ADDRESS COMMAND...: known soon after the command
arrives() {
	local start=${EPOCHREALTIME/[.,]/} address=$1
	shift
	"$@"
	lab_wait "${WITHIN:-2}" known "$address"
	echo "after $(((${EPOCHREALTIME/[.,]/} - start) / 1000)) ms, with the time that it takes to ask"
}
well() { # N: node N arrives, nothing is failing, and traffic flows
	WITHIN=15 arrives "10.2.$1.1" put_node "$1"
	lab_wait 10 feed_is west ok
	served
}

# ---- the first snapshot ----

lab_serve west-1a
lab_agent_start west-1
lab_agent_start east-1
first() {
	lab_wait 5 known 10.2.1.1
	known fd00:10:2:1::1
	known 10.3.1.1
	served
}
t "pods and services of a cluster read by its API are reached" first
shown() {
	lab_wait 2 feed_is west ok
	lab_x east-1 feed list | grep '^west ' | grep -q 'rv:[0-9]'
	[ "$(state .asked.stranger)" = 0 ]
	[ "$(state '.watches | length')" = 5 ]
	state .agent | grep '^xmesh/'
}
t "its state and version are shown; five resources are watched" shown
changes() {
	local n
	for n in 41 42 43; do arrives "10.2.$n.1" put_node $n; done
	delete nodes "" west-41
	lab_wait 2 unknown 10.2.41.1
	known 10.2.42.1
}
t "changes reach the maps" changes
backend() {
	etcd_service west web 20 "" | jq -s '{kind: "List", items: .}' | apply
	lab_wait 5 fails service_ok 4
	etcd_service west web 20 west-1a | jq -s '{kind: "List", items: .}' | apply
	served
}
t "a service loses its backend and gets it back" backend
bad() {
	echo '{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "west-42"}, "spec": {"podCIDRs": ["x"]}}' | apply
	arrives 10.2.44.1 put_node 44
	known 10.2.42.1
	lab_wait 2 grep 'nodes/west-42' "$LAB_DIR/log/agent-east-1"
	put_node 42
}
t "a bad value is named, what was there stays, the rest of the feed lives" bad

# ---- faults ----

cut() {
	control cut '{}'
	well 45
}
t "connections that break in the middle of an object" cut
expired() {
	set_ '{"stall": true}'
	delete nodes "" west-43
	control expire '{}'
	set_ '{"stall": false}'
	lab_wait 10 unknown 10.2.43.1
	well 46
}
t "history that is forgotten: listed again, what went meanwhile goes" expired
expired_http() {
	set_ '{"stall": true, "expired": "http"}'
	delete nodes "" west-44
	control expire '{}'
	control end '{}'
	set_ '{"stall": false}'
	lab_wait 10 unknown 10.2.44.1
	well 47
}
t "the same as HTTP 410" expired_http
stalled() {
	set_ '{"stall": true}'
	put_node 48
	unknown 10.2.48.1
	served
	control cut '{}'
	set_ '{"stall": false}'
	WITHIN=10 arrives 10.2.48.1 true
}
t "a server that says nothing any more takes nothing away" stalled
busy() {
	set_ '{"status": {"code": 429, "retry_after": 1, "count": 5}}'
	control end '{}'
	lab_wait 5 says 'HTTP 429'
	served
	well 49
}
t "a server that has too much to do is left alone as long as it says" busy
broken() {
	set_ '{"status": {"code": 500, "count": 1000, "message": "etcdserver: no leader"}}'
	control end '{}'
	lab_wait 5 says 'etcdserver: no leader'
	lab_wait 2 feed_is west failing
	served
	set_ '{"status": null}'
	well 50
}
t "a server without its store" broken
drip() {
	set_ '{"drip": 400}'
	control expire '{}'
	well 51
	set_ '{"drip": 0}'
}
t "a slow drip" drip
no_watch_list() {
	set_ '{"watchlist": false, "gzip": true}'
	control expire '{}'
	lab_wait 10 asked "endpointslices list" 1
	well 52
}
t "a server without WatchList: lists in gzip, and watches" no_watch_list
no_mcs() {
	set_ '{"mcs": 404}'
	lab_agent_stop east-1
	lab_agent_start east-1
	lab_wait 5 feed_is west ok
	well 53
	set_ '{"mcs": "both"}'
}
t "a server without the Multi-Cluster Services API, and an agent that is started again" no_mcs
denied() {
	set_ '{"deny": ["endpointslices"]}'
	control end '{}'
	lab_wait 5 says 'give the account get, list and watch on endpointslices (packaging/rbac.yaml)'
	served
	set_ '{"deny": []}'
	well 54
}
t "a right that is taken away is named, and it heals when it is given back" denied
token_ends() {
	token second expected
	control end '{}'
	lab_wait 5 says 'HTTP 401'
	fails grep -r first "$LAB_DIR/log/agent-east-1"
	served
	token second token
	well 55
}
t "a token that ends, and its file renewed" token_ends
wrong_name() {
	set_ "{\"cert\": \"$d/other.pem\", \"key\": \"$d/other-key.pem\"}"
	control cut '{}'
	lab_wait 5 says elsewhere.example
	served
	kubeconfig ', tls-server-name: elsewhere.example'
	well 56
	set_ "{\"cert\": \"$d/server.pem\", \"key\": \"$d/server-key.pem\"}"
	control cut '{}'
	kubeconfig
	well 57
}
t "a certificate for another name, and the kubeconfig that says so" wrong_name
gone() {
	local n
	api_stop
	lab_wait 10 feed_is west failing
	says "https://$api:6443"
	served
	{
		jq -c '.items[]' "$d/west.json"
		for n in 42 45 46 47 48 49 50 51 52 53 54 55 56; do etcd_node west-$n 10.2.$n.0/24 192.0.2.1$n; done
	} | jq -s '{kind: "List", items: .}' >"$d/later.json"
	api_start 10000 "$d/later.json"
	token second expected
	lab_wait 20 unknown 10.2.57.1
	known 10.2.56.1
	well 58
}
t "a server that is gone, and comes back without its history" gone
t_end
