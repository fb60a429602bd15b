# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# One line "MEASURE VARIANT ROUND VALUE" for each figure in results.jsonl, for report.awk.
def line($measure; $value): "\($measure) \(.variant) \(.round) \($value)";

if .bench == "spin" or (.bench == "block" and .as == null) then
	line(.bench + "_p50"; .p50_us), line(.bench + "_p99"; .p99_us)
elif .bench == "pair" then
	line("pair_p50"; .p50_us), line("pair_p99"; .p99_us)
elif .bench == "block" then
	line("rr_p50"; .p50_us), line("rr_p99"; .p99_us)
elif .bench == "crr" and .as == "one_cpu" then
	line("crr_p50"; .p50_us), line("crr_p99"; .p99_us)
elif .bench == "crr" then
	line("connect_rate"; .per_s)
elif .bench == "udp" then
	line("cpu"; .cpu_ns), line("received"; 100 * .received / .sent)
elif .bench == "tcp" then
	line("tcp"; .gbit_s)
elif .bench == "stats" then
	"stats \(.variant)/\(.program) 0 \(.ns)"
elif .bench == "prog" then
	"prog_ns \(.program)/\(.family) \(.flows) \(.ns_median)",
	"prog_min \(.program)/\(.family) \(.flows) \(.ns_min)",
	"prog_base \(.program)/\(.family) \(.flows) \(.baseline)"
elif .what == "services_cold" then
	"control_ms cold 0 \(.ms)"
elif .what == "services_one_change" then
	"control_ms change 0 \(.median_ms)"
elif .what == "scrape" then
	"scrape_ms whole 0 \(.median_ms)"
elif .what == "feeds_raw" then
	"feeds_s raw \(.round) \(.s)"
elif .what == "feeds_feed" then
	"feeds_s feed \(.round) \(.s)", "feeds_mb feed 0 \(.rss_mb)"
elif .what == "feeds_change" then
	"feeds_ms change 0 \(.p99_ms)"
elif .what == "many_cold" then
	"many_s cold \(.round) \(.s)"
elif .what == "many_change" then
	"many_percent changes 0 \(.percent)", "many_percent quiet 0 \(.quiet_percent)",
	"many_apply p50 0 \(.p50_ms)", "many_apply p99 0 \(.p99_ms)"
elif .what == "many_wakeups" then
	"many_wakeups idle 0 \(.per_s)"
elif .what == "many_idle" then
	"many_mb idle 0 \(.rss_mb)"
else
	empty
end
