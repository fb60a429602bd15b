# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The tables of run.sh from the lines of flat.jq: medians, ratios paired by round, programs, and
# what of `targets` is missed. With -v ratios=FILE the ratios go there as JSON lines too.

function sort(a, n,    i, j, x) {
	for (i = 2; i <= n; i++) {
		x = a[i]
		for (j = i - 1; j >= 1 && a[j] > x; j--) a[j + 1] = a[j]
		a[j + 1] = x
	}
}
function middle(a, n) {
	sort(a, n)
	return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2
}
# Median over the rounds; "" when there is none.
function median(measure, variant,    a, n, r) {
	n = 0
	for (r = 0; r <= last_round; r++)
		if ((measure, variant, r) in value) a[++n] = value[measure, variant, r]
	return n ? middle(a, n) : ""
}
# VARIANT / AGAINST of each round: sets ratio_med, ratio_min, ratio_max; returns the number of rounds.
function ratio(measure, variant, against,    a, n, r, below) {
	n = 0
	for (r = 1; r <= last_round; r++)
		if ((measure, variant, r) in value && (measure, against, r) in value) {
			below = value[measure, against, r]
			if (below > 0) a[++n] = value[measure, variant, r] / below
		}
	if (!n) return 0
	ratio_med = middle(a, n)
	ratio_min = a[1]
	ratio_max = a[n]
	return n
}
function cell(format, v) { return v == "" ? "-" : sprintf(format, v) }
function know(list, name) {
	if (!((list, name) in known)) {
		known[list, name] = 1
		names[list, ++count[list]] = name
	}
}

{
	key = $1 SUBSEP $2 SUBSEP $3
	if ($1 == "stats") {
		stats[$2, ++n_stats[$2]] = $4
		know("stats", $2)
	} else if ($1 ~ /^prog_/) {
		value[key] = $4
		know("prog", $2 " " $3)
	} else {
		value[key] = $4
		know("variant", $2)
		if ($3 > last_round) last_round = $3
	}
}

END {
	split("plain kvxlan tunnel native plain6 kvxlan6 tunnel6 native6", order, " ")
	print "Medians of " last_round " rounds (us; connections/s; ns; Gbit/s; % of the UDP packets that arrived)"
	printf "%-9s %9s %9s %9s %9s %9s %9s %7s %9s\n", "variant", "spin p50", "spin p99", "block p50", \
		"block p99", "connect/s", "cpu/pkt", "tcp", "arrived"
	for (i = 1; i in order; i++) {
		v = order[i]
		if (!(("variant", v) in known)) continue
		printf "%-9s %9s %9s %9s %9s %9s %9s %7s %9s\n", v, cell("%.2f", median("spin_p50", v)), \
			cell("%.2f", median("spin_p99", v)), cell("%.2f", median("block_p50", v)), \
			cell("%.2f", median("block_p99", v)), cell("%.0f", median("connect_rate", v)), \
			cell("%.0f", median("cpu", v)), cell("%.2f", median("tcp", v)), cell("%.1f", median("received", v))
	}

	print "\nRatios within a round, median [lowest-highest]"
	n_pairs = split("tunnel/kvxlan tunnel/plain native/plain kvxlan/plain native6/plain6 tunnel6/kvxlan6 tunnel6/plain6", \
		pairs, " ")
	n_measures = split("cpu spin_p50 spin_p99 block_p50 block_p99 connect_rate tcp", measures, " ")
	printf "%-16s", ""
	for (j = 1; j <= n_measures; j++) printf " %-17s", measures[j]
	print ""
	for (i = 1; i <= n_pairs; i++) {
		split(pairs[i], p, "/")
		if (!(("variant", p[1]) in known) || !(("variant", p[2]) in known)) continue
		printf "%-16s", pairs[i]
		for (j = 1; j <= n_measures; j++) {
			if (!ratio(measures[j], p[1], p[2])) {
				printf " %-17s", "-"
				continue
			}
			printf " %-17s", sprintf("%.2f [%.2f-%.2f]", ratio_med, ratio_min, ratio_max)
			if (ratios)
				printf "{\"bench\":\"ratio\",\"measure\":\"%s\",\"variant\":\"%s\",\"against\":\"%s\"," \
					"\"median\":%.3f,\"min\":%.3f,\"max\":%.3f}\n", measures[j], p[1], p[2], \
					ratio_med, ratio_min, ratio_max >ratios
		}
		print ""
	}

	if (count["prog"]) {
		print "\nPrograms by BPF_PROG_TEST_RUN, ns gross (median / min; the wrapper alone)"
		for (i = 1; i <= count["prog"]; i++) {
			split(names["prog", i], p, " ")
			printf "%-28s %6d flows  %7.0f / %.0f  (%.0f)\n", p[1], p[2], value["prog_ns", p[1], p[2]], \
				value["prog_min", p[1], p[2]], value["prog_base", p[1], p[2]]
		}
	}
	if (count["stats"]) {
		print "\nPrograms under real traffic by bpf_stats, ns a run (median of the blasts)"
		for (i = 1; i <= count["stats"]; i++) {
			v = names["stats", i]
			for (j = 1; j <= n_stats[v]; j++) a[j] = stats[v, j]
			stat[v] = middle(a, n_stats[v])
		}
		null = stat["plain/bench_null"]
		for (i = 1; i <= count["stats"]; i++) {
			v = names["stats", i]
			if (v ~ /bench_null$/) printf "%-28s %7.0f\n", v, stat[v]
			else printf "%-28s %7.0f   less the null program %7.0f\n", v, stat[v], stat[v] - null
		}
	}

	print "\nTargets"
	n = split(targets, t, "\n")
	missed = unknown = 0
	for (i = 1; i <= n; i++) {
		if (t[i] ~ /^#/ || split(t[i], f, " ") != 5) continue
		if (f[1] == "prog_ns") {
			have = (f[1], f[2], f[3]) in value
			got = have ? value[f[1], f[2], f[3]] : ""
			what = "program " f[2] ", " f[3] " flow" (f[3] == 1 ? "" : "s") ", ns"
		} else {
			have = ratio(f[1], f[2], f[3])
			got = have ? ratio_med : ""
			what = f[1] " " f[2] " / " f[3]
		}
		if (!have) {
			verdict = "----"
			unknown++
		}
		else if (f[4] == "<=" ? got <= f[5] : got >= f[5]) verdict = "ok  "
		else {
			verdict = "MISS"
			missed++
		}
		printf "%s %-42s %8s  wanted %s %s\n", verdict, what, \
			have ? sprintf(f[1] == "prog_ns" ? "%.0f" : "%.3f", got) : "not run", f[4], f[5]
	}
	print missed " missed, " unknown " not measured"
}
