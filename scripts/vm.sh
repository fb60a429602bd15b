#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# vm.sh KERNEL... [TEST...]: run tests (default tests/vm/guest.sh) inside real Debian kernels under
# qemu. KERNEL is 5.10, 6.1, 6.12 or newest, or DEB[,DEB...]. Kernels are downloaded from the archive
# that apt uses, into XMESH_CACHE (default /var/cache/xmesh), and unpacked, never installed.
#   vm.sh --boot KERNEL TEST   one run; prints what the test prints, exits as it exits
#   vm.sh --fetch KERNEL...    only download
# The guest is an initramfs: busybox, the host's own programs with their libraries, this tree's
# binary, scripts and test data, and the modules named below. Output comes over a second UART.
# Not for: speed; without a usable KVM the guest is emulated.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=scripts/debian.sh
. scripts/debian.sh

modules=(veth vxlan bridge sch_ingress cls_bpf wireguard nf_conntrack)
programs=(bash ip tc bridge ping nsenter setpriv jq socat wg bpftool mount umount sysctl ss find
	timeout mktemp diff)

die() {
	echo "vm.sh: $*" >&2
	exit 125
}

suite_of() {
	case $1 in
	5.10) echo bullseye-security ;;
	6.1) echo bookworm-security ;;
	6.12) echo trixie-security ;;
	newest) echo sid ;;
	*) die "unknown kernel $1: 5.10, 6.1, 6.12, newest or DEB[,DEB...]" ;;
	esac
}

# fetch KERNEL: print the directory of the unpacked kernel. A kernel fetched within 30 days is taken
# as it is; an older one too, with a word, when the archive cannot be reached.
fetch() {
	local suite dir=$cache/kernel-$1 apt
	suite=$(suite_of "$1")
	if [ -e "$dir/ok" ] && [ -z "$(find "$dir/ok" -mtime +30)" ]; then
		echo "$dir/tree"
		return
	fi
	apt=$dir/apt
	mkdir -p "$apt"/lists/partial "$apt"/archives/partial
	if download "$suite" "$apt" >"$dir/log" 2>&1; then
		rm -rf "$dir/tree"
		mkdir "$dir/tree"
		for deb in "$apt"/*.deb; do dpkg-deb -x "$deb" "$dir/tree"; done
		depmod -b "$dir/tree/usr" "$(version "$dir/tree")" 2>/dev/null || depmod -b "$dir/tree" "$(version "$dir/tree")"
		rm -rf "$apt"
		touch "$dir/ok"
	elif [ -e "$dir/ok" ]; then
		echo "vm.sh: cannot refresh $1 ($dir/log), using the kernel fetched before" >&2
	else
		tail -n 5 "$dir/log" >&2
		die "cannot download the kernel of $suite"
	fi
	echo "$dir/tree"
}

# download SUITE DIR: the newest cloud kernel of that suite, with lists of our own.
download() (
	set -e
	uri=$(debian_mirror "$(case $1 in *-security) echo security ;; esac)")
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri $1 main" >"$2/sources.list"
	cat >"$2/apt.conf" <<-EOF
		Dir::Etc::sourcelist "$2/sources.list";
		Dir::Etc::sourceparts "-";
		Dir::State::lists "$2/lists";
		Dir::State::status "/dev/null";
		Dir::Cache "$2";
		Dir::Cache::archives "$2/archives";
		APT::Sandbox::User "root";
		Acquire::Languages "none";
		Acquire::Check-Valid-Until "false";
	EOF
	export APT_CONFIG=$2/apt.conf
	apt-get update
	# The meta package depends on the current kernel of that suite.
	image=$(apt-cache show linux-image-cloud-amd64 | sed -n 's/^Depends:.*\(linux-image-[0-9][^ ,]*\).*/\1/p' | head -n 1)
	[ -n "$image" ]
	packages=("$image")
	# Later kernels are split: the image in linux-binary, modules in linux-modules.
	for p in "linux-binary-${image#linux-image-}" "linux-modules-${image#linux-image-}"; do
		! apt-cache show "$p" >/dev/null 2>&1 || packages+=("$p")
	done
	cd "$2"
	rm -f ./*.deb
	apt-get download "${packages[@]}"
)

version() { # TREE: of the kernel in it
	local dir
	dir=$(find "$1" -path '*/lib/modules/*' -name '[0-9]*' -type d -prune | head -n 1)
	[ -n "$dir" ] || die "no modules in $1"
	echo "${dir##*/}"
}

copy_program() { # ROOT FILE: with the libraries that it needs
	local lib
	install -D "$2" "$1$2"
	ldd "$2" 2>/dev/null | grep -oE '/[^ )]+' | while read -r lib; do
		[ -e "$1$lib" ] || install -D "$lib" "$1$lib"
	done
}

make_initrd() { # TREE WORK TEST
	local root=$2/root p path m ver lib=$1
	mkdir -p "$root"/{dev,proc,sys,run,tmp,root,etc,usr/bin,usr/sbin,usr/lib,usr/lib64,xmesh}
	for p in bin sbin lib lib64; do ln -s "usr/$p" "$root/$p"; done
	cp "$(command -v busybox)" "$root/usr/bin/busybox"
	for p in $(busybox --list | grep -vx busybox); do ln -sf busybox "$root/usr/bin/$p"; done
	for p in "${programs[@]}"; do
		path=$(readlink -f "$(command -v "$p")") || die "$p is not installed (scripts/deps.sh)"
		rm -f "$root/usr/bin/$p"
		copy_program "$root" "$path"
		[ -e "$root/usr/bin/$p" ] || ln -s "$path" "$root/usr/bin/$p"
	done
	copy_program "$root" "$PWD/build/xmesh"
	cp -r --parents build/xmesh scripts tests/e2e tests/vm tests/data "$root/xmesh"
	rm -rf "$root$PWD/build" "$root/xmesh/tests/data/scale.json"
	mkdir "$root/modules"
	ver=$(version "$1")
	[ -d "$1/lib/modules" ] || lib=$1/usr
	for m in "${modules[@]}"; do
		modprobe -d "$lib" -S "$ver" --show-depends "$m" 2>/dev/null || echo "builtin $m"
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$2/modules"
	while read -r p; do
		m=${p##*/}
		case $p in
		*.xz) xz -dc "$p" >"$root/modules/${m%.xz}" ;;
		*.zst) zstd -qdc "$p" >"$root/modules/${m%.zst}" ;;
		*) cp "$p" "$root/modules/$m" ;;
		esac
		m=${m%.xz}
		echo "${m%.zst}" >>"$root/modules/order"
	done <"$2/modules"
	echo root:x:0:0:root:/root:/bin/sh >"$root/etc/passwd"
	# A short init: mounts, modules, the test on the second UART, its status as the last line.
	cat >"$root/init" <<-EOF
		#!/bin/busybox sh
		export PATH=/usr/bin:/usr/sbin HOME=/root LANG=C
		mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
		mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /tmp; mount -t cgroup2 cgroup2 /sys/fs/cgroup
		ln -s /proc/self/fd /dev/fd
		for m in \$(cat /modules/order); do insmod "/modules/\$m" || echo "insmod \$m failed"; done
		stty -F /dev/ttyS1 raw -echo
		cd /xmesh
		setsid bash "$3" </dev/null >/dev/ttyS1 2>&1
		printf '\n\036 %d %s\n' \$? "\$(cut -d' ' -f1 /proc/uptime)" >/dev/ttyS1
		sync
		poweroff -f
	EOF
	chmod 755 "$root/init"
	(cd "$root" && find . | cpio -o -H newc -R 0:0 --quiet) | gzip -1 >"$2/initrd"
}

# kvm_works VMLINUZ WORK: nested KVM can open and still not run a stock kernel: see whether one
# starts. Remembered until the host boots again.
kvm_works() {
	local known
	[ -w /dev/kvm ] || return 1
	known=$cache/kvm-$(cat /proc/sys/kernel/random/boot_id)
	if [ ! -e "$known" ]; then
		rm -f "$cache"/kvm-*
		timeout -s KILL 4 qemu-system-x86_64 -nodefaults -display none -no-reboot -m 256 \
			-accel kvm -cpu host,-arch-capabilities -kernel "$1" -append "console=ttyS0 panic=-1" \
			-serial "file:$2/kvm" -monitor none </dev/null >/dev/null 2>&1 || true
		if grep -aq 'Linux version' "$2/kvm" 2>/dev/null; then echo yes; else echo no; fi >"$known"
	fi
	[ "$(cat "$known")" = yes ]
}

boot() { # KERNEL TEST
	local tree work vmlinuz accel status up deb
	work=$(mktemp -d "${TMPDIR:-/tmp}/xmesh-vm.XXXXXX")
	# shellcheck disable=SC2064 # the directory of now
	trap "rm -rf '$work'" EXIT
	trap 'exit 130' INT TERM
	case $1 in
	*.deb*)
		tree=$work/tree
		mkdir "$tree"
		for deb in ${1//,/ }; do dpkg-deb -x "$deb" "$tree"; done
		;;
	*) tree=$(fetch "$1") ;;
	esac
	vmlinuz=$(find "$tree" \( -path '*/boot/vmlinuz-*' -o -path '*/modules/*/vmlinuz' \) -type f | head -n 1)
	[ -n "$vmlinuz" ] || die "no vmlinuz in $tree"
	make_initrd "$tree" "$work" "$2"
	accel=(-accel 'tcg,thread=multi' -cpu max)
	! kvm_works "$vmlinuz" "$work" || accel=(-accel kvm -cpu 'host,-arch-capabilities')
	timeout -s KILL "${VM_TIMEOUT:-560}" qemu-system-x86_64 -machine pc -nodefaults -no-user-config \
		-display none -no-reboot -monitor none "${accel[@]}" -smp 2 -m 1024 \
		-object rng-random,id=rng,filename=/dev/urandom -device virtio-rng-pci,rng=rng \
		-serial "file:$work/console" -chardev stdio,id=out,signal=off -serial chardev:out \
		-kernel "$vmlinuz" -initrd "$work/initrd" \
		-append "console=ttyS0 panic=-1 oops=panic loglevel=5 mitigations=off random.trust_cpu=on net.ifnames=0" \
		</dev/null 2>"$work/qemu" | tee "$work/out" | grep -av $'\036' || true
	read -r _ status up < <(grep -a $'\036' "$work/out" | tr -d '\r') || true
	if [ -z "${status:-}" ]; then
		echo "the guest ended without a result (timeout or panic); its console:"
		tail -n 25 "$work/console" | tr -d '\r'
		cat "$work/qemu"
		return 126
	fi
	echo "# kernel $(version "$tree"), ${accel[1]}, guest uptime $up s"
	return "$status"
}

case ${1:-} in
--boot)
	[ $# = 3 ] || die "usage: vm.sh --boot KERNEL TEST"
	boot "$2" "$3"
	exit
	;;
--fetch)
	shift
	for k; do fetch "$k"; done
	exit
	;;
esac
kernels=() tests=()
for a; do
	case $a in
	*.sh) tests+=("$a") ;;
	*) kernels+=("$a") ;;
	esac
done
[ ${#kernels[@]} -gt 0 ] || die "usage: vm.sh KERNEL... [TEST.sh...]"
[ ${#tests[@]} -gt 0 ] || tests=(tests/vm/guest.sh)
# One file per kernel and test, so that run-tests.sh sums them like any other.
mkdir -p build/vm
runs=()
for k in "${kernels[@]}"; do
	for t in "${tests[@]}"; do
		n=${k##*/}
		n=${n//[^a-zA-Z0-9.]/_}
		run=build/vm/$n-$(basename "$t" .sh)
		printf '#!/bin/sh\nexec scripts/vm.sh --boot "%s" "%s"\n' "$k" "$t" >"$run"
		chmod +x "$run"
		runs+=("$run")
	done
done
TEST_TIMEOUT=600 exec scripts/run-tests.sh vm "${runs[@]}"
