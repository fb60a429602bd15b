#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# page.sh: the agent's page in headless Chromium, on a phone's screen, inside the agent's own network
# namespace: nothing else can be reached from there.
# Runs beside others.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
t_begin
LAB_NODES="east-1 west-1"
lab_fabric_up
lab_feeds
lab_service east web 20 "east-1a west-1b:unready"
lab_service west web 20 "west-1a west-1b:unready"
for node in $LAB_NODES; do
	lab_node_up "$node"
	lab_pod_up "${node}a"
	lab_pod_up "${node}b"
	lab_config "$node"
done
for pod in east-1a west-1a; do lab_serve "$pod"; done
lab_agents_up

clicks() {
	local c
	for c in chromium chromedriver; do
		command -v "$c" || {
			echo "$c is not there: apt-get install chromium chromium-driver"
			return 1
		}
	done
	mkdir -p "$LAB_DIR/home"
	page_ok east-1b west-1a "$(lab_addr west-1a 4)"
	HOME=$LAB_DIR/home TMPDIR=$LAB_DIR/home lab_bg east-1 chromedriver chromedriver --port=9515
	lab_exec east-1 timeout 120 python3 "$LAB_TOP/tests/e2e/page.py" 9964 9515 "$(lab_agent_pid east-1)"
}
t "the page on a phone: clusters, nodes, services, feeds, and that the agent is gone" clicks
t_end
