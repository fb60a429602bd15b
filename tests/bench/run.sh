#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run.sh: what xmesh costs against the kernel's own VXLAN device and against plain routing, on the
# same kind of namespaces, as ratios of one interleaved run. Root. `run.sh --help` lists the options.
#
#   pod1 --veth 1450-- node1 --veth 1500-- node2 --veth 1450-- pod2      one such line per variant
#
# Every round runs every measurement on every variant in a new random order, one variant right
# after the other, and only ratios within a round are compared. Lines go to build/bench/results.jsonl.
# Not for: correctness (tests/e2e), absolute figures (the machine is never quiet enough).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)

# ---- what is to be reached (issue 2, "Speed") --------------------------------------------------
# A ratio is the median over the rounds of VARIANT / AGAINST in that round. The program rows are ns
# gross of BPF_PROG_TEST_RUN, median of prog_bench's runs.
targets() {
	cat <<-'END'
		# measure      variant  against   op  limit
		cpu            tunnel   kvxlan    <=  0.72
		spin_p50       tunnel   kvxlan    <=  0.75
		block_p50      tunnel   kvxlan    <=  0.75
		spin_p50       tunnel   plain     <=  1.00
		block_p50      tunnel   plain     <=  1.00
		connect_rate   tunnel   kvxlan    >=  1.20
		cpu            native   plain     <=  0.85
		spin_p50       native   plain     <=  0.85
		block_p50      native   plain     <=  0.92
		cpu            native6  plain6    <=  0.85
		spin_p50       native6  plain6    <=  0.85
		block_p50      native6  plain6    <=  0.92
		prog_ns        xm_from_pod/4  1      <=  150
		prog_ns        xm_from_pod/6  1      <=  150
		prog_ns        xm_from_pod/4  65536  <=  300
		prog_ns        xm_from_pod/6  65536  <=  300
	END
}

usage() {
	cat <<-'END'
		usage: run.sh [--rounds N] [--seconds X] [--variants "NAME..."] [--strict] [--routes] [--no-prog]
		  --rounds N      interleaved rounds (default 9)
		  --seconds X     length of one measurement (default 0.4)
		  --variants      of: plain kvxlan tunnel native plain6 native6 kvxlan6 tunnel6 (default: the first six)
		  --strict        exit status 1 when a target is missed
		  --routes        also the microbenchmark of lookup structures (routes_bench)
		  --no-prog       leave out prog_bench
		environment: XMESH (default build/xmesh), BENCH_OUT (default build/bench)
	END
}

rounds=9 seconds=0.4 strict='' routes='' prog=1
read -ra variants <<<'plain kvxlan tunnel native plain6 native6'
while [ $# -gt 0 ]; do
	case $1 in
	--rounds) rounds=$2; shift ;;
	--seconds) seconds=$2; shift ;;
	--variants) read -ra variants <<<"$2"; shift ;;
	--strict) strict=1 ;;
	--routes) routes=1 ;;
	--no-prog) prog='' ;;
	--help) usage; exit 0 ;;
	*) usage >&2; exit 2 ;;
	esac
	shift
done
xmesh=${XMESH:-$top/build/xmesh}
out=${BENCH_OUT:-$top/build/bench}
results=$out/results.jsonl
bpftool=$(command -v bpftool || echo /usr/sbin/bpftool)
id=$$
work=
agents=()
stats_before=

say() { echo "bench: $*" >&2; }
die() {
	say "$*"
	exit 1
}

[ "$(id -u)" = 0 ] || die "namespaces and BPF need root"
[ "$(nproc)" -ge 2 ] || die "client and server need a CPU each, and there is one"
for t in ip tc jq nsenter sysctl gcc clang; do
	command -v "$t" >/dev/null || die "$t is missing: scripts/deps.sh installs it"
done

# ---- namespaces --------------------------------------------------------------------------------
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

clean_up() {
	local pid name
	[ -z "$stats_before" ] || sysctl -qw kernel.bpf_stats_enabled="$stats_before"
	for pid in "${agents[@]}"; do kill "$pid" 2>/dev/null || true; done
	for pid in "${agents[@]}"; do
		wait_for 5 is_gone "$pid" || kill -KILL "$pid"
		wait "$pid" 2>/dev/null || true
	done
	for name in $(ip netns list | sed -n "s/^\(xb$id-[^ ]*\).*/\1/p"); do ip netns del "$name"; done
	[ -n "$work" ] || return 0
	# The pins hold the programs: with them goes the last trace in the kernel.
	mountpoint -q "$work/bpf" && umount "$work/bpf"
	rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

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

line_plain() {
	local n o
	for n in 1 2; do
		o=$((3 - n))
		ip_in "plain-n$n" route add "10.$o.0.0/24" via "192.0.2.$o"
		ip_in "plain-n$n" route add "fd00:10:$o::/64" via "2001:db8::$o"
	done
}

line_kvxlan() { # the kernel's device with everything static, as flannel lays it out
	local n o
	for n in 1 2; do
		o=$((3 - n))
		ip_in "kvxlan-n$n" link add vx0 address "02:78:00:00:00:0$n" mtu 1450 type vxlan id 1 dev ul0 \
			local "192.0.2.$n" dstport 4789 nolearning
		ip_in "kvxlan-n$n" link set vx0 up
		bridge -n "$(ns "kvxlan-n$n")" fdb append "02:78:00:00:00:0$o" dev vx0 dst "192.0.2.$o"
		ip_in "kvxlan-n$n" -batch - <<-END
			neigh add 10.$o.0.1 lladdr 02:78:00:00:00:0$o dev vx0 nud permanent
			neigh add fd00:10:$o::1 lladdr 02:78:00:00:00:0$o dev vx0 nud permanent
			route add 10.$o.0.0/24 via 10.$o.0.1 dev vx0 onlink
			route add fd00:10:$o::/64 via fd00:10:$o::1 dev vx0 onlink
		END
	done
}

# The product itself: one agent per node, dir feeds, the two nodes in two clusters.
line_xmesh() { # line_xmesh MODE
	local mode=$1 n o
	for n in 1 2; do
		mkdir -p "$work/$mode/feed$n"
		cat >"$work/$mode/feed$n/nodes.yaml" <<-END
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
	for n in 1 2; do
		o=$((3 - n))
		cat >"$work/$mode/$n.yaml" <<-END
			cluster: {name: c$n, id: $n}
			node: {name: node$n}
			instance: bench$id-$mode-$n
			bpffs: $work/bpf
			run_dir: $work/run
			state_dir: $work/state
			underlay: [ul0]
			pods: {interfaces: ["veth*"], path: fast}
			socket_lb: off
			mode: $mode
			local: {feed: {dir: $work/$mode/feed$n}}
			peers:
			- {name: c$o, id: $o, feed: {dir: $work/$mode/feed$o}}
		END
		# A plain command, so that $! is the agent and not a shell.
		nsenter --net="/run/netns/$(ns "$mode-n$n")" "$xmesh" --config "$work/$mode/$n.yaml" agent \
			</dev/null >"$work/$mode/$n.log" 2>&1 &
		agents+=($!)
	done
	for n in 4 6; do
		wait_for 20 is_fast "$mode" "$n" || {
			tail -n 20 "$work/$mode"/?.log >&2
			die "xmesh $mode: no packet of IPv$n takes the fast path after 20 s (logs above)"
		}
	done
}

addr() { # addr FAMILY POD
	case $1 in 4) echo "10.$2.0.2" ;; 6) echo "fd00:10:$2::2" ;; esac
}

forwarded() { # packets that the fast path of node N of LINE sent on, by its own counters
	in_ns "$1-n$2" "$xmesh" --config "$work/$1/$2.yaml" metrics |
		awk -v mode="mode=\"$1\"" '/^xmesh_forwarded_packets_total/ && index($0, mode) { n += $NF } END { print n + 0 }'
}

is_fast() { # is_fast LINE FAMILY: a ping crosses, and node 1 counts it as forwarded
	local before
	before=$(forwarded "$1" 1)
	in_ns "$1-p1" ping -n -q -c 2 -i 0.02 -W 1 "$(addr "$2" 2)" || return 1
	[ "$(forwarded "$1" 1)" -ge $((before + 2)) ]
}

line_of() { echo "${1%6}"; } # plain6 runs on the line of plain
family_of() { case $1 in *6) echo 6 ;; *) echo 4 ;; esac; }

# ---- measuring ---------------------------------------------------------------------------------
measure() { # measure BENCH VARIANT ROUND
	local v=$2 line tool=() tag
	line=$(line_of "$v")
	tag="\"variant\":\"$v\",\"round\":$3"
	case $1 in
	spin | block | crr) tool=("$out/rr" --mode "$1") ;;
	udp) tool=("$out/udpblast") ;;
	tcp) tool=("$out/stream") ;;
	esac
	"${tool[@]}" --client "$(ns "$line-p1")" --server "$(ns "$line-p2")" --addr "$(addr "$(family_of "$v")" 2)" \
		--seconds "$seconds" --tag "$tag" >>"$results"
}

# The programs under the traffic of udpblast, by the kernel's own statistics. The null program runs
# on the same place of the plain line.
stat_of() { # stat_of PROGRAM-NAME: run_time_ns and run_cnt of all programs of that name
	"$bpftool" prog show -j | jq -r --arg n "$1" \
		'[.[] | select(.name == $n)] | "\(map(.run_time_ns // 0) | add // 0) \(map(.run_cnt // 0) | add // 0)"'
}

with_stats() { # with_stats VARIANT PROGRAM...: one blast, then a line for each program
	local v=$1 line p t0 c0 t1 c1
	local -A before=()
	line=$(line_of "$v")
	shift
	for p in "$@"; do before[$p]=$(stat_of "$p"); done
	"$out/udpblast" --client "$(ns "$line-p1")" --server "$(ns "$line-p2")" \
		--addr "$(addr "$(family_of "$v")" 2)" --seconds "$seconds" >/dev/null
	for p in "$@"; do
		read -r t0 c0 <<<"${before[$p]}"
		read -r t1 c1 < <(stat_of "$p")
		[ "$c1" -gt $((c0 + 1000)) ] || die "bpf_stats: $p did not run under the traffic of $v"
		jq -nc --arg v "$v" --arg p "$p" --argjson t $((t1 - t0)) --argjson c $((c1 - c0)) \
			'{bench: "stats", variant: $v, program: $p, ns: ($t / $c), runs: $c}' >>"$results"
	done
}

measure_stats() {
	local v
	stats_before=$(sysctl -n kernel.bpf_stats_enabled)
	tc -n "$(ns plain-n1)" qdisc add dev veth0 clsact
	tc -n "$(ns plain-n1)" filter add dev veth0 ingress bpf direct-action object-file "$out/null.bpf.o" section tc
	sysctl -qw kernel.bpf_stats_enabled=1
	for _ in 1 2 3; do
		for v in "${variants[@]}"; do
			case $v in
			plain | plain6) with_stats "$v" bench_null ;;
			tunnel* | native*) with_stats "$v" xm_from_pod xm_from_net ;;
			esac
		done
	done
	sysctl -qw kernel.bpf_stats_enabled="$stats_before"
	stats_before=
	tc -n "$(ns plain-n1)" qdisc del dev veth0 clsact
}

# ---- the run -----------------------------------------------------------------------------------
"$here/build.sh" "$out"
: >"$results"
work=$(mktemp -d "${TMPDIR:-/tmp}/xmesh-bench-$id.XXXXXX")
mkdir -p "$work"/{bpf,run,state}
mount -t bpf bpf "$work/bpf"

lines=$(for v in "${variants[@]}"; do line_of "$v"; done | sort -u)
for l in $lines; do
	line_up "$l"
	case $l in
	plain) line_plain ;;
	kvxlan) line_kvxlan ;;
	tunnel | native)
		[ -x "$xmesh" ] || die "$xmesh is not there: run make"
		line_xmesh "$l"
		;;
	*) usage >&2; exit 2 ;;
	esac
done
for v in "${variants[@]}"; do
	# Also resolves the neighbours.
	in_ns "$(line_of "$v")-p1" ping -n -q -c 3 -i 0.02 -W 2 "$(addr "$(family_of "$v")" 2)" >/dev/null ||
		die "$v: no ping from pod to pod"
done

start=$SECONDS
for round in $(seq "$rounds"); do
	for b in $(shuf -e spin block crr udp tcp); do
		for v in $(shuf -e "${variants[@]}"); do measure "$b" "$v" "$round"; done
	done
	[ ! -t 2 ] || printf '\rround %d of %d, %d s ' "$round" "$rounds" $((SECONDS - start)) >&2
done
[ ! -t 2 ] || printf '\r%40s\r' '' >&2
case " ${variants[*]} " in *" plain "*) measure_stats ;; esac

# Every packet of the xmesh lines went the fast way, else it was something else that was measured.
for l in $lines; do
	case $l in tunnel | native) ;; *) continue ;; esac
	sent=$(jq -s --arg l "$l" 'map(select(.bench == "udp" and (.variant | startswith($l))) | .sent) | add' "$results")
	[ "$(forwarded "$l" 1)" -ge "$sent" ] || die "$l: the fast path counts fewer packets than were sent ($sent)"
done

[ -z "$routes" ] || "$out/routes_bench" >>"$results"
if [ -n "$prog" ]; then
	if [ -x "$out/prog_bench" ]; then
		"$out/prog_bench" >>"$results"
	else
		say "$out/prog_bench is not there: the programs' own cost is not measured"
	fi
fi

report=$work/report
jq -r -f "$here/flat.jq" "$results" | awk -v targets="$(targets)" -v ratios="$work/ratios" -f "$here/report.awk" >"$report"
cat "$work/ratios" >>"$results"
cat "$report"
echo "measured in $((SECONDS - start)) s; lines in $results"
if [ -n "$strict" ] && grep -q '^MISS' "$report"; then exit 1; fi
