#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# firewall.sh: beside the rules that nodes really have (MASQUERADE, FORWARD policy DROP, a drop of
# ctstate INVALID) the fast path works; its exceptions work or status names the rule in the way.
# Runs beside others.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
t_begin
LAB_NODES="east-1 west-1" LAB_MODE=tunnel
lab_up
lab_serve west-1a
w4=$(lab_addr west-1a 4) w6=$(lab_addr west-1a 6)
rules() { # ARGUMENTS of iptables, both families where they have no address, on both nodes
	local node
	for node in $LAB_NODES; do lab_exec "$node" "$@"; done
}
fast() {
	ping_ok east-1a "$w4"
	ping_ok east-1a "$w6"
	page_ok east-1a west-1a "$w4"
	page_ok east-1a west-1a "$w6"
	ping_ok west-1a "$(lab_addr east-1a 4)"
}
exception() { ping_ok east-1a "$w4" -R; } # IP options go through the kernel
works_or_named() { # PATTERN
	exception && return
	lab_x east-1 status | tee -a /dev/stderr | grep -qE "$1"
}
t "without rules: fast path" fast
t "without rules: exceptions" exception

rules iptables -t nat -A POSTROUTING -s 10.0.0.0/8 ! -d 10.1.0.0/24 -j MASQUERADE
rules ip6tables -t nat -A POSTROUTING -s fd00:10::/32 -j MASQUERADE
t "MASQUERADE: fast path" fast
source_kept() {
	: >"$LAB_DIR/log/www-west-1a"
	page_ok east-1a west-1a "$w4"
	lab_wait 2 grep -qF "$(lab_addr east-1a 4) " "$LAB_DIR/log/www-west-1a"
}
t "MASQUERADE: the pod's address is what the server sees" source_kept
t "MASQUERADE: exceptions work or status names the rule" works_or_named MASQUERADE
rules iptables -t nat -F
rules ip6tables -t nat -F

rules iptables -P FORWARD DROP
rules ip6tables -P FORWARD DROP
t "FORWARD policy DROP: fast path" fast
t "FORWARD policy DROP: exceptions work or status names the chain" works_or_named FORWARD
rules iptables -P FORWARD ACCEPT
rules ip6tables -P FORWARD ACCEPT

rules iptables -A FORWARD -m conntrack --ctstate INVALID -j DROP
rules ip6tables -A FORWARD -m conntrack --ctstate INVALID -j DROP
t "drop of ctstate INVALID: fast path" fast
t "drop of ctstate INVALID: exceptions work or status names the rule" works_or_named INVALID
tcp_exceptions() { # hop limits that expire make exceptions of single packets of a connection
	lab_exec east-1a traceroute -n -T -p 8080 -w 1 -q 1 -m 4 "$w4" | tee -a /dev/stderr | tail -n 1 | grep -qF "$w4"
}
t "drop of ctstate INVALID: a TCP traceroute reaches the pod" tcp_exceptions
rules iptables -F
rules ip6tables -F

nft_rules() {
	rules nft add table inet filter
	rules nft add chain inet filter forward '{ type filter hook forward priority 0; policy drop; }'
	fast
	works_or_named forward
	rules nft delete table inet filter
}
t "the same as an nftables policy" nft_rules
t_end
