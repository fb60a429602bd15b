# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2154 # what run.sh sets
# services.sh: the part `services` of run.sh. A global service whose only backend is on the other
# node, in the other cluster, against that backend's own address (in one process, in turns), against
# kernel VXLAN with nftables DNAT, and against two HAProxy sidecars in TCP mode, plain and mutual TLS
# (P-256, a full handshake for each connection). Connections with 1, 1 000 and 10 000 services.
# Sourced.
#
#   svc1 svc1000 svc10000   xmesh; "socket" in the cgroup of node 1, "packet" outside of it
#   knft                    kernel VXLAN, DNAT on node 1
#   proxy                   plain routing; a HAProxy in either pod, reached without any redirection:
#                           kinder to them than a mesh with iptables in front would be
#
# What is compared as latency runs on one CPU, SCHED_FIFO: the length of the path and no more.

counts="1 1000 10000"
bench_cpu=1

vip_of() { # vip_of N: the address of the last of N services
	local k=$(($1 - 1))
	echo "10.97.$((k / 250)).$((k % 250 + 1))"
}

line_services() { # line_services LINE N: N services in both clusters, the backends in the second
	local n
	for n in 1 2; do
		mkdir -p "$work/$1/feed$n"
		jq -nc --argjson count "$2" --argjson cluster "$n" '{apiVersion: "v1", kind: "List", items: [
			range($count) | "s\(.)" as $name |
			{apiVersion: "v1", kind: "Service",
			 metadata: {name: $name, namespace: "bench", annotations: {"xmesh.io/global": "true"}},
			 spec: {clusterIPs: ["10.97.\(. / 250 | floor).\(. % 250 + 1)"],
				ports: [{name: "rr", port: 80, protocol: "TCP", targetPort: 9000}]}},
			{apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice", addressType: "IPv4",
			 metadata: {name: $name, namespace: "bench", labels: {"kubernetes.io/service-name": $name}},
			 ports: [{name: "rr", port: 9000, protocol: "TCP"}],
			 endpoints: (if $cluster == 2 then
				[{addresses: ["10.2.0.2"], nodeName: "node2", conditions: {ready: true}}] else [] end)}
			]}' >"$work/$1/feed$n/services.json"
	done
}

line_knft() {
	line_kvxlan knft
	in_ns knft-n1 nft -f - <<-END
		table ip bench {
			map backends {
				type ipv4_addr . inet_service : ipv4_addr . inet_service
				elements = { $(vip_of 1) . 80 : $(addr 4 2) . 9000 }
			}
			chain pre {
				type nat hook prerouting priority dstnat;
				dnat ip to ip daddr . tcp dport map @backends
			}
		}
	END
}

# ---- sidecars ----

certificates() { # a CA and a certificate for each side, all P-256
	local side
	mkdir -p "$work/tls"
	(
		cd "$work/tls"
		openssl ecparam -name prime256v1 -genkey -noout -out ca.key
		openssl req -x509 -new -key ca.key -subj "/CN=bench CA" -days 2 -out ca.pem
		for side in client server; do
			openssl ecparam -name prime256v1 -genkey -noout -out "$side.key"
			openssl req -new -key "$side.key" -subj "/CN=$side" -out "$side.csr"
			openssl x509 -req -in "$side.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out "$side.crt"
			cat "$side.crt" "$side.key" >"$side.pem"
		done
	) 2>"$work/tls/log" || {
		cat "$work/tls/log" >&2
		die "openssl could not make the sidecars' certificates"
	}
}

proxy_config() { # proxy_config BIND SERVER
	cat <<-END
		global
			nbthread 1
			maxconn 4000
		defaults
			mode tcp
			timeout connect 5s
			timeout client 60s
			timeout server 60s
		listen sidecar
			bind $1
			server next $2
	END
}

proxy_start() { # proxy_start POD NAME BIND SERVER
	proxy_config "$3" "$4" >"$work/$2.cfg"
	# A plain command, so that $! is HAProxy and not a shell.
	nsenter --net="/run/netns/$(ns "proxy-$1")" chrt -f 50 taskset -c "$bench_cpu" \
		haproxy -db -q -f "$work/$2.cfg" </dev/null >"$work/$2.log" 2>&1 &
	proxies+=($!)
}

proxies_up() {
	local tls=$work/tls port
	certificates
	proxy_start p1 plain1 "127.0.0.1:15001" "$(addr 4 2):15001"
	proxy_start p2 plain2 "$(addr 4 2):15001" "127.0.0.1:9000"
	# no-ssl-reuse: each connection has its own handshake, as between pods that meet the first time.
	proxy_start p1 tls1 "127.0.0.1:15002" \
		"$(addr 4 2):15002 ssl verify required ca-file $tls/ca.pem crt $tls/client.pem no-ssl-reuse"
	proxy_start p2 tls2 "$(addr 4 2):15002 ssl crt $tls/server.pem ca-file $tls/ca.pem verify required" \
		"127.0.0.1:9000"
	for port in 15001 15002; do
		wait_for 10 proxy_answers "$port" || {
			cat "$work"/{plain,tls}[12].log >&2
			die "the sidecars do not answer"
		}
	done
}
proxy_answers() { # proxy_answers PORT
	"$out/rr" --mode crr --client "$(ns proxy-p1)" --server "$(ns proxy-p2)" --addr 127.0.0.1 --to-port "$1" \
		--seconds 0.01
}

# ---- measuring ----

one_cpu() { # one_cpu BENCH VARIANT ROUND: rr or crr on one CPU
	local line=svc1 to=() addr
	addr=$(addr 4 2)
	case $2 in
	socket) to=(--to "$(vip_of 1)" --to-port 80 --cgroup "$cgroup") ;;
	packet) to=(--to "$(vip_of 1)" --to-port 80) ;;
	knft) line=knft to=(--to "$(vip_of 1)" --to-port 80) ;;
	proxy) line=proxy addr=127.0.0.1 to=(--to-port 15001) ;;
	proxytls) line=proxy addr=127.0.0.1 to=(--to-port 15002) ;;
	esac
	rr_tool "$1" "$line" "$addr" "\"variant\":\"$2\",\"round\":$3,\"as\":\"one_cpu\"" --fifo "${to[@]}"
}
rr_tool() { # rr_tool rr|crr LINE ADDRESS TAG OPTION...
	local mode=$1
	[ "$mode" = crr ] || mode=block
	# The server still knows the last minute's ports (TIME_WAIT), with the timestamps that their client
	# used for its peer: for a socket that is the backend, for packets the VIP. One port for both would
	# wait for a second SYN.
	case "$*" in
	*--cgroup*) in_ns "$2-p1" sysctl -qw net.ipv4.ip_local_port_range="1024 32000" ;;
	*) in_ns "$2-p1" sysctl -qw net.ipv4.ip_local_port_range="33000 65000" ;;
	esac
	"$out/rr" --mode "$mode" --client "$(ns "$2-p1")" --server "$(ns "$2-p2")" --addr "$3" \
		--cpus "$bench_cpu,$bench_cpu" --seconds "$seconds" --tag "$4" "${@:5}" >>"$results"
}

connects() { # connects VARIANT-N ROUND
	local n=${1#*-} to
	to=(--to "$(vip_of "$n")" --to-port 80)
	case $1 in socket-*) to+=(--cgroup "$cgroup") ;; esac
	rr_tool crr "svc$n" "$(addr 4 2)" "\"variant\":\"$1\",\"round\":$2" --fifo "${to[@]}"
}

pairs() { # pairs ROUND
	"$out/pair" --client "$(ns svc1-p1)" --server "$(ns svc1-p2)" --addr "$(addr 4 2)" --to "$(vip_of 1)" \
		--to-port 80 --cgroup "$cgroup" --cpus "$bench_cpu,$bench_cpu" --fifo \
		--seconds 1 --tag "\"round\":$1" >>"$results"
}

counted() { # counted HOOK: packets translated there on node 1 of svc1
	in_ns svc1-n1 "$xmesh" --json --config "$work/svc1/1.yaml" map dump xm_counters |
		jq "[.. | objects | select(.reason? == \"translated\" and .hook? == \"$1\") | .packets] | add // 0"
}

answers() { # answers LINE VIP [CGROUP]: one connection is made and served
	"$out/rr" --mode crr --client "$(ns "$1-p1")" --server "$(ns "$1-p2")" --addr "$(addr 4 2)" --seconds 0.01 \
		--to "$2" --to-port 80 ${3:+--cgroup "$3"}
}

part_services() {
	local n t v round job start=$SECONDS socket_before packet_before
	for t in nft haproxy openssl chrt taskset findmnt; do
		command -v "$t" >/dev/null || die "$t is missing: scripts/deps.sh installs it"
	done
	cgroup=$(findmnt -rn -t cgroup2 -o TARGET | head -n 1)
	[ -n "$cgroup" ] || die "no cgroup v2 is mounted"
	cgroup=$cgroup/xmbench-$id
	mkdir "$cgroup"
	line_up knft
	line_knft
	line_up proxy
	line_plain proxy
	proxies_up
	for n in $counts; do
		line_up "svc$n"
		line_services "svc$n" "$n"
		line_xmesh "svc$n" tunnel "$cgroup"
		wait_for 60 answers "svc$n" "$(vip_of "$n")" ||
			die "svc$n: the last of $n services does not answer per packet"
		wait_for 60 answers "svc$n" "$(vip_of "$n")" "$cgroup" ||
			die "svc$n: the last of $n services does not answer at sockets"
	done
	socket_before=$(counted socket) packet_before=$(counted from_pod)
	for round in $(seq "$rounds"); do
		for job in $(shuf -e pairs rr crr connects); do
			case $job in
			pairs) pairs "$round" ;;
			rr | crr) for v in $(shuf -e socket packet knft proxy proxytls); do
				one_cpu "$job" "$v" "$round"
			done ;;
			connects) for v in $(shuf -e {socket,packet}-{1,1000,10000}); do
				connects "$v" "$round"
			done ;;
			esac
		done
		progress services "$round" "$rounds" "$start"
	done
	[ "$(counted socket)" -gt "$socket_before" ] || die "svc1: no socket was translated"
	[ "$(counted from_pod)" -gt "$packet_before" ] || die "svc1: no packet was translated"
}
