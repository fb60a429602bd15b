#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# monitor.sh: what `xmesh monitor` shows of drops, flows, feeds and nodes, what it filters, and what it
# says of events that it did not get.
# Runs beside others.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
t_begin
LAB_NODES="east-1 west-1"
lab_fabric_up
lab_feeds
lab_service east web 20 ""
lab_service west web 20 "west-1a"
for node in $LAB_NODES; do
	lab_node_up "$node"
	lab_pod_up "${node}a"
	lab_pod_up "${node}b"
	lab_config "$node"
done
lab_serve west-1a
lab_agents_up

# mon LOG ARGUMENT...: a monitor on east-1, once it reads; its pid is in MON.
mon() {
	local log=$1
	shift
	rm -f "$LAB_DIR/run/east-1.monitor"
	lab_bg east-1 "$log" "$LAB_XMESH" --config "$LAB_DIR/east-1.yaml" monitor "$@"
	MON=$LAB_PID
	lab_wait 10 grep -qx "$MON" "$LAB_DIR/run/east-1.monitor"
	# The lock comes before the first look: an event that it shows tells that it reads.
	lab_wait 10 mon_reads "$MON"
}
mon_reads() { grep -q 'anon_inode:\[signalfd\]' <(ls -l "/proc/$1/fd") && [ "$(cat "/proc/$1/wchan")" != 0 ]; }
mon_end() {
	kill -INT "$MON" 2>/dev/null || true
	lab_wait 10 lab_gone "$MON"
}
has() { # LOG JQ-CONDITION: a line of it holds
	jq -e -s "any(.[]; $2)" "$LAB_DIR/log/$1" >/dev/null
}
sees() { lab_wait "$3" has "$1" "$2" || { tail -n 5 "$LAB_DIR/log/$1"; return 1; }; } # LOG CONDITION SECONDS

# spoof FROM N: so many datagrams that the pod sends from an address that is not its own.
spoof() {
	lab_exec "$1" python3 - "$2" <<-'EOF'
		import socket, sys
		s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		s.bind(("10.99.0.9", 4242))
		for _ in range(int(sys.argv[1])):
		    s.sendto(b"x", ("10.2.1.2", 5353))
	EOF
}
lab_ip east-1a address add 10.99.0.9/32 dev lo
vip=$(lab_vip east 20 4)
is_up() { [ "$(lab_x east-1 --json peer get west-1 | jq -r '.nodes[0].health')" = up ]; }
t "a node with a backend is up" lab_wait 15 is_up

mon all --json
spoof_seen() {
	spoof east-1a 1
	sees all '.type == "drop" and .reason == "pod_source" and .hook == "from_pod" and .protocol == "udp" and
		.source == "10.99.0.9" and .source_port == 4242 and .destination == "10.2.1.2" and
		.destination_port == 5353 and .length == 29 and .interface == "vetha" and .time_ms > 1600000000000' 10
}
t "a spoofed packet is a drop with its five-tuple" spoof_seen
flow_seen() {
	lab_exec east-1b curl -sS -m 5 "http://$vip/"
	sees all ".type == \"flow\" and .destination == \"$vip\" and .destination_port == 80 and
		.source == \"$(lab_addr east-1b 4)\" and .protocol == \"tcp\" and .cluster == \"west\"" 10
}
t "a new flow to a service is seen" flow_seen
feed_seen() {
	cp "$LAB_DIR/feeds/west/west.yaml" "$LAB_DIR/west.good"
	echo '{not yaml: [' >"$LAB_DIR/feeds/west/west.yaml"
	sees all '.type == "agent" and .kind == "feed_failed" and .cluster == "west"' 20
}
t "a feed that turns bad is seen" feed_seen
feed_back() {
	cp "$LAB_DIR/west.good" "$LAB_DIR/feeds/west/west.yaml"
	sees all '.type == "agent" and .kind == "feed_back" and .cluster == "west"' 70
}
t "and that it is good again" feed_back
node_seen() {
	lab_cut west-1
	sees all '.kind == "node_down" and .cluster == "west" and .text == "west/west-1"' 30
}
t "a node that is cut off is seen" node_seen
node_back() {
	lab_heal west-1
	sees all '.kind == "node_up" and .text == "west/west-1"' 30
}
t "and that it answers again" node_back

second() { refuses "process $MON " lab_x east-1 monitor --count 1; }
t "a second monitor is refused, with the pid of the first" second
dump() { refuses "process $MON " lab_x east-1 map dump xm_events; }
t "so is a dump of the ring" dump

ends() {
	mon_end
	tail -n 1 "$LAB_DIR/log/all"
	jq -e 'select(.type == "summary") | .events > 3 and .lost == 0' <(tail -n 1 "$LAB_DIR/log/all")
}
t "SIGINT ends it with a summary" ends
t "the lease of flows ends with it" sh -c \
	"'$LAB_XMESH' --config '$LAB_DIR/east-1.yaml' --json map dump xm_watch | jq -e '.entries[0].flows == false'"
t "the ring can be read again" lab_x east-1 map dump xm_events

lost() {
	local before after told
	before=$(counter east-1 events_lost)
	mon lost --json --drops
	spoof east-1a 3000
	lab_wait 10 has lost '.type == "lost"'
	mon_end
	after=$(counter east-1 events_lost)
	told=$(jq -s 'map(select(.type == "lost") | .count) | add' "$LAB_DIR/log/lost")
	echo "counted $before -> $after, told $told"
	tail -n 1 "$LAB_DIR/log/lost"
	[ "$told" = $((after - before)) ]
	[ "$told" -gt 1000 ]
	# Each packet is shown or counted as lost.
	[ $((told + $(jq -s 'map(select(.type == "drop" and .source_port == 4242)) | length' "$LAB_DIR/log/lost"))) -ge 3000 ]
}
t "what the rate limit took is counted and told" lost

filtered() { # what a reason, address or type does not fit is not shown
	sleep 1.1 # the second of the rate limit
	mon filter --json --addr 10.99.0.0/16 --reason pod_source --count 2
	lab_exec east-1b curl -sS -m 5 "http://$vip/"
	spoof east-1a 2
	lab_wait 10 lab_gone "$MON"
	jq -c . "$LAB_DIR/log/filter"
	jq -e -s '(map(select(.type == "drop")) | length) == 2 and (map(select(.type != "drop" and .type != "summary")) | length) == 0' "$LAB_DIR/log/filter"
}
t "filters by address and reason, and ends after --count" filtered
flows_only() {
	mon flows --json --flows --cluster west --count 1
	spoof east-1a 1
	lab_exec east-1b curl -sS -m 5 "http://$vip/"
	lab_wait 10 lab_gone "$MON"
	jq -c . "$LAB_DIR/log/flows"
	jq -e -s '[.[].type] == ["flow", "summary"]' "$LAB_DIR/log/flows"
}
t "flows alone, of one cluster" flows_only
t "an unknown cluster: no such thing, and the nearest" sh -c \
	"'$LAB_XMESH' --config '$LAB_DIR/east-1.yaml' monitor --cluster wst 2>&1 | grep -q 'did you mean west'"
t "an unknown reason is wrong usage" exits 2 lab_x east-1 monitor --reason pod_sauce
t "a reason that makes no events too" exits 2 lab_x east-1 monitor --reason tunnel

people() {
	lab_agent_stop east-1
	mon people --drops
	spoof east-1a 1
	lab_wait 10 grep -q pod_source "$LAB_DIR/log/people"
	mon_end
	cat "$LAB_DIR/log/people"
	grep -qE '^[0-9-]+ [0-9:.]+ drop from_pod pod_source udp 10\.99\.0\.9:4242 -> 10\.2\.1\.2:5353, 29 bytes, .*on vetha: ' "$LAB_DIR/log/people"
	grep -qx '1 events shown, 0 of the kernel and 0 of the agent lost' "$LAB_DIR/log/people"
}
t "without an agent the kernel's events are printed for people" people
without() {
	mon noagent
	lab_wait 10 grep -q "no events of the agent, only the kernel's" "$LAB_DIR/log/noagent"
	lab_agent_start east-1
	lab_wait 10 grep -q 'agent feed_read cluster west' "$LAB_DIR/log/noagent"
	mon_end
	[ "$(grep -c 'no events of the agent' "$LAB_DIR/log/noagent")" = 1 ]
}
t "that no agent runs is said once; one that starts is followed" without

# ---- xmesh latency: the same lab ----

lat() { lab_x east-1 latency "$@"; }
latency_shows() {
	for _ in $(seq 20); do lab_exec east-1b curl -sS -m 5 "http://$vip/" >/dev/null; done
	lat
	lat --json | jq -e '.clusters[] | select(.cluster == "west") | .kinds.handshake.count >= 20 and
		.kinds.handshake.p50_ns > 1000 and ([.kinds.handshake.buckets[].count] | add) == .kinds.handshake.count
		and .kinds.probe.count > 0'
}
t "latency: handshakes and probes of a cluster" latency_shows
latency_service() {
	lat --service lab/web
	lat --service lab/web | grep -q '^handshake: [0-9]*, p50 '
	lat --service lab/web | grep -q '100.0%'
	lat --cluster west | grep -q '^lab/web '
	lat --cluster west --service lab/web --json | jq -e '.cluster == "west" and .service == "lab/web" and
		.kinds.handshake.count >= 20 and (has("services") | not)'
}
t "latency: histograms of a service" latency_service
t "latency: an unknown cluster is no such thing" exits 3 lat --cluster wst
t "latency: an unknown service too" exits 3 lat --service lab/wbe
latency_watch() {
	lab_bg east-1 watch "$LAB_XMESH" --config "$LAB_DIR/east-1.yaml" --json latency --watch
	local pid=$LAB_PID
	for _ in $(seq 60); do
		lab_exec east-1b curl -sS -m 5 "http://$vip/" >/dev/null
		! has watch '[.last.clusters[]? | select(.cluster == "west") | .kinds.handshake.count] | add > 0' || break
		sleep 0.1
	done
	kill -INT "$pid"
	lab_wait 5 lab_gone "$pid"
	has watch '([.last.clusters[] | select(.cluster == "west") | .kinds.handshake.count] | add) as $l |
		([.total.clusters[] | select(.cluster == "west") | .kinds.handshake.count] | add) as $t | $l > 0 and $l < $t'
}
t "latency --watch: the last second and the total, a document a line" latency_watch
latency_terminal() {
	timeout 20 script -qec "timeout -s INT 2.5 nsenter --net=/run/netns/$(lab_ns east-1) '$LAB_XMESH' --config '$LAB_DIR/east-1.yaml' latency --watch" /dev/null >"$LAB_DIR/tty" </dev/null || :
	grep -q $'\033\[?1049h' "$LAB_DIR/tty"
	grep -q $'\033\[38;5;' "$LAB_DIR/tty"
	tail -c 20 "$LAB_DIR/tty" | grep -q $'\033\[?1049l'
}
t "latency --watch: colours on a terminal, which is as before in the end" latency_terminal
t_end
