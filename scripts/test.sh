#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# test.sh: install what is missing and run everything: build without warnings, lint, unit tests,
# BPF programs, end to end, distribution kernels (KERNELS, default "6.1 newest"), Debian 13. Ends
# with "N passed, N failed, N skipped"; exits 0 only if nothing failed and nothing that could run
# was skipped. The host is left as it was, but for installed packages and downloads in XMESH_CACHE.
set -u
cd "$(dirname "$0")/.." || exit 1
[ "$(id -u)" = 0 ] || {
	echo "test.sh: needs root for namespaces and BPF" >&2
	exit 1
}
passed=0 failed=0 skipped=0 bad=0
log=build/log
mkdir -p "$log"
rm -f "$log"/*.sum

head_() { printf '\n== %s\n' "$1"; }
# step NAME COMMAND...: one case
step() {
	local start=$SECONDS
	head_ "$1"
	if "${@:2}"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1)) bad=1
		echo "FAIL $1"
	fi
	echo "   $1: $((SECONDS - start)) s"
}
# suite KIND COMMAND...: many cases, summed up by run-tests.sh in build/log/KIND.sum
suite() {
	local p f s start=$SECONDS
	head_ "$1"
	"${@:2}" || bad=1
	if read -r p f s 2>/dev/null <"$log/$1.sum"; then
		passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	else
		failed=$((failed + 1)) bad=1
		echo "FAIL $1: it did not run"
	fi
	echo "   $1: $((SECONDS - start)) s"
}

export CFLAGS="${CFLAGS:--O2 -g} -Werror"
jobs=-j$(nproc)
step "packages" scripts/deps.sh test
step "build" make -s "$jobs" all
step "lint" scripts/lint.sh
suite unit make -s "$jobs" check
suite prog make -s "$jobs" check-prog
suite e2e make -s check-e2e
# The last two look at no clock and leave a processor idle each: side by side.
make -s check-vm KERNELS="${KERNELS:-6.1 newest}" >"$log/vm.out" 2>&1 &
vm=$!
vm_ends() {
	local rc=0
	wait "$vm" || rc=$?
	cat "$log/vm.out"
	return "$rc"
}
suite debian env TEST_TIMEOUT=900 scripts/run-tests.sh debian scripts/trixie.sh
suite vm vm_ends

printf '\n%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$bad" = 0 ]
