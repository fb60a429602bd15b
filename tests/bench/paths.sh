# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2154 # what run.sh sets
# paths.sh: the part `paths` of run.sh: from pod to pod, xmesh against the kernel's VXLAN device and
# plain routing. Every round runs every measurement on every variant in a new random order. Sourced.

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

part_paths() {
	local lines l v b round sent start=$SECONDS
	lines=$(for v in "${variants[@]}"; do line_of "$v"; done | sort -u)
	for l in $lines; do
		line_up "$l"
		case $l in
		plain) line_plain plain ;;
		kvxlan) line_kvxlan kvxlan ;;
		tunnel | native) line_xmesh "$l" "$l" off ;;
		*) usage >&2; exit 2 ;;
		esac
	done
	for v in "${variants[@]}"; do
		# Also resolves the neighbours.
		in_ns "$(line_of "$v")-p1" ping -n -q -c 3 -i 0.02 -W 2 "$(addr "$(family_of "$v")" 2)" >/dev/null ||
			die "$v: no ping from pod to pod"
	done
	for round in $(seq "$rounds"); do
		for b in $(shuf -e spin block crr udp tcp); do
			for v in $(shuf -e "${variants[@]}"); do measure "$b" "$v" "$round"; done
		done
		progress paths "$round" "$rounds" "$start"
	done
	case " ${variants[*]} " in *" plain "*) measure_stats ;; esac

	# Every packet of the xmesh lines went the fast way, else it was something else that was measured.
	for l in $lines; do
		case $l in tunnel | native) ;; *) continue ;; esac
		sent=$(jq -s --arg l "$l" 'map(select(.bench == "udp" and (.variant | startswith($l))) | .sent) | add' "$results")
		[ "$(forwarded "$l" 1)" -ge "$sent" ] || die "$l: the fast path counts fewer packets than were sent ($sent)"
	done
}
