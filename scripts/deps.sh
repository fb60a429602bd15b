#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# deps.sh [build|unit|demo|test]: install the Debian packages that are missing for that purpose (each
# includes the ones before it; default test). `deps.sh --list PURPOSE` only names them.
# Not for: anything that is not in Debian 12 and 13.
set -eu

build=(gcc clang make pkg-config bpftool libc6-dev linux-libc-dev libbpf-dev libelf-dev zlib1g-dev
	libmnl-dev libuv1-dev libjson-c-dev libyaml-dev libsmartcols-dev libsystemd-dev uthash-dev
	libxxhash-dev libmicrohttpd-dev libcurl4-openssl-dev libprotobuf-c-dev protobuf-c-compiler
	libzstd-dev libcmocka-dev)
unit=(iproute2 iputils-ping git nftables iptables procps kmod etcd-server openssl
	ca-certificates python3)
demo=(curl traceroute socat jq util-linux)
check=(iperf3 ethtool tcpdump haproxy etcd-client shellcheck debootstrap qemu-system-x86 cpio
	busybox-static wireguard-tools xz-utils zstd man-db prometheus
	chromium chromium-driver)

list=
if [ "${1:-}" = --list ]; then
	list=1
	shift
fi
case ${1:-test} in
build) want=("${build[@]}") ;;
unit) want=("${build[@]}" "${unit[@]}") ;;
demo) want=("${build[@]}" "${unit[@]}" "${demo[@]}") ;;
test) want=("${build[@]}" "${unit[@]}" "${demo[@]}" "${check[@]}") ;;
*)
	echo "usage: deps.sh [--list] [build|unit|demo|test]" >&2
	exit 2
	;;
esac
if [ -n "$list" ]; then
	printf '%s\n' "${want[@]}"
	exit 0
fi

missing=()
for p in "${want[@]}"; do
	dpkg-query -W -f='${db:Status-Status}\n' "$p" 2>/dev/null | grep -qx installed || missing+=("$p")
done
[ ${#missing[@]} -gt 0 ] || exit 0
echo "installing: ${missing[*]}"
[ "$(id -u)" = 0 ] || {
	echo "deps.sh: needs root to install them" >&2
	exit 1
}
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq -y --no-install-recommends install "${missing[@]}" >/dev/null
