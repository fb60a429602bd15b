#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# feeds.sh: each way in which a feed's files change (edited, git-sync's symlink, a ConfigMap's
# ..data, git checkout in place) is taken over within a second, all or nothing; what is bad
# changes nothing and is reported.
# Runs beside others.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
t_begin

# node NAME CIDR ADDRESS: a Node document
node() {
	cat <<-EOF
		---
		apiVersion: v1
		kind: Node
		metadata: {name: $1}
		spec: {podCIDR: $2, podCIDRs: [$2]}
		status: {addresses: [{type: InternalIP, address: $3}]}
	EOF
}
LAB_NODES=east-1
f=$LAB_DIR/feeds
lab_fabric_up
lab_feeds
lab_node_up east-1
LAB_CONFIG="  - {name: sync, id: 11, feed: {dir: $f/git/current}}
  - {name: mount, id: 12, feed: {dir: $f/mount}}
  - {name: checkout, id: 13, feed: {dir: $f/checkout}}"
lab_config east-1

# git-sync: current -> .worktrees/REVISION, swapped by rename
one=1111111111111111111111111111111111111111 two=2222222222222222222222222222222222222222
mkdir -p "$f/git/.worktrees/$one" "$f/git/.worktrees/$two"
node sync-1 10.11.1.0/24 192.0.2.111 >"$f/git/.worktrees/$one/nodes.yaml"
node sync-1 10.11.2.0/24 192.0.2.111 >"$f/git/.worktrees/$two/nodes.yaml"
ln -s ".worktrees/$one" "$f/git/current"
# ConfigMap: nodes.yaml -> ..data/nodes.yaml, ..data -> ..DATE
mkdir -p "$f"/mount/..2026_1 "$f"/mount/..2026_2
node mount-1 10.12.1.0/24 192.0.2.121 >"$f/mount/..2026_1/nodes.yaml"
node mount-1 10.12.2.0/24 192.0.2.121 >"$f/mount/..2026_2/nodes.yaml"
ln -s ..2026_1 "$f/mount/..data"
ln -s ..data/nodes.yaml "$f/mount/nodes.yaml"
# git checkout in place, several files
git_() { git -C "$f/checkout" -c user.name=t -c user.email=t@example.com -c init.defaultBranch=one "$@"; }
mkdir "$f/checkout"
git_ init -q
commit() { # NET
	local i
	for i in 1 2 3 4 5; do node "checkout-$i" "10.13.$1$i.0/24" "192.0.2.13$i" >"$f/checkout/node$i.yaml"; done
	git_ add .
	git_ commit -q -m "$1"
}
commit 1
git_ checkout -q -b two
commit 2
git_ checkout -q one
lab_agent_start east-1

known() { lab_x east-1 route get "$1"; }
unknown() { exits 3 lab_x east-1 route get "$1"; }
# within_1s ADDRESS GONE: from now on ADDRESS is known and GONE is not, within a second
within_1s() {
	local start=${EPOCHREALTIME/[.,]/}
	lab_wait 1 known "$1"
	echo "after $(((${EPOCHREALTIME/[.,]/} - start) / 1000)) ms"
	[ -z "${2:-}" ] || unknown "$2"
}
errors() { # CLUSTER: errors counted
	lab_x east-1 metrics | sed -n "s/^xmesh_feed_errors_total{cluster=\"$1\"} //p"
}
feed_is() { # CLUSTER STATE
	lab_x east-1 feed list | grep "^$1 " | tee -a /dev/stderr | grep -qw "$2"
}
all_known() {
	known 10.2.1.1
	known fd00:10:3:1::1
	known 10.11.1.1
	known 10.12.1.1
	known 10.13.11.1
	known 10.13.15.1
}
t "the first state of all feeds is there when the agent says that it is ready" all_known

edited() {
	node west-9 10.2.9.0/24 192.0.2.29 >"$f/west/new.yaml"
	within_1s 10.2.9.1
	node west-9 10.2.99.0/24 192.0.2.29 >"$f/west/.tmp"
	mv "$f/west/.tmp" "$f/west/new.yaml"
	within_1s 10.2.99.1 10.2.9.1
}
t "a file written, and one replaced by rename" edited
removed() {
	rm "$f/west/new.yaml"
	lab_wait 1 unknown 10.2.99.1
	known 10.2.1.1
}
t "a file removed: its prefixes go, the others stay" removed
sync_swap() {
	ln -s ".worktrees/$two" "$f/git/tmp-link"
	mv -T "$f/git/tmp-link" "$f/git/current"
	within_1s 10.11.2.1 10.11.1.1
	rm -r "$f/git/.worktrees/$one"
	known 10.11.2.1
}
t "git-sync's symlink swap" sync_swap
t "and its revision is shown" eval 'lab_x east-1 feed list | grep -q 2222222'
mount_swap() {
	ln -s ..2026_2 "$f/mount/..data_tmp"
	mv -T "$f/mount/..data_tmp" "$f/mount/..data"
	within_1s 10.12.2.1 10.12.1.1
	rm -r "$f/mount/..2026_1"
}
t "a ConfigMap's ..data swap" mount_swap
checkout() {
	git_ checkout -q two
	within_1s 10.13.21.1 10.13.11.1
	known 10.13.25.1
	unknown 10.13.15.1
}
t "git checkout in place, five files at once" checkout
back() { # an older commit is as good as a newer one
	git_ checkout -q one
	within_1s 10.13.15.1 10.13.25.1
}
t "and back to the older commit" back
locked() {
	touch "$f/checkout/.git/index.lock"
	node checkout-6 10.13.16.0/24 192.0.2.136 >"$f/checkout/node6.yaml"
	fails lab_wait 1 known 10.13.16.1
	rm "$f/checkout/.git/index.lock"
	within_1s 10.13.16.1
}
t "while git holds its index lock nothing is taken over" locked

bad() {
	local before
	before=$(errors west)
	node west-9 10.2.9.0/24 192.0.2.29 >"$f/west/a-new.yaml"
	printf 'apiVersion: v1\nkind: Node\nmetadata: {name: west-8\n' >"$f/west/b-bad.yaml"
	lab_wait 2 eval '[ "$(errors west)" -gt '"$before"' ]'
	unknown 10.2.9.1
	known 10.2.1.1
	lab_x east-1 feed list
	lab_x east-1 feed list | grep -q 'b-bad.yaml:[0-9]'
}
t "a bad document: nothing of that snapshot, the last good state, file and line reported, counted" bad
others() {
	node sync-1 10.11.3.0/24 192.0.2.111 >"$f/git/.worktrees/$two/nodes.yaml"
	within_1s 10.11.3.1 10.11.2.1
}
t "meanwhile the other feeds go on" others
mended() {
	rm "$f/west/b-bad.yaml"
	within_1s 10.2.9.1
	lab_x east-1 feed list
	fails eval 'lab_x east-1 feed list | grep -q b-bad.yaml'
}
t "mended: taken over, the error is gone" mended
overlap() {
	node west-8 10.11.3.0/25 192.0.2.28 >"$f/west/overlap.yaml"
	lab_wait 2 eval 'lab_x east-1 status | grep -q "overlap\|10.11.3.0"'
	lab_x east-1 status | grep -F "$f/west" | grep -F "$f/git/current"
	known 10.11.3.1
	unknown 10.2.8.1
	rm "$f/west/overlap.yaml"
	lab_wait 2 feed_is west ok
}
t "overlapping prefixes of two feeds are refused and both sources named" overlap
vanished() {
	mv "$f/west" "$f/west.away"
	lab_wait 2 feed_is west failing
	known 10.2.1.1
	mv "$f/west.away" "$f/west"
	node west-9 10.2.98.0/24 192.0.2.29 >"$f/west/a-new.yaml"
	lab_wait 3 known 10.2.98.1
}
t "a directory that vanishes removes nothing; it comes back" vanished
emptied() {
	rm "$f/mount/nodes.yaml"
	lab_wait 2 feed_is mount failing
	known 10.12.2.1
	ln -s ..data/nodes.yaml "$f/mount/nodes.yaml"
	lab_wait 2 feed_is mount ok
}
t "a directory with no feed file left removes nothing" emptied
diffed() {
	cp -r "$f/west" "$f/proposed"
	node west-7 10.2.7.0/24 192.0.2.27 >"$f/proposed/more.yaml"
	lab_x east-1 feed check "$f/proposed"
	lab_x east-1 feed diff "$f/proposed" | tee -a /dev/stderr | grep -F 10.2.7.0/24
	unknown 10.2.7.1
}
t "feed check and feed diff of a proposed feed" diffed
t_end
