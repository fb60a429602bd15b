#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# cilium.sh: a peer that runs Cilium, as far as it can be had without one: its key space in a real etcd
# with the rights that it gives, and a plain VXLAN device that sends identities as VNIs and takes any.
# Canaries, a store that begins anew, a KVStoreMesh, EndpointSlices in zstd, the rules of the wire.
# Runs beside others.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/etcd_lib.sh
. "$(dirname "$0")/etcd_lib.sh"
t_begin
LAB_NODES="east-1 west-1" LAB_MODE=tunnel
lab_fabric_up
etcd_init
etcd_begin one "$ETCD_ADDR"
lab_feeds
for node in $LAB_NODES; do
	lab_node_up "$node"
	lab_pod_up "${node}a"
done
lab_config east-1
lab_service east web 20 ""
lab_service east exported 21 ""
mesh=$LAB_DIR/clustermesh
mkdir "$mesh"
sed -i "s|port: 8492|port: 8472|
	s|\(name: west,.*feed: \).*|\1{cilium: {config: $mesh/west}}}|
	s|\(name: north,.*feed: \).*|\1{cilium: {config: $mesh/north}}}|" "$LAB_DIR/east-1.yaml"

client() { # CLUSTER USER: its file, as Cilium mounts it
	cat >"$mesh/$1" <<-EOF
		endpoints:
		- https://$ETCD_ADDR:2379
		trusted-ca-file: $LAB_DIR/etcd/ca.pem
		key-file: $LAB_DIR/etcd/$2-key.pem
		cert-file: $LAB_DIR/etcd/$2.pem
	EOF
}
rights() { # users as Cilium makes them: single keys, and prefixes
	etcd_auth one
	etcd_user one remote cilium/state/
	etcd_grant one remote cilium/synced/west/
	etcd_user one local cilium/cache/
	etcd_grant one local cilium/synced/
	etcd_grant one local cilium/cluster-config/
	etcd_ctl one role grant-permission remote read cilium/cluster-config/west >/dev/null
	etcd_ctl one role grant-permission remote read cilium/.heartbeat >/dev/null
	etcd_ctl one role grant-permission local read cilium/.heartbeat >/dev/null
	etcd_put one cilium/.heartbeat "$(date -u +%FT%TZ)"
}

# ---- what Cilium writes ----

# config CLUSTER ID [CAPABILITY]
config() {
	etcd_put one "cilium/cluster-config/$1" \
		"{\"id\":$2,\"capabilities\":{\"syncedCanaries\":true,\"maxConnectedClusters\":255${3:+,$3}}}"
}
canary() { etcd_put one "cilium/synced/$1/cilium/${3:-state}/$2/v1" "$(date -u +%FT%TZ)"; } # CLUSTER PREFIX
mask24='"////AA=="' mask64='"//////////8AAAAAAAAAAA=="'
# node CLUSTER ID NAME ADDRESS CIDR4 CIDR6
node() {
	jq -nc --arg cluster "$1" --argjson id "$2" --arg name "$3" --arg addr "$4" --arg v4 "$5" --arg v6 "$6" \
		--argjson m4 "$mask24" --argjson m6 "$mask64" '{Name: $name, Cluster: $cluster,
		IPAddresses: [{Type: "InternalIP", IP: $addr}, {Type: "CiliumInternalIP", IP: "10.255.0.1"}],
		IPv4AllocCIDR: {IP: $v4, Mask: $m4}, IPv4SecondaryAllocCIDRs: null,
		IPv6AllocCIDR: (if $v6 == "" then null else {IP: $v6, Mask: $m6} end),
		IPv6SecondaryAllocCIDRs: null, IPv4HealthIP: "", IPv6HealthIP: "", IPv4IngressIP: "",
		IPv6IngressIP: "", ClusterID: $id, Source: "custom-resource", EncryptionKey: 0, Labels: null,
		Annotations: null, NodeIdentity: 1, WireguardPubKey: "", BootID: ""}'
}
west_node() { # NUMBER
	etcd_put one "cilium/state/nodes/v1/west/west-$1" \
		"$(node west 2 "west-$1" "192.0.2.2$1" "10.2.$1.0" "fd00:10:2:$1::")"
}
address() { # ADDRESS NODE
	etcd_put one "cilium/state/ip/v1/default/$1" \
		"{\"IP\":\"$1\",\"Mask\":null,\"HostIP\":\"$2\",\"ID\":133936,\"Key\":0,\"Metadata\":\"\",\"K8sPodName\":\"p\"}"
}
west_service() {
	etcd_put one cilium/state/services/v1/west/lab/web "$(jq -nc --arg v4 "$(lab_vip west 20 4)" \
		--arg a4 "$(lab_addr west-1a 4)" --arg a6 "$(lab_addr west-1a 6)" '{http: {Protocol: "TCP", Port: 8080}} as $p
		| {cluster: "west", namespace: "lab", name: "web", frontends: {($v4): {http: {Protocol: "TCP", Port: 80}}},
		   backends: {($a4): $p, ($a6): $p}, labels: {}, selector: {}, includeExternal: true, shared: true,
		   clusterID: 2}')"
}
west_slices() {
	local fam
	for fam in 4 6; do
		"$LAB_TOP/tests/e2e/cilium_slice.py" west 2 lab "exported-$fam" exported 8080 \
			"$(lab_addr west-1a "$fam")@west-1" | zstd -q |
			etcd_ctl one put "cilium/state/endpointslices/v1/west/lab/exported-$fam" >/dev/null
	done
	etcd_put one cilium/state/serviceexports/v1/west/lab/exported '{"cluster":"west","name":"exported",
		"namespace":"lab","exportCreationTimestamp":"2026-01-01T00:00:00Z","type":"ClusterSetIP",
		"ports":[{"name":"http","protocol":"TCP","port":80}],"sessionAffinity":"None"}'
}

# ---- the node on the wire: collect_md, VNIs by route ----

device() { # as cilium_vxlan is made; its BPF would not look at the inner MAC, the stack does
	lab_ip west-1 link add cilium_vxlan address 02:78:c0:00:02:15 mtu 1450 type vxlan external dstport 8472
	lab_ip west-1 link set cilium_vxlan up
	lab_ip west-1 neigh replace 192.0.2.11 lladdr 02:78:c0:00:02:0b dev cilium_vxlan nud permanent
	lab_ip west-1 neigh replace fe80::78 lladdr 02:78:c0:00:02:0b dev cilium_vxlan nud permanent
}
sends() { # VNI
	lab_ip west-1 route replace 10.1.1.0/24 encap ip id "$1" dst 192.0.2.11 ttl 64 \
		via 192.0.2.11 dev cilium_vxlan onlink
	lab_ip west-1 route replace fd00:10:1:1::/64 encap ip id "$1" dst 192.0.2.11 ttl 64 \
		via fe80::78 dev cilium_vxlan onlink
}
# captured COMMAND...: what comes to west-1 in the tunnel meanwhile, in wire.pcap
captured() {
	lab_bg west-1 tcpdump tcpdump -nn -U --immediate-mode -Z root -i eth0 -w "$LAB_DIR/wire.pcap" "src 192.0.2.11 and udp dst port 8472"
	local pid=$LAB_PID
	lab_wait 5 grep -q "listening on" "$LAB_DIR/log/tcpdump"
	"$@"
	kill "$pid"
	lab_wait 5 lab_gone "$pid"
}
packets() { # FILTER: those of them that it takes
	tcpdump -nn -r "$LAB_DIR/wire.pcap" "$1" 2>/dev/null | wc -l
}

# ---- looks ----

known() { lab_x east-1 route get "$1"; }
unknown() { exits 3 lab_x east-1 route get "$1"; }
says() { lab_x east-1 status | tee -a /dev/stderr | grep -qF -- "$1"; }
poke() { kill -HUP "$(cat "$LAB_DIR/log/east-1.pid")"; }
soon() { lab_wait 8 "$@"; }
both_ways() {
	ping_ok east-1a "$(lab_addr west-1a 4)"
	ping_ok east-1a "$(lab_addr west-1a 6)"
	ping_ok west-1a "$(lab_addr east-1a 4)"
	ping_ok west-1a "$(lab_addr east-1a 6)"
}

lab_wait 15 etcd_answers one
rights
client west remote
client north local
device
sends 133936 # 2 << 16 | 2864
lab_serve west-1a
lab_agent_start east-1
lab_wait 10 lab_pods_known east-1

# ---- whose store it is, and when it is believed ----

t "without a cluster configuration there is a sentence" soon says \
	"there is no cilium/cluster-config/west"
wrong_id() {
	config west 4
	poke
	soon says "cluster west says that its id is 4, but our configuration gives it 2"
}
t "another id than ours is refused, saying what to set" wrong_id
half() {
	west_node 1
	west_service
	config west 2
	poke
	soon says "cluster west has not filled its store yet, as its canaries tell"
	canary west nodes
	soon says "waiting for cilium/state/ip/v1/default/, cilium/state/services/v1/west/"
	unknown "$(lab_addr west-1a 4)"
}
t "before its canaries nothing of a store is believed" half
whole() {
	canary west identities
	canary west services
	canary west ip
	soon known "$(lab_addr west-1a 4)"
	known "$(lab_addr west-1a 6)"
}
t "with them it is, under rights on single keys and prefixes alone" whole

# ---- the wire ----

t "pods ping each other, identities one way and world the other" both_ways
to_pods() { # from a pod, and from the host by the kernel's route: it knows no way back to that one
	ping_ok east-1a "$(lab_addr west-1a 4)"
	ping_lost east-1 "$(lab_addr west-1a 6)"
}
worldly() {
	captured to_pods
	tcpdump -nn -r "$LAB_DIR/wire.pcap"
	# Behind ports, length, checksum and flags: the VNI and eight bits of nothing.
	[ "$(packets 'udp[12:4] = 0x200')" -ge 5 ]
	[ "$(packets 'udp[12:4] != 0x200')" = 0 ]
}
t "all that is sent to such a node has VNI 2, on the fast path and on the kernel's" worldly
world_back() {
	sends 2
	both_ways
	sends 6
	both_ways
}
t "reserved identities are taken" world_back
refused() { # VNI
	sends "$1"
	counter_moves east-1 bad_vni ping_lost west-1a "$(lab_addr east-1a 4)"
	counter_moves east-1 bad_vni ping_lost west-1a "$(lab_addr east-1a 6)"
}
t "another cluster's identity is refused, and counted" refused 199472
t "host is refused, though 1 is our tunnel.id" refused 1
sends 133936
vip_page() { # VIP
	[ "$(lab_exec east-1a curl -sS -m 5 "http://$1/")" = "hello from west-1a" ]
}
served() {
	soon vip_page "$(lab_vip east 20 4)"
	vip_page "[$(lab_vip east 20 6)]"
}
t "a global service has its backends there" served

# ---- changes ----

new_node() {
	west_node 2
	soon known 10.2.2.7
}
t "a new node is a route soon" new_node
own_address() {
	address 10.2.1.77 192.0.2.21
	address 10.20.0.9 192.0.2.21
	soon known 10.20.0.9
	lab_x east-1 --json map dump xm_routes | tee /dev/stderr | jq -e '
		[.entries[] | tostring | select(contains("10.20.0.9/32"))] | length == 1'
	lab_x east-1 --json map dump xm_routes | jq -e '[.entries[] | tostring | select(contains("10.2.1.77"))] | length == 0'
	etcd_del one cilium/state/ip/v1/default/10.20.0.9
	soon unknown 10.20.0.9
}
t "an address in no node's prefix is a route of its own, others are not" own_address
bad() {
	etcd_put one cilium/state/nodes/v1/west/west-3 "$(node west 3 west-3 192.0.2.23 10.2.3.0 "")"
	west_node 4
	soon known 10.2.4.7
	unknown 10.2.3.7
	grep -qF "ClusterID is not 2, that of cluster west" "$LAB_DIR/log/agent-east-1"
	both_ways
}
t "a bad value takes nothing else along" bad

# ---- the store begins anew ----

anew() {
	etcd_stop one
	etcd_wipe one
	etcd_start one
	rights
	config west 2
	west_service
	poke # before its users were made, it was refused, and that is not asked again soon
	soon says "has not filled its store yet"
	known "$(lab_addr west-1a 4)"
	known 10.2.2.7
	both_ways
	served
	west_node 1
	canary west services
	canary west ip
	known 10.2.2.7
	canary west nodes
	soon unknown 10.2.2.7
	both_ways
	served
}
t "a store that begins anew takes nothing away before its canaries, then what is gone" anew

alone() {
	etcd_freeze one
	lab_agent_stop east-1
	both_ways
	lab_agent_start east-1
	both_ways
	captured to_pods
	[ "$(packets 'udp[12:4] = 0x200')" -ge 5 ]
	etcd_thaw one
	poke
}
t "an agent that starts without the store goes on by identities" alone

# ---- EndpointSlices, KVStoreMesh ----

slices() {
	west_slices
	config west 2 '"serviceExportsEnabled":true,"endpointSlicesExportMode":"endpointslices-only"'
	poke
	canary west serviceexports
	canary west endpointslices
	soon vip_page "$(lab_vip east 21 4)"
	vip_page "[$(lab_vip east 21 6)]"
}
t "a cluster that exports EndpointSlices alone" slices
mirrored() {
	etcd_put one cilium/cache/nodes/v1/north/north-1 "$(node north 3 north-1 192.0.2.31 10.3.1.0 "")"
	etcd_put one cilium/cache/nodes/v1/west/x "$(node west 2 x 192.0.2.32 10.3.2.0 "")"
	config north 3 '"cached":true'
	canary north nodes
	poke
	soon says "cilium/cache/nodes/v1/north/"
	unknown 10.3.1.7
	for prefix in nodes services ip; do canary north "$prefix" cache; done
	soon known 10.3.1.7
	unknown 10.3.2.7
}
t "a KVStoreMesh, by its own canaries" mirrored
doctored() {
	lab_x east-1 doctor >"$LAB_DIR/doctor" || true
	cat "$LAB_DIR/doctor"
	grep -q "feed tcp.*west https://$ETCD_ADDR:2379.*port 2379 takes connections" "$LAB_DIR/doctor"
	grep -q "feed read.*west cilium .*1 nodes, 1 services, 2 slices" "$LAB_DIR/doctor"
	grep -q "feed read.*north cilium .*1 nodes, 0 services" "$LAB_DIR/doctor"
	lab_x east-1 --json explain "$(lab_addr west-1a 4)" "$(lab_addr east-1a 4):8080" >"$LAB_DIR/explain.json"
	jq -c 'del(.steps)' "$LAB_DIR/explain.json"
	jq -e '.verdict == "forward" and .reason == "local"' "$LAB_DIR/explain.json"
}
t "doctor reads such a store, and explain knows what its nodes may send" doctored
t_end
