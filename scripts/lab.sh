# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# lab.sh: three clusters in network namespaces, for the demo and the end-to-end tests. Sourced.
#
#   fabric   a bridge that joins the underlay of all nodes, dual stack
#   NODE     east-1 east-2 west-1 north-1: 192.0.2.EN and 2001:db8::EN on eth0, as in tests/data
#   POD      NODEa NODEb: 10.E.N.2 and .3, fd00:10:E:N::2 and ::3, behind vetha and vethb of the node
#
# Pods are wired as Calico does (host routes, one MAC for every gateway) or behind a bridge. All
# that it makes bears LAB_ID and lies below LAB_DIR; lab_down removes it. It touches no interface,
# route or sysctl of the host's own namespace. Not for: checking anything.
#
# Settings, read by lab_up:
: "${LAB_NODES:=east-1 east-2 west-1 north-1}"
: "${LAB_MODE:={ipv4: tunnel, ipv6: native\}}" # mode: of the configuration
: "${LAB_FAMILY:=auto}"                        # tunnel.family
: "${LAB_CNI:=ptp}"                            # ptp | bridge
: "${LAB_POD_MTU:=1500}"                       # of both ends of a pod's veth
: "${LAB_MTU:=1500}"                           # of the underlay
: "${LAB_RP_FILTER:=1}"                         # of the underlay interface: strict
: "${LAB_CONFIG:=}"                            # further lines for every xmesh.yaml
: "${LAB_SOCKETS:=}"                           # not empty: socket_lb in the cgroup of each node's pods

LAB_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
: "${LAB_XMESH:=$LAB_TOP/build/xmesh}"
LAB_MAC=ee:ee:ee:ee:ee:ee # of every gateway that a ptp pod sees
LAB_PODS=

# lab_init [ID DIR]: name the lab and make its directory; without arguments one of this process.
lab_init() {
	LAB_ID=${1:-$$}
	LAB_DIR=${2:-$(mktemp -d "${TMPDIR:-/tmp}/xmesh-lab-$LAB_ID.XXXXXX")}
	mkdir -p "$LAB_DIR"/{bpf,run,state,feeds,log}
	: >"$LAB_DIR/netns"
	: >"$LAB_DIR/cgroups"
	mount -t bpf bpf "$LAB_DIR/bpf"
}

lab_ns() { echo "xm$LAB_ID-$1"; }

lab_netns_add() {
	ip netns add "$(lab_ns "$1")"
	lab_ns "$1" >>"$LAB_DIR/netns"
	# No duplicate address detection: an address works as soon as it is there.
	lab_sysctl "$1" net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0
	ip -n "$(lab_ns "$1")" link set lo up
}

# lab_exec NODE|POD COMMAND...: run there. nsenter and not `ip netns exec`, which would hide the bpffs.
lab_exec() {
	local ns
	ns=$(lab_ns "$1")
	shift
	nsenter --net="/run/netns/$ns" "$@"
}

# lab_bg NODE|POD LOG COMMAND...: run there in the background; its pid is in LAB_PID.
lab_bg() {
	local ns log=$LAB_DIR/log/$2
	ns=$(lab_ns "$1")
	shift 2
	nsenter --net="/run/netns/$ns" "$@" </dev/null >"$log" 2>&1 &
	LAB_PID=$!
	disown # no message from the shell when it is ended
}

lab_ip() {
	local ns
	ns=$(lab_ns "$1")
	shift
	ip -n "$ns" "$@"
}

# ---- cgroups: what socket programs are attached to ----

# lab_cgroup NODE: the cgroup of that node's pods, made at the first call: for socket_lb:.
lab_cgroup() {
	local root
	root=$(findmnt -rn -t cgroup2 -o TARGET | head -n 1)
	[ -n "$root" ] || {
		echo "no cgroup v2 is mounted" >&2
		return 1
	}
	if [ ! -d "$root/xmlab-$LAB_ID/$1" ]; then
		mkdir -p "$root/xmlab-$LAB_ID/$1"
		printf '%s\n' "$root/xmlab-$LAB_ID/$1" "$root/xmlab-$LAB_ID" >>"$LAB_DIR/cgroups"
	fi
	echo "$root/xmlab-$LAB_ID/$1"
}

# lab_in NODE|POD COMMAND...: as lab_exec, in the cgroup of the node's pods: its sockets meet the
# socket programs. What lab_exec runs is outside of it and translated per packet.
lab_in() {
	local cgroup
	cgroup=$(lab_cgroup "$(lab_node_of "$1")")
	(
		echo "$BASHPID" >"$cgroup/cgroup.procs"
		lab_exec "$@"
	)
}

# lab_bg_in NODE|POD LOG COMMAND...: lab_bg in that cgroup.
lab_bg_in() {
	local ns log=$LAB_DIR/log/$2 cgroup
	ns=$(lab_ns "$1")
	cgroup=$(lab_cgroup "$(lab_node_of "$1")")
	shift 2
	(
		echo "$BASHPID" >"$cgroup/cgroup.procs"
		exec nsenter --net="/run/netns/$ns" "$@"
	) </dev/null >"$log" 2>&1 &
	LAB_PID=$!
	disown
}

lab_cgroups_down() { # a cgroup cannot go before the last of its processes
	local cgroup
	while read -r cgroup; do
		[ ! -d "$cgroup" ] || lab_wait 5 rmdir "$cgroup" || [ ! -d "$cgroup" ] ||
			echo "the cgroup $cgroup is still there" >&2
	done < <(sort -ru "$LAB_DIR/cgroups")
}

lab_sysctl() {
	local name=$1
	shift
	lab_exec "$name" sysctl -qw "$@"
}

# lab_wait SECONDS COMMAND...: true as soon as the command is, false when the time is over.
lab_wait() {
	local end=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "${EPOCHREALTIME/[.,]/}" -lt "$end" ] || return 1
		sleep 0.02
	done
}

lab_cluster_id() { # NODE|CLUSTER
	case $1 in east*) echo 1 ;; west*) echo 2 ;; north*) echo 3 ;; esac
}
lab_node_number() { # NODE|POD
	local n=${1#*-}
	echo "${n%[a-z]}"
}
lab_addr() { # NODE|POD 4|6: its address
	local e n
	e=$(lab_cluster_id "$1")
	n=$(lab_node_number "$1")
	case $1:$2 in
	*a:4) echo "10.$e.$n.2" ;;
	*a:6) echo "fd00:10:$e:$n::2" ;;
	*b:4) echo "10.$e.$n.3" ;;
	*b:6) echo "fd00:10:$e:$n::3" ;;
	*:4) echo "192.0.2.$e$n" ;;
	*:6) echo "2001:db8::$e$n" ;;
	esac
}
lab_node_of() { echo "${1%[a-z]}"; }

lab_fabric_up() {
	lab_netns_add fabric
	lab_ip fabric link add br0 mtu "$LAB_MTU" type bridge mcast_snooping 0
	lab_ip fabric link set br0 up
}

lab_node_up() { # NODE
	lab_netns_add "$1"
	lab_ip fabric link add "ul-$1" mtu "$LAB_MTU" type veth peer name eth0 mtu "$LAB_MTU" netns "$(lab_ns "$1")"
	lab_ip fabric link set "ul-$1" master br0 up
	lab_sysctl "$1" net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 "net.ipv4.conf.eth0.rp_filter=$LAB_RP_FILTER"
	lab_ip "$1" -batch - <<-EOF
		link set eth0 up
		address add $(lab_addr "$1" 4)/24 dev eth0
		address add $(lab_addr "$1" 6)/64 dev eth0 nodad
	EOF
	[ "$LAB_CNI" = bridge ] || return 0
	local e n
	e=$(lab_cluster_id "$1")
	n=$(lab_node_number "$1")
	lab_ip "$1" -batch - <<-EOF
		link add cni0 mtu $LAB_POD_MTU type bridge
		link set cni0 up
		address add 10.$e.$n.1/24 dev cni0
		address add fd00:10:$e:$n::1/64 dev cni0 nodad
	EOF
}

# lab_pod_up POD [ADDRESS-OF]: make it, with the addresses of another pod when given.
lab_pod_up() {
	local node veth e n as=${2:-$1}
	node=$(lab_node_of "$1")
	veth=veth${1##*[0-9]}
	e=$(lab_cluster_id "$1")
	n=$(lab_node_number "$1")
	lab_netns_add "$1"
	LAB_PODS="$LAB_PODS $1"
	if [ "$LAB_CNI" = bridge ]; then
		lab_ip "$node" link add "$veth" mtu "$LAB_POD_MTU" type veth peer name eth0 mtu "$LAB_POD_MTU" netns "$(lab_ns "$1")"
		lab_ip "$node" link set "$veth" master cni0 up
		lab_ip "$1" -batch - <<-EOF
			link set eth0 up
			address add $(lab_addr "$as" 4)/24 dev eth0
			address add $(lab_addr "$as" 6)/64 dev eth0 nodad
			route add default via 10.$e.$n.1
			route add default via fd00:10:$e:$n::1
		EOF
		return
	fi
	lab_ip "$node" link add "$veth" address $LAB_MAC mtu "$LAB_POD_MTU" \
		type veth peer name eth0 mtu "$LAB_POD_MTU" netns "$(lab_ns "$1")"
	lab_ip "$node" -batch - <<-EOF
		link set $veth up
		address add fe80::1/64 dev $veth nodad
	EOF
	lab_ip "$1" -batch - <<-EOF
		link set eth0 up
		address add $(lab_addr "$as" 4)/32 dev eth0
		address add $(lab_addr "$as" 6)/128 dev eth0 nodad
		neigh add 169.254.1.1 lladdr $LAB_MAC dev eth0 nud permanent
		neigh add fe80::1 lladdr $LAB_MAC dev eth0 nud permanent
		route add default via 169.254.1.1 dev eth0 onlink
		route add default via fe80::1 dev eth0
	EOF
	lab_ip "$node" -batch - <<-EOF
		route add $(lab_addr "$as" 4)/32 dev $veth
		route add $(lab_addr "$as" 6)/128 dev $veth
	EOF
}

lab_pod_down() { # POD
	local pid
	for pid in $(ip netns pids "$(lab_ns "$1")"); do kill -KILL "$pid" 2>/dev/null || true; done
	lab_ip "$(lab_node_of "$1")" link del "veth${1##*[0-9]}"
	ip netns del "$(lab_ns "$1")"
	LAB_PODS=${LAB_PODS/ $1/}
}

# lab_feeds: the feeds of all clusters, from the recorded `kubectl get` dumps.
lab_feeds() {
	local c
	for c in east west north; do
		mkdir -p "$LAB_DIR/feeds/$c"
		cp "$LAB_TOP/tests/data/$c.yaml" "$LAB_DIR/feeds/$c/"
		chmod u+w "$LAB_DIR/feeds/$c/$c.yaml"
	done
}

# ---- global services ----

# lab_vip CLUSTER NUMBER 4|6: the ClusterIP of the service of that number there.
lab_vip() {
	local e
	e=$(lab_cluster_id "$1")
	case $3 in
	4) echo "10.96.$e.$2" ;;
	6) echo "fd00:96::$e:$2" ;;
	esac
}

# lab_service CLUSTER NAME NUMBER BACKENDS [SETTING...]: the Service lab/NAME of that cluster in its
# feed, with a slice for each family. BACKENDS are pods and nodes (host network), with :terminating,
# :unready or :draining (terminating, not serving) behind them. Ports: http 80 -> 8080 and echo 7 -> 9090
# in TCP, echo-udp
# 7 -> 9090 in UDP. SETTINGs: KEY=VALUE is the annotation xmesh.io/KEY, affinity:SECONDS,
# lb:ADDRESS,..., headless, local (not global).
lab_service() {
	local cluster=$1 name=$2 number=$3 backends=$4 dir=$LAB_DIR/feeds/$1
	shift 4
	lab_service_yaml "$cluster" "$name" "$number" "$backends" "$@" >"$dir/.$name.new"
	mv "$dir/.$name.new" "$dir/lab-$name.yaml"
}
lab_service_gone() { rm -f "$LAB_DIR/feeds/$1/lab-$2.yaml"; } # CLUSTER NAME

lab_service_yaml() {
	local cluster=$1 name=$2 number=$3 backends=$4 global=1 affinity='' lb='' s vips
	local notes=()
	vips="[$(lab_vip "$1" "$3" 4), \"$(lab_vip "$1" "$3" 6)\"]"
	shift 4
	for s in "$@"; do
		case $s in
		affinity:*) affinity=${s#*:} ;;
		lb:*) lb=${s#*:} ;;
		headless) vips='[None]' ;;
		local) global= ;;
		*) notes+=("    xmesh.io/${s%%=*}: \"${s#*=}\"") ;;
		esac
	done
	[ -z "$global" ] || notes+=('    xmesh.io/global: "true"')
	cat <<-EOF
		apiVersion: v1
		kind: Service
		metadata:
		  name: $name
		  namespace: lab
		  annotations: $([ ${#notes[@]} -gt 0 ] || echo '{}')
		$(printf '%s\n' ${notes[@]+"${notes[@]}"})
		spec:
		  clusterIPs: $vips
		  type: $([ -n "$lb" ] && echo LoadBalancer || echo ClusterIP)
		  ports:
		  - {name: http, port: 80, protocol: TCP, targetPort: 8080}
		  - {name: echo, port: 7, protocol: TCP, targetPort: 9090}
		  - {name: echo-udp, port: 7, protocol: UDP, targetPort: 9090}
	EOF
	[ -z "$affinity" ] || cat <<-EOF
		  sessionAffinity: ClientIP
		  sessionAffinityConfig: {clientIP: {timeoutSeconds: $affinity}}
	EOF
	[ -z "$lb" ] || cat <<-EOF
		status:
		  loadBalancer:
		    ingress:
		$(for s in ${lb//,/ }; do echo "    - {ip: \"$s\"}"; done)
	EOF
	lab_slice_yaml "$name" 4 "$backends"
	lab_slice_yaml "$name" 6 "$backends"
}
lab_slice_yaml() { # NAME 4|6 BACKENDS
	local b pod state
	cat <<-EOF
		---
		apiVersion: discovery.k8s.io/v1
		kind: EndpointSlice
		metadata:
		  name: $1-ipv$2
		  namespace: lab
		  labels: {kubernetes.io/service-name: $1}
		addressType: IPv$2
		ports:
		- {name: http, port: 8080, protocol: TCP}
		- {name: echo, port: 9090, protocol: TCP}
		- {name: echo-udp, port: 9090, protocol: UDP}
	EOF
	[ -n "$3" ] && echo "endpoints:" || echo "endpoints: []"
	for b in $3; do
		pod=${b%%:*}
		case $b in
		*:terminating) state='ready: false, serving: true, terminating: true' ;;
		*:draining) state='ready: false, serving: false, terminating: true' ;;
		*:unready) state='ready: false, serving: false, terminating: false' ;;
		*) state='ready: true, serving: true, terminating: false' ;;
		esac
		echo "- {addresses: [\"$(lab_addr "$pod" "$2")\"], nodeName: $(lab_node_of "$pod"), conditions: {$state}}"
	done
}

# ---- the world outside: one client of the fabric that is in no cluster ----

LAB_WORLD4=198.51.100.7 LAB_WORLD6=2001:db8:ffff::7

# lab_world_up: the namespace `world`. Nodes route to it; it routes nothing until lab_world_route.
lab_world_up() {
	local node
	lab_netns_add world
	lab_ip fabric link add ul-world mtu "$LAB_MTU" type veth peer name eth0 mtu "$LAB_MTU" netns "$(lab_ns world)"
	lab_ip fabric link set ul-world master br0 up
	lab_ip world -batch - <<-EOF
		link set eth0 up
		address add 192.0.2.250/24 dev eth0
		address add 2001:db8::250/64 dev eth0 nodad
		address add $LAB_WORLD4/32 dev lo
		address add $LAB_WORLD6/128 dev lo nodad
	EOF
	for node in $LAB_NODES; do
		lab_ip "$node" route add 198.51.100.0/24 via 192.0.2.250
		lab_ip "$node" route add 2001:db8:ffff::/64 via 2001:db8::250
	done
}
lab_world_route() { # NODE VIP...: those VIPs are reached through that node
	local node=$1 vip
	shift
	for vip; do
		case $vip in
		*:*) lab_ip world -6 route replace "$vip/128" via "$(lab_addr "$node" 6)" src $LAB_WORLD6 ;;
		*) lab_ip world route replace "$vip/32" via "$(lab_addr "$node" 4)" src $LAB_WORLD4 ;;
		esac
	done
}

# lab_cut NODE..., lab_heal NODE...: its cable to the fabric.
lab_cut() {
	local node
	for node; do lab_ip fabric link set "ul-$node" down; done
}
lab_heal() {
	local node
	for node; do lab_ip fabric link set "ul-$node" up; done
}

# lab_config NODE: write its xmesh.yaml.
lab_config() {
	local own=${1%-*} c
	{
		cat <<-EOF
			cluster: {name: $own, id: $(lab_cluster_id "$own")}
			node: {name: $1}
			instance: $1
			bpffs: $LAB_DIR/bpf
			run_dir: $LAB_DIR/run
			state_dir: $LAB_DIR/state
			underlay: [eth0]
			pods: {interfaces: ["veth*"]}
			mode: $LAB_MODE
			tunnel: {protocol: vxlan, port: 8492, id: 1, family: $LAB_FAMILY}
			local: {feed: {dir: $LAB_DIR/feeds/$own}}
			peers:
		EOF
		for c in east west north; do
			[ "$c" = "$own" ] ||
				echo "  - {name: $c, id: $(lab_cluster_id $c), feed: {dir: $LAB_DIR/feeds/$c}}"
		done
		[ -z "$LAB_CONFIG" ] || echo "$LAB_CONFIG"
		[ -z "$LAB_SOCKETS" ] || echo "socket_lb: $(lab_cgroup "$1")"
	} >"$LAB_DIR/$1.yaml"
}

# lab_x NODE ARGUMENT...: the xmesh command on that node.
lab_x() {
	local node=$1
	shift
	lab_exec "$node" "$LAB_XMESH" --config "$LAB_DIR/$node.yaml" "$@"
}

# lab_agent_start NODE: start the agent and wait until it says that it is ready (sd_notify).
lab_agent_start() {
	lab_agent_begin "$1"
	lab_agent_ready "$1"
}
lab_agent_begin() { # NODE: start, do not wait
	local sock=$LAB_DIR/log/$1.sock
	rm -f "$sock"
	lab_bg "$1" "notify-$1" socat -u "UNIX-RECV:$sock" -
	lab_wait 5 test -S "$sock"
	NOTIFY_SOCKET=$sock lab_bg "$1" "agent-$1" "$LAB_XMESH" --config "$LAB_DIR/$1.yaml" agent
	echo "$LAB_PID" >"$LAB_DIR/log/$1.pid"
}
lab_agent_ready() { # NODE
	lab_wait "${LAB_DEADLINE:-20}" grep -q READY=1 "$LAB_DIR/log/notify-$1" && return
	echo "the agent of $1 is not ready; its log:" >&2
	tail -n 20 "$LAB_DIR/log/agent-$1" >&2
	return 1
}
lab_agent_pid() { cat "$LAB_DIR/log/$1.pid"; }

# lab_agent_stop NODE [SIGNAL]: end the agent and wait for it.
lab_agent_stop() {
	local pid
	pid=$(lab_agent_pid "$1")
	kill "-${2:-TERM}" "$pid" 2>/dev/null || true
	lab_wait 10 lab_gone "$pid"
}
lab_gone() { ! kill -0 "$1" 2>/dev/null || grep -qs '^State:.Z' "/proc/$1/status"; }

# lab_pods_known NODE: every pod of the node is in its table, in both families.
lab_pods_known() {
	local pod known
	known=$(lab_x "$1" endpoint list) || return 1
	for pod in $LAB_PODS; do
		[ "$(lab_node_of "$pod")" = "$1" ] || continue
		grep -qwF "$(lab_addr "$pod" 4)" <<<"$known" || return 1
		grep -qwF "$(lab_addr "$pod" 6)" <<<"$known" || return 1
	done
}

# lab_up: everything, up to agents that know their pods.
lab_up() {
	local node
	lab_fabric_up
	lab_feeds
	for node in $LAB_NODES; do
		lab_node_up "$node"
		lab_pod_up "${node}a"
		lab_pod_up "${node}b"
		lab_config "$node"
	done
	lab_agents_up
}
lab_agents_up() {
	local node
	for node in $LAB_NODES; do lab_agent_begin "$node"; done
	for node in $LAB_NODES; do
		lab_agent_ready "$node"
		lab_wait 15 lab_pods_known "$node" || {
			echo "the pods of $node are not all known:" >&2
			lab_x "$node" endpoint list >&2 || true
			tail -n 20 "$LAB_DIR/log/agent-$node" >&2
			return 1
		}
	done
}

# lab_serve POD: a page "hello from POD" on port 8080, both families.
lab_serve() {
	mkdir -p "$LAB_DIR/www/$1"
	echo "hello from $1" >"$LAB_DIR/www/$1/index.html"
	lab_bg "$1" "www-$1" python3 -m http.server --bind :: -d "$LAB_DIR/www/$1" 8080
	lab_wait 10 lab_listens "$1" 8080
}
lab_listens() { [ -n "$(lab_exec "$1" ss -Hltn "sport = :$2")" ]; }

# lab_down: end every process in the lab's namespaces (all of them are ours) and remove it all.
lab_down() {
	local ns pid
	[ -e "$LAB_DIR/netns" ] || return 0
	while read -r ns; do
		[ -e "/run/netns/$ns" ] || continue
		for pid in $(ip netns pids "$ns"); do kill -KILL "$pid" 2>/dev/null || true; done
		ip netns del "$ns"
	done <"$LAB_DIR/netns"
	umount "$LAB_DIR/bpf" || umount -l "$LAB_DIR/bpf" || true
	lab_cgroups_down
	rm -rf "$LAB_DIR"
}
