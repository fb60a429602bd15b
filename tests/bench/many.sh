# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2154 # what run.sh sets
# many.sh: the part `many` of run.sh: a real agent with 250 peers of 1 000 endpoints each by dir feeds
# (many_feeds.py says which): from its start until all is in the maps, and what 325 changes a second cost
# it. And what an agent with three clusters takes while nothing happens. Sourced. Some two minutes.
#
# Feeds are read 200 ms after their last change, and that counts in apply_seconds. What the agent needs
# for its probes (500 a second here) is measured before, and counts too.

many_peers=250
many_names=100 # of ours, see many_feeds.py
many_rate=325
many_seconds=30
many_pid=
: "$inotify_before" # run.sh restores it

many_feeds() { python3 "$here/many_feeds.py" "$@"; }
many_xmesh() { in_ns many-n1 "$xmesh" --config "$work/many/$1.yaml" "${@:2}"; }

many_config() { # many_config NAME PEERS FEEDS
	cat >"$work/many/$1.yaml" <<-END
		cluster: {name: c1, id: 1}
		node: {name: node1}
		instance: b$id-many-$1
		bpffs: $work/bpf
		run_dir: $work/run
		state_dir: $work/state
		underlay: [ul0]
		pods: {interfaces: ["veth*"], path: fast}
		socket_lb: off
		metrics: {listen: "off"}
		local: {feed: {dir: $3/c1}}
		peers:
		$(for ((c = 2; c <= $2 + 1; c++)); do echo "- {name: c$c, id: $c, feed: {dir: $3/c$c}}"; done)
	END
}

many_start() { # many_start NAME: many_pid; many_s is how long it took until it was ready
	local from to listener sock=$work/many/$1.sock
	rm -f "$sock" "$work/many/ready"
	many_feeds ready "$sock" >"$work/many/ready" &
	listener=$!
	proxies+=("$listener")
	wait_for 10 test -S "$sock" || die "many: nobody listens at $sock"
	from=$EPOCHREALTIME
	NOTIFY_SOCKET=$sock nsenter --net="/run/netns/$(ns many-n1)" "$xmesh" --config "$work/many/$1.yaml" agent \
		</dev/null >"$work/many/$1.log" 2>&1 &
	many_pid=$!
	agents+=("$many_pid")
	wait_for 60 many_started "$listener" || true
	is_gone "$listener" 2>/dev/null || {
		tail -n 20 "$work/many/$1.log" >&2
		die "many: the agent ended, or is not ready after 60 s (log above)"
	}
	to=$(<"$work/many/ready")
	many_s=$(awk -v from="$from" -v to="$to" 'BEGIN { printf "%.3f", to - from }')
}
many_started() { is_gone "$1" || is_gone "$many_pid"; }
many_stop() {
	kill "$many_pid"
	wait_for 10 is_gone "$many_pid" || true
	many_xmesh "$1" detach --all --purge >/dev/null
	rm -rf "$work/state"
}

# All names of ours have their 500 backends.
many_complete() {
	many_xmesh all --json status | jq -e --argjson names "$many_names" \
		'.services | .count == $names and .frontends == $names and .backends == 500 * $names' >/dev/null
}

many_cpu() { # seconds of CPU that the agent took so far
	# Its name has no blank in it.
	awk -v hz="$(getconf CLK_TCK)" '{ printf "%.2f", ($14 + $15) / hz }' "/proc/$many_pid/stat"
}
many_apply() { # [{le, count}...] of xmesh_apply_seconds; the last one is all of them
	many_xmesh all metrics | sed -n 's/^xmesh_apply_seconds_bucket{le="\(.*\)"} /\1 /p' |
		jq -Rnc '[inputs | split(" ") | {le: (if .[0] == "+Inf" then 1e9 else .[0] | tonumber end), count: .[1] | tonumber}]'
}

many_change() {
	local before after cpu quiet from
	from=$EPOCHREALTIME cpu=$(many_cpu)
	sleep 10
	quiet=$(awk -v a="$cpu" -v b="$(many_cpu)" -v from="$from" -v to="$EPOCHREALTIME" \
		'BEGIN { printf "%.2f", 100 * (b - a) / (to - from) }')
	before=$(many_apply) from=$EPOCHREALTIME cpu=$(many_cpu)
	many_feeds change "$work/many/f" "$many_peers" "$many_rate" "$many_seconds" >"$work/many/changed"
	cpu=$(awk -v a="$cpu" -v b="$(many_cpu)" -v from="$from" -v to="$EPOCHREALTIME" \
		'BEGIN { printf "%.2f", 100 * (b - a) / (to - from) }')
	sleep 2 # what was written last is in no figure of CPU, but in those of apply_seconds
	after=$(many_apply)
	jq -c --argjson cpu "$cpu" --argjson quiet "$quiet" --argjson before "$before" --argjson after "$after" '
		# The bound of the bucket in which that share of the observations is reached.
		def quantile($q): . as $all | ($all[-1].count * $q) as $want |
			(map(select(.count >= $want)) | first | .le * 1000);
		[range($after | length) | {le: $after[.].le,
			count: ($after[.].count - ($before[.].count // 0))}] as $new |
		{what: "many_change", percent: $cpu, quiet_percent: $quiet, applies: $new[-1].count,
		 p50_ms: ($new | quantile(0.5)), p99_ms: ($new | quantile(0.99))} + .' "$work/many/changed" >>"$results"
}

many_switches() { # how often the agent's threads went to sleep so far
	cat /proc/"$many_pid"/task/*/status | awk '/^voluntary_ctxt_switches/ { n += $2 } END { print n }'
}
many_idle() {
	local before from
	many_feeds make "$work/many/idle" 2
	# Without services no node is probed: what is left is beyond probes.
	mkdir "$work/many/later"
	mv "$work"/many/idle/c1/services.json "$work/many/later"
	many_config idle 2 "$work/many/idle"
	many_start idle
	sleep 5 # the start's own: the cache is written
	before=$(many_switches) from=$EPOCHREALTIME
	sleep 30
	awk -v n=$(($(many_switches) - before)) -v from="$from" -v to="$EPOCHREALTIME" \
		'BEGIN { printf "{\"what\":\"many_wakeups\",\"per_s\":%.2f}\n", n / (to - from) }' >>"$results"
	mv "$work"/many/later/services.json "$work/many/idle/c1"
	wait_for 10 many_idle_served || die "many: the idle agent does not take its services"
	sleep 5
	awk '/^(VmRSS|RssAnon|RssFile|RssShmem):/ { kb[$1] = $2 } END {
		printf "{\"what\":\"many_idle\",\"rss_mb\":%.1f,\"anon_mb\":%.1f,\"file_mb\":%.1f}\n",
			kb["VmRSS:"] / 1024, kb["RssAnon:"] / 1024, (kb["RssFile:"] + kb["RssShmem:"]) / 1024 }' \
		"/proc/$many_pid/status" >>"$results"
	many_stop idle
}
many_idle_served() { many_xmesh idle service get bench/s2 | grep -q 10.2.0.1; }

part_many() {
	local round
	command -v python3 >/dev/null || die "python3 is missing: scripts/deps.sh installs it"
	[ -x "$xmesh" ] || die "$xmesh is not there: run make"
	mkdir -p "$work/many"
	# One for each dir feed, and 128 is the kernel's default for all of a user's processes.
	if [ "$(sysctl -n fs.inotify.max_user_instances)" -lt 1024 ]; then
		inotify_before=$(sysctl -n fs.inotify.max_user_instances)
		sysctl -qw fs.inotify.max_user_instances=1024
	fi
	line_up many
	# Nodes of peers are nowhere: questions to them leave, and nobody answers.
	ip_in many-n1 route add 172.16.0.0/16 via 192.0.2.2
	many_feeds make "$work/many/f" "$many_peers"
	many_config all "$many_peers" "$work/many/f"
	for ((round = 1; round <= rounds; round++)); do
		many_start all
		many_complete || die "many: ready, but not all is in the maps"
		jq -nc --argjson s "$many_s" --argjson round "$round" \
			'{what: "many_cold", round: $round, s: $s}' >>"$results"
		[ "$round" = "$rounds" ] || many_stop all
	done
	many_change
	many_stop all
	many_idle
}
