# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# One line "MEASURE VARIANT ROUND VALUE" for each figure in results.jsonl, for report.awk.
def line($measure; $value): "\($measure) \(.variant) \(.round) \($value)";

if .bench == "spin" or .bench == "block" then
	line(.bench + "_p50"; .p50_us), line(.bench + "_p99"; .p99_us)
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
else
	empty
end
