#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# guest.sh: the short end to end of scripts/vm.sh, run inside a distribution's kernel: every program
# loads, VXLAN and native in both families, attach and detach, a WireGuard underlay. The guest is
# emulated and slow: two nodes, few packets, long deadlines.
set -eu
LAB_DEADLINE=120 LAB_XMESH=/xmesh/build/xmesh
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
t_begin
# No python here, and three pings of an emulated guest may take a second.
ping_ok() { lab_exec "$1" ping -q -c 2 -i 0.2 -W 10 "${@:3}" "$2"; }
serve() { # POD: busybox answers each TCP connection with a line
	lab_bg "$1" "serve-$1" socat TCP6-LISTEN:8080,ipv6only=0,fork,reuseaddr SYSTEM:"echo hello from $1"
	lab_wait 30 lab_listens "$1" 8080
}
tcp_ok() { # FROM SERVER FAMILY
	local a
	a=$(lab_addr "$2" "$3")
	case $a in *:*) a="[$a]" ;; esac
	[ "$(lab_exec "$1" socat -T 10 - "TCP:$a:8080,connect-timeout=20" </dev/null)" = "hello from $2" ]
}
reach() {
	ping_ok east-1a "$(lab_addr west-1a 4)"
	ping_ok east-1a "$(lab_addr west-1a 6)"
	tcp_ok east-1b west-1a 4
	tcp_ok east-1b west-1a 6
}
LAB_NODES="east-1 west-1" LAB_MODE=tunnel LAB_FAMILY=ipv4
lab_fabric_up
lab_feeds
for node in $LAB_NODES; do
	lab_node_up "$node"
	lab_pod_up "${node}a"
	lab_pod_up "${node}b"
	lab_config "$node"
done
serve west-1a
configure() { # MODE FAMILY
	for node in $LAB_NODES; do
		lab_agent_stop "$node"
		LAB_MODE=$1 LAB_FAMILY=$2 lab_config "$node"
	done
	lab_agents_up
}
features() {
	lab_x east-1 status
	lab_x east-1 status | sed 's/^/# /' >&3
}
exec 3>&1
t "every program loads and the agents get ready" lab_agents_up
t "status tells what this kernel can do" features
t "VXLAN over IPv4: ping and TCP, both families" reach
t "by the fast path, where the kernel can" counter_moves east-1 tunnel ping_ok east-1a "$(lab_addr west-1a 4)"
t "a host to a pod of a peer" ping_ok east-1 "$(lab_addr west-1a 4)"
killed() {
	lab_agent_stop east-1 KILL
	lab_agent_stop west-1 KILL
	reach
}
t "agents killed: traffic goes on" killed
t "XDP attaches natively to a veth" lab_x east-1 attach eth0 --role underlay --xdp native
t "and traffic goes on" reach
t "XDP comes off again" lab_x east-1 detach eth0
over6() {
	configure tunnel ipv6
	reach
}
t "VXLAN over IPv6" over6
native() {
	configure native auto
	reach
}
t "native" native
lab_agent_stop east-1
lab_agent_stop west-1
purged() {
	for node in $LAB_NODES; do lab_x "$node" detach --all --purge; done
	[ -z "$(find "$LAB_DIR/bpf" -mindepth 1)" ]
	fails ip -n "$(lab_ns east-1)" link show xmesh0
	[ -z "$(lab_ip east-1 route show proto 139)" ]
	[ -z "$(nsenter --net="/run/netns/$(lab_ns east-1)" tc qdisc show | grep clsact)" ]
}
t "detach --all --purge leaves nothing" purged

wireguard() { # the underlay is a WireGuard device between the nodes: what leaves is encrypted
	local node peer c
	for node in $LAB_NODES; do wg genkey >"$LAB_DIR/key-$node"; done
	for node in $LAB_NODES; do
		case $node in east-1) peer=west-1 ;; *) peer=east-1 ;; esac
		lab_ip "$node" link add wg0 type wireguard
		lab_exec "$node" wg set wg0 listen-port 51820 private-key "$LAB_DIR/key-$node" \
			peer "$(wg pubkey <"$LAB_DIR/key-$peer")" endpoint "$(lab_addr "$peer" 4):51820" \
			allowed-ips "198.51.100.$(lab_cluster_id "$peer")/32,2001:db8:99::$(lab_cluster_id "$peer")/128"
		lab_ip "$node" -batch - <<-EOF
			link set wg0 up
			address add 198.51.100.$(lab_cluster_id "$node")/24 dev wg0
			address add 2001:db8:99::$(lab_cluster_id "$node")/64 dev wg0 nodad
		EOF
	done
	for c in east west; do
		cat >"$LAB_DIR/feeds/$c/$c.yaml" <<-EOF
			apiVersion: v1
			kind: Node
			metadata: {name: $c-1}
			spec: {podCIDRs: [10.$(lab_cluster_id $c).1.0/24, "fd00:10:$(lab_cluster_id $c):1::/64"]}
			status:
			  addresses:
			  - {type: InternalIP, address: 198.51.100.$(lab_cluster_id $c)}
			  - {type: InternalIP, address: "2001:db8:99::$(lab_cluster_id $c)"}
		EOF
	done
	for node in $LAB_NODES; do
		LAB_MODE=tunnel LAB_FAMILY=auto lab_config "$node"
		sed -i 's/^underlay:.*/underlay: [wg0]/' "$LAB_DIR/$node.yaml"
	done
	lab_agents_up
	reach
	lab_exec east-1 wg show wg0 transfer | awk '$2 > 1000 && $3 > 1000 { ok = 1 } END { exit !ok }'
}
if lab_ip fabric link add wgtest type wireguard 2>/dev/null; then
	t "WireGuard underlay: ping and TCP, both families" wireguard
else
	t_skip "WireGuard underlay" "this kernel has no WireGuard"
fi
t_end
