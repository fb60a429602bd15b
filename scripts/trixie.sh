#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# trixie.sh: build xmesh and run its unit tests in a Debian 13 root made by debootstrap, from a copy
# of the tree, in namespaces of its own. The root is kept as a tarball in XMESH_CACHE. Prints TAP.
set -eu -o pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/debian.sh
. scripts/debian.sh
suite=trixie
packages=$(scripts/deps.sh --list unit | paste -sd, -)
tarball=$cache/$suite-$(cksum <<<"$packages" | cut -d' ' -f1).tar.zst
work=$(mktemp -d "${TMPDIR:-/tmp}/xmesh-$suite.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
trap 'exit 130' INT TERM
mkdir -p "$cache" "$work/root"

if [ ! -e "$tarball" ]; then
	unshare --mount --propagation private debootstrap --variant=minbase --include="$packages" \
		"$suite" "$work/root" "$(debian_mirror)" >"$work/log" 2>&1 || {
		tail -n 15 "$work/log"
		echo "not ok 1 - a $suite root by debootstrap"
		echo 1..1
		exit 1
	}
	rm -rf "$work"/root/var/cache/apt/archives/*.deb "$work"/root/var/lib/apt/lists/*
	rm -f "$cache/$suite"-*.tar.zst
	tar -C "$work/root" -cf - . | zstd -q -3 -T0 >"$tarball.new"
	mv "$tarball.new" "$tarball"
else
	zstd -qdc "$tarball" | tar -C "$work/root" -xf -
fi

mkdir "$work/root/src"
git ls-files -z | tar --null --files-from=- --ignore-failed-read -cf - | tar -C "$work/root/src" -xf -
inside() { # COMMAND: there, without network, as root of a mount of its own (tests make namespaces and
	# mounts); indented, as it may print TAP too
	unshare --mount --propagation private --net --pid --fork bash -c "
		ip link set lo up && mount --bind '$work/root' '$work/root' && mount -t proc proc '$work/root/proc' &&
		mount -t sysfs sysfs '$work/root/sys' &&
		mount -t cgroup2 cgroup2 '$work/root/sys/fs/cgroup' && mount --bind /dev '$work/root/dev' &&
		exec chroot '$work/root' /bin/sh -c 'cd /src && export LANG=C PATH=/usr/sbin:/usr/bin:/sbin:/bin && $1'" 2>&1 | sed 's/^/  /'
}
if inside "CFLAGS=\"-O2 -g -Werror\" make -s -j$(nproc) all" && inside "build/xmesh version"; then
	echo "ok 1 - Debian 13 builds it without warnings"
else
	echo "not ok 1 - Debian 13 builds it without warnings"
fi
if inside "CFLAGS=\"-O1 -g -Werror\" make -s -j$(nproc) check"; then
	echo "ok 2 - its unit tests pass there"
else
	echo "not ok 2 - its unit tests pass there"
fi
echo 1..2
