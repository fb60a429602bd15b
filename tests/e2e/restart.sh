#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# restart.sh: agents are killed, ended, reloaded and restarted under a 1 ms ping and TCP streams:
# nothing is lost, nothing reset; what the kernel needs of a dead agent's state is still true.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
t_begin
py=$LAB_TOP/tests/e2e/packets.py
LAB_NODES="east-1 west-1"
lab_up
lab_service east web 20 ""
lab_service west web 20 "west-1a west-1b"

stop=$LAB_DIR/stop
lab_bg west-1a stream4-server "$py" stream-server 7001
lab_bg west-1a stream6-server "$py" stream-server 7002
lab_wait 5 lab_listens west-1a 7001
lab_wait 5 lab_listens west-1a 7002
for pod in west-1a west-1b; do
	lab_bg "$pod" "vip-server-$pod" "$py" stream-server 9090
	lab_wait 5 lab_listens "$pod" 9090
done
web=$(lab_vip east 20 4)
served() {
	local backends
	backends=$(lab_x east-1 service get lab/web)
	grep -qwF "$(lab_addr west-1a 4)" <<<"$backends" && grep -qwF "$(lab_addr west-1b 6)" <<<"$backends"
}
lab_wait 10 served
lab_wait 10 lab_pods_known east-1
lab_bg east-1a ping4 "$py" ping "$(lab_addr west-1b 4)" "$stop"
jobs=$LAB_PID
lab_bg east-1a ping6 "$py" ping "$(lab_addr west-1b 6)" "$stop"
jobs="$jobs $LAB_PID"
lab_bg east-1a stream4 "$py" stream "$(lab_addr west-1a 4)" 7001 "$stop"
jobs="$jobs $LAB_PID"
lab_bg east-1a stream6 "$py" stream "$(lab_addr west-1a 6)" 7002 "$stop"
jobs="$jobs $LAB_PID"
lab_bg east-1a vip "$py" stream "$web" 7 "$stop"
jobs="$jobs $LAB_PID"

maps() { # the pinned maps of a node, by kernel id
	lab_x "$1" --json map list | jq -c '[.. | objects | select(.id?) | .id] | sort'
}
ids=$(maps east-1)
same_maps() {
	echo "$ids"
	[ "$ids" != '[]' ] && [ "$(maps east-1)" = "$ids" ]
}
# services: numbers and slices as the programs see them; of lab/web, for nodes of the others are not there
services() {
	local first
	lab_x east-1 --json map dump xm_services |
		jq -cS '.entries[] | select(.service == "lab/web") | del(.age_s)'
	lab_x east-1 --json map dump xm_backends |
		jq -cS '.entries[] | select(.service == "lab/web") | del(.age_s)' >"$LAB_DIR/backends"
	cat "$LAB_DIR/backends"
	first=$(jq -s 'map(.number) | min' "$LAB_DIR/backends") # it came last: the others have less
	lab_x east-1 --json map dump xm_maglev | jq -cS ".entries[] | select((.backend | tonumber) >= $first)"
}
services >"$LAB_DIR/services"
same_services() {
	services | diff "$LAB_DIR/services" - | head -n 5 >"$LAB_DIR/differ"
	cat "$LAB_DIR/differ"
	wc -l "$LAB_DIR/services"
	[ ! -s "$LAB_DIR/differ" ]
	[ "$(wc -l <"$LAB_DIR/services")" -gt 1000 ]
}
killed() {
	lab_agent_stop east-1 KILL
	lab_agent_stop west-1 KILL
	ping_ok east-1b "$(lab_addr west-1b 4)"
	ping_ok east-1b "$(lab_addr west-1b 6)"
}
epoch() { lab_x east-1 --json map dump xm_epoch | jq '.entries[0].epoch'; }
before=$(epoch)
t "with both agents killed new traffic is carried" killed
back() {
	lab_agent_start east-1
	lab_agent_start west-1
	ping_ok east-1b "$(lab_addr west-1b 4)"
}
t "the agents come back" back
t "and have adopted the pinned maps" same_maps
t "and the services: the same numbers and slices" same_services
t "but for what the programs remembered of routes and pods" test "$(epoch)" -gt "$before"
ended() {
	lab_agent_stop east-1 TERM
	lab_agent_stop west-1 TERM
	ping_ok east-1b "$(lab_addr west-1b 6)"
}
t "with both agents ended by SIGTERM new traffic is carried" ended
t "they come back once more" back
reload() {
	kill -HUP "$(lab_agent_pid east-1)" "$(lab_agent_pid west-1)"
	ping_ok east-1b "$(lab_addr west-1b 6)"
	fails lab_gone "$(lab_agent_pid east-1)"
}
t "SIGHUP reloads" reload
bad_reload() {
	echo "no_such_key: 1" >>"$LAB_DIR/east-1.yaml"
	kill -HUP "$(lab_agent_pid east-1)"
	lab_wait 5 grep -q no_such_key "$LAB_DIR/log/agent-east-1"
	fails lab_gone "$(lab_agent_pid east-1)"
	ping_ok east-1b "$(lab_addr west-1b 6)"
	lab_config east-1
}
t "a bad configuration on SIGHUP is refused, named, and changes nothing" bad_reload
t "a second agent of the instance is refused and the first one named" \
	refuses "$(lab_agent_pid east-1)" timeout 10 nsenter --net="/run/netns/$(lab_ns east-1)" \
	"$LAB_XMESH" --config "$LAB_DIR/east-1.yaml" agent
still_running() {
	local pid
	for pid in $jobs; do kill -0 "$pid"; done
}
t "the pings and streams have run all the while" still_running
touch "$stop"
clean() { # NAME
	local pid
	for pid in $jobs; do lab_wait 10 lab_gone "$pid"; done
	cat "$LAB_DIR/log/$1"
	grep -qE "$2" "$LAB_DIR/log/$1"
}
t "1 ms ping over the tunnel: 0 lost" clean ping4 '^sent [0-9]{4,} lost 0$'
t "1 ms ping over the native path: 0 lost" clean ping6 '^sent [0-9]{4,} lost 0$'
t "TCP over the tunnel: no reset, every byte arrived" clean stream4 '^sent ([0-9]+) arrived \1$'
t "TCP to a service: no reset, every byte arrived" clean vip '^sent ([0-9]+) arrived \1$'
t "TCP over the native path: no reset, every byte arrived" clean stream6 '^sent ([0-9]+) arrived \1$'

why_west() { lab_x east-1 service get lab/web | tee -a /dev/stderr | grep -qF "its feed is stale"; }
state_west() { lab_x east-1 feed list | grep '^west ' | grep -qw "$1"; }
stale() { # the feed is gone for longer than stale_after: its backends are the last resort, then not
	LAB_CONFIG='stale_after: 2s' lab_config east-1
	kill -HUP "$(lab_agent_pid east-1)"
	lab_wait 5 grep -q 'configuration read again' "$LAB_DIR/log/agent-east-1"
	mv "$LAB_DIR/feeds/west" "$LAB_DIR/feeds/west.away"
	lab_wait 10 why_west
	lab_x east-1 service get lab/web | grep -F 'its feed is stale, and nothing else is left'
	mv "$LAB_DIR/feeds/west.away" "$LAB_DIR/feeds/west"
	lab_wait 40 state_west ok
	lab_wait 5 fails why_west
}
t "a stale feed: its backends are the last resort, and as good as others when it is back" stale

again() { # the pod's interface is a new one behind the same addresses; only the CNI knows
	lab_agent_stop west-1 KILL
	lab_pod_down west-1a
	lab_pod_up west-1a
	lab_wait 5 ping_ok east-1a "$(lab_addr west-1a 4)"
	lab_wait 5 ping_ok east-1a "$(lab_addr west-1a 6)"
}
t "a pod created again on its addresses while the agent is dead is reached" again
t "through the stack, counted as such" \
	counter_moves west-1 stack_pod_gone ping_ok east-1a "$(lab_addr west-1a 4)"
fast_again() {
	lab_agent_start west-1
	lab_wait 10 lab_pods_known west-1
	counter_moves west-1 local ping_ok east-1a "$(lab_addr west-1a 4)"
}
t "and by the fast path once the agent is back" fast_again
gone() {
	lab_pod_down west-1b
	lab_wait 5 fails pod_listed
	lab_pod_up west-1b
	lab_wait 5 pod_listed
	ping_ok east-1a "$(lab_addr west-1b 4)"
}
pod_listed() { lab_x west-1 endpoint list | grep -qwF "$(lab_addr west-1b 4)"; }
t "a living agent follows pods that go and come" gone
t_end
