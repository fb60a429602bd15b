# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2154 # what run.sh sets
# lines.sh: the lines of namespaces that run.sh measures on, for every variant one, and their ways
# from node to node. Sourced by run.sh, whose variables it uses. Not for: measuring.
#
#   pod1 --veth 1450-- node1 --veth 1500-- node2 --veth 1450-- pod2

ns() { echo "xb$id-$1"; } # of LINE-HOST, as in plain-n1
in_ns() {
	local name
	name=$(ns "$1")
	shift
	nsenter --net="/run/netns/$name" "$@"
}
ip_in() {
	local name
	name=$(ns "$1")
	shift
	ip -n "$name" "$@"
}

is_gone() { ! kill -0 "$1"; }

wait_for() { # wait_for SECONDS COMMAND...
	local end=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "${EPOCHREALTIME/[.,]/}" -lt "$end" ] || return 1
		sleep 0.02
	done
}

line_up() { # line_up LINE: the four namespaces, without any route between the nodes
	local l=$1 h n
	for h in p1 n1 n2 p2; do
		ip netns add "$(ns "$l-$h")"
		# Without rp_filter plain routing is as cheap as it can be, whatever the host's default is.
		in_ns "$l-$h" sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0 \
			net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 \
			net.ipv4.ip_local_port_range="1024 65000"
		ip_in "$l-$h" link set lo up
	done
	ip_in "$l-n1" link add ul0 mtu 1500 type veth peer name ul0 mtu 1500 netns "$(ns "$l-n2")"
	for n in 1 2; do
		in_ns "$l-n$n" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
		ip_in "$l-n$n" link add veth0 address ee:ee:ee:ee:ee:ee mtu 1450 type veth \
			peer name eth0 mtu 1450 netns "$(ns "$l-p$n")"
		ip_in "$l-n$n" -batch - <<-END
			link set ul0 up
			link set veth0 up
			address add 192.0.2.$n/24 dev ul0
			address add 2001:db8::$n/64 dev ul0 nodad
			address add fe80::1/64 dev veth0 nodad
			route add 10.$n.0.2/32 dev veth0
			route add fd00:10:$n::2/128 dev veth0
		END
		ip_in "$l-p$n" -batch - <<-END
			link set eth0 up
			address add 10.$n.0.2/32 dev eth0
			address add fd00:10:$n::2/128 dev eth0 nodad
			neigh add 169.254.1.1 lladdr ee:ee:ee:ee:ee:ee dev eth0 nud permanent
			neigh add fe80::1 lladdr ee:ee:ee:ee:ee:ee dev eth0 nud permanent
			route add default via 169.254.1.1 dev eth0 onlink
			route add default via fe80::1 dev eth0
		END
	done
}

line_plain() { # line_plain LINE
	local n o
	for n in 1 2; do
		o=$((3 - n))
		ip_in "$1-n$n" route add "10.$o.0.0/24" via "192.0.2.$o"
		ip_in "$1-n$n" route add "fd00:10:$o::/64" via "2001:db8::$o"
	done
}

line_kvxlan() { # line_kvxlan LINE: the kernel's device with everything static, as flannel lays it out
	local n o
	for n in 1 2; do
		o=$((3 - n))
		ip_in "$1-n$n" link add vx0 address "02:78:00:00:00:0$n" mtu 1450 type vxlan id 1 dev ul0 \
			local "192.0.2.$n" dstport 4789 nolearning
		ip_in "$1-n$n" link set vx0 up
		bridge -n "$(ns "$1-n$n")" fdb append "02:78:00:00:00:0$o" dev vx0 dst "192.0.2.$o"
		ip_in "$1-n$n" -batch - <<-END
			neigh add 10.$o.0.1 lladdr 02:78:00:00:00:0$o dev vx0 nud permanent
			neigh add fd00:10:$o::1 lladdr 02:78:00:00:00:0$o dev vx0 nud permanent
			route add 10.$o.0.0/24 via 10.$o.0.1 dev vx0 onlink
			route add fd00:10:$o::/64 via fd00:10:$o::1 dev vx0 onlink
		END
	done
}

# The product itself: one agent per node, dir feeds, the two nodes in two clusters.
line_feeds() { # line_feeds LINE
	local n
	for n in 1 2; do
		mkdir -p "$work/$1/feed$n"
		cat >"$work/$1/feed$n/nodes.yaml" <<-END
			apiVersion: v1
			kind: Node
			metadata: {name: node$n}
			spec: {podCIDR: 10.$n.0.0/24, podCIDRs: [10.$n.0.0/24, "fd00:10:$n::/64"]}
			status:
			  addresses:
			  - {type: InternalIP, address: 192.0.2.$n}
			  - {type: InternalIP, address: "2001:db8::$n"}
		END
	done
}
line_xmesh() { # line_xmesh LINE MODE SOCKET-LB-OF-NODE-1
	local line=$1 mode=$2 n o
	[ -x "$xmesh" ] || die "$xmesh is not there: run make"
	line_feeds "$line"
	for n in 1 2; do
		o=$((3 - n))
		cat >"$work/$line/$n.yaml" <<-END
			cluster: {name: c$n, id: $n}
			node: {name: node$n}
			instance: b$id-$line-$n
			bpffs: $work/bpf
			run_dir: $work/run
			state_dir: $work/state
			underlay: [ul0]
			pods: {interfaces: ["veth*"], path: fast}
			socket_lb: $([ $n = 1 ] && echo "$3" || echo off)
			mode: $mode
			local: {feed: {dir: $work/$line/feed$n}}
			peers:
			- {name: c$o, id: $o, feed: {dir: $work/$line/feed$o}}
		END
		# A plain command, so that $! is the agent and not a shell.
		nsenter --net="/run/netns/$(ns "$line-n$n")" "$xmesh" --config "$work/$line/$n.yaml" agent \
			</dev/null >"$work/$line/$n.log" 2>&1 &
		agents+=($!)
	done
	for n in 4 6; do
		wait_for 30 is_fast "$line" "$n" || {
			tail -n 20 "$work/$line"/?.log >&2
			die "xmesh $line: no packet of IPv$n takes the fast path after 30 s (logs above)"
		}
	done
}

addr() { # addr FAMILY POD
	case $1 in 4) echo "10.$2.0.2" ;; 6) echo "fd00:10:$2::2" ;; esac
}

forwarded() { # packets that the fast path of node N of LINE sent on, by its own counters
	local mode=$1
	case $mode in svc*) mode=tunnel ;; esac
	in_ns "$1-n$2" "$xmesh" --config "$work/$1/$2.yaml" metrics |
		awk -v mode="mode=\"$mode\"" '/^xmesh_forwarded_packets_total/ && index($0, mode) { n += $NF } END { print n + 0 }'
}

is_fast() { # is_fast LINE FAMILY: a ping crosses, and node 1 counts it as forwarded
	local before
	before=$(forwarded "$1" 1)
	in_ns "$1-p1" ping -n -q -c 2 -i 0.02 -W 1 "$(addr "$2" 2)" || return 1
	[ "$(forwarded "$1" 1)" -ge $((before + 2)) ]
}

line_of() { echo "${1%6}"; } # plain6 runs on the line of plain
family_of() { case $1 in *6) echo 6 ;; *) echo 4 ;; esac; }
