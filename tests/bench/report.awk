# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The tables of run.sh from the lines of flat.jq: medians, ratios paired by round, programs, and
# what of `targets` is missed. -v parts="PART...": those that ran. With -v ratios=FILE the ratios go
# there as JSON lines too.

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
# VARIANT / AGAINST of each round: sets ratio_med, ratio_min, ratio_max and ratio_low, ratio_high, the
# 95 % interval of the median by order statistics; returns the number of rounds.
function ratio(measure, variant, against,    a, n, r, k, below) {
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
	k = int((n + 1) / 2 - 0.98 * sqrt(n))
	if (k < 1) k = 1
	ratio_low = a[k]
	ratio_high = a[n + 1 - k]
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
	} else if ($1 == "feeds_mb") {
		if (!(key in value) || $4 > value[key]) value[key] = $4
	} else if ($1 == "control_ms" || $1 == "scrape_ms") {
		value[key] = $4
	} else if ($1 ~ /^prog_/) {
		value[key] = $4
		know("prog", $2 " " $3)
	} else {
		value[key] = $4
		know("variant", $2)
		if ($3 > last_round) last_round = $3
	}
}

function ratio_line(measure, variant, against) {
	if (ratios)
		printf "{\"bench\":\"ratio\",\"measure\":\"%s\",\"variant\":\"%s\",\"against\":\"%s\"," \
			"\"median\":%.3f,\"min\":%.3f,\"max\":%.3f,\"low\":%.3f,\"high\":%.3f}\n", measure, variant, \
			against, ratio_med, ratio_min, ratio_max, ratio_low, ratio_high >ratios
}

function report_paths(    i, j, v, n_pairs, n_measures, order, pairs, measures, p) {
	split("plain kvxlan tunnel native plain6 kvxlan6 tunnel6 native6", order, " ")
	print "Pod to pod: medians (us; connections/s; ns; Gbit/s; % of the UDP packets that arrived)"
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
			ratio_line(measures[j], p[1], p[2])
		}
		print ""
	}
}

# One line: what of @measure is @variant less than @against.
function reduction(measure, variant, against) {
	if (!ratio(measure, variant, against)) return "-"
	ratio_line(measure, variant, against)
	return sprintf("%.1f [%.1f-%.1f]", 100 * (1 - ratio_med), 100 * (1 - ratio_high), 100 * (1 - ratio_low))
}

function report_services(    i, j, n, v, order, p) {
	print "\nA global service whose backend is in another cluster: medians on one CPU (us)"
	printf "%-9s %9s %9s %9s %9s\n", "variant", "RR p50", "RR p99", "CRR p50", "CRR p99"
	n = split("socket packet knft proxy proxytls", order, " ")
	for (i = 1; i <= n; i++) {
		v = order[i]
		printf "%-9s %9s %9s %9s %9s\n", v, cell("%.2f", median("rr_p50", v)), cell("%.2f", median("rr_p99", v)), \
			cell("%.1f", median("crr_p50", v)), cell("%.1f", median("crr_p99", v))
	}
	print "\nLess latency, percent within a round, median [95 % interval of the median]"
	printf "%-9s %-11s %-20s %-20s %-20s\n", "", "", "knft", "proxy", "proxytls"
	for (i = 1; i <= 2; i++)
		for (j = 1; j <= 2; j++) {
			p = j == 1 ? "rr_p50" : "crr_p50"
			printf "%-9s %-11s %-20s %-20s %-20s\n", order[i], p, reduction(p, order[i], "knft"), \
				reduction(p, order[i], "proxy"), reduction(p, order[i], "proxytls")
		}
	print "\nAgainst the backend's own address, RR p50 (us), in turns; ratio [95 % interval of the median]"
	printf "%-9s %9s\n", "direct", cell("%.3f", median("pair_p50", "direct"))
	for (i = 1; i <= 2; i++) {
		n = ratio("pair_p50", order[i], "direct")
		if (n) ratio_line("pair_p50", order[i], "direct")
		printf "%-9s %9s   %s\n", order[i], cell("%.3f", median("pair_p50", order[i])), \
			n ? sprintf("%.4f [%.4f-%.4f] of %d rounds", ratio_med, ratio_low, ratio_high, n) : "-"
	}
	print "\nConnections a second with that many services; against 1, ratio [95 % interval of the median]"
	for (i = 1; i <= 2; i++)
		for (j = 1; j <= 10000; j *= j == 1 ? 1000 : 10) {
			v = order[i] "-" j
			printf "%-14s %9s", v, cell("%.0f", median("connect_rate", v))
			if (j > 1 && ratio("connect_rate", v, order[i] "-1")) {
				printf "   %.3f [%.3f-%.3f]", ratio_med, ratio_low, ratio_high
				ratio_line("connect_rate", v, order[i] "-1")
			}
			print ""
		}
}

function flows_text(n) { return n == 16777216 ? "new flows" : n " flow" (n == 1 ? "" : "s") }

function report_programs(    i, p) {
	print "\nPrograms by BPF_PROG_TEST_RUN, ns gross (median / min; the wrapper alone)"
	for (i = 1; i <= count["prog"]; i++) {
		split(names["prog", i], p, " ")
		printf "%-28s %12s  %7.0f / %.0f  (%.0f)\n", p[1], flows_text(p[2]), value["prog_ns", p[1], p[2]], \
			value["prog_min", p[1], p[2]], value["prog_base", p[1], p[2]]
	}
}

function report_many() {
	printf "\n325 changes a second: %s %% of a core, %s %% before them; change to map p50 <= %s ms, p99 <= %s ms\n", \
		cell("%.1f", value["many_percent", "changes", 0]), cell("%.1f", value["many_percent", "quiet", 0]), \
		cell("%d", value["many_apply", "p50", 0]), cell("%d", value["many_apply", "p99", 0])
}

function report_stats(    i, j, v, a, stat, null) {
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

# A line "PART MEASURE VARIANT AGAINST OP LIMIT" of the table of targets against what was measured.
function judge(f,    m, have, got, what, format, verdict) {
	m = f[2]
	format = "%.3f"
	what = m " " f[3] " / " f[4]
	if (m == "prog_ns") {
		have = (m, f[3], f[4]) in value
		got = have ? value[m, f[3], f[4]] : 0
		what = "program " f[3] ", " flows_text(f[4]) ", ns"
		format = "%.0f"
	} else if (m == "control_ms") {
		have = (m, f[3], 0) in value
		got = have ? value[m, f[3], 0] : 0
		what = "10 000 services x 10 backends, " f[3] ", ms"
	} else if (m == "scrape_ms") {
		have = (m, f[3], 0) in value
		got = have ? value[m, f[3], 0] : 0
		what = "scrape of 250 clusters, 1 000 services, ms"
	} else if (m == "feeds_mb" || m == "feeds_ms") {
		have = (m, f[3], 0) in value
		got = have ? value[m, f[3], 0] : 0
		what = m == "feeds_mb" ? "most memory while a feed reads them, MB" : "a change on the server to the map, p99, ms"
		format = "%.1f"
	} else if (m == "many_s") {
		got = median(m, f[3])
		have = got != ""
		what = "start with 250 clusters to maps written, s"
	} else if (m ~ /^many_/) {
		have = (m, f[3], 0) in value
		got = have ? value[m, f[3], 0] : 0
		what = m == "many_percent" ? "325 changes/s of 250 feeds, % of a core" : \
			m == "many_mb" ? "idle agent of 3 clusters, MB" : "its wake-ups a second beyond probes"
		format = "%.1f"
	} else if (m == "feeds_s") {
		have = ratio(m, f[3], f[4])
		got = ratio_med
		what = "values of an etcd by a feed / raw pages"
	} else if (sub(/^less_/, "", m)) {
		have = ratio(m, f[3], f[4])
		got = 100 * (1 - ratio_med)
		what = m " of " f[3] " less than " f[4] ", %"
		format = "%.1f"
	} else {
		have = ratio(m, f[3], f[4])
		got = ratio_med
	}
	if (!have) {
		verdict = "----"
		unknown++
	} else if (f[5] == "<=" ? got <= f[6] : got >= f[6]) {
		verdict = "ok  "
	} else {
		verdict = "MISS"
		missed++
	}
	printf "%s %-46s %8s  wanted %s %s\n", verdict, what, have ? sprintf(format, got) : "not run", f[5], f[6]
}

END {
	n = split(parts, p, " ")
	for (i = 1; i <= n; i++) wanted[p[i]] = 1
	if ("paths" in wanted) report_paths()
	if ("services" in wanted) report_services()
	if (count["prog"]) report_programs()
	if (count["stats"]) report_stats()
	if ("many" in wanted) report_many()
	print "\nTargets"
	missed = unknown = 0
	n = split(targets, t, "\n")
	for (i = 1; i <= n; i++)
		if (t[i] !~ /^#/ && split(t[i], f, " ") == 6 && f[1] in wanted) judge(f)
	print missed " missed, " unknown " not measured"
}
