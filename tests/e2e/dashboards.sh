#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# dashboards.sh: the Grafana dashboard and the alert rules of packaging/ use metrics and labels that a node
# exports, the rules are sound and fire on what they are for, and name commands that there are.
# Runs beside others.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
t_begin
command -v promtool >/dev/null || {
	echo "promtool is not there: apt-get install prometheus" >&2
	exit 1
}
dashboard=$LAB_TOP/packaging/grafana/xmesh.json rules=$LAB_TOP/packaging/prometheus/xmesh.rules.yaml
tests=$LAB_TOP/tests/data/xmesh.rules.test.yaml
export LAB_NODES="east-1 west-1" LAB_SOCKETS=1
conn_build
lab_fabric_up
lab_feeds
lab_service east web 20 ""
lab_service west web 20 west-1a
for node in $LAB_NODES; do
	lab_node_up "$node"
	lab_pod_up "${node}a"
	lab_config "$node"
done
conn_serve west-1a
lab_agents_up

# One packet in 1024 of a program is timed, and a node that has not answered is neither up nor down.
all_there() {
	shares packet east-1a "$(lab_vip east 20 4)" 500
	lab_x east-1 metrics >"$LAB_DIR/metrics.txt"
	grep -q ^xmesh_program_seconds_count "$LAB_DIR/metrics.txt" && grep -q ^xmesh_peer_up "$LAB_DIR/metrics.txt"
}
t "a node with traffic exports every family" lab_wait 30 all_there
t "the dashboard and the rules use what is exported" \
	"$LAB_TOP/tests/e2e/metric_names.py" "$LAB_DIR/metrics.txt" "$dashboard" "$rules"
misnamed() { # KIND-OF-FAULT SED-EXPRESSION FILE: the check before sees it
	sed "$2" "$3" >"$LAB_DIR/${3##*/}"
	fails cmp -s "$3" "$LAB_DIR/${3##*/}"
	refuses "$1" "$LAB_TOP/tests/e2e/metric_names.py" "$LAB_DIR/metrics.txt" "$LAB_DIR/${3##*/}"
}
t "a metric that is not exported is found in the dashboard" misnamed 'xmesh_syn_total is not' s/xmesh_syns_total/xmesh_syn_total/ "$dashboard"
t "and a label in a legend" misnamed 'label nodes' 's/{{node}}/{{nodes}}/' "$dashboard"
t "and in a rule a label in a selector" misnamed 'no label why' 's/{reason="internal"}/{why="internal"}/' "$rules"
t "promtool finds nothing wrong with the rules" promtool check rules "$rules"
t "each fires on what it is for, and not before" promtool test rules "$tests"
every() {
	diff <(sed -n 's/.*- alert: //p' "$rules" | sort) <(grep -o 'alertname="Xmesh[A-Za-z]*"' "$tests" | cut -d'"' -f2 | sort -u)
}
t "every rule has such a test" every
texts() {
	local n text
	n=$(grep -c '^  - alert:' "$rules")
	for text in summary description runbook; do
		[ "$(grep -c "^      $text: ." "$rules")" = "$n" ]
	done
}
t "every rule has its texts" texts
commands() { # `xmesh WORD...` of the runbook sentences, against the help
	local word
	"$LAB_XMESH" help | sed 's/^  //; s/  .*//' >"$LAB_DIR/help"
	# shellcheck disable=SC2016
	grep '^      runbook:' "$rules" | grep -c '`xmesh [a-z]' | grep -qx "$(grep -c '^  - alert:' "$rules")"
	# shellcheck disable=SC2016
	grep -o '`xmesh [a-z ]*' "$rules" | sed 's/`xmesh //; s/ *$//' | sort -u >"$LAB_DIR/words"
	while read -r word; do
		echo "$word"
		grep -qE "(^| )$word( |$)" "$LAB_DIR/help"
	done <"$LAB_DIR/words"
}
t "and names commands that there are" commands
panels() {
	jq -e '[.panels[].id] | length == (unique | length) and length > 20' "$dashboard"
	jq -e 'all(.panels[]; .type == "row" or (.targets | length > 0 and all(.[]; .expr != "")))' "$dashboard"
	# In their rows of 24, none over another.
	jq -e '[.panels[].gridPos | select(.x + .w > 24)] == []' "$dashboard"
	jq -e '[.panels[].gridPos | . as $p | range(.x; .x + .w) as $x | range($p.y; $p.y + $p.h) as $y | [$x, $y]] | length == (unique | length)' "$dashboard"
}
t "the dashboard's panels have queries and places of their own" panels
t_end
