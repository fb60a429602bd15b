# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2154 # what run.sh sets
# feeds.sh: the part `feeds` of run.sh, on one line of namespaces: a real etcd with TLS beside the agent of
# node 1. How soon a change on the server is in the map, and a million values read by a feed against the same
# pages read and thrown away, in turns. Sourced. About three minutes, most of it filling the server.

: "${BENCH_VALUES:=1000000}"

feeds_etcd() { # a server at https://127.0.0.1:2379 of node 1
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=bench \
		-addext subjectAltName=IP:127.0.0.1 -keyout "$work/feeds/key.pem" -out "$work/feeds/cert.pem" 2>/dev/null
	nsenter --net="/run/netns/$(ns feeds-n1)" etcd --data-dir "$work/feeds/data" --logger zap --log-level error \
		--listen-client-urls https://127.0.0.1:2379 --advertise-client-urls https://127.0.0.1:2379 \
		--listen-peer-urls http://127.0.0.1:2380 --cert-file "$work/feeds/cert.pem" --key-file "$work/feeds/key.pem" \
		--quota-backend-bytes 8589934592 --auto-compaction-retention 0 </dev/null >"$work/feeds/etcd.log" 2>&1 &
	proxies+=($!)
	wait_for 20 feeds_ctl get /none || {
		tail -n 5 "$work/feeds/etcd.log" >&2
		die "etcd does not answer after 20 s (log above)"
	}
}
feeds_ctl() { ETCDCTL_API=3 in_ns feeds-n1 etcdctl --endpoints https://127.0.0.1:2379 --cacert "$work/feeds/cert.pem" "$@"; }
feeds_tool() { in_ns feeds-n1 "$out/feeds_bench" "$1" https://127.0.0.1:2379 "$work/feeds/cert.pem" "${@:2}"; }

# feeds_objects: the other cluster: its node and a thousand services of ten backends.
feeds_objects() {
	jq -rnc '
		{apiVersion: "v1", kind: "Node", metadata: {name: "node2"}, spec: {podCIDRs: ["10.2.0.0/16"]},
		 status: {addresses: [{type: "InternalIP", address: "192.0.2.2"}]}} as $node |
		["nodes/node2", $node],
		(range(1000) as $i | "s\($i)" as $name |
			["services/bench/\($name)", {apiVersion: "v1", kind: "Service",
			  metadata: {name: $name, namespace: "bench", annotations: {"xmesh.io/global": "true"}},
			  spec: {clusterIPs: ["10.98.\($i / 250 | floor).\($i % 250 + 1)"],
				ports: [{name: "rr", port: 80, protocol: "TCP"}]}}],
			["endpointslices/bench/\($name)", {apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice",
			  addressType: "IPv4", metadata: {name: $name, namespace: "bench",
				labels: {"kubernetes.io/service-name": $name}},
			  ports: [{name: "rr", port: 9000, protocol: "TCP"}],
			  endpoints: [range(10) | {addresses: ["10.2.\($i / 25 + 10 | floor).\($i % 25 * 10 + . + 1)"],
				nodeName: "node2"}]}]),
		[".complete", "now"]
		| "put /bench/live/\(.[0]) \(.[1] | tojson | tojson)"'
}
feeds_fill() {
	local lines
	while mapfile -t -n 100 lines && [ ${#lines[@]} -gt 0 ]; do
		printf '%s\n' '' "${lines[@]}" '' '' | feeds_ctl txn >/dev/null
	done < <(feeds_objects)
}

feeds_agent() {
	# As in the other cluster: each service, by its own address.
	feeds_objects | sed -n 's/^put [^ ]*services[^ ]* //p' | jq -c 'fromjson | .spec.clusterIPs[0] |= sub("10.98"; "10.97")' |
		jq -sc '{apiVersion: "v1", kind: "List", items: .}' >"$work/feeds/feed1/services.json"
	cat >"$work/feeds/1.yaml" <<-END
		cluster: {name: c1, id: 1}
		node: {name: node1}
		instance: b$id-feeds-1
		bpffs: $work/bpf
		run_dir: $work/run
		state_dir: $work/state
		underlay: [ul0]
		pods: {interfaces: ["veth*"], path: fast}
		socket_lb: off
		local: {feed: {dir: $work/feeds/feed1}}
		peers:
		- {name: c2, id: 2, feed: {etcd: {endpoints: ["https://127.0.0.1:2379"], prefix: /bench/live, ca: $work/feeds/cert.pem}}}
	END
	nsenter --net="/run/netns/$(ns feeds-n1)" "$xmesh" --config "$work/feeds/1.yaml" agent \
		</dev/null >"$work/feeds/1.log" 2>&1 &
	agents+=($!)
	wait_for 30 feeds_served || {
		tail -n 20 "$work/feeds/1.log" >&2
		die "xmesh: the services of the etcd are not there after 30 s (log above)"
	}
}
feeds_served() { in_ns feeds-n1 "$xmesh" --config "$work/feeds/1.yaml" service get bench/s999 | grep -q 10.2.49.250; }

# What the agent says of the same changes: from heard of to written, without the server and the way.
feeds_apply() {
	in_ns feeds-n1 curl -sS http://127.0.0.1:9964/metrics | sed -n 's/^xmesh_apply_seconds_bucket{le="\(.*\)"} /\1 /p' |
		jq -Rnc '[inputs | split(" ") | {key: .[0], value: .[1] | tonumber}] | {what: "feeds_apply", not_above_s: from_entries}'
}

part_feeds() {
	local round pid start=$SECONDS
	for t in etcd etcdctl openssl; do
		command -v "$t" >/dev/null || die "$t is missing: scripts/deps.sh installs it"
	done
	[ -x "$out/feeds_bench" ] || die "$out/feeds_bench is not there: run make"
	mkdir -p "$work/feeds"
	line_up feeds
	line_feeds feeds
	feeds_etcd
	feeds_fill
	feeds_agent
	feeds_tool change "$work/bpf/xmesh/b$id-feeds-1/xm_backends" 200 >>"$results"
	feeds_apply >>"$results"
	pid=${agents[-1]}
	kill "$pid"
	wait_for 5 is_gone "$pid" || true
	feeds_tool fill "$BENCH_VALUES" >>"$results"
	for ((round = 1; round <= rounds; round++)); do
		progress feeds "$round" "$rounds" "$start"
		feeds_tool raw "$BENCH_VALUES" | jq -c ".round = $round" >>"$results"
		feeds_tool feed "$BENCH_VALUES" | jq -c ".round = $round" >>"$results"
	done
}
