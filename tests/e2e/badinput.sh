#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# badinput.sh: bad configurations and feeds, through the command line of the build under ASan and
# UBSan: each is refused with exit status 1, file and (where there is one) line, within seconds and
# within bounded memory. No privileges needed; what a live agent does then is in feeds.sh.
# Runs beside others.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
t_begin
asan=$LAB_TOP/build/xmesh-asan
make -s -C "$LAB_TOP" build/xmesh-asan >&2
d=$LAB_DIR/in
mkdir "$d"

run() { timeout 20 "$asan" --config "$LAB_DIR/good.yaml" "$@"; }
bad() { # SENTENCE PATTERN ARGUMENT...
	t "$1" refuses "$2" run "${@:3}"
}
good_config='cluster: {name: east, id: 1}
underlay: [eth0]
peers:
  - {name: west, id: 2, feed: {dir: /nonexistent}}'
echo "$good_config" >"$LAB_DIR/good.yaml"
t "the good configuration is good (the other cases can fail)" exits 0 run config check

# ---- configuration ----
config() { # SENTENCE PATTERN TEXT
	printf '%s\n' "$3" >"$d/c.yaml"
	t "config: $1" refuses "$2" timeout 20 "$asan" --config "$d/c.yaml" config check
}
config "empty" "c.yaml" ""
config "an unknown key, with the nearest" "c.yaml:5:.*underlay" "$good_config
underlays: [eth1]"
config "an unknown key inside" "c.yaml:5:.*port" "$good_config
tunnel: {prot: 8492}"
config "id 0" "c.yaml:1:" "cluster: {name: east, id: 0}"
config "id 65536" "c.yaml:1:" "cluster: {name: east, id: 65536}"
config "a negative id" "c.yaml:1:" "cluster: {name: east, id: -1}"
config "an id that is a word" "c.yaml:1:" "cluster: {name: east, id: one}"
config "an id twice" "c.yaml:5:.*2" "$good_config
  - {name: far, id: 2, feed: {dir: /x}}"
config "our own id for a peer" "c.yaml:5:.*1" "$good_config
  - {name: far, id: 1, feed: {dir: /x}}"
config "a name twice" "c.yaml:5:.*west" "$good_config
  - {name: west, id: 3, feed: {dir: /x}}"
config "a key twice" "c.yaml:5:.*cluster" "$good_config
cluster: {name: other, id: 9}"
config "a negative port" "c.yaml:5:.*port" "$good_config
tunnel: {port: -1}"
config "port 65536" "c.yaml:5:.*port" "$good_config
tunnel: {port: 65536}"
config "VNI 2^24" "c.yaml:5:" "$good_config
tunnel: {id: 16777216}"
config "an unknown mode" "c.yaml:5:.*mode" "$good_config
mode: turbo"
config "an instance name with a slash" "c.yaml:5:.*instance" "$good_config
instance: a/b"
config "an instance name of 33 letters" "c.yaml:5:.*instance" "$good_config
instance: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
config "a list where a word belongs" "c.yaml:5:" "$good_config
device: [a]"
config "a device name too long" "c.yaml:5:.*device" "$good_config
device: averyveryverylongname0"
config "an address that is none" "c.yaml:5:.*address" "$good_config
node: {addresses: [192.0.2.300]}"
config "an etcd feed without a prefix" "c.yaml:5:.*etcd: prefix:" "$good_config
  - {name: far, id: 3, feed: {etcd: {endpoints: ['https://192.0.2.9:2379']}}}"
config "a password in the file" "c.yaml:5:.*etcd: no secret belongs here.*password_file" "$good_config
  - {name: far, id: 3, feed: {etcd: {endpoints: ['https://192.0.2.9:2379'], prefix: /x, user: u, password: p}}}"
config "two transports in one map" "c.yaml:5:.*feed: dir and etcd in one map: write a list" "$good_config
  - {name: far, id: 3, feed: {dir: /x, etcd: {prefix: /x}}}"
config "publishing into a peer's feed" "c.yaml:5: publish: the cluster far is read from /x" "$good_config
  - {name: far, id: 3, feed: {etcd: {endpoints: ['https://a:1'], prefix: /x}}}
local: {feed: {dir: /x}}
publish: {etcd: {endpoints: ['https://a:1'], prefix: /x}}"
config "a duration without unit" "c.yaml:5:" "$good_config
stale_after: soon"
config "a percentage over 100" "c.yaml:5:" "$good_config
max_shrink: 150%"
config "YAML that does not parse" "c.yaml:[0-9]+:" "cluster: {name: east"
config "a tab for indentation" "c.yaml:[0-9]+:" "cluster:
	name: east"
config "two documents" "c.yaml" "$good_config
---
$good_config"
head -c 3000000 /dev/zero | tr '\0' '#' >"$d/big.yaml"
t "config: 3 MB" refuses big.yaml timeout 20 "$asan" --config "$d/big.yaml" config check
t "config: a directory" refuses "$d" timeout 20 "$asan" --config "$d" config check
mkfifo "$d/fifo.yaml"
t "config: a FIFO" refuses fifo.yaml timeout 20 "$asan" --config "$d/fifo.yaml" config check
head -c 4096 /dev/urandom >"$d/random.yaml"
t "config: binary" refuses random.yaml timeout 20 "$asan" --config "$d/random.yaml" config check

# ---- feeds; a fault in an object is at the line where the object begins ----
node() { # CIDR [NAME [ADDRESS]]
	printf 'apiVersion: v1\nkind: Node\nmetadata: {name: %s}\nspec: {podCIDRs: ["%s"]}\n' "${2:-n1}" "$1"
	printf 'status: {addresses: [{type: InternalIP, address: "%s"}]}\n' "${3:-192.0.2.77}"
}
feed() { # make an empty feed directory
	rm -rf "$d/feed"
	mkdir "$d/feed"
}
one() { # SENTENCE PATTERN: the text on stdin as a feed
	feed
	cat >"$d/feed/f.yaml"
	bad "feed: $1" "$2" feed check "$d/feed"
}
good() { # SENTENCE: what looks odd but is right
	feed
	cat >"$d/feed/f.yaml"
	t "feed: $1" exits 0 run feed check "$d/feed"
}
good "a good node" < <(node 10.7.0.0/24)
one "an empty file alone" "f.yaml|feed" < <(printf '')
one "truncated" "f.yaml:[0-9]+:" < <(node 10.7.0.0/24 | head -c 60)
one "binary" "f.yaml" < <(head -c 100000 /dev/urandom)
one "NULs" "f.yaml(:[0-9]+)?:" < <(node 10.7.0.0/24; printf '\0\0\0')
one "invalid UTF-8" "f.yaml(:[0-9]+)?:" < <(node 10.7.0.0/24 $'n\xff\xfe')
one "a CIDR with host bits" "f.yaml:[0-9]+:.*10.7.0.5/24" < <(node 10.7.0.5/24)
one "a prefix length of 33" "f.yaml:[0-9]+:.*10.7.0.0/33" < <(node 10.7.0.0/33)
one "a negative prefix length" "f.yaml:[0-9]+:" < <(node 10.7.0.0/-1)
one "an address that is none" "f.yaml:[0-9]+:.*192.0.2.777" < <(node 10.7.0.0/24 n1 192.0.2.777)
one "a name that is none" "f.yaml:[0-9]+:" < <(node 10.7.0.0/24 "NotADnsName!")
one "a node twice" "f.yaml:[0-9]+:.*n1" < <(node 10.7.0.0/24 n1; echo ---; node 10.8.0.0/24 n1)
one "overlapping prefixes" "10.7.0.128/25" < <(node 10.7.0.0/24 n1; echo ---; node 10.7.0.128/25 n2 192.0.2.78)
one "one address of two nodes" "192.0.2.77" < <(node 10.7.0.0/24 n1; echo ---; node 10.8.0.0/24 n2)
one "a list at the top" "f.yaml" < <(echo '[1, 2, 3]')
one "words" "f.yaml:1:" < <(echo 'just words')
one "items that are a number" "f.yaml" < <(printf '{"kind": "List", "items": 5}')
one "a document without kind" "f.yaml:[0-9]+:.*kind" < <(node 10.7.0.0/24; echo ---; echo 'apiVersion: v1')
one "a negative port" "f.yaml:[0-9]+:.*(port|-80)" <<-EOF
	apiVersion: v1
	kind: Service
	metadata: {name: s, namespace: d}
	spec: {clusterIPs: [10.96.0.9], ports: [{name: http, port: -80, protocol: TCP}]}
EOF
one "a port of 65536" "f.yaml:[0-9]+:.*(port|65536)" <<-EOF
	apiVersion: v1
	kind: Service
	metadata: {name: s, namespace: d}
	spec: {clusterIPs: [10.96.0.9], ports: [{name: http, port: 65536, protocol: TCP}]}
EOF
bomb() {
	local l p
	echo 'a: &a [x, x, x, x, x, x, x, x, x]'
	for l in b c d e f g h i; do
		p=$(printf '%b' "\\x$(printf %x $(($(printf %d "'$l") - 1)))")
		echo "$l: &$l [*$p, *$p, *$p, *$p, *$p, *$p, *$p, *$p, *$p]"
	done
}
one "a bomb of aliases" "f.yaml:[0-9]+:" < <(bomb)
one "an alias of itself" "f.yaml:[0-9]+:" < <(printf '%s\n' 'a: &a' '  b: *a')
one "200000 open brackets" "f.yaml:[0-9]+:" < <(head -c 200000 /dev/zero | tr '\0' '[')
one "2000 levels of JSON" "f.yaml:[0-9]+:" < <(printf '{"kind":"Node","x":'; for _ in $(seq 2000); do printf '{"y":'; done)
long_line() {
	printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\nx: "'
	head -c 10000000 /dev/zero | tr '\0' 'a'
	printf '"\n---\n'
	node 10.7.0.0/24
}
one "a line of 10 MB" "f.yaml:[0-9]+:" < <(long_line)
feed
truncate -s 1G "$d/feed/huge.yaml"
bad "feed: a file of 1 GB" "huge.yaml" feed check "$d/feed"
memory() { # the same, in 512 MB of data
	(
		ulimit -v 1500000
		refuses "huge.yaml" timeout 20 "$LAB_XMESH" --config "$LAB_DIR/good.yaml" feed check "$d/feed"
	)
}
t "feed: that file of 1 GB is not read into memory" memory
feed
bad "feed: an empty directory" "$d/feed" feed check "$d/feed"
bad "feed: a directory that is not there" "$d/nosuch" feed check "$d/nosuch"
feed
mkfifo "$d/feed/f.yaml"
bad "feed: a FIFO" "f.yaml" feed check "$d/feed"
feed
ln -s loop2 "$d/feed/loop1"
ln -s loop1 "$d/feed/loop2"
ln -s loop1 "$d/feed/f.yaml"
bad "feed: a loop of symlinks" "f.yaml" feed check "$d/feed"
feed
node 10.7.0.0/24 >"$d/outside.yaml"
ln -s ../outside.yaml "$d/feed/f.yaml"
bad "feed: a symlink out of the tree" "f.yaml" feed check "$d/feed"
feed
ln -s . "$d/feed/again"
node 10.7.0.0/24 >"$d/feed/f.yaml"
t "feed: a symlink to its own directory ends" eval 'timeout 20 "$asan" --config "$LAB_DIR/good.yaml" feed check "$d/feed" || [ $? = 1 ]'
feed
p=$d/feed
for _ in $(seq 40); do p=$p/x; done
mkdir -p "$p"
node 10.7.0.0/24 >"$p/f.yaml"
bad "feed: 40 folders deep" "$d/feed|deep" feed check "$d/feed"
feed
node 10.7.0.0/24 >"$d/feed/f.txt"
bad "feed: only files of other names" "$d/feed" feed check "$d/feed"
feed
node 10.7.0.0/24 >"$d/feed/f.yaml"
printf '\xef\xbb\xbf' | cat - "$d/feed/f.yaml" >"$d/bom" && mv "$d/bom" "$d/feed/f.yaml"
t "feed: a byte order mark is no fault" exits 0 run feed check "$d/feed"
good "an unknown kind is counted, not refused" < <(printf 'apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\n---\n'; node 10.7.0.0/24)
awk 'BEGIN { for (i = 0; i < 30; i++) print "---" }' >"$LAB_DIR/dashes"
good "empty documents" < <(cat "$LAB_DIR/dashes"; node 10.7.0.0/24)

# ---- places ----
no_bpffs() {
	sed "s|^underlay.*|&\nbpffs: $d\nrun_dir: $d\nstate_dir: $d\nlocal: {feed: {dir: $LAB_DIR/own}}|" "$LAB_DIR/good.yaml" >"$d/b.yaml"
	mkdir -p "$LAB_DIR/own"
	node 10.1.0.0/24 east-1 192.0.2.11 >"$LAB_DIR/own/f.yaml"
	refuses "bpf" timeout 20 unshare --net "$LAB_XMESH" --config "$d/b.yaml" apply
}
t "no bpffs: apply says so and how to mount one" no_bpffs
t_end
