#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# gitops.sh: feeds out of real git repositories, swapped as git-sync does it: revisions, rollback, a commit that
# removes too much, a broken one at a boot, a proposed one; and two sources of one cluster.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
t_begin
command -v git >/dev/null || {
	echo "git is not there: apt-get install git" >&2
	exit 1
}
LAB_NODES=east-1
f=$LAB_DIR/feeds
lab_fabric_up
lab_feeds
lab_node_up east-1
LAB_CONFIG="  - {name: sync, id: 11, feed: {dir: $f/sync/current}}
  - {name: pair, id: 12, feed: [{dir: $f/first}, {dir: $f/second}]}
stale_after: 2s"
lab_config east-1

node() { # NAME CIDR ADDRESS
	cat <<-EOF
		---
		apiVersion: v1
		kind: Node
		metadata: {name: $1}
		spec: {podCIDR: $2, podCIDRs: [$2]}
		status: {addresses: [{type: InternalIP, address: $3}]}
	EOF
}
git_() { git -c user.name=t -c user.email=t@example.com -c init.defaultBranch=main "$@"; }

# ---- the repository that people push to, and what git-sync makes of it ----

up=$LAB_DIR/upstream
git_ init -q "$up"
# commit NODES [SERIES]: so many nodes with a prefix each, and a global service with an endpoint on each
commit() {
	local i
	for ((i = 1; i <= $1; i++)); do node "sync-$i" "10.${2:-11}.$i.0/24" "192.0.2.$((100 + i))"; done >"$up/nodes.yaml"
	{
		cat <<-EOF
			apiVersion: v1
			kind: Service
			metadata: {name: web, namespace: lab, annotations: {xmesh.io/global: "true"}}
			spec: {clusterIPs: [10.96.11.1], ports: [{name: http, port: 80, protocol: TCP}]}
			---
			apiVersion: discovery.k8s.io/v1
			kind: EndpointSlice
			metadata: {name: web-1, namespace: lab, labels: {kubernetes.io/service-name: web}}
			addressType: IPv4
			ports: [{name: http, port: 8080, protocol: TCP}]
			endpoints:
		EOF
		for ((i = 1; i <= $1; i++)); do
			echo "- {addresses: [10.${2:-11}.$i.2], nodeName: sync-$i, conditions: {ready: true}}"
		done
	} >"$up/web.yaml"
	push "$1 nodes"
}
push() { # TEXT
	git_ -C "$up" add -A
	git_ -C "$up" commit -q -m "$1"
}
head_() { git_ -C "$up" rev-parse HEAD; }
# sync: fetch, a worktree for the new commit, the link in one rename, the old worktree goes
sync() {
	local old new
	[ -d "$f/sync" ] || git_ clone -q --no-checkout "$up" "$f/sync"
	git_ -C "$f/sync" fetch -q origin
	new=$(head_)
	old=$(readlink "$f/sync/current" || true)
	[ "$old" != ".worktrees/$new" ] || return 0
	git_ -C "$f/sync" worktree add -q --detach "$f/sync/.worktrees/$new" "$new"
	ln -s ".worktrees/$new" "$f/sync/tmp-link"
	mv -T "$f/sync/tmp-link" "$f/sync/current"
	[ -z "$old" ] || git_ -C "$f/sync" worktree remove --force "$f/sync/$old"
}
commit 24
sync
mkdir "$f/first" "$f/second"
node pair-1 10.12.1.0/24 192.0.2.201 >"$f/first/nodes.yaml"
node pair-1 10.12.2.0/24 192.0.2.201 >"$f/second/nodes.yaml"
lab_agent_start east-1

known() { lab_x east-1 route get "$1"; }
unknown() { exits 3 lab_x east-1 route get "$1"; }
# there, gone ADDRESS: within 5 s; the tables follow the agent's word
there() { lab_wait 5 known "$1"; }
gone() { lab_wait 5 unknown "$1"; }
of() { # CLUSTER KEY: from feed list
	lab_x east-1 --json feed list | jq -r ".feeds[] | select(.cluster == \"$1\") | .$2"
}
is() { # CLUSTER KEY VALUE
	[ "$(of "$1" "$2")" = "$3" ]
}
becomes() { # CLUSTER KEY VALUE: within 5 s
	lab_wait 5 is "$@" || {
		lab_x east-1 feed list
		return 1
	}
}
metric() { lab_x east-1 metrics | tee "$LAB_DIR/metrics.txt" | grep -xF "$1"; }

# ---- revisions ----

revision() {
	is sync revision "$(head_)"
	metric "xmesh_feed_revision_info{cluster=\"sync\",revision=\"$(head_)\"} 1"
	known 10.11.24.1
}
t "the revision is the commit, in feed list and in the metrics" revision
newer() {
	commit 25
	sync
	becomes sync revision "$(head_)"
	there 10.11.25.1
	[ "$(find "$f/sync/.worktrees" -mindepth 1 -maxdepth 1 | wc -l)" = 1 ]
}
t "a newer commit by git-sync's swap; the old worktree goes" newer
rollback() {
	git_ -C "$up" reset -q --hard HEAD~1
	sync
	becomes sync revision "$(head_)"
	gone 10.11.25.1
	there 10.11.24.1
}
t "a rollback to the older commit" rollback
proposed() {
	git_ -C "$up" worktree add -q -b proposal "$LAB_DIR/proposal"
	node sync-30 10.11.30.0/24 192.0.2.130 >"$LAB_DIR/proposal/more.yaml"
	lab_x east-1 feed check "$LAB_DIR/proposal"
	lab_x east-1 feed diff "$LAB_DIR/proposal" sync | tee -a /dev/stderr | grep -F 10.11.30.0/24
	lab_x east-1 feed diff "$f/sync/current" | tee -a /dev/stderr | grep 'no change'
	unknown 10.11.30.1
}
t "feed diff shows what a proposed branch would change" proposed
dry() {
	lab_x east-1 apply --dry-run | tee -a /dev/stderr | grep 'nothing to do'
}
t "apply --dry-run beside the agent has nothing to do" dry

# ---- a commit that removes too much ----

t "accept with nothing held: no such thing" exits 3 lab_x east-1 feed accept sync
t "accept of a cluster that there is not" exits 3 lab_x east-1 feed accept nowhere
held() {
	commit 11
	sync
	becomes sync state held
	lab_x east-1 feed list | tee -a /dev/stderr | grep -F '13 of 24 prefixes and 13 of 24 backends'
	lab_x east-1 status | grep -F 'feed accept sync'
	known 10.11.24.1
	is sync held_revision "$(head_)"
	metric 'xmesh_feed_held{cluster="sync"} 1'
	metric 'xmesh_feed_held{cluster="west"} 0'
}
t "a commit that removes most of a cluster is held, with the numbers" held
held_dry() {
	refuses 'sync is held.*13 of 24' lab_x east-1 apply --dry-run
}
t "apply --dry-run says so too" held_dry
lesser() {
	commit 12
	sync
	becomes sync state ok
	there 10.11.12.1
	gone 10.11.13.1
	commit 24
	sync
	becomes sync revision "$(head_)"
}
t "half of it may go: the next commit is taken by itself" lesser
accepted() {
	local wanted
	commit 3
	wanted=$(head_)
	sync
	becomes sync state held
	commit 2
	sync
	becomes sync held_revision "$(head_)"
	# What was looked at is not what is held any more.
	refuses "$(head_), not $wanted" lab_x east-1 feed accept sync "$wanted"
	known 10.11.24.1
	lab_x east-1 --json feed accept sync "$(head_)" | jq -e '.prefixes_before == 24 and .prefixes == 2 and .backends == 2'
	becomes sync state ok
	gone 10.11.3.1
	there 10.11.2.1
	metric 'xmesh_feed_held{cluster="sync"} 0'
}
t "feed accept lets that very commit pass, and no other" accepted
moved() {
	commit 24
	sync
	becomes sync revision "$(head_)"
	commit 24 14
	sync
	becomes sync revision "$(head_)"
	there 10.14.24.1
	gone 10.11.24.1
}
t "a commit in which everything moves takes nothing away" moved
t "the accepted state is on disk" lab_wait 15 grep -qF "$(head_)" "$LAB_DIR/state/east-1/feeds/sync.json"

# ---- a boot with broken feeds ----

reboot() {
	lab_agent_stop east-1
	lab_x east-1 detach --all --purge
	printf 'kind: Node\nmetadata: {name: half' >"$up/half.yaml"
	push broken
	sync
	mv "$f/east" "$f/east.away"
}
by_cache() {
	reboot
	lab_agent_start east-1
	becomes sync from_cache true
	becomes east from_cache true
	there 10.14.24.1
	lab_x east-1 feed list | tee "$LAB_DIR/list"
	grep half.yaml "$LAB_DIR/list"
	grep -E 'sync: served from the disk, as it was [0-9ms]+ ago' "$LAB_DIR/list"
	lab_x east-1 service list
	there 10.2.1.1
	is west from_cache false
}
t "after a reboot a broken commit is answered from the cache" by_cache
mended() {
	git_ -C "$up" rm -q half.yaml
	push mended
	sync
	mv "$f/east.away" "$f/east"
	becomes sync from_cache false
	becomes east state ok
	is sync revision "$(head_)"
}
t "mended, the feed serves again" mended
once() {
	reboot
	refuses 'half.yaml' lab_x east-1 apply
	known 10.14.24.1
	known 10.2.1.1
	mv "$f/east.away" "$f/east"
	git_ -C "$up" rm -q half.yaml
	push mended
	sync
	lab_x east-1 apply
	lab_x east-1 apply --dry-run | grep 'nothing to do'
}
t "apply, without an agent, does the same" once
damaged() {
	lab_x east-1 detach --all --purge
	sed -i 's/10.14.24.0/10.14.99.0/' "$LAB_DIR/state/east-1/feeds/sync.json"
	mv "$f/sync/current" "$f/sync/away"
	lab_agent_start east-1
	lab_wait 5 grep -q 'sync is ignored: .*sync.json is damaged' "$LAB_DIR/log/agent-east-1"
	unknown 10.14.24.1
	unknown 10.14.99.1
	known 10.2.1.1
	mv "$f/sync/away" "$f/sync/current"
	there 10.14.24.1
}
t "a damaged cache is told and ignored" damaged

# ---- two sources ----

second() {
	known 10.12.1.1
	mv "$f/first" "$f/first.away"
	becomes pair state fallback
	there 10.12.2.1
	gone 10.12.1.1
	lab_x east-1 feed list | tee -a /dev/stderr | grep -E '^pair +1 +failing +no '
	lab_x east-1 feed list | grep -E '^pair +2 +ok +yes '
	is pair source "dir $f/second"
	metric 'xmesh_feed_fallback{cluster="pair"} 1'
}
t "the second source serves when the first is stale" second
first() {
	mv "$f/first.away" "$f/first"
	becomes pair state ok
	there 10.12.1.1
	is pair source "dir $f/first"
}
t "and no longer than that" first
removed() {
	echo "remove_after: 3s" >>"$LAB_DIR/east-1.yaml"
	kill -HUP "$(lab_agent_pid east-1)"
	mv "$f/first" "$f/first.away"
	mv "$f/second" "$f/second.away"
	lab_wait 10 is pair state removed
	gone 10.12.1.1
	gone 10.12.2.1
	known 10.2.1.1
	mv "$f/second.away" "$f/second"
	lab_wait 35 known 10.12.2.1
}
t "after remove_after nothing is left of a cluster that is silent" removed
t_end
