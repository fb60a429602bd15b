#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run.sh: what xmesh costs, as ratios of interleaved runs on the same kind of namespaces. Root.
# `run.sh --help` lists the parts. Only what ran in the same round, one right after the other in a
# random order, is compared. Lines go to build/bench/results.jsonl.
# Not for: correctness (tests/e2e), absolute figures (the machine is never quiet enough).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)

# ---- what is to be reached ("Speed" of issues 2 and 3) -----------------------------------------
# A ratio is the median over the rounds of VARIANT / AGAINST in that round; less_MEASURE is by how
# many percent VARIANT is below AGAINST. The program rows are ns gross of BPF_PROG_TEST_RUN, median
# of prog_bench's runs. The first word is the part that measures it.
targets() {
	cat <<-'END'
		# part   measure       variant  against   op  limit
		paths    cpu           tunnel   kvxlan    <=  0.72
		paths    spin_p50      tunnel   kvxlan    <=  0.75
		paths    block_p50     tunnel   kvxlan    <=  0.75
		paths    spin_p50      tunnel   plain     <=  1.00
		paths    block_p50     tunnel   plain     <=  1.00
		paths    connect_rate  tunnel   kvxlan    >=  1.20
		paths    cpu           native   plain     <=  0.85
		paths    spin_p50      native   plain     <=  0.85
		paths    block_p50     native   plain     <=  0.92
		paths    cpu           native6  plain6    <=  0.85
		paths    spin_p50      native6  plain6    <=  0.85
		paths    block_p50     native6  plain6    <=  0.92
		prog     prog_ns  xm_from_pod/4  1      <=  150
		prog     prog_ns  xm_from_pod/6  1      <=  150
		prog     prog_ns  xm_from_pod/4  65536  <=  300
		prog     prog_ns  xm_from_pod/6  65536  <=  300
		services pair_p50  socket  direct  <=  1.02
		services pair_p50  packet  direct  <=  1.08
		services less_rr_p50   socket  proxytls  >=  72
		services less_rr_p50   socket  proxy     >=  65
		services less_crr_p50  socket  proxytls  >=  90
		services less_crr_p50  socket  proxy     >=  60
		services connect_rate  socket-1000   socket-1     >=  0.95
		services connect_rate  socket-10000  socket-1     >=  0.95
		services connect_rate  socket-10000  socket-1000  >=  0.95
		services connect_rate  packet-1000   packet-1     >=  0.95
		services connect_rate  packet-10000  packet-1     >=  0.95
		services connect_rate  packet-10000  packet-1000  >=  0.95
		prog     prog_ns  xm_from_pod/service/4  1      <=  300
		prog     prog_ns  xm_from_pod/service/6  1      <=  300
		prog     prog_ns  xm_from_pod/service/4  65536  <=  550
		prog     prog_ns  xm_from_pod/service/6  65536  <=  550
		prog     prog_ns  xm_xdp/vip/4  1      <=  140
		prog     prog_ns  xm_xdp/vip/6  1      <=  140
		prog     prog_ns  xm_xdp/vip/4  65536  <=  300
		prog     prog_ns  xm_xdp/vip/6  65536  <=  300
		prog     prog_ns  xm_xdp/vip-new/4  16777216  <=  700
		prog     prog_ns  xm_xdp/vip-new/6  16777216  <=  700
		control  control_ms  cold    0  <=  1000
		control  control_ms  change  0  <=  1
		scrape   scrape_ms   whole   0  <=  50
		feeds    feeds_s     feed    raw  <=  1.60
		feeds    feeds_mb    feed    0    <=  700
		feeds    feeds_ms    change  0    <=  20
		many     many_s        cold     0  <=  2
		many     many_percent  changes  0  <=  10
		many     many_mb       idle     0  <=  30
		many     many_wakeups  idle     0  <=  0.1
	END
}

usage() {
	cat <<-'END'
		usage: run.sh [PART...] [--rounds N] [--seconds X] [--variants "NAME..."] [--strict] [--report]
		  parts (default: all but feeds, many and routes):
		    paths         pod to pod against kernel VXLAN and plain routing
		    services      a global service against its backend's address, nftables DNAT and sidecars
		    prog          the programs by BPF_PROG_TEST_RUN
		    control       planning and applying 10 000 services
		    scrape        /metrics of 250 clusters and 1 000 services, end to end
		    feeds         a million values from etcd; a change on the server until it is in the map
		    many          250 clusters by dir feeds: start, 325 changes a second; an idle agent
		    routes        microbenchmark of lookup structures
		  --rounds N      interleaved rounds (default 9 for paths, 15 for services, 3 for feeds and many)
		  --seconds X     length of one measurement (default 0.4)
		  --variants      of paths: plain kvxlan tunnel native plain6 native6 kvxlan6 tunnel6 (default: the first six)
		  --strict        exit status 1 when a target is missed
		  --report        measure nothing, report the last results once more
		environment: XMESH (default build/xmesh), BENCH_OUT (default build/bench)
	END
}

rounds='' seconds=0.4 strict='' report_only=''
parts=()
read -ra variants <<<'plain kvxlan tunnel native plain6 native6'
while [ $# -gt 0 ]; do
	case $1 in
	--rounds) rounds=$2; shift ;;
	--seconds) seconds=$2; shift ;;
	--variants) read -ra variants <<<"$2"; shift ;;
	--strict) strict=1 ;;
	--report) report_only=1 ;;
	--help) usage; exit 0 ;;
	paths | services | prog | control | scrape | feeds | many | routes) parts+=("$1") ;;
	*) usage >&2; exit 2 ;;
	esac
	shift
done
[ ${#parts[@]} -gt 0 ] || parts=(paths services prog control scrape)
xmesh=${XMESH:-$top/build/xmesh}
out=${BENCH_OUT:-$top/build/bench}
results=$out/results.jsonl
bpftool=$(command -v bpftool || echo /usr/sbin/bpftool)
id=$$
work=
agents=()
proxies=()
cgroup=
stats_before=
inotify_before=

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

# shellcheck source=tests/bench/lines.sh
. "$here/lines.sh"
# shellcheck source=tests/bench/paths.sh
. "$here/paths.sh"
# shellcheck source=tests/bench/services.sh
. "$here/services.sh"
# shellcheck source=tests/bench/feeds.sh
. "$here/feeds.sh"
# shellcheck source=tests/bench/many.sh
. "$here/many.sh"

clean_up() {
	local pid name
	[ -z "$stats_before" ] || sysctl -qw kernel.bpf_stats_enabled="$stats_before"
	[ -z "$inotify_before" ] || sysctl -qw fs.inotify.max_user_instances="$inotify_before"
	for pid in "${agents[@]}"; do kill "$pid" 2>/dev/null || true; done
	for pid in "${agents[@]}"; do
		wait_for 5 is_gone "$pid" || kill -KILL "$pid"
		wait "$pid" 2>/dev/null || true
	done
	for pid in ${proxies[@]+"${proxies[@]}"}; do
		kill -KILL "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	for name in $(ip netns list | sed -n "s/^\(xb$id-[^ ]*\).*/\1/p"); do ip netns del "$name"; done
	[ -n "$work" ] || return 0
	# The pins hold the programs: with them goes the last trace in the kernel.
	mountpoint -q "$work/bpf" && umount "$work/bpf"
	rm -rf "$work"
	[ -z "$cgroup" ] || wait_for 5 rmdir "$cgroup" || say "$cgroup is still there"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

progress() { # progress PART ROUND ROUNDS START
	[ -t 2 ] || return 0
	printf '\r%s: round %d of %d, %d s ' "$1" "$2" "$3" $((SECONDS - $4)) >&2
	[ "$2" != "$3" ] || printf '\r%50s\r' '' >&2
}

run_tool() { # run_tool NAME: its lines into the results
	if [ -x "$out/$1" ]; then
		# What it could measure is reported although a row failed.
		"$out/$1" >>"$results" || tool_failed=1
	else
		say "$out/$1 is not there (run make): what it measures is left out"
	fi
}

# ---- the run -----------------------------------------------------------------------------------
start=$SECONDS tool_failed=''
work=$(mktemp -d "${TMPDIR:-/tmp}/xmesh-bench-$id.XXXXXX")
if [ -z "$report_only" ]; then
	"$here/build.sh" "$out"
	: >"$results"
	mkdir -p "$work"/{bpf,run,state}
	mount -t bpf bpf "$work/bpf"
	for part in "${parts[@]}"; do
		rounds_were=$rounds
		case $part in
		paths) : "${rounds:=9}"; part_paths ;;
		services) : "${rounds:=15}"; part_services ;;
		prog) run_tool prog_bench ;;
		control) run_tool control_bench ;;
		scrape) run_tool scrape_bench ;;
		feeds) : "${rounds:=3}"; part_feeds ;;
		many) : "${rounds:=3}"; part_many ;;
		routes) run_tool routes_bench ;;
		esac
		rounds=$rounds_were
	done
fi

report=$work/report
jq -r -f "$here/flat.jq" "$results" |
	awk -v parts="${parts[*]}" -v targets="$(targets)" -v ratios="$work/ratios" -f "$here/report.awk" >"$report"
[ -n "$report_only" ] || [ ! -e "$work/ratios" ] || cat "$work/ratios" >>"$results"
cat "$report"
echo "measured in $((SECONDS - start)) s; lines in $results"
[ -z "$tool_failed" ] || die "a row was not what it should have been (above)"
if [ -n "$strict" ] && grep -q '^MISS' "$report"; then exit 1; fi
